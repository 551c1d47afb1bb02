"""Checksums against the system's own commands."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lstsr_core.download.checksum import Checksum, cksum

COMMANDS = {
    "CKSUM": "cksum",
    "MD5": "md5sum",
    "SHA1": "sha1sum",
    "SHA256": "sha256sum",
    "SHA384": "sha384sum",
    "SHA512": "sha512sum",
}


def printed(command: str, path: Path) -> str:
    return subprocess.run([command, path], check=True, capture_output=True, text=True).stdout.split()[0]


@pytest.mark.parametrize("algorithm", COMMANDS)
@pytest.mark.parametrize("size", [0, 1, 255, 256, 65_536, 3_000_000])
def test_a_checksum_is_that_of_the_command(tmp_path: Path, algorithm: str, size: int) -> None:
    path = tmp_path / "file"
    path.write_bytes((b"\x0e\x03\x13\x01\xff" * (size // 5 + 1))[:size])
    assert Checksum(algorithm, "").of(path) == printed(COMMANDS[algorithm], path)


@given(content=st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cksum_of_any_bytes(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert str(cksum(path)) == printed("cksum", path)


@pytest.mark.parametrize(
    ("algorithm", "value", "expected"),
    [
        ("MD5", "0F34", Checksum("MD5", "0f34")),
        ("SHA-256", " ab ", Checksum("SHA256", "ab")),
        ("cksum", "123", Checksum("CKSUM", "123")),
        ("CKSUM", "", None),
        ("Adler-32", "12", None),
        (None, "12", None),
        ("MD5", None, None),
    ],
)
def test_what_metadata_state(algorithm: str | None, value: str | None, expected: Checksum | None) -> None:
    assert Checksum.stated(algorithm, value) == expected
