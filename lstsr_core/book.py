"""The book: prose, executed notebooks and the figures of one run, built into one folder of HTML."""

from __future__ import annotations

import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from lstsr_core.claims import CURVES, INVERSION, METRICS, PAIRS, PROVENANCE, SUMMARY, RunFiles, claims, write_claims
from lstsr_core.errors import InputError
from lstsr_core.figure_pages import BookFigure, collect, copy_files, figures_list, origin, without_image
from lstsr_core.findings_prose import COSTS, GAINS, MISREGISTRATION, PROJECTED, VARIANT_DIFFERENCES, VARIANTS
from lstsr_core.markup import RESULTS_FOLDER, text
from lstsr_core.pairs import PUBLISHED_PAIRS
from lstsr_core.prose import (
    CLAIMS_FILE,
    DIGEST_DIGITS,
    NOTEBOOKS,
    PATCHES,
    REAL_NOTE,
    REAL_NOTEBOOKS,
    STATISTICS,
    SUMMARY_TABLE,
    Edition,
    substitutions,
)  # fmt: skip

NEEDED = [
    SUMMARY, PAIRS, PATCHES, STATISTICS, CURVES, "04_sharpening/products.csv", "05_fourier/spectra.csv", METRICS,
    SUMMARY_TABLE, INVERSION, MISREGISTRATION, GAINS, VARIANTS, VARIANT_DIFFERENCES, PROJECTED, COSTS, PROVENANCE,
]  # fmt: skip
"""Files of a run without which there is no book, beside the notebooks."""

REPORTED_LINES = 8


def build_book(run: Path, project: Path) -> Path:
    """Build the book of a run.

    Writes ``claims.json`` and ``book/source`` below the run, then ``book/html``, which is replaced only when the build
    succeeds.

    Parameters
    ----------
    run : Path
        A run's directory, as ``lstsr run`` leaves it.
    project : Path
        Holds ``_config.yml`` and ``book``.

    Returns
    -------
    Path
        Absolute path of the cover, ``index.html``.

    Raises
    ------
    InputError
        If a file of the run is missing, a notebook failed or shows a figure without alternative text, caption or files, or the
        build gives a warning.
    """
    source = assemble(run, project)
    built = source.parent / "build"
    shutil.rmtree(built, ignore_errors=True)
    command = [
        sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(source),
        "--path-output", str(built), "--config", str(source / "_config.yml"), "--toc", str(source / "_toc.yml"),
        "--all", "-W", "-n", "--keep-going",
    ]  # fmt: skip
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    page = built / "_build" / "html" / "index.html"
    if outcome.returncode or not page.is_file():
        raise InputError(
            f"{source}: the book was not built, and any older one was kept. "
            + _complaints(outcome.stdout + "\n" + outcome.stderr, source)
        )
    target = (run / "book" / "html").resolve()
    _replace_folder(page.parent, target)
    shutil.rmtree(built, ignore_errors=True)
    return target / "index.html"


def assemble(run: Path, project: Path) -> Path:
    """Write the book's source folder from the prose, the notebooks and the figures of a run, and return it."""
    files = RunFiles(run)
    for name in [*NEEDED, *(f"notebooks/{notebook}.ipynb" for notebook in NOTEBOOKS)]:
        files.path(name)
    config = project / "_config.yml"
    if not config.is_file() or not (project / "book" / "_toc.yml").is_file():
        raise InputError(f"{project}: holds no _config.yml with book/_toc.yml; expected the project's folder.")
    edition = _edition(files)
    rows = claims(run)
    write_claims(rows, run / CLAIMS_FILE)

    source = run / "book" / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(project / "book", source, ignore=shutil.ignore_patterns("_build", ".*"))
    provenance = files.json(PROVENANCE)
    shown = collect(run, project / "notebooks", _reading_order(project / "book" / "_toc.yml"))
    copy_files(run, shown, source)
    for name in NOTEBOOKS:
        if name not in provenance:
            raise InputError(f"{run / PROVENANCE}: says nothing of {name}. Run it again: lstsr run --profile {run.name}")
        _write_notebook(files.path(f"notebooks/{name}.ipynb"), source / f"{name}.ipynb", edition, provenance[name], shown)
    results = _copy_results(run, source / RESULTS_FOLDER)
    by_scene = "For every scene: [the atlas](atlas.md)." if (source / "atlas.md").is_file() else ""
    figures = substitutions(files, edition, rows, project, results) | {"figures_list": figures_list(shown, by_scene)}
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    settings["title"] = f"{settings['title']}: {edition.name}"
    settings.setdefault("parse", {})["myst_substitutions"] = figures
    settings.setdefault("html", {})["announcement"] = edition.banner
    (source / "_config.yml").write_text(yaml.safe_dump(settings, allow_unicode=True, sort_keys=True), encoding="utf-8")
    return source


