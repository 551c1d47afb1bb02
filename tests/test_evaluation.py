"""The evaluation measures what it should, meets the reference figures, and the suite notices when that goes unchecked."""

from __future__ import annotations

import csv
import math
import statistics
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from lstsr_core.errors import InputError
from lstsr_core.evaluation import (
    COLUMNS,
    METRIC_COLUMNS,
    PROTOCOLS,
    Comparison,
    compare,
    evaluate,
    evaluate_pair,
    largest_rectangle,
    measure,
    place,
    summarise,
    write_table,
)
from lstsr_core.pairs import Pair, pair_ids, write_pair
from lstsr_core.raster import Raster
from lstsr_core.sharpeners import Options

pytest_plugins = ["pytester"]

NETWORKS = ["sc-unet", "sif-cnn-sr1", "sif-cnn-sr2"]

# The published scenes at hand. A plain implementation of the georeferenced protocol gave the numbers below for them.
REFERENCE_SCENES = [
    "0", "1", "4", "7", "14", "18", "20", "27", "35", "40", "44", "52", "57", "59", "61", "62", "68", "73", "74", "75", "77",
    "82", "84", "88", "93", "95", "97", "102", "104", "112", "113", "114", "117", "119", "120", "126", "129", "131", "135", "136",
    "141", "145", "147", "149", "152", "157", "159", "163", "164", "166", "171", "173", "176", "183", "184", "185", "193", "196",
    "197", "201", "202", "209",
]  # fmt: skip

# rows, columns, RMSE (K), correlation, FRR, consistency (K)
REFERENCE_PER_SCENE = {
    ("0", "bicubic"): (224, 221, 2.052, 0.93801, 0.0, 0.59549),
    ("0", "tsharp"): (224, 221, 2.36532, 0.897, 0.97195, 0.57737),
    ("0", "sc-unet"): (224, 221, 2.10777, 0.93932, 0.54875, 0.59557),
    ("0", "sif-cnn-sr1"): (224, 221, 2.24784, 0.91739, 0.97607, 0.53511),
    ("0", "sif-cnn-sr2"): (224, 221, 1.99944, 0.93589, 0.72384, 0.63385),
    ("57", "bicubic"): (224, 217, 1.97065, 0.80858, 0.0, 0.76431),
    ("57", "tsharp"): (224, 217, 2.31671, 0.76065, 0.97176, 0.74059),
    ("57", "sc-unet"): (224, 217, 1.84484, 0.83787, 0.60256, 0.74093),
    ("57", "sif-cnn-sr1"): (224, 217, 2.32048, 0.79026, 0.99814, 0.66381),
    ("57", "sif-cnn-sr2"): (224, 217, 1.91377, 0.8241, 0.80497, 0.7307),
    ("62", "bicubic"): (231, 224, 1.82133, 0.7705, 0.0, 0.62308),
    ("62", "tsharp"): (231, 224, 1.87812, 0.7537, 0.92598, 0.61938),
    ("62", "sc-unet"): (231, 224, 1.70457, 0.81054, 0.69234, 0.5946),
    ("62", "sif-cnn-sr1"): (231, 224, 2.28145, 0.72484, 0.99832, 0.56707),
    ("62", "sif-cnn-sr2"): (231, 224, 1.76567, 0.78798, 0.89743, 0.60385),
    ("120", "bicubic"): (226, 221, 1.35367, 0.78434, 0.0, 0.50078),
    ("120", "tsharp"): (226, 221, 1.34032, 0.8054, 0.91914, 0.49905),
    ("120", "sc-unet"): (226, 221, 1.22164, 0.8438, 0.67665, 0.50041),
    ("120", "sif-cnn-sr1"): (226, 221, 1.79103, 0.81624, 1.0, 0.60559),
    ("120", "sif-cnn-sr2"): (226, 221, 1.26978, 0.83035, 0.87754, 0.4886),
    ("196", "bicubic"): (223, 224, 1.79725, 0.83398, 0.0, 0.62708),
    ("196", "tsharp"): (223, 224, 2.1128, 0.80287, 0.98157, 0.60933),
    ("196", "sc-unet"): (223, 224, 1.72202, 0.85894, 0.50492, 0.61301),
    ("196", "sif-cnn-sr1"): (223, 224, 1.94821, 0.83371, 0.9847, 0.57077),
    ("196", "sif-cnn-sr2"): (223, 224, 1.75192, 0.84356, 0.72894, 0.6406),
}

