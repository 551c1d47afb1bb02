"""The files that a run leaves, by their names, read on demand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lstsr_core.base.errors import InputError
from lstsr_core.base.fingerprint import Record, fingerprint
from lstsr_core.evaluation.products import FOLDER
from lstsr_core.stages.parameters import Sharpening

SUMMARY = "01_download/summary.json"
PAIRS = "01_download/pairs.csv"
CURVES = "03_training/curves.csv"
METRICS = "06_aster_evaluation/metrics.csv"
METRICS_SUMMARY = "06_aster_evaluation/summary.csv"
INVERSION = "06_aster_evaluation/inversion.csv"
PROVENANCE = "provenance.json"
PRODUCTS = f"{Sharpening.notebook}/{FOLDER}/"


def inputs_in_short(record: Record) -> dict[str, str]:
    """The sha256 of a notebook's inputs by name; the products, over a thousand of the paper, as one."""
    inputs: dict[str, str] = record.get("inputs", {})
    products = {name: digest for name, digest in inputs.items() if name.startswith(PRODUCTS)}
    short = {name: digest for name, digest in inputs.items() if name not in products}
    return short | ({PRODUCTS: fingerprint(products)} if products else {})


@dataclass(frozen=True)
class RunFiles:
    """The files of a run, read on demand; a missing one is named together with the command that makes it.

    Attributes
    ----------
    run : Path
        A run's directory, or one that is laid out alike.
    made_by : str
        The command that makes the files; by default the run's own.
    """

    run: Path
    made_by: str = ""

    def path(self, name: str) -> Path:
        """Where a file of the run is.

        Raises
        ------
        InputError
            If it is not there.
        """
        path = self.run / name
        if not path.is_file():
            command = self.made_by or f"lstsr run --profile {self.run.name}"
            raise InputError(f"{path}: no such file, and the book is made from it. Make it first: {command}")
        return path

    def copy(self, names: Sequence[str], target: Path) -> None:
        """Copy files of the run to the same names below another folder."""
        for name in names:
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.run / name, target / name)

    def json(self, name: str) -> dict[str, Any]:
        """A JSON object of the run."""
        path = self.path(name)
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise InputError(
                f"{path}: not readable as JSON ({error}). Run the notebook that writes it again."
            ) from error
        if not isinstance(content, dict):
            raise InputError(f"{path}: holds a {type(content).__name__}; expected a JSON object.")
        return content

    def table(self, name: str, columns: Sequence[str] = ()) -> pd.DataFrame:
        """A CSV table of the run, scenes as text.

        Raises
        ------
        InputError
            If it is missing, not a table, or lacks one of `columns`.
        """
        path = self.path(name)
        try:
            table = pd.read_csv(path, dtype={"scene": str, "method": str, "status": str})
        except ValueError as error:
            raise InputError(
                f"{path}: not readable as a table ({error}). Run the notebook that writes it again."
            ) from error
        missing = [column for column in columns if column not in table.columns]
        if missing:
            raise InputError(
                f"{path}: lacks the column {', '.join(missing)}; it has {', '.join(table.columns)}."
            )
        return table
