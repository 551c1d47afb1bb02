"""The simulator as a source: a part of a tile is a cut of the whole, and its size is told before."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest

from lstsr_core.download.sources import SampleSource
from lstsr_core.geo.grid import TILE_COARSE_PIXELS, Tile
from lstsr_core.geo.window import Window
from lstsr_core.modis.granule import read_lst_granule
from lstsr_core.modis.products import Product

DAY = datetime.date(2019, 7, 22)
ROWS, COLUMNS = 4 * TILE_COARSE_PIXELS + 300, 19 * TILE_COARSE_PIXELS
"""Of the world's grid: the border of h18v04 and h19v04."""


def part(reach: int) -> SampleSource:
    return SampleSource(42, Window(slice(ROWS, ROWS + reach), slice(COLUMNS - reach, COLUMNS + reach)))


@pytest.mark.parametrize("tile", [Tile(18, 4), Tile(19, 4)])
def test_a_part_is_a_cut_of_a_larger_one_with_fill_around_it(tmp_path: Path, tile: Tile) -> None:
    images = []
    for reach in (40, 80):
        source = part(reach)
        (granule,) = source.search(Product("MOD21A1D"), tile, DAY, DAY)
        path = tmp_path / str(reach) / str(granule.name)
        path.parent.mkdir()
        grown: list[int] = []
        source.fetch(granule, path, grown.append)
        assert grown == [path.stat().st_size]
        assert granule.share == pytest.approx(reach**2 / TILE_COARSE_PIXELS**2)
        images.append(read_lst_granule(path, "day").lst.values)
    small, large = images
    assert small.shape == large.shape == (TILE_COARSE_PIXELS, TILE_COARSE_PIXELS)
    columns = slice(-40, None) if tile.horizontal == 18 else slice(0, 40)
    inside = slice(300, 340), columns
    np.testing.assert_array_equal(small[inside], large[inside])
    assert np.isfinite(small[inside]).mean() > 0.5
    around = small.copy()
    around[inside] = np.nan
    assert np.isnan(around).all()


def test_a_tile_beside_the_part_has_one_pixel_and_a_whole_one_is_the_products() -> None:
    (granule,) = part(40).search(Product("MOD21A1D"), Tile(10, 4), DAY, DAY)
    assert granule.share == pytest.approx(40 / TILE_COARSE_PIXELS**2)
    (whole,) = SampleSource(42).search(Product("MOD21A1D"), Tile(18, 4), DAY, DAY)
    assert whole.expected_bytes == Product("MOD21A1D").typical_bytes
