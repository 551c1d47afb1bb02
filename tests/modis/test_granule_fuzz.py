"""Damaged granules, hundreds in a soak: each is read rightly or refused by name, and nothing else happens."""

import datetime
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, Tile
from lstsr_core.modis.granule import read_lst_granule, read_ndvi
from lstsr_core.modis.hdf_eos import GridDataset, Storage, write_granule
from lstsr_core.modis.names import GranuleName
from lstsr_core.simulation.granule_metadata import archive_texts
from worlds.granule_damage import MUTATIONS, Reading, Whole, soak
from worlds.soak import short_and_long

SEED = 20190719
COUNTS = short_and_long(10 * len(MUTATIONS), 250 * len(MUTATIONS))
TILE = Tile(18, 4)


def waves(rows: int, columns: int, number: int) -> np.ndarray:
    """Smooth with a little noise, as a landscape is, from −1 to 1."""
    row, column = np.mgrid[:rows, :columns]
    noise = np.random.default_rng(number).uniform(-0.1, 0.1, (rows, columns))
    return 0.9 * np.sin(column / (7 + number)) * np.cos(row / 9) + noise


def read_day(path: Path) -> Reading:
    granule = read_lst_granule(path)
    # Times of another scale are left out with a warning, and the temperature is read.
    assert granule.view_time_h is not None or any(
        "times of view" in warning for warning in granule.origin.warnings
    )
    assert granule.origin.acquired_from is not None
    times = granule.view_time_h and granule.view_time_h.values
    return (
        [granule.lst.values, granule.quality.stored, times],
        granule.lst,
        granule.origin.acquired_from.date(),
    )


def read_night(path: Path) -> Reading:
    granule = read_lst_granule(path, layer="night")
    return [granule.lst.values, granule.quality.stored], granule.lst, None


def read_vegetation(path: Path) -> Reading:
    ndvi = read_ndvi(path)
    return [ndvi.values], ndvi, None


def lst_datasets(
    rows: int, columns: int, names: tuple[str, str, str], qc_type: type, number: int
) -> list[GridDataset]:
    lst = (15000 + 400 * waves(rows, columns, number)).astype(np.uint16)
    lst[2:5, 3:9] = 0
    qc = np.where(lst == 0, 2, 64 + 16 * (np.arange(columns) % 3)).astype(qc_type)
    times = np.full((rows, columns), 104 + number, np.uint8)
    return [
        GridDataset(names[0], lst, 0, (7500, 65535), 0.02, "Land-surface Temperature", "K"),
        GridDataset(names[1], qc, "NA\0", (0, np.iinfo(qc_type).max), None, "QC", "n/a"),
        GridDataset(names[2], times, 255, (0, 240), 0.1, "Time of observation", "hrs"),
    ]


@pytest.fixture(scope="module")
def wholes(tmp_path_factory: pytest.TempPathFactory) -> list[Whole]:
    directory = tmp_path_factory.mktemp("wholes")

    def write(
        product: str, grid: str, datasets: list[GridDataset], pixel_m: float, read: Callable[[Path], Reading],
        zones: int = 0, chunk_rows: int | None = None,
    ) -> Whole:  # fmt: skip
        path = directory / f"{product}.A2019200.h18v04.061.2020358154430.hdf"
        texts = archive_texts(
            GranuleName.parse(path.name), ["all"], datetime.time(), datetime.time(23, 59, 59)
        )
        write_granule(path, grid, datasets, TILE.transform(pixel_m), Storage(zones, chunk_rows, texts))
        return Whole.of(path, read)

    def bands(rows: int, columns: int) -> list[GridDataset]:
        return [
            GridDataset(
                f"sur_refl_b0{number}_1",
                (2000 * number + 900 * waves(rows, columns, number)).astype(np.int16), -28672, (-100, 16000),
                10000.0, "Surface reflectance", "reflectance",
            )
            for number in (1, 2)
        ]  # fmt: skip

    both = [
        *lst_datasets(40, 56, ("LST_Day_1km", "QC_Day", "Day_view_time"), np.uint8, 1),
        *lst_datasets(40, 56, ("LST_Night_1km", "QC_Night", "Night_view_time"), np.uint8, 2),
    ]
    day = lst_datasets(40, 56, ("LST_1KM", "QC", "View_Time"), np.uint16, 3)
    large = lst_datasets(600, 500, ("LST_1KM", "QC", "View_Time"), np.uint16, 4)
    return [
        write("MOD21A1D", "MODIS_Grid_Daily_1km_LST21", day, COARSE_PIXEL_M, read_day, 86400),
        write("MOD11A1", "MODIS_Grid_Daily_1km_LST", both, COARSE_PIXEL_M, read_night, 86400),
        write("MOD09GQ", "MODIS_Grid_2D", bands(40, 56), FINE_PIXEL_M, read_vegetation, chunk_rows=16),
        write("MYD21A1D", "MODIS_Grid_Daily_1km_LST21", large, COARSE_PIXEL_M, read_day, 86400),
        write("MYD09GQ", "MODIS_Grid_2D", bands(900, 700), FINE_PIXEL_M, read_vegetation, chunk_rows=32),
    ]


@pytest.mark.parametrize("count", COUNTS)
def test_each_damaged_granule_is_read_rightly_or_refused_by_name(
    wholes: list[Whole], tmp_path: Path, count: int
) -> None:
    outcomes = soak(wholes, [8, 8, 8, 1, 1], tmp_path, count, SEED)
    assert outcomes.wrong == []
    assert outcomes.grown_bytes < 256e6 and outcomes.grown_processes <= 1
    # The mutations bite, and yet not every one is refused: an unused byte may well change.
    for mutate in MUTATIONS:
        assert outcomes.counts[mutate.__name__, "refused"] > 0, outcomes
    assert outcomes.total("read") > 0.1 * count and outcomes.total("refused") > 0.3 * count
