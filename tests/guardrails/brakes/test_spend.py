"""Money is held before a paid call and settled after it; at the cap, calls stop."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from structlog.testing import capture_logs

from guardrails.brakes.spend import (
    Reservation,
    SpendBook,
    dollars,
    price_of,
)
from guardrails.errors import BadInput, ConfigError, SpendCapped
from guardrails.store import Store
from tests.conftest import SteppableClock
from tests.guardrails.brakes.spending import PRICE, Till, at, call, spend


@pytest.fixture
def till(store: Store, clock: SteppableClock) -> Till:
    """Room for three Clay calls, ten in total; on SQLite and on PostgreSQL."""
    return Till(store, clock, spend(clay=3 * PRICE))


def test_a_reservation_is_held_of_the_vendors_cap_and_of_the_total(till: Till) -> None:
    till.reserve("a")
    assert till.held() == {"*": PRICE, "clay": PRICE, "rb2b": 0}
    assert till.statuses() == {"a": "reserved"}


def test_at_the_vendors_cap_the_refusal_names_day_scope_held_cap_and_price(till: Till) -> None:
    for name in "abc":
        till.reserve(name)
    with pytest.raises(SpendCapped) as refused:
        till.reserve("d")
    error = refused.value
    for part in ("2026-03-10", "America/New_York", "clay", "$0.30 of $0.30", "$0.10"):
        assert part in error.message
    assert "nothing was sent" in error.message
    assert "spend.vendor_daily_cap_micros.clay" in error.remedy
    assert (error.vendor, error.operation, error.retryable) == ("clay", "run_routine", False)


def test_at_the_total_cap_no_vendor_spends_and_nothing_is_left_behind(
    store: Store, clock: SteppableClock
) -> None:
    till = Till(store, clock, spend(total=PRICE + 5, clay=10 * PRICE))
    till.reserve("a")
    rows = till.rows()
    with pytest.raises(SpendCapped, match="all vendors together"):
        till.reserve("b", 6, "rb2b")
    assert (till.rows(), till.held()["rb2b"], till.statuses()) == (rows, 0, {"a": "reserved"})
    till.reserve("c", 5, "rb2b")
    assert till.held() == {"*": PRICE + 5, "clay": PRICE, "rb2b": 5}


def test_a_caller_who_goes_on_after_the_refusal_commits_nothing_of_it(till: Till) -> None:
    with till.store.transaction() as conn:
        till.book.reserve(conn, call("a"))
        with pytest.raises(SpendCapped):
            till.book.reserve(conn, call("b", 9 * PRICE + 1))
        till.book.reserve(conn, call("c"))
    assert till.statuses() == {"a": "reserved", "c": "reserved"}
    assert till.held()["*"] == 2 * PRICE


def test_a_caller_who_fails_afterwards_has_reserved_nothing(till: Till) -> None:
    with pytest.raises(ZeroDivisionError):
        till.reserve_and_fail("a")
    assert till.rows() == 0


def test_the_same_reservation_again_changes_nothing(till: Till) -> None:
    till.reserve("a")
    till.reserve("a")
    assert till.held()["clay"] == PRICE


def test_an_entry_is_used_for_one_call_only(till: Till) -> None:
    till.reserve("a")
    with pytest.raises(BadInput, match="another call"):
        till.reserve("a", PRICE + 1)
    till.settle("a", "not_charged")
    with pytest.raises(BadInput, match="has ended"):
        till.reserve("a")
    assert till.held()["clay"] == 0


def test_a_vendor_without_a_cap_of_its_own_is_held_by_the_total(till: Till) -> None:
    till.reserve("a", 1_000_000, "rb2b")
    with pytest.raises(SpendCapped, match=r"\$1.00 of \$1.00 are held"):
        till.reserve("b", 1, "rb2b")
    (rb2b,) = [scope for scope in till.report().scopes if scope.scope == "rb2b"]
    assert (rb2b.cap_micros, rb2b.percent, rb2b.setting) == (None, None, "spend.daily_cap_micros")


@pytest.mark.parametrize(
    "wrong", [call("a", -1), call("", 1), Reservation("a", "clay", "run_routine", True)]
)
def test_what_cannot_be_counted_is_refused(till: Till, wrong: Reservation) -> None:
    with pytest.raises(BadInput), till.store.transaction() as conn:
        till.book.reserve(conn, wrong)
    assert till.rows() == 0


def test_a_vendor_without_prices_is_never_free(till: Till) -> None:
    with pytest.raises(ConfigError, match=r"prices_micros\.ghl"):
        till.reserve("a", 0, "ghl")


def test_a_price_that_is_missing_is_a_configuration_error() -> None:
    assert price_of(spend(), "clay", "run_routine") == PRICE
    for vendor, price in (("clay", "lookup"), ("ghl", "lookup")):
        with pytest.raises(ConfigError, match=rf"prices_micros\.{vendor}\.{price}"):
            price_of(spend(), vendor, price)


def test_a_cap_of_nothing_lets_nothing_through(store: Store, clock: SteppableClock) -> None:
    till = Till(store, clock, spend(clay=0))
    with pytest.raises(SpendCapped):
        till.reserve("a", 1)
    (clay,) = [scope for scope in till.report().scopes if scope.scope == "clay"]
    assert (till.rows(), clay.percent, till.report().alerts) == (0, 100.0, ())


def test_a_cap_lowered_below_what_is_held_stops_calls_until_enough_is_given_back(
    till: Till, clock: SteppableClock
) -> None:
    for name in "abc":
        till.reserve(name)
    lowered = Till(till.store, clock, spend(clay=2 * PRICE))
    with pytest.raises(SpendCapped, match=r"\$0.30 of \$0.20"):
        lowered.reserve("d", 0)
    for name in "ab":
        lowered.settle(name, "not_charged")
    lowered.reserve("d")
    assert lowered.held()["clay"] == 2 * PRICE


@pytest.mark.parametrize(
    ("outcome", "status", "held"),
    [("charged", "settled", PRICE), ("not_charged", "released", 0), ("unknown", "unknown", PRICE)],
)
def test_how_a_call_ends(till: Till, outcome: str, status: str, held: int) -> None:
    till.reserve("a")
    till.settle("a", outcome)
    assert (till.statuses()["a"], till.held()["clay"], till.held()["*"]) == (status, held, held)


@pytest.mark.parametrize("first", ["charged", "not_charged", "unknown"])
@pytest.mark.parametrize("later", ["charged", "not_charged", "unknown"])
def test_an_entry_that_has_ended_ends_no_second_time(till: Till, first: str, later: str) -> None:
    till.reserve("a")
    till.settle("a", first)
    before = till.statuses(), till.held()
    till.settle("a", later)
    assert (till.statuses(), till.held()) == before


def test_the_end_of_a_call_that_was_never_reserved_is_no_error(till: Till) -> None:
    with capture_logs() as logs:
        for outcome in ("not_charged", "unknown", "charged"):
            till.settle("nobody", outcome)
    assert [line["event"] for line in logs] == ["charge_without_reservation"]
    assert till.rows() == 0


def test_a_day_ends_at_midnight_of_the_account(till: Till, clock: SteppableClock) -> None:
    clock.now = at("2026-03-11T03:59:59+00:00")  # 23:59:59 in New York
    for name in "abc":
        till.reserve(name)
    clock.step(1)
    till.reserve("d")
    assert till.held("2026-03-10")["clay"] == 3 * PRICE
    assert till.held("2026-03-11")["clay"] == till.held()["clay"] == PRICE


@pytest.mark.parametrize(
    ("moment", "day"),
    [
        ("2026-03-08T04:59:59+00:00", "2026-03-07"),  # New York is 5 hours behind
        ("2026-03-08T05:00:00+00:00", "2026-03-08"),  # its 23-hour day begins
        ("2026-03-09T03:59:59+00:00", "2026-03-08"),
        ("2026-03-09T04:00:00+00:00", "2026-03-09"),  # 4 hours behind
        ("2026-11-01T04:00:00+00:00", "2026-11-01"),  # its 25-hour day begins
        ("2026-11-02T04:59:59+00:00", "2026-11-01"),
        ("2026-11-02T05:00:00+00:00", "2026-11-02"),
    ],
)
def test_days_are_right_when_the_clocks_change(
    moment: str, day: str, clock: SteppableClock
) -> None:
    assert SpendBook(spend(), clock).day_of(at(moment)) == day


def test_what_is_given_back_after_midnight_is_given_back_to_the_day_it_was_held(
    till: Till, clock: SteppableClock
) -> None:
    till.reserve("a")
    clock.step(days=1)
    till.reserve("b")
    till.settle("a", "not_charged")
    assert (till.held("2026-03-10")["*"], till.held("2026-03-11")["*"]) == (0, PRICE)


@pytest.mark.parametrize("zone", ["Mars/Base", "", "../etc/passwd", "America"])
def test_a_time_zone_that_is_none_stops_the_start(zone: str) -> None:
    with pytest.raises(ValidationError, match="time_zone"):
        spend(zone=zone)


def test_a_cap_below_zero_is_no_configuration() -> None:
    with pytest.raises(ValidationError, match="clay"):
        spend(clay=-1)


@pytest.mark.parametrize(
    ("micros", "shown"),
    [(0, "$0.00"), (20_000, "$0.02"), (1, "$0.000001"), (1_234_500_000, "$1,234.50"),
     (-5_000, "-$0.005")],
)  # fmt: skip
def test_dollars_for_people(micros: int, shown: str) -> None:
    assert dollars(micros) == shown
