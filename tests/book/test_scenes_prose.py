"""What pages tell of scenes that judge, are skipped, or are odd."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from lstsr_book.kept_results import RESULTS, KeptResults
from lstsr_book.results_prose import Results
from lstsr_book.run_files import METRICS
from lstsr_book.scenes_prose import odd_pairs_sentence, scenes_substitutions, skips_sentence
from lstsr_core.base.project import OWN_WEIGHTS, PROJECT
from lstsr_core.pairs.scenes import ids_of_test_scenes

KEPT = KeptResults.read(PROJECT / RESULTS)


@pytest.fixture(scope="module")
def told() -> dict[str, str]:
    return scenes_substitutions(Results(KEPT.files, KEPT.claims()))


def test_the_published_scenes_are_told_with_what_is_odd_about_them(told: dict[str, str]) -> None:
    counts = [told[name] for name in ("scenes_count", "development_count", "test_count", "apart_count")]
    assert counts == ["83", "62", "21", "eight"]
    assert told["apart_scenes"] == "2, 15, 60, 70, 133, 151, 162 and 191"
    assert told["skips_sentence"].startswith("It skips scene 52, 62, 176 with AATPRK, 196 and 216: ")
    assert (
        "pair 15, 1 of 4096 pixels of LST (402.12) outside the usual 200 to 400 K."
        in told["odd_pairs_sentence"]
    )


def test_means_are_told_over_all_scenes_the_test_scenes_and_those_apart(told: dict[str, str]) -> None:
    rows = {
        re.search(r">([^<]+)</th>", line)[1]: re.findall(r'data-value="([^"]+)"|<td>(–)', line)  # type: ignore[index]
        for line in told["test_scenes_table"].splitlines()
        if line.startswith("<tr><th")
    }
    metrics = (
        KEPT.files.table(METRICS)
        .query("protocol == 'georeferenced' and method == 'sc-unet'")
        .set_index("scene")
    )
    parts = [list(metrics.index), ids_of_test_scenes(), ids_of_test_scenes(apart=True)]
    assert [len(part) for part in parts] == [83, 21, 8]
    expected = [
        metrics.loc[part, name].mean() for name in ("rmse_k", "frr", "attenuation_rmse_db") for part in parts
    ]
    assert [float(value) for value, _ in rows["SC-Unet"]] == pytest.approx(expected, rel=1e-4)
    shipped = pd.read_csv(OWN_WEIGHTS / "test_scenes.csv").query(
        "weights == 'package' and method == 'sc-unet'"
    )
    cells = rows["SC-Unet, the package’s own weights"]
    assert [dash for _, dash in cells] == ["–", "", ""] * 3
    assert float(cells[1][0]) == pytest.approx(shipped["rmse_k"].mean(), rel=1e-4)


def test_skips_are_told_by_reason_and_by_method_where_not_all_share_them() -> None:
    rows = [
        ("1", "bicubic", "ok"),
        ("1", "dms", "too cold"),
        ("2", "bicubic", "small"),
        ("2", "dms", "small"),
    ]
    metrics = pd.DataFrame(rows, columns=["scene", "method", "status"]).assign(protocol="published")
    assert skips_sentence(metrics) == "It skips scene 1 with DMS: too cold. It skips scene 2: small."
    assert skips_sentence(metrics[metrics["status"] == "ok"]) == "It skips none."


@pytest.mark.parametrize(
    "pairs", [pd.DataFrame({"scene": ["1"]}), pd.DataFrame({"scene": ["1"], "remarks": [None]})]
)
def test_nothing_is_said_where_nothing_is_odd(pairs: pd.DataFrame) -> None:
    assert odd_pairs_sentence(pairs) == ""
