"""Lessons of other databases. Owns: how far they were read, and which are believed.

Read by the memory's own time with an overlap, since what is committed late bears an earlier time;
when nothing new has come for as long as the overlap, that was all, and it is not read again.
A lesson counts only with the seal of a hive that has our salt; whoever else writes into the table,
or alters what stands there, teaches nobody. What a lead's side said stays quarantined by the bank.
One that a newer version sealed is kept until this hive can read it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from pydantic import ValidationError
from sqlalchemy import Connection, select

from guardrails.bank.models import EVENT
from guardrails.clock import Clock, iso
from guardrails.lessons import keep_unread, record_lesson
from guardrails.store import Store
from guardrails.store.fleet_tables import memory_cursors
from guardrails.store.rows import upsert
from orchestrator.memory.forgotten import (
    Forgotten,
    Pages,
    forgotten_among,
    forgotten_here,
    without_words,
)
from orchestrator.memory.rows import Sender, sealed

log = structlog.get_logger(__name__)
TABLE = "swarm_lessons"
_CURSOR = "lessons"
_OVERLAP = timedelta(minutes=2)
_BEGINNING = "1970-01-01T00:00:00+00:00"
_MOST_PAGES = 2000  # a memory that never ends is lying
_MOST_PASSES = 3


@dataclass(frozen=True)
class Pulled:
    """What one look came to.

    Args:
        new: lessons that this database did not have.
        refused: rows without our hives' seal.
    """

    new: int
    refused: int


class Pull:
    """Brings other databases' lessons into the table from which every hive folds."""

    def __init__(
        self,
        store: Store,
        pages: Pages,
        sender: Sender,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._pages = pages
        self._sender = sender
        self._clock = clock
        self._monotonic = monotonic
        self._reached: datetime | None = None
        self._reached_at = 0.0
        self._whole: datetime | None = None  # nothing can be missing up to then
        self._refused = 0

    async def look(self) -> Pulled:
        """Read what is new.

        Raises:
            MemoryAway, MemoryRefused: it is read the next time. StoreUnavailable.
        """
        began, since = self._monotonic(), await self._store.query(_position)
        latest, found, pages = await self._pass(since)
        new, passes = found.new, 1
        # A row that was written anew between two pages moves to the end, and another one slips
        # from a later page into an earlier one.
        while pages > 1 and found.new and passes < _MOST_PASSES:
            latest, found, pages = await self._pass(since)
            new, passes = new + found.new, passes + 1
        # Whoever lies about the time must not make us overlook what comes afterwards.
        reached = max(since, min(latest, self._clock()))
        if reached > since:
            await self._store.run(lambda conn: self._move(conn, reached))
        if reached != self._reached:
            self._reached, self._reached_at = reached, self._monotonic()
        elif began - self._reached_at >= _OVERLAP.total_seconds():
            self._whole = reached
        if found.refused != self._refused:
            self._refused = found.refused
            log.warning("lessons_refused", number=found.refused)
        return Pulled(new, found.refused)

    async def _pass(self, since: datetime) -> tuple[datetime, Pulled, int]:
        """The latest time that was read, what came of it, and how many pages it were."""
        new = refused = offset = pages = 0
        latest = since
        while pages < _MOST_PAGES:
            rows = await self._pages.page(
                TABLE, self._wanted(since), ("recorded_at", "key"), offset
            )
            if not rows:
                break
            events = [row["event"] for row in rows if self._believed(row)]
            refused += len(rows) - len(events)
            latest = max((latest, *_times(rows)))
            forgotten = await forgotten_among(self._store, self._pages, events)
            new += await self._store.run(partial(self._taken, events, forgotten))
            offset, pages = offset + len(rows), pages + 1
        return latest, Pulled(new, refused), pages

    def _wanted(self, since: datetime) -> dict[str, tuple[str, str]]:
        sandbox = "true" if self._sender.sandbox else "false"
        begin = max(since - _OVERLAP, self._whole or since - _OVERLAP)
        return {
            "recorded_at": ("gte", begin.isoformat()),
            "sandbox": ("eq", sandbox),
            "origin": ("neq", self._sender.origin),
        }

    def _believed(self, row: Mapping[str, Any]) -> bool:
        return sealed(self._sender.salt, row.get("event"), row.get("mac"))

    def _taken(
        self, events: Sequence[Mapping[str, Any]], elsewhere: Forgotten, conn: Connection
    ) -> int:
        at, new = iso(self._clock()), 0
        here = forgotten_here(conn, events)
        for event in (without_words(one, elsewhere, here) for one in events):
            try:
                known = EVENT.validate_json(json.dumps(event))
            except ValidationError:
                new += keep_unread(conn, event, at)
            else:
                new += record_lesson(conn, known, at, from_memory=True)
        return new

    def _move(self, conn: Connection, reached: datetime) -> None:
        row = {"name": _CURSOR, "position": reached.isoformat(), "updated_at": iso(self._clock())}
        upsert(conn, memory_cursors, row, ("name",))


def _position(conn: Connection) -> datetime:
    query = select(memory_cursors.c.position).where(memory_cursors.c.name == _CURSOR)
    return datetime.fromisoformat(conn.execute(query).scalar_one_or_none() or _BEGINNING)


def _times(rows: Sequence[Mapping[str, Any]]) -> list[datetime]:
    found = []
    for row in rows:
        try:
            at = datetime.fromisoformat(str(row.get("recorded_at")).replace("Z", "+00:00"))
        except ValueError:
            continue
        if at.tzinfo is not None:
            found.append(at)
    return found
