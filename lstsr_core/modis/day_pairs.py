"""Which LST granule goes with which reflectance granule: those of one
day and tile, in any folder below one directory."""

from __future__ import annotations

import datetime
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import is_there
from lstsr_core.geo.grid import Tile
from lstsr_core.modis.granule import Layer
from lstsr_core.modis.names import PLATFORMS, GranuleName

REFLECTANCE_PRODUCTS = "MOD09GQ or MYD09GQ"
REFLECTANCE_KIND = "09GQ"
WATER_PRODUCT = "MOD44W"
WATER_KIND = "44W"
LST_KINDS = {"MOD21A1": {"day": "21A1D", "night": "21A1N"}, "MOD11A1": {"day": "11A1", "night": "11A1"}}
"""Kind of product that holds the LST of a layer, by family:
temperature–emissivity separation, and split window."""


@dataclass(frozen=True)
class GranulePair:
    """A LST granule and the reflectance granule of its day and tile.

    Attributes
    ----------
    date : datetime.date
    tile : Tile
    lst : Path
    reflectance : Path or None
        None where the directory has no MOD09GQ or MYD09GQ granule of that day and tile.
    """

    date: datetime.date
    tile: Tile
    lst: Path
    reflectance: Path | None

    @property
    def name(self) -> GranuleName:
        """The LST granule's."""
        return GranuleName.parse(self.lst.name)

    @property
    def paths(self) -> tuple[Path, Path]:
        """LST and reflectance.

        Raises
        ------
        ValueError
            If there is no reflectance.
        """
        if self.reflectance is None:
            raise ValueError(f"{self.lst.name} has no {REFLECTANCE_PRODUCTS} granule.")
        return self.lst, self.reflectance

    @property
    def size(self) -> int:
        """Bytes of what is there of both; a link into a store that has not the file counts for none."""
        return sum(
            path.stat().st_size
            for path in (self.lst, self.reflectance)
            if path is not None and is_there(path)
        )


def check_directory(path: Path) -> None:
    """Refuse a directory of granules that is none.

    Raises
    ------
    InputError
    """
    if is_there(path) and not path.is_dir():
        raise InputError(f"{path}: is a file; expected a directory of granules, in any folders below it.")
    if not is_there(path):
        raise InputError(
            f"{path}: no such directory; expected MODIS granules there, which 'lstsr download' fetches."
        )


def newest_granules(directory: Path, kind: str) -> dict[tuple[str, datetime.date, Tile], Path]:
    """A kind's granules below a directory by product, day and
    tile; of several productions of one, the newest.

    Parameters
    ----------
    directory : Path
    kind : str
        Such as ``09GQ``, for MOD09GQ and MYD09GQ.
    """
    return _newest(_named(directory, kind)[0])


def _named(directory: Path, kind: str) -> tuple[dict[Path, GranuleName], list[Path]]:
    """A kind's granules, links by their own names, and the files
    that begin with its name and have not a granule's."""
    granules, odd = {}, []
    for product in _products(kind):
        for path in sorted(directory.rglob(f"{product}*.hdf")):
            try:
                granules[path] = GranuleName.parse(path.name)
            except InputError:
                odd.append(path)
    return granules, odd


def _newest(granules: dict[Path, GranuleName]) -> dict[tuple[str, datetime.date, Tile], Path]:
    in_time = sorted(granules.items(), key=lambda item: (item[1].date, str(item[1].tile), str(item[1])))
    return {(name.product, name.date, name.tile): path for path, name in in_time}


def granule_pairs(directory: Path, product: str = "MOD21A1", layer: Layer = "day") -> list[GranulePair]:
    """Every LST granule of a family and layer below a directory,
    Terra's and Aqua's, with its reflectance granule.

    Of several reflectances of a day and tile the one of the same platform is
    preferred, then of the same collection, then the newest production. A file with an
    odd name is passed over, with a line on standard error.

    Parameters
    ----------
    directory : Path
    product : {"MOD21A1", "MOD11A1"}
        Family, of whichever platform.
    layer : {"day", "night"}
        The night's LST goes with the reflectance of the same date.

    Returns
    -------
    list of GranulePair
        By date, then tile, then product.

    Raises
    ------
    InputError
        If there is no such directory, or no such LST granule in it.
    """
    check_directory(directory)
    kind = LST_KINDS[product][layer]
    (lst, odd_lst), (reflectance, odd_reflectance) = (
        _named(directory, kind),
        _named(directory, REFLECTANCE_KIND),
    )
    for path in odd_lst + odd_reflectance:
        tqdm.write(
            f"lstsr: {path}: passed over, since it has not the name of a MODIS granule", file=sys.stderr
        )
    if not lst:
        others = sorted(
            {path.name.partition(".")[0] for path in directory.rglob("M*.hdf")} - set(_products(kind))
        )
        advice = (
            f"it has {', '.join(others)}: choose their product and layer"
            if others
            else "'lstsr download' fetches some, and notebook 01_download those of a run"
        )
        if odd_lst:
            advice = f"give {odd_lst[0].name} the name that the archive gave it"
        raise InputError(f"{directory}: holds no {' or '.join(_products(kind))} granule; {advice}.")
    candidates: dict[tuple[datetime.date, Tile], list[Path]] = {}
    for path, name in reflectance.items():
        candidates.setdefault((name.date, name.tile), []).append(path)
    pairs = []
    for (_, date, tile), path in _newest(lst).items():
        nearest = max(candidates.get((date, tile), []), key=_nearness(lst[path], reflectance), default=None)
        pairs.append(GranulePair(date, tile, path, nearest))
    return pairs


def _nearness(
    lst: GranuleName, reflectance: dict[Path, GranuleName]
) -> Callable[[Path], tuple[bool, bool, str, str]]:
    def nearness(path: Path) -> tuple[bool, bool, str, str]:
        name = reflectance[path]
        same = name.platform == lst.platform, name.collection == lst.collection
        return (*same, name.collection, name.production)

    return nearness


def other_origin(lst: GranuleName, reflectance: GranuleName) -> list[str]:
    """A line for each way in which a reflectance granule is of another origin than the LST it goes with."""
    remarks = []
    if reflectance.platform != lst.platform:
        remarks.append(
            f"LST is of {lst.platform} ({lst.product}), reflectance of {reflectance.platform}"
            f" ({reflectance.product})"
        )
    if reflectance.collection != lst.collection:
        remarks.append(f"LST is of collection {lst.collection}, reflectance of {reflectance.collection}")
    return remarks


def tell_other_origins(pairs: Sequence[GranulePair]) -> None:
    """Say on standard error, in a line each, how many reflectances are of another origin than their LST."""
    counts = Counter(
        line
        for pair in pairs
        if pair.reflectance
        for line in other_origin(pair.name, GranuleName.parse(pair.reflectance.name))
    )
    for line, count in counts.items():
        tqdm.write(f"lstsr: {line} ({count} of {len(pairs)} LST granules)", file=sys.stderr)


def check_kind(path: Path, kinds: Iterable[str], option: str) -> GranuleName:
    """A granule's name, refused if it is of another product than an option takes.

    Raises
    ------
    InputError
    """
    name = GranuleName.parse(path.name)
    products = [product for kind in kinds for product in _products(kind)]
    if name.product not in products:
        raise InputError(
            f"{path}: is a {name.product} granule, and {option} takes {', '.join(products)}; give such a"
            " granule."
        )
    return name


def _products(kind: str) -> list[str]:
    return [WATER_PRODUCT] if kind == WATER_KIND else [f"{letters}{kind}" for letters in PLATFORMS]
