"""Granules as datasets: read when asked for, by flags that CF's readers can tell, refused by name."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest
import xarray

import lstsr_core
from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import SINUSOIDAL
from lstsr_core.geo.raster import Raster
from lstsr_core.modis.dataset import open_granule
from lstsr_core.modis.granule import read_lst_granule, read_ndvi, read_red_and_nir, read_rgb, read_water_mask
from lstsr_core.modis.names import GranuleName
from lstsr_core.simulation.granule_writer import write_lst_granule
from lstsr_core.simulation.granules import write_sample_granule
from worlds.granules import Granules, fields, write_granules


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A small granule of each product, by product."""
    directory = tmp_path_factory.mktemp("granules")
    paths = {}
    for product in ("MOD21A1D", "MOD21A1N", "MYD11A1", "MOD09GQ", "MOD09GA", "MOD13Q1", "MOD44W"):
        day = {"MOD44W": "A2019001", "MOD13Q1": "A2019193"}.get(product, "A2019200")
        name = GranuleName.parse(f"{product}.{day}.h18v04.061.2020358154430.hdf")
        paths[product] = directory / str(name)
        write_sample_granule(name, paths[product], windows=1)
    return paths


@pytest.fixture(scope="module")
def granules(tmp_path_factory: pytest.TempPathFactory) -> Granules:
    return write_granules(tmp_path_factory.mktemp("pair"), *fields())


def flags_of(variable: xarray.DataArray) -> dict[str, xarray.DataArray]:
    """Where each flag is set, as the CF conventions (3.5) say that flags are read."""
    attributes = variable.attrs
    meanings = attributes["flag_meanings"].split()
    values = np.atleast_1d(attributes["flag_values"])
    masks = np.broadcast_to(attributes.get("flag_masks", np.iinfo(variable.dtype).max), len(values))
    assert len(meanings) == len(set(meanings)) == len(values)
    assert values.dtype == masks.dtype == variable.dtype or "flag_masks" not in attributes
    return {
        word: (variable & mask) == value for word, mask, value in zip(meanings, masks, values, strict=True)
    }


@pytest.mark.parametrize(
    ("product", "layer"), [("MOD21A1D", "day"), ("MOD21A1N", "night"), ("MYD11A1", "day")]
)
def test_lst_has_the_reader_s_numbers_and_its_quality_as_flags(
    sample: dict[str, Path], product: str, layer: str
) -> None:
    opened, read = open_granule(sample[product]), read_lst_granule(sample[product], layer)  # type: ignore[arg-type]
    np.testing.assert_array_equal(opened["LST"], read.lst.values)
    assert read.view_time_h is not None
    np.testing.assert_array_equal(opened["view_time"], read.view_time_h.values)
    assert opened["LST"].attrs["layer"] == layer and opened["LST"].attrs["units"] == "K"
    whole = flags_of(opened["QC"])
    assert len(whole) == 4 * len(read.quality.layout.fields)
    for number, field in enumerate(read.quality.layout.fields):
        name, codes = field.name.replace(" ", "_"), read.quality.code(field.name)
        np.testing.assert_array_equal(opened[name], codes)
        of_field, of_whole = list(flags_of(opened[name]).items()), list(whole.items())[4 * number :]
        for code in range(4):
            np.testing.assert_array_equal(of_field[code][1], codes == code)
            np.testing.assert_array_equal(of_whole[code][1], codes == code)
            assert of_whole[code][0].startswith(name)
    absent = whole["mandatory_QA_not_produced_cloud"] | whole["mandatory_QA_not_produced_other_reason"]
    assert not (opened["LST"].notnull() & absent).any()
    produced = open_granule(sample[product], policy="produced")["LST"].notnull()
    assert not (open_granule(sample[product], policy="good")["LST"].notnull() & ~produced).any()


def test_the_other_products_have_the_readers_numbers(sample: dict[str, Path]) -> None:
    opened = open_granule(sample["MOD09GQ"])
    np.testing.assert_array_equal(opened["NDVI"], read_ndvi(sample["MOD09GQ"]).values)
    red, nir = (opened[name].to_numpy() for name in ("red", "nir"))
    np.testing.assert_array_equal([red, nir], [band.values for band in read_red_and_nir(sample["MOD09GQ"])])
    np.testing.assert_allclose(np.clip((nir - red) / (nir + red), -1, 1), opened["NDVI"], atol=1e-12)
    opened = open_granule(sample["MOD09GA"])
    for name, band in zip(("red", "green", "blue"), read_rgb(sample["MOD09GA"]), strict=True):
        np.testing.assert_array_equal(opened[name], band.values)
    opened = open_granule(sample["MOD13Q1"])
    np.testing.assert_array_equal(opened["NDVI"], read_ndvi(sample["MOD13Q1"]).values)
    assert str(opened["time"].values)[:10] == "2019-07-12"
    water = open_granule(sample["MOD44W"])["water_mask"]
    np.testing.assert_array_equal(water == 1, read_water_mask(sample["MOD44W"]).values == 1.0)


