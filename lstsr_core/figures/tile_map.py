"""Maps of tiles of the MODIS grid: shorelines, neighbouring tiles
with their names, and where on Earth all of it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cartopy.crs as ccrs
import numpy as np
from cartopy.mpl.gridliner import Gridliner
from cartopy.mpl.ticker import LongitudeLocator
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.patches import Rectangle

from lstsr_core.geo.grid import GRID_LEFT_M, GRID_TOP_M, SPHERE_RADIUS_M, TILE_SIZE_M, Tile
from lstsr_core.geo.raster import FloatArray
from lstsr_core.geo.shorelines import Extent, lines

TILE_COLOUR, _GRID_COLOUR = "#0072B2", "#56B4E9"
_MARGIN = 0.17
"""Of a tile's side: what is shown around the tiles."""
_WIDTH_IN, _LABEL_WIDTH_IN, _LABEL_HEIGHT_IN = 5.2, 0.55, 0.2
_WORLD = Extent(-180.0, -90.0, 180.0, 90.0)
_PROJECTION = ccrs.Sinusoidal(
    globe=ccrs.Globe(ellipse=None, semimajor_axis=SPHERE_RADIUS_M, semiminor_axis=SPHERE_RADIUS_M)
)
_DEGREES = ccrs.PlateCarree(globe=_PROJECTION.globe)


@dataclass(frozen=True)
class View:
    """A rectangle of the sinusoidal plane, in metres; it may reach over the edge of the world."""

    west_m: float
    east_m: float
    south_m: float
    north_m: float

    @classmethod
    def around(cls, tiles: Sequence[Tile]) -> View:
        """Tiles with a margin."""
        lefts, tops, margin_m = (
            [tile.left_m for tile in tiles],
            [tile.top_m for tile in tiles],
            _MARGIN * TILE_SIZE_M,
        )
        south_m, north_m = min(tops) - TILE_SIZE_M - margin_m, max(tops) + margin_m
        return cls(min(lefts) - margin_m, max(lefts) + TILE_SIZE_M + margin_m, south_m, north_m)

    @property
    def extent(self) -> Extent:
        """The smallest box of degrees that holds all that is on Earth of it."""
        south, north = (
            max(-90.0, min(90.0, math.degrees(y_m / SPHERE_RADIUS_M))) for y_m in (self.south_m, self.north_m)
        )
        latitudes = [south, north, *([0.0] if south < 0.0 < north else [])]
        ends = [longitude(x_m, latitude) for x_m in (self.west_m, self.east_m) for latitude in latitudes]
        return Extent(min(ends), south, max(ends), north)

    def tiles(self) -> list[Tile]:
        """The tiles of which something is seen."""
        first, last = Tile.at(self.west_m, self.north_m), Tile.at(self.east_m, self.south_m)
        across = range(max(0, first.horizontal), min(35, last.horizontal) + 1)
        return [Tile(h, v) for v in range(max(0, first.vertical), min(17, last.vertical) + 1) for h in across]


def longitude(x_m: float, latitude: float) -> float:
    """Degrees east of a point of the sinusoidal plane; that of
    the world's edge where the point lies beyond it.

    >>> longitude(0.0, 45.0), longitude(-2.1e7, 0.0)
    (0.0, -180.0)
    """
    edge_m = math.pi * SPHERE_RADIUS_M * math.cos(math.radians(latitude))
    return 180.0 * (x_m / edge_m if abs(x_m) < edge_m else math.copysign(1.0, x_m))


def project(degrees: FloatArray) -> FloatArray:
    """(points, 2) longitudes and latitudes → (points, 2) x and y in metres on the sinusoidal plane."""
    projected: FloatArray = _PROJECTION.transform_points(_DEGREES, degrees[:, 0], degrees[:, 1])[:, :2]
    return projected


@dataclass(frozen=True)
class TileMap:
    """A map to draw on in metres of the sinusoidal plane, with an empty corner for what explains it.

    Attributes
    ----------
    figure : Figure
    axes, key : Axes
    """

    figure: Figure
    axes: Axes
    key: Axes

    def explain(self) -> None:
        """Put the legend of all that was drawn with a label beside the map of the world."""
        handles, labels = self.axes.get_legend_handles_labels()
        self.key.legend(handles, labels, loc="center left", borderaxespad=0.0)


def tile_map(tiles: Sequence[Tile]) -> TileMap:
    """Tiles and the edges of those around them with shorelines and
    borders; below, the world with its whole grid."""
    view = View.around(tiles)
    figure = Figure(
        figsize=(5.8, 1.9 + _WIDTH_IN * (view.north_m - view.south_m) / (view.east_m - view.west_m)),
        layout="constrained",
    )
    rows = GridSpec(2, 1, figure, height_ratios=[figure.get_figheight() - 1.5, 1.5])
    above, below = figure.add_subfigure(rows[0]), figure.add_subfigure(rows[1])
    axes = above.add_subplot(projection=_PROJECTION)
    axes.set(xlim=(view.west_m, view.east_m), ylim=(view.south_m, view.north_m))
    _draw_coasts(axes, view.extent, "i", 0.8)
    for tile in view.tiles():
        highlight = tile in tiles
        _draw_tile(axes, tile, highlight)
        _name_tile(axes, tile, view, highlight)
    _label_degrees(axes)
    world, key = below.subplots(1, 2, width_ratios=[3, 2], subplot_kw={"projection": _PROJECTION})
    _draw_world(world, tiles)
    key.set_axis_off()
    return TileMap(figure, axes, key)


