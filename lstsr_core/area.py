"""The part of a granule that is asked for, as a box or a shape in degrees."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import rasterio.features
import rasterio.warp
import shapely
from shapely.geometry import shape as as_geometry

from lstsr_core.errors import InputError
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
    return shapely.transform(shapely.segmentize(geometry, _STEP_DEGREES), _transformer(DEGREES, raster.crs))


def _transformer(source: Any, target: Any) -> Callable[[FloatArray], FloatArray]:
    def transform(points: FloatArray) -> FloatArray:
        return np.column_stack(rasterio.warp.transform(source, target, points[:, 0].tolist(), points[:, 1].tolist())[:2])

    return transform


def window_around(geometry: shapely.Geometry, raster: Raster, name: str) -> Window:
    """The smallest window of a raster's pixels that holds what it has of a geometry in degrees.

    Parameters
    ----------
    geometry : shapely geometry
        In degrees.
    raster : Raster
    name : str
        What the geometry is, for the message.

    Raises
    ------
    InputError
        If the raster has nothing of it.
    """
    outline = shapely.box(raster.left_m, raster.bottom_m, raster.right_m, raster.top_m)
    shared = shapely.intersection(shapely.make_valid(projected(geometry, raster)), outline)
    if shared.area == 0.0:
        edge = shapely.segmentize(outline, raster.pixel_width_m * max(raster.rows, raster.columns) / 16)
        degrees = shapely.transform(edge, _transformer(raster.crs, DEGREES)).bounds
        here = "west {:.2f}, south {:.2f}, east {:.2f}, north {:.2f}".format(*degrees)
        raise InputError(f"{name} lies outside the granule, which reaches from {here} degrees; choose an area there.")
    left, bottom, right, top = shared.bounds
    pixel_m = raster.pixel_width_m
    # A line on a pixel's edge is on neither side of it, whatever the projection's last digit says.
    slack = 1e-6
    return Window(
        slice(int((raster.top_m - top) / pixel_m + slack), int(np.ceil((raster.top_m - bottom) / pixel_m - slack))),
        slice(int((left - raster.left_m) / pixel_m + slack), int(np.ceil((right - raster.left_m) / pixel_m - slack))),
    )


def inside(geometry: shapely.Geometry, grid: Raster) -> BoolArray:
    """Which pixels of a raster have their centre inside a geometry in degrees."""
    outline = shapely.make_valid(projected(geometry, grid))
    mask: BoolArray = rasterio.features.geometry_mask([outline], grid.values.shape, grid.transform, invert=True)
    return mask
