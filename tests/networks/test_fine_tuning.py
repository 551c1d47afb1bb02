"""A network that learns from ASTER: what it sees, that it repeats and resumes, and what it must not open."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import rasterio
import torch
from affine import Affine

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import COARSE_PIXEL_M
from lstsr_core.geo.raster import Raster
from lstsr_core.networks import fine_tuning
from lstsr_core.networks.fine_tuning import AsterData, Crops, FineTuningSettings, read_scenes, tune
from lstsr_core.networks.weights import load_model
from lstsr_core.networks.weights_files import read_card, unseen_weights, weights_file
from lstsr_core.pairs import scenes
from lstsr_core.pairs.pair import Pair, read_modis, write_pair
from lstsr_core.pairs.scenes import published_scenes
from worlds.pairs import true_product

Command = Callable[..., tuple[int, str, str]]
SETTINGS = FineTuningSettings(steps=6, batch_size=2, crop=48)


def write_pairs(directory: Path, pair: Pair) -> Path:
    """Three pairs of one ground, "3", "5" and "12", each half a kelvin warmer than the one before."""
    for number, pair_id in enumerate(("3", "5", "12")):
        lst = pair.lst.with_values(pair.lst.values + 0.5 * number)
        write_pair(Pair(pair_id, lst, pair.ndvi, pair.aster), directory)
    return directory


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory, synthetic_pair: Pair) -> AsterData:
    return read_scenes(write_pairs(tmp_path_factory.mktemp("pairs"), synthetic_pair))


def test_the_target_is_aster_without_its_level(
    data: AsterData, synthetic_pair: Pair, synthetic_truth: Raster
) -> None:
    truth_k = true_product(synthetic_truth, synthetic_pair).values
    for number, scene in enumerate(data.scenes):
        inside = scene.seen & np.roll(scene.seen, 12, 0) & np.roll(scene.seen, -12, 0)
        assert 0.2 < scene.seen.mean() < 0.9
        np.testing.assert_array_equal(scene.target_k[~scene.seen], scene.lst_k[~scene.seen])
        # Two sensors that differ by a constant differ by nothing that is learned.
        error_k = (scene.target_k - truth_k - 0.5 * number)[inside]
        assert abs(error_k.mean()) < 0.2
        assert error_k.std() < 0.6 * (scene.lst_k - truth_k)[inside].std()


def test_two_trainings_with_one_seed_are_identical(data: AsterData) -> None:
    one, rows = tune(data.start, data.scenes, SETTINGS)
    other, same = tune(data.start, data.scenes, SETTINGS)
    assert rows == same
    for name, tensor in one.state_dict().items():
        assert torch.equal(tensor, other.state_dict()[name]), name
    third, _ = tune(data.start, data.scenes, SETTINGS.model_copy(update={"seed": 1}))
    assert not torch.equal(third.outlet.weight, one.outlet.weight)


def test_batch_norms_keep_what_they_came_with(data: AsterData) -> None:
    trained, _ = tune(data.start, data.scenes, SETTINGS)
    before = data.start.network.state_dict()
    for name, tensor in trained.state_dict().items():
        if "running" in name:
            assert torch.equal(tensor, before[name]), name
    assert not torch.equal(trained.outlet.weight, before["outlet.weight"])
    assert not trained.training


def test_a_stopped_training_goes_on_to_the_same_weights(
    data: AsterData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fine_tuning, "REPORT_STEPS", 2)
    whole, rows = tune(data.start, data.scenes, SETTINGS)
    loss, checkpoint = Crops.loss, tmp_path / "checkpoint.safetensors"

    def stopping(self: Crops, network: fine_tuning.SharpeningUNet, step: int) -> torch.Tensor:
        if step == 5:
            raise KeyboardInterrupt
        return loss(self, network, step)

    monkeypatch.setattr(Crops, "loss", stopping)
    with pytest.raises(KeyboardInterrupt):
        tune(data.start, data.scenes, SETTINGS, checkpoint)
    seen: list[int] = []

    def noting(self: Crops, network: fine_tuning.SharpeningUNet, step: int) -> torch.Tensor:
        seen.append(step)
        return loss(self, network, step)

    monkeypatch.setattr(Crops, "loss", noting)
    resumed, same = tune(data.start, data.scenes, SETTINGS, checkpoint)
    assert seen == [4, 5] and same == rows
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, resumed.state_dict()[name]), name
    with pytest.raises(InputError, match="belongs to a training with other settings or pairs"):
        tune(data.start, data.scenes[:2], SETTINGS, checkpoint)


def test_training_brings_the_network_nearer_to_its_target(data: AsterData) -> None:
    settings = SETTINGS.model_copy(update={"steps": 40, "batch_size": 4})
    trained, _ = tune(data.start, data.scenes, settings)
    crops = Crops(data.scenes, data.start.statistics, settings)
    with torch.inference_mode():
        before, after = (
            np.mean([crops.loss(network, step).item() for step in range(100, 110)])
            for network in (data.start.network, trained)
        )
    assert after < 0.95 * before


def test_crops_lie_on_aster_and_repeat(data: AsterData) -> None:
    crops = Crops(data.scenes, data.start.statistics, SETTINGS)
    inputs, targets, masks, textures = crops.batch(3)
    assert inputs.shape == (2, 2, 48, 48) and targets.shape == masks.shape == (2, 1, 48, 48)
    assert (masks.mean((1, 2, 3)) >= 0.7).all() and textures.shape == (2, 1, 1, 1)
    assert torch.equal(crops.batch(3)[0], inputs) and not torch.equal(crops.batch(4)[0], inputs)
    with pytest.raises(InputError, match="3, 5, 12: smaller than 'crop', 256 pixels"):
        Crops(data.scenes, data.start.statistics, FineTuningSettings(crop=256))


# The command


@pytest.fixture
def pairs_with_a_test_scene(
    tmp_path: Path, synthetic_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Three pairs, of which "5" is a test scene by its LST, whatever it is called."""
    for number, pair_id in enumerate(("3", "5", "12")):
        lst = synthetic_pair.lst.with_values(synthetic_pair.lst.values + 0.5 * number)
        write_pair(Pair(pair_id, lst, synthetic_pair.ndvi, synthetic_pair.aster), tmp_path / "pairs")
    digest = read_modis(tmp_path / "pairs", "5").digest
    (tmp_path / "scenes.csv").write_text(f"scene,part,apart,lst_sha256\n2,test,yes,{digest}\n")
    monkeypatch.setattr(scenes, "SCENES", tmp_path / "scenes.csv")
    published_scenes.cache_clear()
    yield tmp_path / "pairs"
    published_scenes.cache_clear()


