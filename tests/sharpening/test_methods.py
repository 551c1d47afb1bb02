"""The methods against closed forms, and against the published code's products."""

from __future__ import annotations

import copy
import hashlib
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

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.geo.grid import FINE_PIXEL_M
from lstsr_core.networks import weights_files as networks
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.networks.weights import PUBLISHED_STATISTICS, load_model, save_model
from lstsr_core.pairs.pair import Pair, align, read_pair
from lstsr_core.sharpening import methods as sharpeners
from lstsr_core.sharpening.dms import dms
from lstsr_core.sharpening.kriging import aatprk, atprk
from lstsr_core.sharpening.methods import METHODS, WEIGHTS_MISSING, Options, check_methods, sharpen_pair

NETWORKS = ["sc-unet", "sif-cnn-sr1", "sif-cnn-sr2"]

# The published code's products before any warp, in kelvin: mean, standard deviation, minimum, maximum, the
# values at row 100 column 100 and row 31 column 200, and the mean absolute difference of horizontal
# neighbours. (ATPRK, AATPRK and DMS have theirs in the tests of their modules.)
PUBLISHED_PRODUCTS = {
    ("0", "bicubic"): (303.8337, 3.6384, 296.3063, 316.7486, 300.3569, 306.4367, 0.3059),
    ("0", "tsharp"): (304.0819, 4.2613, 295.0824, 324.7060, 300.8819, 306.2471, 1.4241),
    ("0", "sc-unet"): (303.6977, 3.8555, 295.7419, 317.4214, 300.9164, 306.5708, 0.5022),
    ("0", "sif-cnn-sr1"): (303.7487, 3.9484, 295.7831, 319.7622, 300.9794, 307.3844, 0.8858),
    ("0", "sif-cnn-sr2"): (303.9543, 3.6239, 296.6903, 318.4241, 300.9294, 306.5652, 0.5702),
    ("57", "bicubic"): (308.8180, 2.8471, 299.8631, 318.8867, 312.7272, 303.9276, 0.3674),
    ("57", "tsharp"): (309.2642, 3.8193, 297.9779, 324.7065, 314.0530, 302.3305, 1.7208),
    ("57", "sc-unet"): (308.7415, 3.0385, 299.1092, 319.5184, 313.7247, 302.5051, 0.6426),
    ("57", "sif-cnn-sr1"): (308.6303, 3.7632, 296.6028, 323.6846, 314.8408, 301.5439, 1.3252),
    ("57", "sif-cnn-sr2"): (308.8029, 3.0679, 299.4765, 319.7078, 313.6247, 302.9863, 0.8661),
}

# The default of SC-Unet: the whole image at once, where the published code takes sixteen pieces.
PUBLISHED_WHOLE_SC_UNET = (303.6958, 3.8580, 295.6968, 317.3290, 300.9250, 306.6033, 0.5032)


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
    expected = torch.nn.functional.interpolate(planes, size=(48, 48), mode="bicubic", align_corners=False)[
        0, 0
    ].numpy()
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
    lst_k[0], lst_k[1, 2], ndvi[20, 20], ndvi[24:28, 8:12] = 265.0, np.nan, np.nan, np.nan
    # Where NDVI misses in part of a block, its mean is that of the rest.
    coarse_ndvi = block_means(ndvi)
    coarse_ndvi[5, 5] = np.nanmean(ndvi[20:24, 20:24])
    valid = np.isfinite(lst_k) & (lst_k > 273.0) & np.isfinite(coarse_ndvi)
    line = stats.linregress(coarse_ndvi[valid], lst_k[valid])
    fine_k = apply("tsharp", lst_k, ndvi)
    # Within a block the residual is constant, so neighbouring pixels differ by the slope alone.
    across = (fine_k[:, 1] - fine_k[:, 0]) / (ndvi[:, 1] - ndvi[:, 0])
    np.testing.assert_allclose(across, line.slope, atol=1e-6)
    assert np.nanmean(fine_k[20:24, 20:24]) == pytest.approx(lst_k[5, 5])
    gaps = np.isnan(ndvi) | np.repeat(np.repeat(np.isnan(lst_k), 4, axis=0), 4, axis=1)
    np.testing.assert_array_equal(np.isnan(fine_k), gaps)


