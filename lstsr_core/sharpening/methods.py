"""The methods: each takes an aligned pair's 1 km LST and 250 m NDVI and gives a 250 m LST.

The table of them loads in a moment: what a method alone needs (torch, scikit-learn, SciPy's solvers) is
imported where it runs.

A new method joins every table and figure by one decorated function: in a file of its own that the
environment variable ``LSTSR_METHODS`` names, or here.
"""

from __future__ import annotations

import os
import re
import runpy
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.base.fingerprint import sha256
from lstsr_core.base.project import resolve
from lstsr_core.geo.grid import SCALE
from lstsr_core.geo.operators import upsample
from lstsr_core.geo.raster import FloatArray, Pixel, Raster, fill_nearest
from lstsr_core.networks.weights_files import NETWORKS, unseen_weights, weights_file
from lstsr_core.pairs.pair import PATCH_COARSE_PIXELS, ModisPair, fine_grid
from lstsr_core.sharpening.regression import aggregate_ndvi, blocks, fit_scene

if TYPE_CHECKING:
    from lstsr_core.networks.weights import Model

WEIGHTS_MISSING = "weights missing"
"""Why a network that was asked for has no result where no weights are found for it."""

OWN_METHODS_VARIABLE = "LSTSR_METHODS"
"""Names a Python file with methods of the user's own, relative to the project."""

RESERVED_NAMES = ("all", "aster", "modis", "ndvi")

LEVEL_SIGMA = 10.0
"""Fine pixels: what of the ASTER U-Net's product is smoother is put back to the 1 km LST."""

LOCAL_DMS_COARSE_PIXELS = 30
"""Side of the windows of `dms-local`, as pyDMS, its authors' code, sets it."""

Source = Literal["paper", "companion", "user"]
"""Whose a method is: one of those that the paper compares,
one that this companion adds, or the user's own."""


@dataclass(frozen=True)
class Options:
    """What a method may need beside the pair.

    Attributes
    ----------
    weights : Path, optional
        Directory of weights files (`networks.weights_files.weights_file`), or of a
        cross-validation, from which each pair takes the networks that have not seen it;
        without it, the weights that come with the package.
    seed : int
        For methods that draw random numbers.
    threads : int
        Of the CPU, for filters; no result depends on it.
    published : bool, optional
        Take the variant that the published code computes, quirks included,
        or the default; None leaves it to the protocol.
    rows_down, columns_right : int
        Fine pixels from the LST's origin to the NDVI's (`pairs.pair.fine_offset`), where the pair was not
        aligned. Only DMS's published variant knows what to do with them.
    """

    weights: Path | None = None
    seed: int = 0
    threads: int = 1
    published: bool | None = None
    rows_down: int = 0
    columns_right: int = 0


Sharpener = Callable[[FloatArray, FloatArray, Options], FloatArray]


@dataclass(frozen=True)
class Method:
    """A sharpener with the name that tables use, the name that figures show, whose it is, and what for."""

    name: str
    label: str
    sharpener: Sharpener = field(repr=False)
    source: Source = "user"
    purpose: str = "yours"


METHODS: dict[str, Method] = {}

DEFAULT_METHOD = "aster-unet-restored"
"""What maps are made by: of the methods with ASTER's texture the one of least error, out of fold."""


def method(
    name: str, label: str, source: Source = "user", purpose: str = "yours"
) -> Callable[[Sharpener], Sharpener]:
    """Register a function (lst_k, ndvi, options) → fine LST in kelvin as a method.

    Parameters
    ----------
    name : str
        Lower-case letters, digits and hyphens, as tables and options write it.
    label : str
        As figures show it.
    source : {"paper", "companion", "user"}
        Whose it is; a companion's runs only where it is named.
    purpose : str
        What it is good for, in a few words.

    Raises
    ------
    InputError
        If the name cannot be used, or another method has it or the label.
    """
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name) or name in RESERVED_NAMES:
        raise InputError(
            f"'{name}' cannot name a method; expected lower-case letters, digits and hyphens, and none of"
            f" {', '.join(RESERVED_NAMES)}."
        )
    if name in METHODS or label in {other.label for other in METHODS.values()}:
        raise InputError(
            f"there is a method '{name}' ({label}) already; give yours a name and a label of its own."
        )

    def register(sharpener: Sharpener) -> Sharpener:
        METHODS[name] = Method(name, label, sharpener, source, purpose)
        return sharpener

    return register


