"""Every product's granule against GDAL's HDF4 reader; each landmark lies where it was drawn."""

import dataclasses
import datetime
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from scipy import ndimage

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.geo.raster import FloatArray, Raster, read_raster
from lstsr_core.modis.day_pairs import granule_pairs
from lstsr_core.modis.granule import read_lst, read_ndvi
from lstsr_core.modis.names import GranuleName
from lstsr_core.patches.cutting import PatchSettings, cut_granule
from lstsr_core.simulation.granule_writer import (
    LstObservation,
    write_day_and_night_granule,
    write_lst_granule,
    write_reflectance_granule,
    write_rgb_granule,
    write_water_granule,
)
from lstsr_core.simulation.landscape import MARGIN_COARSE_PIXELS, Landscape, landscape
from lstsr_core.simulation.scenes import simulate_scene

needs_gdal = pytest.mark.skipif(
    shutil.which("gdalinfo") is None, reason="gdalinfo (Debian's gdal-bin) is not installed"
)

TILE = Tile(18, 4)
ROWS, COLUMNS = 24, 30
MODIS_SINUSOIDAL = "+proj=sinu +R=6371007.181 +units=m"


def raster(values: FloatArray, pixel_m: float) -> Raster:
    return Raster(values, TILE.transform(pixel_m) @ Affine.translation(40, 8), SINUSOIDAL)


def uniform(low: float, high: float, seed: int, pixel_m: float) -> Raster:
    values = np.random.default_rng(seed).uniform(low, high, (ROWS, COLUMNS))
    values[2, 3] = np.nan
    return raster(values, pixel_m)


def observation(seed: int, number_type: type) -> LstObservation:
    lst = uniform(270.0, 320.0, seed, COARSE_PIXEL_M)
    qc = np.where(np.isnan(lst.values), 0b10, np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS) % 2).astype(
        number_type
    )
    return LstObservation(
        lst, qc, np.where(np.isnan(lst.values), np.nan, uniform(0.0, 24.0, seed + 1, COARSE_PIXEL_M).values)
    )


def gdal_dataset(path: Path, grid: str, name: str) -> tuple[dict[str, Any], NDArray[Any]]:
    """What gdalinfo says of a dataset of a granule, and its pixels as gdal_translate reads them."""
    subdataset = f'HDF4_EOS:EOS_GRID:"{path}":{grid}:{name}'
    described = subprocess.run(
        ["gdalinfo", "-json", subdataset], check=True, capture_output=True, text=True
    ).stdout
    tif = path.with_name(f"{name}.tif")
    subprocess.run(["gdal_translate", "-q", subdataset, str(tif)], check=True)
    with rasterio.open(tif) as source:
        pixels: NDArray[Any] = source.read(1)
    return json.loads(described), pixels


def check_with_gdal(
    path: Path,
    grid: str,
    name: str,
    source: Raster,
    scale: float,
    fill: int,
    dtype: str,
    stated: str | None = None,
) -> None:
    """GDAL finds grid, type, fill, scale and pixels; `stated` is the scale as the product writes it."""
    described, pixels = gdal_dataset(path, grid, name)
    band = described["bands"][0]
    assert pixels.dtype == dtype
    assert described["size"] == [source.columns, source.rows]
    np.testing.assert_allclose(described["geoTransform"], source.transform.to_gdal(), atol=1e-5)
    crs = pyproj.CRS.from_wkt(described["coordinateSystem"]["wkt"])
    x, y = pyproj.Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True).transform(7.0, 48.0)
    np.testing.assert_allclose((x, y), pyproj.Proj(MODIS_SINUSOIDAL)(7.0, 48.0), atol=1e-3)
    assert band["noDataValue"] == fill
    if stated is None and scale != 1.0:
        assert band["scale"] == pytest.approx(scale)
    if stated is not None:
        assert described["metadata"][""]["scale_factor"] == stated
    expected = np.rint(source.values / scale)
    np.testing.assert_array_equal(pixels, np.where(np.isnan(expected), fill, expected))


@needs_gdal
def test_gdal_reads_mod21(tmp_path: Path) -> None:
    seen = observation(1, np.uint16)
    write_lst_granule(tmp_path / "granule.hdf", seen.lst, seen.qc, seen.view_time_h)
    grid = "MODIS_Grid_Daily_1km_LST21"
    assert seen.qc is not None and seen.view_time_h is not None
    check_with_gdal(tmp_path / "granule.hdf", grid, "LST_1KM", seen.lst, 0.02, 0, "uint16")
    check_with_gdal(
        tmp_path / "granule.hdf", grid, "View_Time", seen.lst.with_values(seen.view_time_h), 0.1, 255, "uint8"
    )
    np.testing.assert_array_equal(gdal_dataset(tmp_path / "granule.hdf", grid, "QC")[1], seen.qc)


