"""Maps of GeoTIFFs that GDAL wrote of a real MOD11A1, against those of the granule itself."""

from __future__ import annotations

import datetime
import shlex
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
import rasterio.transform
from numpy.typing import NDArray

from lstsr_core import cli
from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.geo.raster import Raster
from lstsr_core.geo.shorelines import Extent
from lstsr_core.maps.area import to_degrees
from lstsr_core.maps.predict import predict_granule
from lstsr_core.maps.request import Request
from lstsr_core.modis.geotiff import Encoding
from lstsr_core.modis.granule import read_lst
from lstsr_core.modis.names import GranuleName
from lstsr_core.simulation.granule_writer import write_composite_granule
from worlds.granules import smooth

pytestmark = pytest.mark.skipif(
    shutil.which("gdal_translate") is None, reason="gdal_translate (Debian's gdal-bin) is not installed"
)

TILE = Tile.parse("h11v05")
ROWS, COLUMNS = slice(330, 430), slice(1010, 1090)
"""An area in 1 km pixels. `CUT` holds its box in degrees with the margin that maps of an area have."""
CUT = (781, 215, 419, 330)
"""Offsets and sizes (x, y) of the cut in 1 km pixels."""
REQUEST = Request("tsharp")


def gdal(*words: str | Path) -> None:
    subprocess.run([*map(str, words)], check=True, capture_output=True, text=True)


@dataclass(frozen=True)
class Sources:
    """The real LST with an NDVI of its 16 days, as granules and as GDAL translates them; where LST is."""

    lst: Path
    ndvi: Path
    lst_tif: Path
    qc_tif: Path
    ndvi_tif: Path
    bounds: Extent


@pytest.fixture(scope="module")
def sources(real_granules: Path, tmp_path_factory: pytest.TempPathFactory) -> Sources:
    directory = tmp_path_factory.mktemp("geotiffs")
    lst = next(real_granules.glob("MOD11A1.*.hdf"))
    ndvi = directory / str(GranuleName("MOD13Q1", datetime.date(2021, 8, 13), TILE))
    values = np.clip(0.5 + 0.15 * smooth(4800, 1), -0.2, 1.0)
    values[smooth(4800, 2, 8.0) > 2.0] = np.nan
    raster = Raster(values, TILE.transform(FINE_PIXEL_M), SINUSOIDAL)
    write_composite_granule(ndvi, raster, name=GranuleName.parse(ndvi.name))
    paths = [directory / name for name in ("lst.tif", "qc.tif", "ndvi.tif")]
    grids = ("MODIS_Grid_Daily_1km_LST:LST_Day_1km", "MODIS_Grid_Daily_1km_LST:QC_Day",
             "MODIS_Grid_16DAY_250m_500m_VI:250m 16 days NDVI")  # fmt: skip
    for source, grid, path in zip((lst, lst, ndvi), grids, paths, strict=True):
        gdal("gdal_translate", "-q", f'HDF4_EOS:EOS_GRID:"{source}":{grid}', path)
    place = TILE.transform(COARSE_PIXEL_M)
    corners = [place @ corner for corner in ((COLUMNS.start, ROWS.start), (COLUMNS.stop, ROWS.stop))]
    x, y = (np.array(axis) for axis in zip(*corners, strict=True))
    (west, east), (north, south) = to_degrees(x[[0, 1]], y[[0, 1]])
    assert np.isfinite(read_lst(lst).values[ROWS, COLUMNS]).mean() > 0.05
    return Sources(lst, ndvi, *paths, Extent(west, south, east, north))


def read(path: Path) -> tuple[NDArray[np.float32], rasterio.Affine, dict[str, str]]:
    with rasterio.open(path) as source:
        return source.read([1, 2, 3]), source.transform, source.tags()


def same(one: Path, other: Path) -> None:
    """Both maps hold the same pixels at the same place, to 1e-4 K."""
    (ours, place, _), (theirs, expected, _) = read(one), read(other)
    np.testing.assert_allclose(place, expected, rtol=0, atol=1e-3)
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4)
    assert np.isfinite(ours[0]).sum() > 1000


def rewritten(source: Path, path: Path, numbers: NDArray[np.generic], **profile: object) -> Path:
    """Other numbers on the grid of a GeoTIFF, without its tags."""
    with rasterio.open(source) as grid:
        layout = {"transform": grid.transform, "crs": grid.crs, "driver": "GTiff", "count": 1, **profile}
    with rasterio.open(
        path, "w", dtype=numbers.dtype, height=numbers.shape[0], width=numbers.shape[1], **layout
    ) as target:
        target.write(numbers, 1)
    return path


