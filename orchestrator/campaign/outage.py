"""The twins in a campaign. Owns: making one fail altogether, and what they counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import structlog

from guardrails.clock import utc_now
from guardrails.errors import ServerUnavailable
from orchestrator.campaign.findings import Arrival, Outage
from orchestrator.twins import Twins

log = structlog.get_logger(__name__)
_LONGEST_S = 90.0
_STEP_S = 0.2


async def control(twins: Twins, method: str, path: str, document: Any = None) -> Any:
    """One control request to the twins.

    Raises:
        ServerUnavailable: they died, or refused.
    """
    url = f"http://127.0.0.1:{twins.port}/_twin/{path}"
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
            answer = await client.request(method, url, json=document)
        return answer.raise_for_status().json()
    except (httpx.HTTPError, ValueError) as error:
        raise ServerUnavailable(f"the vendor twins did not do {path}: {error!r}") from error


async def outage(
    twins: Twins, vendor: str, at_least_s: float, tripped: Callable[[], bool], began: datetime
) -> Outage:
    """Have every answer of a vendor be 503 for a while; always lifted.

    Lasts until the breaker has tripped as well, within reason: whether it ever does is asked
    afterwards, and needs calls that fail.
    """
    start = (utc_now() - began).total_seconds()
    clock = time.monotonic()
    await control(twins, "POST", "behaviour", {"outage": {vendor: 503}})
    try:
        for _ in range(int(_LONGEST_S / _STEP_S)):
            await asyncio.sleep(_STEP_S)
            if time.monotonic() - clock >= at_least_s and tripped():
                break
    finally:
        await asyncio.shield(control(twins, "POST", "behaviour", {"outage": {}}))
    return Outage(vendor, round(start, 3), round((utc_now() - began).total_seconds(), 3))


async def arrivals(twins: Twins, began: datetime) -> tuple[Arrival, ...]:
    """Every request at the twins' doors since the faults began."""
    counts = await control(twins, "GET", "counts")
    kinds = {
        (vendor, each["method"], each["path"]): each["kind"]
        for vendor, entry in counts["by_vendor"].items()
        for each in entry["endpoints"]
    }
    zero = began.timestamp()
    found = []
    for vendor in counts["by_vendor"]:
        for at, name, method, template, _ in await control(
            twins, "GET", f"log?vendor={vendor}&since={zero:.3f}"
        ):
            kind = kinds.get((name, method, template), "read")
            found.append(Arrival(round(at - zero, 3), name, kind))
    return tuple(sorted(found, key=lambda each: each.t))


def per_second(found: tuple[Arrival, ...]) -> dict[str, tuple[tuple[int, int], ...]]:
    """Vendor and operation class (`ghl read`) to (second, requests), for drawing."""
    counted: dict[str, dict[int, int]] = {}
    for each in found:
        seconds = counted.setdefault(f"{each.vendor} {each.operation_class}", {})
        seconds[int(each.t)] = seconds.get(int(each.t), 0) + 1
    return {door: tuple(sorted(seconds.items())) for door, seconds in sorted(counted.items())}
