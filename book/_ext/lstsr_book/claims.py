"""The paper's ten claims, each judged from the files of a run by a rule that was fixed beforehand."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lstsr_book.claim_evidence import UNTESTABLE, Evidence, Figure, Finding, outcome_of
from lstsr_book.claim_rules import METRICS_READ, NO_FIGURE, RULES, SYNTHETIC, Rule
from lstsr_book.run_files import METRICS, SUMMARY, RunFiles
from lstsr_core.base.errors import NoResult
from lstsr_core.base.files import written_atomically
from lstsr_core.base.project import REGISTRY
from lstsr_core.pairs.published import read_registry

CLAIMS_FILE = "claims.json"
AGREES = "agrees"


@dataclass(frozen=True)
class Beside:
    """What a protocol that does not decide says of a claim.

    Attributes
    ----------
    protocol, ours : str
        Its name, and the figures under it.
    verdict : str
        "agrees" where it gives the same outcome; else what it gives, or why it gives none.
    figures : tuple of Figure
    """

    protocol: str
    ours: str
    verdict: str
    figures: tuple[Figure, ...] = ()


@dataclass(frozen=True)
class Claim:
    """One row of the claims table.

    Attributes
    ----------
    number : int
        1 … 10.
    text, source : str
        What the paper claims, and where.
    published : str
        The published figure, or "not published".
    protocol : str
        The protocol that decides; empty where the claim is of no comparison with ASTER.
    ours : str
        The figure of this edition under that protocol, or why there is none.
    rule : str
        The rule that gives the verdict.
    verdict : str
        "reproduced", "not reproduced", "partly reproduced" or "cannot be tested here", the last two followed
        by
        a colon and why.
    file : str
        The run's file that `ours` comes from.
    figures : tuple of Figure
        Those that the verdict hangs on, with their intervals.
    beside : tuple of Beside
        The same under the protocols that do not decide.
    """

    number: int
    text: str
    source: str
    published: str
    protocol: str
    ours: str
    rule: str
    verdict: str
    file: str
    figures: tuple[Figure, ...] = ()
    beside: tuple[Beside, ...] = ()

    @property
    def outcome(self) -> str:
        """The verdict without its reason."""
        return outcome_of(self.verdict)

    @property
    def reason(self) -> str:
        """Of the verdict; empty where it has none."""
        return self.verdict.partition(": ")[2]


def claims(files: RunFiles, registry: Path = REGISTRY) -> list[Claim]:
    """Judge the ten claims from the files of a run.

    Parameters
    ----------
    files : RunFiles
        Of a run, as ``lstsr run`` leaves it.
    registry : Path
        Names and sha256 of the published files, one a line.

    Raises
    ------
    InputError
        If a file of the run is missing or is not what it should be.
    """
    evidence = Evidence(files, files.table(METRICS, METRICS_READ), read_registry(registry))
    synthetic = bool(files.json(SUMMARY).get("synthetic", True))
    rows = []
    for number, rule in enumerate(RULES, start=1):
        deciding, *others = rule.protocols or ("",)
        finding = _finding(rule, evidence, deciding)
        verdict = finding.verdict
        beside = []
        for protocol in others:
            other = _finding(rule, evidence, protocol)
            beside.append(Beside(protocol, other.ours, _beside(other.verdict, verdict), other.figures))
        if synthetic and not rule.synthetic:
            verdict = _on_synthetic(verdict)
            beside = [replace(other, verdict=verdict) for other in beside]
        claim = Claim(
            number, rule.text, rule.source, rule.published, deciding, finding.ours, rule.rule, verdict,
            rule.file, finding.figures, tuple(beside),
        )  # fmt: skip
        rows.append(claim)
    return rows


def _finding(rule: Rule, evidence: Evidence, protocol: str) -> Finding:
    try:
        return rule.judge(evidence, protocol)
    except NoResult as error:
        return Finding(NO_FIGURE, f"{UNTESTABLE}: {error}")


def _beside(verdict: str, deciding: str) -> str:
    if outcome_of(verdict) == UNTESTABLE or outcome_of(verdict) != outcome_of(deciding):
        return verdict
    return AGREES if verdict == deciding else f"{AGREES}, {verdict}"


def _on_synthetic(verdict: str) -> str:
    further = verdict.partition(": ")[2] if verdict.startswith(UNTESTABLE) else ""
    return f"{UNTESTABLE}: {'; '.join(filter(None, [SYNTHETIC, further]))}"


def write_claims(rows: list[Claim], path: Path) -> None:
    """Write claims as JSON, the same bytes for the same claims, atomically."""
    with written_atomically(path) as temporary:
        content = json.dumps([asdict(row) for row in rows], indent=2, ensure_ascii=False)
        temporary.write_text(content + "\n", encoding="utf-8")
