"""Pairs whose true 250 m LST is known."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio.warp
from affine import Affine
from rasterio.crs import CRS

from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.geo.operators import degrade
from lstsr_core.geo.raster import Raster
from lstsr_core.pairs.pair import Pair, align, fine_grid

UTM_31N = CRS.from_epsg(32631)
ASTER_PIXEL_M = 231.65
# Coarse pixels: the landscape is one pixel wider than the patches
# on every side, so that no patch sees its edge.
LANDSCAPE_FIRST_ROW, LANDSCAPE_FIRST_COLUMN, LANDSCAPE_COARSE = 500, 300, 42
PATCH_COARSE = 40
NDVI_DOWN, NDVI_RIGHT = 2, 1


def _fractal(size: int, slope: float, generator: np.random.Generator) -> np.ndarray:
    """Gaussian field (size, size) with amplitude spectrum f^−slope, mean 0, standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    field = np.fft.ifft2(np.fft.fft2(generator.standard_normal((size, size))) * frequency**-slope).real
    return (field - field.mean()) / field.std()


def make_truth() -> Raster:
    """The true 250 m LST of a landscape in tile h18v04, in kelvin."""
    transform = Tile(18, 4).transform(FINE_PIXEL_M) @ Affine.translation(
        4 * LANDSCAPE_FIRST_COLUMN, 4 * LANDSCAPE_FIRST_ROW
    )
    field = _fractal(4 * LANDSCAPE_COARSE, 1.8, np.random.default_rng(7))
    return Raster(305.0 + 4.0 * field, transform, SINUSOIDAL)


def make_pair(truth: Raster) -> Pair:
    """A pair without noise or bias: LST = D(truth), ASTER = truth on a UTM grid inside a rotated swath.

    NDVI starts 2 fine rows and 1 fine column from the LST's
    origin, so that aligning drops a row and a column.
    """
    coarse = Tile(18, 4).transform(COARSE_PIXEL_M) @ Affine.translation(
        LANDSCAPE_FIRST_COLUMN, LANDSCAPE_FIRST_ROW
    )
    patch = slice(1, 1 + PATCH_COARSE)
    lst = Raster(degrade(truth.values), coarse, SINUSOIDAL).crop(patch, patch)

    texture = _fractal(4 * LANDSCAPE_COARSE, 1.2, np.random.default_rng(8))
    ndvi_values = np.clip(0.6 - 0.03 * (truth.values - 305.0) + 0.05 * texture, -1.0, 1.0)
    first_row, first_column = 4 + NDVI_DOWN, 4 + NDVI_RIGHT
    ndvi = truth.with_values(ndvi_values).crop(
        slice(first_row, first_row + 4 * PATCH_COARSE), slice(first_column, first_column + 4 * PATCH_COARSE)
    )
    return Pair("synthetic", lst, ndvi, _aster_swath(truth))


def _aster_swath(truth: Raster, size: int = 200, half_side: float = 55.0, degrees: float = 12.0) -> Raster:
    # The grid is wider than the patches, whose corners the published protocol looks for.
    centre_x, centre_y = (truth.left_m + truth.right_m) / 2, (truth.top_m + truth.bottom_m) / 2
    (x,), (y,) = rasterio.warp.transform(SINUSOIDAL, UTM_31N, [centre_x], [centre_y])
    half_m = size / 2 * ASTER_PIXEL_M
    grid = Raster(
        np.zeros((size, size)),
        Affine(ASTER_PIXEL_M, 0.0, x - half_m, 0.0, -ASTER_PIXEL_M, y + half_m),
        UTM_31N,
    )
    aster_k = truth.warp_onto(grid).values

    row, column = np.mgrid[:size, :size] - (size - 1) / 2
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    from_centre = np.maximum(abs(column * cosine + row * sine), abs(row * cosine - column * sine))
    edge = (from_centre > half_side - 1.0) & (from_centre <= half_side)
    aster_k[edge] *= 0.6  # mixed with the zeros outside, as ASTER's reprojected swath is
    aster_k[from_centre > half_side] = np.nan
    return grid.with_values(aster_k)


def truth_under(truth: Raster, grid: Raster) -> Raster:
    """The truth on a 250 m grid inside its own, cut out by coordinates."""
    row = round((truth.top_m - grid.top_m) / truth.pixel_width_m)
    column = round((grid.left_m - truth.left_m) / truth.pixel_width_m)
    cut = truth.crop(slice(row, row + grid.rows), slice(column, column + grid.columns))
    assert (cut.left_m, cut.top_m) == pytest.approx((grid.left_m, grid.top_m), abs=1e-3)
    return grid.with_values(cut.values)


def true_product(truth: Raster, pair: Pair) -> Raster:
    """The truth under the aligned pair's LST."""
    return truth_under(truth, fine_grid(align(pair)))
