"""What the notebooks on training call: 03_training, 09_weights and 10_ablation."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import Image

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import TRAINING_CURVES, resolve
from lstsr_core.evaluation import ablation, weights_report
from lstsr_core.figures import panels
from lstsr_core.metrics.names import MAIN_COLUMNS
from lstsr_core.networks.cross_validation import split, train_and_save, training_key
from lstsr_core.networks.data import TrainingData, from_pairs, from_patches
from lstsr_core.networks.settings import MODELS
from lstsr_core.networks.training import loss_of_upsampled
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.networks.weights import load_model
from lstsr_core.networks.weights_files import PUBLISHED_CHECKPOINTS, weights_file
from lstsr_core.patches.patch import read_table
from lstsr_core.patches.statistics import read_statistics
from lstsr_core.sharpening.methods import METHODS
from lstsr_core.stages.common import pairs_directory, write_csv, write_json
from lstsr_core.stages.parameters import Ablation, Download, NotebookParameters, Patches, Training, Weights

_CARD_SETTINGS = ("alpha", "gamma", "gamma_scale", "batch_size", "learning_rate", "seed")


def unfinished_trainings(settings: NotebookParameters) -> Path:
    """Where networks are trained: outside the notebook's directory, which is replaced whenever it runs."""
    return settings.run / "trainings"


# 03_training


def _training_data(settings: Training) -> TrainingData:
    if settings.data == "pairs":
        return from_pairs(pairs_directory(settings), settings.scenes)
    return from_patches(settings.run / Patches.notebook)


def train_models(settings: Training) -> pd.DataFrame:
    """Train the chosen networks on the run's patches and write
    ``weights/<model>.safetensors``; stopped, it goes on.

    Of networks that are not trained here, ``weights/`` gets the package's own.

    Returns
    -------
    DataFrame
        Their curves, with columns model and source; empty if none was chosen.
    """
    data = _training_data(settings) if settings.models else None
    parts, trainings = [], []
    for model in settings.models:
        assert data is not None
        loop = settings.training_settings(model)
        training, validation = split(data, np.arange(len(data)), loop)
        directory = unfinished_trainings(settings) / training_key(data, training, validation, loop)
        train_and_save(
            data, training, validation, loop, directory, {"source": f"{len(data)} {settings.data} of a run"}
        )
        finished = settings.directory / "weights"
        finished.mkdir(parents=True, exist_ok=True)
        for path in sorted(directory.iterdir()):
            shutil.copyfile(path, finished / path.name)
        trainings.append(directory / f"{model}.safetensors")
        parts.append(pd.read_csv(finished / f"{model}.curves.csv").assign(model=model, source="trained"))
    for model in MODELS:
        package = weights_file(None, model)
        if model not in settings.models and package is not None:
            (settings.directory / "weights").mkdir(parents=True, exist_ok=True)
            shutil.copyfile(package, settings.directory / "weights" / package.name)
    for weights in (
        trainings
    ):  # only now: whatever stops a run takes the notebook's directory with it, and no trained network
        weights.unlink()  # before its curves: what says that a training has ended goes first
        shutil.rmtree(weights.parent)
    return (
        pd.concat(parts, ignore_index=True)
        if parts
        else pd.DataFrame(columns=["model", "source", "epoch", "val_loss"])
    )


def weights_table(settings: Training) -> pd.DataFrame:
    """Where each file in ``weights/`` comes from: trained here, or the package's own."""
    rows = []
    for model in MODELS:
        path = settings.directory / "weights" / f"{model}.safetensors"
        origin = "trained here" if model in settings.models else "the package's own"
        rows.append(
            [METHODS[model].label, f"weights/{path.name}", origin, load_model(path).card["data"]["source"]]
        )
    return pd.DataFrame(rows, columns=["network", "file", "weights", "trained on"]).set_index("network")


def collect_curves(settings: Training, trained: pd.DataFrame) -> pd.DataFrame:
    """Write ``curves.csv``: the published training curves, and those of the networks trained here."""
    curves = pd.concat([_published_curves(), *([trained] if len(trained) else [])], ignore_index=True)
    leading = ["model", "source", "epoch"]
    return write_csv(
        settings, "curves.csv", curves[[*leading, *(name for name in curves.columns if name not in leading)]]
    )


def _published_curves() -> pd.DataFrame:
    parts = [
        pd.read_csv(TRAINING_CURVES / f"{m}.csv").assign(model=m, source="published")
        for m in PUBLISHED_CHECKPOINTS
    ]
    return pd.concat(parts, ignore_index=True)


