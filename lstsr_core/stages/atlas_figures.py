"""Figures that only the atlas has, and how its figures are written: pixels once, their frame for light and for dark pages."""

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
from numpy.typing import NDArray
from PIL import Image

from lstsr_core.base.files import written_atomically
from lstsr_core.evaluation.protocols import Comparison
from lstsr_core.figures.files import darken, styled
from lstsr_core.figures.panels import DIFFERENCE_COLOURS, LST_COLOURS, _limits, _map, _panels, label
from lstsr_core.figures.tile_map import project, tile_map
from lstsr_core.geo.grid import Tile
from lstsr_core.geo.raster import FloatArray, Raster

LST_LABEL = "MODIS LST, 1 km"
LAYERS = ("pixels", "light", "dark")
"""What a figure is written as: what both looks share, and the frame that lies over it in each."""


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
    return _same_scale(rasters, LST_COLOURS, _limits(*(raster.values for raster in rasters.values())), "LST (K)")


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
    rasters |= {label(name): c.product.with_values(c.product.values - c.aster.values) for name, c in comparisons.items()}
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
    drawn = tile_map([tile])
    known = biases_k[biases_k.notna()]
    largest_k = float(known.abs().max()) if len(known) else 1.0
    polygons = {scene: Polygon(project(outline)) for scene, outline in footprints.items()}
    unknown = PatchCollection([polygons[scene] for scene in polygons if scene not in known.index], facecolor="#BBBBBB")
    coloured = PatchCollection([polygons[scene] for scene in polygons if scene in known.index], cmap="PuOr")
    coloured.set_norm(Normalize(-largest_k, largest_k))
    coloured.set_array(np.array([known[scene] for scene in polygons if scene in known.index]))
    for outlines in (unknown, coloured):
        outlines.set(edgecolor="black", linewidth=0.6, alpha=0.75, zorder=3.5)
        drawn.axes.add_collection(outlines, autolim=False)
    drawn.figure.colorbar(coloured, ax=drawn.axes, label="MODIS − ASTER at 1 km (K)", shrink=0.8)
    drawn.explain()
    return drawn.figure


@styled
def write_layers(figure: Figure, directory: Path, name: str, dpi: int = 100, quality: int | None = None) -> dict[str, int]:
    """Write a figure as three transparent WebP images that lie on one another: ``<name>_<layer>.webp``, one for each of `LAYERS`.

    Maps need most of the bytes and look alike on light and dark pages, so they are stored once.

    Parameters
    ----------
    figure : Figure
        Its colours are those of dark pages afterwards.
    directory : Path
    name : str
    dpi : int
    quality : int, optional
        Of the layer of pixels, 0 to 100; without it that is lossless. The frames are lossless, with 16 levels a channel.

    Returns
    -------
    dict
        ``width`` and ``height`` in pixels.
    """
    figure.set_dpi(dpi)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # is done; drawing twice more need not repeat it
    figure.patch.set_alpha(0.0)
    for panel in figure.axes:
        panel.patch.set_alpha(0.0)
        panel.set_axisbelow(True)  # a grid above hexagons, and their soft edges, would belong to the frames
        for painted in panel.collections:
            if painted.get_array() is not None:
                painted.set(antialiased=False, edgecolor="none", linewidth=0.0)
    light = _drawn(figure)
    darken(figure)
    dark = _drawn(figure)
    shared = (light == dark).all(axis=-1)
    layers = {"pixels": np.where(shared[..., None], light, 0)}
    layers |= {look: np.where(shared[..., None], 0, drawn // 17 * 17) for look, drawn in (("light", light), ("dark", dark))}
    for layer, values in layers.items():
        lossy = quality is not None and layer == "pixels"
        with written_atomically(directory / f"{name}_{layer}.webp") as temporary:
            Image.fromarray(values.astype(np.uint8)).save(
                temporary, "WEBP", lossless=not lossy, quality=quality if lossy else 80, method=4
            )
    height, width = shared.shape
    return {"width": width, "height": height}


def _drawn(figure: Figure) -> NDArray[np.uint8]:
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    return np.array(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
