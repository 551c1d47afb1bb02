"""What every metric is called, in which unit and with how many digits it is shown, and when it is better.

Tables, figures and pages take names from here, so that a metric is called alike wherever it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", "zero", "neither"]
"""When a metric is better: higher, lower or nearer to zero;
neither where it is the pair's, not the product's."""


@dataclass(frozen=True)
class Metric:
    """A metric as readers see it.

    Attributes
    ----------
    column : str
        Its name in tables.
    label : str
        Its name in prose.
    unit : str
        "K", "dB" or nothing.
    digits : int
        Decimals that a mean over scenes is shown with.
    better : Better
    meaning : str
        In one sentence, without a full stop.
    short : str
        Its name where columns are narrow; the label if empty.
    """

    column: str
    label: str
    unit: str
    digits: int
    better: Better
    meaning: str
    short: str = ""

    @property
    def axis(self) -> str:
        """The label of an axis.

        >>> BY_COLUMN["rmse_k"].axis, BY_COLUMN["frr"].axis
        ('RMSE (K)', 'FRR')
        """
        return f"{self.label} ({self.unit})" if self.unit else self.label

    @property
    def suffix(self) -> str:
        """The unit as it stands after a number: with a space before it, or nothing."""
        return f" {self.unit}" if self.unit else ""

    @property
    def heading(self) -> str:
        """The head of a narrow column.

        >>> BY_COLUMN["attenuation_rmse_db"].heading
        'atten. RMSE dB'
        """
        return f"{self.short or self.label}{self.suffix}"

    @property
    def sign(self) -> int:
        """Of a difference that is for the better: 1 or −1; 0 where no sign is."""
        return {"higher": 1, "lower": -1}.get(self.better, 0)


def _by_column(*metrics: Metric) -> dict[str, Metric]:
    return {metric.column: metric for metric in metrics}


BY_COLUMN = _by_column(
    Metric("psnr_db", "PSNR", "dB", 2, "higher", "the range of both images over the RMSE, as decibels"),
    Metric(
        "ssim", "SSIM", "", 3, "higher",
        "likeness of mean, contrast and structure in small windows; at most 1",
    ),
    Metric("rmse_k", "RMSE", "K", 2, "lower", "root mean square of product minus ASTER"),
    Metric(
        "rmse_low_gradient_k", "RMSE low", "K", 2, "lower",
        "RMSE in the quarter of pixels with least detail",
    ),
    Metric(
        "rmse_mid_gradient_k", "RMSE mid", "K", 2, "lower",
        "RMSE in the half of pixels between those quarters",
    ),
    Metric(
        "rmse_high_gradient_k", "RMSE high", "K", 2, "lower",
        "RMSE in the quarter of pixels with most detail",
    ),
    Metric("gssim", "GSSIM", "", 3, "higher", "SSIM on gradients: whether edges lie where ASTER has them"),
    Metric("lpips", "LPIPS", "", 3, "lower", "distance in the features of a network trained on photographs"),
    Metric(
        "rmse_gradient", "gradient RMSE", "", 2, "lower",
        "RMSE of the gradients' magnitudes", "grad. RMSE",
    ),
    Metric("bias_k", "bias", "K", 2, "zero", "mean of product minus ASTER"),
    Metric("rmse_unbiased_k", "unbiased RMSE", "K", 2, "lower", "the RMSE when the bias is taken off"),
    Metric(
        "correlation", "correlation", "", 3, "higher",
        "Pearson's correlation of product and ASTER", "corr.",
    ),
    Metric(
        "consistency_k", "consistency", "K", 2, "lower",
        "RMSE of the product, degraded to 1 km, against the LST that it was made from", "consist.",
    ),
    Metric("pfr_db", "PFR", "dB", 1, "neither", "detail of ASTER's spectrum that Bicubic leaves to recover"),
    Metric("afr_db", "AFR", "dB", 1, "higher", "what the product recovers of that detail"),
    Metric(
        "frr", "FRR", "", 3, "higher",
        "AFR over PFR: the share of the detail that is recovered; 1 is all of it",
    ),
    Metric("fro", "FRO", "", 3, "lower", "share by which a product has more fine detail than ASTER"),
    Metric("fru", "FRU", "", 3, "zero", "share by which a product has less detail than even Bicubic"),
    Metric(
        "attenuation_rmse_db", "attenuation RMSE", "dB", 2, "lower",
        "distance between the spectra of product and ASTER", "atten. RMSE",
    ),
    Metric("gmsd", "GMSD", "", 3, "lower", "how much the likeness of local gradients varies over the image"),
    Metric("haarpsi", "HaarPSI", "", 3, "higher", "likeness of Haar wavelets; at most 1"),
    Metric("vif", "VIF", "", 3, "higher", "share of ASTER's information that the product keeps"),
    Metric(
        "psnr_aster_range_db", "PSNR of ASTER's range", "dB", 2, "higher",
        "PSNR with the range of ASTER alone",
    ),
)  # fmt: skip
"""The metrics of a product against ASTER, in the order of the table's columns."""

METRIC_COLUMNS = list(BY_COLUMN)
MAIN_COLUMNS = ["rmse_k", "rmse_unbiased_k", "correlation", "frr", "attenuation_rmse_db", "consistency_k"]
"""What trained networks are told apart by."""

COARSE_METRICS = _by_column(
    Metric(
        "coarse_bias_k", "MODIS − ASTER bias at 1 km", "K", 2, "zero",
        "mean of MODIS minus ASTER at 1 km", "MODIS − ASTER",
    ),
    Metric(
        "coarse_rmse_k", "MODIS against ASTER at 1 km: RMSE", "K", 2, "lower",
        "root mean square of MODIS minus ASTER at 1 km", "RMSE at 1 km",
    ),
)  # fmt: skip
"""How far the 1 km LST itself lies from ASTER, which no sharpening can undo."""


def metrics_of(columns: Sequence[str]) -> list[Metric]:
    """The metrics of columns, in their order."""
    return [BY_COLUMN[column] for column in columns]
