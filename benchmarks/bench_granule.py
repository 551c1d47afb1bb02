"""Whole granules read in a process of their own, against pyhdf in this
one; both give digital numbers of every pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pyhdf.SD import SD
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import ndimage

from lstsr_core.geo.grid import (
    COARSE_PIXEL_M,
    FINE_PIXEL_M,
    SINUSOIDAL,
    TILE_COARSE_PIXELS,
    TILE_FINE_PIXELS,
    Tile,
)
from lstsr_core.geo.raster import Raster
from lstsr_core.modis.hdf4 import read_hdf
from lstsr_core.simulation.granule_writer import write_lst_granule, write_reflectance_granule

TILE = Tile(18, 4)
DATASETS = {"lst": ["LST_1KM", "QC"], "reflectance": ["sur_refl_b01_1", "sur_refl_b02_1"]}


def landscape(
    size: int, pixel_m: float, mean: float, spread: float, generator: np.random.Generator
) -> Raster:
    """Fields of 16 pixels and a little noise, which deflate about as a real granule does."""
    fields = ndimage.zoom(generator.standard_normal((size // 16, size // 16)), 16, order=1)
    values = mean + spread * (fields + 0.05 * generator.standard_normal((size, size)))
    return Raster(np.maximum(values, 0.0), TILE.transform(pixel_m), SINUSOIDAL)


@pytest.fixture(scope="module")
def granules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory, generator = tmp_path_factory.mktemp("granules"), np.random.default_rng(0)
    paths = {name: directory / f"{name}.hdf" for name in DATASETS}
    write_lst_granule(paths["lst"], landscape(TILE_COARSE_PIXELS, COARSE_PIXEL_M, 300.0, 5.0, generator))
    red, nir = (landscape(TILE_FINE_PIXELS, FINE_PIXEL_M, mean, mean / 4, generator) for mean in (0.1, 0.35))
    write_reflectance_granule(paths["reflectance"], red, nir)
    return paths


def isolated_read(granules: dict[str, Path]) -> list[np.ndarray]:
    return [
        read.pixels
        for name, datasets in DATASETS.items()
        for read in read_hdf(granules[name], datasets).datasets.values()
    ]


def plain_read(granules: dict[str, Path]) -> list[np.ndarray]:
    pixels = []
    for name, datasets in DATASETS.items():
        file = SD(str(granules[name]))
        pixels += [file.select(dataset).get() for dataset in datasets]
        file.end()
    return pixels


@pytest.mark.benchmark(group="LST and reflectance granules of a tile")
@pytest.mark.parametrize("read", [isolated_read, plain_read], ids=["here", "pyhdf in this process"])
def test_read(benchmark: BenchmarkFixture, read, granules: dict[str, Path]) -> None:
    pixels = benchmark.pedantic(read, args=(granules,), rounds=7, warmup_rounds=1)
    for mine, theirs in zip(pixels, plain_read(granules), strict=True):
        np.testing.assert_array_equal(mine, theirs)
