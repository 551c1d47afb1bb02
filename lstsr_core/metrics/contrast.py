"""Fine contrast against NDVI's: where a product draws it the wrong way round (claim 10)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lstsr_core.geo.operators import low_pass
from lstsr_core.geo.raster import FloatArray

CELL_PIXELS = 20
RISING_CORRELATION = 0.3


@dataclass(frozen=True)
class Inversion:
    """Cells of 20×20 fine pixels where ASTER's fine detail rises
    with NDVI's, and those where the product's falls."""

    cells: int
    rising: int
    inverted: int


def _cells(image: FloatArray) -> FloatArray:
    rows, columns = (size // CELL_PIXELS for size in image.shape)
    cut = image[: rows * CELL_PIXELS, : columns * CELL_PIXELS]
    blocks = cut.reshape(rows, CELL_PIXELS, columns, CELL_PIXELS).swapaxes(1, 2)
    return blocks.reshape(rows * columns, CELL_PIXELS**2)


def _correlations(a: FloatArray, b: FloatArray) -> FloatArray:
    a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
    norm = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    correlations: FloatArray = np.where(
        norm > 0.0, (a * b).sum(axis=1) / np.where(norm > 0.0, norm, 1.0), np.nan
    )
    return correlations


def inversion(product_k: FloatArray, aster_k: FloatArray, ndvi: FloatArray) -> Inversion:
    """Count cells by the sign of the correlation between fine detail (T − G T) and NDVI's (n − G n).

    Parameters
    ----------
    product_k, aster_k, ndvi : array of shape (rows, columns)
        On one grid; a cell is left out if a NaN of any of them
        lies in it or within the low-pass's reach of it.

    Returns
    -------
    Inversion
        `rising`: correlation of ASTER's detail with NDVI's above 0.3;
        `inverted`: among those, the product's below 0.
    """
    product, aster, vegetation = (_cells(image - low_pass(image)) for image in (product_k, aster_k, ndvi))
    aster_correlation, product_correlation = (
        _correlations(aster, vegetation),
        _correlations(product, vegetation),
    )
    valid = np.isfinite(aster_correlation) & np.isfinite(product_correlation)
    rising = valid & (aster_correlation > RISING_CORRELATION)
    return Inversion(int(valid.sum()), int(rising.sum()), int((rising & (product_correlation < 0.0)).sum()))
