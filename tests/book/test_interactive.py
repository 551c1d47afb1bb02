"""The book's interactive parts in a real browser: the slider viewer and tables that sort."""

import base64
import io
import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, expect

from lstsr_core.base.project import PROJECT
from worlds.browser import chromium, served

STATIC = PROJECT / "book" / "_static"
ROWS, COLUMNS = 40, 48
BASE_K, STEP_K, LIMITS_K = 250.0, 0.02, (290.0, 310.0)
LABELS = {"aster": "ASTER", "modis": "MODIS, 1 km", "dms": "DMS", "sif-cnn-sr1": "SIF-CNN-SR1"}


def make_scene() -> dict[str, np.ndarray]:
    """LST on whole steps, with values beyond the limits, and a gap in every product but MODIS's."""
    generator = np.random.default_rng(3)
    scene = {name: BASE_K + STEP_K * generator.integers(1800, 3200, (ROWS, COLUMNS)) for name in LABELS}
    scene["modis"] = scene["modis"][::4, ::4].repeat(4, axis=0).repeat(4, axis=1)
    for name in ("aster", "dms", "sif-cnn-sr1"):
        scene[name][20:26, 4:10] = np.nan
    scene["dms"][0, 0] = BASE_K  # the smallest code
    return scene


SCENE = make_scene()


def encode(values: np.ndarray) -> str:
    """Base64 of raw deflate of little-endian uint16, each row differenced after coding; 0 is no value."""
    codes = np.where(np.isnan(values), 0, np.rint((values - BASE_K) / STEP_K) + 1).astype(np.int64)
    differenced = np.diff(codes, axis=1, prepend=0) % 65536
    packer = zlib.compressobj(wbits=-15)
    return base64.b64encode(packer.compress(differenced.astype("<u2").tobytes()) + packer.flush()).decode()


def scene_script(scene: str, products: dict[str, str]) -> str:
    content = {
        "scene": scene, "rows": ROWS, "columns": COLUMNS, "pixel_m": 231.65, "step_k": STEP_K,
        "base_k": BASE_K, "limits_k": LIMITS_K,
        "products": [{"name": name, "label": LABELS[name], "data": data} for name, data in products.items()],
    }  # fmt: skip
    return (
        f'window.lstsrScenes = window.lstsrScenes || {{}}; window.lstsrScenes["{scene}"] ='
        f" {json.dumps(content)};\n"
    )


def viewer(scene: str = "7") -> str:
    return (
        f'<div class="lstsr-viewer" data-scene="{scene}" data-script="_static/atlas/{scene}.js"'
        ' data-left="modis" data-right="sif-cnn-sr1">\n<p class="static">The static figure.</p>\n</div>'
    )


TABLE = """<div class="table-box" tabindex="0" role="region" aria-label="Table, scrolls sideways">
<table class="sortable" data-filter="Find a scene">
<thead><tr><th scope="col">scene</th><th scope="col">RMSE K</th><th scope="col">name</th></tr></thead>
<tbody>
<tr><th scope="row">101</th><td class="missing">weights missing</td><td class="words">beta</td></tr>
<tr><th scope="row">10</th><td data-value="2.25">2.3</td><td class="words">beta</td></tr>
<tr><th scope="row">9</th><td data-value="-10.5">−10.5</td><td class="words">zulu</td></tr>
<tr><th scope="row">1</th><td data-value="2.34">2.3</td><td class="words">–</td></tr>
<tr><th scope="row">12</th><td data-value="nan">–</td><td class="words">zulu</td></tr>
</tbody></table></div>
<div class="table-box"><table class="sortable"><thead><tr><th scope="col">plain</th></tr></thead>
<tbody><tr><td>1</td></tr></tbody></table></div>"""


