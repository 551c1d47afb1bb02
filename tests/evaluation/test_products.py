"""Products on disk: made once, read as made, made again where something that decides changes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.evaluation.products import (
    FOLDER,
    KeptProducts,
    Products,
    WrittenProducts,
    code_of_method,
    product_file,
    write_manifest,
)
from lstsr_core.evaluation.protocols import PROTOCOLS, Georeferenced, product_protocols
from lstsr_core.evaluation.side_studies import place_both_ways, vary
from lstsr_core.evaluation.spectra import spectra_of_pair
from lstsr_core.evaluation.table import evaluate_pair
from lstsr_core.geo.raster import FloatArray
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.networks.weights import PUBLISHED_STATISTICS, save_model
from lstsr_core.networks.weights_files import NETWORKS
from lstsr_core.pairs.pair import Pair, read_pair
from lstsr_core.sharpening.methods import METHODS, Method, Options

BOTH = product_protocols(list(PROTOCOLS))


def make(products: KeptProducts, pair: Pair, methods: list[str]) -> dict[Path, int]:
    """Products under both protocols; the inode of each file."""
    for protocol in BOTH:
        products.of(PROTOCOLS[protocol](pair), methods)
    return {
        path.relative_to(products.directory): path.stat().st_ino
        for path in sorted(products.directory.rglob("*.tif"))
    }


def remade(before: dict[Path, int], after: dict[Path, int]) -> set[str]:
    assert before.keys() == after.keys()
    return {path.stem for path in before if before[path] != after[path]}


def write(directory: Path, pair: Pair, options: Options, methods: list[str]) -> WrittenProducts:
    """What 04_sharpening leaves of one pair."""
    products, reasons = KeptProducts(options, directory / FOLDER), {}
    for protocol in BOTH:
        reasons[protocol] = {pair.id: products.of(PROTOCOLS[protocol](pair), methods)[1]}
    seen = {pair.id: {name: products.in_sample(pair, name) for name in methods}}
    write_manifest(directory, options, BOTH, methods, reasons, seen)
    return WrittenProducts(directory)


@pytest.fixture(scope="module")
def pair(run: Path) -> Pair:
    return read_pair(run / "01_download" / "pairs", "9")


@pytest.fixture(scope="module")
def options(random_weights: Path) -> Options:
    return Options(weights=random_weights, seed=3)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, pair: Pair, options: Options) -> WrittenProducts:
    return write(tmp_path_factory.mktemp("run") / "04_sharpening", pair, options, list(METHODS))


@pytest.mark.parametrize("protocol", BOTH)
@pytest.mark.parametrize("method", METHODS)
def test_a_product_is_read_as_it_was_made(
    written: WrittenProducts, pair: Pair, options: Options, protocol: str, method: str
) -> None:
    placement = PROTOCOLS[protocol](pair)
    made, read = Products(options).product(placement, method), written.product(placement, method)
    np.testing.assert_array_equal(read.values, made.values)
    assert (read.transform, read.crs, read.values.dtype) == (made.transform, made.crs, made.values.dtype)


@pytest.mark.parametrize("method", METHODS)
def test_a_product_is_the_methods_own_to_single_precision(pair: Pair, options: Options, method: str) -> None:
    placement = Georeferenced(pair)
    settings = placement.options(options)
    own_k = METHODS[method].sharpener(placement.pair.lst.values, placement.pair.ndvi.values, settings)
    np.testing.assert_allclose(
        Products(options).product(placement, method).values, own_k, rtol=0.0, atol=1.6e-5
    )


def test_a_file_is_a_georeferenced_image_of_kelvin(written: WrittenProducts, pair: Pair) -> None:
    placement = Georeferenced(pair)
    with rasterio.open(product_file(written.directory / FOLDER, placement, "tsharp")) as image:
        assert image.transform.almost_equals(written.product(placement, "tsharp").transform)
        assert image.crs.to_dict()["proj"] == "sinu"
        assert (image.tags()["LSTSR_METHOD"], image.tags()["UNITS"], image.dtypes) == (
            "tsharp",
            "K",
            ("float32",),
        )
        assert 200.0 < np.nanmean(image.read(1)) < 400.0


def test_what_is_read_is_judged_as_what_is_made(
    written: WrittenProducts, pair: Pair, options: Options
) -> None:
    products, methods = Products(options), ["bicubic", "dms", "sc-unet"]
    for read, anew in zip(
        evaluate_pair(pair, methods, BOTH, written), evaluate_pair(pair, methods, BOTH, products), strict=True
    ):
        np.testing.assert_equal(read, anew)
    assert spectra_of_pair(pair, BOTH, methods, written).equals(
        spectra_of_pair(pair, BOTH, methods, products)
    )
    np.testing.assert_equal(vary(pair, methods, BOTH, written), vary(pair, methods, BOTH, products))
    np.testing.assert_equal(place_both_ways(pair, methods, written), place_both_ways(pair, methods, products))


def test_a_product_that_is_there_is_not_made_again(pair: Pair, options: Options, tmp_path: Path) -> None:
    methods = list(METHODS)
    before = make(KeptProducts(options, tmp_path), pair, methods)
    assert len(before) == len(BOTH) * len(methods)
    assert remade(before, make(KeptProducts(options, tmp_path), pair, methods)) == set()


def test_other_weights_make_the_products_of_their_method_alone(
    pair: Pair, random_weights: Path, tmp_path: Path
) -> None:
    weights = shutil.copytree(random_weights, tmp_path / "weights")
    options, folder = Options(weights=weights), tmp_path / "kept"
    before = make(KeptProducts(options, folder), pair, list(METHODS))
    save_model(SharpeningUNet(), PUBLISHED_STATISTICS, weights / "sif-cnn-sr1.safetensors")
    assert remade(before, make(KeptProducts(options, folder), pair, list(METHODS))) == {"sif-cnn-sr1"}


def colder(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    return METHODS["tsharp"].sharpener(lst_k, ndvi, options) - 1.0


def test_another_function_makes_the_products_of_its_method_alone(
    pair: Pair, options: Options, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    products, methods = KeptProducts(options, tmp_path), ["bicubic", "tsharp", "atprk"]
    before = make(products, pair, methods)
    bicubic_k = products.product(Georeferenced(pair), "tsharp").values
    monkeypatch.setitem(METHODS, "atprk", Method("atprk", "ATPRK", colder))
    assert remade(before, make(products, pair, methods)) == {"atprk"}
    np.testing.assert_allclose(
        products.product(Georeferenced(pair), "atprk").values, bicubic_k - 1.0, atol=1e-4
    )


def test_the_code_of_a_method_is_what_it_calls() -> None:
    modules = {name: set(code_of_method(method)) for name, method in METHODS.items()}
    assert {name for name in modules if "lstsr_core.sharpening.dms" in modules[name]} == {"dms", "dms-local"}
    assert {name for name in modules if "lstsr_core.sharpening.kriging" in modules[name]} == {
        "atprk",
        "aatprk",
    }
    networks = {name for name in modules if "lstsr_core.networks.unet" in modules[name]}
    assert networks == set(NETWORKS)
    assert {"_network", "_model", "PATCH_COARSE_PIXELS"} <= modules["sc-unet"]
    assert "sc_unet" not in modules["sif-cnn-sr1"] and "PATCH_COARSE_PIXELS" not in modules["sif-cnn-sr1"]


def test_another_seed_or_image_makes_all_products_again(pair: Pair, tmp_path: Path) -> None:
    methods = ["bicubic", "dms"]
    before = make(KeptProducts(Options(), tmp_path), pair, methods)
    seeded = make(KeptProducts(Options(seed=1), tmp_path), pair, methods)
    assert remade(before, seeded) == set(methods)
    warmer = replace(pair, lst=pair.lst.with_values(pair.lst.values + 0.5))
    assert remade(seeded, make(KeptProducts(Options(seed=1), tmp_path), warmer, methods)) == set(methods)


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def edit(path: Path) -> None:
    with rasterio.open(path, "r+") as image:
        image.write(image.read(1) + np.float32(1.0), 1)


DAMAGES = [truncate, empty, flip, edit]


@pytest.fixture
def damaged(tmp_path: Path, pair: Pair) -> Iterator[tuple[WrittenProducts, Path]]:
    written = write(tmp_path / "sample" / "04_sharpening", pair, Options(), ["bicubic"])
    yield written, product_file(written.directory / FOLDER, Georeferenced(pair), "bicubic")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_product_is_refused_where_it_is_read_and_made_again_where_it_is_made(
    damaged: tuple[WrittenProducts, Path], pair: Pair, damage: object
) -> None:
    assert callable(damage)
    written, path = damaged
    whole_k = written.product(Georeferenced(pair), "bicubic").values
    damage(path)
    with pytest.raises(InputError) as refused:
        written.product(Georeferenced(pair), "bicubic")
    assert str(path) in str(refused.value) and "\n" not in str(refused.value)
    assert str(refused.value).endswith("04_sharpening makes it again: lstsr run --profile sample --from 04")
    products = KeptProducts(Options(), written.directory / FOLDER)
    np.testing.assert_array_equal(products.product(Georeferenced(pair), "bicubic").values, whole_k)
    np.testing.assert_array_equal(written.product(Georeferenced(pair), "bicubic").values, whole_k)


def test_a_missing_file_is_refused_with_the_command(
    damaged: tuple[WrittenProducts, Path], pair: Pair
) -> None:
    written, path = damaged
    path.unlink()
    with pytest.raises(
        InputError, match=r"bicubic\.tif: no such file.*lstsr run --profile sample --from 04$"
    ):
        written.product(Georeferenced(pair), "bicubic")


def test_a_product_of_another_image_is_refused(written: WrittenProducts, pair: Pair) -> None:
    warmer = replace(pair, lst=pair.lst.with_values(pair.lst.values + 0.5))
    with pytest.raises(
        InputError, match=r"made from another LST or NDVI than pair 9 has now; make it again: lstsr run"
    ):
        written.product(Georeferenced(warmer), "bicubic")


def test_a_method_without_a_product_keeps_its_reason(pair: Pair, tmp_path: Path) -> None:
    written = write(tmp_path, pair, Options(weights=tmp_path / "none"), ["bicubic", "sc-unet"])
    rasters, reasons = written.of(Georeferenced(pair), ["sc-unet", "bicubic"])
    assert list(rasters) == ["bicubic"] and reasons == {"sc-unet": "weights missing"}
    with pytest.raises(NoResult):
        written.product(Georeferenced(pair), "sc-unet")


def test_what_they_were_made_with_is_read_beside_them(
    pair: Pair, tmp_path: Path, random_weights: Path
) -> None:
    weights = tmp_path / "01_download" / "weights"
    save_model(
        SharpeningUNet(),
        PUBLISHED_STATISTICS,
        weights / "sc-unet.safetensors",
        {"data": {"seen": [pair.digest]}},
    )
    options = Options(weights=weights, seed=7)
    write(tmp_path / "04_sharpening", pair, options, ["bicubic", "sc-unet"])
    moved = tmp_path.parent / f"{tmp_path.name}-moved"
    tmp_path.rename(moved)
    written = WrittenProducts(moved / "04_sharpening")
    assert written.options.weights is not None
    assert (
        written.options.weights.resolve() == moved / "01_download" / "weights" and written.options.seed == 7
    )
    assert [written.in_sample(pair, name) for name in ("bicubic", "sc-unet")] == [None, True]
    written.check_weights()
    shutil.copy(random_weights / "sc-unet.safetensors", moved / "01_download" / "weights")
    with pytest.raises(
        InputError, match=r"not the weights that 04_sharpening took; make its products again: lstsr run"
    ):
        written.check_weights()


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"pairs": []}'])
def test_a_damaged_manifest_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "products.json").write_text(content)
    with pytest.raises(
        InputError, match=r"products\.json: not readable as a record of products .*write it again: lstsr"
    ):
        WrittenProducts(tmp_path)
