"""Names of MODIS granules' files."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import Tile

PLATFORMS = {"MOD": "Terra", "MYD": "Aqua"}
"""Satellite by the first letters of its products."""


@dataclass(frozen=True)
class GranuleName:
    """The parts of a granule's file name.

    Attributes
    ----------
    product : str
        Short name, such as ``MOD21A1D``.
    date : datetime.date
        Day of acquisition.
    tile : Tile
    collection : str
        Three digits.
    production : str
        When the producer made it: year, day of the year, hour, minute and second as 13 digits.
    """

    product: str
    date: datetime.date
    tile: Tile
    collection: str = "061"
    production: str = "2020001000000"

    @classmethod
    def parse(cls, name: str) -> GranuleName:
        """Read a file name.

        >>> granule = GranuleName.parse("MOD21A1D.A2019200.h18v04.061.2020358154430.hdf")
        >>> granule.product, granule.date.isoformat(), str(granule.tile)
        ('MOD21A1D', '2019-07-19', 'h18v04')

        Raises
        ------
        InputError
            If the name is not of this form, or its day or tile does not exist.
        """
        match = re.fullmatch(
            r"([A-Z0-9]+)\.A([0-9]{4})([0-9]{3})\.(h[0-9]{2}v[0-9]{2})\.([0-9]{3})\.([0-9]{13})\.hdf", name
        )
        if not match:
            raise InputError(
                f"'{name}' is not a MODIS granule's name; expected one such as"
                " MOD21A1D.A2019200.h18v04.061.2020358154430.hdf."
            )
        product, year, day_of_year, tile, collection, production = match.groups()
        try:
            date = datetime.date(int(year), 1, 1) + datetime.timedelta(days=int(day_of_year) - 1)
        except (ValueError, OverflowError):
            date = None
        if date is None or date.year != int(year):
            raise InputError(
                f"'{name}': year {year} has no day {day_of_year}; expected A, the year and a day from 001 to"
                " 366."
            )
        return cls(product, date, Tile.parse(tile), collection, production)

    @property
    def platform(self) -> str:
        """The satellite by the product's first letters: Terra
        (MOD), Aqua (MYD), or another's letters as they are.

        >>> GranuleName.parse("MYD11A1.A2002185.h09v06.006.2015146150958.hdf").platform
        'Aqua'
        """
        return PLATFORMS.get(self.product[:3], self.product[:3])

    @property
    def kind(self) -> str:
        """The product whichever platform it is of.

        >>> GranuleName.parse("MYD11A1.A2002185.h09v06.006.2015146150958.hdf").kind
        '11A1'
        """
        return self.product[3:]

    def __str__(self) -> str:
        day = f"A{self.date.year:04d}{self.date:%j}"
        return f"{self.product}.{day}.{self.tile}.{self.collection}.{self.production}.hdf"