@needs_gdal
def test_gdal_reads_mod11a1(tmp_path: Path) -> None:
    path, grid = tmp_path / "granule.hdf", "MODIS_Grid_Daily_1km_LST"
    parts = {"Day": observation(3, np.uint8), "Night": observation(5, np.uint8)}
    write_day_and_night_granule(path, parts["Day"], parts["Night"])
    for name, seen in parts.items():
        assert seen.qc is not None and seen.view_time_h is not None
        check_with_gdal(path, grid, f"LST_{name}_1km", seen.lst, 0.02, 0, "uint16")
        check_with_gdal(
            path, grid, f"{name}_view_time", seen.lst.with_values(seen.view_time_h), 0.1, 255, "uint8"
        )
        qc = gdal_dataset(path, grid, f"QC_{name}")[1]
        assert qc.dtype == np.uint8
        np.testing.assert_array_equal(qc, seen.qc)
    # In the product's order: people count on LST and QC of the day being subdatasets 0 and 1.
    listed = subprocess.run(["gdalinfo", str(path)], check=True, capture_output=True, text=True).stdout
    names = re.findall(rf"SUBDATASET_\d+_NAME=.*{grid}:(\w+)", listed)
    assert names == [
        "LST_Day_1km", "QC_Day", "Day_view_time", "Day_view_angl", "LST_Night_1km", "QC_Night",
        "Night_view_time", "Night_view_angl", "Emis_31", "Emis_32", "Clear_day_cov", "Clear_night_cov",
    ]  # fmt: skip


def test_mod11a1_is_read_back_by_day_and_by_night(tmp_path: Path) -> None:
    day, night = observation(3, np.uint8), observation(5, np.uint8)
    write_day_and_night_granule(tmp_path / "granule.hdf", day, night)
    np.testing.assert_allclose(read_lst(tmp_path / "granule.hdf").values, day.lst.values, atol=0.01 + 1e-9)
    np.testing.assert_allclose(
        read_lst(tmp_path / "granule.hdf", "night").values, night.lst.values, atol=0.01 + 1e-9
    )


@needs_gdal
def test_gdal_reads_mod09gq_with_its_quality(tmp_path: Path) -> None:
    path = tmp_path / "granule.hdf"
    red, nir = uniform(0.0, 0.3, 7, FINE_PIXEL_M), uniform(0.2, 0.6, 8, FINE_PIXEL_M)
    qc = np.where(np.isnan(red.values), 4083, 5).astype(np.uint16)
    write_reflectance_granule(path, red, nir, qc)
    for name, band in (("sur_refl_b01_1", red), ("sur_refl_b02_1", nir)):
        check_with_gdal(path, "MODIS_Grid_2D", name, band, 1e-4, -28672, "int16", stated="10000")
    np.testing.assert_array_equal(gdal_dataset(path, "MODIS_Grid_2D", "QC_250m_1")[1], qc)


@needs_gdal
def test_gdal_reads_mod09ga(tmp_path: Path) -> None:
    path = tmp_path / "granule.hdf"
    red, green, blue = (uniform(0.0, 0.5, seed, 2 * FINE_PIXEL_M) for seed in (9, 10, 11))
    write_rgb_granule(path, red, green, blue)
    for name, band in (("sur_refl_b01_1", red), ("sur_refl_b03_1", blue), ("sur_refl_b04_1", green)):
        check_with_gdal(path, "MODIS_Grid_500m_2D", name, band, 1e-4, -28672, "int16", stated="10000")


@needs_gdal
def test_gdal_reads_mod44w(tmp_path: Path) -> None:
    path = tmp_path / "granule.hdf"
    water = uniform(0.0, 1.0, 12, FINE_PIXEL_M)
    water = water.with_values(np.where(np.isnan(water.values), np.nan, np.round(water.values)))
    write_water_granule(path, water)
    # As the product does: a fill value that no pixel has, and a
    # number for what lies outside of the projection.
    described, pixels = gdal_dataset(path, "MOD44W_250m_GRID", "water_mask")
    assert (
        described["bands"][0]["noDataValue"] == 253 and described["metadata"][""]["valid_range"] == "0, 250"
    )
    np.testing.assert_allclose(described["geoTransform"], water.transform.to_gdal(), atol=1e-5)
    np.testing.assert_array_equal(pixels, np.where(np.isnan(water.values), 250, water.values))


