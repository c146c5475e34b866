"""How right the bank's blocks have been. Owns: what counts as a person's word on a block, and the
interval around the share.

Precision: of the drafts that the bank blocked by what it *learned*, how many a person would not
have sent. Known only where a person said so: by a label, or by approving or rejecting the same
template to the same lead afterwards (a released probe, or after the rule was retired). Blocks by a
person's own former word (hard rules) are no judgement of the bank's and are shown apart. Refuses
to guess: nobody labelled, nothing is known; and labels are those that people chose to give.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select

from guardrails.bank.beta import beta_tail
from guardrails.store.people_tables import approvals

LEVEL = 0.9
_SHOWN = 20
_STEPS = 60
_WORDS = {"approved": True, "rejected": False}
Record = Mapping[str, Any]


@dataclass(frozen=True)
class Block:
    """One draft that the bank blocked. `would_send`: a person's word, if there is one."""

    audit_id: str
    at: str
    lead_id: str
    template_hash: str | None
    by: str  # the item that blocked it
    learned: bool
    would_send: bool | None = None
    word: str | None = None  # label | approved | rejected


@dataclass(frozen=True)
class Precision:
    """The answer. `share` and `interval` are None when nobody labelled anything.

    Args:
        interval: credible, of `level`, under a uniform prior.
    """

    blocked: int
    labelled: int
    right: int
    share: float | None
    interval: tuple[float, float] | None
    level: float
    hard: int
    blocks: tuple[Block, ...] = field(repr=False, default=())

    @property
    def unlabelled(self) -> tuple[str, ...]:
        """Learned blocks without a word, the latest first."""
        waiting = [one for one in self.blocks if one.learned and one.would_send is None]
        return tuple(one.audit_id for one in reversed(waiting))[:_SHOWN]


def words_of_people(conn: Connection) -> dict[str, tuple[str, str]]:
    """Decision to (state, when) of every approval that a person ended."""
    rows = conn.execute(
        select(approvals.c.decision_audit_id, approvals.c.state, approvals.c.ended_at).where(
            approvals.c.state.in_(tuple(_WORDS))
        )
    )
    return {row.decision_audit_id: (row.state, row.ended_at) for row in rows}


def precision(records: Iterable[Record], ended: Mapping[str, tuple[str, str]]) -> Precision:
    """Precision from the whole record.

    Args:
        records: of the audit, one machine's after the other's, each oldest first.
        ended: `words_of_people`.
    """
    blocks: list[Block] = []
    labels: dict[str, tuple[str, bool]] = {}  # when, and what
    words: list[tuple[tuple[str, str | None], str, str]] = []  # lead and template, state, when
    for record in records:
        body = record["body"]
        if record["kind"] == "bank_label":
            before, _ = labels.get(body["label_of"], ("", False))
            if record["at"] >= before:
                labels[body["label_of"]] = record["at"], body["would_send"]
        elif record["kind"] == "review":
            if (block := _block(record)) is not None:
                blocks.append(block)
            if record["audit_id"] in ended:
                same = (record["lead_id"], body.get("template_hash"))
                words.append((same, *ended[record["audit_id"]]))
    blocks.sort(key=lambda block: block.at)
    judged = tuple(_judged(block, labels, words) for block in blocks)
    learned = [block for block in judged if block.learned]
    told = [block for block in learned if block.would_send is not None]
    right = sum(block.would_send is False for block in told)
    return Precision(
        blocked=len(learned),
        labelled=len(told),
        right=right,
        share=right / len(told) if told else None,
        interval=interval(right, len(told)) if told else None,
        level=LEVEL,
        hard=len(judged) - len(learned),
        blocks=judged,
    )


def interval(k: int, n: int, level: float = LEVEL) -> tuple[float, float]:
    """The middle `level` of Beta(1 + k, 1 + n - k)."""
    a, b, out = 1.0 + k, 1.0 + n - k, (1.0 - level) / 2
    return _quantile(a, b, out), _quantile(a, b, 1.0 - out)


def _quantile(a: float, b: float, share: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if 1.0 - beta_tail(a, b, middle) < share:
            low = middle
        else:
            high = middle
    return round((low + high) / 2, 4)


def _block(record: Record) -> Block | None:
    bank = record["body"].get("bank")
    if not bank or bank.get("verdict") != "block":
        return None
    causes = [one for one in bank["citations"] if one["effect"] == "block"]
    return Block(
        audit_id=record["audit_id"],
        at=record["at"],
        lead_id=record["lead_id"],
        template_hash=record["body"].get("template_hash"),
        by=causes[0]["item_id"] if causes else "",
        learned=bool(causes) and all(one["kind"] == "learned_failure" for one in causes),
    )


def _judged(
    block: Block,
    labels: Mapping[str, tuple[str, bool]],
    words: Iterable[tuple[tuple[str, str | None], str, str]],
) -> Block:
    """With a person's word: their label, or the last that they said of the same thing later."""
    if block.audit_id in labels:
        _, would_send = labels[block.audit_id]
        return Block(**(vars(block) | {"would_send": would_send, "word": "label"}))
    same = (block.lead_id, block.template_hash)
    later = [(when, state) for about, state, when in words if about == same and when > block.at]
    if not later:
        return block
    _, state = max(later)
    return Block(**(vars(block) | {"would_send": _WORDS[state], "word": state}))
