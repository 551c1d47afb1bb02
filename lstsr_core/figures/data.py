"""The numbers behind figures of pixels: an image's distribution."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lstsr_core.geo.raster import FloatArray

QUANTILES = {"p01": 0.01, "p10": 0.1, "q1": 0.25, "median": 0.5, "q3": 0.75, "p90": 0.9, "p99": 0.99}
DISTRIBUTION_COLUMNS = ["pixels", "mean", "std", "min", *QUANTILES, "max"]


def distributions(images: Mapping[str, FloatArray], name: str = "product") -> pd.DataFrame:
    """Mean, standard deviation, extremes and quantiles of images, over their valid pixels.

    Parameters
    ----------
    images : mapping of str to array
        Of any shape and unit; NaN is no value.
    name : str
        Of the column that holds the keys.

    Returns
    -------
    DataFrame
        A row for each image: `name` and `DISTRIBUTION_COLUMNS`, in the image's unit.
    """
    rows = []
    for key, image in images.items():
        valid = image[np.isfinite(image)]
        quantiles = np.quantile(valid, list(QUANTILES.values()))
        rows.append([key, valid.size, valid.mean(), valid.std(), valid.min(), *quantiles, valid.max()])
    return pd.DataFrame(rows, columns=[name, *DISTRIBUTION_COLUMNS])
