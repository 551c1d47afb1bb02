"""A deterministic simulator of MODIS granules and of LST, NDVI and ASTER pairs, with the truth behind them.

A landscape (relief, forest, parcelled fields, towns, rivers, lakes) is drawn once for a seed; each day then gives it a season's
NDVI and surface temperature at 250 m, which the sensor's degradation turns into what MODIS would deliver at 1 km. Constants that
have no source of their own were chosen so that the simulated pairs resemble the published ones in `pair_statistics`.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import rasterio.warp
import scipy.fft
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from scipy import ndimage

from lstsr_core.degradation import DEFAULT_MTF, degrade
from lstsr_core.errors import InputError
from lstsr_core.granule import LST_SCALE_K
from lstsr_core.granule_name import GranuleName
from lstsr_core.granule_writer import write_lst_granule, write_reflectance_granule
from lstsr_core.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SCALE, SINUSOIDAL, TILE_COARSE_PIXELS, Tile
from lstsr_core.pairs import PATCH_COARSE_PIXELS, Pair, write_pair
from lstsr_core.raster import BoolArray, Raster

Float32Array = NDArray[np.float32]

TILE = Tile(18, 4)
TILE_WINDOWS = TILE_COARSE_PIXELS // PATCH_COARSE_PIXELS
FIRST_WINDOW_ROW, FIRST_WINDOW_COLUMN = 6, 4
"""Upper left window of the simulated area, well inland."""

MARGIN_COARSE_PIXELS = 16
"""Truth around the granules' area, so that the PSF has context and an ASTER swath reaches past its LST patch."""

DEFAULT_DAYS = tuple(datetime.date(2018, month, 15) for month in (1, 4, 6, 7, 8, 10))
SUMMER_MONTHS = range(4, 10)

DEFAULT_SENSOR_NOISE_K = 0.55
DEFAULT_ASTER_BIAS_K = 0.5
DEFAULT_ASTER_NOISE_K = 0.1

# A published reference: a swath of about 64 × 62 km, turned by 12 degrees, inside a canvas of this many 250 m pixels.
ASTER_ROWS, ASTER_COLUMNS = 335, 374
SWATH_ALONG_ROWS, SWATH_ALONG_COLUMNS = 268.0, 278.0
SWATH_ANGLE_DEGREES = 12.0

_STRIP_COARSE_ROWS = 64
_PSF_REACH_COARSE_PIXELS = 2
_MAX_OFFSET = SCALE - 1

# Independent random streams of one seed, so that one part of the simulation can change without redrawing the others.
_RELIEF, _MOISTURE, _FOREST, _PARCELS, _TOWNS, _WATER, _TEXTURE, _PAIRS = range(8)


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
    crop: NDArray[np.uint8]
    parcel_ndvi: Float32Array
    parcel_k: Float32Array
    texture: Float32Array
    transform: Affine
    seed: int


@dataclass(frozen=True)
class Scene:
    """One simulated day: the truth, and what MODIS makes of it.

    Attributes
    ----------
    date : datetime.date
    truth_lst : Raster
        Kelvin at 250 m, `MARGIN_COARSE_PIXELS` wider than `lst` on every side; cloud-free.
    ndvi : Raster
        At 250 m on the grid of `truth_lst`; cloud-free.
    red, nir : Raster
        Surface reflectance on the grid of `truth_lst`; clouds are bright.
    lst : Raster
        Kelvin at 1 km: the degraded truth with sensor noise, in steps of 0.02 K; NaN under cloud.
    cloud : bool array of the shape of `lst`
    """

    date: datetime.date
    truth_lst: Raster
    ndvi: Raster
    red: Raster
    nir: Raster
    lst: Raster
    cloud: BoolArray


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
        away = _days_between(date, self.peak_day)
        return self.bare + (self.full - self.bare) * math.exp(-0.5 * (away / self.length_days) ** 2)


CROPS = (
    Crop(share=0.30, bare=0.44, full=0.78, peak_day=130.0, length_days=42.0),  # winter cereals, harvested in July
    Crop(share=0.25, bare=0.38, full=0.82, peak_day=212.0, length_days=38.0),  # maize and other summer crops
    Crop(share=0.45, bare=0.52, full=0.74, peak_day=165.0, length_days=75.0),  # grassland
)


