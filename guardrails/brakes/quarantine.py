"""Leads that always fail. Owns: who is left alone, why, and that only a person releases them.

A quarantined lead is not worked on, so that it cannot take its server down for the others.
Counting crashes is the queen's. Refuses to say "not quarantined" when the database cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from guardrails.brakes.failure_rows import clean
from guardrails.clock import Clock, iso
from guardrails.store import Store
from guardrails.store.brake_tables import quarantined_leads
from guardrails.store.rows import insert_if_absent

_REASON_CHARS = 300


@dataclass(frozen=True)
class QuarantinedLead:
    """One lead that is left alone. `failures`: crashes in a row that led to it."""

    lead_id: str
    reason: str
    failures: int
    at: str


class Quarantine:
    """Every method raises StoreUnavailable when the database fails."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def is_quarantined(self, lead_id: str) -> bool:
        """Whether this lead is left alone."""
        return await self._store.query(lambda conn: _holds(conn, lead_id))

    async def put(self, lead_id: str, reason: str, failures: int) -> bool:
        """Leave a lead alone from now on. False when it was so already; the first reason stays."""
        values = {
            "lead_id": lead_id,
            "reason": clean(reason, _REASON_CHARS),
            "failures": failures,
            "at": iso(self._clock()),
        }
        return await self._store.run(lambda conn: insert_if_absent(conn, quarantined_leads, values))

    async def release(self, lead_id: str) -> bool:
        """Let a lead be worked on again. False when it was not quarantined."""
        statement = delete(quarantined_leads).where(quarantined_leads.c.lead_id == lead_id)

        def work(conn: Connection) -> bool:
            held = _holds(conn, lead_id)
            conn.execute(statement)
            return held

        return await self._store.run(work)

    async def all(self) -> tuple[QuarantinedLead, ...]:
        """Every quarantined lead, the latest first."""
        statement = select(quarantined_leads).order_by(
            quarantined_leads.c.at.desc(), quarantined_leads.c.lead_id
        )
        return await self._store.query(
            lambda conn: tuple(
                QuarantinedLead(row.lead_id, row.reason, row.failures, row.at)
                for row in conn.execute(statement)
            )
        )


def _holds(conn: Connection, lead_id: str) -> bool:
    statement = select(quarantined_leads.c.at).where(quarantined_leads.c.lead_id == lead_id)
    return conn.execute(statement).first() is not None
