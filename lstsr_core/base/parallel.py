"""Many pieces of work at once, on Dask: workers of this machine by
default, or those of the user's own scheduler.

A piece of work is a call of one function. Its failure, even the death of its worker process, is its own: it
becomes an `Outcome` with a reason, and the others go on. What the function computes must not depend on where
or beside what it runs, so each call has one thread, whatever the number of workers.
"""

# mypy: disable-error-code="no-untyped-call"
# Dask's client and clusters have no types.

from __future__ import annotations

import json
import logging
import os
import platform
import re
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, TypeAlias

from threadpoolctl import threadpool_limits

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.base.fingerprint import PACKAGE, digests, fingerprint
from lstsr_core.base.memory import kept_memory
from lstsr_core.base.project import PROJECT

_Client: TypeAlias = Any
"""A `distributed.Client`; that package is imported late, where it is needed."""

ANSWER_TIMEOUT_S = 10
"""How long a scheduler may take to answer."""

_PACKAGES = ["dask", "distributed", "numpy", "pyhdf", "rasterio", "scipy", "torch"]
_LOGGERS = [
    "asyncio",
    "distributed",
    "distributed.client",
    "distributed.gc",
    "tornado",
    "tornado.application",
]
_LOCAL_CONFIGURATION = {
    # The first death makes a suspect, which is then tried alone.
    "distributed.scheduler.allowed-failures": 0,
    # A worker is stopped when its memory is used up, never paused: a paused one may stay so for ever.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    # The port that each opens for HTTP answers nothing.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    # Before a worker's interpreter starts, when its logging is set up.
    "distributed.nanny.pre-spawn-environ.DASK_LOGGING__DISTRIBUTED": "critical",
}
_NO_DASHBOARD = {"dashboard": False, "dashboard_address": "127.0.0.1:0"}


@dataclass(frozen=True)
class Outcome:
    """What became of one piece of work.

    Attributes
    ----------
    name : str
    result : object
        What the function returned; None where it failed.
    reason : str
        Why it failed, on one line; empty where it did not.
    seconds : float
        In the function.
    peak_bytes : int
        Most memory that the worker's process has held so far; 0 where the process died.
    nothing : bool
        Whether the reason is a `NoResult`: there was nothing to make, which is no failure.
    """

    name: str
    result: Any
    reason: str
    seconds: float
    peak_bytes: int
    nothing: bool = False

    @property
    def failed(self) -> bool:
        return bool(self.reason) and not self.nothing


def run_all(
    function: Callable[..., Any],
    items: Mapping[str, tuple[Any, ...]],
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    memory_bytes: int = 0,
    files: Sequence[Path] = (),
) -> Generator[Outcome]:
    """Call a function once for each item, and give the outcomes back in the order in which they come.

    Closing the iterator, as Ctrl-C does, calls off what has not begun and stops this machine's workers.

    Parameters
    ----------
    function : callable
        Of a module that the workers have too; writes what it makes under its final name only when it is
        complete, since it is called again where its worker dies.
    items : mapping of str to tuple
        Arguments of the function by the item's name; paths among them absolute.
    scheduler : str, optional
        Address of a running Dask scheduler, such as ``tcp://10.0.0.1:8786``, or the file that it
        wrote (``--scheduler-file``). It and its workers run code that they are sent and send back
        what is unpickled here: connect to your own alone.
    workers : int, optional
        Processes on this machine, where no scheduler is given; `worker_count` says how many without.
    memory_bytes : int
        What one call needs, where that is known.
    files : sequence of Path
        What each worker of the scheduler must see under the same path.

    Yields
    ------
    Outcome

    Raises
    ------
    InputError
        If the scheduler does not answer or goes away, a worker has another version of a
        package that decides results, or does not see a file.
    """
    check_workers(scheduler, workers)
    if not items:
        return
    with _quiet(), ExitStack() as stack:
        if scheduler is None:
            client = stack.enter_context(
                _local_client(min(len(items), worker_count(None, workers, memory_bytes)))
            )
        else:
            client = stack.enter_context(_remote_client(scheduler))
            _check_workers(client, files)
        suspects = {}
        for name, outcome in _outcomes(client, function, items):
            if outcome is None:
                suspects[name] = items[name]
            else:
                yield outcome
        # A death is counted against all that the worker was to do; alone, an item answers for itself.
        for name, arguments in suspects.items():
            for _, outcome in _outcomes(client, function, {name: arguments}):
                reason = (
                    "its worker process died, and died again (out of memory, or a crash while it read a"
                    " damaged file)."
                )
                yield outcome or Outcome(name, None, reason, 0.0, 0)


