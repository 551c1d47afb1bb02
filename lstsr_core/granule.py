"""MODIS granules: HDF4 files that hold HDF-EOS grids of a sinusoidal tile, as kelvin, NDVI, reflectances and masks.

A granule that lacks the scale, the fill value or the valid range that its product documents, or states others, is refused:
digital numbers must never pass for kelvin or reflectance.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from affine import Affine

from lstsr_core.errors import InputError
from lstsr_core.granule_name import GranuleName
from lstsr_core.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, TILE_SIZE_M
from lstsr_core.hdf_eos import EosGrid, grid_of, is_listed
from lstsr_core.hdf_file import HdfFile, IntegerArray, read_hdf
from lstsr_core.qc import MOD11A1_QC, MOD21A1_QC, Policy, QcLayout, Quality, check_policy
from lstsr_core.raster import BoolArray, FloatArray, Raster

LST_SCALE_K = 0.02
LST_FILL = 0
LST_VALID_RANGE = (7500, 65535)
VIEW_TIME_SCALE_H = 0.1
VIEW_TIME_FILL = 255
VIEW_TIME_VALID_RANGE = (0, 240)
REFLECTANCE_SCALE = 1e-4
REFLECTANCE_FILL = -28672
REFLECTANCE_VALID_RANGE = (-100, 16000)
RGB_PIXEL_M = 2 * FINE_PIXEL_M

QC_GOOD = 0b00
QC_CLOUD = 0b10
"""Values of bits 0–1 of a LST granule's QC: produced in good quality; not produced because of cloud."""

Layer = Literal["day", "night"]

# MOD09GQ states the divisor, other MOD09 products the factor; both mean the documented 0.0001.
_REFLECTANCE_SCALES = (1.0 / REFLECTANCE_SCALE, REFLECTANCE_SCALE)
_NDVI_BANDS = ("sur_refl_b01_1", "sur_refl_b02_1")
_RGB_BANDS = ("sur_refl_b01_1", "sur_refl_b04_1", "sur_refl_b03_1")


@dataclass(frozen=True)
class _LstDatasets:
    """Where a product has the LST of a layer."""

    lst: str
    qc: str
    view_time: str
    layout: QcLayout


_MOD21A1 = _LstDatasets("LST_1KM", "QC", "View_Time", MOD21A1_QC)
_MOD11A1 = {
    "day": _LstDatasets("LST_Day_1km", "QC_Day", "Day_view_time", MOD11A1_QC),
    "night": _LstDatasets("LST_Night_1km", "QC_Night", "Night_view_time", MOD11A1_QC),
}


@dataclass(frozen=True)
class LstGranule:
    """The day or the night of a LST granule.

    Attributes
    ----------
    lst : Raster
        Kelvin, float64; NaN where the product has its fill value, a number outside its valid range or a QC that the policy
        does not admit.
    quality : Quality
        Its QC, undecoded and by named bit fields.
    view_time_h : Raster or None
        Local solar time of the observation in hours, NaN where there was none; None where the file holds no times.
    acquired_from, acquired_to : datetime or None
        Range of time (UTC) that the granule covers: by its own metadata, else the day that its name states.
    """

    lst: Raster
    quality: Quality
    view_time_h: Raster | None
    acquired_from: datetime.datetime | None
    acquired_to: datetime.datetime | None


def read_lst(path: Path, layer: Layer = "day", policy: Policy | float = "produced") -> Raster:
    """Land surface temperature of a MOD21A1D, MOD21A1N or MOD11A1 granule.

    Parameters
    ----------
    path : Path
    layer : {"day", "night"}
        MOD21A1D holds the day only, MOD21A1N the night.
    policy : {"produced", "good"} or float
        Which pixels are used, as `Quality.usable` says.

    Returns
    -------
    Raster
        Kelvin, float64 of shape (rows, columns); NaN where the product has its fill value, a number outside its valid range
        or a QC that the policy does not admit.

    Raises
    ------
    InputError
        If the file is missing, damaged, no such granule, or states another scale, fill value or valid range.
    """
    return _read_lst_granule(path, layer, policy, with_view_time=False).lst


