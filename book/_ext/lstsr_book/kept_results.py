"""The result tables of the published pairs that are kept with the code: numbers, and what made them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstsr_book.claims import CLAIMS_FILE, Claim, claims, write_claims
from lstsr_book.run_files import METRICS, PROVENANCE, SUMMARY, RunFiles, inputs_in_short
from lstsr_core.base.errors import InputError
from lstsr_core.base.fingerprint import Record, read_records, sha256
from lstsr_core.base.project import replace_folder
from lstsr_core.metrics.names import METRIC_COLUMNS

RESULTS = "data/results"
RECORD = "record.json"
COMMAND = "lstsr-book keep --profile paper"

TABLES = {
    "01_download": ["summary.json", "pairs.csv"],
    "03_training": ["curves.csv"],
    "04_sharpening": ["products.csv"],
    "05_fourier": ["mean_spectra.csv"],
    "06_aster_evaluation": ["metrics.csv", "summary.csv", "differences.csv", "modis.csv", "inversion.csv"],
    "08_findings": [
        "misregistration.csv", "misregistration_gains.csv", "variants.csv", "variant_differences.csv",
        "back_projection.csv",
        "back_projection_costs.csv",
    ],
}  # fmt: skip
"""The files that are kept, by the notebook that writes them; they hold no pixels."""

DIGEST_DIGITS = 12
"""How many digits of a commit or a sha256 the pages show."""

TOLERANCE = 1e-3
"""Metrics that were computed on another machine agree to this, each in its own unit."""

_PICTURES = (".png", ".svg", ".pdf")
_NOTED = ("parameters", "seed", "versions", "git_revision")


@dataclass(frozen=True)
class KeptResults:
    """The kept tables, laid out as a run is.

    Attributes
    ----------
    files : RunFiles
    record : dict
        What made them: ``revisions`` of the code, ``pairs`` and ``pairs_published``, and ``tables`` with the
        sha256 of each file.
    """

    files: RunFiles
    record: dict[str, Any]

    @classmethod
    def read(cls, directory: Path) -> KeptResults:
        """Read the record of a directory that `keep` wrote.

        Raises
        ------
        InputError
            If it is not there or not readable.
        """
        files = RunFiles(directory, COMMAND)
        return cls(files, files.json(RECORD))

    @property
    def names(self) -> list[str]:
        """The kept files, the record last."""
        return [*self.record["tables"], RECORD]

    def claims(self) -> list[Claim]:
        """The ten claims, judged anew from the kept tables."""
        return self._claims

    @cached_property
    def _claims(self) -> list[Claim]:
        return claims(self.files)  # bootstraps, which several sentences of the book ask for

    @property
    def revisions(self) -> str:
        """Of the code that made them, as short as git shows them."""
        return ", ".join(revision[:DIGEST_DIGITS] for revision in self.record["revisions"])


def keep(run: Path, directory: Path) -> KeptResults:
    """Keep the result tables of a run of published pairs, with a record of what made them.

    Parameters
    ----------
    run : Path
        A complete run, made by the code as it is.
    directory : Path
        Replaced as a whole, or left as it was.

    Raises
    ------
    InputError
        If the run is synthetic, incomplete, changed since, or made by code that is in no commit.
    """
    files, records = RunFiles(run), read_records(run)
    summary = files.json(SUMMARY)
    if summary.get("synthetic", True):
        raise InputError(
            f"{run}: holds simulated scenes; only results of the published pairs are kept (--profile paper)."
        )
    names = [f"{notebook}/{name}" for notebook, tables in TABLES.items() for name in tables]
    for name in names:
        _check_made_by(records, name, sha256(files.path(name)), run)
    revisions = sorted({str(records[notebook]["git_revision"]) for notebook in TABLES})
    changed = [revision for revision in revisions if "+" in revision]
    if changed:
        raise InputError(
            f"{run / PROVENANCE}: made by code that was never committed ({', '.join(changed)}); commit it, "
            f"or take a clean "
            f"clone, and run again: lstsr run --profile {run.name} --force"
        )
    scenes = files.table(METRICS)["scene"].nunique()
    if scenes != summary["pairs"]:
        raise InputError(
            f"{run / METRICS}: judges {scenes} scenes of {summary['pairs']}; run 06_aster_evaluation with "
            f"all pairs."
        )
    new = directory.with_name(f".{directory.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    files.copy(names, new)
    _write_json(new / PROVENANCE, {notebook: _noted(records[notebook]) for notebook in TABLES})
    write_claims(claims(RunFiles(new)), new / CLAIMS_FILE)
    record = {
        "pairs": summary["pairs"], "pairs_published": summary["pairs_published"], "revisions": revisions,
        "tables": {name: sha256(new / name) for name in [*names, PROVENANCE, CLAIMS_FILE]},
    }  # fmt: skip
    _write_json(new / RECORD, record)
    replace_folder(new, directory)
    return KeptResults.read(directory)


def _check_made_by(records: dict[str, Record], name: str, digest: str, run: Path) -> None:
    notebook = name.split("/")[0]
    if records.get(notebook, {}).get("outputs", {}).get(name) != digest:
        raise InputError(
            f"{run / name}: is not as {notebook} wrote it. Run it again: lstsr run --profile {run.name}"
        )


def _noted(record: Record) -> Record:
    inputs = {
        name: digest for name, digest in inputs_in_short(record).items() if not name.endswith(_PICTURES)
    }
    return {**{name: record[name] for name in _NOTED}, "inputs": inputs}


def _write_json(path: Path, content: dict[str, Any]) -> None:
    path.write_text(
        json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )


@dataclass(frozen=True)
class Agreement:
    """How far two tables of metrics agree.

    Attributes
    ----------
    rows, missing : int
        Rows (scene, method, protocol) that both have, and that one only has.
    statuses : int
        Rows in which one has a figure and the other none.
    largest : float
        Largest difference of any metric, in its unit; NaN if no row is shared.
    metric, scene, method : str
        Where it is.
    """

    rows: int
    missing: int
    statuses: int
    largest: float
    metric: str
    scene: str
    method: str

    @property
    def holds(self) -> bool:
        """Whether both have the same rows, and all figures agree within `TOLERANCE`."""
        return bool(self.rows) and not self.missing and not self.statuses and self.largest <= TOLERANCE


def compare_metrics(table: pd.DataFrame, other: pd.DataFrame) -> Agreement:
    """Compare two tables of metrics, row by row."""
    keys = ["scene", "method", "protocol"]
    first, second = (rows.set_index(keys)[METRIC_COLUMNS].astype(float) for rows in (table, other))
    shared = first.index.intersection(second.index)
    missing = len(first) + len(second) - 2 * len(shared)
    a, b = first.loc[shared].to_numpy(), second.loc[shared].to_numpy()
    statuses = int((np.isnan(a) != np.isnan(b)).any(axis=1).sum())
    differences = np.nan_to_num(abs(a - b), nan=-1.0)
    if not len(shared) or differences.max() < 0.0:
        return Agreement(len(shared), missing, statuses, float("nan"), "", "", "")
    row, column = np.unravel_index(differences.argmax(), differences.shape)
    scene, method, _ = shared[row]
    largest = float(differences[row, column])
    return Agreement(len(shared), missing, statuses, largest, METRIC_COLUMNS[column], str(scene), str(method))
