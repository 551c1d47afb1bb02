"""Granules as xarray datasets with CRS and CF attributes, whose pixels are read when they are needed."""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import rioxarray  # noqa: F401 - gives datasets their .rio
import xarray
from numpy.typing import NDArray
from xarray.backends import BackendArray, BackendEntrypoint
from xarray.core import indexing

from lstsr_core.base.errors import InputError
from lstsr_core.base.fingerprint import identity
from lstsr_core.geo.raster import Raster
from lstsr_core.modis.granule import (
    Contents,
    Layer,
    LstGranule,
    read_contents,
    read_lst_granule,
    read_ndvi,
    read_red_and_nir,
    read_rgb,
    read_water_mask,
)
from lstsr_core.modis.names import PLATFORMS, GranuleName
from lstsr_core.modis.quality import Policy, QcLayout, check_policy

CONVENTIONS = "CF-1.11"

LAND, WATER, NEITHER = 0, 1, 255
"""Numbers of `water_mask`."""

_READERS = {"09GQ": read_red_and_nir, "09GA": read_rgb}
_BANDS = {
    "09GQ": {"red": "red (band 1)", "nir": "near infrared (band 2)"},
    "09GA": {"red": "red (band 1)", "green": "green (band 4)", "blue": "blue (band 3)"},
}
"""The bands that a reader gives, in its order."""

_NUMBER, _FLAG = np.dtype(np.float64), np.dtype(np.uint8)


def open_granule(
    path: str | os.PathLike[str],
    layer: Layer | None = None,
    policy: Policy = "produced",
    chunks: int | str | Mapping[Any, Any] | None = None,
) -> xarray.Dataset:
    """Open a MODIS granule.

    Nothing but metadata is read before a value is asked for. Each variable is one block for Dask, if
    `chunks` is ``{}``: so many days, joined by ``xarray.concat(days, "time")``, need no memory.

    Parameters
    ----------
    path : path
        Of MOD11A1, MOD21A1D or MOD21A1N (LST), MOD09GQ (red, near infrared and their NDVI), MOD09GA (red,
        green and blue), MOD13Q1 (NDVI of 16 days), Aqua's of these names, or MOD44W (water).
    layer : {"day", "night"}, optional
        Of LST; without it the one that the product holds, or the day where it holds both.
    policy : {"produced", "good"}
        Which pixels have an LST: all that were produced, or those of good quality alone.
    chunks : optional
        As of `xarray.open_dataset`; without it values are NumPy's, read once.

    Returns
    -------
    xarray.Dataset
        Of dimensions (y, x), with `time`, the day (of 16 the first), as a scalar coordinate, the CRS and
        transform that ``.rio`` reads, and attributes by the CF conventions.

        Of LST: `LST` in kelvin; `QC` as stored, with the masks, values and meanings of its flags, and each of
        its fields (`mandatory_QA`, `LST_error` …) as a variable of flags; `view_time`, local solar time in
        hours. Of reflectance: `red`, `nir` and `NDVI`, or `red`, `green` and `blue`. Of water: `water_mask`.
        Numbers are NaN where the product has none.

    Raises
    ------
    InputError
        If the file is missing, damaged, another product's or without this layer; what only its pixels
        show, once they are read.

    Warns
    -----
    UserWarning
        For what is odd about the granule, and legal.

    Examples
    --------
    >>> import lstsr_core, datetime, pathlib, tempfile
    >>> from lstsr_core.simulation.scenes import simulate
    >>> folder = tempfile.TemporaryDirectory()
    >>> simulate(pathlib.Path(folder.name), days=[datetime.date(2019, 7, 19)], windows=1, pairs=0)
    >>> path, = pathlib.Path(folder.name).glob("granules/MOD21A1D*.hdf")
    >>> day = lstsr_core.open_granule(path)
    >>> dict(day.sizes), day["LST"].attrs["units"], str(day["time"].values)[:10]
    ({'y': 64, 'x': 64}, 'K', '2019-07-19')
    >>> cloudy = (day["QC"] & 0b11) == 0b10
    >>> bool(day["LST"].where(cloudy).isnull().all())
    True
    >>> folder.cleanup()
    """
    check_policy(policy)
    return xarray.open_dataset(
        Path(path), engine=_Granules, chunks=chunks, cache=True, layer=layer, policy=policy
    )


