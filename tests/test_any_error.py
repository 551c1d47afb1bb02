"""Whatever stops a command is one line in any terminal, and its exit code says of what kind."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lstsr_core import cli
from lstsr_core.base.project import PROJECT

Lstsr = Callable[..., tuple[int, str, str]]

GRANULE = "MOD21A1D.A2019200.h18v04.061.2020358154430.hdf"
REFLECTANCE = "MOD09GQ.A2019200.h18v04.061.2020358154430.hdf"
SHAPE = '{"type": "Polygon", "coordinates": [[[3, 43], [4, 43], [3, 44]]]}'

ODD_PLACES = ["missing", "dangling", "loop", "file", "/dev/null", "file/below", "x" * 300, "d\udcff"]
INPUTS = {
    "card": ["card", "@"],
    "verify": ["verify", "@"],
    "train --settings": [
        "train",
        "--model",
        "sc-unet",
        "--pairs",
        "directory",
        "--settings",
        "@",
        "--out",
        "out",
    ],
    "train --pairs": ["train", "--pairs", "@", "--out", "out"],
    "train --patches": ["train", "--patches", "@", "--out", "out"],
    "report --folds": [
        "report",
        "--folds",
        "@",
        "--weights",
        "directory",
        "--pairs",
        "directory",
        "--out",
        "out",
    ],
    "patches --granules": ["patches", "--granules", "@", "--out", "out"],
    "evaluate --pairs": ["evaluate", "--pairs", "@", "--out", "out.csv"],
    "evaluate --weights": ["evaluate", "--pairs", "directory", "--weights", "@", "--out", "out.csv"],
    "evaluate --lpips-weights": [
        "evaluate",
        "--pairs",
        "directory",
        "--lpips-weights",
        "@",
        "--out",
        "out.csv",
    ],
    "predict --lst": ["predict", "--lst", "@", "--reflectance", REFLECTANCE, "--out", "out.tif"],
    "predict --reflectance": ["predict", "--lst", GRANULE, "--reflectance", "@", "--out", "out.tif"],
    "predict --shape": [
        "predict",
        "--lst",
        GRANULE,
        "--reflectance",
        REFLECTANCE,
        "--shape",
        "@",
        "--out",
        "out.tif",
    ],
    "predict --weights": [
        "predict",
        "--lst",
        GRANULE,
        "--reflectance",
        REFLECTANCE,
        "--weights",
        "@",
        "--out",
        "out.tif",
    ],
    "predict --water": [
        "predict",
        "--lst",
        GRANULE,
        "--reflectance",
        REFLECTANCE,
        "--water",
        "@",
        "--out",
        "out.tif",
    ],
    "predict --granules": ["predict", "--granules", "@", "--out", "out"],
}
OUTPUTS = {
    "evaluate --out": ["evaluate", "--pairs", "directory", "--out", "@"],
    "predict --out": ["predict", "--lst", GRANULE, "--reflectance", REFLECTANCE, "--out", "@"],
}
"""Command lines by the option that is tried, whose value is ``@``."""


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with what a path may wrongly be."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "directory").mkdir()
    (tmp_path / "file").write_text("text")
    for name, target in {
        "dangling": "nowhere",
        "loop": "loop",
        GRANULE: "nowhere",
        REFLECTANCE: GRANULE,
    }.items():
        (tmp_path / name).symlink_to(target)
    return tmp_path


def assert_told(code: int, errors: str) -> None:
    lines = errors.splitlines()
    assert code == 1 and lines and all(line.startswith("lstsr: ") for line in lines), errors
    assert "Traceback" not in errors and "fault of this program" not in errors


@pytest.mark.parametrize("place", ODD_PLACES, ids=lambda place: ascii(place[:12]))
@pytest.mark.parametrize("option", INPUTS)
def test_an_input_that_is_none_is_told(places: Path, lstsr: Lstsr, option: str, place: str) -> None:
    code, _, errors = lstsr(*(place if word == "@" else word for word in INPUTS[option]))
    assert_told(code, errors)


@pytest.mark.parametrize("option", INPUTS)
def test_a_directory_without_what_is_expected_is_told(places: Path, lstsr: Lstsr, option: str) -> None:
    code, _, errors = lstsr(*("directory" if word == "@" else word for word in INPUTS[option]))
    if option != "verify":  # which says that all is absent
        assert_told(code, errors)


@pytest.mark.parametrize(
    "place", ["loop", "directory", "file/below", "x" * 300, "/dev/null"], ids=lambda place: place[:12]
)
@pytest.mark.parametrize("option", OUTPUTS)
def test_an_output_that_cannot_be_is_told(places: Path, lstsr: Lstsr, option: str, place: str) -> None:
    code, _, errors = lstsr(*(place if word == "@" else word for word in OUTPUTS[option]))
    assert_told(code, errors)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["07_map.day=2018-02-30"], "07_map: parameter 'day' is '2018-02-30': '2018-02-30' is no day"),
        (["07_map.day=!!timestamp x"], "--set '07_map.day=!!timestamp x': the value is not YAML"),
        (["07_map.day=" + "9" * 5000], "the value is not YAML"),
        (["01_download.days=[2018-07-19, 2018-02-30]"], "01_download: parameter 'days' is '2018-02-30'"),
        (["07_map.shape=d\udcff"], "the value is not YAML"),
        (["07_map=1"], "is not NOTEBOOK.NAME=VALUE"),
        (["07_map.day=" + "[" * 3000], "nested too deeply"),
    ],
)
def test_a_parameter_that_is_none_is_told_before_anything_runs(
    lstsr: Lstsr, settings: list[str], message: str
) -> None:
    code, output, errors = lstsr(
        "run", "--only", "12", *(word for text in settings for word in ("--set", text))
    )
    assert_told(code, errors)
    assert message in errors and not output and len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfem\0o\0", b"model: \xe9\n", b"\tmodel: x", b"model: sc-unet\nmodel: sc-unet\n", b"words"],
)
def test_a_settings_file_that_is_none_is_told(places: Path, lstsr: Lstsr, content: bytes) -> None:
    (places / "mine.yaml").write_bytes(content)
    code, _, errors = lstsr(
        "train", "--model", "sc-unet", "--settings", "mine.yaml", "--pairs", "directory", "--out", "out"
    )
    assert_told(code, errors)
    assert errors.startswith("lstsr: mine.yaml") and len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    "option", ["--start=2018-02-30", "--start=20180719", "--seed=-1", "--threads=0", "--attempts=0"]
)
def test_a_wrong_option_of_a_download_is_told(places: Path, lstsr: Lstsr, option: str) -> None:
    arguments = [
        "--source",
        "sample",
        "--product",
        "MOD44W.061",
        "--tile",
        "h18v04",
        "--start",
        "2017-01-01",
        "--end",
        "2017-01-01",
    ]
    code, _, errors = lstsr("download", *arguments, "--out", "out", option)
    assert_told(code, errors)
    assert option.partition("=")[2] in errors and not (places / "out").exists()


# The last resort


@pytest.fixture
def broken_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation in which a library is missing that `lstsr fetch` needs."""
    monkeypatch.setitem(sys.modules, "pooch", None)
    monkeypatch.delenv("LSTSR_PAIRS", raising=False)


