"""Taking work up, each piece by one queen. Owns: the claims on rows, deliveries and what came in.

The rows are the queue. A claim and what is given back stand in one short transaction, in which the
database itself says who lives; of several queens who ask at once each gets other rows. What was in
the hand of somebody who died comes with their session's name, so that it is gone on with and not
begun twice. Refuses to claim for a session that does not live.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select, tuple_, update

from guardrails.clock import Clock, iso
from guardrails.leases import alive, free_for, lives
from guardrails.model import Mode
from guardrails.store import Store
from guardrails.store.people_tables import inbox
from guardrails.store.tables import run_items, runs
from guardrails.store.write_tables import deliveries
from orchestrator.delivery_rows import Delivery, due, read, unfinished, ways_to_be_due
from orchestrator.inbox import InboxState, Received, Source, received

T = TypeVar("T")
PEOPLE = ("visitors:", "submission:")  # run keys of people who came in one by one: they go first


@dataclass(frozen=True)
class Pending:
    """A row that is to be prepared."""

    run_id: str
    row: int


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
            _give_rows_back(conn, session, given_back)
            got: list[Any] = []
            for where, order in _wanted(run_id):
                if len(got) < limit:
                    asked = _open_rows(self._mode, run_id, session, in_hand).where(where)
                    asked = asked.order_by(*order).limit(limit - len(got))
                    got += conn.execute(_locked(asked, session, run_items)).all()
            _take_rows(conn, session, got)
            return [
                Claimed(Pending(row.run_id, row.row), session, _other(row.claimed_by, session))
                for row in got
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
            _give_deliveries_back(conn, session, given_back)
            asked = select(deliveries).where(due(now), _free_delivery(session, in_hand))
            if mine is not None:
                asked = asked.where(mine).order_by(deliveries.c.row)
            else:
                asked = asked.order_by(*order)
            got = conn.execute(_locked(asked.limit(limit), session, deliveries)).all()
            _claim(conn, deliveries.c.delivery_id, [row.delivery_id for row in got], session)
            return [Claimed(read(row), session, _other(row.claimed_by, session)) for row in got]

        return await self._store.run(work)

    async def delivery(self, delivery_id: str) -> Claimed[Delivery] | None:
        """That one, whether it is due or not; None when another queen has it in hand."""
        session = self._members.session

        def work(conn: Connection) -> Claimed[Delivery] | None:
            asked = select(deliveries).where(
                deliveries.c.delivery_id == delivery_id, _free_delivery(session, ())
            )
            row = conn.execute(_locked(asked, session, deliveries)).one_or_none()
            if row is None:
                return None
            _claim(conn, deliveries.c.delivery_id, [delivery_id], session)
            return Claimed(read(row), session, _other(row.claimed_by, session))

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
            _give_received_back(conn, session, given_back)
            asked = (
                select(inbox)
                .where(
                    new_at(now),
                    inbox.c.source.in_([source.value for source in sources]),
                    free_for(session, inbox.c.claimed_by, inbox.c.id.in_(list(in_hand))),
                )
                .order_by(inbox.c.received_at)
                .limit(limit)
            )
            got = conn.execute(_locked(asked, session, inbox)).all()
            _claim(conn, inbox.c.id, [row.id for row in got], session)
            return [received(row) for row in got]

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
            _give_rows_back(conn, session, rows)
            _give_deliveries_back(conn, session, deliveries)
            _give_received_back(conn, session, received)

        await self._store.run(work)

    async def others_prepare(self, run_id: str) -> bool:
        """Whether living sessions other than this one have rows of the run in hand."""
        session = self._members.session
        theirs = (
            select(run_items.c.row)
            .where(
                run_items.c.run_id == run_id,
                run_items.c.state.is_(None),
                run_items.c.claimed_by != session,
                run_items.c.claimed_by.in_(alive()),
            )
            .limit(1)
        )
        return await self._store.query(lambda conn: conn.execute(theirs).first() is not None)

    async def others_deliver(self, run_id: str) -> bool:
        """The same of its deliveries."""
        session = self._members.session
        theirs = (
            select(deliveries.c.delivery_id)
            .where(
                deliveries.c.run_id == run_id,
                unfinished(),
                deliveries.c.claimed_by != session,
                deliveries.c.claimed_by.in_(alive()),
            )
            .limit(1)
        )
        return await self._store.query(lambda conn: conn.execute(theirs).first() is not None)


def has_rows(conn: Connection, mode: Mode, session: str, in_hand: Collection[Pending]) -> bool:
    """Whether a row waits that `session` may take up."""
    asked = _open_rows(mode, None, session, in_hand).limit(1)
    return conn.execute(asked).first() is not None


def has_deliveries(conn: Connection, now: datetime, session: str, in_hand: Collection[str]) -> bool:
    """Whether a delivery is due that `session` may take up."""
    free = _free_delivery(session, in_hand)
    asked = (select(deliveries.c.row).where(way, free) for way in ways_to_be_due(iso(now)))
    found: bool = conn.execute(select(or_(*(one.exists() for one in asked)))).scalar_one()
    return bool(found)


def has_received(conn: Connection, now: datetime, session: str, in_hand: Collection[str]) -> bool:
    """Whether something came in that `session` may take up."""
    free = free_for(session, inbox.c.claimed_by, inbox.c.id.in_(list(in_hand)))
    return conn.execute(select(inbox.c.id).where(new_at(now), free).limit(1)).first() is not None


def new_at(now: datetime) -> ColumnElement[bool]:
    """Whether what came in can be worked on."""
    ripe = or_(inbox.c.not_before.is_(None), inbox.c.not_before <= iso(now))
    return and_(inbox.c.state == InboxState.NEW.value, ripe)


def _wanted(run_id: str | None) -> list[tuple[ColumnElement[bool], tuple[Any, ...]]]:
    """Which rows, in which order: one question after the other."""
    place = (run_items.c.run_id, run_items.c.row)
    if run_id is not None:
        return [(run_items.c.run_id == run_id, place)]
    people = or_(*(runs.c.run_key.startswith(key, autoescape=True) for key in PEOPLE))
    return [(people, (run_items.c.updated_at, *place)), (~people, place)]


def _open_rows(
    mode: Mode, run_id: str | None, session: str, in_hand: Collection[Pending]
) -> Select[Any]:
    """Rows that are to be prepared: of a run whose file is read to its end, and that nobody left;
    who drives a run himself names it.
    """
    here = tuple_(run_items.c.run_id, run_items.c.row)
    known = here.in_([(one.run_id, one.row) for one in in_hand])
    taken_up = (runs.c.total.is_not(None), runs.c.left_at.is_(None)) if run_id is None else ()
    return (
        select(run_items.c.run_id, run_items.c.row, run_items.c.claimed_by)
        .join(runs, runs.c.run_id == run_items.c.run_id)
        .where(
            run_items.c.state.is_(None),
            runs.c.status == "running",
            runs.c.mode == mode.value,
            *taken_up,
            free_for(session, run_items.c.claimed_by, known),
        )
    )


def _free_delivery(session: str, in_hand: Collection[str]) -> ColumnElement[bool]:
    known = deliveries.c.delivery_id.in_(list(in_hand))
    return free_for(session, deliveries.c.claimed_by, known)


def _locked(asked: Select[Any], session: str, table: Any) -> Select[Any]:
    """PostgreSQL: rows that another is just taking are passed over. SQLite has one writer."""
    return asked.where(lives(session)).with_for_update(skip_locked=True, of=table)


def _take_rows(conn: Connection, session: str, got: Sequence[Any]) -> None:
    if got:
        places = [(row.run_id, row.row) for row in got]
        there = tuple_(run_items.c.run_id, run_items.c.row).in_(places)
        conn.execute(update(run_items).where(there).values(claimed_by=session))


def _claim(conn: Connection, key: Any, ids: Sequence[str], session: str) -> None:
    if ids:
        conn.execute(update(key.table).where(key.in_(ids)).values(claimed_by=session))


def _give_rows_back(conn: Connection, session: str, rows: Collection[Pending]) -> None:
    if rows:
        places = [(one.run_id, one.row) for one in rows]
        there = tuple_(run_items.c.run_id, run_items.c.row).in_(places)
        mine = (there, run_items.c.claimed_by == session, run_items.c.state.is_(None))
        conn.execute(update(run_items).where(*mine).values(claimed_by=None))


def _give_deliveries_back(conn: Connection, session: str, ids: Collection[str]) -> None:
    if ids:
        here = deliveries.c.delivery_id.in_(list(ids))
        mine = (here, deliveries.c.claimed_by == session, unfinished())
        conn.execute(update(deliveries).where(*mine).values(claimed_by=None))


def _give_received_back(conn: Connection, session: str, ids: Collection[str]) -> None:
    if ids:
        here = inbox.c.id.in_(list(ids))
        mine = (here, inbox.c.claimed_by == session, inbox.c.state == InboxState.NEW.value)
        conn.execute(update(inbox).where(*mine).values(claimed_by=None))


def _other(claimed_by: str | None, session: str) -> str | None:
    return claimed_by if claimed_by != session else None
