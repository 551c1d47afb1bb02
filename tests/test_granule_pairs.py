"""Pairs of granules: by day and tile, the newest production, in any folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstsr_core.errors import InputError
from lstsr_core.granule_pairs import granule_pairs


def touch(directory: Path, *names: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).touch()


def test_pairs_are_of_one_day_and_tile_in_any_folder(tmp_path: Path) -> None:
    touch(tmp_path, "MOD21A1D.A2018105.h18v04.061.2020001000000.hdf", "MOD21A1D.A2018105.h19v04.061.2020001000000.hdf")
    touch(tmp_path / "MOD09GQ.061" / "2018.04.15", "MOD09GQ.A2018105.h18v04.061.2020002000000.hdf")
    touch(tmp_path / "MOD09GQ.061" / "2018.04.16", "MOD09GQ.A2018106.h18v04.061.2020002000000.hdf")
    touch(tmp_path / "more", "MOD21A1D.A2018106.h18v04.061.2020001000000.hdf", "MOD21A1N.A2018106.h18v04.061.2020001000000.hdf")
    touch(tmp_path, ".MOD21A1D.A2018107.h18v04.061.2020001000000.17.part.hdf")
    pairs = granule_pairs(tmp_path)
    told = [(str(pair.date), str(pair.tile), pair.reflectance and pair.reflectance.parent.name) for pair in pairs]
    assert told == [
        ("2018-04-15", "h18v04", "2018.04.15"),
        ("2018-04-15", "h19v04", None),
        ("2018-04-16", "h18v04", "2018.04.16"),
    ]
    assert [pair.lst.parent.name for pair in granule_pairs(tmp_path, layer="night")] == ["more"]


def test_the_newest_production_is_taken(tmp_path: Path) -> None:
    newest = "MOD21A1D.A2018105.h18v04.061.2021001000000.hdf"
    touch(tmp_path / "a", newest, "MOD21A1D.A2018105.h18v04.061.2020001000000.hdf")
    touch(tmp_path / "b", "MOD21A1D.A2018105.h18v04.006.2022001000000.hdf")
    assert [pair.lst.name for pair in granule_pairs(tmp_path)] == [newest]


def test_a_directory_without_granules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no MOD21A1D or MYD21A1D granule; run 01_download first"):
        granule_pairs(tmp_path)
    touch(tmp_path, "MOD11A1.A2018105.h18v04.061.2020001000000.hdf")
    with pytest.raises(InputError, match="holds no MOD21A1N or MYD21A1N granule; it has MOD11A1: choose their product and layer"):
        granule_pairs(tmp_path, layer="night")


