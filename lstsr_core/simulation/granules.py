"""Simulated granules under the archive's names: whole tiles with sea, clouds
and ground outside the swath, in every product.

All products of a satellite and day show one Earth and one overpass, so that neighbouring tiles match at their
border; Aqua passes three hours after Terra. Orbits follow each other by some 25 degrees, with a gap between
their swaths. The sea further than `OFFSHORE_KM` from land is not processed, as in MODIS's land products;
inland and coastal water has values. Pixels beyond the globe's edge have none in any product.
"""

from __future__ import annotations

import datetime
import math
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import (
    COARSE_PIXEL_M,
    SCALE,
    SINUSOIDAL,
    SPHERE_RADIUS_M,
    TILE_COARSE_PIXELS,
    TILE_SIZE_M,
    Tile,
)
from lstsr_core.geo.operators import block_mean
from lstsr_core.geo.raster import BoolArray, FloatArray, Raster
from lstsr_core.geo.window import Window
from lstsr_core.modis.granule import LST_SCALE_K, RELIABILITY_FILL
from lstsr_core.modis.names import PLATFORMS, GranuleName
from lstsr_core.simulation.composites import composite
from lstsr_core.simulation.fields import stream, white
from lstsr_core.simulation.granule_writer import (
    LstObservation,
    write_composite_granule,
    write_day_and_night_granule,
    write_lst_granule,
    write_reflectance_granule,
    write_rgb_granule,
    write_water_granule,
)  # fmt: skip
from lstsr_core.simulation.landscape import MARGIN_COARSE_PIXELS, Landscape, landscape
from lstsr_core.simulation.scenes import clouds, simulate_night, simulate_scene, visible_bands

Scalar = TypeVar("Scalar", bound=np.generic)

OFFSHORE_KM = 15.0
"""How far from land the sea is processed."""

OVERPASSES_LOCAL_H = {"MOD": (10.5, 22.5), "MYD": (13.5, 1.5)}
"""Mean local solar time of the day's and the night's overpass,
by the first letters of a satellite's products."""

_SWATH, _SPLIT_WINDOW = 100, 101
_DRAWS = {"MOD": 0, "MYD": 1}
_ORBIT_DEGREES = 360.0 / 14.57  # between two orbits, for there are 14.57 a day
_LATITUDE_PER_HOUR = 218.0
_SWATH_TILT = 0.15  # degrees of longitude by which an orbit shifts with each degree of latitude
_BESIDE_PIXELS = 2
_SPLIT_WINDOW_NOISE_K = 0.3


def _bits(*flags: int) -> int:
    """Flags of two bits each, the first in the lowest."""
    return sum(flag << 2 * place for place, flag in enumerate(flags))


_TES_MISSING, _SPLIT_WINDOW_MISSING = _bits(3, 1), _bits(3)
_REFLECTANCE_MISSING = _bits(3, 0, 0b11, 0b10, 0b11, 0b10)  # each band: missing input


_Bounds = tuple[int, int, int, int]
"""First and last row and column, each last one not included."""


@dataclass(frozen=True)
class _Request:
    """The day of a tile that a granule shows; `satellite` is what its products' names begin with."""

    satellite: str
    date: datetime.date
    tile: Tile
    seed: int
    windows: int | None
    window: _Bounds | None

    @property
    def draw(self) -> int:
        return _DRAWS[self.satellite]


@dataclass(frozen=True)
class _Ground:
    """What the days of a tile share; arrays have the shape (rows, columns) of the
    1 km grid without the landscape's margin, and latitude (rows, 1)."""

    land: Landscape
    longitude: FloatArray
    latitude: FloatArray
    water: BoolArray
    offshore: BoolArray

    @property
    def outside(self) -> BoolArray:
        """Pixels of the grid that lie beyond the globe's edge."""
        return np.abs(self.longitude) > 180.0


@dataclass(frozen=True)
class _Overpass:
    """What a satellite sees at one time of a day, at 1 km;
    `missing` is outside the swath or the projection."""

    local_h: float
    lst: Raster
    cloud: BoolArray
    beside_cloud: BoolArray
    missing: BoolArray
    view_time_h: FloatArray


