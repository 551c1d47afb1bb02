"""Training: repeatable bit for bit, resumed or not; it learns, stops early, returns the best epoch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lstsr_core.base.errors import InputError
from lstsr_core.geo.operators import degrade
from lstsr_core.networks import training as training_module
from lstsr_core.networks.checkpoint import read_checkpoint
from lstsr_core.networks.curves import CURVE_COLUMNS
from lstsr_core.networks.data import Batch, TrainingData
from lstsr_core.networks.losses import Loss, sif_cnn_sr1
from lstsr_core.networks.objectives import OBJECTIVES
from lstsr_core.networks.operators import upsample
from lstsr_core.networks.settings import MODELS, TrainingSettings
from lstsr_core.networks.training import TrainedModel, loss_of_upsampled, train
from lstsr_core.networks.weights import load_model, save_model

COARSE = 16


def patch_set(count: int, seed: int, name: str) -> TrainingData:
    """Smooth random NDVI, LST that falls with it; LST = D(truth)."""
    random = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(
        random.standard_normal((count, 4 * COARSE, 4 * COARSE)), (0, 2, 2), mode="wrap"
    )
    ndvi = np.clip(0.5 + 1.2 * fields, -0.2, 0.95)
    lst_k = degrade(308.0 - 12.0 * ndvi) + 0.3 * random.standard_normal((count, COARSE, COARSE))
    names = [f"{name}{index}" for index in range(count)]
    return TrainingData(names, lst_k.astype(np.float32), ndvi.astype(np.float32), np.arange(count))


def together(*parts: TrainingData) -> TrainingData:
    names = [name for part in parts for name in part.names]
    lst_k, ndvi = (np.concatenate([getattr(part, which) for part in parts]) for which in ("lst_k", "ndvi"))
    return TrainingData(names, lst_k, ndvi, np.arange(len(names)))


def fit(
    training: TrainingData, validation: TrainingData, chosen: TrainingSettings, **files: Path
) -> TrainedModel:
    """Train on one set and validate on another, on the CPU."""
    data, count = together(training, validation), len(training)
    return train(
        data, np.arange(count), np.arange(count, len(data)), chosen, device=torch.device("cpu"), **files
    )


TRAINING, VALIDATION = patch_set(6, 1, "t"), patch_set(3, 2, "v")
# LST that rises with NDVI: the longer the training, the worse the validation loss in the end.
REVERSED = replace(VALIDATION, lst_k=614.0 - VALIDATION.lst_k)


def settings(**values: object) -> TrainingSettings:
    small = {
        "model": "sif-cnn-sr1",
        "batch_size": 2,
        "epochs": 3,
        "threads": 1,
        "learning_rate": 5e-3,
        "seed": 5,
    }
    return TrainingSettings.check({**small, **values}, "test")


LONG = settings(epochs=8, learning_rate=0.02, batch_size=1, seed=7)


@pytest.fixture(scope="module")
def long_run() -> TrainedModel:
    """Eight epochs, of which the best comes well before the last."""
    return fit(TRAINING, REVERSED, LONG)


def z_scores(patches: TrainingData, training: TrainingData) -> tuple[torch.Tensor, torch.Tensor]:
    """y and n, scored by numpy with the training patches' mean and standard deviation."""
    lst = (patches.lst_k - np.mean(training.lst_k)) / np.std(training.lst_k)
    ndvi = (patches.ndvi - np.mean(training.ndvi)) / np.std(training.ndvi)
    return torch.from_numpy(lst)[:, None].float(), torch.from_numpy(ndvi)[:, None].float()


def predictions(model: TrainedModel, patches: TrainingData) -> tuple[torch.Tensor, torch.Tensor]:
    """x̂ of each patch, run alone, and U(y)."""
    lst, ndvi = z_scores(patches, TRAINING)
    upsampled = upsample(lst)
    with torch.inference_mode():
        each = [model.network(torch.cat([u, n])[None])[0] for u, n in zip(upsampled, ndvi, strict=True)]
    return torch.stack(each), upsampled


