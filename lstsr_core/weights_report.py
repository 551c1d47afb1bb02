"""What the package's own weights are worth: out of fold, in-sample and beside the published checkpoints, as tables and cards."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lstsr_core.bootstrap import mean_intervals
from lstsr_core.curves import CURVE_COLUMNS
from lstsr_core.errors import InputError
from lstsr_core.evaluation import METRIC_COLUMNS, evaluate
from lstsr_core.networks import FOLDS_TABLE, fold_name, load_model, save_model, weights_file
from lstsr_core.pairs import pair_ids
from lstsr_core.progress import bar
from lstsr_core.sharpeners import Options
from lstsr_core.training_settings import MODELS

OUT_OF_FOLD, IN_SAMPLE, PUBLISHED = "out of fold", "in-sample", "published"
PROTOCOL = "georeferenced"
CARD_METRICS = ["rmse_k", "rmse_unbiased_k", "bias_k", "correlation", "frr", "attenuation_rmse_db", "consistency_k"]


def judge(folds: Path, whole: Path, published: Path | None, pairs: Path) -> pd.DataFrame:
    """Judge every model on all pairs: by the networks that have not seen each, by the one that has, and the published one.

    Parameters
    ----------
    folds : Path
        What ``lstsr train --folds`` wrote.
    whole : Path
        Weights that were trained on all pairs.
    published : Path, optional
        Directory of the published checkpoints.
    pairs : Path

    Returns
    -------
    DataFrame
        Columns weights ("out of fold", "in-sample", "published"), method, scene and `evaluation.METRIC_COLUMNS`.

    Raises
    ------
    InputError
        If weights are missing or were trained on what they should not have seen, or a pair cannot be used.
    """
    ids, parts = pair_ids(pairs), []
    for name, directory in ((OUT_OF_FOLD, folds), (IN_SAMPLE, whole), (PUBLISHED, published)):
        if directory is None:
            continue
        progress = bar(ids, f"Judging {name}", "pair")
        table = evaluate(pairs, progress, list(MODELS), [PROTOCOL], Options(directory)).table()
        table = table[table["status"] == "ok"]
        for model in MODELS:
            own = table[table["method"] == model]
            seen = own["in_sample"].eq(True)
            if own.empty or (name == OUT_OF_FOLD and seen.any()) or (name == IN_SAMPLE and not seen.all()):
                raise InputError(
                    f"{directory}: {model} has {len(own)} judged scenes, {int(seen.sum())} of which it was trained on; expected "
                    f"weights that make them all {name}."
                )
        parts.append(table[["method", "scene", *METRIC_COLUMNS]].assign(weights=name))
    return pd.concat(parts, ignore_index=True)[["weights", "method", "scene", *METRIC_COLUMNS]]


def differences(table: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """Own weights out of fold less the published ones on the same scenes, with 95 % bootstrap intervals.

    Returns
    -------
    DataFrame
        Columns method, metric, scenes, first (own mean), second (published mean), difference, low, high, sign.
    """
    rows = []
    for method, group in table.groupby("method", sort=False):
        wide = {name: part.set_index("scene")[metrics].astype(float) for name, part in group.groupby("weights")}
        if not {OUT_OF_FOLD, PUBLISHED} <= wide.keys():
            continue
        own, other = wide[OUT_OF_FOLD].align(wide[PUBLISHED], join="inner")
        for metric, interval in zip(metrics, mean_intervals((own - other).to_numpy()), strict=True):
            means = [own[metric].mean(), other[metric].mean()]
            rows.append([method, metric, len(own), *means, interval.mean, interval.low, interval.high, interval.sign])
    columns = ["method", "metric", "scenes", "first", "second", "difference", "low", "high", "sign"]
    return pd.DataFrame(rows, columns=columns)


def mean_curves(folds: Path) -> pd.DataFrame:
    """Training curves of every model, mean over the folds; validation is on the fold left out.

    Returns
    -------
    DataFrame
        Columns model, then `curves.CURVE_COLUMNS`.

    Raises
    ------
    InputError
        If a fold has not been trained to its end.
    """
    count = pd.read_csv(folds / FOLDS_TABLE)["fold"].max() + 1
    parts = []
    for model in MODELS:
        paths = [folds / fold_name(fold) / f"{model}.curves.csv" for fold in range(count)]
        lacking = [path for path in paths if not path.is_file() or not path.with_name(f"{model}.safetensors").is_file()]
        if lacking:
            raise InputError(f"{lacking[0]}: lacking, or without its weights; run the same lstsr train again to finish it.")
        mean = pd.concat([pd.read_csv(path) for path in paths]).groupby("epoch", as_index=False).mean()
        parts.append(mean[CURVE_COLUMNS].assign(model=model))
    return pd.concat(parts, ignore_index=True)[["model", *CURVE_COLUMNS]]


def note_in_cards(table: pd.DataFrame, whole: Path) -> None:
    """Write the out-of-fold means into the cards of the weights that were trained on all pairs."""
    for model in MODELS:
        path = weights_file(whole, model)
        if path is None:
            raise InputError(f"{whole}: holds no {model}.safetensors.")
        loaded = load_model(path)
        own = table[(table["weights"] == OUT_OF_FOLD) & (table["method"] == model)]
        means = {name: round(float(own[name].mean()), 6) for name in CARD_METRICS}
        judged = {"weights": OUT_OF_FOLD, "protocol": PROTOCOL, "scenes": len(own), **means}
        card = {**loaded.card, "metrics": {**loaded.card["metrics"], "against_aster": judged}}
        save_model(loaded.network, loaded.statistics, path, card)