def read_lst_granule(path: Path, layer: Layer = "day", policy: Policy | float = "produced") -> LstGranule:
    """Everything about a layer of a MOD21A1D, MOD21A1N or MOD11A1 granule; parameters and errors as in `read_lst`."""
    return _read_lst_granule(path, layer, policy, with_view_time=True)


def _read_lst_granule(path: Path, layer: Layer, policy: Policy | float, with_view_time: bool) -> LstGranule:
    check_policy(policy)
    candidates = (_MOD21A1, _MOD11A1[layer])
    wanted = [name for found in candidates for name in (found.lst, found.qc, found.view_time)[: 3 if with_view_time else 2]]
    file = read_hdf(path, wanted)
    product, acquired_from, acquired_to = _origin(path, file)
    only_layer = None
    if _MOD21A1.lst in file.names:  # in the night's file as in the day's
        only_layer = "night" if (product or "").endswith("21A1N") else "day"
    for datasets in candidates:
        if {datasets.lst, datasets.qc} <= set(file.names) and only_layer in (None, layer):
            break
    else:
        product = {"day": "MOD21A1D", "night": "MOD21A1N"}[layer]
        raise InputError(
            f"{path}: holds no {layer} LST ({_MOD11A1[layer].lst} with {_MOD11A1[layer].qc} was expected, or {_MOD21A1.lst} with"
            f" {_MOD21A1.qc} in a {product}; found {_listed(file)})."
        )
    grid = _grid(path, file, datasets.lst, COARSE_PIXEL_M)
    stored = _checked(path, file, grid, datasets.lst, np.uint16, (LST_SCALE_K,), LST_FILL, LST_VALID_RANGE)
    quality = Quality(_pixels(path, file, grid, datasets.qc, datasets.layout.number_type), datasets.layout)
    lst = stored * LST_SCALE_K
    lst[~quality.usable(policy) | _is_missing(stored, LST_FILL, LST_VALID_RANGE)] = np.nan
    view_time_h = None
    if datasets.view_time in file.datasets:
        times = _checked(
            path, file, grid, datasets.view_time, np.uint8, (VIEW_TIME_SCALE_H,), VIEW_TIME_FILL, VIEW_TIME_VALID_RANGE
        )
        hours = np.where(_is_missing(times, VIEW_TIME_FILL, VIEW_TIME_VALID_RANGE), np.nan, times * VIEW_TIME_SCALE_H)
        view_time_h = Raster(hours, grid.transform, SINUSOIDAL)
    elif with_view_time and is_listed(file.attributes, datasets.view_time):
        raise InputError(f"{path}: damaged (its StructMetadata lists {datasets.view_time}, which it lacks). Fetch it again.")
    return LstGranule(Raster(lst, grid.transform, SINUSOIDAL), quality, view_time_h, acquired_from, acquired_to)


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
    grid, (red, nir) = _read_bands(path, "MOD09GQ", _NDVI_BANDS, FINE_PIXEL_M)
    return Raster(_ndvi(red, nir), grid.transform, SINUSOIDAL)


def read_ndvi_over(path: Path, grounds: Sequence[Raster]) -> list[Raster | None]:
    """NDVI of a MOD09GQ granule over the same ground as each of some coarser rasters.

    The file is read once; NDVI is computed for what is asked for.

    Parameters
    ----------
    path : Path
    grounds : sequence of Raster
        On the same tile, their pixels a whole number of the granule's pixels wide; their values are not read.

    Returns
    -------
    list of Raster or None
        As `read_ndvi` gives it; None where the granule does not cover the ground.

    Raises
    ------
    InputError
        As `read_ndvi`.
    """
    grid, (red, nir) = _read_bands(path, "MOD09GQ", _NDVI_BANDS, FINE_PIXEL_M)
    found: list[Raster | None] = []
    for ground in grounds:
        left, top = (round(index) for index in ~grid.transform @ (ground.left_m, ground.top_m))
        right, bottom = (round(index) for index in ~grid.transform @ (ground.right_m, ground.bottom_m))
        if min(top, left) < 0 or bottom > grid.rows or right > grid.columns:
            found.append(None)
            continue
        window = (slice(top, bottom), slice(left, right))
        corner = Affine.translation(left, top)
        found.append(Raster(_ndvi(red[window], nir[window]), grid.transform @ corner, SINUSOIDAL))
    return found


