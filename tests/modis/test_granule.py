"""Granules against GDAL's own HDF4 reader, and against files that are damaged or state something else."""

import datetime
import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from pyhdf.SD import SD, SDC

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import (
    COARSE_PIXEL_M,
    FINE_PIXEL_M,
    SINUSOIDAL,
    SPHERE_RADIUS_M,
    TILE_COARSE_PIXELS,
    Tile,
)
from lstsr_core.geo.raster import FloatArray, Raster
from lstsr_core.modis.granule import (
    RGB_PIXEL_M,
    read_lst,
    read_lst_granule,
    read_ndvi,
    read_ndvi_and_origin,
    read_ndvi_over,
    read_origin,
    read_rgb,
    read_water_mask,
)
from lstsr_core.modis.hdf_eos import STRUCT_METADATA_BYTES, GridDataset, Storage, write_granule
from lstsr_core.modis.names import GranuleName
from lstsr_core.simulation.granule_metadata import archive_texts
from lstsr_core.simulation.granule_writer import write_lst_granule, write_reflectance_granule

needs_gdal = pytest.mark.skipif(
    shutil.which("gdalinfo") is None, reason="gdalinfo (Debian's gdal-bin) is not installed"
)

TILE = Tile(18, 4)
LST_TRANSFORM = TILE.transform(COARSE_PIXEL_M) @ Affine.translation(256, 384)
FINE_TRANSFORM = TILE.transform(FINE_PIXEL_M) @ Affine.translation(1024, 1536)


def lst_raster(rows: int = 40, columns: int = 56) -> Raster:
    lst = np.random.default_rng(1).normal(300.0, 6.0, (rows, columns))
    lst[3, 5] = np.nan
    return Raster(lst, LST_TRANSFORM, SINUSOIDAL)


def fine_raster(values: FloatArray) -> Raster:
    return Raster(values, FINE_TRANSFORM, SINUSOIDAL)


def set_attribute(path: Path, dataset: str, name: str, number_type: int, value: object) -> None:
    file = SD(str(path), SDC.WRITE)
    stored = file.select(dataset)
    stored.attr(name).set(number_type, value)
    stored.endaccess()
    file.end()


def set_core_metadata(path: Path, **entries: str) -> None:
    """Write inventory metadata in the archive's notation."""
    objects = [
        f"  OBJECT                 = {name}\n    NUM_VAL              = 1\n    VALUE                ="
        f' "{value}"\n  END_OBJECT             = {name}\n\n'
        for name, value in entries.items()
    ]
    file = SD(str(path), SDC.WRITE)
    file.attr("CoreMetadata.0").set(
        SDC.CHAR, f"\nGROUP = INVENTORYMETADATA\n{''.join(objects)}END_GROUP = INVENTORYMETADATA\nEND\n"
    )
    file.end()


def change_struct_metadata(path: Path, old: str, new: str) -> None:
    """Replace a text in StructMetadata, whose padding takes up the difference in length."""
    content = bytearray(path.read_bytes())
    start = content.index(b"GROUP=SwathStructure")
    part = slice(start, start + STRUCT_METADATA_BYTES)
    text = bytes(content[part]).rstrip(b"\0")
    assert text.count(old.encode()) == 1
    content[part] = text.replace(old.encode(), new.encode()).ljust(STRUCT_METADATA_BYTES, b"\0")
    path.write_bytes(content)


def lst_dataset(name: str, stored: np.ndarray) -> GridDataset:
    return GridDataset(name, stored.astype(np.uint16), 0, (7500, 65535), 0.02, "LST", "K")


def qc_dataset(name: str, stored: np.ndarray, number_type: type = np.uint16) -> GridDataset:
    return GridDataset(name, stored.astype(number_type), 0, (0, np.iinfo(number_type).max), None, "QC", "n/a")


def time_dataset(name: str, stored: np.ndarray) -> GridDataset:
    return GridDataset(name, stored.astype(np.uint8), 255, (0, 240), 0.1, "Time of observation", "hrs")


def band_dataset(number: int, stored: np.ndarray) -> GridDataset:
    name = f"sur_refl_b0{number}_1"
    return GridDataset(name, stored.astype(np.int16), -28672, (-100, 16000), 10000.0, name, "reflectance")


def write_mod21a1(path: Path, times: np.ndarray | None = None) -> None:
    numbers = np.full((2, 3), 15000)
    datasets = [lst_dataset("LST_1KM", numbers), qc_dataset("QC", numbers * 0)]
    if times is not None:
        datasets.append(time_dataset("View_Time", times))
    write_granule(path, "MODIS_Grid_Daily_1km_LST21", datasets, LST_TRANSFORM)


def gdal(*arguments: str) -> str:
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


@given(
    product=st.from_regex(r"M[OY]D[0-9]{2}[A-Z][0-9A-Z]{1,2}", fullmatch=True),
    date=st.dates(datetime.date(2000, 2, 24), datetime.date(2030, 12, 31)),
    tile=st.builds(Tile, st.integers(0, 35), st.integers(0, 17)),
    collection=st.from_regex(r"[0-9]{3}", fullmatch=True).filter(str.isascii),
    production=st.from_regex(r"[0-9]{13}", fullmatch=True).filter(str.isascii),
)
def test_a_name_survives_being_written_and_parsed(
    product: str, date: datetime.date, tile: Tile, collection: str, production: str
) -> None:
    name = GranuleName(product, date, tile, collection, production)
    assert GranuleName.parse(str(name)) == name


def test_a_known_name_has_known_parts() -> None:
    name = "MOD21A1D.A2019200.h18v04.061.2020358154430.hdf"
    parsed = GranuleName.parse(name)
    assert parsed == GranuleName("MOD21A1D", datetime.date(2019, 7, 19), TILE, "061", "2020358154430")
    assert str(parsed) == name


@pytest.mark.parametrize(
    "name",
    [
        "MOD21A1D.A2019366.h18v04.061.2020358154430.hdf",  # 2019 has 365 days
        "MOD21A1D.A2019000.h18v04.061.2020358154430.hdf",
        "MOD21A1D.A0000001.h18v04.061.2020358154430.hdf",
        "MOD21A1D.A2019200.h36v04.061.2020358154430.hdf",
        "MOD21A1D.A2019200.h18v04.061.2020358154430.hdf.part",
        "MOD21A1D.A2019200.h18v04.061.hdf",
        "",
    ],
)
def test_a_wrong_name_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        GranuleName.parse(name)


