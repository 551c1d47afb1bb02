"""Manifests that several runs write to, that are damaged, or that no longer fit their files."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lstsr_core.base.errors import InputError
from lstsr_core.download.manifest import MANIFEST, Entry, enter, locked, read_manifest

WRITER = """
import sys
from pathlib import Path
from lstsr_core.download.manifest import Entry, enter
for path in sorted(Path(sys.argv[1]).glob(sys.argv[2])):
    enter(path.parent, Entry.of(path, "sample"))
"""


def granule(directory: Path, day: int = 1, product: str = "MOD21A1D") -> Path:
    path = directory / f"{product}.A2017{day:03d}.h18v04.061.2020358154430.hdf"
    path.write_bytes(f"{product} {day}".encode())
    return path


def test_an_entry_survives(tmp_path: Path) -> None:
    entry = Entry.of(granule(tmp_path), "earthdata")
    enter(tmp_path, entry)
    assert read_manifest(tmp_path) == {entry.granule: entry}
    lines = (tmp_path / MANIFEST).read_text().splitlines()
    assert lines[0] == "granule,product,date,tile,bytes,sha256,source,time"
    assert lines[1].startswith(f"{entry.granule},MOD21A1D,2017-01-01,h18v04,10,")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([entry.granule, MANIFEST])


def test_processes_and_threads_do_not_lose_entries(tmp_path: Path) -> None:
    for product in ("MOD21A1D", "MOD09GQ", "MOD11A1"):
        for day in range(1, 31):
            granule(tmp_path, day, product)
    runs = [
        subprocess.Popen([sys.executable, "-c", WRITER, tmp_path, f"{product}*"])
        for product in ("MOD21A1D", "MOD09GQ")
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda path: enter(tmp_path, Entry.of(path, "mirror")), tmp_path.glob("MOD11A1*")))
    assert [run.wait(timeout=60) for run in runs] == [0, 0]
    assert len(read_manifest(tmp_path)) == 90
    assert not list(tmp_path.glob(".*"))


def test_a_lock_is_held_by_one_alone_and_let_go_by_the_dead(tmp_path: Path) -> None:
    inside: list[int] = []

    def work(number: int) -> None:
        with locked(tmp_path / "lock"):
            inside.append(number)
            assert inside == [number]
            inside.clear()

    (tmp_path / "lock").touch()  # of a run that died
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(300)))
    assert not list(tmp_path.iterdir())


def test_a_file_fits_its_entry_until_its_content_changes(tmp_path: Path) -> None:
    path = granule(tmp_path)
    entry = Entry.of(path, "sample")
    assert entry.fits(path)
    os.utime(path)
    assert entry.fits(path)
    path.write_bytes(b"MOD21A1D 2")
    assert not entry.fits(path)
    path.write_bytes(b"longer than before")
    assert not entry.fits(path)
    path.unlink()
    assert not entry.fits(path)


@pytest.mark.parametrize(
    "text",
    [
        "file,kind,bytes\na.hdf,granule,12\n",
        "granule,product,date,tile,bytes,sha256,source,time\na.hdf,MOD21A1D,2017-01-01,h18v04,many,0,sample,2020-01-01\n",
        "granule,product,date,tile,bytes,sha256,source,time\na.hdf,MOD21A1D,2017-01-01,h18v04,12,0,sample,yesterday\n",
        "granule,product,date,tile,bytes,sha256,source,time\na.hdf,MOD21A1D,2017-01-01\n",
        "granule,product,date,tile,bytes,sha256,source,time\na.hdf,MOD21A1D,2017-01-01,h18v04,12,0,sample,2020-01-01,more\n",
    ],
)
def test_what_is_no_manifest_is_refused_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(InputError, match=r"manifest\.csv: is not the manifest of a download"):
        read_manifest(tmp_path)
    assert (tmp_path / MANIFEST).read_text() == text
