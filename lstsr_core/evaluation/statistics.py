"""Means over scenes, how they spread, and whether a difference is
more than chance: bootstrap intervals over scenes, or over groups of them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd

from lstsr_core.geo.raster import FloatArray
from lstsr_core.patches.splits import IntArray

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
    # How often each scene is drawn in each resample, as shares: a
    # resample's mean is then one product of matrices.
    draws = np.random.default_rng(seed).multinomial(scenes, np.full(scenes, 1.0 / scenes), size=resamples)
    return draws / scenes


def _shares(groups: IntArray, resamples: int, seed: int) -> FloatArray:
    # A group is drawn with all its scenes, so that resamples differ in how many they have.
    _, group_of = np.unique(groups, return_inverse=True)
    drawn = _counts(int(group_of.max()) + 1, resamples, seed)[:, group_of]
    shares: FloatArray = drawn / drawn.sum(axis=1, keepdims=True)
    return shares


def mean_intervals(
    samples: FloatArray, resamples: int = RESAMPLES, seed: int = SEED, groups: IntArray | None = None
) -> list[Interval]:
    """Mean of each column with its percentile interval over resampled rows, or groups of rows.

    Parameters
    ----------
    samples : array of shape (scenes, quantities)
        No NaN. All quantities are resampled alike, so that their intervals belong together.
    resamples, seed : int
    groups : array of shape (scenes,), optional
        Each scene's group, such as those of one day: whole groups are drawn, for scenes that share weather
        and ground are no independent witnesses.

    Returns
    -------
    list of Interval
        With `COVERAGE`; one scene, or one group, has an interval of NaN.

    Raises
    ------
    ValueError
        If there is no scene, a NaN, or another number of groups than of scenes.
    """
    if samples.ndim != 2 or not len(samples) or not np.isfinite(samples).all():
        raise ValueError(
            f"samples have shape {samples.shape}; expected (scenes, quantities) without NaN and one scene at"
            " least."
        )
    if groups is not None and np.shape(groups) != (len(samples),):
        raise ValueError(f"groups have shape {np.shape(groups)}; expected ({len(samples)},), one a scene.")
    means = samples.mean(axis=0)
    if len(samples if groups is None else np.unique(groups)) == 1:
        return [Interval(float(mean), float("nan"), float("nan")) for mean in means]
    tail = 50.0 * (1.0 - COVERAGE)
    shares = _counts(len(samples), resamples, seed) if groups is None else _shares(groups, resamples, seed)
    low, high = np.percentile(shares @ samples, [tail, 100.0 - tail], axis=0)
    return [Interval(*map(float, row)) for row in zip(means, low, high, strict=True)]


def mean_interval(sample: FloatArray | pd.Series[float], groups: IntArray | None = None) -> Interval:
    """`mean_intervals` of one quantity, shape (scenes,)."""
    (interval,) = mean_intervals(np.asarray(sample, dtype=float)[:, None], groups=groups)
    return interval


@dataclass(frozen=True)
class PairedDifference:
    """Two quantities over the scenes that have both.

    Attributes
    ----------
    scenes : int
    mean, other_mean : float
    interval : Interval
        Of the first less the other.
    """

    scenes: int
    mean: float
    other_mean: float
    interval: Interval

    @property
    def cells(self) -> list[float]:
        """What stands under `DIFFERENCE_COLUMNS`."""
        return [self.interval.mean, self.interval.low, self.interval.high, self.interval.sign]


DIFFERENCE_COLUMNS = ["difference", "low", "high", "sign"]
"""`sign`: 1 or −1 where the whole interval lies on one side of
zero, 0 where chance may have made the difference."""


def paired_difference(
    values: pd.Series[float], others: pd.Series[float], groups: Mapping[Any, int] | None = None
) -> PairedDifference | None:
    """Mean of `values` less `others` over the scenes (their
    index) that have both; None without such a scene.

    With each scene's group, its interval is over groups.
    """
    both = pd.DataFrame({"values": values.astype(float), "others": others.astype(float)}).dropna()
    if both.empty:
        return None
    drawn = None if groups is None else np.array([groups[scene] for scene in both.index])
    interval = mean_interval(both["values"] - both["others"], drawn)
    return PairedDifference(len(both), float(both["values"].mean()), float(both["others"].mean()), interval)


def difference_of_states(
    table: pd.DataFrame,
    by: str,
    first: object,
    second: object,
    metrics: Sequence[str],
    keys: Sequence[str] = ("method",),
) -> pd.DataFrame:
    """Means of two states of each method, and the second less the first.

    Parameters
    ----------
    table : DataFrame
        With `keys`, scene, status, the column `by` that tells the states, and `metrics`.
    first, second : object
        Values of `by`.
    metrics, keys : sequence of str

    Returns
    -------
    DataFrame
        Columns: keys, metric, scenes, first, second (means) and `DIFFERENCE_COLUMNS`.
    """
    rows = []
    for key, group in table[table["status"] == "ok"].groupby(list(keys), sort=False):
        for metric in metrics:
            states = group.pivot(index="scene", columns=by, values=metric).reindex(columns=[first, second])
            change = paired_difference(states[second], states[first])
            if change is not None:
                rows.append([*key, metric, change.scenes, change.other_mean, change.mean, *change.cells])
    return pd.DataFrame(rows, columns=[*keys, "metric", "scenes", "first", "second", *DIFFERENCE_COLUMNS])


def differences_between_methods(table: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Mean difference of every two methods in every metric over the scenes that both have, two at least.

    Returns
    -------
    DataFrame
        Columns protocol, metric, method, other, scenes and `DIFFERENCE_COLUMNS` (method less other).
    """
    rows = []
    for protocol, group in table[table["status"] == "ok"].groupby("protocol", sort=False):
        names = list(group["method"].unique())
        for metric in metrics:
            by_method = group.pivot(index="scene", columns="method", values=metric)
            for name, other in itertools.combinations(names, 2):
                difference = paired_difference(by_method[name], by_method[other])
                if difference is not None and difference.scenes > 1:
                    rows.append([protocol, metric, name, other, difference.scenes, *difference.cells])
    return pd.DataFrame(
        rows, columns=["protocol", "metric", "method", "other", "scenes", *DIFFERENCE_COLUMNS]
    )


def summarise(table: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Mean, standard deviation, 10 %, Q1, median, Q3 and 90 % of
    each metric per protocol and method, in long form.

    Returns
    -------
    DataFrame
        Columns protocol, method, metric, scenes (how many count), mean, std, p10, q1, median, q3, p90.
    """
    rows = []
    for (protocol, name), group in table.groupby(["protocol", "method"], sort=False):
        for metric in metrics:
            values = group[metric].dropna().astype(float)
            quantiles = values.quantile([0.10, 0.25, 0.50, 0.75, 0.90]).tolist()
            rows.append([protocol, name, metric, len(values), values.mean(), values.std(), *quantiles])
    columns = ["protocol", "method", "metric", "scenes", "mean", "std", "p10", "q1", "median", "q3", "p90"]
    return pd.DataFrame(rows, columns=columns)
