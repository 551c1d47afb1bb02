"""MODIS granules: HDF4 files that hold HDF-EOS grids of a sinusoidal
tile, as kelvin, NDVI, reflectances and masks.

A granule that lacks the scale, the fill value or the valid range that its product documents, or
states others, is refused: digital numbers must never pass for kelvin or reflectance. What is odd but
legal is read, and named in its `Origin.warnings`.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from affine import Affine

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, TILE_SIZE_M
from lstsr_core.geo.raster import BoolArray, FloatArray, Raster
from lstsr_core.modis.hdf4 import HdfFile, IntegerArray, read_hdf
from lstsr_core.modis.hdf_eos import EosGrid, grid_of, is_listed, metadata_text
from lstsr_core.modis.names import PLATFORMS, GranuleName
from lstsr_core.modis.products import COMPOSITE_DAYS, READ_COLLECTIONS
from lstsr_core.modis.quality import MOD11A1_QC, MOD21A1_QC, Policy, QcLayout, Quality, check_policy

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
NDVI_SCALE = 1e-4
NDVI_FILL = -3000
NDVI_VALID_RANGE = (-2000, 10000)
NDVI_DATASET = "250m 16 days NDVI"
RELIABILITY_DATASET = "250m 16 days pixel reliability"
RELIABILITY_FILL, RELIABILITY_GOOD, RELIABILITY_SNOW, RELIABILITY_CLOUD = -1, 0, 2, 3

QC_GOOD = 0b00
QC_CLOUD = 0b10
"""Values of bits 0–1 of a LST granule's QC: produced in good quality; not produced because of cloud."""

Layer = Literal["day", "night"]

# The daily products state the divisor, the 8-day ones the factor; both mean the documented 0.0001.
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


_21A1 = _LstDatasets("LST_1KM", "QC", "View_Time", MOD21A1_QC)
_11A1 = {
    "day": _LstDatasets("LST_Day_1km", "QC_Day", "Day_view_time", MOD11A1_QC),
    "night": _LstDatasets("LST_Night_1km", "QC_Night", "Night_view_time", MOD11A1_QC),
}
_LAYER_OF = {"21A1D": "day", "21A1N": "night"}
"""The layer that a kind of product holds, where it holds one only."""

_YEARLY_KIND = "44W"
_COMPOSITE_KIND = "13Q1"
_LONGEST_DAYS = {_YEARLY_KIND: 366, _COMPOSITE_KIND: COMPOSITE_DAYS}
"""Days that a granule covers at the most, by kind; all others cover one."""
_LST_KINDS = ("21A1D", "21A1N", "11A1")


@dataclass(frozen=True)
class _Family:
    """Products that one reader takes: their kinds, the datasets by any of which a file is known, its grid."""

    kinds: tuple[str, ...]
    datasets: tuple[tuple[str, ...], ...]
    pixel_m: float


# MOD09GA, whose datasets include the names of MOD09GQ's, before it.
_FAMILIES = (
    _Family(_LST_KINDS, ((_21A1.lst,), (_11A1["day"].lst,), (_11A1["night"].lst,)), COARSE_PIXEL_M),
    _Family(("09GA",), (_RGB_BANDS,), RGB_PIXEL_M),
    _Family(("09GQ",), (_NDVI_BANDS,), FINE_PIXEL_M),
    _Family((_COMPOSITE_KIND,), ((NDVI_DATASET, RELIABILITY_DATASET),), FINE_PIXEL_M),
    _Family((_YEARLY_KIND,), (("water_mask",),), FINE_PIXEL_M),
)


