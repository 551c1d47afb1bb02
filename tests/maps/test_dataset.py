"""Sharpening from xarray to xarray: a map's own pixels, a day at a time, refused in one line."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import dask
import numpy as np
import pytest
import rasterio
import xarray
from affine import Affine

import worlds.granules
from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.base.project import PROJECT
from lstsr_core.geo.grid import TILE_SIZE_M
from lstsr_core.maps.dataset import COARSE_DIMS, sharpen
from lstsr_core.maps.predict import predict
from lstsr_core.maps.validity import UNSEEN, VALID
from lstsr_core.modis.dataset import open_granule
from lstsr_core.modis.names import GranuleName
from worlds.granules import Granules, fields, smooth, write_granules

Change = Callable[[xarray.DataArray], object]


@pytest.fixture(scope="module")
def granules(tmp_path_factory: pytest.TempPathFactory) -> Granules:
    lst_k, ndvi = fields()
    lst_k[10:15, 20:30], ndvi[100:141, 5:9] = np.nan, np.nan
    with pytest.MonkeyPatch.context() as patch:
        # Where a whole tile's windows lie, as in a granule that is one.
        patch.setattr(worlds.granules, "FIRST_ROW", 512)
        patch.setattr(worlds.granules, "FIRST_COLUMN", 288)
        return write_granules(tmp_path_factory.mktemp("pair"), lst_k, ndvi)


@pytest.fixture
def lst(granules: Granules) -> xarray.DataArray:
    return open_granule(granules.lst)["LST"]


@pytest.fixture
def ndvi(granules: Granules) -> xarray.DataArray:
    return open_granule(granules.reflectance)["NDVI"]


@pytest.mark.parametrize("method", ["tsharp", "sif-cnn-sr1", "aster-unet-restored"])
def test_it_gives_the_pixels_and_the_place_of_a_map(
    granules: Granules, lst: xarray.DataArray, ndvi: xarray.DataArray, method: str, tmp_path: Path
) -> None:
    predict(granules.lst, granules.reflectance, tmp_path / "map.tif", method=method, threads=1)
    sharpened = sharpen(lst, ndvi, method, threads=1)
    with rasterio.open(tmp_path / "map.tif") as source:
        bands = source.read()
        assert sharpened.rio.crs == source.crs
        assert sharpened["LST"].rio.transform().almost_equals(source.transform, 1e-6)
    residual_k = sharpened["residual"].to_numpy().repeat(4, axis=0).repeat(4, axis=1)
    layers = [sharpened["LST"], np.where(np.isnan(bands[0]), np.nan, residual_k), sharpened["validity"]]
    if method == "aster-unet-restored":
        layers.append(sharpened["uncertainty"])
        assert "one standard deviation" in sharpened["uncertainty"].attrs["meaning"]
    assert len(layers) == len(bands)
    for ours, theirs in zip(layers, bands, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert sharpened["residual"].dims == COARSE_DIMS
    assert sharpened["residual"].rio.transform().almost_equals(lst.rio.transform(), 1e-6)
    assert sharpened["residual"].rio.crs == lst.rio.crs
    assert sharpened["time"].dt.date.item() == datetime.date(2018, 7, 19)
    flags = sharpened["validity"].attrs
    assert dict(zip(flags["flag_values"], flags["flag_meanings"].split(), strict=True))[0] == "valid"
    assert sharpened.attrs["LSTSR_METHOD"] == method


def test_a_part_by_a_network_has_the_pixels_of_the_whole(
    lst: xarray.DataArray, ndvi: xarray.DataArray
) -> None:
    whole = sharpen(lst, ndvi, "sif-cnn-sr1")["LST"]
    part = sharpen(lst[7:, 13:], ndvi[28:, 52:], "sif-cnn-sr1")["LST"]
    inner = part[4 * 64 :, 4 * 64 :]
    np.testing.assert_allclose(inner, whole.sel(x=inner["x"], y=inner["y"]), atol=2e-3)


def write_days(directory: Path, count: int, side: int) -> list[Granules]:
    """Granules of so many days, of which every third shows the same."""
    drawn = []
    for number in range(3):
        ndvi = np.clip(0.5 + 0.1 * smooth(4 * side, number), 0.0, 0.95)
        lst_k = 300.0 + 3.0 * smooth(side, 10 + number)
        lst_k[: 8 * number] = np.nan
        drawn.append((lst_k, ndvi))
    first = datetime.date(2019, 6, 1)
    days = [first + datetime.timedelta(days=number) for number in range(count)]
    granules = [
        write_granules(directory, *drawn[number], day=day, ndvi_day=day)
        for number, day in enumerate(days[:3])
    ]
    for number, day in list(enumerate(days))[3:]:
        same = granules[number % 3]
        copies = []
        for source in (same.lst, same.reflectance):
            copy = source.with_name(str(replace(GranuleName.parse(source.name), date=day)))
            copy.write_bytes(source.read_bytes())
            copies.append(copy)
        granules.append(Granules(*copies))
    return granules


def opened(days: list[Granules]) -> tuple[xarray.DataArray, xarray.DataArray]:
    """Lazy stacks of LST and NDVI."""
    lst = [open_granule(day.lst, chunks={})["LST"] for day in days]
    ndvi = [open_granule(day.reflectance, chunks={})["NDVI"] for day in days]
    return xarray.concat(lst, "time"), xarray.concat(ndvi, "time")


@pytest.mark.parametrize("scheduler", ["synchronous", "threads"])
def test_a_lazy_stack_has_the_pixels_of_its_days_one_by_one(tmp_path: Path, scheduler: str) -> None:
    days = write_days(tmp_path, 4, 48)
    stack = sharpen(*opened(days), "aatprk")
    assert all(variable.chunks[0] == (1, 1, 1, 1) for variable in stack.values() if variable.chunks)
    with dask.config.set(scheduler=scheduler):
        computed = stack.compute()
    for number, day in enumerate(days):
        alone = sharpen(open_granule(day.lst)["LST"], open_granule(day.reflectance)["NDVI"], "aatprk")
        for name, variable in alone.items():
            np.testing.assert_array_equal(computed[name].isel(time=number), variable)
        assert computed["time"][number] == alone["time"]


def test_one_ndvi_serves_all_days_and_eager_stacks_stay_eager(tmp_path: Path) -> None:
    lst, ndvi = opened(write_days(tmp_path, 3, 48))
    ndvi = ndvi.isel(time=0, drop=True)
    lazy, eager = sharpen(lst, ndvi, "tsharp"), sharpen(lst.load(), ndvi.load(), "tsharp")
    assert eager["LST"].chunks is None and eager["LST"].dims == ("time", "y", "x")
    xarray.testing.assert_identical(lazy.compute(), eager)
    xarray.testing.assert_equal(sharpen(lst[1], ndvi, "tsharp")["LST"], eager["LST"][1])


def test_a_day_without_anything_is_empty_in_a_stack_and_refused_alone(
    lst: xarray.DataArray, ndvi: xarray.DataArray
) -> None:
    cloudy = lst.where(False).assign_coords(time=lst["time"] + np.timedelta64(1, "D"))
    days = sharpen(xarray.concat([lst, cloudy], "time").chunk(), ndvi, "tsharp").compute()
    assert days["LST"][1].isnull().all() and (days["validity"][1] == 1).all()
    assert days["residual"][1].isnull().all()
    xarray.testing.assert_equal(
        days["LST"][0].drop_vars("time"), sharpen(lst, ndvi, "tsharp")["LST"].drop_vars("time")
    )
    with pytest.raises(NoResult):
        sharpen(cloudy, ndvi, "tsharp")


_PEAK = """
import json, re, sys
from pathlib import Path
import dask, dask.array, xarray
from lstsr_core import open_granule, sharpen

