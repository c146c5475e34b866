"""Withdrawing a submission. Owns: that nothing of it goes out any more that was not out already.

Rows that nobody has decided about end `deferred`, on record first; whoever prepares one of them at
that moment finds it ended, and queues nothing. Waiting approvals are withdrawn, and what was on its
way is given up. Each step may be done again: a crash in between is mended by the same call.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, func, select, update

from guardrails.approvals import Approvals
from guardrails.audit import AuditEntry, AuditLog
from guardrails.clock import Clock, iso
from guardrails.decisions import intake_body
from guardrails.ledger import Status
from guardrails.model import LeadState, Reason, digest
from guardrails.store import Store
from guardrails.store.tables import run_items, runs
from guardrails.store.write_tables import deliveries, writes
from orchestrator.deliveries import give_up
from orchestrator.delivery_rows import DeliveryState
from orchestrator.submission_rows import Found, Stage, find, take_out

_WHY = Reason(
    code="cancelled",
    text="The submission was cancelled before anything went out.",
    remedy="hand it in again under another key",
)
_CHUNK = 500
_Row = tuple[int, str]  # row, lead id


@dataclass(frozen=True)
class Cancelled:
    """What one call withdrew, and what had gone out."""

    stage: Stage
    undecided: int = 0
    approvals: int = 0
    unsent: int = 0
    sent: int = 0
    unknown: int = 0


@dataclass(frozen=True)
class _Counted:
    """How a run's deliveries stand, by state; and how many of the refused may be going out."""

    by_state: dict[str, int]
    under_way: int

    def of(self, state: DeliveryState) -> int:
        return self.by_state.get(state.value, 0)


class Canceller:
    """Over the database, the audit and the approvals.

    Args:
        actor: who cancels, for the record.
    """

    def __init__(
        self, store: Store, audit: AuditLog, approvals: Approvals, clock: Clock, actor: str
    ) -> None:
        self._store = store
        self._audit = audit
        self._approvals = approvals
        self._clock = clock
        self._actor = actor

    async def cancel(self, submission: str) -> Cancelled:
        """Withdraw what was not sent.

        Raises:
            NotFound: there is no such submission.
            AuditUnwritable, StoreUnavailable: call again; what was withdrawn stays so.
        """
        await self._store.query(lambda conn: find(conn, submission))
        entry = AuditEntry(
            "submission",
            self._actor,
            {"act": "cancelled", "submission_id": submission},
            decision_id=f"submission-cancelled:{submission}",
        )
        await self._audit.record([entry])
        found = await self._store.run(lambda conn: self._before_it_was_taken(conn, submission))
        if found.run_id is None:
            return Cancelled(found.stage)
        return await self._run(found, found.run_id)

    def _before_it_was_taken(self, conn: Connection, submission: str) -> Found:
        take_out(conn, submission, self._clock())
        return find(conn, submission)

    async def _run(self, found: Found, run_id: str) -> Cancelled:
        rows = await self._store.query(partial(_undecided, run_id))
        recorded = await self._record(found, run_id, rows)
        ended, before = await self._store.run(partial(self._end, run_id, recorded))
        withdrawn = await self._approvals.withdraw("cancelled", run_id=run_id)
        # An approver may have been quicker: what their yes has queued is given up as well.
        await self._store.run(partial(self._end, run_id, {}))
        now = await self._store.query(partial(_counted, run_id))
        given_up = now.of(DeliveryState.REFUSED) - before.of(DeliveryState.REFUSED)
        return Cancelled(
            Stage.CANCELLED,
            undecided=ended,
            approvals=len(withdrawn),
            # What another call had given up may have gone out meanwhile after all.
            unsent=max(0, given_up - now.under_way),
            sent=now.of(DeliveryState.SENT),
            unknown=now.of(DeliveryState.UNKNOWN) + now.under_way,
        )

    async def _record(self, found: Found, run_id: str, rows: Sequence[_Row]) -> dict[int, str]:
        """On the record first; gives each row's audit id."""
        assert found.mode is not None
        with self._store.read() as conn:
            sandbox = conn.execute(select(runs.c.sandbox).where(runs.c.run_id == run_id)).scalar()
        at = iso(self._clock())
        recorded: dict[int, str] = {}
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            entries = [
                AuditEntry(
                    kind="intake",
                    actor=self._actor,
                    body=intake_body(
                        row, LeadState.DEFERRED, (_WHY,), found.mode, bool(sandbox), at
                    ),
                    decision_id=f"D-{digest({'run': run_id, 'row': row, 'act': 'cancel'})[:32]}",
                    lead_id=lead_id,
                    run_id=run_id,
                )
                for row, lead_id in chunk
            ]
            refs = await self._audit.record(entries)
            recorded |= {row: ref.audit_id for (row, _), ref in zip(chunk, refs, strict=True)}
        return recorded

    def _end(self, run_id: str, recorded: dict[int, str], conn: Connection) -> tuple[int, _Counted]:
        """End the rows, the run, and what is on its way; how many rows it were, and how the
        deliveries stood before.
        """
        now, ended = iso(self._clock()), 0
        for row, audit_id in recorded.items():
            values = {"state": LeadState.DEFERRED.value, "result": _RESULT, "audit_id": audit_id}
            open_ = (
                run_items.c.run_id == run_id,
                run_items.c.row == row,
                run_items.c.state.is_(None),
            )
            statement = update(run_items).where(*open_).values(values | {"updated_at": now})
            ended += conn.execute(statement).rowcount
        running = (runs.c.run_id == run_id, runs.c.status != "abandoned")
        conn.execute(update(runs).where(*running).values(status="abandoned", finished_at=now))
        before = _counted(run_id, conn)
        give_up(conn, [run_id], now, _WHY)
        return ended, before


_RESULT = json.dumps(
    {"reasons": [_WHY.model_dump(mode="json")], "score": None, "tier": None, "cost_micros": 0}
)


def _undecided(run_id: str, conn: Connection) -> list[_Row]:
    statement = (
        select(run_items.c.row, run_items.c.lead_id)
        .where(run_items.c.run_id == run_id, run_items.c.state.is_(None))
        .order_by(run_items.c.row)
    )
    return [(row.row, row.lead_id) for row in conn.execute(statement)]


def _counted(run_id: str, conn: Connection) -> _Counted:
    statement = (
        select(deliveries.c.state, func.count().label("number"))
        .where(deliveries.c.run_id == run_id)
        .group_by(deliveries.c.state)
    )
    by_state = {row.state: row.number for row in conn.execute(statement)}
    return _Counted(by_state, _under_way(run_id, conn))


def _under_way(run_id: str, conn: Connection) -> int:
    """E-mails that were given up and may be going out at this moment all the same."""
    given_up = (deliveries.c.run_id == run_id, deliveries.c.state == DeliveryState.REFUSED.value)
    begun = (Status.CLAIMED.value, Status.DISPATCHING.value)
    statement = (
        select(func.count())
        .select_from(writes)
        .where(
            writes.c.decision_audit_id.in_(select(deliveries.c.delivery_id).where(*given_up)),
            writes.c.counts,
            writes.c.status.in_(begun),
        )
    )
    number: int = conn.execute(statement).scalar_one()
    return number