@dataclass(frozen=True)
class Origin:
    """What a granule is, by its own metadata, else by its name.

    Attributes
    ----------
    product : str or None
        Short name, such as ``MYD11A1``.
    collection : str or None
        Three digits.
    acquired_from, acquired_to : datetime or None
        Range of time (UTC) that the granule covers; by the name, its day.
    warnings : tuple of str
        What is odd, but legal; one line each, with the file's name.
    """

    product: str | None
    collection: str | None
    acquired_from: datetime.datetime | None
    acquired_to: datetime.datetime | None
    warnings: tuple[str, ...] = ()

    @property
    def kind(self) -> str | None:
        """The product whichever platform it is of, and whether or not
        it was made in near real time, which adds an N."""
        if self.product is None or self.product[:3] not in PLATFORMS:
            return self.product
        kind = self.product[3:]
        return kind[:-1] if kind[-1:] == "N" and kind != "21A1N" else kind


@dataclass(frozen=True)
class LstGranule:
    """The day or the night of a LST granule.

    Attributes
    ----------
    lst : Raster
        Kelvin, float64; NaN where the product has its fill value, a number outside its
        valid range or a QC that the policy does not admit.
    quality : Quality
        Its QC, undecoded and by named bit fields.
    view_time_h : Raster or None
        Local solar time of the observation in hours, NaN where there was none; None where the file holds no
        times, or times of another scale than documented, which is among the warnings.
    origin : Origin
    """

    lst: Raster
    quality: Quality
    view_time_h: Raster | None
    origin: Origin


@dataclass(frozen=True)
class Contents:
    """What a granule holds.

    Attributes
    ----------
    kind : {"21A1D", "09GQ", "09GA", "13Q1", "44W"}
        What is in it: LST of any product, or what the product of this kind has.
    origin : Origin
    ground : Raster
        Where its pixels lie; zeros that take no memory.
    layer : {"day", "night"} or None
        Of LST.
    quality : QcLayout or None
        Of LST.
    has_view_time : bool
        Of LST.
    """

    kind: str
    origin: Origin
    ground: Raster
    layer: Layer | None
    quality: QcLayout | None
    has_view_time: bool


def read_origin(path: Path) -> Origin:
    """Product, collection and time of any MODIS granule, with
    warnings of what is odd about it; no pixels are read.

    Raises
    ------
    InputError
        If the file is missing or damaged, or its metadata and its name contradict each other.
    """
    return _origin(path, read_hdf(path, []))


def read_contents(path: Path, layer: Layer | None = None) -> Contents:
    """What a granule holds, of any product that is read here; no pixels are read.

    Parameters
    ----------
    path : Path
    layer : {"day", "night"}, optional
        Of a LST granule; without it the one that the product holds, or the day where it holds both.

    Raises
    ------
    InputError
        If the file is missing or damaged, of no product that is read, or holds no such layer.
    """
    file = read_hdf(path, [])
    origin = _origin(path, file)
    named = [family for family in _FAMILIES if origin.kind in family.kinds]
    held = [family for family in _FAMILIES if any(set(each) <= set(file.names) for each in family.datasets)]
    if not (named if origin.kind else held):
        products = ", ".join(f"MOD{kind}" for family in _FAMILIES for kind in family.kinds)
        described = f"a granule of {origin.product}" if origin.product else f"holds {_listed(file)}"
        raise InputError(f"{path}: {described}; expected one of {products}, or Aqua's (MYD…).")
    family = (named if origin.kind else held)[0]
    dataset, layout, timed = family.datasets[0][0], None, False
    if family.kinds == _LST_KINDS:
        layer = layer or ("night" if origin.kind == "21A1N" else "day")
        lst, warnings = _lst_datasets(path, file, origin, layer)
        dataset, layout, timed = lst.lst, lst.layout, lst.view_time in file.names
        origin = replace(origin, warnings=origin.warnings + warnings)
    elif layer is not None:
        raise InputError(f"{path}: holds no LST, and so no {layer}; leave the layer out.")
    elif not set(family.datasets[0]) <= set(file.names):
        expected = " and ".join(family.datasets[0])
        raise InputError(f"{path}: {expected} were expected; its datasets: {_listed(file)}.")
    grid = _grid(path, file, dataset, family.pixel_m)
    ground = Raster(np.broadcast_to(np.float32(0.0), (grid.rows, grid.columns)), grid.transform, SINUSOIDAL)
    return Contents(family.kinds[0], origin, ground, layer, layout, timed)


