"""The atlas in the book: a page for every scene, and what the page to choose from takes from the run."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from lstsr_book.atlas_results import CHOOSER, STATIC_FOLDER, AtlasResults
from lstsr_book.atlas_scene_page import scene_page
from lstsr_book.claim_evidence import LABELS
from lstsr_book.markup import Cell, part, row, table, value_cell
from lstsr_book.run_files import RunFiles
from lstsr_core.metrics.names import COARSE_METRICS, Metric, metrics_of
from lstsr_core.stages.atlas_scenes import FIGURES, SCRIPT_FILE

EXTRA_FOLDER = "_unchanged"
"""What lies below it is copied beside the pages; a script of ``_static`` would be on every page."""

CHOICES = metrics_of(["rmse_k", "frr", "attenuation_rmse_db", "consistency_k"])
"""Metrics that the chooser has a table of."""


def write_atlas(run: Path, source: Path) -> list[str]:
    """Write a page for each scene into the book's source, with what it shows, and list it in the contents.

    Parameters
    ----------
    run : Path
        Holds what 11_atlas wrote.
    source : Path
        The book's source folder, whose ``_toc.yml`` names the chooser page.

    Returns
    -------
    list of str
        The pages, without suffix, from the root of the book.

    Raises
    ------
    InputError
        If a file of the run is missing.
    """
    atlas = AtlasResults(RunFiles(run))
    (source / CHOOSER).mkdir()
    neighbours = zip(atlas.ids, [None, *atlas.ids[:-1]], [*atlas.ids[1:], None], strict=True)
    for scene, previous, following in neighbours:
        page = scene_page(atlas, scene, previous, following)
        (source / f"{atlas.page(scene)}.md").write_text(page, encoding="utf-8")
        _copy_files(atlas, scene, source / EXTRA_FOLDER / STATIC_FOLDER)
    pages = [atlas.page(scene) for scene in atlas.ids]
    _list_pages(source / "_toc.yml", pages)
    return pages


def _copy_files(atlas: AtlasResults, scene: str, target: Path) -> None:
    if not atlas.content(scene)["methods"]:
        return
    (target / scene).mkdir(parents=True)
    shutil.copyfile(atlas.files.path(atlas.file(scene, SCRIPT_FILE)), target / f"{scene}.js")
    for name in [f"{figure}.webp" for figure in FIGURES]:
        shutil.copyfile(atlas.files.path(atlas.file(scene, name)), target / scene / name)


def _list_pages(path: Path, pages: Sequence[str]) -> None:
    contents = yaml.safe_load(path.read_text(encoding="utf-8"))
    for chapter in (chapter for group in contents["parts"] for chapter in group["chapters"]):
        if chapter.get("file") == CHOOSER:
            chapter["sections"] = [{"file": page} for page in pages]
    path.write_text(yaml.safe_dump(contents, sort_keys=False, allow_unicode=True), encoding="utf-8")


def atlas_substitutions(run: Path) -> dict[str, str]:
    """What the chooser page takes from the run's files."""
    atlas = AtlasResults(RunFiles(run))
    addresses = {scene: f"{atlas.page(scene)}.html" for scene in atlas.ids}
    names = {scene: atlas.name(scene) for scene in atlas.ids}
    return {
        "atlas_sentence": _sentence(atlas),
        "atlas_map": part("in_box", atlas.map.chooser(addresses, names), template="footprints.svg"),
        "atlas_places": _places_table(atlas),
        **{f"atlas_{metric.column}": _choice_table(atlas, metric) for metric in CHOICES},
    }


def _sentence(atlas: AtlasResults) -> str:
    statuses = atlas.scenes["published_status"]
    count = int(statuses.map(lambda status: isinstance(status, str) and status != "ok").sum())
    kind = "simulated pairs" if atlas.synthetic else "pairs"
    sentence = f"This edition has {len(atlas.ids)} {kind}."
    if not count:
        return sentence
    return (
        f"{sentence} From {count} of them the published protocol leaves out at least one method; their pages "
        "say why."
    )


def _places_table(atlas: AtlasResults) -> str:
    digits = {
        "latitude": 2, "longitude": 2, "ndvi_rows_down": 0, "ndvi_columns_right": 0,
        **{name: metric.digits for name, metric in COARSE_METRICS.items()},
        "pixels": 0,
    }  # fmt: skip
    scenes = atlas.scenes.assign(pixels=atlas.scenes["rows"] * atlas.scenes["columns"])
    rows = [
        row(
            _scene_cell(atlas, str(record["scene"])),
            [value_cell(float(record[name]), digits[name]) for name in digits],
        )
        for record in scenes.to_dict("records")
    ]
    coarse = [metric.heading for metric in COARSE_METRICS.values()]
    head = ["pair", "latitude °", "longitude °", "offset down", "offset right", *coarse, "pixels"]
    return table(head, rows, "results sortable", filtered=True)


def _choice_table(atlas: AtlasResults, metric: Metric) -> str:
    scores = atlas.scores("georeferenced")
    wide = scores.pivot(index="scene", columns="method", values=metric.column).astype(float)
    wide = wide.reindex(index=atlas.ids, columns=atlas.methods)
    rows = [
        row(_scene_cell(atlas, scene), [value_cell(float(value), metric.digits) for value in values])
        for scene, values in zip(atlas.ids, wide.to_numpy(), strict=True)
    ]
    return table(["pair", *(LABELS[name] for name in atlas.methods)], rows, "results sortable", filtered=True)


def _scene_cell(atlas: AtlasResults, scene: str) -> Cell:
    """A scene's number, with the way to its page."""
    return Cell(scene, value=scene if scene.isdigit() else "", address=f"{atlas.page(scene)}.html")
