"""The published pairs that are developed on, and the 21 that judge:
nothing is trained, fitted or chosen on these."""

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from pathlib import Path
from typing import Literal, get_args

import pandas as pd

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import SCENES
from lstsr_core.pairs.pair import ModisPair, Pair, pair_ids, read_modis, read_pair

TEST: Literal["test"] = "test"

Part = Literal["development", "test", "all"]
PARTS: tuple[Part, ...] = get_args(Part)


@lru_cache
def published_scenes() -> pd.DataFrame:
    """The split of the published pairs.

    Returns
    -------
    DataFrame
        Columns scene (the file id), part ("development" or "test"), apart (whether a
        test scene shares neither a day nor a quarter of its ground with a
        development scene) and lst_sha256 (`ModisPair.digest`).
    """
    table = pd.read_csv(SCENES, comment="#", dtype=str, keep_default_na=False)
    return table.assign(apart=table["apart"] == "yes")


def ids_of_test_scenes(apart: bool = False) -> list[str]:
    """File ids of the 21 test scenes, or of those 8 that stand apart from the development scenes."""
    table = published_scenes()
    rows = table["apart"] if apart else table["part"] == TEST
    return [str(scene) for scene in table.loc[rows, "scene"]]


def is_test_scene(pair: ModisPair) -> bool:
    """Whether a pair is a test scene, under whatever id: its LST tells."""
    table = published_scenes()
    return pair.digest in set(table.loc[table["part"] == TEST, "lst_sha256"])


def are_published(digests: Collection[str]) -> bool:
    """Whether all of some `ModisPair.digest` are of published pairs."""
    return set(digests) <= set(published_scenes()["lst_sha256"])


def read_part(directory: Path, part: Part) -> list[ModisPair]:
    """The MODIS side of the pairs of a directory that belong to a
    part; a pair of your own is one to develop on.

    Raises
    ------
    InputError
        If the part is unknown, no pair belongs to it, or as `pairs.pair.read_modis`.
    """
    if part not in PARTS:
        raise InputError(f"scenes are '{part}'; expected {', '.join(PARTS)}.")
    pairs = [read_modis(directory, pair_id) for pair_id in pair_ids(directory)]
    of_part = [pair for pair in pairs if part == "all" or is_test_scene(pair) == (part == TEST)]
    if not of_part:
        raise InputError(
            f"{directory}: none of its {len(pairs)} pairs is a {part} scene; bring some, or take scenes"
            " 'all'."
        )
    return of_part


def read_development(directory: Path) -> list[Pair]:
    """The development pairs of a directory with their ASTER; of a test scene no ASTER file is opened.

    Raises
    ------
    InputError
        As `read_part`, or as `pairs.pair.read_pair`.
    """
    return [read_pair(directory, pair.id) for pair in read_part(directory, "development")]
