"""Being told in time, seeing what was spent, and a person's word about what nobody knows."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from structlog.testing import capture_logs

from guardrails.brakes.spend import STALE
from guardrails.errors import BadInput, NotFound, SpendCapped
from guardrails.store import Store
from guardrails.store.brake_tables import spend_alerts
from tests.conftest import SteppableClock
from tests.guardrails.brakes.spending import PRICE, Till, spend


@pytest.fixture
def till(store: Store, clock: SteppableClock) -> Till:
    """Room for three Clay calls, ten in total; on SQLite and on PostgreSQL."""
    return Till(store, clock, spend(clay=3 * PRICE))


def test_alerts_are_raised_once_for_each_share_day_and_scope(
    store: Store, clock: SteppableClock
) -> None:
    till = Till(store, clock, spend(total=20 * PRICE, clay=10 * PRICE))
    told = []
    for number in range(10):
        with capture_logs() as logs:
            till.reserve(f"e{number}")
        told += [(number + 1, line["scope"], line["percent"]) for line in logs]
    assert told == [(5, "clay", 50), (8, "clay", 80), (10, "clay", 100), (10, "*", 50)]
    till.settle("e0", "not_charged")
    with capture_logs() as logs:
        till.reserve("again")
    assert logs == []
    alerts = [(alert.scope, alert.percent, alert.held_micros) for alert in till.report().alerts]
    assert sorted(alerts) == [
        ("*", 50, 10 * PRICE), ("clay", 50, 5 * PRICE), ("clay", 80, 8 * PRICE),
        ("clay", 100, 10 * PRICE),
    ]  # fmt: skip


def test_one_call_that_passes_all_shares_raises_all_of_them(
    store: Store, clock: SteppableClock
) -> None:
    till = Till(store, clock, spend(total=10 * PRICE, clay=PRICE))
    till.reserve("a")
    assert [(one.scope, one.percent) for one in till.report().alerts] == [
        ("clay", 50), ("clay", 80), ("clay", 100),
    ]  # fmt: skip


def test_an_alert_of_a_reservation_that_did_not_happen_is_not_kept(till: Till) -> None:
    with pytest.raises(SpendCapped):
        till.reserve("a", 3 * PRICE + 1)
    with pytest.raises(ZeroDivisionError):
        till.reserve_and_fail("b", 3 * PRICE)
    with till.store.read() as conn:
        assert conn.execute(select(spend_alerts)).all() == []


def test_alerts_of_another_day_are_its_own(till: Till, clock: SteppableClock) -> None:
    till.reserve("a", 3 * PRICE)
    clock.step(days=1)
    assert till.report().alerts == ()
    till.reserve("b", 3 * PRICE)
    assert [alert.percent for alert in till.report().alerts] == [50, 80, 100]


def test_the_report_counts_by_status_and_lists_what_awaits_a_person(
    till: Till, clock: SteppableClock
) -> None:
    for name, outcome in (("a", "charged"), ("b", "unknown"), ("c", "not_charged")):
        till.reserve(name, 50_000)
        till.settle(name, outcome)
    till.reserve("d", 50_000)
    report = till.report()
    assert dict(report.total.calls) == {"settled": 1, "unknown": 1, "released": 1, "reserved": 1}
    assert report.total.micros["unknown"] == 50_000
    assert (report.total.held_micros, report.total.percent) == (150_000, 15.0)
    assert [(one.entry_id, one.why) for one in report.open_entries] == [("b", "unknown")]
    clock.step(STALE.total_seconds())
    stale = till.report()
    assert [(one.entry_id, one.why) for one in stale.open_entries] == [
        ("b", "unknown"), ("d", "stale"),
    ]  # fmt: skip
    assert stale.total.held_micros == 150_000
    clock.step(days=3)
    assert (till.report().total.held_micros, till.report().open_count) == (0, 2)


def test_a_report_of_no_day_is_refused(till: Till) -> None:
    for wrong in ("yesterday", "2026-3-1", "2026-02-30", "2026-03-10T00:00"):
        with pytest.raises(BadInput):
            till.report(wrong)


@pytest.mark.parametrize("charged", [True, False])
@pytest.mark.parametrize("before", ["charged", "not_charged", "unknown", None])
def test_a_person_settles_what_is_known_of_any_entry(
    till: Till, clock: SteppableClock, before: str | None, charged: bool
) -> None:
    till.reserve("a")
    if before is not None:
        till.settle("a", before)
    clock.step(STALE.total_seconds())
    after = "settled" if charged else "released"
    already = before == ("charged" if charged else "not_charged")
    assert till.reconcile("a", charged=charged) is not already
    assert till.reconcile("a", charged=charged) is False
    assert (till.statuses()["a"], till.held()["clay"]) == (after, PRICE if charged else 0)
    assert till.report().open_count == 0
    till.settle("a", "unknown")
    assert till.statuses()["a"] == after


def test_a_call_that_may_be_under_way_is_not_reconciled(till: Till, clock: SteppableClock) -> None:
    till.reserve("a")
    clock.step(STALE.total_seconds() - 1)
    with pytest.raises(BadInput, match="under way"):
        till.reconcile("a", charged=False)
    assert till.held()["clay"] == PRICE


def test_reconciling_needs_an_entry_and_a_reason(till: Till) -> None:
    with pytest.raises(NotFound):
        till.reconcile("nobody", charged=True)
    till.reserve("a")
    till.settle("a", "unknown")
    with pytest.raises(BadInput, match="reason"):
        till.reconcile("a", charged=False, note="  ")


def test_what_turns_out_to_be_charged_counts_even_beyond_the_cap(till: Till) -> None:
    till.reserve("a", 3 * PRICE)
    till.settle("a", "not_charged")
    till.reserve("b", 3 * PRICE)
    till.reconcile("a", charged=True)
    assert till.held()["clay"] == 6 * PRICE
    with pytest.raises(SpendCapped):
        till.reserve("c", 1)
