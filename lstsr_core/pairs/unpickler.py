"""Reading the published pairs' pickles without trusting them."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from lstsr_core.base.errors import InputError


class SixNumbers(tuple[float, ...]):
    """What a pickled ``affine.Affine`` becomes: its coefficients a … f,
    since affine 3 cannot rebuild affine 2's objects."""

    __slots__ = ()

    def __new__(cls, *coefficients: float) -> SixNumbers:
        return super().__new__(cls, coefficients[:6])

    def __setstate__(self, state: object) -> None:
        """Without this, a pickle could set attributes on the class itself."""


class InertCRS:
    """What a pickled ``rasterio.crs.CRS`` becomes: nothing, for the CRS
    of these files is known and theirs is damaged."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        pass


# numpy's own builders are not called: a pickle can make them read any address. Its arrays' states are kept as
# they come and turned into arrays after all is read.


class _Dtype:
    __slots__ = ("byte_order", "code")

    def __init__(self, code: str, *flags: object) -> None:
        if not (isinstance(code, str) and re.fullmatch(r"b1|[iu][1248]|f[248]", code)):
            raise _Refused(f"numpy.dtype({str(code)[:20]!r})")
        self.code, self.byte_order = code, "|"

    def __setstate__(self, state: tuple[object, ...]) -> None:
        if state[1] not in ("<", ">", "|", "="):
            raise _Refused("numpy.dtype with another byte order")
        self.byte_order = str(state[1])

    def plain(self) -> np.dtype[Any]:
        return np.dtype(self.code).newbyteorder(self.byte_order)  # type: ignore[arg-type]


class _Array:
    __slots__ = ("array",)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, by_columns, content = state
        if not isinstance(dtype, _Dtype) or not isinstance(content, bytes):
            raise _Refused("numpy.ndarray of other things than numbers")
        array = np.frombuffer(content, dtype.plain()).reshape(shape, order="F" if by_columns else "C")
        self.array = array.astype(array.dtype.newbyteorder("="))


class _ArrayType:
    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        raise _Refused("a state of numpy.ndarray")


_ARRAY_TYPE = _ArrayType()


def _reconstruct(kind: object, *arguments: object) -> _Array:
    if kind is not _ARRAY_TYPE:
        raise _Refused("an array of another kind")
    return _Array()


def _scalar(dtype: _Dtype, content: bytes) -> Any:
    if not isinstance(dtype, _Dtype) or not isinstance(content, bytes):
        raise _Refused("numpy.scalar of other things than numbers")
    return np.frombuffer(content, dtype.plain(), count=1)[0].item()


def _finished(value: Any) -> Any:
    if isinstance(value, _Array):
        return value.array
    if type(value) in (list, tuple):
        return type(value)(_finished(item) for item in value)
    if type(value) is dict:
        return {key: _finished(item) for key, item in value.items()}
    return value


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): _ARRAY_TYPE,
    ("numpy", "dtype"): _Dtype,
    ("affine", "Affine"): SixNumbers,
    ("rasterio.crs", "CRS"): InertCRS,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ADMITTED[_module, "_reconstruct"] = _reconstruct
    _ADMITTED[_module, "scalar"] = _scalar


class _Refused(Exception):
    pass


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ADMITTED[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None


def read_arrays_pickle(path: Path) -> dict[str, Any]:
    """Read a pickled dictionary of numpy arrays, numbers, text and plain containers.

    Every name that a pickle asks for is looked up in a short list; one outside it is refused before
    anything is called, so a hostile file has no effect.

    Raises
    ------
    InputError
        If the file is missing, is not a pickle, names anything else, or holds no dictionary.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file. A published pair's pickle was expected there.")
    try:
        with path.open("rb") as stream:
            content = _finished(_ArrayUnpickler(stream).load())
    except _Refused as refused:
        raise InputError(
            f"{path}: this pickle asks for '{refused}', which could run code. Only numpy arrays and plain"
            " containers are admitted; do not trust this file, and fetch it again from the published"
            " database."
        ) from None
    except Exception as error:  # a damaged pickle raises almost anything, from EOFError to MemoryError
        detail = " ".join(str(error).split())
        raise InputError(
            f"{path}: not a readable pickle ({type(error).__name__}: {detail}). Fetch it again."
        ) from error
    if not isinstance(content, dict):
        raise InputError(
            f"{path}: holds a {type(content).__name__}; expected a dictionary with 'LST' and 'NDVI'."
        )
    return content
