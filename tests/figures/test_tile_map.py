"""Maps of tiles: everything where closed forms put it, on any tile of the world."""

from __future__ import annotations

import math
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from lstsr_core.figures import panels as figures
from lstsr_core.figures.tile_map import TileMap, View, longitude, project, tile_map
from lstsr_core.geo.grid import SPHERE_RADIUS_M, TILE_SIZE_M, Tile

FRANCE = Tile(18, 4)
TILES = {
    "h18v04": FRANCE, "h12v12 (southern hemisphere)": Tile(12, 12), "h00v08 (180° west)": Tile(0, 8),
    "h35v10 (180° east)": Tile(35, 10), "h18v00 (north pole)": Tile(18, 0),
    "h31v13 (mostly off the Earth)": Tile(31, 13), "h20v15 (Antarctica)": Tile(20, 15),
}  # fmt: skip


def squares(axes: Axes) -> dict[tuple[float, float], Rectangle]:
    return {patch.get_xy(): patch for patch in axes.patches if isinstance(patch, Rectangle)}


def names(axes: Axes) -> dict[str, Text]:
    return {text.get_text(): text for text in axes.texts if text.get_text()}


@pytest.mark.parametrize(
    ("degrees", "metres"),
    [
        ((0.0, 50.0), (FRANCE.left_m, FRANCE.top_m)),  # h18 begins at Greenwich, v04 at 50° north
        (
            (10.0 / math.cos(math.radians(40.0)), 40.0),
            (FRANCE.left_m + TILE_SIZE_M, FRANCE.top_m - TILE_SIZE_M),
        ),
        ((-180.0, 0.0), (Tile(0, 9).left_m, Tile(0, 9).top_m)),
        ((180.0, 0.0), (Tile(35, 9).left_m + TILE_SIZE_M, Tile(35, 9).top_m)),
        ((-60.0, -60.0), (-30.0 * TILE_SIZE_M / 10.0, Tile(0, 15).top_m)),
    ],
    ids=["h18v04's north-west", "its south-east", "180° west", "180° east", "60° south"],
)
def test_corners_of_tiles_are_where_the_grid_has_them(
    degrees: tuple[float, float], metres: tuple[float, float]
) -> None:
    np.testing.assert_allclose(project(np.array([degrees]))[0], metres, atol=0.1)


@given(st.floats(-179.9, 179.9), st.floats(-89.0, 89.0))
def test_longitude_undoes_the_projection(degrees_east: float, latitude: float) -> None:
    x_m = SPHERE_RADIUS_M * math.radians(degrees_east) * math.cos(math.radians(latitude))
    assert longitude(x_m, latitude) == pytest.approx(degrees_east, abs=1e-9)
    assert longitude(math.copysign(2.1e7, degrees_east), latitude) == math.copysign(180.0, degrees_east)


def test_the_view_of_a_tile_is_the_box_of_degrees_around_it() -> None:
    extent = View.around([FRANCE]).extent
    margin = 1.7  # degrees along a meridian
    assert (extent.south, extent.north) == pytest.approx((40.0 - margin, 50.0 + margin))
    assert extent.east == pytest.approx((10.0 + margin) / math.cos(math.radians(50.0 + margin)))
    assert extent.west == pytest.approx(-margin / math.cos(math.radians(50.0 + margin)))


@pytest.mark.parametrize("tile", TILES.values(), ids=list(TILES))
def test_neighbours_are_drawn_and_none_that_the_grid_does_not_have(tile: Tile) -> None:
    axes = tile_map([tile]).axes
    around = {
        Tile(h, v)
        for h in range(max(0, tile.horizontal - 1), min(35, tile.horizontal + 1) + 1)
        for v in range(max(0, tile.vertical - 1), min(17, tile.vertical + 1) + 1)
    }
    shapes = squares(axes)
    assert shapes.keys() == {(other.left_m, other.top_m - TILE_SIZE_M) for other in around}
    assert (
        {patch.get_width() for patch in shapes.values()}
        == {patch.get_height() for patch in shapes.values()}
        == {TILE_SIZE_M}
    )
    wide = [corner for corner, patch in shapes.items() if patch.get_linewidth() > 1.0]
    assert wide == [(tile.left_m, tile.top_m - TILE_SIZE_M)]


