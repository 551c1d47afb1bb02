"""The book's figures: numbered in its order, told by their captions, listed with what became of each."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lstsr_book.figure_pages import PAPER_LIST, BookFigure, collect, figures_list, origin, pictures
from lstsr_core.base.errors import InputError
from lstsr_core.stages.parameters import BY_NOTEBOOK
from worlds.book import notebook, write_figure

SPEC_NUMBERS = list(range(1, 15))


def figure(name: str, number: int, paper: int | None = None, notebook: str = "05_fourier") -> BookFigure:
    return BookFigure(
        notebook, 3, name, number, paper, f"Caption of {name}. More.", f"Alt of {name}.", ["a.csv"], 720, 360
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = tmp_path / "run"
    (run / "notebooks").mkdir(parents=True)
    for name in ("04_sharpening", "05_fourier"):
        (run / name).mkdir()
        write_figure(run / name, f"figure_{name[:2]}")
        (run / "notebooks" / f"{name}.ipynb").write_text(json.dumps(notebook(f"Notebook {name[:2]}")))
    return run


def test_figures_are_numbered_in_the_order_asked_for(run: Path, tmp_path: Path) -> None:
    figures = collect(run, tmp_path / "none", ["05_fourier", "04_sharpening"])
    assert [(figure.number, figure.name, figure.position) for figure in figures] == [
        (1, "figure_05", 3),
        (2, "figure_04", 3),
    ]


def test_a_cell_that_shows_no_picture_has_no_number(run: Path, tmp_path: Path) -> None:
    path = run / "notebooks" / "04_sharpening.ipynb"
    content = json.loads(path.read_text())
    content["cells"][2]["outputs"] = []
    path.write_text(json.dumps(content))
    assert [figure.name for figure in collect(run, tmp_path / "none", ["04_sharpening", "05_fourier"])] == [
        "figure_05"
    ]


def test_a_caption_is_mended_without_a_run_while_the_code_is_the_same(run: Path, tmp_path: Path) -> None:
    project = tmp_path / "notebooks"
    project.mkdir()
    mended = notebook("Notebook 05", caption="Mended.")
    (project / "05_fourier.ipynb").write_text(json.dumps(mended))
    assert collect(run, project, ["05_fourier"])[0].caption == "Mended."
    mended["cells"][2]["source"] = "show(anew)"
    (project / "05_fourier.ipynb").write_text(json.dumps(mended))
    assert collect(run, project, ["05_fourier"])[0].caption == "What to see: *grey*, R²."


def test_a_number_that_the_paper_does_not_have_is_refused(run: Path, tmp_path: Path) -> None:
    (run / "notebooks" / "05_fourier.ipynb").write_text(json.dumps(notebook("Notebook 05", paper=15)))
    with pytest.raises(
        InputError, match="cell 3: its figure is number 15 of the paper's list; expected 1 … 14, or none"
    ):
        collect(run, tmp_path / "none", ["05_fourier"])


def test_parameters_are_told_where_they_are_not_the_defaults() -> None:
    defaults = BY_NOTEBOOK["05_fourier"].check({}).model_dump()
    assert origin("05_fourier", defaults) == origin("05_fourier", {}) == "with its default parameters"
    assert (
        origin("05_fourier", defaults | {"run_directory": "data/runs/paper"}) == "with its default parameters"
    )
    changed = defaults | {"scene": "57", "protocol": "published", "since removed": 1}
    assert origin("05_fourier", changed) == 'with `protocol: "published"` and `scene: "57"`'


def entries(listing: str) -> dict[str, str]:
    return dict(re.findall(r":name: list-(\S+)\n\n(.*?)\n:::", listing, re.DOTALL))


def test_the_list_has_the_papers_fourteen_and_says_what_became_of_each() -> None:
    assert list(PAPER_LIST) == SPEC_NUMBERS
    listing = figures_list(
        [figure("spectra", 1, 11), figure("spectra_mean", 2, 11), figure("map", 3, notebook="07_map")]
    )
    rows = entries(listing)
    assert list(rows) == [*map(str, SPEC_NUMBERS), "map"]
    assert (
        "[Figure 1](#figure-spectra) of [05_fourier](05_fourier.ipynb) and [Figure 2](#figure-spectra_mean)"
        in rows["11"]
    )
    assert (
        "Not in this edition" in rows["8"]
        and "Not in this edition" in rows["12"]
        and "Not in this edition" not in rows["13"]
    )
    assert "third panel" in rows["12"] and "no times" in rows["12"]
    assert rows["map"].startswith("**Caption of map**") and "3 figures; 1 of them" in listing


def test_figures_of_one_scene_lead_to_those_of_every_scene() -> None:
    rows = entries(figures_list([figure("maps", 1, 8)], by_scene="All in [the atlas](atlas.md)."))
    assert [number for number, entry in rows.items() if "(atlas.md)" in entry] == ["8", "9", "10", "11"]


def test_another_page_shows_a_figure_and_leads_to_its_own_place() -> None:
    figures = [figure("trust", 4, notebook="14_your_map"), figure("spectra", 1)]
    shown = pictures(figures, "14_your_map", ["trust", "absent"])
    assert shown.keys() == {"picture_trust", "picture_absent"} and shown["picture_absent"] == ""
    picture = shown["picture_trust"]
    assert 'src="_static/figures/14_your_map/trust.png"' in picture and 'alt="Alt of trust."' in picture
    assert "[Figure 4](#figure-trust), of [14_your_map](14_your_map.ipynb). Caption of trust." in picture
    assert "id=" not in picture and ":name:" not in picture  # those are of the notebook's page
    assert pictures(figures, "14_your_map", ["spectra"]) == {"picture_spectra": ""}


def test_a_figure_links_to_its_place_in_the_papers_list() -> None:
    assert "([11 of the paper's list](#list-11))" in figure("spectra", 1, 11).markdown(
        "with its default parameters"
    )
    assert "paper's list" not in figure("map", 3).markdown("with its default parameters")
