"""The report on own weights: every scene by the network that has not seen it, and in-sample labelled so."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lstsr_core.base.errors import InputError
from lstsr_core.evaluation import weights_report
from lstsr_core.evaluation.table import evaluate
from lstsr_core.metrics.names import METRIC_COLUMNS
from lstsr_core.networks.curves import CURVE_COLUMNS
from lstsr_core.networks.settings import MODELS
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.networks.weights import load_model, save_model
from lstsr_core.pairs import scenes
from lstsr_core.pairs.pair import Pair, read_modis, read_pair, write_pair
from lstsr_core.patches.statistics import Statistics
from lstsr_core.sharpening.methods import Options

STATISTICS = Statistics(300.0, 8.0, 0.5, 0.2)


def weights(directory: Path, seen: list[str], seed: int) -> None:
    for model in MODELS:
        torch.manual_seed(seed)
        card = {"data": {"source": "a test", "seen": seen}, "metrics": {"train_loss": 1.0}, "settings": {}}
        save_model(SharpeningUNet(), STATISTICS, directory / f"{model}.safetensors", card)
        curves = pd.DataFrame([[epoch, *[seed + epoch] * 10] for epoch in (1, 2)], columns=CURVE_COLUMNS)
        curves.to_csv(directory / f"{model}.curves.csv", index=False)


@pytest.fixture
def trained(tmp_path: Path, synthetic_pair: Pair) -> Path:
    """Two pairs, two folds, each network marked as trained on the other's pair, and one on both."""
    lst = synthetic_pair.lst
    for pair_id, offset_k in (("4", 0.0), ("7", 0.5)):
        other = Pair(
            pair_id, lst.with_values(lst.values + offset_k), synthetic_pair.ndvi, synthetic_pair.aster
        )
        write_pair(other, tmp_path / "pairs")
    digests = {name: read_modis(tmp_path / "pairs", name).digest for name in ("4", "7")}
    weights(tmp_path / "folds" / "fold0", [digests["7"]], 0)
    weights(tmp_path / "folds" / "fold1", [digests["4"]], 1)
    (tmp_path / "folds" / "folds.csv").write_text("scene,fold\n4,0\n7,1\n")
    weights(tmp_path / "whole", list(digests.values()), 2)
    return tmp_path


def test_scenes_are_judged_by_the_network_that_has_not_seen_them(trained: Path) -> None:
    table = weights_report.judge(trained / "folds", trained / "whole", None, trained / "pairs")
    assert len(table) == 2 * 3 * 2
    for weights_name, scene, directory in (
        ("out of fold", "4", "folds/fold0"), ("out of fold", "7", "folds/fold1"), ("in-sample", "4", "whole"),
    ):  # fmt: skip
        options = Options(trained / directory)
        expected = evaluate(trained / "pairs", [scene], list(MODELS), ["georeferenced"], options).table()
        rows = table[(table["weights"] == weights_name) & (table["scene"] == scene)]
        np.testing.assert_array_equal(rows["rmse_k"], expected["rmse_k"])


@pytest.mark.parametrize(
    ("folds", "whole", "named"), [("swapped", "whole", "out of fold"), ("folds", "folds/fold0", "in-sample")]
)
def test_weights_that_have_seen_what_they_should_not_are_refused(
    trained: Path, folds: str, whole: str, named: str
) -> None:
    (trained / "swapped").mkdir()
    for fold in (0, 1):
        (trained / "swapped" / f"fold{fold}").symlink_to(trained / "folds" / f"fold{1 - fold}")
    (trained / "swapped" / "folds.csv").write_text("scene,fold\n4,0\n7,1\n")
    with pytest.raises(InputError, match=f"expected weights that make them all {named}"):
        weights_report.judge(trained / folds, trained / whole, None, trained / "pairs")


