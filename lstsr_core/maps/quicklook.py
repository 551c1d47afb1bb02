"""A picture of a map: its LST in colours with shorelines and
borders, for a look before any software is opened."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import cartopy.crs as ccrs
import numpy as np
from cartopy.mpl.geoaxes import GeoAxes
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch as LegendPatch

from lstsr_core.base.files import written_atomically
from lstsr_core.figures.files import styled
from lstsr_core.figures.panels import DIFFERENCE_COLOURS, LST_COLOURS, NO_VALUE_COLOUR, label
from lstsr_core.geo.grid import SPHERE_RADIUS_M
from lstsr_core.geo.raster import FloatArray, Raster, read_tags
from lstsr_core.geo.shorelines import lines
from lstsr_core.maps import cog
from lstsr_core.maps.area import extent_of

LARGEST_PIXELS = 1200
WHITE_REFLECTANCE, GAMMA = 0.35, 1.6
"""Of true colour: land reflects a tenth, and would be nearly black as it is."""
_SINUSOIDAL = ccrs.Sinusoidal(
    globe=ccrs.Globe(ellipse=None, semimajor_axis=SPHERE_RADIUS_M, semiminor_axis=SPHERE_RADIUS_M)
)
_FLAG_NAMES = ["valid", "cloud, fill", "no NDVI", "water", "untrained range", "outside", "not trained for"]
_FLAG_COLOURS = ["#009E73", "#BBBBBB", "#E69F00", "#56B4E9", "#D55E00", "#FFFFFF", "#F0E442"]


@styled
def write_quicklook(path: Path, picture: Path) -> None:
    """Draw a map's LST as a PNG, atomically.

    Raises
    ------
    InputError
        If the map cannot be read or the picture cannot be written.
    """
    figure = lst_map(path)
    with written_atomically(picture) as temporary:
        figure.savefig(temporary, metadata={"Software": None}, bbox_inches="tight")


@styled
def lst_map(path: Path) -> Figure:
    """A map's LST with shorelines and borders."""
    bands, transform, crs = cog.read_reduced(path, LARGEST_PIXELS)
    figure = Figure(figsize=(7.2, 6.0), layout="constrained")
    axes = figure.add_subplot(projection=_SINUSOIDAL)
    image = _draw(
        axes,
        Raster(bands[0], transform, crs),
        LST_COLOURS,
        _spread(bands[0]),
    )
    tags = read_tags(path)
    first, *others = tags.get("LSTSR_LST_GRANULE", "").split(", ")
    granules = f"{first} and {len(others)} more" if others else first
    axes.set_title(f"LST, 250 m: {label(tags.get('LSTSR_METHOD', ''))}\n{granules}")
    figure.colorbar(image, ax=axes, label="LST (K)", shrink=0.8)
    return figure


@styled
def quality_map(path: Path) -> Figure:
    """A map's consistency residual at 1 km, and its validity flag."""
    bands, transform, crs = cog.read_reduced(path, LARGEST_PIXELS)
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    residual, flags = (figure.add_subplot(1, 2, index, projection=_SINUSOIDAL) for index in (1, 2))
    _draw_residual(figure, residual, Raster(bands[1], transform, crs))
    _draw_flags(flags, Raster(bands[2], transform, crs))
    return figure


def _spread(values: FloatArray) -> Normalize:
    """Colours over all values but the outermost percent on either side."""
    return Normalize(*np.nanpercentile(values, [1.0, 99.0]))


def _draw_residual(figure: Figure, axes: GeoAxes, residual_k: Raster) -> None:
    magnitudes = np.abs(residual_k.values[np.isfinite(residual_k.values)])
    largest = float(np.percentile(magnitudes, 99.0)) if magnitudes.size else 1.0
    image = _draw(axes, residual_k, DIFFERENCE_COLOURS, Normalize(-largest, largest))
    axes.set_title("Degraded map − 1 km LST")
    figure.colorbar(image, ax=axes, label="residual (K)", location="bottom")


def _draw_flags(axes: GeoAxes, flags: Raster) -> None:
    edges = np.arange(len(_FLAG_NAMES) + 1) - 0.5
    _draw(axes, flags, ListedColormap(_FLAG_COLOURS), BoundaryNorm(edges, len(_FLAG_NAMES)))
    axes.set_title("Validity")
    handles = [
        LegendPatch(facecolor=c, edgecolor="#777777", label=n)
        for n, c in zip(_FLAG_NAMES, _FLAG_COLOURS, strict=True)
    ]
    axes.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.12), ncols=2)


