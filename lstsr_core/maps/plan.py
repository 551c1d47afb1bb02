"""What a map would take, before it is made: files, bytes, memory, minutes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import SCALE
from lstsr_core.geo.window import Window
from lstsr_core.maps.predict import card_of, check_names, read_area, water_of
from lstsr_core.maps.request import Request


@dataclass(frozen=True)
class MapPlan:
    """What a map would take.

    Attributes
    ----------
    granules : dict of str to int
        Bytes of each file that would be read.
    rows, columns : int
        Fine pixels of the map.
    bytes : int
        Of the map, about.
    memory_bytes : int
        At the most, about.
    minutes : float
        About.
    warnings : tuple of str
        Of granules and area; those of temperatures come with the map.
    """

    granules: dict[str, int]
    rows: int
    columns: int
    bytes: int
    memory_bytes: int
    minutes: float
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        lines = [f"{name}: {size / 1e6:.1f} MB" for name, size in self.granules.items()]
        lines.append(
            f"map: {self.rows}×{self.columns} pixels, {self.bytes / 1e6:.1f} MB;"
            f" {self.memory_bytes / 1e9:.1f} GB of memory, {self.minutes:.1f} minutes, all about"
        )
        return "\n".join(lines)


# Measured on one core that does 170 GFLOP/s in float32 matrices (benchmarks/bench_map.py).
_OVERHEAD_S_PER_MEGAPIXEL = 0.2
_S_PER_MEGAPIXEL = {
    "bicubic": 0.05, "tsharp": 0.03, "atprk": 0.13, "aatprk": 0.2, "dms": 0.75, "dms-local": 1.8,
}  # fmt: skip
_SEAMLESS_S_PER_MEGAPIXEL, _BLENDED_S_PER_MEGAPIXEL = 0.7, 2.3
_BYTES_PER_PIXEL, _MEMORY_PER_PIXEL, _MEMORY_BASE = 2.5, 100, 600_000_000


def plan_granule(lst_path: Path, ndvi_path: Path, request: Request) -> MapPlan:
    """What `predict_granule` would read, write and take, and that it can;
    refuses what it would refuse but damage inside.

    Raises
    ------
    InputError
    NoResult
        If there is no LST in the area.
    """
    warnings = check_names(lst_path, ndvi_path, request)
    ground, water = read_area(lst_path, ndvi_path, request), water_of(request, lst_path)
    try:
        granules = {
            path.name: path.stat().st_size
            for path in (lst_path, request.lst_qc, ndvi_path, water)
            if path is not None
        }
    except OSError as error:
        raise InputError(f"{error.filename}: cannot be read ({error.strerror}).") from error
    return cost(granules, ground.window, ground.window, request, warnings + ground.warnings)


def cost(
    granules: dict[str, int], window: Window, computed: Window, request: Request, warnings: tuple[str, ...]
) -> MapPlan:
    """What a map would take.

    Parameters
    ----------
    granules : dict of str to int
        Bytes of each file that would be read.
    window, computed : Window
        Coarse pixels that are written, and that are sharpened for it.
    request : Request
    warnings : tuple of str
    """
    (rows, columns), pixels = _fine_size(window), math.prod(_fine_size(computed))
    path = request.weights_path
    if path is None:
        each_s = _S_PER_MEGAPIXEL.get(request.method, 1.0)
    else:
        blended = card_of(path).get("upsampling", "align-corners") == "align-corners"
        each_s = (_BLENDED_S_PER_MEGAPIXEL if blended else _SEAMLESS_S_PER_MEGAPIXEL) / request.threads
    minutes = pixels / 1e6 * (_OVERHEAD_S_PER_MEGAPIXEL + each_s) / 60.0
    memory = _MEMORY_BASE + _MEMORY_PER_PIXEL * pixels
    return MapPlan(
        granules, rows, columns, round(_BYTES_PER_PIXEL * rows * columns), memory, minutes, warnings
    )


def _fine_size(window: Window) -> tuple[int, int]:
    return SCALE * (window.rows.stop - window.rows.start), SCALE * (
        window.columns.stop - window.columns.start
    )
