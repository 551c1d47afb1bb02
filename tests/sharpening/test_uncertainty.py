"""The uncertainty's formula, its widening near gaps, and that parts of a map agree with the whole."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from lstsr_core.geo.operators import block_mean
from lstsr_core.geo.raster import FloatArray
from lstsr_core.sharpening import level
from lstsr_core.sharpening.level import Level
from lstsr_core.sharpening.methods import METHODS
from lstsr_core.sharpening.uncertainty import Uncertainty, local_features, uncertainty_k, uncertainty_of

COEFFICIENTS = Uncertainty(0.95, 1.2, 0.25, 0.1, 2.5, 2.0, 2.7, 2.0)


@pytest.fixture(scope="module")
def scene() -> tuple[FloatArray, FloatArray, FloatArray]:
    random = np.random.default_rng(1)
    product = 300.0 + 12.0 * ndimage.gaussian_filter(random.standard_normal((240, 320)), 2.0)
    ndvi = np.clip(0.5 + ndimage.gaussian_filter(random.standard_normal((240, 320)), 1.0), -1.0, 1.0)
    return product, block_mean(product) + 0.1, ndvi


def test_a_flat_scene_has_the_constant_and_the_level_alone() -> None:
    flat = np.full((80, 80), 300.0)
    deviation = uncertainty_k(flat, np.full((20, 20), 300.0), np.full((80, 80), 0.5), COEFFICIENTS)
    np.testing.assert_allclose(deviation, 0.95 * math.hypot(1.2, 0.25), rtol=1e-5)
    assert COEFFICIENTS.offset_part_k == pytest.approx(0.95 * 1.2)


def test_each_feature_raises_it(scene: tuple[FloatArray, FloatArray, FloatArray]) -> None:
    product, lst, ndvi = scene
    base = uncertainty_k(product, lst, ndvi, COEFFICIENTS)
    rougher = 300.0 + 2.0 * (product - 300.0)
    assert (uncertainty_k(rougher, block_mean(rougher) + 0.1, ndvi, COEFFICIENTS) > base).mean() > 0.95
    assert (uncertainty_k(product, lst + 1.0, ndvi, COEFFICIENTS) > base).all()
    assert (uncertainty_k(product, lst, 2.0 * ndvi - 0.5, COEFFICIENTS) > base).mean() > 0.95


def test_features_are_local_deviations(scene: tuple[FloatArray, FloatArray, FloatArray]) -> None:
    product, lst, ndvi = scene
    texture, ndvi_texture, residual = local_features(product, lst, ndvi)
    high = product - ndimage.gaussian_filter(product, 3.0)
    assert np.square(texture).mean() == pytest.approx(np.square(high).mean(), rel=0.03)
    high = ndvi - ndimage.gaussian_filter(ndvi, 3.0)
    assert np.square(ndvi_texture).mean() == pytest.approx(np.square(high).mean(), rel=0.03)
    assert 0.05 < residual.mean() < 0.5


def test_it_widens_towards_gaps_and_is_nothing_in_them(
    scene: tuple[FloatArray, FloatArray, FloatArray],
) -> None:
    product, lst, ndvi = (np.array(image) for image in scene)
    whole = uncertainty_k(product, lst, ndvi, COEFFICIENTS)
    product[120:140, 160:180], lst[30:35, 40:45] = np.nan, np.nan
    deviation = uncertainty_k(product, lst, ndvi, COEFFICIENTS)
    np.testing.assert_array_equal(np.isnan(deviation), np.isnan(product))
    assert deviation[119, 170] > whole[119, 170] + 0.1
    wide = replace(COEFFICIENTS, gap_k=0.0)
    excess = np.square(deviation) - np.square(uncertainty_k(product, lst, ndvi, wide))
    column = excess[100:120, 170]
    assert (np.diff(column) >= -1e-6).all() and column[0] < 0.01 and column[-1] > 0.3


def test_part_of_a_map_has_the_whole_maps_uncertainty(
    scene: tuple[FloatArray, FloatArray, FloatArray],
) -> None:
    product, lst, ndvi = scene
    whole = uncertainty_k(product, lst, ndvi, COEFFICIENTS)
    part = uncertainty_k(product[80:], lst[20:], ndvi[80:], COEFFICIENTS)
    np.testing.assert_allclose(part[64:], whole[144:], atol=1e-4)


def test_the_companions_networks_tell_theirs_and_no_paper_method_does() -> None:
    told = {name for name in METHODS if uncertainty_of(name) is not None}
    assert told == {
        "sc-unet-restored",
        "aster-unet",
        "aster-unet-levelled",
        "aster-unet-restored",
        "aster-unet-restored-levelled",
    }


# The level


LINE = Level(0.2, -0.3, -0.4, 307.0, 4.5, 3.0, 1.1)


def test_the_level_is_the_line_at_the_neighbourhoods_features() -> None:
    random = np.random.default_rng(2)
    lst = 310.0 + 2.0 * random.standard_normal((160, 160))
    difference = level.difference_k(lst, LINE)
    expected = 0.2 - 0.3 * (310.0 - 307.0) / 4.5 - 0.4 * (2.0 - 3.0) / 1.1
    assert difference.shape == (640, 640)
    assert difference[320, 320] == pytest.approx(expected, abs=0.05)
    assert LINE(310.0, 2.0) == pytest.approx(expected)


def test_gaps_do_not_move_the_level() -> None:
    random = np.random.default_rng(3)
    lst = 310.0 + 2.0 * random.standard_normal((160, 160))
    holed = np.where(random.random(lst.shape) < 0.2, np.nan, lst)
    away = np.abs(level.difference_k(holed, LINE) - level.difference_k(lst, LINE))
    assert away.max() < 0.1
