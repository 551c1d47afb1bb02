"""What it costs to sharpen with other inputs than the best: with the NDVI of 16 days instead of the day's, or
with rasters that were resampled into degrees and back. On simulated days, where the truth at 250 m is known.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio.warp
from rasterio.enums import Resampling

from lstsr_core.geo.grid import SCALE
from lstsr_core.geo.raster import BoolArray, FloatArray, Raster
from lstsr_core.modis.products import Product
from lstsr_core.sharpening.methods import METHODS, Options
from lstsr_core.simulation.composites import composite
from lstsr_core.simulation.fields import fractal
from lstsr_core.simulation.landscape import MARGIN_COARSE_PIXELS, landscape
from lstsr_core.simulation.scenes import simulate_scene

DEGREES = "EPSG:4326"
DAYS = (datetime.date(2018, 5, 20), datetime.date(2018, 7, 19), datetime.date(2018, 9, 12))
_CLOUDS = 300
_INNER = slice(SCALE * MARGIN_COARSE_PIXELS, -SCALE * MARGIN_COARSE_PIXELS)


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
    rows: list[dict[str, str | float]] = []
    for day in days:
        scene = simulate_scene(land, day)
        lst_k, truth_k = scene.lst.values, scene.truth_lst.values[_INNER, _INNER]
        daily = scene.ndvi.values[_INNER, _INNER].astype(np.float64)
        (first,) = Product("MOD13Q1").dates(day, day)
        sixteen_days = composite(land, first)
        seen = sixteen_days.reliability[_INNER, _INNER] == 0
        of_16_days = np.where(seen, sixteen_days.ndvi.values[_INNER, _INNER], np.nan)
        halves = fractal((seed, _CLOUDS, day.toordinal()), 1.8, land.area.rows, land.area.columns)
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


def reprojection_costs(
    method: str = "tsharp",
    weights: Path | None = None,
    days: Sequence[datetime.date] = DAYS,
    windows: int = 3,
    seed: int = 42,
) -> pd.DataFrame:
    """How far maps lie from the simulated truth where LST and NDVI went to degrees (WGS 84) and back, each
    time by the nearest pixel, as exports in degrees that are warped onto the MODIS grid again.

    Parameters
    ----------
    method, weights, days, windows, seed
        As of `composite_ndvi_costs`.

    Returns
    -------
    DataFrame
        A row for each of ``none``, ``LST`` and ``LST and NDVI`` that was ``resampled``; ``rmse_k``, the mean
        over the days, where all three have a map.
    """
    land = landscape(seed, windows)
    errors: dict[str, list[float]] = {}
    for day in days:
        scene = simulate_scene(land, day)
        ndvi = scene.ndvi.crop(_INNER, _INNER)
        lst_there, ndvi_there = _there_and_back(scene.lst), _there_and_back(ndvi)
        inputs = {
            "none": (scene.lst.values, ndvi.values),
            "LST": (lst_there, ndvi.values),
            "LST and NDVI": (lst_there, ndvi_there),
        }
        options = Options(weights=weights, seed=seed)
        maps = {
            name: METHODS[method].sharpener(lst_k, fine.astype(np.float64), options)
            for name, (lst_k, fine) in inputs.items()
        }
        common = np.isfinite(scene.lst.values).repeat(SCALE, axis=0).repeat(SCALE, axis=1)
        common = np.logical_and.reduce([common, *(np.isfinite(map_k) for map_k in maps.values())])
        for name, map_k in maps.items():
            errors.setdefault(name, []).append(_rmse(map_k - scene.truth_lst.values[_INNER, _INNER], common))
    return pd.DataFrame(
        {"resampled": list(errors), "rmse_k": [float(np.mean(values)) for values in errors.values()]}
    )


def _there_and_back(raster: Raster) -> FloatArray:
    """A raster's pixels after the nearest ones were taken in degrees, and of those again on its grid."""
    bounds = (raster.left_m, raster.bottom_m, raster.right_m, raster.top_m)
    transform, columns, rows = rasterio.warp.calculate_default_transform(
        raster.crs, DEGREES, raster.columns, raster.rows, *bounds
    )
    degrees, back = np.full((rows, columns), np.nan), np.full(raster.values.shape, np.nan)
    rasterio.warp.reproject(
        raster.values.astype(np.float64), degrees, src_transform=raster.transform, src_crs=raster.crs,
        dst_transform=transform, dst_crs=DEGREES, src_nodata=np.nan, dst_nodata=np.nan,
        resampling=Resampling.nearest,
    )  # fmt: skip
    rasterio.warp.reproject(
        degrees, back, src_transform=transform, src_crs=DEGREES, dst_transform=raster.transform,
        dst_crs=raster.crs, src_nodata=np.nan, dst_nodata=np.nan, resampling=Resampling.nearest,
    )  # fmt: skip
    return back


def _rmse(errors: FloatArray, where: BoolArray) -> float:
    part = errors[where & np.isfinite(errors)]
    return float(np.sqrt(np.mean(part**2))) if part.size else float("nan")
