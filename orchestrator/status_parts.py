"""Parts of the status that have queries of their own: leads, deliveries, money, failures."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, func, select

from guardrails.brakes.failure_clusters import clusters
from guardrails.brakes.spend import SpendBook
from guardrails.brakes.spend_model import TOTAL
from guardrails.clock import iso
from guardrails.store.tables import run_items, runs
from guardrails.store.write_tables import deliveries

Json = dict[str, Any]
_DAY = timedelta(days=1)
_TOP = 5


def leads_part(conn: Connection, now: datetime) -> Json:
    """The last run, and all that began within a day, by state; NULL is under way."""
    latest = conn.execute(select(runs).order_by(runs.c.created_at.desc()).limit(1)).first()
    if latest is None:
        return {"run": None, "leads": {"last_run": {}, "last_24_hours": {}}}
    lately = conn.execute(select(runs.c.run_id).where(runs.c.created_at >= iso(now - _DAY)))
    ids = [row.run_id for row in lately]
    return {
        "run": {
            "run_id": latest.run_id,
            "mode": latest.mode,
            "status": latest.status,
            "total": latest.total,
            "created_at": latest.created_at,
        },
        "leads": {
            "last_run": _by_state(conn, [latest.run_id]),
            "last_24_hours": _by_state(conn, ids),
        },
    }


def _by_state(conn: Connection, run_ids: list[str]) -> dict[str, int]:
    counted = (
        select(run_items.c.state, func.count().label("number"))
        .where(run_items.c.run_id.in_(run_ids))
        .group_by(run_items.c.state)
    )
    return {row.state or "under_way": row.number for row in conn.execute(counted)}


def deliveries_part(conn: Connection) -> dict[str, int]:
    counted = select(deliveries.c.state, func.count().label("number")).group_by(deliveries.c.state)
    return {row.state: row.number for row in conn.execute(counted)}


def spend_part(book: SpendBook, conn: Connection) -> Json:
    report = book.report(conn)
    return {
        "day": report.day,
        "time_zone": report.time_zone,
        "open_entries": report.open_count,
        "scopes": [
            {
                "scope": "total" if scope.scope == TOTAL else scope.scope,
                "held_micros": scope.held_micros,
                "cap_micros": scope.cap_micros,
                "percent": scope.percent,
            }
            for scope in report.scopes
        ],
    }


def failures_part(conn: Connection, now: datetime) -> list[Json]:
    names = ("signature", "kind", "vendor", "server", "operation", "status", "count", "last_seen")
    found = clusters(conn, since=iso(now - _DAY), limit=_TOP)
    return [{name: getattr(cluster, name) for name in names} for cluster in found]
