"""The results as the pages show them: what the published pairs gave, and what an edition's data give."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from lstsr_book.claim_evidence import LABELS, Scores
from lstsr_book.claim_rules import ATTENUATION, CONSISTENCY, FRR, RMSE
from lstsr_book.claims import Claim
from lstsr_book.kept_results import RECORD, TOLERANCE, KeptResults, compare_metrics
from lstsr_book.markup import (
    RESULTS_FOLDER,
    Cell,
    Table,
    link,
    listed,
    missing_cell,
    number,
    render,
    row,
    table,
    thousands,
    value_cell,
)
from lstsr_book.run_files import METRICS, METRICS_SUMMARY, SUMMARY, RunFiles
from lstsr_core.evaluation.statistics import COVERAGE, mean_interval
from lstsr_core.metrics.names import BY_COLUMN, Better, Metric, metrics_of
from lstsr_core.networks.weights_files import PUBLISHED_CHECKPOINTS

KEPT_FOLDER = "_static/kept"

HEADLINE = [RMSE, FRR, ATTENUATION, CONSISTENCY]

RESULT_METRICS = metrics_of(
    [
        "psnr_db", "psnr_aster_range_db", "ssim", "gssim", "lpips", "rmse_k", "bias_k", "rmse_unbiased_k",
        "correlation",
        "rmse_gradient", "consistency_k", "frr", "fro", "fru", "attenuation_rmse_db",
    ]
)  # fmt: skip
"""The columns of the results table."""

QUANTITIES = {
    "mean": "mean",
    "std": "std",
    "p10": "10 %",
    "q1": "Q1",
    "median": "median",
    "q3": "Q3",
    "p90": "90 %",
}
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
    share = f"all {count}" if count == published else f"{count} of the {published}"
    return f"{share} published ASTER–MODIS pairs"


def results_substitutions(results: Results, kept_results: KeptResults) -> dict[str, str]:
    """What the cover and the results page take from an edition's results and from the kept ones.

    Parameters
    ----------
    results : Results
        Of the edition's run.
    kept_results : KeptResults
    """
    real = real_results(results, kept_results)
    scores = Scores(results.metrics)
    names = _method_names(results.metrics)
    return {
        "main_result": _main_result(real),
        "headline_table": _headline_table(real),
        "edition_result": _edition_result(results, kept_results),
        "real_label": _real_label(results, kept_results),
        "results_table": _results_tables(real),
        "metric_directions": directions_sentence(),
        "metric_meanings": meanings_table(),
        "metrics_table": _metrics_table(real, "fig-metrics-table"),
        "edition_results": _edition_results(results, kept_results),
        "methods_judged": listed([_label(name) for name in names if scores.reason(name) is None]),
    }


def real_results(results: Results, kept_results: KeptResults) -> Results:
    """What the published pairs gave: an edition's results if it was made from them, else the kept ones."""
    return Results(kept_results.files, kept_results.claims(), KEPT_FOLDER) if results.synthetic else results


def agreement_sentence(results: Results, kept_results: KeptResults) -> str:
    """Whether an edition's metrics and verdicts are those that are kept with the code."""
    agreement = compare_metrics(results.metrics, kept_results.files.table(METRICS))
    verdicts = {claim.number: claim.verdict for claim in kept_results.claims()}
    others = [str(claim.number) for claim in results.claims if claim.verdict != verdicts.get(claim.number)]
    verdict = (
        f"The verdicts on claims {listed(others)} are others" if others else "All ten verdicts are the same"
    )
    rows = thousands(agreement.rows)
    if agreement.holds:
        return (
            f"They equal those kept with the code: over {rows} rows no metric differs by over {TOLERANCE:g} "
            f"(largest difference {agreement.largest:.1g}). {verdict}."
        )
    parts = [f"{agreement.missing} rows are in one only"] if agreement.missing else []
    parts += [f"{agreement.statuses} have a figure in one only"] if agreement.statuses else []
    if agreement.largest > TOLERANCE:
        place = f"{agreement.metric}, {agreement.method}, scene {agreement.scene}"
        parts.append(f"the largest difference is {agreement.largest:.3g} ({place})")
    return f"They are not those kept with the code: of {rows} rows in both, {listed(parts)}. {verdict}."


