"""The MODIS sinusoidal grid: tiles of 10 degrees, cut into 1200 coarse and 4800 fine pixels a side."""

from __future__ import annotations

import re
from dataclasses import dataclass

from affine import Affine
from rasterio.crs import CRS

from lstsr_core.base.errors import InputError

SPHERE_RADIUS_M = 6371007.181
TILE_SIZE_M = 1111950.5197
GRID_LEFT_M = -20015109.354
GRID_TOP_M = 10007554.677
SINUSOIDAL = CRS.from_proj4(f"+proj=sinu +lon_0=0 +x_0=0 +y_0=0 +R={SPHERE_RADIUS_M} +units=m +no_defs")

SCALE = 4
"""Fine pixels (250 m) along one coarse pixel (1 km)."""
TILE_COARSE_PIXELS = 1200
TILE_FINE_PIXELS = SCALE * TILE_COARSE_PIXELS
COARSE_PIXEL_M = TILE_SIZE_M / TILE_COARSE_PIXELS
FINE_PIXEL_M = TILE_SIZE_M / TILE_FINE_PIXELS


def check_nested(lst: tuple[int, ...], ndvi: tuple[int, ...], name: str = "") -> None:
    """Refuse an NDVI that has not four times the LST's rows and columns.

    Parameters
    ----------
    lst, ndvi : tuple of int
        Shapes (rows, columns), or (patches, rows, columns).
    name : str
        What they are of, for the message.

    Raises
    ------
    InputError
    """
    if len(lst) < 2 or ndvi != (*lst[:-2], *(SCALE * side for side in lst[-2:])):
        raise InputError(
            f"{name and name + ': '}NDVI has shape {ndvi} and LST {lst}; expected both (rows, columns) and"
            f" NDVI with {SCALE} times the LST's, over the same ground."
        )


@dataclass(frozen=True)
class Tile:
    """One tile of the MODIS sinusoidal grid, such as h18v04.

    Attributes
    ----------
    horizontal : int
        0 … 35, from the west.
    vertical : int
        0 … 17, from the north.
    """

    horizontal: int
    vertical: int

    @classmethod
    def parse(cls, name: str) -> Tile:
        """Read a name such as ``h18v04``.

        >>> Tile.parse("h18v04")
        Tile(horizontal=18, vertical=4)
        """
        match = re.fullmatch(r"h(\d\d)v(\d\d)", name)
        if not match or int(match[1]) > 35 or int(match[2]) > 17:
            raise InputError(
                f"'{name}' is not a MODIS tile; expected a name from h00v00 to h35v17, such as h18v04."
            )
        return cls(int(match[1]), int(match[2]))

    @classmethod
    def at(cls, x_m: float, y_m: float) -> Tile:
        """The tile that a point in the sinusoidal projection lies in.

        >>> str(Tile.at(270_000.0, 5_100_000.0))
        'h18v04'
        """
        return cls(int((x_m - GRID_LEFT_M) // TILE_SIZE_M), int((GRID_TOP_M - y_m) // TILE_SIZE_M))

    def __str__(self) -> str:
        return f"h{self.horizontal:02d}v{self.vertical:02d}"

    @property
    def left_m(self) -> float:
        return GRID_LEFT_M + self.horizontal * TILE_SIZE_M

    @property
    def top_m(self) -> float:
        return GRID_TOP_M - self.vertical * TILE_SIZE_M

    @property
    def centre_m(self) -> tuple[float, float]:
        """x and y of its middle."""
        return self.left_m + TILE_SIZE_M / 2.0, self.top_m - TILE_SIZE_M / 2.0

    def transform(self, pixel_m: float) -> Affine:
        """Transform of the tile's grid of square pixels of this size, in the sinusoidal CRS."""
        return Affine(pixel_m, 0.0, self.left_m, 0.0, -pixel_m, self.top_m)
