"""A continent on paper: products and quotients of what one tile took."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from lstsr_book.continent import EUROPE_TILES, Continent, MeasuredMap, continent_substitutions
from lstsr_core.base.errors import InputError
from lstsr_core.base.project import PROJECT
from lstsr_core.geo.grid import Tile

MEASURED = MeasuredMap("tsharp", 36.0, 2_000_000_000, 100_000_000, 50_000_000, "one", 1.9)


def test_totals() -> None:
    continent = Continent(tiles=20, days=365, measured=MEASURED)
    assert continent.maps == 7300
    assert (continent.bytes_in, continent.bytes_out) == (730_000_000_000, 365_000_000_000)
    assert continent.processor_hours == pytest.approx(73.0)
    assert continent.hours(1) == pytest.approx(73.0)
    assert continent.hours(7300) == continent.hours(10_000) == pytest.approx(0.01)
    assert continent.hours(7299) == pytest.approx(0.02)


def test_europe_has_its_corners() -> None:
    assert len(set(EUROPE_TILES)) == 20
    for x_m, y_m in ((-750_000.0, 4_300_000.0), (270_000.0, 5_100_000.0), (3_300_000.0, 6_700_000.0)):  # Lisbon, France, Urals
        assert str(Tile.at(x_m, y_m)) in EUROPE_TILES


def test_the_page_finds_every_figure() -> None:
    page = (PROJECT / "book" / "beyond_one_machine.md").read_text()
    figures = continent_substitutions(MeasuredMap.read(PROJECT / "data" / "measured" / "tile_map.json"))
    assert set(re.findall(r"\{\{ (\w+) \}\}", page)) == set(figures)


def test_a_measurement_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text(json.dumps(asdict(MEASURED)))
    assert MeasuredMap.read(path) == MEASURED
    path.write_text("{}")
    with pytest.raises(InputError, match=r"map\.json: not the measurement of a tile's map"):
        MeasuredMap.read(path)
