"""The parts of the book's manual that the code itself tells: parameters of the notebooks, options of the commands."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from lstsr_book import options as book_options
from lstsr_book.markup import Row, row, table, text
from lstsr_book.run_files import PROVENANCE, RunFiles
from lstsr_core import cli
from lstsr_core.stages.order import UPSTREAM
from lstsr_core.stages.parameters import BY_NOTEBOOK, NotebookParameters
from lstsr_core.stages.profiles import SHOWN, Values, read_profile

FIGURE_SUFFIXES = {".png", ".svg", ".pdf"}

SHEET: dict[str, tuple[str, list[str]]] = {
    "lstsr run": ("lstsr run --set 03_training.epochs=4 --from 03", ["--profile", "--set", "--from", "--only", "--force"]),
    "lstsr-book build": ("lstsr-book build --profile sample", ["--profile", "--pdf"]),
    "lstsr download": (
        "lstsr download --product MOD21A1D.061 --product MOD09GQ.061 --tile h18v04 --start 2018-07-19 --end 2018-07-19 "
        "--out granules",
        ["--source", "--product", "--tile", "--start", "--end", "--out", "--dry-run"],
    ),
    "lstsr predict": (
        "lstsr predict --lst MOD21A1D….hdf --reflectance MOD09GQ….hdf --out lst_250m.tif --quicklook",
        ["--granules", "--workers", "--scheduler", "--method", "--weights", "--bounds", "--shape", "--water", "--quicklook",
         "--dry-run"],
    ),
    "lstsr evaluate": (
        "lstsr evaluate --pairs DIR --methods bicubic,tsharp --out metrics.csv",
        ["--pairs", "--methods", "--weights", "--protocol", "--lpips-weights", "--keep-going"],
    ),
    "lstsr patches": (
        "lstsr patches --granules granules --out patches",
        ["--layer", "--coverage", "--qc", "--water", "--split", "--workers"],
    ),
    "lstsr train": (
        "lstsr train --model sif-cnn-sr1 --settings paper --patches patches --out weights",
        ["--model", "--settings", "--pairs", "--patches", "--folds", "--resume"],
    ),
    "lstsr report": ("lstsr report --folds folds --weights weights --pairs DIR --out own_weights", ["--published"]),
    "lstsr card": ("lstsr card weights/sif-cnn-sr1.safetensors", []),
    "lstsr verify": ("lstsr verify DIR", []),
    "lstsr-book site": ("lstsr-book site --out site", ["--out"]),
    "lstsr fetch": ("lstsr fetch", ["--url"]),
    "lstsr-book keep": ("lstsr-book keep --profile paper", []),
    "lstsr-book store": ("lstsr-book store", []),
}  # fmt: skip
"""What the cheat sheet shows of a command: an example, and the options that are used most. Of any other it shows the usage."""


def manual_substitutions(files: RunFiles) -> dict[str, str]:
    """What stands for the names of this module in the book's pages."""
    return {
        "notebooks_table": _notebooks_table(files.json(PROVENANCE)),
        "parameters_tables": _parameters_tables(),
        "cheat_sheet": cheat_sheet(),
    }


# Notebooks


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
    named = dict.fromkeys(
        f"{path.parts[0]}/" if len(path.parts) > 1 else path.name
        for path in paths
        if len(path.parts) > 1 or path.suffix not in FIGURE_SUFFIXES
    )
    told = [*named, f"{len(figures)} figure{'s' * (len(figures) > 1)}"] if figures else list(named)
    return ", ".join(told)


def _parameters_tables() -> str:
    """A folded table for each notebook: every parameter, what it means, what it may be, and each profile's value."""
    profiles = [read_profile(profile) for profile in SHOWN]
    return "\n\n".join(_parameters_table(parameters, profiles) for parameters in BY_NOTEBOOK.values())


def _parameters_table(parameters: type[NotebookParameters], profiles: list[Values]) -> str:
    rows = []
    for name, schema in parameters.model_json_schema()["properties"].items():
        values = [_yaml(profile[parameters.notebook].get(name, schema["default"])) for profile in profiles]
        rows.append(_words(name, [schema["description"], allowed(schema), *values]))
    head = ["parameter", "meaning", "may be", *SHOWN]
    return f"<details><summary><code>{text(parameters.notebook)}</code></summary>\n{table(head, rows, 'manual')}\n</details>"


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
    low, high = (schema.get(first, schema.get(second)) for first, second in (("minimum", "ge"), ("maximum", "le")))
    if low is not None and high is not None:
        yield f"{low:g} to {high:g}"
    else:
        yield from (f"{limit:g} or {word}" for limit, word in ((low, "more"), (high, "less")) if limit is not None)
    for first, second, word in (("exclusiveMinimum", "gt", "above"), ("exclusiveMaximum", "lt", "below")):
        limit = schema.get(first, schema.get(second))
        if limit is not None:
            yield f"{word} {limit:g}"


def _yaml(value: object) -> str:
    return yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=math.inf).removesuffix("...\n").strip()


def _words(label: str, cells: Iterable[str]) -> Row:
    return row(label, cells, "words")


# Commands


def commands() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command of ``lstsr`` and ``lstsr-book``, by program and command."""
    return {name: parser for name, (_, parser) in _explained().items()}


def _explained() -> dict[str, tuple[str, argparse.ArgumentParser]]:
    """What each command is for, and its parser."""
    table: dict[str, tuple[str, argparse.ArgumentParser]] = {}
    for program in (cli.make_parser(), book_options.make_parser()):
        (subparsers,) = (action for action in program._actions if isinstance(action, argparse._SubParsersAction))
        helps = {action.dest: str(action.help) for action in subparsers._choices_actions}
        table |= {f"{program.prog} {name}": (helps[name], parser) for name, parser in subparsers.choices.items()}
    return table


def cheat_sheet() -> str:
    """Every command with an example and its most used options, explained as ``COMMAND --help`` explains them."""
    explained = _explained()
    order = [*SHEET, *(name for name in explained if name not in SHEET)]
    blocks = [_command(name, *explained[name]) for name in order]
    return '<div class="cheat-sheet">\n' + "\n".join(blocks) + "\n</div>"


def _command(name: str, explained: str, parser: argparse.ArgumentParser) -> str:
    example, chosen = SHEET.get(name, (" ".join(parser.format_usage().removeprefix("usage: ").split()), []))
    actions = {option: action for action in parser._actions for option in action.option_strings}
    lines = "\n".join(
        f"<dt><code>{text(_spelt(option, actions[option]))}</code></dt><dd>{text(actions[option].help)}</dd>" for option in chosen
    )
    options = f"\n<dl>\n{lines}\n</dl>" if lines else ""
    more = sum(bool(action.option_strings) for action in parser._actions) - 1 - len(chosen)
    further = f'\n<p class="more">{more} more: <code>{name} --help</code></p>' if more > 0 else ""
    return (
        f'<section class="command"><h2><code>{text(name)}</code></h2>\n<p>{text(explained)}</p>\n'
        f"<pre><code>{text(example)}</code></pre>{options}{further}\n</section>"
    )


def _spelt(option: str, action: argparse.Action) -> str:
    """An option with what follows it, as the help writes it."""
    if isinstance(action, argparse.BooleanOptionalAction):
        return option.replace("--", "--[no-]")
    if action.nargs == 0:
        return option
    value = "|".join(action.choices) if action.choices else action.metavar or action.dest.upper()
    return f"{option} {value}"
