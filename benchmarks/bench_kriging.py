"""How long ATPRK and AATPRK take, beside the same in plain loops over pixels.

``pytest benchmarks/bench_kriging.py`` prints a table for each group, with the ratio to the fastest in
brackets. The scenes are synthetic: fractal NDVI, and an LST that follows it with a fractal departure.
"""

from __future__ import annotations

import itertools
import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import curve_fit

from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SCALE
from lstsr_core.sharpening.kriging import aatprk, atprk

Array = NDArray[np.float64]

COARSE_SIDE = 64
TILE_SIDE = 1200
CLOUD_COVER = 0.1
AGREEMENT_K = 1e-6


def fractal(side: int, slope: float, generator: np.random.Generator) -> Array:
    """Field of shape (side, side) with amplitude spectrum f^−slope, mean 0 and standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side))
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(generator.standard_normal((side, side))) * frequency**-slope
    field: Array = np.fft.irfft2(spectrum, s=(side, side))
    return (field - field.mean()) / field.std()


@cache
def synthetic_pair(coarse_side: int) -> tuple[Array, Array]:
    """LST in kelvin of shape (coarse_side, coarse_side) and NDVI of four times that."""
    generator = np.random.default_rng(20)
    fine_side = SCALE * coarse_side
    ndvi = np.clip(0.5 + 0.2 * fractal(fine_side, 1.3, generator), -1.0, 1.0)
    truth_k = 305.0 - 12.0 * ndvi + 3.0 * fractal(fine_side, 1.2, generator)
    return truth_k.reshape(coarse_side, SCALE, coarse_side, SCALE).mean(axis=(1, 3)), ndvi


@cache
def cloudy_tile() -> tuple[Array, Array]:
    """A whole tile with a tenth of its LST under clouds a few kilometres wide."""
    lst_k, ndvi = synthetic_pair(TILE_SIDE)
    cloud = ndimage.gaussian_filter(np.random.default_rng(21).standard_normal(lst_k.shape), 5.0)
    return np.where(cloud > np.quantile(cloud, 1.0 - CLOUD_COVER), np.nan, lst_k), ndvi


def fitted_line(x: list[float], y: list[float]) -> tuple[float, float]:
    slope, intercept = np.polyfit(x, y, 1)
    return float(slope), float(intercept)


def gamma(distance_m: float, sill: float, range_m: float) -> float:
    return sill * (1.0 - math.exp(-3.0 * distance_m / range_m))


def window_around(row: int, column: int, rows: int, columns: int) -> list[tuple[int, int]]:
    return [
        (r, c)
        for r in range(max(row - 2, 0), min(row + 3, rows))
        for c in range(max(column - 2, 0), min(column + 3, columns))
    ]


def loop_semivariogram(residual_k: Array) -> dict[int, float]:
    """Empirical semivariance by squared distance in coarse pixels."""
    rows, columns = residual_k.shape
    pairs = list(itertools.combinations(itertools.product(range(5), range(5)), 2))
    of_windows: dict[int, list[float]] = {}
    for row in range(rows - 4):
        for column in range(columns - 4):
            window = residual_k[row : row + 5, column : column + 5].tolist()
            sums: dict[int, float] = {}
            counts: dict[int, int] = {}
            for (r, c), (s, d) in pairs:
                squared = (r - s) ** 2 + (c - d) ** 2
                sums[squared] = sums.get(squared, 0.0) + (window[r][c] - window[s][d]) ** 2
                counts[squared] = counts.get(squared, 0) + 1
            for squared, total in sums.items():
                if total > 0.0:
                    of_windows.setdefault(squared, []).append(0.5 * total / counts[squared])
    return {squared: sum(values) / len(values) for squared, values in sorted(of_windows.items())}


def loop_block_average(down: int, right: int, sill: float, range_m: float) -> float:
    total = 0.0
    for i, j, k, m in itertools.product(range(SCALE), repeat=4):
        total += gamma(FINE_PIXEL_M * math.hypot(SCALE * down + k - i, SCALE * right + m - j), sill, range_m)
    return total / SCALE**4


def loop_range_m(residual_k: Array) -> float:
    """Range of the deconvolved semivariogram."""
    empirical = loop_semivariogram(residual_k)
    distances_m = [COARSE_PIXEL_M * math.sqrt(squared) for squared in empirical]

    def coarse(_: Any, sill: float, range_m: float) -> list[float]:
        return [gamma(distance_m, sill, range_m) for distance_m in distances_m]

    def regularised(_: Any, sill: float, range_m: float) -> list[float]:
        sums: dict[int, list[float]] = {}
        for down, right in itertools.product(range(5), range(5)):
            sums.setdefault(down**2 + right**2, []).append(loop_block_average(down, right, sill, range_m))
        return [sum(sums[squared]) / len(sums[squared]) - sums[0][0] for squared in empirical]

    target = list(empirical.values())
    start, _ = curve_fit(coarse, distances_m, target, (7.0, 1000.0), xtol=1e-10, ftol=1e-10)
    (_, range_m), _ = curve_fit(regularised, distances_m, target, start, xtol=1e-10, ftol=1e-10)
    return float(range_m)


def loop_kriging(residual_k: Array) -> Array:
    rows, columns = residual_k.shape
    range_m = loop_range_m(residual_k)
    between = {
        (down, right): loop_block_average(down, right, 1.0, range_m)
        for down in range(5)
        for right in range(5)
    }
    to_point = {}
    for down, right, i, j in itertools.product(range(-2, 3), range(-2, 3), range(SCALE), range(SCALE)):
        total = 0.0
        for k, m in itertools.product(range(SCALE), range(SCALE)):
            total += gamma(
                FINE_PIXEL_M * math.hypot(SCALE * down + k - i, SCALE * right + m - j), 1.0, range_m
            )
        to_point[down, right, i, j] = total / SCALE**2
    fine_k = np.empty((SCALE * rows, SCALE * columns))
    for row in range(rows):
        for column in range(columns):
            near = window_around(row, column, rows, columns)
            system, right_sides = np.ones((len(near) + 1, len(near) + 1)), np.ones((len(near) + 1, SCALE**2))
            system[-1, -1] = 0.0
            for a, (r, c) in enumerate(near):
                for b, (s, d) in enumerate(near):
                    system[a, b] = between[abs(r - s), abs(c - d)]
                for i, j in itertools.product(range(SCALE), range(SCALE)):
                    right_sides[a, SCALE * i + j] = to_point[r - row, c - column, i, j]
            weights = np.linalg.solve(system, right_sides)
            for i, j in itertools.product(range(SCALE), range(SCALE)):
                value = 0.0
                for a, pixel in enumerate(near):
                    value += weights[a, SCALE * i + j] * residual_k[pixel]
                fine_k[SCALE * row + i, SCALE * column + j] = value
    return fine_k


def loop_sharpener(lst_k: Array, ndvi: Array, local: bool) -> Array:
    """ATPRK, or AATPRK with local lines, pixel by pixel; for scenes without missing or cold pixels."""
    rows, columns = lst_k.shape
    coarse_ndvi = np.empty((rows, columns))
    for row in range(rows):
        for column in range(columns):
            coarse_ndvi[row, column] = ndvi[
                SCALE * row : SCALE * row + SCALE, SCALE * column : SCALE * column + SCALE
            ].mean()
    scene_line = fitted_line(coarse_ndvi.ravel().tolist(), lst_k.ravel().tolist())
    residual_k, fine_k = np.empty((rows, columns)), np.empty(ndvi.shape)
    for row in range(rows):
        for column in range(columns):
            near = window_around(row, column, rows, columns)
            if local and len(near) == 25:
                slope, intercept = fitted_line(
                    [coarse_ndvi[pixel] for pixel in near], [lst_k[pixel] for pixel in near]
                )
            else:
                slope, intercept = scene_line
            residual_k[row, column] = lst_k[row, column] - (intercept + slope * coarse_ndvi[row, column])
            for i, j in itertools.product(range(SCALE), range(SCALE)):
                fine_k[SCALE * row + i, SCALE * column + j] = (
                    intercept + slope * ndvi[SCALE * row + i, SCALE * column + j]
                )
    return fine_k + loop_kriging(residual_k)


@pytest.mark.benchmark(group="ATPRK, 64×64")
def test_atprk(benchmark: Any) -> None:
    lst_k, ndvi = synthetic_pair(COARSE_SIDE)
    assert np.isfinite(benchmark(atprk, lst_k, ndvi)).all()


@pytest.mark.benchmark(group="ATPRK, 64×64")
def test_atprk_in_loops(benchmark: Any) -> None:
    lst_k, ndvi = synthetic_pair(COARSE_SIDE)
    looped_k = benchmark.pedantic(loop_sharpener, (lst_k, ndvi), {"local": False}, rounds=1)
    np.testing.assert_allclose(atprk(lst_k, ndvi), looped_k, rtol=0.0, atol=AGREEMENT_K)


@pytest.mark.benchmark(group="AATPRK, 64×64")
def test_aatprk(benchmark: Any) -> None:
    lst_k, ndvi = synthetic_pair(COARSE_SIDE)
    assert np.isfinite(benchmark(aatprk, lst_k, ndvi)).all()


@pytest.mark.benchmark(group="AATPRK, 64×64")
def test_aatprk_in_loops(benchmark: Any) -> None:
    lst_k, ndvi = synthetic_pair(COARSE_SIDE)
    looped_k = benchmark.pedantic(loop_sharpener, (lst_k, ndvi), {"local": True}, rounds=1)
    np.testing.assert_allclose(aatprk(lst_k, ndvi), looped_k, rtol=0.0, atol=AGREEMENT_K)


@pytest.mark.benchmark(group="ATPRK, 1200×1200")
def test_atprk_of_a_cloudy_tile(benchmark: Any) -> None:
    lst_k, ndvi = cloudy_tile()
    fine_k = benchmark.pedantic(atprk, (lst_k, ndvi), rounds=2)
    assert np.isfinite(fine_k).sum() == SCALE**2 * np.isfinite(lst_k).sum()