def summarise_curves(settings: Training, curves: pd.DataFrame) -> pd.DataFrame:
    """Write ``training.json`` and give back, for each curve, the best
    epoch, epochs run and the lowest validation loss."""
    with_loss = curves.dropna(subset=["val_loss"])
    best = with_loss.loc[with_loss.groupby(["model", "source"], sort=False)["val_loss"].idxmin()]
    epochs = with_loss.groupby(["model", "source"], sort=False)["epoch"].max().to_numpy()
    summary = (
        best[["model", "source", "epoch", "val_loss"]]
        .rename(columns={"epoch": "best_epoch"})
        .assign(epochs_run=epochs)
    )
    content = {**_network_size(), "trained_here": settings.models, "curves": summary.to_dict("records")}
    write_json(settings, "training.json", content)
    return summary.reset_index(drop=True)


def _network_size() -> dict[str, int]:
    state = SharpeningUNet().state_dict()
    return {"state_numbers": sum(tensor.numel() for tensor in state.values()), "state_tensors": len(state)}


def show_curves(settings: Training, curves: pd.DataFrame, source: str) -> Image | None:
    """Figure 7: training and validation curves, "published" or "trained"; nothing if there are none."""
    group = curves[curves["source"] == source]
    if group.empty:
        return None
    return panels.show(panels.training_curves(group), settings.directory, f"curves_{source}")


def training_figures(settings: Training) -> pd.DataFrame:
    """What each network sees, and the losses that the
    upsampled LST itself scores on the validation patches."""
    size = f"{_network_size()['state_numbers']}"
    if not settings.models:
        directory = settings.run / Patches.notebook
        counts = {
            f"{name} patches": str(n) for name, n in read_table(directory)["split"].value_counts().items()
        }
        statistics = read_statistics(directory / "statistics.json")
        return pd.DataFrame(
            {"value": {"numbers in the network": size, **counts, **_shown(asdict(statistics))}}
        )
    data, columns = _training_data(settings), {}
    for model in settings.models:
        loop = settings.training_settings(model)
        training, validation = split(data, np.arange(len(data)), loop)
        statistics = data.statistics(training)
        rows = {"numbers in the network": size, "training patches": str(len(training))}
        rows |= {"validation patches": str(len(validation)), **_shown(asdict(statistics))}
        if len(validation):
            upsampled = loss_of_upsampled(data, validation, statistics, loop)
            terms = {
                "total": upsampled.total,
                "reconstruction": upsampled.reconstruction,
                "texture": upsampled.texture,
            }
            rows |= {f"{name} loss of bicubic": f"{loss.item():.4f}" for name, loss in terms.items()}
        columns[METHODS[model].label] = rows
    return pd.DataFrame(columns)


def _shown(statistics: dict[str, float | None]) -> dict[str, str]:
    return {name: "–" if value is None else f"{value:.4f}" for name, value in statistics.items()}


# 09_weights


def own_weights(settings: Weights) -> pd.DataFrame:
    """Read the committed table of the own weights' metrics, scene by scene, and write it into the run.

    Raises
    ------
    InputError
        If it is not there.
    """
    return write_csv(settings, "metrics.csv", _table(settings, weights_report.DEVELOPMENT_TABLE))


def on_test_scenes(settings: Weights) -> pd.DataFrame:
    """Write ``test_scenes.csv`` and ``test_means.csv``: own and
    published weights on scenes that nothing was chosen on.

    Returns
    -------
    DataFrame
        Means over the test scenes, and over those that share
        neither a day nor ground with a development scene.

    Raises
    ------
    InputError
        If the committed table is not there.
    """
    table = write_csv(settings, "test_scenes.csv", _table(settings, weights_report.TEST_TABLE))
    means = write_csv(settings, "test_means.csv", weights_report.means_on_test_scenes(table, MAIN_COLUMNS))
    means["scenes"] = means["scenes"].astype(str) + means["of"].map({"all": "", "apart": ", apart"})
    return (
        means.drop(columns="of")
        .assign(method=[METHODS[name].label for name in means["method"]])
        .set_index(["scenes", "method", "weights"])
    )


def _table(settings: Weights, name: str) -> pd.DataFrame:
    path = resolve(settings.tables) / name
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; expected what lstsr report writes. Give parameter 'tables' its directory."
        )
    return pd.read_csv(path, dtype={"scene": str})


def own_against_published(settings: Weights, table: pd.DataFrame) -> pd.DataFrame:
    """Write ``differences.csv``: own weights out of fold (first)
    and published ones (second) on the same scenes.

    Returns
    -------
    DataFrame
        A row for each network and metric: both means, the difference
        with its interval, and what chance says of it.
    """
    differences = write_csv(settings, "differences.csv", weights_report.differences(table, MAIN_COLUMNS))
    names = pd.MultiIndex.from_arrays(
        [[METHODS[name].label for name in differences["method"]], differences["metric"]], names=["", ""]
    )
    interval = [
        f"{row.difference:+.3f} [{row.low:+.3f}, {row.high:+.3f}]" for row in differences.itertuples()
    ]
    chance = differences["sign"].map({0: "may be chance", 1: "beyond chance", -1: "beyond chance"})
    shown = pd.DataFrame({"own": differences["first"].round(3), "published": differences["second"].round(3)})
    return shown.assign(difference=interval, **{"": chance}).set_index(names)


