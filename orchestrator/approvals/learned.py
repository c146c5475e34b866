"""What a yes teaches. Owns: that an approved e-mail which went out counts for its pattern, once.

An errand of the queen's: it looks for approvals whose e-mail is out and whose lesson is not there
yet, so that neither a crash nor a late answer of a vendor loses one. A yes whose e-mail never went
out teaches nothing.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

from sqlalchemy import Connection, exists, select

from guardrails.approval_model import Approval, ApprovalState
from guardrails.audit import AuditLog
from guardrails.bank import Lesson
from guardrails.clock import Clock, iso
from guardrails.documents import load
from guardrails.each import each
from guardrails.errors import AuditBroken, NotFound
from guardrails.lessons import Happened, lesson_of, record_lesson
from guardrails.policy import GateInputs
from guardrails.store import Store
from guardrails.store.people_tables import approvals, lessons
from guardrails.store.write_tables import deliveries
from orchestrator.delivery_rows import DeliveryState

_BATCH = 50
_REACH = timedelta(days=30)  # since an approval would have expired
_EVENT = "approval_sent:"


class LearnedYes:
    """Queues what approved e-mails that went out teach."""

    def __init__(self, store: Store, audit: AuditLog, clock: Clock) -> None:
        self._store = store
        self._audit = audit
        self._clock = clock

    async def run(self) -> int:
        """Queue what is missing. Gives how many.

        Raises:
            StoreUnavailable: the same call may be made again.
            AuditBroken: one decision is not on record; it held up no other.
        """
        since = iso(self._clock() - _REACH)
        found = await self._store.query(lambda conn: _untaught(conn, since))
        return len(await each(found, self._taught))

    async def _taught(self, approval: Approval) -> None:
        lesson = await asyncio.to_thread(self._lesson, approval)
        await self._store.run(partial(record_lesson, lesson=lesson, at=iso(self._clock())))

    def _lesson(self, approval: Approval) -> Lesson:
        record = self._audit.find(approval.decision_audit_id)
        if record is None or approval.ended_at is None or approval.ended_by is None:
            raise AuditBroken(f"the decision that {approval.approval_id} is about is not on record")
        try:
            inputs = load(self._store, record["body"]["inputs_digest"], GateInputs)
        except NotFound:
            inputs = None  # erased since: the pattern is still on record
        what = Happened(
            event_id=f"{_EVENT}{approval.approval_id}",
            outcome="approval_sent",
            at=approval.ended_at,
            actor=approval.ended_by,
            trust="human",
        )
        return lesson_of(record, inputs, what)


def _untaught(conn: Connection, since: str) -> list[Approval]:
    event = _EVENT + approvals.c.approval_id
    statement = (
        select(approvals)
        .join(deliveries, deliveries.c.delivery_id == approvals.c.decision_audit_id)
        .where(
            approvals.c.state == ApprovalState.APPROVED.value,
            approvals.c.expires_at >= since,
            deliveries.c.state == DeliveryState.SENT.value,
            ~exists().where(lessons.c.event_id == event),
        )
        .limit(_BATCH)
    )
    return [Approval.of(row) for row in conn.execute(statement)]
