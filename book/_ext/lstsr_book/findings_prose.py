"""What the pages on the published variants, on misregistration and on distortion take from 08_findings' files."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence

import pandas as pd

from lstsr_book.claim_evidence import LABELS
from lstsr_book.markup import listed, number, row, table, text
from lstsr_book.run_files import RunFiles

MISREGISTRATION = "08_findings/misregistration.csv"
GAINS = "08_findings/misregistration_gains.csv"
VARIANTS = "08_findings/variants.csv"
VARIANT_DIFFERENCES = "08_findings/variant_differences.csv"
PROJECTED = "08_findings/back_projection.csv"
COSTS = "08_findings/back_projection_costs.csv"

METRICS = [
    ("rmse_k", "RMSE", " K", 3),
    ("correlation", "correlation", "", 3),
    ("frr", "FRR", "", 3),
    ("attenuation_rmse_db", "attenuation RMSE", " dB", 2),
]
"""Metric, name, unit and decimals in the tables of differences."""


def findings_substitutions(files: RunFiles) -> dict[str, str]:
    """Tables and sentences, by the names that the pages call them by."""
    return {**_misregistration(files), **_variants(files), **_distortion(files)}


def _change(found: Mapping[Hashable, float], unit: str, digits: int) -> str:
    first, second, difference, low, high = (
        number(found[name], digits) for name in ("first", "second", "difference", "low", "high")
    )
    return f"<td>{first} → {second}{unit}<br><small>{difference} [{low}, {high}]</small></td>"


def _changes(differences: pd.DataFrame, metrics: Sequence[tuple[str, str, str, int]] = METRICS) -> str:
    lines = []
    for method, group in differences.groupby("method", sort=False):
        found = {record["metric"]: record for record in group.to_dict("records")}
        cells = [_change(found[metric], unit, digits) if metric in found else "<td>–</td>" for metric, _, unit, digits in metrics]
        heading = f'<th scope="row">{text(_label(method))}</th><td>{group["scenes"].max()}</td>'
        lines.append(f"<tr>{heading}{''.join(cells)}</tr>")
    return table(["method", "scenes", *(name for _, name, _, _ in metrics)], lines, "results")


def _label(method: object) -> str:
    return LABELS.get(str(method), str(method))


def _verdicts(differences: pd.DataFrame, metric: str, unit: str, digits: int) -> str:
    """Which methods a quantity falls for, rises for, or changes for by no more than chance."""
    chosen = differences[differences["metric"] == metric]
    parts = []
    for sign, verb in ((-1, "falls for"), (1, "rises for"), (0, "may have changed by chance for")):
        group = chosen[chosen["sign"] == sign]
        if len(group):
            named = [
                f"{_label(m)} ({'+' if d > 0 else ''}{number(d, digits)}{unit})"
                for m, d in zip(group["method"], group["difference"], strict=True)
            ]
            parts.append(f"{verb} {listed(named)}")
    return "; it ".join(parts) if parts else "could not be compared"


def _misregistration(files: RunFiles) -> dict[str, str]:
    placed = files.table(MISREGISTRATION, ["scene", "method", "placement", "rows_down", "columns_right", "status", "rmse_k"])
    gains = files.table(GAINS)
    return {
        "misregistration_table": _changes(gains),
        "misregistration_rmse": _verdicts(gains, "rmse_k", " K", 3),
        "misregistration_correlation": _verdicts(gains, "correlation", "", 3),
        "misregistration_frr": _verdicts(gains, "frr", "", 3),
        "misregistration_by_offset": _by_offset(placed),
        "misregistration_regression": _regressions(placed),
    }


def _by_offset(placed: pd.DataFrame) -> str:
    judged = placed[placed["status"] == "ok"]
    wide = judged.pivot(index=["scene", "method"], columns="placement", values="rmse_k").reset_index()
    wide["gain_k"] = wide["as paired"] - wide["aligned"]
    offsets = placed.drop_duplicates("scene").set_index("scene")[["rows_down", "columns_right"]].astype(float)
    distance = (offsets["rows_down"] ** 2 + offsets["columns_right"] ** 2) ** 0.5
    wide["distance"] = distance.loc[wide["scene"]].to_numpy()
    methods = [name for name in LABELS if name in set(wide["method"])]
    lines = []
    for title, low, high in (("none", -1.0, 0.0), ("up to 2", 0.0, 2.0), ("over 2, up to 3", 2.0, 3.0), ("over 3", 3.0, 99.0)):
        group = wide[(wide["distance"] > low) & (wide["distance"] <= high)]
        if len(group):
            means = group.groupby("method")["gain_k"].mean()
            lines.append(
                row(title, [group["scene"].nunique(), *(number(float(means.get(name, float("nan"))), 3) for name in methods)])
            )
    return table(["offset (fine pixels)", "pairs", *map(_label, methods)], lines, "results")


def _regressions(placed: pd.DataFrame) -> str:
    scenes = placed.drop_duplicates(["scene", "placement"]).groupby("placement", sort=False)
    parts = [
        f"{placement}, R² has the median {number(float(group['r_squared'].median()), 2)} and the slope "
        f"{number(float(group['slope_k_per_ndvi'].median()), 1)} K per unit NDVI"
        for placement, group in scenes
    ]
    return "; ".join(parts)


def _variants(files: RunFiles) -> dict[str, str]:
    differences, variants = files.table(VARIANT_DIFFERENCES), files.table(VARIANTS)
    found = {
        f"variants_{protocol}": _changes(differences[differences["protocol"] == protocol])
        for protocol in ("georeferenced", "published")
    }
    default = variants.query("variant == 'default' and protocol == 'georeferenced' and status == 'ok'")

    def change(metric: str, published: str, digits: int) -> str:
        means = [number(float(default[name].mean()), digits) for name in (metric, published)]
        return f"from {means[0]} to {means[1]}"

    return found | {
        "quirk_gssim": change("gssim", "gssim_published", 3),
        "quirk_attenuation": change("attenuation_rmse_db", "attenuation_rmse_published_db", 3),
        "quirk_frr": change("frr", "frr_published", 4),
        "quirk_methods": listed([_label(name) for name in default["method"].unique()]),
    }


def _distortion(files: RunFiles) -> dict[str, str]:
    projected, costs = files.table(PROJECTED), files.table(COSTS)
    own = (
        projected[(projected["step"] == 0) & (projected["status"] == "ok")]
        .groupby("method", sort=False)[["rmse_k", "frr"]]
        .mean()
    )
    ranked = own.sort_values("rmse_k")
    lines = [
        row(_label(name), [number(r, 3), number(f, 3)])
        for name, r, f in zip(ranked.index, ranked["rmse_k"], ranked["frr"], strict=True)
    ]
    steps = int(projected["step"].max())
    agreement = float(own["rmse_k"].corr(own["frr"], method="spearman")) if len(own) > 2 else float("nan")
    return {
        "distortion_table": table(["method", "RMSE K", "FRR"], lines, "results"),
        "distortion_rank": number(agreement, 2),
        "distortion_methods": str(len(own)),
        "distortion_steps": str(steps),
        "distortion_costs": _changes(costs, [("consistency_k", "consistency", " K", 3), *METRICS]),
        "distortion_consistency": _verdicts(costs, "consistency_k", " K", 2),
        "distortion_rmse": _verdicts(costs, "rmse_k", " K", 2),
        "distortion_frr": _verdicts(costs, "frr", "", 3),
    }
