"""Where water is, so that patches and maps can leave it out: MOD44W on the 250
m grid, widened, and brought to the LST's grid."""

from __future__ import annotations

import datetime
from functools import lru_cache
from pathlib import Path

import numpy as np
from affine import Affine
from scipy import ndimage

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import FINE_PIXEL_M, SCALE, Tile
from lstsr_core.geo.raster import BoolArray, Raster
from lstsr_core.modis.day_pairs import WATER_KIND, WATER_PRODUCT, check_kind, newest_granules
from lstsr_core.modis.granule import read_water_mask

DEFAULT_DILATION = SCALE
"""Fine pixels by which water is widened: the reach of the
degradation's PSF, within which water colours a 1 km pixel."""

MOST_DILATION = 256


def water_granule(water: Path, tile: Tile, date: datetime.date) -> Path:
    """The MOD44W granule of a tile whose year is nearest to a day's; of two, the earlier.

    Parameters
    ----------
    water : Path
        A granule, or a directory of granules.
    tile : Tile
    date : datetime.date

    Raises
    ------
    InputError
        If there is none of this tile.
    """
    if water.is_file() or water.suffix == ".hdf":
        name = check_kind(water, [WATER_KIND], "a water mask")
        if name.tile != tile:
            raise InputError(
                f"{water}: is the water mask of tile {name.tile}, and the LST is of {tile}; give that tile's"
                " mask."
            )
        return water
    granules = {
        day.year: path
        for (_, day, of_tile), path in newest_granules(water, WATER_KIND).items()
        if of_tile == tile
    }
    if not granules:
        raise InputError(
            f"{water}: holds no {WATER_PRODUCT} granule of tile {tile}; bring one, or leave the water mask"
            " out."
        )
    return granules[min(granules, key=lambda year: (abs(year - date.year), year))]


def near_water(path: Path, lst: Raster, dilation: int) -> BoolArray:
    """Which LST pixels hold a 250 m pixel of water, or one near it.

    Parameters
    ----------
    path : Path
        A MOD44W granule of the LST's tile.
    lst : Raster
        Its values are not read.
    dilation : int
        Fine pixels by which water is widened on every side, corners too.

    Returns
    -------
    bool array of the shape of `lst`
        Ground that the mask does not know counts as water.

    Raises
    ------
    InputError
        If the granule cannot be read.
    """
    transform, water = _widened(path, path.stat().st_mtime_ns, dilation)
    rows, columns = SCALE * lst.rows, SCALE * lst.columns
    first_row, first_column = (
        round((transform.f - lst.top_m) / FINE_PIXEL_M),
        round((lst.left_m - transform.c) / FINE_PIXEL_M),
    )
    above, left = max(0, -first_row), max(0, -first_column)
    overlap = water[
        first_row + above : max(0, first_row + rows), first_column + left : max(0, first_column + columns)
    ]
    fine = np.ones((rows, columns), dtype=np.bool_)
    fine[above : above + overlap.shape[0], left : left + overlap.shape[1]] = overlap
    return np.asarray(fine.reshape(lst.rows, SCALE, lst.columns, SCALE).any(axis=(1, 3)))


@lru_cache(maxsize=4)
def _widened(path: Path, modified_ns: int, dilation: int) -> tuple[Affine, BoolArray]:
    # One mask serves all days of a year; its time of change is there to tell the cache of another.
    mask = read_water_mask(path)
    water = (mask.values != 0.0).astype(np.uint8)
    return mask.transform, ndimage.maximum_filter(water, size=2 * dilation + 1, mode="nearest").astype(
        np.bool_
    )
