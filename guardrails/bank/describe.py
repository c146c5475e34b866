"""The bank as a table for a person. Owns: one row per item, with its effect at this moment."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from guardrails.bank.bank import Bank
from guardrails.bank.consult import consult_slice
from guardrails.bank.models import Item, ItemScope, Kind, Pattern, Status, Trust
from guardrails.bank.posterior import beliefs
from guardrails.bank.slices import BankSlice
from guardrails.bank.wording import scope_text
from guardrails.model import Frozen, Scope, Verdict

Effect = Literal["block", "review", "cite", "success", "none"]


class BankRow(Frozen):
    """One item as `swarm bank show` prints it. k and n are decayed for learned failures."""

    id: str
    kind: Kind
    title: str
    scope: str
    k: float
    n: float
    probability: float | None
    effect: Effect
    status: Status
    trust: Trust
    last_at: datetime


def describe(bank: Bank, now: datetime) -> list[BankRow]:
    """A row per item: hard rules, then learned failures, then golden patterns, each by id."""
    order = ("hard_rule", "learned_failure", "golden")
    items = sorted(bank.items(), key=lambda item: (order.index(item.kind), item.id))
    return [_row(bank, item, now) for item in items]


def _row(bank: Bank, item: Item, now: datetime) -> BankRow:
    k, n, probability, effect = item.alpha, item.alpha + item.beta, None, _standing(item)
    if item.kind == "learned_failure" and effect != "none":
        k, n, probability, effect = _learned(bank, item, now)
    return BankRow(
        id=item.id,
        kind=item.kind,
        title=item.title,
        scope=_place(item),
        k=round(k, 2),
        n=round(n, 2),
        probability=None if probability is None else round(probability, 4),
        effect=effect,
        status=item.status,
        trust=item.source_trust,
        last_at=item.evidence[-1].at,
    )


def _standing(item: Item) -> Effect:
    if item.status in ("quarantined", "retired"):
        return "none"
    return "block" if item.kind == "hard_rule" else "success" if item.kind == "golden" else "cite"


def _place(item: Item) -> str:
    if item.scope == ItemScope():
        return f"lead {item.match.lead_id}" if item.match.lead_id else "one text"
    return scope_text(item.scope)


def _learned(bank: Bank, item: Item, now: datetime) -> tuple[float, float, float, Effect]:
    pattern = Pattern(scope=Scope.model_validate(item.scope.model_dump()))
    part: BankSlice = bank.slice_for(pattern)
    belief = beliefs(part.levels, part.as_of, bank.policy, now)[0]
    effects: dict[Verdict, Effect] = {Verdict.BLOCK: "block", Verdict.REVIEW: "review"}
    verdict = consult_slice(part, pattern, bank.policy, now).verdict
    probability = belief.probability(bank.policy.theta)
    return belief.k, belief.n, probability, effects.get(verdict, "cite")
