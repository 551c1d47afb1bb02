"""What the tests let workers do with a pair of granules; a module of its own, since the workers import it."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from threadpoolctl import threadpool_info

from lstsr_core.geo.raster import write_raster
from lstsr_core.modis.granule import read_lst, read_ndvi
from lstsr_core.pairs.pair import ModisPair, align
from lstsr_core.sharpening.methods import Options, sharpen_pair


@dataclass(frozen=True)
class Settings:
    method: str = "tsharp"
    seed: int = 0
    weights: Path | None = None


def sharpen_granule(lst: Path, reflectance: Path, out: Path, settings: Settings) -> int:
    """Sharpen a whole granule into a GeoTIFF; gives back how many threads it could have used."""
    pair = align(ModisPair(lst.name, read_lst(lst), read_ndvi(reflectance)))
    sharpened = sharpen_pair(pair, settings.method, Options(seed=settings.seed))
    write_raster(sharpened, out, {"method": settings.method})
    return max(torch.get_num_threads(), *(library["num_threads"] for library in threadpool_info()))


def sharpen_slowly(lst: Path, reflectance: Path, out: Path, settings: Settings) -> int:
    """As `sharpen_granule`, slow enough that a worker can be killed in the middle of it."""
    time.sleep(0.4)
    return sharpen_granule(lst, reflectance, out, settings)


def fail_in_june_die_in_july(lst: Path, reflectance: Path, out: Path, settings: Settings) -> int:
    if ".A2018166." in lst.name:
        raise ZeroDivisionError("a fault\nof the code")
    if ".A2018196." in lst.name:
        os.kill(os.getpid(), signal.SIGKILL)
    return sharpen_granule(lst, reflectance, out, settings)
