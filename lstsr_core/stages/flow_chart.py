"""What flows from notebook to notebook, from the runner's own table and
the files of a run; as a table and as a figure."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from lstsr_core.base.errors import InputError
from lstsr_core.base.fingerprint import Record, read_records
from lstsr_core.base.project import PROJECT
from lstsr_core.figures.diagram import Box, arrow, dot, frame, line, page, write
from lstsr_core.figures.files import styled
from lstsr_core.stages.order import COMMITTED, UPSTREAM, upstream_of
from lstsr_core.stages.parameters import BY_NOTEBOOK

KINDS = {
    "granules": (".hdf",),
    "rasters": (".tif",),
    "pair dictionaries": (".pkl",),
    "weights": (".safetensors", ".pt"),
    "tables": (".csv", ".json", ".geojson", ".yaml"),
    "figures": (".png", ".svg", ".pdf"),
    "page data": (".js", ".html"),
}
"""Kinds of files, by their suffix; any other is of kind "other"."""

COLUMNS = ["from", "to", "kind", "files"]
OUTPUT = ""
"""In column ``to``: what a notebook wrote, whoever reads it."""

_MARGIN, _RAIL, _WIDTH, _BETWEEN, _LINE = 0.1, 0.19, 4.5, 0.14, 0.165
_LETTERS = 62
_COLOURS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#882255", "#56B4E9"]
_DASHES = ["-", "--", "-.", ":"]


def purpose(notebook: str) -> str:
    """What a notebook does, in the words of its parameters' class."""
    return (BY_NOTEBOOK[notebook].__doc__ or "").partition(": ")[2].rstrip(".")


def count_kinds(paths: Iterable[Path]) -> dict[str, int]:
    """How many files there are of each kind of `KINDS`, in that order."""
    kind_of = {suffix: kind for kind, suffixes in KINDS.items() for suffix in suffixes}
    counts = Counter(kind_of.get(path.suffix, "other") for path in paths)
    return {kind: counts[kind] for kind in [*KINDS, "other"] if counts[kind]}


def flow(run: Path, notebook: str) -> pd.DataFrame:
    """What each notebook before `notebook` wrote, and what of
    it, and of the project's own data, each may read.

    A notebook may read all files of the notebooks that it follows: it is run again when one of them changes.

    Parameters
    ----------
    run : Path
    notebook : str
        Which is among the readers, but has not written yet.

    Returns
    -------
    DataFrame
        `COLUMNS`: from (a notebook, or a directory of the
        project), to (a notebook, or `OUTPUT`), kind, files.

    Raises
    ------
    InputError
        If one of them has not been run.
    """
    missing = [name for name in UPSTREAM[notebook] if not (run / name).is_dir()]
    if missing:
        raise InputError(
            f"{run}: has no results of {', '.join(missing)}, which {notebook} reads; run them first."
        )
    records = read_records(run)
    rows: list[list[object]] = []
    for name in [*UPSTREAM[notebook], notebook]:
        sources = {source: run / source for source in _read_by(name, records)}
        sources |= {path.relative_to(PROJECT).as_posix(): path for path in COMMITTED.get(name, [])}
        for source, directory in sources.items():
            rows += [[source, name, kind, files] for kind, files in _count(directory).items()]
        if name != notebook:
            rows += [[name, OUTPUT, kind, files] for kind, files in _count(run / name).items()]
    return pd.DataFrame(rows, columns=COLUMNS)


def _read_by(name: str, records: Mapping[str, Record]) -> list[str]:
    """What a notebook read in this run, by its parameters; before it has a record, what it may read."""
    return (
        upstream_of(BY_NOTEBOOK[name].check(records[name]["parameters"]))
        if name in records
        else UPSTREAM[name]
    )


def _count(place: Path) -> dict[str, int]:
    return count_kinds(path for path in (place, *place.rglob("*")) if path.is_file())


@styled
def flow_chart(table: pd.DataFrame) -> Figure:
    """Notebooks from the first to the last, each with what it
    wrote; a rail leads from one to those that read it.

    Parameters
    ----------
    table : DataFrame
        As `flow` gives it; a notebook that reads all others has one bracket in place of rails.
    """
    names = [name for name in BY_NOTEBOOK if name in {*table["from"], *table["to"]}]
    sources = {name: [source for source in names if _counts(table, source, name)] for name in names}
    bracketed = names[-1] if sources[names[-1]] == names[:-1] else None
    readers = {
        name: [other for other in names if name in sources[other] and other != bracketed] for name in names
    }
    rails = [name for name in names if readers[name]]
    texts = {name: _lines(table, name, name == bracketed) for name in names}
    heights = {name: (len(texts[name]) + 1) * _LINE + 0.19 for name in names}
    height = sum(heights.values()) + _BETWEEN * (len(names) - 1) + 2 * _MARGIN
    left = 2 * _MARGIN + _RAIL * len(rails)
    figure, axes = page(left + _WIDTH + 4 * _MARGIN, height)
    boxes: dict[str, Box] = {}
    top = height - _MARGIN
    for name in names:
        boxes[name] = box = Box(left, top - heights[name], _WIDTH, heights[name])
        top = box.bottom - _BETWEEN
        frame(axes, box)
        write(axes, box.left + 0.1, box.top - 0.08, name, 9.5, weight="bold")
        for index, text in enumerate(texts[name]):
            write(axes, box.left + 0.1, box.top - 0.11 - (index + 1) * _LINE, text)
    for index, source in enumerate(rails):
        x, y = _MARGIN + index * _RAIL, boxes[source].bottom + 0.1
        colour, dash = _COLOURS[index % len(_COLOURS)], _DASHES[index % len(_DASHES)]
        ends = [boxes[reader].top - 0.14 - 0.13 * index for reader in readers[source]]
        line(axes, [(left, y), (x, y), (x, min(ends))], colour, dash)
        dot(axes, left, y, colour)
        for end in ends:
            arrow(axes, [(x, end), (left, end)], colour)
    if bracketed:
        edge, x = left + _WIDTH, left + _WIDTH + 2 * _MARGIN
        for name in sources[bracketed]:
            line(axes, [(edge, boxes[name].middle[1]), (x, boxes[name].middle[1])])
            dot(axes, edge, boxes[name].middle[1])
        end = boxes[bracketed].middle[1]
        arrow(axes, [(x, boxes[names[0]].middle[1]), (x, end), (edge, end)])
    return figure


def _counts(table: pd.DataFrame, source: str, target: str) -> dict[str, int]:
    rows = table[(table["from"] == source) & (table["to"] == target)]
    return dict(zip(rows["kind"], rows["files"], strict=True))


def _lines(table: pd.DataFrame, name: str, reads_all: bool) -> list[str]:
    """What a box says below its name: purpose, files that it
    wrote, directories of the project that it reads."""
    written = ", ".join(f"{kind} {files}" for kind, files in _counts(table, name, OUTPUT).items())
    directories = dict.fromkeys(
        source for source in table.loc[table["to"] == name, "from"] if source not in BY_NOTEBOOK
    )
    texts = [
        purpose(name),
        f"wrote: {written}" if written else "",
        "reads what all the others wrote" if reads_all else "",
    ]
    texts += ["also reads " + ", ".join(directories) if directories and not reads_all else ""]
    return [part for text in texts if text for part in textwrap.wrap(text, _LETTERS, subsequent_indent="   ")]
