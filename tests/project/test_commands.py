"""The commands that README and the book print: each is run, or marked with a reason and parsed.

A shell block is run as it stands, unless a comment directly above it says ``<!-- not run here: REASON -->``.
Blocks of one page are run one after the other, in a copy of the project that has a small sample.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import papermill
import pytest
import yaml

from lstsr_book import options as book_options
from lstsr_core.base.errors import InputError
from lstsr_core.base.project import PROJECT
from lstsr_core.cli import make_parser
from lstsr_core.runner import plan
from lstsr_core.sharpening.methods import OWN_METHODS
from lstsr_core.stages.parameters import BY_NOTEBOOK
from lstsr_core.stages.profiles import check_profile, read_settings
from worlds.book import make_book_run
from worlds.markdown_pages import PAGES, Block, all_blocks, blocks_of
from worlds.project_copy import NAMES, PATIENCE_S, ProjectCopy, copy_project

SHELL_BLOCKS = [block for block in all_blocks() if block.is_shell]
RUN_PAGES = sorted({block.page for block in SHELL_BLOCKS if block.reason is None})
PROGRAMS = ("lstsr", "lstsr-book", "papermill", "make")
SMALLEST = {
    "01_download": {"windows": 2, "pairs": 2, "days": ["2018-07-19"]},
    "03_training": {"models": []},
    "06_aster_evaluation": {"protocol": "georeferenced"},
}
PREPARE = """
from lstsr_core.runner import run_profile
run_profile("sample", {}, ["01_download", "02_patches", "03_training", "04_sharpening"], False, print)
"""
ASSEMBLE = (
    "import pathlib, sys; from lstsr_book.build import assemble; assemble(*map(pathlib.Path, sys.argv[1:]))"
)


def identity(block: Block) -> str:
    return f"{block.page}:{block.line}"


def words_of(command: str) -> list[str]:
    """A command's words from the program on, without variables, comments, folders, redirections."""
    words = shlex.split(command, comments=True)
    while words and re.match(r"[A-Za-z_]\w*=", words[0]):
        words = words[1:]
    return [Path(words[0]).name, *words[1:]] if words else []


def check(command: str) -> None:
    """Have the real parser read a command of `PROGRAMS`; AssertionError if it is refused."""
    program, *arguments = words_of(command)
    if program == "lstsr":
        check_lstsr(arguments)
    elif program == "lstsr-book":
        parse(book_options.make_parser(), arguments)
    elif program == "papermill":
        check_papermill(arguments)
    elif program == "make":
        dry = ["make", "--dry-run", "LSTSR_PAIRS=somewhere", *arguments]
        outcome = subprocess.run(dry, cwd=PROJECT, capture_output=True, text=True, check=False)
        assert outcome.returncode == 0, outcome.stderr


def parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace | None:
    try:
        return parser.parse_args(arguments)
    except SystemExit as stopped:
        assert stopped.code == 0, f"{parser.prog} {shlex.join(arguments)} is refused"  # --help leaves with 0
        return None


def check_lstsr(arguments: list[str]) -> None:
    options = parse(make_parser(), arguments)
    if options is not None and arguments[0] == "run":
        check_settings(options.profile, options.settings)
        for number in filter(None, (options.start, options.only)):
            assert sum(name.startswith(number) for name in NAMES) == 1, number


def check_settings(profile: str, texts: list[str]) -> None:
    try:
        check_profile(profile, read_settings(texts))
    except InputError as error:
        raise AssertionError(str(error)) from error