def read_rgb(path: Path) -> tuple[Raster, Raster, Raster]:
    """Red, green and blue surface reflectance (bands 1, 4, 3) of a MOD09GA granule, for looking at.

    Returns
    -------
    tuple of Raster
        float64 of shape (rows, columns) at 500 m; NaN where the band has its fill value or a number outside its valid range.

    Raises
    ------
    InputError
        If the file is missing, damaged, no such granule, or states another scale, fill value or valid range.
    """
    grid, bands = _read_bands(path, "MOD09GA", _RGB_BANDS, RGB_PIXEL_M)
    red, green, blue = (
        np.where(_is_missing(band, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE), np.nan, band * REFLECTANCE_SCALE) for band in bands
    )
    return tuple(Raster(band, grid.transform, SINUSOIDAL) for band in (red, green, blue))  # type: ignore[return-value]


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
    file = read_hdf(path, ["water_mask"])
    if "water_mask" not in file.names:
        raise InputError(f"{path}: not a MOD44W granule (water_mask was expected; found {_listed(file)}).")
    grid = _grid(path, file, "water_mask", FINE_PIXEL_M)
    stored = _pixels(path, file, grid, "water_mask", np.uint8)
    return Raster(np.where(stored <= 1, stored, np.nan), grid.transform, SINUSOIDAL)


def _read_bands(path: Path, product: str, names: Sequence[str], pixel_m: float) -> tuple[EosGrid, list[IntegerArray]]:
    """Digital numbers of bands on one grid."""
    file = read_hdf(path, names)
    if not set(names) <= set(file.names):
        raise InputError(f"{path}: not a {product} granule ({' and '.join(names)} were expected; found {_listed(file)}).")
    grid = _grid(path, file, names[0], pixel_m)
    bands = [
        _checked(path, file, grid, name, np.int16, _REFLECTANCE_SCALES, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE)
        for name in names
    ]
    return grid, bands


def _ndvi(red: IntegerArray, nir: IntegerArray) -> FloatArray:
    missing = _is_missing(red, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE)
    missing |= _is_missing(nir, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE)
    # The scale cancels in the ratio, so the sum is taken on the digital numbers, where zero is exact.
    total = nir.astype(np.int32) + red
    missing |= total == 0
    total[missing] = 1
    ndvi: FloatArray = (nir.astype(np.int32) - red) / total
    np.clip(ndvi, -1.0, 1.0, out=ndvi)
    ndvi[missing] = np.nan
    return ndvi


def _listed(file: HdfFile) -> str:
    names = ("".join(sign if sign.isprintable() else "?" for sign in name) for name in sorted(file.names)[:8])
    return ", ".join(names) or "none"


def _is_missing(stored: IntegerArray, fill: int, valid_range: tuple[int, int]) -> BoolArray:
    return np.asarray((stored == fill) | (stored < valid_range[0]) | (stored > valid_range[1]))


def _name(path: Path) -> GranuleName | None:
    try:
        return GranuleName.parse(path.name)
    except InputError:
        return None


