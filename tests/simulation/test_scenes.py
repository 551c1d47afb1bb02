"""The simulator: readable, consistent with its truth, repeatable, and like the published pairs."""

import dataclasses
import datetime
import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pyproj
import pytest
import rasterio
from scipy import ndimage

from lstsr_book.kept_results import RESULTS
from lstsr_book.run_files import PAIRS
from lstsr_core.base.errors import InputError
from lstsr_core.base.project import PROJECT
from lstsr_core.evaluation.pair_statistics import pair_statistics
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.geo.operators import degrade
from lstsr_core.geo.raster import Raster, read_raster
from lstsr_core.geo.window import Window
from lstsr_core.modis.granule import RGB_PIXEL_M, read_lst, read_ndvi, read_rgb
from lstsr_core.modis.names import GranuleName
from lstsr_core.pairs.pair import write_aster
from lstsr_core.simulation.landscape import MARGIN_COARSE_PIXELS, Landscape, landscape
from lstsr_core.simulation.scenes import (
    DEFAULT_ASTER_BIAS_K,
    DEFAULT_ASTER_NOISE_K,
    DEFAULT_SENSOR_NOISE_K,
    Scene,
    aster_reference,
    simulate,
    simulate_night,
    simulate_scene,
)
from lstsr_core.stages.download import landscape_table

SUMMER, WINTER = datetime.date(2018, 7, 15), datetime.date(2018, 1, 15)
MARGIN = 4 * MARGIN_COARSE_PIXELS


@pytest.fixture(scope="module")
def land() -> Landscape:
    return landscape(seed=42, windows=1)


@pytest.fixture(scope="module")
def scene(land: Landscape) -> Scene:
    return simulate_scene(land, SUMMER)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory: Path = tmp_path_factory.mktemp("simulated")
    simulate(directory, days=(WINTER, SUMMER), windows=2, pairs=3)
    return directory


def digests(directory: Path) -> dict[str, str]:
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_a_seed_gives_the_same_bytes_twice_and_another_seed_others(simulated: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "again", days=(WINTER, SUMMER), windows=2, pairs=3)
    assert digests(tmp_path / "again") == digests(simulated)
    simulate(tmp_path / "other", seed=43, days=(WINTER, SUMMER), windows=2, pairs=3)
    other = digests(tmp_path / "other")
    assert other.keys() == digests(simulated).keys()
    assert not set(other.values()) & set(digests(simulated).values())


def test_a_day_does_not_depend_on_the_days_before_it(simulated: Path, tmp_path: Path) -> None:
    simulate(tmp_path, days=(SUMMER,), windows=2, pairs=3)
    alone, together = digests(tmp_path), digests(simulated)
    assert len(alone) == 3 + 9
    assert alone.items() <= together.items()


def test_the_granules_are_on_the_tiles_window_grid(simulated: Path) -> None:
    paths = sorted((simulated / "granules").iterdir())
    names = [GranuleName.parse(path.name) for path in paths]
    assert [(name.product, name.date) for name in names] == [
        (product, day) for product in ("MOD09GA", "MOD09GQ", "MOD21A1D") for day in (WINTER, SUMMER)
    ]
    for path, name in zip(paths, names, strict=True):
        assert name.tile == Tile(18, 4)
        raster, pixel_m, side = {
            "MOD21A1D": lambda path: (read_lst(path), COARSE_PIXEL_M, 128),
            "MOD09GQ": lambda path: (read_ndvi(path), FINE_PIXEL_M, 512),
            "MOD09GA": lambda path: (read_rgb(path)[0], RGB_PIXEL_M, 256),
        }[name.product](path)
        assert raster.values.shape == (side, side)
        assert raster.pixel_width_m == pytest.approx(pixel_m, abs=1e-6)
        windows = (
            (raster.left_m - name.tile.left_m) / (64 * COARSE_PIXEL_M),
            (name.tile.top_m - raster.top_m) / (64 * COARSE_PIXEL_M),
        )
        assert windows == pytest.approx((4, 6), abs=1e-8)


