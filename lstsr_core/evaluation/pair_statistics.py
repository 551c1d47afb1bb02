"""What the images of a pair are like, in a dozen numbers: to hold simulated pairs against real ones."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from lstsr_core.base.errors import InputError
from lstsr_core.evaluation.protocols import largest_rectangle
from lstsr_core.geo.grid import SCALE, check_nested
from lstsr_core.geo.operators import block_mean
from lstsr_core.geo.raster import FloatArray
from lstsr_core.metrics.fourier import attenuation_db
from lstsr_core.metrics.line import fit_line
from lstsr_core.pairs.swath import ASTER_EROSIONS, ASTER_VALID_K

BANDS = ("low", "middle", "high")


def pair_statistics(lst_k: FloatArray, ndvi: FloatArray, aster_k: FloatArray) -> dict[str, float]:
    """Means, spreads, the LST–NDVI regression and the spectra of a pair.

    Attenuation is the mean of `metrics.fourier.attenuation_db`
    over the low, middle and high third of its rings.

    Parameters
    ----------
    lst_k : array of shape (rows, columns)
        Kelvin at 1 km; NaN is left out, but makes the spectrum NaN.
    ndvi : array of shape (4·rows, 4·columns)
        At 250 m, over the same ground; likewise.
    aster_k : array of shape (any, any)
        Kelvin at 250 m, below 230 or NaN outside the swath.

    Returns
    -------
    dict
        ``lst_mean_k``, ``lst_std_k``, ``ndvi_mean``, ``ndvi_std``; ``slope_k_per_ndvi`` and
        ``r_squared`` of LST against the block means of NDVI; ``<image>_attenuation_<band>_db``
        for the images ``lst``, ``ndvi`` and ``aster`` (the largest rectangle inside its swath)
        and the bands ``low``, ``middle`` and ``high``.

    Raises
    ------
    InputError
        If the shapes do not fit together, or ASTER has no swath.
    """
    check_nested(lst_k.shape, ndvi.shape)
    coarse = block_mean(ndvi.astype(np.float64))
    line = fit_line(coarse, lst_k)
    statistics = {
        "lst_mean_k": float(np.nanmean(lst_k)),
        "lst_std_k": float(np.nanstd(lst_k)),
        "ndvi_mean": float(np.nanmean(ndvi)),
        "ndvi_std": float(np.nanstd(ndvi)),
        "slope_k_per_ndvi": line.slope,
        "r_squared": line.r_squared,
    }
    for name, image in (("lst", lst_k), ("ndvi", ndvi), ("aster", _swath(aster_k))):
        for band, rings_db in zip(BANDS, np.array_split(attenuation_db(image)[1:], len(BANDS)), strict=True):
            statistics[f"{name}_attenuation_{band}_db"] = float(rings_db.mean())
    return statistics


def _swath(aster_k: FloatArray) -> FloatArray:
    # The swath's edge is mixed with zeros, hence the erosion.
    valid = ndimage.binary_erosion(np.nan_to_num(aster_k) >= ASTER_VALID_K, iterations=ASTER_EROSIONS)
    image = aster_k[largest_rectangle(valid)]
    if min(image.shape) < 2 * SCALE:
        raise InputError(
            f"ASTER's swath holds no rectangle of {2 * SCALE}×{2 * SCALE} valid pixels; it is too small or"
            " empty."
        )
    return image
