"""Profiles: a YAML file each, of what differs from the notebooks'
own parameters; and what ``--set`` puts over it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import PARAMETERS, PROJECT, RUNS
from lstsr_core.base.text import parse_yaml, read_yaml
from lstsr_core.stages.parameters import BY_NOTEBOOK, NotebookParameters

Values = dict[str, dict[str, Any]]
"""Notebook → parameter → value, as somebody wrote it."""

SHOWN = ("sample", "paper")
"""The profiles that the book shows side by side."""

_LINES = "lines of 'name: value'"


def profile_names() -> list[str]:
    """Every profile that there is a file of."""
    return sorted(path.stem for path in PARAMETERS.glob("*.yaml"))


def read_profile(profile: str) -> Values:
    """What a profile gives each notebook: its run's directory, and what its file says of all and of that one.

    Raises
    ------
    InputError
        If there is no such profile, or its file names a notebook or a parameter that there is not.
    """
    if profile not in profile_names():
        raise InputError(
            f"'{profile}' is no profile; the profiles are {', '.join(profile_names())}. A file"
            f" {PARAMETERS}/NAME.yaml makes another."
        )
    path = PARAMETERS / f"{profile}.yaml"
    content = read_yaml(path, _LINES)
    values: Values = {
        name: {"run_directory": (RUNS / profile).relative_to(PROJECT).as_posix()} for name in BY_NOTEBOOK
    }
    for name in sorted(content.keys() - BY_NOTEBOOK.keys()):
        notebooks = _notebooks_with(name)
        if not notebooks:
            raise InputError(
                f"{path}: '{name}' is neither a notebook nor a parameter of one; the notebooks are"
                f" {', '.join(BY_NOTEBOOK)}."
            )
        for notebook in notebooks:
            values[notebook][name] = content[name]
    for notebook in content.keys() & BY_NOTEBOOK.keys():
        section = content[notebook] or {}
        if not isinstance(section, dict):
            raise InputError(f"{path}: {notebook} holds a {type(section).__name__}; expected {_LINES}.")
        _check_names(notebook, map(str, section), f"{path}: {notebook}")
        values[notebook] |= section
    return values


def check_profile(profile: str, settings: Mapping[str, Mapping[str, Any]]) -> dict[str, NotebookParameters]:
    """The parameters of every notebook: a profile's, with settings over them, validated.

    Raises
    ------
    InputError
        Naming each parameter that a notebook does not have or that is wrong.
    """
    parameters = {}
    for notebook, values in read_profile(profile).items():
        over = settings.get(notebook, {})
        _check_names(notebook, over, notebook)
        parameters[notebook] = BY_NOTEBOOK[notebook].check({**values, **over})
        if parameters[notebook].run != RUNS / profile:
            raise InputError(
                f"{notebook}: parameter 'run_directory' is '{parameters[notebook].run_directory}'; this"
                f" profile's run lives in {RUNS / profile}. Open the notebook itself to write elsewhere."
            )
    return parameters


def read_settings(texts: Iterable[str]) -> Values:
    """Values from texts such as ``03_training.epochs=4``; without a
    notebook, of every one that has the parameter.

    >>> read_settings(["03_training.epochs=4", "threads=1"])["03_training"]
    {'epochs': 4, 'threads': 1}

    Raises
    ------
    InputError
        If a text is none such, or names a notebook or parameter that there is not.
    """
    settings: Values = {}
    for text in texts:
        target, equals, value = text.partition("=")
        notebook, dot, parameter = target.rpartition(".")
        if not (equals and parameter) or (dot and not notebook) or parameter in BY_NOTEBOOK:
            raise InputError(
                f"--set '{text}' is not NOTEBOOK.NAME=VALUE, such as 03_training.epochs=4, or NAME=VALUE for"
                " every notebook that has it."
            )
        content = parse_yaml(value, f"--set '{text}': the value")
        notebooks = [notebook_named(notebook)] if dot else _notebooks_with(parameter)
        if not notebooks:
            raise InputError(
                f"no notebook has a parameter '{parameter}'; name one as NOTEBOOK.NAME, such as"
                " 03_training.epochs."
            )
        for name in notebooks:
            settings.setdefault(name, {})[parameter] = content
    return settings


def notebook_named(text: str) -> str:
    """The notebook of a name, or of the number that it begins with.

    >>> notebook_named("03")
    '03_training'

    Raises
    ------
    InputError
        If there is none.
    """
    matches = [name for name in BY_NOTEBOOK if name == text or name.startswith(f"{text}_")]
    if len(matches) != 1:
        raise InputError(f"'{text}' is no notebook; expected one of {', '.join(BY_NOTEBOOK)}, or its number.")
    return matches[0]


def _notebooks_with(parameter: str) -> list[str]:
    return [name for name, parameters in BY_NOTEBOOK.items() if parameter in parameters.model_fields]


def _check_names(notebook: str, names: Iterable[str], where: str) -> None:
    fields = BY_NOTEBOOK[notebook].model_fields
    unknown = sorted(set(names) - fields.keys())
    if unknown:
        raise InputError(f"{where}: unknown parameter '{', '.join(unknown)}'; it has: {', '.join(fields)}.")
