"""Granules that NASA made, against GDAL's own HDF4 reader, and damaged."""

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
from numpy.typing import NDArray

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import TILE_SIZE_M, Tile
from lstsr_core.geo.raster import Raster
from lstsr_core.modis.dataset import open_granule
from lstsr_core.modis.granule import (
    read_lst,
    read_lst_granule,
    read_ndvi,
    read_origin,
    read_rgb,
    read_water_mask,
)
from lstsr_core.modis.names import GranuleName
from worlds.granule_damage import Reading, Whole, soak
from worlds.soak import short_and_long

needs_gdal = pytest.mark.skipif(
    shutil.which("gdalinfo") is None, reason="gdalinfo (Debian's gdal-bin) is not installed"
)

LST_PRODUCTS = ["MOD11A1", "MYD11A1"]
PRODUCTS = [*LST_PRODUCTS, "MOD09GA", "MOD44W"]
READERS: list[Callable[[Path], object]] = [read_lst, read_ndvi, read_rgb, read_water_mask]
READER_OF = {"MOD11A1": read_lst, "MYD11A1": read_lst, "MOD09GA": read_rgb, "MOD44W": read_water_mask}

SEED, COUNTS = 20210815, short_and_long(66, 1100)


@pytest.fixture
def granule(real_granules: Path) -> Callable[[str], Path]:
    """A function (product) that names the granule of a product."""
    return lambda product: next(real_granules.glob(f"{product}.*.hdf"))


def gdal_dataset(path: Path, dataset: str, workspace: Path) -> tuple[dict[str, Any], NDArray[Any]]:
    """What gdalinfo says of a dataset, and its digital numbers as gdal_translate reads them."""
    listed = subprocess.run(["gdalinfo", str(path)], check=True, capture_output=True, text=True).stdout
    subdatasets: list[str] = re.findall(r"SUBDATASET_\d+_NAME=(.*)", listed)
    (subdataset,) = [name for name in subdatasets if name.endswith(f":{dataset}")]
    described = subprocess.run(
        ["gdalinfo", "-json", subdataset], check=True, capture_output=True, text=True
    ).stdout
    tif = workspace / f"{dataset}.tif"
    subprocess.run(["gdal_translate", "-q", subdataset, str(tif)], check=True)
    with rasterio.open(tif) as source:
        pixels: NDArray[Any] = source.read(1)
    return json.loads(described), pixels


def check_place(raster: Raster, described: dict[str, Any], tile: Tile) -> None:
    """Size, corners and projection are GDAL's, and those of the tile by its definition."""
    assert described["size"] == [raster.columns, raster.rows]
    corners = described["cornerCoordinates"]
    ours = [raster.left_m, raster.top_m, raster.right_m, raster.bottom_m]
    np.testing.assert_allclose(ours, [*corners["upperLeft"], *corners["lowerRight"]], atol=1e-3)
    np.testing.assert_allclose(
        ours, [tile.left_m, tile.top_m, tile.left_m + TILE_SIZE_M, tile.top_m - TILE_SIZE_M], atol=1.0
    )
    theirs = pyproj.CRS.from_wkt(described["coordinateSystem"]["wkt"])
    longitude, latitude = np.array([-100.0, 0.0, 7.0, 130.0]), np.array([-45.0, 0.0, 48.0, 75.0])
    for crs in (theirs, pyproj.CRS.from_wkt(raster.crs.to_wkt())):
        x, y = pyproj.Transformer.from_crs(crs.geodetic_crs, crs, always_xy=True).transform(
            longitude, latitude
        )
        np.testing.assert_allclose(
            (x, y), pyproj.Proj("+proj=sinu +R=6371007.181 +units=m")(longitude, latitude), atol=1e-3
        )


@needs_gdal
@pytest.mark.parametrize("layer", ["day", "night"])
@pytest.mark.parametrize("product", LST_PRODUCTS)
def test_gdal_reads_the_same_temperatures(
    granule: Callable[[str], Path], product: str, layer: Any, tmp_path: Path
) -> None:
    path = granule(product)
    ours, part = read_lst_granule(path, layer), layer.capitalize()
    assert ours.view_time_h is not None
    name = GranuleName.parse(path.name)
    lst, qc, hours = (
        gdal_dataset(path, dataset, tmp_path)
        for dataset in (f"LST_{part}_1km", f"QC_{part}", f"{part}_view_time")
    )
    np.testing.assert_array_equal(ours.quality.stored, qc[1])
    produced = (lst[1] >= 7500) & (qc[1] & 0b11 < 2)
    np.testing.assert_allclose(ours.lst.values, np.where(produced, lst[1] * 0.02, np.nan), rtol=1e-12)
    np.testing.assert_allclose(
        ours.view_time_h.values, np.where(hours[1] <= 240, hours[1] * 0.1, np.nan), rtol=1e-12
    )
    np.testing.assert_array_equal(read_lst(path, layer).values, ours.lst.values)
    # As GDAL's own count of valid pixels has it.
    assert np.isfinite(ours.lst.values).sum() == {
        ("MOD11A1", "day"): 63129, ("MOD11A1", "night"): 60453, ("MYD11A1", "day"): 82209,
        ("MYD11A1", "night"): 59349,
    }[product, layer]  # fmt: skip
    for described, _ in (lst, qc, hours):
        check_place(ours.lst, described, name.tile)


