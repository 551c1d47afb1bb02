"""The stages of the notebooks on training: what they train, write and show, on a small run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from affine import Affine

from lstsr_core.base.errors import InputError
from lstsr_core.evaluation.ablation import SCORES_COLUMNS
from lstsr_core.geo.grid import COARSE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.geo.raster import Raster, write_raster
from lstsr_core.metrics.names import MAIN_COLUMNS, METRIC_COLUMNS
from lstsr_core.networks import training as training_loop
from lstsr_core.networks.data import from_patches
from lstsr_core.networks.settings import MODELS, read_settings
from lstsr_core.networks.training import train
from lstsr_core.networks.weights import load_model
from lstsr_core.networks.weights_files import weights_file
from lstsr_core.patches.patch import read_table
from lstsr_core.sharpening.methods import METHODS as SHARPENERS
from lstsr_core.stages import training as training_stages
from lstsr_core.stages.parameters import Ablation, Training, Weights


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """02_patches with four small patches, and settings of one network for them."""
    run = tmp_path_factory.mktemp("run")
    directory, random, rows = run / "02_patches", np.random.default_rng(0), []
    for index in range(4):
        corner = Tile(18, 4).transform(COARSE_PIXEL_M) @ Affine.translation(40 * index, 0)
        lst = Raster(random.normal(300.0, 5.0, (16, 16)), corner, SINUSOIDAL)
        fine = Raster(random.uniform(0.0, 0.9, (64, 64)), corner @ Affine.scale(0.25), SINUSOIDAL)
        write_raster(lst, directory / f"{index}_lst_1km.tif")
        write_raster(fine, directory / f"{index}_ndvi_250m.tif")
        split = "validation" if index == 2 else "train"
        paths = f"{index}_lst_1km.tif", f"{index}_ndvi_250m.tif"
        rows.append([*paths, "2018-07-19", "h18v04", 0, index, 0.0, split])
    columns = ["lst_path", "ndvi_path", "date", "tile", "window_row", "window_column", "bad_share", "split"]
    pd.DataFrame(rows, columns=columns).to_csv(directory / "patches.csv", index=False)
    content = {"model": "sif-cnn-sr1", "batch_size": 2, "epochs": 3, "threads": 1, "split": "table"}
    (run / "mine.yaml").write_text(yaml.safe_dump(content))
    return run


TERMS = ("reconstruction", "texture")


def training(run: Path, **values: object) -> Training:
    entries = {
        "run_directory": str(run),
        "settings": str(run / "mine.yaml"),
        "models": ["sif-cnn-sr1"],
        **values,
    }
    return Training.check(entries)


def test_the_tables_split_is_what_trains(run: Path) -> None:
    settings = training(run, epochs=2)
    curves = training_stages.train_models(settings)
    model = load_model(run / "03_training" / "weights" / "sif-cnn-sr1.safetensors")
    data, loop = (
        from_patches(run / "02_patches"),
        read_settings(run / "mine.yaml").model_copy(update={"epochs": 2}),
    )
    split = read_table(run / "02_patches")["split"]
    expected = train(data, np.flatnonzero(split == "train"), np.flatnonzero(split == "validation"), loop)
    assert model.statistics == expected.statistics
    for one, other in zip(
        model.network.state_dict().values(), expected.network.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other)
    assert curves["epoch"].tolist() == [1, 2] and set(curves["source"]) == {"trained"}
    assert not list((run / "trainings").iterdir())  # a forced run trains again


def test_a_stopped_training_goes_on(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped in its second epoch, it ends in the curves of an undisturbed one."""
    undisturbed = training_stages.train_models(training(run))
    steps = 0
    original = training_loop._Run.advance

    def stop(self: training_loop._Run, progress: object) -> None:
        nonlocal steps
        steps += 1
        if steps == 3:
            raise KeyboardInterrupt
        original(self, progress)  # type: ignore[arg-type]

    monkeypatch.setattr(training_loop._Run, "advance", stop)
    with pytest.raises(KeyboardInterrupt):
        training_stages.train_models(training(run))
    (stopped,) = (run / "trainings").iterdir()
    assert (stopped / "sif-cnn-sr1.checkpoint.safetensors").is_file()
    assert steps == 3
    pd.testing.assert_frame_equal(training_stages.train_models(training(run)), undisturbed)
    assert steps == 4  # one epoch was left


