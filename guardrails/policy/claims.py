"""Whether what a draft says is true. Owns: the claim ledger's check at the moment of decision.

Each claim stands in the text, rests on evidence that the dossier really holds, is fresh, and is
contradicted by nothing better. The draft's own word for its evidence counts for nothing.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import cast, get_args

from guardrails.model import Claim, Fact, FactName, FactValue
from guardrails.policy.case import Case, utc
from guardrails.policy.rules import Finding, Findings, Rule, block, review
from guardrails.policy.words import fold, plain

PLAIN_ANGLE = "plain"
_SKEW = timedelta(hours=1)  # machines' clocks differ
_FACTS = frozenset(get_args(FactName))
_PERSONAL = frozenset({"first_name", "last_name", "email", "linkedin_url"})  # not in reasons
_TRUSTED = 0.5  # confidence from which a source can contradict the row
_OTHER_WORDS = frozenset({"industry"})  # every source has its own list of them
_WORD = re.compile(r"\w+")


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
        shown = f"The {claim.fact} claim" if claim.fact in _PERSONAL else f"“{claim.text}”"
        if not claim.text.strip() or fold(claim.text) not in f"{case.subject}\n{case.body}":
            yield block("claim_not_in_text", f"{shown} is claimed but does not stand in the draft.")
        elif (problem := _unsupported(case, claim, shown)) is not None:
            yield problem


def _unsupported(case: Case, claim: Claim, shown: str) -> Finding | None:
    if claim.fact == "news":
        return _news(case, claim, shown)
    if claim.fact == "crm":
        return _crm(case, claim, shown)
    if claim.fact not in _FACTS:
        return block("claim_unsupported", f"{shown} rests on {claim.fact!r}, which is no fact.")
    fact = case.inputs.dossier.facts.get(cast(FactName, claim.fact))
    if fact is not None and same(claim, fact.value) and _same_origin(claim, fact):
        return _aged(case, claim, fact.ttl_days, shown)
    on_row = getattr(case.lead, claim.fact, None)
    if claim.source == case.lead.source and on_row is not None and same(claim, on_row):
        return _disputed(claim, fact, shown) or _aged(case, claim, claim.ttl_days, shown)
    known = f"what is known about it ({fact.source})" if fact else "anything known"
    text = f"{shown} does not rest on {known}: {claim.fact}."
    return block("claim_unsupported", text, "the draft is written from the facts on record")


def _disputed(claim: Claim, fact: Fact | None, shown: str) -> Finding | None:
    """The row backs the claim; does a trusted source say something else altogether?

    Words differ between sources all the time (VP Sales, Vice President of Sales): texts that
    share a word are for the same thing, others are for a person. Numbers are equal or not.
    """
    trusted = fact is not None and fact.confidence >= _TRUSTED
    if fact is None or not trusted or claim.fact in _OTHER_WORDS or same(claim, fact.value):
        return None
    remedy = "the sources agree"
    if not isinstance(fact.value, str):
        text = f"{shown} follows the row, but {fact.source} contradicts it on {claim.fact}."
        return block("claim_contradicted", text, remedy)
    if set(_WORD.findall(plain(claim.evidence))) & set(_WORD.findall(plain(fact.value))):
        return None
    text = f"{shown} follows the row; {fact.source} has other words for {claim.fact}."
    return review("claim_disputed", text, remedy)


def _crm(case: Case, claim: Claim, shown: str) -> Finding | None:
    crm = case.inputs.dossier.crm
    last = crm.last_contacted_at if crm and crm.contact_id else None
    if last is not None and claim.source == "ghl" and f"{utc(last):%Y-%m-%d}" in claim.evidence:
        return _aged(case, claim, claim.ttl_days, shown)
    return block("claim_unsupported", f"{shown}: the CRM has no such contact on record.")


def _news(case: Case, claim: Claim, shown: str) -> Finding | None:
    research = case.inputs.dossier.research
    for item in research.news if research else ():
        same_item = fold(item.title) == fold(claim.evidence) and item.url == claim.url
        same_fetch = item.source == claim.source and utc(item.fetched_at) == utc(claim.fetched_at)
        if same_item and same_fetch:
            return _aged(case, claim, claim.ttl_days, shown)
    return block("claim_unsupported", f"{shown}: no such news item was found.")


def _aged(case: Case, claim: Claim, ttl_days: int, shown: str) -> Finding | None:
    fetched, ttl = utc(claim.fetched_at), min(ttl_days, claim.ttl_days)
    if fetched > case.inputs.now + _SKEW:
        return block("claim_time", f"{shown} rests on evidence dated in the future.")
    if case.inputs.now - fetched > timedelta(days=ttl):
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
