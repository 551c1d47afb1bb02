"""`--json`: one document on standard output, for a script, whatever comes of the command; exit codes."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lstsr_core.base.project import PROJECT
from lstsr_core.base.report import Report
from lstsr_core.cli import EXIT_CODES, make_parser
from lstsr_core.networks.weights_files import PACKAGE_WEIGHTS
from worlds.granules import fields, write_granules
from worlds.places import DAY, Field

Lstsr = Callable[..., tuple[int, str, str]]

PLACE = "-0.3,49.8,0.3,50.2"
SIMULATED = "the granules are simulated (--source sample): the map shows no real place"
KEYS = ["command", "version", "exit_status", "error", "seconds", "warnings", "result"]
MAP_KEYS = {
    "path", "picture", "made", "rows", "columns", "shares", "lst_mean_k", "lst_min_k", "lst_max_k",
    "consistency_k",
}  # fmt: skip


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    Field.around(4800, 21600, 160).write(tmp_path / "cache")
    return tmp_path / "cache"


@pytest.fixture
def document(lstsr: Lstsr) -> Callable[..., dict[str, Any]]:
    """A function (command, *arguments) that runs it with ``--json`` and gives its document."""

    def run(command: str, *arguments: object) -> dict[str, Any]:
        code, printed, errors = lstsr(command, *arguments, "--json")
        content: dict[str, Any] = json.loads(printed)
        assert [*content] == KEYS and content["command"] == command
        assert content["exit_status"] == code and 0.0 <= content["seconds"] < 600.0
        assert all(line in errors for line in content["warnings"])
        assert (content["error"] is None) or f"lstsr: {content['error']}\n" in errors
        return content

    return run


Document = Callable[..., dict[str, Any]]


def words(cache: Path, out: Path, *more: object) -> list[object]:
    source = ("--source", "sample", "--cache", cache)
    return ["--place", PLACE, *source, "--method", "bicubic", "--out", out, *more]


def test_where(document: Document) -> None:
    assert document("where", "-0.5,49.5,0.5,50.5")["result"] == {
        "tiles": ["h17v03", "h18v03", "h17v04", "h18v04"],
        "without_land": [],
    }
    sea = document("where", "-22,53")
    assert sea["result"] == {"tiles": ["h16v03"], "without_land": ["h16v03"]}
    assert sea["warnings"] == ["h16v03: no land, of which alone there are granules"]


def test_what_stops_a_command_is_in_the_document(document: Document) -> None:
    content = document("where", "200,0")
    assert (content["exit_status"], content["result"]) == (1, {}) and "longitude within" in content["error"]


def test_words_that_are_no_command_give_no_document(lstsr: Lstsr, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        lstsr("where", "--json")
    assert capsys.readouterr().out == ""


def test_a_map_of_a_place(document: Document, cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "lst.tif"
    content = document("map", *words(cache, out, "--date", DAY))
    result = content["result"]
    (day,) = result["days"]
    assert result["tiles"] == ["h17v03", "h18v03", "h17v04", "h18v04"] and result["fetched"] == []
    assert (day["day"], day["failed"], day["reason"]) == (str(DAY), False, None)
    made = day["map"]
    assert {*made} == MAP_KEYS and made["made"] and made["shares"]["valid"] == 1.0
    assert (Path(made["path"]), Path(made["picture"])) == (out, out.with_suffix(".png"))
    assert result["cache"]["granules"] == 8 and Path(result["cache"]["directory"]) == cache / "sample"
    assert content["warnings"] == [SIMULATED]
    again = document("map", *words(cache, out, "--date", DAY))["result"]["days"][0]["map"]
    assert again == {**made, "made": False}


def test_days_and_a_store(document: Document, cache: Path, tmp_path: Path) -> None:
    period = ("--start", DAY, "--end", DAY)
    (day,) = document("map", *words(cache, tmp_path / "maps", *period))["result"]["days"]
    assert Path(day["map"]["path"]).is_file()
    store = tmp_path / "maps.zarr"
    result = document("map", *words(cache, store, *period, "--format", "zarr"))["result"]
    assert result["store"] == {"path": str(store), "made": True}
    assert result["days"][0]["map"]["shares"]["valid"] == 1.0


def test_a_dry_run_gives_the_plan(document: Document, cache: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    more = ("--start", DAY, "--end", "2019-07-20", "--dry-run")
    result = document("map", *words(cache, tmp_path / "out", *more))["result"]
    assert result["days"] == [str(DAY), "2019-07-20"] and len(result["tiles"]) == 4
    assert (len(result["download"]["held"]), len(result["download"]["missing"])) == (8, 8)
    assert result["download"]["bytes"] == 296_000_000
    assert min(result["map"][name] for name in ("rows", "columns", "bytes", "memory_bytes", "minutes")) > 0
    assert sorted(tmp_path.rglob("*")) == before


def test_maps_of_granules(document: Document, tmp_path: Path) -> None:
    granules = write_granules(tmp_path / "in", *fields())
    pair = ("--lst", granules.lst, "--reflectance", granules.reflectance, "--method", "tsharp")
    plan = document("predict", *pair, "--out", tmp_path / "a.tif", "--dry-run")["result"]
    assert {*plan["granules"]} == {granules.lst.name, granules.reflectance.name}
    (made,) = document("predict", *pair, "--out", tmp_path / "a.tif")["result"]["maps"]
    assert {*made} == MAP_KEYS and made["picture"] is None
    assert (made["rows"], made["columns"]) == (plan["rows"], plan["columns"])


def test_a_directory_of_granules(document: Document, tmp_path: Path) -> None:
    granules = write_granules(tmp_path / "in", *fields())
    many = ("--granules", tmp_path / "in", "--method", "tsharp", "--out", tmp_path / "maps", "--workers", 1)
    plan = document("predict", *many, "--dry-run")["result"]
    assert (plan["pairs"], plan["to_do"], plan["trial"]["name"]) == (1, 1, granules.lst.name)
    result = document("predict", *many)["result"]
    (made,) = result["maps"]
    assert Path(made["path"]).is_file() and result["failed"] == {} and result["there_already"] == 0
    again = document("predict", *many)["result"]
    assert (again["maps"], again["there_already"]) == ([], 1)
    cut = ("--granules", tmp_path / "in", "--out", tmp_path / "patches")
    assert document("patches", *cut, "--dry-run")["result"]["pairs"] == 1


def test_a_download(document: Document, tmp_path: Path) -> None:
    ask = ("--source", "sample", "--product", "MOD21A1D.061", "--tile", "h18v04", "--start", "2019-07-19")
    ask = (*ask, "--end", "2019-07-19", "--out", tmp_path / "granules")
    (name,) = document("download", *ask, "--dry-run")["result"]["missing"]
    assert document("download", *ask)["result"]["fetched"] == [name]
    assert document("download", *ask)["result"]["held"] == [name]


def test_a_card_and_a_directory(document: Document, tmp_path: Path) -> None:
    card = document("card", PACKAGE_WEIGHTS / "sif-cnn-sr1.safetensors")["result"]
    assert {"statistics", "data"} <= {*card}
    result = document("verify", tmp_path)["result"]
    assert result["differing"] == [] and {count["status"] for count in result["counts"]} == {"absent"}


def test_what_is_no_number_is_null(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("map", as_json=True, result={"a": float("nan"), "b": [float("inf"), 1.5]})
    with report.apart():
        print("for a person")
    report.write(0)
    report.write(1, "once is enough")
    captured = capsys.readouterr()
    assert json.loads(captured.out)["result"] == {"a": None, "b": [None, 1.5]}
    assert captured.err == "for a person\n"


def run_in_terminal(*arguments: object) -> tuple[bytes, bytes]:
    """Run ``lstsr`` with standard error on a terminal: what it printed, and what the terminal showed."""
    person, program = pty.openpty()
    termios.tcsetwinsize(program, (24, 100))
    command = [sys.executable, "-m", "lstsr_core.cli", *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=program, cwd=PROJECT, env=environment)
    os.close(program)
    shown = b""
    while True:
        try:
            text = os.read(person, 65536)
        except OSError:  # the program has closed its side
            break
        shown += text
    os.close(person)
    printed, _ = process.communicate()
    assert process.returncode == 0, shown
    return printed, shown


def test_a_terminal_shows_progress_and_a_pipe_does_not(cache: Path, tmp_path: Path) -> None:
    atprk = ("--method", "atprk", "--date", DAY)
    printed, shown = run_in_terminal("map", *words(cache, tmp_path / "a.tif", *atprk), "--json")
    assert json.loads(printed)["exit_status"] == 0
    for step in ("Asking sample", "Reading", "Kriging", "Writing a.tif", "Drawing a.png"):
        assert step.encode() in shown, step
    assert re.search(rb"Kriging: .*\[\d\d:\d\d<", shown)  # the time left
    arguments = map(str, words(cache, tmp_path / "b.tif", *atprk))
    command = [sys.executable, "-m", "lstsr_core.cli", "map", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    piped = subprocess.run(command, capture_output=True, text=True, check=True, cwd=PROJECT, env=environment)
    assert "\r" not in piped.stdout + piped.stderr
    assert piped.stderr == f"lstsr: {SIMULATED}\n"


def test_ctrl_c_gives_a_document(tmp_path: Path) -> None:
    methods = tmp_path / "methods.py"
    os.mkfifo(methods)  # who reads it waits
    command = [sys.executable, "-m", "lstsr_core.cli", "evaluate", "--pairs", "p", "--out", "o.csv", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT), "LSTSR_METHODS": str(methods)}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path, env=environment
    )
    with methods.open("wb"):  # opens when the program has
        process.send_signal(signal.SIGINT)
        printed, errors = process.communicate(timeout=60)
    content = json.loads(printed)
    assert (process.returncode, content["exit_status"], content["error"]) == (130, 130, "stopped")
    assert errors == b"lstsr: stopped\n"


def test_exit_codes_are_told_by_the_help_and_the_page() -> None:
    page = (PROJECT / "book" / "commands.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| (\d+) \| (.+) \|$", page, re.MULTILINE))
    assert rows == {str(code): meaning for code, meaning in EXIT_CODES.items()}
    for code, meaning in EXIT_CODES.items():
        assert f"  {code:<5}{meaning}\n" in make_parser().format_help()
