"""A function over many granules: what is missing is done, what fails named, the estimate right."""

from __future__ import annotations

import csv
import datetime
import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from lstsr_core.base.errors import InputError
from lstsr_core.maps.batch import Estimate, Job, Outputs, Trial
from lstsr_core.modis.day_pairs import granule_pairs
from lstsr_core.simulation.scenes import simulate
from worlds.dask_processes import DaskProcesses
from worlds.granule_work import Settings, sharpen_granule

REST = "h18v04.061.2020001000000.hdf"
LST = [f"MOD21A1D.A2018{day}.{REST}" for day in (150, 160, 170, 180, 190)]
NDVI = [name.replace("MOD21A1D", "MOD09GQ") for name in LST]


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("simulated")
    days = [datetime.date(2018, 1, 1) + datetime.timedelta(days=day - 1) for day in (150, 160, 170, 180, 190)]
    simulate(directory, days=days, windows=1, pairs=0)
    return directory / "granules"


@pytest.fixture
def granules(simulated: Path, tmp_path: Path) -> Path:
    """Three pairs, an LST granule without reflectance and a reflectance granule without LST."""
    directory = tmp_path / "granules"
    shutil.copytree(simulated, directory)
    (directory / NDVI[3]).unlink()
    (directory / LST[4]).unlink()
    return directory


def job(granules: Path, out: Path, settings: Settings | None = None) -> Job:
    return Job(
        granules=granules,
        pairs=granule_pairs(granules),
        function=sharpen_granule,
        settings=settings or Settings(),
        outputs=Outputs(out, "_250m.tif"),
    )


def map_names(numbers: list[int]) -> list[str]:
    return [f"{Path(LST[number]).stem}_250m.tif" for number in numbers]


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def truncate(path: Path) -> bytes:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return content


