"""Spectra against closed forms and slow loops over rings, and the metrics' limiting cases."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lstsr_core.metrics.fourier import attenuation_db, compare_spectra, frequencies_per_m

PIXEL_M = 231.65
SPECTRA = arrays(np.float64, 20, elements=st.floats(-60.0, -2.0))


def ring_members(rows: int, columns: int) -> list[list[tuple[int, int]]]:
    """Pixels of each ring r² < ρ² ≤ (r + 1)², r = 0 … min(rows//2 − 1, columns//2 − 1) − 1."""
    centre_row, centre_column = rows // 2, columns // 2
    rings = []
    for r in range(min(rows // 2 - 1, columns // 2 - 1)):
        inside = []
        for i in range(rows):
            for j in range(columns):
                squared = (i - centre_row) ** 2 + (j - centre_column) ** 2
                if r**2 < squared <= (r + 1) ** 2:
                    inside.append((i, j))
        rings.append(inside)
    return rings


def direct_amplitude(image: np.ndarray) -> np.ndarray:
    """|DFT| from its definition, zero frequency at (rows//2, columns//2)."""
    factors = [
        np.exp(-2j * np.pi * np.outer(np.arange(size) - size // 2, np.arange(size)) / size)
        for size in image.shape
    ]
    return np.abs(factors[0] @ image @ factors[1].T)


@pytest.mark.parametrize("shape", [(16, 16), (15, 15), (16, 13), (11, 20), (4, 4)])
def test_attenuation_is_that_of_slow_rings(shape: tuple[int, int]) -> None:
    image = 300.0 + np.random.default_rng(70).normal(0.0, 5.0, shape)
    amplitude = direct_amplitude(image)
    centre = amplitude[shape[0] // 2, shape[1] // 2]
    rings = [np.mean([amplitude[pixel] for pixel in ring]) for ring in ring_members(*shape)]
    np.testing.assert_allclose(
        attenuation_db(image), [0.0, *(10 * math.log10(ring / centre) for ring in rings)], atol=1e-9
    )
    np.testing.assert_allclose(attenuation_db(image, published=True)[1:], attenuation_db(image)[1:])
    assert attenuation_db(image, published=True)[0] == 1.0


@pytest.mark.parametrize("cycles", [1, 3, 7, 14])
def test_a_sinusoid_stands_in_its_ring(cycles: int) -> None:
    size, mean, amplitude = 32, 300.0, 4.0
    noise = np.random.default_rng(71).normal(0.0, 1e-9, (size, size))  # keeps the other rings above zero
    image = mean + amplitude * np.cos(2 * np.pi * cycles * np.arange(size) / size)[None, :] + noise
    attenuation = attenuation_db(image)
    # Two peaks of amplitude·size²/2 at radius `cycles`, in the ring r <
    # cycles ≤ r + 1, against mean·size² at the centre.
    members = len(ring_members(size, size)[cycles - 1])
    assert attenuation[cycles] == pytest.approx(10 * math.log10(amplitude / members / mean), abs=1e-6)
    assert np.delete(attenuation, [0, cycles]).max() < -90.0


def test_white_noise_is_flat_at_its_rayleigh_mean() -> None:
    size, mean, deviation = 256, 300.0, 5.0
    image = np.random.default_rng(72).normal(0.0, deviation, (size, size))
    image += mean - image.mean()
    # Each amplitude is Rayleigh distributed with mean √(π/4)·deviation·size; the centre is mean·size².
    expected = 10 * math.log10(math.sqrt(math.pi / 4) * deviation / (mean * size))
    rings = attenuation_db(image)[1:]
    # Half of a ring's π(2r + 1) pixels are independent; the relative deviation of one is √(4/π − 1).
    independent = math.pi * (2 * np.arange(rings.size) + 1) / 2
    deviation_db = 10 / math.log(10) * math.sqrt(4 / math.pi - 1) / np.sqrt(independent)
    assert (abs(rings - expected)[5:] < 4.5 * deviation_db[5:]).all()
    assert rings[20:].mean() == pytest.approx(expected, abs=0.05)


@given(st.floats(0.01, 100.0))
def test_attenuation_is_blind_to_units(factor: float) -> None:
    image = 300.0 + np.random.default_rng(73).normal(0.0, 5.0, (20, 22))
    np.testing.assert_allclose(attenuation_db(factor * image), attenuation_db(image), atol=1e-9)


@pytest.mark.parametrize("shape", [(3, 3), (3, 40), (1, 1)])
def test_tiny_images_are_refused(shape: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=f"{shape[0]}×{shape[1]}"):
        attenuation_db(np.full(shape, 300.0))


@pytest.mark.parametrize("count", [2, 50, 112])
def test_published_frequencies_are_even_steps_to_one_over_the_pixel(count: int) -> None:
    axis = frequencies_per_m(count, published=True)
    assert (axis.size, axis[0], axis[-1]) == (
        count,
        pytest.approx(1 / (PIXEL_M * 2 * count)),
        pytest.approx(1 / PIXEL_M),
    )
    np.testing.assert_allclose(np.diff(axis), (axis[-1] - axis[0]) / (count - 1))


@pytest.mark.parametrize("cycles", [1, 5, 14])
def test_the_physical_axis_places_a_sinusoid_at_its_frequency(cycles: int) -> None:
    size = 32
    image = (
        300.0
        + np.sin(2 * np.pi * cycles * np.arange(size) / size)[:, None]
        + np.random.default_rng(74).normal(0, 1e-6, (size, size))
    )
    attenuation = attenuation_db(image)
    axis = frequencies_per_m(attenuation.size)
    peak = 1 + int(np.argmax(attenuation[1:]))
    step = 1 / (size * PIXEL_M)
    assert axis[peak] == pytest.approx(cycles * step, abs=0.51 * step)


@pytest.mark.parametrize("count", [2, 50, 112])
def test_the_physical_axis_rises_from_zero_to_the_nyquist_frequency(count: int) -> None:
    axis = frequencies_per_m(count)
    nyquist, step = 1 / (2 * PIXEL_M), 1 / (2 * count * PIXEL_M)
    assert axis[0] == 0.0
    assert (np.diff(axis) > 0.0).all()
    assert nyquist - 2 * step < axis[-1] <= nyquist


@given(SPECTRA, SPECTRA)
def test_a_product_with_asters_spectrum_recovers_all(r: np.ndarray, b: np.ndarray) -> None:
    assume((r - b).max() > 1e-3)
    compared = compare_spectra(r, r, b)
    assert compared.frr == pytest.approx(1.0, abs=1e-9)
    assert compared.afr_db == pytest.approx(compared.pfr_db)
    assert compared.fro == 0.0
    assert compared.attenuation_rmse_db == 0.0


@given(SPECTRA, SPECTRA)
def test_bicubic_recovers_nothing(r: np.ndarray, b: np.ndarray) -> None:
    assume((r - b).max() > 1e-3)
    compared = compare_spectra(b, r, b)
    assert compared.frr == 0.0
    assert compared.fru == 0.0


@given(SPECTRA, st.floats(1.0, 20.0), st.floats(0.0, 1.0))
def test_a_share_of_the_gap_is_that_share_recovered(b: np.ndarray, gap_db: float, share: float) -> None:
    compared = compare_spectra(b + share * gap_db, b + gap_db, b)
    assert compared.frr == pytest.approx(share, abs=1e-9)
    assert compared.pfr_db == pytest.approx(20 * gap_db)
    assert compared.attenuation_rmse_db == pytest.approx((1 - share) * gap_db, abs=1e-9)


@given(SPECTRA, st.floats(0.1, 20.0))
def test_overshoot_and_undershoot_are_shares_of_the_sums(r: np.ndarray, excess_db: float) -> None:
    over = compare_spectra(r + excess_db, r, r - 1.0)
    assert over.fro == pytest.approx(-20 * excess_db / r.sum())
    assert over.fru == 0.0
    assert over.frr == pytest.approx(1.0, abs=1e-9)
    under = compare_spectra(r - excess_db, r + 1.0, r)
    assert under.fru == pytest.approx(20 * excess_db / r.sum())
    assert under.fro == 0.0
    assert under.frr == pytest.approx(0.0, abs=1e-9)


@given(SPECTRA, SPECTRA, SPECTRA)
def test_the_recovered_share_lies_between_none_and_all(p: np.ndarray, r: np.ndarray, b: np.ndarray) -> None:
    assume((r - b).max() > 1e-3)
    compared = compare_spectra(p, r, b)
    assert -1e-9 <= compared.frr <= 1.0 + 1e-9
    potential = sum(max(asters - bicubics, 0.0) for asters, bicubics in zip(r, b, strict=True))
    assert compared.pfr_db == pytest.approx(potential)


def test_nothing_to_recover_has_no_share() -> None:
    b = np.linspace(0.0, -40.0, 20)
    assert math.isnan(compare_spectra(b, b - 1.0, b).frr)
