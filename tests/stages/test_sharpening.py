"""04_sharpening's stages: products, and the reasons of those that are not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstsr_core.base.project import PROJECT
from lstsr_core.evaluation.products import Products, WrittenProducts
from lstsr_core.evaluation.protocols import PROTOCOLS, product_protocols
from lstsr_core.pairs.pair import Pair, read_pair, write_pair
from lstsr_core.stages import sharpening as sharpening_stages
from lstsr_core.stages.parameters import Sharpening

CHEAP = ["bicubic", "tsharp", "dms"]
SHARPEN = """
import sys
from lstsr_core.stages.parameters import Sharpening
from lstsr_core.stages.sharpening import sharpen_pairs
sharpen_pairs(Sharpening.check({"run_directory": sys.argv[1], "methods": sys.argv[2].split(",")}))
"""

WRITTEN = product_protocols(list(PROTOCOLS))


def sharpening_of(run: Path, **values: Any) -> Sharpening:
    return Sharpening.check({"run_directory": str(run), **values})


def inodes(folder: Path) -> dict[str, int]:
    paths = [
        path for path in sorted(folder.rglob("*.tif")) if not path.name.startswith(".")
    ]  # which a kill may leave
    return {path.relative_to(folder).as_posix(): path.stat().st_ino for path in paths}


def test_products_are_counted_with_the_methods_that_have_none(run: Path) -> None:
    methods = ["bicubic", "sc-unet"]
    settings = sharpening_of(
        run, methods=methods, pairs=["9"], weights_directory="none", protocol="georeferenced"
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


def test_every_product_of_every_protocol_is_written(run: Path) -> None:
    settings = sharpening_of(run, methods=CHEAP, seed=5)
    sharpening_stages.sharpen_pairs(settings)
    files = inodes(settings.directory / "products")
    assert set(files) == {
        f"{p}/{scene}/{name}.tif" for p in WRITTEN for scene in ("9", "10") for name in CHEAP
    }
    written = WrittenProducts(settings.directory)
    assert (written.pairs, written.methods, written.protocols) == (["9", "10"], CHEAP, WRITTEN)
    pair = read_pair(run / "01_download" / "pairs", "10")
    for protocol in PROTOCOLS.values():
        placement = protocol(pair)
        product = Products(settings.options).product(placement, "dms")
        np.testing.assert_array_equal(written.product(placement, "dms").values, product.values)


def test_what_was_written_is_taken_as_it_is_also_where_the_notebooks_directory_is_lost(run: Path) -> None:
    settings = sharpening_of(run, methods=CHEAP)
    sharpening_stages.sharpen_pairs(settings)
    before = inodes(settings.directory / "products")
    settings.directory.rename(run / "lost")
    sharpening_stages.sharpen_pairs(settings)
    assert inodes(settings.directory / "products") == before
    sharpening_stages.sharpen_pairs(sharpening_of(run, methods=["tsharp"], pairs=["10"]))
    one = inodes(settings.directory / "products")
    assert one == {name: before[name] for name in before if "/10/tsharp" in name} and len(one) == 2


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, synthetic_pair: Pair) -> None:
    for number in range(8):
        write_pair(replace(synthetic_pair, id=str(number)), tmp_path / "01_download" / "pairs")
    folder = tmp_path / ".products"
    command = [sys.executable, "-c", SHARPEN, str(tmp_path), ",".join(CHEAP)]
    started = subprocess.Popen(command, cwd=PROJECT, env={**os.environ, "PYTHONPATH": str(PROJECT)})
    deadline = time.monotonic() + 120.0
    while len(inodes(folder)) < 9 and time.monotonic() < deadline and started.poll() is None:
        time.sleep(0.005)
    started.send_signal(signal.SIGKILL)
    assert started.wait() == -signal.SIGKILL
    left = inodes(folder)
    assert 9 <= len(left) < 48 and not (tmp_path / "04_sharpening" / "products.json").exists()
    settings = sharpening_of(tmp_path, methods=CHEAP)
    sharpening_stages.sharpen_pairs(settings)
    whole = inodes(folder)
    assert len(whole) == 48 and {name: whole[name] for name in left} == left
