"""Does a map's uncertainty hold? The share of ASTER's pixels within one and 1.96 deviations of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lstsr_core.base.errors import InputError
from lstsr_core.base.progress import bar
from lstsr_core.evaluation.calibration import Errors, Judge, read_judges, sample_errors
from lstsr_core.evaluation.statistics import mean_interval
from lstsr_core.evaluation.trade import APART
from lstsr_core.geo.raster import BoolArray, FloatArray
from lstsr_core.networks.weights_files import unseen_weights
from lstsr_core.pairs.scenes import TEST, Part, ids_of_test_scenes
from lstsr_core.patches.splits import IntArray
from lstsr_core.sharpening.methods import METHODS, Options, in_sample, sharpen_pair
from lstsr_core.sharpening.restoration import coefficients_file
from lstsr_core.sharpening.uncertainty import Uncertainty, uncertainty_of

WITHIN = {"within_1": 1.0, "within_1.96": 1.96}
"""Standard deviations by the name of the share that should lie within them: 68.3 and 95 %."""

BY = ("LST", "texture", "NDVI contrast", "coarse residual")
"""What the pixels are divided by into four parts of one size."""

COLUMNS = [
    "part",
    "method",
    "by",
    "quarter",
    "scenes",
    "groups",
    *(f"{name}{end}" for name in WITHIN for end in ("", "_low", "_high")),
    *(f"texture_{name}" for name in WITHIN),
    "mean_deviation_k",
    "rmse_k",
]
"""`texture_`: without each scene's mean error, by the texture's part of the deviation."""


def judge(directory: Path, part: Part, weights: Path | None, methods: Sequence[str]) -> pd.DataFrame:
    """The coverage of methods' uncertainties over the scenes of a part, ASTER registered.

    Parameters
    ----------
    directory : Path
        Of pairs with ASTER.
    part : {"development", "test", "all"}
    weights : Path, optional
        Directory of weights with their coefficients; for development scenes one of folds that ``lstsr
        calibrate`` has completed.
    methods : sequence of str
        With an uncertainty.

    Returns
    -------
    DataFrame
        `COLUMNS`: for each method a row of all pixels, with 95 % intervals over groups of scenes, and a row
        for each quarter of them by each of `BY`, 0 the lowest. The test scenes that stand apart from the
        development scenes have rows of their own.

    Raises
    ------
    InputError
        If a method has no uncertainty, has seen a scene's ASTER, or a pair cannot be used.
    """
    judges = read_judges(directory, part)
    apart = set(ids_of_test_scenes(apart=True))
    subsets: dict[str, IntArray] = {part: np.arange(len(judges))}
    if part == TEST:
        subsets[APART] = np.array([i for i, judge in enumerate(judges) if judge.pair.id in apart])
    rows = []
    for method in methods:
        errors, coefficients = _errors(judges, method, Options(weights))
        whole = np.empty(len(errors.scene)), np.empty(len(errors.scene))
        for scene, one in enumerate(coefficients):
            pixels = errors.scene == scene
            features = errors.features[:, pixels]
            whole[0][pixels], whole[1][pixels] = one.at_features(features), one.texture_k(features)
        for name, scenes in subsets.items():
            inside = np.isin(errors.scene, scenes)
            groups = np.array([judges[index].group for index in scenes])
            rows += _rows(errors.of(scenes), whole[0][inside], whole[1][inside], groups, [name, method])
    return pd.DataFrame(rows, columns=COLUMNS)


def _errors(judges: Sequence[Judge], method: str, options: Options) -> tuple[Errors, list[Uncertainty]]:
    products, coefficients = [], []
    for judge in bar(judges, method, "scene"):
        directory = options.weights and unseen_weights(options.weights, judge.scene.id)
        fitted = uncertainty_of(method, coefficients_file(directory))
        if fitted is None:
            raise InputError(f"{method} has no uncertainty; expected one of {', '.join(with_uncertainty())}.")
        if in_sample(judge.scene, method, options):
            raise InputError(
                f"pair {judge.scene.id}: {method} was fitted to its ASTER, which then proves nothing; give"
                " --weights the directory of folds that lstsr calibrate has completed."
            )
        products.append(sharpen_pair(judge.pair, method, options).values)
        coefficients.append(fitted)
    return sample_errors(judges, products), coefficients


def with_uncertainty() -> list[str]:
    """The methods whose maps have an uncertainty."""
    return [name for name in METHODS if uncertainty_of(name) is not None]


def _rows(
    errors: Errors, whole_k: FloatArray, texture_k: FloatArray, groups: IntArray, names: list[str]
) -> list[list[object]]:
    away_k = errors.error_k - errors.mean_k
    size, texture_size = np.abs(errors.error_k) / whole_k, np.abs(away_k) / texture_k
    scenes, index = np.unique(errors.scene, return_inverse=True)
    counts = np.bincount(index)

    def row(pixels: BoolArray, by: str, quarter: int | None) -> list[object]:
        cells: list[object] = [*names, by, quarter, len(scenes), len(np.unique(groups))]
        for deviations in WITHIN.values():
            inside = size < deviations
            cells.append(float(inside[pixels].mean()))
            limits = [float("nan")] * 2
            if quarter is None:
                interval = mean_interval(np.bincount(index, inside) / counts, groups)
                cells[-1], limits = interval.mean, [interval.low, interval.high]
            cells += limits
        cells += [float((texture_size < deviations)[pixels].mean()) for deviations in WITHIN.values()]
        return [
            *cells,
            float(whole_k[pixels].mean()),
            float(np.sqrt(np.square(errors.error_k[pixels]).mean())),
        ]

    rows = [row(np.ones(len(size), dtype=bool), "", None)]
    for by, values in zip(BY, (errors.lst_k, *errors.features), strict=True):
        quarters = np.searchsorted(np.quantile(values, [0.25, 0.5, 0.75]), values)
        rows += [row(quarters == quarter, by, quarter) for quarter in range(4)]
    return rows
