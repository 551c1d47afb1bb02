"""Which scripts the pages of a built book load: ours, deferred and in order, and never the atlas's data unasked."""

import base64
import re
import shutil
import subprocess
import sys
from pathlib import Path

from lstsr_core.base.project import PROJECT


def test_pages_load_our_scripts_once_and_no_data(tmp_path: Path) -> None:
    for folder in ("_static", "_templates"):
        shutil.copytree(PROJECT / "book" / folder, tmp_path / folder)
    (tmp_path / "_static" / "atlas").mkdir()
    (tmp_path / "_static" / "atlas" / "7.js").write_text("window.lstsrScenes = {};\n")
    (tmp_path / "index.md").write_text("# Title\n\nText.\n")
    for name in ("_config.yml", "book/references.bib"):
        shutil.copy(PROJECT / name, tmp_path)
    (tmp_path / "_toc.yml").write_text("format: jb-book\nroot: index\n")
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()", "build", str(tmp_path), "-W"]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    built = tmp_path / "_build" / "html"
    page = (built / "index.html").read_text(encoding="utf-8")
    ours = sorted(path.name for path in (PROJECT / "book" / "_static").glob("*.js"))
    assert re.findall(r'<script defer="defer" src="_static/(\w+\.js)[?"]', page) == ours
    assert [page.count(f"_static/{name}") for name in ours] == [1] * len(ours)
    assert "atlas/" not in page and (built / "_static" / "atlas" / "7.js").is_file()  # there to be asked for
    styles = re.findall(r'href="_static/(\w+\.css)\?', page)
    assert styles.index("book.css") < styles.index("interactive.css")
    (icons,) = built.glob("_static/vendor/fontawesome/*/css/all.min.css")
    faces = [rule.split("}")[0] for rule in icons.read_text(encoding="utf-8").split("@font-face")[1:]]
    used = [face for face in faces if "Font Awesome\\ 6 Free" in face]
    assert len(used) == 2 and not any("../webfonts" in face for face in used)
    for face in used:
        (data,) = re.findall(r"url\(data:font/woff2;base64,([^)]+)\)", face)
        assert base64.b64decode(data)[:4] == b"wOF2"
