"""Downloads through pymodis, in its interpreter, from an archive laid out as the Data Pool is."""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from lstsr_core.base.project import PROJECT
from worlds.archive import HTML_PAGE, Archive, Fault, ecs_metadata, serving, small_granule

VARIABLE = "LSTSR_PYMODIS_PYTHON"
DAYS = [datetime.date(2017, 1, 30) + datetime.timedelta(days=number) for number in range(4)]
TOKEN = "token-that-nobody-may-read"


@pytest.fixture(scope="module")
def python() -> str:
    """An interpreter that has pymodis; skips where there is none."""
    interpreter = os.environ.get(VARIABLE)
    if not interpreter:
        pytest.skip(
            f"{VARIABLE} is unset: it names an interpreter that has pymodis and this package's requirements"
            " (.ci/run)"
        )
    return interpreter


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    directory = tmp_path_factory.mktemp("granules")
    return dict(small_granule(directory, product, day) for product in ("MOD21A1D", "MOD09GQ") for day in DAYS)


@pytest.fixture
def archive(contents: dict[str, bytes]) -> Iterator[Archive]:
    held = Archive()
    for name, content in contents.items():
        held.add(name, content)
        other = name.replace("h18v04", "h17v04")
        held.files[f"{day_of(held, name)}/{other}"] = b"another tile"
    with serving(held):
        yield held


def day_of(archive: Archive, name: str) -> str:
    return next(
        path.rpartition("/")[0] for path in archive.files if path.startswith("/MOLT/") and path.endswith(name)
    )


def run(
    python: str,
    archive: Archive,
    directory: Path,
    *options: str,
    start: str = "2017-01-30",
    end: str = "2017-02-02",
    token: str = TOKEN,
) -> subprocess.CompletedProcess[str]:
    home = directory.parent / "home"
    environment = {
        "HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), "NO_PROXY": "127.0.0.1",
        "LSTSR_MIRROR_TOKEN": token,
    }  # fmt: skip
    command = [
        python, "-m", "lstsr_core.cli", "download", "--source", "mirror", "--url", archive.url,
        "--tile", "h18v04", "--product", "MOD21A1D.061", "--product", "MOD09GQ.061",
        "--start", start, "--end", end, "--out", str(directory),
        "--threads", "3", "--first-wait", "0.01", "--attempts", "4", *options,
    ]  # fmt: skip
    result = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert TOKEN not in result.stdout + result.stderr and "Traceback" not in result.stderr, result.stderr
    return result


def named(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.glob("*.hdf")}


