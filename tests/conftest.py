"""Fixtures that several test modules share, and the guard against tests that are skipped unnoticed."""

from __future__ import annotations

import json
import os
import pickle
import resource
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio.warp
import torch
from affine import Affine
from hypothesis import settings
from rasterio.crs import CRS
from xdist.scheduler import LoadScopeScheduling

from lstsr_book.build import build_book
from lstsr_core import cli
from lstsr_core.base.project import PROJECT
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.geo.operators import degrade
from lstsr_core.geo.raster import Raster
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.networks.weights import PUBLISHED_CHECKPOINTS, PUBLISHED_STATISTICS, save_model
from lstsr_core.pairs.pair import Pair, write_pair
from lstsr_core.patches.statistics import Statistics
from lstsr_core.stages.parameters import Sharpening
from lstsr_core.stages.sharpening import sharpen_pairs

torch.set_num_threads(1)  # beside other work, two threads that wait for each other take five times as long
settings.register_profile("suite", deadline=None, max_examples=40)  # a shared machine may stall for longer than any deadline
settings.load_profile("suite")

PAIRS_VARIABLE = "LSTSR_PAIRS"
GRANULES_VARIABLE = "LSTSR_GRANULES"
BOOK_VARIABLE = "LSTSR_BOOK"
ALLOWED_SKIPS = Path(__file__).with_name("allowed_skips.txt")

SHARING = {
    "a small run": ["stages/test_flow_chart", "project/test_notebooks", "base/test_fingerprint", "test_runner"],
    "a small book": ["book/test_build", "book/test_cheat_sheet", "book/test_page_assets", "book/test_reader"],
}
"""Test modules that share a costly fixture of the session, by that fixture."""

UTM_31N = CRS.from_epsg(32631)
ASTER_PIXEL_M = 231.65


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
            terminalreporter.write_line(f"SKIP NOT ALLOWED: {node_id} (CI is set; allow it in {ALLOWED_SKIPS.name})", red=True)


def read_allowed_skips(path: Path) -> list[str]:
    lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def pytest_configure(config: pytest.Config) -> None:
    # A plugin object hears of every test; hooks of this file alone would miss the doctests outside tests/.
    if os.environ.get("CI"):
        config.pluginmanager.register(SkipGuard(read_allowed_skips(ALLOWED_SKIPS)))


class ModuleScheduling(LoadScopeScheduling):
    """Gives each worker whole modules, and all that share a costly fixture to one worker, which makes it once."""

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
        pytest.skip(f"{PAIRS_VARIABLE} is unset: it names the directory of the published pairs and checkpoints")
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


def _fractal(size: int, slope: float, generator: np.random.Generator) -> np.ndarray:
    """Gaussian field of shape (size, size) with amplitude spectrum f^−slope, mean 0 and standard deviation 1."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :])
    frequency[0, 0] = np.inf
    field = np.fft.ifft2(np.fft.fft2(generator.standard_normal((size, size))) * frequency**-slope).real
    return (field - field.mean()) / field.std()


# Coarse pixels: the landscape is one pixel wider than the patches on every side, so that no patch sees its edge.
LANDSCAPE_FIRST_ROW, LANDSCAPE_FIRST_COLUMN, LANDSCAPE_COARSE = 500, 300, 42
PATCH_COARSE = 40
NDVI_DOWN, NDVI_RIGHT = 2, 1


@pytest.fixture(scope="session")
def synthetic_truth() -> Raster:
    """The true 250 m LST of a landscape in tile h18v04, in kelvin."""
    transform = Tile(18, 4).transform(FINE_PIXEL_M) @ Affine.translation(4 * LANDSCAPE_FIRST_COLUMN, 4 * LANDSCAPE_FIRST_ROW)
    field = _fractal(4 * LANDSCAPE_COARSE, 1.8, np.random.default_rng(7))
    return Raster(305.0 + 4.0 * field, transform, SINUSOIDAL)


@pytest.fixture(scope="session")
def synthetic_pair(synthetic_truth: Raster) -> Pair:
    """A pair without noise or bias: LST = D(truth), ASTER = truth on a UTM grid inside a rotated swath.

    NDVI starts 2 fine rows and 1 fine column from the LST's origin, so that aligning drops a row and a column.
    """
    coarse = Tile(18, 4).transform(COARSE_PIXEL_M) @ Affine.translation(LANDSCAPE_FIRST_COLUMN, LANDSCAPE_FIRST_ROW)
    patch = slice(1, 1 + PATCH_COARSE)
    lst = Raster(degrade(synthetic_truth.values), coarse, SINUSOIDAL).crop(patch, patch)

    texture = _fractal(4 * LANDSCAPE_COARSE, 1.2, np.random.default_rng(8))
    ndvi_values = np.clip(0.6 - 0.03 * (synthetic_truth.values - 305.0) + 0.05 * texture, -1.0, 1.0)
    first_row, first_column = 4 + NDVI_DOWN, 4 + NDVI_RIGHT
    ndvi = synthetic_truth.with_values(ndvi_values).crop(
        slice(first_row, first_row + 4 * PATCH_COARSE), slice(first_column, first_column + 4 * PATCH_COARSE)
    )
    return Pair("synthetic", lst, ndvi, _aster_swath(synthetic_truth))


def _aster_swath(truth: Raster, size: int = 200, half_side: float = 55.0, degrees: float = 12.0) -> Raster:
    # The grid is wider than the patches, whose corners the published protocol looks for.
    centre_x, centre_y = (truth.left_m + truth.right_m) / 2, (truth.top_m + truth.bottom_m) / 2
    (x,), (y,) = rasterio.warp.transform(SINUSOIDAL, UTM_31N, [centre_x], [centre_y])
    half_m = size / 2 * ASTER_PIXEL_M
    grid = Raster(np.zeros((size, size)), Affine(ASTER_PIXEL_M, 0.0, x - half_m, 0.0, -ASTER_PIXEL_M, y + half_m), UTM_31N)
    aster_k = truth.warp_onto(grid).values

    row, column = np.mgrid[:size, :size] - (size - 1) / 2
    cosine, sine = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    from_centre = np.maximum(abs(column * cosine + row * sine), abs(row * cosine - column * sine))
    edge = (from_centre > half_side - 1.0) & (from_centre <= half_side)
    aster_k[edge] *= 0.6  # mixed with the zeros outside, as ASTER's reprojected swath is
    aster_k[from_centre > half_side] = np.nan
    return grid.with_values(aster_k)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, synthetic_pair: Pair) -> Path:
    """A run whose 01_download brought two pairs, 9 and 10, alike; other notebooks' results come and go with a module's tests."""
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
    return lambda bias_k: replace(synthetic_pair, aster=synthetic_pair.aster.with_values(synthetic_pair.aster.values - bias_k))


@pytest.fixture(scope="session")
def random_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of untrained weights for every network."""
    directory = tmp_path_factory.mktemp("weights")
    torch.manual_seed(9)
    for name in PUBLISHED_CHECKPOINTS:
        save_model(SharpeningUNet(), PUBLISHED_STATISTICS, directory / f"{name}.safetensors")
    return directory


