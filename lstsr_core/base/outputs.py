"""What a command writes never replaces what it reads: one check, for every command with an output."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Iterable, Iterator
from pathlib import Path

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import is_there, resolve

_WEIGHTS = ("*.safetensors", "*.pt", "folds.csv", "*.curves.csv")
_FILES_READ = {
    "lst": (), "lst_qc": (), "reflectance": (), "ndvi": (), "shape": (), "settings": (),
    "water": ("*.hdf",), "granules": ("*.hdf",), "patches": ("*.tif", "patches.csv", "statistics.json"),
    "pairs": ("*_aster_250m.tif", "*_data_dict.pkl"),
    "weights": _WEIGHTS, "published": _WEIGHTS, "folds": _WEIGHTS, "lpips_weights": ("*.pth",),
}  # fmt: skip
"""Options that name what is read, and which files of a directory that they name."""

_METHODS_VARIABLE = "LSTSR_METHODS"


def refuse_inputs(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuse an output that is one of the inputs, by whatever spelling or link.

    Raises
    ------
    InputError
    """
    present = [path for path in outputs if is_there(path)]
    for path in inputs if present else ():
        for output in present:
            if is_there(path) and output.samefile(path):
                raise InputError(
                    f"{output}: is the input {path}, which the output would replace; give --out another name."
                )


def check_outputs(options: Namespace, *outputs: Path) -> None:
    """Refuse outputs of a command that are files which its options
    name, or which lie in directories that they name.

    Raises
    ------
    InputError
    """
    refuse_inputs(outputs, _inputs(options))


def _inputs(options: Namespace) -> Iterator[Path]:
    if _METHODS_VARIABLE in os.environ:
        yield resolve(os.environ[_METHODS_VARIABLE])
    for option, patterns in _FILES_READ.items():
        value = getattr(options, option, None)
        if isinstance(value, str | Path):
            yield Path(value)
            for pattern in patterns:
                yield from Path(value).rglob(pattern)
