"""From 250 m to 1 km and back: the sensor's degradation D, its low-pass G, aggregation and bicubic upsampling.

Everything here works on the last two axes (rows, columns) of an array or a tensor, and gives back what it was given.
On tensors it is differentiable.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lstsr_core.geo.grid import SCALE
from lstsr_core.geo.raster import FloatArray

Image = TypeVar("Image", FloatArray, Tensor)

DEFAULT_MTF = 0.1
BICUBIC_A = -0.75


def psf_sigma(mtf: float, scale: int = SCALE) -> float:
    """Standard deviation, in fine pixels, of the Gaussian whose transfer at the coarse Nyquist frequency is `mtf`.

    >>> round(psf_sigma(0.1), 2)
    2.73
    """
    if not 0.0 < mtf < 1.0:
        raise ValueError(f"mtf is {mtf}; expected a transfer strictly between 0 and 1 (0.1 in the paper).")
    return math.sqrt(-math.log(mtf) / 2.0) / (math.pi * 0.5 / scale)


@lru_cache(maxsize=32)
def psf_kernel(mtf: float, scale: int = SCALE) -> tuple[float, ...]:
    """The PSF along one axis: 2·scale + 1 taps with sum 1 (the plane kernel is its outer product)."""
    sigma = psf_sigma(mtf, scale)
    taps = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(-scale, scale + 1)]
    return tuple(tap / sum(taps) for tap in taps)


@lru_cache(maxsize=32)
def _degradation_kernel(mtf: float) -> tuple[float, ...]:
    # Bicubic interpolation by 1/4 with half-pixel centres always samples midway between the second and third of four pixels,
    # so PSF and interpolation are together one strided 12-tap filter along each axis.
    outer, inner = BICUBIC_A * 0.125, 0.5 - BICUBIC_A * 0.125
    return tuple(np.convolve(psf_kernel(mtf), [outer, inner, inner, outer]).tolist())


def _separable(planes: Tensor, taps: tuple[float, ...], padding: int, stride: int) -> Tensor:
    kernel = torch.tensor(taps, dtype=planes.dtype, device=planes.device)
    padded = functional.pad(planes, [padding] * 4, mode="reflect")
    along_rows = functional.conv2d(padded, kernel.view(1, 1, -1, 1), stride=(stride, 1))
    return functional.conv2d(along_rows, kernel.view(1, 1, 1, -1), stride=(1, stride))


def _planes(images: FloatArray | Tensor) -> Tensor:
    tensor = images if isinstance(images, Tensor) else torch.from_numpy(np.require(images, requirements=["C", "W"]))
    return tensor.reshape(-1, 1, *tensor.shape[-2:])


def _like(planes: Tensor, images: Image) -> Image:
    shaped = planes.reshape(*images.shape[:-2], *planes.shape[-2:])
    return shaped if isinstance(images, Tensor) else shaped.numpy()


def _check_divisible(images: FloatArray | Tensor) -> None:
    rows, columns = images.shape[-2:]
    if rows % SCALE or columns % SCALE:
        raise ValueError(f"A fine image of {rows}×{columns} (rows×columns) is not whole in blocks of {SCALE}×{SCALE}.")


def degrade(fine: Image, mtf: float = DEFAULT_MTF) -> Image:
    """D: what the 1 km sensor would see of a 250 m image (PSF, then decimation).

    Parameters
    ----------
    fine : array or tensor of shape (..., 4·rows, 4·columns)
        Any unit, since D is linear with sum 1; a NaN spreads over every coarse pixel whose PSF reaches it.
    mtf : float
        Transfer of the PSF at the coarse grid's Nyquist frequency.

    Returns
    -------
    array or tensor of shape (..., rows, columns)
    """
    _check_divisible(fine)
    return _like(_separable(_planes(fine), _degradation_kernel(mtf), padding=SCALE, stride=SCALE), fine)


def low_pass(fine: Image, mtf: float = DEFAULT_MTF) -> Image:
    """G_mtf: the PSF of `degrade` without its decimation, same shape as the input."""
    return _like(_separable(_planes(fine), psf_kernel(mtf), padding=SCALE, stride=1), fine)


def upsample(coarse: Image) -> Image:
    """U: bicubic ×4 (a = −0.75, half-pixel centres, edges replicated), (..., rows, columns) → (..., 4·rows, 4·columns)."""
    return _like(functional.interpolate(_planes(coarse), scale_factor=SCALE, mode="bicubic", align_corners=False), coarse)


def decimate(fine: Image) -> Image:
    """Bicubic ×1/4 without any PSF: how SC-Unet's training inputs are made (a published quirk, Method 3)."""
    _check_divisible(fine)
    return _like(functional.interpolate(_planes(fine), scale_factor=1 / SCALE, mode="bicubic", align_corners=False), fine)


def block_mean(fine: Image) -> Image:
    """Mean over each 4×4 block, (..., 4·rows, 4·columns) → (..., rows, columns); a NaN makes its block NaN."""
    _check_divisible(fine)
    return _like(functional.avg_pool2d(_planes(fine), SCALE), fine)


def aggregate_radiance(fine_k: Image) -> Image:
    """norm-L4: temperature in kelvin of each 4×4 block's mean emitted power (Stefan–Boltzmann), without a PSF."""
    return block_mean(fine_k**4) ** 0.25
