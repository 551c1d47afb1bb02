"""``lstsr patches``: what it prints, writes and exits with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from lstsr_core.networks.data import from_patches
from lstsr_core.patches.cutting import PatchSettings
from lstsr_core.patches.plan import plan
from worlds.granule_days import DAYS, REST, tile_lst, write_day

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def granules(tmp_path: Path) -> Path:
    directory = tmp_path / "granules"
    for day in DAYS[:2]:
        write_day(directory, day=day)
        write_day(directory, tile_lst() - 20.0, day=day, product="MOD21A1N")
    return directory


def test_day_and_night_are_patches_to_train_on(lstsr: Command, granules: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, printed, errors = lstsr("patches", "--granules", granules, "--out", out)
    assert (code, printed, errors) == (0, f"{out}: 4 patches of 2 LST granules, 2 of them to train on\n", "")
    code, printed, errors = lstsr("patches", "--granules", granules, "--out", out, "--layer", "night")
    assert (code, errors) == (0, "") and printed.startswith(f"{out / 'night'}: 4 patches")
    day, night = from_patches(out), from_patches(out / "night")
    assert (len(day), len(night)) == (4, 4)
    assert float((day.lst_k - night.lst_k).mean()) == pytest.approx(20.0, abs=0.01)


def test_a_corrupt_granule_is_told_and_exits_with_1(lstsr: Command, granules: Path, tmp_path: Path) -> None:
    broken = granules / f"MOD09GQ.A{DAYS[0]}.{REST}"
    broken.write_bytes(broken.read_bytes()[:-500])
    arguments = ["patches", "--granules", granules, "--out", tmp_path / "out", "--split", "random"]
    code, printed, errors = lstsr(*arguments)
    assert (code, errors.count("\n")) == (1, 1)
    assert errors.startswith(f"lstsr: left out: {broken.name}: truncated")
    assert printed.endswith("2 patches of 2 LST granules, 1 of them to train on\n")
    assert pd.read_csv(tmp_path / "out" / "granules.csv")["kept"].fillna(-1).tolist() == [-1, 2]


def test_a_dry_run_says_what_there_is_to_do_and_does_nothing(
    lstsr: Command, granules: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    (granules / f"MOD09GQ.A{DAYS[1]}.{REST}").rename(tmp_path / "held back.hdf")
    code, printed, errors = lstsr("patches", "--granules", granules, "--out", out, "--dry-run")
    assert (code, errors, out.exists()) == (0, "", False)
    assert printed.startswith(
        "1 pairs of granules (1 LST granules have no MOD09GQ or MYD09GQ), 0 of them cut already; 0.00 GB to"
        " read"
    )
    expected = plan(granules, out, PatchSettings())
    assert expected.bytes_to_read == sum(
        (granules / f"{product}.A{DAYS[0]}.{REST}").stat().st_size for product in ("MOD21A1D", "MOD09GQ")
    )
    lstsr("patches", "--granules", granules, "--out", out, "--split", "random")
    written = sum(
        path.stat().st_size for folder in ("patches", "records") for path in (out / folder).iterdir()
    )
    assert expected.bytes_to_write == pytest.approx(written, rel=0.02)
    assert 0.0 < expected.seconds < 60.0 and 2**26 < expected.memory_bytes < 2**36
    assert plan(granules, out, PatchSettings()).unchanged == 1
    code, printed, _ = lstsr("patches", "--granules", granules, "--out", out, "--dry-run")
    assert "1 of them cut already; 0.00 GB to read, about 0.00 GB to write, 0.0 minutes" in printed


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--share", "1"], "--share is 1.0; expected a number above 0 and below 1"),
        (["--share", "nan"], "--share is nan"),
        (["--seed", "-1"], "--seed is -1; expected 0 or more"),
        (["--coverage", "2"], "coverage is 2.0; expected a share"),
        (["--dilation", "999"], "dilation is 999; expected 0 to 256"),
        (["--water", "nowhere"], "nowhere: no such file or directory"),
        (["--product", "MOD11A1"], "holds no MOD11A1 or MYD11A1 granule; it has MOD09GQ, MOD21A1D, MOD21A1N"),
        (["--granules", "nowhere"], "nowhere: no such directory"),
    ],
)
def test_bad_input_is_one_line(
    lstsr: Command, granules: Path, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    code, printed, errors = lstsr("patches", "--granules", granules, "--out", tmp_path / "out", *arguments)
    assert (code, printed, errors.count("\n")) == (1, "", 1)
    assert expected in errors
    assert not (tmp_path / "out").exists()


def test_other_shares_and_seeds_split_otherwise(lstsr: Command, granules: Path, tmp_path: Path) -> None:
    arguments = ["patches", "--granules", granules, "--out", tmp_path, "--split", "random"]
    lstsr(*arguments, "--share", "0.75")
    assert (pd.read_csv(tmp_path / "patches.csv")["split"] == "train").sum() == 3
    first = json.loads((tmp_path / "statistics.json").read_text())
    lstsr(*arguments, "--share", "0.75", "--seed", "7")
    assert json.loads((tmp_path / "statistics.json").read_text()) != first
