"""How far one image lies from another, against images that were moved by known distances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from lstsr_core.geo.raster import FloatArray
from lstsr_core.geo.registration import shift_of, smoothed_within


@pytest.fixture(scope="module")
def landscape() -> FloatArray:
    noise = np.random.default_rng(3).standard_normal((160, 140))
    image: FloatArray = 300.0 + 20.0 * ndimage.gaussian_filter(noise, 1.5, mode="wrap")
    return image


def moved(image: FloatArray, down: float, right: float) -> FloatArray:
    shifted: FloatArray = np.fft.ifft2(ndimage.fourier_shift(np.fft.fft2(image), (down, right))).real
    return shifted


@pytest.mark.parametrize(("down", "right"), [(0.0, 0.0), (3.0, -2.0), (0.79, 0.9), (-1.3, 2.4)])
def test_a_known_shift_comes_back(landscape: FloatArray, down: float, right: float) -> None:
    assert shift_of(moved(landscape, down, right), landscape) == pytest.approx((down, right), abs=0.06)


def test_level_slope_gaps_and_noise_move_nothing(landscape: FloatArray) -> None:
    random = np.random.default_rng(4)
    image = moved(landscape, 0.8, 0.6) + 0.2 * random.standard_normal(landscape.shape)
    image += np.linspace(0.0, 8.0, image.shape[1]) - 5.0
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    image[rows + 0.3 * columns < 40] = np.nan
    image[90:100, 60:75] = np.nan
    assert shift_of(image, landscape) == pytest.approx((0.8, 0.6), abs=0.08)


def test_images_that_cannot_be_compared_are_refused(landscape: FloatArray) -> None:
    with pytest.raises(ValueError, match="share no pixel"):
        shift_of(np.full_like(landscape, np.nan), landscape)
    with pytest.raises(ValueError, match="no texture"):
        shift_of(np.zeros_like(landscape), landscape)
    with pytest.raises(ValueError, match="no correlation peaks within 8 pixels"):
        shift_of(moved(landscape, 8.0, 0.0), landscape)


def test_a_mean_within_a_mask_sees_nothing_outside(landscape: FloatArray) -> None:
    mask = np.ones(landscape.shape, dtype=bool)
    mask[:, 70:] = False
    spoiled = np.where(mask, landscape, 1e6)
    inside = smoothed_within(spoiled, mask, 6.0)[mask]
    np.testing.assert_array_equal(inside, smoothed_within(np.where(mask, landscape, 0.0), mask, 6.0)[mask])
    np.testing.assert_allclose(smoothed_within(np.where(mask, 300.0, 0.0), mask, 6.0)[mask], 300.0)
