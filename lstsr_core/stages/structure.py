"""What 12_structure does: the network's layers and the flow between notebooks, measured and drawn."""

from __future__ import annotations

import pandas as pd
from IPython.display import Image

from lstsr_core.figures import architecture
from lstsr_core.figures.architecture import INPUT, Layer
from lstsr_core.figures.architecture_figure import architecture_figure
from lstsr_core.figures.files import show
from lstsr_core.networks.settings import UPSAMPLINGS, Upsampling
from lstsr_core.networks.unet import SharpeningUNet
from lstsr_core.stages import flow_chart
from lstsr_core.stages.common import write_csv
from lstsr_core.stages.parameters import Structure

_CHANNELS = 2


def _layers(settings: Structure, upsampling: Upsampling) -> list[Layer]:
    return architecture.layers(SharpeningUNet(upsampling), _CHANNELS, settings.side, settings.side)


def measure_layers(settings: Structure) -> pd.DataFrame:
    """Write ``layers.csv``: kind, output, state and cost of every layer of the network, and what it reads."""
    return write_csv(settings, "layers.csv", architecture.table(_layers(settings, settings.upsampling)))


def sum_blocks(layers: pd.DataFrame) -> pd.DataFrame:
    """A row for each block and one for all: output, tensors and numbers of the state, their share, cost."""
    by_block = layers.groupby("block", sort=False)
    last = by_block.tail(1).set_index("block")
    output = [f"{row.channels} × {row.rows} × {row.columns}" for row in last.itertuples()]
    sums = by_block[["tensors", "numbers", "trained", "multiply_adds"]].sum()
    sums = pd.concat([sums, sums.sum().to_frame("all").T])
    costs = {"numbers (%)": 100.0 * sums["numbers"] / sums["numbers"].iloc[-1]}
    costs["multiply-adds (millions)"] = sums.pop("multiply_adds") / 1e6
    return pd.concat([pd.Series([*output, ""], sums.index, name="output"), sums, pd.DataFrame(costs)], axis=1)


def compare_upsamplings(settings: Structure) -> pd.DataFrame:
    """The layers whose kind or state differs between the ways
    in which the network may enlarge its features."""
    tables = [architecture.table(_layers(settings, upsampling)) for upsampling in UPSAMPLINGS]
    kinds = pd.DataFrame({name: table["kind"] for name, table in zip(UPSAMPLINGS, tables, strict=True)})
    counts = pd.DataFrame(
        {f"numbers, {name}": table["numbers"] for name, table in zip(UPSAMPLINGS, tables, strict=True)}
    )
    table = pd.concat([kinds, counts], axis=1).set_axis(tables[0]["name"]).rename_axis("layer")
    return table[(kinds.nunique(axis=1) > 1).to_numpy() | (counts.nunique(axis=1) > 1).to_numpy()]


def show_architecture(settings: Structure) -> Image:
    """Figure 1: the network."""
    network_layers = _layers(settings, settings.upsampling)
    notes = {INPUT: "upsampled LST\nand NDVI, z-scores", network_layers[-1].block: "LST, z-scores"}
    return show(architecture_figure(network_layers, notes), settings.directory, "architecture")


def measure_flow(settings: Structure) -> pd.DataFrame:
    """Write ``flow.csv``: what each notebook wrote, and what
    of it each other one may read, by kind of file."""
    return write_csv(settings, "flow.csv", flow_chart.flow(settings.run, settings.notebook))


def written(flow: pd.DataFrame) -> pd.DataFrame:
    """How many files of each kind each notebook wrote."""
    outputs = flow[flow["to"] == flow_chart.OUTPUT]
    return (
        outputs.pivot(index="from", columns="kind", values="files")
        .fillna(0)
        .astype(int)
        .rename_axis(None)
        .rename_axis(None, axis=1)
    )


def show_flow_chart(settings: Structure, flow: pd.DataFrame) -> Image:
    """Figure 2: from notebook to notebook."""
    return show(flow_chart.flow_chart(flow), settings.directory, "flow_chart")
