"""The network as a figure: its blocks down one side and up the other,
a bar for each layer, skip connections across."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, pairwise

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from lstsr_core.figures.architecture import INPUT, Block, Layer, blocks, skips
from lstsr_core.figures.diagram import Box, arrow, frame, line, page, write
from lstsr_core.figures.files import styled

_COLOURS = ["#0072B2", "#999999", "#E69F00", "#CC79A7", "#009E73", "#D55E00", "#56B4E9", "#882255"]
# Inches: page, box, box, gap sideways, gap downwards.
_MARGIN, _WIDTH, _HEIGHT, _ACROSS, _BETWEEN = 0.1, 2.42, 1.12, 0.76, 0.26
_BAR_HEIGHT, _BAR_GAP, _THINNEST = 0.44, 0.035, 0.04
_LEGEND_LINE = 0.22
SKIP_COLOUR = "#D55E00"


@styled
def architecture_figure(layers: Sequence[Layer], notes: Mapping[str, str]) -> Figure:
    """Draw a network that narrows and widens again.

    Parameters
    ----------
    layers : sequence of Layer
        As `figures.architecture.layers` gives them.
    notes : mapping
        Block → a line on what its output is.
    """
    parts = blocks(layers)
    column, row = _places(parts)
    rows = 1 + max(row.values())
    kinds = list(dict.fromkeys(layer.kind for part in parts for layer in _drawn(part) if layer.kind != INPUT))
    legend = (3 + -(-len(kinds) // 2)) * _LEGEND_LINE
    height = 2 * _MARGIN + rows * _HEIGHT + (rows - 1) * _BETWEEN + legend
    figure, axes = page(2 * (_MARGIN + _WIDTH) + _ACROSS, height)
    boxes = {
        part.name: Box(
            _MARGIN + column[part.name] * (_WIDTH + _ACROSS),
            height - _MARGIN - _HEIGHT - row[part.name] * (_HEIGHT + _BETWEEN), _WIDTH, _HEIGHT,
        )
        for part in parts
    }  # fmt: skip
    colours = dict(zip(kinds, cycle(_COLOURS), strict=False)) | {INPUT: "#777777"}
    bars = {part.name: _drawn(part) for part in parts}
    room = min(
        (_WIDTH - 0.2 - len(members) * (_BAR_GAP + _THINNEST)) / sum(bar.channels for bar in members)
        for members in bars.values()
    )
    most_rows = max(layer.rows for layer in layers)
    for part in parts:
        _draw_block(axes, boxes[part.name], part, notes.get(part.name, ""))
        _draw_bars(axes, boxes[part.name], bars[part.name], colours, room, most_rows)
    crossing = skips(parts)
    for part in parts:
        for source in part.reads:
            _connect(axes, boxes[source], boxes[part.name], (source, part.name) in crossing)
    _draw_legend(axes, layers, {kind: colours[kind] for kind in kinds}, legend)
    return figure


def _places(parts: Sequence[Block]) -> tuple[dict[str, int], dict[str, int]]:
    """Column (0 down, 1 up) and row of each block; where a skip connection ends, that of its source."""
    deepest = min(range(len(parts)), key=lambda index: parts[index].output.rows)
    column = {part.name: int(index > deepest) for index, part in enumerate(parts)}
    row = {part.name: index for index, part in enumerate(parts[: deepest + 1])}
    across = {target: source for source, target in skips(parts) if not column[source]}
    above = deepest
    for part in parts[deepest + 1 :]:
        above = min(above - 1, row[across[part.name]]) if part.name in across else above - 1
        row[part.name] = above
    highest = min(row.values())  # above the input, where there are more blocks upwards than downwards
    return column, {name: place - highest for name, place in row.items()}


def _drawn(block: Block) -> list[Layer]:
    """The block's layers without padding that adds nothing."""
    sizes = {layer.name: (layer.rows, layer.columns) for layer in block.layers}
    return [
        layer
        for layer in block.layers
        if layer.kind != "padding" or sizes.get(layer.reads[0]) != (layer.rows, layer.columns)
    ]


