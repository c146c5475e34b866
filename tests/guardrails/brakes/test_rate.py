"""The rate limit as a value: no window ever holds more than the limit, and little is wasted."""

from __future__ import annotations

import itertools
from collections import Counter

import orjson
from hypothesis import example, given
from hypothesis import strategies as st

from guardrails.brakes.rate import Rate, stretched
from guardrails.config.models import VendorLimits

GHL = VendorLimits(requests=100, per_seconds=10, per_day=200_000)


def grant(rate: Rate, limits: VendorLimits, now: float) -> float:
    """The time at which a request that asks now leaves."""
    wait = rate.next_slot(limits, now)
    rate.take(limits, now, wait)
    return now + wait


def test_a_burst_of_the_whole_limit_leaves_at_once_and_the_next_waits_for_the_window() -> None:
    rate = Rate()
    assert {grant(rate, GHL, 1000.0) - 1000.0 < 0.2 for _ in range(100)} == {True}
    assert grant(rate, GHL, 1000.0) >= 1000.0 + stretched(GHL)


def test_one_in_five_seconds_is_one_in_five_seconds() -> None:
    gdelt = VendorLimits(requests=1, per_seconds=5)
    rate = Rate()
    times = [grant(rate, gdelt, 0.0) for _ in range(4)]
    assert all(later - earlier >= 5 for earlier, later in itertools.pairwise(times))


@given(
    st.integers(1, 7),
    st.floats(0.5, 20),
    st.lists(st.floats(0, 6), min_size=1, max_size=60),
)
def test_no_window_of_the_vendor_holds_more_than_its_limit(
    requests: int, per_seconds: float, gaps: list[float]
) -> None:
    limits = VendorLimits(requests=requests, per_seconds=per_seconds)
    rate, now, times = Rate(), 1_000_000.0, []
    for gap in gaps:
        now += gap
        rate = Rate.of(orjson.loads(orjson.dumps(rate)))
        times.append(grant(rate, limits, now))
    assert times == sorted(times)
    for at, start in enumerate(times):
        assert sum(start <= other <= start + per_seconds for other in times[at:]) <= requests


def test_at_full_pressure_at_least_95_percent_of_the_limit_are_used() -> None:
    rate, last = Rate(), 0.0
    for _ in range(2000):
        last = grant(rate, GHL, 0.0)
    assert 2000 / last >= 0.95 * 10


def test_a_pause_that_the_vendor_asks_for_holds_everybody() -> None:
    rate = Rate()
    rate.pause(100.0, 30)
    assert rate.next_slot(GHL, 110.0) == 20
    assert rate.next_slot(None, 110.0) == 20
    rate.pause(100.0, 5)  # a shorter one does not lift it
    assert rate.next_slot(GHL, 110.0) == 20


def test_a_pause_of_absurd_length_ends_after_a_day() -> None:
    rate = Rate()
    rate.pause(0.0, 1e12)
    assert rate.next_slot(GHL, 0.0) == 86_400


def test_when_the_day_is_used_up_the_next_slot_is_after_midnight() -> None:
    limits = VendorLimits(requests=10, per_seconds=1, per_day=3)
    rate, noon = Rate(), 86_400 * 100 + 43_200.0
    for _ in range(3):
        grant(rate, limits, noon)
    assert rate.next_slot(limits, noon) == 43_200
    assert rate.next_slot(limits, noon + 43_201) == 0


@given(
    st.integers(1, 4),
    st.floats(0.5, 20),
    st.integers(1, 9),
    st.lists(st.tuples(st.floats(0, 9), st.floats(-2, 2), st.floats(0, 30)), max_size=40),
)
@example(1, 5, 2, [(0, 0, 30)] * 4)  # who waits over midnight counts on the day of their slot
@example(2, 1, 1, [(10, 0, 0), (0, -2, 30), (0, 2, 30)])  # on two machines midnight is not at once
def test_no_day_of_the_vendor_holds_more_than_its_limit_also_around_midnight(
    requests: int, per_seconds: float, per_day: int, asked: list[tuple[float, float, float]]
) -> None:
    """Each asks some seconds later, by a clock that is not quite right, and can wait so long."""
    limits = VendorLimits(requests=requests, per_seconds=per_seconds, per_day=per_day)
    midnight = 86_400 * 20_000.0
    rate, now, times = Rate(), midnight - 10, []
    for gap, skew, can_wait in asked:
        now += gap
        wait = rate.next_slot(limits, now + skew)
        if wait <= can_wait:
            rate.take(limits, now + skew, wait)
            times.append(now + skew + wait)
    assert times == sorted(times)
    assert max(Counter(at // 86_400 for at in times).values(), default=0) <= per_day
