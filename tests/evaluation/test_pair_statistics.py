from __future__ import annotations

import numpy as np
import pytest

from lstsr_core.base.errors import InputError
from lstsr_core.evaluation.pair_statistics import pair_statistics


def test_statistics_of_a_known_image() -> None:
    random = np.random.default_rng(0)
    ndvi = 0.6 + 0.1 * random.standard_normal((256, 256))
    coarse = ndvi.reshape(64, 4, 64, 4).mean(axis=(1, 3))
    lst = 300.0 - 20.0 * (coarse - coarse.mean())
    aster = np.zeros((300, 300))
    aster[20:280, 20:280] = 300.0 + random.standard_normal((260, 260))
    statistics = pair_statistics(lst, ndvi, aster)
    assert statistics["slope_k_per_ndvi"] == pytest.approx(-20.0)
    assert statistics["r_squared"] == pytest.approx(1.0)
    assert statistics["lst_mean_k"] == pytest.approx(300.0)
    assert statistics["ndvi_std"] == pytest.approx(0.1, rel=0.01)
    # White noise of σ has a mean spectral amplitude of σ·sqrt(π/4·N) over N pixels; the mean m has N·m.
    for name, sigma, mean, side in (("ndvi", 0.1, 0.6, 256), ("aster", 1.0, 300.0, 251)):
        expected = 10.0 * np.log10(sigma * np.sqrt(np.pi / 4.0) / (side * mean))
        for band in ("low", "middle", "high"):
            assert statistics[f"{name}_attenuation_{band}_db"] == pytest.approx(expected, abs=0.15)


def test_statistics_refuse_what_does_not_fit() -> None:
    with pytest.raises(InputError, match=r"NDVI has shape \(64, 64\) and LST \(64, 64\).*4 times"):
        pair_statistics(np.ones((64, 64)), np.ones((64, 64)), np.ones((64, 64)))
    with pytest.raises(InputError, match="swath"):
        pair_statistics(np.eye(64), np.tile(np.eye(64), (4, 4)), np.zeros((300, 300)))
