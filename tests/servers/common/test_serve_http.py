"""MCP over HTTP on a real socket: both eras, clients that leave or stand still, and the end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from guardrails.errors import ConfigError
from guardrails.hive import Hive
from guardrails.mcp_token_model import Scope
from servers.common.listening_protocol import BoundedProtocol
from servers.common.serve_http import Where, protocol, require_allowed
from servers.common.serve_http_door import Limits
from servers.common.serve_http_protocol import ReadOrLeave
from tests.conftest import SteppableClock
from tests.mcp.failures import failure_of
from tests.servers.common.http_servers import House, Keys, listening

pytestmark = pytest.mark.anyio
Era = Literal["auto", "legacy"]
ERAS: tuple[Era, ...] = ("auto", "legacy")
OLD, NEW = "2025-11-25", "2026-07-28"


@pytest.fixture
def keys(hive: Hive, clock: SteppableClock) -> Keys:
    return Keys(hive, clock)


@asynccontextmanager
async def client(url: str, token: str, era: Era) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers) as http,
        Client(streamable_http_client(url, http_client=http), mode=era) as opened,
    ):
        yield opened


def call(tool: str, era: str = OLD, **arguments: Any) -> dict[str, Any]:
    """A call as it stands in a body."""
    params: dict[str, Any] = {"name": tool, "arguments": arguments}
    if era == NEW:
        key = "io.modelcontextprotocol"
        params["_meta"] = {f"{key}/protocolVersion": NEW, f"{key}/clientCapabilities": {}}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def fields(token: str, era: str = OLD, tool: str = "wait") -> dict[str, str]:
    found = {
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": era,
    }
    return found | ({"mcp-method": "tools/call", "mcp-name": tool} if era == NEW else {})


async def raw(url: str, token: str, era: str, content: bytes, length: int | None = None) -> Any:
    """A connection on which a call was sent, and nothing read."""
    target = httpx.URL(url)
    reader, writer = await asyncio.open_connection(target.host, target.port)
    tool = json.loads(content)["params"]["name"] if length is None else "wait"
    lines = [f"{name}: {value}" for name, value in fields(token, era, tool).items()]
    size = len(content) if length is None else length
    head = ["POST /mcp HTTP/1.1", f"host: {target.host}:{target.port}", f"content-length: {size}"]
    writer.write("\r\n".join([*head, *lines, "", ""]).encode() + content)
    await writer.drain()
    return reader, writer


@pytest.mark.parametrize("era", ERAS)
async def test_both_eras_list_and_call(keys: Keys, era: Era) -> None:
    async with (
        listening(House().server(), keys.tokens) as url,
        client(url, keys.read, era) as opened,
    ):
        assert opened.protocol_version == (NEW if era == "auto" else OLD)
        tools = (await opened.list_tools()).tools
        assert [tool.name for tool in tools] == ["look", "change", "wait", "steps"]
        result = await opened.call_tool("look", {"text": "hello"})
    assert result.structured_content == {"text": "hello"}


@pytest.mark.parametrize("era", ERAS)
async def test_a_token_that_may_read_changes_nothing(keys: Keys, era: Era) -> None:
    house = House()
    async with listening(house.server(), keys.tokens) as url:
        async with client(url, keys.read, era) as opened:
            refused = await opened.call_tool("change", {"text": "no"})
        async with client(url, keys.operate, era) as opened:
            done = await opened.call_tool("change", {"text": "yes"})
    assert refused.is_error
    assert failure_of(refused)["code"] == "refused"
    assert "operate" in failure_of(refused)["message"]
    assert done.structured_content == {"text": "changed"}
    assert house.changed == ["yes"]


@pytest.mark.parametrize("era", ERAS)
async def test_who_asks_for_progress_is_told_it(keys: Keys, era: Era) -> None:
    told: list[tuple[float, float | None, str | None]] = []

    async def hear(done: float, total: float | None, message: str | None) -> None:
        told.append((done, total, message))

    async with (
        listening(House().server(), keys.tokens) as url,
        client(url, keys.read, era) as opened,
    ):
        await opened.call_tool("steps", {}, progress_callback=hear)
        await opened.call_tool("steps", {})  # who does not ask is told nothing
    assert told == [(1, 3, "one"), (3, 3, "the end is always told")]


@pytest.mark.parametrize("era", [OLD, NEW])
async def test_a_call_that_did_not_come_through_the_door_may_nothing(era: str) -> None:
    house = House()
    manager = protocol(house.server())
    async with manager.run():
        transport = httpx.ASGITransport(app=manager.handle_request)
        async with httpx.AsyncClient(transport=transport) as opened:
            answers = [
                await opened.post("http://x/mcp", headers=fields("", era, tool),
                                  json=call(tool, era, text="no"))
                for tool in ("look", "change")
            ]  # fmt: skip
    for answer in answers:
        assert '"refused"' in answer.text
    assert house.changed == []


@pytest.mark.parametrize("era", [OLD, NEW])
async def test_a_client_that_leaves_ends_its_call(keys: Keys, era: str) -> None:
    house = House()
    async with listening(house.server(), keys.tokens) as url:
        _, writer = await raw(url, keys.read, era, json.dumps(call("wait", era)).encode())
        async with asyncio.timeout(20):
            await house.begun.wait()
            assert not house.given_up.is_set()
            writer.transport.abort()
            await house.given_up.wait()


async def test_a_body_that_drips_is_given_up_and_its_room_is_free(keys: Keys) -> None:
    limits = Limits(together=1, body_s=0.1)
    async with listening(House().server(), keys.tokens, limits) as url:
        reader, writer = await raw(url, keys.read, OLD, b'{"jsonrpc"', length=500)
        async with asyncio.timeout(20):
            assert b" 408 " in await reader.readline()
        writer.close()
        async with client(url, keys.read, "legacy") as opened:
            assert (await opened.call_tool("look", {"text": "x"})).structured_content


async def test_who_has_too_much_under_way_waits_and_the_others_do_not(keys: Keys) -> None:
    house = House()
    async with (
        listening(house.server(), keys.tokens, Limits(together=2, of_one=1)) as url,
        httpx.AsyncClient() as http,
    ):

        async def look(token: str) -> int:
            answer = await http.post(url, headers=fields(token), json=call("look", text="x"))
            return answer.status_code

        held = await raw(url, keys.read, OLD, json.dumps(call("wait")).encode())
        async with asyncio.timeout(20):
            await house.begun.wait()
            assert await look(keys.read) == 429
            assert await look(keys.operate) == 200
            house.begun.clear()
            also = await raw(url, keys.operate, OLD, json.dumps(call("wait")).encode())
            await house.begun.wait()
            third, _ = keys.tokens.create("third", Scope.READ, None)
            assert await look(third) == 503
            house.go_on.set()
            for reader, writer in (held, also):
                assert b" 200 " in await reader.readline()
                writer.close()


async def test_an_answer_that_nobody_reads_is_cut_off(keys: Keys) -> None:
    lost = asyncio.Event()

    class Hasty(ReadOrLeave):
        unread_s = 0.1

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            lost.set()

    house = House()
    async with listening(house.server(), keys.tokens, connections=Hasty) as url:
        body = json.dumps(call("look", NEW, size=3_900_000)).encode()
        reader, writer = await raw(url, keys.read, NEW, body)
        async with asyncio.timeout(20):
            await lost.wait()
            try:
                rest = await reader.read()
            except ConnectionError:
                rest = b""
        writer.close()
    assert len(rest) < 7_000_000  # of 7,800,000: as text and as structured content


async def test_who_reads_gets_the_whole_of_it(keys: Keys) -> None:
    async with listening(House().server(), keys.tokens) as url, httpx.AsyncClient() as http:
        answer = await http.post(
            url, headers=fields(keys.read, NEW, "look"), json=call("look", NEW, size=3_900_000)
        )
    assert len(answer.json()["result"]["structuredContent"]["text"]) == 3_900_000


async def test_a_signal_lets_what_is_under_way_finish(keys: Keys) -> None:
    house = House()
    async with listening(house.server(), keys.tokens) as url:
        reader, writer = await raw(url, keys.read, OLD, json.dumps(call("wait")).encode())
        async with asyncio.timeout(20):
            await house.begun.wait()
            os.kill(os.getpid(), signal.SIGTERM)
            while True:  # until nobody is let in any more
                try:
                    _, late = await asyncio.open_connection("127.0.0.1", httpx.URL(url).port)
                except ConnectionError:
                    break
                late.close()
                await asyncio.sleep(0)
            house.go_on.set()
            told = await reader.read()
        writer.close()
    assert b" 200 " in told
    assert b'"waited' in told


def test_beyond_loopback_it_listens_on_purpose_alone(hive: Hive, clock: SteppableClock) -> None:
    keyless = Keys(hive, clock).tokens
    for which in ("reader", "operator"):
        keyless.revoke(which)
    for host in ("127.0.0.1", "::1", "localhost"):
        require_allowed(Where(host), keyless)
    for host in ("0.0.0.0", "::", "192.0.2.7", "mcp.example"):
        with pytest.raises(ConfigError, match="names"):
            require_allowed(Where(host), keyless)
        with pytest.raises(ConfigError, match="no token"):
            require_allowed(Where(host, hosts=("mcp.example",)), keyless)
    keyless.create("desk", Scope.READ, None)
    require_allowed(Where("0.0.0.0", hosts=("mcp.example",)), keyless)


def test_its_connections_have_the_gateways_bounds() -> None:
    assert issubclass(ReadOrLeave, BoundedProtocol)
