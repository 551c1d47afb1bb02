"""Maps of many days in one Zarr store, with coordinates and the attributes of the CF conventions."""

from __future__ import annotations

import os
import shutil
from collections.abc import Hashable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray

from lstsr_core.base.errors import InputError
from lstsr_core.base.fingerprint import fingerprint
from lstsr_core.base.progress import step
from lstsr_core.base.project import replace_folder
from lstsr_core.maps.attributes import ATTRIBUTES
from lstsr_core.maps.days import Outcome, Plan, map_days
from lstsr_core.maps.predict import request_tags
from lstsr_core.maps.stack import stack_of
from lstsr_core.modis.dataset import CONVENTIONS
from lstsr_core.modis.names import GranuleName

FINGERPRINT = "lstsr_fingerprint"

_NAMES = {"consistency residual at 1 km": "residual"}


def read_fingerprint(store: Path) -> str | None:
    """What a store of `write_zarr` was made from; None where there is none.

    Raises
    ------
    InputError
        If something else has the name, which must not be replaced.
    """
    if not store.exists() and not store.is_symlink():
        return None
    try:
        with xarray.open_zarr(store, chunks=None) as dataset:
            return str(dataset.attrs[FINGERPRINT])
    except Exception as error:  # zarr has errors of many kinds for what is no store
        raise InputError(
            f"{store}: is there, and is no Zarr store that 'lstsr map' wrote; give --out another name."
        ) from error


def map_store(plan: Plan, store: Path) -> list[Outcome] | None:
    """Map every day of an order into one store.

    The days' maps lie in a hidden folder beside it, so that a run which was stopped goes on; it goes when
    the store is whole. Where a day fails there is no new store.

    Returns
    -------
    list of Outcome, or None
        None where the store is there already, made from the same.

    Raises
    ------
    InputError
        As `read_fingerprint` and `write_zarr`.
    """
    made_from = _made_from(plan)
    if read_fingerprint(store) == made_from:
        return None
    folder = store.with_name(f".{store.name}.days")
    outcomes = list(map_days(plan, folder))
    if any(outcome.failed for outcome in outcomes):
        return outcomes
    maps = {
        outcome.summary.out: GranuleName.parse(next(iter(plan.granules(outcome.day).values()))[0].name)
        for outcome in outcomes
        if outcome.summary is not None
    }
    if maps:
        more = {"history": f"lstsr {version('lstsr')}, method {plan.order.request.method}"}
        more |= {"place": plan.order.place.name, "granules_from": plan.source.name, FINGERPRINT: made_from}
        with step(f"Writing {store.name}"):
            write_zarr(maps, store, more)
    shutil.rmtree(folder, ignore_errors=True)
    return outcomes


def _made_from(plan: Plan) -> str:
    shared, days = request_tags(plan.order.request), {}
    for day in plan.order.days:
        try:
            days[str(day)] = plan.tags(day, shared)["LSTSR_FINGERPRINT"]
        except InputError as error:
            days[str(day)] = str(error)
    return fingerprint(days)


def write_zarr(maps: Mapping[Path, GranuleName], store: Path, attributes: Mapping[str, str]) -> None:
    """Write maps as one store of dimensions (time, y, x), whole or not at all; memory holds a few chunks.

    Parameters
    ----------
    maps : mapping of Path to GranuleName
        Maps of one area, each with the LST granule that tells its day.
    store : Path
        A directory, which takes the place of an older store.
    attributes : mapping of str to str
        Of the store, beside those of CF; `FINGERPRINT` among them.

    Raises
    ------
    InputError
        If the maps do not go together, or the store cannot be written.
    """
    dataset = _with_attributes(stack_of(maps)).assign_attrs(attributes)
    encoding: dict[Hashable, dict[str, Any]] = {
        name: {"chunks": _chunks(dataset[name])} for name in dataset.data_vars
    }
    for name in dataset.data_vars:
        dataset[name].encoding = {}
        dataset[name].attrs["grid_mapping"] = "spatial_ref"
        if dataset[name].dtype.kind == "f":
            encoding[name]["_FillValue"] = np.float32(np.nan)
    encoding["time"] = {"units": "days since 1970-01-01", "dtype": "int32"}
    part = store.with_name(f".{store.name}.{os.getpid()}.part")
    try:
        # Format 2, which GDAL reads since 3.4, and whose metadata in one file every reader knows.
        dataset.to_zarr(part, mode="w", encoding=encoding, zarr_format=2, consolidated=True)
        replace_folder(part, store)
        for remnant in store.parent.glob(f".{store.name}.*.part"):  # of a run that was killed
            shutil.rmtree(remnant, ignore_errors=True)
    except OSError as error:
        raise InputError(
            f"{store}: cannot be written ({error.strerror or error}). Free some space or choose a directory"
            " that you may write to."
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _with_attributes(dataset: xarray.Dataset) -> xarray.Dataset:
    dataset = dataset.rename({name: _NAMES[name] for name in _NAMES if name in dataset})
    dataset["validity"] = dataset["validity"].astype("uint8")
    for name, variable in dataset.variables.items():
        if name in ATTRIBUTES:
            variable.attrs = dict(ATTRIBUTES[str(name)])
    if "uncertainty" in dataset:
        dataset["LST"].attrs["ancillary_variables"] += " uncertainty"
    dataset.attrs = {
        "Conventions": CONVENTIONS,
        "title": "Land surface temperature at 250 m",
        "source": "MODIS LST and NDVI, sharpened by lstsr",
    }
    return dataset


def _chunks(variable: xarray.DataArray) -> tuple[int, ...]:
    return tuple(sizes[0] for sizes in variable.chunks or ())
