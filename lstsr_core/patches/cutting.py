"""Patches of granules: each pair of granules is cut once, and what
came of it is on record until one of them changes.

`cut_granule` is the unit of work and may run anywhere; `collect` joins the records into the tables. A
directory holds ``patches/`` (GeoTIFFs), ``records/`` (a JSON file for each pair of granules),
``patches.csv``, ``granules.csv`` and ``statistics.json``. Granules are told from changed ones by name, size
and time of change, so that they need not be read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from lstsr_core.base.errors import InputError, UnreadableGranule
from lstsr_core.base.files import written_atomically
from lstsr_core.base.fingerprint import identity
from lstsr_core.base.progress import bar
from lstsr_core.modis.day_pairs import REFLECTANCE_PRODUCTS, GranulePair, granule_pairs, tell_other_origins
from lstsr_core.modis.granule import Layer, read_lst, read_ndvi_over
from lstsr_core.modis.names import GranuleName
from lstsr_core.modis.quality import Policy
from lstsr_core.modis.water import DEFAULT_DILATION, MOST_DILATION, near_water, water_granule
from lstsr_core.patches.patch import Patch, table_of, windows, write_patch
from lstsr_core.patches.splits import hashed_split, place_and_month_keys, random_split
from lstsr_core.patches.statistics import joined, moments

Row = dict[str, Any]
Split = Literal["groups", "random"]

GRANULE_COLUMNS = ["date", "tile", "lst", "reflectance", "windows", "lst_bad", "ndvi_bad", "kept", "status"]

_PATCH_FILE = re.compile(r"h\d\dv\d\d_\d{4}-\d\d-\d\d(_[A-Z]+)?_\d\d_\d\d_(lst_1km|ndvi_250m)\.tif")


@dataclass(frozen=True)
class PatchSettings:
    """What decides which patches come of a pair of granules.

    Attributes
    ----------
    layer : {"day", "night"}
    coverage : float
        Largest share of bad LST pixels, 0 to 1; no NDVI pixel may be bad.
    policy : {"produced", "good"}
        Which LST pixels are used.
    water : Path, optional
        MOD44W granule, or a directory of them: LST pixels on or near water are bad.
    dilation : int
        Fine pixels by which water is widened.
    """

    layer: Layer = "day"
    coverage: float = 0.0
    policy: Policy = "produced"
    water: Path | None = None
    dilation: int = DEFAULT_DILATION

    def __post_init__(self) -> None:
        if not 0.0 <= self.coverage <= 1.0:
            raise InputError(f"coverage is {self.coverage}; expected a share of bad LST pixels from 0 to 1.")
        if not 0 <= self.dilation <= MOST_DILATION:
            raise InputError(f"dilation is {self.dilation}; expected 0 to {MOST_DILATION} pixels of 250 m.")
        if self.water is not None and not self.water.exists():
            raise InputError(f"{self.water}: no such file or directory; expected MOD44W granules there.")

    def water_of(self, name: GranuleName) -> Path | None:
        """The water mask that goes with a granule."""
        return self.water and water_granule(self.water, name.tile, name.date)


def cut_granule(
    lst_path: Path, reflectance_path: Path, directory: Path, settings: PatchSettings
) -> list[Row]:
    """Cut one pair of granules, write its GeoTIFFs, then its record;
    where the record still holds, read that alone.

    Parameters
    ----------
    lst_path, reflectance_path : Path
        Granules of one day and tile, under their own names.
    directory : Path
        Several processes may work in one, each on pairs of its own.
    settings : PatchSettings

    Returns
    -------
    list of dict
        A row for each patch: the table's columns but ``split``, and ``lst_k`` and ``ndvi`` with the number of
        valid pixels, their mean, the sum of the squared differences from it, minimum and maximum.

    Raises
    ------
    UnreadableGranule
        If one of the two cannot be read; the patches of its last reading are then off the record.
    InputError
        If the water mask cannot be read, or a file not be written.
    """
    name = GranuleName.parse(lst_path.name)
    water = settings.water_of(name)
    sources = _sources(lst_path, reflectance_path, water, settings)
    path = _record_path(directory, name)
    record = _valid_record(path, sources, directory)
    if record is None:
        path.unlink(missing_ok=True)
        patches, counts = _cut(lst_path, reflectance_path, water, settings)
        rows = [
            write_patch(patch, directory) | moments(patch.lst.values, patch.ndvi.values) for patch in patches
        ]
        files = {
            file: _identity(directory / file) for row in rows for file in (row["lst_path"], row["ndvi_path"])
        }
        record = {"sources": sources, "counts": counts, "rows": rows, "files": files}
        with written_atomically(path) as temporary:
            temporary.write_text(json.dumps(record, sort_keys=True) + "\n")
    return list(record["rows"])


def is_cut(pair: GranulePair, directory: Path, settings: PatchSettings) -> bool:
    """Whether a pair's patches are there, and are what these
    settings make of its granules as they are now."""
    if pair.reflectance is None:
        return False
    water = settings.water_of(pair.name)
    try:
        sources = _sources(pair.lst, pair.reflectance, water, settings)
    except UnreadableGranule:  # a link into a store that has not the file, perhaps: `cut_granule` will say so
        return False
    return _valid_record(_record_path(directory, pair.name), sources, directory) is not None


def _cut(
    lst_path: Path, reflectance_path: Path, water: Path | None, settings: PatchSettings
) -> tuple[list[Patch], dict[str, int]]:
    name = GranuleName.parse(lst_path.name)
    try:
        lst = read_lst(lst_path, settings.layer, settings.policy)
    except InputError as error:
        raise UnreadableGranule(str(error)) from error
    if water is not None:
        lst.values[near_water(water, lst, settings.dilation)] = np.nan
    cut = list(windows(lst, name.tile))
    shares = [float(np.isnan(window.values).mean()) for _, _, window in cut]
    clear = [
        (*place, share)
        for place, share in zip(cut, shares, strict=True)
        if share <= settings.coverage and share < 1.0
    ]
    try:
        ndvis = read_ndvi_over(reflectance_path, [window for _, _, window, _ in clear]) if clear else []
    except InputError as error:
        raise UnreadableGranule(str(error)) from error
    date, tile = name.date.isoformat(), str(name.tile)
    patches = [
        Patch(
            f"{tile}_{date}{_platform(name)}_{row:02d}_{column:02d}",
            window,
            ndvi,
            date,
            tile,
            row,
            column,
            share,
        )
        for (row, column, window, share), ndvi in zip(clear, ndvis, strict=True)
        if ndvi is not None and np.isfinite(ndvi.values).all()
    ]
    counts = {
        "windows": len(cut),
        "lst_bad": len(cut) - len(clear),
        "ndvi_bad": len(clear) - len(patches),
        "kept": len(patches),
    }
    return patches, counts


def _sources(
    lst_path: Path, reflectance_path: Path, water: Path | None, settings: PatchSettings
) -> dict[str, Any]:
    used = {key: value for key, value in asdict(settings).items() if key != "water"}
    if water is None:
        del used["dilation"]
    paths = {"lst": lst_path, "reflectance": reflectance_path, "water": water}
    identities = {kind: path and [path.name, *_identity(path)] for kind, path in paths.items()}
    return {"settings": used, **identities}


def _identity(path: Path) -> list[int]:
    try:
        size, changed_ns, _ = identity(path)  # without the entry's own time: a folder of patches may be moved
    except InputError as error:
        raise UnreadableGranule(f"{error} Fetch it again.") from error
    return [size, changed_ns]


def _platform(name: GranuleName) -> str:
    """What Aqua's patches and records have in their names, since a
    day may have both platforms; nothing for Terra's."""
    return "" if name.platform == "Terra" else f"_{name.platform.upper()}"