@styled
def input_and_map(lst: Raster, path: Path) -> Figure:
    """The 1 km LST that a map was made of beside the map, in the same colours.

    Parameters
    ----------
    lst : Raster
        Of the map's area, kelvin.
    path : Path
        Of the map.
    """
    bands, transform, crs = cog.read_reduced(path, LARGEST_PIXELS)
    norm = _spread(bands[0])
    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    left, right = (figure.add_subplot(1, 2, index, projection=_SINUSOIDAL) for index in (1, 2))
    _draw(left, lst, LST_COLOURS, norm)
    left.set_title("What went in, 1 km")
    image = _draw(right, Raster(bands[0], transform, crs), LST_COLOURS, norm)
    right.set_title("The map, 250 m")
    figure.colorbar(image, ax=[left, right], label="LST (K)", location="bottom", shrink=0.6)
    return figure


@styled
def trust_map(path: Path) -> Figure:
    """A map's validity flag, and its uncertainty; of a method without one the residual at 1 km instead."""
    bands, transform, crs = cog.read_reduced(path, LARGEST_PIXELS)
    figure = Figure(figsize=(7.2, 4.4), layout="constrained")
    flags, right = (figure.add_subplot(1, 2, index, projection=_SINUSOIDAL) for index in (1, 2))
    _draw_flags(flags, Raster(bands[2], transform, crs))
    if len(bands) > 3:
        image = _draw(
            right,
            Raster(bands[3], transform, crs),
            "viridis",
            _spread(bands[3]),
        )
        right.set_title("Uncertainty, one deviation")
        figure.colorbar(image, ax=right, label="uncertainty (K)", location="bottom")
    else:
        _draw_residual(figure, right, Raster(bands[1], transform, crs))
    return figure


@styled
def true_colour_map(path: Path, bands: Sequence[Raster]) -> Figure:
    """A map's LST beside the reflectance of its day in the eye's colours.

    Parameters
    ----------
    path : Path
        Of the map.
    bands : three Raster
        Red, green and blue of the same tile, as `modis.granule.read_rgb` gives them.
    """
    values, transform, crs = cog.read_reduced(path, LARGEST_PIXELS)
    lst = Raster(values[0], transform, crs)
    figure = Figure(figsize=(7.2, 4.0), layout="constrained")
    left, right = (figure.add_subplot(1, 2, index, projection=_SINUSOIDAL) for index in (1, 2))
    image = _draw(left, lst, LST_COLOURS, _spread(lst.values))
    left.set_title("LST, 250 m")
    figure.colorbar(image, ax=left, label="LST (K)", location="bottom")
    to_pixels = ~bands[0].transform
    (first_column, first_row), (last_column, last_row) = (to_pixels @ corner for corner in _corners(lst))
    span = slice(math.floor(first_row + 0.01), math.ceil(last_row - 0.01))
    span_of_columns = slice(math.floor(first_column + 0.01), math.ceil(last_column - 0.01))
    parts = [band.crop(span, span_of_columns) for band in bands]
    colours = np.stack(
        [np.clip(part.values / WHITE_REFLECTANCE, 0.0, 1.0) ** (1.0 / GAMMA) for part in parts], axis=2
    )
    colours[np.isnan(colours).any(axis=2)] = to_rgb(NO_VALUE_COLOUR)
    right.imshow(
        colours, extent=_box(parts[0]), origin="upper", transform=_SINUSOIDAL, interpolation="nearest"
    )
    _frame(right, lst)
    right.set_title("True colour, 500 m")
    return figure


def _corners(raster: Raster) -> tuple[tuple[float, float], tuple[float, float]]:
    return (raster.left_m, raster.top_m), (raster.right_m, raster.bottom_m)


def _box(raster: Raster) -> tuple[float, float, float, float]:
    return raster.left_m, raster.right_m, raster.bottom_m, raster.top_m


def _draw(axes: GeoAxes, raster: Raster, colours: str | Colormap, norm: Normalize) -> AxesImage:
    image: AxesImage = axes.imshow(
        raster.values, extent=_box(raster), origin="upper", transform=_SINUSOIDAL, cmap=colours, norm=norm,
        interpolation="nearest",
    )  # fmt: skip
    _frame(axes, raster)
    return image


def _frame(axes: GeoAxes, raster: Raster) -> None:
    """The raster's extent with shorelines, borders and degrees."""
    axes.set_extent(_box(raster), crs=_SINUSOIDAL)
    axes.set_facecolor(NO_VALUE_COLOUR)
    degrees = ccrs.PlateCarree(globe=_SINUSOIDAL.globe)
    extent = extent_of(raster)
    for kind, width in (("shorelines", 0.9), ("borders", 0.5)):
        for line in lines(kind, extent) if extent is not None else ():
            axes.plot(line[:, 0], line[:, 1], transform=degrees, color="black", linewidth=width)
    grid = axes.gridlines(
        crs=degrees,
        draw_labels=["left", "bottom"],
        x_inline=False,
        y_inline=False,
        linewidth=0.4,
        color="#555555",
        alpha=0.5,
    )
    grid.xlabel_style = grid.ylabel_style = {"size": 8}
