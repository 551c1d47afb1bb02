"""What the book's pages take from a run's files: every figure, table and sentence that data decide."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from lstsr_book.better_map_prose import better_map_substitutions
from lstsr_book.claim_rules import NETWORK_NUMBERS, NETWORK_TENSORS, TILE
from lstsr_book.claims import CLAIMS_FILE
from lstsr_book.claims_prose import claims_sentence, claims_table, edition_claims_table, protocols_sentence
from lstsr_book.continent import continent_substitutions
from lstsr_book.editions import links_place
from lstsr_book.findings_prose import findings_substitutions
from lstsr_book.kept_results import DIGEST_DIGITS, KeptResults
from lstsr_book.manual import manual_substitutions
from lstsr_book.markup import RESULTS_FOLDER, link, number, part, row, table, thousands
from lstsr_book.results_prose import (
    Results,
    agreement_sentence,
    published_pairs,
    real_results,
    results_substitutions,
)
from lstsr_book.run_files import PAIRS, PROVENANCE, RunFiles, inputs_in_short
from lstsr_book.scenes_prose import scenes_substitutions
from lstsr_core.base.project import REGISTRY
from lstsr_core.evaluation import protocols as placement
from lstsr_core.geo.grid import (
    COARSE_PIXEL_M,
    FINE_PIXEL_M,
    SCALE,
    SPHERE_RADIUS_M,
    TILE_COARSE_PIXELS,
    TILE_FINE_PIXELS,
)
from lstsr_core.geo.operators import BICUBIC_A, DEFAULT_MTF, psf_kernel, psf_sigma
from lstsr_core.metrics import images as metrics
from lstsr_core.pairs import swath
from lstsr_core.pairs.pair import PATCH_COARSE_PIXELS
from lstsr_core.pairs.published import read_registry
from lstsr_core.patches.statistics import read_statistics
from lstsr_core.stages.parameters import BY_NOTEBOOK

PATCHES = "02_patches/patches.csv"
STATISTICS = "02_patches/statistics.json"
MEASURED_MAP = "data/measured/tile_map.json"
NOTEBOOKS = list(BY_NOTEBOOK)

REAL_NOTEBOOKS = {"09_weights", "10_ablation"}
"""Notebooks with tables from the published pairs in every edition; the second unless it trains anew."""

REAL_NOTE = (
    ":::{admonition} From the published pairs\n:class: note\n"
    "The tables of this page come from the published pairs, in every edition of the book.\n:::"
)

SIMULATED_NOTE = (
    ":::{admonition} Simulated granules\n:class: warning\n"
    "The granules of this page were drawn by a simulator, in every edition of the book: it needs no account, "
    "and its map shows no real place.\n:::"
)

SYNTHETIC_NOTE = (
    "Every scene of this edition's own run was drawn by a simulator. Its figures show that the code runs; "
    "they are no "
    "evidence about the Earth or about how good a method is. Figures from the published pairs are marked as "
    "such."
)

LANDSCAPE_LABELS = {
    "lst_mean_k": "LST, mean (K)",
    "lst_std_k": "LST, standard deviation (K)",
    "ndvi_mean": "NDVI, mean",
    "ndvi_std": "NDVI, standard deviation",
    "slope_k_per_ndvi": "slope of LST on NDVI (K)",
    "r_squared": "R² of that line",
}
_ATTENUATION = re.compile(r"(lst|ndvi|aster)_attenuation_(low|middle|high)_db")


@dataclass(frozen=True)
class Edition:
    """What sets this book apart from one of another run.

    Attributes
    ----------
    profile : str
        Name of the run.
    synthetic : bool
    pairs, pairs_published : int
        Read here, and in the published database.
    """

    profile: str
    synthetic: bool
    pairs: int
    pairs_published: int

    @property
    def source(self) -> str:
        """Which of the published pairs it is made from."""
        return published_pairs({"pairs": self.pairs, "pairs_published": self.pairs_published})

    @property
    def kind(self) -> str:
        """Names the edition's style in the pages."""
        return "synthetic" if self.synthetic else "paper"

    @property
    def name(self) -> str:
        return f"{self.kind} edition"

    @property
    def label(self) -> str:
        """Stays in view on every page."""
        return self.name.capitalize()

    @property
    def short(self) -> str:
        """What its data are, in one sentence for the banner and the foot of each printed sheet."""
        if self.synthetic:
            return (
                "Its scenes are simulated. Figures from the published pairs say so; all others are no "
                "measurements."
            )
        return f"Its figures come from {self.source}."

    @property
    def subtitle(self) -> str:
        """On top of every page of the PDF."""
        return f"{self.label}. {self.short}"

    @property
    def banner(self) -> str:
        """Shown on top of every page, with the place for links to other editions."""
        return f"<strong>{self.label}.</strong> {self.short} {links_place(self.name)}"

    @property
    def admonition(self) -> str:
        """The same at length, in MyST, for the cover and the notebooks."""
        if self.synthetic:
            return f":::{{admonition}} Synthetic edition\n:class: warning\n{SYNTHETIC_NOTE}\n:::"
        note = f"The figures come from {self.source}."
        return f":::{{admonition}} Edition from the published pairs\n:class: note\n{note}\n:::"


