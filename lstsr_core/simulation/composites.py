"""NDVI of 16 days, as MOD13Q1 has it: of each pixel's clear days the greenest."""

from __future__ import annotations

import datetime
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lstsr_core.geo.grid import SCALE
from lstsr_core.geo.raster import Raster
from lstsr_core.modis.granule import NDVI_SCALE, NDVI_VALID_RANGE, RELIABILITY_CLOUD, RELIABILITY_GOOD
from lstsr_core.modis.products import COMPOSITE_DAYS
from lstsr_core.simulation.landscape import MARGIN_COARSE_PIXELS, Landscape
from lstsr_core.simulation.scenes import clouds, simulate_ndvi

_CLOUD_NDVI = np.float32(0.015)


@dataclass(frozen=True)
class Composite:
    """What 16 days give.

    Attributes
    ----------
    ndvi : Raster
        At 250 m, on the landscape's grid.
    reliability : int8 array of the same shape
        0 where a day was clear, 3 where none was.
    """

    ndvi: Raster
    reliability: NDArray[np.int8]


def composite(land: Landscape, first_day: datetime.date, draw: int = 0, clearing: bool = True) -> Composite:
    """NDVI of the 16 days from a day on: the largest of each pixel's clear days, which are the days that
    `simulate_scene` gives of the same landscape and satellite.

    Parameters
    ----------
    land : Landscape
    first_day : datetime.date
    draw, clearing
        As of `simulate_scene`.
    """
    greenest = None
    for number in range(COMPOSITE_DAYS):
        day = first_day + datetime.timedelta(days=number)
        ndvi = simulate_ndvi(land, day, draw)
        if greenest is None:
            greenest = ndvi.with_values(np.full(ndvi.values.shape, -np.inf, np.float32))
        coarse_cloud = clouds(land, day, draw, clearing=clearing, context=MARGIN_COARSE_PIXELS)
        cloud = coarse_cloud.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
        np.maximum(greenest.values, ndvi.values, out=greenest.values, where=~cloud)
    assert greenest is not None
    never = np.isneginf(greenest.values)
    low, high = (limit * NDVI_SCALE for limit in NDVI_VALID_RANGE)
    values = np.clip(np.where(never, _CLOUD_NDVI, greenest.values), low, high)
    reliability = np.where(never, RELIABILITY_CLOUD, RELIABILITY_GOOD).astype(np.int8)
    return Composite(greenest.with_values(values), reliability)
