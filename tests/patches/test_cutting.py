"""Patches of granules: the right windows, cut once, and again only when something has changed."""

from __future__ import annotations

import json
import math
import os
import pickle
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
from affine import Affine

from lstsr_core.base.errors import InputError, UnreadableGranule
from lstsr_core.geo.grid import COARSE_PIXEL_M, Tile
from lstsr_core.modis.day_pairs import granule_pairs
from lstsr_core.modis.granule import Layer
from lstsr_core.modis.hdf_eos import GridDataset, write_granule
from lstsr_core.patches.cutting import PatchSettings, PatchTables, collect, cut_granule, is_cut, update
from lstsr_core.patches.patch import TABLE_COLUMNS, read_patches, read_table
from lstsr_core.simulation.granule_writer import write_lst_granule
from worlds.granule_days import (
    COLUMNS,
    DAYS,
    LANDMARK_COLUMN,
    LANDMARK_ROW,
    REST,
    ROWS,
    WINDOWS,
    cut,
    tile_lst,
    tile_reflectances,
    write_day,
    write_water,
)

SPHERE = pyproj.CRS.from_proj4("+proj=longlat +R=6371007.181 +no_defs")
TO_DEGREES = pyproj.Transformer.from_crs("+proj=sinu +R=6371007.181", SPHERE, always_xy=True)
DATES = ["2018-04-15", "2018-05-18", "2018-06-10"]


def places(tables: PatchTables) -> list[tuple[int, int]]:
    return list(tables.patches[["window_row", "window_column"]].itertuples(index=False, name=None))


def rows_of(directory: Path, out: Path, **settings: Any) -> list[dict[str, Any]]:
    """Rows of the only pair of granules of a directory."""
    chosen = PatchSettings(**settings)
    (pair,) = granule_pairs(directory, layer=chosen.layer)
    assert pair.reflectance is not None
    return cut_granule(pair.lst, pair.reflectance, out, chosen)


def kept(directory: Path, out: Path, **settings: Any) -> list[int]:
    return [row["window_column"] for row in rows_of(directory, out, **settings)]


def contents(directory: Path) -> dict[str, bytes]:
    """Results by path; a record holds times of change, so that only its rows count."""
    files = {
        path.relative_to(directory).as_posix(): path
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }
    return {
        name: (
            json.dumps(json.loads(path.read_text())["rows"]).encode()
            if name.startswith("records/")
            else path.read_bytes()
        )
        for name, path in files.items()
    }


def times_of_change(directory: Path, pattern: str) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in directory.glob(pattern)}


@pytest.fixture(scope="module")
def three_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("three_days")
    for index, day in enumerate(DAYS):
        write_day(directory, tile_lst() + 5.0 * index, day=day)
    return directory


@pytest.fixture
def granules(three_days: Path, tmp_path: Path) -> Path:
    """Three days of granules of its own for each test."""
    directory = tmp_path / "granules"
    directory.mkdir()
    for path in three_days.iterdir():
        (directory / path.name).write_bytes(path.read_bytes())
    return directory


# Place


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


def test_patches_hold_the_granules_pixels(three_days: Path, tmp_path: Path) -> None:
    tables = update(three_days, tmp_path, PatchSettings())
    assert places(tables) == WINDOWS * 3
    assert tables.patches["date"].tolist() == [date for date in DATES for _ in WINDOWS]
    for row in tables.patches.to_dict("records"):
        first_row, first_column = 64 * row["window_row"], 64 * row["window_column"]
        expected = tile_lst()[
            first_row : first_row + 64, first_column : first_column + 64
        ] + 5.0 * DATES.index(row["date"])
        with (
            rasterio.open(tmp_path / row["lst_path"]) as lst,
            rasterio.open(tmp_path / row["ndvi_path"]) as ndvi,
        ):
            np.testing.assert_allclose(lst.read(1), expected, atol=0.011)
            assert ndvi.shape == (256, 256)
            assert (lst.bounds, lst.crs) == (pytest.approx(ndvi.bounds, abs=0.01), ndvi.crs)


