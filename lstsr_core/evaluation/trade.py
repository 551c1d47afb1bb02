"""Error against texture: what each method trades, with intervals over groups of scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lstsr_core.evaluation.statistics import DIFFERENCE_COLUMNS, mean_interval, paired_difference
from lstsr_core.pairs.pair import pair_ids, read_modis
from lstsr_core.pairs.scenes import TEST, ids_of_test_scenes, is_test_scene
from lstsr_core.patches.splits import overlapping_groups
from lstsr_core.sharpening.methods import METHODS

METRICS = ["rmse_k", "rmse_unbiased_k", "frr", "attenuation_rmse_db"]
"""What a method trades: error, that without the instruments' mean difference, and two of texture."""

RIVALS = ["sif-cnn-sr1", "sc-unet"]
"""The paper's methods of most texture and of least error."""

APART = "apart"
"""The test scenes that share neither a day nor a quarter of their ground with a development scene."""


def groups_of_scenes(directory: Path) -> pd.DataFrame:
    """Number the groups of a directory's pairs, of each part by itself, by the MODIS side alone.

    The pairs carry no dates. Scenes of one day and of one place have footprints that overlap or touch,
    directly or through others, and so are in one group.

    Returns
    -------
    DataFrame
        Columns scene, part ("development" or "test") and group.

    Raises
    ------
    InputError
        As `pairs.pair.read_modis`.
    """
    scenes = [read_modis(directory, name) for name in pair_ids(directory)]
    tests = [is_test_scene(scene) for scene in scenes]
    parts = []
    for part, is_test in (("development", False), (TEST, True)):
        members = [scene for scene, test in zip(scenes, tests, strict=True) if test == is_test]
        groups = overlapping_groups([scene.lst for scene in members])
        parts.append(pd.DataFrame({"scene": [scene.id for scene in members], "part": part, "group": groups}))
    return pd.concat(parts, ignore_index=True)


def group_of_scene(groups: pd.DataFrame) -> dict[str, int]:
    """Each scene's group, by a number that no group of another part has."""
    numbers = groups.groupby(["part", "group"], sort=False).ngroup()
    return dict(zip(groups["scene"], numbers.tolist(), strict=True))


def judged_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that means may hold: those with metrics, but none of a companion's method in-sample.

    The companion's networks and filters have seen the ASTER of the scenes that they were fitted to; the
    paper's have seen no ASTER at all.
    """
    source = table["method"].map(lambda name: METHODS[name].source if name in METHODS else "user")
    fitted = (source == "companion") & table["in_sample"].eq(True)
    return table[(table["status"] == "ok") & ~fitted]


def with_apart(table: pd.DataFrame) -> pd.DataFrame:
    """A table with a column part, and the test scenes that stand apart once more, as a part of their own."""
    apart = table[(table["part"] == TEST) & table["scene"].isin(ids_of_test_scenes(apart=True))]
    return pd.concat([table, apart.assign(part=APART)], ignore_index=True)


def compare(table: pd.DataFrame, groups: Mapping[str, int]) -> pd.DataFrame:
    """Means of each method over the scenes of a part, under a protocol, with intervals over groups.

    Parameters
    ----------
    table : DataFrame
        With columns part, scene, protocol, method, status, in_sample and `METRICS`.
    groups : mapping of str to int
        Each scene's group.

    Returns
    -------
    DataFrame
        Columns part, protocol, method, metric, scenes, groups, mean, low and high.
    """
    rows = []
    keys = ["part", "protocol", "method"]
    for (part, protocol, name), judged in judged_rows(table).groupby(keys, sort=False):
        numbers = np.array([groups[scene] for scene in judged["scene"]])
        for metric in METRICS:
            interval = mean_interval(judged[metric], numbers)
            limits = [interval.mean, interval.low, interval.high]
            rows.append([part, protocol, name, metric, len(judged), len(np.unique(numbers)), *limits])
    return pd.DataFrame(rows, columns=[*keys, "metric", "scenes", "groups", "mean", "low", "high"])


def differences(table: pd.DataFrame, groups: Mapping[str, int], rivals: Sequence[str]) -> pd.DataFrame:
    """Each method less each rival, paired over scenes, with intervals over groups.

    Returns
    -------
    DataFrame
        Columns part, protocol, metric, method, other, scenes and `statistics.DIFFERENCE_COLUMNS`.
    """
    rows = []
    for (part, protocol), judged in judged_rows(table).groupby(["part", "protocol"], sort=False):
        for metric in METRICS:
            by_method = judged.pivot(index="scene", columns="method", values=metric)
            for rival in [name for name in rivals if name in by_method]:
                for name in [name for name in by_method if name != rival]:
                    change = paired_difference(by_method[name], by_method[rival], groups)
                    if change is not None:
                        rows.append([part, protocol, metric, name, rival, change.scenes, *change.cells])
    columns = ["part", "protocol", "metric", "method", "other", "scenes", *DIFFERENCE_COLUMNS]
    return pd.DataFrame(rows, columns=columns)
