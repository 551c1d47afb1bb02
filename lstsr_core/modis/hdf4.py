"""HDF4 files, read through pyhdf in a process of their own: a damaged one may crash or hang the C library."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyhdf.SD import SD, SDC

from lstsr_core.base.errors import InputError
from lstsr_core.modis.hdf_directory import PixelStreams, check_intact
from lstsr_core.modis.isolation import IsolatedError, isolated

IntegerArray = NDArray[np.integer]

_NUMBER_TYPES: dict[int, np.dtype[Any]] = {
    SDC.INT8: np.dtype(np.int8),
    SDC.UINT8: np.dtype(np.uint8),
    SDC.INT16: np.dtype(np.int16),
    SDC.UINT16: np.dtype(np.uint16),
}
_LONGEST_SIDE = 4800
_BLOCK_PIXELS = 1 << 20


@dataclass(frozen=True)
class StoredDataset:
    """A dataset as stored.

    Attributes
    ----------
    pixels : int8, uint8, int16 or uint16 array of shape (rows, columns)
        Digital numbers.
    attributes : dict
        Numbers, lists of numbers and texts by name.
    """

    pixels: IntegerArray
    attributes: dict[str, Any]


@dataclass(frozen=True)
class HdfFile:
    """What was read of a file.

    Attributes
    ----------
    names : list of str
        Of all its datasets.
    attributes : dict
        The file's own metadata texts, ``StructMetadata.0``, ``CoreMetadata.0`` and what continues them.
    datasets : dict
        Those that were asked for and that it holds.
    """

    names: list[str]
    attributes: dict[str, str]
    datasets: dict[str, StoredDataset]


def read_hdf(path: Path, names: Sequence[str]) -> HdfFile:
    """Read a file's metadata texts and the named datasets that it holds; the others are no error.

    Raises
    ------
    InputError
        If the file is missing, damaged, or crashes or stalls the library; if a dataset is no grid of a tile's
        size, or its pixels do not match their checksum.
    """
    if str(path) != str(path).encode(errors="replace").decode():
        raise InputError(f"{path}: is not UTF-8, which HDF4's library needs of a path; rename it.")
    try:
        report, pixels = isolated(_read, str(path), list(names))
    except IsolatedError as error:
        raise InputError(f"{path}: not readable as HDF4 ({error}). Fetch it again.") from error
    datasets = {
        name: StoredDataset(stored, attributes)
        for (name, attributes), stored in zip(report["datasets"].items(), pixels, strict=True)
    }
    return HdfFile(report["names"], report["attributes"], datasets)


def _read(
    wind: Callable[[], None], name: str, dataset_names: list[str]
) -> tuple[dict[str, Any], list[IntegerArray]]:
    path = Path(name)
    try:
        check_intact(path)
        streams = PixelStreams(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    file = SD(name, SDC.READ)
    names = list(file.datasets())
    # By number, since pyhdf takes a second for a million characters, and
    # ArchiveMetadata tells nothing that is needed.
    texts = [(text.info()[0], text) for text in (file.attr(number) for number in range(file.info()[1]))]
    attributes = {
        key: str(text.get()) for key, text in texts if re.fullmatch(r"(?i)(struct|core)metadata\.[0-9]", key)
    }
    datasets = {
        dataset: _read_dataset(path, file, dataset, streams, wind)
        for dataset in dataset_names
        if dataset in names
    }
    report = {
        "names": names,
        "attributes": attributes,
        "datasets": {name: of for name, (of, _) in datasets.items()},
    }
    return report, [pixels for _, pixels in datasets.values()]


def _read_dataset(
    path: Path, file: SD, name: str, streams: PixelStreams, wind: Callable[[], None]
) -> tuple[dict[str, Any], IntegerArray]:
    """Attributes, and pixels read block by block."""
    dataset = file.select(name)
    _, rank, shape, number_type, _ = dataset.info()
    # Refused before anything of that size is allocated.
    if rank != 2 or not all(0 < side <= _LONGEST_SIDE for side in shape):
        raise InputError(
            f"{path}: {name} has shape {shape}; expected rows and columns, {_LONGEST_SIDE} at most."
        )
    if number_type not in _NUMBER_TYPES:
        raise InputError(
            f"{path}: {name} has HDF's number type {number_type}; MODIS grids hold 8 or 16 bits."
        )
    rows, columns = shape
    pixels = np.empty((rows, columns), _NUMBER_TYPES[number_type])
    checksum = zlib.adler32(b"")
    step = max(1, _BLOCK_PIXELS // columns)
    for row in range(0, rows, step):
        block = pixels[row : row + step]
        block[:] = dataset.get(start=(row, 0), count=block.shape)
        checksum = zlib.adler32(block.astype(block.dtype.newbyteorder(">"), copy=False).data, checksum)
        wind()
    streams.check(name, dataset.ref(), pixels.nbytes, checksum)
    attributes: dict[str, Any] = dataset.attributes()
    dataset.endaccess()
    return attributes, pixels
