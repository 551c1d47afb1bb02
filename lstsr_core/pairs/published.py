"""The published ASTER–MODIS pairs and checkpoints: where
they are, and whether they are what was published."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pandas as pd

from lstsr_core.base.errors import InputError
from lstsr_core.base.fingerprint import sha256
from lstsr_core.base.progress import bar
from lstsr_core.base.project import REGISTRY

REPOSITORY = (
    "cgranerob/Land-Surface-Temperature-Super-Resolution-with-a-Scale-Invariance-Free-Neural-Approach"
)
COMMIT = "5f5a9beabdae2ffe59657d4f564e7c2b47fbe678"
BASE_URL = f"https://raw.githubusercontent.com/{REPOSITORY}/{COMMIT}/"
VARIABLE = "LSTSR_PAIRS"

_PAIR_FOLDER = "test_data_formatted/data/"
_MODEL_FOLDER = "models/"


def read_registry(path: Path) -> dict[str, str]:
    """Sha256 by file name, from lines such as ``models/x.pt sha256:0f5d…``.

    Raises
    ------
    InputError
        If the file is missing or a line is of another form.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise InputError(
            f"{path}: cannot be read ({reason}); the list of published files was expected there."
        ) from error
    # Not pooch's load_registry: it takes any word for a digest, names no
    # file that is not UTF-8, and 0.4 s to import.
    registry = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"(\S+) sha256:([0-9a-f]{64})", line.strip())
        if not match:
            raise InputError(
                f"{path}, line {number}: '{line[:80]}'; expected a name, a space and sha256: with 64 hex"
                " digits."
            )
        registry[match[1]] = match[2]
    return registry


def registry() -> dict[str, str]:
    """Published path → sha256 of all 83 pairs and the three checkpoints."""
    return {
        name: digest
        for name, digest in read_registry(REGISTRY).items()
        if name.startswith((_PAIR_FOLDER, _MODEL_FOLDER))
    }


def published_directory(base_url: str = BASE_URL) -> Path:
    """The directory with the published files: the one that
    ``LSTSR_PAIRS`` names, else the user's cache, filled first.

    Raises
    ------
    InputError
        If ``LSTSR_PAIRS`` names no directory, or nothing is cached and nothing can be fetched.
    """
    named = os.environ.get(VARIABLE)
    if not named:
        return fetch(user_cache(), base_url)
    if not Path(named).is_dir():
        raise InputError(
            f"{VARIABLE} is '{named}', which is no directory; expected the published pairs there."
        )
    return Path(named)


def user_cache() -> Path:
    """Where pooch keeps the published files for this user."""
    import pooch

    return Path(pooch.os_cache("lstsr")) / COMMIT


def fetch(directory: Path, base_url: str = BASE_URL) -> Path:
    """Fetch what a directory lacks of the published files, each
    checked against its sha256 before it gets its name.

    Parameters
    ----------
    directory : Path
    base_url : str
        Of the published repository at its commit; ends with a slash.

    Raises
    ------
    InputError
        If a file cannot be fetched, or is not what was published, and the directory holds no pair yet.
    """
    import pooch  # brings notebook bars, which warn on standard error wherever it is imported

    digests = registry()
    files = pooch.create(
        directory, base_url, registry={name: f"sha256:{digest}" for name, digest in digests.items()}
    )
    missing = [name for name in digests if not (directory / name).is_file()]
    for count, name in enumerate(bar(missing, "Published pairs", "file")):
        try:
            files.fetch(name)
        except (
            OSError,
            ValueError,
        ) as error:  # requests' errors are OSErrors; pooch's checksum error is a ValueError
            # Not "is the folder there": pooch makes it before it asks the server.
            if any((directory / file).is_file() for file in digests if file.startswith(_PAIR_FOLDER)):
                remainder = len(missing) - count
                print(
                    f"{remainder} published files could not be fetched ({error}); going on with those here.",
                    file=sys.stderr,
                )
                return directory
            raise InputError(
                f"{base_url}{name}: cannot be fetched ({str(error).splitlines()[0]}). Check the network, or"
                f" copy the published pairs to a directory and set {VARIABLE} to it."
            ) from error
    return directory


def _locate(directory: Path, name: str) -> Path | None:
    """A published file in the published layout, in one with
    ``data/`` and ``models/``, or right in the directory."""
    for candidate in (
        name,
        name.removeprefix("test_data_formatted/"),
        name.removeprefix(_PAIR_FOLDER).removeprefix(_MODEL_FOLDER),
    ):
        if (directory / candidate).is_file():
            return directory / candidate
    return None


def verify(directory: Path) -> pd.DataFrame:
    """Compare a directory with the registry.

    Returns
    -------
    DataFrame
        A row for each published file: file, kind ("pair" or "checkpoint"), scene, bytes, sha256, status
        ("verified", "absent" or "differs from the registry"), path.
    """
    rows = []
    for name, digest in registry().items():
        path = _locate(directory, name)
        file_digest = sha256(path) if path else None
        status = (
            "absent" if path is None else "verified" if file_digest == digest else "differs from the registry"
        )
        pair = name.startswith(_PAIR_FOLDER)
        scene = Path(name).name.split("_")[0] if pair else ""
        size = path.stat().st_size if path else 0
        rows.append(
            [name, "pair" if pair else "checkpoint", scene, size, file_digest or "", status, str(path or "")]
        )
    return pd.DataFrame(rows, columns=["file", "kind", "scene", "bytes", "sha256", "status", "path"])


def link_verified(files: pd.DataFrame, pairs: Path, weights: Path) -> None:
    """Link what `verify` found right: complete pairs into one directory, checkpoints into another.

    Raises
    ------
    InputError
        If no pair is complete.
    """
    good = files[files["status"] == "verified"]
    scenes = good[good["kind"] == "pair"].groupby("scene").size()
    complete = set(scenes[scenes == 2].index)
    if not complete:
        raise InputError(
            f"none of the published pairs was found whole and as published; set {VARIABLE} to a directory"
            " with them (<id>_aster_250m.tif and <id>_data_dict.pkl, or those below data/)."
        )
    for kind, scene, name, path in good[["kind", "scene", "file", "path"]].astype(str).to_numpy().tolist():
        if kind == "pair" and scene not in complete:
            continue
        target = pairs / Path(name).name if kind == "pair" else weights / name.removeprefix(_MODEL_FOLDER)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        target.symlink_to(Path(path).resolve())
