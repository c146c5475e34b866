"""The few queries behind monitor and status. Owns: what the database says of the swarm's work.

One read transaction; each query is bounded by an index or by a small table.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, and_, func, or_, select, text

from guardrails.brakes.brake_report import VendorRow, vendors
from guardrails.brakes.spend_model import TOTAL
from guardrails.clock import Clock, iso, parse
from guardrails.errors import ConfigError
from guardrails.heartbeats import read_heartbeats
from guardrails.hive import Hive
from guardrails.ledger_pauses import pauses
from guardrails.ledger_rows import Status
from guardrails.lesson_folding import not_folded
from guardrails.outcomes import OutcomeKind
from guardrails.store.brake_tables import breaker_events, failures, spend_alerts
from guardrails.store.fleet_tables import memory_outbox
from guardrails.store.people_tables import approvals, inbox, lessons, outcomes, slack_messages
from guardrails.store.tables import run_items, runs, stop_state
from guardrails.store.write_tables import deliveries, writes
from orchestrator.fixes.finding import KEYS
from orchestrator.health.facts import (
    OpenBreaker,
    Queue,
    Rates,
    RefusedKey,
    SpendMark,
    WorkFacts,
)
from orchestrator.inbox_state import ANOTHER_LOCATION
from orchestrator.slack.outgoing import refused

RATES_OVER, _A_DAY = timedelta(days=7), timedelta(days=1)
_REFUSING = (401, 403)
_RATED = (OutcomeKind.BOUNCE, OutcomeKind.COMPLAINT, OutcomeKind.UNSUBSCRIBE)


def read_facts(
    conn: Connection, clock: Clock, day: str, keys_since: timedelta, chain: str
) -> WorkFacts:
    """The facts now.

    Args:
        chain: of the hive whose bank is asked about.
        day: today, as spending cuts it (`SpendBook.day_of`).
        keys_since: how far back a refused key is looked for.
    """
    now = clock()
    at = iso(now)
    found = vendors(conn, clock)
    return WorkFacts(
        heartbeats=read_heartbeats(conn),
        stop_row=_stop(conn),
        inbox=_queue(conn, inbox, _due(inbox, "received_at"), *_ready(inbox, at, "new")),
        inbox_failed=_count(conn, inbox, inbox.c.state == "failed"),
        inbox_odd=_count(conn, inbox, _not_understood(iso(now - _A_DAY))),
        visitors=_queue(
            conn,
            run_items,
            run_items.c.updated_at,
            run_items.c.state.is_(None),
            run_items.c.run_id.in_(
                select(runs.c.run_id).where(runs.c.status == "running", runs.c.source == "rb2b")
            ),
        ),
        deliveries=_queue(
            conn,
            deliveries,
            _due(deliveries, "updated_at"),
            *_ready(deliveries, at, "queued", "deferred"),
        ),
        writes_unknown=_queue(
            conn, writes, writes.c.updated_at, writes.c.status == Status.UNKNOWN.value
        ),
        writes_open=_queue(
            conn,
            writes,
            func.coalesce(writes.c.dispatched_at, writes.c.claimed_at),
            writes.c.status.in_((Status.CLAIMED.value, Status.DISPATCHING.value)),
        ),
        approvals_waiting=_queue(
            conn, approvals, approvals.c.due_at, approvals.c.state == "waiting"
        ),
        approvals_overdue=_queue(
            conn,
            approvals,
            approvals.c.due_at,
            approvals.c.state == "waiting",
            approvals.c.due_at <= at,
        ),
        slack=_queue(
            conn,
            slack_messages,
            _due(slack_messages, "created_at"),
            *_ready(slack_messages, at, "new", "posting"),
        ),
        slack_failed=_count(conn, slack_messages, refused(now)),
        lessons=_queue(conn, lessons, lessons.c.created_at, not_folded(chain)),
        vendors=found,
        breakers=_breakers(conn, found),
        keys=_keys(conn, iso(now - keys_since)),
        spend=_spend(conn, day),
        rates=_rates(conn, iso(now - RATES_OVER)),
        pauses=tuple(one for one in pauses(conn) if one.until > now),
        memory=_queue(
            conn, memory_outbox, memory_outbox.c.created_at, memory_outbox.c.note.is_(None)
        ),
        memory_rejected=_count(conn, memory_outbox, memory_outbox.c.note.is_not(None)),
    )


def chain_of(hive: Hive) -> str:
    """The hive's audit chain. Empty when its file is damaged: then nothing counts as folded."""
    try:
        return hive.chain_id()
    except ConfigError:
        return ""


def database_clock(conn: Connection) -> datetime | None:
    """What time the database's machine says; None for SQLite, whose clock is ours."""
    if conn.dialect.name == "sqlite":
        return None
    found: datetime = conn.execute(text("SELECT clock_timestamp()")).scalar_one()
    return found


