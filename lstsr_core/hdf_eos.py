"""HDF-EOS grids in the MODIS sinusoidal projection: written to HDF4 files, and found in the metadata of those that are read."""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from pyhdf.error import HDF4Error
from pyhdf.HDF import HC, HDF
from pyhdf.SD import SD, SDC
from pyhdf.V import V  # noqa: F401  (vgstart() needs the module loaded)

from lstsr_core.errors import InputError
from lstsr_core.grid import GRID_LEFT_M, GRID_TOP_M, SPHERE_RADIUS_M
from lstsr_core.hdf_directory import GROUP_TAG, descriptors
from lstsr_core.hdf_file import IntegerArray as IntegerArray
from lstsr_core.raster import written_atomically

_NUMBER_TYPES = {
    np.dtype(np.uint8): SDC.UINT8,
    np.dtype(np.int16): SDC.INT16,
    np.dtype(np.uint16): SDC.UINT16,
}


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


@dataclass(frozen=True)
class EosGrid:
    """What StructMetadata says of a grid: its shape in pixels, and its transform in the MODIS sinusoidal projection."""

    rows: int
    columns: int
    transform: Affine


_PLACE_TOLERANCE_M = 0.1


def grid_of(path: Path, attributes: dict[str, str], dataset: str, pixel_m: float) -> EosGrid:
    """Find the grid that holds a dataset, and check that it is a part of the MODIS sinusoidal grid.

    Parameters
    ----------
    path : Path
        For messages.
    attributes : dict
        The file's own, ``StructMetadata.0`` and those that continue it among them.
    dataset : str
    pixel_m : float
        Side of a pixel that the product documents.

    Raises
    ------
    InputError
        If no grid holds the dataset, or its projection, sphere, pixels or place are not those of the MODIS grid.
    """
    text = "".join(attributes[name] for name in sorted(attributes) if name.startswith("StructMetadata."))
    groups = re.finditer(r"^\s*GROUP=(GRID_[0-9]+)\s*$(.*?)^\s*END_GROUP=\1\s*$", text, re.MULTILINE | re.DOTALL)
    for group in (match[2] for match in groups):
        if f'DataFieldName="{dataset}"' in group:
            break
    else:
        raise InputError(f"{path}: its StructMetadata describes no grid that holds {dataset}; an HDF-EOS granule was expected.")

    def entry(key: str) -> str:
        match = re.search(rf"^\s*{key}=(.*?)\s*$", group, re.MULTILINE)
        if not match:
            raise InputError(f"{path}: its StructMetadata gives no {key} for the grid of {dataset}.")
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
    radius, *others = numbers("ProjParams", 1)
    if abs(radius - SPHERE_RADIUS_M) > 0.001:
        raise InputError(f"{path}: its sphere has a radius of {radius} m; the MODIS grid's is {SPHERE_RADIUS_M} m.")
    if any(others):
        raise InputError(f"{path}: its projection is shifted (ProjParams={entry('ProjParams')}); the MODIS grid's is not.")
    columns, rows = int(numbers("XDim", 1)[0]), int(numbers("YDim", 1)[0])
    left, top = numbers("UpperLeftPointMtrs", 2)[:2]
    right, bottom = numbers("LowerRightMtrs", 2)[:2]
    if columns < 1 or rows < 1 or right <= left or bottom >= top:
        raise InputError(
            f"{path}: its StructMetadata describes an empty grid ({rows}×{columns} pixels, rows×columns,"
            f" from x, y = {left}, {top} to {right}, {bottom})."
        )
    expected_left = GRID_LEFT_M + round((left - GRID_LEFT_M) / pixel_m) * pixel_m
    expected_top = GRID_TOP_M - round((GRID_TOP_M - top) / pixel_m) * pixel_m
    expected = [expected_left, expected_top, expected_left + columns * pixel_m, expected_top - rows * pixel_m]
    if np.abs(np.subtract(expected, [left, top, right, bottom])).max() > _PLACE_TOLERANCE_M:
        raise InputError(
            f"{path}: its StructMetadata puts {rows}×{columns} pixels (rows×columns) from x, y = {left}, {top} to {right},"
            f" {bottom}, which is not on the MODIS grid of {pixel_m:.3f} m."
        )
    return EosGrid(rows, columns, Affine((right - left) / columns, 0.0, left, 0.0, (bottom - top) / rows, top))


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
    for entry in [entry for entry in descriptors(path) if entry.tag == GROUP_TAG]:
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
