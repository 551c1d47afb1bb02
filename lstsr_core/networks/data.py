"""Patches ready for training: arrays in memory or mapped from disk,
their statistics, and the batches drawn from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.geo.grid import SCALE, check_nested
from lstsr_core.geo.operators import block_mean
from lstsr_core.geo.raster import BoolArray, read_raster
from lstsr_core.networks.settings import TrainingSettings
from lstsr_core.pairs.pair import align, check_lst, check_ndvi
from lstsr_core.pairs.scenes import Part, read_part
from lstsr_core.patches.patch import read_table
from lstsr_core.patches.splits import IntArray, overlapping_groups, place_and_month_groups
from lstsr_core.patches.statistics import Statistics

Stack = NDArray[np.float32]

SYMMETRIES = 8
"""Of the square: four turns, each mirrored or not."""


@dataclass(frozen=True)
class TrainingData:
    """Patches of one size, without holes, and which of them are neighbours.

    Attributes
    ----------
    names : list of str
    lst_k : array of shape (patches, rows, columns), float32
        In memory, or mapped from a file.
    ndvi : array of shape (patches, 4·rows, 4·columns), float32
    groups : array of shape (patches,)
        Patches of one group are neighbours, which no split may part.
    trains : array of bool of shape (patches,), optional
        The split that 02_patches wrote.
    digests : list of str, optional
        `ModisPair.digest` of each, where they are pairs.
    """

    names: list[str]
    lst_k: Stack
    ndvi: Stack
    groups: IntArray
    trains: BoolArray | None = None
    digests: list[str] | None = None

    def __post_init__(self) -> None:
        check_nested(self.lst_k.shape, self.ndvi.shape, "training patches")
        if not len(self.names) == len(self.groups) == len(self.lst_k):
            raise ValueError(
                f"{len(self.names)} names and {len(self.groups)} groups of {len(self.lst_k)} patches: no"
                " match."
            )
        patches = zip(self.names, self.lst_k, self.ndvi, strict=True)
        holes = [
            name
            for name, lst_k, ndvi in patches
            if not (np.isfinite(lst_k).all() and np.isfinite(ndvi).all())
        ]
        if holes:
            raise InputError(
                f"patches {', '.join(holes[:5])} hold invalid LST or NDVI ({len(holes)} of {len(self)});"
                " training needs whole ones: 'coverage' 0 in 02_patches."
            )

    def __len__(self) -> int:
        return len(self.names)

    def statistics(self, indices: IntArray) -> Statistics:
        """What z-scores a network's inputs, over the chosen patches."""
        lst_mean_k, lst_std_k, lst_min_k, lst_max_k = _moments(self.lst_k, indices)
        ndvi_mean, ndvi_std, ndvi_min, ndvi_max = _moments(self.ndvi, indices)
        return Statistics(
            lst_mean_k, lst_std_k, ndvi_mean, ndvi_std, lst_min_k, lst_max_k, ndvi_min, ndvi_max
        )

    def slopes(self, statistics: Statistics) -> Stack:
        """Each patch's least-squares slope of LST on block-mean NDVI at 1
        km, both in z-scores; 0 where NDVI is constant."""
        slopes = np.zeros(len(self), dtype=np.float32)
        for index in range(len(self)):
            lst_k = self.lst_k[index].astype(np.float64)
            ndvi = block_mean(self.ndvi[index].astype(np.float64))
            spread = ndvi - ndvi.mean()
            variance = (spread**2).sum()
            if variance > 0.0:
                slopes[index] = (spread * lst_k).sum() / variance * statistics.ndvi_std / statistics.lst_std_k
        return slopes


def _moments(stack: Stack, indices: IntArray) -> tuple[float, float, float, float]:
    # Patch by patch, so that a mapped file is never whole in memory; about the first patch's
    # mean, for precision. Not patches.statistics.joined, whose last digit differs: trained
    # weights and checkpoints would belong to other inputs.
    centre = float(stack[indices[0]].mean(dtype=np.float64))
    sums = np.zeros(2)
    lowest, highest = np.inf, -np.inf
    for index in indices:
        values = stack[index].astype(np.float64)
        lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
        values -= centre
        sums += values.mean(), np.square(values).mean()
    offset, square = sums / len(indices)
    return centre + float(offset), float(np.sqrt(square - offset**2)), lowest, highest


