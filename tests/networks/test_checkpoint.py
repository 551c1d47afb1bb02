"""Checkpoints: all comes back bit for bit, nothing in them runs, a full disk spares the last."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from lstsr_core.base.errors import InputError
from lstsr_core.networks.checkpoint import Checkpoint, read_checkpoint, write_checkpoint

FullDisk = Callable[[int], AbstractContextManager[None]]


def checkpoint(seed: int = 1, epochs: int = 2) -> Checkpoint:
    generator = torch.Generator().manual_seed(seed)

    def state() -> dict[str, torch.Tensor]:
        weights = torch.randn(4, 3, 3, 3, generator=generator).to(memory_format=torch.channels_last)
        return {"inlet.weight": weights, "inlet.num_batches_tracked": torch.tensor(7)}

    moments = {
        index: {"step": torch.tensor(5.0), "exp_avg": torch.randn(20_000, generator=generator)}
        for index in (0, 1, 11)
    }
    curves = [[float(epoch), math.pi / epoch, math.nan] for epoch in range(1, epochs + 1)]
    return Checkpoint("origin", curves, 1, state(), state(), moments)


def assert_same(one: Checkpoint, other: Checkpoint) -> None:
    assert (one.origin, one.best_epoch, repr(one.curves)) == (
        other.origin,
        other.best_epoch,
        repr(other.curves),
    )
    states = [
        (one.network, other.network),
        (one.best, other.best),
        *((one.optimiser[i], other.optimiser[i]) for i in one.optimiser),
    ]
    assert one.optimiser.keys() == other.optimiser.keys()
    for first, second in states:
        assert first.keys() == second.keys()
        for name, tensor in first.items():
            assert second[name].dtype == tensor.dtype and torch.equal(second[name], tensor)


def test_a_checkpoint_comes_back_bit_for_bit(tmp_path: Path) -> None:
    written = checkpoint()
    write_checkpoint(written, tmp_path / "a" / "model.checkpoint.safetensors")
    read = read_checkpoint(tmp_path / "a" / "model.checkpoint.safetensors")
    assert_same(written, read)
    assert read.epoch == 2


@pytest.mark.parametrize("size", [0, 5_000, 200_000])
def test_a_full_disk_leaves_the_earlier_checkpoint_and_says_so(
    tmp_path: Path, full_disk: FullDisk, size: int
) -> None:
    path = tmp_path / "model.checkpoint.safetensors"
    write_checkpoint(checkpoint(), path)
    message = (
        r"^epoch 3 is not saved: .*cannot be written \(File too large\).* The checkpoint of an earlier epoch"
        r" is intact"
    )
    with full_disk(size), pytest.raises(InputError, match=message):
        write_checkpoint(checkpoint(2, epochs=3), path)
    assert_same(checkpoint(), read_checkpoint(path))
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_at_the_first_checkpoint_promises_nothing(tmp_path: Path, full_disk: FullDisk) -> None:
    with full_disk(1_000), pytest.raises(InputError) as caught:
        write_checkpoint(checkpoint(), tmp_path / "model.checkpoint.safetensors")
    assert "intact" not in str(caught.value)


@pytest.mark.parametrize("share", [0.0, 1e-5, 0.01, 0.5, 0.9999])
def test_a_truncated_checkpoint_is_named(tmp_path: Path, share: float) -> None:
    path = tmp_path / "model.checkpoint.safetensors"
    write_checkpoint(checkpoint(), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(
        InputError, match=r"not a readable checkpoint .*Delete it, and training starts from scratch\.$"
    ):
        read_checkpoint(path)


class Exploit:
    """Makes a file where a pickle is trusted."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.marker,)


def test_nothing_in_a_checkpoint_is_run(tmp_path: Path) -> None:
    path = tmp_path / "model.checkpoint.safetensors"
    torch.save({"network": Exploit(tmp_path / "marker")}, path)
    with pytest.raises(InputError, match="not a readable checkpoint"):
        read_checkpoint(path)
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("progress", [None, "{", "{}", '{"origin": "x", "curves": [["a"]], "best_epoch": 1}'])
def test_files_without_progress_are_refused(tmp_path: Path, progress: str | None) -> None:
    path = tmp_path / "model.checkpoint.safetensors"
    save_file({"network/x": torch.zeros(3)}, path, {} if progress is None else {"progress": progress})
    with pytest.raises(InputError, match="not a readable checkpoint"):
        read_checkpoint(path)


def test_progress_is_what_was_run(tmp_path: Path) -> None:
    path = tmp_path / "model.checkpoint.safetensors"
    for epochs in (1, 4):
        write_checkpoint(replace(checkpoint(), curves=checkpoint(epochs=epochs).curves), path)
        assert read_checkpoint(path).epoch == epochs
