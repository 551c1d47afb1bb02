"""How far ASTER lies from what MODIS saw of the same ground: sub-pixel shifts of scenes, and their constant.

Neither the paper nor its database speaks of a shift. This companion found one, the same in all development
scenes and for the 1 km LST, NDVI and sharpened products alike, so that no method can be its cause.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import ndimage

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.base.project import REGISTRATION
from lstsr_core.geo.raster import FloatArray
from lstsr_core.patches.splits import group_folds

SEARCH_PX = 6
"""Whole pixels, up and down, left and right, among which a shift is sought."""
STEP_PX = 0.05
"""Of the second search, about the best whole pixel."""
FOLDS, SEED = 5, 0


@dataclass(frozen=True)
class BandPass:
    """Which details of an image are compared: after a Gaussian of `inner_px`, less one of `outer_px`.

    Attributes
    ----------
    outer_px, inner_px : float
        Standard deviations in pixels; 0 leaves the finest details in.
    sign : int
        −1 where the image is low where ASTER is high, as NDVI is.
    """

    outer_px: float
    inner_px: float = 0.0
    sign: int = 1

    def __call__(self, image: FloatArray) -> FloatArray:
        fine = ndimage.gaussian_filter(image, self.inner_px) if self.inner_px else image
        details: FloatArray = fine - ndimage.gaussian_filter(image, self.outer_px)
        return details


BAND_PASSES = {
    "bicubic": BandPass(outer_px=8.0, inner_px=2.0),
    "ndvi": BandPass(outer_px=4.0, sign=-1),
    "sc-unet": BandPass(outer_px=6.0),
}
"""The images whose shifts are taken: the 1 km LST, NDVI, a product; each with details that it has."""

IMAGE = "sc-unet"
"""The image whose shifts the constant is fitted to: its details correlate best with ASTER's."""


@dataclass(frozen=True)
class Shift:
    """How far an image's features lie from those of another, in pixels.

    Attributes
    ----------
    rows, columns : float
        Down and to the right.
    correlation, correlation_in_place : float
        Of the details, at the shift and without it, −1 to 1.
    """

    rows: float
    columns: float
    correlation: float
    correlation_in_place: float


def shift_between(image: FloatArray, reference: FloatArray, band: BandPass) -> Shift:
    """The shift at which the details of an image correlate best with those of another.

    The correlation is that of the images' Fourier transforms, taken at whole pixels first, then by the matrix
    product of Guizar-Sicairos et al. (2008) at steps of `STEP_PX` about the best one; a parabola through the
    best step and its neighbours gives the rest.

    Parameters
    ----------
    image, reference : array of shape (rows, columns)
        Without NaN.
    band : BandPass

    Returns
    -------
    Shift
        Of `image` from `reference`.

    Raises
    ------
    NoResult
        If one of them has no details, or the best shift lies on the edge of the search.
    """
    details, others = (_windowed(band(array)) for array in (image, reference))
    scale = float(np.sqrt((details**2).sum() * (others**2).sum()))
    if not scale > 0.0:
        raise NoResult("an image without details has no shift")
    spectrum = band.sign * np.fft.fft2(details) * np.conj(np.fft.fft2(others)) / scale
    whole = np.fft.ifft2(spectrum).real
    offsets = np.arange(-SEARCH_PX, SEARCH_PX + 1)
    near = whole[np.ix_(offsets, offsets)]  # negative indices are shifts up and to the left
    row, column = _largest(near)
    if {row, column} & {0, 2 * SEARCH_PX}:
        raise NoResult(f"no shift within {SEARCH_PX - 1} pixels")
    steps = np.arange(-1.0, 1.0 + STEP_PX / 2, STEP_PX)
    rows, columns = offsets[row] + steps, offsets[column] + steps
    fine = _at(spectrum, rows, columns)
    row, column = (index + 1 for index in _largest(fine[1:-1, 1:-1]))
    down = rows[row] + STEP_PX * _vertex(*fine[row - 1 : row + 2, column])
    right = columns[column] + STEP_PX * _vertex(*fine[row, column - 1 : column + 2])
    return Shift(float(down), float(right), float(fine[row, column]), float(whole[0, 0]))


def _largest(values: FloatArray) -> tuple[int, int]:
    row, column = np.unravel_index(int(values.argmax()), values.shape)
    return int(row), int(column)


def _windowed(details: FloatArray) -> FloatArray:
    # Without a window the transform takes the edges, which do not meet, for details.
    rows, columns = (np.hanning(length) for length in details.shape)
    windowed: FloatArray = (details - details.mean()) * np.outer(rows, columns)
    return windowed