def check_workers(scheduler: str | None, workers: int | None) -> None:
    """Refuse a number of workers below one, or beside a scheduler.

    Raises
    ------
    InputError
    """
    if scheduler is not None and workers is not None:
        raise InputError("a scheduler has its own workers; give --scheduler or --workers, not both.")
    if workers is not None and workers < 1:
        raise InputError(f"--workers is {workers}; expected 1 or more.")


def worker_count(scheduler: str | None, workers: int | None, memory_bytes: int = 0) -> int:
    """How many calls run at once: those that the scheduler's workers
    take, or `workers`, or one for each processor.

    Where a call needs `memory_bytes`, no more than fit into three quarters of
    this machine's memory, unless `workers` says so.

    Raises
    ------
    InputError
        If the scheduler does not answer.
    """
    if scheduler is not None:
        with _quiet(), _remote_client(scheduler) as client:
            return sum(client.nthreads().values())
    from dask.system import CPU_COUNT
    from distributed.system import MEMORY_LIMIT

    fitting = 3 * MEMORY_LIMIT // (4 * memory_bytes) if memory_bytes else CPU_COUNT
    return workers or max(1, min(CPU_COUNT, fitting))


def _outcomes(
    client: _Client, function: Callable[..., Any], items: Mapping[str, tuple[Any, ...]]
) -> Iterator[tuple[str, Outcome | None]]:
    """Each item's name with its outcome, or with None where its worker died too often."""
    from distributed import KilledWorker, as_completed

    names = list(items)
    futures = client.map(
        _attempt,
        [function] * len(names),
        names,
        items.values(),
        key=function.__name__,
        pure=False,
        batch_size=1000,
    )
    name_of: dict[Any, str] = dict(zip(futures, names, strict=True))
    del futures  # so that each is forgotten once it is done
    for future in as_completed(list(name_of), loop=client.loop):
        name = name_of.pop(future)
        try:
            yield name, future.result()
        except KilledWorker:
            yield name, None
        except Exception as error:
            if client.status != "running" or future.cancelled():
                raise InputError(
                    f"{client.scheduler.address}: the scheduler went away; start it and run the same command"
                    " again."
                ) from error
            yield name, Outcome(name, None, _reason(error), 0.0, 0)


