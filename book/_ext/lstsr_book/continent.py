"""A continent on paper: what maps of many tiles would take, from the measurement of one tile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lstsr_book.markup import number, row, table
from lstsr_core.base.errors import InputError

EUROPE_TILES = tuple(
    f"h{horizontal:02d}v{vertical:02d}" for vertical in range(2, 6) for horizontal in range(17, 22)
)
"""From Portugal to the Urals and from 70° to 30° north."""
DAYS = 365
WORKERS = (2, 16, 128, 1024)


def continent_substitutions(path: Path) -> dict[str, str]:
    """What stands for each ``{{ name }}`` in the page on work beyond one machine.

    Parameters
    ----------
    path : Path
        JSON of what the map of one whole tile took, with one worker and one thread: ``method``, ``seconds``,
        ``peak_bytes``, ``bytes_in`` (of the two granules), ``bytes_out``, ``computer``, and ``two_workers``,
        how many times faster two workers were than one.

    Raises
    ------
    InputError
        If it is missing or lacks an entry.
    """
    try:
        return _substitutions(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not the measurement of a tile's map ({type(error).__name__}: {error})."
        ) from error


def _substitutions(measurement: dict[str, Any]) -> dict[str, str]:
    maps = len(EUROPE_TILES) * DAYS
    hours = {
        workers: -(-maps // workers) * measurement["seconds"] / 3600 for workers in WORKERS
    }  # in whole rounds
    rows = [
        row(workers, [number(hours[workers], 1), f"{workers * measurement['peak_bytes'] / 1e9:,.0f}"])
        for workers in WORKERS
    ]
    return {
        "map_method": measurement["method"],
        "map_seconds": number(measurement["seconds"], 0),
        "map_memory_gb": number(measurement["peak_bytes"] / 1e9, 1),
        "map_megabytes_in": number(measurement["bytes_in"] / 1e6, 0),
        "map_megabytes_out": number(measurement["bytes_out"] / 1e6, 0),
        "map_computer": measurement["computer"],
        "map_two_workers": number(measurement["two_workers"], 2),
        "continent_tiles": str(len(EUROPE_TILES)),
        "continent_days": str(DAYS),
        "continent_maps": f"{maps:,}",
        "continent_terabytes_in": number(maps * measurement["bytes_in"] / 1e12, 1),
        "continent_terabytes_out": number(maps * measurement["bytes_out"] / 1e12, 1),
        "continent_processor_hours": f"{maps * measurement['seconds'] / 3600:,.0f}",
        "continent_table": table(["workers", "hours", "memory in all, GB"], rows),
    }
