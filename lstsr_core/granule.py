"""MODIS granules: HDF4 files that hold one HDF-EOS grid of a sinusoidal tile, read and written through pyhdf.

A granule that lacks the scale, the fill value or the valid range that its product documents, or states others, is refused:
digital numbers must never pass for kelvin or reflectance.
"""

from __future__ import annotations

import datetime
import os
import re
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyhdf.error import HDF4Error
from pyhdf.HDF import HC, HDF
from pyhdf.SD import SD, SDC
from pyhdf.V import V  # noqa: F401  (vgstart() needs the module loaded)

from lstsr_core.errors import InputError
from lstsr_core.grid import SINUSOIDAL, SPHERE_RADIUS_M, Tile
from lstsr_core.raster import BoolArray, FloatArray, Raster, written_atomically

IntegerArray = NDArray[np.integer]

LST_SCALE_K = 0.02
LST_FILL = 0
LST_VALID_RANGE = (7500, 65535)
REFLECTANCE_SCALE = 1e-4
REFLECTANCE_FILL = -28672
REFLECTANCE_VALID_RANGE = (-100, 16000)

QC_GOOD = 0b00
QC_CLOUD = 0b10
"""Values of bits 0–1 of a LST granule's QC: produced in good quality; not produced because of cloud."""

_REFLECTANCE_QC_CORRECTED = 4096
_REFLECTANCE_QC_FILL = 2995

_LST_LAYERS = {
    "day": (("LST_1KM", "QC"), ("LST_Day_1km", "QC_Day")),
    "night": (("LST_Night_1km", "QC_Night"),),
}
"""LST dataset and its QC, by layer: MOD21A1D's, then MOD11A1's."""

_NUMBER_TYPES = {
    np.dtype(np.uint8): SDC.UINT8,
    np.dtype(np.int16): SDC.INT16,
    np.dtype(np.uint16): SDC.UINT16,
}


@dataclass(frozen=True)
class GranuleName:
    """The parts of a granule's file name.

    Attributes
    ----------
    product : str
        Short name, such as ``MOD21A1D``.
    date : datetime.date
        Day of acquisition.
    tile : Tile
    collection : str
        Three digits.
    production : str
        When the producer made it: year, day of the year, hour, minute and second as 13 digits.
    """

    product: str
    date: datetime.date
    tile: Tile
    collection: str = "061"
    production: str = "2020001000000"

    @classmethod
    def parse(cls, name: str) -> GranuleName:
        """Read a file name.

        >>> granule = GranuleName.parse("MOD21A1D.A2019200.h18v04.061.2020358154430.hdf")
        >>> granule.product, granule.date.isoformat(), str(granule.tile)
        ('MOD21A1D', '2019-07-19', 'h18v04')

        Raises
        ------
        InputError
            If the name is not of this form, or its day or tile does not exist.
        """
        match = re.fullmatch(r"([A-Z0-9]+)\.A([0-9]{4})([0-9]{3})\.(h[0-9]{2}v[0-9]{2})\.([0-9]{3})\.([0-9]{13})\.hdf", name)
        if not match:
            raise InputError(
                f"'{name}' is not a MODIS granule's name; expected one such as MOD21A1D.A2019200.h18v04.061.2020358154430.hdf."
            )
        product, year, day_of_year, tile, collection, production = match.groups()
        try:
            date = datetime.date(int(year), 1, 1) + datetime.timedelta(days=int(day_of_year) - 1)
        except (ValueError, OverflowError):
            date = None
        if date is None or date.year != int(year):
            raise InputError(f"'{name}': year {year} has no day {day_of_year}; expected A, the year and a day from 001 to 366.")
        return cls(product, date, Tile.parse(tile), collection, production)

    def __str__(self) -> str:
        return f"{self.product}.A{self.date.year:04d}{self.date:%j}.{self.tile}.{self.collection}.{self.production}.hdf"


