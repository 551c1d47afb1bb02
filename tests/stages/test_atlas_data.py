"""Scripts of scenes, read back by a decoder that knows the format's description alone."""

from __future__ import annotations

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st

from lstsr_core.base.errors import InputError
from lstsr_core.geo.raster import Raster
from lstsr_core.stages.atlas_data import scene_script
from worlds.atlas import decoded_k, read_script

GRID = Affine(231.65, 0.0, 500_000.0, 0.0, -231.65, 5_000_000.0)


def raster(values: object) -> Raster:
    return Raster(np.array(values, dtype=np.float64), GRID, "EPSG:32631")


@given(
    st.lists(
        st.lists(st.floats(200.0, 400.0) | st.just(float("nan")), min_size=4, max_size=4),
        min_size=1,
        max_size=5,
    )
)
def test_every_value_comes_back_to_half_a_step(rows: list[list[float]]) -> None:
    values = np.array([*rows, [300.0, 280.0, 301.5, 299.0]])
    content = read_script(scene_script("7", {"aster": raster(values)}, {"aster": "ASTER"}))
    np.testing.assert_allclose(decoded_k(content, "aster"), values, atol=0.5 * content["step_k"] + 1e-9)


def test_tenths_of_a_kelvin_come_back_exactly() -> None:
    values = np.arange(2731, 3231).reshape(20, 25) / 10.0
    content = read_script(scene_script("7", {"aster": raster(values)}, {"aster": "ASTER"}))
    np.testing.assert_allclose(decoded_k(content, "aster"), values, atol=1e-9)


def test_products_keep_their_order_labels_and_grid() -> None:
    products = {"aster": raster([[300.0, 301.0]]), "modis": raster([[299.0, float("nan")]])}
    content = read_script(scene_script("a b", products, {"aster": "ASTER", "modis": "1 km"}))
    assert [(product["name"], product["label"]) for product in content["products"]] == [
        ("aster", "ASTER"),
        ("modis", "1 km"),
    ]
    assert (content["rows"], content["columns"], content["pixel_m"], content["base_k"]) == (1, 2, 231.65, 299)
    np.testing.assert_allclose(decoded_k(content, "modis"), [[299.0, float("nan")]])
    low_k, high_k = content["limits_k"]
    assert 299.0 <= low_k < high_k <= 301.0


@pytest.mark.parametrize(
    ("images", "complaint"),
    [
        ([[[300.0]], [[300.0, 301.0]]], "one shape"),
        ([[[float("nan")]]], "no product holds a value"),
        ([[[200.0, 9000.0]]], "9000 K above 200 K"),
    ],
)
def test_what_cannot_be_packed_is_refused(images: list[list[list[float]]], complaint: str) -> None:
    products = {str(index): raster(image) for index, image in enumerate(images)}
    with pytest.raises(InputError, match=f"scene 7: .*{complaint}"):
        scene_script("7", products, {name: name for name in products})