def test_lst_comes_back_to_half_a_step_with_its_place(tmp_path: Path) -> None:
    lst = lst_raster()
    write_lst_granule(tmp_path / "granule.hdf", lst)
    read = read_lst(tmp_path / "granule.hdf")
    assert np.array_equal(np.isnan(read.values), np.isnan(lst.values))
    assert np.nanmax(np.abs(read.values - lst.values)) <= 0.01 + 1e-9
    assert np.allclose(read.values[0] / 0.02, np.rint(read.values[0] / 0.02), atol=1e-6)
    assert read.transform.almost_equals(LST_TRANSFORM, precision=1e-5)
    assert read.crs == SINUSOIDAL


def test_qc_bits_zero_and_one_decide_what_was_produced(tmp_path: Path) -> None:
    lst = Raster(np.full((1, 6), 300.0), LST_TRANSFORM, SINUSOIDAL)
    qc = np.array([[0b00, 0b01, 0b10, 0b11, 0b1111_0100, 0b1111_0110]], dtype=np.uint16)
    write_lst_granule(tmp_path / "granule.hdf", lst, qc)
    assert np.isnan(read_lst(tmp_path / "granule.hdf").values).tolist() == [
        [False, False, True, True, False, True]
    ]


def test_fill_and_numbers_below_the_valid_range_become_nan(tmp_path: Path) -> None:
    stored = np.array([[0, 7499, 7500, 65535]], dtype=np.uint16)
    datasets = [
        GridDataset("LST_1KM", stored, 0, (7500, 65535), 0.02, "LST", "K"),
        GridDataset("QC", np.zeros_like(stored), 0, (0, 65535), None, "QC", "n/a"),
    ]
    write_granule(tmp_path / "granule.hdf", "MODIS_Grid_Daily_1km_LST21", datasets, LST_TRANSFORM)
    np.testing.assert_allclose(read_lst(tmp_path / "granule.hdf").values, [[np.nan, np.nan, 150.0, 1310.7]])


def test_mod11a1_has_a_day_and_a_night(tmp_path: Path) -> None:
    def layer(name: str, kelvin: float) -> GridDataset:
        return GridDataset(
            name, np.full((2, 3), kelvin / 0.02, np.uint16), 0, (7500, 65535), 0.02, "LST", "K"
        )

    def quality(name: str, bits: int) -> GridDataset:
        return GridDataset(name, np.full((2, 3), bits, np.uint8), 0, (0, 255), None, "QC", "n/a")

    datasets = [
        layer("LST_Day_1km", 300),
        quality("QC_Day", 1),
        layer("LST_Night_1km", 280),
        quality("QC_Night", 0),
    ]
    path = tmp_path / "granule.hdf"
    write_granule(path, "MODIS_Grid_Daily_1km_LST", datasets, LST_TRANSFORM)
    assert np.allclose(read_lst(path).values, 300.0)
    assert np.allclose(read_lst(path, layer="night").values, 280.0)


def test_mod21a1d_has_no_night(tmp_path: Path) -> None:
    path = tmp_path / "granule.hdf"
    write_lst_granule(path, lst_raster())
    with pytest.raises(InputError, match=f"{re.escape(str(path))}.*night.*LST_Night_1km.*LST_1KM"):
        read_lst(path, layer="night")


def test_ndvi_is_the_ratio_of_the_stored_reflectances(tmp_path: Path) -> None:
    red = np.array([[0.05, 0.2, 0.0, 0.01, -0.01, np.nan, 0.3]])
    nir = np.array([[0.45, 0.2, 0.3, -0.01, 0.02, 0.3, np.nan]])
    write_reflectance_granule(tmp_path / "granule.hdf", fine_raster(red), fine_raster(nir))
    read = read_ndvi(tmp_path / "granule.hdf")
    # Zero denominator in the fourth pixel; the fifth would be 3 and is clipped.
    np.testing.assert_allclose(read.values, [[0.8, 0.0, 1.0, np.nan, 1.0, np.nan, np.nan]], atol=1e-12)
    assert read.transform.almost_equals(FINE_TRANSFORM, precision=1e-5)


def test_numbers_outside_the_valid_range_have_no_ndvi(tmp_path: Path) -> None:
    def band(name: str, numbers: list[int]) -> GridDataset:
        return GridDataset(
            name, np.array([numbers], np.int16), -28672, (-100, 16000), 10000.0, name, "reflectance"
        )

    path = tmp_path / "granule.hdf"
    bands = [
        band("sur_refl_b01_1", [1000, -101, 1000, -100]),
        band("sur_refl_b02_1", [3000, 3000, 16001, 16000]),
    ]
    write_granule(path, "MODIS_Grid_2D", bands, FINE_TRANSFORM)
    assert np.isnan(read_ndvi(path).values).tolist() == [[False, True, True, False]]


@needs_gdal
def test_gdal_sees_the_lst_grid(tmp_path: Path) -> None:
    path, tif = tmp_path / "granule.hdf", tmp_path / "out.tif"
    lst = lst_raster()
    write_lst_granule(path, lst)
    subdataset = f'HDF4_EOS:EOS_GRID:"{path}":MODIS_Grid_Daily_1km_LST21:LST_1KM'
    assert f"SUBDATASET_1_NAME={subdataset}\n" in gdal("gdalinfo", str(path))
    described = gdal("gdalinfo", subdataset)
    assert "Size is 56, 40" in described
    assert 'METHOD["Sinusoidal"]' in described
    assert f"{SPHERE_RADIUS_M},0" in described
    assert "NoData Value=0\n" in described
    assert re.search(r"Offset: 0,\s+Scale:0.02\n", described)
    gdal("gdal_translate", "-q", subdataset, str(tif))
    with rasterio.open(tif) as translated:
        stored, transform = translated.read(1), translated.transform
    assert stored.dtype == np.uint16
    expected = np.nan_to_num(np.rint(lst.values / 0.02)).astype(np.uint16)
    np.testing.assert_array_equal(stored, expected)
    assert transform.almost_equals(LST_TRANSFORM, precision=1e-5)


@needs_gdal
def test_gdal_sees_the_reflectance_grid(tmp_path: Path) -> None:
    path, tif = tmp_path / "granule.hdf", tmp_path / "out.tif"
    random = np.random.default_rng(2)
    red, nir = random.uniform(0.0, 0.3, (24, 32)), random.uniform(0.2, 0.6, (24, 32))
    nir[0, 0] = np.nan
    write_reflectance_granule(path, fine_raster(red), fine_raster(nir))
    for name, band in (("sur_refl_b01_1", red), ("sur_refl_b02_1", nir)):
        subdataset = f'HDF4_EOS:EOS_GRID:"{path}":MODIS_Grid_2D:{name}'
        described = gdal("gdalinfo", subdataset)
        assert "NoData Value=-28672\n" in described
        assert "scale_factor=10000\n" in described
        gdal("gdal_translate", "-q", subdataset, str(tif))
        with rasterio.open(tif) as translated:
            stored, transform = translated.read(1), translated.transform
        np.testing.assert_array_equal(stored, np.where(np.isnan(band), -28672, np.rint(band * 1e4)))
        assert transform.almost_equals(FINE_TRANSFORM, precision=1e-5)
    assert ":QC_250m_1\n" in gdal("gdalinfo", str(path))


