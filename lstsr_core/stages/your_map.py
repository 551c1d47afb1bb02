"""What the notebook on a map of your own calls: 14_your_map."""

from __future__ import annotations

import threading
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from IPython.display import Image

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import resolve
from lstsr_core.download.download import download, open_source
from lstsr_core.download.transfer import Patience
from lstsr_core.figures import panels
from lstsr_core.maps import days, input_costs, quicklook
from lstsr_core.maps.joining import joined
from lstsr_core.maps.place import Place
from lstsr_core.stages.common import write_csv, write_json
from lstsr_core.stages.map import summary_table
from lstsr_core.stages.parameters import YourMap

_MAP = "map.tif"


def plan(settings: YourMap) -> days.Plan:
    """What the map needs: the place's tiles, and the granules that the source has of the day.

    Raises
    ------
    InputError
        As `maps.days.Order` and `maps.days.plan_maps`.
    """
    place = Place.parse(settings.place)
    order = days.Order(
        place, settings.date, settings.date, settings.satellite, settings.product, settings.request
    )
    source = open_source(settings.source, Patience(6, 1.0), threading.Event(), settings.archive_url or None)
    return days.plan_maps(order, source, _cache(settings))


def describe(needed: days.Plan) -> pd.DataFrame:
    """The plan as a table: tiles, granules with their bytes, and the map's pixels and memory."""
    names = ["place", "days", needed.source.name, "map"]
    lines = [line.partition(": ")[2] for line in str(needed).splitlines()]
    return pd.DataFrame({"value": dict(zip(names, lines, strict=False))})


def make(settings: YourMap, needed: days.Plan) -> pd.DataFrame:
    """Fetch what is missing and write ``map.tif`` and ``map.json``: how much is valid, how warm.

    Raises
    ------
    InputError
        If a granule cannot be fetched or read.
    NoResult
        If there is nothing to map.
    """
    stop = threading.Event()
    result = download(needed.source, needed.download, needed.cache.granules, days.DOWNLOADS_AT_ONCE, stop)
    if result.failed:
        raise InputError(" ".join(next(iter(result.failed.values())).split()))
    summary = days.map_day(needed, settings.date, settings.directory / _MAP)
    content = {name: value for name, value in asdict(summary).items() if name not in ("out", "made")}
    write_json(settings, "map.json", {"method": settings.method, **content})
    return summary_table(summary, settings.method)


def show_beside_input(settings: YourMap, needed: days.Plan) -> Image:
    """The 1 km LST that went in beside the 250 m LST that came out."""
    granules = needed.granules(settings.date)
    lst = joined(granules, needed.window, needed.order.request.layer).lst
    figure = quicklook.input_and_map(lst, settings.directory / _MAP)
    return panels.show(figure, settings.directory, "input_and_map")


def show_trust(settings: YourMap) -> Image:
    """The map's validity, and its uncertainty where the method has one."""
    figure = quicklook.trust_map(settings.directory / _MAP)
    return panels.show(figure, settings.directory, "trust")


def costs_of_composites(settings: YourMap) -> pd.DataFrame:
    """Write ``composites.csv``: what the NDVI of 16 days costs in place of the day's, on a simulated day."""
    table = input_costs.composite_ndvi_costs(settings.method, days=input_costs.DAYS[1:2], windows=2)
    return write_csv(settings, "composites.csv", table).set_index(["sky", "ndvi"])


def costs_of_resampling(settings: YourMap) -> pd.DataFrame:
    """Write ``resampling.csv``: what inputs that went to degrees and back cost, on a simulated day."""
    table = input_costs.reprojection_costs(settings.method, days=input_costs.DAYS[1:2], windows=2)
    return write_csv(settings, "resampling.csv", table).set_index("resampled")


def _cache(settings: YourMap) -> Path:
    # Not among the results: a cache's manifest tells when its granules came.
    return resolve(settings.cache) if settings.cache else settings.run / ".granules"
