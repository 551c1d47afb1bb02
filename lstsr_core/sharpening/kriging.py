"""ATPRK and AATPRK: regression on NDVI, and area-to-point kriging of the coarse residual (Method 4).

The kriging is coherent: the 16 fine values of a coarse pixel average to its
residual, whichever of its neighbours there are.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lstsr_core.base.progress import counter
from lstsr_core.geo.grid import FINE_PIXEL_M, SCALE, check_nested
from lstsr_core.geo.raster import BoolArray, FloatArray
from lstsr_core.metrics.line import Line
from lstsr_core.sharpening.regression import (
    MARGIN,
    WINDOW,
    LocalLines,
    aggregate_ndvi,
    fit_scene,
    fit_windows,
)
from lstsr_core.sharpening.variogram import Variogram, block_to_block, fit_variograms

NEIGHBOURS = WINDOW**2
POSITIONS = SCALE**2
LEAST_RESIDUAL_SPAN_K = 1e-9
_PATTERNS_AT_A_TIME = 2048
_PIXELS_AT_A_TIME = 1 << 16

_NEIGHBOUR_ROW, _NEIGHBOUR_COLUMN = np.divmod(np.arange(NEIGHBOURS), WINDOW)


def _point_to_block(variogram: Variogram) -> FloatArray:
    """Semivariance of each fine point of the centre with each neighbour's
    16, averaged over those: (neighbours, positions)."""
    point = np.arange(SCALE)
    # Fine pixels from each point of the centre to each point of a neighbour,
    # along one axis: (neighbour, point, its point).
    apart = SCALE * (np.arange(WINDOW) - MARGIN)[:, None, None] + point - point[:, None]
    down, right = apart[:, None, :, None, :, None], apart[None, :, None, :, None, :]
    semivariance: FloatArray = variogram(FINE_PIXEL_M * np.hypot(down, right)).mean(axis=(4, 5))
    return semivariance.reshape(NEIGHBOURS, POSITIONS)


def kriging_weights(variogram: Variogram, available: BoolArray) -> FloatArray:
    """Ordinary kriging weights of a coarse pixel's 5×5 neighbours, itself among them, for its 16 fine points.

    Parameters
    ----------
    variogram : Variogram
        Of points; the weights do not depend on its sill.
    available : array of shape (patterns, 25)
        Which neighbours there are, row by row; at least one in each pattern.

    Returns
    -------
    array of shape (patterns, 16, 25)
        Each row adds up to 1; 0 for neighbours that are not there.
    """
    unit = Variogram(1.0, variogram.range_m)
    rows_apart = abs(_NEIGHBOUR_ROW[:, None] - _NEIGHBOUR_ROW)
    columns_apart = abs(_NEIGHBOUR_COLUMN[:, None] - _NEIGHBOUR_COLUMN)
    between_blocks = block_to_block(unit)[rows_apart, columns_apart]
    largest = between_blocks.max()  # of a long range, all semivariances are tiny beside the constraint's ones

    system = np.ones((NEIGHBOURS + 1, NEIGHBOURS + 1))
    system[:-1, :-1] = between_blocks / largest
    system[-1, -1] = 0.0
    right_side = np.ones((NEIGHBOURS + 1, POSITIONS))
    right_side[:-1] = _point_to_block(unit) / largest

    # A neighbour that is not there gets the equation weight = 0.
    used = np.concatenate([available, np.ones((len(available), 1), dtype=bool)], axis=1)
    systems = np.where(used[:, :, None] & used[:, None, :], system, np.eye(NEIGHBOURS + 1))
    solved = np.linalg.solve(systems, np.where(used[:, :, None], right_side, 0.0))
    return solved[:, :-1].transpose(0, 2, 1)


def interpolate_residual(residual_k: FloatArray, variogram: Variogram) -> FloatArray:
    """Area-to-point ordinary kriging of a coarse raster from its valid 5×5 neighbours.

    Parameters
    ----------
    residual_k : array of shape (rows, columns)
        Any unit; NaN is nodata.
    variogram : Variogram
        Of points, such as `FittedVariograms.point`.

    Returns
    -------
    array of shape (4·rows, 4·columns)
        NaN under invalid coarse pixels and nowhere else; means over 4×4 blocks are the coarse values.
    """
    rows, columns = residual_k.shape
    padded = np.pad(residual_k.astype(np.float64), MARGIN, constant_values=np.nan)
    there = np.isfinite(padded)
    padded[~there] = 0.0

    pattern_of = np.zeros((rows, columns), dtype=np.int64)
    for neighbour, (down, right) in enumerate(
        zip(_NEIGHBOUR_ROW.tolist(), _NEIGHBOUR_COLUMN.tolist(), strict=True)
    ):
        pattern_of |= there[down : down + rows, right : right + columns].astype(np.int64) << neighbour
    valid = np.flatnonzero(np.isfinite(residual_k))
    by_pattern = valid[np.argsort(pattern_of.ravel()[valid], kind="stable")]
    patterns, first = np.unique(pattern_of.ravel()[by_pattern], return_index=True)
    last = np.append(first[1:], by_pattern.size)

    fine = np.full((rows * columns, POSITIONS), np.nan)
    progress = counter(by_pattern.size, "Kriging", "pixel")
    for start in range(0, patterns.size, _PATTERNS_AT_A_TIME):
        group = slice(start, start + _PATTERNS_AT_A_TIME)
        available = (patterns[group, None] >> np.arange(NEIGHBOURS) & 1).astype(bool)
        weights = kriging_weights(variogram, available)
        for weight, begin, end in zip(weights, first[group].tolist(), last[group].tolist(), strict=True):
            for chunk in range(begin, end, _PIXELS_AT_A_TIME):
                pixels = by_pattern[chunk : min(chunk + _PIXELS_AT_A_TIME, end)]
                fine[pixels] = _neighbours(padded, pixels, columns) @ weight.T
                progress.update(pixels.size)
    progress.close()
    return (
        fine.reshape(rows, columns, SCALE, SCALE).transpose(0, 2, 1, 3).reshape(SCALE * rows, SCALE * columns)
    )


def _neighbours(padded: FloatArray, pixels: NDArray[np.int64], columns: int) -> FloatArray:
    """The 25 neighbours of coarse pixels given by their flat index: (pixels, 25)."""
    row, column = np.divmod(pixels, columns)
    corner = row * padded.shape[1] + column
    neighbours: FloatArray = padded.ravel()[
        corner[:, None] + (_NEIGHBOUR_ROW * padded.shape[1] + _NEIGHBOUR_COLUMN)
    ]
    return neighbours


def _fine_residual(residual_k: FloatArray, published: bool) -> FloatArray:
    if np.ptp(residual_k[np.isfinite(residual_k)]) < LEAST_RESIDUAL_SPAN_K:
        # Nothing varies, as where LST follows NDVI exactly: there is no
        # semivariogram, and every weighting gives the same.
        fine_k: FloatArray = np.kron(residual_k, np.ones((SCALE, SCALE)))
    else:
        fine_k = interpolate_residual(residual_k, fit_variograms(residual_k, published).point)
    if published:
        inside = np.zeros(residual_k.shape, dtype=bool)
        inside[MARGIN:-MARGIN, MARGIN:-MARGIN] = True
        outside = np.kron(~inside, np.ones((SCALE, SCALE), dtype=bool)) & np.isfinite(fine_k)
        fine_k[outside] = 0.0
    return fine_k


def _sharpened(
    lst_k: FloatArray, ndvi: FloatArray, line: Line | LocalLines, coarse_ndvi: FloatArray, published: bool
) -> FloatArray:
    fine_k = line(ndvi.astype(np.float64))
    fine_k += _fine_residual(lst_k - line(coarse_ndvi), published)
    return fine_k


def coarse_residual_k(
    lst_k: FloatArray, ndvi: FloatArray, adaptive: bool = False, published: bool = False
) -> FloatArray:
    """What the regression leaves over at 1 km, which `atprk` (or,
    adaptive, `aatprk`) fits its semivariograms to."""
    coarse_ndvi = aggregate_ndvi(ndvi, published)
    line = (fit_windows if adaptive else fit_scene)(lst_k, coarse_ndvi)
    return lst_k - line(coarse_ndvi)


def atprk(lst_k: FloatArray, ndvi: FloatArray, published: bool = False) -> FloatArray:
    """Area-to-point regression kriging: one line of LST on NDVI for the scene, and the kriged residual.

    Parameters
    ----------
    lst_k : array of shape (rows, columns)
        Kelvin; NaN is nodata.
    ndvi : array of shape (4·rows, 4·columns)
        From −1 to 1; NaN is nodata.
    published : bool
        As the published code: NDVI aggregated by its fourth power, its deconvolution, and no
        residual in the outer two coarse rows and columns.

    Returns
    -------
    array of shape (4·rows, 4·columns)
        Kelvin; NaN where the NDVI or the coarse LST is and nowhere else. Unless
        published, each whole block averages to its coarse LST.

    Raises
    ------
    InputError
        If the shapes do not fit.
    NoResult
        If fewer than ten coarse pixels are valid, their NDVI is
        constant, or the residual has no semivariogram.
    """
    check_nested(lst_k.shape, ndvi.shape)
    coarse_ndvi = aggregate_ndvi(ndvi, published)
    return _sharpened(lst_k, ndvi, fit_scene(lst_k, coarse_ndvi), coarse_ndvi, published)


def aatprk(lst_k: FloatArray, ndvi: FloatArray, published: bool = False) -> FloatArray:
    """Adaptive area-to-point regression kriging: `atprk` with a
    line for the 5×5 window around every coarse pixel.

    Parameters
    ----------
    lst_k, ndvi, published
        As for `atprk`; the published code also gives 0 K where the NDVI is exactly 0.

    Returns
    -------
    array of shape (4·rows, 4·columns)
        As from `atprk`.

    Raises
    ------
    InputError, NoResult
        As `atprk` does.
    """
    check_nested(lst_k.shape, ndvi.shape)
    coarse_ndvi = aggregate_ndvi(ndvi, published)
    fine_k = _sharpened(lst_k, ndvi, fit_windows(lst_k, coarse_ndvi), coarse_ndvi, published)
    if published:
        fine_k[ndvi == 0.0] = 0.0
    return fine_k
