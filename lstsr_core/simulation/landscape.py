"""The landscape that simulated MODIS scenes lie over: relief, forest, parcelled
fields, towns, rivers, lakes and, if wanted, seas.

It is one Earth for each seed: a function of the place on the MODIS sinusoidal grid, so that neighbouring
tiles match, and a part is the same whether drawn alone or within more. Constants that have no source of
their own were chosen so that the simulated pairs resemble the published ones in `pair_statistics`.
"""

from __future__ import annotations

import datetime
import itertools
import math
from dataclasses import dataclass

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage, special

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import FINE_PIXEL_M, SCALE, TILE_COARSE_PIXELS, Tile
from lstsr_core.geo.raster import BoolArray
from lstsr_core.geo.window import Window
from lstsr_core.pairs.pair import PATCH_COARSE_PIXELS
from lstsr_core.simulation.fields import (
    ORIGIN,
    Float32Array,
    Key,
    cells,
    fractal,
    refined,
    stream,
    stream_at,
    uniform,
    white,
)

TILE = Tile(18, 4)
TILE_WINDOWS = TILE_COARSE_PIXELS // PATCH_COARSE_PIXELS
FIRST_WINDOW_ROW, FIRST_WINDOW_COLUMN = 6, 4
"""Upper left window of the simulated area, well inland."""

MARGIN_COARSE_PIXELS = 16
"""Truth around the granules' area, so that the PSF has context, an ASTER swath
reaches past its LST patch, and land within 15 km of an area's sea is seen."""

STRIP_COARSE_ROWS = 64
"""What is computed at a time where a whole tile at once would take too much memory."""

# Independent random streams of one seed, so that one part of the
# simulation can change without redrawing the others.
_RELIEF, _MOISTURE, _FOREST, _PARCELS, _TOWNS, _RIVERS, _TEXTURE, PAIRS_STREAM, _SEAS, _LAKES = range(10)


@dataclass(frozen=True)
class Landscape:
    """What does not change from day to day, on the 250 m grid with its margin, all of shape (rows, columns).

    Attributes
    ----------
    height_m : array
        Above the valley floors.
    moisture : array
        Soil water, mean 0 and standard deviation 1 over the globe.
    forest, town, water : array
        Shares of the pixel, 0 … 1.
    sea : bool array
        Where most of the water is the sea's.
    crop : uint8 array
        Index into `CROPS` of the parcel.
    parcel_ndvi : array
        The parcel's own deviation from its crop's NDVI.
    parcel_k : array
        How much warmer than its NDVI tells the parcel's soil is in full sun, kelvin.
    texture : array
        NDVI's variation inside parcels and forests, mean 0.
    area : Window
        Which coarse pixels it shows, without its margin, counted from the upper left corner of the
        whole sinusoidal grid.
    transform : affine.Affine
        Of the 250 m grid with its margin.
    seed : int
    """

    height_m: Float32Array
    moisture: Float32Array
    forest: Float32Array
    town: Float32Array
    water: Float32Array
    sea: BoolArray
    crop: NDArray[np.uint8]
    parcel_ndvi: Float32Array
    parcel_k: Float32Array
    texture: Float32Array
    area: Window
    transform: Affine
    seed: int


@dataclass(frozen=True)
class Crop:
    """What grows on a parcel: its NDVI outside and at the height of its season.

    Attributes
    ----------
    share : float
        Of the parcels.
    bare, full : float
        NDVI.
    peak_day : float
        Day of the year.
    length_days : float
        Standard deviation of its bell-shaped season.
    """

    share: float
    bare: float
    full: float
    peak_day: float
    length_days: float

    def ndvi(self, date: datetime.date) -> float:
        """NDVI of the crop on a day."""
        away = days_between(date, self.peak_day)
        return self.bare + (self.full - self.bare) * math.exp(-0.5 * (away / self.length_days) ** 2)


CROPS = (
    Crop(
        share=0.30, bare=0.44, full=0.78, peak_day=130.0, length_days=42.0
    ),  # winter cereals, harvested in July
    Crop(share=0.25, bare=0.38, full=0.82, peak_day=212.0, length_days=38.0),  # maize and other summer crops
    Crop(share=0.45, bare=0.52, full=0.74, peak_day=165.0, length_days=75.0),  # grassland
)


