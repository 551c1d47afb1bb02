"""11_atlas's stages: what they draw, what they leave as it is, what they tell of the scenes."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from lstsr_core.base.errors import InputError
from lstsr_core.pairs.pair import Pair, write_pair
from lstsr_core.stages import atlas as atlas_stages
from lstsr_core.stages import common as stages
from lstsr_core.stages import download as download_stages
from lstsr_core.stages import evaluation as evaluation_stages
from lstsr_core.stages.parameters import AsterEvaluation, Atlas, Download, Sharpening
from lstsr_core.stages.sharpening import sharpen_pairs

METHODS = ["bicubic", "tsharp"]


def atlas_of(run: Path, **values: Any) -> Atlas:
    return Atlas.check({"run_directory": str(run), "methods": METHODS, "processes": 1, **values})


def sharpen(run: Path) -> None:
    sharpen_pairs(Sharpening.check({"run_directory": str(run), "methods": METHODS}))


def evaluate(run: Path) -> None:
    """What 01_download, 04_sharpening and 06_aster_evaluation leave, from the run's pairs."""
    download_stages.describe_pairs(Download.check({"run_directory": str(run)}))
    sharpen(run)
    settings = AsterEvaluation.check({"run_directory": str(run)})
    evaluation_stages.evaluate_pairs(settings)
    evaluation_stages.against_aster(settings)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, synthetic_pair: Pair) -> tuple[Path, pd.DataFrame]:
    """A run of two pairs, drawn."""
    run = tmp_path_factory.mktemp("atlas run")
    for name in ("10", "9"):
        write_pair(replace(synthetic_pair, id=name), run / "01_download" / "pairs")
    evaluate(run)
    return run, atlas_stages.draw_scenes(atlas_of(run))


def inodes(run: Path) -> dict[str, int]:
    return {path.name: (path / "viewer.js").stat().st_ino for path in (run / "11_atlas" / "scenes").iterdir()}


def test_every_chosen_scene_is_drawn(drawn: tuple[Path, pd.DataFrame]) -> None:
    run, table = drawn
    assert table["scene"].tolist() == ["9", "10"]
    assert table["products"].tolist() == [2, 2] and table["status"].tolist() == ["ok", "ok"]
    assert (table[["rows", "columns"]] > 40).all(axis=None)
    assert sorted(path.name for path in (run / "11_atlas" / "scenes").iterdir()) == ["10", "9"]
    sizes = atlas_stages.scene_sizes(atlas_of(run), table)
    whole = sum(path.stat().st_size for path in (run / "11_atlas" / "scenes" / "9").iterdir())
    assert sizes.loc["9", "kilobytes"] == round(whole / 1000)


def test_what_was_drawn_is_taken_as_it_is(drawn: tuple[Path, pd.DataFrame]) -> None:
    """Also where the notebook's own directory is lost, as when a run is stopped."""
    run, table = drawn
    before = inodes(run)
    (run / "11_atlas").rename(run / "lost")
    pd.testing.assert_frame_equal(atlas_stages.draw_scenes(atlas_of(run)), table)
    assert inodes(run) == before
    one = atlas_stages.draw_scenes(atlas_of(run, pairs=["10"]))
    assert one["scene"].tolist() == ["10"] and inodes(run) == before


