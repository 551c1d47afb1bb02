"""A figure's files: PNG for light and for dark pages, SVG and PDF, drawn once and alike each time."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import matplotlib
import numpy as np
from cartopy.mpl.gridliner import Gridliner
from IPython.display import Image
from matplotlib.artist import Artist
from matplotlib.collections import Collection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from matplotlib.typing import ColorType, RGBAColorType
from PIL import Image as Picture

from lstsr_core.base.files import written_atomically

LIGHT_PAGE, DARK_PAGE, DARK_INK = "#ffffff", "#121212", "#e6e6e6"
"""Backgrounds of the book's theme, light and dark, and what black becomes on the dark one."""

LEAST_CONTRAST = 4.5
"""Of every colour with a dark page: what WCAG 2 asks of text."""

PIXELS_PER_INCH = 150
PAGE_PIXELS_PER_INCH = 100
"""At which pages show a figure, so that 10 points are 14 pixels; its PNG is half as fine again, for sharper screens."""

SUFFIXES = (".png", ".dark.png", ".svg", ".pdf")
"""Of the files of a figure."""

_MOST_SHAPES = 500  # of a collection; more are drawn as pixels in SVG and PDF
_VECTOR_DPI = 120  # of what is pixels in SVG and PDF
_PADDING_IN = 0.08
_STYLE: Any = {  # matplotlib types the keys as a list of 300 literals
    "font.size": 10, "axes.titlesize": 10, "axes.titlelocation": "left", "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "axes.axisbelow": True, "grid.alpha": 0.3, "legend.frameon": False, "legend.fontsize": 9,
    "svg.hashsalt": "lstsr", "svg.fonttype": "path", "figure.dpi": PIXELS_PER_INCH, "savefig.facecolor": "auto",
}  # fmt: skip

Function = TypeVar("Function", bound=Callable[..., Any])


def styled(function: Function) -> Function:
    """Draw with the companion's style, and leave the user's own as it is."""
    return matplotlib.rc_context(_STYLE)(function)


@styled
def show(figure: Figure, directory: Path, name: str) -> Image:
    """Write a figure as ``name.png``, ``name.svg``, ``name.pdf`` and ``name.dark.png``, and give back what a notebook displays.

    The figure is left in its dark colours.

    Parameters
    ----------
    figure : Figure
    directory : Path
        Made if it is not there.
    name : str
        Without a suffix.

    Returns
    -------
    Image
        The light PNG.

    Raises
    ------
    InputError
        If a file cannot be written.
    """
    for collection in figure.findobj(Collection):
        assert isinstance(collection, Collection)
        if max(np.shape(collection.get_offsets())[0], len(collection.get_paths())) > _MOST_SHAPES:
            collection.set_rasterized(True)
    figure.draw_without_rendering()  # lays the panels out, once for all files
    figure.set_layout_engine("none")
    box = figure.get_tightbbox().padded(_PADDING_IN)

    def save(suffix: str, **options: Any) -> None:
        with written_atomically(directory / f"{name}{suffix}") as temporary:
            if suffix.endswith(".png"):
                _save_png(figure, temporary, box)
            else:
                figure.savefig(temporary, format=suffix[1:], bbox_inches=box, dpi=_VECTOR_DPI, **options)

    save(".png")
    save(".svg", metadata={"Date": None})
    save(".pdf", metadata={"CreationDate": None})
    darken(figure)
    save(".dark.png")
    return Image(filename=str(directory / f"{name}.png"))  # type: ignore[no-untyped-call]


def _save_png(figure: Figure, path: Path, box: Bbox) -> None:
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", bbox_inches=box, pil_kwargs={"compress_level": 0})
    # 256 colours a figure: none moves by more than some 1 %, and maps become files of a third of the size.
    picture = in_few_colours(Picture.open(drawn).convert("RGB"), 256)
    picture.save(path, "PNG", optimize=True)


def in_few_colours(picture: Picture.Image, colours: int) -> Picture.Image:
    """An RGB picture with a palette; its first pixel, which is the page around it, keeps its exact colour."""
    few = picture.quantize(colours, Picture.Quantize.MAXCOVERAGE, kmeans=1, dither=Picture.Dither.NONE)
    page, first, palette = picture.getpixel((0, 0)), few.getpixel((0, 0)), few.getpalette() or []
    assert isinstance(page, tuple) and isinstance(first, int)
    palette[3 * first : 3 * first + 3] = page
    few.putpalette(palette)
    return few


def darken(figure: Figure) -> None:
    """Recolour a figure for a dark page; images, and what is drawn over them, stay as they are."""
    kept: set[Artist] = set()
    for axes in figure.axes:
        if axes.images:
            kept |= {axes.patch, *axes.lines, *axes.patches, *axes.texts, *axes.collections}
            kept |= set(legend.get_patches()) if (legend := axes.get_legend()) else set()
    for artist in figure.findobj():
        if artist in kept:
            continue
        if isinstance(artist, Text):
            artist.set_color(on_dark(artist.get_color()))
        elif isinstance(artist, Gridliner):
            for label in artist.label_artists:  # which findobj does not find
                label.set_color(on_dark(label.get_color()))
        elif isinstance(artist, Line2D):
            face, edge = artist.get_markerfacecolor(), artist.get_markeredgecolor()
            artist.set_color(on_dark(artist.get_color()))
            artist.set_markerfacecolor(on_dark(face))
            artist.set_markeredgecolor(on_dark(edge))
        elif isinstance(artist, Patch):
            face, edge = artist.get_facecolor(), artist.get_edgecolor()
            artist.set_facecolor(on_dark(face) if artist.get_fill() else face)
            if to_rgba(edge)[3] > 0.0:
                artist.set_edgecolor(on_dark(edge))
        elif isinstance(artist, Collection):
            _darken_collection(artist)


def _darken_collection(collection: Collection) -> None:
    faces, edges = np.asarray(collection.get_facecolor()), np.asarray(collection.get_edgecolor())
    if collection.get_array() is None and len(faces):
        collection.set_facecolor([on_dark(tuple(face)) for face in faces])
    if len(edges) and (collection.get_array() is None or len(edges) == 1):  # else they are the mapped values
        collection.set_edgecolor([on_dark(tuple(edge)) for edge in edges])


def on_dark(colour: ColorType) -> RGBAColorType:
    """What a colour becomes on a dark page: greys change places with the page, colours lighten until they stand out.

    Parameters
    ----------
    colour : colour
        Any that matplotlib knows.

    Returns
    -------
    tuple of four floats
        Red, green, blue and the colour's own opacity, 0 to 1.
    """
    red, green, blue, opacity = to_rgba(colour)
    if max(red, green, blue) - min(red, green, blue) < 0.05:
        ink, page = np.array(to_rgba(DARK_INK)[:3]), np.array(to_rgba(DARK_PAGE)[:3])
        shown = ink + (red + green + blue) / 3.0 * (page - ink)
    else:
        hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
        lighter = (colorsys.hls_to_rgb(hue, float(step), saturation) for step in np.linspace(lightness, 1.0, 101))
        shown = np.array(next(found for found in lighter if contrast(found, DARK_PAGE) >= LEAST_CONTRAST))
    return (float(shown[0]), float(shown[1]), float(shown[2]), opacity)


def contrast(one: ColorType, other: ColorType) -> float:
    """Contrast of two opaque colours, 1 to 21 (WCAG 2)."""
    dark, light = sorted(luminance(colour) for colour in (one, other))
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: ColorType) -> float:
    """Relative luminance of an opaque colour, 0 to 1 (WCAG 2)."""
    encoded = np.array(to_rgba(colour)[:3])
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
