"""A figure's files: on white, alike each time, in the formats that their names say."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import cartopy.crs as ccrs
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from lstsr_core.base.errors import InputError
from lstsr_core.figures.files import SUFFIXES, in_few_colours, show, styled

BLACK, BLUE = "#000000", "#0072B2"


@styled
def mixed() -> Figure:
    """Lines, bars, legend and title; a map with a line and a colour bar; a map with labelled degrees."""
    figure = Figure(figsize=(9.0, 3.0), layout="constrained")
    left, middle = figure.add_subplot(1, 3, 1), figure.add_subplot(1, 3, 2)
    left.plot([0, 1], [0, 1], color=BLACK, label="ASTER")
    left.plot([0, 1], [1, 0], "o-", color=BLUE, label="method")
    left.bar([0.5], [0.2], color="#BBBBBB", edgecolor=BLACK)
    left.set(title="Title", xlabel="x", ylabel="y")
    left.legend(frameon=True)
    image = middle.imshow(np.arange(12.0).reshape(3, 4), cmap="inferno")
    middle.plot([0, 3], [0, 2], color=BLACK)
    middle.text(1, 1, "in a cell", color=BLACK)
    figure.colorbar(image, ax=middle, label="K")
    right = figure.add_subplot(1, 3, 3, projection=ccrs.PlateCarree())
    right.set_extent((0.0, 10.0, 40.0, 50.0))
    right.gridlines(draw_labels=True)
    return figure


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("figure")
    show(mixed(), directory, "mixed")
    return directory


def test_every_file_is_of_its_kind(files: Path) -> None:
    assert {path.name for path in files.iterdir()} == {f"mixed{suffix}" for suffix in SUFFIXES}
    assert ElementTree.parse(files / "mixed.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert (files / "mixed.pdf").read_bytes().startswith(b"%PDF-")


def test_files_are_the_same_bytes_again_and_carry_no_date(files: Path, tmp_path: Path) -> None:
    show(mixed(), tmp_path, "mixed")
    for suffix in SUFFIXES:
        content = (files / f"mixed{suffix}").read_bytes()
        assert content == (tmp_path / f"mixed{suffix}").read_bytes(), suffix
        assert b"CreationDate" not in content and b"<dc:date>" not in content


def test_the_picture_is_white_up_to_the_edge(files: Path) -> None:
    picture = pixels(files / "mixed.png")
    edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    assert (edge == 255).all()


def test_few_colours_leave_that_of_the_page_alone() -> None:
    colours = np.random.default_rng(5).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    colours[0, 0] = page = (18, 18, 18)
    few = in_few_colours(Image.fromarray(colours), 16).convert("RGB")
    assert few.getpixel((0, 0)) == page and len(few.getcolors() or []) <= 16


def test_many_points_become_pixels_in_the_svg(tmp_path: Path) -> None:
    sizes = []
    for count in (400, 4000):
        figure = Figure(figsize=(4.0, 3.0))
        figure.add_subplot().scatter(*np.random.default_rng(count).random((2, count)), s=4)
        show(figure, tmp_path, str(count))
        svg = (tmp_path / f"{count}.svg").read_text()
        sizes.append(len(re.findall(r"<use ", svg)))
    assert sizes[0] > 400 > sizes[1]


def test_a_figure_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        show(mixed(), tmp_path / "file", "mixed")
