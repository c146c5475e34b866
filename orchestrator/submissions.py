"""Submitted leads on their way to a decision. Owns: from the inbox to a run, whole or not at all.

All rows of a submission and the end of its delivery are one transaction, so that a crash leaves
either a delivery that is taken up again or a run with every row in it. Rows that cannot be used,
and people who are in hand already, are on the audit record first and end there; nobody is decided
about twice at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from guardrails.clock import Clock, iso
from guardrails.errors import BadInput
from guardrails.model import Lead, LeadState, Mode, Reason
from guardrails.store import Store
from guardrails.store.tables import run_items, runs
from orchestrator.deliver_writes import Caller
from orchestrator.inbox import Received, settle
from orchestrator.inbox_state import InboxState
from orchestrator.intake import honour_opt_outs, marks, record_rejected
from orchestrator.mcp_session import ToolFailed
from orchestrator.run_records import Rejected, lead_row, rejected_row
from orchestrator.submission_rows import (
    MAX_ROWS,
    Submission,
    forget_body,
    new_run,
    read,
    run_id_of,
    still_new,
)
from orchestrator.visitors import in_hand_as, one_at_a_time
from servers.hunter import contract as hunter

_PAGE = 200


@dataclass(frozen=True)
class _Read:
    """All rows of a submission: leads, what is set aside, and addresses of who wants no contact."""

    leads: tuple[Lead, ...]
    rejected: tuple[hunter.RejectedRow, ...]
    opted_out: tuple[str, ...]


class Submissions:
    """Takes submissions in; every write is one short transaction.

    Args:
        recent: who was written to within it is left alone.
    """

    def __init__(
        self,
        store: Store,
        children: Caller,
        clock: Clock,
        mode: Mode,
        salt: bytes,
        *,
        sandbox: bool,
        recent: timedelta,
    ) -> None:
        self._store = store
        self._children = children
        self._clock = clock
        self._mode = mode
        self._salt = salt
        self._sandbox = sandbox
        self._recent = recent

    async def take(self, received: Received) -> str:
        """Make a submission a run. Gives what became of it, for a person.

        Raises:
            BadInput: it is no submission.
            ToolFailed, ServerUnavailable, StoreUnavailable: it stays in the inbox.
        """
        submission = read(received)
        run_id = run_id_of(submission.submission_id, self._mode)
        try:
            found = await self._read(submission)
        except BadInput as error:
            return await self._refuse(received.id, submission.submission_id, error)
        now = self._clock()
        await self._store.run(
            lambda conn: honour_opt_outs(conn, salt=self._salt, emails=found.opted_out, at=now)
        )
        known = await self._store.query(lambda conn: self._in_hand(conn, found.leads, now))
        while True:  # ends: each time around, more of them are known to be in hand
            aside = (*found.rejected, *_held(found.leads, known))
            recorded = await record_rejected(self._children, run_id, aside)
            free = [lead for lead in found.leads if lead.row not in known]
            place = partial(
                self._place,
                delivery=received.id,
                submission=submission.submission_id,
                leads=free,
                recorded=recorded,
                now=now,
            )
            more = await self._store.run(place)
            if more is None:
                return f"{run_id}: nothing is left to take up"
            if not more:
                return f"{run_id}: {len(free)} leads, {len(recorded)} set aside"
            known |= more

    async def _read(self, submission: Submission) -> _Read:
        leads: list[Lead] = []
        rejected: list[hunter.RejectedRow] = []
        opted_out: list[str] = []
        cursor: str | None = None
        while True:
            request = hunter.ImportLeads(csv_text=submission.csv_text, cursor=cursor, limit=_PAGE)
            try:
                page = await self._children.call(hunter.SERVER, hunter.IMPORT_LEADS, request)
            except ToolFailed as error:
                if error.failure.code != BadInput.code:
                    raise
                raise BadInput(error.message, remedy=error.remedy) from error
            leads += [lead for lead in page.leads if lead.row is not None]
            rejected += page.rejected
            opted_out += page.opted_out_emails
            if len(leads) + len(rejected) > MAX_ROWS:
                raise BadInput(f"more than {MAX_ROWS} rows", remedy="Submit them in parts.")
            cursor = page.next_cursor
            if cursor is None:
                return _Read(_marked(leads, rejected), tuple(rejected), tuple(opted_out))

    async def _refuse(self, delivery: str, submission: str, why: BadInput) -> str:
        """Nothing in it can be read: its people's data are not kept."""
        now, note = self._clock(), f"{why.message}. {why.remedy}"

        def work(conn: Connection) -> None:
            settle(conn, delivery, now, state=InboxState.JUNK, note=note)
            forget_body(conn, submission)

        await self._store.run(work)
        return note

    def _in_hand(
        self, conn: Connection, leads: Sequence[Lead], now: datetime
    ) -> dict[int | None, str]:
        since = now - self._recent
        why = ((lead.row, in_hand_as(conn, lead.lead_id, since)) for lead in leads)
        return {row: text for row, text in why if text is not None}

    def _place(
        self,
        conn: Connection,
        *,
        delivery: str,
        submission: str,
        leads: Sequence[Lead],
        recorded: Sequence[Rejected],
        now: datetime,
    ) -> dict[int | None, str] | None:
        """All rows into the run and the delivery out of the inbox, or who was taken in hand
        meanwhile, and then nothing. None: it was cancelled, or is another queen's."""
        one_at_a_time(conn)
        if not still_new(conn, delivery):
            return None
        if more := self._in_hand(conn, leads, now):
            return more
        run_id, at = run_id_of(submission, self._mode), iso(now)
        total = len(leads) + len(recorded)
        # Before anything is placed: on PostgreSQL it may have been cancelled since we looked.
        if not settle(conn, delivery, now, note=f"{run_id}: {total} rows"):
            return None
        run = new_run(submission, self._mode, sandbox=self._sandbox, total=total, at=at)
        conn.execute(runs.insert().values(run))
        rows = [lead_row(run_id, lead, at) for lead in leads]
        rows += [rejected_row(run_id, each, at) for each in recorded]
        if rows:
            conn.execute(run_items.insert(), rows)
        forget_body(conn, submission)
        return {}


def _marked(leads: Sequence[Lead], rejected: Sequence[hunter.RejectedRow]) -> tuple[Lead, ...]:
    """What set-aside rows say of a person holds for their lead."""
    told = {lead.row: lead for lead in leads}
    for mark in marks(rejected):
        told[mark.row] = mark.on(told[mark.row])
    return tuple(told.values())


def _held(leads: Sequence[Lead], known: dict[int | None, str]) -> list[hunter.RejectedRow]:
    """The rows of people who are in hand already."""
    return [
        hunter.RejectedRow(
            row=lead.row,
            state=LeadState.DUPLICATE.value,
            lead_id=lead.lead_id,
            reasons=(
                Reason(
                    code="in_hand",
                    text=f"This person is in hand already: {known[lead.row]}.",
                    remedy="hand them in again when that has ended",
                ),
            ),
        )
        for lead in leads
        if lead.row is not None and lead.row in known
    ]
