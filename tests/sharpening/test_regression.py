"""Lines of LST on NDVI against numpy's and scipy's, window by window."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lstsr_core.base.errors import NoResult
from lstsr_core.metrics.line import Line
from lstsr_core.sharpening.regression import LocalLines, aggregate_ndvi, fit_scene, fit_windows


def scene(seed: int, rows: int = 13, columns: int = 11) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    coarse_ndvi = generator.uniform(-0.2, 0.9, (rows, columns))
    return 310.0 - 12.0 * coarse_ndvi + generator.normal(0.0, 2.0, (rows, columns)), coarse_ndvi


@pytest.mark.parametrize("published", [False, True])
def test_ndvi_is_aggregated_over_the_valid_pixels_of_each_block(published: bool) -> None:
    ndvi = np.random.default_rng(1).uniform(-1.0, 1.0, (12, 8))
    ndvi[0:4, 0:4] = np.nan
    ndvi[5, 1:3] = np.nan
    expected = np.empty((3, 2))
    for row in range(3):
        for column in range(2):
            block = ndvi[4 * row : 4 * row + 4, 4 * column : 4 * column + 4].ravel()
            valid = [value for value in block if not np.isnan(value)]
            powers = [value**4 if published else value for value in valid] or [np.nan]
            expected[row, column] = np.mean(powers) ** 0.25 if published else np.mean(powers)
    np.testing.assert_allclose(aggregate_ndvi(ndvi, published), expected, rtol=1e-14)
    assert np.isnan(aggregate_ndvi(ndvi, published)).sum() == 1


def test_the_published_aggregation_loses_the_sign_and_stays_within_one() -> None:
    assert aggregate_ndvi(np.full((4, 4), -0.5))[0, 0] == -0.5
    assert aggregate_ndvi(np.full((4, 4), -0.5), published=True)[0, 0] == pytest.approx(0.5)
    assert aggregate_ndvi(np.full((4, 4), -1.0), published=True)[0, 0] <= 1.0


def test_ndvi_in_single_precision_is_averaged_in_double() -> None:
    ndvi = np.random.default_rng(2).uniform(0.0, 1.0, (4, 4)).astype(np.float32)
    assert aggregate_ndvi(ndvi)[0, 0] == pytest.approx(
        np.mean([float(value) for value in ndvi.ravel()]), rel=1e-14
    )


@given(st.integers(0, 2**32 - 1))
def test_scene_line_is_ordinary_least_squares(seed: int) -> None:
    lst_k, coarse_ndvi = scene(seed)
    expected = stats.linregress(coarse_ndvi.ravel(), lst_k.ravel())
    line = fit_scene(lst_k, coarse_ndvi)
    assert (line.slope, line.intercept) == pytest.approx((expected.slope, expected.intercept), rel=1e-9)
    np.testing.assert_array_equal(line(coarse_ndvi), line.intercept + line.slope * coarse_ndvi)


def test_scene_line_leaves_out_cold_and_missing_pixels() -> None:
    lst_k, coarse_ndvi = scene(3)
    used = np.ones(lst_k.shape, dtype=bool)
    lst_k[0], lst_k[1, 2], coarse_ndvi[4, 4], lst_k[5, 5] = 265.0, np.nan, np.nan, 273.0
    used[0] = used[1, 2] = used[4, 4] = used[5, 5] = False
    expected = stats.linregress(coarse_ndvi[used], lst_k[used])
    line = fit_scene(lst_k, coarse_ndvi)
    assert (line.slope, line.intercept) == pytest.approx((expected.slope, expected.intercept), rel=1e-9)


@pytest.mark.parametrize("fit", [fit_scene, fit_windows])
def test_scenes_that_cannot_be_regressed_are_named(fit: type) -> None:
    lst_k, coarse_ndvi = scene(4)
    few = np.where(np.arange(lst_k.size).reshape(lst_k.shape) < 9, lst_k, np.nan)
    with pytest.raises(
        NoResult, match="9 coarse pixels are valid above 273 K; a regression needs at least 10"
    ):
        fit(few, coarse_ndvi)
    with pytest.raises(NoResult, match="0 coarse pixels are valid"):
        fit(lst_k - 60.0, coarse_ndvi)
    with pytest.raises(NoResult, match="NDVI of all valid coarse pixels is the same"):
        fit(lst_k, np.full_like(coarse_ndvi, 0.3))


def windows_by_loops(lst_k: np.ndarray, coarse_ndvi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    line = fit_scene(lst_k, coarse_ndvi)
    slope, intercept = np.full(lst_k.shape, line.slope), np.full(lst_k.shape, line.intercept)
    for row in range(2, lst_k.shape[0] - 2):
        for column in range(2, lst_k.shape[1] - 2):
            y, x = (
                lst_k[row - 2 : row + 3, column - 2 : column + 3],
                coarse_ndvi[row - 2 : row + 3, column - 2 : column + 3],
            )
            used = ~np.isnan(y) & ~np.isnan(x) & ~(y <= 273.0)
            if used.sum() >= 17 and len(set(x[used])) > 1:
                slope[row, column], intercept[row, column] = np.polyfit(x[used], y[used], 1)
    return slope, intercept


@given(st.integers(0, 2**32 - 1), st.floats(0.0, 0.5), st.integers(3, 14), st.integers(4, 14))
def test_window_lines_are_those_of_a_loop_over_windows(
    seed: int, missing: float, rows: int, columns: int
) -> None:
    lst_k, coarse_ndvi = scene(seed, rows, columns)
    generator = np.random.default_rng(seed)
    lst_k[generator.random(lst_k.shape) < missing / 2] = np.nan
    coarse_ndvi[generator.random(lst_k.shape) < missing / 2] = np.nan
    lst_k[generator.random(lst_k.shape) < missing / 8] = 260.0
    try:
        slope, intercept = windows_by_loops(lst_k, coarse_ndvi)
    except NoResult:
        with pytest.raises(NoResult):
            fit_windows(lst_k, coarse_ndvi)
        return
    lines = fit_windows(lst_k, coarse_ndvi)
    np.testing.assert_allclose(lines.slope, slope, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(lines.intercept, intercept, rtol=1e-9)


def test_strips_of_a_tall_scene_join_without_seams() -> None:
    lst_k, coarse_ndvi = scene(5, rows=150, columns=8)
    slope, intercept = windows_by_loops(lst_k, coarse_ndvi)
    lines = fit_windows(lst_k, coarse_ndvi)
    np.testing.assert_allclose(lines.slope, slope, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(lines.intercept, intercept, rtol=1e-9)


def test_seventeen_of_25_pixels_are_enough_for_a_window_and_sixteen_are_not() -> None:
    lst_k, coarse_ndvi = scene(6, rows=9, columns=9)
    line_of_centre = {}
    for count in (16, 17):
        sparse = lst_k.copy()
        sparse[2:7, 2:7][np.arange(25).reshape(5, 5) >= count] = np.nan
        lines = fit_windows(sparse, coarse_ndvi)
        line_of_centre[count] = lines.slope[4, 4] - fit_scene(sparse, coarse_ndvi).slope
    assert line_of_centre[16] == 0.0
    assert abs(line_of_centre[17]) > 1e-3


def test_a_window_of_one_ndvi_takes_the_scenes_line_and_one_of_almost_one_its_own() -> None:
    lst_k, coarse_ndvi = scene(7)
    coarse_ndvi[3:8, 3:8] = 0.1  # no exact binary fraction, so that its mean may differ in the last digit
    scene_line = fit_scene(lst_k, coarse_ndvi)
    lines = fit_windows(lst_k, coarse_ndvi)
    assert (lines.slope[5, 5], lines.intercept[5, 5]) == (scene_line.slope, scene_line.intercept)

    coarse_ndvi[3:8, 3:8] += 1e-6 * np.linspace(-1.0, 1.0, 25).reshape(5, 5)
    window = np.s_[3:8, 3:8]
    expected = stats.linregress((coarse_ndvi[window].ravel() - 0.1) * 1e6, lst_k[window].ravel())
    assert fit_windows(lst_k, coarse_ndvi).slope[5, 5] == pytest.approx(1e6 * expected.slope, rel=1e-6)


def test_local_lines_hold_for_whole_blocks() -> None:
    generator = np.random.default_rng(8)
    slope, intercept = generator.normal(size=(2, 5, 3))
    ndvi = generator.uniform(-1.0, 1.0, (20, 12))
    expected = np.repeat(np.repeat(intercept, 4, 0), 4, 1) + np.repeat(np.repeat(slope, 4, 0), 4, 1) * ndvi
    lines = LocalLines(slope, intercept)
    np.testing.assert_allclose(lines(ndvi), expected, rtol=1e-13)
    np.testing.assert_allclose(lines(ndvi[:5, :3]), intercept + slope * ndvi[:5, :3], rtol=1e-13)


def test_lines_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Line(10, 1.0, 2.0, 0.5).slope = 3.0  # type: ignore[misc]
