"""Boxes, arrows and texts in inches on an empty page, for figures that show how things hang together.

Not graphviz: it is a system package, of which `make book` needs none beyond
git and make, and its layouts differ by version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path
from matplotlib.text import Text

Point = tuple[float, float]
"""x from the left and y from the bottom, in inches."""

ROUND = 0.05


@dataclass(frozen=True)
class Box:
    """A rectangle in inches, y upwards."""

    left: float
    bottom: float
    width: float
    height: float

    @property
    def right(self) -> float:
        """x of the right edge."""
        return self.left + self.width

    @property
    def top(self) -> float:
        """y of the upper edge."""
        return self.bottom + self.height

    @property
    def middle(self) -> Point:
        """Centre."""
        return self.left + self.width / 2, self.bottom + self.height / 2


def page(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty figure whose data are inches."""
    figure = Figure(figsize=(width, height))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0), xlim=(0.0, width), ylim=(0.0, height))
    axes.set_axis_off()
    return figure, axes


def frame(axes: Axes, box: Box) -> None:
    """The outline of a box; left unfilled, so that it reads on a light page and a dark one."""
    style = f"round,pad=0,rounding_size={ROUND}"
    axes.add_patch(
        FancyBboxPatch(
            (box.left, box.bottom),
            box.width,
            box.height,
            boxstyle=style,
            fill=False,
            edgecolor="#777777",
            linewidth=1.2,
        )
    )


def write(axes: Axes, x: float, y: float, text: str, size: float = 8.5, **options: str) -> Text:
    """A text whose upper left corner, unless `options` say otherwise, is at a point."""
    place = {"ha": "left", "va": "top", **options}
    return axes.text(x, y, text, fontsize=size, **place)  # type: ignore[arg-type]  # keywords of a text


def arrow(
    axes: Axes, points: Sequence[Point], colour: str = "#777777", dash: str = "-", width: float = 1.3
) -> None:
    """A line through points with its head at the last one."""
    head = FancyArrowPatch(
        path=Path(list(points)),
        arrowstyle="-|>",
        mutation_scale=9,
        color=colour,
        linewidth=width,
        linestyle=dash,
        joinstyle="round",
    )
    axes.add_patch(head)


def dot(axes: Axes, x: float, y: float, colour: str = "#777777") -> None:
    """Where a line leaves a box."""
    axes.plot(x, y, "o", markersize=4.0, color=colour)


def line(axes: Axes, points: Sequence[Point], colour: str = "#777777", dash: str = "-") -> None:
    """A line through points."""
    axes.plot(*zip(*points, strict=True), color=colour, linestyle=dash, linewidth=1.3)
