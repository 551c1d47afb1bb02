"""The sample's granules: one landscape and overpass in all products, with sea, clouds and gaps."""

import datetime
import hashlib
import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pyproj
import pytest
from numpy.typing import NDArray
from pyhdf.SD import SD
from scipy import ndimage

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, Tile
from lstsr_core.geo.window import Window
from lstsr_core.modis.granule import read_lst, read_ndvi, read_origin
from lstsr_core.modis.hdf_directory import descriptors
from lstsr_core.modis.names import GranuleName
from lstsr_core.patches.cutting import PatchSettings, update
from lstsr_core.patches.patch import read_patches
from lstsr_core.simulation.granules import SAMPLE_PRODUCTS, write_sample_granule

TILE = Tile(18, 4)
DAY = datetime.date(2018, 7, 15)
WINDOWS = 3
COASTAL_SEED = 17
"""Its area of three windows holds land, coast and open sea."""


def write(
    directory: Path, product: str, date: datetime.date = DAY, tile: Tile = TILE, **options: int
) -> Path:
    name = GranuleName(product, date, tile, production=f"{date.year + 2}001000000")
    write_sample_granule(name, directory / str(name), **{"windows": WINDOWS, "seed": COASTAL_SEED, **options})
    return directory / str(name)


def stored(path: Path, name: str) -> NDArray[Any]:
    """Digital numbers of a dataset."""
    file = SD(str(path))
    pixels: NDArray[Any] = file.select(name).get()
    file.end()
    return pixels


def fine(coarse: NDArray[Any]) -> NDArray[Any]:
    return coarse.repeat(4, axis=0).repeat(4, axis=1)


