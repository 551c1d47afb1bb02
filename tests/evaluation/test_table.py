"""The evaluation measures what it should, meets the reference figures, and takes whatever a pair may lack."""

from __future__ import annotations

import csv
import itertools
import math
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstsr_core.base.errors import InputError
from lstsr_core.evaluation.products import Products, sharpen_all
from lstsr_core.evaluation.protocols import (
    PROTOCOLS,
    TOO_SMALL,
    Comparison,
    Georeferenced,
    Placement,
    Published,
    check_protocols,
)
from lstsr_core.evaluation.statistics import differences_between_methods, summarise
from lstsr_core.evaluation.table import (
    COLUMNS,
    evaluate,
    evaluate_pair,
    mean_by_method,
    measure,
    spectra_of,
    write_table,
)
from lstsr_core.geo.raster import Raster
from lstsr_core.metrics.images import gssim
from lstsr_core.metrics.names import METRIC_COLUMNS
from lstsr_core.metrics.perceptual import Lpips
from lstsr_core.networks import weights_files
from lstsr_core.pairs.pair import Pair, write_pair
from lstsr_core.sharpening.methods import METHODS, WEIGHTS_MISSING, Options
from worlds.pairs import true_product, truth_under

GAPS = "the product has gaps, which the published protocol would take for zeros"
NO_CORNERS = "fewer than four corners found in a mask"

GEOREFERENCED = ["georeferenced"]
RUNS_A_NETWORK = list(weights_files.NETWORKS)
COMPANION_NETWORKS = [name for name in RUNS_A_NETWORK if METHODS[name].source == "companion"]
NETWORKS = ["sc-unet", "sif-cnn-sr1", "sif-cnn-sr2"]


def judged(placement: Placement, product: Raster) -> Comparison:
    comparison = placement.compare({"it": product})["it"]
    assert isinstance(comparison, Comparison), comparison
    return comparison


def judge(pair: Pair, product: Raster) -> dict[str, float]:
    placement = Georeferenced(pair)
    return measure(judged(placement, product), placement.pair.lst.values)


def figure(row: dict[str, object], name: str) -> float:
    return float(str(row[name]))


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
    synthetic_truth: Raster,
    synthetic_pair: Pair,
    synthetic_pair_with_bias: Callable[[float], Pair],
    bias_k: float,
) -> None:
    scores = judge(synthetic_pair_with_bias(bias_k), true_product(synthetic_truth, synthetic_pair))
    assert scores["bias_k"] == pytest.approx(bias_k, abs=0.005)
    assert scores["rmse_k"] == pytest.approx(abs(bias_k), abs=0.05)
    assert scores["rmse_unbiased_k"] <= 0.05


def test_bicubic_recovers_no_spectrum_and_the_truth_beats_it(
    synthetic_truth: Raster, synthetic_pair: Pair
) -> None:
    bicubic, tsharp = evaluate_pair(synthetic_pair, ["bicubic", "tsharp"], GEOREFERENCED, Products(Options()))
    truth = judge(synthetic_pair, true_product(synthetic_truth, synthetic_pair))
    assert bicubic["frr"] == 0.0
    assert bicubic["status"] == tsharp["status"] == "ok"
    assert truth["rmse_k"] < 0.2 * figure(bicubic, "rmse_k")
    assert truth["pfr_db"] == pytest.approx(bicubic["pfr_db"])


def test_the_truth_beats_bicubic_under_the_published_protocol_too(
    synthetic_truth: Raster, synthetic_pair: Pair
) -> None:
    (bicubic,) = evaluate_pair(synthetic_pair, ["bicubic"], ["published"], Products(Options()))
    comparison = judged(Published(synthetic_pair), truth_under(synthetic_truth, synthetic_pair.ndvi))
    truth = measure(comparison, synthetic_pair.lst.values, published=True)
    assert truth["rmse_k"] < 0.2 * figure(bicubic, "rmse_k")
    assert truth["frr"] > 0.95
    assert bicubic["frr"] == 0.0
    assert comparison.product.values.shape == (truth["rows"], truth["columns"])


