"""Weights from settings: one network, or one a fold; a scene gets the one that has not seen it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import PROJECT
from lstsr_core.geo.operators import upsample
from lstsr_core.networks import cross_validation
from lstsr_core.networks.cross_validation import CHECKPOINT, cross_validate, forget, split, train_weights
from lstsr_core.networks.data import TrainingData
from lstsr_core.networks.settings import TrainingSettings
from lstsr_core.networks.weights import load_model
from lstsr_core.pairs.pair import Pair, align
from lstsr_core.patches.splits import random_split
from lstsr_core.sharpening.methods import Options, sharpen_pair

LAST = {"keep": "last", "patience": None, "training_share": 1.0}


def settings(**values: object) -> TrainingSettings:
    return TrainingSettings.check(
        {"model": "sc-unet", "batch_size": 2, "epochs": 2, "threads": 1, "seed": 1, **LAST, **values}, "test"
    )


def data(seed: int = 0) -> TrainingData:
    """Seven scenes in four groups."""
    random = np.random.default_rng(seed)
    lst_k, ndvi = random.normal(300.0, 8.0, (7, 16, 16)), random.uniform(-0.1, 0.9, (7, 64, 64))
    groups = np.array([0, 0, 1, 2, 2, 3, 1])
    return TrainingData([f"pair_{10 + i}" for i in range(7)], lst_k.astype("f4"), ndvi.astype("f4"), groups)


def card(path: Path) -> dict[str, object]:
    return load_model(path).card


def test_each_fold_is_trained_without_the_pairs_it_judges(tmp_path: Path) -> None:
    table = cross_validate(data(), settings(), 3, tmp_path, "a test")
    assert table["scene"].tolist() == [str(10 + i) for i in range(7)]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "folds.csv", dtype={"scene": str}), table)
    assert all(group["fold"].nunique() == 1 for _, group in table.groupby(data().groups))
    for fold in range(3):
        held_out = np.flatnonzero(table["fold"] == fold)
        others = np.flatnonzero(table["fold"] != fold)
        model = load_model(tmp_path / f"fold{fold}" / "sc-unet.safetensors")
        assert model.statistics == data().statistics(others)
        expected = {"source": "a test", "fold": fold, "folds": 3, "training_patches": len(others)}
        assert expected.items() <= model.card["data"].items()
        assert model.card["data"]["not_seen"] == table["scene"][held_out].tolist()
        # It is bit for bit the network of a training that has the others only.
        alone = data()
        kept = TrainingData(
            [alone.names[i] for i in others], alone.lst_k[others], alone.ndvi[others], alone.groups[others]
        )
        train_weights(kept, settings(), tmp_path / f"alone{fold}", "a test")
        trained = load_model(tmp_path / f"alone{fold}" / "sc-unet.safetensors").network.state_dict()
        assert all(torch.equal(trained[name], tensor) for name, tensor in model.network.state_dict().items())


def test_where_the_best_epoch_is_kept_it_is_chosen_on_none_of_the_pairs_it_judges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    train = cross_validation.train

    def noted(data: TrainingData, training: np.ndarray, validation: np.ndarray, *rest: object) -> object:
        seen.append((set(training.tolist()), set(validation.tolist())))
        return train(data, training, validation, *rest)

    monkeypatch.setattr(cross_validation, "train", noted)
    table = cross_validate(
        data(), settings(keep="best", patience=3, training_share=0.6), 3, tmp_path, "a test"
    )
    for fold, (training, validation) in enumerate(seen):
        held_out = set(np.flatnonzero(table["fold"] == fold).tolist())
        assert training and validation and not training & validation
        assert training | validation == set(range(7)) - held_out
        groups = data().groups
        assert not {groups[i] for i in training} & {groups[i] for i in validation}


def test_a_fold_that_is_trained_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cross_validate(data(), settings(), 3, tmp_path, "a test")
    files = sorted(path for path in tmp_path.rglob("*") if path.is_file())
    before = [path.read_bytes() for path in files]
    monkeypatch.setattr(torch.optim.Adam, "step", None)
    cross_validate(data(), settings(), 3, tmp_path, "a test")
    assert [path.read_bytes() for path in files] == before


def test_weights_of_another_training_are_not_overwritten(tmp_path: Path) -> None:
    train_weights(data(), settings(), tmp_path, "a test")
    before = (tmp_path / "sc-unet.safetensors").read_bytes()
    for other_data, other in ((data(1), settings()), (data(), settings(seed=2))):
        with pytest.raises(
            InputError, match=r"sc-unet\.safetensors: comes from a training with other settings or patches"
        ):
            train_weights(other_data, other, tmp_path, "a test")
    assert (tmp_path / "sc-unet.safetensors").read_bytes() == before


def test_a_model_is_forgotten_alone(tmp_path: Path) -> None:
    kept = [
        tmp_path / "sif-cnn-sr1.safetensors",
        tmp_path / "folds.csv",
        tmp_path / "other" / "sc-unet.safetensors",
    ]
    gone = [
        folder / f"sc-unet.{end}"
        for folder in (tmp_path, tmp_path / "fold3")
        for end in ("safetensors", CHECKPOINT)
    ]
    for path in (*kept, *gone):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    forget("sc-unet", tmp_path)
    assert all(path.exists() for path in kept) and not any(path.exists() for path in gone)


def test_two_models_share_their_folds(tmp_path: Path) -> None:
    cross_validate(data(), settings(), 2, tmp_path, "a test")
    cross_validate(data(), settings(model="sif-cnn-sr2", epochs=1), 2, tmp_path, "a test")
    assert {path.stem for path in (tmp_path / "fold1").glob("*.safetensors")} == {"sc-unet", "sif-cnn-sr2"}


@pytest.mark.parametrize(("folds", "seed"), [(2, 1), (3, 2)])
def test_other_folds_in_the_same_directory_are_refused(tmp_path: Path, folds: int, seed: int) -> None:
    cross_validate(data(), settings(epochs=1), 3, tmp_path, "a test")
    with pytest.raises(InputError, match=r"folds\.csv: holds other folds\. Take another directory"):
        cross_validate(data(), settings(epochs=1, seed=seed), folds, tmp_path, "a test")


def test_one_network_is_trained_on_all_and_its_card_tells_how(tmp_path: Path) -> None:
    train_weights(data(), settings(), tmp_path, "a test")
    assert {path.name for path in tmp_path.iterdir()} == {"sc-unet.safetensors", "sc-unet.curves.csv"}
    curves = pd.read_csv(tmp_path / "sc-unet.curves.csv")
    facts = card(tmp_path / "sc-unet.safetensors")
    assert facts["data"] == {"source": "a test", "training_patches": 7, "validation_patches": 0}
    assert facts["settings"] == json.loads(json.dumps(settings().model_dump()))
    assert (facts["model"], facts["epoch"], facts["epochs_run"], facts["licence"]) == ("sc-unet", 2, 2, "MIT")
    assert facts["metrics"]["train_loss"] == pytest.approx(curves["train_loss"].iloc[-1], abs=1e-8)
    assert "val_loss" not in facts["metrics"]
    assert facts["statistics"]["lst_mean_k"] == data().statistics(np.arange(7)).lst_mean_k
    assert str(facts["git_revision"])
    assert curves["epoch"].tolist() == [1, 2]


def test_the_licence_is_the_projects() -> None:
    assert f"{cross_validation.LICENCE} License" in (PROJECT / "LICENSE").read_text()


def test_splits_follow_the_settings() -> None:
    patches = np.arange(7)
    share = {"keep": "best", "patience": 1, "training_share": 0.6, "seed": 4}
    training, validation = split(data(), patches, settings(**share, split="random"))
    np.testing.assert_array_equal(training, np.flatnonzero(random_split(7, 0.6, 4)))
    np.testing.assert_array_equal(validation, np.flatnonzero(~random_split(7, 0.6, 4)))
    training, validation = split(data(), patches, settings(**share, split="groups"))
    assert sorted([*training, *validation]) == list(patches) and len(validation)
    assert not set(data().groups[training]) & set(data().groups[validation])
    training, validation = split(data(), patches, settings())
    assert len(training) == 7 and len(validation) == 0


@pytest.mark.parametrize("name", ["sc-unet", "sif-cnn-sr1"])
def test_each_pair_is_sharpened_by_the_network_that_has_not_seen_it(
    tmp_path: Path, synthetic_pair: Pair, name: str
) -> None:
    table = cross_validate(data(), settings(model=name, epochs=1), 2, tmp_path, "a test")
    aligned = align(synthetic_pair)
    products = {}
    for fold in (0, 1):
        scene = table["scene"][table["fold"] == fold].iloc[0]
        image_k = sharpen_pair(replace(aligned, id=scene), name, Options(weights=tmp_path)).values
        model = load_model(tmp_path / f"fold{fold}" / f"{name}.safetensors")
        expected = model.predict_k(upsample(aligned.lst.values), aligned.ndvi.values)
        np.testing.assert_array_equal(image_k, expected.astype(np.float32))  # as a product is stored
        products[fold] = image_k
    assert not np.allclose(products[0], products[1])
    with pytest.raises(InputError, match="scene synthetic is in no fold"):
        sharpen_pair(aligned, name, Options(weights=tmp_path))


def test_methods_without_weights_do_not_ask_for_a_fold(tmp_path: Path, synthetic_pair: Pair) -> None:
    (tmp_path / "folds.csv").write_text("scene,fold\n57,0\n")
    assert np.isfinite(sharpen_pair(align(synthetic_pair), "bicubic", Options(weights=tmp_path)).values).all()
