"""Failures by cause. Owns: what people and Auto-Fix see of many rows: counts, leads, cost, samples.

Reads only. Everything is bounded: a day with a million failures still gives a short answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import Connection, Row, case, func, select

from guardrails.brakes.failure_kinds import FailureKind
from guardrails.clock import parse
from guardrails.store.brake_tables import failures

LIMIT = 100
LEADS_SHOWN = 20
SAMPLES = 3
IDS_SHOWN = 20
_SCANNED = 500  # newest rows of a cluster that samples are taken from
_NUMBER = func.count().label("number")
_COUNTED = select(
    failures.c.signature,
    _NUMBER,
    func.count(func.distinct(failures.c.lead_id)).label("leads"),
    func.min(failures.c.at).label("first_seen"),
    func.max(failures.c.at).label("last_seen"),
    func.sum(failures.c.cost_micros).label("cost"),
    func.sum(case((failures.c.injected.is_not(None), 1), else_=0)).label("injected"),
)
_SHORTEST = timedelta(minutes=1)  # below it a rate per hour says nothing


@dataclass(frozen=True)
class Cluster:
    """Failures that share a signature.

    Args:
        leads: distinct leads touched; `lead_ids` names up to 20 of them.
        per_hour: rate between first and last seen (taken as at least a minute apart).
        cost_micros: micro-dollars spent on these calls.
        details: up to three different sample details, newest first.
        failure_ids: up to 20, newest first.
        injected: how many of them chaos made.
    """

    signature: str
    kind: FailureKind
    vendor: str | None
    server: str
    operation: str
    status: int | None
    count: int
    leads: int
    lead_ids: tuple[str, ...]
    first_seen: str
    last_seen: str
    per_hour: float
    cost_micros: int
    details: tuple[str, ...]
    failure_ids: tuple[str, ...]
    injected: int


def clusters(
    conn: Connection,
    since: str | None = None,
    run_id: str | None = None,
    limit: int = LIMIT,
) -> tuple[Cluster, ...]:
    """The clusters, the largest first.

    Args:
        since: UTC text as `guardrails.clock.iso` writes it; older failures are left out.
        run_id: of this run only.
        limit: at most so many clusters.
    """
    wanted = []
    if since is not None:
        wanted.append(failures.c.at >= since)
    if run_id is not None:
        wanted.append(failures.c.run_id == run_id)
    statement = (
        _COUNTED.where(*wanted)
        .group_by(failures.c.signature)
        .order_by(_NUMBER.desc(), failures.c.signature)
        .limit(limit)
    )
    return tuple(_cluster(conn, row, wanted) for row in conn.execute(statement).all())


def _cluster(conn: Connection, row: Row[Any], wanted: list[Any]) -> Cluster:
    these = (failures.c.signature == row.signature, *wanted)
    newest = conn.execute(
        select(failures)
        .where(*these)
        .order_by(failures.c.at.desc(), failures.c.failure_id)
        .limit(_SCANNED)
    ).all()
    leads = conn.execute(
        select(failures.c.lead_id)
        .where(*these, failures.c.lead_id.is_not(None))
        .distinct()
        .order_by(failures.c.lead_id)
        .limit(LEADS_SHOWN)
    ).scalars()
    last = newest[0]
    return Cluster(
        signature=row.signature,
        kind=cast("FailureKind", last.kind),
        vendor=last.vendor,
        server=last.server,
        operation=last.operation,
        status=last.status,
        count=row.number,
        leads=row.leads,
        lead_ids=tuple(leads),
        first_seen=row.first_seen,
        last_seen=row.last_seen,
        per_hour=_per_hour(row.number, row.first_seen, row.last_seen),
        cost_micros=int(row.cost),
        details=tuple(dict.fromkeys(one.detail for one in newest))[:SAMPLES],
        failure_ids=tuple(one.failure_id for one in newest[:IDS_SHOWN]),
        injected=int(row.injected),
    )


def _per_hour(number: int, first: str, last: str) -> float:
    spread = max(parse(last) - parse(first), _SHORTEST)
    return round(number / (spread / timedelta(hours=1)), 1)
