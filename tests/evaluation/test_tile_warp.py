"""The learnt warp of a tile against GDAL's of the whole tile, and against plain definitions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache

import numpy as np
import pytest
import rasterio
import rasterio.warp
from affine import Affine
from hypothesis import assume, given
from hypothesis import strategies as st
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from rasterio.windows import Window
from scipy import ndimage

from lstsr_core.evaluation.tile_warp import TileWarp, WarpAxis, nearest_indices, tile_warp, weigh
from lstsr_core.geo.grid import FINE_PIXEL_M, SINUSOIDAL, TILE_FINE_PIXELS, TILE_SIZE_M, Tile

TILE = Tile(18, 4)
PATCH = 256
STEPS = 2**18  # WarpAxis counts positions in such parts of a row

# First row and column of patches: in the tile's corner and at its far edge, and where GDAL
# takes a third row (in the east, for zone 31) or a third column (in the west, for zone 32), as
# it does wherever it turns the image by much.
PATCHES = {"corner": (0, 0), "east": (1000, 4200), "west": (2300, 150), "edge": (4544, 4544)}

ZONES = {"31N": CRS.from_epsg(32631), "32N": CRS.from_epsg(32632)}


def patch_k(name: str) -> np.ndarray:
    values = np.random.default_rng(list(PATCHES).index(name)).normal(300.0, 5.0, (PATCH, PATCH))
    return values.astype(np.float32).astype(np.float64)


@pytest.fixture(scope="session")
def warped_by_gdal() -> Callable[[str], tuple[np.ndarray, Affine]]:
    """A function (zone) → the tile with all patches as GDAL warps it at once, and its transform."""

    @cache
    def warp(zone: str) -> tuple[np.ndarray, Affine]:
        size = TILE_FINE_PIXELS
        tile = np.zeros((size, size), dtype=np.float32)
        for name, (row, column) in PATCHES.items():
            tile[row : row + PATCH, column : column + PATCH] = patch_k(name)
        source = {"src_transform": TILE.transform(FINE_PIXEL_M), "src_crs": SINUSOIDAL}
        left, top = TILE.left_m, TILE.top_m
        transform, width, height = rasterio.warp.calculate_default_transform(
            SINUSOIDAL, ZONES[zone], size, size, left, top - TILE_SIZE_M, left + TILE_SIZE_M, top
        )
        warped = np.zeros((height, width), dtype=np.float32)
        rasterio.warp.reproject(
            tile, warped, **source, dst_transform=transform, dst_crs=ZONES[zone],
            resampling=rasterio.warp.Resampling.bilinear, warp_mem_limit=48,
        )  # fmt: skip
        return warped, transform

    return warp


@pytest.fixture(scope="session")
def learnt() -> Callable[[str], TileWarp]:
    return lambda zone: tile_warp(TILE, ZONES[zone])


def window_around(name: str, warp: TileWarp) -> tuple[np.ndarray, np.ndarray]:
    """The rows and columns of the warped grid that a patch may reach, and some more around."""
    first_row, first_column = PATCHES[name]
    corners = [(first_column + i * PATCH, first_row + j * PATCH) for i in (0, 1) for j in (0, 1)]
    x, y = zip(*(TILE.transform(FINE_PIXEL_M) @ corner for corner in corners), strict=True)
    to = rasterio.warp.transform(SINUSOIDAL, warp.crs, list(x), list(y))
    column, row = zip(*(~warp.transform @ point for point in zip(*to, strict=True)), strict=True)
    rows_there, columns_there = warp.rows.position.shape
    rows = np.arange(max(int(min(row)) - 10, 0), min(int(max(row)) + 10, rows_there))
    return rows, np.arange(max(int(min(column)) - 10, 0), min(int(max(column)) + 10, columns_there))


def weighed(name: str, warp: TileWarp, bands: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    first_row, first_column = PATCHES[name]
    rows, columns = window_around(name, warp)
    return (rows, columns), weigh(
        bands, warp.rows.taps(rows, columns, first_row), warp.columns.taps(rows, columns, first_column)
    )


@pytest.mark.parametrize("name", PATCHES)
@pytest.mark.parametrize("zone", ZONES)
def test_patches_come_out_as_gdal_warps_the_whole_tile(
    warped_by_gdal: Callable[[str], tuple[np.ndarray, Affine]],
    learnt: Callable[[str], TileWarp],
    zone: str,
    name: str,
) -> None:
    expected, transform = warped_by_gdal(zone)
    warp = learnt(zone)
    assert warp.transform == transform
    assert warp.rows.position.shape == warp.columns.position.shape == expected.shape
    (rows, columns), (found,) = weighed(name, warp, patch_k(name)[None])
    part = expected[np.ix_(rows, columns)]
    assert (part > 200.0).sum() > 0.9 * PATCH**2  # the patch is there
    np.testing.assert_allclose(found, part, rtol=0, atol=1e-3)


@pytest.mark.parametrize(("zone", "name", "along_rows"), [("31N", "east", True), ("32N", "west", False)])
def test_three_rows_or_columns_are_taken_where_gdal_turns_the_image(
    learnt: Callable[[str], TileWarp], zone: str, name: str, along_rows: bool
) -> None:
    """Two neighbours, as in plain bilinear interpolation, would be off by far more than allowed."""
    warp = learnt(zone)
    axis, first = (warp.rows, PATCHES[name][0]) if along_rows else (warp.columns, PATCHES[name][1])
    rows, columns = window_around(name, warp)
    middle, weights = axis.taps(rows, columns, first)
    inside = (middle > 2) & (middle < PATCH - 3)
    third = np.minimum(weights[0], weights[2])[inside]
    assert (third > 0.01).mean() > 0.05
    assert weights[:, inside].min() > -1e-4


def test_a_warped_tile_says_where_it_lies(learnt: Callable[[str], TileWarp]) -> None:
    warp = learnt("31N")
    rows, columns = warp.rows.position.shape
    assert warp.transform @ (0, 0) == (warp.left_m, warp.top_m)
    assert warp.transform @ (columns, rows) == pytest.approx((warp.right_m, warp.bottom_m), abs=1e-6)
    size_m = TILE_SIZE_M
    edge = np.linspace(0.0, size_m, 50)
    x = np.concatenate([edge, edge, np.zeros(50), np.full(50, size_m)]) + TILE.left_m
    y = TILE.top_m - np.concatenate([np.zeros(50), np.full(50, size_m), edge, edge])
    east, north = rasterio.warp.transform(SINUSOIDAL, warp.crs, x.tolist(), y.tolist())
    assert (warp.left_m, warp.bottom_m, warp.right_m, warp.top_m) == pytest.approx(
        (min(east), min(north), max(east), max(north)), abs=warp.transform.a
    )


def test_bands_are_warped_alike_and_linearly(learnt: Callable[[str], TileWarp]) -> None:
    first, second = patch_k("east"), patch_k("west")
    _, warped = weighed("east", learnt("31N"), np.stack([first, second, 2.0 * first - second]))
    np.testing.assert_allclose(warped[2], 2.0 * warped[0] - warped[1], atol=1e-9)


@st.composite
def three_weights(draw: st.DrawFn) -> tuple[float, np.ndarray]:
    middle = draw(st.integers(0, TILE_FINE_PIXELS - 1))
    weights = np.array([draw(st.floats(0.0, 1.0)), 1.0, draw(st.floats(0.0, 1.0))])
    return middle, weights / weights.sum()


@given(three_weights(), st.integers(0, 4000))
def test_three_weights_follow_from_their_moments(moments: tuple[float, np.ndarray], first: int) -> None:
    """With the heaviest in the middle, three weights lie within half a pixel of it."""
    middle, weights = moments
    offsets = np.array([-1.0, 0.0, 1.0])
    position = middle + weights @ offsets
    assume(abs(position - round(position)) < 0.499)  # a tie of two neighbours may be told from either
    nearest = round(position)
    spread = weights @ (middle + offsets - nearest) ** 2
    axis = WarpAxis(
        np.array([[round(position * STEPS)]], dtype=np.int32), np.array([[spread]], dtype=np.float32)
    )
    found_middle, shares = axis.taps(np.array([0]), np.array([0]), first)
    assert found_middle[0, 0] == nearest - first
    np.testing.assert_allclose(shares[:, 0, 0], weights, atol=1e-5)


@given(st.integers(0, 2**32 - 1))
def test_two_neighbours_a_side_are_bilinear_interpolation_over_zeros(seed: int) -> None:
    generator = np.random.default_rng(seed)
    patch = generator.normal(300.0, 5.0, (2, 9, 7))
    row, column = generator.uniform(-6.0, 14.0, (2, 5, 6))

    def taps(position: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        below = np.floor(position)
        after = position - below
        return below.astype(np.int64), np.stack([np.zeros_like(after), 1.0 - after, after])

    expected = [
        ndimage.map_coordinates(band, (row, column), order=1, mode="grid-constant", cval=0.0)
        for band in patch
    ]
    np.testing.assert_allclose(weigh(patch, taps(row), taps(column)), expected, atol=1e-9)


@pytest.fixture(scope="module")
def numbered() -> Iterator[DatasetReader]:
    """A raster in which each pixel holds its row, times 1000, plus its column."""
    row, column = np.mgrid[:90, :120]
    with rasterio.MemoryFile() as memory:
        profile = {
            "driver": "GTiff",
            "dtype": "int32",
            "count": 1,
            "height": 90,
            "width": 120,
            "crs": SINUSOIDAL,
        }
        with memory.open(**profile, transform=Affine(10.0, 0.0, 0.0, 0.0, -10.0, 0.0)) as target:
            target.write((1000 * row + column).astype(np.int32), 1)
        with memory.open() as source:
            yield source


@given(st.floats(0.0, 40.0), st.floats(1.0, 49.0), st.floats(0.0, 60.0), st.floats(1.0, 59.0))
def test_fractional_windows_are_read_as_rasterio_reads_them(
    numbered: DatasetReader, row: float, height: float, column: float, width: float
) -> None:
    numbers = numbered.read(1, window=Window(column, row, width, height))
    expected = 1000 * nearest_indices(row, height)[:, None] + nearest_indices(column, width)
    np.testing.assert_array_equal(numbers, expected)
