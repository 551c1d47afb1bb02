"""From data and settings to weights files: one network for all
patches, or one for each fold, which has not seen it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.base.fingerprint import code_of, git_revision, key
from lstsr_core.networks.data import TrainingData
from lstsr_core.networks.settings import TrainingSettings
from lstsr_core.networks.training import TrainedModel, origin_of, train
from lstsr_core.networks.weights import load_model, save_model
from lstsr_core.networks.weights_files import FOLDS_TABLE, fold_name
from lstsr_core.patches.splits import IntArray, group_folds, group_split, random_split

LICENCE = "MIT"
CHECKPOINT = "checkpoint.safetensors"


def split(data: TrainingData, indices: IntArray, settings: TrainingSettings) -> tuple[IntArray, IntArray]:
    """The chosen patches that train and those that validate, as the
    settings say; with a share of 1 none validates.

    Raises
    ------
    InputError
        If there are too few patches or groups of neighbours to split.
    """
    if settings.training_share == 1.0:
        return indices, indices[:0]
    if settings.split == "table":
        if data.trains is None:
            raise InputError(
                "'split' is table, but pairs have no table of patches; expected groups or random."
            )
        trains = data.trains[indices]
    elif settings.split == "random":
        trains = random_split(len(indices), settings.training_share, settings.seed)
    else:
        trains = group_split(data.groups[indices], settings.training_share, settings.seed)
    return indices[trains], indices[~trains]


def train_weights(data: TrainingData, settings: TrainingSettings, directory: Path, source: str) -> None:
    """Train one network on all patches and write ``<model>.safetensors``, with its curves beside it.

    Parameters
    ----------
    data : TrainingData
    settings : TrainingSettings
    directory : Path
        A training that was stopped there goes on where it was; one that has ended is not run again.
    source : str
        What the patches are, for the model card.

    Raises
    ------
    InputError
        As `networks.training.train` does; or if the directory holds weights of another training.
    """
    training, validation = split(data, np.arange(len(data)), settings)
    train_and_save(data, training, validation, settings, directory, {"source": source})


def cross_validate(
    data: TrainingData, settings: TrainingSettings, folds: int, directory: Path, source: str
) -> pd.DataFrame:
    """Train a network for each fold on all the others;
    `networks.weights_files.unseen_weights` then finds each scene's.

    A fold of whole groups of neighbours is never trained on. Where the settings keep the last epoch it
    is what the validation curves are taken from, which decide nothing then; where they keep the best
    one, that is chosen on a part of the other folds.

    Parameters
    ----------
    data : TrainingData
    settings : TrainingSettings
    folds : int
    directory : Path
        Gets ``folds.csv`` (scene, fold) and ``fold<k>/<model>.safetensors``;
        what was stopped there goes on where it was.
    source : str

    Returns
    -------
    DataFrame
        Columns scene and fold.

    Raises
    ------
    InputError
        If there are fewer groups than folds, if the directory holds other folds, or as `train_weights` does.
    """
    fold_of = group_folds(data.groups, folds, settings.seed)
    table = pd.DataFrame({"scene": [name.removeprefix("pair_") for name in data.names], "fold": fold_of})
    write_folds(table, directory / FOLDS_TABLE)
    for fold in range(folds):
        others, held_out = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        training, validation = (
            split(data, others, settings) if settings.keep == "best" else (others, held_out)
        )
        data_card = {
            "source": source,
            "fold": fold,
            "folds": folds,
            "not_seen": table["scene"][held_out].tolist(),
        }
        train_and_save(data, training, validation, settings, directory / fold_name(fold), data_card)
    return table


def write_folds(table: pd.DataFrame, path: Path) -> None:
    """Write which scene is in which fold; a directory that holds other folds is refused.

    Raises
    ------
    InputError
    """
    content = table.to_csv(index=False, lineterminator="\n")
    if path.is_file() and path.read_text(encoding="utf-8") != content:
        raise InputError(
            f"{path}: holds other folds. Take another directory, or the same number of folds, pairs and seed."
        )
    with written_atomically(path) as temporary:
        temporary.write_text(content, encoding="utf-8")


def train_and_save(
    data: TrainingData,
    training: IntArray,
    validation: IntArray,
    settings: TrainingSettings,
    directory: Path,
    data_card: dict[str, Any],
) -> None:
    """Train on some patches and write ``<model>.safetensors`` with its curves;
    what was stopped goes on, what has ended stays.

    Parameters
    ----------
    data : TrainingData
    training, validation : array of int
    settings : TrainingSettings
    directory : Path
    data_card : dict
        What the patches are, for the model card.

    Raises
    ------
    InputError
        As `networks.training.train` does; or if the directory holds weights of another training.
    """
    weights, checkpoint, curves = (
        directory / f"{settings.model}.{end}" for end in ("safetensors", CHECKPOINT, "curves.csv")
    )
    origin = origin_of(data, training, validation, settings)
    if has_ended(weights, origin, "patches"):
        return
    trained = train(data, training, validation, settings, checkpoint, curves)
    patches: dict[str, Any] = {"training_patches": len(training), "validation_patches": len(validation)}
    if data.digests is not None:
        patches["seen"] = [data.digests[index] for index in training]
    card = {**model_card(trained, settings, {**data_card, **patches}), "origin": origin}
    save_model(trained.network, trained.statistics, weights, card)
    checkpoint.unlink()


def has_ended(weights: Path, origin: str, examples: str) -> bool:
    """Whether a training's weights are there already.

    Parameters
    ----------
    weights : Path
    origin : str
        What the training's card would say.
    examples : str
        What is trained on, for the message.

    Raises
    ------
    InputError
        If the weights are those of another training.
    """
    if not weights.is_file():
        return False
    if load_model(weights).card.get("origin") == origin:
        return True
    raise InputError(
        f"{weights}: comes from a training with other settings or {examples}. Take another directory, or"
        " delete it."
    )


def training_key(
    data: TrainingData, training: IntArray, validation: IntArray, settings: TrainingSettings
) -> str:
    """A directory's name for a training, another one whenever
    settings, patches or the code that trains change."""
    code = code_of([f"import {train.__module__}"])
    return key(origin_of(data, training, validation, settings), code)


def forget(model: str, directory: Path) -> None:
    """Delete a model's weights and checkpoints in a directory and
    its folds, so that training starts from scratch."""
    for folder in (directory, *directory.glob(fold_name("[0-9]*"))):
        for end in ("safetensors", CHECKPOINT):
            (folder / f"{model}.{end}").unlink(missing_ok=True)


def model_card(trained: TrainedModel, settings: TrainingSettings, data: dict[str, Any]) -> dict[str, Any]:
    """What a weights file tells of itself, beside its statistics.

    Parameters
    ----------
    trained : TrainedModel
    settings : TrainingSettings
    data : dict
        What it was trained on.
    """
    metrics = (
        trained.curves[trained.curves["epoch"] == trained.best_epoch]
        .drop(columns="epoch")
        .dropna(axis="columns")
    )
    return {
        "model": settings.model,
        "paper": "arXiv 2502.01204",
        "licence": LICENCE,
        "data": data,
        "settings": settings.model_dump(),
        "epoch": trained.best_epoch,
        "epochs_run": len(trained.curves),
        "metrics": metrics.round(8).to_dict("records")[0],
        "git_revision": git_revision(),
    }
