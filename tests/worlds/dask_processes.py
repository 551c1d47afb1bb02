"""A Dask scheduler and workers as a user starts them: processes of their own, on loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from lstsr_core.base.project import PROJECT

DASK = Path(sys.executable).with_name("dask")
LOCAL = ["--host", "127.0.0.1", "--no-dashboard"]


@dataclass
class DaskProcesses:
    """A running scheduler with its workers."""

    directory: Path
    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def scheduler_file(self) -> str:
        return str(self.directory / "scheduler.json")

    def start_worker(self, path: Sequence[Path] = ()) -> subprocess.Popen[bytes]:
        """Start a worker of one thread that looks for modules in `path` first."""
        options = [
            "--nthreads",
            "1",
            "--local-directory",
            self.directory,
            "--scheduler-file",
            self.scheduler_file,
        ]
        self.workers.append(_start(["worker", *LOCAL, *options], path))
        return self.workers[-1]

    def wait_for_workers(self, count: int) -> None:
        import distributed  # a second, which most test modules do not need

        with distributed.Client(scheduler_file=self.scheduler_file, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=60)


def _start(arguments: Sequence[str | Path], path: Sequence[Path] = ()) -> subprocess.Popen[bytes]:
    modules = os.pathsep.join(map(str, [*path, PROJECT, Path(__file__).parents[1]]))
    environment = {**os.environ, "PYTHONPATH": modules}
    return subprocess.Popen(
        [sys.executable, DASK, *arguments],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started by SIGKILL, all at once as a machine does."""
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        for each in [parent, *parent.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                each.send_signal(signal.SIGKILL)
    process.wait()


@contextmanager
def dask_processes(directory: Path, workers: int) -> Iterator[DaskProcesses]:
    """Start a scheduler and workers, and end them."""
    scheduler = _start(["scheduler", *LOCAL, "--port", "0", "--scheduler-file", directory / "scheduler.json"])
    running = DaskProcesses(directory, scheduler)
    with ExitStack() as stack:
        stack.callback(lambda: [kill(process) for process in (*running.workers, scheduler)])
        for _ in range(workers):
            running.start_worker()
        if workers:
            running.wait_for_workers(workers)
        yield running
