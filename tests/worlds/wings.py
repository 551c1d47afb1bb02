"""The names of the wings."""

from __future__ import annotations

WINGS = [
    "base", "geo", "metrics", "modis", "pairs", "simulation", "download", "patches", "networks", "sharpening",
    "evaluation", "figures", "maps", "stages",
]  # fmt: skip
"""From the ground up."""