def test_the_granules_hold_the_scene(simulated: Path) -> None:
    scene = simulate_scene(landscape(windows=2), SUMMER)
    lst = read_lst(next((simulated / "granules").glob("MOD21A1D.A2018196.*")))
    np.testing.assert_allclose(lst.values, scene.lst.values, atol=1e-9)
    ndvi = read_ndvi(next((simulated / "granules").glob("MOD09GQ.A2018196.*")))
    clear = ~scene.cloud.repeat(4, axis=0).repeat(4, axis=1)
    difference = np.abs(ndvi.values - scene.ndvi.values[MARGIN:-MARGIN, MARGIN:-MARGIN])[clear]
    # Reflectance is stored in steps of 1e-4; over water both bands together are only some 0.06.
    assert difference.max() < 4e-3
    red, _, blue = (
        band.values for band in read_rgb(next((simulated / "granules").glob("MOD09GA.A2018196.*")))
    )
    fine_red = scene.red.values[MARGIN:-MARGIN, MARGIN:-MARGIN]
    np.testing.assert_allclose(red, fine_red.reshape(256, 2, 256, 2).mean(axis=(1, 3)), atol=6e-5)
    cloud = scene.cloud.repeat(2, axis=0).repeat(2, axis=1)
    np.testing.assert_array_equal(blue[cloud], red[cloud])  # white
    assert np.median(difference) < 2e-4
    assert np.abs(ndvi.values[~clear]).max() < 0.05


def test_lst_at_1_km_is_the_degraded_truth(land: Landscape) -> None:
    quiet = simulate_scene(land, SUMMER, sensor_noise_k=0.0)
    inner = slice(MARGIN_COARSE_PIXELS, -MARGIN_COARSE_PIXELS)
    expected = degrade(quiet.truth_lst.values.astype(np.float64))[inner, inner]
    assert np.abs(quiet.lst.values - expected).max() <= 0.01 + 1e-9
    assert (quiet.lst.left_m, quiet.lst.top_m) == pytest.approx(
        (quiet.truth_lst.left_m + MARGIN * FINE_PIXEL_M, quiet.truth_lst.top_m - MARGIN * FINE_PIXEL_M),
        abs=1e-6,
    )
    sharper = simulate_scene(land, SUMMER, mtf=0.5, sensor_noise_k=0.0)
    np.testing.assert_array_equal(sharper.truth_lst.values, quiet.truth_lst.values)
    assert sharper.lst.values.std() > quiet.lst.values.std()


def test_the_sensor_noise_has_its_standard_deviation(land: Landscape) -> None:
    quiet, noisy = (simulate_scene(land, SUMMER, sensor_noise_k=noise).lst.values for noise in (0.0, 0.8))
    assert (noisy - quiet).std() == pytest.approx(0.8, rel=0.05)
    assert (noisy - quiet).mean() == pytest.approx(0.0, abs=0.05)


def test_degrading_in_strips_leaves_no_seam() -> None:
    wide = simulate_scene(landscape(windows=2), SUMMER, sensor_noise_k=0.0)
    inner = slice(MARGIN_COARSE_PIXELS, -MARGIN_COARSE_PIXELS)
    expected = degrade(wide.truth_lst.values.astype(np.float64))[inner, inner]
    clear = ~wide.cloud
    assert np.abs(wide.lst.values - expected)[clear].max() <= 0.01 + 1e-9


def test_clouds_leave_a_window_free_in_summer_and_hide_lst() -> None:
    wide = simulate_scene(landscape(windows=2), SUMMER)
    assert 0.02 < wide.cloud.mean() < 0.5
    np.testing.assert_array_equal(np.isnan(wide.lst.values), wide.cloud)
    assert ndimage.minimum_filter(~wide.cloud, size=64, mode="constant", cval=False).any()
    # In winter no clearing is opened.
    assert 0.02 < simulate_scene(landscape(windows=4), WINTER).cloud.mean() < 0.98


def test_seasons_turn(land: Landscape, scene: Scene) -> None:
    winter = simulate_scene(land, WINTER)
    assert scene.truth_lst.values.mean() - winter.truth_lst.values.mean() > 20.0
    assert scene.ndvi.values.mean() - winter.ndvi.values.mean() > 0.1
    # Harvested winter cereals and growing maize: the fields' order changes over the year.
    spring = simulate_scene(land, datetime.date(2018, 5, 1))
    cereals, maize = land.crop == 0, land.crop == 1
    assert spring.ndvi.values[cereals].mean() > spring.ndvi.values[maize].mean() + 0.1
    assert scene.ndvi.values[cereals].mean() < scene.ndvi.values[maize].mean() - 0.1


