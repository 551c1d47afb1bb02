"""Exponential semivariograms of a coarse residual: empirical, fitted, and deconvolved to points (Method 4).

All that is known of a residual is its mean over coarse pixels. The semivariogram of
points that would give the semivariogram of those means is found by averaging it over
pairs of 4×4 fine points and fitting what comes out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from lstsr_core.base.errors import NoResult
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SCALE
from lstsr_core.geo.raster import FloatArray
from lstsr_core.sharpening.regression import WINDOW

# Outside of these the averages over fine points no longer change with the
# range, but for a factor that the sill takes up.
RANGES_M = (FINE_PIXEL_M / 10.0, 1e6 * COARSE_PIXEL_M)
_RANGES_TRIED = 64
_FEWEST_DISTANCES = 3

Curve = Callable[[FloatArray], FloatArray]


def _class_offsets() -> dict[int, list[tuple[int, int]]]:
    """Offsets (rows down, columns right) between two pixels of a window,
    each pair once, by squared distance in pixels."""
    offsets: dict[int, list[tuple[int, int]]] = {}
    for down in range(WINDOW):
        for right in range(1 - WINDOW, WINDOW):
            if (down, right) > (0, 0):
                offsets.setdefault(down**2 + right**2, []).append((down, right))
    return dict(sorted(offsets.items()))


_OFFSETS = _class_offsets()
DISTANCES_M: FloatArray = COARSE_PIXEL_M * np.sqrt(np.array(list(_OFFSETS)))
"""The 14 distinct distances between coarse pixels of a 5×5 window."""


@dataclass(frozen=True)
class Variogram:
    """γ(h) = sill · (1 − exp(−3 h / range)).

    Attributes
    ----------
    sill : float
        K² for a residual in kelvin.
    range_m : float
        Distance at which 95 % of the sill is reached.
    """

    sill: float
    range_m: float

    def __call__(self, distance_m: FloatArray) -> FloatArray:
        """Semivariance at a distance, in the sill's unit."""
        semivariance: FloatArray = -self.sill * np.expm1(-3.0 * distance_m / self.range_m)
        return semivariance


@dataclass(frozen=True)
class FittedVariograms:
    """What a residual's semivariogram is and what was fitted to it.

    Attributes
    ----------
    distances_m : array of shape (distances,)
        Distances between coarse pixels of a 5×5 window for which there are pairs.
    empirical_k2 : array of shape (distances,)
        Semivariance of the coarse residual at them.
    coarse : Variogram
        Fitted to the empirical values.
    point : Variogram
        The deconvolved one, which kriging uses.
    regularised_k2 : array of shape (distances,)
        The point variogram's block-to-block average at the
        distances less that at distance 0: what was matched.
    """

    distances_m: FloatArray
    empirical_k2: FloatArray
    coarse: Variogram
    point: Variogram
    regularised_k2: FloatArray


def _window_sums(image: FloatArray, rows: int, columns: int) -> FloatArray:
    # Added up rather than taken from running sums, so that a window of zeros gives 0 exactly.
    across: FloatArray = sum(image[:, k : image.shape[1] - columns + 1 + k] for k in range(columns))  # type: ignore[assignment]
    total: FloatArray = sum(across[k : image.shape[0] - rows + 1 + k] for k in range(rows))  # type: ignore[assignment]
    return total


def empirical_semivariances(residual_k: FloatArray) -> FloatArray:
    """Mean over all 5×5 windows of half the mean squared difference
    between their pixels at each of `DISTANCES_M`.

    Windows where it is 0, or that have no valid pair at a distance, do not enter that distance's mean.

    Parameters
    ----------
    residual_k : array of shape (rows, columns)
        NaN is nodata.

    Returns
    -------
    array of shape (14,)
        K²; NaN for distances without a pair that differs, and all NaN for less than one window.
    """
    rows, columns = residual_k.shape
    semivariances = np.full(len(_OFFSETS), np.nan)
    if min(rows, columns) < WINDOW:
        return semivariances
    missing = bool(np.isnan(residual_k).any())
    for index, offsets in enumerate(_OFFSETS.values()):
        squares: FloatArray = np.zeros((rows - WINDOW + 1, columns - WINDOW + 1))
        pairs: FloatArray = np.zeros_like(squares)
        for down, right in offsets:
            left = max(0, -right)
            here = residual_k[: rows - down, left : columns - max(0, right)]
            there = residual_k[down:, left + right : columns + min(0, right)]
            window = WINDOW - down, WINDOW - abs(right)
            difference = here - there
            if missing:
                pairs += _window_sums(np.isfinite(difference).astype(np.float64), *window)
                difference = np.nan_to_num(difference)
            else:
                pairs += window[0] * window[1]
            squares += _window_sums(difference**2, *window)
        differing = squares > 0.0
        if differing.any():
            semivariances[index] = np.mean(0.5 * squares[differing] / pairs[differing])
    return semivariances


# Along one axis, two of 4 points in blocks of 4 lie 4·blocks − 3 …
# 4·blocks + 3 points apart, the middle most often.
_STEPS = np.arange(1 - SCALE, SCALE)
_STEP_SHARES = (SCALE - abs(_STEPS)) / SCALE**2
_PAIR_SHARES = np.outer(_STEP_SHARES, _STEP_SHARES).ravel()
_STEPS_APART_M = FINE_PIXEL_M * (SCALE * np.arange(WINDOW)[:, None] + _STEPS)
_PAIR_DISTANCES_M = np.hypot(_STEPS_APART_M[:, None, :, None], _STEPS_APART_M[None, :, None, :]).reshape(
    WINDOW, WINDOW, -1
)