def test_nothing_is_read_before_it_is_asked_for(granules: Granules, tmp_path: Path) -> None:
    path = tmp_path / granules.lst.name
    path.write_bytes(granules.lst.read_bytes())
    eager, lazy = open_granule(path), open_granule(path, chunks={})
    days = xarray.concat([lazy, lazy], "time")
    assert days["LST"].chunks == ((1, 1), (96,), (96,))
    path.unlink()
    for dataset in (eager, lazy):
        with pytest.raises((InputError, OSError)):
            dataset["LST"].load()
    path.write_bytes(granules.lst.read_bytes())
    expected = read_lst_granule(path).lst.values
    np.testing.assert_array_equal(lazy["LST"][10:20, 3].compute(), expected[10:20, 3])
    np.testing.assert_array_equal(days["LST"].isel(time=1), expected)


def test_day_and_night_of_a_file_are_not_one_to_dask(sample: dict[str, Path]) -> None:
    day, night = (open_granule(sample["MYD11A1"], layer, chunks={})["LST"] for layer in ("day", "night"))
    assert float(day.mean() - night.mean()) > 5.0
    both = xarray.concat([day, night], "layer").compute()
    np.testing.assert_array_equal(both[1], open_granule(sample["MYD11A1"], "night")["LST"])


def test_a_dataset_survives_a_file(sample: dict[str, Path], tmp_path: Path) -> None:
    opened = open_granule(sample["MOD21A1D"], chunks={})
    opened.to_zarr(tmp_path / "day.zarr", zarr_format=2)
    again = xarray.open_zarr(tmp_path / "day.zarr", decode_coords="all")
    assert again["view_time"].dtype == np.float64
    for name in opened.data_vars:
        np.testing.assert_array_equal(again[name], opened[name])
    assert again.rio.crs == SINUSOIDAL and again["LST"].rio.transform() == opened["LST"].rio.transform()
    assert again["time"].values == np.datetime64("2019-07-19")


def test_what_is_odd_is_warned_of(granules: Granules, tmp_path: Path) -> None:
    path = tmp_path / granules.lst.name.replace(".061.", ".005.")
    path.write_bytes(granules.lst.read_bytes())
    with pytest.warns(UserWarning, match="of collection 005; this reader was made for 006 and 061"):
        open_granule(path)


def test_a_file_without_name_and_metadata_is_known_by_its_datasets(
    granules: Granules, tmp_path: Path
) -> None:
    for source, name in ((granules.lst, "LST"), (granules.reflectance, "NDVI")):
        path = tmp_path / "unnamed.hdf"
        path.write_bytes(source.read_bytes())
        if name == "LST":
            with pytest.warns(UserWarning, match="tells day from night; taken for the day"):
                opened = open_granule(path)
        else:
            opened = open_granule(path)
        assert name in opened and "time" not in opened.coords


@pytest.mark.parametrize(
    ("product", "layer", "message"),
    [
        ("MOD21A1D", "night", r"MOD21A1D holds the day only; choose the layer day"),
        ("MOD09GQ", "day", r"hdf: holds no LST, and so no day; leave the layer out\."),
    ],
)
def test_a_layer_that_is_not_there_is_refused(
    sample: dict[str, Path], product: str, layer: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        open_granule(sample[product], layer)  # type: ignore[arg-type]


def test_what_is_no_granule_is_refused(sample: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.hdf: no such file"):
        lstsr_core.open_granule(tmp_path / "nothing.hdf")
    (tmp_path / "text.hdf").write_text("no HDF")
    with pytest.raises(InputError, match=r"text\.hdf"):
        lstsr_core.open_granule(str(tmp_path / "text.hdf"))
    renamed = tmp_path / "MOD13A2.A2019200.h18v04.061.2020358154430.hdf"
    write_lst_granule(renamed, Raster(*_small(sample["MOD21A1D"])))
    with pytest.raises(InputError, match="a granule of MOD13A2; expected one of MOD21A1D, "):
        open_granule(renamed)
    with pytest.raises(InputError, match="QC policy 'best' is unknown"):
        open_granule(sample["MOD21A1D"], policy="best")  # type: ignore[arg-type]


def _small(path: Path) -> tuple[object, object, object]:
    lst = read_lst_granule(path).lst
    return lst.values, lst.transform, lst.crs


def test_the_day_is_that_of_the_name(granules: Granules) -> None:
    assert open_granule(granules.lst)["time"].dt.date.item() == datetime.date(2018, 7, 19)
