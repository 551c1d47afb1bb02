"""The result tables kept with the code: made by this code, as the claims say, and met by what is computed anew."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_claims import FIGURES, make_run, metrics_rows
from test_evaluation import PUBLISHED_SKIPS

from lstsr_core import cli
from lstsr_core.claims import CLAIMS_FILE
from lstsr_core.deciding_code import deciding_code
from lstsr_core.errors import InputError
from lstsr_core.evaluation import COLUMNS, METRIC_COLUMNS, evaluate, paired_differences, summarise
from lstsr_core.kept_results import COMMAND, RECORD, RESULTS, TABLES, TOLERANCE, KeptResults, compare_metrics, keep
from lstsr_core.pairs import pair_ids
from lstsr_core.project import PROJECT, REGISTRY, sha256
from lstsr_core.provenance import fingerprint
from lstsr_core.run_files import METRICS, METRICS_SUMMARY, SUMMARY
from lstsr_core.sharpeners import Options

KEPT = KeptResults.read(PROJECT / RESULTS)

# Two zones; 52 is skipped by the published protocol, and AATPRK is on 176.
RECOMPUTED = ["0", "52", "57", "136", "176"]

# Means over the 62 pairs by a plain implementation of the georeferenced protocol.
GEOREFERENCED_MEANS = """\
method,psnr_db,ssim,rmse_k,bias_k,rmse_unbiased_k,correlation,frr,fro,attenuation_rmse_db,consistency_k
bicubic,21.025,0.497,2.070,-0.554,1.688,0.847,0,0,6.037,0.687
tsharp,21.052,0.542,2.228,-0.554,1.861,0.829,0.930,0.025,2.000,0.682
sc-unet,21.626,0.624,1.977,-0.627,1.561,0.875,0.530,0.000,2.768,0.692
sif-cnn-sr1,21.048,0.582,2.308,-0.556,1.934,0.830,0.966,0.016,1.003,0.658
sif-cnn-sr2,21.394,0.589,2.005,-0.533,1.627,0.861,0.753,0.005,1.805,0.696
"""
# Means of the published code over the pairs that it does not skip; SC-Unet in 16 pieces, as published, DMS with seed 0.
PUBLISHED_MEANS = """\
method,psnr_db,ssim,rmse_k,rmse_low_gradient_k,rmse_mid_gradient_k,rmse_high_gradient_k,gssim,rmse_gradient,bias_k,\
rmse_unbiased_k,correlation,frr,fro,attenuation_rmse_db,consistency_k
bicubic,20.182,0.454,2.144,1.548,1.848,3.006,0.136,9.290,-0.553,1.750,0.825,0,0,5.081,0.693
tsharp,21.087,0.554,2.240,1.898,2.033,2.843,0.266,8.851,-0.267,1.889,0.823,0.941,0.042,2.899,0.845
atprk,20.766,0.530,2.313,1.977,2.113,2.909,0.257,8.658,-0.268,1.971,0.810,0.938,0.036,2.594,0.989
aatprk,21.396,0.537,2.260,1.899,2.032,2.898,0.272,8.530,-0.403,1.906,0.815,0.906,0.024,1.984,0.947
dms,20.770,0.578,2.172,1.899,2.025,2.648,0.294,8.602,-0.568,1.770,0.845,0.950,0.038,2.606,0.982
sc-unet,21.267,0.638,1.968,1.605,1.774,2.557,0.335,7.705,-0.633,1.522,0.875,0.621,0.000,1.869,0.746
sif-cnn-sr1,21.143,0.611,2.248,2.004,2.117,2.674,0.317,9.086,-0.559,1.837,0.843,0.978,0.028,1.642,0.725
sif-cnn-sr2,21.024,0.607,1.998,1.599,1.795,2.622,0.312,7.800,-0.535,1.592,0.862,0.789,0.013,1.873,0.737
"""
REFERENCE_ROWS = [
    (protocol, row.pop("method"), {name: float(value) for name, value in row.items()})
    for protocol, means in (("georeferenced", GEOREFERENCED_MEANS), ("published", PUBLISHED_MEANS))
    for row in csv.DictReader(means.splitlines())
]


def test_the_kept_tables_were_made_by_this_code() -> None:
    stale = KEPT.stale()
    assert not stale, (
        f"{', '.join(stale)} decide otherwise than when {RESULTS} was made. With the published pairs at hand (LSTSR_PAIRS), run "
        f"'make results', that is: lstsr run --profile paper, then {COMMAND}; and commit {RESULTS}."
    )
    assert KEPT.record["code_sha256"] == fingerprint(deciding_code())


def test_no_kept_file_was_changed_by_hand() -> None:
    folder = KEPT.files.run
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert present == set(KEPT.names)
    assert {name: sha256(folder / name) for name in KEPT.record["tables"]} == KEPT.record["tables"]


def test_the_kept_claims_follow_from_the_kept_tables() -> None:
    written = json.loads((KEPT.files.run / CLAIMS_FILE).read_text(encoding="utf-8"))
    judged = KEPT.claims()
    assert [(claim.number, claim.verdict) for claim in judged] == [(claim["number"], claim["verdict"]) for claim in written]
    beside = [[(found.protocol, found.verdict) for found in claim.beside] for claim in judged]
    assert beside == [[(found["protocol"], found["verdict"]) for found in claim["beside"]] for claim in written]
    figures = [[(figure.of, figure.text) for figure in claim.figures] for claim in judged]
    assert figures == [[(figure["of"], figure["text"]) for figure in claim["figures"]] for claim in written]


def test_the_kept_summaries_follow_from_the_kept_metrics() -> None:
    metrics = KEPT.files.table(METRICS)
    differences = KEPT.files.table("06_aster_evaluation/differences.csv").query("protocol == 'georeferenced'")
    again = paired_differences(metrics[metrics["protocol"] == "georeferenced"])
    for kept, made in ((KEPT.files.table(METRICS_SUMMARY), summarise(metrics)), (differences, again)):
        # Made from metrics before they were rounded to 1e-6.
        pd.testing.assert_frame_equal(kept, made, check_dtype=False, rtol=0.0, atol=2e-5)


def test_the_kept_tables_are_of_all_pairs_at_hand_and_small() -> None:
    summary = KEPT.files.json(SUMMARY)
    assert (summary["synthetic"], KEPT.record["pairs"], KEPT.record["pairs_published"]) == (False, 62, 83)
    metrics = KEPT.files.table(METRICS)
    assert metrics["scene"].nunique() == 62 and not metrics.duplicated(["scene", "method", "protocol"]).any()
    inputs = KEPT.files.json("provenance.json")["06_aster_evaluation"]["inputs"]
    assert sum(name.startswith("01_download/pairs/") for name in inputs) == 2 * 62
    published = {line.split()[1].removeprefix("sha256:") for line in REGISTRY.read_text().splitlines()}
    assert {digest for name, digest in inputs.items() if "/pairs/" in name or "/weights/" in name} <= published
    assert sum(path.stat().st_size for path in KEPT.files.run.rglob("*") if path.is_file()) < 3_000_000


@pytest.mark.parametrize(("protocol", "method", "expected"), REFERENCE_ROWS, ids=[f"{p}-{m}" for p, m, _ in REFERENCE_ROWS])
def test_the_kept_means_are_the_references(protocol: str, method: str, expected: dict[str, float]) -> None:
    metrics = KEPT.files.table(METRICS)
    rows = metrics[(metrics["protocol"] == protocol) & (metrics["method"] == method)]
    skipped = sorted(rows.loc[rows["status"] != "ok", "scene"])
    expected_skips = [] if protocol == "georeferenced" else sorted([*PUBLISHED_SKIPS, *(["176"] if method == "aatprk" else [])])
    assert skipped == expected_skips
    # The references are rounded to 1e-3.
    assert rows[list(expected)].astype(float).mean().to_dict() == pytest.approx(expected, abs=6e-4)


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
        found, expected = row[compared].astype(float), kept.loc[key, compared].astype(float)  # type: ignore[index]
        assert found.to_dict() == pytest.approx(expected.to_dict(), abs=TOLERANCE, rel=0.0, nan_ok=True), key


def complete_run(run: Path, synthetic: bool = False) -> Path:
    """A run with every file that is kept, and the records of the notebooks that wrote them."""
    rows = metrics_rows(FIGURES)
    make_run(run, synthetic, rows=rows, pairs=2)
    table = pd.DataFrame(rows, columns=COLUMNS)
    (run / METRICS_SUMMARY).write_text(summarise(table).to_csv(index=False))
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
        records[notebook] = {"inputs": inputs, **facts, **records.get(notebook, {}), "outputs": outputs,
                             "deciding_code": deciding_code(["metrics.py"])}  # fmt: skip
    (run / "provenance.json").write_text(json.dumps(records))
    return run


def test_a_run_is_kept_as_a_whole(tmp_path: Path) -> None:
    run, target = complete_run(tmp_path / "paper"), tmp_path / "results"
    target.mkdir()
    (target / "from_before.csv").touch()
    kept = keep(run, target)
    present = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert present == set(kept.names) and RECORD in present
    assert sorted(path.name for path in tmp_path.iterdir()) == ["paper", "results"]
    assert (target / METRICS).read_bytes() == (run / METRICS).read_bytes()
    noted = kept.files.json("provenance.json")["08_findings"]
    assert noted["inputs"] == {"01_download/pairs/0_aster_250m.tif": "ab" * 32} and noted["git_revision"] == "abc123"
    assert kept.stale() == [] and kept.record["pairs"] == 2
    assert len(kept.claims()) == 10
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    keep(run, target)
    assert before == {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}


def change_record(run: Path, notebook: str, **facts: object) -> None:
    records = json.loads((run / "provenance.json").read_text())
    records[notebook] |= facts
    (run / "provenance.json").write_text(json.dumps(records))


def of_other_code(run: Path) -> None:
    change_record(run, "08_findings", deciding_code=deciding_code(["metrics.py"]) | {"fourier.py": "0" * 64})


def of_unknown_code(run: Path) -> None:
    change_record(run, "05_fourier", deciding_code=None)


def edited(run: Path) -> None:
    with (run / "08_findings" / "variants.csv").open("a") as stream:
        stream.write("0,tsharp\n")


def of_fewer_pairs(run: Path) -> None:
    path = run / SUMMARY
    path.write_text(path.read_text().replace('"pairs": 2', '"pairs": 3'))
    change_record(run, "01_download", outputs={name: sha256(run / name) for name in (SUMMARY, "01_download/pairs.csv")})


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (of_other_code, r"08_findings: was made by other code \(fourier\.py changed since\)\. Run it again"),
        (of_unknown_code, r"does not say which code made 05_fourier.*--force"),
        (edited, r"variants\.csv: is not as 08_findings wrote it"),
        (of_fewer_pairs, r"judges 2 scenes of 3"),
    ],
)
def test_a_run_that_cannot_be_vouched_for_is_refused(tmp_path: Path, harm: Callable[[Path], None], message: str) -> None:
    run, target = complete_run(tmp_path / "paper"), tmp_path / "results"
    keep(run, target)
    before = {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}
    harm(run)
    with pytest.raises(InputError, match=message):
        keep(run, target)
    assert before == {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}


def test_simulated_results_are_refused(
    tmp_path: Path, lstsr: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    complete_run(tmp_path / "sample", synthetic=True)
    monkeypatch.setattr(cli, "RUNS", tmp_path)
    monkeypatch.setattr(cli, "PROJECT", tmp_path)
    code, _, errors = lstsr("keep", "--profile", "sample")
    assert code == 1 and "holds simulated scenes; only results of the published pairs are kept" in errors
    assert not (tmp_path / RESULTS).exists()


def test_a_changed_module_makes_the_tables_stale(tmp_path: Path) -> None:
    shutil.copytree(KEPT.files.run, tmp_path / "results")
    record = json.loads((tmp_path / "results" / RECORD).read_text())
    record["code"]["metrics.py"] = "0" * 64
    (tmp_path / "results" / RECORD).write_text(json.dumps(record))
    assert KeptResults.read(tmp_path / "results").stale() == ["metrics.py"]


def test_missing_kept_tables_are_named_with_their_command(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"record\.json: no such file.*lstsr keep --profile paper"):
        KeptResults.read(tmp_path)


def test_tables_are_compared_row_by_row() -> None:
    table = pd.DataFrame(metrics_rows(FIGURES), columns=COLUMNS)
    found = compare_metrics(table, table)
    assert found.holds and found.rows == len(table) and found.largest == 0.0
    other = table.copy()
    other.loc[3, "frr"] += 0.0009
    assert compare_metrics(table, other).holds
    other.loc[3, "frr"] += 0.0002
    found = compare_metrics(table, other)
    assert not found.holds and found.largest == pytest.approx(0.0011)
    assert (found.metric, found.scene, found.method) == ("frr", table.loc[3, "scene"], table.loc[3, "method"])
    other = table.copy()
    other.loc[0, "rmse_k"] = np.nan
    assert not compare_metrics(table, other).holds and compare_metrics(table, other).statuses == 1
    assert not compare_metrics(table, table.iloc[1:]).holds and compare_metrics(table, table.iloc[1:]).missing == 1
    nothing = compare_metrics(table, table.iloc[:0])
    assert not nothing.holds and nothing.rows == 0 and nothing.missing == len(table)