def make_page(title: str, body: str) -> str:
    scripts = "".join(
        f'<script defer src="_static/{path.name}"></script>' for path in sorted(STATIC.glob("*.js"))
    )
    styles = "".join(
        f'<link rel="stylesheet" href="_static/{path.name}">' for path in sorted(STATIC.glob("*.css"))
    )
    viewport = (
        '<meta charset="utf-8"><meta name="viewport" content="width=device-width"><link rel="icon"'
        ' href="data:,">'
    )
    return (
        '<!DOCTYPE html><html lang="en"'
        f' data-theme="light"><head>{viewport}<title>{title}</title>{styles}{scripts}</head><body'
        f' style="margin: 8px"><h1>{title}</h1>\n{body}\n<p>End.</p></body></html>'
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(STATIC, site / "_static")
    data = {name: encode(values) for name, values in SCENE.items()}
    scripts = {
        "7": scene_script("7", data),
        "cut": scene_script("cut", {**data, "modis": data["modis"][:400]}),
        "stranger": scene_script("7", data),
        "worn": scene_script("worn", {**data, "dms": data["dms"][:400]}),
    }
    (site / "_static" / "atlas").mkdir()
    for name, script in scripts.items():
        (site / "_static" / "atlas" / f"{name}.js").write_text(script)
    far = '<div style="height: 5000px"></div>'
    pages = {
        "viewer": viewer(), "absent": viewer("absent"), "cut": viewer("cut"), "stranger": viewer("stranger"),
        "worn": viewer("worn"),
        "far": f"{far}<div id='viewers'>{viewer()}{viewer()}</div>",
        "plain": "<table><tr><td>1</td></tr></table>", "table": TABLE,
    }  # fmt: skip
    for name, body in pages.items():
        (site / f"{name}.html").write_text(make_page(name, body), encoding="utf-8")
    return site


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    with served(site) as base:
        yield base.rstrip("/")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@dataclass
class Opener:
    """Opens pages of the site and notes all that they write to the console and ask for."""

    browser: Browser
    address: str
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def __call__(self, name: str, width: int = 900, script: str = "", **context: object) -> Page:
        page = self.browser.new_context(viewport={"width": width, "height": 900}, **context).new_page()
        page.set_default_timeout(10_000)
        page.on("console", lambda message: self.messages.append(message.text))
        page.on("pageerror", lambda error: self.messages.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        if script:
            page.add_init_script(script)
        page.goto(f"{self.address}/{name}.html")
        return page


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Opener]:
    opener = Opener(browser, address)
    yield opener
    for context in browser.contexts:
        context.close()


def ready(page: Page) -> Locator:
    canvas = page.locator(".lstsr-viewer.ready canvas")
    canvas.wait_for()
    return canvas


def point_at(page: Page, row: int, column: int) -> None:
    box = page.locator(".viewer canvas").bounding_box()
    assert box is not None
    page.mouse.move(
        box["x"] + (column + 0.5) / COLUMNS * box["width"], box["y"] + (row + 0.5) / ROWS * box["height"]
    )


def values_shown(page: Page) -> dict[str, str]:
    cells = page.locator(".viewer-readout > div").evaluate_all(
        "cells => cells.map(c => [c.dataset.of, c.lastChild.textContent])"
    )
    return dict(cells)


def place_shown(page: Page) -> tuple[int, int]:
    words = (page.locator(".viewer-place").text_content() or "").replace(",", " ").replace(":", " ").split()
    return int(words[1]) - 1, int(words[3]) - 1


def in_kelvin(value: float, signed: bool = False) -> str:
    if np.isnan(value):
        return "no value"
    return f"{value:{'+' if signed else ''}.2f} K".replace("-", "−").replace("+0.00", "0.00")


def expected_values(row: int, column: int, left: str = "modis", right: str = "sif-cnn-sr1") -> dict[str, str]:
    one, other = SCENE[left][row, column], SCENE[right][row, column]
    difference = in_kelvin(round(other - one, 6), signed=True)
    return {
        "left": in_kelvin(one),
        "right": in_kelvin(other),
        "difference": difference,
        "aster": in_kelvin(SCENE["aster"][row, column]),
    }


def colours_on(page: Page) -> Callable[[int, int], np.ndarray]:
    """Colours on the map as it is now, by row and column of the whole scene."""
    page.mouse.move(1, 1)  # out of the picture's way
    page.wait_for_selector(".viewer:not([aria-busy])")
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    picture = np.asarray(
        Image.open(io.BytesIO(page.locator(".viewer canvas").screenshot())).convert("RGB")
    ).astype(int)

    def colour(row: int, column: int) -> np.ndarray:
        return picture[
            int((row + 0.5) / ROWS * picture.shape[0]), int((column + 0.5) / COLUMNS * picture.shape[1])
        ]

    return colour


def painted(value: float, low: float, high: float, colours: str = "inferno") -> np.ndarray:
    return np.array(matplotlib.colormaps[colours]((value - low) / (high - low))[:3]) * 255


def assert_shows(page: Page, product: str, columns: range, rows: range = range(9, 18)) -> None:
    colour = colours_on(page)
    for row in rows:
        for column in columns:
            expected = painted(SCENE[product][row, column], *LIMITS_K)
            assert abs(colour(row, column) - expected).max() <= 4, (product, row, column)


LEFT, RIGHT = range(2, 22), range(28, 46)  # columns well away from a divider in the middle


@pytest.mark.parametrize("scheme", ["file", "http"])
def test_values_under_the_pointer_are_the_scenes(open_page: Opener, site: Path, scheme: str) -> None:
    if scheme == "file":
        open_page.address = site.as_uri()
    page = open_page("viewer")
    ready(page)
    expect(page.locator(".static")).to_be_hidden()
    assert set(values_shown(page).values()) == {"–"}
    for row, column in [(0, 0), (ROWS - 1, COLUMNS - 1), (11, 30), (22, 6), (7, 24)]:
        point_at(page, row, column)
        assert place_shown(page) == (row, column)
        assert values_shown(page) == expected_values(row, column)
    assert "km east" in (page.locator(".viewer-place").text_content() or "")
    assert open_page.messages == []


def test_each_side_of_the_divider_shows_its_product(open_page: Opener) -> None:
    page = open_page("viewer")
    ready(page)
    assert_shows(page, "modis", LEFT)
    assert_shows(page, "sif-cnn-sr1", RIGHT)
    gap = colours_on(page)(22, 8)  # left of the divider MODIS has values
    page.get_by_role("slider").press("Home")
    colour = colours_on(page)
    hatched = [colour(row, column) for row in range(21, 25) for column in range(5, 9)]
    assert all(np.ptp(colour) == 0 and 110 < colour[0] < 160 for colour in hatched) and np.ptp(gap) > 0
    assert len({int(colour[0]) for colour in hatched}) > 1


def test_divider_moves_by_keyboard_and_by_mouse(open_page: Opener) -> None:
    page = open_page("viewer")
    ready(page)
    slider = page.get_by_role("slider", name="Divider between left and right")
    slider.press("ArrowRight")
    expect(slider).to_have_attribute("aria-valuenow", "52")
    slider.press("Shift+ArrowLeft")
    expect(slider).to_have_attribute("aria-valuenow", "42")
    slider.press("End")
    expect(slider).to_have_attribute("aria-valuetext", "100 % MODIS, 1 km, 0 % SIF-CNN-SR1")
    assert_shows(page, "modis", RIGHT)
    slider.press("Home")
    assert_shows(page, "sif-cnn-sr1", LEFT)
    slider.press("PageUp")
    stage = page.locator(".viewer-stage").bounding_box()
    assert stage is not None
    page.mouse.move(stage["x"] + 0.1 * stage["width"], stage["y"] + 0.5 * stage["height"])
    page.mouse.down()
    page.mouse.move(stage["x"] + 0.96 * stage["width"], stage["y"] + 0.3 * stage["height"], steps=4)
    page.mouse.up()
    expect(slider).to_have_attribute("aria-valuenow", "96")
    assert_shows(page, "modis", range(2, 44))
    assert open_page.messages == []


def test_divider_and_map_answer_to_touch(open_page: Opener) -> None:
    page = open_page("viewer", width=390, has_touch=True)
    canvas, slider = ready(page), page.get_by_role("slider")
    box = canvas.bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + 10.5 / COLUMNS * box["width"], box["y"] + 5.5 / ROWS * box["height"])
    assert place_shown(page) == (5, 10)
    finger = page.context.new_cdp_session(page)
    y = box["y"] + box["height"] / 2
    for kind, share in [("touchStart", 0.5), ("touchMove", 0.6), ("touchMove", 0.75), ("touchEnd", 0.75)]:
        points = [] if kind == "touchEnd" else [{"x": box["x"] + share * box["width"], "y": y}]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    expect(slider).to_have_attribute("aria-valuenow", "75")


