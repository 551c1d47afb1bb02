"""Lines through pixels against those they were made of, NumPy's, and what R² means."""

from __future__ import annotations

import numpy as np
import pytest

from lstsr_core.metrics.line import fit_line


def test_a_line_is_found_again_and_gaps_are_left_out() -> None:
    x = np.linspace(-1.0, 1.0, 50)
    y = 3.0 - 12.0 * x
    y[7] = np.nan
    line = fit_line(x, y)
    assert (line.pixels, line.slope, line.intercept, line.r_squared) == pytest.approx((49, -12.0, 3.0, 1.0))
    np.testing.assert_allclose(line(x), 3.0 - 12.0 * x)


def test_r_squared_is_the_share_of_variance() -> None:
    x = np.array([-1.0, -1.0, 1.0, 1.0])
    noise = np.array([-1.0, 1.0, -1.0, 1.0])  # uncorrelated with x, of the same variance
    assert fit_line(x, x + noise).r_squared == pytest.approx(0.5)


@pytest.mark.parametrize("shape", [(3,), (40, 30)])
def test_lines_are_numpys(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(5)
    ndvi = random.uniform(0.1, 0.9, shape)
    lst_k = 310.0 - 14.0 * ndvi + random.normal(0.0, 2.0, shape)
    line = fit_line(ndvi, lst_k)
    slope, intercept = np.polyfit(ndvi.ravel(), lst_k.ravel(), 1)
    r_squared = np.corrcoef(ndvi.ravel(), lst_k.ravel())[0, 1] ** 2
    assert (line.slope, line.intercept, line.r_squared) == pytest.approx(
        (slope, intercept, r_squared), rel=1e-10
    )


def test_constant_images_have_no_line_or_no_share() -> None:
    constant, ramp = np.full(5, 0.3), np.arange(5.0)
    assert np.isnan([fit_line(constant, ramp).slope, fit_line(constant, ramp).intercept]).all()
    flat = fit_line(ramp, constant)
    assert (flat.slope, flat.intercept) == pytest.approx((0.0, 0.3)) and np.isnan(flat.r_squared)
    assert fit_line(np.full(4, np.nan), np.ones(4)).pixels == 0
