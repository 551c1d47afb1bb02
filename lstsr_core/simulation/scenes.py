"""A deterministic simulator of MODIS granules and of LST, NDVI and ASTER pairs, with the truth behind them.

Each day gives a landscape a season's NDVI and surface temperature at 250 m, which the sensor's degradation
turns into what MODIS would deliver at 1 km. Constants that have no source of their own were chosen so that
the simulated pairs resemble the published ones in `pair_statistics`; the climate is tile h18v04's
everywhere, half a year later in the south, with the seasons blended within 10 degrees of the equator.

Weather, clouds and noise are functions of the place, like the landscape: what a day shows does not depend on
the area that is drawn. The one exception is a clearing, which `simulate` asks for.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import rasterio.warp
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from scipy import ndimage, special

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SCALE, SINUSOIDAL, SPHERE_RADIUS_M
from lstsr_core.geo.operators import DEFAULT_MTF, degrade
from lstsr_core.geo.raster import BoolArray, FloatArray, Raster
from lstsr_core.modis.granule import LST_SCALE_K
from lstsr_core.modis.names import GranuleName
from lstsr_core.pairs.pair import PATCH_COARSE_PIXELS, Pair, write_pair
from lstsr_core.simulation.fields import Float32Array, Key, fractal, stream, white
from lstsr_core.simulation.granule_writer import (
    write_lst_granule,
    write_reflectance_granule,
    write_rgb_granule,
)
from lstsr_core.simulation.landscape import (
    CROPS,
    MARGIN_COARSE_PIXELS,
    PAIRS_STREAM,
    STRIP_COARSE_ROWS,
    TILE,
    Landscape,
    days_between,
    landscape,
)

DEFAULT_DAYS = tuple(datetime.date(2018, month, 15) for month in (1, 4, 6, 7, 8, 10))
SUMMER_MONTHS = range(4, 10)

DEFAULT_SENSOR_NOISE_K = 0.55
DEFAULT_ASTER_BIAS_K = 0.5
DEFAULT_ASTER_NOISE_K = 0.1

# A published reference: a swath of about 64 × 62 km, turned by 12
# degrees, inside a canvas of this many 250 m pixels.
ASTER_ROWS, ASTER_COLUMNS = 335, 374
SWATH_ALONG_ROWS, SWATH_ALONG_COLUMNS = 268.0, 278.0
SWATH_ANGLE_DEGREES = 12.0

_PSF_REACH_COARSE_PIXELS = 2
_MAX_OFFSET = SCALE - 1
_TROPIC_DEGREES = 10.0
_WEATHER_PIXELS = 1300.0
_CLOUDS_COARSE_PIXELS = 280.0

# Independent random streams of one seed and day, besides those of the landscape.
_DAY, _WEATHER, _VEGETATION, _CLOUDS, _BRIGHTNESS, _SENSOR, _CLEARING = range(20, 27)


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


def simulate_scene(
    land: Landscape,
    date: datetime.date,
    mtf: float = DEFAULT_MTF,
    sensor_noise_k: float = DEFAULT_SENSOR_NOISE_K,
    draw: int = 0,
    clearing: bool = True,
) -> Scene:
    """One day over a landscape.

    Parameters
    ----------
    land : Landscape
    date : datetime.date
        Sets NDVI, temperature, weather and clouds; with the landscape's seed and
        the place it sets every random number.
    mtf : float
        Of the degradation D that makes 1 km LST.
    sensor_noise_k : float
        Standard deviation in kelvin of the noise of each 1 km pixel.
    draw : int
        0 to 99; another number gives the same day of another satellite: other weather, clouds and noise.
    clearing : bool
        Open the clouds of a day from April to September over one window of
        64×64 coarse pixels, which depends on the landscape's area.
    """
    day = _Day(land, date, draw)
    ndvi = _ndvi(day)
    truth = _temperature(day, ndvi)
    cloud = clouds(land, date, draw, clearing=clearing)
    lst = _observed(day, truth, cloud, mtf, sensor_noise_k)
    red, nir = _reflectance(day, ndvi, cloud)
    red_raster, nir_raster, ndvi_raster, truth_raster = (
        Raster(values, land.transform, SINUSOIDAL) for values in (red, nir, ndvi, truth)
    )
    return Scene(date, truth_raster, ndvi_raster, red_raster, nir_raster, lst, cloud)


def simulate_night(
    land: Landscape, date: datetime.date, sensor_noise_k: float = DEFAULT_SENSOR_NOISE_K, draw: int = 0
) -> Raster:
    """LST of a night over a landscape: kelvin at 1 km in steps of 0.02 K, NaN under the night's own clouds.

    Parameters
    ----------
    land, date, sensor_noise_k, draw
        As of `simulate_scene`.
    """
    night = _Day(land, date, draw, night=True)
    cloud = clouds(land, date, draw, night=True)
    return _observed(night, _night_temperature(night), cloud, DEFAULT_MTF, sensor_noise_k)


def simulate_ndvi(land: Landscape, date: datetime.date, draw: int = 0) -> Raster:
    """NDVI of a day without its clouds, as `Scene.ndvi` has it.

    Parameters
    ----------
    land, date, draw
        As of `simulate_scene`.
    """
    return Raster(_ndvi(_Day(land, date, draw)), land.transform, SINUSOIDAL)


def clouds(
    land: Landscape,
    date: datetime.date,
    draw: int = 0,
    night: bool = False,
    clearing: bool = False,
    context: int = 0,
) -> BoolArray:
    """Cloudy 1 km pixels of a landscape's area, a tenth to a half of the Earth.

    Parameters
    ----------
    land, date, draw, clearing
        As of `simulate_scene`.
    night : bool
        Of the night's overpass.
    context : int
        Pixels around the area that are wanted, too.

    Returns
    -------
    bool array of shape (rows + 2·context, columns + 2·context)
    """
    day = _Day(land, date, draw, night)
    rows, columns = (
        slice(span.start - context, span.stop + context) for span in (land.area.rows, land.area.columns)
    )
    thickness = fractal(day.key(_CLOUDS), 2.0, rows, columns, longest=_CLOUDS_COARSE_PIXELS)
    threshold = special.ndtri(1.0 - stream(*day.key(_CLOUDS)).uniform(0.1, 0.5))
    if clearing and date.month in SUMMER_MONTHS:
        random = stream(*day.key(_CLEARING))
        # All of an area that is smaller.
        away = [
            _outside(
                np.arange(-context, length + context),
                int(random.integers(0, max(length - PATCH_COARSE_PIXELS, 0), endpoint=True)),
                PATCH_COARSE_PIXELS,
            )
            for length in (span.stop - span.start for span in (land.area.rows, land.area.columns))
        ]
        distance = np.hypot(away[0][:, None], away[1][None, :])
        # Clouds thin out towards the clearing, so that nothing in the image has its outline.
        thickness = np.where(distance == 0.0, -np.inf, thickness - 6.0 * np.exp(-((distance / 10.0) ** 2)))
    return np.asarray(thickness > threshold)


def _outside(pixels: NDArray[np.int64], first: int, side: int) -> NDArray[np.int64]:
    """How far pixels lie from those of a span."""
    return np.maximum(np.maximum(first - pixels, pixels - first - side + 1), 0)


def aster_reference(truth: Raster, bias_k: float, noise_k: float, rng: np.random.Generator) -> Raster:
    """An ASTER-like reference of the ground around the centre of a truth raster.

    Parameters
    ----------
    truth : Raster
        Kelvin; the swath is complete where it is some 20 km wider
        than an LST patch, and is cut off where it ends.
    bias_k, noise_k : float
        Offset, and standard deviation of each pixel's own noise, in kelvin.
    rng : numpy.random.Generator
        Draws the noise.

    Returns
    -------
    Raster
        Kelvin of shape (335, 374) in the UTM zone of the centre: the truth resampled bilinearly
        inside the rotated swath, exactly 0 outside it and where there is no truth, and in
        between a mixture of both along the swath's edge.
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