def write_sample_granule(
    name: GranuleName,
    path: Path,
    seed: int = 42,
    windows: int | None = None,
    window: Window | None = None,
) -> None:
    """Write the simulated granule of a product, day and tile; the same arguments give the same bytes.

    A pixel's values depend on seed, satellite, day and place alone, and not on the part that is drawn.

    The landscape of the last tile and the overpasses of its last day are kept (about 1 GB for a whole tile),
    so ask for all products of a day before the next day, and for all days of a tile before the next tile.

    Parameters
    ----------
    name : GranuleName
        Says product, day and tile.
    path : Path
    seed : int
        Of the Earth that all tiles show.
    windows : int, optional
        Write no more than a square part of the tile, so many windows of 64×64
        coarse pixels a side.
    window : Window, optional
        Draw these coarse pixels of the tile alone, which is quicker: the granule is a whole
        tile's all the same, with fill outside.

    Raises
    ------
    InputError
        If the sample has no such product, the tile lies beyond the globe's edge, the part does
        not fit into the tile, or the file cannot be written.
    """
    _check(name.product, name.tile)
    if windows is not None and window is not None:
        raise ValueError("Either windows or window says what part of a tile is wanted.")
    drawn: _Bounds | None = None
    if window is not None:
        drawn = window.rows.start, window.rows.stop, window.columns.start, window.columns.stop
    # HDF4's library keeps its state in globals, and two tiles at once need twice the memory.
    with _LOCK:
        request = _Request(name.product[:3], name.date, name.tile, seed, windows, drawn)
        _WRITERS[name.kind](request, path, name)


_LOCK = threading.Lock()


def _check(product: str, tile: Tile) -> None:
    if product not in SAMPLE_PRODUCTS:
        raise InputError(f"The sample has no product '{product}'; it has {', '.join(SAMPLE_PRODUCTS)}.")
    # The corner nearest to the projection's centre.
    x = min(abs(tile.left_m), abs(tile.left_m + TILE_SIZE_M))
    y = min(abs(tile.top_m), abs(tile.top_m - TILE_SIZE_M))
    if x >= math.pi * SPHERE_RADIUS_M * math.cos(y / SPHERE_RADIUS_M):
        raise InputError(
            f"Tile {tile} lies beyond the globe's edge; choose one that holds land, such as h18v04."
        )


@lru_cache(maxsize=1)
def _ground(tile: Tile, seed: int, windows: int | None, window: _Bounds | None) -> _Ground:
    part = None if window is None else Window(slice(*window[:2]), slice(*window[2:]))
    land = landscape(seed, windows, tile, sea=True, window=part)
    sea = block_mean(land.sea.astype(np.float32)) >= 0.5
    inner = slice(MARGIN_COARSE_PIXELS, -MARGIN_COARSE_PIXELS)
    # Where all is sea there is no land to measure from.
    distance_km = (
        np.full(sea.shape, np.inf)
        if sea.all()
        else ndimage.distance_transform_edt(sea) * COARSE_PIXEL_M / 1000.0
    )
    water = block_mean(_inner(land.water)) >= 0.5
    to_x_y = _inner_transform(land) @ Affine.scale(SCALE)
    x = to_x_y.c + to_x_y.a * (np.arange(water.shape[1]) + 0.5)
    y = to_x_y.f + to_x_y.e * (np.arange(water.shape[0]) + 0.5)[:, None]
    longitude = np.degrees(x[None, :] / (SPHERE_RADIUS_M * np.cos(y / SPHERE_RADIUS_M)))
    latitude = np.degrees(y / SPHERE_RADIUS_M)
    return _Ground(land, longitude, latitude, water, (distance_km > OFFSHORE_KM)[inner, inner])


@lru_cache(maxsize=1)
def _day(request: _Request) -> tuple[_Overpass, Raster, Raster]:
    """The day's overpass, red and near-infrared reflectance."""
    ground = _ground_of(request)
    scene = simulate_scene(ground.land, request.date, draw=request.draw, clearing=False)
    overpass = _overpass(ground, request, scene.lst, night=False)
    unseen = _fine(overpass.missing | ground.offshore)
    bands = []
    for band in (scene.red, scene.nir):
        # A copy, so that the margin is not kept.
        values = _inner(band.values).copy()
        values[unseen] = np.nan
        bands.append(Raster(values, _inner_transform(ground.land), band.crs))
    return overpass, bands[0], bands[1]


@lru_cache(maxsize=1)
def _night(request: _Request) -> _Overpass:
    ground = _ground_of(request)
    lst = simulate_night(ground.land, request.date, draw=request.draw)
    return _overpass(ground, request, lst, night=True)


