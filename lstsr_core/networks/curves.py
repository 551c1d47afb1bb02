"""Training curves: what an epoch's batches scored, averaged, in the columns of the published logs."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lstsr_core.metrics.images import WINDOW
from lstsr_core.networks.losses import Loss

_SCORES = ["loss", "dsloss", "perceploss", "psnr", "ssim"]
CURVE_COLUMNS = ["epoch", *(f"{split}_{score}" for split in ("train", "val") for score in _SCORES)]
"""As in the published logs: total, reconstruction (dsloss), texture
(perceploss); PSNR and SSIM against the upsampled input."""


class Tally:
    """Means over an epoch's patches of the losses, and of PSNR and SSIM against the upsampled input.

    Parameters
    ----------
    every : int
        PSNR and SSIM are of the first of each so many patches of a batch: they cost time and decide nothing.
    """

    def __init__(self, every: int = 1) -> None:
        self._every = every
        self._sums: Tensor | None = None
        self._patches = 0

    def add(self, loss: Loss, predicted: Tensor, upsampled: Tensor) -> None:
        """Count a batch.

        Parameters
        ----------
        loss : Loss
            Means over the batch.
        predicted, upsampled : tensor of shape (B, 1, rows, columns)
            z-scored LST: the network's, and its input.
        """
        with torch.no_grad():
            x, r = predicted[:: self._every], upsampled[:: self._every]
            similarity = [psnr_db(x, r).mean(), ssim(x, r).mean()]
            scores = (
                torch.stack([loss.total, loss.reconstruction, loss.texture, *similarity]).detach().double()
            )
            sums = len(predicted) * scores
            self._sums = sums if self._sums is None else self._sums + sums
            self._patches += len(predicted)

    def means(self) -> list[float]:
        """In the order of the curves' columns; NaN if no batch was counted."""
        if self._sums is None:
            return [float("nan")] * len(_SCORES)
        means: list[float] = (self._sums / self._patches).tolist()
        return means


def _spans(x: Tensor, r: Tensor) -> Tensor:
    both = torch.cat([x, r], dim=1)
    return both.amax(dim=(1, 2, 3)) - both.amin(dim=(1, 2, 3))


def psnr_db(x: Tensor, r: Tensor) -> Tensor:
    """`metrics.images.psnr_db` of each image, (B, 1, rows, columns) → (B,)."""
    return 10.0 * torch.log10(_spans(x, r) ** 2 / ((x - r) ** 2).mean(dim=(1, 2, 3)))


def ssim(x: Tensor, r: Tensor) -> Tensor:
    """`metrics.images.ssim` of each image, (B, 1, rows, columns) →
    (B,); meant for z-scores, whose mean is small."""
    span = _spans(x, r).view(-1, 1, 1)
    c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
    stacked = torch.cat([x, r, x * x + r * r, x * r], dim=1)
    # Along one axis after the other: 14 additions a window instead of 49.
    means = functional.avg_pool2d(
        functional.avg_pool2d(stacked, (WINDOW, 1), stride=1), (1, WINDOW), stride=1
    )
    mean_x, mean_r, mean_squares, mean_product = means.unbind(dim=1)
    norm = WINDOW**2 / (WINDOW**2 - 1)
    both_variances = norm * (mean_squares - mean_x**2 - mean_r**2)
    covariance = norm * (mean_product - mean_x * mean_r)
    similarity = (2 * mean_x * mean_r + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_r**2 + c1) * (both_variances + c2)
    return similarity.mean(dim=(1, 2))
