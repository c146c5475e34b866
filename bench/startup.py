"""Time until all six servers are ready, against bare `mcp` servers in the same run."""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import time
from contextlib import AsyncExitStack

from bench.common import bare_client, scratch, show
from guardrails.brakes.failures import FailureTracker
from guardrails.brakes.quarantine import Quarantine
from guardrails.clock import utc_now
from guardrails.config import load_config
from guardrails.model import Mode
from guardrails.store import open_store
from orchestrator.bootstrap import SERVERS, Options, open_hive, server_spec
from orchestrator.children import Children
from orchestrator.environment import Environment
from orchestrator.incidents import Incidents
from orchestrator.twins import running_twins

ROUNDS = 5


async def _bare_one() -> float:
    started = time.perf_counter()
    async with bare_client():
        return time.perf_counter() - started


async def _bare_six() -> float:
    """Six owner tasks: the SDK's clients must be entered and left by one task each."""
    started = time.perf_counter()
    ready, leave = asyncio.Semaphore(0), asyncio.Event()

    async def own() -> None:
        async with bare_client():
            ready.release()
            await leave.wait()

    async with asyncio.TaskGroup() as group:
        for _ in SERVERS:
            group.create_task(own())
        for _ in SERVERS:
            await ready.acquire()
        took = time.perf_counter() - started
        leave.set()
    return took


async def _ours(stack: AsyncExitStack) -> list[float]:
    directory = stack.enter_context(scratch())
    options = Options(hive=directory / "hive", sandbox=True, hunter_roots=(directory,))
    hive = open_hive(options, load_config(), utc_now)
    twins = await stack.enter_async_context(running_twins())
    environment = Environment({}).with_values(twins.env)
    store = stack.enter_context(contextlib.closing(open_store(hive)))
    incidents = Incidents(
        FailureTracker(store, hive, utc_now, "queen"), Quarantine(store, utc_now), limit=3
    )
    times = []
    for _ in range(ROUNDS):
        specs = [server_spec(name, options, hive, Mode.SHADOW, environment) for name in SERVERS]
        started = time.perf_counter()
        async with Children(specs, hive.logs_dir, 60, incidents):
            times.append(time.perf_counter() - started)
    return times


async def _measure() -> None:
    async with AsyncExitStack() as stack:
        ours = statistics.median(await _ours(stack))
    one = statistics.median([await _bare_one() for _ in range(ROUNDS)])
    six = statistics.median([await _bare_six() for _ in range(ROUNDS)])
    show(
        "Ready time (median of 5)",
        ("what", "against one bare server", "against six bare servers in parallel"),
        [
            ("six bare mcp servers", f"{six / one:.2f} x", "1.00 x"),
            ("the swarm's six servers", f"{ours / one:.2f} x", f"{ours / six:.2f} x"),
        ],
    )


def main() -> None:
    """Print the table."""
    asyncio.run(_measure())