def landscape(
    seed: int = 42,
    windows: int | None = 4,
    tile: Tile = TILE,
    sea: bool = False,
    window: Window | None = None,
) -> Landscape:
    """Draw a part of the Earth of a seed.

    Parameters
    ----------
    seed : int
    windows : int, optional
        Side of the square area in windows of 64×64 coarse pixels, on the
        tile's own window grid; None is the whole tile.
    tile : Tile
        Where it lies.
    sea : bool
        Draw the seas, too; all else stays as it is.
    window : Window, optional
        The area instead of `windows`: coarse pixels of the tile.

    Raises
    ------
    InputError
        If that many windows, or this window, do not fit into a tile.
    """
    area = tile_area(windows, tile) if window is None else window_area(window, tile)
    margin = MARGIN_COARSE_PIXELS
    rows, columns = (
        slice(SCALE * (span.start - margin), SCALE * (span.stop + margin))
        for span in (area.rows, area.columns)
    )
    # Lakes lie around centres that may be outside.
    wide = _LAKE_REACH_PIXELS
    wide_relief = fractal((seed, _RELIEF), 1.7, _widened(rows, wide), _widened(columns, wide))
    relief = wide_relief[wide:-wide, wide:-wide].copy()
    # Forest keeps to the hills; its edge is some 200 m wide.
    wooded = fractal((seed, _FOREST), 1.35, rows, columns)
    wooded += np.float32(0.5) * relief
    forest = _share(wooded, threshold=0.65, width=0.15)
    crop, parcel_ndvi, parcel_k = _parcels((seed, _PARCELS), rows, columns)
    water = np.zeros_like(relief)
    _add_rivers(water, (seed, _RIVERS), rows, columns)
    _add_lakes(water, (seed, _LAKES), rows, columns, wide_relief)
    sea_share = _seas((seed, _SEAS), rows, columns, relief) if sea else np.zeros_like(water)
    np.maximum(water, sea_share, out=water)
    texture = fractal((seed, _TEXTURE), 0.9, rows, columns)
    texture *= np.float32(0.055)
    height_m = relief
    height_m *= np.float32(170.0)
    height_m += np.float32(350.0)
    np.maximum(height_m, 0.0, out=height_m)
    offset = (
        columns.start - SCALE * TILE_COARSE_PIXELS * tile.horizontal,
        rows.start - SCALE * TILE_COARSE_PIXELS * tile.vertical,
    )
    return Landscape(
        height_m=height_m,
        moisture=fractal((seed, _MOISTURE), 1.55, rows, columns),
        forest=forest,
        town=_towns((seed, _TOWNS), rows, columns),
        water=water,
        sea=sea_share > 0.5,
        crop=crop,
        parcel_ndvi=parcel_ndvi,
        parcel_k=parcel_k,
        texture=texture,
        area=area,
        transform=tile.transform(FINE_PIXEL_M) @ Affine.translation(*offset),
        seed=seed,
    )


def tile_area(windows: int | None, tile: Tile) -> Window:
    """A square part of a tile, or all of it, in coarse pixels of the whole sinusoidal grid.

    Raises
    ------
    InputError
        If that many windows do not fit into a tile.
    """
    if windows is None:
        return window_area(Window(slice(0, TILE_COARSE_PIXELS), slice(0, TILE_COARSE_PIXELS)), tile)
    if not 1 <= windows <= TILE_WINDOWS:
        raise InputError(f"windows is {windows}; expected 1 to {TILE_WINDOWS}, or None for the whole tile.")
    rows, columns = (
        slice(PATCH_COARSE_PIXELS * begin, PATCH_COARSE_PIXELS * (begin + windows))
        for begin in (min(first, TILE_WINDOWS - windows) for first in (FIRST_WINDOW_ROW, FIRST_WINDOW_COLUMN))
    )
    return window_area(Window(rows, columns), tile)


def window_area(window: Window, tile: Tile) -> Window:
    """Coarse pixels of a tile, counted on the whole sinusoidal grid.

    Raises
    ------
    InputError
        If they are none, or not all the tile's.
    """
    for span, name in ((window.rows, "rows"), (window.columns, "columns")):
        if not 0 <= span.start < span.stop <= TILE_COARSE_PIXELS:
            raise InputError(
                f"The window's {name} are {span.start} to {span.stop}; expected a part of"
                f" 0 to {TILE_COARSE_PIXELS}, the 1 km pixels of tile {tile}."
            )
    return Window(
        *(
            slice(TILE_COARSE_PIXELS * number + span.start, TILE_COARSE_PIXELS * number + span.stop)
            for number, span in ((tile.vertical, window.rows), (tile.horizontal, window.columns))
        )
    )


