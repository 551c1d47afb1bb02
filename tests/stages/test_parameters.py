"""Notebook parameters: defaults hold, and whatever is wrong is refused by name, in one line."""

from __future__ import annotations

import datetime
import math
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import PROJECT
from lstsr_core.sharpening.methods import METHODS
from lstsr_core.stages.parameters import (
    BY_NOTEBOOK,
    Ablation,
    AsterEvaluation,
    Atlas,
    Download,
    Findings,
    Fourier,
    Map,
    NotebookParameters,
    Patches,
    Sharpening,
    Structure,
    Training,
    Weights,
    YourMap,
)
from lstsr_core.stages.profiles import read_settings

ALL = list(BY_NOTEBOOK.values())

WRONG: list[tuple[type[NotebookParameters], str, Any, str]] = [
    # notebook, parameter, value, what the message says is allowed
    (Download, "source", "internet", "'sample' or 'published'"),
    (Download, "source", 3, "'sample' or 'published'"),
    (Download, "windows", 1, "greater than or equal to 2"),
    (Download, "windows", 19, "less than or equal to 18"),
    (Download, "windows", 4.5, "integer"),
    (Download, "windows", "4", "integer"),
    (Download, "windows", True, "integer"),
    (Download, "windows", None, "integer"),
    (Download, "pairs", 0, "greater than or equal to 1"),
    (Download, "mtf", 0.0, "greater than 0"),
    (Download, "mtf", 1.0, "less than 1"),
    (Download, "mtf", "a tenth", "number"),
    (Download, "mtf", math.nan, "greater than 0"),
    (Download, "seed", -1, "greater than or equal to 0"),
    (Download, "days", [], "at least 1"),
    (Download, "days", "2018-04-15", "list"),
    (Download, "days", ["2018-02-30"], "day"),
    (Download, "days", ["15 April 2018"], "YYYY-MM-DD"),
    (Download, "archive", "ftp", "'none', 'earthdata' or 'mirror'"),
    (Download, "products", [], "at least 1"),
    (Download, "products", ["MOD13A2.061"], "MOD21A1D.061"),
    (Download, "tiles", [], "at least 1"),
    (Download, "tiles", ["h36v00"], "h00v00 to h35v17"),
    (Download, "start", "2017-02-30", "day"),
    (Download, "end", "31 January 2017", "YYYY-MM-DD"),
    (Download, "archive_url", 7, "string"),
    (Download, "granule_directory", "", "at least 1 character"),
    (Download, "run_directory", "", "at least 1 character"),
    (Patches, "source", "aster", "'granules' or 'pairs'"),
    (Patches, "scenes", "test", "'development' or 'all'"),
    (Patches, "product", "MOD11A2", "'MOD21A1' or 'MOD11A1'"),
    (Patches, "night", "maybe", "boolean"),
    (Patches, "qc", "best", "'produced' or 'good'"),
    (Patches, "water", 44, "string"),
    (Patches, "dilation", -1, "greater than or equal to 0"),
    (Patches, "dilation", 257, "less than or equal to 256"),
    (Patches, "split", "by hand", "'random' or 'groups'"),
    (Patches, "coverage", -0.1, "greater than or equal to 0"),
    (Patches, "coverage", 1.1, "less than or equal to 1"),
    (Patches, "coverage", math.nan, "less than or equal to 1"),
    (Patches, "training_share", 0.0, "greater than 0"),
    (Patches, "training_share", 1.0, "less than 1"),
    (Training, "models", "all", "list"),
    (Training, "models", ["unet"], "unknown network 'unet'"),
    (Training, "settings", "", "at least 1 character"),
    (Training, "data", "aster", "'patches' or 'pairs'"),
    (Training, "scenes", "test", "'development' or 'all'"),
    (Training, "mtf", 1.0, "less than 1"),
    (Training, "seed", -1, "greater than or equal to 0"),
    (Ablation, "alphas", [1.5], "less than or equal to 1"),
    (Ablation, "gammas", ["steep"], "scene"),
    (Ablation, "upsamplings", ["nearest"], "align-corners"),
    (Ablation, "folds", 1, "greater than or equal to 2"),
    (Ablation, "judged", 0, "greater than or equal to 1"),
    (Ablation, "model", "sc-unet", "sif-cnn-sr1"),
    (Ablation, "results", 7, "string"),
    (Ablation, "scenes", "test", "'development' or 'all'"),
    (Atlas, "protocol", "georeferenced,published", "georeferenced"),
    (Atlas, "processes", 0, "greater than or equal to 1"),
    (Weights, "tables", "", "at least 1 character"),
    (Training, "alpha", 1.01, "less than or equal to 1"),
    (Training, "gamma", "steep", "scene"),
    (Training, "learning_rate", 0.0, "greater than 0"),
    (Training, "learning_rate", math.nan, "greater than 0"),
    (Training, "batch_size", 0, "greater than or equal to 1"),
    (Training, "epochs", 0, "greater than or equal to 1"),
    (Training, "threads", 0, "greater than or equal to 1"),
    (Sharpening, "methods", ["kriging"], ", ".join(METHODS)),
    (Sharpening, "methods", "all", "list"),
    (Sharpening, "methods", [], ", ".join(METHODS)),
    (Fourier, "pairs", [], "at least 1"),
    (Sharpening, "weights_directory", 7, "string"),
    (AsterEvaluation, "protocol", "eyeballed", "georeferenced, published"),
    (AsterEvaluation, "protocol", "", "georeferenced, published"),
    (AsterEvaluation, "protocol", ["georeferenced"], "string"),
    (AsterEvaluation, "lpips_directory", 7, "string"),
    (Findings, "protocol", "published,all", "georeferenced, published"),
    (Findings, "steps", 0, "greater than or equal to 1"),
    (Findings, "steps", 2.5, "integer"),
    (Map, "day", "yesterday", "first"),
    (Map, "method", "all", ", ".join(METHODS)),
    (Map, "method", ["dms"], "string"),
    (Map, "layer", "dusk", "'day' or 'night'"),
    (Map, "bounds", "3,46,4", "west,south,east,north"),
    (Map, "bounds", "4,46,3,47", "west below east"),
    (Map, "shape", 5, "string"),
    (Map, "threads", 0, "greater than or equal to 1"),
    (YourMap, "place", "3,46,4", "west,south,east,north"),
    (YourMap, "place", "", "at least 1 character"),
    (YourMap, "day", "yesterday", "YYYY-MM-DD"),
    (YourMap, "method", "all", ", ".join(METHODS)),
    (YourMap, "source", "published", "'sample', 'earthdata' or 'mirror'"),
    (YourMap, "archive_url", 7, "string"),
    (YourMap, "satellite", "noaa", "'terra' or 'aqua'"),
    (YourMap, "product", "MOD11A2", "'MOD21A1' or 'MOD11A1'"),
    (YourMap, "cache", 7, "string"),
    (YourMap, "threads", 0, "greater than or equal to 1"),
    (Structure, "side", 7, "greater than or equal to 8"),
    (Structure, "upsampling", "nearest", "align-corners"),
]


