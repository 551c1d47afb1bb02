"""`lstsr map` and `lstsr where`: what a user types and gets; one line for each place or day that is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio

from lstsr_core.geo.grid import Tile
from lstsr_core.geo.shorelines import tiles_with_land
from lstsr_core.maps.area import to_degrees
from lstsr_core.maps.place import WORLD, Place
from worlds.places import DAY, Field
from worlds.soak import short_and_long

Lstsr = Callable[..., tuple[int, str, str]]

FOUR_CORNERS = "-0.3,49.8,0.3,50.2"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    Field.around(4800, 21600, 160).write(tmp_path / "cache")
    return tmp_path / "cache"


def arguments(cache: Path, out: Path, *more: object) -> list[object]:
    return ["map", "--source", "sample", "--method", "bicubic", "--cache", cache, "--out", out, *more]


def test_where_prints_tiles(lstsr: Lstsr) -> None:
    assert lstsr("where", "3.6,46.3") == (0, "h18v04\n", "")
    assert lstsr("where", "-0.5,49.5,0.5,50.5") == (0, "h17v03\nh18v03\nh17v04\nh18v04\n", "")
    code, printed, errors = lstsr("where", "-22,53")
    assert (code, printed) == (0, "h16v03\n") and errors.startswith("lstsr: h16v03: no land")
    for text in ("3.6", "200,0", "4,46,3,47", "a,b"):
        code, printed, errors = lstsr("where", text)
        assert (code, printed, errors.count("\n")) == (1, "", 1) and errors.startswith("lstsr: ")


def test_a_map_a_picture_and_the_cache_are_told(lstsr: Lstsr, cache: Path, tmp_path: Path) -> None:
    command = arguments(cache, tmp_path / "out" / "lst.tif", "--place", FOUR_CORNERS, "--date", DAY)
    code, printed, errors = lstsr(*command)
    first, last = printed.splitlines()
    assert code == 0 and first.startswith(f"{tmp_path / 'out' / 'lst.tif'}: ") and "(100.0% valid)" in first
    assert last.startswith(f"cache: {cache / 'sample'}: 8 granules, 1.")
    assert errors == "lstsr: the granules are simulated (--source sample): the map shows no real place\n"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["lst.png", "lst.tif"]
    assert "was there already" in lstsr(*command)[1]


def test_the_point_is_the_middle_of_its_map(lstsr: Lstsr, cache: Path, tmp_path: Path) -> None:
    out = tmp_path / "lst.tif"
    command = arguments(
        cache, out, "--point", "-0.01,50", "--radius-km", "20", "--date", DAY, "--no-quicklook"
    )
    assert lstsr(*command)[0] == 0 and not out.with_suffix(".png").exists()
    with rasterio.open(out) as source:
        assert source.height == pytest.approx(4 * 40 / 0.9266, abs=12)
        x_m, y_m = source.xy(source.height / 2, source.width / 2)
    longitude, latitude = (float(at[0]) for at in to_degrees(np.array([x_m]), np.array([y_m])))
    assert (longitude, latitude) == pytest.approx((-0.01, 50.0), abs=0.02)


def test_a_dry_run_tells_and_writes_nothing(lstsr: Lstsr, cache: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    more = ("--place", FOUR_CORNERS, "--start", DAY, "--end", "2019-07-20", "--dry-run")
    code, printed, errors = lstsr(*arguments(cache, tmp_path / "out", *more))
    lines = printed.splitlines()
    assert code == 0 and lines[0] == f"place: box {FOUR_CORNERS}: h17v03, h18v03, h17v04, h18v04"
    assert lines[1] == "days: 2019-07-19 to 2019-07-20, 2 days"
    assert lines[2].startswith("sample: 16 granules: 8 here, 8 to fetch; 296000000 bytes")
    assert "GB of memory" in lines[3] and "of all: " in lines[3] and lines[4].startswith("cache: ")
    assert "simulated" in errors and sorted(tmp_path.rglob("*")) == before


def test_many_days_go_into_a_directory_or_a_store(lstsr: Lstsr, cache: Path, tmp_path: Path) -> None:
    more = ("--place", FOUR_CORNERS, "--start", DAY, "--end", DAY, "--no-quicklook")
    code, printed, _ = lstsr(*arguments(cache, tmp_path / "out", *more))
    assert code == 0 and "1 maps made, 0 there already, 0 failed" in printed
    assert [path.name for path in (tmp_path / "out").iterdir()] == [f"MOD21A1D.A{DAY:%Y%j}_250m.tif"]
    assert "0 maps made, 1 there already" in lstsr(*arguments(cache, tmp_path / "out", *more))[1]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--place", "4,46,3,47"], "these are swapped, or the box lies over the antimeridian"),
        (["--place", "3,46,3,47"], "has no area"),
        (["--place", "179,-17,-179,-16"], "two boxes: 179,-17,180,-16 and -180,-17,-179,-16"),
        (["--place", "46,200,47,201"], "look at their order"),
        (["--place", "-180,-90,180,90"], "GB of memory"),
        (["--place", "-25,52,-20,55"], "h16v03 has no land"),
        (["--point", "0,0,0"], "expected longitude,latitude"),
        (["--point", "0,50", "--radius-km", "-1"], "the radius is -1 km"),
        (["--place", FOUR_CORNERS, "--radius-km", "9"], "--radius-km goes with --point"),
        (["--shape", "/nowhere.geojson"], "nowhere.geojson: cannot be read"),
        (["--place", FOUR_CORNERS, "--date", "1999-01-01"], "begin on 2000-02-24"),
        (["--place", FOUR_CORNERS, "--date", "2002-01-01", "--satellite", "aqua"], "begin on 2002-07-04"),
        (["--place", FOUR_CORNERS, "--date", "2250-01-01"], "is in the future"),
        (["--place", FOUR_CORNERS, "--date", "19.7.2019"], "is no day"),
        (
            ["--place", FOUR_CORNERS, "--date", "2019-07-19", "--end", "2019-07-20"],
            "expected --date for one day",
        ),
        (["--place", FOUR_CORNERS, "--method", "magic"], "unknown method 'magic'"),
        (["--place", FOUR_CORNERS, "--source", "moon"], "unknown source 'moon'"),
        (["--place", FOUR_CORNERS, "--water", "/nowhere"], "h17v03"),
    ],
)
@pytest.mark.parametrize("dry", [["--dry-run"], []], ids=["dry", "map"])
def test_bad_input_is_one_line(
    lstsr: Lstsr, tmp_path: Path, more: list[str], words: str, dry: list[str]
) -> None:
    day = [] if "--date" in more else ["--date", "2019-07-19"]
    command = arguments(tmp_path / "cache", tmp_path / "out" / "lst.tif", *more, *day, *dry)
    code, printed, errors = lstsr(*command)
    assert (code, printed, errors.count("\n")) == (1, "", 1), errors
    assert errors.startswith("lstsr: ") and words in errors
    assert not (tmp_path / "cache").exists() and not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_the_cache_is_never_replaced_by_a_map(lstsr: Lstsr, cache: Path) -> None:
    granule = next((cache / "sample").glob("MOD21A1D*.hdf"))
    before = granule.read_bytes()
    more = ("--place", FOUR_CORNERS, "--date", DAY, "--no-quicklook")
    code, _, errors = lstsr(*arguments(cache, granule, *more))
    assert code == 1 and "is the input" in errors and granule.read_bytes() == before


# Boxes and dates at random


def random_orders(count: int, seed: int) -> list[list[str]]:
    """Boxes anywhere, on land and none, and days with and without data."""
    random = np.random.default_rng(seed)
    land = sorted(tiles_with_land(), key=str)
    orders = []
    for number in range(count):
        west, south = random.uniform((-180, -90), (180, 90))
        wide, high = random.choice([0.01, 0.3, 2.0, 25.0], 2)
        if number % 2:  # on land
            (west,), (south,) = land_point(land[random.integers(len(land))], random)
        east, north = west + wide, south + high
        kind = random.choice(["box"] * 6 + ["swapped", "empty", "pole", "date line", "beyond", "point"])
        if kind == "swapped":
            west, east, south, north = east, west, north, south
        elif kind == "empty":
            east = west
        elif kind == "pole":
            south, north = (80.0 + 9.9 * random.random(), 90.0) if random.random() < 0.5 else (-90.0, -85.0)
        elif kind == "date line":
            west, east = 179.0, -179.0
        elif kind == "beyond":
            north = 95.0
        east, north = (min(east, 180.0), min(north, 90.0)) if kind in ("box", "pole") else (east, north)
        day = np.datetime64("1998-01-01") + int(random.integers(0, 11000))
        place = (
            ["--point", f"{west},{south}"]
            if kind == "point"
            else ["--place", f"{west},{south},{east},{north}"]
        )
        method = random.choice(["bicubic", "tsharp", "aster-unet-restored"])
        layer, satellite = random.choice(["day", "night"]), random.choice(["terra", "aqua"])
        orders.append(
            [*place, "--date", str(day), "--method", method, "--layer", layer, "--satellite", satellite]
        )
    return orders


def land_point(tile: Tile, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    x_m, y_m = (np.array([at_m]) + random.uniform(-4e5, 4e5, 1) for at_m in tile.centre_m)
    return to_degrees(x_m, y_m)


@pytest.mark.parametrize("count", short_and_long(24, 100))
def test_a_dry_run_of_any_place_and_day_is_a_plan_or_one_line(
    lstsr: Lstsr, tmp_path: Path, count: int
) -> None:
    codes = []
    for order in random_orders(count, seed=16):
        command = [
            "map",
            "--source",
            "sample",
            "--cache",
            tmp_path / "cache",
            "--out",
            tmp_path / "o" / "x.tif",
        ]
        code, printed, errors = lstsr(*command, *order, "--dry-run")
        codes.append(code)
        assert all(line.startswith("lstsr: ") for line in errors.splitlines()), (order, errors)
        if code == 0:
            assert [line.split(":")[0] for line in printed.splitlines()] == [
                "place", "days", "sample", "map", "cache",
            ], order  # fmt: skip
        else:
            assert (code, printed, errors.count("\n")) == (1, "", 1), (order, errors)
        assert list(tmp_path.iterdir()) == [], order
    assert 0.2 < np.mean(codes) < 0.8


@pytest.mark.parametrize("count", short_and_long(0, 12))
def test_places_on_land_become_maps_of_the_sample(lstsr: Lstsr, tmp_path: Path, count: int) -> None:
    """Whole tiles are drawn for these, up to four a place: for the soak alone."""
    random, land = np.random.default_rng(17), sorted(tiles_with_land(), key=str)
    made = 0
    for number in range(count):
        (west,), (south,) = land_point(land[random.integers(len(land))], random)
        box = f"{west},{south},{min(west + 0.4, 180.0)},{min(south + 0.3, 90.0)}"
        day = np.datetime64("2003-01-01") + int(random.integers(0, 8000))
        out = tmp_path / f"{number}" / "lst.tif"
        command = ["map", "--source", "sample", "--cache", tmp_path / "cache", "--out", out, "--place", box]
        made += check_map(lstsr, out, *command, "--date", str(day))
    assert made >= count // 2


@pytest.mark.parametrize("seed", range(3))
def test_places_on_land_become_maps(lstsr: Lstsr, tmp_path: Path, seed: int) -> None:
    """Of granules that are cut from a field around the place, which takes seconds."""
    random, land = np.random.default_rng(seed), sorted(tiles_with_land(), key=str)
    (west,), (south,) = land_point(land[random.integers(len(land))], random)
    place = Place.box(f"{west},{south},{west + 0.1},{south + 0.1}")
    middle = [(span.start + span.stop) // 2 for span in (place.window.rows, place.window.columns)]
    tiles = Field.around(*middle, 160).write(tmp_path / "cache")
    command = arguments(
        tmp_path / "cache", tmp_path / "out" / "lst.tif", "--date", DAY, "--place", place.name[4:]
    )
    assert set(place.tiles) <= set(tiles)
    assert check_map(lstsr, tmp_path / "out" / "lst.tif", *command)


def check_map(lstsr: Lstsr, out: Path, *command: object) -> bool:
    """Whether there is a map, whole, with its picture; otherwise one line told why, and nothing is there."""
    code, _, errors = lstsr(*command)
    files = sorted(path.name for path in out.parent.iterdir()) if out.parent.exists() else []
    assert all(line.startswith("lstsr: ") for line in errors.splitlines()), errors
    if code:
        assert (code, files) == (1, []) and "no pixel of the area is valid" in errors, errors
        return False
    assert files == ["lst.png", "lst.tif"]
    with rasterio.open(out) as source:
        lst_k, _, validity = source.read()[:3]
        assert source.crs == WORLD.crs
    assert (
        set(np.unique(validity)) <= set(range(7))
        and (np.isfinite(lst_k) == np.isin(validity, (0, 4, 6))).all()
    )
    return True
