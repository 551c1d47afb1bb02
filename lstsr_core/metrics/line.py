"""Straight lines through pixels by least squares, and how closely the pixels follow them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstsr_core.geo.raster import FloatArray


@dataclass(frozen=True)
class Line:
    """y = intercept + slope · x.

    Attributes
    ----------
    pixels : int
        That it was fitted to.
    slope : float
        In y's unit per x's; NaN where x is constant.
    intercept : float
        In y's unit; NaN where x is constant.
    r_squared : float
        Share of y's variance that follows x; NaN where x or y is constant.
    """

    pixels: int
    slope: float
    intercept: float
    r_squared: float

    def __call__(self, x: FloatArray) -> FloatArray:
        """y, of x's shape."""
        y: FloatArray = self.intercept + self.slope * x
        return y


def fit_line(x: FloatArray, y: FloatArray) -> Line:
    """Ordinary least squares over the pixels that both images have.

    >>> fit_line(np.array([0.0, 0.5, 1.0, 0.7]), np.array([310.0, 300.0, 290.0, np.nan]))
    Line(pixels=3, slope=-20.0, intercept=310.0, r_squared=1.0)

    Parameters
    ----------
    x, y : array of one shape
        NaN is no value.
    """
    both = np.isfinite(x) & np.isfinite(y)
    pixels = int(both.sum())
    if not pixels or np.ptp(x[both]) == 0.0:
        return Line(pixels, np.nan, np.nan, np.nan)
    mean_x, mean_y = x[both].mean(dtype=np.float64), y[both].mean(dtype=np.float64)
    from_x, from_y = x[both] - mean_x, y[both] - mean_y
    slope = (from_x @ from_y) / (from_x @ from_x)
    variance = from_y @ from_y
    r_squared = float(slope * (from_x @ from_y) / variance) if variance > 0.0 else np.nan
    return Line(pixels, float(slope), float(mean_y - slope * mean_x), r_squared)
