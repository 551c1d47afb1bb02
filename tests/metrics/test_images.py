"""Spatial metrics against scikit-image, slow loops written from their definitions, and closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lstsr_core.geo.operators import degrade, psf_kernel, upsample
from lstsr_core.metrics import images as metrics

SEEDS = st.integers(0, 2**32 - 1)


def random_images(
    seed: int, shape: tuple[int, int] = (24, 21), smoothing: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """A reference in kelvin and a product that is biased and noisy."""
    generator = np.random.default_rng(seed)
    reference = generator.normal(0.0, 6.0, shape)
    noise = generator.normal(0.0, 2.0, shape)
    if smoothing:
        reference, noise = (
            ndimage.gaussian_filter(reference, smoothing),
            ndimage.gaussian_filter(noise, smoothing),
        )
    return 300.5 + 0.9 * reference + noise, 300.0 + reference


def slow_filter(image: np.ndarray, kernel: list[list[int]]) -> np.ndarray:
    """Cross-correlation with a 3×3 kernel, only where it fits."""
    filtered = np.zeros((image.shape[0] - 2, image.shape[1] - 2))
    for i in range(filtered.shape[0]):
        for j in range(filtered.shape[1]):
            filtered[i, j] = sum(kernel[k][m] * image[i + k, j + m] for k in range(3) for m in range(3))
    return filtered


def slow_gradient_magnitude(image: np.ndarray) -> np.ndarray:
    kernels = [
        [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
        [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
        [[2, 1, 0], [1, 0, -1], [0, -1, -2]],
        [[0, 1, 2], [-1, 0, 1], [-2, -1, 0]],
    ]
    return np.sqrt(sum(slow_filter(image, kernel) ** 2 for kernel in kernels))


def slow_gssim(x: np.ndarray, r: np.ndarray, published: bool) -> float:
    """Method 6, one 7×7 window after another."""
    span = max(x.max(), r.max()) - min(x.min(), r.min())
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    c3 = c2 / 2
    across, down = [[1, 0, -1], [2, 0, -2], [1, 0, -1]], [[1, 2, 1], [0, 0, 0], [-1, -2, -1]]
    gradient_x, gradient_r = (
        np.hypot(slow_filter(image, across), slow_filter(image, down)) for image in (x, r)
    )
    image_x, image_r = x[1:-1, 1:-1], r[1:-1, 1:-1]
    products = []
    for i in range(image_x.shape[0] - 6):
        for j in range(image_x.shape[1] - 6):
            window = np.s_[i : i + 7, j : j + 7]
            mean_x, mean_r = image_x[window].mean(), image_r[window].mean()
            # Over 48, like 49/48 of the mean.
            covariance = np.cov(gradient_x[window].ravel(), gradient_r[window].ravel())
            deviation_x, deviation_r = math.sqrt(covariance[0, 0]), math.sqrt(covariance[1, 1])
            luminance = (2 * mean_x * mean_r + c1) / (mean_x**2 + mean_r**2 + c1)
            contrast = (2 * deviation_x * deviation_r + c2) / (covariance[0, 0] + covariance[1, 1] + c2)
            structure = (covariance[0, 1] + (c2 if published else c3)) / (deviation_x * deviation_r + c3)
            products.append(luminance * contrast * structure)
    return float(np.mean(products))


@pytest.mark.parametrize("smoothing", [0.0, 1.0, 3.0])
@pytest.mark.parametrize("shape", [(24, 21), (80, 97)])
def test_psnr_and_ssim_are_those_of_scikit_image(shape: tuple[int, int], smoothing: float) -> None:
    x, r = random_images(60, shape, smoothing)
    span = max(x.max(), r.max()) - min(x.min(), r.min())
    assert metrics.psnr_db(x, r) == pytest.approx(peak_signal_noise_ratio(r, x, data_range=span), abs=1e-9)
    assert metrics.ssim(x, r) == pytest.approx(
        structural_similarity(r, x, win_size=7, data_range=span), abs=1e-9
    )


def test_psnr_with_the_references_own_range() -> None:
    x, r = random_images(67)
    span = float(np.ptp(r))
    assert metrics.psnr_db(x, r, range_k=span) == pytest.approx(
        peak_signal_noise_ratio(r, x, data_range=span), abs=1e-9
    )
    x[3, 4] += 50.0  # an outlier widens R, but not the reference's range
    assert metrics.psnr_db(x, r) > metrics.psnr_db(x, r, range_k=span)
    flat = np.full_like(r, 300.0)
    assert math.isnan(metrics.psnr_db(x, flat, range_k=float(np.ptp(flat))))
    assert metrics.psnr_db(flat, flat, range_k=float(np.ptp(flat))) == math.inf


@pytest.mark.parametrize("similarity", [metrics.ssim, metrics.gssim])
def test_similarity_of_constants(similarity: Callable[[np.ndarray, np.ndarray], float]) -> None:
    warm, cold = np.full((20, 20), 310.0), np.full((20, 20), 290.0)
    assert math.isnan(similarity(warm, warm))
    assert 0.99 < similarity(warm, cold) < 1.0


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("smoothing", [0.0, 2.0])
def test_gssim_is_that_of_slow_loops(published: bool, smoothing: float) -> None:
    x, r = random_images(61, smoothing=smoothing)
    assert metrics.gssim(x, r, published) == pytest.approx(slow_gssim(x, r, published), abs=1e-9)


@given(SEEDS)
def test_an_image_is_most_similar_to_itself(seed: int) -> None:
    x, r = random_images(seed)
    for similarity in (metrics.ssim, metrics.gssim):
        assert similarity(r, r) == pytest.approx(1.0, abs=1e-9)
        assert similarity(x, r) < 1.0
    assert metrics.psnr_db(r, r) == math.inf
    assert metrics.rmse(r, r) == metrics.rmse_gradient(r, r) == 0.0


@given(SEEDS, st.floats(-20.0, 20.0))
def test_a_bias_is_recovered_and_removed(seed: int, bias_k: float) -> None:
    _, r = random_images(seed)
    assert metrics.bias(r + bias_k, r) == pytest.approx(bias_k, abs=1e-9)
    assert metrics.rmse(r + bias_k, r) == pytest.approx(abs(bias_k), abs=1e-9)
    assert metrics.rmse_unbiased(r + bias_k, r) == pytest.approx(0.0, abs=1e-9)


@given(SEEDS)
def test_squared_rmse_is_bias_squared_plus_unbiased_squared(seed: int) -> None:
    x, r = random_images(seed)
    parts = metrics.bias(x, r) ** 2 + metrics.rmse_unbiased(x, r) ** 2
    assert metrics.rmse(x, r) ** 2 == pytest.approx(parts, rel=1e-9)
    assert metrics.rmse(x, r) == pytest.approx(math.sqrt(sum((x - r).ravel() ** 2) / x.size), rel=1e-12)


@given(SEEDS, st.floats(0.1, 5.0), st.floats(-50.0, 50.0))
def test_correlation_is_blind_to_scale_and_offset(seed: int, scale: float, offset: float) -> None:
    x, r = random_images(seed)
    assert metrics.correlation(scale * r + offset, r) == pytest.approx(1.0, abs=1e-9)
    assert metrics.correlation(-scale * r + offset, r) == pytest.approx(-1.0, abs=1e-9)
    covariance = ((x - x.mean()) * (r - r.mean())).mean()
    assert metrics.correlation(x, r) == pytest.approx(covariance / (x.std() * r.std()), abs=1e-12)


def test_correlation_with_a_constant_is_undefined() -> None:
    _, r = random_images(62)
    assert math.isnan(metrics.correlation(np.full_like(r, 300.0), r))


def test_gradient_magnitude_is_that_of_slow_loops() -> None:
    x, r = random_images(63)
    np.testing.assert_allclose(metrics.gradient_magnitude(x), slow_gradient_magnitude(x), atol=1e-9)
    difference = slow_gradient_magnitude(x) - slow_gradient_magnitude(r)
    assert metrics.rmse_gradient(x, r) == pytest.approx(math.sqrt((difference**2).mean()), rel=1e-12)


@pytest.mark.parametrize(("down", "right"), [(1.0, 0.0), (0.0, 1.0), (0.3, -0.7)])
def test_gradient_magnitude_of_a_plane(down: float, right: float) -> None:
    """Filters' responses to a·row + b·column are −8a, −8b, −6(a + b) and 6(b − a)."""
    row, column = np.mgrid[:9, :11]
    expected = math.sqrt(64 * (down**2 + right**2) + 36 * (down + right) ** 2 + 36 * (right - down) ** 2)
    np.testing.assert_allclose(
        metrics.gradient_magnitude(300.0 + down * row + right * column), expected, rtol=1e-10
    )


