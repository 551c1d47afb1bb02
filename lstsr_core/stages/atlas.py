"""What 11_atlas does: draws every chosen scene, packs its numbers for the
viewer, and tells in a table what is known of each."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Image

from lstsr_core.base.errors import InputError
from lstsr_core.base.fingerprint import code_of, key, sha256, versions
from lstsr_core.base.parallel import run_all
from lstsr_core.base.progress import counter
from lstsr_core.evaluation.products import FOLDER
from lstsr_core.figures import panels
from lstsr_core.simulation.landscape import TILE
from lstsr_core.stages import atlas_figures
from lstsr_core.stages.atlas_scenes import SCENE_FILE, AtlasRequest, draw_scene, drawn_scenes
from lstsr_core.stages.common import (
    Choice,
    choice_of,
    link_or_copy,
    pairs_directory,
    read_footprints,
    write_csv,
)
from lstsr_core.stages.parameters import AsterEvaluation, Atlas, Download

METRICS_FILE = "metrics.csv"
SCENES_FILE = "scenes.csv"
SCENES_FOLDER = "scenes"
SEASON = "unknown"
"""Neither the published pairs nor simulated ones carry a date."""

_REASONS_SHOWN = 3


def kept_scenes(settings: Atlas) -> Path:
    """Where drawn scenes are kept beside the notebook's results, so that a killed run goes on."""
    return settings.run / ".atlas"


def draw_scenes(settings: Atlas) -> pd.DataFrame:
    """Draw each chosen scene into ``scenes/``, unless it was
    drawn from the same pair, products and code before.

    Returns
    -------
    DataFrame
        One row for each scene: scene, rows, columns, products, status.

    Raises
    ------
    InputError
        If a scene cannot be drawn; the others are kept.
    """
    choice = choice_of(settings, [settings.protocol])
    ids, request = choice.pairs, AtlasRequest(tuple(choice.methods), settings.protocol, choice.products)
    common = [
        choice.methods,
        settings.protocol,
        versions(),
        code_of(["from lstsr_core.stages import atlas_scenes as atlas"]),
    ]
    directories = {
        scene: kept_scenes(settings) / f"{scene}-{key(common, _files(settings, choice, scene))}"
        for scene in ids
    }
    waiting = [scene for scene in ids if not (directories[scene] / SCENE_FILE).is_file()]
    items = {scene: (pairs_directory(settings), scene, directories[scene], request) for scene in waiting}
    reasons = []
    with (
        closing(run_all(draw_scene, items, workers=settings.processes)) as outcomes,
        counter(len(ids), "Scenes", "scene") as bar,
    ):
        bar.update(len(ids) - len(waiting))
        for outcome in outcomes:
            bar.update()
            reasons += [f"scene {outcome.name}: {outcome.reason}"] if outcome.reason else []
    if reasons:
        more = f" (and {len(reasons) - _REASONS_SHOWN} more)" if len(reasons) > _REASONS_SHOWN else ""
        raise InputError(
            f"{settings.notebook}: {'; '.join(reasons[:_REASONS_SHOWN])}{more}. Leave them out of 'pairs'."
        )
    for scene, directory in directories.items():
        _forget_others(directory, scene)
        for path in sorted(directory.iterdir()):
            link_or_copy(path, settings.directory / SCENES_FOLDER / scene / path.name)
    return drawn_scenes(settings.directory / SCENES_FOLDER, ids)


def _files(settings: Atlas, choice: Choice, scene: str) -> dict[str, str]:
    """sha256 of the pair's files and of its products; of a method without one the reason."""
    pair = {path.name: sha256(path) for path in sorted(pairs_directory(settings).glob(f"{scene}_*"))}
    folder = choice.products.directory / FOLDER / settings.protocol / scene
    products = {
        path.name: sha256(path) for path in sorted(folder.glob("*.tif")) if path.stem in choice.methods
    }
    return (
        pair
        | products
        | {name: choice.products.reason(settings.protocol, scene, name) for name in choice.methods}
    )


def _forget_others(directory: Path, scene: str) -> None:
    for older in directory.parent.iterdir():
        if older != directory and older.name.rpartition("-")[0].lstrip(".") == scene:
            shutil.rmtree(older, ignore_errors=True)


def describe_scenes(settings: Atlas, scenes: pd.DataFrame) -> pd.DataFrame:
    """Write ``scenes.csv``, what is known of each scene, and
    ``metrics.csv``, its rows of 06_aster_evaluation's table.

    Parameters
    ----------
    settings : Atlas
    scenes : DataFrame
        As `draw_scenes` gives it.

    Returns
    -------
    DataFrame
        scene; longitude, latitude and utm_zone of its footprint; ndvi_rows_down and
        ndvi_columns_right; season; coarse_bias_k and coarse_rmse_k, MODIS against ASTER at 1 km; rows
        and columns compared; products; status; and published_status, "ok" or why the published
        protocol leaves out some method, empty where it was not asked.
    """
    pairs = _read(settings, Download.notebook, "pairs.csv")
    modis = _read(settings, AsterEvaluation.notebook, "modis.csv")
    metrics = _read(settings, AsterEvaluation.notebook, "metrics.csv")
    place = pairs[["scene", "longitude", "latitude", "utm_zone", "ndvi_rows_down", "ndvi_columns_right"]]
    table = scenes[["scene"]].merge(place, on="scene", how="left").assign(season=SEASON)
    table = table.merge(modis[["scene", "coarse_bias_k", "coarse_rmse_k"]], on="scene", how="left")
    table = table.merge(scenes, on="scene")
    published = metrics[metrics["protocol"] == "published"]
    statuses = published.groupby("scene")["status"].agg(_published_status)
    table["published_status"] = table["scene"].map(statuses).fillna("")
    write_csv(settings, METRICS_FILE, metrics[metrics["scene"].isin(table["scene"])])
    return write_csv(settings, SCENES_FILE, table)


def _published_status(statuses: pd.Series[str]) -> str:
    return "; ".join(sorted(set(statuses) - {"ok"})) or "ok"


def _read(settings: Atlas, notebook: str, name: str) -> pd.DataFrame:
    path = settings.run / notebook / name
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; run {notebook} first (lstsr run --profile … --only {notebook[:2]})."
        )
    return pd.read_csv(path, dtype={"scene": str})


def scene_places(scenes: pd.DataFrame) -> pd.DataFrame:
    """Where each scene lies and how far MODIS is from ASTER there, as the notebook shows it."""
    columns = [
        "longitude",
        "latitude",
        "ndvi_rows_down",
        "ndvi_columns_right",
        "coarse_bias_k",
        "coarse_rmse_k",
    ]
    return scenes.set_index("scene")[columns].round(3)


def scene_sizes(settings: Atlas, scenes: pd.DataFrame) -> pd.DataFrame:
    """Pixels compared, products and kilobytes of each scene's files."""
    folder = settings.directory / SCENES_FOLDER
    sizes = [
        sum(path.stat().st_size for path in (folder / scene).iterdir()) / 1000.0 for scene in scenes["scene"]
    ]
    return scenes.set_index("scene").assign(kilobytes=np.round(sizes).astype(int))


def show_scene_map(settings: Atlas, scenes: pd.DataFrame) -> Image:
    """Where the scenes lie, coloured by how far MODIS is from ASTER."""
    rasters = {
        scene: outline
        for scene, outline in read_footprints(settings.run).items()
        if scene in set(scenes["scene"])
    }
    figure = atlas_figures.scene_map(rasters, scenes.set_index("scene")["coarse_bias_k"], TILE)
    return panels.show(figure, settings.directory, "scene_map")
