"""Fitting what the companion's methods know of ASTER: gains, level and uncertainty, fold by fold.

All is fitted over the development scenes, with products of networks that have not seen a scene; the figures
are out of fold, by whole groups of neighbours. No ASTER of a test scene is opened.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft, ndimage, optimize
from torch import Tensor

from lstsr_core.base.files import written_atomically
from lstsr_core.base.fingerprint import git_revision
from lstsr_core.base.progress import bar
from lstsr_core.evaluation.protocols import Georeferenced, largest_rectangle
from lstsr_core.geo.operators import upsample
from lstsr_core.geo.raster import FloatArray, fill_nearest, warp_onto
from lstsr_core.metrics.fourier import attenuation_db, compare_spectra, ring_members
from lstsr_core.networks.weights import load_model, save_model
from lstsr_core.networks.weights_files import NETWORKS
from lstsr_core.pairs.pair import Pair, align, fine_grid
from lstsr_core.pairs.scenes import read_development
from lstsr_core.pairs.swath import moved, shift_from
from lstsr_core.patches.splits import IntArray, group_folds, overlapping_groups
from lstsr_core.sharpening import level, uncertainty
from lstsr_core.sharpening.methods import Options, sharpen
from lstsr_core.sharpening.restoration import (
    NODES,
    Restoration,
    interpolated,
    ramp,
    restored,
    scene_features,
)

FOLDS, SEED = 5, 0
SMALLEST_GROUP_CORRELATION = 0.6
"""Between the level errors of two scenes of one group: so many scenes count less than as many days."""

LEVEL_RIDGE, POWER_RIDGE, STEP_RIDGE = 5.0, 3e-3, 1e-4
_SAMPLE_PIXELS = 3000  # of a scene, for the uncertainty
_COVERAGES = (0.6827, 0.95)
_GAP_SHARE = 0.12


@dataclass(frozen=True)
class Judge:
    """A development scene with ASTER registered, and how a product is laid onto it.

    Attributes
    ----------
    pair : Pair
        Aligned, ASTER moved by the constant shift.
    rows, columns : slice
        Of ASTER's grid: the rectangle that metrics are taken over.
    group : int
    """

    pair: Pair
    rows: slice
    columns: slice
    group: int

    def onto(self, images: Sequence[FloatArray]) -> list[FloatArray]:
        """Images of the fine grid on ASTER's, in the rectangle."""
        grid = fine_grid(self.pair)
        warped = warp_onto([grid.with_values(image) for image in images], self.pair.aster)
        return [raster.values[self.rows, self.columns] for raster in warped]

    @property
    def aster_k(self) -> FloatArray:
        return self.pair.aster.values[self.rows, self.columns]

    @property
    def upsampled_k(self) -> FloatArray:
        return upsample(fill_nearest(self.pair.lst.values))


def read_judges(directory: Path) -> list[Judge]:
    """The development pairs with ASTER moved by the median of the scenes' shifts from SC-Unet's products.

    Raises
    ------
    InputError
        As `pairs.scenes.read_development`.
    """
    pairs = [align(pair) for pair in read_development(directory)]
    groups = overlapping_groups([pair.lst for pair in pairs])
    shifts = [shift_from(pair.aster, sharpen(pair, "sc-unet")) for pair in bar(pairs, "Registering", "pair")]
    down, right = np.median(shifts, axis=0).tolist()
    judges = []
    for pair, group in zip(pairs, groups, strict=True):
        placed = Georeferenced(replace(pair, aster=moved(pair.aster, (down, right))))
        whole = fine_grid(pair).warp_onto(placed.pair.aster)
        rectangle = largest_rectangle(placed.aster_valid & np.isfinite(whole.values))
        judges.append(Judge(placed.pair, *rectangle, int(group)))
    return judges


# Level


