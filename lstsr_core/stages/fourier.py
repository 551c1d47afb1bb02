"""What 05_fourier does: the spectra of ASTER, NDVI and every product, by scene and over the scenes."""

from __future__ import annotations

import numpy as np
import pandas as pd
from IPython.display import Image

from lstsr_core.base.errors import InputError
from lstsr_core.evaluation import spectra
from lstsr_core.evaluation import table as evaluation
from lstsr_core.figures import panels as figures
from lstsr_core.stages.common import choice_of, pairs_of, shown_pair, why_absent
from lstsr_core.stages.parameters import Fourier


def measure_spectra(settings: Fourier) -> pd.DataFrame:
    """Write ``spectra.csv``: attenuation of ASTER, NDVI and every product, for each scene and protocol."""
    choice = choice_of(settings, settings.protocols)
    parts = [
        spectra.spectra_of_pair(pair, settings.protocols, choice.methods, choice.products)
        for pair in pairs_of(settings, choice.pairs)
    ]
    measured = [part for part in parts if len(part)]
    if not measured:
        raise InputError(
            f"{settings.notebook}: none of the chosen pairs can be compared with ASTER; choose other 'pairs'."
        )
    table = pd.concat(measured, ignore_index=True)
    evaluation.write_table(table, settings.directory / "spectra.csv", decimals=9)
    return table


def mean_spectra(settings: Fourier, measured: pd.DataFrame) -> pd.DataFrame:
    """Write ``mean_spectra.csv``: mean and standard deviation over the
    scenes of each protocol, on 100 common frequencies."""
    means = spectra.mean_spectra(measured)
    evaluation.write_table(means, settings.directory / "mean_spectra.csv", decimals=9)
    return means


def attenuation_table(settings: Fourier, means: pd.DataFrame) -> pd.DataFrame:
    """Mean attenuation in dB at 0.25, 0.5, 1 and 2 cycles per km: ASTER,
    NDVI and each method; one that has none shows why."""
    wanted = np.array([0.25, 0.5, 1.0, 2.0])
    choice = choice_of(settings, settings.protocols)
    labels, rows = [], []
    for protocol in settings.protocols:
        groups = {
            str(name): group
            for name, group in means[means["protocol"] == protocol].groupby("method", sort=False)
        }
        for name in ["aster", "ndvi", *choice.methods]:
            labels.append(figures.label(name))
            if name in groups:
                curve = groups[name]
                values = np.interp(wanted / 1000.0, curve["frequency_per_m"], curve["attenuation_db"])
                rows.append([protocol, int(curve["scenes"].iloc[0]), *values])
            else:
                rows.append([protocol, why_absent(choice, protocol, name), *[np.nan] * len(wanted)])
    columns = ["protocol", "scenes", *(f"{frequency:g} per km" for frequency in wanted)]
    return pd.DataFrame(rows, index=labels, columns=columns)


def show_scene_spectra(settings: Fourier, measured: pd.DataFrame) -> Image:
    """Figure 11, left: the chosen scene's spectra."""
    scene = shown_pair(settings, choice_of(settings, settings.protocols).pairs).id
    chosen = measured[(measured["scene"] == scene) & (measured["protocol"] == settings.protocols[0])]
    figure = figures.spectra(chosen, f"Scene {scene}: the nearer to ASTER, the better")
    return figures.show(figure, settings.directory, "spectra_scene")


def show_mean_spectra(settings: Fourier, means: pd.DataFrame) -> Image:
    """Figure 11, right: mean ± standard deviation over the scenes."""
    chosen = means[means["protocol"] == settings.protocols[0]]
    title = f"Mean of {chosen['scenes'].max()} scenes; dotted: the 1 km grid's Nyquist frequency"
    return figures.show(figures.spectra(chosen, title), settings.directory, "spectra_mean")
