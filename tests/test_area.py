"""Areas in degrees: where they lie on the granule agrees with pyproj, and what is no area is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import shapely
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from lstsr_core.area import box, inside, parse_bounds, read_shape, window_around
from lstsr_core.errors import InputError
from lstsr_core.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, SPHERE_RADIUS_M, Tile
from lstsr_core.raster import Raster
from lstsr_core.shorelines import Extent

SPHERE = pyproj.CRS.from_proj4(f"+proj=longlat +R={SPHERE_RADIUS_M}")
TO_SINUSOIDAL = pyproj.Transformer.from_crs(SPHERE, f"+proj=sinu +R={SPHERE_RADIUS_M}", always_xy=True)
QUADRANTS = ["h18v04", "h12v04", "h30v11", "h12v11"]


def whole(tile: str) -> Raster:
    return Raster(np.zeros((1200, 1200)), Tile.parse(tile).transform(COARSE_PIXEL_M), SINUSOIDAL)


def polygon(*points: tuple[float, float]) -> dict[str, Any]:
    return {"type": "Polygon", "coordinates": [[*points, points[0]]]}


TRIANGLE = polygon((3.0, 43.0), (4.0, 43.2), (3.4, 44.0))


def written(path: Path, content: object) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("name", QUADRANTS)
@given(st.data())
def test_a_box_lies_where_pyproj_puts_it(name: str, data: st.DataObject) -> None:
    raster, tile = whole(name), Tile.parse(name)
    x, y = tile.left_m + 555e3, tile.top_m - 555e3
    longitude, latitude = TO_SINUSOIDAL.transform(x, y, direction="INVERSE")
    west, south = longitude + data.draw(st.floats(-3, 2)), latitude + data.draw(st.floats(-3, 2))
    bounds = Extent(west, south, west + data.draw(st.floats(0.02, 1)), south + data.draw(st.floats(0.02, 1)))
    window = window_around(box(bounds), raster, "the box")
    edge = np.linspace(0.0, 1.0, 201)
    wide, high = bounds.west + edge * (bounds.east - bounds.west), bounds.south + edge * (bounds.north - bounds.south)
    xs, ys = TO_SINUSOIDAL.transform(
        np.concatenate([wide, wide, np.full(201, bounds.west), np.full(201, bounds.east)]),
        np.concatenate([np.full(201, bounds.south), np.full(201, bounds.north), high, high]),
    )
    expected = [
        np.floor((tile.top_m - ys.max()) / COARSE_PIXEL_M), np.ceil((tile.top_m - ys.min()) / COARSE_PIXEL_M),
        np.floor((xs.min() - tile.left_m) / COARSE_PIXEL_M), np.ceil((xs.max() - tile.left_m) / COARSE_PIXEL_M),
    ]  # fmt: skip
    found = [window.rows.start, window.rows.stop, window.columns.start, window.columns.stop]
    assert np.abs(np.subtract(found, np.clip(expected, 0, 1200))).max() <= 1  # a corner may lie within a centimetre of a pixel's


@pytest.mark.parametrize("name", QUADRANTS)
def test_pixels_inside_a_shape_are_those_whose_centre_is(name: str) -> None:
    tile = Tile.parse(name)
    grid = Raster(np.zeros((80, 90)), tile.transform(FINE_PIXEL_M) @ Affine.translation(1000, 2000), SINUSOIDAL)
    longitude, latitude = TO_SINUSOIDAL.transform(
        grid.left_m + 45 * FINE_PIXEL_M, grid.top_m - 40 * FINE_PIXEL_M, direction="INVERSE"
    )
    shape = shapely.Point(longitude, latitude).buffer(0.08)
    found = inside(shape, grid)
    row, column = np.mgrid[:80, :90]
    longitudes, latitudes = TO_SINUSOIDAL.transform(*(grid.transform @ (column + 0.5, row + 0.5)), direction="INVERSE")
    expected = shapely.contains_xy(shape, longitudes, latitudes)
    assert 1000 < expected.sum() < 5000
    assert (found != expected).sum() <= 2  # within a metre of the outline


def test_an_area_outside_the_granule_is_refused_with_what_there_is() -> None:
    with pytest.raises(
        InputError, match=r"the box lies outside the granule, which reaches from west 0\.00, south 40\.00, .*, north 50\.00"
    ):
        window_around(box(Extent(-60.0, -10.0, -50.0, 0.0)), whole("h18v04"), "the box")


def test_an_area_that_reaches_over_the_edge_is_cut_there() -> None:
    window = window_around(box(Extent(-20.0, 44.0, 60.0, 80.0)), whole("h18v04"), "the box")
    assert (window.rows, window.columns) == (slice(0, 720), slice(0, 1200))


@pytest.mark.parametrize(
    "text", ["", "1,2,3", "1,2,3,4,5", "a,2,3,4", "4,43,2,44", "2,44,4,43", "2,43,2,44", "170,0,190,1", "0,0,1,91", "nan,0,1,1"]
)
def test_bounds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_bounds(text)
    assert f"bounds '{text}': expected west" in str(caught.value) and "\n" not in str(caught.value)


@given(st.floats(-180, 170), st.floats(-90, 80))
def test_bounds_are_read_as_written(west: float, south: float) -> None:
    assert parse_bounds(f"{west!r},{south!r}, {west + 9.5!r},{south + 9.5!r}") == Extent(west, south, west + 9.5, south + 9.5)


# Shapes

FEATURE = {"type": "Feature", "properties": {"name": "a"}, "geometry": TRIANGLE}
MULTI = {"type": "MultiPolygon", "coordinates": [TRIANGLE["coordinates"]]}


@pytest.mark.parametrize("content", [TRIANGLE, MULTI, FEATURE, {"type": "FeatureCollection", "features": [FEATURE, FEATURE]}])
def test_polygons_are_read_however_geojson_wraps_them(tmp_path: Path, content: dict[str, Any]) -> None:
    shape = read_shape(written(tmp_path / "a.geojson", content))
    assert shapely.equals(shape, shapely.Polygon(TRIANGLE["coordinates"][0]))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"type": "Point", "coordinates": [3, 43]}, "holds a Point"),
        ({"type": "LineString", "coordinates": [[3, 43], [4, 44]]}, "holds a LineString"),
        ({"type": "FeatureCollection", "features": []}, "expected polygons"),
        (polygon((3.0, 43.0), (3.0, 43.0), (3.0, 43.0)), "expected polygons"),
        (polygon((500000.0, 4800000.0), (510000.0, 4800000.0), (500000.0, 4810000.0)), "expected longitudes and latitudes"),
        ({"type": "Polygon", "coordinates": "here"}, "not readable as GeoJSON"),
        ({"type": "Polygon"}, "not readable as GeoJSON"),
        ({}, "of type None"),
        ([1, 2], "not readable as GeoJSON"),
    ],
)
def test_what_is_no_shape_is_refused(tmp_path: Path, content: object, told: str) -> None:
    path = written(tmp_path / "a.geojson", content)
    with pytest.raises(InputError) as caught:
        read_shape(path)
    assert str(caught.value).startswith(f"{path}: ") and told in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_no_json_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text("{")
    (tmp_path / "b.geojson").write_bytes(b"\xff\xfe\x00")
    for name, told in (("a", "not readable as JSON"), ("b", "not UTF-16"), ("c", "cannot be read")):
        with pytest.raises(InputError, match=told):
            read_shape(tmp_path / f"{name}.geojson")


# Shapes as programs and people write them

UTM = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32631", always_xy=True)
MERCATOR = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
DEGREES_OF_2008 = [
    "urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "urn:ogc:def:crs:EPSG::4326", "EPSG:4326", "epsg:4326",
    "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
]  # fmt: skip


NOWHERE = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": []}}


def named_crs(name: str) -> dict[str, Any]:
    return {"type": "name", "properties": {"name": name}}


def in_crs(transformer: pyproj.Transformer) -> dict[str, Any]:
    """The triangle in another CRS, its sides bent as straight lines in degrees are there."""
    dense = shapely.segmentize(shapely.Polygon(TRIANGLE["coordinates"][0]), 0.01)
    return polygon(*(transformer.transform(x, y) for x, y in dense.exterior.coords[:-1]))


def differing_share(found: shapely.Geometry) -> float:
    triangle = shapely.Polygon(TRIANGLE["coordinates"][0])
    return float(shapely.symmetric_difference(found, triangle).area / triangle.area)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_shape_is_read_in_any_encoding_that_says_what_it_is(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(json.dumps({**FEATURE, "properties": {"name": "Orléans"}}, ensure_ascii=False).encode(encoding))
    assert differing_share(read_shape(path)) == 0.0


@pytest.mark.parametrize(
    "content",
    [
        {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {}, "geometry": None}, FEATURE]},
        {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": None}, FEATURE, None]},
        {"type": "GeometryCollection", "geometries": [TRIANGLE, MULTI]},
        {"type": "Feature", "geometry": {"type": "GeometryCollection", "geometries": [{"type": "GeometryCollection",
                                                                                         "geometries": [TRIANGLE]}]}},
        {**TRIANGLE, "coordinates": [[[*point, 12.5] for point in TRIANGLE["coordinates"][0]]]},
        {**TRIANGLE, "coordinates": [[[*point, 12.5, 7] for point in TRIANGLE["coordinates"][0]]]},
        {**TRIANGLE, "coordinates": [TRIANGLE["coordinates"][0][:-1]]},
        {"type": "MultiPolygon", "coordinates": [[], TRIANGLE["coordinates"]]},
        {"type": "FeatureCollection", "features": [FEATURE, NOWHERE]},
        polygon((3.0, 43.0), (4.0, 43.2), (5.0, 43.4), (4.0, 43.2), (3.4, 44.0)),
        {**FEATURE, "properties": {"people": float("nan")}},
        {**FEATURE, "crs": None},
        *({**FEATURE, "crs": named_crs(name)} for name in DEGREES_OF_2008),
        {**FEATURE, "crs": {"type": "EPSG", "properties": {"code": 4326}}},
    ],
)  # fmt: skip
def test_what_is_odd_but_legal_is_read(tmp_path: Path, content: dict[str, Any]) -> None:
    assert differing_share(read_shape(written(tmp_path / "a.geojson", content))) < 1e-12


@pytest.mark.parametrize(
    ("name", "transformer"),
    [
        ("EPSG:32631", UTM),
        ("urn:ogc:def:crs:EPSG::32631", UTM),
        ("EPSG:3857", MERCATOR),
        ("urn:ogc:def:crs:EPSG::3857", MERCATOR),
    ],
)
@pytest.mark.parametrize("where", ["collection", "feature", "geometry"])
def test_a_crs_is_honoured_wherever_it_stands(tmp_path: Path, name: str, transformer: pyproj.Transformer, where: str) -> None:
    geometry = in_crs(transformer)
    feature: dict[str, Any] = {"type": "Feature", "properties": {}, "geometry": geometry}
    content = {"type": "FeatureCollection", "features": [feature]}
    {"collection": content, "feature": feature, "geometry": geometry}[where]["crs"] = named_crs(name)
    assert differing_share(read_shape(written(tmp_path / "a.geojson", content))) < 1e-6


def test_a_straight_side_in_another_crs_is_straight_there(tmp_path: Path) -> None:
    """400 km along a parallel of UTM's grid bend by kilometres in degrees."""
    corners = [(300e3, 4.9e6), (700e3, 4.9e6), (700e3, 5.0e6), (300e3, 5.0e6)]
    shape = read_shape(written(tmp_path / "a.geojson", {**polygon(*corners), "crs": named_crs("EPSG:32631")}))
    back = shapely.transform(shape, lambda points: np.column_stack(UTM.transform(points[:, 0], points[:, 1])))
    assert shapely.hausdorff_distance(back, shapely.Polygon(corners)) < 1.0
    assert shapely.get_num_coordinates(shape) > 100


