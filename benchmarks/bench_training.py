"""Training steps of SIF-CNN-SR1 at batch 32 against a plain
loop, and what of it is not the network's own work.

The plain loop opens two GeoTIFFs for each patch, builds its filters anew in each step,
and takes PSNR and SSIM of each image of the batch with scikit-image. Both run on as
many threads as torch is given (two by default).
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import torch
from affine import Affine
from pytest_benchmark.fixture import BenchmarkFixture
from scipy import ndimage
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch.nn import functional

from lstsr_core.geo.grid import COARSE_PIXEL_M, SINUSOIDAL
from lstsr_core.geo.raster import Raster, write_raster
from lstsr_core.networks.data import Batch, TrainingData
from lstsr_core.networks.losses import Loss
from lstsr_core.networks.objectives import OBJECTIVES
from lstsr_core.networks.settings import TrainingSettings, settings_of
from lstsr_core.networks.training import train
from lstsr_core.networks.unet import SharpeningUNet

BATCH, COARSE, THREADS, STEPS = 32, 64, 2, 3
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
        write_raster(
            Raster(patches.ndvi[index], transform @ Affine.scale(0.25), SINUSOIDAL),
            directory / f"{index}_ndvi.tif",
        )
    return directory


def few_steps() -> TrainingSettings:
    values = {
        "epochs": STEPS,
        "threads": THREADS,
        "keep": "last",
        "patience": None,
        "training_share": 1.0,
        "symmetries": True,
    }
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
    smooth = functional.conv2d(
        functional.pad(predicted, [4] * 4, mode="reflect"), (kernel / kernel.sum())[None, None]
    )
    loss = 0.99 * functional.huber_loss(
        functional.interpolate(smooth, scale_factor=0.25, mode="bicubic"), lst
    )
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
        scores.append(
            (
                peak_signal_noise_ratio(other, one, data_range=span),
                structural_similarity(other, one, data_range=span),
            )
        )
    return loss.item() + float(np.mean(scores))


def test_plain(benchmark: BenchmarkFixture, files: Path) -> None:
    benchmark.group = f"{STEPS} steps of {BATCH} patches of {COARSE}×{COARSE}"
    torch.set_num_threads(THREADS)
    torch.manual_seed(0)
    network = SharpeningUNet()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)

    def steps() -> float:
        return sum(plain_step(files, network, optimiser) for _ in range(STEPS))

    assert np.isfinite(benchmark.pedantic(steps, rounds=2, warmup_rounds=1))
    benchmark.extra_info["patches_per_s"] = STEPS * BATCH / benchmark.stats.stats.min


def test_package(benchmark: BenchmarkFixture, patches: TrainingData) -> None:
    benchmark.group = f"{STEPS} steps of {BATCH} patches of {COARSE}×{COARSE}"
    arguments = (patches, np.arange(BATCH), NONE, few_steps())
    trained = benchmark.pedantic(
        train, args=arguments, kwargs={"device": torch.device("cpu")}, rounds=2, warmup_rounds=1
    )
    assert np.isfinite(trained.curves["train_loss"]).all()
    benchmark.extra_info["patches_per_s"] = STEPS * BATCH / benchmark.stats.stats.min


def test_share_of_time_outside_the_network(
    benchmark: BenchmarkFixture, patches: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CPU time of whole steps that is not the network's forward or
    backward pass, as a share: data, losses, Adam, scores."""
    spent_s: Counter[str] = Counter()

    def timed(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **keywords: Any) -> Any:
            start = time.process_time()
            result = function(*arguments, **keywords)
            spent_s[name] += time.process_time() - start
            return result

        return run

    objective = OBJECTIVES["sif-cnn-sr1"]
    derivative = timed("loss alone", torch.autograd.grad)

    def loss(predicted: torch.Tensor, batch: Batch, settings: TrainingSettings) -> Loss:
        found = objective.loss(predicted, batch, settings)
        derivative(
            found.total, predicted, retain_graph=True
        )  # once more by itself: the whole derivative holds it, too
        return found

    monkeypatch.setattr(SharpeningUNet, "forward", timed("forward", SharpeningUNet.forward))
    monkeypatch.setattr(torch.autograd, "backward", timed("backward", torch.autograd.backward))
    monkeypatch.setitem(OBJECTIVES, "sif-cnn-sr1", replace(objective, loss=loss))
    steps = timed(
        "steps", partial(train, patches, np.arange(BATCH), NONE, few_steps(), device=torch.device("cpu"))
    )
    steps()
    spent_s.clear()
    benchmark.pedantic(steps, rounds=1)
    network_s = spent_s["forward"] + spent_s["backward"] - spent_s["loss alone"]
    benchmark.extra_info["share_outside_network"] = 1.0 - network_s / (
        spent_s["steps"] - spent_s["loss alone"]
    )
    assert 0.0 < benchmark.extra_info["share_outside_network"] < 0.1
