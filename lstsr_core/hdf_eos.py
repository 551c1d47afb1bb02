"""HDF-EOS grids in HDF4 files, as they lie on disk: written through pyhdf, and their directory read without it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyhdf.error import HDF4Error
from pyhdf.HDF import HC, HDF
from pyhdf.SD import SD, SDC
from pyhdf.V import V  # noqa: F401  (vgstart() needs the module loaded)

from lstsr_core.errors import InputError
from lstsr_core.grid import SPHERE_RADIUS_M
from lstsr_core.raster import written_atomically

IntegerArray = NDArray[np.integer]

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


def check_intact(path: Path) -> None:
    """Refuse a file whose directory points past its end before the C library, which trusts it and may crash, sees it."""
    if not path.is_file():
        raise InputError(f"{path}: no such file. A MODIS granule (.hdf) was expected there.")
    size = path.stat().st_size
    needed = max((entry.offset + entry.length for entry in _descriptors(path)), default=0)
    if needed > size:
        raise InputError(f"{path}: truncated or damaged ({size} bytes, its directory expects {needed}). Fetch it again.")


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
