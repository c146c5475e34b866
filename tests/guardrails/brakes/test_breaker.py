"""The breaker as a value: when it opens, who probes, and what cannot sway it."""

from __future__ import annotations

import orjson
from hypothesis import given
from hypothesis import strategies as st

from guardrails.brakes.breaker import Breaker, Change, Outcome
from guardrails.config.models import BreakerRules

RULES = BreakerRules(window_s=60, min_calls=5, failure_ratio=0.5, consecutive=5, open_s=60)


def tell(breaker: Breaker, now: float, *outcomes: Outcome) -> Change | None:
    change = None
    for outcome in outcomes:
        change = breaker.leave(RULES, now, outcome, None, "HTTP 503")
    return change


def opened(now: float = 0.0) -> Breaker:
    breaker = Breaker()
    tell(breaker, now, *["failure"] * 5)  # type: ignore[list-item]
    assert breaker.state == "open"
    return breaker


def test_five_failures_in_a_row_open_it_and_the_reason_names_the_last() -> None:
    breaker = Breaker()
    assert tell(breaker, 0, "failure", "failure", "failure", "failure") is None
    change = tell(breaker, 0, "failure")
    assert change == Change("open", "5 failures in a row, the last: HTTP 503")
    assert breaker.refuses(59.9) > 0
    assert breaker.refuses(60.0) == 0


def test_half_of_at_least_five_calls_in_the_window_open_it() -> None:
    breaker = Breaker()
    assert tell(breaker, 0, "ok", "failure", "ok", "failure") is None
    change = tell(breaker, 1, "failure")
    assert change is not None
    assert change.reason.startswith("3 of 5 calls in 60 s failed")


def test_failures_that_lie_a_window_apart_do_not_add_up() -> None:
    breaker = Breaker()
    for minute in range(20):
        assert tell(breaker, minute * 61.0, "failure", "ok", "ok") is None
    assert breaker.state == "closed"


def test_neutral_answers_neither_fail_nor_heal() -> None:
    breaker = Breaker()
    tell(breaker, 0, "failure", "failure", "failure", "failure")
    assert tell(breaker, 0, *["neutral"] * 50) is None  # type: ignore[list-item]
    assert tell(breaker, 0, "failure") is not None


def test_when_the_pause_is_over_exactly_one_call_probes() -> None:
    breaker = opened()
    is_probe, change = breaker.enter(60, "first", lease_s=10)
    assert is_probe
    assert change is not None
    assert change.state == "half_open"
    assert breaker.refuses(60) == 10
    assert breaker.refuses(69.9) > 0


def test_an_answered_probe_closes_it_and_old_failures_are_forgotten() -> None:
    breaker = opened()
    breaker.enter(60, "first", lease_s=10)
    change = breaker.leave(RULES, 61, "ok", "first", "")
    assert change is not None
    assert change.state == "closed"
    assert tell(breaker, 61, "failure", "failure", "failure", "failure") is None


def test_a_refusal_is_an_answer_the_probe_has_found_the_vendor() -> None:
    breaker = opened()
    breaker.enter(60, "first", lease_s=10)
    breaker.leave(RULES, 61, "neutral", "first", "")
    assert breaker.state == "closed"


def test_a_failed_probe_opens_it_for_another_pause() -> None:
    breaker = opened()
    breaker.enter(60, "first", lease_s=10)
    change = breaker.leave(RULES, 62, "failure", "first", "timeout")
    assert change == Change("open", "the probe failed: timeout")
    assert breaker.refuses(121) > 0
    assert breaker.refuses(122) == 0


def test_a_probe_whose_caller_died_is_given_to_the_next_after_its_lease() -> None:
    breaker = opened()
    breaker.enter(60, "dead", lease_s=10)
    assert breaker.refuses(70) == 0
    is_probe, change = breaker.enter(70, "next", lease_s=10)
    assert is_probe
    assert change is not None
    assert "never answered" in change.reason
    assert breaker.leave(RULES, 71, "ok", "dead", "") is None  # the dead one comes back: too late
    assert breaker.state == "half_open"


def test_calls_that_began_before_it_opened_change_nothing() -> None:
    breaker = opened()
    assert tell(breaker, 1, "ok", "ok", "failure") is None
    assert breaker.state == "open"
    breaker.enter(60, "first", lease_s=10)
    assert tell(breaker, 61, "ok") is None
    assert breaker.state == "half_open"


def test_a_clock_that_is_set_back_does_not_let_old_failures_count_for_ever() -> None:
    breaker = Breaker()
    tell(breaker, 10_000, "failure", "failure", "failure", "failure")
    tell(breaker, 0, "ok")
    assert breaker.slots == [[0, 1, 0]]


@given(st.lists(st.sampled_from(["ok", "failure", "neutral"]), max_size=60))
def test_it_survives_being_written_down_between_any_two_calls(outcomes: list[Outcome]) -> None:
    kept, written = Breaker(), Breaker()
    for at, outcome in enumerate(outcomes):
        written = Breaker.of(orjson.loads(orjson.dumps(written)))
        for each in (kept, written):
            if each.refuses(at) == 0:
                probe, _ = each.enter(at, f"t{at}", lease_s=5)
                each.leave(RULES, at, outcome, f"t{at}" if probe else None, "x")
    assert kept == written