@needs_gdal
def test_gdal_reads_the_same_reflectances(granule: Callable[[str], Path], tmp_path: Path) -> None:
    path = granule("MOD09GA")
    for band, number in zip(read_rgb(path), (1, 4, 3), strict=True):
        described, pixels = gdal_dataset(path, f"sur_refl_b0{number}_1", tmp_path)
        valid = (pixels >= -100) & (pixels <= 16000)
        assert valid.any() and not valid.all()  # a tile at the edge of the globe
        np.testing.assert_allclose(band.values, np.where(valid, pixels / 10000, np.nan), rtol=1e-12)
        check_place(band, described, GranuleName.parse(path.name).tile)


@needs_gdal
def test_gdal_reads_the_same_water(granule: Callable[[str], Path], tmp_path: Path) -> None:
    path = granule("MOD44W")
    water = read_water_mask(path)
    described, pixels = gdal_dataset(path, "water_mask", tmp_path)
    assert described["bands"][0]["noDataValue"] == 253
    np.testing.assert_array_equal(water.values, np.where(pixels <= 1, pixels.astype(float), np.nan))
    assert {0.0, 1.0} <= set(np.unique(water.values))
    check_place(water, described, GranuleName.parse(path.name).tile)


@needs_gdal
@pytest.mark.parametrize(
    ("product", "layer", "datasets"),
    [
        *(
            (
                product,
                layer,
                {
                    "LST": f"LST_{layer.capitalize()}_1km",
                    "QC": f"QC_{layer.capitalize()}",
                    "view_time": f"{layer.capitalize()}_view_time",
                },
            )
            for product in LST_PRODUCTS
            for layer in ("day", "night")
        ),
        ("MOD09GA", None, {"red": "sur_refl_b01_1", "green": "sur_refl_b04_1", "blue": "sur_refl_b03_1"}),
        ("MOD44W", None, {"water_mask": "water_mask"}),
    ],
)
def test_an_opened_granule_is_as_gdal_translates_it(
    granule: Callable[[str], Path], product: str, layer: Any, datasets: dict[str, str], tmp_path: Path
) -> None:
    path = granule(product)
    opened = open_granule(path, layer)
    assert not any(variable.variable._in_memory for variable in opened.values())
    theirs = {name: gdal_dataset(path, dataset, tmp_path) for name, dataset in datasets.items()}
    for name, (described, stored) in theirs.items():
        if name in ("QC", "water_mask"):
            expected = stored if name == "QC" else np.where(stored <= 1, stored, 255)
            np.testing.assert_array_equal(opened[name], expected)
        else:
            scale, low, high = {"LST": (0.02, 7500, 65535), "view_time": (0.1, 0, 240)}.get(
                name, (0.0001, -100, 16000)
            )
            valid = (stored >= low) & (stored <= high)
            if name == "LST":
                valid &= (theirs["QC"][1] & 0b11) < 2
            np.testing.assert_allclose(opened[name], np.where(valid, stored * scale, np.nan), rtol=1e-12)
        ours = opened[name].rio
        np.testing.assert_allclose(ours.transform().to_gdal(), described["geoTransform"], atol=1e-3)
        np.testing.assert_allclose(
            ours.transform(recalc=True).to_gdal(), described["geoTransform"], atol=1e-3
        )
        check_place(Raster(opened[name].to_numpy(), ours.transform(), ours.crs), described,
                    GranuleName.parse(path.name).tile)  # fmt: skip
    assert str(opened["time"].values)[:10] == str(GranuleName.parse(path.name).date)


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_granule_is_known_as_what_it_is_and_is_not_odd(
    granule: Callable[[str], Path], product: str, tmp_path: Path
) -> None:
    path = granule(product)
    name, origin = GranuleName.parse(path.name), read_origin(path)
    assert (origin.product, origin.collection, origin.warnings) == (product, name.collection, ())
    assert origin.acquired_from is not None and origin.acquired_from.date() == name.date
    # Its own metadata say the same under any name.
    renamed = tmp_path / "a granule (1).hdf"
    renamed.symlink_to(path)
    assert read_origin(renamed) == origin


@pytest.mark.parametrize("product", PRODUCTS)
def test_another_reader_names_the_product_that_it_met(granule: Callable[[str], Path], product: str) -> None:
    for reader in READERS:
        if reader is not READER_OF[product]:
            with pytest.raises(InputError, match=rf"hdf: a granule of {product}; expected M[OY]D\w+"):
                reader(granule(product))


def read_temperature(layer: Any) -> Callable[[Path], Reading]:
    def read(path: Path) -> Reading:
        lst = read_lst_granule(path, layer)
        assert lst.origin.acquired_from is not None
        times = lst.view_time_h and lst.view_time_h.values
        return [lst.lst.values, lst.quality.stored, times], lst.lst, lst.origin.acquired_from.date()

    return read


def read_colours(path: Path) -> Reading:
    bands = read_rgb(path)
    return [band.values for band in bands], bands[0], None


def read_water(path: Path) -> Reading:
    water = read_water_mask(path)
    return [water.values], water, None


@pytest.mark.parametrize("count", COUNTS)
def test_each_damaged_granule_is_read_rightly_or_refused_by_name(
    granule: Callable[[str], Path], tmp_path: Path, count: int
) -> None:
    readers = [read_temperature("day"), read_temperature("night"), read_colours, read_water]
    wholes = [Whole.of(granule(product), read) for product, read in zip(PRODUCTS, readers, strict=True)]
    outcomes = soak(wholes, [10, 10, 2, 1], tmp_path, count, SEED)
    assert outcomes.wrong == []
    assert outcomes.grown_bytes < 512e6 and outcomes.grown_processes <= 1
    assert outcomes.total("read") > 0.1 * count and outcomes.total("refused") > 0.3 * count
