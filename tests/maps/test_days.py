"""Maps of a place over one, two and four tiles: a field cut into granules is mapped as if it were whole."""

from __future__ import annotations

import datetime
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.download.download import download, open_source
from lstsr_core.download.earthdata import EarthdataSource
from lstsr_core.download.transfer import Patience
from lstsr_core.geo.grid import SCALE, Tile
from lstsr_core.geo.raster import FloatArray
from lstsr_core.maps.area import parse_bounds
from lstsr_core.maps.days import FIRST_DAYS, Order, Plan, map_day, map_days, plan_maps
from lstsr_core.maps.place import WORLD, Place
from lstsr_core.maps.predict import predict_granule
from lstsr_core.maps.request import Request
from lstsr_core.maps.stack import open_maps
from lstsr_core.sharpening.methods import METHODS, Options
from worlds.archive import Archive, Fault, forget_logins, serving
from worlds.places import DAY, Field
from worlds.seams import seam

SIDE = 240
PLACES = {
    "one tile": ((4930, 21900), "3.3,48.9,3.7,49.4", 1),
    "two tiles": ((5100, 21600), "-0.3,47.3,0.3,47.7", 2),
    "four corners": ((4800, 21600), "-0.3,49.8,0.3,50.2", 4),
}


def plan(cache: Path, box: str | Place, request: Request, days: int = 1, family: str = "MOD21A1") -> Plan:
    place = Place.box(box) if isinstance(box, str) else box
    order = Order(place, DAY, DAY + datetime.timedelta(days=days - 1), "terra", family, request)
    return plan_maps(order, open_source("sample", Patience(1, 0.0), threading.Event()), cache)


def bands(path: Path) -> FloatArray:
    with rasterio.open(path) as source:
        values: FloatArray = source.read()
        return values


