"""Windows: no pixel is lost or seen twice, and their borders leave no trace in the image."""

from __future__ import annotations

import datetime
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lstsr_core.geo.operators import upsample
from lstsr_core.geo.raster import FloatArray, fill_nearest
from lstsr_core.geo.window import Window
from lstsr_core.networks import tiling as windows
from lstsr_core.networks.settings import UPSAMPLINGS, Upsampling
from lstsr_core.networks.tiling import (
    BLENDING_STEP,
    GRID,
    Inputs,
    for_inference,
    predict_blended,
    predict_seamless,
    reach,
    seamless_windows,
)
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.networks.weights import Model, load_model
from lstsr_core.networks.weights_files import PUBLISHED_CHECKPOINTS, weights_file
from lstsr_core.pairs.pair import pair_ids, read_modis
from lstsr_core.patches.statistics import Statistics
from lstsr_core.simulation.scenes import MARGIN_COARSE_PIXELS, landscape, simulate_scene
from worlds.seams import seam

STATISTICS = Statistics(lst_mean_k=303.0, lst_std_k=8.0, ndvi_mean=0.6, ndvi_std=0.17)


def random_network(seed: int, upsampling: Upsampling = "half-pixel") -> SharpeningUNet:
    """Random weights, with the batch norms' statistics that noise has in it."""
    torch.manual_seed(seed)
    network = SharpeningUNet(upsampling)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.7, 1.5)
            nn.init.normal_(module.bias, 0.0, 0.2)
            module.momentum = None
    with torch.no_grad():
        network(torch.randn(2, 2, 64, 64))
    return network.eval()


def cut_from(image: Tensor) -> Inputs:
    return lambda window: image[:, :, window.rows, window.columns]


def everywhere(image: Tensor) -> np.ndarray:
    return np.ones(image.shape[2:], dtype=np.bool_)


def one_pass(network: SharpeningUNet, image: Tensor) -> np.ndarray:
    with torch.inference_mode():
        return network(image)[0, 0].numpy()


@pytest.fixture(scope="module")
def scene() -> tuple[FloatArray, FloatArray]:
    """U(LST) and NDVI, 512×512, of the simulator."""
    simulated = simulate_scene(landscape(3, 2), datetime.date(2018, 7, 19))
    margin = 4 * MARGIN_COARSE_PIXELS
    return upsample(fill_nearest(simulated.lst.values)), simulated.ndvi.values[
        margin:-margin, margin:-margin
    ].astype(float)


# Windows


@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 30).map(lambda eighths: GRID * eighths))
def test_windows_share_out_an_image(rows: int, columns: int, largest: int) -> None:
    times = np.zeros((rows, columns), dtype=int)
    for window in seamless_windows(rows, columns, largest):
        window.of(times)[...] += 1
        assert window.rows.start % GRID == window.columns.start % GRID == 0
        assert max(window.of(times).shape) <= largest
    assert (times == 1).all()


@given(st.data())
def test_a_window_is_found_again_in_a_wider_one(data: st.DataObject) -> None:
    image = np.arange(40 * 30).reshape(40, 30)
    first, left = data.draw(st.integers(0, 39)), data.draw(st.integers(0, 29))
    window = Window(
        slice(first, data.draw(st.integers(first + 1, 40))), slice(left, data.draw(st.integers(left + 1, 30)))
    )
    around = window.widened(data.draw(st.integers(0, 50)), 40, 30)
    np.testing.assert_array_equal(window.inside(around).of(around.of(image)), window.of(image))


