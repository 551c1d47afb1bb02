"""Pages of notebooks: one cell of parameters with the values used, and no cell for tests alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from papermill.parameterize import parameterize_notebook

from lstsr_book.notebook_pages import with_parameters_used, write_notebook
from lstsr_book.prose import NOTEBOOKS, Edition
from lstsr_core.base.errors import InputError
from lstsr_core.base.project import PROJECT
from lstsr_core.stages.parameters import BY_NOTEBOOK

EDITION = Edition("paper", False, 3, 83)


def parameterised(name: str, given: dict[str, Any]) -> list[dict[str, Any]]:
    """Cells as papermill hands them to the kernel."""
    notebook = nbformat.read(PROJECT / "notebooks" / f"{name}.ipynb", 4)
    for cell in notebook.cells:
        cell.metadata.setdefault("tags", [])
    notebook.metadata.papermill = {}
    return json.loads(json.dumps(parameterize_notebook(notebook, given).cells))


def shown_values(cells: list[dict[str, Any]]) -> dict[str, Any]:
    """What a kernel has after the one cell of parameters that is left."""
    (cell,) = (cell for cell in cells if "parameters" in cell["metadata"].get("tags", []))
    values: dict[str, Any] = {}
    exec("".join(cell["source"]), {}, values)
    return {name: value for name, value in values.items() if not name.startswith("_")}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_the_values_used_stand_in_the_explained_cell(name: str) -> None:
    defaults = shown_values(parameterised(name, {}))
    assert defaults.keys() == BY_NOTEBOOK[name].model_fields.keys()
    others = {str: 'a "quoted" word', int: 7, list: ["0", "57"], float: 0.25, bool: True, type(None): None}
    used = {key: others[type(value)] for key, value in defaults.items()}
    cells = with_parameters_used(parameterised(name, used), set(used))
    assert shown_values(cells) == used
    assert not any("injected-parameters" in cell["metadata"].get("tags", []) for cell in cells)
    (cell,) = (cell for cell in cells if "parameters" in cell["metadata"].get("tags", []))
    assert cell["source"].count("# ") >= len(used)


def test_defaults_stay_as_they_are_written() -> None:
    """A run is given the names of all methods; the cell says "all" as long as that is what it means."""
    given = {"methods": ["bicubic", "tsharp"], "scene": "57"}
    cells = with_parameters_used(parameterised("05_fourier", given), {"scene"})
    assert shown_values(cells)["methods"] == ["all"] and shown_values(cells)["scene"] == "57"


def test_a_page_shows_what_was_changed_and_where_the_run_lives(tmp_path: Path) -> None:
    checked = BY_NOTEBOOK["05_fourier"].check({"scene": "57"}).model_dump()
    cells = parameterised("05_fourier", {**checked, "run_directory": "data/runs/paper"})
    executed = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    (tmp_path / "run.ipynb").write_text(json.dumps(executed))
    write_notebook(
        tmp_path / "run.ipynb", tmp_path / "05_fourier.ipynb", EDITION, {"parameters": checked}, []
    )
    written = json.loads((tmp_path / "05_fourier.ipynb").read_text())["cells"]
    assert shown_values(written) == {
        **shown_values(parameterised("05_fourier", {})),
        "scene": "57",
        "run_directory": "data/runs/paper",
    }


@pytest.mark.parametrize(
    ("source", "synthetic", "note"),
    [
        ("sample", False, "in every edition"),
        ("sample", True, "Synthetic edition"),
        ("earthdata", False, "3 of"),
    ],
)
def test_simulated_granules_among_real_results_are_called_so(
    tmp_path: Path, source: str, synthetic: bool, note: str
) -> None:
    checked = BY_NOTEBOOK["14_your_map"].check({"source": source}).model_dump()
    cells = parameterised("14_your_map", checked)
    executed = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}
    (tmp_path / "run.ipynb").write_text(json.dumps(executed))
    edition = Edition("any", synthetic, 3, 83)
    write_notebook(
        tmp_path / "run.ipynb", tmp_path / "14_your_map.ipynb", edition, {"parameters": checked}, []
    )
    (_, told, *_) = json.loads((tmp_path / "14_your_map.ipynb").read_text())["cells"]
    assert note in told["source"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_what_only_tests_compare_is_on_no_page(name: str) -> None:
    for cell in json.loads((PROJECT / "notebooks" / f"{name}.ipynb").read_text())["cells"]:
        assert ("remove-cell" in cell["metadata"].get("tags", [])) == (
            "steady_figures" in "".join(cell["source"])
        )


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"cells": []}', '{"cells": [{"cell_type": "code", "source": ""}]}']
)
def test_what_is_no_notebook_with_a_title_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.ipynb").write_text(content)
    with pytest.raises(
        InputError, match=r"run\.ipynb: (not readable as a notebook|its first cell is no title)"
    ):
        write_notebook(tmp_path / "run.ipynb", tmp_path / "05_fourier.ipynb", EDITION, {}, [])
