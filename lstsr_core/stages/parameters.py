"""The parameters of each notebook: their names, types, ranges, defaults and what they mean.

A notebook's ``parameters`` cell gives the values, its next cell checks them
here; the runner checks the same before it starts.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from lstsr_core.base.errors import invalid
from lstsr_core.base.project import resolve
from lstsr_core.base.text import parse_day
from lstsr_core.evaluation.protocols import PROTOCOLS, check_protocols
from lstsr_core.geo.grid import Tile
from lstsr_core.maps.area import parse_bounds
from lstsr_core.maps.request import Request
from lstsr_core.modis.products import Product
from lstsr_core.modis.water import DEFAULT_DILATION, MOST_DILATION
from lstsr_core.networks.settings import (
    MODELS,
    MOST_THREADS,
    SMALLEST_INPUT,
    UPSAMPLINGS,
    Number,
    Switch,
    TrainingSettings,
    Upsampling,
    settings_of,
)
from lstsr_core.sharpening.methods import DEFAULT_METHOD, METHODS, Options, check_methods

Mtf = Annotated[
    Number, Field(gt=0.0, lt=1.0, description="transfer of the sensor's PSF at the 1 km Nyquist frequency")
]
TrainingScenes = Annotated[
    Literal["development", "all"],
    Field(description="of the pairs: the development scenes, or all, the test scenes that judge among them"),
]
Share = Annotated[Number, Field(ge=0.0, le=1.0)]
Seed = Annotated[int, Field(ge=0, description="seed of everything random in this notebook")]


def _as_day(day: object) -> object:
    # papermill's YAML may read 2018-07-19 as a date; a moment of a day is none.
    return day.isoformat() if isinstance(day, dt.date) and not isinstance(day, dt.datetime) else day


def _existing_day(day: str) -> str:
    return parse_day(day).isoformat()


def _as_empty(text: object) -> object:
    # YAML reads nothing behind a name as null.
    return "" if text is None else text


def _first_or_existing_day(day: str) -> str:
    return day if day == "first" else _existing_day(day)


def _as_text(name: object) -> object:
    # YAML reads the id 57 as a number.
    return str(name) if isinstance(name, int) and not isinstance(name, bool) else name


def _as_texts(ids: object) -> object:
    return [_as_text(item) for item in ids] if isinstance(ids, list) else ids


Methods = Annotated[
    list[str], AfterValidator(check_methods), Field(description=f"any of {', '.join(METHODS)}; or [all]")
]


def _check_named(names: list[str]) -> list[str]:
    return ["all"] if "all" in names else check_methods(names)


WrittenMethods = Annotated[
    list[str],
    AfterValidator(_check_named),
    Field(description=f"any of {', '.join(METHODS)}; or [all] that 04_sharpening wrote"),
]
Pairs = Annotated[
    list[str], BeforeValidator(_as_texts), Field(min_length=1, description="ids of pairs, or [all]")
]


def _known_models(names: list[str]) -> list[str]:
    unknown = [name for name in names if name not in (*MODELS, "all")]
    if unknown:
        raise ValueError(f"unknown network '{', '.join(unknown)}'")
    return list(MODELS) if "all" in names else list(dict.fromkeys(names))


SettingsName = Annotated[
    str,
    Field(
        min_length=1,
        description="sample, pairs or paper of data/training, or a YAML file of one network's settings",
    ),
]


def _known_protocols(text: str) -> str:
    return ",".join(check_protocols([name.strip() for name in text.split(",")]))


Protocols = Annotated[
    str,
    AfterValidator(_known_protocols),
    Field(
        description=(
            f"{', '.join(PROTOCOLS)}, or some with commas between; where one is shown, it is the first"
        )
    ),
]
SceneName = Annotated[
    str, BeforeValidator(_as_text), Field(description="id of the pair that figures show, or first")
]
Day = Annotated[str, BeforeValidator(_as_day), AfterValidator(_existing_day)]
DayOrFirst = Annotated[str, BeforeValidator(_as_day), AfterValidator(_first_or_existing_day)]
OptionalText = Annotated[str, BeforeValidator(_as_empty)]
Days = Annotated[list[Day], Field(min_length=1, description="days of the granules, YYYY-MM-DD")]


WeightsDirectory = Annotated[
    OptionalText,
    Field(
        description=(
            "weights files, relative to the run's directory (03_training/weights); empty: the package's own"
        )
    ),
]


def _known_product(name: str) -> str:
    return str(Product.parse(name))


def _known_tile(name: str) -> str:
    return str(Tile.parse(name))


class NotebookParameters(BaseModel):
    """What the parameters of every notebook have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)
    notebook: ClassVar[str]

    run_directory: str = Field(
        "data/runs/sample", min_length=1, description="the run's directory, relative to the project"
    )

    @classmethod
    def check(cls, values: Mapping[str, Any]) -> Self:
        """Validate the names of this class among `values` (a notebook's ``globals()``, say).

        Raises
        ------
        InputError
            Naming each wrong parameter, its value and what is allowed.
        """
        fields = {name: values[name] for name in cls.model_fields if name in values}
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            raise invalid(error, cls, "parameter", cls.notebook) from None

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
    source: Literal["sample", "published"] = Field(
        "sample", description="the simulator, or the published ASTER–MODIS pairs"
    )
    days: Days = ["2018-04-15", "2018-05-18", "2018-06-10", "2018-07-19", "2018-08-24", "2018-09-28"]
    windows: int = Field(
        4, ge=2, le=18, description="patches of 64×64 coarse pixels along each side of the sample's area"
    )
    pairs: int = Field(6, ge=1, le=50, description="ASTER–MODIS pairs in the sample")
    mtf: Mtf = 0.1
    seed: Seed = 42
    archive: Literal["none", "earthdata", "mirror"] = Field(
        "none",
        description=(
            "where granules are downloaded from, beside the published pairs; none, earthdata or mirror"
        ),
    )
    products: list[Annotated[str, AfterValidator(_known_product)]] = Field(
        ["MOD21A1D.061", "MOD09GQ.061"],
        min_length=1,
        description="products to download, such as MOD21A1D.061",
    )
    tiles: list[Annotated[str, AfterValidator(_known_tile)]] = Field(
        ["h18v04"], min_length=1, description="tiles to download, such as h18v04"
    )
    start: Day = Field("2017-01-01", description="first day to download, YYYY-MM-DD")
    end: Day = Field("2017-01-31", description="last day to download, YYYY-MM-DD")
    archive_url: OptionalText = Field(
        "", description="address of the mirror; logins come from ~/.netrc or the environment alone"
    )
    granule_directory: str = Field(
        "data/downloads",
        min_length=1,
        description="where downloaded granules are kept for all runs, relative to the project",
    )

    @property
    def dates(self) -> list[dt.date]:
        return [dt.date.fromisoformat(day) for day in self.days]


