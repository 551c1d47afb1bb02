"""Back-projection: what it does to a product's own 1 km LST, and what it leaves alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstsr_core.evaluation.back_projection import back_projected
from lstsr_core.geo.operators import degrade, upsample
from lstsr_core.metrics.images import consistency_k
from lstsr_core.pairs.pair import Pair, align
from lstsr_core.sharpening.methods import sharpen_pair


def random_scene(seed: int, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """A product with structure at all scales, and an LST that is not its own."""
    generator = np.random.default_rng(seed)
    lst_k = 300.0 + generator.normal(0.0, 3.0, (size, size)).cumsum(axis=0) / 3.0
    return upsample(lst_k + generator.normal(0.0, 1.0, lst_k.shape)) + generator.normal(
        0.0, 1.0, (4 * size, 4 * size)
    ), lst_k


@given(st.integers(0, 2**32 - 1))
def test_each_step_brings_the_product_nearer_to_its_lst(seed: int) -> None:
    fine_k, lst_k = random_scene(seed)
    errors_k = [consistency_k(step_k, lst_k) for step_k in back_projected(fine_k, lst_k, 10)]
    assert len(errors_k) == 11
    assert (np.diff(errors_k) < 0.0).all()
    assert errors_k[-1] < 0.5 * errors_k[0]


def test_the_first_is_the_product_itself_and_the_next_the_definition() -> None:
    fine_k, lst_k = random_scene(60)
    steps = list(back_projected(fine_k, lst_k, 2))
    np.testing.assert_array_equal(steps[0], fine_k)
    once = fine_k + upsample(lst_k - degrade(fine_k))
    np.testing.assert_allclose(steps[1], once, atol=1e-9)
    np.testing.assert_allclose(steps[2], once + upsample(lst_k - degrade(once)), atol=1e-9)
    assert len(list(back_projected(fine_k, lst_k, 0))) == 1


def test_a_consistent_product_stays_as_it_is() -> None:
    fine_k, _ = random_scene(61)
    for step_k in back_projected(fine_k, degrade(fine_k), 3):
        np.testing.assert_allclose(step_k, fine_k, atol=1e-9)


def test_inputs_are_left_alone() -> None:
    fine_k, lst_k = random_scene(62)
    fine_k[3, 5] = np.nan
    before = fine_k.copy(), lst_k.copy()
    list(back_projected(fine_k, lst_k, 2))
    np.testing.assert_array_equal(fine_k, before[0])
    np.testing.assert_array_equal(lst_k, before[1])


def test_gaps_stay_gaps_and_do_not_spread() -> None:
    fine_k, lst_k = random_scene(63)
    gaps = np.zeros(fine_k.shape, dtype=bool)
    gaps[4:8, 20:24], gaps[40, 41] = True, True
    cloudy_k = lst_k.copy()
    cloudy_k[1, 5] = np.nan
    steps = list(back_projected(np.where(gaps, np.nan, fine_k), cloudy_k, 4))
    for step_k in steps:
        np.testing.assert_array_equal(np.isnan(step_k), gaps)
    # Far from any gap, nothing differs: one step reaches 9 fine pixels through D and 8 through U.
    whole = list(back_projected(fine_k, lst_k, 1))[1]
    far = np.s_[20:24, 44:]
    np.testing.assert_allclose(steps[1][far], whole[far], atol=1e-9)


def test_where_there_is_no_lst_nothing_is_added() -> None:
    fine_k, lst_k = random_scene(64)
    left_k = np.where(np.arange(16) < 8, lst_k, np.nan)
    stepped_k = list(back_projected(fine_k, left_k, 1))[1]
    np.testing.assert_array_equal(stepped_k[:, 44:], fine_k[:, 44:])
    assert (stepped_k[:, :28] != fine_k[:, :28]).mean() > 0.9


@pytest.mark.parametrize("method", ["bicubic", "tsharp"])
def test_products_of_a_pair_become_consistent(synthetic_pair: Pair, method: str) -> None:
    pair = align(synthetic_pair)
    errors_k = [
        consistency_k(step_k, pair.lst.values)
        for step_k in back_projected(sharpen_pair(pair, method).values, pair.lst.values, 10)
    ]
    assert (np.diff(errors_k) < 0.0).all()
    assert errors_k[-1] < 0.3 * errors_k[0]
