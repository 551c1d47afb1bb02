"""Judging methods on ASTER–MODIS pairs: one table of all metrics."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.evaluation.products import Products
from lstsr_core.evaluation.protocols import PROTOCOLS, Comparison, Georeferenced, Placement, check_protocols
from lstsr_core.geo.operators import degrade
from lstsr_core.geo.raster import FloatArray, Raster
from lstsr_core.metrics.contrast import Inversion, inversion
from lstsr_core.metrics.fourier import FourierMetrics, attenuation_db, compare_spectra
from lstsr_core.metrics.images import (
    bias,
    consistency_k,
    correlation,
    gssim,
    psnr_db,
    rmse,
    rmse_by_gradient_k,
    rmse_gradient,
    rmse_unbiased,
    ssim,
)
from lstsr_core.metrics.names import METRIC_COLUMNS
from lstsr_core.pairs.pair import Pair, fine_grid, pair_ids, read_pair
from lstsr_core.sharpening.methods import METHODS, Options, check_methods

if TYPE_CHECKING:
    from lstsr_core.metrics.perceptual import Lpips

COLUMNS = ["scene", "method", "protocol", *METRIC_COLUMNS, "rows", "columns", "in_sample", "status"]
"""Columns of every results table; `in_sample`: whether the method has seen the scene (`methods.in_sample`),
empty where that is not known or it has no network; `status`: "ok", or why the metrics are empty."""

PRODUCT_STATISTICS = ["mean_k", "std_k", "min_k", "max_k", "mean_abs_step_k", "consistency_k"]


def compare_all(
    placement: Placement, methods: Sequence[str], products: Products
) -> tuple[dict[str, Comparison], dict[str, str]]:
    """Each method's product under a protocol, beside ASTER; and for each method without one the reason."""
    rasters, reasons = products.of(placement, methods)
    outcomes: Mapping[str, Comparison | str] = {**reasons, **placement.compare(rasters)}
    in_order = [(name, outcomes[name]) for name in methods]
    comparisons = {name: outcome for name, outcome in in_order if not isinstance(outcome, str)}
    return comparisons, {name: outcome for name, outcome in in_order if isinstance(outcome, str)}


def compared_images(comparisons: Mapping[str, Comparison]) -> dict[str, Raster]:
    """ASTER and NDVI over the rectangle of the first
    comparison, and each product; empty without comparisons."""
    if not comparisons:
        return {}
    first = next(iter(comparisons.values()))
    return {
        "aster": first.aster,
        "ndvi": first.ndvi,
        **{name: comparison.product for name, comparison in comparisons.items()},
    }


def product_statistics(fine_k: FloatArray, lst_k: FloatArray, mtf: float) -> dict[str, float]:
    """What a product is like before any comparison with ASTER.

    Parameters
    ----------
    fine_k : array of shape (4·rows, 4·columns)
        The product in kelvin.
    lst_k : array of shape (rows, columns)
        The 1 km LST that it came from.
    mtf : float
        Of the sensor that the consistency is judged with.

    Returns
    -------
    dict
        `PRODUCT_STATISTICS`: mean, spread, extremes, mean |horizontal
        difference| between neighbours, and consistency.
    """
    statistics = (np.nanmean(fine_k), np.nanstd(fine_k), np.nanmin(fine_k), np.nanmax(fine_k))
    step_k = np.nanmean(np.abs(np.diff(fine_k, axis=1)))
    figures = [*(float(value) for value in (*statistics, step_k)), consistency_k(fine_k, lst_k, mtf)]
    return dict(zip(PRODUCT_STATISTICS, figures, strict=True))


def coarse_differences(pair: Pair) -> dict[str, float]:
    """How far the 1 km LST itself lies from ASTER degraded to 1
    km, by georeference: no sharpening can undo that.

    Returns
    -------
    dict
        `coarse_bias_k`, `coarse_rmse_k` (NaN where no pixel has both) and `coarse_pixels`, how many have.
    """
    placement = Georeferenced(pair)
    aster = pair.aster.with_values(np.where(placement.aster_valid, pair.aster.values, np.nan))
    coarse_k = degrade(aster.warp_onto(fine_grid(placement.pair)).values)
    lst_k = placement.pair.lst.values
    valid = np.isfinite(coarse_k) & np.isfinite(lst_k)
    count = int(valid.sum())
    values = [metric(lst_k[valid], coarse_k[valid]) if count else float("nan") for metric in (bias, rmse)]
    return {"coarse_bias_k": values[0], "coarse_rmse_k": values[1], "coarse_pixels": count}


