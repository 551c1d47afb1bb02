"""A raster: pixels that travel with their transform and CRS."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import numpy as np
import rasterio
import rasterio.warp
import rasterio.windows
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from scipy import ndimage

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically

FloatArray = NDArray[np.floating]
Float32Array = NDArray[np.float32]
BoolArray = NDArray[np.bool_]
Pixel = TypeVar("Pixel", bound=np.generic)


def fill_nearest(values: FloatArray) -> FloatArray:
    """Give every NaN the value of the nearest pixel that is none, so that a
    filter may run over it; mask its result again.

    Parameters
    ----------
    values : array of shape (rows, columns)
        Given back itself where it has no NaN.

    Raises
    ------
    ValueError
        If there is nothing but NaN.
    """
    missing = np.isnan(values)
    if not missing.any():
        return values
    if missing.all():
        raise ValueError(f"All of the {missing.size} values are NaN; there is none to fill with.")
    nearest = ndimage.distance_transform_edt(missing, return_distances=False, return_indices=True)
    filled = values.copy()
    filled[missing] = values[nearest[0][missing], nearest[1][missing]]
    return filled


@dataclass(frozen=True)
class Raster:
    """One band of pixels on a georeferenced grid; NaN is nodata.

    Attributes
    ----------
    values : array of shape (rows, columns)
        Pixels, in the unit that the holder documents (kelvin for LST).
    transform : affine.Affine
        From (column, row) to (x, y), upper-left corners.
    crs : rasterio.crs.CRS
    """

    values: FloatArray
    transform: Affine
    crs: CRS

    def __post_init__(self) -> None:
        if self.values.ndim != 2:
            raise InputError(
                f"A raster has two dimensions (rows, columns); these values have shape {self.values.shape}."
            )

    @property
    def rows(self) -> int:
        return int(self.values.shape[0])

    @property
    def columns(self) -> int:
        return int(self.values.shape[1])

    @property
    def pixel_width_m(self) -> float:
        return float(self.transform.a)

    @property
    def left_m(self) -> float:
        return float(self.transform.c)

    @property
    def top_m(self) -> float:
        return float(self.transform.f)

    @property
    def right_m(self) -> float:
        return self.left_m + self.columns * self.pixel_width_m

    @property
    def bottom_m(self) -> float:
        return self.top_m + self.rows * float(self.transform.e)

    def with_values(self, values: FloatArray) -> Raster:
        """The same grid with other pixels of the same shape."""
        if values.shape != self.values.shape:
            raise InputError(
                f"The grid has {self.values.shape} (rows, columns); the new values have {values.shape}."
            )
        return replace(self, values=values)

    def crop(self, rows: slice, columns: slice) -> Raster:
        """The part inside two slices, its transform moved along."""
        first_row, first_column = rows.indices(self.rows)[0], columns.indices(self.columns)[0]
        return Raster(
            self.values[rows, columns], self.transform @ Affine.translation(first_column, first_row), self.crs
        )

    def warp_onto(self, grid: Raster) -> Raster:
        """Resample bilinearly onto another raster's grid, as `warp_onto` does."""
        return warp_onto([self], grid)[0]


def warp_onto(rasters: Sequence[Raster], grid: Raster) -> list[Raster]:
    """Resample rasters of one grid bilinearly onto another
    raster's grid, in one go; NaN is nodata on both sides.

    Parameters
    ----------
    rasters : sequence of Raster
        All with the same transform, CRS and shape.
    grid : Raster
        Its transform, CRS and shape are taken; its pixels are not read.

    Raises
    ------
    ValueError
        If the rasters do not share one grid.
    """
    first = rasters[0]
    if any((raster.transform, raster.crs) != (first.transform, first.crs) for raster in rasters):
        raise ValueError(
            "The rasters to warp together lie on different grids; warp each grid's own together."
        )
    warped = np.full((len(rasters), grid.rows, grid.columns), np.nan)
    rasterio.warp.reproject(
        np.stack([raster.values for raster in rasters]).astype(np.float64), warped,
        src_transform=first.transform, src_crs=first.crs, src_nodata=np.nan,
        dst_transform=grid.transform, dst_crs=grid.crs, dst_nodata=np.nan,
        resampling=rasterio.warp.Resampling.bilinear,
    )  # fmt: skip
    return [grid.with_values(band) for band in warped]


def read_raster(path: Path, scale: float = 1.0, fill: float | None = None) -> Raster:
    """Read the first band of a GeoTIFF.

    Parameters
    ----------
    path : Path
    scale : float
        Multiplies the stored numbers.
    fill : float, optional
        Stored number that means nodata, beside the file's own nodata; becomes NaN.

    Raises
    ------
    InputError
        If the file is missing, truncated, not georeferenced or has no valid pixel.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file. A GeoTIFF was expected there.")
    try:
        with rasterio.open(path) as source:
            stored = source.read(1)
            values = stored.astype(np.float64) * scale
            for missing in (source.nodata, fill):
                if missing is not None and not np.isnan(missing):
                    values[stored == missing] = np.nan
            transform, crs = source.transform, source.crs
    except RasterioError as error:
        detail = str(error.__cause__ or error).splitlines()[0]
        raise InputError(
            f"{path}: not a readable GeoTIFF, perhaps truncated ({detail}). Fetch or write it again."
        ) from error
    if crs is None or transform == Affine.identity():
        raise InputError(f"{path}: has no CRS or no transform; a georeferenced GeoTIFF was expected.")
    if not np.isfinite(values).any():
        raise InputError(f"{path}: holds no valid pixel; expected some that are neither nodata nor NaN.")
    return Raster(values, transform, crs)


def read_tags(path: Path) -> dict[str, str]:
    """The tags of a GeoTIFF's dataset; empty where there is no file, or one that is damaged or cut short."""
    try:
        with rasterio.open(path) as source:
            # The last block of the last band is the end of the file.
            source.read(
                source.count, window=rasterio.windows.Window(source.width - 1, source.height - 1, 1, 1)
            )
            tags: dict[str, str] = source.tags()
            return tags
    except RasterioError:
        return {}


def write_raster(
    raster: Raster, path: Path, tags: dict[str, str] | None = None, nodata: float | None = np.nan
) -> None:
    """Write a raster as a float32 GeoTIFF, atomically; its nodata is NaN, or not told with None."""
    profile = {
        "driver": "GTiff", "dtype": "float32", "count": 1, "height": raster.rows, "width": raster.columns,
        "transform": raster.transform, "crs": raster.crs, "nodata": nodata, "compress": "deflate",
        "predictor": 3,
    }  # fmt: skip
    # Through memory: GDAL does not report a write that fails while it closes a file.
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile) as target:
            target.write(raster.values.astype(np.float32), 1)
            target.update_tags(**(tags or {}))
        with written_atomically(path) as temporary:
            temporary.write_bytes(memory.getbuffer())
