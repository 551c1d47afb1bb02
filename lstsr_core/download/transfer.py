"""HTTP requests to an archive that is busy, far away or short of words: back-off with a limit, transfers that
resume, and one line for each way in which they fail."""

from __future__ import annotations

import datetime
import email.utils
import itertools
import math
import re
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import requests

from lstsr_core.base.errors import InputError

Answer = TypeVar("Answer")

_BLOCK_BYTES = 1 << 16
_HDF4_MAGIC = b"\x0e\x03\x13\x01"

_ADVICE = {
    401: (
        "the login was refused; check the line in ~/.netrc or the token (NASA's expire after 60 days; make"
        " one at https://urs.earthdata.nasa.gov, Generate Token)"
    ),
    403: (
        "the account may not have this file; accept the licences and approve the data centre's application at"
        " https://urs.earthdata.nasa.gov/profile (EULAs, Applications), then run this again"
    ),
    404: "the archive does not have it (any more); run this again later, which lists the archive anew",
    429: "too many requests; run this again later, with fewer --threads",
    503: "the archive is down or busy; run this again later, what is here is kept",
}
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_REGARDLESS_OF_FILE = {401, 403, *_PASSING}


class TransferError(InputError):
    """A request that failed for good.

    Attributes
    ----------
    concerns_all : bool
        Whether other requests will probably fail as well: the login, the network or the archive are at fault.
    """

    def __init__(self, message: str, concerns_all: bool = False) -> None:
        super().__init__(message)
        self.concerns_all = concerns_all


class Stopped(Exception):
    """The run is being stopped; nothing is wrong with the granule."""


class _Passing(Exception):
    """A failure that may pass."""

    def __init__(
        self, reason: str, *, retry_after_s: float = 0.0, advanced: bool = False, concerns_all: bool = True
    ) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.advanced = advanced
        self.concerns_all = concerns_all


@dataclass(frozen=True)
class Patience:
    """How often and how long to insist.

    Attributes
    ----------
    attempts : int
        Requests for one thing before giving up; those that brought a tenth of the file are not counted.
    first_wait_s : float
        Before the second attempt; doubled before each further one.
    longest_wait_s : float
        No wait is longer, and an archive that asks for a longer one (``Retry-After``) is given up.
    timeout_s : float
        Without a byte.
    """

    attempts: int = 6
    first_wait_s: float = 2.0
    longest_wait_s: float = 300.0
    timeout_s: float = 60.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise InputError(f"the number of attempts is {self.attempts}; expected 1 or more.")
        if not 0.0 <= self.first_wait_s < math.inf:
            raise InputError(f"the first wait is {self.first_wait_s} s; expected 0 or more.")

    def wait_s(self, url: str, attempt: int) -> float:
        """Before the attempt after this one: back-off times 0.75 to 1.25,
        by URL, so that threads do not return in step."""
        jitter = 0.75 + 0.5 * zlib.crc32(f"{url} {attempt}".encode()) / 0xFFFFFFFF
        return min(self.first_wait_s * 2.0 ** (attempt - 1) * jitter, self.longest_wait_s)


class Client:
    """Requests of several threads, each with a session of its own.

    Parameters
    ----------
    new_session : callable
        Gives a session, with its authentication.
    patience : Patience
    stop : threading.Event
        Set, it ends waits and transfers with `Stopped`.
    """

    def __init__(
        self, new_session: Callable[[], requests.Session], patience: Patience, stop: threading.Event
    ) -> None:
        self.patience = patience
        self.stop = stop
        self._new_session = new_session
        self._of_thread = threading.local()

    @property
    def _session(self) -> requests.Session:
        if not hasattr(self._of_thread, "session"):
            self._of_thread.session = self._new_session()
        session: requests.Session = self._of_thread.session
        return session

    def insist(self, url: str, attempt: Callable[[], Answer]) -> Answer:
        """Call until it succeeds or `Patience` is at an end.

        Raises
        ------
        TransferError
            If it fails for good.
        Stopped
        """
        # Not urllib3's Retry, which sleeps through a stop and does not see a body break off; nor
        # tenacity, since what is special here (attempts that advanced do not count, Retry-After has a
        # limit, the reason in a line) would be ours still.
        failures = 0
        for number in itertools.count(1):
            if self.stop.is_set():
                raise Stopped
            try:
                with _errors_named(url, self.patience.timeout_s):
                    return attempt()
            except _Passing as error:
                failures += not error.advanced
                wait_s = max(self.patience.wait_s(url, max(failures, 1)), error.retry_after_s)
                if failures >= self.patience.attempts:
                    tried = f" ({number} attempts)" if number > 1 else ""
                    raise TransferError(f"{_shown(url)}: {error}{tried}.", error.concerns_all) from error
                if wait_s > self.patience.longest_wait_s:
                    raise TransferError(
                        f"{_shown(url)}: {error}; the archive asks to come back in {wait_s:.0f} s, longer"
                        f" than the {self.patience.longest_wait_s:.0f} s that are waited for.",
                        concerns_all=True,
                    ) from error
                self.stop.wait(wait_s)
        raise AssertionError  # count() does not end

    def page(self, url: str) -> str:
        """The text behind a URL.

        Raises
        ------
        TransferError
        Stopped
        """

        def attempt() -> str:
            response = self._session.get(url, timeout=self.patience.timeout_s)
            check_status(response, url)
            return response.text

        return self.insist(url, attempt)

    def fetch(self, url: str, part: Path, size: int | None, advance: Callable[[int], None]) -> None:
        """Bring a file, going on where `part` ends.

        Parameters
        ----------
        url : str
        part : Path
            May hold the beginning of the file.
        size : int or None
            Bytes of the whole file, if known.
        advance : callable
            Told how many bytes the part has grown by, or shrunk.

        Raises
        ------
        TransferError
        Stopped
        """
        same_version: dict[str, str] = {}

        def restart() -> None:
            advance(-_size(part))
            part.unlink(missing_ok=True)

        def attempt() -> None:
            if size is not None and _size(part) > size:
                restart()
            begin = _size(part)
            if begin == size:
                return
            headers = {"Accept-Encoding": "identity"}
            if begin:
                headers["Range"] = f"bytes={begin}-"
                headers.update(same_version)
            with self._session.get(
                url, headers=headers, stream=True, timeout=self.patience.timeout_s
            ) as response:
                if response.status_code == requests.codes.requested_range_not_satisfiable:
                    restart()
                    raise _Passing("the archive has less of it than was fetched before", concerns_all=False)
                check_status(response, url)
                if begin and not _continues(response, begin):
                    restart()
                    begin = 0
                whole = (
                    begin + int(response.headers["Content-Length"])
                    if "Content-Length" in response.headers
                    else None
                )
                _check_announced(response, whole, size)
                if response.headers.get("ETag", "").startswith('"'):
                    same_version["If-Range"] = response.headers["ETag"]
                self._write(response, part, whole, advance)
            missing = (size if size is not None else whole or 0) - _size(part)
            if missing > 0:
                raise _broken(_size(part), begin, size or whole)

        def attempt_and_keep_count() -> None:
            begin = _size(part)
            try:
                attempt()
            except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
                if _size(part) > begin:
                    raise _broken(_size(part), begin, size) from error
                raise

        self.insist(url, attempt_and_keep_count)

    def _write(
        self, response: requests.Response, part: Path, whole: int | None, advance: Callable[[int], None]
    ) -> None:
        for block in response.iter_content(_BLOCK_BYTES):
            if self.stop.is_set():
                raise Stopped
            if not _size(part) and not block.startswith(_HDF4_MAGIC):
                raise _Passing(
                    f"the archive sent something else than HDF4 (it begins with {block[:16]!r}), perhaps an"
                    " error page",
                    concerns_all=False,
                )
            with part.open("ab") as stream:
                stream.write(block)
            advance(len(block))