def _draw_coasts(axes: Axes, extent: Extent, resolution: str, width: float) -> None:
    for kind, share, colour in (("shorelines", 1.0, "#333333"), ("borders", 0.6, "#888888")):
        paths = [project(line) for line in lines(kind, extent, resolution)]
        axes.add_collection(LineCollection(paths, linewidths=share * width, colors=colour), autolim=False)
    latitudes = np.linspace(extent.south, extent.north, 181)
    for edge in (-180.0, 180.0):
        points = project(np.column_stack([np.full_like(latitudes, edge), latitudes]))
        axes.plot(points[:, 0], points[:, 1], color="#333333", linewidth=width, scalex=False, scaley=False)


def _draw_tile(axes: Axes, tile: Tile, highlight: bool) -> None:
    colour, width, layer = (TILE_COLOUR, 1.8, 3.0) if highlight else (_GRID_COLOUR, 0.6, 1.5)
    label = f"MODIS tile {tile}" if highlight else None
    axes.add_patch(
        Rectangle(*_square(tile), fill=False, edgecolor=colour, linewidth=width, zorder=layer, label=label)
    )


def _square(tile: Tile) -> tuple[tuple[float, float], float, float]:
    return (tile.left_m, tile.top_m - TILE_SIZE_M), TILE_SIZE_M, TILE_SIZE_M


def _half_width_m(y_m: float) -> float:
    """From the middle of the world to its edge."""
    return math.pi * SPHERE_RADIUS_M * math.cos(min(abs(y_m) / SPHERE_RADIUS_M, math.pi / 2))


def _name_tile(axes: Axes, tile: Tile, view: View, highlight: bool) -> None:
    """In the middle of what is seen of a neighbour, if there is room; of a
    chosen tile on its edge nearest to the equator."""
    left_m, right_m = max(tile.left_m, view.west_m), min(tile.left_m + TILE_SIZE_M, view.east_m)
    bottom_m, top_m = max(tile.top_m - TILE_SIZE_M, view.south_m), min(tile.top_m, view.north_m)
    if highlight:
        north, gap_m = tile.top_m > 0.0, 0.02 * TILE_SIZE_M
        y_m = bottom_m + gap_m if north else top_m - gap_m
        place = {"x": max(left_m, -_half_width_m(y_m)) + gap_m, "y": y_m}
        style = {"ha": "left", "va": "bottom" if north else "top", "weight": "bold"}
    else:
        inches_per_m = _WIDTH_IN / (view.east_m - view.west_m)
        width_in, height_in = (right_m - left_m) * inches_per_m, (top_m - bottom_m) * inches_per_m
        place = {"x": (left_m + right_m) / 2, "y": (bottom_m + top_m) / 2}
        small, large = sorted((width_in, height_in))
        if small < _LABEL_HEIGHT_IN or large < _LABEL_WIDTH_IN or abs(place["x"]) > _half_width_m(place["y"]):
            return
        style = {
            "ha": "center",
            "va": "center",
            "rotation": "horizontal" if width_in >= _LABEL_WIDTH_IN else "vertical",
        }
    name = axes.text(
        place["x"], place["y"], str(tile), color=TILE_COLOUR, fontsize=10 if highlight else 8, zorder=4
    )
    name.set(**style)


def _label_degrees(axes: Axes) -> None:
    gridliner: Gridliner = axes.gridlines(  # type: ignore[attr-defined]  # of cartopy's axes
        draw_labels={"left": "y", "bottom": "x"},
        x_inline=False,
        y_inline=False,
        rotate_labels=False,
        linewidth=0.4,
        alpha=0.5,
    )
    gridliner.xlocator = LongitudeLocator(nbins=5)


def _draw_world(axes: Axes, tiles: Sequence[Tile]) -> None:
    edge_m = math.pi * SPHERE_RADIUS_M
    axes.set(xlim=(-1.01 * edge_m, 1.01 * edge_m), ylim=(-0.51 * edge_m, 0.51 * edge_m))
    grid = [
        [(-_half_width_m(y_m), y_m), (_half_width_m(y_m), y_m)]
        for y_m in GRID_TOP_M - TILE_SIZE_M * np.arange(1, 18)
    ]
    for x_m in GRID_LEFT_M + TILE_SIZE_M * np.arange(1, 36):
        end_m = SPHERE_RADIUS_M * math.acos(min(1.0, abs(x_m) / edge_m))
        grid.append([(x_m, -end_m), (x_m, end_m)])
    axes.add_collection(LineCollection(grid, linewidths=0.3, colors=_GRID_COLOUR), autolim=False)
    _draw_coasts(axes, _WORLD, "c", 0.4)
    for tile in tiles:
        axes.add_patch(Rectangle(*_square(tile), color=TILE_COLOUR, linewidth=0, zorder=3))
    axes.set_axis_off()
