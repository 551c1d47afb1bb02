"""Patches: LST and NDVI over the same ground, on the tile's own windows, split and summed up as the method says."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
from affine import Affine

from lstsr_core.errors import InputError
from lstsr_core.evaluation import write_table
from lstsr_core.granule_writer import write_lst_granule, write_reflectance_granule
from lstsr_core.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.pairs import Pair, write_pair
from lstsr_core.patches import (
    TABLE_COLUMNS,
    Patch,
    granule_patches,
    pair_patches,
    read_patches,
    read_table,
    write_patches,
)
from lstsr_core.raster import Raster

TILE = Tile(18, 4)
# Tile pixels that the granule covers. Whole windows of 64 inside: row 1 (64 … 127), columns 1 and 2 (64 … 191).
ROWS, COLUMNS = slice(60, 130), slice(62, 200)
WINDOWS = [(1, 1), (1, 2)]
LANDMARK_ROW, LANDMARK_COLUMN = 90, 150  # in window (1, 2)
SPHERE = pyproj.CRS.from_proj4("+proj=longlat +R=6371007.181 +no_defs")
TO_DEGREES = pyproj.Transformer.from_crs("+proj=sinu +R=6371007.181", SPHERE, always_xy=True)


def tile_lst() -> np.ndarray:
    """The tile's corner, 210×210 coarse pixels, one of them hot."""
    lst_k = 290.0 + 0.02 * np.add.outer(np.arange(210), 2 * np.arange(210))
    lst_k[LANDMARK_ROW, LANDMARK_COLUMN] = 340.0
    return lst_k


def tile_reflectances() -> tuple[np.ndarray, np.ndarray]:
    """Red and NIR of the same corner: NDVI 0.5, and 0.8 in the 16 fine pixels of the hot coarse one."""
    red, nir = np.full((840, 840), 0.1), np.full((840, 840), 0.3)
    landmark = np.s_[4 * LANDMARK_ROW : 4 * LANDMARK_ROW + 4, 4 * LANDMARK_COLUMN : 4 * LANDMARK_COLUMN + 4]
    red[landmark], nir[landmark] = 0.05, 0.45
    return red, nir


def cut(values: np.ndarray, pixel_m: float, rows: slice, columns: slice) -> Raster:
    return Raster(values, TILE.transform(pixel_m), SINUSOIDAL).crop(rows, columns)


def fine(part: slice) -> slice:
    return slice(4 * part.start, 4 * part.stop)


def write_day(
    directory: Path,
    lst_k: np.ndarray,
    red: np.ndarray,
    nir: np.ndarray,
    day: str = "2018105",
    ndvi_part: tuple[slice, slice] = (ROWS, COLUMNS),
) -> None:
    rest = f"A{day}.h18v04.061.2020001000000.hdf"
    write_lst_granule(directory / f"MOD21A1D.{rest}", cut(lst_k, COARSE_PIXEL_M, ROWS, COLUMNS))
    bands = (cut(band, FINE_PIXEL_M, fine(ndvi_part[0]), fine(ndvi_part[1])) for band in (red, nir))
    write_reflectance_granule(directory / f"MOD09GQ.{rest}", *bands)


def degrees_of(transform: Affine, mask: np.ndarray) -> tuple[float, float]:
    """Longitude and latitude of the middle of the marked pixels."""
    row, column = np.argwhere(mask).mean(axis=0) + 0.5
    longitude, latitude = TO_DEGREES.transform(*(transform @ (column, row)))
    return float(longitude), float(latitude)


def landmark_degrees() -> tuple[float, float]:
    """By the sinusoidal projection's own formulas: latitude = y/R, longitude = x/(R cos latitude)."""
    x = -20015109.354 + 18 * 1111950.5197 + (LANDMARK_COLUMN + 0.5) * 1111950.5197 / 1200
    y = 10007554.677 - 4 * 1111950.5197 - (LANDMARK_ROW + 0.5) * 1111950.5197 / 1200
    latitude = y / 6371007.181
    return math.degrees(x / (6371007.181 * math.cos(latitude))), math.degrees(latitude)


@pytest.fixture(scope="module")
def granules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("granules")
    write_day(directory, tile_lst(), *tile_reflectances())
    return directory