@dataclass(frozen=True)
class GridDataset:
    """One dataset of an HDF-EOS grid, as stored.

    Attributes
    ----------
    name : str
    values : integer array of shape (rows, columns)
        Digital numbers (uint8, int16 or uint16).
    fill : int
        Digital number that means nodata.
    valid_range : (int, int)
        Smallest and largest digital number that is data.
    scale_factor : float, optional
        As the product states it; left out of the file when None.
    long_name, units : str
    """

    name: str
    values: IntegerArray
    fill: int
    valid_range: tuple[int, int]
    scale_factor: float | None
    long_name: str
    units: str


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


def read_lst(path: Path, layer: Literal["day", "night"] = "day") -> Raster:
    """Land surface temperature of a MOD21A1D or MOD11A1 granule.

    Parameters
    ----------
    path : Path
    layer : {"day", "night"}
        MOD21A1D holds the day only.

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
    with _opened(path) as file:
        held = file.datasets()
        for lst_name, qc_name in _LST_LAYERS[layer]:
            if lst_name in held and qc_name in held:
                break
        else:
            expected = " or ".join(f"{lst} with {qc}" for lst, qc in _LST_LAYERS[layer])
            raise InputError(f"{path}: holds no {layer} LST ({expected} was expected; found {_listed(held)}).")
        grid = _grid_of(path, file, lst_name)
        stored = _read_dataset(path, file, lst_name, grid, np.uint16, (LST_SCALE_K,), LST_FILL, LST_VALID_RANGE)
        qc = _read_pixels(path, file, qc_name, grid)
    if qc.dtype not in (np.uint8, np.uint16):
        raise InputError(f"{path}: {qc_name} is {qc.dtype}; the product documents uint8 or uint16.")
    lst = stored * LST_SCALE_K
    lst[not_produced(qc) | _is_missing(stored, LST_FILL, LST_VALID_RANGE)] = np.nan
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
    missing = _is_missing(red, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE)
    missing |= _is_missing(nir, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE)
    # The scale cancels in the ratio, so the sum is taken on the digital numbers, where zero is exact.
    total = nir.astype(np.int32) + red
    missing |= total == 0
    total[missing] = 1
    ndvi = (nir.astype(np.int32) - red) / total
    np.clip(ndvi, -1.0, 1.0, out=ndvi)
    ndvi[missing] = np.nan
    return Raster(ndvi, grid.transform, SINUSOIDAL)


def write_granule(path: Path, grid_name: str, datasets: Sequence[GridDataset], transform: Affine) -> None:
    """Write an HDF-EOS grid in the MODIS sinusoidal projection, deflate-compressed and atomically.

    The same input gives the same bytes.

    Parameters
    ----------
    path : Path
    grid_name : str
        Such as ``MODIS_Grid_2D``.
    datasets : sequence of GridDataset
        All of one shape (rows, columns).
    transform : affine.Affine
        Of their pixels: square to the axes, north up, sinusoidal metres.

    Raises
    ------
    InputError
        If the datasets' shapes differ, a type is not supported, the transform is rotated, or the file cannot be written.
    """
    shapes = {dataset.values.shape for dataset in datasets}
    if len(shapes) != 1 or len(next(iter(shapes))) != 2:
        raise InputError(f"{path}: the datasets of a grid share one shape (rows, columns); these have {sorted(shapes)}.")
    for dataset in datasets:
        if dataset.values.dtype not in _NUMBER_TYPES:
            raise InputError(f"{path}: {dataset.name} is {dataset.values.dtype}; expected uint8, int16 or uint16.")
    if transform.b or transform.d or transform.a <= 0 or transform.e >= 0:
        raise InputError(f"{path}: the grid of a granule is north up and not rotated; this transform is {tuple(transform)[:6]}.")
    metadata = _struct_metadata(grid_name, datasets, transform)
    with written_atomically(path) as temporary:
        try:
            _write_hdf(temporary, grid_name, datasets, metadata)
        except HDF4Error as error:
            raise OSError(str(error)) from error


def write_lst_granule(path: Path, lst: Raster, qc: IntegerArray | None = None) -> None:
    """Write a MOD21A1D granule.

    Parameters
    ----------
    path : Path
    lst : Raster
        Kelvin, 150 to 1310.7, rounded to 0.02 K; NaN becomes the fill value.
    qc : uint16 array of the same shape, optional
        Without it, every pixel is of good quality and NaN is not produced because of cloud.

    Raises
    ------
    InputError
        If a temperature cannot be stored, the shapes differ, or the file cannot be written.
    """
    missing = np.isnan(lst.values)
    if qc is None:
        qc = np.where(missing, QC_CLOUD, QC_GOOD)
    if qc.shape != lst.values.shape:
        raise InputError(f"{path}: LST has shape {lst.values.shape} (rows, columns), its QC {qc.shape}.")
    stored = _quantised(path, lst.values, LST_SCALE_K, LST_FILL, LST_VALID_RANGE, "K").astype(np.uint16)
    write_granule(
        path,
        "MODIS_Grid_Daily_1km_LST21",
        [
            GridDataset("LST_1KM", stored, LST_FILL, LST_VALID_RANGE, LST_SCALE_K, "Daily 1km Land-surface Temperature", "K"),
            GridDataset("QC", qc.astype(np.uint16), 0, (0, 65535), None, "Daily QC for LST and emissivity", "n/a"),
        ],
        lst.transform,
    )


def write_reflectance_granule(path: Path, red: Raster, nir: Raster) -> None:
    """Write a MOD09GQ granule.

    Parameters
    ----------
    path : Path
    red, nir : Raster
        Surface reflectance in bands 1 and 2, −0.01 to 1.6, rounded to 0.0001, on one grid; NaN becomes the fill value.

    Raises
    ------
    InputError
        If a reflectance cannot be stored, the grids differ, or the file cannot be written.
    """
    if red.values.shape != nir.values.shape or red.transform != nir.transform:
        raise InputError(
            f"{path}: red ({red.rows}×{red.columns} pixels, rows×columns) and NIR ({nir.rows}×{nir.columns}) are expected"
            " on the same grid."
        )
    bands = [
        GridDataset(
            f"sur_refl_b0{number}_1",
            _quantised(path, band.values, REFLECTANCE_SCALE, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE, "").astype(np.int16),
            REFLECTANCE_FILL,
            REFLECTANCE_VALID_RANGE,
            1.0 / REFLECTANCE_SCALE,
            f"250m Surface Reflectance Band {number} - first layer",
            "reflectance",
        )
        for number, band in enumerate((red, nir), start=1)
    ]
    missing = (bands[0].values == REFLECTANCE_FILL) | (bands[1].values == REFLECTANCE_FILL)
    qc = np.where(missing, _REFLECTANCE_QC_FILL, _REFLECTANCE_QC_CORRECTED).astype(np.uint16)
    quality = GridDataset(
        "QC_250m_1", qc, _REFLECTANCE_QC_FILL, (0, 4096), None, "250m Reflectance Band Quality - first layer", "bit field"
    )
    write_granule(path, "MODIS_Grid_2D", [*bands, quality], red.transform)


def _quantised(
    path: Path, values: FloatArray, scale: float, fill: int, valid_range: tuple[int, int], unit: str
) -> NDArray[np.float64]:
    stored: NDArray[np.float64] = np.rint(values.astype(np.float64) / scale)
    outside = (stored < valid_range[0]) | (stored > valid_range[1])
    if outside.any():
        low, high = valid_range[0] * scale, valid_range[1] * scale
        raise InputError(
            f"{path}: {values[outside].flat[0]:g} {unit}".rstrip()
            + f" cannot be stored; the product holds {low:g} to {high:g} {unit}".rstrip()
            + ", and NaN for nodata."
        )
    stored[np.isnan(stored)] = fill
    return stored


def _listed(names: dict[str, Any]) -> str:
    return ", ".join(sorted(names)[:8]) or "none"


def _is_missing(stored: IntegerArray, fill: int, valid_range: tuple[int, int]) -> BoolArray:
    return np.asarray((stored == fill) | (stored < valid_range[0]) | (stored > valid_range[1]))


@contextmanager
def _opened(path: Path) -> Iterator[SD]:
    """The SD interface of a file that has passed `_check_intact`; the library's errors become InputErrors."""
    _check_intact(path)
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


