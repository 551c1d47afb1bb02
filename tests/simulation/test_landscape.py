"""The landscape: what is drawn, where it lies, and what a sea adds."""

import dataclasses

import numpy as np
import pytest
from scipy import ndimage

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import FINE_PIXEL_M, Tile
from lstsr_core.simulation.landscape import MARGIN_COARSE_PIXELS, landscape


def test_a_sea_leaves_everything_but_the_water_as_it_was() -> None:
    dry, wet = landscape(5, windows=2), landscape(5, windows=2, sea=True)
    assert not dry.sea.any() and wet.sea.any()
    for field in dataclasses.fields(dry):
        if field.name not in ("water", "sea"):
            np.testing.assert_array_equal(getattr(dry, field.name), getattr(wet, field.name))
    np.testing.assert_array_equal(wet.water[~wet.sea] <= 0.5, dry.water[~wet.sea] <= 0.5)
    assert wet.water[wet.sea].min() > 0.5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_sea_lies_on_one_side_and_has_a_coast_with_mixed_pixels_and_islands(seed: int) -> None:
    land = landscape(seed, windows=4, sea=True)
    assert 0.09 < land.sea.mean() < 0.26
    share_by_side = [
        land.sea[side].mean() for side in (np.s_[:64], np.s_[-64:], np.s_[:, :64], np.s_[:, -64:])
    ]
    assert max(share_by_side) > 0.3 and min(share_by_side) < 0.1
    coast = ndimage.binary_dilation(land.sea) & ~ndimage.binary_erosion(land.sea)
    assert ((land.water > 0.05) & (land.water < 0.95))[coast].mean() > 0.2
    _, bodies = ndimage.label(~land.sea)
    assert bodies > 3


def test_another_tile_moves_the_landscape_and_nothing_else() -> None:
    here, there = landscape(3, windows=1), landscape(3, windows=1, tile=Tile(11, 10))
    np.testing.assert_array_equal(here.height_m, there.height_m)
    first = 4 * (6 * 64 - MARGIN_COARSE_PIXELS), 4 * (4 * 64 - MARGIN_COARSE_PIXELS)
    row, column = first
    assert there.transform.c == pytest.approx(Tile(11, 10).left_m + column * FINE_PIXEL_M, abs=1e-6)
    assert there.transform.f == pytest.approx(Tile(11, 10).top_m - row * FINE_PIXEL_M, abs=1e-6)


@pytest.mark.parametrize("windows", [0, 19])
def test_an_area_that_does_not_fit_is_refused(windows: int) -> None:
    with pytest.raises(InputError, match=f"windows is {windows}; expected 1 to 18"):
        landscape(windows=windows)
