"""Metrics of one product at the size of a published scene, beside the plain loops that define them.

Run with ``pytest benchmarks/bench_metrics.py``; every loop's result is compared with the module's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import ndimage

from lstsr_core.metrics import perceptual
from lstsr_core.metrics.fourier import attenuation_db, compare_spectra
from lstsr_core.metrics.images import (
    bias,
    consistency_k,
    correlation,
    gssim,
    psnr_db,
    rmse,
    rmse_by_gradient_k,
    rmse_gradient,
    rmse_unbiased,
    ssim,
)

ROWS, COLUMNS = 224, 221
PATCH_FINE, PATCH_COARSE = 252, 63

Image = np.ndarray
Images = tuple[Image, Image, Image]


@pytest.fixture(scope="module")
def images() -> Images:
    """A product, ASTER and bicubic, in kelvin."""
    generator = np.random.default_rng(90)
    aster = 300.0 + 20.0 * ndimage.gaussian_filter(generator.standard_normal((ROWS, COLUMNS)), 1.5)
    return aster + generator.standard_normal(aster.shape), aster, ndimage.gaussian_filter(aster, 3.0)


@pytest.fixture(scope="module")
def patches() -> tuple[Image, Image]:
    """A fine product before any warp and the 1 km LST that it came from."""
    generator = np.random.default_rng(91)
    return 300.0 + generator.standard_normal((PATCH_FINE,) * 2), 300.0 + generator.standard_normal(
        (PATCH_COARSE,) * 2
    )


def loop_spectrum(image: Image) -> Image:
    """Each pixel of the amplitude spectrum goes to its ring."""
    rows, columns = image.shape
    count = min(rows // 2 - 1, columns // 2 - 1)
    amplitude = np.abs(np.fft.fftshift(np.fft.fft2(image)))
    sums, members = [0.0] * count, [0] * count
    for row in range(rows):
        for column in range(columns):
            squared = (row - rows // 2) ** 2 + (column - columns // 2) ** 2
            ring = math.isqrt(squared - 1) if squared else count
            if ring < count:
                sums[ring] += amplitude[row, column]
                members[ring] += 1
    centre = amplitude[rows // 2, columns // 2]
    return np.array([0.0] + [10 * math.log10(s / n / centre) for s, n in zip(sums, members, strict=True)])


def loop_windows(x: Image, r: Image, similarity: Callable[[Image, Image, int, int], float]) -> float:
    """Mean of a similarity over every 7×7 window."""
    rows, columns = x.shape
    values = [similarity(x, r, row, column) for row in range(rows - 6) for column in range(columns - 6)]
    return sum(values) / len(values)


def constants(x: Image, r: Image) -> tuple[float, float]:
    span = max(x.max(), r.max()) - min(x.min(), r.min())
    return (0.01 * span) ** 2, (0.03 * span) ** 2


def moments(x: Image, r: Image) -> tuple[float, float, float, float, float]:
    mean_x, mean_r = x.mean(), r.mean()
    off_x, off_r = x - mean_x, r - mean_r
    return mean_x, mean_r, (off_x**2).sum() / 48, (off_r**2).sum() / 48, (off_x * off_r).sum() / 48


def loop_ssim(x: Image, r: Image) -> float:
    c1, c2 = constants(x, r)

    def similarity(x: Image, r: Image, row: int, column: int) -> float:
        window = np.s_[row : row + 7, column : column + 7]
        mean_x, mean_r, variance_x, variance_r, covariance = moments(x[window], r[window])
        luminance = (2 * mean_x * mean_r + c1) / (mean_x**2 + mean_r**2 + c1)
        return luminance * (2 * covariance + c2) / (variance_x + variance_r + c2)

    return loop_windows(x, r, similarity)


def loop_sobel(image: Image) -> Image:
    across = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    rows, columns = image.shape
    magnitude = np.empty((rows - 2, columns - 2))
    for row in range(rows - 2):
        for column in range(columns - 2):
            around = image[row : row + 3, column : column + 3]
            magnitude[row, column] = math.hypot((around * across).sum(), (around * across.T).sum())
    return magnitude


def loop_gssim(x: Image, r: Image) -> float:
    c1, c2 = constants(x, r)
    gradient_x, gradient_r = loop_sobel(x), loop_sobel(r)

    def similarity(x: Image, r: Image, row: int, column: int) -> float:
        window = np.s_[row : row + 7, column : column + 7]
        mean_x, mean_r = x[window].mean(), r[window].mean()
        _, _, variance_x, variance_r, covariance = moments(gradient_x[window], gradient_r[window])
        deviations = math.sqrt(variance_x * variance_r)
        luminance = (2 * mean_x * mean_r + c1) / (mean_x**2 + mean_r**2 + c1)
        contrast = (2 * deviations + c2) / (variance_x + variance_r + c2)
        return float(luminance * contrast * (covariance + c2 / 2) / (deviations + c2 / 2))

    return loop_windows(x[1:-1, 1:-1], r[1:-1, 1:-1], similarity)


def all_metrics(images: Images, patches: tuple[Image, Image]) -> dict[str, float]:
    x, r, b = images
    low, mid, high = rmse_by_gradient_k(x, r)
    return {
        "psnr": psnr_db(x, r), "psnr_aster_range": psnr_db(x, r, float(np.ptp(r))), "ssim": ssim(x, r),
        "rmse": rmse(x, r), "low": low, "mid": mid, "high": high, "gssim": gssim(x, r),
        "rmse_gradient": rmse_gradient(x, r), "bias": bias(x, r), "unbiased": rmse_unbiased(x, r),
        "correlation": correlation(x, r), "consistency": consistency_k(*patches),
        **asdict(compare_spectra(*map(attenuation_db, (x, r, b)))), **perceptual.texture_similarity(x, r),
    }  # fmt: skip


@pytest.mark.benchmark(group=f"spectrum, {ROWS}×{COLUMNS}")
def test_spectrum(benchmark: BenchmarkFixture, images: Images) -> None:
    spectrum = benchmark(attenuation_db, images[0])
    np.testing.assert_allclose(spectrum, loop_spectrum(images[0]), rtol=1e-9)


@pytest.mark.benchmark(group=f"spectrum, {ROWS}×{COLUMNS}")
def test_spectrum_by_loops(benchmark: BenchmarkFixture, images: Images) -> None:
    spectrum = benchmark.pedantic(loop_spectrum, (images[0],), rounds=1)
    np.testing.assert_allclose(spectrum, attenuation_db(images[0]), rtol=1e-9)


@pytest.mark.benchmark(group=f"SSIM, {ROWS}×{COLUMNS}")
def test_ssim(benchmark: BenchmarkFixture, images: Images) -> None:
    assert benchmark(ssim, *images[:2]) < 1.0


@pytest.mark.benchmark(group=f"SSIM, {ROWS}×{COLUMNS}")
def test_ssim_by_loops(benchmark: BenchmarkFixture, images: Images) -> None:
    similarity = benchmark.pedantic(loop_ssim, images[:2], rounds=1)
    assert ssim(*images[:2]) == pytest.approx(similarity, rel=1e-9)


@pytest.mark.benchmark(group=f"GSSIM, {ROWS}×{COLUMNS}")
def test_gssim(benchmark: BenchmarkFixture, images: Images) -> None:
    assert benchmark(gssim, *images[:2]) < 1.0


@pytest.mark.benchmark(group=f"GSSIM, {ROWS}×{COLUMNS}")
def test_gssim_by_loops(benchmark: BenchmarkFixture, images: Images) -> None:
    similarity = benchmark.pedantic(loop_gssim, images[:2], rounds=1)
    assert gssim(*images[:2]) == pytest.approx(similarity, rel=1e-9)


@pytest.mark.benchmark(group=f"each perceptual metric, {ROWS}×{COLUMNS}")
@pytest.mark.parametrize("measure", [perceptual.gmsd, perceptual.haarpsi, perceptual.vif])
def test_perceptual(
    benchmark: BenchmarkFixture, images: Images, measure: Callable[[Image, Image], float]
) -> None:
    measure(*images[:2])  # the first call imports piq
    assert 0.0 < benchmark(measure, *images[:2]) < 1.0


@pytest.mark.benchmark(group=f"all metrics of a product, {ROWS}×{COLUMNS}")
def test_all_metrics(benchmark: BenchmarkFixture, images: Images, patches: tuple[Image, Image]) -> None:
    all_metrics(images, patches)  # the first call imports piq
    measured = benchmark(all_metrics, images, patches)
    assert all(map(math.isfinite, measured.values()))
