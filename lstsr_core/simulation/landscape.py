"""The landscape that simulated MODIS scenes lie over: relief, forest, parcelled
fields, towns, rivers, lakes and, if wanted, sea.

Constants that have no source of their own were chosen so that the simulated pairs
resemble the published ones in `pair_statistics`.
"""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass

import numpy as np
import scipy.fft
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import FINE_PIXEL_M, SCALE, TILE_COARSE_PIXELS, Tile
from lstsr_core.geo.raster import BoolArray
from lstsr_core.pairs.pair import PATCH_COARSE_PIXELS

Float32Array = NDArray[np.float32]

TILE = Tile(18, 4)
TILE_WINDOWS = TILE_COARSE_PIXELS // PATCH_COARSE_PIXELS
FIRST_WINDOW_ROW, FIRST_WINDOW_COLUMN = 6, 4
"""Upper left window of the simulated area, well inland."""

MARGIN_COARSE_PIXELS = 16
"""Truth around the granules' area, so that the PSF has context
and an ASTER swath reaches past its LST patch."""

STRIP_COARSE_ROWS = 64
"""What is computed at a time where a whole tile at once would take too much memory."""

# Independent random streams of one seed, so that one part of the
# simulation can change without redrawing the others.
_RELIEF, _MOISTURE, _FOREST, _PARCELS, _TOWNS, _WATER, _TEXTURE, PAIRS_STREAM, _SEA = range(9)


