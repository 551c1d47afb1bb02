"""One function over many granules: what there is to do, what that will take, and doing what is missing."""

from __future__ import annotations

import glob
import json
import math
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm import tqdm

from lstsr_core.cluster import Outcome, check_workers, run_all, worker_count
from lstsr_core.errors import InputError
from lstsr_core.granule_pairs import REFLECTANCE_PRODUCT, GranulePair, newest_granules
from lstsr_core.progress import bar
from lstsr_core.project import sha256
from lstsr_core.raster import check_writable, written_atomically

FAILURES_FILE = "failures.csv"
SETTINGS_FILE = "settings.json"
_TRIALS = 3


@dataclass(frozen=True)
class Job:
    """A function to be called with each LST granule that has its reflectance granule.

    Attributes
    ----------
    granules : Path
        Directory that `pairs` were found in.
    pairs : list of GranulePair
        With and without reflectance.
    out : Path
        Directory of what is made.
    function : callable
        Called with the LST granule, the reflectance granule, the path of its output and the settings; writes atomically.
    settings : object
        A dataclass; what decides the output beside the granules.
    output : callable
        Output's path below a directory, of a pair: ``(directory, pair) -> path``.
    is_done : callable
        Whether a pair needs no more work, such as `exists` of its output.
    memory_bytes : int
        What one call needs.
    """

    granules: Path
    pairs: list[GranulePair]
    out: Path
    function: Callable[[Path, Path, Path, Any], Any]
    settings: Any
    output: Callable[[Path, GranulePair], Path]
    is_done: Callable[[GranulePair], bool]
    memory_bytes: int = 0

    def missing(self) -> list[GranulePair]:
        """Pairs with reflectance that are not done."""
        return [pair for pair in self.pairs if pair.reflectance is not None and not self.is_done(pair)]

    def items(self, pairs: list[GranulePair], directory: Path) -> dict[str, tuple[Any, ...]]:
        """Arguments of the function by LST granule, with outputs below a directory; all paths absolute."""
        paths = {name: value.resolve() for name, value in vars(self.settings).items() if isinstance(value, Path)}
        settings = replace(self.settings, **paths)
        return {
            pair.lst.name: (
                pair.lst.resolve(), _reflectance(pair).resolve(), self.output(directory.resolve(), pair), settings,
            )
            for pair in pairs
        }  # fmt: skip

    def run(self, *, scheduler: str | None = None, workers: int | None = None) -> list[Outcome]:
        """Do what is missing, in parallel, with a bar; what fails is named on standard error and in ``failures.csv``.

        Returns
        -------
        list of Outcome
            Of what was missing, in the order of `pairs`, failures among them.

        Raises
        ------
        InputError
            If there is nothing to work on, the directory holds what was made with other settings, or `cluster.run_all` raises it.
        """
        check_workers(scheduler, workers)
        if all(pair.reflectance is None for pair in self.pairs):
            raise InputError(f"{self.granules}: no LST granule has its {REFLECTANCE_PRODUCT} granule of the same day and tile.")
        check_writable(self.out / FAILURES_FILE)
        _keep_settings(self.out / SETTINGS_FILE, self.settings)
        return do_all(
            self.function, self.items(self.missing(), self.out), self.out, scheduler=scheduler, workers=workers,
            memory_bytes=self.memory_bytes,
        )  # fmt: skip

    def estimate(self, *, scheduler: str | None = None, workers: int | None = None) -> Estimate:
        """What `run` will read, write and take, from one granule that is done and thrown away.

        A granule that fails is noted, and the next is tried, three at most.
        """
        check_workers(scheduler, workers)
        missing = self.missing()
        sizes = [pair.lst.stat().st_size + _reflectance(pair).stat().st_size for pair in missing]
        trial, failures = self._trial(missing, scheduler)
        return Estimate(
            granules=self.granules,
            pairs=sum(pair.reflectance is not None for pair in self.pairs),
            to_do=len(missing),
            remarks=self._alone() + failures,
            bytes_in=sum(sizes),
            trial=trial,
            workers=worker_count(scheduler, workers, self.memory_bytes),
        )

    def _alone(self) -> list[str]:
        lst_of = {(pair.date, pair.tile) for pair in self.pairs}
        reflectances = newest_granules(self.granules, REFLECTANCE_PRODUCT).items()
        no_reflectance = [f"{pair.lst.name}: without {REFLECTANCE_PRODUCT}" for pair in self.pairs if pair.reflectance is None]
        return no_reflectance + [f"{path.name}: without LST" for key, path in reflectances if key not in lst_of]

    def _trial(self, pairs: list[GranulePair], scheduler: str | None) -> tuple[Trial | None, list[str]]:
        # Below the output's parent, which the workers of a scheduler see too.
        parent = next(path for path in (self.out.resolve(), *self.out.resolve().parents) if path.is_dir())
        failures: list[str] = []
        for pair in pairs[:_TRIALS]:
            with tempfile.TemporaryDirectory(dir=parent, prefix=".trial-") as directory:
                items = self.items([pair], Path(directory))
                workers = 1 if scheduler is None else None
                files = [Path(directory), *items[pair.lst.name][:2]]
                (outcome,) = run_all(self.function, items, scheduler=scheduler, workers=workers, files=files)
                if not outcome.reason:
                    written = sum(path.stat().st_size for path in Path(directory).rglob("*") if path.is_file())
                    return Trial(pair.lst.name, outcome.seconds, outcome.peak_bytes, written), failures
                failures.append(f"{pair.lst.name}: {outcome.reason}")
        return None, failures


