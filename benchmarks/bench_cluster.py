"""Thirty granules behind a Dask scheduler on loopback, with one worker and with two, each a process of one thread.

Since two processes gain no more than the computer's other work leaves them, the same granules are done without Dask too, in one
plain process and in two.
"""

from __future__ import annotations

import datetime
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import distributed
import pytest
import torch
from bench_cluster_work import items_of, sharpen_granule
from pytest_benchmark.fixture import BenchmarkFixture

from lstsr_core.cluster import run_all
from lstsr_core.networks import PUBLISHED_STATISTICS, SharpeningUNet, save_model
from lstsr_core.project import PROJECT
from lstsr_core.simulator import simulate

GRANULES = 30
WINDOWS = 2
"""Side of a granule in windows of 64×64 coarse pixels; a tile has 18."""
GROUP = "30 granules of 128×128 coarse pixels, SIF-CNN-SR1"
LOCAL = ["--host", "127.0.0.1", "--no-dashboard"]
ENVIRONMENT = {
    **os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(PROJECT), str(Path(__file__).parent)]),
}  # fmt: skip


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


@contextmanager
def behind_a_scheduler(inputs: Inputs, workers: int, directory: Path) -> Iterator[Callable[[], None]]:
    dask, file = Path(sys.executable).with_name("dask"), directory / "scheduler.json"
    commands = [["scheduler", *LOCAL, "--port", "0", "--scheduler-file", file]]
    commands += [["worker", *LOCAL, "--nthreads", "1", "--local-directory", directory, "--scheduler-file", file]] * workers
    with ExitStack() as stack:
        for command in commands:
            process = stack.enter_context(
                subprocess.Popen([sys.executable, dask, *command], env=ENVIRONMENT, stderr=subprocess.DEVNULL)
            )
            stack.callback(process.terminate)
        with distributed.Client(scheduler_file=str(file), set_as_default=False) as client:
            client.wait_for_workers(workers)
        items = items_of(inputs.granules, inputs.out, inputs.weights)

        def run() -> None:
            assert not any(outcome.reason for outcome in run_all(sharpen_granule, items, scheduler=str(file)))

        # Imports and the network's loading are not what is compared.
        warm = dict(list(items.items())[: 4 * workers])
        assert not any(outcome.reason for outcome in run_all(sharpen_granule, warm, scheduler=str(file)))
        yield run


@contextmanager
def in_plain_processes(inputs: Inputs, count: int) -> Iterator[Callable[[], None]]:
    with ExitStack() as stack:
        processes = []
        for first in range(count):
            work = ["bench_cluster_work", inputs.granules, inputs.out, inputs.weights, str(first), str(count)]
            pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
            processes.append(stack.enter_context(subprocess.Popen([sys.executable, "-m", *work], env=ENVIRONMENT, **pipes)))
        for process in processes:
            assert process.stdout is not None and process.stdout.readline() == "ready\n"

        def run() -> None:
            for process in processes:
                assert process.stdin is not None
                process.stdin.write("go\n")
                process.stdin.flush()
            assert [process.wait() for process in processes] == [0] * count

        yield run


@pytest.mark.benchmark(group=GROUP)
@pytest.mark.parametrize("workers", [1, 2])
def test_behind_a_scheduler(benchmark: BenchmarkFixture, inputs: Inputs, tmp_path: Path, workers: int) -> None:
    with behind_a_scheduler(inputs, workers, tmp_path) as run:
        benchmark.extra_info["load"] = os.getloadavg()[0]
        benchmark.pedantic(run, rounds=1)
    assert len(list(inputs.out.glob("*.tif"))) == GRANULES


@pytest.mark.benchmark(group=GROUP)
@pytest.mark.parametrize("count", [1, 2])
def test_in_plain_processes(benchmark: BenchmarkFixture, inputs: Inputs, count: int) -> None:
    with in_plain_processes(inputs, count) as run:
        benchmark.pedantic(run, rounds=1)
