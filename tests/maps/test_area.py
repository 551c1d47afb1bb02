"""Areas in degrees: they lie where pyproj says, and what is no area is refused in one line."""

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

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, SPHERE_RADIUS_M, Tile
from lstsr_core.geo.raster import Raster
from lstsr_core.geo.shorelines import Extent
from lstsr_core.maps.area import box, extent_of, inside, parse_bounds, read_shape, to_degrees, window_around

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
    # Well inside of the tile: where its edge cuts a box, less of the rows or columns is left.
    west, south = longitude + data.draw(st.floats(-1.5, 1)), latitude + data.draw(st.floats(-1.5, 1))
    bounds = Extent(west, south, west + data.draw(st.floats(0.02, 1)), south + data.draw(st.floats(0.02, 1)))
    window, _ = window_around(box(bounds), raster, "the box")
    edge = np.linspace(0.0, 1.0, 201)
    wide, high = (
        bounds.west + edge * (bounds.east - bounds.west),
        bounds.south + edge * (bounds.north - bounds.south),
    )
    xs, ys = TO_SINUSOIDAL.transform(
        np.concatenate([wide, wide, np.full(201, bounds.west), np.full(201, bounds.east)]),
        np.concatenate([np.full(201, bounds.south), np.full(201, bounds.north), high, high]),
    )
    expected = [
        np.floor((tile.top_m - ys.max()) / COARSE_PIXEL_M),
        np.ceil((tile.top_m - ys.min()) / COARSE_PIXEL_M),
        np.floor((xs.min() - tile.left_m) / COARSE_PIXEL_M),
        np.ceil((xs.max() - tile.left_m) / COARSE_PIXEL_M),
    ]
    edges = [window.rows.start, window.rows.stop, window.columns.start, window.columns.stop]
    # A corner may lie within a centimetre of a pixel's.
    assert np.abs(np.subtract(edges, np.clip(expected, 0, 1200))).max() <= 1


@pytest.mark.parametrize("name", QUADRANTS)
def test_pixels_inside_a_shape_are_those_whose_centre_is(name: str) -> None:
    tile = Tile.parse(name)
    grid = Raster(
        np.zeros((80, 90)), tile.transform(FINE_PIXEL_M) @ Affine.translation(1000, 2000), SINUSOIDAL
    )
    longitude, latitude = TO_SINUSOIDAL.transform(
        grid.left_m + 45 * FINE_PIXEL_M, grid.top_m - 40 * FINE_PIXEL_M, direction="INVERSE"
    )
    shape = shapely.Point(longitude, latitude).buffer(0.08)
    mask, small = inside(shape, grid)
    assert small == 0
    row, column = np.mgrid[:80, :90]
    longitudes, latitudes = TO_SINUSOIDAL.transform(
        *(grid.transform @ (column + 0.5, row + 0.5)), direction="INVERSE"
    )
    expected = shapely.contains_xy(shape, longitudes, latitudes)
    assert 1000 < expected.sum() < 5000
    assert (mask != expected).sum() <= 2  # within a metre of the outline


def test_an_area_outside_the_granule_is_refused_with_what_there_is() -> None:
    with pytest.raises(
        InputError,
        match=r"the box lies outside the granule, which covers west 0\.00, south 40\.00, .*, north 50\.00",
    ):
        window_around(box(Extent(-60.0, -10.0, -50.0, 0.0)), whole("h18v04"), "the box")


def test_an_area_that_reaches_over_the_edge_is_cut_there() -> None:
    window, _ = window_around(box(Extent(-20.0, 44.0, 60.0, 80.0)), whole("h18v04"), "the box")
    assert (window.rows, window.columns) == (slice(0, 720), slice(0, 1200))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1,2,3",
        "1,2,3,4,5",
        "a,2,3,4",
        "4,43,2,44",
        "2,44,4,43",
        "2,43,2,44",
        "170,0,190,1",
        "0,0,1,91",
        "nan,0,1,1",
    ],
)
def test_bounds_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_bounds(text)
    assert f"bounds '{text}': expected west" in str(caught.value) and "\n" not in str(caught.value)


@given(st.floats(-180, 170), st.floats(-90, 80))
def test_bounds_are_read_as_written(west: float, south: float) -> None:
    assert parse_bounds(f"{west!r},{south!r}, {west + 9.5!r},{south + 9.5!r}") == Extent(
        west, south, west + 9.5, south + 9.5
    )


# Shapes

FEATURE = {"type": "Feature", "properties": {"name": "a"}, "geometry": TRIANGLE}
MULTI = {"type": "MultiPolygon", "coordinates": [TRIANGLE["coordinates"]]}


