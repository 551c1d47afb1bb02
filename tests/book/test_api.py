"""The API reference: every module is in it once, with what its source says."""

from __future__ import annotations

import html
import inspect
import re
import shutil
from pathlib import Path

import pytest

import lstsr_core
from lstsr_book import api
from lstsr_core.base.errors import InputError
from lstsr_core.base.project import PROJECT
from lstsr_core.geo import raster
from lstsr_core.networks.settings import TrainingSettings

SOURCE = PROJECT / "book" / "api"


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("book") / "api"
    shutil.copytree(SOURCE, folder)
    api.fill_pages(folder)
    return {path.stem: path.read_text() for path in folder.glob("*.md")}


def plain(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", text))


def test_every_public_module_is_in_the_reference_once(pages: dict[str, str]) -> None:
    package = PROJECT / "lstsr_core"
    files = [
        path.relative_to(package).with_suffix("")
        for path in package.rglob("*.py")
        if not path.name.startswith("_")
    ]
    headed = re.findall(r'<div class="api" id="lstsr_core\.([\w.]+)"', "".join(pages.values()))
    assert sorted(headed) == sorted(".".join(path.parts) for path in files), (
        "name each wing in one page of book/api"
    )


def test_every_page_of_the_reference_is_in_the_table_of_contents() -> None:
    contents = (PROJECT / "book" / "_toc.yml").read_text()
    assert all(f"file: api/{path.stem}\n" in contents for path in SOURCE.glob("*.md"))


def test_every_public_function_and_class_of_a_module_is_there_with_its_first_sentence(
    pages: dict[str, str],
) -> None:
    members = [
        (name, member)
        for name, member in vars(raster).items()
        if not name.startswith("_")
        and (inspect.isclass(member) or inspect.isfunction(member))
        and member.__module__ == raster.__name__
    ]
    assert len(members) >= 5
    for name, member in members:
        entry = pages["geo"].partition(f'<dt id="lstsr_core.geo.raster.{name}">')[2].partition("</dd>")[0]
        assert str(inspect.getdoc(member)).splitlines()[0].replace("`", "") in plain(entry)


def test_the_five_names_of_the_top_head_the_reference(pages: dict[str, str]) -> None:
    table = pages["index"].partition('<table class="api-modules">')[2].partition("</table>")[0]
    names = re.findall(r'<a href="([^"]+)">lstsr_core\.(\w+)</a>', table)
    assert [name for _, name in names] == lstsr_core.__all__
    for link, name in names:
        function = getattr(lstsr_core, name)
        assert link.partition("#")[2] == f"{function.__module__}.{name}"
        assert " ".join(
            str(inspect.getdoc(function)).partition("\n\n")[0].replace("`", "").split()
        ) in " ".join(plain(table).split())


def test_each_page_says_what_its_wing_is_for(pages: dict[str, str]) -> None:
    assert "\n\nNASA's granules: their names and products" in pages["modis"]


def test_what_is_private_or_imported_is_left_out(pages: dict[str, str]) -> None:
    ids = re.findall(r'<dt id="lstsr_core\.([\w.]+)"', "".join(pages.values()))
    assert len(ids) == len(set(ids)) > 500
    assert not [name for name in ids if any(part.startswith("_") for part in name.split("."))]
    assert "geo.raster.np" not in ids and "maps.predict.Raster" not in ids and "geo.raster.Raster" in ids


def test_signatures_are_those_of_the_source(pages: dict[str, str]) -> None:
    reference = plain(pages["geo"])
    assert "read_raster(path: Path, scale: float = 1.0, fill: float | None = None) → Raster" in reference
    assert "property pixel_width_m: float" in reference
    assert "class Raster(values: FloatArray, transform: Affine, crs: CRS)" in reference
    for name, field in TrainingSettings.model_fields.items():
        assert field.description is not None
        entry = pages["networks"].partition(
            f'<dt id="lstsr_core.networks.settings.TrainingSettings.{name}">'
        )[2]
        assert field.description.split(" (")[0] in plain(entry.partition("</dd>")[0])


def test_names_lead_to_their_entries(pages: dict[str, str]) -> None:
    ids = {page: set(re.findall(r'id="([^"]+)"', text)) for page, text in pages.items()}
    links = [
        (page, *match)
        for page, text in pages.items()
        for match in re.findall(r'href="(?:(\w+)\.html)?#([^"]+)"', text)
    ]
    assert len(links) > 1000
    assert [link for link in links if link[2] not in ids[link[1] or link[0]]] == []
    # A method that speaks of the function of the same name means that one.
    entry = (
        pages["geo"].partition('<dt id="lstsr_core.geo.raster.Raster.warp_onto">')[2].partition("</dl>")[0]
    )
    assert '<a href="geo.html#lstsr_core.geo.raster.warp_onto"><code>warp_onto</code></a> does' in entry


def test_parameters_that_share_a_line_keep_their_own_types(pages: dict[str, str]) -> None:
    entry = (
        pages["networks"]
        .partition('<dt id="lstsr_core.networks.tiling.predict_blended">')[2]
        .partition('<dt id="lstsr_core')[0]
    )
    assert "network : SharpeningUNet" in plain(entry) and "inputs : Inputs" in plain(entry)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{{ reference nowhere }}", "'nowhere' is no part"),
        ("{{ reference geo }}\n\n{{ reference geo }}", "'geo' was named before"),
    ],
)
def test_a_page_that_names_a_wrong_wing_is_refused(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "page.md").write_text(f"# Page\n\n{content}\n")
    with pytest.raises(InputError, match=f"page.md: {message}"):
        api.fill_pages(tmp_path)
