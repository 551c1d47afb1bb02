"""What other inputs cost, on simulated days."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from lstsr_core.geo.operators import upsample
from lstsr_core.maps.input_costs import composite_ndvi_costs, reprojection_costs
from lstsr_core.simulation.landscape import landscape
from lstsr_core.simulation.scenes import simulate_scene

DAY = datetime.date(2018, 7, 19)


@pytest.mark.parametrize("method", ["tsharp", "sc-unet"])
def test_16_days_map_what_a_cloudy_day_hides_at_a_small_cost(method: str) -> None:
    costs = composite_ndvi_costs(method, days=[DAY], windows=2).set_index(["sky", "ndvi"])
    assert costs.loc["clear", "mapped"].tolist() == pytest.approx([1.0, 1.0], abs=0.01)
    assert costs.loc["half-cloudy", "mapped"].tolist() == pytest.approx([0.5, 1.0], abs=0.02)
    assert costs["rmse_k"].between(0.5, 2.5).all()
    assert abs(costs.loc[("clear", "16-day"), "rmse_k"] - costs.loc[("clear", "daily"), "rmse_k"]) < 0.15
    hidden = costs["rmse_hidden_k"]
    assert np.isfinite(hidden[("half-cloudy", "16-day")]) and hidden.isna().sum() == 3


def test_a_method_without_ndvi_has_one_error_and_it_is_the_truths() -> None:
    costs = composite_ndvi_costs("bicubic", days=[DAY], windows=2)
    assert costs["rmse_k"][:2].nunique() == 1
    scene = simulate_scene(landscape(42, 2), DAY)
    lst_k, truth_k = scene.lst.values, scene.truth_lst.values[64:-64, 64:-64]
    # Away from clouds, whose pixels are filled before they are widened.
    errors_k = upsample(lst_k) - truth_k
    assert costs["rmse_k"][0] == pytest.approx(np.sqrt(np.nanmean(errors_k**2)), rel=0.05)


def test_resampling_makes_errors_larger_by_more_than_a_tenth() -> None:
    """Which the page says as the reason why such rasters are refused."""
    costs = reprojection_costs("sc-unet", windows=2).set_index("resampled")["rmse_k"]
    assert costs["none"] + 0.05 < costs["LST"] < costs["LST and NDVI"]
    assert costs["LST and NDVI"] > 1.1 * costs["none"]
