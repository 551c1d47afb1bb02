"""04_sharpening's stages: products, and the reasons of those that are not there."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lstsr_core.geo.grid import Tile
from lstsr_core.stages import sharpening as sharpening_stages
from lstsr_core.stages.parameters import Sharpening

TILE = Tile(18, 4)
NETWORKS = ["sc-unet", "sif-cnn-sr1", "sif-cnn-sr2"]


def test_products_are_counted_with_the_methods_that_have_none(run: Path) -> None:
    settings = Sharpening.check(
        {"run_directory": str(run), "methods": ["bicubic", "sc-unet"], "pairs": ["9"], "weights_directory": "none"}
    )
    means = sharpening_stages.sharpen_pairs(settings)
    assert means["scenes"].tolist() == [1, "weights missing"]
    table = pd.read_csv(run / "04_sharpening" / "products.csv", dtype={"scene": str})
    assert table[["scene", "method", "status"]].to_numpy().tolist() == [
        ["9", "bicubic", "ok"],
        ["9", "sc-unet", "weights missing"],
    ]
    assert table.loc[1].drop(["scene", "method", "protocol", "status"]).isna().all()
    assert 0.0 < table.loc[0, "consistency_k"] < 2.0