# One network, folded


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_a_network_for_inference_computes_the_same(upsampling: Upsampling) -> None:
    network, image = random_network(1, upsampling), torch.randn(1, 2, 72, 88)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    folded = for_inference(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    np.testing.assert_allclose(one_pass(folded, image), one_pass(network, image), atol=2e-5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_the_reach_is_that_of_the_gradient() -> None:
    """With weights above zero nothing cancels: an output's inputs are those with a derivative."""
    network = random_network(2).double()
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data.abs_()
        elif isinstance(module, nn.BatchNorm2d):
            module.running_mean.fill_(-1.0)  # type: ignore[union-attr, operator]
    farthest, middle = 0, 96
    for phase in (2, 5):  # the places on the grid of 8 that look farthest
        image = torch.ones(1, 2, 192, 192, dtype=torch.float64, requires_grad=True)
        (gradient,) = torch.autograd.grad(network(image)[0, 0, middle + phase, middle + phase], image)
        for axis in (2, 3):
            touched = np.flatnonzero(gradient.abs().sum(dim=(0, 1, 5 - axis)).numpy())
            farthest = max(farthest, abs(touched - middle - phase).max())
    assert reach(network) - GRID < farthest <= reach(network)


# Without seams: half-pixel


def test_windows_give_what_one_pass_gives_over_1024_pixels() -> None:
    network, image = (
        random_network(4),
        torch.randn(1, 2, 1024, 1024, generator=torch.Generator().manual_seed(5)),
    )
    expected_k = one_pass(for_inference(network), image) * STATISTICS.lst_std_k
    found_k = (
        predict_seamless(network, cut_from(image), everywhere(image), largest=344) * STATISTICS.lst_std_k
    )
    assert expected_k.std() > 1.0
    assert np.abs(found_k - expected_k).max() < 1e-3


def test_a_halo_narrower_than_the_reach_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    network, image = (
        random_network(4),
        torch.randn(1, 2, 256, 256, generator=torch.Generator().manual_seed(5)),
    )
    monkeypatch.setattr(windows, "reach", lambda _: 24)
    output = predict_seamless(network, cut_from(image), everywhere(image), largest=128)
    assert np.abs(output - one_pass(network, image)).max() * STATISTICS.lst_std_k > 1e-3


@settings(max_examples=15)
@given(st.integers(8, 120), st.integers(8, 120), st.sampled_from([48, 80]))
def test_windows_give_what_one_pass_gives_whatever_the_size(rows: int, columns: int, largest: int) -> None:
    network, image = (
        random_network(6),
        torch.randn(1, 2, rows, columns, generator=torch.Generator().manual_seed(rows)),
    )
    output = predict_seamless(network, cut_from(image), everywhere(image), largest)
    np.testing.assert_allclose(output, one_pass(network, image), atol=1e-4)


def test_windows_that_nobody_wants_are_left_out() -> None:
    network, image = random_network(7), torch.randn(1, 2, 128, 192)
    mask = np.zeros((128, 192), dtype=np.bool_)
    mask[70, 3] = True
    asked = []

    def inputs(window: Window) -> Tensor:
        asked.append(window)
        return cut_from(image)(window)

    output = predict_seamless(network, inputs, mask, largest=64)
    assert len(asked) == 1
    assert (
        np.isfinite(output[64:, :64]).all() and np.isnan(output[:64]).all() and np.isnan(output[:, 64:]).all()
    )
    np.testing.assert_allclose(output[64:, :64], one_pass(network, image)[64:, :64], atol=1e-4)


def test_windows_of_a_network_that_depends_on_its_window_are_refused() -> None:
    image = torch.randn(1, 2, 64, 64)
    with pytest.raises(ValueError, match=r"align-corners.*blend"):
        predict_seamless(random_network(8, "align-corners"), cut_from(image), everywhere(image))


# Blended: align-corners


class FirstChannel(nn.Module):
    """A network that returns its first input: windows whose weights add up to one give the image."""

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs[:, :1]


@given(
    st.integers(8, 700),
    st.integers(8, 700),
    st.integers(0, BLENDING_STEP - 1),
    st.integers(0, BLENDING_STEP - 1),
)
def test_blending_weights_add_up_to_one(rows: int, columns: int, first_row: int, first_column: int) -> None:
    image = torch.randn(1, 2, rows, columns)
    output = predict_blended(FirstChannel(), cut_from(image), everywhere(image), first_row, first_column)  # type: ignore[arg-type]
    np.testing.assert_allclose(output, image[0, 0].numpy(), atol=1e-5)


def test_blended_windows_that_nobody_wants_are_left_out() -> None:
    image, mask = torch.randn(1, 2, 640, 384), np.zeros((640, 384), dtype=np.bool_)
    mask[600, 20] = True
    output = predict_blended(FirstChannel(), cut_from(image), mask)  # type: ignore[arg-type]
    assert np.isnan(output[:384]).all() and np.isnan(output[:, 256:]).all()
    np.testing.assert_allclose(output[384:, :256], image[0, 0, 384:, :256].numpy(), atol=1e-5)


def scores(model: Model, lst_k: FloatArray, ndvi: FloatArray) -> Tensor:
    s = model.statistics
    both = np.stack([(lst_k - s.lst_mean_k) / s.lst_std_k, (ndvi - s.ndvi_mean) / s.ndvi_std])
    return torch.from_numpy(both[None].astype(np.float32))


@pytest.fixture(scope="module")
def stitched(published_pairs: Path) -> list[tuple[FloatArray, FloatArray]]:
    """Real pairs made larger by mirroring: U(LST) and NDVI, 512×512."""
    images = []
    for pair_id in pair_ids(published_pairs)[5::40]:
        pair = read_modis(published_pairs, pair_id)
        lst_k, ndvi = (
            np.pad(fill_nearest(r.values), ((0, r.rows), (0, r.columns)), "symmetric")
            for r in (pair.lst, pair.ndvi)
        )
        images.append((upsample(lst_k), ndvi))
    return images


@pytest.mark.parametrize("method", PUBLISHED_CHECKPOINTS)
def test_published_networks_depend_little_on_where_windows_begin_and_leave_no_seams(
    published_pairs: Path,
    method: str,
    scene: tuple[FloatArray, FloatArray],
    stitched: list[tuple[FloatArray, FloatArray]],
) -> None:
    path = weights_file(published_pairs, method)
    assert path is not None
    model = load_model(path)
    assert model.network.upsampling == "align-corners"
    for lst_k, ndvi in [scene, *stitched]:
        inputs, mask = cut_from(scores(model, lst_k, ndvi)), np.ones(ndvi.shape, dtype=np.bool_)
        outputs = {
            first: predict_blended(model.network, inputs, mask, first, first) * model.statistics.lst_std_k
            for first in (0, 56)
        }
        assert np.std(outputs[0]) > 0.5
        assert np.sqrt(np.mean((outputs[56] - outputs[0]) ** 2)) < 0.05
        assert seam(outputs[0], [128, 256, 384], outputs[56]) <= 1.02
        assert seam(outputs[56], [72, 200, 328], outputs[0]) <= 1.02


def test_disjoint_pieces_do_leave_seams(published_pairs: Path, scene: tuple[FloatArray, FloatArray]) -> None:
    """What the tests of seams see in the published way to apply a network."""
    path = weights_file(published_pairs, "sc-unet")
    assert path is not None
    model = load_model(path)
    borders = [border for border in range(64, 512, 64) if border % 128]
    assert seam(model.predict_k(*scene, piece=64), borders, model.predict_k(*scene)) > 1.1


def test_seamless_windows_leave_no_seams(scene: tuple[FloatArray, FloatArray]) -> None:
    network = random_network(9)
    image = scores(Model(network, STATISTICS, "random"), *scene)[:, :, :256, :256]
    outputs = {size: predict_seamless(network, cut_from(image), everywhere(image), size) for size in (64, 88)}
    assert seam(outputs[64], [64, 128, 192], outputs[88]) <= 1.02
    pieces = np.block([[one_pass(network, image[:, :, r : r + 64, c : c + 64]) for c in range(0, 256, 64)]
                       for r in range(0, 256, 64)])  # fmt: skip
    assert seam(pieces, [64, 128, 192], outputs[88]) > 1.02


# A model's predictions


def test_a_model_sharpens_images_of_any_size_without_seams(scene: tuple[FloatArray, FloatArray]) -> None:
    lst_k, ndvi = scene
    model = Model(random_network(10), STATISTICS, "random")
    image = scores(model, lst_k, ndvi)
    expected_k = one_pass(model.network, image) * STATISTICS.lst_std_k + STATISTICS.lst_mean_k
    np.testing.assert_allclose(model.predict_k(lst_k, ndvi), expected_k, atol=1e-3)
    blended = replace(model, network=random_network(10, "align-corners"))
    expected = predict_blended(blended.network, cut_from(image), everywhere(image)) * STATISTICS.lst_std_k
    np.testing.assert_allclose(blended.predict_k(lst_k, ndvi), expected + STATISTICS.lst_mean_k, atol=1e-3)
    part = slice(0, 256)  # of the training patches' size: one pass, as it is evaluated on pairs
    expected_k = (
        one_pass(blended.network, image[:, :, part, part]) * STATISTICS.lst_std_k + STATISTICS.lst_mean_k
    )
    np.testing.assert_allclose(blended.predict_k(lst_k[part, part], ndvi[part, part]), expected_k, atol=1e-3)
