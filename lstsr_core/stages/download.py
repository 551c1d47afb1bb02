"""What 01_download does: simulates the sample, or verifies and links what is
published, and fetches the granules of a period."""

from __future__ import annotations

import datetime
import sys
import threading

import numpy as np
import pandas as pd
import rasterio.warp
import shapely
from IPython.display import Image

from lstsr_core.base.errors import InputError
from lstsr_core.base.fingerprint import sha256
from lstsr_core.base.project import resolve
from lstsr_core.download.download import download, make_plan, open_source
from lstsr_core.download.manifest import read_manifest
from lstsr_core.download.sources import Source
from lstsr_core.download.transfer import Patience
from lstsr_core.evaluation.pair_statistics import pair_statistics
from lstsr_core.figures import panels
from lstsr_core.geo.grid import Tile
from lstsr_core.geo.raster import FloatArray
from lstsr_core.modis.products import Product
from lstsr_core.pairs.pair import PUBLISHED_PAIRS, Pair, align, fine_offset, pair_ids, read_pair
from lstsr_core.pairs.published import link_verified, published_directory, verify
from lstsr_core.pairs.swath import ASTER_VALID_K
from lstsr_core.simulation.landscape import TILE
from lstsr_core.simulation.scenes import simulate
from lstsr_core.stages.common import pairs_of, read_footprints, write_csv, write_json
from lstsr_core.stages.parameters import Download

_THREADS = 8


def bring_data(settings: Download) -> pd.DataFrame:
    """Simulate the sample, or verify and link the published pairs
    and download granules; write ``manifest.csv``.

    Returns
    -------
    DataFrame
        How many files of each kind have which status.

    Raises
    ------
    InputError
        If downloaded granules would join simulated ones, or there is nothing to verify or to link.
    """
    if settings.archive != "none" and settings.source == "sample":
        raise InputError(
            f"{settings.notebook}: archive is '{settings.archive}' and source is 'sample'; downloaded"
            " granules go with source 'published', never with simulated ones."
        )
    directory = settings.directory
    if settings.source == "sample":
        simulate(directory, settings.seed, settings.dates, settings.windows, settings.pairs, settings.mtf)
        paths = sorted(path for folder in ("granules", "pairs") for path in (directory / folder).iterdir())
        rows = [
            [
                f"{p.parent.name}/{p.name}",
                p.parent.name.removesuffix("s"),
                p.stat().st_size,
                sha256(p),
                "simulated",
            ]
            for p in paths
        ]
        manifest = pd.DataFrame(rows, columns=["file", "kind", "bytes", "sha256", "status"])
    else:
        files = verify(published_directory())
        link_verified(files, directory / "pairs", directory / "weights")
        manifest = files[["file", "kind", "bytes", "sha256", "status"]]
    if settings.archive != "none":
        manifest = pd.concat([manifest, download_granules(settings)])
    write_csv(settings, "manifest.csv", manifest)
    return manifest.groupby(["kind", "status"]).size().rename("files").reset_index()


def describe_pairs(settings: Download) -> pd.DataFrame:
    """Write ``pairs.csv`` (place, offset and statistics of each
    pair), ``footprints.geojson`` and ``summary.json``.

    Returns
    -------
    DataFrame
        One row for each pair.
    """
    rows, features = [], []
    for pair in pairs_of(settings, pair_ids(settings.directory / "pairs")):
        outline = footprint(pair)
        centre = shapely.Polygon(outline).centroid
        down, right = fine_offset(pair)
        aligned = align(pair)
        place = {"longitude": centre.x, "latitude": centre.y, "utm_zone": pair.aster.crs.to_epsg() % 100}
        offsets = {"ndvi_rows_down": down, "ndvi_columns_right": right}
        statistics = pair_statistics(aligned.lst.values, aligned.ndvi.values, pair.aster.values)
        if pair.remarks:
            print(f"pair {pair.id}: {pair.remarks}", file=sys.stderr)
        rows.append({"scene": pair.id, **place, **offsets, **statistics, "remarks": pair.remarks})
        geometry = {"type": "Polygon", "coordinates": [np.round(outline, 5).tolist()]}
        features.append({"type": "Feature", "properties": {"scene": pair.id}, "geometry": geometry})
    write_json(settings, "footprints.geojson", {"type": "FeatureCollection", "features": features})
    summary = {
        "source": settings.source,
        "synthetic": settings.source == "sample",
        "pairs": len(rows),
        "pairs_published": PUBLISHED_PAIRS,
        "granules": len(list(settings.directory.glob("granules/*.hdf"))),
    }
    write_json(settings, "summary.json", summary)
    return write_csv(settings, "pairs.csv", pd.DataFrame(rows))


def footprint(pair: Pair) -> FloatArray:
    """Outline of the ASTER swath, (points, 2) longitudes and latitudes in degrees, closed."""
    rows, columns = np.nonzero(np.nan_to_num(pair.aster.values) >= ASTER_VALID_K)
    points = np.column_stack([pair.aster.left_m + (columns + 0.5) * pair.aster.pixel_width_m,
                              pair.aster.top_m + (rows + 0.5) * pair.aster.transform.e])  # fmt: skip
    hull = shapely.MultiPoint(points).convex_hull.simplify(2.0 * pair.aster.pixel_width_m)
    x, y = np.asarray(hull.exterior.coords.xy)
    longitudes, latitudes = rasterio.warp.transform(pair.aster.crs, "EPSG:4326", x.tolist(), y.tolist())
    return np.column_stack([longitudes, latitudes])


def landscape_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """10 %, median and 90 % of each statistic over the pairs."""
    columns = [
        name
        for name in pairs.columns
        if name not in ("scene", "longitude", "latitude", "utm_zone", "remarks")
    ]
    quantiles = pairs[columns].astype(float).quantile([0.1, 0.5, 0.9]).T
    return quantiles.set_axis(["p10", "median", "p90"], axis="columns").rename_axis("statistic").reset_index()


def show_study_area(settings: Download) -> Image:
    """Figure 3: the tile and the ASTER footprints."""
    outlines = read_footprints(settings.run)
    swaths = "simulated ASTER swaths" if settings.source == "sample" else "ASTER swaths"
    return panels.show(panels.study_area(outlines, TILE, swaths), settings.directory, "study_area")


def show_example_pair(settings: Download) -> Image:
    """Figure 4: the first pair."""
    directory = settings.directory / "pairs"
    pair = read_pair(directory, pair_ids(directory)[0])
    return panels.show(panels.example_pair(pair), settings.directory, "example_pair")


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
    return link_granules(
        settings, open_source(settings.archive, Patience(), stop, settings.archive_url or None), stop
    )


def link_granules(settings: Download, source: Source, stop: threading.Event) -> pd.DataFrame:
    """Fetch what the shared directory lacks, and link the period's granules into the notebook's.

    Returns
    -------
    DataFrame
        A row for each granule: file, kind, bytes, sha256, status ("downloaded" or "failed").
    """
    shared, linked = resolve(settings.granule_directory), settings.directory / "granules"
    products, tiles = (
        [Product.parse(name) for name in settings.products],
        [Tile.parse(name) for name in settings.tiles],
    )
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
    rows += [
        [f"granules/{name}", "granule", 0, "", "failed"] for name in sorted([*result.failed, *result.untried])
    ]
    return pd.DataFrame(rows, columns=["file", "kind", "bytes", "sha256", "status"])
