"""What a claim is judged from: means of metrics, differences paired over scenes, a verdict out of checks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from lstsr_book.markup import number
from lstsr_book.run_files import PROVENANCE, RunFiles
from lstsr_core.base.errors import NoResult
from lstsr_core.evaluation.statistics import mean_interval
from lstsr_core.metrics.names import Metric
from lstsr_core.networks.weights_files import PUBLISHED_CHECKPOINTS
from lstsr_core.sharpening.methods import METHODS
from lstsr_core.stages.parameters import Sharpening

REPRODUCED = "reproduced"
NOT_REPRODUCED = "not reproduced"
PARTLY = "partly reproduced"
UNTESTABLE = "cannot be tested here"

ABSENT = "not in this edition"

LABELS = {name: method.label for name, method in METHODS.items()}


def figure_text(metric: Metric, mean: float, low: float, high: float) -> str:
    """A mean of a metric with its interval and unit."""
    interval = ""
    if np.isfinite([low, high]).all():
        interval = f" [{number(low, metric.digits)}, {number(high, metric.digits)}]"
    return f"{number(mean, metric.digits)}{interval}{metric.suffix}"


def oriented(metric: Metric, values: pd.Series[float]) -> pd.Series[float]:
    """The metric, or its magnitude where that decides."""
    return values if metric.sign else values.abs()


@dataclass(frozen=True)
class Figure:
    """A mean over scenes, or a mean difference paired over scenes, with its bootstrap interval.

    Attributes
    ----------
    quantity, of : str
        Such as "FRR", and the method or "method − other" that it is of.
    text : str
        Rounded, with unit and interval.
    mean, low, high : float
    samples : int
        How many scenes it is over.
    sign : int
        1 or −1 where the whole interval lies above or below zero; 0 where it does not.
    """

    quantity: str
    of: str
    text: str
    mean: float
    low: float
    high: float
    samples: int
    sign: int


@dataclass(frozen=True)
class Finding:
    """What one protocol says of a claim: in words, as figures, and the verdict with its reason."""

    ours: str
    verdict: str
    figures: tuple[Figure, ...] = ()


class Scores:
    """The rows of the metrics table under one protocol."""

    def __init__(self, table: pd.DataFrame, protocol: str = "georeferenced") -> None:
        self._rows = table[table["protocol"] == protocol]
        self._good = self._rows[self._rows["status"] == "ok"]

    def reason(self, method: str) -> str | None:
        """Why a method has no figure at all; None if it has."""
        if (self._good["method"] == method).any():
            return None
        statuses = self._rows.loc[self._rows["method"] == method, "status"].dropna()
        return ABSENT if statuses.empty else str(statuses.mode()[0])

    def availability(self, methods: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        """Those of `methods` that have figures, and for the others label and reason."""
        reasons = {name: self.reason(name) for name in methods}
        return [name for name in methods if reasons[name] is None], {
            LABELS[n]: r for n, r in reasons.items() if r is not None
        }

    def by_scene(self, methods: Sequence[str], metric: str) -> pd.DataFrame:
        """A metric by scene (rows) and method (columns), over the scenes for which all methods have it."""
        table = self._good.pivot_table(index="scene", columns="method", values=metric, sort=False)
        return table.reindex(columns=list(methods)).dropna()

    def means(self, methods: Sequence[str], metric: Metric) -> dict[str, Figure]:
        """The mean of each method over the scenes that all of them have, by method.

        Raises
        ------
        NoResult
            If they share no scene.
        """
        table = self._shared(methods, metric)
        return {name: _figure(metric, LABELS[name], table[name]) for name in methods}

    def differences(self, name: str, others: Sequence[str], metric: Metric) -> dict[str, Figure]:
        """A method's difference from each of the others, paired over the scenes that all have, by the other.

        Raises
        ------
        NoResult
            If they share no scene.
        """
        table = self._shared([name, *others], metric)
        values = oriented(metric, table[name])
        titles = {other: f"{LABELS[name]} − {LABELS[other]}" for other in others}
        return {
            other: _figure(metric, titles[other], values - oriented(metric, table[other]), True)
            for other in others
        }

    def _shared(self, methods: Sequence[str], metric: Metric) -> pd.DataFrame:
        table = self.by_scene(methods, metric.column)
        if table.empty:
            raise NoResult(
                f"no scene has {metric.label} for all of {', '.join(LABELS[name] for name in methods)}"
            )
        return table


def _figure(metric: Metric, of: str, values: pd.Series[float], difference: bool = False) -> Figure:
    interval = mean_interval(values)
    quantity = f"|{metric.label}|" if difference and not metric.sign else metric.label
    shown = figure_text(metric, interval.mean, interval.low, interval.high)
    mean, low, high = (round(value, 6) for value in (interval.mean, interval.low, interval.high))
    return Figure(quantity, of, shown, mean, low, high, len(values), interval.sign)


@dataclass(frozen=True)
class Evidence:
    """Everything that the claims are judged from."""

    files: RunFiles
    metrics: pd.DataFrame
    registry: dict[str, str]

    def scores(self, protocol: str) -> Scores:
        """The metrics under a protocol."""
        return Scores(self.metrics, protocol)

    def published_weights(self, method: str) -> bool:
        """Whether the file that a network was filled from is the published checkpoint, by its sha256."""
        record = self.files.json(PROVENANCE).get(Sharpening.notebook, {})
        folder, inputs = record.get("parameters", {}).get("weights_directory", ""), record.get("inputs", {})
        published = PUBLISHED_CHECKPOINTS[method]
        # In the order in which networks.weights_files.weights_file looks.
        for path in (
            f"{folder}/{subfolder}{name}"
            for subfolder in ("", "models/")
            for name in (f"{method}.safetensors", published)
        ):
            if path in inputs:
                return bool(inputs[path] == self.registry.get(f"models/{published}"))
        return False

    def other_weights(self, methods: Sequence[str]) -> str:
        """Names the networks with weights other than the published ones, whose figures they do not give."""
        others = [
            LABELS[name]
            for name in methods
            if name in PUBLISHED_CHECKPOINTS and not self.published_weights(name)
        ]
        return f"; weights other than the published ones: {', '.join(others)}" if others else ""


def verdict_of(checks: dict[str, bool], untested: dict[str, str] | None = None) -> str:
    """A verdict with its reason.

    Parameters
    ----------
    checks : dict
        What the rule asks for, and whether it is met.
    untested : dict, optional
        What the rule asks for too, and why it cannot be had.
    """
    names_by_reason: dict[str, list[str]] = {}
    for name, reason in (untested or {}).items():
        names_by_reason.setdefault(reason, []).append(name)
    open_points = "; ".join(f"{reason} ({', '.join(names)})" for reason, names in names_by_reason.items())
    failed = ", ".join(name for name, met in checks.items() if not met)
    if not checks:
        return f"{UNTESTABLE}: {open_points}"
    if not any(checks.values()):
        return NOT_REPRODUCED
    if failed or open_points:
        return f"{PARTLY}: " + "; ".join(filter(None, [failed and f"not for {failed}", open_points]))
    return REPRODUCED


def outcome_of(verdict: str) -> str:
    """The verdict without its reason.

    >>> outcome_of("partly reproduced: not for FRO")
    'partly reproduced'
    """
    return verdict.split(":")[0]
