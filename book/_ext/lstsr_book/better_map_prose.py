"""What the page on the better map takes from the kept tables of data/better_map."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pandas as pd

from lstsr_book.claim_evidence import LABELS
from lstsr_book.markup import Cell, Row, missing_cell, number, row, table, value_cell
from lstsr_core.base.project import BETTER_MAP, REGISTRATION
from lstsr_core.evaluation import trade
from lstsr_core.evaluation.registration import median_by_image
from lstsr_core.evaluation.registration_report import GROUPS_TABLE, SHIFTS_TABLE
from lstsr_core.metrics.names import BY_COLUMN
from lstsr_core.sharpening.methods import METHODS
from lstsr_core.stages.better_map import PARTS, PROTOCOLS, kept_scenes, kept_trials

METRICS = ["rmse_k", "frr", "attenuation_rmse_db"]
IMAGES = {"bicubic": "the 1 km LST", "ndvi": "NDVI", "sc-unet": "SC-Unet's product"}


def better_map_substitutions() -> dict[str, str]:
    """Sentences and tables on where ASTER lies, on the trade, and on what was tried."""
    constant: dict[str, Any] = json.loads(REGISTRATION.read_text(encoding="utf-8"))
    groups = pd.read_csv(BETTER_MAP / GROUPS_TABLE, dtype={"scene": str})
    comparison = trade.compare(kept_scenes(BETTER_MAP), trade.group_of_scene(groups))
    shifts = pd.read_csv(BETTER_MAP / SHIFTS_TABLE, dtype={"scene": str})
    return {
        "registration_sentence": _registration_sentence(constant),
        "registration_folds": _folds_sentence(constant),
        "registration_table": _shifts_table(median_by_image(shifts)),
        "registration_gain": _gain_sentence(comparison),
        "better_map_table": _comparison_table(comparison),
        "trials_table": _trials_table(kept_trials()),
    }


def _registration_sentence(constant: dict[str, Any]) -> str:
    return (
        f"On average over {constant['scenes']} scenes of {constant['groups']} groups ASTER lies "
        f"{number(constant['rows'], 2)} rows south and {number(constant['columns'], 2)} columns east of what "
        f"MODIS saw of the same ground: {number(constant['rows_m'], 0)} m and "
        f"{number(constant['columns_m'], 0)} m"
    )


def _folds_sentence(constant: dict[str, Any]) -> str:
    off = constant["largest_difference_of_folds"]
    return (
        f"without a fifth of the groups the constant differs by at most {number(off['rows'], 2)} rows and "
        f"{number(off['columns'], 2)} columns"
    )


def _shifts_table(medians: pd.DataFrame) -> str:
    rows = []
    for record in medians.reset_index().to_dict("records"):
        places = [
            _cell([float(record[f"{axis}_{quartile}"]) for quartile in ("median", "q1", "q3")], 2)
            for axis in ("rows", "columns")
        ]
        correlations = [
            value_cell(float(record[name]), 2) for name in ("correlation_in_place", "correlation")
        ]
        rows.append(row(IMAGES[record["image"]], [record["scenes"], *places, *correlations]))
    head = ["ASTER against", "scenes", "rows south", "columns east", "correlation", "when moved back"]
    return table(head, rows)


def _cell(figures: Sequence[float], digits: int) -> Cell:
    middle, low, high = figures
    return value_cell(middle, digits, f"[{number(low, digits)}, {number(high, digits)}]")


def _gain_sentence(comparison: pd.DataFrame) -> str:
    rmse = comparison[(comparison["part"] == "development") & (comparison["metric"] == "rmse_k")]
    means = rmse.set_index(["method", "protocol"])["mean"].astype(float).to_dict()
    told = []
    for name in ("bicubic", "sc-unet", "sif-cnn-sr1"):
        before, after = (number(means[name, protocol], 2) for protocol in PROTOCOLS)
        told.append(f"{LABELS[name]} {before} → {after} K")
    return ", ".join(told)


def _comparison_table(comparison: pd.DataFrame) -> str:
    columns = [(metric, protocol) for metric in METRICS for protocol in PROTOCOLS]
    rows: list[Row] = []
    for part, told in PARTS.items():
        of_part = comparison[comparison["part"] == part]
        if of_part.empty and part != "simulated":
            rows.append(row(told, [missing_cell("not judged yet", len(columns) + 1)]))
        for name in [name for name in METHODS if name in set(of_part["method"])]:
            of_method = of_part[of_part["method"] == name].set_index(["metric", "protocol"])
            intervals = of_method[["mean", "low", "high"]].reindex(columns).to_numpy(dtype=float).tolist()
            cells = [
                _cell(interval, BY_COLUMN[metric].digits)
                for interval, (metric, _) in zip(intervals, columns, strict=True)
            ]
            rows.append(row(f"{METHODS[name].label}, {told}", [int(of_method["scenes"].max()), *cells]))
    head = ["", "scenes", *(f"{BY_COLUMN[metric].heading}, {protocol}" for metric, protocol in columns)]
    return table(head, rows, "results sortable")


def _trials_table(trials: pd.DataFrame) -> str:
    rows = []
    for record in trials.to_dict("records"):
        figures = [value_cell(float(record[name]), BY_COLUMN[name].digits + 1) for name in METRICS]
        words = [record["protocol"], record["scenes"]], [record["helped"], record["what_came_of_it"]]
        rows.append(row(record["trial"], [*words[0], *figures, *words[1]], "words"))
    head = ["trial", "protocol", "scenes", *(BY_COLUMN[name].heading for name in METRICS)]
    return table([*head, "helped", "what came of it"], rows, "results")
