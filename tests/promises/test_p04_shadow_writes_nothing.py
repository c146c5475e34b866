"""P4: in shadow nothing but declared reads leaves a process that holds a key.

Attacked where it would hurt: through the adapter's own client, below everything of ours that
asks politely; through a real server process called directly, with permits that are good in live;
and on a real socket, where not one byte may arrive. There are two locks, the mint and the HTTP
stack, and within the stack two again: each is tried with the other away.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio
import httpx
import jwt
import pytest
from mcp import Client, StdioServerParameters
from pydantic import SecretStr

from guardrails.clock import utc_now
from guardrails.config import load_config
from guardrails.config.loader import policy_version
from guardrails.errors import Refused
from guardrails.hive import Hive
from guardrails.keys import signing_key
from guardrails.model import Mode
from guardrails.store import Store, open_store
from servers.common.http import open_client
from servers.common.http_lock import OPERATION, PERMIT, WRITE_KEY, ModeLock
from servers.common.http_permit import PermitLayer
from servers.common.operations import Operation
from servers.enricher import vendor_clay, vendor_news, vendor_rb2b
from servers.ghl import vendor as ghl
from servers.ghl.contract_writes import AddTags
from servers.ghl.vendor_operations import ADD_TAGS
from servers.ghl.vendor_writes import OPERATIONS as GHL
from servers.instantly.vendor_operations import OPERATIONS as INSTANTLY
from servers.sandbox.host import Sandbox
from tests.conftest import SteppableClock
from tests.servers.permits import PermitOffice, claims_of, permit_office
from tests.servers.served import served
from tests.servers.wires import (
    BASE,
    CONFIG,
    ScriptedWire,
    answer,
    safety_with,
    sandbox,
    twin_client,
)
from tests.servers.write_samples import ghl_samples, instantly_samples

pytestmark = pytest.mark.anyio
ADAPTERS: dict[str, Sequence[Operation]] = {
    "ghl": GHL,
    "instantly": INSTANTLY,
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
def test_each_operation_does_to_the_vendor_what_its_adapter_says(
    vendor: str, operations: Sequence[Operation]
) -> None:
    for operation in operations:
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


TAGS = {"tags": ["written-to"]}
TAGGING = AddTags(key="k", permit="x", contact_id="c1", tags=("written-to",)).intent()


@pytest.fixture
def office(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[PermitOffice]:
    with permit_office(hive, sqlite_store, clock) as opened:
        yield opened


def asking(permit: str) -> httpx.Request:
    extensions = {PERMIT: permit, WRITE_KEY: "k", OPERATION: ADD_TAGS}
    return httpx.Request("POST", f"{BASE}/contacts/c1/tags", json=TAGS, extensions=extensions)


async def test_a_good_permit_opens_neither_lock_in_shadow(office: PermitOffice) -> None:
    permit = await office.permit(TAGGING, "k")
    wire, base = ScriptedWire(answer()), httpx.URL(BASE)
    lock = ModeLock(wire, vendor="ghl", base=base, operations=(ADD_TAGS,), mode=Mode.SHADOW)
    layer = PermitLayer(wire, vendor="ghl", base=base, mode=Mode.SHADOW, desk=office.desk())
    for alone in (lock, layer):
        with pytest.raises(Refused):
            await alone.handle_async_request(asking(permit))
        assert wire.seen == []
    live = PermitLayer(wire, vendor="ghl", base=base, mode=Mode.LIVE, desk=office.desk())
    await live.handle_async_request(asking(permit))
    assert len(wire.seen) == 1  # it was good


async def test_there_is_no_permit_for_shadow_and_a_signed_one_would_open_nothing(
    office: PermitOffice,
) -> None:
    with pytest.raises(Refused, match="shadow"):
        await office.permit(TAGGING, "k", mode=Mode.SHADOW)
    payload = claims_of(await office.permit(TAGGING, "k")) | {"mode": "shadow"}
    signed = jwt.encode(payload, signing_key(office.hive.keys_dir), "EdDSA", {"typ": "permit+jwt"})
    wire = ScriptedWire(answer())
    for mode in (Mode.SHADOW, Mode.LIVE):
        layer = PermitLayer(wire, vendor="ghl", base=httpx.URL(BASE), mode=mode, desk=office.desk())
        with pytest.raises(Refused, match="shadow"):
            await layer.handle_async_request(asking(signed))
    assert wire.seen == []


@pytest.mark.processes
@pytest.mark.parametrize("server", ["ghl", "instantly"])
async def test_a_real_server_in_shadow_writes_nothing_against_good_permits(
    tmp_path: Path, server: str
) -> None:
    samples = {"ghl": ghl_samples, "instantly": instantly_samples}[server]()
    lookups = {
        "ghl": ("look_up_lead", {"email": "ana@firm.example", "domains": ["firm.example"]}),
        "instantly": ("look_up_address", {"email": "ana@firm.example"}),
    }
    name, args = lookups[server]
    hive, app = Hive.open(tmp_path / "hive", sandbox=True), sandbox()
    store, version = open_store(hive), policy_version(load_config())
    with permit_office(hive, store, utc_now, policy_version=version) as office:
        permits = await office.permits([sample.wanted(sample.tool) for sample in samples])
        calls = [
            (sample.tool, sample.arguments(sample.tool, permit))
            for sample, permit in zip(samples, permits, strict=True)
        ]
    calls += [("request", {"method": "PUT", "path": "/contacts/upsert", "confirm": True})]
    calls += [("pause_all", {"pauses": [pause]}) for tool, pause in calls if tool[:5] == "pause"]
    async with served(app) as keys:
        # The environment may lower the mode that config/production.json states, never raise it.
        env = {**keys, "HIVE_MIND_DIR": str(hive.path), "SWARM_SANDBOX": "1", "SWARM_MODE": "live"}
        command = StdioServerParameters(
            command=sys.executable, args=["-P", "-m", f"servers.{server}"], env=env
        )
        with anyio.fail_after(60):
            async with Client(command) as client:
                for tool, arguments in calls:
                    done = await client.call_tool(tool, arguments)
                    assert done.is_error or tool == "pause_all", tool  # which tells of each
                    assert app.site.counters.report()["by_kind"]["write"] == 0, tool
                assert not (await client.call_tool(name, args)).is_error
    store.close()
    counts = app.site.counters.report()
    assert counts["by_kind"]["read"] > 0
    assert counts["writes"] == []