def _origin(path: Path, file: HdfFile) -> tuple[str | None, datetime.datetime | None, datetime.datetime | None]:
    """Product and range of time by the file's metadata, else by its name; where both state the product or day, they agree."""
    text = "".join(file.attributes[key] for key in sorted(file.attributes) if key.startswith("CoreMetadata."))

    def entry(key: str) -> str | None:
        block = re.search(rf"OBJECT\s*=\s*{key}\b(.*?)END_OBJECT\s*=\s*{key}\b", text, re.DOTALL)
        value = re.search(r'VALUE\s*=\s*"([^"]*)"', block[1]) if block else None
        return value[1] if value else None

    def moment(which: str) -> datetime.datetime | None:
        day, time = entry(f"RANGE{which}DATE"), entry(f"RANGE{which}TIME")
        if day is None or time is None:
            return None
        try:
            return datetime.datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=datetime.UTC)
        except ValueError as error:
            raise InputError(f"{path}: its CoreMetadata has no time in '{day} {time}'; expected YYYY-MM-DD HH:MM:SS.") from error

    product, start, end = entry("SHORTNAME"), moment("BEGINNING"), moment("ENDING")
    name = _name(path)
    if name is None:
        return product, start, end
    if product not in (None, name.product):
        raise InputError(f"{path}: its CoreMetadata says {product}, its name {name.product}. Fetch it again.")
    if start is not None and start.date() != name.date:
        raise InputError(f"{path}: its CoreMetadata says {start.date()}, its name {name.date}. Fetch it again.")
    midnight = datetime.datetime.combine(name.date, datetime.time(), datetime.UTC)
    return name.product, start or midnight, end or midnight + datetime.timedelta(days=1)


def _grid(path: Path, file: HdfFile, dataset: str, pixel_m: float) -> EosGrid:
    """The grid of a dataset, checked to lie on the tile that the file's name states, if it does."""
    grid = grid_of(path, file.attributes, dataset, pixel_m)
    name = _name(path)
    if name is not None:
        to_tile = ~name.tile.transform(pixel_m) @ grid.transform
        first, last = to_tile @ (0, 0), to_tile @ (grid.columns, grid.rows)
        limit = round(TILE_SIZE_M / pixel_m)
        if min(first) < -0.01 or max(last) > limit + 0.01:
            raise InputError(
                f"{path}: its grid begins at x, y = {grid.transform.c}, {grid.transform.f} and reaches beyond tile {name.tile}."
            )
    return grid


def _pixels(
    path: Path, file: HdfFile, grid: EosGrid, name: str, number_type: type[np.integer[Any]] | np.dtype[Any]
) -> IntegerArray:
    pixels = file.datasets[name].pixels
    if pixels.shape != (grid.rows, grid.columns):
        expected = [grid.rows, grid.columns]
        raise InputError(f"{path}: {name} has shape {list(pixels.shape)}; its grid has {expected} (rows, columns).")
    if pixels.dtype != number_type:
        raise InputError(f"{path}: {name} is {pixels.dtype}; the product documents {np.dtype(number_type)}.")
    return pixels


def _checked(
    path: Path,
    file: HdfFile,
    grid: EosGrid,
    name: str,
    number_type: type[np.integer[Any]],
    scale_factors: tuple[float, ...],
    fill: int,
    valid_range: tuple[int, int],
) -> IntegerArray:
    """Digital numbers of a dataset whose attributes say what its product documents."""
    attributes = file.datasets[name].attributes

    def check(key: str, accepted: Iterable[Any]) -> None:
        documented, *others = accepted
        if key not in attributes:
            raise InputError(f"{path}: {name} states no {key}; the product documents {documented}.")
        try:
            stated = np.asarray(attributes[key], dtype=float)
            matches = any(np.allclose(stated, value, rtol=1e-6, atol=0) for value in (documented, *others))
        except ValueError:
            matches = False
        if not matches:
            raise InputError(f"{path}: {name} states {key} {attributes[key]}; the product documents {documented}.")

    check("scale_factor", scale_factors)
    check("_FillValue", (fill,))
    check("valid_range", (valid_range,))
    if "add_offset" in attributes:
        check("add_offset", (0.0,))
    return _pixels(path, file, grid, name, number_type)
