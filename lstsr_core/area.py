"""The part of a granule that is asked for, as a box or a shape in degrees."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.features
import rasterio.warp
import shapely
from numpy.typing import NDArray
from shapely.geometry import shape as as_geometry

from lstsr_core.errors import InputError
from lstsr_core.grid import SPHERE_RADIUS_M
from lstsr_core.raster import BoolArray, FloatArray, Raster
from lstsr_core.shorelines import Extent
from lstsr_core.windows import Window

DEGREES = "EPSG:4326"
_STEP_DEGREES = 0.02
"""A straight line on the map of degrees is none on the sinusoidal one: points are put in so densely that it bends along."""


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
        raise InputError(f"bounds '{text}': expected west,south,east,north in degrees, such as 2.5,43,4,44.25.") from None
    if not (-180.0 <= west < east <= 180.0 and -90.0 <= south < north <= 90.0):
        raise InputError(
            f"bounds '{text}': expected west below east within ±180 degrees and south below north within ±90; a box over the "
            "antimeridian is two boxes."
        )
    return Extent(west, south, east, north)


def box(bounds: Extent) -> shapely.Geometry:
    """A box in degrees as a geometry."""
    return shapely.box(bounds.west, bounds.south, bounds.east, bounds.north)


def read_shape(path: Path) -> shapely.Geometry:
    """Read the polygons of a GeoJSON file, in degrees.

    Raises
    ------
    InputError
        If it is missing or damaged, holds anything but polygons, or is not in degrees.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); a GeoJSON file was expected there.") from error
    except ValueError as error:
        raise InputError(f"{path}: not readable as JSON ({error}); a GeoJSON file was expected.") from error
    try:
        geometry = shapely.union_all([shapely.make_valid(as_geometry(part)) for part in _geometries(content)])
    except Exception as error:  # shapely raises many kinds on what is no GeoJSON
        raise InputError(
            f"{path}: not readable as GeoJSON ({type(error).__name__}: {' '.join(str(error).split())[:100]})."
        ) from error
    if geometry.geom_type not in ("Polygon", "MultiPolygon") or geometry.area == 0.0:
        raise InputError(f"{path}: holds a {geometry.geom_type} with area {geometry.area:g}; expected polygons with an inside.")
    west, south, east, north = geometry.bounds
    if not (west >= -180.0 and east <= 180.0 and south >= -90.0 and north <= 90.0):
        raise InputError(
            f"{path}: its coordinates span x {west:g} to {east:g}, y {south:g} to {north:g}; expected longitudes and latitudes "
            "in degrees, as GeoJSON has them. Reproject it first."
        )
    return geometry


def _geometries(content: dict[str, Any]) -> list[dict[str, Any]]:
    if content["type"] == "FeatureCollection":
        return [feature["geometry"] for feature in content["features"]]
    return [content["geometry"] if content["type"] == "Feature" else content]


def projected(geometry: shapely.Geometry, raster: Raster) -> shapely.Geometry:
    """A geometry in degrees in a raster's CRS, its lines bent as the projection bends them."""

    def transform(points: FloatArray) -> FloatArray:
        longitudes, latitudes = points.T.tolist()
        return np.column_stack(rasterio.warp.transform(DEGREES, raster.crs, longitudes, latitudes)[:2])

    return shapely.make_valid(shapely.transform(shapely.segmentize(geometry, _STEP_DEGREES), transform))


def to_degrees(x_m: FloatArray, y_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Longitude and latitude of points of the sinusoidal grid.

    Where the grid goes on beyond the outline of the Earth the longitude is ±180: a projection library would go on counting on the
    other side.
    """
    latitudes = np.degrees(y_m / SPHERE_RADIUS_M)
    circle_m = SPHERE_RADIUS_M * np.maximum(np.cos(np.radians(latitudes)), 1e-5)  # 64 m from a pole
    return np.clip(np.degrees(x_m / circle_m), -180.0, 180.0), latitudes


def extent_of(raster: Raster) -> Extent | None:
    """What a raster on the sinusoidal grid covers of the Earth, in degrees; None if it lies wholly beyond the outline."""
    y_m = np.linspace(raster.top_m, raster.bottom_m, raster.rows + 1)
    (west, latitudes), (east, _) = (to_degrees(np.full_like(y_m, x_m), y_m) for x_m in (raster.left_m, raster.right_m))
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
    InputError
        If the raster has nothing of it.
    """
    asked = projected(geometry, raster)
    shared = shapely.intersection(asked, _outline(raster))
    if shared.area == 0.0:
        here, extent = "no ground at all", extent_of(raster)
        if extent is not None:
            west, south, east, north = (
                f"{round(degrees, 2) + 0.0:.2f}" for degrees in (extent.west, extent.south, extent.east, extent.north)
            )
            here = f"west {west}, south {south}, east {east}, north {north} degrees"
        raise InputError(f"{name} lies outside the granule, which covers {here}; choose an area there.")
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


def _burnt(polygons: dict[int, shapely.Geometry], grid: Raster, all_touched: bool = False) -> NDArray[np.int32]:
    shapes = [(polygon, number) for number, polygon in polygons.items()]
    burnt: NDArray[np.int32] = rasterio.features.rasterize(
        shapes, grid.values.shape, transform=grid.transform, all_touched=all_touched, dtype="int32"
    )
    return burnt