def read_lst(path: Path, layer: Layer = "day", policy: Policy = "produced") -> Raster:
    """Land surface temperature of a granule of MOD21A1D, MOD21A1N or
    MOD11A1, or of Aqua's MYD21A1D, MYD21A1N or MYD11A1.

    Parameters
    ----------
    path : Path
    layer : {"day", "night"}
        MOD21A1D holds the day only, MOD21A1N the night.
    policy : {"produced", "good"}
        Which pixels are used, as `Quality.usable` says.

    Returns
    -------
    Raster
        Kelvin, float64 of shape (rows, columns); NaN where the product has its fill value, a number outside
        its valid range or a QC that the policy does not admit: everywhere, if nothing was produced.

    Raises
    ------
    InputError
        If the file is missing, damaged, another product's, of the other layer, or
        states another scale, fill value or valid range.
    """
    return read_lst_granule(path, layer, policy, with_view_time=False).lst


def read_lst_granule(
    path: Path, layer: Layer = "day", policy: Policy = "produced", with_view_time: bool = True
) -> LstGranule:
    """Everything about a layer of a LST granule, with or without times of view; else as `read_lst`."""
    check_policy(policy)
    candidates = (_21A1, _11A1[layer])
    names = [
        name
        for each in candidates
        for name in (each.lst, each.qc, each.view_time)[: 3 if with_view_time else 2]
    ]
    file = read_hdf(path, names)
    origin = _origin(path, file)
    _check_kind(path, origin, _LST_KINDS)
    datasets, warnings = _lst_datasets(path, file, origin, layer)
    grid = _grid(path, file, datasets.lst, COARSE_PIXEL_M)
    stored = _checked(path, file, grid, datasets.lst, np.uint16, (LST_SCALE_K,), LST_FILL, LST_VALID_RANGE)
    quality = Quality(_pixels(path, file, grid, datasets.qc, datasets.layout.number_type), datasets.layout)
    lst = stored * LST_SCALE_K
    lst[~quality.usable(policy) | _is_missing(stored, LST_FILL, LST_VALID_RANGE)] = np.nan
    view_time_h = None
    if datasets.view_time in file.datasets:
        try:
            view_time_h = _view_time(path, file, grid, datasets.view_time)
        except _OtherAttributes as error:
            warnings += (str(error).replace(str(path), path.name, 1) + " No times of view are used.",)
    elif with_view_time and is_listed(file.attributes, datasets.view_time):
        raise InputError(
            f"{path}: damaged (its StructMetadata lists {datasets.view_time}, which it lacks). Fetch it"
            " again."
        )
    origin = replace(origin, warnings=origin.warnings + warnings)
    return LstGranule(Raster(lst, grid.transform, SINUSOIDAL), quality, view_time_h, origin)


def _lst_datasets(
    path: Path, file: HdfFile, origin: Origin, layer: Layer
) -> tuple[_LstDatasets, tuple[str, ...]]:
    """Where a file has a layer, and a warning if the file does not say which layer it is."""
    only = _LAYER_OF.get(origin.kind or "")
    if only not in (None, layer):
        raise InputError(
            f"{path}: {origin.product} holds the {only} only; choose the layer {only} (--layer {only})."
        )
    if only is None and {_11A1[layer].lst, _11A1[layer].qc} <= set(file.names):
        return _11A1[layer], ()
    if {_21A1.lst, _21A1.qc} <= set(file.names) and (only or layer == "day"):
        unknown = f"{path.name}: neither its metadata nor its name tells day from night; taken for the day."
        return _21A1, () if only else (unknown,)
    raise InputError(
        f"{path}: holds no {layer} LST ({_11A1[layer].lst} with {_11A1[layer].qc} was expected, or"
        f" {_21A1.lst} with {_21A1.qc} in a MOD21A1{layer[0].upper()}; its datasets: {_listed(file)})."
    )


