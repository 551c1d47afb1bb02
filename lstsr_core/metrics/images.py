"""How far a sharpened product x lies from a reference r, in space
(Method 6); both in kelvin, same shape, no NaN."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy import ndimage

from lstsr_core.geo.operators import DEFAULT_MTF, degrade, low_pass
from lstsr_core.geo.raster import FloatArray

WINDOW = 7
_NORM = WINDOW**2 / (WINDOW**2 - 1)

GRADIENT_FILTERS = np.array(
    [
        [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
        [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
        [[2, 1, 0], [1, 0, -1], [0, -1, -2]],
        [[0, 1, 2], [-1, 0, 1], [-2, -1, 0]],
    ],
    dtype=np.float64,
)
"""S: gradients along rows, columns and both diagonals."""

_SOBEL = GRADIENT_FILTERS[:2]


def data_range_k(x: FloatArray, r: FloatArray) -> float:
    """R: maximum minus minimum of both images together."""
    return float(max(x.max(), r.max()) - min(x.min(), r.min()))


def rmse(x: FloatArray, r: FloatArray) -> float:
    """Root mean square difference."""
    return float(np.sqrt(np.mean((x - r) ** 2)))


def bias(x: FloatArray, r: FloatArray) -> float:
    """Mean of x − r."""
    return float(np.mean(x - r))


def rmse_unbiased(x: FloatArray, r: FloatArray) -> float:
    """Root mean square difference after the bias is taken off."""
    return float(np.std(x - r))


def correlation(x: FloatArray, r: FloatArray) -> float:
    """Pearson's correlation; NaN where an image is constant."""
    if np.ptp(x) == 0.0 or np.ptp(r) == 0.0:
        return float("nan")
    return float(np.corrcoef(x.ravel(), r.ravel())[0, 1])


def psnr_db(x: FloatArray, r: FloatArray, range_k: float | None = None) -> float:
    """Peak signal-to-noise ratio; infinite for equal images, NaN for a peak of 0.

    Parameters
    ----------
    x, r : array of shape (rows, columns)
    range_k : float, optional
        The peak; R without it, which a product's outliers widen and so reward.
    """
    error = rmse(x, r)
    peak = data_range_k(x, r) if range_k is None else range_k
    if error == 0.0:
        return float("inf")
    return float(20.0 * np.log10(peak / error)) if peak > 0.0 else float("nan")


def _window_mean(image: FloatArray) -> FloatArray:
    """Means over the 7×7 windows that lie inside an image, (rows, columns) → (rows − 6, columns − 6)."""
    margin = WINDOW // 2
    means: FloatArray = ndimage.uniform_filter(image, WINDOW)[margin:-margin, margin:-margin]
    return means


def ssim(x: FloatArray, r: FloatArray) -> float:
    """Structural similarity, scikit-image's definition: 7×7 uniform window, data range R, sample covariance.

    NaN where both images are one constant, for R is then 0.
    """
    span = data_range_k(x, r)
    if span == 0.0:
        return float("nan")
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    # The reference's mean is taken off first: kelvin squared would cost the variances six digits.
    offset = float(r.mean())
    x, r = x - offset, r - offset
    mean_x, mean_r = _window_mean(x), _window_mean(r)
    both_variances = _NORM * (_window_mean(x * x + r * r) - mean_x**2 - mean_r**2)
    covariance = _NORM * (_window_mean(x * r) - mean_x * mean_r)
    mean_x, mean_r = mean_x + offset, mean_r + offset
    similarity = (2 * mean_x * mean_r + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_r**2 + c1) * (both_variances + c2)
    return float(similarity.mean())


def gssim(x: FloatArray, r: FloatArray, published: bool = False) -> float:
    """Structural similarity of gradient magnitudes, with the luminance of the images themselves.

    NaN where both images are one constant, for R is then 0.

    Parameters
    ----------
    x, r : array of shape (rows, columns)
    published : bool
        Take the published code's structure term, whose numerator adds C2 and denominator C2/2.
    """
    span = data_range_k(x, r)
    if span == 0.0:
        return float("nan")
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    mean_x, mean_r = _window_mean(x[1:-1, 1:-1]), _window_mean(r[1:-1, 1:-1])
    luminance = (2 * mean_x * mean_r + c1) / (mean_x**2 + mean_r**2 + c1)

    gradient_x, gradient_r = (_magnitude(image, _SOBEL) for image in (x, r))
    mean_x, mean_r = _window_mean(gradient_x), _window_mean(gradient_r)
    variance_x = np.maximum(_NORM * (_window_mean(gradient_x**2) - mean_x**2), 0.0)
    variance_r = np.maximum(_NORM * (_window_mean(gradient_r**2) - mean_r**2), 0.0)
    covariance = _NORM * (_window_mean(gradient_x * gradient_r) - mean_x * mean_r)
    deviations = np.sqrt(variance_x * variance_r)
    contrast = (2 * deviations + c2) / (variance_x + variance_r + c2)
    structure = (covariance + (c2 if published else c2 / 2)) / (deviations + c2 / 2)
    return float((luminance * contrast * structure).mean())


def _magnitude(image: FloatArray, filters: FloatArray) -> FloatArray:
    # Each filter is antisymmetric about its centre: its first four weights
    # times the differences of opposite neighbours.
    around = sliding_window_view(image, (3, 3))
    differences = np.stack(
        [around[..., i, j] - around[..., 2 - i, 2 - j] for i, j in ((0, 0), (0, 1), (0, 2), (1, 0))]
    )
    gradients = np.tensordot(filters.reshape(-1, 9)[:, :4], differences, 1)
    magnitude: FloatArray = np.sqrt(np.square(gradients).sum(axis=0))
    return magnitude


def gradient_magnitude(image: FloatArray) -> FloatArray:
    """Root of the sum of squares of the four filters S, (rows, columns) → (rows − 2, columns − 2), kelvin."""
    return _magnitude(image, GRADIENT_FILTERS)


def rmse_gradient(x: FloatArray, r: FloatArray) -> float:
    """Root mean square difference of the gradient magnitudes."""
    return rmse(gradient_magnitude(x), gradient_magnitude(r))


def rmse_by_gradient_k(x: FloatArray, r: FloatArray) -> tuple[float, float, float]:
    """RMSE where the reference's fine detail |r − G r| is low,
    middling and high (quartiles: 25 %, 50 %, 25 %)."""
    detail = np.abs(r - low_pass(r, DEFAULT_MTF))
    low, high = np.percentile(detail, [25, 75])
    classes = (detail < low, (detail >= low) & (detail <= high), detail > high)
    squared = (x - r) ** 2
    rmse_low, rmse_mid, rmse_high = (
        float(np.sqrt(squared[c].mean())) if c.any() else float("nan") for c in classes
    )
    return rmse_low, rmse_mid, rmse_high


def consistency_k(fine_k: FloatArray, lst_k: FloatArray, mtf: float = DEFAULT_MTF) -> float:
    """RMSE in kelvin between D(fine) and the 1 km LST it was
    made from, over the pixels where both are valid."""
    difference = degrade(fine_k, mtf) - lst_k
    valid = np.isfinite(difference)
    return float(np.sqrt(np.mean(difference[valid] ** 2))) if valid.any() else float("nan")
