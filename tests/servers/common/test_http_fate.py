"""How a write ends is on record, and is only what can be known of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from guardrails.errors import Refused, Stopped, StoreUnavailable, SwarmError
from guardrails.hive import Hive
from guardrails.model import Mode
from guardrails.store import Store
from guardrails.store.write_tables import writes as writes_table
from tests.conftest import SteppableClock
from tests.servers.permits import PermitOffice, permit_office
from tests.servers.scripted_writes import (
    BODY,
    INTENT,
    JUDGED,
    NO_CONNECTION,
    OPERATIONS,
    SEND,
    TAG,
    TIMEOUT,
    Held,
    over,
    tags,
)
from tests.servers.wires import (
    FreeBrakes,
    answer,
    client_over,
    safety_with,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def local(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Iterator[PermitOffice]:
    """The same on SQLite alone, where the database makes no difference."""
    with permit_office(hive, sqlite_store, clock) as opened:
        yield opened


@pytest.mark.parametrize(
    ("steps", "status"),
    [
        ([answer(200)], "sent"),
        ([answer(201)], "sent"),
        ([answer(202)], "sent"),
        *[([answer(code)], "failed") for code in (400, 404, 405, 409)],
        *[([answer(code)], "pending") for code in (401, 402, 403)],  # a wrong key ends no e-mail
        *[([answer(code)], "unknown") for code in (302, 408, 410, 422, 425, 500, 502, 503, 524)],
        ([TIMEOUT], "unknown"),
        ([httpx.ReadError("reset")], "unknown"),
        ([httpx.WriteError("reset")], "unknown"),
        ([httpx.RemoteProtocolError("torn")], "unknown"),
        ([httpx.Response(200, headers={"content-type": "application/json"}, content=b"{")],
         "unknown"),
        ([httpx.Response(200, headers={"content-encoding": "br"}, content=b"x")], "unknown"),
        ([NO_CONNECTION], "pending"),
        ([httpx.ConnectTimeout("slow")], "pending"),
        ([httpx.PoolTimeout("full")], "pending"),
        ([answer(429)], "pending"),
        ([answer(429), NO_CONNECTION, answer(200)], "sent"),
        ([NO_CONNECTION, TIMEOUT], "unknown"),
        ([answer(429), answer(503)], "unknown"),
    ],
)  # fmt: skip
async def test_how_a_write_ends_is_what_can_be_known_of_it(
    local: PermitOffice, steps: list[Any], status: str
) -> None:
    client, wire = over(local, *steps)
    token = await local.permit(INTENT, "send:1")
    try:
        await client.request(SEND, json=BODY, permit=token, key="send:1")
    except SwarmError:
        assert status != "sent"
    else:
        assert status == "sent"
    assert local.status("send:1") == status
    certain = [step for step in steps if step is NO_CONNECTION or getattr(step, "status_code", 0)
               == 429]  # fmt: skip
    turned_away = getattr(steps[0], "status_code", 0) in (401, 402, 403)  # and would be again
    assert len(wire.seen) == (
        3 if status == "pending" and not turned_away else len(certain) + (len(steps) > len(certain))
    )


@pytest.mark.parametrize(
    ("steps", "status", "asked"),
    [
        ([TIMEOUT, answer(200)], "sent", 2),
        ([answer(503), TIMEOUT, answer(200)], "sent", 3),
        ([answer(503), answer(400)], "unknown", 2),
        ([TIMEOUT, NO_CONNECTION], "unknown", 3),
        ([TIMEOUT, answer(429)], "unknown", 3),
        ([answer(400)], "failed", 1),
    ],
)
async def test_a_repeatable_write_is_asked_again_under_one_permit_and_one_doubt_stays_one(
    local: PermitOffice, steps: list[Any], status: str, asked: int
) -> None:
    client, wire = over(local, *steps)
    body = {"tags": ["a"]}
    token = await local.permit(tags({"id": "c-1"}, body), "tags:1")
    try:
        await client.request(TAG, path_params={"id": "c-1"}, json=body, permit=token, key="tags:1")
    except SwarmError:
        assert status != "sent"
    assert (local.status("tags:1"), len(wire.seen)) == (status, asked)


@pytest.mark.parametrize(
    ("step", "status", "ref"),
    [
        (answer(200, {"skipped": True}), "failed", None),
        (answer(200, {"skipped": False, "id": "m-1"}), "sent", "m-1"),
        (answer(422, {"skipped": True}), "failed", None),
        (answer(422, {"skipped": False}), "unknown", None),
        (answer(200, {"renamed": 1}), "unknown", None),
        (httpx.Response(200, content=b"<html>"), "unknown", None),
        (answer(500, {"skipped": True}), "unknown", None),
    ],
)
async def test_an_operation_may_say_what_its_answers_mean(
    local: PermitOffice, step: httpx.Response, status: str, ref: str | None
) -> None:
    client, _ = over(local, step)
    token = await local.permit(INTENT, "send:1")
    try:
        await client.request(JUDGED, json=BODY, permit=token, key="send:1")
    except SwarmError:
        assert status != "sent"
    row = local.row("send:1")
    assert row
    assert (row.status, row.vendor_ref) == (status, ref)
    assert row.result == ({"n": 1} if ref else None)
    assert row.note


@pytest.mark.parametrize("error", [Stopped("stop"), StoreUnavailable("gone"), Refused("no")])
async def test_what_our_own_brakes_hold_back_stays_pending(
    local: PermitOffice, error: SwarmError
) -> None:
    class Shut(FreeBrakes):
        async def admit(self, request: Any) -> Any:
            raise error

    client, wire = over(local, brakes=Shut())
    token = await local.permit(INTENT, "send:1")
    with pytest.raises(type(error)):
        await client.request(SEND, json=BODY, permit=token, key="send:1")
    assert (local.status("send:1"), wire.seen) == ("pending", [])


async def test_a_write_in_flight_ends_on_record_though_its_caller_gave_up(
    local: PermitOffice,
) -> None:
    wire = Held()
    safety = safety_with(writes=local.desk())
    client = client_over(wire, OPERATIONS, mode=Mode.LIVE, safety=safety)
    token = await local.permit(INTENT, "send:1")
    calling = asyncio.create_task(client.request(SEND, json=BODY, permit=token, key="send:1"))
    await wire.arrived.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert local.status("send:1") == "dispatching"
    wire.go.set()
    await client.aclose()
    assert local.status("send:1") == "sent"


async def test_a_write_that_the_end_of_the_process_cuts_off_is_unknown(local: PermitOffice) -> None:
    wire = Held()
    safety = safety_with(writes=local.desk())
    client = client_over(wire, OPERATIONS, mode=Mode.LIVE, safety=safety)
    token = await local.permit(INTENT, "send:1")
    calling = asyncio.create_task(client.request(SEND, json=BODY, permit=token, key="send:1"))
    await wire.arrived.wait()
    [writing] = [task for task in asyncio.all_tasks() if task.get_name() == "write send:1"]
    writing.cancel()  # as a loop that ends does
    with pytest.raises(asyncio.CancelledError):
        await calling
    await client.aclose()
    assert local.status("send:1") == "unknown"


async def test_a_process_that_stood_still_after_spending_sends_nothing(
    local: PermitOffice, clock: SteppableClock
) -> None:
    class Slow(FreeBrakes):
        async def admit(self, request: Any) -> Any:
            clock.step(31)  # as long as the permit lives, and one second more
            return await super().admit(request)

    client, wire = over(local, brakes=Slow())
    token = await local.permit(INTENT, "send:1")
    with pytest.raises(Refused, match="expired"):
        await client.request(SEND, json=BODY, permit=token, key="send:1")
    assert (local.status("send:1"), wire.seen) == ("pending", [])


async def test_a_ledger_that_cannot_be_told_the_end_keeps_the_write_in_doubt(
    local: PermitOffice,
) -> None:
    def vanish(_request: httpx.Request) -> httpx.Response:
        with local.store.transaction() as conn:
            conn.exec_driver_sql(f"ALTER TABLE {writes_table.name} RENAME TO gone")
        return answer(200, {"ok": True})

    client, _ = over(local, vanish)
    token = await local.permit(INTENT, "send:1")
    assert (await client.request(SEND, json=BODY, permit=token, key="send:1")).status == 200
    with local.store.transaction() as conn:
        conn.exec_driver_sql(f"ALTER TABLE gone RENAME TO {writes_table.name}")
    assert local.status("send:1") == "dispatching"
