"""The catalogue and the login: answers of CMR's real shape from this machine, through earthaccess."""

from __future__ import annotations

import datetime
import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lstsr_core import cli
from lstsr_core.base.errors import InputError
from lstsr_core.download.checksum import Checksum
from lstsr_core.download.earthdata import EarthdataSource
from lstsr_core.download.sources import RemoteGranule
from lstsr_core.download.transfer import Patience, TransferError
from lstsr_core.geo.grid import Tile
from lstsr_core.modis.products import Product
from worlds.archive import HTML, TILE, Archive, Fault, forget_logins, serving

FIRST, LAST = datetime.date(2017, 1, 1), datetime.date(2017, 1, 31)
SECRET = "secret-that-nobody-may-read"


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No login, no proxy."""
    (tmp_path / "home").mkdir()
    forget_logins(tmp_path / "home", monkeypatch)


@pytest.fixture
def archive() -> Iterator[Archive]:
    with serving(Archive()) as held:
        yield held


def source_of(archive: Archive) -> EarthdataSource:
    return EarthdataSource(Patience(attempts=3, first_wait_s=0.01), threading.Event(), archive.system)


def search(
    archive: Archive, product: str = "MOD21A1D", tile: Tile = TILE, first: datetime.date = FIRST
) -> list[RemoteGranule]:
    return source_of(archive).search(Product(product), tile, first, LAST)


def granule(
    day: int, product: str = "MOD21A1D", tile: str = "h18v04", production: str = "2020358154430"
) -> str:
    return f"{product}.A2017{day:03d}.{tile}.061.{production}.hdf"


def test_a_granule_has_the_size_checksum_and_address_of_its_record(archive: Archive) -> None:
    archive.add(granule(1), b"content")
    (remote,) = search(archive)
    assert str(remote.name) == granule(1)
    assert remote.size == 7 and remote.checksum == Checksum("MD5", hashlib.md5(b"content").hexdigest())
    assert remote.url == f"{archive.url}/lp-prod-protected/MOD21A1D.061/{granule(1)[:-4]}/{granule(1)}"
    assert archive.requests[0].authorization is None  # the catalogue is open to all


def test_only_the_product_the_tile_and_the_period_are_found(archive: Archive) -> None:
    for name in (granule(31), granule(1), granule(32), granule(5, "MOD09GQ"), granule(5, tile="h17v04")):
        archive.add(name, b"content")
    assert [str(remote.name) for remote in search(archive)] == [granule(1), granule(31)]
    assert [str(remote.name) for remote in search(archive, "MOD09GQ")] == [granule(5, "MOD09GQ")]
    assert search(archive, "MOD11A1") == []


@pytest.mark.parametrize("product", ["MYD21A1D", "MYD21A1N", "MYD11A1", "MYD09GQ", "MYD09GA"])
def test_aquas_products_are_found_as_themselves(archive: Archive, product: str) -> None:
    for name in (product, product.replace("MYD", "MOD")):
        archive.add(granule(5, name), b"content")
    assert [str(remote.name) for remote in search(archive, product)] == [granule(5, product)]


def test_a_day_that_overlaps_the_period_by_its_end_alone_is_left_out(archive: Archive) -> None:
    archive.add(granule(1), b"content")
    archive.catalogue = lambda query, catalogue=archive.catalogue: catalogue(
        {**query, "temporal[]": ["2016-12-31,2017-12-31"]}
    )  # type: ignore[method-assign]
    assert len(search(archive)) == 1
    assert search(archive, first=datetime.date(2017, 1, 2)) == []


def test_a_yearly_product_is_found_by_any_of_its_days(archive: Archive) -> None:
    archive.add(granule(1, "MOD44W"), b"content")
    assert [str(remote.name) for remote in search(archive, "MOD44W", first=datetime.date(2017, 1, 20))] == [
        granule(1, "MOD44W")
    ]


def test_of_a_day_produced_twice_the_newer_is_taken(archive: Archive) -> None:
    for production in ("2020358154430", "2021001000000", "2019001000000"):
        archive.add(granule(3, production=production), production.encode())
    assert [str(remote.name) for remote in search(archive)] == [granule(3, production="2021001000000")]


def test_a_long_list_comes_in_pages(archive: Archive) -> None:
    for number in range(2003):
        archive.add(granule(1 + number % 31, production=f"2020{number:09d}"), b"content")
    # The last page holds the newest of three days.
    assert {remote.name.production for remote in search(archive)} == {
        f"2020{number:09d}" for number in range(1972, 2003)
    }
    assert len(archive.requests) == 2


def test_without_size_and_checksum_in_the_record_neither_is_made_up(archive: Archive) -> None:
    archive.add(granule(1), b"content")
    archive.claims[granule(1)] = {"md5": "", "size": "null"}
    (remote,) = search(archive)
    assert remote.size is None and remote.checksum is None


def test_a_catalogue_that_is_busy_once_is_asked_again(archive: Archive) -> None:
    archive.add(granule(1), b"content")
    archive.once["granules.umm_json"] = [Fault(503), Fault(429), Fault()]
    assert len(search(archive)) == 1 and len(archive.requests) == 3


@pytest.mark.parametrize(
    ("fault", "message", "requests"),
    [
        (Fault(503), "503, ", 3),
        (Fault(400, body=b'{"errors":["Parameter [x] was not recognized."]}'), "400, ", 1),
        (Fault(body=HTML), "JSON", 1),
        (Fault(body=b'{"feed":{}}'), "not a list of granules", 1),
    ],
)
def test_a_catalogue_that_does_not_answer_well_is_told_in_one_line(
    archive: Archive, fault: Fault, message: str, requests: int
) -> None:
    archive.lasting["granules.umm_json"] = fault
    archive.files["/search/granules.umm_json"] = b""
    with pytest.raises(TransferError, match=message) as raised:
        search(archive)
    assert "\n" not in str(raised.value) and f"{archive.url}/search/" in str(raised.value)
    assert len(archive.requests) == requests


def test_an_unreachable_catalogue_is_told_in_one_line(archive: Archive) -> None:
    archive.server_close()
    with pytest.raises(TransferError, match="check the network"):
        search(archive)


def test_without_a_login_one_line_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        EarthdataSource(Patience(), threading.Event()).connect()
    assert "\n" not in str(raised.value)
    for word in (
        "https://urs.earthdata.nasa.gov",
        "~/.netrc",
        "EARTHDATA_USERNAME",
        "EARTHDATA_TOKEN",
        "--source sample",
    ):
        assert word in str(raised.value)


@pytest.mark.parametrize("way", ["environment", "file"])
def test_a_token_is_found_in_the_environment_or_in_the_file_that_it_names(
    archive: Archive, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "environment":
        monkeypatch.setenv("EARTHDATA_TOKEN", SECRET)
    else:
        (tmp_path / "token").write_text(f"{SECRET}\n")
        monkeypatch.setenv("EARTHDATA_TOKEN_FILE", str(tmp_path / "token"))
    archive.add(granule(1), b"\x0e\x03\x13\x01 and so on")
    source = source_of(archive)
    (remote,) = source.search(Product("MOD21A1D"), TILE, FIRST, LAST)
    source.connect()
    source.fetch(remote, tmp_path / "part", lambda count: None)
    assert (tmp_path / "part").read_bytes() == b"\x0e\x03\x13\x01 and so on"
    assert [request.authorization for request in archive.asked(".hdf")] == [f"Bearer {SECRET}"]


def test_a_token_file_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EARTHDATA_TOKEN_FILE", str(tmp_path / "token"))
    with pytest.raises(
        InputError, match=r"token: cannot be read .*; expected the token that EARTHDATA_TOKEN_FILE names"
    ):
        EarthdataSource(Patience(), threading.Event()).connect()


@pytest.mark.parametrize("way", ["environment", "netrc"])
def test_a_login_service_out_of_reach_is_told_without_the_password(
    archive: Archive,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    way: str,
) -> None:
    if way == "environment":
        monkeypatch.setenv("EARTHDATA_USERNAME", "someone")
        monkeypatch.setenv("EARTHDATA_PASSWORD", SECRET)
    else:
        netrc = tmp_path / "home" / ".netrc"
        netrc.write_text(f"machine 127.0.0.1:9 login someone password {SECRET}\n")
        netrc.chmod(0o600)
    with caplog.at_level("DEBUG"), pytest.raises(InputError, match=r"no login \(ConnectionError\)") as raised:
        source_of(archive).connect()
    assert SECRET not in str(raised.value) + caplog.text + "".join(capfd.readouterr())


def test_a_token_is_not_sent_unencrypted_to_another_machine(archive: Archive, tmp_path: Path) -> None:
    (remote,) = [RemoteGranule(name=None, url="http://data.example.org/MOD21A1D.hdf?signature=secret")]  # type: ignore[arg-type]
    with pytest.raises(TransferError, match="is not https") as raised:
        source_of(archive).fetch(remote, tmp_path / "part", lambda count: None)
    assert "signature" not in str(raised.value)


def test_the_command_without_a_login_ends_in_one_line(
    archive: Archive, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # NASA's catalogue is asked first, which this machine may not reach; either way the user gets one line.
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{archive.server_address[1]}")
    arguments = [
        "--product",
        "MOD21A1D.061",
        "--tile",
        "h18v04",
        "--start",
        "2017-01-01",
        "--end",
        "2017-01-02",
    ]
    assert cli.main(["download", *arguments, "--attempts", "1", "--out", str(tmp_path / "out")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert (
        line.startswith("lstsr: https://cmr.earthdata.nasa.gov/search/: ") and not (tmp_path / "out").exists()
    )
