"""The manual's generated parts against the parser, the models of the parameters and the pages."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lstsr_book.manual import allowed, manual_substitutions
from lstsr_book.run_files import RunFiles
from lstsr_core.base.errors import InputError
from lstsr_core.base.project import PROJECT
from lstsr_core.stages.order import UPSTREAM
from lstsr_core.stages.parameters import BY_NOTEBOOK, NotebookParameters


@pytest.fixture
def substitutions(tmp_path: Path) -> dict[str, str]:
    outputs = {
        f"05_fourier/{name}": "0"
        for name in ("spectra.csv", "mean.png", "mean.svg", "scenes/0.png", "scenes/0.svg")
    }
    records = {
        name: {"seconds": 61.7, "outputs": outputs if name == "05_fourier" else {}} for name in BY_NOTEBOOK
    }
    (tmp_path / "provenance.json").write_text(json.dumps(records))
    return manual_substitutions(RunFiles(tmp_path))


def test_every_parameter_of_every_notebook_is_listed(substitutions: dict[str, str]) -> None:
    tables = substitutions["parameters_tables"].split("<details>")[1:]
    assert len(tables) == len(BY_NOTEBOOK)
    for table, (name, parameters) in zip(tables, BY_NOTEBOOK.items(), strict=True):
        assert f"<code>{name}</code>" in table
        assert re.findall(r'<tr><th scope="row">(\w+)</th>', table) == list(parameters.model_fields)
    assert re.search(
        r'scope="row">source</th>.*?>sample</td><td class="words">published</td></tr>', tables[0]
    )


def test_notebooks_are_listed_with_what_they_read_and_write(substitutions: dict[str, str]) -> None:
    rows = re.findall(
        r'<tr><th scope="row">(\w+)</th><td class="words">(.*?)</td></tr>', substitutions["notebooks_table"]
    )
    assert [name for name, _ in rows] == list(UPSTREAM)
    cells = dict(rows)["05_fourier"].split('</td><td class="words">')
    assert cells[1:] == ["01, 04", "62", "spectra.csv, scenes/, 1 figure"]


LIMITED = [
    (parameters, name, schema)
    for parameters in BY_NOTEBOOK.values()
    for name, schema in parameters.model_json_schema()["properties"].items()
    if re.search(r"\d", allowed(schema))
]


@pytest.mark.parametrize(
    ("parameters", "name", "schema"), LIMITED, ids=lambda value: value if isinstance(value, str) else ""
)
def test_limits_are_those_that_the_notebook_keeps(
    parameters: type[NotebookParameters], name: str, schema: dict[str, object]
) -> None:
    words = allowed(schema)
    whole = "whole number" in words
    is_list = words.startswith("list of")

    def takes(value: float) -> bool:
        number = int(value) if whole else float(value)
        try:
            parameters.check({name: [number] if is_list else number})
        except InputError:
            return False
        return True

    step = 1 if whole else 1e-6
    if match := re.search(r"([\d.]+) to ([\d.e+]+)", words):
        low, high = float(match[1]), float(match[2])
        assert takes(low) and takes(high) and not takes(low - step) and not takes(high + step)
    if match := re.search(r"([\d.]+) or more", words):
        assert takes(float(match[1])) and not takes(float(match[1]) - step)
    if match := re.search(r"above ([\d.]+)", words):
        assert takes(float(match[1]) + step) and not takes(float(match[1]))
    if match := re.search(r"below ([\d.]+)", words):
        assert takes(float(match[1]) - step) and not takes(float(match[1]))


def test_glossary_terms_are_sorted_and_explained() -> None:
    text = (PROJECT / "book" / "glossary.md").read_text(encoding="utf-8")
    body = re.search(r"```\{glossary\}\n(.*)```", text, re.DOTALL)
    assert body is not None
    terms = re.findall(r"^(\S.*)$", body[1], re.MULTILINE)
    assert terms == sorted(terms, key=str.casefold) and len(set(terms)) == len(terms)
    needed = {
        "LST", "NDVI", "granule", "tile", "QC", "MTF", "PSF", "emissivity", "FRR", "FRO", "FRU",
        "attenuation", "consistency", "protocol", "scene", "edition",
    }  # fmt: skip
    assert needed <= set(terms)
