"""Maps of many days in a Zarr store: the maps' own pixels, with CF's attributes, whole or not at all."""

from __future__ import annotations

import datetime
import threading
from pathlib import Path

import numpy as np
import pytest
import rasterio
import xarray

from lstsr_core.base.errors import InputError
from lstsr_core.download.download import open_source
from lstsr_core.download.transfer import Patience
from lstsr_core.maps.days import Order, Plan, map_day, plan_maps
from lstsr_core.maps.place import Place
from lstsr_core.maps.request import Request
from lstsr_core.maps.zarr_store import map_store, read_fingerprint
from worlds.places import DAY, Field

pytestmark = pytest.mark.filterwarnings("ignore:Use `@` matmul:PendingDeprecationWarning:rioxarray.rioxarray")
DAYS = [DAY + datetime.timedelta(days=number) for number in range(2)]


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    for number, day in enumerate(DAYS):
        Field.around(5100, 21600, 160, seed=10 * number + 1).write(tmp_path / "cache", day)
    return tmp_path / "cache"


def plan(cache: Path, days: list[datetime.date] = DAYS, method: str = "bicubic") -> Plan:
    order = Order(Place.box("-0.3,47.3,0.3,47.7"), days[0], days[-1], "terra", "MOD21A1", Request(method))
    return plan_maps(order, open_source("sample", Patience(1, 0.0), threading.Event()), cache)


def test_a_store_holds_the_maps_with_the_attributes_of_cf(cache: Path, tmp_path: Path) -> None:
    store = tmp_path / "out" / "stack.zarr"
    outcomes = map_store(plan(cache), store)
    assert outcomes is not None and [outcome.reason for outcome in outcomes] == ["", ""]
    assert [path.name for path in store.parent.iterdir()] == ["stack.zarr"]
    with xarray.open_zarr(store, decode_coords="all") as dataset:
        assert dataset.attrs["Conventions"].startswith("CF-") and dataset.rio.crs.is_projected
        assert [str(day)[:10] for day in dataset.time.values] == [str(day) for day in DAYS]
        assert (
            dataset.LST.attrs["units"] == "K" and dataset.LST.attrs["standard_name"] == "surface_temperature"
        )
        assert dataset.LST.encoding["grid_mapping"] == "spatial_ref" and dataset.LST.dims == (
            "time",
            "y",
            "x",
        )
        meanings = dataset.validity.attrs["flag_meanings"].split()
        assert len(meanings) == len(dataset.validity.attrs["flag_values"]) == 7
        assert dataset.validity.dtype == np.uint8
        for number, day in enumerate(DAYS):
            map_day(plan(cache), day, tmp_path / "map.tif")
            with rasterio.open(tmp_path / "map.tif") as source:
                lst_k, residual_k, validity = source.read()
                assert dataset.x.values[0] == pytest.approx(source.xy(0, 0)[0])
                assert dataset.y.values[-1] == pytest.approx(source.xy(source.height - 1, 0)[1])
            np.testing.assert_array_equal(dataset.LST.values[number], lst_k)
            np.testing.assert_array_equal(dataset.residual.values[number], residual_k)
            np.testing.assert_array_equal(dataset.validity.values[number], validity)


def test_a_store_is_made_once_and_anew_where_days_or_method_change(cache: Path, tmp_path: Path) -> None:
    store = tmp_path / "stack.zarr"
    assert map_store(plan(cache, DAYS[:1]), store) is not None
    first = read_fingerprint(store)
    assert map_store(plan(cache, DAYS[:1]), store) is None
    assert map_store(plan(cache), store) is not None and read_fingerprint(store) != first
    with xarray.open_zarr(store) as dataset:
        assert dataset.sizes["time"] == 2


def test_where_a_day_fails_the_older_store_stays(cache: Path, tmp_path: Path) -> None:
    store = tmp_path / "stack.zarr"
    map_store(plan(cache, DAYS[:1]), store)
    whole = plan(cache)
    broken = next((cache / "sample").glob(f"MOD21A1D.A{DAYS[1]:%Y%j}.*.hdf"))
    content = broken.read_bytes()
    broken.write_bytes(content[:5000])
    outcomes = map_store(whole, store)
    assert outcomes is not None and [outcome.failed for outcome in outcomes] == [False, True]
    with xarray.open_zarr(store) as dataset:
        assert dataset.sizes["time"] == 1
    broken.write_bytes(content)
    again = map_store(plan(cache), store)  # the first day's map is there from before
    assert again is not None and [outcome.summary.made for outcome in again if outcome.summary] == [
        False,
        True,
    ]


def test_what_is_no_store_is_not_replaced(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it")
    with pytest.raises(InputError, match="is no Zarr store that 'lstsr map' wrote"):
        map_store(plan(cache), tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "all of it"