def level_differences_k(judges: Sequence[Judge]) -> FloatArray:
    """Each scene's mean of ASTER minus U(LST), kelvin."""
    return np.array([float((j.aster_k - j.onto([j.upsampled_k])[0]).mean()) for j in judges])


def fit_level(judges: Sequence[Judge], differences_k: FloatArray) -> level.Level:
    """Ridge of the differences on mean and spread of the LST, scenes of one group weighed down."""
    features = _level_features(judges)
    mean, deviation = features.mean(0), features.std(0)
    design = np.column_stack([np.ones(len(judges)), (features - mean) / deviation])
    groups = np.array([judge.group for judge in judges])
    size = (groups[:, None] == groups[None, :]).sum(1)
    weights = 1.0 / (1.0 + (size - 1) * SMALLEST_GROUP_CORRELATION)
    normal = (design * weights[:, None]).T @ design + LEVEL_RIDGE * np.eye(3)
    line = np.linalg.solve(normal, (design * weights[:, None]).T @ differences_k)
    scales = [value for pair in zip(mean, deviation, strict=True) for value in pair]
    return level.Level(*(round(float(value), 6) for value in (*line, *scales)))


def _level_features(judges: Sequence[Judge]) -> FloatArray:
    lsts = [judge.pair.lst.values for judge in judges]
    return np.array([[np.nanmean(lst), np.nanstd(lst)] for lst in lsts])


# Gains


@dataclass(frozen=True)
class Sample:
    """What fitting gains takes of a scene: the product's part at each node, on ASTER's grid.

    Attributes
    ----------
    spectra : tensor of shape (nodes, pixels)
        Transforms of the parts, of the rings' pixels alone.
    ring, weight : tensor of shape (pixels,)
    products, cross : tensor of shape (nodes, nodes) and (nodes,)
        Covariances of the parts with each other and with ASTER.
    variance_k2, aster_mean_k, base_k : float
        Of ASTER, and the product's mean.
    means : tensor of shape (nodes,)
        Of the parts.
    aster_db, bicubic_db : tensor
        `attenuation_db` without its first element.
    pixels : int
    features : tuple of float
        `restoration.scene_features`.
    """

    spectra: Tensor
    ring: Tensor
    weight: Tensor
    products: Tensor
    cross: Tensor
    variance_k2: float
    aster_mean_k: float
    base_k: float
    means: Tensor
    aster_db: Tensor
    bicubic_db: Tensor
    pixels: int
    features: tuple[float, float]


def sample(judge: Judge, product_k: FloatArray) -> Sample:
    """A scene's product split into parts by frequency, warped, and what of them the fit needs."""
    filled_k = fill_nearest(product_k)
    base_k = float(filled_k.mean())
    spectrum = fft.dctn(filled_k - base_k, norm="ortho")
    rows, columns = filled_k.shape
    frequency = np.hypot(np.arange(rows)[:, None] / (2 * rows), np.arange(columns)[None, :] / (2 * columns))
    clipped = np.minimum(frequency, NODES[-1])
    hats = (np.interp(clipped, NODES, unit) for unit in np.eye(len(NODES)))
    *parts, bicubic = judge.onto(
        [fft.idctn(spectrum * hat, norm="ortho") for hat in hats] + [judge.upsampled_k]
    )
    aster_k, stack = judge.aster_k, np.stack(parts)
    pixel, ring, weight = ring_members(*aster_k.shape)
    flat = stack.reshape(len(NODES), -1)
    means = flat.mean(1)
    away, aster_away = flat - means[:, None], aster_k.ravel() - aster_k.mean()
    spectra = np.fft.rfft2(stack).reshape(len(NODES), -1)[:, pixel].astype(np.complex64)
    return Sample(
        torch.from_numpy(spectra),
        torch.from_numpy(ring),
        torch.from_numpy(weight.astype(np.float32)),
        torch.from_numpy(away @ away.T / aster_away.size),
        torch.from_numpy(away @ aster_away / aster_away.size),
        float(aster_away.var()),
        float(aster_k.mean()),
        base_k,
        torch.from_numpy(means),
        torch.from_numpy(attenuation_db(aster_k)[1:].astype(np.float32)),
        torch.from_numpy(attenuation_db(bicubic)[1:].astype(np.float32)),
        aster_away.size,
        scene_features(product_k, judge.pair.lst.values),
    )


