"""From the outbox into the memory. Owns: batches, their order, their pace, and what is rejected.

One batch after the other in the order of writing, each kind of fact in one request; an erasure is
a border that nothing crosses. After an outage the backlog goes at a bounded rate. A batch that is
rejected is halved until the rows that cannot go are found; they are set aside and hold up nobody.
Refuses to drop a row that the memory is not known to have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import Any, Protocol

import structlog
from sqlalchemy import Connection

from guardrails.clock import Clock
from guardrails.remembering import Fact
from guardrails.store import Store
from orchestrator.memory.outbox import Waiting, done, next_rows, set_aside
from orchestrator.memory.rows import FORGOTTEN_IN, SHELVES, Sender, made, silenced
from orchestrator.memory.wire import RowsRejected

log = structlog.get_logger(__name__)
BATCH = 250


class Memory(Protocol):
    """What takes rows: `MemoryWire`."""

    async def upsert(
        self, table: str, rows: Sequence[dict[str, Any]], *, merge: bool
    ) -> frozenset[str]:
        """See `MemoryWire`."""

    async def erase(self, table: str, lead_id: str, *, origin: str, until: str) -> None:
        """See `MemoryWire`."""


@dataclass(frozen=True)
class Drained:
    """What one batch came to. `more`: others wait that may go at once."""

    sent: int
    set_aside: int
    more: bool


class Drain:
    """Sends what waits. Whoever calls it sees to it that nobody else does at the same time."""

    def __init__(self, store: Store, memory: Memory, sender: Sender, clock: Clock) -> None:
        self._store = store
        self._memory = memory
        self._sender = sender
        self._clock = clock

    async def batch(self) -> Drained:
        """Send the oldest `BATCH` facts.

        Raises:
            MemoryAway, MemoryRefused: what was not sent waits.
            StoreUnavailable: the database is away; what was sent is sent again, to no effect.
        """
        now = self._clock()
        waiting = await self._store.query(lambda conn: next_rows(conn, now, BATCH))
        sent = aside = 0
        for part in _parts(waiting):
            rejected = await self._send(part)
            aside += len(rejected)
            sent += len(part) - len(rejected)
            gone = [one.outbox_id for one in part if one.outbox_id not in rejected]
            await self._store.run(partial(self._settle, gone, rejected))
        return Drained(sent, aside, len(waiting) == BATCH)

    def _settle(self, gone: Sequence[str], rejected: dict[str, str], conn: Connection) -> None:
        done(conn, gone)
        for outbox_id, why in rejected.items():
            set_aside(conn, outbox_id, why, self._clock())

    async def _send(self, part: Sequence[Waiting]) -> dict[str, str]:
        """Send facts of one kind; gives those that were rejected, with why."""
        rejected: dict[str, str] = {}
        fit: dict[str, tuple[Waiting, dict[str, Any]]] = {}
        for one in part:
            try:
                row = made(self._sender, Fact(one.kind), one.key, one.document, one.lead_id)
            except (ValueError, KeyError, TypeError) as error:
                rejected[one.outbox_id] = f"unreadable here: {type(error).__name__}"
                continue
            fit[row["key"]] = (one, row)  # the last statement of a fact; no key stands twice
        rejected |= await self._halved(list(fit.values()))
        if part[0].kind == Fact.ERASURE:
            for one, row in fit.values():
                if one.outbox_id not in rejected:
                    rejected |= await self._erased(one.outbox_id, row)
        return rejected

    async def _erased(self, outbox_id: str, row: dict[str, Any]) -> dict[str, str]:
        """What we sent before goes, whatever our clock said then; of others what is older, since
        an erasure may come late.
        """
        try:
            for table in FORGOTTEN_IN:
                await self._memory.erase(
                    table, row["lead_id"], origin=self._sender.origin, until=row["at"]
                )
        except RowsRejected as error:
            log.warning("fact_set_aside", kind=Fact.ERASURE, why=error.message)
            return {outbox_id: error.message}
        return {}

    async def _halved(self, rows: Sequence[tuple[Waiting, dict[str, Any]]]) -> dict[str, str]:
        if not rows:
            return {}
        shelf = SHELVES[Fact(rows[0][0].kind)]
        given = [row for _, row in rows]
        try:
            kept_out = await self._memory.upsert(shelf.table, given, merge=shelf.merge)
            if kept_out:  # lessons about somebody who was forgotten elsewhere meanwhile
                silent = [silenced(self._sender, row) for row in given if row["key"] in kept_out]
                await self._memory.upsert(shelf.table, silent, merge=shelf.merge)
        except RowsRejected as error:
            if len(rows) == 1:
                (waiting, _) = rows[0]
                log.warning("fact_set_aside", kind=waiting.kind, why=error.message)
                return {waiting.outbox_id: error.message}
            half = len(rows) // 2
            return await self._halved(rows[:half]) | await self._halved(rows[half:])
        return {}


def _parts(waiting: Sequence[Waiting]) -> Iterator[list[Waiting]]:
    """Facts of one kind each, an erasure never overtaken nor overtaking."""
    for border, stretch in groupby(waiting, lambda one: one.kind == Fact.ERASURE):
        if border:
            yield list(stretch)
            continue
        kinds: dict[str, list[Waiting]] = {}
        for one in stretch:
            kinds.setdefault(one.kind, []).append(one)
        yield from kinds.values()
