"""How far one image lies from another: the peak of their correlation, to a fraction of a pixel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lstsr_core.geo.raster import BoolArray, FloatArray

HIGH_PASS_SIGMA = 6.0
"""Pixels: what is smoother is level and slope, which tell nothing of a place."""

TAPER_PIXELS = 24
"""From the border of what both images show to where they count in full."""

FARTHEST_PIXELS = 8

# Not scikit-image's phase_cross_correlation: it looks for the peak in the whole image, where the
# mirror of a field may win, and would be the package's only use of that library.


@dataclass(frozen=True)
class Shift:
    """How far an image's features lie from those of another, in pixels.

    Attributes
    ----------
    rows, columns : float
        Down and to the right.
    correlation, correlation_in_place : float
        Of the features, −1 to 1, at the nearest whole pixels and without a shift.
    """

    rows: float
    columns: float
    correlation: float = float("nan")
    correlation_in_place: float = float("nan")


def shift_of(image: FloatArray, reference: FloatArray) -> Shift:
    """How far features of an image lie below and right of a reference's.

    Both are high-passed within what both show, tapered towards its border, and correlated at whole
    pixels up to `FARTHEST_PIXELS`; a parabola through the peak and its neighbours gives the fraction.

    Parameters
    ----------
    image, reference : array of shape (rows, columns)
        On one grid; NaN where there is nothing.

    Raises
    ------
    ValueError
        If they share no pixel, one has no texture, or the peak lies at the border of the search.
    """
    both = np.isfinite(image) & np.isfinite(reference)
    if not both.any():
        raise ValueError("the two images share no pixel.")
    taper = _taper(both)
    first, second = (taper * _texture(values, both) for values in (image, reference))
    power = np.sqrt(np.square(first).sum() * np.square(second).sum())
    if not power > 0.0:
        raise ValueError("an image has no texture to correlate.")
    shape = [side + FARTHEST_PIXELS for side in both.shape]  # zeros between one end and the other
    spectrum = np.fft.rfft2(first, shape) * np.conj(np.fft.rfft2(second, shape))
    reach = np.arange(-FARTHEST_PIXELS, FARTHEST_PIXELS + 1)
    peaks: NDArray[np.float64] = np.fft.irfft2(spectrum, shape)[np.ix_(reach, reach)] / power
    row, column = (int(place) for place in np.unravel_index(peaks.argmax(), peaks.shape))
    if not (0 < row < len(reach) - 1 and 0 < column < len(reach) - 1):
        raise ValueError(f"no correlation peaks within {FARTHEST_PIXELS} pixels.")
    down = _vertex(peaks[row - 1 : row + 2, column])
    right = _vertex(peaks[row, column - 1 : column + 2])
    here = peaks[FARTHEST_PIXELS, FARTHEST_PIXELS]
    return Shift(
        float(reach[row] + down), float(reach[column] + right), float(peaks[row, column]), float(here)
    )


def smoothed_within(values: FloatArray, mask: BoolArray, sigma: float) -> FloatArray:
    """A Gaussian mean of what lies inside a mask, (rows, columns) → the same shape."""
    total = ndimage.gaussian_filter(np.where(mask, values, 0.0), sigma)
    weight = ndimage.gaussian_filter(mask.astype(np.float64), sigma)
    mean: FloatArray = total / np.maximum(weight, 1e-6)
    return mean


def _texture(values: FloatArray, both: BoolArray) -> FloatArray:
    texture: FloatArray = np.where(both, values - smoothed_within(values, both, HIGH_PASS_SIGMA), 0.0)
    return texture


def _taper(both: BoolArray) -> FloatArray:
    inside = ndimage.distance_transform_edt(np.pad(both, 1))[1:-1, 1:-1]
    weight: FloatArray = np.sin(np.pi / 2 * np.minimum(inside / TAPER_PIXELS, 1.0)) ** 2
    return weight


def _vertex(three: NDArray[np.float64]) -> float:
    before, middle, after = three.tolist()
    return float(0.5 * (after - before) / (2.0 * middle - before - after))
