"""Maps and patches of many granules: processes agree, and one bad granule stops nothing."""

from __future__ import annotations

import datetime
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio

from lstsr_core.base.fingerprint import Digests, sha256
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL
from lstsr_core.geo.raster import Raster, write_raster
from lstsr_core.maps import predict as prediction
from lstsr_core.maps.predict import predict_granule
from lstsr_core.maps.request import Request
from lstsr_core.modis.day_pairs import granule_pairs
from lstsr_core.modis.names import GranuleName
from lstsr_core.patches.cutting import PatchSettings, update
from lstsr_core.simulation.granule_writer import write_lst_granule, write_reflectance_granule
from lstsr_core.simulation.scenes import simulate
from worlds.dask_processes import DaskProcesses

DAYS = [datetime.date(2018, 7, day) for day in (2, 5, 19)]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("simulated")
    simulate(directory, days=DAYS, windows=2, pairs=0)
    return directory / "granules"


@pytest.fixture
def granules(simulated: Path, tmp_path: Path) -> Path:
    """Three days; the second day's LST is cut short."""
    directory = tmp_path / "granules"
    shutil.copytree(simulated, directory)
    damaged = granule_pairs(directory)[1].lst
    damaged.write_bytes(damaged.read_bytes()[:-2000])
    return directory


def test_two_processes_make_the_maps_that_one_makes(
    granules: Path, simulated: Path, tmp_path: Path, lstsr: Callable[..., tuple[int, str, str]]
) -> None:
    out, pairs = tmp_path / "maps", granule_pairs(granules)
    command = ["predict", "--granules", granules, "--method", "tsharp", "--out", out, "--workers", "2"]
    code, printed, errors = lstsr(*command)
    assert (code, printed) == (1, f"{out}: 2 maps made, 0 there already, 1 failed\n")
    (line,) = [line for line in errors.splitlines() if line.startswith("lstsr: ")]
    assert pairs[1].lst.name in line
    failures = pd.read_csv(out / "failures.csv")
    assert failures["granule"].tolist() == [pairs[1].lst.name]
    for pair in (pairs[0], pairs[2]):
        assert pair.reflectance is not None
        alone = tmp_path / "alone.tif"
        predict_granule(pair.lst, pair.reflectance, alone, Request("tsharp", threads=1))
        assert (out / f"{pair.lst.stem}_250m.tif").read_bytes() == alone.read_bytes()
        alone.unlink()
    times = {path: path.stat().st_mtime_ns for path in out.glob("*.tif")}
    shutil.copy2(simulated / pairs[1].lst.name, pairs[1].lst)
    code, printed, _ = lstsr(*command)
    assert (code, printed) == (0, f"{out}: 1 maps made, 2 there already, 0 failed\n")
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert not (out / "failures.csv").exists()
    with rasterio.open(out / f"{pairs[1].lst.stem}_250m.tif") as source:
        assert source.descriptions[0] == "LST"


def test_patches_cut_at_once_are_those_cut_one_by_one(
    granules: Path, tmp_path: Path, lstsr: Callable[..., tuple[int, str, str]]
) -> None:
    options = ["--coverage", "0.2", "--split", "random", "--workers", "2"]
    code, _, errors = lstsr("patches", "--granules", granules, "--out", tmp_path / "many", *options)
    assert code == 1 and granule_pairs(granules)[1].lst.name in errors
    alone = update(granules, tmp_path / "alone", PatchSettings(coverage=0.2), split="random")
    assert len(alone.patches) > 1
    for name in ("patches.csv", "statistics.json"):
        assert (tmp_path / "many" / name).read_bytes() == (tmp_path / "alone" / name).read_bytes()
    for path in alone.patches["lst_path"]:
        assert (tmp_path / "many" / path).read_bytes() == (tmp_path / "alone" / path).read_bytes()