def substitutions(
    files: RunFiles,
    edition: Edition,
    results: Results,
    kept_results: KeptResults,
    project: Path,
    result_files: list[str],
) -> dict[str, str]:
    """What stands for each ``{{ name }}`` in the book's pages."""
    return {
        **_definitions(),
        "profile": f"`{edition.profile}`",
        "edition_admonition": edition.admonition,
        **results_substitutions(results, kept_results),
        **scenes_substitutions(real_results(results, kept_results)),
        **_claims(results, kept_results),
        "downloads": part("downloads", result_files, RESULTS_FOLDER),
        "provenance_table": _provenance_table(files.json(PROVENANCE)),
        "provenance_download": link(PROVENANCE),
        **_data_figures(files, edition, kept_results),
        **findings_substitutions(files),
        **manual_substitutions(files),
        **better_map_substitutions(),
        **continent_substitutions(project / MEASURED_MAP),
    }


def _claims(results: Results, kept_results: KeptResults) -> dict[str, str]:
    real = real_results(results, kept_results)
    if results.synthetic:
        table = edition_claims_table(results.claims)
        edition = f"The same rules, on {results.scenes}:\n\n{table}\n\nAs data: {link(CLAIMS_FILE)}."
    else:
        agreement = agreement_sentence(results, kept_results)
        edition = f"This edition is made from the published pairs: the table above is its own. {agreement}"
    return {
        "claims_sentence": claims_sentence(real.claims, real.scenes),
        "protocols_sentence": protocols_sentence(real.claims),
        "claims_table": claims_table(real.claims, real.folder),
        "claims_download": link(CLAIMS_FILE, real.folder),
        "edition_claims": edition,
    }


def _definitions() -> dict[str, str]:
    taps = psf_kernel(DEFAULT_MTF)
    half = len(taps) // 2
    waves = (math.cos(2 * math.pi * 0.5 / SCALE * (index - half)) for index in range(len(taps)))
    transfer = sum(tap * wave for tap, wave in zip(taps, waves, strict=True)) / sum(taps)
    return {
        "mtf": f"{DEFAULT_MTF:g}",
        "sigma": f"{psf_sigma(DEFAULT_MTF):.2f}",
        "kernel_side": str(len(taps)),
        "transfer": f"{transfer:.3f}",
        "bicubic_a": number(BICUBIC_A, 2),
        "network_numbers": thousands(NETWORK_NUMBERS),
        "network_tensors": str(NETWORK_TENSORS),
        "aster_valid_k": f"{swath.ASTER_VALID_K:g}",
        "aster_erosions": str(swath.ASTER_EROSIONS),
        "product_erosions": str(placement.PRODUCT_EROSIONS),
        "smallest_side": str(placement.SMALLEST_SIDE),
        "window": str(metrics.WINDOW),
        "sphere_radius_m": f"{SPHERE_RADIUS_M:.3f}",
        "tile": str(TILE),
        "tile_coarse": f"{TILE_COARSE_PIXELS}×{TILE_COARSE_PIXELS}",
        "tile_fine": f"{TILE_FINE_PIXELS}×{TILE_FINE_PIXELS}",
        "coarse_pixel_m": f"{COARSE_PIXEL_M:.2f}",
        "fine_pixel_m": f"{FINE_PIXEL_M:.2f}",
        "patch_coarse": str(PATCH_COARSE_PIXELS),
    }