def days_between(date: datetime.date, day_of_year: float) -> float:
    """Days from a date to the nearest such day of any year."""
    return (date.timetuple().tm_yday - day_of_year + 182.6) % 365.25 - 182.6


def _share(field: Float32Array, threshold: float, width: float) -> Float32Array:
    """A soft threshold: 0 below, 1 above, a ramp of this width between."""
    share = (field - np.float32(threshold)) / np.float32(width) + np.float32(0.5)
    return np.clip(share, 0.0, 1.0, out=share)


def _widened(span: slice, pixels: int) -> slice:
    return slice(span.start - pixels, span.stop + pixels)


def _overlap(part: slice, span: slice) -> tuple[slice, slice]:
    """Where two spans meet, counted from the first of each."""
    first, last = max(part.start, span.start), max(min(part.stop, span.stop), max(part.start, span.start))
    return slice(first - part.start, last - part.start), slice(first - span.start, last - span.start)


def _add_maximum(
    field: Float32Array, part: NDArray[np.floating], place: tuple[int, int], rows: slice, columns: slice
) -> None:
    """Raise a field on these rows and columns to what a part has, whose first pixel lies at a place."""
    spans = [slice(first, first + side) for first, side in zip(place, part.shape, strict=True)]
    (part_rows, own_rows), (part_columns, own_columns) = (
        _overlap(part_span, span) for part_span, span in zip(spans, (rows, columns), strict=True)
    )
    target = field[own_rows, own_columns]
    np.maximum(target, part[part_rows, part_columns], out=target, casting="same_kind")


# Half a parcel cell is 2¼ pixels, so that pixels' centres lie at whole ninths of a cell.
_NINTHS = 9


def _parcels(key: Key, rows: slice, columns: slice) -> tuple[NDArray[np.uint8], Float32Array, Float32Array]:
    """Crop and deviations of NDVI and temperature of polygonal parcels of some 0.5 to 2 km.

    They are the cells of a power diagram with one site in each
    cell of a lattice of 4.5 pixels, sought among the nine nearest.
    """
    row_cell, down = _cell_and_place(rows)
    column_cell, right = _cell_and_place(columns)
    cell_spans = [slice(int(cell[0]) - 1, int(cell[-1]) + 2) for cell in (row_cell, column_cell)]
    site_row, site_column, weight, crop_draw, ndvi, temperature = _parcel_sites(key, *cell_spans)
    weight *= np.float32(0.5)
    crop = np.searchsorted(np.cumsum([kind.share for kind in CROPS])[:-1], crop_draw).astype(np.uint8)
    row_cell, column_cell = row_cell - cell_spans[0].start, column_cell - cell_spans[1].start
    cells_across = crop.shape[1]

    shape = (row_cell.size, column_cell.size)
    crop_map = np.empty(shape, dtype=np.uint8)
    ndvi_map, temperature_map = np.empty((2, *shape), dtype=np.float32)
    for first in range(0, shape[0], SCALE * STRIP_COARSE_ROWS):
        strip = slice(first, min(first + SCALE * STRIP_COARSE_ROWS, shape[0]))
        nearest = np.full((strip.stop - first, shape[1]), np.inf, dtype=np.float32)
        owner = np.zeros(nearest.shape, dtype=np.int32)
        for below, beside in itertools.product((-1, 0, 1), repeat=2):
            cell_row, cell_column = row_cell[strip] + below, column_cell + beside
            distance = (down[strip] - np.float32(below))[:, None] - site_row[cell_row].take(
                cell_column, axis=1
            )
            distance *= distance
            across = (right - np.float32(beside))[None, :] - site_column[cell_row].take(cell_column, axis=1)
            across *= across
            distance += across
            distance -= weight[cell_row].take(cell_column, axis=1)
            closer = distance < nearest
            np.copyto(nearest, distance, where=closer)
            number = (cell_row[:, None] * cells_across + cell_column[None, :]).astype(np.int32)
            np.copyto(owner, number, where=closer)
        crop_map[strip] = crop.take(owner)
        ndvi_map[strip] = ndvi.take(owner)
        temperature_map[strip] = temperature.take(owner)
    return crop_map, ndvi_map, temperature_map


