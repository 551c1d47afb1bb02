"""The results as the book's pages show them: what the published pairs gave, and what an edition's own data give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from lstsr_book.claim_evidence import LABELS, Judged, Measure
from lstsr_book.claim_rules import ATTENUATION, CONSISTENCY, FRR
from lstsr_book.claims import Claim
from lstsr_book.kept_results import RECORD, TOLERANCE, KeptResults, compare_metrics
from lstsr_book.markup import RESULTS_FOLDER, link, listed, number, row_of, table, text, thousands, value_cell
from lstsr_book.run_files import METRICS, METRICS_SUMMARY, SUMMARY, RunFiles
from lstsr_core.evaluation.statistics import COVERAGE, mean_interval
from lstsr_core.networks.weights import PUBLISHED_CHECKPOINTS

KEPT_FOLDER = "_static/kept"

RMSE = Measure("rmse_k", "RMSE", " K", 2, -1)
HEADLINE = [RMSE, FRR, ATTENUATION, CONSISTENCY]

RESULT_COLUMNS = [
    ("psnr_db", "PSNR dB", 2),
    ("psnr_aster_range_db", "PSNR dB, ASTER's range", 2),
    ("ssim", "SSIM", 3),
    ("gssim", "GSSIM", 3),
    ("lpips", "LPIPS", 3),
    ("rmse_k", "RMSE K", 2),
    ("bias_k", "bias K", 2),
    ("rmse_unbiased_k", "unbiased RMSE K", 2),
    ("correlation", "corr.", 3),
    ("rmse_gradient", "grad. RMSE", 2),
    ("consistency_k", "consist. K", 2),
    ("frr", "FRR", 3),
    ("fro", "FRO", 3),
    ("fru", "FRU", 3),
    ("attenuation_rmse_db", "atten. RMSE dB", 2),
]
"""Metric, heading and decimals of each column of the results table."""

QUANTITIES = {"mean": "mean", "std": "std", "p10": "10 %", "q1": "Q1", "median": "median", "q3": "Q3", "p90": "90 %"}
METRICS_FIGURE = 13
"""Number of the table of all metrics among the paper's figures."""


@dataclass(frozen=True)
class Results:
    """Tables and claims from one source: a run, or the tables that are kept with the code.

    Attributes
    ----------
    files : RunFiles
    claims : list of Claim
    folder : str
        Where the book has the files, for links.
    """

    files: RunFiles
    claims: list[Claim]
    folder: str = RESULTS_FOLDER

    @cached_property
    def metrics(self) -> pd.DataFrame:
        return self.files.table(METRICS)

    @property
    def synthetic(self) -> bool:
        return bool(self.files.json(SUMMARY).get("synthetic", True))

    @property
    def scenes(self) -> str:
        """Such as "62 of the 83 published ASTER–MODIS pairs"."""
        summary = self.files.json(SUMMARY)
        return f"{summary['pairs']} simulated pairs" if self.synthetic else published_pairs(summary)


def published_pairs(summary: Mapping[str, Any]) -> str:
    """How many of the published pairs a run read, in words.

    >>> published_pairs({"pairs": 83, "pairs_published": 83})
    'all 83 published ASTER–MODIS pairs'
    """
    count, published = summary["pairs"], summary.get("pairs_published", "?")
    return f"{f'all {count}' if count == published else f'{count} of the {published}'} published ASTER–MODIS pairs"


def results_substitutions(own: Results, kept: KeptResults) -> dict[str, str]:
    """What the cover and the results page take from an edition's results and from the kept ones.

    Parameters
    ----------
    own : Results
        Of the edition's run.
    kept : KeptResults
    """
    real = real_results(own, kept)
    judged = Judged(own.metrics)
    names = _method_names(own.metrics)
    return {
        "main_result": _main_result(real),
        "headline_table": _headline_table(real),
        "edition_result": _edition_result(own, kept),
        "real_label": _real_label(own, kept),
        "results_table": _results_tables(real),
        "metrics_table": _metrics_table(real, "fig-metrics-table"),
        "edition_results": _edition_results(own, kept),
        "methods_judged": listed([LABELS.get(name, name) for name in names if judged.reason(name) is None]),
    }


def real_results(own: Results, kept: KeptResults) -> Results:
    """What the published pairs gave: an edition's own results if it was made from them, else the kept ones."""
    return Results(kept.files, kept.claims(), KEPT_FOLDER) if own.synthetic else own