def _attempt(function: Callable[..., Any], name: str, arguments: tuple[Any, ...]) -> Outcome:
    """Runs on a worker. What goes wrong is returned, so that nobody
    needs the exception's class or logs its traceback."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    else:  # work that does without is not to wait for it
        os.environ["OMP_NUM_THREADS"] = "1"
    start = time.perf_counter()
    result, reason, nothing = None, "", False
    # Dask's workers give every freed block back to the system at once,
    # by which networks take nearly twice the time.
    with kept_memory(), threadpool_limits(1):
        try:
            result = function(*arguments)
        except Exception as error:
            reason, nothing = _reason(error), isinstance(error, NoResult)
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )
    return Outcome(name, result, reason, time.perf_counter() - start, peak_bytes, nothing)


def _reason(error: Exception) -> str:
    """On one line: an InputError's message, or what any other exception is and where it was raised."""
    if isinstance(error, InputError):
        return " ".join(str(error).split())
    frames = traceback.extract_tb(error.__traceback__)
    where = f", {Path(frames[-1].filename).name} line {frames[-1].lineno}" if frames else ""
    return " ".join(f"{type(error).__name__}: {error} (unexpected{where})".split())


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Dask logs off the terminal; what matters of it comes back as an outcome or an error."""
    import distributed  # noqa: F401  (sets its loggers' levels when it is imported)

    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def _local_client(workers: int) -> Iterator[_Client]:
    """Worker processes of this machine, all of whose ports are on its loopback interface."""
    import dask
    import distributed

    with dask.config.set(_LOCAL_CONFIGURATION), ExitStack() as stack:
        # Workers, and those that replace them, inherit that Ctrl-C is not for them; the tracker
        # would let it through if it were started between.
        resource_tracker.ensure_running()
        previous = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        try:
            cluster = distributed.LocalCluster(
                n_workers=workers, threads_per_worker=1, host="127.0.0.1", scheduler_kwargs=_NO_DASHBOARD,
                dashboard_address=None, silence_logs=logging.CRITICAL,
            )  # fmt: skip
            stack.enter_context(cluster)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, previous)
        yield stack.enter_context(distributed.Client(cluster, set_as_default=False))


@contextmanager
def _remote_client(scheduler: str) -> Iterator[_Client]:
    import distributed

    address = _address(scheduler)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of versions that differ, which `_check_workers` refuses
            client = distributed.Client(address, timeout=ANSWER_TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(
            f"--scheduler {scheduler}: no Dask scheduler answers at {address} ({_first_line(error)})."
        ) from error
    with client:
        yield client


def _address(scheduler: str) -> str:
    """The address itself, or the one in a scheduler's file."""
    address = scheduler
    if Path(scheduler).is_file():
        try:
            address = str(json.loads(Path(scheduler).read_text())["address"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"--scheduler {scheduler}: not a file that 'dask scheduler --scheduler-file' wrote."
            ) from error
    if not re.fullmatch(r"(tcp|tls)://\S+:[0-9]+", address):
        raise InputError(
            f"--scheduler '{scheduler}' is no scheduler; expected the address that 'dask scheduler' shows,"
            " such as tcp://10.0.0.1:8786, or the file that its --scheduler-file names."
        )
    return address


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)


def _check_workers(client: _Client, files: Sequence[Path]) -> None:
    """Wait for a worker; refuse workers that would compute something else, or
    would not find what they are to read or write."""
    if not client.nthreads():
        address = client.scheduler.address
        print(
            f"lstsr: {address} has no worker yet; waiting for one ('dask worker {address}' starts one)",
            file=sys.stderr,
        )
    client.wait_for_workers(1)
    here = _versions()
    for address, answer in client.run(_survey, [str(path) for path in files], on_error="return").items():
        if isinstance(answer, Exception):
            raise InputError(
                f"worker {address} does not run this package ({_first_line(answer)}); install lstsr"
                f" {here['lstsr']} there."
            )
        there, unseen = answer
        for package, expected in here.items():
            if there[package] != expected:
                raise InputError(
                    f"worker {address} has {package} {there[package]}, here it is {expected}; install the"
                    " same on both."
                )
        if unseen:
            raise InputError(
                f"worker {address} does not see {Path(unseen[0]).parent} as it is here; workers need the"
                " granules and the output in a file system that all share, under the same path."
            )


def _survey(files: list[str]) -> tuple[dict[str, str], list[str]]:
    """Runs on a worker: its versions, and which of the files it does not see."""
    return _versions(), [name for name in files if not Path(name).exists()]


@lru_cache(maxsize=1)
def _versions() -> dict[str, str]:
    """Of what decides results; this package's with a digest of its
    modules, since a checkout changes under one version."""
    modules = fingerprint(digests([PROJECT / PACKAGE], PROJECT, "*.py"))
    lstsr_version = f"{version('lstsr')} (modules {modules[:12]})"
    return {
        "lstsr": lstsr_version,
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
    }
