"""Misregistration, variants and back-projection on pairs whose outcome follows from their making."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from lstsr_core.evaluation.products import Products
from lstsr_core.evaluation.protocols import PROTOCOLS
from lstsr_core.evaluation.side_studies import (
    AS_PUBLISHED,
    COMPARED,
    VARIED_METHODS,
    back_project,
    place_both_ways,
    vary,
)
from lstsr_core.evaluation.statistics import difference_of_states
from lstsr_core.evaluation.table import evaluate_pair
from lstsr_core.geo.raster import Raster
from lstsr_core.pairs.pair import Pair, align, as_paired
from lstsr_core.sharpening.methods import METHODS, WEIGHTS_MISSING, Options, sharpen_pair
from worlds.pairs import truth_under


@pytest.fixture(scope="module")
def pair_that_follows_ndvi(synthetic_truth: Raster, synthetic_pair: Pair) -> Pair:
    """NDVI tells the truth at 250 m, two fine rows and one column away from the LST's origin."""
    under = truth_under(synthetic_truth, synthetic_pair.ndvi)
    return replace(synthetic_pair, ndvi=under.with_values(0.6 - 0.03 * (under.values - 305.0)))


def figure(rows: list[dict[str, object]], name: str, **columns: object) -> float:
    (row,) = (row for row in rows if all(row[key] == value for key, value in columns.items()))
    assert row["status"] == "ok", row["status"]
    return float(str(row[name]))


def test_aligning_helps_where_ndvi_tells_the_truth(pair_that_follows_ndvi: Pair) -> None:
    rows = place_both_ways(pair_that_follows_ndvi, ["bicubic", "tsharp"], Products(Options()))
    assert [(row["method"], row["placement"]) for row in rows] == [
        (name, placement) for name in ("bicubic", "tsharp") for placement in ("as paired", "aligned")
    ]
    for row in rows:
        assert (row["scene"], row["rows_down"], row["columns_right"], row["status"]) == (
            "synthetic",
            2,
            1,
            "ok",
        )
        assert all(math.isfinite(float(str(row[name]))) for name in COMPARED)
    for name in ("bicubic", "tsharp"):
        assert figure(rows, "rmse_k", method=name, placement="aligned") < 0.7 * figure(
            rows, "rmse_k", method=name, placement="as paired"
        )
        assert figure(rows, "correlation", method=name, placement="aligned") > figure(
            rows, "correlation", method=name, placement="as paired"
        )


def test_the_regression_at_1_km_is_told_for_both_placements(pair_that_follows_ndvi: Pair) -> None:
    rows = place_both_ways(pair_that_follows_ndvi, ["bicubic"], Products(Options()))
    for placement, pair in (
        ("as paired", as_paired(pair_that_follows_ndvi)),
        ("aligned", align(pair_that_follows_ndvi)),
    ):
        coarse_ndvi = pair.ndvi.values.reshape(pair.lst.rows, 4, pair.lst.columns, 4).mean(axis=(1, 3))
        line = stats.linregress(coarse_ndvi.ravel(), pair.lst.values.ravel())
        assert figure(rows, "r_squared", placement=placement) == pytest.approx(line.rvalue**2)
        assert figure(rows, "slope_k_per_ndvi", placement=placement) == pytest.approx(line.slope)
    assert figure(rows, "r_squared", placement="aligned") > figure(rows, "r_squared", placement="as paired")


def test_a_pair_without_an_offset_scores_alike_both_ways(pair_that_follows_ndvi: Pair) -> None:
    pair = align(pair_that_follows_ndvi)
    rows = place_both_ways(pair, ["bicubic", "tsharp", "dms"], Products(Options()))
    assert {(row["rows_down"], row["columns_right"]) for row in rows} == {(0, 0)}
    for name in ("bicubic", "tsharp", "dms"):
        for metric in COMPARED:
            both = [
                figure(rows, metric, method=name, placement=placement)
                for placement in ("as paired", "aligned")
            ]
            assert both[0] == pytest.approx(both[1], abs=1e-9)


def test_both_placements_are_judged_over_the_same_pixels_as_the_evaluation(
    pair_that_follows_ndvi: Pair,
) -> None:
    """The aligned half is what the georeferenced evaluation says, if its rectangle is the same."""
    rows = place_both_ways(pair_that_follows_ndvi, ["tsharp"], Products(Options()))
    (row,) = evaluate_pair(pair_that_follows_ndvi, ["tsharp"], ["georeferenced"], Products(Options()))
    for metric in COMPARED:
        assert figure(rows, metric, placement="aligned") == pytest.approx(float(str(row[metric])), abs=1e-9)