def _provenance_table(provenance: dict[str, Any]) -> str:
    lines = []
    for name in NOTEBOOKS:
        facts = provenance[name]
        seed = "none" if facts.get("seed") is None else facts["seed"]
        commit, changed, _ = str(facts.get("git_revision", "unknown")).partition("+")
        revision = commit[:DIGEST_DIGITS] + (" with changes" if changed else "")
        seconds = f"{float(facts.get('seconds', math.nan)):.0f}"
        lines.append(row(name, [seed, seconds, len(inputs_in_short(facts)), revision]))
    return table(["notebook", "seed", "seconds", "inputs", "revision"], lines)


def _data_figures(files: RunFiles, edition: Edition, kept_results: KeptResults) -> dict[str, str]:
    pairs = files.table(PAIRS, ["scene", "ndvi_rows_down", "ndvi_columns_right"])
    down, right = pairs["ndvi_rows_down"].astype(int), pairs["ndvi_columns_right"].astype(int)
    apart = int(((down != 0) | (right != 0)).sum())
    offsets = pd.crosstab(down, right)
    lines = [row(f"{rows_down} down", offsets.loc[rows_down]) for rows_down in offsets.index]
    windows = files.table(PATCHES)
    statistics = read_statistics(files.path(STATISTICS))
    count = sum(name.endswith("_aster_250m.tif") for name in read_registry(REGISTRY))
    kind = "simulated pairs in their place" if edition.synthetic else "of them"
    return {
        "pairs_published": str(count),
        "pairs_sentence": f"This edition reads {len(pairs)} {kind}.",
        "offsets_sentence": (
            f"In this edition they do not in {apart} of {len(pairs)} pairs: NDVI starts up to {down.max()} "
            f"fine pixels "
            f"below the LST's origin and up to {right.max()} to its right. Pairs counted by offset:"
        ),
        "offsets_table": table(["fine pixels", *(f"{column} right" for column in offsets.columns)], lines),
        "patches_sentence": (
            f"This edition has {len(windows)} windows. Its training windows have LST with mean "
            f"{statistics.lst_mean_k:.2f} K and standard deviation {statistics.lst_std_k:.2f} K, and an NDVI "
            f"of mean "
            f"{statistics.ndvi_mean:.3f} and standard deviation {statistics.ndvi_std:.3f}."
        ),
        "landscape_table": _landscape_table(pairs, kept_results.files.table(PAIRS), edition),
    }


def _landscape_table(pairs: pd.DataFrame, real: pd.DataFrame, edition: Edition) -> str:
    names = [name for name in pairs.columns if name in LANDSCAPE_LABELS or _ATTENUATION.fullmatch(name)]
    columns = {"this edition": pairs}
    if edition.synthetic:
        columns = {"this edition (simulated)": pairs, "published pairs": real}
    lines = []
    for name in names:
        quantiles = [rows[name].astype(float).quantile([0.5, 0.1, 0.9]).tolist() for rows in columns.values()]
        lines.append(row(_landscape_label(name), [_spread(*values) for values in quantiles]))
    return table(["statistic", *columns], lines, "spreads")


def _landscape_label(name: str) -> str:
    if match := _ATTENUATION.fullmatch(name):
        image = {"lst": "LST 1 km", "ndvi": "NDVI", "aster": "ASTER LST"}[match[1]]
        return f"{image}, spectrum, {match[2]} frequencies (dB)"
    return LANDSCAPE_LABELS[name]


def _spread(median: float, low: float, high: float) -> str:
    return f"{number(median, 2)} ({number(low, 2)}\u00a0…\u00a0{number(high, 2)})"
