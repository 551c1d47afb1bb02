"""14_your_map: a place and a day become the map of lstsr map; what it shows is what is in the files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio

from lstsr_core.base.errors import InputError
from lstsr_core.download.download import Result
from lstsr_core.geo.operators import degrade
from lstsr_core.maps.input_costs import DAYS, composite_ndvi_costs
from lstsr_core.stages import your_map as stage
from lstsr_core.stages.parameters import YourMap
from worlds.places import DAY, Field

PLACE = "-0.3,49.8,0.3,50.2"
"""Four tiles meet in it."""

FIGURES = ("input_and_map", "trust")


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    Field.around(4800, 21600, 160).write(tmp_path / "cache")
    return tmp_path / "cache"


def settings_of(run: Path, **values: Any) -> YourMap:
    settings = {"run_directory": str(run), "place": PLACE, "day": DAY.isoformat(), "method": "tsharp"}
    return YourMap.check({**settings, "threads": 1, **values})


def test_the_plan_names_tiles_granules_and_the_maps_size(tmp_path: Path, cache: Path) -> None:
    told = stage.describe(stage.plan(settings_of(tmp_path / "run", cache=str(cache))))["value"]
    assert told["place"] == f"box {PLACE}: h17v03, h18v03, h17v04, h18v04" and told["days"] == str(DAY)
    assert told["sample"].startswith("8 granules: 8 here, 0 to fetch; 0 bytes") and "pixels" in told["map"]
    assert not (tmp_path / "run").exists()


def test_the_map_is_that_of_the_command(
    tmp_path: Path, cache: Path, lstsr: Callable[..., tuple[int, str, str]]
) -> None:
    settings = settings_of(tmp_path / "run", cache=str(cache))
    shown = stage.make(settings, stage.plan(settings))["value"]
    there = tmp_path / "there.tif"
    lstsr(
        "map", "--source", "sample", "--method", "tsharp", "--cache", cache, "--out", there, "--place", PLACE,
        "--date", DAY, "--no-quicklook",
    )  # fmt: skip
    with rasterio.open(settings.directory / "map.tif") as ours, rasterio.open(there) as theirs:
        np.testing.assert_array_equal(ours.read(), theirs.read())
        assert shown["pixels of 250 m (rows × columns)"] == f"{ours.height} × {ours.width}"
        lst_k = ours.read(1)
    content = json.loads((settings.directory / "map.json").read_text())
    assert content["method"] == "tsharp" and content["lst_mean_k"] == pytest.approx(lst_k.mean(), abs=1e-3)
    assert shown["warning 1"].startswith("the granules are simulated")
    assert sorted(path.name for path in settings.directory.iterdir()) == ["map.json", "map.tif"]


def test_figures_show_the_1_km_lst_of_the_same_ground(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_of(tmp_path / "run", cache=str(cache))
    needed, inputs = stage.plan(settings), []
    stage.make(settings, needed)
    drawn = stage.quicklook.input_and_map
    monkeypatch.setattr(
        stage.quicklook, "input_and_map", lambda lst, path: inputs.append(lst) or drawn(lst, path)
    )
    assert stage.show_beside_input(settings, needed) is not None and stage.show_trust(settings) is not None
    for name in FIGURES:
        assert (settings.directory / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    (lst,) = inputs
    with rasterio.open(settings.directory / "map.tif") as source:
        assert (lst.left_m, lst.top_m) == pytest.approx((source.bounds.left, source.bounds.top), abs=1e-3)
        assert (4 * lst.rows, 4 * lst.columns) == source.shape
        fine_k = source.read(1).astype(float)
    inner = np.s_[4:-4, 4:-4]  # at the edge, the sensor's footprint reaches beyond the map
    assert np.sqrt(np.mean((degrade(fine_k)[inner] - lst.values[inner]) ** 2)) < 0.3  # LST varies by more


def test_granules_are_drawn_for_the_place_and_stay_out_of_the_results(tmp_path: Path) -> None:
    """Their manifest tells when they came; a run's results are the same each time."""
    settings = settings_of(tmp_path, place="3.5,46.2,3.6,46.3", method="bicubic")
    stage.make(settings, stage.plan(settings))
    granules = list((tmp_path / ".granules").rglob("*.hdf"))
    assert len(granules) == 2 and sum(path.stat().st_size for path in granules) < 5e6
    assert not list(settings.directory.rglob("*.hdf")) and not list(settings.directory.rglob("manifest.csv"))
    again = stage.describe(stage.plan(settings))["value"]
    assert again["sample"].startswith("2 granules: 2 here, 0 to fetch")


def test_what_cannot_be_fetched_is_said(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(tmp_path / "run", cache=str(cache))
    reason = "MOD21A1D.A2019200.h18v04: the archive\n answers 503"
    monkeypatch.setattr(stage, "download", lambda *_: Result(failed={"MOD21A1D": reason}))
    with pytest.raises(InputError, match=r"^MOD21A1D\.A2019200\.h18v04: the archive answers 503$"):
        stage.make(settings, stage.plan(settings))
    assert not settings.directory.exists()


def test_a_mirror_needs_its_address(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the archive's address"):
        stage.plan(settings_of(tmp_path, source="mirror"))


def test_a_place_without_land_or_data_is_refused_in_one_line(tmp_path: Path) -> None:
    for values, reason in (
        ({"place": "-22.1,53,-22,53.1"}, "no land"),
        ({"day": "1999-01-01"}, "begin on 2000-02-24"),
    ):
        with pytest.raises(InputError, match=reason) as caught:
            stage.plan(settings_of(tmp_path, **values))
        assert "\n" not in str(caught.value)


def test_costs_are_written_as_they_are_measured(tmp_path: Path) -> None:
    settings = settings_of(tmp_path)
    shown = stage.costs_of_composites(settings)
    expected = composite_ndvi_costs("tsharp", days=DAYS[1:2], windows=2)
    pd.testing.assert_frame_equal(pd.read_csv(settings.directory / "composites.csv"), expected)
    assert (
        shown.loc[("half-cloudy", "daily"), "mapped"] < 0.6
        and (shown.xs("16-day", level=1)["mapped"] == 1).all()
    )
    resampled = stage.costs_of_resampling(settings)["rmse_k"]
    assert resampled["none"] < resampled["LST"] < resampled["LST and NDVI"]
    written = pd.read_csv(settings.directory / "resampling.csv")
    assert written["rmse_k"].tolist() == pytest.approx(resampled.tolist())
