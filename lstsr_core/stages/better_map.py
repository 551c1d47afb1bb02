"""What 13_better_map does: where ASTER lies, and error against texture with ASTER there and moved back."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from IPython.display import Image

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import BETTER_MAP, resolve
from lstsr_core.evaluation import registration, trade
from lstsr_core.evaluation.products import KeptProducts, Products
from lstsr_core.evaluation.protocols import Georeferenced, Registered
from lstsr_core.evaluation.registration_report import (
    GROUPS_TABLE,
    SHIFT_COLUMNS,
    SHIFTS_TABLE,
    shifts_of_pair,
)
from lstsr_core.evaluation.table import COLUMNS, evaluate_pair
from lstsr_core.figures import panels
from lstsr_core.metrics.names import BY_COLUMN
from lstsr_core.pairs.pair import pair_ids
from lstsr_core.pairs.swath import database_shift
from lstsr_core.sharpening.methods import METHODS, Options
from lstsr_core.stages.common import pairs_directory, pairs_of, write_csv
from lstsr_core.stages.parameters import BetterMap

PROTOCOLS = [Georeferenced.name, Registered.name]
TRIALS_TABLE = "trials.csv"
PARTS = {
    "simulated": "the run's pairs",
    "development": "62 development scenes",
    "test": "21 test scenes",
    trade.APART: "8 test scenes apart",
}
"""What the parts of the scenes are called, in the order in which they are shown."""


def measure_shifts(settings: BetterMap) -> pd.DataFrame:
    """Write ``registration.csv``: ASTER's shift from the images of each pair; measured here, or before.

    Returns
    -------
    DataFrame
        By image, medians and quartiles over the scenes.
    """
    if settings.results:
        shifts = _kept(settings, SHIFTS_TABLE)
    else:
        rows = [row for pair in pairs_of(settings, _pairs(settings)) for row in shifts_of_pair(pair)]
        shifts = pd.DataFrame(rows, columns=[name for name in SHIFT_COLUMNS if name != "group"])
    medians = registration.median_by_image(write_csv(settings, "registration.csv", shifts))
    return medians.rename(index=panels.label)


def show_shifts(settings: BetterMap) -> Image:
    """Each scene's shift, by image, and the constant."""
    shifts = pd.read_csv(settings.directory / "registration.csv", dtype={"scene": str})
    return panels.show(panels.shifts(shifts, database_shift()), settings.directory, "registration")


def kept_scenes(directory: Path) -> pd.DataFrame:
    """The rows of ``lstsr evaluate`` that a directory keeps, the test scenes that stand apart once more.

    Parameters
    ----------
    directory : Path
        Holds ``development_scenes*.csv`` and ``test_scenes*.csv``.

    Raises
    ------
    InputError
        If it holds none.
    """
    parts = [
        pd.read_csv(path, dtype={"scene": str}).assign(part=part)
        for part in ("development", "test")
        for path in sorted(directory.glob(f"{part}_scenes*.csv"))
    ]
    if not parts:
        raise InputError(
            f"{directory}: holds no table of scenes; leave parameter 'results' empty to judge the run's own"
            " pairs."
        )
    return trade.with_apart(pd.concat(parts, ignore_index=True))


def judge(settings: BetterMap) -> pd.DataFrame:
    """Write ``metrics.csv``: every method on every scene under both protocols; judged here, or before."""
    if settings.results:
        table = kept_scenes(resolve(settings.results))
    else:
        products = _products(settings)
        rows = [
            row
            for pair in pairs_of(settings, _pairs(settings))
            for row in evaluate_pair(pair, settings.methods, PROTOCOLS, products)
        ]
        table = pd.DataFrame(rows, columns=COLUMNS).assign(part="simulated")
    return write_csv(settings, "metrics.csv", table[["part", *COLUMNS]])


def compare(settings: BetterMap, table: pd.DataFrame) -> pd.DataFrame:
    """Write ``comparison.csv``: means of each method, with intervals over groups of scenes."""
    return write_csv(settings, "comparison.csv", trade.compare(table, _groups(settings)))