def test_two_fingers_zoom_and_carry_along_what_is_under_them(open_page: Opener) -> None:
    page = open_page("viewer", width=390, has_touch=True)
    box = ready(page).bounding_box()
    assert box is not None
    hand = page.context.new_cdp_session(page)

    def at(row: float, column: float) -> dict[str, float]:
        return {
            "x": box["x"] + (column + 0.5) / COLUMNS * box["width"],
            "y": box["y"] + (row + 0.5) / ROWS * box["height"],
        }

    def move(kind: str, *places: tuple[float, float]) -> None:
        touches = [{**at(*place), "id": finger} for finger, place in enumerate(places)]
        hand.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    def tapped(row: int, column: int) -> tuple[int, int]:
        page.touchscreen.tap(**at(row, column))
        return place_shown(page)

    move("touchStart", (20, 8), (20, 18))
    for step in range(1, 11):  # to twice as far apart, and to the right and down
        move("touchMove", (20 + step, 8 + 0.5 * step), (20 + step, 18 + 1.5 * step))
    move("touchEnd")
    expect(page.locator(".viewer-zoom-text")).to_have_text("2.0×")
    assert [tapped(30, 13), tapped(30, 33)] == [(20, 8), (20, 18)]
    move("touchStart", (10, 10), (10, 40))
    for step in range(1, 16):
        move("touchMove", (10, 10 + step), (10, 40 - 0.9 * step))
    move("touchEnd")
    expect(page.locator(".viewer-zoom-text")).to_have_text("1×")
    assert [tapped(30, 13), tapped(30, 33)] == [(30, 13), (30, 33)]
    assert page.evaluate("scrollY") == 0
    assert open_page.messages == []


