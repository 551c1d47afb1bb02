"""HTML of the book's pages, from the templates beside this module: tables, links and numbers, escaped."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

_ENVIRONMENT = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)

RESULTS_FOLDER = "_static/results"


def text(value: object) -> str:
    """Escaped."""
    return html.escape(str(value), quote=True)


def render(template: str, **values: object) -> str:
    """A file of ``templates/``, filled in; all values are escaped, unless the template calls them safe."""
    return str(_ENVIRONMENT.get_template(template).render(**values)).strip()


def part(name: str, *values: object, template: str = "parts.html") -> str:
    """A macro of a template, filled in."""
    return str(getattr(_ENVIRONMENT.get_template(template).module, name)(*values)).strip()


def link(name: str, folder: str = RESULTS_FOLDER) -> str:
    """A link by which a file of the run, or of another folder of results, is downloaded."""
    return part("download", name, folder)


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes
    ----------
    text : object
    small : str
        What stands below it in small print.
    value : str
        What tables sort by, where it is not the text.
    kind : str
        Its class.
    span : int
        How many columns it takes, where it is not one.
    address : str
        Where its text leads.
    """

    text: object
    small: str = ""
    value: str = ""
    kind: str = ""
    span: int = 0
    address: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a table, its first cell a heading."""

    label: Cell
    cells: list[Cell]


@dataclass(frozen=True)
class Table:
    """A table in a box that scrolls sideways on small screens.

    Attributes
    ----------
    head : sequence of str
        Titles of the columns.
    rows : sequence of Row
    kind : str
        Its classes; with "sortable" among them, readers can sort it.
    filtered : bool
        Whether they can filter it, too.
    label : str
        What it is called where it is not seen.
    """

    head: Sequence[str]
    rows: Sequence[Row]
    kind: str = "figures"
    filtered: bool = False
    label: str = "Table, scrolls sideways"

    @property
    def html(self) -> str:
        return part("table", self)


def table(
    head: Sequence[str],
    rows: Sequence[Row],
    kind: str = Table.kind,
    filtered: bool = Table.filtered,
    label: str = Table.label,
) -> str:
    """The HTML of a `Table`."""
    return Table(head, rows, kind, filtered, label).html


def row(label: object, cells: Iterable[object], kind: str = "") -> Row:
    """A row of cells, or of what stands in them; `kind` is the class of those that are not cells yet."""
    return Row(
        label if isinstance(label, Cell) else Cell(label),
        [cell if isinstance(cell, Cell) else Cell(cell, kind=kind) for cell in cells],
    )


def value_cell(value: float, digits: int, small: str = "") -> Cell:
    """A cell with a rounded number and something further in small print; tables sort by the number itself.

    >>> value_cell(2.25, 1, "[2, 3]")
    Cell(text='2.2', small='[2, 3]', value='2.25', kind='', span=0, address='')
    """
    return Cell("–") if math.isnan(value) else Cell(number(value, digits), small, f"{value:g}")


def missing_cell(reason: object, columns: int) -> Cell:
    """A cell that says why a row has no figures."""
    return Cell(reason, kind="missing", span=columns)


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
    return part("facts", facts)
