"""Training data: the right pixels, from MODIS alone, augmented alike, the same for one seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from affine import Affine
from scipy import stats

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL
from lstsr_core.geo.raster import Raster
from lstsr_core.networks import data as training_data
from lstsr_core.networks.data import Batches, TrainingData, from_pairs, from_patches, symmetric
from lstsr_core.networks.settings import TrainingSettings
from lstsr_core.pairs.pair import Pair, align, write_pair
from lstsr_core.patches.patch import Patch, pair_patches, write_patches
from lstsr_core.patches.statistics import Statistics

PLAIN = Statistics(0.0, 1.0, 0.0, 1.0)


def settings(**values: object) -> TrainingSettings:
    return TrainingSettings.check({"model": "sif-cnn-sr1", "batch_size": 4, "seed": 3, **values}, "test")


def coded(count: int = 6, rows: int = 12, columns: int = 12) -> TrainingData:
    """Pixels tell where they lie: NDVI = patch + fine row/1000 + fine column/10⁶, LST its block's corner."""
    row, column = np.mgrid[: 4 * rows, : 4 * columns]
    ndvi = np.stack([index * 1000.0 * 1000.0 + row * 1000.0 + column for index in range(count)])
    data = TrainingData(
        [f"p{i}" for i in range(count)], ndvi[:, ::4, ::4].astype("f4"), ndvi.astype("f4"), np.arange(count)
    )
    assert len(np.unique(data.ndvi)) == data.ndvi.size
    return data


def random_data(count: int = 5, seed: int = 0) -> TrainingData:
    random = np.random.default_rng(seed)
    ndvi = random.uniform(-0.2, 0.9, (count, 32, 32))
    lst_k = random.normal(300.0, 8.0, (count, 8, 8))
    return TrainingData(
        [f"p{i}" for i in range(count)], lst_k.astype("f4"), ndvi.astype("f4"), np.arange(count)
    )


def test_statistics_are_those_of_the_chosen_patches() -> None:
    data, places = random_data(), np.array([0, 3])
    statistics = data.statistics(places)
    lst_k, ndvi = (stack[[0, 3]].astype(float) for stack in (data.lst_k, data.ndvi))
    expected = [
        lst_k.mean(),
        lst_k.std(),
        ndvi.mean(),
        ndvi.std(),
        lst_k.min(),
        lst_k.max(),
        ndvi.min(),
        ndvi.max(),
    ]
    np.testing.assert_allclose(list(vars(statistics).values()), expected, rtol=1e-12)


def test_slopes_are_each_scenes_own_regression_in_z_scores() -> None:
    data = random_data()
    s = data.statistics(np.arange(5))
    coarse = (data.ndvi.astype(float).reshape(5, 8, 4, 8, 4).mean(axis=(2, 4)) - s.ndvi_mean) / s.ndvi_std
    lst = (data.lst_k.astype(float) - s.lst_mean_k) / s.lst_std_k
    expected = [stats.linregress(n.ravel(), y.ravel()).slope for n, y in zip(coarse, lst, strict=True)]
    np.testing.assert_allclose(data.slopes(s), expected, rtol=1e-5)


def test_a_scene_of_one_ndvi_has_no_slope() -> None:
    data = random_data()
    flat = replace(data, ndvi=np.full_like(data.ndvi, 0.5))
    assert (flat.slopes(data.statistics(np.arange(5))) == 0.0).all()


@pytest.mark.parametrize("which", ["lst_k", "ndvi"])
def test_patches_with_holes_are_refused_by_name(which: str) -> None:
    data = random_data()
    holed = getattr(data, which).copy()
    holed[[1, 4], 2, 3] = np.nan
    with pytest.raises(
        InputError, match=r"^patches p1, p4 hold invalid LST or NDVI \(2 of 5\); training needs whole ones"
    ):
        replace(data, **{which: holed})


def test_arrays_that_do_not_match_are_refused() -> None:
    data = random_data()
    with pytest.raises(ValueError, match="no match"):
        replace(data, names=data.names[:-1])
    with pytest.raises(InputError, match="training patches: NDVI has shape"):
        replace(data, ndvi=data.ndvi[:, :-4])


