"""Progress bars that reach a person's terminal and nothing else: no log, no notebook output."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO, TypeVar

from tqdm import tqdm

Item = TypeVar("Item")

TERMINAL_VARIABLE = "LSTSR_TERMINAL"
"""Names the runner's terminal, for the bars of the notebooks that it runs."""


def bar(items: Iterable[Item], description: str, unit: str) -> tqdm[Item]:
    """Iterate over items with a bar on the terminal; without a terminal, in silence."""
    stream = _terminal()
    return tqdm(items, desc=description, unit=unit, file=stream, disable=stream is None, leave=False)


def announce_terminal() -> None:
    """Let the notebooks that this process starts draw on its terminal."""
    if sys.stderr.isatty():
        os.environ[TERMINAL_VARIABLE] = os.ttyname(sys.stderr.fileno())


def _terminal() -> TextIO | None:
    if sys.stderr.isatty():
        return sys.stderr
    try:
        return Path(os.environ[TERMINAL_VARIABLE]).open("w")
    except (KeyError, OSError):
        return None
