"""The statistics of a training split, which z-score every input of a network."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from lstsr_core.base.errors import InputError
from lstsr_core.geo.raster import FloatArray


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
            if (
                not isinstance(value, int | float)
                or not math.isfinite(value)
                or ("_std" in entry.name and value <= 0)
            ):
                raise ValueError(
                    f"statistic '{entry.name}' is {value!r}; expected a number, above 0 for a standard"
                    " deviation"
                )


def moments(lst_k: FloatArray, ndvi: FloatArray) -> dict[str, list[float]]:
    """Count, mean, sum of squares about it, minimum and maximum of a
    patch's valid pixels, as float32 files hold them."""

    def of(image: FloatArray) -> list[float]:
        stored = image[np.isfinite(image)].astype(np.float32).astype(np.float64)
        mean = stored.mean()
        return [
            len(stored),
            *(float(number) for number in (mean, ((stored - mean) ** 2).sum(), stored.min(), stored.max())),
        ]

    return {"lst_k": of(lst_k), "ndvi": of(ndvi)}


def joined(patches: Sequence[Mapping[str, Any]]) -> Statistics:
    """The statistics of all patches' valid pixels, from what `moments` gave of each."""
    of_both = {}
    for quantity in ("lst_k", "ndvi"):
        counts, means, squares, lowest, highest = np.array([patch[quantity] for patch in patches]).T
        mean = (counts * means).sum() / counts.sum()
        variance = (squares + counts * (means - mean) ** 2).sum() / counts.sum()
        of_both[quantity] = [
            float(number) for number in (mean, np.sqrt(variance), lowest.min(), highest.max())
        ]
    (lst_mean_k, lst_std_k, lst_min_k, lst_max_k), (ndvi_mean, ndvi_std, ndvi_min, ndvi_max) = (
        of_both["lst_k"],
        of_both["ndvi"],
    )
    return Statistics(lst_mean_k, lst_std_k, ndvi_mean, ndvi_std, lst_min_k, lst_max_k, ndvi_min, ndvi_max)


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
        raise InputError(
            f"{path}: not readable as training statistics ({error}); expected JSON with {names}."
        ) from error
