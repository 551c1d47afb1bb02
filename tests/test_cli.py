"""The command line: the contract of `lstsr evaluate`, and one line for each bad input."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import rasterio.warp
import torch
from affine import Affine
from rasterio.crs import CRS

from lstsr_core import cli
from lstsr_core.base.project import PROJECT
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.geo.operators import degrade
from lstsr_core.geo.raster import Raster, write_raster
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.networks.weights import save_model
from lstsr_core.pairs.pair import Pair, write_pair
from lstsr_core.patches.statistics import Statistics
from lstsr_core.sharpening.methods import DEFAULT_METHOD, METHODS
from worlds.pickles import call, dictionary, name, text

CONTRACT = [
    "scene", "method", "protocol", "psnr_db", "ssim", "rmse_k", "rmse_low_gradient_k", "rmse_mid_gradient_k",
    "rmse_high_gradient_k", "gssim", "lpips", "rmse_gradient", "bias_k", "rmse_unbiased_k", "correlation",
    "consistency_k", "pfr_db", "afr_db", "frr", "fro", "fru", "attenuation_rmse_db", "gmsd", "haarpsi", "vif",
    "psnr_aster_range_db",
]  # fmt: skip
FIRST_ROW, FIRST_COLUMN, SIZE = 500, 300, 64
PREVIOUS = "the previous table\n"
NO_LPIPS = "lpips: empty column. LPIPS lacks its weights: "

WritePickle = Callable[..., None]
Rows = list[dict[str, str]]


def published_scene() -> tuple[dict[str, Any], Raster]:
    """A published pickle's content, and ASTER as stored (kelvin × 10, zeros outside the swath)."""
    row, column = np.mgrid[: 4 * SIZE, : 4 * SIZE]
    texture = np.sin(row / 5.0) * np.cos(column / 7.0) + np.sin((row + 2 * column) / 23.0)
    truth_k = 300.0 + 3.0 * texture
    transform = Tile(18, 4).transform(FINE_PIXEL_M) @ Affine.translation(4 * FIRST_COLUMN, 4 * FIRST_ROW)
    coarse = Tile(18, 4).transform(COARSE_PIXEL_M) @ Affine.translation(FIRST_COLUMN, FIRST_ROW)
    content = {
        "LST": degrade(truth_k).astype(np.float32),
        "NDVI": 0.5 - 0.1 * texture,
        "geo LST": np.array(coarse.to_gdal()),
        "geo NDVI": np.array(transform.to_gdal()),
    }
    truth = Raster(truth_k, transform, SINUSOIDAL)
    x, y = (truth.left_m + truth.right_m) / 2, (truth.top_m + truth.bottom_m) / 2
    (east,), (north,) = rasterio.warp.transform(SINUSOIDAL, CRS.from_epsg(32631), [x], [y])
    pixel_m, side = 231.65, 90
    grid = Affine(pixel_m, 0.0, east - side / 2 * pixel_m, 0.0, -pixel_m, north + side / 2 * pixel_m)
    aster = truth.warp_onto(Raster(np.zeros((side, side)), grid, CRS.from_epsg(32631)))
    stored = np.nan_to_num(10.0 * aster.values)
    corner = np.add.outer(np.arange(side), np.arange(side)) < 12
    stored[corner] = 0.0
    return content, aster.with_values(stored)


@pytest.fixture
def write_scene(write_published_pickle: WritePickle) -> Callable[..., None]:
    """A function (directory, id, **replaced) that writes a published pair; None leaves an entry out."""
    content, aster = published_scene()

    def write(directory: Path, pair_id: str, **replaced: Any) -> None:
        directory.mkdir(exist_ok=True)
        write_raster(aster, directory / f"{pair_id}_aster_250m.tif")
        entries = {key: value for key, value in {**content, **replaced}.items() if value is not None}
        write_published_pickle(directory / f"{pair_id}_data_dict.pkl", entries)

    return write


@pytest.fixture(autouse=True)
def _no_weights_in_torchs_cache(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path_factory.getbasetemp() / "no torch cache"))


@pytest.fixture
def pairs(tmp_path: Path, write_scene: Callable[..., None]) -> Path:
    for pair_id in ("57", "9"):
        write_scene(tmp_path / "pairs", pair_id)
    return tmp_path / "pairs"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """A table of an earlier run, which a command that fails must leave as it is."""
    path = tmp_path / "results" / "metrics.csv"
    path.parent.mkdir()
    path.write_text(PREVIOUS)
    return path


