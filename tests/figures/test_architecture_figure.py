"""The drawing of the network: whole, legible, and another where the network is another."""

from __future__ import annotations

import pytest
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, Rectangle
from torch import nn

from lstsr_core.figures.architecture import INPUT, Layer, layers
from lstsr_core.figures.architecture_figure import architecture_figure
from lstsr_core.networks.unet import DoubleConvolution, Down, SharpeningUNet, Up
from worlds.drawings import assert_no_text_touches_another, texts

TOLD = {INPUT: "upsampled LST\nand NDVI, z-scores", "outlet": "LST, z-scores"}


class Wider(SharpeningUNet):
    """Of twice the width, and a level less."""

    def __init__(self) -> None:
        super().__init__()
        self.inlet = DoubleConvolution(2, 32, 32)
        self.downs = nn.ModuleList([Down(32, 64), Down(64, 64)])
        self.ups = nn.ModuleList([Up(128, 32, "half-pixel"), Up(64, 32, "half-pixel")])
        self.outlet = nn.Conv2d(32, 1, 3, padding=1)


def drawn(network: nn.Module, side: int = 64) -> Figure:
    return architecture_figure(layers(network, 2, side, side), TOLD)


def bars(figure: Figure) -> list[Rectangle]:
    """Of layers; those of the legend are all of one width."""
    return [
        patch
        for patch in figure.axes[0].patches
        if isinstance(patch, Rectangle) and patch.get_width() != 0.26
    ]


@pytest.mark.parametrize("network", [SharpeningUNet, Wider])
@pytest.mark.parametrize("side", [64, 63, 4096])
def test_texts_lie_in_their_boxes_and_clear_of_each_other(network: type[nn.Module], side: int) -> None:
    structure = layers(network(), 2, 64, 64)
    grown = [
        Layer(**{**vars(layer), "rows": layer.rows * side // 64, "columns": layer.columns * side // 64})
        for layer in structure
    ]
    assert_no_text_touches_another(architecture_figure(grown, TOLD))


def test_every_layer_has_a_bar_as_wide_as_its_channels() -> None:
    structure = [layer for layer in layers(SharpeningUNet(), 2, 64, 64) if layer.kind != "padding"]
    widths = [bar.get_width() for bar in bars(drawn(SharpeningUNet()))]
    assert len(widths) == len(structure)
    assert sorted(range(len(widths)), key=lambda index: (widths[index], index)) == sorted(
        range(len(structure)), key=lambda index: (structure[index].channels, index)
    )


def test_padding_shows_where_it_adds_rows() -> None:
    assert len(bars(drawn(SharpeningUNet(), 60))) == len(bars(drawn(SharpeningUNet(), 64))) + 1


def test_arrows_are_those_of_the_graph() -> None:
    arrows = [
        patch for patch in drawn(SharpeningUNet()).axes[0].patches if isinstance(patch, FancyArrowPatch)
    ]
    dashed = [arrow for arrow in arrows if arrow.get_linestyle() == "--"]
    assert len(dashed) == 3  # skip connections
    assert len(arrows) == 8 + 3 + 3  # from block to block, skips, residuals inside blocks


def test_the_drawing_says_what_the_network_is() -> None:
    said = [text.get_text() for text in texts(drawn(SharpeningUNet(), 256))]
    assert "111 363 numbers" in said and "64 × 32 × 32" in said
    assert "State: 283 906 numbers in 104 tensors; 282 705 of the numbers are trained." in said


def test_another_network_gives_another_drawing() -> None:
    one, other = (
        {text.get_text() for text in texts(drawn(network))} for network in (SharpeningUNet(), Wider())
    )
    assert "32 × 64 × 64" in other - one and "downs.2" in one - other
    numbers = sum(tensor.numel() for tensor in Wider().state_dict().values())
    assert any(text.startswith(f"State: {numbers:,}".replace(",", " ")) for text in other)
    assert {"bilinear ×2, half-pixel centres"} <= other - one
