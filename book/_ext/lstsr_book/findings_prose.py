"""What the pages on published variants, misregistration and distortion take from 08_findings' files."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import pandas as pd

from lstsr_book.claim_evidence import LABELS
from lstsr_book.claim_rules import CONSISTENCY, FRR, RMSE
from lstsr_book.markup import Cell, listed, number, row, table
from lstsr_book.run_files import RunFiles
from lstsr_core.evaluation.side_studies import COMPARED
from lstsr_core.metrics.names import BY_COLUMN, Metric, metrics_of

MISREGISTRATION = "08_findings/misregistration.csv"
GAINS = "08_findings/misregistration_gains.csv"
VARIANTS = "08_findings/variants.csv"
VARIANT_DIFFERENCES = "08_findings/variant_differences.csv"
PROJECTED = "08_findings/back_projection.csv"
COSTS = "08_findings/back_projection_costs.csv"

CORRELATION = BY_COLUMN["correlation"]
METRICS = metrics_of(COMPARED)
"""In the tables of differences."""

_DIGITS_OF_KELVINS = 3
"""Differences are smaller than figures."""


def findings_substitutions(files: RunFiles) -> dict[str, str]:
    """Tables and sentences, by the names that the pages call them by."""
    return {**_misregistration(files), **_variants(files), **_distortion(files)}


def _digits(metric: Metric) -> int:
    return _DIGITS_OF_KELVINS if metric.unit == "K" else metric.digits


def _change(record: Mapping[Hashable, float], metric: Metric) -> Cell:
    first, second, difference, low, high = (
        number(record[name], _digits(metric)) for name in ("first", "second", "difference", "low", "high")
    )
    return Cell(f"{first} → {second}{metric.suffix}", f"{difference} [{low}, {high}]")


def _changes(differences: pd.DataFrame, metrics: Sequence[Metric] = METRICS) -> str:
    rows = []
    for method, group in differences.groupby("method", sort=False):
        records = {record["metric"]: record for record in group.to_dict("records")}
        cells = [_change(records[m.column], m) if m.column in records else Cell("–") for m in metrics]
        rows.append(row(_label(method), [group["scenes"].max(), *cells]))
    return table(["method", "scenes", *(metric.label for metric in metrics)], rows, "results")


def _label(method: object) -> str:
    return LABELS.get(str(method), str(method))


def _verdicts(differences: pd.DataFrame, metric: Metric, digits: int | None = None) -> str:
    """Which methods a metric falls for, rises for, or changes for by no more than chance."""
    rows = differences[differences["metric"] == metric.column]
    parts = []
    for sign, verb in ((-1, "falls for"), (1, "rises for"), (0, "may have changed by chance for")):
        group = rows[rows["sign"] == sign]
        if len(group):
            changes = [
                f"{_label(method)} "
                f"({'+' if change > 0 else ''}{number(change, digits or _digits(metric))}{metric.suffix})"
                for method, change in zip(group["method"], group["difference"], strict=True)
            ]
            parts.append(f"{verb} {listed(changes)}")
    return "; it ".join(parts) if parts else "could not be compared"


def _misregistration(files: RunFiles) -> dict[str, str]:
    placements = files.table(
        MISREGISTRATION, ["scene", "method", "placement", "rows_down", "columns_right", "status", "rmse_k"]
    )
    gains = files.table(GAINS)
    return {
        "misregistration_table": _changes(gains),
        "misregistration_rmse": _verdicts(gains, RMSE),
        "misregistration_correlation": _verdicts(gains, CORRELATION),
        "misregistration_frr": _verdicts(gains, FRR),
        "misregistration_by_offset": _by_offset(placements),
        "misregistration_regression": _regressions(placements),
    }


def _by_offset(placements: pd.DataFrame) -> str:
    valid = placements["status"] == "ok"
    wide = (
        placements[valid].pivot(index=["scene", "method"], columns="placement", values="rmse_k").reset_index()
    )
    wide["gain_k"] = wide["as paired"] - wide["aligned"]
    offsets = (
        placements.drop_duplicates("scene").set_index("scene")[["rows_down", "columns_right"]].astype(float)
    )
    distance = (offsets["rows_down"] ** 2 + offsets["columns_right"] ** 2) ** 0.5
    wide["distance"] = distance.loc[wide["scene"]].to_numpy()
    methods = [name for name in LABELS if name in set(wide["method"])]
    rows = []
    bounds = (
        ("none", -1.0, 0.0),
        ("up to 2", 0.0, 2.0),
        ("over 2, up to 3", 2.0, 3.0),
        ("over 3", 3.0, 99.0),
    )
    for title, low, high in bounds:
        group = wide[(wide["distance"] > low) & (wide["distance"] <= high)]
        if len(group):
            means = group.groupby("method")["gain_k"].mean()
            gains = [number(float(means.get(name, float("nan"))), _DIGITS_OF_KELVINS) for name in methods]
            rows.append(row(title, [group["scene"].nunique(), *gains]))
    return table(["offset (fine pixels)", "pairs", *map(_label, methods)], rows, "results")


def _regressions(placements: pd.DataFrame) -> str:
    scenes = placements.drop_duplicates(["scene", "placement"]).groupby("placement", sort=False)
    parts = [
        f"{placement}, R² has the median {number(float(group['r_squared'].median()), 2)} and the slope "
        f"{number(float(group['slope_k_per_ndvi'].median()), 1)} K per unit NDVI"
        for placement, group in scenes
    ]
    return "; ".join(parts)


def _variants(files: RunFiles) -> dict[str, str]:
    differences, variants = files.table(VARIANT_DIFFERENCES), files.table(VARIANTS)
    tables = {
        f"variants_{protocol}": _changes(differences[differences["protocol"] == protocol])
        for protocol in ("georeferenced", "published")
    }
    default = variants.query("variant == 'default' and protocol == 'georeferenced' and status == 'ok'")

    def change(metric: str, published: str, digits: int) -> str:
        means = [number(float(default[name].mean()), digits) for name in (metric, published)]
        return f"from {means[0]} to {means[1]}"

    return tables | {
        "quirk_gssim": change("gssim", "gssim_published", 3),
        "quirk_attenuation": change("attenuation_rmse_db", "attenuation_rmse_published_db", 3),
        "quirk_frr": change("frr", "frr_published", 4),
        "quirk_methods": listed([_label(name) for name in default["method"].unique()]),
    }


def _distortion(files: RunFiles) -> dict[str, str]:
    projected, costs = files.table(PROJECTED), files.table(COSTS)
    means = (
        projected[(projected["step"] == 0) & (projected["status"] == "ok")]
        .groupby("method", sort=False)[["rmse_k", "frr"]]
        .mean()
    )
    ranked = means.sort_values("rmse_k")
    rows = [
        row(_label(name), [number(rmse_k, _digits(RMSE)), number(frr, _digits(FRR))])
        for name, rmse_k, frr in zip(ranked.index, ranked["rmse_k"], ranked["frr"], strict=True)
    ]
    steps = int(projected["step"].max())
    agreement = (
        float(means["rmse_k"].corr(means["frr"], method="spearman")) if len(means) > 2 else float("nan")
    )
    return {
        "distortion_table": table(["method", RMSE.heading, FRR.heading], rows, "results"),
        "distortion_rank": number(agreement, 2),
        "distortion_methods": str(len(means)),
        "distortion_steps": str(steps),
        "distortion_costs": _changes(costs, [CONSISTENCY, *METRICS]),
        "distortion_consistency": _verdicts(costs, CONSISTENCY, 2),
        "distortion_rmse": _verdicts(costs, RMSE, 2),
        "distortion_frr": _verdicts(costs, FRR),
    }
