"""Maps of a place on a day or many: the tiles and granules that they need, what that takes, and the maps."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.base.fingerprint import fingerprint, sha256
from lstsr_core.base.outputs import refuse_inputs
from lstsr_core.base.progress import bar
from lstsr_core.download.download import DownloadPlan, estimate, make_plan
from lstsr_core.download.manifest import read_manifest
from lstsr_core.download.sources import RemoteGranule, SampleSource, Source
from lstsr_core.geo.grid import Tile
from lstsr_core.geo.shorelines import tiles_with_land
from lstsr_core.geo.window import Window
from lstsr_core.maps.cache import Cache
from lstsr_core.maps.joining import Granules, joined, joined_water
from lstsr_core.maps.place import Place
from lstsr_core.maps.plan import MapPlan, cost
from lstsr_core.maps.predict import (
    Scene,
    Summary,
    draw_picture,
    fine_grid,
    nothing,
    picture_of,
    recalled,
    request_tags,
    shape_mask,
    unseen_by_weights,
    write_map,
)
from lstsr_core.maps.request import Request
from lstsr_core.maps.validity import CLOUD, FLAGS
from lstsr_core.modis.day_pairs import LST_KINDS, REFLECTANCE_KIND
from lstsr_core.modis.names import PLATFORMS, GranuleName
from lstsr_core.modis.products import COLLECTION, Product
from lstsr_core.modis.water import water_granule
from lstsr_core.sharpening.methods import repeated

FIRST_DAYS = {"MOD": datetime.date(2000, 2, 24), "MYD": datetime.date(2002, 7, 4)}
"""Of the data of Terra and Aqua, by the first letters of their products."""

DOWNLOADS_AT_ONCE = 8


@dataclass(frozen=True)
class Order:
    """What maps are asked for.

    Attributes
    ----------
    place : Place
    start, end : datetime.date
        The first day and the last, which is included.
    satellite : {"terra", "aqua"}
    family : {"MOD21A1", "MOD11A1"}
        Of the LST, of whichever satellite.
    request : Request
        Without bounds; the shape is the place's.
    """

    place: Place
    start: datetime.date
    end: datetime.date
    satellite: str
    family: str
    request: Request

    def __post_init__(self) -> None:
        first, today = FIRST_DAYS[self.letters], datetime.datetime.now(datetime.UTC).date()
        if self.end < self.start:
            raise InputError(
                f"the period starts on {self.start} and ends on {self.end}; expected an end on the same day"
                " or later."
            )
        if self.start < first:
            raise InputError(
                f"{self.start}: the data of {PLATFORMS[self.letters]} begin on {first}; choose that day or a"
                " later one."
            )
        if self.end > today:
            raise InputError(f"{self.end} is in the future; choose a day up to {today}.")

    @property
    def letters(self) -> str:
        """What the names of the satellite's products begin with."""
        return next(letters for letters, name in PLATFORMS.items() if name.lower() == self.satellite)

    @property
    def products(self) -> tuple[Product, Product]:
        """Of LST and reflectance."""
        kinds = LST_KINDS[self.family][self.request.layer], REFLECTANCE_KIND
        lst, reflectance = (Product(self.letters + kind) for kind in kinds)
        return lst, reflectance

    @property
    def days(self) -> list[datetime.date]:
        """Every day asked for."""
        return [self.start + datetime.timedelta(days=n) for n in range((self.end - self.start).days + 1)]

    def name(self, day: datetime.date) -> str:
        """Of a day's map among others."""
        return f"{self.products[0].short_name}.A{day:%Y%j}{'_night' * self._is_night}_250m.tif"

    @property
    def _is_night(self) -> bool:
        return self.family == "MOD11A1" and self.request.layer == "night"


