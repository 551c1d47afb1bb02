"""Flags: what is outside the training's range, as a pixel and as a share."""

from __future__ import annotations

import numpy as np
import pyproj
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lstsr_core.maps.validity import (
    FLAGS,
    away_from_training_km,
    has_lst,
    outside_training,
    range_warnings,
    shares_of,
    unseen_warnings,
)
from lstsr_core.patches.statistics import Statistics

STATISTICS = Statistics(300.0, 8.0, 0.6, 0.2, lst_min_k=280.0, lst_max_k=320.0, ndvi_min=-0.1, ndvi_max=0.9)


@given(
    arrays(np.float64, (2, 3), elements=st.floats(270, 330)),
    arrays(np.float64, (8, 12), elements=st.floats(-1, 1)),
)
def test_a_pixel_is_outside_by_its_lst_or_by_its_ndvi(lst_k: np.ndarray, ndvi: np.ndarray) -> None:
    mask = outside_training(lst_k, ndvi, STATISTICS)
    for (row, column), outside in np.ndenumerate(mask):
        cold_or_hot = not 280.0 <= lst_k[row // 4, column // 4] <= 320.0
        assert outside == (cold_or_hot or not -0.1 <= ndvi[row, column] <= 0.9)


def test_gaps_and_unknown_ranges_are_not_outside() -> None:
    gaps = outside_training(np.full((1, 1), np.nan), np.full((4, 4), np.nan), STATISTICS)
    assert not gaps.any()
    assert not outside_training(
        np.full((1, 1), 900.0), np.full((4, 4), 9.0), Statistics(300.0, 8.0, 0.6, 0.2)
    ).any()


@given(arrays(np.uint8, (5, 7), elements=st.integers(0, len(FLAGS) - 1)))
def test_shares_add_up(validity: np.ndarray) -> None:
    shares = shares_of(validity)
    assert sum(shares.values()) == 1.0 or abs(sum(shares.values()) - 1.0) < 1e-12
    assert list(shares) == list(FLAGS.values())
    assert np.isclose(sum(shares[FLAGS[flag]] for flag in (0, 4, 6)), has_lst(validity).mean())


def test_warnings_count_the_maps_own_pixels() -> None:
    lst_k, ndvi = np.array([[330.0, 300.0]]), np.full((4, 8), 0.5)
    validity = np.zeros((4, 8), dtype=np.uint8)
    validity[:, :2], validity[:, 6:] = 1, 3
    (warning,) = range_warnings(lst_k, ndvi, validity, STATISTICS, "sc-unet.safetensors")
    assert warning.startswith(
        "LST of 50.00% of the valid pixels is outside the 280.00 to 320.00 K that sc-unet.safetensors was"
    )
    assert "(here 300.00 to 330.00 K)" in warning and "\n" not in warning
    assert warning.endswith("flagged 4; the method aatprk needs no training")
    inside = range_warnings(np.array([[310.0, 300.0]]), ndvi, validity, STATISTICS, "x")
    assert inside == ()


def test_what_the_weights_have_not_seen_is_a_line_each_that_names_a_method_without_training() -> None:
    assert unseen_warnings("Terra", "day", 1000.0) == ()
    for unseen, words in (
        (("Terra", "night"), ["LST is of Terra by night"]),
        (("Aqua", "day"), ["LST is of Aqua by day"]),
        (("Terra", "day", 8000.0), ["the place lies 8000 km from tile h18v04"]),
        (("Aqua", "night", 8000.0), ["LST is of Aqua by night", "the place lies 8000 km"]),
    ):
        lines = unseen_warnings(*unseen)
        assert [line.startswith(start) for line, start in zip(lines, words, strict=True)] == [True] * len(
            words
        )
        assert all(line.endswith("flagged 6; the method aatprk needs no training") for line in lines)


@pytest.mark.parametrize(
    ("longitude", "latitude", "away_km"),
    [
        (3.6, 46.3, 0.0),
        (-74.0, 40.7, 5634.0),  # New York to the tile's corner at 0 E, 50 N
        (0.0, 60.0, 1112.0),  # ten degrees north of its corner
        (3.0, 36.75, 361.4),  # Algiers, 3.25 degrees south of its edge
    ],
)
def test_the_distance_from_the_tile_of_training(longitude: float, latitude: float, away_km: float) -> None:
    assert away_from_training_km(longitude, latitude) == pytest.approx(away_km, rel=0.02)
    geod, outline = pyproj.Geod(a=6371007.181, b=6371007.181), []
    for south in np.linspace(40.0, 50.0, 41):
        for share in np.linspace(0.0, 1.0, 21):
            outline.append((10.0 * share / np.cos(np.radians(south)), south))
    nearest = min(geod.inv(longitude, latitude, *point)[2] for point in outline) / 1000.0
    assert away_from_training_km(longitude, latitude) == pytest.approx(nearest, abs=25.0)
