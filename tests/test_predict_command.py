"""`lstsr predict`: what a user types, sees and gets, and one line for each bad input."""

from __future__ import annotations

from pathlib import Path

import pytest
import rasterio

from lstsr_core import cli
from test_prediction import Granules, fields, write_granules


@pytest.fixture
def granules(tmp_path: Path) -> Granules:
    return write_granules(tmp_path / "in", *fields())


def arguments(granules: Granules, out: Path, *more: str | Path) -> list[str]:
    return ["predict", "--lst", str(granules.lst), "--reflectance", str(granules.reflectance), "--out", str(out), *map(str, more)]


def test_a_map_and_its_picture_are_written(
    granules: Granules,
    half_pixel_weights: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "maps" / "lst.tif"
    command = arguments(granules, out, "--weights", half_pixel_weights, "--quicklook", "--threads", 1)
    assert cli.main(command) == 0
    output = capsys.readouterr()
    assert output.out.startswith(f"{out}: 384×384 pixels (100.0% valid)") and output.err == ""
    assert sorted(path.name for path in out.parent.iterdir()) == ["lst.png", "lst.tif"]
    assert cli.main(command) == 0
    assert "was there already" in capsys.readouterr().out


def test_a_dry_run_tells_and_does_nothing(granules: Granules, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments(granules, tmp_path / "lst.tif", "--method", "dms", "--dry-run")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [granules.lst.name, granules.reflectance.name, "map"]
    assert "384×384 pixels" in lines[2] and "GB of memory" in lines[2] and "minutes" in lines[2]
    assert not (tmp_path / "lst.tif").exists()


def test_an_area_is_mapped(granules: Granules, tmp_path: Path) -> None:
    assert cli.main(arguments(granules, tmp_path / "lst.tif", "--method", "tsharp", "--bounds", "4.0,45.4,4.2,45.6")) == 0
    with rasterio.open(tmp_path / "lst.tif") as source:
        assert 80 < source.height < 120 and 50 < source.width < 120


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--bounds", "1,2,3"], "bounds '1,2,3': expected west"),
        (["--bounds", "50,60,51,61"], "lies outside the granule"),
        (["--method", "magic"], "unknown method 'magic'"),
        (["--shape", "/nowhere.geojson"], "nowhere.geojson: cannot be read"),
        (["--threads", "0"], "threads is 0"),
        (["--weights", "/nowhere"], "no such directory"),
        (["--method", "tsharp", "--layer", "night"], "no night LST"),
    ],
)
def test_bad_input_is_one_line(
    granules: Granules, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], told: str
) -> None:
    if "--method" not in more:
        more = [*more, "--method", "tsharp"]
    assert cli.main(arguments(granules, tmp_path / "lst.tif", *more)) == 1
    error = capsys.readouterr().err
    assert error.startswith("lstsr: ") and error.count("\n") == 1 and told in error
    assert not (tmp_path / "lst.tif").exists()
