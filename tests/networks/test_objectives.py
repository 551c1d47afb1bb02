"""What each network sees: the inputs of Method 3 at 250 m, or at 1 km from 4 km."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from lstsr_core.networks.data import Batch
from lstsr_core.networks.losses import sc_unet, sif_cnn_sr1, sif_cnn_sr2
from lstsr_core.networks.objectives import OBJECTIVES
from lstsr_core.networks.settings import MODELS, settings_of
from lstsr_core.patches.statistics import Statistics

STATISTICS = Statistics(lst_mean_k=303.0, lst_std_k=8.0, ndvi_mean=0.6, ndvi_std=0.2)


def batch(rows: int = 16, columns: int = 20) -> Batch:
    generator = torch.Generator().manual_seed(5)
    shapes = ((2, 1, rows, columns), (2, 1, 4 * rows, 4 * columns))
    lst, ndvi = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in shapes)
    return Batch(["a", "b"], lst, ndvi, torch.tensor([-0.5, -0.1], dtype=torch.float64).view(2, 1, 1, 1))


def upsampled(image: np.ndarray) -> np.ndarray:
    return cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)


@pytest.mark.parametrize("model", ["sif-cnn-sr1", "sif-cnn-sr2"])
def test_sharpening_networks_see_upsampled_lst_and_ndvi(model: str) -> None:
    images = batch()
    inputs = OBJECTIVES[model].inputs(images, STATISTICS)
    assert inputs.shape == (2, 2, 64, 80)
    for index in range(2):
        np.testing.assert_allclose(
            inputs[index, 0].numpy(), upsampled(images.lst[index, 0].numpy()), atol=1e-9
        )
        assert torch.equal(inputs[index, 1], images.ndvi[index, 0])


def test_sc_unet_sees_4_km_radiance_means_and_1_km_ndvi() -> None:
    images = batch()
    inputs = OBJECTIVES["sc-unet"].inputs(images, STATISTICS)
    assert inputs.shape == (2, 2, 16, 20)
    for index in range(2):
        lst_k = images.lst[index, 0].numpy() * 8.0 + 303.0
        coarse_k = (lst_k**4).reshape(4, 4, 5, 4).mean(axis=(1, 3)) ** 0.25
        np.testing.assert_allclose(inputs[index, 0].numpy(), (upsampled(coarse_k) - 303.0) / 8.0, atol=1e-9)
        ndvi = cv2.resize(
            images.ndvi[index, 0].numpy(), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_CUBIC
        )
        np.testing.assert_allclose(inputs[index, 1].numpy(), ndvi, atol=1e-9)


def test_losses_take_their_settings_and_each_scenes_gamma() -> None:
    images = batch()
    fine, coarse = torch.randn_like(images.ndvi), torch.randn_like(images.lst)
    for model, loss in (("sif-cnn-sr1", sif_cnn_sr1), ("sif-cnn-sr2", sif_cnn_sr2)):
        settings = settings_of(model, "paper").model_copy(update={"alpha": 0.3, "mtf": 0.2})
        result = OBJECTIVES[model].loss(fine, images, settings)
        assert float(result.total) == float(loss(fine, images.lst, images.ndvi, 0.3, images.gamma, 0.2).total)
    result = OBJECTIVES["sc-unet"].loss(coarse, images, settings_of("sc-unet", "paper"))
    assert float(result.total) == float(sc_unet(coarse, images.lst).total)


def test_every_model_has_an_objective() -> None:
    assert set(OBJECTIVES) == set(MODELS)