@dataclass(frozen=True)
class Plan:
    """What the maps of an order need.

    Attributes
    ----------
    order : Order
    source : Source
    cache : Cache
    tiles : list of Tile
        The place's own with land, and those of the margin.
    download : DownloadPlan
    window, computed : Window
        Of `place.WORLD`: what is mapped, and what is sharpened for it.
    each : MapPlan
        Of a day's map.
    """

    order: Order
    source: Source
    cache: Cache
    tiles: list[Tile]
    download: DownloadPlan
    window: Window
    computed: Window
    each: MapPlan

    @cached_property
    def listed(self) -> dict[tuple[str, datetime.date, Tile], GranuleName]:
        """The granules that the source has, by product, day and tile."""
        names = [granule.name for granule in (*self.download.held, *self.download.missing)]
        return {(name.product, name.date, name.tile): name for name in names}

    @property
    def own_tiles(self) -> list[Tile]:
        """The tiles of the place itself."""
        return [tile for tile in self.tiles if tile in self.order.place.tiles]

    def granules(self, day: datetime.date) -> Granules:
        """The granules of a day, where they lie or will lie, of the tiles that have both.

        Raises
        ------
        NoResult
            If the source has none of the place on this day.
        """
        pairs, products = {}, self.order.products
        for tile in self.tiles:
            names = [self.listed.get((product.short_name, day, tile)) for product in products]
            lst, reflectance = (None if name is None else self.cache.granules / str(name) for name in names)
            if lst is not None and reflectance is not None:
                pairs[tile] = lst, reflectance
        if not set(pairs) & set(self.own_tiles):
            absent = " and ".join(
                product.short_name
                for product in products
                if not any((product.short_name, day, tile) in self.listed for tile in self.own_tiles)
            ) or " with ".join(product.short_name for product in products)
            raise NoResult(
                f"{day}: {self.source.name} has no {absent} granule of {_listed(self.own_tiles)}; choose"
                " another day or place ('lstsr map' with --start and --end takes each day that there is)."
            )
        return pairs

    def warnings(self, day: datetime.date) -> tuple[str, ...]:
        """What is odd about a day's inputs before they are read, one line each."""
        there, order = self.granules(day), self.order
        lines = [
            f"{day}: {self.source.name} has not both granules of {tile}; that part of the map is masked"
            for tile in self.own_tiles
            if tile not in there and tile in tiles_with_land()
        ]
        if self.source.name == "sample":
            lines.append("the granules are simulated (--source sample): the map shows no real place")
        unseen = unseen_by_weights(order.request, PLATFORMS[order.letters], *order.place.centre)
        return (*lines, *unseen)

    def tags(self, day: datetime.date, shared: dict[str, str]) -> dict[str, str]:
        """What a day's map is made from and by, as `predict.map_tags` tells it of one tile's.

        Raises
        ------
        InputError
            If a granule is not in the cache.
        """
        tags = {**shared, "LSTSR_PLACE": self.order.place.name, "LSTSR_SOURCE": self.source.name}
        entries = read_manifest(self.cache.granules)
        pairs = self.granules(day)
        for role, paths in zip(("LST", "REFLECTANCE"), zip(*pairs.values(), strict=True), strict=True):
            absent = [path.name for path in paths if path.name not in entries or not path.is_file()]
            if absent:
                raise InputError(f"{absent[0]} is not in the cache; run the same command again to fetch it.")
            tags[f"LSTSR_{role}_GRANULE"] = ", ".join(path.name for path in paths)
            tags[f"LSTSR_{role}_SHA256"] = ", ".join(entries[path.name].sha256 for path in paths)
            tags[f"LSTSR_{role}_PLATFORM"] = PLATFORMS[self.order.letters]
            tags[f"LSTSR_{role}_COLLECTION"] = COLLECTION
        water = self.order.request.water
        if water is not None and water.is_dir():
            masks = [water_granule(water, tile, day) for tile in pairs if tile in self.own_tiles]
            tags["LSTSR_WATER_GRANULE"] = ", ".join(path.name for path in masks)
            tags["LSTSR_WATER_SHA256"] = ", ".join(map(sha256, masks))
        return {**tags, "LSTSR_FINGERPRINT": fingerprint(tags)}

    def __str__(self) -> str:
        order, count = self.order, len(self.order.days)
        days = str(order.start) if count == 1 else f"{order.start} to {order.end}, {count} days"
        beside = [tile for tile in self.tiles if tile not in self.own_tiles]
        margin = f", and {_listed(beside)} for the margin" if beside else ""
        each, of_all = self.each, ""
        if count > 1:
            of_all = f"; of all: {count * each.bytes / 1e6:.1f} MB, {count * each.minutes:.1f} minutes"
        return "\n".join(
            [
                f"place: {order.place.name}: {_listed(self.own_tiles)}{margin}",
                f"days: {days}",
                f"{self.source.name}: {estimate(self.source, self.download, DOWNLOADS_AT_ONCE)}",
                f"{str(each).splitlines()[-1]}{of_all}",
                str(self.cache),
            ]
        )


def plan_maps(order: Order, source: Source, directory: Path) -> Plan:
    """List what an order needs; nothing is written.

    Parameters
    ----------
    order : Order
    source : Source
    directory : Path
        Of the cache.

    Raises
    ------
    InputError
        If the place is too large for this machine's memory or disk, no tile of it has land, a water mask
        is missing, or the source cannot be listed.
    """
    place, request = order.place, order.request
    window = place.window
    _check_memory(place, cost({}, window, window, request, ()))
    land = tiles_with_land()
    tiles = [tile for tile in place.tiles_for(request.method) if tile in land]
    if not set(tiles) & set(place.tiles):
        raise InputError(
            f"{place.name}: {_listed(place.tiles)} has no land, of which alone there are granules; choose a"
            " place on land ('lstsr where LON,LAT' tells the tile of a point)."
        )
    computed = place.computed(tiles)
    each = cost({}, window, computed, request, ())
    if request.water is not None:
        for tile in (tile for tile in tiles if tile in place.tiles):
            water_granule(request.water, tile, order.start)
    wanted, cache = (order.products, tiles, order.start, order.end), Cache(directory, source.name)
    download = make_plan(source, *wanted, cache.granules)
    if isinstance(source, SampleSource) and not download.held:  # no need to draw whole tiles
        source, cache = SampleSource(source.seed, computed), Cache(directory, source.name, computed)
        download = make_plan(source, *wanted, cache.granules)
    _check_disk(download.missing, cache.granules)
    return Plan(order, source, cache, tiles, download, window, computed, each)


