"""Lock files: one holder at a time, in threads and programs; whoever is killed lets go."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lstsr_core.base.errors import InputError
from lstsr_core.base.locks import alone_in, locked

HOLDER = """
import sys, time
from pathlib import Path
from lstsr_core.base.locks import alone_in, locked
with {lock}:
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def hold() -> Iterator[object]:
    """A function (expression) that starts a program which holds a lock for long."""
    processes: list[subprocess.Popen[str]] = []

    def start(lock: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER.format(lock=lock)], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def test_another_program_is_refused_at_once_until_it_is_killed(tmp_path: Path, hold) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "run"
    process = hold(f"alone_in(Path({str(folder)!r}), 'somebody')")
    for _ in range(2):
        with pytest.raises(InputError, match=r"run: another run is at work there; wait for it, or stop it\."):
            alone_in(folder, "another run").__enter__()
    process.send_signal(signal.SIGKILL)
    process.wait()
    with alone_in(folder, "another run"):
        assert (folder / ".lock").is_file()


def test_a_lock_that_was_let_go_is_free(tmp_path: Path) -> None:
    for _ in range(2):
        with (
            alone_in(tmp_path, "another run"),
            pytest.raises(InputError, match="another run is at work there"),
        ):
            alone_in(tmp_path, "another run").__enter__()
    with pytest.raises(ZeroDivisionError), alone_in(tmp_path, "another run"):
        raise ZeroDivisionError
    with alone_in(tmp_path, "another run"):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"file/run: cannot be written to or locked \(Not a directory\)"):
        alone_in(tmp_path / "file" / "run", "another run").__enter__()


def test_who_waits_gets_the_lock_of_a_killed_program(tmp_path: Path, hold) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "lock"
    process = hold(f"locked(Path({str(path)!r}))")
    inside = threading.Event()

    def work() -> None:
        with locked(path):
            inside.set()

    thread = threading.Thread(target=work)
    thread.start()
    assert not inside.wait(0.5)
    process.kill()
    assert inside.wait(30)
    thread.join()
    assert not path.exists()
