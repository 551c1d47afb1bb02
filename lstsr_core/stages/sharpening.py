"""What 04_sharpening does: every method's product of every pair, before any comparison with ASTER."""

from __future__ import annotations

import shutil

import pandas as pd
from IPython.display import Image

from lstsr_core.evaluation.products import FOLDER, MANIFEST, KeptProducts, product_file, write_manifest
from lstsr_core.evaluation.protocols import PROTOCOLS, product_protocols
from lstsr_core.evaluation.table import PRODUCT_STATISTICS, mean_by_method, product_statistics
from lstsr_core.figures import panels
from lstsr_core.figures.data import distributions
from lstsr_core.geo.raster import Raster
from lstsr_core.pairs.pair import Pair
from lstsr_core.sharpening.kriging import coarse_residual_k
from lstsr_core.sharpening.methods import sharpen_pair
from lstsr_core.sharpening.variogram import fit_variograms
from lstsr_core.stages.common import link_or_copy, pairs_of, pairs_to_sharpen, shown_placement, write_csv
from lstsr_core.stages.parameters import Sharpening

PRODUCT_COLUMNS = ["scene", "method", "protocol", "status", *PRODUCT_STATISTICS]


def kept_products(settings: Sharpening) -> KeptProducts:
    """Products, kept beside the notebook's results: a killed run
    goes on, and a changed method alone is made again."""
    return KeptProducts(settings.options, settings.run / ".products")


def shown_products(settings: Sharpening) -> tuple[Pair, dict[str, Raster]]:
    """The chosen scene as methods take it, and each method's product before any warp."""
    placement = shown_placement(settings, pairs_to_sharpen(settings))
    rasters, _ = kept_products(settings).of(placement, settings.methods)
    return placement.pair, rasters


def sharpen_pairs(settings: Sharpening) -> pd.DataFrame:
    """Write every product, and ``products.csv``: its statistics and its
    consistency with the 1 km LST it was made from.

    Returns
    -------
    DataFrame
        Per protocol and method, means over the scenes.
    """
    # Or, stopped here, old words would stand beside new files.
    (settings.directory / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(settings.directory / FOLDER, ignore_errors=True)
    products, rows = kept_products(settings), []
    protocols = product_protocols(settings.protocols)
    reasons_by_scene: dict[str, dict[str, dict[str, str]]] = {protocol: {} for protocol in protocols}
    in_sample: dict[str, dict[str, bool | None]] = {}
    for pair in pairs_of(settings, pairs_to_sharpen(settings)):
        in_sample[pair.id] = {name: products.in_sample(pair, name) for name in settings.methods}
        for protocol in protocols:
            placement = PROTOCOLS[protocol](pair)
            rasters, reasons = products.of(placement, settings.methods)
            reasons_by_scene[protocol][pair.id] = reasons
            for name in settings.methods:
                row: dict[str, object] = {
                    "scene": pair.id,
                    "method": name,
                    "protocol": protocol,
                    "status": reasons.get(name, "ok"),
                }
                if name in rasters:
                    row |= product_statistics(rasters[name].values, placement.pair.lst.values, settings.mtf)
                    files = (
                        product_file(place, placement, name)
                        for place in (products.directory, settings.directory / FOLDER)
                    )
                    link_or_copy(*files)
                rows.append(row)
    write_manifest(
        settings.directory,
        settings.options,
        protocols,
        settings.methods,
        reasons_by_scene,
        in_sample,
    )
    table = write_csv(settings, "products.csv", pd.DataFrame(rows, columns=PRODUCT_COLUMNS))
    return mean_by_method(table, PRODUCT_STATISTICS)


def show_products(settings: Sharpening) -> Image:
    """The chosen scene: the 1 km LST with every product."""
    pair, rasters = shown_products(settings)
    return panels.show(panels.products(pair.lst, rasters), settings.directory, "products")


def show_added_texture(settings: Sharpening) -> Image | None:
    """The chosen scene: what each product adds to bicubic, and
    ``added_texture.csv``; nothing if bicubic is the only one."""
    pair, rasters = shown_products(settings)
    rasters |= {"bicubic": sharpen_pair(pair, "bicubic")}
    if len(rasters) == 1:
        return None
    added_k = {
        name: raster.values - rasters["bicubic"].values
        for name, raster in rasters.items()
        if name != "bicubic"
    }
    write_csv(settings, "added_texture.csv", distributions(added_k, "method"))
    return panels.show(panels.added_texture(rasters), settings.directory, "added_texture")


def show_variograms(settings: Sharpening) -> Image:
    """The chosen scene: the semivariograms that ATPRK and AATPRK fit
    to their residuals; writes ``variograms.csv``."""
    placement = shown_placement(settings, pairs_to_sharpen(settings))
    lst_k, ndvi, published = placement.pair.lst.values, placement.pair.ndvi.values, placement.published
    residuals = {
        name: coarse_residual_k(lst_k, ndvi, name == "aatprk", published) for name in ("atprk", "aatprk")
    }
    fits = {name: fit_variograms(residual_k, published) for name, residual_k in residuals.items()}
    parts = [
        pd.DataFrame(
            {
                "method": name, "distance_m": fit.distances_m, "measured_k2": fit.empirical_k2,
                "fitted_k2": fit.coarse(fit.distances_m), "from_points_k2": fit.regularised_k2,
                "point_k2": fit.point(fit.distances_m), "point_sill_k2": fit.point.sill,
                "point_range_m": fit.point.range_m,
            }
        )
        for name, fit in fits.items()
    ]  # fmt: skip
    write_csv(settings, "variograms.csv", pd.concat(parts))
    return panels.show(panels.variograms(fits), settings.directory, "variograms")
