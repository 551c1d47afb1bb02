"""DMS, the data mining sharpener: bagged regression trees with linear leaves, global or in moving windows.

After Gao, Kustas & Anderson (2012), *A data mining approach for sharpening thermal satellite imagery
over land*, Remote Sensing 4(11), 3287–3319: a regression of coarse LST on coarse predictors, trained
on the more homogeneous pixels, is applied to the fine predictors, and what it leaves of the coarse
LST is given back to it as emitted power (T⁴).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from sklearn.tree import DecisionTreeRegressor

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.base.progress import bar
from lstsr_core.geo.grid import SCALE
from lstsr_core.geo.operators import upsample
from lstsr_core.geo.raster import BoolArray, FloatArray, fill_nearest

TREES = 10
GLOBAL_LEAVES = 30
LOCAL_LEAVES = 10
SAMPLES_PER_LEAF = 10
LEAST_SAMPLES = 10
RIDGE_PENALTY = 1.0
EXTRAPOLATION = 0.25
WINDOW_MARGIN = 0.25
LEAST_VARIATION = 1e-9  # what a constant block has from rounding, and 1/CV would make the heaviest of all
LARGEST_VARIATION = 1000.0
HETEROGENEOUS_PERCENTILE = 80

_CHUNK_PIXELS = 1 << 16
_SEED_BOUND = np.iinfo(np.int32).max


def dms(
    lst_k: FloatArray,
    predictors: FloatArray,
    *,
    seed: int = 0,
    moving_window: int = 0,
    quality: BoolArray | None = None,
    rows_down: int = 0,
    columns_right: int = 0,
    published: bool = False,
) -> FloatArray:
    """Sharpen LST with bagged regression trees on fine predictors.

    Parameters
    ----------
    lst_k : array of shape (rows, columns)
        Coarse LST in kelvin, NaN for nodata.
    predictors : array of shape (bands, 4·rows, 4·columns) or (4·rows, 4·columns)
        Fine predictors, such as NDVI, NaN for nodata. A coarse pixel trains where all of them are known over
        its block and their coefficient of variation (standard deviation over mean) is positive.
    seed : int
        Of the bootstraps: NumPy's RandomState, from 0 to 2³² − 1.
    moving_window : int
        Side, in coarse pixels, of the windows of the local regressions; 0 for the global regression alone, as
        in the paper. A window trains on a quarter of its side more all around, and leaves its pixels to the
        global regression where fewer than 10 pixels can train.
    quality : array of bool of shape (rows, columns), optional
        True where a coarse pixel may train. All LST that is not NaN takes part in the residual correction.
    rows_down, columns_right : int
        Fine pixels from the LST patch's origin to the predictors'
        (`pairs.pair.fine_offset`); not 0 in the published variant alone.
    published : bool
        Aggregate to the LST grid by that offset, partial blocks at the border over
        what they have, and yet add the upsampled residual as though the origins
        coincided, as the published evaluation does (Method 4).

    Returns
    -------
    array of shape (4·rows, 4·columns)
        Kelvin; NaN exactly where the coarse LST pixel or one of the pixel's own predictors is NaN.

    Raises
    ------
    InputError
        If the shapes do not fit, a value is infinite, the seed or the window is out of range, or the
        offset is not 0 outside the published variant.
    NoResult
        If fewer than ten coarse pixels can train, or their predictors do not vary.
    """
    bands = _checked_bands(lst_k, predictors, quality)
    if not 0 <= seed < 2**32 or moving_window < 0:
        raise InputError(
            f"seed is {seed} and moving_window {moving_window}; expected a seed from 0 to 2³² − 1, and a side"
            " in coarse pixels or 0 for none."
        )
    if (rows_down or columns_right) and not published:
        raise InputError(
            f"the predictors start {rows_down} rows and {columns_right} columns of 250 m from the LST;"
            " expected 0 and 0. Align the pair first (pairs.align)."
        )
    rows, columns = lst_k.shape
    blocks = _Blocks(rows, columns, rows_down, columns_right)
    scene = _aggregate(lst_k, bands, blocks, quality)
    power = scene.lst_k**4
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        fine_k = _Bagging(*scene.samples(), leaves=GLOBAL_LEAVES, seed=seed, threads=threads).predict_k(
            bands, threads
        )
        if moving_window:
            local_k = _predict_locally_k(scene, bands, moving_window, seed, threads)
            fine_k = _blend_k(fine_k, local_k, power, blocks)
    residual = power - blocks.mean(fine_k**4)
    corrected = fine_k**4 + upsample(fill_nearest(residual))
    sharpened: FloatArray = np.maximum(corrected, 0.0) ** 0.25
    np.copyto(sharpened.reshape(blocks.shape), np.nan, where=np.isnan(lst_k)[:, None, :, None])
    return sharpened


def homogeneity_weights(variation: FloatArray) -> FloatArray:
    """Training weights from coefficients of variation: 1/CV
    rescaled to [0, 1], halved over CV's 80th percentile.

    Pixels that all vary alike weigh 1.

    Parameters
    ----------
    variation : array of shape (samples,)
        Positive.
    """
    homogeneity = 1.0 / variation
    span = np.ptp(homogeneity)
    weights: FloatArray = (
        (homogeneity - homogeneity.min()) / span if span > 0.0 else np.ones_like(homogeneity)
    )
    weights[variation > np.percentile(variation, HETEROGENEOUS_PERCENTILE)] /= 2.0
    return weights


def bootstrap_counts(samples: int, seed: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """For each tree its own seed, and how often each sample is in its bootstrap.

    The draws are those of scikit-learn's ``BaggingRegressor(n_estimators=10,
    random_state=seed)`` fitted without weights.
    """
    for state in np.random.RandomState(seed).randint(_SEED_BOUND, size=TREES).tolist():
        tree_seed = np.random.RandomState(state).randint(_SEED_BOUND)
        draws = np.random.RandomState(state).randint(0, samples, samples)
        yield tree_seed, np.bincount(draws, minlength=samples)


@dataclass(frozen=True)
class LeafRegression:
    """A ridge regression in each leaf of a tree; arrays run over the tree's nodes and matter at its leaves.

    Attributes
    ----------
    slope : array of shape (nodes, bands)
    intercept_k, lowest_k, highest_k : array of shape (nodes,)
        The last two are the range of the leaf's training LST, widened by a quarter of it.
    """

    slope: FloatArray
    intercept_k: FloatArray
    lowest_k: FloatArray
    highest_k: FloatArray

    @classmethod
    def fit(
        cls, node: NDArray[np.intp], samples: FloatArray, lst_k: FloatArray, nodes: int
    ) -> LeafRegression:
        """Regress the LST of the samples that fall into each
        node, unweighted, with the penalty on slopes alone.

        Parameters
        ----------
        node : array of int of shape (samples,)
            The node of each sample.
        samples : array of shape (samples, bands)
        lst_k : array of shape (samples,)
        nodes : int
            How many nodes the tree has.
        """
        sum_by_node = partial(np.bincount, node, minlength=nodes)
        count = np.maximum(sum_by_node(), 1)
        mean_k = sum_by_node(lst_k) / count
        mean = np.stack([sum_by_node(band) / count for band in samples.T], axis=1)
        off_mean_k, off_mean = lst_k - mean_k[node], samples - mean[node]
        products = np.stack(
            [np.stack([sum_by_node(a * b) for b in off_mean.T], axis=1) for a in off_mean.T], axis=1
        )
        moments = np.stack([sum_by_node(band * off_mean_k) for band in off_mean.T], axis=1)
        penalty = RIDGE_PENALTY * np.eye(samples.shape[1])
        slope = np.linalg.solve(products + penalty, moments[..., None])[..., 0]

        lowest_k, highest_k = np.full(nodes, np.inf), np.full(nodes, -np.inf)
        np.minimum.at(lowest_k, node, lst_k)
        np.maximum.at(highest_k, node, lst_k)
        margin_k = EXTRAPOLATION * (highest_k - lowest_k)
        return cls(slope, mean_k - (slope * mean).sum(axis=1), lowest_k - margin_k, highest_k + margin_k)

    def predict_k(self, node: NDArray[np.intp], samples: FloatArray) -> FloatArray:
        """LST of samples, each by the regression of its node, within that node's range."""
        linear_k = self.intercept_k[node]
        for band, slope in zip(samples.T, self.slope.T, strict=True):
            linear_k += slope[node] * band
        within_k: FloatArray = np.clip(linear_k, self.lowest_k[node], self.highest_k[node])
        return within_k