def test_metres_near_the_origin_are_not_taken_for_degrees(tmp_path: Path) -> None:
    shape = read_shape(written(tmp_path / "a.geojson", {**TRIANGLE, "crs": named_crs("EPSG:3857")}))
    assert max(map(abs, shape.bounds)) < 1e-3


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({**TRIANGLE, "crs": named_crs("my own")}, "crs is .*my own.*not known"),
        ({**TRIANGLE, "crs": {"type": "link", "properties": {"href": "https://example.org/crs"}}}, "crs is .*link.*not known"),
        ({**TRIANGLE, "crs": "EPSG:3857"}, 'crs is "EPSG:3857", which is not known'),
        ({**TRIANGLE, "crs": {}}, "crs is {}, which is not known"),
        ({**TRIANGLE, "crs": named_crs("EPSG:5773")}, "crs is .*EPSG:5773.*Vertical CRS"),
        ({**TRIANGLE, "crs": named_crs("EPSG:4978")}, "crs is .*EPSG:4978.*Geocentric CRS"),
        ({**polygon((1e9, 1e9), (2e9, 1e9), (1e9, 2e9)), "crs": named_crs("EPSG:32631")}, "UTM zone 31N, does not have"),
        (
            {"type": "FeatureCollection", "features": [FEATURE, {"type": "Point", "coordinates": [3, 43]}]},
            "holds a Point; expected pol",
        ),
        ({"type": "MultiLineString", "coordinates": [[[3, 43], [4, 44]]]}, "holds a MultiLineString"),
        ({"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": None}]}, "nothing with an inside"),
        ({"type": "GeometryCollection", "geometries": []}, "nothing with an inside"),
        ({"type": "Topology", "objects": {}, "arcs": []}, "of type 'Topology', which is none of GeoJSON's.*ogr2ogr"),
        ({"geometryType": "esriGeometryPolygon", "features": []}, "of type None.*ogr2ogr"),
        (polygon(("3", "43"), ("4", "43"), ("3", "44")), "position .*'?3.* is not two numbers"),  # type: ignore[arg-type]
        (polygon((float("nan"), 43.0), (4.0, 43.0), (3.0, 44.0)), "position .*NaN.* is not two numbers"),
        (polygon((float("inf"), 43.0), (4.0, 43.0), (3.0, 44.0)), "position .*Infinity.* is not two numbers"),
        (polygon((True, 43.0), (4.0, 43.0), (3.0, 44.0)), "position .*true.* is not two numbers"),
        ({"type": "Polygon", "coordinates": [[[3], [4], [5], [3]]]}, "position .*3.* is not two numbers"),
        ({"type": "Polygon", "coordinates": [[3, 43], [4, 43], [3, 44], [3, 43]]}, "position 3 is not two numbers"),
        ({"type": "Polygon", "coordinates": [[[3, 43], [4, 43]]]}, "not readable as GeoJSON"),
        ({"type": "FeatureCollection"}, "not readable as GeoJSON"),
        ({"type": "FeatureCollection", "features": None}, "not readable as GeoJSON"),
        ({"type": ["Polygon"]}, "not readable as GeoJSON"),
        ("POLYGON ((3 43, 4 43, 3 44, 3 43))", "no object of GeoJSON"),
    ],
)
def test_what_cannot_be_honoured_is_named(tmp_path: Path, content: object, told: str) -> None:
    path = written(tmp_path / "a.geojson", content)
    with pytest.raises(InputError, match=told) as caught:
        read_shape(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\x00\x00\x27\x0a" + bytes(96), "is a shapefile; .*ogr2ogr -t_srs EPSG:4326 area.geojson /"),
        (b"PK\x03\x04" + bytes(96), "is a zip file; .* area.geojson /vsizip//"),
        (b"\x1f\x8b" + bytes(96), "is a gzip file; .* area.geojson /vsigzip//"),
        (b"SQLite format 3\0" + bytes(96), "is a GeoPackage"),
        (b"fgb\x03fgb\x00", "is a FlatGeobuf"),
        (b"PAR1" + bytes(96), "is a GeoParquet"),
        (b'<?xml version="1.0"?><kml/>', "is XML, such as KML"),
        (b"\xef\xbb\xbf\n <kml/>", "is XML, such as KML"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"type":"GeometryCollection","geometries":[' * 20_000, "nested too deeply|not readable as JSON"),
        (b"", "not readable as JSON"),
        (b"POLYGON ((3 43, 4 43, 3 44, 3 43))", "not readable as JSON"),
        (b'{"type":"Point"}\n{"type":"Point"}\n', "not readable as JSON"),
        (b"\x0e\x03\x13\x01" + bytes(96), "is no text"),
        ('{"type": "é"}'.encode("latin-1"), "line 1 is not UTF-8"),
    ],
)
def test_another_format_is_named_with_what_converts_it(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(content)
    with pytest.raises(InputError, match=told) as caught:
        read_shape(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