@pytest.fixture(scope="module", params=PLACES)
def field_and_box(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple:
    (row, column), _, tiles = PLACES[request.param]
    field = Field.around(row, column, SIDE)
    cache = tmp_path_factory.mktemp("cache")
    assert len(field.write(cache)) == tiles
    # 40 pixels to each side of the middle of the field, as a box of the grid, brought to degrees
    half = 40
    corner = WORLD.crop(slice(row - half, row + half), slice(column - half, column + half))
    square = shapely.box(corner.left_m, corner.bottom_m, corner.right_m, corner.top_m)
    outline = shapely.geometry.mapping(shapely.segmentize(square, 500.0))
    inverse = rasterio.warp.transform_geom(WORLD.crs, "EPSG:4326", outline)
    place = Place(request.param, shapely.geometry.shape(inverse))
    return field, cache, place, half


@pytest.mark.parametrize("method", ["sc-unet", "bicubic"])
def test_tiles_are_joined_before_they_are_sharpened(
    field_and_box: tuple, tmp_path: Path, method: str
) -> None:
    field, cache, place, half = field_and_box
    summary = map_day(plan(cache, place, Request(method)), DAY, tmp_path / "map.tif")
    lst_k = bands(tmp_path / "map.tif")[0]
    whole_k = METHODS[method].sharpener(field.lst_k, field.ndvi, Options())
    margin = SCALE * (SIDE // 2 - half)
    inner = whole_k[margin:-margin, margin:-margin]
    assert lst_k.shape == inner.shape == (2 * SCALE * half,) * 2 and summary.shares["valid"] == 1.0
    assert np.abs(lst_k - inner).max() < 1e-3  # maps are rounded to 1/1024 K
    assert seam(lst_k, [SCALE * half], inner) <= 1.02


def test_maps_of_single_tiles_do_leave_a_seam(tmp_path: Path) -> None:
    """What the ratio of seams sees where tiles are sharpened apart and laid side by side."""
    field = Field.around(4800, 21600, SIDE)
    field.write(tmp_path)
    parts = {}
    for tile, rows, columns in field.parts():
        lst, reflectance = (
            next((tmp_path / "sample").glob(f"{product}.*{tile}*.hdf")) for product in ("MOD21A1D", "MOD09GQ")
        )
        predict_granule(lst, reflectance, tmp_path / f"{tile}.tif", Request("sc-unet"))
        parts[rows.start, columns.start] = bands(tmp_path / f"{tile}.tif")[0]
    half = SIDE // 2
    apart = np.block([[parts[row, column] for column in (0, half)] for row in (0, half)])
    whole = METHODS["sc-unet"].sharpener(field.lst_k, field.ndvi, Options())
    assert seam(apart, [SCALE * half], whole) > 1.02


def test_one_tile_gives_the_map_that_predict_gives(tmp_path: Path) -> None:
    field = Field.around(4930, 21900, SIDE)
    field.write(tmp_path)
    box = Place.box("3.2,48.9,3.9,49.4")
    map_day(plan(tmp_path, box, Request("sc-unet")), DAY, tmp_path / "map.tif")
    lst, reflectance = (next((tmp_path / "sample").glob(f"{name}*.hdf")) for name in ("MOD21A1D", "MOD09GQ"))
    request = Request("sc-unet", bounds=parse_bounds("3.2,48.9,3.9,49.4"))
    predict_granule(lst, reflectance, tmp_path / "predict.tif", request)
    np.testing.assert_array_equal(bands(tmp_path / "map.tif"), bands(tmp_path / "predict.tif"))


def test_a_map_is_made_once_and_anew_where_a_granule_changes(tmp_path: Path) -> None:
    Field.around(4800, 21600, SIDE).write(tmp_path)
    request, out = Request("bicubic"), tmp_path / "map.tif"
    box = PLACES["four corners"][1]
    assert map_day(plan(tmp_path, box, request), DAY, out).made
    again = map_day(plan(tmp_path, box, request), DAY, out)
    assert not again.made and again.rows == bands(out).shape[1]
    Field.around(4800, 21600, SIDE, seed=7).write(tmp_path)
    assert map_day(plan(tmp_path, box, request), DAY, out).made


def test_a_tile_that_is_missing_on_a_day_is_masked_and_told(tmp_path: Path) -> None:
    Field.around(4800, 21600, SIDE).write(tmp_path)
    made = plan(tmp_path, PLACES["four corners"][1], Request("bicubic"))
    for key in list(made.listed):
        if key[2] == Tile(17, 3):
            del made.listed[key]
    summary = map_day(made, DAY, tmp_path / "map.tif")
    assert (
        "2019-07-19: sample has not both granules of h17v03; that part of the map is masked"
        in summary.warnings
    )
    flags = bands(tmp_path / "map.tif")[2]
    rows, columns = flags.shape[0] // 2, flags.shape[1] // 2
    assert (flags[: rows - 8, : columns - 8] == 5).all() and (flags[rows + 8 :, columns + 8 :] == 0).all()
    made.listed.clear()
    with pytest.raises(NoResult, match="has no MOD21A1D and MOD09GQ granule of h17v03, h18v03"):
        map_day(made, DAY, tmp_path / "other.tif")


def test_a_shape_masks_what_lies_outside_of_it(tmp_path: Path) -> None:
    Field.around(4800, 21600, SIDE).write(tmp_path)
    shape = tmp_path / "shape.geojson"
    shape.write_text('{"type":"Polygon","coordinates":[[[-0.3,49.8],[0.3,49.8],[0,50.2],[-0.3,49.8]]]}')
    place = Place.of_shape(shape)
    summary = map_day(plan(tmp_path, place, Request("bicubic", shape=shape)), DAY, tmp_path / "map.tif")
    assert 0.4 < summary.shares["outside the shape"] < 0.6
    assert 0.4 < summary.shares["valid"] == pytest.approx(1.0 - summary.shares["outside the shape"])


@pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning:rioxarray.rioxarray")
def test_many_days_are_maps_that_open_as_one_array(tmp_path: Path) -> None:
    for number in range(3):
        field = Field.around(4800, 21600, SIDE, seed=10 * number + 1)
        field.write(tmp_path, DAY + datetime.timedelta(days=number))
    many = plan(tmp_path, PLACES["four corners"][1], Request("bicubic"), days=3)
    broken = next((tmp_path / "sample").glob("MOD21A1D.A2019201.h18v04*.hdf"))
    broken.write_bytes(broken.read_bytes()[:5000])
    outcomes = list(map_days(many, tmp_path / "maps"))
    assert [bool(outcome.summary) for outcome in outcomes] == [True, False, True]
    assert outcomes[1].failed and broken.name in outcomes[1].reason
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == [
        "MOD21A1D.A2019200_250m.tif",
        "MOD21A1D.A2019202_250m.tif",
    ]
    stack = open_maps(tmp_path / "maps")
    assert [str(day)[:10] for day in stack.time.values] == ["2019-07-19", "2019-07-21"]


@pytest.mark.parametrize("method", ["sc-unet", "bicubic"])
def test_night_and_elsewhere_are_told_and_marked(tmp_path: Path, method: str) -> None:
    field = Field.around(5940, 12500, SIDE)  # in Kansas
    field.write(tmp_path)
    centre = WORLD.transform @ (12500, 5940)
    ((longitude,), (latitude,)) = rasterio.warp.transform(WORLD.crs, "EPSG:4326", *([at] for at in centre))
    place = Place.circle(f"{longitude},{latitude}", 12.0)
    summary = map_day(plan(tmp_path, place, Request(method)), DAY, tmp_path / "map.tif")
    (line,) = [line for line in summary.warnings if "simulated" not in line] if method == "sc-unet" else [""]
    flags = bands(tmp_path / "map.tif")[2]
    if method == "bicubic":
        assert len(summary.warnings) == 1 and (flags == 0).all()
        return
    assert line.startswith("the place lies 72") and line.endswith(
        "flagged 6; the method aatprk needs no training"
    )
    assert (flags == 6).all()


def test_the_night_is_flagged_as_unseen_by_predict_and_map_alike(tmp_path: Path) -> None:
    Field.around(4930, 21900, SIDE).write(tmp_path, lst="MOD21A1N")
    request = Request("sc-unet", layer="night")
    night = plan(tmp_path, "3.2,48.9,3.9,49.4", request)
    summary = map_day(night, DAY, tmp_path / "map.tif")
    lst, reflectance = (next((tmp_path / "sample").glob(f"{name}*.hdf")) for name in ("MOD21A1N", "MOD09GQ"))
    single = predict_granule(lst, reflectance, tmp_path / "predict.tif", request)
    for made in (summary, single):
        assert any(
            line.startswith("LST is of Terra by night; ") and "aatprk" in line for line in made.warnings
        )
        assert (
            made.shares["valid"]
            == 0.0
            < made.shares[
                "valid, but of a satellite, half of the day or region that the weights have not seen"
            ]
        )


def test_orders_of_days_without_data_are_refused() -> None:
    place, request, day = Place.box("3.2,46,4,46.6"), Request("bicubic"), datetime.date(2001, 1, 1)
    Order(place, FIRST_DAYS["MOD"], FIRST_DAYS["MOD"], "terra", "MOD21A1", request)
    for start, end, satellite, words in (
        (datetime.date(1999, 5, 1), day, "terra", "the data of Terra begin on 2000-02-24"),
        (day, day, "aqua", "the data of Aqua begin on 2002-07-04"),
        (day, datetime.date(2200, 1, 1), "terra", "2200-01-01 is in the future"),
        (day, datetime.date(2000, 12, 31), "terra", "expected an end on the same day or later"),
    ):
        with pytest.raises(InputError, match=words):
            Order(place, start, end, satellite, "MOD21A1", request)


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ("-180,-90,180,90", r"86400×172800 pixels of 250 m \(rows×columns\) take about 1494 GB of memory"),
        ("-25,52,-20,55", "h16v03 has no land, of which alone there are granules"),
    ],
)
def test_places_that_cannot_be_mapped_are_one_line(tmp_path: Path, box: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        plan(tmp_path / "cache", box, Request("bicubic"))
    assert "\n" not in str(caught.value) and not (tmp_path / "cache").exists()


def test_too_many_days_for_the_disk_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"granules of about \d+ GB are missing, and \d+ GB are free"):
        plan(tmp_path / "cache", "-10,40,20,60", Request("bicubic"), days=2500)


