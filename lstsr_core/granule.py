"""MODIS granules: HDF4 files that hold one HDF-EOS grid of a sinusoidal tile, read through pyhdf.

A granule that lacks the scale, the fill value or the valid range that its product documents, or states others, is refused:
digital numbers must never pass for kelvin or reflectance.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from affine import Affine
from pyhdf.error import HDF4Error
from pyhdf.SD import SD, SDC

from lstsr_core.errors import InputError
from lstsr_core.grid import SINUSOIDAL, SPHERE_RADIUS_M
from lstsr_core.hdf_eos import IntegerArray, check_intact
from lstsr_core.raster import BoolArray, FloatArray, Raster

LST_SCALE_K = 0.02
LST_FILL = 0
LST_VALID_RANGE = (7500, 65535)
REFLECTANCE_SCALE = 1e-4
REFLECTANCE_FILL = -28672
REFLECTANCE_VALID_RANGE = (-100, 16000)

QC_GOOD = 0b00
QC_CLOUD = 0b10
"""Values of bits 0–1 of a LST granule's QC: produced in good quality; not produced because of cloud."""

Layer = Literal["day", "night"]
Policy = Literal["produced", "good"]
"""Which LST pixels are used: all that were produced, or those of good quality alone (bits 0–1 of QC are ``00``)."""

_LST_LAYERS: dict[str, tuple[tuple[str, str], ...]] = {
    "day": (("LST_1KM", "QC"), ("LST_Day_1km", "QC_Day")),
    "night": (("LST_Night_1km", "QC_Night"),),
}
"""LST dataset and its QC, by layer: MOD21A1D's, then MOD11A1's."""

_MOD21A1N_LAYERS = {"day": (), "night": (("LST_1KM", "QC"),)}
"""The same datasets as MOD21A1D's, so that the file's name alone tells the night from the day."""


@dataclass(frozen=True)
class _Grid:
    """What StructMetadata says of the grid that holds a dataset."""

    rows: int
    columns: int
    transform: Affine


def not_produced(qc: IntegerArray) -> BoolArray:
    """Where bits 0–1 of a LST granule's QC say that the pixel was not produced (``10`` or ``11``).

    >>> not_produced(np.array([0b00, 0b01, 0b10, 0b11, 0b1101])).tolist()
    [False, False, True, True, False]
    """
    return np.asarray((qc & 0b11) >= 0b10)


def read_lst(path: Path, layer: Layer = "day", policy: Policy = "produced") -> Raster:
    """Land surface temperature of a MOD21A1D, MOD21A1N or MOD11A1 granule.

    Parameters
    ----------
    path : Path
    layer : {"day", "night"}
        MOD21A1D holds the day only, MOD21A1N the night.
    policy : {"produced", "good"}
        Which of the pixels that have a temperature are used.

    Returns
    -------
    Raster
        Kelvin, float64 of shape (rows, columns); NaN where the product has its fill value, a number outside its valid range
        or a QC that says "not produced".

    Raises
    ------
    InputError
        If the file is missing, damaged, no such granule, or states another scale, fill value or valid range.
    """
    if policy not in get_args(Policy):
        raise InputError(f"QC policy '{policy}' is unknown; expected {' or '.join(get_args(Policy))}.")
    layers = (_MOD21A1N_LAYERS if path.name.startswith("MOD21A1N.") else _LST_LAYERS)[layer]
    with _opened(path) as file:
        held = file.datasets()
        for lst_name, qc_name in layers:
            if lst_name in held and qc_name in held:
                break
        else:
            expected = " or ".join(f"{lst} with {qc}" for lst, qc in layers) or "another product"
            raise InputError(f"{path}: holds no {layer} LST ({expected} was expected; found {_listed(held)}).")
        grid = _grid_of(path, file, lst_name)
        stored = _read_dataset(path, file, lst_name, grid, np.uint16, (LST_SCALE_K,), LST_FILL, LST_VALID_RANGE)
        qc = _read_pixels(path, file, qc_name, grid)
    if qc.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path}: {qc_name} is {qc.dtype}; the product documents uint8 or uint16.")
    lst = stored * LST_SCALE_K
    refused = not_produced(qc) if policy == "produced" else (qc & 0b11) != QC_GOOD
    lst[refused | _is_missing(stored, LST_FILL, LST_VALID_RANGE)] = np.nan
    return Raster(lst, grid.transform, SINUSOIDAL)