def test_zoom_holds_for_both_sides_and_resets(open_page: Opener) -> None:
    page = open_page("viewer")
    canvas = ready(page)
    canvas.focus()
    point_at(page, 10, 30)
    for _ in range(3):
        page.mouse.wheel(0, -100)
    expect(page.locator(".viewer-zoom-text")).to_have_text("1.7×")
    point_at(page, 4, 20)
    assert place_shown(page) != (4, 20)
    point_at(page, 10, 30)
    assert place_shown(page) == (10, 30)  # the place that was zoomed at stays
    zoomed = colours_on(page)
    for row, column, product in [
        (8, 4, "modis"),
        (8, 18, "modis"),
        (12, 28, "sif-cnn-sr1"),
        (30, 44, "sif-cnn-sr1"),
    ]:
        point_at(page, row, column)
        there = place_shown(page)
        assert there != (row, column)
        assert values_shown(page) == expected_values(*there)
        assert abs(zoomed(row, column) - painted(SCENE[product][there], *LIMITS_K)).max() <= 4
    # A drag carries the place along.
    point_at(page, 20, 20)
    held = place_shown(page)
    page.mouse.down()
    point_at(page, 24, 26)
    page.mouse.up()
    point_at(page, 24, 26)
    assert place_shown(page) == held
    page.get_by_role("button", name="Reset").click()
    point_at(page, 24, 26)
    assert place_shown(page) == (24, 26)
    page.get_by_role("button", name="Zoom in").click()
    expect(page.locator(".viewer-zoom-text")).to_have_text("1.5×")
    page.get_by_role("button", name="Zoom out").click()
    expect(page.locator(".viewer-zoom-text")).to_have_text("1×")


def test_wheel_scrolls_the_page_until_the_map_has_focus(open_page: Opener) -> None:
    page = open_page("viewer", width=900)
    canvas = ready(page)
    page.add_style_tag(content="body { padding-bottom: 2000px }")
    point_at(page, 10, 30)
    page.mouse.wheel(0, 120)
    page.wait_for_function("scrollY > 60")
    expect(page.locator(".viewer-zoom-text")).to_have_text("1×")
    canvas.focus()
    before = page.evaluate("scrollY")
    point_at(page, 20, 30)
    page.mouse.wheel(0, -60)
    expect(page.locator(".viewer-zoom-text")).to_have_text("1.2×")
    assert page.evaluate("scrollY") == before


