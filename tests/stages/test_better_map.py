"""13_better_map: judged here or read, the same tables; what is missing is named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import BETTER_MAP
from lstsr_core.sharpening.methods import METHODS
from lstsr_core.stages import better_map as stage
from lstsr_core.stages.parameters import BetterMap


def settings(run: Path, **values: object) -> BetterMap:
    return BetterMap.check({"run_directory": str(run), "methods": ["bicubic", "tsharp"], **values})


def test_all_methods_are_the_companions_too(run: Path) -> None:
    assert settings(run, methods=["all"]).methods == list(METHODS)


def test_the_runs_pairs_are_judged_here_and_simulated_ones_are_alike_under_both_protocols(run: Path) -> None:
    here = settings(run)
    medians = stage.measure_shifts(here)
    assert medians["scenes"].max() == 2 and medians["rows_median"].abs().max() < 0.2
    table = stage.judge(here)
    written = pd.read_csv(here.directory / "metrics.csv", dtype={"scene": str})
    assert written["scene"].tolist() == table["scene"].tolist() and len(table) == 2 * 2 * 2
    georeferenced, registered = (
        table[table["protocol"] == name].set_index(["scene", "method"])["rmse_k"] for name in stage.PROTOCOLS
    )
    assert registered.to_dict() == pytest.approx(georeferenced.to_dict())
    comparison = stage.compare(here, table)
    shown = stage.compared(comparison)
    assert shown["scenes"].tolist() == [2, 2]
    assert shown["RMSE, registered"].tolist() == pytest.approx(
        registered.groupby("method").mean()[["bicubic", "tsharp"]].tolist()
    )
    stage.show_trade(here, comparison)
    stage.show_shifts(here)
    assert {"trade.svg", "registration.svg", "comparison.csv"} <= {p.name for p in here.directory.iterdir()}


def test_kept_tables_are_read_and_rivals_compared(run: Path) -> None:
    kept = settings(run, results="data/better_map")
    table = stage.judge(kept)
    assert set(table["part"]) <= {"development", "test", "apart"}
    comparison = stage.compare(kept, table)
    rows = table[(table["part"] == "development") & (table["method"] == "sc-unet")]
    mean = rows[rows["protocol"] == "registered"]["rmse_k"].mean()
    shown = stage.compared(comparison).loc[("62 development scenes", "SC-Unet")]
    assert shown["scenes"] == 62 and shown["RMSE, registered"] == pytest.approx(mean)
    assert shown["RMSE, registered"] < shown["RMSE, georeferenced"] - 0.1
    rivals = stage.compare_with_rivals(kept, table)
    assert "RMSE less SC-Unet's" in rivals.columns
    assert rivals.loc[("62 development scenes", "SC-Unet"), "RMSE less SC-Unet's"] == "–"
    assert len(stage.trials(kept)) == len(pd.read_csv(BETTER_MAP / "trials.csv"))


def test_what_is_not_kept_is_named(run: Path, tmp_path: Path) -> None:
    kept = settings(run, results=str(tmp_path))
    with pytest.raises(InputError, match="holds no table of scenes; leave parameter 'results' empty"):
        stage.judge(kept)
    with pytest.raises(InputError, match=r"registration\.csv: no such file; make it with lstsr register"):
        stage.measure_shifts(kept)
    shutil.copy(BETTER_MAP / "development_scenes.csv", tmp_path)
    with pytest.raises(InputError, match=r"groups\.csv: no such file"):
        stage.compare(kept, stage.judge(kept))