@pytest.mark.parametrize("published", [None, False])
def test_the_published_protocol_takes_published_variants_unless_told_otherwise(
    synthetic_pair: Pair, published: bool | None
) -> None:
    options, placement = Options(published=published), Published(synthetic_pair)
    (row,) = evaluate_pair(synthetic_pair, ["tsharp"], ["published"], Products(options))
    products, _ = sharpen_all(placement.pair, ["tsharp"], placement.options(options))
    comparison = judged(placement, products["tsharp"])
    quirks, plain = (
        (
            gssim(comparison.product.values, comparison.aster.values, published=variant),
            spectra_of(comparison, published=variant).fro,
        )
        for variant in (True, False)
    )
    assert quirks[0] != plain[0] and quirks[1] != plain[1]
    assert (row["gssim"], row["fro"]) == (plain if published is False else quirks)


def test_asters_own_range_is_not_moved_by_a_products_outlier(
    synthetic_truth: Raster, synthetic_pair: Pair
) -> None:
    product = true_product(synthetic_truth, synthetic_pair)
    values = product.values + np.random.default_rng(40).normal(0.0, 1.0, product.values.shape)
    plain = judge(synthetic_pair, product.with_values(values))
    values[80, 80] += 60.0
    outlying = judge(synthetic_pair, product.with_values(values))
    assert outlying["psnr_db"] > plain["psnr_db"] + 3.0
    assert outlying["psnr_aster_range_db"] < plain["psnr_aster_range_db"]


def test_spectra_of_unequal_lengths_are_compared_as_far_as_both_reach(
    synthetic_truth: Raster, synthetic_pair: Pair
) -> None:
    """The published protocol cuts bicubic by a rectangle of its own."""
    comparison = judged(Georeferenced(synthetic_pair), true_product(synthetic_truth, synthetic_pair))
    same = spectra_of(comparison)
    smaller = spectra_of(replace(comparison, bicubic=comparison.bicubic.crop(slice(4, -4), slice(4, -4))))
    assert smaller.frr == pytest.approx(1.0, abs=0.02)
    assert smaller.attenuation_rmse_db == pytest.approx(same.attenuation_rmse_db, abs=0.05)


def test_lpips_is_filled_where_it_is_given(synthetic_pair: Pair) -> None:
    class Constant(Lpips):
        def __call__(self, x: np.ndarray, r: np.ndarray) -> float:
            return 0.25 if x.shape == r.shape else -1.0

    for lpips, expected in ((None, math.nan), (Lpips("no weights"), math.nan), (Constant(), 0.25)):
        (row,) = evaluate_pair(synthetic_pair, ["bicubic"], GEOREFERENCED, Products(Options()), lpips)
        assert row["lpips"] == pytest.approx(expected, nan_ok=True)


# What pairs may lack


def with_lst(pair: Pair, change: Callable[[np.ndarray], None]) -> Pair:
    values = pair.lst.values.copy()
    change(values)
    return replace(pair, lst=pair.lst.with_values(values))


def with_ndvi(pair: Pair, change: Callable[[np.ndarray], None]) -> Pair:
    values = pair.ndvi.values.copy()
    change(values)
    return replace(pair, ndvi=pair.ndvi.with_values(values))


def cloud(lst_k: np.ndarray) -> None:
    lst_k[10:12, 8:32] = np.nan
    lst_k[37, 3] = np.nan


def haze(ndvi: np.ndarray) -> None:
    ndvi[118:125, 30:130] = np.nan
    ndvi[7, 9] = np.nan


def all_but_eight(lst_k: np.ndarray) -> None:
    corner_k = lst_k[10:12, 10:14].copy()
    lst_k[:] = np.nan
    lst_k[10:12, 10:14] = corner_k


def without_aster(pair: Pair) -> Pair:
    """Zeros and NaN over all patches; some valid pixels far off, so that the file is read."""
    aster_k = np.where(np.arange(pair.aster.columns) % 2, 0.0, np.nan) + np.zeros_like(pair.aster.values)
    aster_k[:4, :4] = 300.0
    return replace(pair, aster=pair.aster.with_values(aster_k))


LACKING: dict[str, Callable[[Pair], Pair]] = {
    "clouds": lambda pair: with_lst(pair, cloud),
    "no NDVI in places": lambda pair: with_ndvi(pair, haze),
    "clouds, and no NDVI in places": lambda pair: with_ndvi(with_lst(pair, cloud), haze),
    "constant NDVI": lambda pair: with_ndvi(pair, lambda ndvi: ndvi.fill(0.5)),
    "NDVI of zero": lambda pair: with_ndvi(pair, lambda ndvi: ndvi.fill(0.0)),
    "eight coarse pixels": lambda pair: with_lst(pair, all_but_eight),
    "no pixel of both": lambda pair: with_ndvi(
        with_lst(pair, lambda lst_k: lst_k[20:].fill(np.nan)), lambda ndvi: ndvi[:90].fill(np.nan)
    ),
    "no ASTER": without_aster,
    "LST of one value": lambda pair: with_lst(pair, lambda lst_k: lst_k.fill(300.0)),
}

