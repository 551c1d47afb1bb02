"""sha256 of files that are large and seldom change, remembered so that they need not be read again."""

from __future__ import annotations

import json
from pathlib import Path

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.base.project import sha256

Identity = list[int]


class Digests:
    """Digests of granules by name, on record in a file.

    A digest holds as long as the file's size, its time of change and that of its entry (ctime) are those on record. The last is
    set by the system whenever a file is written, moved or copied, so that content does not change behind it; where it alone has
    changed the file is read once more.

    Parameters
    ----------
    path : Path
        A damaged record counts as none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: dict[str, Identity] = {}
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            self._known = {name: ([int(number) for number in entry[:3]], str(entry[3])) for name, entry in content.items()}
        except (OSError, ValueError, LookupError, AttributeError, TypeError):
            self._known = {}

    def of(self, path: Path) -> str:
        """The digest of a file, read only if none on record holds.

        Raises
        ------
        InputError
            If it cannot be read.
        """
        identity = _identity(path)
        known, digest = self._known.get(path.name, (None, ""))
        if known != identity:
            digest = digest_of(path)
            self._known[path.name] = identity, digest
        return digest

    def await_digest(self, path: Path) -> None:
        """Note what a file is now; `learn` brings the digest of just that."""
        self._waiting[path.name] = _identity(path)

    def learn(self, path: Path, digest: str) -> None:
        """The digest that somebody else found, of a file that was awaited."""
        identity = self._waiting.pop(path.name, None)
        if identity is not None:
            self._known[path.name] = identity, digest

    def save(self) -> None:
        """Write the record, atomically."""
        content = {name: [*identity, digest] for name, (identity, digest) in sorted(self._known.items())}
        with written_atomically(self.path) as temporary:
            temporary.write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")


def digest_of(path: Path) -> str:
    """sha256 of a file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    try:
        return sha256(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error


def _identity(path: Path) -> Identity:
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]
