"""The notebooks: one set of parameters, cells that call and show, alt text, comparable outputs."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lstsr_book.figure_pages import PAPER_LIST
from lstsr_core.base.project import NOTEBOOKS
from lstsr_core.figures.files import SUFFIXES
from lstsr_core.stages.parameters import BY_NOTEBOOK
from lstsr_core.stages.profiles import check_profile
from worlds.project_copy import NAMES, ProjectCopy

Cell = dict[str, Any]

COMPUTATION = (
    ast.For, ast.AsyncFor, ast.While, ast.comprehension, ast.If, ast.IfExp, ast.Try, ast.With,
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.BinOp, ast.BoolOp, ast.AugAssign,
    ast.Delete, ast.Global,
)  # fmt: skip
SHOWING = {"round", "describe", "groupby", "agg"}


def cells_of(name: str) -> list[Cell]:
    cells: list[Cell] = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    return cells


def source_of(cell: Cell) -> str:
    return "".join(cell["source"])


def tags_of(cell: Cell) -> list[str]:
    return list(cell["metadata"].get("tags", []))


def code_cells(name: str) -> list[Cell]:
    return [cell for cell in cells_of(name) if cell["cell_type"] == "code"]


def parameters_cell(name: str) -> Cell:
    (cell,) = [cell for cell in cells_of(name) if "parameters" in tags_of(cell)]
    return cell


def parameters_of(name: str) -> dict[str, Any]:
    values = {}
    for statement in ast.parse(source_of(parameters_cell(name))).body:
        assert (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and statement.value is not None
        )
        values[statement.target.id] = ast.literal_eval(statement.value)
    return values


def test_the_notebooks_are_those_of_the_runner() -> None:
    assert sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb")) == sorted(NAMES)
    assert list(BY_NOTEBOOK) == NAMES


# Parameters


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_model(name: str) -> None:
    values, model = parameters_of(name), BY_NOTEBOOK[name]
    assert values.keys() == model.model_fields.keys()
    assert model.check(values) == model.check({})


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_sample(name: str) -> None:
    assert check_profile("sample", {})[name] == BY_NOTEBOOK[name].check(parameters_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_a_comment_above_it(name: str) -> None:
    # A comment of a line or more, then its parameter.
    parts = re.findall(r"((?:^# .*\n)+)^(\w+):", source_of(parameters_cell(name)), flags=re.MULTILINE)
    comments = [" ".join(comment.split()).replace(" # ", " ") for comment, _ in parts]
    assert all(re.fullmatch(r"# [A-Z\"].*\.", comment) for comment in comments), comments
    assert [parameter for _, parameter in parts] == list(parameters_of(name))


# Code


@pytest.mark.parametrize("name", NAMES)
def test_cells_import_nothing_but_the_project(name: str) -> None:
    for cell in code_cells(name):
        for node in ast.walk(ast.parse(source_of(cell))):
            assert not isinstance(node, ast.Import), source_of(cell)
            assert not isinstance(node, ast.ImportFrom) or str(node.module).split(".")[0] == "lstsr_core", (
                source_of(cell)
            )


@pytest.mark.parametrize("name", NAMES)
def test_cells_call_the_stages_and_compute_nothing(name: str) -> None:
    model = BY_NOTEBOOK[name].__name__
    for cell in code_cells(name):
        if "parameters" in tags_of(cell):
            continue
        tree = ast.parse(source_of(cell))
        for node in ast.walk(tree):
            assert not isinstance(node, COMPUTATION), source_of(cell)
            if not isinstance(node, ast.Call):
                continue
            called = ast.unparse(node.func)
            on_stages = re.fullmatch(r"(stage|common)\.\w+", called) is not None
            checks = called in (f"{model}.check", "globals")
            shows = isinstance(node.func, ast.Attribute) and node.func.attr in SHOWING
            assert on_stages or checks or shows, called


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_checked_before_anything_else(name: str) -> None:
    cells = code_cells(name)
    assert "parameters" in tags_of(cells[0])
    assert f"settings = {BY_NOTEBOOK[name].__name__}.check(globals())" in source_of(cells[1])


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_alt_text_of_its_own(name: str) -> None:
    shown = [cell for cell in code_cells(name) if "stage.show_" in source_of(cell)]
    assert shown
    texts = [cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "") for cell in shown]
    assert all(len(text) > 30 and text.endswith(".") for text in texts), texts
    assert len(set(texts)) == len(texts)


def figures_of(name: str) -> list[dict[str, Any]]:
    return [
        cell["metadata"].get("lstsr", {}) for cell in code_cells(name) if "stage.show_" in source_of(cell)
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_has_a_caption_and_names_its_numbers(name: str) -> None:
    for figure in figures_of(name):
        assert figure.keys() - {"paper"} == {"figure", "caption", "data"}
        assert len(figure["caption"]) > 80 and figure["caption"].endswith(".")
        assert figure["data"] and all(
            Path(file).suffix in (".csv", ".json", ".geojson") for file in figure["data"]
        )
        assert figure.get("paper", 1) in PAPER_LIST


def test_figures_are_named_apart() -> None:
    names = [figure["figure"] for name in NAMES for figure in figures_of(name)]
    assert len(set(names)) == len(names)


def test_the_papers_list_is_accounted_for() -> None:
    """Each by a figure, but for the table of metrics; the architecture has a notebook of its own."""
    numbers = {figure["paper"] for name in NAMES for figure in figures_of(name) if "paper" in figure}
    missing = set() if "12_structure" in NAMES else {1, 2}
    assert numbers == set(range(1, 15)) - {13} - missing


@pytest.mark.parametrize("name", NAMES)
def test_notebooks_begin_with_a_title_and_what_they_do(name: str) -> None:
    first = cells_of(name)[0]
    assert first["cell_type"] == "markdown"
    assert re.match(r"# \S.*\n\n.{80,}", source_of(first), re.DOTALL)


# Outputs, stored and of a run


def texts_of(output: dict[str, Any]) -> Iterator[str]:
    yield "".join(output.get("text", ""))
    for kind, content in output.get("data", {}).items():
        if kind.startswith("text/") and kind != "text/html":
            yield "".join(content)
        elif kind == "text/html":
            yield re.sub(r"<style.*?</style>", "", "".join(content), flags=re.DOTALL)


def assert_outputs_are_clean(cells: list[Cell]) -> None:
    for cell in cells:
        for output in cell.get("outputs", []):
            assert output["output_type"] != "error", source_of(cell)
            assert output.get("name") != "stderr", (source_of(cell), output["text"])
            for text in texts_of(output):
                plain = re.sub(r"<[^>]*>", " ", text)
                assert not re.search(r"(?:^|[\s\"'(=])(?:/[\w.+-]+){2,}|\b[A-Za-z]:\\", plain), text
                assert not re.search(r"\b\d{1,2}:\d{2}(?::\d{2})?\b|\d{4}-\d{2}-\d{2}[T ]\d{2}", plain), text


def compared_numbers(cells: list[Cell]) -> list[str]:
    outputs = [
        out for cell in cells if "nbval-ignore-output" not in tags_of(cell) for out in cell.get("outputs", [])
    ]
    plain = ["".join(output.get("data", {}).get("text/plain", "")) for output in outputs]
    return [number for text in plain for number in re.findall(r"-?\d+\.\d+", text)]


@pytest.mark.parametrize("name", NAMES)
def test_stored_outputs_hold_no_errors_paths_or_times(name: str) -> None:
    cells = code_cells(name)
    assert any(cell["outputs"] for cell in cells), f"{name} has no stored outputs; make notebooks stores them"
    assert_outputs_are_clean(cells)


@pytest.mark.parametrize("name", NAMES)
def test_stored_outputs_hold_three_numbers_that_are_compared(name: str) -> None:
    numbers = compared_numbers(code_cells(name))
    assert len(set(numbers)) >= 3, f"{name}: {numbers}; make notebooks stores the outputs"


@pytest.mark.parametrize("name", NAMES)
def test_every_cell_that_shows_has_a_stored_output(name: str) -> None:
    for cell in code_cells(name):
        last = ast.parse(source_of(cell)).body[-1]
        if isinstance(last, ast.Expr):
            kinds = {kind for output in cell["outputs"] for kind in output.get("data", {})}
            expected = "image/png" if "stage.show_" in source_of(cell) else "text/html"
            assert expected in kinds, source_of(cell)


@pytest.mark.parametrize("name", NAMES)
def test_a_runs_notebooks_show_figures_and_no_errors_paths_or_times(
    undisturbed: ProjectCopy, name: str
) -> None:
    cells = json.loads((undisturbed.run_directory / "notebooks" / f"{name}.ipynb").read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert_outputs_are_clean(code)
    for cell in code:
        if "stage.show_" in source_of(cell):
            assert any("image/png" in output.get("data", {}) for output in cell["outputs"]), source_of(cell)
            figure, written = cell["metadata"]["lstsr"], undisturbed.run_directory / name
            files = [*(f"{figure['figure']}{suffix}" for suffix in SUFFIXES), *figure["data"]]
            assert [file for file in files if not (written / file).is_file()] == []


# By hand


def test_papermill_runs_a_notebook_by_hand_from_any_directory(
    undisturbed: ProjectCopy, tmp_path: Path
) -> None:
    """The first cell's relative run directory is the project's, not the working directory's."""
    copy, directory, name = (
        undisturbed.clone(tmp_path / "project"),
        tmp_path / "elsewhere",
        "06_aster_evaluation",
    )
    directory.mkdir()
    command = [
        sys.executable, "-m", "papermill", f"../project/notebooks/{name}.ipynb", "out.ipynb",
        "-y", "{methods: [bicubic, tsharp], protocol: georeferenced}",
    ]  # fmt: skip
    completed = subprocess.run(command, cwd=directory, env=copy.environment, capture_output=True, text=True)
    assert completed.returncode == 0, completed.stderr
    table, whole = (
        pd.read_csv(run / name / "metrics.csv") for run in (copy.run_directory, undisturbed.run_directory)
    )
    part = whole[whole["method"].isin(["bicubic", "tsharp"])].reset_index(drop=True)
    pd.testing.assert_frame_equal(table, part, check_dtype=False)
    code = [
        cell
        for cell in json.loads((directory / "out.ipynb").read_text())["cells"]
        if cell["cell_type"] == "code"
    ]
    assert all(cell["execution_count"] for cell in code)
    assert [path.name for path in directory.iterdir()] == ["out.ipynb"]
