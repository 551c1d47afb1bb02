"""A network over an image of any size, window by window without seams.

With half-pixel upsampling a pixel's result depends on its neighbourhood alone: windows with a halo as wide
as that neighbourhood give exactly what one pass over the whole image gives. With align-corners upsampling,
as in the published checkpoints, it depends on its place in the window, too: windows of the size of the
training patches overlap by half and are blended.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lstsr_core.base.memory import kept_memory
from lstsr_core.base.progress import bar
from lstsr_core.geo.raster import BoolArray, Float32Array
from lstsr_core.geo.window import Window
from lstsr_core.networks.unet import SharpeningUNet

GRID = 8
"""Pixels that three poolings make one of: a window begins at a
multiple, so that its poolings are the image's own."""

LARGEST_CORE = 1200
"""Pixels: four by four windows make a tile; with its halo one
takes 0.9 GB, and halos are a sixth of the work."""

TRAINING_SIDE = 256
BLENDING_STEP = TRAINING_SIDE // 2


Inputs = Callable[[Window], Tensor]
"""Gives a window's z-scored inputs, (1, 2, rows, columns) float32."""


def reach(network: SharpeningUNet) -> int:
    """How far away an input may lie that a half-pixel network's
    result depends on, in pixels, rounded up to `GRID`.

    The interval of inputs behind one output is followed from the last layer to the first, down to the
    deepest level: a 3×3 convolution adds a pixel on each side, bilinear ×2 has the two coarse pixels
    around, average pooling the two fine ones below.
    """
    farthest = 0
    for pixel in range(GRID):
        first = last = pixel
        first, last = first - 1, last + 1
        for up in reversed(network.ups):
            first, last = first - _convolutions(up), last + _convolutions(up)
            first, last = (first - 1) // 2, (last + 1) // 2
        for down in reversed(network.downs):
            first, last = first - _convolutions(down), last + _convolutions(down)
            first, last = 2 * first, 2 * last + 1
        first, last = first - _convolutions(network.inlet), last + _convolutions(network.inlet)
        farthest = max(farthest, pixel - first, last - pixel)
    return -(-farthest // GRID) * GRID


def _convolutions(module: nn.Module) -> int:
    return sum(isinstance(part, nn.Conv2d) for part in module.modules())


class _Convolution(nn.Module):
    """A 3×3 convolution with replicate padding that spares the padded
    copy of its input, a fifth of the network's time.

    It pads with zeros, and adds what the replicated edge would have given to the outermost rows and columns.
    """

    def __init__(self, padded: nn.Conv2d) -> None:
        super().__init__()
        self.weight = padded.weight.data.contiguous(memory_format=torch.channels_last)
        self.bias = None if padded.bias is None else padded.bias.data

    def forward(self, features: Tensor) -> Tensor:
        output = functional.conv2d(features, self.weight, self.bias, padding=1)
        for row, taps in ((0, self.weight[:, :, :1]), (-1, self.weight[:, :, 2:])):
            edge = functional.pad(features[:, :, row, None], [1, 1, 0, 0], mode="replicate")
            output[:, :, row] += functional.conv2d(edge, taps)[:, :, 0]
        for column, taps in ((0, self.weight[:, :, :, :1]), (-1, self.weight[:, :, :, 2:])):
            output[..., column] += functional.conv2d(features[..., column, None], taps, padding=(1, 0))[
                ..., 0
            ]
        return output


def for_inference(network: SharpeningUNet) -> SharpeningUNet:
    """A copy that computes the same faster: batch norms folded into the
    convolutions, channels last, no padded copies."""
    folded = copy.deepcopy(network).eval()
    for block in [module for module in folded.modules() if isinstance(module, nn.Sequential)]:
        for index, part in enumerate(block):
            if isinstance(part, nn.ReLU):
                part.inplace = True
            elif isinstance(part, nn.BatchNorm2d) and isinstance(before := block[index - 1], nn.Conv2d):
                block[index - 1], block[index] = fuse_conv_bn_eval(before, part), nn.Identity()
    for parent in list(folded.modules()):
        for name, part in parent.named_children():
            if isinstance(part, nn.Conv2d):
                setattr(parent, name, _Convolution(part))
    return folded


def seamless_windows(rows: int, columns: int, largest: int = LARGEST_CORE) -> Iterator[Window]:
    """Windows of nearly one size, no larger than `largest`, that
    begin on the grid of 8 and share out an image."""
    for row_span in _shares(rows, largest):
        for column_span in _shares(columns, largest):
            yield Window(row_span, column_span)


def _shares(size: int, largest: int) -> list[slice]:
    count = -(-size // largest)
    step = -(-size // (count * GRID)) * GRID
    return [slice(start, min(start + step, size)) for start in range(0, size, step)]


def predict_seamless(
    network: SharpeningUNet, inputs: Inputs, mask: BoolArray, largest: int = LARGEST_CORE
) -> Float32Array:
    """A half-pixel network over an image: what one pass over the whole
    would give, to rounding, wherever it is wanted.

    Parameters
    ----------
    network : SharpeningUNet
    inputs : callable
        Gives the inputs of a window.
    mask : bool array of shape (rows, columns)
        A window in which it is nowhere true is not computed.
    largest : int
        Side of the windows without their halo, a multiple of 8.

    Returns
    -------
    array of shape (rows, columns)
        Z-scored LST; NaN in windows that were not computed.
    """
    if network.upsampling != "half-pixel":
        raise ValueError(
            f"The network upsamples by {network.upsampling}: its windows differ from one pass; blend them."
        )
    rows, columns = mask.shape
    fast, halo = for_inference(network), reach(network)
    predicted = np.full((rows, columns), np.nan, dtype=np.float32)
    windows = [window for window in seamless_windows(rows, columns, largest) if window.of(mask).any()]
    with kept_memory(), torch.inference_mode():
        for window in bar(windows, "Sharpening", "window"):
            around = window.widened(halo, rows, columns)
            window.of(predicted)[...] = window.inside(around).of(_run(fast, inputs(around)))
    return predicted


def predict_blended(
    network: SharpeningUNet, inputs: Inputs, mask: BoolArray, first_row: int = 0, first_column: int = 0
) -> Float32Array:
    """A network over windows of the size of its training patches, every
    `BLENDING_STEP` pixels, blended by a raised cosine.

    Parameters
    ----------
    network, inputs, mask
        As for `predict_seamless`.
    first_row, first_column : int
        Where the grid of windows begins, in pixels left and above of the
        image; at its borders windows are moved inwards.

    Returns
    -------
    array of shape (rows, columns)
        Z-scored LST; NaN where no window was computed.
    """
    rows, columns = mask.shape
    fast = for_inference(network)
    cosine = np.sin(np.pi * (np.arange(TRAINING_SIDE, dtype=np.float32) + 0.5) / TRAINING_SIDE) ** 2
    total, weights = np.zeros((2, rows, columns), dtype=np.float32)
    spans = [
        Window(row_span, column_span)
        for row_span in _overlapping(rows, first_row)
        for column_span in _overlapping(columns, first_column)
    ]
    with kept_memory(), torch.inference_mode():
        for window in bar([window for window in spans if window.of(mask).any()], "Sharpening", "window"):
            output = _run(fast, inputs(window))
            weight = np.outer(cosine[: output.shape[0]], cosine[: output.shape[1]])
            window.of(total)[...] += weight * output
            window.of(weights)[...] += weight
    with np.errstate(invalid="ignore"):
        blended: Float32Array = total / weights
    return blended


def _overlapping(size: int, first: int) -> list[slice]:
    last = max(size - TRAINING_SIDE, 0)
    starts = sorted({min(max(start, 0), last) for start in range(-first, size, BLENDING_STEP)})
    return [slice(start, min(start + TRAINING_SIDE, size)) for start in starts]


def _run(network: nn.Module, inputs: Tensor) -> Float32Array:
    output: Float32Array = network(inputs.contiguous(memory_format=torch.channels_last))[0, 0].numpy()
    return output
