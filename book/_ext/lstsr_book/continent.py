"""A continent on paper: what maps of many tiles and days would take, from what one tile took."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path

from lstsr_book.markup import number, row, table
from lstsr_core.base.errors import InputError

EUROPE_TILES = tuple(
    f"h{horizontal:02d}v{vertical:02d}" for vertical in range(2, 6) for horizontal in range(17, 22)
)
"""From Portugal to the Urals and from 70° to 30° north."""
DAYS = 365
WORKERS = (2, 16, 128, 1024)


@dataclass(frozen=True)
class MeasuredMap:
    """What the map of one whole tile took: one worker, one thread, as `maps.batch.Trial` measures it.

    Attributes
    ----------
    method : str
    seconds : float
    peak_bytes : int
    bytes_in, bytes_out : int
        Size of the two granules, and of the map.
    computer : str
        Processor, and what else ran.
    two_workers : float
        How many times faster two workers were than one.
    """

    method: str
    seconds: float
    peak_bytes: int
    bytes_in: int
    bytes_out: int
    computer: str
    two_workers: float

    @classmethod
    def read(cls, path: Path) -> MeasuredMap:
        """From a JSON file.

        Raises
        ------
        InputError
            If it is missing or has other entries.
        """
        try:
            entries = json.loads(path.read_text())
            return cls(**{field.name: entries[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{path}: not the measurement of a tile's map ({type(error).__name__}: {error})."
            ) from error


@dataclass(frozen=True)
class Continent:
    """Maps of so many tiles on so many days."""

    tiles: int
    days: int
    measured: MeasuredMap

    @property
    def maps(self) -> int:
        return self.tiles * self.days

    @property
    def bytes_in(self) -> int:
        return self.maps * self.measured.bytes_in

    @property
    def bytes_out(self) -> int:
        return self.maps * self.measured.bytes_out

    @property
    def processor_hours(self) -> float:
        return self.maps * self.measured.seconds / 3600

    def hours(self, workers: int) -> float:
        """Elapsed, in whole rounds of the workers."""
        return -(-self.maps // workers) * self.measured.seconds / 3600


def continent_substitutions(measured: MeasuredMap) -> dict[str, str]:
    """What stands for each ``{{ name }}`` in the page on work beyond one machine."""
    continent = Continent(len(EUROPE_TILES), DAYS, measured)
    lines = [
        row(workers, [number(continent.hours(workers), 1), f"{workers * measured.peak_bytes / 1e9:,.0f}"])
        for workers in WORKERS
    ]
    return {
        "map_method": measured.method,
        "map_seconds": number(measured.seconds, 0),
        "map_memory_gb": number(measured.peak_bytes / 1e9, 1),
        "map_megabytes_in": number(measured.bytes_in / 1e6, 0),
        "map_megabytes_out": number(measured.bytes_out / 1e6, 0),
        "map_computer": measured.computer,
        "map_two_workers": number(measured.two_workers, 2),
        "continent_tiles": str(continent.tiles),
        "continent_days": str(continent.days),
        "continent_maps": f"{continent.maps:,}",
        "continent_terabytes_in": number(continent.bytes_in / 1e12, 1),
        "continent_terabytes_out": number(continent.bytes_out / 1e12, 1),
        "continent_processor_hours": f"{continent.processor_hours:,.0f}",
        "continent_table": table(["workers", "hours", "memory in all, GB"], lines),
    }