def test_methods_without_a_product_have_their_reason_in_both_placements(
    synthetic_pair: Pair, tmp_path: Path
) -> None:
    even = replace(
        synthetic_pair, ndvi=synthetic_pair.ndvi.with_values(np.full_like(synthetic_pair.ndvi.values, 0.5))
    )
    rows = place_both_ways(even, ["tsharp", "sc-unet", "bicubic"], Products(Options(weights=tmp_path)))
    assert len(rows) == 6
    for row in rows:
        told = {
            "tsharp": "the NDVI of all valid coarse pixels is the same",
            "sc-unet": WEIGHTS_MISSING,
            "bicubic": "ok",
        }
        assert str(row["status"]).startswith(told[str(row["method"])])
        assert ("rmse_k" in row) == (row["method"] == "bicubic")
        assert math.isnan(float(str(row["r_squared"])))
    assert len(place_both_ways(even, ["tsharp"], Products(Options()))) == 2


def test_a_small_overlap_is_told_in_both_placements(synthetic_pair: Pair, tmp_path: Path) -> None:
    aster_k = np.full_like(synthetic_pair.aster.values, np.nan)
    aster_k[:, 80:120] = synthetic_pair.aster.values[:, 80:120]
    rows = place_both_ways(
        replace(synthetic_pair, aster=synthetic_pair.aster.with_values(aster_k)),
        ["bicubic"],
        Products(Options()),
    )
    assert [row["status"] for row in rows] == 2 * ["overlap with ASTER not over 40×40 pixels"]


@pytest.fixture(scope="module")
def varied(synthetic_pair: Pair, random_weights: Path) -> list[dict[str, object]]:
    return vary(synthetic_pair, list(METHODS), list(PROTOCOLS), Products(Options(random_weights)))


def test_every_variant_of_every_protocol_has_a_row(varied: list[dict[str, object]]) -> None:
    keys = {(row["protocol"], row["method"], row["variant"]) for row in varied}
    expected = {
        (p, name, variant)
        for p in PROTOCOLS
        for name in VARIED_METHODS
        for variant in ("default", "published")
    }
    assert keys == expected
    assert len(varied) == len(expected)
    for row in varied:
        assert row["status"] == "ok"
        assert all(math.isfinite(float(str(row[name]))) for name in [*COMPARED, *AS_PUBLISHED])


def test_variants_differ_and_methods_without_one_are_left_out(
    varied: list[dict[str, object]], synthetic_pair: Pair, random_weights: Path
) -> None:
    for protocol in PROTOCOLS:
        for name in VARIED_METHODS:
            of_variants = [
                figure(varied, "rmse_k", protocol=protocol, method=name, variant=v)
                for v in ("default", "published")
            ]
            # Aligned, DMS has no offset to take wrongly, and one variant.
            assert (of_variants[0] == of_variants[1]) == (name == "dms" and protocol != "published")
    pair = align(synthetic_pair)
    for name in METHODS.keys() - set(VARIED_METHODS):
        both = [
            sharpen_pair(pair, name, Options(random_weights, published=published)).values
            for published in (False, True)
        ]
        np.testing.assert_array_equal(*both)


def test_a_protocols_own_variant_is_what_the_evaluation_judges(
    varied: list[dict[str, object]], synthetic_pair: Pair, random_weights: Path
) -> None:
    rows = evaluate_pair(synthetic_pair, VARIED_METHODS, list(PROTOCOLS), Products(Options(random_weights)))
    for row in rows:
        name, protocol = row["method"], row["protocol"]
        published = protocol == "published"
        columns = {"protocol": protocol, "method": name, "variant": "published" if published else "default"}
        quirk = ("frr_published", "attenuation_rmse_published_db", "gssim_published")
        plain = ("frr", "attenuation_rmse_db", "gssim")
        assert figure(varied, "rmse_k", **columns) == row["rmse_k"]
        for metric, column in zip(plain, quirk if published else plain, strict=True):
            assert figure(varied, column, **columns) == pytest.approx(row[metric], abs=1e-12)


def test_variants_without_a_product_have_their_reason(synthetic_pair: Pair, tmp_path: Path) -> None:
    rows = vary(
        synthetic_pair, ["sc-unet", "bicubic"], ["georeferenced"], Products(Options(weights=tmp_path))
    )
    assert [(row["variant"], row["status"]) for row in rows] == [
        ("default", WEIGHTS_MISSING),
        ("published", WEIGHTS_MISSING),
    ]


