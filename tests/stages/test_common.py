"""What the stages share: which pairs are chosen, what is written, what stored notebooks are held against."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import Tile
from lstsr_core.pairs.pair import Pair, write_pair
from lstsr_core.stages import common as stages
from lstsr_core.stages.parameters import AsterEvaluation, Findings, Fourier, Sharpening
from worlds.runs import bicubic_run, evaluation_of

TILE = Tile(18, 4)
NETWORKS = ["sc-unet", "sif-cnn-sr1", "sif-cnn-sr2"]


def choice(settings: Any) -> stages.Choice:
    return stages.choice_of(settings, settings.protocols)


def test_all_pairs_are_chosen_in_the_order_of_their_numbers(sharpened: Path) -> None:
    assert stages.pairs_to_sharpen(Sharpening.check({"run_directory": str(sharpened)})) == ["9", "10"]
    assert stages.pairs_to_sharpen(Sharpening.check({"run_directory": str(sharpened), "pairs": ["10"]})) == [
        "10"
    ]
    assert choice(evaluation_of(sharpened)).pairs == ["9", "10"]
    assert choice(evaluation_of(sharpened, pairs=["10"])).pairs == ["10"]
    assert stages.shown_pair(evaluation_of(sharpened), ["9", "10"]).id == "9"
    assert stages.shown_pair(evaluation_of(sharpened, scene="10"), ["9", "10"]).id == "10"


def test_pairs_that_are_not_there_are_named(sharpened: Path) -> None:
    with pytest.raises(
        InputError, match=r"06_aster_evaluation: parameter 'pairs' names 11, 12, of which there is no pair"
    ):
        choice(evaluation_of(sharpened, pairs=["9", "11", "12"]))
    with pytest.raises(
        InputError, match=r"04_sharpening: parameter 'pairs' names 11, of which there is no pair"
    ):
        stages.pairs_to_sharpen(Sharpening.check({"run_directory": str(sharpened), "pairs": ["11"]}))


def test_a_scene_outside_the_chosen_pairs_is_named(sharpened: Path) -> None:
    with pytest.raises(InputError, match=r"parameter 'scene' is '10'; expected one of the chosen pairs: 9\."):
        stages.shown_pair(evaluation_of(sharpened, pairs=["9"], scene="10"), ["9"])


@pytest.mark.parametrize("parameters", [Fourier, AsterEvaluation, Findings])
def test_a_run_without_pairs_or_products_says_what_to_run_first(
    parameters: Any, run: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="run 01_download first"):
        choice(parameters.check({"run_directory": str(tmp_path)}))
    with pytest.raises(InputError, match="run 01_download first"):
        stages.pairs_to_sharpen(Sharpening.check({"run_directory": str(tmp_path)}))
    bare = tmp_path / "sample"
    (bare / "01_download").mkdir(parents=True)
    (bare / "01_download" / "pairs").symlink_to(run / "01_download" / "pairs")
    with pytest.raises(
        InputError,
        match=r"products\.json: .*run 04_sharpening first \(lstsr run --profile sample --from 04\)",
    ):
        choice(parameters.check({"run_directory": str(bare)}))


def test_all_means_all_that_was_written_and_what_was_not_is_named_with_its_command(
    tmp_path: Path, synthetic_pair: Pair
) -> None:
    run = bicubic_run(tmp_path / "sample", synthetic_pair)
    assert choice(evaluation_of(run)).methods == ["bicubic"]
    absent = {
        "methods": (["bicubic", "dms"], "dms", "[all]"),
        "protocol": ("georeferenced,published", "published", "georeferenced,published"),
    }
    for parameter, (value, named, remedy) in absent.items():
        with pytest.raises(InputError) as refused:
            choice(evaluation_of(run, **{parameter: value}))
        assert (
            str(refused.value)
            == f"06_aster_evaluation: parameter '{parameter}' needs products of {named}, which 04_sharpening"
            " did not write; write them first: lstsr run --profile sample --from 04 --set"
            f" '04_sharpening.{parameter}={remedy}'"
        )
    write_pair(replace(synthetic_pair, id="11"), run / "01_download" / "pairs")
    with pytest.raises(
        InputError, match=r"'pairs' needs products of 11, .*--set '04_sharpening\.pairs=\[all\]'"
    ):
        choice(evaluation_of(run, pairs=["11"]))


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
