"""From granules to a map: every method, masks, areas, places, provenance, and what is refused."""

from __future__ import annotations

import datetime
import json
import pickle
import re
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
import rasterio.warp
from affine import Affine
from rio_cogeo import cog_validate
from scipy import ndimage

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.base.fingerprint import sha256
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, SPHERE_RADIUS_M, Tile
from lstsr_core.geo.operators import degrade, upsample
from lstsr_core.geo.raster import FloatArray, Raster
from lstsr_core.geo.shorelines import Extent
from lstsr_core.maps import predict as prediction
from lstsr_core.maps.plan import plan_granule
from lstsr_core.maps.predict import check_names, predict_granule
from lstsr_core.maps.request import Request
from lstsr_core.maps.validity import CLOUD, NDVI_INVALID, OUTSIDE_SHAPE, OUTSIDE_TRAINING, VALID, WATER
from lstsr_core.modis.granule import Layer
from lstsr_core.modis.hdf_eos import GridDataset, write_granule
from lstsr_core.modis.names import GranuleName
from lstsr_core.networks.weights import load_model
from lstsr_core.networks.weights_files import NETWORKS
from lstsr_core.sharpening.methods import METHODS, OWN_METHODS
from lstsr_core.simulation.granule_writer import write_lst_granule
from worlds.granules import DAY, FIRST_COLUMN, FIRST_ROW, SIZE, Granules, fields, smooth, write_granules

SPHERE = pyproj.CRS.from_proj4(f"+proj=longlat +R={SPHERE_RADIUS_M}")


CLOUDS = np.zeros((SIZE, SIZE), dtype=np.bool_)
CLOUDS[20:31, 40:58] = CLOUDS[70, 71] = True
GAPS = np.zeros((4 * SIZE, 4 * SIZE), dtype=np.bool_)
GAPS[200:230, 50:90] = GAPS[300, 301] = True


@pytest.fixture(scope="module")
def granules(tmp_path_factory: pytest.TempPathFactory) -> Granules:
    lst_k, ndvi = fields()
    return write_granules(
        tmp_path_factory.mktemp("granules"), np.where(CLOUDS, np.nan, lst_k), np.where(GAPS, np.nan, ndvi)
    )


@dataclass(frozen=True)
class Map:
    """A map as a user reads it."""

    lst_k: FloatArray
    residual_k: FloatArray
    validity: FloatArray
    transform: Affine
    tags: dict[str, str]


def read_map(path: Path) -> Map:
    with rasterio.open(path) as source:
        return Map(*source.read([1, 2, 3]).astype(np.float64), source.transform, source.tags())


# Every method


@pytest.mark.parametrize("method", METHODS)
def test_every_method_maps_a_granule(
    granules: Granules, half_pixel_weights: Path, tmp_path: Path, method: str
) -> None:
    out = tmp_path / "map.tif"
    summary = predict_granule(
        granules.lst, granules.reflectance, out, Request(method, half_pixel_weights, threads=2)
    )
    assert cog_validate(out, strict=True, quiet=True)[0]
    bands, cloud = read_map(out), CLOUDS.repeat(4, 0).repeat(4, 1)
    assert (bands.validity[cloud] == CLOUD).all()
    assert (bands.validity[GAPS & ~cloud] == (VALID if method == "bicubic" else NDVI_INVALID)).all()
    assert (bands.validity[~GAPS & ~cloud] == VALID).all()
    np.testing.assert_array_equal(np.isnan(bands.lst_k), np.isin(bands.validity, (CLOUD, NDVI_INVALID)))
    place = Tile(18, 4).transform(FINE_PIXEL_M) @ Affine.translation(4 * FIRST_COLUMN, 4 * FIRST_ROW)
    assert bands.transform.almost_equals(place, 1e-4)
    assert summary.made and summary.shares["cloud or fill in the LST"] == pytest.approx(cloud.mean())
    if method not in NETWORKS:  # an untrained network's LST is no temperature
        lst_k, _ = fields()
        assert np.nanmax(np.abs(degrade(bands.lst_k) - lst_k)) < 5.0
        assert summary.consistency_k < 0.6


COMPANIONS = [
    "sc-unet-restored",
    "aster-unet",
    "aster-unet-levelled",
    "aster-unet-restored",
    "aster-unet-restored-levelled",
]


@pytest.mark.parametrize("method", COMPANIONS)
def test_the_companions_networks_tell_how_sure_a_map_is(
    granules: Granules, tmp_path: Path, method: str
) -> None:
    """With the package's weights, and away from the formula: by the file that a user opens."""
    predict_granule(granules.lst, granules.reflectance, tmp_path / "map.tif", Request(method))
    with rasterio.open(tmp_path / "map.tif") as source:
        lst_k, _, _, deviation_k = source.read()
        tags = source.tags(4)
        assert source.descriptions[3] == "uncertainty" and source.units[3] == "K"
        assert "LSTSR_COEFFICIENTS_SHA256" in source.tags()
    np.testing.assert_array_equal(np.isnan(deviation_k), np.isnan(lst_k))
    level_k = float(tags["LEVEL_PART_K"])
    assert 0.5 < level_k < 2.0 and "one standard deviation" in tags["MEANING"]
    assert np.nanmin(deviation_k) >= level_k - 2e-3 and np.nanmedian(deviation_k) < 10.0
    # Beside gaps it is wider than away from them.
    masked = np.isnan(lst_k)
    away = ndimage.distance_transform_edt(~masked)
    assert np.nanmedian(deviation_k[(away > 0) & (away <= 2)]) > np.nanmedian(deviation_k[away > 16])


