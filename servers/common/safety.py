"""What stands between a server and its vendors, opened once. Owns: the brakes of one process.

Every vendor client of a process is made over one `Safety`: one set of brakes, one failure
tracker, one plan of faults. Refuses failure injection wherever something could be sent for real.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import get_args

from guardrails.brakes.brakes import Brakes, Gatekeeper
from guardrails.brakes.emergency import EmergencyBrakes
from guardrails.brakes.failures import FailureTracker
from guardrails.brakes.spend import SpendBook
from guardrails.brakes.stop import StopSwitch
from guardrails.brakes.vendor_state import VendorRules
from guardrails.clock import Clock, utc_now
from guardrails.config.loader import policy_version
from guardrails.config.models import Production, Vendor
from guardrails.hive import Hive
from guardrails.ledger import Ledger
from guardrails.model import Mode
from guardrails.permits import PermitCheck
from guardrails.store import Store, open_store
from servers.common.fault_plan import FaultPlan, require_injection_allowed
from servers.common.http_permit import WriteDesk
from servers.common.settings import ServerSettings

_LEASE_SPARE_S = 5.0


@dataclass(frozen=True)
class Safety:
    """Handed to `open_client`.

    Args:
        plan: None unless failures are injected.
        writes: None where nothing may be written: then every write is refused.
    """

    hive: Hive
    store: Store
    brakes: Gatekeeper
    failures: FailureTracker
    prices: Mapping[str, Mapping[str, int]]
    plan: FaultPlan | None = None
    keeps_limits: bool = True
    clock: Clock = utc_now
    writes: WriteDesk | None = None


@contextmanager
def open_safety(settings: ServerSettings, production: Production, server: str) -> Iterator[Safety]:
    """Hive, database and brakes of this process; what they were told is written at the end.

    Raises:
        ConfigError: the hive is of another kind, or failures are to be injected where something
            could be sent for real.
        StoreUnavailable: the database cannot be opened.
    """
    require_injection_allowed(production, sandbox=settings.sandbox)
    hive = Hive.open(settings.hive, sandbox=settings.sandbox)
    store = open_store(hive, settings.database_url)
    try:
        with _braked(settings, production, hive, store, server) as safety:
            yield safety
    finally:
        store.close()


@contextmanager
def _braked(
    settings: ServerSettings, production: Production, hive: Hive, store: Store, server: str
) -> Iterator[Safety]:
    injection, clock = production.failure_injection, settings.clock
    failures = FailureTracker(store, hive, clock, server)
    prices = {str(vendor): table for vendor, table in production.spend.prices_micros.items()}
    keeps, writes = settings.keeps_limits, _writes(settings, production, hive, store, server)
    if settings.emergency:
        held = EmergencyBrakes(StopSwitch(hive, store))
        yield Safety(hive, store, held, failures, prices, None, keeps, clock, writes)
        return
    brakes = Brakes(
        store,
        StopSwitch(hive, store),
        rules_of(production, keep_limits=settings.keeps_limits),
        SpendBook(production.spend, clock),
        failures,
        clock,
    )
    try:
        plan = FaultPlan(injection) if injection.enabled else None
        yield Safety(hive, store, brakes, failures, prices, plan, keeps, clock, writes)
    finally:
        brakes.close()


def _writes(
    settings: ServerSettings, production: Production, hive: Hive, store: Store, server: str
) -> WriteDesk | None:
    """What writes are held against; None in shadow, where there is nothing to hold them against."""
    if production.mode is Mode.SHADOW:
        return None
    clock, salt = settings.clock, hive.salt()
    return WriteDesk(
        check=PermitCheck(
            hive, store, StopSwitch(hive, store), clock, spent_by=server, purpose=settings.purpose
        ),
        ledger=Ledger.of(production, store, clock, salt),
        store=store,
        salt=salt,
        policy_version=policy_version(settings.config()),
    )


def rules_of(production: Production, *, keep_limits: bool) -> dict[str, VendorRules]:
    """The brakes' rules of every vendor."""
    rules = {}
    for vendor in get_args(Vendor):
        config = getattr(production.vendors, vendor)
        rules[vendor] = VendorRules(
            breaker=production.breaker,
            retry_budget=production.retry_budget,
            limits=config.limits if keep_limits else None,
            lease_s=config.timeouts.total + _LEASE_SPARE_S,
        )
    return rules
