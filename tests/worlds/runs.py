"""Directories of runs, without a notebook being run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lstsr_core.pairs.pair import Pair, write_pair
from lstsr_core.stages.order import UPSTREAM
from lstsr_core.stages.parameters import AsterEvaluation, Sharpening
from lstsr_core.stages.sharpening import sharpen_pairs

LAST = "12_structure"


def a_run(run: Path) -> Path:
    """Of every notebook but the last, number n with n tables and a figure."""
    for index, name in enumerate(UPSTREAM[LAST], start=1):
        (run / name / "deeper").mkdir(parents=True)
        for number in range(index):
            (run / name / "deeper" / f"{number}.csv").write_text("")
        (run / name / "figure.png").write_text("")
    return run


def bicubic_run(run: Path, pair: Pair) -> Path:
    """A run of one pair, sharpened by bicubic alone."""
    write_pair(pair, run / "01_download" / "pairs")
    methods = {"methods": ["bicubic"], "protocol": "georeferenced"}
    sharpen_pairs(Sharpening.check({"run_directory": str(run), **methods}))
    return run


def evaluation_of(run: Path, **values: Any) -> AsterEvaluation:
    """Georeferenced, unless told otherwise."""
    settings = {"run_directory": str(run), "protocol": "georeferenced"}
    return AsterEvaluation.check({**settings, **values})