def test_a_dry_run_makes_nothing(
    simulated: Path, tmp_path: Path, lstsr: Callable[..., tuple[int, str, str]]
) -> None:
    out = tmp_path / "maps"
    code, printed, _ = lstsr(
        "predict", "--granules", simulated, "--method", "tsharp", "--out", out, "--workers", "1", "--dry-run"
    )
    assert code == 0 and printed.startswith(f"{simulated}: 3 pairs of granules, 0 of them done, 3 to do")
    assert not list(tmp_path.rglob("*.tif"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "x.tif"], "expected --lst with --reflectance or --ndvi, or --granules"),
        (["--lst", "a.hdf", "--out", "x.tif"], "expected --lst with --reflectance or --ndvi, or --granules"),
        (
            ["--lst", "a", "--reflectance", "b", "--granules", "d", "--out", "x"],
            "expected --lst with --reflectance or --ndvi, or --granules",
        ),
        (
            ["--lst", "a", "--reflectance", "b", "--workers", "2", "--out", "x"],
            "--workers and --scheduler are for many maps",
        ),
        (["--granules", "nowhere", "--method", "tsharp", "--out", "x"], "nowhere: no such directory"),
        (
            ["--granules", "nowhere", "--threads", "4", "--out", "x"],
            "--threads is 4: with --granules each process has one",
        ),
    ],
)
def test_commands_that_make_no_sense_are_refused(
    lstsr: Callable[..., tuple[int, str, str]], arguments: list[str], message: str
) -> None:
    code, _, errors = lstsr("predict", *arguments)
    assert code == 1 and message in errors and errors.count("\n") == 1


# What is there already, in a directory as for a single map


LST_NAME, REFLECTANCE_NAME = (
    "MOD21A1D.A2018200.h18v04.061.2020001000000.hdf",
    "MOD09GQ.A2018200.h18v04.061.2020001000000.hdf",
)
NEWER_NAME = LST_NAME.replace("2020001000000", "2021001000000")