@dataclass(frozen=True)
class _Variable:
    """What is read for a variable, its kind of number, and its attributes."""

    read: partial[NDArray[Any]]
    dtype: np.dtype[Any]
    attributes: dict[str, Any]


class _Granules(BackendEntrypoint):
    """xarray's way into files of another format."""

    def open_dataset(  # type: ignore[override]
        self, filename_or_obj: Any, *, drop_variables: Any = None, layer: Layer | None, policy: Policy
    ) -> xarray.Dataset:
        path = Path(filename_or_obj)
        contents = read_contents(path, layer)
        for warning in contents.origin.warnings:
            warnings.warn(warning, stacklevel=4)
        variables = {
            name: xarray.Variable(
                ("y", "x"),
                indexing.LazilyIndexedArray(_Pixels(contents.ground, variable)),
                variable.attributes,
            )
            for name, variable in _variables(path, contents, policy).items()
        }
        dataset = xarray.Dataset(variables, _coordinates(path, contents), _attributes(path, contents))
        ground = contents.ground
        dataset = dataset.rio.write_crs(ground.crs).rio.write_transform(ground.transform)
        opened: xarray.Dataset = dataset.rio.write_coordinate_system()
        return opened


class _Pixels(BackendArray):
    """A variable whose pixels are read when they are asked for."""

    def __init__(self, ground: Raster, variable: _Variable) -> None:
        self.shape = ground.values.shape
        self.dtype = variable.dtype
        self.read = variable.read

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(
            key, self.shape, indexing.IndexingSupport.BASIC, lambda part: self.read()[part]
        )


def _variables(path: Path, contents: Contents, policy: Policy) -> dict[str, _Variable]:
    if contents.kind in _READERS:
        variables = {
            name: _Variable(
                partial(_band, path, contents.kind, number),
                _NUMBER,
                {
                    "standard_name": "surface_bidirectional_reflectance",
                    "long_name": f"surface reflectance, {meaning}",
                    "units": "1",
                },
            )
            for number, (name, meaning) in enumerate(_BANDS[contents.kind].items())
        }
        return variables | ({"NDVI": _ndvi_variable(path)} if contents.kind == "09GQ" else {})
    if contents.kind == "13Q1":
        return {"NDVI": _ndvi_variable(path)}
    if contents.kind == "44W":
        flags = flag_attributes([LAND, WATER, NEITHER], ["land", "water", "neither"], _FLAG)
        return {"water_mask": _Variable(partial(_water, path), _FLAG, {"long_name": "water", **flags})}
    return _lst_variables(path, contents, policy)


def _ndvi_variable(path: Path) -> _Variable:
    attributes = {
        "standard_name": "normalized_difference_vegetation_index", "long_name": "NDVI", "units": "1",
        "valid_range": np.array([-1.0, 1.0]),
    }  # fmt: skip
    return _Variable(partial(_ndvi, path), _NUMBER, attributes)


def _lst_variables(path: Path, contents: Contents, policy: Policy) -> dict[str, _Variable]:
    layer, layout = contents.layer, contents.quality
    assert layer is not None and layout is not None
    fields = {_word(field.name): field for field in layout.fields}
    attributes = {
        "standard_name": "surface_temperature", "long_name": f"land surface temperature by {layer}",
        "units": "K", "ancillary_variables": " ".join(["QC", *fields]), "layer": layer,
        **_platform(contents.origin.product),
    }  # fmt: skip
    part = partial(_lst_part, path, layer, policy)
    variables = {
        "LST": _Variable(partial(part, "LST"), _NUMBER, attributes),
        "QC": _Variable(partial(part, "QC"), layout.number_type, _qc_attributes(layout)),
    }
    for name, field in fields.items():
        flags = {"long_name": field.name, **flag_attributes(range(4), field.meanings, _FLAG)}
        variables[name] = _Variable(partial(part, field.name), _FLAG, flags)
    if contents.has_view_time:
        # Not "hours", which xarray takes for a duration when it reads a file that it wrote.
        hours = {"long_name": "local solar time of the observation", "units": "h"}
        variables["view_time"] = _Variable(partial(part, "view_time"), _NUMBER, hours)
    return variables


