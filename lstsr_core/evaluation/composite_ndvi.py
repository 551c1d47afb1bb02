"""What it costs to sharpen with the NDVI of 16 days instead of the day's: on simulated days, where the truth
at 250 m is known."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lstsr_core.geo.grid import SCALE
from lstsr_core.geo.raster import BoolArray, FloatArray
from lstsr_core.modis.products import Product
from lstsr_core.sharpening.methods import METHODS, Options
from lstsr_core.simulation.composites import composite
from lstsr_core.simulation.landscape import MARGIN_COARSE_PIXELS, fractal, landscape, stream
from lstsr_core.simulation.scenes import simulate_scene

DAYS = (datetime.date(2018, 5, 20), datetime.date(2018, 7, 19), datetime.date(2018, 9, 12))
_CLOUDS = 300


def composite_ndvi_costs(
    method: str = "tsharp",
    weights: Path | None = None,
    days: Sequence[datetime.date] = DAYS,
    windows: int = 3,
    seed: int = 42,
) -> pd.DataFrame:
    """How far maps lie from the simulated truth, with the day's NDVI and with that of 16 days.

    On a clear day both know every pixel; on a half-cloudy one clouds hide half of the day's NDVI, while the
    LST was seen between them, as it is of another minute. The truth, the LST and both NDVI are the
    simulator's, whose NDVI changes with the season and whose composites have no error of angles: real ones
    cost more.

    Parameters
    ----------
    method : str
        A name of `sharpening.methods.METHODS`.
    weights : Path, optional
        Directory of a network's weights; without it, the package's own.
    days : sequence of datetime.date
    windows : int
        Side of the simulated area in windows of 64×64 pixels of 1 km.
    seed : int

    Returns
    -------
    DataFrame
        A row for each sky (``clear``, ``half-cloudy``) and NDVI (``daily``, ``16-day``), means over the
        days: ``mapped`` (share of the pixels with LST that have a map), ``rmse_k`` (against the truth
        at 250 m where both NDVI are known), ``rmse_hidden_k`` (where the day's is hidden; NaN without one).
    """
    land = landscape(seed, windows)
    inner = slice(SCALE * MARGIN_COARSE_PIXELS, -SCALE * MARGIN_COARSE_PIXELS)
    rows: list[dict[str, str | float]] = []
    for day in days:
        scene = simulate_scene(land, day)
        lst_k, truth_k = scene.lst.values, scene.truth_lst.values[inner, inner]
        daily = scene.ndvi.values[inner, inner].astype(np.float64)
        (first,) = Product("MOD13Q1").dates(day, day)
        sixteen_days = composite(land, first)
        seen = sixteen_days.reliability[inner, inner] == 0
        of_16_days = np.where(seen, sixteen_days.ndvi.values[inner, inner], np.nan)
        halves = fractal(stream(seed, day.toordinal(), _CLOUDS), lst_k.shape[0], slope=1.8)
        half = np.asarray(halves > np.median(halves)).repeat(SCALE, axis=0).repeat(SCALE, axis=1)
        has_lst = np.isfinite(lst_k).repeat(SCALE, axis=0).repeat(SCALE, axis=1)
        for sky, hidden in (("clear", np.zeros_like(half)), ("half-cloudy", half)):
            for name, ndvi in (("daily", np.where(hidden, np.nan, daily)), ("16-day", of_16_days)):
                map_k = METHODS[method].sharpener(lst_k, ndvi, Options(weights=weights, seed=seed))
                errors_k = np.where(has_lst, map_k - truth_k, np.nan)
                common = has_lst & ~hidden & np.isfinite(of_16_days)
                rows.append(
                    {
                        "sky": sky,
                        "ndvi": name,
                        "mapped": float(np.isfinite(errors_k)[has_lst].mean()),
                        "rmse_k": _rmse(errors_k, common),
                        "rmse_hidden_k": _rmse(errors_k, has_lst & hidden),
                    }
                )
    return pd.DataFrame(rows).groupby(["sky", "ndvi"], sort=False, as_index=False).mean()


def _rmse(errors: FloatArray, where: BoolArray) -> float:
    part = errors[where & np.isfinite(errors)]
    return float(np.sqrt(np.mean(part**2))) if part.size else float("nan")
