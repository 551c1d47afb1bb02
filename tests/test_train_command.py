"""``lstsr train``: from pairs or patches to weights that ``lstsr evaluate`` takes; bad input is one line."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from affine import Affine

from lstsr_core.geo.grid import COARSE_PIXEL_M
from lstsr_core.networks import weights_files as networks
from lstsr_core.networks.settings import MODELS
from lstsr_core.networks.weights import load_model
from lstsr_core.pairs.pair import Pair, write_pair
from lstsr_core.patches.patch import pair_patches, write_patches

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def pairs(tmp_path: Path, synthetic_pair: Pair) -> Path:
    """Three pairs that lie apart; only the first one's ASTER lies on its ground."""
    for number, pair_id in enumerate(("3", "5", "12")):
        east = Affine.translation(150 * number * COARSE_PIXEL_M, 0.0)
        lst = replace(synthetic_pair.lst, transform=east @ synthetic_pair.lst.transform)
        ndvi = replace(synthetic_pair.ndvi, transform=east @ synthetic_pair.ndvi.transform)
        write_pair(Pair(pair_id, lst, ndvi, synthetic_pair.aster), tmp_path / "pairs")
    return tmp_path / "pairs"


def settings_file(tmp_path: Path, model: str = "sc-unet", **values: object) -> Path:
    content = {
        "model": model,
        "batch_size": 2,
        "epochs": 2,
        "threads": 1,
        "training_share": 1.0,
        "keep": "last",
        **values,
    }
    path = tmp_path / f"{model}.yaml"
    path.write_text("patience: null\n" + "".join(f"{name}: {value}\n" for name, value in content.items()))
    return path


def test_one_network_is_trained_on_all_pairs(lstsr: Command, pairs: Path, tmp_path: Path) -> None:
    for path in pairs.glob("*_aster_250m.tif"):
        path.write_bytes(b"must not be read")
    arguments = [
        "train",
        "--model",
        "sc-unet",
        "--settings",
        settings_file(tmp_path),
        "--pairs",
        pairs,
        "--out",
        tmp_path / "w",
    ]
    assert lstsr(*arguments) == (0, f"{tmp_path / 'w'}: sc-unet trained\n", "")
    card = load_model(tmp_path / "w" / "sc-unet.safetensors").card
    assert card["data"]["source"] == "MODIS side of 3 ASTER–MODIS pairs, aligned"
    assert (card["settings"]["epochs"], card["epochs_run"]) == (2, 2)


