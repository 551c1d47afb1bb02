"""Which patches train and which validate: in groups, so that
neighbours do not leak; nothing here depends on threads."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from lstsr_core.base.errors import InputError
from lstsr_core.geo.raster import BoolArray, Raster

# Not scikit-learn's GroupKFold and GroupShuffleSplit: for the published pairs they give other
# folds, by which the kept tables and the weights' own figures would be void; `hashed_split`, which
# new patches leave as it is, they do not have.
IntArray = NDArray[np.int64]

BLOCK_WINDOWS = 3
"""Side, in windows of 64×64 coarse pixels, of the blocks whose patches of one month stay together."""


def overlapping_groups(rasters: Sequence[Raster]) -> IntArray:
    """Number the groups of rasters whose footprints overlap or touch, directly or through others.

    Parameters
    ----------
    rasters : sequence of Raster
        On one CRS.

    Returns
    -------
    array of shape (rasters,)
        0, 1, … in the order in which the groups first occur.
    """
    if not rasters:
        return np.empty(0, dtype=np.int64)
    left, right, bottom, top = np.array([[r.left_m, r.right_m, r.bottom_m, r.top_m] for r in rasters]).T
    touch_m = -1.0  # grids are whole pixels apart, but for rounding
    overlap_x = np.minimum.outer(right, right) - np.maximum.outer(left, left) > touch_m
    overlap_y = np.minimum.outer(top, top) - np.maximum.outer(bottom, bottom) > touch_m
    return _numbered(connected_components(overlap_x & overlap_y, directed=False)[1].tolist())


def place_and_month_keys(table: pd.DataFrame) -> list[str]:
    """Name the group of each granule patch: those of one month within a block of 3×3 windows of one tile.

    Parameters
    ----------
    table : DataFrame
        With columns date (YYYY-MM-DD), tile, window_row and window_column.
    """
    return [
        f"{tile} {str(date)[:7]} {int(row) // BLOCK_WINDOWS} {int(column) // BLOCK_WINDOWS}"
        for date, tile, row, column in table[["date", "tile", "window_row", "window_column"]].itertuples(
            index=False
        )
    ]


def place_and_month_groups(table: pd.DataFrame) -> IntArray:
    """Number the groups that `place_and_month_keys` names."""
    return _numbered(place_and_month_keys(table))


def _numbered(keys: Iterable[Hashable]) -> IntArray:
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(key, len(numbers)) for key in keys], dtype=np.int64)


def random_split(count: int, training_share: float, seed: int) -> BoolArray:
    """Draw the training patches one by one, as published: neighbours may stand on both sides.

    Returns
    -------
    array of shape (count,)
        True where a patch trains; both sides have one patch at least.

    Raises
    ------
    InputError
        If there are fewer than two patches.
    """
    if count < 2:
        raise InputError(f"{count} patches cannot be split; at least 2 are needed.")
    training_count = max(1, min(count - 1, round(training_share * count)))
    trains = np.zeros(count, dtype=bool)
    trains[np.random.default_rng(seed).permutation(count)[:training_count]] = True
    return trains


def hashed_split(keys: Sequence[str], training_share: float, seed: int) -> BoolArray:
    """Let each group's name and the seed decide, so that patches which come later move none that are there.

    Parameters
    ----------
    keys : sequence of str
        Each patch's group.

    Returns
    -------
    array of shape (patches,)
        True where a patch trains. The share is met on average over many groups; if all groups fall on one
        side, the nearest to the other goes there, so that both have one.

    Raises
    ------
    InputError
        If there are fewer than two groups.
    """
    if len(set(keys)) < 2:
        raise InputError(
            f"{len(keys)} patches lie in {len(set(keys))} group of neighbours, and cannot be split; bring"
            " more."
        )
    digests = [hashlib.sha256(f"{seed} {key}".encode()).digest() for key in keys]
    draws = np.array([int.from_bytes(digest[:8]) / 2.0**64 for digest in digests])
    trains: BoolArray = ((draws < training_share) | (draws == draws.min())) & (draws != draws.max())
    return trains


def group_split(groups: IntArray, training_share: float, seed: int) -> BoolArray:
    """Draw whole groups for validation, as long as that brings its share nearer to what was asked.

    Parameters
    ----------
    groups : array of shape (patches,)
        Each patch's group.

    Returns
    -------
    array of shape (patches,)
        True where a patch trains; both sides have one group at least.

    Raises
    ------
    InputError
        If there are fewer than two groups.
    """
    numbers, sizes = np.unique(groups, return_counts=True)
    if len(numbers) < 2:
        raise InputError(
            f"{len(groups)} patches lie in {len(numbers)} group of neighbours, and cannot be split; bring"
            " more."
        )
    validation_count = (1.0 - training_share) * len(groups)
    validates: list[int] = []
    taken = 0
    for index in np.random.default_rng(seed).permutation(len(numbers))[: len(numbers) - 1]:
        if not validates or abs(taken + sizes[index] - validation_count) < abs(taken - validation_count):
            validates.append(int(numbers[index]))
            taken += int(sizes[index])
    return ~np.isin(groups, validates)


def group_folds(groups: IntArray, folds: int, seed: int) -> IntArray:
    """Deal whole groups to folds of about one size: in random
    order, the largest first, each to the smallest fold.

    Returns
    -------
    array of shape (patches,)
        Each patch's fold, 0 … folds − 1.

    Raises
    ------
    InputError
        If there are fewer groups than folds, or fewer than two folds.
    """
    numbers, sizes = np.unique(groups, return_counts=True)
    if not 2 <= folds <= len(numbers):
        raise InputError(
            f"{folds} folds are asked for; expected 2 to {len(numbers)}, the number of groups of neighbours."
        )
    order = np.random.default_rng(seed).permutation(len(numbers))
    filled = np.zeros(folds, dtype=np.int64)
    fold_of = np.empty(len(numbers), dtype=np.int64)
    for index in order[np.argsort(-sizes[order], kind="stable")]:
        fold_of[index] = int(filled.argmin())
        filled[fold_of[index]] += sizes[index]
    return fold_of[np.searchsorted(numbers, groups)]
