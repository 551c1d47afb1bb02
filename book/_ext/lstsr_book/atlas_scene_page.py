"""The page of one scene of the atlas, in MyST: its place, its figures, its metrics, its data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from lstsr_book.atlas_results import ATLAS, CHOOSER, STATIC_FOLDER, AtlasResults
from lstsr_book.claim_evidence import LABELS
from lstsr_book.claim_rules import FRR, RMSE
from lstsr_book.markup import RESULTS_FOLDER, Table, missing_cell, number, render, row, value_cell
from lstsr_book.results_prose import RESULT_METRICS
from lstsr_core.evaluation.protocols import PROTOCOLS, SMALLEST_SIDE, TOO_SMALL, Registered
from lstsr_core.geo.grid import FINE_PIXEL_M
from lstsr_core.metrics.names import COARSE_METRICS
from lstsr_core.stages.atlas import METRICS_FILE, SCENES_FILE
from lstsr_core.stages.atlas_scenes import FIGURES

SHOWN_FIRST = "sif-cnn-sr1"
"""What the viewer shows beside the 1 km LST where there is a choice."""


@dataclass(frozen=True)
class _FigureText:
    """What the page says of a figure."""

    heading: str
    alt: str
    caption: str


_FIGURE_TEXTS = {
    "maps": _FigureText(
        "Maps",
        "Maps of ASTER, of the 1 km LST and of every product over the same ground, on one colour scale.",
        "ASTER, the 1 km LST and every product on one grid and one colour scale. Look for the fields, rivers "
        "and towns of "
        "ASTER that a product has and the 1 km LST lacks, and for texture that ASTER has not.",
    ),
    "differences": _FigureText(
        "Differences from ASTER",
        "Maps of the 1 km LST and of every product minus ASTER, on one symmetric colour scale.",
        "Each minus ASTER, on one symmetric scale. A tint over the whole map is bias between the "
        "instruments; shapes of "
        "fields and rivers are detail that is missing or overdone; a relief, light on one side of things and "
        "dark on the "
        "other, means that the two images are displaced.",
    ),
    "distributions": _FigureText(
        "Distributions",
        "Violin and box plots of temperature and of its fine detail, for ASTER and every product.",
        "Top: temperatures. Bottom: fine detail, what is left when the sensor's blur at 1 km is taken off (T "
        "− G T). A "
        "product as contrasted as ASTER has ASTER's shape in both; the bottom row shows whether a product is "
        "too smooth or "
        "too lively.",
    ),
    "densities": _FigureText(
        "Pixel by pixel",
        "Density plots of every product against ASTER, with the regression line and the one-to-one line.",
        "Each product against ASTER, pixel by pixel, with the regression line; on the dotted line both "
        "agree. A slope below "
        "1 means that hot and cold places are drawn together, a cloud beside the dotted line means bias.",
    ),
    "spectra": _FigureText(
        "Spectra",
        "Attenuation against spatial frequency for ASTER, NDVI (dashed) and every product.",
        "Attenuation of each spatial frequency, NDVI's dashed. Right of the dotted line is detail that the 1 "
        "km LST cannot "
        "hold: a curve below ASTER's lacks detail there, one above it has too much.",
    ),
}
"""By the figure's name."""


def scene_page(atlas: AtlasResults, scene: str, previous: str | None, following: str | None) -> str:
    """The page of a scene.

    Parameters
    ----------
    atlas : AtlasResults
    scene : str
    previous, following : str or None
        Its neighbours in the atlas.
    """
    content = atlas.content(scene)
    methods = content["methods"]
    figures = [
        {"name": name, **vars(_FIGURE_TEXTS[name]), **content["figures"][name]}
        for name in (FIGURES if methods else ())
    ]
    page = render(
        "atlas_scene.md",
        scene=scene,
        name=atlas.name(scene),
        previous=previous,
        following=following,
        chooser=CHOOSER,
        static=STATIC_FOLDER,
        notebook=ATLAS,
        locator=atlas.map.locator(scene, f"Map of all footprints, that of pair {scene} filled"),
        place=_place(atlas, scene),
        methods=methods,
        best=_best(atlas, scene),
        shown_first=SHOWN_FIRST if SHOWN_FIRST in methods else next(reversed(methods), ""),
        figures=figures,
        reasons="; ".join(dict.fromkeys(content["reasons"].values())),
        protocols=_protocols(atlas, scene),
        downloads=_downloads(scene, bool(methods)),
    )
    return page + "\n"


def _place(atlas: AtlasResults, scene: str) -> dict[str, str]:
    facts = atlas.scenes[atlas.scenes["scene"] == scene].to_dict("records")[0]
    statistics = atlas.statistics[atlas.statistics.index == scene].to_dict("records")
    north, east = float(facts["latitude"]), float(facts["longitude"])
    place = f"{abs(north):.2f}° {'N' if north >= 0 else 'S'}, {abs(east):.2f}° {'E' if east >= 0 else 'W'}"
    rows, columns = int(facts["rows"]), int(facts["columns"])
    side_km = FINE_PIXEL_M / 1000.0
    bias, rmse = (
        f"{number(float(facts[metric.column]), metric.digits)}{metric.suffix}"
        for metric in COARSE_METRICS.values()
    )
    return {
        "Middle of the footprint": f"{place}; UTM zone {int(facts['utm_zone'])}",
        "Offset of the patches": _offset(int(facts["ndvi_rows_down"]), int(facts["ndvi_columns_right"])),
        "MODIS − ASTER at 1 km": f"bias {bias}, RMSE {rmse}",
        "Compared with ASTER": f"{rows} × {columns} pixels ({rows * side_km:.0f} × {columns * side_km:.0f} "
        "km)",
        "Season": f"{facts['season']}: the pairs carry no date",
    } | (_landscape(statistics[0]) if statistics else {})


