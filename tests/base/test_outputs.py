"""No command replaces what it reads: whichever input its output names, and however it is spelled."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from lstsr_core.base.project import PROJECT

Command = Callable[..., tuple[int, str, str]]

REST = "A2018200.h18v04.061.2020001000000.hdf"
LST, REFLECTANCE, WATER = (
    f"MOD21A1D.{REST}",
    f"MOD09GQ.{REST}",
    "MOD44W.A2018001.h18v04.061.2020001000000.hdf",
)
GRANULES = {"lst": LST, "reflectance": REFLECTANCE, "water": WATER, "shape": "area.geojson"}
MAP = [
    "predict",
    "--method",
    "tsharp",
    *(word for option, name in GRANULES.items() for word in (f"--{option}", f"in/{name}")),
]
MAPS = [
    "predict",
    "--granules",
    "in",
    "--method",
    "tsharp",
    "--shape",
    "in/area.geojson",
    "--water",
    f"in/{WATER}",
]
EVALUATE = ["evaluate", "--pairs", "in/pairs", "--weights", "in/folds", "--methods", "bicubic"]
REPORT = [
    "report",
    "--folds",
    "in/folds",
    "--weights",
    "in/weights",
    "--pairs",
    "in/pairs",
    "--published",
    "in/published",
]
TRAIN = ["train", "--model", "sif-cnn-sr1", "--settings", "in/settings.yaml"]
WEIGHTS = {
    "folds.csv": "in/folds/folds.csv",
    "fold": "in/folds/fold0/sif-cnn-sr1.safetensors",
    "whole": "in/weights/sif-cnn-sr1.safetensors",
    "published": "in/published/modelB_x/modelB_state_dict.pt",
}
PAIR = ("in/pairs/9_aster_250m.tif", "in/pairs/9_data_dict.pkl")
TABLES = ("settings.json", "failures.csv", "digests.json", "nothing_to_map.csv")

CASES = [
    *((MAP, "", f"in/{name}") for name in GRANULES.values()),
    ([*MAP, "--weights", "in/weights"], "", WEIGHTS["whole"]),
    *(([*MAP, "--quicklook"], "map.png", f"in/{name}") for name in GRANULES.values()),
    *((MAPS, name, f"in/{GRANULES['shape']}") for name in TABLES),
    *((EVALUATE, "", path) for path in (*PAIR, WEIGHTS["folds.csv"], WEIGHTS["fold"])),
    *((REPORT, "metrics.csv", path) for path in (PAIR[0], *WEIGHTS.values())),
    *((REPORT, "curves.csv", path) for path in (PAIR[1], "in/folds/fold0/sif-cnn-sr1.curves.csv")),
    ([*TRAIN, "--pairs", "in/pairs"], "sif-cnn-sr1.curves.csv", "in/settings.yaml"),
    ([*TRAIN, "--pairs", "in/pairs"], "folds.csv", PAIR[1]),
    ([*TRAIN, "--patches", "in/patches"], "ndvi.npy", "in/patches/patches/a_lst_1km.tif"),
    (["patches", "--granules", "in"], "granules.csv", f"in/{LST}"),
    (["patches", "--granules", "in", "--water", f"in/{WATER}"], "statistics.json", f"in/{WATER}"),
]  # fmt: skip
"""A command, the name of an output below the directory that --out names
(empty: --out itself), and the input that it is."""

SPELLINGS: dict[str, Callable[[Path, Path], None]] = {
    "symbolic link": lambda path, target: path.symlink_to(target.resolve()),
    "hard link": lambda path, target: path.hardlink_to(target),
}


@pytest.fixture
def inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """One of every input below ``in``: their names decide, since nothing is read before the refusal."""
    monkeypatch.chdir(tmp_path)
    names = [
        *(f"in/{name}" for name in GRANULES.values()), *WEIGHTS.values(), *PAIR,
        "in/folds/fold0/sif-cnn-sr1.curves.csv", "in/patches/patches/a_lst_1km.tif",
    ]  # fmt: skip
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"content of {name}")
    shutil.copy(PROJECT / "data/training/sif-cnn-sr1/pairs.yaml", tmp_path / "in/settings.yaml")
    return tmp_path / "in"


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(directory.rglob("*")) if path.is_file()}


def assert_refused(lstsr: Command, inputs: Path, *arguments: object) -> None:
    before = contents(inputs)
    code, printed, errors = lstsr(*arguments)
    assert (code, printed, errors.count("\n")) == (1, "", 1), errors
    assert "is the input" in errors and "give --out another name" in errors
    assert contents(inputs) == before


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(("command", "name", "target"), CASES)
def test_an_output_that_is_an_input_is_refused(
    lstsr: Command, inputs: Path, tmp_path: Path, command: list[str], name: str, target: str, spelling: str
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    SPELLINGS[spelling](out / (name or "linked"), tmp_path / target)
    named = out / "linked" if not name else out / "map.tif" if name == "map.png" else out
    assert_refused(lstsr, inputs, *command, "--out", named)
    if command[0] in ("predict", "patches"):
        assert_refused(lstsr, inputs, *command, "--out", named, "--dry-run")


@pytest.mark.parametrize(("command", "name", "target"), [case for case in CASES if not case[1]])
def test_an_input_by_any_path_is_refused(
    lstsr: Command, inputs: Path, command: list[str], name: str, target: str
) -> None:
    Path("again").symlink_to("in")
    for spelled in (
        target,
        f"in/../{target}",
        Path(target).absolute(),
        f"again/{target.removeprefix('in/')}",
    ):
        assert_refused(lstsr, inputs, *command, "--out", spelled)


def test_a_file_of_methods_is_an_input(lstsr: Command, inputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (inputs / "my_method.py").write_text("# a method")
    monkeypatch.setenv("LSTSR_METHODS", str(inputs / "my_method.py"))
    assert_refused(lstsr, inputs, *EVALUATE, "--out", "in/my_method.py")


@pytest.mark.parametrize("name", ["map.png", "map.PNG"])
@pytest.mark.parametrize("more", [[], ["--dry-run"]])
def test_a_picture_does_not_replace_its_map(lstsr: Command, inputs: Path, name: str, more: list[str]) -> None:
    code, _, errors = lstsr(*MAP, "--quicklook", "--out", name, *more)
    assert (code, errors.count("\n")) == (1, 1)
    assert f"{name}: is the quicklook's own name" in errors and ".tif" in errors


def test_an_earlier_output_among_the_inputs_is_written_again(lstsr: Command, inputs: Path) -> None:
    """A table in the directory of the pairs or the weights is no input."""
    for name in ("in/pairs/metrics.csv", "in/folds/metrics.csv"):
        Path(name).write_text("an earlier table")
        _, _, errors = lstsr(*EVALUATE, "--out", name)
        assert "is the input" not in errors
