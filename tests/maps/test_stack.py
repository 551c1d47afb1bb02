"""Many maps as one array: values, days and CRS as written, and no pixel read unasked."""

from __future__ import annotations

from pathlib import Path

import dask
import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.windows import Window

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import FINE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.maps.stack import open_maps

SIDE = 1280
DAYS = {"2019-12-31": "A2019365", "2018-07-19": "A2018200", "2020-02-29": "A2020060"}


def name(day: str = "A2018200", tile: str = "h18v04", product: str = "MOD21A1D") -> str:
    return f"{product}.{day}.{tile}.061.2020358154430"


def write_map(
    path: Path,
    seed: int,
    tile: str = "h18v04",
    side: int = SIDE,
    right_m: float = 0.0,
    bands: tuple[str, ...] = ("LST", "residual"),
    crs: object = SINUSOIDAL,
    **tags: str,
) -> np.ndarray:
    """A Cloud-Optimised GeoTIFF of noise, a corner of it without data."""
    random = np.random.default_rng(seed)
    values = random.uniform(280.0, 320.0, (len(bands), side, side)).astype(np.float32)
    values[:, :100, :100] = np.nan
    transform = Affine.translation(right_m, 0.0) @ Tile.parse(tile).transform(FINE_PIXEL_M)
    profile = {
        "driver": "GTiff",
        "dtype": "float32",
        "count": len(bands),
        "height": side,
        "width": side,
        "nodata": np.nan,
    }
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile, transform=transform, crs=crs) as target:
            target.write(values)
            target.descriptions = bands
            target.update_tags(**tags)
        with memory.open() as source:
            rasterio.shutil.copy(source, path, driver="COG", compress="deflate")
    return values


@pytest.fixture(scope="module")
def maps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("maps")
    for seed, day in enumerate(DAYS.values()):
        write_map(directory / f"{name(day)}_250m.tif", seed)
    (directory / f".{name('A2018201')}.77.part.tif").write_bytes(b"half a map")
    return directory


def bytes_read() -> int:
    """By this process so far, whether from the disk or from the system's cache."""
    return int(Path("/proc/self/io").read_text().split("rchar: ")[1].split()[0])


def test_days_names_and_grid_are_those_of_the_maps(maps: Path) -> None:
    stack = open_maps(maps)
    assert stack["LST"].dims == ("time", "y", "x")
    assert stack["LST"].shape == stack["residual"].shape == (3, SIDE, SIDE)
    assert [str(day)[:10] for day in stack.time.values] == sorted(DAYS)
    assert stack.granule.values.tolist() == [f"{name(DAYS[day])}.hdf" for day in sorted(DAYS)]
    tile = Tile(18, 4)
    assert stack.rio.crs == SINUSOIDAL
    assert stack.rio.transform() == tile.transform(FINE_PIXEL_M)
    assert float(stack.x[7]) == pytest.approx(tile.left_m + 7.5 * FINE_PIXEL_M, abs=0.01)
    assert float(stack.y[9]) == pytest.approx(tile.top_m - 9.5 * FINE_PIXEL_M, abs=0.01)


def test_a_windows_values_are_rasterios(maps: Path) -> None:
    stack = open_maps(maps)
    for day, part in DAYS.items():
        # Across the border of two chunks, and with a part that has no data.
        for rows, columns in ((slice(1000, 1100), slice(900, 1060)), (slice(90, 130), slice(40, 120))):
            with rasterio.open(maps / f"{name(part)}_250m.tif") as source:
                expected = source.read(window=Window.from_slices(rows, columns))
            for band, variable in enumerate(("LST", "residual")):
                window = stack[variable].sel(time=day).isel(y=rows, x=columns)
                np.testing.assert_array_equal(window.to_numpy().squeeze(), expected[band])
    assert np.isnan(stack["LST"].isel(time=0, y=5, x=5).to_numpy())


def test_pixels_are_read_when_they_are_needed(maps: Path) -> None:
    open_maps(maps)  # modules and projection tables are read now
    stored = sum(path.stat().st_size for path in maps.glob("*.tif"))
    before = bytes_read()
    stack = open_maps(maps)
    mean = stack["LST"].mean("time")
    opening = bytes_read() - before
    assert opening < 0.02 * stored
    with dask.config.set(scheduler="synchronous"):
        mean.isel(y=slice(0, 50), x=slice(0, 50)).compute()
        assert 0.02 * stored < bytes_read() - before < 0.8 * stored
        mean.compute()
    assert bytes_read() - before > 0.5 * stored  # the bytes of the other band lie beside


