"""A whole tile's SIF-CNN-SR1 map against a plain loop over disjoint
blocks, and against the arithmetic that it needs.

The plain loop cuts the tile into blocks of 64×64 fine pixels and runs the network as it is trained over
one after the other, which leaves a seam around each. The floor is 55 kFLOP a fine pixel over the rate
at which torch multiplies float32 matrices here.
"""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import ndimage

from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, TILE_COARSE_PIXELS, Tile
from lstsr_core.geo.operators import upsample
from lstsr_core.geo.raster import FloatArray, Raster
from lstsr_core.modis.names import GranuleName
from lstsr_core.networks.tiling import LARGEST_CORE
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.networks.weights import Model, save_model
from lstsr_core.patches.statistics import Statistics
from lstsr_core.simulation.granule_writer import write_lst_granule, write_reflectance_granule

THREADS, BLOCK = 2, 64
FLOP_PER_PIXEL = 55e3
STATISTICS = Statistics(303.0, 8.0, 0.6, 0.17, 250.0, 350.0, -1.0, 1.0)
GROUP = "SIF-CNN-SR1, tile of 4800×4800"


@pytest.fixture(scope="module")
def model() -> Model:
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    return Model(SharpeningUNet("half-pixel").eval(), STATISTICS, "random")


@pytest.fixture(scope="module")
def tile() -> tuple[FloatArray, FloatArray]:
    """Smooth LST and NDVI of a tile, (1200, 1200) and (4800, 4800)."""
    random = np.random.default_rng(0)
    lst_k = 303.0 + 40.0 * ndimage.gaussian_filter(
        random.standard_normal((TILE_COARSE_PIXELS, TILE_COARSE_PIXELS)), 4
    )
    ndvi = 0.6 + 1.2 * ndimage.gaussian_filter(
        random.standard_normal((4 * TILE_COARSE_PIXELS, 4 * TILE_COARSE_PIXELS)), 2
    )
    return lst_k, np.clip(ndvi, -0.9, 0.95)


def matrix_rate_flop_s() -> float:
    """The best of five products of 2048×2048 matrices."""
    one, other = torch.randn(2, 2048, 2048)
    fastest_s = np.inf
    for _ in range(5):
        start = time.perf_counter()
        torch.mm(one, other)
        fastest_s = min(fastest_s, time.perf_counter() - start)
    return float(2 * 2048**3 / fastest_s)


def measured(benchmark: BenchmarkFixture, function: Callable[[], FloatArray]) -> FloatArray:
    """Run once after a matrix rate; what it took beside the floor goes with the result."""
    benchmark.group = GROUP
    rate = matrix_rate_flop_s()
    spent_s = time.process_time()
    result: FloatArray = benchmark.pedantic(function, rounds=1)
    floor_s = FLOP_PER_PIXEL * result.size / rate
    benchmark.extra_info["gflop_per_s_of_matrices"] = rate / 1e9
    benchmark.extra_info["times_the_floor"] = benchmark.stats.stats.min / floor_s
    benchmark.extra_info["cpu_s"] = time.process_time() - spent_s
    print({name: round(value, 2) for name, value in benchmark.extra_info.items()})
    return result


def test_plain(benchmark: BenchmarkFixture, model: Model, tile: tuple[FloatArray, FloatArray]) -> None:
    def plain() -> FloatArray:
        lst_k, ndvi = tile
        scores = np.stack([(upsample(lst_k) - 303.0) / 8.0, (ndvi - 0.6) / 0.17]).astype(np.float32)
        result = np.empty(ndvi.shape)
        with torch.no_grad():
            for row in range(0, ndvi.shape[0], BLOCK):
                for column in range(0, ndvi.shape[1], BLOCK):
                    block = torch.from_numpy(scores[None, :, row : row + BLOCK, column : column + BLOCK])
                    result[row : row + BLOCK, column : column + BLOCK] = (
                        model.network(block)[0, 0].numpy() * 8.0 + 303.0
                    )
        return result

    torch.set_num_threads(1)  # so small blocks take several times as long on two
    try:
        assert np.isfinite(measured(benchmark, plain)).all()
    finally:
        torch.set_num_threads(THREADS)


def test_seamless(benchmark: BenchmarkFixture, model: Model, tile: tuple[FloatArray, FloatArray]) -> None:
    lst_k, ndvi = tile
    found_k = measured(benchmark, lambda: model.predict_k(upsample(lst_k), ndvi))
    # Around the corner of four windows: one pass over it, with more around than the network sees.
    part = slice(LARGEST_CORE - 160, LARGEST_CORE + 160)
    scores = np.stack([(upsample(lst_k)[part, part] - 303.0) / 8.0, (ndvi[part, part] - 0.6) / 0.17])
    with torch.inference_mode():
        expected_k = (
            model.network(torch.from_numpy(scores[None].astype(np.float32)))[0, 0].numpy() * 8.0 + 303.0
        )
    inner = slice(80, -80)
    assert np.abs(found_k[part, part][inner, inner] - expected_k[inner, inner]).max() < 1e-3


def test_command(benchmark: BenchmarkFixture, tile: tuple[FloatArray, FloatArray], tmp_path: Path) -> None:
    """`lstsr predict` from two whole granules to the file, in a
    process of its own, whose peak memory is told."""
    benchmark.group = GROUP
    lst_k, ndvi = tile[0].copy(), tile[1]
    lst_k[200:400, 300:700] = np.nan
    h18v04, day = Tile(18, 4), datetime.date(2018, 7, 19)
    lst, reflectance = (
        tmp_path / str(GranuleName(product, day, h18v04)) for product in ("MOD21A1D", "MOD09GQ")
    )
    write_lst_granule(lst, Raster(lst_k, h18v04.transform(COARSE_PIXEL_M), SINUSOIDAL))
    red, nir = (
        Raster(0.2 * (1.0 + sign * ndvi), h18v04.transform(FINE_PIXEL_M), SINUSOIDAL) for sign in (-1, 1)
    )
    write_reflectance_granule(reflectance, red, nir)
    save_model(SharpeningUNet("half-pixel"), STATISTICS, tmp_path / "sif-cnn-sr1.safetensors")
    command = [
        sys.executable, "-m", "lstsr_core.cli", "predict", "--lst", lst, "--reflectance", reflectance,
        "--weights", tmp_path, "--out", tmp_path / "map.tif", "--threads", str(THREADS),
    ]  # fmt: skip

    def run() -> tuple[int, float, float]:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return process.returncode, used.ru_maxrss / 1e6, used.ru_utime + used.ru_stime

    code, peak_gb, cpu_s = benchmark.pedantic(run, rounds=1)
    assert code == 0
    benchmark.extra_info |= {
        "peak_gb": peak_gb,
        "cpu_s": cpu_s,
        "map_mb": (tmp_path / "map.tif").stat().st_size / 1e6,
    }
    print({name: round(value, 2) for name, value in benchmark.extra_info.items()})
    assert peak_gb < 4.0
