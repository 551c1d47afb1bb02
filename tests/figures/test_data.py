"""The numbers behind figures of pixels, against images whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from lstsr_core.figures.data import DISTRIBUTION_COLUMNS, distributions, line


def test_quantiles_are_those_of_the_valid_pixels() -> None:
    image = np.append(np.arange(101.0), np.nan).reshape(6, 17)
    table = distributions({"aster": image, "dms": image + 1.0})
    assert table.columns.tolist() == ["product", *DISTRIBUTION_COLUMNS]
    row = table.iloc[0].to_dict()
    assert row == {
        "product": "aster", "pixels": 101, "mean": 50.0, "std": pytest.approx(np.sqrt((101**2 - 1) / 12)), "min": 0.0, "p01": 1.0,
        "p10": 10.0, "q1": 25.0, "median": 50.0, "q3": 75.0, "p90": 90.0, "p99": 99.0, "max": 100.0,
    }  # fmt: skip
    assert table.iloc[1]["median"] == 51.0


def test_a_line_is_found_again_and_gaps_are_left_out() -> None:
    x = np.linspace(-1.0, 1.0, 50)
    y = 3.0 - 12.0 * x
    y[7] = np.nan
    assert line(x, y) == {
        "pixels": 49, "slope": pytest.approx(-12.0), "intercept": pytest.approx(3.0), "r_squared": pytest.approx(1.0)
    }  # fmt: skip


def test_r_squared_is_the_share_of_variance() -> None:
    x = np.array([-1.0, -1.0, 1.0, 1.0])
    noise = np.array([-1.0, 1.0, -1.0, 1.0])  # uncorrelated with x, of the same variance
    assert line(x, x + noise)["r_squared"] == pytest.approx(0.5)
