"""The footprints of an atlas as an inline SVG, whose colours are the page's: a chooser of links, or a locator of one scene."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

import numpy as np
import shapely

from lstsr_book.markup import text
from lstsr_core.geo.raster import FloatArray
from lstsr_core.geo.shorelines import Extent, lines

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
            f'<a href="{text(addresses[scene])}" aria-label="{text(names[scene])}"><title>{text(names[scene])}</title>'
            f'<path class="footprint" d="{self._path(outline)}"/></a>'
            for scene, outline in self._small_last()
        ]
        shapes = [self._graticule(), *links]
        role = 'role="group" aria-label="Map of the footprints; each opens its pair"'
        return self._svg("atlas-map", role, self._ground("i"), shapes)

    def locator(self, scene: str, name: str) -> str:
        """The map with one footprint filled and the others faint."""
        others = "".join(self._path(outline) for other, outline in self.outlines.items() if other != scene)
        paths = [f'<path class="footprint other" d="{others}"/>'] if others else []
        paths.append(f'<path class="footprint here" d="{self._path(self.outlines[scene])}"/>')
        return self._svg("atlas-locator", f'role="img" aria-label="{text(name)}"', self._coarse_ground, paths)

    def _graticule(self) -> str:
        """Meridians and parallels at whole degrees, with their names along the lower and the left edge."""
        extent = self.extent
        longitudes, latitudes = _whole_degrees(extent.west, extent.east), _whole_degrees(extent.south, extent.north)
        along = np.linspace(extent.south, extent.north, 2 * len(latitudes) + 3)
        meridians = [self._path(np.column_stack([np.full_like(along, degrees), along]), closed=False) for degrees in longitudes]
        parallels = [self._path(np.array([[extent.west, d], [extent.east, d]]), closed=False) for d in latitudes]
        names = [(self._place(d, extent.south), 'dx="4" dy="-6"', _named(d, "E", "W")) for d in longitudes]
        names += [((0.0, self._place(extent.west, d)[1]), 'dx="6" dy="-4"', _named(d, "N", "S")) for d in latitudes]
        labels = "".join(
            f'<text x="{x:.1f}" y="{y:.1f}" {shift}>{name}</text>' for (x, y), shift, name in names if x < _WIDTH - 50 and y > 20
        )
        return f'<g class="graticule" aria-hidden="true"><path d="{"".join([*meridians, *parallels])}"/>{labels}</g>'

    def _small_last(self) -> list[tuple[str, FloatArray]]:
        """The smallest on top, so that none is covered whole."""
        return sorted(self.outlines.items(), key=lambda item: -float(shapely.Polygon(item[1]).area))

    def _svg(self, kind: str, role: str, ground: Mapping[str, str], shapes: list[str]) -> str:
        return (
            f'<svg class="{kind}" viewBox="0 0 {_WIDTH:g} {self._height:.0f}" {role}>'
            + "".join(f'<path class="{part}" d="{path}"/>' for part, path in ground.items())
            + "".join(shapes)
            + "</svg>"
        )

    @cached_property
    def _coarse_ground(self) -> dict[str, str]:
        return self._ground("l")  # the same on every scene's page, and small there

    def _ground(self, resolution: str) -> dict[str, str]:
        box = shapely.box(self.extent.west, self.extent.south, self.extent.east, self.extent.north)
        ground = {}
        for kind in ("shorelines", "borders"):
            found = [shapely.LineString(line).intersection(box) for line in lines(kind, self.extent, resolution) if len(line) > 1]
            parts = [part for inside in found for part in shapely.get_parts(inside) if part.length > _SHORTEST_DEGREES]
            ground[kind] = "".join(self._path(np.asarray(part.coords), closed=False) for part in parts)
        return ground

    @cached_property
    def _scale(self) -> float:
        """Units of the drawing per degree of latitude."""
        widest = min(abs(self.extent.south), abs(self.extent.north)) if self.extent.south * self.extent.north > 0 else 0.0
        return float(_WIDTH / ((self.extent.east - self.extent.west) * np.cos(np.deg2rad(widest))))

    @property
    def _height(self) -> float:
        return self._scale * (self.extent.north - self.extent.south)

    def _place(self, longitude: Degrees, latitude: Degrees) -> tuple[Degrees, Degrees]:
        """x to the right and y downwards in units of the drawing."""
        middle = (self.extent.west + self.extent.east) / 2.0
        x = _WIDTH / 2.0 + self._scale * (longitude - middle) * np.cos(np.deg2rad(latitude))
        return x, self._scale * (self.extent.north - latitude)

    def _path(self, degrees: FloatArray, closed: bool = True) -> str:
        line = shapely.LineString(np.column_stack(self._place(degrees[:, 0], degrees[:, 1])))
        drawn = line if closed else line.simplify(_TOLERANCE)
        points = [f"{x:.1f} {y:.1f}" for x, y in drawn.coords]
        return f"M{'L'.join(points[:-1] if closed else points)}{'Z' if closed else ''}"


def _whole_degrees(low: float, high: float) -> list[int]:
    """Multiples of 1, 2, 5 … degrees strictly between two, few enough to read."""
    for step in (1, 2, 5, 10, 20, 45, 90):
        found = list(range(math.floor(low / step) * step + step, math.ceil(high), step))
        if len(found) <= _MOST_LINES:
            break
    return found


def _named(degrees: int, positive: str, negative: str) -> str:
    return f"{abs(degrees)}° {positive if degrees > 0 else negative}" if degrees else "0°"
