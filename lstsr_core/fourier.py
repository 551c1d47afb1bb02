"""Radial amplitude spectra, and what they say of a product against ASTER and bicubic (method §9)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from lstsr_core.raster import FloatArray

PUBLISHED_PIXEL_M = 231.65


@lru_cache(maxsize=64)
def _rings(rows: int, columns: int) -> np.ndarray:
    # Ring r holds the pixels with r < ρ ≤ r + 1: in integers r² < ρ² ≤ (r + 1)², so the centre belongs to none (−1).
    row, column = np.ogrid[:rows, :columns]
    squared = (row - rows // 2) ** 2 + (column - columns // 2) ** 2
    rings: np.ndarray = np.floor(np.sqrt(np.maximum(squared - 1, 0))).astype(np.int64)
    rings[rows // 2, columns // 2] = -1
    return rings


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
    count = min(rows // 2 - 1, columns // 2 - 1)
    if count < 1:
        raise ValueError(f"An image of {rows}×{columns} (rows×columns) is too small for a spectrum; expected 4×4 or more.")
    amplitude = np.fft.fftshift(np.abs(np.fft.fft2(image)))
    rings = _rings(rows, columns)
    inside = (rings >= 0) & (rings < count)
    sums = np.bincount(rings[inside], amplitude[inside], count)
    means = sums / np.bincount(rings[inside], minlength=count)
    centre = amplitude[rows // 2, columns // 2]
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
        From 1/(2N·pixel) to 1/pixel in even steps, as published; otherwise from 0 to the last ring, just under the Nyquist
        frequency 1/(2·pixel).
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
    """Compare the attenuation of a product (p) with ASTER's (r) and bicubic's (b), each of shape (N,), in dB."""
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
