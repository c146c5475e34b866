"""When requests leave, on a clock of our own: however callers, silences, slow answers and a busy
process fall together, no window of the vendor holds more than its limit, nothing leaves while the
breaker is open, and a probe is one.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Sequence

import httpx
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from guardrails.brakes.desk import Request
from guardrails.brakes.vendor_state import Granted, VendorRules
from guardrails.config.models import BreakerRules, RetryBudget, VendorLimits
from guardrails.errors import RateLimited, SwarmError
from guardrails.model import Mode
from servers.common.http import open_client
from servers.common.operations import Effect, Operation
from tests.servers.instant import InstantLoop, Keeper
from tests.servers.wires import (
    BASE,
    CONFIG,
    FreeBrakes,
    Naps,
    ScriptedWire,
    answer,
    client_over,
    safety_with,
)

READ = Operation("search", "POST", "/search", Effect.READ)


class Vendor(httpx.AsyncBaseTransport):
    """Answers in its time; knows when it was asked, and how the breaker stood."""

    def __init__(self, keeper: Keeper, answers: Sequence[httpx.Response], took: Sequence[float]):
        self.keeper, self.loop = keeper, keeper.loop
        self.answers, self.took = itertools.cycle(answers), itertools.cycle(took)
        self.asked_at: list[float] = []
        self.while_open = 0
        self.probes: list[str | None] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked_at.append(self.loop.now)
        self.while_open += self.keeper.breaker.state == "open"
        if self.keeper.breaker.state == "half_open":
            self.probes.append(self.keeper.breaker.probe)
        await asyncio.sleep(next(self.took))
        said = next(self.answers)
        return httpx.Response(said.status_code, headers=said.headers, content=said.content)


def played(
    limits: VendorLimits,
    consecutive: int,
    starts: Sequence[float],
    answers: Sequence[httpx.Response],
    took: Sequence[float],
    questions: Sequence[float],
    overslept: Sequence[float],
) -> Vendor:
    """All callers come and have gone."""
    loop = InstantLoop()
    breaker = BreakerRules(
        window_s=60, min_calls=1000, failure_ratio=1, consecutive=consecutive, open_s=60
    )
    rules = VendorRules(breaker, RetryBudget(ratio=1, reserve=1000), limits, lease_s=35)
    keeper = Keeper(rules, itertools.cycle(questions).__next__, loop)
    vendor = Vendor(keeper, answers, took)
    late = itertools.cycle(overslept)

    async def sleep(seconds: float) -> None:
        await asyncio.sleep(seconds + next(late))

    client = open_client(
        "ghl", CONFIG.model_copy(update={"limits": limits}), BASE, (READ,), Mode.SHADOW,
        safety_with(keeper), wire=vendor, sleep=sleep, rng=random.Random(1),
    )  # fmt: skip

    async def call(start: float) -> None:
        await asyncio.sleep(start)
        try:
            await client.request(READ, json={})
        except SwarmError:
            return

    async def all_of_them() -> None:
        await asyncio.gather(*map(call, starts))

    try:
        loop.run_until_complete(all_of_them())
    finally:
        loop.close()
    return vendor


def some(*values: float) -> st.SearchStrategy[list[float]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=4)


OK = answer(200)
SILENCE = answer(429, Retry_After="3")
ANSWERS = [
    OK,
    OK,
    answer(503),
    answer(503),
    SILENCE,
    answer(429),
    answer(X_RateLimit_Remaining="0"),
]


@settings(max_examples=60)
@given(
    st.integers(1, 4),
    st.sampled_from([1, 2, 5]),
    st.sampled_from([3, 1000]),
    st.lists(st.floats(0, 5) | st.floats(0, 200), min_size=1, max_size=25),
    st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=8),
    some(0, 0.1, 0.5, 1, 25, 40),
    some(0, 0, 0.01, 0.05),
    some(0, 0, 0.3, 2, 6),
)
# Slots that lie in a silence must not all be used at its end.
@example(1, 1, 1000, [0.0] * 8, [SILENCE, OK], [0.5], [0], [0])
# Nor those that a stopped process has overslept, when it goes on.
@example(1, 5, 1000, [0.0] * 4, [OK], [0], [0], [0, 20, 14, 9])
def test_no_window_holds_more_than_the_limit_and_no_open_door_is_knocked_at(
    requests: int,
    per_seconds: float,
    consecutive: int,
    starts: list[float],
    answers: list[httpx.Response],
    took: list[float],
    questions: list[float],
    overslept: list[float],
) -> None:
    limits = VendorLimits(requests=requests, per_seconds=per_seconds)
    vendor = played(limits, consecutive, starts, answers, took, questions, overslept)
    for first in vendor.asked_at:
        assert sum(first <= at < first + per_seconds for at in vendor.asked_at) <= requests
    assert vendor.while_open == 0
    assert len(vendor.probes) == len(set(vendor.probes))


@pytest.mark.anyio
async def test_whoever_is_told_to_wait_again_and_again_is_refused_and_never_let_through() -> None:
    class Silent(FreeBrakes):
        async def admit(self, request: Request) -> Granted:
            self.asked.append(request)
            return Granted(3.0, is_probe=False)

    wire, brakes, naps = ScriptedWire(OK), Silent(), Naps()
    client = client_over(wire, (READ,), sleep=naps, safety=safety_with(brakes))
    with pytest.raises(RateLimited, match="nothing was sent") as refused:
        await client.request(READ, json={})
    assert refused.value.retry_after_s == 3
    assert wire.seen == []
    assert [one.asked.again for one in brakes.asked] == [False, True, True, True]
    assert len(naps.slept) == 3
