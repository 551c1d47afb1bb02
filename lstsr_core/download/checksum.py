"""Checksums of files, by the names that NASA's metadata give them."""

from __future__ import annotations

import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path

_DIGESTS = {
    "MD5": "md5",
    "SHA": "sha1",
    "SHA1": "sha1",
    "SHA256": "sha256",
    "SHA384": "sha384",
    "SHA512": "sha512",
}
_BLOCK_BYTES = 1 << 20
_REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


@dataclass(frozen=True)
class Checksum:
    """What a file's content should sum up to.

    Attributes
    ----------
    algorithm : str
        ``MD5``, ``SHA``, ``SHA1``, ``SHA256``, ``SHA384``, ``SHA512`` or ``CKSUM`` (POSIX).
    value : str
        Lower-case hex digits; decimal for ``CKSUM``.
    """

    algorithm: str
    value: str

    @classmethod
    def stated(cls, algorithm: str | None, value: str | None) -> Checksum | None:
        """What metadata state, in any spelling (``SHA-256``); None
        where that is nothing that can be computed here.

        >>> Checksum.stated("SHA-256", "AB12")
        Checksum(algorithm='SHA256', value='ab12')
        """
        name = (algorithm or "").strip().upper().replace("-", "").replace("_", "")
        digits = (value or "").strip().lower()
        return cls(name, digits) if digits and (name in _DIGESTS or name == "CKSUM") else None

    def of(self, path: Path) -> str:
        """The checksum that a file has, by the same algorithm."""
        if self.algorithm == "CKSUM":
            return str(cksum(path))
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, _DIGESTS[self.algorithm]).hexdigest()


def cksum(path: Path) -> int:
    """CRC of a file as the POSIX command ``cksum`` prints it: over the
    content, then over its length, lowest byte first."""
    # zlib's CRC has the same polynomial but takes each byte's bits
    # from the other end, and starts from all ones.
    state, size = 0xFFFFFFFF, path.stat().st_size
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK_BYTES):
            state = zlib.crc32(block.translate(_REVERSED_BITS), state)
    length = size.to_bytes((size.bit_length() + 7) // 8, "little")
    return int(f"{zlib.crc32(length.translate(_REVERSED_BITS), state):032b}"[::-1], 2)
