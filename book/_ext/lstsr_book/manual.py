"""The parts of the book's manual that the code itself tells: what the notebooks do, and their parameters."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from lstsr_book.markup import Row, row, table, text
from lstsr_book.run_files import PROVENANCE, RunFiles
from lstsr_core.stages.order import UPSTREAM
from lstsr_core.stages.parameters import BY_NOTEBOOK, NotebookParameters
from lstsr_core.stages.profiles import SHOWN, Values, read_profile

FIGURE_SUFFIXES = {".png", ".svg", ".pdf"}


def manual_substitutions(files: RunFiles) -> dict[str, str]:
    """What stands for the names of this module in the book's pages."""
    return {
        "notebooks_table": _notebooks_table(files.json(PROVENANCE)),
        "parameters_tables": _parameters_tables(),
    }


def _notebooks_table(provenance: Mapping[str, Any]) -> str:
    rows = []
    for name, parameters in BY_NOTEBOOK.items():
        record = provenance[name]
        what = (parameters.__doc__ or "").partition(": ")[2].rstrip(".")
        reads = ", ".join(upstream[:2] for upstream in UPSTREAM[name]) or "–"
        seconds = f"{float(record.get('seconds', math.nan)):.0f}"
        rows.append(_words(name, [what, reads, seconds, _written(record.get("outputs", {}), name)]))
    return table(["notebook", "what it does", "reads", "seconds", "writes"], rows, "manual")


def _written(outputs: Iterable[str], name: str) -> str:
    """Files and folders of a notebook's directory, its figures by their number."""
    paths = [PurePosixPath(path).relative_to(name) for path in outputs]
    figures = {path.stem for path in paths if path.suffix in FIGURE_SUFFIXES and len(path.parts) == 1}
    names = dict.fromkeys(
        f"{path.parts[0]}/" if len(path.parts) > 1 else path.name
        for path in paths
        if len(path.parts) > 1 or path.suffix not in FIGURE_SUFFIXES
    )
    parts = [*names, f"{len(figures)} figure{'s' * (len(figures) > 1)}"] if figures else list(names)
    return ", ".join(parts)


def _parameters_tables() -> str:
    """A folded table for each notebook: each parameter, its meaning, range and value in profiles."""
    profiles = [read_profile(profile) for profile in SHOWN]
    return "\n\n".join(_parameters_table(parameters, profiles) for parameters in BY_NOTEBOOK.values())


def _parameters_table(parameters: type[NotebookParameters], profiles: list[Values]) -> str:
    rows = []
    for name, schema in parameters.model_json_schema()["properties"].items():
        values = [_yaml(profile[parameters.notebook].get(name, schema["default"])) for profile in profiles]
        rows.append(_words(name, [schema["description"], allowed(schema), *values]))
    head = ["parameter", "meaning", "may be", *SHOWN]
    summary = f"<summary><code>{text(parameters.notebook)}</code></summary>"
    return f"<details>{summary}\n{table(head, rows, 'manual')}\n</details>"


def allowed(schema: Mapping[str, Any]) -> str:
    """What a JSON schema admits, in words.

    >>> allowed({"type": "integer", "minimum": 1, "maximum": 50})
    'whole number, 1 to 50'
    >>> allowed({"anyOf": [{"type": "number", "gt": 0, "lt": 1}, {"type": "null"}]})
    'number, above 0, below 1; or null'
    """
    if "anyOf" in schema:
        return "; or ".join(allowed(option) for option in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        return " or ".join(map(str, schema.get("enum", [schema.get("const")])))
    if schema["type"] == "array":
        return f"list of {allowed(schema['items'])}"
    names = {"integer": "whole number", "boolean": "true or false", "string": "text"}
    return ", ".join([names.get(schema["type"], schema["type"]), *_limits(schema)])


def _limits(schema: Mapping[str, Any]) -> Iterator[str]:
    low, high = (
        schema.get(first, schema.get(second)) for first, second in (("minimum", "ge"), ("maximum", "le"))
    )
    if low is not None and high is not None:
        yield f"{low:g} to {high:g}"
    else:
        yield from (
            f"{limit:g} or {word}" for limit, word in ((low, "more"), (high, "less")) if limit is not None
        )
    for first, second, word in (("exclusiveMinimum", "gt", "above"), ("exclusiveMaximum", "lt", "below")):
        limit = schema.get(first, schema.get(second))
        if limit is not None:
            yield f"{word} {limit:g}"


def _yaml(value: object) -> str:
    return (
        yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=math.inf)
        .removesuffix("...\n")
        .strip()
    )


def _words(label: str, cells: Iterable[str]) -> Row:
    return row(label, cells, "words")