def test_methods_of_the_paper_have_three_bands(granules: Granules, tmp_path: Path) -> None:
    predict_granule(granules.lst, granules.reflectance, tmp_path / "map.tif", Request("sc-unet"))
    with rasterio.open(tmp_path / "map.tif") as source:
        assert source.descriptions == ("LST", "consistency residual at 1 km", "validity")


def test_an_areas_map_and_uncertainty_are_part_of_the_whole(wide_granules: Granules, tmp_path: Path) -> None:
    request = Request("aster-unet-restored")
    predict_granule(wide_granules.lst, wide_granules.reflectance, tmp_path / "whole.tif", request)
    with rasterio.open(tmp_path / "whole.tif") as source:
        whole, transform = source.read([1, 4]), source.transform
    bounds = degrees_of(transform, slice(500, 620), slice(530, 700))
    predict_granule(
        wide_granules.lst, wide_granules.reflectance, tmp_path / "part.tif", replace(request, bounds=bounds)
    )
    with rasterio.open(tmp_path / "part.tif") as source:
        part = source.read([1, 4])
        left, top = (round(index) for index in ~transform @ (source.transform.c, source.transform.f))
    expected = whole[:, top : top + part.shape[1], left : left + part.shape[2]]
    np.testing.assert_allclose(part, expected, atol=3e-3)


def test_the_residual_is_the_degraded_map_minus_the_lst(granules: Granules, tmp_path: Path) -> None:
    predict_granule(granules.lst, granules.reflectance, tmp_path / "map.tif", Request("tsharp"))
    bands, (lst_k, _) = read_map(tmp_path / "map.tif"), fields()
    expected_k = degrade(bands.lst_k) - np.rint(lst_k / 0.02) * 0.02
    blocks = bands.residual_k.reshape(SIZE, 4, SIZE, 4)
    valid = np.isfinite(expected_k)
    assert valid.mean() > 0.8
    np.testing.assert_allclose(np.fmax.reduce(blocks, axis=(1, 3))[valid], expected_k[valid], atol=2e-3)
    np.testing.assert_allclose(np.fmin.reduce(blocks, axis=(1, 3))[valid], expected_k[valid], atol=2e-3)
    assert np.isnan(bands.residual_k[~valid.repeat(4, 0).repeat(4, 1)]).all()


def test_a_network_sees_the_nearest_pixel_where_there_is_none(
    granules: Granules, half_pixel_weights: Path, tmp_path: Path
) -> None:
    """Far from gaps the map is that of a granule without them, in one pass of the network."""
    predict_granule(
        granules.lst,
        granules.reflectance,
        tmp_path / "map.tif",
        Request("sif-cnn-sr1", half_pixel_weights),
    )
    lst_k, ndvi = fields()
    quantised_k = np.rint(lst_k / 0.02) * 0.02
    red, nir = np.rint(2000 * (1 - ndvi)), np.rint(2000 * (1 + ndvi))
    expected_k = load_model(half_pixel_weights / "sif-cnn-sr1.safetensors").predict_k(
        upsample(quantised_k), (nir - red) / (nir + red)
    )
    bad = CLOUDS.repeat(4, 0).repeat(4, 1) | GAPS
    far = ndimage.distance_transform_cdt(~bad, metric="chessboard") > 96
    assert far.mean() > 0.1
    np.testing.assert_allclose(read_map(tmp_path / "map.tif").lst_k[far], expected_k[far], atol=1.5e-3)


# Areas


def degrees_of(transform: Affine, rows: slice, columns: slice) -> Extent:
    """A box in degrees well inside of a window of fine pixels."""
    to_degrees = pyproj.Transformer.from_crs(f"+proj=sinu +R={SPHERE_RADIUS_M}", SPHERE, always_xy=True)
    west, north = to_degrees.transform(*(transform @ (columns.start, rows.start)))
    east, south = to_degrees.transform(*(transform @ (columns.stop, rows.stop)))
    return Extent(west, south, east, north)


@pytest.fixture(scope="module")
def wide_granules(tmp_path_factory: pytest.TempPathFactory) -> Granules:
    size = 288
    ndvi = np.clip(0.55 + 0.12 * smooth(4 * size, 1), 0.0, 0.95)
    lst_k = 305.0 + 2.0 * smooth(size, 3)
    lst_k[smooth(size, 4) > 1.0] = np.nan
    ndvi[smooth(4 * size, 5) > 1.5] = np.nan
    return write_granules(tmp_path_factory.mktemp("wide"), lst_k, ndvi)


