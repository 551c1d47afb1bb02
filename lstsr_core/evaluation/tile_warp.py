"""GDAL's warp of a whole tile, learnt once: what the published protocol does to every product (Method 5).

The published evaluation warps the 4800×4800 tile for each product. GDAL makes each pixel a
weighted mean of at most 3×3 source pixels; the weights do not depend on what is warped, and follow
from what the warp makes of row and column numbers and of their squares. So one warp of these
stands for all products of all pairs in a tile and UTM zone.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import rasterio.warp
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from lstsr_core.geo.grid import FINE_PIXEL_M, SINUSOIDAL, TILE_FINE_PIXELS, TILE_SIZE_M, Tile
from lstsr_core.geo.raster import FloatArray

GDAL_CHUNK_MB = 48
"""Memory that lets GDAL cut a whole tile of one float32 band as the
published evaluation did; its errors depend on the cut."""

Taps = tuple[NDArray[np.int64], FloatArray]
"""The middle one of three source rows (or columns), (rows, columns),
and the weights of all three, (3, rows, columns)."""


@dataclass(frozen=True)
class WarpAxis:
    """What a warped pixel takes from the source along one axis: three
    neighbouring rows (or columns) and their weights.

    Attributes
    ----------
    position : array of int32
        Weighted mean of the rows' numbers, in 2⁻¹⁸ of a row.
    spread : array of float32
        Weighted mean of the squared distance from the nearest row.
    """

    position: NDArray[np.int32]
    spread: NDArray[np.float32]

    def taps(self, rows: NDArray[np.int64], columns: NDArray[np.int64], first: int) -> Taps:
        """What the warped grid's `rows` × `columns` take; source rows are counted from `first`."""
        cells = np.ix_(rows, columns)
        position, spread = self.position[cells] / _STEPS, self.spread[cells]
        middle = np.rint(position)
        mean = position - middle
        before, after = (spread - mean) / 2.0, (spread + mean) / 2.0
        return middle.astype(np.int64) - first, np.stack([before, 1.0 - before - after, after])


_STEPS = 2**18  # a tile's rows, in such steps, just fit into 32 bits


@dataclass(frozen=True)
class TileWarp:
    """The warp of a tile onto the grid that GDAL suggests for it in another CRS."""

    transform: Affine
    crs: CRS
    rows: WarpAxis
    columns: WarpAxis

    @property
    def left_m(self) -> float:
        return float(self.transform.c)

    @property
    def top_m(self) -> float:
        return float(self.transform.f)

    @property
    def right_m(self) -> float:
        return float(self.left_m + self.rows.position.shape[1] * self.transform.a)

    @property
    def bottom_m(self) -> float:
        return float(self.top_m + self.rows.position.shape[0] * self.transform.e)


@lru_cache(maxsize=2)
def tile_warp(tile: Tile, crs: CRS) -> TileWarp:
    """Learn the warp of a tile to a CRS; some seconds and 400 MB, kept for the next pair."""
    size = TILE_FINE_PIXELS
    bounds_m = {
        "left": tile.left_m,
        "top": tile.top_m,
        "right": tile.left_m + TILE_SIZE_M,
        "bottom": tile.top_m - TILE_SIZE_M,
    }
    transform, width, height = rasterio.warp.calculate_default_transform(
        SINUSOIDAL, crs, size, size, **bounds_m
    )
    numbers = np.arange(size) + 0.5 - size / 2  # centred, for the squares' sake
    axes = []
    for along_rows in (True, False):
        moments = np.empty((2, size, size))
        for band, values in zip(moments, (numbers, numbers**2), strict=True):
            band[:] = values[:, None] if along_rows else values
        warped = np.zeros((2, height, width))
        rasterio.warp.reproject(
            moments, warped, src_transform=tile.transform(FINE_PIXEL_M), src_crs=SINUSOIDAL,
            dst_transform=transform, dst_crs=crs, resampling=rasterio.warp.Resampling.bilinear, num_threads=2,
            # two bands of twice a float32's memory: cut into the same chunks
            warp_mem_limit=2 * 2 * GDAL_CHUNK_MB,
        )  # fmt: skip
        position, squared = warped
        nearest = np.floor(position) + 0.5
        outside = squared == 0.0  # the warp fills with zeros, which no half-integer squares to
        squared -= position**2
        squared += (position - nearest) ** 2
        position -= numbers[0]
        position[outside] = -size
        axes.append(WarpAxis(np.rint(position * _STEPS).astype(np.int32), squared.astype(np.float32)))
    return TileWarp(transform, crs, *axes)


def nearest_indices(offset: float, size: float) -> NDArray[np.int64]:
    """The whole rows (or columns) that GDAL reads over a fractional window without resizing."""
    count = int(size + 0.5)
    return np.floor(offset + (np.arange(count) + 0.5) * size / count).astype(np.int64)


def weigh(bands: FloatArray, rows: Taps, columns: Taps) -> FloatArray:
    """Warp bands of shape (bands, rows, columns), zero all around them."""
    # Three pixels of zeros around: whatever lies further out is taken from their middle.
    padded = np.pad(bands, ((0, 0), (3, 3), (3, 3)))
    row, column = (
        np.clip(at + 3, 1, size - 2)
        for at, size in ((rows[0], padded.shape[1]), (columns[0], padded.shape[2]))
    )
    warped: FloatArray = np.zeros((len(bands), *row.shape))
    for down, row_weight in zip((-1, 0, 1), rows[1], strict=True):
        for right, column_weight in zip((-1, 0, 1), columns[1], strict=True):
            warped += (row_weight * column_weight) * padded[:, row + down, column + right]
    return warped
