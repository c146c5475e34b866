"""The spending cap (P10). Owns: every paid call's entry, from reservation to settlement.

Money is reserved before a paid call leaves and settled after it; an amount whose fate is unknown
stays held until a person reconciles it. A day is cut in the account's time zone, and belongs to
an entry for good: what is given back tomorrow is given back to today.

Every method works inside its caller's write transaction. What raises leaves nothing behind in it.
Refuses to spend what it cannot count: no price, a used entry, an amount below zero.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection, bindparam, func, select, update

from guardrails.brakes.spend_caps import hold, move
from guardrails.brakes.spend_model import (
    TOTAL,
    Reconciled,
    Reservation,
    Settlement,
    dollars,
    price_of,
)
from guardrails.brakes.spend_report import SpendReport, report_of
from guardrails.clock import Clock, iso, parse
from guardrails.config.models import Spend
from guardrails.errors import BadInput, ConfigError, NotFound
from guardrails.store import insert_if_absent
from guardrails.store.brake_tables import spend_entries

log = structlog.get_logger(__name__)
STALE = timedelta(minutes=15)  # no call takes as long: whoever reserved has died
_LOCK_KEY = 0x5357_4152_4D24  # of ours alone: "SWARM$"
# Built once: building a statement costs more than running it.
_THIS = spend_entries.c.entry_id == bindparam("entry")
_ENTRY = select(spend_entries).where(_THIS).with_for_update()
_SET = (
    update(spend_entries)
    .where(_THIS)
    .values(
        status=bindparam("to"),
        settled_micros=bindparam("settled"),
        note=func.coalesce(bindparam("said"), spend_entries.c.note),
        updated_at=bindparam("now"),
    )
)


_ENDS = {"charged": "settled", "not_charged": "released", "unknown": "unknown"}


class SpendBook:
    """The tables `spend_days`, `spend_entries` and `spend_alerts`.

    Raises:
        ConfigError: the time zone does not exist.
    """

    def __init__(self, config: Spend, clock: Clock) -> None:
        try:
            self._zone = ZoneInfo(config.time_zone)
        except (KeyError, ValueError, OSError) as error:
            raise ConfigError(f"spend.time_zone: no such zone: {config.time_zone!r}") from error
        self._config = config
        self._clock = clock

    def day_of(self, moment: datetime) -> str:
        """`YYYY-MM-DD` of the account's day that `moment` lies in."""
        return moment.astimezone(self._zone).date().isoformat()

    def reserve(self, conn: Connection, reservation: Reservation) -> None:
        """Hold the price against today's caps. The same reservation again changes nothing.

        Raises:
            SpendCapped: no room under a cap; names day, scope, held, cap and price.
            ConfigError: the price table knows nothing of this vendor: never free.
            BadInput: the entry belongs to another call, or to one that has ended.
        """
        self._check(reservation)
        with conn.begin_nested():  # all of it or nothing, also for a caller who goes on
            lock_spending(conn)
            found = conn.execute(_ENTRY, {"entry": reservation.entry_id}).mappings().first()
            if found is not None:
                _same(reservation, dict(found))
                return
            now = self._clock()
            day = self.day_of(now)
            hold(conn, self._config, day, reservation, now)
            insert_if_absent(conn, spend_entries, _row(reservation, day, iso(now)))

    def settle(self, conn: Connection, settlement: Settlement) -> None:
        """Write down how the call ended. Only an entry still reserved changes; never raises for
        an entry that is absent: then nothing was reserved, so nothing was sent.
        """
        lock_spending(conn)
        found = conn.execute(_ENTRY, {"entry": settlement.entry_id}).mappings().first()
        if found is None:
            if settlement.outcome == "charged":
                log.error("charge_without_reservation", entry_id=settlement.entry_id)
            return
        if found["status"] == "reserved":
            self._turn(conn, dict(found), _ENDS[settlement.outcome], None)

    def reconcile(self, conn: Connection, entry_id: str, charged: bool, note: str) -> Reconciled:
        """A person says what the vendor billed; it overrules whatever the entry said.

        What was released and turns out to be billed counts again, even beyond the cap: it has
        been spent, and further calls stop.

        Raises:
            NotFound, BadInput: as `judge`.
        """
        lock_spending(conn)
        entry, judged = self._judge(conn, entry_id, charged, note)
        if judged.changed:
            self._turn(conn, entry, judged.after, note.strip())
        return judged

    def judge(self, conn: Connection, entry_id: str, charged: bool, note: str) -> Reconciled:
        """What `reconcile` would do now; changes nothing.

        Raises:
            NotFound: no such entry.
            BadInput: no reason, or the call may still be under way.
        """
        return self._judge(conn, entry_id, charged, note)[1]

    def report(self, conn: Connection, day: str | None = None) -> SpendReport:
        """Caps, holds and alerts of `day` (default: today), and all that awaits reconciling.

        Raises:
            BadInput: `day` is no date.
        """
        now = self._clock()
        if day is not None and not _is_date(day):
            raise BadInput(f"{day!r} is no day", remedy="Give it as YYYY-MM-DD.")
        return report_of(conn, self._config, day or self.day_of(now), iso(now - STALE))

    def _judge(
        self, conn: Connection, entry_id: str, charged: bool, note: str
    ) -> tuple[dict[str, Any], Reconciled]:
        if not note.strip():
            raise BadInput("a reason is needed", remedy="Say what the vendor's bill shows.")
        found = conn.execute(_ENTRY, {"entry": entry_id}).mappings().first()
        if found is None:
            raise NotFound(f"no spend entry {entry_id}", remedy="`swarm spend` lists them.")
        age = self._clock() - parse(found["created_at"])
        if found["status"] == "reserved" and age < STALE:
            raise BadInput(
                f"entry {entry_id} was reserved {int(age.total_seconds())} s ago: its call may "
                "still be under way",
                remedy=f"Wait until it is {int(STALE.total_seconds() // 60)} minutes old.",
            )
        after = "settled" if charged else "released"
        judged = Reconciled(
            entry_id=entry_id,
            vendor=found["vendor"],
            day=found["day"],
            micros=found["reserved_micros"],
            before=found["status"],
            after=after,
            changed=found["status"] != after,
            lead_id=found["lead_id"],
        )
        return dict(found), judged

    def _check(self, reservation: Reservation) -> None:
        vendor, micros = reservation.vendor, reservation.micros
        if vendor not in self._config.prices_micros:
            raise ConfigError(f"spend.prices_micros.{vendor} is missing: a paid call is not free")
        if not reservation.entry_id or isinstance(micros, bool) or micros < 0:
            raise BadInput(f"a reservation of {micros!r} micro-dollars cannot be")

    def _turn(self, conn: Connection, entry: dict[str, Any], to: str, said: str | None) -> None:
        """Change an entry's status, and what is held with it, on the entry's own day."""
        micros = int(entry["reserved_micros"])
        held = 0 if entry["status"] == "released" else micros
        change = (0 if to == "released" else micros) - held
        settled = {"settled": micros, "released": 0}.get(to)
        now = iso(self._clock())
        named = {"entry": entry["entry_id"], "to": to, "settled": settled, "said": said}
        conn.execute(_SET, named | {"now": now})
        if change:
            move(conn, entry["day"], entry["vendor"], change)