def block_means(values: NDArray[Any], side: int) -> NDArray[Any]:
    rows, columns = values.shape
    means: NDArray[Any] = values.reshape(rows // side, side, columns // side, side).mean(axis=(1, 3))
    return means


@pytest.fixture(scope="module")
def granules(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("sample")
    return {product: write(directory, product) for product in SAMPLE_PRODUCTS}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_unknown_product_is_refused_by_name(tmp_path: Path) -> None:
    known = (
        "MOD21A1D, MOD21A1N, MOD11A1, MOD09GQ, MOD09GA, MOD44W, MOD13Q1, MYD21A1D, MYD21A1N, MYD11A1,"
        " MYD09GQ, MYD09GA, MYD13Q1"
    )
    with pytest.raises(InputError, match=f"'MYD44W'; it has {known}"):
        write_sample_granule(GranuleName("MYD44W", DAY, TILE), tmp_path / "granule.hdf")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["h00v01", "h35v00"])
def test_a_tile_beyond_the_globes_edge_is_refused(name: str, tmp_path: Path) -> None:
    tile = Tile.parse(name)
    with pytest.raises(InputError, match=f"Tile {name} lies beyond the globe's edge"):
        write_sample_granule(GranuleName("MOD44W", DAY, tile), tmp_path / "granule.hdf")
    assert not list(tmp_path.iterdir())


def test_a_tile_on_the_globes_edge_has_fill_beyond_it_in_every_product(tmp_path: Path) -> None:
    # 60 to 70 degrees north: its eastern part lies beyond 180 degrees east.
    tile, windows = Tile(25, 2), 2
    for product, dataset, fill in (
        ("MOD44W", "water_mask", 250),
        ("MOD09GQ", "sur_refl_b01_1", -28672),
        ("MOD21A1N", "LST_1KM", 0),
    ):
        pixels = stored(write(tmp_path, product, tile=tile, windows=windows), dataset)
        rows, columns = np.indices(pixels.shape) + 0.5
        pixel_m = 64 * windows * COARSE_PIXEL_M / pixels.shape[0]
        x = tile.left_m + 256 * COARSE_PIXEL_M + columns * pixel_m
        latitude = (
            np.radians(90.0 - 10.0 * tile.vertical) - (384 * COARSE_PIXEL_M + rows * pixel_m) / 6371007.181
        )
        beyond = np.abs(x) > np.pi * 6371007.181 * np.cos(latitude)
        assert 0.1 < beyond.mean() < 0.9
        assert (pixels == fill)[ndimage.binary_erosion(beyond, iterations=4)].all()
        assert (pixels != fill)[~beyond].mean() > 0.3


def test_the_bytes_do_not_depend_on_what_was_written_before(
    granules: dict[str, Path], tmp_path: Path
) -> None:
    other = write(tmp_path, "MOD21A1D", date=DAY + datetime.timedelta(days=1))
    assert digest(other) != digest(granules["MOD21A1D"])
    for product in reversed(SAMPLE_PRODUCTS):
        assert digest(write(tmp_path, product)) == digest(granules[product]), product
    assert digest(write(tmp_path / "seed", "MOD09GQ", seed=43)) != digest(granules["MOD09GQ"])


def test_another_tile_has_another_landscape(granules: dict[str, Path], tmp_path: Path) -> None:
    water = stored(write(tmp_path, "MOD44W", tile=Tile(19, 4)), "water_mask")
    assert (water != stored(granules["MOD44W"], "water_mask")).mean() > 0.05


def test_threads_get_whole_and_equal_granules(granules: dict[str, Path], tmp_path: Path) -> None:
    with ThreadPoolExecutor(max_workers=6) as threads:
        written = list(threads.map(lambda product: write(tmp_path, product), SAMPLE_PRODUCTS))
    assert [digest(path) for path in written] == [digest(granules[product]) for product in SAMPLE_PRODUCTS]


def test_shapes_follow_the_products_resolution(granules: dict[str, Path]) -> None:
    side = 64 * WINDOWS
    for product, dataset, factor in (
        ("MOD21A1D", "LST_1KM", 1), ("MOD21A1N", "LST_1KM", 1), ("MOD11A1", "LST_Night_1km", 1),
        ("MOD09GA", "sur_refl_b04_1", 2), ("MOD09GQ", "sur_refl_b02_1", 4), ("MOD44W", "water_mask", 4),
        ("MOD13Q1", "250m 16 days NDVI", 4),
    ):  # fmt: skip
        assert stored(granules[product], dataset).shape == (factor * side, factor * side)


def test_water_has_a_low_ndvi_and_a_smooth_temperature(granules: dict[str, Path]) -> None:
    water = stored(granules["MOD44W"], "water_mask") == 1
    assert 0.05 < water.mean() < 0.4
    qc = stored(granules["MOD21A1D"], "QC")
    clear = fine(qc & 0b11 < 2)
    deep = ndimage.binary_erosion(water, iterations=6) & clear
    ndvi = read_ndvi(granules["MOD09GQ"]).values
    assert deep.sum() > 2000
    # A shoal may lie far out.
    assert np.quantile(ndvi[deep], 0.999) < 0.0
    assert np.median(ndvi[ndimage.binary_erosion(~water, iterations=6) & clear]) > 0.4
    lst = read_lst(granules["MOD21A1D"]).values
    wet = block_means(deep, 4) == 1.0
    dry = (block_means(water, 4) == 0.0) & np.isfinite(lst)
    assert np.nanmean(lst[wet]) < np.nanmean(lst[dry]) - 5.0
    # Sensor noise alone (0.55 K) makes neighbours differ by 0.78 K.
    steps = {
        name: np.diff(lst, axis=1)[mask[:, 1:] & mask[:, :-1]].std()
        for name, mask in (("wet", wet), ("dry", dry))
    }
    assert steps["wet"] == pytest.approx(0.55 * 2**0.5, rel=0.15)
    assert steps["dry"] > 1.3 * steps["wet"]


def test_qc_says_why_there_is_no_temperature(granules: dict[str, Path]) -> None:
    for path, lst_name, qc_name, time_name in (
        (granules["MOD21A1D"], "LST_1KM", "QC", "View_Time"),
        (granules["MOD21A1N"], "LST_1KM", "QC", "View_Time"),
        (granules["MOD11A1"], "LST_Day_1km", "QC_Day", "Day_view_time"),
        (granules["MOD11A1"], "LST_Night_1km", "QC_Night", "Night_view_time"),
    ):
        lst, qc, time = (stored(path, name) for name in (lst_name, qc_name, time_name))
        np.testing.assert_array_equal(lst == 0, qc & 0b11 >= 2)
        np.testing.assert_array_equal(time == 255, lst == 0)
        assert set(np.unique(qc & 0b11)) == {0, 1, 2, 3}
        # Pixels of doubtful quality lie beside clouds, which may go on outside the swath and the area.
        beside = ndimage.binary_dilation(qc & 0b11 >= 2, iterations=2)
        assert beside[2:-2, 2:-2][qc[2:-2, 2:-2] & 0b11 == 1].all()


def test_aqua_sees_the_same_land_under_another_sky(granules: dict[str, Path]) -> None:
    for kind, dataset in (
        ("21A1D", "LST_1KM"),
        ("21A1N", "LST_1KM"),
        ("11A1", "LST_Day_1km"),
        ("09GQ", "sur_refl_b02_1"),
    ):
        terra, aqua = (
            stored(granules[platform + kind], dataset).astype(float) for platform in ("MOD", "MYD")
        )
        seen = [values > 0 for values in (terra, aqua)]
        if kind == "09GQ":
            seen = [stored(granules[platform + kind], "QC_250m_1") == 4096 for platform in ("MOD", "MYD")]
        assert (seen[0] != seen[1]).mean() > 0.05
        both = seen[0] & seen[1]
        # The same fields, lakes and towns, with weather, clouds and noise of their own.
        assert np.corrcoef(terra[both], aqua[both])[0, 1] > 0.3, kind
        assert (terra[both] != aqua[both]).mean() > 0.9, kind
        assert read_origin(granules["MYD" + kind]).product == f"MYD{kind}"


def test_each_granule_has_the_archives_metadata_at_their_length(granules: dict[str, Path]) -> None:
    for product, path in granules.items():
        file = SD(str(path))
        attributes = file.attributes()
        file.end()
        assert len(attributes["StructMetadata.0"]) == 32_000 and attributes["StructMetadata.0"].endswith("\0")
        assert len(attributes["CoreMetadata.0"]) > 10_000 and len(attributes["ArchiveMetadata.0"]) > 5_000
        zones = re.search(r"ProjParams=\(6371007.181000,0,0,0,0,0,0,0,(\d+),", attributes["StructMetadata.0"])
        assert zones and zones[1] == ("86400" if "11A1" in product or "21A1" in product else "0")
        origin = read_origin(path)
        assert (origin.product, origin.collection, origin.warnings) == (product, "061", ())
        assert (
            origin.acquired_from is not None
            and origin.acquired_from.date() == GranuleName.parse(path.name).date
        )
        headers = [
            path.read_bytes()[entry.offset : entry.offset + 2]
            for entry in descriptors(path)
            if entry.tag == 702 | 0x4000
        ]
        cut_into_chunks = {header == b"\0\5" for header in headers}
        assert cut_into_chunks == {"09" in product or "44W" in product or "13Q1" in product}


def test_both_lst_products_show_the_same_overpasses(granules: dict[str, Path]) -> None:
    for layer, tes, split_window in (("day", "MOD21A1D", "Day"), ("night", "MOD21A1N", "Night")):
        ours, theirs = (
            stored(granules[tes], "LST_1KM"),
            stored(granules["MOD11A1"], f"LST_{split_window}_1km"),
        )
        np.testing.assert_array_equal(ours == 0, theirs == 0)
        difference_k = 0.02 * (theirs.astype(float) - ours)[ours > 0]
        assert difference_k.std() == pytest.approx(0.3, rel=0.05), layer
    day, night = (stored(granules[product], "LST_1KM") for product in ("MOD21A1D", "MOD21A1N"))
    both = (day > 0) & (night > 0)
    assert 0.02 * (day[both].mean() - night[both].mean()) > 5.0
    assert (day == 0).mean() != (night == 0).mean()


def test_reflectance_is_missing_only_outside_the_swath_and_bright_under_clouds(
    granules: dict[str, Path],
) -> None:
    qc = stored(granules["MOD21A1D"], "QC")
    cloud, missing = fine(qc & 0b11 == 2), fine(qc & 0b11 == 3)
    bands = {name: stored(granules["MOD09GQ"], f"sur_refl_{name}_1") for name in ("b01", "b02")}
    for band in bands.values():
        np.testing.assert_array_equal(band == -28672, missing)
        assert band[cloud].min() > 2500
    reflectance_qc = stored(granules["MOD09GQ"], "QC_250m_1")
    np.testing.assert_array_equal(reflectance_qc & 0b11 == 3, missing)
    np.testing.assert_array_equal(reflectance_qc >> 2 & 0b11 == 1, cloud)
    np.testing.assert_array_equal(reflectance_qc == 4096, ~cloud & ~missing)
    red_500m = stored(granules["MOD09GA"], "sur_refl_b01_1")
    seen = ~missing[::2, ::2]
    np.testing.assert_array_equal(red_500m == -28672, ~seen)
    assert np.abs(red_500m - block_means(bands["b01"].astype(float), 2))[seen].max() <= 1.0
    blue, green = (stored(granules["MOD09GA"], f"sur_refl_b0{band}_1").astype(float) for band in (3, 4))
    land = seen & (block_means(stored(granules["MOD44W"], "water_mask"), 2) == 0) & ~cloud[::2, ::2]
    sea = seen & (block_means(stored(granules["MOD44W"], "water_mask"), 2) == 1) & ~cloud[::2, ::2]
    assert green[land].mean() > blue[land].mean()
    assert blue[sea].mean() > green[sea].mean()


def test_16_days_have_the_greenest_of_their_clear_days(tmp_path: Path) -> None:
    """Against the days' own granules: clear somewhere in 16 days, it is nowhere below a clear day's NDVI."""
    first = datetime.date(2018, 7, 12)
    path = write(tmp_path, "MOD13Q1", date=first, windows=1)
    composite, reliability = read_ndvi(path).values, stored(path, "250m 16 days pixel reliability")
    greenest = np.full(composite.shape, -np.inf)
    for number in range(16):
        day = first + datetime.timedelta(days=number)
        ndvi = read_ndvi(write(tmp_path, "MOD09GQ", date=day, windows=1)).values
        cloud = fine(stored(write(tmp_path, "MOD21A1D", date=day, windows=1), "QC") & 0b11 != 0)
        np.fmax(greenest, np.where(cloud, np.nan, ndvi), out=greenest)
    seen = np.isfinite(greenest) & np.isfinite(composite)
    assert seen.mean() > 0.8
    # Pixels beside a cloud and beyond the swath are clear to it, too.
    assert (composite - greenest)[seen].min() > -2e-3
    assert (np.abs(composite - greenest) < 2e-3)[seen].mean() > 0.7
    np.testing.assert_array_equal(np.isfinite(composite), reliability == 0)
    origin = read_origin(path)
    assert origin.acquired_from is not None and origin.acquired_to is not None
    assert (origin.acquired_to.date() - origin.acquired_from.date()).days == 15 and origin.warnings == ()


@pytest.mark.parametrize(
    ("product", "sign"), [("MOD21A1D", -1), ("MOD21A1N", 1), ("MYD21A1D", 1), ("MYD21A1N", -1)]
)
def test_swaths_leave_a_gap_between_slanting_lines(product: str, sign: int, tmp_path: Path) -> None:
    # On most days an orbit sees all of so small an area; the lines are looked for from day to day.
    for day in range(60):
        path = write(tmp_path, product, date=DAY + datetime.timedelta(days=day), windows=6)
        beyond = stored(path, "QC") == 0b0111
        if beyond[0].any() and beyond[-1].any() and not beyond[:, 0].any() and not beyond[:, -1].any():
            break
    else:
        pytest.fail("no gap crossed the area within 60 days")
    _, parts = ndimage.label(beyond)
    assert parts == 1
    # An orbit is 24.7 degrees wide, of which a gap has 2 to 8 %; the area's middle is at 45.2 degrees north.
    width_degrees = np.median(beyond.sum(axis=1)) * 0.9266 / (111.2 * np.cos(np.radians(45.2)))
    assert 0.02 * 24.7 - 0.05 < width_degrees < 0.08 * 24.7 + 0.05
    # Terra descends by day, from the north-east, and ascends by night; Aqua the other way round.
    for edges in (beyond.argmax(axis=1), beyond.shape[1] - beyond[:, ::-1].argmax(axis=1)):
        line = np.polyfit(np.arange(edges.size), edges, 1)
        assert np.sign(line[0]) == sign
        assert np.abs(edges - np.polyval(line, np.arange(edges.size))).max() < 1.5


def test_the_open_sea_is_not_processed_and_the_coast_is(granules: dict[str, Path]) -> None:
    water = stored(granules["MOD44W"], "water_mask") == 1
    qc = stored(granules["MOD21A1D"], "QC")
    offshore = qc == 0b11
    from_land_km = ndimage.distance_transform_edt(block_means(water, 4) >= 0.5) * 0.9266
    assert offshore.sum() > 100
    # Land in the landscape's margin, which no granule shows, may be nearer.
    assert from_land_km[offshore].min() > 13.0
    inside = np.s_[16:-16, 16:-16]
    processed = (qc & 0b11) != 3
    assert from_land_km[inside][processed[inside]].max() < 18.0
    reflectance_qc = stored(granules["MOD09GQ"], "QC_250m_1")
    np.testing.assert_array_equal(reflectance_qc == 0b1111_1111_0011, fine(offshore))


def test_the_view_time_is_the_local_solar_time_of_one_moment(granules: dict[str, Path]) -> None:
    for product, low, high in (
        ("MOD21A1D", 9.3, 11.7), ("MOD21A1N", 21.3, 23.7), ("MYD21A1D", 12.3, 14.7), ("MYD21A1N", 0.3, 2.7),
    ):  # fmt: skip
        time_h = stored(granules[product], "View_Time") * 0.1
        seen = time_h < 25.0
        assert low < time_h[seen].mean() < high
        rows, columns = np.nonzero(seen)
        x, y = TILE.transform(COARSE_PIXEL_M) @ (columns + 256.5, rows + 384.5)
        longitude, _ = pyproj.Proj("+proj=sinu +R=6371007.181 +units=m")(x, y, inverse=True)
        utc_h = time_h[seen] - longitude / 15.0
        assert utc_h.max() - utc_h.min() < 0.11


@pytest.mark.parametrize("tile", [Tile(18, 4), Tile(11, 4), Tile(12, 10), Tile(30, 11)], ids=str)
def test_corners_agree_with_the_definition_of_the_tiles_in_all_quadrants(tile: Tile, tmp_path: Path) -> None:
    projection = pyproj.Proj("+proj=sinu +R=6371007.181 +units=m")
    # A tile is 10 degrees high, and as wide as 10 degrees are at the
    # equator; the part begins at its window (6, 4).
    left_m = projection(10.0 * (tile.horizontal - 18), 0.0)[0]
    top_m = projection(0.0, 90.0 - 10.0 * tile.vertical)[1]
    tile_m = projection(10.0, 0.0)[0]
    left_m, top_m, side_m = left_m + 256 / 1200 * tile_m, top_m - 384 / 1200 * tile_m, 64 / 1200 * tile_m
    expected = [left_m, top_m - side_m, left_m + side_m, top_m]
    for product, read, pixel_m in (
        ("MOD21A1D", read_lst, COARSE_PIXEL_M),
        ("MOD09GQ", read_ndvi, FINE_PIXEL_M),
    ):
        path = write(tmp_path, product, tile=tile, windows=1)
        raster = read(path)
        np.testing.assert_allclose(
            [raster.left_m, raster.bottom_m, raster.right_m, raster.top_m], expected, atol=1.0
        )
        assert raster.pixel_width_m == pytest.approx(pixel_m, abs=1e-6)
    if shutil.which("gdalinfo"):
        grid = "MODIS_Grid_2D:sur_refl_b01_1"
        described = subprocess.run(
            ["gdalinfo", "-json", f'HDF4_EOS:EOS_GRID:"{path}":{grid}'],
            check=True,
            capture_output=True,
            text=True,
        )
        corners = json.loads(described.stdout)["cornerCoordinates"]
        np.testing.assert_allclose(corners["lowerLeft"] + corners["upperRight"], expected, atol=1.0)


def test_the_south_has_its_summer_in_january(tmp_path: Path) -> None:
    def mean_k(tile: Tile, month: int) -> float:
        path = write(tmp_path, "MOD21A1D", date=datetime.date(2018, month, 20), tile=tile, windows=4)
        return float(np.nanmean(read_lst(path).values))

    assert mean_k(Tile(12, 10), 1) > mean_k(Tile(12, 10), 7) + 10.0
    assert mean_k(Tile(18, 4), 7) > mean_k(Tile(18, 4), 1) + 10.0


def test_the_sample_gives_patches_away_from_clouds_and_gaps(tmp_path: Path) -> None:
    for day in (2, 5):
        for product in ("MOD21A1D", "MOD09GQ"):
            write(tmp_path, product, date=datetime.date(2018, 7, day), windows=6)
    tables = update(tmp_path, tmp_path / "cut", PatchSettings(), split="random")
    assert len(tables.patches) >= 4 and not tables.failures
    patches = read_patches(tables.patches, tmp_path / "cut")
    assert np.isfinite(patches.lst_k).all() and np.isfinite(patches.ndvi).all()


def test_a_windowed_granule_is_a_whole_tiles_with_fill_around_the_same_pixels(tmp_path: Path) -> None:
    window = Window(slice(780, 840), slice(980, 1070))
    more = Window(slice(740, 900), slice(950, 1100))
    for product, names, fills, factor in (
        ("MOD21A1D", ("LST_1KM", "QC", "View_Time"), (0, 0b0111, 255), 1),
        ("MYD11A1", ("LST_Day_1km", "QC_Night", "Night_view_time"), (0, 3, 255), 1),
        ("MOD09GQ", ("sur_refl_b01_1", "QC_250m_1"), (-28672, 0b1011_1011_0011), 4),
        ("MOD09GA", ("sur_refl_b04_1",), (-28672,), 2),
        ("MOD13Q1", ("250m 16 days NDVI", "250m 16 days pixel reliability"), (-3000, -1), 4),
        ("MOD44W", ("water_mask",), (253,), 4),
    ):
        paths = []
        for part in (window, more):
            path = tmp_path / str(part.rows.start) / f"{product}.hdf"
            write_sample_granule(GranuleName(product, DAY, TILE), path, window=part)
            paths.append(path)
        for name, fill in zip(names, fills, strict=True):
            drawn, wider = (stored(path, name) for path in paths)
            assert drawn.shape == (1200 * factor, 1200 * factor)
            here = np.s_[780 * factor : 840 * factor, 980 * factor : 1070 * factor]
            np.testing.assert_array_equal(drawn[here], wider[here], err_msg=f"{product} {name}")
            assert (drawn[here] != fill).mean() > 0.2
            drawn[here] = fill
            assert (drawn == fill).all(), f"{product} {name}"
    lst = read_lst(tmp_path / "780" / "MOD21A1D.hdf")
    assert (lst.left_m, lst.top_m) == pytest.approx((TILE.left_m, TILE.top_m), abs=1e-5)
    with pytest.raises(ValueError, match="Either windows or window"):
        write_sample_granule(GranuleName("MOD44W", DAY, TILE), tmp_path / "x.hdf", windows=1, window=window)


@pytest.mark.parametrize("corner", [Tile(18, 4), Tile(17, 8)], ids=["h18v04", "at the equator"])
def test_four_tiles_meet_at_their_corner_without_a_seam(corner: Tile, tmp_path: Path) -> None:
    side = 130

    def mosaic(product: str, name: str, factor: int) -> NDArray[Any]:
        tiles = []
        for down in (0, 1):
            for right in (0, 1):
                rows, columns = (
                    slice(0, side) if step else slice(1200 - side, 1200) for step in (down, right)
                )
                tile = Tile(corner.horizontal + right, corner.vertical + down)
                path = tmp_path / f"{product}.{tile}.hdf"
                if not path.exists():
                    write_sample_granule(GranuleName(product, DAY, tile), path, window=Window(rows, columns))
                fine_rows, fine_columns = (
                    slice(factor * span.start, factor * span.stop) for span in (rows, columns)
                )
                tiles.append(stored(path, name)[fine_rows, fine_columns].astype(float))
        return np.block([tiles[:2], tiles[2:]])

    qc = mosaic("MOD11A1", "QC_Day", 1)
    lst = np.where(qc == 0, mosaic("MOD11A1", "LST_Day_1km", 1), np.nan)
    red, nir = (mosaic("MOD09GQ", f"sur_refl_b0{band}_1", 4) for band in (1, 2))
    clear = mosaic("MOD09GQ", "QC_250m_1", 4) == 4096
    ndvi = np.where(clear, (nir - red) / (nir + red), np.nan)
    quality = (qc != 0).astype(float)
    assert 0.02 < quality.mean() < 0.98
    for name, image, most in (("LST", lst, 1.25), ("NDVI", ndvi, 1.25), ("quality", quality, 4.0)):
        for axis in (0, 1):
            steps = np.abs(np.diff(image, axis=axis)).swapaxes(0, axis)
            # Against the lines beside the border, which lie over much the same ground.
            border, beside = steps.shape[0] // 2, steps.shape[0] // 10
            around = np.nanmean(steps[border - beside : border + beside + 1])
            assert np.nanmean(steps[border]) < most * around + 0.01, (name, axis)


WHOLE_TILE = """
import datetime, re, sys
from pathlib import Path
from lstsr_core.geo.grid import Tile
from lstsr_core.modis.names import GranuleName
from lstsr_core.simulation.granules import write_sample_granule
for product in ("MOD44W", "MOD21A1D"):
    day = datetime.date(2018, 1, 1)
    name = GranuleName(product, day, Tile(18, 4))
    write_sample_granule(name, Path(sys.argv[1]) / f"{product}.hdf")
# What getrusage tells holds the peak of the process that started this one, too.
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def test_a_whole_tile_is_written_within_4_gib(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WHOLE_TILE, str(tmp_path)], check=True, capture_output=True, text=True
    )
    assert int(done.stdout) * 1024 < 4 * 1024**3
    water, lst = stored(tmp_path / "MOD44W.hdf", "water_mask"), read_lst(tmp_path / "MOD21A1D.hdf")
    assert water.shape == (4800, 4800) and lst.values.shape == (1200, 1200)
    assert (lst.left_m, lst.top_m) == pytest.approx((TILE.left_m, TILE.top_m), abs=1e-5)
    assert 0.1 < water.mean() < 0.35
    assert 0.2 < np.isfinite(lst.values).mean() < 0.9
