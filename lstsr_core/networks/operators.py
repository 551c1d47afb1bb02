"""The operators of `geo.operators` on tensors: differentiable, along the last two
axes (rows, columns), and to rounding the same.

They are written anew by torch's convolutions, since
`geo.operators` is for maps and tables that need no torch.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lstsr_core.geo.grid import SCALE
from lstsr_core.geo.operators import DEFAULT_MTF, check_divisible, degradation_kernel, psf_kernel


def _separable(planes: Tensor, taps: tuple[float, ...], padding: int, stride: int) -> Tensor:
    kernel = torch.tensor(taps, dtype=planes.dtype, device=planes.device)
    padded = functional.pad(planes, [padding] * 4, mode="reflect")
    along_rows = functional.conv2d(padded, kernel.view(1, 1, -1, 1), stride=(stride, 1))
    return functional.conv2d(along_rows, kernel.view(1, 1, 1, -1), stride=(1, stride))


def _planes(images: Tensor) -> Tensor:
    return images.reshape(-1, 1, *images.shape[-2:])


def _like(planes: Tensor, images: Tensor) -> Tensor:
    return planes.reshape(*images.shape[:-2], *planes.shape[-2:])


def degrade(fine: Tensor, mtf: float = DEFAULT_MTF) -> Tensor:
    """D, (..., 4·rows, 4·columns) → (..., rows, columns)."""
    check_divisible(fine.shape)
    return _like(_separable(_planes(fine), degradation_kernel(mtf), padding=SCALE, stride=SCALE), fine)


def low_pass(fine: Tensor, mtf: float = DEFAULT_MTF) -> Tensor:
    """G_mtf, same shape as the input."""
    return _like(_separable(_planes(fine), psf_kernel(mtf), padding=SCALE, stride=1), fine)


def upsample(coarse: Tensor) -> Tensor:
    """U, (..., rows, columns) → (..., 4·rows, 4·columns)."""
    return _like(
        functional.interpolate(_planes(coarse), scale_factor=SCALE, mode="bicubic", align_corners=False),
        coarse,
    )


def decimate(fine: Tensor) -> Tensor:
    """Bicubic ×1/4 without any PSF: how SC-Unet's training inputs are made (a published quirk, Method 3)."""
    check_divisible(fine.shape)
    return _like(
        functional.interpolate(_planes(fine), scale_factor=1 / SCALE, mode="bicubic", align_corners=False),
        fine,
    )


def aggregate_radiance(fine_k: Tensor) -> Tensor:
    """norm-L4 in kelvin, (..., 4·rows, 4·columns) → (..., rows, columns)."""
    check_divisible(fine_k.shape)
    return _like(functional.avg_pool2d(_planes(fine_k**4), SCALE), fine_k) ** 0.25
