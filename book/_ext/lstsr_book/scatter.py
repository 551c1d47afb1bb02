"""The scatter of scenes: one point a scene, each a link to its page; drawn as SVG, with the numbers for other choices of axes."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator

from lstsr_book.markup import number, text
from lstsr_core.base.errors import InputError
from lstsr_core.evaluation.protocols import PROTOCOLS
from lstsr_core.sharpening.methods import METHODS


@dataclass(frozen=True)
class Quantity:
    """What an axis can show: its column, its name with unit, and the decimals to print."""

    column: str
    label: str
    decimals: int


SCENE_QUANTITIES = [
    Quantity("coarse_bias_k", "MODIS − ASTER bias at 1 km (K)", 2),
    Quantity("coarse_rmse_k", "MODIS against ASTER at 1 km: RMSE (K)", 2),
    Quantity("lst_mean_k", "LST, mean (K)", 1),
    Quantity("lst_std_k", "LST, standard deviation (K)", 2),
    Quantity("ndvi_mean", "NDVI, mean", 2),
    Quantity("ndvi_std", "NDVI, standard deviation", 3),
    Quantity("slope_k_per_ndvi", "slope of LST on NDVI (K)", 1),
    Quantity("r_squared", "R² of LST on NDVI", 2),
]
"""Of a scene, whatever the method; those that a table of scenes lacks are left out."""

METHOD_QUANTITIES = [
    Quantity("rmse_k", "RMSE (K)", 2),
    Quantity("bias_k", "bias (K)", 2),
    Quantity("rmse_unbiased_k", "unbiased RMSE (K)", 2),
    Quantity("correlation", "correlation", 3),
    Quantity("psnr_db", "PSNR (dB)", 2),
    Quantity("ssim", "SSIM", 3),
    Quantity("gssim", "GSSIM", 3),
    Quantity("lpips", "LPIPS", 3),
    Quantity("frr", "FRR", 3),
    Quantity("fro", "FRO", 3),
    Quantity("fru", "FRU", 3),
    Quantity("attenuation_rmse_db", "attenuation RMSE (dB)", 2),
    Quantity("consistency_k", "consistency (K)", 2),
]
"""Of a method in a scene."""

X, Y = SCENE_QUANTITIES[0], METHOD_QUANTITIES[0]
PREFERRED_METHOD = "sif-cnn-sr1"

WIDTH, HEIGHT = 560, 380
LEFT, RIGHT, TOP, BOTTOM = 58, 16, 14, 50


def scatter_html(table: pd.DataFrame, scenes: pd.DataFrame, page_of: Callable[[str], str]) -> str:
    """The scatter as one block of HTML without an empty line, so that it can stand in a Markdown page.

    Drawn is the RMSE of SIF-CNN-SR1, or of the method with the lowest mean RMSE where that one has none, against the bias of
    MODIS at 1 km. ``scatter.js`` lets a reader choose other quantities and methods from the numbers that the block carries.

    Parameters
    ----------
    table : DataFrame
        Results as ``metrics.csv`` of notebook 06 holds them: scene, method, protocol, status, metrics. Rows of the first
        protocol with status "ok" count.
    scenes : DataFrame
        One row a scene: scene, ``coarse_bias_k`` (kelvin) and any other column of `SCENE_QUANTITIES`.
    page_of : callable
        From a scene's name to the address of its page, relative to the page that the block stands in.

    Raises
    ------
    InputError
        If a column is missing, or no scene has both a bias and a method that was judged.

    Examples
    --------
    >>> keys = {"scene": [4], "method": ["dms"], "protocol": ["georeferenced"], "status": ["ok"]}
    >>> results, scenes = pd.DataFrame({**keys, "rmse_k": [2.0]}), pd.DataFrame({"scene": [4], "coarse_bias_k": [-0.5]})
    >>> block = scatter_html(results, scenes, lambda scene: f"atlas/{scene}.html")
    >>> '<a href="atlas/4.html" aria-label="Scene 4, DMS: RMSE (K) 2.00, MODIS − ASTER bias at 1 km (K) −0.50">' in block
    True
    """
    judged, known = _judged(table), _by_scene(scenes, [X.column], "the table of scenes")
    known = known[known[X.column].notna() & known.index.isin(judged["scene"])]
    methods = [name for name in METHODS if name in set(judged["method"])]
    if known.empty or not methods:
        raise InputError(
            "scatter of scenes: no scene has both a MODIS − ASTER bias and a method that was judged; judge some first."
        )
    by_method = {
        name: _by_scene(judged[judged["method"] == name], [Y.column], "the results").reindex(known.index) for name in methods
    }
    means = {name: float(values[Y.column].mean()) for name, values in by_method.items()}
    shown = PREFERRED_METHOD if PREFERRED_METHOD in methods else min(methods, key=means.__getitem__)
    pages = [page_of(scene) for scene in known.index]
    title = f"{Y.label} of {METHODS[shown].label} against {X.label}, one point a scene"
    return "\n".join(
        [
            '<figure class="scatter-box">',
            _svg(known[X.column], by_method[shown][Y.column], pages, METHODS[shown].label, title),
            f"<figcaption>{text(title)}. A point opens the page of its scene.</figcaption>",
            f'<script type="application/json">{_embedded(known, by_method, pages, shown)}</script>',
            "</figure>",
        ]
    )


def _judged(table: pd.DataFrame) -> pd.DataFrame:
    _check_columns(table, ["scene", "method", "protocol", "status"], "the results")
    return table[(table["protocol"] == next(iter(PROTOCOLS))) & (table["status"] == "ok")].astype({"scene": str})


def _by_scene(table: pd.DataFrame, needed: list[str], what: str) -> pd.DataFrame:
    _check_columns(table, ["scene", *needed], what)
    return table.astype({"scene": str}).set_index("scene")


def _check_columns(table: pd.DataFrame, needed: list[str], what: str) -> None:
    missing = [column for column in needed if column not in table]
    if missing:
        raise InputError(f"scatter of scenes: {what} lacks {', '.join(missing)}; expected columns {', '.join(needed)}.")


@dataclass(frozen=True)
class _Axis:
    """From values to positions between two ends."""

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def over(cls, values: pd.Series[float], start: float, end: float) -> _Axis:
        low, high = float(values.min()), float(values.max())
        margin = 0.06 * (high - low) or 0.5
        return cls(low - margin, high + margin, start, end)

    def at(self, value: float) -> str:
        return f"{self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start):.1f}"

    def ticks(self) -> list[tuple[float, str]]:
        values = np.asarray(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]).tick_values(self.low, self.high))
        decimals = max(0, -math.floor(math.log10(values[1] - values[0]) + 1e-9))
        return [(float(value), number(float(value), decimals)) for value in values if self.low <= value <= self.high]


def _svg(x: pd.Series[float], y: pd.Series[float], pages: list[str], method: str, title: str) -> str:
    across, up = _Axis.over(x, LEFT, WIDTH - RIGHT), _Axis.over(y, HEIGHT - BOTTOM, TOP)
    points = pd.DataFrame({"x": x, "y": y, "page": pages}, index=x.index).dropna().sort_values("x", kind="stable")
    lines = [
        f'<svg class="lstsr-scatter" viewBox="0 0 {WIDTH} {HEIGHT}" role="group" aria-label="{text(title)}">',
        '<g class="scatter-axes" aria-hidden="true" font-size="13" fill="currentColor" stroke-width="1">',
    ]
    for value, words in across.ticks():
        lines.append(f'<path class="scatter-grid" d="M{across.at(value)} {TOP}V{HEIGHT - BOTTOM}"/>')
        lines.append(f'<text x="{across.at(value)}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{words}</text>')
    for value, words in up.ticks():
        lines.append(f'<path class="scatter-grid" d="M{LEFT} {up.at(value)}H{WIDTH - RIGHT}"/>')
        lines.append(f'<text x="{LEFT - 8}" y="{up.at(value)}" dy="0.35em" text-anchor="end">{words}</text>')
    middle_x, middle_y = (LEFT + WIDTH - RIGHT) / 2, (TOP + HEIGHT - BOTTOM) / 2
    lines.append(f'<text x="{middle_x:.0f}" y="{HEIGHT - 10}" text-anchor="middle">{text(X.label)}</text>')
    lines.append(f'<text transform="translate(15 {middle_y:.0f}) rotate(-90)" text-anchor="middle">{text(Y.label)}</text></g>')
    for scene, point in points.iterrows():
        values = ", ".join(f"{q.label} {number(float(point[axis]), q.decimals)}" for q, axis in ((Y, "y"), (X, "x")))
        name = text(f"Scene {scene}, {method}: {values}")
        lines.append(
            f'<a href="{text(point["page"])}" aria-label="{name}"><title>{name}</title>'
            f'<circle class="scatter-point" cx="{across.at(point["x"])}" cy="{up.at(point["y"])}" r="5"/></a>'
        )
    return "\n".join([*lines, "</svg>"])


def _embedded(scenes: pd.DataFrame, by_method: dict[str, pd.DataFrame], pages: list[str], shown: str) -> str:
    of_scenes = [q for q in SCENE_QUANTITIES if q.column in scenes]
    of_methods = [
        q
        for q in METHOD_QUANTITIES
        if any(q.column in values and values[q.column].notna().any() for values in by_method.values())
    ]

    def column(values: pd.DataFrame, quantity: Quantity) -> list[float | None]:
        numbers = values[quantity.column].astype(float) if quantity.column in values else pd.Series(np.nan, values.index)
        return [round(value, quantity.decimals + 1) if math.isfinite(value) else None for value in numbers]

    content = {
        "scenes": [{"name": scene, "page": page} for scene, page in zip(scenes.index, pages, strict=True)],
        "methods": [{"name": name, "label": METHODS[name].label} for name in by_method],
        "quantities": [
            {"name": quantity.column, "label": quantity.label, "decimals": quantity.decimals, "of": of}
            for of, group in (("scene", of_scenes), ("method", of_methods))
            for quantity in group
        ],
        "of_scene": {quantity.column: column(scenes, quantity) for quantity in of_scenes},
        "of_method": {
            name: {quantity.column: column(values, quantity) for quantity in of_methods} for name, values in by_method.items()
        },
        "shown": {"x": X.column, "y": Y.column, "method": shown},
    }
    # "<" in a name would otherwise end the script element.
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
