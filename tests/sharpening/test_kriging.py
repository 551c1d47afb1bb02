"""ATPRK and AATPRK against dense solves, PyKrige, any kriging's laws, the published products."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pykrige.ok import OrdinaryKriging

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.geo.grid import FINE_PIXEL_M
from lstsr_core.metrics.images import consistency_k
from lstsr_core.pairs.pair import Pair, align, pair_ids, read_pair
from lstsr_core.sharpening import kriging
from lstsr_core.sharpening.kriging import aatprk, atprk, interpolate_residual, kriging_weights
from lstsr_core.sharpening.regression import aggregate_ndvi, fit_scene, fit_windows
from lstsr_core.sharpening.variogram import Variogram, fit_variograms

METHODS = {"atprk": atprk, "aatprk": aatprk}
PYKRIGE_RANGE_M = 1700.0

Point = tuple[float, float]

# The published code's products before any warp, in kelvin: mean, standard deviation,
# minimum, maximum, the values at row 100 column 100 and row 31 column 200, and the mean
# absolute difference of horizontal neighbours.
PUBLISHED_PRODUCTS = {
    ("0", "atprk"): (304.0819, 4.2471, 294.4999, 323.2059, 301.3234, 306.9432, 1.3892),
    ("0", "aatprk"): (304.0042, 4.0158, 293.2736, 322.9583, 301.3404, 306.8198, 1.0720),
    ("57", "atprk"): (309.3185, 3.7634, 297.7866, 325.8697, 314.8975, 302.3103, 1.6746),
    ("57", "aatprk"): (309.1727, 3.3896, 297.5573, 324.1632, 313.3436, 302.7456, 1.2305),
}
# RMSE in kelvin of D(product) against the 1 km LST, likewise; scenes
# 164, 176 and 183 have fine pixels of NDVI 0.
PUBLISHED_CONSISTENCY_K = {
    ("0", "atprk"): 0.70439, ("0", "aatprk"): 0.65457,
    ("57", "atprk"): 1.03115, ("57", "aatprk"): 0.94341,
    ("112", "atprk"): 1.37812, ("209", "aatprk"): 0.73559,
    ("164", "atprk"): 1.05828, ("164", "aatprk"): 1.02720,
    ("176", "atprk"): 1.81197,
    ("183", "atprk"): 2.92803, ("183", "aatprk"): 4.33231,
}  # fmt: skip


def block_means(fine: np.ndarray) -> np.ndarray:
    return fine.reshape(fine.shape[0] // 4, 4, fine.shape[1] // 4, 4).mean(axis=(1, 3))


def repeated(coarse: np.ndarray) -> np.ndarray:
    return np.repeat(np.repeat(coarse, 4, axis=0), 4, axis=1)


def random_scene(seed: int, rows: int = 14, columns: int = 12) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    ndvi = generator.uniform(-0.2, 0.9, (4 * rows, 4 * columns))
    rough = generator.normal(0.0, 1.5, (rows + 2, columns + 2))
    smooth = (
        sum(rough[down : down + rows, right : right + columns] for down in range(3) for right in range(3))
        / 3.0
    )
    return 310.0 - 12.0 * block_means(ndvi) + smooth, ndvi


def kriged_by_loops(
    supports: list[list[Point]], values: list[float], target: Point, variogram: Variogram
) -> tuple[float, list[float]]:
    """Ordinary kriging at a point from the means over some points each: value and weights."""

    def semivariance(first: Point, second: Point) -> float:
        distance_m = math.hypot(first[0] - second[0], first[1] - second[1])
        return variogram.sill * (1.0 - math.exp(-3.0 * distance_m / variogram.range_m))

    count = len(supports)
    system, right_side = np.ones((count + 1, count + 1)), np.ones(count + 1)
    system[count, count] = 0.0
    for i in range(count):
        for j in range(count):
            system[i, j] = np.mean([semivariance(a, b) for a in supports[i] for b in supports[j]])
        right_side[i] = np.mean([semivariance(a, target) for a in supports[i]])
    weights = np.linalg.solve(system, right_side)[:count]
    return float(weights @ np.array(values)), weights.tolist()


def fine_points(row: int, column: int) -> list[Point]:
    return [
        (FINE_PIXEL_M * (4 * row + i), FINE_PIXEL_M * (4 * column + j)) for i in range(4) for j in range(4)
    ]


def test_the_loops_krige_points_as_pykrige_does() -> None:
    """So that what judges the area-to-point weights below is itself judged by another's code."""
    generator = np.random.default_rng(0)
    rows, columns, values = (
        generator.uniform(0.0, 4000.0, 12),
        generator.uniform(0.0, 4000.0, 12),
        generator.normal(size=12),
    )
    parameters = {"psill": 3.0, "range": PYKRIGE_RANGE_M, "nugget": 0.0}
    other = OrdinaryKriging(
        columns, rows, values, variogram_model="exponential", variogram_parameters=parameters
    )
    expected, _ = other.execute("points", [700.0, 2100.0], [1500.0, 3900.0])
    supports = [[(row, column)] for row, column in zip(rows, columns, strict=True)]
    for target, value in zip([(1500.0, 700.0), (3900.0, 2100.0)], expected, strict=True):
        loops, _ = kriged_by_loops(supports, values.tolist(), target, Variogram(3.0, PYKRIGE_RANGE_M))
        assert loops == pytest.approx(float(value), rel=1e-9)