# Means over the 62 scenes: RMSE (K), correlation, FRR
REFERENCE_MEANS = {
    "bicubic": (2.070, 0.847, 0.0),
    "tsharp": (2.228, 0.829, 0.930),
    "sc-unet": (1.977, 0.875, 0.530),
    "sif-cnn-sr1": (2.308, 0.830, 0.966),
    "sif-cnn-sr2": (2.005, 0.861, 0.753),
}


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=7)))
def test_the_largest_rectangle_is_that_of_brute_force(mask: np.ndarray) -> None:
    rows, columns = mask.shape
    largest = max(
        (i2 - i1) * (j2 - j1)
        for i1 in range(rows) for i2 in range(i1, rows + 1) for j1 in range(columns) for j2 in range(j1, columns + 1)
        if mask[i1:i2, j1:j2].all()
    )  # fmt: skip
    found = mask[largest_rectangle(mask)]
    assert found.all()
    assert found.size == largest


def test_the_largest_rectangle_of_a_wide_mask() -> None:
    mask = np.zeros((50, 200), dtype=bool)  # wider than a byte is long, and not whole bytes
    mask[10:40, 3:194] = True
    mask[12, 100] = False
    assert largest_rectangle(mask) == (slice(13, 40), slice(3, 194))


def true_product(truth: Raster, pair: Pair) -> Raster:
    """The truth on the 250 m grid under the aligned pair's LST, cut out by coordinates."""
    lst = place(pair).pair.lst
    first_row = round((truth.top_m - lst.top_m) / truth.pixel_width_m)
    first_column = round((lst.left_m - truth.left_m) / truth.pixel_width_m)
    return truth.crop(slice(first_row, first_row + 4 * lst.rows), slice(first_column, first_column + 4 * lst.columns))


def judge(pair: Pair, product: Raster) -> dict[str, float]:
    placement = place(pair)
    return measure(compare(placement, product), placement.pair.lst.values)


def test_the_truth_scores_as_the_truth(synthetic_truth: Raster, synthetic_pair: Pair) -> None:
    scores = judge(synthetic_pair, true_product(synthetic_truth, synthetic_pair))
    assert scores["rmse_k"] <= 0.05
    assert abs(scores["frr"] - 1.0) <= 0.01
    assert abs(scores["bias_k"]) <= 0.005
    assert scores["correlation"] >= 0.999
    assert scores["ssim"] >= 0.999
    assert scores["consistency_k"] <= 0.5  # D mirrors the patch's edge, where the truth went on


@pytest.mark.parametrize("bias_k", [-3.0, 0.7, 12.0])
def test_a_known_bias_is_recovered(
    synthetic_truth: Raster, synthetic_pair: Pair, synthetic_pair_with_bias: Callable[[float], Pair], bias_k: float
) -> None:
    scores = judge(synthetic_pair_with_bias(bias_k), true_product(synthetic_truth, synthetic_pair))
    assert scores["bias_k"] == pytest.approx(bias_k, abs=0.005)
    assert scores["rmse_k"] == pytest.approx(abs(bias_k), abs=0.05)
    assert scores["rmse_unbiased_k"] <= 0.05


@pytest.mark.parametrize(("rows", "columns"), [(1, 0), (0, 1), (-1, -1)])
def test_a_product_one_pixel_out_of_place_is_noticed(
    synthetic_truth: Raster, synthetic_pair: Pair, rows: int, columns: int
) -> None:
    product = true_product(synthetic_truth, synthetic_pair)
    shifted = np.roll(product.values, (rows, columns), axis=(0, 1))
    assert judge(synthetic_pair, product.with_values(shifted))["rmse_k"] > 0.3


def test_bicubic_recovers_no_spectrum_and_the_truth_beats_it(synthetic_truth: Raster, synthetic_pair: Pair) -> None:
    rows = evaluate_pair(synthetic_pair, ["bicubic", "tsharp"], Options())
    bicubic, tsharp = rows
    truth = judge(synthetic_pair, true_product(synthetic_truth, synthetic_pair))
    assert bicubic["frr"] == 0.0
    assert bicubic["status"] == tsharp["status"] == "ok"
    assert truth["rmse_k"] < 0.2 * float(str(bicubic["rmse_k"]))
    assert truth["pfr_db"] == pytest.approx(bicubic["pfr_db"])


