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
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from tqdm import tqdm

from lstsr_core.base.errors import InputError
from lstsr_core.base.files import check_writable, written_atomically
from lstsr_core.base.fingerprint import plain
from lstsr_core.base.parallel import Outcome, check_workers, run_all, worker_count
from lstsr_core.base.progress import bar
from lstsr_core.base.project import is_there
from lstsr_core.modis.day_pairs import REFLECTANCE_KIND, REFLECTANCE_PRODUCTS, GranulePair, newest_granules

FAILURES_FILE = "failures.csv"
SETTINGS_FILE = "settings.json"
_TRIALS = 3


State = Literal["missing", "done", "nothing"]


class Outputs:
    """Where the output of each pair lies, and whether it is there:
    for outputs that are known by their names alone.

    Parameters
    ----------
    directory : Path
    ending : str
        What follows the LST granule's name without ``.hdf``.
    """

    def __init__(self, directory: Path, ending: str) -> None:
        self.directory = directory
        self.ending = ending

    def path(self, pair: GranulePair) -> Path:
        """Where the output of a pair lies."""
        return self.directory / f"{pair.lst.stem}{self.ending}"

    def state(self, pair: GranulePair) -> State:
        """Whether the pair's output is missing, done, or known to be nothing."""
        return "done" if self.path(pair).is_file() else "missing"

    def older(self, pair: GranulePair) -> list[Path]:
        """Outputs of older granules that the pair's own takes the place of."""
        return []

    def settle(self, pair: GranulePair, outcome: Outcome | None) -> list[str]:
        """Hear what became of a pair, None if it was done before; gives back lines to tell."""
        return []

    def save(self) -> None:
        """Keep what was heard."""


