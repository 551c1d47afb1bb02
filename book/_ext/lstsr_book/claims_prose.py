"""The claims as the book's pages show them."""

from __future__ import annotations

from collections.abc import Sequence

from lstsr_book.claim_evidence import NOT_REPRODUCED, PARTLY, REPRODUCED, UNTESTABLE
from lstsr_book.claims import AGREES, Claim
from lstsr_book.markup import in_words, listed, part


def claims_sentence(rows: Sequence[Claim], scenes: str) -> str:
    """How many claims came out how.

    Parameters
    ----------
    rows : sequence of Claim
    scenes : str
        What they were judged on, such as "62 of the 83 published ASTER–MODIS pairs".
    """
    counts = {
        outcome: in_words(sum(claim.outcome == outcome for claim in rows))
        for outcome in (REPRODUCED, PARTLY, NOT_REPRODUCED, UNTESTABLE)
    }
    return (
        f"Of the paper's {in_words(len(rows))} claims, judged on {scenes}, {counts[REPRODUCED]} came out "
        f"as "
        f"reproduced, {counts[PARTLY]} as partly reproduced and {counts[NOT_REPRODUCED]} as not reproduced; "
        f"{counts[UNTESTABLE]} cannot be tested here."
    )


def protocols_sentence(rows: Sequence[Claim]) -> str:
    """Whether the protocol that does not decide would have given the same outcomes."""
    otherwise = [
        _part("other_verdict", claim, other.verdict)
        for claim in rows
        for other in claim.beside
        if other.figures and not other.verdict.startswith((AGREES, UNTESTABLE))
    ]
    compared = sum(any(other.figures for other in claim.beside) for claim in rows)
    return (
        f"{in_words(compared).capitalize()} claims could be judged under both protocols. Under the one that "
        f"does not "
        f"decide, {listed(otherwise)} would come out otherwise."
    )


def claims_table(rows: Sequence[Claim], folder: str) -> str:
    """The table of claims, each with the anchor ``claim-<number>``; `folder` holds the linked files."""
    return _part("all_claims", rows, folder)


def edition_claims_table(rows: Sequence[Claim]) -> str:
    """What the same rules give on an edition's own data, in short."""
    return _part("edition_claims", rows)


def _part(name: str, *values: object) -> str:
    return part(name, *values, template="claims.html")
