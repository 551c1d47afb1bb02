"""Pieces of work on Dask: none is lost, failures stay apart, outputs are those of a plain loop."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from lstsr_core.base import parallel as cluster
from lstsr_core.base.errors import InputError
from lstsr_core.base.parallel import Outcome, run_all, worker_count
from lstsr_core.base.project import PROJECT
from lstsr_core.modis.day_pairs import granule_pairs
from lstsr_core.simulation.scenes import simulate
from worlds.dask_processes import DaskProcesses, dask_processes, kill
from worlds.granule_work import Settings, fail_in_june_die_in_july, sharpen_granule, sharpen_slowly
from worlds.soak import short_and_long

DAYS = [datetime.date(2018, 6, 1) + datetime.timedelta(days=5 * index) for index in range(12)]
JUNE, JULY = (
    f"MOD21A1D.A2018{day}.h18v04.061.2020001000000.hdf" for day in (166, 196)
)  # 15 June and 15 July
LISTENING = "LISTEN"


@pytest.fixture(scope="module")
def granules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("simulated")
    days = [*DAYS, datetime.date(2018, 6, 15), datetime.date(2018, 7, 15)]
    simulate(directory, days=days, windows=1, pairs=0)
    return directory / "granules"


def items_of(granules: Path, out: Path, settings: Settings | None = None) -> dict[str, tuple[Any, ...]]:
    settings = settings or Settings()
    return {
        pair.lst.name: (pair.lst, pair.reflectance, out / f"{pair.lst.stem}.tif", settings)
        for pair in granule_pairs(granules)
    }


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def in_a_plain_loop(items: dict[str, tuple[Any, ...]]) -> None:
    for arguments in items.values():
        sharpen_granule(*arguments)


def by_name(outcomes: list[Outcome]) -> dict[str, Outcome]:
    assert len({outcome.name for outcome in outcomes}) == len(outcomes)
    return {outcome.name: outcome for outcome in outcomes}


def test_each_failure_is_its_own(granules: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    damaged = tmp_path / "granules"
    shutil.copytree(granules, damaged)
    first = sorted(damaged.glob("MOD21A1D*"))[0]
    first.write_bytes(first.read_bytes()[: first.stat().st_size // 2])
    items = items_of(damaged, tmp_path / "out")
    outcomes = by_name(list(run_all(fail_in_june_die_in_july, items, workers=2)))
    assert outcomes.keys() == items.keys()
    failed = {name: outcome.reason for name, outcome in outcomes.items() if outcome.reason}
    assert failed.keys() == {first.name, JUNE, JULY}
    assert str(first) in failed[first.name] and "truncated" in failed[first.name]
    assert failed[JUNE].startswith(
        "ZeroDivisionError: a fault of the code (unexpected, granule_work.py line "
    )
    assert "worker process died" in failed[JULY]
    good = items.keys() - failed.keys()
    assert {outcomes[name].result for name in good} == {1}  # thread
    assert all(outcomes[name].seconds > 0 and outcomes[name].peak_bytes > 50e6 for name in good)
    expected = {name: items_of(granules, tmp_path / "plain")[name] for name in good}
    in_a_plain_loop(expected)
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")
    assert capfd.readouterr() == ("", "")


def test_ports_of_this_machines_workers_are_closed_to_others(granules: Path, tmp_path: Path) -> None:
    open_before = {
        connection.laddr
        for connection in psutil.Process().net_connections()
        if connection.status == LISTENING
    }
    with closing(run_all(sharpen_granule, items_of(granules, tmp_path), workers=1)) as outcomes:
        next(outcomes)
        ports = set()
        for process in [psutil.Process(), *psutil.Process().children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):  # one that only helped another to start
                ports |= {
                    connection.laddr
                    for connection in process.net_connections()
                    if connection.status == LISTENING
                }
        ports -= open_before
    assert len(ports) >= 2
    assert {port.ip for port in ports} == {"127.0.0.1"}
    assert 8787 not in {port.port for port in ports}  # Dask's dashboard


STOPPED = """
import time
from contextlib import closing
from lstsr_core.base.parallel import run_all
if __name__ == "__main__":
    try:
        naps = {str(index): (0.2 if index < 2 else 60.0,) for index in range(9)}
        with closing(run_all(time.sleep, naps, workers=2)) as outcomes:
            for outcome in outcomes:
                print(outcome.name, outcome.reason, flush=True)
    except KeyboardInterrupt:
        print("stopped")
