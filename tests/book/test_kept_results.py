"""The result tables kept with the code: made by it, as the claims say, and met when computed anew."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lstsr_book import cli as book_cli
from lstsr_book.claims import CLAIMS_FILE
from lstsr_book.kept_results import RECORD, RESULTS, TABLES, TOLERANCE, KeptResults, compare_metrics, keep
from lstsr_book.run_files import METRICS, METRICS_SUMMARY, SUMMARY
from lstsr_core.base.errors import InputError
from lstsr_core.base.fingerprint import sha256
from lstsr_core.base.project import PROJECT, REGISTRY
from lstsr_core.evaluation.statistics import differences_between_methods, summarise
from lstsr_core.evaluation.table import COLUMNS, evaluate
from lstsr_core.metrics.names import METRIC_COLUMNS
from lstsr_core.pairs.pair import pair_ids
from lstsr_core.sharpening.methods import Options
from worlds.claims import FIGURES, make_run, metrics_rows

KEPT = KeptResults.read(PROJECT / RESULTS)

# Two zones; 15 has a hot pixel and is a test scene, the published protocol skips 52, and AATPRK on 176.
RECOMPUTED = ["0", "15", "52", "57", "136", "176"]

REFERENCE = PROJECT / "tests" / "data"
"""What the published code (`published`) and a plain implementation
(`georeferenced`) gave, scene by scene, for all pairs."""

# The one line that the published notebook printed: scene 0, SIF-CNN-SR1.
PUBLISHED_LINE = {
    "psnr_db": "22.25", "ssim": "0.69", "rmse_k": "1.95", "rmse_low_gradient_k": "1.75",
    "rmse_mid_gradient_k": "1.82", "rmse_high_gradient_k": "2.35", "gssim": "0.34", "rmse_gradient": "6.96",
}  # fmt: skip


def test_the_kept_tables_tell_which_commits_made_them() -> None:
    records = KEPT.files.json("provenance.json")
    assert KEPT.record["revisions"] == sorted({record["git_revision"] for record in records.values()})
    assert all(re.fullmatch(r"[0-9a-f]{40}", revision) for revision in KEPT.record["revisions"])


def test_no_kept_file_was_changed_by_hand() -> None:
    folder = KEPT.files.run
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert present == set(KEPT.names)
    assert {name: sha256(folder / name) for name in KEPT.record["tables"]} == KEPT.record["tables"]


def test_the_kept_claims_follow_from_the_kept_tables() -> None:
    written = json.loads((KEPT.files.run / CLAIMS_FILE).read_text(encoding="utf-8"))
    claims = KEPT.claims()
    assert [(claim.number, claim.verdict) for claim in claims] == [
        (claim["number"], claim["verdict"]) for claim in written
    ]
    beside = [[(other.protocol, other.verdict) for other in claim.beside] for claim in claims]
    assert beside == [
        [(other["protocol"], other["verdict"]) for other in claim["beside"]] for claim in written
    ]
    figures = [[(figure.of, figure.text) for figure in claim.figures] for claim in claims]
    assert figures == [[(figure["of"], figure["text"]) for figure in claim["figures"]] for claim in written]


def test_the_kept_summaries_follow_from_the_kept_metrics() -> None:
    metrics = KEPT.files.table(METRICS)
    differences = KEPT.files.table("06_aster_evaluation/differences.csv").query("protocol == 'georeferenced'")
    again = differences_between_methods(metrics[metrics["protocol"] == "georeferenced"], METRIC_COLUMNS)
    for kept, made in (
        (KEPT.files.table(METRICS_SUMMARY), summarise(metrics, METRIC_COLUMNS)),
        (differences, again),
    ):
        # Made from metrics before they were rounded to 1e-6.
        pd.testing.assert_frame_equal(kept, made, check_dtype=False, rtol=0.0, atol=2e-5)


def test_the_kept_tables_are_of_all_pairs_at_hand_and_small() -> None:
    summary = KEPT.files.json(SUMMARY)
    assert (summary["synthetic"], KEPT.record["pairs"], KEPT.record["pairs_published"]) == (False, 83, 83)
    metrics = KEPT.files.table(METRICS)
    assert metrics["scene"].nunique() == 83 and not metrics.duplicated(["scene", "method", "protocol"]).any()
    inputs = KEPT.files.json("provenance.json")["06_aster_evaluation"]["inputs"]
    assert sum(name.startswith("01_download/pairs/") for name in inputs) == 2 * 83
    published = {line.split()[1].removeprefix("sha256:") for line in REGISTRY.read_text().splitlines()}
    assert {
        digest for name, digest in inputs.items() if "/pairs/" in name or "/weights/" in name
    } <= published
    assert sum(path.stat().st_size for path in KEPT.files.run.rglob("*") if path.is_file()) < 3_000_000


@pytest.mark.parametrize("protocol", ["georeferenced", "published"])
def test_the_kept_metrics_are_the_references_in_every_cell(protocol: str) -> None:
    expected = pd.read_csv(REFERENCE / f"{protocol}_per_scene.csv", dtype={"scene": str}).rename(
        columns={"cols": "columns"}
    )
    expected = expected[expected["method"] != "sc-unet-whole"].set_index(
        ["scene", "method"]
    )  # in pieces, as published
    metrics = KEPT.files.table(METRICS)
    kept = metrics[metrics["protocol"] == protocol].set_index(["scene", "method"])
    assert set(expected.index) <= set(kept.index) and expected.index.levels[0].size == 83
    kept = kept.loc[expected.index]
    skipped = expected.get("skipped", pd.Series(None, expected.index)).notna()
    assert kept.index[kept["status"] != "ok"].tolist() == expected.index[skipped].tolist()
    both = ["rows", "columns", *(name for name in METRIC_COLUMNS if name in expected)]
    assert len(both) >= 11
    differences = (kept.loc[~skipped, both].astype(float) - expected.loc[~skipped, both]).abs()
    # Bagging draws otherwise in another version of scikit-learn; the reference's decibels are rounded.
    of_dms = differences.index.get_level_values("method") == "dms"
    assert differences[~of_dms].drop(columns=["pfr_db", "afr_db"], errors="ignore").max().max() <= 1e-3
    steady = [name for name in ("rmse_k", "ssim", "gssim", "frr", "correlation") if name in differences]
    assert differences[steady].max().max() <= 1e-3
    assert differences.max().max() <= 0.1


def test_the_kept_line_is_the_published_one_to_the_digits_printed() -> None:
    metrics = KEPT.files.table(METRICS)
    rows = metrics.query("scene == '0' and method == 'sif-cnn-sr1' and protocol == 'published'")
    assert {name: f"{rows.iloc[0][name]:.2f}" for name in PUBLISHED_LINE} == PUBLISHED_LINE


def test_published_pairs_give_the_kept_metrics_again(published_pairs: Path) -> None:
    scenes = [scene for scene in RECOMPUTED if scene in pair_ids(published_pairs / "data")]
    if not scenes:
        pytest.skip("none of the pairs to recompute is at hand")
    kept = KEPT.files.table(METRICS)
    methods, protocols = kept["method"].unique().tolist(), kept["protocol"].unique().tolist()
    anew = evaluate(published_pairs, scenes, methods, protocols, Options(weights=published_pairs)).table()
    keys = ["scene", "protocol", "method"]
    kept, anew = (table.set_index(keys).sort_index() for table in (kept[kept["scene"].isin(scenes)], anew))
    assert anew.index.tolist() == kept.index.tolist() and len(anew) == 16 * len(scenes)
    assert anew["status"].to_dict() == kept["status"].to_dict()
    compared = [*METRIC_COLUMNS, "rows", "columns"]
    for key, row in anew.iterrows():
        values, expected = row[compared].astype(float), kept.loc[key, compared].astype(float)  # type: ignore[index]
        assert values.to_dict() == pytest.approx(expected.to_dict(), abs=TOLERANCE, rel=0.0, nan_ok=True), key


def complete_run(run: Path, synthetic: bool = False) -> Path:
    """A run with every file that is kept, and the records of the notebooks that wrote them."""
    rows = metrics_rows(FIGURES)
    make_run(run, synthetic, rows=rows, pairs=2)
    table = pd.DataFrame(rows, columns=COLUMNS)
    (run / METRICS_SUMMARY).write_text(summarise(table, METRIC_COLUMNS).to_csv(index=False))
    records = json.loads((run / "provenance.json").read_text())
    for notebook, names in TABLES.items():
        for name in names:
            path = run / notebook / name
            path.parent.mkdir(exist_ok=True)
            if not path.is_file():
                path.write_text("scene,method\n0,bicubic\n")
        facts = {"parameters": {}, "seed": 0, "versions": {"numpy": "2.4.6"}, "git_revision": "abc123"}
        outputs = {f"{notebook}/{name}": sha256(run / notebook / name) for name in names}
        inputs = {"01_download/pairs/0_aster_250m.tif": "ab" * 32, "01_download/study_area.png": "cd" * 32}
        records[notebook] = {"inputs": inputs, **facts, **records.get(notebook, {}), "outputs": outputs}
    (run / "provenance.json").write_text(json.dumps(records))
    return run


def test_a_run_is_kept_as_a_whole(tmp_path: Path) -> None:
    run, target = complete_run(tmp_path / "paper"), tmp_path / "results"
    target.mkdir()
    (target / "from_before.csv").touch()
    results = keep(run, target)
    present = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert present == set(results.names) and RECORD in present
    assert sorted(path.name for path in tmp_path.iterdir()) == ["paper", "results"]
    assert (target / METRICS).read_bytes() == (run / METRICS).read_bytes()
    noted = results.files.json("provenance.json")["08_findings"]
    assert (
        noted["inputs"] == {"01_download/pairs/0_aster_250m.tif": "ab" * 32}
        and noted["git_revision"] == "abc123"
    )
    assert results.record["revisions"] == ["abc123"] and results.record["pairs"] == 2
    assert len(results.claims()) == 10
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    keep(run, target)
    assert before == {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}


def change_record(run: Path, notebook: str, **facts: object) -> None:
    records = json.loads((run / "provenance.json").read_text())
    records[notebook] |= facts
    (run / "provenance.json").write_text(json.dumps(records))


def of_code_in_no_commit(run: Path) -> None:
    change_record(run, "08_findings", git_revision="abc123+changes")


def edited(run: Path) -> None:
    with (run / "08_findings" / "variants.csv").open("a") as stream:
        stream.write("0,tsharp\n")


def of_fewer_pairs(run: Path) -> None:
    path = run / SUMMARY
    path.write_text(path.read_text().replace('"pairs": 2', '"pairs": 3'))
    change_record(
        run, "01_download", outputs={name: sha256(run / name) for name in (SUMMARY, "01_download/pairs.csv")}
    )


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (of_code_in_no_commit, r"made by code that was never committed \(abc123\+changes\); .*--force"),
        (edited, r"variants\.csv: is not as 08_findings wrote it"),
        (of_fewer_pairs, r"judges 2 scenes of 3"),
    ],
)
def test_a_run_that_cannot_be_vouched_for_is_refused(
    tmp_path: Path, harm: Callable[[Path], None], message: str
) -> None:
    run, target = complete_run(tmp_path / "paper"), tmp_path / "results"
    keep(run, target)
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    harm(run)
    with pytest.raises(InputError, match=message):
        keep(run, target)
    assert before == {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}


def test_simulated_results_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    complete_run(tmp_path / "sample", synthetic=True)
    monkeypatch.setattr(book_cli, "RUNS", tmp_path)
    monkeypatch.setattr(book_cli, "PROJECT", tmp_path)
    assert book_cli.main(["keep", "--profile", "sample"]) == 1
    errors = capsys.readouterr().err
    assert "holds simulated scenes; only results of the published pairs are kept" in errors
    assert not (tmp_path / RESULTS).exists()


def test_missing_kept_tables_are_named_with_their_command(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"record\.json: no such file.*lstsr-book keep --profile paper"):
        KeptResults.read(tmp_path)


def test_tables_are_compared_row_by_row() -> None:
    table = pd.DataFrame(metrics_rows(FIGURES), columns=COLUMNS)
    comparison = compare_metrics(table, table)
    assert comparison.holds and comparison.rows == len(table) and comparison.largest == 0.0
    other = table.copy()
    other.loc[3, "frr"] += 0.0009
    assert compare_metrics(table, other).holds
    other.loc[3, "frr"] += 0.0002
    comparison = compare_metrics(table, other)
    assert not comparison.holds and comparison.largest == pytest.approx(0.0011)
    assert (comparison.metric, comparison.scene, comparison.method) == (
        "frr",
        table.loc[3, "scene"],
        table.loc[3, "method"],
    )
    other = table.copy()
    other.loc[0, "rmse_k"] = np.nan
    assert not compare_metrics(table, other).holds and compare_metrics(table, other).statuses == 1
    assert (
        not compare_metrics(table, table.iloc[1:]).holds
        and compare_metrics(table, table.iloc[1:]).missing == 1
    )
    nothing = compare_metrics(table, table.iloc[:0])
    assert not nothing.holds and nothing.rows == 0 and nothing.missing == len(table)