def test_ndvi_is_aligned_before_it_sharpens(synthetic_truth: Raster, synthetic_pair: Pair) -> None:
    """A lie about the NDVI's place, as the published evaluation makes it, costs accuracy; its true place must not."""
    ndvi = synthetic_pair.ndvi
    first_row = round((synthetic_truth.top_m - ndvi.top_m) / ndvi.pixel_width_m)
    first_column = round((ndvi.left_m - synthetic_truth.left_m) / ndvi.pixel_width_m)
    patch = synthetic_truth.crop(slice(first_row, first_row + ndvi.rows), slice(first_column, first_column + ndvi.columns))
    follows_lst = replace(synthetic_pair, ndvi=ndvi.with_values(0.6 - 0.03 * (patch.values - 305.0)))
    misplaced = replace(follows_lst, ndvi=replace(follows_lst.ndvi, transform=synthetic_pair.lst.transform @ Affine.scale(0.25)))
    rmse_k = [float(str(evaluate_pair(pair, ["tsharp"], Options())[0]["rmse_k"])) for pair in (follows_lst, misplaced)]
    assert rmse_k[0] < 0.5 * rmse_k[1]


def compare_truth(pair: Pair, truth: Raster) -> Comparison:
    return compare(place(pair), true_product(truth, pair))


def test_the_rectangle_keeps_clear_of_the_swaths_edge(synthetic_truth: Raster, synthetic_pair: Pair) -> None:
    """Every pixel that is judged lies over four pixels from any that is invalid or mixed with zeros."""
    compared = compare_truth(synthetic_pair, synthetic_truth)
    aster = synthetic_pair.aster
    first_row = round((aster.top_m - compared.aster.top_m) / aster.pixel_width_m)
    first_column = round((compared.aster.left_m - aster.left_m) / aster.pixel_width_m)
    bad = ~(np.nan_to_num(aster.values) >= 230.0)
    distance = ndimage.distance_transform_cdt(~np.pad(bad, 1, constant_values=True), metric="taxicab")[1:-1, 1:-1]
    judged = np.s_[first_row : first_row + compared.aster.rows, first_column : first_column + compared.aster.columns]
    assert distance[judged].min() > 4
    assert min(compared.aster.values.shape) > 40
    np.testing.assert_array_equal(compared.aster.values, aster.values[judged])
    for raster in (compared.product, compared.aster, compared.bicubic):
        assert np.isfinite(raster.values).all()
        assert raster.transform == compared.aster.transform


def test_aster_outside_the_swath_does_not_matter(synthetic_truth: Raster, synthetic_pair: Pair) -> None:
    zeros = synthetic_pair.aster.with_values(np.nan_to_num(synthetic_pair.aster.values, nan=0.0))
    product = true_product(synthetic_truth, synthetic_pair)
    assert judge(replace(synthetic_pair, aster=zeros), product) == pytest.approx(judge(synthetic_pair, product), nan_ok=True)


def test_a_small_overlap_is_a_status(synthetic_pair: Pair) -> None:
    aster_k = synthetic_pair.aster.values.copy()
    aster_k[:, 100:], aster_k[:, :55] = np.nan, np.nan  # 45 columns, and four erosions from both sides leave 37
    rows = evaluate_pair(replace(synthetic_pair, aster=synthetic_pair.aster.with_values(aster_k)), ["bicubic"], Options())
    assert [row["status"] for row in rows] == ["overlap with ASTER not over 40×40 pixels"]
    assert "rmse_k" not in rows[0]


@pytest.fixture
def pairs_directory(tmp_path: Path, synthetic_pair: Pair, synthetic_pair_with_bias: Callable[[float], Pair]) -> Path:
    """Pairs 1 and 2 in this project's layout; ASTER is 2 K colder in the second."""
    directory = tmp_path / "pairs"
    write_pair(replace(synthetic_pair, id="1"), directory)
    write_pair(replace(synthetic_pair_with_bias(2.0), id="2"), directory)
    return directory


def test_tables_have_one_row_for_each_scene_and_method(pairs_directory: Path) -> None:
    evaluation = evaluate(pairs_directory, iter(["1", "2"]), ["bicubic", "tsharp"], Options())
    table = evaluation.table()
    assert list(table.columns) == COLUMNS
    assert list(zip(table["scene"], table["method"], strict=True)) == [(s, m) for s in "12" for m in ("bicubic", "tsharp")]
    assert set(table["protocol"]) == set(PROTOCOLS)
    assert set(table["status"]) == {"ok"}
    assert evaluation.failures == {}
    bias_k = table.set_index(["scene", "method"])["bias_k"]
    assert bias_k["2", "bicubic"] - bias_k["1", "bicubic"] == pytest.approx(2.0, abs=1e-3)
    assert table[[c for c in METRIC_COLUMNS if c != "lpips"]].notna().all().all()


