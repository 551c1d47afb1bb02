"""Maps and patches of many granules: what several processes make is what one makes, and one bad granule stops nothing."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import rasterio

from lstsr_core.granule_jobs import map_job
from lstsr_core.granule_pairs import granule_pairs
from lstsr_core.granule_patches import PatchSettings, update
from lstsr_core.prediction import Request, predict_granule
from lstsr_core.simulator import simulate

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
    made = {path: path.stat().st_mtime_ns for path in out.glob("*.tif")}
    shutil.copy2(simulated / pairs[1].lst.name, pairs[1].lst)
    code, printed, _ = lstsr(*command)
    assert (code, printed) == (0, f"{out}: 1 maps made, 2 there already, 0 failed\n")
    assert {path: path.stat().st_mtime_ns for path in made} == made
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


def test_a_dry_run_makes_nothing(simulated: Path, tmp_path: Path, lstsr: Callable[..., tuple[int, str, str]]) -> None:
    out = tmp_path / "maps"
    code, printed, _ = lstsr(
        "predict", "--granules", simulated, "--method", "tsharp", "--out", out, "--workers", "1", "--dry-run"
    )
    assert code == 0 and printed.startswith(f"{simulated}: 3 pairs of granules, 0 of them done, 3 to do")
    assert not list(tmp_path.rglob("*.tif"))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--out", "x.tif"], "expected --lst with --reflectance, or --granules"),
        (["--lst", "a.hdf", "--out", "x.tif"], "expected --lst with --reflectance, or --granules"),
        (
            ["--lst", "a", "--reflectance", "b", "--granules", "d", "--out", "x"],
            "expected --lst with --reflectance, or --granules",
        ),
        (["--lst", "a", "--reflectance", "b", "--workers", "2", "--out", "x"], "--workers and --scheduler are for many maps"),
        (["--granules", "nowhere", "--method", "tsharp", "--out", "x"], "nowhere: no such directory"),
        (["--granules", "nowhere", "--threads", "4", "--out", "x"], "--threads is 4: with --granules each process has one"),
    ],
)
def test_commands_that_make_no_sense_are_refused(
    lstsr: Callable[..., tuple[int, str, str]], arguments: list[str], told: str
) -> None:
    code, _, errors = lstsr("predict", *arguments)
    assert code == 1 and told in errors and errors.count("\n") == 1
