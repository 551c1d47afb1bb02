"""Results as pages show them: a run of published pairs, or the kept tables beside a simulated one."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from lstsr_book.claims import claims
from lstsr_book.kept_results import RESULTS, KeptResults
from lstsr_book.results_prose import KEPT_FOLDER, Results, results_substitutions
from lstsr_book.run_files import METRICS, METRICS_SUMMARY, RunFiles
from lstsr_core.base.project import PROJECT
from lstsr_core.evaluation.statistics import summarise
from lstsr_core.evaluation.table import COLUMNS
from lstsr_core.metrics.names import METRIC_COLUMNS
from worlds.claims import FIGURES, make_run, metrics_rows, missing_rows

KEPT = KeptResults.read(PROJECT / RESULTS)


def results_of(run: Path, figures: dict[str, dict[str, float]] = FIGURES, synthetic: bool = False) -> Results:
    """A run of two scenes in which sc-unet has no figures."""
    rows = metrics_rows(
        {name: values for name, values in figures.items() if name != "sc-unet"}
    ) + missing_rows("sc-unet")
    make_run(run, synthetic, rows=rows, pairs=2)
    (run / METRICS_SUMMARY).write_text(
        summarise(pd.DataFrame(rows, columns=COLUMNS), METRIC_COLUMNS).to_csv(index=False)
    )
    files = RunFiles(run)
    return Results(files, claims(files))


def test_a_synthetic_edition_tells_of_the_published_pairs_first(tmp_path: Path) -> None:
    values = results_substitutions(results_of(tmp_path / "sample", synthetic=True), KEPT)
    kept = pd.read_csv(PROJECT / RESULTS / METRICS).query(
        "protocol == 'georeferenced' and method == 'sif-cnn-sr1'"
    )
    assert values["main_result"].startswith("On all 83 published ASTER–MODIS pairs, SIF-CNN-SR1 recovers")
    assert f"**{kept['frr'].mean():.3f}** [" in values["main_result"]
    assert f"**{kept['rmse_k'].mean():.2f} K** [" in values["main_result"]
    assert KEPT.revisions in values["real_label"] and "not from this edition" in values["real_label"]
    assert f'data-value="{kept["frr"].mean():g}">' in values["headline_table"]
    assert f"{KEPT_FOLDER}/{METRICS_SUMMARY}" in values["metrics_table"]
    assert (
        "2 simulated pairs" in values["edition_result"]
        and "nothing about the Earth" in values["edition_result"]
    )
    assert "drawn by a simulator" in values["edition_results"] and ">0.960<" in values["edition_results"]
    for name in ("main_result", "headline_table", "results_table", "real_label"):
        assert "0.960" not in values[name], name


def test_an_edition_of_published_pairs_tells_of_itself(tmp_path: Path) -> None:
    values = results_substitutions(results_of(tmp_path / "paper"), KEPT)
    assert (
        values["main_result"]
        == "On 2 of the 83 published ASTER–MODIS pairs, SIF-CNN-SR1 recovers a share (FRR) of **0.960**"
        " [0.955, 0.965] of the fine detail of ASTER's spectrum that plain interpolation (Bicubic) leaves"
        " out; the next best, TsHARP, recovers 0.930 [0.925, 0.935]. Its RMSE against ASTER is **2.00 K**"
        " [2.00, 2.00], which cannot be told apart from Bicubic's 2.00 K [2.00, 2.00]. Degraded back to 1"
        " km, its product lies **0.65 K** [0.65, 0.66] from the LST that it was made from. In brackets: 95"
        " % intervals of the mean over scenes."
    )
    assert (
        "They are not those kept with the code: of 10 rows in both, 1318 rows are in one only"
        in values["edition_result"]
    )
    assert "simulat" not in "".join(values.values())


@pytest.mark.parametrize(("rmse_k", "said"), [(2.5, "which is higher than"), (1.5, "which is lower than")])
def test_the_cover_says_whether_texture_costs_error(tmp_path: Path, rmse_k: float, said: str) -> None:
    figures = FIGURES | {"sif-cnn-sr1": FIGURES["sif-cnn-sr1"] | {"rmse_k": rmse_k, "frr": 0.5}}
    sentence = results_substitutions(results_of(tmp_path / "paper", figures), KEPT)["main_result"]
    assert f"{said} Bicubic's" in sentence and "; TsHARP recovers more, 0.930" in sentence


def test_the_kept_tables_agree_with_themselves(tmp_path: Path) -> None:
    results = Results(KEPT.files, KEPT.claims())
    values = results_substitutions(results, KEPT)
    assert "They equal those kept with the code: over 1328 rows" in values["edition_result"].replace(
        "\N{NO-BREAK SPACE}", ""
    )
    assert "All ten verdicts are the same." in values["edition_result"]


def test_tables_sort_by_the_numbers_themselves(tmp_path: Path) -> None:
    values = results_substitutions(results_of(tmp_path / "paper"), KEPT)
    assert '<th scope="row">TsHARP</th><td>2</td>' in values["results_table"]
    assert '<td class="missing" colspan="16">weights missing</td>' in values["results_table"]
    assert '<td class="missing" colspan="4">weights missing</td>' in values["headline_table"]
    for name in ("results_table", "headline_table", "metrics_table"):
        for table in re.findall(r"<table[^>]*>", values[name]):
            assert 'class="results sortable"' in table and ("data-filter" in table) == (
                name == "metrics_table"
            )
    cells = re.findall(r'<td data-value="([^"]+)">([^<]+)', values["results_table"])
    assert len(cells) > 30
    assert all(abs(float(value) - float(shown.replace("−", "-"))) <= 0.005 for value, shown in cells)


def test_every_metric_has_its_distribution_under_its_anchor(tmp_path: Path) -> None:
    table = results_substitutions(results_of(tmp_path / "paper"), KEPT)["metrics_table"]
    assert table.count('<figure id="fig-metrics-table"') == 1
    titles = ["metric", "method", "scenes", "mean", "std", "10 %", "Q1", "median", "Q3", "90 %"]
    assert re.findall(r'<th scope="col">([^<]+)', table)[: len(titles)] == titles
    # Two scenes, 0.005 above and below 0.93.
    row = re.search(r'<th scope="row">frr</th><td>TsHARP</td><td>2</td>(.*)</tr>', table)
    assert row is not None
    values = [float(value) for value in re.findall(r'data-value="([^"]+)"', row[1])]
    assert values == pytest.approx([0.93, 0.0070711, 0.926, 0.9275, 0.93, 0.9325, 0.934], abs=1e-6)


def test_without_any_product_the_reason_is_told(tmp_path: Path) -> None:
    run = make_run(tmp_path / "paper", rows=missing_rows("sif-cnn-sr1"), pairs=2)
    (run / METRICS_SUMMARY).write_text("protocol,method,metric,scenes,mean\n")
    files = RunFiles(run)
    values = results_substitutions(Results(files, claims(files)), KEPT)
    assert values["main_result"] == "No method could be judged; [the results](results.md) say why."
    assert "weights missing" in values["headline_table"]
