"""The losses against Method 3 in numpy, their gradients, and what the published weights score."""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from lstsr_core.networks.data import Batch
from lstsr_core.networks.losses import gradients, high_pass, sc_unet, sif_cnn_sr1, sif_cnn_sr2
from lstsr_core.networks.objectives import OBJECTIVES
from lstsr_core.networks.settings import settings_of
from lstsr_core.networks.weights import load_model
from lstsr_core.networks.weights_files import weights_file
from lstsr_core.pairs.scenes import read_part

S = [
    [[1, 2, 1], [0, 0, 0], [-1, -2, -1]],
    [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
    [[2, 1, 0], [1, 0, -1], [0, -1, -2]],
    [[0, 1, 2], [-1, 0, 1], [-2, -1, 0]],
]


def slow_gradients(image: np.ndarray) -> np.ndarray:
    """Cross-correlation, zero padding, pixel by pixel: (rows, columns) → (4, rows, columns)."""
    rows, columns = image.shape
    result = np.zeros((4, rows, columns))
    for index, kernel in enumerate(S):
        for row in range(rows):
            for column in range(columns):
                for down in (-1, 0, 1):
                    for right in (-1, 0, 1):
                        if 0 <= row + down < rows and 0 <= column + right < columns:
                            result[index, row, column] += (
                                kernel[down + 1][right + 1] * image[row + down, column + right]
                            )
    return result


def slow_degrade(image: np.ndarray, mtf: float) -> np.ndarray:
    """Method 1 in its two steps: 9×9 Gaussian with reflect padding, then bicubic by 1/4."""
    smooth = slow_low_pass(image, mtf)

    def weight(d: float) -> float:  # Keys' cubic convolution with a = −0.75
        return 1.25 * d**3 - 2.25 * d**2 + 1 if d <= 1 else -0.75 * (d**3 - 5 * d**2 + 8 * d - 4)

    # The centre of coarse pixel i is fine position 4i + 1.5; its four neighbours are 4i … 4i + 3.
    taps = np.array([weight(abs(k - 1.5)) for k in range(4)])
    rows, columns = (size // 4 for size in image.shape)
    coarse = np.empty((rows, columns))
    for row in range(rows):
        for column in range(columns):
            coarse[row, column] = taps @ smooth[4 * row : 4 * row + 4, 4 * column : 4 * column + 4] @ taps
    return coarse


def slow_low_pass(image: np.ndarray, mtf: float) -> np.ndarray:
    sigma = math.sqrt(-math.log(mtf) / 2) / (math.pi * 0.5 / 4)
    y, x = np.mgrid[-4:5, -4:5]
    kernel = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    return signal.correlate2d(np.pad(image, 4, mode="reflect"), kernel / kernel.sum(), mode="valid")


def slow_huber(a: np.ndarray, b: np.ndarray) -> float:
    total = 0.0
    for difference in np.abs(a - b).ravel():
        total += 0.5 * difference**2 if difference <= 1.0 else difference - 0.5
    return float(total / a.size)


def scores(
    rows: int, columns: int, batch: int = 2, spread: float = 1.5, seed: int = 11
) -> tuple[torch.Tensor, ...]:
    """x̂, y and n; the spread reaches both branches of the Huber loss."""
    random = np.random.default_rng(seed)
    shapes = ((4 * rows, 4 * columns), (rows, columns), (4 * rows, 4 * columns))
    return tuple(torch.from_numpy(spread * random.standard_normal((batch, 1, *shape))) for shape in shapes)


@pytest.mark.parametrize(
    ("alpha", "gamma", "mtf"), [(0.99, -0.5, 0.1), (0.3, -0.25, 0.25), (0.0, 1.5, 0.1), (1.0, -0.5, 0.4)]
)
def test_loss_is_the_methods(alpha: float, gamma: float, mtf: float) -> None:
    predicted, lst, ndvi = scores(4, 5)
    loss = sif_cnn_sr1(predicted, lst, ndvi, alpha, gamma, mtf)
    coarse = np.stack([slow_degrade(image.numpy(), mtf) for image in predicted[:, 0]])
    reconstruction = slow_huber(coarse, lst[:, 0].numpy())
    texture = slow_huber(
        np.stack([slow_gradients(image.numpy()) for image in predicted[:, 0]]),
        gamma * np.stack([slow_gradients(image.numpy()) for image in ndvi[:, 0]]),
    )
    differences = np.abs(coarse - lst[:, 0].numpy())
    assert (differences < 1.0).any() and (differences > 1.0).any()
    assert float(loss.reconstruction) == pytest.approx(reconstruction, rel=1e-10)
    assert float(loss.texture) == pytest.approx(texture, rel=1e-10)
    assert float(loss.total) == pytest.approx(alpha * reconstruction + (1 - alpha) * texture, rel=1e-10)


def test_defaults_are_the_papers() -> None:
    predicted, lst, ndvi = scores(4, 4)
    assert float(sif_cnn_sr1(predicted, lst, ndvi).total) == float(
        sif_cnn_sr1(predicted, lst, ndvi, 0.99, -0.5, 0.1).total
    )


def test_gradients_of_a_batch_are_each_images_own() -> None:
    images = scores(3, 4)[0]
    slopes = gradients(images)
    assert slopes.shape == (2, 4, 12, 16)
    for image, stack in zip(images[:, 0], slopes, strict=True):
        np.testing.assert_allclose(stack.numpy(), slow_gradients(image.numpy()), atol=1e-12)


def test_gradients_of_a_ramp_are_closed_form() -> None:
    # On r·row + c·column every filter is linear: inside, its four
    # answers are −8r, −8c, −6(r + c) and 6(c − r).
    row, column = np.mgrid[:6, :7].astype(float)
    inside = gradients(torch.from_numpy(3.0 * row + 0.5 * column)[None, None])[0, :, 1:-1, 1:-1].numpy()
    for answer, expected in zip(inside, (-24.0, -4.0, -21.0, -15.0), strict=True):
        np.testing.assert_allclose(answer, expected, atol=1e-12)


@given(st.floats(-2.0, 2.0).filter(lambda gamma: abs(gamma) > 0.01))
def test_texture_vanishes_where_lst_follows_ndvi_with_slope_gamma(gamma: float) -> None:
    _, lst, ndvi = scores(2, 3)
    assert float(sif_cnn_sr1(gamma * ndvi, lst, ndvi, gamma=gamma).texture) == pytest.approx(0.0, abs=1e-24)
    assert float(sif_cnn_sr1(-gamma * ndvi, lst, ndvi, gamma=gamma).texture) > 1e-4


@given(st.floats(-3.0, 3.0), st.floats(-3.0, 3.0))
def test_reconstruction_of_constants_is_hubers_of_their_difference(fine: float, coarse: float) -> None:
    ndvi = torch.zeros(1, 1, 8, 8, dtype=torch.float64)
    loss = sif_cnn_sr1(
        torch.full_like(ndvi, fine), torch.full((1, 1, 2, 2), coarse, dtype=torch.float64), ndvi
    )
    difference = abs(fine - coarse)
    expected = difference**2 / 2 if difference <= 1 else difference - 0.5
    assert float(loss.reconstruction) == pytest.approx(expected, rel=1e-9, abs=1e-15)


@pytest.mark.parametrize("spread", [0.1, 3.0])
@pytest.mark.parametrize("alpha", [0.99, 0.2])
def test_derivative_is_that_of_finite_differences(spread: float, alpha: float) -> None:
    predicted, lst, ndvi = scores(2, 2, batch=1, spread=spread)
    predicted.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: sif_cnn_sr1(x, lst, ndvi, alpha).total, (predicted,))


def test_loss_keeps_the_precision_of_its_inputs() -> None:
    predicted, lst, ndvi = (tensor.float() for tensor in scores(3, 3))
    loss = sif_cnn_sr1(predicted, lst, ndvi)
    assert loss.total.dtype == torch.float32
    exact = sif_cnn_sr1(predicted.double(), lst.double(), ndvi.double())
    assert float(loss.total) == pytest.approx(float(exact.total), rel=1e-5)


@pytest.mark.parametrize(("alpha", "gamma", "mtf"), [(0.5, -0.25, 0.1), (0.9, 1.5, 0.25), (0.0, -0.25, 0.1)])
def test_sr2_is_the_methods(alpha: float, gamma: float, mtf: float) -> None:
    predicted, lst, ndvi = scores(4, 5, spread=2.5)
    loss = sif_cnn_sr2(predicted, lst, ndvi, alpha, gamma, mtf)
    coarse = np.stack([slow_degrade(image.numpy(), mtf) for image in predicted[:, 0]])
    details = [
        np.stack([x.numpy() - slow_low_pass(x.numpy(), 0.25) for x in images[:, 0]])
        for images in (predicted, ndvi)
    ]
    differences = np.abs(details[0] - gamma * details[1])
    assert (differences < 1.0).any() and (differences > 1.0).any()
    reconstruction, texture = (
        slow_huber(coarse, lst[:, 0].numpy()),
        slow_huber(details[0], gamma * details[1]),
    )
    assert float(loss.reconstruction) == pytest.approx(reconstruction, rel=1e-10)
    assert float(loss.texture) == pytest.approx(texture, rel=1e-10)
    assert float(loss.total) == pytest.approx(alpha * reconstruction + (1 - alpha) * texture, rel=1e-10)


def test_sr2_defaults_are_the_papers() -> None:
    images = scores(4, 4)
    assert float(sif_cnn_sr2(*images).total) == float(sif_cnn_sr2(*images, 0.5, -0.25, 0.1).total)


def test_sc_unet_is_the_huber_loss_alone() -> None:
    predicted, _, lst = scores(4, 5)
    loss = sc_unet(predicted, lst)
    assert (
        float(loss.total)
        == float(loss.reconstruction)
        == pytest.approx(slow_huber(predicted.numpy(), lst.numpy()), rel=1e-12)
    )
    assert float(loss.texture) == 0.0


@pytest.mark.parametrize("loss", [sif_cnn_sr1, sif_cnn_sr2])
def test_a_gamma_for_each_scene_is_that_scenes_own(loss: partial) -> None:
    predicted, lst, ndvi = scores(3, 4, batch=3)
    gammas = torch.tensor([-0.7, 0.1, -0.3], dtype=torch.float64)
    together = loss(predicted, lst, ndvi, gamma=gammas.view(3, 1, 1, 1))
    alone = [
        loss(*(image[i : i + 1] for image in (predicted, lst, ndvi)), gamma=float(gammas[i]))
        for i in range(3)
    ]
    assert float(together.total) == pytest.approx(np.mean([float(one.total) for one in alone]), rel=1e-12)


@pytest.mark.parametrize("spread", [0.1, 3.0])
@pytest.mark.parametrize(
    "loss", [partial(sif_cnn_sr2, alpha=0.5), partial(sif_cnn_sr2, alpha=0.01, gamma=0.7)]
)
def test_derivative_of_sr2_is_that_of_finite_differences(spread: float, loss: partial) -> None:
    predicted, lst, ndvi = scores(2, 2, batch=1, spread=spread)
    predicted.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, lst, ndvi).total, (predicted,))


