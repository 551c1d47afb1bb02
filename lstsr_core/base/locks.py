"""Lock files: what one thread of one program does at a time. A holder that ends, however it ends, lets go."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from lstsr_core.base.errors import InputError

_POLL_S = 0.01


@contextmanager
def alone_in(folder: Path, others: str) -> Iterator[None]:
    """Hold a folder's ``.lock``; make the folder if it is not there.

    Parameters
    ----------
    folder : Path
    others : str
        Who might hold it, for the message.

    Raises
    ------
    InputError
        If another program holds it, the folder cannot be written to, or its file system has no locks.
    """
    # Without the fallback: a soft lock would outlive a program that is killed.
    lock = FileLock(folder / ".lock", blocking=False, fallback_to_soft=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(f"{folder}: {others} is at work there; wait for it, or stop it.") from None
    except OSError as error:
        raise InputError(
            f"{folder}: cannot be written to or locked ({error.strerror}). Choose a directory that you may"
            " write to, on a disk whose file system has locks."
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file against other threads and programs, waiting for it; afterwards it is gone."""
    with FileLock(path, poll_interval=_POLL_S, fallback_to_soft=False):
        try:
            yield
        finally:
            # Whoever waits finds that the file lost its name, and takes a new one.
            path.unlink(missing_ok=True)
