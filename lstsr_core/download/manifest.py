"""The manifest of a directory of granules: what each file is, where it came
from and what it looked like when it was checked."""

from __future__ import annotations

import csv
import datetime
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.base.fingerprint import sha256
from lstsr_core.base.locks import locked
from lstsr_core.modis.names import GranuleName

MANIFEST = "manifest.csv"


@dataclass(frozen=True)
class Entry:
    """One granule of the manifest.

    Attributes
    ----------
    granule : str
        File name.
    product, date, tile : str
        ``MOD21A1D``, ``2017-01-31``, ``h18v04``.
    bytes : int
    sha256 : str
    source : str
        ``earthdata``, ``mirror`` or ``sample``.
    time : str
        When it was checked, ISO 8601 in UTC.
    """

    granule: str
    product: str
    date: str
    tile: str
    bytes: int
    sha256: str
    source: str
    time: str

    @classmethod
    def of(cls, path: Path, source: str) -> Entry:
        """Of a granule that has just been checked."""
        name = GranuleName.parse(path.name)
        now = datetime.datetime.now(datetime.UTC).isoformat()
        return cls(
            path.name,
            name.product,
            name.date.isoformat(),
            str(name.tile),
            path.stat().st_size,
            sha256(path),
            source,
            now,
        )

    def fits(self, path: Path) -> bool:
        """Whether a file is the one that was entered; read only if it was written to since."""
        try:
            status = path.stat()
        except FileNotFoundError:
            return False
        if status.st_size != self.bytes:
            return False
        return (
            status.st_mtime <= datetime.datetime.fromisoformat(self.time).timestamp()
            or sha256(path) == self.sha256
        )


_COLUMNS = [field.name for field in fields(Entry)]


def read_manifest(directory: Path) -> dict[str, Entry]:
    """Granule's file name → entry; empty without a manifest.

    Raises
    ------
    InputError
        If the file is no manifest.
    """
    path = directory / MANIFEST
    entries = {}
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream, strict=True):
                entry = Entry(**{**row, "bytes": int(row["bytes"])})  # type: ignore[arg-type]
                datetime.datetime.fromisoformat(entry.time)
                entries[entry.granule] = entry
    except FileNotFoundError:
        return {}
    except (OSError, csv.Error, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: is not the manifest of a download ({error}); expected the columns"
            f" {', '.join(_COLUMNS)}. Delete it, and the granules beside it are checked against the archive."
        ) from error
    return entries


def enter(directory: Path, entry: Entry) -> None:
    """Put an entry into a directory's manifest, beside those of other runs."""
    with locked(directory / f".{MANIFEST}.lock"):
        entries = {**read_manifest(directory), entry.granule: entry}
        with (
            written_atomically(directory / MANIFEST) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as stream,
        ):
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(_COLUMNS)
            writer.writerows(astuple(entries[name]) for name in sorted(entries))