class Patches(NotebookParameters):
    """02_patches: cut LST–NDVI patches and split them."""

    notebook = "02_patches"
    source: Literal["granules", "pairs"] = Field(
        "granules", description="whole granules, or the MODIS side of the pairs"
    )
    scenes: TrainingScenes = "development"
    product: Literal["MOD21A1", "MOD11A1"] = Field("MOD21A1", description="family of the LST granules")
    night: Switch = Field(False, description="cut the nights of the granules too")
    coverage: Number = Field(
        0.0, ge=0.0, le=1.0, description="largest share of bad LST pixels that a patch may have"
    )
    qc: Literal["produced", "good"] = Field(
        "produced", description="which LST pixels of the granules are used"
    )
    water: OptionalText = Field(
        "",
        description="MOD44W granule, or directory of them, relative to the project; without it water stays",
    )
    dilation: int = Field(
        DEFAULT_DILATION,
        ge=0,
        le=MOST_DILATION,
        description="250 m pixels by which water is widened, where a mask is given",
    )
    training_share: Number = Field(
        0.6, gt=0.0, lt=1.0, description="share of the patches that train; the rest validates"
    )
    split: Literal["random", "groups"] = Field(
        "random",
        description=(
            "one by one as published, or whole groups by place and month, which new granules do not move"
        ),
    )
    seed: Seed = 42


class _Trained(NotebookParameters):
    settings: SettingsName = "sample"
    epochs: int | None = Field(
        None, ge=1, le=100_000, description="passes over the training patches; none: as the settings say"
    )
    threads: int | None = Field(
        None, ge=1, le=MOST_THREADS, description="of the CPU; none: as the settings say"
    )

    def training_settings(self, model: str) -> TrainingSettings:
        """The committed settings of a model, or those of a file, with this notebook's own values over them.

        Raises
        ------
        InputError
        """
        parameters = {
            name: getattr(self, name)
            for name in type(self).model_fields.keys() & TrainingSettings.model_fields.keys()
        }
        overrides = {
            name: value for name, value in parameters.items() if value is not None and name != "model"
        }
        return TrainingSettings.check(
            {**settings_of(model, self.settings).model_dump(), **overrides}, self.notebook
        )


