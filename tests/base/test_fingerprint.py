"""Provenance: every record is true, and nothing of when and where a run was made gets into its results."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import struct
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstsr_core.base.errors import InputError
from lstsr_core.base.fingerprint import (
    code_of,
    digests,
    fingerprint,
    identity,
    key,
    plain,
    read_records,
    sha256,
    sha256_of_numbers,
    versions,
    write_records,
)
from lstsr_core.base.project import PROJECT
from lstsr_core.stages.parameters import BY_NOTEBOOK
from worlds.project_copy import NAMES, Interrupted, ProjectCopy

UPSTREAM = (
    {
        "02_patches": ["01_download"],
        "03_training": ["01_download", "02_patches"],
        "10_ablation": ["01_download"],
    }
    | {name: ["01_download"] for name in ("04_sharpening", "07_map")}
    | {
        name: ["01_download", "04_sharpening"]
        for name in ("05_fourier", "06_aster_evaluation", "08_findings", "13_better_map")
    }
    | {"11_atlas": ["01_download", "04_sharpening", "06_aster_evaluation"]}
    | {"12_structure": NAMES[:-1]}
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def files_below(run: Path, names: list[str]) -> dict[str, str]:
    files = (path for name in names for path in (run / name).rglob("*") if path.is_file())
    return {path.relative_to(run).as_posix(): sha256_of(path) for path in files}


@pytest.mark.parametrize("name", NAMES)
def test_records_say_what_a_notebook_was_made_of(undisturbed: ProjectCopy, name: str) -> None:
    record = undisturbed.records()[name]
    noted = {"parameters", "seed", "inputs", "outputs", "git_revision", "versions", "fingerprint", "seconds"}
    assert set(record) == noted
    assert record["inputs"] == files_below(undisturbed.run_directory, UPSTREAM.get(name, []))
    assert record["outputs"] == files_below(undisturbed.run_directory, [name])
    assert set(record["parameters"]) == set(BY_NOTEBOOK[name].model_fields)
    assert record["seed"] == record["parameters"].get("seed")
    assert record["seconds"] > 0.1
    assert {"numpy", "torch", "rasterio", "papermill"} <= record["versions"].keys()
    assert all(number == version(package) for package, number in record["versions"].items())


def test_records_hold_the_parameters_that_were_set(undisturbed: ProjectCopy) -> None:
    records = undisturbed.records()
    assert (
        records["01_download"]["parameters"]["windows"],
        records["03_training"]["parameters"]["epochs"],
    ) == (2, 1)
    assert records["01_download"]["seed"] == 42


def results_as_text(copy: ProjectCopy) -> dict[str, str]:
    texts = {
        name: content.decode()
        for name, content in copy.results().items()
        if Path(name).suffix in (".csv", ".json", ".geojson")
    }
    assert len(texts) >= 12
    return texts


def test_results_hold_no_paths_hosts_or_times(undisturbed: ProjectCopy) -> None:
    patterns = [
        re.compile(r"(?:^|[\s\"',;=(])(?:/[\w.+-]+){2,}", re.MULTILINE),
        re.compile(r"\b[A-Za-z]:\\"),
        re.compile(r"\b\d{1,2}:\d{2}(?::\d{2})?\b"),
        re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}"),
        re.compile(rf"\b{re.escape(platform.node())}\b") if platform.node() else None,
    ]
    for name, text in results_as_text(undisturbed).items():
        quotes = [match[0] for pattern in patterns if pattern is not None for match in pattern.finditer(text)]
        assert quotes == [], name


def test_two_copies_give_the_same_tables(undisturbed: ProjectCopy, interrupted: Interrupted) -> None:
    ours, theirs = results_as_text(undisturbed), results_as_text(interrupted.copy)
    assert undisturbed.root != interrupted.copy.root
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if ours[name] != theirs[name]] == []


def test_two_copies_give_the_same_weights(undisturbed: ProjectCopy, interrupted: Interrupted) -> None:
    weights = "03_training/weights/sif-cnn-sr1.safetensors"
    assert undisturbed.results()[weights] == interrupted.copy.results()[weights]


def test_the_revision_is_the_commit_and_tells_of_changes(undisturbed: ProjectCopy, tmp_path: Path) -> None:
    copy = undisturbed.clone(tmp_path / "project")
    asked = "from lstsr_core.base.fingerprint import git_revision; print(git_revision())"
    assert copy.python(asked).stdout == "unknown\n"

    def git(*arguments: str) -> str:
        identity = [
            "-c",
            "user.name=Somebody",
            "-c",
            "user.email=somebody@example.org",
            "-c",
            "commit.gpgsign=false",
        ]
        return subprocess.run(
            ["git", *identity, *arguments], cwd=copy.root, check=True, capture_output=True, text=True
        ).stdout

    git("init", "--quiet")
    git("add", "pyproject.toml")
    git("commit", "--quiet", "--message", "Begin")
    commit = git("rev-parse", "HEAD").strip()
    assert copy.python(asked).stdout == f"{commit}\n"
    (copy.root / "pyproject.toml").write_text("# Changed.\n")
    assert copy.python(asked).stdout == f"{commit}+changes\n"


def test_versions_are_those_installed() -> None:
    assert versions()["numpy"] == version("numpy")


def test_digests_name_files_by_path_and_read_through_links(tmp_path: Path) -> None:
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "a" / "deep" / "x.csv").write_text("1\n")
    (tmp_path / "elsewhere").write_text("2\n")
    (tmp_path / "a" / "linked.csv").symlink_to(tmp_path / "elsewhere")
    sums = digests([tmp_path / "a", tmp_path / "b"], tmp_path)
    assert sums == {
        "a/deep/x.csv": hashlib.sha256(b"1\n").hexdigest(),
        "a/linked.csv": hashlib.sha256(b"2\n").hexdigest(),
    }
    assert digests([tmp_path / "absent"], tmp_path) == {}


@given(JSON_VALUES, JSON_VALUES)
def test_fingerprints_differ_where_their_parts_do(one: Any, other: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (fingerprint(one) == fingerprint(other)) is same
    assert (fingerprint(one, other) == fingerprint(other, one)) is same


def test_fingerprints_do_not_depend_on_the_order_of_keys() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


def test_fingerprints_are_those_that_weights_files_on_disk_tell() -> None:
    """A card's origin is compared with a new one: another way to write the parts would disown every file."""
    expected = hashlib.sha256(b'[{"a": 1, "b": [0.5, null]}, ["x"]]').hexdigest()
    assert fingerprint({"b": (0.5, None), "a": 1}, ["x"]) == expected
    assert key({"b": (0.5, None), "a": 1}, ["x"]) == expected[:16]


