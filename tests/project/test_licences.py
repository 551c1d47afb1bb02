"""The page on licences knows every data file that the project ships."""

from __future__ import annotations

import re
from pathlib import Path

from lstsr_core.base.project import PROJECT

PAGE = (PROJECT / "book" / "licences.md").read_text(encoding="utf-8")
PATTERNS = re.findall(r"^\| `((?:data|lstsr_core)/[^`]+)` \|", PAGE, re.MULTILINE)
UNTRACKED = ("data/runs", "data/downloads")


def shipped() -> list[Path]:
    """Data files and weights, without what git ignores, relative to the project."""
    files = [*(PROJECT / "data").rglob("*"), *(PROJECT / "lstsr_core" / "weights").glob("*.safetensors")]
    paths = (path.relative_to(PROJECT) for path in files if path.is_file())
    return sorted(path for path in paths if not path.as_posix().startswith(UNTRACKED))


def test_each_shipped_file_has_exactly_one_line() -> None:
    lines = {path: [pattern for pattern in PATTERNS if matches(path, pattern)] for path in shipped()}
    wrong = {str(path): patterns for path, patterns in lines.items() if len(patterns) != 1}
    assert lines and not wrong, (
        f"lines of book/licences.md by file: {wrong}; give each one line, with origin and licence"
    )


def test_every_line_says_whether_it_is_real_and_under_which_licence() -> None:
    lines = [line for line in PAGE.splitlines() if line.startswith(("| `data/", "| `lstsr_core/"))]
    assert len(lines) == len(PATTERNS) >= 9
    for line in lines:
        *_, kind, licence = (cell.strip() for cell in line.strip("| ").split("|"))
        assert kind in ("real", "simulated", "–") and licence in ("MIT", "the authors'"), line


def matches(path: Path, pattern: str) -> bool:
    """Whether a path fits a pattern: ``*`` within a folder, ``**`` at the end for all below."""
    expression = re.escape(pattern).replace(r"\*\*", ".+").replace(r"\*", "[^/]+")
    return re.fullmatch(expression, path.as_posix()) is not None
