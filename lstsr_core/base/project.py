"""Where the project's own files are: notebooks, parameter files, the registry, runs."""

from __future__ import annotations

import shutil
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
NOTEBOOKS = PROJECT / "notebooks"
PARAMETERS = PROJECT / "data" / "params"
REGISTRY = PROJECT / "data" / "registry.txt"
SCENES = PROJECT / "data" / "scenes.csv"
TRAINING_SETTINGS = PROJECT / "data" / "training"
TRAINING_CURVES = PROJECT / "data" / "training_curves"
OWN_WEIGHTS = PROJECT / "data" / "own_weights"
ABLATION = PROJECT / "data" / "ablation"
BETTER_MAP = PROJECT / "data" / "better_map"
REGISTRATION = BETTER_MAP / "registration.json"
RUNS = PROJECT / "data" / "runs"


def resolve(path: str) -> Path:
    """An absolute path as it is; a relative one below the
    project, wherever the notebook or command was started."""
    return PROJECT / path


def is_there(path: Path) -> bool:
    """Whether a path leads to anything; no, too, where its name is too
    long or a folder on the way may not be entered."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def replace_folder(new: Path, target: Path) -> None:
    """Give a folder the name of another, which disappears only when the new one can have its name."""
    older = target.with_name(f".{target.name}.older")
    shutil.rmtree(older, ignore_errors=True)
    if target.exists():
        target.rename(older)
    new.rename(target)
    shutil.rmtree(older, ignore_errors=True)
