"""Products and their days."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstsr_core.base.errors import InputError
from lstsr_core.modis.products import Product

DAYS = st.dates(datetime.date(2000, 2, 24), datetime.date(2003, 12, 31))


TERRA = ["MOD21A1D", "MOD21A1N", "MOD11A1", "MOD09GQ", "MOD09GA", "MOD13Q1", "MOD44W"]
AQUA = ["MYD21A1D", "MYD21A1N", "MYD11A1", "MYD09GQ", "MYD09GA", "MYD13Q1"]


@pytest.mark.parametrize("short_name", TERRA + AQUA)
def test_a_name_survives(short_name: str) -> None:
    product = Product.parse(f"{short_name}.061")
    assert str(product) == f"{short_name}.061" and product.main_dataset
    assert product.platform == ("Aqua" if short_name in AQUA else "Terra")


@pytest.mark.parametrize("short_name", TERRA + AQUA)
def test_the_older_collection_is_read_but_not_downloaded(short_name: str) -> None:
    with pytest.raises(
        InputError, match=rf"'{short_name}\.006'.* 006 are read, .* ask for {short_name}\.061\."
    ):
        Product.parse(f"{short_name}.006")


@pytest.mark.parametrize(
    "name", ["MOD21A1D", "MOD21A1D.005", "MYD44W.061", "mod21a1d.061", "MOD13A2.061", "", "MOD21A1D.061.hdf"]
)
def test_another_name_is_refused_with_those_that_are_known(name: str) -> None:
    with pytest.raises(InputError, match=r"expected one of MOD21A1D\.061, "):
        Product.parse(name)


@given(start=DAYS, end=DAYS)
def test_a_daily_product_has_every_day_once(start: datetime.date, end: datetime.date) -> None:
    days = list(Product("MOD09GQ").dates(start, end))
    assert len(days) == max((end - start).days + 1, 0) == len(set(days))
    assert all(start <= day <= end for day in days)


@given(start=DAYS, end=DAYS)
def test_a_yearly_product_has_every_year_once(start: datetime.date, end: datetime.date) -> None:
    days = list(Product("MOD44W").dates(start, end))
    expected = range(start.year, end.year + 1) if start <= end else range(len(days))
    assert len(days) == len(expected)
    if start <= end:
        assert [(day.year, day.month, day.day) for day in days] == [(year, 1, 1) for year in expected]


@given(start=DAYS, end=DAYS, first=st.sampled_from([("MOD13Q1", 1), ("MYD13Q1", 9)]))
def test_a_product_of_16_days_has_those_that_hold_the_period(
    start: datetime.date, end: datetime.date, first: tuple[str, int]
) -> None:
    """Every day of the period lies in one that is dated at most 15 days before; none begins after its end."""
    product, first_day = Product(first[0]), first[1]
    days = list(product.dates(start, end))
    assert all((day.timetuple().tm_yday - first_day) % 16 == 0 for day in days)
    if start <= end:
        assert all(day <= end for day in days) and days == sorted(set(days))
        for number in range((end - start).days + 1):
            day = start + datetime.timedelta(days=number)
            assert any(0 <= (day - dated).days < 16 for dated in days)
        assert (start - days[0]).days < 16


def test_the_16_days_of_a_day_are_those_of_the_archives_names() -> None:
    """Terra's begin on 1 January, Aqua's eight days later; both cross the new year."""
    day = datetime.date(2019, 1, 2)
    assert list(Product("MOD13Q1").dates(day, day)) == [datetime.date(2019, 1, 1)]
    assert list(Product("MYD13Q1").dates(day, day)) == [datetime.date(2018, 12, 27)]
