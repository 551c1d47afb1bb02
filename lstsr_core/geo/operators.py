"""From 250 m to 1 km and back: the sensor's degradation D, its
low-pass G, aggregation and bicubic upsampling.

Everything here works on the last two axes (rows, columns) of an array;
`networks.operators` does the same to tensors.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Literal, TypeAlias

import numpy as np

from lstsr_core.geo.grid import SCALE
from lstsr_core.geo.raster import FloatArray

DEFAULT_MTF = 0.1
BICUBIC_A = -0.75

_Strips: TypeAlias = Iterator[tuple[slice, FloatArray]]
_PIXELS_AT_A_TIME = 1 << 17  # which stay in the processor's cache


def psf_sigma(mtf: float, scale: int = SCALE) -> float:
    """Standard deviation, in fine pixels, of the Gaussian whose
    transfer at the coarse Nyquist frequency is `mtf`.

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
def degradation_kernel(mtf: float) -> tuple[float, ...]:
    """D along one axis: 12 taps, from four fine pixels before a coarse pixel to four behind it."""
    # Bicubic interpolation by 1/4 with half-pixel centres always samples midway between the second and third
    # of four pixels, so PSF and interpolation are together one strided filter.
    return tuple(np.convolve(psf_kernel(mtf), _cubic_taps(0.5)).tolist())


def _cubic_taps(position: float) -> tuple[float, ...]:
    """Keys' cubic convolution, a = −0.75: the weights of four
    pixels at 0 … 1 between the second and the third."""
    a = BICUBIC_A
    near, far = (1.0 - position, position), (2.0 - position, 1.0 + position)
    inner = [((a + 2.0) * d - (a + 3.0)) * d * d + 1.0 for d in near]
    outer = [((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a for d in far]
    return outer[1], inner[1], inner[0], outer[0]


def _filtered(images: FloatArray, taps: Sequence[float], axis: int, stride: int = 1) -> FloatArray:
    """A filter along one axis (−2 or −1), where all its taps lie inside, at every `stride`-th place."""
    reach = stride * ((images.shape[axis] - len(taps)) // stride) + 1
    parts = [slice(first, first + reach, stride) for first in range(len(taps))]
    weights = [images.dtype.type(tap) for tap in taps]
    views = [images[..., part, :] if axis == -2 else images[..., part] for part in parts]
    total: FloatArray = views[0] * weights[0]
    product = np.empty_like(total)
    for view, weight in zip(views[1:], weights[1:], strict=True):
        total += np.multiply(view, weight, out=product)
    return total


def _strips(
    images: FloatArray, rows: int, taps: int, stride: int, border: int, mode: Literal["reflect", "edge"]
) -> _Strips:
    """The rows of a result, some at a time, each with the padded
    part of the images that they are filtered from."""
    source = np.pad(np.arange(images.shape[-2]), border, mode=mode)
    columns = [(0, 0)] * (images.ndim - 1) + [(border, border)]
    step = max(1, _PIXELS_AT_A_TIME // max(1, stride * images[..., :1, :].size))
    for top in range(0, rows, step):
        bottom = min(top + step, rows)
        lines = images[..., source[stride * top : stride * (bottom - 1) + taps], :]
        yield slice(top, bottom), np.pad(lines, columns, mode=mode)


def _strided(images: FloatArray, taps: Sequence[float], stride: int, border: int = 0) -> FloatArray:
    """The same filter along rows and columns, the image mirrored at its border."""
    rows, columns = ((side + 2 * border - len(taps)) // stride + 1 for side in images.shape[-2:])
    result = np.empty((*images.shape[:-2], rows, columns), images.dtype)
    for span, part in _strips(images, rows, len(taps), stride, border, "reflect"):
        result[..., span, :] = _filtered(_filtered(part, taps, -2, stride), taps, -1, stride)
    return result


def check_divisible(shape: Sequence[int]) -> None:
    """Refuse a fine image whose last two sides are not whole in blocks of 4×4.

    Raises
    ------
    ValueError
    """
    rows, columns = shape[-2:]
    if rows % SCALE or columns % SCALE:
        raise ValueError(
            f"A fine image of {rows}×{columns} (rows×columns) is not whole in blocks of {SCALE}×{SCALE}."
        )


def degrade(fine: FloatArray, mtf: float = DEFAULT_MTF) -> FloatArray:
    """D: what the 1 km sensor would see of a 250 m image (PSF, then decimation; Method 1).

    Parameters
    ----------
    fine : array of shape (..., 4·rows, 4·columns)
        Any unit, since D is linear with sum 1; a NaN spreads over every coarse pixel whose PSF reaches it.
    mtf : float
        Transfer of the PSF at the coarse grid's Nyquist frequency.

    Returns
    -------
    array of shape (..., rows, columns)
    """
    check_divisible(fine.shape)
    return _strided(fine, degradation_kernel(mtf), SCALE, SCALE)


def low_pass(fine: FloatArray, mtf: float = DEFAULT_MTF) -> FloatArray:
    """G_mtf: the PSF of `degrade` without its decimation, same shape as the input."""
    return _strided(fine, psf_kernel(mtf), 1, SCALE)


def upsample(coarse: FloatArray) -> FloatArray:
    """U: bicubic ×4 (a = −0.75, half-pixel centres, edges replicated),
    (..., rows, columns) → (..., 4·rows, 4·columns)."""
    rows, columns = coarse.shape[-2:]
    fine = np.empty((*coarse.shape[:-2], SCALE * rows, SCALE * columns), coarse.dtype)
    # Fine pixels' centres, counted from the coarse pixel before them.
    places = [divmod((phase + 0.5) / SCALE + 0.5, 1.0) for phase in range(SCALE)]
    phases = [(phase, int(before), _cubic_taps(position)) for phase, (before, position) in enumerate(places)]
    for span, part in _strips(coarse, rows, 5, 1, 2, "edge"):
        wide = np.empty((*part.shape[:-1], SCALE * columns), coarse.dtype)
        for phase, first, taps in phases:
            wide[..., phase::SCALE] = _filtered(part[..., first : first + columns + 3], taps, -1)
        for phase, first, taps in phases:
            lines = wide[..., first : first + span.stop - span.start + 3, :]
            fine[..., SCALE * span.start + phase : SCALE * span.stop : SCALE, :] = _filtered(lines, taps, -2)
    return fine


def block_mean(fine: FloatArray) -> FloatArray:
    """Mean over each 4×4 block, (..., 4·rows, 4·columns) →
    (..., rows, columns); a NaN makes its block NaN."""
    check_divisible(fine.shape)
    return _strided(fine, [1.0 / SCALE] * SCALE, SCALE)
