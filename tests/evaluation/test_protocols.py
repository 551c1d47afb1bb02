"""Placing products on ASTER: each where it should lie, by the recipe as the long way gives it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import cv2
import numpy as np
import pytest
import rasterio
import rasterio.warp
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.windows import Window, from_bounds
from scipy import ndimage

from lstsr_core.base.errors import InputError
from lstsr_core.evaluation.protocols import (
    PROTOCOLS,
    TOO_SMALL,
    Comparison,
    Georeferenced,
    Placement,
    Published,
    _read_aster,
    largest_rectangle,
    strongest_corners,
)
from lstsr_core.evaluation.tile_warp import TileWarp, WarpAxis
from lstsr_core.geo.grid import FINE_PIXEL_M, SINUSOIDAL, TILE_FINE_PIXELS, TILE_SIZE_M, Tile
from lstsr_core.geo.raster import Raster, warp_onto
from lstsr_core.metrics.images import rmse
from lstsr_core.pairs.pair import Pair, align, fine_grid
from lstsr_core.sharpening.methods import Options, sharpen_pair
from worlds.pairs import true_product, truth_under

UTM_31N = CRS.from_epsg(32631)
GAPS = "the product has gaps, which the published protocol would take for zeros"
NO_CORNERS = "fewer than four corners found in a mask"


@given(arrays(np.bool_, array_shapes(min_dims=2, max_dims=2, max_side=7)))
def test_the_largest_rectangle_is_that_of_brute_force(mask: np.ndarray) -> None:
    rows, columns = mask.shape
    largest = max(
        (i2 - i1) * (j2 - j1)
        for i1 in range(rows) for i2 in range(i1, rows + 1)
        for j1 in range(columns) for j2 in range(j1, columns + 1)
        if mask[i1:i2, j1:j2].all()
    )  # fmt: skip
    rectangle = mask[largest_rectangle(mask)]
    assert rectangle.all()
    assert rectangle.size == largest


def test_the_largest_rectangle_of_a_wide_mask() -> None:
    mask = np.zeros((50, 200), dtype=bool)  # wider than a byte is long, and not whole bytes
    mask[10:40, 3:194] = True
    mask[12, 100] = False
    assert largest_rectangle(mask) == (slice(13, 40), slice(3, 194))


def test_of_equal_rectangles_the_upper_one_is_taken_and_of_none_nothing() -> None:
    mask = np.zeros((9, 9), dtype=bool)
    mask[1:3, 5:8], mask[5:7, 0:3] = True, True
    assert largest_rectangle(mask) == (slice(1, 3), slice(5, 8))
    assert mask[largest_rectangle(np.zeros((9, 9), dtype=bool))].size == 0


def truth_of_ndvi(pair: Pair) -> Raster:
    """A product that follows NDVI exactly."""
    return fine_grid(pair).with_values(300.0 + 10.0 * pair.ndvi.values)


def outcome(placement: Placement, product: Raster) -> Comparison | str:
    return placement.compare({"it": product})["it"]


def compared(placement: Placement, product: Raster) -> Comparison:
    result = outcome(placement, product)
    assert isinstance(result, Comparison), result
    return result


def rmse_k(placement: Placement, product: Raster) -> float:
    comparison = compared(placement, product)
    return rmse(comparison.product.values, comparison.aster.values)


def test_protocols_are_known_by_their_names() -> None:
    assert {name: placement.name for name, placement in PROTOCOLS.items()} == {
        name: name for name in PROTOCOLS
    }
    assert list(PROTOCOLS) == ["georeferenced", "published", "registered"]


# Georeferenced


def test_the_truth_is_where_aster_is(synthetic_truth: Raster, synthetic_pair: Pair) -> None:
    assert rmse_k(Georeferenced(synthetic_pair), true_product(synthetic_truth, synthetic_pair)) <= 0.05


@pytest.mark.parametrize(("rows", "columns"), [(1, 0), (0, 1), (-1, -1)])
def test_a_product_one_pixel_out_of_place_is_noticed(
    synthetic_truth: Raster, synthetic_pair: Pair, rows: int, columns: int
) -> None:
    product = true_product(synthetic_truth, synthetic_pair)
    shifted = np.roll(product.values, (rows, columns), axis=(0, 1))
    assert rmse_k(Georeferenced(synthetic_pair), product.with_values(shifted)) > 0.3


def test_the_rectangle_keeps_clear_of_the_swaths_edge(synthetic_truth: Raster, synthetic_pair: Pair) -> None:
    """Every pixel that is judged lies over four pixels from any that is invalid or mixed with zeros."""
    product = true_product(synthetic_truth, synthetic_pair)
    comparison = compared(Georeferenced(synthetic_pair), product)
    aster = synthetic_pair.aster
    first_row = round((aster.top_m - comparison.aster.top_m) / aster.pixel_width_m)
    first_column = round((comparison.aster.left_m - aster.left_m) / aster.pixel_width_m)
    bad = ~(np.nan_to_num(aster.values) >= 230.0)
    distance = ndimage.distance_transform_cdt(~np.pad(bad, 1, constant_values=True), metric="taxicab")[
        1:-1, 1:-1
    ]
    judged = np.s_[
        first_row : first_row + comparison.aster.rows, first_column : first_column + comparison.aster.columns
    ]
    assert distance[judged].min() > 4
    assert min(comparison.aster.values.shape) > 40
    np.testing.assert_array_equal(comparison.aster.values, aster.values[judged])
    for raster in (comparison.product, comparison.aster, comparison.bicubic, comparison.ndvi):
        assert np.isfinite(raster.values).all()
        assert raster.transform == comparison.aster.transform
    assert comparison.fine is product


def test_the_rectangle_keeps_clear_of_a_products_gaps(synthetic_truth: Raster, synthetic_pair: Pair) -> None:
    product = true_product(synthetic_truth, synthetic_pair)
    values = product.values.copy()
    values[40:44, 40:120] = np.nan
    placement = Georeferenced(synthetic_pair)
    comparison = compared(placement, product.with_values(values))
    warped, _ = warp_onto([product.with_values(values), product], synthetic_pair.aster)
    first_row = round((warped.top_m - comparison.product.top_m) / warped.pixel_width_m)
    first_column = round((comparison.product.left_m - warped.left_m) / warped.pixel_width_m)
    distance = ndimage.distance_transform_cdt(np.isfinite(warped.values), metric="taxicab")
    judged = distance[
        first_row : first_row + comparison.product.rows,
        first_column : first_column + comparison.product.columns,
    ]
    assert judged.min() == 3
    assert comparison.product.values.size < compared(placement, product).product.values.size


def test_aster_outside_the_swath_does_not_matter(synthetic_truth: Raster, synthetic_pair: Pair) -> None:
    zeros = synthetic_pair.aster.with_values(np.nan_to_num(synthetic_pair.aster.values, nan=0.0))
    product = true_product(synthetic_truth, synthetic_pair)
    with_zeros, with_nan = (
        compared(Georeferenced(pair), product)
        for pair in (replace(synthetic_pair, aster=zeros), synthetic_pair)
    )
    np.testing.assert_array_equal(with_zeros.aster.values, with_nan.aster.values)
    np.testing.assert_array_equal(with_zeros.product.values, with_nan.product.values)


def test_ndvi_is_aligned_before_it_sharpens(synthetic_truth: Raster, synthetic_pair: Pair) -> None:
    """A lie about the NDVI's place, as in the published evaluation, costs accuracy; the truth not."""
    under = truth_under(synthetic_truth, synthetic_pair.ndvi)
    follows_lst = replace(synthetic_pair, ndvi=under.with_values(0.6 - 0.03 * (under.values - 305.0)))
    misplaced = replace(
        follows_lst,
        ndvi=replace(follows_lst.ndvi, transform=synthetic_pair.lst.transform @ Affine.scale(0.25)),
    )
    placements = [Georeferenced(pair) for pair in (follows_lst, misplaced)]
    errors_k = [rmse_k(placement, sharpen_pair(placement.pair, "tsharp")) for placement in placements]
    assert errors_k[0] < 0.5 * errors_k[1]


