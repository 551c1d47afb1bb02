"""The part of a granule that is asked for, as a box or a shape in degrees."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import rasterio.features
import rasterio.warp
import shapely
from numpy.typing import NDArray

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.base.text import decode, read_bytes
from lstsr_core.geo.grid import SPHERE_RADIUS_M
from lstsr_core.geo.raster import BoolArray, FloatArray, Raster
from lstsr_core.geo.shorelines import Extent
from lstsr_core.geo.window import Window

DEGREES = "EPSG:4326"
_STEP_DEGREES = 0.02
"""A straight line on the map of degrees is none on the sinusoidal one:
points are put in so densely that it bends along."""

_PIECES_OF_SIDE = 200
"""For the same reason a shape in another CRS has so many points along its longer side."""

_GEOJSON = "a GeoJSON file"
_COLLECTIONS = {"FeatureCollection": "features", "GeometryCollection": "geometries"}
_OTHER_FORMATS = {
    b"\x00\x00\x27\x0a": "a shapefile",
    b"PK\x03\x04": "a zip file",
    b"\x1f\x8b": "a gzip file",
    b"SQLite format 3": "a GeoPackage or another database",
    b"fgb\x03": "a FlatGeobuf",
    b"PAR1": "a GeoParquet",
    b"<": "XML, such as KML or GML",
}
"""How files of other formats begin."""

_WITHIN = {"a zip file": "/vsizip/", "a gzip file": "/vsigzip/"}


def parse_bounds(text: str) -> Extent:
    """Read ``west,south,east,north`` in degrees.

    >>> parse_bounds("2.5,43,4,44.25")
    Extent(west=2.5, south=43.0, east=4.0, north=44.25)

    Raises
    ------
    InputError
        If these are not four numbers in degrees, in this order.
    """
    try:
        west, south, east, north = (float(number) for number in text.split(","))
    except ValueError:
        raise InputError(
            f"bounds '{text}': expected west,south,east,north in degrees, such as 2.5,43,4,44.25."
        ) from None
    if not (-180.0 <= west < east <= 180.0 and -90.0 <= south < north <= 90.0):
        raise InputError(
            f"bounds '{text}': expected west below east within ±180 degrees and south below north within ±90;"
            f" {_advice(west, south, east, north)}"
        )
    return Extent(west, south, east, north)


def _advice(west: float, south: float, east: float, north: float) -> str:
    """What to do about a box that is none."""
    if not (max(abs(west), abs(east)) <= 180.0 and max(abs(south), abs(north)) <= 90.0):
        return "one of these is beyond, so look at their order: longitude, latitude, longitude, latitude."
    if west == east or south == north:
        return "this box has no area; for the country around a point: lstsr map --point."
    if south > north:
        return "south and north are swapped here."
    return (
        "these are swapped, or the box lies over the antimeridian and is two boxes:"
        f" {west:g},{south:g},180,{north:g} and -180,{south:g},{east:g},{north:g}."
    )


def parse_point(text: str) -> tuple[float, float]:
    """Read ``longitude,latitude`` in degrees.

    >>> parse_point("3.6,46.3")
    (3.6, 46.3)

    Raises
    ------
    InputError
        If these are not two numbers in degrees, in this order.
    """
    try:
        longitude, latitude = (float(number) for number in text.split(","))
    except ValueError:
        raise InputError(
            f"point '{text}': expected longitude,latitude in degrees, such as 3.6,46.3."
        ) from None
    if not (abs(longitude) <= 180.0 and abs(latitude) <= 90.0):
        raise InputError(
            f"point '{text}': expected a longitude within ±180 degrees and a latitude within ±90."
        )
    return longitude, latitude


def _wrapped(longitude: float) -> float:
    return (longitude + 180.0) % 360.0 - 180.0


def circle(longitude: float, latitude: float, radius_km: float) -> shapely.Geometry:
    """What lies within so many kilometres of a point, in degrees; around a pole, down to a parallel.

    Raises
    ------
    InputError
        If the radius is not above zero, or the circle crosses the antimeridian.
    """
    if not 0.0 < radius_km < math.inf:
        raise InputError(f"the radius is {radius_km:g} km; expected more than 0.")
    degrees = math.degrees(1000.0 * radius_km / SPHERE_RADIUS_M)
    south, north = latitude - degrees, latitude + degrees
    if north >= 90.0 or south <= -90.0:  # what reaches over a pole, reaches all around it
        north, south = 90.0 if north >= 90.0 else north, -90.0 if south <= -90.0 else south
        return shapely.box(-180.0, south, 180.0, north)
    azimuths = np.linspace(0.0, 360.0, 180, endpoint=False)
    sphere = pyproj.Geod(a=SPHERE_RADIUS_M, b=SPHERE_RADIUS_M)
    starts = np.full_like(azimuths, longitude), np.full_like(azimuths, latitude)
    longitudes, latitudes, _ = sphere.fwd(*starts, azimuths, np.full_like(azimuths, 1000.0 * radius_km))
    away = (np.asarray(longitudes) - longitude + 180.0) % 360.0 - 180.0
    west, east = longitude + away.min(), longitude + away.max()
    if west < -180.0 or east > 180.0:
        raise InputError(
            f"the circle of {radius_km:g} km around {longitude:g},{latitude:g} crosses the antimeridian,"
            f" where the MODIS grid is cut: make two maps, of the boxes {_wrapped(west):.3f},{south:.3f},180,"
            f"{north:.3f} and -180,{south:.3f},{_wrapped(east):.3f},{north:.3f}."
        )
    return shapely.Polygon(np.column_stack([longitude + away, latitudes]))


def box(bounds: Extent) -> shapely.Geometry:
    """A box in degrees as a geometry."""
    return shapely.box(bounds.west, bounds.south, bounds.east, bounds.north)


def read_shape(path: Path) -> shapely.Geometry:
    """Read the polygons of a GeoJSON file, in degrees.

    Features without a geometry are passed over, and so is what a position has beside x and y. A ``crs``
    member, which GeoJSON had until 2016 and many programs still write, is honoured.

    Raises
    ------
    InputError
        If it is missing or damaged, in another format, holds anything but
        polygons, or is not in degrees without saying in what.
    """
    content = read_bytes(path, _GEOJSON)
    _check_format(content, path)
    text = decode(content, path, _GEOJSON)
    try:
        polygons = _polygons(json.loads(text), None)
        geometry = _inside_alone(
            shapely.union_all([_inside_alone(shapely.make_valid(polygon)) for polygon in polygons])
        )
    except json.JSONDecodeError as error:
        raise InputError(f"{path}: not readable as JSON ({error}); expected {_GEOJSON}.") from None
    except InputError as error:
        raise InputError(f"{path}: {error} {_conversion(path)}") from None
    except RecursionError:
        raise InputError(f"{path}: is nested too deeply; expected {_GEOJSON}.") from None
    except Exception as error:  # whatever shapely and Python raise on what is no GeoJSON
        reason = " ".join(str(error).split())[:100]
        raise InputError(f"{path}: not readable as GeoJSON ({type(error).__name__}: {reason}).") from None
    if geometry.is_empty:
        raise InputError(f"{path}: holds nothing with an inside; expected polygons.")
    west, south, east, north = geometry.bounds
    if not (west >= -180.0 and east <= 180.0 and south >= -90.0 and north <= 90.0):
        raise InputError(
            f"{path}: its coordinates span x {west:g} to {east:g}, y {south:g} to {north:g}; expected"
            " longitudes and latitudes in degrees, as GeoJSON has them, or a crs that says what these are."
            f" {_conversion(path)}"
        )
    return geometry


def _check_format(content: bytes, path: Path) -> None:
    start = content.removeprefix(codecs.BOM_UTF8).lstrip()
    kind = next(
        (kind for mark, kind in _OTHER_FORMATS.items() if content.startswith(mark) or start.startswith(mark)),
        None,
    )
    if kind is not None:
        raise InputError(
            f"{path}: is {kind}; expected {_GEOJSON}. {_conversion(path, within=_WITHIN.get(kind, ''))}"
        )


def _conversion(path: Path, within: str = "") -> str:
    return f"To convert it: ogr2ogr -t_srs {DEGREES} area.geojson {within}{path}"


def _polygons(content: Any, crs: pyproj.CRS | None) -> list[shapely.Geometry]:
    """The polygons in a GeoJSON object, in degrees; `crs` is that of
    the object around it, None where none is told."""
    if content is None:  # a feature without a place
        return []
    if not isinstance(content, dict):
        raise ValueError(f"{json.dumps(content)[:60]} is no object of GeoJSON")
    if content.get("crs") is not None:
        crs = _member_crs(content["crs"])
    kind = content.get("type")
    if kind in ("Polygon", "MultiPolygon"):
        outlines = content["coordinates"] if kind == "MultiPolygon" else [content["coordinates"]]
        return [_in_degrees(shapely.Polygon(*_shell_and_holes(rings)), crs) for rings in outlines if rings]
    if kind == "Feature":
        return _polygons(content.get("geometry"), crs)
    if kind in _COLLECTIONS:
        return [polygon for part in content[_COLLECTIONS[kind]] for polygon in _polygons(part, crs)]
    if kind in ("Point", "MultiPoint", "LineString", "MultiLineString"):
        raise InputError(f"holds a {kind}; expected polygons alone.")
    raise InputError(f"holds an object of type {kind!r}, which is none of GeoJSON's.")


def _shell_and_holes(rings: list[Any]) -> tuple[list[Any], list[list[Any]]]:
    for position in (position for ring in rings for position in ring):
        numbers = position[:2] if isinstance(position, list) else []
        if len(numbers) < 2 or not all(
            type(number) in (int, float) and math.isfinite(number) for number in numbers
        ):
            raise ValueError(f"the position {json.dumps(position)[:60]} is not two numbers")
    shell, *holes = ([position[:2] for position in ring] for ring in rings)
    return shell, holes


def _member_crs(member: Any) -> pyproj.CRS:
    subject = f"its crs is {json.dumps(member)[:120]}"
    try:
        properties = member["properties"]
        name = properties["name"] if member["type"] == "name" else f"{member['type']}:{properties['code']}"
        crs = pyproj.CRS.from_user_input(str(name))
    except (KeyError, TypeError, pyproj.exceptions.CRSError):
        raise InputError(f"{subject}, which is not known; expected one such as EPSG:32631.") from None
    if not (crs.is_geographic or crs.is_projected):
        raise InputError(f"{subject}, a {crs.type_name}; expected one of a map.")
    return crs


def _in_degrees(polygon: shapely.Geometry, crs: pyproj.CRS | None) -> shapely.Geometry:
    if crs is None:
        return polygon
    if crs.is_projected:
        left, bottom, right, top = polygon.bounds
        polygon = shapely.segmentize(polygon, max(right - left, top - bottom, 1e-9) / _PIECES_OF_SIDE)
    degrees = shapely.transform(polygon, _to_degrees(crs))
    if not np.isfinite(shapely.get_coordinates(degrees)).all():
        raise InputError(f"has coordinates that its crs, {crs.name}, does not have.")
    return degrees


@lru_cache  # of one file, all polygons have the same as a rule
def _to_degrees(crs: pyproj.CRS) -> Callable[[FloatArray], FloatArray]:
    transformer = pyproj.Transformer.from_crs(
        crs, DEGREES, always_xy=True
    )  # GeoJSON has x first, whatever the CRS says
    return lambda points: np.column_stack(transformer.transform(points[:, 0], points[:, 1]))


def _inside_alone(geometry: shapely.Geometry) -> shapely.Geometry:
    """A geometry without the lines and points that spikes leave when they are mended."""
    parts = shapely.get_parts(geometry)
    return shapely.union_all(parts[shapely.area(parts) > 0.0])


def projected(geometry: shapely.Geometry, raster: Raster) -> shapely.Geometry:
    """A geometry in degrees in a raster's CRS, its lines bent as the projection bends them."""

    def transform(points: FloatArray) -> FloatArray:
        longitudes, latitudes = points.T.tolist()
        return np.column_stack(rasterio.warp.transform(DEGREES, raster.crs, longitudes, latitudes)[:2])

    return shapely.make_valid(shapely.transform(shapely.segmentize(geometry, _STEP_DEGREES), transform))


