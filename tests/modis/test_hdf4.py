"""Reading of HDF4 files in all the ways that the library stores pixels, and with damage in every place."""

import ctypes
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from pyhdf import _hdfext
from pyhdf.SD import SD, SDC, SDS

from lstsr_core.base.errors import InputError
from lstsr_core.modis.hdf4 import read_hdf
from lstsr_core.modis.hdf_directory import descriptors

ROWS, COLUMNS = 60, 84
PIXELS = np.random.default_rng(3).integers(-100, 16000, (ROWS, COLUMNS)).astype(np.int16)
OTHERS = np.random.default_rng(4).integers(0, 256, (ROWS, COLUMNS)).astype(np.uint8)

LINKED_BLOCKS, COMPRESSED, CHUNKED = 1, 3, 5
COMPRESSED_DATA, CHUNK = 40, 61
SPECIAL = 0x4000


def create(file: SD, name: str, values: np.ndarray) -> SDS:
    return file.create(name, {"i2": SDC.INT16, "u1": SDC.UINT8}[values.dtype.str[1:]], values.shape)


def write_plain(path: Path) -> None:
    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    for name, values in (("pixels", PIXELS), ("others", OTHERS)):
        dataset = create(file, name, values)
        dataset[:] = values
        dataset.endaccess()
    file.end()


def write_deflated(path: Path) -> None:
    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    for name, values in (("pixels", PIXELS), ("others", OTHERS)):
        dataset = create(file, name, values)
        dataset.setcompress(SDC.COMP_DEFLATE, 5)
        dataset[:] = values
        dataset.endaccess()
    file.end()


def write_linked(path: Path) -> None:
    """A stream that grows after something else was put behind it goes on in linked blocks."""
    write_deflated(path)
    file = SD(str(path), SDC.WRITE)
    dataset = file.create("grown", SDC.INT16, PIXELS.shape)
    dataset.setcompress(SDC.COMP_DEFLATE, 5)
    dataset[:] = PIXELS * 0
    dataset.endaccess()
    dataset = create(file, "last", OTHERS)
    dataset[:] = OTHERS
    dataset.endaccess()
    dataset = file.select("grown")
    dataset[:] = PIXELS
    dataset.endaccess()
    file.end()


class ChunkDefinition(ctypes.Structure):
    """HDF4's HDF_CHUNK_DEF: pyhdf cannot set chunks, the library that it brings can."""

    _fields_ = (
        ("lengths", ctypes.c_int32 * 32),
        ("coder", ctypes.c_int32),
        ("model", ctypes.c_int32),
        ("level", ctypes.c_int32),
        ("rest", ctypes.c_int32 * 15),
    )


def write_chunked(path: Path) -> None:
    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    dataset = create(file, "pixels", PIXELS)
    definition = ChunkDefinition()
    definition.lengths[0], definition.lengths[1] = 25, 40  # the last ones are ragged
    definition.coder, definition.level = 4, 5
    assert ctypes.CDLL(_hdfext.__file__).SDsetchunk(dataset._id, definition, 3) == 0
    dataset[:] = PIXELS
    dataset.endaccess()
    file.end()


def kinds(path: Path) -> set[int]:
    """Kinds of special elements in a file."""
    content = path.read_bytes()
    return {
        struct.unpack_from(">H", content, entry.offset)[0]
        for entry in descriptors(path)
        if entry.tag & SPECIAL
    }


@pytest.mark.parametrize(
    ("write", "expected_kinds"),
    [
        (write_plain, set()),
        (write_deflated, {COMPRESSED}),
        (write_linked, {COMPRESSED, LINKED_BLOCKS}),
        (write_chunked, {CHUNKED, COMPRESSED}),
    ],
    ids=["plain", "deflated", "linked blocks", "chunked"],
)
def test_pixels_come_back_however_they_are_stored(tmp_path: Path, write, expected_kinds: set[int]) -> None:
    path = tmp_path / "file.hdf"
    write(path)
    assert kinds(path) >= expected_kinds
    file = read_hdf(path, ["pixels", "missing"])
    assert list(file.datasets) == ["pixels"]
    np.testing.assert_array_equal(file.datasets["pixels"].pixels, PIXELS)
    assert file.datasets["pixels"].pixels.dtype == np.int16
    everything = read_hdf(path, file.names).datasets
    for name, dataset in everything.items():
        np.testing.assert_array_equal(dataset.pixels, PIXELS if name in ("pixels", "grown") else OTHERS)


