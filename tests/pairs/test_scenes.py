"""Which pairs train and which judge: by their LST, whatever they are called."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import OWN_WEIGHTS, REGISTRY
from lstsr_core.networks.data import from_pairs
from lstsr_core.networks.weights import load_model
from lstsr_core.networks.weights_files import PUBLISHED_CHECKPOINTS, weights_file
from lstsr_core.pairs import scenes
from lstsr_core.pairs.pair import ModisPair, Pair, read_modis, write_pair
from lstsr_core.pairs.scenes import Part, published_scenes, read_part
from lstsr_core.patches.patch import pair_patches
from lstsr_core.patches.splits import group_folds

TEST_SCENES = [
    "2", "15", "34", "45", "60", "70", "76", "86", "96", "109", "115", "124", "133", "143", "151", "162",
    "167", "177", "191", "198", "216",
]  # fmt: skip


def test_the_published_pairs_are_62_to_develop_on_and_21_that_judge() -> None:
    table = published_scenes()
    assert scenes.ids_of_test_scenes() == TEST_SCENES
    assert scenes.ids_of_test_scenes(apart=True) == ["2", "15", "60", "70", "133", "151", "162", "191"]
    assert (len(table), table["scene"].nunique(), table["lst_sha256"].nunique()) == (83, 83, 83)
    names = {Path(line.split()[0]).name for line in REGISTRY.read_text().splitlines() if "_data_dict" in line}
    assert {f"{scene}_data_dict.pkl" for scene in table["scene"]} == names


def test_the_shipped_weights_have_seen_every_development_scene_and_no_test_scene() -> None:
    table = published_scenes()
    for model in PUBLISHED_CHECKPOINTS:
        path = weights_file(None, model)
        assert path is not None
        seen = load_model(path).card["data"]["seen"]
        assert set(seen) == set(table.loc[table["part"] == "development", "lst_sha256"])


def test_the_committed_folds_hold_no_test_scene() -> None:
    table = pd.read_csv(OWN_WEIGHTS / "metrics.csv", dtype={"scene": str})
    assert set(table["scene"]) == set(published_scenes()["scene"]) - set(TEST_SCENES)


@pytest.fixture
def renamed_test_scene(
    tmp_path: Path, synthetic_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """Three pairs of one's own, 2, 7 and 8; by the split's file 8 has a test scene's LST."""
    for scene, offset_k in (("2", 0.0), ("7", 0.5), ("8", 1.0)):
        lst = synthetic_pair.lst.with_values(synthetic_pair.lst.values + offset_k)
        write_pair(Pair(scene, lst, synthetic_pair.ndvi, synthetic_pair.aster), tmp_path / "pairs")
    file = tmp_path / "scenes.csv"
    digest = read_modis(tmp_path / "pairs", "8").digest
    file.write_text(f"# a split\nscene,part,apart,lst_sha256\n2,test,yes,{digest}\n")
    monkeypatch.setattr(scenes, "SCENES", file)
    published_scenes.cache_clear()
    yield tmp_path / "pairs"
    published_scenes.cache_clear()


@pytest.mark.parametrize(
    ("part", "expected"), [("development", ["2", "7"]), ("test", ["8"]), ("all", ["2", "7", "8"])]
)
def test_a_test_scene_is_known_by_its_lst_and_not_by_its_name(
    renamed_test_scene: Path, part: Part, expected: list[str]
) -> None:
    assert [pair.id for pair in read_part(renamed_test_scene, part)] == expected
    assert from_pairs(renamed_test_scene, part).names == [f"pair_{scene}" for scene in expected]
    assert [patch.name for patch in pair_patches(renamed_test_scene, 1.0, part)] == [
        f"pair_{s}" for s in expected
    ]


def test_training_leaves_test_scenes_out_unless_told_otherwise(renamed_test_scene: Path) -> None:
    assert from_pairs(renamed_test_scene).names == ["pair_2", "pair_7"]
    assert [patch.name for patch in pair_patches(renamed_test_scene, 1.0)] == ["pair_2", "pair_7"]


