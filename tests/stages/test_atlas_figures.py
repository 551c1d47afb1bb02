"""The atlas's own figures, and the images that figures are written as."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from PIL import Image

from lstsr_core.evaluation.protocols import Comparison, Georeferenced
from lstsr_core.geo.grid import Tile
from lstsr_core.pairs.pair import Pair
from lstsr_core.sharpening.methods import sharpen_pair
from lstsr_core.stages.atlas_figures import (
    LST_LABEL,
    differences_from_aster,
    scene_map,
    scene_maps,
    write_image,
)


@pytest.fixture(scope="module")
def comparisons(synthetic_pair: Pair) -> dict[str, Comparison]:
    placement = Georeferenced(synthetic_pair)
    outcomes = placement.compare({name: sharpen_pair(placement.pair, name) for name in ("bicubic", "tsharp")})
    return {name: outcome for name, outcome in outcomes.items() if isinstance(outcome, Comparison)}


def figure_with_everything() -> Figure:
    """Lines, text, a picture and hexagons."""
    figure = Figure(figsize=(4, 2), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.imshow(np.arange(100.0).reshape(10, 10), cmap="inferno")
    generator = np.random.default_rng(3)
    right.hexbin(*generator.normal(size=(2, 500)), gridsize=12, mincnt=1)
    right.plot([-2, 2], [-2, 2], color="black")
    right.set_title("Title")
    return figure


def drawn(dpi: int) -> np.ndarray:
    """What matplotlib itself draws, red, green and blue of each pixel."""
    figure = figure_with_everything()
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].astype(float)


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), dtype=float)


@pytest.mark.parametrize(("quality", "tolerance"), [(None, 1.5), (50, 4.0)])
def test_an_image_is_the_figure(tmp_path: Path, quality: int | None, tolerance: float) -> None:
    size = write_image(figure_with_everything(), tmp_path / "all.webp", dpi=60, quality=quality)
    assert [path.name for path in tmp_path.iterdir()] == ["all.webp"]
    assert (size["width"], size["height"]) == (240, 120)
    image = pixels(tmp_path / "all.webp")
    assert np.abs(image - drawn(60)).mean() < tolerance
    assert image[0].mean() > 252.0  # the page around it is white


def test_an_image_is_the_same_bytes_again(tmp_path: Path) -> None:
    for turn in ("first", "second"):
        for quality in (None, 50):
            write_image(figure_with_everything(), tmp_path / turn / f"{quality}.webp", quality=quality)
    for name in ("None.webp", "50.webp"):
        assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes()


def test_maps_share_their_limits(comparisons: dict[str, Comparison]) -> None:
    lst = comparisons["bicubic"].aster
    figure = scene_maps(lst, comparisons)
    images = [panel.images[0] for panel in figure.axes if panel.images]
    assert [panel.get_title(loc="left") for panel in figure.axes if panel.images] == [
        "ASTER",
        LST_LABEL,
        "Bicubic",
        "TsHARP",
    ]
    assert len({image.norm for image in images}) == 1


def test_differences_are_product_minus_aster_on_a_symmetric_scale(comparisons: dict[str, Comparison]) -> None:
    lst = comparisons["bicubic"].aster
    figure = differences_from_aster(lst.with_values(lst.values + 1.5), comparisons)
    images = {panel.get_title(loc="left"): panel.images[0] for panel in figure.axes if panel.images}
    assert list(images) == [LST_LABEL, "Bicubic", "TsHARP"]
    np.testing.assert_allclose(np.asarray(images[LST_LABEL].get_array()), 1.5)
    expected = comparisons["tsharp"].product.values - comparisons["tsharp"].aster.values
    np.testing.assert_allclose(np.asarray(images["TsHARP"].get_array()), expected)
    for image in images.values():
        assert image.norm.vmin == -image.norm.vmax


def test_footprints_are_coloured_by_their_bias() -> None:
    square = np.array([[0.0, 0.0], [0.5, 0.0], [0.5, 0.5], [0.0, 0.0]])
    footprints = {
        name: square + np.array(place)
        for name, place in (("0", (4.0, 45.0)), ("1", (6.0, 46.0)), ("2", (5.0, 44.0)))
    }
    figure = scene_map(footprints, pd.Series({"0": 1.0, "1": -2.0, "2": float("nan")}), Tile(18, 4))
    unknown, known = [c for c in figure.axes[0].collections if isinstance(c, PatchCollection)]
    np.testing.assert_allclose(np.asarray(known.get_array()), [1.0, -2.0])
    assert (known.norm.vmin, known.norm.vmax) == (-2.0, 2.0)
    assert len(unknown.get_paths()) == 1
