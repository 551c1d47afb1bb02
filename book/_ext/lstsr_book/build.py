"""The book: prose, executed notebooks and the figures of one run, built into one folder of HTML."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

from lstsr_book.api import fill_pages
from lstsr_book.atlas_pages import EXTRA_FOLDER, atlas_substitutions, write_atlas
from lstsr_book.better_map_prose import draw_better_map
from lstsr_book.claims import CLAIMS_FILE, claims, write_claims
from lstsr_book.figure_pages import collect, copy_files, figures_list, pictures
from lstsr_book.findings_prose import COSTS, GAINS, MISREGISTRATION, PROJECTED, VARIANT_DIFFERENCES, VARIANTS
from lstsr_book.kept_results import RESULTS, KeptResults
from lstsr_book.layout import draw, layout_table
from lstsr_book.markup import RESULTS_FOLDER
from lstsr_book.notebook_pages import write_notebook
from lstsr_book.pdf import find_browser, prepare_for_print, print_pdf, shorter_contents
from lstsr_book.prose import NOTEBOOKS, PATCHES, STATISTICS, Edition, substitutions
from lstsr_book.results_prose import KEPT_FOLDER, Results
from lstsr_book.run_files import (
    CURVES,
    INVERSION,
    METRICS,
    METRICS_SUMMARY,
    PAIRS,
    PROVENANCE,
    SUMMARY,
    RunFiles,
)
from lstsr_book.teaser import teaser
from lstsr_core.base.errors import InputError
from lstsr_core.base.project import replace_folder
from lstsr_core.pairs.pair import PUBLISHED_PAIRS
from lstsr_core.stages.parameters import YourMap

NEEDED = [
    SUMMARY, PAIRS, PATCHES, STATISTICS, CURVES, "04_sharpening/products.csv", "05_fourier/spectra.csv",
    METRICS, METRICS_SUMMARY, INVERSION, MISREGISTRATION, GAINS, VARIANTS, VARIANT_DIFFERENCES, PROJECTED,
    COSTS, PROVENANCE,
    "01_download/footprints.geojson", "11_atlas/scenes.csv", "11_atlas/metrics.csv",
]  # fmt: skip
"""Files of a run without which there is no book, beside the notebooks."""

REPORTED_LINES = 8


def build_book(run: Path, project: Path) -> Path:
    """Build the book of a run.

    Writes ``claims.json`` and ``book/source`` below the run, then ``book/html``, which is replaced only when
    the build
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
        If a file of the run is missing, a notebook failed or shows a figure without alternative text, caption
        or files, or the
        build gives a warning.
    """
    source = assemble(run, project)
    built = source.parent / "build"
    shutil.rmtree(built, ignore_errors=True)
    page = _build(source, built, "html", source / "_toc.yml", ["-W"])
    target = (run / "book" / "html").resolve()
    replace_folder(page.parent, target)
    shutil.rmtree(built, ignore_errors=True)
    return target / "index.html"


def build_pdf(run: Path) -> Path:
    """Print the book of a run, which `build_book` made just before, into the folder of its HTML.

    Returns
    -------
    Path
        Absolute path of ``lstsr-<run>.pdf``.

    Raises
    ------
    InputError
        If no browser is there to print, or it or the build fails.
    """
    browser = find_browser()
    run = run.resolve()
    source, html = run / "book" / "source", run / "book" / "html"
    contents = shorter_contents(yaml.safe_load((source / "_toc.yml").read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory(dir=run / "book") as folder:
        toc = Path(folder) / "_toc.yml"
        toc.write_text(yaml.safe_dump(contents, sort_keys=False), encoding="utf-8")
        # Not -W: pages that are left out are linked from some that are not.
        page = _build(source, Path(folder), "singlehtml", toc, [])
        edition = _edition(RunFiles(run))
        title = yaml.safe_load((source / "_config.yml").read_text(encoding="utf-8"))["title"]
        style = (source / "print.css").read_text(encoding="utf-8")
        printable = prepare_for_print(page, style, title.partition(":")[0], edition.subtitle)
        pdf = html / f"lstsr-{run.name}.pdf"
        print_pdf(printable, pdf, browser)
    return pdf


def _build(source: Path, built: Path, builder: str, toc: Path, options: list[str]) -> Path:
    command = [
        sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(source),
        "--builder", builder,
        "--path-output", str(built), "--config", str(source / "_config.yml"), "--toc", str(toc),
        "--all", "-n", "--keep-going", *options,
    ]  # fmt: skip
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    page = built / "_build" / builder / "index.html"
    if outcome.returncode or not page.is_file():
        raise InputError(
            f"{source}: the book was not built, and any older one was kept. "
            + _complaints(outcome.stdout + "\n" + outcome.stderr, source)
        )
    return page


def assemble(run: Path, project: Path) -> Path:
    """Write the book's source folder from prose, notebooks and the figures of a run, and return it."""
    files = RunFiles(run)
    for name in [*NEEDED, *(f"notebooks/{notebook}.ipynb" for notebook in NOTEBOOKS)]:
        files.path(name)
    config = project / "_config.yml"
    if not config.is_file() or not (project / "book" / "_toc.yml").is_file():
        raise InputError(
            f"{project}: holds no _config.yml with book/_toc.yml; expected the project's folder."
        )
    edition = _edition(files)
    results, kept_results = Results(files, claims(files)), KeptResults.read(project / RESULTS)
    write_claims(results.claims, run / CLAIMS_FILE)

    source = run / "book" / "source"
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(project / "book", source, ignore=shutil.ignore_patterns("_build", "_ext", ".*"))
    fill_pages(source / "api")
    draw(source)
    draw_better_map(source)
    provenance = files.json(PROVENANCE)
    figures = collect(run, project / "notebooks", _reading_order(project / "book" / "_toc.yml"))
    copy_files(run, figures, source)
    for name in NOTEBOOKS:
        if name not in provenance:
            raise InputError(
                f"{run / PROVENANCE}: says nothing of {name}. Run it again: lstsr run --profile {run.name}"
            )
        path = files.path(f"notebooks/{name}.ipynb")
        write_notebook(path, source / f"{name}.ipynb", edition, provenance[name], figures)
    result_files = _copy_results(run, source / RESULTS_FOLDER)
    write_atlas(run, source)
    if edition.synthetic:
        kept_results.files.copy(kept_results.names, source / KEPT_FOLDER)
    values = (
        substitutions(files, edition, results, kept_results, project, result_files)
        | atlas_substitutions(run)
        | pictures(figures, YourMap.notebook, ["input_and_map", "trust"])
        | {
            "figures_list": figures_list(figures, "For every scene: [the atlas](atlas.md)."),
            "layout_table": layout_table(),
            "teaser": teaser(run, source, edition.synthetic),
        }
    )
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    settings["title"] = f"{settings['title']}: {edition.name}"
    settings.setdefault("parse", {})["myst_substitutions"] = values
    settings.setdefault("html", {})["announcement"] = edition.banner
    options = settings.setdefault("sphinx", {}).setdefault("config", {})
    options["html_extra_path"] = [EXTRA_FOLDER]
    options.setdefault("html_context", {})["edition"] = {
        "kind": edition.kind,
        "label": edition.label,
        "short": edition.short,
    }
    (source / "_config.yml").write_text(
        yaml.safe_dump(settings, allow_unicode=True, sort_keys=True), encoding="utf-8"
    )
    return source


