"""GeoTIFFs of LST and NDVI on the MODIS sinusoidal grids, whole tiles or cut, as AppEEARS and Earth Engine
export them.

What the numbers are is judged by the file's tags and by their range, unless `Encoding` says it. A raster
that was resampled into another projection or grid is refused: its pixels are moved by up to half of their
width, two pixels of the map, and LST and NDVI no longer lie over each other. The message has the way to
export it rightly, and the command that brings it back onto the grid where that cannot be.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyproj
import rasterio
from affine import Affine
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window as RasterWindow

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import is_there
from lstsr_core.geo.grid import (
    COARSE_PIXEL_M,
    FINE_PIXEL_M,
    GRID_LEFT_M,
    GRID_TOP_M,
    SINUSOIDAL,
    SPHERE_RADIUS_M,
)
from lstsr_core.geo.raster import BoolArray, FloatArray, Raster
from lstsr_core.modis.granule import (
    LST_FILL,
    LST_SCALE_K,
    LST_VALID_RANGE,
    NDVI_FILL,
    NDVI_SCALE,
    REFLECTANCE_FILL,
    Layer,
)
from lstsr_core.modis.quality import not_produced

ENDINGS = (".tif", ".tiff")

_MOST_APART_PIXELS = 0.02
"""How far a corner may lie from the grid's: exports round coordinates to centimetres at the worst."""

_MOST_OUTSIDE = 0.01
"""Share of the pixels that may lie outside the valid range and be left out; more are an error of scale."""

_PLAUSIBLE_K = (150.0, 400.0)
_CELSIUS = (-90.0, 90.0)
_LOWEST_NUMBERED_NDVI = -0.5
"""Below it lie fill values such as -9999, where digital numbers of NDVI are told by their range."""

_LEAST_NDVI_NUMBER = 256
"""Digital numbers of NDVI go to 10000; where none is larger than this, they are bytes or percents."""

_SINUSOIDAL_OPTION = f"'+proj=sinu +R={SPHERE_RADIUS_M} +units=m +no_defs'"


@dataclass(frozen=True)
class Encoding:
    """What a user says of a GeoTIFF's numbers: value = number × `scale` + `offset`.

    Attributes
    ----------
    scale, offset, nodata : float or None
        None is judged by the file.
    """

    scale: float | None = None
    offset: float | None = None
    nodata: float | None = None

    def __post_init__(self) -> None:
        for name, number in (("scale", self.scale), ("offset", self.offset)):
            if number is not None and not np.isfinite(number):
                raise InputError(f"the {name} is {number}; expected a finite number.")
        if self.scale == 0.0:
            raise InputError("the scale is 0; expected another number.")

    @property
    def values(self) -> dict[str, float]:
        """What is said, by name."""
        return {name: value for name, value in vars(self).items() if value is not None}


@dataclass(frozen=True)
class Cut:
    """Which pixels of the global sinusoidal grid a raster holds.

    Attributes
    ----------
    row, column : int
        Of the upper left pixel, from the grid's own upper left corner.
    rows, columns : int
    pixel_m : float
    """

    row: int
    column: int
    rows: int
    columns: int
    pixel_m: float

    @property
    def transform(self) -> Affine:
        corner = Affine(self.pixel_m, 0.0, GRID_LEFT_M, 0.0, -self.pixel_m, GRID_TOP_M)
        return corner @ Affine.translation(self.column, self.row)


@dataclass(frozen=True)
class Quantity:
    """What a GeoTIFF may hold.

    Attributes
    ----------
    name, unit, option : str
        The option of the command line that takes it.
    pixel_m : float
    valid, plausible : (float, float)
        In its unit: what is a value at all, and what most values are.
    step : float
        Of the product's digital numbers.
    fills : tuple of int
        Digital numbers that are no data where the file does not say which are.
    dataset : str
        What the product calls it.
    """

    name: str
    unit: str
    option: str
    pixel_m: float
    valid: tuple[float, float]
    plausible: tuple[float, float]
    step: float
    fills: tuple[int, ...]
    dataset: str


