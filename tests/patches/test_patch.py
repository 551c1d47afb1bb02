"""Patches: LST and NDVI over the same ground, on the tile's windows, split by the method's rule."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from affine import Affine

from lstsr_core.base.errors import InputError
from lstsr_core.evaluation.table import write_table
from lstsr_core.geo.grid import COARSE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.geo.raster import Raster
from lstsr_core.pairs.pair import Pair, write_pair
from lstsr_core.patches.patch import (
    TABLE_COLUMNS,
    Patch,
    pair_patches,
    read_patches,
    read_table,
    windows,
    write_patches,
)

TILE = Tile(18, 4)


def small_patches(count: int, coarse: int = 8, seed: int = 3) -> list[Patch]:
    random = np.random.default_rng(seed)
    transform = TILE.transform(COARSE_PIXEL_M)
    fine_transform = transform @ Affine.scale(0.25)
    return [
        Patch(
            f"p{index:02d}",
            Raster(random.uniform(280.0, 320.0, (coarse, coarse)), transform, SINUSOIDAL),
            Raster(random.uniform(-0.2, 0.9, (4 * coarse, 4 * coarse)), fine_transform, SINUSOIDAL),
            "2018-04-15", "h18v04", 0, index, 0.0,
        )
        for index in range(count)
    ]  # fmt: skip


@pytest.mark.parametrize(("first_row", "first_column"), [(60, 62), (0, 0), (64, 128), (1, 65)])
def test_windows_are_the_tiles_own_where_the_granule_starts_elsewhere(
    first_row: int, first_column: int
) -> None:
    numbered = np.arange(200.0 * 260.0).reshape(200, 260)
    lst = Raster(numbered, TILE.transform(COARSE_PIXEL_M), SINUSOIDAL).crop(
        slice(first_row, None), slice(first_column, None)
    )
    places = {(row, column): window for row, column, window in windows(lst, TILE)}
    rows = [row for row in range(3) if 64 * row >= first_row]
    columns = [column for column in range(4) if 64 * column >= first_column]
    assert list(places) == [(row, column) for row in rows for column in columns]
    for (row, column), window in places.items():
        np.testing.assert_array_equal(
            window.values, numbered[64 * row : 64 * row + 64, 64 * column : 64 * column + 64]
        )
        assert window.left_m == pytest.approx(TILE.left_m + 64 * column * COARSE_PIXEL_M, abs=0.01)
        assert window.top_m == pytest.approx(TILE.top_m - 64 * row * COARSE_PIXEL_M, abs=0.01)


def test_a_tile_has_18_by_18_windows_and_drops_the_rest() -> None:
    lst = Raster(np.zeros((1200, 1200)), TILE.transform(COARSE_PIXEL_M), SINUSOIDAL)
    places = [(row, column) for row, column, _ in windows(lst, TILE)]
    assert (len(places), places[0], places[-1]) == (324, (0, 0), (17, 17))


def test_pairs_patches_are_aligned_and_blind_to_aster(synthetic_pair: Pair, tmp_path: Path) -> None:
    changed = synthetic_pair.aster.with_values(np.flipud(synthetic_pair.aster.values) - 20.0)
    cuts = []
    for name, pair in (("a", synthetic_pair), ("b", replace(synthetic_pair, aster=changed))):
        write_pair(pair, tmp_path / name)
        cuts.append(list(pair_patches(tmp_path / name, 0.0)))
    (first,), (second,) = cuts
    np.testing.assert_array_equal(first.lst.values, second.lst.values)
    np.testing.assert_array_equal(first.ndvi.values, second.ndvi.values)
    assert (first.lst.transform, first.ndvi.transform) == (second.lst.transform, second.ndvi.transform)
    # NDVI starts 2 fine rows down and 1 fine column right: the method drops a row and a column of the LST.
    np.testing.assert_array_equal(first.lst.values, synthetic_pair.lst.values[1:, 1:].astype(np.float32))
    assert (first.ndvi.left_m, first.ndvi.top_m) == pytest.approx(
        (first.lst.left_m, first.lst.top_m), abs=0.01
    )
    assert (first.date, first.window_row) == ("", None)


def test_pairs_with_holes_are_left_out(synthetic_pair: Pair, tmp_path: Path) -> None:
    lst_k, ndvi = synthetic_pair.lst.values.copy(), synthetic_pair.ndvi.values.copy()
    lst_k[20, 20:23], ndvi[80, 80] = np.nan, np.nan
    write_pair(synthetic_pair, tmp_path)
    write_pair(replace(synthetic_pair, id="cloudy", lst=synthetic_pair.lst.with_values(lst_k)), tmp_path)
    write_pair(replace(synthetic_pair, id="dark", ndvi=synthetic_pair.ndvi.with_values(ndvi)), tmp_path)
    assert [patch.name for patch in pair_patches(tmp_path, 0.0)] == ["pair_synthetic"]
    allowed = {patch.name: patch.bad_share for patch in pair_patches(tmp_path, 3 / 39**2)}
    assert allowed == {"pair_cloudy": pytest.approx(3 / 39**2), "pair_synthetic": 0.0}


def test_table_says_what_was_written_and_survives_its_file(tmp_path: Path) -> None:
    table = write_patches(small_patches(2), tmp_path, 0.5, 42)
    assert list(table.columns) == TABLE_COLUMNS
    assert all((tmp_path / path).is_file() for column in ("lst_path", "ndvi_path") for path in table[column])
    assert table["tile"].tolist() == ["h18v04"] * 2 and table["date"].tolist() == ["2018-04-15"] * 2
    write_table(table, tmp_path / "patches.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path), table, check_dtype=False)


def test_a_table_that_was_not_written_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"patches\.csv: no such file; run 02_patches first"):
        read_table(tmp_path)


@pytest.mark.parametrize(
    ("count", "share", "training"), [(10, 0.6, 6), (5, 0.6, 3), (3, 0.6, 2), (2, 0.99, 1), (4, 0.01, 1)]
)
def test_split_has_the_share_and_never_an_empty_side(
    tmp_path: Path, count: int, share: float, training: int
) -> None:
    table = write_patches(small_patches(count, 2), tmp_path, share, 42)
    assert table["split"].value_counts().to_dict() == {"train": training, "validation": count - training}


def test_split_follows_the_seed(tmp_path: Path) -> None:
    splits = [
        tuple(write_patches(small_patches(10, 2), tmp_path, 0.6, seed)["split"])
        for seed in (1, 1, 2, 3, 4, 5)
    ]
    assert splits[0] == splits[1]
    assert len(set(splits)) > 3  # of 210 possible splits


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_patches_are_refused(tmp_path: Path, count: int) -> None:
    with pytest.raises(InputError, match=rf"^{count} patches were cut, at least 2 are needed"):
        write_patches(small_patches(count), tmp_path, 0.6, 42)


def test_statistics_are_those_of_the_training_split(tmp_path: Path) -> None:
    patches = small_patches(10)
    patches[5].lst.values[2, 3] = np.nan
    table = write_patches(patches, tmp_path, 0.6, 42)
    statistics = read_patches(table[table["split"] == "train"], tmp_path).statistics()
    training = [patch for patch, split in zip(patches, table["split"], strict=True) if split == "train"]
    assert "p05" in [patch.name for patch in training]  # the one with a hole
    lst_k = np.concatenate([patch.lst.values.ravel() for patch in training])
    ndvi = np.concatenate([patch.ndvi.values.ravel() for patch in training])
    assert (statistics.lst_mean_k, statistics.lst_std_k) == pytest.approx(
        (np.nanmean(lst_k), np.nanstd(lst_k)), rel=1e-6
    )
    assert (statistics.ndvi_mean, statistics.ndvi_std) == pytest.approx(
        (np.mean(ndvi), np.std(ndvi)), rel=1e-6
    )
    assert (statistics.lst_min_k, statistics.lst_max_k) == pytest.approx(
        (np.nanmin(lst_k), np.nanmax(lst_k)), rel=1e-7
    )
    assert (statistics.ndvi_min, statistics.ndvi_max) == pytest.approx((ndvi.min(), ndvi.max()), rel=1e-6)


def test_patches_of_several_sizes_are_cut_to_the_smallest(tmp_path: Path) -> None:
    large, small = small_patches(2, 8), small_patches(1, 5, seed=9)
    table = write_patches([*large, replace(small[0], name="small")], tmp_path, 0.6, 42)
    read = read_patches(table, tmp_path)
    assert (len(read), read.names) == (3, ["p00", "p01", "small"])
    np.testing.assert_array_equal(read.lst_k[1], large[1].lst.values[:5, :5].astype(np.float32))
    np.testing.assert_array_equal(read.ndvi[1], large[1].ndvi.values[:20, :20].astype(np.float32))
    np.testing.assert_array_equal(read.ndvi[2], small[0].ndvi.values.astype(np.float32))


@pytest.mark.parametrize("column", ["lst_path", "ndvi_path"])
@pytest.mark.parametrize("damage", ["truncated", "missing"])
def test_a_damaged_file_is_named(tmp_path: Path, column: str, damage: str) -> None:
    table = write_patches(small_patches(3), tmp_path, 0.6, 42)
    path = tmp_path / str(table[column].iloc[1])
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.unlink()
    with pytest.raises(InputError, match=path.name):
        read_patches(table, tmp_path)


def test_celsius_is_no_lst(tmp_path: Path) -> None:
    patches = small_patches(2)
    celsius = replace(patches[1], lst=patches[1].lst.with_values(patches[1].lst.values - 273.15))
    table = write_patches([patches[0], celsius], tmp_path, 0.6, 42)
    with pytest.raises(InputError, match=r"p01_lst_1km\.tif: LST spans .* expected kelvin"):
        read_patches(table, tmp_path)


def test_a_table_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the table names no patch"):
        read_patches(pd.DataFrame(columns=TABLE_COLUMNS), tmp_path)
