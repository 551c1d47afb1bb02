"""HDF-EOS grids in the MODIS sinusoidal projection: written to HDF4 files,
and found in the metadata of those that are read."""

from __future__ import annotations

import ctypes
import os
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from affine import Affine
from pyhdf import _hdfext
from pyhdf.error import HDF4Error
from pyhdf.HDF import HC, HDF
from pyhdf.SD import SD, SDC
from pyhdf.V import V  # noqa: F401  (vgstart() needs the module loaded)

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.geo.grid import GRID_LEFT_M, GRID_TOP_M, SPHERE_RADIUS_M
from lstsr_core.modis.hdf4 import IntegerArray
from lstsr_core.modis.hdf_directory import GROUP_TAG, descriptors

_NUMBER_TYPES = {
    np.dtype(np.int8): (SDC.INT8, "DFNT_INT8"),
    np.dtype(np.uint8): (SDC.UINT8, "DFNT_UINT8"),
    np.dtype(np.int16): (SDC.INT16, "DFNT_INT16"),
    np.dtype(np.uint16): (SDC.UINT16, "DFNT_UINT16"),
    np.dtype(np.uint32): (SDC.UINT32, "DFNT_UINT32"),
}

STRUCT_METADATA_BYTES = 32_000
"""HDF-EOS writes StructMetadata in parts of this length, the last one padded."""


@dataclass(frozen=True)
class GridDataset:
    """One dataset of an HDF-EOS grid, as stored.

    Attributes
    ----------
    name : str
    values : integer array of shape (rows, columns)
        Digital numbers (int8, uint8, int16, uint16 or uint32).
    fill : int or str
        Digital number that means nodata, or the text that some products have in its place.
    valid_range : (int, int)
        Smallest and largest digital number that is data.
    scale_factor : float, optional
        As the product states it; left out of the file when None.
    long_name, units : str
    attributes : dict
        Further ones: texts, integers (32 bits) and floating point numbers (64 bits).
    """

    name: str
    values: IntegerArray
    fill: int | str
    valid_range: tuple[int, int]
    scale_factor: float | None
    long_name: str
    units: str
    attributes: Mapping[str, str | int | float] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """Datasets of one shape (rows, columns) and one place; the transform
    is that of their pixels, in sinusoidal metres."""

    name: str
    datasets: Sequence[GridDataset]
    transform: Affine


@dataclass(frozen=True)
class Storage:
    """What files of a product have besides their grids.

    Attributes
    ----------
    zones : int
        Entry 8 of ProjParams, which means nothing in this projection.
    chunk_rows : int, optional
        Rows of the pieces that datasets are cut into and compressed by; whole datasets when None.
    texts : dict of str to str
        Further texts of the file, such as ``CoreMetadata.0``.
    """

    zones: int = 0
    chunk_rows: int | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


_PLAIN = Storage()


def write_granule(
    path: Path, grid_name: str, datasets: Sequence[GridDataset], transform: Affine, storage: Storage = _PLAIN
) -> None:
    """Write a file of one grid, as `write_grids` does."""
    write_grids(path, [Grid(grid_name, datasets, transform)], storage)


def write_grids(path: Path, grids: Sequence[Grid], storage: Storage = _PLAIN) -> None:
    """Write HDF-EOS grids in the MODIS sinusoidal projection, deflate-compressed and atomically.

    The same input gives the same bytes.

    Parameters
    ----------
    path : Path
    grids : sequence of Grid
        Square to the axes, north up, sinusoidal metres.
    storage : Storage

    Raises
    ------
    InputError
        If the datasets' shapes differ, a type is not supported, a
        transform is rotated, or the file cannot be written.
    """
    for grid in grids:
        shapes = {dataset.values.shape for dataset in grid.datasets}
        if len(shapes) != 1 or len(next(iter(shapes))) != 2:
            raise InputError(
                f"{path}: the datasets of a grid share one shape (rows, columns); these have"
                f" {sorted(shapes)}."
            )
        for dataset in grid.datasets:
            if dataset.values.dtype not in _NUMBER_TYPES:
                number_types = ", ".join(str(number_type) for number_type in _NUMBER_TYPES)
                raise InputError(
                    f"{path}: {dataset.name} is {dataset.values.dtype}; expected one of {number_types}."
                )
        place = grid.transform
        if place.b or place.d or place.a <= 0 or place.e >= 0:
            raise InputError(
                f"{path}: the grid of a granule is north up and not rotated; this transform is"
                f" {tuple(place)[:6]}."
            )
    texts = {**_struct_metadata(grids, storage), **storage.texts}
    with written_atomically(path) as temporary:
        try:
            _write_hdf(temporary, grids, texts, storage.chunk_rows)
        except HDF4Error as error:
            raise OSError(str(error)) from error


