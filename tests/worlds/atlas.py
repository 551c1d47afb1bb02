"""What 11_atlas leaves of two scenes, small and with known numbers, for tests of the book."""

from __future__ import annotations

import base64
import json
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from affine import Affine
from matplotlib.figure import Figure

from lstsr_core.geo.raster import Raster
from lstsr_core.stages.atlas_data import scene_script
from lstsr_core.stages.atlas_figures import write_image
from lstsr_core.stages.atlas_scenes import FIGURES

METHODS = ["bicubic", "tsharp"]


def write_atlas_results(run: Path) -> None:
    """Scenes 0 and 57, which the run's 06_aster_evaluation has; footprints go to 01_download."""
    atlas = run / "11_atlas"
    columns = {
        "scene": ["0", "57"], "longitude": [4.5, -0.25], "latitude": [44.0, 45.5], "utm_zone": 31,
        "ndvi_rows_down": [0, 3], "ndvi_columns_right": [0, 1], "season": "unknown",
        "coarse_bias_k": [0.5, -1.25], "coarse_rmse_k": [1.0, 1.5], "rows": 120, "columns": 160,
        "products": 2, "status": "ok", "published_status": "",
    }  # fmt: skip
    pd.DataFrame(columns).to_csv(atlas / "scenes.csv", index=False)
    (atlas / "metrics.csv").write_bytes((run / "06_aster_evaluation" / "metrics.csv").read_bytes())
    features = []
    for scene, longitude, latitude in zip(
        columns["scene"], columns["longitude"], columns["latitude"], strict=True
    ):  # type: ignore[call-overload]
        _write_scene(atlas / "scenes" / scene, scene)
        west, east, south, north = longitude - 0.4, longitude + 0.4, latitude - 0.3, latitude + 0.3
        outline = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        geometry = {"type": "Polygon", "coordinates": [outline]}
        features.append({"type": "Feature", "properties": {"scene": scene}, "geometry": geometry})
    content = {"type": "FeatureCollection", "features": features}
    (run / "01_download" / "footprints.geojson").write_text(json.dumps(content))


def _write_scene(directory: Path, scene: str) -> None:
    sizes = {}
    for name in FIGURES:
        figure = Figure(figsize=(0.8, 0.4))
        figure.subplots().imshow([[0.0, 1.0]])
        sizes[name] = write_image(figure, directory / f"{name}.webp")
    content = {
        "scene": scene,
        "rows": 120,
        "columns": 160,
        "methods": METHODS,
        "reasons": {},
        "figures": sizes,
    }
    (directory / "scene.json").write_text(json.dumps(content))
    grid = Affine(231.65, 0.0, 500_000.0, 0.0, -231.65, 5_000_000.0)
    raster = Raster(300.0 + np.arange(12.0).reshape(3, 4), grid, "EPSG:32631")
    names = ["aster", "modis", *METHODS]
    script = scene_script(scene, dict.fromkeys(names, raster), {name: name.title() for name in names})
    (directory / "viewer.js").write_text(script)


def read_script(script: str) -> dict[str, Any]:
    """What a script sets ``window.lstsrScenes[…]`` to."""
    first, second, rest = script.split("\n")
    assert first == "window.lstsrScenes = window.lstsrScenes || {};" and rest == ""
    match = re.fullmatch(r'window\.lstsrScenes\[("[^"]*")\] = (\{.*\});', second)
    assert match is not None
    content: dict[str, Any] = json.loads(match[2])
    assert content["scene"] == json.loads(match[1])
    return content


def decoded_k(content: dict[str, Any], name: str) -> np.ndarray:
    """A product in kelvin, pixel by pixel in plain Python."""
    (product,) = [product for product in content["products"] if product["name"] == name]
    stream = zlib.decompress(base64.b64decode(product["data"]), wbits=-15)
    rows, columns = content["rows"], content["columns"]
    stored = struct.unpack(f"<{rows * columns}H", stream)
    values = []
    for row in range(rows):
        coded = 0
        for column in range(columns):
            coded = (coded + stored[row * columns + column]) % 65536
            values.append(content["base_k"] + content["step_k"] * (coded - 1) if coded else float("nan"))
    return np.array(values).reshape(rows, columns)
