"""`swarm status`: everything at a glance, and what cannot be read is said."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from guardrails.clock import iso
from guardrails.heartbeats import Beating, put
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.tables import run_items, runs, stop_state
from guardrails.store.write_tables import writes
from orchestrator.cli_status import needs_somebody
from orchestrator.status import Status
from orchestrator.status_show import render
from tests.conftest import SteppableClock

HOUR = timedelta(hours=1)


@pytest.fixture
def status(
    hive: Hive, store: Store, store_url: str | None, clock: SteppableClock
) -> Iterator[Status]:
    reader = Status(hive, None, store_url, clock=clock, now=clock)
    yield reader
    reader.close()


def page(told: dict[str, Any]) -> str:
    out = StringIO()
    Console(file=out, width=120, color_system=None).print(render(told))
    return out.getvalue()


def beats(store: Store, clock: SteppableClock, **says: Any) -> None:
    """A queen, last heard of now."""
    row = Beating(None, "queen", clock, 5, lambda: says, host="here").row()
    with store.transaction() as conn:
        put(conn, row)


def a_run(store: Store, clock: SteppableClock, run_id: str, *states: str | None) -> None:
    with store.transaction() as conn:
        conn.execute(runs.insert().values(
            run_id=run_id, run_key=run_id, mode="shadow", sandbox=True, source="f",
            status="running", total=len(states), created_at=iso(clock()),
        ))  # fmt: skip
        for row, state in enumerate(states):
            conn.execute(run_items.insert().values(
                run_id=run_id, row=row, lead_id=f"L-{row}", state=state, updated_at=iso(clock()),
            ))  # fmt: skip


def test_a_working_swarm_is_told_whole(status: Status, store: Store, clock: SteppableClock) -> None:
    a_run(store, clock, "R-old", "blocked")
    clock.step(days=2)
    a_run(store, clock, "R-1", "ready", "review")
    clock.step(60)
    a_run(store, clock, "R-2", "ready", "ready", None)
    beats(store, clock, mode="shadow", servers={"ghl": {"pid": 7, "restarts": 2}}, in_hand=3)
    at = iso(clock())
    with store.transaction() as conn:
        conn.execute(writes.insert().values(
            key="a", vendor="instantly", action="send_email", recipient_hash="r",
            content_hash="c", status="sent", counts=True, claimed_at=at, dispatched_at=at,
            created_at=at, updated_at=at,
        ))  # fmt: skip
    told = status.read()
    assert told["unread"] == {}
    assert told["mode"] == {
        "configured": "shadow", "in_force": "shadow", "earned": "shadow", "lowered": False,
        "notes": [],
    }  # fmt: skip
    assert told["stop"] == {"stopped": False, "reason": None}
    assert told["leads"]["last_run"] == {"ready": 2, "under_way": 1}
    assert told["leads"]["last_24_hours"] == {"ready": 3, "review": 1, "under_way": 1}
    assert (told["sends"]["day"]["held"], told["sends"]["hour"]["held"]) == (1, 1)
    assert [one["state"] for one in told["processes"]] == ["running"]
    assert not needs_somebody(told)
    shown = page(told)
    for text in ("1 of 1 servers, 2 restarts", "in hand 3", "2 ready, 1 under way", "1 of 5"):
        assert text in shown
    assert json.dumps(told)


def test_what_is_dead_unknown_or_stopped_needs_somebody(
    status: Status, store: Store, clock: SteppableClock
) -> None:
    beats(store, clock)
    assert not needs_somebody(status.read())
    clock.step(30)
    told = status.read()
    assert told["processes"][0]["state"] == "dead or cut off"
    assert needs_somebody(told)
    beats(store, clock)
    with store.transaction() as conn:
        conn.execute(stop_state.update().values(stopped=True, reason="a test"))
    told = status.read()
    assert told["stop"] == {"stopped": True, "reason": "a test"}
    assert needs_somebody(told)
    assert "STOPPED: a test" in page(told)


def test_a_stop_file_counts_whatever_the_database_says(status: Status, hive: Hive) -> None:
    hive.stop_file.write_text("red button\n")
    assert status.read()["stop"] == {"stopped": True, "reason": "red button"}


def test_a_damaged_table_hides_no_other(
    status: Status, store: Store, clock: SteppableClock
) -> None:
    beats(store, clock)
    with store.transaction() as conn:
        conn.exec_driver_sql("DROP TABLE failures")
    told = status.read()
    assert set(told["unread"]) == {"work", "failures"}  # refused keys are read from failures, too
    assert told["leads"]["last_run"] == {}
    assert told["stop"]["stopped"] is None
    assert "nobody can tell whether it is stopped" in page(told)
    assert needs_somebody(told)


def test_a_lowered_mode_is_shown_beside_the_configured_one(
    status: Status, store: Store, clock: SteppableClock
) -> None:
    beats(store, clock, mode="assisted")
    assert "assisted (configured: shadow)" in page(status.read())


@pytest.fixture
def unopened(hive: Hive, clock: SteppableClock) -> Iterator[Status]:
    reader = Status(hive, None, None, clock=clock, now=clock)
    yield reader
    reader.close()


def test_a_hive_in_which_nothing_ran_says_so(unopened: Status, hive: Hive) -> None:
    told = unopened.read()
    assert told["started"] is False
    assert not needs_somebody(told)
    assert "Nothing was ever started here" in page(told)
    assert not hive.database_file.exists()


def test_a_database_that_cannot_be_read_is_a_reason_and_the_rest_is_told(
    unopened: Status, hive: Hive
) -> None:
    hive.database_file.write_bytes(b"no database " * 300)
    told = unopened.read()
    assert "not a database" in told["unread"]["database"]
    assert told["mode"]["configured"] == "shadow"
    assert needs_somebody(told)
    assert "could not be read: database" in page(told)


def test_a_database_that_was_migrated_is_said_to_be_elsewhere(unopened: Status, hive: Hive) -> None:
    hive.audit_dir.mkdir(exist_ok=True)
    (hive.audit_dir / "2026-03-02.jsonl").write_text("{}\n")
    (hive.path / "swarm.db.migrated-20260302T090000Z").write_bytes(b"")
    assert "set SWARM_DATABASE_URL in .env" in unopened.read()["unread"]["database"]


def test_what_a_process_says_is_told_in_words(
    status: Status, store: Store, clock: SteppableClock
) -> None:
    beats(store, clock, slack={"trouble": None, "socket": False})
    assert "slack socket is not there" in page(status.read())
    beats(store, clock, slack={"trouble": None, "socket": None}, mail={"queue": {"kept": 2}})
    shown = page(status.read())
    assert "mail queue kept 2" in shown
    assert "None" not in shown
    assert "slack" not in shown


def test_leads_whose_approval_was_answered_do_not_seem_to_wait(
    status: Status, store: Store, clock: SteppableClock
) -> None:
    a_run(store, clock, "R-1", "awaiting_approval", "blocked")
    shown = page(status.read())
    assert "1 blocked, 1 put to a person" in shown
    assert "awaiting" not in shown


def test_an_older_schema_is_left_as_it_is(unopened: Status, sqlite_store: Store) -> None:
    with sqlite_store.transaction() as conn:
        conn.exec_driver_sql("DELETE FROM schema_version WHERE version > 2")
    assert "older schema" in unopened.read()["unread"]["database"]


def test_a_broken_configuration_is_told(hive: Hive, clock: SteppableClock, tmp_path: Path) -> None:
    broken = tmp_path / "production.json"
    broken.write_text("{")
    hive.database_file.write_bytes(b"")
    reader = Status(hive, broken, None, clock=clock, now=clock)
    try:
        told = reader.read()
    finally:
        reader.close()
    assert told["mode"]["configured"] is None
    assert set(told["unread"]) == {"config", "database"}
