"""The shifts of pairs, their constant in folds, and the protocol that moves ASTER by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from affine import Affine

from lstsr_core.base.errors import InputError
from lstsr_core.base.project import BETTER_MAP, REGISTRATION
from lstsr_core.evaluation import protocols, registration, registration_report
from lstsr_core.evaluation.protocols import Georeferenced, Registered, product_protocols, register
from lstsr_core.evaluation.registration import IMAGES
from lstsr_core.evaluation.registration_report import SHIFT_COLUMNS, shifts_of_pair, summary_of, write
from lstsr_core.evaluation.table import evaluate
from lstsr_core.geo.raster import Raster
from lstsr_core.geo.registration import Shift
from lstsr_core.pairs.pair import Pair, fine_grid, read_modis, read_pair, write_pair
from lstsr_core.pairs.scenes import ids_of_test_scenes, published_scenes
from lstsr_core.pairs.swath import database_shift
from lstsr_core.sharpening.methods import Options


def test_a_fold_s_constant_is_the_mean_of_the_others() -> None:
    generator = np.random.default_rng(9)
    groups = np.repeat(np.arange(6), 3)
    shifts = pd.DataFrame(
        {
            "scene": [str(number) for number in range(18)],
            "group": groups,
            "image": registration.IMAGE,
            "rows": generator.normal(0.8, 0.1, 18),
            "columns": generator.normal(0.9, 0.3, 18),
        }
    )
    others = shifts.assign(image="ndvi", rows=7.0, columns=-7.0)  # must not count
    folds = registration.constants_of_folds(pd.concat([shifts, others]))
    assert folds["scenes"].sum() == 18
    whole = registration.fit_constant(shifts)
    for axis, value in (("rows", whole.rows), ("columns", whole.columns)):
        assert value == pytest.approx(shifts[axis].mean())
        parts = folds["scenes"] * folds[f"{axis}_left_out"] + (18 - folds["scenes"]) * folds[axis]
        assert parts.to_numpy() == pytest.approx(18 * value)
    summary = summary_of(
        pd.concat([shifts, others]).assign(correlation=0.8, correlation_in_place=0.7), pixel_m=231.65
    )
    assert (summary["scenes"], summary["groups"]) == (18, 6)
    assert summary["rows_m"] == pytest.approx(231.65 * whole.rows, abs=0.05)
    assert summary["largest_difference_of_folds"]["columns"] == pytest.approx(
        (folds["columns"] - whole.columns).abs().max(), abs=1e-4
    )


@pytest.fixture
def shifted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Pair, float, float], Pair]:
    """Moves the place of a pair's ASTER by rows and columns, and makes the pair one of the database."""

    def shift(pair: Pair, rows: float, columns: float) -> Pair:
        monkeypatch.setattr("lstsr_core.pairs.scenes.are_published", lambda digests: digests == [pair.digest])
        monkeypatch.setattr(protocols, "database_shift", lambda: Shift(rows, columns))
        transform = pair.aster.transform @ Affine.translation(columns, rows)
        return replace(pair, aster=replace(pair.aster, transform=transform))

    return shift


def test_registered_is_georeferenced_with_aster_in_its_true_place(
    synthetic_pair: Pair, synthetic_truth: Raster, shifted: Callable[[Pair, float, float], Pair]
) -> None:
    product = synthetic_truth.warp_onto(fine_grid(Georeferenced(synthetic_pair).pair))
    away = shifted(synthetic_pair, 0.79, 0.90)
    outcomes = [
        placement.compare({"truth": product})["truth"]
        for placement in (Georeferenced(synthetic_pair), Registered(away), Georeferenced(away))
    ]
    true, registered, plain = (outcome for outcome in outcomes if not isinstance(outcome, str))
    assert registered.product.values == pytest.approx(true.product.values, abs=1e-6)
    assert (registered.aster.values == true.aster.values).all()
    error_k = [
        float(np.sqrt(np.mean((comparison.product.values - comparison.aster.values) ** 2)))
        for comparison in (registered, plain)
    ]
    assert error_k[0] < 0.5 * error_k[1]