def _overpass(ground: _Ground, request: _Request, lst: Raster, night: bool) -> _Overpass:
    land, context = ground.land, _BESIDE_PIXELS
    wide_cloud = clouds(land, request.date, request.draw, night, context=context)
    inner = slice(context, -context)
    beside = ndimage.binary_dilation(wide_cloud, iterations=context)[inner, inner]
    cloud = wide_cloud[inner, inner]

    local_h = OVERPASSES_LOCAL_H[request.satellite][night]
    random = stream(request.seed, _SWATH, request.date.toordinal(), int(local_h))
    first_orbit, gap = random.random(), random.uniform(0.02, 0.08)
    # Terra, in the morning, comes from the north-east and Aqua, after noon, from
    # the south-east; at night the other way round.
    descending = 1.0 if local_h < 12.0 else -1.0
    track = descending * _SWATH_TILT * ground.latitude
    orbit = (np.clip(ground.longitude, -180.0, 180.0) - track) / _ORBIT_DEGREES - first_orbit
    across = orbit - np.floor(orbit)
    missing = (across < gap) | ground.outside
    # One moment for all that an orbit sees at a latitude: the sun is further where one looks eastward.
    seen_h = local_h + ((across - 0.5) * _ORBIT_DEGREES + track) / 15.0
    seen_h = seen_h - descending * ground.latitude / _LATITUDE_PER_HOUR
    clear = ~(cloud | missing | ground.offshore)
    view_time_h = np.where(clear, seen_h % 24.0, np.nan)
    values = np.where(clear, lst.values, np.nan)
    return _Overpass(local_h, lst.with_values(values), cloud, beside, missing, view_time_h)


def _tes(ground: _Ground, overpass: _Overpass) -> LstObservation:
    """MOD21: temperature and emissivity separated; QC's 16
    bits as the product's legend has them, two a flag."""
    # From bit 0: mandatory, input, cloud, iterations, opacity,
    # emissivity contrast, emissivity's and LST's accuracy.
    qc = np.full(overpass.cloud.shape, _bits(0, 0, 0, 2, 2, 2, 2, 2), dtype=np.uint16)
    qc[ground.water] = _bits(0, 0, 0, 2, 2, 3, 2, 2)
    qc[overpass.beside_cloud] = _bits(1, 0, 2, 2, 2, 2, 1, 1)
    qc[overpass.cloud] = _bits(2, 0, 3)
    qc[ground.offshore] = _bits(3)
    qc[overpass.missing] = _TES_MISSING
    return LstObservation(overpass.lst, qc, overpass.view_time_h)


def _split_window(ground: _Ground, request: _Request, overpass: _Overpass) -> LstObservation:
    """MOD11: the same temperature with another algorithm's errors; from QC's
    bit 0: mandatory, input, emissivity, LST error."""
    key = request.seed, _SPLIT_WINDOW, request.date.toordinal(), int(overpass.local_h)
    area = ground.land.area
    lst = overpass.lst.values + _SPLIT_WINDOW_NOISE_K * white(key, area.rows, area.columns)
    qc = np.zeros(overpass.cloud.shape, dtype=np.uint8)
    qc[overpass.beside_cloud] = _bits(1, 0, 0, 1)
    qc[overpass.cloud] = _bits(2)
    qc[ground.offshore | overpass.missing] = _SPLIT_WINDOW_MISSING
    return LstObservation(
        overpass.lst.with_values(np.rint(lst / LST_SCALE_K) * LST_SCALE_K), qc, overpass.view_time_h
    )


def _reflectance_qc(ground: _Ground, overpass: _Overpass) -> NDArray[np.uint16]:
    """From QC's bit 0: MODLAND, cloud state, four bits for each band,
    then whether the atmosphere was corrected for."""
    qc = np.full(overpass.cloud.shape, 1 << 12, dtype=np.uint16)
    qc[overpass.cloud] = _bits(1, 1)
    qc[ground.offshore] = _bits(3, 0, 0b11, 0b11, 0b11, 0b11)  # each band: not processed due to deep ocean
    qc[overpass.missing] = _REFLECTANCE_MISSING
    return _fine(qc)


def _write_tes_day(request: _Request, path: Path, name: GranuleName) -> None:
    _write_tes(request, _day(request)[0], path, name)


def _write_tes_night(request: _Request, path: Path, name: GranuleName) -> None:
    _write_tes(request, _night(request), path, name)


def _write_tes(request: _Request, overpass: _Overpass, path: Path, name: GranuleName) -> None:
    seen = _whole_observation(request, _tes(_ground_of(request), overpass), _TES_MISSING)
    write_lst_granule(path, seen.lst, seen.qc, seen.view_time_h, name)