def test_files_and_folders_count_by_content_wherever_they_lie(tmp_path: Path) -> None:
    for folder, number in (("a", 1), ("b", 1), ("c", 2)):
        (tmp_path / folder / "deep").mkdir(parents=True)
        (tmp_path / folder / "deep" / "x.csv").write_text(f"{number}\n")
    here, moved, changed = (tmp_path / folder for folder in "abc")
    assert fingerprint(here) == fingerprint(moved) != fingerprint(changed)
    file = Path("deep/x.csv")
    assert fingerprint(here / file) == fingerprint(moved / file) != fingerprint(changed / file)
    digest = hashlib.sha256(b"1\n").hexdigest()
    assert plain({"w": here, "f": here / file, "no": tmp_path / "none", "t": (1, 2)}) == {
        "w": {"deep/x.csv": digest}, "f": digest, "no": str(tmp_path / "none"), "t": [1, 2],
    }  # fmt: skip


def test_numbers_count_in_single_precision_row_by_row() -> None:
    values = np.arange(6.0).reshape(2, 3)
    digest = hashlib.sha256(struct.pack("<6f", *range(6))).hexdigest()
    assert sha256_of_numbers(values) == sha256_of_numbers(np.asfortranarray(values)) == digest
    assert sha256_of_numbers(values.astype(">f4")) == digest != sha256_of_numbers(values.T)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for look in (sha256, identity):
        with pytest.raises(InputError, match=r"none\.tif: cannot be read \(No such file or directory\)"):
            look(tmp_path / "none.tif")