def agreement_sentence(own: Results, kept: KeptResults) -> str:
    """Whether an edition's metrics and verdicts are those that are kept with the code."""
    found = compare_metrics(own.metrics, kept.files.table(METRICS))
    verdicts = {claim.number: claim.verdict for claim in kept.claims()}
    others = [str(claim.number) for claim in own.claims if claim.verdict != verdicts.get(claim.number)]
    told = "All ten verdicts are the same" if not others else f"The verdicts on claims {listed(others)} are others"
    if found.holds:
        return (
            f"They equal those kept with the code: over {thousands(found.rows)} rows no metric differs by over {TOLERANCE:g} "
            f"(largest difference {found.largest:.1g}). {told}."
        )
    parts = [f"{found.missing} rows are in one only"] if found.missing else []
    parts += [f"{found.statuses} have a figure in one only"] if found.statuses else []
    if found.largest > TOLERANCE:
        parts.append(f"the largest difference is {found.largest:.3g} ({found.metric}, {found.method}, scene {found.scene})")
    return f"They are not those kept with the code: of {thousands(found.rows)} rows in both, {listed(parts)}. {told}."


def _real_label(own: Results, kept: KeptResults) -> str:
    """Where the figures of a page come from, in a box that cannot be missed."""
    code = f"revision `{kept.revisions}`"
    if not own.synthetic:
        said = f"This edition computed the figures below itself, from {own.scenes}. {agreement_sentence(own, kept)} ({code})"
        return _box("From the published pairs", said)
    said = (
        f"The figures below come from {real_results(own, kept).scenes}, which are measurements. They are kept with the "
        f"code, made at {code} ({link(RECORD, KEPT_FOLDER)}). What this edition itself computed, from simulated pairs, is "
        "further down."
    )
    return _box("From the published pairs, not from this edition's simulated ones", said)


def _box(title: str, said: str) -> str:
    return f":::{{admonition}} {title}\n:class: important\n{said}\n:::"


def _method_names(metrics: pd.DataFrame) -> list[str]:
    present = [str(name) for name in metrics["method"].dropna().unique()]
    return [name for name in LABELS if name in present] + [name for name in present if name not in LABELS]


def _mean(metrics: pd.DataFrame, name: str, measure: Measure) -> tuple[float, str]:
    """A method's mean under the georeferenced protocol, and its interval as text; NaN where there is none."""
    rows = metrics[(metrics["protocol"] == "georeferenced") & (metrics["status"] == "ok") & (metrics["method"] == name)]
    values = rows[measure.column].astype(float).dropna().to_numpy()
    if not len(values):
        return float("nan"), ""
    interval = mean_interval(values)
    ends = [number(end, measure.digits) for end in (interval.low, interval.high)]
    return interval.mean, f"[{', '.join(ends)}]" if len(values) > 1 else ""


def _told(metrics: pd.DataFrame, name: str, measure: Measure, strong: bool = False) -> str:
    mean, interval = _mean(metrics, name, measure)
    figure = number(mean, measure.digits) + measure.unit
    return f"**{figure}** {interval}".strip() if strong else f"{figure} {interval}".strip()


def _lead(metrics: pd.DataFrame) -> str | None:
    judged = Judged(metrics)
    present = [name for name in _method_names(metrics) if judged.reason(name) is None]
    preferred = ("sif-cnn-sr1", *PUBLISHED_CHECKPOINTS, "tsharp", *present)
    return next((name for name in preferred if name in present), None)


def _main_result(real: Results) -> str:
    metrics = real.metrics
    judged, lead = Judged(metrics), _lead(metrics)
    if lead is None:
        return "No method could be judged; [the results](results.md) say why."
    others = [name for name in _method_names(metrics) if name not in (lead, "bicubic") and judged.reason(name) is None]
    said = (
        f"On {real.scenes}, {_label(lead)} recovers a share (FRR) of {_told(metrics, lead, FRR, strong=True)} of the fine detail "
        "of ASTER's spectrum that plain interpolation (Bicubic) leaves out"
    )
    if others:
        best = max(others, key=lambda name: _mean(metrics, name, FRR)[0])
        more = _mean(metrics, best, FRR)[0] > _mean(metrics, lead, FRR)[0]
        said += f"; {_label(best)} recovers more, {_told(metrics, best, FRR)}" if more else (
            f"; the next best, {_label(best)}, recovers {_told(metrics, best, FRR)}"
        )  # fmt: skip
    said += f". Its RMSE against ASTER is {_told(metrics, lead, RMSE, strong=True)}"
    if lead != "bicubic" and judged.reason("bicubic") is None:
        sign = judged.differences(lead, ["bicubic"], RMSE)["bicubic"].sign
        against = {1: "which is higher than", -1: "which is lower than", 0: "which cannot be told apart from"}[sign]
        said += f", {against} Bicubic's {_told(metrics, 'bicubic', RMSE)}"
    return (
        f"{said}. Degraded back to 1 km, its product lies {_told(metrics, lead, CONSISTENCY, strong=True)} from the LST that it "
        f"was made from. In brackets: {100 * COVERAGE:g} % intervals of the mean over scenes."
    )


def _label(name: str) -> str:
    return LABELS.get(name, name)


