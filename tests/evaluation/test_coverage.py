"""The coverage of uncertainties: against plain counting, and never by what has seen a scene."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lstsr_core.base.errors import InputError
from lstsr_core.evaluation import coverage
from lstsr_core.evaluation.calibration import Judge, calibrate, read_judges
from lstsr_core.evaluation.protocols import Registered
from lstsr_core.networks.weights_files import PACKAGE_WEIGHTS, read_folds
from lstsr_core.pairs.pair import Pair, read_modis, write_pair
from lstsr_core.sharpening.methods import METHODS, Options, in_sample, sharpen_pair
from lstsr_core.sharpening.restoration import COEFFICIENTS, coefficients_file, read_coefficients
from lstsr_core.sharpening.uncertainty import uncertainty_k, uncertainty_of

METHOD = "aster-unet-restored"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, synthetic_pair: Pair) -> Path:
    """Four pairs that differ in level and in ASTER's, and so in everything that is fitted."""
    directory = tmp_path_factory.mktemp("coverage") / "pairs"
    for number in range(4):
        lst = synthetic_pair.lst.with_values(synthetic_pair.lst.values + 2.0 * number)
        aster = synthetic_pair.aster.with_values(synthetic_pair.aster.values + 1.5 * number)
        write_pair(replace(synthetic_pair, id=str(number), lst=lst, aster=aster), directory)
    return directory


@pytest.fixture(scope="module")
def folds(pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What training in two folds leaves, with the package's network in both, and what calibrating adds."""
    directory = tmp_path_factory.mktemp("folds")
    for fold in range(2):
        (directory / f"fold{fold}").mkdir()
        shutil.copy(PACKAGE_WEIGHTS / "aster-unet.safetensors", directory / f"fold{fold}")
    (directory / "folds.csv").write_text("scene,fold\n0,0\n1,0\n2,1\n3,1\n", encoding="utf-8")
    calibrate(pairs, directory, directory / COEFFICIENTS.name)
    return directory


def test_a_folds_coefficients_know_the_other_folds_alone(pairs: Path, folds: Path) -> None:
    digests = {name: read_modis(pairs, name).digest for name in "0123"}
    for fold, inside in enumerate(("23", "01")):
        card = read_coefficients(coefficients_file(folds / f"fold{fold}"))["card"]
        assert card["seen"] == [digests[name] for name in inside]
        assert (folds / f"fold{fold}" / "sc-unet.safetensors").is_file()
    whole = read_coefficients(folds / COEFFICIENTS.name)
    assert whole["card"]["seen"] == list(digests.values())
    lines = [read_coefficients(coefficients_file(folds / f"fold{fold}"))["level"]["line"] for fold in (0, 1)]
    # ASTER less MODIS falls by half a kelvin from scene to scene; the features' means tell the scenes.
    assert lines[0]["mean_k"] - lines[1]["mean_k"] == pytest.approx(4.0, abs=0.01)
    assert whole["level"]["line"]["at_mean_k"] == pytest.approx(-0.75 * 4 / 9, abs=0.4)  # the ridge weighs
    figures = whole["aster-unet"]["out_of_fold"]
    assert figures["aster-unet-restored"]["frr"] != figures["aster-unet"]["frr"]
    assert figures["aster-unet, gains without ASTER"]["rmse_k"] > 0.0


def test_who_has_seen_a_scene_is_known(pairs: Path, folds: Path) -> None:
    pair = read_modis(pairs, "0")
    for name in ("sc-unet-restored", "aster-unet-restored"):
        assert in_sample(pair, name, Options(folds)) is False
        assert in_sample(pair, name, Options(folds / "fold0")) is False
        assert in_sample(pair, name, Options(folds / "fold1")) is True
    assert read_folds(folds) == {"0": 0, "1": 0, "2": 1, "3": 1}
    assert in_sample(pair, "bicubic", Options(folds)) is None


def test_the_shares_are_those_of_all_pixels(pairs: Path, folds: Path) -> None:
    table = coverage.judge(pairs, "development", folds, [METHOD])
    whole = table[table["quarter"].isna()].iloc[0]
    assert list(table.columns) == coverage.COLUMNS and len(table) == 1 + 4 * len(coverage.BY)
    within = []
    for judge in read_judges(pairs):
        fold = folds / f"fold{read_folds(folds)[judge.scene.id]}"
        coefficients = uncertainty_of(METHOD, coefficients_file(fold))
        assert coefficients is not None
        product_k = sharpen_pair(judge.pair, METHOD, Options(folds)).values
        deviation_k = uncertainty_k(product_k, judge.pair.lst.values, judge.pair.ndvi.values, coefficients)
        product, deviation = judge.onto([product_k, deviation_k.astype(float)])
        within.append(float((np.abs(product - judge.aster_k) < deviation).mean()))
    assert whole["within_1"] == pytest.approx(np.mean(within), abs=0.03)  # of a sample
    assert whole["groups"] == 1 and np.isnan(whole["within_1_low"])  # copies overlap: one group, no interval
    for by in coverage.BY:
        quarters = table[table["by"] == by]
        assert quarters["quarter"].tolist() == [0, 1, 2, 3]
        assert quarters["within_1"].mean() == pytest.approx(whole["within_1"], abs=0.02)
    assert whole["mean_deviation_k"] > 0.0 and whole["rmse_k"] > 0.0


def test_what_has_seen_a_scene_cannot_be_judged_by_it(pairs: Path, folds: Path) -> None:
    with pytest.raises(InputError, match=r"pair 0: .* was fitted to its ASTER.*lstsr calibrate"):
        coverage.judge(pairs, "development", folds / "fold1", [METHOD])
    with pytest.raises(InputError, match="tsharp has no uncertainty; expected one of sc-unet-restored"):
        coverage.judge(pairs, "development", folds, ["tsharp"])


def test_no_aster_of_a_test_scene_is_read_by_fitting(
    pairs: Path, folds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(pairs, tmp_path / "pairs")
    digest = read_modis(pairs, "3").digest
    monkeypatch.setattr("lstsr_core.pairs.scenes.is_test_scene", lambda pair: pair.digest == digest)
    (tmp_path / "pairs" / "3_aster_250m.tif").write_bytes(b"unread")
    judges = read_judges(tmp_path / "pairs")
    assert [judge.scene.id for judge in judges] == ["0", "1", "2"]
    assert all(isinstance(judge, Judge) for judge in judges)


def test_judges_are_placed_by_the_registered_protocol(published_pairs: Path) -> None:
    judge = next(judge for judge in read_judges(published_pairs) if judge.scene.id == "0")
    from lstsr_core.pairs.pair import read_pair

    placed = Registered(read_pair(published_pairs, "0"))
    assert judge.pair.aster.transform == placed.pair.aster.transform
    product = sharpen_pair(judge.pair, "bicubic")
    comparison = placed.compare({"bicubic": product})["bicubic"]
    assert not isinstance(comparison, str)
    difference = judge.onto([product.values])[0].mean() - judge.aster_k.mean()
    assert difference == pytest.approx(
        float(comparison.product.values.mean() - comparison.aster.values.mean()), abs=0.1
    )


def test_every_method_with_an_uncertainty_is_a_companions() -> None:
    names = coverage.with_uncertainty()
    assert METHOD in names and {METHODS[name].source for name in names} == {"companion"}
    assert "seen" in json.loads(COEFFICIENTS.read_text(encoding="utf-8"))["card"]