def check_methods(names: list[str]) -> list[str]:
    """Expand ``all``, the paper's methods and the user's own,
    and refuse unknown names, saying which are known.

    Raises
    ------
    InputError
    """
    every = [other.name for other in METHODS.values() if other.source != "companion"]
    names = [name for word in names for name in (every if word == "all" else [word])]
    unknown = [name for name in names if name not in METHODS]
    if unknown or not names:
        raise InputError(
            f"unknown method '{', '.join(unknown)}'; known methods: {', '.join(METHODS)} (or all)."
        )
    return list(dict.fromkeys(names))


def sharpen_pair(pair: ModisPair, name: str, options: Options | None = None) -> Raster:
    """Sharpen an aligned pair's LST.

    Parameters
    ----------
    pair : ModisPair
        As `pairs.pair.align` gives it; or as paired, to do as the published evaluation did.
    name : str
        A name in `METHODS`.

    Returns
    -------
    Raster
        LST in kelvin to single precision, as files hold it, (4·rows, 4·columns), placed by the LST's own
        transform; NaN exactly where the LST has none or, for methods that use NDVI, the NDVI.

    Raises
    ------
    InputError
        If the method is unknown or its weights cannot be used.
    NoResult
        If the method cannot work on this pair, gives no value, or is a network without weights.
    """
    check_methods([name])
    options = _for_scene(pair.id, name, options or Options())
    if not np.isfinite(pair.lst.values).any():
        raise NoResult("no coarse pixel has an LST.")
    fine_k = METHODS[name].sharpener(pair.lst.values, pair.ndvi.values, options)
    if not np.isfinite(fine_k).any():
        raise NoResult("the product has no value.")
    # Half a step of float32, 15 µK, is lost here: a product is the same just made or read from its file.
    return fine_grid(pair).with_values(fine_k.astype(np.float32).astype(np.float64))


def in_sample(pair: ModisPair, name: str, options: Options) -> bool | None:
    """Whether a method has seen what this pair, as read, judges it by; None if that is not known.

    A network of the paper has, where it was trained on the pair's MODIS side. A method of the companion has,
    where its network or its coefficients were fitted to the pair's ASTER.
    """
    path = weights_of(pair.id, name, options)
    if path is None:
        return None
    trained = _model(path, path.stat().st_mtime_ns).has_seen(pair.digest)
    coefficients = coefficients_of(name, options, pair.id)
    if coefficients is None:
        return trained
    from lstsr_core.sharpening.restoration import read_coefficients

    fitted = pair.digest in read_coefficients(coefficients)["card"]["seen"]
    return fitted or (bool(trained) and NETWORKS[name] == "aster-unet")


def weights_of(scene: str, name: str, options: Options) -> Path | None:
    """The weights file that a method takes for a scene; None if it takes none, or there is none."""
    return (
        weights_file(_for_scene(scene, name, options).weights, NETWORKS[name]) if name in NETWORKS else None
    )


def coefficients_of(name: str, options: Options, scene: str | None = None) -> Path | None:
    """The file of fitted coefficients that a method takes, for a scene or anywhere; None if it takes none."""
    if METHODS[name].source != "companion" or name not in NETWORKS:
        return None
    from lstsr_core.sharpening.restoration import coefficients_file

    return coefficients_file((options if scene is None else _for_scene(scene, name, options)).weights)


def _for_scene(scene: str, name: str, options: Options) -> Options:
    if options.weights is None or name not in NETWORKS:
        return options
    return replace(options, weights=unseen_weights(options.weights, scene))


def repeated(coarse: NDArray[Pixel]) -> NDArray[Pixel]:
    """Each coarse pixel over its 4×4 block, (rows, columns) → (4·rows, 4·columns)."""
    return coarse.repeat(SCALE, axis=0).repeat(SCALE, axis=1)


