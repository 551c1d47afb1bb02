"""Back-projection: forcing a product to give back its 1 km LST, and what that costs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lstsr_core.geo.operators import degrade, upsample
from lstsr_core.geo.raster import FloatArray, fill_nearest


def back_projected(fine_k: FloatArray, lst_k: FloatArray, steps: int) -> Iterator[FloatArray]:
    """The product itself, then after each step x ← x + U(y − D(x)).

    Parameters
    ----------
    fine_k : array of shape (4·rows, 4·columns)
        x, in kelvin; gaps stay gaps.
    lst_k : array of shape (rows, columns)
        y, in kelvin; where it has none, nothing is added.
    steps : int

    Yields
    ------
    array of shape (4·rows, 4·columns)
        Kelvin, steps + 1 times.
    """
    gaps = np.isnan(fine_k)
    whole_k = fill_nearest(fine_k)
    yield fine_k
    for _ in range(steps):
        whole_k = whole_k + upsample(np.nan_to_num(lst_k - degrade(whole_k), nan=0.0))
        yield np.where(gaps, np.nan, whole_k)
