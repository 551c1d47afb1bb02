"""Which notebooks a changed module makes the runner run again: those whose imports reach it."""

from __future__ import annotations

import ast
import json
from functools import cache
from pathlib import Path

import pytest

from lstsr_core.base.project import PROJECT
from worlds.project_copy import NAMES, ProjectCopy, copy_project
from worlds.wings import WINGS

TOUCHED = {
    "base": "base.memory", "geo": "geo.shorelines", "metrics": "metrics.perceptual", "modis": "modis.water",
    "pairs": "pairs.scenes", "simulation": "simulation.scenes", "download": "download.mirror",
    "patches": "patches.splits", "networks": "networks.unet", "sharpening": "sharpening.kriging",
    "evaluation": "evaluation.spectra", "figures": "figures.architecture", "maps": "maps.validity",
    "stages": "stages.findings",
}  # fmt: skip
"""A module of each wing."""

READERS = {
    "download.mirror": {"01_download", "14_your_map"}, "stages.findings": {"08_findings"},
    "figures.architecture": {"12_structure"}, "cli": set(), "runner": set(), "stages.profiles": set(),
}  # fmt: skip
"""What anybody can see without a list of imports."""

# A run on record without running it: a file for each notebook, then a line
# more in each module, and what is planned of it.
PLAN = """
import json, sys
from lstsr_core.base.fingerprint import digests, read_records, write_records
from lstsr_core.base.project import PROJECT, RUNS
from lstsr_core.runner import is_unchanged, plan
from lstsr_core.stages.profiles import check_profile
run, checked = RUNS / "sample", check_profile("sample", {})
for name, parameters in checked.items():
    (run / name).mkdir(parents=True)
    (run / name / "result.csv").write_text(name)
    record = {**plan(run, parameters), "outputs": digests([run / name], run)}
    write_records(run, {**read_records(run), name: record})
def stale():
    return [name for name, values in checked.items() if not is_unchanged(run, name, plan(run, values))]
answers = {"": stale()}
for module in sys.argv[1:]:
    path = (PROJECT / "lstsr_core").joinpath(*module.split(".")).with_suffix(".py")
    whole = path.read_text()
    path.write_text(whole + "# One line more.\\n")
    answers[module] = stale()
    path.write_text(whole)
print(json.dumps(answers))
"""


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """Module with a line more → the notebooks that the runner would then run."""
    copy: ProjectCopy = copy_project(tmp_path_factory.mktemp("reruns") / "project")
    completed = copy.python(PLAN, *dict.fromkeys([*TOUCHED.values(), *READERS]))
    assert completed.returncode == 0, completed.stderr
    return {module: set(names) for module, names in json.loads(completed.stdout).items()}


def file_of(module: str) -> Path | None:
    path = PROJECT.joinpath(*module.split("."))
    return next((file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None)


@cache
def imported(source: str) -> set[str]:
    """Modules of the package that a source names, read here from its syntax alone."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names)}
    return {name for name in names if name.startswith("lstsr_core.") and file_of(name)}


@cache
def reached(notebook: str) -> set[str]:
    """Every module that a notebook's cells import, directly or through others."""
    cells = json.loads((PROJECT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8"))["cells"]
    waiting = {
        name for cell in cells if cell["cell_type"] == "code" for name in imported("".join(cell["source"]))
    }
    modules: set[str] = set()
    while waiting:
        module = waiting.pop()
        modules.add(module)
        waiting |= imported(file_of(module).read_text(encoding="utf-8")) - modules  # type: ignore[union-attr]
    return modules


def test_each_wing_has_a_module_here() -> None:
    assert list(TOUCHED) == WINGS
    assert all(module.startswith(f"{wing}.") for wing, module in TOUCHED.items())


def test_without_a_change_nothing_is_run(planned: dict[str, set[str]]) -> None:
    assert planned[""] == set()


@pytest.mark.parametrize("wing", WINGS)
def test_a_changed_module_reruns_the_notebooks_that_reach_it_and_no_other(
    wing: str, planned: dict[str, set[str]]
) -> None:
    module = TOUCHED[wing]
    readers = {name for name in NAMES if f"lstsr_core.{module}" in reached(name)}
    assert planned[module] == readers
    assert readers, f"no notebook imports {module}; touch another module of the wing"


@pytest.mark.parametrize("module", READERS)
def test_modules_of_one_notebook_or_none_rerun_that_alone(module: str, planned: dict[str, set[str]]) -> None:
    assert planned[module] == READERS[module]