def test_an_archive_is_fetched_once(
    python: str, archive: Archive, contents: dict[str, bytes], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert run(python, archive, out, "--dry-run").stdout.startswith(
        f"8 granules: 0 here, 8 to fetch; {sum(map(len, contents.values()))} bytes"
    )
    assert not out.exists()
    archive.requests.clear()
    result = run(python, archive, out)
    assert (result.returncode, result.stderr) == (
        0,
        "",
    ) and "8 granules fetched, 0 were here, 0 failed" in result.stdout
    assert named(out) == contents
    # Pymodis left nothing behind.
    assert sorted(path.name for path in out.iterdir()) == sorted([*contents, "manifest.csv"])
    assert Counter(archive.asked_for_granules) == dict.fromkeys(contents, 1)
    assert {request.authorization for request in archive.requests} == {f"Bearer {TOKEN}"}
    archive.requests.clear()
    assert "0 granules fetched, 8 were here, 0 failed" in run(python, archive, out).stdout
    assert all(request.path.endswith("/") for request in archive.requests) and len(archive.requests) == 2 * (
        1 + len(DAYS)
    )


def test_aquas_products_lie_in_a_directory_of_their_own(
    python: str, archive: Archive, tmp_path: Path
) -> None:
    name, content = small_granule(tmp_path, "MYD21A1D", DAYS[0])
    archive.add(name, content)
    result = run(python, archive, tmp_path / "out", "--product", "MYD21A1D.061", end="2017-01-30")
    assert result.returncode == 0 and named(tmp_path / "out")[name] == content
    assert {path.split("/")[1] for path in (request.path for request in archive.requests)} == {"MOLT", "MOLA"}
    elsewhere = run(python, archive, tmp_path / "none", "--path", "MOLA")
    assert elsewhere.returncode == 1 and "/MOLA/MOD21A1D.061" in elsewhere.stderr


def test_each_fault_costs_its_own_granule_at_most(
    python: str, archive: Archive, contents: dict[str, bytes], tmp_path: Path
) -> None:
    names = sorted(contents)
    dropped, page_after_503, page, damaged, wrong_size, wrong_sum, gone, whole = names
    damaged_content = bytearray(contents[damaged])
    damaged_content[-20_000] ^= 4
    archive.once[dropped] = [Fault(cut_after=100_000)]
    archive.once[page_after_503] = [
        Fault(503),
        Fault(503),
        HTML_PAGE,
    ]  # which pymodis saves under the granule's name
    archive.lasting[page] = HTML_PAGE
    archive.once[damaged] = [Fault(body=bytes(damaged_content))]
    for name, facts in ((wrong_size, {"size": 17}), (wrong_sum, {"value": "123456789"})):
        archive.files[f"{day_of(archive, name)}/{name}.xml"] = ecs_metadata(
            name, contents[name], **facts
        ).encode()  # type: ignore[arg-type]
    archive.lasting[gone] = Fault(404)
    result = run(python, archive, tmp_path)
    good = {dropped, page_after_503, damaged, whole}
    assert result.returncode == 1 and "4 granules fetched, 0 were here, 4 failed" in result.stdout
    assert named(tmp_path) == {name: contents[name] for name in good}
    assert not list(tmp_path.glob("*.part"))
    lines = result.stderr.splitlines()
    assert len(lines) == 4 and all(line.startswith(f"lstsr: {archive.url}/MOLT/") for line in lines)
    for name, reason in (
        (page, "web page"),
        (wrong_size, "metadata say 17"),
        (wrong_sum, "123456789"),
        (gone, "404, "),
    ):
        assert any(name in line and reason in line for line in lines), reason
    assert [request.range for request in archive.asked(dropped)] == [None, "bytes=65536-"]
    assert len(archive.asked(page_after_503)) == 4


def test_a_truncated_file_under_a_granules_name_is_completed(
    python: str, archive: Archive, contents: dict[str, bytes], tmp_path: Path
) -> None:
    name = sorted(contents)[0]
    (tmp_path / name).write_bytes(contents[name][:50_000])  # which pymodis takes for the granule
    assert run(python, archive, tmp_path).returncode == 0
    assert named(tmp_path) == contents
    assert [request.range for request in archive.asked(name)] == ["bytes=50000-"]


def test_other_checksums_are_compared_too(
    python: str, archive: Archive, contents: dict[str, bytes], tmp_path: Path
) -> None:
    for number, (name, content) in enumerate(contents.items()):
        algorithm, command = [("MD5", "md5sum"), ("SHA-256", "sha256sum")][number % 2]
        printed = (
            subprocess.run([command], input=content, capture_output=True, check=True)
            .stdout.split()[0]
            .decode()
        )
        value = "0" * len(printed) if number < 2 else printed
        archive.files[f"{day_of(archive, name)}/{name}.xml"] = ecs_metadata(
            name, content, algorithm, value
        ).encode()
    result = run(python, archive, tmp_path)
    assert result.returncode == 1 and named(tmp_path).keys() == set(list(contents)[2:])


def test_without_metadata_files_the_user_is_told(
    python: str, archive: Archive, contents: dict[str, bytes], tmp_path: Path
) -> None:
    for path in [path for path in archive.files if path.endswith(".xml")]:
        del archive.files[path]
    result = run(python, archive, tmp_path)
    assert (
        result.returncode == 0
        and "8 granules have no checksum" in result.stdout
        and named(tmp_path) == contents
    )


def test_metadata_that_are_none_fail_their_granule(
    python: str, archive: Archive, contents: dict[str, bytes], tmp_path: Path
) -> None:
    page, other = sorted(contents)[:2]
    archive.files[f"{day_of(archive, page)}/{page}.xml"] = b"<html><br></html>"
    archive.files[f"{day_of(archive, other)}/{other}.xml"] = ecs_metadata("another.hdf", b"").encode()
    result = run(python, archive, tmp_path)
    assert result.returncode == 1 and named(tmp_path).keys() == contents.keys() - {page, other}
    assert "is not the granule's metadata" in result.stderr and f"says nothing of {other}" in result.stderr


def test_only_the_days_of_the_period_are_asked_for(
    python: str, archive: Archive, contents: dict[str, bytes], tmp_path: Path
) -> None:
    result = run(python, archive, tmp_path, start="2017-01-31", end="2017-02-01")
    assert result.returncode == 0 and len(named(tmp_path)) == 4
    assert {request.path.split("/")[3] for request in archive.requests if request.path.count("/") > 3} == {
        "2017.01.31",
        "2017.02.01",
    }
    none = run(python, archive, tmp_path, start="2001-01-01", end="2001-01-02")
    assert none.returncode == 0 and "0 granules fetched, 0 were here" in none.stdout


@pytest.mark.parametrize(
    ("ending", "fault", "message", "requests"),
    [
        ("/MOD21A1D.061/", Fault(503), "503, ", 4),
        ("/MOD21A1D.061/", HTML_PAGE, "lists no days", 1),
        ("/2017.02.01/", HTML_PAGE, "lists no file of MOD21A1D.061", 1),
        ("/2017.02.01/", Fault(body=b"<html><a name='top'>MOD21A1D</a></html>"), "cannot read this page", 1),
    ],
)
def test_an_index_that_is_none_is_not_an_empty_archive(
    python: str, archive: Archive, tmp_path: Path, ending: str, fault: Fault, message: str, requests: int
) -> None:
    archive.once[ending] = [Fault(503)] if fault.status == 503 else []
    archive.lasting[ending] = fault
    result = run(python, archive, tmp_path / "out")
    (line,) = result.stderr.splitlines()
    assert result.returncode == 1 and message in line and f"{archive.url}/MOLT/MOD21A1D.061" in line
    assert len(archive.asked(ending)) == requests and archive.asked_for_granules == []


def test_an_index_that_fails_once_is_asked_again(
    python: str, archive: Archive, contents: dict[str, bytes], tmp_path: Path
) -> None:
    archive.once["/MOD21A1D.061/"] = [Fault(503)]
    archive.once["/2017.02.01/"] = [Fault(429), Fault(502)]
    assert run(python, archive, tmp_path).returncode == 0 and named(tmp_path) == contents


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_login_is_taken_from_netrc_or_its_encoding_is_told(
    python: str, archive: Archive, contents: dict[str, bytes], tmp_path: Path, encoding: str
) -> None:
    netrc = tmp_path / "home" / ".netrc"
    netrc.parent.mkdir()
    netrc.write_bytes(f"machine 127.0.0.1 login someone password {TOKEN}\n".encode(encoding))
    result = run(python, archive, tmp_path / "out", token="", end="2017-01-30")
    if encoding == "utf-8":
        assert result.returncode == 0 and "2 granules fetched" in result.stdout
        assert all(str(request.authorization).startswith("Basic ") for request in archive.requests)
    else:
        (line,) = result.stderr.splitlines()
        assert result.returncode == 1 and line.startswith(f"lstsr: {netrc}: begins with a byte-order mark")
        assert archive.requests == []


def test_without_pymodis_one_line_says_how_to_get_it(tmp_path: Path) -> None:
    hide = (
        "import sys; sys.modules['pymodis'] = None; from lstsr_core.cli import main;"
        " sys.exit(main(sys.argv[1:]))"
    )
    arguments = [
        "download", "--source", "mirror", "--url", "https://archive.example.org", "--tile", "h18v04",
        "--product", "MOD21A1D.061", "--start", "2017-01-01", "--end", "2017-01-01",
        "--out", str(tmp_path / "out"),
    ]  # fmt: skip
    result = subprocess.run(
        [sys.executable, "-c", hide, *arguments], capture_output=True, text=True, check=False
    )
    (line,) = result.stderr.splitlines()
    assert result.returncode == 1 and "conda install -c conda-forge pymodis" in line and "libgdal-dev" in line


@pytest.mark.parametrize("kept", ["token", "netrc"])
def test_a_login_is_not_sent_unencrypted(tmp_path: Path, python: str, kept: str) -> None:
    code = (
        "import threading; from lstsr_core.download.mirror import MirrorSource\n"
        "from lstsr_core.download.transfer import Patience\n"
        "MirrorSource('http://archive.example.org', Patience(), threading.Event())"
    )
    (tmp_path / ".netrc").write_text(f"machine archive.example.org login somebody password {TOKEN}\n")
    (tmp_path / ".netrc").chmod(0o600)
    secret = {"LSTSR_MIRROR_TOKEN": TOKEN} if kept == "token" else {"HOME": str(tmp_path)}
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PROJECT), **secret}
    result = subprocess.run(
        [python, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 1 and "is not https" in result.stderr and TOKEN not in result.stderr
