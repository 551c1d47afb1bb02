"""Where the products that are judged come from: made when asked for, or read as 04_sharpening wrote them.

Written products are GeoTIFFs, one for each protocol, scene and method, so that a method that changes is one
file that changes; ``products.json`` beside them holds what they were made with and why a method has none.
"""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.base.files import written_atomically
from lstsr_core.base.fingerprint import (
    PACKAGE,
    code_of,
    digests,
    fingerprint,
    sha256,
    sha256_of_numbers,
    versions,
)
from lstsr_core.evaluation.protocols import Placement
from lstsr_core.geo.raster import FloatArray, Raster, read_raster, read_tags, write_raster
from lstsr_core.networks.weights_files import FOLDS_TABLE, PACKAGE_WEIGHTS
from lstsr_core.pairs.pair import ModisPair, Pair, fine_grid
from lstsr_core.sharpening.methods import (
    METHODS,
    OWN_METHODS,
    Method,
    Options,
    coefficients_of,
    in_sample,
    sharpen_pair,
    weights_of,
)

MANIFEST = "products.json"
FOLDER = "products"

_INPUTS, _MADE_FROM, _VALUES = "LSTSR_INPUTS", "LSTSR_MADE_FROM", "LSTSR_VALUES"


def sharpen_all(
    pair: Pair, methods: Iterable[str], options: Options
) -> tuple[dict[str, Raster], dict[str, str]]:
    """Each method's product of a pair, made now, and for each method without one the reason."""
    return _attempt(methods, lambda name: sharpen_pair(pair, name, options))


def _attempt(
    methods: Iterable[str], product: Callable[[str], Raster]
) -> tuple[dict[str, Raster], dict[str, str]]:
    rasters: dict[str, Raster] = {}
    reasons: dict[str, str] = {}
    for name in methods:
        try:
            rasters[name] = product(name)
        except NoResult as error:
            reasons[name] = str(error)
    return rasters, reasons


class Products:
    """Products that are made when they are asked for.

    Parameters
    ----------
    options : Options
    """

    def __init__(self, options: Options) -> None:
        self.options = options

    def product(self, placement: Placement, method: str) -> Raster:
        """A method's product of a pair under a protocol, in kelvin.

        Raises
        ------
        NoResult
            If the method has none.
        InputError
            If it cannot be had.
        """
        return sharpen_pair(placement.pair, method, placement.options(self.options))

    def in_sample(self, pair: Pair, method: str) -> bool | None:
        """Whether a method's network was trained on a pair, as read; None if that is not known."""
        return in_sample(pair, method, self.options)

    def of(self, placement: Placement, methods: Iterable[str]) -> tuple[dict[str, Raster], dict[str, str]]:
        """Each method's product under a protocol, and for each method without one the reason."""
        return _attempt(methods, lambda name: self.product(placement, name))


class KeptProducts(Products):
    """Products that are made once: a file holds each until its
    images, options, weights, code or libraries change.

    Parameters
    ----------
    options : Options
    directory : Path
        Holds ``<protocol>/<scene>/<method>.tif``, each written as soon as it is made. A damaged one is made
        again.
    """

    def __init__(self, options: Options, directory: Path) -> None:
        super().__init__(options)
        self.directory = directory

    def product(self, placement: Placement, method: str) -> Raster:
        pair, options = placement.pair, placement.options(self.options)
        path = product_file(self.directory, placement, method)
        made_from = _made_from(pair, method, options)
        with suppress(InputError):  # missing or damaged: made below
            values, tags = _read_whole(path)
            if tags.get(_MADE_FROM) == made_from:
                return fine_grid(pair).with_values(values)
        product = sharpen_pair(pair, method, options)
        tags = {
            "LSTSR_METHOD": method,
            "UNITS": "K",
            _INPUTS: _inputs(pair),
            _MADE_FROM: made_from,
            _VALUES: _values(product),
        }
        write_raster(product, path, tags)
        return product


class WrittenProducts(Products):
    """The products that 04_sharpening wrote, read one by one.

    Parameters
    ----------
    directory : Path
        What the notebook wrote: `MANIFEST` and the files below `FOLDER`.

    Attributes
    ----------
    options : Options
        That they were made with.
    pairs, methods, protocols : list of str
        Of all their combinations there is a product, or the reason why there is none.

    Raises
    ------
    InputError
        If the notebook has not been run, or its manifest is damaged.
    """

    pairs: list[str]
    methods: list[str]
    protocols: list[str]

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._again = f"lstsr run --profile {directory.parent.name} --from {directory.name[:2]}"
        path = directory / MANIFEST
        if not path.is_file():
            raise InputError(f"{path}: no such file; run {directory.name} first ({self._again}).")
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            self.pairs, self.methods, self.protocols = (
                list(content[name]) for name in ("pairs", "methods", "protocols")
            )
            self._reasons, self._in_sample, self._weights = (
                content[name] for name in ("reasons", "in_sample", "weights")
            )
            weights = content["weights_directory"]
            super().__init__(Options(directory / weights if weights else None, int(content["seed"])))
        except (ValueError, LookupError, TypeError) as error:
            raise InputError(
                f"{path}: not readable as a record of products ({error}); write it again: {self._again}."
            ) from error

    def product(self, placement: Placement, method: str) -> Raster:
        reason = self.reason(placement.products_of, placement.pair.id, method)
        if reason:
            raise NoResult(reason)
        path = product_file(self.directory / FOLDER, placement, method)
        try:
            values, tags = _read_whole(path)
        except InputError as error:
            raise InputError(f"{error} {self.directory.name} makes it again: {self._again}") from error
        if tags.get(_INPUTS) != _inputs(placement.pair):
            raise InputError(
                f"{path}: was made from another LST or NDVI than pair {placement.pair.id} has now; make it"
                f" again: {self._again}"
            )
        return fine_grid(placement.pair).with_values(values)

    def reason(self, protocol: str, scene: str, method: str) -> str:
        """Why a method has no product; empty if it has one."""
        return str(self._reasons.get(protocol, {}).get(scene, {}).get(method, ""))

    def in_sample(self, pair: Pair, method: str) -> bool | None:
        in_sample: bool | None = self._in_sample.get(pair.id, {}).get(method)
        return in_sample

    def check_weights(self) -> None:
        """Refuse to make further products beside these with other weights.

        Raises
        ------
        InputError
            If a weights file has changed, come or gone since.
        """
        if _weights_digest(self.options) != self._weights:
            raise InputError(
                f"{self.options.weights or PACKAGE_WEIGHTS}: not the weights that {self.directory.name} took;"
                f" make its products again: {self._again}."
            )


