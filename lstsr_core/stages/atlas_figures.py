"""Figures that only the atlas has, and how its figures are written: small images, one each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from PIL import Image

from lstsr_core.base.files import written_atomically
from lstsr_core.evaluation.protocols import Comparison
from lstsr_core.figures.files import in_few_colours, styled
from lstsr_core.figures.panels import DIFFERENCE_COLOURS, LST_COLOURS, _limits, _map, _panels, label
from lstsr_core.figures.tile_map import project, tile_map
from lstsr_core.geo.grid import Tile
from lstsr_core.geo.raster import FloatArray, Raster
from lstsr_core.metrics.names import COARSE_METRICS

LST_LABEL = "MODIS LST, 1 km"


@styled
def scene_maps(lst: Raster, comparisons: Mapping[str, Comparison]) -> Figure:
    """ASTER, the 1 km LST and every product on one grid, one colour bar.

    Parameters
    ----------
    lst : Raster
        The 1 km LST on the comparisons' grid.
    comparisons : mapping of str to Comparison
        All of one extent, by method.
    """
    rasters = {label("aster"): next(iter(comparisons.values())).aster, LST_LABEL: lst}
    rasters |= {label(name): comparison.product for name, comparison in comparisons.items()}
    return _same_scale(
        rasters, LST_COLOURS, _limits(*(raster.values for raster in rasters.values())), "LST (K)"
    )


@styled
def differences_from_aster(lst: Raster, comparisons: Mapping[str, Comparison]) -> Figure:
    """The 1 km LST and every product minus ASTER, on one symmetric scale.

    Parameters
    ----------
    lst, comparisons
        As `scene_maps` takes them.
    """
    aster_k = next(iter(comparisons.values())).aster.values
    rasters = {LST_LABEL: lst.with_values(lst.values - aster_k)}
    rasters |= {
        label(name): c.product.with_values(c.product.values - c.aster.values)
        for name, c in comparisons.items()
    }
    largest_k = max(float(np.nanpercentile(np.abs(raster.values), 98.0)) for raster in rasters.values())
    return _same_scale(rasters, DIFFERENCE_COLOURS, Normalize(-largest_k, largest_k), "product − ASTER (K)")


def _same_scale(rasters: Mapping[str, Raster], colours: str, norm: Normalize, quantity: str) -> Figure:
    figure, axes = _panels(len(rasters))
    for panel, (title, raster) in zip(axes, rasters.items(), strict=True):
        image = _map(panel, raster, colours, norm, title)
        panel.label_outer()
    figure.colorbar(image, ax=axes, label=quantity, aspect=40)
    return figure


@styled
def scene_map(footprints: Mapping[str, FloatArray], biases_k: pd.Series[float], tile: Tile) -> Figure:
    """Where the scenes lie, each footprint coloured by MODIS − ASTER at 1 km; grey where that is not known.

    Parameters
    ----------
    footprints : mapping of str to array of shape (points, 2)
        Each scene's outline, longitude and latitude in degrees.
    biases_k : Series
        By scene, in kelvin.
    tile : Tile
    """
    base_map = tile_map([tile])
    finite_k = biases_k[biases_k.notna()]
    largest_k = float(finite_k.abs().max()) if len(finite_k) else 1.0
    polygons = {scene: Polygon(project(outline)) for scene, outline in footprints.items()}
    unknown = PatchCollection(
        [polygons[scene] for scene in polygons if scene not in finite_k.index], facecolor="#BBBBBB"
    )
    coloured = PatchCollection(
        [polygons[scene] for scene in polygons if scene in finite_k.index], cmap="PuOr"
    )
    coloured.set_norm(Normalize(-largest_k, largest_k))
    coloured.set_array(np.array([finite_k[scene] for scene in polygons if scene in finite_k.index]))
    for outlines in (unknown, coloured):
        outlines.set(edgecolor="black", linewidth=0.6, alpha=0.75, zorder=3.5)
        base_map.axes.add_collection(outlines, autolim=False)
    base_map.figure.colorbar(
        coloured, ax=base_map.axes, label=COARSE_METRICS["coarse_bias_k"].axis, shrink=0.8
    )
    base_map.explain()
    return base_map.figure


@styled
def write_image(figure: Figure, path: Path, dpi: int = 100, quality: int | None = None) -> dict[str, int]:
    """Write a figure as a WebP image.

    Parameters
    ----------
    figure : Figure
    path : Path
    dpi : int
    quality : int, optional
        0 to 100, for maps; without it the image has up to 256 colours and is lossless.

    Returns
    -------
    dict
        ``width`` and ``height`` in pixels.
    """
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])  # type: ignore[no-untyped-call]
    with written_atomically(path) as temporary:
        if quality is None:
            in_few_colours(picture, 256).save(temporary, "WEBP", lossless=True, method=4)
        else:
            picture.save(temporary, "WEBP", quality=quality, method=4)
    return {"width": picture.width, "height": picture.height}