def test_water_is_cool_and_towns_are_hot_in_summer() -> None:
    # Wide enough to hold a lake.
    land = landscape(seed=42, windows=4)
    scene = simulate_scene(land, SUMMER)
    lst, ndvi = scene.truth_lst.values, scene.ndvi.values
    water, town = land.water > 0.9, land.town > 0.6
    assert water.any() and town.any()
    assert ndvi[water].mean() < 0.1 < ndvi[town].mean() < 0.5
    assert lst[water].mean() < np.median(lst) < lst[town].mean()


def test_a_pair_has_its_layout_and_its_offset(simulated: Path) -> None:
    offsets = set()
    for identifier in range(3):
        lst = read_raster(simulated / "pairs" / f"{identifier}_lst_1km.tif")
        ndvi = read_raster(simulated / "pairs" / f"{identifier}_ndvi_250m.tif")
        assert (lst.values.shape, ndvi.values.shape) == ((64, 64), (256, 256))
        assert lst.crs == ndvi.crs == SINUSOIDAL
        assert np.isfinite(lst.values).all() and np.isfinite(ndvi.values).all()
        down, right = (lst.top_m - ndvi.top_m) / FINE_PIXEL_M, (ndvi.left_m - lst.left_m) / FINE_PIXEL_M
        assert (down, right) == pytest.approx((round(down), round(right)), abs=1e-6)
        assert 0 <= round(down) <= 3 and 0 <= round(right) <= 3
        offsets.add((round(down), round(right)))
    assert len(offsets) > 1


def test_a_pair_is_cut_from_its_scene_at_its_own_place(simulated: Path) -> None:
    scene = simulate_scene(landscape(windows=2), SUMMER)
    for name, whole in (("lst_1km", scene.lst), ("ndvi_250m", scene.ndvi)):
        for identifier in range(3):
            patch = read_raster(simulated / "pairs" / f"{identifier}_{name}.tif")
            column, row = ~whole.transform @ (patch.left_m, patch.top_m)
            rows, columns = (slice(round(first), round(first) + patch.rows) for first in (row, column))
            np.testing.assert_array_equal(patch.values, whole.values[rows, columns].astype(np.float32))


def test_an_aster_file_has_the_published_layout(simulated: Path) -> None:
    with rasterio.open(simulated / "pairs" / "0_aster_250m.tif") as source:
        stored = source.read(1)
        assert source.nodata is None
        assert source.dtypes == ("float32",)
        assert source.crs.to_epsg() == 32631
        assert source.transform.a == pytest.approx(231.65, abs=0.01)
        assert source.transform.e == pytest.approx(-231.65, abs=0.01)
    assert stored.shape == (335, 374)
    kelvin = stored / 10.0
    assert 0.3 < (kelvin == 0.0).mean() < 0.5
    assert 280.0 < np.median(kelvin[kelvin > 230.0]) < 320.0
    mixed = (kelvin > 0.0) & (kelvin < 230.0)
    assert mixed.any()
    # Mixed pixels lie along the swath's edge only, which erosion by four pixels takes away.
    inside = ndimage.binary_erosion(kelvin >= 230.0, iterations=4)
    assert inside.sum() > 0.9 * 260 * 260
    assert kelvin[inside].min() > 280.0
    assert not (mixed & ndimage.binary_dilation(inside, iterations=2)).any()


def test_a_swath_is_turned_clockwise_by_twelve_degrees(scene: Scene) -> None:
    reference = aster_reference(scene.truth_lst, 0.0, 0.0, np.random.default_rng(0)).values > 230.0
    columns = np.arange(120, 300)
    first_rows = reference[:, columns].argmax(axis=0)
    assert np.degrees(np.arctan(np.polyfit(columns, first_rows, 1)[0])) == pytest.approx(12.0, abs=0.5)


