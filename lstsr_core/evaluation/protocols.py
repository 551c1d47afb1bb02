"""Placing products on ASTER (Method 5): what is compared with what, under each protocol."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.windows import Window, from_bounds
from scipy import ndimage

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.evaluation.tile_warp import TileWarp, nearest_indices, tile_warp, weigh
from lstsr_core.geo.grid import FINE_PIXEL_M, Tile
from lstsr_core.geo.raster import BoolArray, Raster, warp_onto
from lstsr_core.pairs.pair import Pair, align, fine_grid, fine_offset
from lstsr_core.pairs.swath import ASTER_VALID_K, database_shift, moved, swath
from lstsr_core.sharpening.methods import Options, sharpen_pair

PRODUCT_VALID_K = 200.0
PRODUCT_EROSIONS = 2
SMALLEST_SIDE = 40
TOO_SMALL = f"overlap with ASTER not over {SMALLEST_SIDE}×{SMALLEST_SIDE} pixels"


@dataclass(frozen=True)
class Comparison:
    """A product and ASTER, cut to the rectangle that the metrics are taken over.

    Attributes
    ----------
    product, aster : Raster
        Kelvin, no NaN, of one shape.
    bicubic : Raster
        What the Fourier metrics compare with; under the published protocol its shape may differ.
    ndvi : Raster
        NDVI where the product lies; NaN where it has none.
    fine : Raster
        The product before any warp.
    """

    product: Raster
    aster: Raster
    bicubic: Raster
    ndvi: Raster
    fine: Raster


class Placement(ABC):
    """A pair made ready under one protocol.

    Attributes
    ----------
    pair : Pair
        What the methods are given.
    published : bool
        Whether the published variants of methods and metrics belong to the protocol.
    products_of : str
        The protocol whose products it judges: its own name, unless another gives its methods the same input.
    """

    name: str
    published: bool
    products_of: str

    def __init__(self, pair: Pair) -> None:
        self.pair = pair

    def options(self, options: Options) -> Options:
        """Options of the methods under this protocol, in its own variant unless they name one."""
        return replace(options, published=self.published) if options.published is None else options

    def compare(self, fine: Mapping[str, Raster]) -> dict[str, Comparison | str]:
        """Each product's comparison with ASTER, or the reason why
        there is none; all of them go through one warp.

        Parameters
        ----------
        fine : mapping of str to Raster
            Products in kelvin on one 250 m grid, by the name of their method.
        """
        bicubic = sharpen_pair(self.pair, "bicubic")
        rasters = [bicubic, fine_grid(self.pair), *fine.values()]
        warped_bicubic, warped_ndvi, *warped = self._warp(rasters)
        outcomes: dict[str, Comparison | str] = {}
        for (name, product), on_aster in zip(fine.items(), warped, strict=True):
            try:
                outcomes[name] = self._cut(on_aster, warped_bicubic, warped_ndvi, product)
            except NoResult as error:
                outcomes[name] = str(error)
        return outcomes

    @abstractmethod
    def _warp(self, rasters: Sequence[Raster]) -> list[Raster]: ...

    @abstractmethod
    def _cut(self, product: Raster, bicubic: Raster, ndvi: Raster, fine: Raster) -> Comparison: ...


def _check_sides(rows: slice, columns: slice) -> None:
    if min(rows.stop - rows.start, columns.stop - columns.start) <= SMALLEST_SIDE:
        raise NoResult(TOO_SMALL)


class Georeferenced(Placement):
    """Every product where its own georeference puts it, on ASTER's
    grid, inside the largest rectangle of valid pixels."""

    name = products_of = "georeferenced"
    published = False

    def __init__(self, pair: Pair) -> None:
        super().__init__(align(pair))
        self.aster_valid: BoolArray = swath(pair.aster)

    def _warp(self, rasters: Sequence[Raster]) -> list[Raster]:
        return warp_onto(rasters, self.pair.aster)

    def _cut(self, product: Raster, bicubic: Raster, ndvi: Raster, fine: Raster) -> Comparison:
        mask = self.aster_valid
        for raster in (product, bicubic):
            mask = mask & ndimage.binary_erosion(
                np.isfinite(raster.values), iterations=PRODUCT_EROSIONS, border_value=0
            )
        rows, columns = largest_rectangle(mask)
        _check_sides(rows, columns)
        product, aster, bicubic, ndvi = (
            raster.crop(rows, columns) for raster in (product, self.pair.aster, bicubic, ndvi)
        )
        return Comparison(product, aster, bicubic, ndvi, fine)


class Registered(Georeferenced):
    """As georeferenced, after ASTER has been moved to where MODIS saw the same ground.

    It is this companion's, not the paper's: in the published database ASTER lies some 0.8 pixels of its grid
    south and 0.9 east of every image of MODIS (`evaluation.registration`). ASTER's transform is moved by that
    constant, which was fitted to the development scenes alone; no pixel of ASTER is resampled for it. A pair
    that is not of the published database stays as it is, for the constant says nothing of it.
    """

    name = "registered"

    def __init__(self, pair: Pair) -> None:
        from lstsr_core.pairs.scenes import are_published  # which reads its table by pandas

        super().__init__(register(pair) if are_published([pair.digest]) else pair)


def register(pair: Pair) -> Pair:
    """The pair with ASTER moved back by `pairs.swath.database_shift`."""
    return replace(pair, aster=moved(pair.aster, database_shift()))


def largest_rectangle(mask: BoolArray) -> tuple[slice, slice]:
    """Rows and columns of the largest all-true rectangle of a mask; empty slices if nothing is true.

    Of equal rectangles the first found wins, from the top.

    >>> largest_rectangle(np.array([[0, 1, 1], [1, 1, 1], [1, 1, 0]], dtype=bool))
    (slice(0, 2, None), slice(1, 3, None))
    """
    return _largest_rectangle(np.packbits(mask, axis=1).tobytes(), *mask.shape)


@lru_cache(maxsize=64)
def _largest_rectangle(packed: bytes, row_count: int, column_count: int) -> tuple[slice, slice]:
    # Cached, for all methods of a pair usually share one mask.
    bits = np.frombuffer(packed, np.uint8).reshape(row_count, -1)
    mask = np.unpackbits(bits, axis=1, count=column_count)
    heights = np.zeros(column_count + 1, dtype=np.int64)  # the last one stays 0 and closes every run
    best, rectangle = 0, (slice(0, 0), slice(0, 0))
    for row in range(row_count):
        heights[:-1] = (heights[:-1] + 1) * mask[row]
        open_runs: list[tuple[int, int]] = []  # (first column, height), heights rising
        for column, height in enumerate(heights.tolist()):
            start = column
            while open_runs and open_runs[-1][1] >= height:
                start, run_height = open_runs.pop()
                if run_height * (column - start) > best:
                    best = run_height * (column - start)
                    rectangle = (slice(row + 1 - run_height, row + 1), slice(start, column))
            open_runs.append((start, height))
    return rectangle


class Published(Placement):
    """LST and NDVI both at the NDVI's place in an otherwise zero
    tile, ASTER drawn over the warped tile's grid."""

    name = products_of = "published"
    published = True

    @cached_property
    def _place(self) -> _PlaceInTile:
        return _place_in_tile(self.pair)

    @cached_property
    def _warp_of_tile(self) -> TileWarp:
        return tile_warp(self._place.tile, self.pair.aster.crs)

    @cached_property
    def _window(self) -> Window:
        return from_bounds(*self._shared_bounds_m, self._warp_of_tile.transform)

    @cached_property
    def _aster(self) -> Raster:
        window = from_bounds(*self._shared_bounds_m, self.pair.aster.transform)
        return _read_aster(self.pair.aster, window, self._warp_of_tile)

    @cached_property
    def _aster_corners(self) -> NDArray[np.int64]:
        return strongest_corners(self._aster.values >= ASTER_VALID_K)

    @property
    def _shared_bounds_m(self) -> tuple[float, float, float, float]:
        grid, aster = self._warp_of_tile, self.pair.aster
        left_m, right_m = max(aster.left_m, grid.left_m), min(aster.right_m, grid.right_m)
        bottom_m, top_m = max(aster.bottom_m, grid.bottom_m), min(aster.top_m, grid.top_m)
        if left_m >= right_m or bottom_m >= top_m:
            raise InputError(
                f"pair {self.pair.id}: ASTER lies outside tile {self._place.tile}, which the NDVI lies in."
            )
        return left_m, bottom_m, right_m, top_m

    def options(self, options: Options) -> Options:
        """As everywhere, and with the offset that DMS's published variant makes its residuals with."""
        rows_down, columns_right = fine_offset(self.pair)
        return replace(super().options(options), rows_down=rows_down, columns_right=columns_right)

    def _warp(self, rasters: Sequence[Raster]) -> list[Raster]:
        window, warp = self._window, self._warp_of_tile
        rows, columns = (
            nearest_indices(window.row_off, window.height),
            nearest_indices(window.col_off, window.width),
        )
        stack = np.stack([raster.values for raster in rasters])
        row_taps = warp.rows.taps(rows, columns, self._place.first_row)
        column_taps = warp.columns.taps(rows, columns, self._place.first_column)
        transform = warp.transform @ Affine.translation(window.col_off, window.row_off)
        return [Raster(band, transform, warp.crs) for band in weigh(stack, row_taps, column_taps)]

    def _cut(self, product: Raster, bicubic: Raster, ndvi: Raster, fine: Raster) -> Comparison:
        if np.isnan(product.values).any():
            raise NoResult("the product has gaps, which the published protocol would take for zeros")
        rectangle = self._rectangle(product)
        product, aster, ndvi = (raster.crop(*rectangle) for raster in (product, self._aster, ndvi))
        return Comparison(product, aster, bicubic.crop(*self._rectangle(bicubic)), ndvi, fine)

    def _rectangle(self, product: Raster) -> tuple[slice, slice]:
        corners = [self._aster_corners, strongest_corners(product.values >= PRODUCT_VALID_K)]
        if min(len(points) for points in corners) < 4:
            raise NoResult("fewer than four corners found in a mask")
        rows, columns = (_between_corners([points[:, axis] for points in corners]) for axis in (0, 1))
        _check_sides(rows, columns)
        return rows, columns


