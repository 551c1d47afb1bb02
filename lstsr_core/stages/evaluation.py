"""What 06_aster_evaluation does: every metric of every product against
ASTER, and what the table can and cannot tell apart."""

from __future__ import annotations

import html
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from IPython.display import HTML, Image

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import resolve
from lstsr_core.evaluation.protocols import Comparison, Georeferenced
from lstsr_core.evaluation.statistics import differences_between_methods, summarise
from lstsr_core.evaluation.table import (
    Evaluation,
    coarse_differences,
    compare_all,
    compared_images,
    evaluate_pair,
    inversions_of_pair,
    mean_by_method,
)
from lstsr_core.figures import panels
from lstsr_core.figures.data import distributions
from lstsr_core.geo.operators import low_pass
from lstsr_core.geo.raster import FloatArray
from lstsr_core.metrics.images import bias, rmse
from lstsr_core.metrics.line import fit_line
from lstsr_core.metrics.names import METRIC_COLUMNS
from lstsr_core.metrics.perceptual import load_lpips
from lstsr_core.stages.common import choice_of, pairs_of, shown_placement, why_absent, write_csv
from lstsr_core.stages.parameters import AsterEvaluation

MAIN_METRICS = [
    "rmse_k", "bias_k", "rmse_unbiased_k", "correlation", "psnr_db", "ssim", "consistency_k", "frr", "fro",
    "attenuation_rmse_db",
]  # fmt: skip


def evaluate_pairs(settings: AsterEvaluation) -> pd.DataFrame:
    """Write ``metrics.csv`` (one row for each scene, protocol and
    method), ``summary.csv`` and ``differences.csv``."""
    lpips = load_lpips(resolve(settings.lpips_directory) if settings.lpips_directory else None)
    choice = choice_of(settings, settings.protocols)
    rows: list[dict[str, object]] = []
    for pair in pairs_of(settings, choice.pairs):
        rows += evaluate_pair(pair, choice.methods, settings.protocols, choice.products, lpips)
    table = write_csv(settings, "metrics.csv", Evaluation(rows).table())
    write_csv(settings, "summary.csv", summarise(table, METRIC_COLUMNS))
    write_csv(settings, "differences.csv", differences_between_methods(table, METRIC_COLUMNS))
    return table


def lpips_availability(settings: AsterEvaluation) -> HTML:
    """Whether LPIPS can be computed, or what is missing and how to get it."""
    lpips = load_lpips(resolve(settings.lpips_directory) if settings.lpips_directory else None)
    state = lpips.reason.replace(str(Path.home()), "~") or "LPIPS: weights found."
    return HTML(f"<p>{html.escape(state)}</p>")  # type: ignore[no-untyped-call]


def quantiles(settings: AsterEvaluation) -> pd.DataFrame:
    """Mean, standard deviation, 10 %, Q1, median, Q3 and 90
    % of the main metrics under the first protocol."""
    summary = pd.read_csv(settings.directory / "summary.csv")
    rows = summary[
        (summary["protocol"] == settings.protocols[0])
        & summary["metric"].isin(MAIN_METRICS)
        & (summary["scenes"] > 0)
    ]
    rows = rows.assign(method=[panels.label(name) for name in rows["method"]]).drop(columns="protocol")
    order = [(metric, label) for metric in MAIN_METRICS for label in rows["method"].unique()]
    return rows.set_index(["metric", "method"]).reindex(order).dropna(how="all")


def show_differences(settings: AsterEvaluation) -> Image | None:
    """Paired differences between methods, those that chance may have made
    hatched; nothing if fewer than two can be compared."""
    table = pd.read_csv(settings.directory / "differences.csv")
    table = table[table["protocol"] == settings.protocols[0]]
    if table.empty:
        return None
    return panels.show(panels.differences(table), settings.directory, "differences")


def against_aster(settings: AsterEvaluation) -> pd.DataFrame:
    """Write ``modis.csv``: how far the 1 km LST itself lies from ASTER degraded to 1 km, for each scene."""
    pairs = pairs_of(settings, choice_of(settings, settings.protocols).pairs)
    rows = [{"scene": pair.id, **coarse_differences(pair)} for pair in pairs]
    return write_csv(settings, "modis.csv", pd.DataFrame(rows))