@dataclass(frozen=True)
class EosGrid:
    """What StructMetadata says of a grid: its shape in pixels, and
    its transform in the MODIS sinusoidal projection."""

    rows: int
    columns: int
    transform: Affine


_PLACE_TOLERANCE_M = 0.1

_SPHERE = 0
_SHIFTS = {4: "central meridian", 6: "false easting", 7: "false northing"}
"""Entries of ProjParams that GCTP's sinusoidal projection knows: the sphere's radius, and what shifts the
grid. Others may hold anything: MOD11 has 86400 in entry 8, the number of zones of an integerised grid."""


def metadata_text(attributes: dict[str, str], kind: str) -> str:
    """A metadata text of a file, such as ``StructMetadata``, which
    HDF-EOS cuts into ``.0``, ``.1`` …, padded by zeros."""
    parts = [name for name in attributes if name.lower().startswith(f"{kind.lower()}.")]
    return "".join(attributes[name].rstrip("\0") for name in sorted(parts))


def is_listed(attributes: dict[str, str], dataset: str) -> bool:
    """Whether a file's StructMetadata lists a dataset."""
    return f'DataFieldName="{dataset}"' in metadata_text(attributes, "StructMetadata")


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
        If no grid holds the dataset, or its projection, sphere,
        pixels or place are not those of the MODIS grid.
    """
    grids = re.compile(r"^\s*GROUP=(GRID_[0-9]+)\s*$(.*?)^\s*END_GROUP=\1\s*$", re.MULTILINE | re.DOTALL)
    groups = grids.finditer(metadata_text(attributes, "StructMetadata"))
    for group in (match[2] for match in groups):
        if f'DataFieldName="{dataset}"' in group:
            break
    else:
        raise InputError(
            f"{path}: its StructMetadata describes no grid that holds {dataset}; an HDF-EOS granule was"
            " expected."
        )

    def entry(key: str) -> str:
        match = re.search(rf"^\s*{key}=(.*?)\s*$", group, re.MULTILINE)
        if not match:
            raise InputError(f"{path}: its StructMetadata gives no {key} for the grid of {dataset}.")
        return match[1]

    def numbers(key: str, count: int) -> list[float]:
        try:
            values = [float(word) for word in entry(key).strip("()").split(",")]
        except ValueError:
            values = []
        if len(values) < count or not np.isfinite(values).all():
            raise InputError(f"{path}: its StructMetadata has {key}={entry(key)}; expected {count} numbers.")
        return values

    if entry("Projection") not in ("GCTP_SNSOID", "16"):
        raise InputError(
            f"{path}: its projection is {entry('Projection')}; expected the MODIS sinusoidal grid"
            " (GCTP_SNSOID)."
        )
    parameters = numbers("ProjParams", 1)
    if abs(parameters[_SPHERE] - SPHERE_RADIUS_M) > 0.001:
        raise InputError(
            f"{path}: its sphere has a radius of {parameters[_SPHERE]} m; the MODIS grid's is"
            f" {SPHERE_RADIUS_M} m."
        )
    for index, name in _SHIFTS.items():
        if any(parameters[index : index + 1]):
            raise InputError(
                f"{path}: its projection has the {name} {parameters[index]}; the MODIS grid's is 0."
            )
    origin = re.search(r"^\s*GridOrigin=(\w+)", group, re.MULTILINE)
    if origin and origin[1] != "HDFE_GD_UL":
        raise InputError(
            f"{path}: its first pixel lies at {origin[1]}; expected the upper left corner (HDFE_GD_UL)."
        )
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
            f"{path}: its StructMetadata puts {rows}×{columns} pixels (rows×columns) from x, y = {left},"
            f" {top} to {right}, {bottom}, which is not on the MODIS grid of {pixel_m:.3f} m."
        )
    return EosGrid(
        rows, columns, Affine((right - left) / columns, 0.0, left, 0.0, (bottom - top) / rows, top)
    )


def _struct_metadata(grids: Sequence[Grid], storage: Storage) -> dict[str, str]:
    """The object description text by which HDF-EOS readers find grids'
    projection, extent and datasets, in its parts."""
    empty = ("SwathStructure", "PointStructure")
    lines = [f"GROUP={empty[0]}", f"END_GROUP={empty[0]}", "GROUP=GridStructure"]
    for number, grid in enumerate(grids, start=1):
        lines += [f"\tGROUP=GRID_{number}", *_grid_lines(grid, storage.zones), f"\tEND_GROUP=GRID_{number}"]
    lines += ["END_GROUP=GridStructure", f"GROUP={empty[1]}", f"END_GROUP={empty[1]}", "END"]
    text = "\n".join(lines) + "\n"
    parts = [
        text[start : start + STRUCT_METADATA_BYTES] for start in range(0, len(text), STRUCT_METADATA_BYTES)
    ]
    return {
        f"StructMetadata.{number}": part.ljust(STRUCT_METADATA_BYTES, "\0")
        for number, part in enumerate(parts)
    }


def _grid_lines(grid: Grid, zones: int) -> list[str]:
    rows, columns = grid.datasets[0].values.shape
    left, top = grid.transform.c, grid.transform.f
    right, bottom = grid.transform @ (columns, rows)
    fields = [
        line
        for number, dataset in enumerate(grid.datasets, start=1)
        for line in (
            f"\t\t\tOBJECT=DataField_{number}",
            f'\t\t\t\tDataFieldName="{dataset.name}"',
            f"\t\t\t\tDataType={_NUMBER_TYPES[dataset.values.dtype][1]}",
            '\t\t\t\tDimList=("YDim","XDim")',
            f"\t\t\tEND_OBJECT=DataField_{number}",
        )
    ]
    return [
        f'\t\tGridName="{grid.name}"',
        f"\t\tXDim={columns}",
        f"\t\tYDim={rows}",
        f"\t\tUpperLeftPointMtrs=({left:.6f},{top:.6f})",
        f"\t\tLowerRightMtrs=({right:.6f},{bottom:.6f})",
        "\t\tProjection=GCTP_SNSOID",
        f"\t\tProjParams=({SPHERE_RADIUS_M:.6f},0,0,0,0,0,0,0,{zones},0,0,0,0)",
        "\t\tSphereCode=-1",
        "\t\tGridOrigin=HDFE_GD_UL",
        "\t\tGROUP=Dimension",
        "\t\tEND_GROUP=Dimension",
        "\t\tGROUP=DataField",
        *fields,
        "\t\tEND_GROUP=DataField",
        "\t\tGROUP=MergedFields",
        "\t\tEND_GROUP=MergedFields",
    ]


_DEFLATE_LEVEL = 5


_PATH_BYTES = 1024


def _write_hdf(path: Path, grids: Sequence[Grid], texts: Mapping[str, str], chunk_rows: int | None) -> None:
    # The library stores the path that it is given as a group's name: given one of a fixed length, it puts
    # everything else at the same place in every file, and the name can be exchanged afterwards.
    directory, name = os.fsencode(path.parent), os.fsencode(path.name)
    slashes = _PATH_BYTES - len(directory) - len(name)
    if slashes < 1:
        raise OSError(f"its path is longer than {_PATH_BYTES - 1} bytes")
    padded = directory + b"/" * slashes + name
    path.unlink(missing_ok=True)
    _write_datasets(os.fsdecode(padded), grids, texts, chunk_rows)
    _group_datasets(path, grids)
    _rename_group(path, padded, grids[0].name.encode())


def _rename_group(path: Path, name: bytes, new_name: bytes) -> None:
    """Exchange a group's name for a shorter one in place, with zeros after the shortened element."""
    for entry in [entry for entry in descriptors(path) if entry.tag == GROUP_TAG]:
        with path.open("r+b") as file:
            file.seek(entry.offset)
            element = file.read(entry.length)
            renamed = element.replace(
                struct.pack(">H", len(name)) + name, struct.pack(">H", len(new_name)) + new_name
            )
            if renamed != element:
                file.seek(entry.offset)
                file.write(renamed.ljust(entry.length, b"\0"))
                file.seek(entry.position + 8)  # past tag, reference and offset
                file.write(struct.pack(">I", len(renamed)))


