"""Downloads through earthaccess from an archive on this machine: failures, resuming, names."""

from __future__ import annotations

import csv
import datetime
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from lstsr_core import cli
from lstsr_core.base.errors import InputError
from lstsr_core.download.download import Result, check_granule, download, estimate, make_plan, open_source
from lstsr_core.download.earthdata import EarthdataSource
from lstsr_core.download.sources import RemoteGranule
from lstsr_core.download.transfer import Patience
from lstsr_core.modis.granule import read_lst
from lstsr_core.modis.names import GranuleName
from lstsr_core.modis.products import Product
from worlds.archive import HTML, HTML_PAGE, TILE, Archive, Fault, forget_logins, serving, small_granule

LST, NDVI = Product("MOD21A1D"), Product("MOD09GQ")
DAYS = [datetime.date(2017, 1, 1) + datetime.timedelta(days=number) for number in range(3)]
TOKEN = "token-that-nobody-may-read"
QUICK = Patience(attempts=4, first_wait_s=0.01, longest_wait_s=2.0, timeout_s=10.0)

DRIVER = """
import datetime, sys, threading
from pathlib import Path
import earthaccess
from lstsr_core.download.download import download, make_plan
from lstsr_core.download.earthdata import EarthdataSource
from lstsr_core.geo.grid import Tile
from lstsr_core.modis.products import Product
from lstsr_core.download.transfer import Patience

url, directory = sys.argv[1], Path(sys.argv[2])
stop = threading.Event()
system = earthaccess.system.System(f"{url}/search/", url, url, "127.0.0.1:9")
source = EarthdataSource(Patience(4, 0.01), stop, system)
products = [Product("MOD21A1D"), Product("MOD09GQ")]
start, end = datetime.date(2017, 1, 1), datetime.date(2017, 1, 3)
plan = make_plan(source, products, [Tile(18, 4)], start, end, directory)
result = download(source, plan, directory, 2, stop)
print(len(result.fetched), len(result.held), len(result.failed))
"""
"""What `lstsr download` does, with this machine's catalogue in place of NASA's."""


