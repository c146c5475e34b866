"""What is done about an event. Owns: the order.

    look up -> read the answer -> suppress -> record -> withdraw what waits for a person
    -> everything else, in one transaction -> learn

Suppression comes first and waits for nobody: not for the audit, not for the bank. What waits for a
person is withdrawn before what waits to go out is refused: an approver who is quicker has queued
theirs by then. A crash anywhere leaves the delivery in the inbox; it is worked on again, to no
further effect. What the webhook's secret lets in can only make us more careful; good news counts
only about what we sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy import Connection

from guardrails.audit import AuditLog
from guardrails.auto_pause import Finding, Tell
from guardrails.clock import Clock
from guardrails.config import Config
from guardrails.documents import load
from guardrails.errors import BadInput, BankUnreadable, NotFound, SwarmError
from guardrails.model import Draft
from guardrails.outcomes import RULES, OutcomeKind, kind_of_reply
from guardrails.policy import GateInputs
from guardrails.replies import Mail, Reading, ReplyReader
from guardrails.store import Store
from orchestrator.outcomes.effects import Judged, apply, protect_here, suppression_of
from orchestrator.outcomes.event import Body, Event
from orchestrator.outcomes.events import event_of
from orchestrator.outcomes.match import Match, find
from orchestrator.outcomes.record import Decision, entry_of, lessons_of, note_of, pause_entry

log = structlog.get_logger(__name__)
Withdraw = Callable[[str, str], Awaitable[object]]
Fold = Callable[[], Awaitable[object]]
Settle = Callable[[Connection, str | None, str], object]


@dataclass(frozen=True)
class Handled:
    """What came of an event. `outcome_id` None: nothing comes of events like this."""

    outcome_id: str | None
    note: str
    lead_id: str | None = None
    kind: OutcomeKind | None = None
    lessons: tuple[str, ...] = ()
    paused: tuple[Finding, ...] = ()


class Outcomes:
    """Handles events, each once; several queens may work at the same time.

    Args:
        salt: the hive's.
        withdraw: `(lead_id, reason_code)` ends what waits for a person.
        fold: puts waiting lessons into the bank.
        tell: `(conn, key, text, at)` queues a notice.
    """

    def __init__(
        self,
        store: Store,
        audit: AuditLog,
        salt: bytes,
        config: Config,
        clock: Clock,
        *,
        withdraw: Withdraw,
        fold: Fold,
        tell: Tell,
    ) -> None:
        self._store = store
        self._audit = audit
        self._salt = salt
        self._rules = config.production.auto_pause
        self._reader = ReplyReader(config.replies)
        self._clock = clock
        self._withdraw = withdraw
        self._fold = fold
        self._tell = tell

    async def handle(
        self,
        source: str,
        body: Body,
        received_at: datetime,
        *,
        inbox_id: str | None = None,
        settle: Settle | None = None,
    ) -> Handled:
        """Do everything about one delivery.

        Args:
            source: instantly | ghl | unsubscribe.
            settle: `(conn, lead_id, note)` ends the delivery, after all the rest.

        Raises:
            BadInput: it says nothing that could be understood; nothing was done.
            StoreUnavailable, AuditUnwritable, AuditBroken: it must be handled again.
        """
        event = event_of(source, body, received_at)
        if event.kind is None:
            handled = Handled(None, "nothing comes of it")
        elif not event.names_somebody:
            raise BadInput(f"{event.kind.value}, and nobody is named: look at the vendor")
        else:
            handled = await self._take(event, inbox_id)
        if settle is not None:
            await self._store.run(lambda conn: settle(conn, handled.lead_id, handled.note))
        if handled.lessons:
            await self._learn()
        return handled

    async def _take(self, event: Event, inbox_id: str | None) -> Handled:
        match = await self._store.query(lambda conn: find(conn, self._salt, event))
        decision = await self._decided(event, match)
        judged = await asyncio.to_thread(self._judged, event, match, decision)
        now = self._clock()
        if suppression_of(judged) is not None:
            await self._store.run(lambda conn: protect_here(conn, judged, now))
        (ref,) = await self._audit.record([entry_of(judged, inbox_id)])
        why = RULES[judged.kind].leaves
        for lead_id in match.lead_ids if why is not None else ():
            await self._withdraw(lead_id, str(why))
        found = await self._store.run(
            lambda conn: apply(conn, judged, inbox_id, ref.audit_id, self._rules, self._tell, now)
        )
        if found:
            await self._audit.record([pause_entry(one, judged, now) for one in found])
        return Handled(
            outcome_id=event.outcome_id,
            note=note_of(judged),
            lead_id=match.lead_id,
            kind=judged.kind,
            lessons=tuple(lesson.event_id for lesson in judged.lessons),
            paused=found,
        )

    async def _decided(self, event: Event, match: Match) -> Decision:
        """The decision; when the record cannot be read, whoever wants to leave leaves first."""
        try:
            return await asyncio.to_thread(self._decision, match)
        except SwarmError:
            nothing = Decision(None, None)
            careful = await asyncio.to_thread(self._judged, event, match, nothing)
            now = self._clock()
            await self._store.run(lambda conn: protect_here(conn, careful, now))
            raise

    def _judged(self, event: Event, match: Match, decision: Decision) -> Judged:
        assert event.kind is not None
        plain = Judged(
            event=event,
            match=match,
            kind=event.kind,
            reply_class=None,
            said=event.said,
            rule=None,
            angry=False,
            to_person=event.kind is OutcomeKind.REPLY and match.lead_id is not None,
            until=None,
            lessons=(),
        )
        judged = self._read(plain, decision.draft) if event.answer is not None else plain
        return replace(judged, lessons=tuple(lessons_of(judged, decision)))

    def _read(self, judged: Judged, draft: Draft | None) -> Judged:
        """With the answer read."""
        answer, event = judged.event.answer, judged.event
        assert answer is not None
        reading = self._reader.read(
            Mail(
                received_at=event.at,
                text=answer.text,
                html=answer.html,
                subject=answer.subject,
                sender=answer.sender,
                headers=answer.headers,
                ours=draft.body if draft is not None else "",
                our_subject=draft.subject if draft is not None else "",
                machine=event.kind is OutcomeKind.AUTO_REPLY,
            )
        )
        kind = kind_of_reply(reading.reply_class, permanent=reading.permanent)
        return replace(
            judged,
            kind=kind,
            reply_class=reading.reply_class,
            said="text",
            rule=reading.rule,
            angry=reading.angry,
            to_person=_for_person(reading, judged),
            until=reading.until if kind is OutcomeKind.AUTO_REPLY else None,
        )

    def _decision(self, match: Match) -> Decision:
        if match.decision_audit_id is None:
            return Decision(None, None)
        record = self._audit.find(match.decision_audit_id)
        if record is None:  # in another machine's chain
            return Decision(None, None)
        try:
            inputs = load(self._store, record["body"]["inputs_digest"], GateInputs)
        except (NotFound, BadInput):
            inputs = None  # erased since, or of another version: the record still tells the scope
        return Decision(record, inputs)

    async def _learn(self) -> None:
        """At once; what cannot be learned now waits, and the queen's loop says so as well."""
        try:
            await self._fold()
        except BankUnreadable as error:
            log.warning("lessons_wait", why=error.message)


def _for_person(reading: Reading, judged: Judged) -> bool:
    return reading.to_person and judged.match.lead_id is not None
