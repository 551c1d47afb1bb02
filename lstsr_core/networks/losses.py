"""What each network is trained on without ground truth (Method 3); x̂, y and
n are z-scores, H the Huber loss (δ = 1, mean)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lstsr_core.geo.operators import DEFAULT_MTF
from lstsr_core.metrics.images import GRADIENT_FILTERS
from lstsr_core.networks.operators import degrade, low_pass

TEXTURE_MTF = 0.25
"""Of the low-pass G whose remainder SIF-CNN-SR2 compares, whatever the sensor's own."""


@dataclass(frozen=True)
class Loss:
    """A total with its two terms, each a scalar tensor; the texture of a loss without one is 0."""

    total: Tensor
    reconstruction: Tensor
    texture: Tensor


def gradients(images: Tensor) -> Tensor:
    """S: the four directional gradients, zero padding, (B, 1, rows, columns) → (B, 4, rows, columns)."""
    filters = torch.as_tensor(GRADIENT_FILTERS, dtype=images.dtype, device=images.device).unsqueeze(1)
    return functional.conv2d(images, filters, padding=1)


def high_pass(images: Tensor) -> Tensor:
    """What the low-pass leaves out: x − G_0.25 x, same shape."""
    return images - low_pass(images, TEXTURE_MTF)


def sif_cnn_sr1(
    predicted: Tensor,
    lst: Tensor,
    ndvi: Tensor,
    alpha: float = 0.99,
    gamma: float | Tensor = -0.5,
    mtf: float = DEFAULT_MTF,
) -> Loss:
    """α·H(D(x̂), y) + (1 − α)·H(S x̂, γ S n).

    Parameters
    ----------
    predicted : tensor of shape (B, 1, 4·rows, 4·columns)
        x̂, z-scored LST at 250 m.
    lst : tensor of shape (B, 1, rows, columns)
        y, z-scored LST at 1 km.
    ndvi : tensor of shape (B, 1, 4·rows, 4·columns)
        n, z-scored.
    alpha : float
        Weight of the reconstruction.
    gamma : float or tensor of shape (B, 1, 1, 1)
        Slope that ties LST's texture to NDVI's: one for all, or each scene's own.
    mtf : float
        Of D.
    """
    reconstruction = functional.huber_loss(degrade(predicted, mtf), lst)
    texture = functional.huber_loss(gradients(predicted), gamma * gradients(ndvi))
    return Loss(alpha * reconstruction + (1.0 - alpha) * texture, reconstruction, texture)


def sif_cnn_sr2(
    predicted: Tensor,
    lst: Tensor,
    ndvi: Tensor,
    alpha: float = 0.5,
    gamma: float | Tensor = -0.25,
    mtf: float = DEFAULT_MTF,
) -> Loss:
    """α·H(D(x̂), y) + (1 − α)·H(x̂ − G x̂, γ (n − G n)), G of
    MTF 0.25; parameters as `sif_cnn_sr1` takes them."""
    reconstruction = functional.huber_loss(degrade(predicted, mtf), lst)
    texture = functional.huber_loss(high_pass(predicted), gamma * high_pass(ndvi))
    return Loss(alpha * reconstruction + (1.0 - alpha) * texture, reconstruction, texture)


def sc_unet(predicted: Tensor, lst: Tensor) -> Loss:
    """H(x̂, y), both at 1 km: x̂ was sharpened from 4 km, and scale invariance is hoped for.

    Parameters
    ----------
    predicted, lst : tensor of shape (B, 1, rows, columns)
    """
    reconstruction = functional.huber_loss(predicted, lst)
    return Loss(reconstruction, reconstruction, torch.zeros_like(reconstruction))
