"""Water: the right year's mask, widened, on the LST's grid."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import COARSE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.geo.raster import Raster
from lstsr_core.modis.water import near_water, water_granule
from worlds.granule_days import write_water

TILE = Tile(18, 4)
WET = [(3, 5), (20, 20), (47, 0)]  # row and column of 250 m pixels on a mask of 48×64
FILL = (30, 63)


@pytest.fixture(scope="module")
def mask(tmp_path_factory: pytest.TempPathFactory) -> Path:
    stored = np.zeros((48, 64))
    for pixel in WET:
        stored[pixel] = 1
    stored[FILL] = 250
    path = tmp_path_factory.mktemp("water") / "MOD44W.A2018001.h18v04.061.2020001000000.hdf"
    write_water(path, stored)
    return path


@given(st.integers(0, 9), st.integers(0, 9), st.integers(1, 12), st.integers(1, 12), st.integers(0, 9))
def test_near_means_within_the_dilation_of_a_fine_pixel(
    mask: Path, first_row: int, first_column: int, rows: int, columns: int, dilation: int
) -> None:
    grid = Raster(np.zeros((30, 30)), TILE.transform(COARSE_PIXEL_M), SINUSOIDAL)
    lst = grid.crop(slice(first_row, first_row + rows), slice(first_column, first_column + columns))
    expected = np.zeros((rows, columns), dtype=bool)
    for row in range(rows):
        for column in range(columns):
            top, left = 4 * (first_row + row), 4 * (first_column + column)
            near = [
                top - dilation <= r <= top + 3 + dilation and left - dilation <= c <= left + 3 + dilation
                for r, c in [*WET, FILL]
            ]
            expected[row, column] = any(near) or top >= 48 or left >= 64  # outside the mask nothing is known
    np.testing.assert_array_equal(near_water(mask, lst, dilation), expected)


def test_ground_above_and_left_of_the_mask_counts_as_water(tmp_path: Path) -> None:
    path = tmp_path / "MOD44W.A2018001.h18v04.061.2020001000000.hdf"
    write_water(path, np.zeros((8, 8)))
    whole = Raster(np.zeros((4, 4)), TILE.transform(COARSE_PIXEL_M), SINUSOIDAL)
    shifted = Raster(np.zeros((4, 4)), whole.transform @ whole.transform.translation(-1, -2), SINUSOIDAL)
    dry = np.ones((4, 4), dtype=bool)
    dry[2:4, 1:3] = False
    np.testing.assert_array_equal(near_water(path, shifted, 0), dry)


def test_a_mask_that_changed_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "MOD44W.A2018001.h18v04.061.2020001000000.hdf"
    lst = Raster(np.zeros((2, 2)), TILE.transform(COARSE_PIXEL_M), SINUSOIDAL)
    for wet in (0, 1, 0):
        write_water(path, np.full((8, 8), wet))
        assert near_water(path, lst, 0).all() == bool(wet)


def test_the_nearest_years_granule_of_the_tile_is_chosen(tmp_path: Path) -> None:
    for day, tile in (("2015001", "h18v04"), ("2017001", "h18v04"), ("2018001", "h19v04")):
        (tmp_path / f"MOD44W.A{day}.{tile}.061.2020001000000.hdf").touch()

    def year(date: str) -> str:
        return water_granule(tmp_path, TILE, datetime.date.fromisoformat(date)).name[8:12]

    assert [year(day) for day in ("2010-07-01", "2016-12-31", "2017-05-01", "2024-01-01")] == [
        "2015",
        "2015",
        "2017",
        "2017",
    ]
    single = tmp_path / "MOD44W.A2015001.h18v04.061.2020001000000.hdf"
    assert water_granule(single, TILE, datetime.date(2020, 1, 1)) == single
    for water, message in (
        (tmp_path, "holds no MOD44W granule of tile h20v04"),
        (single, "is the water mask of tile h18v04"),
    ):
        with pytest.raises(InputError, match=message):
            water_granule(water, Tile(20, 4), datetime.date(2018, 1, 1))
    with pytest.raises(InputError, match="is a MOD09GQ granule, and a water mask takes MOD44W"):
        other = tmp_path / "MOD09GQ.A2015001.h18v04.061.2020001000000.hdf"
        other.touch()
        water_granule(other, TILE, datetime.date(2018, 1, 1))
