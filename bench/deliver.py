"""Decided leads through delivery, live: against bare calls, and against what the vendors allow.

The twins answer without latency and without limits, but share the machine. The swarm's figure
includes every permit, audit record, ledger row and vendor request of an e-mail and of what the CRM
is told of it. The floor does as many bare MCP tool calls and bare HTTP requests, and nothing else.
The vendors' limits are published ones: how many deliveries a second their requests would leave.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import func, select

from bench.common import bare_client, leads_file, scratch, show
from guardrails.clock import parse
from guardrails.config import config_path
from guardrails.store.write_tables import writes
from orchestrator.bootstrap import running_swarm
from orchestrator.environment import Environment
from orchestrator.options import Options
from orchestrator.run import SendingRun

LEADS = 120
IN_FLIGHT = 16
ROUNDS = 3
SUNDAY, TUESDAY = 6, 1
_FAR = 1000  # no campaign takes more a day


@dataclass(frozen=True)
class Delivered:
    """What delivering came to, for one delivery each."""

    number: int
    seconds: float
    calls: float
    requests: Mapping[str, float]  # by vendor

    @property
    def speed(self) -> float:
        """Deliveries a second."""
        return 1 / self.seconds


@contextlib.contextmanager
def twins() -> Iterator[int]:
    """Twins that outlive a swarm; their port."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "servers.sandbox", "--watch-stdin"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(json.loads(process.stdout.readline())["port"])
    finally:
        process.stdin.close()
        process.wait(20)
        process.stdout.close()


def without_caps(directory: Path) -> Path:
    """The packaged configuration, live, with caps out of reach."""
    document: dict[str, Any] = json.loads(config_path("production.json").read_text())
    document["mode"] = "live"
    limits = document["sending_limits"]
    for name in limits:
        limits[name] = 0 if name in ("spacing_s", "ramp_clean_days") else _FAR
    file = directory / "production.json"
    file.write_text(json.dumps(document))
    return file


def ahead_to(weekday: int, hour: int) -> float:
    """Seconds to the next such hour (UTC)."""
    now = datetime.now(UTC)
    moment = now.replace(hour=hour, minute=0, second=0, microsecond=0)
    while moment < now or moment.weekday() != weekday:
        moment += timedelta(days=1)
    return (moment - now).total_seconds()


def counted(port: int) -> dict[str, int]:
    """Requests so far, by vendor."""
    answer = httpx.get(f"http://127.0.0.1:{port}/_twin/counts", trust_env=False, timeout=30)
    by_vendor: dict[str, Any] = answer.raise_for_status().json()["by_vendor"]
    return {vendor: int(each["total"]) for vendor, each in by_vendor.items()}


async def _run(options: Options, leads: Path, offset_s: float) -> tuple[int, list[datetime]]:
    """Tool calls of a run, and when its first write was claimed and its last one ended."""
    environment = Environment({"SWARM_SANDBOX_OFFSET_S": repr(offset_s)})
    async with running_swarm(options, environment) as swarm:
        await SendingRun(swarm, leads, None, lambda *_: None, wait=False).execute(fresh=False)
        span = select(func.min(writes.c.claimed_at), func.max(writes.c.ended_at)).where(
            writes.c.counts.is_(True) | writes.c.action.in_(("add_note", "create_opportunity"))
        )
        found = await swarm.store.query(lambda conn: conn.execute(span).one())
        return swarm.children.calls, [parse(each) for each in found if each]


def _delivered(directory: Path, port: int) -> Delivered:
    """Decided on a Sunday, when nobody may be written to, and delivered on a Tuesday."""
    leads = leads_file(directory, LEADS)
    options = Options(
        hive=directory / "hive",
        sandbox=True,
        config_path=without_caps(directory),
        concurrency=IN_FLIGHT,
        hunter_roots=(directory,),
        twins_port=port,
    )
    asyncio.run(_run(options, leads, ahead_to(SUNDAY, 12)))
    before = counted(port)
    calls, (began, ended) = asyncio.run(_run(options, leads, ahead_to(TUESDAY, 17)))
    after = counted(port)
    mails = httpx.get(f"http://127.0.0.1:{port}/_twin/outbox", trust_env=False, timeout=30).json()
    each = len(mails)
    return Delivered(
        number=each,
        seconds=(ended - began).total_seconds() / each,
        calls=calls / each,
        requests={
            vendor: (after.get(vendor, 0) - before.get(vendor, 0)) / each
            for vendor in ("instantly", "ghl")
        },
    )


async def _floor(found: Delivered, port: int) -> float:
    """Seconds a delivery of as many bare tool calls and bare requests."""
    url = f"http://127.0.0.1:{port}/_twin/env"
    calls, requests = round(found.calls), round(sum(found.requests.values()))
    async with bare_client() as client, httpx.AsyncClient(trust_env=False) as http:
        left = iter(range(found.number))

        async def work() -> None:
            for _ in left:
                for _ in range(calls):
                    await client.call_tool("echo", {"text": "x"})
                for _ in range(requests):
                    await http.get(url)

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
        return (time.perf_counter() - started) / found.number


def allowed(found: Delivered) -> dict[str, float]:
    """Deliveries a second that each vendor's published limit would leave."""
    vendors = json.loads(config_path("production.json").read_text())["vendors"]
    limits = {name: vendors[name]["limits"] for name in found.requests}
    return {
        name: limits[name]["requests"] / limits[name]["per_seconds"] / found.requests[name]
        for name in found.requests
    }


def main() -> None:
    """Print the table."""
    shares, to_limit, found = [], [], None
    for _ in range(ROUNDS):
        with scratch() as directory, twins() as port:
            found = _delivered(directory, port)
            shares.append(asyncio.run(_floor(found, port)) / found.seconds)
            to_limit.append({name: found.speed / most for name, most in allowed(found).items()})
    assert found is not None
    rows = [
        ("share of as many bare calls and requests", _spread(shares)),
        *(
            (f"of what {name}'s limit leaves", _spread([each[name] for each in to_limit]))
            for name in found.requests
        ),
        ("tool calls a delivery", f"{found.calls:.1f}"),
        *((f"{name} requests a delivery", f"{n:.1f}") for name, n in found.requests.items()),
        ("deliveries/s on this machine", f"{found.speed:.1f}"),
    ]
    show(f"{found.number} e-mails live, {IN_FLIGHT} in flight (median of {ROUNDS})", ("", ""), rows)


def _spread(ratios: list[float]) -> str:
    low, middle, high = sorted(ratios)
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