def directions_sentence() -> str:
    """When each metric of the results table is better."""
    labels: dict[Better, list[str]] = {}
    for metric in RESULT_METRICS:
        labels.setdefault(metric.better, []).append(metric.label)
    return (
        f"Higher is better for {listed(labels['higher'])}; lower for {listed(labels['lower'])}; nearer to "
        f"zero for "
        f"{listed(labels['zero'])}."
    )


def meanings_table() -> str:
    """What each column of the table of metrics is called and means."""
    better = {"zero": "nearer to zero", "neither": "–"}
    rows = [
        row(
            metric.column,
            [metric.label, metric.unit or "–", better.get(metric.better, metric.better), metric.meaning],
            "words",
        )
        for metric in BY_COLUMN.values()
    ]
    return table(
        ["column", "metric", "unit", "better", "meaning"], rows, "results", label="What each metric means"
    )


def _real_label(results: Results, kept_results: KeptResults) -> str:
    """Where the figures of a page come from, in a box that cannot be missed."""
    code = f"revision `{kept_results.revisions}`"
    if not results.synthetic:
        return _box(
            "From the published pairs",
            f"This edition computed the figures below itself, from {results.scenes}. "
            f"{agreement_sentence(results, kept_results)} ({code})",
        )
    return _box(
        "From the published pairs, not from this edition's simulated ones",
        f"The figures below come from {real_results(results, kept_results).scenes}, which are measurements. "
        f"They are kept "
        f"with the code, made at {code} ({link(RECORD, KEPT_FOLDER)}). What this edition itself computed, "
        f"from simulated "
        "pairs, is further down.",
    )


def _box(title: str, content: str) -> str:
    return f":::{{admonition}} {title}\n:class: important\n{content}\n:::"


def _method_names(metrics: pd.DataFrame) -> list[str]:
    present = [str(name) for name in metrics["method"].dropna().unique()]
    return [name for name in LABELS if name in present] + [name for name in present if name not in LABELS]


def _mean(metrics: pd.DataFrame, name: str, metric: Metric) -> tuple[float, str]:
    """A method's mean under the georeferenced protocol, and its interval as text; NaN where there is none."""
    rows = metrics[(metrics["protocol"] == "georeferenced") & (metrics["status"] == "ok")]
    values = rows.loc[rows["method"] == name, metric.column].astype(float).dropna().to_numpy()
    if not len(values):
        return float("nan"), ""
    interval = mean_interval(values)
    ends = [number(end, metric.digits) for end in (interval.low, interval.high)]
    return interval.mean, f"[{', '.join(ends)}]" if len(values) > 1 else ""


def _mean_text(metrics: pd.DataFrame, name: str, metric: Metric, strong: bool = False) -> str:
    mean, interval = _mean(metrics, name, metric)
    figure = number(mean, metric.digits) + metric.suffix
    return f"**{figure}** {interval}".strip() if strong else f"{figure} {interval}".strip()


def _lead(metrics: pd.DataFrame) -> str | None:
    scores = Scores(metrics)
    present = [name for name in _method_names(metrics) if scores.reason(name) is None]
    preferred = ("sif-cnn-sr1", *PUBLISHED_CHECKPOINTS, "tsharp", *present)
    return next((name for name in preferred if name in present), None)


def _main_result(real: Results) -> str:
    metrics = real.metrics
    scores, lead = Scores(metrics), _lead(metrics)
    if lead is None:
        return "No method could be judged; [the results](results.md) say why."
    parts = [
        f"On {real.scenes}, {_label(lead)} recovers a share (FRR) of "
        f"{_mean_text(metrics, lead, FRR, strong=True)} of the "
        "fine detail of ASTER's spectrum that plain interpolation (Bicubic) leaves out"
    ]
    others = [
        name
        for name in _method_names(metrics)
        if name not in (lead, "bicubic") and scores.reason(name) is None
    ]
    if others:
        best = max(others, key=lambda name: _mean(metrics, name, FRR)[0])
        share = _mean_text(metrics, best, FRR)
        if _mean(metrics, best, FRR)[0] > _mean(metrics, lead, FRR)[0]:
            parts.append(f"; {_label(best)} recovers more, {share}")
        else:
            parts.append(f"; the next best, {_label(best)}, recovers {share}")
    parts.append(f". Its RMSE against ASTER is {_mean_text(metrics, lead, RMSE, strong=True)}")
    if lead != "bicubic" and scores.reason("bicubic") is None:
        sign = scores.differences(lead, ["bicubic"], RMSE)["bicubic"].sign
        against = {
            1: "which is higher than",
            -1: "which is lower than",
            0: "which cannot be told apart from",
        }[sign]
        parts.append(f", {against} Bicubic's {_mean_text(metrics, 'bicubic', RMSE)}")
    consistency = _mean_text(metrics, lead, CONSISTENCY, strong=True)
    return "".join(parts) + (
        f". Degraded back to 1 km, its product lies {consistency} from the LST that it was made from. In "
        f"brackets: "
        f"{100 * COVERAGE:g} % intervals of the mean over scenes."
    )


