"""What the package's own weights are worth: out of fold, in-sample and beside
the published checkpoints, as tables and cards."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lstsr_core.base.errors import InputError
from lstsr_core.base.progress import bar
from lstsr_core.evaluation.statistics import DIFFERENCE_COLUMNS, paired_difference
from lstsr_core.evaluation.table import evaluate
from lstsr_core.metrics.names import METRIC_COLUMNS
from lstsr_core.networks.curves import CURVE_COLUMNS
from lstsr_core.networks.settings import MODELS
from lstsr_core.networks.weights import load_model, save_model
from lstsr_core.networks.weights_files import fold_name, read_folds, weights_file
from lstsr_core.pairs.scenes import TEST, Part, ids_of_test_scenes, read_part
from lstsr_core.sharpening.methods import Options

OUT_OF_FOLD, IN_SAMPLE, PUBLISHED, PACKAGE = "out of fold", "in-sample", "published", "package"
DEVELOPMENT_TABLE, TEST_TABLE = "metrics.csv", "test_scenes.csv"
PROTOCOL = "georeferenced"
CARD_METRICS = [
    "rmse_k",
    "rmse_unbiased_k",
    "bias_k",
    "correlation",
    "frr",
    "attenuation_rmse_db",
    "consistency_k",
]


def judge(
    folds: Path, whole: Path, published: Path | None, pairs: Path, protocol: str = PROTOCOL
) -> pd.DataFrame:
    """Judge every model on the development scenes: by the networks that have
    not seen each, by the one that has, as published.

    Parameters
    ----------
    folds : Path
        What ``lstsr train --folds`` wrote.
    whole : Path
        Weights that were trained on all development scenes.
    published : Path, optional
        Directory of the published checkpoints.
    pairs : Path
    protocol : str

    Returns
    -------
    DataFrame
        Columns weights ("out of fold", "in-sample", "published"),
        method, scene and `metrics.names.METRIC_COLUMNS`.

    Raises
    ------
    InputError
        If weights are missing or were trained on what they should not have seen, or a pair cannot be used.
    """
    parts = []
    for name, directory in ((OUT_OF_FOLD, folds), (IN_SAMPLE, whole), (PUBLISHED, published)):
        if directory is not None:
            in_sample = {OUT_OF_FOLD: False, IN_SAMPLE: True}.get(name)
            parts.append(_judged(pairs, "development", directory, name, in_sample, protocol))
    return pd.concat(parts, ignore_index=True)


def judge_test_scenes(
    whole: Path, published: Path | None, pairs: Path, protocol: str = PROTOCOL
) -> pd.DataFrame:
    """Judge every model on the test scenes, which nothing was
    trained, fitted or chosen on: the figures to quote.

    Parameters
    ----------
    whole : Path
        Weights that were trained on the development scenes.
    published : Path, optional
        Directory of the published checkpoints.
    pairs : Path
    protocol : str

    Returns
    -------
    DataFrame
        Columns weights ("package", "published"), method, scene, apart (whether it shares neither a day nor a
        quarter of its ground with a development scene) and `metrics.names.METRIC_COLUMNS`.

    Raises
    ------
    InputError
        If there is no test scene, weights are missing or have seen one, or a pair cannot be used.
    """
    parts = [_judged(pairs, TEST, whole, PACKAGE, False, protocol)]
    if published is not None:
        parts.append(_judged(pairs, TEST, published, PUBLISHED, None, protocol))
    table = pd.concat(parts, ignore_index=True)
    table.insert(3, "apart", table["scene"].isin(ids_of_test_scenes(apart=True)))
    return table


def _judged(
    pairs: Path, part: Part, directory: Path, name: str, in_sample: bool | None, protocol: str
) -> pd.DataFrame:
    """Every model of a directory on a part of the pairs; `in_sample`: what
    is expected of all, None where it is not known."""
    ids = [pair.id for pair in read_part(pairs, part)]
    progress = bar(ids, f"Judging {name}", "pair")
    table = evaluate(pairs, progress, list(MODELS), [protocol], Options(directory)).table()
    table = table[table["status"] == "ok"]
    for model in MODELS:
        rows = table[table["method"] == model]
        count = int(rows["in_sample"].eq(True).sum())
        if rows.empty or (in_sample is not None and count != (len(rows) if in_sample else 0)):
            raise InputError(
                f"{directory}: {model} has {len(rows)} judged {part} scenes, {count} of which it was trained"
                f" on; expected weights that make them all {'unseen' if name == PACKAGE else name}."
            )
    return table[["method", "scene", *METRIC_COLUMNS]].assign(weights=name)[
        ["weights", "method", "scene", *METRIC_COLUMNS]
    ]


def differences(table: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """The package's weights out of fold less the published ones on
    the same scenes, with 95 % bootstrap intervals.

    Returns
    -------
    DataFrame
        Columns method, metric, scenes, first (mean out of fold), second (published mean) and
        `statistics.DIFFERENCE_COLUMNS`.
    """
    rows = []
    for method, group in table.groupby("method", sort=False):
        for metric in metrics:
            weights = group.pivot(index="scene", columns="weights", values=metric).reindex(
                columns=[OUT_OF_FOLD, PUBLISHED]
            )
            difference = paired_difference(weights[OUT_OF_FOLD], weights[PUBLISHED])
            if difference is not None:
                means = [difference.mean, difference.other_mean]
                rows.append([method, metric, difference.scenes, *means, *difference.cells])
    return pd.DataFrame(rows, columns=["method", "metric", "scenes", "first", "second", *DIFFERENCE_COLUMNS])


def means_on_test_scenes(table: pd.DataFrame, metrics: list[str]) -> pd.DataFrame:
    """Means over the test scenes, and over those of them that stand apart from the development scenes.

    Parameters
    ----------
    table : DataFrame
        As `judge_test_scenes` gives it.
    metrics : list of str

    Returns
    -------
    DataFrame
        Columns method, weights, of ("all" or "apart"), scenes, and the metrics.
    """
    parts = []
    for name, rows in (("all", table), ("apart", table[table["apart"]])):
        groups = rows.groupby(["method", "weights"], sort=False)
        parts.append(groups[metrics].mean().assign(of=name, scenes=groups.size()).reset_index())
    return pd.concat(parts, ignore_index=True)[["method", "weights", "of", "scenes", *metrics]]


def mean_curves(folds: Path) -> pd.DataFrame:
    """Training curves of every model, mean over the folds; validation is on the fold left out.

    Returns
    -------
    DataFrame
        Columns model, then `networks.curves.CURVE_COLUMNS`.

    Raises
    ------
    InputError
        If a fold has not been trained to its end.
    """
    count = max(read_folds(folds).values()) + 1
    parts = []
    for model in MODELS:
        paths = [folds / fold_name(fold) / f"{model}.curves.csv" for fold in range(count)]
        lacking = [
            path
            for path in paths
            if not path.is_file() or not path.with_name(f"{model}.safetensors").is_file()
        ]
        if lacking:
            raise InputError(
                f"{lacking[0]}: lacking, or without its weights; run the same lstsr train again to finish it."
            )
        mean = pd.concat([pd.read_csv(path) for path in paths]).groupby("epoch", as_index=False).mean()
        parts.append(mean[CURVE_COLUMNS].assign(model=model))
    return pd.concat(parts, ignore_index=True)[["model", *CURVE_COLUMNS]]


def note_in_cards(table: pd.DataFrame, whole: Path) -> None:
    """Write the out-of-fold means into the cards of the
    weights that were trained on all development scenes."""
    for model in MODELS:
        rows = table[(table["weights"] == OUT_OF_FOLD) & (table["method"] == model)]
        _note(whole, model, "against_aster", {"weights": OUT_OF_FOLD, **_means(rows)})


def note_test_scenes(table: pd.DataFrame, whole: Path) -> None:
    """Write the means over the test scenes, and over those apart from
    the development scenes, into the weights' cards."""
    for model in MODELS:
        rows = table[(table["weights"] == PACKAGE) & (table["method"] == model)]
        _note(whole, model, "test_scenes", {**_means(rows), "apart": _means(rows[rows["apart"]])})


def _means(rows: pd.DataFrame) -> dict[str, object]:
    means = {name: round(float(rows[name].mean()), 6) for name in CARD_METRICS if len(rows)}
    return {"protocol": PROTOCOL, "scenes": len(rows), **means}


def _note(whole: Path, model: str, entry: str, content: dict[str, object]) -> None:
    path = weights_file(whole, model)
    if path is None:
        raise InputError(f"{whole}: holds no {model}.safetensors.")
    loaded = load_model(path)
    card = {**loaded.card, "metrics": {**loaded.card["metrics"], entry: content}}
    save_model(loaded.network, loaded.statistics, path, card)
