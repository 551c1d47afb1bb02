"""Pickles from strangers: the published layout is read, everything else is refused without any effect."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import FINE_PIXEL_M
from lstsr_core.pairs.unpickler import read_arrays_pickle
from worlds.pickles import call, dictionary, many, name, plain, text, whole

RANDOM = np.random.default_rng(40)


# A small assembler of pickles, for no Python object pickles itself into most of what follows.


def hostile_calls(marker: Path) -> dict[str, bytes]:
    """Opcodes that make the marker file where they are obeyed, by the name that a refusal must give."""
    touch = f"touch {marker}"
    python = f"open({str(marker)!r}, 'w').close()"
    compiled = call(name("builtins", "compile"), text(python), text("x"), text("exec"))
    getattr_system = call(
        name("builtins", "getattr"), call(name("builtins", "__import__"), text("os")), text("system")
    )
    return {
        "os.system": call(name("os", "system"), text(touch)),
        "posix.system": call(name("posix", "system"), text(touch)),
        "subprocess.call": call(name("subprocess", "call"), plain(["touch", str(marker)])),
        "builtins.eval": call(name("builtins", "eval"), text(python)),
        "builtins.exec": call(name("builtins", "exec"), text(python)),
        "builtins.getattr": call(getattr_system, text(touch)),
        "runpy._run_code": call(name("runpy", "_run_code"), compiled, plain({})),
        "pathlib.Path": call(name("pathlib", "Path.touch"), call(name("pathlib", "Path"), text(str(marker)))),
        "numpy.savetxt": call(name("numpy", "savetxt"), text(str(marker)), plain([1])),
        "numpy.ndarray.tofile": call(
            name("numpy", "ndarray.tofile"), call(name("numpy", "zeros"), plain(1)), text(str(marker))
        ),
        "torch.save": call(name("torch", "save"), plain([1]), text(str(marker))),
    }


HOSTILE_NAMES = list(hostile_calls(Path()))
# Of a nested call the first name is refused; of a dotted name, the part that the list does not hold.
REFUSED_AS = {"pathlib.Path": "pathlib.Path.touch"}

WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "alone": whole,
    "in a dictionary": dictionary,
    "as a key": lambda call_: whole(pickle.EMPTY_DICT + call_ + text("LST") + pickle.SETITEM),
    "in nested containers": lambda call_: dictionary(
        many(pickle.EMPTY_LIST + many(call_) + pickle.APPEND, plain(2))
    ),
    "as an array's argument": lambda call_: dictionary(call(name("numpy", "dtype"), call_)),
    "as an array's state": lambda call_: dictionary(array_opcodes(np.zeros(2), state=call_)),
    "as another object's state": lambda call_: dictionary(
        name("rasterio.crs", "CRS") + pickle.EMPTY_TUPLE + pickle.NEWOBJ + call_ + pickle.BUILD
    ),
    "after the arrays": lambda call_: whole(
        pickle.EMPTY_DICT
        + text("LST")
        + array_opcodes(np.zeros((64, 64)))
        + pickle.SETITEM
        + text("x")
        + call_
        + pickle.SETITEM
    ),
}


def array_opcodes(array: np.ndarray, state: bytes | None = None) -> bytes:
    if state is None:
        return plain(array)
    built = call(
        name("numpy._core.multiarray", "_reconstruct"), name("numpy", "ndarray"), plain((0,)), plain(b"b")
    )
    return built + state + pickle.BUILD


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_arrays_pickle(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("hostile", HOSTILE_NAMES)
def test_the_hostile_pickles_do_harm_where_they_are_obeyed(tmp_path: Path, hostile: str) -> None:
    """Without this, a mistyped pickle would pass every test of its refusal."""
    pickle.loads(dictionary(hostile_calls(tmp_path / "marker")[hostile]))
    assert (tmp_path / "marker").exists()


@pytest.mark.parametrize("wrapping", WRAPPINGS)
@pytest.mark.parametrize("hostile", HOSTILE_NAMES)
def test_hostile_pickles_are_refused_by_name_without_effect(
    tmp_path: Path, hostile: str, wrapping: str
) -> None:
    marker = tmp_path / "marker"
    message = refusal(tmp_path / "5_data_dict.pkl", WRAPPINGS[wrapping](hostile_calls(marker)[hostile]))
    assert f"asks for '{REFUSED_AS.get(hostile, hostile)}', which could run code" in message
    assert not marker.exists()


class Exploit:
    """Pickles itself as a call of os.system, as the textbook does."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        import os

        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_the_textbook_exploit_is_refused_in_every_protocol(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "marker"
    content = pickle.dumps(
        {"NDVI": [Exploit(f"touch {marker}")], "LST": np.zeros((64, 64))}, protocol=protocol
    )
    assert "asks for 'posix.system'" in refusal(tmp_path / "5_data_dict.pkl", content)
    assert not marker.exists()


REFUSED_OPCODES = {
    "old-style instance": (pickle.MARK + text("true") + b"iposix\nsystem\n", "posix.system"),
    "old-style object": (pickle.MARK + name("posix", "system") + text("true") + b"o", "posix.system"),
    "global by lines": (b"cposix\nsystem\n" + many(text("true")) + pickle.REDUCE, "posix.system"),
    "copyreg": (
        call(name("copyreg", "_reconstructor"), name("numpy", "ndarray"), plain(None)),
        "copyreg._reconstructor",
    ),
    "copyreg.__newobj__": (
        call(name("copyreg", "__newobj__"), name("numpy", "ndarray"), plain((1,))),
        "copyreg.__newobj__",
    ),
    "numpy.load": (call(name("numpy", "load"), text("x.npy"), plain(None), plain(True)), "numpy.load"),
    "numpy.fromfile": (call(name("numpy", "fromfile"), text("/etc/hostname")), "numpy.fromfile"),
    "numpy.memmap": (call(name("numpy", "memmap"), text("/etc/hostname")), "numpy.memmap"),
    "torch": (call(name("torch.storage", "_load_from_bytes"), plain(b"")), "torch.storage._load_from_bytes"),
    "dotted": (name("numpy", "ndarray.__class__"), "numpy.ndarray.__class__"),
    "dotted subclasses": (call(name("numpy", "ndarray.__subclasses__")), "numpy.ndarray.__subclasses__"),
    "dotted through Affine": (
        name("affine", "Affine.__new__.__globals__"),
        "affine.Affine.__new__.__globals__",
    ),
    "subclass": (
        call(
            name("numpy._core.multiarray", "_reconstruct"),
            name("numpy", "recarray"),
            plain((0,)),
            plain(b"b"),
        ),
        "numpy.recarray",
    ),
    "subclass of a dtype": (call(name("numpy.dtypes", "ObjectDType")), "numpy.dtypes.ObjectDType"),
    "same name elsewhere": (
        name("numpy.core.multiarray2", "_reconstruct"),
        "numpy.core.multiarray2._reconstruct",
    ),
    "the reader itself": (
        name("lstsr_core.pairs.unpickler", "_ADMITTED"),
        "lstsr_core.pairs.unpickler._ADMITTED",
    ),
}


@pytest.mark.parametrize("case", REFUSED_OPCODES)
def test_other_names_are_refused(tmp_path: Path, case: str) -> None:
    opcodes, refused = REFUSED_OPCODES[case]
    assert f"asks for '{refused}'" in refusal(tmp_path / "5_data_dict.pkl", dictionary(opcodes))


def test_a_subclass_of_an_admitted_class_is_refused(tmp_path: Path) -> None:
    content = pickle.dumps({"LST": np.zeros((2, 2)).view(np.recarray)})
    assert "asks for 'numpy" in refusal(tmp_path / "5_data_dict.pkl", content)


@pytest.mark.parametrize("persistent", [b"Pname\n", text("name") + b"Q"])
def test_persistent_ids_are_refused(tmp_path: Path, persistent: bytes) -> None:
    refusal(tmp_path / "5_data_dict.pkl", dictionary(persistent))


def read_in_another_process(*paths: Path) -> list[str]:
    """A line for each pickle: "refused" with the message, or its LST; a crash fails the test."""
    script = (
        "import sys; from pathlib import Path; from lstsr_core.base.errors import InputError\n"
        "from lstsr_core.pairs.unpickler import read_arrays_pickle\n"
        "for path in sys.argv[1:]:\n"
        "    try: value = read_arrays_pickle(Path(path))['LST']\n"
        "    except InputError as error: print('refused', error)\n"
        "    else: print(getattr(value, 'tolist', lambda: value)(), *getattr(value, '__dict__', ()))\n"
    )
    command = [sys.executable, "-c", script, *map(str, paths)]
    reader = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert reader.returncode == 0, (
        f"the reading process ended with {reader.returncode}: {reader.stderr[-300:]}"
    )
    return reader.stdout.splitlines()


def test_a_pickle_cannot_change_what_the_next_one_is_read_with(tmp_path: Path) -> None:
    """BUILD sets attributes on whatever lies on the stack, an admitted class itself too."""
    attributes = plain((None, {"__new__": 5, "planted": 5}))
    paths = []
    for module, attribute in [
        ("affine", "Affine"),
        ("rasterio.crs", "CRS"),
        ("numpy", "ndarray"),
        ("numpy", "dtype"),
    ]:
        paths.append(tmp_path / f"hostile_{attribute}.pkl")
        paths[-1].write_bytes(dictionary(name(module, attribute) + attributes + pickle.BUILD))
    paths.append(tmp_path / "next.pkl")
    paths[-1].write_bytes(dictionary(name("affine", "Affine") + plain((1.0,) * 6) + pickle.NEWOBJ))
    *hostile, next_read = read_in_another_process(*paths)
    assert next_read == "(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)"
    assert all(line.startswith("refused") for line in hostile)


def dtype_with(base: str, state: bytes) -> bytes:
    return call(name("numpy", "dtype"), text(base), plain(False), plain(True)) + state + pickle.BUILD


def field_far_outside(itemsize: int) -> bytes:
    number = call(name("numpy", "dtype"), text("f8"), plain(False), plain(True))
    fields = pickle.EMPTY_DICT + text("a") + many(number, plain(10**12)) + pickle.SETITEM
    return many(plain(3), text("|"), plain(None), plain(("a",)), fields, plain(itemsize), plain(1), plain(0))


EIGHT_BYTES = pickle.SHORT_BINBYTES + b"\x08AAAAAAAA"
MEMORY_ATTACKS = {
    "objects from a buffer": call(name("numpy", "ndarray"), plain((1,)), text("O"), EIGHT_BYTES),
    "a field outside its item": call(
        name("numpy", "ndarray"), plain((1,)), dtype_with("V8", field_far_outside(8)), EIGHT_BYTES
    ),
    "a scalar's field outside its item": call(
        name("numpy._core.multiarray", "scalar"), dtype_with("V8", field_far_outside(8)), EIGHT_BYTES
    ),
}


@pytest.mark.parametrize("attack", MEMORY_ATTACKS)
def test_arrays_over_foreign_memory_are_refused(tmp_path: Path, attack: str) -> None:
    """numpy's own builders can be made to take any bytes for addresses."""
    path = tmp_path / "5_data_dict.pkl"
    path.write_bytes(dictionary(MEMORY_ATTACKS[attack]))
    assert read_in_another_process(path)[0].startswith(f"refused {path}")


@pytest.mark.parametrize("numpy_module", ["numpy.core.multiarray", "numpy._core.multiarray"])
@pytest.mark.parametrize("coefficients", [6, 9])
def test_the_published_layout_is_read(
    tmp_path: Path, write_published_pickle: Callable[..., None], coefficients: int, numpy_module: str
) -> None:
    content = {
        "LST": RANDOM.normal(300.0, 5.0, (64, 64)).astype(np.float32),
        "NDVI": RANDOM.uniform(-1.0, 1.0, (256, 256)),
        "fortran": np.asfortranarray(RANDOM.normal(0.0, 1.0, (3, 4))),
        "big endian": np.arange(5, dtype=">i2"),
        "center_lst": (528, 331),
        "geo LST": np.array([277061.0, 926.63, 0.0, 5100146.38, 0.0, -926.63]),
        "to CRS": "EPSG:32631",
        "aster_angle": 12.0079922614369,
    }
    path = tmp_path / "5_data_dict.pkl"
    write_published_pickle(path, content, coefficients=coefficients, numpy_module=numpy_module)
    # What the writer wrote is what the database holds: these names, and the builder of new-style objects.
    for published in (numpy_module.encode(), b"affine", b"Affine", b"rasterio.crs", pickle.NEWOBJ):
        assert published in path.read_bytes()

    read = read_arrays_pickle(path)
    assert read.keys() == content.keys() | {"transform affine SR", "CRS"}
    for key, value in content.items():
        if isinstance(value, np.ndarray):
            assert (read[key].dtype.kind, read[key].dtype.itemsize) == (
                value.dtype.kind,
                value.dtype.itemsize,
            )
            np.testing.assert_array_equal(read[key], value)
        else:
            assert read[key] == value
    assert tuple(read["transform affine SR"]) == (FINE_PIXEL_M, 0.0, 0.0, 0.0, -FINE_PIXEL_M, 5559752.598333)


def test_numpy_scalars_are_read(tmp_path: Path) -> None:
    (tmp_path / "5_data_dict.pkl").write_bytes(
        pickle.dumps({"angle": np.float64(12.5), "row": np.int32(-7)}, protocol=4)
    )
    assert read_arrays_pickle(tmp_path / "5_data_dict.pkl") == {"angle": 12.5, "row": -7}


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"5_data_dict\.pkl: no such file"):
        read_arrays_pickle(tmp_path / "5_data_dict.pkl")


@pytest.mark.parametrize("length", [0, 1, 2, 50, 500, -1])
def test_a_truncated_pickle_is_named(tmp_path: Path, length: int) -> None:
    content = pickle.dumps({"LST": np.zeros((64, 64))}, protocol=4)[:length]
    assert "not a readable pickle" in refusal(tmp_path / "5_data_dict.pkl", content)


def test_garbage_is_named(tmp_path: Path) -> None:
    assert "not a readable pickle" in refusal(
        tmp_path / "5_data_dict.pkl", b"<!DOCTYPE html><html>404</html>"
    )


@pytest.mark.parametrize(("value", "kind"), [([1, 2], "list"), (None, "NoneType"), (np.zeros(3), "ndarray")])
def test_a_pickle_of_anything_but_a_dictionary_is_refused(tmp_path: Path, value: object, kind: str) -> None:
    message = refusal(tmp_path / "5_data_dict.pkl", pickle.dumps(value, protocol=4))
    assert f"holds a {kind}; expected a dictionary" in message
