"""Maps of footprints as SVG, read as XML."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import numpy as np
import pytest

from lstsr_book.atlas_map import FootprintMap

SVG_MARK = re.compile(r"M([-\d. L]+)Z")


def square(longitude: float, latitude: float, side: float = 0.5) -> np.ndarray:
    corners = [[0.0, 0.0], [side, 0.0], [side, side], [0.0, side], [0.0, 0.0]]
    return np.array(corners) + np.array([longitude, latitude])


@pytest.fixture(scope="module")
def footprints() -> FootprintMap:
    return FootprintMap({"0": square(3.0, 43.0), "1": square(8.0, 45.0), "2": square(5.0, 47.0, side=1.0)})


def points_of(path: str) -> np.ndarray:
    match = SVG_MARK.fullmatch(path)
    assert match is not None, path
    return np.array([[float(value) for value in point.split()] for point in match[1].split("L")])


def test_each_footprint_is_a_link_with_a_name(footprints: FootprintMap) -> None:
    svg = ElementTree.fromstring(
        footprints.chooser(
            {name: f"atlas/{name}.html" for name in "012"}, {name: f"Pair {name} & more" for name in "012"}
        )
    )
    links = svg.findall("a")
    assert {(link.get("href"), link.get("aria-label")) for link in links} == {
        (f"atlas/{name}.html", f"Pair {name} & more") for name in "012"
    }
    assert links[0].get("href") == "atlas/2.html"  # the largest lies under the others
    assert [path.get("class") for path in svg.findall("path")] == ["shorelines", "borders"]


def test_shorelines_and_borders_are_lines_that_a_browser_can_read() -> None:
    wide = FootprintMap({"0": square(0.0, 42.0), "1": square(12.0, 48.5)})
    svg = ElementTree.fromstring(wide.locator("0", "x"))
    for path in svg.findall("path")[:2]:
        assert re.fullmatch(r"(M-?[\d.]+ -?[\d.]+(L-?[\d.]+ -?[\d.]+)+)+", str(path.get("d")))


def test_meridians_and_parallels_are_named_where_they_lie(footprints: FootprintMap) -> None:
    """A footprint's corner at 6° E, 48° N lies where both lines cross."""
    svg = ElementTree.fromstring(footprints.chooser(dict.fromkeys("012", "x"), dict.fromkeys("012", "x")))
    _, _, width, height = (float(value) for value in str(svg.get("viewBox")).split())
    names = {
        str(label.text): (float(str(label.get("x"))), float(str(label.get("y"))))
        for label in svg.findall("g/text")
    }
    assert {"4° E", "6° E", "44° N", "46° N"} <= names.keys() and len(names) <= 12
    assert all(0.0 <= x < width - 40.0 and 16.0 < y < height + 0.5 for x, y in names.values())
    corner = points_of(str(svg.findall("a/path")[0].get("d")))[2]  # of scene 2: 6° E, 48° N
    assert names["48° N"][1] == pytest.approx(corner[1], abs=0.1)
    lines = str(svg.findall("g/path")[0].get("d")).split("M")[1:]
    (meridian,) = (line for line in lines if abs(float(line.split()[0]) - names["6° E"][0]) < 0.1)
    places = np.array([[float(value) for value in point.split()] for point in meridian.split("L")])
    assert np.interp(-corner[1], -places[:, 1], places[:, 0]) == pytest.approx(corner[0], abs=1.0)


def test_around_greenwich_and_the_equator_names_change_sides() -> None:
    svg = ElementTree.fromstring(FootprintMap({"0": square(-0.2, -0.2)}).chooser({"0": "x"}, {"0": "x"}))
    assert {"2° W", "0°", "2° E", "2° S", "2° N"} <= {str(label.text) for label in svg.findall("g/text")}


def test_footprints_lie_inside_in_the_order_of_the_sky(footprints: FootprintMap) -> None:
    svg = ElementTree.fromstring(footprints.chooser(dict.fromkeys("012", "x"), dict.fromkeys("012", "x")))
    _, _, width, height = (float(value) for value in str(svg.get("viewBox")).split())
    middles = [points_of(str(path.get("d"))).mean(axis=0) for path in svg.findall("a/path")]
    (north_x, north_y), *others = middles
    (west_x, west_y), (east_x, east_y) = sorted(others, key=lambda middle: float(middle[0]))
    assert 0 < west_x < north_x < east_x < width
    assert 0 < north_y < east_y < west_y < height


def test_a_degree_of_longitude_is_as_much_shorter_as_on_the_ground(footprints: FootprintMap) -> None:
    svg = ElementTree.fromstring(footprints.chooser(dict.fromkeys("012", "x"), dict.fromkeys("012", "x")))
    side = points_of(str(svg.findall("a/path")[0].get("d")))
    south, west = np.linalg.norm(side[1] - side[0]), abs(side[3, 1] - side[0, 1])
    assert south / west == pytest.approx(math.cos(math.radians(47.0)), abs=0.01)


def test_the_locator_fills_one_footprint_and_has_no_links(footprints: FootprintMap) -> None:
    svg = ElementTree.fromstring(footprints.locator("1", "Where pair 1 lies"))
    assert (svg.get("role"), svg.get("aria-label")) == ("img", "Where pair 1 lies")
    assert svg.findall("a") == []
    classes = [path.get("class") for path in svg.findall("path")]
    assert classes == ["shorelines", "borders", "footprint other", "footprint here"]
    assert str(svg.findall("path")[2].get("d")).count("Z") == 2


def test_scenes_close_together_still_show_a_coast() -> None:
    near = FootprintMap({"0": square(4.0, 44.0), "1": square(4.2, 44.1)})
    svg = ElementTree.fromstring(near.locator("0", "x"))
    shores = str(svg.findall("path")[0].get("d"))
    assert shores.count("M") >= 1 and shores.count("L") > 20
    assert near.extent.north - near.extent.south == pytest.approx(8.0)
