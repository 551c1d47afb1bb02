"""Perceptual metrics against their papers' definitions in numpy; LPIPS against VGG16 by layers."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
import types
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage
from torch import Tensor
from torch.nn import functional

from lstsr_core.base.errors import InputError
from lstsr_core.metrics import perceptual
from lstsr_core.metrics.perceptual import (
    LINEAR_FILE,
    LPIPS_PACKAGE_FILE,
    VGG16_FILE,
    VGG16_SHA256,
    Lpips,
    gmsd,
    haarpsi,
    load_lpips,
    vif,
)

SEEDS = st.integers(0, 2**32 - 1)
Measure = Callable[[np.ndarray, np.ndarray], float]


def images(
    seed: int, shape: tuple[int, int] = (64, 57), noise_k: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """A product with noise, and a smooth reference, in kelvin."""
    generator = np.random.default_rng(seed)
    reference = 300.0 + 20.0 * ndimage.gaussian_filter(generator.standard_normal(shape), 2.0)
    return reference + noise_k * generator.standard_normal(shape), reference


def scaled(x: np.ndarray, r: np.ndarray, peak: float) -> tuple[np.ndarray, np.ndarray]:
    low, high = np.minimum(x, r).min(), np.maximum(x, r).max()
    return peak * (x - low) / (high - low), peak * (r - low) / (high - low)


def halved(image: np.ndarray) -> np.ndarray:
    """Means of 2×2 blocks, a zero row or column added to an odd side."""
    even = np.pad(image, [(0, side % 2) for side in image.shape])
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4


def direct_gmsd(x: np.ndarray, r: np.ndarray) -> float:
    """Xue et al. 2013 for a peak of 255: Prewitt gradients of halved images, T = 170."""
    prewitt = np.array([[1, 0, -1]] * 3) / 3
    magnitudes = []
    for image in map(halved, scaled(x, r, 255.0)):
        across, down = (ndimage.correlate(image, kernel, mode="constant") for kernel in (prewitt, prewitt.T))
        magnitudes.append(np.sqrt(across**2 + down**2))
    m_x, m_r = magnitudes
    similarity = (2 * m_x * m_r + 170) / (m_x**2 + m_r**2 + 170)
    return float(np.sqrt(((similarity - similarity.mean()) ** 2).mean()))


def haar_coefficients(image: np.ndarray, level: int, transposed: bool) -> np.ndarray:
    """|Sum of windows' upper halves − lower halves| / 2^level, reaching 2^(level−1) down and right."""
    size = 2**level
    turned = image.T if transposed else image
    padded = np.pad(turned, (size // 2 - 1, size // 2))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size))
    halves = windows[..., : size // 2, :].sum(axis=(-2, -1)) - windows[..., size // 2 :, :].sum(axis=(-2, -1))
    coefficients = np.abs(halves) / size
    return coefficients.T if transposed else coefficients


def direct_haarpsi(x: np.ndarray, r: np.ndarray) -> float:
    """Reisenhofer et al. 2018, equations 1 to 12, with C = 30 and α = 4.2."""
    x, r = map(halved, scaled(x, r, 255.0))
    total, weights = 0.0, 0.0
    for transposed in (False, True):
        levels = [
            (haar_coefficients(x, j, transposed), haar_coefficients(r, j, transposed)) for j in (1, 2, 3)
        ]
        local = sum((2 * a * b + 30) / (a**2 + b**2 + 30) for a, b in levels[:2]) / 2
        weight = np.maximum(*levels[2])
        total += float((weight / (1 + np.exp(-4.2 * local))).sum())
        weights += float(weight.sum())
    share = total / weights
    return (math.log(share / (1 - share)) / 4.2) ** 2


def direct_vif(x: np.ndarray, r: np.ndarray) -> float:
    """Sheikh & Bovik 2006 in pixels: Gaussian windows of 17, 9, 5 and 3 pixels, noise variance 2."""
    x, r = scaled(x, r, 255.0)
    information = held = 0.0
    for scale, size in enumerate((17, 9, 5, 3)):
        taps = np.exp(-(((np.arange(size) - size // 2) / (size / 5)) ** 2) / 2)
        kernel = np.outer(taps, taps) / taps.sum() ** 2

        def windows(image: np.ndarray, kernel: np.ndarray = kernel) -> np.ndarray:
            return np.tensordot(np.lib.stride_tricks.sliding_window_view(image, kernel.shape), kernel, 2)

        if scale:
            x, r = windows(x)[::2, ::2], windows(r)[::2, ::2]
        mean_x, mean_r = windows(x), windows(r)
        variance_x = windows(x * x) - mean_x**2
        variance_r = windows(r * r) - mean_r**2
        covariance = windows(x * r) - mean_x * mean_r
        gain = covariance / variance_r
        noise = variance_x - gain * covariance
        noise, gain = np.where(gain < 0, variance_x, noise), np.maximum(gain, 0.0)
        information += float(np.log10(1 + gain**2 * variance_r / (noise + 2)).sum())
        held += float(np.log10(1 + variance_r / 2).sum())
    return information / held


@pytest.mark.parametrize("shape", [(64, 80), (65, 57), (50, 73)])
@pytest.mark.parametrize("noise_k", [0.3, 3.0])
@pytest.mark.parametrize(
    ("measure", "direct", "tolerance"),
    [(gmsd, direct_gmsd, 1e-9), (haarpsi, direct_haarpsi, 1e-9), (vif, direct_vif, 1e-4)],
)
def test_measures_are_those_of_their_papers(
    measure: Measure, direct: Measure, tolerance: float, noise_k: float, shape: tuple[int, int]
) -> None:
    x, r = images(80, shape, noise_k)
    assert measure(x, r) == pytest.approx(direct(x, r), rel=tolerance)


@given(SEEDS)
def test_an_image_looks_like_itself(seed: int) -> None:
    _, r = images(seed)
    assert gmsd(r, r) == pytest.approx(0.0, abs=1e-12)
    assert haarpsi(r, r) == pytest.approx(1.0, abs=1e-9)
    assert vif(r, r) == pytest.approx(1.0, abs=1e-4)


@given(SEEDS)
def test_more_noise_looks_worse(seed: int) -> None:
    pairs = [images(seed, noise_k=noise_k) for noise_k in (0.2, 1.0, 4.0)]
    for measure, sign in ((gmsd, 1.0), (haarpsi, -1.0), (vif, -1.0)):
        values = [sign * measure(*pair) for pair in pairs]
        assert all(less < more for less, more in pairwise(values)), measure.__name__


@given(SEEDS, st.floats(0.1, 20.0), st.floats(-100.0, 100.0))
def test_measures_are_blind_to_a_common_scale_and_offset(seed: int, factor: float, offset: float) -> None:
    x, r = images(seed)
    for measure, tolerance in ((gmsd, 1e-8), (haarpsi, 1e-8), (vif, 1e-4)):
        assert measure(factor * x + offset, factor * r + offset) == pytest.approx(
            measure(x, r), rel=tolerance
        )


def test_the_measures_without_weights_come_together() -> None:
    x, r = images(90)
    assert perceptual.texture_similarity(x, r) == {
        "gmsd": gmsd(x, r),
        "haarpsi": haarpsi(x, r),
        "vif": vif(x, r),
    }


def test_torchs_threads_are_left_as_they_were() -> None:
    x, r = images(91)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        haarpsi(x, r)
        assert torch.get_num_threads() == 2
        with pytest.raises(AssertionError):
            haarpsi(x, r[:-1])
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_more_contrast_lifts_vif_above_one() -> None:
    _, r = images(81)
    more = r.mean() + 1.5 * (r - r.mean())
    assert vif(more, r) > 1.0 > vif(r, more)


@pytest.mark.parametrize(("measure", "side"), [(gmsd, 6), (haarpsi, 16), (vif, 41)])
def test_images_without_a_window_have_no_value(measure: Measure, side: int) -> None:
    x, r = images(82)
    for rows, columns in ((side - 1, 50), (50, side - 1), (1, 1), (0, 0)):
        assert math.isnan(measure(x[:rows, :columns], r[:rows, :columns]))
    assert math.isfinite(measure(x[:side, :side], r[:side, :side]))


@pytest.mark.parametrize("measure", [gmsd, haarpsi, vif])
def test_constant_images(measure: Measure) -> None:
    x, _ = images(83)
    warm, cold = np.full_like(x, 310.0), np.full_like(x, 290.0)
    assert math.isnan(measure(warm, warm))
    assert math.isfinite(measure(warm, x))
    assert math.isnan(measure(x, warm)) == math.isnan(measure(cold, warm)) == (measure is vif)


# The import of piq, and of torchvision with it.

CUDA_TORCHVISION = """
import torch
for name in ("nms", "qnms"):
    if not hasattr(torch.ops.torchvision, name):
        raise RuntimeError(f"operator torchvision::{name} does not exist")
VERSION = "imported"
"""


def run_python(code: str, path: Path | None = None) -> str:
    preamble = f"import sys; sys.path.insert(0, {str(path)!r})\n" if path else "import sys\n"
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", preamble + code], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout


def test_piq_is_imported_when_first_needed_whatever_torchvision_was_built_for() -> None:
    code = (
        "import numpy as np; from lstsr_core.metrics.perceptual import gmsd; assert 'piq' not in"
        " sys.modules\nr = np.eye(8); assert gmsd(r, r) == 0.0 < gmsd(r.T[::-1], r)\nimport piq, torchvision;"
        " print(piq.__version__)"
    )
    assert run_python(code).startswith("0.")


def test_operators_that_torchvision_misses_are_declared(tmp_path: Path) -> None:
    (tmp_path / "piq.py").write_text(CUDA_TORCHVISION)
    code = (
        "import torch; from lstsr_core.metrics.perceptual import _piq; assert not"
        " hasattr(torch.ops.torchvision, 'nms')\n"
    )
    assert run_python(code + "print(_piq().VERSION)", tmp_path) == "imported\n"
    # Declaring one a second time would raise.
    one_is_there = "torch.library.define('torchvision::nms', '(Tensor a) -> Tensor')\n"
    code = (
        "import torch\n"
        + one_is_there
        + "from lstsr_core.metrics.perceptual import _piq\nprint(_piq().VERSION)"
    )
    assert run_python(code, tmp_path) == "imported\n"


def test_matching_builds_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("piq")
    monkeypatch.setattr(perceptual, "import_module", lambda name: module)
    monkeypatch.setattr(torch.library, "define", lambda *arguments: pytest.fail("an operator was declared"))
    assert perceptual._piq.__wrapped__() is module


def test_other_faults_of_the_import_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> types.ModuleType:
        raise RuntimeError("another fault")

    monkeypatch.setattr(perceptual, "import_module", fail)
    with pytest.raises(RuntimeError, match="another fault"):
        perceptual._piq.__wrapped__()


# LPIPS, with random weights that stand in for VGG16's: only tests can make it take them.

CONVOLUTIONS = {
    0: (3, 64),
    2: (64, 64),
    5: (64, 128),
    7: (128, 128),
    10: (128, 256),
    12: (256, 256),
    14: (256, 256),
}
CONVOLUTIONS |= {
    17: (256, 512),
    19: (512, 512),
    21: (512, 512),
    24: (512, 512),
    26: (512, 512),
    28: (512, 512),
}
POOLED_BEFORE, COMPARED_AFTER = (5, 10, 17, 24), (2, 7, 14, 21, 28)
LINEAR_CHANNELS = (64, 128, 256, 512, 512)


@pytest.fixture(scope="module")
def vgg16() -> dict[str, Tensor]:
    """A state dict with VGG16's names and shapes and random numbers that keep the features' magnitude."""
    generator = torch.Generator().manual_seed(84)
    state = {}
    for index, (inputs, outputs) in CONVOLUTIONS.items():
        deviation = (2 / (9 * inputs)) ** 0.5
        state[f"features.{index}.weight"] = deviation * torch.randn(
            outputs, inputs, 3, 3, generator=generator
        )
        state[f"features.{index}.bias"] = 0.1 * torch.randn(outputs, generator=generator)
    state["classifier.0.weight"] = torch.zeros(4, 4)  # the published file holds the classifier too
    return state


@pytest.fixture(scope="module")
def linear() -> list[Tensor]:
    generator = torch.Generator().manual_seed(85)
    return [torch.rand(1, channels, 1, 1, generator=generator) for channels in LINEAR_CHANNELS]


def direct_lpips(x: np.ndarray, r: np.ndarray, vgg16: dict[str, Tensor], linear: list[Tensor]) -> float:
    """Zhang et al. 2018, equation 1, in double precision."""
    features = [torch.from_numpy(np.stack([image] * 3)[None]) for image in scaled(x, r, 1.0)]
    distance, layers = 0.0, iter(linear)
    for index in CONVOLUTIONS:
        weight, bias = (vgg16[f"features.{index}.{part}"].double() for part in ("weight", "bias"))
        if index in POOLED_BEFORE:
            features = [functional.max_pool2d(f, 2) for f in features]
        features = [functional.conv2d(f, weight, bias, padding=1).clamp(min=0.0) for f in features]
        if index in COMPARED_AFTER:
            unit_x, unit_r = (f / (f.square().sum(dim=1, keepdim=True).sqrt() + 1e-10) for f in features)
            weighted = next(layers).double() * (unit_x - unit_r).square()
            distance += float(weighted.sum(dim=1).mean())
    return distance


def write_weights(
    directory: Path, vgg16: dict[str, Tensor], linear: Any, linear_file: str = LINEAR_FILE
) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    torch.save(vgg16, directory / VGG16_FILE)
    torch.save(linear, directory / linear_file)


def file_sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def linear_sha256(linear: list[Tensor]) -> str:
    return hashlib.sha256(b"".join(layer.numpy().astype("<f4").tobytes() for layer in linear)).hexdigest()


@pytest.fixture
def torch_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of torch, in place of the user's."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return tmp_path / "torch" / "hub" / "checkpoints"


@pytest.mark.parametrize("shape", [(48, 40), (33, 51), (16, 16)])
def test_lpips_is_the_weighted_distance_of_unit_features(
    torch_cache: Path,
    vgg16: dict[str, Tensor],
    linear: list[Tensor],
    shape: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_weights(torch_cache, vgg16, linear)
    monkeypatch.setattr(perceptual, "VGG16_SHA256", file_sha256(torch_cache / VGG16_FILE))
    monkeypatch.setattr(perceptual, "LINEAR_SHA256", linear_sha256(linear))
    lpips = load_lpips()
    assert (lpips.available, lpips.reason) == (True, "")
    x, r = images(86, shape, noise_k=2.0)
    assert lpips(x, r) == pytest.approx(direct_lpips(x, r, vgg16, linear), rel=1e-4)
    assert lpips(r, r) == 0.0
    assert math.isnan(lpips(np.full_like(r, 300.0), np.full_like(r, 300.0)))
    assert math.isnan(lpips(x[:15], r[:15]))
    assert load_lpips() is lpips  # built once


def test_a_directory_of_the_users_may_hold_the_file_of_the_package_lpips(
    tmp_path: Path,
    torch_cache: Path,
    vgg16: dict[str, Tensor],
    linear: list[Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    named = {f"lin{level}.model.1.weight": layer for level, layer in enumerate(linear)}
    write_weights(tmp_path, vgg16, named, LPIPS_PACKAGE_FILE)
    monkeypatch.setattr(perceptual, "VGG16_SHA256", file_sha256(tmp_path / VGG16_FILE))
    monkeypatch.setattr(perceptual, "LINEAR_SHA256", linear_sha256(linear))
    x, r = images(87, (24, 24))
    assert load_lpips(tmp_path)(x, r) == pytest.approx(direct_lpips(x, r, vgg16, linear), rel=1e-4)
    assert not load_lpips().available


def test_without_weights_there_is_no_lpips_but_a_line_on_how_to_get_it(
    tmp_path: Path, torch_cache: Path
) -> None:
    lpips = load_lpips(tmp_path)
    assert not lpips.available
    assert math.isnan(lpips(*images(88)))
    for needed in (
        "https://download.pytorch.org/models/vgg16-397923af.pth",
        "https://github.com/photosynthesis-team/photosynthesis.metrics/releases/download/v0.4.0/lpips_weights.pt",
        str(tmp_path),
        str(torch_cache),
    ):
        assert needed in lpips.reason
    assert "\n" not in lpips.reason


def test_the_line_names_only_what_is_missing(tmp_path: Path, torch_cache: Path, linear: list[Tensor]) -> None:
    write_weights(torch_cache, {}, linear)
    (torch_cache / LINEAR_FILE).unlink()
    assert LINEAR_FILE in load_lpips().reason
    assert VGG16_FILE not in load_lpips().reason
    assert math.isnan(Lpips()(*images(89)))


def test_random_weights_are_refused(
    torch_cache: Path, vgg16: dict[str, Tensor], linear: list[Tensor]
) -> None:
    write_weights(torch_cache, vgg16, linear)
    with pytest.raises(InputError) as refusal:
        load_lpips()
    for part in (str(torch_cache / VGG16_FILE), VGG16_SHA256, file_sha256(torch_cache / VGG16_FILE)):
        assert part in str(refusal.value)


@pytest.mark.parametrize("content", ["other numbers", "another order", "another type", "cut"])
def test_other_linear_layers_are_refused(
    torch_cache: Path, linear: list[Tensor], content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changed = [layer.clone() for layer in linear]
    changed[4][0, 7] += 1e-6
    stored = {"other numbers": changed, "another order": linear[::-1], "another type": "text", "cut": linear}[
        content
    ]
    write_weights(torch_cache, {}, stored)
    path = torch_cache / LINEAR_FILE
    if content == "cut":
        path.write_bytes(path.read_bytes()[:-200])
    monkeypatch.setattr(perceptual, "VGG16_SHA256", file_sha256(torch_cache / VGG16_FILE))
    monkeypatch.setattr(perceptual, "LINEAR_SHA256", linear_sha256(linear))
    sums = {"other numbers": linear_sha256(changed), "another order": linear_sha256(linear[::-1])}.get(
        content, file_sha256(path)
    )
    with pytest.raises(InputError) as refusal:
        load_lpips()
    for part in (str(path), linear_sha256(linear), sums):
        assert part in str(refusal.value)
