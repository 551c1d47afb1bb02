"""Running the notebooks in order, and only those whose results would change.

Engines with a database of their own (doit, pytask, Snakemake) were left aside: the loop is a page, and each notebook's record
is on disk the moment it succeeds, so a killed run goes on where it was.
"""

from __future__ import annotations

import fcntl
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.base.fingerprint import Record, code_of, digests, fingerprint, git_revision, read_records, versions, write_records
from lstsr_core.base.project import (
    NOTEBOOKS,
    PARAMETERS,
    PROJECT,
    RUNS,
)  # fmt: skip
from lstsr_core.base.text import read_yaml
from lstsr_core.networks.weights import PACKAGE_WEIGHTS
from lstsr_core.pairs import published as archive
from lstsr_core.sharpening.methods import OWN_METHODS
from lstsr_core.stages.order import COMMITTED, UPSTREAM, upstream_of
from lstsr_core.stages.parameters import BY_NOTEBOOK, Download, NotebookParameters

PROFILES = ("sample", "paper")


def run_profile(
    profile: str, settings: Mapping[str, Mapping[str, Any]], chosen: list[str], force: bool, say: Callable[[str], None]
) -> list[str]:
    """Run the chosen notebooks of a profile in order.

    Parameters
    ----------
    profile : str
        "sample" or "paper": the parameter files of ``data/params/<profile>``.
    settings : mapping
        Notebook → parameter → value, over the files'.
    chosen : list of str
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
    if profile not in PROFILES:
        raise InputError(f"'{profile}' is no profile; the profiles are {', '.join(PROFILES)}.")
    checked = {name: check_parameters(profile, name, settings.get(name, {})) for name in UPSTREAM}
    run = RUNS / profile
    for name, parameters in checked.items():
        if parameters.run != run:
            raise InputError(
                f"{name}: parameter 'run_directory' is '{parameters.run_directory}'; this profile's run lives in {run}. "
                "Open the notebook itself to write elsewhere."
            )
    with _alone_in(run):
        return _run_chosen(run, checked, chosen, force, say)


def _run_chosen(
    run: Path, checked: Mapping[str, NotebookParameters], chosen: list[str], force: bool, say: Callable[[str], None]
) -> list[str]:
    for name in checked:  # of all notebooks, for those that are not chosen may be read
        _restore_interrupted(run, name)
    ran = []
    for name in chosen:
        record = _planned(run, name, checked[name])
        if not force and _is_unchanged(run, name, record):
            say(f"{name}: skipped, nothing changed")
            continue
        started = time.monotonic()
        try:
            with _kept_until_success(run, name):
                _execute(run, name, checked[name])
        except OSError as error:
            raise InputError(
                f"{run / name}: cannot be written ({error.strerror or error}). Free some space, or see that the project's "
                "directory can be written to."
            ) from error
        records = read_records(run)
        outputs = digests([run / name], run)
        seconds = round(time.monotonic() - started, 1)
        write_records(run, {**records, name: {**record, "outputs": outputs, "seconds": seconds}})
        say(f"{name}: done in {seconds} s, {len(outputs)} files in {run / name}")
        ran.append(name)
    return ran


def check_parameters(profile: str, name: str, overrides: Mapping[str, Any]) -> NotebookParameters:
    """Parameters of one notebook from the profile's file and `overrides`, validated.

    Raises
    ------
    InputError
        Naming each parameter that the notebook does not have or that is wrong.
    """
    path = PARAMETERS / profile / f"{name}.yaml"
    if not path.is_file():
        raise InputError(f"{path}: no such parameter file; the profiles are {', '.join(PROFILES)}.")
    values = {**read_yaml(path), **overrides}
    try:
        known = papermill.inspect_notebook(NOTEBOOKS / f"{name}.ipynb")
    except Exception as error:  # nbformat raises many kinds on what is none
        raise InputError(f"{NOTEBOOKS / name}.ipynb: not a readable notebook ({error}).") from None
    unknown = sorted(values.keys() - known.keys())
    if unknown:
        raise InputError(f"{name}: unknown parameter '{', '.join(unknown)}'; it has: {', '.join(known)}.")
    return BY_NOTEBOOK[name].check(values)


def _planned(run: Path, name: str, parameters: NotebookParameters) -> Record:
    records, read = read_records(run), upstream_of(parameters)
    missing = [upstream for upstream in read if upstream not in records]
    if missing:
        raise InputError(f"{name} reads the results of {', '.join(missing)}, which has not been run; leave out --only or --from.")
    inputs = digests([run / upstream for upstream in read], run)
    gone = [path for upstream in read for path in records[upstream]["outputs"] if path not in inputs]
    if gone:
        raise InputError(f"{name} reads {', '.join(gone)}, which is gone; leave out --only or --from, and it is made again.")
    if isinstance(parameters, Download) and parameters.source == "published":
        inputs = dict(archive.verify(archive.published_directory())[["file", "sha256"]].astype(str).to_numpy().tolist())
    cells = json.loads((NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8"))["cells"]
    sources = [cell["source"] for cell in cells]
    code = code_of("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    code |= digests(COMMITTED.get(name, [PACKAGE_WEIGHTS]), PROJECT)
    values = parameters.model_dump()
    if {"method", "methods"} & values.keys():
        code |= OWN_METHODS
    return {
        "parameters": values, "seed": values.get("seed"), "inputs": inputs,
        "git_revision": git_revision(), "versions": versions(), "fingerprint": fingerprint(sources, values, inputs, code),
    }  # fmt: skip


def _is_unchanged(run: Path, name: str, planned: Record) -> bool:
    last = read_records(run).get(name, {})
    return last.get("fingerprint") == planned["fingerprint"] and last.get("outputs") == digests([run / name], run)


@contextmanager
def _alone_in(run: Path) -> Iterator[None]:
    try:
        run.mkdir(parents=True, exist_ok=True)
        lock = (run / ".lock").open("w")
    except OSError as error:
        raise InputError(
            f"{run}: cannot be written ({error.strerror}). Choose a project directory that you may write to."
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with the process, however that ends
        except BlockingIOError:
            raise InputError(f"{run}: another lstsr run is at work there; wait for it, or stop it.") from None
        yield


@contextmanager
def _kept_until_success(run: Path, name: str) -> Iterator[None]:
    results, previous = run / name, run / f".{name}.previous"
    results.mkdir(parents=True, exist_ok=True)
    results.rename(previous)
    try:
        yield
    except BaseException:
        _restore_interrupted(run, name)
        raise
    shutil.rmtree(previous)


def _restore_interrupted(run: Path, name: str) -> None:
    previous = run / f".{name}.previous"
    if previous.is_dir():
        shutil.rmtree(run / name, ignore_errors=True)
        previous.rename(run / name)


def _execute(run: Path, name: str, parameters: NotebookParameters) -> None:
    executed, running = run / "notebooks" / f"{name}.ipynb", run / "notebooks" / f"{name}.unfinished.ipynb"
    running.parent.mkdir(parents=True, exist_ok=True)
    given = {**parameters.model_dump(), "run_directory": str(run.relative_to(PROJECT))}
    try:
        papermill.execute_notebook(
            NOTEBOOKS / f"{name}.ipynb",
            running,
            given,
            progress_bar={"desc": name},
            cwd=str(PROJECT),
            kernel_name="python3",
            extra_arguments=["--log-level=50"],
        )
    except KeyboardInterrupt:
        logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # it would report the stopped kernel with a traceback
        raise
    except PapermillExecutionError as error:
        failed, reason = error.exec_count, f"{error.ename}: {error.evalue}"
    except DeadKernelError:
        # Its number may not have come back from the kernel any more, but papermill notes when each cell was started.
        cells = [cell for cell in json.loads(running.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
        failed = sum(cell["metadata"]["papermill"]["start_time"] is not None for cell in cells)
        reason = "the kernel died, perhaps for want of memory."
    else:
        running.replace(executed)
        return
    # The number that Jupyter shows beside a cell: its place in the file has been shifted by papermill's own cells.
    raise InputError(f"{name}, cell [{failed}]: {reason} Open {running} at that cell.")


def store_outputs(run: Path) -> None:
    """Put the outputs of a run's notebooks into the project's notebooks, without times or injected cells, for nbval to compare.

    Raises
    ------
    InputError
        If a notebook has not been run, or has changed since.
    """
    for name in UPSTREAM:
        executed, source = run / "notebooks" / f"{name}.ipynb", NOTEBOOKS / f"{name}.ipynb"
        if not executed.is_file():
            raise InputError(f"{executed}: no such file; run the profile first.")
        ran = {cell["id"]: cell for cell in json.loads(executed.read_text(encoding="utf-8"))["cells"]}
        notebook = json.loads(source.read_text(encoding="utf-8"))
        for count, cell in enumerate((cell for cell in notebook["cells"] if cell["cell_type"] == "code"), start=1):
            if ran.get(cell["id"], {}).get("source") != cell["source"]:
                raise InputError(f"{executed}: cell {cell['id']} is another than in {source}; run the profile again.")
            outputs = ran[cell["id"]]["outputs"]
            cell |= {
                "execution_count": count,
                "outputs": [{**o, "execution_count": count} if "execution_count" in o else o for o in outputs],
            }
        with written_atomically(source) as temporary:
            temporary.write_text(json.dumps(notebook, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
