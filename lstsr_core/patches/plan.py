"""What bringing patches up to date would take, found out before it is begun."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lstsr_core.base.errors import UnreadableGranule
from lstsr_core.modis.day_pairs import REFLECTANCE_PRODUCTS, granule_pairs, tell_other_origins
from lstsr_core.patches.cutting import PatchSettings, cut_granule, is_cut

REHEARSED = 3
"""Pairs of granules that are cut, evenly chosen, to learn the time and the bytes that one takes."""


@dataclass(frozen=True)
class CuttingPlan:
    """What `update` would do.

    Attributes
    ----------
    pairs, unchanged : int
        Pairs of granules, and those among them whose patches are there already.
    unpaired : int
        LST granules without a reflectance granule.
    bytes_to_read, bytes_to_write : int
    seconds : float
    memory_bytes : int
        Peak of this process.
    """

    pairs: int
    unchanged: int
    unpaired: int
    bytes_to_read: int
    bytes_to_write: int
    seconds: float
    memory_bytes: int

    def __str__(self) -> str:
        return (
            f"{self.pairs} pairs of granules ({self.unpaired} LST granules have no {REFLECTANCE_PRODUCTS}),"
            f" {self.unchanged} of them cut already; {self.bytes_to_read / 1e9:.2f} GB to read, about"
            f" {self.bytes_to_write / 1e9:.2f} GB to write, {self.seconds / 60.0:.1f} minutes and"
            f" {self.memory_bytes / 1e9:.1f} GB of memory in one process"
        )


def plan(granules: Path, directory: Path, settings: PatchSettings, product: str = "MOD21A1") -> CuttingPlan:
    """Find out what `update` would do, and how long it would take by cutting
    a few of the pairs into a temporary directory.

    Raises
    ------
    InputError
        If there is no granule.
    """
    pairs = granule_pairs(granules, product, settings.layer)
    tell_other_origins(pairs)
    with_reflectance = [pair for pair in pairs if pair.reflectance is not None]
    due = [pair for pair in with_reflectance if not is_cut(pair, directory, settings)]
    sample = (
        [due[index] for index in sorted({round(x) for x in np.linspace(0, len(due) - 1, REHEARSED)})]
        if due
        else []
    )
    written, started, tried = 0, time.monotonic(), 0
    for lst, reflectance in (pair.paths for pair in sample):
        with tempfile.TemporaryDirectory() as scratch:
            try:
                cut_granule(lst, reflectance, Path(scratch), settings)
            except UnreadableGranule:
                continue
            tried += 1
            written += sum(path.stat().st_size for path in Path(scratch).rglob("*") if path.is_file())
    times = len(due) / max(tried, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return CuttingPlan(
        pairs=len(with_reflectance),
        unchanged=len(with_reflectance) - len(due),
        unpaired=len(pairs) - len(with_reflectance),
        bytes_to_read=sum(pair.size for pair in due),
        bytes_to_write=round(written * times),
        seconds=(time.monotonic() - started) * times,
        memory_bytes=peak,
    )
