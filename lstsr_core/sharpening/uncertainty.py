"""How far a map may lie from what ASTER would measure: one standard deviation at 250 m, in kelvin.

σ² = k²·(o² + (w₀ + w₁·t + w₂·n + w₃·r)²) + g²·e^(−2d/l). o is what the level of a scene differs by between
MODIS and ASTER, one figure for all; t and n are the local deviations of the high-passed product and NDVI,
r the local size of the residual at 1 km. k was set between what 68 and 95 % of the pixels ask for. The last
term is for pixels at a distance d of a gap, where a network sees the nearest pixel in its place: g and l
were fitted to what gaps cut into whole scenes did to their products.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import ndimage

from lstsr_core.geo.grid import SCALE
from lstsr_core.geo.operators import block_mean, degrade
from lstsr_core.geo.raster import BoolArray, FloatArray, fill_nearest
from lstsr_core.sharpening.restoration import COEFFICIENTS, interpolated, read_coefficients

HIGH_PASS_SIGMA = 3.0
"""Fine pixels, of the high-pass whose local deviation is taken."""

FEATURES = ("texture_k", "ndvi_texture", "residual_k")


@dataclass(frozen=True)
class Uncertainty:
    """Fitted coefficients of one method.

    Attributes
    ----------
    scale : float
        k.
    offset_k : float
        o, before the scale.
    constant_k, per_texture, per_ndvi_k, per_residual : float
        w₀ to w₃.
    gap_k, gap_pixels : float
        g in kelvin and l in fine pixels.
    """

    scale: float
    offset_k: float
    constant_k: float
    per_texture: float
    per_ndvi_k: float
    per_residual: float
    gap_k: float
    gap_pixels: float

    @property
    def offset_part_k(self) -> float:
        """What the level alone contributes, k·o: the same all over a map, and no error of texture."""
        return self.scale * self.offset_k

    def texture_k(self, features: FloatArray) -> FloatArray:
        """The part of the texture alone, features (3, …) → (…) kelvin."""
        weights = np.array([self.per_texture, self.per_ndvi_k, self.per_residual])
        texture: FloatArray = self.scale * (self.constant_k + np.tensordot(weights, features, axes=1))
        return texture

    def at_features(self, features: FloatArray) -> FloatArray:
        """One standard deviation in kelvin away from gaps, features (3, …) → (…)."""
        deviation: FloatArray = np.hypot(self.offset_part_k, self.texture_k(features))
        return deviation


def uncertainty_of(method: str, path: Path = COEFFICIENTS) -> Uncertainty | None:
    """A method's coefficients; None where none were fitted."""
    content = read_coefficients(path).get("uncertainty", {}).get(method)
    return None if content is None else Uncertainty(**content)


def local_features(product_k: FloatArray, lst_k: FloatArray, ndvi: FloatArray) -> FloatArray:
    """What the uncertainty is told from, at 1 km: `FEATURES`, (3, rows, columns).

    Parameters
    ----------
    product_k, ndvi : array of shape (4·rows, 4·columns)
    lst_k : array of shape (rows, columns)
    """
    residual = fill_nearest(np.abs(degrade(product_k) - lst_k))
    return np.stack([_deviation(product_k), _deviation(ndvi), ndimage.gaussian_filter(residual, 1.0)])


def _deviation(fine: FloatArray) -> FloatArray:
    gaps = np.isnan(fine)
    texture = (fine - np.nanmean(fine[::SCALE, ::SCALE])).astype(np.float32)
    texture[gaps] = 0.0
    low = ndimage.gaussian_filter(texture, HIGH_PASS_SIGMA)
    shares = np.ones(block_mean(texture).shape, dtype=np.float32)
    if gaps.any():
        weights = (~gaps).astype(np.float32)
        low /= np.maximum(ndimage.gaussian_filter(weights, HIGH_PASS_SIGMA), 1e-3)
        shares = block_mean(weights)
    texture -= low
    texture[gaps] = 0.0
    # Squares of a block hold its valid pixels' share of them already.
    squares, share = (
        ndimage.gaussian_filter(image, 1.0) for image in (block_mean(np.square(texture)), shares)
    )
    deviation: FloatArray = np.sqrt(
        fill_nearest(np.where(share > 1e-3, squares / np.maximum(share, 1e-3), np.nan))
    )
    return deviation


def uncertainty_k(
    product_k: FloatArray, lst_k: FloatArray, ndvi: FloatArray, coefficients: Uncertainty
) -> FloatArray:
    """One standard deviation of a product's difference from ASTER at 250 m, its level included.

    Parameters
    ----------
    product_k, ndvi : array of shape (4·rows, 4·columns)
        The method's product in kelvin; NaN where there is none.
    lst_k : array of shape (rows, columns)
    coefficients : Uncertainty

    Returns
    -------
    float32 array of shape (4·rows, 4·columns)
        Kelvin; NaN where the product has none.
    """
    deviation = interpolated(coefficients.at_features(local_features(product_k, lst_k, ndvi)))
    gaps = np.isnan(product_k)
    if gaps.any():
        away = distance_to_gap(gaps, 4.0 * coefficients.gap_pixels)
        deviation = np.hypot(deviation, coefficients.gap_k * np.exp(-away / coefficients.gap_pixels))
        deviation[gaps] = np.nan
    return deviation


def distance_to_gap(gaps: BoolArray, farthest: float) -> FloatArray:
    """Fine pixels from each pixel to the nearest gap, in steps of a coarse pixel; `farthest` at the most."""
    blocks = block_mean(gaps.astype(np.float32)) > 0.0
    away = SCALE * ndimage.distance_transform_edt(~blocks)
    distance: FloatArray = np.minimum(interpolated(away), farthest)
    return distance
