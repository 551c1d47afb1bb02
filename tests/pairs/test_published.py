"""The published files: the registry, what a directory holds of them, fetching from a server."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from lstsr_core import cli
from lstsr_core.base.errors import InputError
from lstsr_core.networks.weights_files import PUBLISHED_CHECKPOINTS, weights_file
from lstsr_core.pairs import published as archive
from lstsr_core.pairs.pair import pair_ids

DATA, MODELS = "test_data_formatted/data/", "models/"
CONTENT = {
    f"{DATA}0_aster_250m.tif": b"aster zero" * 50,
    f"{DATA}0_data_dict.pkl": b"modis zero" * 70,
    f"{DATA}1_aster_250m.tif": b"aster one" * 60,
    f"{DATA}1_data_dict.pkl": b"modis one" * 40,
    f"{MODELS}modelB_1009/modelB_state_dict.pt": b"weights one" * 30,
    f"{MODELS}modelB_2609/modelB_state_dict.pt": b"weights two" * 30,
}


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, handler: type[BaseHTTPRequestHandler] | partial[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/published/"


class Files(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: object) -> None: ...


class CutShort(BaseHTTPRequestHandler):
    """Promises more bytes than it sends."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "500")
        self.end_headers()
        self.wfile.write(b"aster zero")

    def log_message(self, *arguments: object) -> None: ...


def served(server: QuietServer) -> Iterator[QuietServer]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def write(directory: Path, names: list[str]) -> None:
    for name in names:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_bytes(CONTENT[name])


def held(directory: Path) -> dict[str, bytes]:
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, no proxy, no published pairs."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv(archive.VARIABLE, raising=False)


