"""Granules of several tiles of one day joined on the sinusoidal grid, before anything is sharpened: no seam
can then arise where tiles meet."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine

from lstsr_core.base.errors import InputError
from lstsr_core.base.progress import bar
from lstsr_core.geo.grid import GRID_LEFT_M, GRID_TOP_M, SCALE, Tile
from lstsr_core.geo.raster import BoolArray, Raster
from lstsr_core.geo.window import Window
from lstsr_core.maps.place import WORLD
from lstsr_core.modis.granule import Layer, read_lst_granule, read_ndvi_and_origin, read_water_and_origin
from lstsr_core.modis.water import water_granule

Granules = Mapping[Tile, tuple[Path, Path]]
"""LST and reflectance by tile."""


@dataclass(frozen=True)
class Joined:
    """A window of the world's grid, filled from granules.

    Attributes
    ----------
    lst, ndvi : Raster
        NaN where no granule has a value.
    ground : bool array of shape (rows, columns)
        Coarse pixels that some granule covers, whether or not it has a value there.
    warnings : tuple of str
        Of the granules' own metadata, one line each.
    """

    lst: Raster
    ndvi: Raster
    ground: BoolArray
    warnings: tuple[str, ...]


def joined(granules: Granules, around: Window, layer: Layer) -> Joined:
    """LST and NDVI of a window of `place.WORLD`.

    Raises
    ------
    InputError
        If a granule cannot be read, or a tile's LST and reflectance do not cover the same ground.
    """
    grid = WORLD.crop(around.rows, around.columns)
    lst_k, ndvi = (
        np.full(grid.values.shape, np.nan),
        np.full((SCALE * grid.rows, SCALE * grid.columns), np.nan),
    )
    ground = np.zeros(grid.values.shape, dtype=np.bool_)
    fine = Affine.scale(1 / SCALE)
    warnings: list[str] = []
    for lst_path, reflectance_path in bar(granules.values(), "Reading", "tile"):
        granule = read_lst_granule(lst_path, layer, with_view_time=False)
        coarse_place = _place_of(granule.lst, 1)
        target, source = _overlap(coarse_place, granule.lst.values.shape, around)
        if target is None or source is None:
            continue
        tile_ndvi, origin = read_ndvi_and_origin(reflectance_path)
        fine_place = _place_of(tile_ndvi, SCALE)
        expected = tuple(SCALE * number for number in (*coarse_place, *granule.lst.values.shape))
        if (*fine_place, *tile_ndvi.values.shape) != expected:
            raise InputError(
                f"{reflectance_path}: covers {tile_ndvi.rows}×{tile_ndvi.columns} pixels of 250 m from row"
                f" {fine_place[0]}, column {fine_place[1]} of the world's grid; expected the ground of"
                f" {lst_path.name}. Fetch both again."
            )
        target.of(lst_k)[...] = source.of(granule.lst.values)
        _fine(target).of(ndvi)[...] = _fine(source).of(tile_ndvi.values)
        target.of(ground)[...] = True
        warnings += (*granule.origin.warnings, *origin.warnings)
    return Joined(
        Raster(lst_k, grid.transform, grid.crs), Raster(ndvi, grid.transform @ fine, grid.crs), ground,
        tuple(warnings),
    )  # fmt: skip


def joined_water(
    water: Path, tiles: list[Tile], window: Window, day: datetime.date
) -> tuple[BoolArray, tuple[str, ...]]:
    """Where a window's fine pixels are water by the masks of its tiles, and what is odd about the masks.

    Parameters
    ----------
    water : Path
        A MOD44W granule, or a directory of them.
    tiles : list of Tile
        All that the window needs.
    window : Window
        Coarse pixels of `place.WORLD`.
    day : datetime.date

    Raises
    ------
    InputError
        If there is no mask of a tile, or it cannot be read.
    """
    grid = WORLD.crop(window.rows, window.columns)
    mask = np.zeros((SCALE * grid.rows, SCALE * grid.columns), dtype=np.bool_)
    warnings: list[str] = []
    fine_window = _fine(window)
    for tile in tiles:
        raster, origin = read_water_and_origin(water_granule(water, tile, day))
        target, source = _overlap(_place_of(raster, SCALE), raster.values.shape, fine_window)
        if target is not None and source is not None:
            target.of(mask)[...] |= source.of(raster.values) == 1.0
        warnings += origin.warnings
    return mask, tuple(warnings)


def _place_of(raster: Raster, scale: int) -> tuple[int, int]:
    """Row and column of a raster's corner in the world's grid of its pixels, `scale` of them a coarse one."""
    pixel_m = WORLD.pixel_width_m / scale
    return round((GRID_TOP_M - raster.top_m) / pixel_m), round((raster.left_m - GRID_LEFT_M) / pixel_m)


def _overlap(
    place: tuple[int, int], shape: tuple[int, ...], window: Window
) -> tuple[Window, Window] | tuple[None, None]:
    """What an image at a place has of a window: where in the window, and where in the image."""
    spans = []
    for first, size, span in zip(place, shape, (window.rows, window.columns), strict=True):
        start, stop = max(first, span.start), min(first + size, span.stop)
        if stop <= start:
            return None, None
        spans.append((slice(start - span.start, stop - span.start), slice(start - first, stop - first)))
    (rows, rows_of_image), (columns, columns_of_image) = spans
    return Window(rows, columns), Window(rows_of_image, columns_of_image)


def _fine(window: Window) -> Window:
    return Window(*(slice(SCALE * span.start, SCALE * span.stop) for span in (window.rows, window.columns)))