def lock_spending(conn: Connection) -> None:
    """Hold the spend tables until the transaction ends (PostgreSQL; SQLite's write lock does so).

    One lock for all: several calls share a transaction, in any order and over several vendors and
    days, so that no order of row locks could keep two such transactions from a deadlock.
    """
    if conn.dialect.name == "postgresql":
        conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_KEY})")


def _row(asked: Reservation, day: str, now: str) -> dict[str, Any]:
    return {
        "entry_id": asked.entry_id,
        "day": day,
        "vendor": asked.vendor,
        "operation": asked.operation,
        "status": "reserved",
        "reserved_micros": asked.micros,
        "settled_micros": None,
        "lead_id": asked.lead_id,
        "note": None,
        "created_at": now,
        "updated_at": now,
    }


def _same(asked: Reservation, found: dict[str, Any]) -> None:
    stated = (asked.vendor, asked.operation, asked.micros)
    if stated != (found["vendor"], found["operation"], found["reserved_micros"]):
        raise BadInput(f"spend entry {asked.entry_id} belongs to another call")
    if found["status"] != "reserved":
        raise BadInput(f"spend entry {asked.entry_id} has ended: a new call needs a new entry")


def _is_date(text: str) -> bool:
    try:
        return datetime.strptime(text, "%Y-%m-%d").date().isoformat() == text  # noqa: DTZ007
    except ValueError:
        return False


__all__ = [
    "STALE",
    "TOTAL",
    "Reconciled",
    "Reservation",
    "Settlement",
    "SpendBook",
    "SpendReport",
    "dollars",
    "lock_spending",
    "price_of",
]