@pytest.fixture(scope="module")
def contents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    directory = tmp_path_factory.mktemp("granules")
    return dict(small_granule(directory, product.short_name, day) for product in (LST, NDVI) for day in DAYS)


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A token, no ~/.netrc, no proxy."""
    forget_logins(tmp_path / "home", monkeypatch)
    monkeypatch.setenv("EARTHDATA_TOKEN", TOKEN)


@pytest.fixture
def archive(contents: dict[str, bytes]) -> Iterator[Archive]:
    held = Archive()
    for name, content in contents.items():
        held.add(name, content)
    with serving(held):
        yield held


@pytest.fixture
def first(contents: dict[str, bytes]) -> str:
    return next(iter(contents))


def fetch(
    archive: Archive,
    directory: Path,
    patience: Patience = QUICK,
    threads: int = 3,
    days: list[datetime.date] = DAYS,
) -> Result:
    stop = threading.Event()
    source = EarthdataSource(patience, stop, archive.system)
    plan = make_plan(source, [LST, NDVI], [TILE], days[0], days[-1], directory)
    return download(source, plan, directory, threads, stop)


def named(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.glob("*.hdf")}


def leftovers(directory: Path) -> list[str]:
    return sorted(
        path.name for path in directory.iterdir() if path.suffix != ".hdf" and path.name != "manifest.csv"
    )


def manifest(directory: Path) -> list[dict[str, str]]:
    with (directory / "manifest.csv").open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_everything_listed_is_fetched_and_entered(
    archive: Archive, contents: dict[str, bytes], tmp_path: Path
) -> None:
    result = fetch(archive, tmp_path / "out")
    assert named(tmp_path / "out") == contents
    assert sorted(result.fetched) == sorted(contents) and not (
        result.held or result.failed or result.untried or result.unchecked
    )
    assert Counter(archive.asked_for_granules) == dict.fromkeys(contents, 1)
    assert leftovers(tmp_path / "out") == []
    for row in manifest(tmp_path / "out"):
        content = contents[row["granule"]]
        assert row["sha256"] == hashlib.sha256(content).hexdigest() and int(row["bytes"]) == len(content)
        assert (
            row["product"] in ("MOD21A1D", "MOD09GQ")
            and row["tile"] == "h18v04"
            and row["source"] == "earthdata"
        )
        assert datetime.date.fromisoformat(row["date"]) in DAYS
        assert datetime.datetime.fromisoformat(row["time"]).utcoffset() == datetime.timedelta(0)
    assert [row["granule"] for row in manifest(tmp_path / "out")] == sorted(contents)
    assert read_lst(tmp_path / "out" / sorted(contents)[-1]).values.shape == (320, 320)


def test_with_nothing_missing_only_the_catalogue_is_asked(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch(archive, tmp_path)
    archive.requests.clear()
    monkeypatch.delenv("EARTHDATA_TOKEN")  # nor is a login needed
    result = fetch(archive, tmp_path)
    assert len(result.held) == 6 and not result.fetched
    assert [request.path for request in archive.requests] == ["/search/granules.umm_json"] * 2


def test_a_further_day_adds_to_the_manifest(
    archive: Archive, contents: dict[str, bytes], tmp_path: Path
) -> None:
    fetch(archive, tmp_path, days=DAYS[:1])
    assert len(manifest(tmp_path)) == 2
    assert len(fetch(archive, tmp_path).fetched) == 4
    assert len(manifest(tmp_path)) == 6 and named(tmp_path) == contents


def test_the_token_reaches_the_data_host_and_no_other_place(
    archive: Archive,
    first: str,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    archive.lasting[first] = Fault(401)
    with caplog.at_level("DEBUG"):
        result = fetch(archive, tmp_path)
    assert {request.authorization for request in archive.asked(".hdf")} == {f"Bearer {TOKEN}"}
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    shown = "".join(capfd.readouterr()) + caplog.text + str(result)
    assert TOKEN not in shown and TOKEN.encode() not in written


@pytest.mark.parametrize("deaf_to_range", [False, True])
def test_a_connection_that_drops_is_resumed(
    archive: Archive, contents: dict[str, bytes], first: str, tmp_path: Path, deaf_to_range: bool
) -> None:
    archive.once[first] = [Fault(cut_after=150_000), Fault(deaf_to_range=deaf_to_range)]
    result = fetch(archive, tmp_path)
    assert not result.failed and named(tmp_path) == contents
    before, after = archive.asked(first)
    assert before.range is None
    assert after.range == "bytes=131072-"  # whole blocks of 64 KiB are kept
    again = 0 if deaf_to_range else 131_072
    assert archive.sent_bytes[first] == 150_000 + len(contents[first]) - again


def test_a_connection_that_drops_often_is_resumed_often(
    archive: Archive, contents: dict[str, bytes], first: str, tmp_path: Path
) -> None:
    archive.lasting[first] = Fault(
        cut_after=70_000
    )  # each brings one block; more than are attempted without progress
    result = fetch(archive, tmp_path, Patience(1, 0.01))
    assert not result.failed and named(tmp_path) == contents
    resumed = range(65536, len(contents[first]), 65536)
    assert [request.range for request in archive.asked(first)] == [
        None,
        *(f"bytes={start}-" for start in resumed),
    ]


def test_a_connection_that_always_drops_at_once_fails_alone(
    archive: Archive, contents: dict[str, bytes], first: str, tmp_path: Path
) -> None:
    archive.lasting[first] = Fault(cut_after=0)
    result = fetch(archive, tmp_path)
    assert "broke off" in result.failed[first] and len(archive.asked(first)) == QUICK.attempts
    assert named(tmp_path).keys() == contents.keys() - {first}


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_status_that_passes_costs_one_more_request(
    archive: Archive, contents: dict[str, bytes], first: str, tmp_path: Path, status: int
) -> None:
    archive.once[first] = [Fault(status)]
    assert not fetch(archive, tmp_path).failed
    assert Counter(archive.asked_for_granules) == {**dict.fromkeys(contents, 1), first: 2}
    assert named(tmp_path) == contents


@pytest.mark.parametrize(
    ("status", "attempts", "advice"),
    [
        (401, 1, "login was refused"),
        (403, 1, "accept the licences"),
        (404, 1, "does not have it"),
        (429, QUICK.attempts, "fewer --threads"),
        (503, QUICK.attempts, "down or busy"),
        (418, 1, "refused"),
    ],
)
def test_a_status_that_lasts_fails_its_granule_in_one_line(
    archive: Archive,
    contents: dict[str, bytes],
    first: str,
    tmp_path: Path,
    status: int,
    attempts: int,
    advice: str,
) -> None:
    archive.lasting[first] = Fault(status)
    result = fetch(archive, tmp_path)
    (reason,) = result.failed.values()
    assert list(result.failed) == [first] and first in reason and f"{status}, " in reason and advice in reason
    assert "\n" not in reason
    assert len(archive.asked(first)) == attempts
    assert named(tmp_path).keys() == contents.keys() - {first} and leftovers(tmp_path) == []
    assert first not in {row["granule"] for row in manifest(tmp_path)}
    archive.lasting.clear()
    archive.requests.clear()
    assert fetch(archive, tmp_path).fetched == [first]
    assert archive.asked_for_granules == [first] and named(tmp_path) == contents


@pytest.mark.parametrize("as_date", [False, True])
def test_retry_after_is_waited_for(archive: Archive, first: str, tmp_path: Path, as_date: bool) -> None:
    until = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=2)
    asked = until.strftime("%a, %d %b %Y %H:%M:%S GMT") if as_date else "1"
    archive.once[first] = [Fault(429, {"Retry-After": asked})]
    begin = time.time()
    assert not fetch(archive, tmp_path).failed
    wanted = (until.replace(microsecond=0).timestamp() - begin) if as_date else 1.0
    assert time.time() - begin >= wanted


def test_an_archive_that_asks_to_come_back_tomorrow_is_not_waited_for(
    archive: Archive, first: str, tmp_path: Path
) -> None:
    archive.lasting[first] = Fault(503, {"Retry-After": "86400"})
    result = fetch(archive, tmp_path)
    assert "86400 s" in result.failed[first] and len(archive.asked(first)) == 1


def test_an_archive_that_is_down_is_not_asked_for_every_granule(archive: Archive, tmp_path: Path) -> None:
    first_day = DAYS[0]
    for number in range(3, 60):
        day = first_day + datetime.timedelta(days=number)
        archive.add(f"MOD21A1D.A{day:%Y%j}.h18v04.061.2020358154430.hdf", b"never sent")
    archive.lasting[".hdf"] = Fault(503)
    result = fetch(
        archive, tmp_path, Patience(2, 0.001), threads=4, days=[first_day, datetime.date(2017, 12, 31)]
    )
    assert len(result.failed) + len(result.untried) == 63 and not result.fetched
    assert 8 <= len(result.failed) <= 8 + 4
    assert len(archive.asked(".hdf")) == 2 * len(result.failed)
    assert named(tmp_path) == {}


def test_a_web_page_never_gets_the_name_of_a_granule(
    archive: Archive, contents: dict[str, bytes], first: str, tmp_path: Path
) -> None:
    second, third = list(contents)[1:3]
    archive.once[first] = [Fault(503), Fault(503), HTML_PAGE]
    archive.once[second] = [Fault(body=HTML)]  # under the type of a granule
    archive.lasting[third] = HTML_PAGE
    result = fetch(archive, tmp_path)
    assert list(result.failed) == [third] and "web page in place of the granule" in result.failed[third]
    assert named(tmp_path) == {name: content for name, content in contents.items() if name != third}
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("change", [-1, 1, 5000])
def test_another_size_than_the_metadata_say_is_refused(
    archive: Archive, contents: dict[str, bytes], first: str, tmp_path: Path, change: int
) -> None:
    archive.claims[first]["size"] = len(contents[first]) + change
    result = fetch(archive, tmp_path)
    assert (
        f"{len(contents[first])} bytes, its metadata say {len(contents[first]) + change}"
        in result.failed[first]
    )
    assert len(archive.asked(first)) == QUICK.attempts
    assert named(tmp_path).keys() == contents.keys() - {first} and leftovers(tmp_path) == []


def test_a_file_damaged_on_its_way_is_fetched_once_more(
    archive: Archive, contents: dict[str, bytes], first: str, tmp_path: Path
) -> None:
    damaged = bytearray(contents[first])
    damaged[100_000] ^= 1
    archive.once[first] = [Fault(body=bytes(damaged))]
    assert not fetch(archive, tmp_path).failed
    assert named(tmp_path) == contents and len(archive.asked(first)) == 2
    assert [request.range for request in archive.asked(first)] == [None, None]


def test_a_file_that_stays_damaged_is_refused(
    archive: Archive, contents: dict[str, bytes], first: str, tmp_path: Path
) -> None:
    archive.claims[first]["md5"] = "0" * 32
    result = fetch(archive, tmp_path)
    assert (
        hashlib.md5(contents[first]).hexdigest() in result.failed[first] and "0" * 32 in result.failed[first]
    )
    assert len(archive.asked(first)) == 2
    assert named(tmp_path).keys() == contents.keys() - {first} and leftovers(tmp_path) == []


def test_what_is_no_granule_of_its_product_is_refused_even_with_the_right_checksum(
    archive: Archive, contents: dict[str, bytes], tmp_path: Path
) -> None:
    names = list(contents)
    other_product, cut, page = names[0], names[1], names[4]
    for name, content in ((other_product, contents[names[3]]), (cut, contents[cut][:-4000]), (page, HTML)):
        archive.add(name, content)
    result = fetch(archive, tmp_path)
    assert result.failed.keys() == {other_product, cut, page}
    assert "holds no LST_1KM" in result.failed[other_product]
    assert "truncated or damaged" in result.failed[cut]
    assert "not HDF4" in result.failed[page] or "else than HDF4" in result.failed[page]
    assert named(tmp_path).keys() == contents.keys() - result.failed.keys() and leftovers(tmp_path) == []


def test_without_a_checksum_size_and_content_are_checked_and_this_is_told(
    archive: Archive, contents: dict[str, bytes], first: str, tmp_path: Path
) -> None:
    archive.claims[first]["md5"] = ""
    (tmp_path / f"{first}.part").write_bytes(
        b"\x0e\x03\x13\x01 of another version" * 1000
    )  # not to be built upon
    result = fetch(archive, tmp_path)
    assert result.unchecked == [first] and named(tmp_path) == contents
    assert archive.asked(first)[0].range is None


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_file_that_is_not_what_was_entered_is_fetched_again(
    archive: Archive, contents: dict[str, bytes], first: str, tmp_path: Path, damage: str
) -> None:
    fetch(archive, tmp_path)
    path = tmp_path / first
    damaged = bytearray(contents[first][:131_072] if damage == "cut" else contents[first])
    damaged[-1] ^= 0 if damage == "cut" else 255
    path.write_bytes(damaged)
    archive.requests.clear()
    assert fetch(archive, tmp_path).fetched == [first]
    assert named(tmp_path) == contents
    assert [request.range for request in archive.asked(".hdf")] == (
        ["bytes=131072-"] if damage == "cut" else [None]
    )


def test_a_file_that_was_only_touched_is_kept(archive: Archive, first: str, tmp_path: Path) -> None:
    fetch(archive, tmp_path)
    os.utime(tmp_path / first)
    archive.requests.clear()
    assert len(fetch(archive, tmp_path).held) == 6 and archive.asked_for_granules == []


def test_files_without_a_manifest_are_checked_and_kept(
    archive: Archive, contents: dict[str, bytes], tmp_path: Path
) -> None:
    fetch(archive, tmp_path)
    (tmp_path / "manifest.csv").unlink()  # as when the run dies between the last rename and its entry
    archive.requests.clear()
    result = fetch(archive, tmp_path)
    assert sorted(result.held) == sorted(contents) and archive.asked_for_granules == []
    assert len(manifest(tmp_path)) == 6


def start(archive: Archive, directory: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "error", "-c", DRIVER, archive.url, str(directory)]
    # A shell starts what goes on in the background deaf to Ctrl-C, and so its children.
    hear = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=hear
    )


def test_two_runs_at_once_share_the_work(
    archive: Archive, contents: dict[str, bytes], tmp_path: Path
) -> None:
    archive.lasting[".hdf"] = Fault(bytes_per_s=1e6)
    runs = [start(archive, tmp_path), start(archive, tmp_path)]
    printed = [run.communicate(timeout=60) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], printed
    counts = [[int(number) for number in output.split()] for output, _ in printed]
    assert sum(fetched for fetched, _, _ in counts) == 6 and all(failed == 0 for _, _, failed in counts)
    assert Counter(archive.asked_for_granules) == dict.fromkeys(contents, 1)
    assert named(tmp_path) == contents and leftovers(tmp_path) == []
    assert [row["granule"] for row in manifest(tmp_path)] == sorted(contents)


@pytest.mark.parametrize("signal_number", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_killed_leaves_nothing_wrong_and_is_gone_on_with(
    archive: Archive, contents: dict[str, bytes], tmp_path: Path, signal_number: int
) -> None:
    archive.lasting[".hdf"] = Fault(bytes_per_s=200_000)
    run = start(archive, tmp_path)
    deadline = time.monotonic() + 30
    while (
        not any(path.stat().st_size > 100_000 for path in tmp_path.glob("*.part"))
        and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    run.send_signal(signal_number)
    run.communicate(timeout=30)
    assert run.returncode != 0
    parts = {path.name.removesuffix(".part"): path.read_bytes() for path in tmp_path.glob("*.part")}
    assert parts and all(contents[name].startswith(part) for name, part in parts.items())
    assert all(contents[name] == content for name, content in named(tmp_path).items())
    complete = set(named(tmp_path))
    archive.lasting.clear()
    archive.requests.clear()
    assert not fetch(archive, tmp_path).failed
    assert named(tmp_path) == contents and leftovers(tmp_path) == []
    for name, part in parts.items():
        assert [request.range for request in archive.asked(name)] == (
            [f"bytes={len(part)}-"] if part else [None]
        )
    assert not complete & set(archive.asked_for_granules)


def test_a_part_that_is_complete_is_only_checked(
    archive: Archive, contents: dict[str, bytes], first: str, tmp_path: Path
) -> None:
    (tmp_path / f"{first}.part").write_bytes(contents[first])  # as when the run dies before the rename
    assert not fetch(archive, tmp_path).failed
    assert archive.asked(first) == [] and named(tmp_path) == contents


@pytest.mark.parametrize("surplus", [b"", b"and more"])
def test_a_part_of_something_else_is_dropped(
    archive: Archive, contents: dict[str, bytes], first: str, tmp_path: Path, surplus: bytes
) -> None:
    (tmp_path / f"{first}.part").write_bytes(b"x" * len(contents[first]) + surplus)
    assert not fetch(archive, tmp_path).failed
    assert named(tmp_path) == contents and len(archive.asked(first)) == 1


def test_a_full_disk_is_told_in_one_line_and_gone_on_from(
    archive: Archive,
    contents: dict[str, bytes],
    tmp_path: Path,
    full_disk: Callable[[int], AbstractContextManager[None]],
) -> None:
    with full_disk(100_000):
        result = fetch(archive, tmp_path)
    assert result.failed.keys() == contents.keys() and named(tmp_path) == {}
    assert all(
        "cannot be written" in reason and "Free some space" in reason for reason in result.failed.values()
    )
    assert not fetch(archive, tmp_path).failed and named(tmp_path) == contents


def test_the_sizes_that_are_missing_must_fit_on_the_disk(
    archive: Archive, first: str, tmp_path: Path
) -> None:
    archive.claims[first]["size"] = 10**16
    with pytest.raises(InputError, match=r"10000000\.0 GB are missing"):
        fetch(archive, tmp_path)
    assert archive.asked_for_granules == []


def test_an_estimate_states_granules_and_bytes_and_fetches_nothing(
    archive: Archive, contents: dict[str, bytes], first: str, tmp_path: Path
) -> None:
    fetch(archive, tmp_path, days=DAYS[:1])
    archive.requests.clear()
    source = EarthdataSource(QUICK, threading.Event(), archive.system)
    plan = make_plan(source, [LST, NDVI], [TILE], DAYS[0], DAYS[-1], tmp_path)
    text = str(estimate(source, plan, 2))
    missing = sum(
        len(content) for name, content in contents.items() if GranuleName.parse(name).date != DAYS[0]
    )
    assert text.startswith(f"6 granules: 2 here, 4 to fetch; {missing} bytes") and "minutes at" in text
    assert archive.asked_for_granules == []


def test_a_period_that_ends_before_it_starts_is_refused(archive: Archive, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="starts on 2017-01-03 and ends on 2017-01-01"):
        fetch(archive, tmp_path, days=DAYS[::-1])


def test_a_directory_that_is_a_file_is_named(archive: Archive, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file"):
        fetch(archive, tmp_path / "file" / "out")


def test_an_intact_granule_passes_its_check(contents: dict[str, bytes], first: str, tmp_path: Path) -> None:
    (tmp_path / first).write_bytes(contents[first])
    check_granule(tmp_path / first, RemoteGranule(GranuleName.parse(first), "", len(contents[first])))


def run_cli(*arguments: str | Path) -> int:
    options = [
        "--product",
        "MOD21A1D.061",
        "--tile",
        "h18v04",
        "--start",
        "2017-01-01",
        "--end",
        "2017-01-02",
    ]
    return cli.main(["download", *options, *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--product", "MOD13A2.061"], "'MOD13A2.061' is no product"),
        (
            ["--product", "MYD21A1D.006"],
            "granules of collection 006 are read, but archives no longer have them; ask for MYD21A1D.061",
        ),
        (["--tile", "h40v04"], "'h40v04' is not a MODIS tile"),
        (["--start", "01.01.2017"], "'01.01.2017' is no day"),
        (["--threads", "0"], "expected 1 to 32"),
        (["--source", "ftp"], "unknown source 'ftp'; known sources: earthdata, mirror, sample"),
        (["--source", "mirror"], "needs --url"),
        (["--source", "mirror", "--url", "archive.example.org"], "expected an address"),
        (["--source", "mirror", "--url", "https://me:secret@archive.example.org"], "~/.netrc"),
        (["--url", "https://archive.example.org"], "is of --source mirror"),
        (["--source", "sample", "--end", "2016-12-31"], "ends on 2016-12-31"),
        (["--source", "sample", "--attempts", "0"], "attempts"),
        (["--source", "sample", "--first-wait", "-1"], "first"),
    ],
)
def test_a_bad_option_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run_cli("--out", tmp_path / "out", *arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("lstsr: ") and message in line and "secret" not in line
    assert not (tmp_path / "out").exists()


def test_the_sample_needs_no_account(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("EARTHDATA_TOKEN")
    arguments = ["--source", "sample", "--out", tmp_path / "out", "--end", "2017-01-01"]
    assert run_cli(*arguments, "--dry-run") == 0
    assert "1 granules: 0 here, 1 to fetch" in capsys.readouterr().out and not (tmp_path / "out").exists()
    assert run_cli(*arguments) == 0
    (path,) = (tmp_path / "out").glob("*.hdf")
    assert read_lst(path).values.shape == (1200, 1200)
    assert [row["source"] for row in manifest(tmp_path / "out")] == ["sample"]
    written = path.stat().st_mtime_ns
    capsys.readouterr()
    assert run_cli(*arguments) == 0
    assert path.stat().st_mtime_ns == written
    assert "0 granules fetched, 1 were here, 0 failed" in capsys.readouterr().out


def test_open_source_knows_the_sample() -> None:
    assert open_source("sample", QUICK, threading.Event(), seed=7).name == "sample"
