"""The directory of an HDF4 file, read without the C library: whether
it is sound, and what its pixels' checksums are.

Layout of the elements as in the HDF4 Specification and Developer's Guide.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lstsr_core.base.errors import InputError

GROUP_TAG = 1965
_MAGIC = b"\x0e\x03\x13\x01"
_NO_DATA_TAG = 1
_LINKED_TAG = 20
_COMPRESSED_TAG = 40
_CHUNK_TAG = 61
_DATA_TAG = 702
_DATASET_TAG = 720
_CHUNK_TABLE_TAG = 1963
_SPECIAL_BIT = 0x4000
_LINKED, _COMPRESSED, _CHUNKED = 1, 3, 5
_DEFLATE = 4
_NOT_WRITTEN = 0xFFFFFFFF


@dataclass(frozen=True)
class Descriptor:
    """An entry of the directory: where the data element of a tag and reference lies, in bytes."""

    position: int
    tag: int
    reference: int
    offset: int
    length: int


def descriptors(path: Path) -> Iterator[Descriptor]:
    """The directory of an HDF4 file: after the magic number a chain of blocks of descriptors."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(_MAGIC))
        if start != _MAGIC:
            raise InputError(
                f"{path}: not an HDF4 file ({size} bytes that begin with {start!r}), perhaps an error page"
                " saved under a granule's name. Fetch it again."
            )
        block, visited = len(_MAGIC), set()
        while block:
            if block in visited:
                raise InputError(f"{path}: damaged (its directory runs in a circle). Fetch it again.")
            visited.add(block)
            file.seek(block)
            header = file.read(6)
            count, following = struct.unpack(">HI", header) if len(header) == 6 else (1, 0)
            entries = file.read(12 * count)
            if len(entries) < 12 * count:
                raise InputError(f"{path}: truncated ({size} bytes, short of its directory). Fetch it again.")
            for index, (tag, reference, offset, length) in enumerate(struct.iter_unpack(">HHII", entries)):
                if tag != _NO_DATA_TAG and _NOT_WRITTEN not in (offset, length):
                    yield Descriptor(block + 6 + 12 * index, tag, reference, offset, length)
            block = following


def check_intact(path: Path) -> None:
    """Refuse a file whose directory points past its end before the C
    library, which trusts it and may crash, sees it."""
    if not path.is_file():
        raise InputError(
            f"{path}: no such file. A MODIS granule (.hdf) was expected there, which 'lstsr download'"
            " fetches."
        )
    size = path.stat().st_size
    needed = max((entry.offset + entry.length for entry in descriptors(path)), default=0)
    if needed > size:
        raise InputError(
            f"{path}: truncated or damaged ({size} bytes, its directory expects {needed}). Fetch it again."
        )


class PixelStreams:
    """Where the pixels of a file's datasets lie, and the Adler-32 checksums that end their deflate streams.

    The C library does not check them: without them 17 of 500 granules damaged at random
    give wrong temperatures or reflectances (``tests/granule_damage.py``). Nor does it
    see that two references lead to the same pixels.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._entries = {(entry.tag, entry.reference): entry for entry in descriptors(path)}

    def check(self, dataset: str, reference: int, byte_count: int, adler32: int) -> None:
        """Refuse pixels that are not what the file's own directory leads to.

        Parameters
        ----------
        dataset : str
            For the message.
        reference : int
            Of the dataset's numeric data group.
        byte_count, adler32 : int
            Size and checksum of the pixels that were read, in the file's byte order (big-endian).

        Raises
        ------
        InputError
            If there is no such data, it is coded otherwise than by deflate, or a checksum or size differs.
        """
        try:
            differs = self._differs(reference, byte_count, adler32)
        except (KeyError, ValueError, struct.error, zlib.error) as error:
            raise InputError(
                f"{self._path}: damaged (the data of {dataset} cannot be followed through its directory)."
                " Fetch it again."
            ) from error
        if differs:
            raise InputError(
                f"{self._path}: damaged (the checksum of {dataset} does not match its pixels). Fetch it"
                " again."
            )

    def _differs(self, reference: int, byte_count: int, adler32: int) -> bool:
        members = struct.iter_unpack(">HH", self._element(_DATASET_TAG, reference))
        (data,) = [member for tag, member in members if tag == _DATA_TAG]
        if (_DATA_TAG, data) in self._entries:  # plain pixels have no checksum
            return self._entries[_DATA_TAG, data].length != byte_count
        header = self._element(_DATA_TAG | _SPECIAL_BIT, data)
        if struct.unpack_from(">H", header) == (_CHUNKED,):
            # A chunk at the border is padded: each is inflated, which checks it.
            for chunk in self._chunks(header):
                zlib.decompress(self._stream(chunk))
            return False
        return struct.unpack(">I", self._stream(header)[-4:]) != (adler32,)

    def _element(self, tag: int, reference: int) -> bytes:
        entry = self._entries[tag, reference]
        with self._path.open("rb") as file:
            file.seek(entry.offset)
            return file.read(entry.length)

    def _joined(self, tag: int, reference: int) -> bytes:
        """An element that may be stored in linked blocks."""
        if (tag, reference) in self._entries:
            return self._element(tag, reference)
        kind, length, _, count, table = struct.unpack_from(
            ">HIIIH", self._element(tag | _SPECIAL_BIT, reference)
        )
        if kind != _LINKED:
            raise KeyError(kind)
        blocks: list[bytes] = []
        tables: set[int] = set()
        while table and table not in tables:
            tables.add(table)
            table, *references = struct.unpack_from(f">{count + 1}H", self._element(_LINKED_TAG, table))
            blocks += [self._element(_LINKED_TAG, block) for block in references if block]
        return b"".join(blocks)[:length]

    def _stream(self, header: bytes) -> bytes:
        """The deflate stream that the header of a compressed element leads to."""
        kind, _, _, reference, _, coder = struct.unpack_from(">HHIHHH", header)
        if kind != _COMPRESSED or coder != _DEFLATE:
            raise KeyError(coder)
        return self._joined(_COMPRESSED_TAG, reference)

    def _chunks(self, header: bytes) -> Iterator[bytes]:
        """The headers of the compressed chunks in a chunked element's
        table, whose records end with a tag and a reference."""
        (table,) = struct.unpack_from(">H", header, 25)
        (rank,) = struct.unpack_from(">I", header, 31)
        for *_, chunk in struct.iter_unpack(f">{rank}IHH", self._joined(_CHUNK_TABLE_TAG, table)):
            if (_CHUNK_TAG, chunk) not in self._entries:
                yield self._element(_CHUNK_TAG | _SPECIAL_BIT, chunk)