def do_all(
    function: Callable[..., Any],
    items: Mapping[str, tuple[Any, ...]],
    out: Path,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    memory_bytes: int = 0,
) -> list[Outcome]:
    """Call a function for each item as `cluster.run_all` does, with a bar; failures come on standard error and in a table.

    Parameters
    ----------
    function : callable
    items : mapping of str to tuple
        Arguments by the granule's name: LST granule, reflectance granule, what is written, and more.
    out : Path
        Directory that the workers must see, and that receives ``failures.csv`` where something fails.
    scheduler, workers, memory_bytes
        As `cluster.run_all` takes them.

    Returns
    -------
    list of Outcome
        In the order of the items.

    Raises
    ------
    InputError
        As `cluster.run_all`.
    """
    check_writable(out / FAILURES_FILE)
    found: dict[str, Outcome] = {}
    with tempfile.NamedTemporaryFile(dir=out, prefix=".seen-") as mark:
        files = [Path(mark.name).resolve(), *islice((path for lst, ndvi, *_ in items.values() for path in (lst, ndvi)), 2)]
        outcomes = run_all(
            function, items, scheduler=scheduler, workers=workers, memory_bytes=memory_bytes, files=files
        )  # fmt: skip
        try:
            with closing(outcomes), bar(items, "Granules", "granule") as progress:
                for outcome in outcomes:
                    found[outcome.name] = outcome
                    if outcome.reason:
                        tqdm.write(f"lstsr: {outcome.name} left out: {outcome.reason}", file=sys.stderr)
                    else:
                        _forget_remnants(items[outcome.name][2])
                    progress.update()
        finally:
            done = [found[name] for name in items if name in found]
            _write_failures(out / FAILURES_FILE, [outcome for outcome in done if outcome.reason])
    return done


@dataclass(frozen=True)
class Trial:
    """What one granule took on one worker with one thread."""

    name: str
    seconds: float
    peak_bytes: int
    bytes_out: int


@dataclass(frozen=True)
class Estimate:
    """What a job will take.

    Attributes
    ----------
    granules : Path
    pairs, to_do : int
        LST granules with their reflectance granule, and those of them that are not done.
    remarks : list of str
        A line for each granule without its counterpart, and for each that was tried and failed.
    bytes_in : int
        Size of the granules to do.
    trial : Trial or None
        None where there is nothing to do or nothing that could be done.
    workers : int
        Granules that are worked on at once.
    """

    granules: Path
    pairs: int
    to_do: int
    remarks: list[str]
    bytes_in: int
    trial: Trial | None
    workers: int

    @property
    def minutes(self) -> float:
        """Rounds of the workers times the trial's seconds; NaN without a trial."""
        return math.nan if self.trial is None else -(-self.to_do // self.workers) * self.trial.seconds / 60

    def __str__(self) -> str:
        lines = [f"{self.granules}: {self.pairs} pairs of granules, {self.pairs - self.to_do} of them done, {self.to_do} to do"]
        lines += self.remarks
        if self.trial is not None:
            trial = self.trial
            lines += [
                f"reads {_gigabytes(self.bytes_in)}, writes about {_gigabytes(self.to_do * trial.bytes_out)}",
                f"tried on {trial.name}: {trial.seconds:.1f} s, {_gigabytes(trial.peak_bytes)} of memory, one thread",
                f"{self.workers} at once: about {_gigabytes(self.workers * trial.peak_bytes)} of memory, {_time(self.minutes)}",
            ]
        return "\n".join(lines)


def _time(minutes: float) -> str:
    return f"{minutes:.0f} minutes" if minutes >= 2 else f"{60 * minutes:.0f} s"


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _reflectance(pair: GranulePair) -> Path:
    if pair.reflectance is None:
        raise ValueError(f"{pair.lst.name} has no {REFLECTANCE_PRODUCT} granule.")
    return pair.reflectance


def _keep_settings(path: Path, settings: Any) -> None:
    """Note what a directory's outputs are made with; refuse to add some that are made otherwise.

    Raises
    ------
    InputError
    """
    # As JSON gives them back, so that tuples compare with lists.
    given = json.loads(json.dumps(asdict(settings), default=_digest))
    if not path.exists():
        with written_atomically(path) as temporary:
            temporary.write_text(json.dumps(given, indent=2) + "\n")
        return
    try:
        kept = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"{path}: not readable as JSON ({error}); delete it if you know what its directory holds.") from error
    for name in sorted(given.keys() | kept.keys()):
        if given.get(name) != kept.get(name):
            raise InputError(
                f"{path.parent}: what it holds was made with {name} {kept.get(name)}, now it is {given.get(name)}; choose another"
                " directory, or the same settings."
            )


def _digest(value: object) -> Any:
    """A file, or the files of a directory, by content: weights may lie elsewhere, but must be the same."""
    if not isinstance(value, Path):
        return str(value)
    if value.is_dir():
        return {path.relative_to(value).as_posix(): sha256(path) for path in sorted(value.rglob("*")) if path.is_file()}
    return sha256(value) if value.is_file() else str(value)


def _forget_remnants(output: Path) -> None:
    """Delete what `written_atomically` left beside an output where it was killed."""
    for remnant in output.parent.glob(f".{glob.escape(output.stem)}.*.part{glob.escape(output.suffix)}"):
        remnant.unlink(missing_ok=True)


def _write_failures(path: Path, failures: list[Outcome]) -> None:
    """Write names and reasons; without a failure, delete what an earlier run wrote."""
    if not failures:
        path.unlink(missing_ok=True)
        return
    with written_atomically(path) as temporary:
        pd.DataFrame([(item.name, item.reason) for item in failures], columns=["granule", "reason"]).to_csv(
            temporary, index=False
        )
