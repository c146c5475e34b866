"""Looking at a real hive on both databases: what there is, and what cannot be seen."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from guardrails.audit import AuditEntry, AuditLog
from guardrails.brakes.spend_alerts import raise_alerts
from guardrails.clock import iso
from guardrails.config import load_config
from guardrails.heartbeats import Beating, host_name
from guardrails.hive import Hive
from guardrails.ledger_pauses import EVERYBODY, pause
from guardrails.store import Store
from guardrails.store.brake_tables import breaker_events, failures
from guardrails.store.people_tables import approvals, inbox, outcomes, slack_messages
from guardrails.store.tables import run_items, runs
from guardrails.store.write_tables import writes
from orchestrator.deliveries import queue
from orchestrator.health.bounded import Bounded
from orchestrator.health.database import Database
from orchestrator.health.facts import Queue, Rates
from orchestrator.health.look import Look
from orchestrator.health.memory import Memory
from orchestrator.health.model import Snapshot
from orchestrator.health.reading import read_facts
from orchestrator.inbox_state import ANOTHER_LOCATION
from tests.conftest import SteppableClock

CONFIG = load_config()
DAY = "2026-03-10"
HOUR = timedelta(hours=1)


@pytest.fixture
def database(hive: Hive, store: Store, store_url: str | None) -> Iterator[Database]:
    database = Database(hive, store_url)
    yield database
    database.close()


def look(hive: Hive, database: Database, clock: SteppableClock) -> Look:
    beating = Beating(None, "monitor", clock, 30)
    return Look(hive, database, CONFIG, now=clock, clock=clock, beat=beating.row)


def _inbox(number: int, clock: SteppableClock, **more: object) -> dict[str, object]:
    at = iso(clock())
    return {
        "id": f"i{number}", "source": "rb2b", "kind": "visitor", "state": "new", "attempts": 0,
        "received_at": at, "updated_at": at, "not_before": None, "note": None, **more,
    }  # fmt: skip


def _write(key: str, clock: SteppableClock, status: str, **more: object) -> dict[str, object]:
    at = iso(clock())
    return {
        "key": key, "vendor": "instantly", "action": "send", "recipient_hash": "r",
        "content_hash": "c", "status": status, "counts": True, "claimed_at": at,
        "dispatched_at": None, "created_at": at, "updated_at": at, **more,
    }  # fmt: skip


def _approval(
    number: int, clock: SteppableClock, due_in: timedelta, state: str
) -> dict[str, object]:
    at = iso(clock())
    return {
        "approval_id": f"P-{number}", "decision_audit_id": f"A-{number}", "lead_id": "L-1",
        "run_id": "R-1", "row": number, "state": state, "verdict": "pass", "segment": "s",
        "first_of_segment": False, "content_hash": "c", "requested_at": at,
        "due_at": iso(clock() + due_in), "expires_at": at, "updated_at": at,
    }  # fmt: skip


def test_facts_are_what_stands_in_the_tables(store: Store, clock: SteppableClock) -> None:
    past, future = iso(clock() - HOUR), iso(clock() + HOUR)
    with store.transaction() as conn:
        conn.execute(inbox.insert(), [
            _inbox(1, clock), _inbox(2, clock, not_before=past), _inbox(3, clock, state="failed"),
            _inbox(4, clock, not_before=future), _inbox(5, clock, state="done"),
            _inbox(6, clock, state="junk"), _inbox(7, clock, state="junk", source="ghl"),
            _inbox(8, clock, state="junk", source="ghl", note=ANOTHER_LOCATION),
            _inbox(9, clock, state="junk", source="ghl", received_at=iso(clock() - 25 * HOUR)),
        ])  # fmt: skip
        for run_id, source in (("V-1", "rb2b"), ("R-1", "a file")):
            conn.execute(runs.insert().values(
                run_id=run_id, run_key=run_id, mode="live", sandbox=True, source=source,
                status="running", created_at=past,
            ))  # fmt: skip
            conn.execute(run_items.insert(), [
                {"run_id": run_id, "row": row, "lead_id": "L", "state": state, "updated_at": past}
                for row, state in enumerate((None, "ready"))
            ])  # fmt: skip
        queue(conn, "A-1", "L-1", "R-1", 1, past)
        conn.execute(writes.insert(), [
            _write("a", clock, "unknown"), _write("b", clock, "dispatching", dispatched_at=past),
            _write("c", clock, "claimed"), _write("d", clock, "sent"),
            _write("e", clock, "sent", claimed_at=iso(clock() - 8 * 24 * HOUR)),
        ])  # fmt: skip
        conn.execute(approvals.insert(), [
            _approval(1, clock, -HOUR, "waiting"), _approval(2, clock, HOUR, "waiting"),
            _approval(3, clock, -2 * HOUR, "approved"),
        ])  # fmt: skip
        long_past = iso(clock() - 25 * HOUR)
        conn.execute(slack_messages.insert(), [
            {"message_id": f"m{number}", "kind": "notice", "state": "failed", "wanted": wanted,
             "shown": 0, "attempts": 9, "created_at": at, "updated_at": at}
            for number, (wanted, at) in enumerate(((1, past), (0, past), (1, long_past)))
        ])  # fmt: skip
        conn.execute(outcomes.insert(), [
            {"outcome_id": f"o{kind}{key}", "kind": kind, "vendor": "instantly", "at": past,
             "created_at": past, "write_key": key}
            for kind in ("bounce", "complaint", "unsubscribe", "reply")
            for key in ("d", None)  # of ours, and of a colleague's campaign
        ])  # fmt: skip
        pause(conn, EVERYBODY, clock() + HOUR, "5 bounces", clock())
        raise_alerts(conn, DAY, "clay", 41_000_000, 50_000_000, clock())
        facts = read_facts(conn, clock, DAY, HOUR, "sandbox")
    assert facts.inbox == Queue(2, clock() - HOUR)
    assert (facts.inbox_failed, facts.inbox_odd) == (1, 1)
    assert facts.visitors == Queue(1, clock() - HOUR)
    assert facts.deliveries == Queue(1, clock() - HOUR)
    assert facts.writes_unknown == Queue(1, clock())
    assert facts.writes_open == Queue(2, clock() - HOUR)
    assert facts.approvals_waiting == Queue(2, clock() - HOUR)
    assert facts.approvals_overdue == Queue(1, clock() - HOUR)
    assert (facts.slack, facts.slack_failed) == (Queue(), 1)
    assert facts.rates == Rates(1, 1, 1, 1)
    assert [one.reason for one in facts.pauses] == ["5 bounces"]
    assert [(mark.scope, mark.percent) for mark in facts.spend] == [("clay", 80)]


def test_a_breaker_is_open_since_it_was_last_closed(store: Store, clock: SteppableClock) -> None:
    from guardrails.brakes.breaker import Breaker
    from guardrails.brakes.vendor_state import VendorState
    from guardrails.store.brake_tables import vendor_brakes

    state = VendorState(breakers={"read": Breaker("open", until=clock().timestamp() + 60)})
    with store.transaction() as conn:
        conn.execute(vendor_brakes.insert().values(
            vendor="ghl", document=state.dump(), updated_at=iso(clock())
        ))  # fmt: skip
        conn.execute(breaker_events.insert(), [
            {"event_id": f"e{ago}", "at": iso(clock() - timedelta(minutes=ago)), "vendor": "ghl",
             "operation_class": kind, "state": state, "reason": "r"}
            for ago, kind, state in (
                (50, "read", "open"), (40, "read", "closed"), (30, "read", "open"),
                (20, "read", "half_open"), (10, "read", "open"), (55, "write", "open"),
            )
        ])  # fmt: skip
        (one,) = read_facts(conn, clock, DAY, HOUR, "sandbox").breakers
    assert (one.vendor, one.operation_class, one.state) == ("ghl", "read", "open")
    assert one.since == clock() - timedelta(minutes=30)


def test_a_key_is_refused_by_real_answers_and_not_by_chaos(
    store: Store, clock: SteppableClock
) -> None:
    def failure(number: int, **more: object) -> dict[str, object]:
        return {
            "failure_id": f"f{number}", "at": iso(clock()), "server": "ghl", "operation": "o",
            "vendor": "ghl", "kind": "rejected", "status": 401, "signature": "s", "detail": "d",
            "attempt": 1, "cost_micros": 0, "injected": None, **more,
        }  # fmt: skip

    with store.transaction() as conn:
        conn.execute(failures.insert(), [
            failure(1), failure(2, status=403), failure(3, status=500),
            failure(4, vendor="clay", injected="http_401"),
            failure(6, vendor="gdelt", status=403),
            failure(5, vendor="rb2b", at=iso(clock() - 2 * HOUR)),
        ])  # fmt: skip
        (one,) = read_facts(conn, clock, DAY, HOUR, "sandbox").keys
    assert (one.vendor, one.count) == ("ghl", 2)


@pytest.mark.anyio
async def test_looking_writes_our_own_heartbeat_and_follows_the_chain(
    hive: Hive, store: Store, clock: SteppableClock, database: Database
) -> None:
    audit = AuditLog(hive, store, clock)
    try:
        await audit.record([AuditEntry("review", "gate")])
    finally:
        audit.close()
    watch = look(hive, database, clock)
    seen, memory = watch.take(Memory())
    assert (seen.audit_checked, seen.audit_problem, seen.write_error) == (True, None, None)
    assert memory.tail is not None
    assert (memory.tail.seq, memory.walk, memory.walked_at) == (1, None, clock())
    seen, _ = watch.take(memory)
    assert seen.work is not None
    assert [beat.name for beat in seen.work.heartbeats] == [f"monitor@{host_name()}"]
    file = next(hive.audit_dir.glob("*.jsonl"))
    file.write_bytes(file.read_bytes().replace(b'"gate"', b'"gane"'))
    seen, _ = watch.take(memory)
    assert "edited" in (seen.audit_problem or "")


def _without_store(hive: Hive, clock: SteppableClock) -> Snapshot:
    database = Database(hive, None)
    try:
        return look(hive, database, clock).take(Memory())[0]
    finally:
        database.close()


def test_a_hive_in_which_nothing_was_ever_started_is_well(
    hive: Hive, clock: SteppableClock
) -> None:
    seen = _without_store(hive, clock)
    assert seen.work is not None
    assert (seen.work.heartbeats, seen.why) == ((), {})
    assert not hive.database_file.exists()


def test_a_database_that_was_there_is_missed(hive: Hive, clock: SteppableClock) -> None:
    (hive.audit_dir / f"{DAY}.jsonl").write_text("")
    seen = _without_store(hive, clock)
    assert (seen.work, seen.why["database"]) == (
        None, "swarm.db is gone (No such file or directory)",
    )  # fmt: skip
    assert not hive.database_file.exists()


def test_a_database_that_is_taken_away_is_not_read_on(
    hive: Hive, sqlite_store: Store, clock: SteppableClock, tmp_path: Path
) -> None:
    database = Database(hive, None)
    watch = look(hive, database, clock)
    (hive.audit_dir / f"{DAY}.jsonl").write_text("")
    try:
        assert watch.take(Memory())[0].work is not None
        hive.database_file.rename(tmp_path / "aside.db")
        assert "gone" in watch.take(Memory())[0].why["database"]
        (tmp_path / "aside.db").rename(hive.database_file)
        assert watch.take(Memory())[0].work is not None
    finally:
        database.close()


def test_a_file_that_is_no_database_is_a_reason_and_no_crash(
    hive: Hive, clock: SteppableClock
) -> None:
    hive.database_file.write_bytes(b"no database at all " * 100)
    seen = _without_store(hive, clock)
    assert seen.work is None
    assert "not a database" in seen.why["database"]


@pytest.mark.parametrize(
    "url", ["postgresql://nobody@127.0.0.1:9/none", "mysql://nobody@127.0.0.1/none", "no address"]
)
def test_a_server_that_is_away_or_wrong_is_a_reason(
    hive: Hive, clock: SteppableClock, url: str
) -> None:
    database = Database(hive, url)
    try:
        seen, _ = look(hive, database, clock).take(Memory())
    finally:
        database.close()
    assert seen.work is None
    assert seen.why["database"]


def test_a_hive_that_is_gone_is_seen(hive: Hive, clock: SteppableClock) -> None:
    shutil.rmtree(hive.path)
    seen = _without_store(hive, clock)
    assert (seen.hive_there, seen.work, seen.disk) == (False, None, None)


def test_a_stop_file_is_seen_whatever_it_is(hive: Hive, clock: SteppableClock) -> None:
    assert _without_store(hive, clock).stop_file is None
    hive.stop_file.write_text("red button\n")
    assert _without_store(hive, clock).stop_file == "red button"
    hive.stop_file.unlink()
    hive.stop_file.mkdir()
    assert _without_store(hive, clock).stop_file


def test_looking_that_does_not_end_is_left_behind() -> None:
    bounded, gate = Bounded(), threading.Event()
    with pytest.raises(TimeoutError):
        bounded.run(gate.wait, 0.01)
    with pytest.raises(TimeoutError):  # not a second one beside it
        bounded.run(lambda: None, 0.01)
    gate.set()
    assert bounded.run(lambda: 7, 10) == 7
    with pytest.raises(ZeroDivisionError):
        bounded.run(lambda: 1 // 0, 10)