def block_to_block(variogram: Variogram) -> FloatArray:
    """Semivariance between two coarse pixels, averaged over their 4×4 fine points each.

    Returns
    -------
    array of shape (5, 5)
        By the rows and the columns that the pixels lie apart, 0 … 4.
    """
    average: FloatArray = variogram(_PAIR_DISTANCES_M) @ _PAIR_SHARES
    return average


def _published_shares() -> FloatArray:
    """What the published running division leaves of the block-to-block
    average at distance 0 and each of `DISTANCES_M`."""
    row, column = np.divmod(np.arange(WINDOW**2), WINDOW)
    squared = (row[:, None] - row) ** 2 + (column[:, None] - column) ** 2
    shares = []
    for distance in (0, *_OFFSETS):
        share, count = 0.0, 0
        for pixels in (squared == distance).sum(axis=1):
            count += int(pixels)
            share = (share + float(pixels)) / max(count, 1)
        shares.append(share)
    return np.array(shares)


_PUBLISHED_SHARES = _published_shares()
_CLASS_INDEX = (
    0,
    *(min(abs(right), down) * WINDOW + max(abs(right), down) for (down, right), *_ in _OFFSETS.values()),
)
_CLASS_DISTANCES_M = _PAIR_DISTANCES_M.reshape(WINDOW**2, -1)[list(_CLASS_INDEX)]


def _regularised(semivariance: FloatArray, published: bool) -> FloatArray:
    averages = semivariance @ _PAIR_SHARES * (_PUBLISHED_SHARES if published else 1.0)
    return averages[..., 1:] - averages[..., :1]


def regularised_semivariances(variogram: Variogram, published: bool = False) -> FloatArray:
    """The semivariogram of coarse means that a point variogram makes, at `DISTANCES_M`.

    Parameters
    ----------
    variogram : Variogram
    published : bool
        Divide each distance's sum by its count after each of the 25 first pixels,
        as the published code does, not once at the end.

    Returns
    -------
    array of shape (14,)
        Block-to-block averages less that at distance 0.
    """
    return _regularised(variogram(_CLASS_DISTANCES_M), published)


def _fit(distances_m: FloatArray, curve: Curve, semivariances_k2: FloatArray) -> Variogram:
    """Least squares for the sill and the range of a curve that is linear in γ.

    Parameters
    ----------
    distances_m : array
        Where γ is wanted.
    curve : function
        From γ at those distances to the curve; leading axes are kept.
    semivariances_k2 : array of the curve's shape

    Raises
    ------
    NoResult
        If no exponential semivariogram with a positive sill fits.
    """
    # Levenberg–Marquardt from a fixed range may step so far that γ no
    # longer changes with it: start at the best of many.
    ranges_m = np.geomspace(*RANGES_M, _RANGES_TRIED)
    exponents = 3.0 * distances_m / ranges_m.reshape(-1, *(1,) * distances_m.ndim)
    unit_curves = curve(-np.expm1(-exponents))
    sills_k2 = unit_curves @ semivariances_k2 / np.einsum("rd,rd->r", unit_curves, unit_curves)
    misfits = np.sum((sills_k2[:, None] * unit_curves - semivariances_k2) ** 2, axis=1)
    best = int(np.argmin(np.where(sills_k2 > 0.0, misfits, np.inf)))
    lowest, highest = np.log(RANGES_M)

    # The range's logarithm, so that no step leads to a negative range.
    def misfit(parameters: FloatArray) -> FloatArray:
        range_m = np.exp(np.clip(parameters[1], lowest, highest))
        return curve(Variogram(parameters[0], range_m)(distances_m)) - semivariances_k2

    def jacobian(parameters: FloatArray) -> FloatArray:
        exponent = 3.0 * distances_m / np.exp(np.clip(parameters[1], lowest, highest))
        by_log_range = -parameters[0] * exponent * np.exp(-exponent)
        return np.stack([curve(-np.expm1(-exponent)), curve(by_log_range)], axis=1)

    start = sills_k2[best], np.log(ranges_m[best])
    solution = least_squares(misfit, start, jacobian, method="lm", ftol=1e-12, xtol=1e-12, gtol=1e-12)
    sill_k2, log_range = solution.x
    if not (solution.success and sill_k2 > 0.0):
        raise NoResult(
            f"no exponential semivariogram fits the coarse residual (its sill would be {sill_k2:.3g} K²)."
        )
    return Variogram(float(sill_k2), float(np.exp(np.clip(log_range, lowest, highest))))


def fit_variograms(residual_k: FloatArray, published: bool = False) -> FittedVariograms:
    """Fit the semivariogram of a coarse residual and deconvolve it to points.

    Parameters
    ----------
    residual_k : array of shape (rows, columns)
        LST less its regression on NDVI, at 1 km; NaN is nodata.
    published : bool
        Average by distance as the published code does (`regularised_semivariances`).

    Raises
    ------
    NoResult
        If the residual is smaller than 5×5, constant or too sparse, or no exponential semivariogram fits it.
    """
    empirical_k2 = empirical_semivariances(residual_k)
    finite = np.isfinite(empirical_k2)
    if finite.sum() < _FEWEST_DISTANCES:
        rows, columns = residual_k.shape
        raise NoResult(
            f"the coarse residual of {rows}×{columns} has differing pixels at {int(finite.sum())} distances"
            f" within 5×5 pixels; a semivariogram needs at least {_FEWEST_DISTANCES}."
        )
    distances_m, empirical_k2 = DISTANCES_M[finite], empirical_k2[finite]
    coarse = _fit(distances_m, lambda semivariance: semivariance, empirical_k2)
    point = _fit(
        _CLASS_DISTANCES_M,
        lambda semivariance: _regularised(semivariance, published)[..., finite],
        empirical_k2,
    )
    return FittedVariograms(
        distances_m, empirical_k2, coarse, point, regularised_semivariances(point, published)[finite]
    )
