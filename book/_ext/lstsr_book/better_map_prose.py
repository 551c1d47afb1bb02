"""What the page on the better map takes from the kept tables of data/better_map."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lstsr_book.claim_evidence import LABELS
from lstsr_book.markup import Cell, Row, facts_table, missing_cell, number, part, row, table, value_cell
from lstsr_core.base.files import written_atomically
from lstsr_core.base.project import BETTER_MAP, REGISTRATION
from lstsr_core.evaluation import coverage, trade
from lstsr_core.evaluation.registration import median_by_image
from lstsr_core.evaluation.registration_report import GROUPS_TABLE, SHIFTS_TABLE
from lstsr_core.figures import panels
from lstsr_core.figures.files import styled
from lstsr_core.metrics.names import BY_COLUMN
from lstsr_core.pairs.swath import database_shift
from lstsr_core.sharpening.methods import DEFAULT_METHOD, METHODS
from lstsr_core.stages.better_map import PARTS, PROTOCOLS, kept_coverage, kept_scenes, kept_trials

METRICS = ["rmse_k", "frr", "attenuation_rmse_db"]
IMAGES = {"bicubic": "the 1 km LST", "ndvi": "NDVI", "sc-unet": "SC-Unet's product"}
TABLES = "_static/better_map"
PICTURES = {"shifts": "_static/shifts.svg", "trade": "_static/trade.svg"}


@styled
def draw_better_map(source: Path) -> None:
    """Write both figures of the page and its tables as files below a folder of the book's sources."""
    shutil.copytree(
        BETTER_MAP, source / TABLES, ignore=lambda _, names: {n for n in names if n[-4:] != ".csv"}
    )
    shifts = pd.read_csv(BETTER_MAP / SHIFTS_TABLE, dtype={"scene": str})
    parts = {"test": PARTS["test"]}
    for name, figure in (
        ("shifts", panels.shifts(shifts, database_shift())),
        ("trade", panels.trade(_comparison(), parts, PROTOCOLS)),
    ):
        with written_atomically(source / PICTURES[name]) as path:
            figure.savefig(
                path, format="svg", bbox_inches="tight", facecolor="white", metadata={"Date": None}
            )


def _comparison() -> pd.DataFrame:
    return trade.compare(kept_scenes(BETTER_MAP), _groups())


def _groups() -> dict[str, int]:
    return trade.group_of_scene(pd.read_csv(BETTER_MAP / GROUPS_TABLE, dtype={"scene": str}))


def better_map_substitutions() -> dict[str, str]:
    """Sentences and tables on where ASTER lies, on the trade, on how sure maps are, and on what was tried."""
    content: dict[str, Any] = json.loads(REGISTRATION.read_text(encoding="utf-8"))
    comparison = _comparison()
    shifts = pd.read_csv(BETTER_MAP / SHIFTS_TABLE, dtype={"scene": str})
    return {
        "registration_sentence": _registration_sentence(content),
        "registration_folds": _folds_sentence(content),
        "registration_table": _shifts_table(median_by_image(shifts)),
        "registration_gain": _gain_sentence(comparison),
        "better_map_test": _comparison_table(comparison, "test"),
        "better_map_others": "".join(
            part("folded", f"The same over the {PARTS[name]}", _comparison_table(comparison, name))
            for name in (trade.APART, "development")
        ),
        "better_map_rivals": _rivals_table(),
        "better_map_methods": _methods_table(),
        "better_map_default": f"`{DEFAULT_METHOD}`",
        "coverage_table": _coverage_table(kept_coverage()),
        "coverage_quarters": part(
            "folded", "By quarter of the pixels, from the lowest to the highest", _quarters(kept_coverage())
        ),
        "trials_table": _trials_table(kept_trials()),
    }


def _registration_sentence(content: dict[str, Any]) -> str:
    return (
        f"On average over {content['scenes']} scenes of {content['groups']} groups ASTER lies "
        f"{number(content['rows'], 2)} rows south and {number(content['columns'], 2)} columns east of what "
        f"MODIS saw of the same ground: {number(content['rows_m'], 0)} m and "
        f"{number(content['columns_m'], 0)} m"
    )


def _folds_sentence(content: dict[str, Any]) -> str:
    off = content["largest_difference_of_folds"]
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


def _cell(values: Sequence[float], digits: int) -> Cell:
    middle, low, high = values
    return value_cell(middle, digits, f"[{number(low, digits)}, {number(high, digits)}]")


def _gain_sentence(comparison: pd.DataFrame) -> str:
    rmse = comparison[(comparison["part"] == "development") & (comparison["metric"] == "rmse_k")]
    means = rmse.set_index(["method", "protocol"])["mean"].astype(float).to_dict()
    gains = []
    for name in ("bicubic", "sc-unet", "sif-cnn-sr1"):
        before, after = (number(means[name, protocol], 2) for protocol in PROTOCOLS)
        gains.append(f"{LABELS[name]} {before} → {after} K")
    return ", ".join(gains)


