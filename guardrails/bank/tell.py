"""One item of the bank, told whole. Owns: its numbers, its evidence, and what would change it.

Nothing is computed here that a consultation would not: the citation is the one a draft of exactly
this scope would get.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from guardrails.bank.bank import Bank
from guardrails.bank.citations import golden_citation, hard_citation
from guardrails.bank.consult import consult_slice
from guardrails.bank.describe import BankRow, describe
from guardrails.bank.fold import counted
from guardrails.bank.models import Evidence, Item, Pattern
from guardrails.bank.slices import GoldenSlice, cite
from guardrails.errors import NotFound
from guardrails.model import BankCitation, Frozen, Scope


class Told(Frozen):
    """An item as `swarm bank explain` prints it.

    `counted`: event ids that count today. `citation`: None when the item does not speak.
    """

    row: BankRow
    item: Item
    counted: tuple[str, ...]
    citation: BankCitation | None
    answer: str | None


def find_item(bank: Bank, name: str) -> Item:
    """The item of this id, or of the only one that begins so.

    Raises:
        NotFound: none, or several.
    """
    found = [item for item in bank.items() if item.id.startswith(name)] if name else []
    exact = [item for item in found if item.id == name]
    if len(exact or found) != 1:
        many = f"{len(found)} items of the bank begin with {name!r}"
        raise NotFound(
            many if found else f"no item {name!r} in the reasoning bank",
            remedy="`swarm bank show` lists them.",
        )
    return (exact or found)[0]


def tell(bank: Bank, name: str, now: datetime) -> Told:
    """Everything about one item. Raises NotFound."""
    item = find_item(bank, name)
    (row,) = (row for row in describe(bank, now) if row.id == item.id)
    citation, answer = _speaks(bank, item, now) if row.effect != "none" else (None, None)
    return Told(
        row=row,
        item=item,
        counted=tuple(one.event_id for one in counted(item.evidence)),
        citation=citation,
        answer=answer,
    )


def lines(told: Told) -> Iterator[str]:
    """For a person."""
    row, item, said = told.row, told.item, told.citation
    yield f"{item.id}: {item.title}"
    yield item.description
    yield f"Status {item.status}, trust {item.source_trust}; effect today: {row.effect}."
    if said is not None and item.kind == "learned_failure":
        yield (
            f"Failures {said.k:g} of {said.n:g} trials, decayed by age; prior {said.prior}, "
            f"posterior {said.posterior}; P = {said.probability:g}, threshold {said.threshold:g}."
        )
    if said is not None and item.kind != "golden":
        yield f"Would pass if: {said.would_pass_if}."
    if told.answer:
        yield told.answer
    if item.match.features:
        structure = ", ".join(f"{name}={value}" for name, value in item.match.features.items())
        yield f"Structure: {structure}"
    yield "Evidence, newest first:"
    for one in reversed(item.evidence):
        yield f"  {_evidence(one, one.event_id in told.counted)}"


def _speaks(bank: Bank, item: Item, now: datetime) -> tuple[BankCitation | None, str | None]:
    if item.kind == "hard_rule":
        return hard_citation(cite(item)), None
    if item.kind == "golden":
        part = GoldenSlice(level="segment_angle_persona", cited=cite(item), features={})
        return golden_citation(part, bank.policy), None
    pattern = Pattern(scope=Scope.model_validate(item.scope.model_dump()))
    answer = consult_slice(bank.slice_for(pattern), pattern, bank.policy, now)
    mine = (one for one in answer.citations if one.item_id == item.id)
    return next(mine, None), answer.text


def _evidence(one: Evidence, counts: bool) -> str:
    code = f" ({one.reason_code})" if one.reason_code else ""
    words = f": {one.text}" if one.text else ""
    what = one.outcome.replace("_", " ")
    deed = one.outcome in ("promoted", "retired", "released")
    note = "" if counts or deed else " [not counted]"
    return f"{one.at:%Y-%m-%d %H:%M} {what}{code} by {one.actor}, {one.trust}{words}{note}"