def means_by_weights(settings: Weights, table: pd.DataFrame) -> pd.DataFrame:
    """Write ``means.csv``: mean metrics of each network out of
    fold, in-sample (labelled so) and as published."""
    means = table.groupby(["method", "weights"], sort=False)[MAIN_COLUMNS].mean().reset_index()
    write_csv(settings, "means.csv", means)
    return means.assign(method=[METHODS[name].label for name in means["method"]]).set_index(
        ["method", "weights"]
    )


def show_own_curves(settings: Weights, model: str) -> Image:
    """Training curves of a network of the own weights, mean over the
    folds, beside the published ones; also as CSV."""
    curves = _table(settings, "curves.csv").assign(source=weights_report.OUT_OF_FOLD)
    both = pd.concat([curves, _published_curves()], ignore_index=True)
    rows = write_csv(settings, f"curves_{model}.csv", both[both["model"] == model])
    return panels.show(panels.training_curves(rows), settings.directory, f"curves_{model}")


def cards(settings: Weights) -> pd.DataFrame:
    """What the cards of the shipped weights tell."""
    columns = {}
    for model in PUBLISHED_CHECKPOINTS:
        path = weights_file(None, model)
        if path is None:
            raise InputError(
                f"{model}: the package has no weights of its own; expected them in lstsr_core/weights."
            )
        card = load_model(path).card
        source, _, origin = card["data"]["source"].partition(" (")
        rows = {
            "data": source,
            "of": origin.rstrip(")"),
            "epochs": card["epochs_run"],
            "upsampling": card["upsampling"],
        }
        rows |= {name: card["settings"][name] for name in _CARD_SETTINGS}
        rows |= {"licence": card["licence"], "paper": card["paper"]}
        columns[METHODS[model].label] = {name: str(value) for name, value in rows.items()}
    return pd.DataFrame(columns)


# 10_ablation


def ablate(settings: Ablation) -> pd.DataFrame:
    """Write ``scores.csv``: each variant on each pair that it has not seen;
    trained here, or read from tables made before."""
    if settings.results:
        paths = sorted(resolve(settings.results).glob("*.csv"))
        if not paths:
            raise InputError(
                f"{resolve(settings.results)}: holds no table; leave parameter 'results' empty to train here."
            )
        scores = pd.concat(
            [pd.read_csv(path, dtype={"scene": str, "value": str}) for path in paths], ignore_index=True
        )
        return write_csv(settings, "scores.csv", scores.fillna({"value": ""}))
    base = settings.training_settings(settings.model)
    values: dict[str, Sequence[Any]] = {
        "alpha": settings.alphas,
        "gamma": settings.gammas,
        "upsampling": settings.upsamplings,
    }
    directory = settings.run / Download.notebook / "pairs"
    variants = ablation.variants(base, values)
    scores = ablation.ablate(
        from_pairs(directory, settings.scenes),
        directory,
        variants,
        settings.folds,
        settings.judged,
        unfinished_trainings(settings),
    )
    return write_csv(settings, "scores.csv", scores)


def summarise_ablation(settings: Ablation, scores: pd.DataFrame) -> pd.DataFrame:
    """Write ``ablation.csv``: each variant's means and their differences from the base, with intervals."""
    return write_csv(settings, "ablation.csv", ablation.summarise(scores))


def ablation_table(summary: pd.DataFrame) -> pd.DataFrame:
    """A row for each variant: epochs run, scenes, and each
    metric's mean with its difference from the base."""
    rows = []
    keys = ["model", "varied", "value", "scenes", "epochs"]
    for (model, varied, value, scenes, epochs), group in summary.groupby(keys, sort=False, dropna=False):
        cells = {}
        for row in group.to_dict("records"):
            interval = f"[{row['difference_low']:+.3f}, {row['difference_high']:+.3f}]"
            cells[row["metric"]] = f"{row['mean']:.3f} ({row['difference']:+.3f} {interval})"
        head = {
            "network": METHODS[str(model)].label,
            "varied": varied,
            "value": value,
            "epochs": epochs,
            "scenes": scenes,
        }
        rows.append({**head, **cells})
    return pd.DataFrame(rows)


def show_ablation(settings: Ablation, summary: pd.DataFrame) -> Image:
    """RMSE, FRR, attenuation RMSE and consistency against α and γ; of the
    base's own values, as the settings have them now."""
    bases = {name: settings.training_settings(name).model_dump() for name in summary["model"].unique()}
    for values in bases.values():
        if values["gamma"] == "scene":
            values["gamma"] = f"scene × {values['gamma_scale']:g}"
    return panels.show(panels.ablation(summary, bases), settings.directory, "ablation")
