"""The Dockerfile and Binder's files: in step with the lock, Python and the system packages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from lstsr_core.base.project import PROJECT

BINDER = PROJECT / ".binder"


def instructions() -> list[tuple[str, str]]:
    """Name and arguments of each instruction of the Dockerfile, its lines joined."""
    lines = [line for line in (PROJECT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [
        (name, rest)
        for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())
    ]


def minimum_python() -> str:
    requires: str = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["requires-python"]
    return requires.removeprefix(">=")


def apt_names(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


def test_hadolint_finds_nothing() -> None:
    hadolint = str(Path(sys.executable).with_name("hadolint"))
    outcome = subprocess.run(
        [hadolint, "--no-color", str(PROJECT / "Dockerfile")], capture_output=True, text=True
    )
    assert (outcome.returncode, outcome.stdout) == (0, "")


def test_the_image_and_binder_have_the_oldest_python_that_is_allowed() -> None:
    assert instructions()[0] == ("FROM", f"python:{minimum_python()}-slim-bookworm")
    assert (BINDER / "runtime.txt").read_text() == f"python-{minimum_python()}\n"


def test_all_that_is_copied_exists() -> None:
    copied = [rest for name, rest in instructions() if name == "COPY"]
    assert copied
    for rest in copied:
        *sources, _ = [word for word in rest.split() if not word.startswith("--")]
        assert all((PROJECT / source).exists() for source in sources), rest


def test_the_image_is_not_roots_and_serves_jupyter() -> None:
    found = instructions()
    users = [rest for name, rest in found if name == "USER"]
    assert users == ["1000"]
    at = [name for name, _ in found].index("USER")
    assert not [rest for name, rest in found[at:] if "apt-get" in rest]
    assert found[-1][0] == "CMD" and '"jupyter", "lab"' in found[-1][1] and ("EXPOSE", "8888") in found


def test_system_packages_come_from_one_list() -> None:
    lists = {name: apt_names(PROJECT / name) for name in (".binder/apt.txt", "tests/apt.txt")}
    for names in lists.values():
        assert names and all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name) for name in names)
    assert not set(lists[".binder/apt.txt"]) & set(lists["tests/apt.txt"])
    (install,) = (rest for name, rest in instructions() if name == "RUN" and "apt-get install" in rest)
    assert "/tmp/apt.txt" in install and ("COPY", ".binder/apt.txt /tmp/apt.txt") in instructions()
    beside = re.findall(r"--no-install-recommends ([^&]*)&&", install)[0].split()
    assert set(beside) == {"chromium"} <= set(lists["tests/apt.txt"])
    prepare = (PROJECT / ".ci" / "prepare").read_text()
    assert "grep -hv '^#' .binder/apt.txt tests/apt.txt | xargs apt-get install" in prepare
    assert ". .ci/prepare" in (PROJECT / ".ci" / "run").read_text()


def test_binder_installs_the_lock() -> None:
    lines = [
        line for line in (BINDER / "requirements.txt").read_text().splitlines() if not line.startswith("#")
    ]
    (included,) = (line.removeprefix("-r ") for line in lines if line.startswith("-r"))
    assert (BINDER / included).resolve() == PROJECT / "requirements.lock"
    assert [line for line in lines if not line.startswith(("-r", "--extra-index-url"))] == []
    assert not (BINDER / "environment.yml").exists(), "Binder would take it in place of requirements.txt"


def test_what_binder_runs_after_its_build_is_sound() -> None:
    script = BINDER / "postBuild"
    assert os.access(script, os.X_OK) and script.read_text().startswith("#!/usr/bin/env bash\n")
    for path in (script, PROJECT / ".ci" / "prepare", PROJECT / ".ci" / "run"):
        assert subprocess.run(["bash", "-n", str(path)]).returncode == 0, path


def test_what_is_built_on_the_host_stays_out_of_the_image() -> None:
    for name in (".dockerignore", ".gitignore"):
        assert {".venv/", ".venv-pymodis/", "data/runs/", "data/downloads/", "site/"} <= {
            *(PROJECT / name).read_text().split()
        }


def test_nothing_that_the_image_copies_is_ignored() -> None:
    ignored = [
        line.rstrip("/")
        for line in (PROJECT / ".dockerignore").read_text().splitlines()
        if not line.startswith("#")
    ]
    for source in (
        "Makefile",
        "pyproject.toml",
        "requirements.lock",
        "README.md",
        "LICENSE",
        ".binder",
        "lstsr_core",
        "book",
    ):
        assert source not in ignored
