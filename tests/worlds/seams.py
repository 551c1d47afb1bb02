"""How much a seam shows across borders of an image."""

from __future__ import annotations

import numpy as np

from lstsr_core.geo.raster import FloatArray


def steps_at(image_k: FloatArray, borders: list[int]) -> float:
    """Mean step from the pixel before to the pixel after some rows and columns."""
    steps = [np.abs(image_k[borders] - image_k[[b - 1 for b in borders]]),
             np.abs(image_k[:, borders] - image_k[:, [b - 1 for b in borders]])]  # fmt: skip
    return float(np.mean([step.mean() for step in steps]))


def seam(bordered_k: FloatArray, borders: list[int], elsewhere_k: FloatArray) -> float:
    """Mean step across window borders, over that at the same place of a map that has its borders elsewhere.

    An image's own steps differ more from place to place than a seam would show in few places.
    """
    return steps_at(bordered_k, borders) / steps_at(elsewhere_k, borders)
