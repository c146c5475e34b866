"""MCP over stdin and stdout on asyncio pipes. Owns: the wire, and that nothing else is on it.

The SDK's own stdio transport hands every line to a worker thread; pipes on the event loop halve
the round trip (`make bench`). While it serves, descriptor 0 reads nothing and descriptor 1 is
stderr, so that a stray print or a child of ours cannot spoil the protocol. A line that is no
message is answered with an error, under its id if one can be told, and the next line counts; so
is one that is too long. Where stdin or stdout is neither pipe nor socket (a terminal, a file), the
SDK's transport is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any

import anyio
import mcp_types as types
from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from servers.common.in_flight import InFlight
from servers.common.malformed import has_an_id, malformed, too_long

_LINE_LIMIT = 16 * 1024 * 1024
_ENDS = 1024  # of an over-long line that are looked at for its id


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


class PipeWriter(_Stream):
    """Messages to a pipe, one line each, held back while the other side does not read."""

    def __init__(self, writer: asyncio.StreamWriter, in_flight: InFlight | None = None) -> None:
        self._writer = writer
        self._in_flight = in_flight or InFlight()

    async def send(self, item: SessionMessage) -> None:
        """Write one message. Raises `anyio.BrokenResourceError` when nobody reads any more."""
        line = item.message.model_dump_json(by_alias=True, exclude_unset=True)
        try:
            self._writer.write(line.encode() + b"\n")
            await self._writer.drain()
        except (ConnectionError, RuntimeError) as error:
            raise anyio.BrokenResourceError from error
        finally:
            self._in_flight.written(item.message)


def _message(line: bytes) -> types.JSONRPCMessage | None:
    try:
        message = types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValueError:
        return None
    if isinstance(message, types.JSONRPCNotification) and b'"id"' in line and has_an_id(line):
        return None  # a request whose id is none: whoever sent it waits for an answer
    return message


class PipeReader(_Stream):
    """Messages from a pipe. What is none is told to `refuse` and passed over."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        refuse: Callable[[types.JSONRPCError], Awaitable[None]],
        in_flight: InFlight | None = None,
    ) -> None:
        self._reader = reader
        self._refuse = refuse
        self._in_flight = in_flight or InFlight()

    async def receive(self) -> SessionMessage | Exception:
        """The next message. Raises `anyio.EndOfStream` at the end."""
        await self._in_flight.room()
        while True:
            try:
                line = await self._reader.readuntil(b"\n")
            except asyncio.LimitOverrunError as error:
                await self._refuse(await self._too_long(error.consumed))
                continue
            except asyncio.IncompleteReadError as error:
                line = error.partial  # the last one, without its end
            if not line:
                raise anyio.EndOfStream
            message = _message(line)
            if message is not None:
                self._in_flight.read(message)
                return SessionMessage(message)
            answer = malformed(line) if line.strip() else None
            if answer is not None:
                await self._refuse(answer)

    async def _too_long(self, consumed: int) -> types.JSONRPCError:
        """Read past the line; what it is answered. No more than the limit is ever kept."""
        head = await self._reader.readexactly(consumed)
        tail = head[-_ENDS:]
        head = head[:_ENDS]
        while True:
            try:
                tail = (tail + await self._reader.readuntil(b"\n"))[-_ENDS:]
                return too_long(head, tail, _LINE_LIMIT)
            except asyncio.LimitOverrunError as error:
                tail = (tail + await self._reader.readexactly(error.consumed))[-_ENDS:]
            except asyncio.IncompleteReadError as error:
                return too_long(head, (tail + error.partial)[-_ENDS:], _LINE_LIMIT)

    def __aiter__(self) -> PipeReader:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        try:
            return await self.receive()
        except anyio.EndOfStream:
            raise StopAsyncIteration from None


async def serve_stdio(server: Server[Any]) -> None:
    """Serve over stdin and stdout until stdin closes."""
    if _is_pipe(0) and _is_pipe(1):
        async with pipes() as (read, write):
            await server.run(read, write, server.create_initialization_options())
        return
    if os.isatty(0):
        _for_a_person()
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def _for_a_person() -> None:
    """Somebody started it by hand: say what it waits for. Ctrl-C ends it, whatever it waits in."""
    # The SDK reads a terminal in a thread, which would outlive a loop that was interrupted.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.stderr.write(
        "This speaks MCP, to a program: an AI client starts it by itself once "
        "`swarm mcp config CLIENT --install` has told it how. Ctrl-C ends it.\n"
    )
    sys.stderr.flush()


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
    in_flight = InFlight()
    write = PipeWriter(asyncio.StreamWriter(sink, flow, None, loop), in_flight)

    async def refuse(error: types.JSONRPCError) -> None:
        with contextlib.suppress(anyio.BrokenResourceError):  # nobody reads: stdin ends next
            await write.send(SessionMessage(error))

    try:
        yield PipeReader(reader, refuse, in_flight), write
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
