"""A product with its spectrum restored: texture raised to the power that ASTER's has at each frequency.

A network that is trained on squared errors smooths what it cannot tell. Two small isotropic filters give
that back, y = A∗P + s·(B∗P): A carries level and the coarse part of the texture, B the fine part, and the
factor s, which varies smoothly over the scene, is a power of the standard deviation of the 1 km LST's
high-pass over another of the product's: where LST varies strongly at 1 km it does so at 250 m. Gains and
powers were fitted to ASTER over the development scenes (`evaluation.calibration`), for each network of
its own; `gains_without_aster` derives them from the scene's own spectrum instead.

All is local. What a pixel's value depends on lies within `REACH_PIXELS`, so that tiles stay seamless.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from lstsr_core.base.errors import InputError
from lstsr_core.base.progress import bar
from lstsr_core.geo.grid import SCALE
from lstsr_core.geo.operators import block_mean
from lstsr_core.geo.raster import BoolArray, Float32Array, FloatArray, fill_nearest
from lstsr_core.networks.weights_files import PACKAGE_WEIGHTS

NODES = (0.0, 0.02, 0.05, 0.08, 0.11, 0.14, 0.18, 0.23, 0.30, 0.38, 0.50)
"""Cycles a fine pixel at which a gain is fitted; linear between, constant beyond."""

RAMP = (0.05, 0.14)
"""Cycles a fine pixel between which the factor's part grows from none to all."""

RADIUS_PIXELS = 16
"""Of both kernels, tapered by a raised cosine: 8 loses 0.01 K, more gains nothing."""

NEIGHBOURHOOD_COARSE_PIXELS = 16
"""Standard deviation of the Gaussian over which local deviations are taken."""

_TRUNCATE = 2.0  # deviations, so that all stays within the margin of an area's map
_LST_SIGMA, _PRODUCT_SIGMA = 2.0, 2.0  # of the high-passes, coarse and fine pixels
_SMALLEST_K = 1e-3
_LARGEST_FACTOR = 4.0
_ROWS_AT_A_TIME = 480

REACH_PIXELS = SCALE * (int(NEIGHBOURHOOD_COARSE_PIXELS * _TRUNCATE) + int(_LST_SIGMA * 4) + 2)
"""How far from a pixel an input may lie that its restored value depends on; the product's own reach adds."""

COEFFICIENTS = PACKAGE_WEIGHTS / "restoration.json"
"""What was fitted, on which scenes, and what it gave out of fold."""


@dataclass(frozen=True)
class Restoration:
    """Gains of one network's product.

    Attributes
    ----------
    gains : tuple of float
        At `NODES`, where the features have their means.
    product_power, lst_power : float
        Of the two deviations in the factor; the first is negative.
    product_mean, lst_mean : float
        Means of the features, natural logarithms of deviations in kelvin.
    """

    gains: tuple[float, ...]
    product_power: float
    lst_power: float
    product_mean: float
    lst_mean: float

    def __post_init__(self) -> None:
        if len(self.gains) != len(NODES) or not all(0.0 < gain < 100.0 for gain in self.gains):
            raise ValueError(f"gains are {self.gains}; expected {len(NODES)} positive ones.")


def restoration_of(network: str, path: Path = COEFFICIENTS) -> Restoration:
    """The fitted coefficients of a network's product.

    Raises
    ------
    InputError
        If the file holds none, or as `read_coefficients`.
    """
    content = read_coefficients(path).get(network, {}).get("restoration")
    if content is None:
        raise InputError(f"{path}: holds no gains for {network}; expected those of its product.")
    return Restoration(**{**content, "gains": tuple(content["gains"])})


def coefficients_file(directory: Path | None) -> Path:
    """The coefficients that lie beside a directory's weights; the package's where it has none."""
    path = COEFFICIENTS if directory is None else directory / COEFFICIENTS.name
    return path if path.is_file() else COEFFICIENTS


