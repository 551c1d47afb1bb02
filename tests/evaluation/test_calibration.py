"""Fitting gains, level and uncertainty: what was put into simulated scenes comes out again."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, stats

from lstsr_core.evaluation import calibration
from lstsr_core.evaluation.calibration import Errors, Judge, fit_gains, fit_level, fit_uncertainty, sample
from lstsr_core.evaluation.protocols import Georeferenced, largest_rectangle
from lstsr_core.geo.raster import Raster
from lstsr_core.metrics.fourier import attenuation_db, compare_spectra
from lstsr_core.pairs.pair import Pair
from lstsr_core.sharpening.restoration import NODES, Restoration, read_coefficients, restored
from lstsr_core.sharpening.uncertainty import Uncertainty
from worlds.pairs import true_product


@pytest.fixture(scope="module")
def judge(synthetic_pair: Pair) -> Judge:
    placed = Georeferenced(synthetic_pair)
    return Judge(placed.pair, synthetic_pair, *largest_rectangle(placed.aster_valid), 0)


def test_figures_are_those_of_the_evaluation(judge: Judge, synthetic_truth: Raster) -> None:
    truth_k = true_product(synthetic_truth, judge.pair).values
    found = calibration.figures(judge, truth_k + 0.5)
    product, aster = judge.onto([truth_k + 0.5])[0], judge.aster_k
    assert found["bias_k"] == pytest.approx(0.5, abs=0.05)
    assert found["rmse_k"] == pytest.approx(np.sqrt(np.mean((product - aster) ** 2)))
    bicubic = judge.onto([judge.upsampled_k])[0]
    expected = compare_spectra(*(attenuation_db(image) for image in (product, aster, bicubic)))
    assert (found["frr"], found["attenuation_rmse_db"]) == (expected.frr, expected.attenuation_rmse_db)


def test_gains_undo_a_known_smoothing(judge: Judge, synthetic_truth: Raster) -> None:
    truth_k = true_product(synthetic_truth, judge.pair).values
    product_k = ndimage.gaussian_filter(truth_k, 1.0)
    gains = fit_gains([sample(judge, product_k)])
    # A Gaussian of one pixel passes exp(-2 pi² f²); where little is left, the fit need not restore it.
    expected = np.exp(2.0 * np.pi**2 * np.square(NODES))
    for index in range(3, 8):
        assert gains.gains[index] == pytest.approx(expected[index], rel=0.2), NODES[index]
    before = calibration.figures(judge, product_k)
    after = calibration.figures(judge, restored(product_k, judge.pair.lst.values, gains))
    assert after["attenuation_rmse_db"] < 0.6 * before["attenuation_rmse_db"]
    assert after["frr"] > before["frr"] and after["rmse_k"] < before["rmse_k"]


def test_the_cost_that_gains_are_fitted_by_is_the_evaluations(judge: Judge, synthetic_truth: Raster) -> None:
    import torch

    product_k = ndimage.gaussian_filter(true_product(synthetic_truth, judge.pair).values, 1.5)
    one = sample(judge, product_k)
    error_k, attenuation = calibration._errors(one, torch.ones(len(NODES), dtype=torch.float64), 0.0)
    found = calibration.figures(judge, product_k)
    assert float(error_k) == pytest.approx(found["rmse_k"], rel=1e-3)
    assert float(attenuation) == pytest.approx(found["attenuation_rmse_db"], rel=1e-2)


def test_the_level_comes_back_and_neighbours_count_less(judge: Judge) -> None:
    random = np.random.default_rng(1)
    judges, differences = [], []
    for number in range(40):
        lst = judge.pair.lst
        values = (
            300.0
            + 5.0 * random.standard_normal()
            + (1.0 + 3.0 * random.random()) * random.standard_normal(lst.values.shape)
        )
        judges.append(replace(judge, pair=replace(judge.pair, lst=lst.with_values(values)), group=number))
        differences.append(0.5 - 0.1 * (values.mean() - 300.0) - 0.3 * (values.std() - 2.5))
    line = fit_level(judges, np.array(differences))
    assert line(300.0, 2.5) == pytest.approx(0.5, abs=0.1)
    assert line.per_mean_k / line.mean_scale_k == pytest.approx(-0.1, abs=0.03)
    assert line.per_spread_k / line.spread_scale_k == pytest.approx(-0.3, abs=0.06)
    # Twenty neighbours that say something else move it less than twenty scenes of their own days.
    odd = np.array(differences) + 2.0 * (np.arange(40) < 20)
    together = [replace(one, group=0) if number < 20 else one for number, one in enumerate(judges)]
    assert fit_level(together, odd)(300.0, 2.5) < fit_level(judges, odd)(300.0, 2.5) - 0.3


def simulated(scenes: int, seed: int) -> Errors:
    """Errors with a level of 1 K a scene, and a texture of 0.3 + 0.5·t + 2·n + r kelvin, Gaussian."""
    random = np.random.default_rng(seed)
    count = 1500
    features = random.gamma(2.0, 0.4, (3, scenes * count))
    level = np.repeat(random.standard_normal(scenes), count)
    texture = (0.3 + np.array([0.5, 2.0, 1.0]) @ features) * random.standard_normal(scenes * count)
    scene = np.repeat(np.arange(scenes), count)
    return Errors(scene, level + texture, level, 300.0 + level, features)


def test_the_uncertainty_covers_what_it_says() -> None:
    fitted = fit_uncertainty(simulated(60, 2), (2.0, 3.0))
    other = simulated(60, 3)
    size = np.abs(other.error_k) / fitted.at_features(other.features)
    assert (size < 1.0).mean() == pytest.approx(0.6827, abs=0.03)
    assert (size < 1.96).mean() == pytest.approx(0.95, abs=0.02)
    assert fitted.offset_k == pytest.approx(1.0, abs=0.25) and fitted.scale == pytest.approx(1.0, abs=0.05)
    found = [fitted.constant_k, fitted.per_texture, fitted.per_ndvi_k, fitted.per_residual]
    assert found == pytest.approx([0.3, 0.5, 2.0, 1.0], abs=0.15)
    assert (fitted.gap_k, fitted.gap_pixels) == (2.0, 3.0)


def test_heavy_tails_are_met_in_the_middle() -> None:
    errors = simulated(60, 4)
    heavy = stats.t(3).rvs(len(errors.scene), random_state=5) / np.sqrt(3.0)
    fitted = fit_uncertainty(replace(errors, error_k=heavy, mean_k=0.0 * heavy), (2.0, 3.0))
    size = np.abs(heavy) / fitted.at_features(errors.features)
    assert (size < 1.0).mean() > 0.6827 and (size < 1.96).mean() < 0.95


def test_gaps_do_more_the_nearer_they_are(judge: Judge) -> None:
    def product(pair: Pair) -> np.ndarray:
        # Filled by the nearest pixel and upsampled: a network without a network.
        gaps = np.isnan(pair.lst.values).repeat(4, 0).repeat(4, 1)
        filled = calibration.upsample(calibration.fill_nearest(pair.lst.values))
        return np.where(gaps, np.nan, ndimage.gaussian_filter(filled, 2.0))

    size_k, pixels = calibration.fit_gaps([judge], product)
    assert 0.1 < size_k < 50.0 and 0.5 < pixels < 10.0


def test_the_shipped_coefficients_met_their_aim_out_of_fold() -> None:
    content = read_coefficients()
    for entry in content["uncertainty"].values():
        Uncertainty(**entry)
    for network in ("sc-unet", "aster-unet"):
        Restoration(
            **{**content[network]["restoration"], "gains": tuple(content[network]["restoration"]["gains"])}
        )
        figures = content[network]["out_of_fold"]
        assert figures[f"{network}-restored"]["frr"] > figures[network]["frr"] + 0.3
    assert "no test scene was opened" in json.dumps(content["card"])
