"""Reading the published pairs' pickles without trusting them."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy._core import multiarray  # the public names of numpy 2 do not reach the two functions that array pickles name

from lstsr_core.errors import InputError


class SixNumbers(tuple[float, ...]):
    """What a pickled ``affine.Affine`` becomes: its coefficients a … f, since affine 3 cannot rebuild affine 2's objects."""

    def __new__(cls, *coefficients: float) -> SixNumbers:
        return super().__new__(cls, coefficients[:6])


class InertCRS:
    """What a pickled ``rasterio.crs.CRS`` becomes: nothing, for the CRS of these files is known and theirs is damaged."""

    def __setstate__(self, state: object) -> None:
        pass


_ADMITTED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("affine", "Affine"): SixNumbers,
    ("rasterio.crs", "CRS"): InertCRS,
}
for _module in ("numpy.core.multiarray", "numpy._core.multiarray"):
    _ADMITTED[_module, "_reconstruct"] = multiarray._reconstruct
    _ADMITTED[_module, "scalar"] = multiarray.scalar


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

    Every name that a pickle asks for is looked up in a short list; one outside it is refused before anything is called,
    so a hostile file has no effect.

    Raises
    ------
    InputError
        If the file is missing, is not a pickle, names anything else, or holds no dictionary.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file. A published pair's pickle was expected there.")
    try:
        with path.open("rb") as stream:
            content = _ArrayUnpickler(stream).load()
    except _Refused as refused:
        raise InputError(
            f"{path}: this pickle asks for '{refused}', which could run code. Only numpy arrays and plain containers are "
            "admitted; do not trust this file, and fetch it again from the published database."
        ) from None
    except Exception as error:  # a damaged pickle raises almost anything, from EOFError to MemoryError
        raise InputError(f"{path}: not a readable pickle ({type(error).__name__}: {error}). Fetch it again.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__}; expected a dictionary with 'LST' and 'NDVI'.")
    return content
