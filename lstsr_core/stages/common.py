"""What the notebooks' stages share: which pairs were chosen, where
results go, what is held against the stored outputs."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.base.progress import bar
from lstsr_core.evaluation.products import WrittenProducts
from lstsr_core.evaluation.protocols import PROTOCOLS, Placement, product_protocols
from lstsr_core.evaluation.table import write_table
from lstsr_core.geo.raster import FloatArray
from lstsr_core.pairs.pair import Pair, pair_ids, read_pair
from lstsr_core.sharpening.methods import METHODS, WEIGHTS_MISSING
from lstsr_core.stages.parameters import (
    AsterEvaluation,
    Download,
    Fourier,
    Judging,
    NotebookParameters,
    Sharpening,
)

# Notebooks show every row and every sentence; pandas would leave out the
# middle of the ones and the end of the others.
pd.set_option("display.max_rows", 100, "display.max_colwidth", None)


def write_json(settings: NotebookParameters, name: str, content: Mapping[str, Any]) -> None:
    """Write a JSON file into the notebook's directory, keys sorted."""
    with written_atomically(settings.directory / name) as temporary:
        temporary.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def write_csv(settings: NotebookParameters, name: str, table: pd.DataFrame) -> pd.DataFrame:
    """Write a table into the notebook's directory and give it back."""
    write_table(table, settings.directory / name)
    return table


def pairs_directory(settings: NotebookParameters) -> Path:
    """Where 01_download left the run's pairs."""
    return settings.run / Download.notebook / "pairs"


def pairs_to_sharpen(settings: Sharpening) -> list[str]:
    """The ids that `pairs` asks for, of those that 01_download brought.

    Raises
    ------
    InputError
        If 01_download has not been run, or an id is not there.
    """
    present = _downloaded_pairs(settings)
    if settings.pairs == ["all"]:
        return present
    _check_downloaded(settings, settings.pairs, present)
    return settings.pairs


def _downloaded_pairs(settings: NotebookParameters) -> list[str]:
    directory = pairs_directory(settings)
    if not directory.is_dir():
        raise InputError(
            f"{directory}: no such directory; run 01_download first (lstsr run --profile … --only 01)."
        )
    return pair_ids(directory)


def _check_downloaded(settings: NotebookParameters, pairs: Sequence[str], present: Sequence[str]) -> None:
    absent = [name for name in pairs if name not in present]
    if absent:
        raise InputError(
            f"{settings.notebook}: parameter 'pairs' names {', '.join(absent)}, of which there is no pair"
            " here."
        )


@dataclass(frozen=True)
class Choice:
    """What a notebook's parameters choose among the products that 04_sharpening wrote."""

    products: WrittenProducts
    pairs: list[str]
    methods: list[str]


def choice_of(settings: Judging, protocols: Sequence[str]) -> Choice:
    """The products that `methods` and `pairs` ask for, under protocols.

    Raises
    ------
    InputError
        If 04_sharpening has not been run, or did not write one that is asked for.
    """
    present = _downloaded_pairs(settings)
    products = WrittenProducts(settings.run / Sharpening.notebook)
    every = ",".join(product_protocols(list(PROTOCOLS)))
    _check_written(settings, "protocol", product_protocols(protocols), products.protocols, every)
    pairs = products.pairs if settings.pairs == ["all"] else settings.pairs
    _check_downloaded(settings, pairs, present)
    _check_written(settings, "pairs", pairs, products.pairs, "[all]")
    methods = (
        [name for name in METHODS if name in products.methods]
        if settings.methods == ["all"]
        else settings.methods
    )
    _check_written(settings, "methods", methods, products.methods, "[all]")
    return Choice(products, pairs, methods)


def _check_written(
    settings: Judging, parameter: str, names: Sequence[str], written: Sequence[str], remedy: str
) -> None:
    absent = [name for name in names if name not in written]
    if absent:
        raise InputError(
            f"{settings.notebook}: parameter '{parameter}' needs products of {', '.join(absent)}, which"
            f" 04_sharpening did not write; write them first: lstsr run --profile {settings.run.name} --from"
            f" 04 --set '04_sharpening.{parameter}={remedy}'"
        )


def pairs_of(settings: NotebookParameters, ids: Sequence[str]) -> Iterator[Pair]:
    """Read pairs one by one, with a bar."""
    for pair_id in bar(ids, "Pairs", "pair"):
        yield read_pair(pairs_directory(settings), pair_id)


def shown_pair(settings: Sharpening | Fourier | AsterEvaluation, ids: Sequence[str]) -> Pair:
    """The pair that `scene` asks for; "first" is the first of the chosen ones."""
    scene = ids[0] if settings.scene == "first" else settings.scene
    if scene not in ids:
        raise InputError(
            f"{settings.notebook}: parameter 'scene' is '{scene}'; expected one of the chosen pairs:"
            f" {', '.join(ids)}."
        )
    return read_pair(pairs_directory(settings), scene)


def steady_figures(table: pd.DataFrame) -> pd.DataFrame:
    """A table to digits that machines agree in: what the stored notebooks are held against."""
    return table.map(lambda value: f"{round(value, 2) + 0.0:.2f}" if isinstance(value, float) else value)


def shown_placement(settings: Sharpening | AsterEvaluation, ids: Sequence[str]) -> Placement:
    """The chosen scene under the first protocol, which figures show."""
    return PROTOCOLS[settings.protocols[0]](shown_pair(settings, ids))


def why_absent(choice: Choice, protocol: str, name: str) -> str:
    """Why a method is in no row of a table."""
    (written,) = product_protocols([protocol])
    reasons = {choice.products.reason(written, scene, name) for scene in choice.pairs}
    return WEIGHTS_MISSING if WEIGHTS_MISSING in reasons else "no scene could be compared"


def link_or_copy(source: Path, target: Path) -> None:
    """The same file under a second name, which takes no room;
    or a copy, on a file system without hard links."""
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
