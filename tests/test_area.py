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
    window, _ = window_around(box(bounds), raster, "the box")
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
    found, small = inside(shape, grid)
    assert small == 0
    row, column = np.mgrid[:80, :90]
    longitudes, latitudes = TO_SINUSOIDAL.transform(*(grid.transform @ (column + 0.5, row + 0.5)), direction="INVERSE")
    expected = shapely.contains_xy(shape, longitudes, latitudes)
    assert 1000 < expected.sum() < 5000
    assert (found != expected).sum() <= 2  # within a metre of the outline


def test_an_area_outside_the_granule_is_refused_with_what_there_is() -> None:
    with pytest.raises(
        InputError, match=r"the box lies outside the granule, which covers west 0\.00, south 40\.00, .*, north 50\.00"
    ):
        window_around(box(Extent(-60.0, -10.0, -50.0, 0.0)), whole("h18v04"), "the box")


def test_an_area_that_reaches_over_the_edge_is_cut_there() -> None:
    window, _ = window_around(box(Extent(-20.0, 44.0, 60.0, 80.0)), whole("h18v04"), "the box")
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
        ({}, "not readable as GeoJSON"),
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
    for name, told in (("a", "not readable as JSON"), ("b", "not readable as JSON"), ("c", "cannot be read")):
        with pytest.raises(InputError, match=told):
            read_shape(tmp_path / f"{name}.geojson")