def test_what_a_product_cannot_hold_is_refused(tmp_path: Path) -> None:
    path, good = tmp_path / "granule.hdf", observation(1, np.uint16)
    shape = good.lst.values.shape
    with pytest.raises(
        InputError, match=r"granule\.hdf: 24\.6 h cannot be stored; the product holds 0 to 24 h"
    ):
        write_lst_granule(path, good.lst, good.qc, np.full(shape, 24.6))
    with pytest.raises(
        InputError, match=r"granule\.hdf: its QC goes from 256 to 256; the product holds 0 to 255"
    ):
        write_day_and_night_granule(path, LstObservation(good.lst, np.full(shape, 256)), good)
    with pytest.raises(InputError, match=r"granule\.hdf.*\(24, 30\).*view time \(24, 29\)"):
        write_lst_granule(path, good.lst, good.qc, np.full((24, 29), 10.0))
    with pytest.raises(InputError, match=r"granule\.hdf.*\(24, 30\).*QC \(30, 24\)"):
        write_lst_granule(path, good.lst, np.zeros((30, 24), np.uint16))
    with pytest.raises(InputError, match=r"granule\.hdf: 2 cannot be stored; the product holds 0 to 1"):
        write_water_granule(path, raster(np.full(shape, 2.0), FINE_PIXEL_M))
    red = uniform(0.0, 0.3, 7, FINE_PIXEL_M)
    with pytest.raises(InputError, match=r"red .* and green .* and blue .* same grid"):
        write_rgb_granule(
            path, red, red, Raster(red.values, red.transform @ Affine.translation(1, 0), SINUSOIDAL)
        )
    with pytest.raises(InputError, match=r"day .* and night .* same grid"):
        write_day_and_night_granule(path, good, LstObservation(good.lst.crop(slice(1, None), slice(None))))
    assert not path.exists()


# A landmark: six coarse pixels square, in a tile's window (6, 4), the first that the simulator draws.
MARK_ROW, MARK_COLUMN, MARK_SIDE = 20, 41, 6
WARM_DAYS = {TILE: datetime.date(2018, 7, 15), Tile(11, 10): datetime.date(2018, 9, 15)}


def lake(land: Landscape, square: tuple[slice, slice]) -> Landscape:
    """Cold, with an NDVI below 0."""
    water = land.water.copy()
    water[square] = 1.0
    return dataclasses.replace(land, water=water)


def quarry(land: Landscape, square: tuple[slice, slice]) -> Landscape:
    """Hot, with an NDVI near 0."""
    changed = {}
    for name, value in {
        "water": 0.0,
        "town": 0.0,
        "forest": 0.0,
        "texture": 0.0,
        "moisture": 0.0,
        "parcel_ndvi": -0.5,
    }.items():
        changed[name] = getattr(land, name).copy()
        changed[name][square] = value
    return dataclasses.replace(land, **changed)


def mark_box_m(tile: Tile) -> tuple[float, float, float, float]:
    """The landmark's left, bottom, right and top in metres, from the definition of tiles alone."""
    tile_m = 6371007.181 * np.pi / 18.0
    pixel_m = tile_m / 1200.0
    left = (tile.horizontal - 18) * tile_m + (4 * 64 + MARK_COLUMN) * pixel_m
    top = (9 - tile.vertical) * tile_m - (6 * 64 + MARK_ROW) * pixel_m
    return left, top - MARK_SIDE * pixel_m, left + MARK_SIDE * pixel_m, top


def box_of(changed: NDArray[np.bool_], transform: Affine) -> tuple[float, float, float, float]:
    rows, columns = (slice_ for slice_ in ndimage.find_objects(changed.astype(int))[0])
    left, top = transform @ (columns.start, rows.start)
    right, bottom = transform @ (columns.stop, rows.stop)
    return left, bottom, right, top


def changed_pixels(without: FloatArray, with_mark: FloatArray) -> NDArray[np.bool_]:
    change = np.abs(with_mark - without)
    return np.asarray(change > 0.35 * np.nanmax(change))


@pytest.fixture(
    scope="module",
    params=[(lake, TILE), (quarry, TILE), (lake, Tile(11, 10))],
    ids=["lake", "quarry", "lake in the south-west"],
)
def marked(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Tile]:
    """Directories of granules of one day, without the landmark and with it, and their tile."""
    draw: Callable[[Landscape, tuple[slice, slice]], Landscape]
    draw, tile = request.param
    day = WARM_DAYS[tile]
    directories: list[Path] = []
    land = landscape(42, windows=1, tile=tile)
    row, column = (4 * (first + MARGIN_COARSE_PIXELS) for first in (MARK_ROW, MARK_COLUMN))
    square = slice(row, row + 4 * MARK_SIDE), slice(column, column + 4 * MARK_SIDE)
    for ground in (land, draw(land, square)):
        scene = simulate_scene(ground, day)
        inner = slice(4 * MARGIN_COARSE_PIXELS, -4 * MARGIN_COARSE_PIXELS)
        directory = tmp_path_factory.mktemp("granules")
        write_lst_granule(directory / str(GranuleName("MOD21A1D", day, tile)), scene.lst)
        bands = scene.red.crop(inner, inner), scene.nir.crop(inner, inner)
        write_reflectance_granule(directory / str(GranuleName("MOD09GQ", day, tile)), *bands)
        directories.append(directory)
    return directories[0], directories[1], tile