@pytest.mark.parametrize("parameters", ALL, ids=lambda parameters: parameters.notebook)
def test_defaults_hold(parameters: type[NotebookParameters]) -> None:
    assert parameters.check({}) == parameters()
    assert parameters.check(parameters().model_dump()) == parameters()


def test_every_parameter_says_what_it_means() -> None:
    for parameters in ALL:
        assert all(field.description for field in parameters.model_fields.values()), parameters.notebook


@pytest.mark.parametrize(("parameters", "name", "value", "allowed"), WRONG, ids=lambda item: str(item)[:24])
def test_a_wrong_value_is_refused_in_one_line(
    parameters: type[NotebookParameters], name: str, value: Any, allowed: str
) -> None:
    with pytest.raises(InputError) as caught:
        parameters.check({name: value})
    message = str(caught.value)
    assert "\n" not in message
    lists = name in ("days", "products", "tiles", "alphas", "gammas", "upsamplings") and isinstance(
        value, list
    )
    wrong = value[0] if lists and value else value  # of a list, the item that is wrong
    assert message.startswith(f"{parameters.notebook}: parameter '{name}' is {wrong!r}: ")
    assert allowed in message
    assert str(parameters.model_fields[name].description) in message
    assert caught.value.__suppress_context__  # pydantic's own report would be the second of two


def test_every_parameter_has_a_wrong_value_above() -> None:
    tested = {name for _, name, _, _ in WRONG}
    assert {name for parameters in ALL for name in parameters.model_fields} - tested == {"scene"}


def test_a_wrong_item_of_a_list_is_named_with_its_parameter() -> None:
    with pytest.raises(
        InputError, match=r"01_download: parameter 'days' is 20180415: input should be a valid string"
    ):
        Download.check({"days": ["2018-04-15", 20180415]})


def test_a_wrong_pair_id_is_named() -> None:
    with pytest.raises(
        InputError,
        match=r"05_fourier: parameter 'pairs' is 5\.5: input should be a valid string \(ids of pairs",
    ):
        Fourier.check({"pairs": [57, 5.5]})