OK, SAME = "ok", "the NDVI of all valid coarse pixels is the same"
EIGHT, NONE = "8 coarse pixels", "0 coarse pixels"
NEITHER = "no pixel has both an LST and an NDVI"

# What becomes of Bicubic, of the regressions (TsHARP, ATPRK, AATPRK), of DMS and of the networks
EXPECTED = {
    ("clouds", "georeferenced"): (OK, OK, OK, OK),
    ("clouds", "published"): (GAPS, GAPS, GAPS, GAPS),
    ("no NDVI in places", "georeferenced"): (OK, OK, OK, OK),
    ("no NDVI in places", "published"): (OK, GAPS, GAPS, GAPS),
    ("clouds, and no NDVI in places", "georeferenced"): (OK, OK, OK, OK),
    ("clouds, and no NDVI in places", "published"): (GAPS, GAPS, GAPS, GAPS),
    ("constant NDVI", "georeferenced"): (OK, SAME, NONE, OK),
    ("constant NDVI", "published"): (OK, SAME, NONE, OK),
    ("NDVI of zero", "georeferenced"): (OK, SAME, NONE, OK),
    ("NDVI of zero", "published"): (OK, SAME, NONE, OK),
    ("eight coarse pixels", "georeferenced"): (TOO_SMALL, EIGHT, EIGHT, TOO_SMALL),
    ("eight coarse pixels", "published"): (GAPS, EIGHT, EIGHT, GAPS),
    ("no pixel of both", "georeferenced"): (TOO_SMALL, NONE, NONE, NEITHER),
    ("no pixel of both", "published"): (GAPS, NONE, NONE, NEITHER),
    ("no ASTER", "georeferenced"): (TOO_SMALL, TOO_SMALL, TOO_SMALL, TOO_SMALL),
    ("no ASTER", "published"): (NO_CORNERS, NO_CORNERS, NO_CORNERS, NO_CORNERS),
    ("LST of one value", "georeferenced"): (OK, OK, OK, OK),
    ("LST of one value", "published"): (OK, OK, OK, OK),
}


@pytest.mark.parametrize(("lacking", "protocol"), EXPECTED)
def test_what_a_pair_lacks_is_masked_or_told(
    synthetic_pair: Pair, random_weights: Path, lacking: str, protocol: str
) -> None:
    pair = LACKING[lacking](synthetic_pair)
    rows = evaluate_pair(pair, list(METHODS), [protocol], Products(Options(random_weights)))
    assert [row["method"] for row in rows] == list(METHODS)
    bicubic, regressions, dms, networks = EXPECTED[lacking, protocol]
    for row in rows:
        told = {
            "bicubic": bicubic,
            "dms": dms,
            "dms-local": dms,
            **dict.fromkeys(RUNS_A_NETWORK, networks),
        }.get(str(row["method"]), regressions)
        assert str(row["status"]).startswith(told), row["method"]
        assert "\n" not in str(row["status"])
        names = [name for name in METRIC_COLUMNS if name in row]
        if told == OK:
            assert names == METRIC_COLUMNS
            assert all(math.isfinite(figure(row, name)) for name in METRIC_COLUMNS if name != "lpips"), row
        else:
            assert names == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "lacking", ["clouds", "no NDVI in places", "clouds, and no NDVI in places", "eight coarse pixels"]
)
def test_products_are_gapped_where_their_inputs_are_and_nowhere_else(
    synthetic_pair: Pair, random_weights: Path, lacking: str, protocol: str
) -> None:
    placement = PROTOCOLS[protocol](LACKING[lacking](synthetic_pair))
    products, reasons = sharpen_all(placement.pair, list(METHODS), placement.options(Options(random_weights)))
    assert len(products) + len(reasons) == len(METHODS) and len(products) == (
        4 + len(COMPANION_NETWORKS) if lacking == "eight coarse pixels" else len(METHODS)
    )
    lst_known = np.kron(np.isfinite(placement.pair.lst.values), np.ones((4, 4), dtype=bool))
    for name, product in products.items():
        valid = lst_known if name == "bicubic" else lst_known & np.isfinite(placement.pair.ndvi.values)
        np.testing.assert_array_equal(np.isfinite(product.values), valid, err_msg=name)


