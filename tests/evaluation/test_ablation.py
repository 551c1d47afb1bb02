"""Ablation: one setting changed at a time, judged on pairs that the networks have not seen, trained once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from affine import Affine

from lstsr_core.base.errors import InputError
from lstsr_core.evaluation.ablation import BASE, SCORES_COLUMNS, ablate, summarise, variants
from lstsr_core.evaluation.table import evaluate
from lstsr_core.geo.grid import COARSE_PIXEL_M
from lstsr_core.metrics.names import MAIN_COLUMNS
from lstsr_core.networks.data import from_pairs
from lstsr_core.networks.settings import TrainingSettings
from lstsr_core.networks.weights import load_model
from lstsr_core.pairs.pair import Pair, write_pair
from lstsr_core.sharpening.methods import Options


def settings(**values: object) -> TrainingSettings:
    last = {
        "keep": "last",
        "patience": None,
        "training_share": 1.0,
        "threads": 1,
        "batch_size": 2,
        "epochs": 1,
        "crop": 16,
    }
    return TrainingSettings.check({"model": "sif-cnn-sr1", **last, **values}, "test")


def test_each_variant_differs_from_the_base_in_one_value() -> None:
    base = settings(alpha=0.99, gamma="scene", gamma_scale=1.2)
    rows = variants(base, {"alpha": [0.9, 0.99], "gamma": [-0.5, "scene"], "upsampling": ["half-pixel"]})
    assert [(v.varied, v.value) for v in rows] == [
        (BASE, ""), ("alpha", "0.9"), ("gamma", "-0.5"), ("upsampling", "half-pixel"),
    ]  # fmt: skip
    for variant in rows[1:]:
        changed = {n for n, v in variant.settings.model_dump().items() if v != base.model_dump()[n]}
        assert changed == {variant.varied} | ({"gamma_scale"} if variant.varied == "gamma" else set())
    assert rows[2].settings.gamma_scale == 1.0


def test_a_value_that_is_not_allowed_is_refused() -> None:
    with pytest.raises(InputError, match=r"ablation over alpha: setting 'alpha' is 2"):
        variants(settings(), {"alpha": [2.0]})


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, synthetic_pair: Pair) -> Path:
    """Three pairs that lie apart, each with ASTER on its own ground."""
    directory = tmp_path_factory.mktemp("pairs")
    random = np.random.default_rng(3)
    for number, pair_id in enumerate(("3", "5", "12")):
        lst = synthetic_pair.lst.with_values(
            synthetic_pair.lst.values + random.normal(0.0, 0.3, synthetic_pair.lst.values.shape)
        )
        pair = Pair(pair_id, lst, synthetic_pair.ndvi, synthetic_pair.aster)
        east = Affine.translation(150 * number * COARSE_PIXEL_M, 0.0)
        # Moved apart so that they are three groups; then ASTER lies elsewhere and the scene cannot be judged.
        if number:
            pair = replace(
                pair,
                lst=replace(pair.lst, transform=east @ pair.lst.transform),
                ndvi=replace(pair.ndvi, transform=east @ pair.ndvi.transform),
            )
        write_pair(pair, directory)
    return directory


def test_variants_are_judged_on_the_fold_left_out_and_trained_once(pairs: Path, tmp_path: Path) -> None:
    data, base = from_pairs(pairs), settings()
    rows = variants(base, {"alpha": [0.5]})
    table = ablate(data, pairs, rows, folds=3, judged_folds=3, trained=tmp_path)
    assert list(table.columns) == SCORES_COLUMNS
    assert set(table["scene"]) == {"3"}  # the others' ASTER lies elsewhere
    assert table["varied"].tolist() == [BASE, "alpha"] and table["epochs"].tolist() == [1, 1]
    weights = sorted(tmp_path.glob("*/sif-cnn-sr1.safetensors"))
    assert len(weights) == 6  # two variants, three folds
    written = {path: path.stat().st_mtime_ns for path in weights}
    for path in weights:
        card = load_model(path).card
        mine = table[(table["fold"] == card["data"]["fold"])]
        for scene in mine["scene"]:
            assert scene in card["data"]["not_seen"]
            expected = (
                evaluate(pairs, [scene], ["sif-cnn-sr1"], ["georeferenced"], Options(path.parent))
                .table()
                .iloc[0]
            )
            varied = "alpha" if card["settings"]["alpha"] == 0.5 else BASE
            row = mine[mine["varied"] == varied].iloc[0]
            assert [row[name] for name in MAIN_COLUMNS] == [expected[name] for name in MAIN_COLUMNS]
            assert not expected["in_sample"]
    pd.testing.assert_frame_equal(ablate(data, pairs, rows, folds=3, judged_folds=3, trained=tmp_path), table)
    assert {path: path.stat().st_mtime_ns for path in weights} == written


def test_an_epoch_chosen_by_validation_is_refused(pairs: Path, tmp_path: Path) -> None:
    choosing = variants(settings(keep="best", training_share=0.6), {})
    with pytest.raises(InputError, match="expected keep: last"):
        ablate(from_pairs(pairs), pairs, choosing, folds=3, judged_folds=1, trained=tmp_path)
    with pytest.raises(InputError, match="4 folds to judge; expected 1 to 3"):
        ablate(from_pairs(pairs), pairs, variants(settings(), {}), folds=3, judged_folds=4, trained=tmp_path)


def test_differences_are_taken_scene_by_scene() -> None:
    rows = []
    for scene in range(5):
        rows.append(["sif-cnn-sr1", BASE, "", 0, 4, str(scene), *[float(scene)] * len(MAIN_COLUMNS)])
        rows.append(["sif-cnn-sr1", "alpha", "0.9", 0, 4, str(scene), *[scene + 0.25] * len(MAIN_COLUMNS)])
    summary = summarise(pd.DataFrame(rows, columns=SCORES_COLUMNS))
    alpha = summary[summary["varied"] == "alpha"]
    assert alpha["metric"].tolist() == MAIN_COLUMNS
    np.testing.assert_allclose(alpha[["difference", "difference_low", "difference_high"]], 0.25, atol=1e-12)
    np.testing.assert_allclose(alpha["mean"], 2.25)
    assert (alpha["low"] < 2.25).all() and (alpha["high"] > 2.25).all() and (alpha["scenes"] == 5).all()
    assert (summary[summary["varied"] == BASE]["difference"] == 0.0).all()
