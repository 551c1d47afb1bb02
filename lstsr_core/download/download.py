"""Downloads of granules: a file gets its name only when size,
checksum and a look inside say that it is the granule."""

from __future__ import annotations

import datetime
import itertools
import shutil
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lstsr_core.base.errors import InputError
from lstsr_core.base.locks import locked
from lstsr_core.base.progress import bar, counter
from lstsr_core.download.manifest import Entry, enter, read_manifest
from lstsr_core.download.sources import SOURCES, RemoteGranule, SampleSource, Source
from lstsr_core.download.transfer import Patience, TransferError
from lstsr_core.geo.grid import Tile
from lstsr_core.modis.hdf4 import read_hdf
from lstsr_core.modis.products import COLLECTION, Product

MOST_THREADS = 32
ASSUMED_RATE_BYTES_PER_S = 10e6

_WHOLE_FETCHES = 2
"""Of a granule that turns out not to be what the archive says."""

_GIVE_UP_AFTER = 8
"""Failures in a row that are not the single granule's fault, after which the rest is not tried."""


def check_threads(threads: int) -> None:
    """Refuse a number of threads that is none, or more than an archive should be asked with."""
    if not 1 <= threads <= MOST_THREADS:
        raise InputError(f"threads is {threads}; expected 1 to {MOST_THREADS}.")


def open_source(
    name: str,
    patience: Patience,
    stop: threading.Event,
    url: str | None = None,
    path: str | None = None,
    seed: int = 42,
) -> Source:
    """The source of a name, `url` and `path` being a mirror's, `seed` the simulator's.

    Raises
    ------
    InputError
        If there is no such source, or it lacks what it needs.
    """
    if name == "mirror":
        from lstsr_core.download.mirror import MirrorSource

        if not url:
            raise InputError(
                "--source mirror needs --url, the archive's address, such as https://archive.example.org."
            )
        return MirrorSource(url, patience, stop, path)
    if url:
        raise InputError(f"--url is of --source mirror; the source is {name}.")
    if name == "earthdata":
        from lstsr_core.download.earthdata import EarthdataSource

        return EarthdataSource(patience, stop)
    if name == "sample":
        return SampleSource(seed)
    raise InputError(f"unknown source '{name}'; known sources: {', '.join(SOURCES)}.")


@dataclass(frozen=True)
class DownloadPlan:
    """What a download has to do.

    Attributes
    ----------
    missing, held : list of RemoteGranule
        Those to fetch, and those that are here and as the manifest says.
    """

    missing: list[RemoteGranule]
    held: list[RemoteGranule]


@dataclass
class Result:
    """What a download did.

    Attributes
    ----------
    fetched, held : list of str
        Granules that were brought, and that were here.
    failed : dict of str to str
        Granule → why, in one line.
    untried : list of str
        Granules that were not tried, because nothing came any more.
    unchecked : list of str
        Of those fetched, the ones for which the archive states no checksum.
    """

    fetched: list[str] = field(default_factory=list)
    held: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    untried: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)


def make_plan(
    source: Source,
    products: Iterable[Product],
    tiles: Sequence[Tile],
    start: datetime.date,
    end: datetime.date,
    directory: Path,
) -> DownloadPlan:
    """List the granules of a period, both ends included, and compare with what a directory holds.

    Raises
    ------
    InputError
        If the source cannot be listed, the directory's manifest
        cannot be read, or the period ends before it starts.
    """
    if end < start:
        raise InputError(
            f"the period starts on {start} and ends on {end}; expected an end on the same day or later."
        )
    entries = read_manifest(directory)
    plan = DownloadPlan([], [])
    wanted = list(itertools.product(dict.fromkeys(products), dict.fromkeys(tiles)))
    for product, tile in bar(wanted, f"Asking {source.name}", "list"):
        for granule in source.search(product, tile, start, end):
            entry = entries.get(str(granule.name))
            held = entry is not None and entry.fits(directory / entry.granule)
            (plan.held if held else plan.missing).append(granule)
    return plan


@dataclass(frozen=True)
class DownloadEstimate:
    """What a download would fetch, in one line as text.

    Attributes
    ----------
    held, missing : list of str
        Granules that are here, and those to fetch.
    bytes : int
        Of those to fetch.
    sizes_estimated : int
        Of those to fetch, the ones whose size the archive does not state.
    minutes : float
        At `ASSUMED_RATE_BYTES_PER_S`.
    """

    held: list[str]
    missing: list[str]
    bytes: int
    sizes_estimated: int
    minutes: float

    def __str__(self) -> str:
        estimated = f", {self.sizes_estimated} sizes estimated" if self.sizes_estimated else ""
        return (
            f"{len(self.held) + len(self.missing)} granules: {len(self.held)} here, {len(self.missing)} to"
            f" fetch; {self.bytes} bytes ({self.bytes / 1e9:.3g} GB{estimated}); {self.minutes:.1f} minutes"
            f" at {ASSUMED_RATE_BYTES_PER_S / 1e6:.0f} MB/s"
        )


def estimate(source: Source, plan: DownloadPlan, threads: int) -> DownloadEstimate:
    """What a download would fetch: granules, bytes and minutes."""
    check_threads(threads)
    with ThreadPoolExecutor(threads) as pool:
        described = pool.map(source.described, plan.missing)
        granules = list(bar(described, "Asking for sizes", "granule", len(plan.missing)))
    unstated = [granule for granule in granules if granule.size is None]
    size = sum(granule.expected_bytes for granule in granules)
    held, missing = ([str(granule.name) for granule in part] for part in (plan.held, plan.missing))
    return DownloadEstimate(held, missing, size, len(unstated), size / ASSUMED_RATE_BYTES_PER_S / 60)


