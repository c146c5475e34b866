"""Connections on a real socket: heads that drip or swell, unasked bodies, too many at once."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest
import uvicorn
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router

from guardrails.errors import ConfigError
from orchestrator.gateway.server import beside
from servers.common.listening import bound, serve
from servers.common.listening_protocol import HEAD_BYTES, PIPELINED, BoundedProtocol

pytestmark = pytest.mark.anyio


class Hasty(BoundedProtocol):
    """The same, with bounds that a test need not wait for."""

    head_s = 0.1
    linger_s = 0.1
    connections_most = 3


async def early(_request: Request) -> Response:
    """Answers without reading the body."""
    return PlainTextResponse("early")


async def whole(request: Request) -> Response:
    """Answers with the size of the body."""
    return PlainTextResponse(str(len(await request.body())))


APP = Router([Route("/early", early, methods=["POST"]), Route("/whole", whole, methods=["POST"])])


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    with bound("127.0.0.1", 0) as listener:
        config = uvicorn.Config(
            APP, http=Hasty, ws="none", lifespan="off", log_config=None, log_level="critical",
            access_log=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listener]))
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


class Line:
    """A raw connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, port: int) -> Line:
        return cls(*await asyncio.open_connection("127.0.0.1", port))

    async def say(self, content: bytes) -> None:
        self._writer.write(content)
        with suppress(ConnectionError):  # it may have been refused before the end of it
            await self._writer.drain()

    async def hear(self) -> bytes:
        """All there is until the other side closes; a reset is an end as well."""
        try:
            async with asyncio.timeout(20):
                return await self._reader.read()
        except ConnectionError:
            return b""
        finally:
            self._writer.close()
            with suppress(ConnectionError):
                await self._writer.wait_closed()

    async def answer(self) -> bytes:
        """One answer's first line."""
        async with asyncio.timeout(20):
            head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        await self._reader.readexactly(length)
        return head.split(b"\r\n")[0]


def post(path: str, *fields: str, length: int = 0) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "host: x", f"content-length: {length}", *fields, "", ""]
    return "\r\n".join(lines).encode()


async def test_a_head_that_does_not_come_whole_is_cut_off() -> None:
    async with served() as port:
        for beginning in (b"", b"POST /whole HT", post("/whole")[:-2]):
            line = await Line.open(port)
            await line.say(beginning)
            assert await line.hear() == b""


async def test_the_next_request_on_a_connection_may_not_drip_either() -> None:
    async with served() as port:
        line = await Line.open(port)
        await line.say(post("/whole", length=2) + b"ok")
        assert await line.answer() == b"HTTP/1.1 200 OK"
        await line.say(b"POST /wh")
        assert await line.hear() == b""


@pytest.mark.parametrize(
    "head",
    [
        b"POST /" + b"x" * 2 * HEAD_BYTES + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"POST /whole HTTP/1.1\r\nx: " + b"y" * 2 * HEAD_BYTES + b"\r\n\r\n",
        b"POST /whole HTTP/1.1\r\n" + b"x: y\r\n" * HEAD_BYTES + b"\r\n",
        b"POST /whole HTTP/1.1\r\nx: " + b"y" * 2 * HEAD_BYTES,  # and never an end
    ],
)
async def test_a_head_that_swells_is_refused(head: bytes) -> None:
    async with served() as port:
        line = await Line.open(port)
        await line.say(head)
        heard = await line.hear()
        # A client that goes on sending may see the reset instead of the answer.
        assert heard == b"" or heard.startswith(b"HTTP/1.1 431 ")


async def test_what_is_no_http_gets_400_and_the_end() -> None:
    async with served() as port:
        line = await Line.open(port)
        await line.say(b"\x16\x03\x01 hello\r\n\r\n")
        assert (await line.hear()).startswith(b"HTTP/1.1 400 ")


async def test_a_large_body_behind_a_small_head_is_no_large_head() -> None:
    async with served() as port:
        line = await Line.open(port)
        size = 4 * HEAD_BYTES
        await line.say(post("/whole", "connection: close", length=size) + b"x" * size)
        assert (await line.hear()).endswith(str(size).encode())


async def test_who_was_answered_and_goes_on_sending_is_let_go() -> None:
    async with served() as port:
        line = await Line.open(port)
        await line.say(post("/early", length=10_000_000) + b"x" * 1000)
        assert await line.answer() == b"HTTP/1.1 200 OK"
        assert await line.hear() == b""


async def test_requests_sent_far_ahead_are_refused() -> None:
    async with served() as port:
        line = await Line.open(port)
        await line.say(post("/whole") * (PIPELINED * 10))
        heard = await line.hear()
        assert heard.count(b"HTTP/1.1 200 OK") <= PIPELINED + 2


async def test_silent_connections_make_room_for_one_that_speaks() -> None:
    async with served() as port:
        silent = [await Line.open(port) for _ in range(20)]
        speaking = await Line.open(port)
        await speaking.say(post("/whole", "connection: close", length=2) + b"ok")
        assert (await speaking.hear()).startswith(b"HTTP/1.1 200 OK")
        assert [await line.hear() for line in silent] == [b""] * 20


def test_a_second_one_on_the_same_port_fails_clearly() -> None:
    with bound("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}"):
            bound("127.0.0.1", port)
    with pytest.raises(ConfigError, match="cannot listen on"):
        bound("203.0.113.1", 0)  # of documentation: nobody's machine


async def test_a_signal_lets_what_is_under_way_finish() -> None:
    began, may = asyncio.Event(), asyncio.Event()

    async def slow(_request: Request) -> Response:
        began.set()
        await may.wait()
        return PlainTextResponse("done")

    ready = asyncio.Event()
    app = Router([Route("/slow", slow, methods=["POST"])])
    listener = bound("127.0.0.1", 0)
    port = listener.getsockname()[1]
    serving = asyncio.create_task(serve(app, listener, ready.set))
    await ready.wait()
    line = await Line.open(port)
    await line.say(post("/slow"))
    await began.wait()
    signal.raise_signal(signal.SIGTERM)
    asyncio.get_running_loop().call_later(0.3, may.set)
    assert (await line.hear()).endswith(b"done")
    await serving
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


async def test_what_runs_beside_the_door_is_started_again_and_ended_with_it() -> None:
    runs, enough = [0], asyncio.Event()

    async def work() -> None:
        runs[0] += 1
        if runs[0] == 3:
            enough.set()
            await asyncio.Event().wait()
        raise RuntimeError("again")

    async with beside([work], again_s=0.0):
        async with asyncio.timeout(20):
            await enough.wait()
    assert runs == [3]
