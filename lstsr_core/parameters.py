"""The parameters of each notebook: their names, types, ranges, defaults and what they mean.

A notebook's ``parameters`` cell gives the values, its next cell checks them here; the runner checks the same before it starts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lstsr_core.area import parse_bounds
from lstsr_core.errors import InputError
from lstsr_core.evaluation import check_protocols
from lstsr_core.placement import PROTOCOLS
from lstsr_core.prediction import Request
from lstsr_core.project import resolve
from lstsr_core.sharpeners import METHODS, Options, check_methods


def _as_number(value: object) -> object:
    # YAML reads 2e-3, without a dot, as a text.
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


Number = Annotated[float, BeforeValidator(_as_number)]
Mtf = Annotated[Number, Field(gt=0.0, lt=1.0, description="transfer of the sensor's PSF at the 1 km Nyquist frequency")]
Seed = Annotated[int, Field(ge=0, description="seed of everything random in this notebook")]


def _existing_day(day: str) -> str:
    dt.date.fromisoformat(day)
    return day


def _as_days(days: object) -> object:
    # YAML reads 2018-07-19 as a date.
    return [day.isoformat() if isinstance(day, dt.date) else day for day in days] if isinstance(days, list) else days


def _as_text(name: object) -> object:
    # YAML reads the id 57 as a number.
    return str(name) if isinstance(name, int) and not isinstance(name, bool) else name


def _as_texts(ids: object) -> object:
    return [_as_text(item) for item in ids] if isinstance(ids, list) else ids


Methods = Annotated[list[str], AfterValidator(check_methods), Field(description=f"any of {', '.join(METHODS)}; or [all]")]
Pairs = Annotated[list[str], BeforeValidator(_as_texts), Field(min_length=1, description="ids of pairs, or [all]")]


def _known_protocols(text: str) -> str:
    return ",".join(check_protocols([name.strip() for name in text.split(",")]))


Protocols = Annotated[
    str,
    AfterValidator(_known_protocols),
    Field(description=f"{' or '.join(PROTOCOLS)}, or both with a comma between; where one is shown, it is the first"),
]
Scene = Annotated[str, BeforeValidator(_as_text), Field(description="id of the pair that figures show, or first")]
Day = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$"), AfterValidator(_existing_day)]
Days = Annotated[list[Day], BeforeValidator(_as_days), Field(min_length=1, description="days of the granules, YYYY-MM-DD")]


class NotebookParameters(BaseModel):
    """What the parameters of every notebook have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)
    notebook: ClassVar[str]

    run_directory: str = Field("data/runs/sample", min_length=1, description="the run's directory, relative to the project")

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Self:
        """Validate the names of this class among `values` (a notebook's ``globals()``, say).

        Raises
        ------
        InputError
            Naming each wrong parameter, its value and what is allowed.
        """
        chosen = {name: values[name] for name in cls.model_fields if name in values}
        try:
            return cls.model_validate(chosen)
        except ValidationError as error:
            raise InputError("; ".join(cls._explain(dict(detail)) for detail in error.errors())) from None

    @classmethod
    def _explain(cls, detail: dict[str, Any]) -> str:
        name, reason = str(detail["loc"][0]), detail["msg"].removeprefix("Value error, ")
        return (
            f"{cls.notebook}: parameter '{name}' is {detail['input']!r}: {reason[:1].lower()}{reason[1:]} "
            f"({cls.model_fields[name].description})"
        )

    @property
    def run(self) -> Path:
        return resolve(self.run_directory)

    @property
    def directory(self) -> Path:
        """Where this notebook writes."""
        return self.run / self.notebook


class Download(NotebookParameters):
    """01_download: bring granules and pairs."""

    notebook = "01_download"
    source: Literal["sample", "published"] = Field("sample", description="the simulator, or the published ASTER–MODIS pairs")
    days: Days = ["2018-04-15", "2018-05-18", "2018-06-10", "2018-07-19", "2018-08-24", "2018-09-28"]
    windows: int = Field(4, ge=2, le=18, description="patches of 64×64 coarse pixels along each side of the sample's area")
    pairs: int = Field(6, ge=1, le=50, description="ASTER–MODIS pairs in the sample")
    mtf: Mtf = 0.1
    seed: Seed = 42

    @property
    def dates(self) -> list[dt.date]:
        return [dt.date.fromisoformat(day) for day in self.days]


