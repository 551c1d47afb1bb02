"""The validity flag of a map: why a pixel has no LST, or why its LST deserves less trust."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lstsr_core.geo.grid import SCALE
from lstsr_core.geo.raster import BoolArray, FloatArray
from lstsr_core.patches.statistics import Statistics
from lstsr_core.sharpening.methods import repeated

FlagArray = NDArray[np.uint8]

VALID, CLOUD, NDVI_INVALID, WATER, OUTSIDE_TRAINING, OUTSIDE_SHAPE = range(6)
FLAGS = {
    VALID: "valid",
    CLOUD: "cloud or fill in the LST",
    NDVI_INVALID: "NDVI invalid",
    WATER: "water, masked",
    OUTSIDE_TRAINING: "valid, but LST or NDVI outside the range that the weights were trained on",
    OUTSIDE_SHAPE: "outside the shape",
}
"""What the numbers of the validity band mean; all but `VALID` and `OUTSIDE_TRAINING` have no LST."""


TRAINED_ON = "Terra by day, in tile h18v04"
"""Whose LST the package's own weights and the published ones were trained on."""


def unseen_warnings(platform: str, layer: str) -> tuple[str, ...]:
    """A line where LST is of another platform or half of the day than `TRAINED_ON`."""
    if (platform, layer) == ("Terra", "day"):
        return ()
    return (
        (
            f"LST is of {platform} by {layer}; the weights were trained on that of {TRAINED_ON}, and have"
            " seen no other"
        ),
    )


def has_lst(validity: FlagArray) -> BoolArray:
    """Where a map has a temperature."""
    return np.asarray((validity == VALID) | (validity == OUTSIDE_TRAINING))


def shares_of(validity: FlagArray) -> dict[str, float]:
    """The share of the pixels with each flag, by its meaning."""
    counts = np.bincount(validity.ravel(), minlength=len(FLAGS))
    return {FLAGS[number]: float(count / validity.size) for number, count in enumerate(counts)}


def outside_training(lst_k: FloatArray, ndvi: FloatArray, statistics: Statistics) -> BoolArray:
    """Where LST or NDVI is below or above all that a network was
    trained on; nowhere if its statistics do not tell.

    Parameters
    ----------
    lst_k : array of shape (rows, columns)
    ndvi : array of shape (4·rows, 4·columns)
    statistics : Statistics

    Returns
    -------
    bool array of shape (4·rows, 4·columns)
    """
    lst = _outside(lst_k, statistics.lst_min_k, statistics.lst_max_k)
    return repeated(lst) | _outside(ndvi, statistics.ndvi_min, statistics.ndvi_max)


def _outside(values: FloatArray, low: float | None, high: float | None) -> BoolArray:
    return np.asarray(
        (values < (-np.inf if low is None else low)) | (values > (np.inf if high is None else high))
    )


def range_warnings(
    lst_k: FloatArray, ndvi: FloatArray, validity: FlagArray, statistics: Statistics, source: str
) -> tuple[str, ...]:
    """A line for each of LST and NDVI that leaves the range a network was
    trained on, with the share of the map's pixels.

    Parameters
    ----------
    lst_k : array of shape (rows, columns)
    ndvi, validity : array of shape (4·rows, 4·columns)
    statistics : Statistics
    source : str
        The name of the weights' file.
    """
    lines = []
    valid, s = has_lst(validity), statistics
    per_block = valid.reshape(lst_k.shape[0], SCALE, lst_k.shape[1], SCALE).sum(axis=(1, 3))
    quantities = [
        ("LST", lst_k, per_block, s.lst_min_k, s.lst_max_k, " K"),
        ("NDVI", ndvi, valid, s.ndvi_min, s.ndvi_max, ""),
    ]
    for name, values, pixels, low, high, unit in quantities:
        if low is None or high is None:
            lines.append(
                f"{source} does not tell the range of {name} that it was trained on: that is not checked"
            )
            continue
        share = float(np.sum(pixels, where=_outside(values, low, high)) / np.sum(pixels))
        if share > 0.0:
            lowest, highest = (
                values.min(where=pixels > 0, initial=np.inf),
                values.max(where=pixels > 0, initial=-np.inf),
            )
            lines.append(
                f"{name} of {share:.2%} of the valid pixels is outside the {low:.2f} to {high:.2f}{unit} that"
                f" {source} was trained on (here {lowest:.2f} to {highest:.2f}{unit}); they are flagged"
                f" {OUTSIDE_TRAINING}"
            )
    return tuple(lines)
