"""A continent on paper: products and quotients of what one tile took."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lstsr_book.continent import EUROPE_TILES, continent_substitutions
from lstsr_core.base.errors import InputError
from lstsr_core.base.project import PROJECT
from lstsr_core.geo.grid import Tile

MEASURED = {
    "method": "tsharp", "seconds": 36.0, "peak_bytes": 2_000_000_000, "bytes_in": 100_000_000,
    "bytes_out": 50_000_000, "computer": "one", "two_workers": 1.9,
}  # fmt: skip


def test_totals(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text(json.dumps(MEASURED))
    figures = continent_substitutions(path)
    names = ("maps", "terabytes_in", "terabytes_out", "processor_hours")
    assert [figures[f"continent_{name}"] for name in names] == ["7,300", "0.7", "0.4", "73"]
    cells = re.findall(r"<t[hd][^>]*>([\d.,]+)</t[hd]>", figures["continent_table"])
    # 7300 maps are 3650, 457, 58 and 8 rounds of 36 s; a worker takes 2 GB.
    assert cells == ["2", "36.5", "4", "16", "4.6", "32", "128", "0.6", "256", "1024", "0.1", "2,048"]


def test_europe_has_its_corners() -> None:
    assert len(set(EUROPE_TILES)) == 20
    for x_m, y_m in (
        (-750_000.0, 4_300_000.0),
        (270_000.0, 5_100_000.0),
        (3_300_000.0, 6_700_000.0),
    ):  # Lisbon, France, Urals
        assert str(Tile.at(x_m, y_m)) in EUROPE_TILES


def test_the_page_finds_every_figure() -> None:
    page = (PROJECT / "book" / "beyond_one_machine.md").read_text()
    figures = continent_substitutions(PROJECT / "data" / "measured" / "tile_map.json")
    assert set(re.findall(r"\{\{ (\w+) \}\}", page)) == set(figures)


def test_what_is_no_measurement_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    path.write_text("{}")
    with pytest.raises(InputError, match=r"map\.json: not the measurement of a tile's map"):
        continent_substitutions(path)
