"""RB2B visitors on their way to a decision. Owns: a day's run of them, nobody in hand twice.

A visitor leaves the inbox in the transaction that makes them a row of the day's run, so that none
is lost between the two and none becomes two rows. Somebody who is in hand already (waits for a
person, is on their way out, or was written to lately) is not decided about a second time.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, or_, select, update

from guardrails.approval_rows import in_hand
from guardrails.clock import Clock, iso
from guardrails.errors import BadInput
from guardrails.ledger import HELD
from guardrails.model import Lead, Mode
from guardrails.store import Store, insert_if_absent
from guardrails.store.tables import run_items, runs
from guardrails.store.write_tables import writes
from orchestrator.deliver_writes import Caller
from orchestrator.delivery_rows import on_its_way
from orchestrator.inbox import Received, settle
from orchestrator.inbox_state import InboxState
from orchestrator.run_records import lead_row
from servers.hunter import contract as hunter

_KEY = "visitors:"
SUBMITTED = "submission:"  # runs of leads that somebody submitted are worked off like visitors'
_PEOPLE = 0x50454F50  # any number, the same everywhere


def run_of_day(moment: datetime, mode: Mode) -> str:
    """Id of the run that a visit of this moment belongs to."""
    return f"V-{moment:%Y%m%d}-{mode.value}"


class Visitors:
    """Takes visitors in; every write is one short transaction.

    Args:
        recent: who was written to within it is left alone.
    """

    def __init__(
        self,
        store: Store,
        children: Caller,
        clock: Clock,
        mode: Mode,
        *,
        sandbox: bool,
        recent: timedelta,
    ) -> None:
        self._recent = recent
        self._store = store
        self._children = children
        self._clock = clock
        self._mode = mode
        self._sandbox = sandbox

    async def take(self, received: Received) -> str:
        """Make a visitor a row of today's run. Gives what became of them, for a person.

        Raises:
            BadInput: the body is no visitor.
            ToolFailed, ServerUnavailable, StoreUnavailable: it stays in the inbox.
        """
        request = hunter.ReadVisitor(payload=_payload(received))
        found = await self._children.call(hunter.SERVER, hunter.READ_VISITOR, request)
        now = self._clock()
        lead = found.lead
        if lead is None:
            why = "; ".join(reason.code for reason in found.reasons) or "nobody in it"
            await self._store.run(
                lambda conn: settle(conn, received.id, now, state=InboxState.JUNK, note=why)
            )
            return f"no lead: {why}"
        return await self._store.run(lambda conn: self._into_run(conn, received, lead, now))

    def _into_run(self, conn: Connection, received: Received, lead: Lead, now: datetime) -> str:
        one_at_a_time(conn)
        run_id = run_of_day(now, self._mode)
        self._open(conn, run_id, now)
        here = runs.c.run_id == run_id
        known = in_hand_as(conn, lead.lead_id, now - self._recent)
        row: int = conn.execute(select(runs.c.total).where(here)).scalar_one() + 1
        note = f"in hand: {known}" if known else f"{run_id} row {row}"
        if settle(conn, received.id, now, lead_id=lead.lead_id, note=note) and not known:
            placed = lead.model_copy(update={"row": row})
            conn.execute(run_items.insert().values(lead_row(run_id, placed, iso(now))))
            # By another queen's clock the day may be over, and closed, already.
            going_on = {"total": row, "status": "running", "finished_at": None}
            conn.execute(update(runs).where(here).values(going_on))
        return note

    def _open(self, conn: Connection, run_id: str, now: datetime) -> None:
        values = {
            "run_id": run_id,
            "run_key": f"{_KEY}{run_id}",
            "mode": self._mode.value,
            "sandbox": self._sandbox,
            "source": "rb2b",
            "status": "running",
            "total": 0,
            "created_at": iso(now),
            "finished_at": None,
        }
        insert_if_absent(conn, runs, values)

    async def close_days(self) -> None:
        """Finish the runs of former days, and of submissions, whose rows have all ended."""
        today, now = run_of_day(self._clock(), self._mode), iso(self._clock())
        open_ = select(run_items.c.row).where(
            run_items.c.run_id == runs.c.run_id, run_items.c.state.is_(None)
        )
        statement = (
            update(runs)
            .where(_running(self._mode), runs.c.run_id != today, ~open_.exists())
            .values(status="finished", finished_at=now)
        )

        def close(conn: Connection) -> None:
            one_at_a_time(conn)
            conn.execute(statement)

        await self._store.run(close)


def one_at_a_time(conn: Connection) -> None:
    """One who adds people, or closes their runs, at a time; who then sees whom the others added.

    SQLite has one writer anyway; PostgreSQL queues them here, in whichever run they are.
    """
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(_PEOPLE)))


def in_hand_as(conn: Connection, lead_id: str, since: datetime) -> str | None:
    """Why this person is not decided about now; None when nothing keeps them from it.

    Args:
        since: who was written to from then on is left alone.
    """
    return _known(conn, lead_id) or _written(conn, lead_id, since)


def _running(mode: Mode) -> Any:
    ours = (runs.c.run_key.startswith(key, autoescape=True) for key in (_KEY, SUBMITTED))
    return or_(*ours) & (runs.c.status == "running") & (runs.c.mode == mode.value)


def _known(conn: Connection, lead_id: str) -> str | None:
    """Why this person is in hand; None when they are not."""
    waiting = in_hand(conn, lead_id)
    if waiting is not None:
        return f"{waiting.approval_id} waits for a person"
    if on_its_way(conn, lead_id):
        return "an e-mail is on its way"
    undecided = (
        select(run_items.c.run_id)
        .join(runs, runs.c.run_id == run_items.c.run_id)
        .where(
            run_items.c.lead_id == lead_id,
            run_items.c.state.is_(None),
            runs.c.status == "running",  # nobody decides any more in one that was given up
        )
    )
    first = conn.execute(undecided.limit(1)).first()
    return f"being decided in {first.run_id}" if first else None


def _written(conn: Connection, lead_id: str, since: datetime) -> str | None:
    """When they were written to, by our own book."""
    held = [status.value for status in HELD]
    newest = select(func.max(writes.c.claimed_at)).where(
        writes.c.lead_id == lead_id,
        writes.c.counts,
        writes.c.status.in_(held),
        writes.c.claimed_at >= iso(since),
    )
    at = conn.execute(newest).scalar_one()
    return f"written to on {at[:10]}" if at else None


def _payload(received: Received) -> dict[str, Any]:
    """The visitor's fields as the hunter takes them: scalars, and lists of texts."""
    fields = received.document()
    if not fields:
        raise BadInput("the body is empty")
    return {str(name): _plain(value) for name, value in fields.items()}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    return str(value)[:2_000]
