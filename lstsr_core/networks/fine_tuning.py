"""A network that has seen ASTER: SC-Unet, trained on with ASTER's texture as its target.

This is the companion's, not the paper's, whose networks see no ground truth. What is learned is texture
alone: ASTER's smooth difference from the upsampled 1 km LST, which holds the level between the two
sensors, is taken off the target, and each scene's ASTER is moved onto the product first
(`pairs.swath.registered`), for the database places it two thirds of a pixel and more to the south-east.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pandas as pd
import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from torch import Tensor
from torch.nn import functional
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from lstsr_core.base.errors import InputError, invalid
from lstsr_core.base.fingerprint import fingerprint, git_revision
from lstsr_core.base.memory import kept_memory
from lstsr_core.base.progress import bar
from lstsr_core.geo.operators import upsample
from lstsr_core.geo.raster import BoolArray, FloatArray, fill_nearest
from lstsr_core.geo.registration import smoothed_within
from lstsr_core.networks.checkpoint import Checkpoint, copied, read_checkpoint, write_checkpoint
from lstsr_core.networks.cross_validation import CHECKPOINT, LICENCE, has_ended, write_folds
from lstsr_core.networks.data import SYMMETRIES, Stack, symmetric
from lstsr_core.networks.settings import MOST_THREADS, Number
from lstsr_core.networks.training import write_curves
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.networks.weights import Model, load_model, save_model
from lstsr_core.networks.weights_files import FOLDS_TABLE, PACKAGE_WEIGHTS, fold_name
from lstsr_core.pairs.pair import align, fine_grid
from lstsr_core.pairs.scenes import read_development
from lstsr_core.pairs.swath import registered
from lstsr_core.patches.splits import IntArray, group_folds, overlapping_groups
from lstsr_core.patches.statistics import Statistics

ASTER_UNET: Literal["aster-unet"] = "aster-unet"

LEVEL_SIGMA = 6.0
"""Fine pixels: ASTER's difference from the upsampled LST is level where it is smoother."""

FINE_SIGMA, COARSE_SIGMA = 1.0, 3.0
"""Of the two high-passes that the loss weighs beside the plain error."""

SMALLEST_SHARE = 0.7
"""Of a crop's pixels that ASTER must cover."""

LOSS_BORDER = 4
"""Pixels at a crop's border that the loss leaves out: convolutions see padding there."""

REPORT_STEPS = 100
"""Steps of which the mean loss is one row of the curves, and after which a checkpoint is written."""


class FineTuningSettings(BaseModel):
    """What decides a fine-tuning beside its data; a name that is not here is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)

    model: Literal["aster-unet"] = ASTER_UNET
    steps: int = Field(1000, ge=1, le=1_000_000, description="batches")
    learning_rate: Number = Field(1e-3, gt=0.0, le=1.0, description="of AdamW, at the top of its one cycle")
    weight_decay: Number = Field(1e-3, ge=0.0, le=1.0, description="of AdamW")
    batch_size: int = Field(8, ge=1, le=512, description="crops in a step")
    crop: int = Field(64, ge=16, le=256, description="side in fine pixels")
    gradient_clip: Number = Field(1.0, gt=0.0, description="largest norm of the gradient")
    threads: int = Field(1, ge=1, le=MOST_THREADS, description="of the CPU")
    seed: int = Field(0, ge=0, description="of the folds, the crops and their symmetries")

    @classmethod
    def check(cls, values: Mapping[str, Any], where: str) -> Self:
        """Validate settings, as `TrainingSettings.check` does.

        Raises
        ------
        InputError
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise invalid(error, cls, "setting", where) from None


@dataclass(frozen=True)
class Scene:
    """A development pair ready to learn from, on the product's grid.

    Attributes
    ----------
    name : str
        The pair's id.
    digest : str
        `ModisPair.digest`.
    lst_k, ndvi : float32 array of shape (rows, columns)
        U(LST) and NDVI without gaps.
    target_k : float32 array of shape (rows, columns)
        Registered ASTER less its smooth difference from U(LST); U(LST) where there is no ASTER.
    seen : bool array of shape (rows, columns)
        Where ASTER was.
    texture_k : float
        Standard deviation of the target's high-pass, by which the loss makes scenes comparable.
    """

    name: str
    digest: str
    lst_k: Stack
    ndvi: Stack
    target_k: Stack
    seen: BoolArray
    texture_k: float


