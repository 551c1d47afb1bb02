"""Which LST and NDVI may go together: days, 16 days, granules beside GeoTIFFs, and what is said of them."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from affine import Affine

from lstsr_core import cli
from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import FINE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.geo.raster import Raster
from lstsr_core.maps.plan import plan_granule
from lstsr_core.maps.predict import predict_granule
from lstsr_core.maps.request import Request
from lstsr_core.modis.geotiff import Encoding
from lstsr_core.modis.granule import read_lst, read_ndvi
from lstsr_core.modis.names import GranuleName
from lstsr_core.simulation.granule_writer import write_composite_granule, write_water_granule
from worlds.granules import DAY, FIRST_COLUMN, FIRST_ROW, SIZE, Granules, fields, write_granules

REQUEST = Request("tsharp")
FINE_PLACE = Tile(18, 4).transform(FINE_PIXEL_M) @ Affine.translation(4 * FIRST_COLUMN, 4 * FIRST_ROW)


@pytest.fixture(scope="module")
def granules(tmp_path_factory: pytest.TempPathFactory) -> Granules:
    return write_granules(tmp_path_factory.mktemp("granules"), *fields())


def composite(directory: Path, first_day: datetime.date, product: str = "MOD13Q1") -> Path:
    path = directory / str(GranuleName(product, first_day, Tile(18, 4)))
    write_composite_granule(path, Raster(fields()[1], FINE_PLACE, SINUSOIDAL))
    return path


def geotiff(raster: Raster, path: Path) -> Path:
    with rasterio.open(
        path, "w", driver="GTiff", dtype="float64", count=1, height=raster.rows, width=raster.columns,
        transform=raster.transform, crs=raster.crs,
    ) as target:  # fmt: skip
        target.write(raster.values, 1)
    return path


def tags_of(path: Path) -> dict[str, str]:
    with rasterio.open(path) as source:
        return dict(source.tags())


def test_16_days_that_hold_the_lsts_day_are_taken_and_named(granules: Granules, tmp_path: Path) -> None:
    ndvi, out = composite(tmp_path, datetime.date(2018, 7, 12)), tmp_path / "map.tif"
    summary = predict_granule(granules.lst, ndvi, out, REQUEST)
    assert summary.warnings == ()
    tags = tags_of(out)
    assert tags["LSTSR_NDVI"] == "MOD13Q1 of the 16 days from 2018-07-12 to 2018-07-27"
    assert tags["LSTSR_NDVI_GRANULE"] == ndvi.name and "LSTSR_REFLECTANCE_GRANULE" not in tags
    # The day's reflectances have the same NDVI here, but for its rounding.
    predict_granule(granules.lst, granules.reflectance, tmp_path / "daily.tif", REQUEST)
    with rasterio.open(out) as ours, rasterio.open(tmp_path / "daily.tif") as theirs:
        np.testing.assert_allclose(ours.read(1), theirs.read(1), atol=0.02)
    assert tags_of(tmp_path / "daily.tif")["LSTSR_NDVI"] == "MOD09GQ of 2018-07-19"


@pytest.mark.parametrize(
    ("product", "first", "apart", "right"),
    [
        ("MOD13Q1", datetime.date(2018, 6, 26), 8, "MOD13Q1 of 2018-07-12 (A2018193)"),
        ("MOD13Q1", datetime.date(2018, 7, 28), 9, "MOD13Q1 of 2018-07-12 (A2018193)"),
        ("MYD13Q1", datetime.date(2018, 7, 20), 1, "MYD13Q1 of 2018-07-04 (A2018185)"),
        ("MOD13Q1", datetime.date(2018, 5, 25), 40, "MOD13Q1 of 2018-07-12 (A2018193)"),
    ],
)
def test_other_16_days_need_a_word_and_the_right_ones_are_named(
    granules: Granules, tmp_path: Path, product: str, first: datetime.date, apart: int, right: str
) -> None:
    ndvi = composite(tmp_path, first, product)
    with pytest.raises(InputError, match=f"{apart} days apart; expected a day among them") as refusal:
        plan_granule(granules.lst, ndvi, REQUEST)
    assert right in str(refusal.value) and "2018-07-19" in str(refusal.value)
    near = replace(REQUEST, allow_different_days=True)
    if apart <= 16:
        assert any(
            f"{apart} days apart" in warning for warning in plan_granule(granules.lst, ndvi, near).warnings
        )
    else:
        with pytest.raises(InputError, match="take a day nearer"):
            plan_granule(granules.lst, ndvi, near)


def test_granules_and_geotiffs_go_together(granules: Granules, tmp_path: Path) -> None:
    """Either may be a GeoTIFF: the map is the same."""
    lst = geotiff(read_lst(granules.lst), tmp_path / "MOD21A1D_doy2018200.tif")
    ndvi = geotiff(read_ndvi(granules.reflectance), tmp_path / "ndvi_2018-07-19.tif")
    predict_granule(granules.lst, granules.reflectance, tmp_path / "hdf.tif", REQUEST)
    with rasterio.open(tmp_path / "hdf.tif") as source:
        expected = source.read()
    for number, paths in enumerate(((lst, granules.reflectance), (granules.lst, ndvi), (lst, ndvi))):
        out = tmp_path / f"{number}.tif"
        summary = predict_granule(*paths, out, REQUEST)
        with rasterio.open(out) as source:
            np.testing.assert_allclose(source.read(), expected, atol=1e-4)
        assert not any("days apart" in warning or "trust" in warning for warning in summary.warnings)


def test_days_of_geotiffs_are_compared_where_they_are_told(granules: Granules, tmp_path: Path) -> None:
    other = geotiff(read_ndvi(granules.reflectance), tmp_path / "ndvi_2018-07-14.tif")
    with pytest.raises(InputError, match="NDVI of 2018-07-14, 5 days apart; expected the same day"):
        plan_granule(granules.lst, other, REQUEST)
    nameless = geotiff(read_ndvi(granules.reflectance), tmp_path / "ndvi.tif")
    warnings = plan_granule(granules.lst, nameless, REQUEST).warnings
    assert "ndvi.tif: tells no day, so that LST and NDVI of one day are taken on trust" in warnings


def test_ground_apart_is_refused(granules: Granules, tmp_path: Path) -> None:
    away = Raster(fields()[1], FINE_PLACE @ Affine.translation(4 * SIZE, 0), SINUSOIDAL)
    with pytest.raises(InputError, match="no 1 km pixel in common"):
        plan_granule(granules.lst, geotiff(away, tmp_path / "ndvi.tif"), REQUEST)


def test_water_of_the_tile_is_masked_in_a_geotiffs_map(granules: Granules, tmp_path: Path) -> None:
    water = np.zeros((4800, 4800))
    row, column = 4 * FIRST_ROW + 40, 4 * FIRST_COLUMN + 60
    water[row : row + 8, column : column + 12] = 1.0
    mask = tmp_path / "water" / str(GranuleName("MOD44W", datetime.date(2018, 1, 1), Tile(18, 4)))
    write_water_granule(mask, Raster(water, Tile(18, 4).transform(FINE_PIXEL_M), SINUSOIDAL))
    lst = geotiff(read_lst(granules.lst), tmp_path / "lst.tif")
    request = replace(REQUEST, water=mask.parent)
    predict_granule(lst, granules.reflectance, tmp_path / "map.tif", request)
    with rasterio.open(tmp_path / "map.tif") as source:
        validity = source.read(3)
    assert (validity[40:48, 60:72] == 3).all() and (validity == 3).sum() == 96


def test_what_is_said_of_a_granules_numbers_is_refused(granules: Granules) -> None:
    for request in (
        replace(REQUEST, lst_encoding=Encoding(scale=0.02)),
        replace(REQUEST, ndvi_encoding=Encoding(nodata=0.0)),
        replace(REQUEST, lst_qc=granules.lst),
    ):
        with pytest.raises(InputError, match="a granule tells its own scale and quality"):
            plan_granule(granules.lst, granules.reflectance, request)


def test_the_command_takes_ndvi_and_what_is_said_of_numbers(
    granules: Granules, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ndvi, out = composite(tmp_path, datetime.date(2018, 7, 12)), tmp_path / "map.tif"
    lst = read_lst(granules.lst)
    celsius = geotiff(lst.with_values(lst.values - 273.15), tmp_path / f"lst_{DAY}.tif")
    words = ["predict", "--method", "tsharp", "--ndvi", str(ndvi), "--out", str(out)]
    assert cli.main([*words, "--lst", str(celsius)]) == 1
    assert "--lst-offset 273.15" in capsys.readouterr().err
    assert cli.main([*words, "--lst", str(celsius), "--lst-offset", "273.15"]) == 0
    err = capsys.readouterr().err
    assert "as was said" in err and "quality of its pixels is not checked" in err
    assert '"lst_offset": 273.15' in tags_of(out)["LSTSR_PARAMETERS"]
    assert cli.main([*words, "--lst", str(granules.lst), "--reflectance", str(granules.reflectance)]) == 1
    assert "--ndvi and --reflectance exclude each other" in capsys.readouterr().err
    many = ["predict", "--granules", str(granules.lst.parent), "--out", str(tmp_path / "maps")]
    assert cli.main([*many, "--ndvi", str(ndvi)]) == 1
    assert "are for one map" in capsys.readouterr().err
    assert cli.main([*words[:-1], str(celsius), "--lst", str(celsius), "--lst-offset", "273.15"]) == 1
    assert "which the output would replace" in capsys.readouterr().err