def test_no_pixel_of_aster_changes_and_its_corner_moves_by_the_constant(synthetic_pair: Pair) -> None:
    constant = database_shift()
    aster, before = register(synthetic_pair).aster, synthetic_pair.aster
    assert aster.values is before.values
    assert (before.left_m - aster.left_m) / before.pixel_width_m == pytest.approx(constant.columns)
    assert (aster.top_m - before.top_m) / before.pixel_width_m == pytest.approx(constant.rows)


def test_a_pair_that_is_not_of_the_database_stays(synthetic_pair: Pair) -> None:
    assert Registered(synthetic_pair).pair.aster.transform == synthetic_pair.aster.transform


def test_registered_judges_the_products_of_georeferenced() -> None:
    assert product_protocols(["registered", "published", "georeferenced"]) == ["georeferenced", "published"]
    assert (Registered.name, Registered.products_of, Registered.published) == (
        "registered",
        "georeferenced",
        False,
    )


def test_a_missing_or_damaged_constant_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "registration.json"
    for content in (None, "", "[]", "{}", '{"rows": "far", "columns": 1}'):
        if content is not None:
            path.write_text(content, encoding="utf-8")
        with pytest.raises(InputError, match=r"registration\.json: .*lstsr register"):
            database_shift(path)


def test_the_kept_constant_is_that_of_the_kept_shifts() -> None:
    shifts = pd.read_csv(BETTER_MAP / "registration.csv", dtype={"scene": str})
    assert list(shifts.columns) == SHIFT_COLUMNS
    kept = json.loads(REGISTRATION.read_text(encoding="utf-8"))
    anew = summary_of(shifts, pixel_m=kept["rows_m"] / kept["rows"])
    for name in ("rows", "columns", "scenes", "groups", "largest_difference_of_folds"):
        assert kept[name] == pytest.approx(anew[name], abs=2e-4), name
    for axis, interval in kept["interval_over_groups"].items():
        assert interval == pytest.approx(anew["interval_over_groups"][axis], abs=2e-4)
        assert interval["low"] < kept[axis] < interval["high"]
    scenes = published_scenes()
    assert set(shifts["scene"]) == set(scenes.loc[scenes["part"] == "development", "scene"])
    assert not set(shifts["scene"]) & set(ids_of_test_scenes())
    # Everywhere, and for every image, ASTER lies to the south.
    assert (shifts["rows"] > 0.4).mean() > 0.95


def test_the_kept_shifts_are_those_of_the_pairs(published_pairs: Path) -> None:
    kept = pd.read_csv(BETTER_MAP / "registration.csv", dtype={"scene": str}).set_index(["scene", "image"])
    for scene in ("0", "57"):
        for row in shifts_of_pair(read_pair(published_pairs, scene)):
            held = kept.loc[(scene, str(row["image"])), ["rows", "columns"]].tolist()
            assert [row["rows"], row["columns"]] == pytest.approx(held, abs=1e-3)


def test_registered_lowers_the_error_of_a_published_pair(published_pairs: Path) -> None:
    table = evaluate(published_pairs, ["0"], ["sc-unet"], ["georeferenced", "registered"], Options()).table()
    by_protocol = table.set_index("protocol")["rmse_unbiased_k"].astype(float)
    assert by_protocol["registered"] < by_protocol["georeferenced"] - 0.2


def test_pairs_of_your_own_are_registered_into_tables_and_test_scenes_are_left_unread(
    synthetic_pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [str(number) for number in range(7)]
    for name in names:
        lst = synthetic_pair.lst.with_values(synthetic_pair.lst.values + 0.01 * int(name))
        write_pair(replace(synthetic_pair, id=name, lst=lst), tmp_path / "pairs")
    (tmp_path / "pairs" / "6_aster_250m.tif").write_bytes(b"unread")
    digest = read_modis(tmp_path / "pairs", "6").digest
    monkeypatch.setattr("lstsr_core.pairs.scenes.is_test_scene", lambda pair: pair.digest == digest)
    # Copies of one scene overlap; five folds need as many groups.
    monkeypatch.setattr(registration_report, "overlapping_groups", lambda lsts: np.arange(len(lsts)))
    shift = write(tmp_path / "pairs", tmp_path / "out")
    assert (shift.rows, shift.columns) == pytest.approx((0.0, 0.0), abs=0.1)
    shifts = pd.read_csv(tmp_path / "out" / "registration.csv", dtype={"scene": str})
    assert (set(shifts["scene"]), set(shifts["image"])) == (set(names[:6]), set(IMAGES))