def numbers_of(path: Path) -> NDArray[np.uint16]:
    with rasterio.open(path) as source:
        return np.asarray(source.read(1))


def bare(sources: Sources, path: Path) -> Path:
    return rewritten(sources.lst_tif, path, numbers_of(sources.lst_tif))


def kelvin_with_nan(sources: Sources, path: Path) -> Path:
    numbers = numbers_of(sources.lst_tif)
    return rewritten(
        sources.lst_tif, path, np.where(numbers, numbers * 0.02, np.nan).astype(np.float32), nodata=np.nan
    )


def kelvin_by_gdal(sources: Sources, path: Path) -> Path:
    scale = ["-ot", "Float32", "-scale", "0", "65535", "0", "1310.7", "-a_nodata", "0"]
    gdal("gdal_translate", "-q", *scale, sources.lst_tif, path)
    return path


def tagged(sources: Sources, path: Path) -> Path:
    """As AppEEARS has it: numbers, with scale and fill in the file."""
    rewritten(sources.lst_tif, path, numbers_of(sources.lst_tif), nodata=0)
    with rasterio.open(path, "r+") as target:
        target.scales = (0.02,)
        target.update_tags(scale_factor="0.02", add_offset="0", _FillValue="0", units="K")
    return path


FORMS: list[Callable[[Sources, Path], Path]] = [bare, kelvin_with_nan, kelvin_by_gdal, tagged]


