"""Settings files: the committed ones are the paper's, and a wrong one is refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import TRAINING_SETTINGS
from lstsr_core.networks.settings import MODELS, TrainingSettings, read_settings, settings_of

PUBLISHED: dict[str, dict[str, Any]] = {
    "sif-cnn-sr1": {
        "alpha": 0.99,
        "gamma": -0.5,
        "mtf": 0.1,
        "learning_rate": 1e-3,
        "epochs": 100,
        "patience": 30,
    },
    "sif-cnn-sr2": {
        "alpha": 0.5,
        "gamma": -0.25,
        "mtf": 0.1,
        "learning_rate": 1e-4,
        "epochs": 200,
        "patience": 30,
    },
    "sc-unet": {"learning_rate": 1e-4, "epochs": 200, "patience": 20},
}
COMMON = {
    "batch_size": 32, "upsampling": "align-corners", "split": "random", "training_share": 0.6, "seed": 42,
    "keep": "best", "schedule": "constant", "crop": None, "symmetries": False, "jitter": 0,
    "gradient_clip": None, "norm_epochs": None, "gamma_scale": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("model", MODELS)
def test_paper_settings_are_the_published_ones(model: str) -> None:
    settings = settings_of(model, "paper").model_dump()
    for name, value in {**COMMON, **PUBLISHED[model]}.items():
        assert settings[name] == value, name


@pytest.mark.parametrize(
    "path", sorted(TRAINING_SETTINGS.glob("*/*.yaml")), ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_committed_settings_are_of_the_model_they_lie_under(path: Path) -> None:
    assert read_settings(path).model == path.parent.name


def test_each_model_has_settings_for_the_paper_and_for_the_pairs() -> None:
    names = {path.relative_to(TRAINING_SETTINGS).as_posix() for path in TRAINING_SETTINGS.glob("*/*.yaml")}
    assert names == {f"{model}/{data}.yaml" for model in MODELS for data in ("paper", "pairs", "sample")}


def refusal(tmp_path: Path, **values: object) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({"model": "sif-cnn-sr1", **values}))
    with pytest.raises(InputError) as caught:
        read_settings(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message
    return message.removeprefix(f"{path}: ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("alpha", 1.5), ("alpha", "much"), ("alpha", True), ("epochs", 2.5), ("epochs", 0), ("epochs", "10"),
        ("gamma", "scenes"), ("batch_size", 0), ("symmetries", 1), ("crop", 4), ("upsampling", "aligned"),
        ("learning_rate", 0.0), ("mtf", 1.0), ("keep", "first"), ("split", None), ("gradient_clip", -1.0),
        ("training_share", 0.0), ("threads", 0), ("seed", -1),
    ],
)  # fmt: skip
def test_a_mistyped_setting_is_named_with_its_value(tmp_path: Path, name: str, value: object) -> None:
    assert f"setting '{name}' is {value!r}: " in refusal(tmp_path, **{name: value})


def test_an_unknown_setting_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    message = refusal(tmp_path, learning_rat=0.1, epochs=0)
    assert "there is no setting 'learning_rat'; known: model, alpha, gamma" in message
    assert "setting 'epochs' is 0: input should be greater than or equal to 1 (most passes" in message


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"gamma": -6.0}, "'gamma' is -6: expected -5 to 5, or scene"),
        ({"training_share": 1.0}, "needs keep: last and no patience"),
        ({"keep": "last"}, "needs patience: null"),
        ({"schedule": "cosine"}, "needs patience: null"),
        ({"jitter": 2}, "'jitter' is 2: it needs a 'crop'"),
        ({"model": "sc-unet", "crop": 30}, "'crop' is 30: sc-unet needs a multiple of 4"),
    ],
)
def test_settings_that_contradict_each_other_are_told(
    tmp_path: Path, values: dict[str, object], reason: str
) -> None:
    assert reason in refusal(tmp_path, **values)


def test_numbers_as_yaml_writes_them_are_taken(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "model: sif-cnn-sr2\nlearning_rate: 2e-4\ngamma: scene\nalpha: 1\npatience: null\nkeep: last\n"
    )
    settings = read_settings(path)
    assert (settings.learning_rate, settings.gamma, settings.alpha, settings.patience) == (
        2e-4,
        "scene",
        1.0,
        None,
    )
    assert settings == TrainingSettings.check(settings.model_dump(), "again")


@pytest.mark.parametrize("content", ["model: [", "just words", "", "- model\n", None])
def test_files_that_hold_no_settings_are_named(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "mine.yaml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(
        InputError,
        match=(
            r"mine\.yaml(: holds a \w+; expected| is not YAML|: cannot be read|: setting 'model' is missing)"
        ),
    ):
        read_settings(path)


def test_a_file_may_be_named_instead_of_committed_settings(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("model: sc-unet\nepochs: 3\n")
    assert settings_of("sc-unet", str(path)).epochs == 3
    with pytest.raises(
        InputError, match=r"mine\.yaml: holds the settings of sc-unet; expected those of sif-cnn-sr1\.$"
    ):
        settings_of("sif-cnn-sr1", str(path))
    with pytest.raises(InputError, match="mine: cannot be read"):
        settings_of("sc-unet", "mine")