def compared(comparison: pd.DataFrame) -> pd.DataFrame:
    """The means to show: a row for each part and method, RMSE, FRR and attenuation under both protocols."""
    metrics = [BY_COLUMN[name] for name in ("rmse_k", "frr", "attenuation_rmse_db")]
    rows = comparison[comparison["metric"].isin([metric.column for metric in metrics])]
    cells = rows.pivot(index=["part", "method"], columns=["metric", "protocol"], values="mean")
    order = [(metric.column, protocol) for metric in metrics for protocol in PROTOCOLS]
    cells = cells.reindex(columns=pd.MultiIndex.from_tuples(order))
    scenes = comparison.groupby(["part", "method"])["scenes"].max()
    index = [(part, name) for part in PARTS for name in METHODS if (part, name) in cells.index]
    shown = cells.loc[index]
    shown.columns = pd.Index([f"{BY_COLUMN[column].label}, {protocol}" for column, protocol in order])
    shown.insert(0, "scenes", scenes.loc[index])
    shown.index = pd.MultiIndex.from_tuples(
        [(PARTS[part], METHODS[name].label) for part, name in index], names=["", ""]
    )
    return shown


def compare_with_rivals(settings: BetterMap, table: pd.DataFrame) -> pd.DataFrame:
    """Write ``differences.csv``: each method less SIF-CNN-SR1 and SC-Unet, paired, with intervals."""
    found = write_csv(settings, "differences.csv", trade.differences(table, _groups(settings), trade.RIVALS))
    rows = found[(found["protocol"] == Registered.name) & found["metric"].isin(["rmse_k", "frr"])]
    text = [f"{row.difference:+.3f} [{row.low:+.3f}, {row.high:+.3f}]" for row in rows.itertuples()]
    columns = [
        f"{BY_COLUMN[str(metric)].label} less {panels.label(str(other))}'s"
        for metric, other in zip(rows["metric"], rows["other"], strict=True)
    ]
    shown = rows.assign(text=text, column=columns).pivot(
        index=["part", "method"], columns="column", values="text"
    )
    index = [(part, name) for part in PARTS for name in METHODS if (part, name) in shown.index]
    shown = shown.loc[index].rename_axis(None, axis=1)
    shown.index = pd.MultiIndex.from_tuples(
        [(PARTS[part], METHODS[name].label) for part, name in index], names=["", ""]
    )
    return shown.fillna("–")


def show_trade(settings: BetterMap, comparison: pd.DataFrame) -> Image:
    """Error against texture, of every method, under both protocols."""
    figure = panels.trade(comparison, PARTS, PROTOCOLS)
    return panels.show(figure, settings.directory, "trade")


def trials(settings: BetterMap) -> pd.DataFrame:
    """Write ``trials.csv``: what was tried on the development scenes, out of fold, and what it came to."""
    table = kept_trials()
    return write_csv(settings, "trials.csv", table).set_index("trial").rename_axis(None)


def kept_trials() -> pd.DataFrame:
    """What the project keeps of its trials; a figure that was not noted is NaN."""
    table = pd.read_csv(BETTER_MAP / TRIALS_TABLE)
    return table.fillna({"helped": ""})


def kept_coverage() -> pd.DataFrame:
    """The shares of ``lstsr coverage`` that the project keeps, of development and test scenes."""
    files = [BETTER_MAP / f"coverage_{part}.csv" for part in ("test", "development")]
    return pd.concat([pd.read_csv(path) for path in files if path.is_file()], ignore_index=True)


def _pairs(settings: BetterMap) -> list[str]:
    return pair_ids(pairs_directory(settings)) if settings.pairs == ["all"] else settings.pairs


def _products(settings: BetterMap) -> Products:
    # The same files as 04_sharpening's, where its weights are the package's too.
    return KeptProducts(Options(seed=settings.seed), settings.run / ".products")


def _groups(settings: BetterMap) -> dict[str, int]:
    if settings.results:
        return trade.group_of_scene(_kept(settings, GROUPS_TABLE))
    return trade.group_of_scene(trade.groups_of_scenes(pairs_directory(settings)))


def _kept(settings: BetterMap, name: str) -> pd.DataFrame:
    path: Path = resolve(settings.results) / name
    if not path.is_file():
        raise InputError(
            f"{path}: no such file; make it with lstsr register, or leave parameter 'results' empty to judge"
            " the run's own pairs."
        )
    return pd.read_csv(path, dtype={"scene": str})
