"""Maps of many days of one place as one array, whose pixels are read when they are needed."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterator, Mapping
from itertools import chain, pairwise
from pathlib import Path

import pandas as pd
import rasterio
import rioxarray
import xarray

from lstsr_core.base.errors import InputError
from lstsr_core.modis.names import GranuleName

CHUNK_PIXELS = 1024
"""Side of a chunk: a multiple of the 512 of a
Cloud-Optimised GeoTIFF's blocks, so that none is read twice."""


def open_maps(
    directory: str | os.PathLike[str],
    tile: str | None = None,
    chunk_pixels: int = CHUNK_PIXELS,
    product: str | None = None,
) -> xarray.Dataset:
    """Open all maps (``*.tif``) of a directory lazily.

    Maps of several tiles are not mosaicked: name the tile. (``gdalbuildvrt``
    mosaics the maps of one day without copying them.)

    Parameters
    ----------
    directory : path
    tile : str, optional
        Such as ``h18v04``: leave the maps of others out.
    chunk_pixels : int
        Rows and columns of a chunk of one day.
    product : str, optional
        Of the LST granules, such as ``MYD21A1D``: leave the maps of others out.

    Returns
    -------
    xarray.Dataset
        A variable for each band, by the band's name (``LST`` in kelvin), of dimensions (time, y, x), NaN
        where it has no data. Coordinates: time, the day of acquisition by the name of the LST granule (in
        the map's own name or its tags); granule, that name; x and y, pixel centres in metres;
        spatial_ref, the CRS, which ``.rio.crs`` reads.

    Raises
    ------
    InputError
        If there is no map, one is not readable or of an unknown granule, or two
        differ in place, grid or bands, or show one day.

    Examples
    --------
    >>> import lstsr_core, datetime, pathlib, tempfile
    >>> from lstsr_core.simulation.scenes import simulate
    >>> folder = tempfile.TemporaryDirectory()
    >>> granules = pathlib.Path(folder.name, "granules")
    >>> days = [datetime.date(2019, 7, 19), datetime.date(2019, 7, 20)]
    >>> simulate(granules.parent, days=days, windows=1, pairs=0)
    >>> for lst, ndvi in zip(sorted(granules.glob("MOD21A1D*")), sorted(granules.glob("MOD09GQ*"))):
    ...     summary = lstsr_core.predict(lst, ndvi, lst.with_suffix(".tif"), method="tsharp")
    >>> maps = lstsr_core.open_maps(granules)
    >>> dict(maps["LST"].sizes), maps["LST"].attrs["units"]
    ({'time': 2, 'y': 256, 'x': 256}, 'K')
    >>> folder.cleanup()
    """
    directory = Path(directory)
    granules = {
        path: _granule(path) for path in sorted(directory.glob("*.tif")) if not path.name.startswith(".")
    }
    tiles = sorted({str(granule.tile) for granule in granules.values()})
    if tile is None and len(tiles) > 1:
        raise InputError(f"{directory}: holds maps of {', '.join(tiles)}; name the tile to open.")
    names = {
        path: granule
        for path, granule in granules.items()
        if tile in (None, str(granule.tile)) and product in (None, granule.product)
    }
    if not names:
        products = sorted({granule.product for granule in granules.values()})
        request = " and ".join(filter(None, (tile, product)))
        held = (
            f"of {request}; it has {', '.join(tiles)}, and {', '.join(products)}"
            if tiles
            else "(*.tif); 'lstsr predict --granules' writes them"
        )
        raise InputError(f"{directory}: holds no map {held}.")
    return stack_of(names, chunk_pixels)


def stack_of(names: Mapping[Path, GranuleName], chunk_pixels: int = CHUNK_PIXELS) -> xarray.Dataset:
    """Maps of one area as `open_maps` gives them, with the LST granule that tells the day of each.

    Raises
    ------
    InputError
        If one is not readable, or two differ in place, grid or bands, or show one day.
    """
    in_time = sorted(names, key=lambda path: names[path].date)
    for earlier, later in pairwise(in_time):
        if names[earlier].date == names[later].date:
            raise InputError(
                f"{later}: of {names[later].date}, as is {earlier.name}; expected one map a day. Name the"
                " product to open, and keep day and night in directories of their own."
            )
    maps = _on_one_grid({path: _opened(path, chunk_pixels) for path in in_time})
    days = pd.DatetimeIndex([names[path].date for path in in_time], name="time")
    stack = xarray.concat(
        maps, days, data_vars="all", coords="minimal", compat="override", combine_attrs="drop_conflicts"
    )
    return stack.assign_coords(granule=("time", [str(names[path]) for path in in_time]))


def _granule(path: Path) -> GranuleName:
    """The LST granule that a map was made from, by the map's name or else its tags."""
    for text in chain([path.name], _tags(path)):
        match = re.search(
            r"\bM[A-Z]D(?:11|21)[A-Z0-9]*\.A[0-9]{7}\.h[0-9]{2}v[0-9]{2}\.[0-9]{3}\.[0-9]{13}", text
        )
        if match:
            return GranuleName.parse(f"{match[0]}.hdf")
    raise InputError(
        f"{path}: neither its name nor its tags tell the LST granule; expected a map that 'lstsr predict'"
        " wrote."
    )


def _tags(path: Path) -> Iterator[str]:
    try:
        with rasterio.open(path) as source:
            tags: dict[str, str] = source.tags()
    except rasterio.errors.RasterioError as error:
        raise _unreadable(path, error) from error
    yield from (tags[name] for name in sorted(tags))


def _opened(path: Path, chunk_pixels: int) -> xarray.Dataset:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
            opened = rioxarray.open_rasterio(
                path,
                chunks={"x": chunk_pixels, "y": chunk_pixels},
                band_as_variable=True,
                mask_and_scale=True,
                lock=False,
            )
    except rasterio.errors.RasterioError as error:
        raise _unreadable(path, error) from error
    if not isinstance(opened, xarray.Dataset) or opened.rio.crs is None:
        raise InputError(f"{path}: has no CRS; a georeferenced map was expected.")
    return opened.rename({name: band.attrs.get("long_name", name) for name, band in opened.data_vars.items()})


def _unreadable(path: Path, error: Exception) -> InputError:
    detail = str(error.__cause__ or error).splitlines()[0]
    return InputError(f"{path}: not a readable GeoTIFF ({detail}); delete it, and run 'lstsr predict' again.")


def _on_one_grid(maps: dict[Path, xarray.Dataset]) -> list[xarray.Dataset]:
    (first_path, first), *others = maps.items()
    for path, other in others:
        for what, here, there in (
            ("CRS", other.rio.crs, first.rio.crs),
            ("transform", tuple(other.rio.transform())[:6], tuple(first.rio.transform())[:6]),
            ("size", dict(other.sizes), dict(first.sizes)),
            ("bands", sorted(map(str, other.data_vars)), sorted(map(str, first.data_vars))),
        ):
            if here != there:
                raise InputError(
                    f"{path}: has the {what} {here}, {first_path.name} has {there}; expected maps of one"
                    " area."
                )
    return [first, *(other for _, other in others)]