def read_ndvi(path: Path) -> Raster:
    """NDVI of a MOD09GQ granule: (NIR − red)/(NIR + red), clipped to [−1, 1].

    Returns
    -------
    Raster
        float64 of shape (rows, columns); NaN where either band has its fill value or a number outside its valid range,
        or where the denominator is zero.

    Raises
    ------
    InputError
        If the file is missing, damaged, no such granule, or states another scale, fill value or valid range.
    """
    red, nir, grid = _read_reflectances(path)
    return Raster(_ndvi(red, nir), grid.transform, SINUSOIDAL)


def read_ndvi_over(path: Path, grounds: Sequence[Raster]) -> list[Raster | None]:
    """NDVI of a MOD09GQ granule over the same ground as each of some coarser rasters, and computed nowhere else.

    Parameters
    ----------
    path : Path
    grounds : sequence of Raster
        On the granule's tile, their corners on corners of the granule's pixels; their values are not read.

    Returns
    -------
    list of Raster or None
        As `read_ndvi` gives it; None where the granule does not cover the ground.

    Raises
    ------
    InputError
        As `read_ndvi`.
    """
    red, nir, grid = _read_reflectances(path)
    found: list[Raster | None] = []
    for ground in grounds:
        left, top = (round(position) for position in ~grid.transform @ (ground.left_m, ground.top_m))
        right, bottom = (round(position) for position in ~grid.transform @ (ground.right_m, ground.bottom_m))
        if min(left, top) < 0 or right > grid.columns or bottom > grid.rows:
            found.append(None)
            continue
        part = slice(top, bottom), slice(left, right)
        found.append(Raster(_ndvi(red[part], nir[part]), grid.transform @ Affine.translation(left, top), SINUSOIDAL))
    return found


def _read_reflectances(path: Path) -> tuple[IntegerArray, IntegerArray, _Grid]:
    # MOD09GQ states the divisor, other MOD09 products the factor; both mean the documented 0.0001.
    scales = (1.0 / REFLECTANCE_SCALE, REFLECTANCE_SCALE)
    with _opened(path) as file:
        held = file.datasets()
        if not {"sur_refl_b01_1", "sur_refl_b02_1"} <= held.keys():
            raise InputError(
                f"{path}: not a MOD09GQ granule (sur_refl_b01_1 and sur_refl_b02_1 were expected; found {_listed(held)})."
            )
        grid = _grid_of(path, file, "sur_refl_b01_1")
        red, nir = (
            _read_dataset(path, file, name, grid, np.int16, scales, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE)
            for name in ("sur_refl_b01_1", "sur_refl_b02_1")
        )
    return red, nir, grid


def _ndvi(red: IntegerArray, nir: IntegerArray) -> FloatArray:
    missing = _is_missing(red, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE)
    missing |= _is_missing(nir, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE)
    # The scale cancels in the ratio, so the sum is taken on the digital numbers, where zero is exact.
    total = nir.astype(np.int32) + red
    missing |= total == 0
    total[missing] = 1
    ndvi = (nir.astype(np.int32) - red) / total
    np.clip(ndvi, -1.0, 1.0, out=ndvi)
    ndvi[missing] = np.nan
    return np.asarray(ndvi)


def read_water_mask(path: Path) -> Raster:
    """Water mask of a MOD44W granule.

    Returns
    -------
    Raster
        float64 of shape (rows, columns): 1 water, 0 land, NaN where the product has neither.

    Raises
    ------
    InputError
        If the file is missing, damaged or no such granule.
    """
    with _opened(path) as file:
        held = file.datasets()
        if "water_mask" not in held:
            raise InputError(f"{path}: not a MOD44W granule (water_mask was expected; found {_listed(held)}).")
        grid = _grid_of(path, file, "water_mask")
        stored = _read_pixels(path, file, "water_mask", grid)
    if stored.dtype != np.uint8:
        raise InputError(f"{path}: water_mask is {stored.dtype}; the product documents uint8.")
    return Raster(np.where(stored <= 1, stored, np.nan), grid.transform, SINUSOIDAL)


def _listed(names: dict[str, Any]) -> str:
    return ", ".join(sorted(names)[:8]) or "none"


def _is_missing(stored: IntegerArray, fill: int, valid_range: tuple[int, int]) -> BoolArray:
    return np.asarray((stored == fill) | (stored < valid_range[0]) | (stored > valid_range[1]))


@contextmanager
def _opened(path: Path) -> Iterator[SD]:
    """The SD interface of a file that has passed `check_intact`; the library's errors become InputErrors."""
    check_intact(path)
    file = None
    try:
        file = SD(str(path), SDC.READ)
        yield file
    except InputError:
        raise
    except (HDF4Error, ValueError) as error:  # pyhdf raises ValueError where the library fails to read or decode
        raise InputError(f"{path}: not readable as HDF4 ({error}). Fetch it again.") from error
    finally:
        if file is not None:
            file.end()


