"""Raw MCP clients for measuring: one line or one POST a message, nothing checked on the way."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx

HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}
Call = Callable[[], Awaitable[object]]


def request(number: int, method: str, params: object) -> bytes:
    """One message."""
    body = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
    return json.dumps(body).encode()


class Lines:
    """A server's pipes. Answers come in any order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._out, self._in = process.stdin, process.stdout
        self._numbers = itertools.count(1)
        self._pending: dict[int, asyncio.Future[bytes]] = {}

    async def ask(self, method: str, params: object) -> bytes:
        """The answer's line."""
        number = next(self._numbers)
        self._pending[number] = future = asyncio.get_running_loop().create_future()
        self._out.write(request(number, method, params) + b"\n")
        return await future

    async def tell(self, method: str) -> None:
        """A notification."""
        self._out.write(json.dumps({"jsonrpc": "2.0", "method": method}).encode() + b"\n")

    async def listen(self) -> None:
        """Hand answers out until the server ends."""
        while line := await self._in.readline():
            future = self._pending.pop(json.loads(line).get("id"), None)
            if future is not None:
                future.set_result(line)


@asynccontextmanager
async def over_stdio(
    command: Sequence[str], env: Mapping[str, str], *, greet: bool = True
) -> AsyncIterator[Lines]:
    """A process, greeted. `greet=False`: it is no MCP server and echoes lines."""
    process = await asyncio.create_subprocess_exec(
        *command, env={"PATH": os.environ["PATH"], **env},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, limit=1 << 24,
    )  # fmt: skip
    lines = Lines(process)
    listening = asyncio.create_task(lines.listen())
    try:
        if greet:
            await lines.ask("initialize", HELLO)
            await lines.tell("notifications/initialized")
            await lines.ask("tools/list", {})
        yield lines
    finally:
        process.kill()
        await listening
        await process.wait()


@asynccontextmanager
async def over_http(
    command: Sequence[str], env: Mapping[str, str], url: str, token: str = ""
) -> AsyncIterator[Callable[[str, object], Awaitable[bytes]]]:
    """A process that serves at `url`; what asks it."""
    process = await asyncio.create_subprocess_exec(
        *command, env={"PATH": os.environ["PATH"], **env},
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    headers = {
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "mcp-protocol-version": HELLO["protocolVersion"],
        **({"authorization": f"Bearer {token}"} if token else {}),
    }
    limits = httpx.Limits(max_connections=16, max_keepalive_connections=16)
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=60, limits=limits) as client:

            async def ask(method: str, params: object) -> bytes:
                sent = request(1, method, params)
                answer = await client.post(url, content=sent, headers=headers)
                return answer.raise_for_status().content

            await _ready(lambda: ask("tools/list", {}))
            yield ask
    finally:
        process.terminate()
        await process.wait()


async def _ready(ask: Call) -> None:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(httpx.ConnectError):
                await ask()
                return
            await asyncio.sleep(0.05)


async def one_by_one(call: Call, count: int) -> float:
    """Median seconds of a call."""
    taken = []
    for _ in range(count):
        started = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


async def together(call: Call, count: int, width: int) -> float:
    """Calls a second, `width` under way."""
    numbers = itertools.count()

    async def worker() -> None:
        while next(numbers) < count:
            await call()

    started = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(width)))
    return count / (time.perf_counter() - started)


def tool(ask: Callable[[str, object], Awaitable[bytes]], name: str, arguments: Any) -> Call:
    """A call of one tool."""
    params = {"name": name, "arguments": arguments}
    return lambda: ask("tools/call", params)
