"""A raw MCP client: lines in, lines out, nothing checked on the way. For what real clients refuse
to send. Over memory (our own wire code, without a process) or over a process's pipes.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.shared.message import SessionMessage

from servers.common.in_flight import InFlight
from servers.common.stdio import PipeReader, PipeWriter

ROOT = Path(__file__).parents[2]
AHEAD = 64 * 1024  # how much asyncio reads of a process before anybody asks for it
PATIENCE_S = 60.0  # a fault, not a slow machine
HELLO = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "raw", "version": "1"},
}


class Sink(Protocol):
    """Where lines go."""

    def write(self, data: bytes, /) -> None: ...
    async def drain(self) -> None: ...


class Wire:
    """One conversation. `unasked`: what came that answers nothing we asked."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._ids = itertools.count(1)
        self._pending: dict[Any, asyncio.Future[dict[str, Any]]] = {}
        self.unasked: list[dict[str, Any]] = []
        self.last_line = b""

    async def hello(self) -> dict[str, Any]:
        """Shake hands; what the server says of itself."""
        told = await self.ask("initialize", HELLO)
        await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        result: dict[str, Any] = told["result"]
        return result

    async def call(self, tool: str, arguments: object) -> dict[str, Any]:
        """Call a tool; the whole answer."""
        return await self.ask("tools/call", {"name": tool, "arguments": arguments})

    async def ask(self, method: str, params: object) -> dict[str, Any]:
        """Ask and wait for the answer."""
        return await self.answer(self.begin(method, params))

    def begin(self, method: str, params: object) -> int:
        """Ask without waiting; the number to wait for."""
        number = next(self._ids)
        self.expect(number)
        body = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self._sink.write(json.dumps(body).encode() + b"\n")
        return number

    def begin_many(self, method: str, params: object, count: int) -> None:
        """The same many times, numbered from 1, as fast as it can be written."""
        self._ids = itertools.count(count + 1)
        lines = []
        for number in range(1, count + 1):
            self.expect(number)
            body = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
            lines.append(json.dumps(body).encode() + b"\n")
        self._sink.write(b"".join(lines))

    def expect(self, number: object) -> None:
        """An answer to this id will be waited for."""
        self._pending[number] = asyncio.get_running_loop().create_future()

    async def answer(self, number: object) -> dict[str, Any]:
        """Wait for the answer to what was begun."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await self._pending[number]
        finally:
            self._pending.pop(number, None)

    async def send(self, message: object) -> None:
        """Any JSON, as one line."""
        await self.send_raw(json.dumps(message).encode() + b"\n")

    async def send_raw(self, data: bytes) -> None:
        """Any bytes."""
        self._sink.write(data)
        await self._sink.drain()

    def on_line(self, line: bytes) -> None:
        """A line of the server."""
        self.last_line = line
        message = json.loads(line)
        future = self._pending.get(message.get("id"))
        if future is not None and not future.done():
            future.set_result(message)
        else:
            self.unasked.append(message)


class _Feed:
    """Lines to a server in this process."""

    def __init__(self) -> None:
        self.reader = asyncio.StreamReader(limit=16 * 1024 * 1024)

    def write(self, data: bytes, /) -> None:
        self.reader.feed_data(data)

    async def drain(self) -> None:
        await asyncio.sleep(0)


class _Back:
    """What a server in this process writes."""

    def __init__(self) -> None:
        self.wire: Wire | None = None

    def write(self, data: bytes, /) -> None:
        if self.wire is not None:
            self.wire.on_line(data)

    async def drain(self) -> None:
        await asyncio.sleep(0)


@asynccontextmanager
async def in_memory(server: Server[Any]) -> AsyncIterator[Wire]:
    """Our stdio wire over memory instead of pipes."""
    feed, back = _Feed(), _Back()
    wire = Wire(feed)
    back.wire = wire
    in_flight = InFlight()
    write = PipeWriter(back, in_flight)  # type: ignore[arg-type]

    async def refuse(error: types.JSONRPCError) -> None:
        await write.send(SessionMessage(error))

    read = PipeReader(feed.reader, refuse, in_flight)
    serving = asyncio.create_task(
        server.run(read, write, server.create_initialization_options())  # type: ignore[arg-type]
    )
    try:
        await wire.hello()
        yield wire
    finally:
        feed.reader.feed_eof()
        await serving


class Spawned(Wire):
    """A server in a process of its own."""

    process: asyncio.subprocess.Process

    async def listen(self) -> None:
        """Read what it says, until it ends."""
        stdout = self.process.stdout
        assert stdout is not None
        rest = b""
        while data := await stdout.read(1 << 20):
            *lines, rest = (rest + data).split(b"\n")
            for line in lines:
                self.on_line(line)
        for future in self._pending.values():
            if not future.done():
                future.set_exception(ConnectionError("the server ended"))
                future.exception()  # nobody may be waiting


def command(name: str) -> tuple[str, ...]:
    """How a server is started."""
    module = name if name == "orchestrator" else f"servers.{name}"
    return (sys.executable, "-P", "-m", module)


def variables(env: Mapping[str, str]) -> dict[str, str]:
    """What its process needs besides its own."""
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **env}


@asynccontextmanager
async def spawned(
    name: str, env: Mapping[str, str], *, listen: bool = True
) -> AsyncIterator[Spawned]:
    """Start a server by its module; killed at the end.

    Args:
        listen: otherwise nothing is read from it, ever.
    """
    process = await asyncio.create_subprocess_exec(
        *command(name), env=variables(env), cwd=ROOT, limit=AHEAD, start_new_session=True,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    wire = Spawned(process.stdin)
    wire.process = process
    listening = asyncio.create_task(wire.listen()) if listen else None
    try:
        if listen:
            await wire.hello()
        yield wire
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await (listening or wire.listen())  # what it said has to be read before it counts as gone
        await process.wait()
