"""How far one image lies from another, against images that were moved by known distances."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from lstsr_core.geo.raster import FloatArray
from lstsr_core.geo.registration import Shift, shift_of, smoothed_within


@pytest.fixture(scope="module")
def landscape() -> FloatArray:
    noise = np.random.default_rng(3).standard_normal((160, 140))
    image: FloatArray = 300.0 + 20.0 * ndimage.gaussian_filter(noise, 1.5, mode="wrap")
    return image


def moved(image: FloatArray, down: float, right: float) -> FloatArray:
    shifted: FloatArray = np.fft.ifft2(ndimage.fourier_shift(np.fft.fft2(image), (down, right))).real
    return shifted


def place(shift: Shift) -> tuple[float, float]:
    return shift.rows, shift.columns


@settings(max_examples=30)
@given(st.floats(-6.0, 6.0), st.floats(-6.0, 6.0))
def test_a_known_shift_comes_back(landscape: FloatArray, down: float, right: float) -> None:
    shift = shift_of(moved(landscape, down, right), landscape)
    assert place(shift) == pytest.approx((down, right), abs=0.06 + 0.01 * max(abs(down), abs(right)))
    assert 0.4 < shift.correlation < 1.0 + 1e-9 and shift.correlation >= shift.correlation_in_place - 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_shifts_are_those_of_scikit_image(landscape: FloatArray, seed: int) -> None:
    random = np.random.default_rng(seed)
    other = moved(landscape, *random.uniform(-3.0, 3.0, 2)) + 0.1 * random.standard_normal(landscape.shape)
    windows = [np.outer(*(np.hanning(side) for side in landscape.shape)) * (image - 300.0)
               for image in (other, landscape)]  # fmt: skip
    expected, _, _ = phase_cross_correlation(*windows, upsample_factor=100, normalization=None)
    assert place(shift_of(other, landscape)) == pytest.approx(tuple(expected), abs=0.08)


def test_the_correlation_in_place_is_that_of_the_textures(landscape: FloatArray) -> None:
    other = moved(landscape, 1.0, 0.0)
    inside = (slice(30, -30), slice(30, -30))  # where the taper is flat, about
    textures = [image - ndimage.gaussian_filter(image, 6.0) for image in (other, landscape)]
    expected = np.corrcoef(*(texture[inside].ravel() for texture in textures))[0, 1]
    assert shift_of(other, landscape).correlation_in_place == pytest.approx(expected, abs=0.05)


def test_level_slope_gaps_and_noise_move_nothing(landscape: FloatArray) -> None:
    random = np.random.default_rng(4)
    image = moved(landscape, 0.8, 0.6) + 0.2 * random.standard_normal(landscape.shape)
    image += np.linspace(0.0, 8.0, image.shape[1]) - 5.0
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    image[rows + 0.3 * columns < 40] = np.nan
    image[90:100, 60:75] = np.nan
    assert place(shift_of(image, landscape)) == pytest.approx((0.8, 0.6), abs=0.08)


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
