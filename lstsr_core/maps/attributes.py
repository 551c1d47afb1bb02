"""What the variables of a map mean, by the CF conventions."""

from __future__ import annotations

from typing import Any

import numpy as np

from lstsr_core.maps.validity import FLAGS

_FLAG_WORDS = [
    "valid", "cloud_or_fill", "ndvi_invalid", "water", "outside_training_range", "outside_shape",
    "not_trained_for",
]  # fmt: skip
"""CF's one word for each of `validity.FLAGS`, in its order."""

ATTRIBUTES: dict[str, dict[str, Any]] = {
    "LST": {
        "standard_name": "surface_temperature",
        "long_name": "land surface temperature at 250 m",
        "units": "K",
        "ancillary_variables": "validity residual",
    },
    "residual": {"long_name": "map degraded to 1 km minus the 1 km LST", "units": "K"},
    "uncertainty": {
        "standard_name": "surface_temperature standard_error",
        "long_name": "one standard deviation of LST",
        "units": "K",
    },
    "validity": {
        "long_name": "why a pixel has no LST, or deserves less trust",
        "flag_values": np.array(list(FLAGS), np.uint8),
        "flag_meanings": " ".join(_FLAG_WORDS),
        "comment": "; ".join(f"{number}: {meaning}" for number, meaning in FLAGS.items()),
    },
    "x": {"standard_name": "projection_x_coordinate", "long_name": "easting", "units": "m", "axis": "X"},
    "y": {"standard_name": "projection_y_coordinate", "long_name": "northing", "units": "m", "axis": "Y"},
    "time": {"standard_name": "time", "long_name": "day of acquisition", "axis": "T"},
    "granule": {"long_name": "LST granule"},
}
