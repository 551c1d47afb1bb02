"""What a run's files tell of the scenes of its atlas, for the book's pages."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lstsr_book.atlas_map import FootprintMap
from lstsr_book.claim_evidence import LABELS
from lstsr_book.run_files import PAIRS, SUMMARY, RunFiles
from lstsr_core.stages.atlas import METRICS_FILE, SCENES_FILE, SCENES_FOLDER
from lstsr_core.stages.atlas_scenes import SCENE_FILE
from lstsr_core.stages.common import read_footprints

ATLAS = "11_atlas"
CHOOSER = "atlas"
"""The page that all scenes are chosen from, and the folder of their pages."""

STATIC_FOLDER = "_static/atlas"
"""Where images and scripts of scenes lie in the book."""


class AtlasResults:
    """The tables of 11_atlas, and how its scenes are named and reached.

    Attributes
    ----------
    files : RunFiles
    scenes, metrics, statistics : DataFrame
        ``scenes.csv``, ``metrics.csv`` and, by scene, ``pairs.csv``.
    ids, methods : list of str
        Scenes, and the methods that the metrics know.
    synthetic : bool
    map : FootprintMap

    Raises
    ------
    InputError
        If a file is missing or lacks a column.
    """

    def __init__(self, files: RunFiles) -> None:
        self.files = files
        self.scenes = _by_scene(
            files, f"{ATLAS}/{SCENES_FILE}", ["longitude", "latitude", "status", "published_status"]
        )
        self.metrics = _by_scene(files, f"{ATLAS}/{METRICS_FILE}", ["method", "protocol", "status"])
        self.statistics = _by_scene(files, PAIRS, []).set_index("scene")
        self.synthetic = bool(files.json(SUMMARY)["synthetic"])
        self.ids = [str(scene) for scene in self.scenes["scene"]]
        self.methods = [name for name in LABELS if name in set(self.metrics["method"])]
        outlines = read_footprints(files.run)
        self.map = FootprintMap({scene: outlines[scene] for scene in self.ids})

    def name(self, scene: str) -> str:
        """What readers see of a scene."""
        return f"Pair {scene} (simulated)" if self.synthetic else f"Pair {scene}"

    def page(self, scene: str) -> str:
        """A scene's page without its suffix, from the book's root."""
        return f"{CHOOSER}/{scene}"

    def file(self, scene: str, name: str) -> str:
        """A file of a scene, from the run's directory."""
        return f"{ATLAS}/{SCENES_FOLDER}/{scene}/{name}"

    def content(self, scene: str) -> dict[str, Any]:
        """What the scene's ``scene.json`` holds."""
        return self.files.json(self.file(scene, SCENE_FILE))

    def scores(self, protocol: str) -> pd.DataFrame:
        """Rows of the metrics of one protocol that hold figures."""
        return self.metrics[(self.metrics["protocol"] == protocol) & (self.metrics["status"] == "ok")]


def _by_scene(files: RunFiles, name: str, columns: list[str]) -> pd.DataFrame:
    table = files.table(name, ["scene", *columns])
    return table.assign(scene=table["scene"].astype(str))