def test_a_changed_pair_is_drawn_again_and_the_others_are_not(
    drawn: tuple[Path, pd.DataFrame], synthetic_pair: Pair, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for name in ("10", "9"):
        write_pair(replace(synthetic_pair, id=name), run / "01_download" / "pairs")
    scenes = atlas_stages.kept_scenes(atlas_of(run))
    shutil.copytree(atlas_stages.kept_scenes(atlas_of(drawn[0])), scenes, copy_function=os.link)
    colder = replace(
        synthetic_pair, id="9", aster=synthetic_pair.aster.with_values(synthetic_pair.aster.values - 1.0)
    )
    write_pair(colder, run / "01_download" / "pairs")
    sharpen(run)
    atlas_stages.draw_scenes(atlas_of(run))
    ours, theirs = inodes(run), inodes(drawn[0])
    assert ours["10"] == theirs["10"] and ours["9"] != theirs["9"]
    assert len(list(scenes.iterdir())) == 2


def test_scenes_are_described_from_the_other_notebooks_tables(drawn: tuple[Path, pd.DataFrame]) -> None:
    run, table = drawn
    scenes = atlas_stages.describe_scenes(atlas_of(run), table)
    pd.testing.assert_frame_equal(
        pd.read_csv(run / "11_atlas" / "scenes.csv", dtype={"scene": str}),
        scenes,
        check_dtype=False,
        atol=1e-6,
    )
    assert scenes["ndvi_rows_down"].tolist() == [2, 2] and scenes["ndvi_columns_right"].tolist() == [1, 1]
    assert scenes["season"].unique().tolist() == ["unknown"]
    np.testing.assert_allclose(scenes["coarse_bias_k"], 0.0, atol=0.02)
    assert scenes["published_status"].tolist() == ["ok", "ok"]
    metrics = pd.read_csv(run / "11_atlas" / "metrics.csv", dtype={"scene": str})
    whole = pd.read_csv(run / "06_aster_evaluation" / "metrics.csv", dtype={"scene": str})
    pd.testing.assert_frame_equal(metrics, whole)
    rows = metrics[(metrics["method"] == "tsharp") & (metrics["protocol"] == "georeferenced")]
    assert rows["rows"].tolist() == table["rows"].tolist()
    shown = atlas_stages.scene_places(scenes)
    assert shown.index.tolist() == ["9", "10"] and len(shown.columns) == 6


def test_a_scene_that_the_published_protocol_leaves_out_has_the_reason(
    drawn: tuple[Path, pd.DataFrame],
) -> None:
    run, table = drawn
    path = run / "06_aster_evaluation" / "metrics.csv"
    content = path.read_bytes()
    metrics = pd.read_csv(path, dtype={"scene": str})
    left_out = (
        (metrics["scene"] == "9") & (metrics["protocol"] == "published") & (metrics["method"] == "tsharp")
    )
    metrics.loc[left_out, "status"] = "too small"
    metrics[metrics["scene"] != "10"].to_csv(path, index=False)
    scenes = atlas_stages.describe_scenes(atlas_of(run), table)
    path.write_bytes(content)
    assert scenes["published_status"].tolist() == ["too small", ""]


def test_the_map_shows_the_chosen_scenes(drawn: tuple[Path, pd.DataFrame]) -> None:
    run, table = drawn
    scenes = atlas_stages.describe_scenes(atlas_of(run), table)
    image = atlas_stages.show_scene_map(atlas_of(run), scenes)
    assert image.data == (run / "11_atlas" / "scene_map.png").read_bytes()


def test_missing_results_are_named_with_their_notebook(run: Path) -> None:
    settings = atlas_of(run, pairs=["9"])
    nothing = pd.DataFrame({"scene": ["9"]})
    with pytest.raises(InputError, match=r"pairs\.csv: no such file; run 01_download first .*--only 01"):
        atlas_stages.describe_scenes(settings, nothing)
    with pytest.raises(InputError, match=r"footprints\.geojson: no such file; run 01_download first"):
        stages.read_footprints(run)


def test_a_pair_that_cannot_be_read_is_named(tmp_path: Path, synthetic_pair: Pair) -> None:
    write_pair(replace(synthetic_pair, id="9"), tmp_path / "01_download" / "pairs")
    sharpen(tmp_path)
    next((tmp_path / "01_download" / "pairs").glob("9_ndvi*")).write_bytes(b"no raster")
    with pytest.raises(
        InputError, match=r"11_atlas: scene 9: .*not a readable GeoTIFF.*Leave them out of 'pairs'"
    ):
        atlas_stages.draw_scenes(atlas_of(tmp_path))
