"""The settings of a training, one YAML file per model and data: names, types, ranges and what they mean."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from lstsr_core.base.errors import InputError, invalid
from lstsr_core.base.project import TRAINING_SETTINGS
from lstsr_core.base.text import read_yaml
from lstsr_core.geo.grid import SCALE
from lstsr_core.geo.operators import DEFAULT_MTF

ModelName = Literal["sif-cnn-sr1", "sif-cnn-sr2", "sc-unet"]
MODELS: tuple[ModelName, ...] = get_args(ModelName)

Upsampling = Literal["align-corners", "half-pixel"]
UPSAMPLINGS: tuple[Upsampling, ...] = get_args(Upsampling)

SMALLEST_INPUT = 8
"""Rows or columns that the network's three halvings leave something of."""

MOST_THREADS = 256
"""More than any one machine of today has cores for; a slip
of the keyboard beyond it crashes the libraries."""


def _as_number(value: object) -> object:
    # papermill's YAML reads 2e-3, without a dot, as a text.
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _as_switch(value: object) -> object:
    # What people, and older YAML, write for true and false.
    words = {"yes": True, "on": True, "true": True, "no": False, "off": False, "false": False}
    return words.get(value.lower(), value) if isinstance(value, str) else value


Number = Annotated[float, BeforeValidator(_as_number)]
Switch = Annotated[bool, BeforeValidator(_as_switch)]


class TrainingSettings(BaseModel):
    """What decides a training beside its data; a name that is not here is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)

    model: ModelName = Field(description=f"one of {', '.join(MODELS)}")
    alpha: Number = Field(0.99, ge=0.0, le=1.0, description="weight of the reconstruction term")
    gamma: Number | Literal["scene"] = Field(
        -0.5,
        description=(
            "slope, in z-scores, that ties LST's texture to NDVI's: from -5 to 5, or scene for each"
            " scene's own"
        ),
    )
    gamma_scale: Number = Field(
        1.0, gt=0.0, le=5.0, description="multiplies gamma, where the texture's slope is another"
    )
    mtf: Number = Field(
        DEFAULT_MTF, gt=0.0, lt=1.0, description="transfer of the sensor's PSF at the 1 km Nyquist frequency"
    )
    upsampling: Upsampling = Field(
        "align-corners", description="in the network: align-corners as published, or half-pixel"
    )

    split: Literal["groups", "random", "table"] = Field(
        "groups",
        description=(
            "whole groups of neighbours, one by one at random as published, or as the table of 02_patches"
            " says"
        ),
    )
    training_share: Number = Field(
        0.6, gt=0.0, le=1.0, description="share that trains; 1 leaves nothing to validate with"
    )
    crop: int | None = Field(
        None, ge=8, description="side in coarse pixels of the windows cut at random; none: whole patches"
    )
    symmetries: Switch = Field(False, description="turn and mirror each patch at random")
    jitter: int = Field(
        0, ge=0, le=8, description="most fine pixels that NDVI is moved by against LST, at random"
    )

    learning_rate: Number = Field(1e-3, gt=0.0, le=1.0, description="of Adam")
    schedule: Literal["constant", "cosine"] = Field(
        "constant", description="of the learning rate; cosine ends at 0"
    )
    batch_size: int = Field(32, ge=1, le=512, description="patches in a step")
    epochs: int = Field(100, ge=1, le=100_000, description="most passes over the training patches")
    keep: Literal["best", "last"] = Field(
        "best", description="the epoch of the lowest validation loss, or the last one"
    )
    patience: int | None = Field(
        30, ge=1, description="epochs without a better validation loss before it stops; none: never"
    )
    gradient_clip: Number | None = Field(None, gt=0.0, description="largest norm of the gradient; none: any")
    norm_epochs: int | None = Field(
        None,
        ge=1,
        description=(
            "epochs in which batch norm takes each batch's own statistics; later ones keep the running ones"
        ),
    )
    threads: int = Field(
        2,
        ge=1,
        le=MOST_THREADS,
        description="of the CPU; the result depends on their number in the last digits",
    )
    seed: int = Field(42, ge=0, description="of the split, the first weights, the order and the augmentation")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if isinstance(self.gamma, float) and not -5.0 <= self.gamma <= 5.0:
            raise ValueError(f"'gamma' is {self.gamma:g}: expected -5 to 5, or scene")
        if self.crop is not None and self.model == "sc-unet" and self.crop % SCALE:
            raise ValueError(
                f"'crop' is {self.crop}: sc-unet needs a multiple of {SCALE}, for it learns on 4 km pixels"
            )
        if self.keep == "last" and self.patience is not None:
            raise ValueError(
                "'keep' is last, which only early stopping would end before: it needs patience: null"
            )
        if self.jitter and self.crop is None:
            raise ValueError(
                f"'jitter' is {self.jitter}: it needs a 'crop', for whole patches leave no room to move"
            )
        if self.training_share == 1.0 and (self.keep == "best" or self.patience is not None):
            raise ValueError(
                "'training_share' is 1: without validation patches it needs keep: last and no patience"
            )
        if self.schedule == "cosine" and self.patience is not None:
            raise ValueError(
                "'schedule' is cosine, which only ends well at the last epoch: it needs patience: null"
            )
        return self

    @classmethod
    def check(cls, values: Mapping[str, Any], where: str) -> Self:
        """Validate settings.

        Parameters
        ----------
        values : mapping
        where : str
            What to name in the message, such as the file.

        Raises
        ------
        InputError
            One line that names each unknown, missing or mistyped setting, its value and what is allowed.
        """
        try:
            return cls.model_validate(dict(values))
        except ValidationError as error:
            raise invalid(error, cls, "setting", where) from None


def read_settings(path: Path) -> TrainingSettings:
    """Read a YAML file of settings.

    Raises
    ------
    InputError
        If it is missing, no YAML, or has a setting that `TrainingSettings` refuses.
    """
    return TrainingSettings.check(read_yaml(path, "YAML with names and values of settings"), str(path))


def settings_of(model: str, name: str) -> TrainingSettings:
    """The committed settings of a model, ``paper`` or ``pairs``; or
    those of a YAML file, which must be of that model.

    Raises
    ------
    InputError
    """
    path = TRAINING_SETTINGS / model / f"{name}.yaml"
    settings = read_settings(path if path.is_file() else Path(name))
    if settings.model != model:
        raise InputError(f"{name}: holds the settings of {settings.model}; expected those of {model}.")
    return settings
