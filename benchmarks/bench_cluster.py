"""Thirty granules behind a Dask scheduler on loopback, with one
worker and with two, each a process of one thread.

Since two processes gain no more than the computer's other work leaves them, the same granules are done
without Dask too, in one plain process and in two. All four take turns, ten granules at a time, so that they
meet the same conditions. Beside elapsed seconds stand the processor's: those of the busier of two processes
are what the work would take on a computer that is free.
"""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import distributed
import psutil
import pytest
import torch
from bench_cluster_work import items_of, sharpen_granule
from pytest_benchmark.fixture import BenchmarkFixture

from lstsr_core.base.parallel import run_all
from lstsr_core.base.project import PROJECT
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.networks.weights import PUBLISHED_STATISTICS, save_model
from lstsr_core.simulation.scenes import simulate

GRANULES, ROUND = 30, 10
WINDOWS = 2
"""Side of a granule in windows of 64×64 coarse pixels; a tile has 18."""
LOCAL = ["--host", "127.0.0.1", "--no-dashboard"]
ENVIRONMENT = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONPATH": os.pathsep.join([str(PROJECT), str(Path(__file__).parent)]),
}


@dataclass(frozen=True)
class Inputs:
    granules: Path
    weights: Path
    out: Path


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Inputs:
    directory = tmp_path_factory.mktemp("inputs")
    days = [datetime.date(2018, 5, 1) + datetime.timedelta(days=index) for index in range(GRANULES)]
    simulate(directory, days=days, windows=WINDOWS, pairs=0)
    torch.manual_seed(0)
    save_model(SharpeningUNet(), PUBLISHED_STATISTICS, directory / "weights" / "sif-cnn-sr1.safetensors")
    (directory / "out").mkdir()
    return Inputs(directory / "granules", directory / "weights", directory / "out")


@dataclass(frozen=True)
class Rival:
    """One way to do granules: a function of a part of them, and the processes that work."""

    run: Callable[[slice], None]
    processes: list[subprocess.Popen[Any]]

    def processor_seconds(self) -> list[float]:
        return [_processor_seconds(psutil.Process(process.pid)) for process in self.processes]


def _processor_seconds(process: psutil.Process) -> float:
    times = [each.cpu_times() for each in (process, *process.children(recursive=True))]
    return sum(time.user + time.system for time in times)


@contextmanager
def behind_a_scheduler(inputs: Inputs, workers: int, directory: Path) -> Iterator[Rival]:
    directory.mkdir()
    dask, file = Path(sys.executable).with_name("dask"), directory / "scheduler.json"
    commands = [["scheduler", *LOCAL, "--port", "0", "--scheduler-file", file]]
    commands += [
        ["worker", *LOCAL, "--nthreads", "1", "--local-directory", directory, "--scheduler-file", file]
    ] * workers
    processes = []
    with ExitStack() as stack:
        for command in commands:
            process = subprocess.Popen(
                [sys.executable, dask, *command], env=ENVIRONMENT, stderr=subprocess.DEVNULL
            )
            processes.append(stack.enter_context(process))
            stack.callback(process.terminate)
        with distributed.Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(workers)

        def run(part: slice) -> None:
            items = dict(list(items_of(inputs.granules, inputs.out, inputs.weights).items())[part])
            assert not any(outcome.reason for outcome in run_all(sharpen_granule, items, scheduler=str(file)))

        yield Rival(run, processes[1:])


@contextmanager
def in_plain_processes(inputs: Inputs, count: int) -> Iterator[Rival]:
    with ExitStack() as stack:
        command = [sys.executable, "-m", "bench_cluster_work", inputs.granules, inputs.out, inputs.weights]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        processes = [
            stack.enter_context(subprocess.Popen(command, env=ENVIRONMENT, **pipes)) for _ in range(count)
        ]

        def run(part: slice) -> None:
            for index, process in enumerate(processes):
                process.stdin.write(f"{part.start + index} {part.stop} {count}\n")
                process.stdin.flush()
            assert [process.stdout.readline() for process in processes] == ["done\n"] * count

        yield Rival(run, processes)


def test_two_workers_against_one(benchmark: BenchmarkFixture, inputs: Inputs, tmp_path: Path) -> None:
    with ExitStack() as stack:
        rivals = {
            "one worker": stack.enter_context(behind_a_scheduler(inputs, 1, tmp_path / "one")),
            "two workers": stack.enter_context(behind_a_scheduler(inputs, 2, tmp_path / "two")),
            "one plain process": stack.enter_context(in_plain_processes(inputs, 1)),
            "two plain processes": stack.enter_context(in_plain_processes(inputs, 2)),
        }
        for rival in rivals.values():
            rival.run(slice(0, 6))  # imports and the network's loading are not what is compared
        elapsed, busy = dict.fromkeys(rivals, 0.0), dict.fromkeys(rivals, 0.0)

        def take_turns() -> None:
            for first in range(0, GRANULES, ROUND):
                for name, rival in rivals.items():
                    before, start = rival.processor_seconds(), time.perf_counter()
                    rival.run(slice(first, first + ROUND))
                    elapsed[name] += time.perf_counter() - start
                    busy[name] += max(
                        after - was for after, was in zip(rival.processor_seconds(), before, strict=True)
                    )

        benchmark.pedantic(take_turns, rounds=1)
    assert len(list(inputs.out.glob("*.tif"))) == GRANULES
    benchmark.extra_info.update(elapsed_s=elapsed, processor_s=busy, load=os.getloadavg()[0])
    print(
        f"\n{'':20} elapsed s  processor s of the busier one; load {os.getloadavg()[0]:.1f} on"
        f" {os.cpu_count()} processors"
    )
    for name in rivals:
        print(f"{name:20} {elapsed[name]:9.1f} {busy[name]:10.1f}")
    for kind in ("worker", "plain process"):
        one, two = f"one {kind}", f"two {kind}s" if kind == "worker" else f"two {kind}es"
        print(
            f"two instead of one   {elapsed[one] / elapsed[two]:9.2f} {busy[one] / busy[two]:10.2f}  ({kind})"
        )
