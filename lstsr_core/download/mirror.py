"""An HTTP archive laid out as ``/<path>/<product>/YYYY.MM.DD/``, read through pymodis."""

from __future__ import annotations

import datetime
import logging
import os
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit
from xml.etree import ElementTree

import requests

from lstsr_core.base.errors import InputError
from lstsr_core.download.checksum import Checksum
from lstsr_core.download.logins import check_netrc_is_text, checked_token, netrc_has_login, netrc_path
from lstsr_core.download.sources import RemoteGranule, newest_of_each_day
from lstsr_core.download.transfer import Client, Patience, TransferError, check_secret_is_safe
from lstsr_core.geo.grid import Tile
from lstsr_core.modis.names import GranuleName
from lstsr_core.modis.products import COLLECTION, Product

TOKEN_VARIABLE = "LSTSR_MIRROR_TOKEN"
"""Not Earthdata's, which is for NASA's hosts alone."""

DIRECTORIES = {"Terra": "MOLT", "Aqua": "MOLA"}
"""Where the Data Pool had the products of each satellite."""


class MirrorSource:
    """Granules of an archive that kept the Data Pool's layout.

    pymodis knows the layout: it makes the addresses, reads the index pages and picks days and files. It makes
    no request, because its own cannot be guarded from outside: it takes an error page for an empty day or a
    granule, repeats a failed request at once and without end, and compares no checksum.

    Parameters
    ----------
    url : str
        Of the archive, without the path.
    patience : Patience
    stop : threading.Event
    path : str, optional
        Directory of the products; without it, `DIRECTORIES` says which.

    Raises
    ------
    InputError
        If pymodis is not installed, the URL is none or has a password in it, or a login cannot be read.
    """

    name = "mirror"

    def __init__(self, url: str, patience: Patience, stop: threading.Event, path: str | None = None) -> None:
        try:
            parts = urlsplit(url)
            wrong = parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0
        except ValueError:
            wrong = True
        if wrong:
            shown = url.rpartition("@")[2]  # what stands before may be a login
            raise InputError(f"--url is '{shown}'; expected an address such as https://archive.example.org.")
        if parts.username or parts.password:
            raise InputError(
                f"--url holds a login; put it into ~/.netrc (machine {parts.hostname}), or set"
                f" {TOKEN_VARIABLE}."
            )
        check_netrc_is_text()
        token, netrc = os.environ.get(TOKEN_VARIABLE), netrc_path()
        self._token = checked_token(token, TOKEN_VARIABLE) if token else None
        # requests sends a netrc's login by itself, and is silent about one that it cannot read.
        if self._token or (netrc is not None and netrc_has_login(netrc, str(parts.hostname))):
            check_secret_is_safe(url)
        self._pymodis = _pymodis()
        self._url, self._path = url, path
        self._client = Client(self._new_session, patience, stop)
        self._pages: dict[str, str] = {}

    def search(
        self, product: Product, tile: Tile, start: datetime.date, end: datetime.date
    ) -> list[RemoteGranule]:
        first, last = product.period(start, end)
        archive = self._archive(product, tile, first, last)
        root = self._pymodis.urljoin(archive.url, archive.path)
        days = self._read_index(root).get_dates()
        if not days:
            raise InputError(
                f"{root}: lists no days; expected an archive's index with a directory YYYY.MM.DD for each"
                " day."
            )
        archive.dirData = days[::-1]
        # pymodis fails when asked for days before the archive's first.
        period = archive.getListDays() if days[0] <= f"{last:%Y.%m.%d}" else []
        granules = []
        for day in period:
            address = self._pymodis.urljoin(root, day)
            index = self._read_index(address)
            try:
                of_product, of_tile = (
                    index.get_tiles(archive.product_code, tiles) for tiles in (None, archive.tiles)
                )
            except IndexError:
                of_product = []
            if not of_product:
                raise InputError(
                    f"{address}: lists no file of {product}; expected an archive's index of that day's"
                    " granules."
                )
            granules += _remote_granules(address, of_tile, product, tile)
        return newest_of_each_day(granules)

    def connect(self) -> None: ...

    def described(self, granule: RemoteGranule) -> RemoteGranule:
        if granule.metadata_url is None:
            return granule
        text = self._client.page(granule.metadata_url)
        size, checksum = _archived(text, str(granule.name), granule.metadata_url)
        return replace(granule, size=size, checksum=checksum)

    def fetch(self, granule: RemoteGranule, part: Path, advance: Callable[[int], None]) -> None:
        self._client.fetch(granule.url, part, granule.size, advance)

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        if self._token:
            session.auth = _Bearer(self._token)
        return session

    def _read_index(self, url: str) -> Any:
        # Several tiles share the pages of their days.
        if url not in self._pages:
            self._pages[url] = self._client.page(f"{url}/")
        try:
            return self._pymodis.modisHtmlParser(self._pages[url])
        except (KeyError, AttributeError) as error:  # an anchor without an address
            raise InputError(f"{url}: pymodis cannot read this page; expected an archive's index.") from error

    def _archive(self, product: Product, tile: Tile, first: datetime.date, last: datetime.date) -> Any:
        with tempfile.TemporaryDirectory() as scratch, _logging_kept():
            archive = self._pymodis.downModis(
                scratch, token=self._token or "none", url=self._url,
                path=self._path or DIRECTORIES[product.platform], product=str(product), tiles=[str(tile)],
                today=last.isoformat(), enddate=first.isoformat(), checkgdal=False,
            )  # fmt: skip
            archive.closeFilelist()
        return archive