def inversions_of_pair(pair: Pair, methods: Sequence[str], products: Products) -> dict[str, Inversion]:
    """Where ASTER's detail rises with NDVI's and a product's falls, by
    georeference, for each product on ASTER's grid."""
    comparisons, _ = compare_all(Georeferenced(pair), methods, products)
    images = compared_images(comparisons)
    shape = images["aster"].values.shape if images else ()
    comparable = [name for name in methods if name in images and images[name].values.shape == shape]
    return {
        name: inversion(*(images[image].values for image in (name, "aster", "ndvi"))) for name in comparable
    }


def spectra_of(comparison: Comparison, published: bool = False) -> FourierMetrics:
    """The Fourier metrics of one product."""
    images = (comparison.product, comparison.aster, comparison.bicubic)
    product, aster, bicubic = (attenuation_db(image.values, published) for image in images)
    shared = min(len(product), len(bicubic))  # the published protocol may cut bicubic to another size
    return compare_spectra(product[:shared], aster[:shared], bicubic[:shared])


def measure(
    comparison: Comparison, lst_k: FloatArray, published: bool = False, lpips: Lpips | None = None
) -> dict[str, float]:
    """All metrics of one product.

    Parameters
    ----------
    comparison : Comparison
    lst_k : array of shape (rows, columns)
        The 1 km LST that the product came from.
    published : bool
        Take the published variants of GSSIM and of the spectra's first element.
    lpips : Lpips, optional
        Without it, or without its weights, `lpips` is NaN.
    """
    # torch, which tables that are only read need not load
    from lstsr_core.metrics.perceptual import texture_similarity

    x, r = comparison.product.values, comparison.aster.values
    low, mid, high = rmse_by_gradient_k(x, r)
    return {
        "psnr_db": psnr_db(x, r),
        "ssim": ssim(x, r),
        "rmse_k": rmse(x, r),
        "rmse_low_gradient_k": low,
        "rmse_mid_gradient_k": mid,
        "rmse_high_gradient_k": high,
        "gssim": gssim(x, r, published),
        "lpips": lpips(x, r) if lpips else float("nan"),
        "rmse_gradient": rmse_gradient(x, r),
        "bias_k": bias(x, r),
        "rmse_unbiased_k": rmse_unbiased(x, r),
        "correlation": correlation(x, r),
        "consistency_k": consistency_k(comparison.fine.values, lst_k),
        **asdict(spectra_of(comparison, published)),
        **texture_similarity(x, r),
        "psnr_aster_range_db": psnr_db(x, r, range_k=float(np.ptp(r))),
        "rows": x.shape[0],
        "columns": x.shape[1],
    }


@dataclass
class Evaluation:
    """Rows of the results table; by pair why it could not be read, and what is odd about it, and legal."""

    rows: list[dict[str, object]] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)
    remarks: dict[str, str] = field(default_factory=dict)

    def table(self) -> pd.DataFrame:
        """The results table, one row for each scene, protocol and method, with exactly `COLUMNS`."""
        return pd.DataFrame(self.rows, columns=COLUMNS)


def evaluate_pair(
    pair: Pair,
    methods: Sequence[str],
    protocols: Sequence[str],
    products: Products,
    lpips: Lpips | None = None,
) -> list[dict[str, object]]:
    """Rows of one pair, one for each protocol and method; a method
    that cannot be judged has its reason as status."""
    rows: list[dict[str, object]] = []
    for protocol in protocols:
        placement = PROTOCOLS[protocol](pair)
        published = bool(placement.options(products.options).published)
        comparisons, reasons = compare_all(placement, methods, products)
        for name in methods:
            row: dict[str, object] = {"scene": pair.id, "method": name, "protocol": protocol}
            row["in_sample"] = products.in_sample(pair, name)
            if name in reasons:
                rows.append({**row, "status": reasons[name]})
            else:
                values = measure(comparisons[name], placement.pair.lst.values, published, lpips)
                rows.append({**row, **values, "status": "ok"})
    return rows


