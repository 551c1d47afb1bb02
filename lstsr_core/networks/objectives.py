"""What each network sees of a batch, and the loss that it is trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lstsr_core.geo.grid import SCALE
from lstsr_core.networks import losses
from lstsr_core.networks.data import Batch
from lstsr_core.networks.losses import Loss
from lstsr_core.networks.operators import aggregate_radiance, decimate, upsample
from lstsr_core.networks.settings import TrainingSettings
from lstsr_core.patches.statistics import Statistics


@dataclass(frozen=True)
class Objective:
    """How a network is trained.

    Attributes
    ----------
    inputs : function (batch, statistics) → tensor of shape (B, 2, rows, columns)
        z-scored upsampled LST and NDVI, on the grid of the network's output.
    loss : function (predicted, batch, settings) → Loss
    block : int
        Coarse pixels in which the sides of a patch must be whole.
    """

    inputs: Callable[[Batch, Statistics], Tensor]
    loss: Callable[[Tensor, Batch, TrainingSettings], Loss]
    block: int = 1


def sharpening_inputs(batch: Batch, statistics: Statistics) -> Tensor:
    """U(y) and n at 250 m: what the networks see when they sharpen, too."""
    return torch.cat([upsample(batch.lst), batch.ndvi], dim=1)


def coarser_inputs(batch: Batch, statistics: Statistics) -> Tensor:
    """U(y₄ₖₘ) and n₁ₖₘ at 1 km: LST by norm-L4 in kelvin, NDVI by
    bicubic ×1/4 without a PSF (a published quirk)."""
    lst_k = batch.lst * statistics.lst_std_k + statistics.lst_mean_k
    coarser = (aggregate_radiance(lst_k) - statistics.lst_mean_k) / statistics.lst_std_k
    return torch.cat([upsample(coarser), decimate(batch.ndvi)], dim=1)


def _sr1(predicted: Tensor, batch: Batch, settings: TrainingSettings) -> Loss:
    return losses.sif_cnn_sr1(predicted, batch.lst, batch.ndvi, settings.alpha, batch.gamma, settings.mtf)


def _sr2(predicted: Tensor, batch: Batch, settings: TrainingSettings) -> Loss:
    return losses.sif_cnn_sr2(predicted, batch.lst, batch.ndvi, settings.alpha, batch.gamma, settings.mtf)


def _sc_unet(predicted: Tensor, batch: Batch, settings: TrainingSettings) -> Loss:
    return losses.sc_unet(predicted, batch.lst)


OBJECTIVES: dict[str, Objective] = {
    "sif-cnn-sr1": Objective(sharpening_inputs, _sr1),
    "sif-cnn-sr2": Objective(sharpening_inputs, _sr2),
    "sc-unet": Objective(coarser_inputs, _sc_unet, block=SCALE),
}
