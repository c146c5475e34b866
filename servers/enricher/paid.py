"""Runs that cost money. Owns: the write-ahead record that keeps us from paying twice unknowingly.

A run is `reserved` before it is asked for, `started` with the vendor's id as soon as that is
known, then `done` or `failed`. A crash in between leaves a record: `started` is asked for again
by its id at no cost; `reserved` without an id is `unknown`, and nobody pays for it again until
the hold has passed. Refuses to forget: only a run that certainly did not happen is released.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import Connection, bindparam, delete, select, update

from guardrails.clock import Clock, iso, parse
from guardrails.store import Store, insert_if_absent
from guardrails.store.tables import paid_runs
from servers.enricher.sources import SourceAnswer

HOLD = timedelta(hours=24)
# Built once: building a statement costs more than running it. `_SET` sets the columns it is given.
_RUN = paid_runs.c.key == bindparam("run")
_HELD = select(paid_runs).where(_RUN).with_for_update()
_SET = update(paid_runs).where(_RUN)


@dataclass(frozen=True)
class Claim:
    """What may be done about a run.

    `new`: it is reserved for us, ask for it. `resume`: it is running under `vendor_run_id`.
    `in_flight`: somebody asked for it a moment ago. `held`: an earlier one failed or its fate is
    unknown; not before `until`.
    """

    kind: Literal["new", "resume", "in_flight", "held"]
    vendor_run_id: str | None = None
    status: str = "reserved"
    until: datetime | None = None


class PaidRuns:
    """The table `paid_runs`, for one vendor.

    Args:
        in_flight: how long a reservation without an id may belong to a request still under way.
        keep: after this long a started run is history, and may be asked for anew.
    """

    def __init__(
        self, store: Store, clock: Clock, *, vendor: str, in_flight: timedelta, keep: timedelta
    ) -> None:
        self._store = store
        self._clock = clock
        self._vendor = vendor
        self._in_flight = in_flight
        self._keep = keep

    async def claim(self, key: str, cost_micros: int) -> Claim:
        """Reserve the run, or say what became of an earlier one. One of concurrent callers wins.

        Raises:
            StoreUnavailable: not recorded, so the run must not be asked for.
        """
        now = self._clock()
        row = self._reservation(key, cost_micros, now)

        def work(conn: Connection) -> Claim:
            if insert_if_absent(conn, paid_runs, row):
                return Claim("new")
            found = conn.execute(_HELD, {"run": key}).mappings().one()
            claim = self._judge(dict(found), now)
            if claim.kind == "new":
                conn.execute(_SET, {"run": key, **row})
            elif claim.status == "unknown" and found["status"] == "reserved":
                conn.execute(_SET, {"run": key, "status": "unknown"})
            return claim

        return await self._store.run(work)

    async def started(self, key: str, vendor_run_id: str) -> None:
        """Record the vendor's id, without which the run could never be found again."""
        await self._set(key, {"status": "started", "vendor_run_id": vendor_run_id})

    async def ended(self, key: str, status: Literal["failed", "unknown"]) -> None:
        """Record that the run gave nothing, or that nobody knows."""
        await self._set(key, {"status": status})

    async def release(self, key: str) -> None:
        """Forget a reservation: the vendor certainly did nothing."""

        def work(conn: Connection) -> None:
            here = (paid_runs.c.key == key) & (paid_runs.c.status == "reserved")
            conn.execute(delete(paid_runs).where(here))

        await self._store.run(work)

    def _judge(self, row: dict[str, Any], now: datetime) -> Claim:
        status, since = row["status"], parse(row["updated_at"])
        if status == "started" and now - since < self._keep:
            return Claim("resume", vendor_run_id=row["vendor_run_id"], status=status)
        if status in ("started", "done"):
            return Claim("new")
        if status == "reserved" and now - since < self._in_flight:
            return Claim("in_flight")
        if now - since < HOLD:
            shown = "unknown" if status == "reserved" else status
            return Claim("held", status=shown, until=since + HOLD)
        return Claim("new")

    def _reservation(self, key: str, cost_micros: int, now: datetime) -> dict[str, Any]:
        return {
            "key": key,
            "vendor": self._vendor,
            "status": "reserved",
            "vendor_run_id": None,
            "cost_micros": cost_micros,
            "created_at": iso(now),
            "updated_at": iso(now),
        }

    async def _set(self, key: str, values: dict[str, Any]) -> None:
        stamped = {"run": key, **values, "updated_at": iso(self._clock())}
        await self._store.run(lambda conn: conn.execute(_SET, stamped).rowcount)


def not_now(claim: Claim) -> SourceAnswer:
    """What a source says of a run that may not be asked for."""
    if claim.kind == "in_flight":
        return SourceAnswer("pending", "this lead's run was asked for a moment ago")
    until = f"{claim.until:%Y-%m-%d %H:%M} UTC" if claim.until else "tomorrow"
    if claim.status == "failed":
        said = f"the routine failed for this lead before; not paid for again before {until}"
        return SourceAnswer("failed", said, about_lead=True)
    return SourceAnswer(
        "failed",
        "nobody knows what became of an earlier run: it may have been paid for, so it is not "
        f"asked for again before {until}",
    )
