"""The MODIS products that can be downloaded, and which of their days a period takes in."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass

from lstsr_core.base.errors import InputError
from lstsr_core.modis.names import PLATFORMS

COLLECTION = "061"
READ_COLLECTIONS = ("006", COLLECTION)
"""Collections that granules are read of; the archives have deleted the older one."""

_KINDS = {
    "21A1D": ("LST_1KM", 4_000_000),
    "21A1N": ("LST_1KM", 4_000_000),
    "11A1": ("LST_Day_1km", 4_000_000),
    "09GQ": ("sur_refl_b01_1", 70_000_000),
    "09GA": ("sur_refl_b01_1", 70_000_000),
    "13Q1": ("250m 16 days NDVI", 150_000_000),
}
_PRODUCTS = {platform + kind: facts for platform in PLATFORMS for kind, facts in _KINDS.items()}
_PRODUCTS["MOD44W"] = ("water_mask", 1_000_000)
"""Product → a dataset that each of its granules has (product guides of
collection 6.1), and roughly a granule's bytes."""

DOWNLOADABLE = tuple(f"{product}.{COLLECTION}" for product in _PRODUCTS)
"""What a download takes as products."""

COMPOSITE_DAYS = 16
"""Days that a MOD13Q1 or MYD13Q1 granule covers, from that of its name on."""

_FIRST_DAYS = {
    "MOD44W": (1,),
    "MOD13Q1": tuple(range(1, 366, COMPOSITE_DAYS)),
    "MYD13Q1": tuple(range(9, 366, COMPOSITE_DAYS)),
}
"""Days of the year that granules are dated, of products that have not one a day."""


@dataclass(frozen=True)
class Product:
    """A product of collection 6.1, such as ``MOD21A1D.061``."""

    short_name: str

    @classmethod
    def parse(cls, name: str) -> Product:
        """Read a name with its collection.

        >>> Product.parse("MOD09GQ.061")
        Product(short_name='MOD09GQ')

        Raises
        ------
        InputError
            If it is none of the products that this package reads,
            or of a collection that is no longer to be had.
        """
        short_name, _, collection = name.partition(".")
        if short_name in _PRODUCTS and collection in READ_COLLECTIONS[:-1]:
            raise InputError(
                f"'{name}': granules of collection {collection} are read, but archives no longer have them;"
                f" ask for {short_name}.{COLLECTION}."
            )
        if short_name not in _PRODUCTS or collection != COLLECTION:
            products = ", ".join(DOWNLOADABLE)
            raise InputError(f"'{name}' is no product that can be downloaded; expected one of {products}.")
        return cls(short_name)

    def __str__(self) -> str:
        return f"{self.short_name}.{COLLECTION}"

    @property
    def platform(self) -> str:
        """The satellite, Terra or Aqua."""
        return PLATFORMS[self.short_name[:3]]

    @property
    def main_dataset(self) -> str:
        return _PRODUCTS[self.short_name][0]

    @property
    def typical_bytes(self) -> int:
        """Of a granule over land, for estimates where an archive states no size."""
        return _PRODUCTS[self.short_name][1]

    def period(self, start: datetime.date, end: datetime.date) -> tuple[datetime.date, datetime.date]:
        """First and last day that granules for a period are dated.

        A yearly product's are dated 1 January, those of 16 days by their first day.

        >>> day = datetime.date(2018, 7, 19)
        >>> [str(Product(name).period(day, day)[0]) for name in ("MOD44W", "MOD13Q1", "MYD13Q1")]
        ['2018-01-01', '2018-07-12', '2018-07-04']
        """
        return (self._dated(start), end) if self.short_name in _FIRST_DAYS else (start, end)

    def _dated(self, day: datetime.date) -> datetime.date:
        """The last day until `day` that a granule is dated."""
        firsts = (
            datetime.date(year, 1, 1) + datetime.timedelta(days=number - 1)
            for year in (day.year - 1, day.year)
            for number in _FIRST_DAYS[self.short_name]
        )
        return max(first for first in firsts if first <= day)

    def dates(self, start: datetime.date, end: datetime.date) -> Iterator[datetime.date]:
        """Days of the granules for a period, both ends included.

        >>> start, end = datetime.date(2017, 3, 1), datetime.date(2018, 2, 1)
        >>> [str(day) for day in Product("MOD44W").dates(start, end)]
        ['2017-01-01', '2018-01-01']
        """
        first, last = self.period(start, end)
        for number in range((last - first).days + 1):
            day = first + datetime.timedelta(days=number)
            if day.timetuple().tm_yday in _FIRST_DAYS.get(self.short_name, (day.timetuple().tm_yday,)):
                yield day
