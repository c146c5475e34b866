"""A person's acts upon the bank. Owns: that each is on record, with its reason, before it counts.

An act is an event of the bank like any other, named after its record, so that it is folded once
and merges. Refuses an act without a reason, and a success that nobody reported.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, or_, select

from guardrails.audit import AuditEntry, AuditLog, AuditRef, without_addresses
from guardrails.bank import Bank, Item
from guardrails.bank.fold import key_of
from guardrails.bank.golden import promoted_event
from guardrails.bank.models import Deed, Event, ItemAction
from guardrails.bank.tell import find_item
from guardrails.clock import Clock, iso, parse
from guardrails.documents import load
from guardrails.errors import BadInput, NotFound
from guardrails.lessons import Happened, lesson_of, record_lesson
from guardrails.outcomes import SUCCESSES, OutcomeKind
from guardrails.policy import GateInputs
from guardrails.store import Store
from guardrails.store.people_tables import outcomes
from guardrails.store.write_tables import writes

_LONGEST = 2000  # as an event of the bank has it
_MEETINGS = (OutcomeKind.MEETING_BOOKED.value, OutcomeKind.MEETING_COMPLETED.value)


@dataclass(frozen=True)
class Person:
    """Who acts, and why; both on record, the reason without addresses."""

    actor: str
    reason: str

    def __post_init__(self) -> None:
        said = without_addresses(self.reason).strip()
        if not said:
            raise BadInput("a reason is needed", remedy="Say why; it is kept on the record.")
        if len(said) > _LONGEST:
            raise BadInput(f"a reason has at most {_LONGEST:,} characters, this has {len(said):,}")
        object.__setattr__(self, "reason", said)


@dataclass(frozen=True)
class Acted:
    """An act that is on record and in the bank."""

    item: Item
    audit: AuditRef


@dataclass(frozen=True)
class Success:
    """An e-mail of which the vendor, or its answer, says that it succeeded."""

    write_key: str
    lead_id: str | None
    decision_audit_id: str
    outcome_id: str
    kind: OutcomeKind
    at: datetime


class Acts:
    """Retire, release, promote, label."""

    def __init__(self, store: Store, audit: AuditLog, bank: Bank, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._bank = bank
        self._clock = clock

    async def act(self, name: str, action: Deed, by: Person) -> Acted:
        """Promote, retire or release (one probe) an item.

        Raises:
            NotFound: no such item. BadInput: nothing that this act could change.
            BankUnreadable, AuditUnwritable: nothing was done, or it is on record only: again.
        """
        item = find_item(self._bank, name)
        _require_sense(item, action)
        body = {"bank_item": item.id, "act": action, "kind": item.kind, "title": item.title}
        ref = await self._record(body, by)
        event = ItemAction(
            event_id=f"act:{ref.audit_id}",
            at=self._clock(),
            action=action,
            actor=by.actor,
            text=by.reason,
            key=key_of(item),
        )
        await self._learn(event)
        return Acted(find_item(self._bank, item.id), ref)

    async def label(self, audit_id: str, would_send: bool, by: Person) -> AuditRef:
        """Say whether a blocked draft should have gone out. The latest word of all counts.

        Raises:
            NotFound: not on record. BadInput: nothing that the bank blocked.
        """
        record = await asyncio.to_thread(self._audit.find, audit_id)
        if record is None:
            raise NotFound(f"{audit_id} is not on record")
        bank = record["body"].get("bank") if record["kind"] == "review" else None
        if not bank or bank.get("verdict") != "block":
            raise BadInput(
                f"{audit_id} is no draft that the bank blocked",
                remedy="`swarm bank precision` lists those that wait for a label.",
            )
        body = {"label_of": record["audit_id"], "would_send": would_send}
        return await self._record(body, by, kind="bank_label", lead_id=record["lead_id"])

    async def promote_success(self, name: str, by: Person) -> Acted:
        """Make an e-mail that succeeded a golden pattern, and its success a person's word.

        Args:
            name: a ledger key, or a lead id.

        Raises:
            NotFound: no outcome on record says that it succeeded, or its structure was erased.
        """
        found = await self._store.query(lambda conn: success_of(conn, name))
        record = await asyncio.to_thread(self._audit.find, found.decision_audit_id)
        if record is None:
            raise NotFound(f"decision {found.decision_audit_id} is not on record here")
        inputs = await asyncio.to_thread(
            load, self._store, record["body"]["inputs_digest"], GateInputs
        )
        if inputs.draft is None or not inputs.draft.features:
            raise NotFound(f"{found.write_key}: nothing is known of its structure")
        body = {"promoted_success": found.write_key, "outcome_id": found.outcome_id}
        once = f"promote:{found.write_key}"
        ref = await self._record(body, by, lead_id=found.lead_id, decision_id=once)
        said = await asyncio.to_thread(self._audit.find, ref.audit_id)
        assert said is not None  # recorded a moment ago; whoever was first is its actor
        lesson = lesson_of(record, inputs, _confirmed(found, said))
        golden = promoted_event(
            lesson,
            inputs.draft.features,
            actor=said["actor"],
            at=parse(said["at"]),
            # The person's words stand in the lesson, from which an erasure takes them.
            source=f"{found.kind.value.replace('_', ' ')} {found.outcome_id}",
        )
        await self._learn(lesson, golden)
        (item,) = (one for one in self._bank.items() if _is_of(one, golden.event_id))
        return Acted(item, ref)

    async def _learn(self, *events: Event) -> None:
        """Queued for every hive's bank, and into this one at once."""

        def work(conn: Connection) -> None:
            for event in events:
                record_lesson(conn, event, iso(self._clock()))

        await self._store.run(work)
        await asyncio.to_thread(self._bank.learn, *events)

    async def _record(
        self,
        body: dict[str, Any],
        by: Person,
        *,
        kind: str = "bank",
        lead_id: str | None = None,
        decision_id: str | None = None,
    ) -> AuditRef:
        said: dict[str, Any] = without_addresses({**body, "reason": by.reason})
        entry = AuditEntry(
            kind=kind, actor=by.actor, body=said, lead_id=lead_id, decision_id=decision_id
        )
        return (await self._audit.record([entry]))[0]


