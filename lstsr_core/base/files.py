"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rasterio.errors import RasterioError

from lstsr_core.base.errors import InputError


@contextmanager
def written_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds, delete it otherwise.

    The temporary name keeps the suffix, since writers choose their format by it.

    Raises
    ------
    InputError
        If the directory cannot be written to or the disk is full; `path` is then as it was before. If `path`
        is a directory or a device, which a rename would replace.
    """
    temporary = path.parent / f".{path.stem}.{os.getpid()}.part{path.suffix}"
    try:
        if path.exists() and not path.is_file():
            raise InputError(f"{path}: is a directory or a device; expected the name of a file to write.")
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except (OSError, RasterioError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(
            f"{path}: cannot be written ({reason}). Free some space or choose a directory that you may"
            " write to."
        ) from error
    finally:
        with suppress(OSError):  # a parent that is no directory was reported above
            temporary.unlink(missing_ok=True)


class _Probed(Exception):
    pass


def check_writable(path: Path) -> None:
    """Find out before long work whether a file can be written at a path, leaving nothing behind.

    Raises
    ------
    InputError
    """
    with suppress(_Probed), written_atomically(path) as temporary:
        temporary.touch()
        raise _Probed


@contextmanager
def rewriting(folder: Path) -> Iterator[None]:
    """Let a block write a folder from nothing; if it fails, what was
    there is back; if killed, by `restore_folder`."""
    previous = _previous(folder)
    folder.mkdir(parents=True, exist_ok=True)
    folder.rename(previous)
    try:
        yield
    except BaseException:
        restore_folder(folder)
        raise
    shutil.rmtree(previous)


def restore_folder(folder: Path) -> None:
    """Give a folder back what was in it before a `rewriting` that did not end."""
    previous = _previous(folder)
    if previous.is_dir():
        shutil.rmtree(folder, ignore_errors=True)
        previous.rename(folder)


def _previous(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.previous")