def fit_gains(
    samples: Sequence[Sample], offsets_k: FloatArray | None = None, start: Restoration | None = None
) -> Restoration:
    """Gains and powers that make RMSE in kelvin plus attenuation RMSE in decibel least, mean over scenes.

    Parameters
    ----------
    samples : sequence of Sample
    offsets_k : array of shape (scenes,), optional
        Added to each product before its RMSE; nothing without it.
    start : Restoration, optional
        Where the search begins, such as another fold's.
    """
    features = np.array([one.features for one in samples])
    mean = features.mean(0)
    away = torch.from_numpy(features - mean)
    offsets = np.zeros(len(samples)) if offsets_k is None else offsets_k
    gains = torch.zeros(len(NODES), dtype=torch.float64)
    powers = torch.zeros(2, dtype=torch.float64)
    if start is not None:
        gains = torch.log(torch.tensor(start.gains, dtype=torch.float64))
        powers = torch.tensor([start.product_power, start.lst_power], dtype=torch.float64)
    gains.requires_grad_()
    powers.requires_grad_()
    share = torch.from_numpy(ramp())
    search = torch.optim.LBFGS(
        [gains, powers], max_iter=25 if start is None else 15, history_size=10, line_search_fn="strong_wolfe"
    )

    def cost() -> Tensor:
        search.zero_grad()
        total = torch.zeros((), dtype=torch.float64)
        for one, deviation, offset_k in zip(samples, away, offsets, strict=True):
            error_k, attenuation = _errors(
                one, torch.exp(gains + (deviation @ powers) * share), float(offset_k)
            )
            total = total + error_k + attenuation
        total = total / len(samples)
        total = total + POWER_RIDGE * powers.square().sum() + STEP_RIDGE * gains.diff().square().sum()
        torch.autograd.backward(total)
        return total

    search.step(cost)  # type: ignore[no-untyped-call]
    found = [round(float(gain), 4) for gain in torch.exp(gains.detach())]
    powers_found = [round(float(power), 4) for power in powers.detach()]
    return Restoration(tuple(found), *powers_found, *(round(float(value), 4) for value in mean))


def _errors(one: Sample, gains: Tensor, offset_k: float) -> tuple[Tensor, Tensor]:
    spread = one.variance_k2 - 2.0 * (gains @ one.cross) + gains @ one.products @ gains
    mean = one.base_k + offset_k + gains @ one.means
    error_k = torch.sqrt(spread + (mean - one.aster_mean_k) ** 2)
    amplitude = (gains.float().to(torch.complex64) @ one.spectra).abs() * one.weight
    rings = torch.zeros(len(one.aster_db)).index_add(0, one.ring, amplitude)
    difference = 10.0 * torch.log10(rings / (mean * one.pixels).float()) - one.aster_db
    return error_k, torch.sqrt(difference.square().sum() / (len(difference) + 1)).double()


# Figures


def figures(judge: Judge, product_k: FloatArray) -> dict[str, float]:
    """RMSE, bias, FRR and attenuation RMSE of a product against registered ASTER."""
    product, bicubic = judge.onto([product_k, judge.upsampled_k])
    error = product - judge.aster_k
    spectra = compare_spectra(*(attenuation_db(image) for image in (product, judge.aster_k, bicubic)))
    return {
        "rmse_k": float(np.sqrt(np.square(error).mean())),
        "rmse_unbiased_k": float(error.std()),
        "bias_k": float(error.mean()),
        "frr": spectra.frr,
        "attenuation_rmse_db": spectra.attenuation_rmse_db,
    }


