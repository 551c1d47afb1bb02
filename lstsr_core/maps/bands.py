"""From a sharpened image to the bands of a map: flagged, masked and
rounded, in strips that several threads share."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from lstsr_core.geo.grid import SCALE
from lstsr_core.geo.raster import BoolArray, Float32Array, FloatArray
from lstsr_core.maps.validity import (
    CLOUD,
    NDVI_INVALID,
    OUTSIDE_SHAPE,
    OUTSIDE_TRAINING,
    UNSEEN,
    VALID,
    WATER,
    FlagArray,
    has_lst,
    outside_training,
)
from lstsr_core.patches.statistics import Statistics
from lstsr_core.sharpening.methods import repeated

STEPS_PER_K = 1024
"""LST and residual are rounded to 1/1024 K, a twentieth of the
product's own step: the file is a third smaller for it."""

_STRIP_COARSE_ROWS = 16
"""A strip of a whole tile and what is made of it on the way are some
megabytes, which stay in the processor's cache."""


@dataclass(frozen=True)
class Area:
    """A sharpened image, what it was made of, and what masks it.

    Attributes
    ----------
    lst_k : array of shape (rows, columns)
        At 1 km.
    ndvi : array of shape (4·rows, 4·columns)
    fine_k : array of shape (4·rows, 4·columns)
    residual_k : array of shape (rows, columns)
        The degraded `fine_k` minus `lst_k`.
    statistics : Statistics or None
        What a network was trained on.
    water, inside : bool array of shape (4·rows, 4·columns) or None
        Where there is water, and the shape that is asked for.
    uncertainty_k : array of shape (4·rows, 4·columns) or None
        One standard deviation of `fine_k`, for methods that tell one.
    unseen : bool
        Whether all of it is of what the weights have not seen (`validity.unseen_warnings`).
    """

    lst_k: FloatArray
    ndvi: FloatArray
    fine_k: FloatArray
    residual_k: FloatArray
    statistics: Statistics | None
    water: BoolArray | None
    inside: BoolArray | None
    uncertainty_k: FloatArray | None = None
    unseen: bool = False

    def strips(self) -> Iterator[tuple[slice, slice]]:
        """Coarse rows with their fine rows."""
        for top in range(0, self.lst_k.shape[0], _STRIP_COARSE_ROWS):
            bottom = min(top + _STRIP_COARSE_ROWS, self.lst_k.shape[0])
            yield slice(top, bottom), slice(SCALE * top, SCALE * bottom)


@dataclass(frozen=True)
class Bands:
    """What a map holds.

    Attributes
    ----------
    lst_k, residual_k : float32 array of shape (4·rows, 4·columns)
        NaN where masked.
    validity : uint8 array of shape (4·rows, 4·columns)
        `validity.FLAGS`.
    mean_k, min_k, max_k, consistency_k : float
        Of the LST before it was rounded, and the RMSE of the residual; NaN where no pixel has one.
    uncertainty_k : float32 array of shape (4·rows, 4·columns) or None
        NaN where masked.
    """

    lst_k: Float32Array
    residual_k: Float32Array
    validity: FlagArray
    mean_k: float
    min_k: float
    max_k: float
    consistency_k: float
    uncertainty_k: Float32Array | None = None


def map_bands(area: Area, threads: int) -> Bands:
    """The bands of a map of an area, the same whatever the number of threads."""
    lst_k, residual_k = (
        np.empty(area.ndvi.shape, dtype=np.float32),
        np.empty(area.ndvi.shape, dtype=np.float32),
    )
    validity = np.empty(area.ndvi.shape, dtype=np.uint8)
    uncertainty_k = None if area.uncertainty_k is None else np.empty(area.ndvi.shape, dtype=np.float32)

    def fill(strip: tuple[slice, slice]) -> tuple[float, ...]:
        coarse, fine = strip
        flags = validity[fine] = _flags(area, coarse, fine)
        mapped, residual = has_lst(flags), area.residual_k[coarse]
        lst_k[fine] = np.where(mapped, _rounded(area.fine_k[fine]), np.float32(np.nan))
        residual_k[fine] = np.where(mapped, repeated(_rounded(residual)), np.float32(np.nan))
        if uncertainty_k is not None and area.uncertainty_k is not None:
            uncertainty_k[fine] = np.where(mapped, _rounded(area.uncertainty_k[fine]), np.float32(np.nan))
        counts = np.where(
            np.isfinite(residual), mapped.reshape(-1, SCALE, residual.shape[1], SCALE).sum(axis=(1, 3)), 0
        )
        fine_k = area.fine_k[fine]
        return (
            float(np.sum(fine_k, where=mapped)), float(np.count_nonzero(mapped)),
            float(np.min(fine_k, where=mapped, initial=np.inf)),
            float(np.max(fine_k, where=mapped, initial=-np.inf)),
            float(np.sum(counts * residual**2, where=counts > 0)), float(counts.sum()),
        )  # fmt: skip

    with ThreadPoolExecutor(threads) as pool:
        total, pixels, lowest, highest, squares, coarse_pixels = np.array(
            list(pool.map(fill, area.strips()))
        ).T
    with np.errstate(invalid="ignore"):
        mean_k, consistency_k = total.sum() / pixels.sum(), np.sqrt(squares.sum() / coarse_pixels.sum())
    return Bands(
        lst_k,
        residual_k,
        validity,
        float(mean_k),
        lowest.min(),
        highest.max(),
        float(consistency_k),
        uncertainty_k,
    )


def _flags(area: Area, coarse: slice, fine: slice) -> FlagArray:
    lst_k, ndvi = area.lst_k[coarse], area.ndvi[fine]
    flags = np.full(ndvi.shape, UNSEEN if area.unseen else VALID, dtype=np.uint8)
    if area.statistics is not None:
        flags[outside_training(lst_k, ndvi, area.statistics)] = OUTSIDE_TRAINING
    flags[~np.isfinite(area.fine_k[fine])] = NDVI_INVALID
    flags[repeated(~np.isfinite(lst_k))] = CLOUD
    if area.water is not None:
        flags[area.water[fine]] = WATER
    if area.inside is not None:
        flags[~area.inside[fine]] = OUTSIDE_SHAPE
    return flags


def _rounded(values: FloatArray) -> Float32Array:
    return (np.rint(values * STEPS_PER_K) / STEPS_PER_K).astype(np.float32)
