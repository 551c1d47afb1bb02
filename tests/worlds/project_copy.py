"""A small copy of the project that runs on its own; two run at once, once a session."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lstsr_core.base.project import PROJECT

NAMES = [
    "01_download",
    "02_patches",
    "03_training",
    "04_sharpening",
    "05_fourier",
    "06_aster_evaluation",
    "07_map",
]
NAMES += ["08_findings", "09_weights", "10_ablation", "11_atlas"]
NAMES += ["13_better_map", "14_your_map", "12_structure"]
SETTINGS = [
    "01_download.windows=2", "01_download.pairs=2", '01_download.days=["2018-07-19"]', "03_training.epochs=1",
    "03_training.threads=1", "06_aster_evaluation.protocol=georeferenced", "07_map.threads=1",
    "08_findings.methods=[bicubic,tsharp]", "08_findings.steps=1", "08_findings.protocol=georeferenced",
    "11_atlas.methods=[bicubic,tsharp]", "11_atlas.processes=1", "13_better_map.methods=[bicubic,sc-unet]",
    "14_your_map.threads=1",
]  # fmt: skip
SMALL = [word for setting in SETTINGS for word in ("--set", setting)]
COMMITTED = ("params", "training", "training_curves", "own_weights", "ablation", "better_map")
PATIENCE_S = 900.0  # beside other work a run takes several times as long as alone
Completed = subprocess.CompletedProcess[str]


def _hear_ctrl_c() -> None:
    # A shell starts what goes on in the background deaf to it, and so its children.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@dataclass(frozen=True)
class ProjectCopy:
    """A copy of the project that runs on its own."""

    root: Path

    @property
    def run_directory(self) -> Path:
        return self.root / "data" / "runs" / "sample"

    @property
    def environment(self) -> dict[str, str]:
        variables = {name: value for name, value in os.environ.items() if name != "LSTSR_TERMINAL"}
        # Two threads that wait for each other beside other work take several times as long.
        return {**variables, "PYTHONPATH": self.python_path, "OMP_NUM_THREADS": "1"}

    @property
    def python_path(self) -> str:
        return os.pathsep.join([str(self.root), str(self.root / "book" / "_ext")])

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """``lstsr run`` with the small parameters, in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "lstsr_core.cli", "run", *SMALL, *arguments],
            env=self.environment, cwd=self.root.parent, start_new_session=True, text=True,
            preexec_fn=_hear_ctrl_c, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def run(self, *arguments: str) -> Completed:
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=PATIENCE_S)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    def python(self, code: str, *arguments: str) -> Completed:
        """Python code with the copy's package."""
        command = [sys.executable, "-c", code, *arguments]
        return subprocess.run(
            command, env=self.environment, cwd=self.root.parent, text=True, capture_output=True
        )

    def results(self, *notebooks: str) -> dict[str, bytes]:
        """Content of every file that the notebooks wrote, by path; of all notebooks if none is named."""
        folders = [self.run_directory / name for name in notebooks or NAMES]
        files = (file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file())
        return {file.relative_to(self.run_directory).as_posix(): file.read_bytes() for file in files}

    def records(self) -> dict[str, dict[str, Any]]:
        path = self.run_directory / "provenance.json"
        records: dict[str, dict[str, Any]] = json.loads(path.read_text()) if path.is_file() else {}
        return records

    def kernels(self) -> list[int]:
        """Processes of notebooks that belong to this copy."""
        marker = f"PYTHONPATH={self.python_path}".encode()
        pids = []
        for process in Path("/proc").iterdir():
            try:
                if b"ipykernel" in (process / "cmdline").read_bytes():
                    environment = (process / "environ").read_bytes().split(b"\0")
                    pids += [int(process.name)] if marker in environment else []
            except OSError:  # no process, or one that has just ended
                continue
        return pids

    def clone(self, root: Path) -> ProjectCopy:
        shutil.copytree(self.root, root)
        return ProjectCopy(root)


def copy_project(root: Path) -> ProjectCopy:
    """The project's sources without any results."""
    for name in ("lstsr_core", "book/_ext", "notebooks", *(f"data/{name}" for name in COMMITTED)):
        shutil.copytree(PROJECT / name, root / name)
    for path in [PROJECT / "pyproject.toml", *(PROJECT / "data").glob("*.*")]:
        shutil.copy2(path, root / path.relative_to(PROJECT))
    return ProjectCopy(root)


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> bool:
    """Wait until a condition holds; False if the process ends before, or after long."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if condition():
            return True
        if process is not None and process.poll() is not None:
            return False
        time.sleep(0.01)
    return False


def has_begun_to_write(directory: Path) -> bool:
    return directory.is_dir() and any(directory.iterdir())


def vanish(copy: ProjectCopy, within_s: float = 60.0) -> bool:
    """Whether all of a copy's kernels end soon."""
    deadline = time.monotonic() + within_s
    while copy.kernels() and time.monotonic() < deadline:
        time.sleep(0.1)
    return not copy.kernels()


@dataclass
class Interrupted:
    """What was seen while a run was stopped with Ctrl-C, killed, and finished."""

    copy: ProjectCopy
    seen: dict[str, Any] = field(default_factory=dict)

    def go(self) -> Interrupted:
        self._stop()
        self._kill()
        self.seen["finished"] = self.copy.run()
        return self

    def _stop(self) -> None:
        process = self.copy.start()
        self.seen["stopped while writing"] = wait_for(
            lambda: has_begun_to_write(self.copy.run_directory / "01_download"), process
        )
        self.seen["kernels before Ctrl-C"] = self.copy.kernels()
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=PATIENCE_S)
        self.seen["stopped"] = subprocess.CompletedProcess(process.args, process.returncode, output, errors)
        self.seen["no kernel after Ctrl-C"] = vanish(self.copy)
        self.seen["results after Ctrl-C"] = self.copy.results()

    def _kill(self) -> None:
        process = self.copy.start()
        self.seen["killed while writing"] = wait_for(
            lambda: has_begun_to_write(self.copy.run_directory / "03_training"), process
        )
        process.kill()
        process.communicate(timeout=PATIENCE_S)
        self.seen["no kernel after kill"] = vanish(self.copy)
        self.seen["records after kill"] = sorted(self.copy.records())


@dataclass
class SmallRuns:
    """The session's two runs: one undisturbed, one (still going on, perhaps) interrupted."""

    copy: ProjectCopy
    first: Completed
    interrupted: Future[Interrupted]


def start_small_runs(directory: Path) -> SmallRuns:
    """Run two copies below a directory; one is finished on return, the other interrupted."""
    undisturbed, interrupted = (
        copy_project(directory / name / "project") for name in ("undisturbed", "interrupted")
    )
    pool = ThreadPoolExecutor(1)
    future = pool.submit(Interrupted(interrupted).go)
    runs = SmallRuns(undisturbed, undisturbed.run(), future)
    pool.shutdown(wait=False)
    return runs