def test_tsharps_published_variant_loses_the_sign_of_ndvi() -> None:
    lst_k, ndvi = random_scene(103)
    fourth_root = block_means(ndvi**4) ** 0.25
    line = stats.linregress(fourth_root.ravel(), lst_k.ravel())
    residual_k = lst_k - (line.intercept + line.slope * fourth_root)
    expected = line.intercept + line.slope * ndvi + np.repeat(np.repeat(residual_k, 4, axis=0), 4, axis=1)
    fine_k = METHODS["tsharp"].sharpener(lst_k, ndvi, Options(published=True))
    np.testing.assert_allclose(fine_k, expected, atol=1e-8)


@pytest.mark.parametrize("published", [None, False, True])
def test_kriging_and_dms_are_told_the_variant_the_seed_and_the_offset(published: bool | None) -> None:
    lst_k, ndvi = random_scene(104, size=16)
    options = Options(seed=3, published=published, rows_down=2, columns_right=1)
    variant = bool(published)
    for name, plain in (("atprk", atprk), ("aatprk", aatprk)):
        np.testing.assert_array_equal(
            METHODS[name].sharpener(lst_k, ndvi, options), plain(lst_k, ndvi, published=variant)
        )
    offset = {"rows_down": 2, "columns_right": 1} if variant else {}
    expected = dms(lst_k, ndvi, seed=3, published=variant, **offset)
    np.testing.assert_array_equal(METHODS["dms"].sharpener(lst_k, ndvi, options), expected)
    assert (expected != METHODS["dms"].sharpener(lst_k, ndvi, replace(options, seed=4))).any()


def test_sc_unet_runs_in_pieces_of_64_pixels_as_published_and_whole_else(
    synthetic_pair: Pair, random_weights: Path
) -> None:
    aligned = align(synthetic_pair)
    model = load_model(random_weights / "sc-unet.safetensors")
    upsampled_k, ndvi = sharpen_pair(aligned, "bicubic").values, aligned.ndvi.values
    for published, piece in ((None, None), (False, None), (True, 64)):
        image_k = sharpen_pair(aligned, "sc-unet", Options(random_weights, published=published)).values
        np.testing.assert_allclose(image_k, model.predict_k(upsampled_k, ndvi, piece), atol=1e-9)
    # The SIF networks have no variant.
    for name in ("sif-cnn-sr1", "sif-cnn-sr2"):
        both = [
            sharpen_pair(aligned, name, Options(random_weights, published=variant)).values
            for variant in (False, True)
        ]
        np.testing.assert_array_equal(*both)


def test_sharpened_products_lie_under_the_lst(synthetic_pair: Pair, random_weights: Path) -> None:
    aligned = align(synthetic_pair)
    for name in METHODS:
        product = sharpen_pair(aligned, name, Options(random_weights))
        assert (product.rows, product.columns) == (4 * aligned.lst.rows, 4 * aligned.lst.columns)
        assert product.pixel_width_m == pytest.approx(FINE_PIXEL_M)
        lst = aligned.lst
        assert (product.left_m, product.top_m) == pytest.approx((lst.left_m, lst.top_m))
        assert (product.right_m, product.bottom_m) == pytest.approx((lst.right_m, lst.bottom_m))


@pytest.mark.parametrize(
    ("lst_k", "ndvi", "message"),
    [
        (np.where(np.arange(1600).reshape(40, 40) < 9, 300.0, np.nan), None, "9 coarse pixels are valid"),
        (np.full((40, 40), 270.0), None, "0 coarse pixels are valid"),
        (None, np.full((160, 160), 0.5), "NDVI of all valid coarse pixels is the same"),
    ],
)  # fmt: skip
def test_scenes_that_cannot_be_regressed_are_named(
    synthetic_pair: Pair, lst_k: np.ndarray | None, ndvi: np.ndarray | None, message: str
) -> None:
    lst, fine = synthetic_pair.lst, synthetic_pair.ndvi
    pair = replace(
        synthetic_pair,
        lst=lst if lst_k is None else lst.with_values(lst_k),
        ndvi=fine if ndvi is None else fine.with_values(ndvi),
    )
    for name in ("tsharp", "atprk", "aatprk"):
        with pytest.raises(NoResult, match=message):
            sharpen_pair(pair, name)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_without_a_pixel_of_both_inputs_say_so(
    synthetic_pair: Pair, random_weights: Path, name: str
) -> None:
    lst_k, ndvi = synthetic_pair.lst.values.copy(), synthetic_pair.ndvi.values.copy()
    lst_k[:20], ndvi[80:] = np.nan, np.nan
    pair = replace(
        synthetic_pair, lst=synthetic_pair.lst.with_values(lst_k), ndvi=synthetic_pair.ndvi.with_values(ndvi)
    )
    with pytest.raises(NoResult, match="no pixel has both an LST and an NDVI"):
        sharpen_pair(pair, name, Options(random_weights))


