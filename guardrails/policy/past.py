"""What the reasoning bank and the golden set say, as checks. Owns: their place among the rules."""

from __future__ import annotations

from guardrails.model import Verdict
from guardrails.policy.case import Case
from guardrails.policy.rules import Finding, Findings, Rule, defer, passed


def bank(case: Case) -> Findings:
    """Have we failed with this pattern before? A draft that was not compared waits."""
    if case.draft is None:
        return
    answer = case.bank
    if answer is None:
        yield defer("bank_not_consulted", "The reasoning bank was not consulted for this draft.")
    elif answer.verdict is Verdict.PASS:
        yield passed(answer.text)
    else:
        speaking = [item for item in answer.citations if item.effect in {"block", "review"}]
        kind = speaking[0].kind if speaking else "bank"
        remedy = speaking[0].would_pass_if if speaking else None
        yield Finding(answer.verdict, f"bank_{kind}", answer.text, remedy)


def golden(case: Case) -> Findings:
    """Does this match the success patterns? Told, and never a veto: the bank weighs it."""
    if case.bank is None:
        return
    match = case.bank.golden
    if match.matched:
        yield passed(f"Matches {match.title} ({match.item_id}), {match.similarity:.0%} in common.")
    else:
        missing = f"; missing: {', '.join(match.missing)}" if match.missing else ""
        nearest = f"; nearest {match.item_id}, {match.similarity:.0%}" if match.item_id else ""
        yield passed(f"Matches no golden pattern{nearest}{missing}.", "no_golden_match")


RULES = (
    Rule("bank", "No draft to compare with past failures.", bank),
    Rule("golden_set", "No draft to compare with the golden set.", golden),
)