def slow_detail(r: np.ndarray) -> np.ndarray:
    """|r − G r| with the 9×9 PSF as one plane, the edges mirrored without their own pixel."""
    taps = np.array(psf_kernel(0.1))
    kernel = np.outer(taps, taps)
    padded = np.pad(r, 4, mode="reflect")
    smooth = [
        [(padded[i : i + 9, j : j + 9] * kernel).sum() for j in range(r.shape[1])] for i in range(r.shape[0])
    ]
    return np.abs(r - np.array(smooth))


def test_gradient_classes_are_the_quartiles_of_the_references_detail() -> None:
    x, r = random_images(64)
    detail, squared = slow_detail(r).ravel(), ((x - r) ** 2).ravel()
    ranked = np.sort(detail)
    quartiles = []
    for share in (0.25, 0.75):  # linear interpolation between the neighbouring ranks
        position = share * (detail.size - 1)
        below = math.floor(position)
        quartiles.append(ranked[below] + (position - below) * (ranked[below + 1] - ranked[below]))
    classes = [
        detail < quartiles[0],
        (quartiles[0] <= detail) & (detail <= quartiles[1]),
        detail > quartiles[1],
    ]
    expected = [math.sqrt(squared[mask].mean()) for mask in classes]
    assert metrics.rmse_by_gradient_k(x, r) == pytest.approx(expected, rel=1e-9)


