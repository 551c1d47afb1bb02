"""Back-off, and what an archive may do to a single request."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from lstsr_core.base.errors import InputError
from lstsr_core.download.transfer import Client, Patience, Stopped, TransferError
from worlds.archive import Archive, Fault, serving

MAGIC = b"\x0e\x03\x13\x01"
CONTENT = MAGIC + bytes(range(256)) * 1000


@pytest.fixture
def archive(monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    held = Archive()
    held.files["/file.hdf"] = CONTENT
    with serving(held):
        yield held


def client(stop: threading.Event | None = None, timeout_s: float = 10.0) -> Client:
    return Client(requests.Session, Patience(3, 0.01, timeout_s=timeout_s), stop or threading.Event())


@given(attempt=st.integers(1, 40), first_wait_s=st.floats(0.01, 60.0))
def test_waits_grow_up_to_a_limit_and_are_the_same_each_time(attempt: int, first_wait_s: float) -> None:
    patience = Patience(first_wait_s=first_wait_s)
    wait_s = patience.wait_s("https://a", attempt)
    assert wait_s == patience.wait_s("https://a", attempt)
    assert (
        wait_s == pytest.approx(min(first_wait_s * 2.0 ** (attempt - 1), 400.0), rel=0.2500001)
        or wait_s == 300.0
    )
    assert wait_s <= 300.0


def test_waits_of_several_files_differ() -> None:
    waits_s = [Patience().wait_s(f"https://a/{number}", 1) for number in range(200)]
    assert len(set(waits_s)) == 200 and 1.5 <= min(waits_s) < 1.6 and 2.4 < max(waits_s) <= 2.5


@pytest.mark.parametrize("wrong", [{"attempts": 0}, {"first_wait_s": -1.0}, {"first_wait_s": float("nan")}])
def test_patience_that_is_none_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError, match="expected"):
        Patience(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("size", [None, len(CONTENT)])
@pytest.mark.parametrize("begin", [0, 70_000, len(CONTENT)])
def test_a_file_is_brought_from_where_its_part_ends(
    archive: Archive, tmp_path: Path, size: int | None, begin: int
) -> None:
    part = tmp_path / "part"
    if begin:
        part.write_bytes(CONTENT[:begin])
    steps: list[int] = []
    client().fetch(f"{archive.url}/file.hdf", part, size, steps.append)
    assert part.read_bytes() == CONTENT
    assert sum(steps) == len(CONTENT) - begin


def test_a_version_that_changes_between_two_attempts_is_not_mixed(archive: Archive, tmp_path: Path) -> None:
    newer = MAGIC + bytes(reversed(range(256))) * 1000
    archive.once["file.hdf"] = [Fault(cut_after=150_000)]
    steps: list[int] = []

    def advance(count: int) -> None:
        steps.append(count)
        archive.files["/file.hdf"] = newer

    client().fetch(f"{archive.url}/file.hdf", tmp_path / "part", None, advance)
    assert (tmp_path / "part").read_bytes() == newer
    assert sum(steps) == len(newer)


def test_an_answer_from_another_place_than_asked_for_is_not_appended(
    archive: Archive, tmp_path: Path
) -> None:
    (tmp_path / "part").write_bytes(CONTENT[:1000])
    archive.once["file.hdf"] = [Fault(headers={"Content-Range": "bytes 5-9/10"}), Fault(deaf_to_range=True)]
    client().fetch(f"{archive.url}/file.hdf", tmp_path / "part", len(CONTENT), lambda count: None)
    assert (tmp_path / "part").read_bytes() == CONTENT


def test_an_archive_that_falls_silent_is_left_after_the_timeout(archive: Archive, tmp_path: Path) -> None:
    archive.lasting["file.hdf"] = Fault(bytes_per_s=16_384.0 / 30.0)
    begin = time.monotonic()
    with pytest.raises(TransferError, match=r"check the network|no answer"):
        client(timeout_s=0.2).fetch(
            f"{archive.url}/file.hdf", tmp_path / "part", len(CONTENT), lambda count: None
        )
    assert time.monotonic() - begin < 5.0


def test_a_wait_ends_when_the_run_is_stopped(archive: Archive, tmp_path: Path) -> None:
    stop = threading.Event()
    archive.lasting["file.hdf"] = Fault(503)
    threading.Timer(0.2, stop.set).start()
    waiting = Client(requests.Session, Patience(3, 60.0), stop)
    begin = time.monotonic()
    with pytest.raises(Stopped):
        waiting.fetch(f"{archive.url}/file.hdf", tmp_path / "part", None, lambda count: None)
    assert time.monotonic() - begin < 5.0


def test_messages_hold_no_query_and_no_login(archive: Archive) -> None:
    address = archive.url.replace("http://", "http://someone:secret@")
    with pytest.raises(TransferError, match="404, ") as raised:
        client().page(f"{address}/none?signature=secret")
    assert f"{archive.url}/none: " in str(raised.value) and "secret" not in str(raised.value)


@pytest.mark.parametrize("url", ["http://[::", "ftp://127.0.0.1/file", "nonsense"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(TransferError, match="the request failed"):
        client().page(url)


def test_a_page_is_text(archive: Archive) -> None:
    archive.once["/"] = [Fault(503)]
    assert '<a href="file.hdf">' in client().page(f"{archive.url}/")
