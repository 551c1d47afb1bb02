"""The picture on the cover: a scene at 1 km, sharpened, and as ASTER saw it, from the atlas's data."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image

from lstsr_book.markup import render
from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.geo.raster import FloatArray
from lstsr_core.networks.weights_files import PUBLISHED_CHECKPOINTS

ATLAS = "11_atlas"
SCENE_FILE = "viewer.js"
FOLDER = "_static/teaser"
SHOWN_PIXELS = 96
"""Fine pixels along each side of the cut from the middle of the scene; 24 km."""

_ENLARGED = 4
_MISSING = (128, 128, 128)


def teaser(run: Path, source: Path, synthetic: bool) -> str:
    """Write the cover's images into the book's source and return their HTML.

    Parameters
    ----------
    run : Path
        Whose first scene of the atlas is shown.
    source : Path
        The book's source folder.
    synthetic : bool
        Whether the caption says that the scene is simulated.

    Returns
    -------
    str
        A ``<figure>``; empty where the run has no atlas or its first scene lacks one of the images.

    Raises
    ------
    InputError
        If the scene's data cannot be read.
    """
    path = min((run / ATLAS).rglob(SCENE_FILE), key=_by_number, default=None)
    if path is None:
        return ""
    scene = read_scene(path)
    products = {product["name"]: product for product in scene["products"]}
    networks = (*PUBLISHED_CHECKPOINTS, "tsharp", "bicubic")
    sharpened = next((name for name in networks if name in products), None)
    if sharpened is None or not {"modis", "aster"} <= set(products):
        return ""
    texts = {
        "modis": ("What goes in", "MODIS, pixels of 1 km"),
        sharpened: ("What comes out", f"{products[sharpened]['label']}, 250 m"),
        "aster": ("What it is judged by", "ASTER, 250 m"),
    }
    panels = []
    for name, (role, label) in texts.items():
        image = f"{FOLDER}/{name}.png"
        _save(middle(product_k(scene, products[name]), SHOWN_PIXELS), scene["limits_k"], source / image)
        panels.append({"image": image, "role": role, "label": label})
    low_k, high_k = scene["limits_k"]
    return render(
        "teaser.html",
        panels=panels,
        side=_ENLARGED * SHOWN_PIXELS,
        scene=scene["scene"],
        synthetic=synthetic,
        width_km=f"{SHOWN_PIXELS * scene['pixel_m'] / 1e3:.0f}",
        low_k=f"{low_k:.0f}",
        high_k=f"{high_k:.0f}",
    )


def _by_number(path: Path) -> tuple[int, str]:
    name = path.parent.name
    return (int(name) if name.isdigit() else 10**9, name)


def read_scene(path: Path) -> dict[str, Any]:
    """What the viewer's script of a scene holds."""
    try:
        content: dict[str, Any] = json.loads(
            path.read_text(encoding="utf-8").partition("] = ")[2].strip().rstrip(";")
        )
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: not readable as a scene of the viewer ({error}). Run the atlas again."
        ) from error
    return content


def product_k(scene: dict[str, Any], product: dict[str, Any]) -> FloatArray:
    """One product in kelvin, of shape (rows, columns), north first; NaN is no value."""
    packed = zlib.decompress(base64.b64decode(product["data"]), wbits=-15)
    steps = np.frombuffer(packed, "<u2").reshape(scene["rows"], scene["columns"])
    coded = np.cumsum(steps, axis=1, dtype=np.uint16)
    return np.where(coded == 0, np.nan, scene["base_k"] + scene["step_k"] * (coded.astype(np.float64) - 1.0))


def middle(values: FloatArray, side: int) -> FloatArray:
    """The middle of an image, at most `side` pixels high and wide."""
    first_row, first_column = (max(0, (length - side) // 2) for length in values.shape)
    return values[first_row : first_row + side, first_column : first_column + side]


def _save(values_k: FloatArray, limits_k: tuple[float, float], path: Path) -> None:
    low_k, high_k = limits_k
    share = np.clip((np.nan_to_num(values_k, nan=low_k) - low_k) / (high_k - low_k), 0.0, 1.0)
    colours = (matplotlib.colormaps["inferno"](share)[..., :3] * 255).round().astype(np.uint8)
    colours[np.isnan(values_k)] = _MISSING
    with written_atomically(path) as temporary:
        Image.fromarray(colours.repeat(_ENLARGED, axis=0).repeat(_ENLARGED, axis=1)).save(
            temporary, "PNG", optimize=True
        )
