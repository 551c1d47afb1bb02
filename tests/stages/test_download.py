"""01_download with an archive: what is linked into the run, fetched once for all runs."""

from __future__ import annotations

import datetime
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio.warp
import shapely

from lstsr_core.base.errors import InputError
from lstsr_core.download.earthdata import EarthdataSource
from lstsr_core.download.transfer import Patience
from lstsr_core.pairs.pair import Pair
from lstsr_core.stages import download as download_stages
from lstsr_core.stages.download import link_granules
from lstsr_core.stages.parameters import Download
from worlds.archive import Archive, Fault, serving, small_granule


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("EARTHDATA_TOKEN", "a-token")
    held = Archive()
    (tmp_path / "made").mkdir()
    for product in ("MOD21A1D", "MOD09GQ"):
        for day in (1, 2):
            held.add(*small_granule(tmp_path / "made", product, datetime.date(2017, 1, day), pixels=40))
    with serving(held):
        yield held


def test_two_runs_share_what_was_fetched_once(archive: Archive, tmp_path: Path) -> None:
    gone = next(iter(archive.granules))
    archive.lasting[gone] = Fault(404)
    for run in ("first", "second"):
        settings = Download.check(
            {
                "run_directory": str(tmp_path / run),
                "granule_directory": str(tmp_path / "shared"),
                "source": "published",
            }
        )
        stop = threading.Event()
        table = link_granules(settings, EarthdataSource(Patience(2, 0.01), stop, archive.system), stop)
        good = sorted(archive.granules.keys() - {gone})
        assert table["file"].tolist() == [f"granules/{name}" for name in [*good, gone]]
        assert table["status"].tolist() == ["downloaded"] * 3 + ["failed"]
        linked = {path.name: path.read_bytes() for path in (settings.directory / "granules").iterdir()}
        assert linked == {name: archive.granules[name] for name in good}
    assert (
        sorted(set(archive.asked_for_granules)) == sorted(archive.granules)
        and len(archive.asked_for_granules) == 3 + 2
    )


def test_real_granules_do_not_join_simulated_ones(tmp_path: Path) -> None:
    settings = Download.check(
        {"run_directory": str(tmp_path), "archive": "earthdata", "windows": 2, "pairs": 1}
    )
    with pytest.raises(InputError, match="never with simulated ones"):
        download_stages.bring_data(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("archive", "ftp"),
        ("products", ["MOD13A2.061"]),
        ("tiles", ["h99v04"]),
        ("start", "2017-02-30"),
        ("products", []),
    ],
)
def test_a_wrong_parameter_is_named(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"parameter '{name}'"):
        Download.check({name: value})


def test_the_footprint_is_a_closed_ring_around_the_swath(synthetic_pair: Pair) -> None:
    outline = download_stages.footprint(synthetic_pair)
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
    table = download_stages.describe_pairs(settings)
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
    written = pd.read_csv(run / "01_download" / "pairs.csv", dtype={"scene": str, "remarks": str}).fillna(
        {"remarks": ""}
    )
    pd.testing.assert_frame_equal(written, table, check_dtype=False, atol=1e-6)
