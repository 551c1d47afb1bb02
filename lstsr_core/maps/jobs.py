"""Maps and patches of a whole directory of granules: the work
that `batch` spreads over processes or a cluster."""

from __future__ import annotations

import datetime
from contextlib import suppress
from pathlib import Path

import pandas as pd

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.base.fingerprint import Digests
from lstsr_core.base.parallel import Outcome
from lstsr_core.geo.grid import Tile
from lstsr_core.geo.raster import read_tags
from lstsr_core.maps.batch import Job, Outputs, State, do_all
from lstsr_core.maps.predict import is_made, map_tags, picture_of, predict_granule, request_tags, water_of
from lstsr_core.maps.request import Request
from lstsr_core.modis.day_pairs import GranulePair, granule_pairs, tell_other_origins
from lstsr_core.modis.names import GranuleName
from lstsr_core.patches.cutting import PatchSettings, PatchTables, Split, collect, cut_granule, is_cut

MAP_MEMORY_BYTES = 2_800_000_000
"""Peak of a whole tile's map (benchmarks/bench_map.py)."""

PATCHES_MEMORY_BYTES = 700_000_000
"""Peak of a whole tile's patches (benchmarks/bench_patches.py)."""

MAP_ENDING = "_250m.tif"
DIGESTS_FILE, NOTHING_FILE = "digests.json", "nothing_to_map.csv"
_NOTHING = ["granule", "reason", "fingerprint"]


class Maps(Outputs):
    """A directory of maps, where the rule of `predict_granule` says whether a
    map is there: made of these granules as they are.

    A day has one map for each product and tile. What is older of it, because its granule was produced or
    written anew, goes when the new map is there, or nothing is to be mapped any more. Days with nothing to
    map are on record in ``nothing_to_map.csv``, digests of the granules in ``digests.json``.
    """

    def __init__(self, directory: Path, request: Request) -> None:
        super().__init__(directory, MAP_ENDING)
        self.request = request
        self.shared = request_tags(request)
        self._digests = Digests(directory / DIGESTS_FILE)
        self._nothing = _read_nothing(directory / NOTHING_FILE)
        self._maps: dict[tuple[str, datetime.date, Tile], list[Path]] = {}
        for path in sorted(directory.glob(f"*{MAP_ENDING}")):
            with suppress(InputError):  # a map of somebody's own
                name = GranuleName.parse(f"{path.name.removesuffix(MAP_ENDING)}.hdf")
                self._maps.setdefault((name.product, name.date, name.tile), []).append(path)

    def state(self, pair: GranulePair) -> State:
        there, fingerprint = self.path(pair).is_file(), self._nothing.get(pair.lst.name, ("", ""))[0]
        try:
            if there or fingerprint:
                tags = self._tags(pair)
                if fingerprint == tags["LSTSR_FINGERPRINT"]:
                    return "nothing"
                if there and is_made(self.path(pair), tags, self.request):
                    return "done"
            for path in pair.paths:
                self._digests.await_digest(path)
        except InputError:  # whoever makes the map will say why
            pass
        return "missing"

    def older(self, pair: GranulePair) -> list[Path]:
        maps = self._maps.get((pair.name.product, pair.date, pair.tile), [])
        return [path for path in maps if path != self.path(pair) and is_map(path)]

    def settle(self, pair: GranulePair, outcome: Outcome | None) -> list[str]:
        name, others = pair.name, self.older(pair)
        if outcome is not None and outcome.failed:
            stale = [path for path in (*others, self.path(pair)) if path.is_file()]
            return [f"{path}: an older map of that day, stays as it is" for path in stale]
        if outcome is not None and outcome.nothing:
            with suppress(InputError):  # a granule that went away while it was read: the day is tried again
                self._nothing[pair.lst.name] = self._tags(pair)["LSTSR_FINGERPRINT"], outcome.reason
            others.append(self.path(pair))
            return [f"nothing to map: {outcome.reason}", *_removed(others, f"{name} replaces its granule")]
        if outcome is not None:
            tags = read_tags(self.path(pair))
            for path, role in zip(pair.paths, ("LST", "REFLECTANCE"), strict=True):
                self._digests.learn(path, tags[f"LSTSR_{role}_SHA256"])
            self._nothing.pop(pair.lst.name, None)
        return _removed(others, f"{name} replaces its granule")

    def save(self) -> None:
        self._digests.save()
        path = self.directory / NOTHING_FILE
        if self._nothing:
            rows = [
                (name, reason, fingerprint) for name, (fingerprint, reason) in sorted(self._nothing.items())
            ]
            with written_atomically(path) as temporary:
                pd.DataFrame(rows, columns=_NOTHING).to_csv(temporary, index=False)
        else:
            path.unlink(missing_ok=True)

    def _tags(self, pair: GranulePair) -> dict[str, str]:
        return map_tags(*pair.paths, self.shared, water_of(self.request, pair.lst), self._digests.of)


def is_map(path: Path) -> bool:
    """Whether `predict_granule` made a file."""
    return "LSTSR_FINGERPRINT" in read_tags(path)


def _removed(paths: list[Path], why: str) -> list[str]:
    """Delete maps that `predict_granule` made, with their pictures; a line for each."""
    messages = []
    for path in paths:
        if is_map(path):
            path.unlink()
            picture_of(path).unlink(missing_ok=True)
            messages.append(f"{path}: removed ({why})")
    return messages


def _read_nothing(path: Path) -> dict[str, tuple[str, str]]:
    """Fingerprint and reason by LST granule; nothing where the table is
    missing or damaged: those days are tried again."""
    try:
        table = pd.read_csv(path, dtype=str).fillna("")
        return {
            name: (fingerprint, reason)
            for name, reason, fingerprint in zip(*(table[key] for key in _NOTHING), strict=True)
        }
    except (OSError, ValueError, KeyError):
        return {}


def map_job(granules: Path, out: Path, request: Request, product: str = "MOD21A1") -> Job:
    """A map of every LST granule below a directory that has its reflectance granule.

    Parameters
    ----------
    granules, out : Path
    request : Request
        Alike for all.
    product : {"MOD21A1", "MOD11A1"}
        Family of the LST granules, of whichever platform.

    Raises
    ------
    InputError
        If there is no such LST granule, the method lacks weights,
        or a file that the request names cannot be read.
    """
    pairs, maps = granule_pairs(granules, product, request.layer), Maps(out, request)
    return Job(
        granules, pairs, predict_granule, request, maps, more=(maps.shared,), memory_bytes=MAP_MEMORY_BYTES
    )


def cut_all(
    granules: Path,
    directory: Path,
    settings: PatchSettings,
    product: str,
    training_share: float,
    seed: int,
    split: Split,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
) -> PatchTables:
    """`patches.cutting.update`, with many granules cut at once.

    Raises
    ------
    InputError
        As `update` and `base.parallel.run_all`.
    """
    pairs = granule_pairs(granules, product, settings.layer)
    tell_other_origins(pairs)
    missing = [pair for pair in pairs if not is_cut(pair, directory, settings)]
    directory.mkdir(parents=True, exist_ok=True)
    place = directory.absolute()
    items = {
        pair.lst.name: (pair.lst.absolute(), pair.reflectance.absolute(), place, settings)
        for pair in missing
        if pair.reflectance is not None
    }
    outcomes = do_all(
        cut_granule, items, directory, scheduler=scheduler, workers=workers, memory_bytes=PATCHES_MEMORY_BYTES
    )
    failures = {outcome.name: outcome.reason for outcome in outcomes if outcome.reason}
    return collect(directory, pairs, failures, training_share, seed, split)
