"""The door of MCP over HTTP: who gets in, and that nobody else reaches the protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send
from structlog.testing import capture_logs

from guardrails.hive import Hive
from servers.common.grants import GRANT
from servers.common.serve_http_door import BODY_BYTES, Door, Limits, Names
from tests.conftest import SteppableClock
from tests.servers.common.http_servers import Keys

pytestmark = pytest.mark.anyio
NAMES = Names.of(("mcp.example", "lan.example:8443"), ("https://desk.example",))


class Inner:
    """Stands where the protocol stands; remembers who reached it."""

    def __init__(self) -> None:
        self.reached: list[Any] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = await Request(scope, receive).body()
        self.reached.append(scope[GRANT])
        await JSONResponse({"size": len(body)})(scope, receive, send)


@pytest.fixture
def keys(hive: Hive, clock: SteppableClock) -> Keys:
    return Keys(hive, clock)


@pytest.fixture
def inner() -> Inner:
    return Inner()


@pytest.fixture
async def client(inner: Inner, keys: Keys) -> AsyncIterator[httpx.AsyncClient]:
    door = Door(inner, "house", keys.tokens.holder, NAMES, Limits(together=2, of_one=1))
    transport = httpx.ASGITransport(app=door)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:1") as opened:
        yield opened


def bearing(token: str, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}", **more}


async def test_a_token_gets_in_with_its_scope(
    client: httpx.AsyncClient, inner: Inner, keys: Keys
) -> None:
    for token in (keys.read, keys.operate):
        answer = await client.post("/mcp", headers=bearing(token), content=b"{}")
        assert (answer.status_code, answer.json()) == (200, {"size": 2})
    assert inner.reached == ["read", "operate"]


@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", "Basic eDp5", "Bearer swarm_mcp_x", "swarm_mcp_x", "bearer é"],
)
async def test_without_one_nobody_gets_in(
    client: httpx.AsyncClient, inner: Inner, header: str | None
) -> None:
    headers = {} if header is None else {"authorization": header.encode("latin-1")}
    answer = await client.post("/mcp", headers=headers, content=b"{}")  # type: ignore[arg-type]
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    assert answer.json()["error"]["message"]
    assert inner.reached == []


async def test_a_token_in_the_address_is_none(
    client: httpx.AsyncClient, inner: Inner, keys: Keys
) -> None:
    answer = await client.post(f"/mcp?access_token={keys.read}", content=b"{}")
    assert answer.status_code == 401
    assert inner.reached == []


async def test_a_revoked_token_is_out_at_once(
    client: httpx.AsyncClient, inner: Inner, keys: Keys
) -> None:
    keys.tokens.revoke("reader")
    answer = await client.post("/mcp", headers=bearing(keys.read), content=b"{}")
    assert answer.status_code == 401
    assert "invalid_token" in answer.headers["www-authenticate"]
    assert inner.reached == []


async def test_while_the_tokens_cannot_be_read_nobody_gets_in(
    client: httpx.AsyncClient, inner: Inner, keys: Keys, hive: Hive
) -> None:
    (hive.keys_dir / "mcp_tokens.json").write_bytes(b"{")
    with capture_logs() as logs:
        for _ in range(3):
            answer = await client.post("/mcp", headers=bearing(keys.read), content=b"{}")
            assert answer.status_code == 503
    assert inner.reached == []
    (said,) = logs  # once, and not once a request
    assert "is damaged" in said["why"]


@pytest.mark.parametrize(
    ("host", "known"),
    [("localhost:1", True), ("127.0.0.1:80", True), ("[::1]:80", True), ("localhost", True),
     ("mcp.example", True), ("MCP.example", True), ("lan.example:8443", True),
     ("mcp.example:1", False), ("lan.example", False), ("evil.example", False), ("", False),
     ("localhost.evil.example", False), ("evil.example:80", False), ("localhost:x", False)],
)  # fmt: skip
async def test_it_is_spoken_to_by_its_names_alone(
    client: httpx.AsyncClient, inner: Inner, keys: Keys, host: str, known: bool
) -> None:
    answer = await client.post("/mcp", headers=bearing(keys.read, host=host), content=b"{}")
    assert answer.status_code == (200 if known else 421)
    assert len(inner.reached) == known


@pytest.mark.parametrize(
    ("origin", "known"),
    [("http://localhost:6274", True), ("http://127.0.0.1", True), ("https://desk.example", True),
     ("https://evil.example", False), ("null", False), ("http://desk.example", False), ("", False),
     ("http://localhost.evil.example:80", False)],
)  # fmt: skip
async def test_a_page_of_another_origin_reaches_nothing(
    client: httpx.AsyncClient, inner: Inner, keys: Keys, origin: str, known: bool
) -> None:
    headers = bearing(keys.read, origin=origin)
    answer = await client.post("/mcp", headers=headers, content=b"{}")
    assert answer.status_code == (200 if known else 403)
    assert len(inner.reached) == known
    assert answer.headers.get("access-control-allow-origin") == (origin if known else None)
    asked = {"origin": origin, "access-control-request-method": "POST"}
    asked["access-control-request-headers"] = "authorization,mcp-method"
    first = await client.options("/mcp", headers=asked)
    assert first.status_code == (204 if known else 403)
    if known:
        assert first.headers["access-control-allow-headers"] == "authorization,mcp-method"
        assert "access-control-allow-credentials" not in first.headers


def test_names_are_known_however_their_operator_wrote_them() -> None:
    names = Names.of(("MCP.Example",), ("https://Desk.Example/",))
    assert names.host_is_known("mcp.example")
    assert names.origin_is_known("https://desk.example")


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "HEAD", "OPTIONS"])
async def test_there_are_no_sessions_and_no_streams(
    client: httpx.AsyncClient, inner: Inner, keys: Keys, method: str
) -> None:
    answer = await client.request(method, "/mcp", headers=bearing(keys.operate))
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert inner.reached == []


@pytest.mark.parametrize("path", ["/", "/mcp/", "/mcp/x", "/metrics", "//mcp", "/.env"])
async def test_there_is_nothing_else(
    client: httpx.AsyncClient, inner: Inner, keys: Keys, path: str
) -> None:
    answer = await client.post(path, headers=bearing(keys.operate))
    assert answer.status_code == 404
    assert inner.reached == []


async def test_its_health_needs_no_token_and_tells_nothing(client: httpx.AsyncClient) -> None:
    answer = await client.get("/healthz", headers={"host": "10.0.0.7:8101"})
    assert (answer.status_code, answer.json()) == (200, {"server": "house", "status": "ok"})


async def test_a_body_that_is_too_large_is_not_kept(
    client: httpx.AsyncClient, inner: Inner, keys: Keys
) -> None:
    async def dripping() -> AsyncIterator[bytes]:
        for _ in range(BODY_BYTES // 2**20 + 1):
            yield bytes(2**20)

    for content in (bytes(BODY_BYTES + 1), dripping()):
        answer = await client.post("/mcp", headers=bearing(keys.read), content=content)
        assert answer.status_code == 413
    assert inner.reached == []
    answer = await client.post("/mcp", headers=bearing(keys.read), content=bytes(BODY_BYTES))
    assert answer.status_code == 200