def _view_time(path: Path, file: HdfFile, grid: EosGrid, name: str) -> Raster:
    times = _checked(
        path, file, grid, name, np.uint8, (VIEW_TIME_SCALE_H,), VIEW_TIME_FILL, VIEW_TIME_VALID_RANGE
    )
    hours = np.where(
        _is_missing(times, VIEW_TIME_FILL, VIEW_TIME_VALID_RANGE), np.nan, times * VIEW_TIME_SCALE_H
    )
    return Raster(hours, grid.transform, SINUSOIDAL)


def read_ndvi(path: Path) -> Raster:
    """NDVI of a granule: of a day's MOD09GQ or MYD09GQ, or of the 16 days of a MOD13Q1 or MYD13Q1.

    Of reflectances it is (NIR − red)/(NIR + red), clipped to [−1, 1]. Of 16 days it is what the product
    holds, where its pixel reliability is not cloud: good, marginal and snow are taken.

    Returns
    -------
    Raster
        float64 of shape (rows, columns); NaN where a dataset has its fill value or a number outside its
        valid range, under cloud, or where the denominator is zero.

    Raises
    ------
    InputError
        If the file is missing, damaged, no such granule, or states another scale, fill value or valid range.
    """
    return read_ndvi_and_origin(path)[0]


def read_ndvi_and_origin(path: Path) -> tuple[Raster, Origin]:
    """As `read_ndvi`, with what the granule is."""
    file = read_hdf(path, [*_NDVI_BANDS, NDVI_DATASET, RELIABILITY_DATASET])
    origin = _origin(path, file)
    _check_kind(path, origin, ("09GQ", _COMPOSITE_KIND))
    if origin.kind == _COMPOSITE_KIND or NDVI_DATASET in file.names:
        return _composite_ndvi(path, file, origin)
    grid, (red, nir) = _bands(path, file, "09GQ", _NDVI_BANDS, FINE_PIXEL_M)
    return Raster(_ndvi(red, nir), grid.transform, SINUSOIDAL), origin


def _composite_ndvi(path: Path, file: HdfFile, origin: Origin) -> tuple[Raster, Origin]:
    if not {NDVI_DATASET, RELIABILITY_DATASET} <= set(file.names):
        raise InputError(
            f"{path}: not a MOD{_COMPOSITE_KIND} granule ({NDVI_DATASET} and {RELIABILITY_DATASET} were"
            f" expected; its datasets: {_listed(file)})."
        )
    grid = _grid(path, file, NDVI_DATASET, FINE_PIXEL_M)
    scales = (1.0 / NDVI_SCALE, NDVI_SCALE)
    stored = _checked(path, file, grid, NDVI_DATASET, np.int16, scales, NDVI_FILL, NDVI_VALID_RANGE)
    reliability = _pixels(path, file, grid, RELIABILITY_DATASET, np.int8)
    ndvi = stored * NDVI_SCALE
    usable = (reliability >= RELIABILITY_GOOD) & (reliability <= RELIABILITY_SNOW)
    ndvi[~usable | _is_missing(stored, NDVI_FILL, NDVI_VALID_RANGE)] = np.nan
    snow = float((reliability[np.isfinite(ndvi)] == RELIABILITY_SNOW).mean()) if usable.any() else 0.0
    if snow >= 0.01:
        origin = replace(
            origin,
            warnings=(*origin.warnings, f"{path.name}: {snow:.0%} of its NDVI is of snow, and is taken."),
        )
    return Raster(ndvi, grid.transform, SINUSOIDAL), origin


def read_ndvi_ground(path: Path) -> Raster:
    """Where the NDVI of a granule lies: a raster of zeros that take no memory; no pixels are read.

    Raises
    ------
    InputError
        If the file is missing or damaged, or no granule that `read_ndvi` takes.
    """
    file = read_hdf(path, [])
    dataset = NDVI_DATASET if NDVI_DATASET in file.names else _NDVI_BANDS[0]
    if dataset not in file.names:
        raise InputError(
            f"{path}: holds neither {_NDVI_BANDS[0]} nor {NDVI_DATASET} (its datasets: {_listed(file)})."
        )
    grid = _grid(path, file, dataset, FINE_PIXEL_M)
    return Raster(np.broadcast_to(np.float32(0.0), (grid.rows, grid.columns)), grid.transform, SINUSOIDAL)


