"""07_map's stages: a run's granules become a map to look at; without granules a plain line says so."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from affine import Affine
from rio_cogeo import cog_validate

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import COARSE_PIXEL_M, SINUSOIDAL, TILE_SIZE_M, Tile
from lstsr_core.geo.raster import Raster
from lstsr_core.maps import quicklook
from lstsr_core.modis.granule import RGB_PIXEL_M, read_rgb
from lstsr_core.modis.names import GranuleName
from lstsr_core.simulation.granule_writer import (
    LstObservation,
    write_day_and_night_granule,
    write_lst_granule,
    write_rgb_granule,
)
from lstsr_core.stages import map as stages
from lstsr_core.stages.parameters import Map
from worlds.granules import DAY, FIRST_COLUMN, FIRST_ROW, Granules, fields, write_granules


@pytest.fixture
def run(tmp_path: Path, half_pixel_weights: Path) -> Path:
    granules: Granules = write_granules(tmp_path / "01_download" / "granules", *fields())
    assert granules.lst.is_file()
    shutil.copytree(half_pixel_weights, tmp_path / "03_training" / "weights")
    return tmp_path


def settings_of(run: Path, **values: Any) -> Map:
    return Map.check({"run_directory": str(run), "threads": 1, **values})


def test_a_runs_granules_are_described_mapped_and_shown(run: Path) -> None:
    settings = settings_of(run, bounds="4.0,45.4,4.2,45.6")
    area = stages.describe_area(settings)["value"]
    assert (
        area["LST granule"].startswith("MOD21A1D.A2018200")
        and area["share of LST pixels without cloud or fill"] == "1.0000"
    )
    assert (
        45.6 <= float(area["upper left latitude (degrees)"]) < 45.62
        and 3.9 < float(area["upper left longitude (degrees)"]) < 4.0
    )
    shown = stages.make_map(settings)["value"]
    assert cog_validate(run / "07_map" / "map.tif", quiet=True)[0]
    content = json.loads((run / "07_map" / "map.json").read_text())
    assert (
        content["made"]
        and content["method"] == "sif-cnn-sr1"
        and sum(content["shares"].values()) == pytest.approx(1.0)
    )
    assert shown["pixels of 250 m (rows × columns)"] == f"{content['rows']} × {content['columns']}"
    for image, name in (
        (stages.show_map(settings), "map.png"),
        (stages.show_map_quality(settings), "quality.png"),
    ):
        assert image is not None and (run / "07_map" / name).read_bytes().startswith(b"\x89PNG")


def test_a_day_without_granules_is_refused(run: Path) -> None:
    assert stages.chosen_granules(settings_of(run, day=DAY.isoformat())) == stages.chosen_granules(
        settings_of(run)
    )
    with pytest.raises(
        InputError, match=r"07_map: parameter 'day' is '2018-07-20'; days with both granules: 2018-07-19\."
    ):
        stages.make_map(settings_of(run, day="2018-07-20"))


def test_a_run_without_granules_says_so(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, weights_directory=".")
    for table in (stages.describe_area(settings), stages.make_map(settings)):
        assert "no granule here" in table["value"].iloc[0]
    assert stages.show_map(settings) is None and stages.show_map_quality(settings) is None
    assert json.loads((tmp_path / "07_map" / "map.json").read_text())["made"] is False


@pytest.mark.parametrize(
    ("product", "layer"),
    [("MYD21A1D", "day"), ("MYD21A1N", "night"), ("MOD11A1", "day"), ("MYD11A1", "night")],
)
def test_other_platforms_and_families_are_mapped(tmp_path: Path, product: str, layer: str) -> None:
    """MOD21A1 and Terra first, then what there is."""
    granules = write_granules(tmp_path / "01_download" / "granules", *fields())
    other = granules.lst.with_name(granules.lst.name.replace("MOD21A1D", product))
    tile = Tile(18, 4).transform(COARSE_PIXEL_M) @ Affine.translation(FIRST_COLUMN, FIRST_ROW)
    lst = Raster(fields()[0], tile, SINUSOIDAL)
    if product.endswith("11A1"):
        write_day_and_night_granule(other, LstObservation(lst), LstObservation(lst))
    else:
        write_lst_granule(other, lst)
    settings = settings_of(tmp_path, layer=layer, method="bicubic", weights_directory="")
    if layer == "day":
        assert stages.chosen_granules(settings) == (granules.lst, granules.reflectance)
    granules.lst.unlink()
    assert stages.chosen_granules(settings) == (other, granules.reflectance)
    assert stages.describe_area(settings)["value"]["LST granule"] == other.name
    shown = stages.make_map(settings)["value"]
    assert ("warning 1" in shown) == product.startswith("MYD")


def test_the_map_stands_beside_the_true_colour_of_its_day(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_of(run, method="tsharp", bounds="4.0,45.4,4.2,45.6")
    assert stages.show_true_colour(settings) is None  # no map yet
    stages.make_map(settings)
    assert stages.show_true_colour(settings) is None
    assert capsys.readouterr().out.endswith(
        "No MOD09GA or MYD09GA of 2018-07-19 is among the granules: no true colour beside the map.\n"
    )
    (lst,) = (run / "01_download" / "granules").glob("MOD21A1D*.hdf")
    tile = Tile(18, 4)
    side = round(TILE_SIZE_M / RGB_PIXEL_M)
    red, green, blue = (np.full((side, side), level) for level in (0.30, 0.20, 0.05))
    red[:1080], blue[:1080] = 0.05, 0.30  # blue north of 45.5°
    bands = [Raster(values, tile.transform(RGB_PIXEL_M), SINUSOIDAL) for values in (red, green, blue)]
    name = lst.name.replace("MOD21A1D", "MOD09GA")
    write_rgb_granule(lst.with_name(name), *bands, GranuleName.parse(name))
    figure = quicklook.true_colour_map(run / "07_map" / "map.tif", read_rgb(lst.with_name(name)))
    left, right = (axes.get_images()[0] for axes in figure.axes[:2])
    assert left.get_extent() == pytest.approx(right.get_extent(), abs=RGB_PIXEL_M)
    colours = np.asarray(right.get_array())
    blue_rows = round((right.get_extent()[3] - (tile.top_m - 1080 * RGB_PIXEL_M)) / RGB_PIXEL_M)
    assert 0 < blue_rows < len(colours) and (colours[:blue_rows, :, 2] > colours[:blue_rows, :, 0]).all()
    assert (colours[blue_rows:, :, 0] > colours[blue_rows:, :, 2]).all()
    assert stages.show_true_colour(settings) is not None and (run / "07_map" / "true_colour.png").is_file()
