"""Time until all six servers are ready, and until a killed one is ready again, and their memory:
forked and spawned, against bare `mcp` servers in the same run.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import statistics
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass

import psutil

from bench.common import bare_client, scratch, show
from guardrails.brakes.failures import FailureTracker
from guardrails.brakes.quarantine import Quarantine
from guardrails.clock import utc_now
from guardrails.config import load_config
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.store import open_store
from orchestrator.children import Children
from orchestrator.environment import Environment
from orchestrator.ground import open_hive
from orchestrator.incidents import Incidents
from orchestrator.logs import logging_to
from orchestrator.options import SERVERS, Options, nursery_of, server_spec
from orchestrator.processes import ServerSpec
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
    """Seconds until all six are ready, of CPU until then, and until a killed one is ready again.

    `memory` is theirs and the nursery's, what they share counted once (PSS).
    """

    ready: float
    cpu: float
    again: float
    memory: int


@dataclass(frozen=True)
class _Swarm:
    """What six servers are started from."""

    hive: Hive
    specs: Sequence[ServerSpec]
    incidents: Incidents

    async def start(self, *, forked: bool) -> _Times:
        """Start all six from nothing, then kill each once."""
        started = time.perf_counter()
        async with AsyncExitStack() as stack:
            nursery = await stack.enter_async_context(nursery_of(self.hive)) if forked else None
            children = Children(self.specs, self.hive.logs_dir, 60, self.incidents, nursery)
            await stack.enter_async_context(children)
            ready, cpu = time.perf_counter() - started, _cpu(children)
            memory = sum(_pss(one) for one in _processes(children))
            again = [await _again(children, name) for name in SERVERS]
            return _Times(ready, cpu, statistics.median(again), memory)


def _processes(children: Children) -> list[psutil.Process]:
    pids = (*children.pids().values(), children.nursery_pid)
    return [psutil.Process(pid) for pid in pids if pid is not None]


def _cpu(children: Children) -> float:
    times = [one.cpu_times() for one in _processes(children)]
    return sum(each.user + each.system for each in times)


def _pss(process: psutil.Process) -> int:
    full = process.memory_full_info()
    return int(getattr(full, "pss", full.uss))


async def _again(children: Children, name: str) -> float:
    before = children.pids()[name]
    assert before is not None
    started = time.perf_counter()
    os.kill(before, signal.SIGKILL)
    while children.pids()[name] in (before, None):  # noqa: ASYNC110 - seen from outside
        await asyncio.sleep(0.001)
    return time.perf_counter() - started


async def _swarm(stack: AsyncExitStack) -> _Swarm:
    directory = stack.enter_context(scratch())
    options = Options(hive=directory / "hive", sandbox=True, hunter_roots=(directory,))
    hive = open_hive(options, load_config(), utc_now)
    stack.enter_context(logging_to(hive.logs_dir / "queen.log"))
    twins = await stack.enter_async_context(running_twins())
    environment = Environment({}).with_values(twins.env)
    store = stack.enter_context(contextlib.closing(open_store(hive)))
    tracker = FailureTracker(store, hive, utc_now, "queen")
    incidents = Incidents(tracker, Quarantine(store, utc_now), limit=3)
    specs = [server_spec(name, options, hive, Mode.SHADOW, environment) for name in SERVERS]
    return _Swarm(hive, specs, incidents)


async def _round(swarm: _Swarm) -> dict[str, float]:
    """Everything once, as a multiple of one bare server: a machine's mood changes in a minute."""
    one = await _bare_one()
    spawned = await swarm.start(forked=False)
    forked = await swarm.start(forked=True)
    six = await _bare_six()
    one = (one + await _bare_one()) / 2
    return {
        "six bare servers at once": six / one,
        "our six, spawned": spawned.ready / one,
        "our six, forked, and the nursery": forked.ready / one,
        "our six, forked, against one spawned": forked.ready / spawned.again,
        "a killed one, spawned again": spawned.again / one,
        "a killed one, forked again": forked.again / one,
        "CPU of six, forked, against spawned": forked.cpu / spawned.cpu,
        "memory of six, forked, against spawned": forked.memory / spawned.memory,
    }


async def _measure() -> None:
    async with AsyncExitStack() as stack:
        swarm = await _swarm(stack)
        rounds = [await _round(swarm) for _ in range(ROUNDS)]
    middle = {what: statistics.median(each[what] for each in rounds) for what in rounds[0]}
    show(
        "Ready time and memory (median of 5 rounds)",
        ("what", "against one bare server or as said"),
        [(what, f"{ratio:.2f} x") for what, ratio in middle.items()],
    )


def main() -> None:
    """Print the table."""
    asyncio.run(_measure())
