"""HTML of the book's pages: tables, links and numbers, escaped."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence

RESULTS_FOLDER = "_static/results"


def text(value: object) -> str:
    """Escaped."""
    return html.escape(str(value), quote=True)


def link(name: str, folder: str = RESULTS_FOLDER) -> str:
    """A link by which a file of the run, or of another folder of results, is downloaded."""
    return f'<a href="{folder}/{text(name)}" download>{text(name)}</a>'


def table(
    head: Sequence[str],
    rows: Iterable[str],
    kind: str = "figures",
    filtered: bool = False,
    label: str = "Table, scrolls sideways",
) -> str:
    """A table in a box that scrolls sideways on small screens.

    Parameters
    ----------
    head, rows
        Titles of the columns, and HTML of the rows.
    kind : str
        Its classes; with "sortable" among them, readers can sort it.
    filtered : bool
        Whether they can filter it, too.
    label : str
        What it is called where it is not seen.
    """
    headings = "".join(f'<th scope="col">{text(title)}</th>' for title in head)
    body = "\n".join(rows)
    return (
        f'<div class="table-box" tabindex="0" role="group" aria-label="{text(label)}">'
        f'<table class="{kind}"{" data-filter" if filtered else ""}>\n'
        f"<thead><tr>{headings}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def row(label: object, cells: Iterable[object]) -> str:
    """One row of `table`, its first cell a heading."""
    return row_of(label, (f"<td>{text(cell)}</td>" for cell in cells))


def value_cell(value: float, digits: int, further: str = "") -> str:
    """A cell with a rounded number and, in small print, something further; tables sort by the number itself.

    >>> value_cell(2.25, 1, "[2, 3]")
    '<td data-value="2.25">2.2<br><small>[2, 3]</small></td>'
    """
    below = f"<br><small>{text(further)}</small>" if further else ""
    return "<td>–</td>" if math.isnan(value) else f'<td data-value="{value:g}">{number(value, digits)}{below}</td>'


def row_of(label: object, cells: Iterable[str]) -> str:
    """One row of `table` whose cells are HTML already, its first cell a heading."""
    return f'<tr><th scope="row">{text(label)}</th>{"".join(cells)}</tr>'


def number(value: float, digits: int) -> str:
    """Rounded, with a true minus sign; a dash for NaN."""
    # Rounded to −0 reads as a sign that is not there.
    return "–" if math.isnan(value) else f"{round(value, digits) + 0.0:.{digits}f}".replace("-", "−")


def thousands(value: int) -> str:
    """Digits in groups of three, with a space that does not break.

    >>> thousands(1234).split()
    ['1', '234']
    """
    return f"{value:,}".replace(",", "\N{NO-BREAK SPACE}")


def in_words(count: int) -> str:
    """Small numbers as prose has them.

    >>> in_words(0), in_words(7), in_words(62)
    ('none', 'seven', '62')
    """
    words = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    return words[count] if count < len(words) else str(count)


def listed(words: Sequence[str]) -> str:
    """Words with commas and an "and"; "none" if there are none."""
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else "none"


def facts_table(facts: Mapping[str, object]) -> str:
    """Facts by their names, a row each; long ones are wrapped."""
    rows = "\n".join(
        f'<tr><th scope="row">{text(name)}</th><td class="words">{text(value)}</td></tr>' for name, value in facts.items()
    )
    return f'<div class="table-box facts"><table>\n<tbody>\n{rows}\n</tbody>\n</table></div>'
