"""The cover's picture: decoded from a viewer's script that is packed here value by value."""

import base64
import json
import re
import zlib
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from lstsr_book.teaser import middle, product_k, read_scene, teaser
from lstsr_core.base.errors import InputError

ROWS, COLUMNS, BASE_K, STEP_K = 100, 110, 270, 0.05


def packed(codes: list[list[int]]) -> str:
    """Each row as its first code and then the differences from the left neighbour, modulo 65536."""
    content = b"".join(
        ((code - (row[column - 1] if column else 0)) % 65536).to_bytes(2, "little")
        for row in codes
        for column, code in enumerate(row)
    )
    stream = zlib.compressobj(wbits=-15)
    return base64.b64encode(stream.compress(content) + stream.flush()).decode()


def write_scene(
    run: Path, scene: str, names: tuple[str, ...] = ("aster", "modis", "bicubic", "sif-cnn-sr1")
) -> np.ndarray:
    """A scene whose codes fall and rise, 0 among them; gives back the codes, alike for all products."""
    codes = [[(row * 37 + column * 91) % 401 for column in range(COLUMNS)] for row in range(ROWS)]
    products = [{"name": name, "label": name.upper(), "data": packed(codes)} for name in names]
    content = {
        "scene": scene, "rows": ROWS, "columns": COLUMNS, "pixel_m": 250.0, "step_k": STEP_K,
        "base_k": BASE_K, "limits_k": [270.0, 290.0], "products": products,
    }  # fmt: skip
    path = run / "11_atlas" / "scenes" / scene / "viewer.js"
    path.parent.mkdir(parents=True)
    told = (
        f"window.lstsrScenes = window.lstsrScenes || {{}};\nwindow.lstsrScenes[{json.dumps(scene)}] ="
        f" {json.dumps(content)};\n"
    )
    path.write_text(told, encoding="utf-8")
    return np.array(codes)


def test_values_come_back_in_kelvin(tmp_path: Path) -> None:
    codes = write_scene(tmp_path, "7")
    scene = read_scene(tmp_path / "11_atlas" / "scenes" / "7" / "viewer.js")
    temperatures_k = product_k(scene, scene["products"][0])
    assert np.isnan(temperatures_k[codes == 0]).all() and (codes == 0).any()
    np.testing.assert_allclose(temperatures_k[codes > 0], 270.0 + 0.05 * (codes[codes > 0] - 1), atol=1e-9)


def test_the_first_scene_is_shown_with_a_network_between_modis_and_aster(tmp_path: Path) -> None:
    codes = write_scene(tmp_path, "9")
    write_scene(tmp_path, "10")
    html = teaser(tmp_path, tmp_path / "source", synthetic=True)
    assert re.findall(r'src="_static/teaser/([^"]+)\.png"', html) == ["modis", "sif-cnn-sr1", "aster"]
    assert "the simulated scene 9" in html and "24 km across" in html and html.count('alt="What') == 3
    picture = np.asarray(Image.open(tmp_path / "source" / "_static" / "teaser" / "sif-cnn-sr1.png"))
    code = codes[2 + 50, 7 + 30]  # the middle 96 × 96 of 100 × 110; four pixels stand for one
    expected = np.round(np.array(matplotlib.colormaps["inferno"]((code - 1) * 0.05 / 20.0)[:3]) * 255)
    assert (picture[4 * 50 : 4 * 51, 4 * 30 : 4 * 31] == expected).all()
    assert picture.shape == (384, 384, 3)


@pytest.mark.parametrize("names", [(), ("aster", "bicubic"), ("aster", "modis")])
def test_a_run_without_the_images_has_no_picture(tmp_path: Path, names: tuple[str, ...]) -> None:
    if names:
        write_scene(tmp_path, "0", names)
    assert teaser(tmp_path, tmp_path / "source", synthetic=False) == ""


def test_a_broken_scene_is_named(tmp_path: Path) -> None:
    write_scene(tmp_path, "0")
    path = tmp_path / "11_atlas" / "scenes" / "0" / "viewer.js"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(InputError, match=r"viewer\.js: not readable as a scene"):
        teaser(tmp_path, tmp_path / "source", synthetic=False)


def test_a_small_image_is_shown_whole() -> None:
    assert middle(np.zeros((3, 200)), 96).shape == (3, 96)
