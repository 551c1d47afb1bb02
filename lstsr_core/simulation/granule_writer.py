"""Writing MODIS granules, with the grid, scale, fill value and valid range that each product documents.

What real files have besides is written, too, so that readers meet it: pieces and padding, metadata of
their length, texts where numbers are expected. It was taken from files of MOD11A1, MOD09GA and
MOD44W; of MOD21, MOD09GQ and MOD13Q1 from their descriptions.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine

from lstsr_core.base.errors import InputError
from lstsr_core.geo.raster import BoolArray, FloatArray, Raster
from lstsr_core.modis.granule import (
    LST_FILL,
    LST_SCALE_K,
    LST_VALID_RANGE,
    NDVI_DATASET,
    NDVI_FILL,
    NDVI_SCALE,
    NDVI_VALID_RANGE,
    QC_CLOUD,
    QC_GOOD,
    REFLECTANCE_FILL,
    REFLECTANCE_SCALE,
    REFLECTANCE_VALID_RANGE,
    RELIABILITY_DATASET,
    RELIABILITY_FILL,
    RELIABILITY_GOOD,
    VIEW_TIME_FILL,
    VIEW_TIME_SCALE_H,
    VIEW_TIME_VALID_RANGE,
)  # fmt: skip
from lstsr_core.modis.hdf4 import IntegerArray
from lstsr_core.modis.hdf_eos import Grid, GridDataset, Storage, write_granule, write_grids
from lstsr_core.modis.names import GranuleName
from lstsr_core.simulation.granule_metadata import archive_texts

WATER_MASK_FILL, WATER_MASK_OUTSIDE = 253, 250

_REFLECTANCE_QC_CORRECTED = 4096
_REFLECTANCE_QC_FILL = 2995
_CALIBRATION = {"scale_factor_err": 0.0, "add_offset_err": 0.0, "calibrated_nt": 5}
_LST_ZONES = 86400
_REFLECTANCE_CHUNK_ROWS, _WATER_CHUNK_ROWS = 32, 4800
_WHOLE_DAY = datetime.time(), datetime.time(23, 59, 59)
_DAYLIGHT = datetime.time(9, 55), datetime.time(13, 20)


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


def write_lst_granule(
    path: Path,
    lst: Raster,
    qc: IntegerArray | None = None,
    view_time_h: FloatArray | None = None,
    name: GranuleName | None = None,
) -> None:
    """Write a MOD21A1D or MOD21A1N granule, which differ in nothing but when they were seen.

    Parameters
    ----------
    path : Path
    lst : Raster
        Kelvin, 150 to 1310.7, rounded to 0.02 K; NaN becomes the fill value.
    qc : uint16 array of the same shape, optional
        Without it, every pixel is of good quality and NaN is not produced because of cloud.
    view_time_h : array of the same shape, optional
        Local solar time in hours, 0 to 24, rounded to 0.1 h; NaN becomes the
        fill value. Without it there is no such dataset.
    name : GranuleName, optional
        Goes into the archive's metadata, which the file lacks without it.

    Raises
    ------
    InputError
        If a temperature or a time cannot be stored, the shapes differ, or the file cannot be written.
    """
    observation = LstObservation(lst, qc, view_time_h)
    datasets = [
        _lst_dataset(path, observation, "LST_1KM", "Daily 1km Land-surface Temperature", {"add_offset": 0.0}),
        GridDataset(
            "QC", _qc(path, observation, np.uint16), 0, (0, 65535), None, "Daily QC for LST and emissivity",
            "n/a", {"scale_factor": "n/a", "add_offset": "n/a"},
        ),
        *(_emissivity_dataset(observation, band) for band in (29, 31, 32)),
        _angle_dataset(observation, "View_Angle", "View zenith angle of Land-surface Temperature"),
    ]  # fmt: skip
    if view_time_h is not None:
        title = "Time of Land-surface Temperature observation"
        datasets.append(_time_dataset(path, observation, "View_Time", title, {"add_offset": 0.0}))
    storage = Storage(_LST_ZONES, texts=_texts(name, datasets, _WHOLE_DAY))
    write_granule(path, "MODIS_Grid_Daily_1km_LST21", datasets, lst.transform, storage)


def write_day_and_night_granule(
    path: Path, day: LstObservation, night: LstObservation, name: GranuleName | None = None
) -> None:
    """Write a MOD11A1 granule.

    Parameters
    ----------
    path : Path
    day, night : LstObservation
        On one grid, both with or both without view times; `qc` holds 8 bits.
    name : GranuleName, optional
        As in `write_lst_granule`.

    Raises
    ------
    InputError
        If the grids differ, a temperature, QC or time cannot be stored, or the file cannot be written.
    """
    _check_one_grid(path, {"day": day.lst, "night": night.lst})
    datasets = []
    for observation, part, adjective in ((day, "Day", "daytime"), (night, "Night", "nighttime")):
        qc, title = _qc(path, observation, np.uint8), f"Quality control for {adjective} LST and emissivity"
        datasets += [
            _lst_dataset(
                path, observation, f"LST_{part}_1km", f"Daily {adjective} 1km grid Land-surface Temperature"
            ),
            GridDataset(f"QC_{part}", qc, "NA\0", (0, 255), None, title, "n/a", {"Number Type": "uint8"}),
        ]
        if observation.view_time_h is not None:
            title = f"Time of {adjective} Land-surface Temperature observation"
            datasets.append(_time_dataset(path, observation, f"{part}_view_time", title))
        title = f"View zenith angle of {adjective} Land-surface Temperature"
        datasets.append(_angle_dataset(observation, f"{part}_view_angl", title))
    datasets += [_emissivity_dataset(day, band) for band in (31, 32)]
    for observation, part in ((day, "day"), (night, "night")):
        cover = np.where(np.isnan(observation.lst.values), 0, 2000).astype(np.uint16)
        title = f"{part} clear-sky coverage"
        datasets.append(
            GridDataset(f"Clear_{part}_cov", cover, 0, (1, 65535), 0.0005, title, "none", _CALIBRATION)
        )
    storage = Storage(_LST_ZONES, texts=_texts(name, datasets, _WHOLE_DAY))
    write_granule(path, "MODIS_Grid_Daily_1km_LST", datasets, day.lst.transform, storage)


def write_reflectance_granule(
    path: Path, red: Raster, nir: Raster, qc: IntegerArray | None = None, name: GranuleName | None = None
) -> None:
    """Write a MOD09GQ granule.

    Parameters
    ----------
    path : Path
    red, nir : Raster
        Surface reflectance in bands 1 and 2, −0.01 to 1.6, rounded to
        0.0001, on one grid; NaN becomes the fill value.
    qc : uint16 array of the same shape, optional
        Without it, a pixel that has both bands is of ideal
        quality, and one that lacks a band has its fill value.
    name : GranuleName, optional
        As in `write_lst_granule`.

    Raises
    ------
    InputError
        If a reflectance cannot be stored, the grids differ, or the file cannot be written.
    """
    _check_one_grid(path, {"red": red, "NIR": nir})
    if qc is None:
        qc = np.where(
            np.isnan(red.values) | np.isnan(nir.values), _REFLECTANCE_QC_FILL, _REFLECTANCE_QC_CORRECTED
        )
    _check_shape(path, "QC", qc, red)
    quality = GridDataset(
        "QC_250m_1", qc.astype(np.uint16), _REFLECTANCE_QC_FILL, (0, 4096), None,
        "250m Reflectance Band Quality - first layer", "bit field",
    )  # fmt: skip
    bands = [_band_dataset(path, number, band, "250m") for number, band in enumerate((red, nir), start=1)]
    datasets = [_count_dataset(red.values, "num_observations_250m"), *bands, quality]
    storage = Storage(chunk_rows=_REFLECTANCE_CHUNK_ROWS, texts=_texts(name, datasets, _DAYLIGHT))
    write_granule(path, "MODIS_Grid_2D", datasets, red.transform, storage)


def write_rgb_granule(
    path: Path, red: Raster, green: Raster, blue: Raster, name: GranuleName | None = None
) -> None:
    """Write the visible bands of a MOD09GA granule: 1 (red), 3 (blue) and 4 (green).

    Parameters
    ----------
    path : Path
    red, green, blue : Raster
        Surface reflectance, −0.01 to 1.6, rounded to 0.0001, on one
        grid of 500 m pixels; NaN becomes the fill value.
    name : GranuleName, optional
        As in `write_lst_granule`.

    Raises
    ------
    InputError
        If a reflectance cannot be stored, the grids differ, or the file cannot be written.
    """
    _check_one_grid(path, {"red": red, "green": green, "blue": blue})
    bands = [_band_dataset(path, number, band, "500m") for number, band in ((1, red), (3, blue), (4, green))]
    # A further grid, of 1 km, comes first.
    coarse = red.values[::2, ::2]
    state = GridDataset(
        "state_1km_1", np.zeros(coarse.shape, np.uint16), 65535, (0, 57335), None,
        "1km Reflectance Data State QA - first layer", "bit field",
    )  # fmt: skip
    quality = GridDataset(
        "QC_500m_1", np.full(red.values.shape, 1 << 30, np.uint32), 787410671, (0, 4294966019), None,
        "500m Reflectance Band Quality - first layer", "bit field",
    )  # fmt: skip
    grids = [
        Grid(
            "MODIS_Grid_1km_2D",
            [_count_dataset(coarse, "num_observations_1km"), state],
            red.transform @ Affine.scale(2),
        ),
        Grid(
            "MODIS_Grid_500m_2D",
            [_count_dataset(red.values, "num_observations_500m"), *bands, quality],
            red.transform,
        ),
    ]
    write_grids(
        path, grids, Storage(chunk_rows=_REFLECTANCE_CHUNK_ROWS, texts=_texts(name, bands, _DAYLIGHT))
    )


def write_composite_granule(
    path: Path, ndvi: Raster, reliability: IntegerArray | None = None, name: GranuleName | None = None
) -> None:
    """Write the NDVI of a MOD13Q1 granule, with its pixel reliability.

    Parameters
    ----------
    path : Path
    ndvi : Raster
        −0.2 to 1, rounded to 0.0001, at 250 m; NaN becomes the fill value.
    reliability : int8 array of the same shape, optional
        0 good, 1 marginal, 2 snow, 3 cloud, −1 none; without it, 0 where there is NDVI and −1 elsewhere.
    name : GranuleName, optional
        As in `write_lst_granule`.

    Raises
    ------
    InputError
        If an NDVI cannot be stored, the shapes differ, or the file cannot be written.
    """
    stored = _quantised(path, ndvi.values, NDVI_SCALE, NDVI_FILL, NDVI_VALID_RANGE, "").astype(np.int16)
    if reliability is None:
        reliability = np.where(np.isnan(ndvi.values), RELIABILITY_FILL, RELIABILITY_GOOD)
    _check_shape(path, RELIABILITY_DATASET, reliability, ndvi)
    datasets = [
        GridDataset(
            NDVI_DATASET, stored, NDVI_FILL, NDVI_VALID_RANGE, 1.0 / NDVI_SCALE, NDVI_DATASET, "NDVI",
            {"add_offset": 0.0, **_CALIBRATION},
        ),
        GridDataset(
            RELIABILITY_DATASET, reliability.astype(np.int8), RELIABILITY_FILL, (0, 3), None,
            RELIABILITY_DATASET, "rank",
        ),
    ]  # fmt: skip
    storage = Storage(chunk_rows=_REFLECTANCE_CHUNK_ROWS, texts=_texts(name, datasets, _WHOLE_DAY))
    write_granule(path, "MODIS_Grid_16DAY_250m_500m_VI", datasets, ndvi.transform, storage)


def write_water_granule(
    path: Path, water: Raster, name: GranuleName | None = None, unknown: BoolArray | None = None
) -> None:
    """Write a MOD44W granule.

    Parameters
    ----------
    path : Path
    water : Raster
        1 on water and 0 on land, at 250 m; NaN outside the projection, which
        has a number of its own, beside the fill value.
    name : GranuleName, optional
        As in `write_lst_granule`.
    unknown : bool array of the same shape, optional
        Pixels that become the fill value, whatever they are.

    Raises
    ------
    InputError
        If there is another value, the shapes differ, or the file cannot be written.
    """
    stored = _quantised(path, water.values, 1, WATER_MASK_OUTSIDE, (0, 1), "").astype(np.uint8)
    if unknown is not None:
        _check_shape(path, "unknown pixels", unknown, water)
        stored[unknown] = WATER_MASK_FILL
    legend = {"Legend": f"0 -- land\n1 -- water\n{WATER_MASK_OUTSIDE} -- outside of projection"}
    confidence = np.where(stored == WATER_MASK_OUTSIDE, 10, 1).astype(np.uint8)
    datasets = [
        GridDataset(
            "water_mask", stored, WATER_MASK_FILL, (0, WATER_MASK_OUTSIDE), None, "water_mask", "none", legend
        ),
        GridDataset("water_mask_QA", confidence, WATER_MASK_FILL, (1, 10), None, "water_mask_QA", "none"),
    ]
    storage = Storage(
        chunk_rows=_WATER_CHUNK_ROWS, texts=_texts(name, datasets, (datetime.time(), datetime.time()))
    )
    write_granule(path, "MOD44W_250m_GRID", datasets, water.transform, storage)


def _texts(
    name: GranuleName | None, datasets: Sequence[GridDataset], times: tuple[datetime.time, datetime.time]
) -> dict[str, str]:
    return (
        archive_texts(name, [dataset.long_name for dataset in datasets], *times) if name is not None else {}
    )


def _lst_dataset(
    path: Path,
    observation: LstObservation,
    name: str,
    title: str,
    further: Mapping[str, str | int | float] | None = None,
) -> GridDataset:
    stored = _quantised(path, observation.lst.values, LST_SCALE_K, LST_FILL, LST_VALID_RANGE, "K").astype(
        np.uint16
    )
    attributes = {"LST": "LST data * scale_factor", **_CALIBRATION, **(further or {})}
    return GridDataset(name, stored, LST_FILL, LST_VALID_RANGE, LST_SCALE_K, title, "K", attributes)


def _emissivity_dataset(observation: LstObservation, band: int) -> GridDataset:
    stored = np.where(np.isnan(observation.lst.values), 0, 245).astype(np.uint8)
    attributes = {"add_offset": 0.49, **_CALIBRATION}
    return GridDataset(
        f"Emis_{band}", stored, 0, (1, 255), 0.002, f"Band {band} emissivity", "none", attributes
    )


def _angle_dataset(observation: LstObservation, name: str, title: str) -> GridDataset:
    stored = np.where(np.isnan(observation.lst.values), 255, 65).astype(np.uint8)
    return GridDataset(name, stored, 255, (0, 130), 1.0, title, "deg", {"add_offset": -65.0, **_CALIBRATION})


def _count_dataset(band: FloatArray, name: str) -> GridDataset:
    stored = np.isfinite(band).astype(np.int8)
    return GridDataset(name, stored, -1, (0, 127), None, "Number of Observations", "none")


def _qc(path: Path, observation: LstObservation, number_type: type[np.unsignedinteger]) -> IntegerArray:
    qc = observation.qc
    if qc is None:
        qc = np.where(np.isnan(observation.lst.values), QC_CLOUD, QC_GOOD)
    _check_shape(path, "QC", qc, observation.lst)
    largest = np.iinfo(number_type).max
    if qc.size and not 0 <= qc.min() <= qc.max() <= largest:
        raise InputError(
            f"{path}: its QC goes from {qc.min()} to {qc.max()}; the product holds 0 to {largest}."
        )
    return qc.astype(number_type)


def _time_dataset(
    path: Path,
    observation: LstObservation,
    name: str,
    title: str,
    further: Mapping[str, str | int | float] | None = None,
) -> GridDataset:
    times_h = observation.view_time_h
    assert times_h is not None
    _check_shape(path, "view time", times_h, observation.lst)
    stored = _quantised(path, times_h, VIEW_TIME_SCALE_H, VIEW_TIME_FILL, VIEW_TIME_VALID_RANGE, "h").astype(
        np.uint8
    )
    attributes = {**_CALIBRATION, **(further or {})}
    return GridDataset(
        name, stored, VIEW_TIME_FILL, VIEW_TIME_VALID_RANGE, VIEW_TIME_SCALE_H, title, "hrs", attributes
    )


def _band_dataset(path: Path, number: int, band: Raster, resolution: str) -> GridDataset:
    stored = _quantised(
        path, band.values, REFLECTANCE_SCALE, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE, ""
    ).astype(np.int16)
    title = f"{resolution} Surface Reflectance Band {number} - first layer"
    return GridDataset(
        f"sur_refl_b{number:02d}_1", stored, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE,
        1.0 / REFLECTANCE_SCALE, title, "reflectance",
        {"add_offset": 0.0, **_CALIBRATION, "Nadir Data Resolution": resolution},
    )  # fmt: skip


def _check_one_grid(path: Path, rasters: Mapping[str, Raster]) -> None:
    if len({(raster.values.shape, raster.transform) for raster in rasters.values()}) != 1:
        listed = " and ".join(
            f"{name} ({raster.rows}×{raster.columns} pixels, rows×columns)"
            for name, raster in rasters.items()
        )
        raise InputError(f"{path}: {listed} are expected on the same grid.")


def _check_shape(path: Path, name: str, values: FloatArray | IntegerArray | BoolArray, grid: Raster) -> None:
    if values.shape != grid.values.shape:
        raise InputError(
            f"{path}: its pixels have shape {grid.values.shape} (rows, columns), its {name} {values.shape}."
        )


def _quantised(
    path: Path, values: FloatArray, scale: float, fill: int, valid_range: tuple[int, int], unit: str
) -> FloatArray:
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
