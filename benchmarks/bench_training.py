"""A training step of SIF-CNN-SR1 at batch 32 against a plain loop, and what of it is not the network's own work.

The plain loop opens two GeoTIFFs for each patch, builds its filters anew in each step, and takes PSNR and SSIM of each image of
the batch with scikit-image. Both run on as many threads as torch is given (two by default).
"""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch.nn import functional

from lstsr_core.grid import COARSE_PIXEL_M, SINUSOIDAL
from lstsr_core.networks import SharpeningUNet
from lstsr_core.objectives import OBJECTIVES
from lstsr_core.raster import Raster, write_raster
from lstsr_core.training import train
from lstsr_core.training_data import Batches, TrainingData
from lstsr_core.training_settings import TrainingSettings, settings_of

BATCH, COARSE, THREADS = 32, 64, 2
NONE = np.arange(0)


@pytest.fixture(scope="module")
def patches() -> TrainingData:
    """A batch of smooth NDVI and of LST that falls with it."""
    random = np.random.default_rng(0)
    fields = ndimage.gaussian_filter(random.standard_normal((BATCH, 4 * COARSE, 4 * COARSE)), (0, 3, 3))
    ndvi = np.clip(0.5 + fields, -0.2, 0.95).astype(np.float32)
    lst_k = (308.0 - 12.0 * ndvi.reshape(BATCH, COARSE, 4, COARSE, 4).mean(axis=(2, 4))).astype(np.float32)
    return TrainingData([str(index) for index in range(BATCH)], lst_k, ndvi, np.arange(BATCH))


@pytest.fixture(scope="module")
def files(patches: TrainingData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("patches")
    transform = Affine(COARSE_PIXEL_M, 0.0, 0.0, 0.0, -COARSE_PIXEL_M, 0.0)
    for index in range(BATCH):
        write_raster(Raster(patches.lst_k[index], transform, SINUSOIDAL), directory / f"{index}_lst.tif")
        write_raster(Raster(patches.ndvi[index], transform @ Affine.scale(0.25), SINUSOIDAL), directory / f"{index}_ndvi.tif")
    return directory


def one_epoch() -> TrainingSettings:
    values = {"epochs": 1, "threads": THREADS, "keep": "last", "patience": None, "training_share": 1.0, "symmetries": True}
    return settings_of("sif-cnn-sr1", "paper").model_copy(update=values)


def plain_step(directory: Path, network: SharpeningUNet, optimiser: torch.optim.Adam) -> float:
    lsts, ndvis = [], []
    for index in np.random.default_rng(0).permutation(BATCH):
        with rasterio.open(directory / f"{index}_lst.tif") as source:
            lsts.append((source.read(1) - 303.0) / 8.0)
        with rasterio.open(directory / f"{index}_ndvi.tif") as source:
            ndvis.append((source.read(1) - 0.5) / 0.2)
    lst, ndvi = (torch.from_numpy(np.stack(images)).float().unsqueeze(1) for images in (lsts, ndvis))
    upsampled = functional.interpolate(lst, scale_factor=4, mode="bicubic")
    predicted = network(torch.cat([upsampled, ndvi], dim=1))

    sigma = math.sqrt(-math.log(0.1) / 2) / (math.pi * 0.5 / 4)
    y, x = torch.meshgrid(torch.arange(-4.0, 5.0), torch.arange(-4.0, 5.0), indexing="ij")
    kernel = torch.exp(-(x**2 + y**2) / (2 * sigma**2))
    smooth = functional.conv2d(functional.pad(predicted, [4] * 4, mode="reflect"), (kernel / kernel.sum())[None, None])
    loss = 0.99 * functional.huber_loss(functional.interpolate(smooth, scale_factor=0.25, mode="bicubic"), lst)
    sobel = torch.tensor(
        [
            [[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]], [[1, 0, -1], [2, 0, -2], [1, 0, -1]],
            [[2, 1, 0], [1, 0, -1], [0, -1, -2]], [[0, 1, 2], [-1, 0, 1], [-2, -1, 0]],
        ]
    )[:, None]  # fmt: skip
    gradients = [functional.conv2d(image, sobel, padding=1) for image in (predicted, ndvi)]
    loss = loss + 0.01 * functional.huber_loss(gradients[0], -0.5 * gradients[1])
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    optimiser.step()
    scores = []
    for one, other in zip(predicted.detach().numpy()[:, 0], upsampled.numpy()[:, 0], strict=True):
        span = max(one.max(), other.max()) - min(one.min(), other.min())
        scores.append((peak_signal_noise_ratio(other, one, data_range=span), structural_similarity(other, one, data_range=span)))
    return loss.item() + float(np.mean(scores))


def test_plain(benchmark: BenchmarkFixture, files: Path) -> None:
    benchmark.group = f"A step of {BATCH} patches of {COARSE}×{COARSE}"
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    network = SharpeningUNet()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    assert np.isfinite(benchmark.pedantic(plain_step, args=(files, network, optimiser), rounds=3, warmup_rounds=1))
    benchmark.extra_info["patches_per_s"] = BATCH / benchmark.stats.stats.min


def test_package(benchmark: BenchmarkFixture, patches: TrainingData) -> None:
    benchmark.group = f"A step of {BATCH} patches of {COARSE}×{COARSE}"
    arguments = (patches, np.arange(BATCH), NONE, one_epoch())
    trained = benchmark.pedantic(train, args=arguments, kwargs={"device": torch.device("cpu")}, rounds=3, warmup_rounds=1)
    assert np.isfinite(trained.curves["train_loss"]).all()
    benchmark.extra_info["patches_per_s"] = BATCH / benchmark.stats.stats.min


def test_share_of_time_outside_the_network(benchmark: BenchmarkFixture, patches: TrainingData) -> None:
    """CPU time of whole steps less that of the same network's forward and backward pass alone, as a share."""
    settings = one_epoch()
    torch.set_num_threads(THREADS)
    statistics = patches.statistics(np.arange(BATCH))
    objective = OBJECTIVES[settings.model]
    (batch,) = Batches(patches, statistics, settings).training(np.arange(BATCH), 1)
    inputs = objective.inputs(batch, statistics).contiguous(memory_format=torch.channels_last)
    network = SharpeningUNet().to(memory_format=torch.channels_last)

    def passes() -> None:
        predicted = network(inputs)
        predicted.backward(torch.ones_like(predicted))

    def steps() -> None:
        train(patches, np.arange(BATCH), NONE, settings, device=torch.device("cpu"))

    times_s = {}
    for action in (passes, steps):
        action()
        measured = []
        for _ in range(3):
            start = time.process_time()
            action()
            measured.append(time.process_time() - start)
        times_s[action] = min(measured)
    benchmark.extra_info["share_outside_network"] = 1.0 - times_s[passes] / times_s[steps]
    benchmark.pedantic(steps, rounds=1)
    assert 0.0 < benchmark.extra_info["share_outside_network"] < 0.1
