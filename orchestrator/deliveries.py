"""Leads on their way out, in the database. Owns: which are due, and how each stands.

A decision `ready` is queued here in the transaction that settles its row, so that neither can be
without the other. What was done at a vendor stands in the ledger; this table only says where the
queen is with a lead. Refuses to forget: `unknown` is asked about again, follow-ups that are still
open are taken up again, and only a person's word or a vendor's answer ends them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select, update

from guardrails.clock import Clock, iso, parse
from guardrails.errors import NotFound
from guardrails.leases import alive
from guardrails.model import Reason
from guardrails.store import Store
from guardrails.store.write_tables import deliveries as table
from orchestrator.delivery_rows import (
    WAITING,
    Delivery,
    DeliveryState,
    Ended,
    due,
    end,
    ended_by_hand,
    give_up,
    queue,
    read,
    rows_of,
    unfinished,
    written,
)

__all__ = [
    "Deliveries",
    "Delivery",
    "DeliveryState",
    "Ended",
    "ended_by_hand",
    "give_up",
    "queue",
    "rows_of",
]


class Deliveries:
    """Every method is one short transaction and raises StoreUnavailable when it fails.

    Args:
        session: whose word counts: of a lead that nobody has claimed, that of nobody's session.
    """

    def __init__(
        self, store: Store, clock: Clock, session: Callable[[], str | None] = lambda: None
    ) -> None:
        self._store = store
        self._clock = clock
        self._session = session

    async def get(self, delivery_id: str) -> Delivery:
        """How it stands. Raises NotFound."""
        statement = select(table).where(table.c.delivery_id == delivery_id)
        row = await self._store.query(lambda conn: conn.execute(statement).one_or_none())
        if row is None:
            raise NotFound(f"nothing is on its way out under {delivery_id!r}")
        return read(row)

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
            select(func.count()).select_from(table).where(table.c.run_id == run_id, unfinished())
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
        self,
        run_id: str | None,
        until: datetime,
        reasons: Sequence[Reason],
        not_begun: Sequence[str] = (),
    ) -> int:
        """Put off whatever is due and in nobody's hand: nobody may send before `until`. Gives how
        many it were.

        Args:
            run_id: None for every run.
            not_begun: the caller has claimed these, and has not begun with them; what another has
                taken over since is left alone.
        """
        now = iso(self._clock())
        statement = (
            update(table)
            .where(
                *((table.c.run_id == run_id,) if run_id is not None else ()),
                table.c.state.in_(WAITING),
                due(now),
                or_(
                    table.c.claimed_by.is_(None),
                    table.c.claimed_by.not_in(alive()),
                    and_(table.c.delivery_id.in_(list(not_begun)), self._ours()),
                ),
            )
            .values(
                state=DeliveryState.DEFERRED.value,
                not_before=iso(until),
                reasons=written(reasons),
                updated_at=now,
            )
        )
        return await self._store.run(lambda conn: conn.execute(statement).rowcount)

    async def rest(self, delivery_id: str, until: datetime) -> None:
        """It came to no end: not again before `until`. What has ended stays as it is."""
        now = iso(self._clock())
        here = (table.c.delivery_id == delivery_id, unfinished(), self._ours())
        statement = update(table).where(*here).values(not_before=iso(until), updated_at=now)
        await self._store.run(lambda conn: conn.execute(statement))

    async def end(self, delivery_id: str, ended: Ended) -> None:
        """What an attempt came to. `sent` stays sent, whatever comes after it."""
        now = iso(self._clock())
        ours = self._ours()
        await self._store.run(lambda conn: end(conn, delivery_id, ended, now, ours))

    def _ours(self) -> ColumnElement[bool]:
        session = self._session()
        return table.c.claimed_by.is_(None) if session is None else table.c.claimed_by == session