def test_the_same_input_gives_the_same_bytes_wherever_it_is_written(tmp_path: Path) -> None:
    first, second = tmp_path / "a.hdf", tmp_path / "some" / "other place" / "with a longer name.hdf"
    write_lst_granule(first, lst_raster())
    write_lst_granule(second, lst_raster())
    assert first.read_bytes() == second.read_bytes()
    assert str(tmp_path).encode() not in first.read_bytes()
    assert list(tmp_path.glob(".*")) == []


@pytest.mark.parametrize("share", [0.0, 0.0004, 0.02, 0.3, 0.6, 0.9, 0.99])
def test_a_truncated_granule_is_refused_by_name(tmp_path: Path, share: float) -> None:
    path = tmp_path / "MOD21A1D.A2019200.h18v04.061.2020358154430.hdf"
    write_lst_granule(path, lst_raster())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=re.escape(path.name)):
        read_lst(path)


def test_an_error_page_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "MOD09GQ.A2019200.h18v04.061.2020358154430.hdf"
    path.write_text("<!DOCTYPE html><html><body>503 Service Unavailable</body></html>")
    with pytest.raises(InputError, match=rf"{re.escape(path.name)}.*not an HDF4 file.*error page"):
        read_ndvi(path)


def test_a_missing_granule_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.hdf: no such file"):
        read_lst(tmp_path / "nowhere.hdf")


def test_a_directory_in_a_circle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "granule.hdf"
    # No descriptor in the only block, which names itself as the next.
    path.write_bytes(b"\x0e\x03\x13\x01" + b"\x00\x00" + (4).to_bytes(4, "big"))
    with pytest.raises(InputError, match="circle"):
        read_lst(path)


@pytest.mark.parametrize(
    ("name", "number_type", "value"),
    [
        ("scale_factor", SDC.FLOAT64, 0.01),
        ("scale_factor", SDC.CHAR, "n/a"),
        ("_FillValue", SDC.UINT16, 65535),
        ("valid_range", SDC.UINT16, [1, 65535]),
        ("add_offset", SDC.FLOAT64, 273.15),
    ],
)
def test_another_scale_fill_or_range_is_refused(
    tmp_path: Path, name: str, number_type: int, value: object
) -> None:
    path = tmp_path / "granule.hdf"
    write_lst_granule(path, lst_raster())
    set_attribute(path, "LST_1KM", name, number_type, value)
    with pytest.raises(InputError, match=rf"{re.escape(str(path))}: LST_1KM states {name}"):
        read_lst(path)


def test_a_missing_scale_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "granule.hdf"
    numbers = np.full((2, 2), 15000, np.uint16)
    datasets = [
        GridDataset("LST_1KM", numbers, 0, (7500, 65535), None, "LST", "K"),
        GridDataset("QC", numbers * 0, 0, (0, 65535), None, "QC", "n/a"),
    ]
    write_granule(path, "MODIS_Grid_Daily_1km_LST21", datasets, LST_TRANSFORM)
    with pytest.raises(InputError, match=r"LST_1KM states no scale_factor; the product documents 0\.02"):
        read_lst(path)


def test_a_wrong_number_type_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "granule.hdf"
    datasets = [
        GridDataset("LST_1KM", np.full((2, 2), 15000, np.int16), 0, (7500, 32767), 0.02, "LST", "K"),
        GridDataset("QC", np.zeros((2, 2), np.uint16), 0, (0, 65535), None, "QC", "n/a"),
    ]
    write_granule(path, "MODIS_Grid_Daily_1km_LST21", datasets, LST_TRANSFORM)
    with pytest.raises(InputError, match="LST_1KM"):
        read_lst(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"Projection=GCTP_SNSOID", b"Projection=GCTP_GEO   ", "projection is GCTP_GEO"),
        (b"6371007.181", b"6378137.000", "sphere"),
        (b'DataFieldName="LST_1KM"', b'DataFieldName="LST_9KM"', "no grid that holds LST_1KM"),
        (b"XDim=56", b"XDim=57", "not on the MODIS grid"),
        (b"XDim=56", b"XDim=-1", "empty grid"),
        (b"UpperLeftPointMtrs=(2", b"UpperLeftPointMtrs=(x", "UpperLeftPointMtrs"),
    ],
)
def test_a_grid_that_is_not_the_modis_one_is_refused(
    tmp_path: Path, old: bytes, new: bytes, message: str
) -> None:
    path = tmp_path / "granule.hdf"
    write_lst_granule(path, lst_raster())
    content = path.read_bytes()
    assert content.count(old) == 1 and len(old) == len(new)
    path.write_bytes(content.replace(old, new))
    with pytest.raises(InputError, match=message):
        read_lst(path)


PROJECTION = [6371007.181, *[0] * 12]


@pytest.mark.parametrize("entry", range(13))
@pytest.mark.parametrize("number", [86400, 1.5, -1000000])
def test_an_entry_of_the_projection_counts_only_if_it_moves_the_grid(
    tmp_path: Path, entry: int, number: float
) -> None:
    path = tmp_path / "granule.hdf"
    write_lst_granule(path, lst_raster())
    before = read_lst(path)
    parameters = [*PROJECTION[:entry], number, *PROJECTION[entry + 1 :]]
    change_struct_metadata(
        path, "6371007.181000,0,0,0,0,0,0,0,86400,0,0,0,0", ",".join(str(each) for each in parameters)
    )
    meanings = {0: "sphere has a radius", 4: "central meridian", 6: "false easting", 7: "false northing"}
    if entry in meanings:
        with pytest.raises(
            InputError,
            match=f"{re.escape(str(path))}: its .*{meanings[entry]}.* {re.escape(str(float(number)))}",
        ):
            read_lst(path)
    else:
        after = read_lst(path)
        np.testing.assert_array_equal(after.values, before.values)
        assert after.transform == before.transform


def test_a_grid_that_begins_at_another_corner_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "granule.hdf"
    write_lst_granule(path, lst_raster())
    change_struct_metadata(path, "GridOrigin=HDFE_GD_UL", "GridOrigin=HDFE_GD_LR")
    with pytest.raises(InputError, match="first pixel lies at HDFE_GD_LR"):
        read_lst(path)
    change_struct_metadata(path, "\t\tGridOrigin=HDFE_GD_LR\n", "")  # the upper left corner, unless stated
    assert read_lst(path).values.shape == (40, 56)


