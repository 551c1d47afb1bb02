"""The lock, the project's dependencies and the conda environment name the same versions."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import version
from typing import Any

import yaml

from lstsr_core.base.project import PROJECT

CONDA_NAMES = {"pytorch-cpu": "torch", "matplotlib-base": "matplotlib"}
NOT_IN_LOCK = {"python", "pip", "pymodis"}


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, str]:
    pairs = (line.strip().split("==") for line in (PROJECT / "requirements.lock").read_text().splitlines())
    return {canonical(name): version for name, version in pairs}


def declared() -> set[str]:
    project: dict[str, Any] = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    texts = [
        *project["dependencies"],
        *(text for extra in project["optional-dependencies"].values() for text in extra),
    ]
    return {canonical(re.split(r"[<>=!~ ]", text)[0]) for text in texts}


def conda() -> dict[str, str]:
    entries = yaml.safe_load((PROJECT / "environment.yml").read_text())["dependencies"]
    from_pip = next(entry["pip"] for entry in entries if isinstance(entry, dict))
    texts = [entry for entry in entries if isinstance(entry, str)] + from_pip
    pairs = ([*re.split(r"==?", text), ""] for text in texts)
    return {canonical(CONDA_NAMES.get(name, name)): wanted for name, wanted, *_ in pairs}


def test_the_lock_holds_names_and_exact_versions_only() -> None:
    for line in (PROJECT / "requirements.lock").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9_.]+", line), line


def test_every_declared_dependency_is_locked() -> None:
    assert declared() <= locked().keys()


def test_the_conda_environment_has_the_locked_versions() -> None:
    environment = conda()
    assert environment.keys() - NOT_IN_LOCK == declared()
    assert {name: wanted for name, wanted in environment.items() if name not in NOT_IN_LOCK} == {
        name: locked()[name] for name in declared()
    }


def test_what_is_installed_is_what_is_locked() -> None:
    installed = {name: version(name).partition("+")[0] for name in declared()}
    assert installed == {name: locked()[name] for name in declared()}
