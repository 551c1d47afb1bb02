"""What 02_patches does: patches cut from granules or pairs, what was kept
of them, and LST's regression on NDVI in each."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Image

from lstsr_core.base.errors import InputError
from lstsr_core.base.progress import bar
from lstsr_core.base.project import resolve
from lstsr_core.figures import panels
from lstsr_core.geo.operators import block_mean
from lstsr_core.geo.raster import read_raster
from lstsr_core.metrics.line import fit_line
from lstsr_core.modis.granule import Layer
from lstsr_core.patches.cutting import GRANULE_COLUMNS, PatchSettings, update
from lstsr_core.patches.patch import PatchSet, pair_patches, read_patches, read_table, write_patches
from lstsr_core.stages.common import link_or_copy, write_csv, write_json
from lstsr_core.stages.parameters import Download, Patches

HEXBIN_PATCHES = 500


def cut_patches(settings: Patches) -> pd.DataFrame:
    """Cut patches, split them, write ``patches.csv`` and the training split's ``statistics.json``."""
    source = settings.run / Download.notebook / settings.source
    if not source.is_dir():
        raise InputError(
            f"{source}: no such directory; run 01_download first, with a source that brings"
            f" {settings.source}."
        )
    for folder in ("patches", "night"):  # of an earlier run by hand
        shutil.rmtree(settings.directory / folder, ignore_errors=True)
    (settings.directory / "granules.csv").unlink(missing_ok=True)
    if settings.source == "granules":
        if settings.night:
            _cut_layer(settings, source, "night", settings.directory / "night")
        return _cut_layer(settings, source, "day", settings.directory)
    if settings.split != "random":
        raise InputError(
            f"{settings.notebook}: parameter 'split' is 'groups', but pairs carry no month; expected"
            " 'random'."
        )
    patches = bar(pair_patches(source, settings.coverage, settings.scenes), "Patches", "patch")
    table = write_patches(patches, settings.directory, settings.training_share, settings.seed)
    statistics = read_patches(table[table["split"] == "train"], settings.directory).statistics()
    write_json(settings, "statistics.json", asdict(statistics))
    return write_csv(settings, "patches.csv", table)


def _cut_layer(settings: Patches, granules: Path, layer: Layer, directory: Path) -> pd.DataFrame:
    # Beside the results, which every run begins without, so that what is cut stays cut.
    store = settings.run / ".patches" / layer
    water = resolve(settings.water) if settings.water else None
    cutting = PatchSettings(layer, settings.coverage, settings.qc, water, settings.dilation)
    tables = update(
        granules, store, cutting, settings.product, settings.training_share, settings.seed, settings.split
    )
    files = [
        *tables.patches["lst_path"],
        *tables.patches["ndvi_path"],
        "patches.csv",
        "granules.csv",
        "statistics.json",
    ]
    for file in files:
        link_or_copy(store / file, directory / file)
    return tables.patches


def granules_of(settings: Patches) -> pd.DataFrame:
    """What became of each LST granule, the layer beside it; nothing where the patches are of pairs."""
    tables = {
        layer: settings.directory / folder / "granules.csv"
        for layer, folder in (("day", ""), ("night", "night"))
    }
    frames = [pd.read_csv(path).assign(layer=layer) for layer, path in tables.items() if path.is_file()]
    return (
        pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=[*GRANULE_COLUMNS, "layer"])
    )


def share_kept(settings: Patches) -> pd.DataFrame:
    """By layer and month: granules cut, their windows, those with bad LST
    and with bad NDVI, those kept, and their share."""
    granules = granules_of(settings)
    cut = granules[granules["status"] == "ok"]
    by_month = cut.assign(month=cut["date"].str[:7]).groupby(["layer", "month"])
    table = by_month[["windows", "lst_bad", "ndvi_bad", "kept"]].sum().astype(int)
    table.insert(0, "granules", by_month.size())
    return table.assign(share_kept=table["kept"] / table["windows"]).reset_index()


