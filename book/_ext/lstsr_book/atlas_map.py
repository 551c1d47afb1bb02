"""The footprints of an atlas as SVG in the page's colours: a chooser of links, or a locator of a scene."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import shapely

from lstsr_book.markup import part
from lstsr_core.geo.raster import FloatArray
from lstsr_core.geo.shorelines import Extent, lines

_TEMPLATE = "footprints.svg"
_MARGIN_DEGREES = 0.6
_SMALLEST_DEGREES = 8.0
"""Less than this, and no shoreline would tell where it is."""

_SHORTEST_DEGREES = 0.5
"""Shorter shorelines are those of ponds."""

_WIDTH = 720.0
_TOLERANCE = 0.8
"""In units of the drawing: what a line may lose in being simplified."""

_MOST_LINES = 6
"""Meridians, or parallels, of a graticule."""

Degrees = TypeVar("Degrees", float, FloatArray)


@dataclass(frozen=True)
class FootprintMap:
    """Footprints, shorelines and borders in a sinusoidal projection about the middle of all footprints.

    Attributes
    ----------
    outlines : mapping of str to array of shape (points, 2)
        Longitude and latitude in degrees, by scene.
    """

    outlines: Mapping[str, FloatArray]

    @cached_property
    def extent(self) -> Extent:
        """A margin around all footprints, wider where they lie close together."""
        points = np.concatenate(list(self.outlines.values()))
        low, high = points.min(axis=0), points.max(axis=0)
        half = np.maximum((high - low) / 2.0 + _MARGIN_DEGREES, _SMALLEST_DEGREES / 2.0)
        (west, south), (east, north) = (low + high) / 2.0 - half, (low + high) / 2.0 + half
        return Extent(float(west), float(south), float(east), float(north))

    def chooser(self, addresses: Mapping[str, str], names: Mapping[str, str]) -> str:
        """The map with a link on each footprint.

        Parameters
        ----------
        addresses, names : mapping of str to str
            Where each scene's link leads, and what it is called.
        """
        links = [
            {"address": addresses[scene], "name": names[scene], "path": self._path(outline)}
            for scene, outline in self._small_last()
        ]
        return part("chooser", self, self._graticule(), links, template=_TEMPLATE)

    def locator(self, scene: str, name: str) -> str:
        """The map with one footprint filled and the others faint."""
        others = "".join(self._path(outline) for other, outline in self.outlines.items() if other != scene)
        return part("locator", self, name, self._path(self.outlines[scene]), others, template=_TEMPLATE)

    def _graticule(self) -> dict[str, object]:
        """Meridians and parallels at whole degrees, with their names along the lower and the left edge."""
        extent = self.extent
        longitudes = _whole_degrees(extent.west, extent.east)
        latitudes = _whole_degrees(extent.south, extent.north)
        along = np.linspace(extent.south, extent.north, 2 * len(latitudes) + 3)
        lines = [np.column_stack([np.full_like(along, degrees), along]) for degrees in longitudes]
        lines += [np.array([[extent.west, degrees], [extent.east, degrees]]) for degrees in latitudes]
        labels = [
            _Label(*self._place(degrees, extent.south), 4, -6, _degrees_text(degrees, "E", "W"))
            for degrees in longitudes
        ]
        labels += [
            _Label(0.0, self._place(extent.west, degrees)[1], 6, -4, _degrees_text(degrees, "N", "S"))
            for degrees in latitudes
        ]
        return {
            "path": "".join(self._path(line, closed=False) for line in lines),
            "labels": [label for label in labels if label.x < _WIDTH - 50 and label.y > 20],
        }

    def _small_last(self) -> list[tuple[str, FloatArray]]:
        """The smallest on top, so that none is covered whole."""
        return sorted(self.outlines.items(), key=lambda item: -float(shapely.Polygon(item[1]).area))

    @cached_property
    def ground(self) -> dict[str, str]:
        """Paths of shorelines and borders."""
        return self._ground("i")

    @cached_property
    def coarse_ground(self) -> dict[str, str]:
        """The same, small, for it is on every scene's page."""
        return self._ground("l")

    def _ground(self, resolution: str) -> dict[str, str]:
        box = shapely.box(self.extent.west, self.extent.south, self.extent.east, self.extent.north)
        ground = {}
        for kind in ("shorelines", "borders"):
            paths = [line for line in lines(kind, self.extent, resolution) if len(line) > 1]
            inside = [shapely.LineString(path).intersection(box) for path in paths]
            parts = [
                each for line in inside for each in shapely.get_parts(line) if each.length > _SHORTEST_DEGREES
            ]
            ground[kind] = "".join(self._path(np.asarray(each.coords), closed=False) for each in parts)
        return ground

    @property
    def width(self) -> str:
        return f"{_WIDTH:g}"

    @property
    def height(self) -> str:
        return f"{self._scale * (self.extent.north - self.extent.south):.0f}"

    @cached_property
    def _scale(self) -> float:
        """Units of the drawing per degree of latitude."""
        extent = self.extent
        widest = min(abs(extent.south), abs(extent.north)) if extent.south * extent.north > 0 else 0.0
        return float(_WIDTH / ((extent.east - extent.west) * np.cos(np.deg2rad(widest))))

    def _place(self, longitude: Degrees, latitude: Degrees) -> tuple[Degrees, Degrees]:
        """x to the right and y downwards in units of the drawing."""
        middle = (self.extent.west + self.extent.east) / 2.0
        x = _WIDTH / 2.0 + self._scale * (longitude - middle) * np.cos(np.deg2rad(latitude))
        return x, self._scale * (self.extent.north - latitude)

    def _path(self, degrees: FloatArray, closed: bool = True) -> str:
        line = shapely.LineString(np.column_stack(self._place(degrees[:, 0], degrees[:, 1])))
        path = line if closed else line.simplify(_TOLERANCE)
        points = [f"{x:.1f} {y:.1f}" for x, y in path.coords]
        return f"M{'L'.join(points[:-1] if closed else points)}{'Z' if closed else ''}"


@dataclass(frozen=True)
class _Label:
    """Words on the drawing: their place, and how far right and down of it they stand."""

    x: float
    y: float
    right: int
    down: int
    words: str


def _whole_degrees(low: float, high: float) -> list[int]:
    """Multiples of 1, 2, 5 … degrees strictly between two, few enough to read."""
    for step in (1, 2, 5, 10, 20, 45, 90):
        degrees = list(range(math.floor(low / step) * step + step, math.ceil(high), step))
        if len(degrees) <= _MOST_LINES:
            break
    return degrees


def _degrees_text(degrees: int, positive: str, negative: str) -> str:
    return f"{abs(degrees)}° {positive if degrees > 0 else negative}" if degrees else "0°"
