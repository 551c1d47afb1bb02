"""The cheat sheet on paper."""

from __future__ import annotations

import re
from pathlib import Path

from worlds.browser import chromium


def test_the_cheat_sheet_prints_on_one_page_of_a4(built: Path) -> None:
    margins = {side: "10mm" for side in ("top", "right", "bottom", "left")}
    pages = {}
    with chromium() as browser:
        page = browser.new_page()
        for name in ("cheat_sheet", "glossary"):
            page.goto((built.parent / f"{name}.html").as_uri())
            page.add_style_tag(content="html { --pst-font-family-base: 'DejaVu Sans'; }")  # wider than most
            pages[name] = len(re.findall(rb"/Type\s*/Page\b", page.pdf(format="A4", margin=margins)))
    assert pages["cheat_sheet"] == 1 < pages["glossary"], pages


def test_the_cheat_sheet_fits_a_phone(built: Path) -> None:
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.goto((built.parent / "cheat_sheet.html").as_uri())
        boxes = page.locator(".cheat-sheet dt, .cheat-sheet dd").evaluate_all(
            "all => all.map(one => one.getBoundingClientRect().right)"
        )
    assert len(boxes) >= 22 and max(boxes) <= 390
