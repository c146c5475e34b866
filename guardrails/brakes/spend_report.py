"""What was spent, for people and programs. Owns: the report's form and the queries behind it.

What awaits a person (unknown, or reserved by a process that died) is listed whatever day it is
of: an entry nobody looks at any more would stay unsettled for ever. Refuses to change anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field
from sqlalchemy import Connection, and_, func, or_, select

from guardrails.brakes.spend_model import TOTAL, setting_of
from guardrails.config.models import Spend
from guardrails.model import Frozen
from guardrails.store.brake_tables import spend_alerts, spend_days, spend_entries

_LISTED = 200
Status = Literal["reserved", "settled", "released", "unknown"]


class ScopeSpend(Frozen):
    """One vendor on one day, or all together (`*`). Micro-dollars."""

    scope: str
    held_micros: int = Field(description="Reserved, settled and unknown together.")
    cap_micros: int | None = Field(description="None: only the total's cap holds it.")
    percent: float | None = Field(description="Held of the cap, in percent.")
    setting: str = Field(description="Where the cap is set, in config/production.json.")
    calls: Mapping[Status, int] = Field(description="Entries by status.")
    micros: Mapping[Status, int] = Field(description="Their reserved amounts, by status.")


class OpenEntry(Frozen):
    """A paid call that a person has to reconcile. `stale`: its process died before settling."""

    entry_id: str
    day: str
    vendor: str
    operation: str
    why: Literal["unknown", "stale"]
    micros: int
    lead_id: str | None
    created_at: str


class SpendAlert(Frozen):
    """A share of a cap that was reached, and when (UTC)."""

    scope: str
    percent: int
    held_micros: int
    cap_micros: int
    at: str


class SpendReport(Frozen):
    """One day. `scopes` begins with the total."""

    day: str
    time_zone: str
    scopes: tuple[ScopeSpend, ...]
    alerts: tuple[SpendAlert, ...]
    open_entries: tuple[OpenEntry, ...] = Field(description="Of any day, oldest first.")
    open_count: int = Field(description="How many there are; the list ends at 200.")

    @property
    def total(self) -> ScopeSpend:
        """All vendors together."""
        return self.scopes[0]


def report_of(conn: Connection, config: Spend, day: str, stale_before: str) -> SpendReport:
    """The report of `day`; reservations made before `stale_before` (UTC text) are stale."""
    held = _held(conn, day)
    calls, micros = _counted(conn, day)
    caps: dict[str, int] = {str(name): cap for name, cap in config.vendor_daily_cap_micros.items()}
    priced = {str(name) for name in config.prices_micros}
    vendors = sorted({*caps, *priced, *held, *calls} - {TOTAL})
    scopes = [_scope(TOTAL, config.daily_cap_micros, held, _sum(calls), _sum(micros))]
    scopes += [
        _scope(name, caps.get(name), held, calls.get(name, {}), micros.get(name, {}))
        for name in vendors
    ]
    listed, count = _open(conn, stale_before)
    return SpendReport(
        day=day,
        time_zone=config.time_zone,
        scopes=tuple(scopes),
        alerts=_alerts(conn, day),
        open_entries=listed,
        open_count=count,
    )


_ByStatus = dict[Status, int]


def _scope(
    scope: str, cap: int | None, held: Mapping[str, int], calls: _ByStatus, micros: _ByStatus
) -> ScopeSpend:
    now_held = held.get(scope, 0)
    return ScopeSpend(
        scope=scope,
        held_micros=now_held,
        cap_micros=cap,
        percent=_percent(now_held, cap),
        setting=setting_of(TOTAL if cap is None else scope),
        calls=calls,
        micros=micros,
    )


def _percent(held: int, cap: int | None) -> float | None:
    if cap is None:
        return None
    return 100.0 if cap == 0 else round(held * 100 / cap, 2)


def _held(conn: Connection, day: str) -> dict[str, int]:
    rows = conn.execute(
        select(spend_days.c.scope, spend_days.c.held_micros).where(spend_days.c.day == day)
    )
    return {row.scope: int(row.held_micros) for row in rows}


def _counted(conn: Connection, day: str) -> tuple[dict[str, _ByStatus], dict[str, _ByStatus]]:
    entries = spend_entries.c
    query = (
        select(entries.vendor, entries.status, func.count(), func.sum(entries.reserved_micros))
        .where(entries.day == day)
        .group_by(entries.vendor, entries.status)
    )
    calls: dict[str, _ByStatus] = {}
    micros: dict[str, _ByStatus] = {}
    for vendor, status, count, amount in conn.execute(query):
        calls.setdefault(vendor, {})[status] = int(count)
        micros.setdefault(vendor, {})[status] = int(amount)
    return calls, micros


def _sum(by_vendor: Mapping[str, _ByStatus]) -> _ByStatus:
    total: _ByStatus = {}
    for one in by_vendor.values():
        for status, number in one.items():
            total[status] = total.get(status, 0) + number
    return total


def _open(conn: Connection, stale_before: str) -> tuple[tuple[OpenEntry, ...], int]:
    entries = spend_entries.c
    waits = or_(
        entries.status == "unknown",
        and_(entries.status == "reserved", entries.created_at <= stale_before),
    )
    count = conn.execute(select(func.count()).select_from(spend_entries).where(waits)).scalar_one()
    rows = conn.execute(
        select(spend_entries).where(waits).order_by(entries.created_at).limit(_LISTED)
    )
    listed = tuple(
        OpenEntry(
            entry_id=row.entry_id,
            day=row.day,
            vendor=row.vendor,
            operation=row.operation,
            why="unknown" if row.status == "unknown" else "stale",
            micros=int(row.reserved_micros),
            lead_id=row.lead_id,
            created_at=row.created_at,
        )
        for row in rows
    )
    return listed, int(count)


def _alerts(conn: Connection, day: str) -> tuple[SpendAlert, ...]:
    rows = conn.execute(
        select(spend_alerts)
        .where(spend_alerts.c.day == day)
        .order_by(spend_alerts.c.at, spend_alerts.c.scope, spend_alerts.c.percent)
    )
    return tuple(
        SpendAlert(
            scope=row.scope,
            percent=row.percent,
            held_micros=int(row.held_micros),
            cap_micros=int(row.cap_micros),
            at=row.at,
        )
        for row in rows
    )
