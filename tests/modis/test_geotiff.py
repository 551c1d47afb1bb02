"""GeoTIFFs as people export them: every way in which numbers, grids and bands may be odd."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import COARSE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.modis.geotiff import (
    LST,
    NDVI,
    Encoding,
    read_cut,
    read_facts,
    read_not_produced,
    read_quantity,
)

PLACE = Tile(18, 4).transform(COARSE_PIXEL_M) @ Affine.translation(300, 500)
FINE_PLACE = PLACE @ Affine.scale(0.25)
NUMBERS = np.arange(14000, 14000 + 20 * 30, dtype=np.uint16).reshape(20, 30)
SAID_NOTHING = Encoding()

# As Earth Engine states it, with a sphere in parameters that PROJ does not know.
EARTH_ENGINE_CRS = CRS.from_wkt(
    'PROJCS["MODIS Sinusoidal",GEOGCS["WGS 84",DATUM["WGS_1984",SPHEROID["WGS 84",6378137,298.257223563]],'
    'PRIMEM["Greenwich",0],UNIT["degree",0.01745329251994328]],PROJECTION["Sinusoidal"],'
    'PARAMETER["false_easting",0.0],PARAMETER["false_northing",0.0],PARAMETER["central_meridian",0.0],'
    'PARAMETER["semi_major",6371007.181],PARAMETER["semi_minor",6371007.181],UNIT["m",1.0]]'
)


def write(
    path: Path,
    *bands: NDArray[Any],
    transform: Affine = PLACE,
    crs: CRS | None = SINUSOIDAL,
    names: tuple[str, ...] = (),
    scale: float | None = None,
    tags: dict[str, str] | None = None,
    **profile: Any,
) -> Path:
    rows, columns = bands[0].shape
    with rasterio.open(
        path, "w", driver="GTiff", dtype=bands[0].dtype, count=len(bands), height=rows, width=columns,
        transform=transform, crs=crs, **profile,
    ) as target:  # fmt: skip
        for number, band in enumerate(bands, start=1):
            target.write(band, number)
        for number, name in enumerate(names, start=1):
            target.set_band_description(number, name)
        if scale is not None:
            target.scales = (scale,) * len(bands)
        target.update_tags(**(tags or {}))
    return path


def with_fill(numbers: NDArray[Any], fill: float) -> NDArray[Any]:
    filled = numbers.copy()
    filled[:4] = fill
    return filled


def expected(numbers: NDArray[Any] = NUMBERS) -> NDArray[np.float64]:
    values = numbers * 0.02
    values[:4] = np.nan
    return values


@pytest.mark.parametrize(
    ("numbers", "options", "how"),
    [
        (with_fill(NUMBERS, 0), {}, "numbers × 0.02, by its range"),
        (with_fill(NUMBERS, 0), {"scale": 0.02}, "numbers × 0.02, by its tags"),
        (with_fill(NUMBERS, 0), {"tags": {"scale_factor": "0.02", "add_offset": "0"}}, "× 0.02, by its tags"),
        (with_fill(NUMBERS.astype(np.int32), -1), {"nodata": -1}, "numbers × 0.02, by its range"),
        (with_fill(NUMBERS * 0.02, np.nan), {}, "in kelvin, by its range"),
        (with_fill((NUMBERS * 0.02).astype(np.float32), np.nan), {}, "in kelvin, by its range"),
        (with_fill((NUMBERS * 0.02).astype(np.float32), 0), {}, "in kelvin, by its range"),
        (with_fill(NUMBERS * 0.02, -9999.0), {"nodata": -9999.0}, "in kelvin, by its range"),
        # Scaled already, and the tags left as they were.
        (with_fill(NUMBERS * 0.02, np.nan), {"scale": 0.02}, "although its tags say × 0.02"),
    ],
)  # fmt: skip
def test_lst_is_kelvin_whatever_its_numbers_are(
    tmp_path: Path, numbers: NDArray[Any], options: dict[str, Any], how: str
) -> None:
    path = write(tmp_path / "lst.tif", numbers, **options)
    lst, (line,) = read_quantity(path, LST, SAID_NOTHING)
    np.testing.assert_allclose(lst.values, expected(), rtol=1e-12)
    assert how in line and "80.0% of its pixels are valid" in line
    assert lst.transform.almost_equals(PLACE, 1e-5)


def test_single_precision_of_the_products_steps_is_told_by_its_steps_and_other_values_are_left(
    tmp_path: Path,
) -> None:
    exact = read_quantity(write(tmp_path / "a.tif", (NUMBERS * 0.02).astype(np.float32)), LST, SAID_NOTHING)[
        0
    ]
    np.testing.assert_array_equal(exact.values, NUMBERS * 0.02)
    averaged = (NUMBERS * 0.02 + 0.007).astype(np.float32)
    values = read_quantity(write(tmp_path / "b.tif", averaged), LST, SAID_NOTHING)[0].values
    np.testing.assert_array_equal(values, averaged.astype(np.float64))


NDVI_NUMBERS = np.linspace(-1500, 9500, 80 * 120).astype(np.int16).reshape(80, 120)


@pytest.mark.parametrize(
    ("numbers", "options"),
    [
        (with_fill(NDVI_NUMBERS, -3000), {}),
        (with_fill(NDVI_NUMBERS, -28672), {"scale": 0.0001}),
        (with_fill(NDVI_NUMBERS, -3000), {"tags": {"scale_factor": "10000"}}),  # as MODIS's own divisor
        (with_fill(NDVI_NUMBERS, -32768), {"nodata": -32768}),
        (with_fill(NDVI_NUMBERS * 1e-4, np.nan), {}),
        (with_fill(NDVI_NUMBERS * 1e-4, np.nan), {"scale": 0.0001}),
        (with_fill((NDVI_NUMBERS * 1e-4).astype(np.float32), -3000), {}),
    ],
)
def test_ndvi_is_a_ratio_whatever_its_numbers_are(
    tmp_path: Path, numbers: NDArray[Any], options: dict[str, Any]
) -> None:
    path = write(tmp_path / "ndvi.tif", numbers, transform=FINE_PLACE, **options)
    ndvi, _ = read_quantity(path, NDVI, SAID_NOTHING)
    np.testing.assert_allclose(ndvi.values[4:], NDVI_NUMBERS[4:] * 1e-4, rtol=1e-9, atol=1e-12)
    assert np.isnan(ndvi.values[:4]).all()


CELSIUS = with_fill(NUMBERS * 0.02 - 273.15, np.nan)


@pytest.mark.parametrize(
    ("numbers", "quantity", "encoding", "message"),
    [
        (CELSIUS, LST, {}, r"seem to be degrees Celsius.*Say --lst-offset 273\.15"),
        (NUMBERS * 0.0 + np.nan, LST, {}, "holds no valid pixel"),
        (NUMBERS * 0, LST, {}, "holds no valid pixel"),
        (with_fill(NUMBERS * 0.02, -9999.0), LST, {}, r"20% of its LST lie outside.*say --lst-nodata -9999"),
        (np.full((9, 9), 1e6), LST, {}, r"1e\+06 to 1e\+06\) are no LST: expected 150 to 400 K"),
        (NUMBERS, LST, {"scale": 0.1}, r"no LST lies within 150 to 400 K when taken as × 0\.1"),
        (with_fill(NDVI_NUMBERS, -9999), NDVI, {}, r"lie outside.*say --ndvi-nodata -9999"),
        (with_fill(NDVI_NUMBERS * 1e-4, -9999.0), NDVI, {}, r"lie outside.*say --ndvi-nodata -9999"),
        (with_fill(NDVI_NUMBERS * 1e-4, 3.0), NDVI, {}, r"lie outside -1 to 1 when taken without a scale"),
        (np.arange(200, dtype=np.uint8).reshape(10, 20), NDVI, {}, r"0 to 199.*too small.*--ndvi-scale"),
    ],
)  # fmt: skip
def test_other_numbers_are_refused_with_what_to_say(
    tmp_path: Path, numbers: NDArray[Any], quantity: Any, encoding: dict[str, float], message: str
) -> None:
    place = PLACE if quantity is LST else FINE_PLACE
    path = write(tmp_path / "numbers.tif", numbers, transform=place)
    with pytest.raises(InputError, match=f"numbers.tif: .*{message}") as refusal:
        read_quantity(path, quantity, Encoding(**encoding))
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("numbers", "encoding"),
    [
        (CELSIUS, {"offset": 273.15}),
        (with_fill(NUMBERS * 0.02, -9999.0), {"nodata": -9999.0}),
        (with_fill(NUMBERS * 0.2, np.nan), {"scale": 0.1}),
    ],
)
def test_what_is_said_goes_before_tags_and_range(
    tmp_path: Path, numbers: NDArray[Any], encoding: dict[str, float]
) -> None:
    path = write(tmp_path / "lst.tif", numbers)
    lst, _ = read_quantity(path, LST, Encoding(**encoding))
    np.testing.assert_allclose(lst.values, expected(), rtol=1e-9)


def test_a_few_odd_numbers_are_left_out_and_counted(tmp_path: Path) -> None:
    numbers = NUMBERS * 0.02
    numbers[5, 5] = 3000.0
    lst, (line,) = read_quantity(write(tmp_path / "lst.tif", numbers), LST, SAID_NOTHING)
    assert np.isnan(lst.values[5, 5]) and np.isnan(lst.values).sum() == 1
    assert "1 outside 150 to 1310.7 K are left out" in line


# Grids


def test_a_cut_knows_its_place_on_the_global_grid(tmp_path: Path) -> None:
    """Coordinates are rounded by some exports; Earth Engine's statement of the projection is taken."""
    rounded = Affine(926.6254, 0.0, round(PLACE.c, 2), 0.0, -926.6254, round(PLACE.f, 2))
    for crs, transform in ((SINUSOIDAL, PLACE), (SINUSOIDAL, rounded), (EARTH_ENGINE_CRS, PLACE)):
        cut = read_cut(write(tmp_path / "lst.tif", NUMBERS, crs=crs, transform=transform), LST)
        assert (cut.row, cut.column) == (4 * 1200 + 500, 18 * 1200 + 300)
        assert cut.transform.almost_equals(PLACE, 1e-3)
    _, lines = read_quantity(tmp_path / "lst.tif", LST, SAID_NOTHING)
    assert "taken on MODIS's own sphere" in lines[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"crs": "EPSG:4326", "transform": Affine(0.01, 0, 5, 0, -0.01, 45)}, r"is in degrees \(WGS 84\)"),
        ({"crs": CRS.from_epsg(32631)}, "is in 'WGS 84 / UTM zone 31N'"),
        ({"crs": CRS.from_proj4("+proj=sinu +datum=WGS84 +units=m")}, "was resampled|were resampled"),
        ({"crs": None}, "has no CRS"),
        ({"transform": PLACE @ Affine.translation(0.3, 0)}, r"up to 0\.30 of a pixel beside"),
        ({"transform": PLACE @ Affine.scale(1000 / COARSE_PIXEL_M)}, r"are 1000\.00 × 1000\.00 m wide"),
        ({"transform": FINE_PLACE}, r"231\.66 m wide; expected the MODIS grid's 926\.63 m of --lst"),
        ({"transform": PLACE @ Affine.scale(1, -1)}, "do not run from west to east and from north to south"),
    ],
)  # fmt: skip
def test_what_was_resampled_is_refused_with_the_way_to_export_it(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    path = write(tmp_path / "lst.tif", NUMBERS, **changes)
    with pytest.raises(InputError, match=message) as refusal:
        read_cut(path, LST)
    text = str(refusal.value)
    assert "'Native Projection'" in text and "-tap -r near" in text
    assert "crsTransform: [926.6254330556, 0, -20015109.354" in text


def test_a_file_that_is_cut_short_or_none_is_refused(tmp_path: Path) -> None:
    path = write(
        tmp_path / "lst.tif", np.random.default_rng(1).integers(14000, 16000, (400, 400)).astype("u2")
    )
    path.write_bytes(path.read_bytes()[:100_000])
    with pytest.raises(InputError, match="not a readable GeoTIFF, perhaps truncated"):
        read_quantity(path, LST, SAID_NOTHING)
    path.write_text("no TIFF at all")
    with pytest.raises(InputError, match="not a readable GeoTIFF"):
        read_cut(path, LST)
    with pytest.raises(InputError, match=r"nowhere\.tif: no such file"):
        read_cut(tmp_path / "nowhere.tif", LST)


# Bands and layers


def test_the_band_of_the_layer_is_taken_by_its_name(tmp_path: Path) -> None:
    bands = (NUMBERS, (0 * NUMBERS), NUMBERS - 500)
    names = ("LST_Day_1km", "QC_Day", "LST_Night_1km")
    path = write(tmp_path / "lst.tif", *bands, names=names)
    for layer, numbers in (("day", NUMBERS), ("night", NUMBERS - 500)):
        lst, (line,) = read_quantity(path, LST, SAID_NOTHING, layer)  # type: ignore[arg-type]
        np.testing.assert_allclose(lst.values, numbers * 0.02)
        assert f"(band {1 if layer == 'day' else 3})" in line
    nameless = write(tmp_path / "nameless.tif", *bands, names=("a", "b", ""))
    with pytest.raises(
        InputError, match=r"has 3 bands \(1 'a', 2 'b', 3 ''\), and which is the LST is not plain"
    ):
        read_quantity(nameless, LST, SAID_NOTHING)


def test_a_file_of_the_other_half_of_the_day_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "MOD11A1.061_LST_Night_1km_doy2019200_aid0001.tif", NUMBERS)
    with pytest.raises(InputError, match="holds the LST of the night; add --layer night"):
        read_quantity(path, LST, SAID_NOTHING)
    read_quantity(path, LST, SAID_NOTHING, "night")


