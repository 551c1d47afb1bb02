"""The map of the code: drawn from its imports, and naming files that there are."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import networkx
import pytest
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Line
from matplotlib.transforms import Bbox

from lstsr_book import layout
from lstsr_core.base.project import PROJECT

PAGE = (PROJECT / "book" / "layout.md").read_text(encoding="utf-8")
FILES = sorted(set(re.findall(r"`((?:\w|\.\w)[\w.-]*/[\w./-]*|[A-Z]+\.md)`", PAGE)))


@pytest.mark.parametrize("name", FILES)
def test_every_file_that_the_page_names_is_there(name: str) -> None:
    assert (PROJECT / name).exists(), f"book/layout.md names {name}"


def test_the_page_names_files() -> None:
    assert {"lstsr_core/metrics/fourier.py", "book/_toc.yml", "tests/metrics/", "CONTRIBUTING.md"} <= set(
        FILES
    )


def test_names_on_the_page_stand_in_their_files() -> None:
    for path, line in (
        ("metrics/fourier.py", "def compare_spectra("), ("metrics/fourier.py", "def attenuation_db("),
        ("metrics/names.py", "BY_COLUMN = "), ("evaluation/table.py", "def measure("),
        ("evaluation/products.py", "class KeptProducts("),
        ("evaluation/products.py", "class WrittenProducts("),
        ("base/locks.py", "def alone_in("),
    ):  # fmt: skip
        name = line.removeprefix("def ").removeprefix("class ").rstrip("( =")
        assert f"`{name}`" in PAGE and f"`lstsr_core/{path}`" in PAGE
        assert f"\n{line}" in (PROJECT / "lstsr_core" / path).read_text(encoding="utf-8")


def test_a_wing_stands_above_all_that_it_imports() -> None:
    graph = layout.imports()
    height = {name: number for number, row in enumerate(layout.layers(graph)) for name in row}
    assert height["base"] == 0 and height["lstsr_book"] == len(layout.layers(graph)) - 1
    assert [edge for edge in graph.edges if height[edge[0]] <= height[edge[1]]] == []
    wings = {path.parent.name for path in (PROJECT / "lstsr_core").glob("*/__init__.py")}
    assert set(height) == wings | {"runner", "cli", "lstsr_book"}


def test_every_wing_has_a_line_and_its_modules_are_counted() -> None:
    table = layout.layout_table()
    assert table.count("\n") == 1 + len(layout.modules())
    assert "| [`geo`](api/geo.md) | Ground and grids:" in table
    geo = [path for path in (PROJECT / "lstsr_core" / "geo").glob("*.py") if path.stem != "__init__"]
    assert len(layout.modules()["geo"]) == len(geo)


def boxes_and_lines(graph: networkx.DiGraph) -> tuple[list[Bbox], list[Line]]:
    (axes,) = layout.drawing(graph, dict.fromkeys(graph, 1)).axes
    boxes = [
        patch.get_path().get_extents(patch.get_patch_transform())
        for patch in axes.patches
        if isinstance(patch, FancyBboxPatch)
    ]
    # What an arrow was made of; its own path is in pixels, and has the head.
    lines = [patch._path_original for patch in axes.patches if isinstance(patch, FancyArrowPatch)]  # type: ignore[attr-defined]
    return boxes, lines


def test_arrows_pass_beside_the_boxes() -> None:
    graph = layout.imports()
    boxes, lines = boxes_and_lines(graph)
    assert len(boxes) == len(graph) and len(lines) == len(networkx.transitive_reduction(graph).edges)
    for one, other in ((one, other) for index, one in enumerate(boxes) for other in boxes[:index]):
        assert not one.overlaps(other)
    for line in lines:
        for ends in pairwise(line.vertices):
            inside = [
                box for box in boxes if Line(list(ends)).intersects_bbox(box.padded(-0.02), filled=False)
            ]
            assert inside == []


def test_the_drawing_is_the_same_each_time(tmp_path: Path) -> None:
    for name in ("one", "other"):
        layout.draw(tmp_path / name)
    one, other = ((tmp_path / name / layout.PICTURE).read_bytes() for name in ("one", "other"))
    assert one == other and b"<svg" in one
