"""Pickles: an assembler of any, and the published layout as it was written years ago."""

from __future__ import annotations

import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rasterio.crs import CRS

from lstsr_core.geo.grid import FINE_PIXEL_M, SINUSOIDAL


def text(characters: str) -> bytes:
    encoded = characters.encode()
    return pickle.SHORT_BINUNICODE + bytes([len(encoded)]) + encoded


def name(module: str, attribute: str) -> bytes:
    return text(module) + text(attribute) + pickle.STACK_GLOBAL


def plain(value: object) -> bytes:
    """The opcodes that push a plain value."""
    return pickle.dumps(value, protocol=3)[2:-1]  # the last protocol without frames


def many(*parts: bytes) -> bytes:
    return pickle.MARK + b"".join(parts) + pickle.TUPLE


def call(function: bytes, *arguments: bytes) -> bytes:
    return function + many(*arguments) + pickle.REDUCE


def whole(body: bytes) -> bytes:
    return pickle.PROTO + b"\x04" + body + pickle.STOP


def dictionary(value: bytes) -> bytes:
    return whole(pickle.EMPTY_DICT + text("LST") + value + pickle.SETITEM)


class PublishedPickler(pickle.Pickler):
    """Names numpy's array builder as numpy 1 did."""

    def __init__(self, *arguments: Any, reconstruct: Callable[..., Any], **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self._reconstruct = reconstruct

    def reducer_override(self, obj: object) -> Any:
        if type(obj) is np.ndarray:
            _, arguments, state = obj.__reduce__()
            return self._reconstruct, arguments, state
        return NotImplemented


class AffineOfAffine2(tuple[float, ...]):
    """Pickles itself as ``affine.Affine`` of affine 2 did: a tuple of its numbers."""

    __slots__ = ()
    __module__, __qualname__ = "affine", "Affine"

    def __new__(cls, *numbers: float) -> AffineOfAffine2:
        return super().__new__(cls, numbers)

    def __getnewargs__(self) -> tuple[float, ...]:
        return tuple(self)


def _reconstruct() -> None: ...


def write_published_pickle(
    path: Path, content: dict[str, Any], coefficients: int = 6, numpy_module: str = "numpy.core.multiarray"
) -> None:
    """Pickle a dictionary in the published layout.

    ``transform affine SR`` and ``CRS`` are added: an ``affine.Affine`` of affine 2, a tuple of six numbers
    (nine in its older versions), and a ``rasterio.crs.CRS``.
    """
    numbers = (FINE_PIXEL_M, 0.0, 0.0, 0.0, -FINE_PIXEL_M, 5559752.598333, 0.0, 0.0, 1.0)[:coefficients]
    layout = {
        **content,
        "transform affine SR": AffineOfAffine2(*numbers),
        "CRS": CRS.from_wkt(SINUSOIDAL.to_wkt()),
    }
    affine_2, numpy_1 = types.ModuleType("affine"), types.ModuleType(numpy_module)
    affine_2.Affine, numpy_1._reconstruct = AffineOfAffine2, _reconstruct  # type: ignore[attr-defined]
    with pytest.MonkeyPatch.context() as patch, path.open("wb") as stream:
        patch.setitem(sys.modules, "affine", affine_2)
        patch.setitem(sys.modules, numpy_module, numpy_1)
        patch.setattr(_reconstruct, "__module__", numpy_module)
        PublishedPickler(stream, protocol=4, reconstruct=_reconstruct).dump(layout)
