"""Being told in time. Owns: when a day's spending passes 50, 80 and 100 % of a cap.

Each is told once for each day and scope, in the transaction that passed it. Refuses nothing: the
cap itself is held in `spend`.
"""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlalchemy import Connection

from guardrails.clock import iso
from guardrails.store import insert_if_absent
from guardrails.store.brake_tables import spend_alerts

log = structlog.get_logger(__name__)
PERCENTS = (50, 80, 100)


def raise_alerts(
    conn: Connection, day: str, scope: str, held: int, cap: int | None, now: datetime
) -> None:
    """Record and log every share of `cap` that `held` has reached and nobody was told of."""
    if not cap:
        return  # without a cap there is no share of it, and of a cap of nothing, nothing is held
    for percent in PERCENTS:
        if held * 100 < percent * cap:
            return
        row = {
            "day": day,
            "scope": scope,
            "percent": percent,
            "held_micros": held,
            "cap_micros": cap,
            "at": iso(now),
        }
        if insert_if_absent(conn, spend_alerts, row):
            told = {"held_micros": held, "cap_micros": cap}
            log.warning("spend_alert", day=day, scope=scope, percent=percent, **told)