def _grid_of(path: Path, file: SD, dataset_name: str) -> _Grid:
    """The grid of StructMetadata that lists a dataset, checked to be MODIS sinusoidal."""
    attributes = file.attributes()
    text = "".join(attributes[name] for name in sorted(attributes) if re.fullmatch(r"StructMetadata\.[0-9]", name))
    groups = re.finditer(r"^\s*GROUP=(GRID_[0-9]+)\s*$(.*?)^\s*END_GROUP=\1\s*$", text, re.MULTILINE | re.DOTALL)
    for group in (match[2] for match in groups):
        if f'DataFieldName="{dataset_name}"' in group:
            break
    else:
        raise InputError(
            f"{path}: its StructMetadata describes no grid that holds {dataset_name}; an HDF-EOS granule was expected."
        )

    def entry(key: str) -> str:
        match = re.search(rf"^\s*{key}=(.*?)\s*$", group, re.MULTILINE)
        if not match:
            raise InputError(f"{path}: its StructMetadata gives no {key} for the grid of {dataset_name}.")
        return match[1]

    def numbers(key: str, count: int) -> list[float]:
        try:
            found = [float(word) for word in entry(key).strip("()").split(",")]
        except ValueError:
            found = []
        if len(found) < count or not np.isfinite(found).all():
            raise InputError(f"{path}: its StructMetadata has {key}={entry(key)}; expected {count} numbers.")
        return found

    if entry("Projection") not in ("GCTP_SNSOID", "16"):
        raise InputError(f"{path}: its projection is {entry('Projection')}; expected the MODIS sinusoidal grid (GCTP_SNSOID).")
    radius = numbers("ProjParams", 1)[0]
    if abs(radius - SPHERE_RADIUS_M) > 0.001:
        raise InputError(f"{path}: its sphere has a radius of {radius} m; the MODIS grid's is {SPHERE_RADIUS_M} m.")
    columns, rows = int(numbers("XDim", 1)[0]), int(numbers("YDim", 1)[0])
    left, top = numbers("UpperLeftPointMtrs", 2)[:2]
    right, bottom = numbers("LowerRightMtrs", 2)[:2]
    if columns < 1 or rows < 1 or right <= left or bottom >= top:
        raise InputError(
            f"{path}: its StructMetadata describes an empty grid ({rows}×{columns} pixels, rows×columns,"
            f" from x, y = {left}, {top} to {right}, {bottom})."
        )
    return _Grid(rows, columns, Affine((right - left) / columns, 0.0, left, 0.0, (bottom - top) / rows, top))


def _read_pixels(path: Path, file: SD, name: str, grid: _Grid) -> IntegerArray:
    dataset = file.select(name)
    try:
        shape = dataset.info()[2]
        # A wrong shape is refused before the library allocates it.
        if shape != [grid.rows, grid.columns]:
            raise InputError(f"{path}: {name} has shape {shape}; its grid has {[grid.rows, grid.columns]} (rows, columns).")
        pixels: IntegerArray = dataset.get()
    finally:
        dataset.endaccess()
    return pixels


def _read_dataset(
    path: Path,
    file: SD,
    name: str,
    grid: _Grid,
    number_type: type[np.integer[Any]],
    scale_factors: tuple[float, ...],
    fill: int,
    valid_range: tuple[int, int],
) -> IntegerArray:
    """Digital numbers of a dataset whose attributes say what its product documents."""
    dataset = file.select(name)
    attributes = dataset.attributes()
    dataset.endaccess()

    def check(key: str, accepted: Sequence[Any]) -> None:
        if key not in attributes:
            raise InputError(f"{path}: {name} states no {key}; the product documents {accepted[0]}.")
        try:
            matches = any(np.allclose(np.asarray(attributes[key], dtype=float), value, rtol=1e-6, atol=0) for value in accepted)
        except ValueError:
            matches = False
        if not matches:
            raise InputError(f"{path}: {name} states {key} {attributes[key]}; the product documents {accepted[0]}.")

    check("scale_factor", scale_factors)
    check("_FillValue", (fill,))
    check("valid_range", (valid_range,))
    if "add_offset" in attributes:
        check("add_offset", (0.0,))
    pixels = _read_pixels(path, file, name, grid)
    if pixels.dtype != number_type:
        raise InputError(f"{path}: {name} is {pixels.dtype}; the product documents {np.dtype(number_type)}.")
    return pixels