def test_files_give_what_the_pair_in_memory_gives(pairs_directory: Path, synthetic_pair: Pair) -> None:
    from_files = evaluate(pairs_directory, ["1"], ["tsharp"], Options()).rows[0]
    (in_memory,) = evaluate_pair(synthetic_pair, ["tsharp"], Options())
    for column in METRIC_COLUMNS:
        assert from_files[column] == pytest.approx(in_memory[column], rel=1e-3, nan_ok=True), column


def test_networks_without_weights_get_empty_rows(pairs_directory: Path) -> None:
    table = evaluate(pairs_directory, ["1"], ["bicubic", *NETWORKS], Options(weights=pairs_directory)).table()
    assert list(table["method"]) == ["bicubic", *NETWORKS]
    assert list(table["status"]) == ["ok"] + 3 * ["weights missing"]
    assert table.loc[1:, [*METRIC_COLUMNS, "rows", "columns"]].isna().all().all()


def test_damaged_weights_are_refused(pairs_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "sc-unet.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match=r"sc-unet\.safetensors: not a readable weights file"):
        evaluate(pairs_directory, ["1"], ["sc-unet", "bicubic"], Options(weights=tmp_path))


def test_unknown_methods_are_refused_before_any_pair_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown method 'lanczos'"):
        evaluate(tmp_path / "nowhere", ["1"], ["bicubic", "lanczos"], Options(), keep_going=True)


def test_a_pair_that_cannot_be_used_stops_the_run(pairs_directory: Path) -> None:
    (pairs_directory / "1_lst_1km.tif").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"1_lst_1km\.tif: not a readable GeoTIFF"):
        evaluate(pairs_directory, ["1", "2"], ["bicubic"], Options())


def test_a_pair_that_cannot_be_used_is_noted_and_passed(pairs_directory: Path) -> None:
    (pairs_directory / "1_lst_1km.tif").write_bytes(b"cut")
    evaluation = evaluate(pairs_directory, ["1", "3", "2"], ["bicubic", "tsharp"], Options(), keep_going=True)
    assert list(evaluation.failures) == ["1", "3"]
    assert "1_lst_1km.tif: not a readable GeoTIFF" in evaluation.failures["1"]
    table = evaluation.table()
    assert list(table["scene"]) == ["1", "1", "3", "3", "2", "2"]
    assert list(table["status"][4:]) == ["ok", "ok"]
    assert table["status"][:4].str.startswith("pair refused: ").all()
    assert not table["status"].str.contains(str(pairs_directory), regex=False).any()  # tables are the same wherever they are made
    assert table.loc[:3, METRIC_COLUMNS].isna().all().all()


