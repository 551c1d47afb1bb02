"""Straight lines of LST on NDVI at 1 km, for a scene or around every coarse pixel (Method 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from lstsr_core.base.errors import NoResult
from lstsr_core.geo.grid import SCALE
from lstsr_core.geo.raster import BoolArray, FloatArray
from lstsr_core.metrics.line import Line, fit_line

COLDEST_FITTED_K = 273.0
"""Snow and cloud edges below it do not follow NDVI and are left out of every fit."""
SMALLEST_SAMPLE = 10
SMALLEST_NDVI_SPAN = 1e-9
WINDOW = 5
"""Coarse pixels along a side of the windows that lines, semivariograms and kriging work in."""
MARGIN = WINDOW // 2
_ENOUGH_OF_A_WINDOW = 2.0 / 3.0
_ROWS_AT_A_TIME = 64


@dataclass(frozen=True)
class LocalLines:
    """One line for every coarse pixel.

    Attributes
    ----------
    slope : array of shape (rows, columns)
        Kelvin per unit of NDVI.
    intercept : array of shape (rows, columns)
        Kelvin.
    """

    slope: FloatArray
    intercept: FloatArray

    def __call__(self, ndvi: FloatArray) -> FloatArray:
        """LST in kelvin, of the NDVI's shape: (rows, columns), or
        (4·rows, 4·columns) with a block's line for all of it."""
        if ndvi.shape == self.slope.shape:
            lst_k: FloatArray = self.intercept + self.slope * ndvi
            return lst_k
        fine_k = self.slope[:, None, :, None] * blocks(ndvi)
        fine_k += self.intercept[:, None, :, None]
        return fine_k.reshape(ndvi.shape)


