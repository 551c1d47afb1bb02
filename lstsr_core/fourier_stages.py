"""What 05_fourier does: the spectra of ASTER, NDVI and every product, by scene and over the scenes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from IPython.display import Image

from lstsr_core import evaluation, figures
from lstsr_core.errors import InputError
from lstsr_core.fourier import PUBLISHED_PIXEL_M, attenuation_db, frequencies_per_m
from lstsr_core.parameters import Fourier
from lstsr_core.placement import PROTOCOLS
from lstsr_core.raster import Raster
from lstsr_core.stages import chosen_pairs, compared_images, pairs_of, shown_pair, why_absent


def spectra_of_images(images: Mapping[str, Raster], published: bool) -> pd.DataFrame:
    """Attenuation of each image of a scene: columns method (the image's name), frequency_per_m and attenuation_db."""
    parts = []
    for name, image in images.items():
        attenuation = attenuation_db(image.values, published)
        axis = frequencies_per_m(len(attenuation), published, PUBLISHED_PIXEL_M if published else image.pixel_width_m)
        parts.append(pd.DataFrame({"method": name, "frequency_per_m": axis, "attenuation_db": attenuation}))
    return pd.concat(parts, ignore_index=True)


def measure_spectra(settings: Fourier) -> pd.DataFrame:
    """Write ``spectra.csv``: attenuation of ASTER, NDVI and every product, for each scene and protocol."""
    parts = []
    for pair in pairs_of(settings, chosen_pairs(settings)):
        for protocol in settings.protocols:
            placement = PROTOCOLS[protocol](pair)
            if images := dict(compared_images(placement, settings)):
                parts.append(spectra_of_images(images, placement.published).assign(scene=pair.id, protocol=protocol))
    columns = ["scene", "method", "protocol", "frequency_per_m", "attenuation_db"]
    spectra = pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)
    if spectra.empty:
        raise InputError(f"{settings.notebook}: none of the chosen pairs can be compared with ASTER; choose other 'pairs'.")
    evaluation.write_table(spectra, settings.directory / "spectra.csv", decimals=9)
    return spectra


def mean_spectra(settings: Fourier, spectra: pd.DataFrame) -> pd.DataFrame:
    """Write ``mean_spectra.csv``: mean and standard deviation over the scenes of each protocol, on 100 common frequencies."""
    rows = []
    for protocol, chosen in spectra.groupby("protocol", sort=False):
        ends = chosen.groupby(["scene", "method"])["frequency_per_m"].agg(["min", "max"])
        common = np.linspace(ends["min"].max(), ends["max"].min(), 100)
        for name, group in chosen.groupby("method", sort=False):
            scenes = [np.interp(common, g["frequency_per_m"], g["attenuation_db"]) for _, g in group.groupby("scene", sort=False)]
            part = {"frequency_per_m": common, "attenuation_db": np.mean(scenes, axis=0), "std_db": np.std(scenes, axis=0)}
            rows.append(pd.DataFrame(part).assign(method=name, protocol=protocol, scenes=len(scenes)))
    means = pd.concat(rows, ignore_index=True)
    evaluation.write_table(means, settings.directory / "mean_spectra.csv", decimals=9)
    return means


def attenuation_table(settings: Fourier, means: pd.DataFrame) -> pd.DataFrame:
    """Mean attenuation in dB at 0.25, 0.5, 1 and 2 cycles per km: ASTER, NDVI and each method; one that has none shows why."""
    wanted = np.array([0.25, 0.5, 1.0, 2.0])
    labels, rows = [], []
    for protocol in settings.protocols:
        groups = {str(name): group for name, group in means[means["protocol"] == protocol].groupby("method", sort=False)}
        for name in ["aster", "ndvi", *settings.methods]:
            labels.append(figures.label(name))
            if name in groups:
                curve = groups[name]
                values = np.interp(wanted / 1000.0, curve["frequency_per_m"], curve["attenuation_db"])
                rows.append([protocol, int(curve["scenes"].iloc[0]), *values])
            else:
                rows.append([protocol, why_absent(settings, name), *[np.nan] * len(wanted)])
    columns = ["protocol", "scenes", *(f"{frequency:g} per km" for frequency in wanted)]
    return pd.DataFrame(rows, index=labels, columns=columns)


def show_scene_spectra(settings: Fourier, spectra: pd.DataFrame) -> Image:
    """Figure 11, left: the chosen scene's spectra."""
    scene = shown_pair(settings).id
    chosen = spectra[(spectra["scene"] == scene) & (spectra["protocol"] == settings.protocols[0])]
    figure = figures.spectra(chosen, f"Scene {scene}: the nearer to ASTER, the better")
    return figures.show(figure, settings.directory, "spectra_scene")


def show_mean_spectra(settings: Fourier, means: pd.DataFrame) -> Image:
    """Figure 11, right: mean ± standard deviation over the scenes."""
    chosen = means[means["protocol"] == settings.protocols[0]]
    title = f"Mean of {chosen['scenes'].max()} scenes; dotted: the 1 km grid's Nyquist frequency"
    return figures.show(figures.spectra(chosen, title), settings.directory, "spectra_mean")