def _edition(files: RunFiles) -> Edition:
    summary = files.json(SUMMARY)
    try:
        synthetic, pairs = bool(summary["synthetic"]), int(summary["pairs"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"{files.run / SUMMARY}: lacks a usable {error}; expected synthetic (true or false) and pairs (a "
            f"number)."
        ) from error
    return Edition(files.run.name, synthetic, pairs, int(summary.get("pairs_published", PUBLISHED_PAIRS)))


def _complaints(output: str, source: Path) -> str:
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    plain = plain.replace(f"{source.resolve()}/", "").replace(f"{source}/", "")
    lines = [line.strip() for line in plain.splitlines()]
    complaints = [line for line in lines if re.search(r"\b(WARNING|ERROR|CRITICAL|Error)\b", line)]
    shown = list(dict.fromkeys(complaints)) or [line for line in lines if line][-REPORTED_LINES:]
    more = f" (and {len(shown) - REPORTED_LINES} more)" if len(shown) > REPORTED_LINES else ""
    return "; ".join(shown[:REPORTED_LINES]) + more


def _reading_order(toc: Path) -> list[str]:
    """The notebooks as the book's table of contents has them, then any that it leaves out."""
    contents = re.findall(r"file: (\S+)", toc.read_text(encoding="utf-8"))
    return [
        *(name for name in contents if name in NOTEBOOKS),
        *(name for name in NOTEBOOKS if name not in contents),
    ]


def _copy_results(run: Path, target: Path) -> list[str]:
    kinds = (".csv", ".json", ".geojson")
    paths = [path for name in NOTEBOOKS for path in sorted((run / name).glob("*")) if path.suffix in kinds]
    names = [path.relative_to(run).as_posix() for path in [*paths, run / PROVENANCE, run / CLAIMS_FILE]]
    RunFiles(run).copy(names, target)
    return names
