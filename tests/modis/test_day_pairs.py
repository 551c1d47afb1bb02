"""Pairs of granules: by day and tile, the newest production, in any folder."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstsr_core.base.errors import InputError
from lstsr_core.modis.day_pairs import check_kind, granule_pairs, other_origin, tell_other_origins
from lstsr_core.modis.granule import Layer
from lstsr_core.modis.names import GranuleName


def touch(directory: Path, *names: str) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for name in names:
        (directory / name).touch()


def test_pairs_are_of_one_day_and_tile_in_any_folder(tmp_path: Path) -> None:
    touch(
        tmp_path,
        "MOD21A1D.A2018105.h18v04.061.2020001000000.hdf",
        "MOD21A1D.A2018105.h19v04.061.2020001000000.hdf",
    )
    touch(tmp_path / "MOD09GQ.061" / "2018.04.15", "MOD09GQ.A2018105.h18v04.061.2020002000000.hdf")
    touch(tmp_path / "MOD09GQ.061" / "2018.04.16", "MOD09GQ.A2018106.h18v04.061.2020002000000.hdf")
    touch(
        tmp_path / "more",
        "MOD21A1D.A2018106.h18v04.061.2020001000000.hdf",
        "MOD21A1N.A2018106.h18v04.061.2020001000000.hdf",
    )
    touch(tmp_path, ".MOD21A1D.A2018107.h18v04.061.2020001000000.17.part.hdf")
    pairs = granule_pairs(tmp_path)
    messages = [
        (str(pair.date), str(pair.tile), pair.reflectance and pair.reflectance.parent.name) for pair in pairs
    ]
    assert messages == [
        ("2018-04-15", "h18v04", "2018.04.15"),
        ("2018-04-15", "h19v04", None),
        ("2018-04-16", "h18v04", "2018.04.16"),
    ]
    assert [pair.lst.parent.name for pair in granule_pairs(tmp_path, layer="night")] == ["more"]


def test_the_newest_production_is_taken(tmp_path: Path) -> None:
    newest = "MOD21A1D.A2018105.h18v04.061.2021001000000.hdf"
    touch(tmp_path / "a", newest, "MOD21A1D.A2018105.h18v04.061.2020001000000.hdf")
    touch(tmp_path / "b", "MOD21A1D.A2018105.h18v04.006.2022001000000.hdf")
    assert [pair.lst.name for pair in granule_pairs(tmp_path)] == [newest]


def test_a_directory_without_granules_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no MOD21A1D or MYD21A1D granule; 'lstsr download'"):
        granule_pairs(tmp_path)
    touch(tmp_path, "MOD11A1.A2018105.h18v04.061.2020001000000.hdf")
    with pytest.raises(
        InputError,
        match="holds no MOD21A1N or MYD21A1N granule; it has MOD11A1: choose their product and layer",
    ):
        granule_pairs(tmp_path, layer="night")


# Terra and Aqua, collections, odd names


PLATFORMS = {"MOD": "Terra", "MYD": "Aqua"}


@st.composite
def listings(draw: st.DrawFn) -> list[str]:
    """Names of a directory: two days and tiles, both platforms, two collections, several productions."""
    kinds = st.sampled_from(["21A1D", "21A1N", "11A1", "09GQ", "09GA"])
    parts = st.tuples(
        st.sampled_from(list(PLATFORMS)), kinds, st.sampled_from(["2018105", "2018106"]),
        st.sampled_from(["h18v04", "h19v04"]), st.sampled_from(["006", "061"]),
        st.sampled_from(["2020001000000", "2021001000000"]),
    )  # fmt: skip
    rows = draw(st.lists(parts, max_size=24, unique=True))
    return [
        f"{platform}{kind}.A{day}.{tile}.{collection}.{production}.hdf"
        for platform, kind, day, tile, collection, production in rows
    ]


@given(listings(), st.sampled_from(["MOD21A1", "MOD11A1"]), st.sampled_from(["day", "night"]))
def test_pairing_follows_its_rule_whatever_the_directory_holds(
    names: list[str], product: str, layer: Layer
) -> None:
    kind = {"MOD21A1": {"day": "21A1D", "night": "21A1N"}, "MOD11A1": {"day": "11A1", "night": "11A1"}}[
        product
    ][layer]
    with tempfile.TemporaryDirectory() as scratch:
        touch(Path(scratch), *names)
        parsed = [GranuleName.parse(name) for name in names]
        lst = [name for name in parsed if name.kind == kind]
        if not lst:
            with pytest.raises(InputError, match=f"holds no MOD{kind} or MYD{kind} granule"):
                granule_pairs(Path(scratch), product, layer)
            return
        pairs = granule_pairs(Path(scratch), product, layer)
    keys = sorted({(str(name.date), str(name.tile), name.product) for name in lst})
    assert [(str(pair.date), str(pair.tile), pair.name.product) for pair in pairs] == keys
    for pair in pairs:
        same = [
            name
            for name in lst
            if (name.product, name.date, name.tile) == (pair.name.product, pair.date, pair.tile)
        ]
        assert (pair.name.collection, pair.name.production) == max(
            (name.collection, name.production) for name in same
        )
        left = [
            name
            for name in parsed
            if name.kind == "09GQ" and (name.date, name.tile) == (pair.date, pair.tile)
        ]
        for part in ("platform", "collection"):  # as far as there are such
            left = [name for name in left if getattr(name, part) == getattr(pair.name, part)] or left
        best = max(left, key=lambda name: (name.collection, name.production), default=None)
        assert (pair.reflectance and pair.reflectance.name) == (best and str(best))


@pytest.mark.parametrize(
    ("reflectance", "messages"),
    [
        ("MYD09GQ.A2018105.h18v04.061.2020001000000.hdf", []),
        (
            "MOD09GQ.A2018105.h18v04.061.2020001000000.hdf",
            ["LST is of Aqua (MYD21A1D), reflectance of Terra (MOD09GQ)"],
        ),
        ("MYD09GQ.A2018105.h18v04.006.2020001000000.hdf", ["LST is of collection 061, reflectance of 006"]),
        (
            "MOD09GQ.A2018105.h18v04.006.2020001000000.hdf",
            [
                "LST is of Aqua (MYD21A1D), reflectance of Terra (MOD09GQ)",
                "LST is of collection 061, reflectance of 006",
            ],
        ),
    ],
)
def test_another_origin_is_told(
    reflectance: str, messages: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = GranuleName.parse("MYD21A1D.A2018105.h18v04.061.2020001000000.hdf")
    assert other_origin(name, GranuleName.parse(reflectance)) == messages
    touch(tmp_path, str(name), reflectance)
    tell_other_origins(granule_pairs(tmp_path))
    assert capsys.readouterr().err == "".join(f"lstsr: {line} (1 of 1 LST granules)\n" for line in messages)


@pytest.mark.parametrize(
    "odd",
    [
        "MOD21A1D.A2018105.h18v04.061.2020358154430 (1).hdf", "MOD21A1D.A2018105.h18v04.061.NRT.hdf",
        "MOD21A1D.copy.hdf", "MYD21A1D.A2018105.h18v04.061.hdf",
        "MOD09GQ.A2018999.h18v04.061.2020358154430.hdf", "MYD09GQ_old.hdf",
        "MOD09GQ.A2018105.h99v04.061.2020358154430.hdf", "MOD21A1Dx.A2018105.h18v04.061.2020358154430.hdf",
    ],
)  # fmt: skip
def test_an_odd_name_is_passed_over_with_a_line(
    odd: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "MOD21A1D.A2018105.h18v04.061.2020001000000.hdf"
    touch(tmp_path, name)
    touch(tmp_path / "folder", odd)
    assert [pair.lst.name for pair in granule_pairs(tmp_path)] == [name]
    errors = capsys.readouterr().err
    assert errors.count("\n") == 1 and odd in errors and "passed over" in errors
    (tmp_path / name).unlink()
    if "21A1D" in odd:
        with pytest.raises(InputError, match=r"give .* the name that the archive gave it"):
            granule_pairs(tmp_path)


def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a.hdf")
    for path, message in (
        (tmp_path / "absent", "no such directory"),
        (tmp_path / "a.hdf", "is a file; expected a directory"),
    ):
        with pytest.raises(InputError, match=message):
            granule_pairs(path)


def test_links_have_their_own_names(tmp_path: Path) -> None:
    """A content store (git-annex, DVC) holds files under their checksums, and links that have the names."""
    names = [
        "MOD21A1D.A2018105.h18v04.061.2020001000000.hdf",
        "MOD09GQ.A2018105.h18v04.061.2020001000000.hdf",
    ]
    for number, name in enumerate(names):
        touch(tmp_path / "store", f"SHA256E-{number}")
        (tmp_path / "granules").mkdir(exist_ok=True)
        (tmp_path / "granules" / name).symlink_to(tmp_path / "store" / f"SHA256E-{number}")
    (pair,) = granule_pairs(tmp_path / "granules")
    assert [path.name for path in pair.paths] == names


# By the name alone


@pytest.mark.parametrize(
    "product", ["MOD21A1D", "MYD21A1N", "MOD11A1", "MYD09GQ", "MOD09GA", "MOD44W", "MCD12Q1", "VNP21A1D"]
)
@pytest.mark.parametrize(
    ("kinds", "option", "taken"),
    [
        (["21A1D", "21A1N", "11A1"], "--lst", ["MOD21A1D", "MYD21A1N", "MOD11A1"]),
        (["09GQ"], "--reflectance", ["MYD09GQ"]),
        (["44W"], "--water", ["MOD44W"]),
    ],
)
def test_another_product_than_the_option_takes_is_named(
    product: str, kinds: list[str], option: str, taken: list[str]
) -> None:
    path = Path("in") / f"{product}.A2018001.h18v04.061.2020001000000.hdf"
    if product in taken:
        assert check_kind(path, kinds, option).product == product
        return
    with pytest.raises(InputError) as caught:
        check_kind(path, kinds, option)
    message = str(caught.value)
    assert message.startswith(f"{path}: is a {product} granule, and {option} takes ") and all(
        name in message for name in taken
    )
