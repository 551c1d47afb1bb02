"""Logins as people keep them: each file works with both archives or is one line without secrets."""

from __future__ import annotations

import os
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from lstsr_core import cli
from lstsr_core.base.errors import InputError
from lstsr_core.download.earthdata import EarthdataSource
from lstsr_core.download.logins import check_netrc_is_text, checked_token
from lstsr_core.download.mirror import MirrorSource
from lstsr_core.download.transfer import Client, Patience, TransferError
from worlds.archive import Archive, forget_logins, serving

SECRET = "secret-that-nobody-may-read"
HOST = "127.0.0.1"
EARTHDATA_HOST = "127.0.0.1:9"  # where nothing listens
LOGINS = (
    f"machine {EARTHDATA_HOST} login someone password {SECRET}\nmachine {HOST} login someone password"
    f" {SECRET}\n"
)
SOUND = {
    "as NASA says": LOGINS,
    "on several lines": LOGINS.replace(" login", "\n\tlogin").replace(" password", "\r\n  password"),
    "with comments": f"# machines\n{LOGINS}# end",
    "a password in quotes": LOGINS.replace(SECRET, f'"{SECRET} #1"'),
    "another's in UTF-8": f"{LOGINS}machine é login é password é\n",
}
UNREADABLE = {
    # content, what is told
    "UTF-16": (LOGINS.encode("utf-16"), "byte-order mark"),
    "UTF-16, big end first": (b"\xfe\xff" + LOGINS.encode("utf-16-be"), "byte-order mark"),
    "Latin-1": (f"# é\n{LOGINS}".encode("latin-1"), "line 1 is not UTF-8"),
    "Latin-1 in a password": (
        f"{LOGINS}machine x login y password é{SECRET}".encode("latin-1"),
        "line 3 is not UTF-8",
    ),
}
"""Those that stop requests wherever it is used, even where a token is given."""
MISUNDERSTOOD = {
    "a byte-order mark": (LOGINS.encode("utf-8-sig"), "byte-order mark"),
    "UTF-16 without a mark": (LOGINS.encode("utf-16-le"), "not understood at line"),
    "a password with a space": (
        f"machine {EARTHDATA_HOST} login x password half {SECRET}\n".encode(),
        "not understood at line",
    ),
    "a word too many": (f"{SECRET}\n{LOGINS}".encode(), "not understood at line"),
    "a URL": (
        f"machine {EARTHDATA_HOST}\nhttps://a:{SECRET}@example.org\n".encode(),
        "not understood at line",
    ),
}
LACKING = {
    "no password": (
        f"machine {EARTHDATA_HOST} login {SECRET}\nmachine {HOST} login {SECRET}\n",
        "has no password",
    ),
    "no name": (
        f"machine {EARTHDATA_HOST} password {SECRET}\nmachine {HOST} password {SECRET}\n",
        "has no name",
    ),
}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No login, no proxy."""
    (tmp_path / "home").mkdir()
    forget_logins(tmp_path / "home", monkeypatch)
    return tmp_path / "home"


@pytest.fixture
def archive() -> Iterator[Archive]:
    held = Archive()
    held.files["/page"] = b"text"
    with serving(held):
        yield held


def connect(archive: Archive) -> None:
    EarthdataSource(Patience(1, 0.01), threading.Event(), archive.system).connect()


def open_mirror(archive: Archive) -> None:
    """As far as pymodis, which not every interpreter has."""
    try:
        MirrorSource(archive.url, Patience(1, 0.01), threading.Event())
    except InputError as error:
        if "needs pymodis" not in str(error):
            raise


SOURCES = [connect, open_mirror]
Source = Callable[[Archive], None]


def refusal(source: Source, archive: Archive, capfd: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(InputError) as caught:
        source(archive)
    # With LSTSR_TRACEBACK, all of it.
    shown = "".join([*traceback.format_exception(caught.value), *capfd.readouterr()])
    assert SECRET not in shown and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("case", SOUND)
def test_a_sound_netrc_logs_in(
    archive: Archive, home: Path, capfd: pytest.CaptureFixture[str], case: str
) -> None:
    (home / ".netrc").write_text(SOUND[case], encoding="utf-8")
    assert "no login (ConnectionError)" in refusal(connect, archive, capfd)  # it was tried
    open_mirror(archive)
    Client(requests.Session, Patience(1), threading.Event()).page(f"{archive.url}/page")
    (request,) = archive.asked("/page")
    assert request.authorization is not None and request.authorization.startswith("Basic ")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("case", [*UNREADABLE, *MISUNDERSTOOD])
@pytest.mark.parametrize("place", [".netrc", "NETRC"])
def test_a_netrc_that_cannot_be_read_is_named(
    archive: Archive,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    source: Source,
    case: str,
    place: str,
) -> None:
    content, reason = {**UNREADABLE, **MISUNDERSTOOD}[case]
    (home / place).write_bytes(content)
    if place == "NETRC":
        monkeypatch.setenv("NETRC", str(home / place))
    message = refusal(source, archive, capfd)
    assert message.startswith(f"{home / place}: ") and reason in message
    assert archive.requests == []


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("case", LACKING)
def test_a_login_that_lacks_something_is_named(
    archive: Archive, home: Path, capfd: pytest.CaptureFixture[str], source: Source, case: str
) -> None:
    text, message = LACKING[case]
    (home / ".netrc").write_text(text)
    assert message in refusal(source, archive, capfd)


@pytest.mark.parametrize("case", [*UNREADABLE, *MISUNDERSTOOD])
def test_with_a_token_only_a_netrc_that_stops_requests_is_in_the_way(
    archive: Archive,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    case: str,
) -> None:
    """And what is let pass does not stop requests."""
    monkeypatch.setenv("EARTHDATA_TOKEN", SECRET)
    monkeypatch.setenv("LSTSR_MIRROR_TOKEN", SECRET)
    content, message = {**UNREADABLE, **MISUNDERSTOOD}[case]
    (home / ".netrc").write_bytes(content)
    if case in UNREADABLE:
        for source in SOURCES:
            assert message in refusal(source, archive, capfd)
    else:
        for source in SOURCES:
            source(archive)
        assert Client(requests.Session, Patience(1), threading.Event()).page(f"{archive.url}/page") == "text"


@pytest.mark.parametrize("kind", ["directory", "loop", "pipe"])
def test_a_netrc_that_is_no_file_is_named(
    archive: Archive, home: Path, capfd: pytest.CaptureFixture[str], kind: str
) -> None:
    path = home / ".netrc"
    {"directory": path.mkdir, "loop": lambda: path.symlink_to(path), "pipe": lambda: os.mkfifo(path)}[kind]()
    message = refusal(connect, archive, capfd)
    assert message.startswith(f"{path}: ") and "expected a file with lines such as" in message


@pytest.mark.parametrize("kind", ["missing", "dangling", "empty", "another machine's", "/dev/null"])
def test_without_a_login_one_line_says_how_to_get_one(
    archive: Archive,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    kind: str,
) -> None:
    path = home / ".netrc"
    if kind == "dangling":
        path.symlink_to("nowhere")
    elif kind == "/dev/null":
        monkeypatch.setenv("NETRC", kind)
    elif kind != "missing":
        path.write_text("" if kind == "empty" else f"machine example.org login x password {SECRET}\n")
    message = refusal(connect, archive, capfd)
    assert message.startswith("no Earthdata login was found: make a free account")
    assert message.endswith(f"has none for {EARTHDATA_HOST}.") is (kind not in ("missing", "dangling"))
    open_mirror(archive)  # which may be open to all


def test_a_netrc_is_looked_for_where_requests_does(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = UNREADABLE["UTF-16"][0]
    (home / "_netrc").write_bytes(content)
    with pytest.raises(InputError, match="_netrc: begins with"):
        check_netrc_is_text()
    (home / ".netrc").write_text(LOGINS)
    check_netrc_is_text()
    (home / "mine").write_bytes(content)
    monkeypatch.setenv("NETRC", "~/mine")
    with pytest.raises(InputError, match=f"{home}/mine: begins with"):
        check_netrc_is_text()
    monkeypatch.setenv("NETRC", "")
    check_netrc_is_text()


@pytest.mark.parametrize("case", ["UTF-16", "Latin-1"])
@pytest.mark.parametrize("source", ["earthdata", "mirror"])
def test_the_command_ends_in_one_line(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str, source: str
) -> None:
    (home / ".netrc").write_bytes(UNREADABLE[case][0])
    url = ["--url", "https://archive.example.org"] if source == "mirror" else []
    arguments = [
        "--product",
        "MOD21A1D.061",
        "--tile",
        "h18v04",
        "--start",
        "2017-01-01",
        "--end",
        "2017-01-02",
        *url,
    ]
    assert cli.main(["download", "--source", source, *arguments, "--out", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"lstsr: {home / '.netrc'}: ") and SECRET not in line


# Tokens


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("around", ["", "\n", "\r\n", "\n\n"])
def test_a_token_is_read_from_a_file_as_editors_write_it(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, around: str
) -> None:
    (tmp_path / "token").write_bytes(f"{SECRET}{around}".encode(encoding))
    monkeypatch.setenv("EARTHDATA_TOKEN_FILE", str(tmp_path / "token"))
    archive.files["/file.hdf"] = b"\x0e\x03\x13\x01"
    source = EarthdataSource(Patience(1, 0.01), threading.Event(), archive.system)
    source.connect()
    source._client.fetch(f"{archive.url}/file.hdf", tmp_path / "part", None, lambda count: None)
    assert [request.authorization for request in archive.asked(".hdf")] == [f"Bearer {SECRET}"]
    assert "EARTHDATA_TOKEN" not in os.environ


BAD_TOKENS = {
    "empty": ("", "is empty"), "blank": (" \n", "is empty"),
    "two lines": (f"{SECRET}\n{SECRET}\n", "holds 2 words"),
    "with its scheme": (f"Bearer {SECRET}", "holds 2 words"),
    "no ASCII": (f"{SECRET}é", "holds characters that no token has"),
    "a page": (f"<html>\n<p>{SECRET}</p>", "holds 2 words"),
    "a quote of Word's": (f"“{SECRET}”", "holds characters"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_TOKENS)
def test_what_is_no_token_is_refused_and_not_quoted(case: str) -> None:
    text, message = BAD_TOKENS[case]
    with pytest.raises(InputError, match=f"^TOKEN {message}.*; expected a token alone") as caught:
        checked_token(text, "TOKEN")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("case", [name for name in BAD_TOKENS if name not in ("empty", "blank")])
@pytest.mark.parametrize("place", ["EARTHDATA_TOKEN", "EARTHDATA_TOKEN_FILE", "LSTSR_MIRROR_TOKEN"])
def test_a_bad_token_is_named_by_where_it_stands(
    archive: Archive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    case: str,
    place: str,
) -> None:
    text, reason = BAD_TOKENS[case]
    (tmp_path / "token").write_text(text, encoding="utf-8")
    in_file = place == "EARTHDATA_TOKEN_FILE"
    monkeypatch.setenv(place, str(tmp_path / "token") if in_file else text)
    message = refusal(open_mirror if "MIRROR" in place else connect, archive, capfd)
    assert message.startswith(str(tmp_path / "token") if in_file else place) and reason in message


def test_a_token_file_that_is_none_is_named(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Latin-1").write_bytes(f"é{SECRET}".encode("latin-1"))
    (tmp_path / "dangling").symlink_to("nowhere")
    for name, reason in {
        "Latin-1": "not UTF-8",
        "dangling": "No such file",
        ".": "Is a directory",
        "nowhere": "No such",
    }.items():
        monkeypatch.setenv("EARTHDATA_TOKEN_FILE", str(tmp_path / name))
        message = refusal(connect, archive, capfd)
        assert reason in message and "EARTHDATA_TOKEN_FILE" in message


# What HTTP cannot carry, and what must not be shown


def test_a_password_beyond_latin_1_is_one_line(archive: Archive, home: Path) -> None:
    (home / ".netrc").write_text(f"machine {HOST} login x password €{SECRET}\n", encoding="utf-8")
    with pytest.raises(TransferError, match="a character that HTTP cannot carry") as caught:
        Client(requests.Session, Patience(1), threading.Event()).page(f"{archive.url}/page")
    assert SECRET not in str(caught.value) and "€" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [f"ftp://me:{SECRET}@example.org", f"https://me:{SECRET}@example.org:x", f"me:{SECRET}@example.org"],
)
def test_an_address_that_is_none_is_told_without_its_login(archive: Archive, url: str) -> None:
    with pytest.raises(InputError, match="expected an address") as caught:
        MirrorSource(url, Patience(), threading.Event())
    assert SECRET not in str(caught.value)
