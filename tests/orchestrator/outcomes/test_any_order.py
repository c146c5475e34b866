"""Whatever order and however often outcomes are delivered, everything ends the same."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete

from guardrails.bank import create_bank
from guardrails.lesson_folding import fold_pending
from guardrails.store.fleet_tables import lesson_folds
from guardrails.store.people_tables import lessons, outcomes
from guardrails.store.tables import suppressions
from guardrails.store.write_tables import sending_pauses
from tests.decision_samples import section
from tests.orchestrator.outcomes.stage import Person, Stage, instantly

NAMES = (
    "lead_unsubscribed", "email_bounced", "spam_complaint", "lead_interested", "reply_received",
    "auto_reply_received", "lead_meeting_booked", "lead_not_interested", "email_opened",
)  # fmt: skip
TEXTS = ("no thanks", "Sure, let's talk", "How much?", "This is spam", "I am away until 20 March")


@pytest.fixture
def people(stage: Stage) -> list[Person]:
    return [stage.wrote_to(f"person{number}@elm{number}.example") for number in range(4)]


Picked = tuple[str, int, int, str]
EVENTS = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.integers(0, 4), st.integers(0, 300), st.sampled_from(TEXTS)
    ),
    max_size=10,
)


def bodies(stage: Stage, people: list[Person], picked: list[Picked]) -> list[dict[str, Any]]:
    """Bodies of events of the last hours; person 4 is a stranger."""
    now = stage.clock()
    return [
        instantly(
            name,
            people[who] if who < len(people) else "stranger@far.example",
            now - timedelta(minutes=minutes),
            reply_text=text,
        )
        for name, who, minutes, text in picked
    ]


def emptied(stage: Stage) -> None:
    """Outcomes, lessons, suppressions, pauses and bank as on the first day."""
    with stage.store.transaction() as conn:
        for table in (outcomes, lessons, lesson_folds, suppressions, sending_pauses):
            conn.execute(delete(table))
    for file in stage.desk.hive.path.glob("reasoning_bank.json*"):
        file.unlink()
    create_bank(stage.desk.hive.bank_file, section("golden_set"), clock=stage.clock)


def state(stage: Stage) -> dict[str, Any]:
    kept = ("outcome_id", "kind", "reply_class", "vendor", "lead_id", "write_key", "at")
    return {
        "outcomes": sorted(tuple(row[name] for name in kept) for row in stage.rows(outcomes)),
        "suppressed": sorted(stage.suppressed()),
        "lessons": sorted((row["event_id"], row["document"]) for row in stage.lessons()),
        "bank": stage.bank.items(),
        "pauses": stage.pauses(),
    }


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(picked=EVENTS, data=st.data())
def test_any_order_and_any_doubles_come_to_the_same(
    stage: Stage, people: list[Person], picked: list[Picked], data: st.DataObject
) -> None:
    events = bodies(stage, people, picked)
    emptied(stage)
    for body in events:
        stage.came("instantly", body)
    expected = state(stage)
    doubled = events + data.draw(st.lists(st.sampled_from(events), max_size=5)) if events else []
    emptied(stage)
    for body in data.draw(st.permutations(doubled)):
        stage.came("instantly", body)
    assert state(stage) == expected


def test_twenty_at_once_come_to_the_same_as_one_after_the_other(stage: Stage) -> None:
    people = [stage.wrote_to(f"person{number}@elm{number}.example") for number in range(4)]
    picked = [(name, who, 10 * who, TEXTS[who]) for who in range(4) for name in NAMES[:5]]
    events = bodies(stage, people, picked)
    for body in events:
        stage.came("instantly", body)
    expected = state(stage)
    emptied(stage)

    async def all_at_once() -> None:
        at = stage.clock()
        twice = [*events, *events]
        await asyncio.gather(*(stage.outcomes.handle("instantly", one, at) for one in twice))
        await fold_pending(stage.store, stage.bank, stage.desk.hive, stage.clock)

    asyncio.run(all_at_once())
    assert state(stage) == expected


def test_two_machines_that_heard_the_same_things_merge_to_one_bank(stage: Stage) -> None:
    people = [stage.wrote_to(f"person{number}@elm{number}.example") for number in range(3)]
    events = bodies(stage, people, [(name, who, 5, "x") for who in range(3) for name in NAMES[:3]])
    for body in events[:6]:
        stage.came("instantly", body)
    half = stage.bank.items()
    emptied(stage)
    for body in events[3:]:
        stage.came("instantly", body)
    stage.bank.absorb_bank(half)
    merged = stage.bank.items()
    emptied(stage)
    for body in events:
        stage.came("instantly", body)
    assert stage.bank.items() == merged
