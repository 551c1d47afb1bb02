"""Pictures of maps: in colours where there is an LST, with shorelines where the sea begins."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from affine import Affine
from matplotlib.collections import QuadMesh
from matplotlib.image import imread

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import FINE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.geo.raster import Raster
from lstsr_core.maps.cog import Band, write_cog
from lstsr_core.maps.quicklook import input_and_map, lst_map, quality_map, trust_map, write_quicklook


@pytest.fixture(scope="module")
def coast(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A map over the mouth of the Rhône, where a shoreline runs through."""
    path = tmp_path_factory.mktemp("map") / "map.tif"
    lst = np.linspace(290.0, 310.0, 600 * 600, dtype=np.float32).reshape(600, 600)
    lst[:100, :100] = np.nan
    flags = np.where(np.isnan(lst), 1.0, 0.0).astype(np.float32)
    transform = Tile(18, 4).transform(FINE_PIXEL_M) @ Affine.translation(1500, 2800)
    bands = [
        Band(lst, "LST", "K"),
        Band(lst - 300.0, "consistency residual at 1 km", "K"),
        Band(flags, "validity"),
    ]
    write_cog(
        bands,
        transform,
        SINUSOIDAL,
        path,
        {"LSTSR_METHOD": "dms", "LSTSR_LST_GRANULE": "MOD21A1D.A2018200.h18v04.061.hdf"},
    )
    return path


def test_the_lst_is_drawn_with_its_shoreline(coast: Path) -> None:
    figure = lst_map(coast)
    axes, bar = figure.axes
    assert (
        "DMS" in axes.get_title(loc="left")
        and "A2018200" in axes.get_title(loc="left")
        and bar.get_ylabel() == "LST (K)"
    )
    (image,) = [*axes.images, *(artist for artist in axes.collections if isinstance(artist, QuadMesh))]
    shown = np.ma.asarray(image.get_array())
    assert (
        np.ma.masked_invalid(shown).mask[:90, :90].all()
        and not np.ma.masked_invalid(shown).mask[110:, 110:].any()
    )
    west, east, south, north = axes.get_extent()
    shorelines = [np.asarray(line.get_data(), dtype=float) for line in axes.lines]
    rhone = [((x > 4.3) & (x < 5.0) & (y > 43.25) & (y < 43.6)).sum() for x, y in shorelines]  # degrees
    assert max(rhone) > 10
    assert (round(east - west), round(north - south)) == (
        round(600 * FINE_PIXEL_M),
        round(600 * FINE_PIXEL_M),
    )


def test_residual_and_flags_are_drawn_with_their_meaning(coast: Path) -> None:
    figure = quality_map(coast)
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["Degraded map − 1 km LST", "Validity"]
    legend = figure.axes[1].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()][:4] == [
        "valid",
        "cloud, fill",
        "no NDVI",
        "water",
    ]
    colours = figure.axes[1].images[0].get_cmap()(np.arange(7))
    np.testing.assert_allclose([patch.get_facecolor() for patch in legend.get_patches()], colours)


def test_input_and_map_lie_side_by_side_in_the_same_colours(coast: Path) -> None:
    coarse_k = np.linspace(280.0, 320.0, 150 * 150).reshape(150, 150)
    transform = Tile(18, 4).transform(4 * FINE_PIXEL_M) @ Affine.translation(375, 700)
    figure = input_and_map(Raster(coarse_k, transform, SINUSOIDAL), coast)
    left, right, bar = figure.axes
    np.testing.assert_allclose(left.images[0].get_array(), coarse_k)
    assert left.images[0].get_clim() == right.images[0].get_clim() and bar.get_xlabel() == "LST (K)"
    assert left.get_extent() == pytest.approx(right.get_extent())


def test_trust_is_validity_with_uncertainty_or_else_the_residual(coast: Path, tmp_path: Path) -> None:
    assert [axes.get_title(loc="left") for axes in trust_map(coast).axes[:2]] == [
        "Validity",
        "Degraded map − 1 km LST",
    ]
    deviation_k = np.linspace(0.5, 2.5, 40 * 40, dtype=np.float32).reshape(40, 40)
    bands = [Band(np.zeros_like(deviation_k), name) for name in ("LST", "residual", "validity")]
    path = tmp_path / "sure.tif"
    write_cog(
        [*bands, Band(deviation_k, "uncertainty", "K")],
        Tile(18, 4).transform(FINE_PIXEL_M),
        SINUSOIDAL,
        path,
        {},
    )
    figure = trust_map(path)
    np.testing.assert_allclose(figure.axes[1].images[0].get_array(), deviation_k)
    assert figure.axes[2].get_xlabel() == "uncertainty (K)"


def test_pictures_are_the_same_bytes_each_time_and_hold_colours(coast: Path, tmp_path: Path) -> None:
    for name in "ab":
        write_quicklook(coast, tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    pixels = imread(tmp_path / "a.png")[..., :3]
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 200


def test_what_is_no_map_is_refused(tmp_path: Path) -> None:
    (tmp_path / "map.tif").write_text("no map")
    with pytest.raises(InputError, match="not a readable GeoTIFF"):
        write_quicklook(tmp_path / "map.tif", tmp_path / "map.png")
    assert not (tmp_path / "map.png").exists()
