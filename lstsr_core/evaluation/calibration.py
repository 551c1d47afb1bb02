"""Fitting what the companion's methods know of ASTER: gains, level and uncertainty, fold by fold.

All is fitted over the development scenes, with products of networks that have not seen a scene; the figures
are out of fold, by whole groups of neighbours. No ASTER of a test scene is opened.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import fft, ndimage, optimize
from torch import Tensor

from lstsr_core.base.files import written_atomically
from lstsr_core.base.fingerprint import git_revision
from lstsr_core.base.progress import bar
from lstsr_core.evaluation.protocols import Registered, largest_rectangle
from lstsr_core.geo.operators import upsample
from lstsr_core.geo.raster import FloatArray, fill_nearest, warp_onto
from lstsr_core.metrics.fourier import attenuation_db, compare_spectra, ring_members
from lstsr_core.networks.fine_tuning import ASTER_UNET
from lstsr_core.networks.weights import load_model, save_model
from lstsr_core.networks.weights_files import PACKAGE_WEIGHTS, fold_name, read_folds
from lstsr_core.pairs.pair import ModisPair, Pair, fine_grid, read_pair
from lstsr_core.pairs.scenes import Part, read_part
from lstsr_core.patches.splits import IntArray, overlapping_groups
from lstsr_core.sharpening import level, uncertainty
from lstsr_core.sharpening.level import Level
from lstsr_core.sharpening.methods import Options, sharpen_pair
from lstsr_core.sharpening.restoration import (
    COEFFICIENTS,
    NODES,
    Restoration,
    gains_without_aster,
    interpolated,
    ramp,
    restored,
    scene_features,
)

SEED = 0
RESTORED = ("sc-unet", ASTER_UNET)
"""The networks whose products are restored."""

SC_UNET = PACKAGE_WEIGHTS / "sc-unet.safetensors"
GAP_SCENES = 12
"""How many scenes, about, gaps are cut into."""

SMALLEST_GROUP_CORRELATION = 0.6
"""Between the level errors of two scenes of one group: so many scenes count less than as many days."""

LEVEL_RIDGE, POWER_RIDGE, STEP_RIDGE = 5.0, 3e-3, 1e-4
_SAMPLE_PIXELS = 3000  # of a scene, for the uncertainty
_COVERAGES = (0.6827, 0.95)
_GAP_SHARE = 0.12


@dataclass(frozen=True)
class Judge:
    """A scene with ASTER registered, and how a product is laid onto it.

    Attributes
    ----------
    pair : Pair
        Aligned, ASTER moved as the ``registered`` protocol moves it.
    scene : ModisPair
        As read.
    rows, columns : slice
        Of ASTER's grid: the rectangle that metrics are taken over.
    group : int
    """

    pair: Pair
    scene: ModisPair
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


def read_judges(directory: Path, part: Part = "development") -> list[Judge]:
    """The pairs of a part, each placed by the ``registered`` protocol; no ASTER of another part is opened.

    Raises
    ------
    InputError
        As `pairs.scenes.read_part`, or as `pairs.pair.read_pair`.
    """
    judges = []
    scenes = read_part(directory, part)
    groups = overlapping_groups([scene.lst for scene in scenes])
    for scene, group in zip(scenes, groups, strict=True):
        placed = Registered(read_pair(directory, scene.id))
        whole = fine_grid(placed.pair).warp_onto(placed.pair.aster)
        rectangle = largest_rectangle(placed.aster_valid & np.isfinite(whole.values))
        judges.append(Judge(placed.pair, scene, *rectangle, int(group)))
    return judges


# Level


def level_differences_k(judges: Sequence[Judge]) -> FloatArray:
    """Each scene's mean of ASTER minus U(LST), kelvin."""
    return np.array([float((j.aster_k - j.onto([j.upsampled_k])[0]).mean()) for j in judges])


