"""The scatter of scenes as Python draws it: places, links and numbers, in a block that Markdown leaves alone."""

import json
import xml.etree.ElementTree as ElementTree

import docutils.core
import numpy as np
import pandas as pd
import pytest
from myst_parser.parsers.docutils_ import Parser

from lstsr_book.scatter import scatter_html
from lstsr_core.base.errors import InputError

SVG = "{http://www.w3.org/2000/svg}"


def results(methods: dict[str, list[float]], protocol: str = "georeferenced") -> pd.DataFrame:
    """One row for each method and scene 1, 2, …; a scene without a number was refused."""
    rows = [
        {"scene": scene, "method": name, "protocol": protocol, "status": "refused" if np.isnan(rmse) else "ok", "rmse_k": rmse}
        for name, values in methods.items()
        for scene, rmse in enumerate(values, start=1)
    ]
    return pd.DataFrame(rows)


def scenes(bias_k: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"scene": range(1, len(bias_k) + 1), "coarse_bias_k": bias_k})


def block(methods: dict[str, list[float]], bias_k: list[float]) -> str:
    return scatter_html(results(methods), scenes(bias_k), lambda scene: f"atlas/{scene}.html?a&b")


def drawn(html: str) -> ElementTree.Element:
    return ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + len("</svg>")])


def carried(html: str) -> dict[str, object]:
    start = html.index('<script type="application/json">') + len('<script type="application/json">')
    return dict(json.loads(html[start : html.index("</script>")]))


def test_points_lie_where_axes_say() -> None:
    picture = drawn(block({"sif-cnn-sr1": [1.0, 3.0, 2.0]}, [-1.5, 0.5, 2.5]))
    axes, *links = picture
    ticks = {(text.get("x"), text.get("y")): (text.text or "").replace("−", "-") for text in axes.iter("text") if text.get("x")}
    bottom = max(float(y) for _, y in ticks)  # the axis' name; its ticks lie just above
    across = [(float(x), float(word)) for (x, y), word in ticks.items() if x and bottom - 40 < float(y or 0) < bottom]
    up = [(float(y), float(word)) for (x, y), word in ticks.items() if y and float(y) < bottom - 40]
    assert len(across) >= 3 and len(up) >= 3
    # A straight line through the printed ticks gives back the numbers that were put in.
    marks = [link.find("circle") for link in links]
    places = np.array([[float(mark.get(key, "nan")) for key in ("cx", "cy")] for mark in marks if mark is not None])
    to_x, to_y = (np.polyfit(*np.array(pairs).T, 1) for pairs in (across, up))
    assert np.polyval(to_x, places[:, 0]) == pytest.approx([-1.5, 0.5, 2.5], abs=0.01)
    assert np.polyval(to_y, places[:, 1]) == pytest.approx([1.0, 3.0, 2.0], abs=0.01)


def test_each_point_is_a_named_link_from_left_to_right() -> None:
    links = drawn(block({"sif-cnn-sr1": [1.0, 3.0]}, [0.5, -1.5])).findall("a")
    assert [link.get("href") for link in links] == ["atlas/2.html?a&b", "atlas/1.html?a&b"]
    name = "Scene 2, SIF-CNN-SR1: RMSE (K) 3.00, MODIS − ASTER bias at 1 km (K) −1.50"
    assert links[0].get("aria-label") == name and links[0].findtext("title") == name


def test_without_the_preferred_network_the_best_method_is_shown() -> None:
    html = block({"bicubic": [2.0, 2.0], "dms": [1.5, np.nan], "tsharp": [2.5, 2.5], "sif-cnn-sr1": [np.nan, np.nan]}, [0.0, 1.0])
    assert [link.get("href") for link in drawn(html).findall("a")] == ["atlas/1.html?a&b"]
    assert carried(html)["shown"] == {"x": "coarse_bias_k", "y": "rmse_k", "method": "dms"}


def test_numbers_travel_beside_the_plot() -> None:
    table = pd.concat([results({"dms": [1.23456, np.nan, 3.0]}), results({"dms": [9.0, 9.0, 9.0]}, protocol="published")])
    table["ssim"] = [0.5, np.nan, np.inf, 0.1, 0.1, 0.1]
    table["lpips"] = np.nan  # measured nowhere, so no axis
    known = scenes([0.5, 1.0, 1.5]).assign(ndvi_mean=[0.1234, 0.2, 0.3])
    data = carried(scatter_html(table, known, str))
    assert data["scenes"] == [{"name": "1", "page": "1"}, {"name": "3", "page": "3"}]
    assert data["of_scene"] == {"coarse_bias_k": [0.5, 1.5], "ndvi_mean": [0.123, 0.3]}
    assert data["of_method"] == {"dms": {"rmse_k": [1.235, 3.0], "ssim": [0.5, None]}}


def test_markdown_passes_the_block_on_unchanged() -> None:
    html = block({"sif-cnn-sr1": [1.0, 3.0, 2.0], "dms": [1.0, 2.0, 3.0]}, [-1.5, 0.5, 2.5])
    page = docutils.core.publish_string(
        f"Before $x$.\n\n{html}\n\nAfter.",
        parser=Parser(),
        writer_name="html5",
        settings_overrides={"myst_enable_extensions": ["dollarmath", "colon_fence"], "report_level": 1, "halt_level": 1},
    ).decode()
    assert html in page and "<p>After.</p>" in page


def test_a_name_cannot_end_the_script() -> None:
    html = scatter_html(results({"dms": [1.0]}), scenes([0.5]), lambda scene: '</script><a href="x">')
    assert html.count("</script>") == 1 and "&lt;/script&gt;&lt;a href=&quot;x&quot;&gt;" in html
    assert carried(html)["scenes"] == [{"name": "1", "page": '</script><a href="x">'}]


def test_one_scene_still_has_a_place() -> None:
    (link,) = drawn(block({"dms": [2.0]}, [0.5])).findall("a")
    mark = link.find("circle")
    assert mark is not None and (mark.get("cx"), mark.get("cy")) == ("301.0", "172.0")  # the plot's middle


@pytest.mark.parametrize(
    ("table", "known", "message"),
    [
        (results({"dms": [1.0]}).drop(columns="status"), scenes([0.5]), "the results lacks status"),
        (results({"dms": [1.0]}), scenes([0.5]).drop(columns="coarse_bias_k"), "the table of scenes lacks coarse_bias_k"),
        (results({"dms": [np.nan]}), scenes([0.5]), "no scene has both"),
        (results({"dms": [1.0]}), scenes([np.nan]), "no scene has both"),
        (results({"dms": [1.0]}, protocol="published"), scenes([0.5]), "no scene has both"),
    ],
)
def test_tables_without_what_is_drawn_are_refused(table: pd.DataFrame, known: pd.DataFrame, message: str) -> None:
    with pytest.raises(InputError, match=message):
        scatter_html(table, known, str)
