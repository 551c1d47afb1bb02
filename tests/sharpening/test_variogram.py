"""Semivariograms against slow loops, other minimisers and a field whose semivariogram is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit

from lstsr_core.base.errors import NoResult
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M
from lstsr_core.sharpening.variogram import (
    DISTANCES_M,
    RANGES_M,
    Variogram,
    block_to_block,
    empirical_semivariances,
    fit_variograms,
    regularised_semivariances,
)

WINDOW_PIXELS = list(itertools.product(range(5), range(5)))


def squared_distance(first: tuple[int, int], second: tuple[int, int]) -> int:
    return (first[0] - second[0]) ** 2 + (first[1] - second[1]) ** 2


SQUARED_DISTANCES = sorted({squared_distance(a, b) for a in WINDOW_PIXELS for b in WINDOW_PIXELS})


def exponential_field(size: int, range_m: float, sill: float, seed: int) -> np.ndarray:
    """Gaussian field of shape (size, size) at 250 m, periodic, whose semivariogram is exponential."""
    offset = np.minimum(np.arange(size), size - np.arange(size))
    covariance = sill * np.exp(-3.0 * FINE_PIXEL_M * np.hypot(offset[:, None], offset) / range_m)
    spectrum = np.maximum(np.fft.fft2(covariance).real, 0.0)
    noise = np.random.default_rng(seed).standard_normal((size, size))
    return np.fft.ifft2(np.fft.fft2(noise) * np.sqrt(spectrum)).real


def coarse_means(fine: np.ndarray) -> np.ndarray:
    return fine.reshape(fine.shape[0] // 4, 4, fine.shape[1] // 4, 4).mean(axis=(1, 3))


def semivariances_by_loops(residual_k: np.ndarray) -> np.ndarray:
    of_windows: dict[int, list[float]] = {squared: [] for squared in SQUARED_DISTANCES[1:]}
    for row in range(residual_k.shape[0] - 4):
        for column in range(residual_k.shape[1] - 4):
            squares: dict[int, list[float]] = {squared: [] for squared in SQUARED_DISTANCES}
            for first, second in itertools.product(WINDOW_PIXELS, WINDOW_PIXELS):
                here = residual_k[row + first[0], column + first[1]]
                there = residual_k[row + second[0], column + second[1]]
                if not math.isnan(here - there):
                    squares[squared_distance(first, second)].append((here - there) ** 2)
            for squared, values in of_windows.items():
                if squares[squared] and sum(squares[squared]) > 0.0:
                    values.append(0.5 * sum(squares[squared]) / len(squares[squared]))
    return np.array([np.mean(values) if values else np.nan for values in of_windows.values()])


def average_by_loops(variogram: Variogram, down: int, right: int) -> float:
    total = 0.0
    for first, second in itertools.product(itertools.product(range(4), range(4)), repeat=2):
        rows, columns = 4 * down + second[0] - first[0], 4 * right + second[1] - first[1]
        distance_m = FINE_PIXEL_M * math.hypot(rows, columns)
        total += variogram.sill * (1.0 - math.exp(-3.0 * distance_m / variogram.range_m))
    return total / 256.0


def regularised_by_loops(variogram: Variogram, published: bool) -> np.ndarray:
    sums, counts = dict.fromkeys(SQUARED_DISTANCES, 0.0), dict.fromkeys(SQUARED_DISTANCES, 0)
    for first in WINDOW_PIXELS:
        for second in WINDOW_PIXELS:
            squared = squared_distance(first, second)
            sums[squared] += average_by_loops(variogram, second[0] - first[0], second[1] - first[1])
            counts[squared] += 1
        if published:
            sums = {squared: total / max(counts[squared], 1) for squared, total in sums.items()}
    averages = np.array(
        [sums[squared] if published else sums[squared] / counts[squared] for squared in SQUARED_DISTANCES]
    )
    return averages[1:] - averages[0]


def test_distances_are_the_fourteen_of_a_window() -> None:
    np.testing.assert_allclose(DISTANCES_M, COARSE_PIXEL_M * np.sqrt(SQUARED_DISTANCES[1:]))
    assert len(DISTANCES_M) == 14


def test_exponential_model() -> None:
    variogram = Variogram(4.0, 1500.0)
    assert variogram(np.array([0.0, 1500.0, 1e9])) == pytest.approx([0.0, 4.0 * (1.0 - math.exp(-3.0)), 4.0])


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.8), st.integers(5, 9), st.integers(5, 9))
def test_empirical_semivariances_are_those_of_loops(
    seed: int, missing: float, rows: int, columns: int
) -> None:
    generator = np.random.default_rng(seed)
    residual_k = generator.normal(size=(rows, columns)).round(1)  # rounded, so that some pairs do not differ
    residual_k[generator.random(residual_k.shape) < missing] = np.nan
    residual_k[:5, :3] = 0.3
    np.testing.assert_allclose(
        empirical_semivariances(residual_k), semivariances_by_loops(residual_k), rtol=1e-12
    )


def test_windows_without_difference_do_not_dilute_the_mean() -> None:
    residual_k = np.zeros((5, 30))
    residual_k[:, :5] = np.random.default_rng(0).normal(size=(5, 5))
    expected = semivariances_by_loops(residual_k)
    np.testing.assert_allclose(empirical_semivariances(residual_k), expected, rtol=1e-12)
    # At the shortest distance, the windows that hold nothing but zeros would have halved it at least.
    assert expected[0] > 2.0 * np.mean(
        [0.5 * np.mean(np.diff(residual_k[:, k : k + 5]) ** 2) for k in range(26)]
    )


def test_a_raster_smaller_than_a_window_has_no_semivariances() -> None:
    assert np.isnan(empirical_semivariances(np.random.default_rng(0).normal(size=(4, 20)))).all()


def test_averages_between_blocks_are_those_of_loops() -> None:
    variogram = Variogram(2.5, 1200.0)
    expected = [[average_by_loops(variogram, down, right) for right in range(5)] for down in range(5)]
    np.testing.assert_allclose(block_to_block(variogram), expected, rtol=1e-12)


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("range_m", [300.0, 4600.0])
def test_regularised_semivariances_are_those_of_loops(range_m: float, published: bool) -> None:
    variogram = Variogram(3.0, range_m)
    expected = regularised_by_loops(variogram, published)
    np.testing.assert_allclose(regularised_semivariances(variogram, published), expected, rtol=1e-11)


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_fits_are_where_another_minimiser_ends(seed: int, published: bool) -> None:
    """From (7 K², 1000 m) and with differences for derivatives, as the method is defined."""
    variograms = fit_variograms(coarse_means(exponential_field(160, 3000.0, 4.0, seed)), published)

    def model(distance_m: np.ndarray, sill: float, range_m: float) -> np.ndarray:
        return sill * (1.0 - np.exp(-3.0 * distance_m / range_m))

    def regularised(_: np.ndarray, sill: float, range_m: float) -> np.ndarray:
        return regularised_semivariances(Variogram(sill, max(range_m, RANGES_M[0])), published)

    start, (distances_m, empirical_k2) = (7.0, 1000.0), (variograms.distances_m, variograms.empirical_k2)
    coarse, _ = curve_fit(model, distances_m, empirical_k2, start, xtol=1e-12, ftol=1e-12)
    assert (variograms.coarse.sill, variograms.coarse.range_m) == pytest.approx(tuple(coarse), rel=1e-4)
    # Steps from there may lead the published curve astray; a start at the usual range leads to the same end.
    point, _ = curve_fit(
        regularised,
        distances_m,
        empirical_k2,
        (20.0, 4600.0) if published else coarse,
        xtol=1e-12,
        ftol=1e-12,
    )
    assert (variograms.point.sill, variograms.point.range_m) == pytest.approx(tuple(point), rel=1e-4)
    np.testing.assert_allclose(
        variograms.regularised_k2, regularised_by_loops(variograms.point, published), rtol=1e-10
    )


@given(st.integers(0, 2**32 - 1), st.floats(-0.5, 2.5), st.booleans())
def test_no_other_range_fits_better(seed: int, roughness: float, published: bool) -> None:
    frequency = np.hypot(np.fft.fftfreq(16)[:, None], np.fft.fftfreq(16))
    frequency[0, 0] = 1.0
    noise = np.random.default_rng(seed).standard_normal((16, 16))
    variograms = fit_variograms(np.fft.ifft2(np.fft.fft2(noise) * frequency**-roughness).real, published)
    assert variograms.point.sill > 0.0
    misfit = np.sum((variograms.regularised_k2 - variograms.empirical_k2) ** 2)
    for range_m in np.geomspace(*RANGES_M, 500):
        curve = regularised_semivariances(Variogram(1.0, range_m), published)
        sill = max(curve @ variograms.empirical_k2 / (curve @ curve), 0.0)
        assert misfit <= np.sum((sill * curve - variograms.empirical_k2) ** 2) * (1.0 + 1e-6)


def test_deconvolution_finds_the_semivariogram_of_the_points() -> None:
    """From block means the coarse fit is too smooth and too low; the deconvolved one is right."""
    variograms = fit_variograms(coarse_means(exponential_field(1024, 1500.0, 4.0, seed=9)))
    assert variograms.point.range_m == pytest.approx(1500.0, rel=0.05)
    assert variograms.point.sill == pytest.approx(4.0, rel=0.05)
    assert variograms.coarse.range_m > 1.2 * 1500.0 and variograms.coarse.sill < 0.8 * 4.0


@given(st.floats(-6.0, 6.0), st.booleans())
def test_the_range_does_not_depend_on_the_unit(exponent: float, published: bool) -> None:
    residual_k = coarse_means(exponential_field(80, 3000.0, 4.0, seed=10))
    factor = 10.0**exponent
    variograms, scaled = fit_variograms(residual_k, published), fit_variograms(factor * residual_k, published)
    assert scaled.point.range_m == pytest.approx(variograms.point.range_m, rel=1e-5)
    assert scaled.point.sill == pytest.approx(factor**2 * variograms.point.sill, rel=1e-5)


@pytest.mark.parametrize("published", [False, True])
def test_residuals_without_structure_or_without_end_keep_a_usable_range(published: bool) -> None:
    white = np.random.default_rng(11).normal(size=(64, 64))
    slope = np.add.outer(np.arange(64.0), np.zeros(64))
    checkerboard = (np.indices((64, 64)).sum(axis=0) % 2).astype(float)
    for residual_k in (white, slope, checkerboard):
        variograms = fit_variograms(residual_k, published)
        assert RANGES_M[0] * 0.999 < variograms.point.range_m < RANGES_M[1] * 1.001
        assert (
            np.isfinite([variograms.point.sill, variograms.coarse.sill]).all() and variograms.point.sill > 0.0
        )
        assert np.isfinite(variograms.regularised_k2).all()


def test_distances_without_pairs_are_left_out() -> None:
    residual_k = np.full((20, 20), np.nan)
    residual_k[:2] = np.random.default_rng(12).normal(size=(2, 20))
    variograms = fit_variograms(residual_k)
    expected = COARSE_PIXEL_M * np.sqrt([1, 2, 4, 5, 9, 10, 16, 17])
    np.testing.assert_allclose(variograms.distances_m, expected)
    assert variograms.empirical_k2.shape == variograms.regularised_k2.shape == expected.shape


@pytest.mark.parametrize(
    "residual_k",
    [
        np.random.default_rng(13).normal(size=(4, 64)),
        np.full((10, 10), 1.5),
        np.full((10, 10), np.nan),
        np.where(
            np.add.outer(np.arange(20) % 5, np.arange(20) % 5) == 0, np.arange(400.0).reshape(20, 20), np.nan
        ),
    ],
    ids=["narrow", "constant", "missing", "isolated"],
)
def test_residuals_without_a_semivariogram_are_named(residual_k: np.ndarray) -> None:
    with pytest.raises(NoResult, match="differing pixels at 0 distances within 5×5 pixels") as raised:
        fit_variograms(residual_k)
    assert "\n" not in str(raised.value)
