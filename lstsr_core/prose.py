"""What the prose of the book's pages takes from a run's files: every figure, table and sentence that data decide."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lstsr_core import metrics, placement
from lstsr_core.archive import read_registry
from lstsr_core.claims import (
    LABELS,
    METRICS,
    NETWORK_NUMBERS,
    NETWORK_TENSORS,
    NOT_REPRODUCED,
    PAIRS,
    PARTLY,
    PROVENANCE,
    REPRODUCED,
    TILE,
    UNTESTABLE,
    Claim,
    Judged,
    RunFiles,
    thousands,
)  # fmt: skip
from lstsr_core.continent import MeasuredMap, continent_substitutions
from lstsr_core.degradation import BICUBIC_A, DEFAULT_MTF, psf_kernel, psf_sigma
from lstsr_core.findings_prose import findings_substitutions
from lstsr_core.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SCALE, SPHERE_RADIUS_M, TILE_COARSE_PIXELS, TILE_FINE_PIXELS
from lstsr_core.markup import link, listed, number, row, table, text
from lstsr_core.networks import PUBLISHED_CHECKPOINTS, read_statistics
from lstsr_core.pairs import PATCH_COARSE_PIXELS
from lstsr_core.parameters import BY_NOTEBOOK
from lstsr_core.project import REGISTRY

PATCHES = "02_patches/patches.csv"
STATISTICS = "02_patches/statistics.json"
LANDSCAPE_REAL = "data/landscape_real.csv"
MEASURED_MAP = "data/measured/tile_map.json"
CLAIMS_FILE = "claims.json"
NOTEBOOKS = list(BY_NOTEBOOK)
DIGEST_DIGITS = 12
SUMMARY_TABLE = "06_aster_evaluation/summary.csv"

REAL_NOTEBOOKS = {"09_weights", "10_ablation"}
"""Notebooks that show committed tables from the published pairs, whichever the edition; the second unless it trains anew."""

REAL_NOTE = (
    ":::{admonition} From the published pairs\n:class: note\n"
    "The tables of this page come from the published pairs, in every edition of the book.\n:::"
)

SYNTHETIC_NOTE = (
    "Every scene in this edition was drawn by a simulator. Its figures show that the code runs; they are no evidence "
    "about the Earth or about how good a method is."
)

RESULT_COLUMNS = [
    ("psnr_db", "PSNR dB", 2),
    ("ssim", "SSIM", 3),
    ("gssim", "GSSIM", 3),
    ("lpips", "LPIPS", 3),
    ("rmse_k", "RMSE K", 2),
    ("bias_k", "bias K", 2),
    ("rmse_unbiased_k", "unbiased RMSE K", 2),
    ("correlation", "corr.", 3),
    ("rmse_gradient", "gradient RMSE", 2),
    ("consistency_k", "consistency K", 2),
    ("frr", "FRR", 3),
    ("fro", "FRO", 3),
    ("fru", "FRU", 3),
    ("attenuation_rmse_db", "atten. RMSE dB", 2),
]
"""Metric, heading and decimals of each column of the results table."""

LANDSCAPE_LABELS = {
    "lst_mean_k": "LST, mean (K)",
    "lst_std_k": "LST, standard deviation (K)",
    "ndvi_mean": "NDVI, mean",
    "ndvi_std": "NDVI, standard deviation",
    "slope_k_per_ndvi": "slope of LST on NDVI (K)",
    "r_squared": "R² of that line",
}
_ATTENUATION = re.compile(r"(lst|ndvi|aster)_attenuation_(low|middle|high)_db")


@dataclass(frozen=True)
class Edition:
    """What sets this book apart from one of another run.

    Attributes
    ----------
    profile : str
        Name of the run.
    synthetic : bool
    pairs, pairs_published : int
        Read here, and in the published database.
    """

    profile: str
    synthetic: bool
    pairs: int
    pairs_published: int

    @property
    def kind(self) -> str:
        """Names the edition's style in the pages."""
        return "synthetic" if self.synthetic else "paper"

    @property
    def name(self) -> str:
        return f"{self.kind} edition"

    @property
    def label(self) -> str:
        """Stays in view on every page."""
        return self.name.capitalize()

    @property
    def short(self) -> str:
        """What its data are, in one sentence for the banner and the foot of each printed sheet."""
        if self.synthetic:
            return "Its scenes are simulated. Figures from the published pairs say so; all others are no measurements."
        return f"Its figures come from {self.pairs} of the {self.pairs_published} published ASTER–MODIS pairs."

    @property
    def banner(self) -> str:
        """Shown on top of every page."""
        return f"<strong>{self.label}.</strong> {self.short}"

    @property
    def admonition(self) -> str:
        """The same at length, in MyST, for the cover and the notebooks."""
        if self.synthetic:
            return f":::{{admonition}} Synthetic edition\n:class: warning\n{SYNTHETIC_NOTE}\n:::"
        return (
            f":::{{admonition}} Edition from the published pairs\n:class: note\n"
            f"The figures come from {self.pairs} of the {self.pairs_published} published ASTER–MODIS pairs.\n:::"
        )


