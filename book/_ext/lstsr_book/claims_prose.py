"""The claims as the book's pages show them."""

from __future__ import annotations

from collections.abc import Sequence

from lstsr_book.claim_evidence import NOT_REPRODUCED, PARTLY, REPRODUCED, UNTESTABLE, Figure
from lstsr_book.claims import Claim
from lstsr_book.markup import in_words, link, listed, text

_HEADINGS = ["No.", "Claim", "Published", "Found", "Rule", "Verdict"]


def claims_sentence(rows: Sequence[Claim], judged_on: str) -> str:
    """How many claims came out how.

    Parameters
    ----------
    rows : sequence of Claim
    judged_on : str
        What they were judged on, such as "62 of the 83 published ASTER–MODIS pairs".
    """
    counts = {
        outcome: in_words(sum(claim.outcome == outcome for claim in rows))
        for outcome in (REPRODUCED, PARTLY, NOT_REPRODUCED, UNTESTABLE)
    }
    return (
        f"Of the paper's {in_words(len(rows))} claims, judged on {judged_on}, {counts[REPRODUCED]} came out as reproduced, "
        f"{counts[PARTLY]} as partly reproduced and {counts[NOT_REPRODUCED]} as not reproduced; {counts[UNTESTABLE]} cannot be "
        "tested here."
    )


def protocols_sentence(rows: Sequence[Claim]) -> str:
    """Whether the protocol that does not decide would have given the same outcomes."""
    otherwise = [
        f'<a href="#claim-{claim.number}">claim {claim.number}</a> ({text(found.verdict)})'
        for claim in rows
        for found in claim.beside
        if found.figures and not found.verdict.startswith(("agrees", UNTESTABLE))
    ]
    compared = sum(any(found.figures for found in claim.beside) for claim in rows)
    said = f"{in_words(compared).capitalize()} claims could be judged under both protocols. Under the one that does not decide, "
    return f"{said}{listed(otherwise)} would come out otherwise." if otherwise else f"{said}none would come out otherwise."


def claims_table(rows: Sequence[Claim], folder: str) -> str:
    """The table of claims, each with the anchor ``claim-<number>``; `folder` holds the files that are linked."""
    lines = []
    for claim in rows:
        found = _found(claim.protocol, "decides", claim.ours, claim.figures)
        found += "".join(_found(b.protocol, b.verdict, b.ours, b.figures) for b in claim.beside)
        lines.append(
            f'<tr id="claim-{claim.number}"><th scope="row">{claim.number}</th>'
            + _cell("claim", "What is claimed", f"{text(claim.text)} <small>Source: {text(claim.source)}</small>")
            + _cell("published", "Published", text(claim.published))
            + _cell("ours", "Found", f"{found}<small>{link(claim.file, folder)}</small>")
            + _cell("rule", "Rule", text(claim.rule))
            + _cell("verdict", "Verdict", _verdict(claim))
            + "</tr>"
        )
    head = "".join(f'<th scope="col">{title}</th>' for title in _HEADINGS)
    body = "\n".join(lines)
    return (
        '<div class="table-box stacked"><table class="claims">\n'
        f"<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def edition_claims_table(rows: Sequence[Claim]) -> str:
    """What the same rules give on an edition's own data, in short."""
    lines = [
        f'<tr><th scope="row"><a href="#claim-{claim.number}">{claim.number}</a></th>'
        f'<td class="words">{text(claim.ours)}</td><td class="words">{_verdict(claim)}</td></tr>'
        for claim in rows
    ]
    head = "".join(f'<th scope="col">{title}</th>' for title in ("No.", "This edition", "Verdict"))
    body = "\n".join(lines)
    return (
        '<div class="table-box facts" tabindex="0" role="region" aria-label="Claims on this edition\'s own data">'
        f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _cell(kind: str, label: str, content: str) -> str:
    return f'<td class="{kind}" data-label="{label}">{content}</td>'


def _verdict(claim: Claim) -> str:
    reason = claim.verdict.partition(": ")[2]
    badge = f'<span class="badge-verdict {claim.outcome.replace(" ", "-")}">{text(claim.outcome)}</span>'
    return badge + (f" <small>{text(reason)}</small>" if reason else "")


def _found(protocol: str, verdict: str, ours: str, figures: Sequence[Figure]) -> str:
    heading = f"<strong>{text(protocol)}</strong>: {text(verdict)}" if protocol else ""
    lines = "".join(f"<li>{text(line)}</li>" for line in ours.split("; "))
    listed_figures = "".join(f"<li>{text(figure.quantity)}, {text(figure.of)}: {text(figure.text)}</li>" for figure in figures)
    summary = f"{len(figures)} figures with 95 % intervals"
    folded = f"<details><summary>{summary}</summary><ul>{listed_figures}</ul></details>" if figures else ""
    return f"{heading}<ul>{lines}</ul>{folded}"