def to_degrees(x_m: FloatArray, y_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Longitude and latitude of points of the sinusoidal grid.

    Where the grid goes on beyond the outline of the Earth the longitude is ±180: a projection
    library would go on counting on the other side.
    """
    latitudes = np.degrees(y_m / SPHERE_RADIUS_M)
    circle_m = SPHERE_RADIUS_M * np.maximum(np.cos(np.radians(latitudes)), 1e-5)  # 64 m from a pole
    return np.clip(np.degrees(x_m / circle_m), -180.0, 180.0), latitudes


def extent_of(raster: Raster) -> Extent | None:
    """What a raster on the sinusoidal grid covers of the Earth, in
    degrees; None if it lies wholly beyond the outline."""
    y_m = np.linspace(raster.top_m, raster.bottom_m, raster.rows + 1)
    (west, latitudes), (east, _) = (
        to_degrees(np.full_like(y_m, x_m), y_m) for x_m in (raster.left_m, raster.right_m)
    )
    on_earth = east - west > 1e-6  # a corner that touches the outline has no ground
    if not on_earth.any():
        return None
    west, east, latitudes = west[on_earth], east[on_earth], latitudes[on_earth]
    return Extent(float(west.min()), float(latitudes.min()), float(east.max()), float(latitudes.max()))


def window_around(geometry: shapely.Geometry, raster: Raster, name: str) -> tuple[Window, float]:
    """The smallest window of a raster's pixels that holds what it has of a geometry in degrees.

    Parameters
    ----------
    geometry : shapely geometry
        In degrees.
    raster : Raster
        On the sinusoidal grid.
    name : str
        What the geometry is, for the message.

    Returns
    -------
    Window, float
        The window, and the share of the geometry's ground that the raster has not.

    Raises
    ------
    NoResult
        If the raster has nothing of it.
    """
    asked = projected(geometry, raster)
    shared = shapely.intersection(asked, _outline(raster))
    if shared.area == 0.0:
        here, extent = "no ground at all", extent_of(raster)
        if extent is not None:
            west, south, east, north = (
                f"{round(degrees, 2) + 0.0:.2f}"
                for degrees in (extent.west, extent.south, extent.east, extent.north)
            )
            here = f"west {west}, south {south}, east {east}, north {north} degrees"
        raise NoResult(f"{name} lies outside the granule, which covers {here}; choose an area there.")
    left, bottom, right, top = shared.bounds
    pixel_m = raster.pixel_width_m
    rows = _span((raster.top_m - top) / pixel_m, (raster.top_m - bottom) / pixel_m)
    columns = _span((left - raster.left_m) / pixel_m, (right - raster.left_m) / pixel_m)
    return Window(rows, columns), 1.0 - shared.area / asked.area


def _outline(raster: Raster) -> shapely.Geometry:
    return shapely.box(raster.left_m, raster.bottom_m, raster.right_m, raster.top_m)


def _span(first: float, last: float) -> slice:
    # A line on a pixel's edge is on neither side of it, whatever the projection's last digit says.
    slack = 1e-6
    start = int(first + slack)
    return slice(start, max(int(np.ceil(last - slack)), start + 1))


def inside(geometry: shapely.Geometry, grid: Raster) -> tuple[BoolArray, int]:
    """Which pixels of a raster belong to a geometry in degrees: those with their centre inside.

    A polygon that holds no pixel's centre, being small or narrow, has the pixels that it touches.

    Returns
    -------
    bool array of the grid's shape, int
        The pixels, and the number of polygons that only touch theirs.
    """
    polygons = shapely.get_parts(shapely.intersection(projected(geometry, grid), _outline(grid)))
    polygons = [polygon for polygon in polygons if polygon.area > 0.0]
    owners = _burnt(dict(enumerate(polygons, start=1)), grid)
    centres = np.bincount(owners.ravel(), minlength=len(polygons) + 1)
    small = {number: polygon for number, polygon in enumerate(polygons, start=1) if not centres[number]}
    mask: BoolArray = owners > 0
    if small:
        mask |= _burnt(small, grid, all_touched=True) > 0
    return mask, len(small)


def _burnt(
    polygons: dict[int, shapely.Geometry], grid: Raster, all_touched: bool = False
) -> NDArray[np.int32]:
    shapes = [(polygon, number) for number, polygon in polygons.items()]
    burnt: NDArray[np.int32] = rasterio.features.rasterize(
        shapes, grid.values.shape, transform=grid.transform, all_touched=all_touched, dtype="int32"
    )
    return burnt
