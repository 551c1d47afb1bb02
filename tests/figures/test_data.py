"""The numbers behind figures of pixels, against images whose answers are known."""

from __future__ import annotations

import numpy as np
import pytest

from lstsr_core.figures.data import DISTRIBUTION_COLUMNS, distributions


def test_quantiles_are_those_of_the_valid_pixels() -> None:
    image = np.append(np.arange(101.0), np.nan).reshape(6, 17)
    table = distributions({"aster": image, "dms": image + 1.0})
    assert table.columns.tolist() == ["product", *DISTRIBUTION_COLUMNS]
    row = table.iloc[0].to_dict()
    assert row == {
        "product": "aster", "pixels": 101, "mean": 50.0, "std": pytest.approx(np.sqrt((101**2 - 1) / 12)),
        "min": 0.0, "p01": 1.0, "p10": 10.0, "q1": 25.0, "median": 50.0, "q3": 75.0, "p90": 90.0, "p99": 99.0,
        "max": 100.0,
    }  # fmt: skip
    assert table.iloc[1]["median"] == 51.0
