"""What the notebook on maps calls: 07_map."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pandas as pd
from IPython.display import Image

from lstsr_core.base.errors import InputError
from lstsr_core.figures import panels
from lstsr_core.maps import quicklook
from lstsr_core.maps.area import to_degrees
from lstsr_core.maps.predict import Summary, predict_granule, read_area
from lstsr_core.modis.day_pairs import LST_KINDS, granule_pairs, newest_granules
from lstsr_core.modis.granule import read_rgb
from lstsr_core.modis.names import GranuleName
from lstsr_core.stages.common import write_json
from lstsr_core.stages.parameters import Download, Map

NO_GRANULE = (
    "no granule here: the published pairs are patches; set 01_download.source=sample, or map one with lstsr"
    " predict"
)

COLOUR_KIND = "09GA"


def chosen_granules(settings: Map) -> tuple[Path, Path] | None:
    """The LST granule and the reflectance granule of the day; None if 01_download brought no granule at all.

    MOD21A1 is taken before MOD11A1, Terra's before Aqua's.

    Raises
    ------
    InputError
        If there are granules, but not both of this day and layer.
    """
    directory = settings.run / Download.notebook / "granules"
    if not any(directory.glob("*.hdf")):
        return None
    kinds = {product: layers[settings.layer] for product, layers in LST_KINDS.items()}
    families = [product for product, kind in kinds.items() if newest_granules(directory, kind)] or [*kinds]
    pairs = [
        pair for pair in granule_pairs(directory, families[0], settings.layer) if pair.reflectance is not None
    ]
    for pair in pairs:
        if settings.day in ("first", pair.date.isoformat()):
            return pair.paths
    days = ", ".join(dict.fromkeys(pair.date.isoformat() for pair in pairs)) or "none"
    raise InputError(
        f"{settings.notebook}: parameter 'day' is '{settings.day}'; days with both granules: {days}."
    )


def describe_area(settings: Map) -> pd.DataFrame:
    """What the LST granule holds of the area: its size, its place and its temperatures at 1 km."""
    granules = chosen_granules(settings)
    if granules is None:
        return pd.DataFrame({"value": {"granules": NO_GRANULE}})
    ground = read_area(*granules, settings.request)
    part = ground.lst.crop(ground.window.rows, ground.window.columns)
    (west, east), (north, south) = to_degrees(
        np.array([part.left_m, part.right_m]), np.array([part.top_m, part.bottom_m])
    )
    rows = {"LST granule": granules[0].name, "reflectance granule": granules[1].name,
            "pixels of 1 km (rows × columns)": f"{part.rows} × {part.columns}"}  # fmt: skip
    numbers = {
        "upper left longitude (degrees)": west, "upper left latitude (degrees)": north,
        "lower right longitude (degrees)": east, "lower right latitude (degrees)": south,
        "share of LST pixels without cloud or fill": float(np.isfinite(part.values).mean()),
        "lowest LST at 1 km (K)": float(np.nanmin(part.values)),
        "highest LST at 1 km (K)": float(np.nanmax(part.values)),
    }  # fmt: skip
    return pd.DataFrame({"value": rows | {name: f"{value:.4f}" for name, value in numbers.items()}})


def make_map(settings: Map) -> pd.DataFrame:
    """Write ``map.tif`` and ``map.json``: the map, and how much of it is valid, how warm, how consistent."""
    granules = chosen_granules(settings)
    if granules is None:
        write_json(settings, "map.json", {"made": False, "reason": NO_GRANULE})
        return pd.DataFrame({"value": {"map": NO_GRANULE}})
    summary = predict_granule(*granules, settings.directory / "map.tif", settings.request)
    content = {name: value for name, value in asdict(summary).items() if name not in ("out", "made")}
    write_json(settings, "map.json", {"made": True, "method": settings.method, **content})
    return summary_table(summary, settings.method)


def summary_table(summary: Summary, method: str) -> pd.DataFrame:
    """How large a map is, how much of it is valid, how warm, how consistent, and its warnings."""
    rows = {
        "method": panels.label(method),
        "pixels of 250 m (rows × columns)": f"{summary.rows} × {summary.columns}",
    }
    rows |= {f"share: {meaning}": f"{share:.4f}" for meaning, share in summary.shares.items() if share}
    temperatures = {"mean": summary.lst_mean_k, "lowest": summary.lst_min_k, "highest": summary.lst_max_k}
    rows |= {f"{name} LST (K)": f"{value:.2f}" for name, value in temperatures.items()}
    rows["consistency with the 1 km LST (K)"] = f"{summary.consistency_k:.3f}"
    rows |= {f"warning {number}": warning for number, warning in enumerate(summary.warnings, start=1)}
    return pd.DataFrame({"value": rows})


def show_map(settings: Map) -> Image | None:
    """The map's LST with shorelines; nothing if there is no map."""
    path = settings.directory / "map.tif"
    return panels.show(quicklook.lst_map(path), settings.directory, "map") if path.is_file() else None


def show_map_quality(settings: Map) -> Image | None:
    """The map's consistency residual and its validity flag; nothing if there is no map."""
    path = settings.directory / "map.tif"
    return panels.show(quicklook.quality_map(path), settings.directory, "quality") if path.is_file() else None


def show_true_colour(settings: Map) -> Image | None:
    """The map beside the day's MOD09GA in true colour, Terra's before Aqua's; without one a line says so."""
    path, granules = settings.directory / "map.tif", chosen_granules(settings)
    if granules is None or not path.is_file():
        return None
    reflectance = GranuleName.parse(granules[1].name)
    colours = newest_granules(granules[1].parent, COLOUR_KIND)
    same_day = [colours[key] for key in sorted(colours) if key[1:] == (reflectance.date, reflectance.tile)]
    if not same_day:
        print(
            f"No MOD09GA or MYD09GA of {reflectance.date} is among the granules: no true colour beside the"
            " map."
        )
        return None
    return panels.show(
        quicklook.true_colour_map(path, read_rgb(same_day[0])), settings.directory, "true_colour"
    )
