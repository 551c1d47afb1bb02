"""Granules of several tiles cut from one field, in a cache for maps of places: neighbours match exactly."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from scipy import ndimage

from lstsr_core.download.manifest import Entry, enter
from lstsr_core.geo.grid import COARSE_PIXEL_M, SCALE, SINUSOIDAL, TILE_COARSE_PIXELS, Tile
from lstsr_core.geo.operators import degrade
from lstsr_core.geo.raster import FloatArray, Raster
from lstsr_core.modis.names import GranuleName
from lstsr_core.simulation.granule_writer import write_lst_granule, write_reflectance_granule

DAY = datetime.date(2019, 7, 19)


@dataclass(frozen=True)
class Field:
    """LST and NDVI of a square of the world's grid.

    Attributes
    ----------
    row, column : int
        Of its corner, in coarse pixels of the world.
    lst_k : array of shape (side, side)
        As granules hold it, in steps of 0.02 K.
    ndvi : array of shape (4·side, 4·side)
        Of reflectances in steps of 0.0001.
    """

    row: int
    column: int
    lst_k: FloatArray
    ndvi: FloatArray

    @classmethod
    def around(cls, row: int, column: int, side: int, seed: int = 1) -> Field:
        """A smooth field around a pixel of the world's grid."""
        wanted = np.clip(0.55 + 0.12 * _smooth(SCALE * side, seed, 2.0), 0.0, 0.95)
        red, nir = (np.rint(0.2 * (1 + sign * wanted) / 1e-4) for sign in (-1, 1))
        ndvi = (nir - red) / (nir + red)
        truth_k = 305.0 - 14.0 * (ndvi - 0.55) + 1.5 * _smooth(SCALE * side, seed + 1, 12.0)
        lst_k = np.rint(degrade(truth_k) / 0.02) * 0.02
        return cls(row - side // 2, column - side // 2, lst_k, ndvi)

    def parts(self) -> Iterator[tuple[Tile, slice, slice]]:
        """The tiles that it lies in, each with its rows and columns of the field."""
        rows, columns = (
            [(number, span) for number, span in _split(first, len(self.lst_k))]
            for first in (self.row, self.column)
        )
        for vertical, row_span in rows:
            for horizontal, column_span in columns:
                yield Tile(horizontal, vertical), row_span, column_span

    def write(
        self, cache: Path, day: datetime.date = DAY, lst: str = "MOD21A1D", reflectance: str = "MOD09GQ"
    ) -> list[Tile]:
        """Its granules, in the cache's folder of simulated ones with their manifest; the tiles."""
        folder, tiles = cache / "sample", []
        folder.mkdir(parents=True, exist_ok=True)
        for tile, rows, columns in self.parts():
            offset = Affine.translation(
                self.column + columns.start - tile.horizontal * TILE_COARSE_PIXELS,
                self.row + rows.start - tile.vertical * TILE_COARSE_PIXELS,
            )
            transform = tile.transform(COARSE_PIXEL_M) @ offset
            fine = tuple(slice(SCALE * span.start, SCALE * span.stop) for span in (rows, columns))
            names = [GranuleName(product, day, tile) for product in (lst, reflectance)]
            write_lst_granule(
                folder / str(names[0]), Raster(self.lst_k[rows, columns], transform, SINUSOIDAL)
            )
            red, nir = (
                Raster(0.2 * (1 + sign * self.ndvi[fine]), transform @ Affine.scale(1 / SCALE), SINUSOIDAL)
                for sign in (-1, 1)
            )
            write_reflectance_granule(folder / str(names[1]), red, nir)
            for name in names:
                enter(folder, Entry.of(folder / str(name), "sample"))
            tiles.append(tile)
        return tiles


def _split(first: int, size: int) -> Iterator[tuple[int, slice]]:
    """A span of the world's pixels by tiles: the tile's number and the pixels of the span."""
    for number in range(first // TILE_COARSE_PIXELS, (first + size - 1) // TILE_COARSE_PIXELS + 1):
        start = max(number * TILE_COARSE_PIXELS - first, 0)
        yield number, slice(start, min((number + 1) * TILE_COARSE_PIXELS - first, size))


def _smooth(size: int, seed: int, width: float) -> FloatArray:
    field = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((size, size)), width)
    return field / field.std()
