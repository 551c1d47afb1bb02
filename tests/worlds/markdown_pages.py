"""The fenced blocks of README, CONTRIBUTING and the book's pages, as tests read them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lstsr_core.base.project import PROJECT

PAGES = [PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *sorted((PROJECT / "book").glob("*.md"))]
SHELLS = ("bash", "sh")

_FENCE = re.compile(
    r"^(?P<fence>`{3,}|~{3,})[ ]*(?P<language>[\w{}-]*)[^\n]*\n(?P<text>.*?)^(?P=fence)[ ]*$",
    re.MULTILINE | re.DOTALL,
)
_MARKER = re.compile(r"<!-- not run here: (?P<reason>[^\n]+?) -->\n\Z")


@dataclass(frozen=True)
class Block:
    """A fenced block, with the reason that the comment directly above it gives for its not being run."""

    page: str
    line: int
    language: str
    text: str
    reason: str | None

    @property
    def is_shell(self) -> bool:
        return self.language in SHELLS

    @property
    def commands(self) -> list[str]:
        """Its command lines, continued ones joined, without comments."""
        joined = self.text.replace("\\\n", " ")
        lines = (line.strip() for line in joined.splitlines())
        return [line for line in lines if line and not line.startswith("#")]


def blocks_of(path: Path) -> list[Block]:
    """The fenced blocks of a Markdown file, in order."""
    content = path.read_text(encoding="utf-8")
    tables = []
    for match in _FENCE.finditer(content):
        marker = _MARKER.search(content[: match.start()])
        line = content.count("\n", 0, match.start()) + 1
        tables.append(
            Block(path.name, line, match["language"], match["text"], marker["reason"] if marker else None)
        )
    return tables


def all_blocks() -> list[Block]:
    """The fenced blocks of all pages."""
    return [block for path in PAGES for block in blocks_of(path)]
