"""What the paper does not tell: the database's misregistration,
variants of methods, distortion against texture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy import ndimage

from lstsr_core.evaluation.back_projection import back_projected
from lstsr_core.evaluation.products import Products, sharpen_all
from lstsr_core.evaluation.protocols import (
    PRODUCT_EROSIONS,
    PROTOCOLS,
    SMALLEST_SIDE,
    TOO_SMALL,
    Comparison,
    Georeferenced,
    largest_rectangle,
)
from lstsr_core.evaluation.table import spectra_of
from lstsr_core.geo.operators import block_mean
from lstsr_core.geo.raster import Raster, warp_onto
from lstsr_core.metrics import images
from lstsr_core.metrics.fourier import attenuation_db, compare_spectra
from lstsr_core.metrics.line import fit_line
from lstsr_core.pairs.pair import Pair, as_paired, fine_offset
from lstsr_core.sharpening.methods import sharpen_pair

VARIED_METHODS = ["tsharp", "atprk", "aatprk", "dms", "sc-unet"]
"""Methods whose published variant differs from the default."""

COMPARED = ["rmse_k", "correlation", "frr", "attenuation_rmse_db"]

AS_PUBLISHED = ["frr_published", "attenuation_rmse_published_db", "gssim", "gssim_published"]
"""Metrics with and without the published quirks of metrics."""


def place_both_ways(pair: Pair, methods: Sequence[str], products: Products) -> list[dict[str, object]]:
    """Judge each method with LST and NDVI as the database pairs
    them, and aligned, over the same pixels of ASTER.

    Returns
    -------
    list of dict
        A row for each method and placement: scene, method, placement ("as paired" or "aligned"), rows_down,
        columns_right (`pairs.pair.fine_offset`), status, `COMPARED`, and R² and slope of LST on NDVI at 1 km.
    """
    right = Georeferenced(pair)
    wrong = as_paired(pair)
    rows_down, columns_right = fine_offset(pair)
    aligned, reasons = products.of(right, methods)
    misplaced, further_reasons = sharpen_all(wrong, methods, replace(products.options, published=False))
    reasons |= further_reasons
    both = [name for name in methods if name in aligned and name in misplaced]
    bicubic = sharpen_pair(right.pair, "bicubic").warp_onto(pair.aster)
    rows: list[dict[str, object]] = []
    regressions = {"as paired": _regression(wrong), "aligned": _regression(right.pair)}
    place = {"scene": pair.id, "rows_down": rows_down, "columns_right": columns_right}
    for name in methods:
        if name not in both:
            rows += [
                {**place, "method": name, "placement": p, "status": reasons[name], **r}
                for p, r in regressions.items()
            ]
    if not both:
        return rows
    on_aster = {
        "as paired": dict(zip(both, warp_onto([misplaced[name] for name in both], pair.aster), strict=True)),
        "aligned": dict(zip(both, warp_onto([aligned[name] for name in both], pair.aster), strict=True)),
    }
    for name in both:
        mask = right.aster_valid
        for raster in (bicubic, *(rasters[name] for rasters in on_aster.values())):
            mask = mask & ndimage.binary_erosion(
                np.isfinite(raster.values), iterations=PRODUCT_EROSIONS, border_value=0
            )
        cut = largest_rectangle(mask)
        small = min(part.stop - part.start for part in cut) <= SMALLEST_SIDE
        for placement, rasters in on_aster.items():
            row: dict[str, object] = {
                **place,
                "method": name,
                "placement": placement,
                **regressions[placement],
            }
            if small:
                rows.append({**row, "status": TOO_SMALL})
            else:
                rows.append(
                    {
                        **row,
                        "status": "ok",
                        **_compared(rasters[name].crop(*cut), pair.aster.crop(*cut), bicubic.crop(*cut)),
                    }
                )
    return rows


def _regression(pair: Pair) -> dict[str, float]:
    """How closely LST follows NDVI at 1 km."""
    line = fit_line(block_mean(pair.ndvi.values), pair.lst.values)
    return {"r_squared": line.r_squared, "slope_k_per_ndvi": line.slope}


def _compared(product: Raster, aster: Raster, bicubic: Raster) -> dict[str, float]:
    fourier = compare_spectra(*(attenuation_db(image.values) for image in (product, aster, bicubic)))
    return {
        "rmse_k": images.rmse(product.values, aster.values),
        "correlation": images.correlation(product.values, aster.values),
        "frr": fourier.frr,
        "attenuation_rmse_db": fourier.attenuation_rmse_db,
    }


def vary(
    pair: Pair, methods: Sequence[str], protocols: Sequence[str], products: Products
) -> list[dict[str, object]]:
    """Judge the default and the published variant of each method that has both.

    Returns
    -------
    list of dict
        A row for each protocol, method and variant: scene, protocol, method, variant ("default" or
        "published"), status, `COMPARED`, and GSSIM and attenuation RMSE as defined and as published.
    """
    rows: list[dict[str, object]] = []
    varied = [name for name in methods if name in VARIED_METHODS]
    for protocol in protocols:
        placement = PROTOCOLS[protocol](pair)
        variants: dict[str, Raster] = {}
        for variant, published in (("default", False), ("published", True)):
            if published == placement.published:
                rasters, reasons = products.of(placement, varied)
            else:
                options = placement.options(replace(products.options, published=published))
                rasters, reasons = sharpen_all(placement.pair, varied, options)
            variants |= {f"{name}/{variant}": raster for name, raster in rasters.items()}
            rows += [_variant_row(pair, protocol, name, variant, reason) for name, reason in reasons.items()]
        for key, outcome in placement.compare(variants).items():
            name, _, variant = key.partition("/")
            rows.append(_variant_row(pair, protocol, name, variant, outcome))
    return rows


def _variant_row(
    pair: Pair, protocol: str, method: str, variant: str, outcome: Comparison | str
) -> dict[str, object]:
    row: dict[str, object] = {"scene": pair.id, "protocol": protocol, "method": method, "variant": variant}
    if isinstance(outcome, str):
        return {**row, "status": outcome}
    x, r = outcome.product.values, outcome.aster.values
    defined, published = spectra_of(outcome), spectra_of(outcome, published=True)
    return {
        **row,
        "status": "ok",
        "rmse_k": images.rmse(x, r),
        "correlation": images.correlation(x, r),
        "frr": defined.frr,
        "attenuation_rmse_db": defined.attenuation_rmse_db,
        "frr_published": published.frr,
        "attenuation_rmse_published_db": published.attenuation_rmse_db,
        "gssim": images.gssim(x, r),
        "gssim_published": images.gssim(x, r, published=True),
    }


def back_project(
    pair: Pair, methods: Sequence[str], products: Products, steps: int
) -> list[dict[str, object]]:
    """Judge each method's product after 0 … `steps` steps of back-projection, georeferenced.

    Returns
    -------
    list of dict
        A row for each method and step: scene, method, step, status, consistency_k and `COMPARED`.
    """
    placement = Georeferenced(pair)
    rasters, reasons = products.of(placement, methods)
    lst_k = placement.pair.lst.values
    rows: list[dict[str, object]] = [
        {"scene": pair.id, "method": name, "step": 0, "status": reason} for name, reason in reasons.items()
    ]
    steps_of_products = {
        f"{name}/{step}": fine.with_values(values)
        for name, fine in rasters.items()
        for step, values in enumerate(back_projected(fine.values, lst_k, steps))
    }
    for key, outcome in placement.compare(steps_of_products).items():
        name, _, step = key.partition("/")
        row: dict[str, object] = {"scene": pair.id, "method": name, "step": int(step)}
        if isinstance(outcome, str):
            rows.append({**row, "status": outcome})
            continue
        consistency_k = images.consistency_k(outcome.fine.values, lst_k)
        rows.append(
            {
                **row,
                "status": "ok",
                "consistency_k": consistency_k,
                **_compared(outcome.product, outcome.aster, outcome.bicubic),
            }
        )
    return rows