def _check_memory(place: Place, each: MapPlan) -> None:
    from distributed.system import MEMORY_LIMIT  # heeds a container's limit, too

    if each.memory_bytes > MEMORY_LIMIT:
        raise InputError(
            f"{place.name}: {each.rows}×{each.columns} pixels of 250 m (rows×columns) take about"
            f" {each.memory_bytes / 1e9:.0f} GB of memory and {each.minutes:.0f} minutes for one day, and"
            f" this machine has {MEMORY_LIMIT / 1e9:.0f} GB; choose a smaller place, or map it in parts."
        )


def _check_disk(missing: list[RemoteGranule], directory: Path) -> None:
    needed = sum(granule.expected_bytes for granule in missing)
    parent = next(path for path in (directory.absolute(), *directory.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(parent).free
    if needed > free:
        raise InputError(
            f"{directory}: {len(missing)} granules of about {needed / 1e9:.0f} GB are missing, and"
            f" {free / 1e9:.0f} GB are free; ask for fewer days, or give --cache another disk."
        )


def map_day(plan: Plan, day: datetime.date, out: Path, shared: dict[str, str] | None = None) -> Summary:
    """Make the map of a day whose granules are in the cache, or leave it as it is if it was made of the same.

    Parameters
    ----------
    plan : Plan
    day : datetime.date
    out : Path
        As `predict.predict_granule` writes it, over the joined tiles.
    shared : dict of str to str, optional
        `predict.request_tags` of the request, where many maps are made by one.

    Raises
    ------
    InputError
        If a granule is damaged or missing, or `out` cannot be written or is one of the inputs.
    NoResult
        If there are no granules, or no pixel has both a valid LST and a valid NDVI.
    """
    place, request = plan.order.place, plan.order.request
    granules, warnings = plan.granules(day), plan.warnings(day)
    pictures = [picture_of(out)] if request.quicklook else []
    refuse_inputs([out, *pictures], [path for pair in granules.values() for path in pair])
    tags = plan.tags(day, shared or request_tags(request))
    summary = recalled(out, tags["LSTSR_FINGERPRINT"])
    if summary is None:
        scene, more = _scene(plan, granules, day)
        unseen = bool(unseen_by_weights(request, PLATFORMS[plan.order.letters], *place.centre))
        try:
            summary = write_map(replace(scene, unseen=unseen), out, request, tags, warnings + more)
        except NoResult as error:
            raise NoResult(f"{place.name} on {day}: {error}") from error
    if request.quicklook:
        draw_picture(summary)
    return summary


def _scene(plan: Plan, granules: Granules, day: datetime.date) -> tuple[Scene, tuple[str, ...]]:
    """A day's joined inputs, and what is odd about them."""
    place, request = plan.order.place, plan.order.request
    tiles = joined(granules, plan.computed, request.layer)
    coarse, warnings = plan.window.inside(plan.computed), tiles.warnings
    if not np.isfinite(coarse.of(tiles.lst.values)).any():
        raise NoResult(f"{place.name} on {day}: {nothing(f'{FLAGS[CLOUD]}: 100%')}")
    inside, water = None, None
    if place.shape is not None:
        inside, more = shape_mask(place.geometry, fine_grid(tiles.lst, coarse), place.name)
        warnings += more
    ground = coarse.of(tiles.ground)
    if not ground.all():
        inside = repeated(ground) if inside is None else inside & repeated(ground)
    if request.water is not None:
        own = [tile for tile in granules if tile in plan.own_tiles]
        water, more = joined_water(request.water, own, plan.window, day)
        warnings += more
    return Scene(tiles.lst, tiles.ndvi, coarse, water, tiles.warnings, inside), warnings


@dataclass(frozen=True)
class Outcome:
    """What became of a day.

    Attributes
    ----------
    day : datetime.date
    summary : Summary or None
    reason : str
        Why there is no map; empty where there is one.
    failed : bool
        Something could not be read, fetched or written; otherwise there is just nothing to map.
    """

    day: datetime.date
    summary: Summary | None
    reason: str = ""
    failed: bool = False


def map_days(plan: Plan, directory: Path) -> Iterator[Outcome]:
    """Map every day of an order into a directory; a day that cannot be mapped does not stop the others."""
    shared = request_tags(plan.order.request)
    for day in bar(plan.order.days, "Maps", "day"):
        try:
            yield Outcome(day, map_day(plan, day, directory / plan.order.name(day), shared))
        except NoResult as error:
            yield Outcome(day, None, str(error))
        except InputError as error:
            yield Outcome(day, None, str(error), failed=True)


def _listed(tiles: list[Tile]) -> str:
    return ", ".join(map(str, tiles))
