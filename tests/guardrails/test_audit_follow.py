"""Following the chain: what is new is checked each time, and tampering below it shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import delete, text

from guardrails.audit import AuditEntry, AuditLog
from guardrails.audit.follow import BEGINNING, ChainFollower
from guardrails.errors import StoreUnavailable
from guardrails.hive import Hive
from guardrails.store import Store
from guardrails.store.tables import audit_heads
from tests.guardrails.test_audit_verify import DAYS, tamper

pytestmark = pytest.mark.anyio


@pytest.fixture
async def log(hive: Hive, sqlite_store: Store, clock) -> AuditLog:
    """Three days with four records each."""
    log = AuditLog(hive, sqlite_store, clock)
    for day in range(3):
        await log.record([AuditEntry("review", "gate", {"day": day, "n": n}) for n in range(4)])
        clock.step(days=1)
    return log


@pytest.fixture(autouse=True)
def _closed(log: AuditLog) -> Iterator[None]:
    yield
    log.close()


@pytest.fixture
def follower(hive: Hive, sqlite_store: Store) -> ChainFollower:
    return ChainFollower(hive, sqlite_store)


async def test_it_goes_on_where_it_stopped(log: AuditLog, follower: ChainFollower) -> None:
    part = follower.follow(BEGINNING, 5)
    assert (part.checked.seq, part.problem, part.done) == (5, None, False)
    rest = follower.follow(part.checked, 100)
    assert (rest.checked.seq, rest.done) == (12, True)
    assert rest.checked == follower.sealed()
    await log.record([AuditEntry("review", "gate")])
    more = follower.follow(rest.checked, 100)
    assert (more.checked.seq, more.problem, more.done) == (13, None, True)


async def test_an_edited_record_is_named(hive: Hive, follower: ChainFollower) -> None:
    tamper(hive, DAYS[1], lambda rows: [rows[0], rows[1].replace(b'"n":1', b'"n":9'), *rows[2:]])
    found = follower.follow(BEGINNING, 100)
    assert found.checked.seq == 5
    assert "record 6" in (found.problem or "")


@pytest.mark.parametrize("kept", [0, 3])
async def test_a_cut_end_shows(hive: Hive, follower: ChainFollower, kept: int) -> None:
    tamper(hive, DAYS[2], lambda rows: rows[:kept])
    assert "cut off" in (follower.follow(BEGINNING, 100).problem or "")
    assert "cut off" in (follower.follow(follower.sealed(), 100).problem or "")


async def test_a_file_that_is_gone_shows(hive: Hive, follower: ChainFollower) -> None:
    (hive.audit_dir / f"{DAYS[1]}.jsonl").unlink()
    assert "missing" in (follower.follow(BEGINNING, 100).problem or "")


async def test_a_record_replaced_under_the_watcher_shows(
    hive: Hive, follower: ChainFollower
) -> None:
    known = follower.sealed()
    tamper(hive, DAYS[2], lambda rows: [*rows[:3], rows[3].replace(b'"n":3', b'"n":7')])
    assert follower.follow(known, 100).problem


async def test_what_nobody_was_told_of_is_not_judged(hive: Hive, follower: ChainFollower) -> None:
    tamper(hive, DAYS[2], lambda rows: [*rows, b"half a line"])
    assert follower.follow(BEGINNING, 100).problem is None
    tamper(hive, DAYS[2], lambda rows: [*rows[:4], b"no record at all\n"])
    assert follower.follow(BEGINNING, 100).problem is None


async def test_a_lost_anchor_shows(follower: ChainFollower, sqlite_store: Store) -> None:
    known = follower.sealed()
    with sqlite_store.transaction() as conn:
        conn.execute(delete(audit_heads))
    assert "no anchor" in (follower.follow(known, 100).problem or "")


async def test_an_anchor_set_back_shows(follower: ChainFollower, sqlite_store: Store) -> None:
    known = follower.sealed()
    with sqlite_store.transaction() as conn:
        conn.execute(audit_heads.update().values(seq=3))
    assert "sealed before" in (follower.follow(known, 100).problem or "")


async def test_a_hive_without_records_is_whole(tmp_path, sqlite_store: Store) -> None:
    empty = ChainFollower(Hive.open(tmp_path / "empty", sandbox=True), sqlite_store)
    with sqlite_store.transaction() as conn:
        conn.execute(delete(audit_heads))
    assert empty.follow(empty.sealed(), 100).done


async def test_an_unreadable_anchor_is_no_answer(
    follower: ChainFollower, sqlite_store: Store
) -> None:
    known = follower.sealed()
    with sqlite_store.transaction() as conn:
        conn.execute(text("DROP TABLE audit_heads"))
    with pytest.raises(StoreUnavailable):
        follower.follow(known, 100)
