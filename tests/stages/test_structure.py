"""What 12_structure writes: the whole network, the whole flow, and the same each time."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from lstsr_core.networks.settings import Upsampling
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.stages import structure as structure_stages
from lstsr_core.stages.flow_chart import KINDS
from lstsr_core.stages.order import UPSTREAM
from lstsr_core.stages.parameters import Structure
from worlds.runs import a_run

STATE = SharpeningUNet().state_dict()


def settings(run: Path, upsampling: Upsampling = "align-corners", side: int = 64) -> Structure:
    return Structure.check({"run_directory": str(run), "upsampling": upsampling, "side": side})


def test_layers_are_written_and_add_up(tmp_path: Path) -> None:
    layers = structure_stages.measure_layers(settings(tmp_path))
    read = pd.read_csv(tmp_path / "12_structure" / "layers.csv", keep_default_na=False)
    pd.testing.assert_frame_equal(layers, read)
    assert read["numbers"].sum() == sum(tensor.numel() for tensor in STATE.values())
    assert read["tensors"].sum() == len(STATE)


@pytest.mark.parametrize("side", [64, 100])
def test_blocks_are_summed_and_their_output_told(tmp_path: Path, side: int) -> None:
    blocks = structure_stages.sum_blocks(structure_stages.measure_layers(settings(tmp_path, side=side)))
    assert blocks.loc["downs.1", "output"] == f"64 × {side // 4} × {side // 4}"
    count = sum(tensor.numel() for name, tensor in STATE.items() if name.startswith("downs.1."))
    assert blocks.loc["downs.1", "numbers"] == count
    assert blocks.loc["all", "numbers"] == 283_906 and blocks.loc["all", "tensors"] == 104
    shares = blocks["numbers (%)"].astype(float)
    assert shares["downs.1"] == pytest.approx(100 * count / 283_906) and shares.drop(
        "all"
    ).sum() == pytest.approx(shares["all"])
    assert blocks["multiply-adds (millions)"].drop("all").sum() == pytest.approx(
        blocks.loc["all", "multiply-adds (millions)"]
    )


def test_the_upsamplings_differ_where_features_are_enlarged_and_nowhere_else(tmp_path: Path) -> None:
    table = structure_stages.compare_upsamplings(settings(tmp_path))
    assert list(table.index) == [f"ups.{index}.interpolate" for index in range(3)]
    assert (
        table["align-corners"].str.endswith("corners aligned").all()
        and table["half-pixel"].str.endswith("centres").all()
    )
    assert (table["numbers, align-corners"] == table["numbers, half-pixel"]).all()


def test_the_drawing_is_of_the_chosen_upsampling(tmp_path: Path) -> None:
    drawn = {
        upsampling: structure_stages.show_architecture(settings(tmp_path / upsampling, upsampling)).data
        for upsampling in ("align-corners", "half-pixel")
    }
    assert drawn["align-corners"] != drawn["half-pixel"]


def test_what_was_written_is_counted_by_notebook(tmp_path: Path) -> None:
    structure = settings(a_run(tmp_path))
    flow = structure_stages.measure_flow(structure)
    written = structure_stages.written(flow)
    assert sorted(written.index) == UPSTREAM["12_structure"] and set(written.columns) <= KINDS.keys()
    assert written["tables"].tolist() == list(range(1, len(written) + 1)) and (written["figures"] == 1).all()
    pd.testing.assert_frame_equal(flow, pd.read_csv(structure.directory / "flow.csv", keep_default_na=False))


def test_files_are_the_same_each_time_whatever_the_runs_clock_says(tmp_path: Path) -> None:
    digests = []
    for turn in ("first", "second"):
        structure = settings(a_run(tmp_path / turn))
        (structure.run / "provenance.json").write_text(
            f'{{"01_download": {{"parameters": {{}}, "seconds": {len(digests)}}}}}'
        )
        structure_stages.measure_layers(structure)
        structure_stages.show_architecture(structure)
        structure_stages.show_flow_chart(structure, structure_stages.measure_flow(structure))
        files = sorted(structure.directory.iterdir())
        digests.append([(path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in files])
    assert digests[0] == digests[1]
    assert {"architecture.png", "flow_chart.svg", "layers.csv", "flow.csv"} <= {
        name for name, _ in digests[0]
    }
