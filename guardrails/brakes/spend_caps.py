"""What is held of each cap. Owns: the rows of `spend_days`, and the refusal at the cap.

A vendor's own cap and the total (scope `*`) both have to have room, vendor before total; a vendor
without a cap of its own is held by the total alone. Refuses what does not fit, to the micro-dollar.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from guardrails.brakes.spend_alerts import raise_alerts
from guardrails.brakes.spend_model import TOTAL, Reservation, dollars, setting_of
from guardrails.config.models import Spend
from guardrails.errors import SpendCapped
from guardrails.store import insert_if_absent
from guardrails.store.brake_tables import spend_days

# Built once: building a statement costs more than running it.
_ROW = (spend_days.c.day == bindparam("on_day")) & (spend_days.c.scope == bindparam("in_scope"))
_AFTER = spend_days.c.held_micros + bindparam("change")
_MOVE = update(spend_days).where(_ROW).values(held_micros=_AFTER)
# One statement checks and adds: nothing can come between.
_MOVE_UNDER_CAP = _MOVE.where(bindparam("cap") >= _AFTER).returning(spend_days.c.held_micros)
_HELD = select(spend_days.c.held_micros).where(_ROW)


def hold(conn: Connection, config: Spend, day: str, asked: Reservation, now: datetime) -> None:
    """Add the price to what is held of both scopes, and tell of what that passed.

    Raises:
        SpendCapped: no room; the caller's savepoint takes back what was added before.
    """
    own = {str(name): cap for name, cap in config.vendor_daily_cap_micros.items()}
    for scope, cap in ((asked.vendor, own.get(asked.vendor)), (TOTAL, config.daily_cap_micros)):
        insert_if_absent(conn, spend_days, {"day": day, "scope": scope, "held_micros": 0})
        change = {"on_day": day, "in_scope": scope, "change": asked.micros}
        if cap is None:
            conn.execute(_MOVE, change)
            continue
        held = conn.execute(_MOVE_UNDER_CAP, change | {"cap": cap}).scalar_one_or_none()
        if held is None:
            held = conn.execute(_HELD, {"on_day": day, "in_scope": scope}).scalar_one()
            raise _capped(config, asked, day, scope, int(held), cap)
        raise_alerts(conn, day, scope, int(held), cap, now)


def move(conn: Connection, day: str, vendor: str, change: int) -> None:
    """Add `change` micro-dollars (below zero: give back) to what is held, whatever the cap."""
    for scope in (vendor, TOTAL):
        conn.execute(_MOVE, {"on_day": day, "in_scope": scope, "change": change})


def _capped(
    config: Spend, asked: Reservation, day: str, scope: str, held: int, cap: int
) -> SpendCapped:
    whose = "all vendors together" if scope == TOTAL else scope
    return SpendCapped(
        f"{asked.vendor} {asked.operation}: the cap of {whose} for {day} ({config.time_zone}) "
        f"leaves no room: {dollars(held)} of {dollars(cap)} are held, and this call costs "
        f"{dollars(asked.micros)}; nothing was sent",
        vendor=asked.vendor,
        operation=asked.operation,
        remedy=f"Wait for the next day, reconcile what is unknown (`swarm spend`), or raise "
        f"{setting_of(scope)} in config/production.json.",
    )
