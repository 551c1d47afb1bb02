"""The book's figures: each with its number, caption, origin and files, and the list of all of them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from lstsr_book.markup import RESULTS_FOLDER, listed, part
from lstsr_core.base.errors import InputError
from lstsr_core.figures.files import PAGE_PIXELS_PER_INCH, PIXELS_PER_INCH, SUFFIXES, in_few_colours
from lstsr_core.stages.parameters import BY_NOTEBOOK

FIGURES_FOLDER = "_static/figures"
_TEMPLATE = "figure.md"
THUMBNAIL_PX = 320

PAPER_LIST = {
    1: "Architecture of the network",
    2: "Flow chart of the study",
    3: "Study area: the tile and the ASTER footprints",
    4: "An example pair: LST at 1 km, NDVI and ASTER's LST at 250 m",
    5: "In which seasons the training patches were taken",
    6: "LST against NDVI over the training patches",
    7: "Training and validation curves of each network",
    8: "Maps of one scene: ASTER and every method",
    9: "Distributions of temperature and of its fine detail in one scene",
    10: "Every method against ASTER in one scene, pixel by pixel",
    11: "Attenuation spectra of one scene, and their mean over the scenes",
    12: "Metrics against the disagreement of MODIS and ASTER at 1 km",
    13: "Table of all metrics",
    14: "Ablation",
}
"""What the companion reproduces of the paper, in the paper's order."""

_REMARKS = {
    5: "The published pairs carry no dates; in their edition the distribution of mean LST stands in for the "
    "seasons.",
    11: "The sixth notebook's metrics FRR, FRO and FRU are sums over these curves.",
    12: "The paper's third panel, against the time between the acquisitions, cannot be made: the published "
    "data carry no times.",
    13: "A table, not a figure: means on [the page of results](results.md), and there every metric with its "
    "mean, standard deviation, 10 %, quartiles and 90 % for each method; the main ones in "
    "[the sixth notebook](06_aster_evaluation.ipynb).",
    14: "The sweep is over α, γ and the network's upsampling, on the published pairs, in every edition.",
}
_BY_SCENE, _TABLE = (8, 9, 10, 11), 13


@dataclass(frozen=True)
class BookFigure:
    """One figure of a run as the book shows it.

    Attributes
    ----------
    notebook : str
    position : int
        Of the notebook's cell that shows the figure, from 1.
    name : str
        Stem of its files in the notebook's directory.
    number : int
        In the book's running order, from 1.
    paper : int or None
        Its number in `PAPER_LIST`.
    caption, alt : str
        Markdown, and plain text.
    data : list of str
        Tables of its numbers in the notebook's directory.
    width_px, height_px : int
        At which a page shows it.
    """

    notebook: str
    position: int
    name: str
    number: int
    paper: int | None
    caption: str
    alt: str
    data: list[str]
    width_px: int
    height_px: int

    @property
    def folder(self) -> str:
        """Of its files, as a page beside ``_static`` names it."""
        return f"{FIGURES_FOLDER}/{self.notebook}"

    def height_at(self, width_px: int) -> int:
        """Its height in pixels where it is so wide."""
        return round(self.height_px * width_px / self.width_px)

    def markdown(self, origin: str) -> str:
        """The figure with its caption as MyST, for a page beside ``_static``; `origin`: how it was made."""
        return part("page", self, origin, f"{RESULTS_FOLDER}/{self.notebook}", template=_TEMPLATE)


def collect(run: Path, notebooks: Path, names: Sequence[str]) -> list[BookFigure]:
    """The figures of a run's notebooks, numbered in their order.

    Parameters
    ----------
    run : Path
        A run's directory.
    notebooks : Path
        The project's notebooks; where a cell's code is still the same, its captions there hold, so that they
        can be mended
        without a run.
    names : sequence of str
        Notebooks, in the book's order.

    Raises
    ------
    InputError
        If a cell failed, or shows a figure without alternative text, caption or one of its files.
    """
    figures: list[BookFigure] = []
    for name in names:
        path = run / "notebooks" / f"{name}.ipynb"
        of_project = {cell.get("id"): cell for cell in _cells(notebooks / f"{name}.ipynb")}
        for position, cell in enumerate(_cells(path), start=1):
            _refuse_error(path, position, cell)
            if shows_image(cell):
                newer = of_project.get(cell.get("id"), cell)
                same = "".join(newer["source"]) == "".join(cell["source"])
                metadata = (newer if same else cell)["metadata"]
                figures.append(_figure(run / name, path, position, metadata, len(figures) + 1))
    return figures


def shows_image(cell: dict[str, Any]) -> bool:
    """Whether a notebook's cell shows an image."""
    return any(_is_image(output) for output in cell.get("outputs", []))


def without_image(cell: dict[str, Any]) -> dict[str, Any]:
    """The cell without the outputs that are images."""
    return {**cell, "outputs": [output for output in cell["outputs"] if not _is_image(output)]}


def _is_image(output: dict[str, Any]) -> bool:
    return any(kind.startswith("image/") for kind in output.get("data", {}))


def _cells(path: Path) -> Iterator[dict[str, Any]]:
    if path.is_file():
        try:
            yield from json.loads(path.read_text(encoding="utf-8"))["cells"]
        except (ValueError, LookupError, TypeError) as error:
            raise InputError(f"{path}: not readable as a notebook ({error!r}). Run it again.") from error


