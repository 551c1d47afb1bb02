"""Places: tiles and windows of boxes, circles and shapes anywhere on Earth, and one line for what is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import SPHERE_RADIUS_M, TILE_COARSE_PIXELS, Tile
from lstsr_core.geo.shorelines import tiles_with_land
from lstsr_core.maps.place import WORLD, Place, is_on_earth


def tile_by_hand(longitude: float, latitude: float) -> tuple[float, float]:
    """Place in tiles from the grid's corner, by the projection's two lines."""
    x_m = SPHERE_RADIUS_M * np.radians(longitude) * np.cos(np.radians(latitude))
    return 18.0 + x_m / 1111950.5197, 9.0 - SPHERE_RADIUS_M * np.radians(latitude) / 1111950.5197


@given(st.floats(-180, 180), st.floats(-90, 90))
def test_a_point_lies_in_the_tile_that_the_projection_says(longitude: float, latitude: float) -> None:
    (tile,) = Place.parse(f"{longitude!r},{latitude!r}").tiles
    across, down = tile_by_hand(longitude, latitude)
    assert abs(across - tile.horizontal - 0.5) <= 0.5 + 1e-6 and abs(down - tile.vertical - 0.5) <= 0.5 + 1e-6
    assert 0 <= tile.horizontal <= 35 and 0 <= tile.vertical <= 17


@given(st.data())
def test_the_tiles_of_a_box_are_those_of_its_points(data: st.DataObject) -> None:
    west, south = data.draw(st.floats(-180, 177)), data.draw(st.floats(-90, 87))
    east, north = west + data.draw(st.floats(0.05, 3)), south + data.draw(st.floats(0.05, 3))
    place = Place.box(f"{west!r},{south!r},{east!r},{north!r}")
    points = np.random.default_rng(1).uniform((west, south), (east, north), (400, 2))
    seen = set()
    for longitude, latitude in points:
        across, down = tile_by_hand(longitude, latitude)
        seen.add(Tile(int(across), int(down)))
        row, column = down * TILE_COARSE_PIXELS, across * TILE_COARSE_PIXELS
        assert place.window.rows.start - 1e-3 <= row <= place.window.rows.stop + 1e-3
        assert place.window.columns.start - 1e-3 <= column <= place.window.columns.stop + 1e-3
    assert seen <= set(place.tiles) and all(map(is_on_earth, place.tiles))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("4,46,3.2,46.6", "these are swapped, or the box lies over the antimeridian"),
        ("179,-17,-179,-16", "two boxes: 179,-17,180,-16 and -180,-17,-179,-16"),
        ("3.2,46.6,4,46", "south and north are swapped"),
        ("3.2,46,3.2,46.6", "has no area"),
        ("46,3.2,200,4", "look at their order"),
        ("nan,46,4,46.6", "expected west"),
    ],
)
def test_boxes_that_are_none_are_told_what_to_do(text: str, words: str) -> None:
    with pytest.raises(InputError) as caught:
        Place.box(text)
    assert words in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "radius_km", "words"),
    [
        ("179.9,-16", 30, "crosses the antimeridian"),
        ("181,0", 30, "a longitude within"),
        ("1,2,3", 30, "expected longitude,latitude"),
        ("3.6,46.3", 0, "expected more than 0"),
        ("3.6,46.3", float("nan"), "expected more than 0"),
    ],
)
def test_circles_that_are_none_are_one_line(text: str, radius_km: float, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        Place.circle(text, radius_km)
    assert "\n" not in str(caught.value)


@given(st.floats(-170, 170), st.floats(-80, 80), st.floats(1, 300))
def test_a_circle_reaches_as_far_as_its_radius(longitude: float, latitude: float, radius_km: float) -> None:
    try:
        place = Place.circle(f"{longitude!r},{latitude!r}", radius_km)
    except InputError as error:
        assert "antimeridian" in str(error)
        return
    west, south, east, north = place.geometry.bounds
    radius = np.degrees(1000.0 * radius_km / SPHERE_RADIUS_M)
    assert (south, north) == pytest.approx((latitude - radius, latitude + radius), abs=1e-6)
    half = np.degrees(np.arcsin(np.sin(np.radians(radius)) / np.cos(np.radians(latitude))))
    assert (west, east) == pytest.approx((longitude - half, longitude + half), abs=1e-3 * half)


def test_a_circle_over_a_pole_is_a_cap() -> None:
    place = Place.circle("100,-89.9", 100.0)
    assert place.geometry.bounds == pytest.approx((-180.0, -90.0, 180.0, -89.0007), abs=1e-3)
    assert place.tiles == [Tile(17, 17), Tile(18, 17)]


def test_networks_take_the_tiles_of_the_margin_and_other_methods_do_not() -> None:
    place = Place.box("0.2,49.3,0.6,49.7")  # 28 km from the tile's western edge, 33 from the northern
    assert place.tiles == [Tile(18, 4)] == place.tiles_for("tsharp")
    assert set(place.tiles_for("sc-unet")) == {Tile(18, 4), Tile(17, 4), Tile(18, 3), Tile(17, 3)}
    tiles = place.tiles_for("sc-unet")
    wide = place.computed(tiles)
    for inner, outer in ((place.window.rows, wide.rows), (place.window.columns, wide.columns)):
        assert inner.start - outer.start >= 64 <= outer.stop - inner.stop
    alone = place.computed([Tile(18, 4)])
    assert (alone.rows.start, alone.columns.start) == (4 * 1200, 18 * 1200)  # as far as the tile goes


def test_tiles_of_land_and_sea() -> None:
    land = tiles_with_land()
    assert len(land) == 316
    for name in ("h18v04", "h09v05", "h12v09", "h20v11", "h29v12", "h17v17", "h23v16"):
        assert Tile.parse(name) in land
    for name in ("h16v03", "h07v11", "h14v12", "h23v13", "h00v00", "h35v17"):
        assert Tile.parse(name) not in land
    assert all(map(is_on_earth, land)) and not is_on_earth(Tile(0, 0))


def test_the_world_is_18_by_36_tiles() -> None:
    assert WORLD.values.shape == (18 * 1200, 36 * 1200)