def test_each_neighbour_is_named_inside_itself() -> None:
    axes = tile_map([FRANCE]).axes
    labels = names(axes)
    assert labels.keys() == {f"h{h}v{v:02d}" for h in (17, 18, 19) for v in (3, 4, 5)}
    for name, text in labels.items():
        assert str(Tile.at(*text.get_position())) == name


@pytest.mark.parametrize("tile", TILES.values(), ids=list(TILES))
def test_names_are_on_the_earth_in_the_map_and_clear_of_each_other(tile: Tile) -> None:
    chart = tile_map([tile])
    renderer = FigureCanvasAgg(chart.figure).get_renderer()
    chart.figure.draw(renderer)
    labels = names(chart.axes)
    assert str(tile) in labels
    for text in labels.values():
        x_m, y_m = text.get_position()
        assert abs(x_m) < math.pi * SPHERE_RADIUS_M * math.cos(y_m / SPHERE_RADIUS_M)
    extents = [text.get_window_extent(renderer) for text in labels.values()]
    assert not any(one.overlaps(other) for one, other in combinations(extents, 2))
    frame = chart.axes.get_window_extent(renderer)
    assert all(frame.x0 <= extent.x0 and extent.x1 <= frame.x1 for extent in extents)


@pytest.mark.parametrize("tile", [Tile(35, 10), Tile(18, 0)], ids=["180° east", "north pole"])
def test_any_tile_can_be_shown_as_a_file(tile: Tile, tmp_path: Path) -> None:
    chart = tile_map([tile])
    chart.explain()
    assert figures.show(chart.figure, tmp_path, "map").data[:4] == b"\x89PNG"


def test_several_tiles_are_seen_whole() -> None:
    tiles = [FRANCE, Tile(19, 4), Tile(19, 5)]
    axes = tile_map(tiles).axes
    (west, east), (south, north) = axes.get_xlim(), axes.get_ylim()
    assert (
        west < FRANCE.left_m
        and east > Tile(20, 4).left_m
        and south < Tile(18, 6).top_m
        and north > FRANCE.top_m
    )
    assert {str(tile) for tile in tiles} <= names(axes).keys()


def test_the_coast_is_where_it_is() -> None:
    coasts = [part for part in tile_map([FRANCE]).axes.collections if isinstance(part, LineCollection)]
    points = np.concatenate([path.vertices for part in coasts for path in part.get_paths()])
    for place in ((8.93, 44.40), (4.58, 43.36), (9.16, 41.39)):  # Genoa, mouth of the Rhône, Bonifacio
        assert np.hypot(*(points - project(np.array([place]))).T).min() < 10_000.0


def world(chart: TileMap) -> Axes:
    (axes,) = [axes for axes in chart.figure.axes if axes not in (chart.axes, chart.key)]
    return axes


@pytest.mark.parametrize("tile", TILES.values(), ids=list(TILES))
def test_the_world_shows_the_tile_where_it_is(tile: Tile) -> None:
    axes = world(tile_map([tile]))
    assert squares(axes).keys() == {(tile.left_m, tile.top_m - TILE_SIZE_M)}
    assert axes.get_xlim()[0] < Tile(0, 9).left_m and axes.get_xlim()[1] > Tile(35, 9).left_m + TILE_SIZE_M


def test_the_key_holds_what_was_drawn_with_a_label() -> None:
    chart = tile_map([FRANCE])
    chart.axes.plot([0.0, 1e5], [5e6, 5e6], label="a line")
    chart.explain()
    legend = chart.key.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["MODIS tile h18v04", "a line"]
    assert isinstance(chart.figure, Figure)
