"""Whether there is anything to do. Owns: the one question that the queen asks all the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from guardrails.clock import Clock
from guardrails.model import Mode
from guardrails.store import Store
from orchestrator.fleet.free_rows import Pending, has_deliveries, has_received, has_rows


@dataclass(frozen=True)
class InHand:
    """What a session knows to have in hand: it is not asked for again."""

    session: str
    rows: frozenset[Pending] = frozenset()
    deliveries: frozenset[str] = frozenset()
    received: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Work:
    """What waits, and may be taken up."""

    inbox: bool
    rows: bool
    deliveries: bool


async def look(store: Store, clock: Clock, mode: Mode, in_hand: InHand) -> Work:
    """One read transaction. Raises StoreUnavailable."""
    now = clock()
    return await store.query(lambda conn: _look(conn, now, mode, in_hand))


def _look(conn: Connection, now: datetime, mode: Mode, in_hand: InHand) -> Work:
    session = in_hand.session
    return Work(
        inbox=has_received(conn, now, mode, session, in_hand.received),
        rows=has_rows(conn, mode, session, in_hand.rows),
        deliveries=has_deliveries(conn, now, mode, session, in_hand.deliveries),
    )
