"""Shifts against images moved by known amounts and scikit-image; the constant in folds; its protocol."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from skimage.registration import phase_cross_correlation

from lstsr_core.base.errors import InputError, NoResult
from lstsr_core.base.project import BETTER_MAP, REGISTRATION
from lstsr_core.evaluation import protocols, registration, registration_report
from lstsr_core.evaluation.products import Products
from lstsr_core.evaluation.protocols import Georeferenced, Registered, product_protocols, register
from lstsr_core.evaluation.registration import BAND_PASSES, BandPass, shift_between
from lstsr_core.evaluation.registration_report import SHIFT_COLUMNS, shifts_of_pair, summary_of, write
from lstsr_core.evaluation.table import evaluate
from lstsr_core.geo.raster import Raster
from lstsr_core.pairs.pair import Pair, fine_grid, read_modis, read_pair, write_pair
from lstsr_core.pairs.scenes import ids_of_test_scenes, published_scenes
from lstsr_core.sharpening.methods import Options

PLAIN = BandPass(outer_px=6.0)


def landscape(seed: int = 3, shape: tuple[int, int] = (180, 150)) -> np.ndarray:
    """Smooth enough to be moved by a fraction of a pixel without loss."""
    return ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), 1.5, mode="wrap")


def moved(image: np.ndarray, rows: float, columns: float) -> np.ndarray:
    """The image with its features that much further down and to the right, by the shift theorem."""
    return np.fft.ifft2(ndimage.fourier_shift(np.fft.fft2(image), (rows, columns))).real


@given(st.floats(-4.4, 4.4), st.floats(-4.4, 4.4))
def test_a_shift_is_found_to_half_a_hundredth_of_itself(rows: float, columns: float) -> None:
    image = landscape()
    found = shift_between(moved(image, rows, columns), image, PLAIN)
    # The window, which stays in its place, draws a shift towards zero, the more the larger it is.
    off_px = 0.002 + 0.005 * max(abs(rows), abs(columns))
    assert (found.rows, found.columns) == pytest.approx((rows, columns), abs=off_px)
    assert found.correlation > 0.9 and found.correlation > found.correlation_in_place - 1e-9


@pytest.mark.parametrize("seed", range(4))
def test_shifts_are_those_of_scikit_image(seed: int) -> None:
    generator = np.random.default_rng(seed)
    image = landscape(seed)
    other = moved(image, *generator.uniform(-3.0, 3.0, 2)) + 0.1 * generator.standard_normal(image.shape)
    found = shift_between(other, image, PLAIN)
    windowed = [registration._windowed(PLAIN(array)) for array in (other, image)]
    upsampling = 200
    reference, _, _ = phase_cross_correlation(*windowed, upsample_factor=upsampling, normalization=None)
    # scikit-image tells by how much its second image must be moved.
    assert (found.rows, found.columns) == pytest.approx(tuple(reference), abs=1.0 / upsampling)


def test_the_correlations_are_pearsons_of_the_windowed_details() -> None:
    image = landscape()
    other = moved(image, 2.0, -1.0)
    found = shift_between(other, image, PLAIN)
    details, others = (registration._windowed(PLAIN(array)) for array in (other, image))

    def correlation(first: np.ndarray, second: np.ndarray) -> float:
        return float((first * second).sum() / np.sqrt((first**2).sum() * (second**2).sum()))

    assert found.correlation_in_place == pytest.approx(correlation(details, others), abs=1e-9)
    rolled = np.roll(others, (2, -1), axis=(0, 1))
    assert found.correlation == pytest.approx(correlation(details, rolled), abs=1e-3)


def test_an_image_that_is_low_where_the_other_is_high_has_a_shift_by_its_sign() -> None:
    image = landscape()
    found = shift_between(-moved(image, 0.8, 0.9), image, replace(PLAIN, sign=-1))
    assert (found.rows, found.columns) == pytest.approx((0.8, 0.9), abs=0.01)
    assert found.correlation > 0.9


@pytest.mark.parametrize("name", BAND_PASSES)
def test_noise_and_blur_of_one_side_leave_the_shift(name: str) -> None:
    band, image = BAND_PASSES[name], landscape(5, (200, 200)) + 0.5 * landscape(6, (200, 200))
    coarse = band.sign * ndimage.gaussian_filter(moved(image, 0.79, 0.9), 2.0, mode="wrap")
    noise = 0.02 * np.random.default_rng(1).standard_normal(image.shape)
    found = shift_between(coarse + noise, image, band)
    assert (found.rows, found.columns) == pytest.approx((0.79, 0.9), abs=0.1)


def test_what_has_no_shift_is_refused() -> None:
    image = landscape()
    with pytest.raises(NoResult, match="without details"):
        shift_between(np.full_like(image, 300.0), image, PLAIN)
    with pytest.raises(NoResult, match="no shift within 5 pixels"):
        shift_between(moved(image, 6.0, 0.0), image, PLAIN)


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
    for axis, value in zip(("rows", "columns"), whole, strict=True):
        assert value == pytest.approx(shifts[axis].mean())
        parts = folds["scenes"] * folds[f"{axis}_left_out"] + (18 - folds["scenes"]) * folds[axis]
        assert parts.to_numpy() == pytest.approx(18 * value)
    summary = summary_of(
        pd.concat([shifts, others]).assign(correlation=0.8, correlation_in_place=0.7), pixel_m=231.65
    )
    assert (summary["scenes"], summary["groups"]) == (18, 6)
    assert summary["rows_m"] == pytest.approx(231.65 * whole[0], abs=0.05)
    assert summary["largest_difference_of_folds"]["columns"] == pytest.approx(
        (folds["columns"] - whole[1]).abs().max(), abs=1e-4
    )


@pytest.fixture
def shifted(monkeypatch: pytest.MonkeyPatch) -> Callable[[Pair, float, float], Pair]:
    """Moves the place of a pair's ASTER by rows and columns, and makes the pair one of the database."""

    def shift(pair: Pair, rows: float, columns: float) -> Pair:
        monkeypatch.setattr(protocols, "are_published", lambda digests: digests == [pair.digest])
        monkeypatch.setattr(protocols, "constant", lambda: (rows, columns))
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
    rows, columns = registration.constant()
    aster, before = register(synthetic_pair).aster, synthetic_pair.aster
    assert aster.values is before.values
    assert (before.left_m - aster.left_m) / before.pixel_width_m == pytest.approx(columns)
    assert (aster.top_m - before.top_m) / before.pixel_width_m == pytest.approx(rows)


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
            registration.constant(path)


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
    assert (shifts["rows"] > 0.4).all()


def test_the_kept_shifts_are_those_of_the_pairs(published_pairs: Path) -> None:
    kept = pd.read_csv(BETTER_MAP / "registration.csv", dtype={"scene": str}).set_index(["scene", "image"])
    for scene in ("0", "57"):
        for row in shifts_of_pair(read_pair(published_pairs, scene), Products(Options())):
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
    assert write(tmp_path / "pairs", tmp_path / "out") == pytest.approx((0.0, 0.0), abs=0.1)
    shifts = pd.read_csv(tmp_path / "out" / "registration.csv", dtype={"scene": str})
    assert (set(shifts["scene"]), set(shifts["image"])) == (set(names[:6]), set(BAND_PASSES))