def check_status(response: requests.Response, url: str) -> None:
    """Raise unless a request succeeded, saying what the status means and what to do."""
    status = response.status_code
    if status < 400:
        return
    advice = _ADVICE.get(
        status,
        "the archive cannot answer; run this again later" if status >= 500 else "the request was refused",
    )
    reason = f"{status}, {advice}"
    if status in _PASSING:
        raise _Passing(reason, retry_after_s=_retry_after_s(response.headers.get("Retry-After", "")))
    raise TransferError(f"{_shown(url)}: {reason}.", status in _REGARDLESS_OF_FILE)


def check_secret_is_safe(url: str) -> None:
    """Refuse to send a login unencrypted, except to this machine."""
    parts = urlsplit(url)
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise TransferError(f"{_shown(url)}: is not https; a login would be sent for all to read.")


@contextmanager
def _errors_named(url: str, timeout_s: float) -> Iterator[None]:
    """Say what a failed request means; the library's own words
    would show whole URLs, with what is secret in them."""
    try:
        yield
    except requests.Timeout as error:
        raise _Passing(f"no answer within {timeout_s:g} s; check the network") from error
    except requests.exceptions.SSLError as error:
        raise TransferError(
            f"{_shown(url)}: the server's certificate is not accepted.", concerns_all=True
        ) from error
    except (requests.ConnectionError, requests.exceptions.ChunkedEncodingError) as error:
        raise _Passing("the connection failed or broke off; check the network") from error
    except requests.RequestException as error:
        raise TransferError(f"{_shown(url)}: the request failed ({type(error).__name__}).") from error
    except UnicodeEncodeError:
        raise TransferError(
            f"{_shown(url)}: the login has a character that HTTP cannot carry.", concerns_all=True
        ) from None


def _broken(held: int, begin: int, size: int | None) -> _Passing:
    advanced = size is not None and held - begin >= size / 10
    return _Passing(f"the connection broke off after {held} of {size or 'unknown'} bytes", advanced=advanced)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _continues(response: requests.Response, begin: int) -> bool:
    range_ = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return (
        response.status_code == requests.codes.partial_content
        and range_ is not None
        and int(range_[1]) == begin
    )


def _check_announced(response: requests.Response, whole: int | None, size: int | None) -> None:
    if response.headers.get("Content-Type", "").startswith(("text/html", "application/xhtml")):
        raise _Passing(
            "the archive sent a web page in place of the granule, perhaps its login or an error page; check"
            " the login and the licences at https://urs.earthdata.nasa.gov/profile",
            concerns_all=False,
        )
    if None not in (whole, size) and whole != size:
        raise _Passing(f"the archive offers {whole} bytes, its metadata say {size}", concerns_all=False)


def _retry_after_s(text: str) -> float:
    """Seconds that a Retry-After header asks for: a number or a date."""
    if text.strip().isdecimal():
        return float(text)
    try:
        moment = email.utils.parsedate_to_datetime(text)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.UTC)
    return max((moment - datetime.datetime.now(datetime.UTC)).total_seconds(), 0.0)


def _shown(url: str) -> str:
    """A URL without what may be secret in it: user, password and query."""
    try:
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    except ValueError:
        return "an address that is none"