def granules_not_cut(settings: Patches) -> pd.DataFrame:
    """The LST granules that no patch could come of, and why."""
    granules = granules_of(settings)
    return granules.loc[granules["status"] != "ok", ["layer", "date", "tile", "lst", "status"]].reset_index(
        drop=True
    )


def show_places(settings: Patches) -> Image:
    """Where the patches lie, and how many on each place; writes ``places.csv``."""
    table = write_csv(settings, "places.csv", patch_places(settings))
    return panels.show(panels.patch_places(table), settings.directory, "places")


def patch_places(settings: Patches) -> pd.DataFrame:
    """Outline in metres on the sinusoidal grid (left_m, top_m, right_m,
    bottom_m) of each place, and its number of patches."""
    table = read_table(settings.directory)
    place = ["tile", "window_row", "window_column"] if table["window_row"].notna().all() else ["lst_path"]
    first = table.groupby(place, sort=False)["lst_path"].agg(["first", "size"])
    lsts = [read_raster(settings.directory / path) for path in first["first"]]
    edges = ["left_m", "top_m", "right_m", "bottom_m"]
    outlines = [[getattr(lst, edge) for edge in edges] for lst in lsts]
    return pd.DataFrame(outlines, columns=edges).assign(patches=first["size"].to_numpy())


def show_share_kept(settings: Patches) -> Image | None:
    """The share of the windows that became patches, by month, and
    ``share_kept.csv``; nothing where the patches are of pairs."""
    table = share_kept(settings)
    if table.empty:
        return None
    write_csv(settings, "share_kept.csv", table)
    return panels.show(panels.share_kept(table), settings.directory, "share_kept")


def _each_patch(settings: Patches, table: pd.DataFrame) -> Iterator[PatchSet]:
    # One by one: those of some years do not fit into memory.
    return (read_patches(table.iloc[[index]], settings.directory) for index in range(len(table)))


def regress_patches(settings: Patches) -> pd.DataFrame:
    """Write ``regressions.csv``: slope, intercept and R² of LST on 1 km NDVI in each patch."""
    rows = []
    for patch in _each_patch(settings, read_table(settings.directory)):
        lst_k, ndvi = patch.lst_k[0], block_mean(patch.ndvi)[0]
        line = fit_line(ndvi, lst_k)
        rows.append([patch.names[0], float(np.nanmean(lst_k)), line.slope, line.intercept, line.r_squared])
    columns = ["patch", "lst_mean_k", "slope_k_per_ndvi", "intercept_k", "r_squared"]
    return write_csv(settings, "regressions.csv", pd.DataFrame(rows, columns=columns))


def show_seasons(settings: Patches, regressions: pd.DataFrame) -> Image:
    """Figure 5: patches by month."""
    patches = read_table(settings.directory)
    figure = panels.seasons(
        patches["date"].tolist(), regressions["lst_mean_k"].tolist(), (patches["split"] == "train").tolist()
    )
    return panels.show(figure, settings.directory, "seasons")


def show_regressions(settings: Patches, regressions: pd.DataFrame) -> Image:
    """Figure 6: LST against NDVI over the patches, or over `HEXBIN_PATCHES` of them, evenly chosen.

    Writes the line over their pixels into ``regression_of_all.csv``.
    """
    table = read_table(settings.directory)
    sample = np.unique(np.linspace(0, len(table) - 1, HEXBIN_PATCHES).round().astype(int))
    pixels = [
        (patch.lst_k.ravel(), block_mean(patch.ndvi).ravel())
        for patch in _each_patch(settings, table.iloc[sample])
    ]
    lst_k, ndvi = (np.concatenate(values) for values in zip(*pixels, strict=True))
    valid = np.isfinite(lst_k) & np.isfinite(ndvi)
    write_csv(settings, "regression_of_all.csv", pd.DataFrame([fit_line(ndvi, lst_k)]))
    return panels.show(
        panels.regressions(ndvi[valid], lst_k[valid], regressions), settings.directory, "regressions"
    )
