"""Where granules for maps of a place stay, so that none is fetched twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cache:
    """A directory of granules, which any other takes the place of.

    Attributes
    ----------
    directory : Path
    source : str
        Of `download.sources.SOURCES`. What the simulator draws lies apart: it has the archive's names.
    """

    directory: Path
    source: str

    @property
    def granules(self) -> Path:
        """Where the granules of the source lie, beside their manifest."""
        return self.directory / ("sample" if self.source == "sample" else "archive")

    def __str__(self) -> str:
        sizes = [path.stat().st_size for path in self.granules.glob("*.hdf")]
        return f"cache: {self.granules}: {len(sizes)} granules, {sum(sizes) / 1e9:.2f} GB; may be deleted"


def default_directory() -> Path:
    """This user's, such as ``~/.cache/lstsr/granules``; ``XDG_CACHE_HOME`` stands for ``~/.cache``."""
    import pooch  # brings notebook bars, which warn on standard error wherever it is imported

    return Path(pooch.os_cache("lstsr")) / "granules"
