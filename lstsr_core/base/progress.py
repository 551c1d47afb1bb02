"""Progress bars that reach a person's terminal and nothing else: no log, no notebook output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

TERMINAL_VARIABLE = "LSTSR_TERMINAL"
"""Names the runner's terminal, for the bars of the notebooks that it runs."""


class _NamedTerminalBar(tqdm):  # type: ignore[type-arg]  # not generic when the program runs
    """Closes the terminal that was opened for it."""

    def close(self) -> None:
        visible = not self.disable
        super().close()
        if visible:
            self.fp.close()


def bar(items: Iterable[Item], description: str, unit: str, total: int | None = None) -> tqdm[Item]:
    """Iterate over items with a bar on the terminal that tells the time left; without a terminal, in silence.

    ``total`` is their number, where they have no length.
    """
    return _bar(items, desc=description, unit=unit, total=total)


def counter(total: int | None, description: str, unit: str, begin: int = 0) -> tqdm[Any]:
    """A bar like that of `bar`, to be told of each step; bytes (``B``) are shown as kB, MB and so on."""
    return _bar(None, desc=description, unit=unit, total=total, initial=begin, unit_scale=unit == "B")


@contextmanager
def step(description: str) -> Iterator[None]:
    """Name on the terminal what is done meanwhile and cannot be counted; without a terminal, in silence."""
    with _bar(None, desc=description, bar_format="{desc} …"):
        yield


def _bar(items: Iterable[Item] | None, **options: Any) -> tqdm[Any]:
    stream = sys.stderr if sys.stderr.isatty() else _named_terminal()
    kind = tqdm if stream is sys.stderr else _NamedTerminalBar
    return kind(items, file=stream, disable=stream is None, leave=False, **options)


def announce_terminal() -> None:
    """Let the notebooks that this process starts draw on its terminal."""
    if sys.stderr.isatty():
        os.environ[TERMINAL_VARIABLE] = os.ttyname(sys.stderr.fileno())


def _named_terminal() -> TextIO | None:
    try:
        descriptor = os.open(os.environ[TERMINAL_VARIABLE], os.O_WRONLY | os.O_NOCTTY)
    except (KeyError, OSError):
        return None
    if not os.isatty(descriptor):
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "w")