def _edition(files: RunFiles) -> Edition:
    summary = files.json(SUMMARY)
    try:
        synthetic, pairs = bool(summary["synthetic"]), int(summary["pairs"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{files.run / SUMMARY}: lacks a usable {error}; expected synthetic (true or false) and pairs (a number)."
        ) from error
    return Edition(files.run.name, synthetic, pairs, int(summary.get("pairs_published", PUBLISHED_PAIRS)))


def _complaints(output: str, source: Path) -> str:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output).replace(f"{source.resolve()}/", "").replace(f"{source}/", "")
    lines = [line.strip() for line in plain.splitlines()]
    found = list(dict.fromkeys(line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL|Error)\b", line)))
    shown = found or [line for line in lines if line][-REPORTED_LINES:]
    more = f" (and {len(shown) - REPORTED_LINES} more)" if len(shown) > REPORTED_LINES else ""
    return "; ".join(shown[:REPORTED_LINES]) + more


def _replace_folder(new: Path, target: Path) -> None:
    older = target.with_name(f".{target.name}.older")
    shutil.rmtree(older, ignore_errors=True)
    if target.exists():
        target.rename(older)
    new.rename(target)
    shutil.rmtree(older, ignore_errors=True)


def _reading_order(toc: Path) -> list[str]:
    """The notebooks as the book's table of contents has them, then any that it leaves out."""
    contents = re.findall(r"file: (\S+)", toc.read_text(encoding="utf-8"))
    return [*(name for name in contents if name in NOTEBOOKS), *(name for name in NOTEBOOKS if name not in contents)]


def _write_notebook(path: Path, target: Path, edition: Edition, provenance: dict[str, Any], figures: list[BookFigure]) -> None:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells, first = notebook["cells"], notebook["cells"][0]
        title = "".join(first["source"]) if first["cell_type"] == "markdown" else ""
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path}: not readable as a notebook ({error!r}). Run it again.") from error
    if not title.startswith("# "):
        raise InputError(f"{path}: its first cell is no title; expected a Markdown cell that starts with '# '.")
    for cell in cells:
        # How long a cell took differs from run to run; the whole notebook's seconds stand under its provenance.
        for key in ("papermill", "execution"):
            cell["metadata"].pop(key, None)
    for key in ("papermill", "widgets"):  # widget state would make the page load a script from another host
        notebook["metadata"].pop(key, None)
    anew = provenance.get("parameters", {}).get("results") == ""
    note = REAL_NOTE if target.stem in REAL_NOTEBOOKS and not anew else edition.admonition
    with_id = (notebook.get("nbformat"), notebook.get("nbformat_minor", 0)) >= (4, 5)

    def markdown(identity: str, content: str) -> dict[str, Any]:
        return {"cell_type": "markdown", "metadata": {}, "source": content, **({"id": identity} if with_id else {})}

    by_position = {figure.position: figure for figure in figures if figure.notebook == target.stem}
    made = origin(target.stem, provenance.get("parameters", {}))
    body = []
    for position, cell in enumerate(cells[1:], start=2):
        figure = by_position.get(position)
        body.append(without_image(cell) if figure else cell)
        if figure:
            body.append(markdown(f"figure-{figure.name}", figure.markdown(made)))
    last = f"(provenance-{target.stem})=\n" + _provenance_section(provenance)
    notebook["cells"] = [first, markdown("edition", note), *body, markdown("provenance", last)]
    target.write_text(json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


def _provenance_section(provenance: dict[str, Any]) -> str:
    facts = {
        "revision of the code": provenance.get("git_revision", "unknown"),
        "seed": "none" if provenance.get("seed") is None else provenance["seed"],
        "seconds": f"{float(provenance.get('seconds', math.nan)):.0f}",
    }
    parameters = {name: json.dumps(value, ensure_ascii=False) for name, value in provenance.get("parameters", {}).items()}
    inputs = {name: str(digest)[:DIGEST_DIGITS] or "absent" for name, digest in sorted(provenance.get("inputs", {}).items())}
    versions = dict(sorted(provenance.get("versions", {}).items()))
    return "\n\n".join(
        [
            "## Provenance",
            "How this page was made.",
            _two_columns(facts),
            _dropdown(f"Parameters ({len(parameters)})", parameters, "The parameters cell at its defaults."),
            _dropdown(f"Inputs ({len(inputs)}), with the first {DIGEST_DIGITS} digits of their sha256", inputs, "No files read."),
            _dropdown(f"Versions ({len(versions)})", versions, "None recorded."),
        ]
    )


def _dropdown(title: str, facts: dict[str, str], otherwise: str) -> str:
    return f":::{{dropdown}} {title}\n{_two_columns(facts) if facts else otherwise}\n:::"


def _two_columns(facts: dict[str, Any]) -> str:
    rows = "\n".join(
        f'<tr><th scope="row">{text(name)}</th><td class="words">{text(value)}</td></tr>' for name, value in facts.items()
    )
    return f'<div class="table-box facts"><table>\n<tbody>\n{rows}\n</tbody>\n</table></div>'


def _copy_results(run: Path, target: Path) -> list[str]:
    kinds = (".csv", ".json", ".geojson")
    found = [path for name in NOTEBOOKS for path in sorted((run / name).glob("*")) if path.suffix in kinds]
    names = [path.relative_to(run).as_posix() for path in [*found, run / PROVENANCE, run / CLAIMS_FILE]]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run / name, target / name)
    return names