def small_patches(count: int, coarse: int = 8, seed: int = 3) -> list[Patch]:
    random = np.random.default_rng(seed)
    transform = TILE.transform(COARSE_PIXEL_M)
    return [
        Patch(
            f"p{index:02d}",
            Raster(random.uniform(280.0, 320.0, (coarse, coarse)), transform, SINUSOIDAL),
            Raster(random.uniform(-0.2, 0.9, (4 * coarse, 4 * coarse)), transform @ Affine.scale(0.25), SINUSOIDAL),
            "2018-04-15", "h18v04", 0, index, 0.0,
        )
        for index in range(count)
    ]  # fmt: skip


def test_windows_are_the_tiles_own_where_the_granule_starts_elsewhere(granules: Path) -> None:
    patches = list(granule_patches(granules, 0.0))
    assert [(patch.window_row, patch.window_column) for patch in patches] == WINDOWS
    lst_k = tile_lst()
    for patch in patches:
        assert patch.window_row is not None and patch.window_column is not None
        row, column = 64 * patch.window_row, 64 * patch.window_column
        np.testing.assert_allclose(patch.lst.values, lst_k[row : row + 64, column : column + 64], atol=0.011)
        assert patch.ndvi.values.shape == (256, 256)
        for raster in (patch.lst, patch.ndvi):
            assert raster.left_m == pytest.approx(TILE.left_m + column * COARSE_PIXEL_M, abs=0.01)
            assert raster.top_m == pytest.approx(TILE.top_m - row * COARSE_PIXEL_M, abs=0.01)
        assert (patch.date, patch.tile) == ("2018-04-15", "h18v04")


def test_a_landmark_lies_at_the_same_coordinates_in_both_patches(granules: Path, tmp_path: Path) -> None:
    table = write_patches(granule_patches(granules, 0.0), tmp_path, 0.5, 42)
    (row,) = table[(table["window_row"] == 1) & (table["window_column"] == 2)].to_dict("records")
    places = []
    for path, threshold, pixels in ((row["lst_path"], 330.0, 1), (row["ndvi_path"], 0.75, 16)):
        with rasterio.open(tmp_path / path) as source:
            marked = source.read(1) > threshold
            assert marked.sum() == pixels
            places.append(degrees_of(source.transform, marked))
            crs = source.crs.to_dict()
            assert (crs["proj"], crs["R"]) == ("sinu", pytest.approx(6371007.181))
    expected = landmark_degrees()  # 1e-6 degrees are a tenth of a metre
    assert places[0] == pytest.approx(expected, abs=1e-6)
    assert places[1] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("ndvi_part", [(slice(40, 140), slice(50, 205)), (slice(62, 130), slice(63, 200))])
def test_ndvi_from_another_corner_is_cut_over_the_same_ground(tmp_path: Path, ndvi_part: tuple[slice, slice]) -> None:
    write_day(tmp_path, tile_lst(), *tile_reflectances(), ndvi_part=ndvi_part)
    _, patch = granule_patches(tmp_path, 0.0)
    assert (patch.ndvi.left_m, patch.ndvi.top_m) == pytest.approx((patch.lst.left_m, patch.lst.top_m), abs=0.01)
    marked = np.kron(patch.lst.values > 330.0, np.ones((4, 4), dtype=bool))
    np.testing.assert_array_equal(patch.ndvi.values > 0.75, marked)


def test_a_window_that_ndvi_does_not_cover_is_left_out(tmp_path: Path) -> None:
    write_day(tmp_path, tile_lst(), *tile_reflectances(), ndvi_part=(ROWS, slice(62, 150)))
    assert [(patch.window_row, patch.window_column) for patch in granule_patches(tmp_path, 0.0)] == WINDOWS[:1]


@pytest.mark.parametrize(("coverage", "kept"), [(0.0, [1]), (40 / 4096, [1]), (41 / 4096, [1, 2]), (0.5, [1, 2]), (1.0, [1, 2])])
def test_coverage_is_the_largest_share_of_bad_pixels(tmp_path: Path, coverage: float, kept: list[int]) -> None:
    lst_k = tile_lst()
    lst_k[70, 129:170] = np.nan  # 41 pixels of window (1, 2)
    lst_k[61, 62:200] = np.nan  # outside all windows
    write_day(tmp_path, lst_k, *tile_reflectances())
    patches = list(granule_patches(tmp_path, coverage))
    assert [patch.window_column for patch in patches] == kept
    assert [patch.bad_share for patch in patches] == [0.0, 41 / 4096][: len(kept)]


