"""Sphinx extension: which scripts and styles of ``_static`` every page of the book loads, and how."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sphinx.application import Sphinx
    from sphinx.config import Config


def page_scripts(found: list[str]) -> list[tuple[str, dict[str, str]]]:
    """The scripts for every page, deferred and in one order, without those in folders, which pages load on demand.

    >>> page_scripts(["viewer.js", "atlas/7.js", "tables.js"])
    [('tables.js', {'defer': 'defer'}), ('viewer.js', {'defer': 'defer'})]
    """
    return [(name, {"defer": "defer"}) for name in sorted(found) if "/" not in name]


def _choose(app: Sphinx, config: Config) -> None:
    # Jupyter Book lists every script below _static, the atlas's data too, in the order of the file system.
    config.html_js_files = page_scripts(config.html_js_files)
    config.html_css_files = sorted(config.html_css_files)


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    app.connect("config-inited", _choose)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
