"""Cloud-Optimised GeoTIFF: tiled bands with overviews, of which a reader fetches the part that it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
import rasterio.windows
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.errors import RasterioError

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically

BLOCK_PIXELS = 512


@dataclass(frozen=True)
class Band:
    """One band of a file.

    Attributes
    ----------
    values : float32 or uint8 array of shape (rows, columns)
        NaN is nodata.
    name : str
    unit : str
        Empty for a number without one.
    tags : mapping of str to str
    """

    values: NDArray[np.float32] | NDArray[np.uint8]
    name: str
    unit: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def write_cog(
    bands: Sequence[Band], transform: Affine, crs: CRS, path: Path, tags: Mapping[str, str], threads: int = 1
) -> None:
    """Write bands of one shape as a Cloud-Optimised GeoTIFF,
    atomically; the same bands and tags give the same bytes.

    Overviews take the nearest pixel, so that flags stay flags. The threads share the compression.

    Raises
    ------
    InputError
        If the file cannot be written.
    """
    rows, columns = bands[0].values.shape
    layout = {
        "driver": "GTiff", "interleave": "band", "tiled": True, "blockxsize": BLOCK_PIXELS,
        "blockysize": BLOCK_PIXELS,
    }  # fmt: skip
    # GDAL's own COG driver interleaves the bands' pixels, which takes half as
    # much space again; rio-cogeo's drops the units.
    with rasterio.MemoryFile() as memory, rasterio.MemoryFile() as optimised:
        with memory.open(
            **layout,
            dtype="float32",
            count=len(bands),
            height=rows,
            width=columns,
            transform=transform,
            crs=crs,
            nodata=np.nan,
        ) as target:
            for index, band in enumerate(bands, start=1):
                target.write(band.values, index)
                target.set_band_description(index, band.name)
                target.set_band_unit(index, band.unit)
                target.update_tags(index, **dict(sorted(band.tags.items())))
            target.update_tags(**dict(sorted(tags.items())))
            target.build_overviews(_overviews(max(rows, columns)), Resampling.nearest)
        with memory.open() as source:
            rasterio.shutil.copy(
                source,
                optimised.name,
                **layout,
                copy_src_overviews=True,
                compress="deflate",
                predictor=3,
                zlevel=6,
                num_threads=threads,
            )
        with written_atomically(path) as temporary:
            temporary.write_bytes(optimised.getbuffer())


def _overviews(size: int) -> list[int]:
    factors, factor = [], 2
    while size > BLOCK_PIXELS * factor // 2:
        factors.append(factor)
        factor *= 2
    return factors


def read_reduced(path: Path, largest: int) -> tuple[list[NDArray[np.float32]], Affine, CRS]:
    """All bands of a GeoTIFF, by its overviews reduced to no more
    than so many pixels a side, nearest pixels taken.

    Returns
    -------
    list of float32 arrays of shape (rows, columns), affine.Affine, rasterio.crs.CRS

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    try:
        with rasterio.open(path) as source:
            factor = max(1, -(-max(source.height, source.width) // largest))
            rows, columns = -(-source.height // factor), -(-source.width // factor)
            bands = source.read(out_shape=(source.count, rows, columns), resampling=Resampling.nearest)
            scale = Affine.scale(source.width / columns, source.height / rows)
            return list(bands.astype(np.float32)), source.transform @ scale, source.crs
    except RasterioError as error:
        raise InputError(
            f"{path}: not a readable GeoTIFF ({' '.join(str(error).split())}); make the map again."
        ) from error