def test_a_reference_without_bias_and_noise_is_the_truth_in_its_place(scene: Scene) -> None:
    reference = aster_reference(scene.truth_lst, 0.0, 0.0, np.random.default_rng(0))
    inside = ndimage.binary_erosion(reference.values >= 230.0, iterations=4)
    rows, columns = np.nonzero(inside)
    rows, columns = rows[::97], columns[::97]
    # Coordinates and interpolation by other means: PROJ through pyproj, and scipy.
    x, y = reference.transform @ (columns + 0.5, rows + 0.5)
    back = pyproj.Transformer.from_crs(reference.crs.to_wkt(), SINUSOIDAL.to_wkt(), always_xy=True)
    column, row = ~scene.truth_lst.transform @ back.transform(x, y)
    truth = ndimage.map_coordinates(
        scene.truth_lst.values.astype(np.float64), [row - 0.5, column - 0.5], order=1
    )
    difference = reference.values[rows, columns] - truth
    assert np.abs(difference.mean()) < 0.01
    # A warp may misplace pixels by up to an eighth of one.
    assert difference.std() < 0.15

    biased = (
        aster_reference(scene.truth_lst, 1.5, 0.4, np.random.default_rng(0)).values[inside]
        - reference.values[inside]
    )
    assert biased.mean() == pytest.approx(1.5, abs=0.02)
    assert biased.std() == pytest.approx(0.4, rel=0.03)


