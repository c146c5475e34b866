"""From the queue of lessons into the banks. Owns: folding, and what has not been folded yet.

Every hive of the database folds every lesson into its own bank: it is an event with an id, so that
folding it twice, or a crash between folding and saying so, changes nothing, and banks that folded
the same lessons in any order agree. Refuses to lose one: while the bank cannot be read they wait,
and whoever wanted them folded is told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pydantic import ValidationError
from sqlalchemy import ColumnElement, Connection, bindparam, exists, func, select

from guardrails.bank import Bank
from guardrails.bank.bank import CLOCK_SKEW
from guardrails.bank.models import EVENT, Event
from guardrails.clock import Clock, iso
from guardrails.errors import BankUnreadable
from guardrails.hive import Hive
from guardrails.lesson_marks import take_back
from guardrails.store import Store, insert_if_absent
from guardrails.store.fleet_tables import lesson_folds as folds
from guardrails.store.people_tables import lessons as table

BATCH = 500
# A look at what is new reaches this far back: longer than a transaction may stay open, and than
# machines' clocks may differ.
_OVERLAP = timedelta(minutes=15)
_SWEEP_S = 300.0  # between two looks at everything
_PENDING = (
    select(table.c.event_id, table.c.document)
    .where(
        table.c.created_at >= bindparam("since"),
        table.c.event_id > bindparam("after"),
        ~exists().where(folds.c.chain == bindparam("of"), folds.c.event_id == table.c.event_id),
    )
    .order_by(table.c.event_id)
    .limit(bindparam("limit"))
)


def not_folded(chain: str) -> ColumnElement[bool]:
    """Condition on `lessons`: not in the bank of the hive with this audit chain yet."""
    return ~exists().where(folds.c.chain == chain, folds.c.event_id == table.c.event_id)


def pending_count(conn: Connection, chain: str) -> int:
    """How many lessons are not in this hive's bank yet."""
    waiting = select(func.count()).select_from(table).where(not_folded(chain))
    counted: int = conn.execute(waiting).scalar_one()
    return counted


def unreadable(conn: Connection, chain: str) -> list[str]:
    """Event ids of lessons that wait and cannot be read: written by another version, or damaged."""
    waiting = select(table.c.event_id, table.c.document).where(not_folded(chain))
    return [row.event_id for row in conn.execute(waiting) if _read(row.document) is None]


class Folding:
    """Brings the database's lessons into one hive's bank; keep one for as long as a process lives.

    The first look, and one now and then, is at all lessons; those between at the latest ones, so
    that asking twice a second costs the same however much was ever learned.
    """

    def __init__(
        self,
        store: Store,
        bank: Bank,
        hive: Hive,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._bank = bank
        self._chain = hive.chain_id()
        self._clock = clock
        self._monotonic = monotonic
        self._swept_at: float | None = None
        self._counter: int | None = None  # of the bank's version

    async def fold(self) -> tuple[str, ...]:
        """Put what waits into the bank, many lessons in one write. Gives the event ids.

        Safe to call from several processes at once. A lesson dated in the future waits for its
        time, and one that cannot be read waits for a person; neither holds up the others.

        Raises:
            BankUnreadable: the bank is torn, missing or locked; the lessons go on waiting.
            StoreUnavailable: the database is; what was folded is folded again, to no effect.
        """
        now = self._monotonic()
        if self._went_back():
            self._swept_at = None
        everything = self._swept_at is None or now - self._swept_at >= _SWEEP_S
        if everything:
            await self._take_back()
        since = "" if everything else iso(self._clock() - _OVERLAP)
        done = await self._fold(since)
        if done:
            self._counter = self._version() or self._counter
        if everything:
            self._swept_at = now
        return done

    def _went_back(self) -> bool:
        """Whether the bank is older than it was: put back from its backup. One that was written
        after that, before we looked, is found out by the next look at everything.
        """
        counter, before = self._version(), self._counter
        self._counter = before if counter is None else counter  # others fold as well
        return counter is not None and before is not None and counter < before

    async def _take_back(self) -> None:
        if self._version() is None:
            return
        held = {one.event_id for item in self._bank.items() for one in item.evidence}
        await self._store.run(lambda conn: take_back(conn, self._chain, held))

    def _version(self) -> int | None:
        try:
            return int(self._bank.version.partition("+")[0])
        except BankUnreadable:
            return None  # told to whoever wants something folded

    async def _fold(self, since: str) -> tuple[str, ...]:
        done: list[str] = []
        after = ""
        while True:
            rows = await self._store.query(partial(self._page, since, after))
            ready = _ready(rows, self._clock() + CLOCK_SKEW)
            if ready:
                ids = [lesson.event_id for lesson in ready]
                await asyncio.to_thread(self._bank.learn_from, partial(self._as_it_is, ids))
                await self._store.run(partial(self._mark, ids, iso(self._clock())))
                done += ids
            if len(rows) < BATCH:
                return tuple(done)
            after = rows[-1].event_id

    def _page(self, since: str, after: str, conn: Connection) -> list[Any]:
        values = {"since": since, "after": after, "limit": BATCH, "of": self._chain}
        return [*conn.execute(_PENDING, values)]

    def _as_it_is(self, ids: Sequence[str]) -> list[Event]:
        """These once more, under the bank's lock: who was forgotten in between has no words here
        any more, and the bank's were erased before we came to it, or are yet to be.
        """
        with self._store.read() as conn:
            rows = conn.execute(select(table.c.document).where(table.c.event_id.in_(ids)))
            read = [_read(row.document) for row in rows]
        return [event for event in read if event is not None]

    def _mark(self, ids: Sequence[str], at: str, conn: Connection) -> None:
        for event_id in ids:
            row = {"chain": self._chain, "event_id": event_id, "folded_at": at}
            insert_if_absent(conn, folds, row)


async def fold_pending(store: Store, bank: Bank, hive: Hive, clock: Clock) -> tuple[str, ...]:
    """The same once, looking at all lessons. See `Folding.fold`."""
    return await Folding(store, bank, hive, clock).fold()


def _ready(rows: Sequence[Any], latest: datetime) -> list[Event]:
    read = (_read(row.document) for row in rows)
    return [event for event in read if event is not None and event.at <= latest]


def _read(document: str) -> Event | None:
    try:
        return EVENT.validate_json(document)
    except ValidationError:
        return None  # `unreadable` names it
