"""The runner: what it runs and what it skips, refuses and keeps, on real notebooks in a copy of the project.

A copy runs in its own directory, so that no test touches the checkout's results. Two copies are
run at the same time, once for the whole session: one undisturbed, the other stopped with
Ctrl-C, started again, killed and started again.
"""

from __future__ import annotations

import fcntl
import json
import re
import subprocess
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from worlds.project_copy import (
    NAMES,
    PATIENCE_S,
    Completed,
    Interrupted,
    ProjectCopy,
    SmallRuns,
    copy_project,
    vanish,
    wait_for,
)


@pytest.fixture
def finished(undisturbed: ProjectCopy, tmp_path: Path) -> ProjectCopy:
    """A copy with a finished run of the test's own."""
    return undisturbed.clone(tmp_path / "project")


def did(completed: Completed) -> dict[str, str]:
    """Notebook → "done" or "skipped", in the order told."""
    assert completed.returncode == 0, completed.stderr
    lines = (re.fullmatch(r"(\w+): (skipped|done)\b.*", line) for line in completed.stdout.splitlines())
    return {match[1]: match[2] for match in lines if match}


def refusal(completed: Completed) -> str:
    """The one line with which a command gave up."""
    assert completed.returncode == 1, completed.stderr
    assert "Traceback" not in completed.stderr, completed.stderr
    lines = [
        line
        for line in re.split(r"[\r\n]+", completed.stderr)
        if line and not re.search(r"(cell/s|s/cell)\]", line)
    ]
    assert len(lines) == 1, lines
    assert lines[0].startswith("lstsr: ")
    return lines[0]


def all_skipped(*rerun: str) -> dict[str, str]:
    return {name: "done" if name in rerun else "skipped" for name in NAMES}


# What is run and what is skipped


def test_every_notebook_is_run_in_order(small_runs: SmallRuns, undisturbed: ProjectCopy) -> None:
    assert list(did(small_runs.first).items()) == [(name, "done") for name in NAMES]
    for name in NAMES:
        assert (undisturbed.run_directory / "notebooks" / f"{name}.ipynb").is_file()
        assert undisturbed.results(name)
    assert sorted(undisturbed.records()) == sorted(NAMES)


def test_progress_is_shown_for_each_notebook_and_cell(
    small_runs: SmallRuns, undisturbed: ProjectCopy
) -> None:
    for name in NAMES:
        cells = json.loads((undisturbed.run_directory / "notebooks" / f"{name}.ipynb").read_text())["cells"]
        assert re.search(rf"{name}: .*\b{len(cells)}/{len(cells)} \[", small_runs.first.stderr)


def test_nothing_leaves_the_run_directory(undisturbed: ProjectCopy) -> None:
    written = {path.name for path in undisturbed.run_directory.iterdir()}
    # Patches and scenes that are not made again, and networks that are being trained.
    times = {
        ".patches",
        ".atlas",
        ".granules",
        ".products",
        "trainings",
    }
    assert written == {*NAMES, "notebooks", "provenance.json", ".lock"} | times
    assert not list((undisturbed.run_directory / "trainings").iterdir())
    assert {path.name for path in (undisturbed.root / "data" / "runs").iterdir()} == {"sample"}


def test_unchanged_notebooks_are_skipped(undisturbed: ProjectCopy) -> None:
    before = undisturbed.results()
    again = undisturbed.run()
    assert again.stdout.splitlines() == [f"{name}: skipped, nothing changed" for name in NAMES]
    assert undisturbed.results() == before


def test_from_begins_there(undisturbed: ProjectCopy) -> None:
    assert did(undisturbed.run("--from", "05")) == {name: "skipped" for name in NAMES[4:]}


def test_a_changed_parameter_reruns_its_notebook_and_what_reads_it(
    finished: ProjectCopy, undisturbed: ProjectCopy
) -> None:
    again = finished.run("--set", "06_aster_evaluation.methods=[bicubic]")
    assert did(again) == all_skipped(
        "06_aster_evaluation", "11_atlas", "12_structure"
    )  # which reads what all the others wrote
    assert finished.results(*NAMES[:5]) == undisturbed.results(*NAMES[:5])
    table = (finished.run_directory / "06_aster_evaluation" / "metrics.csv").read_text().splitlines()
    assert [line.split(",")[:2] for line in table[1:]] == [["0", "bicubic"], ["1", "bicubic"]]
    assert finished.records()["06_aster_evaluation"]["parameters"]["methods"] == ["bicubic"]


