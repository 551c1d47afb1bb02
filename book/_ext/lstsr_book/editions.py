"""The editions of the book beside each other: pages link the same one of the others; all go into one site."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from lstsr_book.markup import part
from lstsr_core.base.errors import InputError
from lstsr_core.base.files import written_atomically
from lstsr_core.base.project import replace_folder

_LINKS = re.compile(r'(<span class="edition-links" data-edition="([^"]*)">)(.*?)(</span>)', re.DOTALL)
_SITE_MARK = ".nojekyll"
"""By this file GitHub Pages serves folders that begin with an underscore; here it also marks a site."""


def links_place(name: str) -> str:
    """What stands in the header of a page of an edition, empty until `link_editions` fills it."""
    return part("edition_links", name)


def built_books(runs: Path) -> list[Path]:
    """The HTML folders of the runs that have a book, that of the paper's pairs first."""
    books = [path.parent for path in sorted(runs.glob("*/book/html/index.html")) if edition_of(path.parent)]
    return sorted(books, key=lambda html: html.parents[1].name != "paper")


def edition_of(html: Path) -> str:
    """The name of a built book's edition; empty if it names none."""
    match = _LINKS.search((html / "index.html").read_text(encoding="utf-8"))
    return match[2] if match else ""


def link_editions(books: Sequence[Path]) -> None:
    """Make every page of each book link the same page of the others, or their cover, and its PDF.

    Parameters
    ----------
    books : sequence of Path
        HTML folders; one may lie inside another. Links are relative, so that they hold wherever all are moved
        together.
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
            links += [_anchor(pdf, page, f"PDF ({pdf.stat().st_size / 1e6:.1f} MB)")] if pdf else []
            newer = _with_links(older, " · ".join(links))
            if newer != older:
                with written_atomically(page) as temporary:
                    temporary.write_text(newer, encoding="utf-8")


def _with_links(page: str, links: str) -> str:
    return _LINKS.sub(lambda match: f"{match[1]}{links}{match[4]}", page)


def _link(page: Path, book: Path, other: Path, name: str) -> str:
    same = other / page.relative_to(book)
    if same.is_file():
        return _anchor(same, page, f"This page in the {name}")
    return _anchor(other / "index.html", page, f"The {name}")


def _anchor(target: Path, page: Path, words: str) -> str:
    """A link from a page, relative to it."""
    return part("anchor", os.path.relpath(target, page.parent).replace(os.sep, "/"), words)


def assemble_site(runs: Path, site: Path) -> list[Path]:
    """Put all books into one folder to publish: the paper edition at its root, others below it by their run.

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
            f"{runs}: no run has a book; expected <run>/book/html. Build one first: lstsr-book build "
            f"--profile sample"
        )
    place = site.resolve()
    for book in (book.resolve() for book in books):
        if place == book or place in book.parents or book in place.parents:
            raise InputError(
                f"{site}: is or holds the book {book}, or lies in it; name a folder apart from the books."
            )
    if (
        site.exists()
        and not (site / _SITE_MARK).is_file()
        and not (site.is_dir() and not any(site.iterdir()))
    ):
        raise InputError(
            f"{site}: is no earlier site, and would be replaced; name an empty folder or one that does not "
            f"exist."
        )
    site.parent.mkdir(parents=True, exist_ok=True)
    new = site.with_name(f".{site.name}.new")
    shutil.rmtree(new, ignore_errors=True)
    folders = [new, *(new / book.parents[1].name for book in books[1:])]
    for book, folder in zip(books, folders, strict=True):
        shutil.copytree(book, folder)
    (new / _SITE_MARK).touch()
    link_editions(folders)
    replace_folder(new, site)
    return [site / folder.relative_to(new) for folder in folders]
