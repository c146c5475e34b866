"""MCP over stdin and stdout on asyncio pipes. Owns: the wire, and that nothing else is on it.

The SDK's own stdio transport hands every line to a worker thread; pipes on the event loop halve
the round trip (`make bench`). While it serves, descriptor 0 reads nothing and descriptor 1 is
stderr, so that a stray print or a child of ours cannot spoil the protocol. Where stdin or stdout
is neither pipe nor socket (a terminal, a file), the SDK's transport is used.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

_LINE_LIMIT = 16 * 1024 * 1024


class _Stream:
    """What both directions have in common: usable as the SDK's streams."""

    async def aclose(self) -> None:
        """Nothing to free: the descriptors belong to `pipes`."""

    async def __aenter__(self) -> Any:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> bool | None:
        return None


class PipeReader(_Stream):
    """Messages from a pipe; a line that is no message comes as the exception it raised."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader

    async def receive(self) -> SessionMessage | Exception:
        """The next message. Raises `anyio.EndOfStream` at the end, or at an over-long line."""
        try:
            line = await self._reader.readline()
        except ValueError as error:  # longer than the limit: what follows cannot be told apart
            raise anyio.EndOfStream from error
        if not line:
            raise anyio.EndOfStream
        try:
            return SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
        except ValueError as error:
            return error

    def __aiter__(self) -> PipeReader:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


class PipeWriter(_Stream):
    """Messages to a pipe, one line each, held back while the other side does not read."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer

    async def send(self, item: SessionMessage) -> None:
        """Write one message. Raises `anyio.BrokenResourceError` when nobody reads any more."""
        line = item.message.model_dump_json(by_alias=True, exclude_unset=True)
        try:
            self._writer.write(line.encode() + b"\n")
            await self._writer.drain()
        except (ConnectionError, RuntimeError) as error:
            raise anyio.BrokenResourceError from error


async def serve_stdio(server: Server[Any]) -> None:
    """Serve over stdin and stdout until stdin closes."""
    if _is_pipe(0) and _is_pipe(1):
        async with pipes() as (read, write):
            await server.run(read, write, server.create_initialization_options())
        return
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


@asynccontextmanager
async def pipes() -> AsyncIterator[tuple[PipeReader, PipeWriter]]:
    """Take descriptors 0 and 1 for the protocol; give them back at the end."""
    loop = asyncio.get_running_loop()
    wire_in, wire_out = os.dup(0), os.dup(1)
    _divert()
    reader = asyncio.StreamReader(limit=_LINE_LIMIT, loop=loop)
    source, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader, loop=loop), os.fdopen(wire_in, "rb", 0)
    )
    sink, flow = await loop.connect_write_pipe(
        asyncio.streams.FlowControlMixin, os.fdopen(wire_out, "wb", 0)
    )
    writer = asyncio.StreamWriter(sink, flow, None, loop)
    try:
        yield PipeReader(reader), PipeWriter(writer)
    finally:
        source.close()
        sink.close()


def _divert() -> None:
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)


def _is_pipe(fd: int) -> bool:
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