@dataclass(frozen=True)
class Job:
    """A function to be called with each LST granule that has its reflectance granule.

    Attributes
    ----------
    granules : Path
        Directory that `pairs` were found in.
    pairs : list of GranulePair
        With and without reflectance.
    function : callable
        Called with the LST granule, the reflectance granule, the path of its
        output, the settings and `more`; writes atomically.
    settings : object
        A dataclass; what decides the output beside the granules.
    outputs : Outputs
    more : tuple
    memory_bytes : int
        What one call needs.
    """

    granules: Path
    pairs: list[GranulePair]
    function: Callable[..., Any]
    settings: Any
    outputs: Outputs
    more: tuple[Any, ...] = ()
    memory_bytes: int = 0

    @cached_property
    def states(self) -> dict[str, State]:
        """The state of each pair with reflectance when it was first asked for, by the LST granule's name."""
        with_reflectance = [pair for pair in self.pairs if pair.reflectance is not None]
        return {
            pair.lst.name: self.outputs.state(pair) for pair in bar(with_reflectance, "Comparing", "granule")
        }

    def missing(self) -> list[GranulePair]:
        """Pairs with reflectance of which something is to be made."""
        return [pair for pair in self.pairs if self.states.get(pair.lst.name) == "missing"]

    def count(self, state: State) -> int:
        """Pairs with reflectance that were found in a state."""
        return list(self.states.values()).count(state)

    def items(self, pairs: list[GranulePair], directory: Path) -> dict[str, tuple[Any, ...]]:
        """Arguments of the function by LST granule, with outputs below a
        directory; all paths absolute, links not followed."""
        paths = {
            name: value.absolute() for name, value in vars(self.settings).items() if isinstance(value, Path)
        }
        settings = replace(self.settings, **paths)
        out = directory.absolute()
        return {
            pair.lst.name: (
                *(path.absolute() for path in pair.paths),
                out / self.outputs.path(pair).name,
                settings,
                *self.more,
            )
            for pair in pairs
        }

    def run(self, *, scheduler: str | None = None, workers: int | None = None) -> list[Outcome]:
        """Do what is missing, in parallel, with a bar; what fails is
        named on standard error and in ``failures.csv``.

        Returns
        -------
        list of Outcome
            Of what was missing, in the order of `pairs`, failures among them.

        Raises
        ------
        InputError
            If there is nothing to work on, the directory holds what was made with other settings, or
            `base.parallel.run_all` raises it.
        """
        check_workers(scheduler, workers)
        if all(pair.reflectance is None for pair in self.pairs):
            raise InputError(
                f"{self.granules}: no LST granule has its {REFLECTANCE_PRODUCTS} granule of the same day and"
                " tile."
            )
        out = self.outputs.directory
        check_writable(out / FAILURES_FILE)
        _keep_settings(out / SETTINGS_FILE, self.settings)
        pair_of = {pair.lst.name: pair for pair in self.pairs}
        missing = self.missing()

        def settle(pair: GranulePair, outcome: Outcome | None) -> None:
            for line in self.outputs.settle(pair, outcome):
                tqdm.write(f"lstsr: {line}", file=sys.stderr)

        try:
            for name, state in self.states.items():
                if state != "missing":
                    settle(pair_of[name], None)
            return do_all(
                self.function, self.items(missing, out), out, scheduler=scheduler, workers=workers,
                memory_bytes=self.memory_bytes, settle=lambda outcome: settle(pair_of[outcome.name], outcome),
            )  # fmt: skip
        finally:
            self.outputs.save()

    def estimate(self, *, scheduler: str | None = None, workers: int | None = None) -> Estimate:
        """What `run` will read, write and take, from one granule that is done and thrown away.

        A granule that fails, or of which nothing comes, is noted, and the next is tried, three at most.
        """
        check_workers(scheduler, workers)
        missing = self.missing()
        trial, failures = self._trial(missing, scheduler)
        return Estimate(
            granules=self.granules,
            pairs=len(self.states),
            to_do=len(missing),
            remarks=self._alone() + self._older() + failures,
            bytes_in=sum(pair.size for pair in missing),
            trial=trial,
            workers=worker_count(scheduler, workers, self.memory_bytes),
            nothing=self.count("nothing"),
        )

    def _alone(self) -> list[str]:
        days = {(pair.date, pair.tile) for pair in self.pairs}
        reflectances = newest_granules(self.granules, REFLECTANCE_KIND).items()
        no_reflectance = [
            f"{pair.lst.name}: without {REFLECTANCE_PRODUCTS}"
            for pair in self.pairs
            if pair.reflectance is None
        ]
        return no_reflectance + [
            f"{path.name}: without LST" for (_, *day), path in reflectances if tuple(day) not in days
        ]

    def _older(self) -> list[str]:
        with_reflectance = [pair for pair in self.pairs if pair.reflectance is not None]
        return [
            f"{path.name}: would go, since {pair.lst.name} replaces its granule"
            for pair in with_reflectance
            for path in self.outputs.older(pair)
        ]

    def _trial(self, pairs: list[GranulePair], scheduler: str | None) -> tuple[Trial | None, list[str]]:
        # Below the output's parent, which the workers of a scheduler see too.
        out = self.outputs.directory.absolute()
        parent = next(path for path in (out, *out.parents) if path.is_dir())
        failures: list[str] = []
        for pair in pairs[:_TRIALS]:
            with tempfile.TemporaryDirectory(dir=parent, prefix=".trial-") as directory:
                items = self.items([pair], Path(directory))
                workers = 1 if scheduler is None else None
                files = [Path(directory), *filter(is_there, items[pair.lst.name][:2])]
                (outcome,) = run_all(self.function, items, scheduler=scheduler, workers=workers, files=files)
                if not outcome.reason:
                    written = sum(
                        path.stat().st_size for path in Path(directory).rglob("*") if path.is_file()
                    )
                    return Trial(pair.lst.name, outcome.seconds, outcome.peak_bytes, written), failures
                failures.append(f"{'nothing to make of ' * outcome.nothing}{pair.lst.name}: {outcome.reason}")
        return None, failures


