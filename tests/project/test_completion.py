"""Completion, asked for as bash asks: the line in the program's environment, the answer on file 8."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lstsr_core.base.completion import registered_names
from lstsr_core.base.project import PROJECT
from lstsr_core.cli import WITH_DOCUMENT, make_parser
from lstsr_core.sharpening.methods import METHODS

SECONDS = 1.0
HEAVY = ("numpy", "torch", "scipy", "pandas", "rasterio")


def asked(line: str, program: str = "lstsr_core.cli", **environment: str) -> set[str]:
    """What completes a line with the cursor at its end."""
    return set(answer(line, ["-m", program], **environment).split("\v")) - {""}


def answer(line: str, words: list[str], **environment: str) -> str:
    reading, writing = os.pipe()
    variables = {
        **os.environ, "PYTHONPATH": f"{PROJECT}{os.pathsep}{PROJECT / 'book' / '_ext'}", **environment,
        "_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\v", "COMP_LINE": line, "COMP_POINT": str(len(line)),
        "COMP_TYPE": "9", "_ARGCOMPLETE_COMP_WORDBREAKS": " \t\n\"'@><=;|&(:",
    }  # fmt: skip

    def onto_eight() -> None:
        os.dup2(writing, 8)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 9)

    done = subprocess.run(
        [sys.executable, *words], env=variables, pass_fds=[writing, 8, 9], preexec_fn=onto_eight,
        capture_output=True, text=True, check=True, cwd=PROJECT,
    )  # fmt: skip
    os.close(writing)
    with os.fdopen(reading) as stream:
        text = stream.read()
    assert (done.stdout, done.stderr) == ("", "")
    return text


def test_commands_and_options() -> None:
    (commands,) = (action.choices for action in make_parser()._actions if isinstance(action.choices, dict))
    assert {word.strip() for word in asked("lstsr ")} == {*commands, "--help"}
    assert asked("lstsr ma") == {"map "}
    assert {"--json", "--dry-run", "--method", "--place"} <= asked("lstsr map --")
    assert asked("lstsr map --layer ") == {"day", "night"}
    assert asked("lstsr-book k", "lstsr_book.cli") == {"keep "}


def test_names_that_options_take(tmp_path: Path) -> None:
    assert asked("lstsr map --method ") == set(METHODS)
    assert asked("lstsr map --method aster-unet-r") == {"aster-unet-restored", "aster-unet-restored-levelled"}
    assert asked("lstsr evaluate --methods bicubic,dm") == {"bicubic,dms", "bicubic,dms-local"}
    assert asked("lstsr download --product MOD21A1") == {"MOD21A1D.061", "MOD21A1N.061"}
    assert asked("lstsr run --profile p") == {"paper "}
    (tmp_path / "granule.hdf").touch()
    assert asked(f"lstsr predict --lst {tmp_path}/gr") == {f"{tmp_path}/granule.hdf "}


def test_methods_of_the_user_s_own_are_read_and_not_run(tmp_path: Path) -> None:
    own = tmp_path / "own.py"
    own.write_text(
        "from lstsr_core.sharpening.methods import method\n"
        f"open({str(tmp_path / 'was run')!r}, 'w')\n"
        "@method('mine', 'Mine')\ndef mine(lst_k, ndvi, options):\n    return lst_k\n"
    )
    assert asked("lstsr map --method mi", LSTSR_METHODS=str(own)) == {"mine "}
    assert not (tmp_path / "was run").exists()
    assert asked("lstsr map --method ts", LSTSR_METHODS=str(tmp_path / "nowhere.py")) == {"tsharp "}
    broken = tmp_path / "broken.py"
    broken.write_text("def (")
    assert registered_names(broken, "method") == []


def test_the_answer_comes_in_well_under_a_second_and_loads_nothing_heavy() -> None:
    seconds = []
    for _ in range(3):
        begin = time.perf_counter()
        asked("lstsr map --method ")
        seconds.append(time.perf_counter() - begin)
    assert min(seconds) < SECONDS
    # argcomplete ends the process at once: what was loaded is seen from where it ends.
    code = (
        "import os, sys\nend = os._exit\n"
        f"os._exit = lambda code: end(any(name in sys.modules for name in {HEAVY!r}))\n"
        "from lstsr_core.cli import main\nmain()"
    )
    assert "tsharp" in answer("lstsr map --method ", ["-c", code])


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not there")
def test_bash_itself_completes_the_program() -> None:
    folder = Path(sys.executable).parent
    script = f"""
PATH={folder}:$PATH
eval "$(register-python-argcomplete lstsr)"
COMP_WORDS=(lstsr ver) COMP_CWORD=1 COMP_LINE='lstsr ver' COMP_POINT=9 COMP_TYPE=9
_python_argcomplete lstsr
printf '%s|' "${{COMPREPLY[@]}}"
"""
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, env=environment, cwd=PROJECT
    )
    assert done.stdout.split("|")[0].strip() == "verify"


@pytest.mark.parametrize("program", ["lstsr_core/cli.py", "book/_ext/lstsr_book/cli.py"])
def test_the_mark_stands_where_argcomplete_looks(program: str) -> None:
    assert "PYTHON_ARGCOMPLETE_OK" in (PROJECT / program).read_text(encoding="utf-8")[:1024]


def test_each_command_with_a_document_is_on_its_page() -> None:
    page = (PROJECT / "book" / "commands.md").read_text(encoding="utf-8")
    section = page.partition("--json`\n")[2].partition(" take `--json`")[0]
    assert {word.strip("`,") for word in section.split()} - {"and"} == set(WITH_DOCUMENT)
