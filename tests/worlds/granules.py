"""A pair of granules of a part of a tile, with fields of LST and NDVI that are smooth and without gaps."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from scipy import ndimage

from lstsr_core.geo.grid import COARSE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.geo.operators import degrade
from lstsr_core.geo.raster import FloatArray, Raster
from lstsr_core.modis.names import GranuleName
from lstsr_core.simulation.granule_writer import write_lst_granule, write_reflectance_granule

FIRST_ROW, FIRST_COLUMN, SIZE = 500, 300, 96
DAY = datetime.date(2018, 7, 19)


@dataclass(frozen=True)
class Granules:
    lst: Path
    reflectance: Path


def write_granules(
    directory: Path,
    lst_k: FloatArray,
    ndvi: FloatArray,
    tile: str = "h18v04",
    day: datetime.date = DAY,
    ndvi_day: datetime.date = DAY,
) -> Granules:
    """Granules of a part of a tile, whose NDVI is NaN where `ndvi` is."""
    place = Affine.translation(FIRST_COLUMN, FIRST_ROW)
    lst = Raster(lst_k, Tile.parse(tile).transform(COARSE_PIXEL_M) @ place, SINUSOIDAL)
    fine = lst.transform @ Affine.scale(0.25)
    granules = Granules(
        directory / str(GranuleName("MOD21A1D", day, Tile.parse(tile))),
        directory / str(GranuleName("MOD09GQ", ndvi_day, Tile.parse(tile))),
    )
    write_lst_granule(granules.lst, lst)
    red, nir = (
        Raster(np.where(np.isnan(ndvi), np.nan, band), fine, SINUSOIDAL)
        for band in (0.2 * (1 - ndvi), 0.2 * (1 + ndvi))
    )
    write_reflectance_granule(granules.reflectance, red, nir)
    return granules


def smooth(size: int, seed: int, width: float = 2.0) -> FloatArray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((size, size)), width)
    return field / field.std()


def fields() -> tuple[FloatArray, FloatArray]:
    """LST and NDVI without gaps."""
    ndvi = np.clip(0.55 + 0.12 * smooth(4 * SIZE, 1), 0.0, 0.95)
    truth_k = 305.0 - 14.0 * (ndvi - 0.55) + 1.5 * smooth(4 * SIZE, 2, 12.0)
    return degrade(truth_k), ndvi