"""


@pytest.mark.parametrize("moment", ["starting", "working"])
def test_ctrl_c_stops_at_once_and_leaves_nothing(tmp_path: Path, moment: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(STOPPED)
    process = subprocess.Popen(
        [sys.executable, script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        # a shell's background job ignores it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    assert process.stdout is not None
    if moment == "working":
        process.stdout.readline()
    else:
        deadline = time.monotonic() + 60
        while not psutil.Process(process.pid).children() and time.monotonic() < deadline:
            time.sleep(0.02)
    family = psutil.Process(process.pid).children(recursive=True)
    assert family
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the workers too
    out, err = process.communicate(timeout=40)
    assert err == ""
    assert out.endswith("stopped\n")
    assert psutil.wait_procs(family, timeout=10)[1] == []


def test_workers_behind_a_scheduler_make_what_a_loop_makes(
    granules: Path, dask_cluster: DaskProcesses, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    items = items_of(granules, tmp_path / "out", Settings("atprk"))
    outcomes = by_name(
        list(
            run_all(sharpen_granule, items, scheduler=dask_cluster.scheduler_file, files=[granules, tmp_path])
        )
    )
    assert {name: outcome.reason for name, outcome in outcomes.items()} == dict.fromkeys(items, "")
    in_a_plain_loop(items_of(granules, tmp_path / "plain", Settings("atprk")))
    assert contents(tmp_path / "out") == contents(tmp_path / "plain")
    assert worker_count(dask_cluster.scheduler_file, None) == 2
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kills", short_and_long(1, 6))
def test_workers_that_are_killed_lose_nothing(granules: Path, tmp_path: Path, kills: int) -> None:
    items = items_of(granules, tmp_path / "out", Settings())
    outcomes = []
    with dask_processes(tmp_path, workers=2) as running:
        for outcome in run_all(sharpen_slowly, items, scheduler=running.scheduler_file):
            outcomes.append(outcome)
            if len(outcomes) % 2 == 0 and len(outcomes) <= 2 * kills:
                kill(running.workers[-2])
                running.start_worker()
    assert {name: outcome.reason for name, outcome in by_name(outcomes).items()} == dict.fromkeys(items, "")
    in_a_plain_loop(items_of(granules, tmp_path / "plain", Settings()))
    outputs = {name: content for name, content in contents(tmp_path / "out").items() if ".part" not in name}
    assert outputs == contents(tmp_path / "plain")


def test_a_scheduler_that_goes_away_is_one_error(granules: Path, tmp_path: Path) -> None:
    with dask_processes(tmp_path, workers=1) as running:
        outcomes = run_all(time.sleep, {"short": (0.1,), "long": (60.0,)}, scheduler=running.scheduler_file)
        assert next(outcomes).name == "short"
        kill(running.scheduler)
        with pytest.raises(InputError, match=r"tcp://127\.0\.0\.1:[0-9]+: the scheduler went away"):
            next(outcomes)


def test_what_workers_do_not_see_is_named(dask_cluster: DaskProcesses, tmp_path: Path) -> None:
    missing = tmp_path / "not mounted" / "granule.hdf"
    with pytest.raises(
        InputError, match=r"worker tcp://127\.0\.0\.1:[0-9]+ does not see .*not mounted as it is here"
    ):
        list(run_all(time.sleep, {"one": (0.1,)}, scheduler=dask_cluster.scheduler_file, files=[missing]))


@pytest.mark.parametrize("package", ["older", "none"])
def test_workers_with_another_package_are_refused(tmp_path: Path, package: str) -> None:
    theirs = tmp_path / "modules" / "lstsr_core"
    if package == "older":
        shutil.copytree(PROJECT / "lstsr_core", theirs)
        with (theirs / "grid.py").open("a") as module:
            module.write("SCALE = 5\n")
        expected = (
            r"worker tcp://127\.0\.0\.1:[0-9]+ has lstsr .* \(modules [0-9a-f]{12}\), here it is .* \(modules"
            r" [0-9a-f]{12}\)"
        )
    else:
        theirs.mkdir(parents=True)
        (theirs / "__init__.py").write_text("raise ImportError('there is no lstsr_core')")
        expected = r"worker tcp://127\.0\.0\.1:[0-9]+ does not run this package .*there is no lstsr_core"
    with dask_processes(tmp_path, workers=0) as running:
        running.start_worker([theirs.parent])
        running.wait_for_workers(1)
        with pytest.raises(InputError, match=expected):
            list(run_all(time.sleep, {"one": (0.1,)}, scheduler=running.scheduler_file))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "--workers is 0; expected 1 or more"),
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:8786"}, "give --scheduler or --workers, not both"),
        ({"scheduler": "127.0.0.1:8786"}, "'127.0.0.1:8786' is no scheduler; expected the address"),
        ({"scheduler": "tcp://127.0.0.1"}, "'tcp://127.0.0.1' is no scheduler"),
        ({"scheduler": __file__}, "not a file that 'dask scheduler --scheduler-file' wrote"),
        ({"scheduler": "tcp://127.0.0.1:1"}, "no Dask scheduler answers at tcp://127.0.0.1:1"),
    ],
)
def test_unusable_options_are_refused(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster, "ANSWER_TIMEOUT_S", 1)
    with pytest.raises(InputError, match=message):
        list(run_all(time.sleep, {"one": (0.1,)}, **options))


def test_nothing_to_do_starts_nothing() -> None:
    assert list(run_all(time.sleep, {})) == []


def test_short_memory_means_fewer_workers() -> None:
    processors = worker_count(None, None)
    memory = psutil.virtual_memory().total
    assert processors == len(os.sched_getaffinity(0))
    assert worker_count(None, None, memory_bytes=memory) == 1
    assert worker_count(None, None, memory_bytes=1) == processors
    assert worker_count(None, 7, memory_bytes=memory) == 7