def _at(spectrum: NDArray[np.complexfloating], rows: FloatArray, columns: FloatArray) -> FloatArray:
    """The inverse transform at any rows and columns, whole or not."""
    frequencies = [np.fft.fftfreq(length) for length in spectrum.shape]
    by_row, by_column = (
        np.exp(2j * np.pi * np.outer(places, frequency))
        for places, frequency in zip((rows, columns), frequencies, strict=True)
    )
    values: FloatArray = (by_row @ spectrum @ by_column.T).real / spectrum.size
    return values


def _vertex(before: float, best: float, after: float) -> float:
    """Where a parabola through three equal steps is largest, in steps from the middle one."""
    bend = before - 2.0 * best + after
    return 0.5 * (before - after) / bend if bend < 0.0 else 0.0


def scene_shifts(images: dict[str, FloatArray], aster_k: FloatArray) -> list[dict[str, object]]:
    """ASTER's shift from each image of a scene.

    Parameters
    ----------
    images : dict
        By a name in `BAND_PASSES`, arrays of ASTER's shape.
    aster_k : array of shape (rows, columns)

    Returns
    -------
    list of dict
        image, rows, columns, correlation and correlation_in_place; an image without a shift is left out.
    """
    rows: list[dict[str, object]] = []
    for name, image in images.items():
        try:
            found = shift_between(aster_k, image, BAND_PASSES[name])
        except NoResult:
            continue
        rows.append({"image": name, **vars(found)})
    return rows


def fit_constant(shifts: pd.DataFrame) -> tuple[float, float]:
    """Rows and columns of the constant: the means over the scenes of `IMAGE`'s shifts.

    Medians differ more from fold to fold.

    Raises
    ------
    InputError
        If no scene has a shift.
    """
    rows = shifts[shifts["image"] == IMAGE]
    if rows.empty:
        raise InputError(f"no scene has a shift between ASTER and {IMAGE}; bring pairs with more details.")
    return float(rows["rows"].mean()), float(rows["columns"].mean())


def constants_of_folds(shifts: pd.DataFrame) -> pd.DataFrame:
    """The constant without each fold of whole groups, and what it is in the fold left out.

    Parameters
    ----------
    shifts : DataFrame
        With columns scene, group, image, rows and columns.

    Returns
    -------
    DataFrame
        Columns fold, scenes (left out), rows, columns (of the others' constant), rows_left_out,
        columns_left_out.
    """
    scenes = shifts.drop_duplicates("scene")
    folds = dict(
        zip(scenes["scene"], group_folds(scenes["group"].to_numpy(), FOLDS, SEED).tolist(), strict=True)
    )
    fold_of = shifts["scene"].map(folds)
    rows = []
    for fold in range(FOLDS):
        left_out = shifts[fold_of == fold]
        others = fit_constant(shifts[fold_of != fold])
        rows.append([fold, left_out["scene"].nunique(), *others, *fit_constant(left_out)])
    return pd.DataFrame(
        rows, columns=["fold", "scenes", "rows", "columns", "rows_left_out", "columns_left_out"]
    )


@lru_cache
def constant(path: Path = REGISTRATION) -> tuple[float, float]:
    """How many rows down and columns to the right of its true place ASTER lies in the published database.

    Fitted by ``lstsr register`` to the development scenes alone.

    Raises
    ------
    InputError
        If the file is missing or is none that the command wrote.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return float(content["rows"]), float(content["columns"])
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise InputError(
            f"{path}: not readable as the constant of the registration ({error}); fetch the file again, or"
            " make it anew with lstsr register."
        ) from error


def median_by_image(shifts: pd.DataFrame, images: Iterable[str] = BAND_PASSES) -> pd.DataFrame:
    """Over the scenes, by image: how many have a shift, the median and the middle half of rows and columns.

    Returns
    -------
    DataFrame
        Index: image; columns scenes, and for rows and columns the 25, 50 and 75 % quantiles, and the mean
        correlations.
    """
    rows = []
    for name in images:
        group = shifts[shifts["image"] == name]
        quartiles = [group[axis].quantile(q) for axis in ("rows", "columns") for q in (0.25, 0.5, 0.75)]
        means = [group[column].mean() for column in ("correlation_in_place", "correlation")]
        rows.append([name, len(group), *quartiles, *means])
    names = [f"{axis}_{q}" for axis in ("rows", "columns") for q in ("q1", "median", "q3")]
    return pd.DataFrame(
        rows, columns=["image", "scenes", *names, "correlation_in_place", "correlation"]
    ).set_index("image")
