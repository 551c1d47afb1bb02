"""CITATION.cff, the bibliography and the page on citing say the same."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest
import yaml

from lstsr_core.base.project import PROJECT

# What version 1.2.0 of the Citation File Format knows, of the keys that this file may have.
KEYS = {
    "cff-version", "message", "title", "abstract", "type", "version", "license", "keywords", "authors",
    "preferred-citation", "date-released", "doi", "identifiers", "repository-code", "url", "references",
}  # fmt: skip
CITING = (PROJECT / "book" / "citing.md").read_text(encoding="utf-8")
BIBLIOGRAPHY = (PROJECT / "book" / "references.bib").read_text(encoding="utf-8")


@pytest.fixture
def citation() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((PROJECT / "CITATION.cff").read_text(encoding="utf-8"))
    return content


def entry(text: str, key: str) -> str:
    """One BibTeX entry, as it stands."""
    match = re.search(rf"^@\w+\{{{key},\n.*?^\}}$", text, re.MULTILINE | re.DOTALL)
    assert match is not None, key
    return match[0]


def field(bibtex: str, name: str) -> str:
    """A field's text without braces, accents as plain letters."""
    match = re.search(rf"^  {name} = \{{(.*)\}},$", bibtex, re.MULTILINE)
    assert match is not None, name
    return re.sub(r"\{\\'e\}", "é", match[1]).replace("{", "").replace("}", "")


def test_the_file_has_what_the_format_asks_for(citation: dict[str, Any]) -> None:
    assert {"cff-version", "message", "title", "authors"} <= citation.keys() <= KEYS
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert all("name" in author or "family-names" in author for author in citation["authors"])
    preferred = citation["preferred-citation"]
    assert {"type", "title", "authors"} <= preferred.keys()
    assert re.fullmatch(r"10\.\d{4,9}/\S+", preferred["doi"]) and isinstance(preferred["year"], int)


def test_it_agrees_with_the_package(citation: dict[str, Any]) -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    changelog = (PROJECT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {project['version']}" in changelog


def test_the_paper_is_cited_alike_everywhere(citation: dict[str, Any]) -> None:
    assert entry(CITING, "aitbachir2025") == entry(BIBLIOGRAPHY, "aitbachir2025")
    bibtex, preferred = entry(BIBLIOGRAPHY, "aitbachir2025"), citation["preferred-citation"]
    assert field(bibtex, "title") == preferred["title"]
    assert (field(bibtex, "year"), field(bibtex, "doi")) == (str(preferred["year"]), preferred["doi"])
    names = [f"{author['family-names']}, {author['given-names']}" for author in preferred["authors"]]
    assert field(bibtex, "author") == " and ".join(names)


def test_the_companion_is_cited_as_its_file_says(citation: dict[str, Any]) -> None:
    bibtex = entry(CITING, "lstsr")
    assert field(bibtex, "title") == citation["title"]
    assert field(bibtex, "version") == citation["version"]
    assert field(bibtex, "author") == citation["authors"][0]["name"]
    assert citation["preferred-citation"]["identifiers"][0]["value"] in field(bibtex, "note")
