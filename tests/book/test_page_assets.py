"""Which scripts a built page loads: ours, deferred, in order, and the atlas's data only when asked."""

import base64
import re
from pathlib import Path

from lstsr_core.base.project import PROJECT


def test_pages_load_our_scripts_once_and_no_data(built: Path) -> None:
    page, html = built.read_text(encoding="utf-8"), built.parent
    ours = sorted(path.name for path in (PROJECT / "book" / "_static").glob("*.js"))
    assert re.findall(r'<script defer="defer" src="_static/(\w+\.js)[?"]', page) == ours
    assert [page.count(f"_static/{name}") for name in ours] == [1] * len(ours)
    assert (
        not re.search(r'<script[^>]* src="[^"]*atlas/', page)
        and (html / "_static" / "atlas" / "57.js").is_file()
    )  # there to be asked for
    styles = re.findall(r'href="_static/(\w+\.css)\?', page)
    assert styles.index("book.css") < styles.index("interactive.css")
    (icons,) = html.glob("_static/vendor/fontawesome/*/css/all.min.css")
    faces = [rule.split("}")[0] for rule in icons.read_text(encoding="utf-8").split("@font-face")[1:]]
    used = [face for face in faces if "Font Awesome\\ 6 Free" in face]
    assert len(used) == 2 and not any("../webfonts" in face for face in used)
    for face in used:
        (data,) = re.findall(r"url\(data:font/woff2;base64,([^)]+)\)", face)
        assert base64.b64decode(data)[:4] == b"wOF2"
