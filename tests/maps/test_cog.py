"""Cloud-Optimised GeoTIFFs: valid by rio-cogeo, readable by GDAL's tools, the same bytes each time."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo import cog_validate

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import FINE_PIXEL_M, SINUSOIDAL, SPHERE_RADIUS_M, Tile
from lstsr_core.geo.raster import read_tags
from lstsr_core.maps.cog import Band, read_reduced, write_cog

TRANSFORM = Tile(18, 4).transform(FINE_PIXEL_M)


def bands(rows: int, columns: int) -> list[Band]:
    random = np.random.default_rng(1)
    lst = (300.0 + random.standard_normal((rows, columns))).astype(np.float32)
    lst[: rows // 3, : columns // 2] = np.nan
    flags = random.integers(0, 5, (rows, columns)).astype(np.float32)
    return [Band(lst, "LST", "K"), Band(flags, "validity", "", {"FLAG_1": "cloud"})]


@pytest.mark.parametrize(
    ("rows", "columns", "overviews"), [(60, 40, []), (512, 512, []), (700, 520, [2]), (1400, 2100, [2, 4, 8])]
)
def test_files_are_cloud_optimised_and_hold_what_was_written(
    tmp_path: Path, rows: int, columns: int, overviews: list[int]
) -> None:
    path, written = tmp_path / "map.tif", bands(rows, columns)
    write_cog(written, TRANSFORM, SINUSOIDAL, path, {"LSTSR_METHOD": "dms"})
    assert cog_validate(path, strict=True, quiet=True) == (True, [], [])
    assert list(tmp_path.iterdir()) == [path]
    with rasterio.open(path) as source:
        assert source.overviews(1) == source.overviews(2) == overviews
        assert (source.transform, source.crs) == (TRANSFORM, SINUSOIDAL)
        assert source.descriptions == ("LST", "validity") and source.units[0] == "K"
        assert np.isnan(source.nodata)
        for index, band in enumerate(written, start=1):
            np.testing.assert_array_equal(source.read(index), band.values)
        assert source.tags(2)["FLAG_1"] == "cloud"
    assert read_tags(path)["LSTSR_METHOD"] == "dms"


def test_gdalinfo_sees_the_same(tmp_path: Path) -> None:
    write_cog(bands(700, 520), TRANSFORM, SINUSOIDAL, tmp_path / "map.tif", {"LSTSR_METHOD": "dms"})
    output = subprocess.run(
        ["gdalinfo", "-json", tmp_path / "map.tif"], capture_output=True, text=True, check=True
    ).stdout
    info = json.loads(output)
    assert info["size"] == [520, 700]
    np.testing.assert_allclose(info["geoTransform"], TRANSFORM.to_gdal(), rtol=1e-12)
    assert (
        str(SPHERE_RADIUS_M) in info["coordinateSystem"]["wkt"]
        and "Sinusoidal" in info["coordinateSystem"]["wkt"]
    )
    assert [band["description"] for band in info["bands"]] == ["LST", "validity"]
    assert info["bands"][0]["unit"] == "K" and info["bands"][0]["noDataValue"] == "NaN"
    assert info["metadata"]["IMAGE_STRUCTURE"]["COMPRESSION"] == "DEFLATE"


def test_flags_stay_flags_in_the_overviews(tmp_path: Path) -> None:
    write_cog(bands(1400, 2100), TRANSFORM, SINUSOIDAL, tmp_path / "map.tif", {})
    (_, flags), transform, crs = read_reduced(tmp_path / "map.tif", 600)
    assert max(flags.shape) <= 600 and crs == SINUSOIDAL
    assert set(np.unique(flags)) == {0.0, 1.0, 2.0, 3.0, 4.0}
    np.testing.assert_allclose(transform @ (flags.shape[1], flags.shape[0]), TRANSFORM @ (2100, 1400))


def test_the_same_content_is_the_same_bytes(tmp_path: Path) -> None:
    for name, tags in (("a", {"x": "1", "y": "2"}), ("b", {"y": "2", "x": "1"})):
        write_cog(bands(700, 520), TRANSFORM, SINUSOIDAL, tmp_path / f"{name}.tif", tags)
    assert (tmp_path / "a.tif").read_bytes() == (tmp_path / "b.tif").read_bytes()


def test_a_disk_that_fills_up_leaves_the_previous_file(
    tmp_path: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    path = tmp_path / "map.tif"
    path.write_text("previous")
    with full_disk(5_000), pytest.raises(InputError, match=r"map\.tif: cannot be written \(File too large\)"):
        write_cog(bands(700, 520), TRANSFORM, SINUSOIDAL, path, {})
    assert path.read_text() == "previous" and list(tmp_path.iterdir()) == [path]


def test_what_is_no_map_has_no_tags_and_cannot_be_shown(tmp_path: Path) -> None:
    (tmp_path / "text.tif").write_text("no image")
    for name in ("text.tif", "absent.tif"):
        assert read_tags(tmp_path / name) == {}
        with pytest.raises(InputError, match="not a readable GeoTIFF"):
            read_reduced(tmp_path / name, 100)