def test_a_reference_ends_where_the_truth_ends_and_knows_its_zone(scene: Scene, tmp_path: Path) -> None:
    narrow = scene.truth_lst.crop(slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    reference = aster_reference(narrow, 0.0, 0.0, np.random.default_rng(0))
    assert np.isfinite(reference.values).all()
    assert 0.4 < (reference.values == 0.0).mean() < 0.7
    east = Raster(
        narrow.values,
        Tile(18, 4).transform(FINE_PIXEL_M) @ narrow.transform.translation(2800, 2000),
        SINUSOIDAL,
    )
    reference = aster_reference(east, 0.0, 0.0, np.random.default_rng(0))
    assert reference.crs.to_epsg() == 32632
    write_aster(reference, tmp_path / "aster.tif")
    read = read_raster(tmp_path / "aster.tif", scale=0.1)
    np.testing.assert_allclose(read.values, reference.values, rtol=1e-6)


def published_ranges() -> dict[str, tuple[float, float]]:
    """10 and 90 % of `pair_statistics` over the pairs of the published database."""
    table = landscape_table(pd.read_csv(PROJECT / RESULTS / PAIRS)).set_index("statistic")
    table = table.drop(index=["ndvi_rows_down", "ndvi_columns_right"])
    return {str(name): (row["p10"], row["p90"]) for name, row in table.iterrows()}


def test_the_simulated_landscape_resembles_the_published_pairs() -> None:
    random = np.random.default_rng(0)
    rows = []
    for seed in (42, 43):
        land = landscape(seed, windows=2)
        for month in (4, 6, 7, 8):
            scene = simulate_scene(land, datetime.date(2018, month, 15), sensor_noise_k=0.0)
            lst = degrade(scene.truth_lst.values.astype(np.float64))
            lst += DEFAULT_SENSOR_NOISE_K * random.standard_normal(lst.shape)
            for row, column in ((16, 16), (16, 80), (80, 16), (80, 80)):
                fine = (slice(4 * row, 4 * row + 256), slice(4 * column, 4 * column + 256))
                wide = (slice(4 * row - 64, 4 * row + 320), slice(4 * column - 64, 4 * column + 320))
                aster = aster_reference(
                    scene.truth_lst.crop(*wide), DEFAULT_ASTER_BIAS_K, DEFAULT_ASTER_NOISE_K, random
                )
                patch = lst[row : row + 64, column : column + 64]
                rows.append(pair_statistics(patch, scene.ndvi.values[fine], aster.values))
    outside = {}
    for key, (low, high) in published_ranges().items():
        median = float(np.median([statistics[key] for statistics in rows]))
        if not low <= median <= high:
            outside[key] = (median, low, high)
    assert not outside
    assert published_ranges().keys() == rows[0].keys()


@pytest.mark.parametrize("night", [False, True], ids=["day", "night"])
def test_a_day_is_the_same_over_a_part_and_over_more(night: bool) -> None:
    tile = Tile(18, 4)
    part, whole = Window(slice(70, 110), slice(1130, 1180)), Window(slice(50, 180), slice(1100, 1200))
    lands = [landscape(42, tile=tile, sea=True, window=window) for window in (part, whole)]
    inside = part.inside(whole)
    if night:
        lst = [simulate_night(land, SUMMER) for land in lands]
    else:
        scenes = [simulate_scene(land, SUMMER, clearing=False) for land in lands]
        lst = [scene.lst for scene in scenes]
        np.testing.assert_array_equal(scenes[0].cloud, inside.of(scenes[1].cloud))
        fine = np.s_[4 * 20 + MARGIN : 4 * 60 + MARGIN, 4 * 30 + MARGIN : 4 * 80 + MARGIN]
        for name in ("truth_lst", "ndvi", "red", "nir"):
            drawn, cut = getattr(scenes[0], name).values, getattr(scenes[1], name).values
            np.testing.assert_array_equal(drawn[MARGIN:-MARGIN, MARGIN:-MARGIN], cut[fine], err_msg=name)
    np.testing.assert_array_equal(lst[0].values, inside.of(lst[1].values))
    assert np.isfinite(lst[0].values).mean() > 0.1


@pytest.mark.parametrize("vertical", [4, 8], ids=["h18v04 and v05", "at the equator"])
def test_two_tiles_see_the_same_on_both_sides_of_their_border(vertical: int) -> None:
    columns = slice(700, 740)
    above = landscape(42, tile=Tile(18, vertical), sea=True, window=Window(slice(1160, 1200), columns))
    below = landscape(42, tile=Tile(18, vertical + 1), sea=True, window=Window(slice(0, 40), columns))
    scenes = [simulate_scene(land, SUMMER, clearing=False) for land in (above, below)]
    # Both margins lie over the border; their outermost pixels lack the wind's context.
    for name in ("truth_lst", "ndvi"):
        upper, lower = (getattr(scene, name).values for scene in scenes)
        np.testing.assert_array_equal(upper[-2 * MARGIN + 4 : -4], lower[4 : 2 * MARGIN - 4], err_msg=name)


def test_the_seasons_of_both_halves_meet_at_the_equator_without_a_step() -> None:
    means = {}
    for vertical in (7, 8, 9, 10):
        window = Window(slice(580, 620), slice(700, 740))
        land = landscape(42, tile=Tile(18, vertical), window=window)
        means[vertical] = float(simulate_scene(land, SUMMER).truth_lst.values.mean())
    assert means[7] > means[8] + 3.0 and means[8] > means[9] + 3.0 and means[9] > means[10] + 3.0


def test_pairs_need_a_summer_day(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"April to September.*2018-01-15"):
        simulate(tmp_path, days=(WINTER,), windows=1)
    simulate(tmp_path, days=(WINTER,), windows=1, pairs=0)
    assert len(digests(tmp_path)) == 3


def test_a_night_is_cooler_than_the_day_and_warm_over_water(land: Landscape, scene: Scene) -> None:
    lake = np.zeros_like(land.water)
    lake[MARGIN + 40 : MARGIN + 120, MARGIN + 80 : MARGIN + 160] = 1.0
    wet = dataclasses.replace(land, water=np.maximum(land.water, lake))
    night = simulate_night(wet, SUMMER, sensor_noise_k=0.0)
    np.testing.assert_array_equal(night.values, simulate_night(wet, SUMMER, sensor_noise_k=0.0).values)
    assert (night.transform, night.values.shape) == (scene.lst.transform, scene.lst.values.shape)
    clear = np.isfinite(night.values)
    assert 0.4 < clear.mean() < 0.95
    assert np.median(scene.lst.values) > np.median(night.values[clear]) + 8.0
    # By day the same lake is the coolest place.
    for lst, sign in (
        (night.values, 1.0),
        (simulate_scene(wet, SUMMER, sensor_noise_k=0.0).lst.values, -1.0),
    ):
        middle = lst[14:26, 24:36]
        assert np.isfinite(middle).any()
        assert sign * (np.nanmean(middle) - np.nanmedian(lst)) > 2.0
