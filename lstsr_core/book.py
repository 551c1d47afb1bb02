"""The book: prose, executed notebooks and the figures of one run, built into one folder of HTML."""

from __future__ import annotations

import html
import json
import math
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from lstsr_core import metrics, placement
from lstsr_core.archive import read_registry
from lstsr_core.claims import (
    ABSENT,
    CURVES,
    INVERSION,
    LABELS,
    METRICS,
    NETWORK_NUMBERS,
    NETWORK_TENSORS,
    NOT_REPRODUCED,
    PAIRS,
    PARTLY,
    PROVENANCE,
    REPRODUCED,
    RIVALS,
    SUMMARY,
    TILE,
    UNTESTABLE,
    Claim,
    Judged,
    RunFiles,
    claims,
    thousands,
    write_claims,
)
from lstsr_core.degradation import BICUBIC_A, DEFAULT_MTF, psf_kernel, psf_sigma
from lstsr_core.errors import InputError
from lstsr_core.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SCALE, SPHERE_RADIUS_M, TILE_COARSE_PIXELS, TILE_FINE_PIXELS
from lstsr_core.networks import PUBLISHED_CHECKPOINTS, read_statistics
from lstsr_core.pairs import PATCH_COARSE_PIXELS, PUBLISHED_PAIRS
from lstsr_core.parameters import BY_NOTEBOOK
from lstsr_core.project import REGISTRY

NOTEBOOKS = list(BY_NOTEBOOK)
PATCHES = "02_patches/patches.csv"
STATISTICS = "02_patches/statistics.json"
NEEDED = [
    SUMMARY, PAIRS, PATCHES, STATISTICS, CURVES, "04_sharpening/products.csv", "05_fourier/spectra.csv", METRICS,
    "06_aster_evaluation/summary.csv", INVERSION, PROVENANCE,
]  # fmt: skip
"""Files of a run without which there is no book, beside the notebooks."""

LANDSCAPE_REAL = "data/landscape_real.csv"
CLAIMS_FILE = "claims.json"
RESULTS_FOLDER = "_static/results"
REPORTED_LINES = 8
DIGEST_DIGITS = 12

RESULT_COLUMNS = [
    ("psnr_db", "PSNR dB", 2),
    ("ssim", "SSIM", 3),
    ("gssim", "GSSIM", 3),
    ("lpips", "LPIPS", 3),
    ("rmse_k", "RMSE K", 2),
    ("bias_k", "bias K", 2),
    ("rmse_unbiased_k", "unbiased RMSE K", 2),
    ("correlation", "corr.", 3),
    ("rmse_gradient", "gradient RMSE", 2),
    ("consistency_k", "consistency K", 2),
    ("frr", "FRR", 3),
    ("fro", "FRO", 3),
    ("fru", "FRU", 3),
    ("attenuation_rmse_db", "atten. RMSE dB", 2),
]
"""Metric, heading and decimals of each column of the results table."""

LANDSCAPE_LABELS = {
    "lst_mean_k": "LST, mean (K)",
    "lst_std_k": "LST, standard deviation (K)",
    "ndvi_mean": "NDVI, mean",
    "ndvi_std": "NDVI, standard deviation",
    "slope_k_per_ndvi": "slope of LST on NDVI (K)",
    "r_squared": "R² of that line",
}
_ATTENUATION = re.compile(r"(lst|ndvi|aster)_attenuation_(low|middle|high)_db")

SYNTHETIC_NOTE = (
    "Every scene in this edition was drawn by a simulator. Its figures show that the code runs; they are no evidence "
    "about the Earth or about how good a method is."
)


