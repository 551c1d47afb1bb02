"""Where the project's files are, wherever a command was started."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import lstsr_core
from lstsr_core.base import project
from lstsr_core.base.fingerprint import sha256
from lstsr_core.base.project import PROJECT, resolve


def test_the_project_is_the_directory_that_holds_the_package() -> None:
    assert (PROJECT / "lstsr_core" / "__init__.py").samefile(str(lstsr_core.__file__))
    assert (PROJECT / "pyproject.toml").is_file()


@pytest.mark.parametrize(
    "path", [project.NOTEBOOKS, project.PARAMETERS, project.REGISTRY, project.TRAINING_CURVES], ids=str
)
def test_what_the_project_needs_is_there(path: Path) -> None:
    assert path.exists()


def test_paths_are_resolved_below_the_project_from_any_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert resolve("data/runs/sample") == PROJECT / "data" / "runs" / "sample"
    assert resolve(str(tmp_path / "run")) == tmp_path / "run"
    assert resolve("data/runs").is_absolute()


@given(st.binary(max_size=4096))
def test_digests_are_hashlibs(content: bytes) -> None:
    with tempfile.NamedTemporaryFile() as stream:
        stream.write(content)
        stream.flush()
        assert sha256(Path(stream.name)) == hashlib.sha256(content).hexdigest()