def test_a_window_without_a_valid_pixel_is_no_patch(tmp_path: Path) -> None:
    lst_k = tile_lst()
    lst_k[64:128, 64:128] = np.nan
    write_day(tmp_path, lst_k, *tile_reflectances())
    assert [patch.window_column for patch in granule_patches(tmp_path, 1.0)] == [2]


def test_one_invalid_ndvi_pixel_excludes_the_window(tmp_path: Path) -> None:
    red, nir = tile_reflectances()
    red[4 * 127 + 3, 4 * 127 + 3] = np.nan  # the last fine pixel of window (1, 1)
    write_day(tmp_path, tile_lst(), red, nir)
    assert [patch.window_column for patch in granule_patches(tmp_path, 1.0)] == [2]


def test_days_go_with_their_own_ndvi_and_those_without_are_left_out(tmp_path: Path) -> None:
    red, nir = tile_reflectances()
    write_day(tmp_path, tile_lst(), red, nir)
    write_day(tmp_path, tile_lst() + 5.0, red, np.full_like(nir, 0.15), day="2018138")
    write_day(tmp_path, tile_lst() - 5.0, red, nir, day="2018161")
    (tmp_path / "MOD09GQ.A2018161.h18v04.061.2020001000000.hdf").unlink()
    patches = [patch for patch in granule_patches(tmp_path, 0.0) if patch.window_column == 1]
    assert [patch.date for patch in patches] == ["2018-04-15", "2018-05-18"]
    assert [float(patch.ndvi.values[0, 0]) for patch in patches] == pytest.approx([0.5, 0.2])
    assert float((patches[1].lst.values - patches[0].lst.values).mean()) == pytest.approx(5.0, abs=0.01)


def test_a_directory_without_granules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no MOD21A1D granule; run 01_download first"):
        list(granule_patches(tmp_path, 0.0))


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
    assert (first.ndvi.left_m, first.ndvi.top_m) == pytest.approx((first.lst.left_m, first.lst.top_m), abs=0.01)
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


def test_table_says_what_was_written_and_survives_its_file(granules: Path, tmp_path: Path) -> None:
    table = write_patches(granule_patches(granules, 0.0), tmp_path, 0.5, 42)
    assert list(table.columns) == TABLE_COLUMNS
    assert all((tmp_path / path).is_file() for column in ("lst_path", "ndvi_path") for path in table[column])
    assert table["tile"].tolist() == ["h18v04"] * 2 and table["date"].tolist() == ["2018-04-15"] * 2
    write_table(table, tmp_path / "patches.csv")
    pd.testing.assert_frame_equal(read_table(tmp_path), table, check_dtype=False)


def test_a_table_that_was_not_written_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"patches\.csv: no such file; run 02_patches first"):
        read_table(tmp_path)


@pytest.mark.parametrize(("count", "share", "training"), [(10, 0.6, 6), (5, 0.6, 3), (3, 0.6, 2), (2, 0.99, 1), (4, 0.01, 1)])
def test_split_has_the_share_and_never_an_empty_side(tmp_path: Path, count: int, share: float, training: int) -> None:
    table = write_patches(small_patches(count, 2), tmp_path, share, 42)
    assert table["split"].value_counts().to_dict() == {"train": training, "validation": count - training}


def test_split_follows_the_seed(tmp_path: Path) -> None:
    splits = [tuple(write_patches(small_patches(10, 2), tmp_path, 0.6, seed)["split"]) for seed in (1, 1, 2, 3, 4, 5)]
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
    found = read_patches(table[table["split"] == "train"], tmp_path).statistics()
    training = [patch for patch, split in zip(patches, table["split"], strict=True) if split == "train"]
    assert "p05" in [patch.name for patch in training]  # the one with a hole
    lst_k = np.concatenate([patch.lst.values.ravel() for patch in training])
    ndvi = np.concatenate([patch.ndvi.values.ravel() for patch in training])
    assert (found.lst_mean_k, found.lst_std_k) == pytest.approx((np.nanmean(lst_k), np.nanstd(lst_k)), rel=1e-6)
    assert (found.ndvi_mean, found.ndvi_std) == pytest.approx((np.mean(ndvi), np.std(ndvi)), rel=1e-6)
    assert (found.lst_min_k, found.lst_max_k) == pytest.approx((np.nanmin(lst_k), np.nanmax(lst_k)), rel=1e-7)
    assert (found.ndvi_min, found.ndvi_max) == pytest.approx((ndvi.min(), ndvi.max()), rel=1e-6)


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