def check_papermill(arguments: list[str]) -> None:
    source, _, *options = arguments
    assert (PROJECT / source).is_file(), source
    parameters = papermill.inspect_notebook(PROJECT / source)
    values: dict[str, object] = {}
    while options:
        option, value, *options = options
        if option == "-p":
            values[value], options = options[0], options[1:]
        else:
            assert option in ("-f", "-y"), option
            values |= yaml.safe_load(
                (PROJECT / value).read_text(encoding="utf-8") if option == "-f" else value
            )
    assert values.keys() <= parameters.keys(), values.keys() - parameters.keys()
    try:
        BY_NOTEBOOK[Path(source).stem].check(values)
    except InputError as error:
        raise AssertionError(str(error)) from error


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command of ``lstsr`` and ``lstsr-book``, by program and command."""
    parsers = {}
    for program in (make_parser(), book_options.make_parser()):
        (choices,) = (
            action.choices for action in program._actions if isinstance(action, argparse._SubParsersAction)
        )
        parsers |= {f"{program.prog} {name}": parser for name, parser in choices.items()}
    return parsers


# What is printed


def test_pages_print_commands_of_every_program() -> None:
    printed = {words_of(line)[0] for block in SHELL_BLOCKS for line in block.commands if words_of(line)}
    assert set(PROGRAMS) <= printed
    assert len(RUN_PAGES) >= 2, "no page has commands that are run"


def test_commands_stand_in_shell_blocks_alone() -> None:
    """In a block of another language nothing would check them."""
    for block in all_blocks():
        if not block.is_shell and block.language != "python":
            assert not [
                line for line in block.commands if re.match(r"(\$ *)?(\S*/)?(lstsr|papermill|make) ", line)
            ], identity(block)


def test_every_marker_stands_directly_above_a_shell_block() -> None:
    """Anywhere else it would excuse nothing, or seem to."""
    for path in PAGES:
        markers = path.read_text(encoding="utf-8").count("not run here")
        assert markers == sum(block.is_shell and block.reason is not None for block in blocks_of(path)), (
            path.name
        )


@pytest.mark.parametrize("block", SHELL_BLOCKS, ids=identity)
def test_the_parsers_take_every_command(block: Block) -> None:
    for command in block.commands:
        for part in re.split(r"\s(?:&&|\|\||[|&;])\s", command):
            if words_of(part) and words_of(part)[0] in PROGRAMS:
                check(part)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_the_parsers_take_commands_in_running_text(page: Path) -> None:
    """``lstsr …`` between single backquotes, where it is a whole command with options."""
    prose = re.sub(r"^(`{3,}).*?^\1", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    parsers = commands()
    for code in re.findall(r"(?<!`)`(lstsr(?:-book)? [a-z][^`]*)`(?!`)", prose):
        program, command, *rest = shlex.split(code)
        name = f"{program} {command}"
        assert name in parsers, code
        options = {option for action in parsers[name]._actions for option in action.option_strings}
        assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= options, code


EXAMPLES = re.findall(
    r"^`(.+)`\n: ", (PROJECT / "book" / "cheat_sheet.md").read_text(encoding="utf-8"), re.MULTILINE
)


def test_the_cheat_sheet_has_every_command() -> None:
    assert sorted(" ".join(words_of(example)[:2]) for example in EXAMPLES) == sorted(commands())


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_parser_takes_each_example_of_the_cheat_sheet(example: str) -> None:
    check(example)


def test_options_on_the_cheat_sheet_are_those_of_their_command() -> None:
    page = (PROJECT / "book" / "cheat_sheet.md").read_text(encoding="utf-8")
    for example, meaning in re.findall(r"^`(.+)`\n: (.*?)\n\n", page, re.MULTILINE | re.DOTALL):
        parser = commands()[" ".join(words_of(example)[:2])]
        options = {option for action in parser._actions for option in action.option_strings}
        assert set(re.findall(r"`(--[\w-]+)", meaning)) <= options, example


def test_every_option_of_every_command_is_explained() -> None:
    for name, parser in commands().items():
        for action in parser._actions:
            assert action.help or not action.option_strings, (name, action.option_strings)


@pytest.mark.parametrize(
    "command",
    [
        "lstsr run --profil sample --fast", "lstsr run --set 06_aster_evaluation.method=[bicubic]",
        "lstsr evalute --pairs DIR", "lstsr book --profile sample", "lstsr-book keep --all",
        "lstsr run --set 03_training.epochs=none-at-all", "lstsr run --only 99", "make bok",
        "lstsr evaluate --pairs DIR",
        "papermill notebooks/05_fourier.ipynb out.ipynb -p run_directory data/runs/sample -y 'metods: [dms]'",
        "papermill notebooks/05_fourier.ipynb out.ipynb -p methods dms",
        "papermill notebooks/05_spectra.ipynb out.ipynb -p run_directory data/runs/sample",
        "papermill notebooks/05_fourier.ipynb out.ipynb -f data/params/paper.yaml",
    ],
)  # fmt: skip
def test_a_wrong_command_would_be_noticed(command: str) -> None:
    with pytest.raises(AssertionError):
        check(command)


def test_a_marker_is_read_where_it_stands_directly_above(tmp_path: Path) -> None:
    fence = "```"
    page = tmp_path / "page.md"
    page.write_text(
        f"<!-- not run here: hours -->\n{fence}bash\na \\\n  b\n{fence}\n\n<!-- not run here: far"
        f" -->\n\n{fence}sh\nc\n{fence}\n"
    )
    first, second = blocks_of(page)
    assert (first.reason, first.commands) == ("hours", ["a    b"])
    assert (second.reason, second.line) == (None, 9)


# What is run


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> ProjectCopy:
    """A copy with a small sample and what the first three notebooks leave (nothing is trained)."""
    copy = copy_project(tmp_path_factory.mktemp("commands") / "project")
    (copy.root / "data" / "params" / "sample.yaml").write_text(yaml.safe_dump(SMALLEST))
    notebooks = copy.python(PREPARE)
    assert notebooks.returncode == 0, notebooks.stderr
    return copy


@pytest.fixture
def copy(prepared: ProjectCopy, tmp_path: Path) -> ProjectCopy:
    """A prepared copy of the test's own, with the sample's granules where the pages put downloaded ones."""
    copy = prepared.clone(tmp_path / "project")
    (copy.root / "granules").symlink_to(copy.run_directory / "01_download" / "granules")
    return copy


def shell(copy: ProjectCopy, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a script in the copy's root, with ``lstsr`` and ``papermill`` on the path."""
    programs = copy.root / ".venv" / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name, module in (
        ("lstsr", "lstsr_core.cli"),
        ("lstsr-book", "lstsr_book.cli"),
        ("papermill", "papermill"),
    ):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (programs / name).chmod(0o755)
    environment = {**copy.environment, **variables, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], cwd=copy.root, env=environment, text=True,
        capture_output=True, timeout=PATIENCE_S, stdin=subprocess.DEVNULL, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("page", RUN_PAGES)