def test_tags_name_the_granule_where_the_file_does_not(tmp_path: Path) -> None:
    write_map(
        tmp_path / "alps.tif",
        1,
        side=512,
        REFLECTANCE=name(product="MOD09GQ") + ".hdf",
        LST=name("A2020060") + ".hdf",
    )
    stack = open_maps(tmp_path)
    assert str(stack.time.values[0])[:10] == "2020-02-29"


def test_maps_of_several_tiles_are_opened_one_tile_at_a_time(tmp_path: Path) -> None:
    write_map(tmp_path / f"{name('A2018200', 'h18v04')}.tif", 1, "h18v04", 512)
    expected = write_map(tmp_path / f"{name('A2018201', 'h19v04')}.tif", 2, "h19v04", 512)
    with pytest.raises(InputError, match="holds maps of h18v04, h19v04; name the tile"):
        open_maps(tmp_path)
    stack = open_maps(tmp_path, tile="h19v04")
    np.testing.assert_array_equal(stack["LST"].to_numpy()[0], expected[0])
    assert stack.rio.transform() == Tile(19, 4).transform(FINE_PIXEL_M)
    with pytest.raises(InputError, match="holds no map of h20v04; it has h18v04, h19v04"):
        open_maps(tmp_path, tile="h20v04")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"side": 576}, "has the size"),
        ({"right_m": 4 * FINE_PIXEL_M}, "has the transform"),
        ({"bands": ("LST", "flag")}, r"has the bands \['LST', 'flag'\]"),
        ({"crs": "EPSG:32631"}, "has the CRS EPSG:32631"),
    ],
)
def test_maps_that_do_not_match_are_named(tmp_path: Path, other: dict[str, object], message: str) -> None:
    write_map(tmp_path / f"{name('A2018200')}.tif", 1, side=512)
    write_map(tmp_path / f"{name('A2018201')}.tif", 2, **{"side": 512, **other})  # type: ignore[arg-type]
    with pytest.raises(InputError, match=rf"A2018201\S*\.tif: {message}"):
        open_maps(tmp_path)


def test_one_map_a_day(tmp_path: Path) -> None:
    write_map(tmp_path / f"{name(product='MOD21A1D')}.tif", 1, side=512)
    write_map(tmp_path / f"{name(product='MOD11A1')}.tif", 2, side=512)
    with pytest.raises(InputError, match=r"MOD21A1D\S*\.tif: of 2018-07-19, as is MOD11A1"):
        open_maps(tmp_path)


def test_what_is_no_map_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no map"):
        open_maps(tmp_path)
    write_map(tmp_path / "holiday.tif", 1, side=512)
    with pytest.raises(InputError, match=r"holiday\.tif: neither its name nor its tags tell the LST granule"):
        open_maps(tmp_path)
    (tmp_path / "holiday.tif").unlink()
    broken = tmp_path / f"{name()}.tif"
    broken.write_bytes(b"<html>503</html>")
    with pytest.raises(InputError, match=rf"{broken.name}: not a readable GeoTIFF"):
        open_maps(tmp_path)
    broken.unlink()
    write_map(broken, 1, side=512, crs=None)
    with pytest.raises(InputError, match=rf"{broken.name}: has no CRS"):
        open_maps(tmp_path)


def test_maps_of_several_products_are_opened_one_product_at_a_time(tmp_path: Path) -> None:
    for seed, product in enumerate(("MOD21A1D", "MYD21A1D")):
        expected = write_map(tmp_path / f"{name('A2018200', product=product)}.tif", seed, side=512)
    with pytest.raises(InputError, match=r"expected one map a day\. Name the product to open"):
        open_maps(tmp_path)
    np.testing.assert_array_equal(open_maps(tmp_path, product="MYD21A1D")["LST"].to_numpy()[0], expected[0])
    with pytest.raises(
        InputError, match="holds no map of h18v04 and MOD11A1; it has h18v04, and MOD21A1D, MYD21A1D"
    ):
        open_maps(tmp_path, "h18v04", product="MOD11A1")