class Patches(NotebookParameters):
    """02_patches: cut LST–NDVI patches and split them."""

    notebook = "02_patches"
    source: Literal["granules", "pairs"] = Field("granules", description="whole granules, or the MODIS side of the pairs")
    coverage: Number = Field(0.0, ge=0.0, le=1.0, description="largest share of bad LST pixels that a patch may have")
    training_share: Number = Field(0.6, gt=0.0, lt=1.0, description="share of the patches that train; the rest validates")
    seed: Seed = 42


class Training(NotebookParameters):
    """03_training: train SIF-CNN-SR1 and show the curves."""

    notebook = "03_training"
    train: bool = Field(True, description="train here, or only show the published curves")
    alpha: Number = Field(0.99, ge=0.0, le=1.0, description="weight of the reconstruction term")
    gamma: Number = Field(-0.5, ge=-5.0, le=5.0, description="slope, in z-scores, that ties LST's texture to NDVI's")
    learning_rate: Number = Field(2e-3, gt=0.0, le=1.0, description="of Adam")
    batch_size: int = Field(4, ge=1, le=512, description="patches in a step")
    epochs: int = Field(10, ge=1, le=10_000, description="most passes over the training patches")
    patience: int = Field(30, ge=1, description="epochs without a better validation loss before training stops")
    mtf: Mtf = 0.1
    threads: int = Field(
        2, ge=1, le=256, description="threads of the linear algebra; the result depends on it in the last digits"
    )
    seed: Seed = 42


class _Judging(NotebookParameters):
    methods: Methods = ["all"]
    pairs: Pairs = ["all"]
    weights_directory: str = Field("03_training/weights", description="weights files, relative to the run's directory")
    seed: Seed = 0

    @property
    def options(self) -> Options:
        return Options(weights=self.run / self.weights_directory, seed=self.seed)


class _Placing(_Judging):
    protocol: Protocols = "georeferenced"

    @property
    def protocols(self) -> list[str]:
        return self.protocol.split(",")


class _Showing(_Placing):
    scene: Scene = "first"


class Sharpening(_Showing):
    """04_sharpening: every method's product, before any comparison."""

    notebook = "04_sharpening"
    mtf: Mtf = 0.1


class Fourier(_Showing):
    """05_fourier: spectra of the products and of ASTER."""

    notebook = "05_fourier"


class AsterEvaluation(_Showing):
    """06_aster_evaluation: the table of all metrics."""

    notebook = "06_aster_evaluation"
    protocol: Protocols = "georeferenced,published"
    lpips_directory: str = Field(
        "", description="directory of the LPIPS weights, relative to the project; without it torch's cache is looked in"
    )


class Findings(_Placing):
    """07_findings: misregistration, variants of methods, distortion against texture."""

    notebook = "07_findings"
    protocol: Protocols = "georeferenced,published"
    steps: int = Field(10, ge=1, le=100, description="steps of back-projection")


def _known_method(name: str) -> str:
    if name not in METHODS:
        raise ValueError(f"unknown method; known methods: {', '.join(METHODS)}")
    return name


def _box(text: str) -> str:
    if text:
        parse_bounds(text)
    return text


class Map(NotebookParameters):
    """07_map: from a day's two granules to a map."""

    notebook = "07_map"
    day: Annotated[str, Field(pattern=r"^(first|\d{4}-\d{2}-\d{2})$", description="of the granules, YYYY-MM-DD, or first")] = (
        "first"
    )
    method: Annotated[str, AfterValidator(_known_method)] = Field("sif-cnn-sr1", description=f"one of {', '.join(METHODS)}")
    layer: Literal["day", "night"] = Field("day", description="of the LST granule")
    bounds: Annotated[str, AfterValidator(_box)] = Field("", description="west,south,east,north in degrees; the granule if empty")
    shape: str = Field("", description="GeoJSON file with polygons, relative to the project; the granule if empty")
    weights_directory: str = Field("03_training/weights", description="weights files, relative to the run's directory")
    threads: int = Field(2, ge=1, le=256, description="of the CPU, for networks")
    seed: Seed = 0

    @property
    def request(self) -> Request:
        return Request(
            self.method, self.run / self.weights_directory, self.layer, parse_bounds(self.bounds) if self.bounds else None,
            resolve(self.shape) if self.shape else None, seed=self.seed, threads=self.threads,
        )  # fmt: skip


BY_NOTEBOOK: dict[str, type[NotebookParameters]] = {
    parameters.notebook: parameters
    for parameters in (Download, Patches, Training, Sharpening, Fourier, AsterEvaluation, Findings, Map)
}