def test_struct_metadata_that_go_on_in_a_second_part_are_read(tmp_path: Path) -> None:
    path, numbers = tmp_path / "granule.hdf", np.full((2, 3), 15000)
    others = [qc_dataset(f"Something_else_{number:03d}", numbers * 0, np.uint8) for number in range(260)]
    datasets = [*others, lst_dataset("LST_1KM", numbers), qc_dataset("QC", numbers * 0)]
    write_granule(path, "MODIS_Grid_Daily_1km_LST21", datasets, LST_TRANSFORM)
    file = SD(str(path))
    parts = [file.attributes()[f"StructMetadata.{number}"] for number in (0, 1)]
    file.end()
    assert [len(part) for part in parts] == [STRUCT_METADATA_BYTES] * 2 and "LST_1KM" not in parts[0]
    lst = read_lst(path)
    assert np.allclose(lst.values, 300.0) and lst.transform.almost_equals(LST_TRANSFORM, precision=1e-5)


@pytest.mark.parametrize("kelvin", [27.0, 1400.0, np.inf])
def test_a_temperature_that_cannot_be_stored_is_refused(tmp_path: Path, kelvin: float) -> None:
    path = tmp_path / "granule.hdf"
    with pytest.raises(InputError, match=r"150 to 1310\.7 K"):
        write_lst_granule(path, Raster(np.array([[kelvin, 300.0]]), LST_TRANSFORM, SINUSOIDAL))
    assert not path.exists()


def test_bands_on_two_grids_are_refused(tmp_path: Path) -> None:
    red, nir = fine_raster(np.full((4, 4), 0.1)), fine_raster(np.full((4, 5), 0.3))
    with pytest.raises(InputError, match=r"4×4.*4×5"):
        write_reflectance_granule(tmp_path / "granule.hdf", red, nir)


def test_a_rotated_grid_is_refused(tmp_path: Path) -> None:
    rotated = Raster(np.full((4, 4), 300.0), LST_TRANSFORM @ Affine.rotation(10.0), SINUSOIDAL)
    with pytest.raises(InputError, match="not rotated"):
        write_lst_granule(tmp_path / "granule.hdf", rotated)


def test_a_directory_that_cannot_be_made_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"granule\.hdf"):
        write_lst_granule(tmp_path / "file" / "granule.hdf", lst_raster())


DAY_NAME = "MOD21A1D.A2019200.h18v04.061.2020358154430.hdf"
NIGHT_NAME = "MOD21A1N.A2019200.h18v04.061.2020358154430.hdf"


def test_mod21a1n_holds_the_night_and_no_day(tmp_path: Path) -> None:
    write_mod21a1(tmp_path / NIGHT_NAME)
    assert np.allclose(read_lst(tmp_path / NIGHT_NAME, layer="night").values, 300.0)
    with pytest.raises(
        InputError, match=r"MOD21A1N holds the night only; choose the layer night \(--layer night\)"
    ):
        read_lst(tmp_path / NIGHT_NAME)


def test_the_metadata_tell_the_night_where_the_name_does_not(tmp_path: Path) -> None:
    path = tmp_path / "renamed.hdf"
    write_mod21a1(path)
    set_core_metadata(path, SHORTNAME="MYD21A1N")
    assert np.allclose(read_lst(path, layer="night").values, 300.0)
    with pytest.raises(InputError, match="MYD21A1N holds the night only"):
        read_lst(path)


def test_view_time_is_in_hours_and_nan_where_there_was_none(tmp_path: Path) -> None:
    write_mod21a1(tmp_path / "granule.hdf", np.array([[0, 105, 240], [241, 255, 13]]))
    granule = read_lst_granule(tmp_path / "granule.hdf")
    assert granule.view_time_h is not None
    np.testing.assert_allclose(granule.view_time_h.values, [[0.0, 10.5, 24.0], [np.nan, np.nan, 1.3]])
    assert granule.view_time_h.transform == granule.lst.transform
    write_mod21a1(tmp_path / "without.hdf")
    assert read_lst_granule(tmp_path / "without.hdf").view_time_h is None


def test_each_layer_of_mod11a1_has_its_own_quality_and_time(tmp_path: Path) -> None:
    ones = np.ones((2, 3))
    datasets = [
        lst_dataset("LST_Day_1km", 15000 * ones), qc_dataset("QC_Day", 0b01_00_00_01 * ones, np.uint8),
        time_dataset("Day_view_time", 107 * ones), lst_dataset("LST_Night_1km", 14000 * ones),
        qc_dataset("QC_Night", 0b11_00_00_00 * ones, np.uint8), time_dataset("Night_view_time", 223 * ones),
    ]  # fmt: skip
    path = tmp_path / "MOD11A1.A2019200.h18v04.061.2020358154430.hdf"
    write_granule(path, "MODIS_Grid_Daily_1km_LST", datasets, LST_TRANSFORM)
    for layer, lst_k, lst_error, hours in (("day", 300.0, 1, 10.7), ("night", 280.0, 3, 22.3)):
        granule = read_lst_granule(path, layer)  # type: ignore[arg-type]
        assert np.allclose(granule.lst.values, lst_k)
        assert (granule.quality.code("LST error") == lst_error).all()
        assert granule.view_time_h is not None and np.allclose(granule.view_time_h.values, hours)


def test_the_policy_decides_which_pixels_have_a_temperature(tmp_path: Path) -> None:
    qc = np.array([[0b00, 0b01, 0b10, 0b11 << 14 | 0b01, 0b10 << 14]], dtype=np.uint16)
    write_lst_granule(
        tmp_path / "granule.hdf", Raster(np.full(qc.shape, 300.0), LST_TRANSFORM, SINUSOIDAL), qc
    )

    def has_temperature(policy: object) -> list[bool]:
        values = read_lst(tmp_path / "granule.hdf", policy=policy).values  # type: ignore[arg-type]
        return np.isfinite(values[0]).tolist()

    assert has_temperature("produced") == [True, True, False, True, True]
    assert has_temperature("good") == [True, False, False, False, True]
    with pytest.raises(InputError, match="QC policy 'bad' is unknown"):
        has_temperature("bad")


