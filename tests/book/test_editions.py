"""Editions beside each other: what a page links, and the folder that is published."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lstsr_book import cli, editions
from lstsr_book.editions import assemble_site, built_books, edition_of, link_editions, links_place
from lstsr_core.base.errors import InputError

WriteBook = Callable[..., Path]
PAGES = ["index.html", "claims.html", "api/maps.html"]


@pytest.fixture
def write_book(tmp_path: Path) -> WriteBook:
    """A function (profile, name, pages) that writes a built book of bare headers and gives its folder."""

    def write(profile: str, name: str, pages: list[str] = PAGES) -> Path:
        html = tmp_path / "runs" / profile / "book" / "html"
        for page in pages:
            (html / page).parent.mkdir(parents=True, exist_ok=True)
            (html / page).write_text(f"<p>{profile} {page}: {links_place(name)} <span>kept</span></p>")
        return html

    return write


def links_of(page: Path) -> dict[str, str]:
    """Target by text of a page's header, each target checked to exist."""
    links = re.findall(r'<a href="([^"]+)">([^<]+)</a>', page.read_text())
    assert all((page.parent / target).resolve().is_file() for target, _ in links), links
    return {text: target for target, text in links}


def test_a_page_links_the_same_page_of_the_other_edition_or_its_cover(write_book: WriteBook) -> None:
    paper = write_book("paper", "paper edition", [*PAGES, "atlas/57.html"])
    sample = write_book("sample", "synthetic edition")
    link_editions([paper, sample])
    assert links_of(sample / "claims.html") == {
        "This page in the paper edition": "../../../paper/book/html/claims.html"
    }
    assert links_of(sample / "api" / "maps.html") == {
        "This page in the paper edition": "../../../../paper/book/html/api/maps.html"
    }
    assert links_of(paper / "atlas" / "57.html") == {
        "The synthetic edition": "../../../../sample/book/html/index.html"
    }
    assert "<span>kept</span></p>" in (sample / "claims.html").read_text()


def test_a_book_alone_links_nothing_and_forgets_what_it_linked(write_book: WriteBook) -> None:
    paper, sample = write_book("paper", "paper edition"), write_book("sample", "synthetic edition")
    alone = (sample / "claims.html").read_text()
    link_editions([paper, sample])
    assert (sample / "claims.html").read_text() != alone
    link_editions([sample])
    assert (sample / "claims.html").read_text() == alone


def test_linking_again_changes_no_file(write_book: WriteBook) -> None:
    books = [write_book("paper", "paper edition"), write_book("sample", "synthetic edition")]
    link_editions(books)
    before = {path: path.stat().st_mtime_ns for book in books for path in book.rglob("*.html")}
    link_editions(books)
    assert before == {path: path.stat().st_mtime_ns for path in before}


def test_a_pdf_is_linked_with_its_size(write_book: WriteBook) -> None:
    sample = write_book("sample", "synthetic edition")
    (sample / "lstsr-sample.pdf").write_bytes(b"%PDF" + bytes(2_500_000))
    link_editions([sample])
    assert links_of(sample / "api" / "maps.html") == {"PDF (2.5 MB)": "../lstsr-sample.pdf"}


def test_books_are_found_with_the_paper_first_and_older_ones_left_alone(
    write_book: WriteBook, tmp_path: Path
) -> None:
    sample, paper = write_book("sample", "synthetic edition"), write_book("paper", "paper edition")
    older = tmp_path / "runs" / "other" / "book" / "html"
    older.mkdir(parents=True)
    (older / "index.html").write_text("a book from before editions linked each other")
    assert built_books(tmp_path / "runs") == [paper, sample]
    assert (edition_of(paper), edition_of(older)) == ("paper edition", "")


def test_a_site_has_the_paper_at_its_root_and_holds_wherever_it_is_moved(
    write_book: WriteBook, tmp_path: Path
) -> None:
    paper, sample = write_book("paper", "paper edition"), write_book("sample", "synthetic edition")
    link_editions([paper, sample])
    site = tmp_path / "site"
    assert assemble_site(tmp_path / "runs", site) == [site, site / "sample"]
    assert (site / ".nojekyll").is_file()
    moved = site.rename(tmp_path / "elsewhere")
    assert links_of(moved / "api" / "maps.html") == {
        "This page in the synthetic edition": "../sample/api/maps.html"
    }
    assert links_of(moved / "sample" / "api" / "maps.html") == {
        "This page in the paper edition": "../../api/maps.html"
    }
    assert "paper claims.html" in (moved / "claims.html").read_text()


def test_a_site_of_one_book_is_that_book(write_book: WriteBook, tmp_path: Path) -> None:
    write_book("sample", "synthetic edition")
    assert assemble_site(tmp_path / "runs", tmp_path / "site") == [tmp_path / "site"]
    assert links_of(tmp_path / "site" / "index.html") == {}


def test_an_earlier_site_is_replaced_and_another_folder_is_not(write_book: WriteBook, tmp_path: Path) -> None:
    write_book("sample", "synthetic edition", [*PAGES, "gone.html"])
    site = tmp_path / "site"
    site.mkdir()
    assemble_site(tmp_path / "runs", site)
    (tmp_path / "runs" / "sample" / "book" / "html" / "gone.html").unlink()
    assemble_site(tmp_path / "runs", site)
    assert not (site / "gone.html").exists() and (site / "claims.html").is_file()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="mine: is no earlier site"):
        assemble_site(tmp_path / "runs", mine)
    assert [path.name for path in mine.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize(
    "place", ["runs/sample/book/html", "runs/sample/book", "runs/sample/book/html/site", "runs", "link"]
)
def test_a_site_does_not_replace_a_book(write_book: WriteBook, tmp_path: Path, place: str) -> None:
    """Not even where the folder has a site's mark, which Sphinx can write into a book."""
    book = write_book("sample", "synthetic edition")
    (tmp_path / "link").symlink_to(book)
    for folder in (book, *book.parents[:4]):
        (folder / ".nojekyll").touch()
    before = {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))}
    with pytest.raises(InputError, match="is or holds the book"):
        assemble_site(tmp_path / "runs", tmp_path / place)
    assert before == {path: path.stat().st_mtime_ns for path in sorted(tmp_path.rglob("*"))}


def test_a_site_without_a_book_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "RUNS", tmp_path)
    assert cli.main(["site", "--out", str(tmp_path / "site")]) == 1
    assert re.fullmatch(r"lstsr: [^\n]+: no run has a book; [^\n]+\n", capsys.readouterr().err)
    assert editions.built_books(tmp_path) == []
