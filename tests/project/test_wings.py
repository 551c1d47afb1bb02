"""The order of the wings: imports go down only, and there is no circle."""

from __future__ import annotations

import ast
from graphlib import CycleError, TopologicalSorter

import grimp
import pytest

from lstsr_core.base.project import PROJECT
from worlds.wings import WINGS

TOP = ["runner", "cli"]


@pytest.fixture(scope="module")
def imports() -> grimp.ImportGraph:
    return grimp.build_graph("lstsr_core", "lstsr_book", cache_dir=None)


def wing(module: str) -> str:
    return module.split(".")[1]


def test_every_module_stands_in_a_wing(imports: grimp.ImportGraph) -> None:
    modules = {module for module in imports.modules if module.startswith("lstsr_core.")}
    assert {wing(module) for module in modules} == {*WINGS, *TOP}


def test_imports_go_down_only(imports: grimp.ImportGraph) -> None:
    height = {name: number for number, name in enumerate([*WINGS, *TOP])}
    upward = [
        f"{importer} imports {imported}"
        for importer in sorted(imports.modules)
        if importer.startswith("lstsr_core.")
        for imported in sorted(imports.find_modules_directly_imported_by(importer))
        if imported.startswith("lstsr_core.") and height[wing(imported)] > height[wing(importer)]
    ]
    assert upward == []


def order(imports: grimp.ImportGraph) -> list[str]:
    """Modules, each after all that it imports; CycleError names a circle."""
    graph = {module: imports.find_modules_directly_imported_by(module) for module in imports.modules}
    return list(TopologicalSorter(graph).static_order())


def test_there_is_no_circle(imports: grimp.ImportGraph) -> None:
    assert len(order(imports)) == len(imports.modules)
    imports_of_grid = grimp.build_graph("lstsr_core", cache_dir=None)
    imports_of_grid.add_import(importer="lstsr_core.geo.grid", imported="lstsr_core.geo.raster")
    imports_of_grid.add_import(importer="lstsr_core.geo.raster", imported="lstsr_core.geo.grid")
    with pytest.raises(CycleError):
        order(imports_of_grid)


def test_the_package_knows_nothing_of_pages(imports: grimp.ImportGraph) -> None:
    assert not {
        m
        for m in imports.find_downstream_modules("lstsr_book", as_package=True)
        if m.startswith("lstsr_core")
    }


@pytest.mark.parametrize("name", WINGS)
def test_a_wing_says_what_it_is_for_and_imports_nothing(name: str) -> None:
    (docstring,) = ast.parse((PROJECT / "lstsr_core" / name / "__init__.py").read_text(encoding="utf-8")).body
    assert isinstance(docstring, ast.Expr) and isinstance(docstring.value, ast.Constant)
    assert str(docstring.value.value).endswith(".")


def test_no_test_module_imports_another() -> None:
    """What several need stands in tests/worlds."""
    for path in (PROJECT / "tests").rglob("test_*.py"):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
        assert not [module for module in modules if module.rpartition(".")[2].startswith("test_")], path