def _headline_table(real: Results) -> str:
    metrics = real.metrics
    judged = Judged(metrics)
    lines = []
    for name in _method_names(metrics):
        reason = judged.reason(name)
        if reason is not None:
            lines.append(_missing(name, reason, len(HEADLINE)))
            continue
        figures = [(_mean(metrics, name, measure), measure) for measure in HEADLINE]
        lines.append(row_of(_label(name), [value_cell(mean, m.digits, interval) for (mean, interval), m in figures]))
    head = ["method", *(f"{measure.label}{measure.unit}" for measure in HEADLINE)]
    return table(head, lines, "results sortable", label=f"Main results on {real.scenes}")


def _missing(name: str, reason: str, columns: int) -> str:
    return row_of(_label(name), [f'<td class="missing" colspan="{columns}">{text(reason)}</td>'])


def _edition_result(own: Results, kept: KeptResults) -> str:
    if not own.synthetic:
        return f"This edition computed these figures itself, from {own.scenes}. {agreement_sentence(own, kept)}"
    lead = _lead(own.metrics)
    if lead is None:
        return f"This edition itself was made from {own.scenes}, for which no method could be judged."
    figures = [f"{measure.label} {_told(own.metrics, lead, measure)}" for measure in (FRR, RMSE, CONSISTENCY)]
    return (
        f"This edition itself was made from {own.scenes}: on them {_label(lead)} has {listed(figures)}, which shows that the "
        "code runs and says nothing about the Earth."
    )


def _edition_results(own: Results, kept: KeptResults) -> str:
    if not own.synthetic:
        return f"This edition is made from the published pairs: the tables above are its own. {agreement_sentence(own, kept)}"
    note = (
        ":::{admonition} From simulated pairs\n:class: warning\n"
        f"The tables below come from {own.scenes}, drawn by a simulator. They show that the code runs, and are no evidence of "
        "how good a method is.\n:::"
    )
    return f"{note}\n\n{_results_tables(own)}\n\n{_metrics_table(own, 'edition-metrics-table')}"


def _results_tables(results: Results) -> str:
    metrics = results.metrics
    names = _method_names(metrics)
    tables = [
        f"Under the `{protocol}` protocol:\n\n{_results_table(results, metrics, protocol, names)}"
        for protocol in ("georeferenced", "published")
        if (metrics["protocol"] == protocol).any()
    ]
    return "\n\n".join(tables)


def _results_table(results: Results, metrics: pd.DataFrame, protocol: str, names: Sequence[str]) -> str:
    good = metrics[(metrics["protocol"] == protocol) & (metrics["status"] == "ok")]
    judged = Judged(metrics, protocol)
    lines = []
    for name in names:
        reason = judged.reason(name)
        if reason is not None:
            lines.append(_missing(name, reason, 1 + len(RESULT_COLUMNS)))
            continue
        rows = good[good["method"] == name]
        means = [value_cell(float(rows[metric].astype(float).mean()), digits) for metric, _, digits in RESULT_COLUMNS]
        lines.append(row_of(_label(name), [f"<td>{len(rows)}</td>", *means]))
    head = ["method", "scenes", *(heading for _, heading, _ in RESULT_COLUMNS)]
    return table(head, lines, "results sortable", label=f"Means over {results.scenes}, {protocol} protocol")


def _metrics_table(results: Results, anchor: str) -> str:
    """Every metric and method with its distribution over the scenes, a folded table for each protocol."""
    summary = results.files.table(METRICS_SUMMARY)
    head = ["metric", "method", "scenes", *QUANTITIES.values()]
    tables = []
    for protocol, group in summary[summary["scenes"] > 0].groupby("protocol", sort=False):
        lines = []
        for metric, rows in group.groupby("metric", sort=False):
            for found in rows.to_dict("records"):
                cells = [f"<td>{text(_label(str(found['method'])))}</td>", f"<td>{found['scenes']}</td>"]
                lines.append(row_of(metric, [*cells, *(value_cell(float(found[name]), 3) for name in QUANTITIES)]))
        label = f"All metrics on {results.scenes}, {protocol} protocol"
        folded = table(head, lines, "results sortable", filtered=True, label=label)
        tables.append(f"<details><summary>All metrics, {text(protocol)}</summary>\n{folded}\n</details>")
    caption = (
        f"All metrics by method over {text(results.scenes)}: mean, standard deviation, 10 %, quartiles, median and 90 % of the "
        f"scenes, under each protocol (the paper's figure {METRICS_FIGURE}). Made by 06_aster_evaluation. "
        f"Data: {link(METRICS_SUMMARY, results.folder)}; scene by scene: {link(METRICS, results.folder)}."
    )
    body = "\n".join(tables)
    return f'<figure id="{anchor}" class="table-figure">\n{body}\n<figcaption>{caption}</figcaption>\n</figure>'
