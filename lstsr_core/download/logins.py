"""Logins as people keep them, looked at before a library reads
them: what is wrong is told, no secret is quoted."""

from __future__ import annotations

import os
import re
from netrc import NetrcParseError, netrc
from pathlib import Path

from requests.utils import NETRC_FILES

from lstsr_core.base.errors import InputError
from lstsr_core.base.text import BYTE_ORDER_MARKS, decode

_NETRC = "lines such as 'machine HOST login NAME password PASSWORD'"


def netrc_path() -> Path | None:
    """The file in which requests looks for logins: that of ``NETRC``, otherwise ``~/.netrc`` or ``~/_netrc``.

    None if there is none.
    """
    named = os.environ.get("NETRC")
    if named == "":  # which would be the working directory
        return None
    names = [f"~/{name}" for name in NETRC_FILES] if named is None else [named]
    return next((path for path in (Path(name).expanduser() for name in names) if path.exists()), None)


def check_netrc_is_text() -> None:
    """Refuse a netrc whose encoding stops requests, which looks into
    it before each request, whatever login is used.

    Raises
    ------
    InputError
    """
    path = netrc_path()
    if path is None:
        return
    if path.is_fifo():
        raise InputError(f"{path}: is a pipe, which can be read only once; expected a file with {_NETRC}.")
    try:
        netrc(str(path))
    except UnicodeDecodeError:
        raise _in_another_encoding(path) from None
    except (NetrcParseError, OSError):
        pass  # requests goes on without it


def netrc_has_login(path: Path, host: str) -> bool:
    """Whether a netrc has a login for a host.

    Raises
    ------
    InputError
        If it cannot be read or understood, or its login lacks a name or a password.
    """
    try:
        entry = netrc(str(path)).hosts.get(host)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); expected a file with {_NETRC}."
        ) from None
    except UnicodeDecodeError:
        raise _in_another_encoding(path) from None
    except NetrcParseError as error:
        if path.read_bytes().startswith(tuple(BYTE_ORDER_MARKS)):
            raise _in_another_encoding(path) from None
        # The parser's own words would quote what it stopped at, which may be half a password.
        raise InputError(
            f"{path}: not understood at line {error.lineno} or above; expected {_NETRC}, quotes around what"
            " has spaces."
        ) from None
    if entry is not None and not (entry[0] and entry[2]):
        raise InputError(
            f"{path}: the login for {host} has no {'password' if entry[0] else 'name'}; expected {_NETRC}."
        )
    return entry is not None


def _in_another_encoding(path: Path) -> InputError:
    if path.read_bytes().startswith(tuple(BYTE_ORDER_MARKS)):
        return InputError(
            f"{path}: begins with a byte-order mark (UTF-16, say); save it as UTF-8 without one."
        )
    try:
        decode(path.read_bytes(), path, _NETRC)
    except InputError as error:
        return error
    return InputError(f"{path}: is not in the encoding of your locale; expected {_NETRC}, in UTF-8.")


def checked_token(text: str, name: str) -> str:
    """A token without the white space around it.

    Parameters
    ----------
    text : str
    name : str
        Where it comes from, for the message.

    Raises
    ------
    InputError
        If it is none: empty, of several words or lines, or with letters that tokens do not have.
    """
    token = text.strip()
    if not re.fullmatch(r"[!-~]+", token):
        words = len(token.split())
        fault = (
            "is empty"
            if not words
            else f"holds {words} words"
            if words > 1
            else "holds characters that no token has"
        )
        raise InputError(f"{name} {fault}; expected a token alone, on one line.")
    return token
