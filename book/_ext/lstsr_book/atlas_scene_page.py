"""The page of one scene of the atlas, in MyST: its place, its figures, its metrics, its data."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lstsr_book.atlas_results import ATLAS, CHOOSER, STATIC_FOLDER, AtlasResults
from lstsr_book.claim_evidence import LABELS
from lstsr_book.markup import RESULTS_FOLDER, facts_table, number, table, text, value_cell
from lstsr_book.results_prose import RESULT_COLUMNS
from lstsr_core.evaluation.protocols import PROTOCOLS, SMALLEST_SIDE, TOO_SMALL
from lstsr_core.geo.grid import FINE_PIXEL_M
from lstsr_core.stages.atlas import METRICS_FILE, SCENES_FILE
from lstsr_core.stages.atlas_scenes import FIGURES

SHOWN_FIRST = "sif-cnn-sr1"
"""What the viewer shows beside the 1 km LST where there is a choice."""

_FIGURE_TEXTS = {
    "maps": (
        "Maps",
        "Maps of ASTER, of the 1 km LST and of every product over the same ground, on one colour scale.",
        "ASTER, the 1 km LST and every product on one grid and one colour scale. Look for the fields, rivers and towns of "
        "ASTER that a product has and the 1 km LST lacks, and for texture that ASTER has not.",
    ),
    "differences": (
        "Differences from ASTER",
        "Maps of the 1 km LST and of every product minus ASTER, on one symmetric colour scale.",
        "Each minus ASTER, on one symmetric scale. A tint over the whole map is bias between the instruments; shapes of fields "
        "and rivers are detail that is missing or overdone; a relief, light on one side of things and dark on the other, means "
        "that the two images are displaced.",
    ),
    "distributions": (
        "Distributions",
        "Violin and box plots of temperature and of its fine detail, for ASTER and every product.",
        "Top: temperatures. Bottom: fine detail, what is left when the sensor's blur at 1 km is taken off (T − G T). A product "
        "as contrasted as ASTER has ASTER's shape in both; the bottom row shows whether a product is too smooth or too lively.",
    ),
    "densities": (
        "Pixel by pixel",
        "Density plots of every product against ASTER, with the regression line and the one-to-one line.",
        "Each product against ASTER, pixel by pixel, with the regression line; on the dotted line both agree. A slope below 1 "
        "means that hot and cold places are drawn together, a cloud beside the dotted line means bias.",
    ),
    "spectra": (
        "Spectra",
        "Attenuation against spatial frequency for ASTER, NDVI (dashed) and every product.",
        "Attenuation of each spatial frequency, NDVI's dashed. Right of the dotted line is detail that the 1 km LST cannot hold: "
        "a curve below ASTER's lacks detail there, one above it has too much.",
    ),
}
"""Heading, alternative text and caption of each figure."""


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
    locator = atlas.map.locator(scene, f"Map of all footprints, that of pair {scene} filled")
    parts = [
        f"# {atlas.name(scene)}",
        _navigation(previous, following),
        "{{ edition_admonition }}",
        f'<div class="atlas-place">\n{locator}\n{_facts_table(atlas, scene)}\n</div>',
    ]
    if content["methods"]:
        parts += [_best(atlas, scene), "## Compare two products", _viewer(scene, content["methods"])]
        for name in FIGURES:
            parts += [f"## {_FIGURE_TEXTS[name][0]}", _figure(scene, name, content["figures"][name])]
    else:
        reasons = "; ".join(dict.fromkeys(content["reasons"].values()))
        parts.append(f":::{{note}}\nNothing of this pair can be compared with ASTER: {reasons}.\n:::")
    parts += ["## Metrics", *_metrics(atlas, scene), "## Data", _data(scene, bool(content["methods"]))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _navigation(previous: str | None, following: str | None) -> str:
    links = [
        f'<a rel="prev" href="{text(previous)}.html">← Pair {text(previous)}</a>' if previous else "",
        f'<a href="../{CHOOSER}.html">All pairs</a>',
        f'<a rel="next" href="{text(following)}.html">Pair {text(following)} →</a>' if following else "",
    ]
    return '<nav class="atlas-nav" aria-label="Pairs">\n' + "\n".join(f"<span>{link}</span>" for link in links) + "\n</nav>"


def _facts_table(atlas: AtlasResults, scene: str) -> str:
    facts = atlas.scenes[atlas.scenes["scene"] == scene].to_dict("records")[0]
    known = atlas.statistics[atlas.statistics.index == scene].to_dict("records")
    north, east = float(facts["latitude"]), float(facts["longitude"])
    place = f"{abs(north):.2f}° {'N' if north >= 0 else 'S'}, {abs(east):.2f}° {'E' if east >= 0 else 'W'}"
    rows, columns = int(facts["rows"]), int(facts["columns"])
    side_km = FINE_PIXEL_M / 1000.0
    told = {
        "Middle of the footprint": f"{place}; UTM zone {int(facts['utm_zone'])}",
        "Offset of the patches": _offset(int(facts["ndvi_rows_down"]), int(facts["ndvi_columns_right"])),
        "MODIS − ASTER at 1 km": f"bias {_kelvin(facts['coarse_bias_k'])}, RMSE {_kelvin(facts['coarse_rmse_k'])}",
        "Compared with ASTER": f"{rows} × {columns} pixels ({rows * side_km:.0f} × {columns * side_km:.0f} km)",
        "Season": f"{facts['season']}: the pairs carry no date",
    } | (_landscape(known[0]) if known else {})
    return facts_table(told)


def _kelvin(value: float) -> str:
    return f"{number(float(value), 2)} K"


def _offset(down: int, right: int) -> str:
    if down == right == 0:
        return "none: NDVI and LST start at the same place"
    shift_m = f"{down * FINE_PIXEL_M:.0f} m and {right * FINE_PIXEL_M:.0f} m"
    return f"NDVI starts {down} fine pixels below and {right} right of the LST ({shift_m})"


def _landscape(known: dict[Any, Any]) -> dict[str, str]:
    told = {}
    if {"lst_mean_k", "lst_std_k"} <= known.keys():
        told["LST at 1 km"] = f"{number(known['lst_mean_k'], 1)} ± {number(known['lst_std_k'], 1)} K"
    if {"slope_k_per_ndvi", "r_squared"} <= known.keys():
        slope, share = number(known["slope_k_per_ndvi"], 1), number(known["r_squared"], 2)
        told["LST against NDVI at 1 km"] = f"{slope} K per unit of NDVI, R² {share}"
    return told


def _best(atlas: AtlasResults, scene: str) -> str:
    judged = atlas.judged("georeferenced")
    judged = judged[judged["scene"] == scene].set_index("method")
    if judged.empty:
        return ""
    rmse_k, frr = judged["rmse_k"].astype(float), judged["frr"].astype(float)
    told = f"Nearest to ASTER by RMSE is {LABELS[str(rmse_k.idxmin())]} ({number(rmse_k.min(), 2)} K)"
    if frr.max() > 0.0:
        found = LABELS[str(frr.idxmax())]
        told += f"; {found} recovers most of the fine detail that Bicubic lacks (FRR {number(frr.max(), 2)})"
    return f"{told}."


def _viewer(scene: str, methods: list[str]) -> str:
    right = SHOWN_FIRST if SHOWN_FIRST in methods else methods[-1]
    return (
        f'<div class="lstsr-viewer" data-scene="{text(scene)}" data-script="../{STATIC_FOLDER}/{text(scene)}.js" '
        f'data-left="modis" data-right="{text(right)}">\n'
        '<p>With JavaScript, a slider stands here that compares any two products; <a href="#maps">the maps below</a> show '
        "them side by side.</p>\n</div>"
    )


def _figure(scene: str, name: str, size: dict[str, int]) -> str:
    _, alternative, caption = _FIGURE_TEXTS[name]
    return (
        f'<figure class="atlas-figure" id="figure-{name}" style="--figure-width: {size["width"]}px">\n'
        f'<img src="../{STATIC_FOLDER}/{text(scene)}/{name}.webp" width="{size["width"]}" '
        f'height="{size["height"]}" loading="lazy" decoding="async" alt="{text(alternative)}">\n'
        f"<figcaption>{text(caption)}</figcaption>\n</figure>"
    )


def _metrics(atlas: AtlasResults, scene: str) -> list[str]:
    rows = atlas.metrics[atlas.metrics["scene"] == scene]
    parts = []
    for protocol in PROTOCOLS:
        chosen = rows[rows["protocol"] == protocol]
        if chosen.empty:
            parts.append(f"Under the `{protocol}` protocol this edition has no figures.")
            continue
        parts += [f"Under the `{protocol}` protocol:", _metrics_table(chosen)]
        for reason, group in chosen[chosen["status"] != "ok"].groupby("status", sort=False):
            names = ", ".join(LABELS.get(name, name) for name in group["method"])
            told = f"Left out under the `{protocol}` protocol: {names}. {_plainly(str(reason), protocol)}"
            parts.append(f":::{{note}}\n{told}\n:::")
    return parts


def _plainly(reason: str, protocol: str) -> str:
    if (reason, protocol) == (TOO_SMALL, "published"):
        return (
            "The published evaluation cuts both images to a rectangle between the four strongest corners that it finds in their "
            f"outlines, and leaves a product out where a side of that rectangle is not over {SMALLEST_SIDE} pixels, as here."
        )
    return f"The reason: {reason}."


def _metrics_table(chosen: pd.DataFrame) -> str:
    lines = []
    for row in chosen.to_dict("records"):
        if row["status"] == "ok":
            cells = "".join(value_cell(float(row[metric]), digits) for metric, _, digits in RESULT_COLUMNS)
        else:
            cells = f'<td class="missing" colspan="{len(RESULT_COLUMNS)}">{text(row["status"])}</td>'
        lines.append(f'<tr><th scope="row">{text(LABELS.get(row["method"], row["method"]))}</th>{cells}</tr>')
    return table(["method", *(heading for _, heading, _ in RESULT_COLUMNS)], lines, "results sortable")


def _data(scene: str, drawn: bool) -> str:
    files = {
        f"../{RESULTS_FOLDER}/{ATLAS}/{METRICS_FILE}": "every metric of every pair (CSV)",
        f"../{RESULTS_FOLDER}/{ATLAS}/{SCENES_FILE}": "what is known of every pair (CSV)",
        f"../{RESULTS_FOLDER}/05_fourier/spectra.csv": "spectra of every pair (CSV)",
    }
    if drawn:
        files |= {f"../{STATIC_FOLDER}/{scene}.js": "this pair's temperatures to 0.1 K, as the viewer reads them"}
    items = "\n".join(f'<li><a href="{text(address)}" download>{text(told)}</a></li>' for address, told in files.items())
    made = f"Made by [the eleventh notebook](../{ATLAS}.ipynb), which says with what parameters and from what files."
    return f"{made}\n\n<ul>\n{items}\n</ul>"