def _write_datasets(
    path: str, grids: Sequence[Grid], texts: Mapping[str, str], chunk_rows: int | None
) -> None:
    file = SD(path, SDC.WRITE | SDC.CREATE)
    try:
        for grid in grids:
            for dataset in grid.datasets:
                _write_dataset(file, grid.name, dataset, chunk_rows)
        file.attr("HDFEOSVersion").set(SDC.CHAR, "HDFEOS_V2.19")
        for name, text in texts.items():
            file.attr(name).set(SDC.CHAR, text)
    finally:
        file.end()


def _write_dataset(file: SD, grid_name: str, dataset: GridDataset, chunk_rows: int | None) -> None:
    number_type, _ = _NUMBER_TYPES[dataset.values.dtype]
    stored = file.create(dataset.name, number_type, dataset.values.shape)
    try:
        if chunk_rows is None or not _set_chunks(
            stored, (min(chunk_rows, dataset.values.shape[0]), dataset.values.shape[1])
        ):
            stored.setcompress(SDC.COMP_DEFLATE, _DEFLATE_LEVEL)
        for axis, name in enumerate(("YDim", "XDim")):
            stored.dim(axis).setname(f"{name}:{grid_name}")

        def state(name: str, value: Any, number_type: int) -> None:
            stored.attr(name).set(SDC.CHAR if isinstance(value, str) else number_type, value)

        state("long_name", dataset.long_name, SDC.CHAR)
        state("units", dataset.units, SDC.CHAR)
        state("valid_range", list(dataset.valid_range), number_type)
        state("_FillValue", dataset.fill, number_type)
        if dataset.scale_factor is not None:
            state("scale_factor", dataset.scale_factor, SDC.FLOAT64)
        for name, value in dataset.attributes.items():
            state(name, value, SDC.INT32 if isinstance(value, int) else SDC.FLOAT64)
        stored.set(np.ascontiguousarray(dataset.values))
    finally:
        stored.endaccess()