def from_pairs(directory: Path, part: Part = "development") -> TrainingData:
    """The MODIS side of a directory's pairs, aligned and cut to the smallest; no ASTER file is read.

    The groups are those whose footprints overlap or touch, directly or through others. Scenes of one day,
    which show by equal LST where they overlap, are in one group by that.

    Parameters
    ----------
    directory : Path
    part : {"development", "test", "all"}
        By default the test scenes, which judge, are left out.

    Raises
    ------
    InputError
        If there is no such pair, or one is damaged or has holes.
    """
    originals = read_part(directory, part)
    pairs = [align(pair) for pair in originals]
    rows, columns = (min(size) for size in zip(*[pair.lst.values.shape for pair in pairs], strict=True))
    lst_k = np.stack([pair.lst.values[:rows, :columns] for pair in pairs]).astype(np.float32)
    ndvi = np.stack([pair.ndvi.values[: SCALE * rows, : SCALE * columns] for pair in pairs]).astype(
        np.float32
    )
    names, groups = [f"pair_{pair.id}" for pair in pairs], overlapping_groups([pair.lst for pair in pairs])
    return TrainingData(names, lst_k, ndvi, groups, digests=[pair.digest for pair in originals])


def from_patches(directory: Path, mapped: Path | None = None) -> TrainingData:
    """The patches that 02_patches wrote, cut to the smallest, each GeoTIFF read once.

    The groups are by place and month or, where the patches carry no date, by overlapping footprints.

    Parameters
    ----------
    directory : Path
        Holds ``patches.csv`` and the files that it names.
    mapped : Path, optional
        A .npy file to write NDVI to, which is then mapped instead of held in memory.

    Raises
    ------
    InputError
        If a file is missing or damaged, or a patch has holes; if the mapped file cannot be written.
    """
    table = read_table(directory)
    if table.empty:
        raise InputError(f"{directory}: the table names no patch; run 02_patches first.")
    lsts = [read_raster(directory / str(path)) for path in table["lst_path"]]
    for lst, path in zip(lsts, table["lst_path"], strict=True):
        check_lst(lst.values, str(path))
    rows, columns = (min(size) for size in zip(*[lst.values.shape for lst in lsts], strict=True))
    names = [Path(str(path)).stem.removesuffix("_lst_1km") for path in table["lst_path"]]
    lst_k = np.stack([lst.values[:rows, :columns] for lst in lsts]).astype(np.float32)
    groups = overlapping_groups(lsts) if table["date"].isna().all() else place_and_month_groups(table)
    paths = [directory / str(path) for path in table["ndvi_path"]]
    shape = (len(paths), SCALE * rows, SCALE * columns)
    if mapped is None:
        ndvi = np.empty(shape, dtype=np.float32)
        _fill(ndvi, paths)
    else:
        with written_atomically(mapped) as temporary:
            stack = np.lib.format.open_memmap(temporary, mode="w+", dtype=np.float32, shape=shape)
            _fill(stack, paths)
            stack.flush()
        ndvi = np.load(mapped, mmap_mode="r")
    return TrainingData(names, lst_k, ndvi, groups, (table["split"] == "train").to_numpy())


def _fill(stack: Stack, paths: list[Path]) -> None:
    for index, path in enumerate(paths):
        ndvi = read_raster(path).values
        check_ndvi(ndvi, str(path))
        stack[index] = ndvi[: stack.shape[1], : stack.shape[2]]


@dataclass(frozen=True)
class Batch:
    """What one step of training sees, in z-scores.

    Attributes
    ----------
    names : list of str
    lst : tensor of shape (B, 1, rows, columns)
    ndvi : tensor of shape (B, 1, 4·rows, 4·columns)
    gamma : tensor of shape (B, 1, 1, 1)
        Slope that ties LST's texture to NDVI's.
    """

    names: list[str]
    lst: Tensor
    ndvi: Tensor
    gamma: Tensor

    def to(self, device: torch.device) -> Batch:
        return Batch(self.names, self.lst.to(device), self.ndvi.to(device), self.gamma.to(device))


