"""One scene of the atlas: compared once, then drawn in five figures and packed for the viewer."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio.warp

from lstsr_core.base.files import written_atomically
from lstsr_core.evaluation.products import Products
from lstsr_core.evaluation.protocols import PROTOCOLS, Comparison
from lstsr_core.evaluation.spectra import spectra_of_images
from lstsr_core.evaluation.table import compare_all, compared_images
from lstsr_core.figures import panels
from lstsr_core.geo.raster import Raster
from lstsr_core.pairs.pair import Pair, read_pair
from lstsr_core.stages import atlas_figures
from lstsr_core.stages.atlas_data import scene_script

FIGURES = ("maps", "differences", "distributions", "densities", "spectra")
"""Names of a scene's figures, in the order of its page."""

SCENE_FILE, SCRIPT_FILE = "scene.json", "viewer.js"
_DPI = 80
"""At this, a pixel of the maps is about one of a page of 750 px; the viewer has them whole."""

_MAP_QUALITY = 50


@dataclass(frozen=True)
class AtlasRequest:
    """What a scene is drawn from beside its pair; alike for all of an atlas.

    Attributes
    ----------
    methods : tuple of str
    protocol : str
        A name in `evaluation.protocols.PROTOCOLS`.
    products : Products
        Where the methods' products come from.
    """

    methods: tuple[str, ...]
    protocol: str
    products: Products


@dataclass(frozen=True)
class SceneComparison:
    """Everything of a pair on one grid, that of the comparison with ASTER.

    Attributes
    ----------
    id : str
    lst : Raster or None
        The 1 km LST, each pixel of the grid with the nearest one's; None where nothing can be compared.
    comparisons : dict of str to Comparison
        By method, all over the rectangle that they share.
    reasons : dict of str to str
        Why a method has no comparison.
    published : bool
        Whether spectra are taken in their published variant.
    """

    id: str
    lst: Raster | None
    comparisons: dict[str, Comparison]
    reasons: dict[str, str]
    published: bool


def compare_scene(pair: Pair, request: AtlasRequest) -> SceneComparison:
    """Cut all products of a pair, ASTER and the 1 km LST to one grid."""
    placement = PROTOCOLS[request.protocol](pair)
    whole, reasons = compare_all(placement, request.methods, request.products)
    comparisons = _shared_extent(whole)
    grid = next((comparison.product for comparison in comparisons.values()), None)
    lst = None if grid is None else nearest_onto(placement.pair.lst, grid)
    return SceneComparison(pair.id, lst, comparisons, reasons, placement.published)


def _shared_extent(comparisons: dict[str, Comparison]) -> dict[str, Comparison]:
    """Products with gaps of their own, or each its own rectangle, are cut to what all of them cover."""
    if not comparisons:
        return {}
    products = [comparison.product for comparison in comparisons.values()]
    left_m, right_m = max(p.left_m for p in products), min(p.right_m for p in products)
    top_m, bottom_m = min(p.top_m for p in products), max(p.bottom_m for p in products)
    cut = {}
    for name, comparison in comparisons.items():
        product = comparison.product
        width_m, height_m = product.transform.a, -product.transform.e
        first_row, first_column = (
            round((product.top_m - top_m) / height_m),
            round((left_m - product.left_m) / width_m),
        )
        rows = slice(first_row, first_row + round((top_m - bottom_m) / height_m))
        columns = slice(first_column, first_column + round((right_m - left_m) / width_m))
        images = {
            part: getattr(comparison, part).crop(rows, columns) for part in ("product", "aster", "ndvi")
        }
        cut[name] = replace(comparison, **images)
    return cut


def nearest_onto(raster: Raster, grid: Raster) -> Raster:
    """The raster on another grid, each pixel with the value of the nearest one; NaN outside."""
    values = np.full(grid.values.shape, np.nan)
    rasterio.warp.reproject(
        raster.values.astype(np.float64), values, src_transform=raster.transform, src_crs=raster.crs,
        src_nodata=np.nan, dst_transform=grid.transform, dst_crs=grid.crs, dst_nodata=np.nan,
        resampling=rasterio.warp.Resampling.nearest,
    )  # fmt: skip
    return grid.with_values(values)


def draw_scene(pairs: Path, scene_id: str, directory: Path, request: AtlasRequest) -> dict[str, object]:
    """Write a scene's figures, ``viewer.js`` and ``scene.json``
    into a directory, which appears when complete.

    Parameters
    ----------
    pairs : Path
        Directory that the pair is read from.
    scene_id : str
    directory : Path
        Replaced if it is there.
    request : AtlasRequest

    Returns
    -------
    dict
        What ``scene.json`` holds: rows and columns of the shared grid, methods, reasons of
        those that are missing, and the width and height of each figure in pixels. A scene
        of which nothing can be compared has no figures.
    """
    scene = compare_scene(read_pair(pairs, scene_id), request)
    unfinished = directory.with_name(f".{directory.name}.part")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    sizes = {} if scene.lst is None else _write_scene(scene, scene.lst, unfinished)
    shape = (0, 0) if scene.lst is None else scene.lst.values.shape
    content: dict[str, object] = {
        "scene": scene.id, "rows": shape[0], "columns": shape[1], "methods": list(scene.comparisons),
        "reasons": scene.reasons, "figures": sizes,
    }  # fmt: skip
    with written_atomically(unfinished / SCENE_FILE) as temporary:
        temporary.write_text(
            json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
        )
    shutil.rmtree(directory, ignore_errors=True)
    unfinished.rename(directory)
    return content


def _write_scene(scene: SceneComparison, lst: Raster, directory: Path) -> dict[str, dict[str, int]]:
    comparisons, images = scene.comparisons, compared_images(scene.comparisons)
    spectra = spectra_of_images(images, scene.published)
    figures = {
        "maps": (atlas_figures.scene_maps(lst, comparisons), _MAP_QUALITY),
        "differences": (atlas_figures.differences_from_aster(lst, comparisons), _MAP_QUALITY),
        "distributions": (panels.distributions(comparisons), None),
        "densities": (panels.densities(comparisons), None),
        "spectra": (panels.spectra(spectra, "The nearer to ASTER, the better"), None),
    }
    sizes = {
        name: atlas_figures.write_image(figure, directory / f"{name}.webp", _DPI, quality)
        for name, (figure, quality) in figures.items()
    }
    rasters = {"aster": images["aster"], "modis": lst, **{name: images[name] for name in comparisons}}
    labels = {name: atlas_figures.LST_LABEL if name == "modis" else panels.label(name) for name in rasters}
    with written_atomically(directory / SCRIPT_FILE) as temporary:
        temporary.write_text(scene_script(scene.id, rasters, labels), encoding="utf-8")
    return sizes


def drawn_scenes(directory: Path, ids: Sequence[str]) -> pd.DataFrame:
    """What the ``scene.json`` of each scene below a directory
    tells: scene, rows, columns, products, status."""
    rows = []
    for scene_id in ids:
        content = json.loads((directory / scene_id / SCENE_FILE).read_text(encoding="utf-8"))
        reasons = "; ".join(dict.fromkeys(content["reasons"].values()))
        status = "ok" if content["methods"] else reasons
        rows.append([scene_id, content["rows"], content["columns"], len(content["methods"]), status])
    return pd.DataFrame(rows, columns=["scene", "rows", "columns", "products", "status"])
