"""D, G, U and the aggregations against their two-step definitions, brute-force loops and closed forms."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn import functional

from lstsr_core.geo.operators import block_mean, degrade, low_pass, psf_kernel, psf_sigma, upsample
from lstsr_core.networks import operators as on_tensors

Operator = Callable[..., Any]


def decimate(fine: np.ndarray) -> np.ndarray:
    """What training alone does, to tensors."""
    return on_tensors.decimate(torch.from_numpy(fine)).numpy()


def aggregate_radiance(fine_k: np.ndarray) -> np.ndarray:
    """What training alone does, to tensors."""
    return on_tensors.aggregate_radiance(torch.from_numpy(fine_k)).numpy()


RANDOM = np.random.default_rng(20)
FINE_SHAPES = st.tuples(st.integers(2, 5), st.integers(2, 5)).map(lambda s: (4 * s[0], 4 * s[1]))
FINE_IMAGES = arrays(np.float64, FINE_SHAPES, elements=st.floats(250.0, 340.0))


def gaussian_plane(mtf: float) -> torch.Tensor:
    """The 9×9 kernel as Method 1 defines it."""
    sigma = math.sqrt(-math.log(mtf) / 2) / (math.pi * 0.5 / 4)
    row, column = np.mgrid[-4:5, -4:5]
    kernel = np.exp(-(row**2 + column**2) / (2 * sigma**2))
    return torch.from_numpy(kernel / kernel.sum())[None, None]


def two_step_low_pass(fine: np.ndarray, mtf: float) -> torch.Tensor:
    planes = torch.from_numpy(np.pad(fine, 4, mode="reflect"))[None, None]
    return functional.conv2d(planes, gaussian_plane(mtf))


def keys_weight(distance: float, a: float = -0.75) -> float:
    d = abs(distance)
    if d <= 1.0:
        return (a + 2) * d**3 - (a + 3) * d**2 + 1
    return a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a if d < 2.0 else 0.0


def bicubic_matrix(inputs: int, outputs: int) -> np.ndarray:
    """Cubic convolution along one axis, edges replicated, no antialiasing: (outputs, inputs)."""
    matrix = np.zeros((outputs, inputs))
    for output in range(outputs):
        position = (output + 0.5) * inputs / outputs - 0.5
        first = math.floor(position) - 1
        for source in range(first, first + 4):
            matrix[output, min(max(source, 0), inputs - 1)] += keys_weight(position - source)
    return matrix


def bicubic(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return bicubic_matrix(image.shape[0], rows) @ image @ bicubic_matrix(image.shape[1], columns).T


def transfer(taps: tuple[float, ...], cycles_per_pixel: float) -> float:
    half = len(taps) // 2
    return sum(tap * math.cos(2 * math.pi * cycles_per_pixel * (i - half)) for i, tap in enumerate(taps))


def test_sigma_is_the_papers() -> None:
    assert psf_sigma(0.1) == pytest.approx(2.73, abs=0.005)


@given(st.floats(0.01, 0.99))
def test_an_uncut_gaussian_of_that_sigma_has_the_mtf_at_the_coarse_nyquist_frequency(mtf: float) -> None:
    # The Fourier transform of a Gaussian: exp(−2 π² σ² f²) at f = 0.5 / 4 cycles per fine pixel.
    assert math.exp(-2 * (math.pi * psf_sigma(mtf) * 0.125) ** 2) == pytest.approx(mtf, rel=1e-12)


@pytest.mark.parametrize(("mtf", "published"), [(0.1, 0.140), (0.25, 0.274)])
def test_cut_kernel_has_the_published_transfer(mtf: float, published: float) -> None:
    assert transfer(psf_kernel(mtf), 0.125) == pytest.approx(published, abs=5e-4)


@given(st.floats(0.01, 0.99))
def test_kernel_has_nine_symmetric_taps_with_sum_one(mtf: float) -> None:
    taps = psf_kernel(mtf)
    assert len(taps) == 9
    assert sum(taps) == pytest.approx(1.0, abs=1e-12)
    assert taps == pytest.approx(taps[::-1], abs=1e-15)


@pytest.mark.parametrize("mtf", [0.0, 1.0, -0.1, 10.0, float("nan")])
def test_impossible_transfers_are_refused(mtf: float) -> None:
    with pytest.raises(ValueError, match=f"mtf is {mtf}"):
        psf_sigma(mtf)


@pytest.mark.parametrize("mtf", [0.1, 0.25])
@pytest.mark.parametrize("shape", [(64, 64), (12, 20), (252, 252)])
def test_degrade_is_psf_then_bicubic_interpolation(mtf: float, shape: tuple[int, int]) -> None:
    fine = RANDOM.normal(300.0, 8.0, shape)
    expected = functional.interpolate(
        two_step_low_pass(fine, mtf), scale_factor=0.25, mode="bicubic", align_corners=False
    )
    np.testing.assert_allclose(degrade(fine, mtf), expected[0, 0].numpy(), atol=1e-9)


@pytest.mark.parametrize("mtf", [0.1, 0.25])
def test_low_pass_is_the_psf(mtf: float) -> None:
    fine = RANDOM.normal(300.0, 8.0, (33, 18))
    np.testing.assert_allclose(low_pass(fine, mtf), two_step_low_pass(fine, mtf)[0, 0].numpy(), atol=1e-9)


@given(st.floats(200.0, 400.0), st.floats(0.05, 0.9))
def test_a_constant_stays_the_same(level: float, mtf: float) -> None:
    fine = np.full((16, 12), level)
    for image in (
        degrade(fine, mtf),
        low_pass(fine, mtf),
        decimate(fine),
        block_mean(fine),
        aggregate_radiance(fine),
        upsample(fine),
    ):
        np.testing.assert_allclose(image, level, rtol=1e-12)


@given(FINE_IMAGES, st.integers(0, 2**32 - 1), st.floats(-3.0, 3.0))
def test_degrade_is_linear(first: np.ndarray, seed: int, factor: float) -> None:
    second = np.random.default_rng(seed).normal(0.0, 10.0, first.shape)
    np.testing.assert_allclose(
        degrade(factor * first + second), factor * degrade(first) + degrade(second), atol=1e-9
    )


@pytest.mark.parametrize("axis", [0, 1])
def test_degrade_keeps_a_ramp_in_place(axis: int) -> None:
    """D averages a linear image: away from the edges it gives the value at a coarse pixel's centre."""
    fine = np.indices((64, 64))[axis] + 0.5
    coarse = 4 * (np.indices((16, 16))[axis] + 0.5)
    np.testing.assert_allclose(degrade(fine)[2:-2, 2:-2], coarse[2:-2, 2:-2], atol=1e-10)