def _cell_and_place(span: slice) -> tuple[NDArray[np.int64], Float32Array]:
    """Parcel cell of each pixel's centre, and where in the cell it lies, 0 … 1."""
    cell, ninth = np.divmod(2 * np.arange(span.start, span.stop) + 1, _NINTHS)
    return cell, ninth.astype(np.float32) / np.float32(_NINTHS)


def _parcel_sites(key: Key, rows: slice, columns: slice) -> list[Float32Array]:
    """Of each parcel cell: its site's row and column in it, a weight and
    the crop's draw, 0 … 1, and the parcel's deviations of NDVI and temperature."""
    draws = [uniform((*key, number), rows, columns) for number in range(4)]
    ndvi, temperature = (white((*key, number), rows, columns) for number in (4, 5))
    return [*draws, np.float32(0.045) * ndvi, np.float32(1.5) * temperature]


_TOWN_CELL_PIXELS = 128
_LARGEST_TOWN_PIXELS = 22.0


def _towns(key: Key, rows: slice, columns: slice) -> Float32Array:
    """Share of built-up ground: towns of 0.4 to 5 km radius, one in some 150 km², their outskirts ragged."""
    built = np.zeros((rows.stop - rows.start, columns.stop - columns.start), dtype=np.float32)
    towns_per_cell = (_TOWN_CELL_PIXELS * FINE_PIXEL_M) ** 2 / 150e6
    reach = math.ceil(2 * _LARGEST_TOWN_PIXELS) + 1
    for cell in itertools.product(*(cells(span, _TOWN_CELL_PIXELS, reach) for span in (rows, columns))):
        random = stream_at(key, *cell)
        count = random.poisson(towns_per_cell)
        centres = random.random((count, 2)) * _TOWN_CELL_PIXELS
        radii = np.clip(np.exp(random.normal(math.log(3.5), 0.6, count)), 1.8, _LARGEST_TOWN_PIXELS)
        for (row, column), radius in zip(centres, radii, strict=True):
            reach = math.ceil(2 * radius)
            place = int(row) - reach, int(column) - reach
            down, across = np.ogrid[: 2 * reach + 1, : 2 * reach + 1]
            away = (down + place[0] + 0.5 - row) ** 2 + (across + place[1] + 0.5 - column) ** 2
            density = 1.1 * np.exp(-0.5 * away / (0.7 * radius) ** 2)
            quarters = ndimage.gaussian_filter(random.normal(0.0, 1.0, density.shape), 2.0) * 4.0
            ragged = density * (1.0 + 0.6 * quarters) + random.normal(0.0, 0.1, density.shape) * (
                density > 0.1
            )
            first = place[0] + _TOWN_CELL_PIXELS * cell[0], place[1] + _TOWN_CELL_PIXELS * cell[1]
            _add_maximum(built, np.clip(ragged, 0.0, 0.9), first, rows, columns)
    return built


_RIVER_LANE_PIXELS = 1200


def _add_rivers(water: Float32Array, key: Key, rows: slice, columns: slice) -> None:
    """Meandering rivers from north to south, one in each lane of some 280 km."""
    wide = _widened(rows, 1)
    for lane in cells(columns, _RIVER_LANE_PIXELS, 2):
        of_lane = (*key, ORIGIN + lane)
        middle = _RIVER_LANE_PIXELS * stream(*of_lane, 0).uniform(0.3, 0.7)
        drift = 60.0 * fractal((*of_lane, 1), 2.0, wide, longest=1300.0, finest=4).astype(np.float64)
        bends = 9.0 * fractal((*of_lane, 2), 1.0, wide, longest=1300.0, finest=3).astype(np.float64)
        # It stays in its lane.
        course = middle + np.clip(drift + bends, -0.25 * _RIVER_LANE_PIXELS, 0.25 * _RIVER_LANE_PIXELS)
        swell = special.ndtr(fractal((*of_lane, 3), 2.0, rows, longest=1300.0, finest=4).astype(np.float64))
        half_width = 0.35 + 0.55 * swell
        # A bend runs slantwise through its rows, where its section is wider than the river.
        section = half_width * np.hypot(1.0, 0.5 * (course[2:] - course[:-2]))
        course = course[1:-1]
        valley = slice(int((course - section).min()) - 1, int((course + section).max()) + 2)
        away = np.abs(np.arange(valley.start, valley.stop) + 0.5 - course[:, None])
        share = np.clip(section[:, None] + 0.5 - away, 0.0, np.minimum(1.0, 2 * half_width)[:, None])
        place = rows.start, _RIVER_LANE_PIXELS * lane + valley.start
        _add_maximum(water, share, place, rows, columns)


