"""Rasters: geometry against pyproj, files against rasterio, and writes that fail without harm."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyproj
import pytest
import rasterio
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from rasterio.crs import CRS

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import check_writable, written_atomically
from lstsr_core.geo.grid import FINE_PIXEL_M, SINUSOIDAL, SPHERE_RADIUS_M
from lstsr_core.geo.raster import Raster, fill_nearest, read_raster, warp_onto, write_raster

FullDisk = Callable[[int], AbstractContextManager[None]]

UTM_31N = CRS.from_epsg(32631)
RANDOM = np.random.default_rng(30)
FINE_TRANSFORM = Affine(FINE_PIXEL_M, 0.0, 297000.0, 0.0, -FINE_PIXEL_M, 5090000.0)


def sinusoidal_raster(values: np.ndarray) -> Raster:
    return Raster(values, FINE_TRANSFORM, SINUSOIDAL)


def pixel_centres(raster: Raster) -> tuple[np.ndarray, np.ndarray]:
    row, column = np.mgrid[: raster.rows, : raster.columns] + 0.5
    return raster.left_m + column * raster.transform.a, raster.top_m + row * raster.transform.e


def test_bounds_follow_from_the_transform() -> None:
    raster = sinusoidal_raster(np.zeros((3, 5)))
    right_m, bottom_m = FINE_TRANSFORM @ (5, 3)
    assert (raster.rows, raster.columns, raster.pixel_width_m) == (3, 5, FINE_PIXEL_M)
    assert (raster.left_m, raster.top_m, raster.right_m, raster.bottom_m) == pytest.approx(
        (297000.0, 5090000.0, right_m, bottom_m)
    )


@pytest.mark.parametrize("shape", [(4,), (1, 4, 4)])
def test_values_of_other_dimensions_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"two dimensions \(rows, columns\)") as caught:
        sinusoidal_raster(np.zeros(shape))
    assert str(shape) in str(caught.value)


def test_other_pixels_must_have_the_grids_shape() -> None:
    with pytest.raises(InputError, match=r"\(3, 5\).*\(5, 3\)"):
        sinusoidal_raster(np.zeros((3, 5))).with_values(np.zeros((5, 3)))


@given(st.data())
def test_cropped_pixels_stay_where_they_were(data: st.DataObject) -> None:
    raster = sinusoidal_raster(np.arange(63.0).reshape(7, 9))
    x, y = pixel_centres(raster)
    top, left = data.draw(st.integers(0, 6)), data.draw(st.integers(0, 8))
    rows = slice(top, data.draw(st.integers(top + 1, 7)))
    columns = slice(left, data.draw(st.integers(left + 1, 9)))
    cropped = raster.crop(rows, columns)
    cropped_x, cropped_y = pixel_centres(cropped)
    np.testing.assert_array_equal(cropped.values, raster.values[rows, columns])
    np.testing.assert_allclose(cropped_x, x[rows, columns])
    np.testing.assert_allclose(cropped_y, y[rows, columns])


def test_warp_onto_the_same_grid_changes_nothing() -> None:
    raster = sinusoidal_raster(RANDOM.normal(300.0, 5.0, (20, 30)))
    np.testing.assert_allclose(raster.warp_onto(raster).values, raster.values, atol=1e-9)


def test_warp_samples_where_pyproj_says() -> None:
    """Images of x and y show where each warped pixel was sampled: bilinear keeps a ramp exact."""
    source = sinusoidal_raster(np.zeros((120, 120)))
    to_source = pyproj.Transformer.from_crs(
        pyproj.CRS.from_epsg(32631), pyproj.CRS.from_wkt(SINUSOIDAL.to_wkt()), always_xy=True
    )
    centre = to_source.transform(
        source.left_m + 60 * FINE_PIXEL_M, source.top_m - 60 * FINE_PIXEL_M, direction="INVERSE"
    )
    half_m = 40 * 231.65
    grid = Raster(
        np.zeros((80, 80)), Affine(231.65, 0.0, centre[0] - half_m, 0.0, -231.65, centre[1] + half_m), UTM_31N
    )
    expected_x, expected_y = to_source.transform(*pixel_centres(grid))
    x, y = pixel_centres(source)
    # GDAL's approximate transformer may be an eighth of a pixel off.
    np.testing.assert_allclose(
        source.with_values(x).warp_onto(grid).values, expected_x, rtol=0, atol=0.13 * FINE_PIXEL_M
    )
    np.testing.assert_allclose(
        source.with_values(y).warp_onto(grid).values, expected_y, rtol=0, atol=0.13 * FINE_PIXEL_M
    )


def test_warp_gives_nan_outside_and_over_nan() -> None:
    values = np.full((20, 20), 300.0)
    values[5:9, 5:9] = np.nan
    source = sinusoidal_raster(values)
    wider = Raster(np.zeros((24, 24)), FINE_TRANSFORM @ Affine.translation(-2, -2), SINUSOIDAL)
    expected = np.full((24, 24), np.nan)
    expected[2:22, 2:22] = values
    np.testing.assert_allclose(source.warp_onto(wider).values, expected)


def test_rasters_warped_together_are_those_warped_alone() -> None:
    first, second, holed = RANDOM.normal(300.0, 5.0, (3, 20, 30))
    holed[4:7, 8] = np.nan
    shifted = Raster(np.zeros((24, 24)), FINE_TRANSFORM @ Affine.translation(-1.5, -2.25), SINUSOIDAL)
    rasters = [sinusoidal_raster(values) for values in (first, second, holed)]
    warped = warp_onto(rasters, shifted)
    for raster, together in zip(rasters, warped, strict=True):
        alone = raster.warp_onto(shifted).values
        valid = np.isfinite(together.values)
        np.testing.assert_array_equal(together.values[valid], alone[valid])
        assert (together.transform, together.crs) == (shifted.transform, shifted.crs)
    # A gap is of its own band alone, and lies where one of four neighbours has one.
    for row in range(4, 20):
        for column in range(4, 24):
            neighbours = np.s_[row - 3 : row - 1, column - 2 : column]
            gaps = [np.isnan(together.values[row, column]) for together in warped]
            assert gaps == [False, False, bool(np.isnan(holed[neighbours]).any())]


@pytest.mark.parametrize("other", ["transform", "crs"])
def test_rasters_of_different_grids_are_not_warped_together(other: str) -> None:
    raster = sinusoidal_raster(np.zeros((4, 4)))
    change = (
        {"transform": FINE_TRANSFORM @ Affine.translation(1, 0)} if other == "transform" else {"crs": UTM_31N}
    )
    with pytest.raises(ValueError, match="different grids"):
        warp_onto([raster, replace(raster, **change)], raster)


@given(
    arrays(
        np.float64,
        array_shapes(min_dims=2, max_dims=2, max_side=8),
        elements=st.sampled_from([np.nan, 1.0, 2.0, 3.0]),
    )
)
def test_gaps_are_filled_from_a_pixel_that_is_nearest(values: np.ndarray) -> None:
    places = np.argwhere(~np.isnan(values))
    if not len(places):
        with pytest.raises(ValueError, match=f"All of the {values.size} values are NaN"):
            fill_nearest(values)
        return
    before, filled = values.copy(), fill_nearest(values)
    np.testing.assert_array_equal(values, before)
    for at in np.ndindex(values.shape):
        squared = ((places - at) ** 2).sum(axis=1)
        assert filled[at] in values[tuple(places[squared == squared.min()].T)]


def test_files_round_trip(tmp_path: Path) -> None:
    values = RANDOM.normal(300.0, 5.0, (20, 30))
    values[3, 4] = np.nan
    write_raster(sinusoidal_raster(values), tmp_path / "lst.tif", {"method": "bicubic"})
    again = read_raster(tmp_path / "lst.tif")
    np.testing.assert_array_equal(again.values, values.astype(np.float32))
    assert again.transform == FINE_TRANSFORM
    assert float(again.crs.to_dict()["R"]) == SPHERE_RADIUS_M
    with rasterio.open(tmp_path / "lst.tif") as stored:
        assert np.isnan(stored.nodata)
        assert stored.tags()["method"] == "bicubic"


def write_plain_geotiff(
    path: Path, stored: np.ndarray, nodata: float | None, crs: CRS | None = SINUSOIDAL
) -> None:
    with rasterio.open(
        path, "w", driver="GTiff", height=stored.shape[0], width=stored.shape[1], count=1, dtype=stored.dtype,
        nodata=nodata, crs=crs, transform=FINE_TRANSFORM if crs else None,
    ) as target:  # fmt: skip
        target.write(stored, 1)


def test_stored_numbers_are_scaled_and_fill_becomes_nan(tmp_path: Path) -> None:
    write_plain_geotiff(
        tmp_path / "dn.tif", np.array([[15000, 0], [65535, 14000]], dtype=np.uint16), nodata=65535
    )
    values = read_raster(tmp_path / "dn.tif", scale=0.02, fill=0).values
    np.testing.assert_allclose(values, [[300.0, np.nan], [np.nan, 280.0]])


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.tif: no such file"):
        read_raster(tmp_path / "nowhere.tif")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.98])
def test_a_truncated_geotiff_is_named(tmp_path: Path, share: float) -> None:
    path = tmp_path / "cut.tif"
    write_raster(sinusoidal_raster(RANDOM.normal(300.0, 5.0, (100, 100))), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(InputError, match=r"cut\.tif: not a readable GeoTIFF, perhaps truncated") as caught:
        read_raster(path)
    assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_tiff_without_georeferencing_is_refused(tmp_path: Path) -> None:
    write_plain_geotiff(tmp_path / "plain.tif", np.ones((4, 4), dtype=np.float32), nodata=None, crs=None)
    with pytest.raises(InputError, match=r"plain\.tif: has no CRS or no transform"):
        read_raster(tmp_path / "plain.tif")


def test_a_file_without_any_valid_pixel_is_refused(tmp_path: Path) -> None:
    write_plain_geotiff(tmp_path / "empty.tif", np.zeros((4, 4), dtype=np.uint16), nodata=None)
    with pytest.raises(InputError, match=r"empty\.tif: holds no valid pixel"):
        read_raster(tmp_path / "empty.tif", fill=0)


def test_a_block_that_succeeds_replaces_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "table.csv"
    with written_atomically(path) as temporary:
        assert temporary.suffix == ".csv"
        assert temporary.parent == path.parent
        temporary.write_text("new")
        assert not path.exists()
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_reader_of_the_old_file_is_not_disturbed(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    with path.open() as reader:
        with written_atomically(path) as temporary:
            temporary.write_text("new")
        assert reader.read() == "old"


@pytest.mark.parametrize(
    "failure",
    [RuntimeError("stop"), KeyboardInterrupt(), OSError(28, "No space left on device"), InputError("bad")],
)
def test_a_block_that_raises_leaves_the_old_file(tmp_path: Path, failure: BaseException) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old")
    # A failing disk is the one failure that is reported in the project's own words.
    raised = InputError if isinstance(failure, OSError) else type(failure)
    with pytest.raises(raised) as caught, written_atomically(path) as temporary:
        temporary.write_text("half of the n")
        raise failure
    if isinstance(failure, OSError):
        assert "table.csv: cannot be written (No space left on device)" in str(caught.value)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_directory_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(InputError, match=r"results.lst\.tif: cannot be written"):
        write_raster(sinusoidal_raster(np.full((4, 4), 300.0)), tmp_path / "results" / "lst.tif")
    assert (tmp_path / "results").read_text() == "a file"


def test_a_place_that_can_be_written_to_is_left_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    check_writable(path)
    assert list(tmp_path.iterdir()) == []
    path.write_text("old")
    check_writable(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_to_is_told_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(InputError, match=r"results.*cannot be written"):
        check_writable(tmp_path / "results" / "table.csv")
    assert (tmp_path / "results").read_text() == "a file"


@pytest.mark.parametrize("missing_bytes", [1, 200, 20_000, None])
def test_a_disk_that_fills_up_leaves_the_old_raster(
    tmp_path: Path, full_disk: FullDisk, missing_bytes: int | None
) -> None:
    path = tmp_path / "lst.tif"
    old, new = (sinusoidal_raster(RANDOM.normal(300.0, 5.0, (100, 100))) for _ in range(2))
    write_raster(new, path)
    size = 0 if missing_bytes is None else path.stat().st_size - missing_bytes
    write_raster(old, path)
    before = path.read_bytes()
    with full_disk(size), pytest.raises(InputError, match=r"lst\.tif: cannot be written"):
        write_raster(new, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