def _draw_block(axes: Axes, box: Box, block: Block, note: str) -> None:
    frame(axes, box)
    output = block.output
    write(axes, box.left + 0.1, box.top - 0.08, block.name, 9.5, weight="bold")
    if block.numbers:
        write(
            axes, box.right - 0.1, box.top - 0.08, f"{block.numbers:,} numbers".replace(",", " "), ha="right"
        )
    write(axes, box.right - 0.1, box.bottom + 0.3 + _BAR_HEIGHT / 2, note, ha="right", va="center")
    write(
        axes,
        box.left + 0.1,
        box.bottom + 0.09,
        f"{output.channels} × {output.rows} × {output.columns}",
        va="bottom",
    )


def _draw_bars(
    axes: Axes, box: Box, members: Sequence[Layer], colours: Mapping[str, str], room: float, most_rows: int
) -> None:
    bottom, x = box.bottom + 0.3, box.left + 0.1
    middle: dict[str, float] = {}
    for layer in members:
        width, height = _THINNEST + room * layer.channels, _BAR_HEIGHT * (layer.rows / most_rows) ** 0.4
        axes.add_patch(Rectangle((x, bottom), width, height, color=colours[layer.kind], linewidth=0))
        middle[layer.name] = x + width / 2
        x += width + _BAR_GAP
    for before, layer in pairwise(members):
        for source in layer.reads:
            if source in middle and source != before.name:  # a way around, inside the block
                top = bottom + _BAR_HEIGHT * (layer.rows / most_rows) ** 0.4
                ends = middle[source], middle[layer.name]
                arrow(
                    axes,
                    [(ends[0], top), (ends[0], top + 0.09), (ends[1], top + 0.09), (ends[1], top - 0.02)],
                    width=0.9,
                )


def _connect(axes: Axes, source: Box, target: Box, skips_over: bool) -> None:
    (x, y), (x_end, y_end) = source.middle, target.middle
    downwards = y > y_end
    near, far = (source.bottom, target.top) if downwards else (source.top, target.bottom)
    if source.left == target.left and abs(near - far) < 2 * _BETWEEN:
        points = [(x, near), (x, far)]
    elif source.left == target.left:  # around the boxes between
        points = [
            (source.left, y),
            (source.left - _MARGIN / 2, y),
            (source.left - _MARGIN / 2, y_end),
            (source.left, y_end),
        ]
    elif y == y_end:
        points = [(source.right, y), (target.left, y_end)]
    elif skips_over:
        turn = source.right + _ACROSS / 2
        points = [(source.right, y), (turn, y), (turn, y_end), (target.left, y_end)]
    else:
        points = [(source.right, y), (x_end, y), (x_end, far)]
    arrow(axes, points, *((SKIP_COLOUR, "--") if skips_over else ("#777777", "-")))


def _draw_legend(axes: Axes, layers: Sequence[Layer], colours: Mapping[str, str], height: float) -> None:
    left, top = _MARGIN, height + _MARGIN - 0.5 * _LEGEND_LINE
    lines = -(-len(colours) // 2)
    for index, (kind, colour) in enumerate(colours.items()):
        x, y = left + (index // lines) * (_WIDTH + _ACROSS), top - (index % lines) * _LEGEND_LINE
        axes.add_patch(Rectangle((x, y - 0.13), 0.26, 0.11, color=colour, linewidth=0))
        write(axes, x + 0.36, y, kind)
    y = top - lines * _LEGEND_LINE
    line(axes, [(left, y - 0.07), (left + 0.26, y - 0.07)], SKIP_COLOUR, "--")
    write(axes, left + 0.36, y, "skip connection")
    write(axes, left + _WIDTH + _ACROSS, y, "Bars: width channels, height rows")
    totals = [sum(getattr(layer, name) for layer in layers) for name in ("numbers", "tensors", "trained")]
    numbers, tensors, trained = (f"{total:,}".replace(",", " ") for total in totals)
    write(
        axes,
        left,
        y - _LEGEND_LINE,
        f"State: {numbers} numbers in {tensors} tensors; {trained} of the numbers are trained.",
    )
