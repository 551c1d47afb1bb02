"""The validity flag of a map: why a pixel has no LST, or why its LST deserves less trust."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from lstsr_core.geo.grid import SCALE, SPHERE_RADIUS_M, TILE_SIZE_M, Tile
from lstsr_core.geo.raster import BoolArray, FloatArray
from lstsr_core.patches.statistics import Statistics
from lstsr_core.sharpening.methods import repeated

FlagArray = NDArray[np.uint8]

VALID, CLOUD, NDVI_INVALID, WATER, OUTSIDE_TRAINING, OUTSIDE_SHAPE, UNSEEN = range(7)
FLAGS = {
    VALID: "valid",
    CLOUD: "cloud or fill in the LST",
    NDVI_INVALID: "NDVI invalid",
    WATER: "water, masked",
    OUTSIDE_TRAINING: "valid, but LST or NDVI outside the range that the weights were trained on",
    OUTSIDE_SHAPE: "outside the shape",
    UNSEEN: "valid, but of a satellite, half of the day or region that the weights have not seen",
}
"""What the numbers of the validity band mean; all but `HAVE_LST` have no LST."""

HAVE_LST = (VALID, OUTSIDE_TRAINING, UNSEEN)


TRAINING_TILE = Tile(18, 4)
TRAINED_ON = f"Terra by day, in tile {TRAINING_TILE}"
"""Whose LST the package's own weights and the published ones were trained on."""

REGION_KM = round(TILE_SIZE_M / 1000.0)
"""Farther than this, the width of a tile, from the tile of training lies another region."""

UNTRAINED_METHOD = "aatprk"
"""Of the methods that need no training and give texture, the one with the lowest error against ASTER."""

_ADVICE = f"the method {UNTRAINED_METHOD} needs no training"


def unseen_warnings(platform: str, layer: str, away_km: float = 0.0) -> tuple[str, ...]:
    """A line for each way in which LST is of what `TRAINED_ON` is not.

    Parameters
    ----------
    platform : str
        Such as ``Terra``.
    layer : {"day", "night"}
    away_km : float
        As `away_from_training_km` gives it.

    Returns
    -------
    tuple of str
        Empty where the weights have seen the like.
    """
    lines = []
    if (platform, layer) != ("Terra", "day"):
        lines.append(
            f"LST is of {platform} by {layer}; the weights were trained on that of {TRAINED_ON}, and have"
            f" seen no other: flagged {UNSEEN}; {_ADVICE}"
        )
    if away_km > REGION_KM:
        lines.append(
            f"the place lies {away_km:.0f} km from tile {TRAINING_TILE}, the only one that the weights were"
            f" trained on: flagged {UNSEEN}; {_ADVICE}"
        )
    return tuple(lines)


def away_from_training_km(longitude: float, latitude: float) -> float:
    """How far a point lies from the nearest ground of the tile of training; 0 inside it."""
    here = math.radians(latitude)
    x_m = SPHERE_RADIUS_M * math.radians(longitude) * math.cos(here)
    if Tile.at(x_m, SPHERE_RADIUS_M * here) == TRAINING_TILE:
        return 0.0
    along_m = np.linspace(0.0, TILE_SIZE_M, 201)
    left_m, top_m, far_m = TRAINING_TILE.left_m, TRAINING_TILE.top_m, np.full_like(along_m, TILE_SIZE_M)
    x_m_of_edge = left_m + np.concatenate([along_m, along_m, 0.0 * far_m, far_m])
    there = (top_m - np.concatenate([0.0 * far_m, far_m, along_m, along_m])) / SPHERE_RADIUS_M
    across = x_m_of_edge / (SPHERE_RADIUS_M * np.cos(there)) - math.radians(longitude)
    haversine = np.sin((there - here) / 2.0) ** 2 + np.cos(here) * np.cos(there) * np.sin(across / 2.0) ** 2
    return float(2.0 * SPHERE_RADIUS_M / 1000.0 * np.arcsin(np.sqrt(haversine)).min())


def has_lst(validity: FlagArray) -> BoolArray:
    """Where a map has a temperature."""
    return np.isin(validity, HAVE_LST)


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
                f" {OUTSIDE_TRAINING}; {_ADVICE}"
            )
    return tuple(lines)
