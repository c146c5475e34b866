"""Whatever a paid call meets, and whenever it is given up: money comes back only where the vendor
certainly did nothing, each entry is settled once, and no call is made that may have been paid.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections import Counter
from collections.abc import Sequence

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from guardrails.brakes.desk import CallEnd
from guardrails.brakes.vendor_state import VendorRules
from guardrails.config.models import BreakerRules, RetryBudget, VendorLimits
from guardrails.errors import SwarmError
from guardrails.model import Mode
from servers.common.http import VendorClient, open_client
from servers.common.http_brakes import RESERVATION
from servers.common.operations import Effect, Operation
from tests.servers.instant import InstantLoop, Keeper
from tests.servers.wires import BASE, CONFIG, answer, safety_with

RUN = Operation("run", "POST", "/run", Effect.PAID_READ, idempotent=False, price="run_routine")
LIMITS = VendorLimits(requests=1, per_seconds=1)
BREAKER = BreakerRules(window_s=60, min_calls=1000, failure_ratio=1, consecutive=6, open_s=60)
NOTHING_DONE: list[httpx.Response | Exception] = [
    answer(429), answer(429, Retry_After="2"), answer(400), answer(401),
    httpx.ConnectError("refused"), httpx.ConnectTimeout("slow"), httpx.PoolTimeout("full"),
]  # fmt: skip
DONE: list[httpx.Response | Exception] = [answer(200), answer(202)]
DONE_PERHAPS: list[httpx.Response | Exception] = [
    answer(408), answer(422), answer(500), answer(503), httpx.ReadTimeout("slow"),
    httpx.ReadError("reset"), httpx.WriteError("reset"), httpx.RemoteProtocolError("torn"),
]  # fmt: skip


class Till(Keeper):
    """Knows how each entry ended."""

    settled: list[tuple[str, str]]

    def tell(self, end: CallEnd) -> None:
        super().tell(end)
        if end.settlement is not None:
            self.settled.append((end.settlement.entry_id, end.settlement.outcome))


class Clay(httpx.AsyncBaseTransport):
    """Answers in its time; knows for which entries it has, or may have, done something."""

    def __init__(self, steps: Sequence[httpx.Response | Exception], took: Sequence[float]) -> None:
        self.steps, self.took = itertools.cycle(steps), itertools.cycle(took)
        self.done: Counter[str] = Counter()
        self.perhaps: Counter[str] = Counter()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        entry, step = request.extensions[RESERVATION].entry_id, next(self.steps)
        self.done[entry] += step in DONE
        self.perhaps[entry] += step not in NOTHING_DONE
        await asyncio.sleep(next(self.took))
        if isinstance(step, Exception):
            raise step
        return httpx.Response(step.status_code, headers=step.headers, content=step.content)


async def calls(client: VendorClient, when: Sequence[tuple[float, float | None]]) -> None:
    """Each begins, and is given up so many seconds later unless None."""

    async def one(start: float, patience: float | None) -> None:
        await asyncio.sleep(start)
        task = asyncio.ensure_future(client.request(RUN, json={}))
        if patience is not None:
            await asyncio.sleep(patience)
            task.cancel()
        try:
            await task
        except (SwarmError, asyncio.CancelledError):
            return

    await asyncio.gather(*(one(*each) for each in when))


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(st.floats(0, 10), st.sampled_from([None, None, 0, 0.01, 0.5, 1, 2, 3.3, 10])),
        min_size=1,
        max_size=8,
    ),
    st.lists(st.sampled_from(NOTHING_DONE + DONE + DONE_PERHAPS), min_size=1, max_size=8),
    st.lists(st.sampled_from([0, 0.1, 1, 20, 40]), min_size=1, max_size=3),
    st.lists(st.sampled_from([0, 0.01, 0.3, 31]), min_size=1, max_size=3),
)
def test_money_comes_back_only_where_nothing_was_done(
    when: list[tuple[float, float | None]],
    steps: list[httpx.Response | Exception],
    took: list[float],
    questions: list[float],
) -> None:
    loop = InstantLoop()
    rules = VendorRules(BREAKER, RetryBudget(ratio=1, reserve=1000), LIMITS, lease_s=35)
    till, clay = Till(rules, itertools.cycle(questions).__next__, loop), Clay(steps, took)
    till.settled = []
    client = open_client(
        "clay", CONFIG.model_copy(update={"limits": LIMITS}), BASE, (RUN,), Mode.SHADOW,
        safety_with(till), wire=clay, sleep=asyncio.sleep, rng=random.Random(1),
    )  # fmt: skip
    try:
        loop.run_until_complete(calls(client, when))
    finally:
        loop.close()
    outcomes = dict(till.settled)
    assert len(outcomes) == len(till.settled)
    assert clay.perhaps.keys() <= outcomes.keys()
    for entry, outcome in outcomes.items():
        assert clay.perhaps[entry] <= 1
        assert outcome != "not_charged" or clay.perhaps[entry] == 0
        assert outcome != "charged" or clay.done[entry] == 1