def test_a_landmark_lies_at_the_same_coordinates_in_both_patches(tmp_path: Path) -> None:
    write_day(tmp_path)
    row = rows_of(tmp_path, tmp_path)[1]
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


@pytest.mark.parametrize("name", ["h12v04", "h20v04", "h12v11", "h20v11"])
def test_corners_are_pyprojs_in_all_four_quadrants(tmp_path: Path, name: str) -> None:
    tile = Tile.parse(name)
    write_day(tmp_path, tile=tile)
    for row in rows_of(tmp_path, tmp_path):
        # A tile is 10° of latitude and, on the equator, of longitude; a window is 64 of its 1200 pixels.
        latitudes = [
            90.0 - 10.0 * (tile.vertical + 64 * (row["window_row"] + step) / 1200) for step in (0, 1)
        ]
        on_equator = [
            -180.0 + 10.0 * (tile.horizontal + 64 * (row["window_column"] + step) / 1200) for step in (0, 1)
        ]
        for path in (row["lst_path"], row["ndvi_path"]):
            described = json.loads(
                subprocess.run(
                    ["gdalinfo", "-json", tmp_path / path], capture_output=True, check=True, text=True
                ).stdout
            )
            from_degrees = pyproj.Transformer.from_crs(
                SPHERE, described["coordinateSystem"]["wkt"], always_xy=True
            )
            for latitude, down in zip(latitudes, ("upper", "lower"), strict=True):
                for degrees, across in zip(on_equator, ("Left", "Right"), strict=True):
                    expected_m = from_degrees.transform(degrees / math.cos(math.radians(latitude)), latitude)
                    assert described["cornerCoordinates"][f"{down}{across}"] == pytest.approx(
                        expected_m, abs=1.0
                    )


@pytest.mark.parametrize("ndvi_part", [(slice(40, 140), slice(50, 205)), (slice(62, 130), slice(63, 200))])
def test_ndvi_from_another_corner_is_cut_over_the_same_ground(
    tmp_path: Path, ndvi_part: tuple[slice, slice]
) -> None:
    write_day(tmp_path, ndvi_part=ndvi_part)
    row = rows_of(tmp_path, tmp_path)[1]
    with rasterio.open(tmp_path / row["lst_path"]) as lst, rasterio.open(tmp_path / row["ndvi_path"]) as ndvi:
        assert ndvi.bounds == pytest.approx(lst.bounds, abs=0.01)
        np.testing.assert_array_equal(
            ndvi.read(1) > 0.75, np.kron(lst.read(1) > 330.0, np.ones((4, 4), dtype=bool))
        )


# Which windows are kept


def test_a_window_that_ndvi_does_not_cover_is_left_out(tmp_path: Path) -> None:
    write_day(tmp_path, ndvi_part=(ROWS, slice(62, 150)))
    assert kept(tmp_path, tmp_path) == [1]


@pytest.mark.parametrize(
    ("coverage", "expected"),
    [(0.0, [1]), (40 / 4096, [1]), (41 / 4096, [1, 2]), (0.5, [1, 2]), (1.0, [1, 2])],
)
def test_coverage_is_the_largest_share_of_bad_pixels(
    tmp_path: Path, coverage: float, expected: list[int]
) -> None:
    lst_k = tile_lst()
    lst_k[70, 129:170] = np.nan  # 41 pixels of window (1, 2)
    lst_k[61, 62:200] = np.nan  # outside all windows
    write_day(tmp_path, lst_k)
    rows = rows_of(tmp_path, tmp_path, coverage=coverage)
    assert [row["window_column"] for row in rows] == expected
    assert [row["bad_share"] for row in rows] == [0.0, 41 / 4096][: len(expected)]


def test_a_window_without_a_valid_pixel_is_no_patch(tmp_path: Path) -> None:
    lst_k = tile_lst()
    lst_k[64:128, 64:128] = np.nan
    write_day(tmp_path, lst_k)
    assert kept(tmp_path, tmp_path, coverage=1.0) == [2]