def test_unmarked_blocks_run(copy: ProjectCopy, page: str) -> None:
    for block in SHELL_BLOCKS:
        if block.page == page and block.reason is None:
            outcome = shell(copy, block.text, XDG_CACHE_HOME=str(copy.root / "cache"))
            assert outcome.returncode == 0, f"{identity(block)}: {outcome.stderr}"


def test_the_method_of_the_page_is_in_every_table_and_figure(copy: ProjectCopy) -> None:
    (block,) = (
        block for block in blocks_of(PROJECT / "book" / "own_method.md") if block.language == "python"
    )
    assert len([line for line in block.text.splitlines() if line.strip()]) <= 10
    name, label = re.search(r'@method\("([\w-]+)", "([^"]+)"\)', block.text).groups()  # type: ignore[union-attr]
    (copy.root / "my_method.py").write_text(block.text)

    for notebook in ("04_sharpening", "05_fourier", "06_aster_evaluation"):
        command = (
            f"lstsr run --profile sample --only {notebook[:2]} --set '{notebook}.methods=[bicubic, {name}]'"
        )
        outcome = shell(copy, command, LSTSR_METHODS="my_method.py")
        assert f"{notebook}: done" in outcome.stdout, outcome.stderr
    metrics = pd.read_csv(copy.run_directory / "06_aster_evaluation" / "metrics.csv")
    assert metrics.loc[metrics["method"] == name, "status"].tolist() == ["ok", "ok"]
    assert metrics.loc[metrics["method"] == name, "rmse_k"].nunique() == 2
    for table in ("05_fourier/spectra.csv", "06_aster_evaluation/summary.csv"):
        assert name in set(pd.read_csv(copy.run_directory / table)["method"]), table
    for figure in ("05_fourier/spectra_mean.svg", "06_aster_evaluation/maps.svg"):
        assert label in (copy.run_directory / figure).read_text(encoding="utf-8"), figure

    run_directory = make_book_run(copy.root / "book_run" / "sample")
    for table in ("metrics.csv", "summary.csv"):
        shutil.copy(copy.run_directory / "06_aster_evaluation" / table, run_directory / "06_aster_evaluation")
    assembled = shell(
        copy,
        shlex.join([sys.executable, "-c", ASSEMBLE, str(run_directory), str(PROJECT)]),
        LSTSR_METHODS="my_method.py",
    )
    assert assembled.returncode == 0, assembled.stderr
    settings = yaml.safe_load((run_directory / "book" / "source" / "_config.yml").read_text(encoding="utf-8"))
    tables = [value for value in settings["parse"]["myst_substitutions"].values() if "<table" in value]
    assert any(label in value for value in tables)


def test_notebooks_that_take_methods_are_run_again_when_a_file_of_methods_changes(
    prepared: ProjectCopy, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fingerprints() -> dict[str, object]:
        names = ("02_patches", "05_fourier", "06_aster_evaluation", "07_map")
        return {
            name: plan(prepared.run_directory, BY_NOTEBOOK[name].check({}))["fingerprint"] for name in names
        }

    before = fingerprints()
    monkeypatch.setitem(OWN_METHODS, "ndvi-detail", "12ab")
    first = fingerprints()
    monkeypatch.setitem(OWN_METHODS, "ndvi-detail", "34cd")
    second = fingerprints()
    for name in before:
        versions = {before[name], first[name], second[name]}
        assert len(versions) == (1 if name == "02_patches" else 3), name
