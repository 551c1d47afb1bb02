"""The book's pages of notebooks: an executed one as readers want it, with edition, figures and provenance."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lstsr_book.figure_pages import BookFigure, changed_parameters, origin, without_image
from lstsr_book.kept_results import DIGEST_DIGITS
from lstsr_book.markup import facts_table
from lstsr_book.prose import REAL_NOTE, REAL_NOTEBOOKS, SIMULATED_NOTE, Edition
from lstsr_book.run_files import inputs_in_short
from lstsr_core.base.errors import InputError

_ASSIGNMENT = re.compile(r"^(\w+)((?:: [^=\n]+)?) = (.*)$", re.MULTILINE)
_WITHIN_A_RUN = {"run_directory"}  # differs from the default in every run but the sample's


def write_notebook(
    path: Path, target: Path, edition: Edition, provenance: dict[str, Any], figures: Sequence[BookFigure]
) -> None:
    """Write the page of an executed notebook.

    Parameters
    ----------
    path : Path
        As papermill left it.
    target : Path
        ``<notebook>.ipynb`` of the book's source.
    edition : Edition
    provenance : dict
        The notebook's record.
    figures : sequence of BookFigure
        The book's; those of this notebook stand in place of its images.

    Raises
    ------
    InputError
        If the notebook is not readable or has no title.
    """
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells, first = notebook["cells"], notebook["cells"][0]
        title = "".join(first["source"]) if first["cell_type"] == "markdown" else ""
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path}: not readable as a notebook ({error!r}). Run it again.") from error
    if not title.startswith("# "):
        raise InputError(
            f"{path}: its first cell is no title; expected a Markdown cell that starts with '# '."
        )
    for cell in cells:
        # How long a cell took differs from run to run; the notebook's seconds stand under its provenance.
        for key in ("papermill", "execution"):
            cell["metadata"].pop(key, None)
    for key in ("papermill", "widgets"):  # widget state would make the page load a script from another host
        notebook["metadata"].pop(key, None)
    parameters = provenance.get("parameters", {})
    anew = parameters.get("results") == ""
    note = REAL_NOTE if target.stem in REAL_NOTEBOOKS and not anew else edition.admonition
    if parameters.get("source") == "sample" and not edition.synthetic:
        note = SIMULATED_NOTE
    with_id = (notebook.get("nbformat"), notebook.get("nbformat_minor", 0)) >= (4, 5)

    def markdown(identity: str, content: str) -> dict[str, Any]:
        return {
            "cell_type": "markdown",
            "metadata": {},
            "source": content,
            **({"id": identity} if with_id else {}),
        }

    by_position = {figure.position: figure for figure in figures if figure.notebook == target.stem}
    maker = origin(target.stem, parameters)
    body = []
    for position, cell in enumerate(cells[1:], start=2):
        figure = by_position.get(position)
        body.append(_without_empty_headings(without_image(cell) if figure else cell))
        if figure:
            body.append(markdown(f"figure-{figure.name}", figure.markdown(maker)))
    body = with_parameters_used(body, changed_parameters(target.stem, parameters).keys() | _WITHIN_A_RUN)
    last = f"(provenance-{target.stem})=\n" + _provenance_section(provenance)
    notebook["cells"] = [first, markdown("edition", note), *body, markdown("provenance", last)]
    target.write_text(
        json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8"
    )


def with_parameters_used(cells: Sequence[dict[str, Any]], names: set[str]) -> list[dict[str, Any]]:
    """The cells with one of parameters, which explains them and has the values used, in place of two.

    Parameters
    ----------
    cells : sequence of dict
        Of a notebook that papermill ran: one tagged "parameters" and, unless none was given, one tagged
        "injected-parameters" after it.
    names : set of str
        Parameters whose given values are shown; the others keep the defaults as they are written, such as
        ``["all"]``.
    """
    used = {
        match[1]: match[3] for cell in _tagged(cells, "injected-parameters") for match in _assignments(cell)
    }
    shown = names & used.keys()

    def shown_value(match: re.Match[str]) -> str:
        return f"{match[1]}{match[2]} = {used[match[1]] if match[1] in shown else match[3]}"

    for cell in _tagged(cells, "parameters"):
        cell["source"] = _ASSIGNMENT.sub(shown_value, "".join(cell["source"]))
    return [cell for cell in cells if "injected-parameters" not in cell["metadata"].get("tags", [])]


def _tagged(cells: Sequence[dict[str, Any]], tag: str) -> list[dict[str, Any]]:
    return [cell for cell in cells if tag in cell["metadata"].get("tags", [])]


def _assignments(cell: dict[str, Any]) -> Iterator[re.Match[str]]:
    return _ASSIGNMENT.finditer("".join(cell["source"]))


def _without_empty_headings(cell: dict[str, Any]) -> dict[str, Any]:
    """The cell with plain cells where pandas leaves a heading empty, which a screen reader would announce."""
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "text/html" in data:
            data["text/html"] = "".join(data["text/html"]).replace("<th></th>", "<td></td>")
    return cell


def _provenance_section(provenance: dict[str, Any]) -> str:
    facts = {
        "revision of the code": provenance.get("git_revision", "unknown"),
        "seed": "none" if provenance.get("seed") is None else provenance["seed"],
        "seconds": f"{float(provenance.get('seconds', math.nan)):.0f}",
    }
    values, digests = provenance.get("parameters", {}), inputs_in_short(provenance)
    parameters = {name: json.dumps(value, ensure_ascii=False) for name, value in values.items()}
    inputs = {name: str(digest)[:DIGEST_DIGITS] or "absent" for name, digest in sorted(digests.items())}
    files = f"Inputs ({len(inputs)}), with the first {DIGEST_DIGITS} digits of their sha256"
    versions = dict(sorted(provenance.get("versions", {}).items()))
    return "\n\n".join(
        [
            "## Provenance",
            "How this page was made.",
            facts_table(facts),
            _dropdown(f"Parameters ({len(parameters)})", parameters, "The parameters cell at its defaults."),
            _dropdown(files, inputs, "No files read."),
            _dropdown(f"Versions ({len(versions)})", versions, "None recorded."),
        ]
    )


def _dropdown(title: str, facts: dict[str, str], otherwise: str) -> str:
    return f":::{{dropdown}} {title}\n{facts_table(facts) if facts else otherwise}\n:::"