def test_errors_confined_to_fine_detail_show_in_that_class_alone() -> None:
    _, r = random_images(65, (40, 40))
    detail = slow_detail(r)
    x = np.where(detail > np.quantile(detail, 0.9), r + 3.0, r)
    low, mid, high = metrics.rmse_by_gradient_k(x, r)
    assert low == mid == 0.0
    assert high == pytest.approx(3.0 * math.sqrt(0.1 / 0.25), rel=0.01)


def test_data_range_is_of_both_images_together() -> None:
    x, r = np.array([[290.0, 300.0]]), np.array([[295.0, 312.5]])
    assert metrics.data_range_k(x, r) == 22.5


@given(SEEDS, st.floats(-5.0, 5.0))
def test_consistency_of_a_product_with_its_own_degradation(seed: int, bias_k: float) -> None:
    fine, _ = random_images(seed, (32, 24))
    assert metrics.consistency_k(fine, degrade(fine)) == 0.0
    assert metrics.consistency_k(fine + bias_k, degrade(fine)) == pytest.approx(abs(bias_k), abs=1e-9)


def test_consistency_of_an_upsampled_plane_is_lost_at_the_edges_alone() -> None:
    """U and D both keep a plane in place, except where they repeat or mirror the edge."""
    row, column = np.mgrid[:16, :16]
    lst_k = 300.0 + 0.5 * row - 0.25 * column
    inside = np.full_like(lst_k, np.nan)
    inside[4:-4, 4:-4] = lst_k[4:-4, 4:-4]
    assert metrics.consistency_k(upsample(lst_k), inside) == pytest.approx(0.0, abs=1e-10)
    assert metrics.consistency_k(upsample(lst_k), lst_k) > 0.01


def test_consistency_of_upsampled_noise_is_large() -> None:
    """D takes away noise at the coarse Nyquist frequency: no bicubic product is consistent with it."""
    checkerboard = 300.0 + np.indices((16, 16)).sum(axis=0) % 2
    assert metrics.consistency_k(upsample(checkerboard), checkerboard) == pytest.approx(0.5, abs=0.05)


def test_consistency_leaves_invalid_pixels_out() -> None:
    fine, _ = random_images(66, (32, 32))
    lst_k = degrade(fine) + 1.0
    lst_k[:4] = np.nan
    assert metrics.consistency_k(fine, lst_k) == pytest.approx(1.0, abs=1e-9)
    assert math.isnan(metrics.consistency_k(fine, np.full((8, 8), np.nan)))
