"""The built book as a reader meets it: in Chromium, wide and narrow, light and dark, by keyboard.

The tests read the small book of the suite; ``LSTSR_BOOK=data/runs/paper/book/html
pytest tests/book/test_reader.py`` reads another.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from worlds.browser import Source, chromium, page_names, served
from worlds.soak import short_and_long

EXPECTED_PAGES = {
    "index.html",
    "atlas.html",
    "method.html",
    "data.html",
    "results.html",
    "claims.html",
    "rerunning.html",
    "search.html",
}
"""Pages without which there is nothing to read."""

KINDS_OF_PAGES = [
    "index.html", "method.html", "06_aster_evaluation.html", "results.html", "claims.html", "figures.html",
    "atlas.html", "rerunning.html", "search.html",
]  # fmt: skip
"""One page of each kind, beside a scene's; a soak has axe look at every page."""

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
FIRST_PAGE_BYTES = 1_500_000
AXE_OPTIONS: dict[str, dict[str, Any]] = {
    "light": {"preload": False, "resultTypes": ["violations"], "rules": {"target-size": {"enabled": True}}},
    # Colours are all that differs.
    "dark": {
        "preload": False,
        "resultTypes": ["violations"],
        "runOnly": ["color-contrast", "link-in-text-block"],
    },
}
SETTLED = (
    "async () => { if (window.MathJax?.startup?.promise) await MathJax.startup.promise; await"
    " document.fonts.ready; }"
)


@dataclass
class Visit:
    """What happened when a page was opened, shown in light and dark, and narrowed to a phone's width."""

    complaints: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    width_on_phone: int = 0
    banner_on_phone: dict[str, float] = field(default_factory=dict)


@pytest.fixture(scope="module")
def sources(html: Path) -> dict[str, Source]:
    return {name: Source(html / name) for name in page_names(html)}


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def address(html: Path) -> Iterator[str]:
    with served(html) as url:
        yield url


@pytest.fixture(scope="module")
def visits(browser: Browser, address: str, sources: dict[str, Source]) -> dict[str, Visit]:
    """Every page opened once; the tests below look at what came of it."""
    context = browser.new_context(viewport=DESK, color_scheme="light")
    found = {}
    for name in sources:
        page, found[name] = context.new_page(), Visit()
        _watch(page, found[name], address)
        response = page.goto(address + name, wait_until="load")
        assert response is not None and response.ok, name
        page.evaluate(SETTLED)
        for scheme in ("light", "dark"):
            _show(page, scheme)
        page.set_viewport_size(PHONE)
        found[name].width_on_phone = page.evaluate("document.documentElement.scrollWidth")
        found[name].banner_on_phone = page.locator(".bd-header-announcement").bounding_box() or {}
        page.close()
    context.close()
    return found


