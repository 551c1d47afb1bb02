"""Quality control of LST granules: what the bits of each product's QC mean, and which pixels a policy admits.

Bit fields as in the users' guides of MOD11 (collection 6, table of
QC_Day and QC_Night) and MOD21 (collection 6.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from lstsr_core.base.errors import InputError
from lstsr_core.geo.raster import BoolArray
from lstsr_core.modis.hdf4 import IntegerArray

Policy = Literal["produced", "good"]
"""Which LST pixels are used: all that were produced, or those of
good quality alone (bits 0–1 of QC are ``00``)."""


@dataclass(frozen=True)
class BitField:
    """Two bits of a QC.

    Attributes
    ----------
    name : str
    first_bit : int
        The lower of the two; bit 0 is the least significant.
    meanings : tuple of str
        Of the codes 0, 1, 2 and 3.
    """

    name: str
    first_bit: int
    meanings: tuple[str, str, str, str]


@dataclass(frozen=True)
class QcLayout:
    """What a product's QC holds.

    Attributes
    ----------
    number_type : numpy.dtype
    fields : tuple of BitField
        From bit 0 upwards; the first is the mandatory QA, the last the error of LST.
    """

    number_type: np.dtype[np.unsignedinteger]
    fields: tuple[BitField, ...]


_MANDATORY_QA = BitField(
    "mandatory QA", 0, ("good quality", "other quality", "not produced, cloud", "not produced, other reason")
)

MOD11A1_QC = QcLayout(
    np.dtype(np.uint8),
    (
        _MANDATORY_QA,
        BitField("data quality", 2, ("good", "other quality", "to be defined", "to be defined")),
        BitField("emissivity error", 4, ("≤ 0.01", "≤ 0.02", "≤ 0.04", "> 0.04")),
        BitField("LST error", 6, ("≤ 1 K", "≤ 2 K", "≤ 3 K", "> 3 K")),
    ),
)

MOD21A1_QC = QcLayout(
    np.dtype(np.uint16),
    (
        _MANDATORY_QA,
        BitField(
            "data quality",
            2,
            ("good L1B data", "missing pixel", "fairly calibrated", "poorly calibrated, not processed"),
        ),
        BitField("cloud", 4, ("free", "thin cirrus", "within 2 pixels of a cloud", "cloudy")),
        BitField("iterations", 6, ("≥ 7, slow convergence", "6, nominal", "5, nominal", "< 5, fast")),
        BitField("atmospheric opacity", 8, ("≥ 0.3", "0.2 to 0.3", "0.1 to 0.2", "< 0.1")),
        BitField("MMD", 10, ("> 0.15", "0.1 to 0.15", "0.03 to 0.1", "< 0.03")),
        BitField("emissivity accuracy", 12, ("> 0.02", "0.015 to 0.02", "0.01 to 0.015", "< 0.01")),
        BitField("LST accuracy", 14, ("> 2 K", "1.5 to 2 K", "1 to 1.5 K", "< 1 K")),
    ),
)


def not_produced(qc: IntegerArray) -> BoolArray:
    """Where bits 0–1 of a LST granule's QC say that the pixel was not produced (``10`` or ``11``).

    >>> not_produced(np.array([0b00, 0b01, 0b10, 0b11, 0b1101])).tolist()
    [False, False, True, True, False]
    """
    return np.asarray((qc & 0b11) >= 0b10)


def check_policy(policy: Policy) -> None:
    """Refuse what is not the name of a policy.

    Raises
    ------
    InputError
    """
    if policy not in get_args(Policy):
        raise InputError(f"QC policy '{policy}' is unknown; expected one of {', '.join(get_args(Policy))}.")


@dataclass(frozen=True)
class Quality:
    """The QC of a LST granule.

    Attributes
    ----------
    stored : uint8 or uint16 array of shape (rows, columns)
        As the product has it.
    layout : QcLayout
    """

    stored: IntegerArray
    layout: QcLayout

    def code(self, name: str) -> NDArray[np.uint8]:
        """The code of a bit field, 0 to 3, at every pixel.

        >>> quality = Quality(np.array([[0b01_10_00_01]], np.uint8), MOD11A1_QC)
        >>> fields = quality.layout.fields[2:]
        >>> [(field.name, field.meanings[quality.code(field.name)[0, 0]]) for field in fields]
        [('emissivity error', '≤ 0.04'), ('LST error', '≤ 2 K')]

        Raises
        ------
        InputError
            If the product has no such field.
        """
        for field in self.layout.fields:
            if field.name == name:
                return np.asarray(self.stored >> field.first_bit & 0b11, np.uint8)
        fields = ", ".join(field.name for field in self.layout.fields)
        raise InputError(f"This product's QC has no field '{name}'; expected one of {fields}.")

    def usable(self, policy: Policy = "produced") -> BoolArray:
        """Where a policy admits the pixel.

        Parameters
        ----------
        policy : {"produced", "good"}
            All that was produced, or of good quality alone.

        Raises
        ------
        InputError
            If the policy is unknown.
        """
        check_policy(policy)
        if policy == "good":
            return np.asarray((self.stored & 0b11) == 0b00)
        return ~not_produced(self.stored)