def narrow(pair: Pair, first: int, last: int) -> Pair:
    """The pair with ASTER between two columns alone."""
    aster_k = np.full_like(pair.aster.values, np.nan)
    aster_k[:, first:last] = pair.aster.values[:, first:last]
    return replace(pair, aster=pair.aster.with_values(aster_k))


@pytest.mark.parametrize(("columns", "enough"), [(48, False), (49, True)])
def test_an_overlap_of_40_columns_is_too_small(synthetic_pair: Pair, columns: int, enough: bool) -> None:
    """Four erosions from both sides leave eight columns less."""
    placement = Georeferenced(narrow(synthetic_pair, 80, 80 + columns))
    result = outcome(placement, sharpen_pair(placement.pair, "bicubic"))
    if enough:
        assert isinstance(result, Comparison) and result.product.columns == 41
    else:
        assert result == TOO_SMALL == "overlap with ASTER not over 40×40 pixels"


# Published


def in_two_bands_warped(pair: Pair, patches: Iterable[np.ndarray]) -> tuple[np.ndarray, Affine]:
    """Patches at the NDVI's place in zero tiles, warped whole in one call."""
    size, tile = TILE_FINE_PIXELS, Tile(18, 4)
    row, column = (
        round((tile.top_m - pair.ndvi.top_m) / FINE_PIXEL_M),
        round((pair.ndvi.left_m - tile.left_m) / FINE_PIXEL_M),
    )
    tiles = np.zeros((2, size, size), dtype=np.float32)
    for band, patch in zip(tiles, patches, strict=True):
        band[row : row + patch.shape[0], column : column + patch.shape[1]] = patch
    left, top, right, bottom = tile.left_m, tile.top_m, tile.left_m + TILE_SIZE_M, tile.top_m - TILE_SIZE_M
    to, width, height = rasterio.warp.calculate_default_transform(
        SINUSOIDAL, UTM_31N, size, size, left, bottom, right, top
    )
    warped = np.zeros((2, height, width), dtype=np.float32)
    rasterio.warp.reproject(
        tiles, warped, src_transform=tile.transform(FINE_PIXEL_M), src_crs=SINUSOIDAL, dst_transform=to,
        dst_crs=UTM_31N, resampling=Resampling.bilinear, warp_mem_limit=48,
    )  # fmt: skip
    return warped, to


