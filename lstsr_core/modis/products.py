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
}
_PRODUCTS = {platform + kind: facts for platform in PLATFORMS for kind, facts in _KINDS.items()}
_PRODUCTS["MOD44W"] = ("water_mask", 1_000_000)
"""Product → a dataset that each of its granules has (product guides of
collection 6.1), and roughly a granule's bytes."""

_YEARLY = {"MOD44W"}


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
            products = ", ".join(f"{product}.{COLLECTION}" for product in _PRODUCTS)
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
        """First and last day that granules for a period are dated; a yearly product's are dated 1 January."""
        return (start.replace(month=1, day=1), end) if self.short_name in _YEARLY else (start, end)

    def dates(self, start: datetime.date, end: datetime.date) -> Iterator[datetime.date]:
        """Days of the granules for a period, both ends included.

        >>> start, end = datetime.date(2017, 3, 1), datetime.date(2018, 2, 1)
        >>> [str(day) for day in Product("MOD44W").dates(start, end)]
        ['2017-01-01', '2018-01-01']
        """
        first, last = self.period(start, end)
        for number in range((last - first).days + 1):
            day = first + datetime.timedelta(days=number)
            if self.short_name not in _YEARLY or (day.month, day.day) == (1, 1):
                yield day