class _Bearer(requests.auth.AuthBase):
    # As a header of the session, a line in ~/.netrc would replace it.
    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _pymodis() -> ModuleType:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of pymodis' optional parts
            from pymodis import downmodis
    except ImportError as error:
        raise InputError(
            f"--source mirror needs pymodis, which is not to be had here ({error}): conda install -c"
            " conda-forge pymodis; or with apt: apt install libgdal-dev g++ python3-dev, then pip install"
            ' "GDAL==$(gdal-config --version)" pymodis==2.4.1.'
        ) from error
    module: ModuleType = downmodis
    return module


@contextmanager
def _logging_kept() -> Iterator[None]:
    """Undo what pymodis does to logging: a file for everything in its directory, and warnings sent there."""
    before = logging.root.level
    placeholder = logging.NullHandler()  # a root logger that has a handler is left alone
    logging.root.addHandler(placeholder)
    try:
        yield
    finally:
        logging.root.removeHandler(placeholder)
        logging.root.setLevel(before)
        logging.captureWarnings(False)


def _remote_granules(
    address: str, file_names: list[str], product: Product, tile: Tile
) -> list[RemoteGranule]:
    granules = []
    for file_name in file_names:
        try:
            name = GranuleName.parse(file_name)
        except InputError:
            continue
        if (name.product, name.tile, name.collection) == (product.short_name, tile, COLLECTION):
            metadata_url = f"{address}/{file_name}.xml" if f"{file_name}.xml" in file_names else None
            granules.append(RemoteGranule(name, f"{address}/{file_name}", metadata_url=metadata_url))
    return granules


def _archived(text: str, file_name: str, url: str) -> tuple[int | None, Checksum | None]:
    """Bytes and checksum of a granule's file, from ``DataFileContainer`` of its ECS metadata."""
    try:
        for file in ElementTree.fromstring(text).iter("DataFileContainer"):
            if (file.findtext("DistributedFileName") or "").strip() == file_name:
                checksum = Checksum.stated(file.findtext("ChecksumType"), file.findtext("Checksum"))
                return int(file.findtext("FileSize") or ""), checksum
    except (ElementTree.ParseError, ValueError) as error:
        raise TransferError(f"{url}: is not the granule's metadata ({error}).") from error
    raise TransferError(f"{url}: says nothing of {file_name}; expected its FileSize and Checksum.")