class _Bagging:
    """Ten regression trees with linear leaves, each grown on its own bootstrap of the weighted samples."""

    def __init__(
        self,
        samples: FloatArray,
        lst_k: FloatArray,
        variation: FloatArray,
        *,
        leaves: int,
        seed: int,
        threads: ThreadPoolExecutor | None = None,
    ) -> None:
        if len(lst_k) < LEAST_SAMPLES:
            raise NoResult(
                f"{len(lst_k)} coarse pixels have LST and predictors that vary within them about a positive"
                f" mean; DMS needs at least {LEAST_SAMPLES}."
            )
        if np.ptp(samples, axis=0).max() < 1e-9:
            raise NoResult(
                "the predictors of all valid coarse pixels have the same mean; no regression can be trained"
                " on them."
            )
        weights, narrow = homogeneity_weights(variation), samples.astype(np.float32)

        def grow(bootstrap: tuple[int, NDArray[np.int64]]) -> tuple[Any, LeafRegression]:
            tree_seed, count = bootstrap
            weight = count * weights
            # Of few samples, those drawn may all be the least homogeneous ones, whose weight is 0.
            weight = weight if weight.any() else count.astype(np.float64)
            grown = DecisionTreeRegressor(
                max_leaf_nodes=leaves, min_samples_leaf=SAMPLES_PER_LEAF, random_state=tree_seed
            )
            tree = grown.fit(narrow, lst_k, sample_weight=weight, check_input=False).tree_
            return tree, LeafRegression.fit(tree.apply(narrow), samples, lst_k, tree.node_count)

        self._trees = list((threads.map if threads else map)(grow, bootstrap_counts(len(lst_k), seed)))

    def predict_k(self, bands: FloatArray, threads: ThreadPoolExecutor | None = None) -> FloatArray:
        """Mean LST of the trees, (bands, rows, columns) → (rows, columns); NaN where a band is."""
        pixels = bands.reshape(len(bands), -1)
        mean_k = np.zeros(pixels.shape[1])

        def predict_chunk(first: int) -> None:
            samples = np.ascontiguousarray(pixels[:, first : first + _CHUNK_PIXELS].T, dtype=np.float64)
            narrow, chunk_k = samples.astype(np.float32), mean_k[first : first + _CHUNK_PIXELS]
            for tree, regression in self._trees:
                chunk_k += regression.predict_k(tree.apply(narrow), samples)

        chunks = range(0, mean_k.size, _CHUNK_PIXELS)
        if threads is None:  # one of many windows, which have the bar
            list(map(predict_chunk, chunks))
        else:
            list(bar(threads.map(predict_chunk, chunks), "Sharpening", "part", len(chunks)))
        return (mean_k / len(self._trees)).reshape(bands.shape[1:])


