"""The U-Net that all three CNNs share (Method 2)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lstsr_core.networks.settings import UPSAMPLINGS, Upsampling


class DoubleConvolution(nn.Sequential):
    """Conv 3×3, batch norm, ReLU, twice; replicate padding, no bias."""

    def __init__(self, inputs: int, middle: int, outputs: int) -> None:
        super().__init__(*_convolution(inputs, middle), *_convolution(middle, outputs))


def _convolution(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module, nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="replicate", bias=False)
    return convolution, nn.BatchNorm2d(outputs), nn.ReLU()


class Down(nn.Module):
    """2×2 average pooling, a residual double convolution, then a convolution to the next width."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.residual = DoubleConvolution(inputs, inputs, inputs)
        self.widen = nn.Sequential(*_convolution(inputs, outputs))

    def forward(self, features: Tensor) -> Tensor:
        pooled = functional.avg_pool2d(features, 2)
        widened: Tensor = self.widen(pooled + self.residual(pooled))
        return widened


class Up(nn.Module):
    """Bilinear ×2, padded to the skip's size, [upsampled, skip], double convolution."""

    def __init__(self, inputs: int, outputs: int, upsampling: Upsampling) -> None:
        super().__init__()
        self.aligned = upsampling == "align-corners"
        self.merge = DoubleConvolution(inputs, inputs // 2, outputs)

    def forward(self, features: Tensor, skip: Tensor) -> Tensor:
        upsampled = functional.interpolate(
            features, scale_factor=2, mode="bilinear", align_corners=self.aligned
        )
        missing_rows, missing_columns = (skip.shape[axis] - upsampled.shape[axis] for axis in (-2, -1))
        above, left = missing_rows // 2, missing_columns // 2
        padded = functional.pad(upsampled, [left, missing_columns - left, above, missing_rows - above])
        merged: Tensor = self.merge(torch.cat([padded, skip], dim=1))
        return merged


class SharpeningUNet(nn.Module):
    """(B, 2, rows, columns) z-scored U(LST) and NDVI → (B, 1, rows, columns) z-scored LST (Method 2).

    283 906 numbers in its state, 104 tensors, whichever the upsampling.

    Parameters
    ----------
    upsampling : str
        "align-corners", as the published checkpoints were trained: a pixel's result
        depends on the size of the window around it. "half-pixel": it depends on its
        neighbourhood alone, so that overlapping windows agree.
    """

    def __init__(self, upsampling: Upsampling = "align-corners") -> None:
        super().__init__()
        if upsampling not in UPSAMPLINGS:
            raise ValueError(f"upsampling is {upsampling!r}; expected {' or '.join(UPSAMPLINGS)}.")
        self.upsampling = upsampling
        self.inlet = DoubleConvolution(2, 16, 16)
        self.downs = nn.ModuleList([Down(16, 32), Down(32, 64), Down(64, 64)])
        self.ups = nn.ModuleList([Up(128, 32, upsampling), Up(64, 16, upsampling), Up(32, 16, upsampling)])
        self.outlet = nn.Conv2d(16, 1, 3, padding=1, padding_mode="replicate")

    def forward(self, inputs: Tensor) -> Tensor:
        levels = [self.inlet(inputs)]
        for down in self.downs:
            levels.append(down(levels[-1]))
        features = levels.pop()
        for up in self.ups:
            features = up(features, levels.pop())
        outputs: Tensor = self.outlet(features)
        return outputs