def test_an_areas_map_is_part_of_the_whole_map(
    wide_granules: Granules, half_pixel_weights: Path, tmp_path: Path
) -> None:
    request = Request("sif-cnn-sr1", half_pixel_weights)
    predict_granule(wide_granules.lst, wide_granules.reflectance, tmp_path / "whole.tif", request)
    whole = read_map(tmp_path / "whole.tif")
    bounds = degrees_of(whole.transform, slice(500, 620), slice(530, 700))
    predict_granule(
        wide_granules.lst, wide_granules.reflectance, tmp_path / "part.tif", replace(request, bounds=bounds)
    )
    part = read_map(tmp_path / "part.tif")
    rows, columns = part.lst_k.shape
    assert 100 < rows < 200 and 100 < columns < 260
    left, top = (round(index) for index in ~whole.transform @ (part.transform.c, part.transform.f))
    assert left % 4 == top % 4 == 0
    window = slice(top, top + rows), slice(left, left + columns)
    assert (part.validity == CLOUD).any() and (part.validity == NDVI_INVALID).any()
    for found, expected in (
        (part.lst_k, whole.lst_k),
        (part.residual_k, whole.residual_k),
        (part.validity, whole.validity),
    ):
        np.testing.assert_allclose(found, expected[window], atol=2e-3)


def test_pixels_outside_a_shape_are_masked(granules: Granules, tmp_path: Path) -> None:
    grid = Tile(18, 4).transform(FINE_PIXEL_M) @ Affine.translation(4 * FIRST_COLUMN, 4 * FIRST_ROW)
    box = degrees_of(grid, slice(100, 300), slice(100, 300))
    ring = [[box.west, box.south], [box.east, box.south], [box.west, box.north], [box.west, box.south]]
    (tmp_path / "field.geojson").write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    summary = predict_granule(
        granules.lst,
        granules.reflectance,
        tmp_path / "map.tif",
        Request("tsharp", shape=tmp_path / "field.geojson"),
    )
    bands = read_map(tmp_path / "map.tif")
    outside = bands.validity == OUTSIDE_SHAPE
    assert 0.3 < outside.mean() < 0.7 and summary.shares["outside the shape"] == pytest.approx(outside.mean())
    assert np.isnan(bands.lst_k[outside]).all() and np.isfinite(bands.lst_k[bands.validity == VALID]).all()


def test_water_is_masked(granules: Granules, tmp_path: Path) -> None:
    water = np.zeros((4 * SIZE, 4 * SIZE), dtype=np.uint8)
    water[40:80, 300:] = 1
    place = Tile(18, 4).transform(FINE_PIXEL_M) @ Affine.translation(4 * FIRST_COLUMN, 4 * FIRST_ROW)
    path = tmp_path / str(GranuleName("MOD44W", datetime.date(2018, 1, 1), Tile(18, 4)))
    write_granule(
        path,
        "MOD44W_250m_GRID",
        [GridDataset("water_mask", water, 250, (0, 1), None, "water mask", "n/a")],
        place,
    )
    predict_granule(granules.lst, granules.reflectance, tmp_path / "map.tif", Request("tsharp", water=path))
    bands = read_map(tmp_path / "map.tif")
    np.testing.assert_array_equal(bands.validity == WATER, water == 1)
    assert np.isnan(bands.lst_k[water == 1]).all() and np.isnan(bands.residual_k[water == 1]).all()


def test_of_a_directory_of_water_masks_the_nearest_years_is_taken(granules: Granules, tmp_path: Path) -> None:
    masks, place = tmp_path / "masks", Tile(18, 4).transform(FINE_PIXEL_M)
    place = place @ Affine.translation(4 * FIRST_COLUMN, 4 * FIRST_ROW)
    request, out = Request("tsharp", water=masks), tmp_path / "map.tif"

    def write_mask(year: int, name: str, rows: slice) -> None:
        water = np.zeros((4 * SIZE, 4 * SIZE), dtype=np.uint8)
        water[rows] = 1
        dataset = GridDataset("water_mask", water, 250, (0, 1), None, "water mask", "n/a")
        path = masks / str(year) / str(GranuleName("MOD44W", datetime.date(year, 1, 1), Tile.parse(name)))
        write_granule(path, "MOD44W_250m_GRID", [dataset], place)

    def water_rows() -> list[int]:
        return np.flatnonzero((read_map(out).validity == WATER).any(axis=1)).tolist()

    write_mask(DAY.year, "h19v04", slice(0, 4))
    with pytest.raises(InputError, match="masks: holds no MOD44W granule of tile h18v04"):
        predict_granule(granules.lst, granules.reflectance, out, request)
    write_mask(DAY.year - 3, "h18v04", slice(40, 44))
    assert predict_granule(granules.lst, granules.reflectance, out, request).made
    assert water_rows() == [40, 41, 42, 43]
    assert not predict_granule(granules.lst, granules.reflectance, out, request).made
    write_mask(DAY.year - 1, "h18v04", slice(80, 82))
    assert predict_granule(granules.lst, granules.reflectance, out, request).made
    assert water_rows() == [80, 81] and f"A{DAY.year - 1}001" in read_map(out).tags["LSTSR_WATER_GRANULE"]
    assert any(
        f"A{DAY.year - 1}001" in name
        for name in plan_granule(granules.lst, granules.reflectance, request).granules
    )