def test_a_landmark_is_at_its_place_in_granules_and_patches(
    marked: tuple[Path, Path, Tile], tmp_path: Path
) -> None:
    without, with_mark, tile = marked
    expected = mark_box_m(tile)
    for product, read, pixel_m in (
        ("MOD21A1D", read_lst, COARSE_PIXEL_M),
        ("MOD09GQ", read_ndvi, FINE_PIXEL_M),
    ):
        before, after = (read(next(directory.glob(f"{product}.*"))) for directory in (without, with_mark))
        changed = changed_pixels(before.values, after.values)
        np.testing.assert_allclose(box_of(changed, after.transform), expected, atol=pixel_m)
    cut = []
    for directory in (without, with_mark):
        (pair,) = granule_pairs(directory)
        assert pair.reflectance is not None
        (row,) = cut_granule(pair.lst, pair.reflectance, tmp_path / directory.name, PatchSettings())
        cut.append(
            {
                layer: read_raster(tmp_path / directory.name / row[f"{layer}_path"])
                for layer in ("lst", "ndvi")
            }
        )
    for layer, pixel_m in (("lst", COARSE_PIXEL_M), ("ndvi", FINE_PIXEL_M)):
        after = cut[1][layer]
        changed = changed_pixels(cut[0][layer].values, after.values)
        np.testing.assert_allclose(box_of(changed, after.transform), expected, atol=pixel_m)


def gdal_warped(directory: Path, product: str, options: list[str], workspace: Path) -> FloatArray:
    """LST in steps of 0.02 K or NDVI, warped by gdalwarp straight from the granules."""
    granule = next(directory.glob(f"{product}.*"))
    names = ["MODIS_Grid_Daily_1km_LST21:LST_1KM"]
    if product == "MOD09GQ":
        names = ["MODIS_Grid_2D:sur_refl_b01_1", "MODIS_Grid_2D:sur_refl_b02_1"]
    bands = []
    for name in names:
        tif = workspace / "warped.tif"
        subprocess.run(
            ["gdalwarp", "-q", "-overwrite", *options, f'HDF4_EOS:EOS_GRID:"{granule}":{name}', str(tif)],
            check=True,
        )
        with rasterio.open(tif) as opened:
            bands.append(opened.read(1).astype(float))
    return bands[0] if len(bands) == 1 else (bands[1] - bands[0]) / (bands[1] + bands[0])


@needs_gdal
def test_a_landmark_is_at_its_place_after_warping_to_utm(
    marked: tuple[Path, Path, Tile], tmp_path: Path
) -> None:
    *directories, tile = marked
    left, bottom, right, top = mark_box_m(tile)
    longitude, latitude = pyproj.Proj(MODIS_SINUSOIDAL)((left + right) / 2, (bottom + top) / 2, inverse=True)
    epsg = (32601 if latitude > 0 else 32701) + int((longitude + 180) // 6)
    # As MODIS's geolocation means it, and as GDAL does, the sphere's latitudes are those of WGS 84.
    x, y = pyproj.Proj(f"EPSG:{epsg}")(longitude, latitude)
    grid = Raster(
        np.zeros((300, 300)), Affine(100.0, 0.0, x - 15000.0, 0.0, -100.0, y + 15000.0), CRS.from_epsg(epsg)
    )
    extent = [str(bound) for bound in (x - 15000.0, y - 15000.0, x + 15000.0, y + 15000.0)]
    options = ["-t_srs", f"EPSG:{epsg}", "-te", *extent, "-ts", "300", "300"]
    for product, read, pixel_m in (
        ("MOD21A1D", read_lst, COARSE_PIXEL_M),
        ("MOD09GQ", read_ndvi, FINE_PIXEL_M),
    ):
        here = [
            read(next(directory.glob(f"{product}.*"))).warp_onto(grid).values for directory in directories
        ]
        by_gdal = [gdal_warped(directory, product, options, tmp_path) for directory in directories]
        for without, with_mark in (here, by_gdal):
            changed = changed_pixels(without, with_mark)
            row, column = ndimage.center_of_mass(changed)
            assert 100.0 * np.hypot(row - 149.5, column - 149.5) < 0.5 * pixel_m
            # The sinusoidal projection keeps areas, and UTM does but for 0.1 %.
            area = changed.sum() * 100.0**2
            assert area == pytest.approx(
                (MARK_SIDE * COARSE_PIXEL_M) ** 2, rel=0.3 if product == "MOD21A1D" else 0.15
            )
