"""Leads on their way out, in the database. Owns: which are due, and how each stands.

A decision `ready` is queued here in the transaction that settles its row, so that neither can be
without the other. What was done at a vendor stands in the ledger; this table only says where the
queen is with a lead. Refuses to forget: `unknown` is asked about again, follow-ups that are still
open are taken up again, and only a person's word or a vendor's answer ends them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from guardrails.clock import Clock, iso, parse
from guardrails.errors import NotFound
from guardrails.model import Reason
from guardrails.store import Store, insert_if_absent
from guardrails.store.write_tables import deliveries as table


class DeliveryState(StrEnum):
    """Where a lead on its way out stands."""

    QUEUED = "queued"  # may be tried at once
    DEFERRED = "deferred"  # not before `not_before`
    SENT = "sent"  # the e-mail is out; with `not_before`, the CRM is still to be told
    REFUSED = "refused"  # what can have changed has changed: it must not go out
    FAILED = "failed"  # the vendor said no: it certainly did not go out
    UNKNOWN = "unknown"  # it may have gone out, and nobody can tell yet


@dataclass(frozen=True)
class Delivery:
    """One lead on its way out. `delivery_id` is the audit id of the decision that let it go."""

    delivery_id: str
    lead_id: str
    run_id: str
    row: int
    state: DeliveryState
    channel: str | None
    not_before: datetime | None
    reasons: tuple[Reason, ...]
    updated_at: str

    @property
    def workflow_id(self) -> str:
        """The attempt from where it stands now: whoever starts it twice starts it once."""
        return f"deliver:{self.delivery_id}:{self.updated_at}"


@dataclass(frozen=True)
class Ended:
    """What an attempt came to."""

    state: DeliveryState
    reasons: tuple[Reason, ...] = ()
    not_before: datetime | None = None


def queue(conn: Connection, delivery_id: str, lead_id: str, run_id: str, row: int, at: str) -> None:
    """Queue a lead, once, inside the caller's transaction; `at` is UTC text."""
    values = {
        "delivery_id": delivery_id, "lead_id": lead_id, "run_id": run_id, "row": row,
        "state": DeliveryState.QUEUED.value, "channel": None, "not_before": None, "reasons": None,
        "created_at": at, "updated_at": at,
    }  # fmt: skip
    insert_if_absent(conn, table, values)


def give_up(conn: Connection, run_ids: Sequence[str], at: str) -> None:
    """End what waits in these runs: a fresh run decides about its leads anew."""
    reason = Reason(code="given_up", text="The run was given up by --fresh before it went out.")
    conn.execute(
        update(table)
        .where(table.c.run_id.in_(list(run_ids)), table.c.state.in_(_WAITING))
        .values(
            state=DeliveryState.REFUSED.value,
            not_before=None,
            reasons=_written((reason,)),
            updated_at=at,
        )
    )