@pytest.mark.parametrize("write", [write_deflated, write_chunked], ids=["deflated", "chunked"])
def test_a_changed_pixel_in_a_sound_stream_is_refused(tmp_path: Path, write) -> None:
    """The stream decodes to the right number of bytes; its checksum alone tells."""
    path = tmp_path / "file.hdf"
    write(path)
    content = bytearray(path.read_bytes())
    entry = max(
        (entry for entry in descriptors(path) if entry.tag == COMPRESSED_DATA), key=lambda entry: entry.length
    )
    stream = bytes(content[entry.offset : entry.offset + entry.length])
    raw = bytearray(zlib.decompress(stream))
    raw[100] ^= 1
    for level in range(10):
        other = zlib.compress(bytes(raw), level)
        if len(other) <= len(stream):
            break
    else:
        pytest.fail("no level packs it as tightly")
    forged = other[:-4].ljust(len(stream) - 4, b"\0") + stream[-4:]
    content[entry.offset : entry.offset + entry.length] = forged
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(path))):
        read_hdf(path, ["pixels"])


def test_two_names_for_the_same_pixels_are_refused(tmp_path: Path) -> None:
    """A dataset whose variable points at another's pixels would come back as the other."""
    path = tmp_path / "file.hdf"
    write_deflated(path)
    content = bytearray(path.read_bytes())
    pixels, others = (entry for entry in descriptors(path) if entry.tag == 702 | SPECIAL)
    # The references of the two compressed elements trade places.
    first, second = pixels.offset + 8, others.offset + 8
    content[first : first + 2], content[second : second + 2] = (
        content[second : second + 2],
        content[first : first + 2],
    )
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(path))):
        read_hdf(path, ["pixels"])


@pytest.mark.parametrize("coder", [0, 1, 2, 3, 9])
def test_another_coding_than_deflate_is_refused(tmp_path: Path, coder: int) -> None:
    path = tmp_path / "file.hdf"
    write_deflated(path)
    content = bytearray(path.read_bytes())
    entry = next(entry for entry in descriptors(path) if entry.tag == 702 | SPECIAL)
    content[entry.offset + 12 : entry.offset + 14] = struct.pack(">H", coder)
    path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(path))):
        read_hdf(path, ["pixels"])


def test_a_dataset_that_was_never_written_is_refused(tmp_path: Path) -> None:
    """The library would give its fill value, as if nothing had been seen."""
    path = tmp_path / "file.hdf"
    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    create(file, "pixels", PIXELS).endaccess()
    file.end()
    with pytest.raises(InputError, match="the data of pixels cannot be followed"):
        read_hdf(path, ["pixels"])


@pytest.mark.parametrize(
    ("shape", "number_type", "message"),
    [
        ((4, 4801), SDC.INT16, r"pixels has shape \[4, 4801\]; expected rows and columns, 4800 at most"),
        ((2, 3, 4), SDC.INT16, r"pixels has shape \[2, 3, 4\]"),
        ((5,), SDC.INT16, "pixels has shape 5"),
        ((4, 5), SDC.FLOAT32, "pixels has HDF's number type 5"),
    ],
)
def test_what_is_no_grid_of_a_tile_is_refused(
    tmp_path: Path, shape: tuple[int, ...], number_type: int, message: str
) -> None:
    path = tmp_path / "file.hdf"
    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    dataset = file.create("pixels", number_type, shape)
    dataset[:] = np.zeros(shape, np.float32 if number_type == SDC.FLOAT32 else np.int16)
    dataset.endaccess()
    file.end()
    with pytest.raises(InputError, match=message):
        read_hdf(path, ["pixels"])


def test_metadata_and_attributes_come_back(tmp_path: Path) -> None:
    path = tmp_path / "file.hdf"
    file = SD(str(path), SDC.WRITE | SDC.CREATE)
    dataset = create(file, "pixels", PIXELS)
    dataset[:] = PIXELS
    dataset.attr("scale_factor").set(SDC.FLOAT64, 0.02)
    dataset.attr("valid_range").set(SDC.INT16, [-100, 16000])
    dataset.attr("long_name").set(SDC.CHAR, "Température")
    dataset.endaccess()
    file.attr("CoreMetadata.0").set(SDC.CHAR, "GROUP = INVENTORYMETADATA")
    file.attr("something else").set(SDC.INT16, 3)
    file.end()
    read = read_hdf(path, ["pixels"])
    assert read.attributes == {"CoreMetadata.0": "GROUP = INVENTORYMETADATA"}
    attributes = read.datasets["pixels"].attributes
    assert attributes["scale_factor"] == 0.02
    assert attributes["valid_range"] == [-100, 16000]


def test_a_path_is_taken_from_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_plain(tmp_path / "é.hdf")
    monkeypatch.chdir(tmp_path)
    assert set(read_hdf(Path("é.hdf"), []).names) == {"pixels", "others"}


def test_a_file_that_may_not_be_read_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.hdf: no such file"):
        read_hdf(tmp_path / "nowhere.hdf", [])
    with pytest.raises(InputError, match="no such file"):
        read_hdf(tmp_path, [])