def corner_rectangle(product_k: np.ndarray, aster_k: np.ndarray) -> tuple[slice, slice]:
    found = []
    for valid in (aster_k >= 230.0, product_k >= 200.0):
        corners = cv2.goodFeaturesToTrack(
            valid.astype(np.uint8) * 255, maxCorners=4, qualityLevel=0.01, minDistance=10
        )
        found.append(
            sorted(int(x) for x, _ in corners.reshape(4, 2))
            + sorted(int(y) for _, y in corners.reshape(4, 2))
        )
    a, b = found
    columns = slice(max(a[1], b[1]) + 1 - 1, min(a[2], b[2]) - 1 - 1)
    return slice(max(a[5], b[5]) + 1 - 1, min(a[6], b[6]) - 1 - 1), columns


def test_the_published_protocol_is_the_recipe_done_at_length(synthetic_pair: Pair) -> None:
    """Method 5 step by step, with files and whole tiles."""
    pair = synthetic_pair
    product, bicubic = (sharpen_pair(pair, name, Options(published=True)) for name in ("tsharp", "bicubic"))
    warped, to = in_two_bands_warped(pair, [product.values, bicubic.values])
    aster = pair.aster
    stored = np.nan_to_num(aster.values * 10.0, nan=0.0).astype(np.float32)

    def profile(array: np.ndarray, transform: Affine) -> dict[str, object]:
        shape = {
            "height": array.shape[-2],
            "width": array.shape[-1],
            "count": len(array) if array.ndim == 3 else 1,
        }
        return {"driver": "GTiff", "dtype": "float32", "transform": transform, "crs": UTM_31N, **shape}

    with rasterio.MemoryFile() as first, rasterio.MemoryFile() as second:
        with first.open(**profile(warped, to)) as target:
            target.write(warped)
        with second.open(**profile(stored, aster.transform)) as target:
            target.write(stored, 1)
        with first.open() as sr, second.open() as ast:
            ours, theirs = sr.bounds, ast.bounds
            bounds = (
                max(ours.left, theirs.left), max(ours.bottom, theirs.bottom),
                min(ours.right, theirs.right), min(ours.top, theirs.top),
            )  # fmt: skip
            window = from_bounds(*bounds, ast.transform)
            shape = (int(window.height * ast.res[1] / sr.res[1]), int(window.width * ast.res[0] / sr.res[0]))
            aster_k = 0.1 * ast.read(1, window=window, out_shape=shape, resampling=Resampling.bilinear)
            product_k, bicubic_k = sr.read(window=from_bounds(*bounds, sr.transform))

    rectangle = corner_rectangle(product_k, aster_k)
    comparison = compared(Published(pair), product)
    assert min(comparison.product.values.shape) > 40
    np.testing.assert_allclose(comparison.product.values, product_k[rectangle], rtol=0, atol=1e-3)
    np.testing.assert_allclose(comparison.aster.values, aster_k[rectangle], rtol=0, atol=1e-3)
    np.testing.assert_allclose(
        comparison.bicubic.values, bicubic_k[corner_rectangle(bicubic_k, aster_k)], rtol=0, atol=1e-3
    )
    assert comparison.fine is product