@dataclass(frozen=True)
class AsterData:
    """The development pairs of a directory, the network to start from, and which pairs are neighbours."""

    scenes: list[Scene]
    groups: IntArray
    start: Model

    def __len__(self) -> int:
        return len(self.scenes)


def read_scenes(directory: Path) -> AsterData:
    """Read the development pairs of a directory with ASTER as the target; test scenes stay unopened.

    Groups are by footprints as read: aligned, they are a pixel smaller, and those of one day touch no more.
    The shift of each scene's ASTER is estimated against the package's SC-Unet, from which training starts.

    Raises
    ------
    InputError
        If a pair is damaged, or its ASTER shows nothing that its product does.
    """
    start = load_model(PACKAGE_WEIGHTS / "sc-unet.safetensors")
    read = read_development(directory)
    pairs = [align(pair) for pair in read]
    scenes = []
    for source, pair in zip(read, bar(pairs, "Registering ASTER", "pair"), strict=True):
        lst_k, ndvi = upsample(fill_nearest(pair.lst.values)), fill_nearest(pair.ndvi.values)
        product = fine_grid(pair).with_values(start.predict_k(lst_k, ndvi))
        try:
            aster_k = registered(pair.aster, product).values
        except ValueError as error:
            raise InputError(f"pair {pair.id}: its ASTER cannot be registered: {error}") from None
        scenes.append(_scene(pair.id, source.digest, lst_k, ndvi, aster_k))
    return AsterData(scenes, overlapping_groups([pair.lst for pair in read]), start)


def _scene(name: str, digest: str, lst_k: FloatArray, ndvi: FloatArray, aster_k: FloatArray) -> Scene:
    seen = np.isfinite(aster_k)
    level_k = smoothed_within(np.where(seen, aster_k - lst_k, 0.0), seen, LEVEL_SIGMA)
    target_k = np.where(seen, aster_k - level_k, lst_k)
    texture_k = float((target_k - smoothed_within(target_k, seen, COARSE_SIGMA))[seen].std())
    x, n, target = (values.astype(np.float32) for values in (lst_k, ndvi, target_k))
    return Scene(name, digest, x, n, target, seen, texture_k)


def fine_tune(data: AsterData, settings: FineTuningSettings, directory: Path, source: str) -> None:
    """Train one network on all scenes and write ``aster-unet.safetensors``, with its curves beside it.

    A training that was stopped there goes on where it was; one that has ended is not run again.

    Raises
    ------
    InputError
        If the directory holds weights of another training, or a file cannot be written.
    """
    _tune_and_save(data, np.arange(len(data)), settings, directory, {"source": source})


def fine_tune_folds(
    data: AsterData, settings: FineTuningSettings, folds: int, directory: Path, source: str
) -> pd.DataFrame:
    """Train a network for each fold on all the others, as `cross_validation.cross_validate` does.

    Returns
    -------
    DataFrame
        Columns scene and fold, as ``folds.csv`` in the directory has them.

    Raises
    ------
    InputError
        If there are fewer groups than folds, if the directory holds other folds, or as `fine_tune`.
    """
    fold_of = group_folds(data.groups, folds, settings.seed)
    table = pd.DataFrame({"scene": [scene.name for scene in data.scenes], "fold": fold_of})
    write_folds(table, directory / FOLDS_TABLE)
    for fold in range(folds):
        seen = {"source": source, "fold": fold, "folds": folds}
        seen["not_seen"] = table["scene"][fold_of == fold].tolist()
        _tune_and_save(data, np.flatnonzero(fold_of != fold), settings, directory / fold_name(fold), seen)
    return table


def _tune_and_save(
    data: AsterData, training: IntArray, settings: FineTuningSettings, directory: Path, seen: dict[str, Any]
) -> None:
    weights, checkpoint, curves = (
        directory / f"{ASTER_UNET}.{end}" for end in ("safetensors", CHECKPOINT, "curves.csv")
    )
    scenes = [data.scenes[index] for index in training]
    origin = origin_of(data.start, scenes, settings)
    if has_ended(weights, origin, "pairs"):
        return
    network, rows = tune(data.start, scenes, settings, checkpoint)
    write_curves(pd.DataFrame(rows, columns=["step", "train_loss"]).astype({"step": int}), curves)
    card = {
        "model": ASTER_UNET,
        "target": "ASTER, registered scene by scene, of the development scenes alone",
        "companion_of": "arXiv 2502.01204",
        "licence": LICENCE,
        "data": {**seen, "training_scenes": len(scenes), "seen": [scene.digest for scene in scenes]},
        "start": data.start.source,
        "settings": settings.model_dump(),
        "metrics": {"train_loss": round(rows[-1][1], 8)},
        "git_revision": git_revision(),
        "origin": origin,
    }
    save_model(network, data.start.statistics, weights, card)
    checkpoint.unlink(missing_ok=True)


