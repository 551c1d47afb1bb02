"""Radial amplitude spectra, and what they say of a product against ASTER and bicubic (Method 7)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from lstsr_core.geo.raster import FloatArray

IntArray = NDArray[np.int64]

PUBLISHED_PIXEL_M = 231.65


@dataclass(frozen=True)
class _Rings:
    """The rings of one image size over the half plane of `rfft2`: which
    pixels they hold, of which ring, with what weight."""

    pixel: IntArray
    ring: IntArray
    weight: FloatArray


@lru_cache(maxsize=64)
def _rings(rows: int, columns: int) -> _Rings:
    # Ring r holds the pixels with r < ρ ≤ r + 1: in integers r² < ρ² ≤
    # (r + 1)², so the centre belongs to none (−1).
    down = np.fft.fftfreq(rows, 1 / rows).round()[:, None]
    right = np.arange(columns // 2 + 1)[None, :]
    squared = down**2 + right**2
    rings = np.where(squared > 0, np.floor(np.sqrt(np.maximum(squared - 1, 0))), -1).astype(np.int64)
    pixel = np.flatnonzero((rings >= 0) & (rings < _ring_count(rows, columns)))
    ring = rings.ravel()[pixel]
    # A pixel off column 0 stands for its mirror image too, which the half plane
    # leaves out; no ring reaches the last column.
    members = np.where(pixel % right.size > 0, 2.0, 1.0)
    return _Rings(pixel, ring, members / np.bincount(ring, members)[ring])


def _ring_count(rows: int, columns: int) -> int:
    return min(rows // 2 - 1, columns // 2 - 1)


def ring_members(rows: int, columns: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Of an image's half plane of `rfft2`, flat: the rings' pixels, each one's ring, and its weight."""
    rings = _rings(rows, columns)
    return rings.pixel, rings.ring, rings.weight


def attenuation_db(image: FloatArray, published: bool = False) -> FloatArray:
    """Ring averages of the amplitude spectrum relative to its centre.

    Parameters
    ----------
    image : array of shape (rows, columns)
        No NaN; neither a window nor the removal of the mean is applied.
    published : bool
        Give the first element as the ratio 1, as the published code does, instead of 0 dB.

    Returns
    -------
    array of shape (N,)
        10·log10(ring / centre); element 0 is f = 0, element r + 1 the ring r < ρ ≤ r + 1.
    """
    rows, columns = image.shape
    count = _ring_count(rows, columns)
    if count < 1:
        raise ValueError(
            f"An image of {rows}×{columns} (rows×columns) is too small for a spectrum; expected 4×4 or more."
        )
    amplitude = np.abs(np.fft.rfft2(image)).ravel()
    rings = _rings(rows, columns)
    means = np.bincount(rings.ring, amplitude[rings.pixel] * rings.weight, count)
    centre = amplitude[0]
    with np.errstate(divide="ignore"):  # an image without detail is attenuated without end
        rings_db = 10.0 * np.log10(means / centre)
    return np.concatenate([[1.0 if published else 0.0], rings_db])


def frequencies_per_m(count: int, published: bool = False, pixel_m: float = PUBLISHED_PIXEL_M) -> FloatArray:
    """The frequency axis of `attenuation_db`'s N elements, in cycles per metre.

    Parameters
    ----------
    count : int
        N.
    published : bool
        From 1/(2N·pixel) to 1/pixel in even steps, as published; otherwise from 0 to the last
        ring, just under the Nyquist frequency 1/(2·pixel).
    pixel_m : float
    """
    if published:
        return np.linspace(1.0 / (pixel_m * 2 * count), 1.0 / pixel_m, count)
    # Ring r lies on average half a step past r, of 2·N steps a side.
    return np.concatenate([[0.0], np.arange(count - 1) + 0.5]) / (2 * count * pixel_m)


@dataclass(frozen=True)
class FourierMetrics:
    """What a product recovers of ASTER's spectrum beyond bicubic, and where it over- or undershoots.

    Attributes
    ----------
    pfr_db, afr_db : float
        Potential and achieved recovery, sums over frequencies.
    frr : float
        Their ratio: 1 recovers all, 0 nothing; NaN where bicubic leaves nothing to recover.
    fro, fru : float
        Overshoot above ASTER and undershoot below bicubic, as shares.
    attenuation_rmse_db : float
    """

    pfr_db: float
    afr_db: float
    frr: float
    fro: float
    fru: float
    attenuation_rmse_db: float


def compare_spectra(p: FloatArray, r: FloatArray, b: FloatArray) -> FourierMetrics:
    """Compare the attenuation of a product (p) with ASTER's
    (r) and bicubic's (b), each of shape (N,), in dB."""
    pfr = float(np.maximum(r - b, 0.0).sum())
    afr = float((np.maximum(np.minimum(p, r), np.minimum(b, r)) - np.minimum(r, b)).sum())
    return FourierMetrics(
        pfr_db=pfr,
        afr_db=afr,
        frr=afr / pfr if pfr > 0.0 else float("nan"),
        fro=float((r - np.maximum(p, r)).sum() / r.sum()),
        fru=float((b - np.minimum(p, b)).sum() / b.sum()),
        attenuation_rmse_db=float(np.sqrt(np.mean((p - r) ** 2))),
    )