class File:
    def __init__(self, path):
        self.file = open(path, "wb")
    def __setitem__(self, place, values):
        self.file.seek(place[0].start * values.nbytes)
        self.file.write(values.tobytes())

pairs = json.loads(sys.argv[1])
lst, ndvi = (
    xarray.concat([open_granule(pair[at], chunks={})[name] for pair in pairs], "time")
    for at, name in enumerate(("LST", "NDVI"))
)
days = sharpen(lst, ndvi, "tsharp")
with dask.config.set(scheduler="synchronous"):
    layers = [days["LST"].data, days["validity"].data]
    dask.array.store(layers, [File(path) for path in sys.argv[2:]], lock=False)
print(int(re.search("VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def peak_mb(days: list[Granules], *outs: Path) -> float:
    """Peak of the resident memory of a process that sharpens days into files."""
    pairs = json.dumps([[str(day.lst), str(day.reflectance)] for day in days])
    words = [sys.executable, "-c", _PEAK, pairs, *map(str, outs)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, cwd=PROJECT)
    return float(done.stdout)


def test_thirty_days_take_the_memory_of_two(tmp_path: Path) -> None:
    days, outs = write_days(tmp_path, 30, 192), (tmp_path / "lst", tmp_path / "validity")
    few_mb, many_mb = (peak_mb(part, *outs) for part in (days[:2], days))
    written = np.fromfile(outs[0], np.float32).reshape(30, 768, 768)
    images = open_granule(days[20].lst)["LST"], open_granule(days[20].reflectance)["NDVI"]
    np.testing.assert_array_equal(written[20], sharpen(*images, "tsharp")["LST"])
    # 28 more days of NDVI as read and of LST and validity are 28 × (4.7 + 2.4 + 0.6) MB = 215 MB.
    assert many_mb < few_mb + 40.0, (few_mb, many_mb)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda lst: lst - 273.15, r"sharpen: LST spans .* expected kelvin"),
        (lambda lst: lst / 0.02, r"sharpen: LST spans .* Digital numbers must be multiplied by 0\.02"),
        (lambda lst: (lst - 273.15).assign_attrs(units="°C"), r"sharpen: LST is in '°C' by its attributes"),
        (
            lambda lst: lst.drop_vars("spatial_ref"),
            r"sharpen: LST has no CRS; .* \.rio\.write_crs\('\+proj=sinu",
        ),
        (
            lambda lst: lst.rio.write_crs("EPSG:32631"),
            r"sharpen: LST is in CRS EPSG:32631; expected the MODIS",
        ),
        (lambda lst: lst[:, 4:], r"sharpen: NDVI has shape \(384, 384\) and LST \(96, 92\); expected both"),
        (
            lambda lst: lst.assign_coords(x=lst["x"] + 463.3),
            r"sharpen: NDVI begins -463 m right of the LST's corner and -?0 m below",
        ),
        (
            lambda lst: lst[::-1],
            r"sharpen: LST has steps of 926\.625 and 926\.625 m along y and x; expected -926",
        ),
        (lambda lst: lst[::2, ::2], r"steps of -1853\.251 and 1853\.251 m"),
        (
            lambda lst: lst.to_dataset(),
            r"sharpen: LST is a Dataset; expected a DataArray, such as open_granule",
        ),
        (lambda lst: lst[0], r"sharpen: LST has the dimensions x; expected y and x at the end"),
        (lambda lst: lst.drop_vars(["x", "y"]), r"sharpen: LST has no coordinates along y and x"),
    ],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_what_is_no_lst_on_the_grid_is_refused(
    lst: xarray.DataArray, ndvi: xarray.DataArray, change: Change, message: str, lazy: bool
) -> None:
    changed = change(lst.chunk() if lazy else lst)
    with pytest.raises(InputError, match=message):
        sharpen(changed, ndvi, "tsharp").compute()  # type: ignore[arg-type]


def test_unscaled_ndvi_unknown_methods_and_other_days_are_refused(
    lst: xarray.DataArray, ndvi: xarray.DataArray
) -> None:
    with pytest.raises(InputError, match=r"sharpen: NDVI spans .* expected values in \[−1, 1\]"):
        sharpen(lst, ndvi * 1e4, "tsharp")
    with pytest.raises(InputError, match="unknown method 'tsharq'"):
        sharpen(lst, ndvi, "tsharq")
    later = ndvi.assign_coords(time=ndvi["time"] + np.timedelta64(1, "D"))
    with pytest.raises(
        InputError, match=r"LST has 1 steps along time and NDVI 1, or others; .*ndvi\.sel\(time="
    ):
        sharpen(lst.expand_dims("time"), later.expand_dims("time"), "tsharp")


def test_it_says_what_the_weights_have_not_seen(lst: xarray.DataArray, ndvi: xarray.DataArray) -> None:
    for platform, layer in (("Aqua", "day"), ("Terra", "night")):
        seen = lst.assign_attrs(platform=platform, layer=layer)
        with pytest.warns(UserWarning, match=f"LST is of {platform} by {layer}"):
            validity = sharpen(seen, ndvi, "sif-cnn-sr1")["validity"]
        assert UNSEEN in validity and VALID not in validity
        assert UNSEEN not in sharpen(seen, ndvi, "tsharp")["validity"]
    africa = (image.assign_coords(y=image["y"] - 4.0 * TILE_SIZE_M) for image in (lst, ndvi))
    with pytest.warns(
        UserWarning, match="km from tile h18v04, the only one that the weights were trained on"
    ):
        sharpen(*africa, "sif-cnn-sr1")


def test_arrays_of_other_names_and_makers_are_taken(lst: xarray.DataArray, ndvi: xarray.DataArray) -> None:
    """As rioxarray opens a GeoTIFF: single precision, a dimension of bands, no attributes."""
    expected = sharpen(lst.astype("f4"), ndvi.astype("f4"), "tsharp")["LST"]
    bare = []
    for image in (lst, ndvi):
        transform: Affine = image.rio.transform()
        array = xarray.DataArray(
            image.to_numpy().astype("f4")[None],
            dims=("band", "y", "x"),
            coords={"band": [1], "y": image["y"], "x": image["x"]},
        )
        bare.append(array.rio.write_crs(image.rio.crs).rio.write_transform(transform))
    np.testing.assert_array_equal(sharpen(*bare, "tsharp")["LST"][0], expected)
