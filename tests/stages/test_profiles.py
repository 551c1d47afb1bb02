"""Profiles: a file says what differs, for one notebook or all, by names that notebooks have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import PROJECT
from lstsr_core.stages import profiles
from lstsr_core.stages.parameters import BY_NOTEBOOK
from lstsr_core.stages.profiles import SHOWN, check_profile, profile_names, read_profile

PAPER: dict[str, dict[str, Any]] = {
    "01_download": {"source": "published"},
    "02_patches": {"source": "pairs"},
    "03_training": {"models": [], "settings": "paper"},
    "10_ablation": {
        "epochs": 25, "alphas": [0.9, 0.95, 0.97, 0.98], "gammas": [-0.25, -0.5, -0.75, -1.0],
        "upsamplings": ["align-corners"], "folds": 5,
    },
    "13_better_map": {"results": "data/better_map"},
}  # fmt: skip
"""What the paper edition's notebooks have otherwise than in their cells,
beside the published weights and the directory."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(profiles, "PARAMETERS", tmp_path)
    return tmp_path


def refusal(folder: Path, text: str) -> str:
    (folder / "mine.yaml").write_text(text)
    with pytest.raises(InputError) as caught:
        check_profile("mine", {})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_profiles_are_the_files() -> None:
    assert (
        profile_names()
        == sorted(SHOWN)
        == [path.stem for path in sorted((PROJECT / "data" / "params").iterdir())]
    )


@pytest.mark.parametrize("name", BY_NOTEBOOK)
def test_the_sample_is_the_notebooks_as_they_are(name: str) -> None:
    assert check_profile("sample", {})[name] == BY_NOTEBOOK[name]()


@pytest.mark.parametrize("name", BY_NOTEBOOK)
def test_the_paper_differs_in_what_its_file_says(name: str) -> None:
    values = {"run_directory": "data/runs/paper", **PAPER.get(name, {})}
    if "weights_directory" in BY_NOTEBOOK[name].model_fields:
        values["weights_directory"] = "01_download/weights"
    assert check_profile("paper", {})[name] == BY_NOTEBOOK[name].check(values)


def test_no_profile_repeats_what_is_so_anyway() -> None:
    for profile in SHOWN:
        written = yaml.safe_load((PROJECT / "data" / "params" / f"{profile}.yaml").read_text()) or {}
        for name, value in written.items():
            for parameter, content in value.items() if name in BY_NOTEBOOK else [(name, value)]:
                models = [BY_NOTEBOOK[name]] if name in BY_NOTEBOOK else BY_NOTEBOOK.values()
                fields = [
                    model.model_fields[parameter] for model in models if parameter in model.model_fields
                ]
                assert any(field.default != content for field in fields), f"{profile}: {name}, {parameter}"


def test_a_profile_of_ones_own_runs_in_a_folder_of_its_name(folder: Path) -> None:
    (folder / "mine.yaml").write_text(
        "seed: 7\n05_fourier:\n  methods: [bicubic]\n  pairs: [057, 57]\n03_training: {seed: 8}\n"
    )
    checked = check_profile("mine", {"05_fourier": {"methods": ["tsharp"]}})
    assert {parameters.run for parameters in checked.values()} == {PROJECT / "data" / "runs" / "mine"}
    assert checked["01_download"].model_dump()["seed"] == 7
    # What stands below the notebook's name counts for it.
    assert checked["03_training"].model_dump()["seed"] == 8
    assert checked["05_fourier"].model_dump()["methods"] == ["tsharp"]
    assert checked["05_fourier"].model_dump()["pairs"] == ["057", "57"]


def test_a_file_of_comments_alone_changes_nothing(folder: Path) -> None:
    (folder / "mine.yaml").write_text("# Nothing.\n05_fourier:\n")
    assert read_profile("mine") == {name: {"run_directory": "data/runs/mine"} for name in BY_NOTEBOOK}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "05_spectra: {seed: 1}\n",
            "'05_spectra' is neither a notebook nor a parameter of one; the notebooks are 0",
        ),
        ("seeds: 1\n", "mine.yaml: 'seeds' is neither a notebook nor a parameter of one"),
        (
            "03_training: {epoch: 1, 5: 6}\n",
            "mine.yaml: 03_training: unknown parameter '5, epoch'; it has: run_directory, ",
        ),
        ("03_training: [epochs]\n", "mine.yaml: 03_training holds a list; expected lines of 'name: value'."),
        (
            "03_training: {epochs: many}\n",
            "03_training: parameter 'epochs' is 'many': input should be a valid integer",
        ),
        (
            "run_directory: data/runs/other\n",
            "'run_directory' is 'data/runs/other'; this profile's run lives in ",
        ),
    ],
)
def test_what_is_wrong_is_one_line(folder: Path, text: str, message: str) -> None:
    assert message in refusal(folder, text)


@pytest.mark.parametrize("name", ["tiny", "../params/sample", "", "sample.yaml"])
def test_what_is_no_profile_is_told_those_that_are(name: str) -> None:
    with pytest.raises(
        InputError,
        match=rf"'{name}' is no profile; the profiles are paper, sample\. A file .*NAME\.yaml makes",
    ):
        read_profile(name)