def _write_split_window(request: _Request, path: Path, name: GranuleName) -> None:
    ground = _ground_of(request)
    day, night = (
        _whole_observation(request, _split_window(ground, request, overpass), _SPLIT_WINDOW_MISSING)
        for overpass in (_day(request)[0], _night(request))
    )
    write_day_and_night_granule(path, day, night, name)


def _write_red_and_nir(request: _Request, path: Path, name: GranuleName) -> None:
    overpass, red, nir = _day(request)
    qc = _whole(request, _reflectance_qc(_ground_of(request), overpass), _REFLECTANCE_MISSING)
    write_reflectance_granule(path, _whole_raster(request, red), _whole_raster(request, nir), qc, name)


def _write_rgb(request: _Request, path: Path, name: GranuleName) -> None:
    overpass, red, nir = _day(request)
    bands = visible_bands(red, nir, _inner(_ground_of(request).land.water), overpass.cloud)
    red, green, blue = (_whole_raster(request, band) for band in bands)
    write_rgb_granule(path, red, green, blue, name)


def _write_composite(request: _Request, path: Path, name: GranuleName) -> None:
    ground = _ground_of(request)
    sixteen_days = composite(ground.land, request.date, request.draw, clearing=False)
    ndvi, reliability = _inner(sixteen_days.ndvi.values).copy(), _inner(sixteen_days.reliability).copy()
    unseen = _fine(ground.outside | ground.offshore)
    ndvi[unseen], reliability[unseen] = np.nan, RELIABILITY_FILL
    raster = Raster(ndvi, _inner_transform(ground.land), sixteen_days.ndvi.crs)
    reliability = _whole(request, reliability, RELIABILITY_FILL)
    write_composite_granule(path, _whole_raster(request, raster), reliability, name)


def _write_water(request: _Request, path: Path, name: GranuleName) -> None:
    ground = _ground_of(request)
    water = (_inner(ground.land.water) > 0.5).astype(np.float32)
    water[_fine(ground.outside)] = np.nan
    raster = _whole_raster(request, Raster(water, _inner_transform(ground.land), SINUSOIDAL))
    undrawn = ~_whole(request, np.ones(water.shape, dtype=np.bool_), False)
    write_water_granule(path, raster, name, undrawn)


def _whole(request: _Request, values: NDArray[Scalar], fill: object) -> NDArray[Scalar]:
    """The tile's pixels with those of the request's window in their place, if it has one."""
    if request.window is None:
        return values
    top, bottom, left, _ = request.window
    per_coarse = values.shape[0] / (bottom - top)
    side = round(per_coarse * TILE_COARSE_PIXELS)
    whole = np.full((side, side), fill, dtype=values.dtype)
    first_row, first_column = round(per_coarse * top), round(per_coarse * left)
    whole[first_row : first_row + values.shape[0], first_column : first_column + values.shape[1]] = values
    return whole


def _whole_raster(request: _Request, raster: Raster) -> Raster:
    if request.window is None:
        return raster
    values = _whole(request, raster.values, np.nan)
    return Raster(values, request.tile.transform(TILE_SIZE_M / values.shape[0]), raster.crs)


def _whole_observation(request: _Request, observation: LstObservation, missing: int) -> LstObservation:
    assert observation.qc is not None and observation.view_time_h is not None
    return LstObservation(
        _whole_raster(request, observation.lst),
        _whole(request, observation.qc, missing),
        _whole(request, observation.view_time_h, np.nan),
    )


_WRITERS: dict[str, Callable[[_Request, Path, GranuleName], None]] = {
    "21A1D": _write_tes_day,
    "21A1N": _write_tes_night,
    "11A1": _write_split_window,
    "09GQ": _write_red_and_nir,
    "09GA": _write_rgb,
    "44W": _write_water,
    "13Q1": _write_composite,
}
SAMPLE_PRODUCTS = tuple(
    satellite + kind for satellite in PLATFORMS for kind in _WRITERS if satellite == "MOD" or kind != "44W"
)


def _ground_of(request: _Request) -> _Ground:
    return _ground(request.tile, request.seed, request.windows, request.window)


def _inner(values: NDArray[Scalar]) -> NDArray[Scalar]:
    """The landscape's pixels without its margin."""
    margin = SCALE * MARGIN_COARSE_PIXELS
    return values[margin:-margin, margin:-margin]


def _inner_transform(land: Landscape) -> Affine:
    margin = SCALE * MARGIN_COARSE_PIXELS
    return land.transform @ Affine.translation(margin, margin)


def _fine(coarse: NDArray[Scalar]) -> NDArray[Scalar]:
    return coarse.repeat(SCALE, axis=0).repeat(SCALE, axis=1)