# Uncertainty


@dataclass(frozen=True)
class Errors:
    """Sampled pixels of scenes: errors in kelvin, split into a scene's mean and the rest, and features.

    Attributes
    ----------
    scene : array of shape (pixels,)
    error_k, mean_k : array of shape (pixels,)
        The whole error, and its scene's mean.
    features : array of shape (features, pixels)
    """

    scene: IntArray
    error_k: FloatArray
    mean_k: FloatArray
    features: FloatArray

    def of(self, scenes: IntArray) -> Errors:
        """The pixels of some scenes."""
        rows = np.isin(self.scene, scenes)
        return Errors(self.scene[rows], self.error_k[rows], self.mean_k[rows], self.features[:, rows])


def sample_errors(judges: Sequence[Judge], products_k: Sequence[FloatArray]) -> Errors:
    """Errors and features of pixels drawn from each scene."""
    random = np.random.default_rng(SEED)
    parts = []
    for index, (judge, product_k) in enumerate(zip(judges, products_k, strict=True)):
        features = uncertainty.local_features(product_k, judge.pair.lst.values, judge.pair.ndvi.values)
        fine = [interpolated(image).astype(np.float64) for image in features]
        product, *warped = judge.onto([product_k, *fine])
        error = (product - judge.aster_k).ravel()
        rows = random.choice(error.size, min(_SAMPLE_PIXELS, error.size), replace=False)
        drawn = np.stack([image.ravel()[rows] for image in warped])
        parts.append((np.full(len(rows), index), error[rows], np.full(len(rows), error.mean()), drawn))
    scene, errors, means, drawn = zip(*parts, strict=True)
    return Errors(
        np.concatenate(scene), np.concatenate(errors), np.concatenate(means), np.concatenate(drawn, axis=1)
    )


def fit_uncertainty(errors: Errors, gap: tuple[float, float]) -> uncertainty.Uncertainty:
    """Coefficients: weights by non-negative least squares on the size of the texture's error, then scaled.

    Parameters
    ----------
    errors : Errors
    gap : tuple of float
        Kelvin and pixels, as `fit_gaps` gives them.
    """
    texture = errors.error_k - errors.mean_k
    design = np.vstack([np.ones(len(texture)), errors.features]).T
    weights, _ = optimize.nnls(design, np.abs(texture))
    weights *= np.sqrt(np.square(texture).mean() / np.square(design @ weights).mean())
    scenes = np.unique(errors.scene, return_index=True)[1]
    offset = float(np.sqrt(np.square(errors.mean_k[scenes]).mean()))
    constant, texture_weight, ndvi_weight, residual_weight = weights.tolist()
    plain = uncertainty.Uncertainty(
        1.0, offset, constant, texture_weight, ndvi_weight, residual_weight, gap[0], gap[1]
    )
    size = np.abs(errors.error_k) / plain.at_features(errors.features)
    # Errors have heavier tails than a Gaussian: between what 68 and what 95 % of the pixels ask for.
    asked = np.quantile(size, _COVERAGES) / np.array([1.0, 1.96])
    rounded = {name: round(float(value), 4) for name, value in asdict(plain).items()}
    return uncertainty.Uncertainty(**{**rounded, "scale": round(float(asked.mean()), 4)})


def coverage(errors: Errors, deviation_k: FloatArray) -> dict[str, float]:
    """Shares of the pixels within one and 1.96 standard deviations."""
    size = np.abs(errors.error_k) / deviation_k
    return {"within_1": float((size < 1.0).mean()), "within_1.96": float((size < 1.96).mean())}


