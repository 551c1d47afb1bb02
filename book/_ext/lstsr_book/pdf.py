"""The book as one PDF, printed by headless Chromium: all pages but those in folders (API, single pairs)."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from bs4 import BeautifulSoup, Tag

from lstsr_book.markup import render
from lstsr_core.base.errors import InputError

BROWSERS = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome"]
_PRINTING_SECONDS = 300
_SCRIPT_MS = 60_000
_DATE = re.compile(rb"\(D:\d{14}(\+00'00'|Z)?\)")


def find_browser() -> str:
    """Path of the browser that prints.

    Raises
    ------
    InputError
        If none is on PATH.
    """
    browser = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if browser is None:
        raise InputError(
            f"none of {', '.join(BROWSERS)} is on PATH; expected Chromium or Chrome, which prints the PDF. "
            f"Install one "
            "(Debian: apt-get install chromium), or build the book without --pdf."
        )
    return browser


def shorter_contents(contents: dict[str, Any]) -> dict[str, Any]:
    """A table of contents (``_toc.yml``) without pages in folders, and without parts that are empty then."""

    def without_folders(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
        above = [dict(entry) for entry in entries if "/" not in str(entry.get("file", ""))]
        for entry in above:
            entry["sections"] = without_folders(entry.get("sections", []))
        return [{name: value for name, value in entry.items() if value != []} for entry in above]

    parts = [{**part, "chapters": without_folders(part["chapters"])} for part in contents["parts"]]
    return {**contents, "parts": [part for part in parts if part["chapters"]]}


def print_pdf(page: Path, pdf: Path, browser: str) -> None:
    """Print a page as it is, waiting for its equations.

    Parameters
    ----------
    page : Path
        HTML, whose files lie below its folder.
    pdf : Path
        Written only if the browser succeeds; two prints of one page differ in nothing but what the browser
        numbers at
        random.
    browser : str
        As `find_browser` gives it.

    Raises
    ------
    InputError
        If the browser fails or writes no PDF.
    """
    with tempfile.TemporaryDirectory() as profile:
        printed = Path(profile) / "book.pdf"
        command = [
            browser, "--headless", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            f"--user-data-dir={profile}",
            "--no-sandbox",  # a container has none; the page is our own and loads nothing from outside
            "--allow-file-access-from-files",  # the equations' fonts
            f"--virtual-time-budget={_SCRIPT_MS}", "--no-pdf-header-footer",
            "--generate-pdf-document-outline",
            f"--print-to-pdf={printed}", page.resolve().as_uri(),
        ]  # fmt: skip
        try:
            outcome = subprocess.run(
                command, capture_output=True, text=True, check=False, timeout=_PRINTING_SECONDS
            )
            reason = (outcome.stderr.strip().splitlines() or [f"exit code {outcome.returncode}"])[-1]
        except subprocess.TimeoutExpired:
            reason = f"not done after {_PRINTING_SECONDS} s"
        content = printed.read_bytes() if printed.is_file() else b""
        if not content.startswith(b"%PDF"):
            raise InputError(
                f"{browser}: printed no PDF of {page} ({reason}). Try another browser, or leave out --pdf."
            )
    # When it was printed is no part of the book; the length stays, for a PDF finds its parts by their place.
    undated = _DATE.sub(lambda match: b"(D:" + b"19800101000000" + match[0][17:], content)
    temporary = pdf.with_name(f".{pdf.name}")
    temporary.write_bytes(undated)
    temporary.rename(pdf)


def prepare_for_print(page: Path, style: str, title: str, subtitle: str) -> Path:
    """Make of Jupyter Book's single page one for paper, beside it, with a title page and contents.

    Parameters
    ----------
    page : Path
        ``index.html`` of the builder singlehtml.
    style : str
        CSS, added to the page's own.
    title, subtitle : str
        Of the title page; the subtitle stands on top of every page, too.
    """
    soup = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    article = soup.find("article")
    if not isinstance(article, Tag):
        raise InputError(f"{page}: holds no article; expected Jupyter Book's single page.")
    for unwanted in article.select("a.headerlink, button, script, .cell_input"):
        unwanted.decompose()
    _unfold(soup, article)
    for image in article.find_all("img"):
        del image["loading"]  # an image below the first page would not be loaded
    chapters = _chapters(article)
    _keep_links_within(article)
    styles = "".join(str(link) for link in soup.select("head link[rel=stylesheet]"))
    equations = "".join(
        str(script) for script in soup.find_all("script")
        if "mathjax" in str(script.get("src", "")).lower() or "MathJax" in script.get_text()
    )  # fmt: skip
    target = page.with_name("print.html")
    page_of_paper = render(
        "print.html", title=title, subtitle=subtitle, styles=styles, equations=equations, style=style,
        top=_css_string(subtitle), chapters=chapters, article=str(article),
    )  # fmt: skip
    target.write_text(page_of_paper + "\n", encoding="utf-8")
    return target


def _unfold(soup: BeautifulSoup, article: Tag) -> None:
    """What is folded away on the screen is printed; what a notebook was made of is only named."""
    for details in article.find_all("details"):
        summary = details.find("summary")
        title = summary.get_text(" ", strip=True) if isinstance(summary, Tag) else ""
        if "sd-dropdown" in details.get_attribute_list("class"):
            line = soup.new_tag("p", attrs={"class": "left-out"})
            line.string = f"{title}: in the book on the screen."
            details.replace_with(line)
        else:
            if isinstance(summary, Tag):
                summary.name = "p"
                summary["class"] = "unfolded"
            details.name = "div"


def _chapters(article: Tag) -> list[dict[str, str]]:
    """The chapters' headings, each with the only place of its name; headings may share theirs."""
    chapters = []
    for chapter in article.select(".toctree-wrapper > section"):
        heading = chapter.find(["h1", "h2", "h3"])
        place = chapter.find_previous_sibling()
        if (
            isinstance(heading, Tag)
            and isinstance(place, Tag)
            and str(place.get("id", "")).startswith("document-")
        ):
            chapter.insert(0, place.extract())  # before the chapter it would stand on the page before
            chapters.append({"id": str(place["id"]), "heading": heading.get_text(" ", strip=True)})
    return chapters


def _keep_links_within(article: Tag) -> None:
    """Links to other hosts stay, those to a place on these pages lead there, all others become plain text."""
    ids = {str(tag["id"]) for tag in article.find_all(id=True)}
    for link in article.find_all("a", href=True):
        target = str(link["href"])
        if target.startswith(("https:", "http:")):
            continue
        path, _, fragment = target.partition("#")
        if path in ("", "index.html") and fragment in ids:
            link["href"] = f"#{fragment}"
        else:
            del link["href"]


def _css_string(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
