"""Running the notebooks in order, and only those whose results would change.

pytask 0.6 was tried and left aside: it does not notice a file that a notebook's folder has lost, ``-k``
runs what comes before as well, nothing keeps two runs apart, a failure leaves half a folder, and its lock
file holds no parameters, seconds or versions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import restore_folder, rewriting
from lstsr_core.base.fingerprint import (
    Record,
    code_of,
    digests,
    fingerprint,
    git_revision,
    read_records,
    versions,
    write_records,
)
from lstsr_core.base.locks import alone_in
from lstsr_core.base.notebook import code_cells, read_notebook, run_notebook
from lstsr_core.base.project import NOTEBOOKS, PROJECT, RUNS
from lstsr_core.networks.weights_files import PACKAGE_WEIGHTS
from lstsr_core.pairs import published
from lstsr_core.sharpening.methods import OWN_METHODS
from lstsr_core.stages.order import COMMITTED, upstream_of
from lstsr_core.stages.parameters import Download, NotebookParameters
from lstsr_core.stages.profiles import check_profile


def run_profile(
    profile: str,
    settings: Mapping[str, Mapping[str, Any]],
    notebooks: list[str],
    force: bool,
    say: Callable[[str], None],
) -> list[str]:
    """Run the chosen notebooks of a profile in order.

    Parameters
    ----------
    profile : str
        Such as "sample": ``data/params/<profile>.yaml``.
    settings : mapping
        Notebook → parameter → value, over the file's.
    notebooks : list of str
        Notebooks to run, of `UPSTREAM`.
    force : bool
        Run them even if nothing changed.
    say : callable
        Takes each line for the user.

    Returns
    -------
    list of str
        The notebooks that were run.

    Raises
    ------
    InputError
        If a parameter is unknown or wrong (before anything runs), or a notebook fails.
    """
    checked = check_profile(profile, settings)
    for name in checked:
        read_notebook(NOTEBOOKS / f"{name}.ipynb")
    run = RUNS / profile
    with alone_in(run, "another lstsr run"):
        for name in checked:  # of all notebooks, for those that are not chosen may be read
            restore_folder(run / name)
        return [name for name in notebooks if _run(run, checked[name], force, say)]


def _run(run: Path, parameters: NotebookParameters, force: bool, say: Callable[[str], None]) -> bool:
    """Run one notebook, unless nothing changed; whether it was run."""
    name = parameters.notebook
    record = plan(run, parameters)
    if not force and is_unchanged(run, name, record):
        say(f"{name}: skipped, nothing changed")
        return False
    started = time.monotonic()
    values = {**parameters.model_dump(), "run_directory": str(run.relative_to(PROJECT))}
    try:
        with rewriting(run / name):
            run_notebook(NOTEBOOKS / f"{name}.ipynb", run / "notebooks" / f"{name}.ipynb", values)
    except OSError as error:
        raise InputError(
            f"{run / name}: cannot be written ({error.strerror or error}). Free some space, or see that the"
            " project's directory can be written to."
        ) from error
    outputs = digests([run / name], run)
    seconds = round(time.monotonic() - started, 1)
    write_records(run, {**read_records(run), name: {**record, "outputs": outputs, "seconds": seconds}})
    say(f"{name}: done in {seconds} s, {len(outputs)} files in {run / name}")
    return True


def plan(run: Path, parameters: NotebookParameters) -> Record:
    """What a notebook's results would be made of now: parameters,
    inputs, code, versions, and their fingerprint.

    Raises
    ------
    InputError
        If what it reads has not been made, or is gone.
    """
    name, records, reads = parameters.notebook, read_records(run), upstream_of(parameters)
    missing = [upstream for upstream in reads if upstream not in records]
    if missing:
        raise InputError(
            f"{name} reads the results of {', '.join(missing)}, which has not been run; leave out --only or"
            " --from."
        )
    inputs = digests([run / upstream for upstream in reads], run)
    gone = [path for upstream in reads for path in records[upstream]["outputs"] if path not in inputs]
    if gone:
        raise InputError(
            f"{name} reads {', '.join(gone)}, which is gone; leave out --only or --from, and it is made"
            " again."
        )
    if isinstance(parameters, Download) and parameters.source == "published":
        files = published.verify(published.published_directory())
        inputs = dict(files[["file", "sha256"]].astype(str).to_numpy().tolist())
    notebook = read_notebook(NOTEBOOKS / f"{name}.ipynb")
    code = code_of(cell.source for cell in code_cells(notebook))
    code |= digests(COMMITTED.get(name, [PACKAGE_WEIGHTS]), PROJECT)
    values = parameters.model_dump()
    if {"method", "methods"} & values.keys():
        code |= OWN_METHODS
    made_of = fingerprint([cell.source for cell in notebook.cells], values, inputs, code)
    return {
        "parameters": values, "seed": values.get("seed"), "inputs": inputs,
        "git_revision": git_revision(), "versions": versions(), "fingerprint": made_of,
    }  # fmt: skip


def is_unchanged(run: Path, name: str, planned: Record) -> bool:
    """Whether a notebook's results are there as it left them, and made of what is planned."""
    last = read_records(run).get(name, {})
    return last.get("fingerprint") == planned["fingerprint"] and last.get("outputs") == digests(
        [run / name], run
    )