# Tables


@pytest.fixture
def pairs_directory(
    tmp_path: Path, synthetic_pair: Pair, synthetic_pair_with_bias: Callable[[float], Pair]
) -> Path:
    """Pairs 1 and 2 in this project's layout; ASTER is 2 K colder in the second."""
    directory = tmp_path / "pairs"
    write_pair(replace(synthetic_pair, id="1"), directory)
    write_pair(replace(synthetic_pair_with_bias(2.0), id="2"), directory)
    return directory


def test_tables_have_one_row_for_each_scene_protocol_and_method(pairs_directory: Path) -> None:
    evaluation = evaluate(
        pairs_directory, iter(["1", "2"]), ["bicubic", "tsharp"], list(PROTOCOLS), Options()
    )
    table = evaluation.table()
    assert list(table.columns) == COLUMNS
    assert list(zip(table["scene"], table["protocol"], table["method"], strict=True)) == list(
        itertools.product("12", PROTOCOLS, ("bicubic", "tsharp"))
    )
    assert set(table["status"]) == {"ok"}
    assert evaluation.failures == {}
    bias_k = table.set_index(["scene", "protocol", "method"])["bias_k"]
    for protocol in PROTOCOLS:
        assert bias_k["2", protocol, "bicubic"] - bias_k["1", protocol, "bicubic"] == pytest.approx(
            2.0, abs=1e-3
        )
    assert table[[c for c in METRIC_COLUMNS if c != "lpips"]].notna().all().all()


def test_files_give_what_the_pair_in_memory_gives(pairs_directory: Path, synthetic_pair: Pair) -> None:
    from_files = evaluate(pairs_directory, ["1"], ["tsharp"], list(PROTOCOLS), Options()).rows
    in_memory = evaluate_pair(synthetic_pair, ["tsharp"], list(PROTOCOLS), Products(Options()))
    for ours, theirs in zip(from_files, in_memory, strict=True):
        for column in METRIC_COLUMNS:
            assert ours[column] == pytest.approx(theirs[column], rel=1e-3, abs=1e-5, nan_ok=True), column


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_networks_without_weights_get_empty_rows(pairs_directory: Path, protocol: str) -> None:
    table = evaluate(
        pairs_directory, ["1"], ["bicubic", *NETWORKS], [protocol], Options(weights=pairs_directory)
    ).table()
    assert list(table["method"]) == ["bicubic", *NETWORKS]
    assert list(table["status"]) == ["ok"] + 3 * [WEIGHTS_MISSING]
    assert table.loc[1:, [*METRIC_COLUMNS, "rows", "columns"]].isna().all().all()


def test_methods_that_all_lack_a_product_still_have_rows(pairs_directory: Path) -> None:
    table = evaluate(
        pairs_directory, ["1"], NETWORKS, list(PROTOCOLS), Options(weights=pairs_directory)
    ).table()
    assert list(table["status"]) == 3 * len(PROTOCOLS) * [WEIGHTS_MISSING]


