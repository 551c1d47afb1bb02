"""The outputs that the project's notebooks hold: those of the sample, for nbval to compare with."""

from __future__ import annotations

from pathlib import Path

import nbformat

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.base.notebook import code_cells, read_notebook
from lstsr_core.base.project import NOTEBOOKS
from lstsr_core.stages.order import UPSTREAM


def store_outputs(run: Path, notebooks: Path = NOTEBOOKS) -> None:
    """Put the outputs of a run's notebooks into the project's notebooks, without times or injected cells.

    Raises
    ------
    InputError
        If a notebook has not been run, or has changed since.
    """
    for name in UPSTREAM:
        executed, source = run / "notebooks" / f"{name}.ipynb", notebooks / f"{name}.ipynb"
        if not executed.is_file():
            raise InputError(f"{executed}: no such file; run the profile first.")
        cells = {cell.id: cell for cell in read_notebook(executed).cells}
        notebook = read_notebook(source)
        for count, cell in enumerate(code_cells(notebook), start=1):
            if cell.id not in cells or cells[cell.id].source != cell.source:
                raise InputError(
                    f"{executed}: cell {cell.id} is another than in {source}; run the profile again."
                )
            cell.execution_count, cell.outputs = count, cells[cell.id].outputs
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = count
        with written_atomically(source) as temporary:
            nbformat.write(notebook, temporary)  # type: ignore[no-untyped-call]