@pytest.mark.parametrize("name", METHODS)
def test_a_pair_without_lst_where_it_is_asked_for_has_no_result(
    synthetic_pair: Pair, random_weights: Path, name: str
) -> None:
    """As what is cut out of a pair may be, though the pair as a whole may not."""
    part = copy.copy(synthetic_pair)
    object.__setattr__(
        part, "lst", synthetic_pair.lst.with_values(np.full_like(synthetic_pair.lst.values, np.nan))
    )
    with pytest.raises(NoResult, match="no coarse pixel has an LST"):
        sharpen_pair(part, name, Options(random_weights))


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_without_weights_say_so(
    synthetic_pair: Pair, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "PACKAGE_WEIGHTS", tmp_path / "none")
    for options in (None, Options(), Options(weights=tmp_path)):
        with pytest.raises(NoResult, match=WEIGHTS_MISSING):
            sharpen_pair(synthetic_pair, name, options)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_take_the_packages_weights_where_none_are_named(
    synthetic_pair: Pair, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(networks, "PACKAGE_WEIGHTS", tmp_path)
    save_model(network_that_returns(2.0), PUBLISHED_STATISTICS, tmp_path / f"{name}.safetensors")
    expected = PUBLISHED_STATISTICS.lst_mean_k + 2.0 * PUBLISHED_STATISTICS.lst_std_k
    np.testing.assert_allclose(sharpen_pair(synthetic_pair, name).values, expected, atol=1e-4)


def network_that_returns(level: float) -> SharpeningUNet:
    network = SharpeningUNet()
    torch.nn.init.zeros_(network.outlet.weight)
    torch.nn.init.constant_(network.outlet.bias, level)
    return network


@pytest.mark.parametrize("name", NETWORKS)
def test_each_network_runs_its_own_weights_and_notices_new_ones(
    synthetic_pair: Pair, tmp_path: Path, name: str
) -> None:
    for level, other in enumerate(NETWORKS):
        save_model(network_that_returns(level), PUBLISHED_STATISTICS, tmp_path / f"{other}.safetensors")
    mean_k, std_k = PUBLISHED_STATISTICS.lst_mean_k, PUBLISHED_STATISTICS.lst_std_k
    options = Options(weights=tmp_path)
    np.testing.assert_allclose(
        sharpen_pair(synthetic_pair, name, options).values, mean_k + NETWORKS.index(name) * std_k, atol=1e-4
    )

    path = tmp_path / f"{name}.safetensors"
    before = path.stat().st_mtime_ns
    save_model(network_that_returns(-1.0), PUBLISHED_STATISTICS, path)
    os.utime(path, ns=(before + 10**9, before + 10**9))  # a coarse clock must not hide the change
    np.testing.assert_allclose(sharpen_pair(synthetic_pair, name, options).values, mean_k - std_k, atol=1e-4)


def test_method_names_are_expanded_and_kept_in_order() -> None:
    papers = [name for name, method in METHODS.items() if method.source == "paper"]
    assert check_methods(["all"]) == papers == ["bicubic", "tsharp", "atprk", "aatprk", "dms", *NETWORKS]
    assert check_methods(["all", "dms-local"]) == [*papers, "dms-local"]
    assert check_methods(["tsharp", "bicubic", "tsharp"]) == ["tsharp", "bicubic"]
    companions = [
        "dms-local",
        "sc-unet-restored",
        "aster-unet",
        "aster-unet-levelled",
        "aster-unet-restored",
        "aster-unet-restored-levelled",
    ]
    assert [name for name in METHODS if name not in papers] == companions
    assert {METHODS[name].source for name in companions} == {"companion"}
    labels = [method.label for method in METHODS.values()]
    assert labels == [
        "Bicubic",
        "TsHARP",
        "ATPRK",
        "AATPRK",
        "DMS",
        "SC-Unet",
        "SIF-CNN-SR1",
        "SIF-CNN-SR2",
        "DMS, local",
        "SC-Unet, restored",
        "ASTER U-Net",
        "ASTER U-Net, ASTER's level",
        "ASTER U-Net, restored",
        "ASTER U-Net, restored, ASTER's level",
    ]
    purposes = {method.purpose for method in METHODS.values()}
    assert len(purposes) == len(METHODS) and "yours" not in purposes


@pytest.mark.parametrize("names", [["bicubic", "lanczos"], ["Bicubic"], []])
def test_unknown_methods_are_refused_with_the_known_ones(names: list[str]) -> None:
    with pytest.raises(InputError, match="known methods: bicubic, tsharp"):
        check_methods(names)


@pytest.fixture(scope="module")
def published_scene(published_pairs: Path) -> Callable[[str], Pair]:
    return cache(lambda pair_id: read_pair(published_pairs, pair_id))


def figures_of(fine_k: np.ndarray) -> tuple[float, ...]:
    steps = np.abs(np.diff(fine_k))
    return (
        fine_k.mean(),
        fine_k.std(),
        fine_k.min(),
        fine_k.max(),
        fine_k[100, 100],
        fine_k[31, 200],
        steps.mean(),
    )


@pytest.mark.parametrize(("scene", "method"), PUBLISHED_PRODUCTS)
def test_published_products_are_met(
    published_pairs: Path, published_scene: Callable[[str], Pair], scene: str, method: str
) -> None:
    """LST and NDVI as stored, not aligned, as the published code pairs them."""
    pair = published_scene(scene)
    options = Options(weights=published_pairs, published=True)
    figures = figures_of(METHODS[method].sharpener(pair.lst.values, pair.ndvi.values, options))
    assert figures == pytest.approx(PUBLISHED_PRODUCTS[scene, method], abs=1e-3)


def test_published_products_of_sc_unet_without_seams(
    published_pairs: Path, published_scene: Callable[[str], Pair]
) -> None:
    pair = published_scene("0")
    figures = figures_of(
        METHODS["sc-unet"].sharpener(pair.lst.values, pair.ndvi.values, Options(weights=published_pairs))
    )
    assert figures == pytest.approx(PUBLISHED_WHOLE_SC_UNET, abs=1e-3)


# Methods of the user's own


OWN = """
from lstsr_core.sharpening.methods import bicubic, method

@method("warmer", "Warmer")
def warmer(lst_k, ndvi, options):
    return bicubic(lst_k, ndvi, options) + 1.0
"""


@pytest.fixture
def load_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, str]]:
    """A function that loads methods from a source as if the environment named a file with it."""
    monkeypatch.setattr(sharpeners, "METHODS", dict(METHODS))

    def load(source: str) -> dict[str, str]:
        path = tmp_path / "my_method.py"
        path.write_text(source)
        monkeypatch.setenv(sharpeners.OWN_METHODS_VARIABLE, str(path))
        return sharpeners._own_methods()

    return load