@dataclass(frozen=True)
class Landscape:
    """What does not change from day to day, on the 250 m grid with its margin, all of shape (rows, columns).

    Attributes
    ----------
    height_m : array
        Above the valley floors.
    moisture : array
        Soil water, mean 0 and standard deviation 1.
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


def landscape(seed: int = 42, windows: int | None = 4, tile: Tile = TILE, sea: bool = False) -> Landscape:
    """Draw the landscape of a seed.

    Parameters
    ----------
    seed : int
    windows : int, optional
        Side of the square area in windows of 64×64 coarse pixels, on the
        tile's own window grid; None is the whole tile.
    tile : Tile
        Where it lies; what is drawn does not depend on it.
    sea : bool
        Draw a coast with islands.

    Raises
    ------
    InputError
        If that many windows do not fit into a tile.
    """
    if windows is not None and not 1 <= windows <= TILE_WINDOWS:
        raise InputError(f"windows is {windows}; expected 1 to {TILE_WINDOWS}, or None for the whole tile.")
    coarse_pixels = TILE_COARSE_PIXELS if windows is None else windows * PATCH_COARSE_PIXELS
    side = SCALE * (coarse_pixels + 2 * MARGIN_COARSE_PIXELS)
    if windows is None:
        first_row = first_column = 0
    else:
        first_row = min(FIRST_WINDOW_ROW, TILE_WINDOWS - windows) * PATCH_COARSE_PIXELS
        first_column = min(FIRST_WINDOW_COLUMN, TILE_WINDOWS - windows) * PATCH_COARSE_PIXELS
    offset = Affine.translation(
        SCALE * (first_column - MARGIN_COARSE_PIXELS), SCALE * (first_row - MARGIN_COARSE_PIXELS)
    )

    relief = fractal(stream(seed, _RELIEF), side, slope=1.7)
    height_m = 350.0 + 170.0 * relief
    np.maximum(height_m, 0.0, out=height_m)
    # Forest keeps to the hills; its edge is some 200 m wide.
    wooded = fractal(stream(seed, _FOREST), side, slope=1.35) + 0.5 * relief
    forest = _share(wooded, threshold=0.65, width=0.15)
    crop, parcel_ndvi, parcel_k = _parcels(stream(seed, _PARCELS), side)
    water = _water(stream(seed, _WATER), side, relief)
    sea_share = _sea(stream(seed, _SEA), relief) if sea else np.zeros_like(water)
    np.maximum(water, sea_share, out=water)
    return Landscape(
        height_m=height_m,
        moisture=fractal(stream(seed, _MOISTURE), side, slope=1.55),
        forest=forest,
        town=_towns(stream(seed, _TOWNS), side),
        water=water,
        sea=sea_share > 0.5,
        crop=crop,
        parcel_ndvi=parcel_ndvi,
        parcel_k=parcel_k,
        texture=0.055 * fractal(stream(seed, _TEXTURE), side, slope=0.9),
        transform=tile.transform(FINE_PIXEL_M) @ offset,
        seed=seed,
    )


def stream(seed: int, *path: int) -> np.random.Generator:
    return np.random.default_rng([seed, *path])


def days_between(date: datetime.date, day_of_year: float) -> float:
    """Days from a date to the nearest such day of any year."""
    return (date.timetuple().tm_yday - day_of_year + 182.6) % 365.25 - 182.6


def _share(field: Float32Array, threshold: float, width: float) -> Float32Array:
    """A soft threshold: 0 below, 1 above, a ramp of this width between."""
    share = (field - np.float32(threshold)) / np.float32(width) + np.float32(0.5)
    return np.clip(share, 0.0, 1.0, out=share)


def fractal(random: np.random.Generator, side: int, slope: float) -> Float32Array:
    """A square Gaussian field, mean 0 and standard deviation 1, whose
    amplitude falls as frequency to the power −slope."""
    # Drawn on a wider square, since the transform makes opposite edges meet.
    wide = scipy.fft.next_fast_len(side + min(side // 4, 256), real=True)
    spectrum = scipy.fft.rfft2(random.standard_normal((wide, wide), dtype=np.float32))
    down = scipy.fft.fftfreq(wide).astype(np.float32)[:, None]
    right = scipy.fft.rfftfreq(wide).astype(np.float32)[None, :]
    frequency = np.hypot(down, right)
    # The spectrum is level beyond 400 pixels (some 90 km), so that an
    # area's size does not change what is in a patch.
    np.maximum(frequency, 1.0 / 400.0, out=frequency)
    spectrum *= frequency ** np.float32(-slope)
    spectrum[0, 0] = 0.0
    field: Float32Array = scipy.fft.irfft2(spectrum, s=(wide, wide))[:side, :side].astype(np.float32)
    field -= field.mean(dtype=np.float64)
    field /= field.std(dtype=np.float64)
    return field


_PARCEL_CELL_PIXELS = 4.5


def _parcels(random: np.random.Generator, side: int) -> tuple[NDArray[np.uint8], Float32Array, Float32Array]:
    """Crop and deviations of NDVI and temperature of polygonal parcels of some 0.5 to 2 km.

    They are the cells of a power diagram with one site in each
    cell of a lattice, sought among the nine nearest.
    """
    cells = math.ceil(side / _PARCEL_CELL_PIXELS) + 2
    site_row, site_column = random.random((2, cells, cells), dtype=np.float32)
    weight = random.random((cells, cells), dtype=np.float32) * np.float32(0.5)
    crop = np.searchsorted(
        np.cumsum([kind.share for kind in CROPS])[:-1], random.random((cells, cells))
    ).astype(np.uint8)
    ndvi = random.normal(0.0, 0.045, (cells, cells)).astype(np.float32)
    temperature = random.normal(0.0, 1.5, (cells, cells)).astype(np.float32)

    crop_map = np.empty((side, side), dtype=np.uint8)
    ndvi_map, temperature_map = np.empty((2, side, side), dtype=np.float32)
    column = (np.arange(side, dtype=np.float32) + 0.5) / np.float32(_PARCEL_CELL_PIXELS) + 1.0
    column_cell = column.astype(np.int64)
    strip = SCALE * STRIP_COARSE_ROWS
    for first in range(0, side, strip):
        row = (np.arange(first, min(first + strip, side), dtype=np.float32) + 0.5) / np.float32(
            _PARCEL_CELL_PIXELS
        ) + 1.0
        row_cell = row.astype(np.int64)
        nearest = np.full((row.size, side), np.inf, dtype=np.float32)
        owner = np.zeros((row.size, side), dtype=np.int64)
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                cell_row, cell_column = (
                    np.minimum(row_cell + down, cells - 1),
                    np.minimum(column_cell + right, cells - 1),
                )
                distance = (row - cell_row)[:, None] - site_row[cell_row].take(cell_column, axis=1)
                distance *= distance
                across = (column - cell_column)[None, :] - site_column[cell_row].take(cell_column, axis=1)
                across *= across
                distance += across
                distance -= weight[cell_row].take(cell_column, axis=1)
                closer = distance < nearest
                np.copyto(nearest, distance, where=closer, casting="same_kind")
                np.copyto(owner, cell_row[:, None] * cells + cell_column[None, :], where=closer)
        crop_map[first : first + row.size] = crop.take(owner)
        ndvi_map[first : first + row.size] = ndvi.take(owner)
        temperature_map[first : first + row.size] = temperature.take(owner)
    return crop_map, ndvi_map, temperature_map


def _towns(random: np.random.Generator, side: int) -> Float32Array:
    """Share of built-up ground: towns of 0.4 to 5 km radius, one in some 150 km², their outskirts ragged."""
    built = np.zeros((side, side), dtype=np.float32)
    pixels_per_town = 150e6 / FINE_PIXEL_M**2
    count = max(2, round(side * side / pixels_per_town))
    centres = random.random((count, 2)) * side
    radii = np.clip(np.exp(random.normal(math.log(3.5), 0.6, count)), 1.8, 22.0)
    for (row, column), radius in zip(centres, radii, strict=True):
        reach = math.ceil(2 * radius)
        top, left = max(int(row) - reach, 0), max(int(column) - reach, 0)
        rows, columns = np.ogrid[
            top : min(int(row) + reach + 1, side), left : min(int(column) + reach + 1, side)
        ]
        density = 1.1 * np.exp(
            -0.5 * ((rows + 0.5 - row) ** 2 + (columns + 0.5 - column) ** 2) / (0.7 * radius) ** 2
        )
        quarters = ndimage.gaussian_filter(random.normal(0.0, 1.0, density.shape), 2.0) * 4.0
        ragged = density * (1.0 + 0.6 * quarters) + random.normal(0.0, 0.1, density.shape) * (density > 0.1)
        part = built[top : top + density.shape[0], left : left + density.shape[1]]
        np.maximum(part, np.clip(ragged, 0.0, 0.9), out=part)
    return built


def _water(random: np.random.Generator, side: int, relief: Float32Array) -> Float32Array:
    """Share of water: meandering rivers from north to south, and lakes whose shores follow the relief."""
    water = np.zeros((side, side), dtype=np.float32)
    columns = np.arange(side, dtype=np.float32)[None, :] + np.float32(0.5)
    rivers = max(1, round(side / 1200))
    for river in range(rivers):
        walk = np.cumsum(np.cumsum(random.normal(0.0, 1.0, side + 64)))
        bends = ndimage.gaussian_filter1d(np.cumsum(random.normal(0.0, 1.0, side)), 4.0)
        drift = walk[:side] - np.linspace(walk[0], walk[side - 1], side)
        course = (river + random.uniform(0.3, 0.7)) * side / rivers
        course = (
            course
            + 0.12 * side / rivers * drift / (np.abs(drift).max() + 1e-9)
            + 0.8 * (bends - bends.mean())
        )
        half_width = np.interp(np.arange(side), [0, side - 1], [0.35, 0.9])
        # A bend runs slantwise through its rows, where its section is wider than the river.
        section = half_width * np.hypot(1.0, np.gradient(course))
        valley = slice(max(int((course - section).min()) - 1, 0), int((course + section).max()) + 2)
        away = np.abs(columns[:, valley] - course[:, None])
        share = np.clip(section[:, None] + 0.5 - away, 0.0, np.minimum(1.0, 2 * half_width)[:, None])
        np.maximum(water[:, valley], share.astype(np.float32), out=water[:, valley])
    for _ in range(max(1, round(2 * (side / 1152) ** 2))):
        radius = random.uniform(5.0, 14.0)
        row, column = random.uniform(0.1 * side, 0.9 * side, 2)
        reach = math.ceil(2 * radius)
        top, left = max(int(row) - reach, 0), max(int(column) - reach, 0)
        part = slice(top, min(int(row) + reach, side)), slice(left, min(int(column) + reach, side))
        rows, across = np.ogrid[part]
        distance = np.hypot(rows + 0.5 - row, (across + 0.5 - column) * 1.6)
        shore = radius * (1.0 - 0.8 * (relief[part] - relief[int(row), int(column)])) - distance
        np.maximum(water[part], np.clip(shore + 0.5, 0.0, 1.0) * (distance < 1.5 * radius), out=water[part])
    return water


def _sea(random: np.random.Generator, relief: Float32Array) -> Float32Array:
    """Share of sea: a tenth to a quarter of the area, towards one
    side, its coast and islands shaped by the relief."""
    direction, share = random.uniform(0.0, 2.0 * math.pi), random.uniform(0.1, 0.25)
    across = np.linspace(-2.5, 2.5, relief.shape[0], dtype=np.float32)
    height = (
        relief
        + np.float32(math.cos(direction)) * across[:, None]
        + np.float32(math.sin(direction)) * across[None, :]
    )
    return _share(-height, threshold=-float(np.quantile(height[::4, ::4], share)), width=0.05)
