"""What bench_cluster.py does with a granule; a module of its own, since the workers import it."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from lstsr_core.geo.raster import write_raster
from lstsr_core.modis.day_pairs import granule_pairs
from lstsr_core.modis.granule import read_lst, read_ndvi
from lstsr_core.pairs.pair import ModisPair, align
from lstsr_core.sharpening.methods import Options, sharpen_pair


def sharpen_granule(lst: Path, reflectance: Path, out: Path, weights: Path) -> None:
    """Read a pair of granules, sharpen them by a network and write a GeoTIFF."""
    pair = align(ModisPair(lst.name, read_lst(lst), read_ndvi(reflectance)))
    write_raster(sharpen_pair(pair, "sif-cnn-sr1", Options(weights=weights)), out)


def items_of(granules: Path, out: Path, weights: Path) -> dict[str, tuple[Path, ...]]:
    """Arguments of `sharpen_granule` for all granules of a directory."""
    return {
        pair.lst.name: (pair.lst, pair.reflectance, out / f"{pair.lst.stem}.tif", weights)
        for pair in granule_pairs(granules)
        if pair.reflectance is not None
    }


def main() -> None:
    """Without Dask: for each line "first last step" on standard input, do those granules and print a line."""
    granules, out, weights = (Path(argument) for argument in sys.argv[1:])
    torch.set_num_threads(1)
    arguments = list(items_of(granules, out, weights).values())
    for line in sys.stdin:
        first, last, step = (int(word) for word in line.split())
        for each in arguments[first:last:step]:
            sharpen_granule(*each)
        print("done", flush=True)


if __name__ == "__main__":
    main()