def _refuse_error(path: Path, position: int, cell: dict[str, Any]) -> None:
    for output in cell.get("outputs", []):
        if output["output_type"] == "error":
            raise InputError(
                f"{path}: cell {position} failed ({output['ename']}: {output['evalue']}). Run it again "
                f"before the book is "
                "built."
            )


def _figure(directory: Path, path: Path, position: int, metadata: dict[str, Any], number: int) -> BookFigure:
    place = f"{path}: cell {position}"
    alt = metadata.get("mystnb", {}).get("image", {}).get("alt", "").strip()
    if not alt:
        raise InputError(
            f"{place} shows a figure without alternative text. Give the cell the metadata "
            '{"mystnb": {"image": {"alt": "…"}}}.'
        )
    entries = metadata.get("lstsr", {})
    name, caption, data = (entries.get(key) for key in ("figure", "caption", "data"))
    if not (name and str(caption or "").strip()) or data is None:
        raise InputError(
            f"{place} shows a figure without caption or files. Give the cell the metadata "
            '{"lstsr": {"figure": "<stem of its files>", "caption": "…", "data": ["<table of its '
            'numbers>"]}}.'
        )
    paper = entries.get("paper")
    if paper is not None and paper not in PAPER_LIST:
        raise InputError(
            f"{place}: its figure is number {paper!r} of the paper's list; expected 1 … {len(PAPER_LIST)}, "
            f"or none."
        )
    for file in (*(f"{name}{suffix}" for suffix in SUFFIXES), *data):
        if not (directory / file).is_file():
            raise InputError(
                f"{directory / file}: no such file, but {place} names it. Run {directory.name} again."
            )
    with Image.open(directory / f"{name}.png") as picture:
        sizes_px = [round(size * PAGE_PIXELS_PER_INCH / PIXELS_PER_INCH) for size in picture.size]
    return BookFigure(
        directory.name, position, name, number, paper, str(caption).strip(), alt, list(data), *sizes_px
    )


def copy_files(run: Path, figures: Sequence[BookFigure], source: Path) -> None:
    """Copy the figures' files into the book's source, and beside each picture a small one for the list."""
    for figure in figures:
        folder = source / FIGURES_FOLDER / figure.notebook
        folder.mkdir(parents=True, exist_ok=True)
        for suffix in SUFFIXES:
            shutil.copyfile(
                run / figure.notebook / f"{figure.name}{suffix}", folder / f"{figure.name}{suffix}"
            )
        with Image.open(folder / f"{figure.name}.png") as picture:
            small = picture.convert("RGB")
            small.thumbnail((2 * THUMBNAIL_PX, 10 * THUMBNAIL_PX))  # twice as fine, for sharper screens
        in_few_colours(small, 64).save(folder / f"{figure.name}.small.png", optimize=True)


def changed_parameters(notebook: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """A notebook's parameters that are not its defaults; where the run lives does not count."""
    defaults = BY_NOTEBOOK[notebook].check({}).model_dump() | {
        "run_directory": parameters.get("run_directory")
    }
    return {name: value for name, value in parameters.items() if name in defaults and value != defaults[name]}


def origin(notebook: str, parameters: dict[str, Any]) -> str:
    """With which parameters a notebook was run, in words."""
    changed = changed_parameters(notebook, parameters)
    if not changed:
        return "with its default parameters"
    return "with " + listed(
        [f"`{name}: {json.dumps(value, ensure_ascii=False)}`" for name, value in changed.items()]
    )


def pictures(figures: Sequence[BookFigure], notebook: str, names: Sequence[str]) -> dict[str, str]:
    """Figures of a notebook for other pages, as MyST, by ``picture_<name>``; empty for one that is not there.

    Parameters
    ----------
    figures : sequence of BookFigure
    notebook : str
    names : sequence of str
        Stems of their files.
    """
    present = {figure.name: figure for figure in figures if figure.notebook == notebook}
    return {
        f"picture_{name}": part("picture", present[name], template=_TEMPLATE) if name in present else ""
        for name in names
    }


def figures_list(figures: Sequence[BookFigure], by_scene: str = "") -> str:
    """The list of figures, as MyST: the paper's in its order, each with what became of it, then further ones.

    Parameters
    ----------
    figures : sequence of BookFigure
    by_scene : str
        Where the figures of one scene are to be had for every scene, as Markdown; empty if nowhere.
    """
    entries = []
    for number, subject in PAPER_LIST.items():
        here = [figure for figure in figures if figure.paper == number]
        absent = "" if here or number == _TABLE else "Not in this edition: none of its notebooks has made it."
        remarks = [absent, _REMARKS.get(number, ""), by_scene if number in _BY_SCENE else ""]
        entries.append(
            _entry(f"list-{number}", f"{number}. {subject}", here, " ".join(filter(None, remarks)))
        )
    further = [figure for figure in figures if figure.paper is None]
    others = [_entry(f"list-{figure.name}", _title(figure), [figure], "") for figure in further]
    count = f"The book has {len(figures)} figures; {len(further)} of them the paper does not have."
    return "\n\n".join([count, *entries, "Beyond the paper:", *others])


def _title(figure: BookFigure) -> str:
    return re.split(r"[.:;?] ", figure.caption, maxsplit=1)[0].rstrip(".")


def _entry(target: str, heading: str, figures: Sequence[BookFigure], remark: str) -> str:
    return part("entry", target, heading, figures, remark, THUMBNAIL_PX, template=_TEMPLATE)