def test_all_wrong_parameters_are_named_at_once() -> None:
    with pytest.raises(InputError) as caught:
        Training.check({"alpha": 3, "epochs": 0, "gamma": -0.5})
    message = str(caught.value)
    assert "'alpha' is 3:" in message and "'epochs' is 0:" in message and "gamma" not in message


def test_a_value_of_several_types_has_a_reason_for_each_and_one_description() -> None:
    with pytest.raises(InputError) as caught:
        Training.check({"gamma": "steep"})
    reasons, meaning = (
        "input should be a valid number, or input should be 'scene'",
        Training.model_fields["gamma"].description,
    )
    assert str(caught.value) == f"03_training: parameter 'gamma' is 'steep': {reasons} ({meaning})"


def test_what_a_notebook_holds_besides_parameters_is_left_alone() -> None:
    settings = Patches.check(
        {"coverage": 0.25, "np": object(), "__name__": "__main__", "windows": "not of this notebook"}
    )
    assert settings == Patches(coverage=0.25)


@pytest.mark.parametrize("parameters", ALL, ids=lambda parameters: parameters.notebook)
def test_a_name_that_does_not_exist_is_refused_where_names_are_given(
    parameters: type[NotebookParameters],
) -> None:
    with pytest.raises(ValidationError, match="overage"):
        parameters(overage=0.1)  # type: ignore[call-arg]


def test_checked_parameters_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Patches.check({}).coverage = 0.5


def test_whole_numbers_pass_for_real_ones() -> None:
    assert Training.check(yaml.safe_load("{alpha: 1, gamma: 0}")).alpha == 1.0


@given(st.lists(st.integers(0, 99), min_size=1))
def test_pair_ids_that_yaml_reads_as_numbers_become_texts(ids: list[int]) -> None:
    assert Fourier.check(yaml.safe_load(f"pairs: {ids}")).pairs == [str(number) for number in ids]


@pytest.mark.parametrize("parameters", [Sharpening, Fourier, AsterEvaluation])
def test_a_scene_that_yaml_reads_as_a_number_becomes_a_text(parameters: type[Sharpening]) -> None:
    assert parameters.check(yaml.safe_load("{pairs: [57, a3], scene: 57}")).scene == "57"


def test_days_become_dates() -> None:
    assert Download.check({"days": ["2020-02-29", "2018-12-31"]}).dates == [
        datetime.date(2020, 2, 29),
        datetime.date(2018, 12, 31),
    ]


def test_all_methods_are_the_known_ones_and_none_comes_twice() -> None:
    papers = [name for name, method in METHODS.items() if method.source == "paper"]
    assert Sharpening.check({"methods": ["all"]}).methods == papers
    assert Sharpening.check({"methods": ["tsharp", "bicubic", "tsharp"]}).methods == ["tsharp", "bicubic"]


@pytest.mark.parametrize("parameters", [Sharpening, Fourier, AsterEvaluation, Findings])
def test_protocols_come_in_the_order_given_and_none_twice(parameters: type[AsterEvaluation]) -> None:
    settings = parameters.check({"protocol": "published, georeferenced,published"})
    assert settings.protocols == ["published", "georeferenced"]
    assert parameters.check({"protocol": settings.protocol}) == settings


def test_results_lie_below_the_run_and_weights_where_they_are_said_to() -> None:
    settings = Sharpening.check({"run_directory": "data/runs/x", "weights_directory": "w"})
    assert settings.directory == PROJECT / "data" / "runs" / "x" / "04_sharpening"
    assert settings.options.weights == PROJECT / "data" / "runs" / "x" / "w"


def test_numbers_that_yaml_reads_as_text_are_numbers() -> None:
    assert Training.check({"learning_rate": yaml.safe_load("2e-3")}).learning_rate == 0.002
    with pytest.raises(InputError, match="learning_rate' is 'fast'"):
        Training.check({"learning_rate": "fast"})


# What people write on the command line and into files

DAYS = [(parameters, name) for parameters in ALL for name, field in parameters.model_fields.items()
        if "YYYY-MM-DD" in str(field.description)]  # fmt: skip
SWITCHES = [(parameters, name) for parameters in ALL for name, field in parameters.model_fields.items()
            if field.annotation is bool]  # fmt: skip
TEXTS = [
    "", "~", "null", "none", "0", "1", "-1", "010", "4", "'4'", "4.0", "1e-3", ".nan", "-.inf", "57:30",
    "0x1f", "1_000", "yes", "off", "true", "first", "all", "2018-07-19", "2018-02-30", "2018-07-19 10:00:00",
    "[]", "[4]", "[all]", "[2018-07-19]", "[[]]", "{}", "{a: 1}", "&a [*a]", "3,43,4,44", "nan,nan,nan,nan",
    "é×≤", "a b", "9" * 400, "georeferenced", "[null]", "[1e999]",
]  # fmt: skip


