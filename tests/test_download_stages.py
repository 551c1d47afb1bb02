"""01_download with an archive: what is linked into the run, fetched once for all runs."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from granule_server import Archive, Fault, serving, small_granule

from lstsr_core import stages
from lstsr_core.download_stages import link_granules
from lstsr_core.earthdata import EarthdataSource
from lstsr_core.errors import InputError
from lstsr_core.parameters import Download
from lstsr_core.transfer import Patience


@pytest.fixture
def archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Archive]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("EARTHDATA_TOKEN", "a token")
    held = Archive()
    (tmp_path / "made").mkdir()
    for product in ("MOD21A1D", "MOD09GQ"):
        for day in (1, 2):
            held.add(*small_granule(tmp_path / "made", product, datetime.date(2017, 1, day), pixels=40))
    with serving(held):
        yield held


def test_two_runs_share_what_was_fetched_once(archive: Archive, tmp_path: Path) -> None:
    gone = next(iter(archive.granules))
    archive.lasting[gone] = Fault(404)
    for run in ("first", "second"):
        settings = Download.check(
            {"run_directory": str(tmp_path / run), "granule_directory": str(tmp_path / "shared"), "source": "published"}
        )
        stop = threading.Event()
        table = link_granules(settings, EarthdataSource(Patience(2, 0.01), stop, archive.system), stop)
        good = sorted(archive.granules.keys() - {gone})
        assert table["file"].tolist() == [f"granules/{name}" for name in [*good, gone]]
        assert table["status"].tolist() == ["downloaded"] * 3 + ["failed"]
        linked = {path.name: path.read_bytes() for path in (settings.directory / "granules").iterdir()}
        assert linked == {name: archive.granules[name] for name in good}
    assert sorted(set(archive.asked_for_granules)) == sorted(archive.granules) and len(archive.asked_for_granules) == 3 + 2


def test_real_granules_do_not_join_simulated_ones(tmp_path: Path) -> None:
    settings = Download.check({"run_directory": str(tmp_path), "archive": "earthdata", "windows": 2, "pairs": 1})
    with pytest.raises(InputError, match="never with simulated ones"):
        stages.bring_data(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [("archive", "ftp"), ("products", ["MOD13Q1.061"]), ("tiles", ["h99v04"]), ("start", "2017-02-30"), ("products", [])],
)
def test_a_wrong_parameter_is_named(name: str, value: object) -> None:
    with pytest.raises(InputError, match=f"parameter '{name}'"):
        Download.check({name: value})