@pytest.fixture
def small_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A registry file of two pairs and two checkpoints, with a line that is neither."""
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENT.items()}
    lines = [f"{name} sha256:{digest}" for name, digest in {**digests, "README.md": "0" * 64}.items()]
    path = tmp_path / "registry.txt"
    path.write_text("\n".join(lines) + "\n")
    monkeypatch.setattr(archive, "REGISTRY", path)
    return digests


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """What the server serves below /published/."""
    write(tmp_path / "site" / "published", list(CONTENT))
    return tmp_path / "site" / "published"


@pytest.fixture
def server(site: Path) -> Iterator[QuietServer]:
    yield from served(QuietServer(partial(Files, directory=str(site.parent))))


@pytest.fixture
def cut_short() -> Iterator[QuietServer]:
    yield from served(QuietServer(CutShort))


@pytest.fixture
def dead_url() -> str:
    """Of a port that nothing listens to any more."""
    server = QuietServer(Files)
    server.server_close()
    return server.url


def test_registry_has_every_pair_and_checkpoint() -> None:
    digests = archive.registry()
    pairs = {name for name in digests if name.startswith(DATA)}
    suffixes = ("aster_250m.tif", "data_dict.pkl")
    assert pairs == {
        f"{DATA}{scene}_{suffix}"
        for scene in {Path(name).name.split("_")[0] for name in pairs}
        for suffix in suffixes
    }
    assert len(pairs) == 2 * 83
    assert digests.keys() - pairs == {MODELS + name for name in PUBLISHED_CHECKPOINTS.values()}
    assert len(PUBLISHED_CHECKPOINTS) == 3
    assert all(len(digest) == 64 and int(digest, 16) for digest in digests.values())
    assert len(set(digests.values())) == len(digests)


def test_published_directory_of_the_environment_holds_what_was_published(published_pairs: Path) -> None:
    files = archive.verify(published_pairs)
    assert len(files) == 2 * 83 + 3
    assert set(files["status"]) <= {"verified", "absent"}
    pairs = files[files["status"] == "verified"].groupby(["kind", "scene"]).size()
    assert (pairs["pair"] == 2).all()


def test_registry_leaves_out_what_is_neither_pair_nor_checkpoint(small_registry: dict[str, str]) -> None:
    assert archive.registry() == small_registry


@pytest.mark.parametrize("below", ["", "test_data_formatted/", "test_data_formatted/data/"])
def test_verify_tells_verified_absent_and_different(
    small_registry: dict[str, str], tmp_path: Path, below: str
) -> None:
    root = tmp_path / "copy"
    write(
        root,
        [name for name in CONTENT if not name.endswith(("1_data_dict.pkl", "2609/modelB_state_dict.pt"))],
    )
    (root / f"{DATA}1_aster_250m.tif").write_bytes(b"another")
    files = archive.verify(root / below).set_index("file")
    assert list(files.index) == list(CONTENT)
    status = files["status"].to_dict()
    assert [status[f"{DATA}{name}"] for name in ("0_aster_250m.tif", "0_data_dict.pkl")] == ["verified"] * 2
    assert status[f"{DATA}1_aster_250m.tif"] == "differs from the registry"
    assert status[f"{DATA}1_data_dict.pkl"] == status[f"{MODELS}modelB_2609/modelB_state_dict.pt"] == "absent"
    assert status[f"{MODELS}modelB_1009/modelB_state_dict.pt"] == ("absent" if below else "verified")
    assert files["kind"].tolist() == ["pair"] * 4 + ["checkpoint"] * 2
    assert files["scene"].tolist() == ["0", "0", "1", "1", "", ""]
    assert files["bytes"].tolist()[:4] == [500, 700, 7, 0]
    assert files.loc[f"{DATA}0_aster_250m.tif", "sha256"] == small_registry[f"{DATA}0_aster_250m.tif"]
    assert files.loc[f"{DATA}1_data_dict.pkl", ["sha256", "path"]].tolist() == ["", ""]


def test_verify_of_an_empty_directory_finds_all_absent(
    small_registry: dict[str, str], tmp_path: Path
) -> None:
    assert archive.verify(tmp_path / "nothing")["status"].tolist() == ["absent"] * 6


def test_only_complete_pairs_are_linked(small_registry: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "copy", list(CONTENT))
    (tmp_path / "copy" / f"{DATA}1_data_dict.pkl").write_bytes(b"another")
    (tmp_path / "copy" / f"{MODELS}modelB_2609/modelB_state_dict.pt").unlink()
    pairs, weights = tmp_path / "run" / "pairs", tmp_path / "run" / "weights"
    for _ in range(2):  # a second time over the first's links
        archive.link_verified(archive.verify(tmp_path / "copy"), pairs, weights)
        assert sorted(path.name for path in pairs.iterdir()) == ["0_aster_250m.tif", "0_data_dict.pkl"]
        assert held(weights) == {
            "modelB_1009/modelB_state_dict.pt": CONTENT[f"{MODELS}modelB_1009/modelB_state_dict.pt"]
        }
    assert all(
        path.is_symlink() and path.read_bytes() == CONTENT[f"{DATA}{path.name}"] for path in pairs.iterdir()
    )
    assert pair_ids(pairs) == ["0"]
    assert weights_file(weights, "sif-cnn-sr1") == weights / "modelB_1009" / "modelB_state_dict.pt"


def test_links_hold_from_any_working_directory(
    small_registry: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "copy", list(CONTENT))
    monkeypatch.chdir(tmp_path)
    archive.link_verified(archive.verify(Path("copy")), tmp_path / "pairs", tmp_path / "weights")
    monkeypatch.chdir("/")
    assert (tmp_path / "pairs" / "1_data_dict.pkl").read_bytes() == CONTENT[f"{DATA}1_data_dict.pkl"]


def test_without_a_complete_pair_nothing_is_linked(small_registry: dict[str, str], tmp_path: Path) -> None:
    write(tmp_path / "copy", [f"{DATA}0_aster_250m.tif", f"{DATA}1_data_dict.pkl"])
    with pytest.raises(
        InputError, match=r"none of the published pairs was found whole .* set LSTSR_PAIRS to a directory"
    ):
        archive.link_verified(archive.verify(tmp_path / "copy"), tmp_path / "pairs", tmp_path / "weights")
    assert not (tmp_path / "pairs").exists()


def test_files_arrive_checked(small_registry: dict[str, str], server: QuietServer, tmp_path: Path) -> None:
    directory = archive.fetch(tmp_path / "new", server.url)
    assert held(directory) == CONTENT
    assert archive.verify(directory)["status"].tolist() == ["verified"] * 6


def test_only_what_is_missing_is_fetched(
    small_registry: dict[str, str], server: QuietServer, site: Path, tmp_path: Path
) -> None:
    names = list(CONTENT)
    write(tmp_path / "new", names[:3])
    for name in names[:3]:
        (site / name).unlink()  # asking for them would fail
    assert held(archive.fetch(tmp_path / "new", server.url)) == CONTENT


def test_a_whole_directory_asks_no_server(
    small_registry: dict[str, str], dead_url: str, tmp_path: Path
) -> None:
    write(tmp_path / "whole", list(CONTENT))
    assert archive.fetch(tmp_path / "whole", dead_url) == tmp_path / "whole"


def test_a_wrong_file_never_gets_its_name(
    small_registry: dict[str, str], server: QuietServer, site: Path, tmp_path: Path
) -> None:
    (site / f"{DATA}0_aster_250m.tif").write_bytes(b"an error page")
    with pytest.raises(InputError) as caught:
        archive.fetch(tmp_path / "new", server.url)
    message = str(caught.value)
    assert message.startswith(f"{server.url}{DATA}0_aster_250m.tif: cannot be fetched (")
    assert "hash" in message and "set LSTSR_PAIRS" in message and "\n" not in message
    assert held(tmp_path / "new") == {}


def test_a_file_cut_short_never_gets_its_name(
    small_registry: dict[str, str], cut_short: QuietServer, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"0_aster_250m\.tif: cannot be fetched \("):
        archive.fetch(tmp_path / "new", cut_short.url)
    assert held(tmp_path / "new") == {}


def test_a_server_that_is_down_is_one_clear_error(
    small_registry: dict[str, str], dead_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):  # what the first try leaves behind must not pass for pairs in the second
        with pytest.raises(InputError) as caught:
            archive.fetch(tmp_path / "new", dead_url)
        message = str(caught.value)
        assert message.startswith(f"{dead_url}{DATA}0_aster_250m.tif: cannot be fetched (")
        assert "Check the network" in message and "set LSTSR_PAIRS to it" in message and "\n" not in message
        assert "going on" not in capsys.readouterr().err


def test_a_file_that_the_server_lacks_is_an_error_too(
    small_registry: dict[str, str], server: QuietServer, site: Path, tmp_path: Path
) -> None:
    (site / f"{DATA}0_aster_250m.tif").unlink()
    with pytest.raises(InputError, match=r"0_aster_250m\.tif: cannot be fetched \(404"):
        archive.fetch(tmp_path / "new", server.url)


@pytest.mark.parametrize("fault", ["down", "wrong file"])
def test_with_pairs_at_hand_it_goes_on_and_says_so(
    fault: str,
    small_registry: dict[str, str],
    server: QuietServer,
    site: Path,
    dead_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    names = list(CONTENT)
    write(tmp_path / "some", names[:2])
    (site / names[2]).write_bytes(b"an error page")
    assert archive.fetch(tmp_path / "some", dead_url if fault == "down" else server.url) == tmp_path / "some"
    output = capsys.readouterr()
    assert (
        "4 published files could not be fetched (" in output.err and "going on with those here" in output.err
    )
    assert output.out == ""
    assert held(tmp_path / "some") == {name: CONTENT[name] for name in names[:2]}


def test_the_environments_directory_comes_first(
    small_registry: dict[str, str], dead_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(archive.VARIABLE, str(tmp_path))
    assert archive.published_directory(dead_url) == tmp_path


def test_an_environment_that_names_no_directory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(archive.VARIABLE, str(tmp_path / "typo"))
    with pytest.raises(InputError, match=r"^LSTSR_PAIRS is '.*/typo', which is no directory"):
        archive.published_directory()


def test_without_it_the_users_cache_is_filled(
    small_registry: dict[str, str], server: QuietServer, tmp_path: Path
) -> None:
    directory = archive.published_directory(server.url)
    assert directory.is_relative_to(tmp_path / "cache") and directory.name == archive.COMMIT
    assert held(directory) == CONTENT
    assert os.environ["XDG_CACHE_HOME"] == str(tmp_path / "cache")


def test_the_command_fetches_into_the_users_cache_and_fails_while_something_lacks(
    small_registry: dict[str, str], server: QuietServer, site: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (site / MODELS / "modelB_2609" / "modelB_state_dict.pt").unlink()
    assert cli.main(["fetch", "--url", server.url.rstrip("/")]) == 1
    message = "lstsr: 1 of 6 published files are not there yet; the same command fetches"
    assert message in capsys.readouterr().err
    (site / MODELS / "modelB_2609" / "modelB_state_dict.pt").write_bytes(
        CONTENT[f"{MODELS}modelB_2609/modelB_state_dict.pt"]
    )
    assert cli.main(["fetch", "--url", server.url]) == 0
    directory = Path(capsys.readouterr().out.strip())
    assert directory == archive.user_cache() and held(directory) == CONTENT
