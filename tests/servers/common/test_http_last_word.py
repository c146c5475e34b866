"""Stop and opt-out are asked when the first byte is due: over a real socket, late as it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import orjson
import pytest
from sqlalchemy import text

from guardrails.brakes.stop_raise import raise_row
from guardrails.clock import iso
from guardrails.errors import Refused, Stopped, SwarmError
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.store import Store
from guardrails.suppression import suppress
from servers.common.http import VendorClient
from servers.common.http_wire import open_wire
from tests.conftest import SteppableClock
from tests.servers.permits import PermitOffice, permit_office
from tests.servers.scripted_writes import ANA, BODY, INTENT, OPERATIONS, SEND
from tests.servers.wires import client_over, safety_with

pytestmark = pytest.mark.anyio
HEADERS, PAYLOAD = ".send_request_headers.started", ".send_request_body.started"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture
def office(hive: Hive, store: Store, clock: SteppableClock) -> Iterator[PermitOffice]:
    with permit_office(hive, store, clock) as opened:
        yield opened


@dataclass
class Vendor:
    """Listens on loopback and keeps every byte; answers what is whole."""

    port: int = 0
    heard: bytearray = field(default_factory=bytearray)
    connections: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while data := await reader.read(65536):
            self.heard += data
            if bytes(self.heard).endswith(orjson.dumps(BODY)):
                writer.write(ANSWER)
        writer.close()


@asynccontextmanager
async def vendor() -> AsyncIterator[Vendor]:
    one = Vendor()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()


class Meanwhile(httpx.AsyncBaseTransport):
    """The real wire; something happens just before it does `event`."""

    def __init__(self, port: int, event: str, act: Callable[[], None]) -> None:
        self._inner = open_wire(httpx.URL(f"http://127.0.0.1:{port}"))
        self._event = event
        self._act = act

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        asked = request.extensions["trace"]

        async def trace(event: str, info: Any) -> None:
            if event.endswith(self._event):
                self._act()
            await asked(event, info)

        request.extensions["trace"] = trace
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


def client(office: PermitOffice, port: int, event: str, act: Callable[[], None]) -> VendorClient:
    return client_over(
        Meanwhile(port, event, act), OPERATIONS, mode=Mode.LIVE, base=f"http://127.0.0.1:{port}",
        safety=safety_with(writes=office.desk()),
    )  # fmt: skip


def by_file(office: PermitOffice) -> None:
    office.hive.stop_file.touch()


def by_row(office: PermitOffice) -> None:
    with office.store.transaction() as conn:
        raise_row(conn, "drill", "person:ops", iso(office.clock()))


def and_lifted_again(office: PermitOffice) -> None:
    by_row(office)
    with office.store.transaction() as conn:
        conn.execute(text("UPDATE stop_state SET stopped = :no"), {"no": False})


def unreadable(office: PermitOffice) -> None:
    with office.store.transaction() as conn:
        conn.execute(text("DROP TABLE stop_state"))


def late(office: PermitOffice) -> None:
    office.clock.step(30)  # type: ignore[attr-defined]  # the fixture's


def opted_out(office: PermitOffice) -> None:
    with office.store.transaction() as conn:
        suppress(conn, office.salt, ANA, "email", "opt_out", "link", office.clock())


def company_opted_out(office: PermitOffice) -> None:
    with office.store.transaction() as conn:
        suppress(conn, office.salt, "firm.example", "domain", "opt_out", "link", office.clock())


def list_unreadable(office: PermitOffice) -> None:
    with office.store.transaction() as conn:
        conn.execute(text("DROP TABLE suppressions"))


async def test_a_write_that_nothing_stops_leaves(office: PermitOffice) -> None:
    async with vendor() as there:
        token = await office.permit(INTENT, "send:1")
        async with client(office, there.port, HEADERS, lambda: None) as writing:
            await writing.request(SEND, json=BODY, permit=token, key="send:1")
        assert bytes(there.heard).endswith(orjson.dumps(BODY))
        assert office.status("send:1") == "sent"


STOPS = [by_file, by_row, and_lifted_again, unreadable, late]
OPT_OUTS = [opted_out, company_opted_out, list_unreadable]


@pytest.mark.parametrize("stop", [*STOPS, *OPT_OUTS])
async def test_no_byte_leaves_when_it_is_stopped_while_the_connection_is_made(
    office: PermitOffice, stop: Callable[[PermitOffice], None]
) -> None:
    async with vendor() as there:
        token = await office.permit(INTENT, "send:1")
        async with client(office, there.port, HEADERS, lambda: stop(office)) as writing:
            with pytest.raises((Stopped, Refused)):
                await writing.request(SEND, json=BODY, permit=token, key="send:1")
        assert bytes(there.heard) == b""
        assert office.status("send:1") == "pending"  # certainly nothing left


async def test_between_headers_and_body_the_body_stays_here_and_nobody_calls_it_certain(
    office: PermitOffice,
) -> None:
    async with vendor() as there:
        token = await office.permit(INTENT, "send:1")
        async with client(office, there.port, PAYLOAD, lambda: by_file(office)) as writing:
            with pytest.raises(SwarmError):
                await writing.request(SEND, json=BODY, permit=token, key="send:1")
        assert orjson.dumps(BODY) not in bytes(there.heard)
        assert office.status("send:1") == "unknown"
