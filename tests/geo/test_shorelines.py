"""Shorelines and borders: every line that meets a box is there, and known coasts lie where they are."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from lstsr_core.geo.shorelines import Extent, lines

MEDITERRANEAN = Extent(0.0, 40.0, 16.0, 46.0)


@cache
def world(kind: str) -> list[np.ndarray]:
    return lines(kind, Extent(-180.0, -90.0, 180.0, 90.0), "c")


def degrees_away(longitude: float, latitude: float, shores: list[np.ndarray]) -> float:
    points = np.concatenate(shores)
    return float(
        np.hypot((points[:, 0] - longitude) * np.cos(np.deg2rad(latitude)), points[:, 1] - latitude).min()
    )


@pytest.mark.parametrize(
    ("longitude", "latitude"),
    [(8.93, 44.40), (4.58, 43.36), (7.27, 43.69), (9.16, 41.39), (13.50, 43.62)],
    ids=["Genoa", "mouth of the Rhône", "Nice", "Bonifacio", "Ancona"],
)
def test_known_coasts_are_there(longitude: float, latitude: float) -> None:
    assert degrees_away(longitude, latitude, lines("shorelines", MEDITERRANEAN)) < 0.1


def test_known_inland_places_are_not_on_a_coast() -> None:
    assert degrees_away(7.44, 46.0, lines("shorelines", Extent(6.0, 45.0, 9.0, 47.0))) > 0.5  # the Valais


def test_known_borders_are_there() -> None:
    shores = lines("borders", MEDITERRANEAN)
    assert degrees_away(7.53, 43.79, shores) < 0.1  # France and Italy at Ventimiglia
    assert degrees_away(6.87, 45.83, shores) < 0.1  # at Mont Blanc
    assert degrees_away(11.25, 43.77, shores) > 0.5  # Florence


@pytest.mark.parametrize("kind", ["shorelines", "borders"])
@pytest.mark.parametrize("resolution", ["c", "l", "i"])
def test_lines_are_degrees(kind: str, resolution: str) -> None:
    shores = lines(kind, MEDITERRANEAN, resolution)
    assert shores
    for line in shores:
        assert line.dtype == np.float64 and line.ndim == 2 and line.shape[1] == 2 and len(line) > 1
        assert np.abs(line[:, 0]).max() <= 180.0 and np.abs(line[:, 1]).max() <= 90.0


def test_a_finer_resolution_has_more_points() -> None:
    crude, low, intermediate = (
        sum(map(len, lines("shorelines", MEDITERRANEAN, resolution))) for resolution in "cli"
    )
    assert crude < low < intermediate


@settings(max_examples=25)
@given(st.floats(-175.0, 150.0), st.floats(-85.0, 70.0), st.floats(0.5, 25.0), st.floats(0.5, 15.0))
@pytest.mark.parametrize("kind", ["shorelines", "borders"])
def test_every_line_that_meets_the_box_is_found_and_none_far_from_it(
    kind: str, west: float, south: float, width: float, height: float
) -> None:
    box = shapely.box(west, south, west + width, south + height)
    shores = lines(kind, Extent(west, south, west + width, south + height), "c")
    for line in shores:
        assert shapely.box(*line.min(axis=0), *line.max(axis=0)).buffer(1e-4).intersects(box)
    keys = {line.tobytes() for line in shores}
    meeting = [line for line in world(kind) if shapely.LineString(line).intersects(box)]
    assert all(line.tobytes() in keys for line in meeting)


def test_the_open_ocean_has_no_coast() -> None:
    assert lines("shorelines", Extent(-130.0, -50.0, -120.0, -40.0)) == []