def test_published_places_products_at_the_ndvis_origin(synthetic_truth: Raster, synthetic_pair: Pair) -> None:
    """Whatever their own: cut out of the truth at the NDVI's place they fit, at the LST's not."""
    placement = Published(synthetic_pair)
    at_ndvi = truth_under(synthetic_truth, synthetic_pair.ndvi)
    at_lst = truth_under(synthetic_truth, fine_grid(synthetic_pair))
    assert rmse_k(placement, at_ndvi) < 0.2
    assert rmse_k(placement, at_lst) > 0.7
    for axis in (0, 1):
        for step in (-1, 1):
            assert rmse_k(placement, at_ndvi.with_values(np.roll(at_ndvi.values, step, axis))) > 2.0 * rmse_k(
                placement, at_ndvi
            )


def test_products_are_warped_together_and_cut_apart(synthetic_truth: Raster, synthetic_pair: Pair) -> None:
    """Each has a rectangle of its own, from its own mask; bicubic is cut by bicubic's."""
    placement = Published(synthetic_pair)
    product = truth_under(synthetic_truth, synthetic_pair.ndvi)
    hot = product.values.copy()
    hot[:, :60] = 150.0  # under 200 K, as the published AATPRK has them
    both = placement.compare({"whole": product, "half": product.with_values(hot)})
    whole, half = both["whole"], both["half"]
    assert isinstance(whole, Comparison) and isinstance(half, Comparison)
    assert half.product.columns < whole.product.columns
    assert half.product.values.min() > 200.0
    assert half.bicubic.values.shape == whole.bicubic.values.shape
    np.testing.assert_array_equal(whole.product.values, compared(placement, product).product.values)


def test_products_with_gaps_are_not_taken_for_zeros(synthetic_truth: Raster, synthetic_pair: Pair) -> None:
    product = truth_under(synthetic_truth, synthetic_pair.ndvi)
    gap = product.values.copy()
    gap[80, 80] = np.nan
    both = Published(synthetic_pair).compare({"gap": product.with_values(gap), "whole": product})
    assert both["gap"] == GAPS
    assert isinstance(both["whole"], Comparison)


