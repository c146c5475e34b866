"""P4, the HTTP layer: in shadow nothing but declared reads leaves a process that holds a key.

Attacked where it would hurt: through the adapter's own client, below everything of ours that
asks politely; through a real server process called directly; and on a real socket, where not one
byte may arrive.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client, StdioServerParameters
from pydantic import SecretStr

from guardrails.errors import Refused
from guardrails.model import Mode
from servers.common.http import open_client
from servers.common.operations import Effect, Operation
from servers.enricher import vendor_clay, vendor_news, vendor_rb2b
from servers.ghl import vendor as ghl
from servers.instantly import vendor as instantly
from servers.sandbox.host import Sandbox
from tests.servers.wires import CONFIG, safety_with, sandbox, twin_client

pytestmark = pytest.mark.anyio
ADAPTERS: dict[str, Sequence[Operation]] = {
    "ghl": ghl.OPERATIONS,
    "instantly": instantly.OPERATIONS,
    "clay": vendor_clay.OPERATIONS,
    "rb2b": vendor_rb2b.OPERATIONS,
    "gdelt": (vendor_news.GDELT_SEARCH,),
    "google_news": (vendor_news.GOOGLE_SEARCH,),
}
TWINS = sandbox()
WRITES = [
    (vendor, endpoint.method, endpoint.path)
    for vendor, twin in TWINS.twins.items()
    for endpoint in twin.endpoints()
    if endpoint.kind == "write"
]


def filled(path: str) -> str:
    return "/".join("abc123" if part.startswith("{") else part for part in path.split("/"))


@pytest.fixture
def app() -> Sandbox:
    TWINS.site.counters.reset()
    return TWINS


def test_the_twins_know_the_writes_that_this_test_attempts() -> None:
    known = {(vendor, method, path) for vendor, method, path in WRITES}
    assert ("ghl", "POST", "/contacts/upsert") in known
    assert ("ghl", "POST", "/conversations/messages") in known
    assert ("instantly", "POST", "/api/v2/leads") in known
    assert len(known) >= 15


@pytest.mark.parametrize(("vendor", "operations"), ADAPTERS.items())
def test_no_adapter_declares_a_write_and_each_read_is_one_for_the_vendor(
    vendor: str, operations: Sequence[Operation]
) -> None:
    for operation in operations:
        assert operation.effect is not Effect.WRITE
        kinds = {
            endpoint.kind
            for endpoint in TWINS.twins[vendor].endpoints()
            if endpoint.method == operation.method
            and filled(endpoint.path) == filled(operation.path)
        }
        assert kinds == {str(operation.effect)}


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(("vendor", "method", "path"), WRITES)
async def test_a_write_through_the_adapters_own_client_reaches_nobody(
    app: Sandbox, vendor: str, method: str, path: str, mode: Mode
) -> None:
    async with twin_client(app, vendor, ADAPTERS[vendor], mode=mode) as client:
        with pytest.raises(Refused):
            await client.http.request(method, filled(path), json={"email": "ana@firm.example"})
    assert app.site.counters.report()["total"] == 0


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/contacts/search", {"X-HTTP-Method-Override": "PUT"}),
        ("/contacts/search/../upsert", {}),
        ("/contacts/search/%2e%2e/upsert", {}),
        ("/contacts/%75psert", {}),
        ("/contacts/UPSERT", {}),
        ("/contacts%2Fupsert", {}),
        ("/contacts/search%2F..%2Fupsert", {}),
        ("//contacts/upsert", {}),
        ("/../instantly/api/v2/leads", {}),
        ("http://127.0.0.1/instantly/api/v2/leads", {}),
        ("http://127.0.0.2/ghl/contacts/search", {}),
        ("/contacts/search", {"Host": "127.0.0.2"}),
        ("/contacts/upsert", {"Host": "127.0.0.1"}),
        ("/contacts/upsert?x=/contacts/search", {}),
    ],
)
async def test_no_disguise_of_a_write_reaches_anybody(
    app: Sandbox, path: str, headers: dict[str, str]
) -> None:
    async with twin_client(app, "ghl", ghl.OPERATIONS) as client:
        with pytest.raises(Refused):
            await client.http.post(path, json={}, headers=headers)
    assert app.site.counters.report()["total"] == 0


async def test_not_one_byte_of_a_refused_request_reaches_the_socket() -> None:
    connections: list[bytes] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(await reader.read(10))
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    base = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    keys = {"Authorization": SecretStr("Bearer k")}
    client = open_client("ghl", CONFIG, base, ghl.OPERATIONS, Mode.SHADOW, safety_with(), keys=keys)
    async with server, client:
        for method, path in (("POST", "/contacts/upsert"), ("DELETE", "/contacts/abc")):
            with pytest.raises(Refused):
                await client.http.request(method, path, json={})
        assert connections == []
        await client.request(ghl.SEARCH, json={})  # the socket does listen
        assert connections == [b"POST /cont"]


@contextmanager
def running_twins() -> Iterator[tuple[dict[str, str], str]]:
    """The sandbox as a process: the environment for servers, and its address."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "servers.sandbox", "--watch-stdin"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        ready = json.loads(process.stdout.readline())
        yield ready["env"], f"http://127.0.0.1:{ready['port']}"
    finally:
        process.stdin.close()
        process.stdout.close()
        process.wait(10)


@pytest.mark.processes
@pytest.mark.parametrize("server", ["ghl", "instantly"])
async def test_a_real_server_called_directly_writes_nothing(tmp_path: Path, server: str) -> None:
    attacks: list[tuple[str, dict[str, Any]]] = [
        (tool, {"email": "ana@firm.example", "confirm": True, "permit": "forged", "mode": "live"})
        for tool in ("send_email", "upsert_contact", "add_lead", "pause_campaign", "request")
    ]
    lookups = {
        "ghl": ("look_up_lead", {"email": "ana@firm.example", "domains": ["firm.example"]}),
        "instantly": ("look_up_address", {"email": "ana@firm.example"}),
    }
    name, args = lookups[server]
    attacks.append((name, {**args, "confirm": True, "method": "PUT", "path": "/contacts/upsert"}))
    with running_twins() as (keys, address):
        env = {**keys, "HIVE_MIND_DIR": str(tmp_path), "SWARM_SANDBOX": "1", "SWARM_MODE": "live"}
        command = StdioServerParameters(
            command=sys.executable, args=["-P", "-m", f"servers.{server}"], env=env
        )
        with anyio.fail_after(60):
            async with Client(command) as client:
                listed = (await client.list_tools()).tools
                assert all(tool.annotations and tool.annotations.read_only_hint for tool in listed)
                for tool, arguments in attacks:
                    assert (await client.call_tool(tool, arguments)).is_error
                assert not (await client.call_tool(name, args)).is_error
        async with httpx.AsyncClient(trust_env=False) as asking:
            counts = (await asking.get(f"{address}/_twin/counts")).json()
    assert counts["by_kind"]["write"] == 0
    assert counts["by_kind"]["read"] > 0
    assert counts["writes"] == []
