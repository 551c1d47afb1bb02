"""NASA's archive: the catalogue (CMR) and the login through earthaccess, the transfer through its session."""

from __future__ import annotations

import datetime
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import earthaccess
import requests
from earthaccess.exceptions import LoginAttemptFailure, LoginStrategyUnavailable
from requests.adapters import HTTPAdapter

from lstsr_core.base.errors import InputError
from lstsr_core.base.text import read_text
from lstsr_core.download.checksum import Checksum
from lstsr_core.download.logins import check_netrc_is_text, checked_token, netrc_has_login
from lstsr_core.download.sources import RemoteGranule, newest_of_each_day
from lstsr_core.download.transfer import Client, Patience, TransferError, check_secret_is_safe, check_status
from lstsr_core.geo.grid import Tile
from lstsr_core.modis.names import GranuleName
from lstsr_core.modis.products import COLLECTION, Product

TOKEN_VARIABLE = "EARTHDATA_TOKEN"
TOKEN_FILE_VARIABLE = "EARTHDATA_TOKEN_FILE"

_MOST_GRANULES = 1_000_000

NO_CREDENTIALS = (
    "no Earthdata login was found: make a free account at https://urs.earthdata.nasa.gov, then put the line"
    " 'machine urs.earthdata.nasa.gov login NAME password PASSWORD' into ~/.netrc, or set EARTHDATA_USERNAME"
    f" and EARTHDATA_PASSWORD, or {TOKEN_VARIABLE}, or {TOKEN_FILE_VARIABLE} to a file with a token; --source"
    " sample needs none"
)


class EarthdataSource:
    """Granules of the LP DAAC, found in NASA's catalogue.

    Parameters
    ----------
    patience : Patience
    stop : threading.Event
    system : earthaccess.system.System
        The catalogue and the login service; NASA's own.
    """

    name = "earthdata"

    def __init__(
        self, patience: Patience, stop: threading.Event, system: earthaccess.system.System = earthaccess.PROD
    ) -> None:
        check_netrc_is_text()
        self._system = system
        self._auth = earthaccess.Auth()
        self._client = Client(lambda: self._auth.get_session(), patience, stop)

    def search(
        self, product: Product, tile: Tile, start: datetime.date, end: datetime.date
    ) -> list[RemoteGranule]:
        catalogue = self._system.cmr_base_url
        first, last = product.period(start, end)
        query = (
            earthaccess.DataGranules()
            .short_name(product.short_name)
            .version(COLLECTION)
            .temporal(first, last)
        )
        query = query.granule_name(f"{product.short_name}.A*.{tile}.{COLLECTION}.*").mode(catalogue)
        adapter = _TimedAdapter(self._client.patience.timeout_s)
        query.session.mount("https://", adapter)
        query.session.mount("http://", adapter)

        def ask() -> list[earthaccess.DataGranule]:
            with warnings.catch_warnings():
                warnings.simplefilter(
                    "ignore", FutureWarning
                )  # earthaccess warns of its own DataGranule.size()
                try:
                    granules: list[earthaccess.DataGranule] = query.get(_MOST_GRANULES)
                except RuntimeError as error:
                    if (
                        isinstance(error.__cause__, requests.HTTPError)
                        and error.__cause__.response is not None
                    ):
                        check_status(error.__cause__.response, catalogue)
                    raise
                except (KeyError, TypeError) as error:
                    raise TransferError(
                        f"{catalogue}: its answer is not a list of granules.", concerns_all=True
                    ) from error
            return granules

        candidates = [
            _remote_granule(record, product, tile) for record in self._client.insist(catalogue, ask)
        ]
        return newest_of_each_day(
            [granule for granule in candidates if granule and first <= granule.name.date <= last]
        )

    def connect(self) -> None:
        """Log in with a token, a name and a password from the environment, or ``~/.netrc``.

        Raises
        ------
        InputError
            If there is none of these, it cannot be read, or the
            login is refused; the message says what to do.
        """
        host = self._system.edl_hostname
        try:
            with _token_in_environment(), _silent("earthaccess.auth"):
                try:
                    self._auth.login("environment", system=self._system)
                except LoginStrategyUnavailable:
                    path = earthaccess.auth.netrc_path()
                    if not netrc_has_login(path, host):
                        lacking = f"; {path} has none for {host}" if path.exists() else ""
                        raise InputError(f"{NO_CREDENTIALS}{lacking}.") from None
                    self._auth.login("netrc", system=self._system)
        except LoginAttemptFailure:
            raise InputError(
                "the Earthdata login was refused; check name and password (~/.netrc, or EARTHDATA_USERNAME"
                f" and EARTHDATA_PASSWORD) by logging in at https://{host}."
            ) from None
        except (
            requests.RequestException,
            KeyError,
            TypeError,
        ) as error:  # the last two by an answer without a token
            raise InputError(
                f"https://{host}: no login ({type(error).__name__}); check the network, or set"
                f" {TOKEN_VARIABLE}, which needs no login."
            ) from None
        except UnicodeError:
            raise InputError(
                "the Earthdata name or password has a character that a login cannot carry; choose others."
            ) from None

    def described(self, granule: RemoteGranule) -> RemoteGranule:
        return granule

    def fetch(self, granule: RemoteGranule, part: Path, advance: Callable[[int], None]) -> None:
        check_secret_is_safe(granule.url)
        self._client.fetch(granule.url, part, granule.size, advance)