@dataclass(frozen=True)
class _Blocks:
    """Which fine pixels lie in which coarse pixel: coarse row k holds the
    fine rows 4k − rows_down … 4k − rows_down + 3."""

    rows: int
    columns: int
    rows_down: int
    columns_right: int

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.rows, SCALE, self.columns, SCALE

    def lay(self, fine: FloatArray) -> FloatArray:
        """Fine pixels as (rows, 4, columns, 4), NaN where the fine image does not reach."""
        if not (self.rows_down or self.columns_right):
            return fine.reshape(self.shape)
        offset = (self.rows_down, self.columns_right)
        laid: FloatArray = ndimage.shift(fine, offset, order=0, mode="constant", cval=np.nan)
        return laid.reshape(self.shape)

    def mean(self, fine: FloatArray) -> FloatArray:
        """Mean over the known pixels of each block, NaN where there is none."""
        return _known_mean(self.lay(fine))


def _known_mean(laid: FloatArray) -> FloatArray:
    valid = ~np.isnan(laid)
    count = valid.sum(axis=(1, 3))
    total = np.where(valid, laid, 0.0).sum(axis=(1, 3), dtype=np.float64)
    mean: FloatArray = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    return mean


@dataclass(frozen=True)
class _CoarseScene:
    """What the regressions train on: arrays of shape (rows,
    columns), and `predictors` of (bands, rows, columns)."""

    lst_k: FloatArray
    predictors: FloatArray
    variation: FloatArray
    trains: BoolArray

    def samples(
        self, rows: slice = slice(None), columns: slice = slice(None)
    ) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Predictors (samples, bands), LST in kelvin and coefficient
        of variation of the training pixels, row by row."""
        trains = self.trains[rows, columns]
        predictors = self.predictors[:, rows, columns][:, trains].T
        return (
            np.ascontiguousarray(predictors),
            self.lst_k[rows, columns][trains],
            self.variation[rows, columns][trains],
        )


def _aggregate(
    lst_k: FloatArray, bands: FloatArray, blocks: _Blocks, quality: BoolArray | None
) -> _CoarseScene:
    means, variation = np.empty((len(bands), *lst_k.shape)), np.zeros(lst_k.shape)
    trains = ~np.isnan(lst_k) if quality is None else ~np.isnan(lst_k) & quality
    for band, mean in zip(bands, means, strict=True):
        laid = blocks.lay(band)
        mean[:] = _known_mean(laid)
        deviation = np.sqrt(_known_mean((laid - mean[:, None, :, None]) ** 2))
        variation += np.divide(deviation, mean, out=np.full(mean.shape, np.nan), where=mean != 0.0) / len(
            bands
        )
        trains &= blocks.mean(np.isnan(band).astype(np.float64)) == 0.0
    trains &= (variation > LEAST_VARIATION) & (variation < LARGEST_VARIATION)
    return _CoarseScene(lst_k.astype(np.float64), means, variation, trains)


@dataclass(frozen=True)
class _Window:
    """A moving window: the coarse (rows, columns) that its regression
    trains on, and the fine ones that it sharpens."""

    training: tuple[slice, slice]
    fine: tuple[slice, slice]


def _windows(rows: int, columns: int, side: int) -> Iterator[_Window]:
    margin = round(WINDOW_MARGIN * side)

    def training(first: int) -> slice:
        return slice(max(first - margin, 0), first + side + margin)

    def fine(first: int) -> slice:
        return slice(SCALE * first, SCALE * (first + side))

    for row in range(0, rows, side):
        for column in range(0, columns, side):
            yield _Window((training(row), training(column)), (fine(row), fine(column)))


def _predict_locally_k(
    scene: _CoarseScene, bands: FloatArray, moving_window: int, seed: int, threads: ThreadPoolExecutor
) -> FloatArray:
    """Each window by its own regression; NaN where too few of its pixels can train."""
    local_k = np.full(bands.shape[1:], np.nan)
    rows, columns = scene.lst_k.shape

    def predict_window(window: _Window) -> None:
        with suppress(NoResult):
            regression = _Bagging(*scene.samples(*window.training), leaves=LOCAL_LEAVES, seed=seed)
            local_k[window.fine] = regression.predict_k(bands[:, *window.fine])

    windows = list(_windows(rows, columns, moving_window))
    list(bar(threads.map(predict_window, windows), "Sharpening locally", "window", len(windows)))
    return local_k


def _blend_k(global_k: FloatArray, local_k: FloatArray, power: FloatArray, blocks: _Blocks) -> FloatArray:
    """Global and local LST weighted by the inverse of their squared coarse residuals in T⁴."""
    global_square, local_square = (
        np.square(power - blocks.mean(global_k**4)),
        np.square(power - blocks.mean(local_k**4)),
    )
    both = global_square + local_square
    local_share: FloatArray = np.divide(
        global_square, both, out=np.where(np.isnan(both), np.nan, 0.5), where=both > 0.0
    )
    if np.isnan(local_share).all():
        return global_k
    fine_share = np.clip(upsample(fill_nearest(local_share)), 0.0, 1.0)
    blended_k: FloatArray = np.where(
        np.isnan(local_k), global_k, global_k + fine_share * (local_k - global_k)
    )
    return blended_k


def _checked_bands(lst_k: FloatArray, predictors: FloatArray, quality: BoolArray | None) -> FloatArray:
    if lst_k.ndim != 2:
        raise InputError(f"the LST has shape {lst_k.shape}; expected (rows, columns).")
    bands = predictors[None] if predictors.ndim == 2 else predictors
    expected = tuple(SCALE * size for size in lst_k.shape)
    if bands.ndim != 3 or len(bands) == 0 or bands.shape[1:] != expected:
        raise InputError(
            f"the predictors have shape {predictors.shape} and the LST {lst_k.shape}; expected predictors of"
            f" {expected} or (bands, {expected[0]}, {expected[1]}), {SCALE} times the LST's rows and columns."
        )
    for name, values in (("LST", lst_k), ("predictors", predictors)):
        if np.isinf(values).any():
            raise InputError(
                f"{int(np.isinf(values).sum())} values of the {name} are infinite; expected NaN for nodata."
            )
    if quality is not None and (quality.shape != lst_k.shape or quality.dtype != np.bool_):
        raise InputError(
            f"quality is {quality.dtype} of shape {quality.shape}; expected bool of the LST's {lst_k.shape},"
            " True where a pixel may train."
        )
    return bands