@pytest.mark.parametrize(
    "content", [TRIANGLE, MULTI, FEATURE, {"type": "FeatureCollection", "features": [FEATURE, FEATURE]}]
)
def test_polygons_are_read_however_geojson_wraps_them(tmp_path: Path, content: dict[str, Any]) -> None:
    shape = read_shape(written(tmp_path / "a.geojson", content))
    assert shapely.equals(shape, shapely.Polygon(TRIANGLE["coordinates"][0]))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"type": "Point", "coordinates": [3, 43]}, "holds a Point"),
        ({"type": "LineString", "coordinates": [[3, 43], [4, 44]]}, "holds a LineString"),
        ({"type": "FeatureCollection", "features": []}, "expected polygons"),
        (polygon((3.0, 43.0), (3.0, 43.0), (3.0, 43.0)), "expected polygons"),
        (
            polygon((500000.0, 4800000.0), (510000.0, 4800000.0), (500000.0, 4810000.0)),
            "expected longitudes and latitudes",
        ),
        ({"type": "Polygon", "coordinates": "here"}, "not readable as GeoJSON"),
        ({"type": "Polygon"}, "not readable as GeoJSON"),
        ({}, "of type None"),
        ([1, 2], "not readable as GeoJSON"),
    ],
)
def test_what_is_no_shape_is_refused(tmp_path: Path, content: object, message: str) -> None:
    path = written(tmp_path / "a.geojson", content)
    with pytest.raises(InputError) as caught:
        read_shape(path)
    assert (
        str(caught.value).startswith(f"{path}: ")
        and message in str(caught.value)
        and "\n" not in str(caught.value)
    )


def test_files_that_are_no_json_are_named(tmp_path: Path) -> None:
    (tmp_path / "a.geojson").write_text("{")
    (tmp_path / "b.geojson").write_bytes(b"\xff\xfe\x00")
    for name, message in (("a", "not readable as JSON"), ("b", "not UTF-16"), ("c", "cannot be read")):
        with pytest.raises(InputError, match=message):
            read_shape(tmp_path / f"{name}.geojson")


# Shapes as programs and people write them

UTM = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32631", always_xy=True)
MERCATOR = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3857", always_xy=True)
DEGREES_OF_2008 = [
    "urn:ogc:def:crs:OGC:1.3:CRS84", "urn:ogc:def:crs:OGC::CRS84", "urn:ogc:def:crs:EPSG::4326", "EPSG:4326",
    "epsg:4326", "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
]  # fmt: skip


NOWHERE = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": []}}


def named_crs(name: str) -> dict[str, Any]:
    return {"type": "name", "properties": {"name": name}}


def in_crs(transformer: pyproj.Transformer) -> dict[str, Any]:
    """The triangle in another CRS, its sides bent as straight lines in degrees are there."""
    dense = shapely.segmentize(shapely.Polygon(TRIANGLE["coordinates"][0]), 0.01)
    return polygon(*(transformer.transform(x, y) for x, y in dense.exterior.coords[:-1]))


