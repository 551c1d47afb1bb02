"""06_aster_evaluation's stages, on pairs whose answers are known."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lstsr_core.base.errors import InputError
from lstsr_core.evaluation.table import COLUMNS
from lstsr_core.geo.grid import Tile
from lstsr_core.metrics.names import METRIC_COLUMNS
from lstsr_core.pairs.pair import Pair
from lstsr_core.stages import evaluation as evaluation_stages
from worlds.runs import bicubic_run, evaluation_of

TILE = Tile(18, 4)
NETWORKS = ["sc-unet", "sif-cnn-sr1", "sif-cnn-sr2"]


def coarse_bias_k(run: Path) -> float:
    table = evaluation_stages.against_aster(evaluation_of(run))
    pd.testing.assert_frame_equal(
        pd.read_csv(run / "06_aster_evaluation" / "modis.csv", dtype={"scene": str}),
        table,
        check_dtype=False,
        atol=1e-6,
    )
    assert table["coarse_pixels"].item() > 400
    return float(table["coarse_bias_k"].item())


def test_modis_is_as_far_from_aster_as_the_pair_was_made(
    tmp_path: Path, synthetic_pair: Pair, synthetic_pair_with_bias: Callable[[float], Pair]
) -> None:
    """ASTER colder by b: MODIS is warmer by b, and the mean square grows by b² + 2 b · bias."""
    assert coarse_bias_k(bicubic_run(tmp_path / "none", synthetic_pair)) == pytest.approx(0.0, abs=0.02)
    for bias_k in (1.5, -2.25):
        directory = bicubic_run(tmp_path / str(bias_k), synthetic_pair_with_bias(bias_k))
        assert coarse_bias_k(directory) == pytest.approx(bias_k, abs=0.02)


def test_the_difference_at_1_km_counts_bias_and_scatter(
    tmp_path: Path, synthetic_pair: Pair, synthetic_pair_with_bias: Callable[[float], Pair]
) -> None:
    plain = evaluation_stages.against_aster(evaluation_of(bicubic_run(tmp_path / "plain", synthetic_pair)))
    biased = evaluation_stages.against_aster(
        evaluation_of(bicubic_run(tmp_path / "biased", synthetic_pair_with_bias(2.0)))
    )
    expected = math.sqrt(plain["coarse_rmse_k"].item() ** 2 + 4.0 + 4.0 * plain["coarse_bias_k"].item())
    assert biased["coarse_rmse_k"].item() == pytest.approx(expected, abs=1e-3)
    assert plain["coarse_rmse_k"].item() < 0.2


def test_pairs_are_evaluated_and_summarised(sharpened: Path) -> None:
    table = evaluation_stages.evaluate_pairs(
        evaluation_of(sharpened, methods=["bicubic", "tsharp", "sc-unet"])
    )
    assert table.columns.tolist() == COLUMNS
    rows = table[["scene", "method"]].to_numpy().tolist()
    assert rows == [[scene, method] for scene in ("9", "10") for method in ("bicubic", "tsharp", "sc-unet")]
    summary = pd.read_csv(sharpened / "06_aster_evaluation" / "summary.csv")
    counts = summary[summary["metric"] == "rmse_k"].set_index("method")["scenes"].to_dict()
    assert counts == {"bicubic": 2, "tsharp": 2, "sc-unet": 0}
    mean = summary.set_index(["method", "metric"]).loc[("tsharp", "rmse_k"), "mean"]
    assert mean == pytest.approx(table[table["method"] == "tsharp"]["rmse_k"].astype(float).mean(), abs=1e-6)


def test_a_method_without_weights_shows_its_reason_among_the_means(sharpened: Path) -> None:
    table = evaluation_stages.evaluate_pairs(evaluation_of(sharpened))
    means = evaluation_stages.mean_metrics(table)
    assert means.index.tolist() == [
        "Bicubic",
        "TsHARP",
        "ATPRK",
        "AATPRK",
        "DMS",
        "SC-Unet",
        "SIF-CNN-SR1",
        "SIF-CNN-SR2",
    ]
    assert means["scenes"].tolist() == [*[2] * 5, *["weights missing"] * 3]
    assert means.loc["SC-Unet"].drop(["protocol", "scenes"]).isna().all()
    assert means.loc["TsHARP", "rmse_k"] == pytest.approx(
        table[table["method"] == "tsharp"]["rmse_k"].astype(float).mean()
    )
    assert set(evaluation_stages.MAIN_METRICS) <= set(METRIC_COLUMNS)


def test_a_scene_with_nothing_to_show_says_why(sharpened: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"pair 9 has no product to show \(sc-unet: weights missing\); choose another 'scene'",
    ):
        evaluation_stages.shown_comparisons(evaluation_of(sharpened, methods=["sc-unet"]))


def test_only_methods_that_can_be_judged_are_shown(sharpened: Path) -> None:
    assert list(evaluation_stages.shown_comparisons(evaluation_of(sharpened))) == [
        "bicubic",
        "tsharp",
        "atprk",
        "aatprk",
        "dms",
    ]


def test_figures_of_pixels_leave_their_numbers(sharpened: Path) -> None:
    settings = evaluation_of(sharpened, methods=["bicubic", "tsharp"])
    evaluation_stages.show_maps(settings)
    evaluation_stages.show_distributions(settings)
    evaluation_stages.show_densities(settings)
    maps, distributions, densities = (
        pd.read_csv(sharpened / "06_aster_evaluation" / f"{name}.csv")
        for name in ("maps", "distributions", "densities")
    )
    compared = evaluation_stages.shown_comparisons(settings)["tsharp"]
    product_k, aster_k = compared.product.values, compared.aster.values
    assert maps.set_index("product")["mean"].to_dict().keys() == {"aster", "bicubic", "tsharp"}
    assert maps.set_index("product").loc["tsharp", "mean"] == pytest.approx(product_k.mean(), abs=1e-5)
    row = densities.set_index("method").loc["tsharp"]
    assert row["bias_k"] == pytest.approx((product_k - aster_k).mean(), abs=1e-5)
    covariance = np.cov(aster_k.ravel(), product_k.ravel())
    assert row["slope"] == pytest.approx(covariance[0, 1] / covariance[0, 0], abs=1e-5)
    assert len(distributions) == 2 * len(maps)
    spread = distributions.set_index(["quantity", "product"])["std"]
    assert spread["fine detail T − G T (K)", "bicubic"] < spread["fine detail T − G T (K)", "tsharp"]