def products_on_disk(copy: ProjectCopy) -> dict[Path, int]:
    """The inode of each product that 04_sharpening keeps."""
    products = copy.run_directory / ".products"
    return {path.relative_to(products): path.stat().st_ino for path in products.rglob("*.tif")}


def test_training_reruns_what_takes_its_weights_alone(
    finished: ProjectCopy, undisturbed: ProjectCopy
) -> None:
    def products(copy: ProjectCopy) -> dict[str, str]:
        rows = (copy.run_directory / "04_sharpening" / "products.csv").read_text().splitlines()[1:]
        return {",".join(row.split(",")[:3]): row for row in rows}

    assert did(finished.run("--set", "03_training.alpha=0.5")) == all_skipped("03_training", "12_structure")
    images = products_on_disk(finished)
    process = finished.run(
        "--only", "04", "--set", "weights_directory=03_training/weights", "--set", "03_training.alpha=0.5"
    )
    assert did(process) == {"04_sharpening": "done"}
    before, after = products(undisturbed), products(finished)
    assert before.keys() == after.keys()
    # The one network that was trained here; the others' weights are the package's in both.
    assert {key.split(",")[1] for key in before if before[key] != after[key]} == {"sif-cnn-sr1"}
    remade = products_on_disk(finished)
    assert images.keys() == remade.keys()
    assert {path.stem for path in images if images[path] != remade[path]} == {"sif-cnn-sr1"}


