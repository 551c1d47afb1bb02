"""What a map is made of: a LST and an NDVI, each a granule or a GeoTIFF, brought to the same ground."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import (
    COARSE_PIXEL_M,
    FINE_PIXEL_M,
    GRID_LEFT_M,
    GRID_TOP_M,
    SCALE,
    TILE_COARSE_PIXELS,
    Tile,
    check_nested,
)
from lstsr_core.geo.raster import Raster
from lstsr_core.modis import geotiff
from lstsr_core.modis.day_pairs import LST_KINDS, REFLECTANCE_KIND, check_kind, other_origin
from lstsr_core.modis.geotiff import LST, NDVI, Cut, is_geotiff
from lstsr_core.modis.granule import Layer, read_lst_granule, read_ndvi_and_origin, read_ndvi_ground
from lstsr_core.modis.names import PLATFORMS, GranuleName
from lstsr_core.modis.products import COMPOSITE_DAYS, Product

if TYPE_CHECKING:
    from lstsr_core.maps.request import Request

COMPOSITE_KIND = "13Q1"
MOST_DAYS_APART = 16


@dataclass(frozen=True)
class Input:
    """What is known of a LST or an NDVI before its pixels are read.

    Attributes
    ----------
    path : Path
    product, collection : str or None
        Such as ``MOD11A1`` and ``061``; None where a GeoTIFF does not tell.
    first_day, last_day : datetime.date or None
        The days that it is of: one, or the 16 of a MOD13Q1.
    tile : Tile or None
        Of a granule.
    """

    path: Path
    product: str | None
    collection: str | None
    first_day: datetime.date | None
    last_day: datetime.date | None
    tile: Tile | None

    @classmethod
    def of(cls, path: Path) -> Input:
        """A granule's by its name, a GeoTIFF's by its name and tags.

        Raises
        ------
        InputError
            If it is neither a GeoTIFF nor named as a granule.
        """
        source = geotiff.read_facts(path) if is_geotiff(path) else GranuleName.parse(path.name)
        day = source.day if isinstance(source, geotiff.Facts) else source.date
        tile = None if isinstance(source, geotiff.Facts) else source.tile
        product = source.product
        days = COMPOSITE_DAYS if product is not None and product[3:] == COMPOSITE_KIND else 1
        last = None if day is None else day + datetime.timedelta(days=days - 1)
        return cls(path, product, source.collection, day, last, tile)

    @property
    def platform(self) -> str | None:
        """Terra or Aqua, where it is known."""
        return None if self.product is None else PLATFORMS.get(self.product[:3], self.product[:3])

    @property
    def is_composite(self) -> bool:
        return self.product is not None and self.product[3:] == COMPOSITE_KIND

    def __str__(self) -> str:
        if self.first_day is None:
            days = "a day that it does not tell"
        elif self.is_composite:
            days = f"the {COMPOSITE_DAYS} days from {self.first_day} to {self.last_day}"
        else:
            days = str(self.first_day)
        return f"{self.product or self.path.name} of {days}"


@dataclass(frozen=True)
class Coarse:
    """The LST that a map can be made of.

    Attributes
    ----------
    lst : Raster
        Kelvin; of a GeoTIFF, or beside one, the part that the NDVI covers as well.
    phase : (int, int)
        Rows and columns from the last of every 32 in its tile to its corner: where a network's windows
        begin. Zero for a pair of granules.
    warnings : tuple of str
        One line each.
    """

    lst: Raster
    phase: tuple[int, int]
    warnings: tuple[str, ...]


def check_lst(path: Path, layer: Layer) -> Input:
    """A LST, refused if it is of a product or a half of the day that is not asked for.

    Raises
    ------
    InputError
    """
    if is_geotiff(path):
        return Input.of(path)
    kinds = dict.fromkeys(kind for layers in LST_KINDS.values() for kind in layers.values())
    lst = check_kind(path, kinds, "--lst")
    if lst.kind not in {layers[layer] for layers in LST_KINDS.values()}:
        advice = (
            "leave --layer night out, or give a MOD21A1N or MOD11A1"
            if layer == "night"
            else "add --layer night"
        )
        raise InputError(f"{path}: a {lst.product} granule holds no {layer} LST; {advice}.")
    return Input.of(path)


def check_ndvi(path: Path) -> Input:
    """An NDVI, or reflectances that it is made of, refused if it is of another product.

    Raises
    ------
    InputError
    """
    if not is_geotiff(path) and GranuleName.parse(path.name).kind != COMPOSITE_KIND:
        check_kind(path, [REFLECTANCE_KIND], "--reflectance")
    return Input.of(path)


def check_encodings(lst_path: Path, ndvi_path: Path, request: Request) -> None:
    """Refuse what is said of a GeoTIFF's numbers where there is none.

    Raises
    ------
    InputError
    """
    for path, option, said in (
        (lst_path, "--lst-scale, --lst-offset and --lst-nodata", request.lst_encoding.values),
        (ndvi_path, "--ndvi-scale, --ndvi-offset and --ndvi-nodata", request.ndvi_encoding.values),
        (lst_path, "--lst-qc", request.lst_qc),
    ):
        if said and not is_geotiff(path):
            raise InputError(
                f"{path}: a granule tells its own scale and quality, and {option} are for GeoTIFFs;"
                " leave them out."
            )


def days_apart(lst: Input, ndvi: Input, allow_different_days: bool) -> Iterator[str]:
    """A warning where LST and NDVI are of different days, which is refused unless it is allowed.

    Raises
    ------
    InputError
    """
    if lst.first_day is None or ndvi.first_day is None or ndvi.last_day is None:
        nameless = lst if lst.first_day is None else ndvi
        yield f"{nameless.path.name}: tells no day, so that LST and NDVI of one day are taken on trust"
        return
    before, after = (ndvi.first_day - lst.first_day).days, (lst.first_day - ndvi.last_day).days
    apart = max(before, after, 0)
    if not apart:
        return
    if ndvi.is_composite:
        assert ndvi.product is not None
        days = f"LST is of {lst.first_day}, NDVI of {str(ndvi).partition(' of ')[2]}"
        right_day = Product(ndvi.product).period(lst.first_day, lst.first_day)[0]
        expected = f"a day among them: that is the {ndvi.product} of {right_day} (A{right_day:%Y%j})"
    else:
        what = "NDVI" if is_geotiff(ndvi.path) else "reflectance"
        days = f"LST is of {lst.first_day}, {what} of {ndvi.first_day}"
        expected = "the same day"
    if not allow_different_days or apart > MOST_DAYS_APART:
        hint = (
            f"allow different days (up to {MOST_DAYS_APART})"
            if apart <= MOST_DAYS_APART
            else "take a day nearer to it"
        )
        raise InputError(f"{ndvi.path.name}: {days}, {apart} days apart; expected {expected}, or {hint}.")
    yield f"{days}, {apart} days apart"


def other_origins(lst: Input, ndvi: Input) -> list[str]:
    """A line for each way in which a day's reflectance is of another origin than its LST."""
    if lst.tile is None or ndvi.tile is None or ndvi.is_composite:
        return []
    return other_origin(GranuleName.parse(lst.path.name), GranuleName.parse(ndvi.path.name))


