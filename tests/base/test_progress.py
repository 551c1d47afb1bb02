"""Progress bars: nothing without a terminal, and on the terminal that is there or named."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from lstsr_core.base.progress import TERMINAL_VARIABLE, announce_terminal, bar


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    """File descriptors of a pseudo-terminal: the person's side, and the program's."""
    person, program = pty.openpty()
    termios.tcsetwinsize(program, (24, 80))  # on one without a size there is no room for a bar
    yield person, program
    os.close(person)
    os.close(program)


def shown(person: int) -> str:
    text = b""
    while select.select([person], [], [], 0.2)[0]:
        text += os.read(person, 65536)
    return text.decode()


def test_silent_without_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TERMINAL_VARIABLE, raising=False)
    progress = bar([3, 1, 2], "Pairs", "pair")
    assert [*progress] == [3, 1, 2]
    progress.set_postfix_str("loss 0.5")
    assert capsys.readouterr() == ("", "")


def test_draws_on_the_terminal_that_the_variable_names(
    terminal: tuple[int, int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    person, program = terminal
    monkeypatch.setenv(TERMINAL_VARIABLE, os.ttyname(program))
    progress = bar(range(4), "Training", "epoch")
    assert [*progress] == [0, 1, 2, 3]
    del progress
    text = shown(person)
    assert "Training" in text and "/4" in text and "epoch" in text
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["/dev/pts/gone", "/nowhere/terminal", ""])
def test_a_terminal_that_is_gone_is_no_error(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TERMINAL_VARIABLE, name)
    assert [*bar([1, 2], "Pairs", "pair")] == [1, 2]
    assert capsys.readouterr() == ("", "")


def test_a_file_is_no_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "log.txt"
    log.write_text("kept")
    monkeypatch.setenv(TERMINAL_VARIABLE, str(log))
    assert [*bar([1, 2], "Pairs", "pair")] == [1, 2]
    assert log.read_text() == "kept"


def test_nothing_is_announced_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TERMINAL_VARIABLE, raising=False)
    announce_terminal()
    assert TERMINAL_VARIABLE not in os.environ


def test_a_program_on_a_terminal_draws_and_names_it_for_those_it_starts(terminal: tuple[int, int]) -> None:
    person, program = terminal
    code = (
        "import os; from lstsr_core.base.progress import *; announce_terminal(); list(bar('ab', 'Patches',"
        " 'patch'));print(os.environ[TERMINAL_VARIABLE])"
    )
    environment = {name: value for name, value in os.environ.items() if name != TERMINAL_VARIABLE}
    done = subprocess.run(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=program,
        env=environment,
        check=True,
        text=True,
    )
    assert done.stdout == f"{os.ttyname(program)}\n"
    assert "Patches" in shown(person)
