"""Training: repeatable bit for bit, learning, stopped early, and what it keeps is the best epoch."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lstsr_core.degradation import degrade, upsample
from lstsr_core.errors import InputError
from lstsr_core.losses import sif_cnn_sr1
from lstsr_core.parameters import Training
from lstsr_core.patches import PatchSet
from lstsr_core.training import CURVE_COLUMNS, TrainedModel, train

COARSE = 16


def patch_set(count: int, seed: int, name: str) -> PatchSet:
    """Smooth random NDVI, LST that falls with it; LST = D(truth)."""
    random = np.random.default_rng(seed)
    fields = ndimage.gaussian_filter(random.standard_normal((count, 4 * COARSE, 4 * COARSE)), (0, 2, 2), mode="wrap")
    ndvi = np.clip(0.5 + 1.2 * fields, -0.2, 0.95)
    lst_k = degrade(308.0 - 12.0 * ndvi) + 0.3 * random.standard_normal((count, COARSE, COARSE))
    return PatchSet([f"{name}{index}" for index in range(count)], lst_k, ndvi)


TRAINING, VALIDATION = patch_set(6, 1, "t"), patch_set(3, 2, "v")
# LST that rises with NDVI: the longer the training, the worse the validation loss in the end.
REVERSED = replace(VALIDATION, lst_k=614.0 - VALIDATION.lst_k)


def settings(**values: float | int) -> Training:
    return Training.check({"batch_size": 2, "epochs": 3, "threads": 1, "learning_rate": 5e-3, "seed": 5, **values})


LONG = settings(epochs=8, learning_rate=0.02, batch_size=1, seed=6)


@pytest.fixture(scope="module")
def long_run() -> TrainedModel:
    """Eight epochs, of which the best comes well before the last."""
    return train(TRAINING, REVERSED, LONG)


def z_scores(patches: PatchSet, training: PatchSet) -> tuple[torch.Tensor, torch.Tensor]:
    """y and n, scored by numpy with the training patches' mean and standard deviation."""
    lst = (patches.lst_k - np.mean(training.lst_k)) / np.std(training.lst_k)
    ndvi = (patches.ndvi - np.mean(training.ndvi)) / np.std(training.ndvi)
    return torch.from_numpy(lst)[:, None].float(), torch.from_numpy(ndvi)[:, None].float()


def predictions(model: TrainedModel, patches: PatchSet) -> tuple[torch.Tensor, torch.Tensor]:
    """x̂ of each patch, run alone, and U(y)."""
    lst, ndvi = z_scores(patches, TRAINING)
    upsampled = upsample(lst)
    with torch.inference_mode():
        each = [model.network(torch.cat([u, n])[None])[0] for u, n in zip(upsampled, ndvi, strict=True)]
    return torch.stack(each), upsampled