def test_a_nan_spreads_as_far_as_the_psf_reaches() -> None:
    fine = np.full((48, 48), 300.0)
    fine[20, 20] = np.nan
    # Coarse pixel i draws on fine rows 4i − 4 … 4i + 7: the PSF's ±4
    # around the four pixels that are interpolated.
    reached = [i for i in range(12) if 4 * i - 4 <= 20 <= 4 * i + 7]
    expected = np.zeros((12, 12), dtype=bool)
    expected[np.ix_(reached, reached)] = True
    np.testing.assert_array_equal(np.isnan(degrade(fine)), expected)


@pytest.mark.parametrize("shape", [(64, 64), (5, 9), (1, 3)])
def test_upsample_is_cubic_convolution(shape: tuple[int, int]) -> None:
    coarse = RANDOM.normal(300.0, 8.0, shape)
    np.testing.assert_allclose(upsample(coarse), bicubic(coarse, 4 * shape[0], 4 * shape[1]), atol=1e-9)


def test_decimate_is_cubic_convolution_without_a_psf() -> None:
    fine = RANDOM.normal(300.0, 8.0, (24, 40))
    np.testing.assert_allclose(decimate(fine), bicubic(fine, 6, 10), atol=1e-9)


def test_block_mean_averages_each_block() -> None:
    fine = RANDOM.normal(300.0, 8.0, (12, 20))
    expected = [[fine[4 * i : 4 * i + 4, 4 * j : 4 * j + 4].mean() for j in range(5)] for i in range(3)]
    np.testing.assert_allclose(block_mean(fine), expected, rtol=1e-14)