def read_coefficients(path: Path = COEFFICIENTS) -> Mapping[str, Any]:
    """A card, ``level``, ``uncertainty`` by method, and ``restoration`` by network.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    try:
        return _parsed(path, path.stat().st_mtime_ns)
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: not readable as coefficients ({error}); lstsr calibrate writes them."
        ) from error


@lru_cache(maxsize=8)
def _parsed(path: Path, modified_ns: int) -> Mapping[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def restored(
    product_k: FloatArray, lst_k: FloatArray, restoration: Restoration, threads: int = 1
) -> FloatArray:
    """A product with its spectrum restored.

    Parameters
    ----------
    product_k : array of shape (4·rows, 4·columns)
        NaN where it has no value; there the nearest value stands in, and NaN comes back.
    lst_k : array of shape (rows, columns)
        The 1 km LST that it was made of.
    restoration : Restoration
    threads : int
        The result does not depend on their number.

    Returns
    -------
    array of shape (4·rows, 4·columns), float64 kelvin
    """
    gaps = np.isnan(product_k)
    filled_k = fill_nearest(product_k)
    base_k = float(np.rint(filled_k[::SCALE, ::SCALE].mean()))  # float32 then holds a ten-thousandth kelvin
    texture = (filled_k - base_k).astype(np.float32)
    factor = local_factor(texture, lst_k, restoration, gaps)
    restored_k = np.empty(product_k.shape)
    coarse, fine = (kernel.astype(np.float32) for kernel in kernels(restoration))
    padded = np.pad(texture, RADIUS_PIXELS, mode="symmetric")

    def fill(top: int) -> None:
        bottom = min(top + _ROWS_AT_A_TIME, product_k.shape[0])
        strip = padded[top : bottom + 2 * RADIUS_PIXELS]
        parts = _convolved(strip, coarse, fine)
        rows = slice(top, bottom)
        scale = interpolated(factor, rows)
        restored_k[rows] = parts[0] + scale * parts[1]
        restored_k[rows] += base_k

    with ThreadPoolExecutor(threads) as pool:
        tops = range(0, product_k.shape[0], _ROWS_AT_A_TIME)
        list(bar(pool.map(fill, tops), "Restoring", "strip", len(tops)))
    restored_k[gaps] = np.nan
    return restored_k


def kernels(restoration: Restoration) -> tuple[FloatArray, FloatArray]:
    """The kernels A, with sum 1, and B, with sum 0, each (2·`RADIUS_PIXELS` + 1) pixels a side."""
    gains = np.array(restoration.gains) / restoration.gains[1]
    gains[:2] = 1.0  # what is coarser than 50 pixels stays as it is
    share = ramp()
    return _kernel(gains * (1.0 - share), 1.0), _kernel(gains * share, 0.0)


def ramp() -> NDArray[np.float64]:
    """At `NODES`, the share of a gain that the factor multiplies."""
    return np.interp(NODES, RAMP, [0.0, 1.0])


def _kernel(gains: FloatArray, total: float) -> FloatArray:
    size, radius = 256, RADIUS_PIXELS
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size)[None, :])
    response = np.interp(np.minimum(frequency, NODES[-1]), NODES, gains)
    middle = slice(size // 2 - radius, size // 2 + radius + 1)
    distance = np.hypot(*np.mgrid[-radius : radius + 1, -radius : radius + 1])
    taper = np.cos(np.pi / 2 * np.minimum(distance / (radius + 1), 1.0)) ** 2
    kernel: FloatArray = np.fft.fftshift(np.fft.ifft2(response).real)[middle, middle] * taper
    kernel[radius, radius] += total - kernel.sum()
    return kernel


def _convolved(strip: Float32Array, *filters: FloatArray) -> list[FloatArray]:
    """A padded strip filtered by kernels, cut to where they lie wholly inside."""
    side = 2 * RADIUS_PIXELS
    shape = [fft.next_fast_len(size, real=True) for size in strip.shape]
    spectrum = fft.rfft2(strip, shape)
    inner = slice(side, strip.shape[0]), slice(side, strip.shape[1])
    # A kernel that mirrors itself: correlation and convolution are one.
    return [fft.irfft2(spectrum * fft.rfft2(kernel, shape), shape)[inner] for kernel in filters]


def local_factor(
    texture_k: FloatArray, lst_k: FloatArray, restoration: Restoration, gaps: BoolArray
) -> FloatArray:
    """The factor s at 1 km: 1 where both local deviations are as they were on average in fitting.

    Parameters
    ----------
    texture_k : array of shape (4·rows, 4·columns)
        The product, without gaps; its level does not matter.
    lst_k : array of shape (rows, columns)
    restoration : Restoration
    gaps : bool array of shape (4·rows, 4·columns)
        Where the product stands in for a gap, and tells nothing.
    """
    filled_k = fill_nearest(lst_k)
    product = np.square(texture_k - ndimage.gaussian_filter(texture_k, _PRODUCT_SIGMA))
    lst = np.square(filled_k - ndimage.gaussian_filter(filled_k, _LST_SIGMA))
    valid = block_mean((~gaps).astype(np.float32))
    product[gaps] = 0.0
    logarithm = restoration.product_power * (
        _log_deviation(block_mean(product), valid) - restoration.product_mean
    )
    known = np.isfinite(lst_k)
    logarithm += restoration.lst_power * (
        _log_deviation(np.where(known, lst, 0.0), known) - restoration.lst_mean
    )
    factor: FloatArray = np.exp(np.clip(logarithm, -np.log(_LARGEST_FACTOR), np.log(_LARGEST_FACTOR)))
    return factor


def scene_features(product_k: FloatArray, lst_k: FloatArray) -> tuple[float, float]:
    """The same of a whole scene, which the powers are fitted with."""
    product, lst = fill_nearest(product_k), fill_nearest(lst_k)
    product = product - ndimage.gaussian_filter(product, _PRODUCT_SIGMA)
    lst = lst - ndimage.gaussian_filter(lst, _LST_SIGMA)
    return float(np.log(product.std())), float(np.log(lst.std()))


def local_mean(coarse: FloatArray, weights: FloatArray | BoolArray) -> FloatArray:
    """The weighted mean over the neighbourhood of each coarse pixel, same shape; 0 where all weights are."""
    weight = _blurred(np.asarray(weights, dtype=np.float64))
    mean: FloatArray = _blurred(np.asarray(coarse * weights, dtype=np.float64)) / np.maximum(weight, 1e-9)
    return mean


def _blurred(coarse: FloatArray) -> FloatArray:
    blurred: FloatArray = ndimage.gaussian_filter(coarse, NEIGHBOURHOOD_COARSE_PIXELS, truncate=_TRUNCATE)
    return blurred


def _log_deviation(squares: FloatArray, weights: FloatArray | BoolArray) -> FloatArray:
    # Squares of a block hold its valid pixels' share of them already.
    weight = np.maximum(_blurred(np.asarray(weights, dtype=np.float64)), 1e-9)
    mean = _blurred(squares.astype(np.float64)) / weight
    logarithm: FloatArray = 0.5 * np.log(mean + _SMALLEST_K**2)
    return logarithm


def interpolated(coarse: FloatArray, fine_rows: slice = slice(None)) -> Float32Array:
    """A smooth coarse image at fine pixels, bilinear, for some fine rows: (those, 4·columns)."""
    before, share = (part[fine_rows] for part in _weights(coarse.shape[0] * SCALE, coarse.shape[0]))
    after = np.minimum(before + 1, coarse.shape[0] - 1)
    lines = coarse[before] * (1.0 - share[:, None]) + coarse[after] * share[:, None]
    middle = lines.astype(np.float32)
    left, right = (np.pad(middle, ((0, 0), side), mode="edge") for side in ((1, 0), (0, 1)))
    fine = np.empty((len(middle), SCALE * coarse.shape[1]), dtype=np.float32)
    # Of a coarse pixel's columns those left of its centre lean on the one before, the others on the next.
    for column, share_k in enumerate((np.arange(SCALE) + 0.5) / SCALE - 0.5):
        beside = left[:, :-1] if share_k < 0.0 else right[:, 1:]
        fine[:, column::SCALE] = middle + np.float32(abs(share_k)) * (beside - middle)
    return fine


def _weights(fine: int, coarse: int) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    places = np.clip((np.arange(fine) + 0.5) / SCALE - 0.5, 0.0, coarse - 1.0)
    before = np.minimum(places.astype(np.int64), coarse - 1)
    return before, places - before


def gains_without_aster(
    product_k: FloatArray,
    upsampled_k: FloatArray,
    join: tuple[float, float] = (0.02, 0.08),
    largest: float = 8.0,
) -> tuple[float, ...]:
    """Gains from the scene's own spectrum: the power law of the 1 km LST continued beyond its Nyquist.

    This is the paper's spirit, which has no ground truth, and what knowing ASTER buys is the difference:
    over the development scenes it loses 0.05 K and 1 dB of attenuation RMSE, for ASTER's LST at 250 m
    is smoother than a power law.

    Parameters
    ----------
    product_k, upsampled_k : array of shape (rows, columns)
        The product and U(LST), without gaps.
    join : tuple of float
        Cycles a pixel between which the law is fitted; from the upper one on it holds.
    largest : float
        Of a gain.

    Returns
    -------
    tuple of float
        At `NODES`.
    """
    edges = np.geomspace(0.008, 0.5, 25)
    centres = np.sqrt(edges[1:] * edges[:-1])
    product, lst = (_radial(image, edges) for image in (product_k, upsampled_k))
    inside = (centres >= join[0]) & (centres <= join[1])
    slope, level = np.polyfit(np.log(centres[inside]), np.log(lst[inside]), 1)
    law = np.where(centres < join[1], product, np.exp(level + slope * np.log(centres)))
    logarithm = np.interp(NODES, centres, np.log(law / product))
    logarithm[0] = 0.0
    return tuple(float(gain) for gain in np.exp(np.clip(logarithm, -0.5, np.log(largest))))


def _radial(image: FloatArray, edges: FloatArray) -> FloatArray:
    amplitude = np.abs(fft.dctn(image - image.mean(), norm="ortho"))
    rows, columns = image.shape
    frequency = np.hypot(np.arange(rows)[:, None] / (2 * rows), np.arange(columns)[None, :] / (2 * columns))
    ring = np.digitize(frequency.ravel(), edges) - 1
    inside = (ring >= 0) & (ring < len(edges) - 1)
    count = len(edges) - 1
    sums = np.bincount(ring[inside], amplitude.ravel()[inside], count)
    means: FloatArray = sums / np.maximum(np.bincount(ring[inside], minlength=count), 1)
    return means
