"""Attenuation spectra of ASTER, NDVI and every product, by
scene and over the scenes (the paper's figure 11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lstsr_core.evaluation.products import Products
from lstsr_core.evaluation.protocols import PROTOCOLS
from lstsr_core.evaluation.table import compare_all, compared_images
from lstsr_core.geo.raster import Raster
from lstsr_core.metrics.fourier import PUBLISHED_PIXEL_M, attenuation_db, frequencies_per_m
from lstsr_core.pairs.pair import Pair

SPECTRA_COLUMNS = ["scene", "method", "protocol", "frequency_per_m", "attenuation_db"]
MEAN_FREQUENCIES = 100


def spectra_of_images(images: Mapping[str, Raster], published: bool) -> pd.DataFrame:
    """Attenuation of each image of a scene.

    Parameters
    ----------
    images : mapping of str to Raster
    published : bool
        Take the published axis and first element (`fourier`).

    Returns
    -------
    DataFrame
        Columns method (the image's name), frequency_per_m and attenuation_db.
    """
    parts = []
    for name, image in images.items():
        attenuation = attenuation_db(image.values, published)
        axis = frequencies_per_m(
            len(attenuation), published, PUBLISHED_PIXEL_M if published else image.pixel_width_m
        )
        parts.append(pd.DataFrame({"method": name, "frequency_per_m": axis, "attenuation_db": attenuation}))
    return pd.concat(parts, ignore_index=True)


def spectra_of_pair(
    pair: Pair, protocols: Sequence[str], methods: Sequence[str], products: Products
) -> pd.DataFrame:
    """Spectra of all that a pair's products are compared in, under each
    protocol; no row where nothing can be compared.

    Returns
    -------
    DataFrame
        Columns `SPECTRA_COLUMNS`.
    """
    parts = []
    for protocol in protocols:
        placement = PROTOCOLS[protocol](pair)
        comparisons, _ = compare_all(placement, methods, products)
        if images := compared_images(comparisons):
            parts.append(
                spectra_of_images(images, placement.published).assign(scene=pair.id, protocol=protocol)
            )
    return (
        pd.concat(parts, ignore_index=True)[SPECTRA_COLUMNS]
        if parts
        else pd.DataFrame(columns=SPECTRA_COLUMNS)
    )


def mean_spectra(spectra: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over the scenes of each protocol, on frequencies that all of them have.

    Parameters
    ----------
    spectra : DataFrame
        Columns `SPECTRA_COLUMNS`.

    Returns
    -------
    DataFrame
        Columns frequency_per_m, attenuation_db, std_db, method, protocol and scenes;
        `MEAN_FREQUENCIES` rows for each protocol and method.
    """
    rows = []
    for protocol, of_protocol in spectra.groupby("protocol", sort=False):
        ends = of_protocol.groupby(["scene", "method"])["frequency_per_m"].agg(["min", "max"])
        common = np.linspace(ends["min"].max(), ends["max"].min(), MEAN_FREQUENCIES)
        for name, group in of_protocol.groupby("method", sort=False):
            scenes = [
                np.interp(common, g["frequency_per_m"], g["attenuation_db"])
                for _, g in group.groupby("scene", sort=False)
            ]
            part = {
                "frequency_per_m": common,
                "attenuation_db": np.mean(scenes, axis=0),
                "std_db": np.std(scenes, axis=0),
            }
            rows.append(pd.DataFrame(part).assign(method=name, protocol=protocol, scenes=len(scenes)))
    return pd.concat(rows, ignore_index=True)
