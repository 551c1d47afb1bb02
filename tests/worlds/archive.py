"""An archive of small granules: NASA's catalogue and data hosts, the Data Pool, their faults."""

from __future__ import annotations

import datetime
import hashlib
import json
import string
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import earthaccess
import numpy as np
import pytest

from lstsr_core.base.project import PROJECT
from lstsr_core.geo.grid import COARSE_PIXEL_M, FINE_PIXEL_M, SINUSOIDAL, Tile
from lstsr_core.geo.raster import Raster
from lstsr_core.modis.names import GranuleName
from lstsr_core.simulation.granule_writer import write_lst_granule, write_reflectance_granule

TILE = Tile(18, 4)
HTML = (
    b"<!DOCTYPE html><html><head><title>Earthdata Login</title></head><body>Service unavailable</body></html>"
)
TEMPLATE = (PROJECT / "tests" / "data" / "cmr_granule.json").read_text(encoding="utf-8")


@dataclass(frozen=True)
class Fault:
    """What a server does in place of answering well.

    Attributes
    ----------
    status : int
    headers : dict
    body : bytes, optional
        In place of the file.
    cut_after : int, optional
        Bytes of the body after which the connection is closed.
    bytes_per_s : float, optional
    deaf_to_range : bool
        Send the whole file whatever part was asked for.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cut_after: int | None = None
    bytes_per_s: float | None = None
    deaf_to_range: bool = False


HTML_PAGE = Fault(headers={"Content-Type": "text/html"}, body=HTML)


@dataclass(frozen=True)
class Request:
    path: str
    range: str | None
    authorization: str | None


class Archive(ThreadingHTTPServer):
    """Serves `files` (path → content); `once` and `lasting` are faults by path or by ending of a path."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes | Callable[[], bytes]] = {}
        self.granules: dict[str, bytes] = {}
        self.once: dict[str, list[Fault]] = defaultdict(list)
        self.lasting: dict[str, Fault] = {}
        self.claims: dict[str, dict[str, Any]] = defaultdict(dict)
        self.requests: list[Request] = []
        self.sent_bytes: dict[str, int] = defaultdict(int)
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):  # a client that has seen enough hangs up
            super().handle_error(request, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    @property
    def system(self) -> earthaccess.system.System:
        """NASA's services as earthaccess finds them, on this machine; nothing listens for logins."""
        return earthaccess.system.System(f"{self.url}/search/", self.url, self.url, "127.0.0.1:9")

    def add(self, name: GranuleName | str, content: bytes) -> None:
        """Hold a granule, in the data host's directories and in the Data Pool's, with its metadata."""
        self.granules[str(name)] = content
        parsed = GranuleName.parse(str(name))
        stem, product = str(name).removesuffix(".hdf"), f"{parsed.product}.061"
        self.files[f"/lp-prod-protected/{product}/{stem}/{name}"] = content
        day = f"/{'MOLA' if parsed.platform == 'Aqua' else 'MOLT'}/{product}/{parsed.date:%Y.%m.%d}"
        self.files[f"{day}/{name}"] = content
        self.files[f"{day}/{name}.xml"] = lambda: ecs_metadata(str(name), content).encode()
        self.files[f"{day}/BROWSE.{stem}.1.jpg"] = b"\xff\xd8"

    def asked(self, ending: str) -> list[Request]:
        """The requests for files whose path ends so."""
        return [request for request in self.requests if request.path.endswith(ending)]

    @property
    def asked_for_granules(self) -> list[str]:
        return [request.path.rpartition("/")[2] for request in self.asked(".hdf")]

    def catalogue(self, query: dict[str, list[str]]) -> list[dict[str, Any]]:
        """What CMR finds: by short name, version, a pattern of the name and a period that overlaps."""
        first, last = (moment[:10] for moment in query["temporal[]"][0].split(","))
        (short_name,), (pattern,) = query["short_name"], query["readable_granule_name"]
        assert query["version"] == ["061"] and query["options[readable_granule_name][pattern]"] == ["true"]
        items = []
        for name, content in self.granules.items():
            parsed = GranuleName.parse(name)
            ends = (
                parsed.date.replace(month=12, day=31) if parsed.product == "MOD44W" else parsed.date
            ).isoformat()
            stem = name.removesuffix(".hdf")
            if (
                parsed.product != short_name
                or not fnmatchcase(stem, pattern)
                or not (parsed.date.isoformat() <= last and first <= ends)
            ):
                continue
            claim = {"size": len(content), "md5": hashlib.md5(content).hexdigest(), **self.claims[name]}
            text = string.Template(TEMPLATE.replace('"$size"', "$size")).substitute(
                granule=stem, date=parsed.date.isoformat(), product=parsed.product, base=self.url, **claim
            )
            items.append(json.loads(text))
            if claim["md5"] == "":
                for file in items[-1]["umm"]["DataGranule"]["ArchiveAndDistributionInformation"]:
                    del file["Checksum"]
        return items

    def index(self, path: str) -> bytes | None:
        """An index page in the manner of Apache, of what lies below a path."""
        below = {name.removeprefix(path).partition("/") for name in self.files if name.startswith(path)}
        if not below:
            return None
        links = "".join(
            f'<a href="{name}{slash}">{name}{slash}</a>\n'
            for name, slash in sorted({(n, s) for n, s, _ in below})
        )
        head = f'<html><head><title>Index of {path}</title></head><body><pre><a href="?C=N;O=D">Name</a>\n'
        return f'{head}<a href="../">Parent Directory</a>\n{links}</pre></body></html>'.encode()


def ecs_metadata(
    name: str, content: bytes, algorithm: str = "CKSUM", value: str | None = None, size: int | None = None
) -> str:
    """The ``.xml`` beside a granule, as the Data Pool's; its checksum computed by the command ``cksum``."""
    if value is None:
        value = (
            subprocess.run(["cksum"], input=content, capture_output=True, check=True)
            .stdout.split()[0]
            .decode()
        )
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE GranuleMetaDataFile SYSTEM "http://ecsinfo.gsfc.nasa.gov/ECSInfo/ecsmetadata/dtds/DPL/ECS/ScienceGranuleMetadata.dtd">
<GranuleMetaDataFile>
    <DTDVersion>1.0</DTDVersion>
    <DataCenterId>EDC</DataCenterId>
    <GranuleURMetaData>
        <GranuleUR>SC:{name.partition(".")[0]}.061:2465432109</GranuleUR>
        <DbID>2465432109</DbID>
        <CollectionMetaData>
            <ShortName>{name.partition(".")[0]}</ShortName>
            <VersionID>61</VersionID>
        </CollectionMetaData>
        <DataFiles>
            <DataFileContainer>
                <DistributedFileName>{name}</DistributedFileName>
                <FileSize>{len(content) if size is None else size}</FileSize>
                <ChecksumType>{algorithm}</ChecksumType>
                <Checksum>{value}</Checksum>
                <ChecksumOrigin>DCE</ChecksumOrigin>
            </DataFileContainer>
        </DataFiles>
    </GranuleURMetaData>
</GranuleMetaDataFile>
"""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Archive

    def log_message(self, *arguments: object) -> None: ...

    def do_GET(self) -> None:
        parts, archive = urlsplit(self.path), self.server
        with archive.lock:
            archive.requests.append(Request(parts.path, self.headers["Range"], self.headers["Authorization"]))
            fault = self._fault(parts.path)
        if fault.status >= 400:
            self._answer(
                fault.status, fault.body or HTML, {"Content-Type": "text/html", **fault.headers}, fault
            )
        elif parts.path == "/search/granules.umm_json" and fault.body is None:
            items = archive.catalogue(parse_qs(parts.query))
            page = int(parse_qs(parts.query)["page_size"][0])
            begin = int(self.headers.get("CMR-Search-After", "0"))
            body = json.dumps({"hits": len(items), "took": 12, "items": items[begin : begin + page]}).encode()
            type_ = "application/vnd.nasa.cmr.umm_results+json;version=1.6.6; charset=utf-8"
            self._answer(
                200,
                body,
                {"Content-Type": type_, "CMR-Hits": str(len(items)), "CMR-Search-After": str(begin + page)},
                fault,
            )
        elif parts.path.endswith("/"):
            body = fault.body or archive.index(parts.path)
            self._answer(200 if body else 404, body or HTML, {"Content-Type": "text/html"}, fault)
        elif parts.path in archive.files:
            self._file(parts.path, fault)
        else:
            self._answer(404, HTML, {"Content-Type": "text/html"}, fault)

    def _fault(self, path: str) -> Fault:
        for ending, faults in self.server.once.items():
            if path.endswith(ending) and faults:
                return faults.pop(0)
        return next(
            (fault for ending, fault in self.server.lasting.items() if path.endswith(ending)), Fault()
        )

    def _file(self, path: str, fault: Fault) -> None:
        held = self.server.files[path]
        content = fault.body if fault.body is not None else held() if callable(held) else held
        headers = {
            "Content-Type": "application/x-hdf",
            "ETag": f'"{hashlib.md5(content).hexdigest()}"',
            **fault.headers,
        }
        asked = self.headers["Range"]
        valid = self.headers["If-Range"] in (None, headers["ETag"])
        if asked and valid and not fault.deaf_to_range and fault.body is None:
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(content):
                self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"}, fault)
                return
            headers["Content-Range"] = f"bytes {begin}-{len(content) - 1}/{len(content)}"
            self._answer(206, content[begin:], headers, fault)
        else:
            self._answer(200, content, headers, fault)

    def _answer(self, status: int, body: bytes, headers: dict[str, str], fault: Fault) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        step = 16384 if fault.bytes_per_s else len(body)
        end = len(body) if fault.cut_after is None else min(fault.cut_after, len(body))
        with suppress(BrokenPipeError, ConnectionResetError):
            for begin in range(0, end, max(step, 1)):
                block = body[begin : min(begin + step, end)]
                self.wfile.write(block)
                self.server.sent_bytes[urlsplit(self.path).path.rpartition("/")[2]] += len(block)
                if fault.bytes_per_s:
                    time.sleep(len(block) / fault.bytes_per_s)
        if fault.cut_after is not None:
            self.close_connection = True


@contextmanager
def serving(archive: Archive) -> Iterator[Archive]:
    thread = threading.Thread(target=archive.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield archive
    finally:
        archive.shutdown()
        thread.join()
        archive.server_close()


def small_granule(
    directory: Path, product: str, date: datetime.date, pixels: int = 320, seed: int = 1
) -> tuple[str, bytes]:
    """Name and content of a granule of noise in a corner of tile h18v04, some 200 kB."""
    name = str(GranuleName(product, date, TILE, "061", "2020358154430"))
    path = directory / name
    generator = np.random.default_rng([seed, date.toordinal()])
    if "21A1" in product:
        lst = generator.normal(290.0, 8.0, (pixels, pixels))
        write_lst_granule(path, Raster(lst, TILE.transform(COARSE_PIXEL_M), SINUSOIDAL))
    else:
        bands = generator.uniform(0.0, 0.6, (2, pixels, pixels))
        red, nir = (Raster(band, TILE.transform(FINE_PIXEL_M), SINUSOIDAL) for band in bands)
        write_reflectance_granule(path, red, nir)
    return name, path.read_bytes()


LOGIN_VARIABLES = (
    "NETRC",
    "EARTHDATA_TOKEN",
    "EARTHDATA_USERNAME",
    "EARTHDATA_PASSWORD",
    "EARTHDATA_TOKEN_FILE",
    "LSTSR_MIRROR_TOKEN",
)


def forget_logins(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a login nor a proxy: another home, and no variable that holds one."""
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in LOGIN_VARIABLES:
        monkeypatch.delenv(name, raising=False)
