"""The flow between notebooks: the runner's edges, the files' counts, a chart that can be read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import PROJECT
from lstsr_core.stages.flow_chart import KINDS, OUTPUT, count_kinds, flow, flow_chart, purpose
from lstsr_core.stages.order import COMMITTED, UPSTREAM
from lstsr_core.stages.parameters import BY_NOTEBOOK
from worlds.drawings import assert_no_text_touches_another, texts
from worlds.project_copy import ProjectCopy
from worlds.runs import a_run

LAST = "12_structure"
BRACKET = "#777777"


def edges(table: pd.DataFrame) -> set[tuple[str, str]]:
    return {
        (source, target)
        for source, target in zip(table["from"], table["to"], strict=True)
        if target != OUTPUT
    }


def test_edges_are_those_by_which_the_runner_decides(tmp_path: Path) -> None:
    expected = {(source, name) for name in [*UPSTREAM[LAST], LAST] for source in UPSTREAM[name]}
    expected |= {
        (path.relative_to(PROJECT).as_posix(), name) for name, paths in COMMITTED.items() for path in paths
    }
    assert edges(flow(a_run(tmp_path), LAST)) == expected
    assert ("02_patches", "03_training") in expected and ("data/ablation", "10_ablation") in expected


def test_counts_are_those_of_the_files(tmp_path: Path) -> None:
    table = flow(a_run(tmp_path), LAST)
    for index, name in enumerate(UPSTREAM[LAST], start=1):
        for target in [OUTPUT, *(reader for reader in UPSTREAM if name in UPSTREAM[reader])]:
            rows = table[(table["from"] == name) & (table["to"] == target)]
            assert dict(zip(rows["kind"], rows["files"], strict=True)) == {"tables": index, "figures": 1}


def test_counts_are_those_of_a_runs_records(undisturbed: ProjectCopy) -> None:
    table = pd.read_csv(undisturbed.run_directory / LAST / "flow.csv", keep_default_na=False)
    records = undisturbed.records()
    outputs = table[table["to"] == OUTPUT].groupby("from")["files"].sum().to_dict()
    assert outputs == {name: len(records[name]["outputs"]) for name in UPSTREAM[LAST]}
    notebooks = table[table["from"].isin(list(UPSTREAM)) & (table["to"] != OUTPUT)]
    read = notebooks.groupby("to")["files"].sum().to_dict()
    assert read == {name: len(record["inputs"]) for name, record in records.items() if record["inputs"]}


def test_the_last_notebook_is_run_again_when_any_file_that_it_counts_changes() -> None:
    assert UPSTREAM[LAST] == [name for name in UPSTREAM if name != LAST]
    assert set(COMMITTED[LAST]) == {
        path for name, paths in COMMITTED.items() for path in paths if name != LAST
    }


def test_what_has_not_been_run_is_named(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    (run / "05_fourier").rename(run / "elsewhere")
    with pytest.raises(InputError, match="has no results of 05_fourier, which 12_structure reads"):
        flow(run, LAST)


def test_kinds_are_told_by_the_suffix() -> None:
    paths = [Path(name) for name in ("a.hdf", "a.tif", "b/c.tif", "d.csv", "e.safetensors", "f.txt", "g")]
    assert count_kinds(paths) == {"granules": 1, "rasters": 2, "weights": 1, "tables": 1, "other": 2}
    suffixes = [suffix for group in KINDS.values() for suffix in group]
    assert len(set(suffixes)) == len(suffixes)


@pytest.mark.parametrize("name", BY_NOTEBOOK)
def test_every_notebook_says_what_it_does(name: str) -> None:
    assert len(purpose(name)) > 10 and not purpose(name).endswith(".")


def chart(run: Path) -> Figure:
    return flow_chart(flow(run, LAST))


def test_texts_lie_in_their_boxes_and_clear_of_each_other(tmp_path: Path) -> None:
    assert_no_text_touches_another(chart(a_run(tmp_path)))


def test_the_chart_has_a_box_for_each_notebook_and_an_arrow_for_each_edge(tmp_path: Path) -> None:
    figure = chart(a_run(tmp_path))
    boxes = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)]
    names = [text.get_text() for text in texts(figure) if text.get_text() in BY_NOTEBOOK]
    assert len(boxes) == len(names) and names == list(UPSTREAM)
    arrows = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    # One bracket for the last.
    assert len(arrows) == sum(len(sources) for name, sources in UPSTREAM.items() if name != LAST) + 1


def test_arrows_end_at_the_readers_in_the_colour_of_what_they_read(tmp_path: Path) -> None:
    figure = chart(a_run(tmp_path))
    boxes = dict(
        zip(
            UPSTREAM,
            [patch for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)],
            strict=True,
        )
    )

    def at(y: float) -> str:
        return next(name for name, box in boxes.items() if box.get_y() <= y <= box.get_y() + box.get_height())

    dots = [dot for dot in figure.axes[0].lines if dot.get_marker() == "o"]
    sources = {dot.get_color(): at(float(np.mean(np.asarray(dot.get_ydata())))) for dot in dots}
    arrows = [patch for patch in figure.axes[0].patches if isinstance(patch, FancyArrowPatch)]
    flat = [arrow for arrow in arrows if to_hex(arrow.get_edgecolor()).upper() != BRACKET]
    found = [
        (sources[to_hex(a.get_edgecolor()).upper()], at(float(np.median(a.get_path().vertices[:, 1]))))
        for a in flat
    ]
    assert sorted(found) == sorted(
        (source, name) for name in UPSTREAM if name != LAST for source in UPSTREAM[name]
    )


def test_a_table_of_fewer_notebooks_gives_a_smaller_chart(tmp_path: Path) -> None:
    table = flow(a_run(tmp_path), LAST)
    few = table[
        table["from"].isin(["01_download", "02_patches"])
        & table["to"].isin(["02_patches", "03_training", OUTPUT])
    ]
    figure = flow_chart(few)
    assert [text.get_text() for text in texts(figure) if text.get_text() in BY_NOTEBOOK] == [
        "01_download",
        "02_patches",
        "03_training",
    ]
    assert figure.get_figheight() < chart(tmp_path).get_figheight()
