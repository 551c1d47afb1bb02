"""Directories of runs, without a notebook being run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lstsr_core.pairs.pair import Pair, write_pair
from lstsr_core.stages.order import UPSTREAM
from lstsr_core.stages.parameters import AsterEvaluation

LAST = "12_structure"


def a_run(run: Path) -> Path:
    """Of every notebook but the last, number n with n tables and a figure."""
    for index, name in enumerate(UPSTREAM[LAST], start=1):
        (run / name / "deeper").mkdir(parents=True)
        for number in range(index):
            (run / name / "deeper" / f"{number}.csv").write_text("")
        (run / name / "figure.png").write_text("")
    return run


def run_with(run: Path, *pairs: Pair) -> Path:
    for pair in pairs:
        write_pair(pair, run / "01_download" / "pairs")
    return run


def evaluation_of(run: Path, **values: Any) -> AsterEvaluation:
    """Without weights, which networks miss, unless told otherwise."""
    given = {"run_directory": str(run), "protocol": "georeferenced", "weights_directory": "none"}
    return AsterEvaluation.check({**given, **values})