def test_one_seed_gives_one_result_bit_for_bit() -> None:
    first, second, other = (train(TRAINING, VALIDATION, settings(epochs=2, seed=seed)) for seed in (5, 5, 6))
    pd.testing.assert_frame_equal(first.curves, second.curves, check_exact=True)
    states = [model.network.state_dict() for model in (first, second, other)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert not torch.equal(states[0]["outlet.weight"], states[2]["outlet.weight"])
    assert (first.curves["train_loss"] != other.curves["train_loss"]).all()


def test_patches_come_in_another_order_each_epoch_and_never_in_validation() -> None:
    # With a learning rate of (next to) nothing only the batches' make-up can change the training loss.
    curves = train(TRAINING, VALIDATION, settings(epochs=3, learning_rate=1e-30)).curves
    assert curves["train_loss"].nunique() > 1


def test_loss_falls_on_a_small_set() -> None:
    model = train(TRAINING, TRAINING, settings(epochs=12))
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
    assert long_run.best_epoch < losses.index.max() and losses.iloc[-1] > 1.05 * losses.min()  # else any weights would do
    assert not long_run.network.training
    predicted, _ = predictions(long_run, REVERSED)
    lst, ndvi = z_scores(REVERSED, TRAINING)
    found = np.mean([float(sif_cnn_sr1(predicted[i : i + 1], lst[i : i + 1], ndvi[i : i + 1]).total) for i in range(3)])
    assert found == pytest.approx(losses.min(), rel=1e-4)


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
    assert long_run.statistics == TRAINING.statistics()
    assert long_run.statistics.lst_mean_k == pytest.approx(np.mean(TRAINING.lst_k))


def test_weights_loss_and_psf_follow_the_settings() -> None:
    base = train(TRAINING, VALIDATION, settings(epochs=1)).curves.iloc[0]
    for name, value in (("alpha", 0.5), ("gamma", 1.0), ("mtf", 0.4)):
        assert train(TRAINING, VALIDATION, settings(epochs=1, **{name: value})).curves.iloc[0]["val_loss"] != base["val_loss"]


@pytest.mark.parametrize("patience", [1, 2])
def test_training_stops_after_epochs_of_patience_without_a_better_one(long_run: TrainedModel, patience: int) -> None:
    losses = long_run.curves["val_loss"].tolist()
    stop = next(e for e in range(1, 9) if e - 1 - int(np.argmin(losses[:e])) >= patience)
    assert stop < 8
    stopped = train(TRAINING, REVERSED, LONG.model_copy(update={"patience": patience}))
    pd.testing.assert_frame_equal(stopped.curves, long_run.curves.iloc[:stop], check_exact=True)
    assert stopped.best_epoch == stop - patience


@pytest.mark.parametrize("which", ["training", "validation"])
def test_a_loss_that_is_no_number_names_the_patches(which: str) -> None:
    sets = {"training": TRAINING, "validation": VALIDATION}
    ndvi = sets[which].ndvi.copy()
    ndvi[1, 30, 30] = math.nan
    sets[which] = replace(sets[which], ndvi=ndvi)
    with pytest.raises(InputError, match=rf"^epoch 1: the loss is nan on patches {which[0]}1\. Lower 'learning_rate'"):
        train(sets["training"], sets["validation"], settings(batch_size=1))


def test_a_loss_without_bound_names_all_patches_of_the_batch() -> None:
    # NDVI of one validation patch lies so far from the training patches' that its z-scores exceed single precision.
    ndvi = VALIDATION.ndvi.copy()
    ndvi[2] *= 1e39
    with pytest.raises(InputError, match=r"^epoch 1: the loss is (nan|inf) on patches v0, v1, v2\. "):
        train(TRAINING, replace(VALIDATION, ndvi=ndvi), settings(batch_size=3))


@pytest.mark.parametrize("which", ["training", "validation"])
def test_patches_with_holes_are_refused_by_name(which: str) -> None:
    sets = {"training": TRAINING, "validation": VALIDATION}
    lst_k = sets[which].lst_k.copy()
    lst_k[[0, 2], 3, 4] = math.nan
    sets[which] = replace(sets[which], lst_k=lst_k)
    names = f"{which[0]}0, {which[0]}2"
    with pytest.raises(InputError, match=f"^patches {names} hold invalid LST; training needs 'coverage' 0"):
        train(sets["training"], sets["validation"], settings())


@pytest.mark.parametrize("batch_size", [2, 3])
def test_a_smaller_last_batch_counts_by_its_patches(batch_size: int) -> None:
    # Validation runs in evaluation mode: its mean must not depend on how it is divided into batches.
    model = train(TRAINING, VALIDATION, settings(epochs=1, batch_size=batch_size))
    predicted, _ = predictions(model, VALIDATION)
    lst, ndvi = z_scores(VALIDATION, TRAINING)
    each = [float(sif_cnn_sr1(*(part[i : i + 1] for part in (predicted, lst, ndvi))).total) for i in range(3)]
    assert np.ptp(each) > 0.01 * np.mean(each)
    assert model.curves["val_loss"].iloc[0] == pytest.approx(np.mean(each), rel=1e-4)
