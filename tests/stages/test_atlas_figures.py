"""The atlas's own figures, and the layers that figures are written in."""

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
from lstsr_core.sharpening.methods import sharpen
from lstsr_core.stages.atlas_figures import LAYERS, LST_LABEL, differences_from_aster, scene_map, scene_maps, write_layers


@pytest.fixture(scope="module")
def comparisons(synthetic_pair: Pair) -> dict[str, Comparison]:
    placement = Georeferenced(synthetic_pair)
    outcomes = placement.compare({name: sharpen(placement.pair, name) for name in ("bicubic", "tsharp")})
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


def layers_of(directory: Path, name: str) -> dict[str, Image.Image]:
    return {layer: Image.open(directory / f"{name}_{layer}.webp").convert("RGBA") for layer in LAYERS}


def seen(layers: dict[str, Image.Image], look: str, paper: str) -> np.ndarray:
    page = Image.new("RGBA", layers["pixels"].size, paper)
    for layer in ("pixels", look):
        page.alpha_composite(layers[layer])
    return np.asarray(page.convert("RGB"), dtype=float)


def test_layers_on_one_another_are_the_figure(tmp_path: Path) -> None:
    size = write_layers(figure_with_everything(), tmp_path, "all", dpi=60)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all_dark.webp", "all_light.webp", "all_pixels.webp"]
    layers = layers_of(tmp_path, "all")
    assert {image.size for image in layers.values()} == {(size["width"], size["height"])} == {(240, 120)}
    figure = figure_with_everything()
    figure.set_dpi(60)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[..., :3].astype(float)
    difference = np.abs(seen(layers, "light", "white") - drawn).max(axis=-1)
    assert np.mean(difference > 40.0) < 0.06  # but for the soft edges of hexagons, which layers have sharp
    assert difference.mean() < 4.0


def test_dark_pages_get_light_lines_over_the_same_pixels(tmp_path: Path) -> None:
    write_layers(figure_with_everything(), tmp_path, "all", dpi=60)
    layers = {layer: np.asarray(image) for layer, image in layers_of(tmp_path, "all").items()}
    opaque = {layer: values[values[..., 3] > 200][:, :3].mean() for layer, values in layers.items() if layer != "pixels"}
    assert opaque["light"] < 70.0 and opaque["dark"] > 150.0
    picture = layers["pixels"][30:90, 30:90]
    assert np.mean(picture[..., 3] == 255) > 0.8
    assert not (layers["light"][..., 3] & layers["pixels"][..., 3]).any()  # each point is in one layer


def test_layers_are_the_same_bytes_again(tmp_path: Path) -> None:
    for turn in ("first", "second"):
        write_layers(figure_with_everything(), tmp_path / turn, "all", quality=50)
    for layer in LAYERS:
        first, second = ((tmp_path / turn / f"all_{layer}.webp").read_bytes() for turn in ("first", "second"))
        assert first == second


def test_maps_share_their_limits(comparisons: dict[str, Comparison]) -> None:
    lst = comparisons["bicubic"].aster
    figure = scene_maps(lst, comparisons)
    images = [panel.images[0] for panel in figure.axes if panel.images]
    assert [panel.get_title(loc="left") for panel in figure.axes if panel.images] == ["ASTER", LST_LABEL, "Bicubic", "TsHARP"]
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
    footprints = {name: square + np.array(place) for name, place in (("0", (4.0, 45.0)), ("1", (6.0, 46.0)), ("2", (5.0, 44.0)))}
    figure = scene_map(footprints, pd.Series({"0": 1.0, "1": -2.0, "2": float("nan")}), Tile(18, 4))
    unknown, known = [c for c in figure.axes[0].collections if isinstance(c, PatchCollection)]
    np.testing.assert_allclose(np.asarray(known.get_array()), [1.0, -2.0])
    assert (known.norm.vmin, known.norm.vmax) == (-2.0, 2.0)
    assert len(unknown.get_paths()) == 1
