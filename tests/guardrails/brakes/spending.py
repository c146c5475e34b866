"""Small helpers for tests about money."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from guardrails.brakes.spend import Reservation, Settlement, SpendBook, SpendReport
from guardrails.clock import Clock
from guardrails.config.models import Spend
from guardrails.store import Store
from guardrails.store.brake_tables import spend_days, spend_entries

PRICE = 100_000


def spend(total: int = 1_000_000, zone: str = "America/New_York", **caps: int) -> Spend:
    """A configuration with these caps; Clay and RB2B have prices."""
    prices = {"clay": {"run_routine": PRICE}, "rb2b": {"lookup": 20_000}}
    return Spend.model_validate(
        {
            "time_zone": zone,
            "daily_cap_micros": total,
            "vendor_daily_cap_micros": caps,
            "prices_micros": prices,
        }
    )


def call(entry_id: str, micros: int = PRICE, vendor: str = "clay") -> Reservation:
    """A reservation for one call."""
    return Reservation(entry_id, vendor, "run_routine", micros, "L-1")


class Till:
    """A spend book with a transaction around each of its methods."""

    def __init__(self, store: Store, clock: Clock, config: Spend) -> None:
        self.store, self.book = store, SpendBook(config, clock)

    def reserve(self, entry_id: str, micros: int = PRICE, vendor: str = "clay") -> None:
        with self.store.transaction() as conn:
            self.book.reserve(conn, call(entry_id, micros, vendor))

    def reserve_and_fail(self, entry_id: str, micros: int = PRICE) -> None:
        """A caller whose transaction fails after the reservation."""
        with self.store.transaction() as conn:
            self.book.reserve(conn, call(entry_id, micros))
            raise ZeroDivisionError

    def settle(self, entry_id: str, outcome: str) -> None:
        with self.store.transaction() as conn:
            self.book.settle(conn, Settlement(entry_id, outcome))  # type: ignore[arg-type]

    def reconcile(self, entry_id: str, *, charged: bool, note: str = "bill") -> bool:
        with self.store.transaction() as conn:
            return self.book.reconcile(conn, entry_id, charged, note).changed

    def report(self, day: str | None = None) -> SpendReport:
        with self.store.read() as conn:
            return self.book.report(conn, day)

    def held(self, day: str | None = None) -> dict[str, int]:
        return {scope.scope: scope.held_micros for scope in self.report(day).scopes}

    def statuses(self) -> dict[str, str]:
        with self.store.read() as conn:
            rows = conn.execute(select(spend_entries.c.entry_id, spend_entries.c.status))
            return {row.entry_id: row.status for row in rows}

    def rows(self) -> int:
        with self.store.read() as conn:
            return len(conn.execute(select(spend_days)).all()) + len(self.statuses())


def at(text: str) -> datetime:
    """A UTC moment."""
    return datetime.fromisoformat(text)