def test_a_directory_without_scenes_of_a_part_is_named(tmp_path: Path, synthetic_pair: Pair) -> None:
    write_pair(synthetic_pair, tmp_path)
    with pytest.raises(InputError, match=rf"{tmp_path}: none of its 1 pairs is a test scene; .* 'all'"):
        read_part(tmp_path, "test")
    with pytest.raises(InputError, match="scenes are 'train'; expected development, test, all"):
        read_part(tmp_path, "train")  # type: ignore[arg-type]


def test_a_part_of_the_pairs_is_evaluated(
    renamed_test_scene: Path, lstsr: Callable[..., tuple[int, str, str]]
) -> None:
    out = renamed_test_scene.parent / "metrics.csv"
    for part, expected in (("test", ["8"]), ("development", ["2", "7"]), ("all", ["2", "7", "8"])):
        options = ["--pairs", str(renamed_test_scene), "--methods", "bicubic", "--out", str(out)]
        code, output, _ = lstsr("evaluate", *options, "--scenes", part)
        assert code == 0 and f"{len(expected)} of {len(expected)} pairs" in output
        assert pd.read_csv(out, dtype={"scene": str})["scene"].tolist() == expected


# The published pairs


def shared_lst(one: ModisPair, other: ModisPair) -> tuple[np.ndarray, np.ndarray]:
    """LST of both over the ground that both have, by their own transforms."""
    pixel_m = one.lst.pixel_width_m
    right = round((other.lst.left_m - one.lst.left_m) / pixel_m)
    down = round((one.lst.top_m - other.lst.top_m) / pixel_m)
    rows = slice(max(0, down), max(0, min(one.lst.rows, down + other.lst.rows)))
    columns = slice(max(0, right), max(0, min(one.lst.columns, right + other.lst.columns)))
    moved = slice(rows.start - down, rows.stop - down), slice(columns.start - right, columns.stop - right)
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return np.empty(0), np.empty(0)
    return one.lst.values[rows, columns], other.lst.values[moved]


@pytest.fixture(scope="module")
def everything(published_pairs: Path) -> list[ModisPair]:
    return read_part(published_pairs, "all")


def test_published_pairs_are_parted_as_the_file_says(
    everything: list[ModisPair], published_pairs: Path
) -> None:
    digests = dict(zip(published_scenes()["scene"], published_scenes()["lst_sha256"], strict=True))
    assert {pair.id: pair.digest for pair in everything}.items() <= digests.items()
    assert [pair.id for pair in read_part(published_pairs, "test")] == TEST_SCENES
    assert len(read_part(published_pairs, "development")) == 62


def test_published_test_scenes_apart_share_neither_a_day_nor_a_quarter_of_their_ground(
    everything: list[ModisPair],
) -> None:
    development = [pair for pair in everything if pair.id not in TEST_SCENES]
    apart = []
    for pair in everything:
        if pair.id in TEST_SCENES:
            shared = [shared_lst(pair, other) for other in development]
            one_day = any(one.size and (one == other).all() for one, other in shared)
            ground = max(one.size for one, _ in shared) / pair.lst.values.size
            apart += [pair.id] * (not one_day and ground < 0.25)
    assert apart == scenes.ids_of_test_scenes(apart=True)


def test_published_scenes_of_one_day_or_of_overlapping_ground_share_a_fold(
    everything: list[ModisPair], published_pairs: Path
) -> None:
    for part in ("development", "all"):
        data = from_pairs(published_pairs, part)  # type: ignore[arg-type]
        folds = dict(zip(data.names, group_folds(data.groups, 5, seed=42), strict=True))
        pairs = [pair for pair in everything if f"pair_{pair.id}" in folds]
        days = 0
        for pair, other in itertools.combinations(pairs, 2):
            one, two = shared_lst(pair, other)
            if one.size:
                assert folds[f"pair_{pair.id}"] == folds[f"pair_{other.id}"]
                days += bool((one == two).all())
        assert days >= 24  # equal LST, so that the test has something to hold