def test_a_nan_makes_its_block_nan_and_no_other() -> None:
    fine = np.full((8, 12), 300.0)
    fine[5, 3] = np.nan
    expected = np.array([[False, False, False], [True, False, False]])
    np.testing.assert_array_equal(np.isnan(block_mean(fine)), expected)


def test_aggregated_radiance_of_two_temperatures() -> None:
    fine = np.full((4, 4), 280.0)
    fine[:2] = 320.0
    assert aggregate_radiance(fine)[0, 0] == pytest.approx(((320.0**4 + 280.0**4) / 2) ** 0.25, rel=1e-13)


@given(FINE_IMAGES)
def test_aggregated_radiance_lies_between_mean_and_maximum(fine: np.ndarray) -> None:
    warmest = fine.reshape(fine.shape[0] // 4, 4, -1, 4).max(axis=(1, 3))
    assert (aggregate_radiance(fine) >= block_mean(fine) - 1e-9).all()
    assert (aggregate_radiance(fine) <= warmest + 1e-9).all()


@pytest.mark.parametrize("operator", [degrade, decimate, block_mean, aggregate_radiance])
def test_ragged_images_are_refused(operator: Operator) -> None:
    with pytest.raises(ValueError, match="66×64"):
        operator(np.full((66, 64), 300.0))


@pytest.mark.parametrize("name", ["degrade", "low_pass", "upsample"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_arrays_and_tensors_give_the_same_along_leading_axes(name: str, dtype: type) -> None:
    images = RANDOM.normal(300.0, 8.0, (2, 3, 16, 12)).astype(dtype)
    on_arrays: Operator = {"degrade": degrade, "low_pass": low_pass, "upsample": upsample}[name]
    from_array = on_arrays(images)
    from_tensor = getattr(on_tensors, name)(torch.from_numpy(images))
    assert from_array.dtype == dtype
    np.testing.assert_allclose(from_array, from_tensor.numpy(), rtol=1e-6 if dtype is np.float32 else 1e-14)
    np.testing.assert_array_equal(from_array[1, 2], on_arrays(images[1, 2]))
    np.testing.assert_allclose(
        from_tensor[1, 2], getattr(on_tensors, name)(torch.from_numpy(images[1, 2])), rtol=1e-6
    )


@pytest.mark.parametrize("operator", [degrade, low_pass, upsample])
@pytest.mark.parametrize("shape", [(1004, 992), (12, 70000)])
def test_an_image_of_many_strips_is_that_of_torch(operator: Operator, shape: tuple[int, int]) -> None:
    fine = RANDOM.normal(300.0, 8.0, shape)
    expected = getattr(on_tensors, operator.__name__)(torch.from_numpy(fine)).numpy()
    np.testing.assert_allclose(operator(fine), expected, rtol=1e-14)


OF_TENSORS = [on_tensors.degrade, on_tensors.low_pass, on_tensors.upsample, on_tensors.aggregate_radiance]


@pytest.mark.parametrize("operator", OF_TENSORS)
def test_gradients_are_those_of_finite_differences(operator: Operator) -> None:
    fine = torch.from_numpy(RANDOM.normal(3.0, 0.5, (1, 1, 8, 8))).requires_grad_()
    assert torch.autograd.gradcheck(operator, (fine,))
