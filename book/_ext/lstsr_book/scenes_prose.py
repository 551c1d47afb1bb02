"""What pages tell of the published scenes: which judge, are skipped or odd, and results on test scenes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from lstsr_book.claim_evidence import LABELS, Scores
from lstsr_book.claim_rules import ATTENUATION, FRR, RMSE
from lstsr_book.markup import Row, in_words, listed, row, table, value_cell
from lstsr_book.results_prose import Results
from lstsr_book.run_files import PAIRS
from lstsr_core.base.project import OWN_WEIGHTS
from lstsr_core.evaluation.weights_report import PACKAGE, TEST_TABLE
from lstsr_core.pairs.scenes import ids_of_test_scenes, published_scenes

SHOWN_METRICS = [RMSE, FRR, ATTENUATION]


def scenes_substitutions(real: Results) -> dict[str, str]:
    """What the data page and the results page say of scenes.

    Parameters
    ----------
    real : Results
        Of the published pairs.
    """
    table_of_scenes = published_scenes()
    judging, apart = ids_of_test_scenes(), ids_of_test_scenes(apart=True)
    return {
        "scenes_count": str(len(table_of_scenes)),
        "development_count": str(len(table_of_scenes) - len(judging)),
        "test_count": str(len(judging)),
        "apart_count": in_words(len(apart)),
        "test_scenes": listed(judging),
        "apart_scenes": listed(apart),
        "skips_sentence": skips_sentence(real.metrics),
        "odd_pairs_sentence": odd_pairs_sentence(real.files.table(PAIRS)),
        "test_scenes_table": judging_table(real.metrics),
    }


def skips_sentence(metrics: pd.DataFrame) -> str:
    """Which scenes the published protocol has no figures for, and why; by method where it is not all."""
    rows = metrics[metrics["protocol"] == "published"]
    methods = rows["method"].nunique()
    parts = []
    for (scene, status), group in rows[rows["status"] != "ok"].groupby(["scene", "status"], sort=False):
        names = [LABELS.get(str(name), str(name)) for name in group["method"]]
        parts.append((str(status), f"{scene}" if len(names) == methods else f"{scene} with {listed(names)}"))
    if not parts:
        return "It skips none."
    reasons = {status: [scene for other, scene in parts if other == status] for status, _ in parts}
    return " ".join(f"It skips scene {listed(scenes)}: {status}." for status, scenes in reasons.items())


def odd_pairs_sentence(pairs: pd.DataFrame) -> str:
    """What is odd about pairs, and legal."""
    if "remarks" not in pairs:
        return ""
    odd = pairs.dropna(subset=["remarks"])
    odd = odd[odd["remarks"] != ""]
    if odd.empty:
        return ""
    remarks = "; ".join(f"pair {pair.scene}, {pair.remarks}" for pair in odd.itertuples())
    return f"What is odd in it, and legal, is used as it is: {remarks}."


def judging_table(metrics: pd.DataFrame) -> str:
    """Means of every method over all scenes, over the test scenes and over those apart, by georeference.

    Networks have two rows: with the published weights over all three, with the package's own over the test
    scenes.
    """
    rows = metrics[(metrics["protocol"] == "georeferenced") & (metrics["status"] == "ok")]
    scores, lines = Scores(metrics), []
    parts = [sorted(rows["scene"].unique()), ids_of_test_scenes(), ids_of_test_scenes(apart=True)]
    counts = [len(set(part) & set(rows["scene"])) for part in parts]
    for name in [name for name in LABELS if name in set(rows["method"]) and scores.reason(name) is None]:
        lines.append(_line(LABELS[name], rows[rows["method"] == name], parts))
    weights = pd.read_csv(OWN_WEIGHTS / TEST_TABLE, dtype={"scene": str})
    for method, group in weights[weights["weights"] == PACKAGE].groupby("method", sort=False):
        lines.append(_line(f"{LABELS[str(method)]}, the package’s own weights", group, [[], *parts[1:]]))
    of = [f"all {counts[0]}", f"{counts[1]} test", f"{counts[2]} apart"]
    head = ["method", *(f"{metric.label}{metric.suffix}, {part}" for metric in SHOWN_METRICS for part in of)]
    label = "Means over all scenes, the test scenes and those apart"
    return table(head, lines, "results sortable", label=label)


def _line(label: str, rows: pd.DataFrame, parts: Sequence[Sequence[str]]) -> Row:
    cells = []
    for metric in SHOWN_METRICS:
        for part in parts:
            values = rows.loc[rows["scene"].isin(part), metric.column].astype(float)
            cells.append(value_cell(float(values.mean()), metric.digits))
    return row(label, cells)
