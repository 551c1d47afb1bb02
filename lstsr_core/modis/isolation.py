"""Calls of code that may crash, hang or eat memory, each in a process of its own.

A server process, which never runs such code itself, forks for every call: what a call breaks is gone with its process, and a
fresh one costs about 2 ms. Arrays come back as shared memory without a name, so that nothing is copied and none can leak;
everything else as JSON. Servers start with the first call, one for each thread that calls at the same time, and end with
this process, however it ends: they read from a socket that closes with it.
"""

from __future__ import annotations

import importlib
import json
import math
import mmap
import os
import resource
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike, NDArray

from lstsr_core.base.errors import InputError

TIME_LIMIT_S = 10
MEMORY_LIMIT_BYTES = 1 << 30
_SERVER_LIMIT_S = 60
"""For a server to start, or to say anything: it answers for a call that overran its own limit well before."""

_PACKET = struct.Struct(">cq")
_PROGRESS, _ANSWER, _ENDED = b".", b"=", b"!"


class IsolatedError(RuntimeError):
    """An isolated call failed, crashed, or was ended at its time or memory limit; the message says which."""


class Workspace:
    """What an isolated function gets as its first argument: arrays to return, and a clock to wind."""

    def __init__(self, connection: socket.socket, limit_s: int, memory_bytes: int) -> None:
        self._connection = connection
        self._limit_s = limit_s
        self._memory_bytes = memory_bytes
        self._file = _nameless_file()
        self._size = 0
        self._arrays: list[dict[str, Any]] = []

    def array(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Zeros that the caller of `isolated` gets, in the order of creation."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        offset = -(-self._size // mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        if offset + size > self._memory_bytes:  # not every system counts shared memory as the process's own
            raise MemoryError
        self._size = offset + size
        os.ftruncate(self._file, self._size)
        self._arrays.append({"dtype": dtype.str, "shape": shape, "offset": offset})
        return np.frombuffer(mmap.mmap(self._file, size, offset=offset), dtype).reshape(shape)

    def wind(self) -> None:
        """Start the time limit anew; to be called at every step forward."""
        signal.alarm(self._limit_s)
        self._connection.sendall(_PACKET.pack(_PROGRESS, 0))

    def _answer(self, report: dict[str, Any]) -> None:
        if "value" not in report:
            self._arrays, self._size = [], 0
            os.ftruncate(self._file, 0)
        text = json.dumps({**report, "arrays": self._arrays}).encode()
        os.pwrite(self._file, text, self._size)
        socket.send_fds(self._connection, [_PACKET.pack(_ANSWER, len(text))], [self._file])


def _nameless_file() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("lstsr")
    with tempfile.TemporaryFile() as file:  # where memory cannot be a file
        return os.dup(file.fileno())


def isolated(
    function: Callable[..., Any],
    *arguments: Any,
    limit_s: int = TIME_LIMIT_S,
    memory_bytes: int = MEMORY_LIMIT_BYTES,
) -> tuple[Any, list[NDArray[Any]]]:
    """Call ``function(workspace, *arguments)`` in a process of its own.

    Parameters
    ----------
    function : callable
        Found by its module and name, and so no lambda and not defined in a script or notebook. Gets a `Workspace` first.
    *arguments
        What JSON can say.
    limit_s : int
        Seconds from one `Workspace.wind` to the next.
    memory_bytes : int
        Of address space, the Python interpreter and the arrays included.

    Returns
    -------
    tuple
        What the function returned, after a passage through JSON, and the arrays of its workspace.

    Raises
    ------
    InputError
        If the function raised one.
    IsolatedError
        If it raised something else, crashed, or was ended at a limit.
    """
    request = {
        "module": function.__module__,
        "function": function.__qualname__,
        "arguments": arguments,
        "limit_s": limit_s,
        "memory_bytes": memory_bytes,
        "directory": str(Path.cwd()),
    }
    while True:
        try:
            server, is_new = _idle.pop(), False
        except IndexError:
            server, is_new = _Server(), True
        try:
            report, arrays = server.call(request)
        except (EOFError, ConnectionError) as error:
            server.stop()
            if is_new:
                raise IsolatedError("its server process ended, perhaps for want of memory") from error
            continue  # it died while it was idle
        except BaseException:  # an interrupted conversation cannot be taken up again
            server.stop()
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
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(_SERVER_LIMIT_S)
        with theirs:
            descriptor = theirs.fileno()
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"from lstsr_core.modis.isolation import serve; serve({descriptor})"],
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path),
                    "OPENBLAS_NUM_THREADS": "1",  # a process with threads does not fork well
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[descriptor],
                process_group=0,  # out of reach of Ctrl-C, which is this process's own matter
            )
        # Runs at exit also in processes of multiprocessing, where atexit does not; in a forked copy of this one it is void.
        self.stop = Finalize(self, _stop, (self._process, self._socket), exitpriority=0)
        _servers.add(self)

    def call(self, request: dict[str, Any]) -> tuple[dict[str, Any], list[NDArray[Any]]]:
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            try:
                packet, descriptors, _, _ = socket.recv_fds(self._socket, _PACKET.size, 1)
            except TimeoutError as error:
                raise IsolatedError(f"no answer for {_SERVER_LIMIT_S} s") from error
            if len(packet) < _PACKET.size:
                raise EOFError
            kind, number = _PACKET.unpack(packet)
            if kind == _ANSWER:
                return _received(descriptors[0], number)
            if kind == _ENDED:
                return {"failed": _reason(number, request["limit_s"])}, []

    def forget(self) -> None:
        """Let go of it in a forked copy of the process that it serves."""
        self._socket.close()
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