@method("bicubic", "Bicubic", "paper", "no NDVI and no texture: what is gained by any other")
def bicubic(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """U(LST): no use of NDVI; gaps are bridged by their nearest pixels and cut out again.

    Raises
    ------
    NoResult
        If no pixel has an LST.
    """
    if not np.isfinite(lst_k).any():
        raise NoResult("no pixel has an LST.")
    fine_k: FloatArray = np.where(repeated(np.isfinite(lst_k)), upsample(fill_nearest(lst_k)), np.nan)
    return fine_k


@method(
    "tsharp", "TsHARP", "paper",
    "no training, in seconds: fields and forests where LST falls as NDVI rises",
)  # fmt: skip
def tsharp(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """One linear regression of LST on 1 km NDVI for the scene,
    plus each coarse pixel's residual over its block.

    Raises
    ------
    NoResult
        If fewer than ten coarse pixels are valid or their NDVI is constant.
    """
    coarse_ndvi = aggregate_ndvi(ndvi, bool(options.published))
    line = fit_scene(lst_k, coarse_ndvi)
    fine_k = line(ndvi)
    blocks(fine_k)[...] += (lst_k - line(coarse_ndvi))[:, None, :, None]
    return fine_k


@method(
    "atprk", "ATPRK", "paper",
    "no training; as tsharp, each 1 km LST kept by kriging, in minutes for a tile",
)  # fmt: skip
def atprk(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """TsHARP's regression, its residual kriged from areas to points."""
    from lstsr_core.sharpening import kriging

    return kriging.atprk(lst_k, ndvi, published=bool(options.published))


@method(
    "aatprk", "AATPRK", "paper",
    "no training; as atprk, for areas where LST and NDVI are related otherwise from place to place",
)  # fmt: skip
def aatprk(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """ATPRK with the regression fitted in each window of 5×5 coarse pixels."""
    from lstsr_core.sharpening import kriging

    return kriging.aatprk(lst_k, ndvi, published=bool(options.published))


@method("dms", "DMS", "paper", "no training; a relation of LST and NDVI that is no line")
def dms(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """The data mining sharpener: bagged regression trees of LST on NDVI, global as in the paper."""
    return _dms(lst_k, ndvi, options, moving_window=0)


def _dms(lst_k: FloatArray, ndvi: FloatArray, options: Options, moving_window: int) -> FloatArray:
    from lstsr_core.sharpening.dms import dms as dms_sharpen

    published = bool(options.published)
    down, right = (options.rows_down, options.columns_right) if published else (0, 0)
    return dms_sharpen(
        lst_k,
        ndvi,
        seed=options.seed,
        moving_window=moving_window,
        rows_down=down,
        columns_right=right,
        published=published,
    )


@lru_cache(maxsize=8)
def _model(path: Path, modified_ns: int) -> Model:
    from lstsr_core.networks.weights import load_model

    return load_model(path)


def _network(
    name: str, lst_k: FloatArray, ndvi: FloatArray, options: Options, piece: int | None = None
) -> FloatArray:
    path = weights_file(options.weights, name)
    if path is None:
        raise NoResult(WEIGHTS_MISSING)
    valid = repeated(np.isfinite(lst_k)) & np.isfinite(ndvi)
    if not valid.any():
        raise NoResult("no pixel has both an LST and an NDVI.")
    model = _model(path, path.stat().st_mtime_ns)
    fine_k = model.predict_k(upsample(fill_nearest(lst_k)), fill_nearest(ndvi), piece, valid)
    fine_k[~valid] = np.nan
    return fine_k


@method(
    "sc-unet", "SC-Unet", "paper",
    "the lowest error of the paper's methods, with half of ASTER's texture",
)  # fmt: skip
def sc_unet(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """The network trained at 4 km → 1 km, applied at 1 km → 250 m:
    to the whole image, or in pieces as published."""
    return _network("sc-unet", lst_k, ndvi, options, PATCH_COARSE_PIXELS if options.published else None)


@method(
    "sif-cnn-sr1", "SIF-CNN-SR1", "paper",
    "the paper's own: ASTER's texture and the 1 km LST kept, at more error",
)  # fmt: skip
def sif_cnn_sr1(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """The scale-invariance-free network whose texture loss compares gradients with NDVI's."""
    return _network("sif-cnn-sr1", lst_k, ndvi, options)


@method(
    "sif-cnn-sr2", "SIF-CNN-SR2", "paper",
    "the paper's second: less texture than sif-cnn-sr1, and less error",
)  # fmt: skip
def sif_cnn_sr2(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """The scale-invariance-free network whose texture loss compares high-pass images with NDVI's."""
    return _network("sif-cnn-sr2", lst_k, ndvi, options)


@method(
    "dms-local", "DMS, local", "companion",
    "no training; as dms, fitted from place to place, for large areas",
)  # fmt: skip
def dms_local(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """DMS as its authors wrote it: blended with regressions in moving
    windows of 30×30 coarse pixels, beside the paper's."""
    return _dms(lst_k, ndvi, options, moving_window=LOCAL_DMS_COARSE_PIXELS)


@method(
    "sc-unet-restored", "SC-Unet, restored", "companion",
    "ASTER's texture at little more error than sc-unet's",
)  # fmt: skip
def sc_unet_restored(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """SC-Unet with its spectrum restored: ASTER's texture, from a network that has seen none of it.

    The gains alone know ASTER (`sharpening.restoration`). The level stays MODIS's. The network works on the
    whole image under every protocol, for the seams of published pieces are no texture to restore.
    """
    return _restored("sc-unet", _network("sc-unet", lst_k, ndvi, options), lst_k, options)


@method(
    "aster-unet", "ASTER U-Net", "companion",
    "the lowest error of single pixels at MODIS's level; smooth",
)  # fmt: skip
def aster_unet(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """SC-Unet trained on with ASTER as its target (`networks.fine_tuning`): the lowest error.

    What is smooth comes from the 1 km LST again, P + G₁₀(U(LST) − P), so that the coarse LST stays: whoever
    maps MODIS's LST wants no other level, and the sensors' difference in one tile by day holds for no other.
    """
    fine_k = _network("aster-unet", lst_k, ndvi, options)
    gaps = np.isnan(fine_k)
    difference_k = upsample(fill_nearest(lst_k)) - fine_k
    difference_k[gaps] = 0.0
    images = [image.astype(np.float32) for image in (difference_k, ~gaps)]
    with ThreadPoolExecutor(options.threads) as pool:
        smooth = partial(ndimage.gaussian_filter, sigma=LEVEL_SIGMA, truncate=3.0)
        low_k, weight = pool.map(smooth, images)
    fine_k += low_k / np.maximum(weight, 1e-3)
    return fine_k


@method(
    "aster-unet-levelled", "ASTER U-Net, ASTER's level", "companion",
    "aster-unet at the level of ASTER's 62 development scenes, which no test scene confirms",
)  # fmt: skip
def aster_unet_levelled(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """The ASTER U-Net moved to the level that ASTER would have, told by the mean and spread of the LST.

    Out of fold this lowers the error against ASTER; it fits tile h18v04 by day, and the map degraded is the
    1 km LST no more, so that it is a method beside the other and not a part of it.
    """
    return _levelled(aster_unet(lst_k, ndvi, options), lst_k, options)


@method(
    "aster-unet-restored", "ASTER U-Net, restored", "companion",
    "maps: ASTER's texture, at the lowest error of what has it",
)  # fmt: skip
def aster_unet_restored(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """The ASTER U-Net with its spectrum restored: ASTER's texture at the lowest error that has it."""
    return _restored("aster-unet", aster_unet(lst_k, ndvi, options), lst_k, options)


@method(
    "aster-unet-restored-levelled",
    "ASTER U-Net, restored, ASTER's level",
    "companion",
    "aster-unet-restored at that level",
)
def aster_unet_restored_levelled(lst_k: FloatArray, ndvi: FloatArray, options: Options) -> FloatArray:
    """The ASTER U-Net restored, and moved to ASTER's level as `aster_unet_levelled`."""
    return _levelled(aster_unet_restored(lst_k, ndvi, options), lst_k, options)


def _levelled(fine_k: FloatArray, lst_k: FloatArray, options: Options) -> FloatArray:
    from lstsr_core.sharpening import level
    from lstsr_core.sharpening.restoration import coefficients_file

    fine_k += level.difference_k(lst_k, level.level_of(coefficients_file(options.weights)))
    return fine_k


def _restored(network: str, fine_k: FloatArray, lst_k: FloatArray, options: Options) -> FloatArray:
    from lstsr_core.sharpening import restoration

    coefficients = restoration.coefficients_file(options.weights)
    return restoration.restored(
        fine_k, lst_k, restoration.restoration_of(network, coefficients), options.threads
    )


def _own_methods() -> dict[str, str]:
    """Load the user's methods, and give each name the sha256
    of their file; nothing if the variable is unset."""
    named = os.environ.get(OWN_METHODS_VARIABLE)
    if not named:
        return {}
    path, built_in = resolve(named), len(METHODS)
    try:
        code = sha256(path)
    except InputError as error:
        raise InputError(f"{error} {OWN_METHODS_VARIABLE} names it.") from None
    try:
        runpy.run_path(str(path))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except Exception as error:  # whatever the user's own code may raise
        raise InputError(
            f"{path}: stopped with {type(error).__name__}: {error} ({OWN_METHODS_VARIABLE} names it)."
        ) from error
    if len(METHODS) == built_in:
        raise InputError(
            f'{path}: registers no method; put @method("name", "Label") above a function of yours.'
        )
    return dict.fromkeys(list(METHODS)[built_in:], code)


OWN_METHODS = _own_methods()
"""Names of the user's own methods, each with the sha256 of the file that it came from; empty without one."""
