"""How alike two images look: piq's measures of x against a reference r, both in kelvin, same shape, no NaN.

Each scales both images together to 0 … 1 first, so that it is NaN where both are one constant; and
NaN, too, for images that it has no window for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache, lru_cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor, nn

from lstsr_core.base.errors import InputError
from lstsr_core.base.fingerprint import sha256, sha256_of_numbers
from lstsr_core.geo.raster import FloatArray

VGG16_FILE = "vgg16-397923af.pth"
VGG16_URL = f"https://download.pytorch.org/models/{VGG16_FILE}"
VGG16_SHA256 = "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"

LINEAR_FILE = "lpips_weights.pt"
LINEAR_URL = (
    f"https://github.com/photosynthesis-team/photosynthesis.metrics/releases/download/v0.4.0/{LINEAR_FILE}"
)
LINEAR_SHA256 = "9153a2043dccf3b525d4f13db916e93ef040548ea923b6f2100de5ebac141a78"
"""Of the five layers' numbers one after another as little-endian
float32, version 0.1 for VGG16 (Zhang et al. 2018)."""
LPIPS_PACKAGE_FILE = "vgg.pth"
"""The same numbers as the package lpips 0.1.4 holds them, in lpips/weights/v0.1."""

_CHANNELS = {
    "3": 64,
    "8": 128,
    "15": 256,
    "22": 512,
    "29": 512,
}  # layers of VGG16 that are compared: relu1_2 … relu5_3


@cache
def _piq() -> ModuleType:
    """Import piq, also where a torchvision built for CUDA stands beside a torch built for the CPU.

    Importing piq imports torchvision, which registers shapes for its compiled operators. Its CUDA build
    cannot load those beside a CPU torch, and the import fails with "operator torchvision::nms does not
    exist". No measure here calls an operator, so declaring those that are missing is enough. Builds
    that match import at once and nothing is declared.
    """
    try:
        return import_module("piq")
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
        for name in ("nms", "qnms"):
            if not hasattr(torch.ops.torchvision, name):
                torch.library.define(
                    f"torchvision::{name}", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
                )
    return import_module("piq")


def _scaled_together(
    x: FloatArray, r: FloatArray, smallest_side: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor] | None:
    if min(x.shape) < smallest_side:
        return None
    low, high = min(x.min(), r.min()), max(x.max(), r.max())
    if low == high:
        return None
    scaled_x, scaled_r = (
        torch.from_numpy((image - low) / (high - low)).to(dtype)[None, None] for image in (x, r)
    )
    return scaled_x, scaled_r


def _measure(name: str, x: FloatArray, r: FloatArray, smallest_side: int, dtype: torch.dtype) -> float:
    scaled = _scaled_together(x, r, smallest_side, dtype)
    if scaled is None:
        return float("nan")
    with torch.inference_mode(), _one_thread():
        return float(getattr(_piq(), name)(*scaled))


@contextmanager
def _one_thread() -> Iterator[None]:
    # Images this small gain nothing from more, and on a busy machine threads
    # that wait for each other take 20 times as long.
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def gmsd(x: FloatArray, r: FloatArray) -> float:
    """Gradient magnitude similarity deviation: 0 for equal images, larger is worse (Xue et al. 2013).

    Parameters
    ----------
    x, r : array of shape (rows, columns)
        At least 6 a side: one 3×3 gradient on pixels averaged 2×2.
    """
    return _measure("gmsd", x, r, smallest_side=6, dtype=torch.float64)


def haarpsi(x: FloatArray, r: FloatArray) -> float:
    """Haar wavelet perceptual similarity index: from 0 to 1 for equal images (Reisenhofer et al. 2018).

    Parameters
    ----------
    x, r : array of shape (rows, columns)
        At least 16 a side.
    """
    return _measure("haarpsi", x, r, smallest_side=16, dtype=torch.float64)


def vif(x: FloatArray, r: FloatArray) -> float:
    """Visual information fidelity, in pixels: 1 for equal images, above 1 if x
    has more contrast than r (Sheikh & Bovik 2006).

    NaN also where r is constant, for it then holds no information to be kept.

    Parameters
    ----------
    x, r : array of shape (rows, columns)
        At least 41 a side.
    """
    if r.size and np.ptp(r) == 0.0:
        return float("nan")
    # Single precision: torch convolves it ten times faster, and the result moves by some 1e-6.
    return _measure("vif_p", x, r, smallest_side=41, dtype=torch.float32)


def texture_similarity(x: FloatArray, r: FloatArray) -> dict[str, float]:
    """`gmsd`, `haarpsi` and `vif` of one product, by their names; they need no weights."""
    return {"gmsd": gmsd(x, r), "haarpsi": haarpsi(x, r), "vif": vif(x, r)}


@dataclass(frozen=True)
class Lpips:
    """Learned perceptual image patch similarity by VGG16, or why there is none; made by `load_lpips`.

    Attributes
    ----------
    reason : str
        Empty where the weights were found; otherwise one line on what is missing and how to get it.
    """

    reason: str = ""
    _network: nn.Module | None = field(default=None, repr=False)

    @property
    def available(self) -> bool:
        return self._network is not None

    def __call__(self, x: FloatArray, r: FloatArray) -> float:
        """0 for equal images, larger is worse; NaN without weights (Zhang et al. 2018; Method 6).

        Three equal channels, no ImageNet normalisation, mean squared distance.

        Parameters
        ----------
        x, r : array of shape (rows, columns)
            At least 16 a side, which VGG16 halves four times.
        """
        if (
            self._network is None
            or (scaled := _scaled_together(x, r, smallest_side=16, dtype=torch.float32)) is None
        ):
            return float("nan")
        with torch.inference_mode():
            return float(self._network(*(image.expand(1, 3, -1, -1) for image in scaled)))


def load_lpips(directory: Path | None = None) -> Lpips:
    """Find the weights of VGG16 and of LPIPS' linear layers, and build the network once for the process.

    Nothing is downloaded. Only the published numbers are taken: other
    weights would give another measure under this name.

    Parameters
    ----------
    directory : Path, optional
        Searched before torch's own cache (``torch.hub.get_dir()/checkpoints``); here the linear layers may
        also be the file ``vgg.pth`` of the package lpips.

    Raises
    ------
    InputError
        If there is no such directory, or a file is damaged or holds other weights.
    """
    if directory is not None and not directory.is_dir():
        raise InputError(f"{directory}: no such directory; expected the LPIPS weights there.")
    cached = Path(torch.hub.get_dir()) / "checkpoints"
    folders = [directory, cached] if directory else [cached]
    vgg16 = _first_file([folder / VGG16_FILE for folder in folders])
    linear = _first_file(
        [folder / LINEAR_FILE for folder in folders] + ([directory / LPIPS_PACKAGE_FILE] if directory else [])
    )
    if vgg16 and linear:
        return _load(vgg16, vgg16.stat().st_mtime_ns, linear, linear.stat().st_mtime_ns)
    missing = [url for path, url in ((vgg16, VGG16_URL), (linear, LINEAR_URL)) if path is None]
    return Lpips(
        f"LPIPS lacks its weights: put {' and '.join(missing)} into {' or '.join(map(str, folders))}."
    )


def _first_file(candidates: list[Path]) -> Path | None:
    return next(filter(Path.is_file, candidates), None)


@lru_cache(maxsize=2)
def _load(vgg16: Path, vgg16_modified_ns: int, linear: Path, linear_modified_ns: int) -> Lpips:
    digest = sha256(vgg16)
    if digest != VGG16_SHA256:
        raise InputError(
            f"{vgg16}: sha256 is {digest}; expected {VGG16_SHA256}. Fetch it again from {VGG16_URL}."
        )
    return Lpips(
        _network=_network(torch.load(vgg16, map_location="cpu", weights_only=True), _linear_layers(linear))
    )


def _linear_layers(path: Path) -> Tensor:
    """The numbers of the five linear layers in one row; piq keeps
    them as a list, the package lpips under names."""
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
        layers = stored.values() if isinstance(stored, Mapping) else stored
        numbers = torch.cat([layer.detach().flatten().to(torch.float32) for layer in layers])
        digest = sha256_of_numbers(numbers.numpy())
    except Exception as error:  # torch raises many kinds on a damaged file, pickle's among them
        digest = f"none, for it is unreadable ({type(error).__name__}; its own sha256 is {sha256(path)})"
    if digest != LINEAR_SHA256:
        raise InputError(
            f"{path}: sha256 of the layers' numbers is {digest}; expected {LINEAR_SHA256}. Fetch {LINEAR_URL}"
            " again."
        )
    return numbers


def _network(vgg16: Mapping[str, Tensor], linear: Tensor) -> nn.Module:
    """piq's LPIPS from weights in memory: piq's own class downloads them."""
    piq = _piq()
    with torch.device("meta"):  # no numbers but those that are loaded
        features = import_module("torchvision.models").vgg16(weights=None).features[:30]
    features.load_state_dict({name: vgg16[f"features.{name}"] for name in features.state_dict()}, assign=True)
    weights = [layer.view(1, -1, 1, 1) for layer in torch.split(linear, list(_CHANNELS.values()))]
    network: nn.Module = piq.ContentLoss(
        features.eval(), layers=list(_CHANNELS), weights=weights, distance="mse",
        mean=[0.0, 0.0, 0.0], std=[1.0, 1.0, 1.0], normalize_features=True,
    )  # fmt: skip
    return network
