"""Screenshots of a built book's main pages, to look at: ``python tests/screenshots.py data/runs/sample``."""

from __future__ import annotations

import sys
from pathlib import Path

from worlds.browser import chromium, served

MAIN_PAGES = [
    "index", "claims", "results", "method", "data", "figures", "atlas", "06_aster_evaluation", "07_map",
    "rerunning",
]  # fmt: skip
WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")
LONGEST = 6000  # CSS pixels of a page in one picture


def take(run: Path, names: list[str]) -> Path:
    """Write ``screenshots/<page>-<width>-<scheme>.png`` and the printed cover; return the folder."""
    html, target = run / "book" / "html", run / "screenshots"
    target.mkdir(exist_ok=True)
    with served(html) as address, chromium() as browser:
        for scheme in SCHEMES:
            for width in WIDTHS:
                context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
                page = context.new_page()
                for name in names:
                    page.goto(f"{address}{name}.html", wait_until="networkidle")
                    height = min(page.evaluate("document.documentElement.scrollHeight"), LONGEST)
                    # Brings in what loads near the view.
                    page.set_viewport_size({"width": width, "height": height})
                    page.wait_for_load_state("networkidle")
                    page.screenshot(path=target / f"{name.replace('/', '-')}-{width}-{scheme}.png")
                    page.set_viewport_size({"width": width, "height": 900})
                context.close()
        page = browser.new_page(color_scheme="dark")
        for name in names:
            page.goto(f"{address}{name}.html", wait_until="networkidle")
            page.pdf(path=target / f"{name.replace('/', '-')}.pdf", format="A4")
    return target


if __name__ == "__main__":
    run, wanted = Path(sys.argv[1]), sys.argv[2:] or MAIN_PAGES
    print(take(run, [name for name in wanted if (run / "book" / "html" / f"{name}.html").is_file()]))
