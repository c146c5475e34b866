"""What chaos did is on record once, on both databases."""

from __future__ import annotations

from dataclasses import asdict, replace

from sqlalchemy import select

from guardrails.brakes.chaos import ChaosEvent, insert
from guardrails.store import Store
from guardrails.store.brake_tables import chaos_events

EVENT = ChaosEvent(
    event_id="X-1",
    at="2026-03-10T14:00:00.000000Z",
    site="ghl.search_contacts",
    fault="reset",
    attempt=2,
    lead_id="L-1",
    run_id="R-1",
)


def test_an_event_has_the_columns_of_its_table() -> None:
    assert list(asdict(EVENT)) == [column.name for column in chaos_events.columns]


def test_events_with_and_without_a_fault_are_kept_and_a_repeat_changes_nothing(
    store: Store,
) -> None:
    spared = replace(EVENT, event_id="X-2", fault=None, lead_id=None, run_id=None)
    with store.transaction() as conn:
        insert(conn, [EVENT, spared])
    with store.transaction() as conn:
        insert(conn, [replace(EVENT, fault="slow")])
        rows = conn.execute(select(chaos_events).order_by(chaos_events.c.event_id)).all()
    assert [ChaosEvent(*row) for row in rows] == [EVENT, spared]
