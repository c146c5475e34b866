"""What failure injection saw and did, on record. Owns: rows of `chaos_events`.

One row for each attempt that passed a call site, with the fault it got or none: how many were
spared is what makes a rate honest. It decides no fault (`servers.common.fault_plan` does).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass

from sqlalchemy import Connection

from guardrails.store.brake_tables import chaos_events
from guardrails.store.rows import insert_if_absent


@dataclass(frozen=True)
class ChaosEvent:
    """One pass of a call site; the fields are the columns of `chaos_events`."""

    event_id: str
    at: str  # `guardrails.clock.iso`
    site: str  # vendor.operation, or process.<name>
    fault: str | None  # None: it went through untouched
    attempt: int  # of its request, from 1
    lead_id: str | None
    run_id: str | None


def insert(conn: Connection, events: Iterable[ChaosEvent]) -> None:
    """Write the events; one that is there already (same `event_id`) stays as it is.

    Raises:
        SQLAlchemyError: the store's transaction makes it `StoreUnavailable`.
    """
    for event in events:
        insert_if_absent(conn, chaos_events, asdict(event))
