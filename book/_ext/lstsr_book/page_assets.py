"""Sphinx extension: which scripts, styles and fonts of ``_static`` every page of the book loads, and how."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config


def page_scripts(names: list[str]) -> list[tuple[str, dict[str, str]]]:
    """The scripts for every page, deferred and in one order; those in folders are loaded on demand.

    >>> page_scripts(["viewer.js", "atlas/7.js", "tables.js"])
    [('tables.js', {'defer': 'defer'}), ('viewer.js', {'defer': 'defer'})]
    """
    return [(name, {"defer": "defer"}) for name in sorted(names) if "/" not in name]


def _choose(app: Sphinx, config: Config) -> None:
    # Jupyter Book lists every script below _static, the atlas's data too, in the order of the file system.
    config.html_js_files = page_scripts(config.html_js_files)
    config.html_css_files = sorted(config.html_css_files)


def embed_icons(style: Path) -> None:
    """Put the fonts of the theme's icons into its style sheet: a page opened from a folder may not load them.

    Only the faces that the pages use, "Font Awesome 6 Free"; those of other names stay links, which nothing
    asks for.
    """
    rules = re.split(r"(?=@font-face)", style.read_text(encoding="utf-8"))
    for index, rule in enumerate(rules):
        source = re.search(r"url\(([^)]+woff2)\)[^;}]+", rule)
        if source and r"Font Awesome\ 6 Free" in rule:
            font = base64.b64encode((style.parent / source[1]).read_bytes()).decode()
            rules[index] = rule.replace(source[0], f"url(data:font/woff2;base64,{font})")
    style.write_text("".join(rules), encoding="utf-8")


def _finish(app: Sphinx, exception: Exception | None) -> None:
    if exception is None:
        for style in Path(app.outdir).glob("_static/vendor/fontawesome/*/css/all.min.css"):
            embed_icons(style)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("config-inited", _choose)
    app.connect("build-finished", _finish)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
