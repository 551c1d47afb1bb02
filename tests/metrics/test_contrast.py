"""Inverted fine contrast: closed-form cases, and a slow count cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from lstsr_core.metrics.contrast import Inversion, inversion

RANDOM = np.random.default_rng(4)
NDVI = RANDOM.standard_normal((60, 80))


def slow_low_pass(image: np.ndarray) -> np.ndarray:
    """G with MTF 0.1: Method 1's 9×9 Gaussian, reflected without repeating the edge."""
    sigma = np.sqrt(-np.log(0.1) / 2) / (np.pi * 0.125)
    y, x = np.mgrid[-4:5, -4:5]
    kernel = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    smooth: np.ndarray = ndimage.correlate(image, kernel / kernel.sum(), mode="mirror")
    return smooth


def slow_inversion(product_k: np.ndarray, aster_k: np.ndarray, ndvi: np.ndarray) -> Inversion:
    product, aster, vegetation = (image - slow_low_pass(image) for image in (product_k, aster_k, ndvi))
    cells = rising = inverted = 0
    for top in range(0, aster.shape[0] - 19, 20):
        for left in range(0, aster.shape[1] - 19, 20):
            part = np.s_[top : top + 20, left : left + 20]
            aster_correlation = np.corrcoef(aster[part].ravel(), vegetation[part].ravel())[0, 1]
            product_correlation = np.corrcoef(product[part].ravel(), vegetation[part].ravel())[0, 1]
            cells += 1
            rising += aster_correlation > 0.3
            inverted += aster_correlation > 0.3 and product_correlation < 0
    return Inversion(cells, int(rising), int(inverted))


def test_a_product_with_asters_detail_upside_down_is_inverted_everywhere() -> None:
    assert inversion(300.0 - 2.0 * NDVI, 310.0 + 3.0 * NDVI, NDVI) == Inversion(12, 12, 12)


def test_a_product_like_aster_is_inverted_nowhere() -> None:
    assert inversion(310.0 + 3.0 * NDVI, 310.0 + 3.0 * NDVI, NDVI) == Inversion(12, 12, 0)


def test_where_asters_detail_falls_with_ndvi_nothing_counts_as_inverted() -> None:
    assert inversion(300.0 - NDVI, 300.0 - NDVI, NDVI) == Inversion(12, 0, 0)


def test_each_cell_is_judged_by_itself() -> None:
    sign = np.kron(np.array([[1, -1, 1, 1], [1, 1, -1, 1], [-1, 1, 1, 1]]), np.ones((20, 20)))
    assert inversion(300.0 + sign * NDVI, 300.0 + NDVI, NDVI) == Inversion(12, 12, 3)
    assert inversion(300.0 - NDVI, 300.0 + sign * NDVI, NDVI) == Inversion(12, 9, 9)


@given(st.floats(0.1, 20.0), st.floats(0.1, 20.0), st.floats(-50.0, 50.0))
def test_gain_and_offset_change_nothing(product_gain: float, ndvi_gain: float, offset: float) -> None:
    random = np.random.default_rng(9)
    aster, product = 0.5 * NDVI + random.standard_normal(NDVI.shape), random.standard_normal(NDVI.shape)
    changed = inversion(product_gain * product + 300.0 + offset, aster, ndvi_gain * NDVI + offset)
    assert changed == inversion(product, aster, NDVI)


@pytest.mark.parametrize("shape", [(60, 80), (65, 50), (41, 97)])
def test_counts_are_those_of_a_slow_count(shape: tuple[int, int]) -> None:
    random = np.random.default_rng(17)
    ndvi = random.standard_normal(shape)
    strength = ndimage.gaussian_filter(random.standard_normal(shape), 10) * 12
    aster = 300.0 + strength * ndvi + random.standard_normal(shape)
    product = 300.0 + 0.1 * ndvi + random.standard_normal(shape)
    expected = slow_inversion(product, aster, ndvi)
    assert 0 < expected.rising < expected.cells
    assert inversion(product, aster, ndvi) == expected


@pytest.mark.parametrize("image", range(3))
def test_a_cell_with_a_hole_in_any_image_is_left_out(image: int) -> None:
    images = [300.0 - NDVI, 300.0 + NDVI, NDVI.copy()]
    images[image][30, 50] = np.nan  # the middle of a cell
    assert inversion(*images) == Inversion(11, 11, 11)


def test_images_smaller_than_a_cell_have_none() -> None:
    assert inversion(NDVI[:19], NDVI[:19], NDVI[:19]) == Inversion(0, 0, 0)