_MAGIC = b"\x0e\x03\x13\x01"
_NO_DATA_TAG = 1
_GROUP_TAG = 1965
_NOT_WRITTEN = 0xFFFFFFFF


@dataclass(frozen=True)
class _Descriptor:
    """An entry of an HDF4 file's directory: where the data element of a tag lies, in bytes."""

    position: int
    tag: int
    offset: int
    length: int


def _descriptors(path: Path) -> Iterator[_Descriptor]:
    """The directory of an HDF4 file: after the magic number a chain of blocks of descriptors."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(len(_MAGIC))
        if start != _MAGIC:
            raise InputError(
                f"{path}: not an HDF4 file ({size} bytes that begin with {start!r}), perhaps an error page saved under"
                " a granule's name. Fetch it again."
            )
        block, visited = len(_MAGIC), set()
        while block:
            if block in visited:
                raise InputError(f"{path}: damaged (its directory runs in a circle). Fetch it again.")
            visited.add(block)
            file.seek(block)
            header = file.read(6)
            count, following = struct.unpack(">HI", header) if len(header) == 6 else (1, 0)
            entries = file.read(12 * count)
            if len(entries) < 12 * count:
                raise InputError(f"{path}: truncated ({size} bytes, short of its directory). Fetch it again.")
            for index, (tag, _, offset, length) in enumerate(struct.iter_unpack(">HHII", entries)):
                if tag != _NO_DATA_TAG and _NOT_WRITTEN not in (offset, length):
                    yield _Descriptor(block + 6 + 12 * index, tag, offset, length)
            block = following


def _check_intact(path: Path) -> None:
    """Refuse a file whose directory points past its end before the C library, which trusts it and may crash, sees it."""
    if not path.is_file():
        raise InputError(f"{path}: no such file. A MODIS granule (.hdf) was expected there.")
    size = path.stat().st_size
    needed = max((entry.offset + entry.length for entry in _descriptors(path)), default=0)
    if needed > size:
        raise InputError(f"{path}: truncated or damaged ({size} bytes, its directory expects {needed}). Fetch it again.")


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


def _struct_metadata(grid_name: str, datasets: Sequence[GridDataset], transform: Affine) -> str:
    """The object description text by which HDF-EOS readers find a grid's projection, extent and datasets."""
    rows, columns = datasets[0].values.shape
    right, bottom = transform @ (columns, rows)
    type_names = {np.dtype(np.uint8): "DFNT_UINT8", np.dtype(np.int16): "DFNT_INT16", np.dtype(np.uint16): "DFNT_UINT16"}
    fields = [
        line
        for number, dataset in enumerate(datasets, start=1)
        for line in (
            f"\t\t\tOBJECT=DataField_{number}",
            f'\t\t\t\tDataFieldName="{dataset.name}"',
            f"\t\t\t\tDataType={type_names[dataset.values.dtype]}",
            '\t\t\t\tDimList=("YDim","XDim")',
            "\t\t\t\tCompressionType=HDFE_COMP_DEFLATE",
            f"\t\t\t\tDeflateLevel={_DEFLATE_LEVEL}",
            f"\t\t\tEND_OBJECT=DataField_{number}",
        )
    ]
    empty = ("SwathStructure", "PointStructure")
    lines = [
        f"GROUP={empty[0]}",
        f"END_GROUP={empty[0]}",
        "GROUP=GridStructure",
        "\tGROUP=GRID_1",
        f'\t\tGridName="{grid_name}"',
        f"\t\tXDim={columns}",
        f"\t\tYDim={rows}",
        f"\t\tUpperLeftPointMtrs=({transform.c:.6f},{transform.f:.6f})",
        f"\t\tLowerRightMtrs=({right:.6f},{bottom:.6f})",
        "\t\tProjection=GCTP_SNSOID",
        f"\t\tProjParams=({SPHERE_RADIUS_M:.6f},{','.join('0' * 12)})",
        "\t\tSphereCode=-1",
        "\t\tGridOrigin=HDFE_GD_UL",
        "\t\tGROUP=Dimension",
        "\t\tEND_GROUP=Dimension",
        "\t\tGROUP=DataField",
        *fields,
        "\t\tEND_GROUP=DataField",
        "\t\tGROUP=MergedFields",
        "\t\tEND_GROUP=MergedFields",
        "\tEND_GROUP=GRID_1",
        "END_GROUP=GridStructure",
        f"GROUP={empty[1]}",
        f"END_GROUP={empty[1]}",
        "END",
    ]
    return "\n".join(lines) + "\n"


