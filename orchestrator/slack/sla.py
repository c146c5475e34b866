"""Drafts that wait too long. Owns: one reminder, then somebody else, then the end: not sent.

Stamp and notice are one transaction, so that a restart reminds nobody twice and forgets nobody.
Refuses to take silence for consent, and to call the writer of a text to approve it.
"""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection

from guardrails import approval_rows as rows
from guardrails.approval_model import Approval
from guardrails.approvals import Approvals
from guardrails.approvers import Approver
from guardrails.clock import Clock
from guardrails.config.models import ApprovalRules
from guardrails.errors import AuditBroken, SwarmError
from guardrails.store import Store
from orchestrator.slack import outbox

log = structlog.get_logger(__name__)
_EVERY_S = 5.0


class Sla:
    """Looks after what waits. `escalate_after`: from the reminder on."""

    def __init__(
        self, store: Store, approvals: Approvals, rules: ApprovalRules, clock: Clock
    ) -> None:
        self._store = store
        self._approvals = approvals
        self._escalate_after = timedelta(minutes=rules.escalate_after_minutes)
        self._clock = clock

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            try:
                await self.round()
            except SwarmError as error:
                log.warning("slack_sla_waits", code=error.code)
            await asyncio.sleep(_EVERY_S)

    async def round(self) -> None:
        """Do what is due now.

        Raises:
            StoreUnavailable, AuditUnwritable: nothing is lost; the next round does it.
            AuditBroken: of one approval; the others were looked after.
        """
        broken: AuditBroken | None = None
        for ending in (self._approvals.finish_recorded, self._approvals.expire_due):
            try:
                await ending()
            except AuditBroken as error:
                broken = broken or error
        await self._call_people()
        if broken is not None:
            raise broken

    async def _call_people(self) -> None:
        now = self._clock()
        for late in await self._store.query(lambda conn: rows.to_remind(conn, now)):
            await self._call(late, "reminded_at", self.first(late), now)
        escalate = await self._store.query(
            lambda conn: rows.to_escalate(conn, now, self._escalate_after)
        )
        for late in escalate:
            await self._call(late, "escalated_at", self.other(late), now)

    def first(self, late: Approval) -> Approver | None:
        """Who is reminded: one person, so that nobody thinks of somebody else."""
        people = [a for a in self._able(late) if a.role == "approver"]
        # Spread by the approval's id: each is reminded of their share.
        chosen = int(hashlib.sha256(late.approval_id.encode()).hexdigest()[:8], 16)
        return people[chosen % len(people)] if people else None

    def other(self, late: Approval) -> Approver | None:
        """Who is asked instead: somebody else, those for escalations first."""
        first = self.first(late)
        people = [a for a in self._able(late) if a != first]
        return min(people, key=lambda a: a.role != "escalation", default=None)

    def _able(self, late: Approval) -> list[Approver]:
        everybody = self._approvals.approvers.all()
        return [a for a in everybody if a.slack_user_id is not None and a.id != late.author]

    async def _call(
        self, late: Approval, column: str, whom: Approver | None, now: datetime
    ) -> None:
        escalation = column == "escalated_at"
        text, key = _words(late, whom, escalation), f"{column}:{late.approval_id}"
        mention = whom.slack_user_id if whom else None

        def work(conn: Connection) -> None:
            if rows.stamp(conn, late.approval_id, column, now):
                outbox.notice(
                    conn, key, text, at=now, approval_id=late.approval_id, mention=mention,
                    while_waiting=True,
                )  # fmt: skip

        await self._store.run(work)


def _words(late: Approval, whom: Approver | None, escalation: bool) -> str:
    ends = f"Without a yes by {_clock_time(late.expires_at)} it is not sent."
    if escalation and whom is None:
        return f"Still nobody has decided, and nobody else is on the list. {ends}"
    if escalation:
        return f"nobody has decided yet: please take this one over. {ends}"
    return f"{'this' if whom else 'This'} has waited since {_clock_time(late.requested_at)}. {ends}"


def _clock_time(moment: datetime) -> str:
    utc = moment.astimezone(UTC)
    return f"{utc:%a} {utc.day} {utc:%b}, {utc:%H:%M} UTC"
