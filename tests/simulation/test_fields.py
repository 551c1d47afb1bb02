"""Random fields: functions of place, with the spectrum that was asked for."""

import numpy as np
import pytest
from scipy import ndimage

from lstsr_core.simulation.fields import cells, fractal, refined, stream_at, uniform, white


@pytest.mark.parametrize("start", [-700, -1, 0, 128, 80_000])
def test_a_place_has_the_same_value_in_every_window(start: int) -> None:
    spans = slice(start, start + 300), slice(-start, -start + 280)
    parts = slice(start + 100, start + 171), slice(-start + 3, -start + 150)
    inside = np.s_[100:171, 3:150]
    for name, whole, part in (
        ("white", white((1, 2), *spans), white((1, 2), *parts)),
        ("fractal", fractal((1, 2), 1.7, *spans), fractal((1, 2), 1.7, *parts)),
        ("smooth", fractal((1, 2), 2.0, *spans, finest=4), fractal((1, 2), 2.0, *parts, finest=4)),
    ):
        np.testing.assert_array_equal(whole[inside], part, err_msg=name)
    np.testing.assert_array_equal(
        fractal((1,), 1.0, spans[0])[100:171], fractal((1,), 1.0, parts[0]), err_msg="along a line"
    )


def test_white_noise_is_normal_and_without_memory() -> None:
    noise = white((5,), slice(-400, 400), slice(1000, 1800)).astype(float)
    assert noise.mean() == pytest.approx(0.0, abs=0.01) and noise.std() == pytest.approx(1.0, abs=0.01)
    # Over 128 and 256 points, too, where one random stream ends and another begins.
    for shift in (1, 2, 128, 256):
        for axis in (0, 1):
            assert abs((noise * np.roll(noise, shift, axis)).mean()) < 0.01
    draws = uniform((5,), slice(-400, 400), slice(1000, 1800))
    assert np.histogram(draws, 10, (0.0, 1.0))[0] / draws.size == pytest.approx(np.full(10, 0.1), abs=0.003)
    assert (white((5,), slice(0, 50)) != white((6,), slice(0, 50))).all()


@pytest.mark.parametrize("slope", [0.9, 1.35, 1.7, 2.0])
def test_a_fractals_spectrum_falls_with_its_slope_to_its_longest_wavelength(slope: float) -> None:
    side, power = 1024, 0.0
    window = np.hanning(side)[:, None] * np.hanning(side)
    fields = [fractal((seed, 9), slope, slice(0, side), slice(5000, 5000 + side)) for seed in range(4)]
    assert np.mean([field.var() for field in fields]) == pytest.approx(1.0, abs=0.15)
    for field in fields:
        power = power + np.abs(np.fft.rfft2((field - field.mean()) * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    edges = np.geomspace(1 / 200, 0.4, 10)
    mean = ndimage.mean(power, np.digitize(frequency, edges), np.arange(1, 10))
    middle = np.sqrt(edges[1:] * edges[:-1])
    assert -0.5 * np.polyfit(np.log(middle), np.log(mean), 1)[0] == pytest.approx(slope, abs=0.06)
    # Above the law by no more than its octaves ripple.
    law = mean * middle ** (2 * slope)
    assert law.max() / law.min() < 2.0
    level = power[frequency < 1 / 500].mean() / power[(frequency > 1 / 200) & (frequency < 1 / 150)].mean()
    assert level < 2.0 * (400 / 175) ** (2 * slope)


def test_refining_keeps_a_straight_line_straight() -> None:
    def plane(spans: tuple[slice, ...]) -> np.ndarray:
        rows, columns = (16.0 * np.arange(span.start, span.stop) for span in spans)
        return np.asarray(0.5 * rows[:, None] - 2.0 * columns[None, :], dtype=np.float32)

    field = refined(plane, 4, slice(-50, 70), slice(1003, 1100))
    expected = 0.5 * np.arange(-50, 70)[:, None] - 2.0 * np.arange(1003, 1100)[None, :]
    np.testing.assert_allclose(field, expected, atol=1e-3)


def test_cells_are_those_within_reach() -> None:
    for start, stop, side, reach in ((0, 1, 10, 0), (-3, 25, 10, 4), (96, 104, 10, 6), (100, 110, 10, 0)):
        expected = [
            cell
            for cell in range(-20, 40)
            if cell * side < stop + reach and (cell + 1) * side > start - reach
        ]
        assert [*cells(slice(start, stop), side, reach)] == expected
    assert stream_at((1,), -3, 2).random() != stream_at((1,), 2, -3).random()
