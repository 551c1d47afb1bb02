"""What a notebook's results were made of: parameters, code, inputs, versions."""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import grimp

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.base.project import PROJECT, sha256

PACKAGE = "lstsr_core"

Record = dict[str, Any]

_PACKAGES = ["lstsr", "numpy", "scipy", "pandas", "rasterio", "pyhdf", "torch", "matplotlib", "papermill"]


def git_revision() -> str:
    """The project's commit, with "+changes" where files differ from it; "unknown" outside a checkout."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty=+changes"],
            cwd=PROJECT, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return described.stdout.strip()


def versions() -> dict[str, str]:
    """Versions of the packages that decide results."""
    return {package: version(package) for package in _PACKAGES}


def digests(places: Iterable[Path], relative_to: Path, pattern: str = "*") -> dict[str, str]:
    """sha256 of every file that is named or lies below a directory, by path; what a link points to counts as the file."""
    files = (path for place in places for path in (place, *sorted(place.rglob(pattern))) if path.is_file())
    return {path.relative_to(relative_to).as_posix(): sha256(path) for path in files}


def code_of(sources: Iterable[str]) -> dict[str, str]:
    """sha256 of each module of the package that Python sources import, directly or through others, by the module's name.

    Imports inside functions count; a module that is only named in a string does not.

    Raises
    ------
    InputError
        If a source imports a module of the package that there is not.
    """
    imports = _imports()
    modules = {name for source in sources for name in _imported(source)}
    closure = modules.union(*(imports.find_upstream_modules(name) for name in modules))
    return {name: sha256(_file_of(name)) for name in sorted(closure)}


def _imports() -> grimp.ImportGraph:
    """Which module of the package imports which, as its files say now."""
    return grimp.build_graph(PACKAGE, cache_dir=None)


def _file_of(module: str) -> Path:
    path = PROJECT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@lru_cache  # each notebook asks for the same modules
def _imported(source: str) -> list[str]:
    """Modules of the package that a source names in its imports; a name imported from a folder of modules is one of them."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            of_package = node.module.split(".")[0] == PACKAGE and _file_of(node.module).name == "__init__.py"
            names += [f"{node.module}.{alias.name}" for alias in node.names] if of_package else [node.module]
    modules = [name for name in names if name.split(".")[0] == PACKAGE]
    for name in modules:
        if not _file_of(name).is_file():
            raise InputError(f"'{name}' is imported, and is no module of the package; correct the import.")
    return modules


def fingerprint(*parts: object) -> str:
    """One digest of anything that JSON can hold."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def read_records(run: Path) -> dict[str, Record]:
    """The records of a run's notebooks, by notebook; empty before the first.

    Raises
    ------
    InputError
        If the file is damaged.
    """
    path = run / "provenance.json"
    try:
        records: dict[str, Record] = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError as error:
        raise InputError(f"{path}: not readable as JSON ({error}); delete it, and everything is run again.") from error
    return records


def write_records(run: Path, records: dict[str, Record]) -> None:
    """Write all records, atomically."""
    with written_atomically(run / "provenance.json") as temporary:
        temporary.write_text(json.dumps(records, indent=2, sort_keys=True) + "\n")
