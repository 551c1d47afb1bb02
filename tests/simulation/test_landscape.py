"""The landscape: one Earth, drawn in parts, and what a sea adds to it."""

import dataclasses
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import FINE_PIXEL_M, Tile
from lstsr_core.geo.window import Window
from lstsr_core.simulation.landscape import MARGIN_COARSE_PIXELS, Landscape, landscape

COASTAL_SEED = 17
"""Its area of three windows lies at a coast."""


def fields(land: Landscape) -> dict[str, NDArray[Any]]:
    values = {field.name: getattr(land, field.name) for field in dataclasses.fields(land)}
    return {name: value for name, value in values.items() if isinstance(value, np.ndarray)}


def fine(span: slice) -> slice:
    """250 m pixels of a landscape that begins at 1 km pixel 0, and of its margin around the span."""
    return slice(4 * span.start, 4 * (span.stop + 2 * MARGIN_COARSE_PIXELS))


def test_a_sea_leaves_everything_but_the_water_as_it_was() -> None:
    dry, wet = landscape(COASTAL_SEED, windows=3), landscape(COASTAL_SEED, windows=3, sea=True)
    assert not dry.sea.any() and wet.sea.any()
    for name, values in fields(dry).items():
        if name not in ("water", "sea"):
            np.testing.assert_array_equal(values, fields(wet)[name])
    np.testing.assert_array_equal(wet.water[~wet.sea] <= 0.5, dry.water[~wet.sea] <= 0.5)
    assert wet.water[wet.sea].min() > 0.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_sea_has_land_around_it_and_a_coast_with_mixed_pixels_and_islands(seed: int) -> None:
    # As wide as the cells of the seas, a tenth to a quarter of each; an area may hold parts of four.
    land = landscape(seed, sea=True, window=Window(slice(0, 600), slice(0, 600)))
    assert 0.04 < land.sea.mean() < 0.4
    coast = ndimage.binary_dilation(land.sea) & ~ndimage.binary_erosion(land.sea)
    assert ((land.water > 0.05) & (land.water < 0.95))[coast].mean() > 0.2
    _, bodies = ndimage.label(~land.sea)
    assert bodies > 3


def test_a_part_is_the_same_alone_and_within_more() -> None:
    whole = Window(slice(0, 200), slice(0, 250))
    more = fields(landscape(COASTAL_SEED, sea=True, window=whole))
    assert more["sea"].any() and (more["town"] > 0.5).any() and (more["water"] > 0.9)[~more["sea"]].any()
    for rows, columns in ((slice(0, 1), slice(249, 250)), (slice(37, 101), slice(50, 181))):
        part = landscape(COASTAL_SEED, sea=True, window=Window(rows, columns))
        for name, values in fields(part).items():
            np.testing.assert_array_equal(values, more[name][fine(rows), fine(columns)], err_msg=name)


@pytest.mark.parametrize(
    "corner", [Tile(18, 4), Tile(17, 8), Tile(0, 8), Tile(35, 0)], ids=["h18v04", "equator", "west", "pole"]
)
def test_neighbouring_tiles_match_at_their_border(corner: Tile) -> None:
    side, margin = 20, 4 * MARGIN_COARSE_PIXELS
    here = landscape(COASTAL_SEED, tile=corner, sea=True, window=Window(slice(1180, 1200), slice(1180, 1200)))
    for down, right in ((0, 1), (1, 0), (1, 1)):
        tile = Tile(corner.horizontal + right, corner.vertical + down)
        if tile.horizontal > 35:
            continue
        rows, columns = (slice(0, side) if step else slice(1180, 1200) for step in (down, right))
        there = landscape(COASTAL_SEED, tile=tile, sea=True, window=Window(rows, columns))
        x, y = ~here.transform @ (there.transform.c, there.transform.f)
        assert (y, x) == pytest.approx((4 * side * down, 4 * side * right), abs=1e-3)
        # Both draw the ground along the border, each as the other's margin.
        lower, further = 4 * side * down, 4 * side * right
        for name, values in fields(here).items():
            ours, theirs = values[lower:, further:], fields(there)[name]
            np.testing.assert_array_equal(ours, theirs[: ours.shape[0], : ours.shape[1]], err_msg=name)
            assert min(ours.shape) >= 2 * margin


def test_no_part_of_the_earth_repeats_another() -> None:
    here, there = landscape(3, windows=1), landscape(3, windows=1, tile=Tile(11, 10))
    assert abs(np.corrcoef(here.height_m.ravel(), there.height_m.ravel())[0, 1]) < 0.9
    assert (here.crop != there.crop).mean() > 0.5
    row, column = 4 * (6 * 64 - MARGIN_COARSE_PIXELS), 4 * (4 * 64 - MARGIN_COARSE_PIXELS)
    assert there.transform.c == pytest.approx(Tile(11, 10).left_m + column * FINE_PIXEL_M, abs=1e-6)
    assert there.transform.f == pytest.approx(Tile(11, 10).top_m - row * FINE_PIXEL_M, abs=1e-6)


@pytest.mark.parametrize("windows", [0, 19])
def test_an_area_that_does_not_fit_is_refused(windows: int) -> None:
    with pytest.raises(InputError, match=f"windows is {windows}; expected 1 to 18"):
        landscape(windows=windows)


@pytest.mark.parametrize(
    ("rows", "columns", "named"),
    [
        ((0, 0), (0, 9), "rows are 0 to 0"),
        ((9, 5), (0, 9), "rows are 9 to 5"),
        ((0, 9), (-1, 9), "columns are -1 to 9"),
        ((0, 9), (1190, 1201), "columns are 1190 to 1201"),
    ],
)
def test_a_window_that_is_no_part_of_the_tile_is_refused(
    rows: tuple[int, int], columns: tuple[int, int], named: str
) -> None:
    with pytest.raises(InputError, match=f"{named}; expected a part of 0 to 1200.*h18v04"):
        landscape(window=Window(slice(*rows), slice(*columns)))
