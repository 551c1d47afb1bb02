"""Ablation: one setting of a training after the other changed, each network
judged against ASTER on pairs it has not seen."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstsr_core.base.errors import InputError
from lstsr_core.evaluation.statistics import mean_interval
from lstsr_core.evaluation.table import evaluate
from lstsr_core.metrics.names import MAIN_COLUMNS
from lstsr_core.networks.cross_validation import train_and_save, training_key
from lstsr_core.networks.data import TrainingData
from lstsr_core.networks.settings import TrainingSettings
from lstsr_core.patches.splits import group_folds
from lstsr_core.sharpening.methods import Options

SCORES_COLUMNS = ["model", "varied", "value", "fold", "epochs", "scene", *MAIN_COLUMNS]
PROTOCOL = "georeferenced"
BASE = "base"


@dataclass(frozen=True)
class Variant:
    """Settings that differ from the base in one value.

    Attributes
    ----------
    varied : str
        The setting's name, or "base".
    value : str
    settings : TrainingSettings
    """

    varied: str
    value: str
    settings: TrainingSettings


def variants(base: TrainingSettings, values: dict[str, Sequence[Any]]) -> list[Variant]:
    """The base, then each setting at each of its values but the base's own.

    A number for `gamma` is taken as it is, whatever `gamma_scale` the base has.

    Raises
    ------
    InputError
        If a value is not allowed.
    """
    all_variants = [Variant(BASE, "", base)]
    for name, choices in values.items():
        for value in choices:
            changed = {**base.model_dump(), name: value}
            if name == "gamma" and value != "scene":
                changed["gamma_scale"] = 1.0
            settings = TrainingSettings.check(changed, f"ablation over {name}")
            if settings != base:
                all_variants.append(Variant(name, str(value), settings))
    return all_variants


def ablate(
    data: TrainingData, pairs: Path, variants: Sequence[Variant], folds: int, judged_folds: int, trained: Path
) -> pd.DataFrame:
    """Train every variant on all folds but one, for each of the
    first folds, and judge it on the fold left out.

    Parameters
    ----------
    data : TrainingData
        The MODIS side of the pairs.
    pairs : Path
        Their directory, read after the training alone, with ASTER.
    variants : sequence of Variant
        Which keep the last epoch, so that no pair of the fold left out has a say in anything.
    folds, judged_folds : int
        How many folds there are, and on how many of them each variant is judged.
    trained : Path
        Keeps the networks, so that what has been trained is not trained
        again unless settings, patches or code change.

    Returns
    -------
    DataFrame
        `SCORES_COLUMNS`, a row for each variant and scene that could be judged.

    Raises
    ------
    InputError
        If `judged_folds` is no number of folds, a variant does not
        keep the last epoch, or a training or pair fails.
    """
    if not 1 <= judged_folds <= folds:
        raise InputError(f"{judged_folds} folds to judge; expected 1 to {folds}.")
    if any(variant.settings.keep != "last" for variant in variants):
        raise InputError("ablation: the settings choose an epoch by validation loss; expected keep: last.")
    fold_of = group_folds(data.groups, folds, variants[0].settings.seed)
    rows: list[list[Any]] = []
    for fold, variant in itertools.product(range(judged_folds), variants):
        training, unseen = np.flatnonzero(fold_of != fold), np.flatnonzero(fold_of == fold)
        settings = variant.settings
        directory = trained / training_key(data, training, unseen, settings)
        scenes = [data.names[index].removeprefix("pair_") for index in unseen]
        train_and_save(
            data, training, unseen, settings, directory, {"fold": fold, "folds": folds, "not_seen": scenes}
        )
        table = evaluate(pairs, scenes, [settings.model], [PROTOCOL], Options(directory)).table()
        epochs = len(pd.read_csv(directory / f"{settings.model}.curves.csv"))
        head = [settings.model, variant.varied, variant.value, fold, epochs]
        rows += [
            [*head, row["scene"], *(row[name] for name in MAIN_COLUMNS)]
            for _, row in table[table["status"] == "ok"].iterrows()
        ]
    return pd.DataFrame(rows, columns=SCORES_COLUMNS)


def summarise(scores: pd.DataFrame) -> pd.DataFrame:
    """Each variant's mean of every metric and its mean difference from
    the base on the same scenes, with 95 % intervals.

    Parameters
    ----------
    scores : DataFrame
        As `ablate` gives it.

    Returns
    -------
    DataFrame
        Columns model, varied, value, scenes, epochs, metric, mean, low,
        high, difference, difference_low, difference_high.
    """
    rows: list[list[object]] = []
    for model, of_model in scores.groupby("model", sort=False):
        base = of_model[of_model["varied"] == BASE].set_index("scene")
        for (varied, value), group in of_model.groupby(["varied", "value"], sort=False, dropna=False):
            group = group.set_index("scene")
            shared = group.index.intersection(base.index)
            head = [model, varied, value, len(shared), int(group["epochs"].max())]
            for metric in MAIN_COLUMNS:
                mean = mean_interval(group.loc[shared, metric])
                change = mean_interval(group.loc[shared, metric] - base.loc[shared, metric])
                rows.append(
                    [*head, metric, mean.mean, mean.low, mean.high, change.mean, change.low, change.high]
                )
    columns = ["model", "varied", "value", "scenes", "epochs", "metric", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=[*columns, "difference", "difference_low", "difference_high"])
