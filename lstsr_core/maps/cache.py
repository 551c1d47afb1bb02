"""Where granules for maps of a place stay, so that none is fetched twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lstsr_core.geo.window import Window


@dataclass(frozen=True)
class Cache:
    """A directory of granules, which any other takes the place of.

    Attributes
    ----------
    directory : Path
    source : str
        Of `download.sources.SOURCES`. What the simulator draws lies apart: it has the archive's names.
    part : Window, optional
        What of the world's grid the simulator drew, and nothing else: it lies apart again.
    """

    directory: Path
    source: str
    part: Window | None = None

    @property
    def granules(self) -> Path:
        """Where the granules of the source lie, beside their manifest."""
        if self.source != "sample":
            return self.directory / "archive"
        if self.part is None:
            return self.directory / "sample"
        rows, columns = self.part.rows, self.part.columns
        numbers = rows.start, rows.stop, columns.start, columns.stop
        return self.directory / "sample" / "-".join(map(str, numbers))

    @property
    def sizes(self) -> list[int]:
        """Bytes of each granule."""
        return [path.stat().st_size for path in self.granules.glob("*.hdf")]

    @property
    def document(self) -> dict[str, Path | int]:
        """Where the granules lie, how many, and their bytes."""
        return {"directory": self.granules, "granules": len(self.sizes), "bytes": sum(self.sizes)}

    def __str__(self) -> str:
        size_mb = sum(self.sizes) / 1e6
        return f"cache: {self.granules}: {len(self.sizes)} granules, {size_mb:.1f} MB; may be deleted"


def default_directory() -> Path:
    """This user's, such as ``~/.cache/lstsr/granules``; ``XDG_CACHE_HOME`` stands for ``~/.cache``."""
    import pooch  # brings notebook bars, which warn on standard error wherever it is imported

    return Path(pooch.os_cache("lstsr")) / "granules"
