"""02_patches' stages: patches of granules and of pairs, and what was kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from lstsr_core.base.errors import InputError
from lstsr_core.geo.grid import COARSE_PIXEL_M, Tile
from lstsr_core.patches.patch import read_table
from lstsr_core.stages import patches as patch_stages
from lstsr_core.stages.parameters import Patches
from worlds.granule_days import DAYS, REST, tile_lst, write_day

TILE = Tile(18, 4)
NETWORKS = ["sc-unet", "sif-cnn-sr1", "sif-cnn-sr2"]


def test_patches_are_cut_once_and_shown_in_every_run(tmp_path: Path) -> None:
    for index, day in enumerate(DAYS):
        write_day(tmp_path / "01_download" / "granules", tile_lst() + index, day=day)
    write_day(tmp_path / "01_download" / "granules", tile_lst() - 20.0, day=DAYS[0], product="MOD21A1N")
    write_day(tmp_path / "01_download" / "granules", tile_lst() - 22.0, day=DAYS[1], product="MOD21A1N")
    broken = tmp_path / "01_download" / "granules" / f"MOD21A1D.A{DAYS[2]}.{REST}"
    broken.write_bytes(broken.read_bytes()[:2000])
    settings = Patches.check({"run_directory": str(tmp_path), "night": True})
    table = patch_stages.cut_patches(settings)
    files = {path: path.stat().st_mtime_ns for path in settings.directory.glob("patches/*")}
    assert len(table) == 4 and len(files) == 8
    shutil.rmtree(settings.directory)  # as every run begins
    pd.testing.assert_frame_equal(patch_stages.cut_patches(settings), table)
    assert {path: path.stat().st_mtime_ns for path in settings.directory.glob("patches/*")} == files
    assert len(read_table(settings.directory / "night")) == 4

    shares = patch_stages.share_kept(settings)
    assert shares[["layer", "month", "granules", "windows", "kept", "share_kept"]].values.tolist() == [
        ["day", "2018-04", 1, 2, 2, 1.0], ["day", "2018-05", 1, 2, 2, 1.0],
        ["night", "2018-04", 1, 2, 2, 1.0], ["night", "2018-05", 1, 2, 2, 1.0],
    ]  # fmt: skip
    (lost,) = patch_stages.granules_not_cut(settings).to_dict("records")
    assert (lost["layer"], lost["date"], lost["lst"]) == ("day", "2018-06-10", broken.name)
    assert lost["status"].startswith(f"{broken.name}: truncated")
    places = patch_stages.patch_places(settings)
    assert places["patches"].tolist() == [2, 2]
    corner_m = TILE.left_m + 64 * COARSE_PIXEL_M, TILE.top_m - 64 * COARSE_PIXEL_M
    assert places.loc[0, ["left_m", "top_m"]].tolist() == pytest.approx(corner_m, abs=0.01)
    assert patch_stages.show_share_kept(settings) is not None


def test_pairs_take_the_place_of_patches(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run / "01_download", tmp_path / "01_download")
    settings = Patches.check({"run_directory": str(tmp_path), "source": "pairs"})
    table = patch_stages.cut_patches(settings)
    assert len(table) == 2 and table["date"].eq("").all()
    assert patch_stages.share_kept(settings).empty and patch_stages.granules_not_cut(settings).empty
    assert patch_stages.show_share_kept(settings) is None
    assert patch_stages.patch_places(settings)["patches"].tolist() == [1, 1]
    assert patch_stages.regress_patches(settings)["patch"].tolist() == ["pair_9", "pair_10"]
    with pytest.raises(InputError, match="parameter 'split' is 'groups', but pairs carry no month"):
        patch_stages.cut_patches(
            Patches.check({"run_directory": str(tmp_path), "source": "pairs", "split": "groups"})
        )