def count_inversions(settings: AsterEvaluation) -> pd.DataFrame:
    """Write ``inversion.csv``: where ASTER's detail rises with NDVI's and the
    product's falls, products placed by georeference.

    Returns
    -------
    DataFrame
        Per method: scenes (or why there is none), cells, rising,
        inverted and the inverted share of the rising ones.
    """
    choice = choice_of(settings, [Georeferenced.name])
    rows = []
    for pair in pairs_of(settings, choice.pairs):
        for name, counts in inversions_of_pair(pair, choice.methods, choice.products).items():
            rows.append([pair.id, name, counts.cells, counts.rising, counts.inverted])
    count_columns = ["tiles", "tiles_rising", "tiles_inverted"]
    table = write_csv(
        settings, "inversion.csv", pd.DataFrame(rows, columns=["scene", "method", *count_columns])
    )
    totals = table.groupby("method", sort=False)[count_columns].sum()
    shares = totals.assign(inverted_share=totals["tiles_inverted"] / totals["tiles_rising"].clip(lower=1))
    absent = [name for name in choice.methods if name not in shares.index]
    shares.insert(0, "scenes", table.groupby("method", sort=False).size().astype(object))
    for name in absent:
        shares.loc[name, "scenes"] = why_absent(choice, Georeferenced.name, name)
    return shares.rename(index=panels.label).rename_axis(None)


def mean_metrics(table: pd.DataFrame) -> pd.DataFrame:
    """The main metrics per method, means over the scenes; a method that was not judged shows why."""
    return mean_by_method(table, MAIN_METRICS)


def shown_comparisons(settings: AsterEvaluation) -> dict[str, Comparison]:
    """Every product of the chosen scene that can be compared with ASTER.

    Raises
    ------
    InputError
        If there is none.
    """
    choice = choice_of(settings, settings.protocols)
    placement = shown_placement(settings, choice.pairs)
    comparisons, reasons = compare_all(placement, choice.methods, choice.products)
    if not comparisons:
        why = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise InputError(f"pair {placement.pair.id} has no product to show ({why}); choose another 'scene'.")
    return comparisons


def _compared_k(comparisons: dict[str, Comparison]) -> dict[str, FloatArray]:
    images = compared_images(comparisons)
    return {name: image.values for name, image in images.items() if name != "ndvi"}


def show_maps(settings: AsterEvaluation) -> Image:
    """Figure 8: ASTER and every product of the chosen scene; their statistics in ``maps.csv``."""
    comparisons = shown_comparisons(settings)
    write_csv(settings, "maps.csv", distributions(_compared_k(comparisons)))
    return panels.show(panels.maps(comparisons), settings.directory, "maps")


def show_distributions(settings: AsterEvaluation) -> Image:
    """Figure 9: distributions of T and T − G T in the chosen
    scene; their quantiles in ``distributions.csv``."""
    comparisons = shown_comparisons(settings)
    lst_k = _compared_k(comparisons)
    detail_k: dict[str, FloatArray] = {name: image_k - low_pass(image_k) for name, image_k in lst_k.items()}
    quantities: dict[str, dict[str, FloatArray]] = {"LST (K)": lst_k, "fine detail T − G T (K)": detail_k}
    parts = [distributions(images).assign(quantity=quantity) for quantity, images in quantities.items()]
    write_csv(settings, "distributions.csv", pd.concat(parts))
    return panels.show(panels.distributions(comparisons), settings.directory, "distributions")


def show_densities(settings: AsterEvaluation) -> Image:
    """Figure 10: each product of the chosen scene against
    ASTER; lines, bias and RMSE in ``densities.csv``."""
    comparisons = shown_comparisons(settings)
    rows: list[dict[str, object]] = []
    for name, comparison in comparisons.items():
        product_k, aster_k = comparison.product.values, comparison.aster.values
        differences = {"bias_k": bias(product_k, aster_k), "rmse_k": rmse(product_k, aster_k)}
        rows.append({"method": name, **asdict(fit_line(aster_k, product_k)), **differences})
    write_csv(settings, "densities.csv", pd.DataFrame(rows))
    return panels.show(panels.densities(comparisons), settings.directory, "densities")


def show_against_bias(settings: AsterEvaluation, table: pd.DataFrame, modis: pd.DataFrame) -> Image:
    """Figure 12: metrics against MODIS–ASTER bias and RMSE at 1 km."""
    rows = table[table["protocol"] == settings.protocols[0]]
    return panels.show(panels.against_bias(rows, modis), settings.directory, "against_bias")
