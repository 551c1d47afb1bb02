"""The MODIS sinusoidal grid against pyproj and the tiles' definition by degrees."""

from __future__ import annotations

import math

import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstsr_core.base.errors import InputError
from lstsr_core.geo import grid
from lstsr_core.geo.grid import Tile, check_nested

TILES = st.builds(Tile, st.integers(0, 35), st.integers(0, 17))


def to_sinusoidal(longitude: float, latitude: float) -> tuple[float, float]:
    # On a sphere of its own, so that no change of datum enters.
    projection = pyproj.Proj(proj="sinu", R=grid.SPHERE_RADIUS_M)
    x, y = projection(longitude, latitude)
    return float(x), float(y)


@given(TILES)
def test_tiles_are_ten_degrees_high_from_the_north_pole(tile: Tile) -> None:
    _, top_m = to_sinusoidal(0.0, 90.0 - 10.0 * tile.vertical)
    assert tile.top_m == pytest.approx(top_m, abs=0.05)


@given(TILES)
def test_tiles_are_ten_degrees_wide_at_the_equator(tile: Tile) -> None:
    left_m, _ = to_sinusoidal(-180.0 + 10.0 * tile.horizontal, 0.0)
    assert abs(tile.left_m) == pytest.approx(abs(left_m), abs=0.05)
    # −180° may be given as +180°.
    assert tile.left_m * left_m >= 0.0 or abs(left_m) < 0.05 or tile.horizontal == 0


def test_h18v04_starts_at_50_degrees_north_on_the_prime_meridian() -> None:
    tile = Tile.parse("h18v04")
    x, y = to_sinusoidal(0.0, 50.0)
    assert (tile.left_m, tile.top_m) == pytest.approx((x, y), abs=0.05)


def test_pixels_are_a_thirty_second_and_an_eighth_of_a_minute_of_arc() -> None:
    # 10° hold 1200 coarse pixels and 4800 fine ones: 30″ and 7.5″ on the sphere.
    assert pytest.approx(grid.SPHERE_RADIUS_M * math.radians(30.0 / 3600.0), abs=1e-3) == grid.COARSE_PIXEL_M
    assert pytest.approx(grid.SPHERE_RADIUS_M * math.radians(7.5 / 3600.0), abs=1e-3) == grid.FINE_PIXEL_M


@given(TILES, st.sampled_from([grid.COARSE_PIXEL_M, grid.FINE_PIXEL_M]))
def test_transform_spans_the_tile(tile: Tile, pixel_m: float) -> None:
    pixels = round(grid.TILE_SIZE_M / pixel_m)
    right_m, bottom_m = tile.transform(pixel_m) @ (pixels, pixels)
    assert tile.transform(pixel_m) @ (0, 0) == pytest.approx((tile.left_m, tile.top_m))
    assert (right_m, bottom_m) == pytest.approx(
        (tile.left_m + grid.TILE_SIZE_M, tile.top_m - grid.TILE_SIZE_M), abs=1e-3
    )


def test_crs_is_the_sphere() -> None:
    transformer = pyproj.Transformer.from_crs(
        grid.SINUSOIDAL.to_wkt(), pyproj.CRS.from_proj4(f"+proj=longlat +R={grid.SPHERE_RADIUS_M}")
    )
    longitude, latitude = transformer.transform(*to_sinusoidal(3.5, 45.25))
    assert (longitude, latitude) == pytest.approx((3.5, 45.25), abs=1e-9)


@given(TILES)
def test_names_round_trip(tile: Tile) -> None:
    assert Tile.parse(str(tile)) == tile


@given(TILES, st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_every_point_of_a_tile_is_found_in_it(tile: Tile, right: float, down: float) -> None:
    assert Tile.at(tile.left_m + right * grid.TILE_SIZE_M, tile.top_m - down * grid.TILE_SIZE_M) == tile


@given(st.floats(0.01, 9.99), st.floats(40.01, 49.99))
def test_points_are_found_in_the_tile_of_their_degrees(longitude_at_equator: float, latitude: float) -> None:
    x, y = to_sinusoidal(longitude_at_equator / math.cos(math.radians(latitude)), latitude)
    assert str(Tile.at(x, y)) == "h18v04"


@pytest.mark.parametrize("name", ["h36v04", "h18v18", "h18v4", "18v04", "H18V04", "h18v04.061", "", "h-1v04"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(
        InputError, match="is not a MODIS tile; expected a name from h00v00 to h35v17"
    ) as caught:
        Tile.parse(name)
    assert f"'{name}'" in str(caught.value)


@pytest.mark.parametrize("shape", [(40, 39), (10, 10), (41, 40), (40,)])
def test_ndvi_that_does_not_nest_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(
        InputError, match=r"LST \(10, 10\); expected both \(rows, columns\) and NDVI with 4 times"
    ):
        check_nested((10, 10), shape)


def test_ndvi_of_patches_nests_patch_by_patch() -> None:
    check_nested((3, 16, 8), (3, 64, 32))
    with pytest.raises(InputError, match=r"^patches: NDVI has shape \(2, 64, 32\)"):
        check_nested((3, 16, 8), (2, 64, 32), "patches")