class _ChunkDefinition(ctypes.Structure):
    """HDF4's HDF_CHUNK_DEF for deflated chunks; passed by value, which
    ctypes does for a structure but not for a union."""

    _fields_ = (
        ("lengths", ctypes.c_int32 * 32),
        ("coder", ctypes.c_int32),
        ("model", ctypes.c_int32),
        ("level", ctypes.c_int32),
        ("unused", ctypes.c_int32 * 16),
    )


_CHUNKS_DEFLATED = 0x3  # HDF_CHUNK | HDF_COMP


def _set_chunks(stored: Any, shape: tuple[int, int]) -> bool:
    """Have a dataset cut into deflated chunks, which pyhdf has no call
    for; False where its library cannot be reached."""
    try:
        set_chunk = ctypes.CDLL(_hdfext.__file__).SDsetchunk
    except (OSError, AttributeError):
        return False
    set_chunk.argtypes, set_chunk.restype = (ctypes.c_int32, _ChunkDefinition, ctypes.c_int32), ctypes.c_int
    definition = _ChunkDefinition((ctypes.c_int32 * 32)(*shape), SDC.COMP_DEFLATE, 0, _DEFLATE_LEVEL)
    return bool(set_chunk(stored._id, definition, _CHUNKS_DEFLATED) == 0)


def _group_datasets(path: Path, grids: Sequence[Grid]) -> None:
    """Put the datasets of a file into the groups by which readers recognise HDF-EOS."""
    library = HDF(str(path), HC.WRITE)
    file = SD(str(path), SDC.READ)
    groups = library.vgstart()
    try:
        first = 0
        for grid in grids:
            references = []
            for index in range(first, first + len(grid.datasets)):
                dataset = file.select(index)
                references.append(dataset.ref())
                dataset.endaccess()
            first += len(grid.datasets)
            _group(groups, grid.name, references)
    finally:
        groups.end()
        file.end()
        library.close()


def _group(groups: Any, grid_name: str, references: Sequence[int]) -> None:
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
