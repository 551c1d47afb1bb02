"""What a thing is made of: from these inputs, by this code, with
these settings. What is not made twice asks here.

`fingerprint` is one digest of it all. Inputs count by their content (`sha256`, `digests`; `Digests` remembers
those of large files), code by the modules that it imports (`code_of`), settings by their values.
"""

from __future__ import annotations

import ast
import hashlib
import json
import subprocess
from collections.abc import Iterable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.base.project import PROJECT

if TYPE_CHECKING:
    import grimp

PACKAGE = "lstsr_core"

Record = dict[str, Any]

_PACKAGES = ["lstsr", "numpy", "scipy", "pandas", "rasterio", "pyhdf", "torch", "matplotlib", "papermill"]
_KEY_DIGITS = 16


def fingerprint(*parts: object) -> str:
    """One digest of anything that JSON can hold, and of files and
    folders, which count by content wherever they lie."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=_content).encode()).hexdigest()


def key(*parts: object) -> str:
    """The first digits of a fingerprint, fit for a folder's name."""
    return fingerprint(*parts)[:_KEY_DIGITS]


def plain(settings: object) -> Any:
    """Settings as a JSON file gives them back, files and folders among them by their content."""
    return json.loads(json.dumps(settings, default=_content))


def _content(value: object) -> Any:
    if not isinstance(value, Path):
        return str(value)
    return digests([value], value) if value.is_dir() else sha256(value) if value.is_file() else str(value)


# Inputs


def sha256(path: Path) -> str:
    """Hex digest of a file's content.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise _unreadable(path, error) from error


def sha256_of_numbers(values: np.ndarray[Any, Any], precision: Literal["<f4", "<f8"] = "<f4") -> str:
    """Hex digest of an array's numbers in single or double precision, row by row."""
    return hashlib.sha256(np.ascontiguousarray(values, dtype=precision).tobytes()).hexdigest()


def digests(places: Iterable[Path], relative_to: Path, pattern: str = "*") -> dict[str, str]:
    """sha256 of each file that is named or lies below a
    directory, by path; a link counts as what it points to."""
    files = (path for place in places for path in (place, *sorted(place.rglob(pattern))) if path.is_file())
    return {path.relative_to(relative_to).as_posix(): sha256(path) for path in files}


def identity(path: Path) -> list[int]:
    """What tells a changed file without reading it: its size in
    bytes, the times (ns) of its change and its entry's.

    The last (ctime) is set by the system whenever a file is written, moved or
    copied, so that content does not change behind it.

    Raises
    ------
    InputError
        If the file is not there.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"{path}: cannot be read ({error.strerror}).")


class Digests:
    """sha256 of files that are large and seldom change, on
    record in a file: each holds while `identity` does.

    Parameters
    ----------
    path : Path
        A damaged record counts as none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: dict[str, list[int]] = {}
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            self._known = {
                name: ([int(number) for number in entry[:3]], str(entry[3]))
                for name, entry in content.items()
            }
        except (OSError, ValueError, LookupError, AttributeError, TypeError):
            self._known = {}

    def of(self, path: Path) -> str:
        """The digest of a file, read only if none on record holds.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        now = identity(path)
        then, digest = self._known.get(path.name, (None, ""))
        if then != now:
            digest = sha256(path)
            self._known[path.name] = now, digest
        return digest

    def await_digest(self, path: Path) -> None:
        """Note what a file is now; `learn` brings the digest of just that."""
        self._waiting[path.name] = identity(path)

    def learn(self, path: Path, digest: str) -> None:
        """The digest that somebody else found, of a file that was awaited."""
        then = self._waiting.pop(path.name, None)
        if then is not None:
            self._known[path.name] = then, digest

    def save(self) -> None:
        """Write the record, atomically."""
        content = {name: [*then, digest] for name, (then, digest) in sorted(self._known.items())}
        with written_atomically(self.path) as temporary:
            temporary.write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")


# Code


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


def code_of(sources: Iterable[str]) -> dict[str, str]:
    """sha256 of each module of the package that sources import,
    directly or through others, by the module's name.

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
    return _imports_of(tuple((path, *identity(path)) for path in sorted((PROJECT / PACKAGE).rglob("*.py"))))


@lru_cache(maxsize=1)  # each notebook asks for the same files
def _imports_of(files: tuple[tuple[Path | int, ...], ...]) -> grimp.ImportGraph:
    import grimp  # takes a tenth of a second, and most commands never ask

    return grimp.build_graph(PACKAGE, cache_dir=None)


def _file_of(module: str) -> Path:
    path = PROJECT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@lru_cache  # each notebook asks for the same modules
def _imported(source: str) -> list[str]:
    """Modules of the package that a source imports by name; a name imported from a
    folder of modules is one, and a public name of the package's top the one it comes from."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            of_package = node.module.split(".")[0] == PACKAGE and _file_of(node.module).name == "__init__.py"
            names += [f"{node.module}.{alias.name}" for alias in node.names] if of_package else [node.module]
    public = _public()
    # Which of them a source calls that imports the package as a whole is not looked for.
    names += [module for name, module in public.items() if name in names or PACKAGE in names]
    modules = [name for name in names if name.split(".")[0] == PACKAGE and name not in public]
    for name in modules:
        if not _file_of(name).is_file():
            raise InputError(f"'{name}' is imported, and is no module of the package; correct the import.")
    return modules


@lru_cache
def _public() -> dict[str, str]:
    """The module of each name that the package's top has, by the name with the package before it."""
    # From the types of the names, since the top itself loads them by text when they are first used.
    stub = ast.parse(_file_of(PACKAGE).with_suffix(".pyi").read_text(encoding="utf-8"))
    return {
        f"{PACKAGE}.{alias.name}": str(node.module)
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


# Records of a run


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
        raise InputError(
            f"{path}: not readable as JSON ({error}); delete it, and everything is run again."
        ) from error
    return records


def write_records(run: Path, records: dict[str, Record]) -> None:
    """Write all records, atomically."""
    with written_atomically(run / "provenance.json") as temporary:
        temporary.write_text(json.dumps(records, indent=2, sort_keys=True) + "\n")
