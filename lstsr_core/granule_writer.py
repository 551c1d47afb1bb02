"""Writing MODIS granules, with the scale, fill value and valid range that each product documents."""

from __future__ import annotations

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
from lstsr_core.raster import FloatArray, Raster

_REFLECTANCE_QC_CORRECTED = 4096
_REFLECTANCE_QC_FILL = 2995


def write_lst_granule(path: Path, lst: Raster, qc: IntegerArray | None = None) -> None:
    """Write a MOD21A1D granule.

    Parameters
    ----------
    path : Path
    lst : Raster
        Kelvin, 150 to 1310.7, rounded to 0.02 K; NaN becomes the fill value.
    qc : uint16 array of the same shape, optional
        Without it, every pixel is of good quality and NaN is not produced because of cloud.

    Raises
    ------
    InputError
        If a temperature cannot be stored, the shapes differ, or the file cannot be written.
    """
    missing = np.isnan(lst.values)
    if qc is None:
        qc = np.where(missing, QC_CLOUD, QC_GOOD)
    if qc.shape != lst.values.shape:
        raise InputError(f"{path}: LST has shape {lst.values.shape} (rows, columns), its QC {qc.shape}.")
    stored = _quantised(path, lst.values, LST_SCALE_K, LST_FILL, LST_VALID_RANGE, "K").astype(np.uint16)
    write_granule(
        path,
        "MODIS_Grid_Daily_1km_LST21",
        [
            GridDataset("LST_1KM", stored, LST_FILL, LST_VALID_RANGE, LST_SCALE_K, "Daily 1km Land-surface Temperature", "K"),
            GridDataset("QC", qc.astype(np.uint16), 0, (0, 65535), None, "Daily QC for LST and emissivity", "n/a"),
        ],
        lst.transform,
    )


def write_reflectance_granule(path: Path, red: Raster, nir: Raster) -> None:
    """Write a MOD09GQ granule.

    Parameters
    ----------
    path : Path
    red, nir : Raster
        Surface reflectance in bands 1 and 2, −0.01 to 1.6, rounded to 0.0001, on one grid; NaN becomes the fill value.

    Raises
    ------
    InputError
        If a reflectance cannot be stored, the grids differ, or the file cannot be written.
    """
    if red.values.shape != nir.values.shape or red.transform != nir.transform:
        raise InputError(
            f"{path}: red ({red.rows}×{red.columns} pixels, rows×columns) and NIR ({nir.rows}×{nir.columns}) are expected"
            " on the same grid."
        )
    bands = [
        GridDataset(
            f"sur_refl_b0{number}_1",
            _quantised(path, band.values, REFLECTANCE_SCALE, REFLECTANCE_FILL, REFLECTANCE_VALID_RANGE, "").astype(np.int16),
            REFLECTANCE_FILL,
            REFLECTANCE_VALID_RANGE,
            1.0 / REFLECTANCE_SCALE,
            f"250m Surface Reflectance Band {number} - first layer",
            "reflectance",
        )
        for number, band in enumerate((red, nir), start=1)
    ]
    missing = (bands[0].values == REFLECTANCE_FILL) | (bands[1].values == REFLECTANCE_FILL)
    qc = np.where(missing, _REFLECTANCE_QC_FILL, _REFLECTANCE_QC_CORRECTED).astype(np.uint16)
    quality = GridDataset(
        "QC_250m_1", qc, _REFLECTANCE_QC_FILL, (0, 4096), None, "250m Reflectance Band Quality - first layer", "bit field"
    )
    write_granule(path, "MODIS_Grid_2D", [*bands, quality], red.transform)


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
