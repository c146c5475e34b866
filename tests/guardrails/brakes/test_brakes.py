"""The brakes over a real database: one truth for everybody, and no call while nobody can tell."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Connection, delete, func, select, update

from guardrails.brakes.brakes import Brakes
from guardrails.brakes.breaker import Breaker, Outcome
from guardrails.brakes.desk import BrakesDamaged, CallEnd, Request, RetryBudgetSpent
from guardrails.brakes.failures import FailureTracker
from guardrails.brakes.spend import Reservation, Settlement
from guardrails.brakes.vendor_state import Asked, Ended, Granted, VendorState
from guardrails.clock import utc_now
from guardrails.errors import (
    BreakerOpen,
    RateLimited,
    SpendCapped,
    Stopped,
    StoreUnavailable,
    SwarmError,
)
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.brake_tables import (
    breaker_events,
    failures,
    spend_days,
    spend_entries,
    vendor_brakes,
)
from guardrails.store.tables import stop_state
from tests.conftest import SteppableClock
from tests.guardrails.brakes.parts import brakes_over

pytestmark = pytest.mark.anyio
TOKENS = itertools.count(1)


@pytest.fixture
async def brakes(hive: Hive, store: Store, clock: SteppableClock) -> AsyncIterator[Brakes]:
    opened = brakes_over(hive, store, clock, requests=None)
    yield opened
    opened.close()


@pytest.fixture
async def limited(hive: Hive, store: Store, clock: SteppableClock) -> AsyncIterator[Brakes]:
    opened = brakes_over(hive, store, clock)
    yield opened
    opened.close()


def request(
    vendor: str = "ghl", attempt: int = 1, max_wait_s: float = 0.0, cost: str | None = None
) -> Request:
    paid = Reservation(cost, vendor, "run_routine", 20_000, None) if cost else None
    asked = Asked("paid_read" if cost else "read", attempt, f"t{next(TOKENS)}", max_wait_s)
    return Request(vendor, "search", asked, paid)


async def outcomes(brakes: Brakes, requests: Sequence[Request]) -> list[str]:
    """`go`, or the code of the refusal, of requests made at the same time."""
    found = await asyncio.gather(*(brakes.admit(each) for each in requests), return_exceptions=True)
    return [one.code if isinstance(one, SwarmError) else "go" for one in found]  # type: ignore[union-attr]


def end(outcome: Outcome, token: str | None = None, vendor: str = "ghl") -> CallEnd:
    return CallEnd(vendor, Ended("read", outcome, token, "HTTP 503"))


async def fail(brakes: Brakes, times: int) -> None:
    for _ in range(times):
        await brakes.admit(request())
        brakes.tell(end("failure"))


async def opened(brakes: Brakes) -> None:
    """Five failures, and the database has seen them."""
    await fail(brakes, 5)
    with pytest.raises(BreakerOpen):
        await brakes.admit(request())


async def test_of_fifty_calls_at_once_under_a_limit_of_two_exactly_two_leave(
    limited: Brakes,
) -> None:
    found = await outcomes(limited, [request() for _ in range(50)])
    assert sorted(found) == ["go"] * 2 + ["rate_limited"] * 48


@pytest.mark.processes
@pytest.mark.parametrize(("breaker", "through"), [(Breaker(), 2), (Breaker("open", 1.0), 1)])
def test_of_fifty_calls_of_five_processes_exactly_the_limit_leaves_or_one_probe(
    hive: Hive, store: Store, store_url: str | None, breaker: Breaker, through: int
) -> None:
    """Under a limit of two; or on a breaker whose pause is over."""
    brakes_over(hive, store).close()
    state = VendorState(breakers={"read": breaker})
    with store.transaction() as conn:
        conn.execute(update(vendor_brakes).values(document=state.dump()))
    command = [sys.executable, "-m", "tests.guardrails.brakes.swarm_of_callers"]
    callers = [
        subprocess.Popen(
            [*command, str(hive.path), store_url or "-", "10"],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[3],
        )
        for _ in range(5)
    ]
    for caller in callers:
        assert caller.stdout is not None
        assert caller.stdout.readline() == "ready\n"
    (hive.path / "START").touch()
    said = [caller.communicate(timeout=60)[0].splitlines()[-1] for caller in callers]
    assert sum(map(int, said)) == through


async def test_who_can_wait_gets_a_slot_of_the_future_and_nobody_else_gets_it(
    limited: Brakes,
) -> None:
    waits = [(await limited.admit(request(max_wait_s=10_000))).wait_s for _ in range(4)]
    assert waits[:2] == [0, 0]
    assert min(waits[2:]) >= 3600
    with pytest.raises(RateLimited) as refused:
        await limited.admit(request(max_wait_s=7000))
    assert refused.value.retry_after_s is not None
    assert refused.value.retry_after_s >= 7200


async def test_an_open_breaker_refuses_at_once_and_says_until_when(brakes: Brakes) -> None:
    await fail(brakes, 5)
    with pytest.raises(BreakerOpen, match="another 60 s; nothing was sent") as refused:
        await brakes.admit(request())
    assert refused.value.retry_after_s == pytest.approx(60)


async def test_after_the_pause_exactly_one_of_fifty_probes(
    brakes: Brakes, clock: SteppableClock
) -> None:
    await opened(brakes)
    clock.step(60)
    found = await outcomes(brakes, [request() for _ in range(50)])
    assert sorted(found) == ["breaker_open"] * 49 + ["go"]


async def test_the_probes_answer_closes_it_for_every_process(
    brakes: Brakes, hive: Hive, store: Store, clock: SteppableClock
) -> None:
    await opened(brakes)
    clock.step(60)
    probe = request()
    assert (await brakes.admit(probe)).is_probe
    other = brakes_over(hive, store, clock, requests=None)
    with pytest.raises(BreakerOpen):
        await other.admit(request())
    brakes.tell(end("ok", probe.asked.token))
    brakes.close()
    assert await other.admit(request()) == Granted(0.0, is_probe=False)
    other.close()
    with store.read() as conn:
        states = conn.execute(select(breaker_events.c.state).order_by(breaker_events.c.event_id))
        assert list(states.scalars()) == ["open", "half_open", "closed"]


async def test_classes_of_operations_and_vendors_have_breakers_of_their_own(
    brakes: Brakes,
) -> None:
    await fail(brakes, 5)
    paid = Asked("paid_read", 1, "t", 0.0)
    await brakes.admit(Request("ghl", "other", paid))
    await brakes.admit(request("clay"))


async def test_retries_stay_within_a_tenth_of_the_traffic_and_the_reserve(brakes: Brakes) -> None:
    retried = 0
    for _ in range(100):
        await brakes.admit(request())
        try:
            await brakes.admit(request(attempt=2))
            retried += 1
        except RetryBudgetSpent:
            continue
    assert 2 <= retried <= 2 + 10


async def test_under_a_stop_nothing_leaves(brakes: Brakes, hive: Hive, store: Store) -> None:
    with store.transaction() as conn:
        conn.execute(update(stop_state).values(stopped=True, reason="drill"))
    with pytest.raises(Stopped, match="drill"):
        await brakes.admit(request())
    with store.transaction() as conn:
        conn.execute(update(stop_state).values(stopped=False, reason=None))
    await brakes.admit(request())
    hive.stop_file.write_text("by hand\n")
    with pytest.raises(Stopped, match="by hand"):
        await brakes.admit(request())


@pytest.mark.parametrize("document", ["", "{", "{}", '{"rate": 1, "retries": 0, "breakers": 0}'])
async def test_a_damaged_state_stops_its_vendor_and_no_other(
    brakes: Brakes, store: Store, document: str
) -> None:
    with store.transaction() as conn:
        here = update(vendor_brakes).where(vendor_brakes.c.vendor == "ghl")
        conn.execute(here.values(document=document))
    with pytest.raises(BrakesDamaged, match="damaged") as refused:
        await brakes.admit(request())
    assert "swarm brakes reset ghl" in refused.value.remedy
    await brakes.admit(request("clay"))


@pytest.mark.parametrize(
    "document",
    [
        '{"rate": {"pause_until": null}, "retries": null, "breakers": {}}',
        '{"rate": {"grants": [null]}, "retries": null, "breakers": {}}',
        '{"rate": {"later": 1}, "retries": null, "breakers": {}}',
        '{"rate": {}, "retries": [], "breakers": {}}',
        '{"rate": {}, "retries": null, "breakers": {"read": null}}',
        '{"rate": {}, "retries": null, "breakers": {"read": {"state": "ajar"}}}',
        '{"rate": {}, "retries": null, "breakers": {"read": {"slots": [[1, 2]]}}}',
    ],
)
def test_a_state_with_values_of_another_kind_is_damaged(document: str) -> None:
    with pytest.raises(ValueError, match="not a vendor's state"):
        VendorState.parse(document)


async def test_a_missing_state_or_stop_row_stops_the_vendor(brakes: Brakes, store: Store) -> None:
    with store.transaction() as conn:
        conn.execute(delete(vendor_brakes).where(vendor_brakes.c.vendor == "ghl"))
    with pytest.raises(BrakesDamaged, match="missing"):
        await brakes.admit(request())
    with store.transaction() as conn:
        conn.execute(delete(stop_state))
    with pytest.raises(BrakesDamaged):
        await brakes.admit(request("clay"))


async def test_without_the_database_nothing_leaves_and_no_failure_is_forgotten(
    hive: Hive, sqlite_store: Store, clock: SteppableClock
) -> None:
    brakes = brakes_over(hive, sqlite_store, clock, requests=None)
    tracker = FailureTracker(sqlite_store, hive, clock, "test")
    row = tracker.row("server_error", "search", "HTTP 503", vendor="ghl")
    with sqlite_store.transaction() as conn:
        conn.exec_driver_sql("ALTER TABLE vendor_brakes RENAME TO away")
    with pytest.raises(StoreUnavailable):
        await brakes.admit(request())
    brakes.tell(CallEnd("ghl", Ended("read", "failure"), failure=row))
    with pytest.raises(StoreUnavailable):
        await brakes.admit(request())
    with sqlite_store.transaction() as conn:
        conn.exec_driver_sql("ALTER TABLE away RENAME TO vendor_brakes")
    brakes.close()
    assert await tracker.absorb_pending() == 1
    with sqlite_store.read() as conn:
        assert conn.execute(select(failures.c.failure_id)).scalars().all() == [row.failure_id]


async def test_how_calls_ended_rides_with_the_next_call(brakes: Brakes, store: Store) -> None:
    row = FailureTracker(store, Hive(Path("/nonexistent"), True), utc_now, "test").row(
        "server_error", "search", "HTTP 503", vendor="ghl"
    )
    brakes.tell(CallEnd("ghl", Ended("read", "failure"), failure=row))
    await brakes.admit(request())
    with store.read() as conn:
        assert conn.execute(select(func.count()).select_from(failures)).scalar_one() == 1


async def test_money_is_held_before_a_paid_call_and_given_back_when_none_was_due(
    brakes: Brakes, store: Store
) -> None:
    await brakes.admit(request("clay", cost="S-1"))
    with store.read() as conn:
        assert held(conn) == 20_000
    brakes.tell(CallEnd("clay", settlement=Settlement("S-1", "not_charged")))
    brakes.close()
    with store.read() as conn:
        assert held(conn) == 0


async def test_what_the_cap_refuses_uses_no_slot(limited: Brakes, store: Store) -> None:
    with store.transaction() as conn:
        conn.execute(
            spend_days.insert(), {"day": "2026-03-10", "scope": "*", "held_micros": 45_000}
        )
    with pytest.raises(SpendCapped):
        await limited.admit(request("clay", cost="S-1"))
    for _ in range(2):
        await limited.admit(request("clay"))
    with pytest.raises(RateLimited):
        await limited.admit(request("clay"))


async def test_what_the_brakes_refuse_holds_no_money(limited: Brakes, store: Store) -> None:
    for _ in range(2):
        await limited.admit(request("clay"))
    with pytest.raises(RateLimited):
        await limited.admit(request("clay", cost="S-1"))
    with store.read() as conn:
        assert held(conn) == 0
        assert conn.execute(select(func.count()).select_from(spend_entries)).scalar_one() == 0


async def test_a_vendor_that_asks_for_silence_gets_it_from_everybody(
    brakes: Brakes, hive: Hive, store: Store, clock: SteppableClock
) -> None:
    await brakes.admit(request())
    brakes.tell(CallEnd("ghl", Ended("read", "neutral", pause_s=30)))
    brakes.close()
    other = brakes_over(hive, store, clock, requests=None)
    with pytest.raises(RateLimited) as refused:
        await other.admit(request(max_wait_s=29))
    assert refused.value.retry_after_s == pytest.approx(30)
    assert (await other.admit(request(max_wait_s=31))).wait_s == pytest.approx(30)
    other.close()


def held(conn: Connection) -> int:
    total = select(spend_days.c.held_micros).where(spend_days.c.scope == "*")
    return int(conn.execute(total).scalar_one_or_none() or 0)


async def test_a_clock_that_is_set_back_makes_no_wait_longer(
    limited: Brakes, clock: SteppableClock
) -> None:
    """As a sandbox's that was ahead, or a machine's that came up before it knew the time."""
    await limited.admit(request())
    await limited.admit(request())
    for _ in range(5):
        limited.tell(CallEnd("ghl", Ended("write", "failure")))
    limited.tell(CallEnd("clay", Ended("read", "neutral", pause_s=120)))
    with pytest.raises(RateLimited):
        await limited.admit(request("clay"))
    clock.step(-14 * 3600)
    with pytest.raises(BreakerOpen, match="another 60 s"):
        await limited.admit(Request("ghl", "write", Asked("write", 1, "t", 0.0)))
    with pytest.raises(RateLimited, match=r"for 3672\.1 s"):
        await limited.admit(request())
    with pytest.raises(RateLimited, match=r"for 120\.0 s"):
        await limited.admit(request("clay"))
