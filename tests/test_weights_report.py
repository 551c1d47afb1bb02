"""The report on own weights: every scene by the network that has not seen it, and in-sample labelled so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from lstsr_core import weights_report
from lstsr_core.curves import CURVE_COLUMNS
from lstsr_core.errors import InputError
from lstsr_core.evaluation import METRIC_COLUMNS, evaluate
from lstsr_core.networks import SharpeningUNet, Statistics, load_model, save_model
from lstsr_core.pairs import Pair, read_modis, write_pair
from lstsr_core.sharpeners import Options
from lstsr_core.training_settings import MODELS

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
        other = Pair(pair_id, lst.with_values(lst.values + offset_k), synthetic_pair.ndvi, synthetic_pair.aster)
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
        found = table[(table["weights"] == weights_name) & (table["scene"] == scene)]
        np.testing.assert_array_equal(found["rmse_k"], expected["rmse_k"])


@pytest.mark.parametrize(
    ("folds", "whole", "named"), [("swapped", "whole", "out of fold"), ("folds", "folds/fold0", "in-sample")]
)
def test_weights_that_have_seen_what_they_should_not_are_refused(trained: Path, folds: str, whole: str, named: str) -> None:
    (trained / "swapped").mkdir()
    for fold in (0, 1):
        (trained / "swapped" / f"fold{fold}").symlink_to(trained / "folds" / f"fold{1 - fold}")
    (trained / "swapped" / "folds.csv").write_text("scene,fold\n4,0\n7,1\n")
    with pytest.raises(InputError, match=f"expected weights that make them all {named}"):
        weights_report.judge(trained / folds, trained / whole, None, trained / "pairs")


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
    own = table[(table["weights"] == "out of fold") & (table["method"] == "sc-unet")]
    noted = after.card["metrics"]["against_aster"]
    assert noted["rmse_k"] == pytest.approx(own["rmse_k"].mean(), abs=1e-6)
    assert (noted["weights"], noted["scenes"]) == ("out of fold", 2)
    assert {**after.card, "metrics": None} == {**before.card, "metrics": None}
    assert after.statistics == before.statistics
    for one, other in zip(after.network.state_dict().values(), before.network.state_dict().values(), strict=True):
        assert one.equal(other)
    json.dumps(after.card)


def test_differences_are_paired_by_scene() -> None:
    rows = []
    for scene, level in enumerate((0.0, 5.0, 9.0)):
        rows.append({"weights": "published", "method": "sc-unet", "scene": str(scene), "rmse_k": level})
        rows.insert(0, {"weights": "out of fold", "method": "sc-unet", "scene": str(scene), "rmse_k": level - 0.5})
    found = weights_report.differences(pd.DataFrame(rows), ["rmse_k"]).iloc[0]
    assert (found["difference"], found["low"], found["high"], found["sign"], found["scenes"]) == (-0.5, -0.5, -0.5, -1, 3)
    assert set(METRIC_COLUMNS) >= {"rmse_k"}