def test_validation_batches_are_the_whole_patches_in_order() -> None:
    data, s = random_data(), Statistics(300.0, 8.0, 0.4, 0.2)
    batches = list(
        Batches(data, s, settings(crop=8, symmetries=True, gamma=-0.3)).validation(np.array([4, 0, 2, 1, 3]))
    )
    assert [batch.names for batch in batches] == [["p4", "p0", "p2", "p1"], ["p3"]]
    lst, ndvi = (torch.cat([getattr(batch, name) for batch in batches]) for name in ("lst", "ndvi"))
    order = [4, 0, 2, 1, 3]
    np.testing.assert_allclose(lst[:, 0].numpy(), (data.lst_k[order] - 300.0) / 8.0, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ndvi[:, 0].numpy(), (data.ndvi[order] - 0.4) / 0.2, rtol=1e-5, atol=1e-6)
    assert (batches[0].gamma == torch.full((4, 1, 1, 1), -0.3)).all()


def test_scene_gammas_are_the_slopes_times_their_scale() -> None:
    data = random_data()
    s = data.statistics(np.arange(5))
    (batch,) = Batches(data, s, settings(gamma="scene", gamma_scale=1.5, batch_size=8)).validation(
        np.array([2, 0])
    )
    np.testing.assert_allclose(batch.gamma.flatten().numpy(), 1.5 * data.slopes(s)[[2, 0]], rtol=1e-6)


def test_training_takes_every_patch_once_an_epoch_in_another_order_each_time() -> None:
    batches = Batches(random_data(), PLAIN, settings())
    epochs = [
        [name for batch in batches.training(np.arange(5), epoch) for name in batch.names]
        for epoch in range(1, 5)
    ]
    assert all(sorted(names) == [f"p{i}" for i in range(5)] for names in epochs)
    assert len({tuple(names) for names in epochs}) > 1


def windows(
    data: TrainingData, chosen: TrainingSettings, epochs: int, block: int = 1
) -> list[tuple[np.ndarray, np.ndarray]]:
    batches = Batches(data, PLAIN, chosen, block)
    return [
        (lst[0].numpy(), ndvi[0].numpy())
        for epoch in range(epochs)
        for batch in batches.training(np.arange(len(data)), epoch)
        for lst, ndvi in zip(batch.lst, batch.ndvi, strict=True)
    ]


