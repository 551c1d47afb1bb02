"""Notebooks as files: read, run with parameters, and the cell named that stopped one."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import PROJECT


def read_notebook(path: Path) -> Any:
    """A notebook, its cells with their sources as one text each.

    Raises
    ------
    InputError
        If it is not there, or no notebook of format 4.
    """
    faults: dict[str, Exception] = {}
    try:
        notebook = nbformat.read(path, as_version=4, capture_validation_error=faults)  # type: ignore[no-untyped-call]
    except Exception as error:  # nbformat raises many kinds on what is none
        faults["reading"] = error
    for fault in faults.values():
        reason, *_ = str(fault).splitlines() or [repr(fault)]
        raise InputError(f"{path}: not a readable notebook ({reason}).")
    return notebook


def code_cells(notebook: Any) -> list[Any]:
    """The cells that run, in order."""
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def run_notebook(source: Path, executed: Path, values: dict[str, Any]) -> None:
    """Run a notebook with parameters, in the project's directory.

    Parameters
    ----------
    source : Path
    executed : Path
        Receives the notebook with its outputs once every cell has run; until
        then, ``<name>.unfinished.ipynb`` beside it does.
    values : dict
        Of the cell that is tagged ``parameters``.

    Raises
    ------
    InputError
        Naming the cell that failed, as Jupyter numbers it.
    """
    running = executed.with_suffix(".unfinished.ipynb")
    running.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(
            source, running, values, progress_bar={"desc": source.stem}, cwd=str(PROJECT),
            kernel_name="python3", extra_arguments=["--log-level=50"],
        )  # fmt: skip
    except KeyboardInterrupt:
        # It would report the stopped kernel with a traceback.
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)
        raise
    except PapermillExecutionError as error:
        failed, reason = error.exec_count, f"{error.ename}: {error.evalue}"
    except DeadKernelError:
        # Its number may not have come back from the kernel, but papermill notes when each cell was started.
        failed = sum(
            cell.metadata.papermill.start_time is not None for cell in code_cells(read_notebook(running))
        )
        reason = "the kernel died, perhaps for want of memory."
    else:
        running.replace(executed)
        return
    # The number that Jupyter shows beside a cell: papermill's own cells have shifted its place in the file.
    raise InputError(f"{source.stem}, cell [{failed}]: {reason} Open {running} at that cell.")
