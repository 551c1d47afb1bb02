"""A figure's files: readable in light and dark, alike each time, in the formats that their names say."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import cartopy.crs as ccrs
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from PIL import Image

from lstsr_core.base.errors import InputError
from lstsr_core.figures.files import (
    DARK_PAGE,
    LEAST_CONTRAST,
    LIGHT_PAGE,
    SUFFIXES,
    contrast,
    in_few_colours,
    on_dark,
    show,
    styled,
)
from lstsr_core.figures.panels import _COLOURS

BLACK, BLUE = "#000000", "#0072B2"
COLOURS = [*_COLOURS, "#777777"]


@styled
def mixed() -> Figure:
    """Lines, bars, a legend and a title; a map with a line over it and a colour bar; a map with labelled degrees."""
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


def hexadecimal(colour: np.ndarray) -> str:
    return "#" + "".join(f"{part:02x}" for part in colour)


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Figure, Path]:
    """The figure as `show` leaves it, in its dark colours, and where it was written."""
    figure, directory = mixed(), tmp_path_factory.mktemp("figure")
    show(figure, directory, "mixed")
    return figure, directory


@pytest.fixture(scope="module")
def files(shown: tuple[Figure, Path]) -> Path:
    return shown[1]


def test_every_file_is_of_its_kind(files: Path) -> None:
    assert {path.name for path in files.iterdir()} == {f"mixed{suffix}" for suffix in SUFFIXES}
    assert ElementTree.parse(files / "mixed.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    assert (files / "mixed.pdf").read_bytes().startswith(b"%PDF-")
    assert pixels(files / "mixed.png").shape == pixels(files / "mixed.dark.png").shape


def test_files_are_the_same_bytes_again_and_carry_no_date(files: Path, tmp_path: Path) -> None:
    show(mixed(), tmp_path, "mixed")
    for suffix in SUFFIXES:
        content = (files / f"mixed{suffix}").read_bytes()
        assert content == (tmp_path / f"mixed{suffix}").read_bytes(), suffix
        assert b"CreationDate" not in content and b"<dc:date>" not in content


def test_pages_have_the_themes_colours_up_to_the_edge(files: Path) -> None:
    for suffix, page in ((".png", LIGHT_PAGE), (".dark.png", DARK_PAGE)):
        picture = pixels(files / f"mixed{suffix}")
        edge = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
        assert {hexadecimal(colour) for colour in edge} == {page}


def drawn_over_images(figure: Figure) -> set[object]:
    return {artist for axes in figure.axes if axes.images for artist in (*axes.lines, *axes.texts)}


def test_texts_and_lines_stand_out_from_a_dark_page(shown: tuple[Figure, Path]) -> None:
    figure = shown[0]
    kept = drawn_over_images(figure)
    texts = [artist for artist in figure.findobj(Text) if isinstance(artist, Text) and artist.get_text() and artist not in kept]
    assert {"Title", "ASTER", "K"} <= {artist.get_text() for artist in texts}
    assert all(contrast(artist.get_color(), DARK_PAGE) >= LEAST_CONTRAST for artist in texts)
    lines = [line for line in figure.axes[0].lines if isinstance(line, Line2D)]
    assert [contrast(line.get_color(), DARK_PAGE) > 4.4 for line in lines] == [True, True]


def test_dark_pictures_hold_nothing_darker_than_the_page_but_the_map(files: Path) -> None:
    """Black letters on a dark page, those of a map's degrees say, would show as pixels that are nearly black."""
    dark, light = pixels(files / "mixed.dark.png").astype(int), pixels(files / "mixed.png").astype(int)
    changed = np.abs(dark - light).max(axis=-1) > 30  # the map and what is drawn on it are the same in both
    assert (dark[changed].max(axis=-1) >= 0x10).all()
    letters = light.max(axis=-1) < 60
    assert (dark[letters & changed].min(axis=-1) > 150).mean() > 0.99


def test_few_colours_leave_that_of_the_page_alone() -> None:
    colours = np.random.default_rng(5).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    colours[0, 0] = page = (18, 18, 18)
    few = in_few_colours(Image.fromarray(colours), 16).convert("RGB")
    assert few.getpixel((0, 0)) == page and len(few.getcolors() or []) <= 16


def test_maps_and_what_is_drawn_on_them_keep_their_colours(shown: tuple[Figure, Path]) -> None:
    image_axes = shown[0].axes[1]
    assert image_axes.images[0].get_cmap().name == "inferno"
    assert to_rgba(image_axes.lines[0].get_color()) == to_rgba(BLACK) == to_rgba(image_axes.texts[0].get_color())


def test_a_legend_of_a_map_keeps_the_maps_colours(tmp_path: Path) -> None:
    figure = Figure()
    axes = figure.add_subplot()
    axes.imshow(np.eye(3))
    axes.legend(handles=[Patch(facecolor="#BBBBBB", label="cloud")])
    show(figure, tmp_path, "classes")
    legend = axes.get_legend()
    assert legend is not None
    assert to_rgba(legend.get_patches()[0].get_facecolor()) == to_rgba("#BBBBBB")
    assert contrast(legend.get_texts()[0].get_color(), DARK_PAGE) >= LEAST_CONTRAST


@pytest.mark.parametrize("colour", COLOURS)
def test_colours_keep_their_hue_and_reach_the_contrast_of_text(colour: str) -> None:
    lightened = on_dark(colour)
    assert contrast(lightened, DARK_PAGE) >= LEAST_CONTRAST - 0.1  # greys become greys of like contrast
    red, green, blue, _ = to_rgba(colour)
    order = np.argsort([red, green, blue], kind="stable")
    assert list(np.array(lightened[:3])[order]) == sorted(lightened[:3])


def test_black_and_white_change_places_and_opacity_stays() -> None:
    assert on_dark(LIGHT_PAGE) == pytest.approx(to_rgba(DARK_PAGE))
    assert contrast(on_dark(BLACK), DARK_PAGE) > 13
    assert on_dark((0.0, 0.0, 0.0, 0.15))[3] == 0.15
    assert on_dark("none")[3] == 0.0


def test_contrast_is_that_of_the_web_guidelines() -> None:
    assert contrast("white", "black") == pytest.approx(21.0)
    assert contrast("#777777", "white") == pytest.approx(4.48, abs=0.01)  # WCAG's own well-known near miss
    assert contrast("black", "black") == 1.0


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