@pytest.mark.parametrize("name", ["h18v04", "h12v04", "h30v11", "h12v11"])
def test_a_landmark_stays_where_it_is(tmp_path: Path, name: str) -> None:
    """A hot spot drawn at a longitude and latitude is there in the map, and in UTM."""
    tile = Tile.parse(name)
    fine = tile.transform(FINE_PIXEL_M) @ Affine.translation(4 * FIRST_COLUMN, 4 * FIRST_ROW)
    x, y = fine @ (150.0, 190.0)
    row, column = np.mgrid[: 4 * SIZE, : 4 * SIZE] + 0.5
    spot = np.exp(-0.5 * ((row - 190.0) ** 2 + (column - 150.0) ** 2) / 6.0**2)
    granules = write_granules(
        tmp_path, degrade(300.0 + 20.0 * spot), 0.6 + 0.01 * smooth(4 * SIZE, 1) - 0.5 * spot, name
    )
    predict_granule(granules.lst, granules.reflectance, tmp_path / "map.tif", Request("tsharp"))
    longitude, latitude = pyproj.Transformer.from_crs(
        f"+proj=sinu +R={SPHERE_RADIUS_M}", SPHERE, always_xy=True
    ).transform(x, y)  # fmt: skip

    def centre_of(values: FloatArray, transform: Affine) -> tuple[float, float]:
        excess = np.nan_to_num(np.where(values > 306.0, values - 306.0, 0.0))
        rows, columns = np.indices(values.shape) + 0.5
        place: tuple[float, float] = transform @ (
            (columns * excess).sum() / excess.sum(),
            (rows * excess).sum() / excess.sum(),
        )
        return place

    zone = int((longitude + 180.0) // 6.0) + 1
    utm = pyproj.CRS.from_epsg((32600 if latitude > 0.0 else 32700) + zone)
    with rasterio.open(tmp_path / "map.tif") as source:
        lst_k, transform = source.read(1), source.transform
        assert np.hypot(*np.subtract(centre_of(lst_k, transform), (x, y))) < 0.1 * FINE_PIXEL_M
        grid, columns, rows = rasterio.warp.calculate_default_transform(
            source.crs, utm.to_wkt(), source.width, source.height, *source.bounds
        )
        projected = np.full((rows, columns), np.nan, dtype=np.float32)
        rasterio.warp.reproject(
            rasterio.band(source, 1), projected, dst_transform=grid, dst_crs=utm.to_wkt(), dst_nodata=np.nan
        )
    expected = pyproj.Transformer.from_crs("EPSG:4326", utm, always_xy=True).transform(longitude, latitude)
    assert np.hypot(*np.subtract(centre_of(projected, grid), expected)) < 0.5 * FINE_PIXEL_M


# Outside the training's range


def test_what_no_training_has_seen_is_warned_of_and_flagged(tmp_path: Path, half_pixel_weights: Path) -> None:
    lst_k, ndvi = fields()
    lst_k[10:20, 10:20] = 345.0
    ndvi[200:300, 250:260] = -0.6
    granules = write_granules(tmp_path, lst_k, ndvi)
    summary = predict_granule(
        granules.lst,
        granules.reflectance,
        tmp_path / "map.tif",
        Request("sif-cnn-sr1", half_pixel_weights),
    )
    hot, wet = summary.warnings
    assert (
        "LST of 1.09% of the valid pixels is outside the 280.00 to 330.00 K" in hot and "to 345.00 K" in hot
    )
    assert "NDVI of 0.68% of the valid pixels is outside the -0.20 to 1.00" in wet
    expected = np.zeros((4 * SIZE, 4 * SIZE), dtype=np.bool_)
    expected[40:80, 40:80] = expected[200:300, 250:260] = True
    bands = read_map(tmp_path / "map.tif")
    np.testing.assert_array_equal(bands.validity == OUTSIDE_TRAINING, expected)
    assert np.isfinite(bands.lst_k).all()
    assert (
        predict_granule(
            granules.lst, granules.reflectance, tmp_path / "plain.tif", Request("tsharp")
        ).warnings
        == ()
    )


def test_weights_that_tell_no_range_are_told(
    granules: Granules, random_weights: Path, tmp_path: Path
) -> None:
    summary = predict_granule(
        granules.lst,
        granules.reflectance,
        tmp_path / "map.tif",
        Request("sif-cnn-sr1", random_weights),
    )
    assert len(summary.warnings) == 2 and all(
        "does not tell the range" in warning for warning in summary.warnings
    )


# Provenance, and again


def test_a_map_tells_what_it_was_made_from(
    granules: Granules, half_pixel_weights: Path, tmp_path: Path
) -> None:
    predict_granule(
        granules.lst,
        granules.reflectance,
        tmp_path / "map.tif",
        Request("sif-cnn-sr1", half_pixel_weights, seed=3),
    )
    tags = read_map(tmp_path / "map.tif").tags
    assert tags["LSTSR_LST_GRANULE"] == granules.lst.name and tags["LSTSR_REFLECTANCE_SHA256"] == sha256(
        granules.reflectance
    )
    assert tags["LSTSR_WEIGHTS_SHA256"] == sha256(half_pixel_weights / "sif-cnn-sr1.safetensors")
    assert tags["LSTSR_WEIGHTS_GIT_REVISION"] == "abc123" and tags["LSTSR_METHOD"] == "sif-cnn-sr1"
    assert json.loads(tags["LSTSR_PARAMETERS"]) == {"layer": "day", "seed": 3}
    assert str(tmp_path) not in " ".join(tags.values())


def test_a_map_by_a_method_of_ones_own_tells_its_file_and_is_made_again_when_that_changes(
    granules: Granules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "map.tif"
    for digest in ("12ab", "34cd"):
        monkeypatch.setitem(OWN_METHODS, "tsharp", digest)
        assert predict_granule(granules.lst, granules.reflectance, out, Request("tsharp")).made
        assert read_map(out).tags["LSTSR_METHOD_SHA256"] == digest
    assert not predict_granule(granules.lst, granules.reflectance, out, Request("tsharp")).made
    predict_granule(granules.lst, granules.reflectance, tmp_path / "other.tif", Request("bicubic"))
    assert "LSTSR_METHOD_SHA256" not in read_map(tmp_path / "other.tif").tags


def test_the_same_inputs_give_the_same_bytes_whatever_the_threads(
    granules: Granules, half_pixel_weights: Path, tmp_path: Path
) -> None:
    for name, threads in (("a", 1), ("b", 1), ("c", 2)):
        predict_granule(
            granules.lst,
            granules.reflectance,
            tmp_path / f"{name}.tif",
            Request("sif-cnn-sr1", half_pixel_weights, threads=threads),
        )
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()
    bands, expected = read_map(tmp_path / "c.tif"), read_map(tmp_path / "a.tif")
    np.testing.assert_allclose(bands.lst_k, expected.lst_k, atol=1e-3)


def test_a_map_that_is_there_is_left_as_it_is(
    granules: Granules, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, request = tmp_path / "map.tif", Request("tsharp")
    first = predict_granule(granules.lst, granules.reflectance, out, request)
    before, modified = out.read_bytes(), out.stat().st_mtime_ns
    again = predict_granule(granules.lst, granules.reflectance, out, replace(request, threads=2))
    assert again == replace(first, made=False) and out.stat().st_mtime_ns == modified
    out.write_bytes(before[: len(before) // 2])  # cut short, it is made again
    assert (
        predict_granule(granules.lst, granules.reflectance, out, request).made and out.read_bytes() == before
    )
    assert predict_granule(granules.lst, granules.reflectance, out, Request("bicubic")).made
    monkeypatch.setattr(prediction, "git_revision", lambda: "another")
    assert predict_granule(granules.lst, granules.reflectance, out, Request("bicubic")).made


def test_a_quicklook_is_drawn_beside_the_map_even_if_that_was_there(
    granules: Granules, tmp_path: Path
) -> None:
    predict_granule(granules.lst, granules.reflectance, tmp_path / "map.tif", Request("bicubic"))
    assert not (tmp_path / "map.png").exists()
    summary = predict_granule(
        granules.lst, granules.reflectance, tmp_path / "map.tif", Request("bicubic", quicklook=True)
    )
    assert not summary.made and (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_requests_travel_to_other_processes(half_pixel_weights: Path) -> None:
    request = Request("dms", half_pixel_weights, bounds=Extent(1.0, 2.0, 3.0, 4.0), quicklook=True)
    assert pickle.loads(pickle.dumps(request)) == request


# Refused


def refusal(granules: Granules, out: Path, request: Request) -> str:
    with pytest.raises(InputError) as caught:
        predict_granule(granules.lst, granules.reflectance, out, request)
    assert "\n" not in str(caught.value) and not out.exists()
    return str(caught.value)


def test_granules_of_different_tiles_or_days_are_refused(granules: Granules, tmp_path: Path) -> None:
    lst_k, ndvi = fields()
    elsewhere = write_granules(tmp_path, lst_k, ndvi, "h17v04")
    mixed = Granules(granules.lst, elsewhere.reflectance)
    assert "is of tile h17v04, and the LST" in refusal(mixed, tmp_path / "map.tif", Request("tsharp"))
    for days in (9, 17):
        other = write_granules(tmp_path, lst_k, ndvi, ndvi_day=DAY + datetime.timedelta(days=days))
        assert f"{days} days apart" in refusal(other, tmp_path / "map.tif", Request("tsharp"))
        if days == 17:
            assert "nearer" in refusal(
                other, tmp_path / "map.tif", Request("tsharp", allow_different_days=True)
            )
        else:
            request = Request("tsharp", allow_different_days=True)
            (warning,) = predict_granule(
                other.lst, other.reflectance, tmp_path / "allowed.tif", request
            ).warnings
            assert "9 days apart" in warning


def test_granules_that_do_not_share_their_ground_are_refused(tmp_path: Path) -> None:
    lst_k, ndvi = fields()
    granules = write_granules(tmp_path, lst_k, ndvi)
    transform = Tile(18, 4).transform(COARSE_PIXEL_M) @ Affine.translation(FIRST_COLUMN + 1, FIRST_ROW)
    write_lst_granule(granules.lst, Raster(lst_k, transform, SINUSOIDAL))
    assert "927 m away" in refusal(granules, tmp_path / "map.tif", Request("tsharp"))
    write_lst_granule(granules.lst, Raster(lst_k, Tile(3, 4).transform(COARSE_PIXEL_M), SINUSOIDAL))
    assert "reaches beyond tile h18v04" in refusal(granules, tmp_path / "map.tif", Request("tsharp"))


def test_an_area_without_a_valid_pixel_is_no_map(
    granules: Granules, half_pixel_weights: Path, tmp_path: Path
) -> None:
    grid = Tile(18, 4).transform(FINE_PIXEL_M) @ Affine.translation(4 * FIRST_COLUMN, 4 * FIRST_ROW)
    request = Request("tsharp", bounds=degrees_of(grid, slice(95, 110), slice(190, 205)))
    assert "no pixel of the area is valid (cloud or fill in the LST: 100%)" in refusal(
        granules, tmp_path / "map.tif", request
    )
    cloudy = write_granules(tmp_path, np.full((SIZE, SIZE), np.nan), fields()[1])
    for method in METHODS:
        with pytest.raises(NoResult):
            predict_granule(
                cloudy.lst, cloudy.reflectance, tmp_path / "map.tif", Request(method, half_pixel_weights)
            )


def test_what_is_odd_about_a_granule_is_a_warning_of_its_map(granules: Granules, tmp_path: Path) -> None:
    odd = tmp_path / granules.lst.name.replace(".061.", ".005.")
    shutil.copyfile(granules.lst, odd)
    summary = predict_granule(odd, granules.reflectance, tmp_path / "map.tif", Request("bicubic"))
    message = f"{odd.name}: of collection 005; this reader was made for 006 and 061."
    assert message in summary.warnings
    assert message in json.loads(read_map(tmp_path / "map.tif").tags["LSTSR_SUMMARY"])["warnings"]


def test_wrong_requests_are_refused(granules: Granules, tmp_path: Path) -> None:
    for values, message in [
        ({"method": "magic"}, "unknown method 'magic'"),
        ({"bounds": Extent(0.0, 0.0, 1.0, 1.0), "shape": tmp_path}, "exclude each other"),
        ({"threads": 0}, "threads is 0; expected 1 to 256"),
        ({"threads": 100_000}, "threads is 100000"),
        ({"weights": tmp_path / "absent"}, "no such directory"),
    ]:
        with pytest.raises(InputError, match=message):
            Request(**values)
    assert "holds no weights for it" in refusal(
        granules, tmp_path / "map.tif", Request("sif-cnn-sr1", tmp_path)
    )
    absent = Granules(
        granules.lst,
        granules.reflectance.with_name(granules.reflectance.name.replace("061.2020", "061.2021")),
    )
    assert "cannot be read" in refusal(absent, tmp_path / "map.tif", Request("tsharp"))
    missing = GranuleName("MOD44W", DAY, Tile(18, 4))
    assert "cannot be read" in refusal(
        granules, tmp_path / "map.tif", Request("tsharp", water=tmp_path / str(missing))
    )


def test_a_disk_that_fills_up_leaves_no_map(
    granules: Granules, tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    with full_disk(5_000):
        assert "cannot be written" in refusal(granules, tmp_path / "map.tif", Request("bicubic"))
    assert list(tmp_path.iterdir()) == []


# Terra and Aqua, collections, products, tiles


def renamed(granules: Granules, directory: Path, lst: GranuleName, reflectance: GranuleName) -> Granules:
    """The same content under other names."""
    files = Granules(directory / str(lst), directory / str(reflectance))
    shutil.copy(granules.lst, files.lst)
    shutil.copy(granules.reflectance, files.reflectance)
    return files


@pytest.mark.parametrize("lst", ["MOD", "MYD"])
@pytest.mark.parametrize("reflectance", ["MOD", "MYD"])
@pytest.mark.parametrize("collection", ["006", "061"])
def test_a_map_tells_platforms_and_collections(
    granules: Granules, tmp_path: Path, lst: str, reflectance: str, collection: str
) -> None:
    tile = Tile(18, 4)
    names = GranuleName(f"{lst}21A1D", DAY, tile), GranuleName(f"{reflectance}09GQ", DAY, tile, collection)
    mixed = renamed(granules, tmp_path, *names)
    summary = predict_granule(mixed.lst, mixed.reflectance, tmp_path / "map.tif", Request("bicubic"))
    assert sum("reflectance of" in warning for warning in summary.warnings) == (lst != reflectance) + (
        collection == "006"
    )
    assert all(name.platform in " ".join(summary.warnings) for name in names if lst != reflectance)
    tags = read_map(tmp_path / "map.tif").tags
    for role, name in zip(("LST", "REFLECTANCE"), names, strict=True):
        assert (tags[f"LSTSR_{role}_PLATFORM"], tags[f"LSTSR_{role}_COLLECTION"]) == (
            name.platform,
            name.collection,
        )
    assert json.loads(tags["LSTSR_SUMMARY"])["warnings"] == list(summary.warnings)


@pytest.mark.parametrize(
    ("product", "layer", "message"),
    [("MOD21A1D", "day", None), ("MYD11A1", "day", "Aqua by day"), ("MOD21A1N", "night", "Terra by night"),
     ("MYD21A1N", "night", "Aqua by night")],
)  # fmt: skip
def test_what_the_packages_weights_have_not_seen_is_told(
    product: str, layer: Layer, message: str | None
) -> None:
    tile = Tile(18, 4)
    paths = [Path(str(GranuleName(name, DAY, tile))) for name in (product, f"{product[:3]}09GQ")]
    warnings = check_names(paths[0], paths[1], Request(layer=layer))
    assert len(warnings) == (message is not None) and (message or "") in "".join(warnings)
    assert check_names(paths[0], paths[1], Request("bicubic", layer=layer)) == ()


def test_a_users_own_weights_may_have_seen_anything(half_pixel_weights: Path) -> None:
    paths = [Path(str(GranuleName(name, DAY, Tile(18, 4)))) for name in ("MYD21A1D", "MYD09GQ")]
    assert check_names(paths[0], paths[1], Request("sif-cnn-sr1", half_pixel_weights)) == ()


LST_NAME, REFLECTANCE_NAME, WATER_NAME = (
    f"{product}.A2018200.h18v04.061.2020001000000.hdf" for product in ("MOD21A1D", "MOD09GQ", "MOD44W")
)


@pytest.mark.parametrize(
    ("lst", "reflectance", "water", "layer", "message"),
    [
        (
            REFLECTANCE_NAME,
            LST_NAME,
            None,
            "day",
            f"{REFLECTANCE_NAME}: is a MOD09GQ granule, and --lst takes MOD21A1D, MYD21A1D",
        ),
        (
            LST_NAME,
            LST_NAME,
            None,
            "day",
            f"{LST_NAME}: is a MOD21A1D granule, and --reflectance takes MOD09GQ, MYD09GQ",
        ),
        (
            LST_NAME,
            LST_NAME.replace("MOD21A1D", "MOD09GA"),
            None,
            "day",
            "is a MOD09GA granule, and --reflectance takes MOD09GQ, MYD09GQ",
        ),
        (
            LST_NAME,
            REFLECTANCE_NAME,
            REFLECTANCE_NAME,
            "day",
            f"{REFLECTANCE_NAME}: is a MOD09GQ granule, and a water mask takes MOD44W",
        ),
        (
            LST_NAME.replace("1D", "1N"),
            REFLECTANCE_NAME,
            None,
            "day",
            "a MOD21A1N granule holds no day LST; add --layer night",
        ),
        (
            LST_NAME.replace("MOD21A1D", "MYD21A1N"),
            REFLECTANCE_NAME,
            None,
            "day",
            "a MYD21A1N granule holds no day LST; add --layer night",
        ),
        (
            LST_NAME,
            REFLECTANCE_NAME,
            None,
            "night",
            "a MOD21A1D granule holds no night LST; leave --layer night out",
        ),
        (
            LST_NAME,
            REFLECTANCE_NAME.replace("h18", "h19"),
            None,
            "day",
            f"is of tile h19v04, and the LST ({LST_NAME}) is of tile h18v04",
        ),
        (
            LST_NAME,
            REFLECTANCE_NAME,
            WATER_NAME.replace("h18", "h19"),
            "day",
            "is the water mask of tile h19v04, and the LST is of h18v04",
        ),
        ("MOD21A1D*.hdf", REFLECTANCE_NAME, None, "day", "MOD21A1D*.hdf: no file matches this pattern"),
        (
            LST_NAME,
            "MOD09GQ.A201820[01].hdf",
            None,
            "day",
            "MOD09GQ.A201820[01].hdf: no file matches this pattern",
        ),
        (LST_NAME, REFLECTANCE_NAME, "MOD44W.?.hdf", "day", "MOD44W.?.hdf: no file matches this pattern"),
    ],
)
def test_names_that_are_wrong_are_refused_for_what_is_wrong(
    lst: str, reflectance: str, water: str | None, layer: Layer, message: str, tmp_path: Path
) -> None:
    """Before anything is read: there are no such files."""
    with pytest.raises(InputError) as caught:
        predict_granule(
            Path(lst),
            Path(reflectance),
            tmp_path / "m.tif",
            Request("bicubic", layer=layer, water=water and Path(water)),
        )
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_an_input_is_not_replaced(granules: Granules, tmp_path: Path) -> None:
    before = granules.lst.read_bytes()
    link = tmp_path / "map.tif"
    link.symlink_to(granules.lst)
    for out in (granules.lst, link):
        with pytest.raises(InputError, match="is the input"):
            predict_granule(granules.lst, granules.reflectance, out, Request("bicubic"))
    with pytest.raises(InputError, match="the quicklook's own name"):
        predict_granule(
            granules.lst, granules.reflectance, tmp_path / "map.png", Request("bicubic", quicklook=True)
        )
    assert granules.lst.read_bytes() == before and link.is_symlink()


def test_an_area_beyond_the_granule_is_mapped_where_it_can_be(granules: Granules, tmp_path: Path) -> None:
    grid = Tile(18, 4).transform(FINE_PIXEL_M) @ Affine.translation(4 * FIRST_COLUMN, 4 * FIRST_ROW)
    inner = degrees_of(grid, slice(100, 200), slice(100, 200))
    outer = Extent(inner.west, inner.south, inner.east, inner.north + 40 * (inner.north - inner.south))
    summary = predict_granule(
        granules.lst, granules.reflectance, tmp_path / "map.tif", Request("bicubic", bounds=outer)
    )
    (warning,) = summary.warnings
    assert re.fullmatch(
        r"9\d\.\d% of the box of bounds lies outside the granule, and is not on the map", warning
    )
    assert summary.rows > 190 and plan_granule(
        granules.lst, granules.reflectance, Request(bounds=outer)
    ).warnings == (warning,)
    assert (
        predict_granule(
            granules.lst, granules.reflectance, tmp_path / "in.tif", Request("bicubic", bounds=inner)
        ).warnings
        == ()
    )


def test_a_field_smaller_than_a_pixel_is_the_pixel_it_lies_in(granules: Granules, tmp_path: Path) -> None:
    grid = Tile(18, 4).transform(FINE_PIXEL_M) @ Affine.translation(4 * FIRST_COLUMN, 4 * FIRST_ROW)
    to_degrees = pyproj.Transformer.from_crs(f"+proj=sinu +R={SPHERE_RADIUS_M}", SPHERE, always_xy=True)
    corners = [(130.1, 150.1), (130.3, 150.1), (130.2, 150.3), (130.1, 150.1)]
    ring = [to_degrees.transform(*(grid @ (column, row))) for column, row in corners]
    path = tmp_path / "field.geojson"
    path.write_text(json.dumps({"type": "Polygon", "coordinates": [ring]}))
    summary = predict_granule(
        granules.lst, granules.reflectance, tmp_path / "map.tif", Request("bicubic", shape=path)
    )
    (warning,) = summary.warnings
    assert (
        warning
        == f"{path}: a polygon holds no centre of a 250 m pixel (5.4 ha), and the pixels it touches are"
        " mapped"
    )
    bands = read_map(tmp_path / "map.tif")
    ((row, column),) = np.argwhere(np.isfinite(bands.lst_k))
    assert np.allclose(~grid @ (bands.transform @ (column + 0.5, row + 0.5)), (130.5, 150.5))


def test_a_granule_of_fill_alone_is_named(tmp_path: Path) -> None:
    empty = write_granules(tmp_path, np.full((SIZE, SIZE), np.nan), fields()[1])
    for call in (
        lambda: predict_granule(empty.lst, empty.reflectance, tmp_path / "map.tif", Request("bicubic")),
        lambda: plan_granule(empty.lst, empty.reflectance, Request("bicubic")),
    ):
        with pytest.raises(NoResult, match=f"{empty.lst}: no pixel of the area is valid"):
            call()


@pytest.mark.parametrize("name", ["h35v10", "h00v08", "h17v00"])
def test_a_map_at_the_earths_edge_has_its_picture(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Corners of the granule lie beyond the outline of the Earth."""
    monkeypatch.setitem(globals(), "FIRST_ROW", 0 if name == "h35v10" else 900)
    monkeypatch.setitem(
        globals(), "FIRST_COLUMN", 822 if name == "h35v10" else 0 if name == "h00v08" else 1100
    )
    edge = write_granules(tmp_path, *fields(), name)
    summary = predict_granule(
        edge.lst, edge.reflectance, tmp_path / "map.tif", Request("bicubic", quicklook=True)
    )
    assert summary.made and (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")