def tile_of(lst: Input) -> Tile:
    """The tile of a LST; of a GeoTIFF, that of its centre."""
    if lst.tile is not None:
        return lst.tile
    cut = geotiff.read_cut(lst.path, LST)
    return Tile.at(*(cut.transform @ (cut.columns / 2, cut.rows / 2)))


def read_coarse(lst_path: Path, ndvi_path: Path, request: Request) -> Coarse:
    """The LST where there may be NDVI.

    Raises
    ------
    InputError
        If the LST cannot be read, or the two have no ground in common.
    """
    if is_geotiff(lst_path):
        lst, warnings = geotiff.read_quantity(lst_path, LST, request.lst_encoding, request.layer)
        if request.lst_qc is None:
            warnings += (f"{lst_path.name}: without --lst-qc the quality of its pixels is not checked",)
        else:
            bad = geotiff.read_not_produced(request.lst_qc, _cut_of(lst, COARSE_PIXEL_M))
            lst = lst.with_values(np.where(bad, np.nan, lst.values))
    else:
        granule = read_lst_granule(lst_path, request.layer, with_view_time=False)
        lst, warnings = granule.lst, granule.origin.warnings
        if not is_geotiff(ndvi_path):
            return Coarse(lst, (0, 0), warnings)
    coarse, fine = _cut_of(lst, COARSE_PIXEL_M), _ndvi_cut(ndvi_path)
    top = max(coarse.row, -(-fine.row // SCALE))
    left = max(coarse.column, -(-fine.column // SCALE))
    bottom = min(coarse.row + coarse.rows, (fine.row + fine.rows) // SCALE)
    right = min(coarse.column + coarse.columns, (fine.column + fine.columns) // SCALE)
    if bottom <= top or right <= left:
        raise InputError(
            f"{ndvi_path}: has no 1 km pixel in common with {lst_path.name}; give LST and NDVI of one area."
        )
    if (bottom - top, right - left) != (coarse.rows, coarse.columns):
        warnings += (
            f"{ndvi_path.name}: covers {bottom - top}×{right - left} of the {coarse.rows}×{coarse.columns}"
            " pixels of the LST (rows×columns); these are mapped",
        )
    lst = lst.crop(
        slice(top - coarse.row, bottom - coarse.row), slice(left - coarse.column, right - coarse.column)
    )
    return Coarse(lst, phase_of(lst), warnings)


SNAP_COARSE_PIXELS = 32  # 128 fine pixels: windows of an area then lie where the whole tile's do


def phase_of(lst: Raster) -> tuple[int, int]:
    """Rows and columns from the last of every 32 in its tile to the corner of a LST."""
    cut = _cut_of(lst, COARSE_PIXEL_M)
    row, column = (index % TILE_COARSE_PIXELS % SNAP_COARSE_PIXELS for index in (cut.row, cut.column))
    return row, column


def read_fine(
    ndvi_path: Path, lst_path: Path, lst: Raster, request: Request
) -> tuple[Raster, tuple[str, ...]]:
    """The NDVI over the ground of a LST that `read_coarse` gave, and what is odd about it.

    Raises
    ------
    InputError
        If it cannot be read, or two granules do not lie over the same ground.
    """
    ground = _cut_of(lst, COARSE_PIXEL_M)
    row, column = SCALE * ground.row, SCALE * ground.column
    part = Cut(row, column, SCALE * ground.rows, SCALE * ground.columns, FINE_PIXEL_M)
    if is_geotiff(ndvi_path):
        return geotiff.read_quantity(ndvi_path, NDVI, request.ndvi_encoding, part=part)
    ndvi, origin = read_ndvi_and_origin(ndvi_path)
    if is_geotiff(lst_path):
        fine = _cut_of(ndvi, FINE_PIXEL_M)
        row, column = part.row - fine.row, part.column - fine.column
        ndvi = ndvi.crop(slice(row, row + part.rows), slice(column, column + part.columns))
    check_nested(lst.values.shape, ndvi.values.shape, str(ndvi_path))
    away_m = max(abs(lst.left_m - ndvi.left_m), abs(lst.top_m - ndvi.top_m))
    if away_m > 1.0:
        raise InputError(
            f"{ndvi_path}: its corner is {away_m:.0f} m away from the LST's; expected both over the same"
            " ground."
        )
    return ndvi, origin.warnings


def _ndvi_cut(path: Path) -> Cut:
    if is_geotiff(path):
        return geotiff.read_cut(path, NDVI)
    return _cut_of(read_ndvi_ground(path), FINE_PIXEL_M)


def _cut_of(raster: Raster, pixel_m: float) -> Cut:
    row, column = (GRID_TOP_M - raster.top_m) / pixel_m, (raster.left_m - GRID_LEFT_M) / pixel_m
    return Cut(round(row), round(column), raster.rows, raster.columns, pixel_m)
