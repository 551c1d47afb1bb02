"""The loss of SIF-CNN-SR1 against a direct computation of method §5 in numpy, and its gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal

from lstsr_core.losses import gradients, sif_cnn_sr1

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
                            result[index, row, column] += kernel[down + 1][right + 1] * image[row + down, column + right]
    return result


def slow_degrade(image: np.ndarray, mtf: float) -> np.ndarray:
    """Method §3 in its two steps: 9×9 Gaussian with reflect padding, then bicubic by 1/4."""
    sigma = math.sqrt(-math.log(mtf) / 2) / (math.pi * 0.5 / 4)
    y, x = np.mgrid[-4:5, -4:5]
    kernel = np.exp(-(x**2 + y**2) / (2 * sigma**2))
    smooth = signal.correlate2d(np.pad(image, 4, mode="reflect"), kernel / kernel.sum(), mode="valid")

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


def slow_huber(a: np.ndarray, b: np.ndarray) -> float:
    total = 0.0
    for difference in np.abs(a - b).ravel():
        total += 0.5 * difference**2 if difference <= 1.0 else difference - 0.5
    return float(total / a.size)


def scores(rows: int, columns: int, batch: int = 2, spread: float = 1.5, seed: int = 11) -> tuple[torch.Tensor, ...]:
    """x̂, y and n; the spread reaches both branches of the Huber loss."""
    random = np.random.default_rng(seed)
    shapes = ((4 * rows, 4 * columns), (rows, columns), (4 * rows, 4 * columns))
    return tuple(torch.from_numpy(spread * random.standard_normal((batch, 1, *shape))) for shape in shapes)


@pytest.mark.parametrize(("alpha", "gamma", "mtf"), [(0.99, -0.5, 0.1), (0.3, -0.25, 0.25), (0.0, 1.5, 0.1), (1.0, -0.5, 0.4)])
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
    assert float(sif_cnn_sr1(predicted, lst, ndvi).total) == float(sif_cnn_sr1(predicted, lst, ndvi, 0.99, -0.5, 0.1).total)


def test_gradients_of_a_batch_are_each_images_own() -> None:
    images = scores(3, 4)[0]
    found = gradients(images)
    assert found.shape == (2, 4, 12, 16)
    for image, stack in zip(images[:, 0], found, strict=True):
        np.testing.assert_allclose(stack.numpy(), slow_gradients(image.numpy()), atol=1e-12)


def test_gradients_of_a_ramp_are_closed_form() -> None:
    # On r·row + c·column every filter is linear: inside, its four answers are −8r, −8c, −6(r + c) and 6(c − r).
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
    loss = sif_cnn_sr1(torch.full_like(ndvi, fine), torch.full((1, 1, 2, 2), coarse, dtype=torch.float64), ndvi)
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