def substitutions(files: RunFiles, edition: Edition, rows: list[Claim], project: Path, results: list[str]) -> dict[str, str]:
    """What stands for each ``{{ name }}`` in the book's pages."""
    measured = files.table(METRICS)
    names = _method_names(measured)
    judged = Judged(measured)
    return {
        **_definitions(),
        "profile": f"`{edition.profile}`",
        "edition_admonition": edition.admonition,
        "edition_result": _edition_result(measured, judged, names, edition),
        "real_label": edition.admonition,
        "headline_table": _headline_table(measured, judged, names),
        "main_result": _main_result(measured, judged, names, edition),
        "claims_sentence": _claims_sentence(rows),
        "claims_table": _claims_table(rows),
        "claims_download": link(CLAIMS_FILE),
        "methods_judged": listed([LABELS.get(name, name) for name in names if judged.reason(name) is None]),
        "scenes_sentence": (
            f"{measured['scene'].nunique()} scenes were read; the column *scenes* says for how many of them a method has figures."
        ),
        "results_table": _results(measured, names, judged),
        "summary_tables": _summary_tables(files),
        "downloads": "<ul>\n" + "\n".join(f"<li>{link(name)}</li>" for name in results) + "\n</ul>",
        "provenance_table": _provenance_table(files.json(PROVENANCE)),
        "provenance_download": link(PROVENANCE),
        **_data_figures(files, edition, project),
        **findings_substitutions(files),
        **continent_substitutions(MeasuredMap.read(project / MEASURED_MAP)),
    }


def _definitions() -> dict[str, str]:
    taps = psf_kernel(DEFAULT_MTF)
    half = len(taps) // 2
    transfer = sum(tap * math.cos(2 * math.pi * 0.5 / SCALE * (index - half)) for index, tap in enumerate(taps)) / sum(taps)
    return {
        "mtf": f"{DEFAULT_MTF:g}",
        "sigma": f"{psf_sigma(DEFAULT_MTF):.2f}",
        "kernel_side": str(len(taps)),
        "transfer": f"{transfer:.3f}",
        "bicubic_a": number(BICUBIC_A, 2),
        "network_numbers": thousands(NETWORK_NUMBERS),
        "network_tensors": str(NETWORK_TENSORS),
        "aster_valid_k": f"{placement.ASTER_VALID_K:g}",
        "aster_erosions": str(placement.ASTER_EROSIONS),
        "product_erosions": str(placement.PRODUCT_EROSIONS),
        "smallest_side": str(placement.SMALLEST_SIDE),
        "window": str(metrics.WINDOW),
        "sphere_radius_m": f"{SPHERE_RADIUS_M:.3f}",
        "tile": str(TILE),
        "tile_coarse": f"{TILE_COARSE_PIXELS}×{TILE_COARSE_PIXELS}",
        "tile_fine": f"{TILE_FINE_PIXELS}×{TILE_FINE_PIXELS}",
        "coarse_pixel_m": f"{COARSE_PIXEL_M:.2f}",
        "fine_pixel_m": f"{FINE_PIXEL_M:.2f}",
        "patch_coarse": str(PATCH_COARSE_PIXELS),
    }