def test_crosshair_moves_by_keyboard_and_is_read_out(open_page: Opener) -> None:
    page = open_page("viewer")
    canvas = ready(page)
    page.get_by_role("button", name="Reset").focus()
    page.keyboard.press("Tab")
    expect(canvas).to_be_focused()
    assert place_shown(page) == (ROWS // 2, COLUMNS // 2)
    for key in ["ArrowUp", "ArrowRight", "ArrowRight", "Shift+ArrowDown", "ArrowLeft"]:
        page.keyboard.press(key)
    there = (ROWS // 2 + 9, COLUMNS // 2 + 1)
    assert place_shown(page) == there
    assert values_shown(page) == expected_values(*there)
    live = page.locator(".viewer-live")
    expect(live).to_have_attribute("aria-live", "polite")
    right = expected_values(*there)["right"]
    expect(live).to_contain_text(f"Row {there[0] + 1}, column {there[1] + 1}. MODIS, 1 km")
    expect(live).to_contain_text(f"SIF-CNN-SR1 {right}")
    for _ in range(4):
        page.keyboard.press("+")
    for _ in range(6):
        page.keyboard.press("Shift+ArrowDown")
    assert place_shown(page)[0] == ROWS - 1  # at the edge it stays
    point_at(page, ROWS - 1, 0)
    assert place_shown(page)[0] == ROWS - 1  # and the zoomed map followed
    page.keyboard.press("0")
    expect(page.locator(".viewer-zoom-text")).to_have_text("1×")


def test_products_are_chosen_and_swapped(open_page: Opener) -> None:
    page = open_page("viewer")
    ready(page)
    choices = page.get_by_role("combobox", name="Left", exact=True).locator("option").all_text_contents()
    assert choices == list(LABELS.values())
    page.get_by_role("combobox", name="Left", exact=True).select_option("dms")
    assert_shows(page, "dms", LEFT)
    page.get_by_role("button", name="Swap left and right").click()
    assert_shows(page, "sif-cnn-sr1", LEFT)
    assert_shows(page, "dms", RIGHT)
    expect(page.locator(".viewer-tag").first).to_have_text("SIF-CNN-SR1")
    point_at(page, 12, 12)
    assert values_shown(page) == expected_values(12, 12, left="sif-cnn-sr1", right="dms")


def test_difference_is_right_minus_left_on_a_symmetric_scale(open_page: Opener) -> None:
    page = open_page("viewer")
    ready(page)
    page.get_by_role("checkbox", name="Difference, right − left").check()
    expect(page.get_by_role("slider")).to_be_hidden()
    scale = page.locator(".viewer-bar").get_attribute("aria-label") or ""
    words = scale.replace("−", "-").split()
    low, high = float(words[words.index("from") + 1]), float(words[words.index("to") + 1])
    difference = SCENE["sif-cnn-sr1"] - SCENE["modis"]
    sizes = abs(difference[np.isfinite(difference)])
    assert (
        low == -high and (sizes <= high).mean() >= 0.98 > (sizes <= high - 0.5).mean()
    )  # to the next half kelvin
    colour = colours_on(page)
    for row in range(9, 18):
        for column in range(2, 46):
            expected = painted(difference[row, column], low, high, "RdBu_r")
            assert abs(colour(row, column) - expected).max() <= 8, (row, column)  # 33 stops for 256 colours
    page.get_by_role("checkbox", name="Difference, right − left").uncheck()
    assert_shows(page, "modis", LEFT)


@pytest.mark.parametrize(
    ("name", "script", "words"),
    [
        ("absent", "", "could not be loaded"),
        ("cut", "", "is damaged"),
        ("stranger", "", "holds no scene stranger"),
        ("viewer", "delete window.DecompressionStream", "lacks DecompressionStream"),
    ],
)
def test_static_figure_stays_where_the_viewer_cannot_work(
    open_page: Opener, name: str, script: str, words: str
) -> None:
    page = open_page(name, script=script)
    expect(page.get_by_role("status")).to_contain_text(words)
    expect(page.get_by_role("status")).to_contain_text("The static figure stays.")
    expect(page.locator(".static")).to_be_visible()
    expect(page.locator("canvas")).to_have_count(0)


def test_a_damaged_product_leaves_the_others_on_screen(open_page: Opener) -> None:
    page = open_page("worn")
    ready(page)
    left = page.get_by_role("combobox", name="Left", exact=True)
    left.select_option("dms")
    expect(page.locator(".viewer-place")).to_contain_text("is damaged")
    expect(left).to_have_value("modis")
    assert_shows(page, "modis", LEFT)
    point_at(page, 12, 12)
    assert values_shown(page) == expected_values(12, 12)
    assert open_page.messages == []


def test_without_javascript_and_in_print_all_is_there(open_page: Opener) -> None:
    page = open_page("viewer", java_script_enabled=False)
    expect(page.locator(".static")).to_be_visible()
    page = open_page("table", java_script_enabled=False)
    expect(page.get_by_role("row")).to_have_count(8)
    page = open_page("viewer")
    ready(page)
    page.emulate_media(media="print")
    expect(page.locator(".viewer")).to_be_hidden()
    expect(page.locator(".static")).to_be_visible()


def test_data_are_loaded_once_and_only_near_the_screen(open_page: Opener) -> None:
    page = open_page("far")
    page.wait_for_load_state("networkidle")
    assert not any("atlas/" in url for url in open_page.requests)
    page.locator("#viewers").scroll_into_view_if_needed()
    expect(page.locator(".lstsr-viewer.ready")).to_have_count(2)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(100)
    page.locator("#viewers").scroll_into_view_if_needed()
    page.wait_for_timeout(100)
    expect(page.locator(".viewer")).to_have_count(2)
    assert page.locator("script[src*='atlas/7.js']").count() == 1
    assert sum("atlas/7.js" in url for url in open_page.requests) == 1
    assert open_page.messages == []


def test_drawing_follows_the_pixel_ratio_and_the_window(open_page: Opener) -> None:
    page = open_page("viewer", device_scale_factor=2)
    canvas = ready(page)
    for width in (900, 500):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(
            "c = document.querySelector('canvas'), Math.abs(c.width - 2 * c.clientWidth) <= 1"
        )
    box = canvas.bounding_box()
    assert box is not None and box["width"] / box["height"] == pytest.approx(COLUMNS / ROWS, rel=0.01)
    assert_shows(page, "modis", LEFT)


@pytest.mark.parametrize("name", ["viewer", "table", "plain"])
def test_phone_has_no_sideways_scroll_and_console_stays_silent(open_page: Opener, name: str) -> None:
    page = open_page(name, width=390)
    page.wait_for_load_state("networkidle")
    if name == "viewer":
        ready(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert open_page.messages == []


def column(page: Page, index: int) -> list[str]:
    rows = page.locator(".table-box").first.locator("tbody tr:visible")
    return [row.locator("th, td").nth(index).text_content() or "" for row in rows.all()]


def test_table_sorts_by_mouse_and_keyboard(open_page: Opener) -> None:
    page = open_page("table")
    rmse = page.get_by_role("button", name="RMSE K")
    head = page.get_by_role("columnheader", name="RMSE K")
    assert head.get_attribute("aria-sort") is None
    rmse.click()
    assert column(page, 0) == ["9", "10", "1", "101", "12"]  # by value, not by text; missing last
    expect(head).to_have_attribute("aria-sort", "ascending")
    rmse.press("Enter")
    assert column(page, 0) == ["1", "10", "9", "101", "12"]  # missing stay last
    expect(head).to_have_attribute("aria-sort", "descending")
    page.get_by_role("button", name="scene").press("Space")
    assert column(page, 0) == ["1", "9", "10", "12", "101"]
    assert head.get_attribute("aria-sort") is None
    page.get_by_role("button", name="name").click()
    assert column(page, 0) == ["10", "101", "9", "12", "1"]  # equal names keep their order
    expect(page.get_by_text("Sorted by name, ascending.")).to_have_attribute("role", "status")
    assert page.locator("tbody tr").first.locator("th").get_attribute("scope") == "row"
    assert open_page.messages == []


def test_table_filters_and_counts(open_page: Opener) -> None:
    page = open_page("table")
    box = page.get_by_label("Find a scene")
    expect(page.get_by_role("searchbox")).to_have_count(1)  # the other table asks for none
    count = page.locator(".table-filter output")
    expect(count).to_have_text("5 of 5 rows")
    box.fill("10")
    assert column(page, 0) == ["101", "10"]  # not −10.5
    box.fill("10 BETA")
    expect(count).to_have_text("2 of 5 rows")
    box.fill("ulu")
    page.get_by_role("button", name="scene").click()
    assert column(page, 0) == ["9", "12"]
    box.fill("")
    expect(count).to_have_text("5 of 5 rows")
