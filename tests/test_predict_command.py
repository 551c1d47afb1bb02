"""`lstsr predict`: what a user types, sees and gets, and one line for each bad input."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

from lstsr_core import cli
from worlds.granules import Granules, fields, write_granules


@pytest.fixture
def granules(tmp_path: Path) -> Granules:
    return write_granules(tmp_path / "in", *fields())


def arguments(granules: Granules, out: Path, *more: str | Path) -> list[str]:
    return [
        "predict",
        "--lst",
        str(granules.lst),
        "--reflectance",
        str(granules.reflectance),
        "--out",
        str(out),
        *map(str, more),
    ]


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


def test_a_dry_run_tells_and_does_nothing(
    granules: Granules, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments(granules, tmp_path / "lst.tif", "--method", "dms", "--dry-run")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [granules.lst.name, granules.reflectance.name, "map"]
    assert "384×384 pixels" in lines[2] and "GB of memory" in lines[2] and "minutes" in lines[2]
    assert not (tmp_path / "lst.tif").exists()


def test_an_area_is_mapped(granules: Granules, tmp_path: Path) -> None:
    assert (
        cli.main(
            arguments(granules, tmp_path / "lst.tif", "--method", "tsharp", "--bounds", "4.0,45.4,4.2,45.6")
        )
        == 0
    )
    with rasterio.open(tmp_path / "lst.tif") as source:
        assert 80 < source.height < 120 and 50 < source.width < 120


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--bounds", "1,2,3"], "bounds '1,2,3': expected west"),
        (["--bounds", "50,60,51,61"], "lies outside the granule"),
        (["--method", "magic"], "unknown method 'magic'"),
        (["--shape", "/nowhere.geojson"], "nowhere.geojson: cannot be read"),
        (["--shape", "/nowhere*.geojson"], "nowhere*.geojson: no file matches this pattern"),
        (["--threads", "0"], "threads is 0"),
        (["--weights", "/nowhere"], "no such directory"),
        (["--method", "tsharp", "--layer", "night"], "no night LST"),
    ],
)
def test_bad_input_is_one_line(
    granules: Granules, tmp_path: Path, capsys: pytest.CaptureFixture[str], more: list[str], message: str
) -> None:
    if "--method" not in more:
        more = [*more, "--method", "tsharp"]
    assert cli.main(arguments(granules, tmp_path / "lst.tif", *more)) == 1
    error = capsys.readouterr().err
    assert error.startswith("lstsr: ") and error.count("\n") == 1 and message in error
    assert not (tmp_path / "lst.tif").exists()


def test_other_days_are_for_one_map_alone(
    granules: Granules, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "predict",
        "--granules",
        str(granules.lst.parent),
        "--out",
        str(tmp_path / "maps"),
        "--allow-different-days",
    ]
    assert cli.main(command) == 1
    assert "--allow-different-days is for one map" in capsys.readouterr().err
    assert not (tmp_path / "maps").exists()


def test_what_a_dry_run_tells_is_what_the_map_tells(
    granules: Granules, tmp_path: Path, lstsr: Callable[..., tuple[int, str, str]]
) -> None:
    """An area that reaches beyond the granule, of another platform's reflectance."""
    other = granules.reflectance.with_name(granules.reflectance.name.replace("MOD", "MYD"))
    granules.reflectance.rename(other)
    moved = Granules(granules.lst, other)
    command = arguments(moved, tmp_path / "lst.tif", "--method", "bicubic", "--bounds", "4.0,45.4,4.2,60")
    dry, made = lstsr(*command, "--dry-run"), lstsr(*command)
    assert (dry[0], made[0]) == (0, 0) and dry[2] == made[2]
    origin, share = made[2].splitlines()
    assert origin == "lstsr: LST is of Terra (MOD21A1D), reflectance of Aqua (MYD09GQ)"
    assert share.startswith("lstsr: 9") and "of the box of bounds lies outside the granule" in share


def test_a_granule_under_cloud_is_one_line_that_names_it(
    tmp_path: Path, lstsr: Callable[..., tuple[int, str, str]]
) -> None:
    lst_k, ndvi = fields()
    empty = write_granules(tmp_path / "in", np.full_like(lst_k, np.nan), ndvi)
    for more in ([], ["--dry-run"]):
        code, printed, errors = lstsr(*arguments(empty, tmp_path / "lst.tif", "--method", "bicubic", *more))
        assert (code, printed, errors.count("\n")) == (1, "", 1)
        assert errors.startswith(
            f"lstsr: {empty.lst}: no pixel of the area is valid (cloud or fill in the LST: 100%)"
        )


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["predict", "--lst", "a.hdf", "b.hdf", "--reflectance", "c.hdf", "--out", "x.tif"], "--lst"),
        (
            ["predict", "--lst", "a.hdf", "--reflectance", "a.hdf", "b.hdf", "c.hdf", "--out", "x.tif"],
            "--reflectance",
        ),
        (["predict", "--granules", "a.hdf", "b.hdf", "--out", "x"], "--granules"),
        (["predict", "--lst=a.hdf", "b.hdf", "--reflectance", "c.hdf", "--out=x.tif"], "--lst"),
        (["patches", "--out", "x", "--granules", "a.hdf", "b.hdf"], "--granules"),
        (["evaluate", "--out", "x", "--pairs", "a.hdf", "b.hdf"], "--pairs"),
    ],
)
def test_several_files_for_one_option_are_one_line(
    lstsr: Callable[..., tuple[int, str, str]], words: list[str], option: str
) -> None:
    code, printed, errors = lstsr(*words)
    assert (code, printed) == (1, "")
    assert (
        errors
        == f"lstsr: {option} takes one value, and a.hdf and b.hdf were given; where a pattern matches several"
        " files, give a narrower one.\n"
    )


def test_words_that_no_option_takes_are_the_parsers(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["--colour", "red"], ["--quicklook", "yes"], ["-q"]):
        with pytest.raises(SystemExit) as stopped:
            cli.main(["predict", "--out", "x.tif", *words])
        assert stopped.value.code == 2
        assert (
            "unrecognized arguments: " + " ".join(words[words[0] == "--quicklook" :])
            in capsys.readouterr().err
        )


@pytest.mark.parametrize("command", ["predict", "patches"])
@pytest.mark.parametrize(
    ("name", "message"), [("absent", "no such directory"), ("a.hdf", "is a file; expected a directory")]
)
def test_granules_that_are_no_directory_are_one_line(
    lstsr: Callable[..., tuple[int, str, str]], tmp_path: Path, command: str, name: str, message: str
) -> None:
    (tmp_path / "a.hdf").touch()
    for more in ([], ["--dry-run"]):
        code, printed, errors = lstsr(
            command, "--granules", tmp_path / name, "--out", tmp_path / "out", *more
        )
        assert (code, printed, errors.count("\n")) == (1, "", 1)
        assert f"{tmp_path / name}: {message}" in errors