def fit_gaps(judges: Sequence[Judge], product_k: Callable[[Pair], FloatArray]) -> tuple[float, float]:
    """What gaps do to a product near them: kelvin at the gap, and pixels over which that falls to 1/e.

    Gaps of the shape of clouds are cut into whole scenes, and products with and without them compared.

    Parameters
    ----------
    judges : sequence of Judge
    product_k : callable
        Gives a pair's product.
    """
    random = np.random.default_rng(SEED)
    distances, squares = [], []
    for judge in bar(judges, "Cutting gaps", "scene"):
        pair = judge.pair
        noise = ndimage.gaussian_filter(random.standard_normal(pair.lst.values.shape), 3.0)
        lst_k = np.where(noise > np.quantile(noise, 1.0 - _GAP_SHARE), np.nan, pair.lst.values)
        whole = product_k(pair)
        cut = product_k(replace(pair, lst=pair.lst.with_values(lst_k)))
        both = np.isfinite(cut) & np.isfinite(whole)
        away = uncertainty.distance_to_gap(~np.isfinite(cut), 64.0)
        distances.append(away[both])
        squares.append(np.square(cut - whole)[both])
    distance, square = np.concatenate(distances), np.concatenate(squares)
    edges = np.array([0.0, 4.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0])
    bins = np.digitize(distance, edges) - 1
    places = [float(distance[bins == k].mean()) for k in range(len(edges) - 1)]
    sizes = [float(np.sqrt(square[bins == k].mean())) + 1e-3 for k in range(len(edges) - 1)]
    slope, size = np.polyfit(places, np.log(sizes), 1, w=np.sqrt(sizes))
    return round(float(np.exp(size)), 3), round(float(-1.0 / slope), 1)


# All of it