def landscape(seed: int = 42, windows: int | None = 4) -> Landscape:
    """Draw the landscape of a seed.

    Parameters
    ----------
    seed : int
    windows : int, optional
        Side of the square area in windows of 64×64 coarse pixels, on the tile's own window grid; None is the whole tile.

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
    offset = Affine.translation(SCALE * (first_column - MARGIN_COARSE_PIXELS), SCALE * (first_row - MARGIN_COARSE_PIXELS))

    relief = _fractal(_stream(seed, _RELIEF), side, slope=1.7)
    height_m = 350.0 + 170.0 * relief
    np.maximum(height_m, 0.0, out=height_m)
    # Forest keeps to the hills; its edge is some 200 m wide.
    wooded = _fractal(_stream(seed, _FOREST), side, slope=1.35) + 0.5 * relief
    forest = _share(wooded, threshold=0.65, width=0.15)
    crop, parcel_ndvi, parcel_k = _parcels(_stream(seed, _PARCELS), side)
    return Landscape(
        height_m=height_m,
        moisture=_fractal(_stream(seed, _MOISTURE), side, slope=1.55),
        forest=forest,
        town=_towns(_stream(seed, _TOWNS), side),
        water=_water(_stream(seed, _WATER), side, relief),
        crop=crop,
        parcel_ndvi=parcel_ndvi,
        parcel_k=parcel_k,
        texture=0.055 * _fractal(_stream(seed, _TEXTURE), side, slope=0.9),
        transform=TILE.transform(FINE_PIXEL_M) @ offset,
        seed=seed,
    )


def simulate_scene(
    land: Landscape, date: datetime.date, mtf: float = DEFAULT_MTF, sensor_noise_k: float = DEFAULT_SENSOR_NOISE_K
) -> Scene:
    """One day over a landscape.

    Parameters
    ----------
    land : Landscape
    date : datetime.date
        Sets NDVI, temperature, weather and clouds; with the landscape's seed it sets every random number.
    mtf : float
        Of the degradation D that makes 1 km LST.
    sensor_noise_k : float
        Standard deviation in kelvin of the noise of each 1 km pixel.
    """
    random = np.random.default_rng([land.seed, date.toordinal()])
    ndvi = _ndvi(land, date, random)
    truth = _temperature(land, ndvi, date, random)
    coarse_side = land.height_m.shape[0] // SCALE - 2 * MARGIN_COARSE_PIXELS
    clear_side = PATCH_COARSE_PIXELS if date.month in SUMMER_MONTHS else 0
    cloud = _clouds(random, coarse_side, clear_side)
    noise = sensor_noise_k * random.standard_normal((coarse_side, coarse_side))
    lst = np.rint((_degraded(truth, mtf) + noise) / LST_SCALE_K) * LST_SCALE_K
    lst[cloud] = np.nan
    red, nir = _reflectance(land, ndvi, cloud, random)
    inner = land.transform @ Affine.translation(SCALE * MARGIN_COARSE_PIXELS, SCALE * MARGIN_COARSE_PIXELS)
    red_raster, nir_raster, ndvi_raster, truth_raster = (
        Raster(values, land.transform, SINUSOIDAL) for values in (red, nir, ndvi, truth)
    )
    lst_raster = Raster(lst, inner @ Affine.scale(COARSE_PIXEL_M / FINE_PIXEL_M), SINUSOIDAL)
    return Scene(date, truth_raster, ndvi_raster, red_raster, nir_raster, lst_raster, cloud)


def aster_reference(truth: Raster, bias_k: float, noise_k: float, rng: np.random.Generator) -> Raster:
    """An ASTER-like reference of the ground around the centre of a truth raster.

    Parameters
    ----------
    truth : Raster
        Kelvin; the swath is complete where it is some 20 km wider than an LST patch, and is cut off where it ends.
    bias_k, noise_k : float
        Offset, and standard deviation of each pixel's own noise, in kelvin.
    rng : numpy.random.Generator
        Draws the noise.

    Returns
    -------
    Raster
        Kelvin of shape (335, 374) in the UTM zone of the centre: the truth resampled bilinearly inside the rotated swath,
        exactly 0 outside it and where there is no truth, and in between a mixture of both along the swath's edge.
    """
    x, y = truth.transform @ (truth.columns / 2, truth.rows / 2)
    (longitude,), _ = rasterio.warp.transform(truth.crs, CRS.from_epsg(4326), [x], [y])
    utm = CRS.from_epsg(32601 + int((longitude + 180.0) // 6.0))
    (easting,), (northing,) = rasterio.warp.transform(truth.crs, utm, [x], [y])
    left, top = easting - ASTER_COLUMNS / 2 * FINE_PIXEL_M, northing + ASTER_ROWS / 2 * FINE_PIXEL_M
    transform = Affine(FINE_PIXEL_M, 0.0, left, 0.0, -FINE_PIXEL_M, top)
    canvas = Raster(np.zeros((ASTER_ROWS, ASTER_COLUMNS)), transform, utm)
    observed = truth.warp_onto(canvas).values + bias_k + noise_k * rng.standard_normal(canvas.values.shape)

    rows, columns = np.ogrid[:ASTER_ROWS, :ASTER_COLUMNS]
    down, right = rows + 0.5 - ASTER_ROWS / 2, columns + 0.5 - ASTER_COLUMNS / 2
    cosine, sine = math.cos(math.radians(SWATH_ANGLE_DEGREES)), math.sin(math.radians(SWATH_ANGLE_DEGREES))
    across, along = np.abs(right * cosine + down * sine), np.abs(down * cosine - right * sine)
    inside = np.minimum(SWATH_ALONG_COLUMNS / 2 - across, SWATH_ALONG_ROWS / 2 - along)
    # Bilinear resampling of an image that is zero outside the swath: a ramp of one pixel across its edge.
    weight = np.clip(inside + 0.5, 0.0, 1.0)
    return canvas.with_values(np.where(np.isfinite(observed), weight * observed, 0.0))


def simulate(
    directory: Path,
    seed: int = 42,
    days: Sequence[datetime.date] = DEFAULT_DAYS,
    windows: int | None = 4,
    pairs: int = 6,
    mtf: float = DEFAULT_MTF,
    sensor_noise_k: float = DEFAULT_SENSOR_NOISE_K,
    aster_bias_k: float = DEFAULT_ASTER_BIAS_K,
    aster_noise_k: float = DEFAULT_ASTER_NOISE_K,
) -> None:
    """Write granules and pairs; the same arguments give the same bytes.

    Parameters
    ----------
    directory : Path
        Receives ``granules/`` (a MOD21A1D and a MOD09GQ file a day) and ``pairs/`` (three GeoTIFFs a pair:
        ``<id>_lst_1km.tif`` in kelvin, ``<id>_ndvi_250m.tif`` and ``<id>_aster_250m.tif`` in tenths of kelvin).
    seed : int
    days : sequence of datetime.date
    windows : int, optional
        Side of the area in windows of 64×64 coarse pixels; None is the whole tile.
    pairs : int
        Taken in turn from the days of April to September. As in the published database, an NDVI patch begins 0 to 3 fine pixels
        below and right of its LST patch.
    mtf : float
        Of the degradation D.
    sensor_noise_k, aster_bias_k, aster_noise_k : float
        Kelvin.

    Raises
    ------
    InputError
        If there is no day to take pairs from, the area does not fit into a tile, or the directory cannot be written to.
    """
    summer_days = [day for day in days if day.month in SUMMER_MONTHS]
    if pairs and not summer_days:
        listed = ", ".join(day.isoformat() for day in days) or "none"
        raise InputError(f"{pairs} pairs need a day from April to September to be taken from; the days are {listed}.")
    land = landscape(seed, windows)
    margin = SCALE * MARGIN_COARSE_PIXELS
    inner = slice(margin, land.height_m.shape[0] - margin)
    for day in days:
        scene = simulate_scene(land, day, mtf, sensor_noise_k)
        production = f"{day.year + 2}001000000"
        for product in ("MOD21A1D", "MOD09GQ"):
            path = directory / "granules" / str(GranuleName(product, day, TILE, production=production))
            if product == "MOD21A1D":
                write_lst_granule(path, scene.lst)
            else:
                write_reflectance_granule(path, scene.red.crop(inner, inner), scene.nir.crop(inner, inner))
        for identifier in range(pairs):
            if summer_days[identifier % len(summer_days)] == day:
                random = _stream(seed, _PAIRS, identifier)
                _write_pair(directory / "pairs", identifier, scene, random, aster_bias_k, aster_noise_k)


def _write_pair(
    directory: Path, identifier: int, scene: Scene, random: np.random.Generator, aster_bias_k: float, aster_noise_k: float
) -> None:
    row, column = _clear_spot(scene.cloud, random)
    window = slice(row, row + PATCH_COARSE_PIXELS), slice(column, column + PATCH_COARSE_PIXELS)
    lst = scene.lst.crop(*window)

    down, right = (int(offset) for offset in random.integers(0, _MAX_OFFSET, size=2, endpoint=True))
    fine_row, fine_column = SCALE * (row + MARGIN_COARSE_PIXELS), SCALE * (column + MARGIN_COARSE_PIXELS)
    side, margin = SCALE * PATCH_COARSE_PIXELS, SCALE * MARGIN_COARSE_PIXELS
    ndvi = scene.ndvi.crop(slice(fine_row + down, fine_row + down + side), slice(fine_column + right, fine_column + right + side))

    truth = scene.truth_lst.crop(
        slice(fine_row - margin, fine_row + side + margin), slice(fine_column - margin, fine_column + side + margin)
    )
    reference = aster_reference(truth, aster_bias_k, aster_noise_k, random)
    write_pair(Pair(str(identifier), lst, ndvi, reference), directory)


def _clear_spot(cloud: BoolArray, random: np.random.Generator) -> tuple[int, int]:
    """First row and column of a window without cloud; every summer day has one."""
    clouds_above_left = np.pad(np.cumsum(np.cumsum(cloud, axis=0), axis=1), ((1, 0), (1, 0)))
    side = PATCH_COARSE_PIXELS
    clouds = (
        clouds_above_left[side:, side:]
        - clouds_above_left[:-side, side:]
        - clouds_above_left[side:, :-side]
        + clouds_above_left[:-side, :-side]
    )
    rows, columns = np.nonzero(clouds == 0)
    choice = int(random.integers(rows.size))
    return int(rows[choice]), int(columns[choice])


def _stream(seed: int, *path: int) -> np.random.Generator:
    return np.random.default_rng([seed, *path])


def _days_between(date: datetime.date, day_of_year: float) -> float:
    """Days from a date to the nearest such day of any year."""
    return (date.timetuple().tm_yday - day_of_year + 182.6) % 365.25 - 182.6


def _season(date: datetime.date) -> float:
    """1 at the beginning of July, −1 half a year later."""
    return math.cos(2.0 * math.pi * _days_between(date, 183.0) / 365.25)


def _share(field: Float32Array, threshold: float, width: float) -> Float32Array:
    """A soft threshold: 0 below, 1 above, a ramp of this width between."""
    share = (field - np.float32(threshold)) / np.float32(width) + np.float32(0.5)
    return np.clip(share, 0.0, 1.0, out=share)


def _fractal(random: np.random.Generator, side: int, slope: float) -> Float32Array:
    """A square Gaussian field, mean 0 and standard deviation 1, whose amplitude falls as frequency to the power −slope."""
    # Drawn on a wider square, since the transform makes opposite edges meet.
    wide = scipy.fft.next_fast_len(side + min(side // 4, 256), real=True)
    spectrum = scipy.fft.rfft2(random.standard_normal((wide, wide), dtype=np.float32))
    down = scipy.fft.fftfreq(wide).astype(np.float32)[:, None]
    right = scipy.fft.rfftfreq(wide).astype(np.float32)[None, :]
    frequency = np.hypot(down, right)
    # The spectrum is level beyond 400 pixels (some 90 km), so that an area's size does not change what is in a patch.
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

    They are the cells of a power diagram with one site in each cell of a lattice, sought among the nine nearest.
    """
    cells = math.ceil(side / _PARCEL_CELL_PIXELS) + 2
    site_row, site_column = random.random((2, cells, cells), dtype=np.float32)
    weight = random.random((cells, cells), dtype=np.float32) * np.float32(0.5)
    crop = np.searchsorted(np.cumsum([kind.share for kind in CROPS])[:-1], random.random((cells, cells))).astype(np.uint8)
    ndvi = random.normal(0.0, 0.045, (cells, cells)).astype(np.float32)
    temperature = random.normal(0.0, 1.5, (cells, cells)).astype(np.float32)

    crop_map = np.empty((side, side), dtype=np.uint8)
    ndvi_map, temperature_map = np.empty((2, side, side), dtype=np.float32)
    column = (np.arange(side, dtype=np.float32) + 0.5) / np.float32(_PARCEL_CELL_PIXELS) + 1.0
    column_cell = column.astype(np.int64)
    strip = SCALE * _STRIP_COARSE_ROWS
    for first in range(0, side, strip):
        row = (np.arange(first, min(first + strip, side), dtype=np.float32) + 0.5) / np.float32(_PARCEL_CELL_PIXELS) + 1.0
        row_cell = row.astype(np.int64)
        nearest = np.full((row.size, side), np.inf, dtype=np.float32)
        owner = np.zeros((row.size, side), dtype=np.int64)
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                cell_row, cell_column = (row_cell + down)[:, None], (column_cell + right)[None, :]
                cell_row, cell_column = np.minimum(cell_row, cells - 1), np.minimum(cell_column, cells - 1)
                distance = (row[:, None] - cell_row - site_row[cell_row, cell_column]) ** 2
                distance += (column[None, :] - cell_column - site_column[cell_row, cell_column]) ** 2
                distance -= weight[cell_row, cell_column]
                closer = distance < nearest
                nearest[closer] = distance[closer]
                owner[closer] = np.broadcast_to(cell_row * cells + cell_column, closer.shape)[closer]
        crop_map[first : first + row.size] = crop.ravel()[owner]
        ndvi_map[first : first + row.size] = ndvi.ravel()[owner]
        temperature_map[first : first + row.size] = temperature.ravel()[owner]
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
        rows, columns = np.ogrid[top : min(int(row) + reach + 1, side), left : min(int(column) + reach + 1, side)]
        density = 1.1 * np.exp(-0.5 * ((rows + 0.5 - row) ** 2 + (columns + 0.5 - column) ** 2) / (0.7 * radius) ** 2)
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
        course = course + 0.12 * side / rivers * drift / (np.abs(drift).max() + 1e-9) + 0.8 * (bends - bends.mean())
        half_width = np.interp(np.arange(side), [0, side - 1], [0.35, 0.9])
        # A bend runs slantwise through its rows, where its section is wider than the river.
        section = half_width * np.hypot(1.0, np.gradient(course))
        share = np.clip(section[:, None] + 0.5 - np.abs(columns - course[:, None]), 0.0, np.minimum(1.0, 2 * half_width)[:, None])
        np.maximum(water, share.astype(np.float32), out=water)
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