def test_crops_are_whole_coarse_pixels_with_the_ndvi_over_them() -> None:
    corners = set()
    for lst, ndvi in windows(coded(), settings(crop=8), 40):
        assert lst.shape == (8, 8) and ndvi.shape == (32, 32)
        np.testing.assert_array_equal(ndvi[::4, ::4], lst)
        np.testing.assert_array_equal(np.diff(ndvi, axis=0), 1000.0)
        row, column = divmod(int(lst[0, 0]) % 1_000_000, 1000)
        corners.add((row // 4, column // 4))
        assert row % 4 == column % 4 == 0
    assert {row for row, _ in corners} == {column for _, column in corners} == set(range(5))


def test_jitter_moves_ndvi_by_whole_fine_pixels_and_never_out_of_the_patch() -> None:
    moves = set()
    for lst, ndvi in windows(coded(), settings(crop=8, jitter=3), 60):
        assert ndvi.shape == (32, 32)
        down, right = divmod(int(ndvi[0, 0] - lst[0, 0]) + 3003, 1000)
        moves.add((down - 3, right - 3))
    assert moves == {(down, right) for down in range(-3, 4) for right in range(-3, 4)}


def test_augmentation_uses_all_eight_symmetries_and_treats_both_images_alike() -> None:
    data = coded(2)
    states = set()
    for lst, ndvi in windows(data, settings(symmetries=True), 60):
        index = int(lst.min() // 1_000_000)
        matches = [s for s in range(8) if np.array_equal(symmetric(data.lst_k[index], s), lst)]
        assert len(matches) == 1
        np.testing.assert_array_equal(symmetric(data.ndvi[index], matches[0]), ndvi)
        states.add(matches[0])
    assert states == set(range(8))


def test_the_eight_symmetries_are_all_of_the_squares() -> None:
    image = np.arange(9.0, dtype="f4").reshape(3, 3)
    expected = {
        tuple(m.ravel()) for k in range(4) for turned in [np.rot90(image, k)] for m in (turned, turned[::-1])
    }
    assert {tuple(symmetric(image, s).ravel()) for s in range(8)} == expected
    assert len(expected) == 8


def test_oblong_patches_are_cut_to_squares_before_they_are_turned() -> None:
    assert {lst.shape for lst, _ in windows(coded(4, 10, 12), settings(symmetries=True), 3)} == {(10, 10)}
    assert {lst.shape for lst, _ in windows(coded(4, 10, 12), settings(), 1)} == {(10, 12)}


def test_sides_are_whole_in_the_blocks_that_a_model_needs() -> None:
    assert {lst.shape for lst, _ in windows(coded(3, 11, 14), settings(), 1, block=4)} == {(8, 12)}
    batches = Batches(coded(3, 11, 14), PLAIN, settings(), block=4)
    assert {tuple(batch.ndvi.shape[2:]) for batch in batches.validation(np.arange(3))} == {(32, 48)}


def test_one_seed_and_epoch_give_the_same_batches_whatever_came_before() -> None:
    chosen = settings(crop=8, symmetries=True, jitter=2)
    first, second = (Batches(coded(), PLAIN, chosen) for _ in range(2))
    list(first.training(np.arange(6), 1))
    for one, other in zip(first.training(np.arange(6), 2), second.training(np.arange(6), 2), strict=True):
        assert one.names == other.names
        assert torch.equal(one.lst, other.lst) and torch.equal(one.ndvi, other.ndvi)
    others = list(
        Batches(coded(), PLAIN, settings(crop=8, symmetries=True, jitter=2, seed=4)).training(np.arange(6), 2)
    )
    assert not all(
        torch.equal(a.lst, b.lst) for a, b in zip(first.training(np.arange(6), 2), others, strict=True)
    )


@pytest.mark.parametrize(("crop", "jitter"), [(13, 0), (12, 1), (9, 8)])
def test_windows_larger_than_the_patches_are_refused(crop: int, jitter: int) -> None:
    with pytest.raises(
        InputError, match=rf"^windows of {crop} coarse pixels, moved by up to {jitter} fine ones, do not fit"
    ):
        Batches(coded(), PLAIN, settings(crop=crop, jitter=jitter))


def test_data_are_not_changed_by_drawing_batches() -> None:
    data = random_data()
    before = data.lst_k.copy(), data.ndvi.copy()
    list(Batches(data, data.statistics(np.arange(5)), settings(symmetries=True)).training(np.arange(5), 1))
    np.testing.assert_array_equal(data.lst_k, before[0])
    np.testing.assert_array_equal(data.ndvi, before[1])


@pytest.fixture
def pairs_directory(tmp_path: Path, synthetic_pair: Pair) -> Path:
    """Three pairs: two over one ground, the third a tile's width away; each with its ASTER file."""
    east = Affine.translation(200 * COARSE_PIXEL_M, 0.0)
    for pair_id, warmer_k, moved in (
        ("3", 0.0, Affine.identity()),
        ("12", 1.0, Affine.identity()),
        ("5", 2.0, east),
    ):
        lst = replace(
            synthetic_pair.lst,
            values=synthetic_pair.lst.values + warmer_k,
            transform=moved @ synthetic_pair.lst.transform,
        )
        ndvi = replace(synthetic_pair.ndvi, transform=moved @ synthetic_pair.ndvi.transform)
        write_pair(Pair(pair_id, lst, ndvi, synthetic_pair.aster), tmp_path / "pairs")
    return tmp_path / "pairs"


def test_pairs_are_the_aligned_modis_side(pairs_directory: Path, synthetic_pair: Pair) -> None:
    data, aligned = from_pairs(pairs_directory), align(synthetic_pair)
    assert data.names == ["pair_3", "pair_5", "pair_12"]
    assert data.groups.tolist() == [0, 1, 0]
    for index, warmer_k in enumerate((0.0, 2.0, 1.0)):
        np.testing.assert_allclose(data.lst_k[index], aligned.lst.values + warmer_k, atol=1e-4)
        np.testing.assert_allclose(data.ndvi[index], aligned.ndvi.values, atol=1e-6)


@pytest.mark.parametrize("poison", [None, b"", b"not a GeoTIFF"])
def test_aster_is_never_read(pairs_directory: Path, poison: bytes | None) -> None:
    with_aster = from_pairs(pairs_directory)
    patches = [patch.lst.values for patch in pair_patches(pairs_directory, 0.0)]
    files = sorted(pairs_directory.glob("*_aster_250m.tif"))
    assert len(files) == 3
    for path in files:
        if poison is None:
            path.unlink()
        else:
            path.write_bytes(poison)
    without = from_pairs(pairs_directory)
    assert without.names == with_aster.names
    np.testing.assert_array_equal(without.lst_k, with_aster.lst_k)
    np.testing.assert_array_equal(without.ndvi, with_aster.ndvi)
    np.testing.assert_array_equal(
        np.stack([patch.lst.values for patch in pair_patches(pairs_directory, 0.0)]), np.stack(patches)
    )


def granule_patch(name: str, date: str, row: int, column: int, seed: int) -> Patch:
    random = np.random.default_rng(seed)
    coarse = Affine(
        COARSE_PIXEL_M, 0, 64 * column * COARSE_PIXEL_M, 0, -COARSE_PIXEL_M, -64 * row * COARSE_PIXEL_M
    )
    fine = coarse @ Affine.scale(0.25)
    lst = Raster(random.normal(300.0, 5.0, (16, 16)), coarse, SINUSOIDAL)
    assert fine.a == pytest.approx(FINE_PIXEL_M)
    return Patch(
        name,
        lst,
        Raster(random.uniform(0.0, 0.9, (64, 64)), fine, SINUSOIDAL),
        date,
        "h18v04",
        row,
        column,
        0.0,
    )


@pytest.fixture
def patches_directory(tmp_path: Path) -> Path:
    days = [
        ("a", "2018-07-01", 0, 0),
        ("b", "2018-07-09", 2, 1),
        ("c", "2018-09-01", 0, 0),
        ("d", "2018-07-01", 5, 5),
    ]
    patches = [granule_patch(name, *where, seed=seed) for seed, (name, *where) in enumerate(days)]
    table = write_patches(patches, tmp_path / "patches", 0.6, 1)
    table.to_csv(tmp_path / "patches" / "patches.csv", index=False)
    return tmp_path / "patches"


@pytest.mark.parametrize("mapped", [False, True])
def test_patches_are_read_once_and_may_be_mapped(
    patches_directory: Path, tmp_path: Path, mapped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = from_patches(patches_directory, tmp_path / "arrays" / "ndvi.npy" if mapped else None)
    assert data.names == ["a", "b", "c", "d"]
    assert data.groups.tolist() == [0, 0, 1, 2]
    for index in range(4):
        expected = granule_patch("x", "2018-07-01", 0, 0, seed=index)
        np.testing.assert_allclose(data.lst_k[index], expected.lst.values, atol=1e-4)
        np.testing.assert_allclose(data.ndvi[index], expected.ndvi.values, atol=1e-6)
    assert isinstance(data.ndvi, np.memmap) == mapped
    assert (tmp_path / "arrays" / "ndvi.npy").is_file() == mapped
    monkeypatch.setattr(training_data, "read_raster", None)  # from here on no file is opened
    batches = Batches(data, data.statistics(np.arange(4)), settings(symmetries=True))
    assert sum(len(batch.names) for batch in batches.training(np.arange(4), 1)) == 4


def test_patches_of_pairs_group_by_footprint_and_are_cut_to_the_smallest(
    tmp_path: Path, pairs_directory: Path
) -> None:
    patches = list(pair_patches(pairs_directory, 0.0))
    patches[0] = replace(
        patches[0],
        lst=patches[0].lst.crop(slice(0, 30), slice(0, 31)),
        ndvi=patches[0].ndvi.crop(slice(0, 120), slice(0, 124)),
    )
    write_patches(patches, tmp_path / "run", 0.6, 1).to_csv(tmp_path / "run" / "patches.csv", index=False)
    data = from_patches(tmp_path / "run")
    assert data.groups.tolist() == [0, 1, 0]
    assert data.lst_k.shape == (3, 30, 31) and data.ndvi.shape == (3, 120, 124)


def test_a_full_disk_leaves_no_mapped_file(patches_directory: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"ndvi\.npy: cannot be written"):
        from_patches(patches_directory, tmp_path / "file" / "ndvi.npy")


def test_a_table_without_patches_is_told(tmp_path: Path) -> None:
    columns = ["lst_path", "ndvi_path", "date", "tile", "window_row", "window_column", "bad_share", "split"]
    pd.DataFrame(columns=columns).to_csv(tmp_path / "patches.csv", index=False)
    with pytest.raises(InputError, match="the table names no patch; run 02_patches first"):
        from_patches(tmp_path)


def test_published_pairs_train_in_14_groups(published_pairs: Path) -> None:
    data = from_pairs(published_pairs)
    assert data.lst_k.shape == (62, 63, 63)
    assert len(np.unique(data.groups)) == 14
