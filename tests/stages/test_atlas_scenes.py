"""One scene of the atlas: everything on one grid, and files that say what was compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lstsr_core.evaluation.products import Products
from lstsr_core.evaluation.protocols import Georeferenced
from lstsr_core.evaluation.table import compare_all
from lstsr_core.geo.raster import Raster
from lstsr_core.pairs.pair import Pair, read_pair, write_pair
from lstsr_core.sharpening.methods import Options, sharpen_pair
from lstsr_core.stages.atlas_scenes import FIGURES, AtlasRequest, compare_scene, draw_scene, nearest_onto
from worlds.atlas import decoded_k, read_script

REQUEST = AtlasRequest(("bicubic", "tsharp"), "georeferenced", Products(Options()))


@pytest.fixture(scope="module")
def drawn(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("atlas") / "9"
    draw_scene(run / "01_download" / "pairs", "9", directory, REQUEST)
    return directory


def test_a_scene_is_compared_as_in_the_evaluation(synthetic_pair: Pair) -> None:
    scene = compare_scene(synthetic_pair, REQUEST)
    comparisons, _ = compare_all(Georeferenced(synthetic_pair), REQUEST.methods, REQUEST.products)
    assert list(scene.comparisons) == list(comparisons) == list(REQUEST.methods) and scene.reasons == {}
    for name, comparison in comparisons.items():
        np.testing.assert_array_equal(scene.comparisons[name].product.values, comparison.product.values)
        np.testing.assert_array_equal(scene.comparisons[name].aster.values, comparison.aster.values)


def test_under_either_protocol_all_images_share_one_grid(synthetic_pair: Pair) -> None:
    for protocol in ("georeferenced", "published"):
        scene = compare_scene(synthetic_pair, replace(REQUEST, protocol=protocol))
        assert scene.lst is not None
        images = [
            raster
            for comparison in scene.comparisons.values()
            for raster in (comparison.product, comparison.aster, comparison.ndvi)
        ]
        assert {image.values.shape for image in [scene.lst, *images]} == {images[0].values.shape}
        assert {comparison.product.transform for comparison in scene.comparisons.values()} == {
            scene.lst.transform
        }


def test_a_product_with_a_gap_cuts_the_others_to_what_all_cover(synthetic_pair: Pair) -> None:
    """NDVI without a value in the north: TsHARP has none there either, bicubic goes on."""
    values = synthetic_pair.ndvi.values.copy()
    values[:60, :] = np.nan
    scene = compare_scene(replace(synthetic_pair, ndvi=synthetic_pair.ndvi.with_values(values)), REQUEST)
    whole = compare_scene(synthetic_pair, REQUEST)
    bicubic, tsharp = scene.comparisons["bicubic"], scene.comparisons["tsharp"]
    assert bicubic.product.rows < whole.comparisons["bicubic"].product.rows
    assert bicubic.product.values.shape == tsharp.product.values.shape
    assert tuple(bicubic.product.transform) == pytest.approx(tuple(tsharp.product.transform))
    aster = synthetic_pair.aster  # whose pixels, where the cut one lies, are those of the cut one
    down = round((aster.top_m - bicubic.aster.top_m) / aster.pixel_width_m)
    right = round((bicubic.aster.left_m - aster.left_m) / aster.pixel_width_m)
    for comparison in (bicubic, tsharp):
        there = aster.values[down : down + comparison.aster.rows, right : right + comparison.aster.columns]
        np.testing.assert_array_equal(comparison.aster.values, there)


def test_the_coarse_lst_keeps_its_own_values_on_the_fine_grid(synthetic_pair: Pair) -> None:
    scene = compare_scene(synthetic_pair, REQUEST)
    assert scene.lst is not None
    assert set(np.unique(scene.lst.values)) <= set(np.unique(synthetic_pair.lst.values))
    smooth = scene.comparisons["bicubic"].product.values
    assert np.corrcoef(scene.lst.values.ravel(), smooth.ravel())[0, 1] > 0.97


def test_nearest_takes_the_pixel_that_a_point_lies_in(synthetic_pair: Pair) -> None:
    lst = synthetic_pair.lst
    numbered = lst.with_values(np.arange(lst.values.size, dtype=np.float64).reshape(lst.values.shape))
    fine = Raster(
        np.zeros((4 * lst.rows, 4 * lst.columns)), lst.transform @ lst.transform.scale(0.25), lst.crs
    )
    numbers = nearest_onto(numbered, fine)
    np.testing.assert_array_equal(numbers.values, numbered.values.repeat(4, axis=0).repeat(4, axis=1))


def test_a_drawn_scene_has_its_figures_and_tells_of_them(drawn: Path) -> None:
    content = json.loads((drawn / "scene.json").read_text())
    images = {f"{figure}.webp" for figure in FIGURES}
    assert {path.name for path in drawn.iterdir()} == images | {"scene.json", "viewer.js"}
    assert (content["scene"], content["methods"], content["reasons"]) == ("9", ["bicubic", "tsharp"], {})
    for figure in FIGURES:
        with Image.open(drawn / f"{figure}.webp") as image:
            assert image.size == (content["figures"][figure]["width"], content["figures"][figure]["height"])


def test_the_viewers_numbers_are_those_that_were_compared(drawn: Path, run: Path) -> None:
    content = read_script((drawn / "viewer.js").read_text())
    scene = compare_scene(read_pair(run / "01_download" / "pairs", "9"), REQUEST)
    assert scene.lst is not None
    first = scene.comparisons["bicubic"]
    expected = {
        "aster": first.aster,
        "modis": scene.lst,
        "bicubic": first.product,
        "tsharp": scene.comparisons["tsharp"].product,
    }
    assert [product["name"] for product in content["products"]] == list(expected)
    assert [product["label"] for product in content["products"]] == [
        "ASTER",
        "MODIS LST, 1 km",
        "Bicubic",
        "TsHARP",
    ]
    for name, raster in expected.items():
        np.testing.assert_allclose(
            decoded_k(content, name), raster.values, atol=0.5 * content["step_k"] + 1e-9
        )
    pixels = content["rows"] * content["columns"] * len(expected)
    assert (
        drawn / "viewer.js"
    ).stat().st_size < 1.5 * pixels  # bytes; two a pixel before packing, and a third for base64


def test_a_scene_is_the_same_bytes_again(drawn: Path, run: Path, tmp_path: Path) -> None:
    draw_scene(run / "01_download" / "pairs", "9", tmp_path / "9", REQUEST)
    for path in drawn.iterdir():
        assert (tmp_path / "9" / path.name).read_bytes() == path.read_bytes(), path.name
    assert [path.name for path in tmp_path.iterdir()] == ["9"]


def test_a_scene_of_which_nothing_can_be_compared_says_why(synthetic_pair: Pair, tmp_path: Path) -> None:
    pair = replace(synthetic_pair, id="5", aster=synthetic_pair.aster.crop(slice(0, 70), slice(60, 140)))
    write_pair(pair, tmp_path / "pairs")
    content = draw_scene(tmp_path / "pairs", "5", tmp_path / "5", REQUEST)
    assert content["methods"] == [] and content["figures"] == {}
    assert set(content["reasons"]) == {"bicubic", "tsharp"}  # type: ignore[call-overload]
    assert [path.name for path in (tmp_path / "5").iterdir()] == ["scene.json"]


def test_a_method_without_weights_is_left_out_with_its_reason(synthetic_pair: Pair, tmp_path: Path) -> None:
    request = AtlasRequest(("bicubic", "sc-unet"), "georeferenced", Products(Options(weights=tmp_path)))
    scene = compare_scene(synthetic_pair, request)
    assert list(scene.comparisons) == ["bicubic"] and scene.reasons == {"sc-unet": "weights missing"}


def test_what_the_grid_shows_of_a_product_is_where_the_product_has_it(synthetic_pair: Pair) -> None:
    """Warped back onto its own grid, the cut product is the product, but for what two interpolations blur."""
    scene = compare_scene(synthetic_pair, REQUEST)
    fine = sharpen_pair(Georeferenced(synthetic_pair).pair, "bicubic")
    back = scene.comparisons["bicubic"].product.warp_onto(fine).values
    inside = np.isfinite(back)
    assert inside.sum() > 1000
    assert np.sqrt(np.mean((back[inside] - fine.values[inside]) ** 2)) < 0.1