def differing_share(shape: shapely.Geometry) -> float:
    triangle = shapely.Polygon(TRIANGLE["coordinates"][0])
    return float(shapely.symmetric_difference(shape, triangle).area / triangle.area)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_a_shape_is_read_in_any_encoding_that_says_what_it_is(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(
        json.dumps({**FEATURE, "properties": {"name": "Orléans"}}, ensure_ascii=False).encode(encoding)
    )
    assert differing_share(read_shape(path)) == 0.0


@pytest.mark.parametrize(
    "content",
    [
        {"type": "FeatureCollection",
         "features": [{"type": "Feature", "properties": {}, "geometry": None}, FEATURE]},
        {"type": "FeatureCollection", "features": [{"type": "Feature", "properties": None}, FEATURE, None]},
        {"type": "GeometryCollection", "geometries": [TRIANGLE, MULTI]},
        {"type": "Feature",
         "geometry": {"type": "GeometryCollection",
                      "geometries": [{"type": "GeometryCollection", "geometries": [TRIANGLE]}]}},
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
def test_a_crs_is_honoured_wherever_it_stands(
    tmp_path: Path, name: str, transformer: pyproj.Transformer, where: str
) -> None:
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
    ("content", "message"),
    [
        ({**TRIANGLE, "crs": named_crs("my own")}, "crs is .*my own.*not known"),
        (
            {**TRIANGLE, "crs": {"type": "link", "properties": {"href": "https://example.org/crs"}}},
            "crs is .*link.*not known",
        ),
        ({**TRIANGLE, "crs": "EPSG:3857"}, 'crs is "EPSG:3857", which is not known'),
        ({**TRIANGLE, "crs": {}}, "crs is {}, which is not known"),
        ({**TRIANGLE, "crs": named_crs("EPSG:5773")}, "crs is .*EPSG:5773.*Vertical CRS"),
        ({**TRIANGLE, "crs": named_crs("EPSG:4978")}, "crs is .*EPSG:4978.*Geocentric CRS"),
        (
            {**polygon((1e9, 1e9), (2e9, 1e9), (1e9, 2e9)), "crs": named_crs("EPSG:32631")},
            "UTM zone 31N, does not have",
        ),
        (
            {"type": "FeatureCollection", "features": [FEATURE, {"type": "Point", "coordinates": [3, 43]}]},
            "holds a Point; expected pol",
        ),
        ({"type": "MultiLineString", "coordinates": [[[3, 43], [4, 44]]]}, "holds a MultiLineString"),
        (
            {"type": "FeatureCollection", "features": [{"type": "Feature", "geometry": None}]},
            "nothing with an inside",
        ),
        ({"type": "GeometryCollection", "geometries": []}, "nothing with an inside"),
        (
            {"type": "Topology", "objects": {}, "arcs": []},
            "of type 'Topology', which is none of GeoJSON's.*ogr2ogr",
        ),
        ({"geometryType": "esriGeometryPolygon", "features": []}, "of type None.*ogr2ogr"),
        (polygon(("3", "43"), ("4", "43"), ("3", "44")), "position .*'?3.* is not two numbers"),  # type: ignore[arg-type]
        (polygon((float("nan"), 43.0), (4.0, 43.0), (3.0, 44.0)), "position .*NaN.* is not two numbers"),
        (polygon((float("inf"), 43.0), (4.0, 43.0), (3.0, 44.0)), "position .*Infinity.* is not two numbers"),
        (polygon((True, 43.0), (4.0, 43.0), (3.0, 44.0)), "position .*true.* is not two numbers"),
        ({"type": "Polygon", "coordinates": [[[3], [4], [5], [3]]]}, "position .*3.* is not two numbers"),
        (
            {"type": "Polygon", "coordinates": [[3, 43], [4, 43], [3, 44], [3, 43]]},
            "position 3 is not two numbers",
        ),
        ({"type": "Polygon", "coordinates": [[[3, 43], [4, 43]]]}, "not readable as GeoJSON"),
        ({"type": "FeatureCollection"}, "not readable as GeoJSON"),
        ({"type": "FeatureCollection", "features": None}, "not readable as GeoJSON"),
        ({"type": ["Polygon"]}, "not readable as GeoJSON"),
        ("POLYGON ((3 43, 4 43, 3 44, 3 43))", "no object of GeoJSON"),
    ],
)
def test_what_cannot_be_honoured_is_named(tmp_path: Path, content: object, message: str) -> None:
    path = written(tmp_path / "a.geojson", content)
    with pytest.raises(InputError, match=message) as caught:
        read_shape(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "message"),
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
def test_another_format_is_named_with_what_converts_it(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.geojson"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_shape(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)


# Areas beyond the granule, and smaller than a pixel


@pytest.mark.parametrize("name", QUADRANTS)
@given(st.floats(-12, 8), st.floats(-12, 8), st.floats(0.5, 20), st.floats(0.5, 12))
def test_the_missing_share_is_that_of_equal_area(
    name: str, left: float, down: float, wide: float, high: float
) -> None:
    """Against points that stand for equal areas on the sphere."""
    raster, tile = whole(name), Tile.parse(name)
    longitude, latitude = TO_SINUSOIDAL.transform(
        tile.left_m + 555e3, tile.top_m - 555e3, direction="INVERSE"
    )
    bounds = Extent(longitude + left, latitude + down, longitude + left + wide, latitude + down + high)
    middles = (np.arange(300) + 0.5) / 300
    heights = np.interp(middles, [0, 1], np.sin(np.radians([bounds.south, bounds.north])))
    longitudes, latitudes = np.meshgrid(bounds.west + middles * wide, np.degrees(np.arcsin(heights)))
    x, y = TO_SINUSOIDAL.transform(longitudes.ravel(), latitudes.ravel())
    there = (x > raster.left_m) & (x < raster.right_m) & (y > raster.bottom_m) & (y < raster.top_m)
    if there.any():
        _, missing = window_around(box(bounds), raster, "the box")
        assert missing == pytest.approx(1.0 - there.mean(), abs=0.01)


def test_nothing_is_missing_of_an_area_inside() -> None:
    assert window_around(box(Extent(4.0, 43.0, 5.0, 44.0)), whole("h18v04"), "the box")[1] == pytest.approx(
        0.0, abs=1e-9
    )


def small_grid() -> Raster:
    return Raster(
        np.zeros((40, 40)), Tile(18, 4).transform(FINE_PIXEL_M) @ Affine.translation(2000, 2000), SINUSOIDAL
    )


def patch_of(grid: Raster, top: float, left: float, bottom: float, right: float) -> shapely.Geometry:
    """A rectangle by rows and columns of a grid, in degrees."""
    corners = [
        grid.transform @ (column, row)
        for row, column in ((top, left), (top, right), (bottom, right), (bottom, left))
    ]
    return shapely.Polygon([TO_SINUSOIDAL.transform(x, y, direction="INVERSE") for x, y in corners])


@given(st.floats(1, 38), st.floats(1, 38), st.floats(0.01, 0.45), st.floats(0.01, 0.45))
def test_a_polygon_without_a_pixels_centre_has_the_pixels_it_touches(
    row: float, column: float, high: float, wide: float
) -> None:
    grid = small_grid()
    mask, small = inside(patch_of(grid, row, column, row + high, column + wide), grid)
    rows, columns = np.mgrid[:40, :40]
    centres = (
        (row < rows + 0.5)
        & (rows + 0.5 < row + high)
        & (column < columns + 0.5)
        & (columns + 0.5 < column + wide)
    )
    touched = (rows + 1 > row) & (rows < row + high) & (columns + 1 > column) & (columns < column + wide)
    expected = centres if centres.any() else touched
    slack = 1e-3  # where an edge lies on a pixel's, the projection's last digits decide
    edges = np.array([row, column, row + high, column + wide])
    if np.abs(2.0 * edges - np.round(2.0 * edges)).min() > slack:
        np.testing.assert_array_equal(mask, expected)
        assert small == (0 if centres.any() else 1)
    assert mask.any()


def test_small_polygons_beside_large_ones_are_not_lost() -> None:
    grid = small_grid()
    parts = [
        patch_of(grid, 5, 5, 15, 15),
        patch_of(grid, 20.1, 20.1, 20.3, 20.3),
        patch_of(grid, 30.6, 2.0, 30.9, 12.0),
    ]
    mask, small = inside(shapely.MultiPolygon(parts), grid)
    expected = np.zeros((40, 40), dtype=bool)
    expected[5:15, 5:15] = expected[20, 20] = expected[30, 2:12] = True
    assert small == 2
    assert (mask != expected).sum() <= 4  # pixels that the outline only grazes


# Tiles at the edge of the Earth's outline


@given(st.builds(Tile, st.integers(0, 35), st.integers(0, 17)))
def test_an_extent_is_what_the_tile_has_of_the_earth(tile: Tile) -> None:
    """Against the inverse projection of the tile's points within the outline."""
    raster = Raster(np.zeros((100, 100)), tile.transform(1111950.5197 / 100), SINUSOIDAL)
    x, y = (part.ravel() for part in np.meshgrid(np.linspace(raster.left_m, raster.right_m, 101),
                                                np.linspace(raster.top_m, raster.bottom_m, 101)))  # fmt: skip
    longitudes, latitudes = TO_SINUSOIDAL.transform(x, y, direction="INVERSE")
    with np.errstate(invalid="ignore"):
        on_earth = np.abs(x) < np.pi * SPHERE_RADIUS_M * np.cos(y / SPHERE_RADIUS_M) - 1.0
    extent = extent_of(raster)
    if not on_earth.any():
        assert extent is None or extent.east - extent.west < 2.0
        return
    assert extent is not None
    west, east = longitudes[on_earth].min(), longitudes[on_earth].max()
    assert extent.west <= west + 1e-6 and extent.east >= east - 1e-6
    assert -180.0 <= extent.west < extent.east <= 180.0
    assert extent.south == pytest.approx(latitudes[on_earth].min(), abs=0.2)
    assert extent.north == pytest.approx(latitudes[on_earth].max(), abs=0.2)
    # No farther than a point's distance from the last one that is on the Earth.
    if max(abs(extent.south), abs(extent.north)) < 75.0:
        assert west - extent.west < 1.5 and extent.east - east < 1.5


@pytest.mark.parametrize(
    ("name", "covered"),
    [
        ("h35v10", "west 172.62, south -19.18, east 180.00, north -10.00"),
        ("h00v08", "west -180.00, south 0.00, east -170.00, north 10.00"),
        ("h17v00", "west -180.00, south 80.00, east 0.00, north 90.00"),
        ("h00v00", "no ground at all"),
    ],
)
def test_what_an_edge_tile_covers_is_told(name: str, covered: str) -> None:
    with pytest.raises(InputError, match="the box lies outside the granule, which covers") as caught:
        window_around(box(Extent(50.0, 50.0, 51.0, 51.0)), whole(name), "the box")
    assert covered in str(caught.value)


def test_degrees_end_at_the_outline() -> None:
    longitudes, latitudes = to_degrees(
        np.array([-2e7, 0.0, 2e7, 1e6]), np.array([9e6, 9e6, 9e6, 10007554.677])
    )
    assert longitudes[:3].tolist() == [-180.0, 0.0, 180.0] and latitudes[0] == pytest.approx(80.94, abs=0.01)
    assert np.isfinite(longitudes).all() and latitudes[3] == pytest.approx(90.0)
