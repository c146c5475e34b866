"""The monitor remembers where the other machines' chains stood, and misses what is not there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from guardrails.audit import AuditEntry, AuditLog
from guardrails.hive import Hive
from guardrails.store import Store, open_store
from guardrails.store.tables import audit_heads, audit_index
from orchestrator.health.chain import check_others
from orchestrator.health.memory import Memory
from tests.conftest import SteppableClock

pytestmark = pytest.mark.postgres


@pytest.fixture
def other(tmp_path: Path, migrated_postgres_url: str, clock: SteppableClock) -> Iterator[AuditLog]:
    """Another machine's audit, of three records."""
    hive = Hive.open(tmp_path / "other", sandbox=True)
    store = open_store(hive, migrated_postgres_url)
    log = AuditLog(hive, store, clock)
    asyncio.run(log.record([AuditEntry("review", "gate")] * 3))
    yield log
    log.close()
    store.close()


@pytest.fixture
def store(hive: Hive, migrated_postgres_url: str) -> Iterator[Store]:
    opened = open_store(hive, migrated_postgres_url)
    yield opened
    opened.close()


def test_what_grows_is_remembered_and_is_no_trouble(
    hive: Hive, store: Store, other: AuditLog
) -> None:
    own, memory = hive.chain_id(), Memory()
    for number in (3, 5, 5):
        while other.head().seq < number:
            asyncio.run(other.record([AuditEntry("review", "gate")]))
        memory, problem = check_others(store, own, memory)
        assert problem is None
        assert [place.seq for place in memory.others.values()] == [number]
    assert Memory.model_validate_json(memory.model_dump_json()) == memory


@pytest.mark.parametrize("what", ["hash", "row", "all"])
def test_what_is_rewritten_or_gone_is_told_until_it_is_there_again(
    hive: Hive, store: Store, other: AuditLog, what: str
) -> None:
    memory, _ = check_others(store, hive.chain_id(), Memory())
    with store.transaction() as conn:
        if what == "hash":
            conn.execute(update(audit_index).where(audit_index.c.seq == 3).values(hash="0" * 64))
        else:
            conn.execute(delete(audit_index).where(audit_index.c.seq >= 3))
        conn.execute(update(audit_heads).values(seq=2) if what != "all" else delete(audit_heads))
    for _ in range(2):
        memory, problem = check_others(store, hive.chain_id(), memory)
        assert problem is not None
        assert "record 3 of another machine's chain sandbox-" in problem


def test_a_hive_by_itself_has_no_others(hive: Hive, sqlite_store: Store) -> None:
    assert check_others(sqlite_store, hive.chain_id(), Memory()) == (Memory(), None)
