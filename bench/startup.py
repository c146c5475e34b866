"""Time until all six servers are ready, and until a killed one is ready again: forked and spawned,
against bare `mcp` servers in the same run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import statistics
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bench.common import bare_client, scratch, show
from guardrails.brakes.failures import FailureTracker
from guardrails.brakes.quarantine import Quarantine
from guardrails.clock import utc_now
from guardrails.config import load_config
from guardrails.model import Mode
from guardrails.store import open_store
from orchestrator.bootstrap import SERVERS, Options, nursery_of, open_hive, server_spec
from orchestrator.children import Children
from orchestrator.environment import Environment
from orchestrator.incidents import Incidents
from orchestrator.logs import logging_to
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


@dataclass(frozen=True)
class _Times:
    """Seconds: six servers ready, from nothing; a killed one ready again, median of the six."""

    ready: float
    again: float


async def _ours(stack: AsyncExitStack, *, forked: bool) -> _Times:
    directory = stack.enter_context(scratch())
    options = Options(hive=directory / "hive", sandbox=True, hunter_roots=(directory,))
    hive = open_hive(options, load_config(), utc_now)
    stack.enter_context(logging_to(hive.logs_dir / "queen.log"))
    twins = await stack.enter_async_context(running_twins())
    environment = Environment({}).with_values(twins.env)
    store = stack.enter_context(contextlib.closing(open_store(hive)))
    incidents = Incidents(
        FailureTracker(store, hive, utc_now, "queen"), Quarantine(store, utc_now), limit=3
    )
    specs = [server_spec(name, options, hive, Mode.SHADOW, environment) for name in SERVERS]
    ready, again = [], []
    for _ in range(ROUNDS):
        started = time.perf_counter()
        async with AsyncExitStack() as swarm:
            nursery = await swarm.enter_async_context(nursery_of(hive)) if forked else None
            children = Children(specs, hive.logs_dir, 60, incidents, nursery)
            await swarm.enter_async_context(children)
            ready.append(time.perf_counter() - started)
            again += [await _restart(children, name) for name in SERVERS]
    return _Times(statistics.median(ready), statistics.median(again))


async def _restart(children: Children, name: str) -> float:
    before = children.pids()[name]
    assert before is not None
    started = time.perf_counter()
    os.kill(before, signal.SIGKILL)
    while children.pids()[name] in (before, None):  # noqa: ASYNC110 - seen from outside
        await asyncio.sleep(0.001)
    return time.perf_counter() - started


async def _measure() -> None:
    async with AsyncExitStack() as stack:
        spawned = await _ours(stack, forked=False)
        forked = await _ours(stack, forked=True)
    one = statistics.median([await _bare_one() for _ in range(ROUNDS)])
    six = statistics.median([await _bare_six() for _ in range(ROUNDS)])
    took = {
        "six bare servers at once": six,
        "our six, spawned": spawned.ready,
        "our six, forked, and the nursery": forked.ready,
        "a killed one, spawned again": spawned.again,
        "a killed one, forked again": forked.again,
    }
    show(
        "Ready time (median of 5)",
        ("what", "against one bare server", "against six of them"),
        [
            (what, f"{seconds / one:.2f} x", f"{seconds / six:.2f} x")
            for what, seconds in took.items()
        ],
    )


def main() -> None:
    """Print the table."""
    asyncio.run(_measure())