def test_damaged_weights_are_refused(pairs_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "sc-unet.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match=r"sc-unet\.safetensors: not a readable weights file"):
        evaluate(pairs_directory, ["1"], ["sc-unet", "bicubic"], GEOREFERENCED, Options(weights=tmp_path))


def test_unknown_names_are_refused_before_any_pair_is_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown method 'lanczos'"):
        evaluate(
            tmp_path / "nowhere", ["1"], ["bicubic", "lanczos"], GEOREFERENCED, Options(), keep_going=True
        )
    with pytest.raises(
        InputError, match="unknown protocol 'pixelwise'; known protocols: georeferenced, published"
    ):
        evaluate(
            tmp_path / "nowhere", ["1"], ["bicubic"], ["published", "pixelwise"], Options(), keep_going=True
        )


def test_protocols_are_checked_and_none_comes_twice() -> None:
    assert check_protocols(["published", "georeferenced", "published"]) == ["published", "georeferenced"]
    for names in (["Published"], [""], [], ["georeferenced", "all"]):
        with pytest.raises(InputError, match="known protocols: georeferenced, published"):
            check_protocols(names)


def test_a_pair_that_cannot_be_used_stops_the_run(pairs_directory: Path) -> None:
    (pairs_directory / "1_lst_1km.tif").write_bytes(b"cut")
    with pytest.raises(InputError, match=r"1_lst_1km\.tif: not a readable GeoTIFF"):
        evaluate(pairs_directory, ["1", "2"], ["bicubic"], GEOREFERENCED, Options())


def test_a_pair_that_cannot_be_used_is_noted_and_passed(pairs_directory: Path) -> None:
    (pairs_directory / "1_lst_1km.tif").write_bytes(b"cut")
    evaluation = evaluate(
        pairs_directory, ["1", "3", "2"], ["bicubic", "tsharp"], list(PROTOCOLS), Options(), keep_going=True
    )
    assert list(evaluation.failures) == ["1", "3"]
    assert "1_lst_1km.tif: not a readable GeoTIFF" in evaluation.failures["1"]
    table = evaluation.table()
    assert list(zip(table["scene"], table["protocol"], table["method"], strict=True)) == list(
        itertools.product("132", PROTOCOLS, ("bicubic", "tsharp"))
    )
    assert list(table["status"])[4 * len(PROTOCOLS) :] == 2 * len(PROTOCOLS) * ["ok"]
    assert table["status"][:8].str.startswith("pair refused: ").all()
    # Tables are the same wherever they are made.
    assert not table["status"].str.contains(str(pairs_directory), regex=False).any()
    assert table.loc[:7, METRIC_COLUMNS].isna().all().all()


def test_tables_are_the_same_bytes_every_time(pairs_directory: Path, tmp_path: Path) -> None:
    for name in ("first", "second"):
        options = Options(weights=pairs_directory)  # which holds none
        table = evaluate(
            pairs_directory, ["1", "2"], ["tsharp", "dms", "sc-unet"], list(PROTOCOLS), options
        ).table()
        write_table(table, tmp_path / f"{name}.csv")
    content = (tmp_path / "first.csv").read_bytes()
    assert content == (tmp_path / "second.csv").read_bytes()
    assert b"\r" not in content
    rows = list(csv.DictReader(content.decode().splitlines()))
    assert list(rows[0]) == COLUMNS
    assert len(rows) == 6 * len(PROTOCOLS)
    assert all(len(row["rmse_k"].partition(".")[2]) == 6 for row in rows if row["status"] == "ok")
    assert [row["rmse_k"] for row in rows if row["method"] == "sc-unet"] == 2 * len(PROTOCOLS) * [""]


def test_a_table_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, full_disk: Callable[[int], Any]
) -> None:
    path = tmp_path / "table.csv"
    write_table(pd.DataFrame({"scene": range(2000)}), path)
    before = path.read_bytes()
    with full_disk(1000), pytest.raises(InputError, match=r"table\.csv: cannot be written"):
        write_table(pd.DataFrame({"scene": range(1, 2001)}), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@given(st.lists(st.floats(0.0, 10.0), min_size=2, max_size=12), st.integers(0, 3))
def test_summaries_are_those_of_the_statistics_module(values: list[float], missing: int) -> None:
    base = {"method": "bicubic", "protocol": "georeferenced"}
    scenes = [
        {"scene": str(i), **base, "rmse_k": value} for i, value in enumerate([*values, *missing * [math.nan]])
    ]
    summary = summarise(pd.DataFrame(scenes, columns=COLUMNS), METRIC_COLUMNS)
    row = summary[summary["metric"] == "rmse_k"].iloc[0]
    deciles = statistics.quantiles(values, n=10, method="inclusive")
    quartiles = statistics.quantiles(values, n=4, method="inclusive")
    expected = [statistics.fmean(values), statistics.stdev(values), deciles[0], *quartiles, deciles[8]]
    assert row["scenes"] == len(values)
    assert list(row[["mean", "std", "p10", "q1", "median", "q3", "p90"]]) == pytest.approx(expected, abs=1e-9)
    assert list(summary["metric"]) == METRIC_COLUMNS


def random_table(seed: int, scenes: int = 6) -> pd.DataFrame:
    """Results under both protocols by three methods; the last has none at all, the second none of scene 2."""
    generator = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    for scene, protocol, name in itertools.product(
        map(str, range(scenes)), PROTOCOLS, ("bicubic", "dms", "sc-unet")
    ):
        row: dict[str, object] = {"scene": scene, "protocol": protocol, "method": name}
        if name == "sc-unet":
            rows.append({**row, "status": WEIGHTS_MISSING})
        elif (name, scene) == ("dms", "2"):
            rows.append({**row, "status": "overlap"})
        else:
            values = {column: generator.normal() for column in METRIC_COLUMNS if column != "lpips"}
            rows.append({**row, **values, "status": "ok"})
    return pd.DataFrame(rows, columns=COLUMNS)


def values_of(table: pd.DataFrame, protocol: str, name: str, metric: str) -> dict[str, float]:
    """By scene, in plain Python."""
    return {
        row["scene"]: row[metric]
        for row in table.to_dict("records")
        if (row["protocol"], row["method"], row["status"]) == (protocol, name, "ok")
        and not math.isnan(row[metric])
    }


def test_summaries_tell_protocols_and_methods_apart() -> None:
    table = random_table(41)
    summary = summarise(table, METRIC_COLUMNS)
    assert list(zip(summary["protocol"], summary["method"], summary["metric"], strict=True)) == list(
        itertools.product(PROTOCOLS, ("bicubic", "dms", "sc-unet"), METRIC_COLUMNS)
    )
    for row in summary.to_dict("records"):
        values = values_of(table, row["protocol"], row["method"], row["metric"])
        assert row["scenes"] == len(values)
        assert row["mean"] == pytest.approx(
            statistics.fmean(values.values()) if values else math.nan, nan_ok=True
        )


def test_means_are_over_the_scenes_that_count_or_say_why_there_are_none() -> None:
    table = random_table(42)
    means = mean_by_method(table, ["rmse_k", "frr"])
    assert list(means.columns) == ["protocol", "scenes", "rmse_k", "frr"]
    assert list(means.index) == len(PROTOCOLS) * ["Bicubic", "DMS", "SC-Unet"]
    assert list(means["scenes"]) == len(PROTOCOLS) * [6, 5, WEIGHTS_MISSING]
    for (label, row), (protocol, name) in zip(
        means.iterrows(), itertools.product(PROTOCOLS, ("bicubic", "dms", "sc-unet")), strict=True
    ):
        assert row["protocol"] == protocol
        for metric in ("rmse_k", "frr"):
            values = values_of(table, protocol, name, metric)
            assert row[metric] == pytest.approx(
                statistics.fmean(values.values()) if values else math.nan, nan_ok=True
            ), label


def test_methods_are_paired_over_the_scenes_that_both_have() -> None:
    table = random_table(43)
    table.loc[(table["scene"] == "4") & (table["method"] == "bicubic"), "frr"] = np.nan
    gains = differences_between_methods(table, METRIC_COLUMNS)
    # SC-Unet has no result, and LPIPS no value: neither has a difference.
    assert list(zip(gains["protocol"], gains["metric"], strict=True)) == [
        (protocol, metric) for protocol in PROTOCOLS for metric in METRIC_COLUMNS if metric != "lpips"
    ]
    for row in gains.to_dict("records"):
        assert (row["method"], row["other"]) == ("bicubic", "dms")
        ours, theirs = (values_of(table, row["protocol"], name, row["metric"]) for name in ("bicubic", "dms"))
        shared = sorted(ours.keys() & theirs.keys())
        assert row["scenes"] == len(shared) == (4 if row["metric"] == "frr" else 5)
        differences = [ours[scene] - theirs[scene] for scene in shared]
        assert row["difference"] == pytest.approx(statistics.fmean(differences))
        assert min(differences) <= row["low"] < row["difference"] < row["high"] <= max(differences)
        assert row["sign"] == (1 if row["low"] > 0.0 else -1 if row["high"] < 0.0 else 0)


def test_a_difference_that_every_scene_shares_is_no_chance() -> None:
    table = random_table(44).query("status == 'ok'")
    bicubic = table[table["method"] == "bicubic"]
    colder = bicubic.assign(method="tsharp", rmse_k=bicubic["rmse_k"] - 0.5)
    differences = differences_between_methods(pd.concat([bicubic, colder]), METRIC_COLUMNS).set_index(
        ["protocol", "metric"]
    )
    for protocol in PROTOCOLS:
        row = differences.loc[(protocol, "rmse_k")]
        assert list(row[["difference", "low", "high", "sign"]]) == pytest.approx([0.5, 0.5, 0.5, 1])
        assert differences.loc[(protocol, "frr"), "sign"] == 0


@pytest.mark.parametrize("scenes", [0, 1])
def test_differences_need_two_scenes(scenes: int) -> None:
    differences = differences_between_methods(random_table(45, scenes), METRIC_COLUMNS)
    assert differences.empty
    assert list(differences.columns)[:6] == ["protocol", "metric", "method", "other", "scenes", "difference"]
