"""Fixtures that several test modules share, and the guard against tests that are skipped unnoticed."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from lstsr_core.base.project import PROJECT
from lstsr_core.geo.raster import Raster
from lstsr_core.pairs.pair import Pair, write_pair
from lstsr_core.stages.parameters import Sharpening
from lstsr_core.stages.sharpening import sharpen_pairs
from worlds import pairs, pickles, weights
from worlds.dask_processes import DaskProcesses, dask_processes
from worlds.project_copy import Interrupted, ProjectCopy, SmallRuns, start_small_runs

torch.set_num_threads(1)  # beside other work, two threads that wait for each other take five times as long
settings.register_profile(
    "suite", deadline=None, max_examples=40
)  # a shared machine may stall for longer than any deadline
settings.load_profile("suite")

PAIRS_VARIABLE = "LSTSR_PAIRS"
GRANULES_VARIABLE = "LSTSR_GRANULES"
BOOK_VARIABLE = "LSTSR_BOOK"
ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.txt")

SHARING = {
    "a small run": [
        "stages/test_flow_chart",
        "project/test_notebooks",
        "base/test_fingerprint",
        "test_runner",
    ],
    "a Dask cluster": ["base/test_parallel", "maps/test_batch", "maps/test_jobs"],
    "a small book": ["book/test_build", "book/test_cheat_sheet", "book/test_page_assets", "book/test_reader"],
}
"""Test modules that share a costly fixture of the session, by that fixture."""


class SkipGuard:
    """Fails a run in which a test was skipped that `allowed_skips.txt` does not list."""

    def __init__(self, allowed: list[str]) -> None:
        self.allowed = allowed
        self.unexpected: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._note(report.nodeid)

    def _note(self, node_id: str) -> None:
        if not any(fnmatchcase(node_id, pattern) for pattern in self.allowed):
            self.unexpected.append(node_id)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.unexpected and session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for node_id in self.unexpected:
            terminalreporter.write_line(
                f"SKIP NOT ALLOWED: {node_id} (CI is set; allow it in {ALLOWED_SKIPS.name})", red=True
            )


def read_allowed_skips(path: Path) -> list[str]:
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def pytest_configure(config: pytest.Config) -> None:
    # A plugin object hears of every test; hooks of this file alone would miss the doctests outside tests/.
    if os.environ.get("CI"):
        config.pluginmanager.register(SkipGuard(read_allowed_skips(ALLOWED_SKIPS)))


class ModuleScheduling(LoadScopeScheduling):
    """Gives each worker whole modules, and one worker all modules that share a costly fixture."""

    def _split_scope(self, nodeid: str) -> str:
        module = nodeid.split("::")[0]
        tested = module.removeprefix("tests/").removesuffix(".py")
        return next((fixture for fixture, modules in SHARING.items() if tested in modules), module)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ModuleScheduling:
    return ModuleScheduling(config, log)


@pytest.fixture(scope="session")
def published_pairs() -> Path:
    """Directory of the published pairs and checkpoints; skips where there is none."""
    directory = os.environ.get(PAIRS_VARIABLE)
    if not directory:
        pytest.skip(
            f"{PAIRS_VARIABLE} is unset: it names the directory of the published pairs and checkpoints"
        )
    return Path(directory)


@pytest.fixture(scope="session")
def real_granules() -> Path:
    """Directory of granules that NASA made; skips where there is none."""
    directory = os.environ.get(GRANULES_VARIABLE)
    if not directory:
        pytest.skip(f"{GRANULES_VARIABLE} is unset: it names a directory of granules that NASA made")
    return Path(directory)


@pytest.fixture
def full_disk() -> Callable[[int], AbstractContextManager[None]]:
    """A context in which no file grows beyond a number of bytes, as on a disk that fills up."""

    @contextmanager
    def limit(size: int) -> Iterator[None]:
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
        try:
            yield
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    return limit


@pytest.fixture(scope="session")
def synthetic_truth() -> Raster:
    """The true 250 m LST of a landscape in tile h18v04, in kelvin."""
    return pairs.make_truth()


@pytest.fixture(scope="session")
def synthetic_pair(synthetic_truth: Raster) -> Pair:
    """A pair without noise or bias of the synthetic truth."""
    return pairs.make_pair(synthetic_truth)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, synthetic_pair: Pair) -> Path:
    """A run whose 01_download brought pairs 9 and 10, alike; other results come with a module's tests."""
    run = tmp_path_factory.mktemp("run")
    for name in ("10", "9"):
        write_pair(replace(synthetic_pair, id=name), run / "01_download" / "pairs")
    return run