@pytest.fixture(scope="module")
def area_map(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The area's map of the granules."""
    out = tmp_path_factory.mktemp("area") / "map.tif"
    predict_granule(sources.lst, sources.ndvi, out, replace(REQUEST, bounds=sources.bounds))
    return out


def test_a_whole_tile_of_numbers_gives_the_granules_map(sources: Sources, tmp_path: Path) -> None:
    predict_granule(sources.lst, sources.ndvi, tmp_path / "hdf.tif", REQUEST)
    summary = predict_granule(sources.lst_tif, sources.ndvi_tif, tmp_path / "tif.tif", REQUEST)
    same(tmp_path / "tif.tif", tmp_path / "hdf.tif")
    told = "\n".join(summary.warnings)
    assert (
        "lst.tif: LST taken as numbers × 0.02" in told and "ndvi.tif: NDVI taken as numbers × 0.0001" in told
    )
    assert "without --lst-qc the quality of its pixels is not checked" in told
    tags = read(tmp_path / "tif.tif")[2]
    assert tags["LSTSR_LST_GRANULE"] == "lst.tif" and tags["LSTSR_LST_PLATFORM"] == "Terra"
    assert tags["LSTSR_NDVI"] == "MOD13Q1 of the 16 days from 2021-08-13 to 2021-08-28"


@pytest.mark.parametrize("form", FORMS)
def test_each_form_of_numbers_gives_the_granules_map(
    sources: Sources, area_map: Path, tmp_path: Path, form: Callable[[Sources, Path], Path]
) -> None:
    request = replace(REQUEST, bounds=sources.bounds, lst_qc=sources.qc_tif)
    lst = form(sources, tmp_path / "MOD11A1.061_LST_Day_1km_doy2021227_aid0001.tif")
    summary = predict_granule(lst, sources.ndvi, tmp_path / "map.tif", request)
    same(tmp_path / "map.tif", area_map)
    assert not any("quality" in warning for warning in summary.warnings)


@pytest.mark.parametrize("method", ["tsharp", "bicubic", "dms-local", "sc-unet"])
def test_cuts_with_other_corners_give_the_granules_map(sources: Sources, tmp_path: Path, method: str) -> None:
    """The NDVI's corner lies elsewhere, within a 1 km pixel."""
    request = Request(method, bounds=sources.bounds)
    predict_granule(sources.lst, sources.ndvi, tmp_path / "hdf.tif", request)
    left, top, columns, rows = CUT
    gdal("gdal_translate", "-q", "-srcwin", left, top, columns, rows, sources.lst_tif, tmp_path / "lst.tif")
    window = (4 * left - 5, 4 * top - 3, 4 * columns + 11, 4 * rows + 6)
    gdal("gdal_translate", "-q", "-srcwin", *map(str, window), sources.ndvi_tif, tmp_path / "ndvi.tif")
    predict_granule(tmp_path / "lst.tif", tmp_path / "ndvi.tif", tmp_path / "map.tif", request)
    same(tmp_path / "map.tif", tmp_path / "hdf.tif")


def test_without_bounds_the_common_ground_is_mapped(sources: Sources, tmp_path: Path) -> None:
    """Away from the borders a network's map is that of the whole tile, although the cut begins anywhere."""
    request = Request("sc-unet", bounds=sources.bounds)
    predict_granule(sources.lst, sources.ndvi, tmp_path / "hdf.tif", request)
    lst, ndvi = tmp_path / "lst.tif", tmp_path / "ndvi.tif"
    gdal("gdal_translate", "-q", "-srcwin", "821", "231", "360", "280", sources.lst_tif, lst)
    gdal("gdal_translate", "-q", "-srcwin", "3287", "927", "1399", "1078", sources.ndvi_tif, ndvi)
    summary = predict_granule(lst, ndvi, tmp_path / "map.tif", Request("sc-unet"))
    # The NDVI begins within the 1 km pixels 821 and 231, and ends within 1171 and 501.
    assert (summary.rows, summary.columns) == (4 * (501 - 232), 4 * (1171 - 822))
    assert any("covers 269×349 of the 280×360 pixels" in warning for warning in summary.warnings)
    (part, place, _), (whole, corner, _) = read(tmp_path / "map.tif"), read(tmp_path / "hdf.tif")
    column, row = (round(index) for index in ~place @ (corner.c, corner.f))
    ours = part[0, row : row + whole.shape[1], column : column + whole.shape[2]]
    np.testing.assert_allclose(ours, whole[0], rtol=0, atol=1e-4)


# What is refused, and the way out


def test_the_wrong_projection_is_refused_with_a_command_that_works(
    sources: Sources, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    degrees, out = tmp_path / "degrees.tif", tmp_path / "map.tif"
    gdal("gdalwarp", "-q", "-t_srs", "EPSG:4326", "-r", "near", sources.lst_tif, degrees)
    words = ["predict", "--ndvi", str(sources.ndvi), "--method", "bicubic", "--out", str(out), "--lst"]
    assert cli.main([*words, str(degrees)]) == 1
    line = capsys.readouterr().err
    assert line.count("\n") == 1 and "is in degrees (WGS 84)" in line and "Native Projection" in line
    assert not out.exists()
    command = line.partition("gdalwarp ")[2].partition(", which")[0]
    subprocess.run(["gdalwarp", "-q", *shlex.split(command)], check=True, cwd=tmp_path, capture_output=True)
    warped = tmp_path / "degrees_sinusoidal.tif"
    assert cli.main([*words, str(warped)]) == 0
    (ours, place, _) = read(out)
    lst = read_lst(sources.lst).values
    column, row = (round(index / 4) for index in ~TILE.transform(FINE_PIXEL_M) @ (place.c, place.f))
    rows, columns = ours.shape[1] // 4, ours.shape[2] // 4
    expected = lst[row : row + rows, column : column + columns]
    means = ours[0].reshape(rows, 4, columns, 4).mean(axis=(1, 3))
    both = np.isfinite(means) & np.isfinite(expected)
    assert both.sum() > 30000 and np.corrcoef(means[both], expected[both])[0, 1] > 0.9


def test_numbers_that_are_no_kelvin_are_refused_in_one_line(sources: Sources, tmp_path: Path) -> None:
    numbers = numbers_of(sources.lst_tif)
    celsius = rewritten(
        sources.lst_tif, tmp_path / "celsius.tif", np.where(numbers, numbers * 0.02 - 273.15, np.nan)
    )
    with pytest.raises(InputError, match=r"degrees Celsius.*--lst-offset 273\.15"):
        predict_granule(celsius, sources.ndvi, tmp_path / "map.tif", REQUEST)
    request = replace(REQUEST, bounds=sources.bounds)
    told = replace(request, lst_encoding=Encoding(offset=273.15))
    predict_granule(celsius, sources.ndvi, tmp_path / "map.tif", told)
    predict_granule(sources.lst, sources.ndvi, tmp_path / "hdf.tif", request)
    same(tmp_path / "map.tif", tmp_path / "hdf.tif")
    filled = rewritten(sources.lst_tif, tmp_path / "filled.tif", np.where(numbers, numbers * 0.02, -9999.0))
    with pytest.raises(InputError, match=r"lie outside.*--lst-nodata -9999"):
        predict_granule(filled, sources.ndvi, tmp_path / "map.tif", REQUEST)
    told = replace(request, lst_encoding=Encoding(nodata=-9999.0))
    predict_granule(filled, sources.ndvi, tmp_path / "map.tif", told)
    same(tmp_path / "map.tif", tmp_path / "hdf.tif")