def success_of(conn: Connection, name: str) -> Success:
    """The latest outcome that speaks well of the e-mail, or of the lead's latest.

    Raises:
        NotFound: none does.
    """
    kinds = [kind.value for kind in SUCCESSES - {OutcomeKind.REPLY}]
    answered = (outcomes.c.kind == OutcomeKind.REPLY.value) & (outcomes.c.reply_class == "positive")
    row = conn.execute(
        select(outcomes, writes.c.decision_audit_id)
        .join(writes, writes.c.key == outcomes.c.write_key)
        .where(or_(outcomes.c.write_key == name, outcomes.c.lead_id == name))
        .where(or_(outcomes.c.kind.in_(kinds), answered), writes.c.decision_audit_id.is_not(None))
        .order_by(outcomes.c.at.desc(), outcomes.c.outcome_id)
        .limit(1)
    ).first()
    if row is None:
        raise NotFound(
            f"no good outcome of {name!r} is on record",
            remedy="Only what an answer, the vendor or a meeting says can be promoted.",
        )
    return Success(
        row.write_key, row.lead_id, row.decision_audit_id, row.outcome_id,
        OutcomeKind(row.kind), parse(row.at),
    )  # fmt: skip


def _confirmed(found: Success, said: dict[str, Any]) -> Happened:
    meeting = found.kind.value in _MEETINGS
    return Happened(
        event_id=f"promoted:{found.write_key}",
        outcome="meeting" if meeting else "positive_reply",
        at=found.at,
        actor=said["actor"],
        trust="human",
        text=said["body"]["reason"],
    )


def _require_sense(item: Item, action: Deed) -> None:
    """An act that could change nothing is refused, so that nobody believes that it did."""
    if action == "promoted" and item.status != "quarantined":
        raise BadInput(f"{item.id} is {item.status}: only what is quarantined can be promoted")
    if action == "retired" and item.status == "retired":
        raise BadInput(f"{item.id} is retired already")
    if action == "released" and (item.kind != "learned_failure" or item.status != "active"):
        raise BadInput(
            f"{item.id} is {item.status}, a {item.kind}: only a repeated failure can be released",
            remedy="A hard rule is retired, not released.",
        )


def _is_of(item: Item, event_id: str) -> bool:
    return item.kind == "golden" and any(one.event_id == event_id for one in item.evidence)