def product_file(directory: Path, placement: Placement, method: str) -> Path:
    """Where a product lies below a directory of products."""
    return directory / placement.products_of / placement.pair.id / f"{method}.tif"


def write_manifest(
    directory: Path,
    options: Options,
    protocols: list[str],
    methods: list[str],
    reasons: dict[str, dict[str, dict[str, str]]],
    in_sample: dict[str, dict[str, bool | None]],
) -> None:
    """Write what `WrittenProducts` reads beside the files.

    Parameters
    ----------
    directory : Path
        Of the notebook; the weights' place is written relative to it.
    options : Options
        That the products were made with.
    protocols, methods : list of str
    reasons : dict
        By protocol, scene and method, why there is no product.
    in_sample : dict
        By scene and method, whether its network was trained on the scene; all scenes are named.
    """
    content: dict[str, Any] = {
        "protocols": protocols, "methods": methods, "pairs": list(in_sample), "reasons": reasons,
        "in_sample": in_sample, "seed": options.seed, "weights": _weights_digest(options),
        "weights_directory": (
            Path(os.path.relpath(options.weights, directory)).as_posix() if options.weights else ""
        ),
    }  # fmt: skip
    with written_atomically(directory / MANIFEST) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def _weights_digest(options: Options) -> str:
    place = options.weights or PACKAGE_WEIGHTS
    return fingerprint(
        [digests([place], place, pattern) for pattern in ("*.safetensors", "*.pt", FOLDS_TABLE)]
    )


def _read_whole(path: Path) -> tuple[FloatArray, dict[str, str]]:
    product, tags = read_raster(path), read_tags(path)
    if tags.get(_VALUES) != _values(product):
        raise InputError(f"{path}: its values are not those that were written; somebody changed them.")
    return product.values, tags


def _values(raster: Raster) -> str:
    """A digest of pixels; all NaN are alike."""
    values = np.where(np.isnan(raster.values), np.nan, raster.values)
    return sha256_of_numbers(values, "<f8")


def _inputs(pair: ModisPair) -> str:
    """A digest of the arrays that a method takes, and of where its product lies."""
    rasters = (pair.lst, pair.ndvi)
    return fingerprint(
        [[raster.values.shape, _values(raster)] for raster in rasters], list(pair.lst.transform)
    )


def _made_from(pair: ModisPair, method: str, options: Options) -> str:
    weights = weights_of(pair.id, method, options)
    digest = weights and _digest_of(weights, weights.stat().st_mtime_ns)
    coefficients = coefficients_of(method, options, pair.id)
    if coefficients is not None:
        digest = f"{digest} {_digest_of(coefficients, coefficients.stat().st_mtime_ns)}"
    settings = [options.published, options.seed, options.rows_down, options.columns_right]
    return fingerprint(
        _inputs(pair), settings, digest, code_of_method(METHODS[method]), OWN_METHODS.get(method)
    )


@lru_cache(maxsize=64)
def _digest_of(path: Path, modified_ns: int) -> str:
    return sha256(path)


@lru_cache(maxsize=64)
def code_of_method(method: Method) -> dict[str, str]:
    """sha256 of what decides a method's product beside its input:
    functions, modules that they call, constants, libraries.

    Of the module in which all methods are registered only the functions that this one calls count, so that a
    change to another method leaves this one's products as they are.

    Returns
    -------
    dict of str to str
        sha256 by the name of a function or module; a constant's value, and a library's version, by its name.
    """
    registry = Method.__module__
    functions: list[Any] = [method.sharpener]
    modules: set[str] = set()
    constants: dict[str, str] = {}
    for function in functions:  # which grows
        for name, value in inspect.getclosurevars(function).globals.items():
            home, inner = (
                getattr(value, "__module__", None),
                inspect.unwrap(value) if callable(value) else value,
            )
            if inspect.isfunction(inner) and home == registry:
                functions += [] if inner in functions else [inner]
            elif home is not None and home.startswith(f"{PACKAGE}.") and home != registry:
                modules.add(home)
            elif not callable(value) and not inspect.ismodule(value):
                constants[name] = repr(value)
    sources = {function.__qualname__: fingerprint(inspect.getsource(function)) for function in functions}
    # What a function of the registry imports where it runs is no global of it, but stands in its source.
    late = [inspect.getsource(function) for function in functions if function.__module__ == registry]
    return (
        sources
        | constants
        | code_of([*(f"import {module}" for module in sorted(modules)), *late])
        | versions()
    )