class Batches:
    """Batches of training data, z-scored with the training split's statistics.

    Parameters
    ----------
    data : TrainingData
    statistics : Statistics
    settings : TrainingSettings
    block : int
        Coarse pixels in which the sides of a window must be whole.

    Raises
    ------
    InputError
        If the windows to cut are larger than the patches.
    """

    def __init__(
        self, data: TrainingData, statistics: Statistics, settings: TrainingSettings, block: int = 1
    ) -> None:
        self._data, self._statistics, self._settings = data, statistics, settings
        constant = None if settings.gamma == "scene" else np.full(len(data), settings.gamma, dtype=np.float32)
        self.gammas: Stack = (data.slopes(statistics) if constant is None else constant) * np.float32(
            settings.gamma_scale
        )
        self._whole = [size - size % block for size in data.lst_k.shape[1:]]
        self._margin = -(-settings.jitter // SCALE)
        smallest = min(self._whole)
        if smallest == 0 or (settings.crop or 1) + 2 * self._margin > smallest:
            raise InputError(
                f"windows of {settings.crop or block} coarse pixels, moved by up to {settings.jitter} fine"
                f" ones, do not fit into patches of {data.lst_k.shape[1]}×{data.lst_k.shape[2]}"
                " (rows×columns); lower 'crop' or 'jitter'."
            )

    def training(self, indices: IntArray, epoch: int) -> Iterator[Batch]:
        """The chosen patches in an order of their own, augmented; the same for the same seed and epoch."""
        settings = self._settings
        random = np.random.default_rng([settings.seed, epoch])
        order, count = random.permutation(indices), len(indices)
        sides = (
            [settings.crop] * 2
            if settings.crop
            else ([min(self._whole)] * 2 if settings.symmetries else self._whole)
        )
        room = [
            size - side if settings.crop else 0
            for size, side in zip(self._data.lst_k.shape[1:], sides, strict=True)
        ]
        corners = [random.integers(self._margin, most - self._margin, count, endpoint=True) for most in room]
        moves = random.integers(-settings.jitter, settings.jitter, (2, count), endpoint=True)
        turns = random.integers(0, SYMMETRIES, count) if settings.symmetries else np.zeros(count, int)
        draws = [_Window(*map(int, draw)) for draw in zip(*corners, *moves, turns, strict=True)]
        for start in range(0, count, settings.batch_size):
            part = slice(start, start + settings.batch_size)
            yield self._batch(order[part], draws[part], sides[0], sides[1])

    def validation(self, indices: IntArray) -> Iterator[Batch]:
        """The chosen patches as they are and in their order."""
        for start in range(0, len(indices), self._settings.batch_size):
            part = indices[start : start + self._settings.batch_size]
            yield self._batch(part, [_Window()] * len(part), self._whole[0], self._whole[1])

    def _batch(self, indices: IntArray, windows: list[_Window], rows: int, columns: int) -> Batch:
        s, data = self._statistics, self._data
        cut = [
            window.cut(data.lst_k[i], data.ndvi[i], rows, columns)
            for i, window in zip(indices, windows, strict=True)
        ]
        lst_k, ndvi = (torch.from_numpy(np.stack(images)).unsqueeze(1) for images in zip(*cut, strict=True))
        return Batch(
            [data.names[i] for i in indices],
            lst_k.sub_(s.lst_mean_k).div_(s.lst_std_k),
            ndvi.sub_(s.ndvi_mean).div_(s.ndvi_std),
            torch.from_numpy(self.gammas[indices]).view(-1, 1, 1, 1),
        )


@dataclass(frozen=True)
class _Window:
    row: int = 0
    column: int = 0
    down: int = 0
    right: int = 0
    symmetry: int = 0

    def cut(self, lst_k: Stack, ndvi: Stack, rows: int, columns: int) -> tuple[Stack, Stack]:
        """LST of rows×columns and the NDVI over it, moved by whole
        fine pixels, then both turned and mirrored alike."""
        coarse = lst_k[self.row : self.row + rows, self.column : self.column + columns]
        first_row, first_column = SCALE * self.row + self.down, SCALE * self.column + self.right
        fine = ndvi[first_row : first_row + SCALE * rows, first_column : first_column + SCALE * columns]
        return symmetric(coarse, self.symmetry), symmetric(fine, self.symmetry)


def symmetric(image: Stack, symmetry: int) -> Stack:
    """One of the eight symmetries of the square: turned
    `symmetry` % 4 times a quarter, and mirrored from 4 on."""
    turned: Stack = np.rot90(image, symmetry % 4, axes=(-2, -1))
    return turned[..., ::-1] if symmetry >= 4 else turned
