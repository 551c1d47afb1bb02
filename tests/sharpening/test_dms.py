"""DMS against scikit-learn, landscapes whose fine LST is fixed, and the published products."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import BaggingRegressor
from sklearn.linear_model import Ridge
from sklearn.tree import DecisionTreeRegressor

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.geo.operators import upsample
from lstsr_core.pairs.pair import fine_offset, read_pair
from lstsr_core.sharpening.dms import LeafRegression, bootstrap_counts, dms, homogeneity_weights

# The published code's products before any warp, seed 0, in kelvin: mean, standard deviation,
# minimum, maximum, the values at row 100 column 100 and row 31 column 200, and the mean
# absolute difference of horizontal neighbours.
PUBLISHED_PRODUCTS = {
    "0": (303.8149, 4.0525, 294.8540, 317.1272, 301.5028, 306.6266, 1.3199),
    "57": (308.8117, 3.5590, 290.6358, 320.2928, 314.0549, 300.1519, 1.5532),
}


def emitted_block_means(fine_k: np.ndarray) -> np.ndarray:
    rows, columns = fine_k.shape[0] // 4, fine_k.shape[1] // 4
    return (fine_k**4).reshape(rows, 4, columns, 4).mean(axis=(1, 3)) ** 0.25


def over_blocks(coarse: np.ndarray) -> np.ndarray:
    return np.repeat(np.repeat(coarse, 4, axis=0), 4, axis=1)


def blocky_predictor(seed: int, size: int = 40, within: float = 0.05) -> np.ndarray:
    """Blocks of 100 to 900, each varying within itself by a share of its level."""
    generator = np.random.default_rng(seed)
    level = over_blocks(generator.uniform(100.0, 900.0, (size, size)))
    return level * (1.0 + generator.uniform(-within, within, level.shape))


def rmse(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(np.mean((a - b) ** 2)))


def plain_regression_k(scene: dict[str, np.ndarray], pixels: np.ndarray, leaves: int) -> np.ndarray:
    """Ten trees with ridge leaves, seed 0, as Method 4 has them, for fine pixels of shape (pixels, 1)."""
    samples, lst_k, variation = (
        scene["mean"].reshape(-1, 1),
        scene["lst_k"].ravel(),
        scene["variation"].ravel(),
    )
    homogeneity = 1.0 / variation
    weight = (homogeneity - homogeneity.min()) / (homogeneity.max() - homogeneity.min())
    weight = np.where(variation > np.percentile(variation, 80), weight / 2.0, weight)
    bagging = BaggingRegressor(DummyRegressor(), n_estimators=10, random_state=0).fit(samples, lst_k)
    total_k = np.zeros(len(pixels))
    for indices in bagging.estimators_samples_:
        tree = DecisionTreeRegressor(max_leaf_nodes=leaves, min_samples_leaf=10)
        tree.fit(samples, lst_k, sample_weight=np.bincount(indices, minlength=len(lst_k)) * weight)
        for leaf in np.unique(tree.apply(samples)):
            here, there = tree.apply(samples) == leaf, tree.apply(pixels) == leaf
            if there.any():
                margin_k = 0.25 * np.ptp(lst_k[here])
                line_k = Ridge(alpha=1.0).fit(samples[here], lst_k[here]).predict(pixels[there])
                total_k[there] += np.clip(line_k, lst_k[here].min() - margin_k, lst_k[here].max() + margin_k)
    return total_k / 10.0


@pytest.mark.parametrize("moving_window", [0, 16])
def test_the_sum_of_its_parts(moving_window: int) -> None:
    """A noisy scene of 40×40, in which a tree has far fewer leaves than it could."""
    predictor = blocky_predictor(0, within=0.3) / 1000.0
    lst_k = (
        315.0 - 10.0 * emitted_block_means(predictor) + np.random.default_rng(0).normal(0.0, 2.0, (40, 40))
    )
    blocks = predictor.reshape(40, 4, 40, 4)
    scene = {
        "lst_k": lst_k,
        "mean": blocks.mean(axis=(1, 3)),
        "variation": blocks.std(axis=(1, 3)) / blocks.mean(axis=(1, 3)),
    }
    fine_k = plain_regression_k(scene, predictor.reshape(-1, 1), 30).reshape(160, 160)
    if moving_window:
        local_k = np.empty_like(fine_k)
        for row, column in np.ndindex(3, 3):
            trained = tuple(slice(max(0, 16 * first - 4), 16 * first + 20) for first in (row, column))
            sharpened = (slice(64 * row, 64 * row + 64), slice(64 * column, 64 * column + 64))
            part, pixels = {name: image[trained] for name, image in scene.items()}, predictor[sharpened]
            local_k[sharpened] = plain_regression_k(part, pixels.reshape(-1, 1), 10).reshape(pixels.shape)
        inverse_global, inverse_local = (
            (lst_k**4 - emitted_block_means(k) ** 4) ** -2 for k in (fine_k, local_k)
        )
        local_share = np.clip(upsample(inverse_local / (inverse_local + inverse_global)), 0.0, 1.0)
        fine_k = local_share * local_k + (1.0 - local_share) * fine_k
    expected = (fine_k**4 + upsample(lst_k**4 - emitted_block_means(fine_k) ** 4)) ** 0.25
    np.testing.assert_allclose(dms(lst_k, predictor, moving_window=moving_window), expected, atol=1e-6)


def test_a_landscape_linear_in_pieces_is_recovered_away_from_its_breaks() -> None:
    level = 400.0 + 0.2 * blocky_predictor(1, within=0.0) + np.repeat(np.linspace(-300.0, 300.0, 40), 4)
    predictor = level * np.random.default_rng(1).uniform(0.95, 1.05, level.shape)
    truth_k = np.interp(predictor, [0.0, 300.0, 1000.0], [290.0, 320.0, 299.0])
    error_k = np.abs(dms(emitted_block_means(truth_k), predictor) - truth_k)
    # From the break and, at the right, from predictors beyond what any coarse pixel has.
    away = slice(80, 140)
    assert predictor[:, away].min() > 300.0 > predictor.min()
    assert error_k[:, away].max() < 0.01
    assert np.abs(np.diff(truth_k[:, away])).mean() > 0.5  # there was detail to recover


def test_the_band_that_lst_depends_on_is_found() -> None:
    unrelated, related = blocky_predictor(2), blocky_predictor(3)
    truth_k = 290.0 + 0.03 * related
    lst_k = emitted_block_means(truth_k)
    with_both, with_wrong_one = dms(lst_k, np.stack([unrelated, related])), dms(lst_k, unrelated)
    assert rmse(with_both, truth_k) < 0.1
    assert rmse(with_wrong_one, truth_k) > 0.5


def test_a_plane_of_two_bands_is_recovered() -> None:
    first, second = blocky_predictor(4), blocky_predictor(5)
    truth_k = 290.0 + 0.01 * first + 0.02 * second
    assert rmse(dms(emitted_block_means(truth_k), np.stack([first, second])), truth_k) < 0.05


def test_a_single_band_may_come_with_or_without_its_axis() -> None:
    predictor = blocky_predictor(6, size=12)
    lst_k = emitted_block_means(290.0 + 0.03 * predictor)
    np.testing.assert_array_equal(dms(lst_k, predictor), dms(lst_k, predictor[None]))
    np.testing.assert_allclose(
        dms(lst_k.astype(np.float32), predictor.astype(np.float32)), dms(lst_k, predictor), atol=0.01
    )


@pytest.mark.parametrize("moving_window", [0, 10])
def test_pixels_of_bad_quality_do_not_train(moving_window: int) -> None:
    predictor = blocky_predictor(7)
    clean_k = emitted_block_means(290.0 + 0.03 * predictor)
    quality = np.ones_like(clean_k, dtype=bool)
    quality[:10] = False
    poisoned_k = np.where(quality, clean_k, 650.0 - clean_k)
    without_k = np.where(quality, clean_k, np.nan)

    # Upsampling, of the windows' shares and of the residual, reaches two coarse pixels each.
    away = slice(4 * 15, None)
    fine_k = dms(poisoned_k, predictor, quality=quality, moving_window=moving_window)
    np.testing.assert_array_equal(fine_k[away], dms(without_k, predictor, moving_window=moving_window)[away])
    assert np.isfinite(fine_k).all()
    assert rmse(dms(poisoned_k, predictor, moving_window=moving_window)[away], fine_k[away]) > 0.3


def test_blocks_that_vary_by_rounding_alone_do_not_train() -> None:
    predictor = blocky_predictor(8, size=20)
    lst_k = emitted_block_means(290.0 + 0.03 * predictor)
    constant = np.zeros(lst_k.shape, dtype=bool)
    constant[:3] = True
    resampled = 0.3 * (1.0 + 1e-15 * np.random.default_rng(8).integers(-1, 2, predictor.shape))
    predictor = np.where(over_blocks(constant), resampled, predictor)
    lst_k[constant] = 340.0
    np.testing.assert_array_equal(dms(lst_k, predictor), dms(lst_k, predictor, quality=~constant))


@pytest.mark.parametrize("moving_window", [0, 8])
def test_a_seed_decides_everything_and_inputs_are_left_alone(moving_window: int) -> None:
    predictor = blocky_predictor(9, size=20)
    lst_k = emitted_block_means(290.0 + 0.03 * predictor) + np.random.default_rng(9).normal(
        0.0, 2.0, (20, 20)
    )
    predictor.setflags(write=False)
    lst_k.setflags(write=False)
    first = dms(lst_k, predictor, seed=3, moving_window=moving_window)
    np.testing.assert_array_equal(first, dms(lst_k, predictor, seed=3, moving_window=moving_window))
    assert 0.01 < rmse(first, dms(lst_k, predictor, seed=4, moving_window=moving_window)) < 1.0


def test_extrapolation_stays_near_the_lst_that_was_trained_on() -> None:
    predictor = blocky_predictor(10)
    lst_k = emitted_block_means(290.0 + 0.03 * predictor)
    predictor[81, 81] = 1e6  # 30 290 K, were the line prolonged
    fine_k = dms(lst_k, predictor)
    assert lst_k.max() < fine_k[81, 81] + 2.0 < lst_k.max() + 4.0


def test_a_moving_window_helps_where_the_relation_changes_over_the_scene() -> None:
    predictor = blocky_predictor(11, within=0.2)
    slope = np.where(np.arange(160) < 80, 0.03, -0.03)
    truth_k = 305.0 + slope * (predictor - 500.0)
    lst_k = emitted_block_means(truth_k)
    inside = np.abs(np.arange(160) - 80) > 40  # where a window's training pixels are of one side
    global_k, local_k = dms(lst_k, predictor), dms(lst_k, predictor, moving_window=10)
    assert rmse(local_k[:, inside], truth_k[:, inside]) < 0.25 * rmse(global_k[:, inside], truth_k[:, inside])


def test_windows_that_cannot_train_are_left_to_the_global_regression() -> None:
    predictor = blocky_predictor(12)
    lst_k = emitted_block_means(290.0 + 0.03 * predictor) + np.random.default_rng(12).normal(
        0.0, 2.0, (40, 40)
    )
    quality = np.zeros(lst_k.shape, dtype=bool)
    quality[:, :8] = True
    windowed_k = dms(lst_k, predictor, quality=quality, moving_window=10)
    global_k = dms(lst_k, predictor, quality=quality)
    np.testing.assert_array_equal(windowed_k[:, 4 * 23 :], global_k[:, 4 * 23 :])
    assert rmse(windowed_k[:, :32], global_k[:, :32]) > 0.1


@given(st.integers(0, 2**32 - 1), st.sampled_from([0, 6]))
def test_emitted_power_is_given_back_where_the_residual_is_even(seed: int, moving_window: int) -> None:
    """A predictor tells nothing of the LST but a constant, and upsampling keeps a constant."""
    predictor = blocky_predictor(seed % 1000, size=12)
    lst_k = np.full((12, 12), 300.0)
    fine_k = dms(lst_k, predictor, seed=seed, moving_window=moving_window)
    np.testing.assert_allclose(fine_k, 300.0, atol=1e-6)


def test_most_of_a_residual_returns_to_its_block() -> None:
    generator = np.random.default_rng(13)
    predictor = blocky_predictor(13)
    unexplained_k = over_blocks(np.cumsum(generator.normal(0.0, 1.0, (40, 1)), axis=0) * np.ones((1, 40)))
    lst_k = emitted_block_means(300.0 + 0.01 * predictor + unexplained_k)
    fine_k = dms(lst_k, predictor)
    assert rmse(emitted_block_means(fine_k), lst_k) < 0.15 * unexplained_k.std()
    assert np.mean(fine_k**4) ** 0.25 == pytest.approx(np.mean(lst_k**4) ** 0.25, abs=0.05)


@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from([0, 5]),
    st.sampled_from([(0, 0), (2, 1), (-3, 2)]),
    st.integers(1, 2),
)
def test_nan_stays_where_it_was(
    seed: int, moving_window: int, offset: tuple[int, int], band_count: int
) -> None:
    generator = np.random.default_rng(seed)
    predictors = np.stack([blocky_predictor(seed % 1000 + band, size=12) for band in range(band_count)])
    lst_k = emitted_block_means(290.0 + 0.03 * predictors[-1])
    lst_k[generator.random(lst_k.shape) < 0.2] = np.nan
    predictors[generator.random(predictors.shape) < 0.02] = np.nan
    predictors[:, 8:16, 4:20] = np.nan
    rows_down, columns_right = offset
    fine_k = dms(
        lst_k,
        predictors,
        moving_window=moving_window,
        rows_down=rows_down,
        columns_right=columns_right,
        published=True,
    )
    np.testing.assert_array_equal(
        np.isnan(fine_k), over_blocks(np.isnan(lst_k)) | np.isnan(predictors).any(axis=0)
    )
    assert np.nanmin(fine_k) > 250.0
    assert np.nanmax(fine_k) < 350.0


def test_a_gap_in_lst_does_not_draw_its_neighbours_to_the_regression() -> None:
    predictor = blocky_predictor(19)
    lst_k = emitted_block_means(290.0 + 0.03 * predictor)
    quality = np.ones(lst_k.shape, dtype=bool)
    quality[:20] = False
    lst_k[:20] += 20.0
    whole_k = dms(lst_k, predictor, quality=quality)
    lst_k[10, 10] = np.nan
    difference_k = dms(lst_k, predictor, quality=quality) - whole_k
    assert np.nanmax(np.abs(difference_k)) < 1.0


def test_a_residual_beyond_all_reason_leaves_no_nan() -> None:
    predictor = blocky_predictor(20)
    lst_k = emitted_block_means(180.0 + 0.25 * predictor)
    predictor[40:42, 40:44], predictor[42:44, 40:44] = 100.0, 900.0
    lst_k[10, 10] = 200.0  # half of the block is trained to be 205 K, half 405 K
    assert np.isfinite(dms(lst_k, predictor)).all()


def test_a_block_with_a_gap_does_not_train() -> None:
    predictor = blocky_predictor(14, size=20)
    lst_k = emitted_block_means(290.0 + 0.03 * predictor)
    lst_k[5, :] = 340.0
    predictor[4 * 5 + 1, ::4] = np.nan
    quality = np.ones(lst_k.shape, dtype=bool)
    quality[5] = False
    np.testing.assert_array_equal(dms(lst_k, predictor), dms(lst_k, predictor, quality=quality))


@pytest.mark.parametrize(("rows_down", "columns_right"), [(2, 1), (0, 3), (-1, -2)])
def test_the_published_variant_aggregates_by_the_offset(rows_down: int, columns_right: int) -> None:
    generator = np.random.default_rng(15)
    landscape = np.kron(generator.uniform(100.0, 900.0, (44, 44)), np.ones((4, 4)))
    landscape *= generator.uniform(0.95, 1.05, landscape.shape)
    truth_k = 290.0 + 0.03 * landscape
    lst_k = emitted_block_means(truth_k[8:-8, 8:-8])
    under = (slice(8 + rows_down, 168 + rows_down), slice(8 + columns_right, 168 + columns_right))
    predictor, inside = landscape[under], (slice(8, -8), slice(8, -8))
    fine_k = dms(lst_k, predictor, rows_down=rows_down, columns_right=columns_right, published=True)
    assert rmse(fine_k[inside], truth_k[under][inside]) < 0.1
    assert rmse(dms(lst_k, predictor)[inside], truth_k[under][inside]) > 2.0


def test_without_an_offset_the_published_variant_is_the_default() -> None:
    predictor = blocky_predictor(16, size=12)
    lst_k = emitted_block_means(290.0 + 0.03 * predictor)
    np.testing.assert_array_equal(dms(lst_k, predictor, published=True), dms(lst_k, predictor))


@given(st.integers(0, 2**32 - 1), st.integers(1, 3))
def test_leaves_hold_scikit_learns_ridge_within_the_widened_range(seed: int, band_count: int) -> None:
    generator = np.random.default_rng(seed)
    samples, lst_k = generator.normal(5.0, 2.0, (60, band_count)), generator.normal(300.0, 5.0, 60)
    node = generator.choice([1, 3, 4], 60)
    regression = LeafRegression.fit(node, samples, lst_k, nodes=5)
    far = generator.normal(5.0, 20.0, (50, band_count))
    for leaf in np.unique(node):
        ridge = Ridge(alpha=1.0).fit(samples[node == leaf], lst_k[node == leaf])
        low, high = lst_k[node == leaf].min(), lst_k[node == leaf].max()
        expected = np.clip(ridge.predict(far), low - 0.25 * (high - low), high + 0.25 * (high - low))
        np.testing.assert_allclose(regression.predict_k(np.full(50, leaf), far), expected, atol=1e-8)


@pytest.mark.parametrize(("seed", "samples"), [(0, 4096), (1, 50), (2**32 - 1, 999)])
def test_bootstraps_are_scikit_learns(seed: int, samples: int) -> None:
    nothing, target = np.zeros((samples, 1)), np.arange(samples, dtype=float)
    drawn = (
        BaggingRegressor(DummyRegressor(), n_estimators=10, random_state=seed)
        .fit(nothing, target)
        .estimators_samples_
    )
    grown = BaggingRegressor(DecisionTreeRegressor(max_depth=1), n_estimators=10, random_state=seed).fit(
        nothing, target
    )
    ours = list(bootstrap_counts(samples, seed))
    assert [tree_seed for tree_seed, _ in ours] == [tree.random_state for tree in grown.estimators_]
    for (_, count), indices in zip(ours, drawn, strict=True):
        np.testing.assert_array_equal(count, np.bincount(indices, minlength=samples))


def test_weights_rise_with_homogeneity_and_are_halved_for_the_most_heterogeneous() -> None:
    variation = 1.0 / np.arange(10.0, 0.0, -1.0)
    expected = np.arange(9.0, -1.0, -1.0) / 9.0
    expected[8:] /= 2.0  # the 80th percentile lies between the eighth and the ninth
    np.testing.assert_allclose(homogeneity_weights(variation), expected)
    np.testing.assert_array_equal(homogeneity_weights(np.full(5, 0.25)), np.ones(5))


def test_bootstraps_that_hold_weightless_pixels_alone_still_train() -> None:
    """Nine of ten pixels weigh nothing, so that a third of the bootstraps has no weight."""
    level = np.full((4, 4), np.nan)
    # Powers of two keep the coefficients of variation exactly alike.
    level.ravel()[:10] = 2.0 ** np.arange(10)
    pattern = np.where(np.arange(16) % 2, 0.75, 1.25)
    predictor = over_blocks(level) * pattern
    predictor[:4, :4] = np.where(pattern[:4] > 1.0, 1.125, 0.875)
    fine_k = dms(np.linspace(290.0, 300.0, 16).reshape(4, 4), predictor)
    np.testing.assert_array_equal(np.isfinite(fine_k), np.isfinite(over_blocks(level)))


def test_scenes_that_cannot_train_are_named() -> None:
    predictor = blocky_predictor(17, size=12)
    lst_k = emitted_block_means(290.0 + 0.03 * predictor)
    few_k = np.where(np.arange(144).reshape(12, 12) < 9, lst_k, np.nan)
    alike = np.tile(np.where(np.arange(4) % 2, 0.25, 0.75), (48, 12))
    with pytest.raises(NoResult, match=r"^9 coarse pixels have LST and predictors that vary"):
        dms(few_k, predictor)
    with pytest.raises(NoResult, match=r"^0 coarse pixels"):
        dms(lst_k, np.full((48, 48), 0.5))
    with pytest.raises(NoResult, match="have the same mean"):
        dms(lst_k, alike)


def test_bad_inputs_are_named() -> None:
    predictor = blocky_predictor(18, size=12)
    lst_k = emitted_block_means(290.0 + 0.03 * predictor)
    infinite_k = np.where(lst_k == lst_k.max(), np.inf, lst_k)
    with pytest.raises(InputError, match=r"start 2 rows and 1 columns .* Align the pair first"):
        dms(lst_k, predictor, rows_down=2, columns_right=1)
    for misshapen in (predictor[:-4], predictor[None, None], np.empty((0, 48, 48)), np.zeros(48)):
        with pytest.raises(InputError, match=r"expected predictors of \(48, 48\)"):
            dms(lst_k, misshapen)
    with pytest.raises(InputError, match=r"LST has shape \(144,\)"):
        dms(lst_k.ravel(), predictor)
    with pytest.raises(InputError, match="1 values of the LST are infinite"):
        dms(infinite_k, predictor)
    with pytest.raises(InputError, match="values of the predictors are infinite"):
        dms(lst_k, np.where(predictor > 500.0, -np.inf, predictor))
    for quality in (np.ones((12, 12), dtype=int), np.ones((12, 11), dtype=bool)):
        with pytest.raises(InputError, match="expected bool of the LST's"):
            dms(lst_k, predictor, quality=quality)
    with pytest.raises(InputError, match="moving_window -1"):
        dms(lst_k, predictor, moving_window=-1)
    with pytest.raises(InputError, match="seed is -1"):
        dms(lst_k, predictor, seed=-1)


@pytest.mark.parametrize("scene", PUBLISHED_PRODUCTS)
def test_published_products_are_met(published_pairs: Path, scene: str) -> None:
    """LST and NDVI as stored, not aligned, as the published code pairs them."""
    pair = read_pair(published_pairs, scene)
    rows_down, columns_right = fine_offset(pair)
    fine_k = dms(
        pair.lst.values, pair.ndvi.values, rows_down=rows_down, columns_right=columns_right, published=True
    )
    figures = (
        fine_k.mean(),
        fine_k.std(),
        fine_k.min(),
        fine_k.max(),
        fine_k[100, 100],
        fine_k[31, 200],
        abs(np.diff(fine_k)).mean(),
    )
    assert figures == pytest.approx(PUBLISHED_PRODUCTS[scene], abs=2e-4)