@dataclass(frozen=True)
class Edition:
    """What sets this book apart from one of another run.

    Attributes
    ----------
    profile : str
        Name of the run.
    synthetic : bool
    pairs, pairs_published : int
        Read here, and in the published database.
    """

    profile: str
    synthetic: bool
    pairs: int
    pairs_published: int

    @property
    def name(self) -> str:
        return "synthetic edition" if self.synthetic else "published pairs"

    @property
    def banner(self) -> str:
        """Shown on top of every page; empty where nothing needs a warning."""
        return (
            "<strong>Synthetic edition.</strong> All data here are simulated; no figure is a measurement."
            if self.synthetic
            else ""
        )

    @property
    def admonition(self) -> str:
        """The same at length, in MyST, for the cover and the notebooks."""
        if self.synthetic:
            return f":::{{admonition}} Synthetic edition\n:class: warning\n{SYNTHETIC_NOTE}\n:::"
        return (
            f":::{{admonition}} Edition from the published pairs\n:class: note\n"
            f"The figures come from {self.pairs} of the {self.pairs_published} published ASTER–MODIS pairs.\n:::"
        )


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
    substitutions = _substitutions(files, edition, rows, project, results)
    settings = yaml.safe_load(config.read_text(encoding="utf-8"))
    settings["title"] = f"{settings['title']}: {edition.name}"
    settings.setdefault("parse", {})["myst_substitutions"] = substitutions
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
    with_id = (notebook.get("nbformat"), notebook.get("nbformat_minor", 0)) >= (4, 5)
    note, last = (
        {"cell_type": "markdown", "metadata": {}, "source": text, **({"id": name} if with_id else {})}
        for name, text in (("edition", edition.admonition), ("provenance", _provenance_section(provenance)))
    )
    notebook["cells"] = [first, note, *cells[1:], last]
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
        f'<tr><th scope="row">{_text(name)}</th><td class="words">{_text(value)}</td></tr>' for name, value in facts.items()
    )
    return f'<div class="table-box facts"><table>\n<tbody>\n{rows}\n</tbody>\n</table></div>'


def _text(value: object) -> str:
    return html.escape(str(value), quote=True)


def _copy_results(run: Path, target: Path) -> list[str]:
    found = [path for name in NOTEBOOKS for path in sorted((run / name).glob("*")) if path.suffix in (".csv", ".json")]
    names = [path.relative_to(run).as_posix() for path in [*found, run / PROVENANCE, run / CLAIMS_FILE]]
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run / name, target / name)
    return names


def _link(name: str, text: str | None = None) -> str:
    return f'<a href="{RESULTS_FOLDER}/{_text(name)}" download>{_text(text or name)}</a>'


