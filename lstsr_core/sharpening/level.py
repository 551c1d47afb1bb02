"""ASTER's level against MODIS's: how much warmer ASTER sees a scene, from the mean and spread of its LST.

Fitted by ridge over the development scenes, those of one group of neighbours weighed down, for they share
a day's error (`evaluation.calibration`). It holds for tile h18v04 by day, where it was fitted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lstsr_core.geo.raster import FloatArray
from lstsr_core.sharpening.restoration import interpolated, local_mean, read_coefficients


@dataclass(frozen=True)
class Level:
    """The fitted line: kelvin at the mean features, and per standard deviation of each.

    Attributes
    ----------
    at_mean_k, per_mean_k, per_spread_k : float
    mean_k, mean_scale_k, spread_k, spread_scale_k : float
        Mean and standard deviation over scenes of the LST's mean and of its standard deviation.
    """

    at_mean_k: float
    per_mean_k: float
    per_spread_k: float
    mean_k: float
    mean_scale_k: float
    spread_k: float
    spread_scale_k: float

    def __call__(self, mean_k: FloatArray | float, spread_k: FloatArray | float) -> FloatArray:
        """ASTER's LST minus MODIS's in kelvin, for means and spreads of one shape."""
        difference: FloatArray = np.asarray(
            self.at_mean_k
            + self.per_mean_k * (mean_k - self.mean_k) / self.mean_scale_k
            + self.per_spread_k * (spread_k - self.spread_k) / self.spread_scale_k
        )
        return difference


def level_of(path: Path) -> Level:
    """The line of a file of coefficients."""
    content: Mapping[str, float] = read_coefficients(path)["level"]["line"]
    return Level(**content)


def difference_k(lst_k: FloatArray, level: Level) -> FloatArray:
    """ASTER's level minus MODIS's at 250 m, from what the LST is in each pixel's neighbourhood.

    Parameters
    ----------
    lst_k : array of shape (rows, columns)
        NaN where there is none.
    level : Level

    Returns
    -------
    float32 array of shape (4·rows, 4·columns), kelvin
    """
    valid = np.isfinite(lst_k)
    base_k = float(np.rint(np.nanmean(lst_k)))
    away = np.where(valid, lst_k - base_k, 0.0)
    mean, square = local_mean(away, valid), local_mean(away**2, valid)
    spread = np.sqrt(np.maximum(square - mean**2, 0.0))
    return interpolated(level(mean + base_k, spread))