def _method_names(table: pd.DataFrame) -> list[str]:
    present = [str(name) for name in table["method"].dropna().unique()]
    return [name for name in LABELS if name in present] + [name for name in present if name not in LABELS]


def _main_result(table: pd.DataFrame, judged: Judged, names: list[str], edition: Edition) -> str:
    present = [name for name in names if judged.reason(name) is None]
    if not present:
        return "No method could be judged in this edition; [the results](results.md) say why."
    good = table[(table["protocol"] == "georeferenced") & (table["status"] == "ok")]
    lead = next((name for name in (*PUBLISHED_CHECKPOINTS, "tsharp") if name in present), present[0])

    def compared(metric: str, digits: int, unit: str = "") -> str:
        means = {name: f"{number(float(good.loc[good['method'] == name, metric].mean()), digits)}{unit}" for name in present}
        own, others = means.pop(lead), ", ".join(f"{LABELS.get(name, name)} {figure}" for name, figure in means.items())
        return f"**{own}**" + (f" ({others})" if others else "")

    kind = "simulated ASTER–MODIS pairs" if edition.synthetic else "published ASTER–MODIS pairs"
    label = LABELS.get(lead, lead)
    said = (
        f"Of the fine detail of ASTER's spectrum that Bicubic leaves out, {label} recovers a share (FRR) of {compared('frr', 2)} "
        f"on average over {good['scene'].nunique()} {kind}. Its RMSE against ASTER is {compared('rmse_k', 2, ' K')}. "
        f"Degraded back to 1 km, its product lies {compared('consistency_k', 2, ' K')} from the LST that it was made from."
    )
    missing = [f"{LABELS.get(name, name)} ({reason})" for name in names if (reason := judged.reason(name)) is not None]
    return said + (f" Without figures here: {', '.join(missing)}." if missing else "")


HEADLINE_COLUMNS = [
    ("frr", "fine detail recovered (FRR), 1 is best", 2),
    ("rmse_k", "RMSE against ASTER, K", 2),
    ("consistency_k", "RMSE against its own 1 km input, K", 2),
]
"""Metric, heading and decimals of each column of the cover's table."""


def _headline_table(table_of_metrics: pd.DataFrame, judged: Judged, names: list[str]) -> str:
    good = table_of_metrics[(table_of_metrics["protocol"] == "georeferenced") & (table_of_metrics["status"] == "ok")]
    lines = []
    for name in names:
        if judged.reason(name) is None:
            means = good.loc[good["method"] == name, [metric for metric, _, _ in HEADLINE_COLUMNS]].astype(float).mean()
            lines.append(row(LABELS.get(name, name), [number(means[metric], digits) for metric, _, digits in HEADLINE_COLUMNS]))
    return table(["method", *(heading for _, heading, _ in HEADLINE_COLUMNS)], lines, "headline")


def _edition_result(table_of_metrics: pd.DataFrame, judged: Judged, names: list[str], edition: Edition) -> str:
    if edition.synthetic:
        return "The scenes of this edition are simulated: its numbers show that the code runs, not how good a method is."
    good = table_of_metrics[(table_of_metrics["protocol"] == "georeferenced") & (table_of_metrics["status"] == "ok")]
    means = good.groupby("method")[["frr", "rmse_k"]].mean()
    lead = next((name for name in PUBLISHED_CHECKPOINTS if name in names and judged.reason(name) is None), None)
    if lead is None or "bicubic" not in means.index:
        return "Not every method could be judged in this edition."
    frr, own_k, bicubic_k = means["frr"][lead], means["rmse_k"][lead], means["rmse_k"]["bicubic"]
    compared = "no nearer to ASTER for that" if own_k >= bicubic_k else "also nearer to ASTER"
    return (
        f"{LABELS[lead]} brings back **{number(100.0 * frr, 0)} %** of the fine detail that interpolation leaves out. Pixel by "
        f"pixel it is {compared}: its RMSE is **{number(own_k, 2)} K**, Bicubic's {number(bicubic_k, 2)} K."
    )


