"""How the code is laid out: its wings, their purpose and their imports, read from the code."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

import grimp
import networkx
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from lstsr_core.base.files import written_atomically
from lstsr_core.base.fingerprint import PACKAGE
from lstsr_core.figures.diagram import Box, arrow, frame, page, write
from lstsr_core.figures.files import styled

BOOK = "lstsr_book"
PICTURE = "_static/layout.svg"

_MARGIN, _WIDTH, _HEIGHT, _ACROSS, _BETWEEN = 0.1, 1.7, 0.42, 0.35, 0.24  # inches: page, box, box, gaps


@lru_cache(maxsize=1)
def modules() -> dict[str, list[str]]:
    """The modules of each wing, from the ground up: a wing stands after all that it imports.

    The modules above the wings, and the package that makes this book, stand for themselves.
    """
    graph = imports()
    members: dict[str, list[str]] = {name: [] for layer in layers(graph) for name in layer}
    for module in sorted(_modules().modules):
        if (name := _wing(module)) in members and module.count(".") > (name != BOOK):
            members[name].append(module)
    return members


@lru_cache(maxsize=1)
def imports() -> networkx.DiGraph:
    """Which wing imports which, as edges from the importer."""
    code = _modules()
    edges = {
        (_wing(importer), _wing(imported))
        for importer in code.modules
        for imported in code.find_modules_directly_imported_by(importer)
    }
    return networkx.DiGraph(
        sorted((importer, imported) for importer, imported in edges if importer != imported)
    )


@lru_cache(maxsize=1)
def _modules() -> grimp.ImportGraph:
    return grimp.build_graph(PACKAGE, BOOK, cache_dir=None)


def _wing(module: str) -> str:
    package, _, rest = module.partition(".")
    return rest.partition(".")[0] or PACKAGE if package == PACKAGE else BOOK


def layers(graph: networkx.DiGraph) -> list[list[str]]:
    """Wings from the ground up, those side by side that stand equally high.

    >>> layers(networkx.DiGraph([("maps", "geo"), ("modis", "geo"), ("maps", "modis"), ("patches", "geo")]))
    [['geo'], ['modis', 'patches'], ['maps']]
    """
    heights = [sorted(layer) for layer in networkx.topological_generations(graph.reverse())]
    column: dict[str, float] = {}
    ordered = []
    for layer in heights:
        # Above what it stands on next, so that few arrows cross.
        below = {name: [column[other] for other in graph[name]] for name in layer}
        row = sorted(layer, key=lambda name: (sum(below[name]) / max(len(below[name]), 1), name))
        column |= {name: index - (len(row) - 1) / 2 for index, name in enumerate(row)}
        ordered.append(row)
    return ordered


def purpose(name: str) -> str:
    """What a wing is for: the first paragraph of its docstring."""
    spec = find_spec(name if name == BOOK else f"{PACKAGE}.{name}")
    assert spec is not None and spec.origin is not None
    docstring = ast.get_docstring(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


@styled
def drawing(graph: networkx.DiGraph, counts: Mapping[str, int]) -> Figure:
    """Wings as boxes, the ground at the bottom; arrows from each to the next that it imports.

    Parameters
    ----------
    graph : DiGraph
        As `imports` gives it. What a wing reaches through another has no arrow of its own.
    counts : mapping
        Wing → how many modules it has.
    """
    nearest = networkx.transitive_reduction(graph)
    rows = layers(nearest)
    widest = max(map(len, rows))
    width = 2 * _MARGIN + widest * _WIDTH + (widest + 1) * _ACROSS
    figure, axes = page(width, 2 * _MARGIN + len(rows) * _HEIGHT + (len(rows) - 1) * _BETWEEN)
    figure.set_facecolor("white")
    boxes = {
        name: Box(
            width / 2 + (index - len(row) / 2) * (_WIDTH + _ACROSS) + _ACROSS / 2,
            _MARGIN + height * (_HEIGHT + _BETWEEN), _WIDTH, _HEIGHT,
        )
        for height, row in enumerate(rows)
        for index, name in enumerate(row)
    }  # fmt: skip
    for name, box in boxes.items():
        frame(axes, box)
        write(axes, box.left + 0.1, box.middle[1], name, 9.5, weight="bold", va="center")
        write(axes, box.right - 0.1, box.middle[1], str(counts[name]), ha="right", va="center")
    for importer, imported in nearest.edges:
        _connect(axes, boxes[importer], boxes[imported])
    return figure


def _connect(axes: Axes, above: Box, below: Box) -> None:
    (x, y), (x_end, _) = above.middle, below.middle
    if above.bottom - below.top < 1.5 * _BETWEEN:
        arrow(axes, [(x + 0.15 * (x_end - x), above.bottom), (x_end + 0.15 * (x - x_end), below.top)])
    else:  # past the boxes between, at the far side of the lower one
        outer = below.right - 0.2 if x_end > x else below.left + 0.2
        arrow(axes, [(above.right if x_end > x else above.left, y), (outer, y), (outer, below.top)])


@styled
def draw(source: Path) -> None:
    """Write the drawing below a folder of the book's sources, as `PICTURE`."""
    figure = drawing(imports(), {name: max(len(members), 1) for name, members in modules().items()})
    with written_atomically(source / PICTURE) as path:
        figure.savefig(path, format="svg", metadata={"Date": None})


def layout_table() -> str:
    """A row in Markdown for each wing: its name, which leads to its reference, and what it is for."""
    rows = [f"| {_linked(name)} | {purpose(name)} |" for name in modules()]
    return "\n".join(["| wing | what it is for |", "|---|---|", *rows])


def _linked(name: str) -> str:
    """The modules above the wings are described with the wing that they stand on."""
    reference = {BOOK: "", "runner": "api/stages.md", "cli": "api/stages.md"}.get(name, f"api/{name}.md")
    return f"[`{name}`]({reference})" if reference else f"`{name}`"
