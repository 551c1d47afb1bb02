"""What a command says: lines for a person or, for a script, one JSON document on standard output."""

from __future__ import annotations

import datetime
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import asdict, dataclass, field, is_dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

INTERRUPTED = "stopped"


@dataclass
class Report:
    """What one command says of its work.

    Attributes
    ----------
    command : str
        Its name, such as ``map``.
    as_json : bool
        A document is wanted: what else the command prints goes to standard error.
    result : dict of str to Any
        Of the command: paths, numbers, texts, days, dataclasses of such, and lists and mappings of them.
    warnings : list of str
        One line each, without the program's name.
    """

    command: str = ""
    as_json: bool = False
    result: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    _begin_s: float = field(default_factory=time.monotonic)
    _is_written: bool = False

    def warn(self, line: str, prefix: str = "lstsr: ") -> None:
        """Say one line on standard error, and in the document."""
        self.warnings.append(line)
        print(f"{prefix}{line}", file=sys.stderr)

    @contextmanager
    def apart(self) -> Iterator[None]:
        """While this lasts, what is printed stays clear of the document."""
        if not self.as_json:
            yield
            return
        with redirect_stdout(sys.stderr):
            yield

    def write(self, exit_status: int, error: str | None = None) -> None:
        """Print the document, if one is wanted; at most once.

        Parameters
        ----------
        exit_status : int
        error : str, optional
            Why the command stopped, in the line that a person gets.
        """
        if not self.as_json or self._is_written:
            return
        self._is_written = True
        document = {
            "command": self.command,
            "version": version("lstsr"),
            "exit_status": exit_status,
            "error": error,
            "seconds": round(time.monotonic() - self._begin_s, 3),
            "warnings": self.warnings,
            "result": self.result,
        }
        print(json.dumps(_plain(document), indent=1, allow_nan=False))


def _plain(value: Any) -> Any:
    """A value as JSON has it; a number that is none or infinite becomes null."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path | datetime.date):
        return str(value)
    if hasattr(value, "item"):  # a number of NumPy's
        return _plain(value.item())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    raise TypeError(f"{type(value).__name__} has no place in a document: {value!r}")
