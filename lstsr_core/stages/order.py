"""The order of the notebooks: which reads what of which, and of the project's own files."""

from __future__ import annotations

from pathlib import Path

from lstsr_core.base.project import (
    ABLATION,
    BETTER_MAP,
    OWN_WEIGHTS,
    REGISTRATION,
    SCENES,
    TRAINING_CURVES,
    TRAINING_SETTINGS,
)
from lstsr_core.networks.weights_files import PACKAGE_WEIGHTS
from lstsr_core.stages.parameters import NotebookParameters, Training

UPSTREAM = {
    "01_download": [],
    "02_patches": ["01_download"],
    "03_training": ["01_download", "02_patches"],
    "04_sharpening": ["01_download", "03_training"],
    "05_fourier": ["01_download", "04_sharpening"],
    "06_aster_evaluation": ["01_download", "04_sharpening"],
    "07_map": ["01_download", "03_training"],
    "08_findings": ["01_download", "04_sharpening"],
    "09_weights": [],
    "10_ablation": ["01_download"],
    "11_atlas": ["01_download", "04_sharpening", "06_aster_evaluation"],
    "13_better_map": ["01_download", "04_sharpening"],
    "14_your_map": [],
}
UPSTREAM["12_structure"] = list(UPSTREAM)  # it runs last, for it counts the files of all the others
"""The notebooks in order, each with those whose results it may read."""

COMMITTED = {
    "02_patches": [SCENES],
    "03_training": [SCENES, TRAINING_SETTINGS, TRAINING_CURVES],
    "05_fourier": [REGISTRATION],
    "06_aster_evaluation": [REGISTRATION],
    "08_findings": [REGISTRATION, PACKAGE_WEIGHTS],
    "09_weights": [OWN_WEIGHTS, PACKAGE_WEIGHTS, TRAINING_CURVES],
    "10_ablation": [SCENES, TRAINING_SETTINGS, ABLATION],
    "11_atlas": [],
    "13_better_map": [SCENES, BETTER_MAP, PACKAGE_WEIGHTS],
    "14_your_map": [PACKAGE_WEIGHTS],
}
COMMITTED["12_structure"] = list(
    dict.fromkeys(directory for directories in COMMITTED.values() for directory in directories)
)
"""Files and directories of the project that a notebook reads beside the
run's; any other may read the package's weights."""


def upstream_of(parameters: NotebookParameters) -> list[str]:
    """The notebooks whose results a notebook reads with these parameters:
    03_training where its weights are named alone."""
    weights = getattr(parameters, "weights_directory", None)
    trained = weights is None or Path(weights).parts[:1] == (Training.notebook,)
    return [name for name in UPSTREAM[parameters.notebook] if trained or name != Training.notebook]