@pytest.mark.parametrize("copies", range(6))
def test_a_run_killed_after_a_training_trains_no_network_twice(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: int
) -> None:
    """Whatever was copied already is lost with the notebook's directory; what was trained is not."""
    values = {"run_directory": str(tmp_path), "settings": "sample", "models": ["sif-cnn-sr1", "sif-cnn-sr2"]}
    settings = Training.check({**values, "epochs": 1, "threads": 1})
    shutil.copytree(run / "02_patches", tmp_path / "02_patches")
    epochs: list[str] = []
    done = 0
    advance, copyfile = training_loop._Run.advance, shutil.copyfile

    def counted(self: training_loop._Run, progress: object) -> None:
        epochs.append(self._settings.model)
        advance(self, progress)  # type: ignore[arg-type]

    def stop(source: Path, target: Path) -> None:
        nonlocal done
        if done == copies:
            raise KeyboardInterrupt
        done += 1
        copyfile(source, target)

    monkeypatch.setattr(training_loop._Run, "advance", counted)
    if copies < 5:  # two files of each network, and the package's third
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(shutil, "copyfile", stop)
            training_stages.train_models(settings)
        shutil.rmtree(tmp_path / "03_training")
    curves = training_stages.train_models(settings)
    assert epochs == ["sif-cnn-sr1", "sif-cnn-sr2"]
    assert curves["model"].tolist() == ["sif-cnn-sr1", "sif-cnn-sr2"]
    written = {path.name for path in (tmp_path / "03_training" / "weights").iterdir()}
    trained = {f"{model}.{end}" for model in settings.models for end in ("safetensors", "curves.csv")}
    assert written == trained | {"sc-unet.safetensors"}
    assert not list((tmp_path / "trainings").iterdir())


def test_other_notebooks_find_what_was_trained_and_the_packages_own_for_the_rest(run: Path) -> None:
    settings = training(run)
    training_stages.train_models(settings)
    table = training_stages.weights_table(settings)
    assert table["weights"].tolist() == ["trained here", "the package's own", "the package's own"]
    for model in ("sif-cnn-sr2", "sc-unet"):
        package = weights_file(None, model)
        assert package is not None
        assert (settings.directory / "weights" / package.name).read_bytes() == package.read_bytes()


def test_own_values_go_over_the_settings(run: Path) -> None:
    loop = training(run, alpha=0.9, gamma="scene", seed=7).training_settings("sif-cnn-sr1")
    assert (loop.alpha, loop.gamma, loop.seed, loop.epochs) == (0.9, "scene", 7, 3)
    with pytest.raises(InputError, match="holds the settings of sif-cnn-sr1; expected those of sc-unet"):
        training(run).training_settings("sc-unet")
    with pytest.raises(InputError, match=r"03_training: .*'gamma' is 9"):
        training(run, gamma=9.0).training_settings("sif-cnn-sr1")


def test_without_networks_the_published_curves_are_shown(run: Path) -> None:
    settings = training(run, models=[])
    trained = training_stages.train_models(settings)
    curves = training_stages.collect_curves(settings, trained)
    assert set(curves["source"]) == {"published"} and set(curves["model"]) == set(MODELS)
    assert training_stages.show_curves(settings, curves, "trained") is None
    best = training_stages.summarise_curves(settings, curves).set_index("model")["best_epoch"].to_dict()
    assert best == {"sif-cnn-sr1": 22, "sif-cnn-sr2": 121, "sc-unet": 99}
    assert json.loads((run / "03_training" / "training.json").read_text())["trained_here"] == []