def do_all(
    function: Callable[..., Any],
    items: Mapping[str, tuple[Any, ...]],
    out: Path,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    memory_bytes: int = 0,
    settle: Callable[[Outcome], None] | None = None,
) -> list[Outcome]:
    """Call a function for each item as `base.parallel.run_all` does, with a bar;
    failures come on standard error and in a table.

    Parameters
    ----------
    function : callable
    items : mapping of str to tuple
        Arguments by the granule's name: LST granule, reflectance granule, what is written, and more.
    out : Path
        Directory that the workers must see, and that receives ``failures.csv`` where something fails.
    scheduler, workers, memory_bytes
        As `base.parallel.run_all` takes them.
    settle : callable, optional
        Called with each outcome as it comes.

    Returns
    -------
    list of Outcome
        In the order of the items.

    Raises
    ------
    InputError
        As `base.parallel.run_all`.
    """
    check_writable(out / FAILURES_FILE)
    by_name: dict[str, Outcome] = {}
    with tempfile.NamedTemporaryFile(dir=out, prefix=".seen-") as mark:
        granules = (path for lst, ndvi, *_ in items.values() for path in (lst, ndvi) if is_there(path))
        files = [Path(mark.name).absolute(), *islice(granules, 2)]
        outcomes = run_all(
            function, items, scheduler=scheduler, workers=workers, memory_bytes=memory_bytes, files=files
        )  # fmt: skip
        try:
            with closing(outcomes), bar(items, "Granules", "granule") as progress:
                for outcome in outcomes:
                    by_name[outcome.name] = outcome
                    if outcome.failed:
                        tqdm.write(f"lstsr: {outcome.name} left out: {outcome.reason}", file=sys.stderr)
                    elif not outcome.nothing:
                        _forget_remnants(items[outcome.name][2])
                    if settle is not None:
                        settle(outcome)
                    progress.update()
        finally:
            done = [by_name[name] for name in items if name in by_name]
            _write_failures(out / FAILURES_FILE, [outcome for outcome in done if outcome.failed])
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
    nothing : int
        Pairs of which it is known that nothing comes of them.
    """

    granules: Path
    pairs: int
    to_do: int
    remarks: list[str]
    bytes_in: int
    trial: Trial | None
    workers: int
    nothing: int = 0

    @property
    def minutes(self) -> float:
        """Rounds of the workers times the trial's seconds; NaN without a trial."""
        return math.nan if self.trial is None else -(-self.to_do // self.workers) * self.trial.seconds / 60

    def __str__(self) -> str:
        done = self.pairs - self.to_do - self.nothing
        nothing = f", {self.nothing} with nothing to make" if self.nothing else ""
        lines = [
            f"{self.granules}: {self.pairs} pairs of granules, {done} of them done{nothing}, {self.to_do}"
            " to do"
        ]
        lines += self.remarks
        if self.trial is not None:
            trial = self.trial
            lines += [
                f"reads {_gigabytes(self.bytes_in)}, writes about {_gigabytes(self.to_do * trial.bytes_out)}",
                (
                    f"tried on {trial.name}: {trial.seconds:.1f} s, {_gigabytes(trial.peak_bytes)} of memory,"
                    " one thread"
                ),
                (
                    f"{self.workers} at once: about {_gigabytes(self.workers * trial.peak_bytes)} of memory,"
                    f" {_time(self.minutes)}"
                ),
            ]
        return "\n".join(lines)


def _time(minutes: float) -> str:
    return f"{minutes:.0f} minutes" if minutes >= 2 else f"{60 * minutes:.0f} s"


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _keep_settings(path: Path, settings: Any) -> None:
    """Note what a directory's outputs are made with; refuse to add some that are made otherwise.

    Raises
    ------
    InputError
    """
    current = plain(asdict(settings))
    if not path.exists():
        with written_atomically(path) as temporary:
            temporary.write_text(json.dumps(current, indent=2) + "\n")
        return
    try:
        earlier = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(
            f"{path}: not readable as JSON ({error}); delete it if you know what its directory holds."
        ) from error
    for name in sorted(current.keys() | earlier.keys()):
        if current.get(name) != earlier.get(name):
            raise InputError(
                f"{path.parent}: what it holds was made with {name} {earlier.get(name)}, now it is"
                f" {current.get(name)}; choose another directory, or the same settings."
            )


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
