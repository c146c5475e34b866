"""The layer that asks before every attempt, over real brakes: what leaves, what is told after."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx
import pytest

from guardrails.brakes.brakes import Brakes
from guardrails.brakes.failures import FailureTracker, clusters
from guardrails.brakes.spend import SpendBook
from guardrails.brakes.stop import StopSwitch
from guardrails.brakes.vendor_state import Granted, VendorRules
from guardrails.config.models import RetryBudget, VendorConfig, VendorLimits
from guardrails.errors import (
    BreakerOpen,
    RateLimited,
    SpendCapped,
    Stopped,
    VendorRejected,
    VendorUnavailable,
)
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.brake_tables import spend_entries
from servers.common.http import VendorClient
from servers.common.operations import Effect, Operation
from servers.common.safety import Safety
from tests.conftest import SteppableClock
from tests.guardrails.brakes.parts import BREAKER, SPEND
from tests.servers.wires import (
    CONFIG,
    FreeBrakes,
    Naps,
    ScriptedWire,
    answer,
    client_over,
    safety_with,
)

pytestmark = pytest.mark.anyio
READ = Operation("search", "POST", "/search", Effect.READ)
PAID = Operation("run", "POST", "/run", Effect.PAID_READ, idempotent=False, price="run_routine")
RESET = httpx.ReadError("connection reset")


class Bench:
    """A client of one vendor over real brakes in a real database."""

    def __init__(self, hive: Hive, store: Store, clock: SteppableClock) -> None:
        self.hive, self.store, self.clock = hive, store, clock
        self.naps = Naps()

    @asynccontextmanager
    async def client(
        self, wire: ScriptedWire, *, vendor: str = "ghl", requests: int = 100, reserve: float = 10
    ) -> AsyncIterator[VendorClient]:
        limits = VendorLimits(requests=requests, per_seconds=10)
        rules = VendorRules(BREAKER, RetryBudget(ratio=0.1, reserve=reserve), limits, 30)
        tracker = FailureTracker(self.store, self.hive, self.clock, vendor)
        switch, book = StopSwitch(self.hive, self.store), SpendBook(SPEND, self.clock)
        brakes = Brakes(self.store, switch, {vendor: rules}, book, tracker, self.clock)
        prices = {"clay": {"run_routine": 20_000}}
        safety = Safety(self.hive, self.store, brakes, tracker, prices)
        config: VendorConfig = CONFIG.model_copy(update={"limits": limits})
        client = client_over(
            wire, (READ, PAID) if vendor == "clay" else (READ,), vendor=vendor, safety=safety,
            config=config, sleep=self.naps,
        )  # fmt: skip
        try:
            yield client
        finally:
            brakes.close()


@pytest.fixture
def bench(hive: Hive, sqlite_store: Store, clock: SteppableClock) -> Bench:
    return Bench(hive, sqlite_store, clock)


async def test_while_the_breaker_is_open_not_one_request_reaches_the_vendor(bench: Bench) -> None:
    wire = ScriptedWire(answer(503))
    async with bench.client(wire) as client:
        for _ in range(2):
            with pytest.raises(VendorUnavailable):
                await client.request(READ, json={})
        assert len(wire.seen) == 5
        for _ in range(20):
            with pytest.raises(BreakerOpen):
                await client.request(READ, json={})
        assert len(wire.seen) == 5


async def test_the_call_that_opens_the_breaker_keeps_the_vendors_own_answer(bench: Bench) -> None:
    wire = ScriptedWire(answer(503, {"message": "down for maintenance"}))
    async with bench.client(wire) as client:
        with pytest.raises(VendorUnavailable):
            await client.request(READ, json={})
        with pytest.raises(VendorUnavailable, match="down for maintenance"):
            await client.request(READ, json={})


async def test_a_vendor_that_comes_back_is_found_by_one_probe(bench: Bench) -> None:
    wire = ScriptedWire(*[answer(503)] * 5, answer(200, {"x": 1}))
    async with bench.client(wire) as client:
        for _ in range(2):
            with pytest.raises(VendorUnavailable):
                await client.request(READ, json={})
        bench.clock.step(60)
        assert (await client.request(READ, json={})).json() == {"x": 1}
        assert (await client.request(READ, json={})).json() == {"x": 1}


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
async def test_a_refusal_never_opens_the_breaker(bench: Bench, status: int) -> None:
    wire = ScriptedWire(answer(status, retry_after="0"))
    async with bench.client(wire, reserve=0) as client:
        for _ in range(12):
            with pytest.raises((VendorRejected, VendorUnavailable)) as refused:
                await client.request(READ, json={})
            assert not isinstance(refused.value, BreakerOpen)


async def test_retries_end_when_the_budget_does(bench: Bench) -> None:
    wire = ScriptedWire(*[RESET, answer(200)] * 40)
    async with bench.client(wire, reserve=2, requests=1000) as client:
        found = await asyncio.gather(
            *(client.request(READ, json={}) for _ in range(20)), return_exceptions=True
        )
    assert len(wire.seen) - 20 <= 2 + 20 * 0.1
    assert any(isinstance(one, VendorUnavailable) for one in found)


async def test_a_429_silences_every_caller_for_as_long_as_the_vendor_asks(bench: Bench) -> None:
    wire = ScriptedWire(answer(429, retry_after="120"), answer(200))
    async with bench.client(wire) as client:
        with pytest.raises(VendorUnavailable):
            await client.request(READ, json={})
        with pytest.raises(RateLimited) as refused:
            await client.request(READ, json={})
    assert len(wire.seen) == 1
    assert refused.value.retry_after_s == pytest.approx(120, abs=1)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"x_ratelimit_interval_milliseconds": "2000"}, 2),
        ({}, 10),  # the vendor's window as we know it
    ],
)
async def test_a_429_that_names_no_time_means_the_vendors_window(
    headers: dict[str, str], seconds: float
) -> None:
    brakes = FreeBrakes()
    wire = ScriptedWire(answer(429, **headers))
    limits = VendorLimits(requests=100, per_seconds=10)
    config = CONFIG.model_copy(update={"limits": limits, "max_attempts": 1})
    client = client_over(wire, (READ,), safety=safety_with(brakes), config=config)
    with pytest.raises(VendorUnavailable):
        await client.request(READ, json={})
    assert [end.ended.pause_s for end in brakes.told if end.ended] == [seconds]


async def test_a_quota_that_others_use_up_slows_us_down() -> None:
    brakes = FreeBrakes()
    wire = ScriptedWire(answer(200, x_ratelimit_remaining="0"))
    client = client_over(wire, (READ,), safety=safety_with(brakes))
    await client.request(READ, json={})
    assert [end.ended.pause_s for end in brakes.told if end.ended] == [0.1]


async def test_beyond_the_limit_a_call_waits_for_its_slot_and_asks_again_before_it_leaves() -> None:
    class Slow(FreeBrakes):
        async def admit(self, request: object) -> Granted:
            await super().admit(request)  # type: ignore[arg-type]
            return Granted(7.5 if len(self.asked) == 1 else 0.0, is_probe=False)

    brakes, naps = Slow(), Naps()
    wire = ScriptedWire(answer(200))
    client = client_over(wire, (READ,), safety=safety_with(brakes), sleep=naps)
    await client.request(READ, json={})
    assert naps.slept == [7.5]
    assert [request.asked.holds_slot for request in brakes.asked] == [False, True]
    assert len(wire.seen) == 1


async def test_a_stop_that_is_raised_while_a_call_waits_holds_it_back() -> None:
    class Raised(FreeBrakes):
        async def admit(self, request: object) -> Granted:
            await super().admit(request)  # type: ignore[arg-type]
            if len(self.asked) > 1:
                raise Stopped("the swarm is stopped: drill")
            return Granted(5.0, is_probe=False)

    wire = ScriptedWire(answer(200))
    client = client_over(wire, (READ,), safety=safety_with(Raised()))
    with pytest.raises(Stopped):
        await client.request(READ, json={})
    assert wire.seen == []


async def test_every_failed_attempt_is_a_failure_on_record(bench: Bench) -> None:
    wire = ScriptedWire(RESET, answer(503), answer(200))
    async with bench.client(wire) as client:
        await client.request(READ, json={})
    with bench.store.read() as conn:
        found = clusters(conn)
    assert {(one.kind, one.status, one.count) for one in found} == {
        ("connection", None, 1), ("server_error", 503, 1),
    }  # fmt: skip


async def test_a_call_given_up_at_the_deadline_counts_as_a_failure() -> None:
    class Hanging(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            await asyncio.Event().wait()
            raise AssertionError

    brakes = FreeBrakes()
    timeouts = CONFIG.timeouts.model_copy(update={"total": 0.05})
    config = CONFIG.model_copy(update={"timeouts": timeouts})
    client = client_over(Hanging(), (READ,), safety=safety_with(brakes), config=config)
    with pytest.raises(VendorUnavailable):
        await client.request(READ, json={})
    assert [end.ended.outcome for end in brakes.told if end.ended] == ["failure"]


@pytest.mark.parametrize(
    ("step", "status"),
    [
        (answer(200, {"ok": True}), "settled"),
        (answer(401), "released"),
        (answer(422), "unknown"),  # a vendor may refuse and have acted all the same
        (answer(500), "unknown"),
        (RESET, "unknown"),
        (httpx.ConnectError("refused"), "released"),
    ],
)
async def test_a_paid_call_is_held_before_and_settled_after(
    bench: Bench, step: httpx.Response | Exception, status: str
) -> None:
    seen: list[str] = []

    def look(request: httpx.Request) -> httpx.Response:
        with bench.store.read() as conn:
            seen.extend(row.status for row in conn.execute(spend_entries.select()))
        if isinstance(step, Exception):
            raise step
        return httpx.Response(step.status_code, headers=step.headers, content=step.content)

    look_up: Callable[[httpx.Request], httpx.Response] = look
    async with bench.client(ScriptedWire(look_up), vendor="clay") as client:
        await asyncio.gather(client.request(PAID, json={}), return_exceptions=True)
    assert set(seen) == {"reserved"}
    with bench.store.read() as conn:
        assert [row.status for row in conn.execute(spend_entries.select())] == [status]


async def test_at_the_cap_nothing_is_sent(bench: Bench) -> None:
    wire = ScriptedWire(answer(200, {}))
    async with bench.client(wire, vendor="clay") as client:
        for _ in range(2):
            await client.request(PAID, json={})
        with pytest.raises(SpendCapped):
            await client.request(PAID, json={})
    assert len(wire.seen) == 2
