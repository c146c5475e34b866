"""What a campaign reads from its store. Owns: the queries, none of which scans a growing table.

Rows of a run are found by the run, so that the thousandth round is read as quickly as the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, case, func, select

from guardrails.clock import iso, parse
from guardrails.store.brake_tables import breaker_events, chaos_events, failures, spend_days
from guardrails.store.tables import run_items, runs
from orchestrator.campaign.record import BreakerSpan, FaultSeen

TOTAL = "*"
_AGAIN = func.sum(case((chaos_events.c.attempt > 1, 1), else_=0))
_AT_A_VENDOR = chaos_events.c.site.not_like("process.%")


@dataclass
class RunFigures:
    """What happened in one run so far."""

    faults: Counter[str] = field(default_factory=Counter)
    calls: int = 0  # attempts at vendors
    retries: int = 0
    done: int = 0


def run_figures(conn: Connection, run_id: str) -> RunFigures:
    """Counts of one run."""
    figures = RunFigures()
    statement = (
        select(chaos_events.c.fault, func.count(), _AGAIN)
        .where(chaos_events.c.run_id == run_id, _AT_A_VENDOR)
        .group_by(chaos_events.c.fault)
    )
    for fault, number, retried in conn.execute(statement):
        figures.calls += number
        figures.retries += int(retried or 0)
        if fault is not None:
            figures.faults[fault] += number
    ended = select(func.count()).where(run_items.c.run_id == run_id, run_items.c.state.is_not(None))
    figures.done = conn.execute(ended).scalar_one()
    return figures


def running(conn: Connection) -> tuple[str, int | None] | None:
    """The run under way and its number of rows."""
    statement = (
        select(runs.c.run_id, runs.c.total)
        .where(runs.c.status == "running")
        .order_by(runs.c.created_at.desc())
        .limit(1)
    )
    row = conn.execute(statement).one_or_none()
    return (row.run_id, row.total) if row is not None else None


def failures_since(conn: Connection, since: str) -> int:
    """Failures recorded since then."""
    statement = select(func.count()).select_from(failures).where(failures.c.at >= since)
    return conn.execute(statement).scalar_one()


def held_micros(conn: Connection) -> int:
    """Micro-dollars reserved or spent, all days together (a campaign may pass midnight)."""
    statement = select(func.sum(spend_days.c.held_micros)).where(spend_days.c.scope == TOTAL)
    return int(conn.execute(statement).scalar_one() or 0)


@dataclass(frozen=True)
class Change:
    """One breaker went into another state."""

    event_id: str
    at: datetime
    vendor: str
    operation_class: str
    state: str
    reason: str


def breaker_changes(conn: Connection, since: datetime) -> list[Change]:
    """Changes since then, oldest first."""
    at = breaker_events.c.at
    statement = select(breaker_events).where(at >= iso(since)).order_by(at)
    return [
        Change(row.event_id, parse(row.at), row.vendor, row.operation_class, row.state, row.reason)
        for row in conn.execute(statement)
    ]


def spans(changes: Iterable[Change], began: datetime, until: datetime) -> list[BreakerSpan]:
    """Changes as spans: each lasts until the next change of the same breaker."""
    by_breaker: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        by_breaker.setdefault((change.vendor, change.operation_class), []).append(change)
    found = []
    for (vendor, operation_class), own in by_breaker.items():
        ends = [change.at for change in own[1:]] + [max(until, own[-1].at)]
        for change, end in zip(own, ends, strict=True):
            found.append(
                BreakerSpan(
                    vendor=vendor,
                    operation_class=operation_class,
                    state=change.state,
                    start=round((change.at - began).total_seconds(), 3),
                    end=round((end - began).total_seconds(), 3),
                    reason=change.reason,
                )
            )
    return sorted(found, key=lambda span: (span.start, span.vendor, span.operation_class))


def faults_seen(conn: Connection, run_ids: Iterable[str], began: datetime) -> list[FaultSeen]:
    """Every fault put between us and a vendor in these runs, in order of time."""
    found = []
    for run_id in run_ids:
        here = (chaos_events.c.run_id == run_id, chaos_events.c.fault.is_not(None), _AT_A_VENDOR)
        found += [
            FaultSeen(
                t=round((parse(row.at) - began).total_seconds(), 3),
                site=row.site,
                fault=row.fault,
                lead_id=row.lead_id,
            )
            for row in conn.execute(select(chaos_events).where(*here))
        ]
    return sorted(found, key=lambda fault: fault.t)


def calls_by_vendor(conn: Connection, run_ids: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Vendor to first attempts and retries in these runs."""
    totals: dict[str, tuple[int, int]] = {}
    for run_id in run_ids:
        statement = (
            select(chaos_events.c.site, func.count(), _AGAIN)
            .where(chaos_events.c.run_id == run_id, _AT_A_VENDOR)
            .group_by(chaos_events.c.site)
        )
        for site, number, retried in conn.execute(statement):
            vendor = site.partition(".")[0]
            first, more = totals.get(vendor, (0, 0))
            retries = int(retried or 0)
            totals[vendor] = (first + number - retries, more + retries)
    return totals


def later(began: datetime, seconds: float) -> datetime:
    """The moment so many seconds after."""
    return began + timedelta(seconds=seconds)
