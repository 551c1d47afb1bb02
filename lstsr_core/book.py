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

from lstsr_core.atlas_pages import EXTRA_FOLDER, atlas_substitutions, write_atlas
from lstsr_core.claims import CURVES, INVERSION, METRICS, PAIRS, PROVENANCE, SUMMARY, RunFiles, claims, write_claims
from lstsr_core.errors import InputError
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
    "01_download/footprints.geojson", "11_atlas/scenes.csv", "11_atlas/metrics.csv",
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
        If a file of the run is missing, a notebook failed or shows a figure without alternative text, or the build gives a
        warning.
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
    for name in NOTEBOOKS:
        if name not in provenance:
            raise InputError(f"{run / PROVENANCE}: says nothing of {name}. Run it again: lstsr run --profile {run.name}")
        _write_notebook(files.path(f"notebooks/{name}.ipynb"), source / f"{name}.ipynb", edition, provenance[name])
    results = _copy_results(run, source / RESULTS_FOLDER)
    write_atlas(run, source)
    figures = substitutions(files, edition, rows, project, results) | atlas_substitutions(run)
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    settings["title"] = f"{settings['title']}: {edition.name}"
    settings.setdefault("parse", {})["myst_substitutions"] = figures
    settings.setdefault("html", {})["announcement"] = edition.banner
    settings.setdefault("sphinx", {}).setdefault("config", {})["html_extra_path"] = [EXTRA_FOLDER]
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


def _write_notebook(path: Path, target: Path, edition: Edition, provenance: dict[str, Any]) -> None:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        cells, first = notebook["cells"], notebook["cells"][0]
        title = "".join(first["source"]) if first["cell_type"] == "markdown" else ""
    except (ValueError, LookupError, TypeError) as error:
        raise InputError(f"{path}: not readable as a notebook ({error!r}). Run it again.") from error
    if not title.startswith("# "):
        raise InputError(f"{path}: its first cell is no title; expected a Markdown cell that starts with '# '.")
    for number, cell in enumerate(cells, start=1):
        _check_outputs(path, number, cell)
        # How long a cell took differs from run to run; the whole notebook's seconds stand under its provenance.
        for key in ("papermill", "execution"):
            cell["metadata"].pop(key, None)
    for key in ("papermill", "widgets"):  # widget state would make the page load a script from another host
        notebook["metadata"].pop(key, None)
    anew = provenance.get("parameters", {}).get("results") == ""
    note = REAL_NOTE if target.stem in REAL_NOTEBOOKS and not anew else edition.admonition
    with_id = (notebook.get("nbformat"), notebook.get("nbformat_minor", 0)) >= (4, 5)
    told, last = (
        {"cell_type": "markdown", "metadata": {}, "source": text, **({"id": name} if with_id else {})}
        for name, text in (("edition", note), ("provenance", _provenance_section(provenance)))
    )
    notebook["cells"] = [first, told, *cells[1:], last]
    target.write_text(json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


def _check_outputs(path: Path, number: int, cell: dict[str, Any]) -> None:
    for output in cell.get("outputs", []):
        if output["output_type"] == "error":
            raise InputError(
                f"{path}: cell {number} failed ({output['ename']}: {output['evalue']}). Run it again before the book is built."
            )
        shows_image = any(kind.startswith("image/") for kind in output.get("data", {}))
        if shows_image and not cell["metadata"].get("mystnb", {}).get("image", {}).get("alt", "").strip():
            raise InputError(
                f"{path}: cell {number} shows a figure without alternative text. Give the cell the metadata "
                '{"mystnb": {"image": {"alt": "…"}}}.'
            )


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
    found = [path for name in NOTEBOOKS for path in sorted((run / name).glob("*")) if path.suffix in (".csv", ".json")]
    names = [path.relative_to(run).as_posix() for path in [*found, run / PROVENANCE, run / CLAIMS_FILE]]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run / name, target / name)
    return names
