"""What commands and notebooks load: nothing heavy that they do not use."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import lstsr_core
from lstsr_core.base.project import PROJECT
from lstsr_core.networks.weights_files import PACKAGE_WEIGHTS
from worlds.granules import fields, write_granules

HEAVY = {
    "torch", "torchvision", "piq", "sklearn", "scipy.stats", "scipy.optimize", "scipy.sparse", "matplotlib",
    "cartopy", "pandas", "papermill", "cv2", "IPython", "distributed", "numpy", "rasterio", "xarray",
}  # fmt: skip
ARRAYS = {"numpy", "rasterio"}


def loaded_by(code: str) -> set[str]:
    """The heavy packages that a fresh Python has loaded at the end of some code."""
    after = f"{code}\nimport json, sys\nprint()\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", after], capture_output=True, text=True, check=True, cwd=PROJECT
    )
    return HEAVY & set(json.loads(done.stdout.splitlines()[-1]))


def command(*words: object) -> str:
    """Code that runs a command of `lstsr`."""
    return f"""
from lstsr_core.cli import main
try:
    assert main({[str(word) for word in words]!r}) == 0
except SystemExit as end:
    assert end.code == 0
"""


def test_the_package_s_top_loads_what_is_asked_of_it() -> None:
    assert loaded_by("import lstsr_core\nassert dir(lstsr_core) == sorted(lstsr_core.__all__)") == set()
    assert loaded_by("from lstsr_core import open_granule") == {*ARRAYS, "pandas", "scipy.sparse", "xarray"}
    assert loaded_by("from lstsr_core import predict") == ARRAYS


def test_the_five_names_are_the_functions_that_their_types_say() -> None:
    stub = ast.parse((PROJECT / "lstsr_core" / "__init__.pyi").read_text(encoding="utf-8"))
    typed = {
        alias.asname: node.module
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert list(typed) == ["evaluate", "sharpen", "predict", "open_maps", "open_granule"]
    assert {name: getattr(lstsr_core, name).__module__ for name in lstsr_core.__all__} == typed
    with pytest.raises(AttributeError, match="module 'lstsr_core' has no attribute 'shrapen'"):
        getattr(lstsr_core, "shrapen")  # noqa: B009 - mypy knows it has not


@pytest.mark.parametrize("words", [["--help"], ["evaluate", "--help"]])
def test_help_loads_nothing(words: list[str]) -> None:
    assert loaded_by(command(*words)) == set()


def test_help_that_lists_methods_loads_arrays_alone() -> None:
    assert loaded_by(command("predict", "--help")) <= ARRAYS


def test_a_card_is_read_without_the_network() -> None:
    assert loaded_by(command("card", PACKAGE_WEIGHTS / "sif-cnn-sr1.safetensors")) <= ARRAYS


def test_a_map_loads_what_its_method_works_with(tmp_path: Path) -> None:
    granules = write_granules(tmp_path, *fields())
    pair = [
        "--lst",
        granules.lst,
        "--reflectance",
        granules.reflectance,
        "--out",
        tmp_path / "map.tif",
        "--threads",
        1,
    ]
    assert loaded_by(command("predict", *pair, "--method", "tsharp")) == ARRAYS
    assert loaded_by(command("predict", *pair, "--method", "atprk")) == {
        *ARRAYS,
        "scipy.optimize",
        "scipy.sparse",
    }
    assert loaded_by(command("predict", *pair, "--method", "sif-cnn-sr1")) == {*ARRAYS, "torch"}
    assert (
        {"sklearn"}
        < loaded_by(command("predict", *pair, "--method", "dms"))
        <= HEAVY - {"torch", "matplotlib", "cv2"}
    )


def test_parameters_and_order_of_the_notebooks_load_no_solver_and_no_network() -> None:
    assert loaded_by("import lstsr_core.stages.order") <= ARRAYS


def test_the_notebook_on_structure_loads_the_network_and_what_draws_it() -> None:
    code = "from lstsr_core.stages import structure\nfrom lstsr_core.stages.parameters import Structure"
    assert loaded_by(code) == {*ARRAYS, "torch", "matplotlib", "pandas", "IPython"}
