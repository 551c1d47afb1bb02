"""Weights files that fill the U-Net, and a network with its statistics at work."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from safetensors.torch import save as serialise
from torch import Tensor

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.geo.raster import BoolArray, FloatArray
from lstsr_core.geo.window import Window
from lstsr_core.networks.settings import SMALLEST_INPUT
from lstsr_core.networks.tiling import TRAINING_SIDE, predict_blended, predict_seamless
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.networks.weights_files import Shapes, check_shapes, unreadable
from lstsr_core.patches.statistics import Statistics

PUBLISHED_STATISTICS = Statistics(lst_mean_k=303.4670, lst_std_k=8.0529, ndvi_mean=0.64476, ndvi_std=0.16534)
"""Recovered from the image that the published notebook shows, since its statistics file was not published."""

_FROM_PUBLISHED = [("inbloc.bloc.", "inlet."), ("outlay.", "outlet.")]
for _level in range(3):
    _FROM_PUBLISHED += [
        (f"db{_level + 1}.resblock.doubleconv.bloc.", f"downs.{_level}.residual."),
        (f"db{_level + 1}.lastconv.", f"downs.{_level}.widen."),
        (f"ub{_level + 1}.convbloc.bloc.", f"ups.{_level}.merge."),
    ]


@dataclass(frozen=True)
class Model:
    """A network in evaluation mode with the statistics that it was
    trained with, and the file that both came from.

    Attributes
    ----------
    network : SharpeningUNet
    statistics : Statistics
    source : str
        The file's name.
    card : dict
        What the file tells of its training; of a published checkpoint, what is known of it.
    """

    network: SharpeningUNet
    statistics: Statistics
    source: str
    card: dict[str, Any] = field(default_factory=dict)

    def has_seen(self, digest: str) -> bool | None:
        """Whether it was trained on the scene with this
        `ModisPair.digest`; None if its card does not tell."""
        digests = self.card["data"].get("seen") if isinstance(self.card.get("data"), dict) else None
        return None if digests is None else digest in digests

    def predict_k(
        self,
        coarse_upsampled_k: FloatArray,
        ndvi: FloatArray,
        piece: int | None = None,
        mask: BoolArray | None = None,
    ) -> FloatArray:
        """Run the network over an image of any size, without seams (`windows`).

        Parameters
        ----------
        coarse_upsampled_k : array of shape (rows, columns)
            U(LST) in kelvin, no NaN.
        ndvi : array of shape (rows, columns)
            No NaN.
        piece : int, optional
            Side of disjoint pieces to run it over one by one, as was published, which leaves seams. A rest
            that the network is too deep for joins the last piece.
        mask : bool array of shape (rows, columns), optional
            Windows in which it is nowhere true are left out, NaN.

        Returns
        -------
        array of shape (rows, columns), float64 kelvin
        """
        s = self.statistics
        rows, columns = ndvi.shape

        def scores(window: Window) -> Tensor:
            lst = (window.of(coarse_upsampled_k) - s.lst_mean_k) / s.lst_std_k
            return torch.from_numpy(
                np.stack([lst, (window.of(ndvi) - s.ndvi_mean) / s.ndvi_std])[None].astype(np.float32)
            )

        mask = np.ones((rows, columns), dtype=np.bool_) if mask is None else mask
        if piece is None and self.network.upsampling == "half-pixel":
            output = predict_seamless(self.network, scores, mask)
        elif piece is None and max(rows, columns) > TRAINING_SIDE:
            output = predict_blended(self.network, scores, mask)
        else:
            with torch.inference_mode():
                output = self._disjoint(
                    scores(Window(slice(0, rows), slice(0, columns))), piece or max(rows, columns)
                )
        predicted_k = output.astype(np.float64)
        predicted_k *= s.lst_std_k
        predicted_k += s.lst_mean_k
        return predicted_k

    def _disjoint(self, scores: Tensor, piece: int) -> FloatArray:
        rows, columns = (_piece_sizes(size, piece) for size in scores.shape[2:])
        bands = torch.split(scores, rows, dim=2)
        joined = torch.cat(
            [torch.cat([self.network(p) for p in torch.split(b, columns, dim=3)], dim=3) for b in bands],
            dim=2,
        )
        output: FloatArray = joined[0, 0].numpy()
        return output


def _piece_sizes(size: int, piece: int) -> list[int]:
    sizes = [piece] * (size // piece) + [size % piece] * (size % piece > 0)
    if len(sizes) > 1 and sizes[-1] < SMALLEST_INPUT:
        rest = sizes.pop()
        sizes[-1] += rest
    return sizes


def load_model(path: Path) -> Model:
    """Load a ``.safetensors`` file of this project or a published ``.pt`` checkpoint.

    Raises
    ------
    InputError
        If the file is missing, damaged, or of another architecture.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file. A weights file was expected there.")
    try:
        if path.suffix == ".safetensors":
            with safetensors.safe_open(path, framework="pt") as stored:
                state = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118 (not a mapping)
                card = json.loads((stored.metadata() or {})["card"])
                statistics = Statistics(**card["statistics"])
                network = SharpeningUNet(card.get("upsampling", "align-corners"))
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
            state = {_own_name(name): tensor for name, tensor in state.items()}
            statistics = PUBLISHED_STATISTICS
            card = {
                "data": "as published: tile h18v04, day, 2017-01-01 to 2020-01-01",
                "upsampling": "align-corners",
            }
            network = SharpeningUNet()
    except Exception as error:  # both libraries raise their own kinds, pickle's among them, on a damaged file
        raise unreadable(path, error) from error
    check_shapes(path, _shapes(network.state_dict()), _shapes(state))
    network.load_state_dict(state)
    return Model(network.eval(), statistics, path.name, card)


def save_model(
    network: SharpeningUNet, statistics: Statistics, path: Path, card: Mapping[str, Any] | None = None
) -> None:
    """Write weights, statistics, upsampling and a card of what
    JSON can hold as one safetensors file, atomically."""
    # One entry, for safetensors writes several in another order each time.
    content = {"statistics": asdict(statistics), "upsampling": network.upsampling, **(card or {})}
    metadata = {"card": json.dumps(content, sort_keys=True)}
    with written_atomically(path) as temporary:
        temporary.write_bytes(
            serialise({k: v.contiguous() for k, v in network.state_dict().items()}, metadata)
        )


def _own_name(published: str) -> str:
    for theirs, ours in _FROM_PUBLISHED:
        if published.startswith(theirs):
            return ours + published.removeprefix(theirs)
    return published


def _shapes(state: Mapping[str, object]) -> Shapes:
    return {
        name: tuple(entry.shape) if isinstance(entry, Tensor) else type(entry).__name__
        for name, entry in state.items()
    }
