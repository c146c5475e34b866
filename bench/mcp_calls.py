"""Round trip and calls a second of every MCP server, over stdio and HTTP, against the floor.

The floor is `cat`, which gives each line back, and a bare server of the SDK with a trivial tool;
the same raw client for all, in the same run. Each server answers a tool of its own that asks no
vendor, so that its protocol, its argument check and its own work are measured, or one that refuses
the argument where it has no such tool. Ratios alone: a machine's mood changes in a minute.
"""

from __future__ import annotations

import asyncio
import socket
import statistics
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.common import scratch, show
from bench.mcp_peers import one_by_one, over_http, over_stdio, together, tool
from guardrails.clock import utc_now
from guardrails.hive import Hive
from guardrails.mcp_token_model import Scope
from guardrails.mcp_tokens import Tokens
from orchestrator.twins import running_twins

ROUNDS, ALONE, MANY = 3, 100, 500
WIDTH_STDIO, WIDTH_HTTP = 64, 8
HERE = Path(__file__).parent
CSV = "Email,First Name,Last Name,Company\nana.voss@firm.example,Ana,Voss,Firm Studio\n"
REFUSED = {"confirm": True}
# What each is asked, and what that is.
CALLS: Mapping[str, tuple[str, dict[str, Any], str]] = {
    "hunter": ("import_leads", {"csv_text": CSV}, "one lead from CSV"),
    "enricher": ("check_access", REFUSED, "a refusal"),
    "crafter": ("check_text", {"subject": "A question", "body": "Hello Ana,\n\nyours"}, "a text"),
    "guardrails": ("get_status", {}, "its status"),
    "ghl": ("check_access", REFUSED, "a refusal"),
    "instantly": ("list_campaigns", REFUSED, "a refusal"),
    "orchestrator": ("list_approvals", {}, "an empty list"),
}


@dataclass(frozen=True)
class Speed:
    """Median seconds of a call alone, and calls a second together."""

    alone: float
    rate: float


@dataclass(frozen=True)
class Place:
    """A hive, and what the servers need in their environment."""

    env: Mapping[str, str]
    token: str


async def _stdio(command: list[str], env: Mapping[str, str], name: str, asked: Any) -> Speed:
    async with over_stdio(command, env) as lines:
        call = tool(lines.ask, name, asked)
        await together(call, 50, 8)  # warm
        return Speed(await one_by_one(call, ALONE), await together(call, MANY, WIDTH_STDIO))


async def _cat() -> Speed:
    async with over_stdio(["cat"], {}, greet=False) as lines:
        call = tool(lines.ask, "echo", {"text": "x"})
        return Speed(await one_by_one(call, ALONE), await together(call, MANY, WIDTH_STDIO))


async def _http(
    command: list[str], env: Mapping[str, str], name: str, asked: Any, token: str, port: int
) -> Speed:
    url = f"http://127.0.0.1:{port}/mcp"
    async with over_http(command, env, url, token) as ask:
        call = tool(ask, name, asked)
        await together(call, 20, 4)
        return Speed(await one_by_one(call, ALONE), await together(call, MANY // 4, WIDTH_HTTP))


def _bare(*arguments: str) -> list[str]:
    return [sys.executable, str(HERE / "bare_server.py"), *arguments]


def _ours(name: str, *arguments: str) -> list[str]:
    module = name if name == "orchestrator" else f"servers.{name}"
    return [sys.executable, "-P", "-m", module, *arguments]


def _port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


async def _round(place: Place) -> dict[str, tuple[float, ...]]:
    """The floor, then each server against it."""
    echo, port = {"text": "x"}, _port()
    cat, bare = await _cat(), await _stdio(_bare(), {}, "echo", echo)
    bare_http = await _http(_bare(port), {}, "echo", echo, "", int(port))
    found = {}
    for name, (asked, arguments, _) in CALLS.items():
        ours = await _stdio(_ours(name), place.env, asked, arguments)
        port = _port()
        command = _ours(name, "--http", "--port", port)
        http = await _http(command, place.env, asked, arguments, place.token, int(port))
        found[name] = (
            ours.alone / cat.alone,
            ours.alone / bare.alone,
            ours.rate / bare.rate,
            http.alone / bare_http.alone,
            http.rate / bare_http.rate,
        )
    return found


async def _measure() -> None:
    with scratch() as directory:
        async with running_twins() as twins:
            hive = Hive.open(directory / "hive", sandbox=True)
            token, _ = Tokens(hive, utc_now).create("bench", Scope.OPERATE, None)
            env = {"HIVE_MIND_DIR": str(hive.path), "SWARM_SANDBOX": "1", **twins.env}
            rounds = [await _round(Place(env, token)) for _ in range(ROUNDS)]
    rows = []
    for name, (_, _, what) in CALLS.items():
        each = zip(*(one[name] for one in rounds), strict=True)
        rows.append((name, what, *(f"{statistics.median(values):.2f} x" for values in each)))
    show(
        f"A call of each MCP server against the floor (median of {ROUNDS} rounds)",
        (
            "server", "asked for", "stdio p50 / cat", "stdio p50 / bare SDK",
            "stdio calls/s / bare SDK", "HTTP p50 / bare SDK", "HTTP calls/s / bare SDK",
        ),
        rows,
    )  # fmt: skip


def main() -> None:
    """Print the table."""
    asyncio.run(_measure())