@pytest.mark.usefixtures("broken_library")
def test_a_fault_of_the_program_is_one_line_and_has_its_own_exit_code(
    lstsr: Lstsr, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(cli.TRACEBACK_VARIABLE, raising=False)
    code, _, errors = lstsr("fetch")
    (line,) = errors.splitlines()
    assert code == 70
    assert (
        line.startswith("lstsr: a fault of this program, ModuleNotFoundError: ")
        and "LSTSR_TRACEBACK=1" in line
    )


@pytest.mark.usefixtures("broken_library")
def test_the_place_of_a_fault_is_shown_on_request(lstsr: Lstsr, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(cli.TRACEBACK_VARIABLE, "1")
    code, _, errors = lstsr("fetch")
    assert code == 70 and errors.startswith("Traceback") and "in user_cache" in errors
    assert errors.splitlines()[-1].startswith("lstsr: a fault of this program, ModuleNotFoundError: ")


def test_what_a_command_loads_cannot_end_it_in_silence(
    lstsr: Lstsr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pooch.py").write_text("raise SystemExit(0)")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pooch", raising=False)
    monkeypatch.delenv("LSTSR_PAIRS", raising=False)
    code, _, errors = lstsr("fetch")
    assert_told(code, errors)
    assert "SystemExit(0)" in errors and "LSTSR_METHODS" in errors


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (OSError(28, "No space left on device", "/a/file"), 1, "/a/file: No space left on device"),
        (OSError(28, "No space left on device", b"/a/\xff"), 1, "/a/\udcff: No space left on device"),
        (PermissionError(13, "Permission denied"), 1, "Permission denied"),
        (OSError("not recognized as a format"), 1, "not recognized as a format"),
        (MemoryError(), 1, "the memory does not suffice (MemoryError)"),
        (RecursionError("maximum recursion depth exceeded"), 70, "RecursionError: maximum recursion"),
        (KeyError("x"), 70, "KeyError: 'x'"),
        (ValueError("several\nlines " * 99), 70, "ValueError: several lines"),
        (UnicodeEncodeError("ascii", "×", 0, 1, "ordinal not in range"), 70, "UnicodeEncodeError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_each_kind_of_error_is_explained(
    error: Exception, code: int, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PWD", "/")
    exit_code, line = cli._explain(error, ["verify", "a"])
    assert exit_code == code and message in line and "LSTSR_TRACEBACK=1" in line and len(line) < 500


def test_a_name_that_is_not_utf8_is_taken_for_the_cause_of_what_a_library_says() -> None:
    code, line = cli._explain(TypeError("argument 1 of type 'char const *'"), ["verify", "d\udcff"])
    assert code == 1 and line.startswith("d\udcff: is not UTF-8")


# Streams and terminals


def run(arguments: str, shell: str = "", **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A command in a shell with what follows it; the first part of a pipe gives the exit code."""
    script = f"set -o pipefail; {sys.executable} -m lstsr_core.cli {arguments} {shell}"
    return subprocess.run(
        ["bash", "-c", script],
        env={**os.environ, "PYTHONPATH": str(PROJECT), **environment},
        capture_output=True,
        check=False,
    )


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_who_has_gone_is_no_error(tmp_path: Path, unbuffered: str) -> None:
    result = run(f"verify {tmp_path}", "| true", PYTHONUNBUFFERED=unbuffered)
    assert (result.returncode, result.stderr) in ((141, b""), (0, b""))  # or it had not gone yet
    assert run("--help", "| true", PYTHONUNBUFFERED=unbuffered).stderr == b""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_the_output_is_told(tmp_path: Path, unbuffered: str) -> None:
    result = run(f"verify {tmp_path}", "> /dev/full", PYTHONUNBUFFERED=unbuffered)
    assert result.returncode == 1
    assert result.stderr.startswith(b"lstsr: No space left on device") and result.stderr.count(b"\n") == 1


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_closed_streams_are_no_error(tmp_path: Path, closed: str) -> None:
    assert run(f"verify {tmp_path}", closed).returncode == 0
    assert run("verify nowhere", closed).returncode == 1


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "utf-8:strict"])
def test_any_character_can_be_printed(tmp_path: Path, encoding: str) -> None:
    """Help and messages have – and ×; a name need not be UTF-8."""
    environment = {"PYTHONIOENCODING": encoding}
    shown = run("--help", **environment)
    assert shown.returncode == 0 and b"NDVI" in shown.stdout and not shown.stderr
    directory = tmp_path / os.fsdecode(b"\xc3\x97\xff")
    directory.mkdir()
    refused = run(f"verify '{directory}'/nowhere", **environment)
    assert (
        refused.returncode == 1 and refused.stderr.startswith(b"lstsr: ") and refused.stderr.count(b"\n") == 1
    )
    assert b"/nowhere: no such directory" in refused.stderr


def test_a_name_that_is_not_utf8_comes_out_as_it_went_in(tmp_path: Path) -> None:
    """`cd "$(lstsr fetch)"` depends on it."""
    script = "import sys; from lstsr_core.cli import _prepare_streams; _prepare_streams(); print(sys.argv[1])"
    result = subprocess.run(
        [sys.executable, "-c", script, b"d\xff"],
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        check=True,
    )
    assert result.stdout == b"d\xff\n"
