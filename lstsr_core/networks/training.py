"""Training a network: Adam, early stopping, the best epoch's weights
kept (Method 3); stopped, it goes on where it was."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.base.fingerprint import fingerprint
from lstsr_core.base.memory import kept_memory
from lstsr_core.base.progress import bar
from lstsr_core.networks.checkpoint import Checkpoint, copied, read_checkpoint, write_checkpoint
from lstsr_core.networks.curves import CURVE_COLUMNS, Tally
from lstsr_core.networks.data import Batch, Batches, TrainingData
from lstsr_core.networks.losses import Loss
from lstsr_core.networks.objectives import OBJECTIVES
from lstsr_core.networks.settings import TrainingSettings
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.patches.splits import IntArray
from lstsr_core.patches.statistics import Statistics

SCORED_EVERY = 8
"""Training patches of which the first one's PSNR and SSIM are taken; of validation patches each one's are."""

_VALIDATION_LOSS = CURVE_COLUMNS.index("val_loss")


@dataclass(frozen=True)
class TrainedModel:
    """The network that was kept, what z-scored its inputs, and the curves of every epoch.

    Attributes
    ----------
    network : SharpeningUNet
        In evaluation mode, on the CPU.
    statistics : Statistics
        Of the training split.
    curves : DataFrame
        Columns `networks.curves.CURVE_COLUMNS`.
    best_epoch : int
        Of the lowest validation loss, or the last one, whichever the settings keep.
    """

    network: SharpeningUNet
    statistics: Statistics
    curves: pd.DataFrame
    best_epoch: int


def default_device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def train(
    data: TrainingData,
    training: IntArray,
    validation: IntArray,
    settings: TrainingSettings,
    checkpoint: Path | None = None,
    log: Path | None = None,
    device: torch.device | None = None,
) -> TrainedModel:
    """Train a network from scratch, or go on from a checkpoint.

    On a CPU the same seed, settings, data and number of threads
    give the same weights bit for bit, resumed or not.

    Parameters
    ----------
    data : TrainingData
    training, validation : array of int
        Which patches; the training patches' own statistics z-score both.
        Without validation patches its curves are NaN.
    settings : TrainingSettings
    checkpoint : Path, optional
        Written after every epoch; if it is there, training goes on from it.
    log : Path, optional
        CSV of the curves, written after every epoch.
    device : torch.device, optional
        `default_device` without it.

    Raises
    ------
    InputError
        If the loss stops being a number (naming the batch's patches), a file cannot be written, or the
        checkpoint is damaged or belongs to another training.
    """
    run = _Run(data, training, validation, settings, device or default_device())
    origin = origin_of(data, training, validation, settings)
    if checkpoint is not None and checkpoint.is_file():
        saved = read_checkpoint(checkpoint)
        if saved.origin != origin:
            raise InputError(
                f"{checkpoint}: belongs to a training with other settings or patches. Take another directory"
                " for this one, or delete the file to start from scratch."
            )
        run.restore(saved)
    steps = -(-len(training) // settings.batch_size) or 1
    progress = bar(range(settings.epochs * steps), f"Training {settings.model}", "step")
    progress.update(run.epoch * steps)
    with kept_memory():
        while not run.finished:
            run.advance(progress)
            if checkpoint is not None:
                write_checkpoint(run.state(origin), checkpoint)
            if log is not None:
                write_curves(run.curves(), log)
    progress.close()
    return run.result()


def loss_of_upsampled(
    data: TrainingData, indices: IntArray, statistics: Statistics, settings: TrainingSettings
) -> Loss:
    """What U(y) itself scores, mean over the chosen patches: the figure that a network has to beat."""
    objective = OBJECTIVES[settings.model]
    everything = settings.model_copy(update={"batch_size": len(indices)})
    (batch,) = Batches(data, statistics, everything, objective.block).validation(indices)
    return objective.loss(objective.inputs(batch, statistics)[:, :1], batch, settings)


def origin_of(
    data: TrainingData, training: IntArray, validation: IntArray, settings: TrainingSettings
) -> str:
    """A fingerprint of all that decides a training but the machine:
    settings, names of the patches, their statistics."""
    names = [[data.names[i] for i in indices] for indices in (training, validation)]
    return fingerprint(settings.model_dump(), names, asdict(data.statistics(training)))


def write_curves(curves: pd.DataFrame, path: Path) -> None:
    """Write curves as CSV with all digits, atomically."""
    with written_atomically(path) as temporary:
        curves.to_csv(temporary, index=False, lineterminator="\n")


class _Run:
    def __init__(
        self,
        data: TrainingData,
        training: IntArray,
        validation: IntArray,
        settings: TrainingSettings,
        device: torch.device,
    ) -> None:
        torch.set_num_threads(settings.threads)
        self.statistics: Statistics = data.statistics(training)
        self._settings, self._device = settings, device
        self._training, self._validation = training, validation
        self._objective = OBJECTIVES[settings.model]
        self._batches = Batches(data, self.statistics, settings, self._objective.block)
        with torch.random.fork_rng():  # the caller's own random numbers stay as they were
            torch.manual_seed(settings.seed)
            network = SharpeningUNet(settings.upsampling)
        # A third faster than rows of channels, on CPUs and GPUs.
        self._network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._optimiser = torch.optim.Adam(self._network.parameters(), lr=settings.learning_rate)
        self._rows: list[list[float]] = []
        self._best_epoch, self._best = 0, copied(self._network.state_dict())

    @property
    def epoch(self) -> int:
        return len(self._rows)

    @property
    def finished(self) -> bool:
        stopped = (
            self._settings.patience is not None and self.epoch - self._best_epoch >= self._settings.patience
        )
        return self.epoch >= self._settings.epochs or stopped

    def advance(self, progress: tqdm[int]) -> None:
        """Run one epoch: the training patches, then the validation patches."""
        epoch = self.epoch + 1
        train_means = self._pass(epoch, self._batches.training(self._training, epoch), progress)
        validation_means = self._pass(epoch, self._batches.validation(self._validation), None)
        self._rows.append([float(epoch), *train_means, *validation_means])
        lowest = min([row[_VALIDATION_LOSS] for row in self._rows[:-1]], default=math.inf)
        if self._settings.keep == "last" or validation_means[0] < lowest:
            self._best_epoch, self._best = epoch, copied(self._network.state_dict())

    def _pass(self, epoch: int, batches: Iterable[Batch], progress: tqdm[int] | None) -> list[float]:
        learns = progress is not None
        self._set_mode(epoch, learns)
        tally = Tally(every=SCORED_EVERY if learns else 1)
        for step, batch in enumerate(batches):
            batch = batch.to(self._device)
            inputs = self._objective.inputs(batch, self.statistics)
            with torch.set_grad_enabled(learns):
                predicted = self._network(inputs.contiguous(memory_format=torch.channels_last))
                loss = self._objective.loss(predicted, batch, self._settings)
            if not torch.isfinite(loss.total):
                raise InputError(
                    f"epoch {epoch}: the loss is {loss.total.item()} on patches {', '.join(batch.names)}. "
                    "Lower 'learning_rate', or look at these patches."
                )
            if progress is not None:
                self._step(epoch, step, loss)
                progress.set_postfix_str(_shown(loss), refresh=False)
                progress.update()
            tally.add(loss, predicted, inputs[:, :1])
        return tally.means()

    def _set_mode(self, epoch: int, learns: bool) -> None:
        self._network.train(learns)
        if self._settings.norm_epochs is not None and epoch > self._settings.norm_epochs:
            for module in self._network.modules():
                if isinstance(module, torch.nn.BatchNorm2d):
                    module.eval()

    def _step(self, epoch: int, step: int, loss: Loss) -> None:
        settings = self._settings
        if settings.schedule == "cosine":
            # Not torch's CosineAnnealingLR: it goes from rate to rate,
            # and nine of ten differ in their last digits.
            steps = -(-len(self._training) // settings.batch_size)
            done = ((epoch - 1) * steps + step) / (settings.epochs * steps)
            for group in self._optimiser.param_groups:
                group["lr"] = settings.learning_rate * 0.5 * (1.0 + math.cos(math.pi * done))
        self._optimiser.zero_grad()
        torch.autograd.backward(loss.total)
        if settings.gradient_clip is not None:
            clip_grad_norm_(self._network.parameters(), settings.gradient_clip)
        self._optimiser.step()

    def curves(self) -> pd.DataFrame:
        return pd.DataFrame(self._rows, columns=CURVE_COLUMNS).astype({"epoch": int})

    def state(self, origin: str) -> Checkpoint:
        moments: dict[int, dict[str, Tensor]] = self._optimiser.state_dict()["state"]
        return Checkpoint(
            origin, self._rows, self._best_epoch, self._network.state_dict(), self._best, moments
        )

    def restore(self, saved: Checkpoint) -> None:
        self._network.load_state_dict(saved.network)
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": saved.optimiser})
        self._rows, self._best_epoch, self._best = list(saved.curves), saved.best_epoch, saved.best

    def result(self) -> TrainedModel:
        network = self._network.to("cpu", memory_format=torch.contiguous_format)
        network.load_state_dict(self._best)
        return TrainedModel(network.eval(), self.statistics, self.curves(), self._best_epoch)


def _shown(loss: Loss) -> str:
    total, reconstruction, texture = (term.item() for term in (loss.total, loss.reconstruction, loss.texture))
    return f"loss {total:.5f}, reconstruction {reconstruction:.5f}, texture {texture:.4f}"
