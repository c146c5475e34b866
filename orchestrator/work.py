"""Whether there is anything to do. Owns: the one question that the queen asks all the time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from guardrails.clock import Clock
from guardrails.model import Mode
from guardrails.store import Store
from orchestrator.delivery_rows import has_due
from orchestrator.inbox import has_new
from orchestrator.visitors import has_pending


@dataclass(frozen=True)
class Work:
    """What waits."""

    inbox: bool
    visitors: bool
    deliveries: bool


async def look(store: Store, clock: Clock, mode: Mode) -> Work:
    """One read transaction. Raises StoreUnavailable."""
    now = clock()
    return await store.query(lambda conn: _look(conn, now, mode))


def _look(conn: Connection, now: datetime, mode: Mode) -> Work:
    return Work(
        inbox=has_new(conn, now),
        visitors=has_pending(conn, mode),
        deliveries=has_due(conn, now),
    )