def test_granules_come_from_the_archive_once_and_what_fails_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forget_logins(tmp_path, monkeypatch)
    monkeypatch.setenv("EARTHDATA_TOKEN", "a-token")
    Field.around(4800, 21600, 160).write(tmp_path / "made")
    lost = f"MOD09GQ.A{DAY:%Y%j}.h18v03.061.2020001000000.hdf"
    order = Order(Place.box("-0.3,49.8,0.3,50.2"), DAY, DAY, "terra", "MOD21A1", Request("bicubic"))
    with serving(Archive()) as archive:
        for path in (tmp_path / "made" / "sample").glob("*.hdf"):
            archive.add(path.name, path.read_bytes())
        stop = threading.Event()
        source = EarthdataSource(Patience(1, 0.0), stop, archive.system)
        archive.lasting[lost] = Fault(status=404)
        first = plan_maps(order, source, tmp_path / "cache")
        assert "earthdata: 8 granules: 0 here, 8 to fetch" in str(first) and not (tmp_path / "cache").exists()
        result = download(source, first.download, first.cache.granules, 4, stop)
        assert list(result.failed) == [lost] and first.cache.granules == tmp_path / "cache" / "archive"
        with pytest.raises(InputError, match=f"{lost} is not in the cache; run the same command again"):
            map_day(first, DAY, tmp_path / "map.tif")
        assert not (tmp_path / "map.tif").exists()
        del archive.lasting[lost]
        asked = len(archive.asked_for_granules)
        second = plan_maps(order, source, tmp_path / "cache")
        download(source, second.download, second.cache.granules, 4, stop)
        assert archive.asked_for_granules[asked:] == [lost]
        summary = map_day(second, DAY, tmp_path / "map.tif")
        assert summary.warnings == () and summary.shares["valid"] == 1.0
        later = replace(order, start=DAY + datetime.timedelta(1), end=DAY + datetime.timedelta(1))
        nothing = plan_maps(later, source, tmp_path / "cache")
        with pytest.raises(
            NoResult, match="2019-07-20: earthdata has no MOD21A1D and MOD09GQ granule of h17v03"
        ):
            map_day(nothing, later.start, tmp_path / "other.tif")