def test_a_second_run_does_what_the_first_could_not(
    granules: Path, dask_cluster: DaskProcesses, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "maps"
    content = truncate(granules / NDVI[1])
    done = job(granules, out).run(scheduler=dask_cluster.scheduler_file)
    assert [outcome.name for outcome in done] == LST[:3]  # in order of date, whichever came first
    (failed,) = (outcome for outcome in done if outcome.reason)
    assert failed.name == LST[1]
    assert names(out) == sorted([*map_names([0, 2]), "failures.csv", "settings.json"])
    assert capsys.readouterr().err == f"lstsr: {LST[1]} left out: {failed.reason}\n"
    with (out / "failures.csv").open() as stream:
        assert list(csv.DictReader(stream)) == [{"granule": LST[1], "reason": failed.reason}]
    assert NDVI[1] in failed.reason and "truncated" in failed.reason

    (granules / NDVI[1]).write_bytes(content)
    written = {path: path.stat().st_mtime_ns for path in out.glob("*.tif")}
    done = job(granules, out).run(scheduler=dask_cluster.scheduler_file)
    assert [(outcome.name, outcome.reason) for outcome in done] == [(LST[1], "")]
    assert names(out) == sorted([*map_names([0, 1, 2]), "settings.json"])
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert job(granules, out).run() == []
    assert capsys.readouterr() == ("", "")


def test_workers_get_absolute_paths(granules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights").mkdir()
    relative = job(granules.relative_to(tmp_path), Path("maps"), Settings(weights=Path("weights")))
    items = relative.items(relative.missing(), relative.outputs.directory)
    assert items[LST[0]] == (
        granules / LST[0], granules / NDVI[0], tmp_path / "maps" / map_names([0])[0],
        Settings(weights=tmp_path / "weights"),
    )  # fmt: skip


def test_one_directory_holds_what_one_set_of_settings_made(
    granules: Path, dask_cluster: DaskProcesses, tmp_path: Path
) -> None:
    weights, out = tmp_path / "weights", tmp_path / "maps"
    weights.mkdir()
    (weights / "network.safetensors").write_bytes(b"first")
    settings = Settings(seed=4, weights=weights)
    job(granules, out, settings).run(scheduler=dask_cluster.scheduler_file)
    assert json.loads((out / "settings.json").read_text())["seed"] == 4
    weights.rename(tmp_path / "moved")
    settings = replace(settings, weights=tmp_path / "moved")
    assert job(granules, out, settings).run() == []
    with pytest.raises(InputError, match=f"{out}: what it holds was made with seed 4, now it is 5"):
        job(granules, out, replace(settings, seed=5)).run()
    (tmp_path / "moved" / "network.safetensors").write_bytes(b"second")
    with pytest.raises(InputError, match="made with weights"):
        job(granules, out, settings).run()


def test_what_a_killed_worker_left_is_cleared_away(
    granules: Path, dask_cluster: DaskProcesses, tmp_path: Path
) -> None:
    out = tmp_path / "maps"
    out.mkdir()
    stem = Path(LST[0]).stem
    (out / f".{stem}_250m.4711.part.tif").write_bytes(b"half a map")
    (out / ".other_250m.4711.part.tif").write_bytes(b"somebody else's")
    job(granules, out).run(scheduler=dask_cluster.scheduler_file)
    assert [name for name in names(out) if name.startswith(".")] == [".other_250m.4711.part.tif"]


def test_an_estimate_says_what_will_come(granules: Path, dask_cluster: DaskProcesses, tmp_path: Path) -> None:
    out = tmp_path / "maps"
    truncate(granules / LST[0])  # cannot be tried
    before = names(tmp_path)
    estimate = job(granules, out).estimate(scheduler=dask_cluster.scheduler_file)
    assert names(tmp_path) == before
    assert (estimate.pairs, estimate.to_do, estimate.workers) == (3, 3, 2)
    assert estimate.bytes_in == sum((granules / name).stat().st_size for name in [*LST[:3], *NDVI[:3]])
    assert estimate.trial is not None and estimate.trial.name == LST[1]
    text = str(estimate)
    assert f"{LST[3]}: without MOD09GQ" in text
    assert f"{NDVI[4]}: without LST" in text

    done = job(granules, out).run(scheduler=dask_cluster.scheduler_file)
    assert estimate.trial.bytes_out == (out / map_names([1])[0]).stat().st_size
    assert 0 < estimate.trial.peak_bytes <= max(outcome.peak_bytes for outcome in done)
    assert "3 pairs of granules, 2 of them done, 1 to do" in str(
        job(granules, out).estimate(scheduler=dask_cluster.scheduler_file)
    )


def test_minutes_are_rounds_of_the_workers(tmp_path: Path) -> None:
    estimate = Estimate(
        tmp_path, 365, 361, [], 40_000_000_000, Trial("a.hdf", 30.0, 2_000_000_000, 50_000_000), workers=4
    )
    assert estimate.minutes == pytest.approx(91 * 0.5)
    assert str(estimate).splitlines() == [
        f"{tmp_path}: 365 pairs of granules, 4 of them done, 361 to do",
        "reads 40.00 GB, writes about 18.05 GB",
        "tried on a.hdf: 30.0 s, 2.00 GB of memory, one thread",
        "4 at once: about 8.00 GB of memory, 46 minutes",
    ]


def test_granules_of_which_none_works_are_named(
    granules: Path, dask_cluster: DaskProcesses, tmp_path: Path
) -> None:
    for name in LST[:3]:
        truncate(granules / name)
    estimate = job(granules, tmp_path / "maps").estimate(scheduler=dask_cluster.scheduler_file)
    assert estimate.trial is None
    assert math.isnan(estimate.minutes)
    remarks = str(estimate).splitlines()[1:]
    assert [remark.partition(":")[0] for remark in remarks] == [LST[3], NDVI[4], *LST[:3]]
    assert all("truncated" in remark for remark in remarks[2:])


def test_a_directory_without_a_pair_is_refused(granules: Path, tmp_path: Path) -> None:
    for name in NDVI:
        (granules / name).unlink(missing_ok=True)
    with pytest.raises(
        InputError, match="no LST granule has its MOD09GQ or MYD09GQ granule of the same day and tile"
    ):
        job(granules, tmp_path / "maps").run()


def test_an_output_that_is_no_directory_is_refused(granules: Path, tmp_path: Path) -> None:
    (tmp_path / "maps").write_text("a file")
    with pytest.raises(InputError, match=r"maps.*cannot be written"):
        job(granules, tmp_path / "maps").run()