def _remote_granule(record: earthaccess.DataGranule, product: Product, tile: Tile) -> RemoteGranule | None:
    """A granule of the catalogue; None for what the search's patterns matched by accident."""
    links = {urlsplit(link).path.rpartition("/")[2]: link for link in record.data_links(access="external")}
    for file_name, link in links.items():
        try:
            name = GranuleName.parse(file_name)
        except InputError:
            continue
        if (name.product, name.tile, name.collection) == (product.short_name, tile, COLLECTION):
            size, checksum = _archived(record, file_name)
            return RemoteGranule(name, link, size, checksum)
    return None


def _archived(record: earthaccess.DataGranule, file_name: str) -> tuple[int | None, Checksum | None]:
    """Bytes and checksum of a granule's file, from ``ArchiveAndDistributionInformation`` of UMM-G."""
    for file in record["umm"].get("DataGranule", {}).get("ArchiveAndDistributionInformation", []):
        if file.get("Name") == file_name:
            size, stated = file.get("SizeInBytes"), file.get("Checksum", {})
            return size and int(size), Checksum.stated(stated.get("Algorithm"), stated.get("Value"))
    return None, None  # Size alone is rounded megabytes, nothing to compare with


class _TimedAdapter(HTTPAdapter):
    """earthaccess asks the catalogue without a timeout and would wait for ever."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:  # type: ignore[override]
        return super().send(request, **{**options, "timeout": self._timeout_s})


@contextmanager
def _token_in_environment() -> Iterator[None]:
    """Let earthaccess, which knows the token by one variable only, find a clean one, from a file, too."""
    before, file = os.environ.get(TOKEN_VARIABLE), os.environ.get(TOKEN_FILE_VARIABLE)
    if not before and not file:
        yield
        return
    if before:
        token = checked_token(before, TOKEN_VARIABLE)
    else:
        token = checked_token(
            read_text(Path(str(file)), f"the token that {TOKEN_FILE_VARIABLE} names"), str(file)
        )
    os.environ[TOKEN_VARIABLE] = token
    try:
        yield
    finally:
        del os.environ[TOKEN_VARIABLE]
        if before is not None:
            os.environ[TOKEN_VARIABLE] = before


@contextmanager
def _silent(logger_name: str) -> Iterator[None]:
    """Keep a logger's lines, which quote the login service's answers, from the terminal and from logs."""
    logger = logging.getLogger(logger_name)
    logger.disabled, before = True, logger.disabled
    try:
        yield
    finally:
        logger.disabled = before