def test_folds_are_trained_and_evaluated_by_what_has_not_seen_them(
    lstsr: Command, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "folds"
    train = [
        "train",
        "--model",
        "sc-unet",
        "--settings",
        settings_file(tmp_path),
        "--pairs",
        pairs,
        "--out",
        out,
    ]
    assert lstsr(*train, "--folds", "3")[0] == 0
    table = pd.read_csv(out / "folds.csv")
    assert sorted(table["fold"]) == [0, 1, 2] and table["scene"].tolist() == [3, 5, 12]
    opened = []
    monkeypatch.setattr(
        "lstsr_core.networks.weights.load_model", lambda path: opened.append(path) or load_model(path)
    )
    evaluate = [
        "evaluate",
        "--pairs",
        pairs,
        "--methods",
        "sc-unet",
        "--weights",
        out,
        "--out",
        tmp_path / "metrics.csv",
    ]
    assert lstsr(*evaluate, "--keep-going")[0] == 0
    expected = [out / f"fold{fold}" / "sc-unet.safetensors" for fold in table["fold"]]
    assert opened[-3:] == expected  # before them, the command may have looked whether each can be read


def test_a_command_given_again_goes_on_or_starts_afresh(lstsr: Command, pairs: Path, tmp_path: Path) -> None:
    out = tmp_path / "w"
    arguments = ["train", "--model", "sc-unet", "--pairs", pairs, "--out", out, "--settings"]
    assert lstsr(*arguments, settings_file(tmp_path))[0] == 0
    weights = (out / "sc-unet.safetensors").read_bytes()
    assert lstsr(*arguments, settings_file(tmp_path))[0] == 0
    assert (out / "sc-unet.safetensors").read_bytes() == weights
    other = settings_file(tmp_path, seed=3)
    code, _, errors = lstsr(*arguments, other)
    assert code == 1 and "comes from a training with other settings" in errors
    assert (out / "sc-unet.safetensors").read_bytes() == weights
    assert lstsr(*arguments, other, "--no-resume")[0] == 0
    assert (out / "sc-unet.safetensors").read_bytes() != weights


def test_patches_train_from_one_mapped_file(lstsr: Command, pairs: Path, tmp_path: Path) -> None:
    patches, out = tmp_path / "patches", tmp_path / "w"
    write_patches(pair_patches(pairs, 0.0), patches, 0.6, 1).to_csv(patches / "patches.csv", index=False)
    arguments = ["--model", "sif-cnn-sr1", "--settings", settings_file(tmp_path, "sif-cnn-sr1", epochs=1)]
    assert lstsr("train", *arguments, "--patches", patches, "--out", out)[0] == 0
    assert load_model(out / "sif-cnn-sr1.safetensors").card["data"]["source"] == "3 patches of MODIS granules"
    assert (out / "ndvi.npy").is_file()


def test_threads_of_the_settings_may_be_overruled(lstsr: Command, pairs: Path, tmp_path: Path) -> None:
    arguments = [
        "--model",
        "sc-unet",
        "--settings",
        settings_file(tmp_path, threads=7),
        "--pairs",
        pairs,
        "--out",
        tmp_path / "w",
    ]
    assert lstsr("train", *arguments, "--threads", "1")[0] == 0
    assert load_model(tmp_path / "w" / "sc-unet.safetensors").card["settings"]["threads"] == 1


def test_evaluate_takes_the_packages_weights_where_none_are_named(
    lstsr: Command, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [
        "evaluate",
        "--pairs",
        pairs,
        "--methods",
        "sc-unet",
        "--out",
        tmp_path / "metrics.csv",
        "--keep-going",
    ]
    monkeypatch.setattr(networks, "PACKAGE_WEIGHTS", tmp_path / "package")
    assert "weights missing" in lstsr(*arguments)[2]
    train = [
        "train",
        "--model",
        "sc-unet",
        "--settings",
        settings_file(tmp_path),
        "--pairs",
        pairs,
        "--out",
        tmp_path / "package",
    ]
    assert lstsr(*train)[0] == 0
    assert "weights missing" not in lstsr(*arguments)[2]
    assert pd.read_csv(tmp_path / "metrics.csv")["status"].iloc[0] == "ok"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", "sif"], f"unknown model 'sif'; known models: {', '.join(MODELS)} (or all)."),
        (["--settings", "papers"], "papers: cannot be read (No such file"),
        (["--threads", "0"], "--threads is 0; expected 1 to 256."),
        (
            ["--model", "sc-unet", "--folds", "9", "--settings", "paper"],
            "9 folds are asked for; expected 2 to 3",
        ),
        (["--pairs", "nowhere"], "nowhere: no such directory; expected ASTER–MODIS pairs there."),
    ],
)
def test_wrong_arguments_are_one_line_and_leave_nothing(
    lstsr: Command, pairs: Path, tmp_path: Path, arguments: list[str], message: str
) -> None:
    words = arguments if "--pairs" in arguments else [*arguments, "--pairs", str(pairs)]
    code, output, errors = lstsr("train", *words, "--out", tmp_path / "w")
    assert code == 1 and output == ""
    assert re.fullmatch(r"lstsr: [^\n]+\n", errors) and message in errors
    assert not (tmp_path / "w").exists()


def test_folds_need_pairs(lstsr: Command, tmp_path: Path) -> None:
    code, _, errors = lstsr(
        "train", "--patches", tmp_path, "--out", tmp_path / "w", "--folds", "3", "--settings", "paper"
    )
    assert code == 1 and "--folds needs --pairs" in errors


def test_settings_of_another_model_are_refused(lstsr: Command, pairs: Path, tmp_path: Path) -> None:
    arguments = [
        "--model",
        "all",
        "--settings",
        settings_file(tmp_path),
        "--pairs",
        pairs,
        "--out",
        tmp_path / "w",
    ]
    code, _, errors = lstsr("train", *arguments)
    assert code == 1 and "holds the settings of sc-unet; expected those of sif-cnn-sr1" in errors


def test_stopping_it_says_how_to_go_on(
    lstsr: Command, pairs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lstsr_core.networks.cross_validation.train", stopped)
    arguments = [
        "--model",
        "sc-unet",
        "--settings",
        settings_file(tmp_path),
        "--pairs",
        pairs,
        "--out",
        tmp_path / "w",
    ]
    assert lstsr("train", *arguments) == (130, "", "lstsr: stopped; the same command goes on where it was\n")
