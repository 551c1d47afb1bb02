"""Restored spectra: what the filters do to waves, at borders, near gaps and in parts of an image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from lstsr_core.base.errors import InputError
from lstsr_core.geo.operators import block_mean, upsample
from lstsr_core.geo.raster import FloatArray
from lstsr_core.sharpening import restoration
from lstsr_core.sharpening.restoration import (
    NODES,
    RADIUS_PIXELS,
    REACH_PIXELS,
    Restoration,
    gains_without_aster,
    interpolated,
    kernels,
    restoration_of,
    restored,
)

GAINS = Restoration((1.0, 1.0, 1.02, 1.11, 1.3, 1.5, 1.65, 1.75, 2.6, 3.7, 2.5), -0.89, 0.8, -0.15, 0.39)
PLAIN = replace(GAINS, product_power=0.0, lst_power=0.0)


@pytest.fixture(scope="module")
def scene() -> tuple[FloatArray, FloatArray]:
    """A product of 400×480 pixels and its LST; its texture grows to the east."""
    random = np.random.default_rng(1)
    product = 300.0 + 12.0 * ndimage.gaussian_filter(random.standard_normal((400, 480)), 2.0)
    product += np.linspace(0.2, 1.5, 480) * ndimage.gaussian_filter(random.standard_normal((400, 480)), 0.7)
    return product, block_mean(product)


def test_a_wave_is_raised_by_its_gain() -> None:
    row, column = np.mgrid[:320, :320]
    for node, gain in zip(NODES[3:], GAINS.gains[3:], strict=True):
        across = 0.6 * node, 0.8 * node
        wave = np.cos(2.0 * np.pi * (across[0] * row + across[1] * column))
        image_k = restored(300.0 + wave, np.full((80, 80), 300.0), PLAIN)
        middle = (slice(80, 240),) * 2
        raised = float(((image_k - 300.0) * wave)[middle].sum() / (wave**2)[middle].sum())
        assert raised == pytest.approx(gain, rel=0.12), node


def test_level_and_slope_stay() -> None:
    row, column = np.mgrid[:160, :160]
    plane = 290.0 + 0.02 * row + 0.03 * column
    image_k = restored(plane, block_mean(plane), PLAIN)
    inner = (slice(40, 120),) * 2
    np.testing.assert_allclose(image_k[inner], plane[inner], atol=1e-3)


def test_it_is_what_a_loop_over_pixels_gives(scene: tuple[FloatArray, FloatArray]) -> None:
    product, lst = scene
    broad, fine = kernels(GAINS)
    padded = np.pad(product, RADIUS_PIXELS, mode="symmetric")
    gaps = np.zeros(product.shape, dtype=bool)
    factor = interpolated(restoration.local_factor(product, lst, GAINS, gaps))
    image_k = restored(product, lst, GAINS)
    for row, column in [(0, 0), (7, 450), (200, 240), (399, 479), (123, 3)]:
        window = padded[row : row + 2 * RADIUS_PIXELS + 1, column : column + 2 * RADIUS_PIXELS + 1]
        expected = (window * broad).sum() + factor[row, column] * (window * fine).sum()
        assert image_k[row, column] == pytest.approx(expected, abs=2e-3)


def test_the_factor_follows_the_local_deviations() -> None:
    random = np.random.default_rng(2)
    texture = 0.8 * random.standard_normal((1200, 1200))
    lst = 1.5 * random.standard_normal((300, 300))
    gaps = np.zeros(texture.shape, dtype=bool)
    factor = restoration.local_factor(texture, lst, GAINS, gaps)[150, 150]
    # White noise less a Gaussian of sigma 2 keeps 1 - 2 K(0) + sum K² of its variance.
    weights = ndimage.gaussian_filter(np.pad([[1.0]], 12), 2.0)
    share = np.sqrt(1.0 - 2.0 * weights.max() + (weights**2).sum())
    logarithm = -0.89 * (np.log(0.8 * share) + 0.15) + 0.8 * (np.log(1.5 * share) - 0.39)
    assert factor == pytest.approx(np.exp(logarithm), rel=0.08)
    gaps[560:640, 560:640] = True
    with_gaps = restoration.local_factor(np.where(gaps, 0.0, texture), lst, GAINS, gaps)[150, 150]
    assert with_gaps == pytest.approx(factor, rel=0.05)


def test_part_of_an_image_is_restored_as_in_the_whole(scene: tuple[FloatArray, FloatArray]) -> None:
    random = np.random.default_rng(5)
    product = 300.0 + ndimage.gaussian_filter(random.standard_normal((800, 600)), 1.0) * 3.0
    lst = block_mean(product)
    whole, part = restored(product, lst, GAINS), restored(product[160:], lst[40:], GAINS)
    assert REACH_PIXELS < 192
    np.testing.assert_allclose(part[REACH_PIXELS:], whole[160 + REACH_PIXELS :], atol=1e-4)
    assert np.abs(part[:20] - whole[160:180]).max() > 1e-3  # nearer, the border is felt


def test_strips_leave_no_seams_and_threads_change_nothing(
    scene: tuple[FloatArray, FloatArray], monkeypatch: pytest.MonkeyPatch
) -> None:
    product, lst = scene
    whole = restored(product, lst, GAINS)
    np.testing.assert_array_equal(restored(product, lst, GAINS, threads=2), whole)
    monkeypatch.setattr(restoration, "_ROWS_AT_A_TIME", 56)
    strips = restored(product, lst, GAINS)
    np.testing.assert_allclose(strips, whole, atol=1e-4)
    steps = np.abs(np.diff(strips, axis=0)).mean(1)
    borders = np.arange(56, 400, 56) - 1
    assert steps[borders].mean() / np.delete(steps, borders).mean() < 1.02 * (
        np.abs(np.diff(whole, axis=0)).mean(1)[borders].mean()
        / np.delete(np.abs(np.diff(whole, axis=0)).mean(1), borders).mean()
    )


def test_gaps_stay_gaps_and_spoil_nothing_far_away(scene: tuple[FloatArray, FloatArray]) -> None:
    product, lst = scene
    whole = restored(product, lst, GAINS)
    holed, holed_lst = product.copy(), lst.copy()
    holed[100:120, 80:104], holed_lst[25:30, 20:26] = np.nan, np.nan
    image_k = restored(holed, holed_lst, GAINS)
    np.testing.assert_array_equal(np.isnan(image_k), np.isnan(holed))
    far = ndimage.distance_transform_cdt(np.isfinite(holed), metric="chessboard") > RADIUS_PIXELS
    # Away from the kernel's reach the factor alone feels the gap, by what it no longer sees.
    assert np.abs(image_k - whole)[far].max() < 0.02 * np.abs(whole - product).max()
    np.testing.assert_array_equal(product[0, :3], scene[0][0, :3])


def test_without_aster_a_power_law_is_continued() -> None:
    size = 256
    random = np.random.default_rng(6)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    spectrum = np.fft.fft2(random.standard_normal((size, size))) * frequency**-1.5
    truth = np.fft.ifft2(spectrum).real
    truth = 300.0 + 4.0 * truth / truth.std()
    loss = np.interp(frequency, [0.0, 0.08, 0.2, 0.5], [1.0, 1.0, 0.5, 0.3])
    loss[0, 0] = 1.0
    smoothed = np.fft.ifft2(np.fft.fft2(truth) * loss).real
    gains = gains_without_aster(smoothed, upsample(block_mean(truth)))
    for node, gain in zip(NODES[4:9], gains[4:9], strict=True):
        assert gain == pytest.approx(
            1.0 / np.interp(node, [0.0, 0.08, 0.2, 0.5], [1.0, 1.0, 0.5, 0.3]), rel=0.3
        )


def test_coefficients_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 11 positive ones"):
        replace(GAINS, gains=(1.0, 2.0))
    with pytest.raises(InputError, match="holds no gains for tsharp"):
        restoration_of("tsharp")


@pytest.mark.parametrize("network", ["sc-unet", "aster-unet"])
def test_the_shipped_gains_raise_fine_texture(network: str) -> None:
    gains = restoration_of(network).gains
    assert gains[1] == pytest.approx(1.0, abs=0.1) and 1.2 < gains[5] < gains[9] < 10.0