def _offset(down: int, right: int) -> str:
    if down == right == 0:
        return "none: NDVI and LST start at the same place"
    shift_m = f"{down * FINE_PIXEL_M:.0f} m and {right * FINE_PIXEL_M:.0f} m"
    return f"NDVI starts {down} fine pixels below and {right} right of the LST ({shift_m})"


def _landscape(statistics: dict[Any, Any]) -> dict[str, str]:
    facts = {}
    if {"lst_mean_k", "lst_std_k"} <= statistics.keys():
        facts["LST at 1 km"] = (
            f"{number(statistics['lst_mean_k'], 1)} ± {number(statistics['lst_std_k'], 1)} K"
        )
    if {"slope_k_per_ndvi", "r_squared"} <= statistics.keys():
        slope, share = number(statistics["slope_k_per_ndvi"], 1), number(statistics["r_squared"], 2)
        facts["LST against NDVI at 1 km"] = f"{slope} K per unit of NDVI, R² {share}"
    return facts


def _best(atlas: AtlasResults, scene: str) -> str:
    scores = atlas.scores("georeferenced")
    scores = scores[scores["scene"] == scene].set_index("method")
    if scores.empty:
        return ""
    rmse_k, frr = scores[RMSE.column].astype(float), scores[FRR.column].astype(float)
    nearest = f"{LABELS[str(rmse_k.idxmin())]} ({number(rmse_k.min(), RMSE.digits)} K)"
    sentence = f"Nearest to ASTER by RMSE is {nearest}"
    if frr.max() > 0.0:
        most = LABELS[str(frr.idxmax())]
        sentence += (
            f"; {most} recovers most of the fine detail that Bicubic lacks (FRR {number(frr.max(), 2)})"
        )
    return f"{sentence}."


@dataclass(frozen=True)
class _Absence:
    """Why methods have no metrics."""

    methods: str
    reason: str


@dataclass(frozen=True)
class _Protocol:
    """A scene's metrics under a protocol; without a table it has none."""

    name: str
    table: Table | None
    absences: list[_Absence]


def _protocols(atlas: AtlasResults, scene: str) -> list[_Protocol]:
    rows = atlas.metrics[atlas.metrics["scene"] == scene]
    judged = set(atlas.metrics["protocol"])
    # A run's metrics may lack a protocol; the companion's own is not missed then.
    names = [name for name in PROTOCOLS if name in judged or name != Registered.name]
    return [_protocol(name, rows[rows["protocol"] == name]) for name in names]


def _protocol(name: str, rows: pd.DataFrame) -> _Protocol:
    absences = [
        _Absence(", ".join(_label(method) for method in group["method"]), _plainly(str(reason), name))
        for reason, group in rows[rows["status"] != "ok"].groupby("status", sort=False)
    ]
    return _Protocol(name, None if rows.empty else _metrics_table(rows), absences)


def _label(method: object) -> str:
    return LABELS.get(str(method), str(method))


def _plainly(reason: str, protocol: str) -> str:
    if (reason, protocol) == (TOO_SMALL, "published"):
        return (
            "The published evaluation cuts both images to a rectangle between the four strongest corners "
            "that it finds in "
            "their outlines, and leaves a product out where a side of that rectangle is not over "
            f"{SMALLEST_SIDE} pixels, as here."
        )
    return f"The reason: {reason}."


def _metrics_table(records: pd.DataFrame) -> Table:
    rows = []
    for record in records.to_dict("records"):
        if record["status"] == "ok":
            cells = [value_cell(float(record[metric.column]), metric.digits) for metric in RESULT_METRICS]
        else:
            cells = [missing_cell(record["status"], len(RESULT_METRICS))]
        rows.append(row(_label(record["method"]), cells))
    return Table(["method", *(metric.heading for metric in RESULT_METRICS)], rows, "results sortable")


def _downloads(scene: str, has_viewer: bool) -> dict[str, str]:
    """What each file holds, by its address."""
    files = {
        f"../{RESULTS_FOLDER}/{ATLAS}/{METRICS_FILE}": "every metric of every pair (CSV)",
        f"../{RESULTS_FOLDER}/{ATLAS}/{SCENES_FILE}": "what is known of every pair (CSV)",
        f"../{RESULTS_FOLDER}/05_fourier/spectra.csv": "spectra of every pair (CSV)",
    }
    if has_viewer:
        files[f"../{STATIC_FOLDER}/{scene}.js"] = (
            "this pair's temperatures to 0.1 K, as the viewer reads them"
        )
    return files