def test_what_changes_no_result_reruns_nothing(finished: ProjectCopy) -> None:
    """Files that were touched, a notebook's stored outputs, and modules that no notebook imports."""
    for path in [*(finished.root / "lstsr_core").rglob("*.py"), *finished.root.glob("data/params/*.yaml")]:
        path.touch()
    for path in finished.run_directory.rglob("*.csv"):
        path.write_bytes(path.read_bytes())
    notebook = finished.root / "notebooks" / "03_training.ipynb"
    content = json.loads(notebook.read_text())
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell["execution_count"] = 17
            cell["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "other"}]
    notebook.write_text(json.dumps(content))
    for module in ("lstsr_core/cli", "book/_ext/lstsr_book/claims"):
        with (finished.root / f"{module}.py").open("a") as stream:
            stream.write("\n# Changed.\n")
    assert did(finished.run()) == all_skipped()


def test_a_changed_module_reruns(finished: ProjectCopy, undisturbed: ProjectCopy) -> None:
    with (finished.root / "lstsr_core" / "metrics" / "fourier.py").open("a") as stream:
        stream.write("\n# Changed.\n")
    assert did(finished.run("--only", "05")) == {"05_fourier": "done"}
    assert finished.results() == undisturbed.results()


def test_a_deleted_result_is_made_again_and_what_reads_it_is_skipped(
    finished: ProjectCopy, undisturbed: ProjectCopy
) -> None:
    (finished.run_directory / "02_patches" / "regressions.csv").unlink()
    assert did(finished.run()) == all_skipped("02_patches")
    assert finished.results() == undisturbed.results()


def test_a_result_that_is_gone_upstream_is_not_read_around(finished: ProjectCopy) -> None:
    """The scene would silently be missing from every table."""
    for path in (finished.run_directory / "01_download" / "pairs").glob("1_*"):
        path.unlink()
    before = finished.results()
    message = refusal(finished.run("--only", "06"))
    assert "06_aster_evaluation" in message and "01_download/pairs/1_aster_250m.tif" in message
    assert finished.results() == before


# What is refused before anything runs

REFUSED: dict[str, tuple[list[str], str]] = {
    "unknown parameter": (
        ["--set", "03_training.epoch=3"],
        "03_training: unknown parameter 'epoch'; it has: run_directory, settings, epochs, threads, models, "
        "data, scenes, alpha",
    ),
    "wrong type": (
        ["--set", "03_training.epochs=many"],
        "parameter 'epochs' is 'many': input should be a valid integer",
    ),
    "out of range": (
        ["--set", "01_download.windows=1"],
        "01_download: parameter 'windows' is 1: input should be greater than",
    ),
    "unknown method": (
        ["--set", "06_aster_evaluation.methods=[kriging]"],
        "06_aster_evaluation: parameter 'methods' is ['kriging']: unknown method 'kriging'; "
        "known methods: bicubic, tsharp",
    ),
    "last notebook wrong": (
        ["--set", "06_aster_evaluation.protocol=guess"],
        "parameter 'protocol' is 'guess'",
    ),
    "another run's directory": (
        ["--set", "06_aster_evaluation.run_directory=other"],
        "parameter 'run_directory' is 'other'",
    ),
    "unknown notebook": (
        ["--set", "11_maps.seed=3"],
        "'11_maps' is no notebook; expected one of 01_download, 02_patches",
    ),
    "unknown number": (["--only", "99"], "'99' is no notebook"),
    "ambiguous number": (["--from", "0"], "'0' is no notebook"),
    "no assignment": (
        ["--set", "03_training.epochs"],
        "--set '03_training.epochs' is not NOTEBOOK.NAME=VALUE",
    ),
    "no notebook's": (["--set", "epoch=4"], "no notebook has a parameter 'epoch'"),
    "no YAML": (["--set", "03_training.epochs=[1"], "--set '03_training.epochs=[1': the value is not YAML"),
    "no day": (
        ["--set", "07_map.day=2018-02-30"],
        "07_map: parameter 'day' is '2018-02-30': '2018-02-30' is no day",
    ),
    "only and from": (["--only", "02", "--from", "03"], "--only and --from exclude each other"),
    "unknown profile": (["--profile", "tiny"], "the profiles are paper, sample"),
    "profile elsewhere": (["--profile", "../params/sample"], "the profiles are paper, sample"),
    "nothing upstream": (["--only", "06"], "06_aster_evaluation reads the results of 01_download"),
}

# One process for all, since importing takes longer than refusing. Each command
# has files to break first, and to mend after it.
MANY_RUNS = """
import contextlib, io, json, sys
from pathlib import Path
from lstsr_core.cli import main
for broken, arguments in json.loads(sys.argv[1]):
    whole = {path: Path(path).read_text() if Path(path).is_file() else None for path in broken}
    for path, text in broken.items():
        Path(path).write_text(text)
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors):
        try:
            code = main(["run", *arguments])
        except BaseException as error:
            code = repr(error)
    for path, text in whole.items():
        Path(path).unlink() if text is None else Path(path).write_text(text)
    print(json.dumps([code, errors.getvalue()]))
"""


def run_many(copy: ProjectCopy, commands: list[tuple[dict[str, str], list[str]]]) -> list[tuple[object, str]]:
    """Exit code (or the exception that got through) and errors told, of every command."""
    completed = copy.python(MANY_RUNS, json.dumps(commands))
    assert completed.returncode == 0, completed.stderr
    refusals = [(code, errors) for code, errors in map(json.loads, completed.stdout.splitlines())]
    assert len(refusals) == len(commands)
    return refusals


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> ProjectCopy:
    return copy_project(tmp_path_factory.mktemp("empty") / "project")


@pytest.fixture(scope="module")
def refused(empty: ProjectCopy) -> Mapping[str, tuple[object, str]]:
    commands: list[tuple[dict[str, str], list[str]]] = [({}, arguments) for arguments, _ in REFUSED.values()]
    return dict(zip(REFUSED, run_many(empty, commands), strict=True))


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_arguments_are_refused_in_one_line(
    case: str, refused: Mapping[str, tuple[object, str]]
) -> None:
    code, message = refused[case]
    assert code == 1, (code, message)
    assert re.fullmatch(r"lstsr: [^\n]+\n", message), message
    assert REFUSED[case][1] in message


def test_refused_commands_have_run_nothing(
    empty: ProjectCopy, refused: Mapping[str, tuple[object, str]]
) -> None:
    assert len(refused) == len(REFUSED)
    assert not list((empty.root / "data").rglob("*.ipynb"))
    assert not list((empty.root / "data").rglob("provenance.json"))


SAMPLE = "data/params/sample.yaml"
BROKEN_FILES = {
    "a list": (SAMPLE, "- a list\n", "holds a list; expected lines of 'name: value'"),
    "a bracket left open": (SAMPLE, "seed: [1\n", "is not YAML"),
    "a name twice": (SAMPLE, "seed: 1\nseed: 2\n", "'seed' stands there twice"),
    "a tab": (SAMPLE, "\tseed: 1\n", "is not YAML"),
    "an unknown notebook": (
        SAMPLE,
        "13_extra: {seed: 1}\n",
        "'13_extra' is neither a notebook nor a parameter of one",
    ),
    "an unknown name for all": (SAMPLE, "sed: 1\n", "'sed' is neither a notebook nor a parameter of one"),
    "an unknown name for one": (
        SAMPLE,
        "05_fourier: {sed: 1}\n",
        "05_fourier: unknown parameter 'sed'; it has: run_directory",
    ),
    "no names below a notebook": (
        SAMPLE,
        "05_fourier: 4\n",
        "05_fourier holds a int; expected lines of 'name: value'",
    ),
    "no JSON": ("notebooks/03_training.ipynb", "{\n", "not a readable notebook"),
    "no cells": ("notebooks/04_sharpening.ipynb", "{}\n", "not a readable notebook"),
    "no object": ("notebooks/05_fourier.ipynb", "[]\n", "not a readable notebook"),
    "a number of cells": (
        "notebooks/06_aster_evaluation.ipynb",
        '{"cells": 1, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n',
        "not a readable notebook",
    ),
    "a file for a directory": (
        "data/runs",
        "a file, not a directory\n",
        "cannot be written to or locked (Not a directory)",
    ),
}


@pytest.fixture(scope="module")
def broken_file_messages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[object, str]]:
    copy = copy_project(tmp_path_factory.mktemp("broken") / "project")
    commands: list[tuple[dict[str, str], list[str]]] = [
        ({str(copy.root / name): text}, []) for name, text, _ in BROKEN_FILES.values()
    ]
    return dict(zip(BROKEN_FILES, run_many(copy, commands), strict=True))


