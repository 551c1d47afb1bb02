"""Days of granules of a tile's corner, one of whose pixels is hot."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.geo.raster import Raster
from lstsr_core.modis.hdf_eos import GridDataset, write_granule
from lstsr_core.simulation.granule_writer import write_lst_granule, write_reflectance_granule

TILE = Tile(18, 4)
# Tile pixels that the granule covers. Whole windows of 64 inside:
# row 1 (64 … 127), columns 1 and 2 (64 … 191).
ROWS, COLUMNS = slice(60, 130), slice(62, 200)
WINDOWS = [(1, 1), (1, 2)]
LANDMARK_ROW, LANDMARK_COLUMN = 90, 150  # in window (1, 2)
DAYS = ["2018105", "2018138", "2018161"]
REST = "h18v04.061.2020001000000.hdf"


def tile_lst() -> np.ndarray:
    """The tile's corner, 210×210 coarse pixels, one of them hot."""
    lst_k = 290.0 + 0.02 * np.add.outer(np.arange(210), 2 * np.arange(210))
    lst_k[LANDMARK_ROW, LANDMARK_COLUMN] = 340.0
    return lst_k


def tile_reflectances() -> tuple[np.ndarray, np.ndarray]:
    """Red and NIR of the same corner: NDVI 0.5, and 0.8 in the 16 fine pixels of the hot coarse one."""
    red, nir = np.full((840, 840), 0.1), np.full((840, 840), 0.3)
    landmark = np.s_[4 * LANDMARK_ROW : 4 * LANDMARK_ROW + 4, 4 * LANDMARK_COLUMN : 4 * LANDMARK_COLUMN + 4]
    red[landmark], nir[landmark] = 0.05, 0.45
    return red, nir


def cut(values: np.ndarray, pixel_m: float, rows: slice, columns: slice, tile: Tile = TILE) -> Raster:
    return Raster(values, tile.transform(pixel_m), SINUSOIDAL).crop(rows, columns)


def fine(part: slice) -> slice:
    return slice(4 * part.start, 4 * part.stop)


def write_day(
    directory: Path,
    lst_k: np.ndarray | None = None,
    red: np.ndarray | None = None,
    nir: np.ndarray | None = None,
    day: str = DAYS[0],
    ndvi_part: tuple[slice, slice] = (ROWS, COLUMNS),
    tile: Tile = TILE,
    product: str = "MOD21A1D",
) -> None:
    rest = f"A{day}.{tile}.061.2020001000000.hdf"
    lst_k = tile_lst() if lst_k is None else lst_k
    write_lst_granule(directory / f"{product}.{rest}", cut(lst_k, COARSE_PIXEL_M, ROWS, COLUMNS, tile))
    names = (
        band if band is not None else usual
        for band, usual in zip((red, nir), tile_reflectances(), strict=True)
    )
    bands = (cut(band, FINE_PIXEL_M, fine(ndvi_part[0]), fine(ndvi_part[1]), tile) for band in names)
    write_reflectance_granule(directory / f"MOD09GQ.{rest}", *bands)


def write_water(path: Path, water: np.ndarray, tile: Tile = TILE) -> None:
    dataset = GridDataset("water_mask", water.astype(np.uint8), 250, (0, 1), None, "Water mask", "n/a")
    write_granule(path, "MODIS_Grid_250m", [dataset], tile.transform(FINE_PIXEL_M))