def test_the_time_of_acquisition_is_the_metadatas_else_the_names_day(tmp_path: Path) -> None:
    def acquired(path: Path) -> tuple[str, str]:
        origin = read_lst_granule(path).origin
        assert (read_origin(path).acquired_from, read_origin(path).acquired_to) == (
            origin.acquired_from,
            origin.acquired_to,
        )
        return str(origin.acquired_from), str(origin.acquired_to)

    path = tmp_path / DAY_NAME
    write_mod21a1(path)
    assert acquired(path) == ("2019-07-19 00:00:00+00:00", "2019-07-20 00:00:00+00:00")
    set_core_metadata(
        path, SHORTNAME="MOD21A1D", RANGEBEGINNINGDATE="2019-07-19", RANGEBEGINNINGTIME="09:55:00.000000",
        RANGEENDINGDATE="2019-07-19", RANGEENDINGTIME="13:20:30",
    )  # fmt: skip
    expected = ("2019-07-19 09:55:00+00:00", "2019-07-19 13:20:30+00:00")
    assert acquired(path) == expected
    assert acquired(path.rename(tmp_path / "renamed.hdf")) == expected
    write_mod21a1(tmp_path / "bare.hdf")
    assert acquired(tmp_path / "bare.hdf") == ("None", "None")


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"SHORTNAME": "MOD21A1N"}, "its CoreMetadata says MOD21A1N, its name MOD21A1D"),
        (
            {"RANGEBEGINNINGDATE": "2019-07-17", "RANGEBEGINNINGTIME": "00:00:00"},
            "says 2019-07-17, its name 2019-07-19",
        ),
        (
            {
                "RANGEBEGINNINGDATE": "2019-07-18",
                "RANGEBEGINNINGTIME": "00:00:00",
                "RANGEENDINGDATE": "2019-07-19",
                "RANGEENDINGTIME": "23:59:59",
            },
            "says 2019-07-18, its name 2019-07-19",
        ),
        (
            {"RANGEBEGINNINGDATE": "2019-17-19", "RANGEBEGINNINGTIME": "00:00:00"},
            "no time in '2019-17-19 00:00:00'",
        ),
        (
            {"RANGEBEGINNINGDATE": "2019-07-19", "RANGEBEGINNINGTIME": "25:00:00"},
            "no time in '2019-07-19 25:00:00'",
        ),
    ],
)
def test_a_granule_under_another_ones_name_is_refused(
    tmp_path: Path, entries: dict[str, str], message: str
) -> None:
    write_mod21a1(tmp_path / DAY_NAME)
    set_core_metadata(tmp_path / DAY_NAME, **entries)
    with pytest.raises(InputError, match=message):
        read_lst(tmp_path / DAY_NAME)


def test_a_grid_outside_the_tile_of_its_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "MOD21A1D.A2019200.h19v04.061.2020358154430.hdf"
    write_mod21a1(path)
    with pytest.raises(InputError, match="reaches beyond tile h19v04"):
        read_lst(path)


@pytest.mark.parametrize(("right_m", "down_m"), [(300.0, 0.0), (0.0, -1.0)])
def test_a_grid_between_the_pixels_of_the_modis_grid_is_refused(
    tmp_path: Path, right_m: float, down_m: float
) -> None:
    path = tmp_path / "granule.hdf"
    datasets = [lst_dataset("LST_1KM", np.full((4, 5), 15000)), qc_dataset("QC", np.zeros((4, 5)))]
    write_granule(
        path, "MODIS_Grid_Daily_1km_LST21", datasets, Affine.translation(right_m, down_m) @ LST_TRANSFORM
    )
    with pytest.raises(InputError, match=r"not on the MODIS grid of 926\.625 m"):
        read_lst(path)


def test_mod09ga_is_no_mod09gq(tmp_path: Path) -> None:
    path = tmp_path / "granule.hdf"
    bands = [band_dataset(number, np.full((4, 5), 1000 * number)) for number in (1, 2, 3, 4)]
    write_granule(path, "MODIS_Grid_500m_2D", bands, TILE.transform(RGB_PIXEL_M))
    with pytest.raises(InputError, match=r"not on the MODIS grid of 231\.656 m"):
        read_ndvi(path)