def set_to(parameters: type[NotebookParameters], name: str, text: str) -> NotebookParameters:
    """The notebook's parameters with ``--set NOTEBOOK.NAME=TEXT``."""
    return parameters.check(read_settings([f"{parameters.notebook}.{name}={text}"])[parameters.notebook])


def test_the_parameters_that_are_days_are_known() -> None:
    assert [f"{parameters.notebook}.{name}" for parameters, name in DAYS] == [
        "01_download.days", "01_download.start", "01_download.end", "07_map.day",
        "14_your_map.day",
    ]  # fmt: skip
    assert [f"{parameters.notebook}.{name}" for parameters, name in SWITCHES] == ["02_patches.night"]


@pytest.mark.parametrize(("parameters", "name"), DAYS)
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_every_day_is_taken_as_it_is_written(
    parameters: type[NotebookParameters], name: str, quote: str
) -> None:
    day, listed = f"{quote}2018-07-19{quote}", name == "days"
    value = getattr(set_to(parameters, name, f"[{day}]" if listed else day), name)
    assert value == (["2018-07-19"] if listed else "2018-07-19")


@pytest.mark.parametrize(("parameters", "name"), DAYS)
@pytest.mark.parametrize(
    "day",
    ["2018-02-30", "2018-07-19T10:00", "2018-07-19 10:00:00", "20180719", "2018-7-19", "19.07.2018", "57:30"],
)
def test_what_is_no_day_is_refused_for_every_day(
    parameters: type[NotebookParameters], name: str, day: str
) -> None:
    with pytest.raises(InputError) as caught:
        set_to(parameters, name, f"[{day}]" if name == "days" else day)
    message = str(caught.value)
    assert (
        message.startswith(f"{parameters.notebook}: parameter '{name}' is ")
        and day in message
        and "\n" not in message
    )
    assert "YYYY-MM-DD" in message


@pytest.mark.parametrize(("parameters", "name"), DAYS)
def test_dates_are_days_and_moments_are_none(parameters: type[NotebookParameters], name: str) -> None:
    for day, holds in ((datetime.date(2018, 7, 19), True), (datetime.datetime(2018, 7, 19, 10), False)):
        value = [day] if name == "days" else day
        if holds:
            assert "2018-07-19" in getattr(parameters.check({name: value}), name)
        else:
            with pytest.raises(InputError, match=f"'{name}' is "):
                parameters.check({name: value})


@pytest.mark.parametrize(("parameters", "name"), SWITCHES)
@pytest.mark.parametrize("text", ["yes", "no", "on", "off", "true", "False", "ON", "'yes'"])
def test_switches_take_the_words_that_people_use(
    parameters: type[NotebookParameters], name: str, text: str
) -> None:
    assert getattr(set_to(parameters, name, text), name) is (text.strip("'").lower() in ("yes", "on", "true"))


@pytest.mark.parametrize("text", ["010", "57:30", "yes", "off", "1e-3x", "0x1f", "a3", "57"])
def test_ids_stay_as_they_are_written(text: str) -> None:
    values = read_settings([f"05_fourier.pairs=[{text}]", f"05_fourier.scene={text}"])["05_fourier"]
    assert Fourier.check(values) == Fourier(pairs=[text], scene=text)


@pytest.mark.parametrize("name", ["alpha", "gamma", "learning_rate", "mtf"])
def test_numbers_are_numbers_however_they_are_written(name: str) -> None:
    for text in ("1e-1", ".1", "0.1", "1.0E-1", "'0.1'"):
        assert getattr(set_to(Training, name, text), name) == pytest.approx(0.1)


@pytest.mark.parametrize("parameters", ALL, ids=lambda parameters: parameters.notebook)
def test_any_text_for_any_parameter_is_a_value_or_one_line(parameters: type[NotebookParameters]) -> None:
    for name in parameters.model_fields:
        for text in TEXTS:
            try:
                set_to(parameters, name, text)
            except InputError as error:
                assert str(error).startswith(f"{parameters.notebook}: parameter '{name}' is "), (name, text)
                assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("parameters", "name"), [(Map, "shape"), (Map, "bounds"), (Patches, "water"), (Download, "archive_url")]
)
def test_nothing_behind_a_name_is_an_empty_text(parameters: type[NotebookParameters], name: str) -> None:
    assert getattr(set_to(parameters, name, ""), name) == ""