_LAKE_CELL_PIXELS = 800
_LAKE_REACH_PIXELS = 24


def _add_lakes(water: Float32Array, key: Key, rows: slice, columns: slice, wide_relief: Float32Array) -> None:
    """Lakes whose shores follow the relief, one in each cell of some 185 km.

    `wide_relief` reaches `_LAKE_REACH_PIXELS` further on every side.
    """
    wide = _LAKE_REACH_PIXELS
    wide_rows, wide_columns = _widened(rows, wide), _widened(columns, wide)
    for cell in itertools.product(*(cells(span, _LAKE_CELL_PIXELS, 0) for span in (rows, columns))):
        random = stream_at(key, *cell)
        radius = random.uniform(5.0, 14.0)
        # It stays in its cell.
        row, column = random.uniform(wide, _LAKE_CELL_PIXELS - wide, 2)
        centre = int(row) + _LAKE_CELL_PIXELS * cell[0], int(column) + _LAKE_CELL_PIXELS * cell[1]
        if not (
            wide_rows.start <= centre[0] < wide_rows.stop
            and wide_columns.start <= centre[1] < wide_columns.stop
        ):
            continue
        level = wide_relief[centre[0] - wide_rows.start, centre[1] - wide_columns.start]
        reach = math.ceil(1.5 * radius)
        (part_rows, own_rows), (part_columns, own_columns) = (
            _overlap(slice(middle - reach, middle + reach + 1), span)
            for middle, span in zip(centre, (rows, columns), strict=True)
        )
        down = np.arange(part_rows.start, part_rows.stop) - reach + int(row) + 0.5 - row
        across = np.arange(part_columns.start, part_columns.stop) - reach + int(column) + 0.5 - column
        distance = np.hypot(down[:, None], 1.6 * across[None, :])
        relief = wide_relief[wide:-wide, wide:-wide][own_rows, own_columns]
        shore = radius * (1.0 - 0.8 * (relief.astype(np.float64) - float(level))) - distance
        share = np.clip(shore + 0.5, 0.0, 1.0) * (distance < 1.5 * radius)
        target = water[own_rows, own_columns]
        np.maximum(target, share, out=target, casting="same_kind")


_SEA_CELL_PIXELS = 2400
_SHORE_PIXELS = 200.0
"""How far from its middle line a coast goes for each standard deviation of the relief."""
_HIGHEST = 6.0
_SEA_OCTAVES = 4


def _seas(key: Key, rows: slice, columns: slice, relief: Float32Array) -> Float32Array:
    """Share of sea: one in each cell of some 560 km, a tenth to a quarter
    of it, its coast and islands shaped by the relief."""
    height = refined(lambda spans: _basins(key, *spans), _SEA_OCTAVES, rows, columns)
    height += relief
    return _share(-height, threshold=0.0, width=0.05)


def _basins(key: Key, rows: slice, columns: slice) -> Float32Array:
    """Height over the sea of ground without relief, in standard deviations of the
    relief, on every sixteenth pixel: round basins with even slopes."""
    side = _SEA_CELL_PIXELS >> _SEA_OCTAVES
    height = np.full((rows.stop - rows.start, columns.stop - columns.start), _HIGHEST, dtype=np.float32)
    reach = math.ceil(math.sqrt(0.25 / math.pi) * side + _HIGHEST * _SHORE_PIXELS / 2**_SEA_OCTAVES)
    for cell in itertools.product(*(cells(span, side, reach) for span in (rows, columns))):
        random = stream_at(key, *cell)
        radius = math.sqrt(random.uniform(0.1, 0.25) / math.pi) * side
        row, column = side * (np.array(cell) + random.random(2))
        away = np.hypot(
            np.arange(rows.start, rows.stop)[:, None] - row,
            np.arange(columns.start, columns.stop)[None] - column,
        )
        shore = (away - radius) * (2**_SEA_OCTAVES / _SHORE_PIXELS)
        np.minimum(height, shore, out=height, casting="same_kind")
    return height
