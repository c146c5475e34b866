"""What durability and our transport cost by themselves: leads of six trivial tool calls.

200 workflows of two checkpoints, three calls of a trivial tool in each, through the queen's engine
and session, against as many calls of the SDK's own client on a bare server in the same run, which
keep nothing. No vendor, no policy, no audit: the figure that other engines can be compared with.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import time
from pathlib import Path

from bench.common import bare_client, scratch, show
from guardrails.hive import Hive
from orchestrator.engine import Engine, Json
from orchestrator.mcp_session import Session
from orchestrator.processes import ServerSpec
from servers.common.contract import Args, Result, ToolSpec

LEADS, CALLS, ROUNDS = 200, 6, 5
SERVER = Path(__file__).parent / "plain_server.py"


class Echo(Args):
    """The trivial tool's argument."""

    text: str


class Echoed(Result):
    """Its result."""

    text: str


ECHO = ToolSpec("echo", "Echo", "Give the text back.", Echo, Echoed)


class Plain(ServerSpec):
    """Our transport over one trivial tool."""

    @property
    def command(self) -> tuple[str, ...]:
        """The script beside this file."""
        return (sys.executable, "-P", str(SERVER))


async def _in_flight(count: int, width: int, work: object) -> float:
    numbers = itertools.count()

    async def worker() -> None:
        while (number := next(numbers)) < count:
            await work(number)  # type: ignore[operator]

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(width)))
    return time.perf_counter() - started


async def _ours(engine: Engine, width: int, label: str) -> float:
    return await _in_flight(
        LEADS, width, lambda number: engine.run("lead", f"{label}-{number}", number)
    )


async def _bare(width: int) -> float:
    async with bare_client() as client:

        async def lead(_number: int) -> None:
            for _ in range(CALLS):
                await client.call_tool("echo", {"text": "x"})

        return await _in_flight(LEADS, width, lead)


async def _measure() -> None:
    rows = []
    with scratch() as directory:
        session = await Session.start(Plain("plain", {}), log_file=directory / "log", timeout_s=30)

        async def checkpoint() -> Json:
            for _ in range(CALLS // 2):
                await session.call(ECHO, Echo(text="x"), 10)
            return {"done": True}

        engine = Engine(Hive.open(directory / "hive", sandbox=True), None)

        async def lead(_number: int) -> Json:
            await engine.step("first", checkpoint)
            return await engine.step("second", checkpoint)

        engine.register("lead", lead)
        engine.lock()
        async with engine:
            for width in (1, 16):
                ratios = []
                for turn in range(ROUNDS):
                    ours = await _ours(engine, width, f"{width}-{turn}")
                    ratios.append(await _bare(width) / ours)
                low, *_, high = sorted(ratios)
                middle = sorted(ratios)[ROUNDS // 2]
                rows.append((width, f"{middle:.2f} ({low:.2f} to {high:.2f})"))
        await session.close()
    title = f"{LEADS} durable leads x {CALLS} trivial tool calls (median of {ROUNDS} rounds)"
    show(title, ("in flight", "share of bare mcp client calls (goal 0.35)"), rows)


def main() -> None:
    """Print the table."""
    asyncio.run(_measure())