def test_one_seed_gives_one_result_bit_for_bit() -> None:
    first, second, other = (fit(TRAINING, VALIDATION, settings(epochs=2, seed=seed)) for seed in (5, 5, 6))
    pd.testing.assert_frame_equal(first.curves, second.curves, check_exact=True)
    states = [model.network.state_dict() for model in (first, second, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["outlet.weight"], states[2]["outlet.weight"])
    assert (first.curves["train_loss"] != other.curves["train_loss"]).all()


def test_patches_come_in_another_order_each_epoch_and_never_in_validation() -> None:
    # With a learning rate of (next to) nothing only the batches' make-up can change the training loss.
    curves = fit(TRAINING, VALIDATION, settings(epochs=3, learning_rate=1e-30)).curves
    assert curves["train_loss"].nunique() > 1


def test_loss_falls_on_a_small_set() -> None:
    model = fit(TRAINING, TRAINING, settings(epochs=8))
    losses = model.curves["train_loss"]
    assert losses.iloc[-1] < 0.35 * losses.iloc[0]
    assert model.curves["val_dsloss"].min() < 0.5 * model.curves["val_dsloss"].iloc[0]


def test_curves_have_the_published_logs_columns(long_run: TrainedModel) -> None:
    assert list(long_run.curves.columns) == CURVE_COLUMNS
    assert long_run.curves["epoch"].tolist() == list(range(1, 9))
    assert np.isfinite(long_run.curves.to_numpy(dtype=float)).all()


def test_total_is_the_weighted_sum_of_its_terms(long_run: TrainedModel) -> None:
    for split in ("train", "val"):
        terms = 0.99 * long_run.curves[f"{split}_dsloss"] + 0.01 * long_run.curves[f"{split}_perceploss"]
        np.testing.assert_allclose(long_run.curves[f"{split}_loss"], terms, rtol=1e-5)


def test_the_best_epochs_weights_are_the_ones_kept(long_run: TrainedModel) -> None:
    losses = long_run.curves.set_index("epoch")["val_loss"]
    assert long_run.best_epoch == losses.idxmin()
    # Else any weights would do.
    assert long_run.best_epoch < losses.index.max() and losses.iloc[-1] > 1.05 * losses.min()
    assert not long_run.network.training
    predicted, _ = predictions(long_run, REVERSED)
    lst, ndvi = z_scores(REVERSED, TRAINING)
    mean = np.mean(
        [float(sif_cnn_sr1(predicted[i : i + 1], lst[i : i + 1], ndvi[i : i + 1]).total) for i in range(3)]
    )
    assert mean == pytest.approx(losses.min(), rel=1e-4)


def test_psnr_and_ssim_are_scikit_images_against_the_upsampled_input(long_run: TrainedModel) -> None:
    predicted, upsampled = predictions(long_run, REVERSED)
    psnr, ssim = [], []
    for x, u in zip(predicted[:, 0].double().numpy(), upsampled[:, 0].double().numpy(), strict=True):
        both = np.concatenate([x, u])
        psnr.append(peak_signal_noise_ratio(u, x, data_range=np.ptp(both)))
        ssim.append(structural_similarity(u, x, data_range=np.ptp(both)))
    best = long_run.curves.set_index("epoch").loc[long_run.best_epoch]
    assert best["val_psnr"] == pytest.approx(np.mean(psnr), rel=1e-4)
    assert best["val_ssim"] == pytest.approx(np.mean(ssim), rel=1e-4)


def test_statistics_are_the_training_patches_own(long_run: TrainedModel) -> None:
    assert long_run.statistics.lst_mean_k == pytest.approx(np.mean(TRAINING.lst_k, dtype=float))
    assert long_run.statistics.ndvi_std == pytest.approx(np.std(TRAINING.ndvi, dtype=float))


def test_weights_loss_and_psf_follow_the_settings() -> None:
    base = fit(TRAINING, VALIDATION, settings(epochs=1)).curves.iloc[0]
    for name, value in (("alpha", 0.5), ("gamma", 1.0), ("mtf", 0.4)):
        assert (
            fit(TRAINING, VALIDATION, settings(epochs=1, **{name: value})).curves.iloc[0]["val_loss"]
            != base["val_loss"]
        )


@pytest.mark.parametrize("patience", [1, 2])
def test_training_stops_after_epochs_of_patience_without_a_better_one(
    long_run: TrainedModel, patience: int
) -> None:
    losses = long_run.curves["val_loss"].tolist()
    stop = next(e for e in range(1, 9) if e - 1 - int(np.argmin(losses[:e])) >= patience)
    assert stop < 8
    stopped = fit(TRAINING, REVERSED, LONG.model_copy(update={"patience": patience}))
    pd.testing.assert_frame_equal(stopped.curves, long_run.curves.iloc[:stop], check_exact=True)
    assert stopped.best_epoch == stop - patience


def test_a_validation_loss_without_bound_names_the_batchs_patches() -> None:
    # NDVI of one patch lies so far from the training patches' that its z-scores exceed single precision.
    ndvi = VALIDATION.ndvi.copy()
    ndvi[2] *= np.float32(3e38)
    with pytest.raises(
        InputError, match=r"^epoch 1: the loss is (nan|inf) on patches v0, v1, v2\. Lower 'learning_rate'"
    ):
        fit(TRAINING, replace(VALIDATION, ndvi=ndvi), settings(batch_size=3))


def test_a_training_loss_that_is_no_number_stops_the_run_naming_the_patches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = OBJECTIVES["sif-cnn-sr1"]
    steps: list[list[str]] = []

    def nan_in_the_second_epoch(predicted: torch.Tensor, batch: Batch, chosen: TrainingSettings) -> Loss:
        steps.append(batch.names)
        loss = objective.loss(predicted, batch, chosen)
        return replace(loss, total=loss.total * float("nan")) if len(steps) == 6 else loss

    monkeypatch.setitem(OBJECTIVES, "sif-cnn-sr1", replace(objective, loss=nan_in_the_second_epoch))
    with pytest.raises(InputError) as caught:  # three training and two validation batches an epoch
        fit(TRAINING, VALIDATION, settings(epochs=3), checkpoint=tmp_path / "x.checkpoint.safetensors")
    assert str(caught.value).startswith(
        f"epoch 2: the loss is nan on patches {', '.join(steps[5])}. Lower 'learning_rate'"
    )
    assert len(steps) == 6 and set(steps[5]) < set(TRAINING.names)
    assert read_checkpoint(tmp_path / "x.checkpoint.safetensors").epoch == 1


@pytest.mark.parametrize("batch_size", [2, 3])
def test_a_smaller_last_batch_counts_by_its_patches(batch_size: int) -> None:
    # Validation runs in evaluation mode: its mean must not depend on how it is divided into batches.
    model = fit(TRAINING, VALIDATION, settings(epochs=1, batch_size=batch_size))
    predicted, _ = predictions(model, VALIDATION)
    lst, ndvi = z_scores(VALIDATION, TRAINING)
    each = [float(sif_cnn_sr1(*(part[i : i + 1] for part in (predicted, lst, ndvi))).total) for i in range(3)]
    assert np.ptp(each) > 0.01 * np.mean(each)
    assert model.curves["val_loss"].iloc[0] == pytest.approx(np.mean(each), rel=1e-4)


def assert_same(one: TrainedModel, other: TrainedModel) -> None:
    pd.testing.assert_frame_equal(one.curves, other.curves, check_exact=True)
    assert (one.best_epoch, one.statistics) == (other.best_epoch, other.statistics)
    states = one.network.state_dict(), other.network.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


AUGMENTED = {"crop": 8, "symmetries": True, "jitter": 2, "gradient_clip": 1.0}
LAST = {"keep": "last", "patience": None}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize(
    "values", [{}, {**LAST, "schedule": "cosine", "norm_epochs": 2, **AUGMENTED, "gamma": "scene"}]
)
def test_a_resumed_training_is_the_uninterrupted_one(
    tmp_path: Path, model: str, values: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen, path = settings(model=model, epochs=4, **values), tmp_path / "x.checkpoint.safetensors"
    whole = fit(TRAINING, VALIDATION, chosen)

    class Stopped(Exception):
        pass

    write, written = training_module.write_checkpoint, []

    def stop_after_three(checkpoint: object, target: Path) -> None:
        write(checkpoint, target)
        written.append(target)
        if len(written) == 3:
            raise Stopped

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(training_module, "write_checkpoint", stop_after_three)
        fit(TRAINING, VALIDATION, chosen, checkpoint=path)
    assert read_checkpoint(path).epoch == 3
    assert_same(whole, fit(TRAINING, VALIDATION, chosen, checkpoint=path))
    assert_same(whole, fit(TRAINING, VALIDATION, chosen, checkpoint=path))  # nothing is left to run


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_training import TRAINING, VALIDATION, settings, fit
from lstsr_core.networks.weights import save_model
out = Path(sys.argv[1])
checkpoint, log = out / "x.checkpoint.safetensors", out / "x.csv"
model = fit(TRAINING, VALIDATION, settings(epochs=8), checkpoint=checkpoint, log=log)
save_model(model.network, model.statistics, out / "x.safetensors")
"""


def test_killed_in_the_middle_of_an_epoch_and_resumed_it_is_identical(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SCRIPT, str(tmp_path), str(Path(__file__).parent)]
    process = subprocess.Popen(command)
    while not (tmp_path / "x.csv").is_file() or len((tmp_path / "x.csv").read_text().splitlines()) < 4:
        assert process.poll() is None
        time.sleep(0.005)
    time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 3 <= read_checkpoint(tmp_path / "x.checkpoint.safetensors").epoch < 8
    assert not (tmp_path / "x.safetensors").exists()
    subprocess.run(command, check=True)
    (tmp_path / "whole").mkdir()
    whole = fit(TRAINING, VALIDATION, settings(epochs=8), log=tmp_path / "whole" / "x.csv")
    save_model(whole.network, whole.statistics, tmp_path / "whole" / "x.safetensors")
    for name in ("x.csv", "x.safetensors"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def test_two_runs_of_one_seed_write_the_same_log(tmp_path: Path) -> None:
    chosen = settings(epochs=2, **AUGMENTED)
    for name in ("a", "b"):
        trained = fit(TRAINING, VALIDATION, chosen, log=tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "a"), trained.curves, rtol=1e-15)


@pytest.mark.parametrize("values", [{"learning_rate": 1e-3}, {"epochs": 9}, {"gamma": "scene"}])
def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path, values: dict[str, object]) -> None:
    path = tmp_path / "x.checkpoint.safetensors"
    fit(TRAINING, VALIDATION, settings(epochs=1), checkpoint=path)
    before = path.read_bytes()
    with pytest.raises(
        InputError, match=r"belongs to a training with other settings or patches\. Take another directory"
    ):
        fit(TRAINING, VALIDATION, settings(**{"epochs": 1, **values}), checkpoint=path)
    with pytest.raises(InputError, match="other settings or patches"):
        fit(VALIDATION, TRAINING, settings(epochs=1), checkpoint=path)
    assert path.read_bytes() == before


def test_the_last_epoch_is_kept_where_it_is_asked_for() -> None:
    last = fit(TRAINING, REVERSED, settings(**{**LONG.model_dump(), **LAST}))
    best = fit(TRAINING, REVERSED, LONG)
    pd.testing.assert_frame_equal(last.curves, best.curves, check_exact=True)
    assert (last.best_epoch, len(last.curves)) == (8, 8) and best.best_epoch < 8
    assert not torch.equal(last.network.outlet.weight, best.network.outlet.weight)


def test_without_validation_patches_their_curves_are_empty() -> None:
    model = train(
        TRAINING,
        np.arange(6),
        np.arange(0),
        settings(epochs=2, training_share=1.0, **LAST),
        device=torch.device("cpu"),
    )
    assert model.curves.filter(like="val_").isna().all(axis=None)
    assert np.isfinite(model.curves.filter(like="train_").to_numpy()).all()


def test_validation_patches_change_nothing_where_the_last_epoch_is_kept() -> None:
    chosen = settings(epochs=2, **LAST)
    states = [fit(TRAINING, other, chosen).network.state_dict() for other in (VALIDATION, REVERSED)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_after_its_epochs_batch_norm_keeps_its_statistics_and_training_sees_what_validation_does() -> None:
    chosen = settings(epochs=3, norm_epochs=2, batch_size=6, **LAST)
    frozen, free = (
        fit(TRAINING, TRAINING, chosen),
        fit(TRAINING, TRAINING, chosen.model_copy(update={"norm_epochs": None})),
    )
    two = fit(TRAINING, TRAINING, chosen.model_copy(update={"epochs": 2}))
    for name, statistic in two.network.state_dict().items():
        if "running" in name or "tracked" in name:
            assert torch.equal(frozen.network.state_dict()[name], statistic)
            assert not torch.equal(free.network.state_dict()[name], statistic)
    # One batch holds all patches: the third epoch's training loss,
    # before its step, is the second's validation loss.
    assert frozen.curves["train_loss"].iloc[2] == pytest.approx(two.curves["val_loss"].iloc[1], rel=1e-5)
    assert free.curves["train_loss"].iloc[2] != pytest.approx(two.curves["val_loss"].iloc[1], rel=1e-2)


def test_cosine_schedule_falls_from_the_learning_rate_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    step = torch.optim.Adam.step

    def noted(optimiser: torch.optim.Adam) -> None:
        rates.append(optimiser.param_groups[0]["lr"])
        step(optimiser)

    monkeypatch.setattr(torch.optim.Adam, "step", noted)
    fit(TRAINING, VALIDATION, settings(epochs=3, batch_size=4, learning_rate=0.01, schedule="cosine", **LAST))
    np.testing.assert_allclose(rates, 0.005 * (1.0 + np.cos(np.pi * np.arange(6) / 6)), rtol=1e-12)


def test_gradients_are_clipped() -> None:
    # Adam does not feel the size of gradients that are all scaled alike;
    # those that differ from step to step it does.
    free, clipped = (fit(TRAINING, VALIDATION, settings(gradient_clip=clip)).curves for clip in (None, 1e-3))
    assert free["val_loss"].iloc[-1] != clipped["val_loss"].iloc[-1]
    assert free["train_loss"].iloc[0] == pytest.approx(clipped["train_loss"].iloc[0], rel=0.5)


def test_the_callers_random_numbers_are_left_alone() -> None:
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    fit(TRAINING, VALIDATION, settings(epochs=1))
    assert torch.equal(torch.rand(4), expected)


@pytest.mark.parametrize("upsampling", ["align-corners", "half-pixel"])
def test_the_networks_upsampling_is_trained_and_kept(tmp_path: Path, upsampling: str) -> None:
    model = fit(TRAINING, VALIDATION, settings(epochs=1, upsampling=upsampling))
    assert model.network.upsampling == upsampling
    save_model(model.network, model.statistics, tmp_path / "x.safetensors")
    assert load_model(tmp_path / "x.safetensors").network.upsampling == upsampling


def test_sc_unet_learns_at_1_km() -> None:
    model = fit(TRAINING, TRAINING, settings(model="sc-unet", epochs=25, learning_rate=0.01))
    assert model.curves["val_loss"].iloc[-1] < 0.3 * model.curves["val_loss"].iloc[0]
    assert (model.curves[["train_perceploss", "val_perceploss"]] == 0.0).all(axis=None)


def test_loss_of_upsampled_is_that_of_the_input_itself() -> None:
    statistics = TRAINING.statistics(np.arange(6))
    lst, ndvi = z_scores(VALIDATION, TRAINING)
    found = loss_of_upsampled(VALIDATION, np.arange(3), statistics, settings())
    assert float(found.total) == pytest.approx(float(sif_cnn_sr1(upsample(lst), lst, ndvi).total), rel=1e-5)
