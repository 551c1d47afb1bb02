"""Weights files without the networks in them: where they lie, and what their cards tell; no torch."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import safetensors

from lstsr_core.base.errors import InputError
from lstsr_core.networks.settings import UPSAMPLINGS
from lstsr_core.patches.statistics import Statistics

Shapes = Mapping[str, tuple[int, ...] | str]
"""Of each tensor of a network's state, by its name; the type of what is no tensor."""

PACKAGE_WEIGHTS = Path(__file__).parents[1] / "weights"
"""Trained for this package on the MODIS side of the
published pairs: used where no other weights are named."""

FOLDS_TABLE = "folds.csv"

PUBLISHED_CHECKPOINTS = {
    "sif-cnn-sr1": "modelB_1009/modelB_state_dict.pt",
    "sif-cnn-sr2": "modelB_2609/modelB_state_dict.pt",
    "sc-unet": "modelB_2011/modelB_state_dict.pt",
}


NETWORKS = {
    **{name: name for name in PUBLISHED_CHECKPOINTS},
    "sc-unet-restored": "sc-unet",
    "aster-unet": "aster-unet",
    "aster-unet-levelled": "aster-unet",
    "aster-unet-restored": "aster-unet",
    "aster-unet-restored-levelled": "aster-unet",
}
"""Every method that runs a network, with the name of the weights that it takes."""


def weights_file(directory: Path | None, method: str) -> Path | None:
    """The weights of a method below a directory, or None if it holds none.

    ``<method>.safetensors`` is looked for first, then the published ``modelB_…/modelB_state_dict.pt``.
    Without a directory: the weights that come with the package.
    """
    directory = directory or PACKAGE_WEIGHTS
    for folder in (directory, directory / "models"):
        for name in (f"{method}.safetensors", PUBLISHED_CHECKPOINTS.get(method, "")):
            if name and (folder / name).is_file():
                return folder / name
    return None


def unseen_weights(directory: Path, scene: str) -> Path:
    """Where the weights lie of the networks that have not seen a scene in training.

    Parameters
    ----------
    directory : Path
        Of a cross-validation: ``folds.csv`` with ``fold0``, ``fold1``, …; any other is given back as it is.
    scene : str
        A pair's id.

    Raises
    ------
    InputError
        If the cross-validation did not have this scene, or its table is damaged.
    """
    path = directory / FOLDS_TABLE
    if not path.is_file():
        return directory
    folds = read_folds(directory)
    if scene not in folds:
        raise InputError(
            f"{path}: scene {scene} is in no fold; leave it out (--scenes development leaves test scenes"
            " out), or judge it with weights that have not seen it."
        )
    return directory / fold_name(folds[scene])


def fold_name(fold: int | str) -> str:
    """Of the directory that holds the weights which have not seen a fold."""
    return f"fold{fold}"


def read_folds(directory: Path) -> dict[str, int]:
    """Each scene's fold, of a cross-validation.

    Raises
    ------
    InputError
        If its table is missing or damaged.
    """
    path = directory / FOLDS_TABLE
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected what lstsr train --folds wrote.")
    return _parse_folds(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _parse_folds(path: Path, modified_ns: int) -> dict[str, int]:
    try:
        with path.open(newline="", encoding="utf-8") as stream:
            return {row["scene"]: int(row["fold"]) for row in csv.DictReader(stream)}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not readable as a table of scenes and folds ({error}); train the folds again."
        ) from error


def read_card(path: Path) -> dict[str, Any]:
    """What a ``.safetensors`` file of this project tells of itself, from its header alone.

    Returns
    -------
    dict
        The card, with ``statistics`` and ``upsampling``.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of another architecture than the package's own weights.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file. A weights file was expected there.")
    try:
        with safetensors.safe_open(path, framework="np") as stored:
            card: dict[str, Any] = json.loads((stored.metadata() or {})["card"])
            shapes = _stored_shapes(stored)
        Statistics(**card["statistics"])
        if card.get("upsampling", UPSAMPLINGS[0]) not in UPSAMPLINGS:
            raise ValueError(f"upsampling is {card['upsampling']!r}; expected {' or '.join(UPSAMPLINGS)}.")
    except Exception as error:  # safetensors raises its own kinds on a damaged file
        raise unreadable(path, error) from error
    with safetensors.safe_open(PACKAGE_WEIGHTS / "sif-cnn-sr1.safetensors", framework="np") as stored:
        check_shapes(path, _stored_shapes(stored), shapes)
    return card


def _stored_shapes(stored: Any) -> Shapes:
    return {name: tuple(stored.get_slice(name).get_shape()) for name in stored.keys()}  # noqa: SIM118 (not a mapping)


def unreadable(path: Path, error: Exception) -> InputError:
    """The error to raise where a library could not read a weights file."""
    return InputError(
        f"{path}: not a readable weights file ({type(error).__name__}: {' '.join(str(error).split())[:120]})."
        " Expected this project's .safetensors with statistics, or a published state dict."
    )


def check_shapes(path: Path, expected: Shapes, shapes: Shapes) -> None:
    """Refuse a state of another network than this paper's.

    Raises
    ------
    InputError
        Naming the first tensor that differs, or is on one side alone.
    """
    for name in sorted(expected.keys() | shapes.keys()):
        have, want = shapes.get(name, "nothing"), expected.get(name, "nothing")
        if have != want:
            raise InputError(
                f"{path}: another architecture: '{name}' has {have}, the network of this paper has {want}"
                f" there ({len(expected)} tensors). Use weights of this network."
            )