def test_back_projection_gains_consistency_step_by_step(synthetic_pair: Pair, tmp_path: Path) -> None:
    rows = back_project(
        synthetic_pair, ["bicubic", "sc-unet", "tsharp"], Products(Options(weights=tmp_path)), steps=3
    )
    assert [(row["method"], row["step"]) for row in rows] == [
        ("sc-unet", 0), *(("bicubic", step) for step in range(4)), *(("tsharp", step) for step in range(4)),
    ]  # fmt: skip
    assert rows[0]["status"] == WEIGHTS_MISSING
    for name in ("bicubic", "tsharp"):
        consistency_k = [figure(rows, "consistency_k", method=name, step=step) for step in range(4)]
        assert (np.diff(consistency_k) < 0.0).all()
        (base,) = evaluate_pair(synthetic_pair, [name], ["georeferenced"], Products(Options()))
        for metric in ("consistency_k", *COMPARED):
            assert figure(rows, metric, method=name, step=0) == pytest.approx(
                float(str(base[metric])), abs=1e-12
            )


def test_back_projection_keeps_to_the_products_gaps(synthetic_pair: Pair) -> None:
    ndvi = synthetic_pair.ndvi.values.copy()
    ndvi[30:44, 30:100] = np.nan
    gapped = replace(synthetic_pair, ndvi=synthetic_pair.ndvi.with_values(ndvi))
    rows = back_project(gapped, ["tsharp"], Products(Options()), steps=2)
    assert [row["status"] for row in rows] == ["ok"] * 3
    assert all(math.isfinite(float(str(row[name]))) for row in rows for name in ("consistency_k", *COMPARED))


def random_table(seed: int, scenes: int = 7) -> pd.DataFrame:
    generator = np.random.default_rng(seed)
    rows = [
        {"scene": str(scene), "protocol": protocol, "method": name, "variant": variant, "status": "ok",
         "rmse_k": generator.normal(2.0, 0.5), "frr": generator.uniform()}
        for scene in range(scenes) for protocol in ("a", "b")
        for name in ("x", "y") for variant in ("old", "new")
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_differences_are_those_of_slow_loops() -> None:
    table = random_table(70)
    table.loc[3, "status"] = "left out"
    table.loc[9, "frr"] = np.nan
    differences = difference_of_states(
        table, "variant", "old", "new", ["rmse_k", "frr"], keys=("protocol", "method")
    )
    assert len(differences) == 8
    assert list(differences.columns) == [
        "protocol", "method", "metric", "scenes", "first", "second", "difference", "low", "high", "sign",
    ]  # fmt: skip
    for row in differences.to_dict("records"):
        pairs = []
        for scene in map(str, range(7)):
            values = [
                line[row["metric"]] for variant in ("old", "new") for line in table.to_dict("records")
                if (line["scene"], line["protocol"], line["method"], line["variant"], line["status"])
                == (scene, row["protocol"], row["method"], variant, "ok")
            ]  # fmt: skip
            if len(values) == 2 and not any(map(math.isnan, values)):
                pairs.append(values)
        old, new = np.array(pairs).T
        assert row["scenes"] == len(pairs)
        assert (row["first"], row["second"], row["difference"]) == pytest.approx(
            (old.mean(), new.mean(), (new - old).mean())
        )
        assert row["low"] < row["difference"] < row["high"]
        assert row["sign"] == (1 if row["low"] > 0 else -1 if row["high"] < 0 else 0)


def test_a_difference_that_all_scenes_share_has_its_sign() -> None:
    table = random_table(71)
    old = table[table["variant"] == "old"].assign(variant="new", rmse_k=lambda rows: rows["rmse_k"] - 0.25)
    (row,) = difference_of_states(
        pd.concat([table[table["variant"] == "old"], old]).query("protocol == 'a' and method == 'x'"),
        "variant", "old", "new", ["rmse_k"],
    ).to_dict("records")  # fmt: skip
    assert (row["difference"], row["low"], row["high"], row["sign"]) == pytest.approx(
        (-0.25, -0.25, -0.25, -1)
    )


def test_states_that_share_no_scene_have_no_difference() -> None:
    table = random_table(72).query("variant == 'old'")
    assert difference_of_states(table, "variant", "old", "new", ["rmse_k"], keys=("protocol", "method")).empty
    assert difference_of_states(table.assign(status="left out"), "variant", "old", "new", ["rmse_k"]).empty
