"""The GitHub workflows: sound by actionlint, and made of the commands that this project has."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lstsr_core import cli
from lstsr_core.base.project import PROJECT

WORKFLOWS = sorted((PROJECT / ".github" / "workflows").glob("*.yml"))
MAKEFILE = (PROJECT / "Makefile").read_text()


def loaded(path: Path) -> dict[Any, Any]:
    document: dict[Any, Any] = yaml.safe_load(path.read_text())
    return document


def steps_of(path: Path) -> list[dict[str, Any]]:
    return [step for job in loaded(path)["jobs"].values() for step in job["steps"]]


def actionlint(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("actionlint")), "-no-color", *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, cwd=PROJECT)


def test_actionlint_finds_nothing() -> None:
    outcome = actionlint(*WORKFLOWS)
    assert (outcome.returncode, outcome.stdout) == (0, "")


def test_actionlint_would_find_something(tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(WORKFLOWS[0].read_text().replace("needs: build", "needs: nothing"))
    assert actionlint(broken).returncode == 1


def test_workflows_run_the_projects_own_commands() -> None:
    steps = [step for path in WORKFLOWS for step in steps_of(path)]
    commands = [line.strip() for step in steps for line in step.get("run", "").splitlines() if line.strip()]
    assert commands
    for command in commands:
        program, *arguments = shlex.split(command)
        if program == "make":
            target, *settings = arguments
            assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), command
            assert all(
                re.search(rf"^{setting.partition('=')[0]} \?=", MAKEFILE, re.MULTILINE)
                for setting in settings
            ), command
        elif program == ".venv/bin/lstsr":
            cli.make_parser().parse_args(arguments)
        elif program == "bash":
            assert (PROJECT / arguments[0]).is_file(), command
        else:
            assert program == "git", command


def test_the_readmes_commands_are_tested_and_both_editions_published() -> None:
    readme = (PROJECT / "README.md").read_text()
    test, pages = (
        [step["run"] for step in steps_of(PROJECT / ".github" / "workflows" / name) if "run" in step]
        for name in ("test.yml", "pages.yml")
    )
    assert test[-2:] == ["make book", "make test"] and all(command in readme for command in test[-2:])
    assert "make book PROFILE=paper" in readme
    assert [command for command in pages if command.startswith(("make", ".venv"))] == [
        ".venv/bin/lstsr fetch", "make book PDF=1", "make book PROFILE=paper PDF=1", "make site",
    ]  # fmt: skip


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_actions_are_pinned_and_rights_are_the_least(path: Path) -> None:
    used = [step["uses"] for step in steps_of(path) if "uses" in step]
    assert used and all(re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40}", name) for name in used)
    assert len(re.findall(r"uses: \S+ # v\d+\.\d+\.\d+$", path.read_text(), re.MULTILINE)) == len(used)
    workflow = loaded(path)
    assert workflow["permissions"] == {"contents": "read"} and "concurrency" in workflow
    assert all("timeout-minutes" in job for job in workflow["jobs"].values())
    rights = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    assert rights == ({"deploy": {"pages": "write", "id-token": "write"}} if path.name == "pages.yml" else {})


def test_only_main_is_published() -> None:
    # YAML 1.1 reads the key "on" as true.
    triggers = loaded(PROJECT / ".github" / "workflows" / "pages.yml")[True]
    assert triggers == {"push": {"branches": ["main"]}, "workflow_dispatch": None}
