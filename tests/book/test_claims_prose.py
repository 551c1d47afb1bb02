"""The claims as pages show them."""

from __future__ import annotations

import re

import pytest

from lstsr_book.claim_evidence import Figure
from lstsr_book.claims import Beside, Claim
from lstsr_book.claims_prose import claims_sentence, claims_table, edition_claims_table, protocols_sentence

FIGURE = Figure("FRR", "SIF-CNN-SR1 − Bicubic", "0.966 [0.951, 0.979]", 0.966, 0.951, 0.979, 62, 1)


def claim(number: int, verdict: str = "reproduced", beside: tuple[Beside, ...] = ()) -> Claim:
    return Claim(
        number, "A < B.", "abstract", "not published", "georeferenced", "FRR 0.966; RMSE 2", "Rule.", verdict,
        "a.csv", (FIGURE,) if beside else (), beside,
    )  # fmt: skip


def beside(verdict: str) -> tuple[Beside, ...]:
    return (Beside("published", "FRR 0.978", verdict, (FIGURE,)),)


def test_outcomes_are_counted_in_words() -> None:
    rows = [
        claim(1),
        claim(2),
        claim(3, "partly reproduced: not for FRO"),
        claim(4, "cannot be tested here: why"),
    ]
    assert (
        claims_sentence(rows, "62 of the 83 published pairs")
        == "Of the paper's four claims, judged on 62 of the 83 published pairs, two came out as reproduced,"
        " one as partly reproduced and none as not reproduced; one cannot be tested here."
    )


def test_the_other_protocols_outcome_is_told_where_it_differs() -> None:
    agreeing = (
        claim(1, beside=beside("agrees")),
        claim(2, "partly reproduced: x", beside("agrees, partly reproduced: y")),
    )
    assert protocols_sentence([*agreeing, claim(5)]).endswith(
        "Under the one that does not decide, none would come out otherwise."
    )
    said = protocols_sentence([*agreeing, claim(9, beside=beside("partly reproduced: not for FRR"))])
    assert said.startswith("Three claims could be judged under both protocols.")
    assert '<a href="#claim-9">claim 9</a> (partly reproduced: not for FRR) would come out otherwise.' in said
    assert "claim-1" not in said and "claim-2" not in said


@pytest.mark.parametrize("others", [(), beside("agrees")])
def test_a_row_has_its_anchor_figures_and_labels(others: tuple[Beside, ...]) -> None:
    table = claims_table([claim(7, "partly reproduced: not for <FRO>", others)], "_static/kept")
    assert table.count('<tr id="claim-7">') == 1
    assert "A &lt; B." in table and "not for &lt;FRO&gt;" in table
    assert '<span class="badge-verdict partly-reproduced">partly reproduced</span>' in table
    assert '<a href="_static/kept/a.csv" download>' in table
    assert re.findall(r'data-label="([^"]+)"', table) == [
        "What is claimed",
        "Published",
        "Found",
        "Rule",
        "Verdict",
    ]
    assert "<li>FRR 0.966</li><li>RMSE 2</li>" in table
    folds = table.count("<li>FRR, SIF-CNN-SR1 − Bicubic: 0.966 [0.951, 0.979]</li>")
    assert folds == (2 if others else 0) and ("<strong>published</strong>: agrees" in table) == bool(others)


def test_the_editions_own_claims_link_to_the_others() -> None:
    table = edition_claims_table([claim(3, "cannot be tested here: synthetic sample")])
    assert (
        '<a href="#claim-3">3</a>' in table and "FRR 0.966; RMSE 2" in table and "synthetic sample" in table
    )
    assert "id=" not in table
