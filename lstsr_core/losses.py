"""What a network is trained on without ground truth (method §5); x̂, y and n are z-scores."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lstsr_core.degradation import DEFAULT_MTF, degrade
from lstsr_core.metrics import GRADIENT_FILTERS


@dataclass(frozen=True)
class Loss:
    """A total with its two terms, each a scalar tensor."""

    total: Tensor
    reconstruction: Tensor
    texture: Tensor


def gradients(images: Tensor) -> Tensor:
    """S: the four directional gradients, zero padding, (B, 1, rows, columns) → (B, 4, rows, columns)."""
    filters = torch.as_tensor(GRADIENT_FILTERS, dtype=images.dtype, device=images.device).unsqueeze(1)
    return functional.conv2d(images, filters, padding=1)


def sif_cnn_sr1(
    predicted: Tensor, lst: Tensor, ndvi: Tensor, alpha: float = 0.99, gamma: float = -0.5, mtf: float = DEFAULT_MTF
) -> Loss:
    """α·H(D(x̂), y) + (1 − α)·H(S x̂, γ S n), with H the Huber loss (δ = 1, mean).

    Parameters
    ----------
    predicted : tensor of shape (B, 1, 4·rows, 4·columns)
        x̂, z-scored LST at 250 m.
    lst : tensor of shape (B, 1, rows, columns)
        y, z-scored LST at 1 km.
    ndvi : tensor of shape (B, 1, 4·rows, 4·columns)
        n, z-scored.
    """
    reconstruction = functional.huber_loss(degrade(predicted, mtf), lst)
    texture = functional.huber_loss(gradients(predicted), gamma * gradients(ndvi))
    return Loss(alpha * reconstruction + (1.0 - alpha) * texture, reconstruction, texture)
