"""What the stages share: which pairs are chosen, what is written, what stored notebooks are held against."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import Tile
from lstsr_core.stages import common as stages
from lstsr_core.stages.parameters import AsterEvaluation, Fourier, Sharpening
from worlds.runs import evaluation_of

TILE = Tile(18, 4)
NETWORKS = ["sc-unet", "sif-cnn-sr1", "sif-cnn-sr2"]


def test_all_pairs_are_chosen_in_the_order_of_their_numbers(run: Path) -> None:
    assert stages.chosen_pairs(evaluation_of(run)) == ["9", "10"]
    assert stages.chosen_pairs(evaluation_of(run, pairs=["10"])) == ["10"]
    assert stages.shown_pair(evaluation_of(run)).id == "9"
    assert stages.shown_pair(evaluation_of(run, scene="10")).id == "10"


def test_pairs_that_are_not_there_are_named(run: Path) -> None:
    with pytest.raises(InputError, match=r"06_aster_evaluation: parameter 'pairs' names 11, 12, of which there is no pair"):
        stages.chosen_pairs(evaluation_of(run, pairs=["9", "11", "12"]))


def test_a_scene_outside_the_chosen_pairs_is_named(run: Path) -> None:
    with pytest.raises(InputError, match=r"parameter 'scene' is '10'; expected one of the chosen pairs: 9\."):
        stages.shown_pair(evaluation_of(run, pairs=["9"], scene="10"))


@pytest.mark.parametrize("parameters", [Sharpening, Fourier, AsterEvaluation])
def test_a_run_without_pairs_says_what_to_run_first(parameters: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="run 01_download first"):
        stages.chosen_pairs(parameters.check({"run_directory": str(tmp_path)}))


def test_steady_figures_keep_two_decimals_and_whole_numbers() -> None:
    table = pd.DataFrame({"rmse_k": [1.23456789], "scenes": [2], "status": ["ok"]}, index=["Bicubic"])
    assert stages.steady_figures(table).to_numpy().tolist() == [["1.23", 2, "ok"]]


def test_notebooks_show_every_row_and_every_sentence() -> None:
    words = " ".join(f"word{number}" for number in range(40))
    shown = pd.DataFrame({"value": [words, *range(80)]})._repr_html_()  # type: ignore[operator]
    assert words in shown and shown.count("<tr>") == 81


def test_json_is_written_with_sorted_keys_and_a_last_line_end(run: Path) -> None:
    settings = evaluation_of(run)
    stages.write_json(settings, "x.json", {"b": 1, "a": [2.5]})
    assert (run / "06_aster_evaluation" / "x.json").read_text() == '{\n  "a": [\n    2.5\n  ],\n  "b": 1\n}\n'
