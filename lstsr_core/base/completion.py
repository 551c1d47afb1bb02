"""Completion of a program's words by the shell, which asks for it by running the program."""

from __future__ import annotations

import argparse
import ast
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

ASKED_VARIABLE = "_ARGCOMPLETE"
"""Set by the shell where a program shall complete a line instead of doing what it says."""

Names = Callable[[], Iterable[str]]


def complete(parser: argparse.ArgumentParser, names: Mapping[str, Names]) -> None:
    """Answer the shell and end the program, if the shell asks; else return at once.

    Parameters
    ----------
    parser : ArgumentParser
    names : mapping of str to callable
        What an option without choices of its own takes, by its name such as ``--method``. Called for the
        option at the cursor alone. Files complete what is not named.
    """
    if ASKED_VARIABLE not in os.environ:
        return
    import argcomplete

    for action in _actions(parser):
        for option in action.option_strings:
            if option in names and action.choices is None:
                action.completer = _Completer(names[option])  # type: ignore[attr-defined]
    argcomplete.autocomplete(parser, always_complete_options="long")


def registered_names(source: Path, decorator: str) -> list[str]:
    """The first argument of each ``@decorator("name", …)`` in a Python file, which is read and not run.

    Nothing where the file cannot be read: a shell that completes wants no errors.
    """
    try:
        tree = ast.parse(source.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return []
    return [
        call.args[0].value
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        for call in node.decorator_list
        if isinstance(call, ast.Call) and _name(call.func) == decorator and call.args
        if isinstance(call.args[0], ast.Constant) and isinstance(call.args[0].value, str)
    ]


def _name(function: ast.expr) -> str | None:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else None


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)


class _Completer:
    """The names that go on from what is typed; after a comma, the next of a list."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def __call__(self, prefix: str, **_: object) -> list[str]:
        before, comma, _last = prefix.rpartition(",")
        return [f"{before}{comma}{name}" for name in self._names()]