def test_a_method_of_ones_own_joins_the_others(load_own: Callable[[str], dict[str, str]]) -> None:
    assert load_own(OWN) == {"warmer": hashlib.sha256(OWN.encode()).hexdigest()}
    assert list(sharpeners.METHODS) == [*METHODS, "warmer"]
    assert sharpeners.check_methods(["all"])[-1] == "warmer"
    lst_k, ndvi = random_scene(3)
    own, plain = (
        sharpeners.METHODS[name].sharpener(lst_k, ndvi, Options()) for name in ("warmer", "bicubic")
    )
    np.testing.assert_allclose(own, plain + 1.0)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            OWN.replace('"warmer"', '"bicubic"'),
            r"my_method\.py: there is a method 'bicubic' \(Warmer\) already",
        ),
        (OWN.replace('"Warmer"', '"DMS"'), r"my_method\.py: there is a method 'warmer' \(DMS\) already"),
        (OWN.replace('"warmer"', '"a,b"'), r"my_method\.py: 'a,b' cannot name a method"),
        (OWN.replace('"warmer"', '"aster"'), r"my_method\.py: 'aster' cannot name a method"),
        ("import no_such_module_at_all", r"my_method\.py: stopped with ModuleNotFoundError"),
        ("def broken(:", r"my_method\.py: stopped with SyntaxError"),
        ("x = 1", r"my_method\.py: registers no method"),
    ],
)
def test_a_file_that_gives_no_usable_method_is_refused(
    load_own: Callable[[str], dict[str, str]], source: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        load_own(source)


def test_a_missing_file_of_methods_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(sharpeners.OWN_METHODS_VARIABLE, str(tmp_path / "none.py"))
    with pytest.raises(InputError, match=r"none\.py: cannot be read .*LSTSR_METHODS names it"):
        sharpeners._own_methods()


def test_without_the_variable_there_are_the_papers_methods_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sharpeners.OWN_METHODS_VARIABLE, raising=False)
    assert sharpeners._own_methods() == {}
