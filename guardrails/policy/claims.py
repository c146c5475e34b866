"""Whether what a draft says is true. Owns: the claim ledger's check at the moment of decision.

Each claim stands in the text, rests on evidence that the dossier really holds, is fresh, and is
contradicted by nothing better. The draft's own word for its evidence counts for nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import get_args

from guardrails.model import Claim, Fact, FactName, FactValue
from guardrails.policy.case import Case, utc
from guardrails.policy.rules import Finding, Findings, Rule, block
from guardrails.policy.words import fold

PLAIN_ANGLE = "plain"
_SKEW = timedelta(hours=1)  # machines' clocks differ
_FACTS = frozenset(get_args(FactName))


def specific(case: Case) -> Findings:
    """One company claim and one role claim, or the plain template that makes none."""
    if case.draft is None or case.draft.scope.angle == PLAIN_ANGLE:
        return
    kinds = {claim.kind for claim in case.draft.claims}
    lacking = [kind for kind in ("company", "role") if kind not in kinds]
    if lacking:
        text = f"No {' and no '.join(lacking)} claim, and not the plain template."
        yield block("not_specific", text, "it has one of each, or the plain template is used")


def ledger(case: Case) -> Findings:
    """Every claim, one by one."""
    if case.draft is None:
        return
    for claim in case.draft.claims:
        shown = f"“{claim.text}”"
        if not claim.text.strip() or fold(claim.text) not in f"{case.subject}\n{case.body}":
            yield block("claim_not_in_text", f"The claim {shown} does not stand in the draft.")
        elif (problem := _unsupported(case, claim, shown)) is not None:
            yield problem


def _unsupported(case: Case, claim: Claim, shown: str) -> Finding | None:
    if claim.fact == "news":
        return _news(case, claim, shown)
    if claim.fact not in _FACTS:
        return block("claim_unsupported", f"{shown} rests on {claim.fact!r}, which is no fact.")
    fact = case.inputs.dossier.facts.get(claim.fact)  # type: ignore[call-overload]
    on_row = getattr(case.lead, claim.fact, None)
    from_row = claim.source == case.lead.source and on_row is not None and same(claim, on_row)
    if fact is None and not from_row:
        return block("claim_unsupported", f"{shown}: nothing is known about {claim.fact}.")
    if fact is None:
        return _aged(case, claim, claim.ttl_days, claim.fetched_at, shown)
    if same(claim, fact.value) and _same_origin(claim, fact):
        return _aged(case, claim, fact.ttl_days, fact.fetched_at, shown)
    if from_row:
        return _disputed(claim, fact, shown)
    return block(
        "claim_contradicted" if claim.source == fact.source else "claim_unsupported",
        f"{shown} does not rest on what is known about {claim.fact} ({fact.source}).",
        "the draft is written from the facts on record",
    )


def _disputed(claim: Claim, fact: Fact, shown: str) -> Finding | None:
    """The row backs the claim; an enriched fact says otherwise, with some confidence."""
    if same(claim, fact.value):
        return None
    text = f"{shown} follows the row, but {fact.source} says otherwise about {claim.fact}."
    return block("claim_contradicted", text, "the sources agree")


def _news(case: Case, claim: Claim, shown: str) -> Finding | None:
    research = case.inputs.dossier.research
    for item in research.news if research else ():
        same_item = fold(item.title) == fold(claim.evidence) and item.url == claim.url
        if same_item and item.source == claim.source:
            return _aged(case, claim, claim.ttl_days, item.fetched_at, shown)
    return block("claim_unsupported", f"{shown}: no such news item was found.")


def _aged(case: Case, claim: Claim, ttl_days: int, at: datetime, shown: str) -> Finding | None:
    now, ttl = case.inputs.now, min(ttl_days, claim.ttl_days)
    for fetched in (utc(at), utc(claim.fetched_at)):
        if fetched > now + _SKEW:
            return block("claim_time", f"{shown} rests on evidence dated in the future.")
        if now - fetched > timedelta(days=ttl):
            text = f"{shown} rests on evidence of {fetched:%Y-%m-%d}, good for {ttl} days."
            return block("claim_stale", text, "the evidence is fetched anew")
    return None


def _same_origin(claim: Claim, fact: Fact) -> bool:
    return claim.source == fact.source and utc(claim.fetched_at) == utc(fact.fetched_at)


def same(claim: Claim, value: FactValue) -> bool:
    """Whether the claim's evidence is this value, or one of several, however it was printed."""
    wanted = fold(claim.evidence)
    if isinstance(value, tuple):
        return wanted in {fold(item) for item in value} or wanted in {
            fold(joint.join(value)) for joint in (", ", "; ", " and ", "\n")
        }
    if isinstance(value, bool):
        return wanted.casefold() == str(value).casefold()
    if isinstance(value, int | float):
        return wanted.replace(",", "") == str(value)
    return wanted == fold(value)


RULES = (
    Rule("specific", "Company- and role-specific, or the plain template.", specific),
    Rule("claims", "Every claim stands in the text and on fresh evidence.", ledger),
)
