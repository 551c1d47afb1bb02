"""DMS against the same method with an estimator for each leaf and a loop over each coarse pixel."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from pytest_benchmark.fixture import BenchmarkFixture
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeRegressor

from lstsr_core.sharpening.dms import dms

SIZES = [64, 1200]
SEED = 0


@pytest.fixture(scope="module", params=SIZES)
def pair(request: pytest.FixtureRequest) -> tuple[np.ndarray, np.ndarray]:
    """Fractal LST in kelvin of (size, size), and NDVI of (4·size, 4·size) that it follows in part."""
    generator = np.random.default_rng(SEED)
    ndvi = 0.5 + 0.45 * np.tanh(0.5 * fractal(4 * request.param, 1.5, generator))
    fine_k = 312.0 - 12.0 * ndvi + 3.0 * np.sin(6.0 * ndvi) + 2.0 * fractal(4 * request.param, 1.8, generator)
    return (fine_k**4).reshape(request.param, 4, request.param, 4).mean(axis=(1, 3)) ** 0.25, ndvi


def fractal(size: int, slope: float, generator: np.random.Generator) -> np.ndarray:
    """Gaussian field with amplitude spectrum f^−slope, mean 0 and standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(
        np.fft.rfft2(generator.standard_normal((size, size))) * frequency**-slope, s=(size, size)
    )
    return (field - field.mean()) / field.std()


def blocks(fine: np.ndarray) -> Iterator[tuple[int, int, np.ndarray]]:
    for row in range(fine.shape[0] // 4):
        for column in range(fine.shape[1] // 4):
            yield row, column, fine[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]


def plain_dms(lst_k: np.ndarray, ndvi: np.ndarray) -> np.ndarray:
    mean, variation = np.empty_like(lst_k), np.empty_like(lst_k)
    for row, column, block in blocks(ndvi):
        mean[row, column] = block.mean()
        variation[row, column] = block.std() / block.mean()
    samples, target_k, variation = mean.reshape(-1, 1), lst_k.ravel(), variation.ravel()
    weight = 1.0 / variation
    weight = (weight - weight.min()) / (weight.max() - weight.min())
    weight[variation > np.percentile(variation, 80)] /= 2.0

    pixels = ndvi.reshape(-1, 1)
    total_k = np.zeros(len(pixels))
    for seed in np.random.RandomState(SEED).randint(np.iinfo(np.int32).max, size=10):
        drawn = np.random.RandomState(seed).randint(0, len(samples), len(samples))
        tree = DecisionTreeRegressor(max_leaf_nodes=30, min_samples_leaf=10)
        tree.fit(samples, target_k, sample_weight=np.bincount(drawn, minlength=len(samples)) * weight)
        leaf_of_sample, leaf_of_pixel = tree.apply(samples), tree.apply(pixels)
        for leaf in np.unique(leaf_of_sample):
            here, there = leaf_of_sample == leaf, leaf_of_pixel == leaf
            if not there.any():
                continue
            line_k = Ridge(alpha=1.0).fit(samples[here], target_k[here]).predict(pixels[there])
            low_k, high_k = target_k[here].min(), target_k[here].max()
            margin_k = 0.25 * (high_k - low_k)
            total_k[there] += np.clip(line_k, low_k - margin_k, high_k + margin_k)
    fine_k = (total_k / 10.0).reshape(ndvi.shape)

    residual = np.empty_like(lst_k)
    for row, column, block_k in blocks(fine_k):
        residual[row, column] = lst_k[row, column] ** 4 - (block_k**4).mean()
    upsampled = torch.nn.functional.interpolate(
        torch.from_numpy(residual)[None, None], scale_factor=4, mode="bicubic"
    )
    return (fine_k**4 + upsampled[0, 0].numpy()) ** 0.25


def test_plain(benchmark: BenchmarkFixture, pair: tuple[np.ndarray, np.ndarray]) -> None:
    benchmark.group = f"DMS, {len(pair[0])}×{len(pair[0])}"
    expected = benchmark.pedantic(plain_dms, args=pair, rounds=1)
    np.testing.assert_allclose(dms(*pair, seed=SEED), expected, atol=1e-6)


@pytest.mark.parametrize("moving_window", [0, 30], ids=["global", "window_30"])
def test_package(
    benchmark: BenchmarkFixture, pair: tuple[np.ndarray, np.ndarray], moving_window: int
) -> None:
    benchmark.group = f"DMS, {len(pair[0])}×{len(pair[0])}"
    rounds = 5 if len(pair[0]) == SIZES[0] else 1
    fine_k = benchmark.pedantic(
        dms, args=pair, kwargs={"seed": SEED, "moving_window": moving_window}, rounds=rounds
    )
    assert np.isfinite(fine_k).all()
