"""A figure's files: PNG, SVG and PDF, drawn once, on white, and alike each time."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import matplotlib
import numpy as np
from IPython.display import Image
from matplotlib.collections import Collection
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image as Picture

from lstsr_core.base.files import written_atomically

PIXELS_PER_INCH = 150
PAGE_PIXELS_PER_INCH = 100
"""At which pages show a figure, so that 10 points are 14 pixels; its
PNG is half as fine again, for sharper screens."""

SUFFIXES = (".png", ".svg", ".pdf")
"""Of the files of a figure."""

_MOST_SHAPES = 500  # of a collection; more are drawn as pixels in SVG and PDF
_VECTOR_DPI = 120  # of what is pixels in SVG and PDF
_PADDING_IN = 0.08
_STYLE: Any = {  # matplotlib types the keys as a list of 300 literals
    "font.size": 10, "axes.titlesize": 10, "axes.titlelocation": "left", "axes.spines.top": False,
    "axes.spines.right": False, "axes.grid": True, "axes.axisbelow": True, "grid.alpha": 0.3,
    "legend.frameon": False, "legend.fontsize": 9, "svg.hashsalt": "lstsr", "svg.fonttype": "path",
    "figure.dpi": PIXELS_PER_INCH, "savefig.facecolor": "auto",
}  # fmt: skip

Function = TypeVar("Function", bound=Callable[..., Any])


def styled(function: Function) -> Function:
    """Draw with the companion's style, and leave the user's own as it is."""
    return matplotlib.rc_context(_STYLE)(function)


@styled
def show(figure: Figure, directory: Path, name: str) -> Image:
    """Write a figure as ``name.png``, ``name.svg`` and ``name.pdf``, and give back what a notebook displays.

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
        The PNG.

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
    return Image(filename=str(directory / f"{name}.png"))  # type: ignore[no-untyped-call]


def _save_png(figure: Figure, path: Path, box: Bbox) -> None:
    rendering = io.BytesIO()
    figure.savefig(rendering, format="png", bbox_inches=box, pil_kwargs={"compress_level": 0})
    # 256 colours a figure: none moves by more than some 1 %, and maps become files of a third of the size.
    picture = in_few_colours(Picture.open(rendering).convert("RGB"), 256)
    picture.save(path, "PNG", optimize=True)


def in_few_colours(picture: Picture.Image, colours: int) -> Picture.Image:
    """An RGB picture with a palette; its first pixel, which is the page around it, keeps its exact colour."""
    few = picture.quantize(colours, Picture.Quantize.MAXCOVERAGE, kmeans=1, dither=Picture.Dither.NONE)
    page, first, palette = picture.getpixel((0, 0)), few.getpixel((0, 0)), few.getpalette() or []
    assert isinstance(page, tuple) and isinstance(first, int)
    palette[3 * first : 3 * first + 3] = page
    few.putpalette(palette)
    return few
