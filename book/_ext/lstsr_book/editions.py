"""The editions of the book beside each other: each page links the same page of the others, and all go into one site."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from lstsr_book.markup import text
from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.base.project import replace_folder

_LINKS = re.compile(r'(<span class="edition-links" data-edition="([^"]*)">)(.*?)(</span>)', re.DOTALL)
_SITE_MARK = ".nojekyll"
"""The file by which GitHub Pages serves folders that begin with an underscore; here it also tells a site from other folders."""


def links_place(name: str) -> str:
    """What stands in the header of a page of an edition, empty until `link_editions` fills it."""
    return f'<span class="edition-links" data-edition="{text(name)}"></span>'


def built_books(runs: Path) -> list[Path]:
    """The HTML folders of the runs that have a book, that of the paper's pairs first."""
    found = [path.parent for path in sorted(runs.glob("*/book/html/index.html")) if edition_of(path.parent)]
    return sorted(found, key=lambda html: html.parents[1].name != "paper")


def edition_of(html: Path) -> str:
    """The name of a built book's edition; empty if it names none."""
    match = _LINKS.search((html / "index.html").read_text(encoding="utf-8"))
    return match[2] if match else ""


def link_editions(books: Sequence[Path]) -> None:
    """Make every page of each book link the same page of the others, or their cover where they lack it, and its own PDF.

    Parameters
    ----------
    books : sequence of Path
        HTML folders; one may lie inside another. Links are relative, so that they hold wherever all are moved together.
    """
    names = {book: edition_of(book) for book in books}
    for book in books:
        others = [other for other in books if other != book]
        pdf = next(iter(sorted(book.glob("*.pdf"))), None)
        for page in sorted(book.rglob("*.html")):
            if any(book in other.parents and other in page.parents for other in others):
                continue
            older = page.read_text(encoding="utf-8")
            links = [_link(page, book, other, names[other]) for other in others]
            links += [f'<a href="{_relative(pdf, page)}">PDF ({pdf.stat().st_size / 1e6:.1f} MB)</a>'] if pdf else []
            newer = _LINKS.sub(lambda match, links=links: f"{match[1]}{' · '.join(links)}{match[4]}", older)  # type: ignore[misc]
            if newer != older:
                with written_atomically(page) as temporary:
                    temporary.write_text(newer, encoding="utf-8")


def _link(page: Path, book: Path, other: Path, name: str) -> str:
    same = other / page.relative_to(book)
    if same.is_file():
        return f'<a href="{_relative(same, page)}">This page in the {name}</a>'
    return f'<a href="{_relative(other / "index.html", page)}">The {name}</a>'


def _relative(target: Path, page: Path) -> str:
    return text(os.path.relpath(target, page.parent).replace(os.sep, "/"))


def assemble_site(runs: Path, site: Path) -> list[Path]:
    """Put all books into one folder to publish: the paper edition at its root, others below it by their run's name.

    With a single book, that one is the root.

    Parameters
    ----------
    runs : Path
        Directory of the runs.
    site : Path
        Replaced if it is an earlier site.

    Returns
    -------
    list of Path
        Folders of the books in the site.

    Raises
    ------
    InputError
        If there is no book, or the folder holds anything else, or a book, or lies in one.
    """
    books = built_books(runs)
    if not books:
        raise InputError(
            f"{runs}: no run has a book; expected <run>/book/html. Build one first: lstsr-book build --profile sample"
        )
    place = site.resolve()
    for book in (book.resolve() for book in books):
        if place == book or place in book.parents or book in place.parents:
            raise InputError(f"{site}: is or holds the book {book}, or lies in it; name a folder apart from the books.")
    if site.exists() and not (site / _SITE_MARK).is_file() and not (site.is_dir() and not any(site.iterdir())):
        raise InputError(f"{site}: is no earlier site, and would be replaced; name an empty folder or one that does not exist.")
    site.parent.mkdir(parents=True, exist_ok=True)
    made = site.with_name(f".{site.name}.new")
    shutil.rmtree(made, ignore_errors=True)
    placed = [made, *(made / book.parents[1].name for book in books[1:])]
    for book, folder in zip(books, placed, strict=True):
        shutil.copytree(book, folder)
    (made / _SITE_MARK).touch()
    link_editions(placed)
    replace_folder(made, site)
    return [site / folder.relative_to(made) for folder in placed]
