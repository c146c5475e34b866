"""Money is held before a paid call and told after it what became of it."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from guardrails.brakes.desk import BrakesDamaged, Request
from guardrails.brakes.spend import Reservation, Settlement
from guardrails.brakes.vendor_state import Granted
from guardrails.correlation import Correlation, correlated
from guardrails.errors import (
    BreakerOpen,
    ConfigError,
    RateLimited,
    SpendCapped,
    Stopped,
    StoreUnavailable,
    VendorSchemaDrift,
)
from servers.common.http_brakes import RESERVATION
from servers.common.http_lock import OPERATION
from servers.common.http_spend import SpendLayer, outcome_of, require_prices
from servers.common.operations import Effect, Operation
from tests.servers.wires import FreeBrakes, Naps, ScriptedWire, answer, client_over, safety_with

pytestmark = pytest.mark.anyio
PAID = Operation("run", "POST", "/run", Effect.PAID_READ, idempotent=False, price="run")
FREE = Operation("look", "GET", "/look", Effect.READ)
_OF: dict[str, Any] = {"vendor": "clay", "operation": "run"}


class Till:
    """A spend layer over `wire`, and what it settled."""

    def __init__(self, wire: httpx.AsyncBaseTransport, vendor: str = "clay") -> None:
        self.settled: list[Settlement] = []
        ids = iter(f"S-{number}" for number in range(100))
        self.layer = SpendLayer(wire, vendor, {"run": 700}, self.settled.append, lambda: next(ids))

    async def send(self, operation: Operation = PAID) -> httpx.Request:
        request = httpx.Request(operation.method, "https://vendor.example/run")
        request.extensions[OPERATION] = operation
        self.request = request
        await self.layer.handle_async_request(request)
        return request

    @property
    def outcomes(self) -> list[str]:
        return [one.outcome for one in self.settled]


async def test_a_paid_call_carries_its_price_and_its_lead() -> None:
    till = Till(ScriptedWire(answer(202)))
    with correlated(Correlation("L-7", "run-1")):
        request = await till.send()
    assert request.extensions[RESERVATION] == Reservation("S-0", "clay", "run", 700, "L-7")
    assert till.settled == [Settlement("S-0", "charged")]
    await till.send()
    assert till.settled[1] == Settlement("S-1", "charged")  # each call has an entry of its own
    assert till.request.extensions[RESERVATION].lead_id is None


async def test_a_free_call_is_left_alone() -> None:
    till = Till(ScriptedWire(answer()))
    request = await till.send(FREE)
    assert (RESERVATION in request.extensions, till.settled) == (False, [])


@pytest.mark.parametrize(
    ("vendor", "statuses", "outcome"),
    [
        ("clay", (200, 202, 204), "charged"),
        ("clay", (400, 401, 402, 403, 404, 405, 429), "not_charged"),
        ("clay", (302, 408, 409, 422, 500, 503), "unknown"),
        ("rb2b", (200, 404), "charged"),
        ("rb2b", (401, 402, 403, 429), "not_charged"),
        ("rb2b", (301, 400, 408, 422, 500, 502), "unknown"),
        ("ghl", (400, 404), "unknown"),
    ],
)
async def test_what_an_answer_says_about_the_charge(
    vendor: str, statuses: tuple[int, ...], outcome: str
) -> None:
    for status in statuses:
        till = Till(ScriptedWire(answer(status)), vendor)
        await till.send()
        assert till.outcomes == [outcome], status
        assert outcome_of(vendor, status) == outcome


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (BreakerOpen("x", **_OF), "not_charged"),
        (RateLimited("x", **_OF), "not_charged"),
        (SpendCapped("x", **_OF), "not_charged"),
        (Stopped("x"), "not_charged"),
        (StoreUnavailable("x"), "not_charged"),
        (BrakesDamaged("x"), "not_charged"),
        (httpx.ConnectError("x"), "not_charged"),
        (httpx.ConnectTimeout("x"), "not_charged"),
        (httpx.PoolTimeout("x"), "not_charged"),
        (httpx.ReadTimeout("x"), "unknown"),
        (httpx.WriteTimeout("x"), "unknown"),
        (httpx.WriteError("x"), "unknown"),
        (httpx.ReadError("x"), "unknown"),
        (httpx.RemoteProtocolError("x"), "unknown"),
        (httpx.LocalProtocolError("x"), "unknown"),
        (VendorSchemaDrift("too large", status=200, **_OF), "charged"),
        (VendorSchemaDrift("odd", **_OF), "unknown"),
        (ValueError("a defect of ours"), "unknown"),
    ],
)
async def test_what_a_failure_says_about_the_charge(error: Exception, outcome: str) -> None:
    till = Till(ScriptedWire(error))
    with pytest.raises(type(error)):
        await till.send()
    assert till.settled == [Settlement("S-0", outcome)]  # type: ignore[arg-type]


class Hanging(httpx.AsyncBaseTransport):
    """Never answers."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.reached.set()
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_call_cancelled_in_flight_is_unknown() -> None:
    wire = Hanging()
    till = Till(wire)
    task = asyncio.create_task(till.send())
    await wire.reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert till.outcomes == ["unknown"]