@pytest.mark.parametrize(
    ("name", "tags", "expected_facts"),
    [
        ("MOD11A1.061_LST_Day_1km_doy2019200_aid0001.tif", {}, ("MOD11A1", "061", "2019-07-19")),
        ("MYD13Q1.061__250m_16_days_NDVI_doy2019201000000_aid0001.tif", {}, ("MYD13Q1", "061", "2019-07-20")),
        ("2019_07_19.tif", {}, (None, None, "2019-07-19")),
        ("MOD21A1D.A2019200.h18v04.061.2020358154430.tif", {}, ("MOD21A1D", "061", "2019-07-19")),
        ("x.tif", {"SHORTNAME": "MOD11A1", "RANGEBEGINNINGDATE": "2019-07-19"},
         ("MOD11A1", None, "2019-07-19")),
        ("lst_2019-99-99.tif", {}, (None, None, None)),
    ],
)  # fmt: skip
def test_name_and_tags_tell_the_origin(
    tmp_path: Path, name: str, tags: dict[str, str], expected_facts: tuple[str | None, ...]
) -> None:
    facts = read_facts(write(tmp_path / name, NUMBERS, tags=tags))
    product, collection, day = expected_facts
    assert (facts.product, facts.collection) == (product, collection)
    assert facts.day == (None if day is None else datetime.date.fromisoformat(day))


def test_a_qc_tells_what_was_not_produced_and_must_cover_the_lst(tmp_path: Path) -> None:
    qc = np.tile(np.array([0b00, 0b01, 0b10, 0b11, 0b1101], np.uint8), (20, 6))
    cut = read_cut(write(tmp_path / "lst.tif", NUMBERS), LST)
    bad = read_not_produced(write(tmp_path / "qc.tif", qc), cut)
    np.testing.assert_array_equal(bad, np.tile([False, False, True, True, False], (20, 6)))
    with pytest.raises(InputError, match="does not cover the LST"):
        read_not_produced(write(tmp_path / "qc.tif", qc[:10]), cut)
    with pytest.raises(InputError, match="its numbers are float32; expected a QC"):
        read_not_produced(write(tmp_path / "qc.tif", qc.astype(np.float32)), cut)