@pytest.fixture(scope="module")
def sharpened(run: Path) -> Path:
    """The run after 04_sharpening, georeferenced and without weights, which networks miss."""
    values = {"run_directory": str(run), "weights_directory": "none", "protocol": "georeferenced"}
    sharpen_pairs(Sharpening.check(values))
    return run


@pytest.fixture(scope="session")
def synthetic_pair_with_bias(synthetic_pair: Pair) -> Callable[[float], Pair]:
    """The synthetic pair with every ASTER pixel colder by a number of kelvin."""
    return lambda bias_k: replace(
        synthetic_pair, aster=synthetic_pair.aster.with_values(synthetic_pair.aster.values - bias_k)
    )


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of untrained weights for every network."""
    return weights.write_random(tmp_path_factory.mktemp("weights"))


@pytest.fixture(scope="session")
def half_pixel_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of untrained half-pixel networks, which tell the range that they were trained on."""
    return weights.write_half_pixel(tmp_path_factory.mktemp("half-pixel weights"))


@pytest.fixture(scope="session")
def write_published_pickle() -> Callable[..., None]:
    """A function (path, content, coefficients=6, numpy_module=…) that pickles the published layout."""
    return pickles.write_published_pickle


@pytest.fixture(scope="session")
def dask_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaskProcesses]:
    """A scheduler and two workers, as a user starts them, which no test may end."""
    with dask_processes(tmp_path_factory.mktemp("dask"), workers=2) as running:
        yield running


@pytest.fixture(scope="session")
def small_runs(tmp_path_factory: pytest.TempPathFactory) -> SmallRuns:
    """Two copies of the project that run at the same time: one undisturbed, one interrupted."""
    return start_small_runs(tmp_path_factory.mktemp("small runs"))


@pytest.fixture(scope="session")
def undisturbed(small_runs: SmallRuns) -> ProjectCopy:
    """A copy of the project with a finished run, to look at and not to change."""
    assert small_runs.first.returncode == 0, small_runs.first.stderr
    return small_runs.copy


@pytest.fixture(scope="session")
def interrupted(small_runs: SmallRuns) -> Interrupted:
    """A copy whose run was stopped with Ctrl-C, started again, killed and started again."""
    return small_runs.interrupted.result()


@pytest.fixture
def lstsr(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """A function (*arguments) that runs ``lstsr`` here and gives back its exit code, output and errors."""

    from lstsr_core import cli

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cover of a small book, built once; its last notebook's figure stands far below a long text."""
    from lstsr_book.build import build_book  # with Sphinx, which few tests need
    from worlds.book import make_book_run

    run = make_book_run(tmp_path_factory.mktemp("runs") / "sample")
    path = run / "notebooks" / "10_ablation.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"][0]["source"].append("\n\nOne paragraph more." * 120)
    path.write_text(json.dumps(notebook), encoding="utf-8")
    return build_book(run, PROJECT)


@pytest.fixture(scope="session")
def html(request: pytest.FixtureRequest) -> Path:
    """The folder of the book that is read: that of LSTSR_BOOK, otherwise the small one."""
    named = os.environ.get(BOOK_VARIABLE)
    return PROJECT / named if named else request.getfixturevalue("built").parent
