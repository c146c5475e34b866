"""Runs and rows: each row ends once, and the same command finds its unfinished run."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, select, text, update

from guardrails import approval_rows
from guardrails.approval_model import Approval
from guardrails.clock import iso
from guardrails.config import load_config
from guardrails.errors import NotFound
from guardrails.hive import Hive
from guardrails.model import Decision, Lead, LeadState, Mode, Reason, Verdict
from guardrails.store import Store, open_store
from guardrails.store.tables import run_items
from guardrails.store.write_tables import deliveries
from orchestrator.deliveries import DeliveryState, rows_of
from orchestrator.delivery_rows import queue_approved
from orchestrator.run_records import Mark, Rejected, Run, Settled
from orchestrator.runs import Runs
from orchestrator.settlement import settle
from orchestrator.shadow_log import ShadowLog
from tests.conftest import SteppableClock

pytestmark = pytest.mark.anyio
AT = datetime(2026, 3, 10, tzinfo=UTC)
RULES = load_config().production.approvals


def lead(row: int) -> Lead:
    return Lead(lead_id=f"L-{row:020x}", dedupe_key=f"k{row}", row=row, email=f"p{row}@a.example")


def decision(row: int, state: LeadState = LeadState.SHADOW_LOGGED) -> Decision:
    return Decision(
        decision_id=f"D-{row}", lead_id=f"L-{row:020x}", run_id="R-1", verdict=Verdict.PASS,
        state=state, checks=(), reasons=(Reason(code="ok", text="fine"),), mode=Mode.SHADOW,
        sandbox=True, policy_version="p", bank_version="b", inputs_digest="d", decided_at=AT,
        audit_id=f"A-{row}", audit_hash="h",
    )  # fmt: skip


async def opened(runs: Runs, key: str = "k", run_id: str = "R-1", *, fresh: bool = False) -> Run:
    return await runs.open(key, run_id, Mode.SHADOW, True, "leads.csv", fresh=fresh)


def asked_for(conn: Connection, clock: SteppableClock) -> Approval:
    """Row 1 of run R-1 waits for a person."""
    asked = approval_rows.Asked(
        decision_audit_id="A-1", lead_id="L-1", run_id="R-1", row=1, verdict=Verdict.PASS,
        segment="agencies", tier=1, content_hash="c",
    )  # fmt: skip
    approval_rows.request(conn, asked, RULES, clock())
    (found,) = approval_rows.listed(conn, None, 1)
    return found


async def open_rows(store: Store) -> list[int]:
    asked = select(run_items.c.row).where(run_items.c.state.is_(None)).order_by(run_items.c.row)
    return await store.query(lambda conn: list(conn.execute(asked).scalars()))


async def test_the_same_key_finds_the_unfinished_run_and_not_a_finished_one(
    store: Store, clock: SteppableClock
) -> None:
    runs = Runs(store, clock, RULES)
    assert not (await opened(runs)).resumed
    again = await opened(runs, run_id="R-2")
    assert (again.run_id, again.resumed) == ("R-1", True)
    await runs.finish("R-1")
    clock.step(1)
    third = await opened(runs, run_id="R-3")
    assert (third.run_id, third.resumed) == ("R-3", False)
    assert await runs.previous("R-3") == "R-1"


async def test_fresh_gives_the_unfinished_run_up(store: Store, clock: SteppableClock) -> None:
    runs = Runs(store, clock, RULES)
    await opened(runs)
    assert (await opened(runs, run_id="R-2", fresh=True)).run_id == "R-2"
    assert (await opened(runs, run_id="R-9")).run_id == "R-2"


async def test_of_a_run_that_was_given_up_nothing_goes_out_any_more(
    store: Store, clock: SteppableClock
) -> None:
    runs = Runs(store, clock, RULES)
    await opened(runs)
    await runs.add_page("R-1", [lead(1), lead(2)], [])
    await opened(runs, run_id="R-2", fresh=True)  # while another machine decides about them
    assert not await runs.settle("R-1", Settled(1, decision(1, LeadState.READY), None, 0))
    assert await open_rows(store) == [1, 2]
    assert await store.query(lambda conn: rows_of(conn, "R-1")) == []
    assert await runs.settle("R-1", Settled(2, decision(2, LeadState.BLOCKED), None, 0))


async def test_a_row_is_written_once_and_settled_once(store: Store, clock: SteppableClock) -> None:
    runs = Runs(store, clock, RULES)
    await opened(runs)
    await runs.add_page("R-1", [lead(1)], [])
    changed = lead(1).model_copy(update={"company": "Other"})
    await runs.add_page("R-1", [changed], [])
    assert (await runs.lead("R-1", 1)).company is None
    email = {"email_id": "E-1", "to": "p1@a.example"}
    assert await runs.settle("R-1", Settled(1, decision(1), email, 5))
    assert not await runs.settle("R-1", Settled(1, decision(1, LeadState.BLOCKED), None, 5))
    assert await open_rows(store) == []
    assert await runs.count_ended("R-1") == 1


async def test_only_leads_are_to_be_prepared_and_rejected_rows_never(
    store: Store, clock: SteppableClock
) -> None:
    runs = Runs(store, clock, RULES)
    await opened(runs)
    reason = Reason(code="bad_email", text="no @", field="email", remedy="correct it")
    rejected = Rejected(2, "L-x", LeadState.INVALID, (reason,), "A-2")
    await runs.add_page("R-1", [lead(1), lead(3), lead(4)], [rejected])
    assert await open_rows(store) == [1, 3, 4]
    with pytest.raises(NotFound):
        await runs.lead("R-1", 2)


async def test_what_another_row_says_of_a_person_is_added_to_the_first(
    store: Store, clock: SteppableClock
) -> None:
    runs = Runs(store, clock, RULES)
    await opened(runs)
    await runs.add_page("R-1", [lead(1)], [])
    await runs.mark("R-1", [Mark(1, customer=True), Mark(1, bounced=True), Mark(7, True)])
    marked = await runs.lead("R-1", 1)
    assert (marked.customer, marked.bounced, marked.opted_out) == (True, True, False)
    newest = clock()
    for at in (newest - timedelta(days=9), newest, newest - timedelta(days=1)):
        await runs.mark("R-1", [Mark(1, last_contacted_at=at)])
    assert (await runs.lead("R-1", 1)).last_contacted_at == newest


async def test_the_shadow_log_is_whole_after_every_write_and_keeps_former_runs(
    store: Store, hive: Hive, clock: SteppableClock
) -> None:
    runs = Runs(store, clock, RULES)
    await opened(runs)
    log = ShadowLog(hive, store, "R-1")
    await log.begin(None)
    assert json.loads(log.file.read_text()) == []
    await runs.add_page("R-1", [lead(1), lead(2)], [])
    for row in (2, 1):
        email = {"email_id": f"E-{row}", "to": "Ωmega"}
        await runs.settle("R-1", Settled(row, decision(row), email, 0))
    await log.write()
    assert [mail["email_id"] for mail in json.loads(log.file.read_text())] == ["E-1", "E-2"]
    assert log.file.stat().st_mode & 0o777 == 0o600

    await ShadowLog(hive, store, "R-2").begin("R-1")
    assert json.loads(log.file.read_text()) == []
    kept = hive.shadow_dir / "R-1" / "emails.json"
    assert len(json.loads(kept.read_text())) == 2
    assert [path.name for path in hive.shadow_dir.glob(".*")] == []


async def test_a_run_of_which_nothing_is_left_is_finished_whoever_ended_its_rows(
    store: Store, clock: SteppableClock
) -> None:
    runs = Runs(store, clock, RULES)
    run = await opened(runs)

    await runs.add_page("R-1", [lead(1)], [])
    await runs.close(Mode.SHADOW)
    assert (await opened(runs)).resumed  # its file is not read to its end
    await runs.imported(run, 1)
    await runs.close(Mode.SHADOW)
    assert (await opened(runs)).resumed  # a row is open
    await runs.settle("R-1", Settled(1, decision(1, LeadState.READY), None, 0))
    await runs.close(Mode.SHADOW)
    assert (await opened(runs)).resumed  # an e-mail is on its way
    gone = update(deliveries).values(state="sent")
    await store.run(lambda conn: conn.execute(gone))
    await runs.leave("R-1")
    await runs.close(Mode.LIVE)
    await runs.close(Mode.SHADOW)
    assert (await opened(runs)).resumed  # a person left it: the same command tells of it
    await runs.close(Mode.SHADOW)
    clock.step(1)
    assert not (await opened(runs, run_id="R-2")).resumed


async def test_a_run_with_an_open_row_is_not_finished(store: Store, clock: SteppableClock) -> None:
    runs = Runs(store, clock, RULES)
    await opened(runs)
    await runs.add_page("R-1", [lead(1)], [])
    await runs.finish("R-1")
    assert (await opened(runs)).resumed
    await runs.settle("R-1", Settled(1, decision(1), None, 0))
    await runs.finish("R-1")
    clock.step(1)
    assert not (await opened(runs, run_id="R-2")).resumed


@pytest.fixture
def two_machines(hive: Hive, migrated_postgres_url: str) -> Iterator[tuple[Store, Store]]:
    stores = open_store(hive, migrated_postgres_url), open_store(hive, migrated_postgres_url)
    yield stores
    for one in stores:
        one.close()


async def until_it_waits(store: Store, task: asyncio.Task[object]) -> None:
    """Until somebody waits for a lock, or the task has ended without."""
    waits = text(
        "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database()"
    )
    async with asyncio.timeout(20):
        while not (  # noqa: ASYNC110 - a database's lock is waited for
            task.done() or await store.query(lambda conn: conn.execute(waits).first())
        ):
            await asyncio.sleep(0.01)


@pytest.mark.postgres
async def test_a_run_given_up_at_the_moment_of_a_decision_gives_up_what_that_queued(
    two_machines: tuple[Store, Store], clock: SteppableClock
) -> None:
    here, there = two_machines
    runs = Runs(here, clock, RULES)
    await opened(runs)
    await runs.add_page("R-1", [lead(1)], [])
    with there.transaction() as conn:
        assert settle(conn, "R-1", Settled(1, decision(1, LeadState.READY), None, 0), RULES, AT)
        fresh = asyncio.create_task(opened(runs, run_id="R-2", fresh=True))
        await until_it_waits(here, fresh)
    await fresh
    [delivery] = await here.query(lambda conn: rows_of(conn, "R-1"))
    assert delivery.state is DeliveryState.REFUSED


@pytest.mark.postgres
async def test_a_run_given_up_at_the_moment_of_a_yes_gives_up_what_that_queued(
    two_machines: tuple[Store, Store], clock: SteppableClock
) -> None:
    here, there = two_machines
    runs = Runs(here, clock, RULES)
    await opened(runs)
    with there.transaction() as conn:
        queue_approved(conn, asked_for(conn, clock), iso(clock()))
        fresh = asyncio.create_task(opened(runs, run_id="R-2", fresh=True))
        await until_it_waits(here, fresh)
    await fresh
    [delivery] = await here.query(lambda conn: rows_of(conn, "R-1"))
    assert delivery.state is DeliveryState.REFUSED


@pytest.mark.postgres
async def test_two_machines_that_read_one_file_lose_nothing_that_it_says_of_a_person(
    two_machines: tuple[Store, Store], clock: SteppableClock
) -> None:
    here, there = two_machines
    runs = Runs(here, clock, RULES)
    await opened(runs)
    await runs.add_page("R-1", [lead(1)], [])
    said = lead(1).model_copy(update={"customer": True}).model_dump_json(exclude_defaults=True)
    with there.transaction() as conn:
        conn.execute(update(run_items).values(lead=said))
        marking = asyncio.create_task(runs.mark("R-1", [Mark(1, opted_out=True)]))
        await until_it_waits(here, marking)
    await marking
    marked = await runs.lead("R-1", 1)
    assert (marked.customer, marked.opted_out) == (True, True)
