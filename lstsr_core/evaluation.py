"""Judging methods on ASTER–MODIS pairs: one protocol, one table, one writer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import ndimage

from lstsr_core import metrics
from lstsr_core.errors import InputError, NoResult
from lstsr_core.fourier import attenuation_db, compare_spectra
from lstsr_core.pairs import Pair, align, read_pair
from lstsr_core.raster import BoolArray, FloatArray, Raster, written_atomically
from lstsr_core.sharpeners import METHODS, Options, check_methods, sharpen

PROTOCOLS = ("georeferenced",)
ASTER_VALID_K = 230.0
ASTER_EROSIONS = 4
PRODUCT_EROSIONS = 2
SMALLEST_SIDE = 40

METRIC_COLUMNS = [
    "psnr_db", "ssim", "rmse_k", "rmse_low_gradient_k", "rmse_mid_gradient_k", "rmse_high_gradient_k", "gssim", "lpips",
    "rmse_gradient", "bias_k", "rmse_unbiased_k", "correlation", "consistency_k", "pfr_db", "afr_db", "frr", "fro", "fru",
    "attenuation_rmse_db",
]  # fmt: skip
COLUMNS = ["scene", "method", "protocol", *METRIC_COLUMNS, "rows", "columns", "status"]
"""Columns of every results table; `status` is "ok" or the reason why the metrics are empty."""

TOO_SMALL = f"overlap with ASTER not over {SMALLEST_SIDE}×{SMALLEST_SIDE} pixels"


@dataclass(frozen=True)
class Comparison:
    """A product and ASTER on ASTER's grid, cut to the rectangle that the metrics are taken over.

    Attributes
    ----------
    product, aster, bicubic : Raster
        Kelvin, no NaN, one grid.
    fine : Raster
        The product before any warp.
    """

    product: Raster
    aster: Raster
    bicubic: Raster
    fine: Raster


@dataclass(frozen=True)
class Placement:
    """Where a pair's products are compared: everything of the protocol that does not depend on the method.

    Attributes
    ----------
    pair : Pair
        Aligned.
    aster_valid : array of shape (rows, columns)
        ASTER's eroded swath.
    bicubic : Raster
        The bicubic product on ASTER's grid.
    """

    pair: Pair
    aster_valid: BoolArray
    bicubic: Raster


def largest_rectangle(mask: BoolArray) -> tuple[slice, slice]:
    """Rows and columns of the largest all-true rectangle of a mask; empty slices if nothing is true.

    Of equal rectangles the first found wins, from the top.

    >>> largest_rectangle(np.array([[0, 1, 1], [1, 1, 1], [1, 1, 0]], dtype=bool))
    (slice(0, 2, None), slice(1, 3, None))
    """
    return _largest_rectangle(np.packbits(mask, axis=1).tobytes(), *mask.shape)


@lru_cache(maxsize=64)
def _largest_rectangle(packed: bytes, row_count: int, column_count: int) -> tuple[slice, slice]:
    # Cached, for all methods of a pair usually share one mask.
    bits = np.frombuffer(packed, np.uint8).reshape(row_count, -1)
    mask = np.unpackbits(bits, axis=1, count=column_count)
    heights = np.zeros(column_count + 1, dtype=np.int64)  # the last one stays 0 and closes every run
    best, found = 0, (slice(0, 0), slice(0, 0))
    for row in range(row_count):
        heights[:-1] = (heights[:-1] + 1) * mask[row]
        open_runs: list[tuple[int, int]] = []  # (first column, height), heights rising
        for column, height in enumerate(heights.tolist()):
            start = column
            while open_runs and open_runs[-1][1] >= height:
                start, run_height = open_runs.pop()
                if run_height * (column - start) > best:
                    best = run_height * (column - start)
                    found = (slice(row + 1 - run_height, row + 1), slice(start, column))
            open_runs.append((start, height))
    return found


def place(pair: Pair) -> Placement:
    """Align a pair and prepare its ASTER mask and bicubic comparison (method §7, georeferenced)."""
    aligned = align(pair)
    finite = np.nan_to_num(pair.aster.values, nan=0.0)
    valid = ndimage.binary_erosion(finite >= ASTER_VALID_K, iterations=ASTER_EROSIONS, border_value=0)
    return Placement(aligned, valid, sharpen(aligned, "bicubic").warp_onto(pair.aster))


def compare(placement: Placement, fine: Raster) -> Comparison:
    """Warp a product onto ASTER's grid and cut both to the largest rectangle inside the mask.

    Parameters
    ----------
    placement : Placement
    fine : Raster
        A product in kelvin on its own grid.

    Raises
    ------
    NoResult
        If the rectangle is not over 40 pixels on both sides.
    """
    aster = placement.pair.aster
    warped = fine.warp_onto(aster)
    mask = placement.aster_valid
    for product in (warped, placement.bicubic):
        mask = mask & ndimage.binary_erosion(np.isfinite(product.values), iterations=PRODUCT_EROSIONS, border_value=0)
    rows, columns = largest_rectangle(mask)
    if min(rows.stop - rows.start, columns.stop - columns.start) <= SMALLEST_SIDE:
        raise NoResult(TOO_SMALL)
    product, reference, bicubic = (raster.crop(rows, columns) for raster in (warped, aster, placement.bicubic))
    return Comparison(product, reference, bicubic, fine)


def measure(comparison: Comparison, lst_k: FloatArray) -> dict[str, float]:
    """All metrics of one product; LPIPS is NaN until its weights can be had.

    Parameters
    ----------
    comparison : Comparison
    lst_k : array of shape (rows, columns)
        The aligned 1 km LST that the product came from.
    """
    x, r = comparison.product.values, comparison.aster.values
    low, mid, high = metrics.rmse_by_gradient_k(x, r)
    spectra = [attenuation_db(image.values) for image in (comparison.product, comparison.aster, comparison.bicubic)]
    measured = {
        "psnr_db": metrics.psnr_db(x, r),
        "ssim": metrics.ssim(x, r),
        "rmse_k": metrics.rmse(x, r),
        "rmse_low_gradient_k": low,
        "rmse_mid_gradient_k": mid,
        "rmse_high_gradient_k": high,
        "gssim": metrics.gssim(x, r),
        "rmse_gradient": metrics.rmse_gradient(x, r),
        "bias_k": metrics.bias(x, r),
        "rmse_unbiased_k": metrics.rmse_unbiased(x, r),
        "correlation": metrics.correlation(x, r),
        "consistency_k": metrics.consistency_k(comparison.fine.values, lst_k),
        **asdict(compare_spectra(*spectra)),
    }
    return {"lpips": math.nan, **measured, "rows": x.shape[0], "columns": x.shape[1]}


@dataclass
class Evaluation:
    """Rows of the results table, and the pairs that could not be read, each with its reason."""

    rows: list[dict[str, object]] = field(default_factory=list)
    failures: dict[str, str] = field(default_factory=dict)

    def table(self) -> pd.DataFrame:
        """The results table, one row for each scene, method and protocol, with exactly `COLUMNS`."""
        return pd.DataFrame(self.rows, columns=COLUMNS)


def compare_all(placement: Placement, methods: Sequence[str], options: Options) -> Iterator[tuple[str, Comparison | str]]:
    """For each method its comparison with ASTER, or the reason why there is none."""
    for name in methods:
        try:
            yield name, compare(placement, sharpen(placement.pair, name, options))
        except NoResult as error:
            yield name, str(error)


def evaluate_pair(pair: Pair, methods: Sequence[str], options: Options) -> list[dict[str, object]]:
    """Rows of one pair, one for each method; a method that cannot be judged has its reason as status."""
    placement = place(pair)
    rows: list[dict[str, object]] = []
    for name, outcome in compare_all(placement, methods, options):
        row: dict[str, object] = {"scene": pair.id, "method": name, "protocol": PROTOCOLS[0]}
        if isinstance(outcome, str):
            rows.append({**row, "status": outcome})
        else:
            rows.append({**row, **measure(outcome, placement.pair.lst.values), "status": "ok"})
    return rows


def evaluate(
    directory: Path,
    ids: Iterable[str],
    methods: Sequence[str],
    options: Options,
    keep_going: bool = False,
) -> Evaluation:
    """Evaluate methods on pairs of a directory.

    Parameters
    ----------
    directory, ids
        What `pairs.read_pair` takes.
    methods : sequence of str
        Names in `sharpeners.METHODS`.
    options : Options
    keep_going : bool
        Note a pair that cannot be used among the failures and go on, instead of raising.

    Raises
    ------
    InputError
        If a method is unknown or, unless `keep_going`, a pair cannot be used.
    """
    names = check_methods(list(methods))
    evaluation = Evaluation()
    for pair_id in ids:
        try:
            evaluation.rows += evaluate_pair(read_pair(directory, pair_id), names, options)
        except InputError as error:
            if not keep_going:
                raise
            evaluation.failures[pair_id] = str(error)
            reason = "pair refused: " + str(error).replace(str(directory), "…")
            row = {"scene": pair_id, "protocol": PROTOCOLS[0], "status": reason}
            evaluation.rows += [{**row, "method": name} for name in names]
    return evaluation


def write_table(table: pd.DataFrame, path: Path, decimals: int = 6) -> None:
    """Write a table as CSV with Unix line ends, atomically."""
    with written_atomically(path) as temporary:
        table.to_csv(temporary, index=False, float_format=f"%.{decimals}f", lineterminator="\n")


def mean_by_method(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Means over the scenes, a row for each method by its label; one that has none shows its reason instead.

    Returns
    -------
    DataFrame
        Index: labels; columns `scenes` (how many count, or the reason why none does), then those asked for.
    """
    rows = {}
    for name, group in table.groupby("method", sort=False):
        judged = group[group["status"] == "ok"]
        scenes = len(judged) if len(judged) else group["status"].iloc[0]
        rows[METHODS[str(name)].label] = [scenes, *judged[list(columns)].astype(float).mean()]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["scenes", *columns])


def summarise(table: pd.DataFrame) -> pd.DataFrame:
    """Mean, standard deviation, 10 %, Q1, median, Q3 and 90 % of each metric per method, in long form.

    Returns
    -------
    DataFrame
        Columns method, metric, scenes (how many count), mean, std, p10, q1, median, q3, p90.
    """
    rows = []
    for name, group in table.groupby("method", sort=False):
        for metric in METRIC_COLUMNS:
            values = group[metric].dropna().astype(float)
            quantiles = values.quantile([0.10, 0.25, 0.50, 0.75, 0.90]).tolist()
            rows.append([name, metric, len(values), values.mean(), values.std(), *quantiles])
    return pd.DataFrame(rows, columns=["method", "metric", "scenes", "mean", "std", "p10", "q1", "median", "q3", "p90"])
