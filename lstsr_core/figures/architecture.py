"""The network's structure, read off its own graph: layers, shapes, numbers, and who reads whom."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pandas as pd
import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

INPUT = "input"


@dataclass(frozen=True)
class Layer:
    """One operation of a network that gives an image.

    Attributes
    ----------
    name : str
        Of its module as the state names it; of a function, its block's
        and its own; used again, a number after ``#``.
    block : str
        The module that the network's own ``forward`` calls, such
        as ``downs.0``; the input is a block of its own.
    kind : str
        What it does, such as "convolution 3×3".
    channels, rows, columns : int
        Of its output.
    reads : tuple of str
        Names of the layers whose output it takes.
    tensors, numbers : int
        Of its state, buffers included: what a weights file holds of it.
    trained : int
        Numbers of the state that training changes by gradient.
    multiply_adds : int
        Of a convolution, for one input; other layers cost little and count as 0.
    """

    name: str
    block: str
    kind: str
    channels: int
    rows: int
    columns: int
    reads: tuple[str, ...]
    tensors: int = 0
    numbers: int = 0
    trained: int = 0
    multiply_adds: int = 0


@dataclass(frozen=True)
class Block:
    """Layers that belong together, and the blocks whose output they read."""

    name: str
    layers: tuple[Layer, ...]
    reads: tuple[str, ...]

    @property
    def output(self) -> Layer:
        """The last layer, whose output is the block's."""
        return self.layers[-1]

    @property
    def numbers(self) -> int:
        """Numbers of the block's state."""
        return sum(layer.numbers for layer in self.layers)


def layers(network: nn.Module, channels: int, rows: int, columns: int) -> list[Layer]:
    """Every layer in the order of computation, the input first, found by tracing the network and running it.

    Parameters
    ----------
    network : Module
        Whose ``forward`` takes one tensor, in evaluation mode or not.
    channels, rows, columns : int
        Of an input.
    """
    traced = fx.symbolic_trace(network)
    with torch.inference_mode():
        ShapeProp(traced).propagate(torch.zeros(1, channels, rows, columns))
    modules = dict(network.named_modules())
    names: dict[fx.Node, str] = {}
    network_layers: list[Layer] = []
    for node in traced.graph.nodes:
        shape = getattr(node.meta.get("tensor_meta"), "shape", None)
        if (
            node.op == "output" or shape is None or len(shape) != 4
        ):  # sizes that are read off a tensor are no layers
            continue
        block = next(
            iter(node.meta.get("nn_module_stack", {})), INPUT if node.op == "placeholder" else "forward"
        )
        name = _name(node, block, names)
        names[node] = name
        reads = tuple(names[source] for source in node.all_input_nodes if source in names)
        module = modules.get(name)  # a module that is used again has another name, and its weights count once
        state = list(module.state_dict().values()) if module is not None else []
        network_layers.append(
            Layer(
                name, block, _kind(node, modules), int(shape[1]), int(shape[2]), int(shape[3]), reads,
                tensors=len(state), numbers=sum(tensor.numel() for tensor in state),
                trained=sum(weights.numel() for weights in module.parameters()) if module is not None else 0,
                multiply_adds=_multiply_adds(modules.get(str(node.target)), shape),
            )
        )  # fmt: skip
    return network_layers


def _name(node: fx.Node, block: str, taken: dict[fx.Node, str]) -> str:
    if node.op == "placeholder":
        return INPUT
    name = (
        str(node.target)
        if node.op == "call_module"
        else f"{block}.{getattr(node.target, '__name__', node.target)}"
    )
    again = sum(other.partition("#")[0] == name for other in taken.values())
    return f"{name}#{again + 1}" if again else name


def _kind(node: fx.Node, modules: dict[str, nn.Module]) -> str:
    if node.op == "placeholder":
        return INPUT
    if node.op == "call_module":
        module = modules[str(node.target)]
        if isinstance(module, nn.Conv2d):
            return "convolution " + "×".join(str(size) for size in module.kernel_size)
        return "batch norm" if isinstance(module, nn.BatchNorm2d) else type(module).__name__
    function = getattr(node.target, "__name__", str(node.target))
    if function == "interpolate":
        pixels = "corners aligned" if node.kwargs["align_corners"] else "half-pixel centres"
        return f"{node.kwargs['mode']} ×{node.kwargs['scale_factor']}, {pixels}"
    if function == "avg_pool2d":
        return f"average pooling {node.args[1]}×{node.args[1]}"
    return {"cat": "concatenation", "add": "sum", "pad": "padding"}.get(function, function)


def _multiply_adds(module: nn.Module | None, shape: Sequence[int]) -> int:
    if not isinstance(module, nn.Conv2d):
        return 0
    return math.prod(shape[1:]) * module.in_channels // module.groups * math.prod(module.kernel_size)


def blocks(layers: Sequence[Layer]) -> list[Block]:
    """The blocks of a network in the order of computation,
    each with the blocks that it reads, in that order."""
    block_of = {layer.name: layer.block for layer in layers}
    names = list(dict.fromkeys(block_of.values()))
    gathered = []
    for name in names:
        members = tuple(layer for layer in layers if layer.block == name)
        inputs = {block_of[source] for layer in members for source in layer.reads}
        gathered.append(
            Block(name, members, tuple(source for source in names if source in inputs and source != name))
        )
    return gathered


def skips(blocks: Sequence[Block]) -> list[tuple[str, str]]:
    """Skip connections, from and to: a block's output that is read by another than the next block."""
    follows = {block.name: after.name for block, after in pairwise(blocks)}
    return [
        (source, block.name) for block in blocks for source in block.reads if follows[source] != block.name
    ]


def table(layers: Sequence[Layer]) -> pd.DataFrame:
    """A row for each layer: name, block, kind, output, state,
    cost, and the names of the layers that it reads."""
    rows: list[dict[str, Any]] = []
    for layer in layers:
        rows.append({**vars(layer), "reads": " ".join(layer.reads)})
    columns = [
        "name",
        "block",
        "kind",
        "channels",
        "rows",
        "columns",
        "tensors",
        "numbers",
        "trained",
        "multiply_adds",
        "reads",
    ]
    return pd.DataFrame(rows)[columns]
