"""HTML of the book's pages: tables, links and numbers, escaped."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

RESULTS_FOLDER = "_static/results"


def text(value: object) -> str:
    """Escaped."""
    return html.escape(str(value), quote=True)


def link(name: str) -> str:
    """A link by which a file of the run is downloaded."""
    return f'<a href="{RESULTS_FOLDER}/{text(name)}" download>{text(name)}</a>'


def table(head: Sequence[str], rows: Iterable[str], kind: str = "figures") -> str:
    """A table in a box that scrolls sideways on small screens."""
    headings = "".join(f'<th scope="col">{text(title)}</th>' for title in head)
    body = "\n".join(rows)
    return (
        '<div class="table-box" tabindex="0" role="region" aria-label="Table, scrolls sideways">'
        f'<table class="{kind}">\n'
        f"<thead><tr>{headings}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def row(label: object, cells: Iterable[object]) -> str:
    """One row of `table`, its first cell a heading."""
    return f'<tr><th scope="row">{text(label)}</th>' + "".join(f"<td>{text(cell)}</td>" for cell in cells) + "</tr>"


def number(value: float, digits: int) -> str:
    """Rounded, with a true minus sign; a dash for NaN."""
    # Rounded to −0 reads as a sign that is not there.
    return "–" if math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def listed(words: Sequence[str]) -> str:
    """Words with commas and an "and"; "none" if there are none."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else "none"


def cell(value: float, digits: int) -> str:
    """A cell with a number rounded for readers, and whole enough for a script to sort by."""
    exact = "" if math.isnan(value) else f"{value:.{digits + 2}f}"
    return f'<td data-value="{exact}">{text(number(value, digits))}</td>'