LST = Quantity(
    "LST", "K", "--lst", COARSE_PIXEL_M, (LST_VALID_RANGE[0] * LST_SCALE_K, LST_VALID_RANGE[1] * LST_SCALE_K),
    _PLAUSIBLE_K, LST_SCALE_K, (LST_FILL,), "LST_Day_1km, LST_Night_1km or LST_1KM",
)  # fmt: skip
NDVI = Quantity(
    "NDVI", "", "--ndvi", FINE_PIXEL_M, (-1.0, 1.0), (-1.0, 1.0), NDVI_SCALE, (NDVI_FILL, REFLECTANCE_FILL),
    "NDVI",
)  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What a GeoTIFF's name and tags tell of where it comes from; None where they do not.

    Attributes
    ----------
    product : str or None
        Such as ``MOD11A1``.
    collection : str or None
    day : datetime.date or None
        The first, of 16 days.
    """

    product: str | None
    collection: str | None
    day: datetime.date | None


def is_geotiff(path: Path) -> bool:
    """Whether a file is named as a GeoTIFF."""
    return path.suffix.lower() in ENDINGS


def read_facts(path: Path) -> Facts:
    """What a GeoTIFF tells of its origin by its name, as AppEEARS and Earth Engine give it, or its tags."""
    tags: dict[str, str] = {}
    with suppress(RasterioError), rasterio.open(path, driver="GTiff") as source:
        tags = source.tags()
    names = (path.name, tags.get("LOCALGRANULEID", ""), tags.get("SHORTNAME", ""))
    product = next(
        filter(None, (re.search(r"(?<![A-Z])M[OY]D\d{2}[A-Z]+\d?[A-Z]?", name) for name in names)), None
    )
    collection = next(filter(None, (re.search(r"\.(\d{3})[._]", name) for name in names)), None)
    days = (_day(text) for text in (path.name, tags.get("RANGEBEGINNINGDATE", "")))
    return Facts(
        product[0] if product else None,
        collection[1] if collection else None,
        next((day for day in days if day is not None), None),
    )


def _day(text: str) -> datetime.date | None:
    with suppress(ValueError):
        if match := re.search(r"(?:doy|A)(\d{4})(\d{3})(?:\d{6})?(?!\d)", text):
            return datetime.datetime.strptime("".join(match.groups()), "%Y%j").date()
        if match := re.search(r"(?<!\d)(\d{4})[-_](\d{2})[-_](\d{2})(?!\d)", text):
            return datetime.date(*map(int, match.groups()))
    return None


def read_cut(path: Path, quantity: Quantity) -> Cut:
    """Where a GeoTIFF lies on the global grid; no pixels are read.

    Raises
    ------
    InputError
        If it is missing or damaged, or not on the MODIS grid of the quantity's pixels.
    """
    with _opened(path) as source:
        return _cut(path, source, quantity)[0]


def read_quantity(
    path: Path, quantity: Quantity, encoding: Encoding, layer: Layer = "day", part: Cut | None = None
) -> tuple[Raster, tuple[str, ...]]:
    """A GeoTIFF's values in their unit, NaN where it has none, and a line on how its numbers were taken.

    Parameters
    ----------
    path : Path
    quantity : Quantity
        `LST` or `NDVI`.
    encoding : Encoding
    layer : {"day", "night"}
        Which band, or which kind of file, is expected of LST.
    part : Cut, optional
        Pixels to read, inside the file's; without it, all.

    Raises
    ------
    InputError
        As `read_cut`; if several bands could be meant; or if the numbers are not the quantity's in any way
        that is known.
    """
    with _opened(path) as source:
        cut, remarks = _cut(path, source, quantity)
        band = _band(path, source, quantity, layer)
        part = part or cut
        window = RasterWindow(part.column - cut.column, part.row - cut.row, part.columns, part.rows)
        stored = source.read(band, window=window, masked=True)
        tags = {**source.tags(), **source.tags(band)}
        scale, offset = _stated_scale(source.scales[band - 1], source.offsets[band - 1], tags)
        band_count, has_nodata = source.count, source.nodatavals[band - 1] is not None
    if stored.dtype.kind not in "iuf":
        raise InputError(f"{path}: its numbers are {stored.dtype}; expected whole or floating point numbers.")
    numbers = stored.filled(0).astype(np.float64)
    missing = np.ma.getmaskarray(stored) | ~np.isfinite(numbers)
    fills: list[float] = [] if has_nodata and quantity is not LST else list(quantity.fills)
    fills += [] if encoding.nodata is None else [encoding.nodata]
    missing |= np.isin(numbers, fills)
    if missing.all():
        raise InputError(
            f"{path}: holds no valid pixel; expected some that are neither nodata nor NaN. Choose another"
            " day or area."
        )
    values, how, count = _values(path, quantity, numbers, missing, encoding, (scale, offset))
    several = f" (band {band})" if band_count > 1 else ""
    valid = np.isfinite(values).mean()
    line = f"{path.name}{several}: {quantity.name} {how}; {valid:.1%} of its pixels are valid"
    if count:
        low, high = quantity.valid
        line += f", {count} outside {low:g} to {high:g} {quantity.unit}".rstrip() + " are left out"
    return Raster(values, part.transform, SINUSOIDAL), (line, *remarks)


def read_not_produced(path: Path, lst: Cut) -> BoolArray:
    """Where the QC of a LST says that a pixel was not produced: a GeoTIFF of QC_Day, QC_Night or QC.

    Raises
    ------
    InputError
        As `read_cut`; if it does not cover the LST's pixels, or holds no whole numbers of a QC.
    """
    quality = Quantity("QC", "", "--lst-qc", COARSE_PIXEL_M, (0, 65535), (0, 65535), 1.0, (), "QC")
    with _opened(path) as source:
        cut, _ = _cut(path, source, quality)
        band = _band(path, source, quality, "day")
        row, column = lst.row - cut.row, lst.column - cut.column
        if min(row, column) < 0 or row + lst.rows > cut.rows or column + lst.columns > cut.columns:
            raise InputError(f"{path}: does not cover the LST; expected its QC over the same ground.")
        stored = source.read(band, window=RasterWindow(column, row, lst.columns, lst.rows))
    if stored.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"{path}: its numbers are {stored.dtype}; expected a QC of 8 (MOD11A1) or 16 bits (MOD21A1),"
            " unsigned, as the product has it."
        )
    return not_produced(stored)


@contextmanager
def _opened(path: Path) -> Iterator[DatasetReader]:
    if not is_there(path):
        raise InputError(f"{path}: no such file. A GeoTIFF was expected there.")
    try:
        with rasterio.open(path, driver="GTiff") as source:
            yield source
    except RasterioError as error:
        detail = str(error.__cause__ or error).splitlines()[0]
        raise InputError(
            f"{path}: not a readable GeoTIFF, perhaps truncated ({detail}). Fetch or export it again."
        ) from error


def _cut(path: Path, source: DatasetReader, quantity: Quantity) -> tuple[Cut, tuple[str, ...]]:
    remarks = _check_crs(path, source, quantity)
    transform, pixel_m = source.transform, quantity.pixel_m
    if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        raise InputError(
            f"{path}: its rows do not run from west to east and from north to south;"
            f" {_instruction(path, quantity)}"
        )
    if not np.allclose((transform.a, -transform.e), pixel_m, rtol=1e-3):
        raise InputError(
            f"{path}: its pixels are {transform.a:.2f} × {-transform.e:.2f} m wide; expected the MODIS grid's"
            f" {pixel_m:.2f} m of {quantity.option}. {_instruction(path, quantity)}"
        )
    ends = [transform @ corner for corner in ((0, 0), (source.width, source.height))]
    columns, rows = zip(
        *(((x - GRID_LEFT_M) / pixel_m, (GRID_TOP_M - y) / pixel_m) for x, y in ends), strict=True
    )
    away = max(abs(index - round(index)) for index in (*columns, *rows))
    if away > _MOST_APART_PIXELS:
        raise InputError(
            f"{path}: its pixels lie up to {away:.2f} of a pixel beside those of the MODIS grid, so it was"
            f" resampled. {_instruction(path, quantity)}"
        )
    return Cut(round(rows[0]), round(columns[0]), source.height, source.width, pixel_m), remarks


def _check_crs(path: Path, source: DatasetReader, quantity: Quantity) -> tuple[str, ...]:
    """Refuse what is not in the MODIS projection; a line where it says so in an odd way."""
    if source.crs is None or source.transform == Affine.identity():
        raise InputError(f"{path}: has no CRS or no transform. {_instruction(path, quantity)}")
    crs = pyproj.CRS.from_wkt(source.crs.to_wkt())
    longitude, latitude = np.array([-100.0, 0.0, 7.0, 130.0]), np.array([-45.0, 0.0, 48.0, 75.0])
    expected = pyproj.Proj(f"+proj=sinu +R={SPHERE_RADIUS_M}")(longitude, latitude)
    if crs.is_projected and crs.geodetic_crs is not None:
        to_crs = pyproj.Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True)
        if np.allclose(to_crs.transform(longitude, latitude), expected, atol=1.0):
            return ()
        # Earth Engine's SR-ORG:6974 states the sphere in parameters that PROJ does not know.
        operation = crs.coordinate_operation
        spheres = (
            [float(each.value) for each in operation.params if each.name == "semi_major"] if operation else []
        )
        named = "modis" in crs.name.lower() or SPHERE_RADIUS_M in spheres
        if named and operation is not None and operation.method_name == "Sinusoidal":
            return (
                f"{path.name}: states the MODIS projection on the ellipsoid of WGS 84, as Earth Engine does;"
                " taken on MODIS's own sphere",
            )
    name = "degrees (WGS 84)" if crs.is_geographic else f"'{crs.name}'"
    raise InputError(
        f"{path}: is in {name}, where its pixels were resampled; expected the MODIS sinusoidal projection."
        f" {_instruction(path, quantity)}"
    )


def _instruction(path: Path, quantity: Quantity) -> str:
    """How to get a raster on the grid: exported anew or, at a cost, warped back."""
    # By the grid's own corner, as archives state it; a tile's side is rounded.
    pixel_m = -GRID_LEFT_M / round(-GRID_LEFT_M / quantity.pixel_m)
    return (
        "Export it anew in its own projection (AppEEARS: Projection 'Native Projection'; Earth Engine: crs:"
        f" 'SR-ORG:6974', crsTransform: [{pixel_m:.13g}, 0, {GRID_LEFT_M}, 0, -{pixel_m:.13g},"
        f" {GRID_TOP_M}]); where that cannot be: gdalwarp -t_srs {_SINUSOIDAL_OPTION} -tr {pixel_m:.13g}"
        f" {pixel_m:.13g} -tap -r near {path} {path.stem}_sinusoidal.tif, which leaves pixels up to one"
        " beside their place."
    )


def _band(path: Path, source: DatasetReader, quantity: Quantity, layer: Layer) -> int:
    """The band of a quantity; of several, the one whose description names it."""
    texts = [
        description or source.tags(number).get("long_name", "")
        for number, description in enumerate(source.descriptions, start=1)
    ]
    other = "night" if layer == "day" else "day"
    if quantity is LST:
        names = [re.search(rf"(?i)lst_{layer}|lst_1km|{layer}time.*temperature", text) for text in texts]
    else:
        names = [re.search(rf"(?i)\b{quantity.name}|_{quantity.name}", text) for text in texts]
    if source.count > 1:
        bands = [number for number, match in enumerate(names, start=1) if match]
        if len(bands) != 1:
            listed = ", ".join(f"{number} '{text}'" for number, text in enumerate(texts, start=1))
            raise InputError(
                f"{path}: has {source.count} bands ({listed}), and which is the {quantity.name} is not plain;"
                f" give one band (gdal_translate -b 1 {path.name} one.tif), or name it {quantity.dataset}."
            )
        return bands[0]
    if quantity is LST and re.search(rf"(?i)lst_{other}|{other}time", f"{texts[0]} {path.name}"):
        advice = "add --layer night" if other == "night" else "leave --layer night out"
        raise InputError(f"{path}: holds the LST of the {other}; {advice}, or give that of the {layer}.")
    return 1


def _stated_scale(scale: float, offset: float, tags: dict[str, str]) -> tuple[float, float]:
    """Scale and offset by a band, or by AppEEARS' and HDF's attributes; 1 and 0 where nothing is said."""
    if (scale, offset) != (1.0, 0.0):
        return scale, offset
    with suppress(ValueError):
        return float(tags.get("scale_factor", 1.0)), float(tags.get("add_offset", 0.0))
    return 1.0, 0.0


def _values(
    path: Path,
    quantity: Quantity,
    numbers: FloatArray,
    missing: BoolArray,
    encoding: Encoding,
    stated: tuple[float, float],
) -> tuple[FloatArray, str, int]:
    """Values in their unit, how they were taken, and how many lay outside the valid range."""
    given = numbers[~missing]
    scale, offset, how = _scale(path, quantity, given, encoding, stated)
    values = numbers * scale + offset
    # What a product's whole steps became in single precision is told by its steps again.
    steps = np.rint(values / quantity.step)
    if np.abs(values - steps * quantity.step)[~missing].max() < 0.02 * quantity.step:
        values = steps * quantity.step
    values[missing] = np.nan
    low, high = quantity.valid
    if quantity is NDVI and scale == NDVI_SCALE and encoding.scale is None:
        low = _LOWEST_NUMBERED_NDVI
    slack = 1e-6 * (high - low)
    outside = (values < low - slack) | (values > high + slack)
    share = outside.sum() / given.size
    if share > _MOST_OUTSIDE:
        numbers_outside = numbers[outside]
        unit = f" {quantity.unit}" if quantity.unit else ""
        raise InputError(
            f"{path}: {share:.0%} of its {quantity.name} lie outside {low:g} to {high:g}{unit} when {how}"
            f" (from {values[outside].min():g} to {values[outside].max():g}{unit}); say"
            f" {quantity.option}-nodata"
            f" {np.median(numbers_outside):g} if that means no data, or {quantity.option}-scale and"
            f" {quantity.option}-offset."
        )
    values[outside] = np.nan
    return np.clip(values, low, high), how, int(outside.sum())


def _scale(
    path: Path, quantity: Quantity, given: FloatArray, encoding: Encoding, stated: tuple[float, float]
) -> tuple[float, float, str]:
    """Scale and offset of numbers, and by what they are told."""
    if encoding.scale is not None or encoding.offset is not None:
        scale, offset = encoding.scale or 1.0, encoding.offset or 0.0
        sign = "-" if offset < 0 else "+"
        how = f"as × {scale:g} {sign} {abs(offset):g}, as was said"
        if _share(given * scale + offset, quantity.plausible) == 0.0:
            raise InputError(
                f"{path}: no {quantity.name} lies within {quantity.plausible[0]:g} to"
                f" {quantity.plausible[1]:g} {quantity.unit}".rstrip()
                + f" when taken {how} ({_span(given * scale + offset)}); say another"
                f" {quantity.option}-scale or {quantity.option}-offset."
            )
        return scale, offset, how
    tag_scale, tag_offset = stated
    if tag_scale >= 100.0:  # MODIS's divisor
        tag_scale = 1.0 / tag_scale
    unit = "in kelvin" if quantity is LST else "without a scale"
    by_range = (
        "by its range" if stated == (1.0, 0.0) else f"by its range, although its tags say × {stated[0]:g}"
    )
    by_tags = np.isclose(tag_scale, quantity.step, rtol=1e-6) and tag_offset == 0.0
    candidates = [(1.0, 0.0, f"taken {unit}, {by_range}")]
    if stated != (1.0, 0.0):
        tail = f" + {tag_offset:g}" if tag_offset else ""
        candidates.append((tag_scale, tag_offset, f"taken as numbers × {tag_scale:g}{tail}, by its tags"))
    if not by_tags:
        candidates.append((quantity.step, 0.0, f"taken as numbers × {quantity.step:g}, {by_range}"))
    # Of LST one scale alone can give kelvin; NDVI within −1 to 1 as it stands needs none.
    shares = [_share(given * scale + offset, quantity.plausible) for scale, offset, _ in candidates]
    if quantity is NDVI:  # a number within −1 to 1 needs no scale, and -9999 is none of NDVI
        scaled = _share(given, (_LOWEST_NUMBERED_NDVI / NDVI_SCALE, np.inf)) - shares[0]
        shares = [shares[0], *(min(share, scaled) for share in shares[1:])]
    scale, offset, how = candidates[int(np.argmax(shares))]
    if quantity is NDVI and (scale, offset) == (NDVI_SCALE, 0.0) and given.max() < _LEAST_NDVI_NUMBER:
        raise InputError(
            f"{path}: its numbers ({_span(given)}) are too small for NDVI × {NDVI_SCALE:g} and too large for"
            f" NDVI itself; say {quantity.option}-scale, such as 0.01 for percents."
        )
    if quantity is LST and _share(given, _CELSIUS) > max(shares):
        raise InputError(
            f"{path}: its LST ({_span(given)}) seem to be degrees Celsius; expected kelvin, or MODIS's"
            " numbers × 0.02. Say --lst-offset 273.15 if they are."
        )
    if max(shares) == 0.0:
        raise InputError(
            f"{path}: its numbers ({_span(given)}) are no {quantity.name}: expected"
            f" {quantity.plausible[0]:g} to {quantity.plausible[1]:g} {quantity.unit}".rstrip()
            + f", or MODIS's numbers × {quantity.step:g}. Say {quantity.option}-scale,"
            f" {quantity.option}-offset and {quantity.option}-nodata."
        )
    return scale, offset, how


def _share(values: FloatArray, limits: tuple[float, float]) -> float:
    return float(((values >= limits[0] - 1e-6) & (values <= limits[1] + 1e-6)).mean())


def _span(values: FloatArray) -> str:
    return f"{values.min():g} to {values.max():g}"
