"""What is not kept for ever. Owns: which rows go, when, and in what pieces.

What decides, proves, protects or teaches stays: decisions and their inputs, the audit, the ledger,
approvals, outcomes, lessons, suppressions, runs and their rows (docs/operations.md says why of
each). What goes is what nobody reads any more after its days (`retention` in
config/production.json): every piece is a short transaction, and a pass has an end, so that leads
never wait for it. Doing it twice, or on two machines at once, does no harm.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import ColumnElement, Connection, Table, delete, select, tuple_, update

from guardrails.clock import Clock, iso
from guardrails.config.models.retention import RetentionRules
from guardrails.heartbeats import read_heartbeats, retire
from guardrails.store import Store
from guardrails.store.brake_tables import (
    breaker_events,
    chaos_events,
    failures,
    spend_alerts,
    spend_entries,
)
from guardrails.store.people_tables import inbox
from guardrails.store.tables import enrichment_cache, spent_permits

PIECE = 500  # rows of one transaction
PIECES = 10  # of one table in one pass


@dataclass(frozen=True)
class Rule:
    """Rows of one table that go when they are older than `days`.

    Args:
        name: what a person is told.
        where: given the moment (UTC text) before which they go.
        empties: a column that is emptied, instead of the row deleted.
    """

    name: str
    table: Table
    days: int
    where: Callable[[str], ColumnElement[bool]]
    empties: str | None = None


def rules(kept: RetentionRules) -> tuple[Rule, ...]:
    """Everything that goes, but for the engine's rows and heartbeats."""
    done = inbox.c.state.in_(("done", "junk")) & inbox.c.body.is_not(None)
    over = spend_entries.c.status.in_(("settled", "released"))
    return (
        Rule("inbox bodies", inbox, kept.inbox_body_days,
             lambda at: done & (inbox.c.received_at < at), empties="body"),
        Rule("spent permits", spent_permits, kept.permit_days,
             lambda at: spent_permits.c.spent_at < at),
        Rule("failures", failures, kept.failure_days, lambda at: failures.c.at < at),
        Rule("changes of breakers", breaker_events, kept.failure_days,
             lambda at: breaker_events.c.at < at),
        Rule("chaos", chaos_events, kept.failure_days, lambda at: chaos_events.c.at < at),
        # A day is named in the account's time zone: one more is left.
        Rule("paid calls", spend_entries, kept.spend_entry_days + 1,
             lambda at: over & (spend_entries.c.day < at[:10])),
        Rule("told of caps", spend_alerts, kept.spend_entry_days + 1,
             lambda at: spend_alerts.c.day < at[:10]),
        Rule("cached facts", enrichment_cache, 0, lambda at: enrichment_cache.c.expires_at < at),
    )  # fmt: skip


class Retention:
    """One pass at a time, over a store."""

    def __init__(self, store: Store, kept: RetentionRules, clock: Clock) -> None:
        self._store = store
        self._kept = kept
        self._clock = clock

    async def run(self) -> dict[str, int]:
        """One pass; gives how many rows of what went, where any did.

        Raises:
            StoreUnavailable: what was done so far stays done.
        """
        now = self._clock()
        gone = {rule.name: await self._apply(rule, now) for rule in rules(self._kept)}
        silent = now - timedelta(days=self._kept.process_days)
        gone["heartbeats"] = await self._store.run(partial(_retire_ended, before=silent))
        return {name: number for name, number in gone.items() if number}

    async def _apply(self, rule: Rule, now: datetime) -> int:
        before, total = iso(now - timedelta(days=rule.days)), 0
        for _ in range(PIECES):
            went = await self._store.run(partial(_piece, rule=rule, before=before))
            total += went
            if went < PIECE:
                break
        return total


def _piece(conn: Connection, *, rule: Rule, before: str) -> int:
    keys = tuple(rule.table.primary_key.columns)
    found = conn.execute(select(*keys).where(rule.where(before)).limit(PIECE)).all()
    if not found:
        return 0
    here = tuple_(*keys).in_([tuple(row) for row in found]), rule.where(before)
    if rule.empties:
        conn.execute(update(rule.table).where(*here).values({rule.empties: None}))
    else:
        conn.execute(delete(rule.table).where(*here))
    return len(found)


def _retire_ended(conn: Connection, *, before: datetime) -> int:
    """Those that said that they end. Whoever fell silent is missed until a person retires them."""
    ended = [one for one in read_heartbeats(conn) if not one.expected and one.beat_at < before]
    return sum(retire(conn, one.name) for one in ended)