def evaluate(
    directory: str | os.PathLike[str],
    ids: Iterable[str] | None = None,
    methods: Sequence[str] = ("all",),
    protocols: Sequence[str] = ("georeferenced",),
    options: Options | None = None,
    lpips: Lpips | None = None,
    keep_going: bool = False,
) -> Evaluation:
    """Evaluate methods on pairs of a directory: what ``lstsr evaluate`` does.

    Parameters
    ----------
    directory : path
    ids : iterable of str, optional
        Of the pairs, as `pairs.pair.read_pair` takes them; without them, all that the directory has.
    methods, protocols : sequence of str
        Names in `sharpening.methods.METHODS` (or ``all``) and `evaluation.protocols.PROTOCOLS`.
    options : Options, optional
        Such as the directory of weights; without it, the package's own.
    lpips : Lpips, optional
        Without it, its column is empty.
    keep_going : bool
        Note a pair that cannot be used among the failures and go on, instead of raising.

    Raises
    ------
    InputError
        If a method or protocol is unknown or, unless `keep_going`, a pair cannot be used.

    Examples
    --------
    >>> import lstsr_core, datetime, pathlib, tempfile
    >>> from lstsr_core.simulation.scenes import simulate
    >>> folder = tempfile.TemporaryDirectory()
    >>> simulate(pathlib.Path(folder.name), days=[datetime.date(2019, 7, 19)], windows=1, pairs=1)
    >>> pairs = pathlib.Path(folder.name, "pairs")
    >>> table = lstsr_core.evaluate(pairs, methods=["bicubic", "tsharp"]).table()
    >>> table[["scene", "method", "protocol", "status"]]
      scene   method       protocol status
    0     0  bicubic  georeferenced     ok
    1     0   tsharp  georeferenced     ok
    >>> folder.cleanup()
    """
    directory = Path(directory)
    ids = pair_ids(directory) if ids is None else ids
    options = options or Options()
    methods, protocols = check_methods(list(methods)), check_protocols(protocols)
    evaluation = Evaluation()
    for pair_id in ids:
        try:
            pair = read_pair(directory, pair_id)
            evaluation.rows += evaluate_pair(pair, methods, protocols, Products(options), lpips)
            if pair.remarks:
                evaluation.remarks[pair_id] = pair.remarks
        except InputError as error:
            if not keep_going:
                raise
            evaluation.failures[pair_id] = str(error)
            reason = "pair refused: " + str(error).replace(str(directory), "…")
            refused = itertools.product(protocols, methods)
            evaluation.rows += [
                {"scene": pair_id, "method": m, "protocol": p, "status": reason} for p, m in refused
            ]
    return evaluation


def write_table(table: pd.DataFrame, path: Path, decimals: int = 6) -> None:
    """Write a table as CSV with Unix line ends, atomically."""
    with written_atomically(path) as temporary:
        table.to_csv(temporary, index=False, float_format=f"%.{decimals}f", lineterminator="\n")


def mean_by_method(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Means over the scenes, a row for each protocol and method; one that has none shows its reason instead.

    Returns
    -------
    DataFrame
        Index: the methods' labels; columns `protocol`, `scenes` (how many
        count, or why none does), then those asked for.
    """
    rows, labels = [], []
    for (protocol, name), group in table.groupby(["protocol", "method"], sort=False):
        results = group[group["status"] == "ok"]
        scenes = len(results) if len(results) else group["status"].iloc[0]
        if "in_sample" in results and results["in_sample"].eq(True).any():
            scenes = f"{scenes}, in-sample"
        labels.append(METHODS[str(name)].label)
        rows.append([protocol, scenes, *results[list(columns)].astype(float).mean()])
    return pd.DataFrame(rows, index=labels, columns=["protocol", "scenes", *columns])