def test_one_invalid_ndvi_pixel_excludes_the_window(tmp_path: Path) -> None:
    red, nir = tile_reflectances()
    red[4 * 127 + 3, 4 * 127 + 3] = np.nan  # the last fine pixel of window (1, 1)
    write_day(tmp_path, None, red, nir)
    assert kept(tmp_path, tmp_path, coverage=1.0) == [2]


def test_the_policy_decides_on_pixels_of_other_quality(tmp_path: Path) -> None:
    write_day(tmp_path)
    qc = np.zeros((70, 138), dtype=np.uint16)
    qc[90 - ROWS.start, 70 - COLUMNS.start] = 0b01  # produced, other quality, in window (1, 1)
    write_lst_granule(
        tmp_path / f"MOD21A1D.A{DAYS[0]}.{REST}", cut(tile_lst(), COARSE_PIXEL_M, ROWS, COLUMNS), qc
    )
    assert kept(tmp_path, tmp_path / "produced") == [1, 2]
    assert kept(tmp_path, tmp_path / "good", policy="good") == [2]


@pytest.mark.parametrize(("dilation", "expected"), [(0, [1, 2]), (3, [1, 2]), (4, [1]), (260 // 4, [1])])
def test_water_is_left_out_as_far_as_it_is_widened(
    tmp_path: Path, dilation: int, expected: list[int]
) -> None:
    write_day(tmp_path)
    water = np.zeros((840, 840))
    water[4 * 100, 4 * 192 + 3] = 1  # the fourth fine column east of window (1, 2)
    write_water(tmp_path / f"MOD44W.A2018001.{REST}", water)
    assert kept(tmp_path, tmp_path / "out", water=tmp_path, dilation=dilation) == expected
    assert kept(tmp_path, tmp_path / "without") == [1, 2]


def test_pixels_near_water_are_holes_where_coverage_allows(tmp_path: Path) -> None:
    write_day(tmp_path)
    water = np.zeros((840, 840))
    water[4 * 100 + 1, 4 * 180 + 1] = 1
    write_water(tmp_path / f"MOD44W.A2018001.{REST}", water)
    rows = rows_of(tmp_path, tmp_path, water=tmp_path, dilation=4, coverage=0.5)
    with rasterio.open(tmp_path / rows[1]["lst_path"]) as source:
        holes = np.argwhere(np.isnan(source.read(1)))
    # Four fine pixels around the one: fine 397 … 405, so coarse 99 … 101.
    assert {tuple(hole) for hole in holes} == {
        (row - 64, column - 128) for row in range(99, 102) for column in range(179, 182)
    }
    assert [row["bad_share"] for row in rows] == [0.0, 9 / 4096]


# Products and layers


def test_night_and_day_of_mod11a1_are_cut_apart(tmp_path: Path) -> None:
    write_day(tmp_path)
    (tmp_path / f"MOD21A1D.A{DAYS[0]}.{REST}").unlink()
    datasets = []
    for part, kelvin in (("Day", 300.0), ("Night", 280.0)):
        shape = (ROWS.stop - ROWS.start, COLUMNS.stop - COLUMNS.start)
        stored = (kelvin / 0.02 + np.arange(shape[1]) % 2 * np.ones((shape[0], 1))).astype(np.uint16)
        datasets.append(GridDataset(f"LST_{part}_1km", stored, 0, (7500, 65535), 0.02, "LST", "K"))
        datasets.append(GridDataset(f"QC_{part}", np.zeros(shape, np.uint8), 0, (0, 255), None, "QC", "n/a"))
    corner = cut(tile_lst(), COARSE_PIXEL_M, ROWS, COLUMNS).transform
    write_granule(tmp_path / f"MOD11A1.A{DAYS[0]}.{REST}", "MODIS_Grid_Daily_1km_LST", datasets, corner)
    layers: dict[Layer, float] = {"day": 300.0, "night": 280.0}
    for layer, kelvin in layers.items():
        tables = update(tmp_path, tmp_path / layer, PatchSettings(layer), "MOD11A1", split="random")
        read = read_patches(tables.patches, tmp_path / layer)
        assert read.lst_k.shape == (2, 64, 64)
        np.testing.assert_allclose(read.lst_k[:, :, 0], kelvin, atol=1e-4)
    with pytest.raises(
        InputError,
        match=(
            r"holds no MOD21A1D or MYD21A1D granule; it has MOD09GQ, MOD11A1: choose their product and layer"
        ),
    ):
        update(tmp_path, tmp_path / "none", PatchSettings())


def test_night_of_mod21a1_is_a_product_of_its_own(tmp_path: Path) -> None:
    write_day(tmp_path, tile_lst() - 20.0, product="MOD21A1N")
    write_day(tmp_path, tile_lst())
    day, night = (rows_of(tmp_path, tmp_path / layer, layer=layer) for layer in ("day", "night"))
    assert [a["lst_k"][1] - b["lst_k"][1] for a, b in zip(day, night, strict=True)] == pytest.approx(
        [20.0, 20.0], abs=1e-3
    )
    assert [row["ndvi"] for row in day] == [row["ndvi"] for row in night]


def test_days_go_with_their_own_ndvi_and_those_without_are_listed(granules: Path, tmp_path: Path) -> None:
    (granules / f"MOD09GQ.A{DAYS[1]}.{REST}").unlink()
    red, nir = tile_reflectances()
    write_day(granules, tile_lst(), red, np.full_like(nir, 0.15), day=DAYS[2])
    tables = update(granules, tmp_path, PatchSettings())
    assert tables.patches["date"].unique().tolist() == [DATES[0], DATES[2]]
    assert tables.granules["status"].tolist() == ["ok", "no MOD09GQ or MYD09GQ granule of that day", "ok"]
    assert tables.failures == {}
    assert [float(ndvi[0, 0]) for ndvi in read_patches(tables.patches, tmp_path).ndvi] == pytest.approx(
        [0.5, 0.5, 0.2, 0.2]
    )


def test_granules_count_their_windows(granules: Path, tmp_path: Path) -> None:
    clouded, (red, nir) = tile_lst(), tile_reflectances()
    clouded[70, 70] = np.nan
    red[4 * 70, 4 * 140] = np.nan
    write_day(granules, clouded, red, nir, day=DAYS[1])
    tables = update(granules, tmp_path, PatchSettings())
    counts = tables.granules[["windows", "lst_bad", "ndvi_bad", "kept"]]
    assert counts.values.tolist() == [[2, 0, 0, 2], [2, 1, 1, 0], [2, 0, 0, 2]]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "granules.csv"), tables.granules, check_dtype=False)


# Tables


def test_tables_and_statistics_are_those_of_the_files(three_days: Path, tmp_path: Path) -> None:
    tables = update(three_days, tmp_path, PatchSettings())
    assert list(tables.patches.columns) == TABLE_COLUMNS
    pd.testing.assert_frame_equal(read_table(tmp_path), tables.patches, check_dtype=False)
    training = tables.patches[tables.patches["split"] == "train"]
    assert 0 < len(training) < len(tables.patches)
    expected = read_patches(training, tmp_path).statistics()
    statistics = json.loads((tmp_path / "statistics.json").read_text())
    assert statistics == pytest.approx(vars(expected), rel=1e-10)


def test_statistics_leave_out_the_holes(granules: Path, tmp_path: Path) -> None:
    holed = tile_lst()
    holed[64:90, 64:190] = np.nan
    for day in DAYS:
        write_day(granules, holed, day=day)
    tables = update(granules, tmp_path, PatchSettings(coverage=0.5))
    expected = read_patches(tables.patches[tables.patches["split"] == "train"], tmp_path).statistics()
    assert json.loads((tmp_path / "statistics.json").read_text()) == pytest.approx(vars(expected), rel=1e-10)


def test_rows_survive_a_pickle(tmp_path: Path) -> None:
    write_day(tmp_path)
    rows = rows_of(tmp_path, tmp_path)
    assert pickle.loads(pickle.dumps(rows)) == rows
    assert pickle.loads(pickle.dumps(PatchSettings(water=tmp_path))) == PatchSettings(water=tmp_path)


def test_random_split_is_the_published_one_and_groups_keep_neighbours(
    three_days: Path, tmp_path: Path
) -> None:
    random = update(three_days, tmp_path, PatchSettings(), training_share=0.5, split="random").patches
    assert random["split"].value_counts().to_dict() == {"train": 3, "validation": 3}
    test_groups = np.isin(np.arange(6), np.random.default_rng(42).permutation(6)[:3])
    assert (random["split"] == "train").tolist() == test_groups.tolist()
    grouped = update(three_days, tmp_path, PatchSettings(), split="groups").patches
    assert (grouped.groupby("date")["split"].nunique() == 1).all()  # both windows lie in one block


def test_patches_without_contrast_are_refused(granules: Path, tmp_path: Path) -> None:
    for day in DAYS:
        write_day(granules, np.full((210, 210), 300.0), day=day)
    with pytest.raises(InputError, match=r"cannot tell how to z-score .*'lst_std_k' is 0\.0"):
        update(granules, tmp_path, PatchSettings())


def test_too_few_patches_say_what_was_not_read(granules: Path, tmp_path: Path) -> None:
    for day in DAYS:
        write_day(granules, np.full((210, 210), np.nan), day=day)
    broken = granules / f"MOD21A1D.A{DAYS[1]}.{REST}"
    broken.write_bytes(broken.read_bytes()[:3000])
    with pytest.raises(
        InputError, match=rf"^0 patches were cut, at least 2 are needed.*Not read: .*{broken.name}: truncated"
    ):
        update(granules, tmp_path, PatchSettings())
    assert pd.read_csv(tmp_path / "granules.csv")["kept"].fillna(-1).tolist() == [0, -1, 0]


# Again


def test_unchanged_granules_are_not_read_again(granules: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = update(granules, out, PatchSettings())
    before, times = contents(out), times_of_change(out, "patches/*")
    for path in granules.iterdir():  # unreadable now, but by name, size and time the same
        status = path.stat()
        path.write_bytes(b"x" * status.st_size)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    again = update(granules, out, PatchSettings())
    pd.testing.assert_frame_equal(again.patches, first.patches)
    assert (contents(out), times_of_change(out, "patches/*")) == (before, times)


def test_new_granules_add_patches_and_move_none(three_days: Path, granules: Path, tmp_path: Path) -> None:
    for path in granules.glob(f"*A{DAYS[0]}*"):
        path.rename(tmp_path / path.name)
    seed = 5  # with which the groups that are there first fall on both sides
    first = update(granules, tmp_path / "out", PatchSettings(), seed=seed).patches
    times = times_of_change(tmp_path / "out", "patches/*")
    for path in tmp_path.glob("*.hdf"):
        path.rename(granules / path.name)
    second = update(granules, tmp_path / "out", PatchSettings(), seed=seed).patches
    assert (len(first), len(second)) == (4, 6)
    assert times.items() <= times_of_change(tmp_path / "out", "patches/*").items()
    joined = first.merge(second, on="lst_path")
    assert len(joined) == 4 and joined["split_x"].tolist() == joined["split_y"].tolist()
    update(three_days, tmp_path / "fresh", PatchSettings(), seed=seed)
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def contents_of_a_fresh_run(granules: Path, out: Path, **settings: Any) -> dict[str, bytes]:
    update(granules, out, PatchSettings(**settings))
    return contents(out)


def test_deleted_granules_take_their_patches_with_them(granules: Path, tmp_path: Path) -> None:
    update(granules, tmp_path / "out", PatchSettings())
    (tmp_path / "out" / "patches" / "mine.tif").write_bytes(b"not cut here")
    (granules / f"MOD21A1D.A{DAYS[0]}.{REST}").unlink()
    (granules / f"MOD09GQ.A{DAYS[1]}.{REST}").unlink()
    write_day(granules, day="2018200")
    update(granules, tmp_path / "out", PatchSettings())
    left = contents(tmp_path / "out")
    assert left.pop("patches/mine.tif") == b"not cut here"
    assert left == contents_of_a_fresh_run(granules, tmp_path / "fresh")


@pytest.mark.parametrize(
    "changed", ["granule", "settings", "water", "patch", "patch of the same size", "no patch", "record"]
)
def test_what_has_changed_is_cut_again(granules: Path, tmp_path: Path, changed: str) -> None:
    out, water = tmp_path / "out", tmp_path / f"MOD44W.A2018001.{REST}"
    write_water(water, np.zeros((840, 840)))
    settings: dict[str, Any] = {"water": water}
    before = contents_of_a_fresh_run(granules, out, **settings)
    patch = out / "patches" / f"h18v04_{DATES[1]}_01_02_lst_1km.tif"
    if changed == "granule":
        write_day(granules, tile_lst() + 9.0, day=DAYS[1])
    elif changed == "settings":
        write_day(granules, np.where(np.arange(210) == 70, np.nan, tile_lst()), day=DAYS[1])
        update(granules, out, PatchSettings(**settings))
        settings["coverage"] = 0.5
    elif changed == "water":
        wet = np.zeros((840, 840))
        wet[4 * 70, 4 * 70] = 1
        write_water(water, wet)
    elif changed == "patch":
        patch.write_bytes(b"cut short")
    elif changed == "patch of the same size":
        patch.write_bytes(b"x" * patch.stat().st_size)
    elif changed == "no patch":
        patch.unlink()
    else:
        (out / "records" / f"{DATES[1]}_h18v04.json").write_text('{"rows": [')
    update(granules, out, PatchSettings(**settings))
    after = contents(out)
    assert after == contents_of_a_fresh_run(granules, tmp_path / "fresh", **settings)
    assert (after == before) == (changed in ("patch", "patch of the same size", "no patch", "record"))


def test_a_killed_run_goes_on(granules: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = (
        "import sys, time; from pathlib import Path; from lstsr_core.patches import cutting as g\n"
        "write = g.write_patch\n"
        "def slowly(patch, directory):\n"
        "    if len(list((directory / 'patches').glob('*'))) >= 6: print('now', flush=True); time.sleep(60)\n"
        "    return write(patch, directory)\n"
        "g.write_patch = slowly\n"
        "g.update(Path(sys.argv[1]), Path(sys.argv[2]), g.PatchSettings())\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, granules, out], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "now\n"
        process.send_signal(signal.SIGKILL)
    assert len(list(out.glob("records/*"))) == 1 and not (out / "patches.csv").exists()
    first_day = times_of_change(out, f"patches/*{DATES[0]}*")
    update(granules, out, PatchSettings())
    assert times_of_change(out, f"patches/*{DATES[0]}*") == first_day
    assert contents(out) == contents_of_a_fresh_run(granules, tmp_path / "fresh")


# Damage


@pytest.mark.parametrize("product", ["MOD21A1D", "MOD09GQ"])
def test_a_corrupt_granule_is_named_and_the_others_go_on(
    granules: Path, tmp_path: Path, product: str
) -> None:
    broken = granules / f"{product}.A{DAYS[1]}.{REST}"
    whole = broken.read_bytes()
    update(granules, tmp_path / "out", PatchSettings())  # its patches are there before it breaks
    broken.write_bytes(whole[: len(whole) // 2])
    tables = update(granules, tmp_path / "out", PatchSettings())
    assert list(tables.failures) == [f"MOD21A1D.A{DAYS[1]}.{REST}"]
    (reason,) = tables.failures.values()
    assert reason.startswith(f"{broken.name}: truncated")
    assert tables.patches["date"].unique().tolist() == [DATES[0], DATES[2]]
    assert not list((tmp_path / "out").glob(f"*/*{DATES[1]}*"))
    broken.write_bytes(whole)
    assert update(granules, tmp_path / "out", PatchSettings()).failures == {}
    assert contents(tmp_path / "out") == contents_of_a_fresh_run(granules, tmp_path / "fresh")


def test_a_granule_that_is_gone_is_named(tmp_path: Path) -> None:
    write_day(tmp_path)
    (pair,) = granule_pairs(tmp_path)
    assert pair.reflectance is not None
    pair.reflectance.unlink()
    with pytest.raises(UnreadableGranule, match=rf"{pair.reflectance.name}: cannot be read"):
        cut_granule(pair.lst, pair.reflectance, tmp_path / "out", PatchSettings())


def test_collect_tells_what_was_not_cut_and_refuses_mixed_settings(granules: Path, tmp_path: Path) -> None:
    pairs = granule_pairs(granules)
    settings = [PatchSettings(), PatchSettings(), PatchSettings(coverage=0.5)]
    for pair, chosen in list(zip(pairs, settings, strict=True))[:2]:
        assert pair.reflectance is not None and not is_cut(pair, tmp_path, chosen)
        cut_granule(pair.lst, pair.reflectance, tmp_path, chosen)
        assert is_cut(pair, tmp_path, chosen) and not is_cut(pair, tmp_path, replace(chosen, policy="good"))
    tables = collect(tmp_path, pairs, {})
    assert tables.granules["status"].tolist() == ["ok", "ok", "not cut"]
    assert tables.failures == {pairs[2].lst.name: "not cut"}
    assert pairs[2].reflectance is not None
    cut_granule(pairs[2].lst, pairs[2].reflectance, tmp_path, settings[2])
    with pytest.raises(InputError, match="holds patches of different settings"):
        collect(tmp_path, pairs, {})


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"coverage": -0.1}, "coverage is -0.1; expected a share"),
        ({"coverage": math.nan}, "coverage is nan"),
        ({"dilation": -1}, "dilation is -1; expected 0 to 256"),
        ({"water": Path("nowhere")}, "nowhere: no such file or directory"),
    ],
)
def test_wrong_settings_are_refused(values: dict[str, Any], expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        PatchSettings(**values)


def test_a_full_disk_stops_the_run(granules: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "patches").write_text("a file where the directory should be")
    with pytest.raises(InputError, match="cannot be written") as caught:
        update(granules, tmp_path / "out", PatchSettings())
    assert not isinstance(caught.value, UnreadableGranule)


# Terra and Aqua


def test_a_day_of_both_platforms_has_patches_of_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    granules, out = tmp_path / "granules", tmp_path / "out"
    for index, day in enumerate(DAYS[:2]):
        write_day(granules, tile_lst() + 5.0 * index, day=day)
        write_day(granules, tile_lst() + 5.0 * index + 2.0, day=day, product="MYD21A1D")
    tables = update(granules, out, PatchSettings())
    errors = capsys.readouterr().err
    assert (
        errors == "lstsr: LST is of Aqua (MYD21A1D), reflectance of Terra (MOD09GQ) (2 of 4 LST granules)\n"
    )
    assert [name.partition(".")[0] for name in tables.granules["lst"]] == ["MOD21A1D", "MYD21A1D"] * 2
    assert tables.granules["status"].eq("ok").all() and len(tables.patches) == 8
    assert tables.patches["lst_path"].str.contains("_AQUA_").sum() == 4
    read = read_patches(tables.patches, out)
    aqua = np.array(["_AQUA_" in name for name in read.names])
    np.testing.assert_allclose(read.lst_k[aqua] - read.lst_k[~aqua], 2.0, atol=0.03)
    # Patches of one place and month are of one split, whatever their platform.
    assert (
        tables.patches.groupby(["window_column", tables.patches["date"].str[:7]])["split"]
        .nunique()
        .eq(1)
        .all()
    )
    (granules / f"MYD21A1D.A{DAYS[0]}.{REST}").unlink()
    assert len(update(granules, out, PatchSettings()).patches) == 6
    assert len(list((out / "patches").glob("*_AQUA_*"))) == 4
    shutil.copy(granules / f"MOD09GQ.A{DAYS[1]}.{REST}", granules / f"MYD09GQ.A{DAYS[1]}.{REST}")
    capsys.readouterr()
    assert update(granules, out, PatchSettings()).granules["reflectance"].str[:3].tolist() == [
        "MOD",
        "MOD",
        "MYD",
    ]
    assert capsys.readouterr().err == ""