def test_ndvi_comes_along_and_keeps_its_gaps_to_itself(synthetic_pair: Pair) -> None:
    ndvi = synthetic_pair.ndvi.values.copy()
    ndvi[80, 80] = np.nan
    pair = replace(synthetic_pair, ndvi=synthetic_pair.ndvi.with_values(ndvi))
    bicubic = sharpen_pair(pair, "bicubic")
    with_gap, without = (compared(Published(of), bicubic) for of in (pair, synthetic_pair))
    np.testing.assert_array_equal(with_gap.product.values, without.product.values)
    missing = np.isnan(with_gap.ndvi.values)
    assert 1 <= missing.sum() <= 16
    np.testing.assert_array_equal(with_gap.ndvi.values[~missing], without.ndvi.values[~missing])
    # It lies where the product does: the same weights bring both.
    follows = truth_of_ndvi(synthetic_pair)
    comparison = compared(Published(synthetic_pair), follows)
    np.testing.assert_allclose(comparison.product.values, 300.0 + 10.0 * comparison.ndvi.values, atol=1e-9)


def test_where_aster_has_nothing_no_corners_are_found(synthetic_pair: Pair) -> None:
    nothing = synthetic_pair.aster.with_values(np.zeros_like(synthetic_pair.aster.values))
    placement = Published(replace(synthetic_pair, aster=nothing))
    assert outcome(placement, sharpen_pair(placement.pair, "bicubic")) == NO_CORNERS


def test_a_narrow_swath_is_too_small(synthetic_pair: Pair) -> None:
    placement = Published(narrow(synthetic_pair, 80, 115))
    assert outcome(placement, sharpen_pair(placement.pair, "bicubic")) == TOO_SMALL


def test_aster_outside_the_tile_is_refused(synthetic_pair: Pair) -> None:
    aster = synthetic_pair.aster
    far = replace(aster, transform=aster.transform @ Affine.translation(0, -8000))
    with pytest.raises(InputError, match="pair synthetic: ASTER lies outside tile h18v04"):
        outcome(Published(replace(synthetic_pair, aster=far)), sharpen_pair(synthetic_pair, "bicubic"))


def test_patches_between_the_tiles_pixels_are_refused(synthetic_pair: Pair) -> None:
    lst, ndvi = synthetic_pair.lst, synthetic_pair.ndvi
    between = replace(
        synthetic_pair,
        lst=replace(lst, transform=Affine.translation(0.3 * FINE_PIXEL_M, 0.0) @ lst.transform),
        ndvi=replace(ndvi, transform=Affine.translation(0.3 * FINE_PIXEL_M, 0.0) @ ndvi.transform),
    )
    with pytest.raises(
        InputError, match=r"row 2006\.000, column 1205\.300 of tile h18v04; expected whole ones"
    ):
        outcome(Published(between), sharpen_pair(between, "bicubic"))


def test_methods_are_told_the_protocols_variant(synthetic_pair: Pair) -> None:
    georeferenced, published = Georeferenced(synthetic_pair), Published(synthetic_pair)
    options = Options(seed=5)
    assert georeferenced.options(options) == Options(seed=5, published=False)
    assert published.options(options) == Options(seed=5, published=True, rows_down=2, columns_right=1)
    for named in (False, True):
        assert georeferenced.options(Options(published=named)).published is named
        assert published.options(Options(published=named)).published is named


@pytest.mark.parametrize("degrees", [0, 5, 12, 20, 30, 44])
@pytest.mark.parametrize("half_height", [40, 60])
def test_corners_of_a_turned_rectangle_are_found(degrees: int, half_height: int) -> None:
    half_width, size = 80, 300
    row, column = np.mgrid[:size, :size] - (size - 1) / 2
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    inside = (abs(column * cosine + row * sine) <= half_width) & (
        abs(row * cosine - column * sine) <= half_height
    )
    corners = strongest_corners(inside)
    assert corners.shape == (4, 2)
    for across in (-half_width, half_width):
        for down in (-half_height, half_height):
            corner = np.array([down * cosine + across * sine, across * cosine - down * sine]) + (size - 1) / 2
            assert abs(corners - corner).max(axis=1).min() < 3.0