def _qc_attributes(layout: QcLayout) -> dict[str, Any]:
    """Masks, values and meanings of all fields of a QC, a meaning with its field's name before it."""
    fields = [(field, code) for field in layout.fields for code in range(4)]
    values = [code << field.first_bit for field, code in fields]
    meanings = [f"{field.name} {field.meanings[code]}" for field, code in fields]
    masks = np.array([0b11 << field.first_bit for field, _ in fields], layout.number_type)
    return {
        "long_name": "quality control",
        "flag_masks": masks,
        **flag_attributes(values, meanings, layout.number_type),
    }


def flag_attributes(values: Iterable[int], meanings: Iterable[str], dtype: np.dtype[Any]) -> dict[str, Any]:
    """The attributes by which the CF conventions tell what the numbers of a variable mean.

    >>> flag_attributes([0, 3], ["valid", "water, masked"], np.dtype(np.uint8))
    {'flag_values': array([0, 3], dtype=uint8), 'flag_meanings': 'valid water_masked'}
    """
    numbers = list(values)
    words = [_word(meaning) for meaning in meanings]
    distinct = [
        word if words.count(word) == 1 else f"{word}_{number}"
        for word, number in zip(words, numbers, strict=True)
    ]
    return {"flag_values": np.array(numbers, dtype), "flag_meanings": " ".join(distinct)}


def _word(meaning: str) -> str:
    """A meaning as one word of the letters that CF admits."""
    for sign, said in (("≤", "at most"), ("≥", "at least"), ("<", "less than"), (">", "more than")):
        meaning = meaning.replace(sign, said)
    return re.sub(r"[^A-Za-z0-9.+@-]+", "_", meaning).strip("_")


def _lst_part(path: Path, layer: Layer, policy: Policy, name: str) -> NDArray[Any]:
    granule = _lst_granule(path, tuple(identity(path)), layer, policy)
    if name == "LST":
        return granule.lst.values
    if name == "QC":
        return granule.quality.stored
    if name == "view_time":  # None, if the file states them in another scale than documented
        times = granule.view_time_h
        return np.full(granule.lst.values.shape, np.nan) if times is None else times.values
    return granule.quality.code(name)


@lru_cache(maxsize=2)  # the variables of one are read one after the other; of a whole tile 25 MB
def _lst_granule(path: Path, identity: tuple[int, ...], layer: Layer, policy: Policy) -> LstGranule:
    return read_lst_granule(path, layer, policy)


def _band(path: Path, kind: str, number: int) -> NDArray[Any]:
    return _READERS[kind](path)[number].values


def _ndvi(path: Path) -> NDArray[Any]:
    return read_ndvi(path).values


def _water(path: Path) -> NDArray[Any]:
    water = read_water_mask(path).values
    return np.where(np.isnan(water), NEITHER, water).astype(_FLAG)


def _coordinates(path: Path, contents: Contents) -> dict[str, Any]:
    ground = contents.ground
    centres = np.arange(ground.columns) + 0.5, np.arange(ground.rows) + 0.5
    coordinates: dict[str, Any] = {
        "x": ground.left_m + centres[0] * ground.transform.a,
        "y": ground.top_m + centres[1] * ground.transform.e,
    }
    name, begin = _name(path), contents.origin.acquired_from
    day = name.date if name is not None else begin.date() if begin is not None else None
    if day is not None:
        # Without it, xarray would have to guess, and warn, how it is to be written.
        coordinates["time"] = ((), np.datetime64(day, "ns"), {"standard_name": "time", "axis": "T"})
    return coordinates


def _attributes(path: Path, contents: Contents) -> dict[str, str]:
    origin, name = contents.origin, _name(path)
    layer = f", {contents.layer}" if contents.layer is not None else ""
    begin, end = origin.acquired_from, origin.acquired_to
    attributes = {
        "Conventions": CONVENTIONS,
        "title": f"{origin.product or 'MODIS granule'}{layer}",
        "granule": path.name,
        "product": origin.product,
        "collection": origin.collection,
        "tile": str(name.tile) if name is not None else None,
        "time_coverage_start": begin.isoformat() if begin is not None else None,
        "time_coverage_end": end.isoformat() if end is not None else None,
        **_platform(origin.product),
    }
    return {key: value for key, value in attributes.items() if value is not None}


def _platform(product: str | None) -> dict[str, str]:
    """The satellite of a product; MOD44W, which both see, has none."""
    satellite = PLATFORMS.get((product or "")[:3])
    return {} if satellite is None or product == "MOD44W" else {"platform": satellite}


def _name(path: Path) -> GranuleName | None:
    try:
        return GranuleName.parse(path.name)
    except InputError:
        return None
