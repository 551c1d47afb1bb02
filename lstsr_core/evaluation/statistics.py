"""Whether a mean difference is more than chance: bootstrap intervals over scenes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lstsr_core.geo.raster import FloatArray

RESAMPLES = 10_000
SEED = 0
COVERAGE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over scenes and its bootstrap interval, in the unit of the samples."""

    mean: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """1 or −1 where the whole interval lies above or below zero; 0 where it does not."""
        return int(self.low > 0.0) - int(self.high < 0.0)


@lru_cache(maxsize=16)
def _counts(scenes: int, resamples: int, seed: int) -> FloatArray:
    # How often each scene is drawn in each resample, as shares: a resample's mean is then one product of matrices.
    drawn = np.random.default_rng(seed).multinomial(scenes, np.full(scenes, 1.0 / scenes), size=resamples)
    return drawn / scenes


def mean_intervals(samples: FloatArray, resamples: int = RESAMPLES, seed: int = SEED) -> list[Interval]:
    """Mean of each column with its percentile interval over resampled rows.

    Parameters
    ----------
    samples : array of shape (scenes, quantities)
        No NaN. All quantities are resampled alike, so that their intervals belong together.
    resamples, seed : int

    Returns
    -------
    list of Interval
        With `COVERAGE`; one scene has an interval of NaN.

    Raises
    ------
    ValueError
        If there is no scene, or a NaN.
    """
    if samples.ndim != 2 or not len(samples) or not np.isfinite(samples).all():
        raise ValueError(f"samples have shape {samples.shape}; expected (scenes, quantities) without NaN and one scene at least.")
    means = samples.mean(axis=0)
    if len(samples) == 1:
        return [Interval(float(mean), float("nan"), float("nan")) for mean in means]
    tail = 50.0 * (1.0 - COVERAGE)
    low, high = np.percentile(_counts(len(samples), resamples, seed) @ samples, [tail, 100.0 - tail], axis=0)
    return [Interval(*map(float, row)) for row in zip(means, low, high, strict=True)]