def _label(name: str) -> str:
    return LABELS.get(name, name)


def _headline_table(real: Results) -> str:
    metrics = real.metrics
    scores = Scores(metrics)
    rows = []
    for name in _method_names(metrics):
        reason = scores.reason(name)
        if reason is not None:
            rows.append(row(_label(name), [missing_cell(reason, len(HEADLINE))]))
            continue
        means = [_mean(metrics, name, metric) for metric in HEADLINE]
        cells = [
            value_cell(mean, m.digits, interval) for (mean, interval), m in zip(means, HEADLINE, strict=True)
        ]
        rows.append(row(_label(name), cells))
    head = ["method", *(f"{metric.label}{metric.suffix}" for metric in HEADLINE)]
    return table(head, rows, "results sortable", label=f"Main results on {real.scenes}")


def _edition_result(results: Results, kept_results: KeptResults) -> str:
    if not results.synthetic:
        agreement = agreement_sentence(results, kept_results)
        return f"This edition computed these figures itself, from {results.scenes}. {agreement}"
    lead = _lead(results.metrics)
    if lead is None:
        return f"This edition itself was made from {results.scenes}, for which no method could be judged."
    means = [
        f"{metric.label} {_mean_text(results.metrics, lead, metric)}" for metric in (FRR, RMSE, CONSISTENCY)
    ]
    return (
        f"This edition itself was made from {results.scenes}: on them {_label(lead)} has {listed(means)}, "
        f"which shows that "
        "the code runs and says nothing about the Earth."
    )


def _edition_results(results: Results, kept_results: KeptResults) -> str:
    if not results.synthetic:
        agreement = agreement_sentence(results, kept_results)
        return f"This edition is made from the published pairs: the tables above are its own. {agreement}"
    note = (
        ":::{admonition} From simulated pairs\n:class: warning\n"
        f"The tables below come from {results.scenes}, drawn by a simulator. They show that the code runs, "
        f"and are no "
        "evidence of how good a method is.\n:::"
    )
    return f"{note}\n\n{_results_tables(results)}\n\n{_metrics_table(results, 'edition-metrics-table')}"


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
    scores = Scores(metrics, protocol)
    rows = []
    for name in names:
        reason = scores.reason(name)
        if reason is not None:
            rows.append(row(_label(name), [missing_cell(reason, 1 + len(RESULT_METRICS))]))
            continue
        group = good[good["method"] == name]
        means = [value_cell(float(group[m.column].astype(float).mean()), m.digits) for m in RESULT_METRICS]
        rows.append(row(_label(name), [len(group), *means]))
    head = ["method", "scenes", *(metric.heading for metric in RESULT_METRICS)]
    return table(head, rows, "results sortable", label=f"Means over {results.scenes}, {protocol} protocol")


def _metrics_table(results: Results, anchor: str) -> str:
    """Every metric and method with its distribution over the scenes, a folded table for each protocol."""
    summary = results.files.table(METRICS_SUMMARY)
    head = ["metric", "method", "scenes", *QUANTITIES.values()]
    tables = {}
    for protocol, group in summary[summary["scenes"] > 0].groupby("protocol", sort=False):
        rows = [
            row(metric, [_label(str(record["method"])), record["scenes"], *_distribution(record)])
            for metric, of_metric in group.groupby("metric", sort=False)
            for record in of_metric.to_dict("records")
        ]
        label = f"All metrics on {results.scenes}, {protocol} protocol"
        tables[protocol] = Table(head, rows, "results sortable", filtered=True, label=label)
    return render(
        "metrics_figure.html", anchor=anchor, tables=tables, scenes=results.scenes, number=METRICS_FIGURE,
        summary=METRICS_SUMMARY, metrics=METRICS, folder=results.folder,
    )  # fmt: skip


def _distribution(record: Mapping[Hashable, Any]) -> list[Cell]:
    return [value_cell(float(record[name]), 3) for name in QUANTITIES]
