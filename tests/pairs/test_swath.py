"""ASTER's swath, and ASTER moved to where the product has what it shows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from scipy import ndimage

from lstsr_core.geo.raster import Raster
from lstsr_core.geo.registration import Shift
from lstsr_core.pairs.pair import Pair
from lstsr_core.pairs.swath import ASTER_EROSIONS, inside_swath, moved, registered, shift_from, swath
from worlds.pairs import true_product


def test_the_swath_is_eroded_by_its_edge(synthetic_pair: Pair) -> None:
    valid = np.nan_to_num(synthetic_pair.aster.values) >= 230.0
    expected = valid
    for _ in range(ASTER_EROSIONS):
        around = np.pad(expected, 1)
        expected = expected & around[:-2, 1:-1] & around[2:, 1:-1] & around[1:-1, :-2] & around[1:-1, 2:]
    np.testing.assert_array_equal(swath(synthetic_pair.aster), expected)
    np.testing.assert_array_equal(np.isfinite(inside_swath(synthetic_pair.aster).values), expected)


def test_misplaced_aster_comes_back_to_its_place(synthetic_pair: Pair, synthetic_truth: Raster) -> None:
    product = true_product(synthetic_truth, synthetic_pair)
    east = synthetic_pair.aster.transform @ Affine.translation(0.9, 0.8)
    aster = replace(synthetic_pair.aster, transform=east)
    shift = shift_from(aster, product)
    assert (shift.rows, shift.columns) == pytest.approx((0.8, 0.9), abs=0.1)
    placed = registered(aster, product)
    inside = ndimage.binary_erosion(np.isfinite(placed.values), iterations=2)
    assert inside.mean() > 0.2
    error_k = (placed.values - product.values)[inside]
    untouched_k = (inside_swath(aster).warp_onto(product).values - product.values)[inside]
    assert error_k.std() < 0.4 * untouched_k.std()


def test_moving_changes_the_place_alone(synthetic_pair: Pair) -> None:
    aster = synthetic_pair.aster
    away = moved(aster, Shift(2.0, -1.0))
    assert away.top_m == pytest.approx(aster.top_m + 2.0 * aster.pixel_width_m)
    assert away.left_m == pytest.approx(aster.left_m + aster.pixel_width_m)
    np.testing.assert_array_equal(away.values, aster.values)
