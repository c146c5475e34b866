"""Leads through the whole swarm, against as many bare MCP tool calls in the same run.

The twins answer without latency but share the machine; the swarm's figure includes every vendor
request, every commit and every fsync. The floor has none of these: the SDK's client calling a
trivial tool of a bare server as often as the swarm called its tools.
"""

from __future__ import annotations

import asyncio
import time

from bench.common import bare_client, leads_file, scratch, show, swarm
from orchestrator.shadow import ShadowRun

LEADS = 200
ROUNDS = 3


async def _ours(in_flight: int) -> tuple[float, float]:
    """(seconds a lead, tool calls a lead)"""
    with scratch() as directory:
        leads = leads_file(directory, LEADS)
        async with swarm(directory, in_flight) as running:
            before = running.children.calls
            started = time.perf_counter()
            outcome = await ShadowRun(running, leads, None, lambda *_: None).execute(fresh=True)
            took = time.perf_counter() - started
            assert not outcome.crashed
            return took / LEADS, (running.children.calls - before) / LEADS


async def _bare(in_flight: int, calls: int) -> float:
    """Seconds for `calls` calls."""
    async with bare_client() as client:
        left = iter(range(calls))

        async def work() -> None:
            for _ in left:
                await client.call_tool("echo", {"text": "x"})

        started = time.perf_counter()
        await asyncio.gather(*(work() for _ in range(in_flight)))
        return time.perf_counter() - started


def _row(in_flight: int) -> tuple[str, ...]:
    ratios, speeds, calls = [], [], 0.0
    for _ in range(ROUNDS):
        # A loop of its own for each swarm: the engine takes the loop's thread pool with it.
        seconds, calls = asyncio.run(_ours(in_flight))
        floor = asyncio.run(_bare(in_flight, round(calls * LEADS))) / LEADS
        ratios.append(floor / seconds)
        speeds.append(1 / seconds)
    low, middle, high = sorted(ratios)
    return (
        str(in_flight),
        f"{calls:.1f}",
        f"{middle:.2f} ({low:.2f} to {high:.2f})",
        f"{sorted(speeds)[1]:.0f}",
    )


def main() -> None:
    """Print the table."""
    rows = [_row(1), _row(16)]
    show(
        f"{LEADS} leads, share of bare MCP calls' speed (median of {ROUNDS}; goal 0.35)",
        ("in flight", "tool calls a lead", "share of the floor", "leads/s on this machine"),
        rows,
    )
