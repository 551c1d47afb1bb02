"""How far a sharpened product x lies from a reference r, in space (method §8); both in kelvin, same shape, no NaN."""

from __future__ import annotations

import numpy as np
from scipy import ndimage, signal

from lstsr_core.degradation import DEFAULT_MTF, degrade, low_pass
from lstsr_core.raster import FloatArray

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


def psnr_db(x: FloatArray, r: FloatArray) -> float:
    """Peak signal-to-noise ratio with R as the peak; infinite for equal images."""
    error = rmse(x, r)
    return float(20.0 * np.log10(data_range_k(x, r) / error)) if error > 0.0 else float("inf")


def _moments(x: FloatArray, r: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    # The reference's mean is taken off first: kelvin squared would cost the variances six digits.
    offset = float(r.mean())
    x, r = x - offset, r - offset
    mean_x, mean_r = ndimage.uniform_filter(x, WINDOW), ndimage.uniform_filter(r, WINDOW)
    variance_x = _NORM * (ndimage.uniform_filter(x * x, WINDOW) - mean_x**2)
    variance_r = _NORM * (ndimage.uniform_filter(r * r, WINDOW) - mean_r**2)
    covariance = _NORM * (ndimage.uniform_filter(x * r, WINDOW) - mean_x * mean_r)
    return mean_x + offset, mean_r + offset, variance_x, variance_r, covariance


def _inside(image: FloatArray) -> FloatArray:
    margin = WINDOW // 2
    return image[margin:-margin, margin:-margin]


def ssim(x: FloatArray, r: FloatArray) -> float:
    """Structural similarity, scikit-image's definition: 7×7 uniform window, data range R, sample covariance.

    NaN where both images are one constant, for R is then 0.
    """
    if data_range_k(x, r) == 0.0:
        return float("nan")
    c1, c2 = (0.01 * data_range_k(x, r)) ** 2, (0.03 * data_range_k(x, r)) ** 2
    mean_x, mean_r, variance_x, variance_r, covariance = _moments(x, r)
    similarity = (2 * mean_x * mean_r + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_r**2 + c1) * (variance_x + variance_r + c2)
    return float(_inside(similarity).mean())


def _sobel_magnitude(image: FloatArray) -> FloatArray:
    smooth, slope = np.array([1.0, 2.0, 1.0]), np.array([1.0, 0.0, -1.0])
    along_rows = ndimage.correlate1d(ndimage.correlate1d(image, slope, axis=0), smooth, axis=1)
    along_columns = ndimage.correlate1d(ndimage.correlate1d(image, slope, axis=1), smooth, axis=0)
    magnitude: FloatArray = np.hypot(along_rows, along_columns)[1:-1, 1:-1]
    return magnitude


def gssim(x: FloatArray, r: FloatArray, published: bool = False) -> float:
    """Structural similarity of gradient magnitudes, with the luminance of the images themselves.

    Parameters
    ----------
    x, r : array of shape (rows, columns)
    published : bool
        Take the published code's structure term, whose numerator adds C2 and denominator C2/2.
    """
    c1, c2 = (0.01 * data_range_k(x, r)) ** 2, (0.03 * data_range_k(x, r)) ** 2
    mean_x, mean_r, *_ = _moments(x[1:-1, 1:-1], r[1:-1, 1:-1])
    _, _, variance_x, variance_r, covariance = _moments(_sobel_magnitude(x), _sobel_magnitude(r))
    variance_x, variance_r = np.maximum(variance_x, 0.0), np.maximum(variance_r, 0.0)
    deviations = np.sqrt(variance_x * variance_r)
    luminance = (2 * mean_x * mean_r + c1) / (mean_x**2 + mean_r**2 + c1)
    contrast = (2 * deviations + c2) / (variance_x + variance_r + c2)
    structure = (covariance + (c2 if published else c2 / 2)) / (deviations + c2 / 2)
    return float(_inside(luminance * contrast * structure).mean())


def gradient_magnitude(image: FloatArray) -> FloatArray:
    """Root of the sum of squares of the four filters S, (rows, columns) → (rows − 2, columns − 2), kelvin."""
    squares = sum(signal.correlate2d(image, kernel, mode="valid") ** 2 for kernel in GRADIENT_FILTERS)
    magnitude: FloatArray = np.sqrt(squares)
    return magnitude


def rmse_gradient(x: FloatArray, r: FloatArray) -> float:
    """Root mean square difference of the gradient magnitudes."""
    return rmse(gradient_magnitude(x), gradient_magnitude(r))


def rmse_by_gradient_k(x: FloatArray, r: FloatArray) -> tuple[float, float, float]:
    """RMSE where the reference's fine detail |r − G r| is low, middling and high (quartiles: 25 %, 50 %, 25 %)."""
    detail = np.abs(r - low_pass(r, DEFAULT_MTF))
    low, high = np.percentile(detail, [25, 75])
    classes = (detail < low, (detail >= low) & (detail <= high), detail > high)
    squared = (x - r) ** 2
    rmse_low, rmse_mid, rmse_high = (float(np.sqrt(squared[c].mean())) if c.any() else float("nan") for c in classes)
    return rmse_low, rmse_mid, rmse_high


def consistency_k(fine_k: FloatArray, lst_k: FloatArray, mtf: float = DEFAULT_MTF) -> float:
    """RMSE in kelvin between D(fine) and the 1 km LST it was made from, over the pixels where both are valid."""
    difference = degrade(fine_k, mtf) - lst_k
    valid = np.isfinite(difference)
    return float(np.sqrt(np.mean(difference[valid] ** 2))) if valid.any() else float("nan")
