"""Weights of networks that nobody trained."""

from __future__ import annotations

from pathlib import Path

import torch

from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.networks.weights import PUBLISHED_STATISTICS, save_model
from lstsr_core.networks.weights_files import NETWORKS
from lstsr_core.patches.statistics import Statistics


def write_random(directory: Path) -> Path:
    """Write a file for every network into a directory, and return it."""
    torch.manual_seed(9)
    for name in dict.fromkeys(NETWORKS.values()):
        save_model(SharpeningUNet(), PUBLISHED_STATISTICS, directory / f"{name}.safetensors")
    return directory


def write_half_pixel(directory: Path) -> Path:
    """The same of half-pixel networks, which tell the range that they were trained on."""
    statistics = Statistics(
        303.0, 8.0, 0.6, 0.17, lst_min_k=280.0, lst_max_k=330.0, ndvi_min=-0.2, ndvi_max=1.0
    )
    torch.manual_seed(5)
    for name in dict.fromkeys(NETWORKS.values()):
        save_model(
            SharpeningUNet("half-pixel"),
            statistics,
            directory / f"{name}.safetensors",
            {"git_revision": "abc123"},
        )
    return directory
