"""Pages of the atlas, from files whose numbers are known."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lstsr_book.atlas_pages import EXTRA_FOLDER, atlas_substitutions, write_atlas
from lstsr_core.base.errors import InputError
from lstsr_core.base.project import PROJECT
from lstsr_core.evaluation.protocols import TOO_SMALL
from lstsr_core.stages.atlas_scenes import FIGURES
from worlds.book import make_book_run

SCENES = ["0", "57"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = make_book_run(tmp_path_factory.mktemp("runs") / "sample")
    path = run / "11_atlas" / "metrics.csv"
    metrics = pd.read_csv(path, dtype={"scene": str})
    published = metrics[metrics["scene"] == "57"].assign(protocol="published")
    published.loc[published["method"] == "tsharp", "status"] = TOO_SMALL
    pd.concat([metrics, published]).to_csv(path, index=False)
    scenes = pd.read_csv(run / "11_atlas" / "scenes.csv", dtype={"scene": str})
    scenes.assign(published_status=["", TOO_SMALL]).to_csv(run / "11_atlas" / "scenes.csv", index=False)
    return run


@pytest.fixture(scope="module")
def source(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source")
    (source / "_toc.yml").write_text((PROJECT / "book" / "_toc.yml").read_text())
    assert write_atlas(run, source) == ["atlas/0", "atlas/57"]
    return source


@pytest.fixture(scope="module")
def pages(source: Path) -> dict[str, str]:
    return {scene: (source / "atlas" / f"{scene}.md").read_text() for scene in SCENES}


def test_the_contents_list_the_pages_below_the_chooser(source: Path) -> None:
    contents = yaml.safe_load((source / "_toc.yml").read_text())
    chapters = [chapter for part in contents["parts"] for chapter in part["chapters"]]
    (chooser,) = [chapter for chapter in chapters if chapter["file"] == "atlas"]
    assert chooser["sections"] == [{"file": "atlas/0"}, {"file": "atlas/57"}]
    others = [chapter["file"] for chapter in chapters if "sections" in chapter and chapter is not chooser]
    assert others == ["api/index"]


def test_all_that_a_page_shows_is_beside_it_unchanged(run: Path, source: Path, pages: dict[str, str]) -> None:
    for scene, page in pages.items():
        shown = re.findall(r'(?:src|data-script)="\.\./([^"]+)"', page)
        assert len(shown) == len(FIGURES) + 1
        for name in shown:
            written = source / EXTRA_FOLDER / name
            made = "viewer.js" if name.endswith(".js") else Path(name).name
            assert written.read_bytes() == (run / "11_atlas" / "scenes" / scene / made).read_bytes()


def test_images_have_sizes_and_words_and_wait_for_their_turn(pages: dict[str, str]) -> None:
    images = re.findall(r"<img [^>]*>", pages["0"])
    assert len(images) == 5
    for image in images:
        assert (
            'loading="lazy"' in image
            and 'width="80" height="40"' in image
            and re.search(r'alt="[^"]{20,}"', image)
        )
    assert len(re.findall(r"<figcaption>.{60,}</figcaption>", pages["0"])) == 5


def test_pages_lead_to_their_neighbours_and_back(pages: dict[str, str]) -> None:
    assert '<a rel="next" href="57.html">Pair 57 →</a>' in pages["0"] and 'rel="prev"' not in pages["0"]
    assert '<a rel="prev" href="0.html">← Pair 0</a>' in pages["57"] and 'rel="next"' not in pages["57"]
    assert all('href="../atlas.html"' in page for page in pages.values())


def test_a_page_tells_the_place_the_offset_and_the_bias(pages: dict[str, str]) -> None:
    page = pages["57"]
    assert page.startswith("# Pair 57 (simulated)\n")
    assert ">45.50° N, 0.25° W; UTM zone 31<" in page
    assert "NDVI starts 3 fine pixels below and 1 right of the LST (695 m and 232 m)" in page
    assert "none: NDVI and LST start at the same place" in pages["0"]
    assert "bias −1.25 K, RMSE 1.50 K" in page
    assert ">120 × 160 pixels (28 × 37 km)<" in page
    assert "unknown: the pairs carry no date" in page
    assert "{{ edition_admonition }}" in page


def test_the_viewer_and_the_sentence_take_the_methods_there_are(pages: dict[str, str]) -> None:
    assert (
        'data-scene="57" data-script="../_static/atlas/57.js" data-left="modis" data-right="tsharp">'
        in pages["57"]
    )
    # In metrics_rows every method has RMSE 2 ± 0.005 K; the first of them wins. FRR is 0.96 ± 0.005.
    assert (
        "Nearest to ASTER by RMSE is Bicubic (2.00 K); SIF-CNN-SR1 recovers most of the fine detail"
        in pages["57"]
    )
    assert "(FRR 0.96)" in pages["57"]


def test_metrics_are_in_a_table_for_each_protocol_with_the_reasons(pages: dict[str, str]) -> None:
    assert "Under the `published` protocol this edition has no figures." in pages["0"]
    assert pages["0"].count('<table class="results sortable">') == 1
    assert pages["57"].count('<table class="results sortable">') == 2
    assert 'data-value="2.005">2.00<' in pages["57"] or 'data-value="2.005">2.01<' in pages["57"]
    told = (
        "Left out under the `published` protocol: TsHARP. The published evaluation cuts both images to a"
        " rectangle"
    )
    assert told in pages["57"] and told not in pages["0"]
    assert "Left out under the `georeferenced` protocol: SC-Unet. The reason: weights missing." in pages["57"]


def test_the_chooser_has_a_row_and_an_outline_for_each_scene(run: Path) -> None:
    values = atlas_substitutions(run)
    assert re.findall(r'<a href="([^"]+)" aria-label="([^"]+)">', values["atlas_map"]) == [
        ("atlas/0.html", "Pair 0 (simulated)"),
        ("atlas/57.html", "Pair 57 (simulated)"),
    ]
    for name in (
        "atlas_places",
        "atlas_rmse_k",
        "atlas_frr",
        "atlas_attenuation_rmse_db",
        "atlas_consistency_k",
    ):
        assert '<table class="results sortable" data-filter>' in values[name]
        assert values[name].count("<tr>") == 3
        assert '<th scope="row" data-value="57"><a href="atlas/57.html">57</a></th>' in values[name]
    heads = re.findall(r'<th scope="col">([^<]+)</th>', values["atlas_frr"])
    assert heads == ["pair", "Bicubic", "TsHARP", "SC-Unet", "SIF-CNN-SR1"]
    assert '<td data-value="0.935">0.935</td>' in values["atlas_frr"]  # TsHARP's 0.93, half a step of 0.01 up
    assert "<td>–</td>" in values["atlas_frr"]
    assert (
        values["atlas_sentence"]
        == "This edition has 2 simulated pairs. From 1 of them the published protocol leaves out at least one"
        " method; their pages say why."
    )


def test_a_scene_with_nothing_to_compare_says_why_and_shows_nothing(tmp_path: Path) -> None:
    run = make_book_run(tmp_path / "sample")
    path = run / "11_atlas" / "scenes" / "57" / "scene.json"
    path.write_text(
        json.dumps(
            {"scene": "57", "rows": 0, "columns": 0, "methods": [], "reasons": {"bicubic": "no overlap"}}
        )
    )
    source = tmp_path / "source"
    source.mkdir()
    (source / "_toc.yml").write_text((PROJECT / "book" / "_toc.yml").read_text())
    write_atlas(run, source)
    page = (source / "atlas" / "57.md").read_text()
    assert "Nothing of this pair can be compared with ASTER: no overlap." in page
    assert "<img" not in page and "lstsr-viewer" not in page and "57.js" not in page
    assert not (source / EXTRA_FOLDER / "_static" / "atlas" / "57.js").exists()


def test_a_missing_image_is_named_with_its_command(tmp_path: Path) -> None:
    run = make_book_run(tmp_path / "sample")
    (run / "11_atlas" / "scenes" / "0" / "maps.webp").unlink()
    source = tmp_path / "source"
    source.mkdir()
    (source / "_toc.yml").write_text((PROJECT / "book" / "_toc.yml").read_text())
    with pytest.raises(InputError, match=r"scenes/0/maps\.webp: no such file.*lstsr run --profile sample"):
        write_atlas(run, source)
