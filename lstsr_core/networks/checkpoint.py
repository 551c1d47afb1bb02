"""The state of a training after an epoch, in one safetensors file:
what it takes to go on as if nothing had happened."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import save as serialise
from torch import Tensor

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically

_NETWORK, _BEST, _OPTIMISER = "network/", "best/", "optimiser/"


@dataclass(frozen=True)
class Checkpoint:
    """A training after whole epochs.

    Attributes
    ----------
    origin : str
        Fingerprint of the settings and data; only a training with the same may go on from here.
    curves : list of list of float
        A row for each epoch run, as `networks.curves.CURVE_COLUMNS`.
    best_epoch : int
    network, best : dict of str to tensor
        State of the network now, and after the best epoch.
    optimiser : dict of int to dict of str to tensor
        Adam's moments and steps by parameter.
    """

    origin: str
    curves: list[list[float]]
    best_epoch: int
    network: dict[str, Tensor]
    best: dict[str, Tensor]
    optimiser: dict[int, dict[str, Tensor]]

    @property
    def epoch(self) -> int:
        return len(self.curves)


def write_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint, atomically.

    Raises
    ------
    InputError
        If it cannot be written; an earlier checkpoint of that name is then as it was.
    """
    tensors = {_NETWORK + name: tensor for name, tensor in checkpoint.network.items()}
    tensors |= {_BEST + name: tensor for name, tensor in checkpoint.best.items()}
    for index, moments in checkpoint.optimiser.items():
        tensors |= {f"{_OPTIMISER}{index}/{name}": tensor for name, tensor in moments.items()}
    progress = {"origin": checkpoint.origin, "curves": checkpoint.curves, "best_epoch": checkpoint.best_epoch}
    content = serialise(
        {name: tensor.cpu().contiguous() for name, tensor in tensors.items()},
        {"progress": json.dumps(progress)},
    )
    try:
        with written_atomically(path) as temporary:
            temporary.write_bytes(content)
    except InputError as error:
        hint = (
            " The checkpoint of an earlier epoch is intact: with space, training goes on from it."
            if path.is_file()
            else ""
        )
        raise InputError(f"epoch {checkpoint.epoch} is not saved: {error}{hint}") from error


def read_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; nothing in it is run.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as stored:
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
            progress: dict[str, Any] = json.loads((stored.metadata() or {})["progress"])
        optimiser: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _below(tensors, _OPTIMISER).items():
            index, moment = name.split("/")
            optimiser.setdefault(int(index), {})[moment] = tensor
        curves = [[float(value) for value in row] for row in progress["curves"]]
        best_epoch, origin = int(progress["best_epoch"]), str(progress["origin"])
        return Checkpoint(
            origin, curves, best_epoch, _below(tensors, _NETWORK), _below(tensors, _BEST), optimiser
        )
    except Exception as error:  # safetensors raises its own kinds on a damaged file
        raise InputError(
            f"{path}: not a readable checkpoint ({type(error).__name__}:"
            f" {' '.join(str(error).split())[:120]}). Delete it, and training starts from scratch."
        ) from error


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def copied(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A network's state that further steps leave alone."""
    return {name: torch.clone(tensor.detach()) for name, tensor in state.items()}
