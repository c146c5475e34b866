"""Brakes as a server opens them, over a given store."""

from __future__ import annotations

from guardrails.brakes.brakes import Brakes
from guardrails.brakes.failures import FailureTracker
from guardrails.brakes.spend import SpendBook
from guardrails.brakes.stop import StopSwitch
from guardrails.brakes.vendor_state import VendorRules
from guardrails.clock import Clock, utc_now
from guardrails.config.models import BreakerRules, RetryBudget, Spend, VendorLimits
from guardrails.hive import Hive
from guardrails.store import Store

BREAKER = BreakerRules(window_s=60, min_calls=5, failure_ratio=0.5, consecutive=5, open_s=60)
SPEND = Spend(
    time_zone="UTC",
    daily_cap_micros=50_000,
    vendor_daily_cap_micros={"clay": 50_000},
    prices_micros={"clay": {"run_routine": 20_000}},
)


def rules(requests: int | None = 2) -> VendorRules:
    """Two requests in an hour, unless told otherwise; None keeps no limit."""
    limits = VendorLimits(requests=requests, per_seconds=3600) if requests else None
    return VendorRules(BREAKER, RetryBudget(ratio=0.1, reserve=2), limits, lease_s=30)


def brakes_over(
    hive: Hive, store: Store, clock: Clock = utc_now, requests: int | None = 2
) -> Brakes:
    """The brakes of two vendors."""
    return Brakes(
        store,
        StopSwitch(hive, store),
        {"ghl": rules(requests), "clay": rules(requests)},
        SpendBook(SPEND, clock),
        FailureTracker(store, hive, clock, "test"),
        clock,
    )
