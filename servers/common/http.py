"""How every adapter talks to its vendor. Owns: the composition of transports and `VendorClient`.

One stack for all vendors, outermost first:

    mode lock → permit → spend → retry → brakes → departure → whole body → (faults) → key headers
    → wire

The permit of a write is spent once for all its attempts; departure sees which of them leave. The
brakes are asked for each attempt: stop, breaker, retry budget, rate, money. The lock stands
in the transport, so that it also holds for somebody who takes the `httpx` client of an adapter
and calls it directly (P4). Redirects are not followed, proxies of the environment are ignored,
TLS is verified. Refuses: an address that would send a key in clear text.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Mapping, Sequence

import httpx
from pydantic import SecretStr

from guardrails.brakes.chaos import ChaosEvent
from guardrails.brakes.desk import CallEnd
from guardrails.brakes.spend import Settlement
from guardrails.config.models import VendorConfig
from guardrails.model import Mode
from servers.common.http_answer import Answer
from servers.common.http_brakes import BrakeLayer
from servers.common.http_client import VendorClient
from servers.common.http_errors import Scrubber
from servers.common.http_fate import Departure
from servers.common.http_faults import FaultInjection
from servers.common.http_lock import ModeLock
from servers.common.http_permit import PermitLayer
from servers.common.http_retry import Retry, Sleep
from servers.common.http_spend import SpendLayer, require_prices
from servers.common.http_wire import KeyHeaders, WholeBody, checked_base, open_wire
from servers.common.operations import Operation, require_bound
from servers.common.safety import Safety

MAX_BODY_BYTES = 5_000_000
Layer = Callable[[httpx.AsyncBaseTransport], httpx.AsyncBaseTransport]


def compose(wire: httpx.AsyncBaseTransport, *layers: Layer) -> httpx.AsyncBaseTransport:
    """`wire` inside the layers, the first named outermost."""
    transport = wire
    for layer in reversed(layers):
        transport = layer(transport)
    return transport


def open_client(
    vendor: str,
    config: VendorConfig,
    base_url: str,
    operations: Sequence[Operation],
    mode: Mode,
    safety: Safety,
    *,
    keys: Mapping[str, SecretStr] | None = None,
    headers: Mapping[str, str] | None = None,
    wire: httpx.AsyncBaseTransport | None = None,
    sleep: Sleep = asyncio.sleep,
    rng: random.Random | None = None,
) -> VendorClient:
    """The client of one vendor, for exactly these operations.

    Args:
        safety: the process's brakes, tracker and plan of faults.
        keys: header name to secret; added below the lock and shown nowhere.
        headers: further fixed headers.
        wire: stands in for the network, e.g. `httpx.ASGITransport` of a twin.
        sleep, rng: time and chance of the retries.

    Raises:
        ConfigError: `base_url` has a user, query or fragment, or is plain http to another machine;
            or an operation writes and could not be held against a permit.
    """
    for name in ("httpx", "httpcore"):  # their lines hold URLs, and at DEBUG every header
        logging.getLogger(name).setLevel(logging.WARNING)
    base = checked_base(vendor, base_url)
    require_bound(vendor, operations)
    secrets = dict(keys or {})
    scrub = Scrubber(secrets.values())
    layers: list[Layer] = [
        lambda inner: ModeLock(inner, vendor=vendor, base=base, operations=operations, mode=mode),
        lambda inner: PermitLayer(inner, vendor=vendor, base=base, mode=mode, desk=safety.writes),
        _spend(vendor, operations, safety),
        lambda inner: Retry(
            inner,
            attempts=config.max_attempts,
            total_s=config.timeouts.total,
            sleep=sleep,
            rng=rng or random.Random(),  # noqa: S311  # spreads retries, guards nothing
        ),
        lambda inner: BrakeLayer(
            inner,
            vendor=vendor,
            limits=config.limits if safety.keeps_limits else None,
            brakes=safety.brakes,
            failures=safety.failures,
            scrub=scrub,
            sleep=sleep,
        ),
        Departure,
        lambda inner: WholeBody(inner, vendor=vendor, limit=MAX_BODY_BYTES),
        *_faults(vendor, config, safety, sleep),
        lambda inner: KeyHeaders(inner, secrets),
    ]
    return VendorClient(
        vendor,
        base,
        compose(wire or open_wire(base), *layers),
        timeouts=config.timeouts,
        headers=headers or {},
        scrub=scrub,
        renamed=config.renamed_fields,
        failures=safety.failures,
        tell=safety.brakes.tell,
    )


def _spend(vendor: str, operations: Sequence[Operation], safety: Safety) -> Layer:
    prices = safety.prices.get(vendor, {})
    require_prices(vendor, operations, prices)

    def settle(settlement: Settlement) -> None:
        safety.brakes.tell(CallEnd(vendor, settlement=settlement))

    return lambda inner: SpendLayer(inner, vendor, prices, settle)


def _faults(vendor: str, config: VendorConfig, safety: Safety, sleep: Sleep) -> Sequence[Layer]:
    plan = safety.plan
    if plan is None:
        return ()

    def record(event: ChaosEvent) -> None:
        safety.brakes.tell(CallEnd(vendor, chaos=event))

    return (
        lambda inner: FaultInjection(
            inner,
            vendor=vendor,
            plan=plan,
            read_timeout_s=config.timeouts.read,
            sleep=sleep,
            record=record,
            clock=safety.clock,
        ),
    )


__all__ = ["Answer", "VendorClient", "compose", "open_client"]