def read_ndvi_over(path: Path, grounds: Sequence[Raster]) -> list[Raster | None]:
    """NDVI of a MOD09GQ or MYD09GQ granule over the same ground as each of some coarser rasters.

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
    grid, (red, nir), _ = _read_bands(path, "09GQ", _NDVI_BANDS, FINE_PIXEL_M)
    rasters: list[Raster | None] = []
    for ground in grounds:
        left, top = (round(index) for index in ~grid.transform @ (ground.left_m, ground.top_m))
        right, bottom = (round(index) for index in ~grid.transform @ (ground.right_m, ground.bottom_m))
        if min(top, left) < 0 or bottom > grid.rows or right > grid.columns:
            rasters.append(None)
            continue
        window = (slice(top, bottom), slice(left, right))
        corner = Affine.translation(left, top)
        rasters.append(Raster(_ndvi(red[window], nir[window]), grid.transform @ corner, SINUSOIDAL))
    return rasters


def read_rgb(path: Path) -> tuple[Raster, Raster, Raster]:
    """Red, green and blue surface reflectance (bands 1, 4, 3)
    of a MOD09GA or MYD09GA granule, for looking at.

    Returns
    -------
    tuple of Raster
        float64 of shape (rows, columns) at 500 m; NaN where the band has its
        fill value or a number outside its valid range.

    Raises
    ------
    InputError
        If the file is missing, damaged, no such granule, or states another scale, fill value or valid range.
    """
    return tuple(_read_reflectances(path, "09GA", _RGB_BANDS, RGB_PIXEL_M))  # type: ignore[return-value]


def read_red_and_nir(path: Path) -> tuple[Raster, Raster]:
    """Red and near-infrared surface reflectance (bands 1 and 2) of a MOD09GQ or MYD09GQ granule.

    Returns
    -------
    tuple of Raster
        float64 of shape (rows, columns) at 250 m; NaN where the band has its
        fill value or a number outside its valid range.

    Raises
    ------
    InputError
        If the file is missing, damaged, no such granule, or states another scale, fill value or valid range.
    """
    return tuple(_read_reflectances(path, "09GQ", _NDVI_BANDS, FINE_PIXEL_M))  # type: ignore[return-value]


def _read_reflectances(path: Path, kind: str, names: Sequence[str], pixel_m: float) -> list[Raster]:
    grid, bands, _ = _read_bands(path, kind, names, pixel_m)
    missing = (_is_missing(band, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE) for band in bands)
    reflectances = (
        np.where(gaps, np.nan, band * REFLECTANCE_SCALE) for gaps, band in zip(missing, bands, strict=True)
    )
    return [Raster(band, grid.transform, SINUSOIDAL) for band in reflectances]


def read_water_mask(path: Path) -> Raster:
    """Water mask of a MOD44W granule.

    Returns
    -------
    Raster
        float64 of shape (rows, columns): 1 water, 0 land, NaN where the product has neither.

    Raises
    ------
    InputError
        If the file is missing, damaged, another product's, or knows neither land nor water anywhere.
    """
    return read_water_and_origin(path)[0]


def read_water_and_origin(path: Path) -> tuple[Raster, Origin]:
    """As `read_water_mask`, with what the granule is."""
    file = read_hdf(path, ["water_mask"])
    origin = _origin(path, file)
    _check_kind(path, origin, (_YEARLY_KIND,))
    if "water_mask" not in file.names:
        raise InputError(
            f"{path}: not a MOD44W granule (water_mask was expected; its datasets: {_listed(file)})."
        )
    grid = _grid(path, file, "water_mask", FINE_PIXEL_M)
    stored = _pixels(path, file, grid, "water_mask", np.uint8)
    valid = stored <= 1
    if not valid.any():
        raise InputError(
            f"{path}: knows neither land (0) nor water (1) at any of its {stored.size} pixels; take another"
            " mask."
        )
    return Raster(np.where(valid, stored, np.nan), grid.transform, SINUSOIDAL), origin


def _read_bands(
    path: Path, kind: str, names: Sequence[str], pixel_m: float
) -> tuple[EosGrid, list[IntegerArray], Origin]:
    """Digital numbers of bands on one grid, and what the granule is."""
    file = read_hdf(path, names)
    origin = _origin(path, file)
    _check_kind(path, origin, (kind,))
    return *_bands(path, file, kind, names, pixel_m), origin


def _bands(
    path: Path, file: HdfFile, kind: str, names: Sequence[str], pixel_m: float
) -> tuple[EosGrid, list[IntegerArray]]:
    if not set(names) <= set(file.names):
        expected = " and ".join(names)
        raise InputError(
            f"{path}: not a MOD{kind} granule ({expected} were expected; its datasets: {_listed(file)})."
        )
    grid = _grid(path, file, names[0], pixel_m)
    bands = [
        _checked(
            path, file, grid, name, np.int16, _REFLECTANCE_SCALES, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE
        )
        for name in names
    ]
    return grid, bands


def _ndvi(red: IntegerArray, nir: IntegerArray) -> FloatArray:
    ndvi = np.empty(red.shape)
    strip = max(1, _PIXELS_AT_A_TIME // red.shape[1])
    for top in range(0, red.shape[0], strip):
        _write_ndvi(red[top : top + strip], nir[top : top + strip], ndvi[top : top + strip])
    return ndvi


def _write_ndvi(red: IntegerArray, nir: IntegerArray, ndvi: FloatArray) -> None:
    missing = _is_missing(red, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE)
    missing |= _is_missing(nir, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE)
    # The scale cancels in the ratio, so the sum is taken on the digital numbers, where zero is exact.
    total = nir.astype(np.int32) + red
    missing |= total == 0
    total[missing] = 1
    np.divide(nir.astype(np.int32) - red, total, out=ndvi)
    np.clip(ndvi, -1.0, 1.0, out=ndvi)
    ndvi[missing] = np.nan


_PIXELS_AT_A_TIME = 1 << 17  # which stay in the processor's cache


class _OtherAttributes(InputError):
    """A dataset states another scale, fill value or valid range than its product documents, or none."""


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


def _check_kind(path: Path, origin: Origin, kinds: Sequence[str]) -> None:
    """Refuse another product's granule, where the product is known."""
    if origin.kind not in (None, *kinds):
        platforms = [prefix for prefix in PLATFORMS if prefix == "MOD" or _YEARLY_KIND not in kinds]
        products = " or ".join(prefix + kind for kind in kinds for prefix in platforms)
        raise InputError(f"{path}: a granule of {origin.product}; expected {products}.")