def visible_bands(
    red: Raster, nir: Raster, water: FloatArray, cloud: BoolArray
) -> tuple[Raster, Raster, Raster]:
    """Red, green and blue of an area at 500 m: plants are green, deep water is blue and a cloud is white.

    Parameters
    ----------
    red, nir : Raster
        Surface reflectance at 250 m, of shape (4·rows, 4·columns).
    water : array of shape (4·rows, 4·columns)
        Share of each pixel.
    cloud : bool array of shape (rows, columns)
    """
    red_500m, nir_500m, water_500m = (_halved(values) for values in (red.values, nir.values, water))
    clear = ~cloud.repeat(2, axis=0).repeat(2, axis=1)
    green = np.where(clear, 0.75 * red_500m + 0.08 * nir_500m, red_500m)
    blue = np.where(clear, 0.60 * red_500m + 0.03 * water_500m, red_500m)
    transform = red.transform @ Affine.scale(2)
    bands = (Raster(values, transform, red.crs) for values in (red_500m, green, blue))
    return tuple(bands)  # type: ignore[return-value]


def _halved(values: FloatArray) -> FloatArray:
    """Mean over each 2×2 block."""
    rows, columns = values.shape
    halved: FloatArray = values.reshape(rows // 2, 2, columns // 2, 2).mean(axis=(1, 3))
    return halved


def simulate(
    directory: Path,
    seed: int = 42,
    days: Sequence[datetime.date] = DEFAULT_DAYS,
    windows: int | None = 4,
    pairs: int = 6,
    mtf: float = DEFAULT_MTF,
) -> None:
    """Write granules and pairs; the same arguments give the same bytes.

    Parameters
    ----------
    directory : Path
        Receives ``granules/`` (a MOD21A1D, a MOD09GQ and a MOD09GA file a day) and ``pairs/``
        (three GeoTIFFs a pair: ``<id>_lst_1km.tif`` in kelvin, ``<id>_ndvi_250m.tif``
        and ``<id>_aster_250m.tif`` in tenths of kelvin).
    seed : int
    days : sequence of datetime.date
    windows : int, optional
        Side of the area in windows of 64×64 coarse pixels; None is the whole tile.
    pairs : int
        Taken in turn from the days of April to September. As in the published database, an NDVI patch begins
        0 to 3 fine pixels below and right of its LST patch.
    mtf : float
        Of the degradation D.

    Raises
    ------
    InputError
        If there is no day to take pairs from, the area does not fit into
        a tile, or the directory cannot be written to.
    """
    summer_days = [day for day in days if day.month in SUMMER_MONTHS]
    if pairs and not summer_days:
        listed = ", ".join(day.isoformat() for day in days) or "none"
        raise InputError(
            f"{pairs} pairs need a day from April to September to be taken from; the days are {listed}."
        )
    land = landscape(seed, windows)
    margin = SCALE * MARGIN_COARSE_PIXELS
    inner = slice(margin, land.height_m.shape[0] - margin)
    for day in days:
        scene = simulate_scene(land, day, mtf)
        production = f"{day.year + 2}001000000"
        red, nir = scene.red.crop(inner, inner), scene.nir.crop(inner, inner)
        for product in ("MOD21A1D", "MOD09GQ", "MOD09GA"):
            name = GranuleName(product, day, TILE, production=production)
            path = directory / "granules" / str(name)
            if product == "MOD21A1D":
                write_lst_granule(path, scene.lst, name=name)
            elif product == "MOD09GQ":
                write_reflectance_granule(path, red, nir, name=name)
            else:
                bands = visible_bands(red, nir, land.water[inner, inner], scene.cloud)
                write_rgb_granule(path, *bands, name)
        for identifier in range(pairs):
            if summer_days[identifier % len(summer_days)] == day:
                random = stream(seed, PAIRS_STREAM, identifier)
                _write_pair(directory / "pairs", identifier, scene, random)


def _write_pair(directory: Path, identifier: int, scene: Scene, random: np.random.Generator) -> None:
    row, column = _clear_spot(scene.cloud, random)
    window = slice(row, row + PATCH_COARSE_PIXELS), slice(column, column + PATCH_COARSE_PIXELS)
    lst = scene.lst.crop(*window)

    down, right = (int(offset) for offset in random.integers(0, _MAX_OFFSET, size=2, endpoint=True))
    fine_row, fine_column = SCALE * (row + MARGIN_COARSE_PIXELS), SCALE * (column + MARGIN_COARSE_PIXELS)
    side, margin = SCALE * PATCH_COARSE_PIXELS, SCALE * MARGIN_COARSE_PIXELS
    ndvi = scene.ndvi.crop(
        slice(fine_row + down, fine_row + down + side), slice(fine_column + right, fine_column + right + side)
    )

    truth = scene.truth_lst.crop(
        slice(fine_row - margin, fine_row + side + margin),
        slice(fine_column - margin, fine_column + side + margin),
    )
    reference = aster_reference(truth, DEFAULT_ASTER_BIAS_K, DEFAULT_ASTER_NOISE_K, random)
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


@dataclass(frozen=True)
class _Day:
    """A day or night of a landscape, as one satellite meets it."""

    land: Landscape
    date: datetime.date
    draw: int
    night: bool = False

    def key(self, part: int) -> Key:
        return self.land.seed, part, self.date.toordinal(), self.draw, int(self.night)

    @property
    def spans(self) -> tuple[slice, slice]:
        """Rows and columns of 250 m with the margin, on the whole sinusoidal grid."""
        area, margin = self.land.area, MARGIN_COARSE_PIXELS
        rows, columns = (
            slice(SCALE * (span.start - margin), SCALE * (span.stop + margin))
            for span in (area.rows, area.columns)
        )
        return rows, columns

    def seasonal(self, value: Callable[[datetime.date], float]) -> Float32Array:
        """What the season makes of each row, shape (rows, 1): the
        north's value, the south's, or a mixture in the tropics."""
        transform, rows = self.land.transform, self.land.height_m.shape[0]
        y = transform.f + transform.e * (np.arange(rows) + 0.5)
        position = np.clip(0.5 + 0.5 * np.degrees(y / SPHERE_RADIUS_M) / _TROPIC_DEGREES, 0.0, 1.0)
        north = position * position * (3.0 - 2.0 * position)
        south = value(self.date + datetime.timedelta(days=183))
        by_row: Float32Array = (north * value(self.date) + (1.0 - north) * south).astype(np.float32)
        return by_row[:, None]

    def mean_k(self, north_k: float, swing_k: float) -> Float32Array:
        """Temperature of each row by season, with the day's deviation."""
        deviation_k = stream(*self.key(_DAY)).normal(0.0, 1.0)
        return np.float32(north_k + deviation_k) + np.float32(swing_k) * self.seasonal(_season)


def _observed(day: _Day, truth: Float32Array, cloud: BoolArray, mtf: float, noise_k: float) -> Raster:
    """What the sensor delivers of the truth at 1 km."""
    land = day.land
    noise = noise_k * white(day.key(_SENSOR), land.area.rows, land.area.columns).astype(np.float64)
    lst = np.rint((_degraded(truth, mtf) + noise) / LST_SCALE_K) * LST_SCALE_K
    lst[cloud] = np.nan
    inner = land.transform @ Affine.translation(SCALE * MARGIN_COARSE_PIXELS, SCALE * MARGIN_COARSE_PIXELS)
    return Raster(lst, inner @ Affine.scale(COARSE_PIXEL_M / FINE_PIXEL_M), SINUSOIDAL)


def _season(date: datetime.date) -> float:
    """1 at the beginning of July, −1 half a year later."""
    return math.cos(2.0 * math.pi * days_between(date, 183.0) / 365.25)


def _ndvi(day: _Day) -> Float32Array:
    """NDVI of the shares of fields, forest, town and water, −1 … 1."""
    land = day.land
    by_crop = np.concatenate([day.seasonal(crop.ndvi) for crop in CROPS], axis=1)
    if (by_crop == by_crop[0]).all():
        ndvi: Float32Array = by_crop[0][land.crop]
    else:
        ndvi = np.take_along_axis(by_crop, land.crop.astype(np.intp), axis=1)
    ndvi += land.parcel_ndvi
    # Moist ground is greener, and the more so the drier the season.
    ndvi += np.float32(0.035) * land.moisture
    forest_ndvi = day.seasonal(lambda date: 0.66 + 0.18 * min(1.0, max(-1.0, 1.6 * _season(date) + 0.4)))
    ndvi += land.forest * (forest_ndvi - ndvi)
    ndvi += land.texture
    ndvi += land.town * (day.seasonal(lambda date: 0.26 + 0.06 * _season(date)) - ndvi)
    noise = white(day.key(_VEGETATION), *day.spans)
    ndvi += np.float32(0.008) * noise
    ndvi += land.water * (np.float32(-0.15) - ndvi)
    if land.sea.any():
        # Waves and glint; a lake is still.
        ndvi[land.sea] += np.float32(0.02) * noise[land.sea]
    return np.clip(ndvi, -0.4, 0.95, out=ndvi)


def _temperature(day: _Day, ndvi: Float32Array) -> Float32Array:
    """Surface temperature in kelvin at 250 m on a clear late morning."""
    land = day.land
    sun = np.float32(0.5) + np.float32(0.5) * day.seasonal(_season)
    # Bare ground heats more than plants that transpire; fields more than forest, whose air mixes.
    lst = (np.float32(-3.0) - np.float32(24.0) * sun) * (1.0 - np.float32(0.35) * land.forest)
    lst *= ndvi - np.float32(0.68)
    lst += sun * (1.0 - land.forest) * land.parcel_k
    lst += np.float32(2.5) * sun * land.town
    lst -= (np.float32(0.4) + sun) * land.moisture
    # The air's temperature.
    weather = _weather(day)
    lst += np.float32(0.9) * weather
    lst += day.mean_k(294.5, 14.0)
    lst -= np.float32(6.5e-3) * (land.height_m - np.float32(350.0))
    # The morning sun heats the slopes that fall towards it, in the south-east.
    southward, eastward = np.gradient(land.height_m, FINE_PIXEL_M)
    southward += eastward
    lst -= np.float32(25.0) * sun * southward
    _add_water(lst, day, weather)
    # Wind carries heat from one surface to the next.
    ndimage.gaussian_filter(lst, 0.645, output=lst, mode="nearest")
    return lst


def _night_temperature(night: _Day) -> Float32Array:
    """Surface temperature in kelvin at 250 m in a clear late evening:
    height, towns and water tell more than plants."""
    land, weather = night.land, _weather(night)
    lst = np.float32(0.9) * weather
    lst += night.mean_k(280.0, 8.0)
    lst += np.float32(1.5) * land.forest
    lst += np.float32(2.0) * land.town
    # Dry ground cools faster.
    lst += np.float32(0.5) * land.moisture
    lst -= np.float32(6.5e-3) * (land.height_m - np.float32(350.0))
    _add_water(lst, night, weather)
    ndimage.gaussian_filter(lst, 0.645, output=lst, mode="nearest")
    return lst


def _weather(day: _Day) -> Float32Array:
    """A smooth field of mean 0 and standard deviation 1 that varies over hundreds of pixels."""
    return fractal(day.key(_WEATHER), 2.0, *day.spans, longest=_WEATHER_PIXELS, finest=4)


def _add_water(lst: Float32Array, day: _Day, weather: Float32Array) -> None:
    """Blend water's temperature in: a lake follows the seasons late and
    little, and the sea smoothly from place to place."""
    land = day.land
    water_k = day.seasonal(
        lambda date: 287.0 + 9.0 * math.cos(2.0 * math.pi * days_between(date, 222.0) / 365.25)
    )
    lst += land.water * (water_k - lst)
    lst[land.sea] += np.float32(0.6) * weather[land.sea]


def _degraded(truth: Float32Array, mtf: float) -> NDArray[np.float64]:
    """D of the truth without its margin, in strips, which bounds the
    memory; each has the context that its PSF reaches."""
    coarse_rows = truth.shape[0] // SCALE
    strips = []
    context = _PSF_REACH_COARSE_PIXELS
    for first in range(MARGIN_COARSE_PIXELS, coarse_rows - MARGIN_COARSE_PIXELS, STRIP_COARSE_ROWS):
        last = min(first + STRIP_COARSE_ROWS, coarse_rows - MARGIN_COARSE_PIXELS)
        strip = truth[SCALE * (first - context) : SCALE * (last + context)].astype(np.float64)
        strips.append(degrade(strip, mtf)[context:-context, MARGIN_COARSE_PIXELS:-MARGIN_COARSE_PIXELS])
    return np.concatenate(strips)


def _reflectance(day: _Day, ndvi: Float32Array, cloud: BoolArray) -> tuple[Float32Array, Float32Array]:
    """Red and near-infrared reflectance with the given NDVI on clear ground; clouds bright in both."""
    land = day.land
    both: Float32Array = np.float32(0.40) + np.float32(0.5) * land.texture
    both += land.town * (np.float32(0.30) - both)
    both += land.water * (np.float32(0.06) - both)
    np.clip(both, 0.04, 1.0, out=both)
    red = np.float32(0.5) * both * (np.float32(1.0) - ndvi)
    nir = both - red
    margin = SCALE * MARGIN_COARSE_PIXELS
    covered = np.zeros(ndvi.shape, dtype=np.bool_)
    covered[margin:-margin, margin:-margin] = cloud.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
    brightness = np.float32(0.55) + np.float32(0.05) * white(day.key(_BRIGHTNESS), *day.spans)[covered]
    red[covered], nir[covered] = brightness, np.float32(1.03) * brightness
    return red, nir