def _table(head: Sequence[str], rows: Iterable[str], kind: str = "figures") -> str:
    headings = "".join(f'<th scope="col">{_text(title)}</th>' for title in head)
    body = "\n".join(rows)
    return (
        '<div class="table-box" tabindex="0" role="region" aria-label="Table, scrolls sideways">'
        f'<table class="{kind}">\n'
        f"<thead><tr>{headings}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _row(label: object, cells: Iterable[object]) -> str:
    return f'<tr><th scope="row">{_text(label)}</th>' + "".join(f"<td>{_text(cell)}</td>" for cell in cells) + "</tr>"


def _number(value: float, digits: int) -> str:
    # Rounded to −0 reads as a sign that is not there.
    return "–" if math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else "none"


def _substitutions(files: RunFiles, edition: Edition, rows: list[Claim], project: Path, results: list[str]) -> dict[str, str]:
    table = files.table(METRICS)
    names = _method_names(table)
    judged = Judged(table)
    return {
        **_definitions(),
        "profile": f"`{edition.profile}`",
        "edition_admonition": edition.admonition,
        "main_result": _main_result(table, judged, names, edition),
        "claims_sentence": _claims_sentence(rows),
        "claims_table": _claims_table(rows),
        "claims_download": _link(CLAIMS_FILE),
        "methods_judged": _and([LABELS.get(name, name) for name in names if judged.reason(name) is None]),
        "methods_absent": _and([LABELS[name] for name in RIVALS if judged.reason(name) == ABSENT]),
        "scenes_sentence": (
            f"{table['scene'].nunique()} scenes were read; the column *scenes* says for how many of them a method has figures."
        ),
        "results_table": _results(table, names, judged),
        "downloads": "<ul>\n" + "\n".join(f"<li>{_link(name)}</li>" for name in results) + "\n</ul>",
        "provenance_table": _provenance_table(files.json(PROVENANCE)),
        "provenance_download": _link(PROVENANCE),
        **_data_figures(files, edition, project),
    }


def _definitions() -> dict[str, str]:
    taps = psf_kernel(DEFAULT_MTF)
    half = len(taps) // 2
    transfer = sum(tap * math.cos(2 * math.pi * 0.5 / SCALE * (index - half)) for index, tap in enumerate(taps)) / sum(taps)
    return {
        "mtf": f"{DEFAULT_MTF:g}",
        "sigma": f"{psf_sigma(DEFAULT_MTF):.2f}",
        "kernel_side": str(len(taps)),
        "transfer": f"{transfer:.3f}",
        "bicubic_a": _number(BICUBIC_A, 2),
        "network_numbers": thousands(NETWORK_NUMBERS),
        "network_tensors": str(NETWORK_TENSORS),
        "aster_valid_k": f"{placement.ASTER_VALID_K:g}",
        "aster_erosions": str(placement.ASTER_EROSIONS),
        "product_erosions": str(placement.PRODUCT_EROSIONS),
        "smallest_side": str(placement.SMALLEST_SIDE),
        "window": str(metrics.WINDOW),
        "sphere_radius_m": f"{SPHERE_RADIUS_M:.3f}",
        "tile": str(TILE),
        "tile_coarse": f"{TILE_COARSE_PIXELS}×{TILE_COARSE_PIXELS}",
        "tile_fine": f"{TILE_FINE_PIXELS}×{TILE_FINE_PIXELS}",
        "coarse_pixel_m": f"{COARSE_PIXEL_M:.2f}",
        "fine_pixel_m": f"{FINE_PIXEL_M:.2f}",
        "patch_coarse": str(PATCH_COARSE_PIXELS),
    }


def _method_names(table: pd.DataFrame) -> list[str]:
    present = [str(name) for name in table["method"].dropna().unique()]
    return [name for name in LABELS if name in present] + [name for name in present if name not in LABELS]


def _main_result(table: pd.DataFrame, judged: Judged, names: list[str], edition: Edition) -> str:
    present = [name for name in names if judged.reason(name) is None]
    if not present:
        return "No method could be judged in this edition; [the results](results.md) say why."
    good = table[(table["protocol"] == "georeferenced") & (table["status"] == "ok")]
    lead = next((name for name in (*PUBLISHED_CHECKPOINTS, "tsharp") if name in present), present[0])

    def compared(metric: str, digits: int, unit: str = "") -> str:
        means = {name: f"{_number(float(good.loc[good['method'] == name, metric].mean()), digits)}{unit}" for name in present}
        own, others = means.pop(lead), ", ".join(f"{LABELS.get(name, name)} {figure}" for name, figure in means.items())
        return f"**{own}**" + (f" ({others})" if others else "")

    kind = "simulated ASTER–MODIS pairs" if edition.synthetic else "published ASTER–MODIS pairs"
    label = LABELS.get(lead, lead)
    text = (
        f"Of the fine detail of ASTER's spectrum that Bicubic leaves out, {label} recovers a share (FRR) of {compared('frr', 2)} "
        f"on average over {good['scene'].nunique()} {kind}. Its RMSE against ASTER is {compared('rmse_k', 2, ' K')}. "
        f"Degraded back to 1 km, its product lies {compared('consistency_k', 2, ' K')} from the LST that it was made from."
    )
    missing = [f"{LABELS.get(name, name)} ({reason})" for name in names if (reason := judged.reason(name)) is not None]
    return text + (f" Without figures here: {', '.join(missing)}." if missing else "")


def _claims_sentence(rows: list[Claim]) -> str:
    counts = {
        outcome: sum(row.outcome == outcome for row in rows) for outcome in (REPRODUCED, PARTLY, NOT_REPRODUCED, UNTESTABLE)
    }
    return (
        f"Of the {len(rows)} claims, {counts[REPRODUCED]} came out as reproduced, {counts[PARTLY]} as partly reproduced and "
        f"{counts[NOT_REPRODUCED]} as not reproduced; {counts[UNTESTABLE]} cannot be tested in this edition."
    )


def _claims_table(rows: list[Claim]) -> str:
    def cell(kind: str, label: str, content: str) -> str:
        return f'<td class="{kind}" data-label="{label}">{content}</td>'

    lines = []
    for row in rows:
        slug, reason = row.outcome.replace(" ", "-"), row.verdict.partition(": ")[2]
        badge = f'<span class="badge-verdict {slug}">{_text(row.outcome)}</span>'
        file = _link(row.file)
        lines.append(
            f'<tr id="claim-{row.number}"><th scope="row">{row.number}</th>'
            + cell("claim", "What is claimed", f"{_text(row.text)} <small>Source: {_text(row.source)}</small>")
            + cell("published", "Published", _text(row.published))
            + cell("ours", "This edition", f"{_text(row.ours)} <small>{file}</small>")
            + cell("rule", "Rule", _text(row.tolerance))
            + cell("verdict", "Verdict", badge + (f" <small>{_text(reason)}</small>" if reason else ""))
            + "</tr>"
        )
    head = "".join(f'<th scope="col">{title}</th>' for title in ("No.", "Claim", "Published", "This edition", "Rule", "Verdict"))
    body = "\n".join(lines)
    return (
        '<div class="table-box stacked"><table class="claims">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _results(table: pd.DataFrame, names: list[str], judged: Judged) -> str:
    georeferenced = _results_table(table, "georeferenced", names, judged)
    if not (table["protocol"] == "published").any():
        return georeferenced
    published = _results_table(table, "published", names, Judged(table, "published"))
    return f"{georeferenced}\n\nThe same under the `published` protocol:\n\n{published}"


def _results_table(table: pd.DataFrame, protocol: str, names: list[str], judged: Judged) -> str:
    good = table[(table["protocol"] == protocol) & (table["status"] == "ok")]
    lines = []
    for name in names:
        label, rows = LABELS.get(name, name), good[good["method"] == name]
        reason = judged.reason(name)
        if reason is not None:
            missing = f'<td class="missing" colspan="{1 + len(RESULT_COLUMNS)}">{_text(reason)}</td>'
            lines.append(f'<tr><th scope="row">{_text(label)}</th>{missing}</tr>')
            continue
        means = [_number(float(rows[metric].astype(float).mean()), digits) for metric, _, digits in RESULT_COLUMNS]
        lines.append(_row(label, [len(rows), *means]))
    return _table(["method", "scenes", *(heading for _, heading, _ in RESULT_COLUMNS)], lines, "results")


def _provenance_table(provenance: dict[str, Any]) -> str:
    lines = []
    for name in NOTEBOOKS:
        facts = provenance[name]
        seed = "none" if facts.get("seed") is None else facts["seed"]
        commit, changed, _ = str(facts.get("git_revision", "unknown")).partition("+")
        revision = commit[:DIGEST_DIGITS] + (" with changes" if changed else "")
        lines.append(_row(name, [seed, f"{float(facts.get('seconds', math.nan)):.0f}", len(facts.get("inputs", {})), revision]))
    return _table(["notebook", "seed", "seconds", "inputs", "revision"], lines)


def _data_figures(files: RunFiles, edition: Edition, project: Path) -> dict[str, str]:
    pairs = files.table(PAIRS, ["scene", "ndvi_rows_down", "ndvi_columns_right"])
    down, right = pairs["ndvi_rows_down"].astype(int), pairs["ndvi_columns_right"].astype(int)
    apart = int(((down != 0) | (right != 0)).sum())
    offsets = pd.crosstab(down, right)
    lines = [_row(f"{row} down", offsets.loc[row]) for row in offsets.index]
    windows = files.table(PATCHES)
    statistics = read_statistics(files.path(STATISTICS))
    listed = sum(name.endswith("_aster_250m.tif") for name in read_registry(REGISTRY))
    kind = "simulated pairs in their place" if edition.synthetic else "of them"
    return {
        "pairs_published": str(listed),
        "pairs_sentence": f"This edition reads {len(pairs)} {kind}.",
        "offsets_sentence": (
            f"In this edition they do not in {apart} of {len(pairs)} pairs: NDVI starts up to {down.max()} fine pixels below the "
            f"LST's origin and up to {right.max()} to its right. Pairs counted by offset:"
        ),
        "offsets_table": _table(["fine pixels", *(f"{column} right" for column in offsets.columns)], lines),
        "patches_sentence": (
            f"This edition has {len(windows)} windows. Its training windows have LST with mean {statistics.lst_mean_k:.2f} K and "
            f"standard deviation {statistics.lst_std_k:.2f} K, and an NDVI of mean {statistics.ndvi_mean:.3f} and standard "
            f"deviation {statistics.ndvi_std:.3f}."
        ),
        "landscape_table": _landscape_table(pairs, project / LANDSCAPE_REAL, edition),
    }


def _landscape_table(pairs: pd.DataFrame, real_file: Path, edition: Edition) -> str:
    names = [name for name in pairs.columns if name in LANDSCAPE_LABELS or _ATTENUATION.fullmatch(name)]
    real = pd.read_csv(real_file).set_index("statistic") if real_file.is_file() else None
    head = ["statistic", "this edition (simulated)" if edition.synthetic else "this edition"]
    lines = []
    for name in names:
        quantiles = pairs[name].astype(float).quantile([0.5, 0.1, 0.9]).tolist()
        cells = [_spread(*quantiles)]
        if real is not None:
            known = [float(real[column].loc[name]) for column in ("median", "p10", "p90")] if name in real.index else None
            cells.append(_spread(*known) if known else "–")
        lines.append(_row(_landscape_label(name), cells))
    return _table(head if real is None else [*head, "published pairs"], lines)


def _landscape_label(name: str) -> str:
    if match := _ATTENUATION.fullmatch(name):
        image = {"lst": "LST 1 km", "ndvi": "NDVI", "aster": "ASTER LST"}[match[1]]
        return f"{image}, spectrum, {match[2]} frequencies (dB)"
    return LANDSCAPE_LABELS[name]


def _spread(median: float, low: float, high: float) -> str:
    return f"{_number(median, 2)} ({_number(low, 2)} … {_number(high, 2)})"
