"""The methods against closed forms, and against the published code's products."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lstsr_core import networks
from lstsr_core.errors import InputError, NoResult
from lstsr_core.grid import FINE_PIXEL_M
from lstsr_core.networks import PUBLISHED_STATISTICS, SharpeningUNet, save_model
from lstsr_core.pairs import Pair, align, read_pair
from lstsr_core.sharpeners import METHODS, WEIGHTS_MISSING, Options, check_methods, sharpen

NETWORKS = ["sc-unet", "sif-cnn-sr1", "sif-cnn-sr2"]

# The published code's products before any warp, in kelvin: mean, standard deviation, minimum, maximum, the values at row 100
# column 100 and row 31 column 200, and the mean absolute difference of horizontal neighbours.
PUBLISHED_PRODUCTS = {
    ("0", "bicubic"): (303.8337, 3.6384, 296.3063, 316.7486, 300.3569, 306.4367, 0.3059),
    ("0", "sc-unet"): (303.6958, 3.8580, 295.6968, 317.3290, 300.9250, 306.6033, 0.5032),
    ("0", "sif-cnn-sr1"): (303.7487, 3.9484, 295.7831, 319.7622, 300.9794, 307.3844, 0.8858),
    ("0", "sif-cnn-sr2"): (303.9543, 3.6239, 296.6903, 318.4241, 300.9294, 306.5652, 0.5702),
    ("57", "bicubic"): (308.8180, 2.8471, 299.8631, 318.8867, 312.7272, 303.9276, 0.3674),
    ("57", "sif-cnn-sr1"): (308.6303, 3.7632, 296.6028, 323.6846, 314.8408, 301.5439, 1.3252),
    ("57", "sif-cnn-sr2"): (308.8029, 3.0679, 299.4765, 319.7078, 313.6247, 302.9863, 0.8661),
}


def block_means(fine: np.ndarray) -> np.ndarray:
    return fine.reshape(fine.shape[0] // 4, 4, fine.shape[1] // 4, 4).mean(axis=(1, 3))


def apply(name: str, lst_k: np.ndarray, ndvi: np.ndarray) -> np.ndarray:
    return METHODS[name].sharpener(lst_k, ndvi, Options())


def random_scene(seed: int, size: int = 12) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    ndvi = generator.uniform(-0.2, 0.9, (4 * size, 4 * size))
    return 310.0 - 12.0 * block_means(ndvi) + generator.normal(0.0, 2.0, (size, size)), ndvi


def test_bicubic_is_torchs_and_takes_no_notice_of_ndvi() -> None:
    lst_k, ndvi = random_scene(100)
    planes = torch.from_numpy(lst_k)[None, None]
    expected = torch.nn.functional.interpolate(planes, size=(48, 48), mode="bicubic", align_corners=False)[0, 0].numpy()
    np.testing.assert_allclose(apply("bicubic", lst_k, ndvi), expected, atol=1e-9)
    np.testing.assert_array_equal(apply("bicubic", lst_k, ndvi), apply("bicubic", lst_k, -ndvi))


@given(st.floats(-30.0, 30.0), st.floats(285.0, 330.0))
def test_tsharp_recovers_a_landscape_that_follows_ndvi(slope: float, intercept: float) -> None:
    _, ndvi = random_scene(101)
    truth = intercept + slope * ndvi
    truth_coarse = block_means(truth)
    if truth_coarse.min() <= 273.0:
        return
    np.testing.assert_allclose(apply("tsharp", truth_coarse, ndvi), truth, atol=1e-8)


@given(st.integers(0, 2**32 - 1))
def test_tsharp_is_regression_plus_repeated_residual(seed: int) -> None:
    lst_k, ndvi = random_scene(seed)
    line = stats.linregress(block_means(ndvi).ravel(), lst_k.ravel())
    residual_k = lst_k - (line.intercept + line.slope * block_means(ndvi))
    expected = line.intercept + line.slope * ndvi + np.repeat(np.repeat(residual_k, 4, axis=0), 4, axis=1)
    fine_k = apply("tsharp", lst_k, ndvi)
    np.testing.assert_allclose(fine_k, expected, atol=1e-8)
    np.testing.assert_allclose(block_means(fine_k), lst_k, atol=1e-8)


def test_tsharp_regresses_on_valid_pixels_over_273_k_alone() -> None:
    lst_k, ndvi = random_scene(102)
    lst_k[0], lst_k[1, 2], ndvi[20, 20] = 265.0, np.nan, np.nan
    valid = np.isfinite(lst_k) & (lst_k > 273.0) & np.isfinite(block_means(ndvi))
    line = stats.linregress(block_means(ndvi)[valid], lst_k[valid])
    fine_k = apply("tsharp", lst_k, ndvi)
    # Within a block the residual is constant, so neighbouring pixels differ by the slope alone.
    across = (fine_k[:, 1] - fine_k[:, 0]) / (ndvi[:, 1] - ndvi[:, 0])
    np.testing.assert_allclose(across, line.slope, atol=1e-6)
    np.testing.assert_array_equal(np.isnan(block_means(fine_k)), np.isnan(lst_k) | np.isnan(block_means(ndvi)))


def test_sharpened_products_lie_under_the_lst(synthetic_pair: Pair) -> None:
    aligned = align(synthetic_pair)
    for name in ("bicubic", "tsharp"):
        product = sharpen(aligned, name)
        assert (product.rows, product.columns) == (4 * aligned.lst.rows, 4 * aligned.lst.columns)
        assert product.pixel_width_m == pytest.approx(FINE_PIXEL_M)
        lst = aligned.lst
        assert (product.left_m, product.top_m) == pytest.approx((lst.left_m, lst.top_m))
        assert (product.right_m, product.bottom_m) == pytest.approx((lst.right_m, lst.bottom_m))


@pytest.mark.parametrize(
    ("lst_k", "ndvi", "told"),
    [
        (np.where(np.arange(1600).reshape(40, 40) < 9, 300.0, np.nan), None, "9 coarse pixels are valid"),
        (np.full((40, 40), 270.0), None, "0 coarse pixels are valid"),
        (None, np.full((160, 160), 0.5), "NDVI of all valid coarse pixels is the same"),
    ],
)  # fmt: skip
def test_scenes_that_cannot_be_regressed_are_named(
    synthetic_pair: Pair, lst_k: np.ndarray | None, ndvi: np.ndarray | None, told: str
) -> None:
    lst, fine = synthetic_pair.lst, synthetic_pair.ndvi
    pair = replace(
        synthetic_pair,
        lst=lst if lst_k is None else lst.with_values(lst_k),
        ndvi=fine if ndvi is None else fine.with_values(ndvi),
    )
    with pytest.raises(NoResult, match=told):
        sharpen(pair, "tsharp")


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_without_weights_say_so(
    synthetic_pair: Pair, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "PACKAGE_WEIGHTS", tmp_path / "none")
    for options in (None, Options(), Options(weights=tmp_path)):
        with pytest.raises(NoResult, match=WEIGHTS_MISSING):
            sharpen(synthetic_pair, name, options)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_take_the_packages_weights_where_none_are_named(
    synthetic_pair: Pair, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "PACKAGE_WEIGHTS", tmp_path)
    save_model(network_that_returns(2.0), PUBLISHED_STATISTICS, tmp_path / f"{name}.safetensors")
    expected = PUBLISHED_STATISTICS.lst_mean_k + 2.0 * PUBLISHED_STATISTICS.lst_std_k
    np.testing.assert_allclose(sharpen(synthetic_pair, name).values, expected, atol=1e-4)


def network_that_returns(level: float) -> SharpeningUNet:
    network = SharpeningUNet()
    torch.nn.init.zeros_(network.outlet.weight)
    torch.nn.init.constant_(network.outlet.bias, level)
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_runs_its_own_weights_and_notices_new_ones(synthetic_pair: Pair, tmp_path: Path, name: str) -> None:
    for level, other in enumerate(NETWORKS):
        save_model(network_that_returns(level), PUBLISHED_STATISTICS, tmp_path / f"{other}.safetensors")
    mean_k, std_k = PUBLISHED_STATISTICS.lst_mean_k, PUBLISHED_STATISTICS.lst_std_k
    options = Options(weights=tmp_path)
    np.testing.assert_allclose(sharpen(synthetic_pair, name, options).values, mean_k + NETWORKS.index(name) * std_k, atol=1e-4)

    path = tmp_path / f"{name}.safetensors"
    before = path.stat().st_mtime_ns
    save_model(network_that_returns(-1.0), PUBLISHED_STATISTICS, path)
    os.utime(path, ns=(before + 10**9, before + 10**9))  # a coarse clock must not hide the change
    np.testing.assert_allclose(sharpen(synthetic_pair, name, options).values, mean_k - std_k, atol=1e-4)


def test_method_names_are_expanded_and_kept_in_order() -> None:
    assert check_methods(["all"]) == list(METHODS)
    assert check_methods(["tsharp", "bicubic", "tsharp"]) == ["tsharp", "bicubic"]
    assert {"bicubic", "tsharp", *NETWORKS} <= METHODS.keys()


@pytest.mark.parametrize("names", [["bicubic", "lanczos"], ["Bicubic"], []])
def test_unknown_methods_are_refused_with_the_known_ones(names: list[str]) -> None:
    with pytest.raises(InputError, match="known methods: bicubic, tsharp"):
        check_methods(names)


@pytest.fixture(scope="module")
def published_scene(published_pairs: Path) -> Callable[[str], Pair]:
    return cache(lambda pair_id: read_pair(published_pairs, pair_id))


@pytest.mark.parametrize(("scene", "method"), PUBLISHED_PRODUCTS)
def test_published_products_are_met(
    published_pairs: Path, published_scene: Callable[[str], Pair], scene: str, method: str
) -> None:
    """LST and NDVI as stored, not aligned, as the published code pairs them."""
    pair = published_scene(scene)
    fine_k = METHODS[method].sharpener(pair.lst.values, pair.ndvi.values, Options(weights=published_pairs))
    found = (
        fine_k.mean(), fine_k.std(), fine_k.min(), fine_k.max(), fine_k[100, 100], fine_k[31, 200], abs(np.diff(fine_k)).mean()
    )  # fmt: skip
    assert found == pytest.approx(PUBLISHED_PRODUCTS[scene, method], abs=1e-3)
