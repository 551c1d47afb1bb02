"""A place on Earth: a box, a circle or a shape in degrees, its window of the MODIS grid, and its tiles."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import shapely
from affine import Affine

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import (
    COARSE_PIXEL_M,
    GRID_LEFT_M,
    GRID_TOP_M,
    SINUSOIDAL,
    TILE_COARSE_PIXELS,
    TILE_SIZE_M,
    Tile,
)
from lstsr_core.geo.raster import Raster
from lstsr_core.geo.window import Window
from lstsr_core.maps import area
from lstsr_core.maps.predict import MARGIN_COARSE_PIXELS, with_margin
from lstsr_core.networks.weights_files import NETWORKS

TILES_ACROSS, TILES_DOWN = 36, 18
WORLD = Raster(
    np.broadcast_to(np.float32(0.0), (TILES_DOWN * TILE_COARSE_PIXELS, TILES_ACROSS * TILE_COARSE_PIXELS)),
    Affine(COARSE_PIXEL_M, 0.0, GRID_LEFT_M, 0.0, -COARSE_PIXEL_M, GRID_TOP_M),
    SINUSOIDAL,
)
"""The 1 km grid of all tiles; one number stands for every pixel."""


@dataclass(frozen=True)
class Place:
    """Where a map is asked for.

    Attributes
    ----------
    name : str
        As messages and tags have it, such as ``box 3.2,46,4,46.6``.
    geometry : shapely geometry
        In degrees.
    shape : Path, optional
        The GeoJSON file that it is of: what lies outside is masked.
    """

    name: str
    geometry: shapely.Geometry
    shape: Path | None = None

    @classmethod
    def parse(cls, text: str) -> Place:
        """Read a point or a box as numbers in degrees with commas between.

        >>> [str(tile) for tile in Place.parse("3.6,46.3").tiles]
        ['h18v04']
        >>> [str(tile) for tile in Place.parse("-0.5,49.5,0.5,50.5").tiles]
        ['h17v03', 'h18v03', 'h17v04', 'h18v04']

        Raises
        ------
        InputError
            If it is neither.
        """
        if text.count(",") == 1:
            return cls(f"point {text}", shapely.Point(*area.parse_point(text)))
        return cls.box(text)

    @classmethod
    def box(cls, text: str) -> Place:
        """Read ``west,south,east,north``, as `area.parse_bounds`."""
        bounds = area.parse_bounds(text)
        numbers = ",".join(
            f"{degrees:.10g}" for degrees in (bounds.west, bounds.south, bounds.east, bounds.north)
        )
        return cls(f"box {numbers}", area.box(bounds))

    @classmethod
    def circle(cls, text: str, radius_km: float) -> Place:
        """What lies within so many kilometres of ``longitude,latitude``, as `area.circle`."""
        longitude, latitude = area.parse_point(text)
        name = f"circle of {radius_km:g} km around {longitude:.10g},{latitude:.10g}"
        return cls(name, area.circle(longitude, latitude, radius_km))

    @classmethod
    def of_shape(cls, path: Path) -> Place:
        """The polygons of a GeoJSON file, as `area.read_shape`."""
        return cls(f"shape {path.name}", area.read_shape(path), path)

    @cached_property
    def projected(self) -> shapely.Geometry:
        """The geometry in metres of the sinusoidal grid."""
        return area.projected(self.geometry, WORLD)

    @cached_property
    def tiles(self) -> list[Tile]:
        """The tiles that have ground of it, from north to south and west to east."""
        if isinstance(self.geometry, shapely.Point):
            x_m, y_m = self.projected.x, self.projected.y
            across, down = (x_m - GRID_LEFT_M) // TILE_SIZE_M, (GRID_TOP_M - y_m) // TILE_SIZE_M
            # The edge of the world belongs to the last tile.
            return [Tile(min(max(int(across), 0), TILES_ACROSS - 1), min(max(int(down), 0), TILES_DOWN - 1))]
        return _tiles_of(self.projected)

    @cached_property
    def window(self) -> Window:
        """The smallest window of `WORLD` that holds it.

        Raises
        ------
        InputError
            If it has no ground.
        """
        window, _ = area.window_around(self.geometry, WORLD, self.name)
        return window

    @property
    def centre(self) -> tuple[float, float]:
        """Longitude and latitude of its middle."""
        point = self.geometry.centroid
        return float(point.x), float(point.y)

    def tiles_for(self, method: str) -> list[Tile]:
        """The tiles whose pixels a method's map of it depends on: for a network those of its margin, too.

        The methods that fit a scene take what the place's own tiles have of the margin.
        """
        if method not in NETWORKS:
            return self.tiles
        margin_m = MARGIN_COARSE_PIXELS * COARSE_PIXEL_M
        beside = _tiles_of(shapely.buffer(self.projected, margin_m, cap_style="square", join_style="mitre"))
        return self.tiles + [tile for tile in beside if tile not in self.tiles and is_on_earth(tile)]

    def computed(self, tiles: list[Tile]) -> Window:
        """The window with its margin, as far as these tiles go.

        It begins where the map of a whole tile, the place's first, would have a window of a network begin.
        """
        first = self.tiles[0]
        spans = []
        for span, numbers, corner in (
            (self.window.rows, [tile.vertical for tile in tiles], first.vertical),
            (self.window.columns, [tile.horizontal for tile in tiles], first.horizontal),
        ):
            before = (corner - min(numbers)) * TILE_COARSE_PIXELS
            origin, size = corner * TILE_COARSE_PIXELS, (max(numbers) + 1 - min(numbers)) * TILE_COARSE_PIXELS
            wide = with_margin(slice(span.start - origin, span.stop - origin), size - before, -before)
            spans.append(slice(min(wide.start + origin, span.start), max(wide.stop + origin, span.stop)))
        return Window(*spans)


def is_on_earth(tile: Tile) -> bool:
    """Whether a tile has ground, or lies wholly beyond the outline of the Earth."""
    return area.extent_of(WORLD.crop(*_spans(tile))) is not None


def _spans(tile: Tile) -> tuple[slice, slice]:
    row, column = tile.vertical * TILE_COARSE_PIXELS, tile.horizontal * TILE_COARSE_PIXELS
    return slice(row, row + TILE_COARSE_PIXELS), slice(column, column + TILE_COARSE_PIXELS)


def _tiles_of(projected: shapely.Geometry) -> list[Tile]:
    left_m, bottom_m, right_m, top_m = projected.bounds
    across = range(
        max(int((left_m - GRID_LEFT_M) // TILE_SIZE_M), 0),
        min(int((right_m - GRID_LEFT_M) // TILE_SIZE_M), TILES_ACROSS - 1) + 1,
    )
    down = range(
        max(int((GRID_TOP_M - top_m) // TILE_SIZE_M), 0),
        min(int((GRID_TOP_M - bottom_m) // TILE_SIZE_M), TILES_DOWN - 1) + 1,
    )
    shapely.prepare(projected)
    tiles = []
    for tile in (Tile(h, v) for v in down for h in across):
        # A line on a tile's edge is on neither side of it, whatever the projection's last digit says.
        edge_m = 1e-3
        ground = shapely.box(
            tile.left_m + edge_m,
            tile.top_m - TILE_SIZE_M + edge_m,
            tile.left_m + TILE_SIZE_M - edge_m,
            tile.top_m - edge_m,
        )
        if shapely.intersects(projected, ground):
            tiles.append(tile)
    if not tiles:
        raise InputError("the place has no ground on the MODIS grid; choose one within ±180 and ±90 degrees.")
    return tiles