def _record_path(directory: Path, name: GranuleName) -> Path:
    return directory / "records" / f"{name.date}_{name.tile}{_platform(name)}.json"


def _read_record(path: Path) -> dict[str, Any] | None:
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):  # none yet, or a damaged one: the pair is cut again
        return None
    return (
        record
        if isinstance(record, dict) and record.keys() == {"sources", "counts", "rows", "files"}
        else None
    )


def _valid_record(path: Path, sources: Mapping[str, Any], directory: Path) -> dict[str, Any] | None:
    record = _read_record(path)
    if record is None or record["sources"] != sources:
        return None
    try:
        whole = all(_identity(directory / file) == identity for file, identity in record["files"].items())
    except UnreadableGranule:
        whole = False
    return record if whole else None


@dataclass(frozen=True)
class PatchTables:
    """What `collect` found.

    Attributes
    ----------
    patches : DataFrame
        ``patches.csv``.
    granules : DataFrame
        ``granules.csv``: a row for each LST granule, with its windows, those left out for bad
        LST and for bad NDVI, those kept, and its status: "ok", "no MOD09GQ or MYD09GQ granule of
        that day", "not cut" or why it could not be read.
    """

    patches: pd.DataFrame
    granules: pd.DataFrame

    @property
    def failures(self) -> dict[str, str]:
        """Reason by name of the LST granule, for the pairs that could not be read."""
        failed = self.granules[~self.granules["status"].isin([_OK, _NO_REFLECTANCE])]
        return dict(zip(failed["lst"], failed["status"], strict=True))