_DEFLATE_LEVEL = 5


_PATH_BYTES = 1024


def _write_hdf(path: Path, grid_name: str, datasets: Sequence[GridDataset], metadata: str) -> None:
    # The library stores the path that it is given as a group's name: given one of a fixed length, it puts everything else
    # at the same place in every file, and the name can be exchanged afterwards.
    directory, name = os.fsencode(path.parent), os.fsencode(path.name)
    slashes = _PATH_BYTES - len(directory) - len(name)
    if slashes < 1:
        raise OSError(f"its path is longer than {_PATH_BYTES - 1} bytes")
    padded = directory + b"/" * slashes + name
    path.unlink(missing_ok=True)
    _write_datasets(os.fsdecode(padded), grid_name, datasets, metadata)
    _group_datasets(path, grid_name, len(datasets))
    _rename_group(path, padded, grid_name.encode())


def _rename_group(path: Path, name: bytes, new_name: bytes) -> None:
    """Exchange a group's name for a shorter one in place, with zeros after the shortened element."""
    for entry in [entry for entry in _descriptors(path) if entry.tag == _GROUP_TAG]:
        with path.open("r+b") as file:
            file.seek(entry.offset)
            element = file.read(entry.length)
            renamed = element.replace(struct.pack(">H", len(name)) + name, struct.pack(">H", len(new_name)) + new_name)
            if renamed != element:
                file.seek(entry.offset)
                file.write(renamed.ljust(entry.length, b"\0"))
                file.seek(entry.position + 8)  # past tag, reference and offset
                file.write(struct.pack(">I", len(renamed)))