@pytest.fixture(scope="session")
def half_pixel_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of untrained half-pixel networks, which tell the range that they were trained on."""
    directory = tmp_path_factory.mktemp("half-pixel weights")
    statistics = Statistics(303.0, 8.0, 0.6, 0.17, lst_min_k=280.0, lst_max_k=330.0, ndvi_min=-0.2, ndvi_max=1.0)
    torch.manual_seed(5)
    for name in PUBLISHED_CHECKPOINTS:
        save_model(SharpeningUNet("half-pixel"), statistics, directory / f"{name}.safetensors", {"git_revision": "abc123"})
    return directory


class _PublishedPickler(pickle.Pickler):
    """Names numpy's array builder as numpy 1 did."""

    def __init__(self, *arguments: Any, reconstruct: Callable[..., Any], **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._reconstruct = reconstruct

    def reducer_override(self, obj: object) -> Any:
        if type(obj) is np.ndarray:
            _, arguments, state = obj.__reduce__()
            return self._reconstruct, arguments, state
        return NotImplemented


@pytest.fixture
def write_published_pickle(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function (path, content, coefficients=6, numpy_module=…) that pickles a dictionary in the published layout.

    ``transform affine SR`` and ``CRS`` are added: an ``affine.Affine`` of affine 2, a tuple of six numbers (nine in its older
    versions), and a ``rasterio.crs.CRS``.
    """

    def write(path: Path, content: dict[str, Any], coefficients: int = 6, numpy_module: str = "numpy.core.multiarray") -> None:
        class AffineOfAffine2(tuple):
            __slots__ = ()

            def __new__(cls, *numbers: float) -> AffineOfAffine2:
                return super().__new__(cls, numbers)

            def __getnewargs__(self) -> tuple[float, ...]:
                return tuple(self)

        AffineOfAffine2.__module__, AffineOfAffine2.__qualname__ = "affine", "Affine"

        def _reconstruct() -> None: ...

        _reconstruct.__module__, _reconstruct.__qualname__ = numpy_module, "_reconstruct"
        affine_2, numpy_1 = types.ModuleType("affine"), types.ModuleType(numpy_module)
        affine_2.Affine, numpy_1._reconstruct = AffineOfAffine2, _reconstruct  # type: ignore[attr-defined]
        numbers = (FINE_PIXEL_M, 0.0, 0.0, 0.0, -FINE_PIXEL_M, 5559752.598333, 0.0, 0.0, 1.0)[:coefficients]
        layout = {**content, "transform affine SR": AffineOfAffine2(*numbers), "CRS": CRS.from_wkt(SINUSOIDAL.to_wkt())}
        with monkeypatch.context() as patch, path.open("wb") as stream:
            patch.setitem(sys.modules, "affine", affine_2)
            patch.setitem(sys.modules, numpy_module, numpy_1)
            _PublishedPickler(stream, protocol=4, reconstruct=_reconstruct).dump(layout)

    return write


@pytest.fixture
def lstsr(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """A function (*arguments) that runs ``lstsr`` here and gives back its exit code, output and errors."""

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = cli.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cover of a small book, built once for all tests. Its last notebook shows its figure far below a long text."""
    from tests.book.test_build import make_book_run

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
