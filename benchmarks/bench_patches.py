"""Patching a year of granules of one tile against reading them all once with pyhdf.

Eight full-size days stand for the year: ten per cent of their windows are
clear, spread unevenly over the days as clouds do.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyhdf.SD import SD, SDC
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import ndimage

from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SCALE, SINUSOIDAL, Tile
from lstsr_core.geo.raster import Raster
from lstsr_core.modis.day_pairs import granule_pairs
from lstsr_core.modis.names import GranuleName
from lstsr_core.patches.cutting import PatchSettings, cut_granule, update
from lstsr_core.simulation.granule_writer import write_lst_granule, write_reflectance_granule

TILE = Tile(18, 4)
WINDOWS = 18
CLEAR_SHARES = [0.0, 0.0, 0.02, 0.05, 0.08, 0.12, 0.20, 0.33]
"""Share of each day's windows without cloud: 10 % on average."""


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("year")
    random = np.random.default_rng(0)
    assert np.mean(CLEAR_SHARES) == pytest.approx(0.1)
    for day, share in enumerate(CLEAR_SHARES):
        date = np.datetime64("2018-01-01").astype(object).replace(month=day + 1)
        cloudy = np.ones(WINDOWS**2, dtype=bool)
        cloudy[random.permutation(WINDOWS**2)[: round(share * WINDOWS**2)]] = False
        lst_k = 290.0 + 3.0 * smooth(random, 1200) + 0.5 * random.standard_normal((1200, 1200))
        # A cloud in the middle of a window: half its pixels, and none of its neighbours'.
        middles = np.kron(cloudy.reshape(WINDOWS, WINDOWS), np.pad(np.ones((44, 44), dtype=bool), 10))
        lst_k[:1152, :1152][middles] = np.nan
        ndvi = np.clip(
            0.5 + 0.15 * smooth(random, 4800) + 0.02 * random.standard_normal((4800, 4800)), -0.2, 0.9
        )
        both = 0.4 + 0.0 * ndvi
        both[np.kron(np.isnan(lst_k), np.ones((SCALE, SCALE), dtype=bool))] = 1.0  # clouds are bright
        red, nir = (
            Raster(0.5 * both * (1.0 + sign * ndvi), TILE.transform(FINE_PIXEL_M), SINUSOIDAL)
            for sign in (-1, 1)
        )
        write_lst_granule(
            directory / str(GranuleName("MOD21A1D", date, TILE)),
            Raster(lst_k, TILE.transform(COARSE_PIXEL_M), SINUSOIDAL),
        )
        write_reflectance_granule(directory / str(GranuleName("MOD09GQ", date, TILE)), red, nir)
    return directory


def smooth(random: np.random.Generator, side: int) -> np.ndarray:
    coarse = random.standard_normal((side // 16 + 2, side // 16 + 2))
    return np.asarray(ndimage.zoom(coarse, 16, order=1)[:side, :side])


def read_all(directory: Path) -> None:
    """Every dataset that patches are made of, once, as pyhdf gives it."""
    for path in sorted(directory.glob("*.hdf")):
        file = SD(str(path), SDC.READ)
        for name in (
            ("LST_1KM", "QC") if path.name.startswith("MOD21A1D") else ("sur_refl_b01_1", "sur_refl_b02_1")
        ):
            assert file.select(name).get().size
        file.end()


def report(benchmark: BenchmarkFixture, what: str) -> None:
    median_s = benchmark.stats.stats.median
    print(
        f"\n{what}: {median_s / len(CLEAR_SHARES):.2f} s a day,"
        f" {365 * median_s / len(CLEAR_SHARES) / 60.0:.1f} min a year"
    )


@pytest.mark.benchmark(group="a year of granules of a tile")
def test_reading_with_pyhdf(benchmark: BenchmarkFixture, year: Path) -> None:
    benchmark.pedantic(read_all, args=[year], rounds=3)
    report(benchmark, "pyhdf")


@pytest.mark.benchmark(group="a year of granules of a tile")
def test_patching(benchmark: BenchmarkFixture, year: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    def patch() -> int:
        out = tmp_path_factory.mktemp("patches")
        return len(update(year, out, PatchSettings()).patches)

    patches = benchmark.pedantic(patch, rounds=3)
    assert patches == sum(round(share * WINDOWS**2) for share in CLEAR_SHARES)
    report(benchmark, f"{patches} patches of {len(CLEAR_SHARES)} days")


@pytest.mark.benchmark(group="a year that is cut already")
def test_patching_again(benchmark: BenchmarkFixture, year: Path, tmp_path: Path) -> None:
    for pair in granule_pairs(year):
        assert pair.reflectance is not None
        cut_granule(pair.lst, pair.reflectance, tmp_path, PatchSettings())
    benchmark.pedantic(update, args=[year, tmp_path, PatchSettings()], rounds=3)
    report(benchmark, "nothing to cut")
