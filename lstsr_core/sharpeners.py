"""The methods: each takes an aligned pair's 1 km LST and 250 m NDVI and gives a 250 m LST.

A new method joins every table and figure by one decorated function here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from lstsr_core.degradation import block_mean, upsample
from lstsr_core.errors import InputError, NoResult
from lstsr_core.grid import SCALE
from lstsr_core.networks import Model, load_model, weights_file
from lstsr_core.pairs import Pair, fine_grid
from lstsr_core.raster import FloatArray, Raster

WEIGHTS_MISSING = "weights missing"
"""Why a network that was asked for has no result where no weights are found for it."""


@dataclass(frozen=True)
class Options:
    """What a method may need beside the pair.

    Attributes
    ----------
    weights : Path, optional
        Directory of weights files (`networks.weights_file`).
    seed : int
        For methods that draw random numbers.
    """

    weights: Path | None = None
    seed: int = 0


Sharpener = Callable[[FloatArray, FloatArray, Options], FloatArray]


@dataclass(frozen=True)
class Method:
    """A sharpener with the name that tables use and the name that figures show."""

    name: str
    label: str
    sharpener: Sharpener = field(repr=False)


METHODS: dict[str, Method] = {}


def method(name: str, label: str) -> Callable[[Sharpener], Sharpener]:
    """Register a function (lst_k, ndvi, options) → fine LST in kelvin as a method."""

    def register(sharpener: Sharpener) -> Sharpener:
        METHODS[name] = Method(name, label, sharpener)
        return sharpener

    return register


def check_methods(names: list[str]) -> list[str]:
    """Expand ``all`` and refuse unknown names, saying which are known.

    Raises
    ------
    InputError
    """
    if "all" in names:
        return list(METHODS)
    unknown = [name for name in names if name not in METHODS]
    if unknown or not names:
        raise InputError(f"unknown method '{', '.join(unknown)}'; known methods: {', '.join(METHODS)} (or all).")
    return list(dict.fromkeys(names))


def sharpen(pair: Pair, name: str, options: Options | None = None) -> Raster:
    """Sharpen an aligned pair's LST.

    Parameters
    ----------
    pair : Pair
        As `pairs.align` gives it.
    name : str
        A name in `METHODS`.

    Returns
    -------
    Raster
        LST in kelvin, (4·rows, 4·columns), placed by the LST's own transform.

    Raises
    ------
    InputError
        If the method is unknown or its weights cannot be used.
    NoResult
        If the method cannot work on this pair, or is a network without weights.
    """
    check_methods([name])
    fine_k = METHODS[name].sharpener(pair.lst.values, pair.ndvi.values, options or Options())
    return fine_grid(pair).with_values(fine_k)


@method("bicubic", "Bicubic")
def bicubic(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """U(LST): no use of NDVI."""
    return upsample(lst_k)


@method("tsharp", "TsHARP")
def tsharp(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """One linear regression of LST on block-mean NDVI for the scene, plus each coarse pixel's residual over its block.

    Raises
    ------
    NoResult
        If fewer than ten coarse pixels are valid or their NDVI is constant.
    """
    coarse_ndvi = block_mean(ndvi)
    valid = np.isfinite(lst_k) & np.isfinite(coarse_ndvi) & (np.nan_to_num(lst_k) > 273.0)
    if valid.sum() < 10:
        raise NoResult(f"{int(valid.sum())} coarse pixels are valid above 273 K; a regression needs at least 10.")
    if np.ptp(coarse_ndvi[valid]) < 1e-9:
        raise NoResult("the NDVI of all valid coarse pixels is the same; LST cannot be regressed on it.")
    slope, intercept = np.polyfit(coarse_ndvi[valid], lst_k[valid], 1)
    residual_k = lst_k - (intercept + slope * coarse_ndvi)
    fine_residual_k = np.kron(residual_k, np.ones((SCALE, SCALE)))
    fine_k: FloatArray = intercept + slope * ndvi + fine_residual_k
    return fine_k


@lru_cache(maxsize=8)
def _model(path: Path, modified_ns: int) -> Model:
    return load_model(path)


def _network(name: str, lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    path = weights_file(options.weights, name) if options.weights else None
    if path is None:
        raise NoResult(WEIGHTS_MISSING)
    return _model(path, path.stat().st_mtime_ns).predict_k(upsample(lst_k), ndvi)


@method("sc-unet", "SC-Unet")
def sc_unet(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """The network trained at 4 km → 1 km and applied at 1 km → 250 m, over the whole image at once."""
    return _network("sc-unet", lst_k, ndvi, options)


@method("sif-cnn-sr1", "SIF-CNN-SR1")
def sif_cnn_sr1(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """The scale-invariance-free network whose texture loss compares gradients with NDVI's."""
    return _network("sif-cnn-sr1", lst_k, ndvi, options)


@method("sif-cnn-sr2", "SIF-CNN-SR2")
def sif_cnn_sr2(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """The scale-invariance-free network whose texture loss compares high-pass images with NDVI's."""
    return _network("sif-cnn-sr2", lst_k, ndvi, options)
