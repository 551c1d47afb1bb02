"""How far ASTER lies from what MODIS saw of the same ground: sub-pixel shifts of scenes, and their constant.

Neither the paper nor its database speaks of a shift. This companion found one, the same in all development
scenes and for the 1 km LST, NDVI and sharpened products alike, so that no method can be its cause.
"""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from lstsr_core.base.errors import InputError
from lstsr_core.geo.registration import Shift
from lstsr_core.patches.splits import group_folds

FOLDS, SEED = 5, 0


IMAGES = ("bicubic", "ndvi", "sc-unet")
"""What ASTER's shift is taken from: the 1 km LST, which no method has touched, NDVI, and a product."""

IMAGE = "sc-unet"
"""The image whose shifts the constant is fitted to: its features correlate best with ASTER's."""


def fit_constant(shifts: pd.DataFrame) -> Shift:
    """The constant: the means over the scenes of the rows and columns of `IMAGE`'s shifts.

    Medians differ more from fold to fold.

    Raises
    ------
    InputError
        If no scene has a shift.
    """
    rows = shifts[shifts["image"] == IMAGE]
    if rows.empty:
        raise InputError(f"no scene has a shift between ASTER and {IMAGE}; bring pairs with more texture.")
    return Shift(float(rows["rows"].mean()), float(rows["columns"].mean()))


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
        others, inside = fit_constant(shifts[fold_of != fold]), fit_constant(left_out)
        axes = [others.rows, others.columns, inside.rows, inside.columns]
        rows.append([fold, left_out["scene"].nunique(), *axes])
    return pd.DataFrame(
        rows, columns=["fold", "scenes", "rows", "columns", "rows_left_out", "columns_left_out"]
    )


def median_by_image(shifts: pd.DataFrame, images: Iterable[str] = IMAGES) -> pd.DataFrame:
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