def _received(descriptor: int, length: int) -> tuple[dict[str, Any], list[NDArray[Any]]]:
    try:
        memory = mmap.mmap(descriptor, 0, flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0))
    finally:
        os.close(descriptor)
    report = json.loads(memory[-length:])
    arrays = [
        np.frombuffer(memory, array["dtype"], math.prod(array["shape"]), array["offset"]).reshape(array["shape"])
        for array in report["arrays"]
    ]
    return report, arrays


def _reason(exit_code: int, limit_s: int) -> str:
    if exit_code == -signal.SIGALRM:
        return f"no progress for {limit_s} s"
    return f"crashed with {signal.Signals(-exit_code).name}" if exit_code < 0 else f"ended with status {exit_code}"


def serve(descriptor: int) -> None:
    """What a server process does: fork for every request that comes by a socket, until it closes."""
    with socket.socket(fileno=descriptor) as connection, connection.makefile("rb") as requests, suppress(ConnectionError):
        for line in requests:
            request = json.loads(line)
            function = importlib.import_module(request["module"])
            for name in request["function"].split("."):
                function = getattr(function, name)
            process = os.fork()
            if process == 0:
                _run(connection, function, request)  # type: ignore[arg-type]
            exit_code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            if exit_code:
                connection.sendall(_PACKET.pack(_ENDED, exit_code))


def _run(connection: socket.socket, function: Callable[..., Any], request: dict[str, Any]) -> NoReturn:
    exit_code = 1
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 2)  # a library that dies says so there
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the default ends the process, whatever the library is at
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2
        )  # it limits memory files too
        with suppress(ValueError, OSError):  # not every system has this limit
            resource.setrlimit(resource.RLIMIT_AS, (request["memory_bytes"], resource.getrlimit(resource.RLIMIT_AS)[1]))
        os.chdir(request["directory"])
        workspace = Workspace(connection, request["limit_s"], request["memory_bytes"])
        workspace.wind()
        try:
            report = {"value": function(workspace, *request["arguments"])}
        except InputError as error:
            report = {"refused": str(error)}
        except MemoryError:
            report = {"failed": f"needs more than {request['memory_bytes'] >> 20} MiB of memory"}
        except Exception as error:  # the caller decides what it means; here it ends the call as a crash would
            report = {"failed": f"{type(error).__name__}: {error}"}
        workspace._answer(report)
        exit_code = 0
    finally:
        os._exit(exit_code)