def _queue(
    conn: Connection, table: FromClause, moment: ColumnElement[Any], *where: ColumnElement[bool]
) -> Queue:
    count, oldest = conn.execute(
        select(func.count(), func.min(moment)).select_from(table).where(*where)
    ).one()
    return Queue(count, parse(oldest) if oldest else None)


def _count(conn: Connection, table: FromClause, where: ColumnElement[bool]) -> int:
    found: int = conn.execute(select(func.count()).select_from(table).where(where)).scalar_one()
    return found


def _not_understood(since: str) -> ColumnElement[bool]:
    """Junk that may tell of an opt-out; a visitor without a person in it is no such."""
    odd = and_(inbox.c.state == "junk", inbox.c.source.in_(("instantly", "ghl", "unsubscribe")))
    ours = or_(inbox.c.note.is_(None), inbox.c.note != ANOTHER_LOCATION)
    return and_(odd, ours, inbox.c.received_at >= since)


def _due(table: FromClause, else_since: str) -> ColumnElement[Any]:
    """Since when a row could have been taken up."""
    return func.coalesce(table.c.not_before, table.c[else_since])


def _ready(table: FromClause, at: str, *states: str) -> tuple[ColumnElement[bool], ...]:
    ripe = or_(table.c.not_before.is_(None), table.c.not_before <= at)
    return table.c.state.in_(states), ripe


def _stop(conn: Connection) -> tuple[bool, str | None, int] | None:
    row = conn.execute(
        select(stop_state.c.stopped, stop_state.c.reason, stop_state.c.epoch)
    ).first()
    return (bool(row.stopped), row.reason, row.epoch) if row else None


def _breakers(conn: Connection, found: tuple[VendorRow, ...]) -> tuple[OpenBreaker, ...]:
    return tuple(
        OpenBreaker(
            row.vendor,
            one.operation_class,
            one.state,
            _opened(conn, row.vendor, one.operation_class),
        )
        for row in found
        for one in row.breakers
        if one.state != "closed"
    )


def _opened(conn: Connection, vendor: str, operation_class: str) -> datetime | None:
    """When it opened first since it was last closed: each probe that fails opens it again."""
    events = breaker_events.c
    mine = (events.vendor == vendor, events.operation_class == operation_class)
    closed = conn.execute(
        select(func.max(events.at)).where(*mine, events.state == "closed")
    ).scalar_one()
    since = [events.at > closed] if closed else []
    opened = conn.execute(
        select(func.min(events.at)).where(*mine, events.state == "open", *since)
    ).scalar_one()
    return parse(opened) if opened else None


def _keys(conn: Connection, since: str) -> tuple[RefusedKey, ...]:
    rows = conn.execute(
        select(
            failures.c.vendor,
            func.count().label("number"),
            func.min(failures.c.at).label("first"),
            func.max(failures.c.at).label("last"),
        )
        .where(
            failures.c.at >= since,
            failures.c.status.in_(_REFUSING),
            failures.c.vendor.in_(KEYS),  # a news site that turns us away has no key of ours
            failures.c.injected.is_(None),
        )
        .group_by(failures.c.vendor)
        .order_by(failures.c.vendor)
    )
    return tuple(
        RefusedKey(row.vendor, row.number, parse(row.first), parse(row.last)) for row in rows
    )


def _spend(conn: Connection, day: str) -> tuple[SpendMark, ...]:
    rows = conn.execute(
        select(spend_alerts).where(spend_alerts.c.day == day).order_by(spend_alerts.c.percent)
    )
    highest: Mapping[str, SpendMark] = {
        row.scope: SpendMark(
            row.day, row.scope, row.percent, row.held_micros, row.cap_micros, parse(row.at)
        )
        for row in rows
    }
    return tuple(sorted(highest.values(), key=lambda mark: (mark.scope != TOTAL, mark.scope)))


def _rates(conn: Connection, since: str) -> Rates:
    sent = (
        writes.c.counts.is_(True),
        writes.c.claimed_at >= since,
        writes.c.status == Status.SENT.value,
    )
    # Of ours alone, as `auto_pause` counts: others' campaigns may run in the vendor's workspace.
    # One e-mail that is reported twice has bounced once.
    found = conn.execute(
        select(outcomes.c.kind, func.count(func.distinct(writes.c.key)).label("number"))
        .join(writes, writes.c.key == outcomes.c.write_key)
        .where(outcomes.c.kind.in_([kind.value for kind in _RATED]), *sent)
        .group_by(outcomes.c.kind)
    )
    numbers = {row.kind: row.number for row in found}
    bounces, complaints, unsubscribes = (numbers.get(kind.value, 0) for kind in _RATED)
    return Rates(
        sent=conn.execute(select(func.count()).select_from(writes).where(*sent)).scalar_one(),
        bounces=bounces,
        complaints=complaints,
        unsubscribes=unsubscribes,
    )
