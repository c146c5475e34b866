from __future__ import annotations

from datetime import datetime, timedelta

from guardrails.brakes.chaos import ChaosEvent, insert
from guardrails.clock import iso
from guardrails.store import Store
from guardrails.store.brake_tables import breaker_events
from orchestrator.campaign import counts
from orchestrator.campaign.counts import Change
from tests.conftest import SteppableClock


def passed(
    number: int, at: datetime, site: str, fault: str | None, attempt: int = 1, run: str = "R-1"
) -> ChaosEvent:
    return ChaosEvent(f"X-{number}", iso(at), site, fault, attempt, "L-1", run)


def fill(store: Store, clock: SteppableClock) -> None:
    later = clock.now + timedelta(seconds=2)
    events = [
        passed(1, later, "ghl.search_contacts", "reset"),
        passed(2, clock.now, "ghl.search_contacts", None, attempt=2),
        passed(3, clock.now, "clay.run_routine", "slow"),
        passed(4, clock.now, "process.disk", "disk_full"),
        passed(5, clock.now, "clay.run_routine", "slow", run="R-2"),
    ]
    with store.transaction() as conn:
        insert(conn, events)


def test_the_calls_of_one_run_are_counted_and_nobody_elses(
    store: Store, clock: SteppableClock
) -> None:
    fill(store, clock)
    with store.read() as conn:
        found = counts.run_figures(conn, "R-1")
    assert (found.calls, found.retries, dict(found.faults)) == (3, 1, {"reset": 1, "slow": 1})


def test_first_attempts_and_retries_are_told_apart_by_vendor(
    store: Store, clock: SteppableClock
) -> None:
    fill(store, clock)
    with store.read() as conn:
        found = counts.calls_by_vendor(conn, ["R-1", "R-2"])
    assert found == {"ghl": (1, 1), "clay": (2, 0)}


def test_faults_are_listed_in_order_of_time(store: Store, clock: SteppableClock) -> None:
    fill(store, clock)
    with store.read() as conn:
        found = counts.faults_seen(conn, ["R-1"], clock.now)
    assert [(fault.t, fault.site) for fault in found] == [
        (0.0, "clay.run_routine"), (2.0, "ghl.search_contacts")
    ]  # fmt: skip


def test_changes_of_breakers_are_read_from_a_moment_on(store: Store, clock: SteppableClock) -> None:
    row = {"vendor": "ghl", "operation_class": "read", "reason": "why"}
    with store.transaction() as conn:
        for number, state in enumerate(("open", "half_open", "closed")):
            at = iso(clock.now + timedelta(seconds=number))
            conn.execute(breaker_events.insert().values(event_id=state, at=at, state=state, **row))
    with store.read() as conn:
        found = counts.breaker_changes(conn, clock.now + timedelta(seconds=1))
    assert [change.state for change in found] == ["half_open", "closed"]


def test_a_span_lasts_until_the_next_change_of_the_same_breaker(clock: SteppableClock) -> None:
    def change(at: float, vendor: str, state: str) -> Change:
        moment = clock.now + timedelta(seconds=at)
        return Change(f"{vendor}{at}", moment, vendor, "read", state, "")

    changes = [change(1, "ghl", "open"), change(2, "clay", "open"), change(7, "ghl", "half_open")]
    found = counts.spans(changes, clock.now, clock.now + timedelta(seconds=9))
    assert [(span.vendor, span.state, span.start, span.end) for span in found] == [
        ("ghl", "open", 1.0, 7.0), ("clay", "open", 2.0, 9.0), ("ghl", "half_open", 7.0, 9.0)
    ]  # fmt: skip