@pytest.mark.parametrize("range_m", [400.0, 4600.0])
def test_weights_are_those_of_a_dense_solve_in_loops(range_m: float) -> None:
    generator = np.random.default_rng(1)
    available = np.stack([np.ones(25, dtype=bool), generator.random(25) < 0.5, np.arange(25) == 12])
    available[:, 12] = True
    shares = kriging_weights(Variogram(5.0, range_m), available)
    for pattern, weights in zip(available, shares, strict=True):
        there = [pixel for pixel in range(25) if pattern[pixel]]
        supports = [fine_points(pixel // 5 - 2, pixel % 5 - 2) for pixel in there]
        for position in (0, 6, 15):
            _, expected = kriged_by_loops(
                supports, [0.0] * len(there), fine_points(0, 0)[position], Variogram(5.0, range_m)
            )
            np.testing.assert_allclose(weights[position, there], expected, atol=1e-9)
            assert not weights[position, ~pattern].any()


@given(st.floats(1.0, 7.0), st.integers(0, 2**25 - 1))
def test_weights_add_up_to_one_and_average_to_the_pixel_itself(exponent: float, bits: int) -> None:
    available = (bits >> np.arange(25) & 1).astype(bool)
    available[12] = True
    weights = kriging_weights(Variogram(1.0, 10.0**exponent), available[None])[0]
    np.testing.assert_allclose(weights.sum(axis=1), 1.0, atol=1e-9)
    np.testing.assert_allclose(weights.mean(axis=0), np.arange(25) == 12, atol=1e-7)


def test_interpolation_gathers_each_pixels_own_neighbours() -> None:
    """Borders, a hole and a corner, against a solve in loops for single fine pixels."""
    generator = np.random.default_rng(2)
    residual_k = generator.normal(size=(7, 9))
    residual_k[3, 4] = residual_k[0, 8] = np.nan
    variogram = Variogram(2.0, 2500.0)
    fine_k = interpolate_residual(residual_k, variogram)
    assert fine_k.shape == (28, 36)
    for fine_row, fine_column in [(0, 0), (27, 35), (13, 22), (14, 15), (3, 31), (12, 13)]:
        row, column = fine_row // 4, fine_column // 4
        near = [
            (r, c)
            for r, c in itertools.product(
                range(max(row - 2, 0), min(row + 3, 7)), range(max(column - 2, 0), min(column + 3, 9))
            )
            if not np.isnan(residual_k[r, c])
        ]
        target = (FINE_PIXEL_M * fine_row, FINE_PIXEL_M * fine_column)
        expected, _ = kriged_by_loops(
            [fine_points(*pixel) for pixel in near], [residual_k[p] for p in near], target, variogram
        )
        assert fine_k[fine_row, fine_column] == pytest.approx(expected, abs=1e-9)


@given(
    st.integers(0, 2**32 - 1),
    st.floats(0.0, 0.9),
    st.floats(2.0, 5.0),
    st.integers(1, 12),
    st.integers(1, 12),
)
def test_interpolation_keeps_every_valid_mean(
    seed: int, missing: float, exponent: float, rows: int, columns: int
) -> None:
    generator = np.random.default_rng(seed)
    residual_k = generator.normal(size=(rows, columns))
    residual_k[generator.random(residual_k.shape) < missing] = np.nan
    fine_k = interpolate_residual(residual_k, Variogram(1.0, 10.0**exponent))
    np.testing.assert_array_equal(np.isnan(fine_k), repeated(np.isnan(residual_k)))
    np.testing.assert_allclose(block_means(fine_k), residual_k, atol=1e-8)


def test_working_in_portions_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    residual_k = np.random.default_rng(12).normal(size=(12, 10))
    residual_k[4, 3:6] = np.nan
    at_once = interpolate_residual(residual_k, Variogram(1.0, 2000.0))
    monkeypatch.setattr(kriging, "_PATTERNS_AT_A_TIME", 3)
    monkeypatch.setattr(kriging, "_PIXELS_AT_A_TIME", 5)
    np.testing.assert_allclose(interpolate_residual(residual_k, Variogram(1.0, 2000.0)), at_once, atol=1e-12)


@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_products_are_their_line_plus_the_kriged_residual(method: str, published: bool) -> None:
    lst_k, ndvi = random_scene(3)
    coarse_ndvi = aggregate_ndvi(ndvi, published)
    if method == "atprk":
        line = fit_scene(lst_k, coarse_ndvi)
        fine_line_k, coarse_line_k = (
            line.intercept + line.slope * ndvi,
            line.intercept + line.slope * coarse_ndvi,
        )
    else:
        lines = fit_windows(lst_k, coarse_ndvi)
        fine_line_k = repeated(lines.intercept) + repeated(lines.slope) * ndvi
        coarse_line_k = lines.intercept + lines.slope * coarse_ndvi
    residual_k = lst_k - coarse_line_k
    expected = fine_line_k + interpolate_residual(residual_k, fit_variograms(residual_k, published).point)
    kriged = np.s_[8:-8, 8:-8] if published else np.s_[:]
    np.testing.assert_allclose(METHODS[method](lst_k, ndvi, published)[kriged], expected[kriged], atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.5))
def test_valid_pixels_and_no_others_get_a_value_and_keep_their_mean(
    method: str, seed: int, missing: float
) -> None:
    lst_k, ndvi = random_scene(seed)
    generator = np.random.default_rng(seed)
    lst_k[generator.random(lst_k.shape) < missing] = np.nan
    ndvi[generator.random(ndvi.shape) < missing / 20] = np.nan
    ndvi[:8, :4] = np.nan
    fine_k = METHODS[method](lst_k, ndvi)
    np.testing.assert_array_equal(np.isnan(fine_k), repeated(np.isnan(lst_k)) | np.isnan(ndvi))
    whole = np.isfinite(block_means(ndvi)) & np.isfinite(lst_k)
    np.testing.assert_allclose(block_means(fine_k)[whole], lst_k[whole], atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("published", [False, True])
@given(slope=st.floats(-30.0, 30.0))
def test_a_landscape_that_follows_ndvi_is_recovered(method: str, published: bool, slope: float) -> None:
    # Equal within blocks: both aggregations are right.
    ndvi = repeated(np.random.default_rng(4).uniform(0.1, 0.9, (9, 8)))
    truth_k = 310.0 + slope * ndvi
    np.testing.assert_allclose(METHODS[method](block_means(truth_k), ndvi, published), truth_k, atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_a_landscape_that_follows_ndvi_within_blocks_is_recovered(method: str) -> None:
    _, ndvi = random_scene(5)
    truth_k = 305.0 - 9.0 * ndvi
    np.testing.assert_allclose(METHODS[method](block_means(truth_k), ndvi), truth_k, atol=1e-8)


@pytest.mark.parametrize("method", METHODS)
def test_published_variant_leaves_two_coarse_pixels_at_the_border_to_the_line(method: str) -> None:
    lst_k, ndvi = random_scene(6)
    lst_k[0, 5] = np.nan
    line = fit_scene(lst_k, aggregate_ndvi(ndvi, published=True))
    fine_k = METHODS[method](lst_k, ndvi, published=True)
    border = np.ones(ndvi.shape, dtype=bool)
    border[8:-8, 8:-8] = False
    border[:4, 20:24] = False
    np.testing.assert_allclose(fine_k[border], (line.intercept + line.slope * ndvi)[border], atol=1e-9)
    assert np.isnan(fine_k[:4, 20:24]).all() and np.isnan(fine_k).sum() == 16
    assert (abs(fine_k - line(ndvi))[8:-8, 8:-8] > 1e-6).all()


def test_published_aatprk_alone_gives_0_k_where_ndvi_is_0() -> None:
    lst_k, ndvi = random_scene(7)
    ndvi[0, 0] = ndvi[30, 20] = 0.0
    zeros = [(0, 0), (30, 20)]
    assert np.argwhere(aatprk(lst_k, ndvi, published=True) == 0.0).tolist() == [
        list(pixel) for pixel in zeros
    ]
    for fine_k in (aatprk(lst_k, ndvi), atprk(lst_k, ndvi), atprk(lst_k, ndvi, published=True)):
        assert fine_k.min() > 250.0


@pytest.mark.parametrize("method", METHODS)
def test_single_precision_input_gives_the_same_product(method: str) -> None:
    lst_k, ndvi = (array.astype(np.float32) for array in random_scene(8))
    fine_k = METHODS[method](lst_k, ndvi)
    np.testing.assert_array_equal(fine_k, METHODS[method](lst_k.astype(np.float64), ndvi.astype(np.float64)))


@pytest.mark.parametrize("method", METHODS)
def test_input_is_not_changed(method: str) -> None:
    lst_k, ndvi = random_scene(9)
    lst_k[2, 3] = np.nan
    before = lst_k.copy(), ndvi.copy()
    for published in (False, True):
        METHODS[method](lst_k, ndvi, published)
    np.testing.assert_array_equal(lst_k, before[0])
    np.testing.assert_array_equal(ndvi, before[1])


@pytest.mark.parametrize("method", METHODS)
def test_scenes_that_cannot_be_sharpened_are_named(method: str) -> None:
    lst_k, ndvi = random_scene(10)
    sharpen = METHODS[method]
    with pytest.raises(InputError, match=r"NDVI has shape \(56, 44\) and LST \(14, 12\)"):
        sharpen(lst_k, ndvi[:, 4:])
    with pytest.raises(NoResult, match="0 coarse pixels are valid"):
        sharpen(np.full_like(lst_k, np.nan), ndvi)
    with pytest.raises(NoResult, match="NDVI of all valid coarse pixels is the same"):
        sharpen(lst_k, np.full_like(ndvi, 0.4))
    with pytest.raises(NoResult, match="residual of 4×12 has differing pixels at 0 distances"):
        sharpen(lst_k[:4], ndvi[:16])


@pytest.mark.parametrize("method", METHODS)
def test_an_lst_without_variation_stays_so(method: str) -> None:
    _, ndvi = random_scene(11)
    for published in (False, True):
        np.testing.assert_allclose(
            METHODS[method](np.full((14, 12), 300.0), ndvi, published), 300.0, atol=1e-9
        )


@pytest.fixture(scope="module")
def published_scene(published_pairs: Path) -> Callable[[str], Pair]:
    return cache(lambda pair_id: read_pair(published_pairs, pair_id))


@pytest.mark.parametrize(("scene", "method"), PUBLISHED_PRODUCTS)
def test_published_products_are_met(published_scene: Callable[[str], Pair], scene: str, method: str) -> None:
    """LST and NDVI as stored, not aligned, as the published code pairs them."""
    pair = published_scene(scene)
    fine_k = METHODS[method](pair.lst.values, pair.ndvi.values, published=True)
    figures = (
        fine_k.mean(),
        fine_k.std(),
        fine_k.min(),
        fine_k.max(),
        fine_k[100, 100],
        fine_k[31, 200],
        abs(np.diff(fine_k)).mean(),
    )
    assert figures == pytest.approx(PUBLISHED_PRODUCTS[scene, method], abs=1e-3)


@pytest.mark.parametrize(("scene", "method"), PUBLISHED_CONSISTENCY_K)
def test_published_consistency_is_met(
    published_scene: Callable[[str], Pair], scene: str, method: str
) -> None:
    pair = published_scene(scene)
    fine_k = METHODS[method](pair.lst.values, pair.ndvi.values, published=True)
    assert consistency_k(fine_k, pair.lst.values) == pytest.approx(
        PUBLISHED_CONSISTENCY_K[scene, method], abs=2e-5
    )


def test_published_pairs_are_all_sharpened(
    published_pairs: Path, published_scene: Callable[[str], Pair]
) -> None:
    for scene in pair_ids(published_pairs):
        stored, aligned = published_scene(scene), align(published_scene(scene))
        for sharpen in METHODS.values():
            assert np.isfinite(sharpen(stored.lst.values, stored.ndvi.values, published=True)).all()
            fine_k = sharpen(aligned.lst.values, aligned.ndvi.values)
            np.testing.assert_allclose(block_means(fine_k), aligned.lst.values, atol=1e-6)
