"""The PDF: what is on paper and what is left out, printed by a real browser and read by poppler's tools."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

from lstsr_book.pdf import find_browser, prepare_for_print, print_pdf, shorter_contents
from lstsr_core.base.errors import InputError
from lstsr_core.base.project import PROJECT

STYLE = (PROJECT / "book" / "print.css").read_text()
GREEN = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR4nGNgaGD4DwACggF/HLQ31QAAAABJRU5ErkJggg=="
PAGE = f"""<!doctype html><html><head><title>x</title><script>alert(1)</script></head>
<body><header>Menu</header>
<article class="bd-article"><section id="cover"><h1>Cover<a class="headerlink" href="#cover">#</a></h1>
<p>See <a href="#document-method">the method</a>, <a href="index.html#cite">a reference</a>, 
<a href="_static/table.csv">a table</a>, <a href="https://doi.org/10.1000/1">a paper</a>.</p>
<div class="lstsr-viewer"><img alt="Fallback." src="data:image/png;base64,{GREEN}" loading="lazy"></div>
<details class="sd-sphinx-override sd-dropdown"><summary>Versions (3)</summary><p>numpy 2</p></details>
<details><summary>24 figures</summary><ul><li>FRR 0.966</li></ul></details>
<div class="toctree-wrapper"><span id="document-method"></span>
<section id="method"><h2>Method</h2><div class="cell_input">code()</div>
<p id="cite">A source.</p><button>Copy</button></section>
<span id="document-data"></span><section id="method"><h2>Data</h2>
<table><tr><td>1</td></tr></table></section></div>
</section></article></body></html>"""


@pytest.fixture
def prepared(tmp_path: Path) -> Path:
    (tmp_path / "index.html").write_text(PAGE)
    return prepare_for_print(tmp_path / "index.html", STYLE, "A book", "Synthetic edition")


def test_links_lead_to_where_paper_has_something_and_others_become_text(prepared: Path) -> None:
    soup = BeautifulSoup(prepared.read_text(), "html.parser")
    article = soup.find("article")
    assert article is not None
    links = {link.get_text(): link.get("href") for link in article.find_all("a")}
    assert links == {
        "the method": "#document-method", "a reference": "#cite", "a table": None,
        "a paper": "https://doi.org/10.1000/1",
    }  # fmt: skip


def test_paper_has_chapters_and_fallbacks_and_nothing_to_click_on(prepared: Path) -> None:
    text = prepared.read_text()
    soup = BeautifulSoup(text, "html.parser")
    assert [link.get_text() for link in soup.select("nav.chapters a")] == ["Method", "Data"]
    assert [link["href"] for link in soup.select("nav.chapters a")] == ["#document-method", "#document-data"]
    assert [place["id"] for place in soup.select("section > span:first-child")] == [
        "document-method",
        "document-data",
    ]
    assert soup.select("button, script, details, header:not(.title-page)") == []
    assert "code()" not in text and "numpy 2" not in text
    assert "Versions (3): in the book on the screen." in text
    assert [line.get_text() for line in soup.select("p.unfolded")] == ["24 figures"] and "FRR 0.966" in text
    image = soup.select_one(".lstsr-viewer img")
    assert image is not None and image.get("loading") is None


def test_pages_in_folders_are_left_out_of_the_contents() -> None:
    contents = yaml.safe_load((PROJECT / "book" / "_toc.yml").read_text())
    shorter = shorter_contents(contents)
    files = re.findall(r"'file': '([^']+)'", str(shorter))
    assert {"method", "06_aster_evaluation", "claims"} <= set(files)
    assert files and not [name for name in files if "/" in name]
    assert "Reference" in str(contents) and all(part["chapters"] for part in shorter["parts"])


@pytest.fixture(scope="module")
def browser() -> str:
    if not any(shutil.which(name) for name in ("chromium", "google-chrome")):
        pytest.skip("chromium is not installed")
    return find_browser()


def pdf_text(pdf: Path, *options: str) -> str:
    if shutil.which("pdftotext") is None:
        pytest.skip("pdftotext is not installed (poppler-utils)")
    return subprocess.run(
        ["pdftotext", *options, str(pdf), "-"], check=True, capture_output=True, text=True
    ).stdout


def test_the_pdf_has_a_title_page_numbers_and_no_path_of_this_machine(
    prepared: Path, browser: str, tmp_path: Path
) -> None:
    pdf = tmp_path / "book.pdf"
    print_pdf(prepared, pdf, browser)
    pages = pdf_text(pdf).split("\f")[:-1]
    assert len(pages) == 5
    assert "A book" in pages[0] and not re.search(r"\b1 ?/ ?5\b", pages[0])
    assert "Contents" in pages[1] and re.search(r"\b2 ?/ ?5\b", pages[1]) and "Synthetic edition" in pages[1]
    assert "Method" in pages[3] and "Data" in pages[4]
    content = pdf.read_bytes()
    assert b"file:" not in content and str(tmp_path).encode() not in content
    assert b"https://doi.org/10.1000/1" in content
    assert set(re.findall(rb"\(D:(\d{4})", content)) <= {b"1980"}
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_a_browser_that_fails_keeps_the_older_pdf(prepared: Path, tmp_path: Path) -> None:
    pdf = tmp_path / "book.pdf"
    pdf.write_bytes(b"older")
    with pytest.raises(InputError, match=r"printed no PDF of .*print\.html"):
        print_pdf(prepared, pdf, "/bin/false")
    assert pdf.read_bytes() == b"older"


def test_without_a_browser_one_line_says_how_to_get_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        InputError, match=r"is on PATH; expected Chromium or Chrome.* apt-get install chromium"
    ):
        find_browser()