def _origin(path: Path, file: HdfFile) -> Origin:
    """What metadata and name say of a granule; a product or day that they state otherwise is refused."""
    text = metadata_text(file.attributes, "CoreMetadata")

    def entry(key: str) -> str | None:
        block = re.search(rf"OBJECT\s*=\s*{key}\b(.*?)END_OBJECT\s*=\s*{key}\b", text, re.DOTALL)
        value = re.search(r'VALUE\s*=\s*(?:"([^"]*)"|(\S+))', block[1]) if block else None
        return (value[1] or value[2]) if value else None

    def moment(which: str) -> datetime.datetime | None:
        day, time = entry(f"RANGE{which}DATE"), entry(f"RANGE{which}TIME")
        if day is None or time is None:
            return None
        try:
            return _moment(day, time)
        except ValueError as error:
            raise InputError(
                f"{path}: its CoreMetadata has no time in '{day} {time}'; expected YYYY-MM-DD HH:MM:SS."
            ) from error

    product, version, start, end = (
        entry("SHORTNAME"),
        entry("VERSIONID"),
        moment("BEGINNING"),
        moment("ENDING"),
    )
    collection = (
        f"{int(version):03d}" if version is not None and re.fullmatch("[0-9]{1,3}", version) else None
    )
    warnings = []
    name = _name(path)
    if name is not None:
        if product not in (None, name.product, f"{name.product}N"):
            raise InputError(
                f"{path}: its CoreMetadata says {product}, its name {name.product}. Fetch it again."
            )
        if collection not in (None, name.collection):
            warnings.append(
                f"{path.name}: its metadata say collection {collection}, its name {name.collection}."
            )
        warnings += _day_warnings(path, name, start, end)
        midnight = datetime.datetime.combine(name.date, datetime.time(), datetime.UTC)
        product, collection = name.product, name.collection
        start, end = start or midnight, end or midnight + datetime.timedelta(days=1)
    if collection not in (None, *READ_COLLECTIONS):
        collections = " and ".join(READ_COLLECTIONS)
        warnings.append(f"{path.name}: of collection {collection}; this reader was made for {collections}.")
    return Origin(product, collection, start, end, tuple(warnings))