@pytest.mark.parametrize("case", BROKEN_FILES)
def test_broken_files_of_the_project_are_named_in_one_line(
    case: str, broken_file_messages: Mapping[str, tuple[object, str]]
) -> None:
    name, _, reason = BROKEN_FILES[case]
    code, message = broken_file_messages[case]
    assert code == 1, (code, message)
    assert re.fullmatch(r"lstsr: [^\n]+\n", message), message
    assert f"/project/{name}" in message and reason in message


# What fails


def failure(completed: Completed, copy: ProjectCopy, name: str) -> tuple[str, dict[str, Any]]:
    """The error told, and the cell of the file to open that has the number told."""
    match = re.fullmatch(
        rf"lstsr: {name}, cell \[(\d+)\]: (.*) Open (\S+) at that cell\.", refusal(completed)
    )
    assert match, completed.stderr
    cells = json.loads(Path(match[3]).read_text())["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert Path(match[3]).is_relative_to(copy.root)
    return match[2], code[int(match[1]) - 1]


def test_a_failing_notebook_is_told_and_earlier_results_stay(finished: ProjectCopy) -> None:
    broken = finished.run_directory / "01_download" / "pairs" / "1_lst_1km.tif"
    whole = broken.read_bytes()
    broken.write_bytes(whole[: len(whole) // 2])
    before, records = finished.results(), finished.records()
    error, cell = failure(finished.run("--only", "06"), finished, "06_aster_evaluation")
    assert error.startswith("InputError: ") and "1_lst_1km.tif: not a readable GeoTIFF" in error
    assert "stage.evaluate_pairs(settings)" in "".join(cell["source"])
    assert [output["output_type"] for output in cell["outputs"]] == ["error"]
    assert (finished.results(), finished.records()) == (before, records)

    broken.write_bytes(whole)
    assert did(finished.run("--only", "06")) == {"06_aster_evaluation": "skipped"}


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("raise ValueError('first line\\nsecond line')", "ValueError: first line second line"),
        ("import os\nos.kill(os.getpid(), 9)", "the kernel died"),
    ],
    ids=["error of two lines", "kernel killed"],
)
def test_a_broken_cell_is_told_in_one_line(finished: ProjectCopy, source: str, message: str) -> None:
    notebook = finished.root / "notebooks" / "05_fourier.ipynb"
    content = json.loads(notebook.read_text())
    checking = next(cell for cell in content["cells"] if "Fourier.check" in "".join(cell["source"]))
    checking["source"] = source
    notebook.write_text(json.dumps(content))
    before, records = finished.results(), finished.records()
    error, cell = failure(finished.run("--only", "05"), finished, "05_fourier")
    assert message in error
    assert "".join(cell["source"]) == source
    assert (finished.results(), finished.records()) == (before, records)


# What is stopped


def test_a_killed_rerun_leaves_earlier_results_to_all_that_read_them(
    finished: ProjectCopy, undisturbed: ProjectCopy
) -> None:
    process = finished.start("--only", "03", "--force")
    unfinished = finished.run_directory / "notebooks" / "03_training.unfinished.ipynb"
    assert wait_for(
        lambda: (
            unfinished.is_file() and not (finished.run_directory / "03_training" / "curves.csv").is_file()
        ),
        process,
    )
    process.kill()
    process.communicate()
    assert vanish(finished)
    assert did(finished.run("--only", "04")) == {"04_sharpening": "skipped"}
    assert did(finished.run()) == all_skipped()
    assert finished.results() == undisturbed.results()


def test_two_runs_of_one_profile_exclude_each_other(finished: ProjectCopy) -> None:
    before = finished.results()
    with (finished.run_directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another lstsr run is at work there" in refusal(finished.run("--force"))
    assert finished.results() == before
    assert did(finished.run()) == all_skipped()


def test_ctrl_c_ends_in_one_line(interrupted: Interrupted) -> None:
    assert interrupted.seen["stopped while writing"]
    stopped = interrupted.seen["stopped"]
    assert stopped.returncode == 130
    assert "Traceback" not in stopped.stderr, stopped.stderr
    assert stopped.stderr.rstrip().splitlines()[-1] == "lstsr: stopped; the same command goes on where it was"
    assert interrupted.seen["results after Ctrl-C"] == {}


def test_ctrl_c_leaves_no_kernel(interrupted: Interrupted) -> None:
    assert interrupted.seen["kernels before Ctrl-C"]
    assert interrupted.seen["no kernel after Ctrl-C"]


def test_a_killed_run_goes_on_where_it_was(interrupted: Interrupted) -> None:
    assert interrupted.seen["killed while writing"]
    assert interrupted.seen["records after kill"] == NAMES[:2]
    assert interrupted.seen["no kernel after kill"]
    skipped = {name: "skipped" for name in NAMES[:2]}
    assert did(interrupted.seen["finished"]) == {**skipped, **{name: "done" for name in NAMES[2:]}}


def test_an_interrupted_run_ends_in_the_bytes_of_an_undisturbed_one(
    interrupted: Interrupted, undisturbed: ProjectCopy
) -> None:
    ours, theirs = interrupted.copy.results(), undisturbed.results()
    assert ours.keys() == theirs.keys()
    assert [name for name in theirs if ours[name] != theirs[name]] == []
    assert {path.name for path in interrupted.copy.run_directory.glob(".*")} == {
        ".lock",
        ".patches",
        ".atlas",
        ".granules",
        ".products",
    }


def test_a_full_disk_leaves_earlier_results(
    finished: ProjectCopy, interrupted: Interrupted, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    assert interrupted.seen  # no other run may be started while the disk is full
    before, records = finished.results(), finished.records()
    with full_disk(20_000):
        process = finished.start("--only", "02", "--force")
    output, errors = process.communicate(timeout=PATIENCE_S)
    refusal(subprocess.CompletedProcess(process.args, process.returncode, output, errors))
    assert (finished.results(), finished.records()) == (before, records)