def fit_level(judges: Sequence[Judge], differences_k: FloatArray) -> Level:
    """Ridge of the differences on mean and spread of the LST, scenes of one group weighed down."""
    features = _level_features(judges)
    mean, deviation = features.mean(0), np.maximum(features.std(0), 1e-3)
    design = np.column_stack([np.ones(len(judges)), (features - mean) / deviation])
    groups = np.array([judge.group for judge in judges])
    size = (groups[:, None] == groups[None, :]).sum(1)
    weights = 1.0 / (1.0 + (size - 1) * SMALLEST_GROUP_CORRELATION)
    normal = (design * weights[:, None]).T @ design + LEVEL_RIDGE * np.eye(3)
    line = np.linalg.solve(normal, (design * weights[:, None]).T @ differences_k)
    scales = [value for pair in zip(mean, deviation, strict=True) for value in pair]
    return Level(*(round(float(value), 6) for value in (*line, *scales)))


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
    lst_k : array of shape (pixels,)
        The product.
    features : array of shape (features, pixels)
    """

    scene: IntArray
    error_k: FloatArray
    mean_k: FloatArray
    lst_k: FloatArray
    features: FloatArray

    def of(self, scenes: IntArray) -> Errors:
        """The pixels of some scenes."""
        rows = np.isin(self.scene, scenes)
        error_k, mean_k, lst_k = (image[rows] for image in (self.error_k, self.mean_k, self.lst_k))
        return Errors(self.scene[rows], error_k, mean_k, lst_k, self.features[:, rows])


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
        drawn = np.stack([product.ravel()[rows], *(image.ravel()[rows] for image in warped)])
        parts.append((np.full(len(rows), index), error[rows], np.full(len(rows), error.mean()), drawn))
    scene, errors, means, drawn = (np.concatenate(part, axis=-1) for part in zip(*parts, strict=True))
    return Errors(scene, errors, means, drawn[0], drawn[1:])


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

    Beside each fold's network go the coefficients that were fitted without the fold, and the SC-Unet whose
    gains they hold, so that the directory judges each scene by what has not seen its ASTER
    (``lstsr evaluate --weights``, ``lstsr coverage --weights``).

    Parameters
    ----------
    directory : Path
        Of pairs with ASTER.
    folds : Path
        Of the networks that ``lstsr train --model aster-unet --folds`` wrote: each scene's product is
        made by one that has not seen it.
    out : Path
        The JSON file of what was fitted to all scenes, such as `sharpening.restoration.COEFFICIENTS`.

    Returns
    -------
    dict
        The file's content.

    Raises
    ------
    InputError
        If a pair or a network cannot be used, or a file cannot be written.
    """
    torch.set_num_threads(1)
    judges = read_judges(directory)
    fold_of = read_folds(folds)
    inside = [_without(fold, judges, fold_of) for fold in sorted(set(fold_of.values()))]
    every = np.arange(len(judges))
    contents: list[dict[str, Any]] = [_card(judges, scenes) for scenes in (every, *inside)]
    levels = _fit_levels(judges, inside, contents)
    for network in RESTORED:
        options = Options(folds if network == ASTER_UNET else None)
        products = [
            sharpen_pair(judge.pair, network, options).values for judge in bar(judges, network, "scene")
        ]
        samples = [sample(judge, product) for judge, product in zip(judges, products, strict=True)]
        gains = [_fit_gains_of(judges, samples, scenes, Level(**content["level"]["line"]))
                 for scenes, content in zip((every, *inside), contents, strict=True)]  # fmt: skip
        for content, fitted in zip(contents, gains, strict=True):
            content[network] = {"restoration": asdict(fitted)}
        unseen = _places(judges, inside)
        restored_k = [
            restored(product, judge.pair.lst.values, gains[place])
            for product, judge, place in zip(products, judges, unseen, strict=True)
        ]
        images = {
            network: products,
            f"{network}, gains without ASTER": _restored_without_aster(judges, products),
            f"{network}, level fitted": _added(products, levels),
            f"{network}-restored": restored_k,
            f"{network}-restored, level fitted": _added(restored_k, levels),
        }
        contents[0][network]["out_of_fold"] = {name: _means(judges, image) for name, image in images.items()}
        some = judges[:: max(1, len(judges) // GAP_SCENES)]
        gap = fit_gaps(some, partial(_product, network, options, None))
        judged = {f"{network}-restored": fit_gaps(some, partial(_product, network, options, gains[0]))}
        if network == ASTER_UNET:
            for method, near in ((network, gap), (f"{network}-restored", judged[f"{network}-restored"])):
                judged |= {method: near, f"{method}-levelled": near}
                images[f"{method}-levelled"] = images[f"{method}, level fitted"]
        for method, near_gaps in judged.items():
            errors = sample_errors(judges, images[method])
            for scenes, content in zip((every, *inside), contents, strict=True):
                content["uncertainty"][method] = asdict(fit_uncertainty(errors.of(scenes), near_gaps))
    for fold, content in enumerate(contents[1:]):
        place = folds / fold_name(fold)
        with written_atomically(place / SC_UNET.name) as temporary:
            shutil.copyfile(SC_UNET, temporary)
        _write(content, place / COEFFICIENTS.name)
    _write(contents[0], out)
    return contents[0]


def _without(fold: int, judges: Sequence[Judge], fold_of: Mapping[str, int]) -> IntArray:
    return np.array([index for index, judge in enumerate(judges) if fold_of[judge.pair.id] != fold])


def _card(judges: Sequence[Judge], scenes: IntArray) -> dict[str, Any]:
    return {
        "card": {
            "fitted_to": f"registered ASTER of {len(scenes)} development scenes; no test scene was opened",
            "out_of_fold": "whole groups left out, products of networks that have not seen a scene's ASTER",
            "git_revision": git_revision(),
            "seen": [judges[index].scene.digest for index in scenes],
        },
        "uncertainty": {},
    }


def _fit_levels(
    judges: Sequence[Judge], inside: Sequence[IntArray], contents: Sequence[dict[str, Any]]
) -> list[FloatArray]:
    """Write each line into its content, and give each scene's level by the line that has not seen it."""
    differences = level_differences_k(judges)
    lines = [
        fit_level([judges[i] for i in scenes], differences[scenes])
        for scenes in (np.arange(len(judges)), *inside)
    ]
    for content, line in zip(contents, lines, strict=True):
        content["level"] = {"line": asdict(line)}
    levels = [
        level.difference_k(judge.pair.lst.values, lines[place])
        for judge, place in zip(judges, _places(judges, inside), strict=True)
    ]
    left_k = differences - np.array([float(image.mean()) for image in levels])
    squares = [float(np.square(errors).mean()) for errors in (differences, left_k)]
    contents[0]["level"]["mean_square_k2"] = [round(square, 4) for square in squares]
    return levels


def _places(judges: Sequence[Judge], inside: Sequence[IntArray]) -> list[int]:
    """For each scene the place of the fit that has not seen it; the first, at 0, has seen all."""
    return [
        next(place for place, scenes in enumerate(inside, 1) if index not in scenes)
        for index in range(len(judges))
    ]


def _fit_gains_of(
    judges: Sequence[Judge], samples: Sequence[Sample], scenes: IntArray, line: Level
) -> Restoration:
    levels_k = [float(level.difference_k(judges[i].pair.lst.values, line).mean()) for i in scenes]
    return fit_gains([samples[i] for i in scenes], np.array(levels_k))


def _restored_without_aster(judges: Sequence[Judge], products: Sequence[FloatArray]) -> list[FloatArray]:
    images = []
    for judge, product_k in zip(judges, products, strict=True):
        gains = gains_without_aster(fill_nearest(product_k), judge.upsampled_k)
        plain = Restoration(gains, 0.0, 0.0, 0.0, 0.0)
        images.append(restored(product_k, judge.pair.lst.values, plain))
    return images


def _product(network: str, options: Options, gains: Restoration | None, pair: Pair) -> FloatArray:
    product_k = sharpen_pair(pair, network, options).values
    return product_k if gains is None else restored(product_k, pair.lst.values, gains)


def _added(products: Sequence[FloatArray], levels: Sequence[FloatArray]) -> list[FloatArray]:
    return [product + level_k for product, level_k in zip(products, levels, strict=True)]


def _means(judges: Sequence[Judge], products: Sequence[FloatArray]) -> dict[str, float]:
    rows = [figures(judge, product) for judge, product in zip(judges, products, strict=True)]
    return {name: round(float(np.mean([row[name] for row in rows])), 4) for name in rows[0]}


def _write(content: Mapping[str, Any], path: Path) -> None:
    with written_atomically(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, sort_keys=True) + "\n", encoding="utf-8")


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
    figures_of = content[ASTER_UNET]["out_of_fold"]
    card = {**model.card, "out_of_fold": figures_of, "judged_as": content["card"]["out_of_fold"]}
    if "git_revision" not in card or card["git_revision"] == "unknown":
        card["git_revision"] = content["card"]["git_revision"]
    save_model(model.network, model.statistics, weights, card)
