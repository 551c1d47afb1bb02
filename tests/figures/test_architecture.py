"""The network's structure: each number of its state counted once, shapes and connections as run."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from lstsr_core.figures.architecture import INPUT, Layer, blocks, layers, skips, table
from lstsr_core.networks.settings import UPSAMPLINGS, Upsampling
from lstsr_core.networks.unet import SharpeningUNet


def found(upsampling: Upsampling = "align-corners", side: int = 64) -> list[Layer]:
    return layers(SharpeningUNet(upsampling), 2, side, side)


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_the_layers_hold_the_whole_state(upsampling: Upsampling) -> None:
    network = SharpeningUNet(upsampling)
    state = network.state_dict()
    by_module: dict[str, list[Tensor]] = {}
    for name, tensor in state.items():
        by_module.setdefault(name.rpartition(".")[0], []).append(tensor)
    rows = table(layers(network, 2, 64, 64)).set_index("name")
    assert rows["tensors"].sum() == len(state) == 104
    assert rows["numbers"].sum() == sum(tensor.numel() for tensor in state.values()) == 283_906
    assert rows["trained"].sum() == sum(weights.numel() for weights in network.parameters())
    for module, tensors in by_module.items():
        assert rows.loc[module, "numbers"] == sum(tensor.numel() for tensor in tensors), module
    assert (rows.drop(index=list(by_module))["numbers"] == 0).all()


@pytest.mark.parametrize("side", [64, 63])
def test_shapes_are_those_of_a_run(side: int) -> None:
    network = SharpeningUNet().eval()
    outputs: dict[str, tuple[int, ...]] = {}
    for name, module in network.named_modules():
        module.register_forward_hook(
            lambda _module, _inputs, output, name=name: outputs.update({name: tuple(output.shape[1:])})
        )
    with torch.inference_mode():
        network(torch.zeros(1, 2, side, side))
    traced = found(side=side)
    shapes = {layer.name: (layer.channels, layer.rows, layer.columns) for layer in traced}
    leaves = [name for name, module in network.named_modules() if not list(module.children())]
    assert {name: shapes[name] for name in leaves} == {name: outputs[name] for name in leaves}
    for block in blocks(traced)[1:]:
        assert (block.output.channels, block.output.rows, block.output.columns) == outputs[block.name]


def test_multiplications_are_counted() -> None:
    layer = next(layer for layer in found(side=64) if layer.name == "downs.0.widen.0")
    assert layer.multiply_adds == 32 * 16 * 9 * 32 * 32
    assert sum(layer.multiply_adds for layer in found(side=64) if "convolution" not in layer.kind) == 0


def test_the_skips_join_each_level_of_the_way_down_to_the_same_of_the_way_up() -> None:
    parts = blocks(found())
    assert skips(parts) == [("downs.1", "ups.0"), ("downs.0", "ups.1"), ("inlet", "ups.2")]
    sizes = {part.name: part.output.rows for part in parts}
    assert all(sizes[source] == sizes[target] for source, target in skips(parts))


def test_what_is_concatenated_is_the_upsampled_before_the_skip() -> None:
    joined = {layer.block: layer for layer in found() if layer.kind == "concatenation"}
    assert {block: layer.reads for block, layer in joined.items()} == {
        "ups.0": ("ups.0.pad", "downs.1.widen.2"), "ups.1": ("ups.1.pad", "downs.0.widen.2"),
        "ups.2": ("ups.2.pad", "inlet.5"),
    }  # fmt: skip


def test_kinds_tell_the_upsampling() -> None:
    assert {layer.kind for layer in found("align-corners")} - {
        layer.kind for layer in found("half-pixel")
    } == {"bilinear ×2, corners aligned"}


class Chain(nn.Module):
    """One convolution used twice, a skip past a block, and functions that share a name."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 1, 3, padding=1), nn.Sequential(nn.ReLU())

    def forward(self, images: Tensor) -> Tensor:
        once = self.first(images)
        doubled: Tensor = self.second(self.first(once)) + once
        return doubled + images


def test_weights_that_are_used_twice_count_once_and_names_are_unique() -> None:
    traced = layers(Chain(), 1, 8, 8)
    assert [layer.name for layer in traced] == [
        INPUT,
        "first",
        "first#2",
        "second.0",
        "forward.add",
        "forward.add#2",
    ]
    assert sum(layer.numbers for layer in traced) == 10
    assert [layer.multiply_adds for layer in traced[1:3]] == [576, 576]
    assert skips(blocks(traced)) == [(INPUT, "forward"), ("first", "forward")]
