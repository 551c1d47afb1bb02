"""Where granules come from: what each source of a download can do, and the simulator as one of them."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lstsr_core.base.errors import InputError
from lstsr_core.download.checksum import Checksum
from lstsr_core.geo.grid import TILE_COARSE_PIXELS, Tile
from lstsr_core.geo.window import Window
from lstsr_core.modis.names import GranuleName
from lstsr_core.modis.products import COLLECTION, Product

SOURCES = ("earthdata", "mirror", "sample")


@dataclass(frozen=True)
class RemoteGranule:
    """A granule as its source lists it.

    Attributes
    ----------
    name : GranuleName
    url : str
    size : int, optional
        Bytes; None where the source does not say, or not yet.
    checksum : Checksum, optional
        None where the source does not say, or not yet.
    metadata_url : str, optional
        Of the file that says both.
    share : float
        Of the tile's pixels, those that are drawn where a simulator draws a part.
    """

    name: GranuleName
    url: str
    size: int | None = None
    checksum: Checksum | None = None
    metadata_url: str | None = None
    share: float = 1.0

    @property
    def expected_bytes(self) -> int:
        """Its size, or what its product's granules typically have."""
        return self.size or round(self.share * Product(self.name.product).typical_bytes)


class Source(Protocol):
    """What a download needs of an archive. All but `search` and `connect` are called by several threads."""

    name: str

    def search(
        self, product: Product, tile: Tile, start: datetime.date, end: datetime.date
    ) -> list[RemoteGranule]:
        """The granules of a period, both ends included, by day; of each day the last that was produced."""

    def connect(self) -> None:
        """Log in; called once, and only if something is missing."""

    def described(self, granule: RemoteGranule) -> RemoteGranule:
        """The same granule with its size and checksum, as far as the archive knows them."""

    def fetch(self, granule: RemoteGranule, part: Path, advance: Callable[[int], None]) -> None:
        """Bring a granule into a file that may hold its beginning;
        `advance` is told how many bytes the file grew by."""


def newest_of_each_day(granules: list[RemoteGranule]) -> list[RemoteGranule]:
    """Granules by day, without those that were produced anew."""
    newest: dict[datetime.date, RemoteGranule] = {}
    for granule in sorted(granules, key=lambda granule: (granule.name.date, granule.name.production)):
        newest[granule.name.date] = granule
    return [*newest.values()]


def _in_tile(span: slice, number: int) -> slice:
    """Pixels of the world's grid in a tile, from its corner; one at its edge if it has none."""
    first = number * TILE_COARSE_PIXELS
    start = min(max(span.start - first, 0), TILE_COARSE_PIXELS - 1)
    return slice(start, min(max(span.stop - first, start + 1), TILE_COARSE_PIXELS))


class SampleSource:
    """The embedded simulator: full tiles of one Earth with seas, clouds and fill,
    the same for the same seed; no network, no account.

    Parameters
    ----------
    seed : int
    part : Window, optional
        Rows and columns of 1 km pixels from the upper left corner of the world's grid: these alone are drawn,
        and the rest of a tile is fill.
    """

    name = "sample"

    def __init__(self, seed: int = 42, part: Window | None = None) -> None:
        if seed < 0:
            raise InputError(f"the seed is {seed}; expected 0 or more.")
        self.seed, self.part = seed, part

    def search(
        self, product: Product, tile: Tile, start: datetime.date, end: datetime.date
    ) -> list[RemoteGranule]:
        names = [GranuleName(product.short_name, day, tile, COLLECTION) for day in product.dates(start, end)]
        share = 1.0
        if self.part is not None:
            window = self._window(tile)
            sides = (span.stop - span.start for span in (window.rows, window.columns))
            share = math.prod(sides) / TILE_COARSE_PIXELS**2
        return [RemoteGranule(name, f"sample:{name}", share=share) for name in names]

    def _window(self, tile: Tile) -> Window:
        assert self.part is not None
        return Window(_in_tile(self.part.rows, tile.vertical), _in_tile(self.part.columns, tile.horizontal))

    def connect(self) -> None: ...

    def described(self, granule: RemoteGranule) -> RemoteGranule:
        return granule

    def fetch(self, granule: RemoteGranule, part: Path, advance: Callable[[int], None]) -> None:
        from lstsr_core.simulation.granules import write_sample_granule

        window = None if self.part is None else self._window(granule.name.tile)
        write_sample_granule(granule.name, part, self.seed, window=window)
        advance(part.stat().st_size)