def _comparison_table(comparison: pd.DataFrame, of: str) -> str:
    columns = [(metric, protocol) for metric in METRICS for protocol in PROTOCOLS]
    of_part = comparison[comparison["part"] == of]
    rows: list[Row] = []
    if of_part.empty:
        rows.append(row(PARTS[of], [missing_cell("not judged yet", len(columns) + 1)]))
    for name in [name for name in METHODS if name in set(of_part["method"])]:
        of_method = of_part[of_part["method"] == name].set_index(["metric", "protocol"])
        intervals = of_method[["mean", "low", "high"]].reindex(columns).to_numpy(dtype=float).tolist()
        cells = [
            _cell(interval, BY_COLUMN[metric].digits)
            for interval, (metric, _) in zip(intervals, columns, strict=True)
        ]
        rows.append(row(METHODS[name].label, [int(of_method["scenes"].max()), *cells]))
    head = ["", "scenes", *(f"{BY_COLUMN[metric].heading}, {protocol}" for metric, protocol in columns)]
    return table(head, rows, "results sortable")


def _rivals_table() -> str:
    scenes = kept_scenes(BETTER_MAP)
    differences = trade.differences(scenes[scenes["part"] == "test"], _groups(), trade.RIVALS)
    columns = [(metric, other, protocol) for metric in ("rmse_k", "frr") for other in trade.RIVALS
               for protocol in PROTOCOLS]  # fmt: skip
    limits = {
        (record["method"], record["metric"], record["other"], record["protocol"]): [
            float(record[name]) for name in ("difference", "low", "high")
        ]
        for record in differences.to_dict("records")
    }
    judged = {method for method, *_ in limits}
    rows = [
        row(
            method.label,
            [_cell(limits[name, *column], BY_COLUMN[column[0]].digits) for column in columns],
        )
        for name, method in METHODS.items()
        if name in judged and method.source == "companion"
    ]
    head = [f"{BY_COLUMN[metric].heading} less {LABELS[other]}'s, {protocol}"
            for metric, other, protocol in columns]  # fmt: skip
    return table(["", *head], rows, "results sortable")


def _methods_table() -> str:
    return facts_table({name: method.purpose for name, method in METHODS.items() if method.source != "user"})


def _coverage_table(shares: pd.DataFrame) -> str:
    rows = []
    for record in shares[shares["quarter"].isna()].to_dict("records"):
        cells = [value_cell(*_share(record, name), _between(record, name)) for name in coverage.WITHIN] + [
            value_cell(*_share(record, f"texture_{name}")) for name in coverage.WITHIN
        ]
        label = f"{METHODS[record['method']].label}, {PARTS[record['part']]}"
        rows.append(row(label, [*cells, value_cell(record["mean_deviation_k"], 2)]))
    head = ["", *(f"{heading} (%)" for heading in _HEADINGS), "mean deviation (K)"]
    return table(head, rows, "results spreads")


_HEADINGS = [
    "within one deviation, expected 68",
    "within 1.96, expected 95",
    "texture alone, 68",
    "texture alone, 95",
]


def _share(record: dict[Any, Any], name: str) -> tuple[float, int]:
    return 100.0 * float(record[name]), 1


def _between(record: dict[Any, Any], name: str) -> str:
    low, high = (100.0 * float(record[f"{name}_{end}"]) for end in ("low", "high"))
    return f"[{number(low, 1)}, {number(high, 1)}]"


def _quarters(shares: pd.DataFrame) -> str:
    """Of the default alone; the file has all."""
    of_default = shares[(shares["method"] == DEFAULT_METHOD) & shares["quarter"].notna()]
    rows = []
    for (name, by), quarters in of_default.groupby(["part", "by"], sort=False):
        cells = [value_cell(*_share(record, "within_1")) for record in quarters.to_dict("records")]
        rows.append(row(f"by {by}, {PARTS[str(name)]}", cells))
    return table(["within one deviation (%)", "lowest", "second", "third", "highest"], rows, "results")


def _trials_table(trials: pd.DataFrame) -> str:
    rows = []
    for record in trials.to_dict("records"):
        figures = [value_cell(float(record[name]), BY_COLUMN[name].digits + 1) for name in METRICS]
        where = f"{record['scenes']} scenes, {record['protocol']}"
        rows.append(row(Cell(record["trial"], where), [record["what_came_of_it"], *figures], "words"))
    head = ["trial", "what came of it", *(BY_COLUMN[name].heading for name in METRICS)]
    return table(head, rows, "results spreads")