class Training(_Trained):
    """03_training: train the networks and show the curves."""

    notebook = "03_training"
    models: Annotated[list[str], AfterValidator(_known_models)] = Field(
        ["sif-cnn-sr1"],
        description=(
            f"networks to train: any of {', '.join(MODELS)}, or all; none shows the published curves alone"
        ),
    )
    data: Literal["patches", "pairs"] = Field(
        "patches", description="what 02_patches cut, or the MODIS side of the pairs"
    )
    scenes: TrainingScenes = "development"
    alpha: Number | None = Field(
        None, ge=0.0, le=1.0, description="weight of the reconstruction term; none: as the settings say"
    )
    gamma: Number | Literal["scene"] | None = Field(
        None,
        description=(
            "slope, in z-scores, that ties LST's texture to NDVI's, or scene; none: as the settings say"
        ),
    )
    learning_rate: Number | None = Field(
        None, gt=0.0, le=1.0, description="of Adam; none: as the settings say"
    )
    batch_size: int | None = Field(
        None, ge=1, le=512, description="patches in a step; none: as the settings say"
    )
    mtf: Number | None = Field(
        None, gt=0.0, lt=1.0, description="transfer of the sensor's PSF; none: as the settings say"
    )
    seed: int | None = Field(
        None, ge=0, description="of everything random in training; none: as the settings say"
    )


class Weights(NotebookParameters):
    """09_weights: what the package's own weights are worth."""

    notebook = "09_weights"
    tables: str = Field(
        "data/own_weights",
        min_length=1,
        description="directory that lstsr report wrote, relative to the project",
    )


class Ablation(_Trained):
    """10_ablation: α, γ and the network's upsampling, one changed at a time."""

    notebook = "10_ablation"
    settings: SettingsName = "pairs"
    epochs: int | None = Field(
        4, ge=1, le=100_000, description="passes over the training pairs; none: as the settings say"
    )
    results: OptionalText = Field(
        "data/ablation",
        description="directory of tables made before, relative to the project; empty: train here",
    )
    scenes: TrainingScenes = "development"
    model: Literal["sif-cnn-sr1", "sif-cnn-sr2"] = Field("sif-cnn-sr1", description="network to train")
    alphas: list[Share] = Field([0.9], description="weights of the reconstruction term, 0 to 1")
    gammas: list[Number | Literal["scene"]] = Field([-0.5], description="slopes in z-scores, or scene")
    upsamplings: list[Upsampling] = Field([], description=" or ".join(UPSAMPLINGS))
    folds: int = Field(3, ge=2, le=20, description="parts of the pairs, whole groups of neighbours")
    judged: int = Field(
        1, ge=1, le=20, description="parts that each network is judged on, trained on all the others"
    )


class _Protocols(NotebookParameters):
    protocol: Protocols = "georeferenced,published"

    @property
    def protocols(self) -> list[str]:
        return self.protocol.split(",")


class Sharpening(_Protocols):
    """04_sharpening: every method's product, before any comparison."""

    notebook = "04_sharpening"
    methods: Methods = ["all"]
    pairs: Pairs = ["all"]
    weights_directory: WeightsDirectory = ""
    seed: Seed = 0
    scene: SceneName = "first"
    mtf: Mtf = 0.1

    @property
    def options(self) -> Options:
        return Options(
            weights=self.run / self.weights_directory if self.weights_directory else None, seed=self.seed
        )


class Judging(NotebookParameters):
    """What a notebook chooses among the products that 04_sharpening wrote."""

    methods: WrittenMethods = ["all"]
    pairs: Pairs = ["all"]


class Fourier(Judging, _Protocols):
    """05_fourier: spectra of the products and of ASTER."""

    notebook = "05_fourier"
    protocol: Protocols = "georeferenced"
    scene: SceneName = "first"


class AsterEvaluation(Judging, _Protocols):
    """06_aster_evaluation: the table of all metrics."""

    notebook = "06_aster_evaluation"
    scene: SceneName = "first"
    lpips_directory: OptionalText = Field(
        "",
        description=(
            "directory of the LPIPS weights, relative to the project; without it torch's cache is looked in"
        ),
    )


class Findings(Judging, _Protocols):
    """08_findings: misregistration, variants of methods, distortion against texture."""

    notebook = "08_findings"
    steps: int = Field(10, ge=1, le=100, description="steps of back-projection")


