"""The statistics of a training split, which z-score every input of a network."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, fields
from pathlib import Path

from lstsr_core.base.errors import InputError


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of the training split, which z-score every input of a network.

    The minima and maxima say where a network has seen anything at all.
    """

    lst_mean_k: float
    lst_std_k: float
    ndvi_mean: float
    ndvi_std: float
    lst_min_k: float | None = None
    lst_max_k: float | None = None
    ndvi_min: float | None = None
    ndvi_max: float | None = None

    def __post_init__(self) -> None:
        for entry in fields(self):
            value, needed = getattr(self, entry.name), entry.default is not None
            if value is None and not needed:
                continue
            if not isinstance(value, int | float) or not math.isfinite(value) or ("_std" in entry.name and value <= 0):
                raise ValueError(f"statistic '{entry.name}' is {value!r}; expected a number, above 0 for a standard deviation")


def read_statistics(path: Path) -> Statistics:
    """Read a ``statistics.json``.

    Raises
    ------
    InputError
        If it is missing or has other fields than `Statistics`.
    """
    try:
        return Statistics(**json.loads(path.read_text()))
    except (OSError, ValueError, TypeError) as error:
        names = ", ".join(f.name for f in fields(Statistics))
        raise InputError(f"{path}: not readable as training statistics ({error}); expected JSON with {names}.") from error
