"""Means and differences over parts against plain pandas; who may be in a mean; groups of scenes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from affine import Affine

from lstsr_core.base.project import BETTER_MAP
from lstsr_core.evaluation import trade
from lstsr_core.evaluation.statistics import mean_interval
from lstsr_core.pairs.pair import Pair, write_pair
from lstsr_core.pairs.scenes import ids_of_test_scenes, published_scenes

GROUPS = {"a": 0, "b": 0, "c": 1, "d": 2}


def table() -> pd.DataFrame:
    generator = np.random.default_rng(4)
    rows = [
        {
            "part": "development",
            "scene": scene,
            "protocol": protocol,
            "method": method,
            "status": "ok",
            "in_sample": None,
            **dict(zip(trade.METRICS, generator.uniform(0.5, 2.0, len(trade.METRICS)), strict=True)),
        }
        for scene in GROUPS
        for protocol in ("georeferenced", "registered")
        for method in ("bicubic", "sc-unet", "dms-local")
    ]
    return pd.DataFrame(rows)


def test_means_are_those_over_scenes_with_intervals_over_groups() -> None:
    judged = table()
    found = trade.compare(judged, GROUPS).set_index(["protocol", "method", "metric"])
    assert (found["scenes"] == 4).all() and (found["groups"] == 3).all()
    for (protocol, method), rows in judged.groupby(["protocol", "method"]):
        for metric in trade.METRICS:
            expected = mean_interval(rows[metric], np.array([0, 0, 1, 2]))
            cells = found.loc[(protocol, method, metric), ["mean", "low", "high"]].tolist()
            assert cells == pytest.approx([rows[metric].mean(), expected.low, expected.high])


def test_a_companions_method_has_no_row_of_a_scene_that_it_was_fitted_to_and_a_papers_keeps_its_own() -> None:
    judged = table()
    seen = judged["scene"].isin(["a", "b"])
    judged.loc[seen & (judged["method"] == "dms-local"), "in_sample"] = True
    judged.loc[seen & (judged["method"] == "sc-unet"), "in_sample"] = True
    judged.loc[judged["scene"] == "d", "status"] = "no result"
    rows = trade.judged_rows(judged)
    scenes = {name: sorted(set(group["scene"])) for name, group in rows.groupby("method")}
    assert scenes == {"bicubic": ["a", "b", "c"], "sc-unet": ["a", "b", "c"], "dms-local": ["c"]}


def test_differences_are_paired_over_the_scenes_that_both_have() -> None:
    judged = table()
    judged.loc[(judged["scene"] == "a") & (judged["method"] == "bicubic"), "status"] = "no result"
    found = trade.differences(judged, GROUPS, ["sc-unet", "sif-cnn-sr1"])
    assert set(found["other"]) == {"sc-unet"} and set(found["method"]) == {"bicubic", "dms-local"}
    row = found.query("protocol == 'registered' and metric == 'frr' and method == 'bicubic'").iloc[0]
    wide = judged[judged["protocol"] == "registered"].pivot(index="scene", columns="method", values="frr")
    assert row["scenes"] == 3
    assert row["difference"] == pytest.approx((wide["bicubic"] - wide["sc-unet"])[["b", "c", "d"]].mean())


def test_groups_are_by_part_and_need_no_aster(
    synthetic_pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(pair: Pair, name: str, columns: float) -> Pair:
        lst, ndvi = (
            replace(raster, transform=raster.transform @ Affine.translation(columns * factor, 0.0))
            for raster, factor in ((pair.lst, 1), (pair.ndvi, 4))
        )
        return replace(pair, id=name, lst=lst, ndvi=ndvi)

    for name, columns in (("1", 0), ("2", 30), ("3", 60), ("4", 200), ("5", 0)):
        write_pair(away(synthetic_pair, name, columns), tmp_path)
        (tmp_path / f"{name}_aster_250m.tif").unlink()
    monkeypatch.setattr(trade, "is_test_scene", lambda pair: pair.id == "5")
    groups = trade.groups_of_scenes(tmp_path)
    assert groups.to_numpy().tolist() == [
        ["1", "development", 0], ["2", "development", 0], ["3", "development", 0], ["4", "development", 1],
        ["5", "test", 0],
    ]  # fmt: skip
    numbers = trade.group_of_scene(groups)
    assert len(set(numbers.values())) == 3 and numbers["1"] != numbers["5"]


def test_test_scenes_apart_are_told_once_more() -> None:
    tests, apart = ids_of_test_scenes(), ids_of_test_scenes(apart=True)
    judged = pd.DataFrame(
        {"scene": [*tests, *apart], "part": ["test"] * len(tests) + ["development"] * len(apart)}
    )
    told = trade.with_apart(judged)
    assert sorted(told.loc[told["part"] == trade.APART, "scene"]) == sorted(apart)
    assert (told["part"] == "test").sum() == len(tests)


def test_the_kept_tables_are_of_the_scenes_that_they_name() -> None:
    scenes = published_scenes().set_index("scene")["part"]
    groups = pd.read_csv(BETTER_MAP / "groups.csv", dtype={"scene": str})
    assert groups.set_index("scene")["part"].to_dict() == scenes.to_dict()
    for path in BETTER_MAP.glob("*_scenes*.csv"):
        kept = pd.read_csv(path, dtype={"scene": str})
        part = path.name.partition("_")[0]
        assert set(scenes[kept["scene"]]) == {part}, path
        assert {"georeferenced", "registered"} <= set(kept["protocol"]), path