class Atlas(Judging):
    """11_atlas: every scene's figures, and its numbers for the book's viewer."""

    notebook = "11_atlas"
    protocol: Literal["georeferenced", "published"] = Field(
        "georeferenced", description="how products are placed on ASTER"
    )
    processes: int = Field(2, ge=1, le=256, description="scenes drawn at once; no result depends on it")


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
    day: DayOrFirst = Field("first", description="of the granules, YYYY-MM-DD, or first")
    method: Annotated[str, AfterValidator(_known_method)] = Field(
        "sif-cnn-sr1", description=f"one of {', '.join(METHODS)}"
    )
    layer: Literal["day", "night"] = Field("day", description="of the LST granule")
    bounds: Annotated[OptionalText, AfterValidator(_box)] = Field(
        "", description="west,south,east,north in degrees; the granule if empty"
    )
    shape: OptionalText = Field(
        "", description="GeoJSON file with polygons, relative to the project; the granule if empty"
    )
    weights_directory: WeightsDirectory = ""
    threads: int = Field(2, ge=1, le=MOST_THREADS, description="of the CPU, for networks")
    seed: Seed = 0

    @property
    def request(self) -> Request:
        weights = self.run / self.weights_directory if self.weights_directory else None
        bounds, shape = (
            parse_bounds(self.bounds) if self.bounds else None,
            resolve(self.shape) if self.shape else None,
        )
        return Request(self.method, weights, self.layer, bounds, shape, seed=self.seed, threads=self.threads)


class YourMap(NotebookParameters):
    """14_your_map: from a place and a day to a map."""

    notebook = "14_your_map"
    place: Annotated[str, AfterValidator(_box)] = Field(
        "3.2,46.0,4.0,46.6", min_length=1, description="west,south,east,north in degrees"
    )
    day: Day = Field("2019-07-19", description="of the granules, YYYY-MM-DD")
    method: Annotated[str, AfterValidator(_known_method)] = Field(
        DEFAULT_METHOD, description=f"one of {', '.join(METHODS)}"
    )
    source: Literal["sample", "earthdata", "mirror"] = Field(
        "sample", description="of the granules: the simulator, NASA's archive, or a mirror of it"
    )
    archive_url: OptionalText = Field(
        "", description="address of the mirror; logins come from ~/.netrc or the environment alone"
    )
    satellite: Literal["terra", "aqua"] = Field("terra", description="whose granules")
    product: Literal["MOD21A1", "MOD11A1"] = Field("MOD21A1", description="family of the LST's product")
    cache: OptionalText = Field(
        "", description="where granules stay, relative to the project; below the run's directory if empty"
    )
    threads: int = Field(2, ge=1, le=MOST_THREADS, description="of the CPU, for networks")

    @property
    def date(self) -> dt.date:
        return parse_day(self.day)

    @property
    def request(self) -> Request:
        return Request(self.method, threads=self.threads)


class Structure(NotebookParameters):
    """12_structure: the network and the run, drawn from the code itself."""

    notebook = "12_structure"
    upsampling: Upsampling = Field(
        "align-corners", description=f"of the network that is drawn: {' or '.join(UPSAMPLINGS)}"
    )
    side: int = Field(256, ge=SMALLEST_INPUT, le=4096, description="rows and columns of the network's input")


def _with_companions(names: list[str]) -> list[str]:
    return list(METHODS) if "all" in names else check_methods(names)


class BetterMap(NotebookParameters):
    """13_better_map: where ASTER lies, and error against texture, of the companion's methods too."""

    notebook = "13_better_map"
    results: OptionalText = Field(
        "",
        description=(
            "directory of tables made before, relative to the project (data/better_map); empty: judge the"
            " run's pairs here"
        ),
    )
    methods: Annotated[
        list[str],
        AfterValidator(_with_companions),
        Field(description=f"any of {', '.join(METHODS)}; or [all], the companion's among them"),
    ] = ["bicubic", "sc-unet", "sif-cnn-sr1", "sc-unet-restored", "aster-unet", "aster-unet-restored"]
    pairs: Pairs = ["all"]
    seed: Seed = 0


_NOTEBOOKS: list[type[NotebookParameters]] = [
    Download,
    Patches,
    Training,
    Sharpening,
    Fourier,
    AsterEvaluation,
]
_NOTEBOOKS += [Map, Findings, Weights, Ablation, Atlas, BetterMap, YourMap, Structure]
BY_NOTEBOOK = {parameters.notebook: parameters for parameters in _NOTEBOOKS}