def download(
    source: Source, plan: DownloadPlan, directory: Path, threads: int, stop: threading.Event
) -> Result:
    """Fetch what a plan says is missing.

    Every granule goes into ``<name>.part`` and is renamed when it has the size and the checksum that the
    archive states and opens as HDF4 with its product's dataset; then it is entered into
    ``manifest.csv``. Stopped at any point, a further call goes on.

    Parameters
    ----------
    source : Source
    plan : DownloadPlan
    directory : Path
        Made if need be.
    threads : int
        Granules at a time, 1 to 32.
    stop : threading.Event
        The one that the source's client heeds; set when this call is interrupted.

    Raises
    ------
    InputError
        If there is no login, no room, or no writing to the directory.
    """
    check_threads(threads)
    result = Result(held=[str(granule.name) for granule in plan.held])
    if not plan.missing:
        return result
    source.connect()
    _make_room(plan.missing, directory)
    waiting = iter(plan.missing)
    failures_in_a_row = 0
    with counter(len(plan.missing), "Granules", "granule") as progress, ThreadPoolExecutor(threads) as pool:
        running: dict[Future[_Brought], str] = {}
        try:
            while True:
                # No queue beyond the threads, so that giving up leaves nothing to cancel.
                while (
                    len(running) < threads
                    and failures_in_a_row < _GIVE_UP_AFTER
                    and (granule := next(waiting, None))
                ):
                    running[pool.submit(_bring, source, granule, directory)] = str(granule.name)
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    name = running.pop(future)
                    try:
                        brought = future.result()
                    except InputError as error:
                        result.failed[name] = str(error)
                        failures_in_a_row += isinstance(error, TransferError) and error.concerns_all
                        continue
                    failures_in_a_row = 0
                    (result.fetched if brought.fetched else result.held).append(name)
                    if not brought.checksum_known:
                        result.unchecked.append(name)
                    progress.update()
        except BaseException:
            stop.set()
            raise
    result.untried = [str(granule.name) for granule in waiting]
    return result


@dataclass(frozen=True)
class _Brought:
    fetched: bool
    checksum_known: bool


def _bring(source: Source, granule: RemoteGranule, directory: Path) -> _Brought:
    final = directory / str(granule.name)
    part = directory / f"{final.name}.part"
    try:
        with locked(directory / f".{final.name}.lock"):
            entry = read_manifest(directory).get(final.name) if final.exists() else None
            if entry and entry.fits(final):  # another run was faster
                return _Brought(False, True)
            granule = source.described(granule)
            checksum_known = granule.checksum is not None
            if final.exists():
                if _is_whole(final, granule) and (checksum_known or entry is None):
                    enter(directory, Entry.of(final, source.name))
                    return _Brought(False, checksum_known)
                final.replace(part)  # perhaps the beginning of the granule, but not under its name
            if (
                not checksum_known
            ):  # nothing would tell whether an old beginning and a new end belong together
                part.unlink(missing_ok=True)
            _fetch(source, granule, part)
            part.replace(final)
            enter(directory, Entry.of(final, source.name))
            return _Brought(True, checksum_known)
    except OSError as error:
        raise InputError(
            f"{final}: cannot be written ({error.strerror}). Free some space or choose a directory that you"
            " may write to."
        ) from error


def _fetch(source: Source, granule: RemoteGranule, part: Path) -> None:
    """Fill a part until it is the granule; what is wrong is
    removed and fetched again from its beginning, once."""
    name = str(granule.name)
    for fetch in range(1, _WHOLE_FETCHES + 1):
        with counter(granule.size, name, "B", part.stat().st_size if part.exists() else 0) as progress:
            source.fetch(granule, part, _stepping(progress))
        try:
            check_granule(part, granule)
        except InputError as error:
            part.unlink()
            if fetch == _WHOLE_FETCHES:
                raise InputError(
                    f"{granule.url}: {error} It was fetched {fetch} times and is left out."
                ) from error
        else:
            return


def _stepping(progress: tqdm[Any]) -> Callable[[int], None]:
    def advance(count: int) -> None:
        progress.update(count)

    return advance


def check_granule(path: Path, granule: RemoteGranule) -> None:
    """Compare a file with what its archive says of it, and open it as HDF4.

    Raises
    ------
    InputError
        If it differs, or is no granule of its product.
    """
    size = path.stat().st_size
    if granule.size is not None and size != granule.size:
        raise InputError(f"has {size} bytes, its metadata say {granule.size}.")
    if granule.checksum is not None and (digest := granule.checksum.of(path)) != granule.checksum.value:
        raise InputError(
            f"has the {granule.checksum.algorithm} {digest}, its metadata say {granule.checksum.value}."
        )
    dataset = Product.parse(f"{granule.name.product}.{COLLECTION}").main_dataset
    # Without a checksum of the whole file, the pixels are read: HDF4 keeps one of each compressed dataset.
    datasets = read_hdf(path, [] if granule.checksum else [dataset]).names
    if dataset not in datasets:
        raise InputError(f"holds no {dataset}, which every granule of {granule.name.product} has.")


def _is_whole(path: Path, granule: RemoteGranule) -> bool:
    try:
        check_granule(path, granule)
    except InputError:
        return False
    return True


def _make_room(granules: Sequence[RemoteGranule], directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(directory).free
    except OSError as error:
        raise InputError(
            f"{directory}: cannot be made ({error.strerror}); choose a directory that you may write to."
        ) from error
    needed = sum(granule.size or 0 for granule in granules)
    if needed > free:
        raise InputError(
            f"{directory}: {needed / 1e9:.1f} GB are missing, {free / 1e9:.1f} GB are free; free some space."
        )