def origin_of(start: Model, scenes: Sequence[Scene], settings: FineTuningSettings) -> str:
    """A fingerprint of all that decides a fine-tuning but the machine."""
    names = [[scene.name, scene.digest, round(scene.texture_k, 6)] for scene in scenes]
    return fingerprint(settings.model_dump(), names, asdict(start.statistics), start.card.get("origin", ""))


def tune(
    start: Model, scenes: Sequence[Scene], settings: FineTuningSettings, checkpoint: Path | None = None
) -> tuple[SharpeningUNet, list[list[float]]]:
    """Train a copy of a network on scenes, or go on from a checkpoint.

    On a CPU the same seed, settings and scenes give the same weights bit for bit, resumed or not.
    Batch norms keep the statistics that they came with: with each batch's own, level drifts by 0.4 K.

    Returns
    -------
    network : SharpeningUNet
        In evaluation mode.
    rows : list of [step, mean loss]
        Every `REPORT_STEPS` steps.

    Raises
    ------
    InputError
        If the loss stops being a number, or the checkpoint is damaged or of another training.
    """
    torch.set_num_threads(settings.threads)
    network = SharpeningUNet(start.network.upsampling).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    network.load_state_dict(start.network.state_dict())
    network.eval()  # which freezes the batch norms
    optimiser = torch.optim.AdamW(
        network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    origin, rows = origin_of(start, scenes, settings), []
    if checkpoint is not None and checkpoint.is_file():
        saved = read_checkpoint(checkpoint)
        if saved.origin != origin:
            raise InputError(
                f"{checkpoint}: belongs to a training with other settings or pairs. Take another directory"
                " for this one, or delete the file to start from scratch."
            )
        network.load_state_dict(saved.network)
        optimiser.load_state_dict({**optimiser.state_dict(), "state": saved.optimiser})
        rows = [list(row) for row in saved.curves]
    first = int(rows[-1][0]) if rows else 0
    batches, rates, losses = Crops(scenes, start.statistics, settings), _rates(settings), list[float]()
    progress: tqdm[int] = bar(range(settings.steps), f"Training {ASTER_UNET}", "step")
    progress.update(first)
    with kept_memory():
        for step in range(first, settings.steps):
            for group in optimiser.param_groups:
                group["lr"], group["betas"] = rates[step]
            loss = batches.loss(network, step)
            if not torch.isfinite(loss):
                raise InputError(f"step {step}: the loss is {loss.item()}. Lower 'learning_rate'.")
            optimiser.zero_grad(set_to_none=True)
            torch.autograd.backward(loss)
            clip_grad_norm_(network.parameters(), settings.gradient_clip)
            optimiser.step()
            losses.append(loss.item())
            progress.update()
            if (step + 1) % REPORT_STEPS == 0 or step + 1 == settings.steps:
                rows.append([float(step + 1), float(np.mean(losses))])
                losses.clear()
                if checkpoint is not None and step + 1 < settings.steps:
                    state, moments = network.state_dict(), optimiser.state_dict()["state"]
                    write_checkpoint(
                        Checkpoint(origin, rows, len(rows), state, copied(state), moments), checkpoint
                    )
    progress.close()
    return network.to(memory_format=torch.contiguous_format), rows


def _rates(settings: FineTuningSettings) -> list[tuple[float, tuple[float, float]]]:
    """AdamW's rate and betas at each step of one cycle, so that a resumed training need not replay it."""
    optimiser = torch.optim.AdamW([torch.zeros(1, requires_grad=True)], lr=settings.learning_rate)
    cycle = torch.optim.lr_scheduler.OneCycleLR(
        optimiser, settings.learning_rate, total_steps=settings.steps + 1, pct_start=0.2
    )
    rates = []
    for _ in range(settings.steps):
        group = optimiser.param_groups[0]
        rates.append((float(group["lr"]), (float(group["betas"][0]), float(group["betas"][1]))))
        optimiser.step()
        cycle.step()
    return rates


class Crops:
    """Random crops of scenes in z-scores, and the loss that a network is trained on over them.

    The loss is the squared error, plus those of the error's high-passes at `COARSE_SIGMA` and
    `FINE_SIGMA`, each over the variance that the targets have there, so that fine texture counts.
    """

    def __init__(self, scenes: Sequence[Scene], statistics: Statistics, settings: FineTuningSettings) -> None:
        s = statistics
        self._scenes, self._settings = scenes, settings
        self._inputs = [
            np.stack([(x.lst_k - s.lst_mean_k) / s.lst_std_k, (x.ndvi - s.ndvi_mean) / s.ndvi_std])
            for x in scenes
        ]
        self._targets = [((x.target_k - s.lst_mean_k) / s.lst_std_k)[None] for x in scenes]
        self._textures = [x.texture_k / s.lst_std_k for x in scenes]
        too_small = [x.name for x in scenes if min(x.seen.shape) < settings.crop]
        if too_small or not scenes:
            raise InputError(f"pairs {', '.join(too_small)}: smaller than 'crop', {settings.crop} pixels.")
        self._fine, self._coarse = (self._variance(sigma) for sigma in (FINE_SIGMA, COARSE_SIGMA))

    def _variance(self, sigma: float) -> float:
        variances = []
        for scene, target, texture in zip(self._scenes, self._targets, self._textures, strict=True):
            image = torch.from_numpy(target)[None]
            variances.append(
                float((image - _smooth(image, sigma))[0, 0].numpy()[scene.seen].var()) / texture**2
            )
        return float(np.mean(variances))

    def batch(self, step: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Inputs, targets, ASTER's mask and the scenes' texture of a step; the same for the same seed."""
        settings, random = self._settings, np.random.default_rng([self._settings.seed, step])
        crops: list[tuple[Stack, ...]] = []
        textures: list[float] = []
        for _ in range(1000 * settings.batch_size):
            index = int(random.integers(len(self._scenes)))
            seen, side = self._scenes[index].seen, settings.crop
            row, column = (int(random.integers(size - side + 1)) for size in seen.shape)
            window = (..., slice(row, row + side), slice(column, column + side))
            if seen[window].mean() >= SMALLEST_SHARE:
                turn = int(random.integers(SYMMETRIES))
                images = (self._inputs[index], self._targets[index], seen[None].astype(np.float32))
                crops.append(tuple(np.ascontiguousarray(symmetric(image[window], turn)) for image in images))
                textures.append(self._textures[index])
            if len(crops) == settings.batch_size:
                break
        else:
            raise InputError(f"ASTER covers {SMALLEST_SHARE:.0%} of too few crops; lower 'crop'.")
        inputs, targets, masks = (
            torch.from_numpy(np.stack(images).astype(np.float32)) for images in zip(*crops, strict=True)
        )
        return inputs, targets, masks, torch.tensor(textures, dtype=torch.float32).view(-1, 1, 1, 1)

    def loss(self, network: SharpeningUNet, step: int) -> Tensor:
        """The loss of a step's batch, a scalar tensor."""
        inputs, targets, masks, textures = self.batch(step)
        predicted = network(inputs.contiguous(memory_format=torch.channels_last))
        error = (predicted - targets) * masks / textures
        terms = ((0.0, self._coarse), (COARSE_SIGMA, self._coarse), (FINE_SIGMA, self._fine))
        inner = slice(LOSS_BORDER, -LOSS_BORDER)
        total = torch.zeros(())
        for sigma, variance in terms:
            part = error - _smooth(error, sigma) if sigma else error
            total = total + part[..., inner, inner].square().mean() / variance
        return total


def _smooth(images: Tensor, sigma: float) -> Tensor:
    reach = round(3 * sigma)
    taps = torch.exp(-0.5 * (torch.arange(-reach, reach + 1.0) / sigma) ** 2)
    taps = taps / taps.sum()
    padded = functional.pad(images, [reach] * 4, mode="reflect")
    return functional.conv2d(functional.conv2d(padded, taps.view(1, 1, -1, 1)), taps.view(1, 1, 1, -1))
