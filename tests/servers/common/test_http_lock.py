"""The mode lock: what is not a declared read never leaves."""

from __future__ import annotations

import httpx
import pytest

from guardrails.errors import Refused
from guardrails.model import Mode, WriteAction, WriteIntent
from servers.common.http import VendorClient
from servers.common.operations import Effect, Operation
from tests.servers.wires import BASE, ScriptedWire, answer, client_over

pytestmark = pytest.mark.anyio
SEARCH = Operation("search", "POST", "/contacts/search", Effect.READ)
GET = Operation("get", "GET", "/contacts/{id}", Effect.READ)
RUN = Operation("run", "POST", "/runs/{id}/start", Effect.PAID_READ, idempotent=False, price="paid")


def writing(name: str, method: str, path: str) -> Operation:
    """A declared write of which nobody looks at what it says."""
    intent = WriteIntent(
        vendor="ghl", action=WriteAction.UPSERT_CONTACT, recipient="a@b.example", content={}
    )
    return Operation(
        name, method, path, Effect.WRITE,
        actions=(WriteAction.UPSERT_CONTACT,), intent=lambda _path, _body: intent,
    )  # fmt: skip


UPSERT = writing("upsert", "POST", "/contacts/upsert")
DELETE = writing("delete", "DELETE", "/contacts/{id}")


def locked(*operations: Operation, mode: Mode = Mode.SHADOW) -> tuple[VendorClient, ScriptedWire]:
    wire = ScriptedWire(answer(200, {"ok": True}))
    return client_over(wire, operations or (SEARCH, GET, RUN), mode=mode), wire


@pytest.mark.parametrize("mode", list(Mode))
async def test_declared_reads_pass_in_every_mode(mode: Mode) -> None:
    client, wire = locked(mode=mode)
    await client.request(SEARCH, json={})
    await client.request(GET, path_params={"id": "abc"})
    await client.request(RUN, path_params={"id": "r1"}, json={})
    assert [request.method for request in wire.seen] == ["POST", "GET", "POST"]
    assert wire.seen[1].url == f"{BASE}/contacts/abc"


@pytest.mark.parametrize("mode", list(Mode))
async def test_a_declared_write_without_a_permit_is_refused_in_every_mode(mode: Mode) -> None:
    client, wire = locked(SEARCH, UPSERT, DELETE, mode=mode)
    with pytest.raises(Refused, match="upsert writes"):
        await client.request(UPSERT, json={"email": "ana@firm.example"})
    with pytest.raises(Refused):
        await client.http.delete(f"{BASE}/contacts/abc")
    assert wire.seen == []


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/contacts/upsert"),
        ("POST", "/contacts/"),
        ("POST", "/contacts"),
        ("post", "/contacts/upsert"),
        ("PUT", "/contacts/abc"),
        ("PATCH", "/contacts/abc"),
        ("DELETE", "/contacts/abc"),
        ("GET", "/contacts/"),
        ("HEAD", "/contacts/abc"),
        ("OPTIONS", "/contacts/search"),
        ("POST", "/contacts/SEARCH"),
        ("POST", "/Contacts/search"),
        ("POST", "/contacts/search/"),
        ("POST", "/contacts//search"),
        ("POST", "/contacts/search/../upsert"),
        ("POST", "/contacts/search/%2e%2e/upsert"),
        ("POST", "/contacts/%73earch"),
        ("POST", "/contacts/search%2f..%2fupsert"),
        ("POST", "/contacts/search;x=/../upsert"),
        ("POST", "/contacts/search\\..\\upsert"),
        ("POST", "/contacts/search%00"),
        ("GET", "/contacts/abc%2Ftags"),
        ("GET", "/contacts/.."),
        ("GET", "/contacts/%2e%2e"),
        ("POST", "/../api/contacts/upsert"),
        ("POST", "/conversations/messages"),
    ],
)
async def test_what_no_operation_declares_is_refused(method: str, path: str, mode: Mode) -> None:
    client, wire = locked(mode=mode)
    with pytest.raises(Refused):
        await client.http.request(method, BASE + path, json={})
    assert wire.seen == []


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.example/api/contacts/search",
        "https://vendor.example.evil.example/api/contacts/search",
        "http://vendor.example/api/contacts/search",
        "https://vendor.example:444/api/contacts/search",
        "https://user@vendor.example/api/contacts/search",
        "https://vendor.example/contacts/search",
        "https://vendor.example/apix/contacts/search",
    ],
)
async def test_another_origin_or_base_is_refused(url: str) -> None:
    client, wire = locked()
    with pytest.raises(Refused):
        await client.http.post(url, json={})
    assert wire.seen == []


@pytest.mark.parametrize(
    "headers",
    [
        {"X-HTTP-Method-Override": "PUT"},
        {"x-http-method": "DELETE"},
        {"X-Method-Override": "PATCH"},
        {"X-Original-URL": "/contacts/upsert"},
        {"X-Rewrite-URL": "/contacts/upsert"},
        {"Host": "evil.example"},
        {"X-Forwarded-Host": "evil.example"},
        {"Transfer-Encoding": "chunked"},
        {"Upgrade": "h2c"},
    ],
)
async def test_headers_that_could_change_method_or_target_are_refused(
    headers: dict[str, str],
) -> None:
    client, wire = locked()
    with pytest.raises(Refused):
        await client.http.post("/contacts/search", json={}, headers=headers)
    with pytest.raises(Refused):
        await client.request(SEARCH, json={}, headers=headers)
    assert wire.seen == []


async def test_a_method_parameter_is_refused() -> None:
    client, wire = locked()
    with pytest.raises(Refused):
        await client.http.post("/contacts/search", params={"_method": "PUT"}, json={})
    assert wire.seen == []


async def test_a_transport_extension_cannot_swap_the_target() -> None:
    client, wire = locked()
    with pytest.raises(Refused, match="extension"):
        await client.http.post(
            "/contacts/search", json={}, extensions={"target": b"/api/contacts/upsert"}
        )
    assert wire.seen == []


async def test_an_operation_smuggled_in_by_the_caller_is_not_believed() -> None:
    client, wire = locked()
    with pytest.raises(Refused):
        await client.http.post("/contacts/upsert", json={}, extensions={"swarm.operation": SEARCH})
    assert wire.seen == []


@pytest.mark.parametrize("value", ["../upsert", "a/b", "a%2Fb", "a?x=1", "a#b", "", "a b", "ä"])
async def test_a_path_value_that_is_no_plain_segment_cannot_reach_another_endpoint(
    value: str,
) -> None:
    client, wire = locked(GET)
    try:
        await client.request(GET, path_params={"id": value})
    except Refused:
        assert wire.seen == []
    else:
        # A query or fragment may be cut off, but it is still a read of that one contact.
        assert [request.url.path for request in wire.seen] == ["/api/contacts/a"]


async def test_a_redirect_to_a_write_is_not_followed_and_following_it_by_hand_is_refused() -> None:
    wire = ScriptedWire(httpx.Response(307, headers={"location": f"{BASE}/contacts/upsert"}))
    client = client_over(wire, (SEARCH,))
    with pytest.raises(Refused):
        await client.http.post("/contacts/search", json={}, follow_redirects=True)
    assert [request.url.path for request in wire.seen] == ["/api/contacts/search"]
