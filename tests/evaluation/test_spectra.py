"""Spectra of scenes and their means, against closed forms."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lstsr_core.evaluation.products import Products
from lstsr_core.evaluation.protocols import PROTOCOLS
from lstsr_core.evaluation.spectra import (
    MEAN_FREQUENCIES,
    SPECTRA_COLUMNS,
    mean_spectra,
    spectra_of_images,
    spectra_of_pair,
)
from lstsr_core.metrics.fourier import attenuation_db
from lstsr_core.pairs.pair import Pair
from lstsr_core.sharpening.methods import Options


def test_the_axis_of_an_image_ends_at_its_nyquist_frequency(synthetic_pair: Pair) -> None:
    image = synthetic_pair.ndvi
    table = spectra_of_images(
        {"ndvi": image, "twice": image.with_values(2.0 * image.values)}, published=False
    )
    axis = table[table["method"] == "ndvi"]["frequency_per_m"]
    assert len(axis) == len(attenuation_db(image.values)) and axis.is_monotonic_increasing
    assert axis.iloc[0] == 0.0 and axis.iloc[-1] <= 1.0 / (2.0 * image.pixel_width_m)
    first, second = (
        table[table["method"] == name]["attenuation_db"].to_numpy() for name in ("ndvi", "twice")
    )
    # Relative to the mean, so that a gain changes nothing.
    np.testing.assert_allclose(first, second, atol=1e-9)


def test_a_pair_has_spectra_of_aster_ndvi_and_each_product(synthetic_pair: Pair, tmp_path: Path) -> None:
    table = spectra_of_pair(
        synthetic_pair, list(PROTOCOLS), ["bicubic", "sc-unet", "tsharp"], Products(Options(weights=tmp_path))
    )
    assert table.columns.tolist() == SPECTRA_COLUMNS
    for protocol in PROTOCOLS:
        of_protocol = table[table["protocol"] == protocol]
        # No weights for the network.
        assert of_protocol["method"].unique().tolist() == [
            "aster",
            "ndvi",
            "bicubic",
            "tsharp",
        ]
        fine = of_protocol.groupby("method")["attenuation_db"].apply(
            lambda found: found.iloc[len(found) // 2 :].mean()
        )
        assert fine["bicubic"] < fine["tsharp"]


def test_a_pair_that_cannot_be_compared_has_none(synthetic_pair: Pair) -> None:
    blind = replace(
        synthetic_pair,
        aster=synthetic_pair.aster.with_values(np.full_like(synthetic_pair.aster.values, np.nan)),
    )
    table = spectra_of_pair(blind, ["georeferenced"], ["bicubic"], Products(Options()))
    assert table.empty and table.columns.tolist() == SPECTRA_COLUMNS


def line(scene: str, method: str, end_per_m: float, count: int, slope: float) -> pd.DataFrame:
    axis = np.linspace(0.0, end_per_m, count)
    head = {"scene": scene, "method": method, "protocol": "georeferenced"}
    return pd.DataFrame({**head, "frequency_per_m": axis, "attenuation_db": slope * axis})


def test_means_are_taken_at_frequencies_that_all_scenes_have() -> None:
    """Straight spectra, sampled differently: the mean is the straight line of the mean slope."""
    spectra = pd.concat(
        [
            line("a", "aster", 0.002, 31, -1000.0),
            line("b", "aster", 0.0021, 77, -3000.0),
            line("b", "dms", 0.0021, 77, -2000.0),
        ]
    )
    means = mean_spectra(spectra)
    aster, dms = (means[means["method"] == name] for name in ("aster", "dms"))
    assert len(aster) == len(dms) == MEAN_FREQUENCIES
    assert aster["scenes"].unique() == [2] and dms["scenes"].unique() == [1]
    assert aster["frequency_per_m"].iloc[[0, -1]].tolist() == [0.0, pytest.approx(0.002)]
    np.testing.assert_allclose(aster["attenuation_db"], -2000.0 * aster["frequency_per_m"], atol=1e-9)
    np.testing.assert_allclose(aster["std_db"], 1000.0 * aster["frequency_per_m"], atol=1e-9)
    np.testing.assert_allclose(dms["std_db"], 0.0)
