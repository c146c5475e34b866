"""The brakes as a person reads them. Owns: reading every vendor's state, and resetting one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select, update

from guardrails.brakes.vendor_state import VendorState
from guardrails.clock import Clock, iso
from guardrails.errors import NotFound
from guardrails.store.brake_tables import breaker_events, vendor_brakes

_EVENTS = 20


@dataclass(frozen=True)
class BreakerRow:
    """One breaker. `seconds_left`: of the pause or of the probe's lease."""

    operation_class: str
    state: str
    seconds_left: float
    failures_in_a_row: int


@dataclass(frozen=True)
class VendorRow:
    """One vendor. `damaged` says that its state is unreadable, and every call is refused."""

    vendor: str
    damaged: bool
    breakers: tuple[BreakerRow, ...] = ()
    grants_in_log: int = 0
    used_today: int = 0
    paused_s: float = 0.0
    retries_left: float | None = None


@dataclass(frozen=True)
class BreakerEvent:
    """One change of one breaker."""

    at: str
    vendor: str
    operation_class: str
    state: str
    reason: str


def vendors(conn: Connection, clock: Clock) -> tuple[VendorRow, ...]:
    """Every vendor's state, by name."""
    found = conn.execute(select(vendor_brakes).order_by(vendor_brakes.c.vendor))
    return tuple(_row(row.vendor, row.document, clock().timestamp()) for row in found)


def events(conn: Connection, limit: int = _EVENTS) -> tuple[BreakerEvent, ...]:
    """The latest changes, newest first."""
    statement = select(breaker_events).order_by(
        breaker_events.c.at.desc(), breaker_events.c.event_id.desc()
    )
    return tuple(
        BreakerEvent(row.at, row.vendor, row.operation_class, row.state, row.reason)
        for row in conn.execute(statement.limit(limit))
    )


def reset(conn: Connection, vendor: str, clock: Clock) -> None:
    """Forget everything about one vendor: breakers closed, limits and retries as new.

    Raises:
        NotFound: no such vendor.
    """
    statement = update(vendor_brakes).where(vendor_brakes.c.vendor == vendor)
    fresh = {"document": VendorState().dump(), "updated_at": iso(clock())}
    if conn.execute(statement.values(**fresh)).rowcount != 1:
        raise NotFound(f"no brakes of {vendor!r}", remedy="`swarm brakes` lists the vendors.")


def _row(vendor: str, document: str, now: float) -> VendorRow:
    try:
        state = VendorState.parse(document)
    except ValueError:
        return VendorRow(vendor, damaged=True)
    breakers = tuple(
        BreakerRow(name, one.state, round(one.refuses(now), 1), one.in_a_row)
        for name, one in sorted(state.breakers.items())
    )
    rate = state.rate
    paused = round(max(0.0, rate.pause_until - now), 1)
    used = rate.used if rate.is_today(now) else 0
    return VendorRow(vendor, False, breakers, len(rate.grants), used, paused, state.retries)