def _claims_sentence(rows: list[Claim]) -> str:
    counts = {
        outcome: sum(claim.outcome == outcome for claim in rows) for outcome in (REPRODUCED, PARTLY, NOT_REPRODUCED, UNTESTABLE)
    }
    return (
        f"Of the {len(rows)} claims, {counts[REPRODUCED]} came out as reproduced, {counts[PARTLY]} as partly reproduced and "
        f"{counts[NOT_REPRODUCED]} as not reproduced; {counts[UNTESTABLE]} cannot be tested in this edition."
    )


def _claims_table(rows: list[Claim]) -> str:
    def cell(kind: str, label: str, content: str) -> str:
        return f'<td class="{kind}" data-label="{label}">{content}</td>'

    lines = []
    for claim in rows:
        slug, reason = claim.outcome.replace(" ", "-"), claim.verdict.partition(": ")[2]
        badge = f'<span class="badge-verdict {slug}">{text(claim.outcome)}</span>'
        file = link(claim.file)
        lines.append(
            f'<tr id="claim-{claim.number}"><th scope="row">{claim.number}</th>'
            + cell("claim", "What is claimed", f"{text(claim.text)} <small>Source: {text(claim.source)}</small>")
            + cell("published", "Published", text(claim.published))
            + cell("ours", "This edition", f"{text(claim.ours)} <small>{file}</small>")
            + cell("rule", "Rule", text(claim.tolerance))
            + cell("verdict", "Verdict", badge + (f" <small>{text(reason)}</small>" if reason else ""))
            + "</tr>"
        )
    head = "".join(f'<th scope="col">{title}</th>' for title in ("No.", "Claim", "Published", "This edition", "Rule", "Verdict"))
    body = "\n".join(lines)
    return (
        '<div class="table-box stacked"><table class="claims">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _results(results: pd.DataFrame, names: list[str], judged: Judged) -> str:
    georeferenced = _results_table(results, "georeferenced", names, judged)
    if not (results["protocol"] == "published").any():
        return georeferenced
    published = _results_table(results, "published", names, Judged(results, "published"))
    return f"{georeferenced}\n\nThe same under the `published` protocol:\n\n{published}"


def _results_table(results: pd.DataFrame, protocol: str, names: list[str], judged: Judged) -> str:
    good = results[(results["protocol"] == protocol) & (results["status"] == "ok")]
    lines = []
    for name in names:
        label, rows = LABELS.get(name, name), good[good["method"] == name]
        reason = judged.reason(name)
        if reason is not None:
            missing = f'<td class="missing" colspan="{1 + len(RESULT_COLUMNS)}">{text(reason)}</td>'
            lines.append(f'<tr><th scope="row">{text(label)}</th>{missing}</tr>')
            continue
        means = [number(float(rows[metric].astype(float).mean()), digits) for metric, _, digits in RESULT_COLUMNS]
        lines.append(row(label, [len(rows), *means]))
    return table(["method", "scenes", *(heading for _, heading, _ in RESULT_COLUMNS)], lines, "results")


def _summary_tables(files: RunFiles) -> str:
    """A folded table for each protocol: every metric and method with its distribution over the scenes."""
    summary = files.table(SUMMARY_TABLE)
    quantities = ["mean", "std", "p10", "q1", "median", "q3", "p90"]
    heads = ["metric", "method", "scenes", "mean", "std", "10 %", "Q1", "median", "Q3", "90 %"]
    tables = []
    for protocol, group in summary[summary["scenes"] > 0].groupby("protocol", sort=False):
        lines = []
        for metric, rows in group.groupby("metric", sort=False):
            for found in rows.to_dict("records"):
                cells = [
                    LABELS.get(found["method"], found["method"]),
                    found["scenes"],
                    *(number(found[q], 3) for q in quantities),
                ]
                lines.append(row(metric, cells))
        tables.append(f"<details><summary>All metrics, {text(protocol)}</summary>\n{table(heads, lines, 'results')}\n</details>")
    return "\n\n".join(tables)


def _provenance_table(provenance: dict[str, Any]) -> str:
    lines = []
    for name in NOTEBOOKS:
        facts = provenance[name]
        seed = "none" if facts.get("seed") is None else facts["seed"]
        commit, changed, _ = str(facts.get("git_revision", "unknown")).partition("+")
        revision = commit[:DIGEST_DIGITS] + (" with changes" if changed else "")
        lines.append(row(name, [seed, f"{float(facts.get('seconds', math.nan)):.0f}", len(facts.get("inputs", {})), revision]))
    return table(["notebook", "seed", "seconds", "inputs", "revision"], lines)


def _data_figures(files: RunFiles, edition: Edition, project: Path) -> dict[str, str]:
    pairs = files.table(PAIRS, ["scene", "ndvi_rows_down", "ndvi_columns_right"])
    down, right = pairs["ndvi_rows_down"].astype(int), pairs["ndvi_columns_right"].astype(int)
    apart = int(((down != 0) | (right != 0)).sum())
    offsets = pd.crosstab(down, right)
    lines = [row(f"{rows_down} down", offsets.loc[rows_down]) for rows_down in offsets.index]
    windows = files.table(PATCHES)
    statistics = read_statistics(files.path(STATISTICS))
    listed = sum(name.endswith("_aster_250m.tif") for name in read_registry(REGISTRY))
    kind = "simulated pairs in their place" if edition.synthetic else "of them"
    return {
        "pairs_published": str(listed),
        "pairs_sentence": f"This edition reads {len(pairs)} {kind}.",
        "offsets_sentence": (
            f"In this edition they do not in {apart} of {len(pairs)} pairs: NDVI starts up to {down.max()} fine pixels below the "
            f"LST's origin and up to {right.max()} to its right. Pairs counted by offset:"
        ),
        "offsets_table": table(["fine pixels", *(f"{column} right" for column in offsets.columns)], lines),
        "patches_sentence": (
            f"This edition has {len(windows)} windows. Its training windows have LST with mean {statistics.lst_mean_k:.2f} K and "
            f"standard deviation {statistics.lst_std_k:.2f} K, and an NDVI of mean {statistics.ndvi_mean:.3f} and standard "
            f"deviation {statistics.ndvi_std:.3f}."
        ),
        "landscape_table": _landscape_table(pairs, project / LANDSCAPE_REAL, edition),
    }


def _landscape_table(pairs: pd.DataFrame, real_file: Path, edition: Edition) -> str:
    names = [name for name in pairs.columns if name in LANDSCAPE_LABELS or _ATTENUATION.fullmatch(name)]
    real = pd.read_csv(real_file).set_index("statistic") if real_file.is_file() else None
    head = ["statistic", "this edition (simulated)" if edition.synthetic else "this edition"]
    lines = []
    for name in names:
        quantiles = pairs[name].astype(float).quantile([0.5, 0.1, 0.9]).tolist()
        cells = [_spread(*quantiles)]
        if real is not None:
            known = [float(real[column].loc[name]) for column in ("median", "p10", "p90")] if name in real.index else None
            cells.append(_spread(*known) if known else "–")
        lines.append(row(_landscape_label(name), cells))
    return table(head if real is None else [*head, "published pairs"], lines)


def _landscape_label(name: str) -> str:
    if match := _ATTENUATION.fullmatch(name):
        image = {"lst": "LST 1 km", "ndvi": "NDVI", "aster": "ASTER LST"}[match[1]]
        return f"{image}, spectrum, {match[2]} frequencies (dB)"
    return LANDSCAPE_LABELS[name]


def _spread(median: float, low: float, high: float) -> str:
    return f"{number(median, 2)} ({number(low, 2)} … {number(high, 2)})"