def _write_datasets(path: str, grid_name: str, datasets: Sequence[GridDataset], metadata: str) -> None:
    file = SD(path, SDC.WRITE | SDC.CREATE)
    try:
        for dataset in datasets:
            number_type = _NUMBER_TYPES[dataset.values.dtype]
            stored = file.create(dataset.name, number_type, dataset.values.shape)
            try:
                stored.setcompress(SDC.COMP_DEFLATE, _DEFLATE_LEVEL)
                for axis, name in enumerate(("YDim", "XDim")):
                    stored.dim(axis).setname(f"{name}:{grid_name}")
                stored.attr("long_name").set(SDC.CHAR, dataset.long_name)
                stored.attr("units").set(SDC.CHAR, dataset.units)
                stored.attr("valid_range").set(number_type, list(dataset.valid_range))
                stored.attr("_FillValue").set(number_type, dataset.fill)
                if dataset.scale_factor is not None:
                    stored.attr("scale_factor").set(SDC.FLOAT64, dataset.scale_factor)
                    stored.attr("add_offset").set(SDC.FLOAT64, 0.0)
                stored.set(np.ascontiguousarray(dataset.values))
            finally:
                stored.endaccess()
        file.attr("HDFEOSVersion").set(SDC.CHAR, "HDFEOS_V2.19")
        file.attr("StructMetadata.0").set(SDC.CHAR, metadata)
    finally:
        file.end()


def _group_datasets(path: Path, grid_name: str, dataset_count: int) -> None:
    """Put the datasets of a file into the groups by which readers recognise HDF-EOS."""
    library = HDF(str(path), HC.WRITE)
    file = SD(str(path), SDC.READ)
    groups = library.vgstart()
    try:
        references = []
        for index in range(dataset_count):
            dataset = file.select(index)
            references.append(dataset.ref())
            dataset.endaccess()
        grid = groups.create(grid_name)
        grid._class = "GRID"
        for name, members in (("Data Fields", references), ("Grid Attributes", [])):
            group = groups.create(name)
            group._class = "GRID Vgroup"
            for reference in members:
                group.add(HC.DFTAG_NDG, reference)
            grid.insert(group)
            group.detach()
        grid.detach()
    finally:
        groups.end()
        file.end()
        library.close()
