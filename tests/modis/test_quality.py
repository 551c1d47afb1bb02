"""QC against the strings of bits that the products' guides print."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lstsr_core.base.errors import InputError
from lstsr_core.modis.quality import MOD11A1_QC, MOD21A1_QC, QcLayout, Quality, not_produced

LAYOUTS = pytest.mark.parametrize("layout", [MOD11A1_QC, MOD21A1_QC], ids=["MOD11A1", "MOD21A1"])


def quality(layout: QcLayout, *bits: str) -> Quality:
    """From strings as the guides print them, the most significant bit first."""
    return Quality(np.array([[int(text.replace(" ", ""), 2) for text in bits]], layout.number_type), layout)


def meanings(layout: QcLayout, bits: str) -> dict[str, str]:
    decoded = quality(layout, bits)
    return {field.name: field.meanings[decoded.code(field.name)[0, 0]] for field in layout.fields}


def test_mod11a1_is_decoded_as_its_guide_says() -> None:
    assert meanings(MOD11A1_QC, "01 10 00 01") == {
        "mandatory QA": "other quality",
        "data quality": "good",
        "emissivity error": "≤ 0.04",
        "LST error": "≤ 2 K",
    }


def test_mod21a1_is_decoded_as_its_guide_says() -> None:
    assert meanings(MOD21A1_QC, "10 01 11 00 10 01 00 01") == {
        "mandatory QA": "other quality",
        "data quality": "good L1B data",
        "cloud": "thin cirrus",
        "iterations": "5, nominal",
        "atmospheric opacity": "≥ 0.3",
        "MMD": "< 0.03",
        "emissivity accuracy": "0.015 to 0.02",
        "LST accuracy": "1 to 1.5 K",
    }


@LAYOUTS
@given(data=st.data())
def test_the_fields_are_all_of_the_bits_and_none_twice(layout: QcLayout, data: st.DataObject) -> None:
    number = data.draw(st.integers(0, np.iinfo(layout.number_type).max))
    decoded = Quality(np.array([[number]], layout.number_type), layout)
    assert sum(int(decoded.code(field.name)[0, 0]) << field.first_bit for field in layout.fields) == number


@given(st.integers(0, 65535))
def test_only_two_bits_say_what_was_produced(qc: int) -> None:
    assert bool(not_produced(np.array([qc], dtype=np.uint16))[0]) == (qc % 4 >= 2)


@LAYOUTS
def test_produced_and_good_go_by_the_mandatory_bits(layout: QcLayout) -> None:
    decoded = quality(layout, "11110100", "11110101", "11110110", "11110111")
    assert decoded.usable().tolist() == [[True, True, False, False]]
    assert decoded.usable("produced").tolist() == [[True, True, False, False]]
    assert decoded.usable("good").tolist() == [[True, False, False, False]]


@pytest.mark.parametrize("policy", ["best", "", 2.0, None])
def test_an_unknown_policy_is_refused(policy: object) -> None:
    with pytest.raises(InputError, match=r"QC policy .* is unknown; expected one of produced, good"):
        quality(MOD21A1_QC, "0").usable(policy)  # type: ignore[arg-type]


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(InputError, match=r"no field 'MMD'; expected one of mandatory QA, data quality"):
        quality(MOD11A1_QC, "0").code("MMD")
