"""How far a fleet is, by its database. Refuses to guess: -1 while nobody can tell."""

from __future__ import annotations

import psycopg

from tests.fleet.machines import Fleet


class Counts:
    """Each is a number of rows now; -1 while the database is away, or its tables are not there."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    def decided(self) -> int:
        """Leads that have ended."""
        return self._count("run_items WHERE state IS NOT NULL")

    def undecided(self) -> int:
        """Leads that have not."""
        return self._count("run_items WHERE state IS NULL")

    def sent(self) -> int:
        """E-mails that the ledger calls sent."""
        return self._count("writes WHERE counts AND status = 'sent'")

    def queued(self) -> int:
        """Deliveries that may begin."""
        return self._count("deliveries WHERE state = 'queued'")

    def deferred(self) -> int:
        """Deliveries that wait for an hour of theirs."""
        return self._count("deliveries WHERE state = 'deferred'")

    def due(self, now: str) -> int:
        """Deliveries that may begin, and those whose hour has come."""
        due = "state = 'queued' OR (state = 'deferred' AND not_before <= ?)"
        return self._count(f"deliveries WHERE {due}", now)

    def on_the_way(self) -> int:
        """Deliveries that may begin, are of unknown fate, or of which the CRM is to be told."""
        late = "(state = 'sent' AND not_before IS NOT NULL)"
        return self._count(f"deliveries WHERE state IN ('queued', 'unknown') OR {late}")

    def under_way(self) -> int:
        """Writes that somebody is at, or is believed to be."""
        return self._count("writes WHERE status IN ('claimed', 'dispatching')")

    def unknown(self) -> int:
        """Writes whose fate nobody knows."""
        return self._count("writes WHERE status = 'unknown'")

    def _count(self, rows: str, *values: str) -> int:
        try:
            return int(self._fleet.one(f"SELECT count(*) AS n FROM {rows}", *values))
        except (psycopg.Error, ValueError):
            return -1