@pytest.fixture
def evaluate(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """A function (*arguments) that runs ``lstsr evaluate`` here: exit code and standard error."""

    def run(*arguments: str | Path) -> tuple[int, str]:
        capsys.readouterr()
        code = cli.main(["evaluate", *map(str, arguments)])
        return code, capsys.readouterr().err

    return run


def rows_of(path: Path) -> Rows:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def without_lpips(errors: str) -> str:
    """What was told beside the one line that the column of LPIPS is empty, which must be there."""
    lines = errors.splitlines(keepends=True)
    rest = [line for line in lines if not line.startswith(NO_LPIPS)]
    assert len(lines) == len(rest) + 1, errors
    return "".join(rest)


def assert_one_line(code: int, errors: str, *parts: str) -> None:
    assert code == 1
    assert re.fullmatch(r"lstsr: [^\n]+\n", errors), errors
    for part in parts:
        assert part in errors


def assert_untouched(out: Path) -> None:
    assert out.read_text() == PREVIOUS
    assert [path.name for path in out.parent.iterdir()] == [out.name]


def lstsr(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "lstsr_core.cli", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# The contract


def test_evaluate_writes_the_contract(pairs: Path, tmp_path: Path) -> None:
    """In a process of its own; one network has weights, the others' rows are empty."""
    weights, out = tmp_path / "weights", tmp_path / "new" / "metrics.csv"
    torch.manual_seed(1)
    save_model(SharpeningUNet(), Statistics(300.0, 5.0, 0.5, 0.1), weights / "sif-cnn-sr1.safetensors")
    process = lstsr(
        "evaluate", "--pairs", pairs, "--methods", "bicubic,tsharp,sc-unet,sif-cnn-sr1,sif-cnn-sr2",
        "--weights", weights, "--protocol", "georeferenced", "--out", out,
    )  # fmt: skip
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    assert output == f"{out}: 10 rows, 2 of 2 pairs\n"
    assert without_lpips(errors).splitlines() == [
        f"{name}, georeferenced, all scenes: row empty: weights missing (give --weights a directory that has"
        " them)"
        for name in ("sc-unet", "sif-cnn-sr2")
    ]

    table = out.read_text()
    assert table.splitlines()[0].split(",")[: len(CONTRACT)] == CONTRACT
    assert "\r" not in table
    rows = rows_of(out)
    assert [(row["scene"], row["method"]) for row in rows] == [
        (scene, method)
        for scene in ("9", "57")
        for method in ("bicubic", "tsharp", "sc-unet", "sif-cnn-sr1", "sif-cnn-sr2")
    ]
    assert {row["protocol"] for row in rows} == {"georeferenced"}
    for row in rows:
        values = [row[column] for column in CONTRACT[3:] if column != "lpips"]
        if row["method"] in ("sc-unet", "sif-cnn-sr2"):
            assert values == [""] * len(values) and row["status"] == "weights missing"
        else:
            assert all(np.isfinite(float(value)) for value in values) and row["status"] == "ok"


def test_the_document_holds_means_failures_and_warnings(
    pairs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "metrics.csv"
    (pairs / "57_data_dict.pkl").write_bytes(b"no pickle")
    options = ["--methods", "bicubic,tsharp", "--keep-going", "--out", str(out), "--json"]
    assert cli.main(["evaluate", "--pairs", str(pairs), *options]) == 1
    printed, errors = capsys.readouterr()
    document = json.loads(printed)
    assert (document["exit_status"], document["error"]) == (1, None)
    result, table = document["result"], pd.read_csv(out)
    assert (result["table"], result["rows"], result["pairs"]) == (str(out), 4, 2)
    assert [*result["failed"]] == ["57"] and result["failed"]["57"] in errors
    assert any(line.startswith("lpips: empty column") for line in document["warnings"])
    judged = table[table["status"] == "ok"].set_index("method")
    for mean in result["means"]:
        assert (mean["protocol"], mean["scenes"], mean["lpips"]) == ("georeferenced", 1, None)
        assert mean["rmse_k"] == pytest.approx(judged.loc[mean["method"], "rmse_k"], abs=1e-4)
    assert {mean["method"] for mean in result["means"]} == {"bicubic", "tsharp"}


def test_all_methods_and_seed_0_are_the_defaults(
    pairs: Path, tmp_path: Path, evaluate: Callable[..., tuple[int, str]]
) -> None:
    tables = []
    papers = [name for name, method in METHODS.items() if method.source == "paper"]
    for number, arguments in enumerate(
        ([], ["--methods", "all"], ["--methods", ",".join(papers), "--seed", "0"])
    ):
        out = tmp_path / f"{number}.csv"
        assert evaluate("--pairs", pairs, "--out", out, *arguments)[0] == 0
        tables.append(out.read_bytes())
    assert tables[0] == tables[1] == tables[2]
    assert len(pd.read_csv(tmp_path / "0.csv")) == 2 * len(papers)


def test_a_pair_of_the_published_layout_scores_as_its_geotiffs(
    pairs: Path, tmp_path: Path, evaluate: Callable[..., tuple[int, str]]
) -> None:
    content, aster = published_scene()
    rasters = [
        Raster(content[key].astype(np.float64), Affine.from_gdal(*content[f"geo {key}"]), SINUSOIDAL)
        for key in ("LST", "NDVI")
    ]
    aster_k = replace(aster, values=np.where(aster.values > 0, aster.values / 10, np.nan))
    write_pair(Pair("57", rasters[0], rasters[1], aster_k), tmp_path / "own")
    for name_, directory in (("published", pairs), ("own", tmp_path / "own")):
        assert (
            evaluate("--pairs", directory, "--methods", "bicubic,tsharp", "--out", tmp_path / f"{name_}.csv")[
                0
            ]
            == 0
        )
    published, own = (
        pd.read_csv(tmp_path / f"{name_}.csv").set_index("scene").loc[57] for name_ in ("published", "own")
    )
    pd.testing.assert_frame_equal(published, own, rtol=1e-3)


def test_a_skipped_scene_has_its_row_with_empty_metrics(
    pairs: Path, tmp_path: Path, write_scene: Callable[..., None], evaluate: Callable[..., tuple[int, str]]
) -> None:
    """An ASTER swath with too little overlap is no bad pair."""
    _, aster = published_scene()
    small = aster.values.copy()
    small[:, 40:] = 0.0
    write_raster(aster.with_values(small), pairs / "9_aster_250m.tif")
    out = tmp_path / "metrics.csv"
    code, errors = evaluate("--pairs", pairs, "--methods", "bicubic,tsharp", "--out", out)
    assert code == 0
    assert without_lpips(errors).splitlines() == [
        f"{name}, georeferenced, scene 9: row empty: overlap with ASTER not over 40×40 pixels"
        for name in ("bicubic", "tsharp")
    ]
    skipped = [row for row in rows_of(out) if row["scene"] == "9"]
    assert [row["method"] for row in skipped] == ["bicubic", "tsharp"]
    for row in skipped:
        assert [row[column] for column in CONTRACT[3:]] == [""] * len(CONTRACT[3:])
        assert "overlap with ASTER" in row["status"]


@pytest.fixture
def two_kinds_of_pairs(tmp_path: Path, synthetic_pair: Pair) -> Path:
    """Pair 1 is whole; 2 has a swath too narrow for either protocol."""
    narrow_k = np.full_like(synthetic_pair.aster.values, np.nan)
    narrow_k[:, 80:118] = synthetic_pair.aster.values[:, 80:118]
    write_pair(replace(synthetic_pair, id="1"), tmp_path / "pairs")
    write_pair(
        replace(synthetic_pair, id="2", aster=synthetic_pair.aster.with_values(narrow_k)), tmp_path / "pairs"
    )
    return tmp_path / "pairs"


def test_both_protocols_come_in_the_order_asked_for(
    two_kinds_of_pairs: Path, tmp_path: Path, evaluate: Callable[..., tuple[int, str]]
) -> None:
    out = tmp_path / "metrics.csv"
    without = tmp_path / "without"
    without.mkdir()
    arguments = [
        "--pairs",
        two_kinds_of_pairs,
        "--methods",
        "bicubic,dms,sif-cnn-sr1",
        "--out",
        out,
        "--weights",
        without,
    ]
    code, errors = evaluate(*arguments, "--protocol", "published,georeferenced")
    assert code == 0
    rows = rows_of(out)
    assert [(row["scene"], row["protocol"], row["method"]) for row in rows] == [
        (scene, protocol, method)
        for scene in "12" for protocol in ("published", "georeferenced")
        for method in ("bicubic", "dms", "sif-cnn-sr1")
    ]  # fmt: skip
    good = [row for row in rows if row["status"] == "ok"]
    assert [(row["scene"], row["method"]) for row in good] == 2 * [("1", "bicubic"), ("1", "dms")]
    for row in good:
        assert all(np.isfinite(float(row[column])) for column in CONTRACT[3:] if column != "lpips")
    for row in rows:
        if row["status"] != "ok":
            assert [row[column] for column in CONTRACT[3:]] == [""] * len(CONTRACT[3:])
    too_small = "row empty: overlap with ASTER not over 40×40 pixels"
    assert sorted(without_lpips(errors).splitlines()) == sorted(
        line
        for protocol in ("published", "georeferenced")
        for line in (
            f"bicubic, {protocol}, scene 2: {too_small}",
            f"dms, {protocol}, scene 2: {too_small}",
            (
                f"sif-cnn-sr1, {protocol}, all scenes: row empty: weights missing (give --weights a directory"
                " that has them)"
            ),
        )
    )
    for protocol in ("published", "georeferenced"):
        assert evaluate(*arguments, "--protocol", protocol)[0] == 0
        assert [row for row in rows if row["protocol"] == protocol] == rows_of(out)


def test_georeferenced_is_the_default_protocol(
    two_kinds_of_pairs: Path, tmp_path: Path, evaluate: Callable[..., tuple[int, str]]
) -> None:
    arguments = ["--pairs", two_kinds_of_pairs, "--methods", "bicubic", "--out", tmp_path / "metrics.csv"]
    assert evaluate(*arguments)[0] == 0
    assert {row["protocol"] for row in rows_of(tmp_path / "metrics.csv")} == {"georeferenced"}


def test_lpips_weights_that_are_others_are_refused(
    pairs: Path, out: Path, tmp_path: Path, evaluate: Callable[..., tuple[int, str]]
) -> None:
    directory = tmp_path / "lpips"
    directory.mkdir()
    for name_ in ("vgg16-397923af.pth", "lpips_weights.pt"):
        torch.save({"features.0.weight": torch.zeros(3)}, directory / name_)
    parts = (str(directory / "vgg16-397923af.pth"), "sha256 is", "Fetch it again")
    assert_one_line(
        *evaluate("--pairs", pairs, "--methods", "bicubic", "--out", out, "--lpips-weights", directory),
        *parts,
    )
    assert_untouched(out)


# Bad pairs


def truncate(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def break_pair(case: str, pairs: Path, write_scene: Callable[..., None]) -> tuple[str, ...]:
    """Make pair 57 bad; gives back what must be told."""
    pickled, aster = pairs / "57_data_dict.pkl", pairs / "57_aster_250m.tif"
    content, stored = published_scene()
    if case == "missing pickle":
        pickled.unlink()
        return "pair 57", "57_data_dict.pkl"
    if case == "missing ASTER":
        aster.unlink()
        return (str(aster), "no such file")
    if case == "truncated GeoTIFF":
        truncate(aster)
        return str(aster), "truncated"
    if case == "truncated pickle":
        truncate(pickled)
        return str(pickled), "not a readable pickle"
    if case == "no LST":
        write_scene(pairs, "57", LST=None)
        return str(pickled), "'LST' is missing"
    if case == "LST in digital numbers":
        write_scene(pairs, "57", LST=np.rint(content["LST"] / 0.02).astype(np.uint16))
        return "pair 57", "LST spans", str(int(np.rint(content["LST"] / 0.02).max())), "kelvin", "0.02"
    if case == "LST in degrees Celsius":
        write_scene(pairs, "57", LST=content["LST"] - 273.15)
        return "pair 57", "LST spans", "kelvin"
    if case == "NDVI outside [−1, 1]":
        write_scene(pairs, "57", NDVI=content["NDVI"] * 10_000)
        return "pair 57", "NDVI spans", f"{content['NDVI'].max() * 10_000:g}", "[−1, 1]"
    if case == "ASTER in kelvin":
        write_raster(stored.with_values(stored.values / 10.0), aster)
        return str(aster), "kelvin times ten", f"{stored.values.max() / 10.0:g}"[:4]
    if case == "ASTER without valid pixels":
        write_raster(stored.with_values(np.zeros_like(stored.values)), aster)
        return str(aster), "no valid pixel"
    assert case == "hostile pickle"
    pickled.write_bytes(dictionary(call(name("os", "system"), text("true"))))
    return str(pickled), "os.system", "could run code"


BAD_PAIRS = [
    "missing pickle", "missing ASTER", "truncated GeoTIFF", "truncated pickle", "no LST",
    "LST in digital numbers", "LST in degrees Celsius", "NDVI outside [−1, 1]", "ASTER in kelvin",
    "ASTER without valid pixels", "hostile pickle",
]  # fmt: skip


@pytest.mark.parametrize("case", BAD_PAIRS)
def test_a_bad_pair_stops_the_command_before_anything_is_written(
    case: str,
    pairs: Path,
    out: Path,
    write_scene: Callable[..., None],
    evaluate: Callable[..., tuple[int, str]],
) -> None:
    parts = break_pair(case, pairs, write_scene)
    assert_one_line(*evaluate("--pairs", pairs, "--methods", "bicubic", "--out", out), *parts)
    assert_untouched(out)


@pytest.mark.parametrize("case", BAD_PAIRS)
def test_keep_going_finishes_without_the_bad_pair_and_exits_1(
    case: str,
    pairs: Path,
    out: Path,
    write_scene: Callable[..., None],
    evaluate: Callable[..., tuple[int, str]],
) -> None:
    parts = break_pair(case, pairs, write_scene)
    code, errors = evaluate("--pairs", pairs, "--methods", "bicubic,tsharp", "--out", out, "--keep-going")
    assert_one_line(code, without_lpips(errors), "pair 57 left out", *parts)
    rows = rows_of(out)
    assert [(row["scene"], row["method"]) for row in rows] == [
        (s, m) for s in ("9", "57") for m in ("bicubic", "tsharp")
    ]
    for row in rows[:2]:
        assert row["status"] == "ok" and float(row["rmse_k"]) > 0.0
    for row in rows[2:]:
        assert [row[column] for column in CONTRACT[3:]] == [""] * len(CONTRACT[3:])
        assert row["status"].startswith("pair refused: ")
        assert str(pairs) not in row["status"]  # results hold no paths


def test_a_directory_of_bad_pairs_is_told_pair_by_pair(
    pairs: Path, out: Path, evaluate: Callable[..., tuple[int, str]]
) -> None:
    for pair_id in ("9", "57"):
        truncate(pairs / f"{pair_id}_data_dict.pkl")
    code, errors = evaluate("--pairs", pairs, "--methods", "bicubic", "--out", out, "--keep-going")
    assert code == 1
    assert [line.split(" left out")[0] for line in without_lpips(errors).splitlines()] == [
        "lstsr: pair 9",
        "lstsr: pair 57",
    ]
    assert [row["rmse_k"] for row in rows_of(out)] == ["", ""]


# Bad arguments, weights and places


@pytest.mark.parametrize("suffix", ["safetensors", "pt"])
@pytest.mark.parametrize("keep_going", [False, True])
def test_a_checkpoint_of_another_architecture_is_refused(
    suffix: str,
    keep_going: bool,
    pairs: Path,
    out: Path,
    tmp_path: Path,
    evaluate: Callable[..., tuple[int, str]],
) -> None:
    network = SharpeningUNet()
    network.outlet = torch.nn.Conv2d(16, 3, 3)
    if suffix == "pt":
        path = tmp_path / "weights" / "modelB_1009" / "modelB_state_dict.pt"
        path.parent.mkdir(parents=True)
        torch.save(network.state_dict(), path)
    else:
        path = tmp_path / "weights" / "sif-cnn-sr1.safetensors"
        save_model(network, Statistics(300.0, 5.0, 0.5, 0.1), path)
    arguments = [
        "--pairs",
        pairs,
        "--methods",
        "bicubic,sif-cnn-sr1",
        "--weights",
        tmp_path / "weights",
        "--out",
        out,
    ]
    arguments += ["--keep-going"] if keep_going else []
    assert_one_line(*evaluate(*arguments), str(path), "another architecture", "(3,)", "(1,)")
    assert_untouched(out)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (
            ["--methods", "bicubic,kriging"],
            ("unknown method 'kriging'", "known methods: bicubic, tsharp, atprk"),
        ),
        (["--methods", ""], ("unknown method ''",)),
        (
            ["--protocol", "pixelwise"],
            ("unknown protocol 'pixelwise'; known protocols: georeferenced, published, registered.",),
        ),
        (["--protocol", "published,pixelwise"], ("unknown protocol 'pixelwise'",)),
        (["--protocol", ""], ("unknown protocol ''",)),
        (["--lpips-weights", "nowhere"], ("nowhere: no such directory; expected the LPIPS weights there",)),
        (["--weights", "nowhere"], ("nowhere: no such directory",)),
        (["--pairs", "nowhere"], ("nowhere: no such directory",)),
        (["--pairs", "."], ("holds no ASTER–MODIS pair", "<id>_aster_250m.tif")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)  # fmt: skip
def test_wrong_arguments_are_refused_before_anything_is_written(
    arguments: list[str],
    parts: tuple[str, ...],
    pairs: Path,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    evaluate: Callable[..., tuple[int, str]],
) -> None:
    monkeypatch.chdir(out.parent)
    assert_one_line(*evaluate("--pairs", pairs, "--out", out, *arguments), *parts)
    assert_untouched(out)


def test_a_full_disk_keeps_the_previous_table(
    pairs: Path, out: Path, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    with full_disk(300):
        process = lstsr("evaluate", "--pairs", pairs, "--methods", "bicubic,tsharp", "--out", out)
    _, errors = process.communicate()
    assert_one_line(process.returncode, errors, str(out), "cannot be written")
    assert_untouched(out)


@pytest.mark.parametrize(
    "place",
    ["file/metrics.csv", "file/deep/metrics.csv", "directory", ".", "/proc/metrics.csv", "x" * 300 + ".csv"],
)
def test_a_place_that_cannot_be_written_to_is_told_before_the_work(
    place: str,
    pairs: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    evaluate: Callable[..., tuple[int, str]],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text(PREVIOUS)
    (tmp_path / "directory").mkdir()
    truncate(pairs / "9_aster_250m.tif")  # would be told if any pair were read
    code, errors = evaluate("--pairs", pairs, "--methods", "bicubic", "--out", place)
    assert_one_line(code, errors, place)
    assert "9_aster_250m.tif" not in errors
    assert (tmp_path / "file").read_text() == PREVIOUS
    assert list((tmp_path / "directory").iterdir()) == []
    assert {path.name for path in tmp_path.iterdir()} == {"pairs", "file", "directory"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_directory_is_told(
    pairs: Path, out: Path, evaluate: Callable[..., tuple[int, str]]
) -> None:
    out.parent.chmod(0o500)
    try:
        assert_one_line(
            *evaluate("--pairs", pairs, "--methods", "bicubic", "--out", out), str(out), "Permission denied"
        )
    finally:
        out.parent.chmod(0o700)
    assert_untouched(out)


def test_a_named_pipe_is_not_replaced_by_a_table(
    pairs: Path, tmp_path: Path, evaluate: Callable[..., tuple[int, str]]
) -> None:
    """Renaming over a device, such as /dev/stdout, would destroy it."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert_one_line(*evaluate("--pairs", pairs, "--methods", "bicubic", "--out", pipe), str(pipe))
    assert pipe.is_fifo()


# Other commands


def test_help_names_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    output = capsys.readouterr().out
    assert all(
        re.search(rf"^ +{command} ", output, re.MULTILINE)
        for command in ("run", "fetch", "evaluate", "verify")
    )


def test_predict_tells_what_each_method_is_good_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["predict", "--help"])
    assert ended.value.code == 0
    output = capsys.readouterr().out
    for method in METHODS.values():
        assert re.search(rf"^  {method.name} +{re.escape(method.purpose)} \(", output, re.MULTILINE)
    defaults = cli.make_parser().parse_args(["predict", "--granules", "a", "--out", "b"])
    assert defaults.method == DEFAULT_METHOD and f"(default {DEFAULT_METHOD})" in " ".join(output.split())


@pytest.mark.parametrize("command", cli.BOOK_COMMANDS)
def test_commands_of_the_book_are_named_where_they_were(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert_one_line(
        cli.main([command, "--profile", "sample"]), capsys.readouterr().err, cli.BOOK_COMMANDS[command]
    )


def test_verify_names_what_differs_from_the_registry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "57_aster_250m.tif").write_text("another file")
    assert cli.main(["verify", str(tmp_path)]) == 1
    output = capsys.readouterr().out
    assert "57_aster_250m.tif: differs from the registry" in output
    assert re.search(r"pair +absent +165\b", output)


def test_verify_refuses_what_is_no_directory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["verify", str(tmp_path / "nowhere")])
    assert_one_line(code, capsys.readouterr().err, "nowhere: no such directory")
