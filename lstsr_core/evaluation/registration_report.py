"""What ``lstsr register`` does: the shifts of the development scenes, and the constant fitted to them."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.base.progress import bar
from lstsr_core.evaluation.registration import FOLDS, IMAGE, IMAGES, constants_of_folds, fit_constant
from lstsr_core.evaluation.statistics import mean_intervals
from lstsr_core.evaluation.table import write_table
from lstsr_core.evaluation.trade import groups_of_scenes
from lstsr_core.geo.registration import Shift
from lstsr_core.pairs.pair import Pair, align, read_pair
from lstsr_core.pairs.scenes import read_part
from lstsr_core.pairs.swath import shift_from
from lstsr_core.patches.splits import overlapping_groups
from lstsr_core.sharpening.methods import sharpen_pair

SHIFTS_TABLE, CONSTANT_FILE, GROUPS_TABLE = "registration.csv", "registration.json", "groups.csv"
SHIFT_COLUMNS = ["scene", "group", "image", "rows", "columns", "correlation_in_place", "correlation"]


def shifts_of_pair(pair: Pair) -> list[dict[str, object]]:
    """ASTER's shift from each of `registration.IMAGES`, a row each; an image without one is left out.

    Returns
    -------
    list of dict
        scene, image, rows, columns, correlation and correlation_in_place.
    """
    placed = align(pair)
    rows: list[dict[str, object]] = []
    for name in IMAGES:
        # NDVI is low where the LST is high.
        image = placed.ndvi.with_values(-placed.ndvi.values) if name == "ndvi" else sharpen_pair(placed, name)
        with suppress(ValueError):
            rows.append({"scene": pair.id, "image": name, **asdict(shift_from(placed.aster, image))})
    return rows


def development_shifts(pairs: Path) -> pd.DataFrame:
    """ASTER's shifts in the development scenes of a directory; no test scene's ASTER is read.

    Returns
    -------
    DataFrame
        Columns `SHIFT_COLUMNS`; `group`: scenes whose footprints overlap or touch, and so those of one day.

    Raises
    ------
    InputError
        If there is no such scene, or a pair cannot be used.
    """
    scenes = read_part(pairs, "development")
    groups = overlapping_groups([scene.lst for scene in scenes]).tolist()
    rows = [
        {"group": group, **row}
        for scene, group in zip(bar(scenes, "Registering", "pair"), groups, strict=True)
        for row in shifts_of_pair(read_pair(pairs, scene.id))
    ]
    return pd.DataFrame(rows, columns=SHIFT_COLUMNS)


def summary_of(shifts: pd.DataFrame, pixel_m: float) -> dict[str, Any]:
    """The constant, how sure it is, and how much it differs from fold to fold.

    Parameters
    ----------
    shifts : DataFrame
        As `development_shifts` gives it.
    pixel_m : float
        Of ASTER's grid.

    Raises
    ------
    InputError
        If there are fewer groups of scenes than folds.
    """
    shift = fit_constant(shifts)
    chosen = shifts[shifts["image"] == IMAGE]
    intervals = mean_intervals(
        chosen[["rows", "columns"]].to_numpy(dtype=float), groups=chosen["group"].to_numpy()
    )
    folds = constants_of_folds(shifts)
    off_px = (folds[["rows", "columns"]] - [shift.rows, shift.columns]).abs().max()
    over_groups = {
        axis: {"low": interval.low, "high": interval.high}
        for axis, interval in zip(("rows", "columns"), intervals, strict=True)
    }
    return {
        "about": "How many pixels of its grid, down and to the right, ASTER lies from its true place in the "
        "published database: means over the development scenes of its shift from SC-Unet's product.",
        "made_with": f"lstsr register, {FOLDS} folds",
        "image": IMAGE,
        "rows": round(shift.rows, 4),
        "columns": round(shift.columns, 4),
        "rows_m": round(shift.rows * pixel_m, 1),
        "columns_m": round(shift.columns * pixel_m, 1),
        "scenes": len(chosen),
        "groups": int(chosen["group"].nunique()),
        "interval_over_groups": _rounded(over_groups),
        "folds": folds.round(4).to_dict("records"),
        "largest_difference_of_folds": _rounded({str(axis): off_px[axis] for axis in off_px.index}),
    }


def _rounded(figures: dict[str, Any]) -> dict[str, Any]:
    return {
        name: _rounded(value) if isinstance(value, dict) else round(value, 4)
        for name, value in figures.items()
    }


def write(pairs: Path, directory: Path) -> Shift:
    """Write ``registration.csv``, ``registration.json`` and ``groups.csv``, and give the constant.

    The groups are those of all pairs, each part's by itself, by the MODIS side.

    Raises
    ------
    InputError
        As `development_shifts` and `summary_of`.
    """
    shifts = development_shifts(pairs)
    if shifts.empty:
        raise InputError(f"{pairs}: no development scene overlaps ASTER enough for a shift.")
    pixel_m = read_pair(pairs, str(shifts["scene"].iloc[0])).aster.pixel_width_m
    summary = summary_of(shifts, pixel_m)
    write_table(shifts, directory / SHIFTS_TABLE)
    write_table(groups_of_scenes(pairs), directory / GROUPS_TABLE)
    with written_atomically(directory / CONSTANT_FILE) as temporary:
        temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    return Shift(summary["rows"], summary["columns"])