def _ndvi(land: Landscape, date: datetime.date, random: np.random.Generator) -> Float32Array:
    """NDVI of the shares of fields, forest, town and water, −1 … 1."""
    by_crop = np.array([crop.ndvi(date) for crop in CROPS], dtype=np.float32)
    ndvi = by_crop[land.crop]
    ndvi += land.parcel_ndvi
    # Moist ground is greener, and the more so the drier the season.
    ndvi += np.float32(0.035) * land.moisture
    season = _season(date)
    forest_ndvi = np.float32(0.66 + 0.18 * min(1.0, max(-1.0, 1.6 * season + 0.4)))
    ndvi += land.forest * (forest_ndvi - ndvi)
    ndvi += land.texture
    ndvi += land.town * (np.float32(0.26 + 0.06 * season) - ndvi)
    ndvi += np.float32(0.008) * random.standard_normal(ndvi.shape, dtype=np.float32)
    ndvi += land.water * (np.float32(-0.15) - ndvi)
    return np.clip(ndvi, -0.4, 0.95, out=ndvi)


def _temperature(land: Landscape, ndvi: Float32Array, date: datetime.date, random: np.random.Generator) -> Float32Array:
    """Surface temperature in kelvin at 250 m on a clear late morning."""
    season = _season(date)
    sun = 0.5 + 0.5 * season
    # Bare ground heats more than plants that transpire; fields more than forest, whose air mixes.
    slope = np.float32(-(3.0 + 24.0 * sun)) * (1.0 - np.float32(0.35) * land.forest)
    lst = slope * (ndvi - np.float32(0.68))
    lst += np.float32(sun) * (1.0 - land.forest) * land.parcel_k
    lst += np.float32(2.5 * sun) * land.town
    lst -= np.float32(0.4 + 1.0 * sun) * land.moisture
    # The air's temperature, with weather that varies over hundreds of pixels.
    weather = _fractal(random, lst.shape[0] // 16 + 2, slope=2.0)
    lst += np.float32(0.9) * ndimage.zoom(weather, 16, order=1)[: lst.shape[0], : lst.shape[1]]
    lst += np.float32(294.5 + 14.0 * season + random.normal(0.0, 1.0))
    lst -= np.float32(6.5e-3) * (land.height_m - np.float32(350.0))
    # The morning sun heats the slopes that fall towards it, in the south-east.
    southward, eastward = np.gradient(land.height_m, FINE_PIXEL_M)
    lst -= np.float32(25.0 * sun) * (southward + eastward)
    # A lake follows the seasons late and little.
    water_k = np.float32(287.0 + 9.0 * math.cos(2.0 * math.pi * _days_between(date, 222.0) / 365.25))
    lst += land.water * (water_k - lst)
    # Wind carries heat from one surface to the next.
    ndimage.gaussian_filter(lst, 0.645, output=lst, mode="nearest")
    return lst


def _degraded(truth: Float32Array, mtf: float) -> NDArray[np.float64]:
    """D of the truth without its margin, in strips, which bounds the memory; each has the context that its PSF reaches."""
    coarse_rows = truth.shape[0] // SCALE
    strips = []
    context = _PSF_REACH_COARSE_PIXELS
    for first in range(MARGIN_COARSE_PIXELS, coarse_rows - MARGIN_COARSE_PIXELS, _STRIP_COARSE_ROWS):
        last = min(first + _STRIP_COARSE_ROWS, coarse_rows - MARGIN_COARSE_PIXELS)
        strip = truth[SCALE * (first - context) : SCALE * (last + context)].astype(np.float64)
        strips.append(degrade(strip, mtf)[context:-context, MARGIN_COARSE_PIXELS:-MARGIN_COARSE_PIXELS])
    return np.concatenate(strips)


def _clouds(random: np.random.Generator, side: int, clear_side: int) -> BoolArray:
    """Cloudy 1 km pixels, a tenth to a half of the area, with one square of `clear_side` pixels free of them."""
    thickness = _fractal(random, side, slope=1.8)
    threshold = np.quantile(thickness, 1.0 - random.uniform(0.1, 0.5))
    if clear_side:
        first_row, first_column = random.integers(0, side - clear_side, size=2, endpoint=True)
        pixels = np.arange(side)
        rows_away = np.maximum(np.maximum(first_row - pixels, pixels - first_row - clear_side + 1), 0)
        columns_away = np.maximum(np.maximum(first_column - pixels, pixels - first_column - clear_side + 1), 0)
        away = np.hypot(rows_away[:, None], columns_away[None, :])
        # Clouds thin out towards the clear square, so that nothing in the image has its outline.
        thickness = np.where(away == 0.0, -np.inf, thickness - 6.0 * np.exp(-((away / 10.0) ** 2)))
    return np.asarray(thickness > threshold)


def _reflectance(
    land: Landscape, ndvi: Float32Array, cloud: BoolArray, random: np.random.Generator
) -> tuple[Float32Array, Float32Array]:
    """Red and near-infrared reflectance with the given NDVI on clear ground; clouds bright in both."""
    both: Float32Array = np.float32(0.40) + np.float32(0.5) * land.texture
    both += land.town * (np.float32(0.30) - both)
    both += land.water * (np.float32(0.06) - both)
    np.clip(both, 0.04, 1.0, out=both)
    red = np.float32(0.5) * both * (np.float32(1.0) - ndvi)
    nir = both - red
    margin = SCALE * MARGIN_COARSE_PIXELS
    covered = np.zeros(ndvi.shape, dtype=np.bool_)
    covered[margin:-margin, margin:-margin] = cloud.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
    brightness = np.float32(0.55) + np.float32(0.05) * random.standard_normal(int(covered.sum()), dtype=np.float32)
    red[covered], nir[covered] = brightness, np.float32(1.03) * brightness
    return red, nir