@pytest.fixture
def with_test_scene(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same, with a third pair that no network has seen, a test scene by the split's file."""
    pair = read_pair(trained / "pairs", "4")
    unseen = replace(pair, id="9", lst=pair.lst.with_values(pair.lst.values + 1.0))
    write_pair(unseen, trained / "pairs")
    digest = read_modis(trained / "pairs", "9").digest
    (trained / "scenes.csv").write_text(f"scene,part,apart,lst_sha256\n9,test,yes,{digest}\n")
    monkeypatch.setattr(scenes, "SCENES", trained / "scenes.csv")
    scenes.published_scenes.cache_clear()
    yield trained
    scenes.published_scenes.cache_clear()


def test_test_scenes_are_judged_without_folds_by_weights_that_have_not_seen_them(
    with_test_scene: Path, lstsr: Callable[..., tuple[int, str, str]]
) -> None:
    place = with_test_scene
    options = [
        "--weights",
        str(place / "whole"),
        "--pairs",
        str(place / "pairs"),
        "--out",
        str(place / "report"),
    ]
    code, output, _ = lstsr("report", *options, "--published", str(place / "folds" / "fold0"))
    assert code == 0 and "test_scenes.csv; means noted" in output
    assert [path.name for path in (place / "report").iterdir()] == ["test_scenes.csv"]
    table = pd.read_csv(place / "report" / "test_scenes.csv", dtype={"scene": str})
    assert table[["weights", "method", "scene", "apart"]].to_numpy().tolist() == [
        [weights, model, "9", True] for weights in ("package", "published") for model in MODELS
    ]
    expected = evaluate(
        place / "pairs", ["9"], list(MODELS), ["georeferenced"], Options(place / "whole")
    ).table()
    np.testing.assert_allclose(table["rmse_k"][:3], expected["rmse_k"].astype(float), atol=1e-6)
    noted = load_model(place / "whole" / "sc-unet.safetensors").card["metrics"]["test_scenes"]
    assert noted["scenes"] == noted["apart"]["scenes"] == 1
    assert noted["rmse_k"] == pytest.approx(expected.set_index("method").loc["sc-unet", "rmse_k"], abs=1e-5)


def test_development_scenes_alone_are_judged_by_folds(with_test_scene: Path) -> None:
    table = weights_report.judge(
        with_test_scene / "folds", with_test_scene / "whole", None, with_test_scene / "pairs"
    )
    assert set(table["scene"]) == {"4", "7"}


def test_weights_that_have_seen_a_test_scene_are_refused(with_test_scene: Path) -> None:
    digest = read_modis(with_test_scene / "pairs", "9").digest
    weights(with_test_scene / "seen", [digest], 3)
    with pytest.raises(
        InputError, match=r"1 judged test scenes, 1 of which it was trained on; .* all unseen"
    ):
        weights_report.judge_test_scenes(with_test_scene / "seen", None, with_test_scene / "pairs")


def test_curves_are_means_over_the_folds(trained: Path) -> None:
    curves = weights_report.mean_curves(trained / "folds")
    assert list(curves.columns) == ["model", *CURVE_COLUMNS]
    assert curves["model"].tolist() == [model for model in MODELS for _ in range(2)]
    np.testing.assert_allclose(curves["val_loss"], [1.5, 2.5] * 3)


def test_a_fold_that_is_not_finished_is_named(trained: Path) -> None:
    (trained / "folds" / "fold1" / "sc-unet.safetensors").unlink()
    with pytest.raises(InputError, match=r"fold1/sc-unet\.curves\.csv: lacking, or without its weights"):
        weights_report.mean_curves(trained / "folds")


def test_means_go_into_the_cards_and_leave_the_weights_as_they_are(trained: Path) -> None:
    table = weights_report.judge(trained / "folds", trained / "whole", None, trained / "pairs")
    path = trained / "whole" / "sc-unet.safetensors"
    before = load_model(path)
    weights_report.note_in_cards(table, trained / "whole")
    after = load_model(path)
    rows = table[(table["weights"] == "out of fold") & (table["method"] == "sc-unet")]
    noted = after.card["metrics"]["against_aster"]
    assert noted["rmse_k"] == pytest.approx(rows["rmse_k"].mean(), abs=1e-6)
    assert (noted["weights"], noted["scenes"]) == ("out of fold", 2)
    assert {**after.card, "metrics": None} == {**before.card, "metrics": None}
    assert after.statistics == before.statistics
    for one, other in zip(
        after.network.state_dict().values(), before.network.state_dict().values(), strict=True
    ):
        assert one.equal(other)
    json.dumps(after.card)


def test_differences_are_paired_by_scene() -> None:
    rows = []
    for scene, level in enumerate((0.0, 5.0, 9.0)):
        rows.append({"weights": "published", "method": "sc-unet", "scene": str(scene), "rmse_k": level})
        rows.insert(
            0, {"weights": "out of fold", "method": "sc-unet", "scene": str(scene), "rmse_k": level - 0.5}
        )
    difference = weights_report.differences(pd.DataFrame(rows), ["rmse_k"]).iloc[0]
    assert (
        difference["difference"],
        difference["low"],
        difference["high"],
        difference["sign"],
        difference["scenes"],
    ) == (
        -0.5,
        -0.5,
        -0.5,
        -1,
        3,
    )
    assert set(METRIC_COLUMNS) >= {"rmse_k"}