def _show(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.wait_for_function("scheme => document.documentElement.dataset.theme === scheme", arg=scheme)
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def _watch(page: Page, visit: Visit, address: str) -> None:
    def note(complaint: str) -> None:
        visit.complaints.append(complaint)

    def note_request(url: str) -> None:
        visit.requested.append(url)
        if not url.startswith((address, "data:", "blob:")):
            note(f"asked for {url}")

    page.on("console", lambda message: note(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: note(str(error)))
    page.on("requestfailed", lambda request: note(f"{request.url} failed"))
    page.on(
        "response",
        lambda response: note(f"{response.url}: {response.status}") if response.status >= 400 else None,
    )
    page.on("request", lambda request: note_request(request.url))


def _faults(page: Page, scheme: str) -> list[str]:
    violations: list[dict[str, Any]] = Axe().run(page, options=AXE_OPTIONS[scheme]).response["violations"]
    return [
        f"{scheme}: {violation['id']} ({violation['impact']}): {node['html'][:200]}"
        f" {node['failureSummary'][:300]}"
        for violation in violations
        for node in violation["nodes"]
    ]


def test_every_page_opens_without_complaint_and_asks_no_other_host(visits: dict[str, Visit]) -> None:
    assert set(visits) >= EXPECTED_PAGES
    assert {name: visit.complaints for name, visit in visits.items() if visit.complaints} == {}


@pytest.mark.parametrize("every_page", short_and_long(False, True))
def test_axe_finds_no_fault_in_light_or_dark(
    browser: Browser, address: str, sources: dict[str, Source], every_page: bool
) -> None:
    scene = next(name for name in sources if name.startswith("atlas/"))
    context, faults = browser.new_context(viewport=DESK, reduced_motion="reduce"), {}
    for name in sources if every_page else [*KINDS_OF_PAGES, scene]:
        page = context.new_page()
        page.goto(address + name, wait_until="load")
        page.evaluate(SETTLED)
        for scheme in ("light", "dark"):
            _show(page, scheme)
            faults[name, scheme] = _faults(page, scheme)
        page.close()
    context.close()
    assert {key: names for key, names in faults.items() if names} == {}


def test_no_page_scrolls_sideways_on_a_phone(visits: dict[str, Visit]) -> None:
    assert {
        name: visit.width_on_phone for name, visit in visits.items() if visit.width_on_phone > PHONE["width"]
    } == {}


def test_the_edition_heads_every_page_without_filling_a_phone(
    visits: dict[str, Visit], sources: dict[str, Source]
) -> None:
    for name, visit in visits.items():
        assert visit.banner_on_phone["y"] == 0.0, name
        assert 20.0 < visit.banner_on_phone["height"] < 0.2 * PHONE["height"], name
        assert re.search(
            r'class="edition-chip edition-(synthetic|paper)">(Synthetic|Paper) edition<', sources[name].text
        ), name


def test_every_page_has_one_first_heading(sources: dict[str, Source]) -> None:
    assert {name: source.headings for name, source in sources.items() if source.headings != 1} == {}


def test_all_internal_links_anchors_and_files_resolve(html: Path, sources: dict[str, Source]) -> None:
    broken = []
    for name, source in sources.items():
        for url in [*source.links, *source.resources]:
            parts = urlsplit(url)
            if parts.scheme or parts.netloc:
                continue
            target = unquote(urlsplit(urljoin(name, parts.path)).path) if parts.path else name
            anchor_found = target not in sources or unquote(parts.fragment) in sources[target].ids | {""}
            if not (html / target).is_file() or not anchor_found:
                broken.append(f"{name}: {url}")
    assert broken == []


def test_nothing_is_named_on_another_host(html: Path, sources: dict[str, Source]) -> None:
    for name, source in sources.items():
        outside = [
            url
            for url in source.resources
            if urlsplit(url).scheme not in ("", "data") or url.startswith("//")
        ]
        assert not outside, f"{name}: {outside}"
    for path in (html / "_static").rglob("*.css"):
        style = path.read_text(encoding="utf-8")
        assert not re.search(r"""(@import|url\()\s*["']?(https?:)?//""", style), path


def test_every_image_has_alternative_text_and_waits_until_it_is_near(sources: dict[str, Source]) -> None:
    images = [(name, image) for name, source in sources.items() for image in source.images]
    assert images
    assert [name for name, image in images if not (image.get("alt") or "").strip()] == []
    assert [name for name, image in images if image.get("loading") != "lazy"] == []


def test_images_far_below_are_not_requested_at_load(
    visits: dict[str, Visit], sources: dict[str, Source]
) -> None:
    """The ablation's figure of the small book stands below a long text; atlas pages ask for the same."""
    name = "10_ablation.html"
    images = {str(image["src"]).rpartition("/")[2] for image in sources[name].images}
    assert images and not images <= {url.rpartition("/")[2] for url in visits[name].requested}
    for page in (source for name, source in sources.items() if name.startswith("atlas/")):
        assert page.images and all(image.get("loading") == "lazy" for image in page.images)


def test_the_atlas_leads_to_a_page_for_each_scene(sources: dict[str, Source]) -> None:
    scenes = {name for name in sources if name.startswith("atlas/")}
    assert scenes and scenes <= {urlsplit(url).path for url in sources["atlas.html"].links}
    for name in scenes:
        assert sources[name].images, name


def test_mathjax_loads_where_there_are_equations_and_not_elsewhere(
    visits: dict[str, Visit], sources: dict[str, Source]
) -> None:
    loading = {name for name, visit in visits.items() if any("mathjax" in url for url in visit.requested)}
    assert loading == {name for name, source in sources.items() if 'class="math' in source.text}
    assert "method.html" in loading and "index.html" not in loading


def test_the_first_page_is_light(browser: Browser, address: str) -> None:
    """Bytes over the wire on a cold cache, without compression, scrolled to its end."""
    context = browser.new_context(viewport=DESK)
    page = context.new_page()
    session, sizes = context.new_cdp_session(page), []
    session.send("Network.enable")
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    page.goto(address + "index.html", wait_until="load")
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.wait_for_load_state("networkidle")
    context.close()
    assert 100_000 < sum(sizes) < FIRST_PAGE_BYTES


HIDDEN_RIGHT = "box => getComputedStyle(box).getPropertyValue('--hidden-right')"


def test_what_scrolls_sideways_fades_where_more_is_hidden(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport=PHONE, reduced_motion="reduce")
    page.goto(address + "results.html", wait_until="load")
    wide = page.locator(".table-box").filter(has=page.locator("table.results")).first
    assert wide.evaluate("box => box.scrollWidth > box.clientWidth")
    assert wide.evaluate(HIDDEN_RIGHT) == "48px"
    wide.evaluate("box => box.scrollTo(box.scrollWidth, 0)")
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert wide.evaluate(HIDDEN_RIGHT) == "0px"
    # It has its whole height.
    assert wide.evaluate("box => getComputedStyle(box).getPropertyValue('--hidden-below')") == "0px"
    page.set_viewport_size({"width": 2600, "height": 900})
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert wide.evaluate("box => box.scrollWidth <= box.clientWidth") and wide.evaluate(HIDDEN_RIGHT) == "0px"
    page.close()


FOCUSED = """() => {
  const element = document.activeElement;
  const box = element.getBoundingClientRect(), style = getComputedStyle(element);
  return {
    name: element.getAttribute("aria-label") || element.title || element.textContent.trim(),
    kind: element.tagName,
    seen: box.width > 0 && box.height > 0 && style.visibility !== "hidden",
    marked: style.outlineStyle !== "none" || style.boxShadow !== "none",
  };
}"""


def _walk(page: Page, steps: int) -> list[dict[str, Any]]:
    found = []
    for _ in range(steps):
        page.keyboard.press("Tab")
        found.append(page.evaluate(FOCUSED))
    return [element for element in found if element["kind"] != "BODY"]


def test_the_keyboard_reaches_everything_and_shows_where_it_is(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport=DESK)
    page.goto(address + "method.html", wait_until="load")
    page.evaluate(SETTLED)
    walked = _walk(page, 60)
    assert walked[0]["name"] == "Skip to main content" and walked[0]["seen"]
    names = [element["name"] for element in walked]
    for label in ("Search", "Toggle primary sidebar", "light/dark"):
        assert any(label.lower() in name.lower() for name in names), f"{label} is not among {names}"
    assert [element for element in walked if not (element["seen"] and element["marked"])] == []
    page.goto(address + "method.html", wait_until="load")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")
    page.close()


@pytest.mark.parametrize("which", ["primary", "secondary"])
def test_a_phone_opens_both_side_bars_by_keyboard(browser: Browser, address: str, which: str) -> None:
    page = browser.new_page(viewport=PHONE)
    page.goto(address + "method.html", wait_until="load")
    bar = page.locator(f".bd-sidebar-{which} a").last
    assert not _in_view(page, bar)
    page.locator(f"button.{which}-toggle").focus()
    page.keyboard.press("Enter")
    page.wait_for_timeout(400)  # it slides in
    bar.focus()
    assert _in_view(page, bar)
    page.close()


def _in_view(page: Page, locator: Any) -> bool:
    box = locator.bounding_box()
    return (
        box is not None and 0 <= box["x"] < PHONE["width"] and box["width"] > 0 and bool(locator.is_visible())
    )


def test_on_paper_the_page_is_light_and_whole_and_says_its_edition(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport={"width": 680, "height": 960}, color_scheme="dark")
    page.goto(address + "results.html", wait_until="load")
    page.evaluate(
        "addEventListener('beforeprint', () => { window.printedTheme ="
        " document.documentElement.dataset.theme; })"
    )
    assert len(page.pdf(format="A4")) > 10_000
    assert page.evaluate("[window.printedTheme, document.documentElement.dataset.theme]") == ["light", "dark"]
    page.emulate_media(media="print")
    for shown in ("h1", ".bd-header-announcement"):
        assert page.locator(shown).first.is_visible(), shown
    for hidden in (".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article", ".prev-next-footer"):
        assert not page.locator(hidden).first.is_visible(), hidden
    cut = (
        "[...document.querySelectorAll('.table-box')].filter(box => box.scrollWidth > box.clientWidth +"
        " 1).length"
    )
    assert page.evaluate(cut) == 0
    page.close()


def test_without_scripts_a_page_still_tells_everything(
    browser: Browser, address: str, sources: dict[str, Source]
) -> None:
    context = browser.new_context(java_script_enabled=False, viewport=PHONE, color_scheme="dark")
    page = context.new_page()
    page.goto(address + "06_aster_evaluation.html", wait_until="load")
    assert page.locator(".bd-header-announcement").is_visible() and page.locator("h1").is_visible()
    assert page.locator("article img").first.is_visible()
    context.close()


def test_figures_stand_on_a_white_card_on_dark_pages_and_scroll_on_a_phone(
    browser: Browser, address: str
) -> None:
    look = (
        "image => (({ backgroundColor, filter, padding }) => [backgroundColor, filter,"
        " padding])(getComputedStyle(image))"
    )
    expected = {"light": ["rgba(0, 0, 0, 0)", "none", "0px"], "dark": ["rgb(255, 255, 255)", "none", "12px"]}
    for scheme, card in expected.items():
        context = browser.new_context(viewport=PHONE, color_scheme=scheme)  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(address + "06_aster_evaluation.html", wait_until="load")
        image = page.locator(".figure-images img").first
        assert image.evaluate(look) == card
        drawn_px = float(image.get_attribute("width") or "0")
        assert (
            image.evaluate("image => image.clientWidth") >= min(drawn_px, 544.0) > 0.0
        )  # not shrunk to the phone
        context.close()