def calibrate(directory: Path, folds: Path, out: Path) -> dict[str, Any]:
    """Fit everything over the development scenes of a directory, and write it as JSON.

    Parameters
    ----------
    directory : Path
        Of pairs with ASTER.
    folds : Path
        Of the networks that ``lstsr train --model aster-unet --folds`` wrote: each scene's product is
        made by one that has not seen it.
    out : Path
        The JSON file, such as `sharpening.restoration.COEFFICIENTS`.

    Returns
    -------
    dict
        The file's content.

    Raises
    ------
    InputError
        If a pair or a network cannot be used, or the file cannot be written.
    """
    torch.set_num_threads(1)
    judges = read_judges(directory)
    fold_of = group_folds(np.array([judge.group for judge in judges]), FOLDS, SEED)
    differences = level_differences_k(judges)
    line = fit_level(judges, differences)
    levels: list[FloatArray] = [np.empty(0)] * len(judges)
    for inside, outside in _splits(fold_of):
        fitted = fit_level([judges[i] for i in inside], differences[inside])
        for i in outside:
            levels[i] = level.difference_k(judges[i].pair.lst.values, fitted)
    levels_k = np.array([float(image.mean()) for image in levels])
    error = float(np.square(differences).mean()), float(np.square(differences - levels_k).mean())
    content: dict[str, Any] = {
        "card": {
            "fitted_to": f"registered ASTER of {len(judges)} development scenes; no test scene was opened",
            "out_of_fold": f"{FOLDS} folds of whole groups, products of networks that have not seen a scene",
            "git_revision": git_revision(),
        },
        "level": {"line": asdict(line), "mean_square_k2": [round(value, 4) for value in error]},
        "uncertainty": {},
    }
    for network, restored_method in (("sc-unet", "sc-unet-restored"), ("aster-unet", "aster-unet-restored")):
        options = Options(folds if NETWORKS[network] == "aster-unet" else None)
        products = [sharpen(judge.pair, network, options).values for judge in bar(judges, network, "scene")]
        gains, restored_k = _fit_network(judges, products, fold_of, levels_k)
        content[network] = {
            "restoration": asdict(gains),
            "out_of_fold": {
                network: _means(judges, products),
                restored_method: _means(judges, restored_k),
                f"{network}, level fitted": _means(judges, _added(products, levels)),
                f"{restored_method}, level fitted": _means(judges, _added(restored_k, levels)),
            },
        }
        some = judges[:: max(1, len(judges) // 12)]
        gap = fit_gaps(some, partial(_product, network, options, None))
        restored_gap = fit_gaps(some, partial(_product, network, options, gains))
        outputs, gaps = {restored_method: restored_k}, {restored_method: restored_gap}
        if network == "aster-unet":
            outputs |= {network: products, "aster-unet-levelled": _added(products, levels)}
        for method, images in outputs.items():
            content["uncertainty"][method] = _fit_method(judges, images, fold_of, gaps.get(method, gap))
    with written_atomically(out) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return content


def note_in_card(content: Mapping[str, Any], weights: Path) -> None:
    """Write into the card of a weights file of ``aster-unet`` what its folds gave.

    Parameters
    ----------
    content : mapping
        As `calibrate` gives it.
    weights : Path

    Raises
    ------
    InputError
        If the file is missing or damaged.
    """
    model = load_model(weights)
    figures_of = content["aster-unet"]["out_of_fold"]
    card = {**model.card, "out_of_fold": figures_of, "judged_as": content["card"]["out_of_fold"]}
    if "git_revision" not in card or card["git_revision"] == "unknown":
        card["git_revision"] = content["card"]["git_revision"]
    save_model(model.network, model.statistics, weights, card)


def _splits(fold_of: IntArray) -> list[tuple[IntArray, IntArray]]:
    return [(np.flatnonzero(fold_of != k), np.flatnonzero(fold_of == k)) for k in range(FOLDS)]


def _fit_network(
    judges: Sequence[Judge], products: Sequence[FloatArray], fold_of: IntArray, levels_k: FloatArray
) -> tuple[Restoration, list[FloatArray]]:
    samples = [sample(judge, product) for judge, product in zip(judges, products, strict=True)]
    gains = fit_gains(samples, levels_k)
    images: list[FloatArray] = [np.empty(0)] * len(judges)
    for inside, outside in _splits(fold_of):
        fitted = fit_gains([samples[i] for i in inside], levels_k[inside])
        for i in outside:
            images[i] = restored(products[i], judges[i].pair.lst.values, fitted)
    return gains, images


def _product(network: str, options: Options, gains: Restoration | None, pair: Pair) -> FloatArray:
    product_k = sharpen(pair, network, options).values
    return product_k if gains is None else restored(product_k, pair.lst.values, gains)


def _added(products: Sequence[FloatArray], levels: Sequence[FloatArray]) -> list[FloatArray]:
    return [product + level_k for product, level_k in zip(products, levels, strict=True)]


def _means(judges: Sequence[Judge], products: Sequence[FloatArray]) -> dict[str, float]:
    rows = [figures(judge, product) for judge, product in zip(judges, products, strict=True)]
    return {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}


def _fit_method(
    judges: Sequence[Judge], products: Sequence[FloatArray], fold_of: IntArray, gap: tuple[float, float]
) -> Mapping[str, Any]:
    errors = sample_errors(judges, products)
    deviation: NDArray[np.float64] = np.zeros(len(errors.scene))
    for inside, outside in _splits(fold_of):
        fitted, rows = fit_uncertainty(errors.of(inside), gap), np.isin(errors.scene, outside)
        deviation[rows] = fitted.at_features(errors.features[:, rows])
    quarters = {}
    for name, values in zip(uncertainty.FEATURES, errors.features, strict=True):
        quarter = np.searchsorted(np.quantile(values, [0.25, 0.5, 0.75]), values)
        within = np.abs(errors.error_k) < deviation
        quarters[name] = [round(float(within[quarter == k].mean()), 3) for k in range(4)]
    shares = {name: round(value, 4) for name, value in coverage(errors, deviation).items()}
    return {
        "coefficients": asdict(fit_uncertainty(errors, gap)),
        "out_of_fold": {**shares, "within_1_by_quarter": quarters},
    }