def _moment(day: str, time: str) -> datetime.datetime:
    """A time of the metadata, in UTC; 24:00:00 and a leap second are times, too."""
    hours, minutes, seconds = (float(part) for part in time.rstrip("Z").split(":"))
    after_midnight = datetime.timedelta(hours=hours, minutes=minutes, seconds=seconds)
    if not datetime.timedelta() <= after_midnight <= datetime.timedelta(days=1, seconds=1):
        raise ValueError(time)
    return (
        datetime.datetime.combine(datetime.date.fromisoformat(day), datetime.time(), datetime.UTC)
        + after_midnight
    )


def _day_warnings(
    path: Path, name: GranuleName, start: datetime.datetime | None, end: datetime.datetime | None
) -> list[str]:
    """A warning where a granule begins beside the day of its name: an
    overpass near ±180° may lie across midnight UTC."""
    if start is None or start.date() == name.date:
        return []
    day, longest = datetime.timedelta(days=1), datetime.timedelta(days=_LONGEST_DAYS.get(name.kind, 1))
    end = end or start
    if not (
        start.date() - day <= name.date <= end.date() + day and datetime.timedelta() <= end - start <= longest
    ):
        raise InputError(
            f"{path}: its CoreMetadata says {start.date()}, its name {name.date}. Fetch it again."
        )
    return [f"{path.name}: begins on {start.date()} by its metadata; its name's day is taken."]


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
                f"{path}: its grid begins at x, y = {grid.transform.c}, {grid.transform.f} and reaches beyond"
                f" tile {name.tile}."
            )
    return grid


def _pixels(
    path: Path, file: HdfFile, grid: EosGrid, name: str, number_type: type[np.integer[Any]] | np.dtype[Any]
) -> IntegerArray:
    pixels = file.datasets[name].pixels
    if pixels.shape != (grid.rows, grid.columns):
        expected = [grid.rows, grid.columns]
        raise InputError(
            f"{path}: {name} has shape {list(pixels.shape)}; its grid has {expected} (rows, columns)."
        )
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
    """Digital numbers of a dataset whose attributes say what its product
    documents; _OtherAttributes where they do not."""
    attributes = file.datasets[name].attributes

    def check(key: str, accepted: Iterable[Any]) -> None:
        documented, *others = accepted
        if key not in attributes:
            raise _OtherAttributes(f"{path}: {name} states no {key}; the product documents {documented}.")
        try:
            stated = np.asarray(attributes[key], dtype=float)
            matches = any(np.allclose(stated, value, rtol=1e-6, atol=0) for value in (documented, *others))
        except ValueError:
            matches = False
        if not matches:
            raise _OtherAttributes(
                f"{path}: {name} states {key} {attributes[key]}; the product documents {documented}."
            )

    check("scale_factor", scale_factors)
    check("_FillValue", (fill,))
    check("valid_range", (valid_range,))
    if "add_offset" in attributes:
        check("add_offset", (0.0,))
    return _pixels(path, file, grid, name, number_type)
