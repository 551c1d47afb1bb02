"""What 01_download does with an archive: the granules of a period, fetched once for all runs and linked into this one."""

from __future__ import annotations

import datetime
import sys
import threading

import pandas as pd

from lstsr_core.download import download, make_plan, open_source
from lstsr_core.grid import Tile
from lstsr_core.manifest import read_manifest
from lstsr_core.parameters import Download
from lstsr_core.products import Product
from lstsr_core.project import resolve
from lstsr_core.sources import Source
from lstsr_core.transfer import Patience

_THREADS = 8


def download_granules(settings: Download) -> pd.DataFrame:
    """Fetch and link the granules of a notebook's parameters, from the archive that they name.

    Returns
    -------
    DataFrame
        As that of `link_granules`.

    Raises
    ------
    InputError
        If the archive cannot be listed, or there is no login or no room.
    """
    stop = threading.Event()
    return link_granules(settings, open_source(settings.archive, Patience(), stop, settings.archive_url or None), stop)


def link_granules(settings: Download, source: Source, stop: threading.Event) -> pd.DataFrame:
    """Fetch what the shared directory lacks, and link the period's granules into the notebook's.

    Returns
    -------
    DataFrame
        A row for each granule: file, kind, bytes, sha256, status ("downloaded" or "failed").
    """
    shared, linked = resolve(settings.granule_directory), settings.directory / "granules"
    products, tiles = [Product.parse(name) for name in settings.products], [Tile.parse(name) for name in settings.tiles]
    start, end = datetime.date.fromisoformat(settings.start), datetime.date.fromisoformat(settings.end)
    plan = make_plan(source, products, tiles, start, end, shared)
    result = download(source, plan, shared, _THREADS, stop)
    for reason in result.failed.values():
        print(reason, file=sys.stderr)
    entries = read_manifest(shared)
    linked.mkdir(parents=True, exist_ok=True)
    rows: list[list[object]] = []
    for name in sorted([*result.fetched, *result.held]):
        (linked / name).unlink(missing_ok=True)
        (linked / name).symlink_to(shared / name)
        rows.append([f"granules/{name}", "granule", entries[name].bytes, entries[name].sha256, "downloaded"])
    rows += [[f"granules/{name}", "granule", 0, "", "failed"] for name in sorted([*result.failed, *result.left])]
    return pd.DataFrame(rows, columns=["file", "kind", "bytes", "sha256", "status"])