_OK, _NO_REFLECTANCE, _NOT_CUT = "ok", f"no {REFLECTANCE_PRODUCTS} granule of that day", "not cut"


def collect(
    directory: Path,
    pairs: Sequence[GranulePair],
    failures: Mapping[str, str],
    training_share: float = 0.6,
    seed: int = 42,
    split: Split = "groups",
) -> PatchTables:
    """Join the records of pairs that are cut; drop the records and GeoTIFFs of all others.

    Parameters
    ----------
    directory : Path
    pairs : sequence of GranulePair
        All that there are, whether cut now or earlier.
    failures : mapping
        Why, by name of the LST granule, for those that `cut_granule` could not read.
    training_share : float
        Above 0 and below 1.
    seed : int
    split : {"groups", "random"}
        By place and month, where new granules move no patch from one side to the other; or one by one as
        published, where any new patch draws all anew.

    Raises
    ------
    InputError
        If there are fewer than two patches, or patches of different settings.
    """
    rows, granules, used = [], [], []
    expected = {_record_path(directory, pair.name): pair for pair in pairs}
    for path in set((directory / "records").glob("*.json")) - expected.keys():
        path.unlink()
    for path, pair in expected.items():
        record = _read_record(path)
        status = failures.get(pair.lst.name) or (
            _NO_REFLECTANCE if pair.reflectance is None else _OK if record else _NOT_CUT
        )
        for granule in (pair.lst, pair.reflectance):
            status = status.replace(str(granule), granule.name) if granule else status
        counts = record["counts"] if record and status == _OK else {}
        reflectance = pair.reflectance.name if pair.reflectance else None
        granules.append({"date": pair.date.isoformat(), "tile": str(pair.tile), "lst": pair.lst.name,
                         "reflectance": reflectance, **counts, "status": status})  # fmt: skip
        if record and status == _OK:
            rows += record["rows"]
            used.append(record["sources"]["settings"])
        else:
            path.unlink(missing_ok=True)
    if any(settings != used[0] for settings in used):
        raise InputError(f"{directory}: holds patches of different settings; cut all granules with the same.")
    listed = pd.DataFrame(granules, columns=GRANULE_COLUMNS).astype(
        dict.fromkeys(GRANULE_COLUMNS[4:8], "Int64")
    )
    _write_table(listed, directory / "granules.csv")
    named = {Path(row[column]).name for row in rows for column in ("lst_path", "ndvi_path")}
    for file in (directory / "patches").glob("*.tif"):
        if _PATCH_FILE.fullmatch(file.name) and file.name not in named:
            file.unlink()
    try:
        table = table_of(rows)
    except InputError as error:
        raise InputError(
            " ".join([str(error), *(f"Not read: {reason}" for reason in failures.values())])
        ) from error
    if split == "groups":
        trains = hashed_split(place_and_month_keys(table), training_share, seed)
    else:
        trains = random_split(len(table), training_share, seed)
    table.loc[trains, "split"] = "train"
    try:
        statistics = joined([row for row, training in zip(rows, trains, strict=True) if training])
    except ValueError as error:
        raise InputError(
            f"{directory}: the training patches cannot tell how to z-score a network's inputs ({error})."
        ) from error
    with written_atomically(directory / "statistics.json") as temporary:
        temporary.write_text(json.dumps(asdict(statistics), indent=2, sort_keys=True) + "\n")
    _write_table(table, directory / "patches.csv")
    return PatchTables(table, listed)


def _write_table(table: pd.DataFrame, path: Path) -> None:
    with written_atomically(path) as temporary:
        table.to_csv(temporary, index=False)


def update(
    granules: Path,
    directory: Path,
    settings: PatchSettings,
    product: str = "MOD21A1",
    training_share: float = 0.6,
    seed: int = 42,
    split: Split = "groups",
) -> PatchTables:
    """Bring a directory of patches up to date with a directory of granules:
    cut what is new or changed, drop what is gone.

    Stopped at any point, the same call goes on. A pair that cannot
    be read is in ``granules.csv`` with the reason.

    Raises
    ------
    InputError
        If there is no granule, a file cannot be written, or fewer than two patches came of them.
    """
    pairs = granule_pairs(granules, product, settings.layer)
    tell_other_origins(pairs)
    failures = {}
    for pair in bar(pairs, "Patches", "day"):
        if pair.reflectance is not None:
            try:
                cut_granule(pair.lst, pair.reflectance, directory, settings)
            except UnreadableGranule as error:
                failures[pair.lst.name] = str(error)
    return collect(directory, pairs, failures, training_share, seed, split)
