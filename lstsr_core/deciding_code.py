"""The code that decides the numbers of an evaluation, told apart from the code that draws and describes them."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache

from lstsr_core.project import PROJECT
from lstsr_core.provenance import code_of

DECIDING = ["evaluation", "findings", "spectra", "pair_statistics"]
"""Modules that make the tables. With all that they import they hold methods, placement and metrics, no figure and no prose."""

UNDECIDING = {"errors.py", "memory.py", "progress.py", "project.py"}
"""Modules that those import and that decide no number: messages, how memory is given back, bars, where files are."""

_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@lru_cache
def meaning_of(source: str) -> str:
    """A digest of what Python code does: comments, docstrings and layout do not count.

    >>> meaning_of("x = 1  # one") == meaning_of("x = (1)")
    True
    >>> meaning_of("x = 1") == meaning_of("x = 2")
    False
    """
    return hashlib.sha256(json.dumps(_structure(ast.parse(source))).encode()).hexdigest()


def _structure(node: object) -> object:
    # ast.dump would do, were its text the same in every version of Python: newer ones add fields, empty as a rule.
    if isinstance(node, ast.AST):
        fields = dict(ast.iter_fields(node))
        if isinstance(node, _DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            fields["body"] = fields["body"][1:]
        return [type(node).__name__, {name: _structure(value) for name, value in fields.items() if value not in (None, [])}]
    if isinstance(node, list):
        return [_structure(item) for item in node]
    return repr(node)


def deciding_code(among: Iterable[str] | None = None) -> dict[str, str]:
    """What each deciding module does, as `meaning_of` digests it, by file name.

    Parameters
    ----------
    among : iterable of str, optional
        File names; modules that are not named are left out.
    """
    names = code_of(f"import lstsr_core.{name}" for name in DECIDING).keys() - UNDECIDING
    chosen = names if among is None else names & set(among)
    return {name: meaning_of((PROJECT / "lstsr_core" / name).read_text(encoding="utf-8")) for name in sorted(chosen)}


def changed(older: dict[str, str], newer: dict[str, str]) -> list[str]:
    """Names of the modules that are in one only or differ."""
    return sorted(name for name in older.keys() | newer.keys() if older.get(name) != newer.get(name))
