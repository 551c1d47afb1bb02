"""Splits: seeded, balanced, and never through a group of neighbours."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import COARSE_PIXEL_M, SINUSOIDAL
from lstsr_core.geo.raster import Raster
from lstsr_core.patches.splits import (
    group_folds,
    group_split,
    hashed_split,
    overlapping_groups,
    place_and_month_groups,
    place_and_month_keys,
    random_split,
)

GROUPS = st.lists(st.integers(0, 12), min_size=2, max_size=60).map(np.array)
SEEDS = st.integers(0, 1000)


def square(left: float, top: float, side: int = 4) -> Raster:
    """A raster of `side` coarse pixels a side, its corner given in coarse pixels."""
    transform = Affine(
        COARSE_PIXEL_M, 0.0, left * COARSE_PIXEL_M, 0.0, -COARSE_PIXEL_M, -top * COARSE_PIXEL_M
    )
    return Raster(np.zeros((side, side)), transform, SINUSOIDAL)


def test_footprints_that_overlap_or_touch_are_neighbours() -> None:
    first = square(0, 0)
    for left, top, joined in (
        (4, 0, True),
        (0, -4, True),
        (3, 2, True),
        (4.25, 0, False),
        (0, -4.25, False),
        (3, 5, False),
    ):
        assert (overlapping_groups([first, square(left, top)]).tolist() == [0, 0]) == joined, (left, top)


def test_groups_join_through_others() -> None:
    chain = [square(9, 0), square(0, 0), square(30, 30), square(4, 0), square(5, 0)]
    assert overlapping_groups(chain).tolist() == [0, 0, 1, 0, 0]


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=25))
def test_groups_are_the_connected_components(corners: list[tuple[int, int]]) -> None:
    components: list[set[int]] = []
    for i, (left, top) in enumerate(corners):
        near = {j for j, (x, y) in enumerate(corners) if abs(left - x) <= 4 and abs(top - y) <= 4} | {i}
        met = [component for component in components if component & near]
        components = [component for component in components if not component & near] + [near.union(*met)]
    groups = overlapping_groups([square(*corner) for corner in corners])
    members = [set(np.flatnonzero(groups == group).tolist()) for group in np.unique(groups)]
    assert sorted(map(sorted, members)) == sorted(map(sorted, components))


def test_granule_patches_group_by_tile_month_and_block() -> None:
    rows = [
        ("2018-07-01", "h18v04", 0, 0), ("2018-07-31", "h18v04", 2, 2), ("2018-08-01", "h18v04", 2, 2),
        ("2018-07-01", "h18v04", 3, 2), ("2018-07-01", "h18v03", 0, 0), ("2019-07-01", "h18v04", 0, 0),
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["date", "tile", "window_row", "window_column"])
    assert place_and_month_groups(table).tolist() == [0, 0, 1, 2, 3, 4]


@given(st.integers(2, 200), st.floats(0.01, 0.99), SEEDS)
def test_random_split_has_the_share_and_two_sides(count: int, share: float, seed: int) -> None:
    trains = random_split(count, share, seed)
    assert 0 < trains.sum() < count
    assert abs(trains.sum() - share * count) <= 1.0
    np.testing.assert_array_equal(trains, random_split(count, share, seed))


def test_random_split_of_another_seed_is_another() -> None:
    assert not np.array_equal(random_split(50, 0.6, 1), random_split(50, 0.6, 2))


@given(GROUPS, st.floats(0.05, 0.95), SEEDS)
def test_group_split_parts_no_group(groups: np.ndarray, share: float, seed: int) -> None:
    if len(np.unique(groups)) < 2:
        with pytest.raises(
            InputError, match=r"lie in 1 group of neighbours, and cannot be split; bring more\.$"
        ):
            group_split(groups, share, seed)
        return
    trains = group_split(groups, share, seed)
    assert not set(groups[trains]) & set(groups[~trains])
    assert trains.any() and not trains.all()
    np.testing.assert_array_equal(trains, group_split(groups, share, seed))


@given(st.integers(10, 200), st.floats(0.2, 0.8), SEEDS)
def test_group_split_of_single_patches_has_the_share(count: int, share: float, seed: int) -> None:
    assert abs(group_split(np.arange(count), share, seed).sum() - share * count) <= 1.0


@given(GROUPS, st.integers(2, 6), SEEDS)
def test_folds_part_no_group_and_are_balanced(groups: np.ndarray, folds: int, seed: int) -> None:
    numbers, sizes = np.unique(groups, return_counts=True)
    if folds > len(numbers):
        with pytest.raises(InputError, match=rf"^{folds} folds are asked for; expected 2 to {len(numbers)}"):
            group_folds(groups, folds, seed)
        return
    fold_of = group_folds(groups, folds, seed)
    assert all(len(set(fold_of[groups == number])) == 1 for number in numbers)
    filled = np.bincount(fold_of, minlength=folds)
    assert filled.min() > 0
    assert filled.max() - filled.min() <= sizes.max()
    np.testing.assert_array_equal(fold_of, group_folds(groups, folds, seed))


def test_folds_follow_the_seed() -> None:
    groups = np.arange(20)
    assert not np.array_equal(group_folds(groups, 5, 1), group_folds(groups, 5, 2))


@pytest.mark.parametrize("folds", [-1, 0, 1])
def test_fewer_than_two_folds_are_refused(folds: int) -> None:
    with pytest.raises(InputError, match=f"^{folds} folds are asked for; expected 2 to 4"):
        group_folds(np.arange(4), folds, 0)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_patches_to_split_are_told(count: int) -> None:
    with pytest.raises(InputError, match=rf"^{count} patches cannot be split; at least 2"):
        random_split(count, 0.6, 0)


def test_the_number_of_threads_changes_no_split() -> None:
    code = (
        "import sys, torch, numpy as np; torch.set_num_threads(int(sys.argv[1]))\n"
        "from lstsr_core.patches.splits import *\n"
        "groups = np.arange(60) // 3\n"
        "print(random_split(60, 0.6, 1), group_split(groups, 0.6, 1), group_folds(groups, 5, 1))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code, threads], capture_output=True, check=True, text=True
        ).stdout
        for threads in "12"
    }
    assert len(outputs) == 1 and "True" in outputs.pop()


names = st.lists(st.text("abcdefgh", min_size=1, max_size=3), min_size=2, max_size=60).filter(
    lambda keys: len(set(keys)) > 1
)


@given(names, st.floats(0.01, 0.99), st.integers(0, 99))
def test_hashed_split_parts_no_group_and_leaves_no_side_empty(
    keys: list[str], share: float, seed: int
) -> None:
    trains = hashed_split(keys, share, seed)
    assert trains.any() and not trains.all()
    for key in set(keys):
        assert len({bool(side) for name, side in zip(keys, trains, strict=True) if name == key}) == 1


@given(names, names, st.integers(0, 99))
def test_hashed_split_moves_nothing_when_groups_are_added(
    keys: list[str], added: list[str], seed: int
) -> None:
    both = ["here", "there", *keys]
    before = hashed_split(both, 0.6, seed)
    after = hashed_split([*added, *both], 0.6, seed)[len(added) :]
    sides = {key: (bool(a), bool(b)) for key, a, b in zip(both, before, after, strict=True)}
    moved = [key for key, (a, b) in sides.items() if a != b]
    # Nothing but a group that stood in on its side for want of another.
    assert all(sides[other][0] != sides[key][0] for key in moved for other in sides if other != key)


def test_hashed_split_has_the_share_and_follows_the_seed() -> None:
    keys = [
        f"h18v04 2018-{month:02d} {row} {column}"
        for month in range(1, 13)
        for row in range(6)
        for column in range(6)
    ]
    splits = [hashed_split(keys, 0.6, seed) for seed in range(5)]
    # 432 groups: the standard deviation of the share is 0.024.
    assert all(abs(split.mean() - 0.6) < 0.1 for split in splits)
    assert len({split.tobytes() for split in splits}) == 5
    np.testing.assert_array_equal(hashed_split(keys[::-1], 0.6, 0), splits[0][::-1])


def test_one_group_cannot_be_hashed_apart() -> None:
    with pytest.raises(InputError, match="3 patches lie in 1 group of neighbours"):
        hashed_split(["a", "a", "a"], 0.6, 0)


def test_keys_name_tile_month_and_block() -> None:
    table = pd.DataFrame(
        {
            "date": ["2018-04-15", "2018-04-30"],
            "tile": ["h18v04"] * 2,
            "window_row": [3, 2],
            "window_column": [8, 0],
        }
    )
    assert place_and_month_keys(table) == ["h18v04 2018-04 1 2", "h18v04 2018-04 0 0"]
