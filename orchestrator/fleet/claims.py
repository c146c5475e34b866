"""Taking work up, each piece by one queen. Owns: the claims on rows, deliveries and what came in.

The rows are the queue. A claim and what is given back stand in one short transaction, in which the
database itself says who lives; of several queens who ask at once each gets other rows. What was in
the hand of somebody who died comes with their session's name, so that it is gone on with and not
begun twice. Refuses to claim for a session that does not live.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import Connection, and_, select

from guardrails.clock import Clock, iso
from guardrails.model import Mode
from guardrails.store import Store
from guardrails.store.people_tables import inbox
from guardrails.store.tables import run_items, runs
from guardrails.store.write_tables import deliveries
from orchestrator.delivery_rows import Delivery, due, read
from orchestrator.fleet.free_rows import (
    Pending,
    claim,
    free_delivery,
    free_received,
    give_deliveries_back,
    give_received_back,
    give_rows_back,
    locked,
    new_at,
    open_rows,
    sent_elsewhere,
    take_rows,
    wanted,
)
from orchestrator.inbox import Received, Source, received

T = TypeVar("T")


@dataclass(frozen=True)
class Claimed(Generic[T]):
    """What this session has in hand now. `before`: who had it, and died; None when nobody had."""

    what: T
    session: str
    before: str | None


class Session(Protocol):
    """Whose claims they are: `membership.Membership`."""

    @property
    def session(self) -> str: ...


class Claims:
    """Every method is one short transaction, and raises StoreUnavailable when it fails.

    What a queen knows to have in hand is told with each claim: only then is a claim whose answer
    was lost found again. `given_back` is free for others from then on, unless it has ended.
    """

    def __init__(self, store: Store, clock: Clock, members: Session, mode: Mode) -> None:
        self._store = store
        self._clock = clock
        self._members = members
        self._mode = mode

    async def rows(
        self,
        limit: int,
        in_hand: Collection[Pending],
        given_back: Collection[Pending] = (),
        run_id: str | None = None,
    ) -> list[Claimed[Pending]]:
        """Rows to prepare: of one run in their order; or of all, those who came in one by one
        first, and among them who has waited longest.
        """
        session = self._members.session

        def work(conn: Connection) -> list[Claimed[Pending]]:
            give_rows_back(conn, session, given_back)
            got: list[Any] = []
            for where, order in wanted(run_id):
                if len(got) < limit:
                    asked = open_rows(self._mode, run_id, session, in_hand).where(where)
                    asked = asked.order_by(*order).limit(limit - len(got))
                    got += conn.execute(locked(asked, session, run_items)).all()
            return [
                Claimed(Pending(row.run_id, row.row), session, _other(row.claimed_by, session))
                for row in take_rows(conn, session, got)
            ]

        return await self._store.run(work)

    async def deliveries(
        self,
        limit: int,
        in_hand: Collection[str],
        given_back: Collection[str] = (),
        run_id: str | None = None,
    ) -> list[Claimed[Delivery]]:
        """What can be gone on with now, the oldest first; of one run by its rows."""
        session, now = self._members.session, iso(self._clock())
        order = (deliveries.c.created_at, deliveries.c.delivery_id)
        mine = deliveries.c.run_id == run_id if run_id is not None else None

        def work(conn: Connection) -> list[Claimed[Delivery]]:
            give_deliveries_back(conn, session, given_back)
            free = and_(free_delivery(session, in_hand), ~sent_elsewhere(self._mode, session))
            asked = select(deliveries).where(due(now), free)
            if mine is not None:
                asked = asked.where(mine).order_by(deliveries.c.row)
            else:
                asked = asked.order_by(*order)
            found = conn.execute(locked(asked.limit(limit), session, deliveries)).all()
            got = claim(conn, deliveries.c.delivery_id, found, session)
            return [Claimed(read(row), session, _other(row.claimed_by, session)) for row in got]

        return await self._store.run(work)

    async def delivery(self, delivery_id: str) -> Claimed[Delivery] | None:
        """That one, whether it is due or not; None when another queen has it in hand."""
        session = self._members.session

        def work(conn: Connection) -> Claimed[Delivery] | None:
            asked = select(deliveries).where(
                deliveries.c.delivery_id == delivery_id, free_delivery(session, ())
            )
            got = conn.execute(locked(asked, session, deliveries)).all()
            for row in claim(conn, deliveries.c.delivery_id, got, session):
                return Claimed(read(row), session, _other(row.claimed_by, session))
            return None

        return await self._store.run(work)

    async def received(
        self,
        limit: int,
        in_hand: Collection[str],
        sources: Collection[Source],
        given_back: Collection[str] = (),
    ) -> list[Received]:
        """What came in and can be worked on now, the oldest first."""
        session, now = self._members.session, self._clock()

        def work(conn: Connection) -> list[Received]:
            give_received_back(conn, session, given_back)
            asked = (
                select(inbox)
                .where(
                    new_at(now),
                    inbox.c.source.in_([source.value for source in sources]),
                    free_received(self._mode, session, in_hand),
                )
                .order_by(inbox.c.received_at)
                .limit(limit)
            )
            got = conn.execute(locked(asked, session, inbox)).all()
            return [received(row) for row in claim(conn, inbox.c.id, got, session)]

        return await self._store.run(work)

    async def give_back(
        self,
        rows: Collection[Pending] = (),
        deliveries: Collection[str] = (),
        received: Collection[str] = (),
    ) -> None:
        """Leave these to whoever comes next."""
        session = self._members.session

        def work(conn: Connection) -> None:
            give_rows_back(conn, session, rows)
            give_deliveries_back(conn, session, deliveries)
            give_received_back(conn, session, received)

        await self._store.run(work)

    async def left_to_prepare(self, run_id: str, known: Collection[Pending]) -> bool:
        """Whether rows of the run are open beside those: in others' hands, or still to be claimed.

        A claim that gives nothing does not say so: the session may be over. Nothing is left of a
        run that was given up elsewhere.
        """
        here = run_items.c.row.not_in([one.row for one in known if one.run_id == run_id])
        running = select(runs.c.run_id).where(runs.c.run_id == run_id, runs.c.status == "running")
        left = select(run_items.c.row).where(
            run_items.c.run_id == run_id, run_items.c.state.is_(None), here, running.exists()
        )
        asked = left.limit(1)
        return await self._store.query(lambda conn: conn.execute(asked).first() is not None)

    async def left_to_deliver(self, run_id: str, known: Collection[str]) -> bool:
        """The same of deliveries that are due."""
        now = iso(self._clock())
        left = select(deliveries.c.row).where(
            deliveries.c.run_id == run_id,
            due(now),
            deliveries.c.delivery_id.not_in(list(known)),
        )
        asked = left.limit(1)
        return await self._store.query(lambda conn: conn.execute(asked).first() is not None)


def _other(claimed_by: str | None, session: str) -> str | None:
    return claimed_by if claimed_by != session else None
