"""What the notebooks' stages share: which pairs were chosen, where results go, what is held against the stored outputs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.base.progress import bar
from lstsr_core.evaluation import table as evaluation
from lstsr_core.evaluation.protocols import PROTOCOLS, Placement
from lstsr_core.geo.raster import FloatArray
from lstsr_core.networks.weights import PUBLISHED_CHECKPOINTS, weights_file
from lstsr_core.pairs.pair import Pair, pair_ids, read_pair
from lstsr_core.sharpening.methods import WEIGHTS_MISSING
from lstsr_core.stages.parameters import AsterEvaluation, Atlas, Download, Findings, Fourier, NotebookParameters, Sharpening

# Notebooks show every row and every sentence; pandas would leave out the middle of the ones and the end of the others.
pd.set_option("display.max_rows", 100, "display.max_colwidth", None)

Showing = Sharpening | Fourier | AsterEvaluation


Judging = Showing | Findings | Atlas


def write_json(settings: NotebookParameters, name: str, content: Mapping[str, Any]) -> None:
    """Write a JSON file into the notebook's directory, keys sorted."""
    with written_atomically(settings.directory / name) as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def write_csv(settings: NotebookParameters, name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Write a table into the notebook's directory and give it back."""
    evaluation.write_table(table, settings.directory / name)
    return table


def pairs_directory(settings: NotebookParameters) -> Path:
    """Where 01_download left the run's pairs."""
    return settings.run / Download.notebook / "pairs"


def chosen_pairs(settings: Judging) -> list[str]:
    """The ids that `pairs` asks for, of those that 01_download brought.

    Raises
    ------
    InputError
        If 01_download has not been run, or an id is not there.
    """
    directory = pairs_directory(settings)
    if not directory.is_dir():
        raise InputError(f"{directory}: no such directory; run 01_download first (lstsr run --profile … --only 01).")
    present = pair_ids(directory)
    if settings.pairs == ["all"]:
        return present
    absent = [name for name in settings.pairs if name not in present]
    if absent:
        raise InputError(f"{settings.notebook}: parameter 'pairs' names {', '.join(absent)}, of which there is no pair here.")
    return settings.pairs


def pairs_of(settings: NotebookParameters, ids: Sequence[str]) -> Iterator[Pair]:
    """Read pairs one by one, with a bar."""
    for pair_id in bar(ids, "Pairs", "pair"):
        yield read_pair(pairs_directory(settings), pair_id)


def shown_pair(settings: Showing) -> Pair:
    """The pair that `scene` asks for; "first" is the first of the chosen ones."""
    ids = chosen_pairs(settings)
    scene = ids[0] if settings.scene == "first" else settings.scene
    if scene not in ids:
        raise InputError(
            f"{settings.notebook}: parameter 'scene' is '{scene}'; expected one of the chosen pairs: {', '.join(ids)}."
        )
    return read_pair(pairs_directory(settings), scene)


def steady_figures(table: pd.DataFrame) -> pd.DataFrame:
    """A table to digits that machines agree in: what the stored notebooks are held against."""
    return table.map(lambda value: f"{round(value, 2) + 0.0:.2f}" if isinstance(value, float) else value)


def shown_placement(settings: Showing) -> Placement:
    """The chosen scene under the first protocol, which figures show."""
    return PROTOCOLS[settings.protocols[0]](shown_pair(settings))


def why_absent(settings: Judging, name: str) -> str:
    needs_weights = name in PUBLISHED_CHECKPOINTS
    found = weights_file(settings.options.weights, name)
    return WEIGHTS_MISSING if needs_weights and not found else "no scene could be compared"


def link_or_copy(source: Path, target: Path) -> None:
    """The same file under a second name, which takes no room; or a copy, on a file system without hard links."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def read_footprints(run: Path) -> dict[str, FloatArray]:
    """Each scene's outline of 01_download, (points, 2) longitudes and latitudes in degrees."""
    path = run / Download.notebook / "footprints.geojson"
    if not path.is_file():
        raise InputError(f"{path}: no such file; run 01_download first (lstsr run --profile … --only 01).")
    content = json.loads(path.read_text(encoding="utf-8"))
    return {f["properties"]["scene"]: np.array(f["geometry"]["coordinates"][0]) for f in content["features"]}