class Deliveries:
    """Every method is one short transaction and raises StoreUnavailable when it fails."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def get(self, delivery_id: str) -> Delivery:
        """How it stands. Raises NotFound."""
        statement = select(table).where(table.c.delivery_id == delivery_id)
        row = await self._store.query(lambda conn: conn.execute(statement).one_or_none())
        if row is None:
            raise NotFound(f"nothing is on its way out under {delivery_id!r}")
        return _read(row)

    async def due(self, run_id: str, after: int, limit: int) -> list[Delivery]:
        """What can be gone on with now, by row, from rows above `after`, at most `limit`."""
        statement = (
            select(table)
            .where(table.c.run_id == run_id, table.c.row > after, _due(iso(self._clock())))
            .order_by(table.c.row)
            .limit(limit)
        )
        return await self._store.query(lambda conn: [_read(row) for row in conn.execute(statement)])

    async def next_due(self, run_id: str) -> datetime | None:
        """When the next one that waits may be tried; None when none waits."""
        statement = select(func.min(table.c.not_before)).where(
            table.c.run_id == run_id, table.c.state == DeliveryState.DEFERRED.value
        )
        found = await self._store.query(lambda conn: conn.execute(statement).scalar_one())
        return parse(found) if found else None

    async def open(self, run_id: str) -> int:
        """How many have not come to their end: waiting, unknown, or with open follow-ups."""
        statement = (
            select(func.count()).select_from(table).where(table.c.run_id == run_id, _unfinished())
        )
        return await self._store.query(lambda conn: conn.execute(statement).scalar_one())

    async def choose(self, delivery_id: str, channel: str) -> str:
        """Fix the channel, once; gives the one that counts."""

        def work(conn: Connection) -> str:
            here = table.c.delivery_id == delivery_id
            conn.execute(
                update(table).where(here, table.c.channel.is_(None)).values(channel=channel)
            )
            chosen: str = conn.execute(select(table.c.channel).where(here)).scalar_one()
            return chosen

        return await self._store.run(work)

    async def put_off(
        self, run_id: str, until: datetime, reasons: Sequence[Reason], except_for: Sequence[str]
    ) -> int:
        """Put off whatever is due: nobody may send before `until`. Gives how many it were."""
        now = iso(self._clock())
        statement = (
            update(table)
            .where(
                table.c.run_id == run_id,
                table.c.state.in_(_WAITING),
                _due(now),
                table.c.delivery_id.not_in(list(except_for)),
            )
            .values(
                state=DeliveryState.DEFERRED.value,
                not_before=iso(until),
                reasons=_written(reasons),
                updated_at=now,
            )
        )
        return await self._store.run(lambda conn: conn.execute(statement).rowcount)

    async def end(self, delivery_id: str, ended: Ended) -> None:
        """What an attempt came to. `sent` stays sent, whatever comes after it."""
        now = iso(self._clock())
        await self._store.run(lambda conn: _end(conn, delivery_id, ended, now))


def ended_by_hand(conn: Connection, delivery_id: str, ended: Ended, at: str) -> None:
    """The same inside the caller's transaction, for a person's word; `at` is UTC text."""
    _end(conn, delivery_id, ended, at)


def rows_of(conn: Connection, run_id: str) -> list[Delivery]:
    """Every delivery of a run, by row."""
    statement = select(table).where(table.c.run_id == run_id).order_by(table.c.row)
    return [_read(row) for row in conn.execute(statement)]


_WAITING = (DeliveryState.QUEUED.value, DeliveryState.DEFERRED.value)


def _due(now: str) -> ColumnElement[bool]:
    return and_(_unfinished(), or_(table.c.not_before.is_(None), table.c.not_before <= now))


def _unfinished() -> ColumnElement[bool]:
    followed = and_(table.c.state == DeliveryState.SENT.value, table.c.not_before.is_not(None))
    waiting = table.c.state.in_((*_WAITING, DeliveryState.UNKNOWN.value))
    return or_(waiting, followed)


def _end(conn: Connection, delivery_id: str, ended: Ended, at: str) -> None:
    values = {
        "state": ended.state.value,
        "reasons": _written(ended.reasons),
        "not_before": iso(ended.not_before) if ended.not_before else None,
        "updated_at": at,
    }
    statement = update(table).where(table.c.delivery_id == delivery_id)
    if ended.state is not DeliveryState.SENT:
        statement = statement.where(table.c.state != DeliveryState.SENT.value)
    conn.execute(statement.values(values))


def _written(reasons: Sequence[Reason]) -> str | None:
    if not reasons:
        return None
    return json.dumps([reason.model_dump(mode="json") for reason in reasons], ensure_ascii=False)


def _read(row: Any) -> Delivery:
    reasons = json.loads(row.reasons) if row.reasons else []
    return Delivery(
        delivery_id=row.delivery_id,
        lead_id=row.lead_id,
        run_id=row.run_id,
        row=row.row,
        state=DeliveryState(row.state),
        channel=row.channel,
        not_before=parse(row.not_before) if row.not_before else None,
        reasons=tuple(Reason.model_validate(reason) for reason in reasons),
        updated_at=row.updated_at,
    )