@pytest.mark.parametrize("value", [False, True])
def test_an_even_mask_has_no_corners(value: bool) -> None:
    assert strongest_corners(np.full((50, 50), value)).shape == (0, 2)


def plain_grid(pixel_m: float) -> TileWarp:
    nothing = WarpAxis(np.zeros((1, 1), dtype=np.int32), np.zeros((1, 1), dtype=np.float32))
    return TileWarp(Affine(pixel_m, 0.0, 0.0, 0.0, -pixel_m, 0.0), UTM_31N, nothing, nothing)


@given(
    st.floats(2.0, 9.0),
    st.floats(40.0, 60.0),
    st.floats(2.0, 9.0),
    st.floats(40.0, 60.0),
    st.floats(200.0, 225.0),
)
def test_aster_is_drawn_over_the_window_to_whole_pixels_of_the_warps_size(
    row: float, height: float, column: float, width: float, pixel_m: float
) -> None:
    """Images of row and column numbers show where pixels come from: bilinear keeps a ramp."""
    transform = Affine(231.65, 0.0, 500_000.0, 0.0, -231.65, 5_000_000.0)
    ramps = np.mgrid[:80, :80] + 0.5
    drawn = [
        _read_aster(
            Raster(300.0 + ramp, transform, UTM_31N), Window(column, row, width, height), plain_grid(pixel_m)
        )
        for ramp in ramps
    ]
    shape = (int(height * 231.65 / pixel_m), int(width * 231.65 / pixel_m))
    assert drawn[0].values.shape == drawn[1].values.shape == shape
    at_row, at_column = np.mgrid[: shape[0], : shape[1]] + 0.5
    np.testing.assert_allclose(drawn[0].values, 300.0 + row + at_row * height / shape[0], rtol=0, atol=1e-4)
    np.testing.assert_allclose(
        drawn[1].values, 300.0 + column + at_column * width / shape[1], rtol=0, atol=1e-4
    )
    # The transform that it carries says the same.
    x, y = drawn[0].transform @ (at_column, at_row)
    np.testing.assert_allclose(drawn[0].values, 300.0 + (5_000_000.0 - y) / 231.65, rtol=0, atol=1e-4)
    np.testing.assert_allclose(drawn[1].values, 300.0 + (x - 500_000.0) / 231.65, rtol=0, atol=1e-4)


def test_aster_mixes_with_the_zeros_around_it() -> None:
    aster_k = np.full((80, 80), 300.0)
    aster_k[:, 40:] = np.nan
    drawn = _read_aster(
        Raster(aster_k, Affine(230.0, 0.0, 0.0, 0.0, -230.0, 0.0), UTM_31N),
        Window(10.5, 5.0, 60.0, 60.0),
        plain_grid(230.0),
    )
    row = drawn.values[30]
    assert (row[:29] == 300.0).all() and (row[31:] == 0.0).all()
    assert row[29] == pytest.approx(150.0, abs=1.0)


@pytest.fixture
def bias_of(
    synthetic_truth: Raster, synthetic_pair: Pair, synthetic_pair_with_bias: Callable[[float], Pair]
) -> Callable[[type[Placement], float], float]:
    def bias_k(placed: type[Placement], colder_k: float) -> float:
        product = truth_under(
            synthetic_truth, synthetic_pair.ndvi if placed is Published else fine_grid(align(synthetic_pair))
        )
        comparison = compared(placed(synthetic_pair_with_bias(colder_k)), product)
        return float(np.mean(comparison.product.values - comparison.aster.values))

    return bias_k


@pytest.mark.parametrize("placed", [Georeferenced, Published])
def test_a_colder_aster_is_a_bias_under_either_protocol(
    bias_of: Callable[[type[Placement], float], float], placed: type[Placement]
) -> None:
    assert bias_of(placed, 3.0) - bias_of(placed, 0.0) == pytest.approx(3.0, abs=1e-4)
