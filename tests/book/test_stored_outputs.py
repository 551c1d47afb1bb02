"""Stored outputs: a run's outputs in the project's notebooks, and nothing else of the run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lstsr_book.stored_outputs import store_outputs
from lstsr_core.base.errors import InputError
from lstsr_core.base.project import NOTEBOOKS
from lstsr_core.stages.order import UPSTREAM


def read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Notebooks as papermill leaves them: injected cell, times, later counts, outputs everywhere."""
    shutil.copytree(NOTEBOOKS, tmp_path / "project")
    (tmp_path / "notebooks").mkdir()
    for name in UPSTREAM:
        notebook = read(NOTEBOOKS / f"{name}.ipynb")
        for count, cell in enumerate(cell for cell in notebook["cells"] if cell["cell_type"] == "code"):
            data = {"text/plain": f"new {count}", "image/png": "abc\n"}
            cell["outputs"] = [
                {"output_type": "execute_result", "execution_count": 7 + count, "data": data, "metadata": {}}
            ]
            cell["metadata"]["papermill"] = {"start_time": "2026-01-01T00:00:00"}
        injected = {
            "cell_type": "code",
            "id": "injected",
            "metadata": {},
            "source": "a = 1",
            "outputs": [],
            "execution_count": 2,
        }
        notebook["cells"].insert(2, injected)
        (tmp_path / "notebooks" / f"{name}.ipynb").write_text(json.dumps(notebook))
    return tmp_path


def test_outputs_are_stored_and_all_else_stays(run: Path) -> None:
    store_outputs(run, run / "project")
    for name in UPSTREAM:
        before, path = read(NOTEBOOKS / f"{name}.ipynb"), run / "project" / f"{name}.ipynb"
        after = read(path)
        code = [cell for cell in after["cells"] if cell["cell_type"] == "code"]
        for count, cell in enumerate(code):
            (output,) = cell["outputs"]
            assert output["data"] == {"text/plain": [f"new {count}"], "image/png": "abc\n"}
            assert output["execution_count"] == cell["execution_count"] == count + 1
        for cell in [*before["cells"], *after["cells"]]:
            cell.pop("outputs", None), cell.pop("execution_count", None)
            cell["source"] = "".join(cell["source"])
        assert after == before
        assert path.read_text(encoding="utf-8").startswith('{\n "cells"') and path.read_text(
            encoding="utf-8"
        ).endswith("}\n")


def test_storing_again_changes_nothing(run: Path) -> None:
    store_outputs(run, run / "project")
    once = {path.name: path.read_bytes() for path in (run / "project").iterdir()}
    store_outputs(run, run / "project")
    assert {path.name: path.read_bytes() for path in (run / "project").iterdir()} == once


def test_a_notebook_that_changed_since_is_named(run: Path) -> None:
    path = run / "project" / "02_patches.ipynb"
    notebook = read(path)
    cell = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
    cell["source"] = "b = 2"
    path.write_text(json.dumps(notebook))
    with pytest.raises(
        InputError,
        match=rf"02_patches\.ipynb: cell {cell['id']} is another than in .*; run the profile again",
    ):
        store_outputs(run, run / "project")


def test_a_notebook_that_was_not_run_is_named(run: Path) -> None:
    (run / "notebooks" / "04_sharpening.ipynb").unlink()
    with pytest.raises(InputError, match=r"04_sharpening\.ipynb: no such file; run the profile first"):
        store_outputs(run, run / "project")
