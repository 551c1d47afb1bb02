"""What 05_fourier does: the spectra of ASTER, NDVI and every product, by scene and over the scenes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from IPython.display import Image

from lstsr_core.base.errors import InputError
from lstsr_core.evaluation import spectra
from lstsr_core.evaluation.table import write_table
from lstsr_core.figures import panels
from lstsr_core.stages.common import choice_of, pairs_of, shown_pair, why_absent
from lstsr_core.stages.parameters import Fourier


def measure_spectra(settings: Fourier) -> pd.DataFrame:
    """Write ``spectra.csv``: attenuation of ASTER, NDVI and every product, for each scene and protocol."""
    choice = choice_of(settings, settings.protocols)
    parts = [
        spectra.spectra_of_pair(pair, settings.protocols, choice.methods, choice.products)
        for pair in pairs_of(settings, choice.pairs)
    ]
    filled = [part for part in parts if len(part)]
    if not filled:
        raise InputError(
            f"{settings.notebook}: none of the chosen pairs can be compared with ASTER; choose other 'pairs'."
        )
    table = pd.concat(filled, ignore_index=True)
    write_table(table, settings.directory / "spectra.csv", decimals=9)
    return table


def mean_spectra(settings: Fourier, table: pd.DataFrame) -> pd.DataFrame:
    """Write ``mean_spectra.csv``: mean and standard deviation over the
    scenes of each protocol, on 100 common frequencies."""
    means = spectra.mean_spectra(table)
    write_table(means, settings.directory / "mean_spectra.csv", decimals=9)
    return means


def attenuation_table(settings: Fourier, means: pd.DataFrame) -> pd.DataFrame:
    """Mean attenuation in dB at 0.25, 0.5, 1 and 2 cycles per km: ASTER,
    NDVI and each method; one that has none shows why."""
    frequencies = np.array([0.25, 0.5, 1.0, 2.0])
    choice = choice_of(settings, settings.protocols)
    labels, rows = [], []
    for protocol in settings.protocols:
        groups = {
            str(name): group
            for name, group in means[means["protocol"] == protocol].groupby("method", sort=False)
        }
        for name in ["aster", "ndvi", *choice.methods]:
            labels.append(panels.label(name))
            if name in groups:
                curve = groups[name]
                values = np.interp(frequencies / 1000.0, curve["frequency_per_m"], curve["attenuation_db"])
                rows.append([protocol, int(curve["scenes"].iloc[0]), *values])
            else:
                rows.append([protocol, why_absent(choice, protocol, name), *[np.nan] * len(frequencies)])
    columns = ["protocol", "scenes", *(f"{frequency:g} per km" for frequency in frequencies)]
    return pd.DataFrame(rows, index=labels, columns=columns)


def show_scene_spectra(settings: Fourier, table: pd.DataFrame) -> Image:
    """Figure 11, left: the chosen scene's spectra."""
    scene = shown_pair(settings, choice_of(settings, settings.protocols).pairs).id
    rows = table[(table["scene"] == scene) & (table["protocol"] == settings.protocols[0])]
    figure = panels.spectra(rows, f"Scene {scene}: the nearer to ASTER, the better")
    return panels.show(figure, settings.directory, "spectra_scene")


def show_mean_spectra(settings: Fourier, means: pd.DataFrame) -> Image:
    """Figure 11, right: mean ± standard deviation over the scenes."""
    rows = means[means["protocol"] == settings.protocols[0]]
    title = f"Mean of {rows['scenes'].max()} scenes; dotted: the 1 km grid's Nyquist frequency"
    return panels.show(panels.spectra(rows, title), settings.directory, "spectra_mean")
