"""Writing MODIS granules, with the grid, scale, fill value and valid range that each product documents."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lstsr_core.errors import InputError
from lstsr_core.granule import (
    LST_FILL,
    LST_SCALE_K,
    LST_VALID_RANGE,
    QC_CLOUD,
    QC_GOOD,
    REFLECTANCE_FILL,
    REFLECTANCE_SCALE,
    REFLECTANCE_VALID_RANGE,
)  # fmt: skip
from lstsr_core.hdf_eos import GridDataset, IntegerArray, write_granule
from lstsr_core.raster import BoolArray, FloatArray, Raster

VIEW_TIME_SCALE_H = 0.1
VIEW_TIME_FILL = 255
VIEW_TIME_VALID_RANGE = (0, 240)
WATER_MASK_FILL = 250

_REFLECTANCE_QC_CORRECTED = 4096
_REFLECTANCE_QC_FILL = 2995


@dataclass(frozen=True)
class LstObservation:
    """What a LST granule holds of the day or of the night.

    Attributes
    ----------
    lst : Raster
        Kelvin, 150 to 1310.7; NaN where not produced.
    qc : integer array of the same shape, optional
        Without it, every pixel is of good quality and NaN is not produced because of cloud.
    view_time_h : array of the same shape, optional
        Local solar time in hours, 0 to 24; NaN where unknown.
    """

    lst: Raster
    qc: IntegerArray | None = None
    view_time_h: FloatArray | None = None


def write_lst_granule(path: Path, lst: Raster, qc: IntegerArray | None = None, view_time_h: FloatArray | None = None) -> None:
    """Write a MOD21A1D or MOD21A1N granule, which differ in nothing but when they were seen.

    Parameters
    ----------
    path : Path
    lst : Raster
        Kelvin, 150 to 1310.7, rounded to 0.02 K; NaN becomes the fill value.
    qc : uint16 array of the same shape, optional
        Without it, every pixel is of good quality and NaN is not produced because of cloud.
    view_time_h : array of the same shape, optional
        Local solar time in hours, 0 to 24, rounded to 0.1 h; NaN becomes the fill value. Without it there is no such dataset.

    Raises
    ------
    InputError
        If a temperature or a time cannot be stored, the shapes differ, or the file cannot be written.
    """
    observation = LstObservation(lst, qc, view_time_h)
    datasets = [
        _lst_dataset(path, observation, "LST_1KM", "Daily 1km Land-surface Temperature"),
        GridDataset("QC", _qc(path, observation, np.uint16), 0, (0, 65535), None, "Daily QC for LST and emissivity", "n/a"),
    ]
    if view_time_h is not None:
        datasets.append(_time_dataset(path, observation, "View_Time", "Time of Land-surface Temperature observation"))
    write_granule(path, "MODIS_Grid_Daily_1km_LST21", datasets, lst.transform)


def write_day_and_night_granule(path: Path, day: LstObservation, night: LstObservation) -> None:
    """Write a MOD11A1 granule.

    Parameters
    ----------
    path : Path
    day, night : LstObservation
        On one grid, both with or both without view times; `qc` holds 8 bits.

    Raises
    ------
    InputError
        If the grids differ, a temperature, QC or time cannot be stored, or the file cannot be written.
    """
    _check_one_grid(path, {"day": day.lst, "night": night.lst})
    datasets = []
    for observation, name, adjective in ((day, "Day", "daytime"), (night, "Night", "nighttime")):
        datasets += [
            _lst_dataset(path, observation, f"LST_{name}_1km", f"Daily {adjective} 1km grid Land-surface Temperature"),
            GridDataset(
                f"QC_{name}", _qc(path, observation, np.uint8), 0, (0, 255), None, f"Quality control for {adjective} LST", "n/a"
            ),
        ]
        if observation.view_time_h is not None:
            title = f"Time of {adjective} Land-surface Temperature observation"
            datasets.append(_time_dataset(path, observation, f"{name}_view_time", title))
    write_granule(path, "MODIS_Grid_Daily_1km_LST", datasets, day.lst.transform)


def write_reflectance_granule(path: Path, red: Raster, nir: Raster, qc: IntegerArray | None = None) -> None:
    """Write a MOD09GQ granule.

    Parameters
    ----------
    path : Path
    red, nir : Raster
        Surface reflectance in bands 1 and 2, −0.01 to 1.6, rounded to 0.0001, on one grid; NaN becomes the fill value.
    qc : uint16 array of the same shape, optional
        Without it, a pixel that has both bands is of ideal quality, and one that lacks a band has its fill value.

    Raises
    ------
    InputError
        If a reflectance cannot be stored, the grids differ, or the file cannot be written.
    """
    _check_one_grid(path, {"red": red, "NIR": nir})
    if qc is None:
        qc = np.where(np.isnan(red.values) | np.isnan(nir.values), _REFLECTANCE_QC_FILL, _REFLECTANCE_QC_CORRECTED)
    _check_shape(path, "QC", qc, red)
    quality = GridDataset(
        "QC_250m_1", qc.astype(np.uint16), _REFLECTANCE_QC_FILL, (0, 4096), None,
        "250m Reflectance Band Quality - first layer", "bit field",
    )  # fmt: skip
    bands = [_band_dataset(path, number, band, "250m") for number, band in enumerate((red, nir), start=1)]
    write_granule(path, "MODIS_Grid_2D", [*bands, quality], red.transform)


def write_rgb_granule(path: Path, red: Raster, green: Raster, blue: Raster) -> None:
    """Write the visible bands of a MOD09GA granule: 1 (red), 3 (blue) and 4 (green).

    Parameters
    ----------
    path : Path
    red, green, blue : Raster
        Surface reflectance, −0.01 to 1.6, rounded to 0.0001, on one grid of 500 m pixels; NaN becomes the fill value.

    Raises
    ------
    InputError
        If a reflectance cannot be stored, the grids differ, or the file cannot be written.
    """
    _check_one_grid(path, {"red": red, "green": green, "blue": blue})
    bands = [_band_dataset(path, number, band, "500m") for number, band in ((1, red), (3, blue), (4, green))]
    write_granule(path, "MODIS_Grid_500m_2D", bands, red.transform)


def write_water_granule(path: Path, water: Raster) -> None:
    """Write a MOD44W granule.

    Parameters
    ----------
    path : Path
    water : Raster
        1 on water and 0 on land, at 250 m; NaN, which becomes the fill value, outside the projection.

    Raises
    ------
    InputError
        If there is another value, or the file cannot be written.
    """
    stored = _quantised(path, water.values, 1, WATER_MASK_FILL, (0, 1), "").astype(np.uint8)
    mask = GridDataset("water_mask", stored, WATER_MASK_FILL, (0, 1), None, "Land-water mask", "class")
    write_granule(path, "MOD44W_250m_GRID", [mask], water.transform)


def _lst_dataset(path: Path, observation: LstObservation, name: str, title: str) -> GridDataset:
    stored = _quantised(path, observation.lst.values, LST_SCALE_K, LST_FILL, LST_VALID_RANGE, "K").astype(np.uint16)
    return GridDataset(name, stored, LST_FILL, LST_VALID_RANGE, LST_SCALE_K, title, "K")


def _qc(path: Path, observation: LstObservation, number_type: type[np.unsignedinteger]) -> IntegerArray:
    qc = observation.qc
    if qc is None:
        qc = np.where(np.isnan(observation.lst.values), QC_CLOUD, QC_GOOD)
    _check_shape(path, "QC", qc, observation.lst)
    largest = np.iinfo(number_type).max
    if qc.size and not 0 <= qc.min() <= qc.max() <= largest:
        raise InputError(f"{path}: its QC goes from {qc.min()} to {qc.max()}; the product holds 0 to {largest}.")
    return qc.astype(number_type)


def _time_dataset(path: Path, observation: LstObservation, name: str, title: str) -> GridDataset:
    times_h = observation.view_time_h
    assert times_h is not None
    _check_shape(path, "view time", times_h, observation.lst)
    stored = _quantised(path, times_h, VIEW_TIME_SCALE_H, VIEW_TIME_FILL, VIEW_TIME_VALID_RANGE, "h").astype(np.uint8)
    return GridDataset(name, stored, VIEW_TIME_FILL, VIEW_TIME_VALID_RANGE, VIEW_TIME_SCALE_H, title, "hrs")


def _band_dataset(path: Path, number: int, band: Raster, resolution: str) -> GridDataset:
    stored = _quantised(path, band.values, REFLECTANCE_SCALE, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE, "").astype(np.int16)
    title = f"{resolution} Surface Reflectance Band {number} - first layer"
    return GridDataset(
        f"sur_refl_b{number:02d}_1", stored, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE, 1.0 / REFLECTANCE_SCALE, title,
        "reflectance",
    )  # fmt: skip


def _check_one_grid(path: Path, rasters: Mapping[str, Raster]) -> None:
    if len({(raster.values.shape, raster.transform) for raster in rasters.values()}) != 1:
        listed = " and ".join(f"{name} ({raster.rows}×{raster.columns} pixels, rows×columns)" for name, raster in rasters.items())
        raise InputError(f"{path}: {listed} are expected on the same grid.")


def _check_shape(path: Path, name: str, values: FloatArray | IntegerArray | BoolArray, grid: Raster) -> None:
    if values.shape != grid.values.shape:
        raise InputError(f"{path}: its pixels have shape {grid.values.shape} (rows, columns), its {name} {values.shape}.")


def _quantised(path: Path, values: FloatArray, scale: float, fill: int, valid_range: tuple[int, int], unit: str) -> FloatArray:
    stored: FloatArray = np.rint(values.astype(np.float64) / scale)
    outside = (stored < valid_range[0]) | (stored > valid_range[1])
    if outside.any():
        low, high = valid_range[0] * scale, valid_range[1] * scale
        raise InputError(
            f"{path}: {values[outside].flat[0]:g} {unit}".rstrip()
            + f" cannot be stored; the product holds {low:g} to {high:g} {unit}".rstrip()
            + ", and NaN for nodata."
        )
    stored[np.isnan(stored)] = fill
    return stored