def test_bicubics_losses_are_of_the_validation_patches(run: Path) -> None:
    figures = training_stages.training_figures(training(run))["SIF-CNN-SR1"]
    assert figures["numbers in the network"] == "283906"
    assert (figures["training patches"], figures["validation patches"]) == ("3", "1")
    total, parts = (
        float(figures["total loss of bicubic"]),
        [float(figures[f"{n} loss of bicubic"]) for n in TERMS],
    )
    # Three numbers of four decimals.
    assert total == pytest.approx(0.99 * parts[0] + 0.01 * parts[1], abs=1.01e-4)


def own_tables(directory: Path) -> None:
    rows = []
    for weights, offset in (("out of fold", 0.0), ("in-sample", -0.2), ("published", 0.1)):
        for model in MODELS:
            rows += [
                [weights, model, str(scene), *[scene + offset] * len(METRIC_COLUMNS)] for scene in range(4)
            ]
    directory.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(rows, columns=["weights", "method", "scene", *METRIC_COLUMNS])
    table.to_csv(directory / "metrics.csv", index=False)


def test_weights_are_told_on_test_scenes_and_on_those_apart(tmp_path: Path) -> None:
    settings = Weights.check({"run_directory": str(tmp_path)})
    shown = training_stages.on_test_scenes(settings)
    table = pd.read_csv(settings.directory / "test_scenes.csv", dtype={"scene": str})
    assert shown.index.get_level_values("scenes").unique().tolist() == ["21", "8, apart"]
    assert len(shown) == 2 * 3 * 2
    for (scenes, label, weights), row in shown.iterrows():
        rows = table[(table["weights"] == weights) & (table["apart"] | (scenes == "21"))]
        rows = rows[[SHARPENERS[name].label == label for name in rows["method"]]]
        assert len(rows) == int(scenes.split(",")[0])
        assert row["rmse_k"] == pytest.approx(rows["rmse_k"].mean())


def test_own_weights_are_compared_on_the_same_scenes(tmp_path: Path) -> None:
    own_tables(tmp_path / "tables")
    settings = Weights.check({"run_directory": str(tmp_path), "tables": str(tmp_path / "tables")})
    table = training_stages.own_weights(settings)
    differences = training_stages.own_against_published(settings, table)
    assert set(differences["difference"]) == {"-0.100 [-0.100, -0.100]"} and set(differences[""]) == {
        "beyond chance"
    }
    means = training_stages.means_by_weights(settings, table)
    assert set(means.index.get_level_values("weights")) == {"out of fold", "in-sample", "published"}
    assert (tmp_path / "09_weights" / "means.csv").is_file()
    with pytest.raises(
        InputError, match=r"nothing/metrics\.csv: no such file; expected what lstsr report writes"
    ):
        training_stages.own_weights(
            Weights.check({"run_directory": str(tmp_path), "tables": str(tmp_path / "nothing")})
        )


def test_tables_made_before_are_shown_instead_of_training(tmp_path: Path) -> None:
    rows = [["sif-cnn-sr1", v, x, 0, 4, str(s), *[s + 0.1 * (v == "alpha")] * len(MAIN_COLUMNS)]
            for v, x in (("base", ""), ("alpha", "0.9")) for s in range(4)]  # fmt: skip
    (tmp_path / "made").mkdir()
    pd.DataFrame(rows, columns=SCORES_COLUMNS).to_csv(tmp_path / "made" / "sif-cnn-sr1.csv", index=False)
    settings = Ablation.check({"run_directory": str(tmp_path), "results": str(tmp_path / "made")})
    scores = training_stages.ablate(settings)
    summary = training_stages.summarise_ablation(settings, scores)
    shown = training_stages.ablation_table(summary)
    assert shown["varied"].tolist() == ["base", "alpha"] and shown["epochs"].tolist() == [4, 4]
    assert shown["rmse_k"].tolist() == ["1.500 (+0.000 [+0.000, +0.000])", "1.600 (+0.100 [+0.100, +0.100])"]
    assert training_stages.show_ablation(settings, summary).data[:4] == b"\x89PNG"
    with pytest.raises(InputError, match="holds no table; leave parameter 'results' empty to train here"):
        training_stages.ablate(
            Ablation.check({"run_directory": str(tmp_path), "results": str(tmp_path / "09_weights")})
        )
