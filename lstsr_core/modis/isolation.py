"""Calls of code that may crash, hang or eat memory, each in a process of its own.

A server, which runs no such code itself, forks for each call: what a call breaks is gone
with its process. Servers start with the first call, one a thread, and end with this process,
since they read from a socket that closes with it.
"""

# Not pebble: its processes are multiprocessing's, which a Dask worker, being daemonic, may not start.
# Not a fresh interpreter for each call: 120 ms, as long as a granule takes; a fork takes 2.
from __future__ import annotations

import importlib
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from lstsr_core.base.errors import InputError

Isolable = Callable[..., tuple[Any, list[NDArray[Any]]]]

TIME_LIMIT_S = 10
MEMORY_LIMIT_BYTES = 1 << 30
_SILENCE_LIMIT_S = 60  # of a server: it tells the end of a call that overran its limit well before


class IsolatedError(RuntimeError):
    """An isolated call failed, crashed, or was ended at its time or memory limit; the message says which."""


def isolated(
    function: Isolable, *arguments: Any, limit_s: int = TIME_LIMIT_S
) -> tuple[Any, list[NDArray[Any]]]:
    """Call ``function(wind, *arguments)`` in a process of its own, with 1 GiB of address space.

    Parameters
    ----------
    function : callable
        Found by its module and name, so neither a lambda nor a notebook's. Calls ``wind()`` at every step
        forward, which starts the time limit anew. Returns a value that JSON can say, and arrays.
    *arguments
        What JSON can say.
    limit_s : int
        Seconds from one ``wind()`` to the next.

    Returns
    -------
    tuple
        What the function returned.

    Raises
    ------
    InputError
        If the function raised one.
    IsolatedError
        If it raised something else, crashed, or was ended at a limit.
    """
    request = [function.__module__, function.__qualname__, arguments, limit_s, str(Path.cwd())]
    while True:
        try:
            server, is_new = _idle.pop(), False
        except IndexError:
            server, is_new = _Server(), True
        try:
            report, arrays = server.call(json.dumps(request).encode() + b"\n")
        except (EOFError, ConnectionError) as error:
            server.stop()
            if is_new:
                raise IsolatedError("its server process ended, perhaps for want of memory") from error
            continue  # it died while it was idle
        except BaseException as error:  # an interrupted conversation cannot be taken up again
            server.stop()
            if isinstance(error, TimeoutError):
                raise IsolatedError(f"no answer for {_SILENCE_LIMIT_S} s") from error
            raise
        _idle.append(server)
        if "refused" in report:
            raise InputError(report["refused"])
        if "failed" in report:
            raise IsolatedError(report["failed"])
        return report["value"], arrays


class _Server:
    """The process that forks for every call, seen from the process that calls."""

    def __init__(self) -> None:
        self._connection, theirs = socket.socketpair()
        self._connection.settimeout(_SILENCE_LIMIT_S)
        paths = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"from {__name__} import serve; serve()"],
                env={
                    **os.environ,
                    "PYTHONPATH": paths,
                    "OPENBLAS_NUM_THREADS": "1",
                },  # threads do not fork well
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                process_group=0,  # out of reach of Ctrl-C, which is this process's own matter
            )
        # Runs at exit also in processes of multiprocessing, where atexit does
        # not; in a forked copy of this one it is void.
        self.stop = Finalize(self, _stop, (self._process, self._connection), exitpriority=0)
        _servers.add(self)

    def call(self, request: bytes) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        """What `_run` answers, and the arrays: empty lines of
        progress, a line of JSON, bytes, a line with `_reason`."""
        self._connection.sendall(request)
        with self._connection.makefile("rb") as answer:
            while (line := answer.readline()) == b"\n":
                pass
            if not line.endswith(b"\n"):
                raise EOFError
            report = json.loads(line)
            if isinstance(report, str):
                return {"failed": report}, []
            arrays = [np.empty(shape, dtype) for shape, dtype in report["arrays"]]
            for array in arrays:
                answer.readinto(array.reshape(-1).view(np.uint8).data)
            if answer.readline() != b"null\n":
                raise EOFError
        return report, arrays

    def forget(self) -> None:
        """Let go of it in a forked copy of the process that it serves."""
        self._connection.close()
        self._process.returncode = 0


_servers: weakref.WeakSet[_Server] = weakref.WeakSet()
_idle: list[_Server] = []


def _forget_servers() -> None:
    for server in _servers:
        server.forget()
    _idle.clear()


os.register_at_fork(after_in_child=_forget_servers)


def _stop(process: subprocess.Popen[bytes], connection: socket.socket) -> None:
    connection.close()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def serve() -> None:
    """What a server does: fork for every request that comes by the
    socket at its standard input, until that closes."""
    with (
        socket.socket(fileno=0) as connection,
        connection.makefile("rb") as requests,
        suppress(ConnectionError),
    ):
        for line in requests:
            module, name, arguments, limit_s, directory = json.loads(line)
            function = getattr(importlib.import_module(module), name)
            process = os.fork()
            if process == 0:
                _run(connection, function, arguments, limit_s, directory)
            reason = _reason(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), limit_s)
            connection.sendall(json.dumps(reason).encode() + b"\n")


def _reason(exit_code: int, limit_s: int) -> str | None:
    if exit_code == -signal.SIGALRM:
        return f"no progress for {limit_s} s"
    if exit_code < 0:
        return f"crashed with {signal.Signals(-exit_code).name}"
    return f"ended with status {exit_code}" if exit_code else None


def _run(
    connection: socket.socket, function: Isolable, arguments: list[Any], limit_s: int, directory: str
) -> NoReturn:
    def wind() -> None:
        signal.alarm(limit_s)
        connection.sendall(b"\n")

    status = 1
    arrays: list[NDArray[Any]] = []
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a library that dies says so there
        # The default ends the process, whatever the library is at.
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        with suppress(ValueError, OSError):  # not every system has this limit
            resource.setrlimit(
                resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, resource.getrlimit(resource.RLIMIT_AS)[1])
            )
        os.chdir(directory)
        wind()
        try:
            value, arrays = function(wind, *arguments)
            report = {"value": value}
        except InputError as error:
            report = {"refused": str(error)}
        except MemoryError:
            report = {"failed": f"needs more than {MEMORY_LIMIT_BYTES >> 20} MiB of memory"}
        except Exception as error:  # the caller decides what it means; here it ends the call as a crash would
            report = {"failed": f"{type(error).__name__}: {error}"}
        signal.alarm(0)  # a caller may be slow to take it
        report["arrays"] = [(array.shape, array.dtype.str) for array in arrays]
        connection.sendall(json.dumps(report).encode() + b"\n")
        for array in arrays:
            connection.sendall(np.ascontiguousarray(array).data)
        status = 0
    finally:
        os._exit(status)
