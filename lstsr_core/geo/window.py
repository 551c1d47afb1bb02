"""A rectangle of an image's pixels."""

from __future__ import annotations

from dataclasses import dataclass

from numpy.typing import NDArray

from lstsr_core.geo.raster import Pixel


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels of an image.

    Attributes
    ----------
    rows, columns : slice
        With start and stop.
    """

    rows: slice
    columns: slice

    def of(self, image: NDArray[Pixel]) -> NDArray[Pixel]:
        """The pixels of an image of shape (rows, columns) inside it; a view."""
        return image[self.rows, self.columns]

    def widened(self, pixels: int, rows: int, columns: int) -> Window:
        """With a border of so many pixels, as far as an image of this size has them."""
        return Window(_widened(self.rows, pixels, rows), _widened(self.columns, pixels, columns))

    def inside(self, outer: Window) -> Window:
        """The same pixels, counted from the first row and column of a window around it."""
        return Window(_moved(self.rows, -outer.rows.start), _moved(self.columns, -outer.columns.start))


def _widened(span: slice, pixels: int, size: int) -> slice:
    return slice(max(span.start - pixels, 0), min(span.stop + pixels, size))


def _moved(span: slice, pixels: int) -> slice:
    return slice(span.start + pixels, span.stop + pixels)