def settings_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.yaml"
    path.write_text("steps: 2\nbatch_size: 2\ncrop: 48\n")
    return path


def test_the_aster_of_a_test_scene_is_never_opened(
    lstsr: Command, pairs_with_a_test_scene: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    real = rasterio.open

    def noting(path: object, *arguments: object, **options: object) -> object:
        opened.append(Path(str(path)).name)
        return real(path, *arguments, **options)

    monkeypatch.setattr(rasterio, "open", noting)
    out = tmp_path / "out"
    options = ["--model", "aster-unet", "--target", "aster", "--settings", settings_file(tmp_path)]
    code, told, errors = lstsr("train", *options, "--pairs", pairs_with_a_test_scene, "--out", out)
    assert code == 0 and told == f"{out}: aster-unet trained\n"
    assert "1 test scenes are left out" in errors
    aster = [name for name in opened if name.endswith("_aster_250m.tif")]
    assert sorted(aster) == ["12_aster_250m.tif", "3_aster_250m.tif"]
    card = read_card(out / "aster-unet.safetensors")
    seen = [read_modis(pairs_with_a_test_scene, pair_id).digest for pair_id in ("3", "12")]
    assert card["data"]["seen"] == seen and "registered" in card["target"]
    assert pd.read_csv(out / "aster-unet.curves.csv")["step"].tolist() == [2]
    model = load_model(out / "aster-unet.safetensors")
    assert model.has_seen(seen[0]) and model.network.upsampling == "half-pixel"
    # Ended, it is not run again; with other settings it is refused.
    assert lstsr("train", *options, "--pairs", pairs_with_a_test_scene, "--out", out)[0] == 0
    (tmp_path / "tiny.yaml").write_text("steps: 3\nbatch_size: 2\ncrop: 48\n")
    assert lstsr("train", *options, "--pairs", pairs_with_a_test_scene, "--out", out)[0] == 1


def test_aster_of_other_ground_is_told_rather_than_learned_from(
    lstsr: Command, tmp_path: Path, synthetic_pair: Pair
) -> None:
    east = Affine.translation(150 * COARSE_PIXEL_M, 0.0)
    lst, ndvi = (
        replace(raster, transform=east @ raster.transform)
        for raster in (synthetic_pair.lst, synthetic_pair.ndvi)
    )
    write_pair(Pair("5", lst, ndvi, synthetic_pair.aster), tmp_path / "pairs")
    options = ["--model", "aster-unet", "--target", "aster", "--pairs", tmp_path / "pairs"]
    code, _, errors = lstsr("train", *options, "--out", tmp_path / "out")
    assert code == 1 and "pair 5: its ASTER cannot be registered: the two images share no pixel" in errors


def test_a_folds_network_has_not_seen_its_scenes(data: AsterData, tmp_path: Path) -> None:
    apart = replace(data, groups=np.arange(3))
    settings = SETTINGS.model_copy(update={"steps": 1})
    table = fine_tuning.fine_tune_folds(apart, settings, 3, tmp_path, "three pairs")
    assert sorted(table["fold"]) == [0, 1, 2]
    for scene in apart.scenes:
        model = load_model(unseen_weights(tmp_path, scene.name) / "aster-unet.safetensors")
        assert model.has_seen(scene.digest) is False and model.card["data"]["not_seen"] == [scene.name]
        assert sum(bool(model.has_seen(other.digest)) for other in apart.scenes) == 2


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--model", "aster-unet"], "--model aster-unet with --target modis: aster-unet alone learns"),
        (["--model", "sc-unet", "--target", "aster"], "--model sc-unet with --target aster"),
        (["--model", "aster-unet", "--target", "aster", "--scenes", "all"], "the test scenes judge"),
    ],
)
def test_a_target_and_a_model_that_do_not_belong_together(
    lstsr: Command, tmp_path: Path, arguments: list[str], told: str
) -> None:
    code, output, errors = lstsr("train", *arguments, "--pairs", tmp_path, "--out", tmp_path / "w")
    assert code == 1 and output == "" and not (tmp_path / "w").exists()
    assert re.fullmatch(r"lstsr: [^\n]+\n", errors) and told in errors


def test_unknown_settings_are_named() -> None:
    with pytest.raises(InputError, match="'step'"):
        FineTuningSettings.check({"step": 3}, "x.yaml")


# The shipped weights


def test_the_shipped_network_has_seen_every_development_scene_and_no_test_scene() -> None:
    path = weights_file(None, "aster-unet")
    assert path is not None
    table = published_scenes()
    card = read_card(path)
    assert set(card["data"]["seen"]) == set(table.loc[table["part"] == "development", "lst_sha256"])
    assert "ASTER" in card["target"] and card["out_of_fold"]["aster-unet"]["rmse_k"] < 2.0