def write_lst(path: Path, mean_k: float | None = 300.0) -> Path:
    """A LST granule of a corner of its tile, 16×16 pixels; None is a day under cloud."""
    values = (
        np.full((16, 16), np.nan) if mean_k is None else mean_k + np.arange(256.0).reshape(16, 16) / 100.0
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_lst_granule(
        path, Raster(values, GranuleName.parse(path.name).tile.transform(COARSE_PIXEL_M), SINUSOIDAL)
    )
    return path


def write_reflectance(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    grid = Raster(
        np.full((64, 64), 0.1), GranuleName.parse(path.name).tile.transform(FINE_PIXEL_M), SINUSOIDAL
    )
    write_reflectance_granule(path, grid, grid.with_values(np.full((64, 64), 0.3)))
    return path


@dataclass(frozen=True)
class World:
    """A directory of granules, its maps, and the command that makes them."""

    granules: Path
    maps: Path
    scheduler: str
    lstsr: Callable[..., tuple[int, str, str]]

    def predict(self, *more: object) -> tuple[int, str, list[str]]:
        """Exit code, the closing line without the directory, and the lines on standard error."""
        code, printed, errors = self.lstsr(
            "predict",
            "--granules",
            self.granules,
            "--method",
            "bicubic",
            "--out",
            self.maps,
            "--scheduler",
            self.scheduler,
            *more,
        )
        return code, printed.removeprefix(f"{self.maps}: ").strip(), errors.splitlines()

    def map_of(self, name: str) -> Path:
        return self.maps / name.replace(".hdf", "_250m.tif")

    def mean_k(self, name: str) -> float:
        with rasterio.open(self.map_of(name)) as source:
            return float(np.nanmean(source.read(1)))


@pytest.fixture
def world(tmp_path: Path, dask_cluster: DaskProcesses, lstsr: Callable[..., tuple[int, str, str]]) -> World:
    """One day, its map made."""
    place = World(tmp_path / "granules", tmp_path / "maps", dask_cluster.scheduler_file, lstsr)
    write_lst(place.granules / LST_NAME)
    write_reflectance(place.granules / REFLECTANCE_NAME)
    assert place.predict() == (0, "1 maps made, 0 there already, 0 failed", [])
    return place


def test_a_map_of_unchanged_granules_stays(world: World) -> None:
    modified = world.map_of(LST_NAME).stat().st_mtime_ns
    assert world.predict() == (0, "0 maps made, 1 there already, 0 failed", [])
    shutil.copytree(world.granules, world.granules.with_name("elsewhere"))
    elsewhere = replace(world, granules=world.granules.with_name("elsewhere"))
    assert elsewhere.predict() == (
        0,
        "0 maps made, 1 there already, 0 failed",
        [],
    )  # read again, and found to be the same
    assert world.map_of(LST_NAME).stat().st_mtime_ns == modified


@pytest.mark.parametrize("name", [LST_NAME, REFLECTANCE_NAME])
def test_a_granule_with_other_content_makes_the_map_anew(world: World, name: str) -> None:
    path = world.granules / name
    before = path.stat()
    if name == LST_NAME:
        write_lst(path, 310.0)
    else:
        path.write_bytes(path.read_bytes() + b"\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # as a copy that keeps times has
    assert "0 of them done, 1 to do" in world.predict("--dry-run")[1]
    assert world.predict() == (0, "1 maps made, 0 there already, 0 failed", [])
    assert world.mean_k(LST_NAME) == pytest.approx(311.3 if name == LST_NAME else 301.3, abs=0.1)


def test_a_damaged_map_and_an_older_code_s_map_are_made_anew(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = world.map_of(LST_NAME)
    path.write_bytes(path.read_bytes()[:-100])
    assert world.predict()[1] == "1 maps made, 0 there already, 0 failed"
    monkeypatch.setattr(prediction, "git_revision", lambda: "another")
    assert world.predict()[1] == "1 maps made, 0 there already, 0 failed"
    assert world.predict()[1] == "0 maps made, 1 there already, 0 failed"


@pytest.mark.parametrize("newer", [NEWER_NAME, LST_NAME.replace("061", "006").replace("2020001", "2022001")])
@pytest.mark.parametrize("older_stays_in_granules", [True, False])
def test_one_map_a_day_that_of_the_granule_to_be_used(
    world: World, newer: str, older_stays_in_granules: bool
) -> None:
    """A newer production replaces a map and says so; an older collection only where it is alone."""
    world.map_of(LST_NAME).with_suffix(".png").write_bytes(b"its picture")
    write_lst(world.granules / newer, 320.0)
    if not older_stays_in_granules:
        (world.granules / LST_NAME).unlink()
    if older_stays_in_granules and ".006." in newer:
        assert world.predict() == (0, "0 maps made, 1 there already, 0 failed", [])
        return
    dry = world.predict("--dry-run")[1]
    assert (
        "0 of them done, 1 to do" in dry
        and f"{world.map_of(LST_NAME).name}: would go, since {newer} replaces" in dry
    )
    assert world.map_of(LST_NAME).is_file()
    code, printed, lines = world.predict()
    assert (code, printed) == (0, "1 maps made, 0 there already, 0 failed")
    notes = [line for line in lines if "removed" in line]
    assert notes == [f"lstsr: {world.map_of(LST_NAME)}: removed ({newer} replaces its granule)"]
    assert [path.name for path in world.maps.glob("*250m*")] == [world.map_of(newer).name]


def test_an_older_map_that_a_stopped_run_left_goes_with_the_next(world: World) -> None:
    shutil.copy(world.map_of(LST_NAME), world.map_of(LST_NAME.replace("2020001", "2019001")))
    _, printed, lines = world.predict()
    assert (
        printed == "0 maps made, 1 there already, 0 failed" and "2019001000000_250m.tif: removed" in lines[0]
    )


def test_a_file_that_no_prediction_made_is_not_removed(world: World) -> None:
    mine = world.map_of(LST_NAME.replace("2020001", "2019001"))
    with rasterio.open(world.map_of(LST_NAME)) as source:
        write_raster(Raster(source.read(1), source.transform, source.crs), mine)
    write_lst(world.granules / NEWER_NAME)
    world.predict()
    assert mine.is_file() and not world.map_of(LST_NAME).exists()


def test_a_newer_granule_that_cannot_be_read_leaves_the_older_map_and_says_so(world: World) -> None:
    (world.granules / NEWER_NAME).write_bytes((world.granules / LST_NAME).read_bytes()[:-2000])
    code, printed, lines = world.predict()
    assert (code, printed) == (1, "0 maps made, 0 there already, 1 failed")
    assert f"lstsr: {world.map_of(LST_NAME)}: an older map of that day, stays as it is" in lines
    assert world.map_of(LST_NAME).is_file()


def test_a_day_under_cloud_is_no_failure_and_is_not_tried_twice(world: World) -> None:
    cloudy = LST_NAME.replace("A2018200", "A2018201")
    write_lst(world.granules / cloudy, None)
    write_reflectance(world.granules / REFLECTANCE_NAME.replace("A2018200", "A2018201"))
    dry = world.predict("--dry-run")[1]
    assert "1 of them done, 1 to do" in dry and f"nothing to make of {cloudy}" in dry
    code, printed, (line,) = world.predict()
    assert (code, printed) == (0, "0 maps made, 1 there already, 0 failed, 1 with nothing to map")
    assert line.startswith("lstsr: nothing to map: ") and cloudy in line
    assert not (world.maps / "failures.csv").exists()
    assert pd.read_csv(world.maps / "nothing_to_map.csv")["granule"].tolist() == [cloudy]
    assert world.predict() == (0, "0 maps made, 1 there already, 0 failed, 1 with nothing to map", [])
    assert (
        "2 pairs of granules, 1 of them done, 1 with nothing to make, 0 to do"
        in world.predict("--dry-run")[1]
    )
    write_lst(world.granules / cloudy, 290.0)  # reprocessed
    assert world.predict()[:2] == (0, "1 maps made, 1 there already, 0 failed")
    assert not (world.maps / "nothing_to_map.csv").exists()


def test_a_tile_outside_the_area_has_nothing_to_map_and_is_no_failure(world: World, tmp_path: Path) -> None:
    """An area that several tiles are asked for need not reach each of them."""
    east = [world.granules / name.replace("h18v04", "h19v04") for name in (LST_NAME, REFLECTANCE_NAME)]
    write_lst(east[0])
    write_reflectance(east[1])
    maps = replace(world, maps=tmp_path / "area")
    code, printed, (line,) = maps.predict("--bounds", "0.02,49.9,0.06,49.98")
    assert (code, printed) == (0, "1 maps made, 0 there already, 0 failed, 1 with nothing to map")
    assert east[0].name in line and "lies outside the granule, which covers" in line
    assert [path.name for path in maps.maps.glob("*.tif")] == [world.map_of(LST_NAME).name]


@pytest.mark.parametrize("name", [LST_NAME, NEWER_NAME])
def test_a_map_does_not_outlive_a_granule_of_which_nothing_is_left(world: World, name: str) -> None:
    write_lst(world.granules / name, None)
    code, printed, lines = world.predict()
    assert (code, printed) == (0, "0 maps made, 0 there already, 0 failed, 1 with nothing to map")
    assert f"lstsr: {world.map_of(LST_NAME)}: removed ({name} replaces its granule)" in lines
    assert not list(world.maps.glob("*.tif"))


def test_terra_and_aqua_of_one_day_are_two_maps(world: World) -> None:
    aqua = LST_NAME.replace("MOD", "MYD")
    write_lst(world.granules / aqua, 305.0)
    code, printed, lines = world.predict()
    assert (code, printed) == (0, "1 maps made, 1 there already, 0 failed")
    assert lines == [f"lstsr: {aqua}: LST is of Aqua (MYD21A1D), reflectance of Terra (MOD09GQ)"]
    write_reflectance(world.granules / REFLECTANCE_NAME.replace("MOD", "MYD"))
    assert world.predict() == (0, "1 maps made, 1 there already, 0 failed", [])
    assert len(list(world.maps.glob("*.tif"))) == 2


def test_a_warning_of_many_maps_is_one_line_and_a_picture_is_no_map(world: World) -> None:
    for day in ("A2018201", "A2018202"):
        write_lst(world.granules / LST_NAME.replace("A2018200", day))
        write_reflectance(world.granules / REFLECTANCE_NAME.replace("A2018200", day).replace("061", "006"))
    code, printed, (line,) = world.predict()
    assert (code, printed) == (0, "2 maps made, 1 there already, 0 failed")
    first = LST_NAME.replace("A2018200", "A2018201")
    assert line == f"lstsr: {first} and 1 more: LST is of collection 061, reflectance of 006"
    (world.maps / "settings.json").unlink()
    assert world.predict("--quicklook")[1] == "0 maps made, 3 there already, 0 failed"
    assert len(list(world.maps.glob("*.png"))) == 3


def test_granules_of_a_content_store_are_read_by_their_links_names(world: World, tmp_path: Path) -> None:
    """As git-annex and DVC lay them out; a file that the store has not fetched is one day's failure."""
    store, linked = tmp_path / "store", tmp_path / "annex"
    store.mkdir()
    linked.mkdir()
    for number, path in enumerate(sorted(world.granules.iterdir())):
        shutil.copy(path, store / f"SHA256E-{number}")
        (linked / path.name).symlink_to(store / f"SHA256E-{number}")
    for product in ("MOD21A1D", "MOD09GQ"):
        (linked / f"{product}.A2018201.h18v04.061.2020001000000.hdf").symlink_to(store / "not fetched")
    annex = replace(world, granules=linked)
    assert "2 pairs of granules, 1 of them done, 1 to do" in annex.predict("--dry-run")[1]
    shutil.rmtree(world.maps)
    code, printed, (line,) = annex.predict()
    assert (code, printed) == (1, "1 maps made, 0 there already, 1 failed") and "cannot be read" in line
    assert world.mean_k(LST_NAME) == pytest.approx(301.3, abs=0.1)


def test_patches_of_a_content_store_are_cut(
    simulated: Path, tmp_path: Path, lstsr: Callable[..., tuple[int, str, str]]
) -> None:
    for path in simulated.iterdir():
        (tmp_path / "annex").mkdir(exist_ok=True)
        (tmp_path / "annex" / path.name).symlink_to(path)
    for product in ("MOD21A1D", "MOD09GQ"):
        (tmp_path / "annex" / f"{product}.A2018201.h18v04.061.2020001000000.hdf").symlink_to(
            tmp_path / "not fetched"
        )
    arguments = [
        "patches",
        "--granules",
        tmp_path / "annex",
        "--coverage",
        "0.2",
        "--split",
        "random",
        "--out",
        tmp_path / "out",
    ]
    assert lstsr(*arguments, "--dry-run")[0] == 0
    for more in ([], ["--workers", "1"]):
        code, printed, errors = lstsr(*arguments, *more)
        assert code == 1 and "LST granules" in printed and "A2018201" in errors and errors.count("\n") == 1


def test_what_stays_unread_is_known_by_more_than_its_time(tmp_path: Path) -> None:
    """A digest on record holds for the file as it was; another content of one size and time is read."""
    path, record = tmp_path / "a.hdf", tmp_path / "digests.json"
    path.write_bytes(b"first")
    digests = Digests(record)
    first = digests.of(path)
    digests.save()
    record.write_text(record.read_text().replace(first, "on record"))
    assert Digests(record).of(path) == "on record"  # the file was not read
    before = path.stat()
    path.write_bytes(b"other")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert Digests(record).of(path) == sha256(path)
    for damaged in ("", "[1]", '{"a.hdf": [1]}', '{"a.hdf": 1}', '{"a.hdf": ["x", 1, 1, "y"]}'):
        record.write_text(damaged)
        assert Digests(record).of(path) == sha256(path)
