"""Training SIF-CNN-SR1 on patches: Adam, early stopping, the best epoch's weights kept (method §5)."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from lstsr_core.degradation import upsample
from lstsr_core.errors import InputError
from lstsr_core.losses import Loss, sif_cnn_sr1
from lstsr_core.metrics import psnr_db, ssim
from lstsr_core.networks import SharpeningUNet, Statistics
from lstsr_core.parameters import Training
from lstsr_core.patches import PatchSet
from lstsr_core.progress import bar

MODEL = "sif-cnn-sr1"
CURVE_COLUMNS = [
    "epoch", "train_loss", "train_dsloss", "train_perceploss", "train_psnr", "train_ssim",
    "val_loss", "val_dsloss", "val_perceploss", "val_psnr", "val_ssim",
]  # fmt: skip
"""As in the published logs: total, reconstruction (dsloss) and texture (perceploss); PSNR and SSIM against U(y)."""


@dataclass(frozen=True)
class TrainedModel:
    """The best epoch's network, what z-scored its inputs, and the curves of every epoch."""

    network: SharpeningUNet
    statistics: Statistics
    curves: pd.DataFrame
    best_epoch: int


@dataclass(frozen=True)
class _Scores:
    names: list[str]
    upsampled: Tensor
    lst: Tensor
    ndvi: Tensor

    @classmethod
    def of(cls, patches: PatchSet, statistics: Statistics) -> _Scores:
        if not np.isfinite(patches.lst_k).all():
            holes = [name for name, lst_k in zip(patches.names, patches.lst_k, strict=True) if not np.isfinite(lst_k).all()]
            raise InputError(f"patches {', '.join(holes[:5])} hold invalid LST; training needs 'coverage' 0 in 02_patches.")
        lst = torch.from_numpy((patches.lst_k - statistics.lst_mean_k) / statistics.lst_std_k).unsqueeze(1)
        ndvi = torch.from_numpy((patches.ndvi - statistics.ndvi_mean) / statistics.ndvi_std).unsqueeze(1)
        return cls(patches.names, upsample(lst).float(), lst.float(), ndvi.float())

    def batches(self, size: int, order: np.ndarray) -> Iterator[_Scores]:
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            names = [self.names[index] for index in chosen]
            yield _Scores(names, *(scores[torch.from_numpy(chosen)] for scores in (self.upsampled, self.lst, self.ndvi)))


class _Epoch:
    """Running means of an epoch's losses and of PSNR and SSIM against the upsampled input."""

    def __init__(self) -> None:
        self._sums = np.zeros(5)
        self._count = 0

    def add(self, loss: Loss, predicted: Tensor, upsampled: Tensor) -> None:
        images = [(x[0].numpy().astype(float), u[0].numpy().astype(float)) for x, u in zip(predicted, upsampled, strict=True)]
        similarity = [(psnr_db(x, u), ssim(x, u)) for x, u in images]
        terms = [term.item() for term in (loss.total, loss.reconstruction, loss.texture)]
        self._sums += len(images) * np.array([*terms, *np.mean(similarity, axis=0)])
        self._count += len(images)

    def means(self) -> list[float]:
        means: list[float] = (self._sums / self._count).tolist()
        return means


def loss_of_upsampled(patches: PatchSet, statistics: Statistics, settings: Training) -> Loss:
    """What U(y) itself scores, mean over the patches: the figure that a network has to beat.

    Parameters
    ----------
    patches : PatchSet
    statistics : Statistics
        Of the training split.
    settings : Training
        Gives α, γ and the MTF.
    """
    scores = _Scores.of(patches, statistics)
    return sif_cnn_sr1(scores.upsampled, scores.lst, scores.ndvi, settings.alpha, settings.gamma, settings.mtf)


def train(training: PatchSet, validation: PatchSet, settings: Training) -> TrainedModel:
    """Train SIF-CNN-SR1 from scratch.

    The same seed, settings and number of threads give the same weights bit for bit on one machine.

    Parameters
    ----------
    training, validation : PatchSet
        The training patches' own statistics z-score both.
    settings : Training
        Losses' α, γ and MTF; learning rate, batch size, epochs, patience, threads, seed.

    Raises
    ------
    InputError
        If a patch has holes, or the loss stops being a number (naming the batch's patches).
    """
    torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    order = np.random.default_rng(settings.seed)
    statistics = training.statistics()
    train_scores, validation_scores = (_Scores.of(patches, statistics) for patches in (training, validation))
    network = SharpeningUNet()
    optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)

    def loss_of(batch: _Scores) -> tuple[Loss, Tensor]:
        predicted = network(torch.cat([batch.upsampled, batch.ndvi], dim=1))
        return sif_cnn_sr1(predicted, batch.lst, batch.ndvi, settings.alpha, settings.gamma, settings.mtf), predicted

    rows: list[list[float]] = []
    best_epoch, best_loss, best_state = 0, float("inf"), network.state_dict()
    epochs = bar(range(1, settings.epochs + 1), "Training", "epoch")
    for epoch in epochs:
        means = []
        for scores, learns in ((train_scores, True), (validation_scores, False)):
            network.train(learns)
            tally = _Epoch()
            sequence = order.permutation(len(scores.names)) if learns else np.arange(len(scores.names))
            with torch.set_grad_enabled(learns):
                for batch in scores.batches(settings.batch_size, sequence):
                    loss, predicted = loss_of(batch)
                    if not torch.isfinite(loss.total):
                        raise InputError(
                            f"epoch {epoch}: the loss is {loss.total.item()} on patches {', '.join(batch.names)}. "
                            "Lower 'learning_rate', or look at these patches."
                        )
                    if learns:
                        optimiser.zero_grad()
                        torch.autograd.backward(loss.total)
                        optimiser.step()
                    tally.add(loss, predicted.detach(), batch.upsampled)
            means.append(tally.means())
        rows.append([epoch, *means[0], *means[1]])
        total, reconstruction, texture = means[1][:3]
        epochs.set_postfix_str(f"validation loss {total:.5f}, reconstruction {reconstruction:.5f}, texture {texture:.4f}")
        if total < best_loss:
            best_epoch, best_loss, best_state = epoch, total, copy.deepcopy(network.state_dict())
        if epoch - best_epoch >= settings.patience:
            break
    network.load_state_dict(best_state)
    curves = pd.DataFrame(rows, columns=CURVE_COLUMNS).astype({"epoch": int})
    return TrainedModel(network.eval(), statistics, curves, best_epoch)
