"""Curves: torch's PSNR and SSIM are those of the metrics, and means weigh each patch alike."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lstsr_core.networks.curves import CURVE_COLUMNS, Tally, psnr_db, ssim
from lstsr_core.networks.losses import Loss


def images(
    count: int = 3, rows: int = 20, columns: int = 17, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 1, rows, columns, generator=generator)
    return x, x + torch.tensor([0.1, 0.7, 2.0][:count]).view(-1, 1, 1, 1) * torch.randn(
        x.shape, generator=generator
    )


def test_similarity_is_scikit_images_of_each_image() -> None:
    x, r = images()
    found_psnr, found_ssim = psnr_db(x, r), ssim(x, r)
    for index in range(3):
        one, other = x[index, 0].double().numpy(), r[index, 0].double().numpy()
        span = np.ptp(np.concatenate([one, other]))
        assert float(found_psnr[index]) == pytest.approx(
            peak_signal_noise_ratio(other, one, data_range=span), rel=1e-5
        )
        assert float(found_ssim[index]) == pytest.approx(
            structural_similarity(other, one, data_range=span), rel=1e-4
        )


def test_means_weigh_each_patch_alike() -> None:
    x, r = images()
    tally = Tally()
    for part, value in ((slice(0, 2), 1.0), (slice(2, 3), 4.0)):
        terms = [torch.tensor(value * factor) for factor in (1.0, 2.0, 3.0)]
        tally.add(Loss(*terms), x[part], r[part])
    expected = [2.0, 4.0, 6.0, float(psnr_db(x, r).mean()), float(ssim(x, r).mean())]
    assert tally.means() == pytest.approx(expected, rel=1e-6)


def test_similarity_may_be_of_some_patches() -> None:
    x, r = images()
    tally = Tally(every=2)
    tally.add(Loss(*torch.ones(3)), x, r)
    assert tally.means()[3:] == pytest.approx(
        [float(score(x, r)[[0, 2]].mean()) for score in (psnr_db, ssim)], rel=1e-6
    )


def test_without_batches_the_means_are_none() -> None:
    means = Tally().means()
    assert len(means) == (len(CURVE_COLUMNS) - 1) / 2
    assert all(math.isnan(mean) for mean in means)
