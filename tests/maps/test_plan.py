"""What a map would take, told before it is made."""

from __future__ import annotations

from pathlib import Path

import pytest

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import Tile
from lstsr_core.maps.plan import plan_granule
from lstsr_core.maps.predict import predict_granule
from lstsr_core.maps.request import Request
from lstsr_core.modis.names import GranuleName
from worlds.granules import DAY, SIZE, Granules, fields, write_granules


@pytest.fixture(scope="module")
def granules(tmp_path_factory: pytest.TempPathFactory) -> Granules:
    return write_granules(tmp_path_factory.mktemp("granules"), *fields())


def test_a_plan_tells_what_there_is_to_do(
    granules: Granules, half_pixel_weights: Path, tmp_path: Path
) -> None:
    plan = plan_granule(granules.lst, granules.reflectance, Request("sif-cnn-sr1", half_pixel_weights))
    assert (plan.rows, plan.columns) == (4 * SIZE, 4 * SIZE)
    assert plan.granules == {path.name: path.stat().st_size for path in (granules.lst, granules.reflectance)}
    assert 0.0 < plan.minutes < 0.1 and 5e8 < plan.memory_bytes < 2e9
    predict_granule(
        granules.lst,
        granules.reflectance,
        tmp_path / "map.tif",
        Request("sif-cnn-sr1", half_pixel_weights),
    )
    assert plan.bytes / 3 < (tmp_path / "map.tif").stat().st_size < 3 * plan.bytes
    with pytest.raises(InputError, match="holds no weights"):
        plan_granule(granules.lst, granules.reflectance, Request("sif-cnn-sr1", tmp_path))
    with pytest.raises(InputError, match="cannot be read"):
        plan_granule(
            granules.lst,
            granules.reflectance.with_name(str(GranuleName("MOD09GQ", DAY, Tile(18, 4), "006"))),
            Request("dms"),
        )
