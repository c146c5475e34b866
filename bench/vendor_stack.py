"""What one vendor call costs in our stack, what of the vendor's limit we use, how fast we notice.

Against a bare `httpx` client on the same twin in the same run. The throughput is measured with the
twin enforcing the published limit (a 429 counts against us), from one process and from four that
share one database; both as shares of the limit itself.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import orjson
from pydantic import SecretStr

from bench.common import scratch, show
from guardrails.config import load_config
from guardrails.config.models import Production
from guardrails.errors import SwarmError
from guardrails.model import Mode
from orchestrator.twins import Twins, running_twins
from servers.common.http import VendorClient, open_client
from servers.common.safety import open_safety
from servers.common.settings import ServerSettings
from servers.ghl.twin_records import LOCATION_ID
from servers.ghl.vendor import OPERATIONS, SEARCH

CALLS = 600
WIDTH = 32
LIMIT_S = 31  # three of the vendor's windows
VERSION = {"Version": "2021-07-28"}
NOBODY = {
    "locationId": LOCATION_ID,
    "page": 1,
    "pageLimit": 1,
    "filters": [{"field": "email", "operator": "eq", "value": "nobody@example.org"}],
}


@asynccontextmanager
async def ghl_client(
    hive: Path, env: dict[str, str], *, limits: bool
) -> AsyncIterator[VendorClient]:
    """The adapter's client, as its server opens it."""
    settings = ServerSettings(hive=hive, sandbox=True, sandbox_limits=limits)
    production = patient(load_config().production)
    with open_safety(settings, production, "ghl") as safety:
        keys = {"Authorization": SecretStr(f"Bearer {env['GHL_PROD_API_KEY']}")}
        async with open_client(
            "ghl",
            production.vendors.ghl,
            env["GHL_BASE_URL"],
            OPERATIONS,
            Mode.SHADOW,
            safety,
            keys=keys,
        ) as client:
            yield client


def patient(production: Production) -> Production:
    """Calls that wait for their slot as long as the measurement lasts."""
    timeouts = production.vendors.ghl.timeouts.model_copy(update={"total": 120.0})
    ghl = production.vendors.ghl.model_copy(update={"timeouts": timeouts})
    breaker = production.breaker.model_copy(update={"open_s": 2.0})
    vendors = production.vendors.model_copy(update={"ghl": ghl})
    return production.model_copy(update={"vendors": vendors, "breaker": breaker})


async def ask(client: VendorClient) -> bool:
    """One read; whether the vendor answered it."""
    try:
        await client.request(SEARCH, json=NOBODY, headers=VERSION)
    except SwarmError:
        return False
    return True


async def _cost(directory: Path) -> None:
    async with (
        running_twins() as twins,
        ghl_client(directory / "hive", dict(twins.env), limits=False) as client,
        httpx.AsyncClient(trust_env=False) as bare,
    ):
        url = f"{twins.env['GHL_BASE_URL']}/contacts/search"
        headers = VERSION | {"Authorization": f"Bearer {twins.env['GHL_PROD_API_KEY']}"}
        ours, floor = [], []
        for _ in range(CALLS):
            started = time.perf_counter()
            (await bare.post(url, headers=headers, json=NOBODY)).json()
            floor.append(time.perf_counter() - started)
            started = time.perf_counter()
            await ask(client)
            ours.append(time.perf_counter() - started)
    rows = []
    for name, pick in (("p50", statistics.median), ("p99", lambda t: sorted(t)[-len(t) // 100])):
        added = (pick(ours) - pick(floor)) * 1000
        rows.append((name, f"{pick(ours) / pick(floor):.2f} x", f"{added:+.2f} ms"))
    show("One call through the whole stack, against bare httpx", ("", "ratio", "added"), rows)


async def _pressed(client: VendorClient, until: float) -> None:
    async def worker() -> None:
        while time.monotonic() < until:
            await ask(client)

    await asyncio.gather(*(worker() for _ in range(WIDTH)))


async def _worker(hive: str, seconds: str) -> None:
    """One of several processes that share the limit."""
    async with ghl_client(Path(hive), dict(os.environ), limits=True) as client:
        try:
            async with asyncio.timeout(float(seconds)):
                await _pressed(client, time.monotonic() + float(seconds))
        except TimeoutError:
            return


async def _throughput(directory: Path, processes: int) -> tuple[str, str, str]:
    async with running_twins(rate_limits=("ghl",)) as twins:
        env = {**os.environ, **twins.env}
        hive = directory / f"hive-{processes}"
        command = [sys.executable, "-m", "bench.vendor_stack", "worker", str(hive), str(LIMIT_S)]
        workers = [
            await asyncio.create_subprocess_exec(*command, env=env, stderr=subprocess.DEVNULL)
            for _ in range(processes)
        ]
        await asyncio.gather(*(worker.wait() for worker in workers))
        arrivals = await _log(twins)
    refused = sum(status == 429 for _, status in arrivals)
    # From the first arrival on, over whole windows of the vendor's ten seconds.
    first = arrivals[0][0]
    counted = sum(at < first + 30 for at, _ in arrivals)
    return str(processes), f"{counted / 300:.3f}", str(refused)


async def _log(twins: Twins) -> list[tuple[float, int]]:
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"http://127.0.0.1:{twins.port}/_twin/log?vendor=ghl")
    return [(row[0], row[4]) for row in orjson.loads(answer.content)]


async def _noticing(directory: Path) -> None:
    async with (
        running_twins() as twins,
        ghl_client(directory / "hive-n", dict(twins.env), limits=False) as client,
        httpx.AsyncClient(trust_env=False) as control,
    ):
        where = f"http://127.0.0.1:{twins.port}/_twin/behaviour"
        await control.post(where, json={"outage": {"ghl": 503}})
        calls, started = 0, time.perf_counter()
        while True:
            try:
                await client.request(SEARCH, json=NOBODY, headers=VERSION)
            except SwarmError as error:
                if error.code == "breaker_open":
                    break
            calls += 1
        opened = time.perf_counter() - started
        requests = len(await _log(twins))
        await control.post(where, json={"outage": {}})
        back = time.perf_counter()
        while not await ask(client):  # noqa: ASYNC110 - as a caller would
            await asyncio.sleep(0.01)
        recovered = time.perf_counter() - back
    show(
        "A vendor that goes and comes back (open_s = 2 s here)",
        ("from the first failure to open", "requests it took", "from back to served, of open_s"),
        [(f"{opened:.2f} s in {calls} calls with retries", requests, f"{recovered / 2:.2f}")],
    )


async def _measure() -> None:
    with scratch() as directory:
        await _cost(directory)
        await _noticing(directory)
        rows = [await _throughput(directory, processes) for processes in (1, 4)]
    show(
        "Use of GHL's limit (100 requests in 10 s, enforced by the twin)",
        ("processes", "share of the limit", "429s"),
        rows,
    )


def main() -> None:
    """Print the tables."""
    asyncio.run(_measure())


if __name__ == "__main__":
    asyncio.run(_worker(*sys.argv[2:]))
