"""Names of metrics: units that fit the columns, and directions in which real images do get better."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from lstsr_core.evaluation.protocols import Comparison, Georeferenced
from lstsr_core.evaluation.table import measure
from lstsr_core.geo.operators import degrade, low_pass
from lstsr_core.geo.raster import Raster
from lstsr_core.metrics.names import BY_COLUMN, COARSE_METRICS, MAIN_COLUMNS, Metric
from lstsr_core.pairs.pair import Pair
from lstsr_core.sharpening.methods import sharpen_pair

METRICS = [*BY_COLUMN.values(), *COARSE_METRICS.values()]


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.column)
def test_the_unit_is_that_of_the_column(metric: Metric) -> None:
    last = metric.column.rpartition("_")[2]
    assert metric.unit == {"k": "K", "db": "dB"}.get(last, "")
    assert metric.label and metric.meaning and not metric.meaning.endswith(".")


def test_no_two_metrics_are_called_alike() -> None:
    assert (
        len({metric.label for metric in METRICS})
        == len({metric.heading for metric in METRICS})
        == len(METRICS)
    )
    assert set(MAIN_COLUMNS) <= BY_COLUMN.keys()


@pytest.fixture(scope="module")
def figures(synthetic_pair: Pair) -> dict[str, dict[str, float]]:
    """All metrics of ASTER's image itself, of a smooth one, and of one with noise and a bias."""
    placement = Georeferenced(synthetic_pair)
    comparison = placement.compare({"bicubic": sharpen_pair(placement.pair, "bicubic")})["bicubic"]
    assert isinstance(comparison, Comparison)
    generator = np.random.default_rng(8)
    aster, fine = comparison.aster, comparison.fine
    lst_k = degrade(fine.values)

    def noisy(raster: Raster) -> Raster:
        return raster.with_values(raster.values + generator.normal(0.5, 2.0, raster.values.shape))

    def smooth(raster: Raster) -> Raster:
        return raster.with_values(low_pass(low_pass(raster.values)))

    products = {
        "equal": comparison_of(comparison, aster, fine),
        "noisy": comparison_of(comparison, noisy(aster), noisy(fine)),
        "smooth": comparison_of(comparison, smooth(comparison.bicubic), smooth(fine)),
    }
    return {name: measure(product, lst_k) for name, product in products.items()}


def comparison_of(comparison: Comparison, product: Raster, fine: Raster) -> Comparison:
    return replace(comparison, product=product, fine=fine)


@pytest.mark.parametrize("column", [name for name in BY_COLUMN if name not in ("lpips", "pfr_db")])
def test_an_equal_image_is_the_best_in_every_direction(
    figures: dict[str, dict[str, float]], column: str
) -> None:
    sign = {"higher": 1.0, "lower": -1.0, "zero": -1.0}[BY_COLUMN[column].better]
    values = {
        name: abs(rows[column]) if BY_COLUMN[column].better == "zero" else rows[column]
        for name, rows in figures.items()
    }
    best = sign * values.pop("equal")
    others = [sign * value for value in values.values()]
    assert math.isinf(best) or all(best >= other - 1e-9 for other in others)
    assert best > min(others)