def test_records_round_trip(tmp_path: Path) -> None:
    assert read_records(tmp_path) == {}
    records: dict[str, dict[str, Any]] = {
        "01_download": {"seconds": 1.5, "inputs": {"é": "00"}, "seed": None}
    }
    write_records(tmp_path, records)
    assert read_records(tmp_path) == records


@pytest.mark.parametrize("content", ["", "{", '{"01_download": {"seed": 4'])
def test_damaged_records_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "provenance.json").write_text(content)
    with pytest.raises(InputError, match=r"provenance\.json: not readable as JSON .* delete it"):
        read_records(tmp_path)


def test_a_full_disk_leaves_the_previous_records(
    tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    write_records(tmp_path, {"01_download": {"seed": 42}})
    with full_disk(100), pytest.raises(InputError, match=r"provenance\.json: cannot be written"):
        write_records(tmp_path, {name: {"seed": 42} for name in NAMES})
    assert read_records(tmp_path) == {"01_download": {"seed": 42}}
    assert [path.name for path in tmp_path.iterdir()] == ["provenance.json"]


def test_the_code_of_a_notebook_is_what_it_imports_directly_or_through_others() -> None:
    code = code_of(
        [
            "from lstsr_core.stages import fourier as fourier_stages\nfrom lstsr_core.stages.parameters"
            " import Fourier"
        ]
    )
    names = ("stages.fourier", "stages.common", "figures.panels", "metrics.fourier", "sharpening.kriging")
    assert {f"lstsr_core.{name}" for name in names} <= code.keys()
    source = (PROJECT / "lstsr_core" / "metrics" / "fourier.py").read_bytes()
    assert code["lstsr_core.metrics.fourier"] == hashlib.sha256(source).hexdigest()
    others = ("cli", "runner", "stages.findings", "stages.map")
    assert not {f"lstsr_core.{name}" for name in others} & code.keys()


def test_an_import_inside_a_function_counts_and_a_name_in_a_string_does_not() -> None:
    assert "lstsr_core.modis.quality" in code_of(
        ["def f():\n    from lstsr_core.modis.quality import decode"]
    )
    assert code_of(["import numpy", "name = 'lstsr_core.modis.quality'"]) == {}


def test_a_name_of_the_package_s_top_counts_as_the_module_that_it_comes_from() -> None:
    module = code_of(["from lstsr_core.modis.dataset import open_granule"])
    assert code_of(["from lstsr_core import open_granule"]) == module
    assert "lstsr_core.evaluation.table" not in module
    whole = code_of(["import lstsr_core\nlstsr_core.open_granule('x')"])
    assert {"lstsr_core.evaluation.table", "lstsr_core.maps.stack"} < whole.keys() > module.keys()


@pytest.mark.parametrize(
    "source",
    [
        "import lstsr_core.nothing",
        "from lstsr_core import nothing",
        "from lstsr_core.nothing import qc",
        "import lstsr_core.modis.quality.x",
    ],
)  # fmt: skip
def test_a_module_that_there_is_not_is_an_error_and_never_passed_over(source: str) -> None:
    with pytest.raises(
        InputError, match=r"'lstsr_core\.[a-z.]+' is imported, and is no module of the package"
    ):
        code_of([source])


def test_every_notebook_imports_modules_that_there_are() -> None:
    for path in sorted((PROJECT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        code = code_of("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        assert len(code) > 20 and all(name.startswith("lstsr_core.") for name in code), path.name
