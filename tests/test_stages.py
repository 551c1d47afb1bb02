"""The stages: what the notebooks' functions write and give back, on pairs whose answers are known."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio.warp
import shapely
from test_granule_patches import DAYS, REST, tile_lst, write_day

from lstsr_core import stages
from lstsr_core.errors import InputError
from lstsr_core.evaluation import COLUMNS, METRIC_COLUMNS
from lstsr_core.grid import COARSE_PIXEL_M, Tile
from lstsr_core.pairs import Pair, write_pair
from lstsr_core.parameters import AsterEvaluation, Download, Fourier, Patches, Sharpening
from lstsr_core.patches import read_table

TILE = Tile(18, 4)
NETWORKS = ["sc-unet", "sif-cnn-sr1", "sif-cnn-sr2"]


def run_with(run: Path, *pairs: Pair) -> Path:
    for pair in pairs:
        write_pair(pair, run / "01_download" / "pairs")
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, synthetic_pair: Pair) -> Path:
    return run_with(tmp_path_factory.mktemp("run"), *(replace(synthetic_pair, id=name) for name in ("10", "9")))


def evaluation_of(run: Path, **values: Any) -> AsterEvaluation:
    return AsterEvaluation.check({"run_directory": str(run), "protocol": "georeferenced", **values})


# 01_download


def test_the_footprint_is_a_closed_ring_around_the_swath(synthetic_pair: Pair) -> None:
    outline = stages.footprint(synthetic_pair)
    assert outline.shape[1] == 2 and len(outline) >= 4
    np.testing.assert_array_equal(outline[0], outline[-1])
    aster = synthetic_pair.aster
    x, y = rasterio.warp.transform("EPSG:4326", aster.crs, outline[:, 0].tolist(), outline[:, 1].tolist())
    ring = shapely.Polygon(zip(x, y, strict=True))
    assert ring.is_valid
    assert shapely.box(aster.left_m, aster.bottom_m, aster.right_m, aster.top_m).contains(ring)
    row, column = np.nonzero(np.nan_to_num(aster.values) >= 230.0)
    centres = np.column_stack(aster.transform @ (column + 0.5, row + 0.5))
    distance_m = ring.exterior.hausdorff_distance(shapely.MultiPoint(centres).convex_hull.exterior)
    assert distance_m <= 2.01 * aster.pixel_width_m
    assert len(outline) <= 12


def test_pairs_are_described_where_they_lie(run: Path, synthetic_pair: Pair) -> None:
    settings = Download.check({"run_directory": str(run)})
    table = stages.describe_pairs(settings)
    assert table["scene"].tolist() == ["9", "10"]
    assert table["utm_zone"].tolist() == [31, 31]
    assert table[["ndvi_rows_down", "ndvi_columns_right"]].to_numpy().tolist() == [[2, 1], [2, 1]]
    content = json.loads((run / "01_download" / "footprints.geojson").read_text())
    for feature, (_, row) in zip(content["features"], table.iterrows(), strict=True):
        (ring,) = feature["geometry"]["coordinates"]
        assert ring[0] == ring[-1]
        assert shapely.Polygon(ring).contains(shapely.Point(row["longitude"], row["latitude"]))
    summary = json.loads((run / "01_download" / "summary.json").read_text())
    assert (summary["pairs"], summary["synthetic"], summary["source"]) == (2, True, "sample")
    pd.testing.assert_frame_equal(
        pd.read_csv(run / "01_download" / "pairs.csv", dtype={"scene": str}), table, check_dtype=False, atol=1e-6
    )


# 02_patches


def test_patches_are_cut_once_and_shown_in_every_run(tmp_path: Path) -> None:
    for index, day in enumerate(DAYS):
        write_day(tmp_path / "01_download" / "granules", tile_lst() + index, day=day)
    write_day(tmp_path / "01_download" / "granules", tile_lst() - 20.0, day=DAYS[0], product="MOD21A1N")
    write_day(tmp_path / "01_download" / "granules", tile_lst() - 22.0, day=DAYS[1], product="MOD21A1N")
    broken = tmp_path / "01_download" / "granules" / f"MOD21A1D.A{DAYS[2]}.{REST}"
    broken.write_bytes(broken.read_bytes()[:2000])
    settings = Patches.check({"run_directory": str(tmp_path), "night": True})
    table = stages.cut_patches(settings)
    files = {path: path.stat().st_mtime_ns for path in settings.directory.glob("patches/*")}
    assert len(table) == 4 and len(files) == 8
    shutil.rmtree(settings.directory)  # as every run begins
    pd.testing.assert_frame_equal(stages.cut_patches(settings), table)
    assert {path: path.stat().st_mtime_ns for path in settings.directory.glob("patches/*")} == files
    assert len(read_table(settings.directory / "night")) == 4

    kept = stages.share_kept(settings)
    assert kept[["layer", "month", "granules", "windows", "kept", "share_kept"]].values.tolist() == [
        ["day", "2018-04", 1, 2, 2, 1.0], ["day", "2018-05", 1, 2, 2, 1.0],
        ["night", "2018-04", 1, 2, 2, 1.0], ["night", "2018-05", 1, 2, 2, 1.0],
    ]  # fmt: skip
    (lost,) = stages.granules_not_cut(settings).to_dict("records")
    assert (lost["layer"], lost["date"], lost["lst"]) == ("day", "2018-06-10", broken.name)
    assert lost["status"].startswith(f"{broken.name}: truncated")
    places = stages.patch_places(settings)
    assert places["patches"].tolist() == [2, 2]
    corner_m = TILE.left_m + 64 * COARSE_PIXEL_M, TILE.top_m - 64 * COARSE_PIXEL_M
    assert places.loc[0, ["left_m", "top_m"]].tolist() == pytest.approx(corner_m, abs=0.01)
    assert stages.show_share_kept(settings) is not None


def test_pairs_take_the_place_of_patches(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "01_download", tmp_path / "01_download")
    settings = Patches.check({"run_directory": str(tmp_path), "source": "pairs"})
    table = stages.cut_patches(settings)
    assert len(table) == 2 and table["date"].eq("").all()
    assert stages.share_kept(settings).empty and stages.granules_not_cut(settings).empty
    assert stages.show_share_kept(settings) is None
    assert stages.patch_places(settings)["patches"].tolist() == [1, 1]
    assert stages.regress_patches(settings)["patch"].tolist() == ["pair_9", "pair_10"]
    with pytest.raises(InputError, match="parameter 'split' is 'groups', but pairs carry no month"):
        stages.cut_patches(Patches.check({"run_directory": str(tmp_path), "source": "pairs", "split": "groups"}))


# Choosing pairs


def test_all_pairs_are_chosen_in_the_order_of_their_numbers(run: Path) -> None:
    assert stages.chosen_pairs(evaluation_of(run)) == ["9", "10"]
    assert stages.chosen_pairs(evaluation_of(run, pairs=["10"])) == ["10"]
    assert stages.shown_pair(evaluation_of(run)).id == "9"
    assert stages.shown_pair(evaluation_of(run, scene="10")).id == "10"


def test_pairs_that_are_not_there_are_named(run: Path) -> None:
    with pytest.raises(InputError, match=r"06_aster_evaluation: parameter 'pairs' names 11, 12, of which there is no pair"):
        stages.chosen_pairs(evaluation_of(run, pairs=["9", "11", "12"]))


def test_a_scene_outside_the_chosen_pairs_is_named(run: Path) -> None:
    with pytest.raises(InputError, match=r"parameter 'scene' is '10'; expected one of the chosen pairs: 9\."):
        stages.shown_pair(evaluation_of(run, pairs=["9"], scene="10"))


@pytest.mark.parametrize("parameters", [Sharpening, Fourier, AsterEvaluation])
def test_a_run_without_pairs_says_what_to_run_first(parameters: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run 01_download first"):
        stages.chosen_pairs(parameters.check({"run_directory": str(tmp_path)}))


# 06_aster_evaluation


def coarse_bias_k(run: Path) -> float:
    table = stages.against_aster(evaluation_of(run))
    pd.testing.assert_frame_equal(
        pd.read_csv(run / "06_aster_evaluation" / "modis.csv", dtype={"scene": str}), table, check_dtype=False, atol=1e-6
    )
    assert table["coarse_pixels"].item() > 400
    return float(table["coarse_bias_k"].item())


def test_modis_is_as_far_from_aster_as_the_pair_was_made(
    tmp_path: Path, synthetic_pair: Pair, synthetic_pair_with_bias: Callable[[float], Pair]
) -> None:
    """ASTER colder by b kelvin: MODIS is warmer by b, and the mean square difference grows by b² + 2 b · bias."""
    assert coarse_bias_k(run_with(tmp_path / "none", synthetic_pair)) == pytest.approx(0.0, abs=0.02)
    for bias_k in (1.5, -2.25):
        directory = run_with(tmp_path / str(bias_k), synthetic_pair_with_bias(bias_k))
        assert coarse_bias_k(directory) == pytest.approx(bias_k, abs=0.02)


def test_the_difference_at_1_km_counts_bias_and_scatter(
    tmp_path: Path, synthetic_pair: Pair, synthetic_pair_with_bias: Callable[[float], Pair]
) -> None:
    plain = stages.against_aster(evaluation_of(run_with(tmp_path / "plain", synthetic_pair)))
    biased = stages.against_aster(evaluation_of(run_with(tmp_path / "biased", synthetic_pair_with_bias(2.0))))
    expected = math.sqrt(plain["coarse_rmse_k"].item() ** 2 + 4.0 + 4.0 * plain["coarse_bias_k"].item())
    assert biased["coarse_rmse_k"].item() == pytest.approx(expected, abs=1e-3)
    assert plain["coarse_rmse_k"].item() < 0.2


def test_pairs_are_evaluated_and_summarised(run: Path) -> None:
    table = stages.evaluate_pairs(evaluation_of(run, methods=["bicubic", "tsharp", "sc-unet"]))
    assert table.columns.tolist() == COLUMNS
    rows = table[["scene", "method"]].to_numpy().tolist()
    assert rows == [[scene, method] for scene in ("9", "10") for method in ("bicubic", "tsharp", "sc-unet")]
    summary = pd.read_csv(run / "06_aster_evaluation" / "summary.csv")
    counted = summary[summary["metric"] == "rmse_k"].set_index("method")["scenes"].to_dict()
    assert counted == {"bicubic": 2, "tsharp": 2, "sc-unet": 0}
    mean = summary.set_index(["method", "metric"]).loc[("tsharp", "rmse_k"), "mean"]
    assert mean == pytest.approx(table[table["method"] == "tsharp"]["rmse_k"].astype(float).mean(), abs=1e-6)


def test_a_method_without_weights_shows_its_reason_among_the_means(run: Path) -> None:
    table = stages.evaluate_pairs(evaluation_of(run))
    means = stages.mean_metrics(table)
    assert means.index.tolist() == ["Bicubic", "TsHARP", "ATPRK", "AATPRK", "DMS", "SC-Unet", "SIF-CNN-SR1", "SIF-CNN-SR2"]
    assert means["scenes"].tolist() == [*[2] * 5, *["weights missing"] * 3]
    assert means.loc["SC-Unet"].drop(["protocol", "scenes"]).isna().all()
    assert means.loc["TsHARP", "rmse_k"] == pytest.approx(table[table["method"] == "tsharp"]["rmse_k"].astype(float).mean())
    assert set(stages.MAIN_METRICS) <= set(METRIC_COLUMNS)


def test_a_scene_with_nothing_to_show_says_why(run: Path) -> None:
    with pytest.raises(InputError, match=r"pair 9 has no product to show \(sc-unet: weights missing\); choose another 'scene'"):
        stages.shown_comparisons(evaluation_of(run, methods=["sc-unet"]))


def test_only_methods_that_can_be_judged_are_shown(run: Path) -> None:
    assert list(stages.shown_comparisons(evaluation_of(run))) == ["bicubic", "tsharp", "atprk", "aatprk", "dms"]


# What stored notebooks are held against


def test_steady_figures_leave_out_what_training_decides() -> None:
    by_label = pd.DataFrame({"rmse_k": [1.0, 2.0, 3.0], "scenes": [2, 2, 2]}, index=["Bicubic", "SIF-CNN-SR1", "ASTER"])
    by_name = pd.DataFrame({"tiles": [4, 5]}, index=["tsharp", "sif-cnn-sr1"])
    assert stages.steady_figures(by_label).index.tolist() == ["Bicubic", "ASTER"]
    assert stages.steady_figures(by_name).to_dict() == {"tiles": {"tsharp": 4}}
    assert not set(stages.steady_figures(pd.DataFrame({"a": [1.0] * 3}, index=NETWORKS)).index)


def test_steady_figures_keep_four_decimals_and_whole_numbers() -> None:
    table = pd.DataFrame({"rmse_k": [1.23456789], "scenes": [2], "status": ["ok"]}, index=["Bicubic"])
    assert stages.steady_figures(table).to_numpy().tolist() == [["1.2346", 2, "ok"]]


# 04_sharpening


def test_products_are_counted_with_the_methods_that_have_none(run: Path) -> None:
    settings = Sharpening.check({"run_directory": str(run), "methods": ["bicubic", "sc-unet"], "pairs": ["9"]})
    means = stages.sharpen_pairs(settings)
    assert means["scenes"].tolist() == [1, "weights missing"]
    table = pd.read_csv(run / "04_sharpening" / "products.csv", dtype={"scene": str})
    assert table[["scene", "method", "status"]].to_numpy().tolist() == [
        ["9", "bicubic", "ok"],
        ["9", "sc-unet", "weights missing"],
    ]
    assert table.loc[1].drop(["scene", "method", "protocol", "status"]).isna().all()
    assert 0.0 < table.loc[0, "consistency_k"] < 2.0


def test_json_is_written_with_sorted_keys_and_a_last_line_end(run: Path) -> None:
    settings = evaluation_of(run)
    stages.write_json(settings, "x.json", {"b": 1, "a": [2.5]})
    assert (run / "06_aster_evaluation" / "x.json").read_text() == '{\n  "a": [\n    2.5\n  ],\n  "b": 1\n}\n'