def blocks(fine: FloatArray) -> FloatArray:
    """View of a fine image as its 4×4 blocks, (4·rows, 4·columns) → (rows, 4, columns, 4)."""
    rows, columns = fine.shape
    return fine.reshape(rows // SCALE, SCALE, columns // SCALE, SCALE)


def aggregate_ndvi(ndvi: FloatArray, published: bool = False) -> FloatArray:
    """NDVI at 1 km.

    Parameters
    ----------
    ndvi : array of shape (4·rows, 4·columns)
        From −1 to 1; NaN is nodata.
    published : bool
        Take the published code's fourth root of the mean fourth power, which loses the sign of negative NDVI.

    Returns
    -------
    array of shape (rows, columns)
        Mean over the valid pixels of each 4×4 block; NaN where none is valid.
    """
    fine = blocks(np.asarray(ndvi, dtype=np.float64))
    mean = np.empty((fine.shape[0], fine.shape[2]))
    for first in range(0, len(mean), _ROWS_AT_A_TIME):
        strip = slice(first, first + _ROWS_AT_A_TIME)
        mean[strip] = _block_means(fine[strip], published)
    return np.clip(mean**0.25, -1.0, 1.0) if published else mean


def _block_means(fine: FloatArray, published: bool) -> FloatArray:
    powers = fine**4 if published else fine
    missing = np.isnan(fine)
    if not missing.any():
        whole: FloatArray = powers.mean(axis=(1, 3))
        return whole
    valid_count = SCALE**2 - missing.sum(axis=(1, 3))
    total = np.where(missing, 0.0, powers).sum(axis=(1, 3))
    mean: FloatArray = np.where(valid_count > 0, total / np.maximum(valid_count, 1), np.nan)
    return mean


def _fitted(lst_k: FloatArray, coarse_ndvi: FloatArray) -> BoolArray:
    warm_enough: BoolArray = np.nan_to_num(lst_k) > COLDEST_FITTED_K
    return warm_enough & np.isfinite(lst_k) & np.isfinite(coarse_ndvi)


def fit_scene(lst_k: FloatArray, coarse_ndvi: FloatArray) -> Line:
    """Ordinary least squares of LST on NDVI over a scene's valid coarse pixels above 273 K.

    Parameters
    ----------
    lst_k : array of shape (rows, columns)
        Kelvin; NaN is nodata.
    coarse_ndvi : array of shape (rows, columns)
        As `aggregate_ndvi` gives it.

    Raises
    ------
    NoResult
        If fewer than ten coarse pixels are valid or their NDVI is constant.
    """
    sample = _fitted(lst_k, coarse_ndvi)
    if sample.sum() < SMALLEST_SAMPLE:
        raise NoResult(
            f"{int(sample.sum())} coarse pixels are valid above {COLDEST_FITTED_K:g} K; a regression needs at"
            f" least {SMALLEST_SAMPLE}."
        )
    x, y = coarse_ndvi[sample].astype(np.float64), lst_k[sample].astype(np.float64)
    if np.ptp(x) < SMALLEST_NDVI_SPAN:
        raise NoResult("the NDVI of all valid coarse pixels is the same; LST cannot be regressed on it.")
    return fit_line(x, y)


def fit_windows(lst_k: FloatArray, coarse_ndvi: FloatArray) -> LocalLines:
    """Ordinary least squares in the 5×5 window around every coarse pixel, over its valid pixels above 273 K.

    The scene's own line stands where under 2/3 of a window is valid or its NDVI is
    constant, and in the outer two rows and columns.

    Parameters
    ----------
    lst_k, coarse_ndvi : array of shape (rows, columns)
        As for `fit_scene`.

    Raises
    ------
    NoResult
        As `fit_scene` does.
    """
    scene = fit_scene(lst_k, coarse_ndvi)
    slope, intercept = np.full(lst_k.shape, scene.slope), np.full(lst_k.shape, scene.intercept)
    sample = _fitted(lst_k, coarse_ndvi)
    rows, columns = lst_k.shape
    if min(rows, columns) < WINDOW:
        return LocalLines(slope, intercept)
    # In strips: all windows of a whole tile at once would take gigabytes.
    for first in range(0, rows - 2 * MARGIN, _ROWS_AT_A_TIME):
        strip = slice(first, min(first + _ROWS_AT_A_TIME, rows - 2 * MARGIN) + 2 * MARGIN)
        window_slope, window_intercept, usable = _window_lines(
            lst_k[strip], coarse_ndvi[strip], sample[strip]
        )
        inside = np.s_[strip.start + MARGIN : strip.stop - MARGIN, MARGIN:-MARGIN]
        slope[inside] = np.where(usable, window_slope, scene.slope)
        intercept[inside] = np.where(usable, window_intercept, scene.intercept)
    return LocalLines(slope, intercept)


def _windows(image: FloatArray | BoolArray) -> FloatArray:
    views = sliding_window_view(image, (WINDOW, WINDOW))
    return views.reshape(*views.shape[:2], WINDOW**2).astype(np.float64)


def _window_lines(
    lst_k: FloatArray, ndvi: FloatArray, sample: BoolArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Slope, intercept and whether they can be used, for every whole window."""
    weight = _windows(sample)
    count = np.maximum(weight.sum(axis=-1), 1.0)
    x, y = _windows(np.where(sample, ndvi, 0.0)), _windows(np.where(sample, lst_k, 0.0))
    mean_x, mean_y = x.sum(axis=-1) / count, y.sum(axis=-1) / count
    # Deviations rather than sums of squares, which would lose all digits of a window of almost one NDVI.
    x -= mean_x[..., None]
    y -= mean_y[..., None]
    x *= weight
    variance, covariance = np.einsum("rcw,rcw->rc", x, x), np.einsum("rcw,rcw->rc", x, y)
    usable = (count >= _ENOUGH_OF_A_WINDOW * WINDOW**2) & (np.ptp(x, axis=-1) >= SMALLEST_NDVI_SPAN)
    slope = covariance / np.where(usable, variance, 1.0)
    return slope, mean_y - slope * mean_x, usable