def test_derivative_of_sc_unet_is_that_of_finite_differences() -> None:
    predicted, _, lst = scores(2, 2, batch=1)
    predicted.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: sc_unet(x, lst).total, (predicted,))


def test_high_pass_of_a_constant_is_nothing() -> None:
    assert high_pass(torch.full((1, 1, 12, 8), 3.0, dtype=torch.float64)).abs().max() < 1e-13


@pytest.mark.parametrize("loss", [sif_cnn_sr1, sif_cnn_sr2])
@pytest.mark.parametrize("turns", range(4))
def test_losses_do_not_tell_a_scene_from_its_mirror_images(loss: partial, turns: int) -> None:
    # The filters S change places and signs; without that, turning patches would change what is asked for.
    images = scores(4, 4)
    for mirrored in (False, True):
        moved = [torch.rot90(image.flip(-1) if mirrored else image, turns, (-2, -1)) for image in images]
        assert float(loss(*moved).total) == pytest.approx(float(loss(*images).total), rel=1e-12)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("sif-cnn-sr1", (0.00578, 0.00422, 0.1598)),
        ("sif-cnn-sr2", (0.00297, 0.00441, 0.00153)),
        ("sc-unet", (0.01642, 0.01642, 0.0)),
    ],
)
def test_published_weights_score_the_published_losses(
    published_pairs: Path, method: str, expected: tuple[float, float, float]
) -> None:
    path = weights_file(published_pairs, method)
    assert path is not None
    model, settings, objective = load_model(path), settings_of(method, "paper"), OBJECTIVES[method]
    s = model.statistics
    sums, pairs = np.zeros(3), read_part(published_pairs, "development")
    for pair in pairs:  # as paired: both patches as they are, whatever their offset
        lst = torch.from_numpy((pair.lst.values - s.lst_mean_k) / s.lst_std_k).float()[None, None]
        ndvi = torch.from_numpy((pair.ndvi.values - s.ndvi_mean) / s.ndvi_std).float()[None, None]
        batch = Batch([pair.id], lst, ndvi, torch.full((1, 1, 1, 1), float(settings.gamma)))
        with torch.inference_mode():
            loss = objective.loss(model.network(objective.inputs(batch, s)), batch, settings)
        sums += [float(loss.total), float(loss.reconstruction), float(loss.texture)]
    assert len(pairs) == 62
    for mean, figure in zip(sums / len(pairs), expected, strict=True):
        # As many digits as are known.
        assert mean == pytest.approx(figure, abs=6e-5 if figure > 0.1 else 6e-6)