async def test_a_call_given_up_while_it_waited_for_its_turn_costs_nothing() -> None:
    class Slow(FreeBrakes):
        """Lets the first attempt through, and keeps the second waiting."""

        async def admit(self, request: Request) -> Granted:
            await super().admit(request)
            return Granted(3600.0 if request.asked.attempt == 2 else 0.0, is_probe=False)

    class Waiting(Naps):
        async def __call__(self, seconds: float) -> None:
            await super().__call__(seconds)
            if seconds == 3600:
                waits.set()
                await asyncio.Event().wait()

    waits, brakes = asyncio.Event(), Slow()
    operation = Operation("run", "POST", "/run", Effect.PAID_READ, price="run_routine")
    client = client_over(
        ScriptedWire(answer(429)), (operation,), vendor="clay", sleep=Waiting(),
        safety=safety_with(brakes),
    )  # fmt: skip
    task = asyncio.create_task(client.request(operation, json={}))
    await waits.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    settled = [end.settlement.outcome for end in brakes.told if end.settlement is not None]
    assert settled == ["not_charged"]


async def test_an_operation_without_a_price_never_leaves() -> None:
    for price in ("", "other"):
        unpriced = Operation("run", "POST", "/run", Effect.PAID_READ, price=price)
        wire = ScriptedWire(answer())
        with pytest.raises(ConfigError):
            await Till(wire).send(unpriced)
        assert wire.seen == []


@pytest.mark.parametrize(
    ("price", "said"),
    [("", "names no price"), ("other", r"spend\.prices_micros\.clay\.other is missing")],
)
def test_a_client_with_an_unpriced_operation_is_not_opened(price: str, said: str) -> None:
    unpriced = Operation("run", "POST", "/run", Effect.PAID_READ, price=price)
    with pytest.raises(ConfigError, match=said):
        require_prices("clay", (FREE, unpriced), {"run": 1})
    with pytest.raises(ConfigError, match=said):
        client_over(ScriptedWire(answer()), (FREE, unpriced), vendor="clay")
    require_prices("clay", (FREE, PAID), {"run": 0})


async def test_all_attempts_of_one_call_share_one_entry() -> None:
    brakes = FreeBrakes()
    operation = Operation("run", "POST", "/run", Effect.PAID_READ, price="run_routine")
    wire = ScriptedWire(httpx.ConnectError("refused"), answer(429), answer(202))
    client = client_over(wire, (operation,), vendor="clay", safety=safety_with(brakes))
    await client.request(operation, json={})
    reserved = [one.reservation for one in brakes.asked]
    assert reserved[0] is not None
    assert reserved[1:] == [None, None]
    settled = [end.settlement for end in brakes.told if end.settlement is not None]
    assert settled == [Settlement(reserved[0].entry_id, "charged")]


async def test_a_caller_cannot_bring_a_reservation_of_its_own() -> None:
    operation = Operation("run", "POST", "/run", Effect.PAID_READ, price="run_routine")
    wire = ScriptedWire(answer(202))
    client = client_over(wire, (operation,), vendor="clay")
    mine = Reservation("S-mine", "clay", "run", 0)
    with pytest.raises(Exception, match="extension"):
        await client.http.post("/run", extensions={RESERVATION: mine})
    assert wire.seen == []
