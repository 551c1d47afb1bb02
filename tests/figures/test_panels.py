"""Figures: repeatable files, units on every axis, one scale where maps are compared, their numbers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from PIL import Image
from rasterio.crs import CRS
from rasterio.warp import transform
from scipy import ndimage, stats

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import TRAINING_CURVES
from lstsr_core.evaluation.protocols import Comparison
from lstsr_core.figures import panels as figures
from lstsr_core.figures.files import PIXELS_PER_INCH, SUFFIXES
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, TILE_SIZE_M, Tile
from lstsr_core.geo.raster import Raster
from lstsr_core.geo.registration import Shift
from lstsr_core.pairs.pair import Pair
from lstsr_core.sharpening.methods import METHODS
from lstsr_core.sharpening.variogram import FittedVariograms, Variogram

TILE = Tile(18, 4)
UTM_31N = CRS.from_epsg(32631)
ASTER_GRID = Affine(231.65, 0.0, 500000.0, 0.0, -231.65, 4900000.0)


def field(rows: int, columns: int, seed: int, mean: float = 305.0, spread: float = 4.0) -> np.ndarray:
    smooth = ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal((rows, columns)), 2)
    return mean + spread * (smooth - smooth.mean()) / smooth.std()


def coarse(values: np.ndarray) -> Raster:
    return Raster(values, TILE.transform(COARSE_PIXEL_M), SINUSOIDAL)


def fine(values: np.ndarray) -> Raster:
    return Raster(values, TILE.transform(FINE_PIXEL_M), SINUSOIDAL)


def pair(holes: bool = False) -> Pair:
    lst, ndvi, aster = field(12, 10, 1), field(48, 40, 2, 0.4, 0.1), field(50, 44, 3)
    aster[:6] = 0.0  # outside the swath
    aster[6] = 180.0  # mixed with zeros
    if holes:
        lst[2:4, 3], ndvi[8:12, 9], aster[20, 20:25] = np.nan, np.nan, np.nan
    return Pair("7", coarse(lst), fine(ndvi), Raster(aster, ASTER_GRID, UTM_31N))


def comparison(seed: int, offset: float = 0.0) -> Comparison:
    aster = Raster(field(44, 48, 5), ASTER_GRID, UTM_31N)
    product = aster.with_values(0.8 * aster.values + 61.0 + offset + field(44, 48, seed, 0.0, 0.8))
    return Comparison(product, aster, product, product, fine(field(48, 48, seed)))


@cache
def comparisons(count: int = len(METHODS)) -> dict[str, Comparison]:
    return {name: comparison(10 + index, 2.0 * index) for index, name in enumerate(list(METHODS)[:count])}


def made(count: int = len(METHODS)) -> dict[str, Raster]:
    return {
        name: fine(field(48, 40, 20 + index, 305.0 + index))
        for index, name in enumerate(list(METHODS)[:count])
    }


def spectra_table(names: list[str], deviations: bool) -> pd.DataFrame:
    frequency = np.linspace(0.0, 1.0 / (2 * 231.65), 20)
    parts = []
    for index, name in enumerate(names):
        part = {
            "method": name,
            "frequency_per_m": frequency,
            "attenuation_db": -(8.0 + index) * frequency * 1000.0,
        }
        parts.append(pd.DataFrame(part | ({"std_db": 0.5} if deviations else {})))
    return pd.concat(parts, ignore_index=True)


def published_curves(*models: str) -> pd.DataFrame:
    parts = [
        pd.read_csv(TRAINING_CURVES / f"{model}.csv").assign(model=model, source="published")
        for model in models
    ]
    return pd.concat(parts, ignore_index=True)


def results(methods: list[str], scenes: int = 5) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(6)
    rows = [
        {
            "scene": scene,
            "method": method,
            "rmse_k": random.uniform(1, 3),
            "frr": random.uniform(0, 1),
            "status": "ok",
        }
        for scene in range(scenes)
        for method in methods
    ]
    modis = {
        "scene": range(scenes),
        "coarse_bias_k": random.normal(0, 2, scenes),
        "coarse_rmse_k": random.uniform(1, 3, scenes),
    }
    return pd.DataFrame(rows), pd.DataFrame(modis)


def fitted(sill: float) -> FittedVariograms:
    distances_m = np.array([926.6, 1310.4, 1853.2])
    coarse = Variogram(sill, 2000.0)
    return FittedVariograms(
        distances_m, coarse(distances_m), coarse, Variogram(2.0 * sill, 1500.0), coarse(distances_m) * 0.98
    )


def paired_differences(chance: bool = False) -> pd.DataFrame:
    rows = [
        [metric, name, other, 0.1 * (index + 1), 0 if chance else 1]
        for metric in ("rmse_k", "frr", "attenuation_rmse_db", "ssim")
        for index, (name, other) in enumerate(combinations(METHODS, 2))
    ]
    return pd.DataFrame(rows, columns=["metric", "method", "other", "difference", "sign"])


def placed_both_ways() -> pd.DataFrame:
    rows = [
        [scene, method, placement, int(scene), 0, "ok", 2.0 + 0.1 * int(scene) * (placement == "as paired")]
        for scene in ("0", "1", "3")
        for method in METHODS
        for placement in ("as paired", "aligned")
    ]
    return pd.DataFrame(
        rows, columns=["scene", "method", "placement", "rows_down", "columns_right", "status", "rmse_k"]
    )


def back_projections() -> pd.DataFrame:
    rows = [
        [scene, method, step, "ok", 1.0 / (1 + step), 2.0 + 0.1 * step + 0.01 * index, 0.5 + 0.05 * step]
        for scene in ("0", "1")
        for index, method in enumerate(METHODS)
        for step in range(3)
    ]
    return pd.DataFrame(rows, columns=["scene", "method", "step", "status", "consistency_k", "rmse_k", "frr"])


def places() -> pd.DataFrame:
    """Two windows of one tile and one of the next."""
    side_m = 64 * COARSE_PIXEL_M
    corners = [(Tile(18, 4), 2, 3), (Tile(18, 4), 2, 4), (Tile(19, 4), 0, 0)]
    left_m = np.array([tile.left_m + column * side_m for tile, _, column in corners])
    top_m = np.array([tile.top_m - row * side_m for tile, row, _ in corners])
    edges = {"left_m": left_m, "top_m": top_m, "right_m": left_m + side_m, "bottom_m": top_m - side_m}
    return pd.DataFrame({**edges, "patches": [3, 1, 7]})


def kept() -> pd.DataFrame:
    columns = ["layer", "month", "windows", "lst_bad", "ndvi_bad", "kept"]
    rows = [
        ["day", "2018-04", 20, 10, 5, 5],
        ["day", "2018-05", 10, 0, 0, 10],
        ["night", "2018-04", 8, 4, 2, 2],
    ]
    return pd.DataFrame(rows, columns=columns)


SLOPE_NDVI = np.random.default_rng(8).uniform(0.0, 0.9, 300)
FOOTPRINT = np.array([[7.0, 44.0], [7.8, 44.1], [7.7, 44.7], [6.9, 44.6], [7.0, 44.0]])


BASES = {"sif-cnn-sr1": {"alpha": 0.99, "gamma": "scene"}}


def fits(slopes: list[float], intercepts: list[float], r_squared: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"slope_k_per_ndvi": slopes, "intercept_k": intercepts, "r_squared": r_squared})


def ablation_summary() -> pd.DataFrame:
    rows = []
    for varied, value in (("base", ""), ("alpha", "0.9"), ("alpha", "0.95"), ("gamma", "-0.5")):
        for metric, mean in (
            ("rmse_k", 2.0),
            ("frr", 0.9),
            ("attenuation_rmse_db", 1.0),
            ("consistency_k", 0.5),
        ):
            figures_of = {"mean": mean, "low": 0.9 * mean, "high": 1.1 * mean}
            rows.append(
                {
                    "model": "sif-cnn-sr1",
                    "varied": varied,
                    "value": value,
                    "epochs": 4,
                    "metric": metric,
                    **figures_of,
                }
            )
    return pd.DataFrame(rows)


def compared() -> pd.DataFrame:
    """Two methods on two parts under two protocols, as `evaluation.trade.compare` gives them."""
    rows = [
        [part, protocol, method, metric, 8, 3, mean, mean - 0.1, mean + 0.2]
        for part in ("development", "test")
        for protocol in ("georeferenced", "registered")
        for method, error in (("bicubic", 2.0), ("sc-unet", 1.75))
        for metric, mean in (("rmse_k", error), ("frr", 2.0 - error))
    ]
    columns = ["part", "protocol", "method", "metric", "scenes", "groups", "mean", "low", "high"]
    return pd.DataFrame(rows, columns=columns)


def scene_shifts() -> pd.DataFrame:
    return pd.DataFrame(
        {"image": ["bicubic", "ndvi", "ndvi"], "rows": [0.7, 0.8, 0.9], "columns": [0.5, 1.0, 1.2]}
    )


FIGURES: dict[str, tuple[Callable[[], Figure], set[str]]] = {
    # how it is made, and the texts on its axes and colour bars
    "study_area": (lambda: figures.study_area({"1": FOOTPRINT, "2": FOOTPRINT + 2.0}, TILE), {""}),
    "patch_places": (lambda: figures.patch_places(places()), {"", "patches"}),
    "share_kept": (lambda: figures.share_kept(kept()), {"", "windows (%)"}),
    "example_pair": (lambda: figures.example_pair(pair()), {"km east", "km north", "LST (K)", "NDVI"}),
    "seasons": (
        lambda: figures.seasons(["2018-04-15", "2018-06-10"], [300.0, 301.0], [True, False]),
        {"month", "patches"},
    ),
    "regressions": (
        lambda: figures.regressions(
            SLOPE_NDVI, 315.0 - 12.0 * SLOPE_NDVI, fits([-12.0, -9.0], [310.0, 311.0], [0.5, 0.9])
        ),
        {"NDVI at 1 km", "LST (K)", "pixels", "slope (K per unit NDVI)", "intercept (K)", "patches", "R²"},
    ),
    "training_curves": (
        lambda: figures.training_curves(published_curves("sif-cnn-sr1", "sc-unet")),
        {"epoch", "total loss", "reconstruction loss", "texture loss", "PSNR (dB)", "SSIM", ""},
    ),
    "ablation": (
        lambda: figures.ablation(ablation_summary(), BASES),
        {
            "RMSE (K)",
            "FRR",
            "attenuation\nRMSE (dB)",
            "consistency (K)",
            "",
            "α",
            "γ",
        },
    ),
    "products": (
        lambda: figures.products(coarse(field(12, 10, 1)), made()),
        {"", "km east", "km north", "LST (K)"},
    ),
    "added_texture": (lambda: figures.added_texture(made()), {"", "km east", "km north", "difference (K)"}),
    "maps": (lambda: figures.maps(comparisons()), {"", "km east", "km north", "LST (K)"}),
    "distributions": (
        lambda: figures.distributions(comparisons()),
        {"LST (K)", "fine detail T − G T (K)", ""},
    ),
    "densities": (
        lambda: figures.densities(comparisons()),
        {"", "ASTER LST (K)", "product LST (K)", "pixels"},
    ),
    "spectra": (
        lambda: figures.spectra(spectra_table(["aster", "ndvi", *METHODS], True), "Mean"),
        {"spatial frequency (cycles per km)", "attenuation (dB)"},
    ),
    "against_bias": (
        lambda: figures.against_bias(*results(list(METHODS))),
        {"", "RMSE (K)", "FRR", "MODIS − ASTER bias at 1 km (K)", "MODIS against ASTER at 1 km: RMSE (K)"},
    ),
    "variograms": (
        lambda: figures.variograms({"atprk": fitted(2.0), "aatprk": fitted(1.0)}),
        {"distance (km)", "semivariance (K²)"},
    ),
    "differences": (
        lambda: figures.differences(paired_differences()),
        {"", "RMSE (K)", "FRR", "attenuation RMSE (dB)", "SSIM"},
    ),
    "offsets": (
        lambda: figures.offsets(placed_both_ways()),
        {"fine pixels right", "fine pixels down", "offset (fine pixels)", "RMSE as paired − aligned (K)"},
    ),
    "shifts": (
        lambda: figures.shifts(scene_shifts(), Shift(0.78, 0.91)),
        {"columns to the right (pixels)", "rows down (pixels)"},
    ),
    "trade": (
        lambda: figures.trade(
            compared(), {"development": "62", "test": "21", "apart": "8"}, ["georeferenced", "registered"]
        ),
        {"RMSE (K)", "FRR", ""},
    ),
    "distortion": (
        lambda: figures.distortion(back_projections()),
        {"RMSE against ASTER (K)", "FRR", "consistency with the 1 km LST (K)"},
    ),
}


def visible(figure: Figure) -> list[Axes]:
    return [axes for axes in figure.axes if axes.get_visible()]


def panels(figure: Figure) -> list[Axes]:
    """Axes that are no colour bar."""
    return [axes for axes in visible(figure) if axes.get_label() != "<colorbar>"]


def title(axes: Axes) -> str:
    return axes.get_title(loc="left") or axes.get_title()


def images(figure: Figure) -> list[AxesImage]:
    return [image for axes in panels(figure) for image in axes.images]


def test_every_figure_of_the_module_is_tested_here() -> None:
    public = {
        name
        for name, value in vars(figures).items()
        if callable(value)
        and getattr(value, "__module__", "") == figures.__name__
        and not name.startswith("_")
    }
    assert public - {"show", "label"} == FIGURES.keys()


def digests_of(name: str, directory: Path) -> list[str]:
    shown = figures.show(FIGURES[name][0](), directory, name)
    assert shown.data == (directory / f"{name}.png").read_bytes()
    written = sorted(directory.iterdir())
    assert [path.name for path in written] == sorted(f"{name}{suffix}" for suffix in SUFFIXES)
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in written]


@pytest.mark.parametrize("name", FIGURES)
def test_files_are_whole(name: str, tmp_path: Path) -> None:
    digests_of(name, tmp_path)
    assert ElementTree.parse(tmp_path / f"{name}.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"
    with Image.open(tmp_path / f"{name}.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    assert min(pixels.shape[:2]) > 200
    # Wider figures would have smaller letters than the others on a page.
    assert pixels.shape[1] <= 8.0 * PIXELS_PER_INCH
    assert (pixels < 128).any(axis=-1).mean() > 0.002  # something is drawn on the white page
    assert (pixels[:3] > 250).all()  # and nothing reaches over its edge


@pytest.mark.parametrize("name", ["study_area", "maps", "densities", "spectra"])
def test_files_are_alike_each_time(name: str, tmp_path: Path) -> None:
    assert digests_of(name, tmp_path / "first") == digests_of(name, tmp_path / "second")


@pytest.mark.parametrize("name", FIGURES)
def test_axes_and_bars_say_what_they_show_and_in_which_unit(name: str) -> None:
    figure, expected = FIGURES[name][0](), FIGURES[name][1]
    labels = {text for axes in panels(figure) for text in (axes.get_xlabel(), axes.get_ylabel())}
    bars = [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]
    for axes in bars:  # the label is on the long side
        assert axes.get_xlabel() or axes.get_ylabel()
    labels |= {axes.get_xlabel() or axes.get_ylabel() for axes in bars}
    assert labels == expected


@pytest.mark.parametrize("name", ["products", "maps"])
def test_compared_maps_share_their_limits_and_the_bars(name: str) -> None:
    figure = FIGURES[name][0]()
    limits = {image.get_clim() for image in images(figure)}
    assert len(images(figure)) == 1 + len(METHODS)
    ((low, high),) = limits
    (bar,) = [axes for axes in figure.axes if axes.get_label() == "<colorbar>"]
    assert bar.get_ylim() == pytest.approx((low, high))
    everything = np.concatenate([np.ma.getdata(image.get_array()).ravel() for image in images(figure)])
    assert low == pytest.approx(np.percentile(everything, 1)) and high == pytest.approx(
        np.percentile(everything, 99)
    )
    assert {image.get_cmap().name for image in images(figure)} == {"inferno"}


def test_both_temperatures_of_a_pair_share_their_limits() -> None:
    lst, ndvi, aster = images(figures.example_pair(pair()))
    assert lst.get_clim() == aster.get_clim() != ndvi.get_clim()
    assert not np.isfinite(
        np.ma.filled(aster.get_array(), np.nan)[:7]
    ).any()  # what is no ASTER temperature stays blank


def test_added_texture_is_symmetric_about_zero_and_shares_its_limits() -> None:
    shown = images(figures.added_texture(made()))
    ((low, high),) = {image.get_clim() for image in shown}
    assert low == -high < 0.0
    assert len(shown) == len(METHODS) - 1
    fields = made()
    np.testing.assert_allclose(shown[0].get_array(), fields["tsharp"].values - fields["bicubic"].values)


def test_densities_share_their_limits_and_their_bar() -> None:
    # The last product hits few pixels twice: on a scale of its own,
    # the bar of all would be wrong for the others.
    images = comparisons(2)
    first = comparison(3)
    figure = figures.densities(
        {"bicubic": replace(first, product=first.aster), **{"tsharp": images["tsharp"]}}
    )
    collections = [axes.collections[0] for axes in panels(figure)]
    assert len({collection.get_clim() for collection in collections}) == 1
    assert collections[0].get_clim()[1] >= max(
        float(np.max(collection.get_array())) for collection in collections
    )  # type: ignore[arg-type]


def test_maps_are_north_up_and_measured_in_kilometres() -> None:
    image, *_ = images(figures.maps(comparisons(1)))
    assert image.get_extent() == pytest.approx((0.0, 48 * 0.23165, 0.0, 44 * 0.23165))
    assert image.origin == "upper"
    np.testing.assert_array_equal(image.get_array(), comparisons(1)["bicubic"].aster.values)


def test_every_panel_names_its_product() -> None:
    labels = [METHODS[name].label for name in METHODS]
    assert [title(axes) for axes in panels(figures.maps(comparisons()))] == ["ASTER", *labels]
    densities = [title(axes) for axes in panels(figures.densities(comparisons()))]
    assert [text.split(":")[0] for text in densities] == labels


def test_densities_tell_the_slope_of_the_regression() -> None:
    one = comparison(3)
    steep = replace(one, product=one.aster.with_values(2.0 * one.aster.values - 305.0))
    assert title(panels(figures.densities({"tsharp": steep}))[0]) == "TsHARP: slope 2.00"


def test_regressions_tell_the_fit_over_all_pixels_and_the_medians() -> None:
    titles = [title(axes) for axes in panels(FIGURES["regressions"][0]())]
    assert titles[0] == "All pixels\nLST = 315.0 K − 12.0 K · NDVI, R² = 1.00"
    assert [text.split("median ")[1] for text in titles[1:]] == ["−10.5", "310.5", "0.70"]


def test_regressions_of_a_cloud_tell_how_loose_it_is() -> None:
    noise = np.random.default_rng(9).normal(0.0, 3.0, SLOPE_NDVI.size)
    lst_k = 300.0 + 6.0 * SLOPE_NDVI + noise
    heading = title(panels(figures.regressions(SLOPE_NDVI, lst_k, fits([1.0], [300.0], [0.1])))[0])
    line = stats.linregress(SLOPE_NDVI, lst_k)
    assert heading.endswith(
        f"LST = {line.intercept:.1f} K + {line.slope:.1f} K · NDVI, R² = {line.rvalue**2:.2f}"
    )


def test_seasons_count_the_months() -> None:
    dates = ["2018-04-15"] * 3 + ["2019-04-02", "2018-12-31"]
    (axes,) = panels(figures.seasons(dates, [300.0] * 5, [True, True, False, True, False]))
    training, validation = (
        dict(enumerate((bar.get_height() for bar in bars), start=1)) for bars in axes.containers
    )
    assert training == {month: 3 * (month == 4) for month in range(1, 13)}
    assert validation == {month: (month == 4) + (month == 12) for month in range(1, 13)}
    assert [bar.get_y() for bar in axes.containers[1]][3] == 3  # on top of those that train


def test_seasons_add_up_in_the_legend() -> None:
    dates = ["2018-04-15", "2018-05-02", "2018-12-31", "2019-01-02"]
    (axes,) = panels(figures.seasons(dates, [300.0] * 4, [True, False, True, True]))
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "Dec–Feb (2)", "Mar–May (2)", "Jun–Aug (0)", "Sep–Nov (0)", "validation (1)",
    ]  # fmt: skip


def test_patch_places_lie_where_the_windows_do() -> None:
    axes, _, key = panels(figures.patch_places(places()))
    (squares,) = [drawn for drawn in axes.collections if isinstance(drawn, PatchCollection)]
    assert squares.get_array().tolist() == [3, 1, 7]  # type: ignore[union-attr]
    corners = np.array(
        [path.get_extents().get_points()[[0, 1], [0, 1]] for path in squares.get_paths()]
    )  # left, top
    assert corners == pytest.approx(places()[["left_m", "top_m"]].to_numpy())
    tiles = [text.get_text() for text in key.get_legend().get_texts()]  # type: ignore[union-attr]
    assert tiles == ["MODIS tile h18v04", "MODIS tile h19v04"]
    left, right, bottom, top = axes.get_extent()  # type: ignore[attr-defined]
    assert (
        left < Tile(18, 4).left_m
        and right > Tile(20, 4).left_m
        and bottom < Tile(18, 5).top_m
        and top > TILE.top_m
    )


def test_shares_of_windows_stack_to_all_of_them() -> None:
    day, night = panels(figures.share_kept(kept()))
    heights = np.array([bar.get_height() for bar in day.patches]).reshape(3, 2)
    np.testing.assert_allclose(heights, [[25.0, 100.0], [25.0, 0.0], [50.0, 0.0]])
    assert (
        title(day) == "Day: 50.0% of the windows kept" and title(night) == "Night: 25.0% of the windows kept"
    )


@pytest.mark.parametrize("date", ["", float("nan"), None])
def test_seasons_without_dates_show_mean_temperatures(date: str) -> None:
    (axes,) = panels(figures.seasons([date] * 4, [300.0, 301.0, 302.0, 309.0], [True, True, True, False]))
    assert axes.get_xlabel() == "mean LST of the patch (K)"
    assert sum(bar.get_height() for bar in axes.patches) == 4


def test_seasons_leave_out_the_patches_without_a_date() -> None:
    (axes,) = panels(figures.seasons(["2018-04-15", float("nan"), ""], [300.0] * 3, [True] * 3))  # type: ignore[list-item]
    assert sum(bar.get_height() for bar in axes.patches) == 1


def test_training_curves_show_the_published_best_epochs() -> None:
    figure = figures.training_curves(published_curves("sif-cnn-sr1", "sif-cnn-sr2", "sc-unet"))
    titles = " ".join(title(axes) for axes in panels(figure))
    assert re.findall(r"best epoch (\d+)", titles) == ["22", "121", "99"]
    empty = [" ".join(text.get_text() for text in axes.texts) for axes in panels(figure) if not axes.lines]
    assert empty == ["SC-Unet:\nno reconstruction loss", "SC-Unet:\nno texture loss"]  # it has one loss only
    assert len(panels(figures.training_curves(published_curves("sc-unet")))) == 3


def test_spectra_are_per_kilometre_and_leave_out_the_mean() -> None:
    (axes,) = panels(figures.spectra(spectra_table(["aster", "tsharp"], False), "Scene 7"))
    line = axes.lines[1]
    assert line.get_label() == "TsHARP"
    assert len(line.get_xdata()) == 19 and np.max(line.get_xdata()) == pytest.approx(1 / (2 * 0.23165))
    np.testing.assert_allclose(line.get_ydata(), -9.0 * np.asarray(line.get_xdata()))


def test_lines_differ_in_more_than_colour() -> None:
    (axes,) = panels(FIGURES["spectra"][0]())
    lines = axes.lines[: 2 + len(METHODS)]
    assert len({line.get_color() for line in lines}) == len(lines)
    dashes = {str(line._unscaled_dash_pattern) for line in lines}  # type: ignore[attr-defined]
    assert len(dashes) >= len(lines) - 1  # ASTER, solid too, is thicker


def test_against_bias_shows_only_what_was_judged() -> None:
    table, modis = results(list(METHODS))
    table.loc[3, "status"] = "weights missing"
    for axes in panels(figures.against_bias(table, modis)):
        assert sum(len(np.asarray(points.get_offsets())) for points in axes.collections) == len(table) - 1


def test_study_area_holds_the_whole_tile_and_the_swaths_where_they_are() -> None:
    axes, _, key = panels(FIGURES["study_area"][0]())
    west, east = axes.get_xlim()
    south, north = axes.get_ylim()
    assert west < TILE.left_m and east > TILE.left_m + TILE_SIZE_M
    assert south < TILE.top_m - TILE_SIZE_M and north > TILE.top_m
    legend = key.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["MODIS tile h18v04", "ASTER swaths (2)"]
    (outlines,) = [drawn for drawn in axes.collections if str(drawn.get_label()).startswith("ASTER")]
    longitudes, latitudes = FOOTPRINT.T
    x, y = transform("EPSG:4326", SINUSOIDAL, longitudes.tolist(), latitudes.tolist())
    # Sphere against ellipsoid.
    np.testing.assert_allclose(outlines.get_paths()[0].vertices, np.column_stack([x, y]), atol=1500.0)


def test_study_area_says_what_the_outlines_are() -> None:
    key = panels(figures.study_area({"1": FOOTPRINT}, TILE, "simulated ASTER swaths"))[2]
    assert key.get_legend().get_texts()[1].get_text() == "simulated ASTER swaths (1)"  # type: ignore[union-attr]


def test_ablation_puts_numbers_where_they_lie_and_the_base_among_them() -> None:
    *_, alpha, gamma = panels(FIGURES["ablation"][0]())
    varied, base = (container.lines[0] for container in alpha.containers)
    assert list(varied.get_xdata()) == [0.9, 0.95] and list(base.get_xdata()) == [0.99]
    assert base.get_markerfacecolor() == "none" != varied.get_markerfacecolor()
    assert [tick.get_text() for tick in alpha.get_xticklabels()] == ["0.9", "0.95", "0.99"]
    assert [tick.get_text() for tick in gamma.get_xticklabels()] == ["-0.5", "scene"]
    assert [list(container.lines[0].get_xdata()) for container in gamma.containers] == [[0.0], [1.0]]


SINGLE: dict[str, Callable[[], Figure]] = {
    "products": lambda: figures.products(coarse(field(12, 10, 1)), made(1)),
    "added_texture": lambda: figures.added_texture(made(2)),
    "maps": lambda: figures.maps(comparisons(1)),
    "distributions": lambda: figures.distributions(comparisons(1)),
    "densities": lambda: figures.densities(comparisons(1)),
    "spectra": lambda: figures.spectra(spectra_table(["bicubic"], False), "One"),
    "mean of one": lambda: figures.spectra(spectra_table(["bicubic"], True).assign(std_db=np.nan), "One"),
    "against_bias": lambda: figures.against_bias(*results(["bicubic"], scenes=1)),
    "training_curves": lambda: figures.training_curves(published_curves("sc-unet").head(1)),
    "study_area": lambda: figures.study_area({"1": FOOTPRINT}, TILE),
    "patch_places": lambda: figures.patch_places(places().head(1)),
    "share_kept": lambda: figures.share_kept(kept().head(1)),
    "seasons": lambda: figures.seasons([""], [300.0], [True]),
    "regressions": lambda: figures.regressions(SLOPE_NDVI, 315.0 - SLOPE_NDVI, fits([-1.0], [315.0], [1.0])),
}


@pytest.mark.parametrize("name", SINGLE)
def test_a_single_method_scene_or_patch_is_enough(name: str, tmp_path: Path) -> None:
    figures.show(SINGLE[name](), tmp_path, "figure")
    assert (tmp_path / "figure.svg").stat().st_size > 2000


def holed(values: np.ndarray) -> np.ndarray:
    values[3:9, 4:8] = np.nan
    return values


@pytest.mark.parametrize(
    "make",
    [
        lambda: figures.example_pair(pair(holes=True)),
        lambda: figures.products(coarse(holed(field(12, 10, 1))), {"bicubic": fine(holed(field(48, 40, 2)))}),
        lambda: figures.added_texture(
            {"bicubic": fine(holed(field(48, 40, 2))), "tsharp": fine(field(48, 40, 3))}
        ),
    ],
    ids=["example_pair", "products", "added_texture"],
)
def test_holes_stay_blank_and_leave_the_limits_finite(make: Callable[[], Figure], tmp_path: Path) -> None:
    figure = make()
    figures.show(figure, tmp_path, "figure")
    assert all(np.isfinite(image.get_clim()).all() for image in images(figure))
    assert any(np.ma.getmaskarray(np.ma.masked_invalid(image.get_array())).any() for image in images(figure))


def test_a_figure_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        figures.show(SINGLE["seasons"](), tmp_path / "file", "figure")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_differences_read_row_minus_column_and_hatch_what_may_be_chance() -> None:
    names = list(METHODS)
    image = panels(figures.differences(paired_differences()))[0].images[0].get_array()
    assert image[0, 1] == pytest.approx(0.1) and image[1, 0] == pytest.approx(-0.1)
    assert np.isnan(np.diag(image.filled(np.nan))).all()
    counts = [
        len(panels(figures.differences(paired_differences(chance)))[0].patches) for chance in (False, True)
    ]
    assert counts == [0, len(names) * (len(names) - 1)]


def test_offsets_count_pairs_and_show_the_gain_of_each_scene() -> None:
    left, right = panels(figures.offsets(placed_both_ways()))
    np.testing.assert_array_equal(left.images[0].get_array(), [[1], [1], [0], [1]])
    gains = right.collections[0].get_offsets()[:, 1]
    np.testing.assert_allclose(sorted(gains), [0.0, 0.1, 0.3], atol=1e-9)


def test_distortion_draws_the_path_from_no_step_on() -> None:
    left, right = panels(figures.distortion(back_projections()))
    np.testing.assert_allclose(left.lines[0].get_xdata(), [2.0, 2.1, 2.2])
    np.testing.assert_allclose(left.lines[0].get_ydata(), [0.5, 0.55, 0.6])
    np.testing.assert_allclose(right.lines[0].get_xdata(), [1.0, 0.5, 1 / 3])
    assert left.lines[1].get_xdata()[0] == 2.0  # the symbol stands at the method's own product


def test_lines_of_all_methods_differ() -> None:
    (axes,) = panels(FIGURES["spectra"][0]())
    styles = {
        (line.get_color(), str(line.get_linestyle()), str(line._unscaled_dash_pattern))
        for line in axes.lines[:-1]
    }
    assert len(styles) == len(METHODS) + 2


def test_the_trade_has_a_panel_for_each_part_and_protocol_with_whiskers_to_the_interval() -> None:
    parts = {"development": "62 scenes", "test": "21 scenes", "apart": "8 scenes"}
    panels = figures.trade(compared(), parts, ["georeferenced", "registered"]).axes
    assert [panel.get_title(loc="left") for panel in panels] == [
        f"{name}\n{protocol}"
        for name in ("62 scenes", "21 scenes")
        for protocol in ("georeferenced", "registered")
    ]
    for panel in panels:
        (first, second) = panel.containers
        assert (first.get_label(), second.get_label()) == ("Bicubic", "SC-Unet")
        horizontal, vertical = (line.get_segments()[0] for line in second.lines[2])
        assert horizontal[:, 0] == pytest.approx([1.65, 1.95]) and vertical[:, 1] == pytest.approx(
            [0.15, 0.45]
        )
    assert panels[0].get_xlim() == panels[1].get_xlim()


def test_shifts_are_drawn_downwards_with_the_constant() -> None:
    (axes,) = figures.shifts(scene_shifts(), Shift(0.78, 0.91)).axes
    assert axes.yaxis_inverted()
    (constant,) = [line for line in axes.lines if line.get_label() == "the constant"]
    assert (constant.get_xdata(), constant.get_ydata()) == ([0.91], [0.78])