def _between_corners(sorted_by_mask: Iterable[NDArray[np.int64]]) -> slice:
    positions = [np.sort(points) for points in sorted_by_mask]
    first = max(int(points[1]) for points in positions) + 1
    last = min(int(points[2]) for points in positions) - 1
    return slice(first - 1, max(first, last) - 1)


def strongest_corners(mask: BoolArray) -> NDArray[np.int64]:
    """The four strongest Shi–Tomasi corners of a mask, (corners, 2) whole
    rows and columns; fewer where there are fewer."""
    import cv2  # for the published protocol alone; it takes as long to load as all else here

    corners = cv2.goodFeaturesToTrack(np.where(mask, np.uint8(255), np.uint8(0)), 4, 0.01, 10, blockSize=3)
    if corners is None:
        return np.zeros((0, 2), dtype=np.int64)
    return corners.reshape(-1, 2)[:, ::-1].astype(np.int64)


@dataclass(frozen=True)
class _PlaceInTile:
    tile: Tile
    first_row: int
    first_column: int


def _place_in_tile(pair: Pair) -> _PlaceInTile:
    ndvi = pair.ndvi
    centre_x_m, centre_y_m = ndvi.transform @ (ndvi.columns / 2, ndvi.rows / 2)
    tile = Tile.at(centre_x_m, centre_y_m)
    row, column = (tile.top_m - ndvi.top_m) / FINE_PIXEL_M, (ndvi.left_m - tile.left_m) / FINE_PIXEL_M
    if abs(row - round(row)) > 0.01 or abs(column - round(column)) > 0.01:
        raise InputError(
            f"pair {pair.id}: NDVI starts at row {row:.3f}, column {column:.3f} of tile {tile}; expected"
            " whole ones."
        )
    return _PlaceInTile(tile, round(row), round(column))


