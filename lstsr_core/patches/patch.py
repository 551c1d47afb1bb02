"""Training patches: 64×64 LST with the 256×256 NDVI over the same ground (the book's page Data)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import COARSE_PIXEL_M, SCALE, TILE_COARSE_PIXELS, Tile
from lstsr_core.geo.raster import FloatArray, Raster, read_raster, write_raster
from lstsr_core.pairs.pair import PATCH_COARSE_PIXELS, align, check_lst, check_ndvi
from lstsr_core.pairs.scenes import Part, read_part
from lstsr_core.patches.splits import random_split
from lstsr_core.patches.statistics import Statistics, joined, moments

TABLE_COLUMNS = ["lst_path", "ndvi_path", "date", "tile", "window_row", "window_column", "bad_share", "split"]


@dataclass(frozen=True)
class Patch:
    """One LST–NDVI patch and where it was cut.

    Attributes
    ----------
    name : str
        Stem of its files.
    lst : Raster
        Kelvin, (rows, columns).
    ndvi : Raster
        (4·rows, 4·columns), from the LST's own origin.
    date : str
        YYYY-MM-DD, or empty where the source carries none.
    tile : str
    window_row, window_column : int or None
        On the tile's grid of 64×64 windows.
    bad_share : float
        Share of LST pixels that are not valid.
    """

    name: str
    lst: Raster
    ndvi: Raster
    date: str
    tile: str
    window_row: int | None
    window_column: int | None
    bad_share: float


def windows(lst: Raster, tile: Tile) -> Iterator[tuple[int, int, Raster]]:
    """Row and column on the tile's own grid of 64×64 windows, and LST,
    of each window that lies whole inside a raster."""
    size = PATCH_COARSE_PIXELS
    first_row = round((tile.top_m - lst.top_m) / COARSE_PIXEL_M)
    first_column = round((lst.left_m - tile.left_m) / COARSE_PIXEL_M)
    for window_row in range(TILE_COARSE_PIXELS // size):
        for window_column in range(TILE_COARSE_PIXELS // size):
            row, column = window_row * size - first_row, window_column * size - first_column
            if min(row, column) >= 0 and row + size <= lst.rows and column + size <= lst.columns:
                yield (
                    window_row,
                    window_column,
                    lst.crop(slice(row, row + size), slice(column, column + size)),
                )


def pair_patches(directory: Path, coverage: float, part: Part = "development") -> Iterator[Patch]:
    """The MODIS side of the pairs of a part, aligned; ASTER is never read, and the pairs carry no date."""
    for whole in read_part(directory, part):
        pair = align(whole)
        bad_share = float(np.isnan(pair.lst.values).mean())
        if bad_share <= coverage and np.isfinite(pair.ndvi.values).all():
            yield Patch(f"pair_{pair.id}", pair.lst, pair.ndvi, "", "", None, None, bad_share)


def write_patch(patch: Patch, directory: Path) -> dict[str, Any]:
    """Write a patch as two GeoTIFFs; give back its row of the table,
    split left out, with paths relative to `directory`."""
    lst_path, ndvi_path = f"patches/{patch.name}_lst_1km.tif", f"patches/{patch.name}_ndvi_250m.tif"
    write_raster(patch.lst, directory / lst_path)
    write_raster(patch.ndvi, directory / ndvi_path)
    where = [patch.date, patch.tile, patch.window_row, patch.window_column, patch.bad_share]
    return dict(zip(TABLE_COLUMNS, [lst_path, ndvi_path, *where], strict=False))


def table_of(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The table of patches, all of them of the validation split.

    Raises
    ------
    InputError
        If there are fewer than two.
    """
    if len(rows) < 2:
        raise InputError(
            f"{len(rows)} patches were cut, at least 2 are needed; raise 'coverage' or bring more granules."
        )
    table = pd.DataFrame(list(rows), columns=TABLE_COLUMNS).assign(split="validation")
    return _with_whole_windows(table)


def write_patches(
    patches: Iterable[Patch], directory: Path, training_share: float, seed: int
) -> pd.DataFrame:
    """Write each patch as two GeoTIFFs and split them at random.

    Returns
    -------
    DataFrame
        `TABLE_COLUMNS`; paths are relative to `directory`, split is "train" or "validation".

    Raises
    ------
    InputError
        If there are fewer than two patches.
    """
    table = table_of([write_patch(patch, directory) for patch in patches])
    table.loc[random_split(len(table), training_share, seed), "split"] = "train"
    return table


@dataclass(frozen=True)
class PatchSet:
    """Patches in memory, cut to the size of the smallest.

    Attributes
    ----------
    names : list of str
    lst_k : array of shape (patches, rows, columns)
    ndvi : array of shape (patches, 4·rows, 4·columns)
    """

    names: list[str]
    lst_k: FloatArray
    ndvi: FloatArray

    def __len__(self) -> int:
        return len(self.names)

    def statistics(self) -> Statistics:
        """What z-scores a network's inputs, over the valid pixels of these patches."""
        return joined([moments(lst_k, ndvi) for lst_k, ndvi in zip(self.lst_k, self.ndvi, strict=True)])


def read_patches(table: pd.DataFrame, directory: Path) -> PatchSet:
    """Read the patches that a table names, below the directory it was written for.

    Raises
    ------
    InputError
        If a file is missing or damaged, or holds LST or NDVI outside their ranges.
    """
    names, lsts, ndvis = [], [], []
    for row in table.itertuples():
        lst, ndvi = read_raster(directory / str(row.lst_path)), read_raster(directory / str(row.ndvi_path))
        check_lst(lst.values, str(row.lst_path))
        check_ndvi(ndvi.values, str(row.ndvi_path))
        names.append(Path(str(row.lst_path)).stem.removesuffix("_lst_1km"))
        lsts.append(lst.values)
        ndvis.append(ndvi.values)
    if not names:
        raise InputError(f"{directory}: the table names no patch; run 02_patches first.")
    rows, columns = (min(lst.shape[axis] for lst in lsts) for axis in (0, 1))
    lst_k = np.stack([lst[:rows, :columns] for lst in lsts])
    ndvi_stack = np.stack([ndvi[: SCALE * rows, : SCALE * columns] for ndvi in ndvis])
    return PatchSet(names, lst_k, ndvi_stack)


def read_table(directory: Path) -> pd.DataFrame:
    """Read the ``patches.csv`` of a 02_patches directory.

    Raises
    ------
    InputError
        If it is not there.
    """
    path = directory / "patches.csv"
    if not path.is_file():
        raise InputError(f"{path}: no such file; run 02_patches first.")
    return _with_whole_windows(pd.read_csv(path))


def _with_whole_windows(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype({"window_row": "Int64", "window_column": "Int64"})  # whole numbers that may be absent
