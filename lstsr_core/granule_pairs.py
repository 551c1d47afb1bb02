"""Which LST granule goes with which reflectance granule: those of one day and tile, in any folder below one directory."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from pathlib import Path

from lstsr_core.errors import InputError
from lstsr_core.granule import Layer
from lstsr_core.granule_name import GranuleName
from lstsr_core.grid import Tile

REFLECTANCE_PRODUCT = "MOD09GQ"
WATER_PRODUCT = "MOD44W"
LST_PRODUCTS = {
    "MOD21A1": {"day": "MOD21A1D", "night": "MOD21A1N"},
    "MOD11A1": {"day": "MOD11A1", "night": "MOD11A1"},
}
"""Product that holds the LST of a layer, by family: temperature–emissivity separation, and split window."""


@dataclass(frozen=True)
class GranulePair:
    """A LST granule and the reflectance granule of its day and tile.

    Attributes
    ----------
    date : datetime.date
    tile : Tile
    lst : Path
    reflectance : Path or None
        None where the directory has no MOD09GQ granule of that day and tile.
    """

    date: datetime.date
    tile: Tile
    lst: Path
    reflectance: Path | None


def newest_granules(directory: Path, product: str) -> dict[tuple[datetime.date, Tile], Path]:
    """A product's granules below a directory by day and tile; of several productions of one, the newest.

    Raises
    ------
    InputError
        If a file begins with the product's name but is no granule's.
    """
    paths = sorted(directory.rglob(f"{product}.*.hdf"), key=lambda path: path.name)
    names = [GranuleName.parse(path.name) for path in paths]
    return {(name.date, name.tile): path for name, path in zip(names, paths, strict=True)}


def granule_pairs(directory: Path, product: str = "MOD21A1", layer: Layer = "day") -> list[GranulePair]:
    """Every LST granule of a product and layer below a directory, with its reflectance granule.

    Parameters
    ----------
    directory : Path
    product : {"MOD21A1", "MOD11A1"}
    layer : {"day", "night"}
        The night's LST goes with the reflectance of the same date.

    Returns
    -------
    list of GranulePair
        By date, then tile.

    Raises
    ------
    InputError
        If there is no such LST granule, or a name is wrong.
    """
    wanted = LST_PRODUCTS[product][layer]
    lst, reflectance = newest_granules(directory, wanted), newest_granules(directory, REFLECTANCE_PRODUCT)
    if not lst:
        others = sorted({path.name.partition(".")[0] for path in directory.rglob("M*.hdf")})
        advice = f"it has {', '.join(others)}: choose their product and layer" if others else "run 01_download first"
        raise InputError(f"{directory}: holds no {wanted} granule; {advice}.")
    return [GranulePair(*day_and_tile, path, reflectance.get(day_and_tile)) for day_and_tile, path in lst.items()]