def test_ndvi_over_some_ground_is_what_the_whole_has_there(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    red, nir = random.uniform(0.0, 0.3, (64, 96)), random.uniform(0.0, 0.6, (64, 96))
    red[20, 30] = np.nan
    write_reflectance_granule(tmp_path / "granule.hdf", fine_raster(red), fine_raster(nir))
    whole = read_ndvi(tmp_path / "granule.hdf")
    coarse = Raster(np.zeros((16, 24)), LST_TRANSFORM, SINUSOIDAL)
    grounds = [coarse.crop(slice(2, 9), slice(5, 12)), coarse, coarse.crop(slice(8, 16), slice(0, 3))]
    expected = [whole.crop(slice(8, 36), slice(20, 48)), whole, whole.crop(slice(32, 64), slice(0, 12))]
    outside = Raster(np.zeros((4, 4)), LST_TRANSFORM @ Affine.translation(21, 0), SINUSOIDAL)
    *rasters, nothing = read_ndvi_over(tmp_path / "granule.hdf", [*grounds, outside])
    assert nothing is None
    for mine, theirs in zip(rasters, expected, strict=True):
        assert mine is not None
        np.testing.assert_array_equal(mine.values, theirs.values)
        assert mine.transform.almost_equals(theirs.transform, precision=1e-6)


def test_rgb_is_bands_1_4_and_3(tmp_path: Path) -> None:
    path = tmp_path / "granule.hdf"
    bands = [band_dataset(number, np.array([[1000 * number, -28672, 16001]])) for number in (1, 2, 3, 4)]
    write_granule(path, "MODIS_Grid_500m_2D", bands, TILE.transform(RGB_PIXEL_M))
    for band, reflectance in zip(read_rgb(path), (0.1, 0.4, 0.3), strict=True):
        np.testing.assert_allclose(band.values, [[reflectance, np.nan, np.nan]])
        assert band.transform.almost_equals(TILE.transform(RGB_PIXEL_M), precision=1e-5)
    with pytest.raises(InputError, match="not a MOD44W granule"):
        read_water_mask(path)


def test_water_is_1_land_0_and_the_rest_nan(tmp_path: Path) -> None:
    path = tmp_path / "granule.hdf"
    mask = GridDataset(
        "water_mask", np.array([[0, 1, 250, 2]], np.uint8), 250, (0, 1), None, "Land/water mask", "class"
    )
    write_granule(path, "MOD44W_250m_GRID", [mask], FINE_TRANSFORM)
    np.testing.assert_array_equal(read_water_mask(path).values, [[0.0, 1.0, np.nan, np.nan]])
    with pytest.raises(InputError, match="not a MOD09GA granule"):
        read_rgb(path)


@needs_gdal
def test_gdal_reads_what_we_read_of_every_product(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    shape = (20, 28)
    lst, qc, hours = (
        random.integers(14000, 16000, shape),
        random.integers(0, 2, shape),
        random.integers(0, 241, shape),
    )
    lst[0, 0], hours[0, 0] = 0, 255
    water = random.integers(0, 2, shape)
    water[0, 0] = 250
    layers = [
        *(
            lst_dataset("LST_Day_1km", lst),
            qc_dataset("QC_Day", qc, np.uint8),
            time_dataset("Day_view_time", hours),
        ),
        *(lst_dataset("LST_Night_1km", lst - lst // 20), qc_dataset("QC_Night", qc, np.uint8)),
        time_dataset("Night_view_time", 240 - np.minimum(hours, 240)),
    ]
    bands = [band_dataset(number, random.integers(-100, 16000, shape)) for number in (1, 3, 4)]
    mask = GridDataset("water_mask", water.astype(np.uint8), 250, (0, 1), None, "Land/water mask", "class")
    transforms = [LST_TRANSFORM, TILE.transform(RGB_PIXEL_M), FINE_TRANSFORM]
    files = [
        (tmp_path / name, grid)
        for name, grid in (("lst.hdf", "Lst"), ("rgb.hdf", "Rgb"), ("water.hdf", "Water"))
    ]
    for (path, grid), datasets, transform in zip(files, (layers, bands, [mask]), transforms, strict=True):
        write_granule(path, grid, datasets, transform)

    day, night = (read_lst_granule(files[0][0], layer) for layer in ("day", "night"))  # type: ignore[arg-type]
    assert day.view_time_h is not None and night.view_time_h is not None
    red, green, blue = read_rgb(files[1][0])
    expected = [
        (0, "LST_Day_1km", day.lst), (0, "Day_view_time", day.view_time_h),
        (0, "LST_Night_1km", night.lst), (0, "Night_view_time", night.view_time_h),
        (1, "sur_refl_b01_1", red), (1, "sur_refl_b04_1", green), (1, "sur_refl_b03_1", blue),
        (2, "water_mask", read_water_mask(files[2][0])),
    ]  # fmt: skip
    for index, name, ours in expected:
        path, grid = files[index]
        tif = tmp_path / f"{name}.tif"
        gdal("gdal_translate", "-q", f'HDF4_EOS:EOS_GRID:"{path}":{grid}:{name}', str(tif))
        with rasterio.open(tif) as translated:
            stored, scale = translated.read(1, masked=True), translated.scales[0]
            assert translated.transform.almost_equals(ours.transform, precision=1e-5)
            assert (
                translated.crs.to_dict()["proj"] == "sinu" and f"{SPHERE_RADIUS_M}" in translated.crs.to_wkt()
            )
        if scale == 10000.0:  # the divisor that MOD09 states in the factor's place
            scale = 1 / scale
        np.testing.assert_array_equal(stored.mask, np.isnan(ours.values))
        np.testing.assert_allclose(stored.filled(0) * scale, np.nan_to_num(ours.values), rtol=1e-12)


@needs_gdal
@pytest.mark.parametrize("tile", ["h18v04", "h10v03", "h12v10", "h30v11"])  # one in each quadrant
def test_corners_agree_with_gdal_and_pyproj_in_all_four_quadrants(tmp_path: Path, tile: str) -> None:
    path = tmp_path / f"MOD21A1D.A2019200.{tile}.061.2020358154430.hdf"
    grid = Tile.parse(tile).transform(COARSE_PIXEL_M)
    shape = (TILE_COARSE_PIXELS, TILE_COARSE_PIXELS)
    datasets = [lst_dataset("LST_1KM", np.full(shape, 15000)), qc_dataset("QC", np.zeros(shape))]
    write_granule(path, "MODIS_Grid_Daily_1km_LST21", datasets, grid)
    read = read_lst(path)
    # Ten degrees a tile on a sphere: latitude lines are exact, and along them x = R·λ·cos φ.
    sphere = pyproj.Proj(f"+proj=sinu +R={SPHERE_RADIUS_M}")
    name = re.fullmatch("h(..)v(..)", tile)
    assert name
    north, west = 90 - 10 * int(name[2]), 10 * int(name[1]) - 180
    _, top = sphere(0, north)
    _, bottom = sphere(0, north - 10)
    left, _ = sphere(west, 0)
    right, _ = sphere(west + 10, 0)
    np.testing.assert_allclose(
        [read.left_m, read.top_m, read.right_m, read.bottom_m], [left, top, right, bottom], atol=1.0
    )

    described = json.loads(
        gdal("gdalinfo", "-json", f'HDF4_EOS:EOS_GRID:"{path}":MODIS_Grid_Daily_1km_LST21:LST_1KM')
    )
    corners = described["cornerCoordinates"]
    np.testing.assert_allclose(corners["upperLeft"], [read.left_m, read.top_m], atol=0.01)
    np.testing.assert_allclose(corners["lowerRight"], [read.right_m, read.bottom_m], atol=0.01)


NAMED = {
    "MOD21A1D": ("day", read_lst), "MYD21A1D": ("day", read_lst), "MOD21A1N": ("night", read_lst),
    "MYD21A1N": ("night", read_lst), "MOD11A1": ("day", read_lst), "MYD11A1": ("night", read_lst),
    "MOD09GQ": (None, read_ndvi), "MYD09GQ": (None, read_ndvi), "MOD09GA": (None, read_rgb),
    "MYD09GA": (None, read_rgb), "MOD44W": (None, read_water_mask), "MOD13Q1": (None, read_ndvi),
    "MYD13Q1": (None, read_ndvi),
}  # fmt: skip
"""Every product, the layer to ask it for, and its reader."""


def write_product(path: Path, product: str) -> None:
    """A small granule of any product."""
    ones = np.ones((4, 6), np.int64)
    kind, place = product[3:], FINE_TRANSFORM
    if "A1" in kind:
        names = [("LST_1KM", "QC", "View_Time")]
        if kind.startswith("11"):
            names = [(f"LST_{part}_1km", f"QC_{part}", f"{part}_view_time") for part in ("Day", "Night")]
        qc_type = np.uint8 if kind.startswith("11") else np.uint16
        place = LST_TRANSFORM
        datasets = [
            dataset
            for lst, qc, time in names
            for dataset in (
                lst_dataset(lst, 15000 * ones),
                qc_dataset(qc, 0 * ones, qc_type),
                time_dataset(time, 105 * ones),
            )
        ]
    elif kind == "44W":
        datasets = [
            GridDataset("water_mask", ones.astype(np.uint8), 253, (0, 250), None, "water_mask", "none")
        ]
    elif kind == "13Q1":
        name, rank = "250m 16 days NDVI", "250m 16 days pixel reliability"
        datasets = [
            GridDataset(name, (5000 * ones).astype(np.int16), -3000, (-2000, 10000), 1e4, name, "NDVI"),
            GridDataset(rank, (0 * ones).astype(np.int8), -1, (0, 3), None, rank, "rank"),
        ]
    else:
        datasets = [band_dataset(number, 1000 * number * ones) for number in (1, 2, 3, 4)]
        place = TILE.transform(RGB_PIXEL_M) if kind == "09GA" else FINE_TRANSFORM
    write_granule(path, "Grid", datasets, place)


def read_product(path: Path, product: str) -> object:
    layer, reader = NAMED[product]
    return reader(path, layer) if layer else reader(path)  # type: ignore[operator]


@pytest.mark.parametrize("collection", ["006", "061"])
@pytest.mark.parametrize("product", NAMED)
def test_every_product_is_read_as_itself_and_by_no_other_reader(
    tmp_path: Path, product: str, collection: str
) -> None:
    path = tmp_path / f"{product}.A2019200.h18v04.{collection}.2020358154430.hdf"
    write_product(path, product)
    read_product(path, product)
    renamed = tmp_path / "my granule (1).hdf"
    shutil.copy(path, renamed)
    set_core_metadata(renamed, SHORTNAME=product, VERSIONID=str(int(collection)))
    read_product(renamed, product)
    for file in (path, renamed):
        origin = read_origin(file)
        assert (origin.product, origin.collection, origin.warnings) == (product, collection, ())
        for reader in {reader for _, reader in NAMED.values()} - {NAMED[product][1]}:
            products = " or ".join(other for other, (_, theirs) in NAMED.items() if theirs is reader)
            with pytest.raises(
                InputError, match=rf"{re.escape(str(file))}: a granule of {product}; expected"
            ) as refusal:
                reader(file)  # type: ignore[operator]
            assert set(str(refusal.value).partition("expected ")[2].rstrip(".").split(" or ")) == set(
                products.split(" or ")
            )


@pytest.mark.parametrize("product", [product for product in NAMED if "21A1" in product])
def test_the_other_layer_of_a_granule_that_has_one_names_the_option(tmp_path: Path, product: str) -> None:
    path = tmp_path / f"{product}.A2019200.h18v04.061.2020358154430.hdf"
    write_product(path, product)
    has, other = ("day", "night") if product.endswith("D") else ("night", "day")
    with pytest.raises(
        InputError, match=rf"hdf: {product} holds the {has} only; choose the layer {has} \(--layer {has}\)"
    ):
        read_lst(path, other)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("product", "similar"), [("MOD11A2", "MOD11A1"), ("MYD11A2", "MYD11A1"), ("MOD09GHK", "MOD09GQ")]
)
def test_a_product_with_the_same_datasets_is_no_daily_one(tmp_path: Path, product: str, similar: str) -> None:
    path = tmp_path / f"{product}.A2019200.h18v04.061.2020358154430.hdf"
    write_product(path, similar)
    with pytest.raises(InputError, match=f"a granule of {product}; expected"):
        read_product(path, similar)


@pytest.mark.parametrize("product", ["MOD11A1", "MYD09GQ", "MOD21A1N"])
def test_a_granule_made_in_near_real_time_is_read(tmp_path: Path, product: str) -> None:
    path = tmp_path / f"{product}.A2019200.h18v04.061.2019200154430.NRT.hdf"
    write_product(path, product)
    for short_name in (product, f"{product}N"):
        set_core_metadata(path, SHORTNAME=short_name, VERSIONID="61")
        read_product(path, product)
        assert read_origin(path).product == short_name
    shutil.copy(path, tmp_path / f"{product}.A2019200.h18v04.061.2019200154430.hdf")
    read_product(tmp_path / f"{product}.A2019200.h18v04.061.2019200154430.hdf", product)


def test_a_file_that_does_not_tell_day_from_night_is_taken_for_the_day_with_a_warning(tmp_path: Path) -> None:
    write_mod21a1(tmp_path / "granule.hdf")
    (warning,) = read_lst_granule(tmp_path / "granule.hdf").origin.warnings
    assert warning.startswith("granule.hdf: ") and "taken for the day" in warning


ODD = {
    "the day before, across midnight": (
        {"RANGEBEGINNINGDATE": "2019-07-18", "RANGEBEGINNINGTIME": "22:05:00",
         "RANGEENDINGDATE": "2019-07-19", "RANGEENDINGTIME": "01:20:00"}, "begins on 2019-07-18"),
    "the day before": (
        {"RANGEBEGINNINGDATE": "2019-07-18", "RANGEBEGINNINGTIME": "00:00:00",
         "RANGEENDINGDATE": "2019-07-18", "RANGEENDINGTIME": "23:59:59"}, "begins on 2019-07-18"),
    "the day after": (
        {"RANGEBEGINNINGDATE": "2019-07-20", "RANGEBEGINNINGTIME": "00:05:00.000000"},
        "begins on 2019-07-20"),
    "another collection": ({"VERSIONID": "6"}, "say collection 006, its name 061"),
}  # fmt: skip


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("product", ["MOD11A1", "MYD21A1N", "MYD09GQ", "MOD09GA"])
def test_what_is_odd_but_legal_is_read_with_a_warning(tmp_path: Path, product: str, odd: str) -> None:
    entries, message = ODD[odd]
    path = tmp_path / f"{product}.A2019200.h18v04.061.2020358154430.hdf"
    write_product(path, product)
    set_core_metadata(path, **entries)
    read_product(path, product)
    (warning,) = read_origin(path).warnings
    assert warning.startswith(f"{path.name}: ") and message in warning and "\n" not in warning


@pytest.mark.parametrize("collection", ["004", "005", "062"])
def test_another_collection_is_read_with_a_warning(tmp_path: Path, collection: str) -> None:
    path = tmp_path / f"MOD11A1.A2019200.h18v04.{collection}.2020358154430.hdf"
    write_product(path, "MOD11A1")
    (warning,) = read_lst_granule(path).origin.warnings
    assert f"of collection {collection}" in warning


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("00:00:00", "2019-07-19 00:00:00+00:00"), ("10:55:00.000000", "2019-07-19 10:55:00+00:00"),
        ("10:55:00.5Z", "2019-07-19 10:55:00.500000+00:00"), ("23:59:60", "2019-07-20 00:00:00+00:00"),
        ("24:00:00", "2019-07-20 00:00:00+00:00"),
    ],
)  # fmt: skip
def test_each_way_to_write_a_time_is_read(tmp_path: Path, time: str, expected: str) -> None:
    path = tmp_path / "granule.hdf"
    write_product(path, "MOD09GQ")
    set_core_metadata(path, RANGEENDINGDATE="2019-07-19", RANGEENDINGTIME=time)
    assert str(read_origin(path).acquired_to) == expected


@pytest.mark.parametrize("key", ["CoreMetadata", "coremetadata"])
@pytest.mark.parametrize("cut", [40, 300, 20_000])
def test_core_metadata_are_read_in_parts_padded_and_in_either_spelling(
    tmp_path: Path, key: str, cut: int
) -> None:
    path = tmp_path / "granule.hdf"
    name = GranuleName("MYD11A1", datetime.date(2019, 7, 19), TILE, "006")
    text = archive_texts(name, ["LST"] * 6, datetime.time(), datetime.time(23, 59, 59))["CoreMetadata.0"]
    assert len(text) > 20_000
    datasets = [
        lst_dataset("LST_Day_1km", np.full((2, 3), 15000)),
        qc_dataset("QC_Day", np.zeros((2, 3)), np.uint8),
    ]
    storage = Storage(texts={f"{key}.0": text[:cut], f"{key}.1": text[cut:] + "\0" * 100})
    write_granule(path, "MODIS_Grid_Daily_1km_LST", datasets, LST_TRANSFORM, storage)
    origin = read_lst_granule(path).origin
    assert (origin.product, origin.collection, str(origin.acquired_to)) == (
        "MYD11A1",
        "006",
        "2019-07-19 23:59:59+00:00",
    )


@pytest.mark.parametrize(
    ("name", "number_type", "value"),
    [
        ("_FillValue", SDC.CHAR, "NA"), ("_FillValue", SDC.CHAR, "NA\0"), ("_FillValue", SDC.UINT8, 255),
        ("scale_factor", SDC.CHAR, "n/a"), ("add_offset", SDC.CHAR, "n/a"),
        ("valid_range", SDC.CHAR, "0, 255"),
    ],
)  # fmt: skip
def test_what_a_qc_says_of_itself_is_of_no_account(
    tmp_path: Path, name: str, number_type: int, value: object
) -> None:
    path = tmp_path / "MOD11A1.A2019200.h18v04.061.2020358154430.hdf"
    write_product(path, "MOD11A1")
    set_attribute(path, "QC_Day", name, number_type, value)
    granule = read_lst_granule(path)
    assert np.allclose(granule.lst.values, 300.0) and not granule.origin.warnings


def test_times_of_view_of_another_scale_are_left_out_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "MOD11A1.A2019200.h18v04.061.2020358154430.hdf"
    write_product(path, "MOD11A1")
    set_attribute(path, "Day_view_time", "scale_factor", SDC.FLOAT64, 0.2)
    granule = read_lst_granule(path)
    (warning,) = granule.origin.warnings
    assert granule.view_time_h is None and np.allclose(granule.lst.values, 300.0)
    assert (
        warning.startswith(f"{path.name}: Day_view_time states scale_factor 0.2")
        and "No times of view" in warning
    )


@pytest.mark.parametrize("scale", [10000.0, 0.0001])
def test_reflectance_states_its_factor_or_the_divisor(tmp_path: Path, scale: float) -> None:
    path = tmp_path / "granule.hdf"
    write_product(path, "MOD09GA")
    for number in (1, 3, 4):
        set_attribute(path, f"sur_refl_b0{number}_1", "scale_factor", SDC.FLOAT64, scale)
    for band, reflectance in zip(read_rgb(path), (0.1, 0.4, 0.3), strict=True):
        np.testing.assert_allclose(band.values, reflectance)


def test_without_a_valid_pixel_a_temperature_is_missing_everywhere_and_a_water_mask_is_refused(
    tmp_path: Path,
) -> None:
    lst, water = tmp_path / "lst.hdf", tmp_path / "water.hdf"
    zeros = np.zeros((3, 4))
    write_granule(lst, "Grid", [lst_dataset("LST_1KM", zeros), qc_dataset("QC", zeros + 2)], LST_TRANSFORM)
    assert np.isnan(read_lst(lst).values).all()
    for fill in (250, 253, 255):
        mask = GridDataset(
            "water_mask", np.full((3, 4), fill, np.uint8), 253, (0, 250), None, "water_mask", "none"
        )
        write_granule(water, "MOD44W_250m_GRID", [mask], FINE_TRANSFORM)
        with pytest.raises(
            InputError, match=rf"{re.escape(str(water))}: knows neither land \(0\) nor water \(1\)"
        ):
            read_water_mask(water)


def composite_datasets(
    numbers: list[list[int]], ranks: list[list[int]], scale: float = 1e4, fill: int = -3000
) -> list[GridDataset]:
    name, rank = "250m 16 days NDVI", "250m 16 days pixel reliability"
    return [
        GridDataset(name, np.array(numbers, np.int16), fill, (-2000, 10000), scale, name, "NDVI"),
        GridDataset(rank, np.array(ranks, np.int8), -1, (0, 3), None, rank, "rank"),
    ]


@pytest.mark.parametrize("scale", [1e4, 1e-4])
def test_ndvi_of_16_days_is_what_its_reliability_admits(tmp_path: Path, scale: float) -> None:
    """Good, marginal and snow are taken; cloud, none and numbers outside the valid range are not."""
    numbers = [[8000, 6543, 1200, 9000], [-3000, -2001, 5000, -1500]]
    ranks = [[0, 1, 2, 3], [-1, 0, -1, 0]]
    path = tmp_path / "MOD13Q1.A2019193.h18v04.061.2020358154430.hdf"
    write_granule(
        path, "MODIS_Grid_16DAY_250m_500m_VI", composite_datasets(numbers, ranks, scale), FINE_TRANSFORM
    )
    nan = np.nan
    ndvi, origin = read_ndvi_and_origin(path)
    expected = [[0.8, 0.6543, 0.12, nan], [nan, nan, nan, -0.15]]
    np.testing.assert_allclose(ndvi.values, expected, rtol=1e-12)
    assert ndvi.transform.almost_equals(FINE_TRANSFORM, 1e-6)
    assert origin.warnings == (f"{path.name}: 25% of its NDVI is of snow, and is taken.",)
    if shutil.which("gdal_translate"):
        source = f'HDF4_EOS:EOS_GRID:"{path}":MODIS_Grid_16DAY_250m_500m_VI:250m 16 days NDVI'
        subprocess.run(["gdal_translate", "-q", source, str(tmp_path / "ndvi.tif")], check=True)
        with rasterio.open(tmp_path / "ndvi.tif") as translated:
            np.testing.assert_array_equal(translated.read(1), numbers)
            assert translated.nodata == -3000


def test_ndvi_of_16_days_with_another_scale_or_without_reliability_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "MOD13Q1.A2019193.h18v04.061.2020358154430.hdf"
    datasets = composite_datasets([[5000]], [[0]], 100.0)
    write_granule(path, "Grid", datasets, FINE_TRANSFORM)
    with pytest.raises(InputError, match=r"states scale_factor 100\.0; the product documents 10000"):
        read_ndvi(path)
    write_granule(path, "Grid", composite_datasets([[5000]], [[0]])[:1], FINE_TRANSFORM)
    with pytest.raises(InputError, match=r"not a MOD13Q1 granule \(.*pixel reliability were expected"):
        read_ndvi(path)