def test_tables_are_the_same_bytes_every_time(pairs_directory: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        write_table(evaluate(pairs_directory, ["1", "2"], ["tsharp", "sc-unet"], Options()).table(), tmp_path / f"{name}.csv")
    content = (tmp_path / "first.csv").read_bytes()
    assert content == (tmp_path / "second.csv").read_bytes()
    assert b"\r" not in content
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert list(rows[0]) == COLUMNS
    assert len(rows) == 4
    assert all(len(row["rmse_k"].partition(".")[2]) == 6 for row in rows if row["status"] == "ok")
    assert [row["rmse_k"] for row in rows if row["method"] == "sc-unet"] == ["", ""]


def test_a_table_that_cannot_be_written_leaves_the_old_one(tmp_path: Path, full_disk: Callable[[int], Any]) -> None:
    path = tmp_path / "table.csv"
    write_table(pd.DataFrame({"scene": range(2000)}), path)
    before = path.read_bytes()
    with full_disk(1000), pytest.raises(InputError, match=r"table\.csv: cannot be written"):
        write_table(pd.DataFrame({"scene": range(1, 2001)}), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@given(st.lists(st.floats(0.0, 10.0), min_size=2, max_size=12), st.integers(0, 3))
def test_summaries_are_those_of_the_statistics_module(values: list[float], missing: int) -> None:
    scenes = [{"scene": str(i), "method": "bicubic", "rmse_k": value} for i, value in enumerate([*values, *missing * [math.nan]])]
    summary = summarise(pd.DataFrame(scenes, columns=COLUMNS))
    row = summary[summary["metric"] == "rmse_k"].iloc[0]
    deciles = statistics.quantiles(values, n=10, method="inclusive")
    quartiles = statistics.quantiles(values, n=4, method="inclusive")
    expected = [statistics.fmean(values), statistics.stdev(values), deciles[0], *quartiles, deciles[8]]
    assert row["scenes"] == len(values)
    assert list(row[["mean", "std", "p10", "q1", "median", "q3", "p90"]]) == pytest.approx(expected, abs=1e-9)
    assert list(summary["metric"]) == METRIC_COLUMNS


@pytest.fixture(scope="session")
def published_table(published_pairs: Path) -> pd.DataFrame:
    """Results of the scenes at hand that the reference has: all 62, or else those with a row of their own above."""
    at_hand = pair_ids(published_pairs)
    scenes = (
        REFERENCE_SCENES if set(REFERENCE_SCENES) <= set(at_hand) else sorted({s for s, _ in REFERENCE_PER_SCENE} & set(at_hand))
    )
    table = evaluate(published_pairs, scenes, list(REFERENCE_MEANS), Options(weights=published_pairs)).table()
    return table.set_index(["scene", "method"])


@pytest.mark.parametrize(("scene", "method"), REFERENCE_PER_SCENE)
def test_published_scenes_score_as_the_reference(published_table: pd.DataFrame, scene: str, method: str) -> None:
    if (scene, method) not in published_table.index:
        pytest.skip(f"pair {scene} is not among the pairs at hand")
    row = published_table.loc[scene, method]
    assert row["status"] == "ok"
    found = row[["rows", "columns", "rmse_k", "correlation", "frr", "consistency_k"]].astype(float).tolist()
    assert found == pytest.approx(REFERENCE_PER_SCENE[scene, method], abs=1e-3)


@pytest.mark.parametrize("method", REFERENCE_MEANS)
def test_published_means_are_the_references(published_table: pd.DataFrame, method: str) -> None:
    if len(published_table) < len(REFERENCE_SCENES) * len(REFERENCE_MEANS):
        pytest.skip("the means need all 62 reference pairs")
    rows = published_table.xs(method, level="method")
    assert (rows["status"] == "ok").all()
    rmse_k, correlation, frr = REFERENCE_MEANS[method]
    assert rows["rmse_k"].mean() == pytest.approx(rmse_k, abs=0.02)
    assert rows["correlation"].mean() == pytest.approx(correlation, abs=0.01)
    assert rows["frr"].mean() == pytest.approx(frr, abs=0.01)


# The guard of tests/conftest.py: what the reference figures rest on must not be skipped unnoticed.

SKIPPING = """
    import pytest
    @pytest.mark.skip(reason="no pairs")
    def test_needs_pairs(): ...
    @pytest.mark.parametrize("scene", ["0", "57"])
    def test_scene(scene):
        pytest.skip("no pairs")
    def test_passes(): ...
    @pytest.mark.xfail(strict=True)
    def test_expected_to_fail():
        assert False
"""


def run_suite(pytester: pytest.Pytester, allowed: str, **modules: str) -> pytest.RunResult:
    """Run the conftest beside this file on other tests, in a directory of its own."""
    directory = pytester.mkdir("tests")
    conftest = Path(__file__).with_name("conftest.py").read_text(encoding="utf-8")
    (directory / "conftest.py").write_text(conftest, encoding="utf-8")
    (directory / "allowed_skips.txt").write_text(allowed, encoding="utf-8")
    for name, source in modules.items():
        (directory / f"{name}.py").write_text(textwrap.dedent(source), encoding="utf-8")
    return pytester.runpytest_inprocess("-p", "no:cacheprovider", "tests")


def refused_skips(result: pytest.RunResult) -> list[str]:
    lines = [line for line in result.outlines if line.startswith("SKIP NOT ALLOWED: ")]
    return [line.removeprefix("SKIP NOT ALLOWED: ").split(" ")[0] for line in lines]


def test_an_unlisted_skip_fails_the_run_under_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    allowed = "# a comment\n\ntests/test_some.py::test_scene*\n"
    whole_module = "import pytest\npytest.skip('no pairs', allow_module_level=True)\n"
    result = run_suite(pytester, allowed, test_some=SKIPPING, test_whole=whole_module)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert sorted(refused_skips(result)) == ["tests/test_some.py::test_needs_pairs", "tests/test_whole.py"]
    result.assert_outcomes(passed=1, skipped=4, xfailed=1)


def test_listed_skips_pass_under_ci(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    allowed = "tests/test_some.py::test_scene*\ntests/test_some.py::test_needs_pairs\n"
    result = run_suite(pytester, allowed, test_some=SKIPPING)
    assert result.ret == pytest.ExitCode.OK
    assert refused_skips(result) == []


def test_any_skip_passes_elsewhere(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    result = run_suite(pytester, "", test_some=SKIPPING)
    assert result.ret == pytest.ExitCode.OK
    assert refused_skips(result) == []