def _read_aster(aster: Raster, window: Window, grid: TileWarp) -> Raster:
    # Zeros outside the swath take part in the interpolation, as published.
    stored = np.nan_to_num(aster.values, nan=0.0).astype(np.float32)
    rows = int(window.height * aster.transform.e / grid.transform.e)
    columns = int(window.width * aster.transform.a / grid.transform.a)
    profile = {
        "driver": "GTiff",
        "dtype": "float32",
        "count": 1,
        "height": aster.rows,
        "width": aster.columns,
    }
    with rasterio.MemoryFile() as memory:
        with memory.open(**profile, transform=aster.transform, crs=aster.crs) as target:
            target.write(stored, 1)
        with memory.open() as source:
            values = source.read(1, window=window, out_shape=(rows, columns), resampling=Resampling.bilinear)
    corner = aster.transform @ Affine.translation(window.col_off, window.row_off)
    scale = Affine.scale(window.width / columns, window.height / rows)
    return Raster(values.astype(np.float64), corner @ scale, aster.crs)


PROTOCOLS: dict[str, type[Placement]] = {
    protocol.name: protocol for protocol in (Georeferenced, Published, Registered)
}
"""How products are placed on ASTER, by name; the first is the default, the first two are the paper's."""


def check_protocols(names: Sequence[str]) -> list[str]:
    """Refuse unknown protocols, saying which are known.

    Raises
    ------
    InputError
    """
    unknown = [name for name in names if name not in PROTOCOLS]
    if unknown or not names:
        raise InputError(f"unknown protocol '{', '.join(unknown)}'; known protocols: {', '.join(PROTOCOLS)}.")
    return list(dict.fromkeys(names))


def product_protocols(names: Sequence[str]) -> list[str]:
    """The protocols whose products are judged under others; two that give methods the same share them."""
    return list(dict.fromkeys(PROTOCOLS[name].products_of for name in names))
