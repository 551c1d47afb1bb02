"""Which of ASTER's pixels can be trusted, and where they lie: the swath without its edge, and its shifts."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from scipy import ndimage

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import REGISTRATION
from lstsr_core.geo.raster import BoolArray, Raster
from lstsr_core.geo.registration import Shift, shift_of

ASTER_VALID_K = 230.0
ASTER_EROSIONS = 4


def swath(aster: Raster) -> BoolArray:
    """Where ASTER is valid, `ASTER_EROSIONS` pixels inside of its swath (Method 5)."""
    valid = np.nan_to_num(aster.values, nan=0.0) >= ASTER_VALID_K
    inside: BoolArray = ndimage.binary_erosion(valid, iterations=ASTER_EROSIONS, border_value=0)
    return inside


def registered(aster: Raster, product: Raster) -> Raster:
    """ASTER on a product's grid, moved so that its texture lies on the product's; NaN outside the swath.

    Parameters
    ----------
    aster : Raster
        Kelvin, as a pair holds it.
    product : Raster
        Any 250 m LST of the same scene; it tells the shift, which is taken in ASTER's pixels.

    Raises
    ------
    ValueError
        If the two show nothing in common (`geo.registration.shift_of`).
    """
    return moved(inside_swath(aster), shift_from(aster, product)).warp_onto(product)


def inside_swath(aster: Raster) -> Raster:
    """ASTER with NaN outside of `swath`."""
    return aster.with_values(np.where(swath(aster), aster.values, np.nan))


def shift_from(aster: Raster, product: Raster) -> Shift:
    """How far ASTER lies from a product of the same scene, in ASTER's pixels.

    Raises
    ------
    ValueError
        As `geo.registration.shift_of`.
    """
    return shift_of(inside_swath(aster).values, product.warp_onto(aster).values)


def moved(aster: Raster, shift: Shift) -> Raster:
    """The same pixels placed where a product has what they show; none is resampled."""
    back = Affine.translation(-shift.columns, -shift.rows)
    return Raster(aster.values, aster.transform @ back, aster.crs)


@lru_cache
def database_shift(path: Path = REGISTRATION) -> Shift:
    """How far from its true place ASTER lies in the published database.

    Fitted by ``lstsr register`` to the development scenes alone.

    Raises
    ------
    InputError
        If the file is missing or is none that the command wrote.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Shift(float(content["rows"]), float(content["columns"]))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"{path}: not readable as ASTER's shift ({error}); fetch the file again, or"
            " make it anew with lstsr register."
        ) from error
